"""Rules 5, 6 and 8 of the contract: watching, Ctrl-C, and what must never be shown."""

from __future__ import annotations

import os
import re
import signal
import time
from typing import TYPE_CHECKING

import pexpect
import pytest

from codeocean_cmdgen.simulator import Simulator, example_world
from codeocean_cmdgen.simulator.world import BACKUP, SOURCE
from tests.execution.conftest import Person, PersonOf, script, writes

if TYPE_CHECKING:
    from collections.abc import Callable

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


def wait_for(condition: Callable[[], object]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("nothing happened for a minute")


def test_ctrl_c_says_what_goes_on(
    step: str, text: str, simulator: Simulator, operator: Person
) -> None:
    shim = str(simulator.sleep_shim_directory)
    really_waits = operator.environment["PATH"].replace(f"{shim}:", "")
    watching = operator.start(text, PATH=really_waits)
    polled = "s3control:ListJobs" if step.startswith("s3") else "backup:DescribeCopyJob"
    wait_for(lambda: len(simulator.calls(polled)) > 1)
    time.sleep(1)
    os.killpg(watching.pid, signal.SIGINT)
    output, errors = watching.communicate(timeout=30)
    assert watching.returncode == 130
    assert "what works in the background goes on: paste again" in errors
    assert "done:" not in output
    assert set(writes(simulator)) <= {"CreateJob", "StartCopyJob"}
    assert operator.run(text).done


def test_progress_is_one_line_rewritten_on_a_terminal(text: str, operator: Person) -> None:
    environment = {**operator.environment, "TERM": "xterm"}
    shell = pexpect.spawn(
        "bash",
        ["-c", text],
        env=environment,
        dimensions=(24, 60),
        encoding="utf-8",
        timeout=120,
    )
    shell.expect(pexpect.EOF)
    screen = str(shell.before)
    rewritten = [line for line in re.split(r"\r\n", screen) if "\r\033[K" in line]
    assert len(rewritten) == 1
    shown = rewritten[0].split("\r\033[K")[1:]
    assert len(shown) > 1
    assert all(len(line) <= 60 for line in shown)
    assert screen.rstrip().splitlines()[-1].startswith("done: ")


def test_progress_has_rate_and_time_left(step: str, text: str, operator: Person) -> None:
    errors = operator.run(text).errors
    if step.startswith("s3"):
        left = r"\d+ of \d+ objects done \(\d+%\), 0 failed, [\d.]+/s, \d+ min left\n"
        assert re.search("all: " + left, errors)
        assert re.search("codeocean-source-capsules Active, " + left, errors)
    else:  # AWS Backup tells nothing but the state
        assert "EBS copy CREATED, waits for its turn; RDS copy CREATED" in errors
        assert "EBS copy RUNNING; RDS copy RUNNING" in errors


def test_no_secret_is_shown(text: str, operator: Person) -> None:
    outcome = operator.run(text)
    secret = operator.environment["AWS_SECRET_ACCESS_KEY"]
    assert outcome.done
    assert secret not in text + outcome.output + outcome.errors
