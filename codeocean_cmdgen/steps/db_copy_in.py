"""Replace the analytics database by the restored one, and remove what was replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from codeocean_cmdgen.errors import Problem
from codeocean_cmdgen.steps.base import FIRST_RUN
from codeocean_cmdgen.steps.host import DATA_MOUNT, INSTANCE, HostStep
from codeocean_cmdgen.values import DatabaseWord, Folder, HostName, Port, RunName, SecretId, Switch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.steps.base import Printed, Step

POSTGRESQL = Port("5432")


def _two_servers(from_host: HostName, to_host: HostName) -> Iterator[Problem]:
    if from_host.lower() == to_host.lower():
        yield Problem(
            f"--from-host and --to-host are the same server, {to_host}: the first is the temporary "
            "instance, restored from the recovery point"
        )


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
        "changes": "makes a new database like the restored one, and swaps its name with the "
        "present one's, which is kept until a script with --drop-old removes it.",
        "takes": "minutes for some GB; the work goes on when the session ends.",
        "costs": "storage for both: see FreeStorageSpace of the deployment's instance.",
        "again": "follows the work, starts anew after a failure, or says when it was completed.",
    }
    tables = ("target",)
    from_stack_json = {"target": ("to_host", "to_port", "user")}
    checks = (_two_servers,)

    def variables(self) -> dict[str, Printed]:
        """Name the secret that the vendor's stack makes (3.8.2) unless another is given."""
        own = SecretId(f"/{self.stack_name}/analytics/master-password-0")
        secret_id = self.master_password_secret_id or own
        printed = {**super().variables(), "master_password_secret_id": secret_id}
        del printed["drop_old"]
        return printed

    def variant(self) -> Step:
        """Return another step when the old database is to be removed: nothing is copied then."""
        return DropOld(**vars(self)) if self.drop_old == "yes" else self


class DropOld(DbCopyIn):
    """Remove the database that the copy replaced and kept: `db-copy-in --drop-old`."""

    title = "remove the database that was replaced"
    watches = False
    template = "db-copy-in--drop-old"
    confirm = "NAME-OF-THE-OLD"
    header = {
        "where": INSTANCE.format("target"),
        "changes": "removes, for good, the one database that db-copy-in of this run has replaced "
        "and kept. Sessions in it are ended. The database in use stays as it is.",
        "takes": "seconds.",
        "costs": "nothing; the storage is free for other data, but RDS never gives it back.",
        "again": "says that it is removed.",
    }

    def variables(self) -> dict[str, Printed]:
        """Return what is needed on the one server."""
        printed = super().variables()
        for name in ("from_host", "from_port", "dump_folder"):
            del printed[name]
        return printed
