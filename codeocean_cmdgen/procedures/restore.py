"""Restore a backup into a new deployment, after a disaster."""

from __future__ import annotations

from codeocean_cmdgen.procedures.derive import DESTINATION, destination, restore_source
from codeocean_cmdgen.procedures.model import Part, Procedure, Task
from codeocean_cmdgen.procedures.prose import restore as prose
from codeocean_cmdgen.procedures.shared import (
    DEPLOYED,
    DEPLOYMENT_WAITED,
    HELD,
    STACK_WAITED,
    STOPPED,
    database_in,
    database_removed,
    database_restored,
    released,
    session,
    started,
    volume_in,
    volume_removed,
    volume_restored,
)
from codeocean_cmdgen.steps import S3BatchReplication, S3PointInTime, SnapshotCopy, StackParameters

RESTORE = Procedure(
    "restore",
    origin="backup",
    destination="target",
    host="target",
    parts=(
        Part(
            prose.DEPLOY_AND_COPY,
            (
                DEPLOYED._replace(derive=restore_source("backup")),
                DEPLOYMENT_WAITED,
                HELD,
                STOPPED,
                Task(
                    "4",
                    prose.SET_DESTINATION,
                    "backup",
                    step=StackParameters,
                    options={"preset": "restore-destination"},
                    derive=destination("target"),
                    needs=dict.fromkeys(DESTINATION, "target"),
                ),
                STACK_WAITED,
                Task("6", prose.REPLICATE, "backup", step=S3BatchReplication),
                Task(
                    "7",
                    prose.SELECT_SNAPSHOTS,
                    "backup",
                    shows=("ebs_snapshot_arn", "rds_snapshot_arn"),
                ),
                Task("8", prose.COPY_SNAPSHOTS, "backup", step=SnapshotCopy),
                Task("9", prose.WAIT_FOR_COPIES, "backup", place="cloudshell"),
            ),
        ),
        Part(
            prose.RESTORE,
            (
                volume_restored("", "first"),
                database_restored("", "first"),
                session(""),
                volume_in("", "first"),
                database_in("", "first"),
                Task(
                    "15",
                    prose.RESTORE_BUCKETS,
                    "target",
                    step=S3PointInTime,
                    needs={"until": "backup"},
                    joins="11",
                ),
                *started(""),
            ),
        ),
        Part(
            prose.CLEAN_UP,
            (
                *volume_removed("", "first", released("19a"), joins="14"),
                database_removed("", "first"),
                Task("20a", prose.AFTERWARDS, "target"),
            ),
        ),
    ),
)
