"""Restores buckets to a moment by removing everything newer.

Asks by "ask DIGEST COUNT" on stdout, and removes once a line arrives on stdin.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from contextlib import suppress
from itertools import islice
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .s3_buckets import LaterEntries, check_places, read_digest, refuse_unfit, write_digest
from .s3_plan import (
    Current,
    Files,
    Plan,
    Removal,
    files_of,
    make_plan,
    read_removals,
    refuse_use,
    remove_plan,
)
from .s3_task import (
    FROM_THE_START,
    PAUSES,
    Task,
    answer,
    for_each_bucket,
    instant,
    list_entries,
    list_pages,
    run_in_parallel,
    say,
    start_task,
)

NOT_IN_XML = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff]")
"""Characters in keys that a request of many keys, which is XML, cannot carry."""
FRESH = 300
"""Seconds for which a listing is trusted, except for its first page."""
TEMPORARY = {
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
}
"""Errors for one key after which it is asked for again."""
BATCH = 1000
"""Most keys of one request."""


def main() -> None:
    """Plan for all buckets, ask, and remove."""
    task = start_task()
    check_places(task)
    plans: dict[str, Plan] = {}

    def prepare(bucket: str) -> None:
        refuse_unfit(task, bucket, removes=True)
        plans[bucket] = make_plan(task, bucket)
        refuse_loss(task, files_of(task, bucket), plans[bucket].current)
        say_plan(task, bucket, plans[bucket])

    def check_or_prepare(bucket: str) -> None:
        if files_of(task, bucket).done.exists():
            check_restored(task, bucket)
        else:
            prepare(bucket)

    for_each_bucket(task, task.buckets, check_or_prepare)
    if task.failed:
        answer("later - 0" if task.failed == task.later and not plans else "none - 0")
        sys.exit(1)
    left = {bucket: plans[bucket] for bucket in task.buckets if bucket in plans}
    answer(f"{word_for(task, left)} {digest_of(left)} {sum(plan.count for plan in left.values())}")
    if not sys.stdin.readline():
        return
    if left:
        remove_all(task, left)
    if not task.failed:
        answer(instant(time.time()))


def word_for(task: Task, plans: dict[str, Plan]) -> str:
    """Return done: nothing is left; go: what is left was confirmed; ask: it was not."""
    if not plans:
        return "done"
    confirmed = all(files_of(task, bucket).confirmed.exists() for bucket in plans)
    return "go" if confirmed else "ask"


def digest_of(plans: dict[str, Plan]) -> str:
    """Return the short digest that confirms the plans."""
    text = "".join(f"{bucket} {plan.digest}\n" for bucket, plan in plans.items())
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def say_plan(task: Task, bucket: str, plan: Plan) -> None:
    """Show what will be removed from a bucket."""
    text = f"{plan.size / 1e9:,.2f} GB, {plan.markers:,} delete markers, {plan.keys:,} keys"
    say(
        f"{bucket}: {plan.count:,} of {plan.seen:,} versions and delete markers "
        f"will be removed ({text})"
    )
    if plan.count == plan.seen > 0:
        say(f"warning: {bucket} has no version as old as {task.at}: nothing would be left")
    if plan.archived:
        example = plan.archived_example
        say(f"warning: {plan.archived:,} keys will need RestoreObject, such as {example}")
    for key, version in islice(read_removals(files_of(task, bucket).plan), 3):
        with suppress(BotoCoreError, ClientError):  # a delete marker has no head
            head = task.client.head_object(Key=key, VersionId=version, **task.owned(bucket))
            if "ReplicationStatus" not in head:
                say(
                    f"warning: {ascii(key)}, which will be removed, is not a replica: "
                    "was it written here?"
                )


def remove_all(task: Task, plans: dict[str, Plan]) -> None:
    """Check all buckets again, write the journals, and remove."""
    check_places(task)
    task.progress.restart()
    for_each_bucket(task, plans, lambda bucket: check_before_removal(task, bucket, plans[bucket]))
    if task.failed:
        return
    for bucket, plan in plans.items():
        write_journal(task, bucket, plan)
    os.sync()  # a machine that stops must not lose the journals
    task.progress.restart(sum(plan.seen for plan in plans.values()))
    for_each_bucket(task, plans, lambda bucket: restore(task, bucket, plans[bucket]))


def check_before_removal(task: Task, bucket: str, plan: Plan) -> None:
    """Check again what was checked before the confirmation.

    If the plan is not fresh, that is all of the listing: the bucket may have come into use.
    """
    refuse_unfit(task, bucket, removes=True)
    fresh = time.time() - plan.began <= FRESH
    for page in islice(
        list_pages(task.client, task.owned(bucket), FROM_THE_START), 1 if fresh else None
    ):
        for entry in page.entries:
            refuse_use(task, entry)
        if not fresh:
            task.progress.add(len(page.entries))


def write_journal(task: Task, bucket: str, plan: Plan) -> None:
    """Keep the plan as a journal, under a name of its own, before anything is removed."""
    files = files_of(task, bucket)
    if not files.expected.exists():
        write_digest(files.expected, plan.current.digest)
    if not files.confirmed.exists():
        os.link(files.plan, files.plan.with_name(f"journal-{time.time_ns()}.gz"))
        files.confirmed.touch()


def restore(task: Task, bucket: str, plan: Plan) -> None:
    """Remove what is newer, and list the bucket again: only that proves it."""
    files = files_of(task, bucket)
    removals = read_removals(files.plan)
    refusals: list[str] = []

    def remove(batch: list[Removal]) -> None:
        refusals.extend(remove_versions(task, bucket, batch))

    run_in_parallel(remove, iter(lambda: list(islice(removals, BATCH)), []))
    newer, current = list_again(task, bucket)
    if newer.example or current.digest != plan.current.digest:
        remove_plan(files)
    if newer.example:
        why = refusals[-1] if refusals else "S3 refused nothing"
        message = f"newer versions are left, such as {newer.example}; {why}"
        raise OSError(message)
    refuse_loss(task, files, current)
    write_digest(files.done, current.digest)


def refuse_loss(task: Task, files: Files, current: Current) -> None:
    """Raise OSError if versions are gone that the first confirmed plan expected to be current.

    A later plan does not know of them: it would find nothing wrong with what is left.
    """
    if files.expected.exists() and read_digest(files.expected) != current.digest:
        message = (
            "it changed meanwhile: what is current is not what was current at "
            f"{task.at} when this run began. To accept that, use a new --run"
        )
        raise OSError(message)


def remove_versions(task: Task, bucket: str, batch: list[Removal]) -> list[str]:
    """Remove versions by id; return what S3 refused. To remove one again does no harm."""
    refusals: list[str] = []
    left: list[dict[str, str]] = []
    for key, version in batch:
        one = {"Key": key, "VersionId": version}
        if not NOT_IN_XML.search(key):
            left.append(one)
            continue
        try:
            task.client.delete_object(**one, **task.owned(bucket))
        except ClientError as error:
            refusals.append(str(error))
    for pause in PAUSES:
        if not left:
            break
        found = task.client.delete_objects(Delete={"Objects": left}, **task.owned(bucket))
        errors = found.get("Errors", [])
        if "Deleted" in found or errors:  # neither: an error in an HTTP 200
            left = still_left(left, errors)
            refusals += [str([error]) for error in errors[:1]]
        if left:
            time.sleep(pause)
    task.progress.add(len(batch))
    return refusals


def still_left(asked: list[dict[str, str]], errors: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return what to ask for again: the keys with a temporary error."""
    again = {error["Key"] for error in errors if error["Code"] in TEMPORARY}
    return [one for one in asked if one["Key"] in again]


def list_again(task: Task, bucket: str) -> tuple[LaterEntries, Current]:
    """Return what a bucket holds now: what is newer than the moment, and what is current."""
    newer, current = LaterEntries(), Current()
    for entry in list_entries(task, bucket):
        if entry["LastModified"] > task.at:
            newer.add(entry)
        else:
            current.add(entry)
    return newer, current


def check_restored(task: Task, bucket: str) -> None:
    """Raise OSError if a bucket that was restored has changed since; change nothing."""
    done = files_of(task, bucket).done
    later, current = list_again(task, bucket)
    later.refuse(task, done)
    if read_digest(done) != current.digest:
        message = f"versions that were current at {task.at} have been removed since"
        raise OSError(message)


if __name__ == "__main__":
    main()
