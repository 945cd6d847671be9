"""The measured promise of db-copy-in: as fast as the fastest, although it compares its copy.

The others are pgcopydb, pg_dump with pg_restore, and pg_dump | psql. None of them compares, and of
them only pgcopydb analyzes the new database, as db-copy-in does. Of db-copy-in, the work counts, in
whole seconds as its log reports them: not the checks before it, which call AWS, and not the swap.
Both servers and the host, on AWS three machines, share the processors here; TLS, the servers and
their settings are the same. Needs Debian's package pgcopydb.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import trustme

from codeocean_cmdgen.inputs.deployment_file import read_deployment_file
from codeocean_cmdgen.inputs.resolve import Given, resolve
from codeocean_cmdgen.rendering.script import render
from codeocean_cmdgen.simulator import Simulator
from codeocean_cmdgen.simulator.host import Host
from codeocean_cmdgen.simulator.postgres import Postgres, plain_client
from codeocean_cmdgen.steps import DbCopyIn, ServiceStop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from codeocean_cmdgen.steps import Step

VALUES = Path(__file__).parent.parent / "codeocean_cmdgen" / "examples" / "deployment.toml"
ACCOUNT = "333333333333"
PASSWORD = "example"  # noqa: S105 - of a server that lives for minutes
ROUNDS = 3
FOLDER = "/var/tmp/copy"  # noqa: S108 - on the simulated host
MEMORY = "/dev/shm"  # noqa: S108 - servers and dump lie there, so that nobody's disk is measured

# What an application writes down about what happens, and documents.
_EVENTS = """
CREATE TABLE events (id bigint PRIMARY KEY, at timestamptz, kind text, payload jsonb);
INSERT INTO events SELECT i, '2020-01-01'::timestamptz + i * interval '1 s', 'kind' || i % 17,
  jsonb_build_object('user', md5(i::text), 'n', i, 'path', '/capsules/' || md5((i * 7)::text))
  FROM generate_series(1, {events}) i;
CREATE INDEX ON events (at);
"""
_OBJECTS = """
CREATE TABLE objects (id serial PRIMARY KEY, name text, body text, size float8);
INSERT INTO objects (name, body, size) SELECT md5(i::text), repeat(md5((i * 3)::text), 12), i / 7.0
  FROM generate_series(1, {objects}) i;
