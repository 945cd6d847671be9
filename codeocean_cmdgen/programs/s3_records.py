"""Reads the records in the home folder: plans and journals, compressed lines of JSON."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read_lines(file: Path) -> Iterator[Any]:
    """Yield what each line holds; raise OSError where the file was cut or damaged."""
    try:
        with gzip.open(file, "rt", encoding="ascii") as text:
            yield from map(json.loads, text)
    except (EOFError, ValueError, gzip.BadGzipFile, zlib.error) as error:
        message = f"{file} cannot be read to its end: {error}"
        raise OSError(message) from error


def read_digest(done: Path) -> str:
    """Return the digest in a file "done" of a bucket; raise OSError if it holds none.

    It is an empty text if nothing was current in the bucket.
    """
    try:
        digest = json.loads(done.read_text("ascii"))
    except ValueError:
        digest = None
    if not isinstance(digest, str) or not re.fullmatch("([0-9a-f]{64})?", digest):
        message = f"{done} is damaged: it no longer proves what was current when this run ended"
        raise OSError(message)
    return digest
