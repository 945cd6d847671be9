"""Files with what is on volumes and in snapshots; holes in them take no space."""

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
    """Make an empty image of ``size`` bytes."""
    path.parent.mkdir(exist_ok=True)
    path.touch(0o600)
    os.truncate(path, size)


def copy(source: Path, target: Path, size: int) -> None:
    """Make an image with what is on another at one moment, though that is written to.

    ``size`` is in bytes, at least the other's.
    """
    while True:
        target.unlink(missing_ok=True)
        make(target, size)
        if _copied_at_once(source, target):
            return


def _copied_at_once(source: Path, target: Path) -> bool:
    """Copy, and tell whether the copy is what the source was at some moment.

    It is when all of the source is still the same afterwards: at the moment between.
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
    """Give the parts of a file that are no holes, as offsets."""
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
