"""Where a value comes from: option, environment, values file, stack.json, the person.

The first of them that has a value gives it, and the script says which it was.
"""

from __future__ import annotations

import json
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

from codeocean_cmdgen.arguments import KNOWN, VOCABULARY, flag
from codeocean_cmdgen.errors import InputError, Problem, shown
from codeocean_cmdgen.steps import STEPS, Step
from codeocean_cmdgen.steps.base import broken_rules
from codeocean_cmdgen.values import Region, is_bucket_name
from codeocean_cmdgen.vendor import REPLICATED_BUCKETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

STACK_JSON = Path("/etc/codeocean/stack.json")
"""The services instance's description of its own deployment."""

TABLES = ("source", "backup", "target")

DEPLOYMENT_FILE = "facts.toml"
"""The values file that is written where no name is given."""

BACKUP_PARAMETERS = (
    "pDestinationBackupVaultArn, pDestinationBackupS3KmsKey, pDestinationBackupS3StorageClass "
    "and the nine pDestinationBackup...BucketArn"
)
"""The parameters of the vendor's stack (template 3.8.2) that configure its backup."""


_STEP_NAMES = tuple(step.name for step in STEPS)

_NUMBERS_BELOW = 10**12
"""No number that is asked for has more digits than an account id."""


class Given(NamedTuple):
    """Texts of one value, not yet checked, and where they came from.

    place: the file and the line, for messages; empty where there is none.
    """

    texts: tuple[str, ...]
    origin: str
    place: str = ""


Ask = Callable[[str], "tuple[str, ...]"]
"""Asks the person for the value of a name; answers texts, none when there is no answer."""


class Gathered(NamedTuple):
    """A step made of checked values, and the origin of each by field name."""

    step: Step
    origins: dict[str, str]


def gather(
    step: type[Step],
    options: Mapping[str, Given],
    *,
    table: Optional[str] = None,
    values_file: Path | ValuesFile | None = None,
    stack_json: Optional[Path] = None,
    own_stack_json: bool = True,
    ask: Optional[Ask] = None,
) -> Gathered:
    """Make a step of what was given.

    options: what came from the command line and the environment, by field name.
    table: the table of the values file that the step takes; its default when None.
    values_file: a TOML file, read or not; may be absent, may not be unreadable.
    stack_json: a stack.json to use instead of the services instance's own.
    own_stack_json: whether that of this very host may be used, where it has one.
    ask: asks for what is still missing; without it, what is missing is a problem.

    Raises:
        InputError: with every problem there is.

    """
    table = table or step.tables[0]
    problems: list[Problem] = []
    excuses: list[Problem] = []
    given = _from_values_file(step, table, values_file, problems)
    given.update(options)
    _read_files(given, problems)
    # The other deployments that the script may work for have a stack.json of their own.
    places = [
        names
        for deployment, names in step.from_stack_json.items()
        if deployment == table or deployment not in step.tables
    ]
    stack = None
    if places and stack_json:
        stack = read_stack_json(stack_json, problems)
    elif places and own_stack_json and STACK_JSON.exists():
        stack = read_stack_json(STACK_JSON, excuses)
    if stack:
        excuses += _fill_from_stack_json(places, stack, given)
    if ask and not problems and not excuses:
        _fill_by_asking(step, ask, given)
    values = _parse(step, given, problems, excuses)
    problems += broken_rules(step.checks, values)
    if problems:
        raise InputError(problems)
    origins = {
        name: given[name].origin if name in given else "default" for name in step.arguments()
    }
    return Gathered(step(**values), origins)


def _fill_by_asking(step: type[Step], ask: Ask, given: dict[str, Given]) -> None:
    for name, needed in step.arguments().items():
        if needed and name not in given:
            texts = ask(name)
            if texts:
                given[name] = Given(texts, "answer on the terminal")


