"""Back up the data volume and the analytics database now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen.steps.base import Step
from codeocean_cmdgen.steps.rules import role_in_account, role_in_partition
from codeocean_cmdgen.values import Days

if TYPE_CHECKING:
    from codeocean_cmdgen.values import DbInstanceId, RoleArn, RunName, VaultName, VolumeId


class OnDemandBackup(Step):
    """Back up both at once, and follow the copies that the vendor's stack then makes by itself.

    A migration backs up twice with the same values: so the round must always be named.
    """

    backup_vault_name: VaultName
    data_volume_id: VolumeId
    db_instance_id: DbInstanceId
    role_arn: RoleArn
    run: RunName
    retention_days: Days = Days("1")

    name = "on-demand-backup"
    title = "back up the data volume and the analytics database now"
    header = {
        "where": "AWS CloudShell of the source; of the target, as a safety copy.",
        "changes": "starts two AWS Backup jobs; each adds one recovery point to the vault. Where "
        "the stack has a destination vault, it copies both there by itself, which is followed too.",
        "takes": "minutes to hours, in AWS, without this shell.",
        "costs": "storage of the recovery points until they expire.",
        "again": "follows the jobs of this run, and starts again only one that failed. When both "
        "are done it tells the same as before, by a record in the home folder.",
    }
    tables = ("source", "target")
    checks = (role_in_account, role_in_partition)
