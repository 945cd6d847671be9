"""Replicate what is already in the buckets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from codeocean_cmdgen.arguments import flag
from codeocean_cmdgen.errors import Problem
from codeocean_cmdgen.steps.base import FIRST_RUN, Step
from codeocean_cmdgen.steps.permissions import ANY, BATCH_JOBS, BATCH_OPERATIONS, BUCKETS, ROLE
from codeocean_cmdgen.steps.rules import (
    buckets_in_partition,
    in_partition,
    no_bucket_twice,
    role_in_account,
    role_in_partition,
)
from codeocean_cmdgen.values import BucketArn, Region, RoleArn, RunName, Switch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.steps.base import Printed

ALL_STATUSES = ("NONE", "FAILED", "COMPLETED", "REPLICA")
"""Every status a generated manifest can select by; PENDING is not one of them.

REPLICA matters in a restore, where every object is a replica; COMPLETED in a migration, where
objects may have gone to an old backup already.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-batch.html
"""
MISSING_STATUSES = ("NONE", "FAILED")


def _report_bucket_in_partition(region: Region, report_bucket_arn: BucketArn) -> Iterator[Problem]:
    yield from in_partition(region, "report_bucket_arn", report_bucket_arn)


def _report_goes_elsewhere(
    bucket_arn: tuple[BucketArn, ...], report_bucket_arn: BucketArn
) -> Iterator[Problem]:
    if report_bucket_arn in bucket_arn:
        yield Problem(
            f"{flag('report_bucket_arn')} {report_bucket_arn} is one of the buckets to replicate "
            "from: the reports would be replicated too; name another bucket"
        )


class S3BatchReplication(Step):
    """Create one S3 Batch Replication job per bucket and follow the jobs to their end."""

    role_arn: RoleArn
    bucket_arn: tuple[BucketArn, ...]
    report_bucket_arn: Optional[BucketArn] = None
    only_missing: Switch = Switch("no")
    run: RunName = FIRST_RUN

    name = "s3-batch-replication"
    title = "replicate the objects that are already in the buckets"
    header = {
        "where": "AWS CloudShell, in the account that owns the buckets to replicate from.",
        "changes": (
            (
                "s3control create-job",
                (
                    "for each bucket that is not empty, replicates its objects and delete markers "
                    "to where its replication rules point. No version is deleted. "
                    "Objects whose replication is PENDING are left out."
                ),
            ),
        ),
        "takes": "a minute to start. The jobs run in S3 for minutes to days, without this shell.",
        "costs": "about 0.25 USD a job, 1 USD a million objects, and requests, transfer and "
        "retrieval.",
        "again": "follows the jobs of this run or reports how they ended, and creates only jobs "
        "that were never created. S3 lists a job until 90 days after its end: then use a new "
        "--run.",
        "killed": "leaves jobs that continue. Their tokens keep them from being created again.",
        "undo": "not by a script: replicas stay at the destination. The buckets replicated from do "
        "not change.",
        "done": "S3 reports each job as Complete without a failed object, and each other bucket as "
        "empty.",
    }
    parts = ("service_role",)
    programs = ("bucket_findings", "replication_jobs")
    permissions = {
        ANY: ("s3:CreateJob", "s3:ListJobs"),
        BUCKETS: (
            "s3:GetBucketLocation",
            "s3:GetBucketVersioning",
            "s3:GetEncryptionConfiguration",
            "s3:GetLifecycleConfiguration",
            "s3:GetReplicationConfiguration",
            "s3:ListBucketVersions",
        ),
        BATCH_JOBS: ("s3:DescribeJob",),
        ROLE: ("iam:GetRole",),
    }
    role_service = BATCH_OPERATIONS
    tables = ("source", "backup")
    from_stack_json = {"source": ("account_id", "region", "role_arn", "bucket_arn")}
    checks = (
        role_in_account,
        role_in_partition,
        buckets_in_partition,
        _report_bucket_in_partition,
        no_bucket_twice,
        _report_goes_elsewhere,
    )

    unprinted = ("only_missing", "report_bucket_arn")

    def documents(self) -> dict[str, Printed]:
        """Return the parts of `create-job` that are JSON: the manifest's filter, and the report.

        Only members that AWS CLI 2.9 knows. Source: CreateJob in the S3 Control API.
        """
        statuses = MISSING_STATUSES if self.only_missing.on else ALL_STATUSES
        return {
            **super().documents(),
            "filter": {
                "EligibleForReplication": True,
                "ObjectReplicationStatuses": list(statuses),
            },
            "report": self._report(),
        }

    def _report(self) -> dict[str, Any]:
        if self.report_bucket_arn is None:
            return {"Enabled": False}
        return {
            "Enabled": True,
            "Bucket": self.report_bucket_arn,
            "Prefix": f"codeocean-cmdgen/{self.run}",
            "Format": "Report_CSV_20180820",
            "ReportScope": "AllTasks",
        }
