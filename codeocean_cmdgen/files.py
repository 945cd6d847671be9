"""Files: read only regular and small ones, write them whole, never replace somebody else's."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from codeocean_cmdgen import marks
from codeocean_cmdgen.errors import InputError, Problem, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

SCRIPT_MODE = 0o700
"""The mode of a script: its owner alone may run it."""
PRIVATE_MODE = 0o600
"""The mode of all other files: they hold no secret, but describe three accounts."""

MOST_BYTES_READ = 1 << 20
"""Size in bytes of the largest file that is read; stack.json has a few thousand."""


def read_input(path: Path, most: int = MOST_BYTES_READ, *, own: bool = False) -> bytes:
    """Return the content of a file that a person named, and that may hold anything.

    most: bytes of the largest file that is read.
    own: nobody named the file, so it must be the user's, no link, and nobody else may write it.

    Raises:
        OSError: the file cannot be read, is not a regular file, or is too large. Reading a pipe or
            a device could block or never end, so it is opened without waiting and refused before
            it is read.

    """
    if own and path.is_symlink():
        raise OSError(errno.ELOOP, "it is a symbolic link", str(path))
    no_link = os.O_NOFOLLOW if own else 0  # it may have become one
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | no_link)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        state = os.fstat(descriptor)
        kind = state.st_mode
        if own and state.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "it belongs to another user", str(path))
        if own and kind & (stat.S_IWGRP | stat.S_IWOTH):
            why = f"other users can write to it (mode {stat.S_IMODE(kind):04o})"
            raise PermissionError(errno.EPERM, why, str(path))
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        content = b""
        while len(content) <= most:
            part = file.read(most + 1 - len(content))
            if not part:
                return content
            content += part
        raise OSError(errno.EFBIG, f"it is larger than {most >> 20} MiB", str(path))


def why_not_replaceable(path: Path, inputs: Mapping[Path, str]) -> str:
    """Return why writing to a path would lose somebody's file; empty if it would not.

    This does not check whether somebody has edited a file that the program wrote.

    inputs: files that the program reads, and their names in messages.

    Raises:
        OSError: the path cannot be read.

    """
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return ""
    for one, name in inputs.items():
        if is_same(path, one):
            return f"is {name}, which this command reads"
    if stat.S_ISLNK(kind):
        return "is a symbolic link"
    if not stat.S_ISREG(kind):
        return "is not a file"
    with path.open("rb") as file:
        beginning = file.read(marks.LONGEST_BEGINNING)
    if beginning and not marks.is_ours(beginning):
        return "exists and was not written by codeocean-cmdgen"
    return ""


def is_same(path: Path, other: Path) -> bool:
    """Return whether two paths lead to the same file; a path that cannot be reached does not."""
    try:
        return path.samefile(other)
    except OSError:
        return False


def demand_replaceable(path: Path, option: str, inputs: Mapping[Path, str]) -> None:
    """Refuse a path that may not be written to, before any work is done for it.

    option: the option that gave the path, for messages.
    inputs: files that the program reads, and their names in messages.

    Raises:
        InputError: writing there would replace something that the program did not write.

    """
    try:
        reason = why_not_replaceable(path, inputs)
    except OSError as error:
        raise cannot_write(path, option, error) from error
    if reason:
        is_read = any(is_same(path, one) for one in inputs)
        hint = "choose another name" if is_read else "choose another name, or remove it"
        raise InputError([Problem(f"{option}: {shown(str(path))} {reason}", hint)])


def write_whole(
    path: Path, text: str, mode: int, option: str, *, new: bool = False, keep: bool = False
) -> None:
    """Write a text to a file, whole or not at all.

    mode: the file's new mode, whatever it was before.
    option: the option that gave the file, for messages.
    new: the file must not exist yet.
    keep: keep the owner and the mode of the replaced file, instead of setting `mode`.

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
                if keep:
                    before = path.stat()
                    os.fchown(handle, before.st_uid, before.st_gid)
                    mode = stat.S_IMODE(before.st_mode)
                os.fchmod(handle, mode)  # last, because changing the owner clears bits
                os.fsync(handle)
            if new:
                os.link(temporary, path)  # never replaces a file
                Path(temporary).unlink()
            else:
                Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink()
            raise
    except OSError as error:
        raise cannot_write(path, option, error) from error


def cannot_write(path: Path, option: str, error: OSError) -> InputError:
    """Return the error that a file cannot be written. option: the option that gave it."""
    return InputError([Problem(f"{option}: cannot write {shown(str(path))}: {error.strerror}")])
