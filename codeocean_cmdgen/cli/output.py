"""Writes a script or a runbook where the person wants it, and never over a person's file."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from codeocean_cmdgen.errors import InputError, Problem, shown
from codeocean_cmdgen.files import cannot_write, demand_replaceable, write_whole
from codeocean_cmdgen.rendering.seal import is_as_rendered
from codeocean_cmdgen.terminal import echo_lines

_STREAM_NUMBERS = {"/dev/stdout": 1, "/dev/stderr": 2}
_STREAM = re.compile(rf"{'|'.join(_STREAM_NUMBERS)}|/dev/fd/([0-9]{{1,9}})")
"""Names of streams that are already open, including the ones that shells use for `>(command)`."""


def write_document(
    text: str, output: Optional[Path], inputs: Mapping[Path, str], mode: int
) -> None:
    """Write a script or a runbook to stdout or, whole or not at all, to a file.

    inputs: what the text was made from, and what that is called: never overwritten.
    """
    if output is None:
        echo_lines(text)
    else:
        _write_output(output, text, mode, inputs)


def _write_output(path: Path, text: str, mode: int, inputs: Mapping[Path, str]) -> None:
    """Write to the path of --output: an open stream, or a file that is written whole or not at all.

    Raises:
        InputError: it cannot be written, or would replace a file that the program did not write.

    """
    stream = _STREAM.fullmatch(str(path))
    if not stream:
        demand_replaceable(path, "--output", inputs)
        _demand_unchanged(path, text)
        write_whole(path, text, mode, "--output")
        return
    number = int(stream[1] or _STREAM_NUMBERS[str(path)])
    try:
        # Use a copy of the open stream: opening its name again would truncate a file behind it.
        with os.fdopen(os.dup(number), "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise cannot_write(path, "--output", error) from error


def _demand_unchanged(path: Path, text: str) -> None:
    """Refuse to replace a file if somebody may have edited it since it was generated.

    Raises:
        InputError: a person's edits would be lost.

    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise cannot_write(path, "--output", error) from error
    if content and content != text.encode() and not is_as_rendered(content):
        message = f"--output: {shown(str(path))} was changed since it was generated"
        raise InputError([Problem(message, "choose another name, or remove it")])
