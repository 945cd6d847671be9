"""Rule 3 of the contract: a script knows where it is, and changes nothing anywhere else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from codeocean_cmdgen.rendering.script import render
from codeocean_cmdgen.simulator import Simulator, example_world
from tests.support.cases import CASES, CLOUDSHELL
from tests.support.people import Outcome, Person, PersonOf, made, script, writes

if TYPE_CHECKING:
    from collections.abc import Iterator

ELSEWHERE = "999999999999"
VERSIONS = {
    "aws-cli/1.46.3 Python/3.11.7": "at least 2.9",
    "aws-cli/2.8.13 Python/3.9.11": "at least 2.9",
    "aws-cli/2.9.0 Python/3.9.11": "no valid credentials",
    "aws-cli/2.31.5 Python/3.13.7": "no valid credentials",
    "aws-cli/3.0.0 Python/3.15.0": "at least 2.9",
    "": "at least 2.9",
}
"""What `aws --version` says, and how a script ends whose `aws` can do no more than that."""


def text(step: str, **values: str) -> str:
    return script(step, **CASES[step].values, **values)


@pytest.fixture(scope="module")
def world() -> Iterator[Simulator]:
    """Make one world for all: what is refused changes nothing in it."""
    with Simulator() as simulator:
        example_world(simulator, objects_per_bucket=1)
        yield simulator


@pytest.fixture
def simulator(world: Simulator) -> Simulator:
    world.faults.clear()
    world.clear_requests()
    return world


@pytest.fixture(params=CLOUDSHELL)
def step(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def native(step: str, person: PersonOf) -> Person:
    return person(CASES[step].account)


def refused(outcome: Outcome, simulator: Simulator, *words: str) -> bool:
    """Whether a script stopped with one line that says all this, and changed nothing."""
    (line,) = outcome.errors.splitlines()
    assert outcome.code == 3
    assert outcome.output == ""
    assert line.startswith("stopped: ")
    assert writes(simulator) == []
    return all(word in line for word in words)


def test_wrong_account(step: str, simulator: Simulator, person: PersonOf) -> None:
    outcome = person(ELSEWHERE).run(text(step))
    assert refused(outcome, simulator, ELSEWHERE, CASES[step].account)


def test_wrong_partition(step: str, simulator: Simulator, native: Person) -> None:
    plain, origins = made(step, **CASES[step].values)
    documents = {**plain.documents(), "partition": "aws-cn"}
    with patch.object(type(plain), "documents", return_value=documents):
        rendered = render(plain, origins)
    assert refused(native.run(rendered), simulator, "arn:aws:", "aws-cn account")


def test_wrong_region(step: str, simulator: Simulator, native: Person) -> None:
    if not CASES[step].finds_region:
        return
    values: dict[str, str] = {"region": "eu-west-1"}
    if step == "snapshot-copy":
        for name in ("ebs_snapshot_arn", "rds_snapshot_arn"):
            line = next(line for line in text(step).splitlines() if name.upper() in line)
            values[name] = line.partition("=")[2].replace("us-east-1", "eu-west-1")
    outcome = native.run(text(step, **values))
    assert outcome.code == 3
    assert "eu-west-1" in outcome.errors
    assert writes(simulator) == []


def test_no_credentials(step: str, simulator: Simulator, native: Person) -> None:
    del native.environment["AWS_ACCESS_KEY_ID"]
    assert refused(native.run(text(step)), simulator, "credentials", CASES[step].account)


def test_unknown_credentials(step: str, simulator: Simulator, native: Person) -> None:
    unknown = native.run(text(step), AWS_ACCESS_KEY_ID="AKIAUNKNOWNUNKNOWN12")
    assert refused(unknown, simulator, "InvalidClientTokenId", CASES[step].account)


def test_expired_credentials(step: str, simulator: Simulator, native: Person) -> None:
    simulator.faults.add("sts:GetCallerIdentity", "expired-token", times=None)
    assert refused(native.run(text(step)), simulator, "ExpiredToken", CASES[step].account)


def test_aws_cli_version(step: str, simulator: Simulator, native: Person, tmp_path: Path) -> None:
    aws = tmp_path / "aws"
    path = f"{tmp_path}:{native.environment['PATH']}"
    for version, words in VERSIONS.items():
        aws.write_text(f"#!/bin/sh\n[ $1 = --version ] && echo '{version}' || exit 253\n")
        aws.chmod(0o700)
        assert refused(native.run(text(step), PATH=path), simulator, words), version


def test_missing_program(step: str, simulator: Simulator, native: Person, tmp_path: Path) -> None:
    for program in ("aws", "jq"):
        programs = tmp_path / f"without-{program}"
        programs.mkdir()
        for file in (*Path("/usr/bin").iterdir(), *Path("/bin").iterdir()):
            if file.name != program and not (programs / file.name).exists():
                (programs / file.name).symlink_to(file)
        outcome = native.run(text(step), PATH=str(programs))
        assert refused(outcome, simulator, f"program {program} is needed")


def test_settings_hold_nothing_else(step: str, simulator: Simulator, native: Person) -> None:
    for name, value in (
        ("PLAN", "2"),
        ("PLAN", "yes"),
        ("PLAN", "0"),
        ("WATCH", "1"),
        ("WATCH", " "),
    ):
        outcome = native.run(text(step), **{name: value})
        assert outcome.code == 2
        assert f"{name} is '{value}'" in outcome.errors
    assert simulator.requests == []


def test_a_plan_that_nobody_can_read_is_no_order(
    step: str, simulator: Simulator, native: Person
) -> None:
    """Where the last line cannot be written, the script must end all the same."""
    native.run(text(step).rstrip() + " >&-\n", PLAN="1")
    assert set(writes(simulator)) <= {"CreateChangeSet", "DeleteChangeSet"}


THROTTLED = (
    "on-demand-backup",
    "snapshot-copy",
    "volume-restore",
    "volume-delete",
    "db-restore",
    "db-delete",
    "stack-create",
    "stack-parameters",
    "instance-hold",
    "instance-release",
)
"""The steps that begin with a description of what must be in this account and Region."""


@pytest.mark.parametrize(
    ("answered", "code"),
    [
        ("", "Throttling"),
        ("", "ServiceUnavailable"),
        ("sts*", "ThrottlingException"),
        ("sts*", "RequestLimitExceeded"),
        ("sts*", "SlowDown"),
        ("sts*", "503"),
    ],
)
def test_too_many_requests_are_no_wrong_place(
    step: str, simulator: Simulator, native: Person, tmp_path: Path, answered: str, code: str
) -> None:
    if answered and step not in THROTTLED:
        return
    account = CASES[step].account
    caller = f'{{"Account": "{account}", "Arn": "arn:aws:sts::{account}:assumed-role/r/s"}}'
    aws = tmp_path / "aws"
    aws.write_text(
        "#!/bin/bash\ncase $* in\n--version) echo aws-cli/2.9.0 ;;\n"
        f"{answered or 'nothing'}) echo '{caller}' ;;\n"
        f"*) echo 'An error occurred ({code}) when calling: Rate exceeded' >&2; exit 254 ;;\nesac\n"
    )
    aws.chmod(0o700)
    outcome = native.run(text(step), PATH=f"{tmp_path}:{native.environment['PATH']}")
    assert outcome.code == 1, outcome
    assert f"({code})" in outcome.errors
    assert "Paste the script again" in outcome.errors
