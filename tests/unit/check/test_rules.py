"""Each rule finds the one fault that it is for, and nothing where all is well."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.check import RULES, look_over
from codeocean_cmdgen.check.facts import Unknown
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.simulator.world import REGION, TARGET
from tests.support.check_faults import AWAY, FAULTS, Fault, World, names, result_of, spoiled

if TYPE_CHECKING:
    from codeocean_cmdgen.check import Facts


@pytest.mark.parametrize("procedure", PROCEDURES)
def test_nothing_is_found_where_all_is_well(clean: dict[str, Facts], procedure: str) -> None:
    result = look_over(clean[procedure], "deployment.toml", offline=False)
    assert result.findings == []
    assert result.unchecked == []
    assert result.checked >= 40


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.rule for fault in FAULTS])
def test_each_rule_finds_its_fault(clean: dict[str, Facts], fault: Fault) -> None:
    result = result_of(spoiled(clean, fault), fault)
    assert names(result) == {fault.rule, *fault.also}
    for finding in result.findings:
        assert finding.what.isascii()


def test_each_rule_has_a_fault() -> None:
    assert sorted(fault.rule for fault in FAULTS) == sorted(rule.name for rule in RULES)
    assert len(RULES) >= 40


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_a_rule_says_what_a_person_needs(rule: Any) -> None:
    assert rule.title
    assert rule.why
    assert rule.source
    assert rule.fix


def test_what_was_refused_is_not_passed_as_good(clean: dict[str, Facts]) -> None:
    facts = copy.deepcopy(clean["restore"])
    refused = Unknown("backup: s3:GetBucketReplication codeocean-backup-mlflow: AccessDenied")
    World(facts).say("backup", "GetBucketReplication", "codeocean-backup-mlflow", refused)
    World(facts).rule()["Destination"].update(AWAY)
    result = look_over(facts, "deployment.toml", offline=False)
    assert names(result) == {"B05"}, "the other buckets are checked nevertheless"
    assert {one.reason for one in result.unchecked} == {refused.reason}
    assert "B05" in {one.rule.name for one in result.unchecked}


def test_an_account_that_was_not_asked_is_said_to_be(clean: dict[str, Facts]) -> None:
    facts = copy.deepcopy(clean["restore"])
    facts.target.why_not_asked = "account 333333333333 of [target]: no credentials"
    result = look_over(facts, "deployment.toml", offline=False)
    assert result.findings == []
    assert {one.reason for one in result.unchecked} == {facts.target.why_not_asked}


def test_a_value_is_looked_up_where_its_step_looks_it_up(clean: dict[str, Facts]) -> None:
    facts = copy.deepcopy(clean["restore"])
    world = World(facts)
    world.put("target", "destination_vault_arn")
    stranger = f"arn:aws:backup:{REGION}:{TARGET}:backup-vault:stranger"
    world.put("backup", "destination_vault_arn", stranger, step="snapshot-copy")
    result = look_over(facts, "deployment.toml", offline=True)
    assert names(result) == {"F08"}
