"""Back up the data volume and the analytics database now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen.steps.base import Step
from codeocean_cmdgen.steps.permissions import ANY, AWS_BACKUP, ROLE, VAULT
from codeocean_cmdgen.steps.rules import role_in_account, role_in_partition
from codeocean_cmdgen.values import Days

if TYPE_CHECKING:
    from codeocean_cmdgen.values import DbInstanceId, RoleArn, RunName, VaultName, VolumeId


class OnDemandBackup(Step):
    """Back up the data volume and the database, and follow the copies that the stack creates.

    A migration backs up twice with the same values, so each run must be named.
    """

    backup_vault_name: VaultName
    data_volume_id: VolumeId
    db_instance_id: DbInstanceId
    role_arn: RoleArn
    run: RunName
    retention_days: Days = Days("1")
    """As in the vendor's guide: 1 day, or more as required."""

    name = "on-demand-backup"
    title = "back up the data volume and the analytics database now"
    header = {
        "where": "AWS CloudShell, in the source account or, for a safety copy, in the target "
        "account.",
        "changes": (
            (
                "backup start-backup-job",
                "adds one recovery point of each of the two to the vault",
            ),
        ),
        "takes": "minutes to hours, in AWS, without this shell. If the stack has a destination "
        "vault, it copies both to it by itself. The script follows these copies too.",
        "costs": "storage of the recovery points until they expire, after --retention-days.",
        "again": "follows the jobs of this run, and repeats only one that failed. When both "
        "are done, it checks that the recovery points still exist, and prints the same result "
        "again, from a record in the home folder.",
        "killed": "leaves jobs that continue. If there was no time to record a job, its token "
        "finds it.",
        "undo": "delete the recovery points in AWS Backup.",
        "done": "AWS Backup reports both jobs, and all automatic copies, as COMPLETED, and shows "
        "both recovery points.",
    }
    permissions = {
        ANY: (
            "backup:DescribeBackupJob",
            "backup:DescribeRecoveryPoint",
            "backup:ListBackupJobs",
            "backup:ListCopyJobs",
            "cloudformation:DescribeStacks",
            "ec2:DescribeVolumes",
            "rds:DescribeDBInstances",
        ),
        VAULT: ("backup:DescribeBackupVault", "backup:StartBackupJob"),
        ROLE: ("iam:GetRole",),
    }
    parts = ("run_record", "service_role", "two_jobs", "aws_errors", "time")
    role_service = AWS_BACKUP
    tables = ("source", "target")
    checks = (role_in_account, role_in_partition)
