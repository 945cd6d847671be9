"""Rules that several steps have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen.arguments import flag
from codeocean_cmdgen.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.values import AccountId, Arn, BucketArn, Region, RoleArn


def role_in_account(account_id: AccountId, role_arn: RoleArn) -> Iterator[Problem]:
    """Demand a role of the account that the job runs in: the service assumes no other."""
    if role_arn.account_id != account_id:
        yield Problem(
            f"--role-arn is a role of account {role_arn.account_id}, but the job runs in "
            f"--account-id {account_id}: the service takes a role of that account only"
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
        yield Problem(f"--bucket-arn {arn} is given {bucket_arn.count(arn)} times: name it once")


def buckets_in_partition(region: Region, bucket_arn: tuple[BucketArn, ...]) -> Iterator[Problem]:
    """Demand buckets in the partition of the Region."""
    for arn in bucket_arn:
        yield from in_partition(region, "bucket_arn", arn)
