"""Lists the keys of a bucket: what each shows now, and what it showed at the moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from typing import NamedTuple, Optional

from .s3_task import Entry, Task, list_entries


class Key(NamedTuple):
    """A key of a bucket, and its versions and delete markers."""

    name: str
    now: Entry
    """The newest entry."""
    then: Optional[Entry]
    """The entry of the moment; None if there was none."""
    listed: int
    """How many entries it has, and how many of them are newer than the moment."""
    newer: int
    ordered: bool
    """Whether the entries are in the order of their times."""
    late: list[Entry]
    """The entries that show that the bucket is in use, newest first."""


def key_of(name: str, entries: Iterable[Entry], at: str, until: str) -> Key:
    """Return a key with these entries, which are listed newest first; there is at least one."""
    remaining = iter(entries)
    now = next(remaining)
    then: Optional[Entry] = None
    listed = newer = 0
    ordered, late = True, []
    last = now["LastModified"]
    for entry in chain([now], remaining):
        listed += 1
        when = entry["LastModified"]
        ordered = ordered and last >= when
        last = when
        if when > until:
            late.append(entry)
        if when > at:
            newer += 1
        elif then is None or when > then["LastModified"]:  # of one second, the first is the newest
            then = entry
    return Key(name, now, then, listed, newer, ordered, late)


def list_keys(task: Task, bucket: str) -> Iterator[Key]:
    """Yield each key of a bucket, in the order of the listing."""
    for name, entries in groupby(list_entries(task, bucket), lambda entry: entry["Key"]):
        yield key_of(name, entries, task.at, task.until)
