"""Replace the analytics database with the restored one, and remove what was replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Optional

from codeocean_cmdgen import vendor
from codeocean_cmdgen.errors import Problem
from codeocean_cmdgen.steps.base import FIRST_RUN
from codeocean_cmdgen.steps.host import DATA_MOUNT, INSTANCE, HostStep
from codeocean_cmdgen.steps.permissions import MASTER_PASSWORD
from codeocean_cmdgen.values import DatabaseWord, Folder, HostName, Port, RunName, SecretId, Switch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.steps.base import Printed, Step

POSTGRESQL = Port("5432")


def _one_script(drop_old: Switch, swap_back: Switch) -> Iterator[Problem]:
    if drop_old.on and swap_back.on:
        yield Problem("--drop-old and --swap-back are two scripts: choose one")


def _two_servers(from_host: HostName, to_host: HostName) -> Iterator[Problem]:
    if from_host.lower() == to_host.lower():
        yield Problem(
            f"--from-host and --to-host are the same server, {to_host}: set --from-host to "
            "the temporary instance's endpoint"
        )


class DbCopyIn(HostStep):
    """Replace the deployment's analytics database with the one on the temporary instance."""

    from_host: HostName
    to_host: HostName
    from_port: Port = POSTGRESQL
    to_port: Port = POSTGRESQL
    user: DatabaseWord = DatabaseWord(vendor.DATABASE_USER)
    database: DatabaseWord = DatabaseWord(vendor.DATABASE_NAME)
    master_password_secret_id: Optional[SecretId] = None
    ca_bundle: Folder = Folder("/etc/pki/tls/certs/rds-global-bundle.pem")
    dump_folder: Folder = Folder("/var/lib/codeocean-cmdgen")
    drop_old: Switch = Switch("no")
    swap_back: Switch = Switch("no")
    data_mount: Folder = DATA_MOUNT
    run: RunName = FIRST_RUN

    name = "db-copy-in"
    title = "replace the analytics database with the restored one"
    confirm = "DATABASE-NAME"
    header = {
        "where": INSTANCE.format("target"),
        "changes": (
            ("CREATE ROLE", "creates a role for the time of the restore, dropped at its end"),
            (
                "CREATE DATABASE",
                (
                    "creates a new database beside the current one, closed to others; first an "
                    "empty one if there is no current one"
                ),
            ),
            (
                "pg_restore, COPY",
                "fill it from the restored database, as this role",
            ),
            ("CREATE EXTENSION", "creates its extensions, as the master user"),
            ("ALTER, GRANT", "give its objects their owners and grants, as the master user"),
            (
                "ALTER DATABASE",
                (
                    "swaps its name with that of the current one, which is kept until a script "
                    "with --drop-old removes it; sessions in it are ended"
                ),
            ),
        ),
        "takes": "minutes for a few GB. The work continues when the session ends.",
        "costs": "storage for both databases. If the databases may need more than 10 GB in all, it "
        "asks for confirmation that as much is free.",
        "again": "follows the work, starts again after a failure, or reports when it was "
        "completed.",
        "killed": "leaves the unit, which continues. If the unit itself is killed, the current "
        "database stays in place: the names are swapped in one transaction.",
        "undo": "a script with --swap-back puts the replaced database in place again, until one "
        "with --drop-old removes it.",
        "done": "both databases were compared, and the names are swapped.",
    }
    permissions = {
        **HostStep.permissions,
        MASTER_PASSWORD: ("secretsmanager:GetSecretValue",),
    }
    parts: ClassVar[tuple[str, ...]] = (
        "database",
        "database_facts",
        "database_swap",
        "database_rights",
    )
    tables = ("target",)
    from_stack_json = {"target": ("to_host", "to_port", "user")}
    checks = (_two_servers, _one_script)
    unprinted: ClassVar[tuple[str, ...]] = ("drop_old", "swap_back")
    programs: ClassVar[tuple[str, ...]] = ("scram_verifier",)

    def variables(self) -> dict[str, Printed]:
        """Name the secret that the vendor's stack creates unless another is given."""
        own = SecretId(vendor.MASTER_PASSWORD.format(stack_name=self.stack_name))
        secret_id = self.master_password_secret_id or own
        return {**super().variables(), "master_password_secret_id": secret_id}

    def variant(self) -> Step:
        """Return the step that the switches ask for."""
        if self.drop_old.on:
            return DropOld(**vars(self))
        return SwapBack(**vars(self)) if self.swap_back.on else self


_UNPRINTED_FOR_ONE_SERVER = (*DbCopyIn.unprinted, "from_host", "from_port", "dump_folder")


class DropOld(DbCopyIn):
    """Remove the database that the copy replaced and kept: `db-copy-in --drop-old`."""

    title = "remove the database that was replaced"
    watches = False
    parts = ("database", "old_database")
    programs = ()
    template = "db-copy-in--drop-old"
    unprinted = _UNPRINTED_FOR_ONE_SERVER
    confirm = "OLD-DATABASE-NAME"
    header = {
        "where": INSTANCE.format("target"),
        "changes": (
            (
                "DROP DATABASE",
                (
                    "REMOVES, for good, the one database that db-copy-in of this run replaced and "
                    "kept, or the copy after --swap-back; sessions in it are ended. The database "
                    "in use stays as it is."
                ),
            ),
        ),
        "takes": "seconds.",
        "costs": "nothing. Its storage is free for other data, but RDS never returns it.",
        "again": "reports that it no longer exists.",
        "killed": "leaves the old database, whole or removed.",
        "undo": "not possible.",
        "done": "the server has confirmed the removal.",
    }


class SwapBack(DbCopyIn):
    """Put the database that the copy replaced in place again: `db-copy-in --swap-back`."""

    title = "put the database that was replaced in place again"
    watches = False
    parts = ("database", "database_swap", "old_database")
    programs = ()
    template = "db-copy-in--swap-back"
    unprinted = _UNPRINTED_FOR_ONE_SERVER
    confirm = "DATABASE-NAME"
    header = {
        "where": INSTANCE.format("target"),
        "changes": (
            (
                "ALTER DATABASE",
                (
                    "swaps the names of the copy and of the database that db-copy-in of this run "
                    "replaced and kept. The copy is kept under a dated name. No session is ended: "
                    "if one uses either database, nothing is changed."
                ),
            ),
            ("COMMENT", "notes the swap in the comment of the database in place"),
        ),
        "takes": "seconds.",
        "costs": "storage for both databases, until a script with --drop-old removes the copy.",
        "again": "reports when it was done.",
        "killed": "leaves one database or the other in place: the names are swapped in one "
        "transaction. The next paste finds out which.",
        "undo": "copy again with a new --run. What was written to the copy is in the one that is "
        "kept.",
        "done": "the server shows the mark of this swap in the comment of the database.",
    }
