"""Reports verdicts: as text for people, as JSON for programs."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, NamedTuple

from codeocean_cmdgen.arguments import flag
from codeocean_cmdgen.errors import shown
from codeocean_cmdgen.rendering.script import BY_DEFAULT, text_digest
from codeocean_cmdgen.terminal import printable
from codeocean_cmdgen.verify.verdicts import VERIFIED, WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from codeocean_cmdgen.inputs.resolve import Resolved
    from codeocean_cmdgen.verify.verdicts import Difference, Verdict


def as_text(verdicts: Iterable[Verdict]) -> str:
    """Return the verdicts for people: what differs, then the values to judge."""
    lines: list[str] = []
    for verdict in verdicts:
        lines.append(f"{printable(verdict.name)}: {verdict.word}")
        if verdict.digest:
            lines.append(f"  sha256 {verdict.digest}")
        lines += [f"  {_in_words(difference)}" for difference in verdict.differences]
        if verdict.note:
            lines.append(f"  {verdict.note}")
        for script in verdict.scripts:
            step = script.step.variant()
            unsure = "" if verdict.word == VERIFIED else " (not verified)"
            lines.append(f"  {step.name}: {step.title}{unsure}")
            lines += _table(rows(script))
        lines.append("")
    return "\n".join(lines)


class Row(NamedTuple):
    """A value as a reviewer judges it: its option, its text, and where it came from.

    The text is quoted as for a shell: blanks in it look like nothing else.
    """

    option: str
    text: str
    origin: str


def rows(script: Resolved) -> list[Row]:
    """Return the values of a script, a row for each text of a value."""
    variables = script.step.variant().variables()
    found = []
    for name, origin in script.origins.items():
        value = getattr(script.step, name) or variables.get(name) or ()
        told = BY_DEFAULT if origin == "default" else f"from {origin}"
        texts = value if isinstance(value, tuple) else (str(value),)
        words = [shlex.quote(text) for text in texts]
        found += [Row(flag(name), word, told) for word in words or ("(none)",)]
    return found


_WIDEST = 72
"""Characters of the widest column: one long value moves only what is on its own line."""


def _table(found: list[Row]) -> list[str]:
    widths = [min(_WIDEST, max(len(row[column]) for row in found)) for column in (0, 1)]
    return [
        f"    {option.ljust(widths[0])}  {text.ljust(widths[1])}  {origin}"
        for option, text, origin in found
    ]


def _in_words(difference: Difference) -> str:
    """Say what differs in one line; both texts are cut to where they differ."""
    message, line, expected, found = difference
    told = f"line {line}: " if line else ""
    if message:
        return f"{told}{message}" + (f": {shown(found)}" if found else "")
    column = next(
        (place for place, (one, other) in enumerate(zip(expected, found)) if one != other),
        min(len(expected), len(found)),
    )
    begin = column - _BEFORE if column > _LONG else 0
    texts = [("..." if begin else "") + text[begin:] for text in (expected, found)]
    return f"{told}expected {shown(texts[0])}, found {shown(texts[1])}"


_LONG, _BEFORE = 80, 20
"""Where a difference begins that a cut line would not show, and what is shown before it."""


def as_json(verdicts: Iterable[Verdict]) -> str:
    """Return the verdicts for programs."""
    document = [
        {
            "name": verdict.name,
            "verdict": verdict.word,
            "note": verdict.note or None,
            "sha256": verdict.digest or None,
            "differences": [one._asdict() for one in verdict.differences],
            "scripts": [_document(script) for script in verdict.scripts],
        }
        for verdict in verdicts
    ]
    return json.dumps(document, indent=2) + "\n"


def _document(script: Resolved) -> dict[str, object]:
    step = script.step.variant()
    return {
        "step": step.name,
        "title": step.title,
        "text_sha256": text_digest(type(step)),
        "values": {
            name: {"value": getattr(script.step, name), "origin": origin}
            for name, origin in script.origins.items()
        },
    }


def summary(verdicts: Iterable[Verdict]) -> str:
    """Return how many files there are of each verdict, in words."""
    words = [verdict.word for verdict in verdicts]
    counts = [(words.count(word), word) for word in WORDS]
    return ", ".join(f"{count} {word}" for count, word in counts if count or word == VERIFIED)
