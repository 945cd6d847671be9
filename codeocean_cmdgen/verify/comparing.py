"""Renders a script again from its values, and compares the two byte by byte."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Optional

from codeocean_cmdgen.errors import InputError
from codeocean_cmdgen.inputs.resolve import Resolved
from codeocean_cmdgen.marks import step_in
from codeocean_cmdgen.rendering.paste import (
    END,
    END_OF_PART,
    END_OF_SHARED,
    MAX_BYTES,
    MOST_PARTS,
    PART_FILE,
    SHARED_FILE,
    checked_digest,
    framed,
    joined,
    pasted,
    shared_paste,
)
from codeocean_cmdgen.rendering.script import TEXT_DIGEST, render, text_digest
from codeocean_cmdgen.steps import BY_NAME
from codeocean_cmdgen.verify.reading import UnreadableError, read, step_names
from codeocean_cmdgen.verify.verdicts import (
    DIFFERS,
    OTHER_RELEASE,
    VERIFIED,
    Difference,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MOST_DIFFERENCES = 10
"""Differing lines that are shown of a file."""


_END_OF_SCRIPT = re.compile(rf"^{re.escape(END)}\n\)[^\n]*\n?", re.MULTILINE)


def of_text(name: str, content: bytes) -> Verdict:
    """Verify a script, or several that are joined to one paste."""
    text = content.decode("latin-1")  # each byte is a character: none is lost, none is changed
    verdict = Verdict(name, DIFFERS, hashlib.sha256(content).hexdigest())
    if text == shared_paste():
        return verdict._replace(
            word=VERIFIED,
            note="the shared part of all scripts on a services instance; it has no values",
        )
    objection = _objection(text)
    if objection:
        return verdict._replace(differences=(objection,))
    pieces = _pieces(text)
    tried = [_try_to_read(piece, first_line) for first_line, piece in pieces]
    scripts = tuple(one for one in tried if isinstance(one, Resolved))
    differences = [one for one in tried if isinstance(one, Difference)]
    verdict = verdict._replace(scripts=scripts)
    if not differences:
        try:
            expected = _expected(scripts, text)
        except InputError as error:  # a script that is too large
            differences = [Difference(problem.message) for problem in error.problems]
        else:
            if expected.encode("ascii") == content:
                return verdict._replace(word=VERIFIED)
            differences = list(differences_between(expected, text))
    others = [other for _, piece in pieces if (other := _other_release(piece))]
    if others:
        return verdict._replace(word=OTHER_RELEASE, scripts=(), differences=tuple(others))
    return verdict._replace(differences=tuple(differences))


def _try_to_read(piece: str, first_line: int) -> Resolved | Difference:
    try:
        return read(piece, first_line)
    except UnreadableError as error:
        return error.difference


def _objection(text: str) -> Optional[Difference]:
    """Return what makes it useless to read any further."""
    if len(text) > _LONGEST_SCRIPT:
        return Difference(f"it is longer than a script can be: {len(text):,} bytes")
    lines = text.split("\n")
    returns = [number for number, line in enumerate(lines, 1) if "\r" in line]
    if returns:
        message = f"{len(returns)} of {len(lines) - 1} lines have a carriage return (CR LF)"
        return Difference(f"{message}: expected only LF", returns[0])
    if _END_OF_PART.fullmatch("\n".join(lines[-2:])) or (PART_FILE in text and not step_in(text)):
        return Difference("this is only a part of a script: verify all its parts in one text")
    return None


_END_OF_PART = re.compile(END_OF_PART.format(r"\d", r"\d", r"\d") + "\n")
_LONGEST_SCRIPT = MOST_PARTS * MAX_BYTES
"""Bytes of the longest script, one of several parts; joined scripts fit into one paste."""


def _pieces(text: str) -> list[tuple[int, str]]:
    """Return each script in a text, with the number of its first line."""
    ends = [end.end() for end in _END_OF_SCRIPT.finditer(text)]
    cuts = [0, *ends, len(text)]
    pieces = [
        (text.count("\n", 0, begin) + 1, text[begin:end]) for begin, end in zip(cuts, cuts[1:])
    ]
    # Behind the last script there is nothing; if there is, the comparison names it.
    return pieces[:-1] if ends else pieces


def _expected(scripts: Iterable[Resolved], text: str) -> str:
    """Return what this release makes of the values: a script, or several joined to one paste."""
    rendered = [render(*script) for script in scripts]
    if SHARED_FILE not in text:
        return joined(rendered)
    shared = shared_paste() if END_OF_SHARED in text else ""
    return shared + joined("".join(pasted(script, "host")) for script in rendered)


_TEXT_DIGEST = re.compile(rf"^  # {TEXT_DIGEST}([0-9a-f]{{64}})$", re.MULTILINE)


def _other_release(piece: str) -> Optional[Difference]:
    """Return the text digest that a script names if it is whole and this release prints none such.

    Whole: its wrapper has the digest of what is in it, as no script has that was changed by chance.
    """
    names, digest = step_names(piece), _TEXT_DIGEST.search(piece)
    if not names or digest is None:
        return None
    # What is pasted without the shared part cannot be proved to be whole.
    whole = hashlib.sha256(framed(piece).encode("latin-1")).hexdigest()
    if f"\n    {checked_digest(whole)})\n" not in piece and SHARED_FILE not in piece:
        return None
    step = BY_NAME.get(names[0])
    if step and digest[1] in {text_digest(one) for one in (step, *step.__subclasses__())}:
        return None
    return Difference(
        f"this release has another text for {names[0]}, not the one with SHA-256 {digest[1]}: "
        f"verify it with the release that rendered it; `git log -S {digest[1]} -- golden` finds it"
    )


def differences_between(expected: str, found: str) -> Iterator[Difference]:
    """Yield the lines that differ, the first ones of many; line by line only if none was lost."""
    if expected == f"{found}\n":
        yield Difference("the newline at its end is missing", found.count("\n") + 1)
        return
    old, new = expected.split("\n"), found.split("\n")
    different = [
        (number, *lines) for number, lines in enumerate(zip(old, new), 1) if lines[0] != lines[1]
    ]
    if len(old) != len(new):
        number = different[0][0] if different else min(len(old), len(new))
        before = old[number - 1] if number < len(old) else "the end of the text"
        after = new[number - 1] if number < len(new) else "the end of the text"
        yield Difference("", number, before, after)
        yield Difference(f"{len(new) - 1} lines, expected {len(old) - 1}")
        return
    if all(_DIGEST_LINE.fullmatch(line) for _, line, _ in different):
        message = "this digest does not match the text: the digest or a value was changed"
        yield from (Difference(message, *one) for one in different)
        return
    yield from (Difference("", *one) for one in different[:_MOST_DIFFERENCES])
    if len(different) > _MOST_DIFFERENCES:
        yield Difference(f"{len(different) - _MOST_DIFFERENCES} more lines differ")


_DIGEST_LINE = re.compile(" {4}[0-9a-f]{64}" + re.escape(checked_digest("")) + r"\)")
