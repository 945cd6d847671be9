"""Rules that several steps have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen.arguments import flag
from codeocean_cmdgen.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.values import (
        AccountId,
        Arn,
        BucketArn,
        EbsSnapshotArn,
        RdsSnapshotArn,
        Region,
        RoleArn,
    )


def role_in_account(account_id: AccountId, role_arn: RoleArn) -> Iterator[Problem]:
    """Demand a role of the account that the job runs in: the service assumes no other."""
    if role_arn.account_id != account_id:
        yield Problem(
            f"--role-arn is a role of account {role_arn.account_id}, but the job runs in "
            f"--account-id {account_id}: name a role in account {account_id}"
        )


def in_partition(region: Region, name: str, arn: Arn) -> Iterator[Problem]:
    """Demand an ARN in the partition of the Region."""
    if arn.aws_partition != region.aws_partition:
        yield Problem(
            f"{flag(name)} {arn} is in partition {arn.aws_partition}, but --region {region} is in "
            f"{region.aws_partition}"
        )


def role_in_partition(region: Region, role_arn: RoleArn) -> Iterator[Problem]:
    """Demand a role in the partition of the Region."""
    yield from in_partition(region, "role_arn", role_arn)


def no_bucket_twice(bucket_arn: tuple[BucketArn, ...]) -> Iterator[Problem]:
    """Demand each bucket once."""
    for arn in sorted({arn for arn in bucket_arn if bucket_arn.count(arn) > 1}):
        yield Problem(f"--bucket-arn {arn} is given {bucket_arn.count(arn)} times: give it once")


def buckets_in_partition(region: Region, bucket_arn: tuple[BucketArn, ...]) -> Iterator[Problem]:
    """Demand buckets in the partition of the Region."""
    for arn in bucket_arn:
        yield from in_partition(region, "bucket_arn", arn)


def _in_the_vaults_region(region: Region, name: str, arn: Arn) -> Iterator[Problem]:
    yield from in_partition(region, name, arn)
    if arn.aws_partition == region.aws_partition and arn.region != region:
        yield Problem(
            f"{flag(name)} is in Region {arn.region}, but --region, where the backup vault is, is "
            f"{region}: a recovery point is in the Region of its vault"
        )


def ebs_in_region(region: Region, ebs_snapshot_arn: EbsSnapshotArn) -> Iterator[Problem]:
    """Demand an EBS recovery point in the Region of its vault."""
    yield from _in_the_vaults_region(region, "ebs_snapshot_arn", ebs_snapshot_arn)


def rds_in_region(region: Region, rds_snapshot_arn: RdsSnapshotArn) -> Iterator[Problem]:
    """Demand an RDS recovery point in the Region of its vault."""
    yield from _in_the_vaults_region(region, "rds_snapshot_arn", rds_snapshot_arn)


def rds_in_account(account_id: AccountId, rds_snapshot_arn: RdsSnapshotArn) -> Iterator[Problem]:
    """Demand an RDS recovery point in the account of its vault."""
    if rds_snapshot_arn.account_id != account_id:
        yield Problem(
            f"--rds-snapshot-arn is in account {rds_snapshot_arn.account_id}, but --account-id, "
            f"where the backup vault is, is {account_id}"
        )
