"""What the programs of s3-point-in-time share. Messages go to stderr, answers to stdout."""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional, TypedDict

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


class Entry(TypedDict, total=False):
    """A version or a delete marker, as S3 lists it; delete markers have no size."""

    Key: str
    VersionId: str
    LastModified: str
    """In UTC, as 2024-05-01T03:00:00Z: in this form, texts compare as times do."""
    Size: int
    ETag: str
    StorageClass: str


ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")
"""The storage classes that cannot be read without RestoreObject."""
PAUSES = (0.2, 1, 4, 8, 16, 32)
"""Seconds before a request is repeated, each time."""


def is_marker(entry: Entry) -> bool:
    """Tell whether an entry is a delete marker."""
    return "Size" not in entry


def instant(seconds: float) -> str:
    """Return a time in seconds since 1970 in the form of the listings."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


# Messages.


def say(text: object) -> None:
    """Show a line, without what a terminal would obey or hide."""
    line = "".join(one if one.isprintable() else "?" for one in str(text))
    _write(f"{line}\n")


def clear_progress() -> None:
    """Remove the line that shows the progress."""
    _write("")


def _write(text: str) -> None:
    line_start = "\r\033[K" if sys.stderr.isatty() else ""
    sys.stderr.write(line_start + text)
    sys.stderr.flush()


def answer(text: str) -> None:
    """Answer the script with a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def say_error(kind: type[BaseException], error: BaseException, _traceback: object) -> None:
    """Show an error that ends the program."""
    say(f"problem: {kind.__name__}: {error}")


class Progress:
    """Shows how far the work is: one line rewritten on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self.restart()
        self.next_line = self.begun + 1

    def restart(self, total: int = 0) -> None:
        """Begin another part of the work; 0: nobody knows how long it is."""
        self.done, self.total = 0, total
        self.begun = time.monotonic()

    def add(self, count: int) -> None:
        """Count what was done, and show it now and then."""
        self.done += count
        now = time.monotonic()
        if now <= self.next_line or not self.done:
            return
        terminal = sys.stderr.isatty()
        self.next_line = now + (0.5 if terminal else 10)
        _write(self.text(now - self.begun)[:79] + ("" if terminal else "\n"))

    def text(self, seconds: float) -> str:
        """Return what to show after some seconds of work."""
        rate = self.done / seconds
        text = f"{self.done:,} versions and delete markers, {rate:,.0f}/s"
        left = self.total - self.done
        if left > 0:
            text += f", {self.done / self.total:.0%}, {left / rate / 60:.0f} min left"
        return text


# The task.


@dataclass
class Task:
    """What the script asks for, and what has happened so far."""

    folder: Path
    """Holds a folder for each bucket."""
    account: str
    region: str
    at: str
    """The moment that the buckets are restored to."""
    until: str
    """A bucket with anything newer than this is in use."""
    buckets: list[str]
    client: Any
    """The client for S3, and one that repeats no failed request."""
    client_once: Any
    progress: Progress = field(default_factory=Progress)
    failed: set[str] = field(default_factory=set)
    """The buckets with a problem."""
    later: set[str] = field(default_factory=set)
    """Those of them whose only problem is what arrived since they were restored."""

    def owned(self, bucket: str) -> dict[str, str]:
        """Return what names a bucket in every request: it must be of the task's account."""
        return {"Bucket": bucket, "ExpectedBucketOwner": self.account}


def start_task() -> Task:
    """Return the task that the arguments describe."""
    sys.excepthook = say_error
    folder, account, region, at, until, *buckets = sys.argv[1:]
    session = botocore.session.get_session()
    session.get_component("response_parser_factory").set_parser_defaults(
        timestamp_parser=lambda text: str(text)[:19] + "Z"  # the form of Entry.LastModified
    )
    client, client_once = (make_client(session, region, attempts) for attempts in (9, 1))
    return Task(Path(folder), account, region, at, until, buckets, client, client_once)


