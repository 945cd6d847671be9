"""A deployment's analytics database: a real PostgreSQL behind a simulated RDS instance."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from codeocean_cmdgen.simulator.postgres import Postgres, plain_client

if TYPE_CHECKING:
    import trustme

    from codeocean_cmdgen.simulator import Simulator
    from codeocean_cmdgen.simulator.host import Host
    from codeocean_cmdgen.simulator.rds import Instance

NAME = "codeocean"
_CA_BUNDLE = "/etc/pki/tls/certs/rds-global-bundle.pem"
_QUICK = {"fsync": "off"}
# Lines that always differ between two dumps, or differ because of a copy, without any meaning.
_MEANINGLESS = re.compile(
    r"^(?:--|\\(?:un)?restrict\b).*\n|^COMMENT ON DATABASE (?:.|\n)*?';\n", re.MULTILINE
)


class Contents(NamedTuple):
    """The whole content of a database server, as a snapshot keeps it."""

    sql: str
    password: str
    beside: str = ""
    """What is on the server besides the database, and is not copied."""


class Database:
    """A database server."""

    def __init__(self, server: Postgres, contents: Contents) -> None:
        """Wrap a running server that has these contents."""
        self._server, self._password, self._beside = server, contents.password, contents.beside

    def sql(self, text: str) -> str:
        """Run SQL as the master user."""
        return self._server.sql(text, NAME, user="root")

    def snapshot(self) -> Contents:
        """Return its content in a single transaction."""
        return Contents(self._server.dump(NAME), self._password, self._beside)

    def set_password(self, password: str) -> None:
        """Change the password of the master user."""
        self._password = password
        self._server.set_password(password)

    def close(self) -> None:
        """Stop and remove the server."""
        self._server.close()


class Databases:
    """The database servers in the network of a services instance."""

    def __init__(self, host: Host, authority: trustme.CA) -> None:
        """Install PostgreSQL's programs and the certificate authority on the instance."""
        self._host, self._authority, self._count = host, authority, 1
        # A server ends with the thread that started it, so a thread that stays starts all servers.
        self._starter = ThreadPoolExecutor(max_workers=1)
        plain_client(host)
        bundle = host.path(_CA_BUNDLE)
        bundle.parent.mkdir(parents=True, exist_ok=True)
        authority.cert_pem.write_to_path(str(bundle))

    def start(self, instance: Instance, contents: Contents) -> Database:
        """Start the server of an instance with the given contents."""
        return self._starter.submit(self._start, instance.address, contents).result()

    def _start(self, name: str, contents: Contents) -> Database:
        self._count += 1
        server = Postgres(
            self._host,
            name,
            password=contents.password,
            authority=self._authority,
            address=f"127.0.0.{self._count}",
            settings=_QUICK,
        )
        server.sql(contents.sql)
        server.sql(contents.beside)
        return Database(server, contents)

    def close(self) -> None:
        """Stop the thread that starts servers."""
        self._starter.shutdown()


def serve(simulator: Simulator, databases: Databases, arn: str, contents: Contents) -> None:
    """Start a server behind an existing instance."""
    (instance,) = (one for one in simulator.rds.instances if one.arn == arn)
    simulator.rds.servers[arn] = databases.start(instance, contents)


def rows(contents: Contents) -> Counter[str]:
    """Return every row with the name of its table, and every line of the schema."""
    found: Counter[str] = Counter()
    table = ""
    for line in _MEANINGLESS.sub("", contents.sql).splitlines():
        if line.startswith("COPY "):
            table = line.split()[1]
        elif line == r"\.":
            table = ""
        elif line:
            found[f"row of {table}: {line}" if table else f"schema: {line}"] += 1
    return found


def new_contents(password: str) -> Contents:
    """Return the contents of a new deployment's server."""
    return Contents("CREATE DATABASE codeocean OWNER root;", password)


def example_contents(password: str) -> Contents:
    """Return the contents of a server in use."""
    return Contents(_EXAMPLE, password, _BESIDE)


_EXAMPLE = r"""
CREATE DATABASE codeocean OWNER root;
\connect codeocean
SET SESSION AUTHORIZATION root;
CREATE TABLE computations
  (id bigint PRIMARY KEY, capsule text NOT NULL, begun timestamptz, cost money);
INSERT INTO computations SELECT i, md5(i::text), now() - i * interval '1 hour', i * 0.07
  FROM generate_series(1, 2000) i;
CREATE TABLE logins (person text, at timestamptz DEFAULT now());
INSERT INTO logins SELECT 'person ' || i % 17 FROM generate_series(1, 500) i;
CREATE INDEX ON computations (capsule);
CREATE SEQUENCE tickets; SELECT setval('tickets', 4711);
CREATE VIEW costs AS SELECT capsule, sum(cost) FROM computations GROUP BY capsule;
COMMENT ON TABLE logins IS '
--
\! touch /tmp/commented
\unrestrict x
GRANT ALL ON computations TO PUBLIC;';
COMMENT ON COLUMN logins.person IS '$(touch /tmp/commented) "; DROP TABLE logins; --';
COMMENT ON DATABASE codeocean IS '\! touch /tmp/commented';
"""

# Another database, and jobs of pg_cron. Not every machine has that extension: another one plays it.
_BESIDE = """
CREATE DATABASE reports OWNER root;
CREATE EXTENSION hstore;
CREATE SCHEMA cron;
CREATE TABLE cron.job (jobid int, jobname text, schedule text, command text, database text,
  username text, active boolean);
INSERT INTO cron.job VALUES (1, 'it''s nightly', '0 3 * * *', 'VACUUM computations', 'codeocean',
  'root', true);
ALTER EXTENSION hstore ADD TABLE cron.job;
GRANT USAGE ON SCHEMA cron TO root;
GRANT SELECT ON cron.job TO root;
UPDATE pg_extension SET extname = 'pg_cron' WHERE extname = 'hstore';
"""
