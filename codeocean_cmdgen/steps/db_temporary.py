"""Restore the temporary database instance, and delete it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from codeocean_cmdgen.errors import Problem
from codeocean_cmdgen.steps.base import FIRST_RUN, Step
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

TEMPORARY = DbInstanceId("tmp-codeocean-restore")
"""What the vendor's guide calls the temporary instance."""


def _two_instances(
    db_instance_id: DbInstanceId, temporary_db_instance_id: DbInstanceId
) -> Iterator[Problem]:
    if temporary_db_instance_id == db_instance_id:
        yield Problem(
            f"--temporary-db-instance-id is the deployment's own database, {db_instance_id}: the "
            "temporary instance wants a name of its own"
        )


class DbRestore(Step):
    """Restore a temporary instance from the RDS recovery point, with the deployment's password."""

    backup_vault_name: VaultName
    db_instance_id: DbInstanceId
    role_arn: RoleArn
    master_password_secret_id: SecretId
    rds_snapshot_arn: Optional[RdsSnapshotArn] = None
    temporary_db_instance_id: DbInstanceId = TEMPORARY
    db_instance_class: DbInstanceClass = DbInstanceClass("db.t3.micro")
    run: RunName = FIRST_RUN

    name = "db-restore"
    title = "restore a temporary database instance from the RDS recovery point"
    header = {
        "where": "AWS CloudShell of the target.",
        "changes": "starts an AWS Backup restore job, which makes one DB instance in the network "
        "of the deployment's own; tags it, and gives it the deployment's master password, which is "
        "shown nowhere. Without --rds-snapshot-arn: from the one that came into the vault from "
        "elsewhere, unless another run has restored it.",
        "takes": "ten minutes and more; paste again to go on.",
        "costs": "the instance and its storage until db-delete.",
        "again": "finds the instance, or goes on; what was deleted is not restored again in a run.",
    }
    tables = ("target",)
    checks = (role_in_account, role_in_partition, rds_in_region, rds_in_account, _two_instances)


class DbDelete(Step):
    """Delete the instance that db-restore made, and nothing else."""

    db_instance_id: DbInstanceId
    temporary_db_instance_id: DbInstanceId = TEMPORARY
    run: RunName = FIRST_RUN

    name = "db-delete"
    title = "delete the temporary database instance"
    confirm = "TEMPORARY-DB-INSTANCE-ID"
    header = {
        "where": "AWS CloudShell of the target. After db-copy-in, on the services instance.",
        "changes": "DELETES, for good, the DB instance that db-restore of this run made: proved by "
        "its tags and by the restore job, which AWS Backup knows for 30 days or more. No final "
        "snapshot is made, automated backups are deleted. Recovery points stay.",
        "takes": "minutes; the deletion goes on without this shell.",
        "costs": "nothing.",
        "again": "follows the deletion, or says when it was over, by a record in the home folder.",
    }
    tables = ("target",)
    checks = (_two_instances,)
