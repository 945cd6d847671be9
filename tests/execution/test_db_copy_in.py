"""db-copy-in between two real PostgreSQL servers: all of it arrives, or nothing has changed."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import trustme

from codeocean_cmdgen.simulator import Simulator
from codeocean_cmdgen.simulator.host import HostUnavailableError
from codeocean_cmdgen.simulator.postgres import Postgres, plain_client
from codeocean_cmdgen.simulator.world import TARGET
from tests.support.people import Outcome, script
from tests.support.quick_aws import remember_the_guard
from tests.support.services_host import ServicesHost
from tests.support.tools import miss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FROM = "tmp-codeocean-restore.example.us-east-1.rds.amazonaws.com"
TO = "codeocean-analyticsdb.example.us-east-1.rds.amazonaws.com"
NAMED = {"AnalyticsDB": {"Host": TO, "Port": "5432"}}
SECRET = "/codeocean/analytics/master-password-0"
CANARY = "cAnA:rY\\'\"$x"
CA_BUNDLE = "/etc/pki/tls/certs/rds-global-bundle.pem"
RECORD = "/data/.codeocean-cmdgen/db-copy-in--first"
KEPT = "/var/lib/codeocean-cmdgen/codeocean-cmdgen-dumps/db-copy-in--first.differences"
LOG = "/var/lib/codeocean-cmdgen/db-copy-in.log"
UNIT = "codeocean-cmdgen-db-copy-in"

ROLES = """
CREATE ROLE app LOGIN PASSWORD 'app';
CREATE ROLE "Odd ""Reader";
GRANT app TO root;
"""

# As the vendor's application could have made it, and then some.
SOURCE = """
CREATE EXTENSION pg_trgm;
CREATE EXTENSION hstore;
CREATE SCHEMA "DATABASE";
GRANT USAGE ON SCHEMA "DATABASE" TO app;
CREATE TABLE objects (id bigint PRIMARY KEY, name text NOT NULL, extra hstore);
INSERT INTO objects SELECT i, md5(i::text), hstore('n', i::text) FROM generate_series(1, 2000) i;
CREATE INDEX ON objects USING gin (name gin_trgm_ops);
CREATE TABLE events (at timestamptz DEFAULT now(), object bigint REFERENCES objects, what jsonb);
INSERT INTO events SELECT now(), i % 100 + 1, '{"n": 1}' FROM generate_series(1, 500) i;
INSERT INTO events SELECT * FROM events;
CREATE TABLE shapes (id int GENERATED ALWAYS AS IDENTITY, j json, p point, a int[], m money);
INSERT INTO shapes (j, p, a, m) VALUES ('{"a" : 1}', '(0.1234567890123456,2)', '{1,2}', 12.5),
  (NULL, NULL, NULL, 1);
CREATE TABLE days (day date, n int) PARTITION BY RANGE (day);
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
INSERT INTO days SELECT '2020-01-01'::date + i, i FROM generate_series(0, 300) i;
CREATE TABLE "DATABASE"."Odd ""name'|
of a table" ("t" text, nothing int);
INSERT INTO "DATABASE"."Odd ""name'|
of a table" VALUES ('GRANT ALL ON DATABASE codeocean TO app;', NULL);
CREATE TABLE empty ();
CREATE TABLE parent (a text, n int); CREATE TABLE child (x text, m int) INHERITS (parent);
ALTER TABLE parent ADD b text, ADD o int;
INSERT INTO child (a, n, x, m, b, o) VALUES ('a', 1, 'x', 2, 'b', 3);
CREATE TABLE made (n int, twice int GENERATED ALWAYS AS (2 * n) STORED, s text);
INSERT INTO made (n, s) VALUES (21, 's');
CREATE UNLOGGED TABLE unlogged AS SELECT 1 AS one;
CREATE SEQUENCE counted; SELECT nextval('counted') FROM generate_series(1, 7);
CREATE SEQUENCE fresh START 42;
CREATE SEQUENCE turned; SELECT setval('turned', 9, false);
CREATE VIEW named AS SELECT name FROM objects;
CREATE MATERIALIZED VIEW counts AS SELECT object, count(*) FROM events GROUP BY object;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
GRANT SELECT ON DATABASE codeocean TO app;
RETURN NEW; END $$;
CREATE TRIGGER touched BEFORE UPDATE ON objects FOR EACH ROW EXECUTE FUNCTION touch();
GRANT CREATE, USAGE ON SCHEMA public TO app;
CREATE TABLE owned (x int); ALTER TABLE owned OWNER TO app; INSERT INTO owned VALUES (1);
CREATE TABLE secret (x int); ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
INSERT INTO secret VALUES (1);
CREATE POLICY nobody ON secret TO "Odd ""Reader" USING (false);
GRANT SELECT ON objects, named TO "Odd ""Reader"; GRANT UPDATE (name) ON objects TO app;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO app;
COMMENT ON TABLE objects IS 'with
COMMENT ON EXTENSION in it';
COMMENT ON EXTENSION hstore IS 'changed';
SELECT lo_from_bytea(4711, convert_to(repeat('codeocean', 300000), 'UTF8'));
SELECT lo_from_bytea(4712, ''); GRANT SELECT ON LARGE OBJECT 4711 TO app;
ALTER DATABASE codeocean SET search_path = "DATABASE", public;
ALTER DATABASE codeocean SET statement_timeout = '2ms';
ALTER DATABASE codeocean SET extra_float_digits = -9;
ALTER DATABASE codeocean SET application_name = 'ALTER DATABASE codeocean SET x TO ''y''';
ALTER ROLE app IN DATABASE codeocean SET work_mem = '8MB';
ALTER DATABASE codeocean CONNECTION LIMIT 50;
COMMENT ON DATABASE codeocean IS 'it''s
ours
codeocean-cmdgen db-copy-in first 000000000000 completed long ago';
REVOKE ALL ON DATABASE codeocean FROM PUBLIC;
GRANT CONNECT ON DATABASE codeocean TO app WITH GRANT OPTION;
"""


class Place(NamedTuple):
    """The target's services instance, and both database servers."""

    host: ServicesHost
    source: Postgres
    target: Postgres
    simulator: Simulator

    def run(self, **options: str) -> Outcome:
        """Run the script; upper-case options are variables of the shell."""
        values = {name: text for name, text in options.items() if name.islower()}
        settings = {name: text for name, text in options.items() if name.isupper()}
        return self.host.person().run(script("db-copy-in", **values), **settings)

    def wrap(self, program: str, text: str) -> None:
        """Put a script before a program of the host."""
        file = self.host.path(f"/usr/local/sbin/{program}")
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'#!/bin/bash\n{text}\nexec /usr/bin/{program} "$@"\n')
        file.chmod(0o755)

    def unwrap(self) -> None:
        for file in self.file("/usr/local/sbin").iterdir():
            file.unlink()

    def file(self, name: str) -> Path:
        return self.host.path(name)

    def put_secret(self, text: str) -> None:
        client = self.simulator.account(TARGET).client("secretsmanager")
        client.put_secret_value(SecretId=SECRET, SecretString=text)

    def names(self) -> list[str]:
        """Return the databases of the target whose name has to do with ours."""
        found = self.target.sql("SELECT datname FROM pg_database WHERE datname LIKE 'codeocean%'")
        return sorted(found.splitlines())

    @property
    def kept(self) -> str:
        (kept,) = (name for name in self.names() if name.startswith("codeocean_old_"))
        return kept

    def old_is_in_place(self, *others: str) -> None:
        assert self.names() == sorted(["codeocean", *others])
        assert self.target.sql("SELECT * FROM old", "codeocean") == "old"
        self.nothing_is_left()

    def copy_is_complete(self) -> None:
        assert self.names() == ["codeocean", self.kept]
        assert self.target.sql("SELECT * FROM old", self.kept) == "old"
        assert dumped(self.target) == dumped(self.source)
        self.nothing_is_left()

    def nothing_is_left(self) -> None:
        """No dump and no scratch folder; the database is as open as it was."""
        left = [*self.file("/var/lib/codeocean-cmdgen").glob("*/db-copy-in--*")]
        assert {file.suffix for file in left} <= {".differences"}
        roles = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'codeocean%'"
        assert self.target.sql(roles) == ""
        assert [*self.file("/tmp").glob("codeocean-cmdgen.*")] == []
        assert self.target.sql("SELECT count(*) FROM pg_database WHERE NOT datallowconn") == "1"

    def reset(self) -> None:
        for server in (self.source, self.target):
            names = server.sql("SELECT datname FROM pg_database WHERE datname LIKE 'codeocean%'")
            for name in names.splitlines():
                server.sql(f'DROP DATABASE "{name}" WITH (FORCE)')
            server.sql("ALTER ROLE root CREATEDB")
            server.set_password(CANARY)
        self.source.sql("CREATE DATABASE codeocean OWNER root TEMPLATE template0 LC_COLLATE 'C'")
        self.source.sql(SOURCE, "codeocean", user="root")
        self.target.sql("CREATE DATABASE codeocean OWNER root")
        self.target.sql("CREATE TABLE old AS SELECT 'old'", "codeocean", user="root")
        self.put_secret(CANARY)
        folders = "/data/.codeocean-cmdgen/db-* /var/lib/codeocean-cmdgen/db-*"
        clean = f"rm -rf {folders} /tmp/codeocean-cmdgen.*"
        self.host.root("bash", "-c", f"{clean} /usr/local/sbin/* /run/test; mkdir -m 777 /run/test")


def dumped(server: Postgres) -> list[str]:
    """Return all that PostgreSQL's own superuser sees in a database, without what must differ."""
    text = server.dump("codeocean")
    text = re.sub(r"^(--|\\(un)?restrict|COMMENT ON EXTENSION) .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\ncodeocean-cmdgen db-copy-in first .*(?=';)", "", text)
    # The columns of a table that inherits have another order after pg_dump.
    text = re.sub(r"^COPY public.child .*?^\\\.$", "", text, flags=re.MULTILINE | re.DOTALL)
    child = server.sql("SELECT a, n, x, m, b, o FROM child", "codeocean")
    return sorted([child, *text.splitlines()])


@pytest.fixture(scope="module")
def places(aws: Path) -> Iterator[Place]:
    authority = trustme.CA()
    quick = {"fsync": "off", "max_connections": "60"}
    try:
        with (
            Simulator() as simulator,
            ServicesHost(simulator, TARGET, aws=aws, stack_json=NAMED) as host,
            Postgres(host, FROM, password=CANARY, authority=authority, address="127.0.0.2",
                     settings=quick) as source,
            Postgres(host, TO, password=CANARY, authority=authority, address="127.0.0.3",
                     settings=quick) as target,
        ):  # fmt: skip
            remember_the_guard(host)
            plain_client(host)
            client = simulator.account(TARGET).client("secretsmanager")
            client.create_secret(Name=SECRET, SecretString=CANARY)
            bundle = host.path(CA_BUNDLE)
            bundle.parent.mkdir(parents=True, exist_ok=True)
            authority.cert_pem.write_to_path(str(bundle))
            assert host.person().run(script("service-stop")).done
            for server in (source, target):
                server.sql(ROLES)
                server.sql("CREATE DATABASE rdsadmin; REVOKE ALL ON DATABASE rdsadmin FROM PUBLIC")
            yield Place(host, source, target, simulator)
    except HostUnavailableError as reason:
        miss(str(reason))


@pytest.fixture
def place(places: Place) -> Place:
    places.reset()
    return places


def test_swapped_servers_are_refused(place: Place) -> None:
    """Both take the password and have the database: only the deployment knows which is its own."""
    outcome = place.run(from_host=TO, to_host=FROM)
    assert outcome.code == 3
    assert f"expected analytics database {FROM}; found {TO}" in outcome.errors
    place.old_is_in_place()


def test_all_of_it_arrives(place: Place) -> None:
    outcome = place.run()
    assert outcome.done, outcome.errors
    place.copy_is_complete()
    comment = place.target.sql(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'codeocean'"
    )
    assert re.fullmatch(
        r"it's\nours\ncodeocean-cmdgen db-copy-in first [0-9a-f]{32} completed \S+ from "
        rf"{FROM}:5432, in \d+ s, all compared: 12 tables, 3309 rows; the database before is "
        rf"{place.kept}",
        comment,
    )
    again = place.run()
    assert again.output == outcome.output
    place.copy_is_complete()


def test_plan_looks_and_changes_nothing(place: Place) -> None:
    outcome = place.run(PLAN="1")
    assert outcome.output == (
        f"plan: would replace codeocean with the one on {FROM}; nothing was changed\n"
    )
    assert f"{FROM} port=5432: codeocean, " in outcome.errors
    assert f"{TO} port=5432: codeocean, " in outcome.errors
    assert "rdsadmin" not in outcome.errors
    place.old_is_in_place()
    assert not place.file(RECORD).exists()
    assert not place.file(LOG).exists()


