"""Restore the temporary database instance, and delete it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from codeocean_cmdgen import vendor
from codeocean_cmdgen.errors import Problem
from codeocean_cmdgen.steps.base import FIRST_RUN, Step
from codeocean_cmdgen.steps.permissions import (
    ANY,
    AWS_BACKUP,
    MASTER_PASSWORD,
    RDS_SNAPSHOT,
    ROLE,
    TEMPORARY_DATABASE,
)
from codeocean_cmdgen.steps.rules import (
    rds_in_account,
    rds_in_region,
    role_in_account,
    role_in_partition,
)
from codeocean_cmdgen.values import DbInstanceClass, DbInstanceId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.values import RdsSnapshotArn, RoleArn, RunName, SecretId, VaultName

_TEMPORARY = DbInstanceId(vendor.TEMPORARY_DATABASE)


def _two_instances(
    db_instance_id: DbInstanceId, temporary_db_instance_id: DbInstanceId
) -> Iterator[Problem]:
    if temporary_db_instance_id == db_instance_id:
        yield Problem(
            f"--temporary-db-instance-id is the deployment's own database, {db_instance_id}: "
            "give the temporary instance another name"
        )


class DbRestore(Step):
    """Restore a temporary instance from the RDS recovery point, with the deployment's password."""

    backup_vault_name: VaultName
    db_instance_id: DbInstanceId
    role_arn: RoleArn
    master_password_secret_id: SecretId
    rds_snapshot_arn: Optional[RdsSnapshotArn] = None
    temporary_db_instance_id: DbInstanceId = _TEMPORARY
    db_instance_class: DbInstanceClass = DbInstanceClass("db.t3.micro")
    run: RunName = FIRST_RUN

    name = "db-restore"
    title = "restore a temporary database instance from the RDS recovery point"
    header = {
        "where": "AWS CloudShell, in the target account.",
        "changes": (
            (
                "backup start-restore-job",
                (
                    "restores --rds-snapshot-arn, or else the only RDS recovery point that was "
                    "copied into the vault, to a new DB instance in the network of the "
                    "deployment's own. The script stops if there are several, or if another run "
                    "restored it."
                ),
            ),
            ("rds add-tags-to-resource", "tags the new instance as this run's"),
            (
                "rds modify-db-instance",
                "gives the new instance the deployment's master password, which is never shown",
            ),
        ),
        "takes": "ten minutes or more. The restore continues without this shell, but the password "
        "is set at its end: paste the script again to complete it.",
        "costs": "the instance and its storage until db-delete.",
        "again": "reports the instance, or continues where it stopped. An instance that was "
        "deleted since is not restored again in this run.",
        "killed": "leaves a restore job that continues, or an instance that has no tags or "
        "password yet.",
        "undo": "db-delete.",
        "done": "the instance is available in the network of the deployment's own, and RDS has set "
        "the password.",
    }
    permissions = {
        ANY: (
            "backup:DescribeRestoreJob",
            "backup:ListRecoveryPointsByBackupVault",
            "backup:ListRestoreJobs",
            "rds:DescribeDBInstances",
            "rds:DescribeDBSnapshots",
        ),
        TEMPORARY_DATABASE: ("rds:AddTagsToResource", "rds:ModifyDBInstance"),
        MASTER_PASSWORD: ("secretsmanager:GetSecretValue",),
        RDS_SNAPSHOT: ("backup:DescribeRecoveryPoint", "backup:StartRestoreJob"),
        ROLE: ("iam:GetRole",),
    }
    parts = (
        "run_record",
        "db_instances",
        "recovery_point",
        "time",
        "service_role",
        "restore_job",
        "aws_errors",
        "instance_age",
    )
    role_service = AWS_BACKUP
    tables = ("target",)
    checks = (role_in_account, role_in_partition, rds_in_region, rds_in_account, _two_instances)


class DbDelete(Step):
    """Delete the instance that db-restore created, and nothing else."""

    db_instance_id: DbInstanceId
    temporary_db_instance_id: DbInstanceId = _TEMPORARY
    run: RunName = FIRST_RUN

    name = "db-delete"
    title = "delete the temporary database instance"
    confirm = "TEMPORARY-DB-INSTANCE-ID"
    header = {
        "where": "AWS CloudShell, in the target account. First run db-copy-in on the services "
        "instance.",
        "changes": (
            (
                "rds delete-db-instance",
                (
                    "DELETES for good the DB instance that db-restore of this run created, with "
                    "its automated backups and without a final snapshot. Recovery points stay. "
                    "Proof: its tags, and its restore job, which AWS Backup shows for at least 30 "
                    "days."
                ),
            ),
        ),
        "takes": "minutes. The deletion continues without this shell.",
        "costs": "nothing.",
        "again": "follows the deletion, or reports when the instance was deleted, from a record in "
        "the home folder.",
        "killed": "leaves the instance as it was, or its deletion, which continues.",
        "undo": "not possible. The recovery point can be restored again.",
        "done": "RDS shows neither the instance nor automated backups of it.",
    }
    permissions = {
        ANY: (
            "backup:ListRestoreJobs",
            "cloudformation:DescribeStackResources",
            "rds:DescribeDBInstanceAutomatedBackups",
            "rds:DescribeDBInstances",
        ),
        TEMPORARY_DATABASE: ("rds:DeleteDBInstance",),
    }
    parts = ("run_record", "db_instances", "deletion", "instance_age", "time")
    tables = ("target",)
    checks = (_two_instances,)