def _parse(
    step: type[Step],
    given: Mapping[str, Given],
    problems: list[Problem],
    excuses: list[Problem],
) -> dict[str, Any]:
    """Return the checked values; what is wrong or missing becomes a problem.

    excuses: why stack.json could not help; told when something is missing.
    """
    values: dict[str, Any] = {}
    for name, needed in step.arguments().items():
        argument = VOCABULARY[name]
        where = f"find it in: {argument.where}" if argument.where else ""
        if name in given:
            texts, origin, place = given[name]
            reasons = _why_not(name, texts)
            said = f"{origin}, {place}" if place else origin
            problems += [Problem(f"{flag(name)}: {why} ({said})", where) for why in reasons]
            if not reasons:
                checked = tuple(map(argument.kind, texts))
                values[name] = checked if argument.many else checked[0]
        elif needed:
            problems += excuses
            excuses = []
            example = argument.kind.example
            problems.append(
                Problem(f"{flag(name)} is missing: the {argument.help}, such as {example}", where)
            )
    return values


def _read_files(given: dict[str, Given], problems: list[Problem]) -> None:
    """Put in the place of a file's path what the file holds."""
    for name in [name for name in given if VOCABULARY[name].file]:
        paths, origin, _ = given.pop(name)
        hint = ""
        try:
            (path,) = paths
            texts = _saved_parameters(json.loads(Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            what = f"cannot read {shown(path)}: {error.strerror}"
        except (ValueError, LookupError, TypeError, RecursionError):
            what = f"{shown(', '.join(paths))} is not what `describe-stacks` answers for one stack"
            hint = "aws cloudformation describe-stacks --stack-name NAME --output json >FILE"
        else:
            given[name] = Given(texts, origin)
            continue
        problems.append(Problem(f"{flag(name)}: {what} ({origin})", hint))


def _saved_parameters(answer: Any) -> tuple[str, ...]:  # noqa: ANN401 - any JSON
    """Return the parameters of the one stack that `describe-stacks` answered with."""
    (stack,) = answer["Stacks"]
    return tuple(f"{one['ParameterKey']}={one['ParameterValue']}" for one in stack["Parameters"])


def _why_not(name: str, texts: tuple[str, ...]) -> list[str]:
    """Return why these are not the texts of the value; nothing when they are."""
    argument = KNOWN[name]
    if not argument.many and len(texts) != 1:
        return [f"one value was expected, not {len(texts)}"]
    return list(filter(None, map(argument.kind.why_not, texts)))


# The values file.


class ValuesFile:
    """What a values file holds: texts by table and name, and the line of each.

    problems: what is wrong with its form, each with file and line; `check` also looks at values.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self.tables: dict[str, dict[str, tuple[str, ...]]] = {}
        self._text = text
        self._lines: dict[tuple[str, ...], int] = {}
        for table, content in self._load().items():
            self._read(table, content)

    @classmethod
    def read(cls, path: Path) -> ValuesFile:
        """Read a file; that it cannot be read is a problem too."""
        shown_path = shown(str(path))
        try:
            return cls(shown_path[1:-1], path.read_text(encoding="utf-8"))
        except OSError as error:
            problem = Problem(f"--values: cannot read {shown_path}: {error.strerror}")
        except UnicodeDecodeError:
            problem = Problem(f"--values: {shown_path} is not UTF-8 text")
        unread = cls(shown_path[1:-1], "")
        unread.problems.append(problem)
        return unread

    def _load(self) -> dict[str, Any]:
        try:
            return _loads(self._text)
        except (ValueError, RecursionError) as error:  # too deep, or a number that is too long
            hint = 'texts stand in quotes, as in account_id = "111111111111"'
            self.problems.append(Problem(f"--values: '{self.name}' is not TOML: {error}", hint))
            return {}

    def _read(self, table: str, content: object) -> None:
        if table not in TABLES or not isinstance(content, dict):
            known = "[source], [backup], [target]"
            self._complain(
                (table,),
                f"{shown(table)} is none of the tables {known}",
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

    def _read_table(self, table: str, content: dict[str, Any]) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for key, value in content.items():
            name = key.replace("-", "_")
            texts = _texts(value)
            where = (*table.split("."), key)
            if name not in KNOWN:
                hint = _did_you_mean(name, [*KNOWN, *_STEP_NAMES])
                self._complain(where, f"{shown(key)} in [{table}] is not the name of a value", hint)
            elif name in found:
                self._complain(where, f"{name} in [{table}] is given twice, with - and with _")
            elif texts is None:
                self._complain(
                    where,
                    f"{key} in [{table}] is not a text, or a list of texts: "
                    f'write {key} = "{KNOWN[name].kind.example}"',
                )
            else:
                found[name] = texts
        return found

    def _complain(self, where: tuple[str, ...], what: str, hint: str = "") -> None:
        self.problems.append(Problem(f"--values: {self.place(*where)}: {what}", hint))

    def place(self, *where: str) -> str:
        """Return file and line of a table or key, as editors take them: `facts.toml:12`."""
        self._lines = self._lines or dict(_line_numbers(self._text))
        line = self._lines.get(tuple(part.replace("-", "_") for part in where))
        return f"{self.name}:{line}" if line else self.name

    def check(self) -> list[Problem]:
        """Return every problem: of form, values of a wrong kind, and values that nobody takes."""
        problems = list(self.problems)
        for table, values in self.tables.items():
            home, _, step = table.partition(".")
            takers = [one for one in STEPS if step in {"", one.name}]
            for name, texts in values.items():
                at = self.place(home, *filter(None, [step]), name)
                where = KNOWN[name].where
                problems += [
                    Problem(
                        f"--values: {at}: {name} in [{table}]: {why}",
                        f"find it in: {where}" if where else "",
                    )
                    for why in _why_not(name, texts)
                ]
                if name in VOCABULARY and not any(takes(one, home, name) for one in takers):
                    problems.append(
                        Problem(f"--values: {at}: {name} in [{table}] is read by no step")
                    )
        return problems


def takes(step: type[Step], table: str, name: str) -> bool:
    """Tell whether a step may take a value from a table of the values file."""
    return name in step.arguments() and table in {*step.tables, step.elsewhere.get(name)}


def homes(step: type[Step], table: str, name: str) -> tuple[str, ...]:
    """Return the tables of a values file that may hold a value of a step, the narrowest first."""
    own = step.elsewhere.get(name, table)
    return (f"{own}.{step.name}", own, f"{table}.{step.name}", table)


def read_values(path: Path) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the texts of a values file: table, also `source.snapshot-copy` -> name -> texts.

    Raises:
        InputError: with every problem of its form.

    """
    file = ValuesFile.read(path)
    if file.problems:
        raise InputError(file.problems)
    return file.tables


def _from_values_file(
    step: type[Step], table: str, file: Path | ValuesFile | None, problems: list[Problem]
) -> dict[str, Given]:
    if file is None:
        return {}
    if isinstance(file, Path):
        file = ValuesFile.read(file)
    problems += file.problems
    given: dict[str, Given] = {}
    for name in step.arguments():
        for home in homes(step, table, name):
            texts = file.tables.get(home, {}).get(name)
            if texts:
                bad = _why_not(name, texts)
                place = file.place(*home.split("."), name) if bad else ""
                given[name] = Given(texts, f"values file [{home}]", place)
                break
    return given


def _loads(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415 - not needed without a values file
    else:
        import tomli as tomllib  # noqa: PLC0415
    document: dict[str, Any] = tomllib.loads(text)
    return document


def _line_numbers(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield each table and key of a text that is TOML, and its line; - and _ are the same.

    TOML is read statement by statement: one is a line, or as many as it takes to be TOML.
    """
    table: tuple[str, ...] = ()
    statement, first = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        statement += f"{line}\n"
        try:
            paths = list(_paths(_loads(statement)))
        except ValueError:
            continue  # the value goes on
        header = statement.lstrip().startswith("[")
        if header:
            table = paths[-1]
        for path in paths:
            full = path if header else (*table, *path)
            yield tuple(part.replace("-", "_") for part in full), first
        statement, first = "", number + 1


_DEPTH = 3
"""Of [table.step] and its keys; nothing has a meaning below."""


def _paths(content: dict[str, Any], depth: int = _DEPTH) -> Iterator[tuple[str, ...]]:
    for key, value in content.items():
        yield (key,)
        if isinstance(value, dict) and depth > 1:
            for path in _paths(value, depth - 1):
                yield (key, *path)


def _texts(value: object) -> Optional[tuple[str, ...]]:
    """Return the texts of a TOML value; None for what no argument takes."""
    if isinstance(value, bool):
        return ("yes" if value else "no",)
    if isinstance(value, str) or (isinstance(value, int) and 0 <= value < _NUMBERS_BELOW):
        return (str(value),)
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return tuple(value)
    return None


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]}?" if close else ""


# stack.json.


_STACK_JSON_KEYS = {
    "stack_name": ("", "Stack"),
    "account_id": ("AWS", "AccountID"),
    "region": ("AWS", "Region"),
    "role_arn": ("AWS", "S3BackupRole"),
    "destination_vault_arn": ("AWS", "BackupVault"),
    "to_host": ("AnalyticsDB", "Host"),
    "to_port": ("AnalyticsDB", "Port"),
    "user": ("AnalyticsDB", "Username"),
}
"""The values that stand in a stack.json as they are: where. Its passwords are not among them."""


class StackJson:
    """The allow-listed facts of a stack.json; everything else in it is dropped on reading."""

    def __init__(self, text: str) -> None:
        document = json.loads(text)
        self._facts = {
            name: self._texts(document, part).get(key.lower(), "")
            for name, (part, key) in _STACK_JSON_KEYS.items()
        }
        self._buckets = self._texts(document, "Buckets")

    @staticmethod
    def _texts(document: object, key: str) -> dict[str, str]:
        part = document.get(key) if key and isinstance(document, dict) else document
        part = part if isinstance(part, dict) else {}
        return {name.lower(): value for name, value in part.items() if isinstance(value, str)}

    def look_up(self, name: str, problems: list[Problem]) -> tuple[str, ...]:
        """Return the texts of a value; what is missing becomes a problem."""
        if name == "bucket_arn":
            return self._bucket_arns(problems)
        text = self._facts[name]
        if not text and name == "role_arn":
            problems.append(
                Problem(
                    "AWS.S3BackupRole is empty in stack.json: this stack has no backup "
                    "configuration yet",
                    f"to replicate from this deployment, set its stack's parameters "
                    f"{BACKUP_PARAMETERS}, and update the stack; to restore, add --from backup",
                )
            )
        elif not text:
            key = ".".join(filter(None, _STACK_JSON_KEYS[name]))
            problems.append(Problem(f"{key} is missing in stack.json"))
        return (text,)

    def _bucket_arns(self, problems: list[Problem]) -> tuple[str, ...]:
        region = Region(self._facts["region"])
        found = {}
        for key in REPLICATED_BUCKETS:
            name = self._buckets.get(key.lower(), "")
            if is_bucket_name(name):
                found[key] = f"arn:{region.aws_partition}:s3:::{name}"
        missing = [key for key in REPLICATED_BUCKETS if key not in found]
        if missing:
            command = " ".join(
                ["--account-id ... --region ... --role-arn ..."]
                + [f"--bucket-arn {arn}" for arn in found.values()]
            )
            problems.append(
                Problem(
                    "stack.json names no bucket for " + ", ".join(missing),
                    f"if this version has none, name the others yourself: {command}",
                )
            )
        return tuple(found.values())


def _fill_from_stack_json(
    places: Iterable[tuple[str, ...]], stack: StackJson, given: dict[str, Given]
) -> list[Problem]:
    """Fill each place that nothing was given for; return why one could not be filled."""
    excuses: list[Problem] = []
    for names in places:
        if any(name in given for name in names):
            continue
        reasons: list[Problem] = []
        facts = {name: Given(stack.look_up(name, reasons), "stack.json") for name in names}
        if not reasons:
            given.update(facts)
        excuses += reasons
    return excuses


def read_stack_json(path: Path, problems: list[Problem]) -> Optional[StackJson]:
    """Return the allow-listed facts of a stack.json; why it cannot be read becomes a problem."""
    try:
        return StackJson(path.read_text(encoding="utf-8"))
    except OSError as error:
        problems.append(Problem(f"--stack-json: cannot read {shown(str(path))}: {error.strerror}"))
    except (ValueError, RecursionError):
        # Without the decoder's words: they may quote the file, which holds passwords.
        problems.append(Problem(f"--stack-json: {shown(str(path))} is not JSON"))
    return None