def test_the_record_of_the_host_is_enough(place: Place) -> None:
    first = place.run()
    assert first.done, first.errors
    place.target.sql("COMMENT ON DATABASE codeocean IS NULL")
    assert place.run().output == first.output
    assert place.run(PLAN="1").output == first.output
    assert len(place.names()) == 2
    # Something else is to be copied in the same run.
    refused = place.run(from_port="5433")
    assert refused.code == 1
    assert "generate the script with a new --run" in refused.errors
    # A new run copies again, and leaves what the first one kept alone.
    place.target.sql("INSERT INTO objects VALUES (0, 'new')", "codeocean")
    time.sleep(1)  # the names of what is kept tell seconds
    assert place.run(run="second").done
    assert len(place.names()) == 3
    assert place.target.sql("SELECT count(*) FROM objects WHERE id = 0", "codeocean") == "0"
    assert place.run().output == first.output


def test_watch_0_starts_and_returns(place: Place) -> None:
    outcome = place.run(WATCH="0")
    assert outcome.code == 4
    assert outcome.output == (
        f"started: db-copy-in runs in the background as unit {UNIT}. "
        "Paste the script again to follow it.\n"
    )
    followed = place.run()
    assert followed.done, followed.errors
    place.copy_is_complete()


# What is not as it should be.


@pytest.mark.parametrize(
    ("fault", "code", "reason"),
    [
        ("ALTER ROLE root PASSWORD 'other'", 3, 'password authentication failed for user "root"'),
        ("ALTER ROLE root NOCREATEDB", 1, "ALTER ROLE root CREATEDB CREATEROLE;\n"),
        (
            "ALTER DATABASE codeocean OWNER TO rdsadmin",
            1,
            "root may not replace database codeocean: it belongs to rdsadmin",
        ),
        ("REVOKE app FROM root", 1, "root is not a member of role app: GRANT app TO root;\n"),
        ('ALTER ROLE "Odd ""Reader" RENAME TO other', 1, 'CREATE ROLE "Odd ""Reader" NOLOGIN;\n'),
    ],
)
def test_the_target_lacks_something(place: Place, fault: str, code: int, reason: str) -> None:
    place.target.sql(fault)
    try:
        outcome = place.run()
    finally:
        place.target.sql(
            'GRANT app TO root; DO $$ BEGIN ALTER ROLE other RENAME TO "Odd ""Reader"; '
            "EXCEPTION WHEN undefined_object THEN END $$"
        )
    assert outcome.code == code
    assert reason in outcome.errors
    assert CANARY not in outcome.errors
    assert not place.file(LOG).exists()
    place.nothing_is_left()


def test_problems_are_told_together(place: Place) -> None:
    place.wrap("pg_dump", '[[ $1 != --version ]] || { echo "pg_dump (PostgreSQL) 14.9"; exit; }')
    place.wrap("df", "echo Avail; echo 1000; exit")
    place.source.sql(
        "CREATE ROLE lonely; GRANT SELECT ON objects TO lonely; CREATE ROLE silent;"
        "ALTER ROLE silent IN DATABASE codeocean SET work_mem = '9MB'",
        "codeocean",
    )
    try:
        outcome = place.run()
    finally:
        place.source.sql("DROP OWNED BY lonely; DROP ROLE lonely, silent", "codeocean")
    assert outcome.code == 1
    problems = re.findall(r"^problem: (.*)$", outcome.errors, re.MULTILINE)
    assert len(problems) == 4
    assert set(problems[:2]) == {
        f"{TO}: role {name} is missing: CREATE ROLE {name} NOLOGIN;"
        for name in ("lonely", "silent")
    }
    assert problems[2].startswith("pg_dump 15 is needed, this is 'pg_dump (PostgreSQL) 14.9': ")
    assert problems[2].endswith("sudo dnf install postgresql15")
    assert re.search(r" has 1000 bytes free, and \d+ are needed: ", problems[3])
    place.old_is_in_place()


def test_a_missing_database_is_created(place: Place) -> None:
    """And kept, as any other that was replaced."""
    place.target.sql("DROP DATABASE codeocean")
    planned = place.run(PLAN="1")
    assert planned.code == 0
    assert f"{TO} has no database codeocean: an empty one will be created first" in planned.errors
    assert place.names() == []
    outcome = place.run()
    assert outcome.done, outcome.errors
    assert place.names() == ["codeocean", place.kept]
    assert dumped(place.target) == dumped(place.source)
    place.nothing_is_left()


def test_storage_that_may_not_suffice_is_a_question(place: Place) -> None:
    """Nothing is written before the answer, and nothing is asked if only the swap is left."""
    place.wrap("awk", "[[ $* != *'sum += $2'* ]] || { echo 9999999999; exit; }")
    assert place.run(PLAN="1").code == 0
    for settings in ({}, {"CONFIRM": "yes"}):
        refused = place.run(**settings)
        assert refused.code == 2
        assert re.search(r"The copy needs about \d+ MB of it", refused.errors)
        command = f"aws cloudwatch get-metric-statistics --region us-east-1 .*Value={TO[:21]} "
        assert re.search(command, refused.errors)
        assert not place.file(LOG).exists()
    place.old_is_in_place()
    place.wrap("psql", "[[ $* != *--single-transaction* ]] || { echo no >&2; exit 1; }")
    refused = place.run(CONFIRM="codeocean")
    assert "The copy is kept: " in refused.errors
    place.file("/usr/local/sbin/psql").unlink()
    outcome = place.run()
    assert outcome.done, outcome.errors
    place.copy_is_complete()


def test_who_writes_to_the_source_is_named(place: Place) -> None:
    """The copy is the source at one moment, and says how much was written since."""
    place.source.sql(
        "CREATE TABLE public.late (x int); GRANT ALL ON public.late TO app", "codeocean"
    )
    place.source.sql("ALTER TABLE public.late OWNER TO root", "codeocean")
    begin = "touch /run/test/begin; until [[ -e /run/test/written ]]; do /usr/bin/sleep 0.1; done"
    place.wrap("pg_dump", f"[[ $* != *--format=custom* ]] || {{ {begin}; }}")
    sleep = ["psql", f"--dbname={APP.replace(TO, FROM)}codeocean", "--command=SELECT pg_sleep(999)"]
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with place.host.popen(sleep, **quiet), ExitStack() as after:
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'"
        after.callback(place.source.sql, end)
        sleeps = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'"
        deadline = time.monotonic() + 30
        while place.source.sql(sleeps) == "0":
            assert time.monotonic() < deadline
        assert place.run(WATCH="0").code == 4
        while not place.file("/run/test/begin").exists():
            assert time.monotonic() < deadline + 60
            time.sleep(0.1)
        place.source.sql("INSERT INTO public.late VALUES (1), (2), (3)", "codeocean")
        place.file("/run/test/written").touch()
        outcome = place.run()
    assert outcome.done, outcome.errors
    log = place.file(LOG).read_text()
    assert re.search(
        r"^not copied: what this session writes from now on: PID \d+ of app, ", log, re.MULTILINE
    )
    assert "rows; 3 rows that were written there meanwhile are not copied; " in outcome.output
    assert place.target.sql("SELECT count(*) FROM public.late", "codeocean") == "0"


def test_a_service_that_runs(place: Place) -> None:
    place.wrap("systemctl", "[[ $* != *LoadState* ]] || { echo ActiveState=active; exit; }")
    outcome = place.run()
    assert outcome.code == 1
    assert "problem: the service is not stopped: codeocean is " in outcome.errors
    assert "Run service-stop first.\n" in outcome.errors
    place.old_is_in_place()


def test_no_client(place: Place) -> None:
    place.host.root("bash", "-c", "mv /usr/bin/psql /run/test/psql")
    try:
        outcome = place.run()
    finally:
        place.host.root("cp", "-a", "/run/test/psql", "/usr/bin/psql")
    assert outcome.code == 3
    assert outcome.errors == (
        "stopped: the program psql is needed: sudo dnf install postgresql15\n"
    )


def test_a_server_that_is_not_there(place: Place) -> None:
    outcome = place.run(from_port="5433")
    assert outcome.code == 3
    assert re.search(rf"^stopped: {FROM} port=5433: psql: .*refused", outcome.errors, re.MULTILINE)
    place.old_is_in_place()


def test_a_server_of_somebody_else(place: Place) -> None:
    """Its certificate is none of RDS's, or names another server."""
    with place.file("/etc/hosts").open("a") as hosts:
        hosts.write("127.0.0.2 other.example.com\n")
    outcome = place.run(from_host="other.example.com")
    assert outcome.code == 3
    assert "does not match host name" in outcome.errors
    bundle = place.file(CA_BUNDLE)
    text = bundle.read_text()
    trustme.CA().cert_pem.write_to_path(str(bundle))
    try:
        outcome = place.run()
    finally:
        bundle.write_text(text)
    assert outcome.code == 3
    assert "certificate verify failed" in outcome.errors
    # Without a bundle it is not verified, and that is said.
    outcome = place.run(ca_bundle="/etc/pki/missing.pem", from_host="other.example.com", PLAN="1")
    assert outcome.code == 0
    assert "warning: /etc/pki/missing.pem is missing" in outcome.errors
    assert "the servers are not verified" in outcome.errors
    place.old_is_in_place()


def test_no_secret(place: Place) -> None:
    outcome = place.run(master_password_secret_id="/codeocean/no")
    assert outcome.code == 3
    assert "stopped: cannot read secret /codeocean/no" in outcome.errors
    place.old_is_in_place()


# What goes wrong on the way.


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("pg_dump", "[[ $* != *custom* ]] || ulimit -f 100"),
        ("chmod", "[[ $* != */db-copy-in--* ]] || truncate --size=-1000000 ${@:$#}"),
        ("psql", "[[ $* != *'COPY public.shapes ('*TO* ]] || exit 1"),
    ],
    ids=["disk full", "cut dump", "cut table"],
)
def test_nothing_changes_when_a_program_fails(place: Place, program: str, text: str) -> None:
    place.wrap(program, text)
    outcome = place.run()
    assert outcome.code == 1
    assert re.search(
        r"stopped: the restore failed in \w+; the old database is in place", outcome.errors
    )
    place.old_is_in_place()


@pytest.fixture
def disk(place: Place) -> Iterator[Path]:
    """Put the databases of the target, without its log of writes, on a disk that is almost full."""
    base = Path(place.target.sql("SHOW data_directory")) / "base"
    aside = base.with_name("aside")

    def move(origin: Path, destination: Path) -> None:
        subprocess.run(["cp", "--archive", f"{origin}/.", destination], check=True)

    place.target.stop()
    base.rename(aside)
    base.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", base], check=True)
    move(aside, base)
    place.target.start()
    place.target.sql("CHECKPOINT")
    size = shutil.disk_usage(base).used + (7 << 20)
    subprocess.run(["mount", "-o", f"remount,size={size}", base], check=True)
    yield base
    place.target.stop()
    shutil.rmtree(aside)
    aside.mkdir()
    move(base, aside)
    subprocess.run(["umount", base], check=True)
    base.rmdir()
    aside.rename(base)
    place.target.start()


def test_a_full_disk_of_the_target_costs_nothing(place: Place, disk: Path) -> None:
    more = "INSERT INTO objects SELECT i, md5(i::text) FROM generate_series(2001, 30000) i"
    place.source.sql(more, "codeocean", user="root")
    outcome = place.run()
    assert outcome.code == 1
    assert "No space left on device" in place.file(LOG).read_text()
    assert re.search(
        r"stopped: the restore failed in \w+; the old database is in place", outcome.errors
    )
    place.old_is_in_place()
    subprocess.run(["mount", "-o", "remount,size=400m", disk], check=True)
    outcome = place.run()
    assert outcome.done, outcome.errors
    place.copy_is_complete()


# Both ends of a connection see it die within two minutes, here within seconds.
IMPATIENT = """
if [[ $* == *'COPY public.objects ('*TO* ]]; then
  touch /run/test/ready
  until [[ -e /run/test/locked ]]; do /usr/bin/sleep 0.1; done
fi
options="keepalives_idle=60 keepalives_interval=10 keepalives_count=6 tcp_user_timeout=120000"
[[ $* == *"${options}"* ]] || exit 1
set -- "${@/"${options}"/keepalives_idle=1 keepalives_interval=1 keepalives_count=3 \
tcp_user_timeout=4000}"
"""


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_connection_that_dies_without_a_word(place: Place) -> None:
    """It waits for a row when packets to the source begin to vanish: no side ever hears of it."""
    place.wrap("psql", IMPATIENT)
    lock = ["BEGIN", "LOCK public.objects", "SELECT pg_sleep(999)"]
    vanish = ("table", "local", "blackhole", "127.0.0.2/32")
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'objects'::regclass"
    outcomes: list[Outcome] = []
    runner = threading.Thread(target=lambda: outcomes.append(place.run()))
    runner.start()
    wait_for(place.file("/run/test/ready").exists)
    holder = subprocess.Popen(place.source.command("codeocean", *lock))
    locked = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted"
    wait_for(lambda: place.source.sql(locked, "codeocean") != "0")
    place.file("/run/test/locked").touch()
    wait_for(lambda: place.source.sql(waiting, "codeocean") == "1")
    # No other stream is left: it would notice when it connects.
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'root'"
    wait_for(
        lambda: all(place.source.sql(f"SELECT pg_sleep(0.3); {sessions}") == "2" for _ in range(5))
    )
    place.host.root("ip", "route", "add", *vanish)
    try:
        begun = time.monotonic()
        runner.join(timeout=120)
        assert not runner.is_alive()
        assert time.monotonic() - begun < 60
    finally:
        place.host.root("ip", "route", "del", *vanish)
        end = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'objects'::regclass"
        place.source.sql(f"{end} AND pid <> pg_backend_pid()", "codeocean")
        holder.wait()
    assert outcomes[0].code == 1
    assert "the restore failed in copy_tables; the old database is in place" in outcomes[0].errors
    place.old_is_in_place()
    place.unwrap()
    outcome = place.run()
    assert outcome.done, outcome.errors
    place.copy_is_complete()


