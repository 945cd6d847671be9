"""Plans what to remove from a bucket, page by page of its listing."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple, Optional

from .s3_task import (
    ARCHIVED,
    FROM_THE_START,
    Entry,
    Position,
    Task,
    is_marker,
    list_pages,
    read_lines,
    refuse_full_disk,
)

LONGEST_USE = 7200
"""Seconds for which a later paste continues a plan: later, the bucket may have come into use."""


class Files(NamedTuple):
    """The files of a bucket. What exists says how far the removal is."""

    plan: Path
    """A line for each page of the listing: see write_page."""
    confirmed: Path
    """The plan was confirmed: there is a journal of it, and removal may have begun."""
    expected: Path
    """The digest of the versions that will be current, as the first confirmed plan has it."""
    done: Path
    """The bucket was restored; holds the digest of the versions that are current again."""


def files_of(task: Task, bucket: str) -> Files:
    """Return the files of a bucket."""
    folder = task.folder / bucket
    names = ("plan.gz", "confirmed", "expected", "done")
    return Files(*(folder / name for name in names))


@dataclass
class Current:
    """A digest of the versions that were current at the moment, in the order of the listing."""

    digest: str = ""
    key: str = ""
    """The key whose current entry was added last."""

    def add(self, entry: Entry) -> None:
        """Add an entry that is not newer than the moment: the first one of a key is current."""
        if entry["Key"] == self.key:
            return
        self.key = entry["Key"]
        if not is_marker(entry):  # a delete marker without versions may expire
            text = f"{self.digest}{entry['VersionId']}{self.key}"
            self.digest = hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Plan:
    """What will be removed from a bucket, as far as it is listed."""

    began: float
    """When the listing began, in seconds since 1970."""
    position: Optional[Position] = field(default_factory=FROM_THE_START.copy)
    """Where the listing continues; None at its end."""
    seen: int = 0
    """How many entries were listed, and how many of them will be removed."""
    count: int = 0
    markers: int = 0
    size: int = 0
    """The bytes in the versions that will be removed."""
    keys: int = 0
    """How many keys have an entry that will be removed."""
    digest: str = ""
    """A digest of the entries that will be removed: its beginning confirms the plan."""
    archived: int = 0
    """How many keys will have an archived version as their current one."""
    archived_example: str = ""
    current: Current = field(default_factory=Current)
    """What will be current."""
    last_key: str = ""
    last_time: str = ""
    removed_key: str = ""
    """The key of the entry before, if that will be removed."""

    def add(self, entry: Entry, at: str) -> bool:
        """Add the next entry of the listing; tell whether it will be removed.

        Raise OSError if the entries of a key are not in the order of their times.
        """
        key, when = entry["Key"], entry["LastModified"]
        if key == self.last_key and when > self.last_time:
            message = f"{ascii(key)} has a version of {when} below one of {self.last_time}"
            raise OSError(message)
        self.last_key, self.last_time = key, when
        if when > at:
            self.keys += key != self.removed_key
            self.removed_key = key
            self.count += 1
            self.markers += is_marker(entry)
            self.size += entry.get("Size", 0)
            text = f"{self.digest}{entry['VersionId']}{key}"
            self.digest = hashlib.sha256(text.encode()).hexdigest()
            return True
        self.current.add(entry)
        if key == self.removed_key:  # this entry will be current again
            if entry.get("StorageClass") in ARCHIVED:
                self.archived += 1
                self.archived_example = ascii(key)
            self.removed_key = ""
        return False


Removal = tuple[str, str]
"""The key and the version ID of an entry that will be removed."""


def write_page(file: Path, removals: list[Removal], plan: Plan) -> None:
    """Append a line: what will be removed of a page, and the plan as it is after this page."""
    line = json.dumps({"remove": removals, "plan": asdict(plan)}) + "\n"
    with file.open("ab") as whole:
        whole.write(gzip.compress(line.encode(), 6))


def read_pages(file: Path) -> Iterator[tuple[list[Removal], Plan]]:
    """Yield what write_page wrote; raise OSError if it cannot be read to its end."""
    for line in read_lines(file):
        try:
            current = Current(**line["plan"].pop("current"))
            page = (
                [(key, version) for key, version in line["remove"]],
                Plan(**line["plan"], current=current),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            message = f"{file} was not written by this release"
            raise OSError(message) from error
        yield page


def read_removals(file: Path) -> Iterator[Removal]:
    """Yield all that will be removed."""
    for removals, _ in read_pages(file):
        yield from removals


def find_plan(files: Files) -> Optional[Plan]:
    """Return the plan of an earlier paste; None if there is none, or none of use."""
    try:
        pages = deque(read_pages(files.plan), maxlen=1)
    except OSError:
        return None
    for _, plan in pages:
        begun = plan.position is not None or files.confirmed.exists()
        if begun and plan.began > time.time() - LONGEST_USE:
            return plan
    return None


def remove_plan(files: Files) -> None:
    """Remove a plan: what is left in the bucket needs another one."""
    files.confirmed.unlink(missing_ok=True)
    files.plan.unlink(missing_ok=True)


def make_plan(task: Task, bucket: str) -> Plan:
    """Plan what to remove from a bucket; continue where an earlier paste ended."""
    files = files_of(task, bucket)
    plan = find_plan(files)
    if plan is None:
        remove_plan(files)
        plan = Plan(time.time())
    for page in list_pages(task.client, task.owned(bucket), plan.position):
        removals: list[Removal] = []
        for entry in page.entries:
            refuse_use(task, entry)
            if plan.add(entry, task.at):
                removals.append((entry["Key"], entry["VersionId"]))
        refuse_full_disk(task)
        plan.seen += len(page.entries)
        plan.position = page.next_position
        write_page(files.plan, removals, plan)
        task.progress.add(len(page.entries))
    return plan


def refuse_use(task: Task, entry: Entry) -> None:
    """Raise OSError if an entry shows that its bucket is in use."""
    if entry["LastModified"] > task.until:
        message = f"it is in use: {ascii(entry['Key'])} was written at {entry['LastModified']}"
        raise OSError(message)
