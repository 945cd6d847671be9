"""Rules 5, 6 and 8 of the contract: watching, Ctrl-C, and what must never be shown."""

from __future__ import annotations

import re

import pytest

from codeocean_cmdgen.simulator import Simulator, example_world
from codeocean_cmdgen.simulator.world import BACKUP, SOURCE
from tests.support.people import Person, PersonOf, interrupt, screen, script, writes

STEPS = {"s3-batch-replication": SOURCE, "snapshot-copy": BACKUP}
ONE_BUCKET = ("arn:aws:s3:::codeocean-source-capsules",)


@pytest.fixture(params=STEPS)
def step(request: pytest.FixtureRequest, simulator: Simulator) -> str:
    example_world(simulator, objects_per_bucket=10)
    simulator.s3_batch.objects_per_second = 0.1
    return str(request.param)


@pytest.fixture
def operator(step: str, person: PersonOf) -> Person:
    return person(STEPS[step])


@pytest.fixture
def text(step: str) -> str:
    return script(step, bucket_arn=ONE_BUCKET) if step.startswith("s3") else script(step)


def test_ctrl_c_says_what_goes_on(
    step: str, text: str, simulator: Simulator, operator: Person
) -> None:
    begun_by = "s3control:CreateJob" if step.startswith("s3") else "backup:DescribeCopyJob"
    assert not interrupt(operator, simulator, text, begun_by).done
    assert set(writes(simulator)) <= {"CreateJob", "StartCopyJob"}
    assert operator.run(text).done


def test_progress_is_one_line_rewritten_on_a_terminal(text: str, operator: Person) -> None:
    lines = screen(operator, text)
    rewritten = [line for line in lines if "\r\033[K" in line]
    assert len(rewritten) == 1
    shown = rewritten[0].split("\r\033[K")[1:]
    assert len(shown) > 1
    assert all(len(line) <= 60 for line in shown)
    assert not any("recovery point:" in line for line in shown), "results have lines of their own"
    assert [line for line in lines if line][-1].startswith("done: ")


def test_progress_has_rate_and_time_left(step: str, text: str, operator: Person) -> None:
    errors = operator.run(text).errors
    if step.startswith("s3"):
        left = r"\d+ of \d+ objects done \(\d+%\), 0 failed, [\d.]+/s, \d+ min left\n"
        assert re.search("all: " + left, errors)
        assert re.search("codeocean-source-capsules Active, " + left, errors)
    else:  # AWS Backup tells nothing but the state
        assert "EBS copy CREATED (waits for its turn), RDS copy CREATED" in errors
        assert "EBS copy RUNNING, RDS copy RUNNING" in errors


def test_no_secret_is_shown(text: str, operator: Person) -> None:
    outcome = operator.run(text)
    secret = operator.environment["AWS_SECRET_ACCESS_KEY"]
    assert outcome.done
    assert secret not in text + outcome.output + outcome.errors