def test_hidden_rows_are_not_left_out(place: Place) -> None:
    place.source.sql("ALTER TABLE secret FORCE ROW LEVEL SECURITY", "codeocean")
    assert place.run().code == 1
    log = place.file(LOG).read_text()
    assert 'query would be affected by row-level security policy for table "secret"' in log
    place.old_is_in_place()


# As if the restore had gone wrong: on the new database, when it has been analyzed, and after it has
# been configured for the comparison.
SPOIL = """
new=$(grep --only-matching --max-count=1 'codeocean_new_[0-9a-f]*' <<<"$*" | head --lines=1)
case "$*" in
*ANALYZE)
  /usr/bin/psql "$@" || exit
  sed "s/NEW/${new}/g" /run/test/sql | exec /usr/bin/psql "${@:1:$#-1}" --file=- >/dev/null
  exit
  ;;
*described=codeocean_new*)
  sed "s/NEW/${new}/g" /run/test/last.sql >/run/test/spoil.sql
  awk '/^COPY [(]$/ {while ((getline line < "/run/test/spoil.sql") > 0) print line} 1' |
    /usr/bin/psql "$@"
  exit
  ;;
*--command=*) ;;
*dbname=codeocean_new*)
  cat >/run/test/stdin.sql
  if grep --quiet '^DROP ROLE' /run/test/stdin.sql; then
    sed "s/NEW/${new}/g" /run/test/rights.sql >>/run/test/stdin.sql
  fi
  exec /usr/bin/psql "$@" </run/test/stdin.sql
  ;;
esac"""

SPOILED = {
    "DELETE FROM events WHERE ctid = '(0,1)'": r"r|999|.*|public.events",
    "UPDATE shapes SET a = '{2,1}' WHERE a = '{1,2}'": r"r|2|.*|public.shapes",
    "UPDATE secret SET x = 2": r"r|1|.*|public.secret",
    "INSERT INTO unlogged VALUES (1)": r"r|2|.*|public.unlogged",
    "INSERT INTO empty DEFAULT VALUES": r"r|1|.*|public.empty",
    "SELECT setval('turned', 9)": r"S|9|t|public.turned",
    "SELECT lo_put(4711, 1200000, 'x')": r"large object|4711|.*",
}

# When its owners have it.
SPOILED_RIGHTS = {
    "GRANT SELECT ON LARGE OBJECT 4712 TO app": "grant|large object|{4712}|{}||root|root|app|.*",
    "GRANT SELECT ON events TO app": r'"GRANT SELECT ON TABLE public.events TO app;"',
    "ALTER TABLE empty OWNER TO app": r"owner|table|{public,empty}|{}||app||||f",
    'GRANT TEMP ON DATABASE "NEW" TO app': r"grant|app|TEMPORARY|root|f",
}

# Its settings are there last of all.
SPOILED_LAST = {
    "ALTER ROLE app IN DATABASE \"NEW\" SET work_mem = '9MB'": r"setting|app|work_mem=9MB|.*",
    "ALTER DATABASE \"NEW\" SET lock_timeout = '9s'": r"setting|\N|lock_timeout=9s|.*",
    'ALTER DATABASE "NEW" CONNECTION LIMIT 51': r'database|root|.*"datconnlimit": 51.*',
    "COMMENT ON DATABASE \"NEW\" IS 'other'": r"database|root|.*|other|.*",
}


@pytest.mark.parametrize(
    ("spoiled", "file"),
    [(SPOILED, "sql"), (SPOILED_RIGHTS, "rights.sql"), (SPOILED_LAST, "last.sql")],
    ids=["content", "rights", "database"],
)
def test_a_copy_that_is_not_equal_stays_out(
    place: Place, spoiled: dict[str, str], file: str
) -> None:
    for name in ("sql", "rights.sql", "last.sql"):
        place.file(f"/run/test/{name}").write_text("")
    set_path = "SET search_path = public;" if file != "last.sql" else ""
    place.file(f"/run/test/{file}").write_text(f"{set_path}{';'.join(spoiled)};\n")
    place.wrap("psql", SPOIL)
    assert place.run().code == 1
    log = place.file(LOG).read_text()
    assert f"proved equal (< source, > target); all differences: {KEPT}" in log
    log = place.file(KEPT).read_text()
    for found in spoiled.values():
        pattern = re.sub(r"[|{]|\\N", lambda one: re.escape(one[0]), found)
        assert re.search(rf"^> {pattern}", log, re.MULTILINE), (found, log)
    place.old_is_in_place()
    place.unwrap()
    outcome = place.run()
    assert outcome.done, outcome.errors
    place.copy_is_complete()


# Death at any moment.

KILL = """
/usr/bin/grep --quiet db-copy-in /proc/self/cgroup || exec /usr/bin/PROGRAM "$@"
echo >>/run/test/calls
calls=$(wc --lines </run/test/calls)
if [[ "${calls} $*" == WHERE && ! -e /run/test/killed ]]; then
  touch /run/test/killed
  exec 5<&0
  [[ WHEN == before ]] || /usr/bin/PROGRAM "$@" <&5 &
  [[ WHEN != during ]] || /usr/bin/sleep 0.02
  [[ WHEN != after ]] || wait
  touch /run/test/kill
  exec /usr/bin/sleep infinity
fi"""

# The clients are nobody who may kill.
KILLER = f"""
until [[ -e /run/test/kill || -e /run/test/stop ]]; do /usr/bin/sleep 0.01; done
[[ ! -e /run/test/kill ]] || systemctl kill --signal=KILL {UNIT}"""


def kill_at(place: Place, where: str, when: str) -> bool:
    """Kill the work at a call of PostgreSQL's programs; return whether it came to that.

    where: a pattern of bash for the number of the call and its arguments.
    """
    for program in ("psql", "pg_dump", "pg_restore"):
        text = KILL.replace("PROGRAM", program).replace("WHERE", where).replace("WHEN", when)
        place.wrap(program, text)
    place.wrap("sleep", "exec /usr/bin/sleep 0.3")  # no meter: it would count
    with place.host.popen(["bash", "-c", KILLER]) as killer:
        outcome = place.run()
        place.file("/run/test/stop").touch()
        killer.wait()
    place.unwrap()
    killed = place.file("/run/test/killed").exists()
    assert outcome.done or killed, outcome.errors
    return killed


def recovers(place: Place) -> None:
    """After a death: the old one is in place, or the new one whole; pasted again, it is done."""
    closed = "SELECT datname FROM pg_database WHERE NOT datallowconn ORDER BY datname"
    assert re.fullmatch(r"(codeocean_new_\w+\n)?template0", place.target.sql(closed))
    if any(name.startswith("codeocean_old_") for name in place.names()):
        assert dumped(place.target) == dumped(place.source)
    else:
        assert place.target.sql("SELECT * FROM old", "codeocean") == "old"
    place.host.root("bash", "-c", "rm -rf /tmp/codeocean-cmdgen.*")
    outcome = place.run()
    assert outcome.done, outcome.errors
    place.copy_is_complete()


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    ("where", "when", "swapped"),
    [
        ("*--format=custom*", "during", False),
        ("*--use-list=first*", "after", False),
        ("*--exit-on-error*", "during", False),
        ('*"COPY public.objects "*FROM*', "during", False),
        ("*described=codeocean_new*", "before", False),
        ("*--schema-only*", "after", False),
        ("*--single-transaction*", "before", False),
        ("*--single-transaction*", "after", True),
    ],
    ids=["dump", "create", "restore", "copy", "try", "compare", "swap", "record"],
)
def test_a_death_costs_nothing(place: Place, where: str, when: str, swapped: bool) -> None:
    assert kill_at(place, where, when)
    assert any(name.startswith("codeocean_old_") for name in place.names()) == swapped
    recovers(place)


LAST_CALL = 90


@pytest.mark.campaign
@pytest.mark.parametrize("call", range(1, LAST_CALL + 1))
@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_a_death_at_any_moment_costs_nothing(place: Place, call: int, when: str) -> None:
    killed = kill_at(place, f'"{call} "*', when)
    assert not killed or call < LAST_CALL
    recovers(place)


def test_a_compared_copy_is_used_by_the_next_paste(place: Place) -> None:
    """Something that the master cannot end keeps the names: only the swap is repeated."""
    place.wrap("psql", "[[ $* != *--single-transaction* ]] || { echo no >&2; exit 1; }")
    refused = place.run()
    assert refused.code == 1
    assert "The copy is kept: " in refused.errors
    (new,) = (name for name in place.names() if name.startswith("codeocean_new_"))
    place.old_is_in_place(new)
    place.unwrap()
    planned = place.run(PLAN="1")
    assert planned.output.startswith(
        f"plan: would put the copy in place that was copied from {FROM}"
    )
    for program in ("pg_dump", "pg_restore"):
        place.wrap(program, "[[ $* == *--version* ]] || exit 1")
    outcome = place.run()
    assert outcome.done, outcome.errors
    place.copy_is_complete()


def test_a_compared_copy_that_was_opened_is_not_used(place: Place) -> None:
    place.wrap("psql", "[[ $* != *--single-transaction* ]] || { echo no >&2; exit 1; }")
    assert place.run().code == 1
    (new,) = (name for name in place.names() if name.startswith("codeocean_new_"))
    place.unwrap()
    place.target.sql(f"GRANT CONNECT ON DATABASE {new} TO app; ")
    place.target.sql("INSERT INTO public.owned VALUES (3)", new)
    outcome = place.run()
    assert outcome.done, outcome.errors
    place.copy_is_complete()


def test_a_plan_while_a_copy_runs(place: Place) -> None:
    assert place.run(WATCH="0").code == 4
    planned = place.run(PLAN="1")
    assert (planned.code, planned.output) == (
        0,
        f"plan: a copy to {TO} is running. Paste the script without PLAN=1 to follow it.\n",
    )
    assert place.run().done
    place.copy_is_complete()


def test_what_is_not_copied_is_named(place: Place) -> None:
    """Another database, and the jobs of pg_cron: another extension plays its part here."""
    place.source.sql('CREATE DATABASE "other \x1b[2J" IS_TEMPLATE true')
    place.source.sql(
        """CREATE EXTENSION hstore; CREATE SCHEMA cron;
        CREATE TABLE cron.job (jobid int, jobname text, schedule text, command text, database text,
          username text, active boolean);
        INSERT INTO cron.job VALUES (1, 'it''s', '0 3 * * *', E'DELETE FROM t;\\ndone: x',
          'codeocean', 'root', true);
        ALTER EXTENSION hstore ADD TABLE cron.job; GRANT USAGE ON SCHEMA cron TO root;
        GRANT SELECT ON cron.job TO root;
        UPDATE pg_extension SET extname = 'pg_cron' WHERE extname = 'hstore'"""
    )
    try:
        outcome = place.run(PLAN="1")
    finally:
        place.source.sql(
            "UPDATE pg_extension SET extname = 'hstore' WHERE extname = 'pg_cron';"
            "DROP EXTENSION hstore CASCADE; DROP SCHEMA cron CASCADE"
        )
        place.source.sql('ALTER DATABASE "other \x1b[2J" IS_TEMPLATE false')
        place.source.sql('DROP DATABASE "other \x1b[2J"')
    assert outcome.code == 0, outcome.errors
    assert 'not copied: database "other ?[2J". To copy it: ' in outcome.errors
    assert (
        f"not copied: jobs of pg_cron in postgres on {FROM}. To create them again,"
        in outcome.errors
    )
    assert (
        "  SELECT cron.schedule_in_database('it''s', '0 3 * * *', 'DELETE FROM t;\n  done: x', "
        "'codeocean', 'root', 'true');\n"
    ) in outcome.errors


# Sessions in the database that is put aside.


APP = f"host={TO} user=app password=app options=--statement-timeout=0 dbname="


def test_sessions_that_come_back_and_back(place: Place) -> None:
    """They are ended, and write into the old one until then, into the new one from then on."""
    table = "CREATE TABLE public.t (x int); GRANT INSERT ON public.t TO app"
    for server in (place.source, place.target):
        server.sql(table, "codeocean", user="root")
    insert = f"psql --dbname='{APP}codeocean' --command='INSERT INTO public.t VALUES (1)'"
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    loop = f"until [[ -e /run/test/stop ]]; do {insert} --command='SELECT pg_sleep(60)'; done"
    with ExitStack() as writers:
        for _ in range(3):
            writers.enter_context(place.host.popen(["bash", "-c", loop], **quiet))
        outcome = place.run()
        time.sleep(0.5)
        place.file("/run/test/stop").touch()
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'"
        place.target.sql(end)
    assert outcome.done, outcome.errors
    assert "not yet" not in place.file(LOG).read_text()
    for database in (place.kept, "codeocean"):
        assert place.target.sql("SELECT count(*) > 0 FROM public.t", database) == "t"


