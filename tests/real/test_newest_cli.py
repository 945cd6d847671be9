"""The newest AWS CLI, in AWS's own build. Tests of tests/execution that are marked run with it."""

from __future__ import annotations

import io
import os
from functools import partial
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.rehearsal import report, run
from codeocean_cmdgen.simulator import Simulator, World
from codeocean_cmdgen.simulator.aws import loaded_aws
from codeocean_cmdgen.simulator.world import MANAGEMENT
from tests.support.people import Person, script
from tests.support.tools import NEWEST_AWS, miss, require

if TYPE_CHECKING:
    from pathlib import Path

LONG = {"restore", "migration"}


def test_the_program_as_it_is_installed(simulator: Simulator, tmp_path: Path) -> None:
    """Everywhere else the CLI is loaded once and forked, which this test does without."""
    require(NEWEST_AWS)
    World(simulator).organization()
    path = f"{NEWEST_AWS.parent}:{os.environ['PATH']}"
    environment = simulator.environment(MANAGEMENT, path=path)
    operator = Person({**environment, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)})
    outcome = operator.run(script("cross-account-backup"))
    assert outcome.done, outcome


@pytest.mark.parametrize(
    "procedure",
    [pytest.param(one, marks=[pytest.mark.campaign] * (one in LONG)) for one in PROCEDURES],
)
def test_a_rehearsal(procedure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    require(NEWEST_AWS)
    monkeypatch.setattr(run, "any_aws", partial(loaded_aws, aws=NEWEST_AWS))
    output = io.StringIO()
    with run.Staging(procedure) as rehearsal:
        well = report.follow(rehearsal, Console(file=output, width=120))
        missing = rehearsal.stage.missing
        if missing.host or missing.database:
            miss(missing.host or missing.database)
    assert well, output.getvalue()
