"""Compares buckets with what their versions say was current at a moment; changes nothing.

Prints "same" on stdout if no key differs.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import NamedTuple, Optional

from .s3_buckets import read_settings, reasons_against
from .s3_keys import Key, list_keys
from .s3_task import Entry, Task, answer, for_each_bucket, is_marker, say, start_task

MOST_NAMED = 9
"""How many keys that differ are named for each bucket."""

SAME = "as it was"
COPY = "a copy"
GONE = "gone"
NEW = "new"
DIFFERENT = "different"
UNSURE = "of another ETag"
"""As the copies of an object in parts are, and of one that KMS encrypts."""


def main() -> None:
    """Compare all buckets."""
    task = start_task()
    different: set[str] = set()

    def compare(bucket: str) -> None:
        if not compare_bucket(task, bucket):
            different.add(bucket)
        refuse_gaps(task, bucket)

    for_each_bucket(task, task.buckets, compare)
    answer("different" if task.failed or different else "same")


def refuse_gaps(task: Task, bucket: str) -> None:
    """Raise OSError if the versions of a bucket may not show what was current at the moment."""
    settings = read_settings(task, bucket)
    settings["replication"] = {}  # that leaves the bucket's own versions alone
    reasons = list(reasons_against(settings, task.at, time.time(), removes=False))
    if reasons:
        message = f"its versions do not prove what was current at {task.at}: {'; '.join(reasons)}"
        raise OSError(message)


def compare_bucket(task: Task, bucket: str) -> bool:
    """Show how many keys of a bucket show what they showed; name some that do not.

    Returns whether all do.
    """
    found: Counter[str] = Counter()
    later = named = 0
    for key in list_keys(task, bucket):
        verdict = judge(key, task.until)
        found[verdict] += 1
        later += bool(key.late)
        if verdict not in (SAME, COPY) and named < MOST_NAMED:
            named += 1
            since = key.now["LastModified"]
            say(f"problem: {bucket}: {ascii(key.name)} is {verdict}, since {since}")
    differ = found[GONE] + found[NEW] + found[DIFFERENT]
    say(
        f"{bucket}: {found[SAME]:,} keys are as they were at {task.at}, {found[COPY]:,} have a "
        f"copy of what was there, {found[UNSURE]:,} cannot be compared, {differ:,} differ; "
        f"{later:,} were written after {task.until}"
    )
    return differ + found[UNSURE] == 0


def judge(key: Key, until: str) -> str:
    """Return how what is current compares with what was."""
    now, then = content_of(key.now), content_of(key.then)
    if key.now is key.then or now is then is None:
        return SAME
    if now is None:
        return GONE
    if then is None:
        return NEW
    if now == then:
        return COPY
    maybe_copied = now.size == then.size and key.now["LastModified"] > until
    return UNSURE if maybe_copied else DIFFERENT


class Content(NamedTuple):
    """What tells the contents of objects apart."""

    size: int
    etag: str


def content_of(entry: Optional[Entry]) -> Optional[Content]:
    """Return what an entry contains; None if there is no object."""
    if entry is None or is_marker(entry):
        return None
    return Content(entry["Size"], entry["ETag"])


if __name__ == "__main__":
    main()