def test_a_session_that_may_not_be_ended(place: Place) -> None:
    """The system's own come and go: the swap is tried until they are gone, and all or nothing."""
    missing: list[str] = []
    held: list[subprocess.Popen[bytes]] = []

    def watch() -> None:
        while not place.file("/run/test/stop").exists():
            names = place.names()
            missing.extend(names if "codeocean" not in names else ())
            new = [name for name in names if name.startswith("codeocean_new_")]
            if new and not held:
                held.append(subprocess.Popen(place.target.command(new[0], "SELECT pg_sleep(30)")))
            time.sleep(0.1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    outcome = place.run()
    place.file("/run/test/stop").touch()
    watcher.join()
    held[0].wait()
    assert outcome.done, outcome.errors
    assert "not yet: " in place.file(LOG).read_text()
    assert missing == []
    place.copy_is_complete()


MEDDLE = """
CREATE OR REPLACE FUNCTION public.meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
IF session_user = 'root' THEN EXECUTE 'ALTER ROLE app CREATEDB'; END IF; RETURN NEW; END $$;
CREATE OR REPLACE TRIGGER meddle BEFORE INSERT ON public.owned FOR EACH ROW
EXECUTE FUNCTION public.meddle();
INSERT INTO public.owned VALUES (2);
"""

# Sessions of app that come until the swap, as soon as the new database exists.
MEDDLER = f"""
until [[ -e /run/test/stop ]]; do
  new=$(psql --no-psqlrc --tuples-only --no-align --dbname="{APP}postgres" --command="
    SELECT datname FROM pg_database WHERE datname LIKE 'codeocean_new%'")
  [[ ! ${{new}} ]] ||
    psql --quiet --dbname="{APP}${{new}}" --file=/run/test/meddle.sql >>/run/test/meddled 2>&1
done"""


@pytest.mark.parametrize("owner", ["root", "app"])
def test_nobody_else_gets_in_before_the_swap(place: Place, owner: str) -> None:
    """Who owns a table on the target could make the master run SQL, or add rows after the proof."""
    place.source.sql(
        "REVOKE CREATE ON SCHEMA public FROM app; GRANT TEMP ON DATABASE codeocean TO PUBLIC;"
        f"GRANT CONNECT ON DATABASE codeocean TO PUBLIC; ALTER DATABASE codeocean OWNER TO {owner}",
        "codeocean",
    )
    if owner == "root":
        place.source.sql("GRANT CREATE ON SCHEMA public TO app", "codeocean", user="root")
    place.file("/run/test/meddle.sql").write_text(MEDDLE)
    # Time to get in between the comparison and the swap.
    place.wrap("psql", "[[ $* != *--single-transaction* ]] || /usr/bin/sleep 2")
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with place.host.popen(["bash", "-c", MEDDLER], **quiet) as meddling:
        outcome = place.run()
        place.file("/run/test/stop").touch()
        meddling.wait()
    made = place.target.sql("SELECT rolcreatedb FROM pg_roles WHERE rolname = 'app'")
    place.target.sql("ALTER ROLE app NOCREATEDB")
    assert made == "f"
    assert outcome.done, outcome.errors
    refused = place.file("/run/test/meddled").read_text()
    assert re.search(r"permission denied for database|not currently accepting", refused)
    assert "permission denied for table" not in refused
    place.copy_is_complete()
    grants = "SELECT datdba::regrole FROM pg_database WHERE datname = 'codeocean'"
    assert place.target.sql(grants) == owner


# What a hostile database tries. It comes from a snapshot, with the least rights that make sense.


PWNED = "/run/test/pwned"

MALLORY = """
CREATE ROLE mallory LOGIN PASSWORD 'mallory' CREATEDB;
GRANT mallory TO root;
"""

# The one leaves a literal open where a filter takes its second line away; then the other is SQL.
COMMENTS = rf"""
GRANT CREATE ON DATABASE codeocean TO mallory;
SET SESSION AUTHORIZATION mallory;
CREATE SCHEMA m1; COMMENT ON SCHEMA m1 IS 'a
--';
CREATE SCHEMA m2; COMMENT ON SCHEMA m2 IS '
\! id >{PWNED}; touch {PWNED}
\unrestrict x
\o |touch {PWNED}
ALTER ROLE app CREATEDB;
';
"""


@pytest.fixture
def mallory(place: Place) -> Iterator[Place]:
    """A role on both servers that may make databases, schemas and comments."""
    for server in (place.source, place.target):
        server.sql(MALLORY)
    try:
        yield place
    finally:
        for server in (place.source, place.target):
            owned = server.sql(
                "SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database "
                "WHERE datdba = 'mallory'::regrole OR datname LIKE 'codeocean%'"
            )
            for statement in re.split(r"\n(?=DROP DATABASE )", owned):
                server.sql(statement)
            server.sql("DROP OWNED BY mallory; DROP ROLE mallory")


def nothing_was_run(place: Place) -> None:
    """Neither a command on the host nor SQL on the target."""
    assert not place.file(PWNED).exists()
    assert place.target.sql("SELECT rolcreatedb FROM pg_roles WHERE rolname = 'app'") == "f"
    members = "SELECT count(*) FROM pg_auth_members WHERE member = 'mallory'::regrole"
    assert place.target.sql(members) == "0"


def test_a_comment_is_no_command(mallory: Place) -> None:
    mallory.source.sql(COMMENTS, "codeocean")
    outcome = mallory.run()
    nothing_was_run(mallory)
    assert outcome.done, outcome.errors
    mallory.copy_is_complete()


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    "name",
    [
        "a\ncodeocean|1,1,1); GRANT root TO mallory;--|15",
        "a\ncodeocean|1, 1, x[$(touch /run/test/pwned)]|15",
        "codeocean' OR true; GRANT root TO mallory; --",
        'codeocean" ; GRANT root TO mallory; --',
        "-c GRANT root TO mallory $(touch /run/test/pwned) `id` \\! id",
        "\n\\! touch /run/test/pwned\n",
        "host=127.0.0.9 dbname=postgres",
        "\x1b]0;title\x07\x1b[2J",
    ],
)
def test_a_name_is_no_command(mallory: Place, name: str) -> None:
    """A database beside ours, on both servers."""
    assert len(name) <= 63
    quoted = name.replace('"', '""')
    for server in (mallory.source, mallory.target):
        server.sql(f'CREATE DATABASE "{quoted}" OWNER mallory')
    for server in (mallory.source,):  # made after it, so found after it
        server.sql("ALTER DATABASE codeocean RENAME TO other")
        server.sql("CREATE DATABASE codeocean TEMPLATE other OWNER root; DROP DATABASE other")
        server.sql(
            "SELECT lo_from_bytea(n, 'x') FROM generate_series(1, 9) AS n", "codeocean", user="root"
        )
    outcome = mallory.run()
    nothing_was_run(mallory)
    assert outcome.done, outcome.errors
    assert "\x1b" not in outcome.errors
    assert mallory.names() == sorted(
        ["codeocean", mallory.kept, *([name] if name.startswith("codeocean") else [])]
    )


def token(run: str = "first") -> str:
    """Return what names a run: everybody who knows its values knows it."""
    digest = hashlib.sha256(f"codeocean {TO} 5432 codeocean {run}\n".encode())
    return digest.hexdigest()[:12]


FORGED = (
    "codeocean-cmdgen db-copy-in first {token} completed 2020 from {FROM}:5432, in 1 s, all "
    "compared: 1 tables, 1 rows; the database before is {old}"
)


@pytest.mark.sample(1)
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_comment_is_no_record(mallory: Place, side: str) -> None:
    """The owner of a database may say of it what the record of the work would say."""
    server = mallory.source if side == "source" else mallory.target
    old = "codeocean_old_'; ALTER ROLE app CREATEDB; --"
    server.sql('CREATE DATABASE "codeocean_old_x" OWNER mallory')
    for name in (old.replace("'", "''"), "codeocean_old_x"):
        text = FORGED.format(token=token(), FROM=FROM, old=name)
        server.sql(f"COMMENT ON DATABASE codeocean IS 'ours\n{text}'")
        for answers in ({"PLAN": "1"}, {"CONFIRM": "codeocean_old_x"}):
            refused = mallory.run(drop_old="yes", **answers)
            assert refused.code == 1
            assert "run first has replaced no database codeocean" in refused.errors
        assert "nothing was changed" in mallory.run(PLAN="1").output
    nothing_was_run(mallory)
    server.sql('DROP DATABASE "codeocean_old_x"')
    outcome = mallory.run()
    assert outcome.done, outcome.errors
    mallory.copy_is_complete()


def test_the_intent_without_the_swap_is_no_record(place: Place) -> None:
    """Killed before the swap: the record holds what a swap would have said, and that counts not."""
    assert kill_at(place, "*--single-transaction*", "before")
    assert " intent " in place.file(RECORD).read_text()
    forged = FORGED.format(token=token(), FROM=FROM, old="codeocean")
    place.target.sql(f"COMMENT ON DATABASE codeocean IS '{forged}'")
    assert place.run(drop_old="yes", PLAN="1").code == 1
    recovers(place)


LYING = r"""
CREATE FUNCTION pg_catalog.format(text, text, text) RETURNS text LANGUAGE sql AS $$
  SELECT E'\\! touch /run/test/pwned\nALTER ROLE app CREATEDB;' $$;
CREATE FUNCTION pg_catalog.format(text, name, text) RETURNS text LANGUAGE sql AS $$
  SELECT E'\\! touch /run/test/pwned\nALTER ROLE app CREATEDB;' $$;
CREATE FUNCTION pg_catalog.format(text, "char", text, text, regclass) RETURNS text LANGUAGE sql
  AS $$ SELECT E'\\! touch /run/test/pwned\nALTER ROLE app CREATEDB;' $$;
CREATE FUNCTION pg_catalog.format(text, "char", text, regclass) RETURNS text LANGUAGE sql
  AS $$ SELECT E'\\! touch /run/test/pwned\nALTER ROLE app CREATEDB;' $$;
CREATE FUNCTION pg_catalog.quote_ident(name) RETURNS text LANGUAGE sql AS $$
  SELECT 'x) TO STDOUT; ALTER ROLE app CREATEDB; COPY (SELECT 1'::text $$;
"""


def test_what_a_lying_server_says_is_run_nowhere(mallory: Place) -> None:
    mallory.source.sql(LYING, "codeocean")
    outcome = mallory.run()
    nothing_was_run(mallory)
    assert not outcome.done


LYING_NAMES = """
DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO root;
DROP SCHEMA "DATABASE" CASCADE;
CREATE TABLE public.t (x int); ALTER TABLE public.t OWNER TO root;
CREATE FUNCTION pg_catalog.quote_ident(name) RETURNS text LANGUAGE sql AS
  $$ SELECT 'x) FROM STDIN; ALTER ROLE app CREATEDB; --'::text $$;
"""


def test_names_become_sql_in_the_quotes_of_the_target_alone(mallory: Place) -> None:
    mallory.source.sql(LYING_NAMES, "codeocean")
    mallory.run()
    nothing_was_run(mallory)


# Of a large table, what counts its blocks.
LYING_SIZE = """
CREATE FUNCTION pg_catalog.jsonb_build_array(jsonb, regclass, text, text, bigint, bigint)
RETURNS jsonb LANGUAGE sql AS $f$ SELECT pg_catalog.jsonb_build_array(VARIADIC ARRAY[
  $1, to_jsonb($2::text), to_jsonb($3), to_jsonb($4),
  to_jsonb('1,0)$$) TO STDOUT; COMMIT; ALTER ROLE app CREATEDB; --'::text), '99999999']) $f$;
"""


def test_a_size_is_no_command(mallory: Place) -> None:
    mallory.source.sql(LYING_SIZE, "codeocean")
    outcome = mallory.run()
    nothing_was_run(mallory)
    assert mallory.source.sql("SELECT rolcreatedb FROM pg_roles WHERE rolname = 'app'") == "f"
    assert "the restore failed in copy_tables; the old database is in place" in outcome.errors