CREATE INDEX ON objects (name);
"""

# Databases of 2 GiB, indexes included: their SQL, and the rows of each table.
CONTENTS = {
    "two tables": (_EVENTS + _OBJECTS, {"events": 6_000_000, "objects": 1_450_000}),
    "one table": (_EVENTS, {"events": 9_600_000}),
}

# With as many jobs as there are processors, and each at its best: pgcopydb splits tables only if it
# is told to, and a dump that is compressed takes longer.
OTHERS = {
    "pgcopydb": (
        "pgcopydb clone --source {source} --target {target} --dir {folder} --no-owner --no-acl "
        "--table-jobs 2 --index-jobs 2 --split-tables-larger-than 64MB"
    ),
    "pg_dump -Fd -j2, pg_restore -j2": (
        "pg_dump --format=directory --compress=0 --jobs=2 --file={folder} {source} && "
        "pg_restore --jobs=2 --dbname={target} {folder}"
    ),
    "pg_dump | psql": "pg_dump {source} | psql --quiet {target}",
}


# The seconds of db-copy-in at two moments, and at most how many times the fastest other's they are.
LIMITS = {
    "db-copy-in, its copy restored and analyzed": 1.0,
    "db-copy-in, its copy compared as well": 1.15,
}


def copying(say: Callable[[str], None], *, scale: float = 1.0, rounds: int = ROUNDS) -> None:
    """Copy each database in all ways, in turn, so that all see the same machine."""
    tempfile.tempdir = MEMORY
    authority = trustme.CA()
    given = vars(resolve(DbCopyIn, {}, deployment_file=read_deployment_file(VALUES)).step)
    servers: dict[str, Any] = {"password": PASSWORD, "authority": authority}
    servers["settings"] = {"shared_buffers": "256MB", "max_wal_size": "1GB"}
    with (
        Simulator() as simulator,
        Host(simulator, ACCOUNT, stack_json={"AnalyticsDB": {"Host": given["to_host"]}}) as host,
        Postgres(host, str(given["from_host"]), address="127.0.0.2", **servers) as source,
        Postgres(host, str(given["to_host"]), address="127.0.0.3", **servers) as target,
    ):
        _prepare(simulator, host, authority)
        for content, (fill, rows) in CONTENTS.items():
            _empty(source)
            counts = {table: int(count * scale) for table, count in rows.items()}
            source.sql(fill.format(**counts), "codeocean", user="root")
            size = int(source.sql("SELECT pg_database_size('codeocean')")) / 2**30
            times = [_times(host, source, target) for _ in range(rounds)]
            say(f"db-copy-in of {size:.1f} GiB in {content}, median of {rounds}:")
            for line in _report(times):
                say(f"  {line}")


def _times(host: Host, source: Postgres, target: Postgres) -> dict[str, float]:
    others = {name: _other(command, host, source, target) for name, command in OTHERS.items()}
    return {**others, **_ours(host, target)}


def _report(times: list[dict[str, float]]) -> Iterator[str]:
    for name in times[0]:
        yield f"{median(one[name] for one in times):5.1f} s  {name}"
    for name, limit in LIMITS.items():
        ratio = median(one[name] / min(one[other] for other in OTHERS) for one in times)
        yield f"ratio {ratio:.2f} to the fastest other (at most {limit}): {name}"


def _prepare(simulator: Simulator, host: Host, authority: trustme.CA) -> None:
    client = simulator.account(ACCOUNT).client("secretsmanager")
    client.create_secret(Name="/codeocean/analytics/master-password-0", SecretString=PASSWORD)
    bundle = host.path("/etc/pki/tls/certs/rds-global-bundle.pem")
    bundle.parent.mkdir(parents=True)
    authority.cert_pem.write_to_path(str(bundle))
    plain_client(host)
    host.path("/usr/local/bin/sleep").unlink()  # time is real here
    _run(host, ServiceStop)


def _run(host: Host, step: type[Step], **values: str) -> None:
    options = {name: Given((value,), "option") for name, value in values.items()}
    script = render(*resolve(step, options, deployment_file=read_deployment_file(VALUES)))
    with host.session(["sh", "-c", script]) as process:
        output, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(output + errors)


def _empty(server: Postgres) -> None:
    names = server.sql("SELECT datname FROM pg_database WHERE datname LIKE 'codeocean%'")
    for name in names.splitlines():
        server.sql(f'DROP DATABASE "{name}"')
    server.sql("CREATE DATABASE codeocean OWNER root")
    server.sql("CHECKPOINT")


def _other(text: str, host: Host, source: Postgres, target: Postgres) -> float:
    _empty(target)
    host.root("rm", "-rf", FOLDER)
    ends = {
        end: f"postgresql://root:{PASSWORD}@{server.name}/codeocean"
        for end, server in (("source", source), ("target", target))
    }
    script = text.format(folder=FOLDER, **ends)
    begin = time.perf_counter()
    command = ["bash", "-o", "pipefail", "-c", script]
    with host.popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        _, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(errors)
    return time.perf_counter() - begin


def _ours(host: Host, target: Postgres) -> dict[str, float]:
    _empty(target)
    _run(host, DbCopyIn, run=f"round-{time.monotonic_ns()}")
    log = host.path("/var/lib/codeocean-cmdgen/db-copy-in.log").read_text()
    patterns = (r"restored after (\d+)", r"in (\d+) s, all")
    return {name: float(re.findall(one, log)[-1]) for name, one in zip(LIMITS, patterns)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    copying(print, **vars(parser.parse_args()))
