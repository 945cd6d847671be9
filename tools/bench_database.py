"""The measured promise of db-copy-in: verified, it is not slower than `pg_dump | psql`.

That is one stream, and what follows it is left out: db-copy-in also reads both databases again to
compare them, and analyzes the new one. Of it, the work counts, in whole seconds as its log tells
them: not the checks before it, which call AWS, and not the swap. Both servers and the host, on AWS
three machines, share the processors here; TLS, the servers and their settings are the same.
"""

from __future__ import annotations

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
    from collections.abc import Callable
    from typing import Any

    from codeocean_cmdgen.steps import Step

VALUES = Path(__file__).parent.parent / "codeocean_cmdgen" / "examples" / "deployment.toml"
ACCOUNT = "333333333333"
PASSWORD = "example"  # noqa: S105 - of a server that lives for minutes
ROUNDS = 3
MEMORY = "/dev/shm"  # noqa: S108 - servers and dump lie there, so that nobody's disk is measured

# Of 2 GiB, indexes included: what an application writes down about what happens, and documents.
_FILL = """
CREATE TABLE events (id bigint PRIMARY KEY, at timestamptz, kind text, payload jsonb);
INSERT INTO events SELECT i, '2020-01-01'::timestamptz + i * interval '1 s', 'kind' || i % 17,
  jsonb_build_object('user', md5(i::text), 'n', i, 'path', '/capsules/' || md5((i * 7)::text))
  FROM generate_series(1, {events}) i;
CREATE INDEX ON events (at);
CREATE TABLE objects (id serial PRIMARY KEY, name text, body text, size float8);
INSERT INTO objects (name, body, size) SELECT md5(i::text), repeat(md5((i * 3)::text), 12), i / 7.0
  FROM generate_series(1, {objects}) i;
CREATE INDEX ON objects (name);
"""


def copying(say: Callable[[str], None], *, scale: float = 1.0, rounds: int = ROUNDS) -> None:
    """Copy a database both ways, in turn, so that both see the same machine."""
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
        source.sql("CREATE DATABASE codeocean OWNER root")
        fill = _FILL.format(events=int(6_000_000 * scale), objects=int(1_450_000 * scale))
        source.sql(fill, "codeocean", user="root")
        size = int(source.sql("SELECT pg_database_size('codeocean')")) / 2**30
        pairs = [(_plain(host, source, target), *_ours(host, target)) for _ in range(rounds)]
    plain, whole, restored = (median(column) for column in zip(*pairs))
    ratio = median(pair[1] / pair[0] for pair in pairs)
    say(
        f"db-copy-in of {size:.1f} GiB, median of {rounds}: {whole:.0f} s (rows, indexes and "
        f"statistics {restored:.0f}, comparison {whole - restored:.0f}); pg_dump | psql "
        f"{plain:.0f} s, without statistics or comparison: ratio {ratio:.2f} (at most 1)"
    )


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


def _empty(target: Postgres) -> None:
    names = target.sql("SELECT datname FROM pg_database WHERE datname LIKE 'codeocean%'")
    for name in names.splitlines():
        target.sql(f'DROP DATABASE "{name}"')
    target.sql("CREATE DATABASE codeocean OWNER root")
    target.sql("CHECKPOINT")


def _plain(host: Host, source: Postgres, target: Postgres) -> float:
    _empty(target)
    ends = [f"'host={one.name} user=root dbname=codeocean'" for one in (source, target)]
    pipe = f"pg_dump {ends[0]} | psql --quiet {ends[1]}"
    begin = time.perf_counter()
    command = ["env", f"PGPASSWORD={PASSWORD}", "bash", "-o", "pipefail", "-c", pipe]
    with host.popen(command, stdout=subprocess.DEVNULL) as process:
        process.wait()
    return time.perf_counter() - begin


def _ours(host: Host, target: Postgres) -> tuple[float, float]:
    """Return the seconds of the work, and when it had restored."""
    _empty(target)
    run = f"round-{time.monotonic_ns()}"
    _run(host, DbCopyIn, run=run)
    log = host.path("/var/lib/codeocean-cmdgen/db-copy-in.log").read_text()
    whole, restored = (
        float(re.findall(pattern, log)[-1])
        for pattern in (r"in (\d+) s, all", r"restored after (\d+)")
    )
    return whole, restored


if __name__ == "__main__":
    copying(print)
