"""Move a deployment to another account or Region. Its two phases are numbered 1 and 2."""

from __future__ import annotations

from codeocean_cmdgen.procedures.derive import DESTINATION, destination, restore_source
from codeocean_cmdgen.procedures.model import Part, Procedure, Task
from codeocean_cmdgen.procedures.prose import migration as prose
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
from codeocean_cmdgen.steps import (
    InstanceHold,
    OnDemandBackup,
    S3BatchReplication,
    SecretsSave,
    ServiceStop,
    StackParameters,
)

MIGRATION = Procedure(
    "migration",
    origin="source",
    destination="target",
    host="target",
    parts=(
        Part(
            prose.PHASE_1,
            (
                DEPLOYED._replace(
                    number="1.1",
                    derive=restore_source("source"),
                    prose=prose.DEPLOY,
                ),
                DEPLOYMENT_WAITED._replace(number="1.2"),
                HELD._replace(number="1.2a"),
                STOPPED._replace(number="1.3"),
                Task(
                    "1.4",
                    prose.SET_DESTINATION,
                    "source",
                    step=StackParameters,
                    options={"preset": "migration-destination"},
                    derive=destination("target"),
                    needs=dict.fromkeys(DESTINATION, "target"),
                ),
                STACK_WAITED._replace(number="1.5", deployment="source"),
                Task("1.6", prose.REPLICATE, "source", step=S3BatchReplication),
                Task(
                    "1.7",
                    prose.BACK_UP_VOLUME,
                    "source",
                    step=OnDemandBackup,
                    options={"run": "bulk"},
                ),
                Task("1.8", prose.WAIT_FOR_COPY, "source", place="cloudshell"),
            ),
        ),
        Part(
            prose.PHASE_1_VOLUME,
            (
                volume_restored("1.9.", "bulk"),
                session("1.9."),
                volume_in("1.9.", "bulk"),
                *volume_removed("1.9.", "bulk", delete=prose.DELETE_VOLUME),
            ),
        ),
        Part(
            prose.PHASE_2,
            (
                Task("2.1", prose.STOP_WORK, "source"),
                Task(
                    "2.2",
                    prose.CLEAR_REPLICATION,
                    "source",
                    step=StackParameters,
                    options={"preset": "clear-replication"},
                ),
                Task("2.2a", prose.SAVE_SECRETS, "source", step=SecretsSave),
                Task("2.2b", prose.HOLD_INSTANCE, "source", step=InstanceHold),
                Task("2.3", prose.STOP_SERVICE, "source", step=ServiceStop),
                Task(
                    "2.4", prose.BACK_UP, "source", step=OnDemandBackup, options={"run": "switch"}
                ),
            ),
        ),
        Part(
            prose.PHASE_2_COPY,
            (
                volume_restored("2.5.", "switch"),
                database_restored("2.5.", "switch"),
                session("2.5."),
                volume_in("2.5.", "switch"),
                database_in("2.5.", "switch"),
                *started("2.5."),
                *volume_removed("2.5.", "switch", released("2.5.19a"), joins="2.5.14"),
                database_removed("2.5.", "switch"),
            ),
        ),
        Part(
            prose.PHASE_2_FINISH,
            (
                Task(
                    "2.6",
                    prose.CLEAR_RESTORE_SOURCE,
                    "target",
                    step=StackParameters,
                    options={"preset": "clear-restore-source"},
                ),
                Task("2.7", prose.SWITCH_DNS, "target"),
            ),
        ),
    ),
)