HOSTILE = r"""
CREATE SCHEMA "-- '"" $(touch /run/test/pwned) \! id";
CREATE TABLE "-- '"" $(touch /run/test/pwned) \! id"."\.
\! touch /run/test/pwned
done: x|y" ("a b,""'" int, "\restrict x
\unrestrict x" text);
INSERT INTO "-- '"" $(touch /run/test/pwned) \! id"."\.
\! touch /run/test/pwned
done: x|y" VALUES (1, E'\\.\n\\! touch /run/test/pwned\nCOPY');
CREATE TABLE constrained (x int CONSTRAINT "\! touch /run/test/pwned
" CHECK (x > 0) CONSTRAINT "'; ALTER ROLE app CREATEDB; --" UNIQUE);
COMMENT ON CONSTRAINT "'; ALTER ROLE app CREATEDB; --" ON constrained IS '
\! touch /run/test/pwned';
CREATE INDEX "$(touch /run/test/pwned); ""x" ON constrained (x);
CREATE FUNCTION format(text, text) RETURNS text LANGUAGE sql AS $$ SELECT
  'ALTER ROLE app CREATEDB'::text $$;
CREATE FUNCTION count() RETURNS bigint LANGUAGE sql AS $$ SELECT 0::bigint $$;
CREATE FUNCTION quote_ident(text) RETURNS text LANGUAGE sql AS $$ SELECT 'app'::text $$;
CREATE FUNCTION equal(oid, oid) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;
CREATE OPERATOR = (LEFTARG = oid, RIGHTARG = oid, FUNCTION = equal);
CREATE FUNCTION body() RETURNS text LANGUAGE sql AS $body$ SELECT '
--
-- Name: EXTENSION hstore; Type: COMMENT; Schema: -; Owner:
--

COMMENT ON EXTENSION hstore IS ''x'';

\unrestrict x
\! touch /run/test/pwned
--
-- PostgreSQL database dump complete
--
'::text $body$;
ALTER DATABASE codeocean SET search_path = public, pg_catalog, "a ""b', c", '';
ALTER DATABASE codeocean SET application_name = E'x\n\\! touch /run/test/pwned\n''; --';
ALTER DATABASE codeocean SET "lc_time" = 'C';
ALTER ROLE "Odd ""Reader" IN DATABASE codeocean
  SET application_name = E'--\n''; ALTER ROLE app CREATEDB; --';
ALTER ROLE root IN DATABASE codeocean SET default_transaction_read_only = on;
ALTER ROLE app IN DATABASE codeocean SET local_preload_libraries = 'a', 'b "c';
COMMENT ON DATABASE codeocean IS E'\\! touch /run/test/pwned\n--\n\\unrestrict x\n''; x';
"""


def test_hostile_names_arrive_as_they_are(mallory: Place) -> None:
    mallory.source.sql(HOSTILE, "codeocean", user="root")
    outcome = mallory.run()
    nothing_was_run(mallory)
    assert outcome.done, outcome.errors
    mallory.copy_is_complete()
    assert not re.search(r"^done: x", mallory.file(LOG).read_text(), re.MULTILINE)


# Tables that are copied in several streams, each just larger than 64 MiB, most of it free space.

LARGE = """
CREATE TABLE public.large (id int, note text, half int GENERATED ALWAYS AS (id / 2) STORED)
  WITH (fillfactor = 10);
INSERT INTO public.large (id, note) SELECT i, repeat('x', 200) FROM generate_series(1, 27000) i;
DELETE FROM public.large WHERE id % 5 = 0 OR id BETWEEN 13000 AND 14000;
UPDATE public.large SET note = 'changed' WHERE id % 7 = 0;
"""
ALL_LARGE = rf"""
{LARGE}
CREATE TABLE public.documents (body text);
ALTER TABLE public.documents ALTER body SET STORAGE EXTERNAL;
INSERT INTO public.documents SELECT repeat(md5(i::text), 2000) FROM generate_series(1, 1100) i;
CREATE TABLE public.ancestor (note text) WITH (fillfactor = 10);
CREATE TABLE public.heir () INHERITS (public.ancestor) WITH (fillfactor = 10);
CREATE TABLE public.years (year int, note text) PARTITION BY RANGE (year);
CREATE TABLE public.year_1 PARTITION OF public.years FOR VALUES FROM (1) TO (2)
  WITH (fillfactor = 10);
CREATE TABLE public."\! touch {PWNED}
'$(id)$$"" \." ("a ' ""$$" text) WITH (fillfactor = 10);
INSERT INTO public.ancestor SELECT repeat('x', 200) || i FROM generate_series(1, 26000) i;
INSERT INTO public.heir SELECT note FROM public.ancestor;
INSERT INTO public.years SELECT 1, note FROM ONLY public.ancestor;
INSERT INTO public."\! touch {PWNED}
'$(id)$$"" \." SELECT note FROM ONLY public.ancestor;
"""
# Their streams on the source, when they are about to begin.
RANGES = "[[ $* != *'FROM ONLY public.large WHERE ctid '*TO* ]]"


def test_large_tables_arrive(mallory: Place) -> None:
    """With holes, with TOAST, with rows of other tables behind them."""
    mallory.source.sql(ALL_LARGE, "codeocean", user="root")
    streams = "echo >>/run/test/streams"
    mallory.wrap("psql", f"[[ $* != *' WHERE ctid '*TO* ]] || {streams}")
    outcome = mallory.run()
    nothing_was_run(mallory)
    assert outcome.done, outcome.errors
    assert mallory.file("/run/test/streams").read_text() == "\n" * 12
    mallory.copy_is_complete()


def test_a_large_table_is_copied_by_streams_beside_each_other(place: Place) -> None:
    """Both of them wait for a lock when nothing else is left to do."""
    place.source.sql(LARGE, "codeocean", user="root")
    until_locked = "until [[ -e /run/test/locked ]]; do /usr/bin/sleep 0.1; done"
    place.wrap("psql", f"{RANGES} || {{ touch /run/test/ready; {until_locked}; }}")
    outcomes: list[Outcome] = []
    runner = threading.Thread(target=lambda: outcomes.append(place.run()))
    runner.start()
    wait_for(place.file("/run/test/ready").exists)
    lock = ["BEGIN", "LOCK public.large", "SELECT pg_sleep(999)"]
    with subprocess.Popen(place.source.command("codeocean", *lock)) as holder:
        held = "FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted"
        wait_for(lambda: place.source.sql(f"SELECT count(*) {held}", "codeocean") != "0")
        place.file("/run/test/locked").touch()
        waiting = "wait_event_type = 'Lock' AND query LIKE 'COPY (SELECT %public.large%'"
        sessions = f"SELECT count(*) FROM pg_stat_activity WHERE {waiting}"
        wait_for(lambda: place.source.sql(sessions) == "2")
        place.source.sql(f"SELECT pg_terminate_backend(pid) {held}", "codeocean")
        holder.wait()
    runner.join(timeout=300)
    assert outcomes[0].done, outcomes[0].errors
    place.copy_is_complete()


@pytest.mark.parametrize("block", ["0,", "[1-9]"])
def test_a_range_that_fails_stops_the_copy(place: Place, block: str) -> None:
    place.source.sql(LARGE, "codeocean", user="root")
    place.wrap("psql", f"[[ $* != *'ctid >= $$('{block}*TO* ]] || exit 1")
    outcome = place.run()
    assert outcome.code == 1
    assert "the restore failed in copy_tables; the old database is in place" in outcome.errors
    place.old_is_in_place()


@pytest.mark.parametrize("blocks", [0, 4])
def test_no_row_is_lost_if_the_size_is_wrong(place: Place, blocks: int) -> None:
    """As if the table had grown, or shrunk, since its blocks were counted."""
    place.source.sql(LARGE, "codeocean", user="root")
    place.source.sql(
        f"""CREATE FUNCTION pg_catalog.pg_relation_size(oid) RETURNS bigint LANGUAGE sql
        AS 'SELECT {blocks}::bigint * 8192'""",
        "codeocean",
    )
    outcome = place.run()
    assert outcome.done, outcome.errors
    place.copy_is_complete()


ROLE_NAMES = [
    "x'; ALTER ROLE app CREATEDB; --",
    'x"; ALTER ROLE app CREATEDB; --',
    "x\n\\! touch /run/test/pwned\ndone: x|\\N",
    ":'new' :\"new\" $(touch /run/test/pwned) `id` \x1b[2J",
    "current_user",
]

# The owner of a database also gets schemas lent while they are restored.
OWNED = r"""
GRANT CREATE ON SCHEMA public TO NAME WITH GRANT OPTION;
CREATE SCHEMA owned_by_it AUTHORIZATION NAME;
CREATE SCHEMA "\! ""$(id)"" '; x" AUTHORIZATION pg_database_owner;
CREATE TABLE "\! ""$(id)"" '; x".t AS SELECT 1 AS x;
REVOKE GRANT OPTION FOR CONNECT ON DATABASE codeocean FROM app;
ALTER DATABASE codeocean OWNER TO NAME;
ALTER TABLE "\! ""$(id)"" '; x".t OWNER TO NAME;
ALTER DEFAULT PRIVILEGES FOR ROLE NAME GRANT ALL ON FUNCTIONS TO NAME;
ALTER ROLE NAME IN DATABASE codeocean SET application_name = E'\\! \n''; --';
GRANT SELECT ON LARGE OBJECT 4711 TO NAME;
"""


@pytest.mark.sample(1)
@pytest.mark.parametrize("name", ROLE_NAMES)
def test_a_role_name_is_no_command(mallory: Place, name: str) -> None:
    assert len(name) <= 63
    quoted = '"' + name.replace('"', '""') + '"'
    for server in (mallory.source, mallory.target):
        server.sql(f"CREATE ROLE {quoted}; GRANT {quoted} TO root")
    try:
        mallory.source.sql(OWNED.replace("NAME", quoted), "codeocean")
        outcome = mallory.run()
        nothing_was_run(mallory)
        assert outcome.done, outcome.errors
        assert "\x1b" not in outcome.errors
        mallory.copy_is_complete()
    finally:
        for server in (mallory.source, mallory.target):
            names = server.sql("SELECT datname FROM pg_database WHERE datname LIKE 'codeocean%'")
            for database in names.splitlines():
                server.sql(f'DROP DATABASE "{database}" WITH (FORCE)')
            server.sql(f"DROP ROLE {quoted}")


EXTENSION_NAMES = [
    "x'; ALTER ROLE app CREATEDB; --",
    'x" ; ALTER ROLE app CREATEDB; --',
    "x\n\\! touch /run/test/pwned\n\\.\ndone: x",
    "$(touch /run/test/pwned)\x1b[2J",
]


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", EXTENSION_NAMES)
def test_an_extension_name_is_no_command(mallory: Place, name: str) -> None:
    """Whatever a source calls an extension, the target only finds that it has none."""
    quoted = name.replace("'", "''")
    rename = f"UPDATE pg_extension SET extname = E'{quoted}' WHERE extname = 'hstore'"
    mallory.source.sql(rename.replace("\\", "\\\\"), "codeocean")
    outcome = mallory.run()
    nothing_was_run(mallory)
    mallory.old_is_in_place()
    assert outcome.code == 1
    assert re.search(rf"problem: {TO}: extension .* is not available", outcome.errors, re.DOTALL)
    assert "\x1b" not in outcome.errors
    assert not re.search(r"^done: ", outcome.errors, re.MULTILINE)


def test_settings_come_last(place: Place) -> None:
    """They would change what the master's own sessions do in the new database."""
    count = "SELECT count(*) FROM pg_db_role_setting JOIN pg_database ON oid = setdatabase"
    place.wrap(
        "psql",
        '[[ $* != *ANALYZE ]] || /usr/bin/psql "${@:1:$#-1}" --command="'
        f'{count} WHERE datname = current_database()" >/run/test/settings',
    )
    assert place.run().done
    assert place.file("/run/test/settings").read_text() == "0\n"
    assert int(place.target.sql(f"{count} WHERE datname = 'codeocean'")) > 0


@pytest.mark.sample(1)
@pytest.mark.parametrize("of", ["DATABASE codeocean", "ROLE root IN DATABASE codeocean"])
def test_settings_of_the_source_change_nothing_on_the_way(place: Place, of: str) -> None:
    place.source.sql(
        f"""CREATE TABLE public.t (at timestamptz DEFAULT '2020-01-01 00:00+00', b bytea, x text,
        m money CHECK (m > 1.5::numeric::money), CHECK (b <> '\\x00'));
        INSERT INTO public.t VALUES ('2020-01-01 00:00+00', '\\x0102', U&'caf\\00e9', 12.5);
        ALTER TABLE public.t OWNER TO root; ALTER TABLE public.owned OWNER TO root;
        ALTER {of} SET timezone = 'America/New_York';
        ALTER {of} SET bytea_output = 'escape'; ALTER {of} SET client_encoding = 'LATIN1';
        ALTER {of} SET quote_all_identifiers = on; ALTER {of} SET lc_monetary = 'C.UTF-8';
        ALTER {of} SET role = 'app'""",
        "codeocean",
    )
    outcome = place.run()
    assert outcome.done, outcome.errors
    # They have arrived. Then they are taken away: they would get in the way of the test, too.
    settings = """SELECT setrole::regrole, unnest(setconfig) AS setting FROM pg_db_role_setting
        JOIN pg_database AS d ON d.oid = setdatabase AND datname = 'codeocean' ORDER BY 1, 2"""
    arrived = place.target.sql(settings)
    assert "role=app" in arrived
    assert arrived == place.source.sql(settings)
    for server in (place.source, place.target):
        server.sql(f"ALTER {of} RESET ALL")
    place.copy_is_complete()


# As if the source had a size of one byte.
METER = """
case "$*" in
*seconds=*)
  echo >>/run/test/meters
  exec /usr/bin/psql "${@/#--set=size=*/--set=size=1}"
  ;;
*'COPY public.objects ('*TO*) /usr/bin/sleep 2; FAIL ;;
esac"""


