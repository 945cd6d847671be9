"""Rule 4 of the contract: killed at any AWS call and pasted again, nothing is done twice.

An `aws` in front of the real one kills the whole session, the script and all it started, at the
call that KILL_AT names: before the call, or after it was carried out but before its answer is read.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.simulator import Simulator, World
from codeocean_cmdgen.simulator.world import BACKUP, EBS_POINT, RDS_POINT, REGION, SOURCE, TARGET
from tests.execution.conftest import PersonOf, script

if TYPE_CHECKING:
    from pathlib import Path

KILLER = """#!/bin/bash
echo >>"$COUNT"
at=$(wc -l <"$COUNT")
((at == KILL_AT)) && [[ $WHEN == before ]] && kill -9 0
PATH=${PATH#*:}
((at == KILL_AT)) || exec aws "$@"
aws "$@" >/dev/null 2>&1
kill -9 0
"""
BUCKETS = ("codeocean-source-capsules", "codeocean-source-datasets")
JOBS = {
    "s3-batch-replication": len(BUCKETS),
    "snapshot-copy": 2,
    "on-demand-backup": 2,
    "volume-restore": 1,
    "db-restore": 1,
}
CALLS = {
    "s3-batch-replication": 24,
    "snapshot-copy": 20,
    "on-demand-backup": 24,
    "volume-restore": 20,
    "db-restore": 34,
}
"""At least as many calls as a whole run makes: beyond the last one nothing is killed."""
PLACES = {
    "s3-batch-replication": SOURCE,
    "snapshot-copy": BACKUP,
    "on-demand-backup": SOURCE,
    "volume-restore": TARGET,
    "db-restore": TARGET,
}


def build(simulator: Simulator, step: str) -> None:
    world = World(simulator)
    if PLACES[step] != BACKUP and step != "s3-batch-replication":
        world.deployment(PLACES[step])
        for kind in ("EBS", "RDS"):
            simulator.backup.add_recovery_point(
                PLACES[step],
                REGION,
                "codeocean-v1",
                kind,
                simulator.clock.now(),
                resource_arn="arn of what the source has",
                size_bytes=2**30,
            )
        return
    services = ["s3.amazonaws.com", "batchoperations.s3.amazonaws.com"]
    role = world.role(SOURCE, "codeocean-S3BackupRole-1ABC", services)
    for name in BUCKETS:
        source = world.bucket(SOURCE, name)
        destination = world.bucket(BACKUP, name.replace("source", "backup"))
        world.replication_rule(source, destination, role=role)
        world.version(source, "key")
    world.role(BACKUP, "AWSBackupDefaultServiceRole", ["backup.amazonaws.com"], "/service-role/")
    world.vault(BACKUP, "codeocean-backup-v1")
    world.vault(TARGET, "codeocean-v1", copied_from=BACKUP)
    for kind, arn in (("EBS", EBS_POINT), ("RDS", RDS_POINT)):
        simulator.backup.add_recovery_point(
            BACKUP,
            REGION,
            "codeocean-backup-v1",
            resource_type=kind,
            arn=arn,
            created=simulator.clock.now(),
        )


def text(step: str) -> str:
    if step == "s3-batch-replication":
        return script(step, bucket_arn=tuple(f"arn:aws:s3:::{name}" for name in BUCKETS))
    return script(step, run="round") if step == "on-demand-backup" else script(step)


def jobs(step: str, simulator: Simulator) -> int:
    made: dict[str, dict[str, Any]] = {
        "s3-batch-replication": simulator.s3_batch.jobs,
        "snapshot-copy": simulator.backup.jobs,
        "on-demand-backup": simulator.backup_jobs.backups,
    }
    return len(made.get(step, simulator.backup_jobs.restores))


def kill_points() -> list[object]:
    """Return every point for the campaign; those around the calls that change things otherwise."""
    sample = {
        "s3-batch-replication": {15, 16, 17, 18, 19},
        "snapshot-copy": {6, 7, 8, 9},
        "on-demand-backup": {8, 9},
        "volume-restore": {9},
        "db-restore": {9},
    }
    return [
        pytest.param(step, at, when, marks=() if at in sample[step] else (pytest.mark.campaign,))
        for step, calls in CALLS.items()
        for at in range(1, calls + 1)
        for when in ("before", "after")
    ]


@pytest.mark.parametrize(("step", "at", "when"), kill_points())
def test_killed_and_pasted_again(
    simulator: Simulator, person: PersonOf, tmp_path: Path, step: str, at: int, when: str
) -> None:
    build(simulator, step)
    operator = person(PLACES[step])
    killer = tmp_path / "killer"
    killer.mkdir()
    (killer / "aws").write_text(KILLER)
    (killer / "aws").chmod(0o700)
    killed = operator.start(
        text(step),
        PATH=f"{killer}:{operator.environment['PATH']}",
        COUNT=str(tmp_path / "count"),
        KILL_AT=str(at),
        WHEN=when,
    )
    output, _ = killed.communicate(timeout=120)
    assert killed.returncode in (-signal.SIGKILL, 0)
    assert ("done:" in output) == (killed.returncode == 0)
    assert operator.run(text(step)).done
    assert jobs(step, simulator) == JOBS[step]
    again = operator.run(text(step))
    assert again.done
    assert jobs(step, simulator) == JOBS[step]


@pytest.mark.parametrize("step", PLACES)
def test_the_sample_holds_the_calls_that_start_jobs(
    simulator: Simulator, person: PersonOf, step: str
) -> None:
    build(simulator, step)
    simulator.clear_requests()
    person(PLACES[step]).run(text(step))
    # `aws --version` asks nothing: the count of the killer is one ahead.
    starting = [
        number
        for number, one in enumerate(simulator.requests, start=2)
        if one.operation in ("StartCopyJob", "StartBackupJob", "StartRestoreJob", "CreateJob")
    ]
    sampled = {
        point.values[1]  # type: ignore[attr-defined]
        for point in kill_points()
        if not point.marks and point.values[0] == step  # type: ignore[attr-defined]
    }
    assert set(starting) <= sampled
    assert starting
    assert len(simulator.requests) + 1 <= CALLS[step]
