"""Undoes what s3_reversal of the same run has changed: removes what is proved to be of this run.

Prints the number of changes on stdout, and begins once a line arrives on stdin.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from botocore.exceptions import ClientError

from .s3_changes import (
    Change,
    Written,
    for_each_change,
    journal_of,
    read_changes,
    refuse_others,
)
from .s3_task import Task, answer, for_each_bucket, is_marker, read_lines, say, start_task

NOT_FOUND = 404


def main() -> None:
    """Say how much there is to undo, and undo it."""
    task = start_task()
    buckets = [bucket for bucket in task.buckets if has_changes(task, bucket)]
    count = sum(1 for bucket in buckets for _ in read_readable(journal_of(task, bucket)))
    answer(str(count))
    if not sys.stdin.readline():
        return
    task.progress.restart(count)
    for_each_bucket(task, buckets, lambda bucket: undo_bucket(task, bucket))
    if not any(journal_of(task, bucket).exists() for bucket in buckets):
        answer("done")


def has_changes(task: Task, bucket: str) -> bool:
    """Tell whether there are changes to undo in a bucket; if not, say why.

    What was changed from another home folder has its journal there.
    """
    journal = journal_of(task, bucket)
    if journal.exists():
        return True
    if any(journal.parent.glob("journal-undone-*")):
        say(f"{bucket}: what was changed from here was undone before")
    else:
        say(f"warning: {bucket}: nothing was changed from here, so nothing is undone there")
    return False


def read_readable(file: Path) -> Iterator[tuple[int, Change]]:
    """Yield the changes of a journal, as far as it can be read."""
    with suppress(OSError):
        yield from read_changes(file)


def undo_bucket(task: Task, bucket: str) -> None:
    """Undo the changes in a bucket, as far as they can be read, and put its records away."""
    journal = journal_of(task, bucket)
    journal.with_name("done").unlink(missing_ok=True)
    written = Written(task, bucket)
    for_each_change(
        task,
        read_readable(journal),
        lambda number, change: undo_change(written, number, change),
    )
    for _ in read_lines(journal):  # to its end
        pass
    when = time.time_ns()
    with suppress(FileNotFoundError):
        written.file.rename(journal.with_name(f"written-undone-{when}"))
    journal.rename(journal.with_name(f"journal-undone-{when}.gz"))


def undo_change(written: Written, number: int, change: Change) -> None:
    """Undo a change, if it was made: remove what is proved to be of this run, no more."""
    if change.kind == "unmark":
        set_marker_again(written, change)
        return
    found = written.list_above(change.key, change.newest)
    ours = written.find_ours(number, change, found)
    if ours and change.kind == "copy":
        check_source(written, change)
    for version in ours:
        written.client.delete_object(Key=change.key, VersionId=version, **written.where)
    refuse_others(found, ours)


def set_marker_again(written: Written, change: Change) -> None:
    """Hide a key again whose delete marker was removed; that removes nothing."""
    entries = written.list_newest(change.key)
    versions = [entry["VersionId"] for entry in entries]
    if change.newest in versions:
        return  # it was never removed
    if change.then not in versions:
        message = f"it is in use: version {change.then} is not there"
        raise OSError(message)
    found = entries[: versions.index(change.then)]
    refuse_others([entry for entry in found if not is_marker(entry)])
    if not found:
        written.client.delete_object(Key=change.key, **written.where)


def check_source(written: Written, change: Change) -> None:
    """Raise OSError if what was copied is gone, as by a lifecycle rule: only the copy is left."""
    try:
        written.read_tags(change.key, change.then)
    except ClientError as error:  # unlike HEAD, this gives a reason
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != NOT_FOUND:
            raise
        message = f"its copy stays: version {change.then}, which was copied, is gone"
        raise OSError(message) from error


if __name__ == "__main__":
    main()
