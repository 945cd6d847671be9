"""What happens to a text on its way from a screen into a shell: damaged versions of a script."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from codeocean_cmdgen.rendering.paste import END

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED = 20_240_229
# Not to `>`: in the wrapper it leaves an empty file, named after the word behind it.
ANY = bytes(range(256)).replace(b">", b"")
PRINTABLE = ANY[0x20:0x7E]
NBSP = "\u00a0".encode()
LEFT, RIGHT = "\u2018".encode(), "\u2019".encode()
DOUBLE_LEFT, DOUBLE_RIGHT = "\u201c".encode(), "\u201d".encode()


@dataclass(frozen=True)
class Damaged:
    """A damaged version: what happened, the first line that it happened to, and the text."""

    what: str
    line: int
    text: bytes


Kind = Callable[[bytes], "Iterator[Damaged]"]


def line_lost(script: bytes) -> Iterator[Damaged]:
    lines = script.splitlines(keepends=True)
    for n in range(len(lines)):
        yield Damaged(f"line {n + 1} lost", n + 1, b"".join(lines[:n] + lines[n + 1 :]))


def line_doubled(script: bytes) -> Iterator[Damaged]:
    lines = script.splitlines(keepends=True)
    for n, line in enumerate(lines):
        yield Damaged(f"line {n + 1} doubled", n + 1, b"".join([*lines[:n], line, *lines[n:]]))


def lines_swapped(script: bytes) -> Iterator[Damaged]:
    lines = script.splitlines(keepends=True)
    for n in range(len(lines) - 1):
        swapped = [*lines[:n], lines[n + 1], lines[n], *lines[n + 2 :]]
        yield Damaged(f"lines {n + 1} and {n + 2} swapped", n + 1, b"".join(swapped))


def line_broken(script: bytes) -> Iterator[Damaged]:
    """Broken at the first blank behind the 60th column, as mail and narrow terminals do."""
    return _by_line(script, "broken", lambda line: re.sub(rb"^(.{60}\S*) ", rb"\1\n", line))


def first_lines_lost(script: bytes) -> Iterator[Damaged]:
    lines = script.splitlines(keepends=True)
    for n in range(1, len(lines)):
        yield Damaged(f"first {n} lines lost", n, b"".join(lines[n:]))


def cut_after_line(script: bytes) -> Iterator[Damaged]:
    lines = script.splitlines(keepends=True)
    for n in range(1, len(lines)):
        yield Damaged(f"cut after line {n}", n, b"".join(lines[:n]))


def cut_after_byte(script: bytes) -> Iterator[Damaged]:
    for n in range(1, len(script) - 1):
        yield Damaged(f"cut after byte {n}", _line(script, n), script[:n])


def pasted_again_over_a_cut(script: bytes) -> Iterator[Damaged]:
    # Not where the wrapper has a `$(` open: a heredoc that begins in one, typed without brackets,
    # spoils the memory of bash 5.2.15, which runs the script and then dies. No text avoids that.
    wrapper = script[: script.index(f"<<'{END}'".encode())]
    spans = [range(*match.span()) for match in re.finditer(rb"\$\([^)]*\)", wrapper)]
    for n, cut in enumerate(cut_after_byte(script), start=1):
        if not any(n in span for span in spans):
            yield Damaged(f"{cut.what}, pasted again", cut.line, cut.text + script)


def blank_at_the_end(script: bytes) -> Iterator[Damaged]:
    return _by_line(script, "blank at the end", lambda line: line + b" ")


def indent_lost(script: bytes) -> Iterator[Damaged]:
    return _by_line(script, "indent lost", lambda line: line.lstrip(b" "))


def carriage_return(script: bytes) -> Iterator[Damaged]:
    return _by_line(script, "CRLF", lambda line: line + b"\r")


def non_breaking_space(script: bytes) -> Iterator[Damaged]:
    yield Damaged("all blanks non-breaking", 1, script.replace(b" ", NBSP))
    yield from _by_match(script, rb" ", "non-breaking space", (NBSP,))


def smart_quotes(script: bytes) -> Iterator[Damaged]:
    single = re.sub(rb"'([^'\n]*)'", LEFT + rb"\1" + RIGHT, script)
    double = re.sub(rb'"([^"\n]*)"', DOUBLE_LEFT + rb"\1" + DOUBLE_RIGHT, script)
    both = re.sub(rb'"([^"\n]*)"', DOUBLE_LEFT + rb"\1" + DOUBLE_RIGHT, single)
    yield Damaged("all ' smart", 1, single)
    yield Damaged("all ' right", 1, script.replace(b"'", RIGHT))
    yield Damaged('all " smart', 1, double)
    yield Damaged("all quotes smart", 1, both)
    yield from _by_match(script, rb"'", "smart quote", (LEFT, RIGHT))
    yield from _by_match(script, rb'"', "smart quote", (DOUBLE_LEFT, DOUBLE_RIGHT))


def byte_changed(script: bytes) -> Iterator[Damaged]:
    """One byte of the body, 2,000 times: half become printable, half become anything."""
    chance = random.Random(SEED)
    body = range(script.index(b"<<'END_OF_BODY'"), script.index(b"\nEND_OF_BODY\n"))
    for n in range(2000):
        position = chance.choice(body)
        old = script[position : position + 1]
        new = chance.choice((PRINTABLE if n % 2 else ANY).replace(old, b""))
        yield _changed(script, position, new)


def wrapper_byte_changed(script: bytes) -> Iterator[Damaged]:
    """Every byte of the wrapper, to every printable character and to some that are not."""
    for position, old in enumerate(script[:-1]):
        if in_wrapper(script, _line(script, position)):
            for new in PRINTABLE + b"\0\t\n\r\x03\x1b\x7f\x80\xc2\xff":
                if new != old:
                    yield _changed(script, position, new)


KINDS: tuple[Kind, ...] = (
    line_lost,
    line_doubled,
    lines_swapped,
    line_broken,
    cut_after_line,
    cut_after_byte,
    blank_at_the_end,
    indent_lost,
    carriage_return,
    non_breaking_space,
    smart_quotes,
    byte_changed,
)
"""After these the script runs whole or not at all."""

BEGINS_INSIDE: tuple[Kind, ...] = (first_lines_lost, pasted_again_over_a_cut)
"""After these a shell may take the end of a body for commands, which promises less."""


def sample(kind: Kind, script: bytes, size: int, seed: str = "") -> list[Damaged]:
    """Return some versions, half of them hurt in the wrapper: damage can do most there."""
    versions = list(kind(script))
    chance = random.Random(f"{SEED} {kind.__name__} {seed}")
    chance.shuffle(versions)
    versions.sort(key=lambda version: not in_wrapper(script, version.line))
    return versions[: size // 2] + versions[size // 2 - size :]


def in_wrapper(script: bytes, line: int) -> bool:
    """Tell whether a line is outside the body, or one of the marks that enclose it."""
    first = _line(script, script.index(b"<<'END_OF_BODY'"))
    last = _line(script, script.index(b"\nEND_OF_BODY\n")) + 1
    return line <= first or line >= last


def _by_line(script: bytes, what: str, damage: Callable[[bytes], bytes]) -> Iterator[Damaged]:
    """Yield the damage to all lines at once, then to each line that it changes."""
    lines = script.splitlines()
    yield Damaged(f"{what} on all lines", 1, b"\n".join(map(damage, lines)) + b"\n")
    for n, line in enumerate(lines):
        if damage(line) != line:
            text = b"\n".join([*lines[:n], damage(line), *lines[n + 1 :]]) + b"\n"
            yield Damaged(f"{what} on line {n + 1}", n + 1, text)


def _by_match(
    script: bytes, pattern: bytes, what: str, replacements: tuple[bytes, ...]
) -> Iterator[Damaged]:
    for match in re.finditer(pattern, script):
        for new in replacements:
            text = script[: match.start()] + new + script[match.end() :]
            where = f"{what} {new.decode()!r} at byte {match.start()}"
            yield Damaged(where, _line(script, match.start()), text)


def _changed(script: bytes, position: int, new: int) -> Damaged:
    text = script[:position] + bytes([new]) + script[position + 1 :]
    line = _line(script, position)
    what = f"byte {position} (line {line}): {script[position : position + 1]!r} is {bytes([new])!r}"
    return Damaged(what, line, text)


def _line(script: bytes, position: int) -> int:
    return script.count(b"\n", 0, position) + 1
