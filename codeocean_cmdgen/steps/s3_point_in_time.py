"""Restore the versioned buckets exactly to a point in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from codeocean_cmdgen.errors import Problem
from codeocean_cmdgen.steps.base import FIRST_RUN, Step
from codeocean_cmdgen.steps.permissions import BUCKETS, OBJECTS
from codeocean_cmdgen.steps.rules import buckets_in_partition, no_bucket_twice
from codeocean_cmdgen.values import BucketArn, Instant, RunName, Switch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.steps.base import Printed


def _at_before_until(at: Instant, until: Instant) -> Iterator[Problem]:
    if at.utc() >= until.utc():
        yield Problem(
            f"--at {at} is not before --until {until}: the buckets are restored to the first; "
            "anything written after the second shows that they are in use"
        )


_READS = (
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketVersioning",
    "s3:GetLifecycleConfiguration",
    "s3:GetReplicationConfiguration",
    "s3:ListBucketVersions",
)
_LOOKS = {BUCKETS: ("s3:GetBucketLocation", *_READS)}

_IN_PARTS = (
    "the same above 5 GiB, with UploadPartCopy, CompleteMultipartUpload and AbortMultipartUpload"
)
_UNDOES = (
    "removes the copies and delete markers that s3-point-in-time --reversible of this run is "
    "proved to have written, and sets again the delete markers that it removed. Everything else "
    "stays: keys that hold more than what is proved are named."
)


class S3PointInTime(Step):
    """Restore each bucket to its state at a point in time, version by version."""

    bucket_arn: tuple[BucketArn, ...]
    at: Instant
    until: Instant
    reversible: Switch = Switch("no")
    undo: Switch = Switch("no")
    verify: Switch = Switch("no")
    run: RunName = FIRST_RUN

    name = "s3-point-in-time"
    title = "restore the buckets to their state at a point in time"
    watches = False
    confirm = "PLAN-DIGEST"
    permissions = {**_LOOKS, OBJECTS: ("s3:DeleteObjectVersion", "s3:GetObjectVersion")}
    header = {
        "where": "AWS CloudShell, in the target account.",
        "at": "if in doubt, the time at which the backup job was complete. Too early deletes "
        "objects that the snapshot refers to. Too late only leaves unreferenced ones.",
        "changes": (
            ("S3 DeleteObjects", "permanently deletes what is newer than --at, by version ID"),
            ("S3 DeleteObject", "the same, for keys that a list in XML cannot contain"),
        ),
        "takes": "a minute for some 100,000 versions, and 60 bytes in the home folder for each. If "
        "the plan is older than 5 minutes, everything is listed again before the first deletion.",
        "costs": "5 USD for a million pages of 1,000 versions. Deletions are free. Replication "
        "into the buckets must have ended, and never copies again what was deleted.",
        "again": "continues, and asks for confirmation only of what was not confirmed. After "
        "success, lists again, changes nothing, and reports what arrived since.",
        "killed": "leaves a bucket from which only a part is deleted. Its plan is in the home "
        "folder, in ~/.codeocean-cmdgen: the next paste continues there.",
        "undo": "not possible. A script with --reversible deletes nothing, but costs storage.",
        "done": "a new listing shows all buckets as they were at --at.",
    }
    parts: ClassVar[tuple[str, ...]] = ("s3_python", "s3_program", "s3_restore")
    programs: ClassVar[tuple[str, ...]] = (
        "s3_removal",
        "s3_plan",
        "s3_buckets",
        "s3_task",
    )
    unprinted: ClassVar[tuple[str, ...]] = ("reversible", "undo", "verify")
    tables = ("target",)
    checks = (_at_before_until, no_bucket_twice, buckets_in_partition)

    def variables(self) -> dict[str, Printed]:
        """Print the times in UTC."""
        return {**super().variables(), "at": self.at.utc(), "until": self.until.utc()}

    def variant(self) -> Step:
        """Return the step that the switches ask for."""
        if self.verify.on:
            return Verify(**vars(self))
        if self.undo.on:
            return Undo(**vars(self))
        return Reversible(**vars(self)) if self.reversible.on else self


class Verify(S3PointInTime):
    """Compare the buckets with a point in time: `s3-point-in-time --verify`."""

    title = "compare the buckets with their state at a point in time"
    template = "s3-point-in-time--verify"
    confirm = ""
    permissions = {BUCKETS: _READS}
    header = {
        "where": "AWS CloudShell, in the target account.",
        "changes": "nothing. Lists the buckets, and compares what is current with what the "
        "versions say was current at --at: by version ID, otherwise by size and ETag.",
        "takes": "a minute for some 100,000 versions.",
        "costs": "5 USD for a million pages of 1,000 versions.",
        "again": "compares again.",
        "killed": "leaves nothing.",
        "undo": "not needed.",
        "done": "no key differs in any bucket, and the settings of the buckets show that no "
        "version is missing.",
    }
    parts = ("s3_python",)
    programs = ("s3_comparison", "s3_keys", "s3_buckets", "s3_task")
    unprinted = (*S3PointInTime.unprinted, "run")  # nothing is recorded


class Reversible(S3PointInTime):
    """Restore the buckets without deleting a version: `s3-point-in-time --reversible`."""

    title = "restore the buckets to a point in time, reversibly"
    template = "s3-point-in-time--reversible"
    confirm = ""
    permissions = {
        **_LOOKS,
        OBJECTS: (
            "s3:AbortMultipartUpload",
            "s3:DeleteObject",
            "s3:DeleteObjectVersion",
            "s3:DeleteObjectVersionTagging",
            "s3:GetObjectVersion",
            "s3:GetObjectVersionTagging",
            "s3:PutObject",
            "s3:PutObjectTagging",
            "s3:PutObjectVersionTagging",
        ),
    }
    header = {
        "where": "AWS CloudShell, in the target account.",
        "changes": (
            ("S3 CopyObject", "puts a copy of the version that was current at --at on top"),
            ("S3 CreateMultipartUpload", _IN_PARTS),
            ("S3 DeleteObject", "sets or removes a delete marker; deletes no object version"),
            ("S3 DeleteObjectTagging", "removes this script's own tag from a copy"),
            ("S3 PutObjectTagging", "the same, if the copy has other tags"),
        ),
        "takes": "a minute for some 100,000 versions; four requests and a copy for each key.",
        "costs": "requests, and storage of the copies.",
        "again": "continues. After success, lists again, changes nothing, and reports what arrived "
        "since. Asks for no confirmation, because --undo reverses it.",
        "killed": "leaves a bucket that is changed in part. Its journal in ~/.codeocean-cmdgen "
        "says how far.",
        "undo": "a script with --undo and the same values, from the same home folder.",
        "done": "a new listing shows all buckets as they were at --at.",
    }
    programs = (
        "s3_reversal",
        "s3_changes",
        "s3_keys",
        "s3_buckets",
        "s3_task",
    )


class Undo(S3PointInTime):
    """Undo what a reversible script has changed: `s3-point-in-time --undo`."""

    title = "undo what s3-point-in-time --reversible changed"
    template = "s3-point-in-time--undo"
    confirm = ""
    permissions = {
        BUCKETS: ("s3:ListBucketVersions",),
        OBJECTS: ("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObjectVersionTagging"),
    }
    header = {
        "where": "AWS CloudShell, in the target account and Region, where the journal is.",
        "changes": (("S3 DeleteObject", _UNDOES),),
        "takes": "three requests for each key that was changed.",
        "costs": "requests.",
        "again": "continues, or reports that everything is undone.",
        "killed": "leaves a bucket in which only a part is undone, and its journal.",
        "undo": "generate the script with --reversible and a new --run.",
        "done": "all changes in the journals of these buckets are undone.",
    }
    parts = ("s3_python", "s3_program")
    programs = ("s3_undo", "s3_changes", "s3_task")