def make_client(session: Any, region: str, attempts: int) -> Any:
    """Return a client for S3 that sends a request up to so many times."""
    retries = {"mode": "legacy", "total_max_attempts": attempts}
    config = Config(retries=retries, max_pool_connections=64)
    client = session.create_client("s3", region_name=region, config=config)
    client.meta.events.register("after-call.s3.ListObjectVersions", _keep_order)
    return client


def _keep_order(http_response: Any, parsed: dict[str, Any], **_: object) -> None:
    """Keep the order of versions and delete markers, which botocore puts into two lists."""
    parsed["Order"] = re.findall(b"<(Version|DeleteMarker)>", http_response.content)


# Listings.

Position = dict[str, Any]
"""Where to continue a listing."""

FROM_THE_START: Position = {"Prefix": ""}


class Page(NamedTuple):
    """A page of a listing."""

    entries: list[Entry]
    """Sorted by key; within a key, newest first."""
    next_position: Optional[Position]
    """None behind the last page."""


def list_pages(client: Any, where: dict[str, str], position: Optional[Position]) -> Iterator[Page]:
    """Yield each page of a bucket's listing from a position on; none behind the last page."""
    while position is not None:
        found = client.list_object_versions(**where, **position)
        if "IsTruncated" not in found:  # older releases of botocore accept such an answer
            message = "S3 answered with an error in an HTTP 200"
            raise OSError(message)
        versions, markers = iter(found.get("Versions", ())), iter(found.get("DeleteMarkers", ()))
        position = None
        if found["IsTruncated"]:
            position = {one: found[f"Next{one}"] for one in ("KeyMarker", "VersionIdMarker")}
        entries = [next(versions if tag == b"Version" else markers) for tag in found["Order"]]
        yield Page(entries, position)


def list_entries(task: Task, bucket: str) -> Iterator[Entry]:
    """Yield each version and delete marker of a bucket."""
    for page in list_pages(task.client, task.owned(bucket), FROM_THE_START):
        yield from page.entries
        task.progress.add(len(page.entries))


# Records in the home folder.

LEAST_ROOM = 50_000_000
"""Bytes that must stay free."""


def refuse_full_disk(task: Task, needed: int = 0) -> None:
    """Raise OSError if the home folder has no room for so many more bytes."""
    disk = os.statvfs(task.folder)
    if disk.f_bavail * disk.f_frsize < LEAST_ROOM + needed:
        message = "the home folder is too full for the journal: restore fewer buckets at a time"
        raise OSError(message)


def read_lines(file: Path) -> Iterator[Any]:
    """Yield what each line holds; raise OSError where the file was cut or damaged."""
    try:
        with gzip.open(file, "rt", encoding="ascii") as text:
            yield from map(json.loads, text)
    except (EOFError, ValueError, gzip.BadGzipFile, zlib.error) as error:
        message = f"{file} cannot be read to its end: {error}"
        raise OSError(message) from error


# Several at a time.


def run_in_parallel(work: Callable[[Any], object], items: Iterable[Any]) -> None:
    """Work on several items at a time; after an error, begin no other and raise it."""
    remaining = iter(items)
    failed = False

    def attempt(item: Any) -> None:
        nonlocal failed
        if not failed:
            try:
                work(item)
            except BaseException:
                failed = True
                raise

    with ThreadPoolExecutor(8) as pool:
        while some := list(islice(remaining, 32)):
            list(pool.map(attempt, some))


def for_each_bucket(task: Task, buckets: Iterable[str], work: Callable[[str], object]) -> None:
    """Work on each bucket; a problem of one does not stop the others."""

    def attempt(bucket: str) -> None:
        try:
            work(bucket)
        except (BotoCoreError, ClientError, OSError) as error:
            task.failed.add(bucket)
            say(f"problem: {bucket}: {error}")

    run_in_parallel(attempt, buckets)
    clear_progress()
