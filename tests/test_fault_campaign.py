"""Whatever fails once at any call, the scripts pasted again end as if nothing had failed."""

from __future__ import annotations

import io
import sys
from collections import Counter

import pytest
from rich.console import Console

from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.rehearsal import report
from codeocean_cmdgen.rehearsal.mishaps import Fault, Mishap
from codeocean_cmdgen.rehearsal.run import Rehearsal, Staging
from tests.tools import miss, require

ATTEMPTS = 5  # of the AWS CLI: a call that fails as often fails
WAYS = {
    "error": Fault("*:*", "internal-error", ATTEMPTS),
    "throttle": Fault("*:*", "throttle", ATTEMPTS),
    "cut-before": Fault("*:*", "disconnect", ATTEMPTS),
    "cut-after": Fault("*:*", "disconnect-after", 1),
    "expired": Fault("*:*", "expired-token", 1),
    "killed-before": Fault("*:*", "disconnect", 1),
    "killed-after": Fault("*:*", "disconnect-after", 1),
}
MADE = {
    "backup": {"batch": 8, "copies": 4, "backups": 2, "restores": 0, "stacks": 2},
    "restore": {"batch": 8, "copies": 6, "backups": 2, "restores": 2, "stacks": 2},
    "migration": {"batch": 8, "copies": 8, "backups": 4, "restores": 3, "stacks": 2},
}
"""What an undisturbed rehearsal makes: jobs by kind, and stacks that are left."""

LARGEST = 30
"""Most scripts make fewer calls; those that make more make the same ones for each bucket."""


def points() -> list[object]:
    """Return every call, way and procedure: one for `make test`, the others for the campaign."""
    return [
        pytest.param(
            procedure,
            way,
            at,
            marks=() if (procedure, way, at) == ("backup", "killed-after", 7) else
            (pytest.mark.campaign,),
        )
        for procedure in PROCEDURES
        for way in WAYS
        for at in range(0, LARGEST, 1 if procedure == "restore" else 7)
    ]  # fmt: skip


def made(rehearsal: Rehearsal) -> dict[str, int]:
    simulator = rehearsal.simulator
    return {
        "batch": len(simulator.s3_batch.jobs),
        "copies": len(simulator.backup.jobs),
        "backups": len(simulator.backup_jobs.backups),
        "restores": len(simulator.backup_jobs.restores),
        "stacks": len(simulator.cloudformation.stacks),
    }


@pytest.mark.parametrize(("procedure", "way", "at"), points())
def test_each_script_is_disturbed_once_and_pasted_again(procedure: str, way: str, at: int) -> None:
    require("/usr/bin/aws")
    fault = WAYS[way]._replace(after=at)
    output = io.StringIO()
    with Staging(procedure) as rehearsal:
        rehearsal.mishaps = tuple(
            Mishap(way, step, "", None, faults=(fault,), kills=way.startswith("killed"))
            for step in PROCEDURES[procedure]
        )
        well = report.follow(rehearsal, Console(file=output, width=150))
        if rehearsal.stage.missing.database:
            miss(rehearsal.stage.missing.database)
        assert well, output.getvalue()
        assert made(rehearsal) == MADE[procedure], output.getvalue()
        outcomes = Counter("done: " in row.outcome for row in rehearsal.rows if row.mishap)
        sys.stderr.write(f"{procedure}, {way} at call {at}: {dict(outcomes)} done at once\n")