@pytest.mark.sample(1)
@pytest.mark.parametrize("fail", [":", "exit 1"])
def test_the_meter_ends_with_the_work_and_at_100_percent(place: Place, fail: str) -> None:
    place.wrap("psql", METER.replace("FAIL", fail))
    place.wrap("sleep", "exec /usr/bin/sleep 0.2")
    outcome = place.run()
    assert outcome.done == (fail == ":"), outcome.errors
    log = place.file(LOG).read_text()
    shares = [int(share) for share in re.findall(r"^(\d+) %, ", log, re.MULTILINE)]
    assert shares
    assert max(shares) <= 100
    size = place.file("/run/test/meters").stat().st_size
    time.sleep(1)
    assert place.file("/run/test/meters").stat().st_size == size


def test_a_message_of_a_server_is_no_outcome(place: Place) -> None:
    """A work that dies after such a message has not said that it is done."""
    table = '"x\ndone: completed"'
    place.source.sql(
        f"CREATE TABLE public.{table} (x int); ALTER TABLE public.{table} OWNER TO root;"
        f"ALTER TABLE public.{table} ENABLE ROW LEVEL SECURITY;"
        f"ALTER TABLE public.{table} FORCE ROW LEVEL SECURITY",
        "codeocean",
    )
    assert not place.run().done
    log = place.file(LOG).read_text()
    assert "done: completed" in log
    assert not re.search("^done: ", log, re.MULTILINE)
    place.old_is_in_place()


# A function of the content, in a session of ours: psql prints what such a session is notified of.
NOTIFIES = r"""
GRANT CREATE ON DATABASE codeocean TO mallory; SET SESSION AUTHORIZATION mallory;
CREATE SCHEMA m;
CREATE FUNCTION m.notifies() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
LISTEN x; PERFORM pg_notify('x', E'\ndone: forged \x1b[2J'); RETURN true; END $$;
CREATE TABLE m.t (x int CHECK (m.notifies()));
INSERT INTO m.t VALUES (1);
"""


def test_a_notification_is_no_outcome(mallory: Place) -> None:
    mallory.source.sql(NOTIFIES, "codeocean")
    outcome = mallory.run()
    assert outcome.done, outcome.errors
    log = mallory.file(LOG).read_text()
    assert "forged" not in log
    assert "\x1b" not in log
    mallory.copy_is_complete()


# The dump of a database leaves out whatever belongs to an extension.
HIDDEN = """
GRANT CREATE ON DATABASE codeocean TO mallory; SET SESSION AUTHORIZATION mallory;
CREATE SCHEMA m; CREATE EXTENSION citext SCHEMA m;
CREATE TABLE m.t (x int); INSERT INTO m.t VALUES (1); ALTER EXTENSION citext ADD TABLE m.t;
CREATE SEQUENCE m.s; ALTER EXTENSION citext ADD SEQUENCE m.s;
CREATE FUNCTION m."f '" (x int) RETURNS int LANGUAGE sql RETURN 1;
ALTER EXTENSION citext ADD FUNCTION m."f '" (int);
CREATE VIEW m.v AS SELECT 1 AS one; ALTER EXTENSION citext ADD VIEW m.v;
CREATE TYPE m.mood AS ENUM ('a'); ALTER EXTENSION citext ADD TYPE m.mood;
"""


def test_nothing_can_hide_in_an_extension(mallory: Place) -> None:
    mallory.source.sql(HIDDEN, "codeocean")
    assert mallory.run().code == 1
    log = mallory.file(LOG).read_text()
    for name in ("SEQUENCE m.s", "TABLE m.t", 'FUNCTION m."f \'"(integer)', "VIEW m.v"):
        assert f"{FROM}: ALTER EXTENSION citext DROP {name}\n" in log
    assert f"{FROM}: ALTER EXTENSION citext DROP TYPE m.mood\n" in log
    assert "stopped: the extensions of the target do not create these objects" in log
    mallory.old_is_in_place()
    # What the message advises.
    commands = set(re.findall(rf"^{FROM}: (ALTER EXTENSION .*)$", log, re.MULTILINE))
    mallory.source.sql(";".join(commands), "codeocean", user="root")
    outcome = mallory.run()
    assert outcome.done, outcome.errors
    mallory.copy_is_complete()


# Functions wherever a restore or a comparison may run them. Each tells the server's log who it is,
# and tries to gain rights as whoever runs it.
CANARIES = r"""
GRANT CREATE ON DATABASE codeocean TO mallory; SET SESSION AUTHORIZATION mallory;
CREATE SCHEMA m; SET search_path = m;
CREATE FUNCTION m.attack(place text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE attempt text;
BEGIN
  RAISE LOG 'canary in % runs as %', place, session_user;
  FOREACH attempt IN ARRAY ARRAY['RESET ROLE', 'SET ROLE root', 'ALTER ROLE app CREATEDB',
    'ALTER ROLE mallory CREATEROLE', 'GRANT root TO mallory', 'GRANT rds_superuser TO mallory'] LOOP
    BEGIN EXECUTE attempt; EXCEPTION WHEN OTHERS THEN NULL; END;
  END LOOP;
  RETURN true;
END $$;
CREATE FUNCTION m.quiet(x int, place text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN PERFORM m.attack(place); RETURN x; END $$;
CREATE FUNCTION m.less(a int, b int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN PERFORM m.attack('operator'); RETURN a OPERATOR(pg_catalog.<) b; END $$;
CREATE OPERATOR m.<<< (LEFTARG = int, RIGHTARG = int, FUNCTION = m.less);
CREATE DOMAIN m.checked AS int CHECK (m.attack('domain'));
CREATE TYPE m.pair AS (a int, b m.checked);
CREATE TYPE m.key AS (k int);
CREATE FUNCTION m.number_of(x m.key) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN PERFORM m.attack('cast'); RETURN x.k; END $$;
CREATE CAST (m.key AS int) WITH FUNCTION m.number_of(m.key) AS IMPLICIT;
CREATE TABLE m.t (x int CHECK (m.attack('check')), y int GENERATED ALWAYS AS
  (m.quiet(x, 'generated')) STORED, z m.checked, p m.pair, d int DEFAULT m.quiet(1, 'default'),
  CONSTRAINT compared CHECK (x OPERATOR(m.<<<) 99));
INSERT INTO m.t VALUES (1, DEFAULT, 2, '(1,2)', 4);
CREATE INDEX ON m.t (m.quiet(x, 'index'));
CREATE INDEX ON m.t (x) WHERE m.quiet(x, 'predicate') > 0;
CREATE STATISTICS m.both ON (m.quiet(x, 'statistics')), d FROM m.t;
CREATE TABLE m.parted (x int) PARTITION BY LIST (m.quiet(x, 'partition'));
CREATE TABLE m.part PARTITION OF m.parted FOR VALUES IN (1);
INSERT INTO m.parted VALUES (1);
CREATE TABLE m.main (k int PRIMARY KEY); INSERT INTO m.main VALUES (1);
CREATE TABLE m.referring (k m.key REFERENCES m.main); INSERT INTO m.referring VALUES (ROW(1));
CREATE MATERIALIZED VIEW m.seen AS SELECT m.quiet(x, 'materialized view') FROM m.t;
CREATE VIEW m.v AS SELECT m.quiet(x, 'view') FROM m.t;
CREATE FUNCTION m.fires() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM m.attack('trigger'); RETURN NEW; END $$;
CREATE TRIGGER fires BEFORE INSERT OR UPDATE ON m.t FOR EACH ROW EXECUTE FUNCTION m.fires();
ALTER TABLE m.t ENABLE ALWAYS TRIGGER fires;
CREATE POLICY p ON m.t USING (m.attack('policy'));
ALTER TABLE m.t ENABLE ROW LEVEL SECURITY;
"""


def test_nothing_of_the_content_runs_as_the_master(mallory: Place) -> None:
    mallory.source.sql(CANARIES, "codeocean")
    log = mallory.target.log()
    outcome = mallory.run()
    ran = re.findall(r"canary in (.*) runs as (\S+)", mallory.target.log().removeprefix(log))
    nothing_was_run(mallory)
    places = {place for place, _ in ran}
    assert places >= {"check", "generated", "domain", "operator", "index", "predicate", "cast"}
    assert {user for _, user in ran} == {f"codeocean_new_{token()}"}
    assert outcome.done, outcome.errors
    mallory.copy_is_complete()


# The role that fills the new database can let others in. Whoever got in has to leave.
OPENS = r"""
GRANT CREATE ON DATABASE codeocean TO mallory; SET SESSION AUTHORIZATION mallory;
CREATE SCHEMA m;
CREATE FUNCTION m.opens() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE attempt text;
BEGIN
  FOREACH attempt IN ARRAY ARRAY['GRANT ALL ON DATABASE %I TO PUBLIC',
    'GRANT ALL ON DATABASE %I TO mallory WITH GRANT OPTION', 'GRANT %2$I TO mallory',
    'ALTER ROLE %2$I PASSWORD ''known'''] LOOP
    -- With another password, the copy would fail. So that comes last.
    CONTINUE WHEN attempt LIKE '%PASSWORD%' AND current_query() NOT LIKE 'ANALYZE%';
    BEGIN
      EXECUTE format(attempt, current_database(), current_user);
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
  END LOOP;
  RETURN true;
END $$;
CREATE FUNCTION m.quiet(x int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN PERFORM m.opens(); RETURN x; END $$;
CREATE TABLE m.t (x int CHECK (m.opens())); INSERT INTO m.t VALUES (1);
CREATE INDEX ON m.t (m.quiet(x));
"""

# While both are compared, and until the swap.
INTRUDER = """
until [[ -e /run/test/compared ]]; do /usr/bin/sleep 0.1; done
until [[ -e /run/test/stop ]]; do
  for who in mallory:mallory NEW:known; do
    PGPASSWORD=${who#*:} psql --quiet --set=ON_ERROR_STOP=1 \\
      --dbname="host=SERVER user=${who%:*} dbname=NEW" \\
      --command='SET ROLE NEW' --command='INSERT INTO m.t VALUES (2)' \\
      >>/run/test/intruded 2>&1 && echo 'got in' >>/run/test/intruded
  done
done"""


WHEN_THE_ROLE_GOES = """
if [[ $* == *dbname=codeocean_new* && $* != *--command=* ]]; then
  text=$(cat)
  if [[ ${text} == *'DROP ROLE'* ]]; then THEN; fi
  exec /usr/bin/psql "$@" <<<"${text}"
fi
"""


def test_who_was_let_in_has_to_leave(mallory: Place) -> None:
    mallory.source.sql(OPENS, "codeocean")
    mallory.wrap(
        "psql",
        WHEN_THE_ROLE_GOES.replace("THEN", "touch /run/test/compared; /usr/bin/sleep 2")
        + "[[ $* != *--single-transaction* ]] || /usr/bin/sleep 2",
    )
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    intruder = INTRUDER.replace("NEW", f"codeocean_new_{token()}").replace("SERVER", TO)
    with mallory.host.popen(["bash", "-c", intruder], **quiet) as intruding:
        outcome = mallory.run()
        mallory.file("/run/test/compared").touch()
        mallory.file("/run/test/stop").touch()
        intruding.wait()
    assert outcome.done, outcome.errors
    intruded = mallory.file("/run/test/intruded").read_text()
    assert "got in" not in intruded
    assert 'permission denied for database "codeocean_new' in intruded
    assert "is not permitted to log in" in intruded
    mallory.copy_is_complete()


# Functions that run as the owner of everything, and change what belongs to others.
BESIDE = r"""
CREATE TABLE public.tokens (id bigint, until timestamptz, amount numeric, note text);
INSERT INTO public.tokens VALUES (5, '2020-01-01 00:00+00', 1.5, 'x');
ALTER TABLE public.tokens OWNER TO root;
GRANT CREATE ON DATABASE codeocean TO mallory; SET SESSION AUTHORIZATION mallory;
CREATE SCHEMA m;
CREATE FUNCTION m.quiet(x int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
IF current_user LIKE 'codeocean_new%' THEN PERFORM m.tampers(); END IF; RETURN x; END $$;
CREATE TABLE m.t (x int, y int); INSERT INTO m.t SELECT n, n FROM generate_series(1, 200) AS n;
CREATE INDEX ON m.t (m.quiet(x));
"""

# Values of which PostgreSQL's own hash is the same, with any seed.
SAME_HASH = """
CREATE FUNCTION m.tampers() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
UPDATE public.tokens SET CHANGE; END $$;
"""


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    "change",
    ["id = 4294967300", "amount = 1.500", "until = until + '70368744.161280 s'::interval"],
)
def test_another_value_with_the_same_hash_is_another_value(mallory: Place, change: str) -> None:
    mallory.source.sql(BESIDE + SAME_HASH.replace("CHANGE", change), "codeocean")
    assert mallory.run().code == 1
    assert re.search(r"^> r\|1\|.*\|public\.tokens$", mallory.file(KEPT).read_text(), re.MULTILINE)
    mallory.old_is_in_place()


