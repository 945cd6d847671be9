"""Set up the backup, and back up on demand."""

from __future__ import annotations

from codeocean_cmdgen.procedures.derive import DESTINATION, destination
from codeocean_cmdgen.procedures.model import Part, Procedure, Task
from codeocean_cmdgen.procedures.prose import backup as prose
from codeocean_cmdgen.procedures.shared import STACK_WAITED
from codeocean_cmdgen.steps import (
    CrossAccountBackup,
    OnDemandBackup,
    S3BatchReplication,
    SecretsSave,
    StackCreate,
    StackParameters,
)

BACKUP = Procedure(
    "backup",
    origin="source",
    destination="backup",
    host="source",
    parts=(
        Part(
            prose.ACROSS_ACCOUNTS,
            (Task("0", prose.ENABLE_CROSS_ACCOUNT_BACKUP, "source", step=CrossAccountBackup),),
        ),
        Part(
            prose.SET_UP,
            (
                Task("1", prose.DEPLOY, "backup", step=StackCreate, needs={"set": ""}),
                Task(
                    "2",
                    prose.SET_DESTINATION,
                    "source",
                    step=StackParameters,
                    options={"preset": "backup-destination"},
                    derive=destination("backup"),
                    needs=dict.fromkeys(DESTINATION, "backup"),
                ),
                STACK_WAITED._replace(number="3", deployment="source"),
                Task("4", prose.REPLICATE, "source", step=S3BatchReplication),
                Task("4a", prose.SAVE_SECRETS, "source", step=SecretsSave),
            ),
        ),
        Part(
            prose.ON_DEMAND,
            (Task("5", prose.BACK_UP, "source", step=OnDemandBackup, options={"run": "first"}),),
        ),
    ),
)
