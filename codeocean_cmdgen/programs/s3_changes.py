"""The changes that restore a bucket reversibly, and the proof of what this run has written."""

from __future__ import annotations

import hmac
import json
import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, NamedTuple

from botocore.exceptions import ClientError

from .s3_task import Entry, Task, instant, is_marker, list_pages, read_lines, run_in_parallel, say

TAG = "codeocean-cmdgen:write"
"""The name of the tag that a copy has until its version ID is written down."""
TOLERANCE = 900
"""Seconds by which S3 lets the clock of a request be wrong."""
NANOSECONDS = 10**9
MOST_ENTRIES = 20
"""How many entries of a key are looked at."""
MOST_NAMED = 9
"""How many keys with a problem are named."""


class Change(NamedTuple):
    """A change that a key needs: a line of the journal, with the fields in this order."""

    kind: str
    """copy: put a version on top. mark: set a delete marker. unmark: remove the newest one."""
    key: str
    newest: str
    """The version ID of the entry that was newest."""
    then: str = ""
    """The version ID of what is restored, its size and storage class; none for a mark."""
    size: int = 0
    storage_class: str = ""


NO_CHANGE = Change("", "", "")


def journal_of(task: Task, bucket: str) -> Path:
    """Return the file with the changes that were begun in a bucket."""
    return task.folder / bucket / "journal.gz"


def read_changes(file: Path) -> Iterator[tuple[int, Change]]:
    """Yield the changes of a journal, numbered from 0; raise OSError where it is damaged."""
    for number, fields in enumerate(read_lines(file)):
        try:
            change = Change(*fields)
        except TypeError as error:
            message = f"{file}: line {number + 1} is not a change"
            raise OSError(message) from error
        yield number, change


class JournalError(OSError):
    """What was written cannot be recorded: nothing more may be written to S3."""


