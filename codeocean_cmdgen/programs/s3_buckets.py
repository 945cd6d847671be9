"""Checks buckets before they are restored, and what arrived in them since."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from .s3_task import Entry, Task, for_each_bucket, instant, is_marker, say

WRONG_PLACE = 3
"""The exit code if a bucket is not in the account and Region of the script."""
DAY = 86400


def check_places(task: Task) -> None:
    """Exit if a bucket is not in the task's account and Region; name all that are not."""

    def check(bucket: str) -> None:
        region = bucket_region(task.client.get_bucket_location(**task.owned(bucket)))
        if region != task.region:
            message = f"it is in {region}"
            raise OSError(message)

    for_each_bucket(task, task.buckets, check)
    if task.failed:
        names = ", ".join(sorted(task.failed))
        say(f"problem: not known to be in account {task.account}, {task.region}: {names}")
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


Settings = dict[str, dict[str, Any]]
"""What S3 answers about a bucket: an empty answer if nothing is configured."""


def read_settings(task: Task, bucket: str) -> Settings:
    """Return the settings of a bucket that matter."""
    client = task.client
    found: Settings = {}
    for name, ask in {
        "versioning": client.get_bucket_versioning,
        "replication": client.get_bucket_replication,
        "lifecycle": client.get_bucket_lifecycle_configuration,
        "object lock": client.get_object_lock_configuration,
    }.items():
        try:
            found[name] = ask(**task.owned(bucket))
        except ClientError as error:
            # A bucket without a configuration has the answer "...ConfigurationNotFound...".
            if "Configuration" not in error.response["Error"]["Code"]:
                raise
            found[name] = {}
    return found


def reasons_against(settings: Settings, at: str, now: float, *, removes: bool) -> Iterator[str]:
    """Yield the reasons not to restore a bucket with such settings."""
    versioning = settings["versioning"]
    if versioning.get("Status") != "Enabled":
        yield "versioning is not enabled"
    locked = "ObjectLockConfiguration" in settings["object lock"]
    if removes and (locked or versioning.get("MFADelete") == "Enabled"):
        yield "MFA delete or Object Lock keeps versions from being removed: use --reversible"
    replication = settings["replication"].get("ReplicationConfiguration", {})
    if any(rule["Status"] == "Enabled" for rule in replication.get("Rules", ())):
        yield "it replicates to another bucket: disable its replication rules first"
    for rule in settings["lifecycle"].get("Rules", ()):
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


def write_digest(file: Path, digest: str) -> None:
    """Write a digest for read_digest, whole or not at all: an empty one is no empty file."""
    part = file.with_name(f"{file.name}.part")
    part.write_text(f'"{digest}"', encoding="ascii")
    part.rename(file)


def read_digest(done: Path) -> str:
    """Return the digest in a file "done" of a bucket; raise OSError if it holds none."""
    found = re.fullmatch('"([0-9a-f]{64}|)"', done.read_text("ascii", "replace"))
    if not found:
        message = f"{done} is damaged: it no longer proves what was current when this run ended"
        raise OSError(message)
    return found[1]
