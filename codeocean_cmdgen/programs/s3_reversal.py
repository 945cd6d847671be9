"""Restores buckets to a moment by putting copies on top; removes no version.

Announces by "go DIGEST" on stdout what it will do, and begins once a line arrives on stdin.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Optional
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError

from .s3_buckets import LaterEntries, check_places, read_digest, refuse_unfit, write_digest
from .s3_changes import (
    NO_CHANGE,
    TAG,
    Change,
    Written,
    for_each_change,
    journal_of,
    read_changes,
    refuse_others,
)
from .s3_keys import Key, list_keys
from .s3_task import (
    ARCHIVED,
    PAUSES,
    Entry,
    Task,
    answer,
    for_each_bucket,
    instant,
    is_marker,
    refuse_full_disk,
    say,
    start_task,
)

MOST_BYTES = 5 << 30
"""Most bytes that one request copies."""
PART = 64 << 20
"""Bytes of a part of a larger copy."""
MOST_PARTS = 10_000
MOST_TAGS = 10
KEPT = {"CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType"}
"""What a copy in parts keeps of its source, besides metadata and tags."""
TEMPORARY = {"NoSuchUpload", "OperationAborted", "RequestTimeout", "SlowDown"}
"""Refusals that are not final. After a lost answer, a completed upload is no longer known."""
CLIENT_ERRORS = range(400, 500)
ROOM_FOR_CHANGE = 120
"""Bytes that each change needs in the home folder."""


class Prepared(NamedTuple):
    """What will change in a bucket."""

    digest: str
    changes: int
    entries: int
    """How many entries were listed; 0 if the changes were begun by an earlier paste."""


def main() -> None:
    """Check all buckets, announce what will change, and change it."""
    task = start_task()
    check_places(task)
    prepared: dict[str, Prepared] = {}

    def check_or_prepare(bucket: str) -> None:
        if files_of(task, bucket).done.exists():
            check_restored(task, bucket)
        else:
            refuse_unfit(task, bucket, removes=False)
            prepared[bucket] = prepare(task, bucket)

    for_each_bucket(task, task.buckets, check_or_prepare)
    if task.failed:
        answer("later -" if task.failed == task.later and not prepared else "none -")
        sys.exit(1)
    digests = "".join(sorted(one.digest for one in prepared.values()))
    word = "go" if prepared else "done"
    answer(f"{word} {hashlib.sha256(digests.encode()).hexdigest()[:12]}")
    if not sys.stdin.readline():
        return
    task.progress.restart(total_of(prepared))
    for_each_bucket(task, prepared, lambda bucket: restore(task, bucket))
    if not task.failed:
        answer(instant(time.time()))


def total_of(prepared: dict[str, Prepared]) -> int:
    """Return how much there is to do: each change, and the listing after it; 0 if unknown."""
    if not all(one.entries for one in prepared.values()):
        return 0
    return sum(2 * one.changes + one.entries for one in prepared.values())


class Files(NamedTuple):
    """The files of a bucket. What exists says how far its restore is."""

    plan: Path
    """The changes that it needs."""
    journal: Path
    """The same file, renamed, once they are begun."""
    done: Path
    """The bucket was restored; holds the digest of the versions that are current."""


def files_of(task: Task, bucket: str) -> Files:
    """Return the files of a bucket."""
    folder = task.folder / bucket
    return Files(folder / "plan.gz", journal_of(task, bucket), folder / "done")


def prepare(task: Task, bucket: str) -> Prepared:
    """Write down what will change in a bucket, unless that was begun; show how much it is."""
    files = files_of(task, bucket)
    entries = 0
    if not files.journal.exists():
        part = files.plan.with_name("part.gz")
        refuse_full_disk(task)
        with gzip.open(part, "wt", encoding="ascii") as text:
            for key in list_keys(task, bucket):
                entries += key.listed
                change = judge(key, task.at)
                if change != NO_CHANGE:
                    text.write(json.dumps(change) + "\n")
        part.rename(files.plan)
    digest, changes, archived = hashlib.sha256(bucket.encode()), 0, 0
    for _, change in read_changes(files.journal if files.journal.exists() else files.plan):
        digest.update(json.dumps(change).encode())
        changes += 1
        archived += change.kind == "copy" and change.storage_class in ARCHIVED
    say(f"{bucket}: {changes:,} keys will change, {archived:,} of them need RestoreObject first")
    refuse_full_disk(task, ROOM_FOR_CHANGE * changes)
    return Prepared(digest.hexdigest(), changes, entries)


def judge(key: Key, at: str) -> Change:
    """Return the change that a key needs; raise OSError if it is in use, or in disorder."""
    if key.late:
        when = key.late[0]["LastModified"]
        message = f"it is in use: {ascii(key.name)} was written at {when}; it is left alone"
        raise OSError(message)
    if not key.ordered:
        message = f"{ascii(key.name)}: its versions are not in the order of their times"
        raise OSError(message)
    return needed(key, at)


def needed(key: Key, at: str) -> Change:
    """Return the change that a key needs; NO_CHANGE if it needs none."""
    then = key.then
    shown = not is_marker(key.now)
    if key.now["LastModified"] <= at:
        return NO_CHANGE
    newest = key.now["VersionId"]
    if then is None or is_marker(then):
        return Change("mark", key.name, newest) if shown else NO_CHANGE
    kind = "copy" if shown or key.newer > 1 else "unmark"
    return Change(kind, key.name, newest, then["VersionId"], then["Size"], then["StorageClass"])


def restore(task: Task, bucket: str) -> None:
    """Change a bucket as its journal says, and list it again: only that proves it."""
    files = files_of(task, bucket)
    if not files.journal.exists():
        files.plan.with_name("written").unlink(missing_ok=True)
        files.plan.rename(files.journal)
    written = Written(task, bucket)
    if not written.secret:
        written.record_secret(secrets.token_hex(16))
    os.sync()  # a machine that stops must not lose the journal
    for_each_change(
        task,
        read_changes(files.journal),
        lambda number, change: carry_out(written, number, change),
    )
    write_digest(files.done, check_restored(task, bucket))


def carry_out(written: Written, number: int, change: Change) -> None:
    """Change a key, unless that was completed before."""
    if number in written.complete:
        return
    if change.kind == "unmark":
        remove_marker(written, change)
    elif change.kind == "mark":
        set_marker(written, number, change)
    else:
        put_copy(written, number, change)
    written.record_complete(number)


def remove_marker(written: Written, change: Change) -> None:
    """Remove the newest delete marker, which hides what is restored."""
    top = written.list_newest(change.key)[:1]
    if top and top[0]["VersionId"] == change.newest:
        written.client.delete_object(Key=change.key, VersionId=change.newest, **written.where)
    else:
        refuse_others(top, [change.then])


def set_marker(written: Written, number: int, change: Change) -> None:
    """Set a delete marker. One that is there unproved hides the key as well: it stays."""
    found = written.list_above(change.key, change.newest)
    ours = written.find_ours(number, change, found)
    refuse_others([one for one in found if not is_marker(one)], ours)
    if len(found) > len(ours):
        say(f"warning: {ascii(change.key)} has a delete marker that --undo will not remove")
    if not found:
        done = written.client.delete_object(Key=change.key, **written.where)
        written.record_version(number, done["VersionId"])


def put_copy(written: Written, number: int, change: Change) -> None:
    """Put a copy of a version on top. It has a tag until its version ID is written down."""
    tags = written.read_tags(change.key, change.then)
    tags.pop(TAG, None)
    first_tags = dict(list(tags.items())[: MOST_TAGS - 1])
    for version, requested in make_copy(written, number, change, first_tags).items():
        if version not in written.requests.get(number, ()):
            written.record_version(number, version, requested)
        remove_tag(written, change, version, first_tags, tags)


def make_copy(
    written: Written, number: int, change: Change, tags: dict[str, str]
) -> dict[str, int]:
    """Return the copies that this run has made, oldest first; make one if there is none.

    A failed request may have made its copy.
    """
    pauses = iter(PAUSES)
    while True:
        found = written.list_above(change.key, change.newest)
        ours = written.find_ours(number, change, found)
        refuse_others(found, ours)
        if ours:
            return ours
        requested = time.time_ns()
        marked = {**tags, TAG: written.tag(change, requested)}
        try:
            return {request_copy(written, change, marked): requested}
        except (BotoCoreError, ClientError) as error:
            pause = next(pauses, 0)
            if not pause or is_final(error):
                raise
            time.sleep(pause)


def request_copy(written: Written, change: Change, tags: dict[str, str]) -> str:
    """Copy a version on top, with its metadata; return the version ID of the copy."""
    where = {"Key": change.key, **written.where}
    source = {"Bucket": written.where["Bucket"], "Key": change.key, "VersionId": change.then}
    settings: dict[str, Any] = {"Tagging": urlencode(tags)}
    if change.storage_class not in ARCHIVED:  # nobody could read a copy there
        settings["StorageClass"] = change.storage_class
    if change.size <= MOST_BYTES:
        # A repeated request has the same tag, and two versions with one tag prove nothing.
        done = written.client_once.copy_object(
            CopySource=source, TaggingDirective="REPLACE", **settings, **where
        )
        return str(done["VersionId"])
    head = written.client.head_object(**source)  # parts carry no metadata
    settings.update((name, head[name]) for name in (*KEPT, "Metadata") if name in head)
    return copy_in_parts(written, source, change.size, settings, where)


def copy_in_parts(
    written: Written,
    source: dict[str, str],
    size: int,
    settings: dict[str, Any],
    where: dict[str, str],
) -> str:
    """Copy a version above 5 GiB; return the version ID of the copy.

    Its tag is there from the first moment; s3transfer may set it later.
    """
    client = written.client
    step = max(PART, -(-size // MOST_PARTS))
    created = client.create_multipart_upload(**settings, **where)
    upload = {"UploadId": created["UploadId"], **where}

    def copy_part(first: int) -> dict[str, Any]:
        number, last = first // step + 1, min(first + step, size) - 1
        done = client.upload_part_copy(
            CopySource=source,
            CopySourceRange=f"bytes={first}-{last}",
            PartNumber=number,
            **upload,
        )
        return {"PartNumber": number, "ETag": done["CopyPartResult"]["ETag"]}

    try:
        with ThreadPoolExecutor(8) as pool:
            parts = list(pool.map(copy_part, range(0, size, step)))
        done = client.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)
    except (BotoCoreError, ClientError):
        with suppress(BotoCoreError, ClientError):
            client.abort_multipart_upload(**upload)
        raise
    return str(done["VersionId"])


def remove_tag(
    written: Written, change: Change, version: str, first_tags: dict[str, str], tags: dict[str, str]
) -> None:
    """Remove the tag of this run from a copy; what a user has set besides it stays."""
    now = written.read_tags(change.key, version)
    if TAG not in now:
        return
    del now[TAG]
    if now == first_tags:
        now = tags
    wanted = [{"Key": name, "Value": value} for name, value in now.items()]
    where = {"Key": change.key, "VersionId": version, **written.where}
    if wanted:
        written.client.put_object_tagging(Tagging={"TagSet": wanted}, **where)
    else:
        written.client.delete_object_tagging(**where)


def is_final(error: Exception) -> bool:
    """Tell whether S3 refuses something for good."""
    if not isinstance(error, ClientError):
        return False
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status in CLIENT_ERRORS and error.response["Error"]["Code"] not in TEMPORARY


def check_restored(task: Task, bucket: str) -> str:
    """Raise OSError if a bucket does not show what it showed at the moment; change nothing.

    Returns a digest of what is current.
    """
    files = files_of(task, bucket)
    written, later, current = Written(task, bucket), LaterEntries(), hashlib.sha256()
    wrong, example = 0, ""
    changes = read_changes(files.journal)
    for number, change, key in join_keys(changes, list_keys(task, bucket)):
        strangers = find_strangers(written, number, change, key.late) if key else []
        for entry in strangers:
            later.add(entry)
        if not strangers and not (key and is_restored(change, key, task.at)):
            wrong += 1
            example = example or ascii(key.name if key else change.key)
        if key and not is_marker(key.now):
            current.update(f"{key.now['VersionId']}{key.name}".encode())
    if files.done.exists():
        later.refuse(task, files.done)
    if later.example:
        message = f"it was written to meanwhile: {later.example}; that stays"
        raise OSError(message)
    if wrong:
        message = f"{wrong:,} keys are not as they were, such as {example}"
        raise OSError(message)
    digest = current.hexdigest()
    if files.done.exists() and read_digest(files.done) != digest:
        message = f"versions that were current at {task.at} have been removed since"
        raise OSError(message)
    return digest


Joined = tuple[int, Change, Optional[Key]]
"""A numbered change and its key: NO_CHANGE for a key without one, None if it is not listed."""


def join_keys(changes: Iterator[tuple[int, Change]], keys: Iterator[Key]) -> Iterator[Joined]:
    """Yield each key with its change, and each change whose key is gone.

    Both are in the order of the listing: that of the bytes of their UTF-8.
    """
    pending = chain(changes, [(-1, NO_CHANGE)])
    number, change = next(pending)
    for key in keys:
        while change.key and change.key.encode() < key.name.encode():
            yield number, change, None
            number, change = next(pending)
        if change.key == key.name:
            yield number, change, key
            number, change = next(pending)
        else:
            yield -1, NO_CHANGE, key
    while change.key:
        yield number, change, None
        number, change = next(pending)


def find_strangers(written: Written, number: int, change: Change, late: list[Entry]) -> list[Entry]:
    """Return which late entries of a key are not what its change has put there."""
    ours = written.find_ours(number, change, late)
    if change.kind == "mark":  # whoever set a delete marker: the key shows nothing, as it did
        late = [entry for entry in late if not is_marker(entry)]
    return [entry for entry in late if entry["VersionId"] not in ours]


def is_restored(change: Change, key: Key, at: str) -> bool:
    """Tell whether a key shows what it showed at the moment; all that is late is expected."""
    if change.kind == "copy":
        return bool(key.late)
    if change.kind == "mark":
        return is_marker(key.now)
    if change.kind == "unmark":
        return key.now["VersionId"] == change.then
    return needed(key, at) == NO_CHANGE


if __name__ == "__main__":
    main()
