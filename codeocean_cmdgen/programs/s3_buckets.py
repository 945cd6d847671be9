"""Checks buckets before they are restored, and what arrived in them since."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .s3_task import Entry, Task, instant, is_marker, run_in_parallel, say

WRONG_PLACE = 3
"""The exit code if a bucket is not in the account and Region of the script."""
DAY = 86400


def check_places(task: Task) -> None:
    """Exit if a bucket is not in the task's account and Region; name all that are not."""
    wrong: dict[str, str] = {}

    def check(bucket: str) -> None:
        try:
            answer = task.client.get_bucket_location(**task.owned(bucket))
        except (BotoCoreError, ClientError) as error:
            wrong[bucket] = str(error)
            return
        region = bucket_region(answer)
        if region != task.region:
            wrong[bucket] = f"it is in {region}"

    run_in_parallel(check, task.buckets)
    place = f"account {task.account} in {task.region}"
    for bucket, why in wrong.items():
        say(f"problem: {bucket} is not a bucket of {place}: {why}")
    if wrong:
        sys.exit(WRONG_PLACE)


def bucket_region(location: dict[str, Any]) -> str:
    """Return the Region that S3 reports, which has other words for two of them."""
    constraint = str(location.get("LocationConstraint") or "us-east-1")
    return "eu-west-1" if constraint == "EU" else constraint


def refuse_unfit(task: Task, bucket: str, *, removes: bool) -> None:
    """Raise OSError with all reasons not to restore a bucket; removes: by removing versions."""
    settings = read_settings(task, bucket)
    reasons = list(reasons_against(settings, task.at, time.time(), removes=removes))
    if reasons:
        raise OSError("; ".join(reasons))


def read_settings(task: Task, bucket: str) -> dict[str, Any]:
    """Return the settings of a bucket that matter, by their names in S3's answers."""
    client = task.client
    found: dict[str, Any] = {}
    for read in (
        client.get_bucket_versioning,
        client.get_bucket_replication,
        client.get_bucket_lifecycle_configuration,
        client.get_object_lock_configuration,
    ):
        try:
            found.update(read(**task.owned(bucket)))
        except ClientError as error:
            # A bucket without a configuration has the answer "...ConfigurationNotFound...".
            if "Configuration" not in error.response["Error"]["Code"]:
                raise
    return found


def reasons_against(
    settings: dict[str, Any], at: str, now: float, *, removes: bool
) -> Iterator[str]:
    """Yield the reasons not to restore a bucket with such settings."""
    if settings.get("Status") != "Enabled":
        yield "versioning is not enabled"
    if removes and (
        settings.get("MFADelete") == "Enabled" or "ObjectLockConfiguration" in settings
    ):
        yield "MFA delete or Object Lock keeps versions from being removed: use --reversible"
    replication = settings.get("ReplicationConfiguration", {}).get("Rules", ())
    if any(rule["Status"] == "Enabled" for rule in replication):
        yield "it replicates to another bucket: disable its replication rules first"
    for rule in settings.get("Rules", ()):
        days = rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays")
        if rule["Status"] == "Enabled" and days and instant(now - days * DAY) > at:
            yield (
                f"a lifecycle rule removes versions {days} days after they are replaced: "
                "--at is too long ago"
            )


class LaterEntries:
    """Counts what arrived in a bucket since it was restored: it is reported, and stays."""

    def __init__(self) -> None:
        self.versions = self.markers = 0
        self.example = ""

    def add(self, entry: Entry) -> None:
        """Count a version or a delete marker."""
        if is_marker(entry):
            self.markers += 1
        else:
            self.versions += 1
        self.example = self.example or f"{ascii(entry['Key'])} of {entry['LastModified']}"

    def refuse(self, task: Task, done: Path) -> None:
        """Raise OSError if anything arrived since the file "done" of the bucket was written."""
        if not self.example:
            return
        task.later.add(done.parent.name)
        message = (
            f"{self.versions:,} newer versions and {self.markers:,} newer delete markers arrived "
            f"since {instant(done.stat().st_mtime)}, such as {self.example}: they stay"
        )
        raise OSError(message)


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
