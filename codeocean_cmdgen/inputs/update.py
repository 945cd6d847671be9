"""Writes facts into a deployment file, and keeps what a person wrote there."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from codeocean_cmdgen.arguments import KNOWN
from codeocean_cmdgen.errors import DiscoveryError, Problem
from codeocean_cmdgen.files import PRIVATE_MODE, write_whole
from codeocean_cmdgen.inputs.deployment_file import BYTE_ORDER_MARK, DeploymentFile, text_of
from codeocean_cmdgen.inputs.example import empty_file
from codeocean_cmdgen.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable


class Fact(NamedTuple):
    """A value for the file, and where it came from.

    table: `source`, or `source.on-demand-backup` for a value of that step only.
    """

    table: str
    name: str
    texts: tuple[str, ...]
    origin: str


class Changes(NamedTuple):
    """What facts changed in a file. replaced: in words, the different values that it had before."""

    added: int
    replaced: list[str]

    @property
    def total(self) -> int:
        """How many values changed."""
        return self.added + len(self.replaced)


def update(path: Path, facts: Iterable[Fact]) -> Changes:
    """Write facts into a file, and return what that changed.

    A missing file is created, and only its owner may read it. Everything else in an existing file
    stays, including its owner and mode. The file is written whole or not at all.

    Raises:
        InputError: the file cannot be read or written.
        DiscoveryError: the file has a form that the facts cannot be written into.

    """
    path = Path(os.path.realpath(path))  # Path.resolve raises RuntimeError if links form a loop
    new = not os.path.lexists(path)
    text = empty_file() if new else text_of(path)
    facts = list(facts)
    old = DeploymentFile(str(path), text)
    mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
    new_text = mark + updated(text.removeprefix(mark), facts)
    if new_text != text or new:
        write_whole(path, new_text, PRIVATE_MODE, "--values", new=new, keep=not new)
    known = [(fact, old.texts(fact.table, fact.name)) for fact in facts]
    return Changes(
        added=sum(not before for _, before in known),
        replaced=[
            f"[{fact.table}] {fact.name} was {', '.join(before)}"
            for fact, before in known
            if before not in {(), fact.texts}
        ],
    )


def updated(text: str, facts: list[Fact]) -> str:
    """Return the text of a file with the facts added.

    Raises:
        DiscoveryError: see `update`.

    """
    import tomlkit  # noqa: PLC0415 - needed by `discover` only

    old = DeploymentFile("", text)
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
    read = DeploymentFile("", new)
    if read.problems or read.tables != expected:
        problem = Problem(
            "--values: the values found cannot be added to a file of this form",
            "write each table header, such as [source], and each value on a line of its own",
        )
        raise DiscoveryError([problem])
    return new


def _with_room(text: str, fact: Fact) -> str:
    """Uncomment the line that shows the value commented out, so that the fact is written there."""
    table, name = re.escape(fact.table), re.escape(fact.name)
    shown = rf"^(\[{table}\].*\n(?:(?!\[).*\n)*?)#{name} = (?:\[\n(?:#.*\n)*?#\]|.*)$"
    return re.sub(shown, rf'\g<1>{fact.name} = ""', text, count=1, flags=re.MULTILINE)


_FOUND = "found: "
"""How a comment begins that `discover` writes after a value."""


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
    # The origin may contain text from AWS, which must not end the comment.
    new.comment(" ".join(filter(None, [comment, f"# {_FOUND}{printable(fact.origin)}"])))
    table[key] = new
