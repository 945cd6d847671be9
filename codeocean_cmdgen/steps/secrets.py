"""Carry the secrets of Parameter Store from the source to the target, on the data volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from codeocean_cmdgen.steps.base import FIRST_RUN
from codeocean_cmdgen.steps.host import DATA_MOUNT, INSTANCE, REMOUNT, HostStep
from codeocean_cmdgen.steps.permissions import ANY, PARAMETERS, PARAMETERS_AND_PATH

if TYPE_CHECKING:
    from codeocean_cmdgen.values import CommandLine, Folder, RunName


class SecretsSave(HostStep):
    """Write the parameters below the stack's path into a file that snapshots carry."""

    data_mount: Folder = DATA_MOUNT
    command: Optional[CommandLine] = None

    name = "secrets-save"
    title = "save the system's secrets on the data volume"
    watches = False
    header = {
        "where": INSTANCE.format("source") + " Run it before a disaster, and again whenever a "
        "secret changes. To run it daily, create it with --output, leave the file there, and add a "
        "line to a file in /etc/cron.d, such as 17 3 * * * root bash FILE. A new instance has "
        "neither file: check after each update of the stack.",
        "changes": (
            (
                "mv",
                (
                    "puts a new .codeocean-secrets/parameters.json on the data volume, for root "
                    "only: all parameters below the stack's path, in clear text. From then on, "
                    "whoever can read a snapshot can read the secrets."
                ),
            ),
            (
                "bash -c COMMAND",
                "with --command, runs the vendor's command instead, and shows what it prints",
            ),
        ),
        "takes": "seconds.",
        "costs": "nothing.",
        "again": "saves again, and reports by name what has changed since.",
        "killed": "leaves the last save, or the new one: the file is replaced whole.",
        "undo": "not possible: only the newest save is kept. Snapshots keep older ones.",
        "done": "the file was read again, and holds what Parameter Store has answered. With "
        "--command: it has ended with exit code 0.",
    }
    permissions = {
        **HostStep.permissions,
        PARAMETERS_AND_PATH: ("ssm:GetParametersByPath",),
    }
    parts = ("secrets", "vendor_command")
    tables = ("source",)


class SecretsRestore(HostStep):
    """Write the saved values that differ below the stack's path, after a confirmation."""

    data_mount: Folder = DATA_MOUNT
    command: Optional[CommandLine] = None
    run: RunName = FIRST_RUN

    name = "secrets-restore"
    title = "put back the system's secrets from the data volume"
    watches = False
    confirm = "STACK-NAME"
    header = {
        "where": INSTANCE.format("target") + " Run it after volume-copy-in, before service-start.",
        "changes": (
            (
                "ssm put-parameter",
                (
                    "lists the names of the saved parameters that differ below this stack's path, "
                    "then writes them, with the KMS keys that they have here if it can read these, "
                    "otherwise with the account's default key. It deletes none, and changes "
                    "nothing in Secrets Manager."
                ),
            ),
            (
                "mv",
                "keeps the values that are replaced in a file below /var/lib/codeocean-cmdgen",
            ),
            REMOUNT,
            (
                "bash -c COMMAND",
                "with --command, runs the vendor's command instead, and shows what it prints",
            ),
        ),
        "takes": "a second for each parameter.",
        "costs": "nothing. A value of more than 4,096 bytes becomes an advanced parameter, which "
        "costs cents a month.",
        "again": "continues after a failure, and asks again. Once completed, it never writes again "
        "in this run. After a restore of this stack's own save, which completes no run, it asks.",
        "killed": "leaves a part of the parameters written, and the file with what was replaced. "
        "With --command: the command may continue, and is not started again until it has ended.",
        "undo": "what each paste replaces is kept, for root only, in a file of its own below "
        "/var/lib/codeocean-cmdgen. Copy that file over the save with sudo cp --backup=numbered, "
        "which keeps the save too, and run with a new --run. Parameters that were added stay.",
        "done": "Parameter Store shows all saved parameters as they were saved. With --command: it "
        "has ended with exit code 0.",
    }
    permissions = {
        ANY: ("ec2:DescribeInstances", "ec2:DescribeVolumes", "ssm:DescribeParameters"),
        PARAMETERS_AND_PATH: ("ssm:GetParametersByPath",),
        PARAMETERS: ("ssm:PutParameter",),
    }
    parts = ("secrets", "complete_copy", "stopped_service", "vendor_command")
    tables = ("target",)
