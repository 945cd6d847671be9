"""The measured promises: start-up, growth, AWS calls, copying; side by side in one run."""

from __future__ import annotations

import compileall
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from unittest.mock import patch

from codeocean_cmdgen.arguments import flag
from codeocean_cmdgen.inputs.deployment_file import read_deployment_file
from codeocean_cmdgen.inputs.resolve import Given, resolve
from codeocean_cmdgen.rendering import paste
from codeocean_cmdgen.rendering.script import render
from codeocean_cmdgen.simulator import Simulator, example_world
from codeocean_cmdgen.steps import S3BatchReplication, SnapshotCopy
from tools import bench_calls, bench_database, bench_point_in_time, bench_volume

ROOT = Path(__file__).parent.parent
VALUES = ROOT / "codeocean_cmdgen" / "examples" / "deployment.toml"
RUNS = 21
LIMIT = 1.25
"""Whole process against the bare imports of typer and jinja2: at most this."""
RUNBOOK_LIMIT = 2
"""Likewise, for the runbook of a restore."""


def seconds(*command: str) -> float:
    """Return how long a whole process takes."""
    begin = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # noqa: S603 - our own
    return time.perf_counter() - begin


def start_up() -> None:
    """Compare a whole run with the bare imports, in turn, so that both see the same machine."""
    program = str(Path(sys.executable).with_name("codeocean-cmdgen"))
    given = resolve(SnapshotCopy, {}, deployment_file=read_deployment_file(VALUES))
    options = [f"{flag(name)}={getattr(given.step, name)}" for name in SnapshotCopy.arguments()]
    ours = (program, "snapshot-copy", *options)
    bare = (sys.executable, "-c", "import typer, jinja2")
    single = (sys.executable, str(ROOT / "dist" / "codeocean-cmdgen.pyz"), *ours[1:])
    times = [(seconds(*ours), seconds(*bare), seconds(*single)) for _ in range(RUNS)]
    ours_s, bare_s, single_s = (median(column) for column in zip(*times))
    ratio = median(mine / theirs for mine, theirs, _ in times)
    say(
        f"start-up, median of {RUNS}: snapshot-copy {ours_s * 1000:.0f} ms, "
        f"import typer, jinja2 {bare_s * 1000:.0f} ms: ratio {ratio:.2f} (at most {LIMIT}); "
        f"single file {single_s * 1000:.0f} ms"
    )


def runbooks() -> None:
    """Compare a whole runbook with the bare imports, in turn."""
    program = str(Path(sys.executable).with_name("codeocean-cmdgen"))
    bare = (sys.executable, "-c", "import typer, jinja2")
    for form in ("markdown", "html"):
        ours = (program, "runbook", "restore", "--format", form, "--values", str(VALUES))
        times = [(seconds(*ours), seconds(*bare)) for _ in range(RUNS)]
        ratio = median(mine / theirs for mine, theirs in times)
        ours_s = median(mine for mine, _ in times)
        say(
            f"runbook restore, 9 buckets, {form}, median of {RUNS}: {ours_s * 1000:.0f} ms: "
            f"{ratio:.2f} times the bare imports (at most {RUNBOOK_LIMIT})"
        )


def growth() -> None:
    """Render with more and more buckets, the limit of size lifted."""
    for count in (9, 45, 90):
        arns = tuple(f"arn:aws:s3:::codeocean-source-bucket-{number:03}" for number in range(count))
        options = {"bucket_arn": Given(arns, "option --bucket-arn")}
        resolved = resolve(
            S3BatchReplication, options, deployment_file=read_deployment_file(VALUES)
        )
        with patch.object(paste, "MAX_LINES", 10**6), patch.object(paste, "MAX_BYTES", 10**9):
            times = []
            for _ in range(RUNS):
                begin = time.perf_counter()
                script = render(*resolved)
                times.append(time.perf_counter() - begin)
        say(
            f"s3-batch-replication, {count} buckets: rendered in {median(times) * 1000:.1f} ms, "
            f"{len(script):,} bytes, {script.count(chr(10))} lines"
        )


def calls() -> None:
    """Count and time the AWS calls until all jobs are started, with the real AWS CLI."""
    script = render(*resolve(S3BatchReplication, {}, deployment_file=read_deployment_file(VALUES)))
    buckets = 9
    with Simulator() as simulator, tempfile.TemporaryDirectory() as home:
        example_world(simulator, objects_per_bucket=3)
        path = f"/usr/bin:{os.environ['PATH']}"
        environment = {**simulator.environment("111111111111", path=path), "HOME": home}
        begin = time.perf_counter()
        subprocess.run(  # noqa: S603 - our own
            ["bash", "-c", script],  # noqa: S607 - the bash on PATH, as a person's
            env={**environment, "WATCH": "0"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        took = time.perf_counter() - begin
        operations = [request.operation for request in simulator.requests]
        started = len(operations) - operations[::-1].index("CreateJob")
    say(
        f"s3-batch-replication, {buckets} buckets: {started} calls until all jobs are started "
        f"(at most {6 + 8 * buckets}), {took:.0f} s with a new process of the AWS CLI for each"
    )


def say(line: str) -> None:
    """Print a figure as soon as it is there."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    compileall.compile_dir(ROOT / "codeocean_cmdgen", quiet=1)  # as an installed wheel is
    say(json.dumps({"python": sys.version.split()[0], "processors": os.cpu_count()}))
    start_up()
    runbooks()
    growth()
    calls()
    bench_calls.counting(say)
    bench_volume.main()
    bench_database.copying(say)
    bench_point_in_time.main()
