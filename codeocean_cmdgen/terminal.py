"""All output to stdout and stderr: no text from outside ever controls the reader's terminal.

Names, tags, answers of AWS, files and their names may contain escape sequences that rewrite the
screen, bidirectional marks that reorder a line, or a newline that forges another line. So every
module writes through this one, which shows such characters instead of sending them.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import Optional, TextIO

from codeocean_cmdgen.errors import OutputError

BOLD, RED, GREEN, YELLOW = "1", "1;31", "1;32", "1;33"
"""Colors of a line: parameters of the control sequence SGR."""


def printable(text: str) -> str:
    r"""Return a text as one line in which each character that is not printable is spelled out.

    These are the control, format, surrogate and separator characters of Unicode: C0, DEL and C1,
    bidirectional marks, line separators, characters of no width. A newline becomes `\n`: to print
    several lines, make each printable by itself.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )


def echo(line: str, *, err: bool = False, end: str = "\n", color: str = "") -> None:
    """Write one line to stdout, or to stderr; in color only where a person wants to see it."""
    text = printable(line)
    if color and text and _shows_color(sys.stderr if err else sys.stdout):
        text = f"\033[{color}m{text}\033[0m"
    _write(text + end, err=err)


def _shows_color(stream: Optional[TextIO]) -> bool:
    """Return whether a stream is a terminal with colors, and nobody has set NO_COLOR.

    Source: https://no-color.org
    """
    return (
        is_terminal(stream)
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "dumb") != "dumb"
    )


def echo_lines(text: str, *, err: bool = False) -> None:
    """Write a text whose newlines are ours: a script, a document, a table."""
    _write("\n".join(map(printable, text.split("\n"))), err=err)


def echo_progress(line: str, *, ended: bool) -> None:
    """Rewrite the last line of a terminal; elsewhere, write only a line that has ended."""
    if is_terminal(sys.stderr):
        _write(f"\r\033[K{printable(line)}" + "\n" * ended, err=True)
    elif ended:
        echo(line, err=True)


def is_terminal(*streams: Optional[TextIO]) -> bool:
    """Return whether all of the streams are terminals; a closed stream is None in Python."""
    return all(stream is not None and stream.isatty() for stream in streams)


def stdout() -> TextIO:
    """Return stdout.

    Raises:
        OutputError: it is closed.

    """
    if sys.stdout is None:
        raise OutputError(os.strerror(errno.EBADF))
    return sys.stdout


def _write(text: str, *, err: bool) -> None:
    """Write a text, with characters escaped that the stream's encoding lacks.

    Raises:
        OutputError: stdout is closed, full or gone. For stderr there is nowhere to report that.

    """
    if err:
        with suppress(OSError):
            if sys.stderr is not None:
                _write_to(sys.stderr, text)
        return
    try:
        _write_to(stdout(), text)
    except OSError as error:
        raise OutputError(error.strerror) from error


def _write_to(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