# It makes autovacuum analyze its table again. There it waits until the rows were compared.
WAITS = """
CREATE FUNCTION m.tampers() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
IF current_setting('m.busy', true) = 'yes' OR current_query() LIKE 'CREATE INDEX%' THEN
  RETURN;
END IF;
PERFORM set_config('m.busy', 'yes', true);
IF current_query() LIKE 'ANALYZE%' THEN UPDATE m.t SET y = y; RETURN; END IF;
RAISE LOG 'autovacuum runs the function as %', current_user;
WHILE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'compared') LOOP
  PERFORM pg_sleep(0.05);
END LOOP;
UPDATE public.tokens SET note = 'tampered'; END $$;
"""

ROWS_COMPARED = """
if [[ $* == *dbname=codeocean_new* && $* != *--command=* ]]; then
  text=$(cat)
  [[ ${text} != *BEFORE* ]] || /usr/bin/sleep 5
  /usr/bin/psql "$@" <<<"${text}"; code=$?
  [[ ${text} != *hashtextextended* ]] || { touch /run/test/compared; /usr/bin/sleep 3; }
  exit ${code}
fi"""


def test_autovacuum_changes_nothing_that_was_compared(mallory: Place) -> None:
    """It runs functions of an index as the owner of the table, at any time."""
    mallory.source.sql(BESIDE + WAITS, "codeocean")
    mallory.wrap("psql", ROWS_COMPARED.replace("BEFORE", "wanted"))
    log = mallory.target.log()
    done = threading.Event()

    def tell() -> None:
        while not done.wait(0.05):
            if mallory.file("/run/test/compared").exists():
                mallory.target.sql("CREATE ROLE compared")
                return

    mallory.target.sql("ALTER SYSTEM SET autovacuum_naptime = '1s'")
    mallory.target.sql("SELECT pg_reload_conf()")
    teller = threading.Thread(target=tell)
    teller.start()
    try:
        outcome = mallory.run()
    finally:
        done.set()
        teller.join()
        mallory.target.sql("DROP ROLE IF EXISTS compared; SELECT pg_reload_conf()")
        mallory.target.sql("ALTER SYSTEM RESET autovacuum_naptime")
        mallory.target.sql("SELECT pg_reload_conf()")
    ran = mallory.target.log().removeprefix(log)
    assert f"autovacuum runs the function as codeocean_new_{token()}" in ran
    assert outcome.done, outcome.errors
    mallory.copy_is_complete()


# A dump leaves out what belongs to an extension, and who owns it can add anything.
HIDES = """
GRANT CREATE ON DATABASE codeocean TO mallory; SET SESSION AUTHORIZATION mallory;
CREATE SCHEMA m; CREATE SCHEMA mx; CREATE EXTENSION citext SCHEMA mx;
CREATE FUNCTION m.hides() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
IF current_user LIKE 'codeocean_new%' AND to_regproc('public.hidden') IS NULL THEN
  DROP SCHEMA mx CASCADE; CREATE SCHEMA mx; CREATE EXTENSION citext SCHEMA mx;
  CREATE FUNCTION public.hidden(text) RETURNS text LANGUAGE sql AS $f$ SELECT 'hidden' $f$;
  ALTER EXTENSION citext ADD FUNCTION public.hidden(text);
  EXECUTE format('REASSIGN OWNED BY %I TO team', current_user);
END IF;
RETURN true; END $$;
CREATE TABLE m.t (x int CHECK (m.hides())); INSERT INTO m.t VALUES (1);
"""


def test_nothing_can_be_hidden_on_the_way(mallory: Place) -> None:
    """Somebody who may do that makes the role that restores a member of another one."""
    mallory.source.sql(HIDES, "codeocean")
    mallory.target.sql(
        "CREATE ROLE team; GRANT team TO root; GRANT team TO mallory WITH ADMIN OPTION"
    )
    grant = f"--command='GRANT team TO codeocean_new_{token()}'"
    session = f"PGPASSWORD=mallory /usr/bin/psql 'host={TO} user=mallory dbname=postgres' {grant}"
    mallory.wrap("psql", f'[[ $* != *"COPY m.t "*FROM* ]] || {session} </dev/null >/dev/null')
    try:
        outcome = mallory.run()
        assert outcome.code == 1
        kept = mallory.file(KEPT).read_text()
        assert "> ALTER EXTENSION citext DROP FUNCTION public.hidden(pg_catalog.text)\n" in kept
        mallory.old_is_in_place()
    finally:
        mallory.target.sql("DROP DATABASE codeocean WITH (FORCE)")
        mallory.target.sql("DROP ROLE team")


# Their entries in a dump look like others.
LOOKALIKES = """
GRANT CREATE ON DATABASE codeocean TO mallory; SET SESSION AUTHORIZATION mallory;
CREATE SCHEMA "public x"; CREATE TABLE "public x".t AS SELECT 1 AS x;
CREATE SCHEMA "- SCHEMA x"; CREATE TABLE "- SCHEMA x".t AS SELECT 1 AS x;
COMMENT ON TABLE "- SCHEMA x".t IS 'a comment';
CREATE SCHEMA "- EXTENSION x"; CREATE TABLE "- EXTENSION x".t AS SELECT 1 AS x;
COMMENT ON TABLE "- EXTENSION x".t IS 'a comment';
"""


def test_names_that_look_like_other_entries_of_a_dump(mallory: Place) -> None:
    mallory.source.sql(LOOKALIKES, "codeocean")
    outcome = mallory.run()
    assert outcome.done, outcome.errors
    mallory.copy_is_complete()


def test_generated_columns_are_compared(place: Place) -> None:
    """The function of one was changed after its row was written."""
    place.source.sql(
        """CREATE FUNCTION public.f(x int) RETURNS int IMMUTABLE LANGUAGE sql RETURN x + 1;
        CREATE TABLE public.g (x int, y int GENERATED ALWAYS AS (public.f(x)) STORED);
        INSERT INTO public.g VALUES (1);
        CREATE OR REPLACE FUNCTION public.f(x int) RETURNS int IMMUTABLE LANGUAGE sql
        RETURN x + 2""",
        "codeocean",
        user="root",
    )
    assert place.run().code == 1
    assert re.search(r"^> r\|1\|.*\|public\.g$", place.file(KEPT).read_text(), re.MULTILINE)
    place.old_is_in_place()


# Objects of all kinds, of another owner, and rights on them that others than the owner gave.
CHAINS = r"""
CREATE SCHEMA owned AUTHORIZATION app; GRANT CREATE ON DATABASE codeocean TO app;
SET SESSION AUTHORIZATION app;
CREATE TABLE owned.t (a int, b serial); CREATE SEQUENCE owned.s;
CREATE TYPE owned.mood AS ENUM ('x'); CREATE DOMAIN owned.d AS int;
CREATE FUNCTION owned.f(owned.mood, VARIADIC int[]) RETURNS int LANGUAGE sql RETURN 1;
CREATE PROCEDURE owned.p() LANGUAGE sql BEGIN ATOMIC SELECT 1; END;
CREATE AGGREGATE owned.total(int) (SFUNC = int4pl, STYPE = int);
CREATE OPERATOR owned.@@@ (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl);
CREATE COLLATION owned.c FROM "C"; CREATE TEXT SEARCH CONFIGURATION owned.ts (COPY = simple);
CREATE TEXT SEARCH DICTIONARY owned.td (TEMPLATE = simple);
CREATE STATISTICS owned.st ON a, b FROM owned.t; CREATE TYPE owned.pair AS (a int, b int);
CREATE TYPE owned.span AS RANGE (SUBTYPE = int); CREATE PUBLICATION owned FOR TABLE owned.t;
CREATE VIEW owned.v AS SELECT 1 AS one;
CREATE MATERIALIZED VIEW owned.m AS SELECT 1 AS one;
REVOKE ALL ON FUNCTION owned.f(owned.mood, int[]) FROM PUBLIC;
REVOKE ALL ON owned.v FROM app;
GRANT USAGE ON SCHEMA owned TO "Odd ""Reader" WITH GRANT OPTION;
GRANT SELECT, INSERT ON owned.t TO "Odd ""Reader" WITH GRANT OPTION;
GRANT UPDATE (a) ON owned.t TO "Odd ""Reader" WITH GRANT OPTION;
GRANT USAGE ON SEQUENCE owned.s TO "Odd ""Reader" WITH GRANT OPTION;
GRANT EXECUTE ON FUNCTION owned.f(owned.mood, int[]) TO "Odd ""Reader" WITH GRANT OPTION;
GRANT USAGE ON TYPE owned.mood TO "Odd ""Reader" WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES IN SCHEMA owned GRANT SELECT ON TABLES TO mallory;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO mallory WITH GRANT OPTION;
SET SESSION AUTHORIZATION "Odd ""Reader";
GRANT USAGE ON SCHEMA owned TO mallory;
GRANT SELECT ON owned.t TO mallory WITH GRANT OPTION; GRANT UPDATE (a) ON owned.t TO mallory;
GRANT INSERT (b) ON owned.t TO mallory;
GRANT USAGE ON SEQUENCE owned.s TO mallory; GRANT USAGE ON TYPE owned.mood TO mallory;
GRANT EXECUTE ON FUNCTION owned.f(owned.mood, int[]) TO mallory;
SET SESSION AUTHORIZATION mallory; GRANT SELECT ON owned.t TO root;
RESET SESSION AUTHORIZATION;
GRANT CONNECT ON DATABASE codeocean TO "Odd ""Reader" WITH GRANT OPTION;
SET SESSION AUTHORIZATION "Odd ""Reader"; GRANT CONNECT ON DATABASE codeocean TO mallory;
"""


def test_rights_that_others_gave_arrive(mallory: Place) -> None:
    mallory.source.sql(CHAINS, "codeocean")
    refused = mallory.run()
    assert refused.code == 1
    advice = 'root is not a member of role "Odd ""Reader": GRANT "Odd ""Reader" TO root;'
    assert f"problem: {TO}: {advice}\n" in refused.errors
    mallory.target.sql('GRANT "Odd ""Reader" TO root')
    try:
        outcome = mallory.run()
        assert outcome.done, outcome.errors
        mallory.copy_is_complete()
    finally:
        mallory.target.sql('REVOKE "Odd ""Reader" FROM root')


def test_what_would_run_as_others_is_refused(place: Place) -> None:
    place.source.sql(
        """CREATE FUNCTION public.f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
        CREATE EVENT TRIGGER "on ddl" ON ddl_command_end EXECUTE FUNCTION public.f();
        CREATE FUNCTION public.c(int, int) RETURNS int LANGUAGE internal AS 'int4pl';
        CREATE PUBLICATION everything FOR ALL TABLES; CREATE EXTENSION dblink""",
        "codeocean",
    )
    outcome = place.run()
    place.old_is_in_place()
    problems = re.findall(r"^problem: (.*)$", outcome.errors, re.MULTILINE)
    assert len(problems) == 4
    for text in (
        'event trigger "on ddl" runs in sessions of others, which is not copied.',
        "function public.c(integer,integer) is in internal, a language that is not trusted",
        "publication everything is for all tables",
        "extension dblink may give its users rights on the server.",
    ):
        assert any(text in problem for problem in problems), problems


def test_no_client_is_root(place: Place) -> None:
    """What a server makes of a client would be nobody's, with nobody's files."""
    note = """
{
  echo "${0##*/} $(/usr/bin/id --user) $(/usr/bin/id --group) $(/usr/bin/id --groups)"
  /usr/bin/env
  /usr/bin/grep Cap /proc/self/status
  [[ ${PGUSER} != codeocean_new_* || ! -e /proc/$$/fd/4 ]] || echo "has the master's password"
} >>/run/test/clients"""
    for program in ("psql", "pg_dump", "pg_restore"):
        place.wrap(program, note)
    outcome = place.run()
    assert outcome.done, outcome.errors
    text = place.file("/run/test/clients").read_text()
    found = re.findall(r"^(psql|pg_\w+) (\d+) (\d+) (.*)$", text, re.MULTILINE)
    assert {program for program, *_ in found} == {"psql", "pg_dump", "pg_restore"}
    assert "PGUSER=codeocean_new_" in text
    assert "has the master's password" not in text
    users = {user for _, user, *_ in found}
    (user,) = users
    assert int(user) >= 1000
    assert {(group, groups) for _, _, group, groups in found} == {(user, user)}
    rights = re.findall(r"^Cap(?:Inh|Prm|Eff|Amb):\s*(\w+)$", text, re.MULTILINE)
    assert rights
    assert {int(right, 16) for right in rights} == {0}
    allowed = {"PATH", "HOME", "LC_ALL", "TZ", "PWD", "SHLVL", "_"}
    names = set(re.findall(r"^(\w+)=", text, re.MULTILINE))
    assert {name for name in names - allowed if not name.startswith("PG")} == set()
    passwd = place.file("/etc/passwd").read_text()
    assert f":{user}:" not in passwd


# The old one goes.


