"""Copy the restored analytics database over the deployment's own, and remove the one it replaced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

from codeocean_cmdgen.errors import Problem
from codeocean_cmdgen.steps.base import FIRST_RUN
from codeocean_cmdgen.steps.host import DATA_MOUNT, INSTANCE, HostStep
from codeocean_cmdgen.values import DatabaseWord, Folder, HostName, Port, RunName, SecretId, Switch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.steps.base import Printed

POSTGRESQL = Port("5432")


def _two_servers(
    from_host: HostName, to_host: HostName, from_port: Port, to_port: Port
) -> Iterator[Problem]:
    if (from_host.lower(), from_port) == (to_host.lower(), to_port):
        yield Problem(
            f"--from-host and --to-host are the same server, {to_host}:{to_port}: the first is the "
            "temporary instance restored from the recovery point"
        )


@dataclass(frozen=True)
class DbCopyIn(HostStep):
    """Replace the deployment's analytics database by the one on the temporary instance."""

    from_host: HostName
    to_host: HostName
    from_port: Port = POSTGRESQL
    to_port: Port = POSTGRESQL
    user: DatabaseWord = DatabaseWord("root")
    database: DatabaseWord = DatabaseWord("codeocean")
    master_password_secret_id: Optional[SecretId] = None
    ca_bundle: Folder = Folder("/etc/pki/tls/certs/rds-global-bundle.pem")
    dump_folder: Folder = Folder("/var/lib/codeocean-cmdgen")
    drop_old: Switch = Switch("no")
    data_mount: Folder = DATA_MOUNT
    run: RunName = FIRST_RUN

    name = "db-copy-in"
    title = "replace the analytics database by the restored one"
    header = {
        "where": INSTANCE.format("target"),
        "changes": "copies the database into a new one beside the present one, compares them, then "
        "swaps their names. Nothing is lost: the present database is kept under a dated name, and "
        "a later script, made with --drop-old, removes it. Sessions in it are ended.",
        "takes": "minutes for a few GB. The work goes on when the session ends.",
        "costs": "storage for both databases, on the deployment's instance.",
        "again": "follows the work, starts anew after a failure, or says when it was completed; "
        "completed, it never runs again in this run.",
    }
    tables = ("target",)
    from_stack_json = {"target": ("to_host", "to_port", "user")}
    checks = (_two_servers,)

    def variables(self) -> dict[str, Printed]:
        """Name the secret that the vendor's stack makes (template 3.8.2) unless another is given."""
        own = SecretId(f"/{self.stack_name}/analytics/master-password-0")
        secret_id = self.master_password_secret_id or own
        return {**super().variables(), "master_password_secret_id": secret_id}