class Written:
    """A bucket, and what this run is proved to have written to it for each change.

    The file "written" has lines of JSON: the secret; [number of the change, version ID, time of
    the request]; [number] once a change is complete. Times are nanoseconds since 1970, 0 for a
    delete marker. A line may be cut short: each record begins one.
    """

    def __init__(self, task: Task, bucket: str) -> None:
        self.client, self.client_once = task.client, task.client_once
        self.where = task.owned(bucket)
        self.file = task.folder / bucket / "written"
        self.requests: dict[int, dict[str, int]] = {}
        """Number of the change -> version ID -> time of the request that wrote it."""
        self.complete: set[int] = set()
        self.secret = ""
        with suppress(FileNotFoundError):
            for line in self.file.read_text("ascii", "replace").split("\n"):
                with suppress(ValueError):
                    self._remember(json.loads(line))

    def _remember(self, record: Any) -> None:
        if isinstance(record, str):
            self.secret = record
        elif len(record) == 1:
            self.complete.add(record[0])
        else:
            number, version, requested = record
            if version != "null":  # while versioning is suspended, all uploads have this ID
                self.requests.setdefault(number, {})[version] = requested

    def record_secret(self, secret: str) -> None:
        """Write down the secret of the tags."""
        self._record(secret)

    def record_version(self, number: int, version: str, requested: int = 0) -> None:
        """Write down a version that S3 has answered with."""
        self._record([number, version, requested])

    def record_complete(self, number: int) -> None:
        """Write down that a change is complete."""
        self._record([number])

    def _record(self, record: object) -> None:
        """Write a line to the disk."""
        try:
            with self.file.open("a", encoding="ascii") as file:
                file.write(f"\n{json.dumps(record)}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            message = f"{self.file} cannot be written: {error}"
            raise JournalError(message) from error
        self._remember(record)

    def tag(self, change: Change, requested: int) -> str:
        """Return the value of the tag for one request to copy, made at a time.

        A user's copy of our copy keeps the tag. So the value is valid for one request only.
        """
        text = json.dumps([self.where["Bucket"], change.key, change.newest, change.then, requested])
        return f"{requested}.{hmac.new(self.secret.encode(), text.encode(), 'sha256').hexdigest()}"

    def read_tags(self, key: str, version: str) -> dict[str, str]:
        """Return the tags of a version."""
        found = self.client.get_object_tagging(Key=key, VersionId=version, **self.where)
        return {tag["Key"]: tag["Value"] for tag in found["TagSet"]}

    def list_newest(self, key: str) -> list[Entry]:
        """Return the newest entries of a key, newest first."""
        place = {"Prefix": key, "MaxKeys": MOST_ENTRIES}
        page = next(list_pages(self.client, self.where, place))
        return [entry for entry in page.entries if entry["Key"] == key]

    def list_above(self, key: str, base: str) -> list[Entry]:
        """Return the entries of a key above a version, newest first; that must be there."""
        entries = self.list_newest(key)
        versions = [entry["VersionId"] for entry in entries]
        if base not in versions:
            message = f"it is in use: version {base} is not there"
            raise OSError(message)
        return entries[: versions.index(base)]

    def requested(self, change: Change, entry: Entry) -> int:
        """Return the time of the request whose tag an entry has; 0 if none fits the entry."""
        if change.kind != "copy" or entry.get("Size") != change.size or not self.secret:
            return 0
        tags = self.read_tags(change.key, entry["VersionId"])
        time_text = tags.get(TAG, "").partition(".")[0]
        requested = int(time_text) if re.fullmatch("[1-9][0-9]{,19}", time_text) else 0
        if not requested or tags[TAG] != self.tag(change, requested):
            return 0
        seconds = requested // NANOSECONDS
        earliest, latest = instant(seconds - TOLERANCE), instant(seconds + TOLERANCE)
        return requested if earliest <= entry["LastModified"] <= latest else 0

    def find_ours(self, number: int, change: Change, found: list[Entry]) -> dict[str, int]:
        """Return which entries a change is proved to have written, of those above its base.

        found: these, newest first. Returns their version IDs, oldest first, with the times of the
        requests. A recorded ID is proof. A tag is proof only if no other version has it, no ID is
        recorded for it, and nothing unproved lies below.
        """
        known = self.requests.get(number, {})
        requests = {
            entry["VersionId"]: self.requested(change, entry)
            for entry in reversed(found)
            if entry["VersionId"] not in known
        }
        times = [*known.values(), *requests.values()]
        ours: dict[str, int] = {}
        proved = True
        for version in (entry["VersionId"] for entry in reversed(found)):
            if version in known:
                ours[version] = known[version]
            elif proved and requests[version] and times.count(requests[version]) == 1:
                ours[version] = requests[version]
            else:
                proved = False
        return ours


def refuse_others(found: list[Entry], ours: Collection[str] = ()) -> None:
    """Raise OSError if an entry is not one of ours."""
    for entry in found:
        if entry["VersionId"] in ours:
            continue
        kind = "delete marker" if is_marker(entry) else "version"
        message = (
            f"it was changed meanwhile: {kind} {entry['VersionId']} of {entry['LastModified']} is "
            "not proved to be of this run. It stays: check it"
        )
        raise OSError(message)


def for_each_change(
    task: Task, changes: Iterator[tuple[int, Change]], work: Callable[[int, Change], None]
) -> None:
    """Work on changes; if some fail, show a few of them at the end, and raise OSError.

    Expired credentials and an unwritable journal end the work at once.
    """
    count = 0
    named: list[str] = []

    def attempt(numbered: tuple[int, Change]) -> None:
        nonlocal count
        number, change = numbered
        try:
            work(number, change)
        except JournalError:
            raise
        except (ClientError, OSError) as error:
            if isinstance(error, ClientError) and "Token" in error.response["Error"]["Code"]:
                raise  # no other key would fare better
            count += 1
            if len(named) < MOST_NAMED:
                named.append(f"  {ascii(change.key)}: {error}")
        task.progress.add(1)

    run_in_parallel(attempt, changes)
    for text in named:
        say(text)
    if count:
        message = f"{count:,} keys are LEFT as they are, such as those named above"
        raise OSError(message)
