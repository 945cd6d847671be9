"""db-copy-in between two real PostgreSQL servers: all of it arrives, or nothing has changed."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import trustme

from codeocean_cmdgen.simulator import Simulator
from codeocean_cmdgen.simulator.host import HostUnavailableError
from codeocean_cmdgen.simulator.postgres import Postgres, plain_client
from codeocean_cmdgen.simulator.world import TARGET
from tests.execution.conftest import Outcome, ServicesHost, script
from tests.execution.quick_aws import remember_the_guard
from tests.tools import miss

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FROM = "tmp-codeocean-restore.example.us-east-1.rds.amazonaws.com"
TO = "codeocean-analyticsdb.example.us-east-1.rds.amazonaws.com"
NAMED = {"AnalyticsDB": {"Host": TO, "Port": "5432"}}
SECRET = "/codeocean/analytics/master-password-0"
CANARY = "cAnA:rY\\'\"$x"
CA_BUNDLE = "/etc/pki/tls/certs/rds-global-bundle.pem"
RECORD = "/data/.codeocean-cmdgen/db-copy-in--first"
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
INSERT INTO objects SELECT i, md5(i::text), hstore('n', i::text) FROM generate_series(1, 20000) i;
CREATE INDEX ON objects USING gin (name gin_trgm_ops);
CREATE TABLE events (at timestamptz DEFAULT now(), object bigint REFERENCES objects, what jsonb);
INSERT INTO events SELECT now(), i % 100 + 1, '{"n": 1}' FROM generate_series(1, 5000) i;
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
        left = [*self.file("/var/lib/codeocean-cmdgen").glob("db-copy-in--*")]
        assert left == []
        assert [*self.file("/tmp").glob("tmp.*")] == []
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
        clean = "rm -rf /data/.codeocean-cmdgen/db-* /var/lib/codeocean-cmdgen/db-* /tmp/tmp.*"
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
    assert f"stack.json names another analytics database than {FROM}" in outcome.errors
    place.old_is_in_place()


def test_all_of_it_arrives(place: Place) -> None:
    outcome = place.run()
    assert outcome.done, outcome.errors
    place.copy_is_complete()
    comment = place.target.sql(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'codeocean'"
    )
    assert re.fullmatch(
        r"it's\nours\ncodeocean-cmdgen db-copy-in first [0-9a-f]{12} completed \S+ from "
        rf"{FROM}:5432, in \d+ s, all compared: 12 tables, 30309 rows; the database before is "
        rf"{place.kept}",
        comment,
    )
    again = place.run()
    assert again.output == outcome.output
    place.copy_is_complete()


def test_plan_looks_and_changes_nothing(place: Place) -> None:
    outcome = place.run(PLAN="1")
    assert outcome.output == "plan: codeocean would be replaced so; nothing was changed\n"
    assert f"{FROM} port=5432: codeocean, " in outcome.errors
    assert f"{TO} port=5432: codeocean, " in outcome.errors
    assert "rdsadmin" not in outcome.errors
    place.old_is_in_place()
    assert not place.file(RECORD).exists()
    assert not place.file(LOG).exists()


def test_the_record_in_either_place_is_enough(place: Place) -> None:
    first = place.run()
    assert first.done, first.errors
    record = place.file(RECORD)
    text = record.read_text()
    record.unlink()
    assert place.run().output == first.output
    record.write_text(text)
    place.target.sql("COMMENT ON DATABASE codeocean IS NULL")
    assert place.run().output == first.output
    assert place.run(PLAN="1").output == first.output
    assert len(place.names()) == 2
    # Something else is to be copied in the same run.
    refused = place.run(from_port="5433")
    assert refused.code == 1
    assert "generate with a new --run" in refused.errors
    # A new run copies again, and leaves what the first one kept alone.
    place.target.sql("INSERT INTO objects VALUES (0, 'new')", "codeocean")
    time.sleep(1)  # the names of what is kept tell seconds
    assert place.run(run="second").done
    assert len(place.names()) == 3
    assert place.target.sql("SELECT count(*) FROM objects WHERE id = 0", "codeocean") == "0"
    assert place.run().output == first.output


def test_watch_0_starts_and_returns(place: Place) -> None:
    outcome = place.run(WATCH="0")
    assert outcome.output == f"done: started as {UNIT}; paste again to follow it\n"
    followed = place.run()
    assert followed.done, followed.errors
    place.copy_is_complete()


# What is not as it should be.


@pytest.mark.parametrize(
    ("fault", "code", "reason"),
    [
        ("ALTER ROLE root PASSWORD 'other'", 3, 'password authentication failed for user "root"'),
        ("ALTER ROLE root NOCREATEDB", 1, "has no codeocean that root may replace"),
        ("ALTER DATABASE codeocean OWNER TO rdsadmin", 1, "has no codeocean that root may replace"),
        ("ALTER DATABASE codeocean RENAME TO codeocean_x", 1, "has no codeocean that root may"),
        ("REVOKE app FROM root", 1, "has no role app with root"),
        ('ALTER ROLE "Odd ""Reader" RENAME TO other', 1, 'has no role "Odd ""Reader"'),
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
    place.source.sql("CREATE ROLE lonely; GRANT SELECT ON objects TO lonely", "codeocean")
    try:
        outcome = place.run()
    finally:
        place.source.sql("DROP OWNED BY lonely; DROP ROLE lonely", "codeocean")
    assert outcome.code == 1
    problems = re.findall(r"^problem: (.*)$", outcome.errors, re.MULTILINE)
    assert [problem.partition(" ")[0] for problem in problems] == [TO, "pg_dump", "no"]
    assert "sudo dnf install postgresql15" in problems[1]
    place.old_is_in_place()


def test_a_service_that_runs(place: Place) -> None:
    place.wrap("systemctl", "[[ $* != *LoadState* ]] || { echo ActiveState=active; exit; }")
    outcome = place.run()
    assert outcome.code == 1
    assert "problem: run service-stop first\n" in outcome.errors
    place.old_is_in_place()


def test_no_client(place: Place) -> None:
    place.host.root("bash", "-c", "mv /usr/bin/psql /run/test/psql")
    try:
        outcome = place.run()
    finally:
        place.host.root("cp", "-a", "/run/test/psql", "/usr/bin/psql")
    assert outcome.code == 3
    assert outcome.errors == "stopped: psql is not here: sudo dnf install postgresql15\n"


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
    assert "warning: without /etc/pki/missing.pem no server proves who it is" in outcome.errors
    place.old_is_in_place()


def test_no_secret(place: Place) -> None:
    outcome = place.run(master_password_secret_id="/codeocean/no")
    assert outcome.code == 3
    assert "stopped: secret /codeocean/no cannot be read" in outcome.errors
    place.old_is_in_place()


# What goes wrong on the way.


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("pg_dump", "[[ $* != *directory* ]] || ulimit -f 100"),
        (
            "pg_restore",
            "[[ $* != *--jobs* ]] || truncate --size=-20 /var/lib/codeocean-cmdgen/db-*/*.dat",
        ),
        ("psql", "[[ $* != *'COPY public.shapes ('*TO* ]] || exit 1"),
    ],
    ids=["disk full", "cut dump", "cut table"],
)
def test_nothing_changes_when_a_program_fails(place: Place, program: str, text: str) -> None:
    place.wrap(program, text)
    outcome = place.run()
    assert outcome.code == 1
    assert "stopped: the restore failed; the old database is in place" in outcome.errors
    place.old_is_in_place()


def test_hidden_rows_are_not_left_out(place: Place) -> None:
    place.source.sql("ALTER TABLE secret FORCE ROW LEVEL SECURITY", "codeocean")
    assert place.run().code == 1
    log = place.file(LOG).read_text()
    assert 'query would be affected by row-level security policy for table "secret"' in log
    place.old_is_in_place()


# As if the restore had gone wrong: on the new database, when it has been analyzed.
SPOIL = """
new=$(grep --only-matching 'codeocean_new_[0-9a-f]*' <<<"$*")
[[ $* == *ANALYZE* ]] || exec /usr/bin/psql "$@"
/usr/bin/psql "$@" || exit
sed "s/NEW/${new}/g" /run/test/sql | exec /usr/bin/psql "${@:1:$#-1}" --file=- >/dev/null"""

SPOILED = {
    "DELETE FROM events WHERE ctid = '(0,1)'": r"r|9999|.*|public.events",
    "UPDATE shapes SET a = '{2,1}' WHERE a = '{1,2}'": r"r|2|.*|public.shapes",
    "UPDATE secret SET x = 2": r"r|1|.*|public.secret",
    "INSERT INTO unlogged VALUES (1)": r"r|2|.*|public.unlogged",
    "INSERT INTO empty DEFAULT VALUES": r"r|1|.*|public.empty",
    "SELECT setval('turned', 9)": r"S|9|t|public.turned",
    "SELECT lo_put(4711, 1200000, 'x')": r"large object|4711|root|.*",
    "GRANT SELECT ON LARGE OBJECT 4712 TO app": r"large object|4712|root|{root=rw/.*,app=r/.*}|.*",
    "GRANT SELECT ON events TO app": r"GRANT SELECT ON TABLE public.events TO app;",
    'ALTER DATABASE "NEW" RESET statement_timeout': "",
    "ALTER ROLE app IN DATABASE \"NEW\" SET work_mem = '9MB'": r"ALTER ROLE app IN DATABASE .*9MB'",
    'GRANT TEMP ON DATABASE "NEW" TO app': r"GRANT .*TEMPORARY.* ON DATABASE .* TO app",
}


# Written to the source as soon as all tables have been copied.
MEANWHILE = f"""
/usr/bin/xargs "$@" || exit
exec psql --dbname='host={FROM} dbname=codeocean' --command='INSERT INTO public.owned VALUES (2)'"""


def test_a_copy_that_is_not_equal_stays_out(place: Place) -> None:
    place.wrap("xargs", MEANWHILE)
    place.file("/run/test/sql").write_text("SET search_path = public;" + ";".join(SPOILED))
    place.wrap("psql", SPOIL)
    assert place.run().code == 1
    log = place.file(LOG).read_text()
    assert "stopped: the copy is not proved equal" in log
    for found in SPOILED.values():
        pattern = found.replace("|", r"\|").replace("{", r"\{")
        assert re.search(rf"^> {pattern}", log, re.MULTILINE), (found, log)
    assert re.search(r"^< r\|2\|.*\|public.owned", log, re.MULTILINE), log
    place.old_is_in_place()
    place.unwrap()
    outcome = place.run()
    assert outcome.done, outcome.errors
    place.copy_is_complete()


# Death at any moment.

KILL = """
[[ ${codeocean_cmdgen-} == work ]] || exec /usr/bin/PROGRAM "$@"
echo >>/run/test/calls
calls=$(wc --lines </run/test/calls)
if [[ "${calls} $*" == WHERE && ! -e /run/test/killed ]]; then
  touch /run/test/killed
  exec 5<&0
  [[ WHEN == before ]] || /usr/bin/PROGRAM "$@" <&5 &
  [[ WHEN != during ]] || /usr/bin/sleep 0.02
  [[ WHEN != after ]] || wait
  exec systemctl kill --signal=KILL codeocean-cmdgen-db-copy-in
