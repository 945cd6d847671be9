"""Bring the versioned buckets back to a moment, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from codeocean_cmdgen.errors import Problem
from codeocean_cmdgen.steps.base import FIRST_RUN, Step
from codeocean_cmdgen.steps.rules import buckets_in_partition, no_bucket_twice
from codeocean_cmdgen.values import BucketArn, Instant, RunName, Switch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.steps.base import Printed


def _at_before_until(at: Instant, until: Instant) -> Iterator[Problem]:
    if at.utc() >= until.utc():
        yield Problem(
            f"--at {at} is not before --until {until}: the buckets are brought back to the first, "
            "and what was written after the second is left alone"
        )


_LOOKS = (
    "s3:GetBucketLocation",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketVersioning",
    "s3:GetLifecycleConfiguration",
    "s3:GetReplicationConfiguration",
    "s3:ListBucketVersions",
)


class S3PointInTime(Step):
    """Bring each bucket back to the state that it had at a moment, version by version."""

    bucket_arn: tuple[BucketArn, ...]
    at: Instant
    until: Instant
    reversible: Switch = Switch("no")
    undo: Switch = Switch("no")
    verify: Switch = Switch("no")
    run: RunName = FIRST_RUN

    name = "s3-point-in-time"
    title = "bring the buckets back to the state of a moment"
    watches = False
    shows = False
    confirm = "DIGEST"
    permissions: ClassVar[tuple[str, ...]] = (
        *_LOOKS,
        "s3:DeleteObjectVersion",
        "s3:GetObjectVersion",
    )
    header = {
        "where": "AWS CloudShell of the target's account.",
        "at": "in doubt, when the backup job was complete: too early loses objects that the "
        "snapshot knows, too late leaves some that it does not know, which harm nobody.",
        "changes": "removes, for good, what is newer than AT: what was current then is current "
        "again. Replication into the buckets must have ended, and never brings back what went.",
        "takes": "a minute for some 100,000 versions, and 60 bytes of the home folder for each.",
        "costs": "5 USD a million pages of 1,000 versions listed; removal is free.",
        "again": "goes on, asking anew only for what was not confirmed, or says that it is done.",
    }
    tables = ("target",)
    checks = (_at_before_until, no_bucket_twice, buckets_in_partition)

    def variables(self) -> dict[str, Printed]:
        """Print the moments in UTC, and no switches: each is a script of its own."""
        printed = {**super().variables(), "at": self.at.utc(), "until": self.until.utc()}
        return {name: value for name, value in printed.items() if name not in _SWITCHES}

    def variant(self) -> Step:
        """Return the step that the switches ask for."""
        if self.verify.on:
            return Verify(**vars(self))
        if self.undo.on:
            return Undo(**vars(self))
        return Reversible(**vars(self)) if self.reversible.on else self


_SWITCHES = ("reversible", "undo", "verify")


class Verify(S3PointInTime):
    """Compare the buckets with the moment: `s3-point-in-time --verify`."""

    title = "compare the buckets with their state at a moment"
    template = "s3-point-in-time--verify"
    confirm = ""
    permissions = _LOOKS
    header = {
        "where": "AWS CloudShell of the target's account.",
        "changes": "nothing, it only lists. It compares what is current in the buckets with what "
        "the versions in them say was current at AT: by version, else by size and ETag.",
        "takes": "a minute for some 100,000 versions.",
        "costs": "5 USD a million pages of 1,000 versions listed.",
        "again": "compares again.",
    }

    def variables(self) -> dict[str, Printed]:
        """Leave out the run: nothing is remembered."""
        printed = super().variables()
        del printed["run"]
        return printed


class Reversible(S3PointInTime):
    """Bring the buckets back without removing a version: `s3-point-in-time --reversible`."""

    title = "bring the buckets back to the state of a moment, reversibly"
    template = "s3-point-in-time--reversible"
    confirm = ""
    permissions = (
        *_LOOKS,
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:GetObjectVersion",
        "s3:GetObjectVersionTagging",
        "s3:PutObject",
        "s3:PutObjectTagging",
    )
    header = {
        "where": "AWS CloudShell of the target's account.",
        "changes": "removes no version: copies on top, or sets or removes a delete marker. As "
        "--undo takes that back, it asks for no word: PLAN=1 tells first how much it would be.",
        "takes": "a minute for some 100,000 versions; two requests and a copy for each key.",
        "costs": "requests, and storage of the copies.",
        "again": "goes on with what it had begun, or says that it is done.",
    }


class Undo(S3PointInTime):
    """Take back what a reversible script has changed: `s3-point-in-time --undo`."""

    title = "take back what a reversible script has changed"
    template = "s3-point-in-time--undo"
    confirm = ""
    permissions = (*_LOOKS, "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObjectVersion")
    header = {
        "where": "AWS CloudShell of the target's account and Region, where the journal is.",
        "changes": "removes the copies and the delete markers that s3-point-in-time --reversible "
        "of this run has set, and sets again the delete markers that it has removed. What else was "
        "written meanwhile is left alone, and named.",
        "takes": "two requests for each key that was changed.",
        "costs": "requests.",
        "again": "goes on, or says that nothing is left.",
    }