def test_drop_old(place: Place) -> None:
    nothing = place.run(drop_old="yes", CONFIRM="codeocean")
    assert nothing.code == 1
    assert "run first has replaced no database codeocean" in nothing.errors
    assert place.run().done
    kept = place.kept
    for answer in ({}, {"CONFIRM": "codeocean"}, {"CONFIRM": "yes"}):
        assert place.run(drop_old="yes", **answer).code == 2
    planned = place.run(drop_old="yes", PLAN="1")
    assert planned.output == f"plan: {kept} would be removed; nothing was changed\n"
    assert place.run(drop_old="yes", run="second", CONFIRM=kept).code == 1
    place.copy_is_complete()
    place.target.sql(f'GRANT CONNECT ON DATABASE "{kept}" TO app')
    sleep = ["psql", f"--dbname={APP}{kept}", "--command=SELECT pg_sleep(60)"]
    with place.host.popen(sleep, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        dropped = place.run(drop_old="yes", CONFIRM=kept)
    assert dropped.output == f"done: {kept} was removed from {TO}\n", dropped.errors
    assert place.names() == ["codeocean"]
    assert place.run(drop_old="yes").output == f"done: {kept} no longer exists on {TO}\n"
    assert dumped(place.target) == dumped(place.source)


def test_the_last_copy_is_not_dropped(place: Place) -> None:
    """Only the database that this run put in place makes the one before superfluous."""
    assert place.run().done
    kept = place.kept
    place.target.sql("ALTER DATABASE codeocean RENAME TO codeocean_aside")
    for options in ({}, {"drop_old": "yes"}):
        for answers in ({"PLAN": "1"}, {"CONFIRM": kept}):
            missing = place.run(**options, **answers)
            assert missing.code == 1
            assert f"stopped: database codeocean no longer exists on {TO}" in missing.errors
    # Another one has its name; even a comment that names the run is not the swap's.
    place.target.sql("CREATE DATABASE codeocean OWNER root")
    forged = FORGED.format(token=token(), FROM=FROM, old=kept)
    for comment in ("NULL", f"'{forged}'"):
        place.target.sql(f"COMMENT ON DATABASE codeocean IS {comment}")
        for answers in ({"PLAN": "1"}, {"CONFIRM": kept}):
            refused = place.run(drop_old="yes", **answers)
            assert refused.code == 1
            assert "does not prove that run first put it in place" in refused.errors
    assert place.names() == ["codeocean", "codeocean_aside", kept]
    place.target.sql("DROP DATABASE codeocean")
    place.target.sql("ALTER DATABASE codeocean_aside RENAME TO codeocean")
    assert place.run(drop_old="yes", CONFIRM=kept).done


def test_a_mark_does_not_travel(place: Place) -> None:
    """Everybody can read a mark of the past, and the owner of a database can pass it on."""
    assert place.run().done
    kept = place.kept
    comment = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{}'"
    mark = place.target.sql(comment.format("codeocean")).splitlines()[-1]
    place.source.sql(f"COMMENT ON DATABASE codeocean IS 'seen: {mark}, {mark}'")
    time.sleep(1)  # the names of what is kept tell seconds
    assert place.run(run="second").done
    assert mark in place.target.sql(comment.format("codeocean"))
    refused = place.run(drop_old="yes", CONFIRM=kept)
    assert refused.code == 1
    assert "does not prove that run first put it in place" in refused.errors
    assert kept in place.names()


def test_the_proof_is_repeated_after_the_confirmation(place: Place) -> None:
    assert place.run().done
    kept = place.kept
    # The one in place disappears when the old one has been described.
    place.file("/run/test/gone").touch()
    place.wrap(
        "psql",
        """if [[ $* == *old=* && -e /run/test/gone ]]; then
  /usr/bin/rm /run/test/gone; /usr/bin/psql "$@" || exit
  exec /usr/bin/psql "${@:1:$#-1}" --command='ALTER DATABASE codeocean RENAME TO codeocean_aside'
fi""",
    )
    assert place.run(drop_old="yes", CONFIRM=kept).code == 1
    assert kept in place.names()


def test_the_old_database_is_that_of_the_swap_in_place(place: Place) -> None:
    """A second swap of the run may have died before its completion was recorded."""
    assert place.run().done
    record = place.file(RECORD)
    lines = record.read_text().splitlines()
    (intent,) = (line for line in lines if " intent " in line)
    nonce = intent.split(" intent ")[1][:32]
    first = place.kept
    second = "codeocean_old_20990101T000000Z"
    later = intent.replace(nonce, "f" * 32).replace(first, second)
    record.write_text("\n".join([*lines, later, ""]))
    mark = f"codeocean-cmdgen db-copy-in first {later.split(' intent ')[1]}"
    place.target.sql(f"COMMENT ON DATABASE codeocean IS '{mark}'")
    place.target.sql(f'CREATE DATABASE "{second}" OWNER root')
    dropped = place.run(drop_old="yes", CONFIRM=first)
    assert dropped.code == 2
    assert first in place.names()
    dropped = place.run(drop_old="yes", CONFIRM=second)
    assert dropped.output == f"done: {second} was removed from {TO}\n", dropped.errors
    assert place.names() == ["codeocean", first]


def test_a_server_that_cannot_be_verified_gets_no_password_for_a_drop(place: Place) -> None:
    assert place.run().done
    kept = place.kept
    place.wrap("psql", ">>/run/test/asked")
    bundle = place.file(CA_BUNDLE)
    aside = bundle.rename(bundle.with_suffix(".aside"))
    try:
        refused = place.run(drop_old="yes", CONFIRM=kept)
    finally:
        aside.rename(bundle)
    assert (refused.code, refused.output) == (3, "")
    assert f"stopped: {CA_BUNDLE} is missing, so {TO} cannot be verified" in refused.errors
    assert not place.file("/run/test/asked").exists()
    assert kept in place.names()


def test_sessions_that_began_after_the_confirmation_are_not_ended(place: Place) -> None:
    assert place.run().done
    kept = place.kept
    place.target.sql(f'GRANT CONNECT ON DATABASE "{kept}" TO app')
    sleep = f"/usr/bin/psql --dbname='{APP}{kept}' --command='SELECT pg_sleep(60)'"
    place.file("/run/test/first").touch()
    place.wrap(
        "psql",
        f"""if [[ $* == *old=* && -e /run/test/first ]]; then
  /usr/bin/rm /run/test/first; /usr/bin/psql "$@"; code=$?
  {sleep} </dev/null >/dev/null 2>&1 4>&- 5>&- &
  /usr/bin/sleep 2
  exit $code
fi""",
    )
    refused = place.run(drop_old="yes", CONFIRM=kept)
    assert (refused.code, refused.output) == (1, "")
    assert f"{kept} will be removed for good, and the 0 sessions in it end." in refused.errors
    assert f"stopped: 1 sessions use {kept} now; 0 did before the confirmation" in refused.errors
    assert kept in place.names()


# The old one comes back.


def test_swap_back(place: Place) -> None:
    nothing = place.run(swap_back="yes", CONFIRM="codeocean")
    assert nothing.code == 1
    assert "run first has replaced no database codeocean" in nothing.errors
    assert place.run().done
    kept = place.kept
    place.target.sql("INSERT INTO public.objects VALUES (0, 'new')", "codeocean")
    for answer in ({}, {"CONFIRM": kept}):
        assert place.run(swap_back="yes", **answer).code == 2
    planned = place.run(swap_back="yes", PLAN="1")
    assert planned.output == f"plan: {kept} would be codeocean again; nothing was changed\n"
    outcome = place.run(swap_back="yes", CONFIRM="codeocean")
    assert outcome.done, outcome.errors
    (copy,) = (name for name in place.names() if name.startswith("codeocean_copy_"))
    place.old_is_in_place(copy)
    assert place.target.sql("SELECT name FROM public.objects WHERE id = 0", copy) == "new"
    assert re.fullmatch(
        rf"done: undone \S+: {kept} is codeocean again; the database before is {copy}\n",
        outcome.output,
    )
    # Pasted again, it reports that, and the copy of this run is not put in place again. The record
    # of the host is enough.
    comment = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{}'"
    mark = place.target.sql(comment.format("codeocean"))
    place.target.sql("COMMENT ON DATABASE codeocean IS NULL")
    for settings in ({}, {"PLAN": "1"}):
        assert place.run(swap_back="yes", **settings).output == outcome.output
        refused = place.run(**settings)
        assert refused.code == 1
        assert f"stopped: {outcome.output[6:-1]}. To copy from {FROM} now, " in refused.errors
    place.old_is_in_place(copy)
    place.target.sql(f"COMMENT ON DATABASE codeocean IS '{mark}'")
    # It may be removed, and another run may copy again.
    assert place.run(run="second").done
    assert place.run(run="second", swap_back="yes", CONFIRM="codeocean").done
    dropped = place.run(drop_old="yes", CONFIRM=copy)
    assert dropped.output == f"done: {copy} was removed from {TO}\n", dropped.errors
    (other,) = (name for name in place.names() if name.startswith("codeocean_copy_"))
    place.old_is_in_place(other)


def test_what_speaks_against_swapping_back(place: Place) -> None:
    assert place.run().done
    kept = place.kept

    def refused(reason: str, code: int = 1) -> None:
        for settings in ({"PLAN": "1"}, {"CONFIRM": "codeocean"}):
            outcome = place.run(swap_back="yes", **settings)
            assert (outcome.code, outcome.output) == (code, "")
            assert reason in outcome.errors
        assert {"codeocean", kept} <= set(place.names())

    for database in ("codeocean", kept):
        place.target.sql(f'GRANT CONNECT ON DATABASE "{database}" TO app')
        sleep = ["psql", f"--dbname={APP}{database}", "--command=SELECT pg_sleep(99)"]
        quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with place.host.popen(sleep, **quiet) as session:
            until_it_sleeps = time.monotonic() + 30
            sleeps = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'"
            while place.target.sql(sleeps) == "0":
                assert time.monotonic() < until_it_sleeps
            refused(f"problem: {TO} is in use: client backend of app in {database}, PID ")
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'"
            place.target.sql(end)
            session.wait()
    place.wrap("systemctl", "[[ $* != *LoadState* ]] || { echo LoadState=loaded; exit; }")
    refused("problem: the service is not stopped: codeocean is ")
    place.unwrap()
    bundle = place.file(CA_BUNDLE)
    aside = bundle.rename(bundle.with_suffix(".aside"))
    refused(f"{CA_BUNDLE} is missing, so {TO} cannot be verified", 3)
    aside.rename(bundle)
    comment = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{}'"
    mark = place.target.sql(comment.format("codeocean"))
    place.target.sql("COMMENT ON DATABASE codeocean IS NULL")
    refused("does not prove that run first put it in place")
    place.target.sql("COMMENT ON DATABASE codeocean IS '{}'".format(mark.replace("'", "''")))
    place.target.sql(f'ALTER DATABASE "{kept}" RENAME TO codeocean_aside')
    place.target.sql(f'CREATE DATABASE "{kept}x"')
    missing = place.run(swap_back="yes", CONFIRM="codeocean")
    assert missing.code == 1
    assert f"{kept} no longer exists on {TO}: there is nothing to put back" in missing.errors


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_death_while_swapping_back_costs_nothing(place: Place, when: str) -> None:
    """Killed at the one transaction: either database is in place, and each script knows which."""
    assert place.run().done
    kept = place.kept
    do = '/usr/bin/psql "$@" <&5 &\nwait\n' if when == "after" else ""
    place.wrap(
        "psql",
        "if [[ $* == *--single-transaction* ]]; then\n"
        f"exec 5<&0\n{do}touch /run/test/killed; exec /usr/bin/sleep infinity\nfi",
    )
    session = place.host.person().start(script("db-copy-in", swap_back="yes"), CONFIRM="codeocean")
    deadline = time.monotonic() + 60
    while not place.file("/run/test/killed").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    session.end()
    session.communicate()
    place.unwrap()
    place.host.root("bash", "-c", "rm -rf /tmp/codeocean-cmdgen.*")
    if when == "before":
        assert place.kept == kept
        assert place.run().done
        place.copy_is_complete()
    else:
        refused = place.run()
        assert refused.code == 1
        assert "stopped: undone " in refused.errors
    outcome = place.run(swap_back="yes", CONFIRM="codeocean")
    assert outcome.done, outcome.errors
    (copy,) = (name for name in place.names() if name.startswith("codeocean_copy_"))
    place.old_is_in_place(copy)
    assert place.target.sql("SELECT count(*) FROM public.objects", copy) == "2000"


# The password.


def test_no_secret_shows_anywhere(place: Place) -> None:
    watch = """
until [[ -e /run/test/stop ]]; do
  cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ
  find /tmp /run /var/lib/codeocean-cmdgen /data/.codeocean-cmdgen /root /home -type f \
    -not -path '/run/test/*' -exec cat {} +
done >/run/test/seen 2>/dev/null"""
    with place.host.popen(["bash", "-c", watch]) as watching:
        first = place.run()
        place.file("/run/test/stop").touch()
        watching.wait()
    assert first.done, first.errors
    place.put_secret("wrong" + CANARY)
    refused = place.run(run="second")
    assert refused.code == 3
    seen = place.file("/run/test/seen").read_bytes()
    assert b"psql" in seen
    assert b"pg_restore" in seen
    written = place.file(LOG).read_bytes() + place.file(RECORD).read_bytes()
    texts = [*(str(outcome).encode() for outcome in (first, refused)), seen, written]
    for form in (CANARY, CANARY.replace("\\", "\\\\").replace(":", "\\:"), "cAnA"):
        assert all(form.encode() not in text for text in texts)
