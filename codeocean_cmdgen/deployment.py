"""The deployment file: what is known of source, backup and target, for `--values`.

`init` writes it, all commented out; `discover` fills it in and keeps what a person wrote there.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from codeocean_cmdgen.arguments import FACTS, KNOWN
from codeocean_cmdgen.errors import DiscoveryError, InputError, Problem
from codeocean_cmdgen.files import write_whole
from codeocean_cmdgen.sources import TABLES, ValuesFile, takes
from codeocean_cmdgen.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MODE = 0o600
"""The owner's alone: it holds no secret, but it is a map of three accounts."""

_HEAD = """\
# The facts of the three deployments, for --values. `codeocean-cmdgen discover source` fills them
# in, with credentials of the source's account, `... backup` and `... target` in theirs. What it
# does not find, write yourself: take the # off the line, and put the value in. The values shown are
# examples.
#
# Keys are named as the options. A table such as [backup.snapshot-copy] holds what this one step
# takes, and goes before [backup]. No secret belongs in here.
"""

_TITLES = {
    "source": "The deployment that is protected or moved.",
    "backup": "The backup stack, which receives snapshots and replicas.",
    "target": "The new deployment, which is restored or moved into.",
}


class Fact(NamedTuple):
    """A value for the file, and where it came from.

    table: `source`, or `source.on-demand-backup` for what that step alone takes.
    """

    table: str
    name: str
    texts: tuple[str, ...]
    origin: str


# A new file.


def example() -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the example values by table and name, which fit each other."""
    return ValuesFile.read(Path(__file__).with_name("examples") / "values.toml").tables


def empty_file() -> str:
    """Return the text of a file in which every value is commented out."""
    examples = example()
    layout = _layout(examples)
    text = _HEAD
    for table in TABLES:
        for home, names in layout.items():
            if home == table:
                text += f"\n# {_TITLES[table]}\n[{home}]\n"
            elif home.startswith(f"{table}."):
                text += f"\n[{home}]\n"
            else:
                continue
            for name in names:
                known = KNOWN[name]
                values = examples.get(home, {}).get(name, (known.kind.example,))
                text += _described(name) + _assigned(name, values)
    return text


def _layout(examples: dict[str, dict[str, tuple[str, ...]]]) -> dict[str, list[str]]:
    """Return the names for each table: what steps need, or the example has, and is to be found.

    A choice that a person makes each time, such as the name of the round, is no fact.
    """
    layout: dict[str, list[str]] = {}
    for table in TABLES:
        layout[table] = []
        for step in STEPS:
            for name, needed in step.arguments().items():
                narrow = f"{table}.{step.name}"
                home = narrow if name in examples.get(narrow, {}) else table
                found = KNOWN[name].where and step.elsewhere.get(name, table) == table
                wanted = needed or name in examples.get(home, {})
                if found and wanted and takes(step, table, name):
                    names = layout.setdefault(home, [])
                    names += [name] if name not in names else []
        if "stack_name" in layout[table] and "data_volume_id" in layout[table]:
            layout[table] += FACTS
    return {home: [name for name in KNOWN if name in names] for home, names in layout.items()}


def _described(name: str) -> str:
    argument = KNOWN[name]
    text = f"{argument.help}; find it in: {argument.where}"
    lines = textwrap.wrap(text, 98, break_on_hyphens=False)
    return "".join(f"# {line}\n" for line in lines)


def _assigned(name: str, values: tuple[str, ...]) -> str:
    if not KNOWN[name].many:
        return f'#{name} = "{values[0]}"\n'
    return "".join(
        f"#{line}\n" for line in (f"{name} = [", *(f'  "{one}",' for one in values), "]")
    )


# A file with facts.


def known(path: Path) -> ValuesFile:
    """Return what a file holds; nothing where there is none yet.

    Raises:
        InputError: it cannot be read, or has a wrong form.

    """
    file = ValuesFile.read(path) if path.exists() else ValuesFile(str(path), "")
    if file.problems:
        raise InputError(file.problems)
    return file


def update(path: Path, facts: Iterable[Fact]) -> list[str]:
    """Write facts into a file, and return in words which other values they replaced.

    The file is made where there is none. Everything else in it stays as it is; it is written
    whole or not at all.

    Raises:
        InputError: the file cannot be read or written.
        DiscoveryError: the file has a form that the facts cannot be written into.

    """
    path = path.resolve()
    new = not path.exists()
    try:
        text = empty_file() if new else path.read_bytes().decode()  # line ends as they are
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(ValuesFile.read(path).problems) from error
    facts = list(facts)
    old = ValuesFile(str(path), text)
    new_text = updated(text, facts)
    if new_text != text or new:
        write_whole(path, new_text, MODE, "--values", new=new)
    return list(_changes(old, facts))


def _changes(old: ValuesFile, facts: Iterable[Fact]) -> Iterator[str]:
    for fact in facts:
        before = old.tables.get(fact.table, {}).get(fact.name)
        if before and before != fact.texts:
            yield f"[{fact.table}] {fact.name} was {', '.join(before)}"


def updated(text: str, facts: list[Fact]) -> str:
    """Return the text of a file with facts in it.

    Raises:
        DiscoveryError: as update.

    """
    import tomlkit  # noqa: PLC0415 - for those who discover only

    old = ValuesFile("", text)
    expected = {table: dict(values) for table, values in old.tables.items()}
    for fact in facts:
        if fact.name not in expected.setdefault(fact.table, {}):
            text = _with_room(text, fact)
        expected.setdefault(fact.table.partition(".")[0], {})
        expected[fact.table][fact.name] = fact.texts
    try:
        document = tomlkit.parse(text)
        for fact in facts:
            _put(document, fact)
        new = tomlkit.dumps(document)
    except ValueError:  # such as a table within { }
        new = ""
    read = ValuesFile("", new)
    if read.problems or read.tables != expected:
        problem = Problem(
            "--values: the file has a form that not every value can be added to",
            "write each table as [source] on a line of its own, and each value on its own line",
        )
        raise DiscoveryError([problem])
    return new


def _with_room(text: str, fact: Fact) -> str:
    """Take the # off the line that shows the value commented out, so that it is filled in there."""
    table, name = re.escape(fact.table), re.escape(fact.name)
    shown = rf"^(\[{table}\].*\n(?:(?!\[).*\n)*?)#{name} = (?:\[\n(?:#.*\n)*?#\]|.*)$"
    return re.sub(shown, rf'\g<1>{fact.name} = ""', text, count=1, flags=re.MULTILINE)


_FOUND = "found: "
"""What the comment behind a value begins with, that `discover` wrote."""


def _put(document: Any, fact: Fact) -> None:  # noqa: ANN401 - tomlkit's mappings
    import tomlkit  # noqa: PLC0415 - as above

    table = document
    for part in fact.table.split("."):
        if part not in table:
            table.add(part, tomlkit.table())
        table = table[part]
    key = next((key for key in table if key.replace("-", "_") == fact.name), fact.name)
    comment = ""
    if key in table:
        old = table[key]
        before = tuple(old) if isinstance(old, list) else (str(old),)
        if before == fact.texts:
            return
        comment = old.trivia.comment.partition(f"# {_FOUND}")[0].rstrip()
    new: Any
    if KNOWN[fact.name].many:
        new = tomlkit.array()
        new.extend(fact.texts)
        new.multiline(multiline=True)
    else:
        new = tomlkit.item(fact.texts[0])
    new.comment(" ".join(filter(None, [comment, f"# {_FOUND}{fact.origin}"])))
    table[key] = new
