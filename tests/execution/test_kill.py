"""Rule 4 of the contract: killed at any AWS call and pasted again, nothing is done twice.

An `aws` in front of the real one kills the whole session, the script and all it started, at the
call that KILL_AT names: before the call, or after it was carried out but before its answer is read.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.simulator import Simulator, World
from codeocean_cmdgen.simulator.templates import PRIMARY_URL
from codeocean_cmdgen.simulator.world import (
    BACKUP,
    EBS_POINT,
    MANAGEMENT,
    RDS_POINT,
    REGION,
    SOURCE,
    TARGET,
)
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
    "instance-hold": 6,
    "cross-account-backup": 1,
    "stack-create": 1,
    "stack-parameters": 1,
    "on-demand-backup": 2,
    "volume-restore": 1,
    "db-restore": 1,
}
"""What a run makes: jobs, suspended processes, settings, stacks, updates."""
CALLS = {
    "s3-batch-replication": 24,
    "snapshot-copy": 20,
    "instance-hold": 7,
    "cross-account-backup": 6,
    "stack-create": 26,
    "stack-parameters": 18,
    "on-demand-backup": 24,
    "volume-restore": 20,
    "db-restore": 34,
}
"""At least as many calls as a whole run makes: beyond the last one nothing is killed."""
ACCOUNTS = {
    "s3-batch-replication": SOURCE,
    "snapshot-copy": BACKUP,
    "instance-hold": SOURCE,
    "cross-account-backup": MANAGEMENT,
    "stack-create": BACKUP,
    "stack-parameters": SOURCE,
    "on-demand-backup": SOURCE,
    "volume-restore": TARGET,
    "db-restore": TARGET,
}


def build(simulator: Simulator, step: str) -> None:
    world = World(simulator)
    if step in {"on-demand-backup", "volume-restore", "db-restore"}:
        world.deployment(ACCOUNTS[step])
        for kind in ("EBS", "RDS"):
            simulator.backup.add_recovery_point(
                ACCOUNTS[step],
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
    world.templates()
    world.organization()
    primary = world.stack(SOURCE, "codeocean", PRIMARY_URL, pDnsRootDomain="codeocean.example.com")
    world.services_group(primary)


def text(step: str) -> str:
    if step == "stack-parameters":
        values = {"preset": "restore-source", "restore_source_account_id": BACKUP}
        return script(step, "source", **values)
    if step == "instance-hold":
        return script(step, account_id=SOURCE)
    if step == "on-demand-backup":
        return script(step, run="round")
    if step != "s3-batch-replication":
        return script(step)
    return script(step, bucket_arn=tuple(f"arn:aws:s3:::{name}" for name in BUCKETS))


def jobs(step: str, simulator: Simulator) -> int:
    if step == "instance-hold":
        (group,) = simulator.autoscaling.groups.values()
        return len(group.suspended)
    if step == "cross-account-backup":
        return int(simulator.organization.cross_account_backup)
    if step == "stack-create":
        return len(simulator.cloudformation.stacks) - 1
    if step == "stack-parameters":
        events = simulator.cloudformation.stacks[0].events
        return sum(one["ResourceStatusReason"] == "User Initiated" for one in events)
    made: dict[str, dict[str, Any]] = {
        "s3-batch-replication": simulator.s3_batch.jobs,
        "snapshot-copy": simulator.backup.jobs,
        "on-demand-backup": simulator.backup_jobs.backups,
    }
    return len(made.get(step, simulator.backup_jobs.restores))


SAMPLE = {
    "s3-batch-replication": {15, 16, 17, 18, 19},
    "snapshot-copy": {6, 7, 8, 9},
    "instance-hold": {5, 6},
    "cross-account-backup": {5},
    "stack-create": {6},
    "stack-parameters": {6, 9},
    "on-demand-backup": {8, 9},
    "volume-restore": {10},
    "db-restore": {10},
}
"""The calls that change things, and some around them."""


def sampled(step: str, at: int, when: str) -> bool:
    """Tell whether a point is tried always: after a change, where most is to be lost."""
    return at in SAMPLE[step] and (when == "after" or at == max(SAMPLE[step]))


def kill_points() -> list[object]:
    """Return every point for the campaign; those of the sample otherwise."""
    return [
        pytest.param(
            step, at, when, marks=() if sampled(step, at, when) else (pytest.mark.campaign,)
        )
        for step, calls in CALLS.items()
        for at in range(1, calls + 1)
        for when in ("before", "after")
    ]


@pytest.mark.parametrize(("step", "at", "when"), kill_points())
def test_killed_and_pasted_again(
    simulator: Simulator, person: PersonOf, tmp_path: Path, step: str, at: int, when: str
) -> None:
    build(simulator, step)
    operator = person(ACCOUNTS[step])
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


@pytest.mark.parametrize("step", ACCOUNTS)
def test_the_sample_holds_the_calls_that_start_jobs(
    simulator: Simulator, person: PersonOf, step: str
) -> None:
    build(simulator, step)
    simulator.clear_requests()
    person(ACCOUNTS[step]).run(text(step))
    # `aws --version` asks nothing: the count of the killer is one ahead.
    changing = [
        number
        for number, one in enumerate(simulator.requests, start=2)
        if one.operation.startswith(("Start", "Create", "Execute", "Update", "Suspend"))
        and one.operation != "CreateTags"
    ]
    assert changing
    assert set(changing) <= SAMPLE[step]
    assert len(simulator.requests) + 1 <= CALLS[step]