fi"""


def kill_at(place: Place, where: str, when: str) -> bool:
    """Kill the work at a call of PostgreSQL's programs; return whether it came to that.

    where: a pattern of bash for the number of the call and its arguments.
    """
    for program in ("psql", "pg_dump", "pg_restore"):
        text = KILL.replace("PROGRAM", program).replace("WHERE", where).replace("WHEN", when)
        place.wrap(program, text)
    place.wrap("sleep", "exec /usr/bin/sleep 0.3")  # no meter: it would count
    outcome = place.run()
    place.unwrap()
    killed = place.file("/run/test/killed").exists()
    assert outcome.done or killed, outcome.errors
    return killed


def recovers(place: Place) -> None:
    """After a death: the old one is in place, or the new one whole; pasted again, it is done."""
    assert place.target.sql("SELECT count(*) FROM pg_database WHERE NOT datallowconn") == "1"
    if any(name.startswith("codeocean_old_") for name in place.names()):
        assert dumped(place.target) == dumped(place.source)
    else:
        assert place.target.sql("SELECT * FROM old", "codeocean") == "old"
    place.host.root("bash", "-c", "rm -rf /tmp/tmp.*")
    outcome = place.run()
    assert outcome.done, outcome.errors
    place.copy_is_complete()


@pytest.mark.parametrize(
    ("where", "when", "swapped"),
    [
        ("*--format=directory*", "during", False),
        ("*--use-list=first*", "after", False),
        ("*--exit-on-error*", "during", False),
        ('*"COPY public.objects "*FROM*', "during", False),
        ("*hash_record*", "after", False),
        ("*--single-transaction*", "before", False),
        ("*--single-transaction*", "after", True),
    ],
    ids=["dump", "create", "restore", "copy", "compare", "swap", "record"],
)
def test_a_death_costs_nothing(place: Place, where: str, when: str, swapped: bool) -> None:
    assert kill_at(place, where, when)
    assert any(name.startswith("codeocean_old_") for name in place.names()) == swapped
    recovers(place)


LAST_CALL = 50


@pytest.mark.campaign
@pytest.mark.parametrize("call", range(1, LAST_CALL + 1))
@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_a_death_at_any_moment_costs_nothing(place: Place, call: int, when: str) -> None:
    killed = kill_at(place, f'"{call} "*', when)
    assert not killed or call < LAST_CALL
    recovers(place)


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
                held.append(subprocess.Popen(place.target.command(new[0], "SELECT pg_sleep(14)")))

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
    place.file(RECORD).unlink()  # the comment is enough
    place.target.sql(f'GRANT CONNECT ON DATABASE "{kept}" TO app')
    sleep = ["psql", f"--dbname={APP}{kept}", "--command=SELECT pg_sleep(60)"]
    with place.host.popen(sleep, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        dropped = place.run(drop_old="yes", CONFIRM=kept)
    assert dropped.output == f"done: {kept} was removed from {TO}\n", dropped.errors
    assert place.names() == ["codeocean"]
    assert place.run(drop_old="yes").output == f"done: {kept} is not on {TO} any more\n"
    assert dumped(place.target) == dumped(place.source)


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
