"""What the accounts are asked: each thing once, reading only; and what comes of refusals."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from codeocean_cmdgen.check import facts_in_file, look_over
from codeocean_cmdgen.check.questions import ask_accounts
from codeocean_cmdgen.inputs.deployment_file import read_deployment_file
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.simulator import Simulator
from tests.support.checked_world import NOW, ROLES, ask_simulator, clean_world, values_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from codeocean_cmdgen.check import Facts

BUDGET = {"source": 80, "backup": 85, "target": 85}
"""Requests to an account, with nine buckets."""


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(start=NOW) as simulator:
        clean_world(simulator, "restore")
        yield simulator


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    return loaded("restore", tmp_path)


def loaded(procedure: str, folder: Path) -> Facts:
    file = folder / "deployment.toml"
    file.write_text(values_for(procedure), encoding="utf-8")
    return facts_in_file(procedure, read_deployment_file(file), NOW)


@pytest.mark.parametrize("procedure", PROCEDURES)
def test_each_thing_is_asked_once_within_the_budget(
    simulator: Simulator, procedure: str, tmp_path: Path
) -> None:
    ask_simulator(simulator, loaded(procedure, tmp_path))
    asked = Counter(
        (one.account, one.operation, repr(sorted(one.parameters.items())))
        for one in simulator.requests
    )
    assert asked
    assert set(asked.values()) == {1}
    for role, account in ROLES.items():
        number = sum(one.account == account for one in simulator.requests)
        assert number <= BUDGET[role], f"{role} was asked {number} times"


def test_accounts_are_only_read(simulator: Simulator, facts: Facts) -> None:
    ask_simulator(simulator, facts)
    for one in simulator.requests:
        assert one.operation.startswith(("Get", "Describe", "List")), one
        assert one.operation != "GetSecretValue"


def test_a_refusal_is_said_and_no_finding(simulator: Simulator, facts: Facts) -> None:
    simulator.faults.add("s3:GetBucketPolicy", "access-denied", times=None)
    ask_simulator(simulator, facts)
    result = look_over(facts, "deployment.toml", offline=False)
    assert result.findings == []
    assert {one.rule.name for one in result.unchecked} == {"B13"}
    assert len(result.unchecked) == 9
    assert "s3:GetBucketPolicy codeocean-target-public: AccessDenied" in {
        one.reason.removeprefix("target: ") for one in result.unchecked
    }


def test_a_bucket_that_is_gone_is_a_finding(simulator: Simulator, facts: Facts) -> None:
    simulator.account(ROLES["backup"]).client("s3").delete_bucket(Bucket="codeocean-backup-mlflow")
    ask_simulator(simulator, facts)
    result = look_over(facts, "deployment.toml", offline=False)
    assert {finding.rule.name for finding in result.findings} == {"B01"}


def test_credentials_of_one_account_look_at_no_other(simulator: Simulator, facts: Facts) -> None:
    client = simulator.account(ROLES["backup"]).client
    ask_accounts(facts, dict.fromkeys(ROLES, client), (), lambda *_, **__: None)
    assert facts.deployments["backup"].why_not_asked == ""
    for role in ("source", "target"):
        assert f"give --profile {role}=NAME" in facts.deployments[role].why_not_asked
        assert list(facts.deployments[role].answers) == [("GetCallerIdentity", "")]
    assert look_over(facts, "deployment.toml", offline=False).findings == []


def test_a_profile_of_another_account_is_a_finding(simulator: Simulator, facts: Facts) -> None:
    client = simulator.account(ROLES["backup"]).client
    ask_accounts(facts, dict.fromkeys(ROLES, client), ("target",), lambda *_, **__: None)
    result = look_over(facts, "deployment.toml", offline=False)
    assert {finding.rule.name for finding in result.findings} == {"A01"}
    assert result.fails


def test_expired_credentials_are_said(simulator: Simulator, facts: Facts) -> None:
    simulator.faults.add("sts:GetCallerIdentity", "expired-token", times=None)
    ask_simulator(simulator, facts)
    for role in ROLES:
        assert "no working credentials: give --profile" in facts.deployments[role].why_not_asked
        assert "ExpiredToken" in facts.deployments[role].why_not_asked
    result = look_over(facts, "deployment.toml", offline=False)
    assert result.fails
    assert not result.has_errors
