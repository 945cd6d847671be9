"""Real PostgreSQL servers in the network of a simulated host, configured like those of RDS.

   with Postgres(host, "db.example.com", password="secret", authority=trustme.CA()) as server:
       server.sql("CREATE DATABASE codeocean OWNER root")           # as the system's superuser
       server.sql("SELECT count(*) FROM events", "codeocean")       # "42"

The superuser `rdsadmin` is only for the system. The master user `root`, a member of
`rds_superuser`, can create databases and roles, and end sessions. Only TLS connections are
accepted, with a certificate for the server's name. Needs Debian's PostgreSQL package.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from codeocean_cmdgen.isolation import clean_environment
from codeocean_cmdgen.simulator.machine import HostUnavailableError

if TYPE_CHECKING:
    import trustme
    from typing_extensions import Self

    from codeocean_cmdgen.simulator.host import Host

SYSTEM = "rdsadmin"
_USER = "postgres"
_PATIENCE = 60.0
# Whatever a database says of its sessions.
_PATIENTLY = ("env", "PGOPTIONS=--statement-timeout=0")

_ACCESS = f"""\
local all {SYSTEM} trust
hostssl all all all scram-sha-256
"""
# Source: RDS User Guide, "Understanding PostgreSQL roles and permissions".
_ROLES = """\
CREATE ROLE rds_superuser;
GRANT pg_monitor, pg_signal_backend TO rds_superuser WITH ADMIN OPTION;
CREATE ROLE root LOGIN CREATEDB CREATEROLE IN ROLE rds_superuser;
SET password_encryption = 'scram-sha-256';
"""


class Postgres:
    """A server with its own address in the host's network."""

    def __init__(
        self,
        host: Host,
        name: str,
        *,
        password: str,
        authority: trustme.CA,
        address: str = "127.0.0.1",
        settings: dict[str, str] | None = None,
    ) -> None:
        """Create a server and start it.

        name: the name in its certificate, which resolves to it on the host.
        settings: settings of postgresql.conf, in addition to the necessary ones.
        """
        self.host, self.name, self.address = host, name, address
        self._programs = _programs()
        # Root owns the folder: the server's user may read it, but not replace a file with a link.
        self._folder = Path(tempfile.mkdtemp(prefix="codeocean-postgres-"))
        self._data = self._folder / "data"
        self._server: subprocess.Popen[bytes] | None = None
        self._data.mkdir()
        _give(self._data, 0o700, owner=True)
        _give(self._folder, 0o750)
        self._run("initdb", f"--pgdata={self._data}", f"--username={SYSTEM}", "--encoding=UTF8",
                  "--locale=C.UTF-8", "--auth=trust", "--no-sync")  # fmt: skip
        certificate = authority.issue_cert(name)
        needed = {
            "hba_file": self._show("pg_hba.conf", _ACCESS),
            "listen_addresses": address,
            "unix_socket_directories": self._data,
            "ssl": "on",
            "ssl_key_file": self._show("server.key", certificate.private_key_pem.bytes()),
            "ssl_cert_file": self._show("server.crt", certificate.cert_chain_pems[0].bytes()),
        }
        lines = [f"{key} = '{value}'" for key, value in {**needed, **(settings or {})}.items()]
        lines.insert(0, f"include '{self._data}/postgresql.conf'")
        self._settings = self._show("postgresql.conf", "\n".join([*lines, ""]))
        with host.path("/etc/hosts").open("a", encoding="utf-8") as hosts:
            hosts.write(f"{address} {name}\n")
        self.start()
        self.sql(_ROLES)
        self.set_password(password)

    def __enter__(self) -> Self:
        """Return the server."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the server and its data."""
        self.close()

    def start(self) -> None:
        """Start it, and return when it answers."""
        # It ends together with this process, however this process ends.
        command = [*self.host.machine.network_entry(), *_as_user("--pdeathsig=QUIT")]
        with (self._folder / "log").open("a") as log:
            self._server = subprocess.Popen(
                [
                    *command,
                    str(self._programs / "postgres"),
                    *("-D", str(self._data)),
                    *("-c", f"config_file={self._settings}"),
                ],
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=clean_environment(),  # the server's user can read the environment
                cwd="/",
            )
        until = time.monotonic() + _PATIENCE
        ready = [str(self._programs / "pg_isready"), f"--host={self._data}", "--quiet"]
        while subprocess.run(ready, env=clean_environment(), check=False).returncode:
            if self._server.poll() is not None or time.monotonic() > until:
                message = f"PostgreSQL did not start: {self.log()}"
                raise HostUnavailableError(message)
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it at once, as if the instance had failed."""
        if self._server:
            self._run("pg_ctl", "stop", f"--pgdata={self._data}", "--mode=immediate", "--silent")
            self._server.wait()
            self._server = None

    def close(self) -> None:
        """Remove the server and its data."""
        self.stop()
        shutil.rmtree(self._folder)

    def command(self, database: str, *texts: str, user: str = SYSTEM) -> list[str]:
        """Return the command that runs SQL; without texts, SQL from its standard input."""
        begin = [] if user == SYSTEM else [f"SET SESSION AUTHORIZATION {user}"]
        return [
            *_PATIENTLY,
            str(self._programs / "psql"),
            *("--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"),
            *(f"--host={self._data}", f"--username={SYSTEM}", f"--dbname={database}"),
            *(f"--command={text}" for text in [*begin, *texts]),
            *([] if texts else ["--file=-"]),
        ]

    def sql(self, text: str, database: str = "postgres", *, user: str = SYSTEM) -> str:
        """Run SQL as the system's superuser, or with the rights of another user."""
        command = self.command(database, user=user)
        ran = subprocess.run(
            command,
            env=clean_environment(),
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise RuntimeError(ran.stderr)
        return ran.stdout.strip()

    def dump(self, database: str) -> str:
        """Return a database as SQL."""
        where = [f"--host={self._data}", f"--username={SYSTEM}", f"--dbname={database}"]
        command = [*_PATIENTLY, str(self._programs / "pg_dump"), *where, "--create"]
        dumped = subprocess.run(
            command, env=clean_environment(), stdout=subprocess.PIPE, text=True, check=True
        )
        return dumped.stdout

    def set_password(self, password: str, user: str = "root") -> None:
        """Set the password of a user."""
        quoted = password.replace("'", "''")
        self.sql(f"ALTER ROLE {user} PASSWORD '{quoted}'")

    def log(self) -> str:
        """Return the server's log."""
        return (self._folder / "log").read_text("utf-8", errors="replace")

    def _show(self, name: str, content: str | bytes) -> Path:
        """Write a file that the server may read."""
        file = self._folder / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        _give(file, 0o640)
        return file

    def _run(self, program: str, *arguments: str) -> None:
        command = [*_as_user(), str(self._programs / program), *arguments]
        subprocess.run(
            command, env=clean_environment(), stdout=subprocess.DEVNULL, cwd="/", check=True
        )


def plain_client(host: Host) -> None:
    """Install PostgreSQL's own programs on the host, instead of Debian's wrappers."""
    for program in ("psql", "pg_dump", "pg_restore"):
        there = host.path(f"/usr/bin/{program}")
        there.unlink(missing_ok=True)
        shutil.copy(_programs() / program, there)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        message = "not installed: postgresql"
        raise HostUnavailableError(message)
    return found[-1].parent


def _give(path: Path, mode: int, *, owner: bool = False) -> None:
    """Give the server's user access to a path, as its group or as its owner."""
    user = pwd.getpwnam(_USER)
    os.chown(path, user.pw_uid if owner else 0, user.pw_gid)
    path.chmod(mode)


def _as_user(*options: str) -> list[str]:
    return ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--init-groups", *options, "--"]
