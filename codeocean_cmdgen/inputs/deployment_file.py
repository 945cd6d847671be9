"""The deployment file, which says what the steps need to know about the three deployments.

Every command reads and validates it here, and accepts what `discover` writes.
"""

from __future__ import annotations

import os
import shlex
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

from codeocean_cmdgen.arguments import KNOWN, VOCABULARY, why_not
from codeocean_cmdgen.errors import InputError, Problem, shown
from codeocean_cmdgen.files import read_input
from codeocean_cmdgen.inputs import stack_json
from codeocean_cmdgen.inputs.toml_text import line_numbers, load
from codeocean_cmdgen.steps import STEPS, DbRestore

if TYPE_CHECKING:
    from collections.abc import Iterable

    from codeocean_cmdgen.steps import Step

TABLES = ("source", "backup", "target")

DEPLOYMENT_FILE = "deployment.toml"
"""The name of the deployment file, if no other is given."""

BYTE_ORDER_MARK = "\ufeff"
"""What some editors write before the text of a file."""

Tell = Callable[[str], None]
"""Shows one line to the person."""

_STEP_NAMES = tuple(step.name for step in STEPS)

_NUMBERS_BELOW = 10**12
"""Upper limit of a number in the file: no value has more digits than an account ID."""


class DeploymentFile:
    """The content of a deployment file: texts by table and name, and the line of each.

    name: its path, as the person gave it.
    problems: everything that is wrong, with file and line: a wrong form, values of the wrong kind,
    and values that no step reads.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self.tables: dict[str, dict[str, tuple[str, ...]]] = {}
        self._text = text.removeprefix(BYTE_ORDER_MARK)
        self._lines: dict[tuple[str, ...], int] = {}
        try:
            content = load(self._text)
        except (ValueError, RecursionError) as error:  # such as a number that is too long
            problem = Problem(f"--values: {shown(name)} is not TOML: {error}", _toml_hint(error))
            self.problems.append(problem)
            return
        for table, values in content.items():
            self._read(table, values)
        self._validate()

    @property
    def option(self) -> str:
        """The option that names this file, for a command to type in the same folder."""
        return f"--values {shlex.quote(self.name)}"

    def position(self, *where: str) -> str:
        """Return file and line of a table or key, in the form of editors: `deployment.toml:12`."""
        self._lines = self._lines or line_numbers(self._text)
        line = self._lines.get(tuple(part.replace("-", "_") for part in where))
        name = shown(self.name)[1:-1]
        return f"{name}:{line}" if line else name

    def texts(self, table: str, name: str) -> tuple[str, ...]:
        """Return the texts of a value; none if the file does not have it."""
        return self.tables.get(table, {}).get(name, ())

    def first(self, step: type[Step], table: str, name: str) -> tuple[str, tuple[str, ...]]:
        """Return the most specific table that has a value of a step, and its texts.

        Both are empty if the file does not have it.
        """
        for home in homes(step, table, name):
            if texts := self.texts(home, name):
                return home, texts
        return "", ()

    def tables_of(self, deployment: str) -> dict[str, dict[str, tuple[str, ...]]]:
        """Return the tables of a deployment: its own, and those of its steps."""
        return {
            table: content
            for table, content in self.tables.items()
            if table.partition(".")[0] == deployment
        }

    @property
    def temporary_database(self) -> str:
        """The name that db-restore gives the temporary database instance."""
        _, texts = self.first(DbRestore, "target", "temporary_db_instance_id")
        return texts[0] if texts else DbRestore.temporary_db_instance_id

    def _read(self, table: str, content: object) -> None:
        if table in TABLES and not isinstance(content, dict):
            self._complain((table,), f"{table} is a table: write [{table}] on a line of its own")
            return
        if table not in TABLES or not isinstance(content, dict):
            known = "[source], [backup], [target]"
            self._complain(
                (table,),
                f"{shown(table)} is not one of the tables {known}",
                _did_you_mean(table, TABLES),
            )
            return
        narrower = {
            key: value
            for key, value in content.items()
            if key in _STEP_NAMES and isinstance(value, dict)
        }
        for step, values in narrower.items():
            self.tables[f"{table}.{step}"] = self._read_table(f"{table}.{step}", values)
        plain = {key: value for key, value in content.items() if key not in narrower}
        self.tables[table] = self._read_table(table, plain)

    def _read_table(self, table: str, content: dict[str, object]) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for key, value in content.items():
            name = key.replace("-", "_")
            texts = _texts(value)
            where = (*table.split("."), key)
            if name not in KNOWN:
                hint = _did_you_mean(name, [*KNOWN, *_STEP_NAMES])
                self._complain(where, f"{shown(key)} in [{table}] is not a known value", hint)
            elif name in found:
                self._complain(
                    where, f"{name} in [{table}] is given twice, with - and with _: remove one"
                )
            elif texts is None:
                self._complain(
                    where,
                    f"{key} in [{table}] is not a text or a list of texts: "
                    f'write {key} = "{KNOWN[name].kind.example}"',
                )
            else:
                found[name] = texts
        return found

    def _complain(self, where: tuple[str, ...], what: str, hint: str = "") -> None:
        self.problems.append(Problem(f"--values: {self.position(*where)}: {what}", hint))

    def _validate(self) -> None:
        """Report values of the wrong kind, and values that no step reads."""
        for table, values in self.tables.items():
            home, _, step = table.partition(".")
            takers = [one for one in STEPS if step in {"", one.name}]
            for name, texts in values.items():
                where = (*table.split("."), name)
                hint = f"find it in: {KNOWN[name].where}" if KNOWN[name].where else ""
                # The path of a file is checked when that file is read.
                for why in [] if KNOWN[name].file else why_not(name, texts):
                    self._complain(where, f"{name} in [{table}]: {why}", hint)
                if name in VOCABULARY and not any(takes(one, home, name) for one in takers):
                    self._complain(where, f"no step reads {name} in [{table}]: remove or move it")


def takes(step: type[Step], table: str, name: str) -> bool:
    """Return whether a step may take a value from a table of the deployment file."""
    return name in step.arguments() and table in {*step.tables, step.elsewhere.get(name)}


def homes(step: type[Step], table: str, name: str) -> tuple[str, ...]:
    """Return the tables that may hold a value of a step, the most specific first."""
    own = step.elsewhere.get(name, table)
    return (f"{own}.{step.name}", own, f"{table}.{step.name}", table)


# Reading it.


def read_deployment_file(path: Path) -> DeploymentFile:
    """Read and validate a deployment file.

    Raises:
        InputError: it cannot be read, or with all problems of its content.

    """
    return _validated(path, text_of(path))


def named_or_default(values: Optional[str], tell: Tell) -> Optional[DeploymentFile]:
    """Return the file that --values names, otherwise deployment.toml in the current folder, if any.

    Nobody named the default, so it is read only if the user owns it and nobody else may write it,
    and never on a services instance.

    values: what the option says; None without it.
    tell: shows that the default was read, or why it was not.

    Raises:
        InputError: as read_deployment_file.

    """
    if values is not None:
        return read_deployment_file(Path(values))
    if stack_json.is_services_instance():
        return None
    path = Path(DEPLOYMENT_FILE)
    try:
        content = read_input(path, own=True)
    except FileNotFoundError:
        return None
    except OSError as error:
        tell(f"{path} in the current folder is not used without --values: {error.strerror}")
        return None
    tell(f"using {path} in the current folder")
    return _validated(path, _decoded(path, content))


def demand_deployment_file(values: Optional[str], tell: Tell) -> DeploymentFile:
    """Return the file as named_or_default does, for a command that cannot work without it.

    Raises:
        InputError: there is none, or as read_deployment_file.

    """
    file = named_or_default(values, tell)
    if file is None:
        raise InputError([_no_file()])
    return file


def file_to_fill_in(values: Optional[str], tell: Tell) -> DeploymentFile:
    """Return the file that is to be filled in; one that does not exist yet counts as empty.

    Raises:
        InputError: as demand_deployment_file.

    """
    if values is None:
        absent = not (stack_json.is_services_instance() or os.path.lexists(DEPLOYMENT_FILE))
    else:
        absent = not os.path.lexists(os.path.realpath(values))
    if absent:
        return DeploymentFile(values or DEPLOYMENT_FILE, "")
    return demand_deployment_file(values, tell)


def text_of(path: Path) -> str:
    """Return the text of a deployment file, with its line ends and byte order mark.

    Raises:
        InputError: it cannot be read.

    """
    try:
        return _decoded(path, read_input(path))
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        hint = f"to create it: codeocean-cmdgen init {shlex.quote(str(path))}" if missing else ""
        problem = Problem(f"--values: cannot read {shown(str(path))}: {error.strerror}", hint)
        raise InputError([problem]) from error


def _decoded(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        where = f"{shown(str(path))[1:-1]}:{line}"
        raise InputError([Problem(f"--values: {where}: this line is not UTF-8 text")]) from error


def _validated(path: Path, text: str) -> DeploymentFile:
    file = DeploymentFile(str(path), text)
    if file.problems:
        raise InputError(file.problems)
    return file


def _no_file() -> Problem:
    if stack_json.is_services_instance():
        return Problem("missing --values: a services instance has no default deployment file")
    if os.path.lexists(DEPLOYMENT_FILE):
        return Problem(
            f"missing --values: {DEPLOYMENT_FILE} in the current folder is not used: see above",
            f"if it is yours alone: chmod go-w {DEPLOYMENT_FILE}; or name it with --values",
        )
    return Problem(
        f"missing --values: there is no {DEPLOYMENT_FILE} in the current folder",
        "name yours with --values FILE, or create one: codeocean-cmdgen init",
    )


def _texts(value: object) -> Optional[tuple[str, ...]]:
    """Return the texts of a TOML value; None if no argument takes such a value."""
    if isinstance(value, bool):
        return ("yes" if value else "no",)
    if isinstance(value, str) or (isinstance(value, int) and 0 <= value < _NUMBERS_BELOW):
        return (str(value),)
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return tuple(value)
    return None


def _toml_hint(error: Exception) -> str:
    """Return what to do about a text that is not TOML: by the mistakes that people make."""
    message = str(error)
    for beginning, hint in _TOML_HINTS.items():
        if message.startswith(beginning):
            return hint
    return ""


_QUOTES = 'put texts in quotes, as in account_id = "111111111111"'
_TOML_HINTS = {
    "Cannot declare": "write each [table] once, and put all its values below it",
    "Cannot overwrite": "write each value once; write several texts as a list",
    "Invalid value": _QUOTES,
    "Expected newline or end of document": _QUOTES,
}
"""How the parser's message begins -> the hint. Source: tomllib and tomli."""


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]}?" if close else ""
