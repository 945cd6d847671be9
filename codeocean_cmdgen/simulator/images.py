"""Files with the content of volumes and snapshots; holes in them take no space."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GIB = 1 << 30  # bytes
_CHUNK = 1 << 20


def make(path: Path, size: int) -> None:
    """Create an empty image of ``size`` bytes."""
    path.parent.mkdir(exist_ok=True)
    path.touch(0o600)
    os.truncate(path, size)


def copy(source: Path, target: Path, size: int) -> None:
    """Create an image with the content of another at one moment, even during writes to it.

    ``size`` is in bytes, and at least that of the other.
    """
    while True:
        target.unlink(missing_ok=True)
        make(target, size)
        if _copied_at_once(source, target):
            return


def _copied_at_once(source: Path, target: Path) -> bool:
    """Copy, and return whether the copy equals the source at some moment.

    It does if the source is unchanged afterwards: the moment is then between copy and comparison.
    """
    with source.open("rb") as old, target.open("r+b") as new:
        before = list(_data(old.fileno()))
        for start, end in before:
            for offset in range(start, end, _CHUNK):
                os.pwrite(new.fileno(), _chunk(old.fileno(), offset, end), offset)
        return before == list(_data(old.fileno())) and all(
            _chunk(old.fileno(), offset, end) == _chunk(new.fileno(), offset, end)
            for start, end in before
            for offset in range(start, end, _CHUNK)
        )


def _chunk(file: int, offset: int, end: int) -> bytes:
    return os.pread(file, min(_CHUNK, end - offset), offset)


def _data(file: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a file that are not holes, as offsets."""
    end = 0
    while True:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = os.lseek(file, start, os.SEEK_HOLE)
        yield start, end
