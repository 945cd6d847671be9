"""Copy the two recovery points of a backup into the target's vault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen import vendor
from codeocean_cmdgen.errors import Problem
from codeocean_cmdgen.steps.base import FIRST_RUN, Step
from codeocean_cmdgen.steps.permissions import (
    ANY,
    AWS_BACKUP,
    EBS_SNAPSHOT,
    RDS_SNAPSHOT,
    ROLE,
    VAULT,
)
from codeocean_cmdgen.steps.rules import (
    ebs_in_region,
    in_partition,
    rds_in_account,
    rds_in_region,
    role_in_account,
    role_in_partition,
)
from codeocean_cmdgen.values import (
    AccountId,
    Days,
    EbsSnapshotArn,
    RdsSnapshotArn,
    Region,
    RoleArn,
    RunName,
    VaultArn,
    VaultName,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def _destination_in_partition(region: Region, destination_vault_arn: VaultArn) -> Iterator[Problem]:
    yield from in_partition(region, "destination_vault_arn", destination_vault_arn)


def _destination_is_another_vault(
    account_id: AccountId,
    region: Region,
    backup_vault_name: VaultName,
    destination_vault_arn: VaultArn,
) -> Iterator[Problem]:
    destination = destination_vault_arn
    if (destination.account_id, destination.region, destination.name) == (
        account_id,
        region,
        backup_vault_name,
    ):
        yield Problem(
            f"--destination-vault-arn is the vault that is copied from, {backup_vault_name} in "
            f"account {account_id}, {region}: name the target's vault"
        )


class SnapshotCopy(Step):
    """Copy the EBS and the RDS recovery point from the backup vault to the target's vault."""

    backup_vault_name: VaultName
    ebs_snapshot_arn: EbsSnapshotArn
    rds_snapshot_arn: RdsSnapshotArn
    destination_vault_arn: VaultArn
    role_arn: RoleArn
    retention_days: Days = Days(str(vendor.COPIES_DAYS))
    run: RunName = FIRST_RUN

    name = "snapshot-copy"
    title = "copy the EBS and the RDS recovery point to the target's vault"
    header = {
        "where": "AWS CloudShell, in the backup account.",
        "changes": (
            (
                "backup start-copy-job",
                "adds a copy of each of the two to the destination vault, and changes neither",
            ),
        ),
        "takes": "a minute to check and start. The copies then run in AWS for minutes to hours, "
        "without this shell. AWS Backup reports no progress and promises no duration.",
        "costs": "storage of the copies until they expire, and transfer between Regions.",
        "again": "finds the copies of these recovery points, and follows them or reports when "
        "they were completed. It starts only a copy that failed. Runs other than the first one "
        "find their copies in a record in the home folder, ~/.codeocean-cmdgen.",
        "killed": "leaves copies that continue. AWS Backup lists them, so the next paste finds "
        "them.",
        "undo": "delete the copies in the destination vault, if it is not locked.",
        "done": "AWS Backup reports both jobs as COMPLETED, and names the two new recovery points.",
    }
    permissions = {
        ANY: ("backup:DescribeCopyJob", "backup:ListCopyJobs"),
        VAULT: ("backup:DescribeBackupVault",),
        (*EBS_SNAPSHOT, *RDS_SNAPSHOT): ("backup:DescribeRecoveryPoint", "backup:StartCopyJob"),
        ROLE: ("iam:GetRole",),
    }
    parts = ("run_record", "time", "service_role", "two_jobs", "aws_errors")
    role_service = AWS_BACKUP
    tables = ("backup",)
    elsewhere = {"destination_vault_arn": "target"}
    from_stack_json = {"target": ("destination_vault_arn",)}
    checks = (
        role_in_account,
        role_in_partition,
        ebs_in_region,
        rds_in_region,
        rds_in_account,
        _destination_in_partition,
        _destination_is_another_vault,
    )
