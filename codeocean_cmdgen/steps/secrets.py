"""Carry the secrets of Parameter Store from the source to the target, on the data volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from codeocean_cmdgen.steps.base import FIRST_RUN
from codeocean_cmdgen.steps.host import DATA_MOUNT, INSTANCE, HostStep

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
        "where": INSTANCE.format("source") + " It must have run before the disaster, and again "
        "after each change of a secret: make it with --output, leave the file there, and have it "
        "run daily by a line in a file of /etc/cron.d, such as 17 3 * * * root bash FILE. A new "
        "instance has neither: look for them after each update of the stack.",
        "changes": "writes .codeocean-secrets/parameters.json on the data volume, for root only: "
        "all that is below the stack's path in Parameter Store, in clear text. From then on, who "
        "can read a snapshot can read the secrets. With --command, it runs the vendor's command "
        "instead, and shows what that says as it is.",
        "takes": "seconds.",
        "costs": "nothing.",
        "again": "saves anew, and says what has changed since, by name.",
    }
    tables = ("source",)


class SecretsRestore(HostStep):
    """Put what was saved below the stack's path: the values that differ, after a confirmation."""

    data_mount: Folder = DATA_MOUNT
    command: Optional[CommandLine] = None
    run: RunName = FIRST_RUN

    name = "secrets-restore"
    title = "put back the system's secrets from the data volume"
    watches = False
    confirm = "STACK-NAME"
    header = {
        "where": INSTANCE.format("target") + " After volume-copy-in, before service-start.",
        "changes": "writes the parameters that secrets-save put on the data volume to Parameter "
        "Store, below this stack's path: those that differ, as it lists them by name. It deletes "
        "none, and touches nothing in Secrets Manager. What is replaced stays in a file like the "
        "save, for root only, below /var/lib/codeocean-cmdgen: put in the save's place, it is "
        "restored by a new --run. With --command, it runs the vendor's command instead, and shows "
        "what that says as it is.",
        "takes": "a second for each parameter.",
        "costs": "nothing; a value of more than 4,096 bytes becomes an advanced parameter, which "
        "costs cents a month.",
        "again": "goes on after a failure, with a new question; once completed, it never writes "
        "again in this run.",
    }
    tables = ("target",)
