"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from codeocean_cmdgen.errors import InputError, Problem, shown


def write_whole(path: Path, text: str, mode: int, option: str, *, new: bool = False) -> None:
    """Write a text to a file, whole or not at all.

    mode: of the file, whatever it was before.
    option: what the file was given by, for messages.
    new: there may be no such file yet.

    Raises:
        InputError: it cannot be written.

    """
    if path.exists() and not path.is_file():  # a device would be replaced
        raise InputError([Problem(f"{option}: {shown(str(path))} is not a file")])
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fchmod(handle, mode)
                os.fsync(handle)
            if new:
                os.link(temporary, path)  # which never replaces
                Path(temporary).unlink()
            else:
                Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink()
            raise
    except OSError as error:
        problem = Problem(f"{option}: cannot write {shown(str(path))}: {error.strerror}")
        raise InputError([problem]) from error
