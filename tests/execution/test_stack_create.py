"""stack-create, run by the real AWS CLI against simulated templates."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from codeocean_cmdgen.inputs.resolve import Given, resolve
from codeocean_cmdgen.rendering.script import render
from codeocean_cmdgen.simulator import Simulator, World
from codeocean_cmdgen.simulator.templates import PRIMARY, PRIMARY_URL
from codeocean_cmdgen.simulator.world import BACKUP, SOURCE, TARGET
from codeocean_cmdgen.steps import StackCreate
from tests.support.people import Person, PersonOf, interrupt, script, writes

if TYPE_CHECKING:
    from pathlib import Path

    from codeocean_cmdgen.simulator.cloudformation import Stack

DOMAIN = "pDnsRootDomain=new.example.com"


@pytest.fixture
def operator(simulator: Simulator, person: PersonOf) -> Person:
    World(simulator).templates()
    return person(TARGET)


def creation(*parameters: str, **values: str) -> str:
    """Return the script that creates the target's stack."""
    given = {
        "account_id": TARGET,
        "region": "us-east-1",
        "stack_name": "codeocean",
        "template_url": PRIMARY_URL,
        **values,
    }
    options = {name: Given((text,), "option") for name, text in given.items()}
    return render(*resolve(StackCreate, {**options, "set": Given(parameters, "option")}))


def created(simulator: Simulator, account: str = TARGET, name: str = "codeocean") -> Stack:
    stack = simulator.cloudformation.stack(account, "us-east-1", name)
    assert stack
    return stack


@pytest.mark.newest_cli
def test_creates_the_backup_stack_and_the_target(
    simulator: Simulator, operator: Person, person: PersonOf
) -> None:
    assert person(BACKUP).run(script("stack-create")).done
    backup = created(simulator, BACKUP, "codeocean-backup")
    assert (backup.status, backup.parameters["pSourceAccountId"]) == ("CREATE_COMPLETE", SOURCE)
    outcome = operator.run(script("stack-create", "target"))
    assert outcome.done, outcome
    target = created(simulator)
    assert target.status == "CREATE_COMPLETE"
    assert target.parameters["pRestoreSourceAccountId"] == BACKUP
    assert "DataVolume CREATE_COMPLETE" in outcome.errors


def test_pasted_again_changes_nothing(simulator: Simulator, operator: Person) -> None:
    first = operator.run(creation(DOMAIN))
    simulator.clear_requests()
    simulator.clock.advance(30 * 86400)
    again = operator.run(creation(DOMAIN))
    assert again.done
    assert again.output == first.output
    assert writes(simulator) == []


def test_a_later_change_does_not_undo_the_creation(simulator: Simulator, operator: Person) -> None:
    operator.run(creation(DOMAIN))
    stack = created(simulator)
    stack.parameters["pDnsRootDomain"] = "other.example.com"
    differs = operator.run(creation(DOMAIN))
    assert differs.code == 1
    values = "(the stack's -> the script's): pDnsRootDomain: other.example.com -> new.example.com\n"
    assert f"with other values {values}" in differs.errors
    stack.updated = simulator.clock.now()
    changed = operator.run(creation(DOMAIN))
    assert changed.done
    assert f"It was updated since, and has other values {values}" in changed.output


def test_a_stack_of_another_template_is_not_called_done(
    simulator: Simulator, operator: Person
) -> None:
    operator.run(creation(DOMAIN))
    other_url = PRIMARY_URL.replace("3.8.2", "another")
    simulator.cloudformation.templates[other_url] = PRIMARY
    other = operator.run(creation(DOMAIN, template_url=other_url))
    assert not other.done
    assert "do not show that it was with this template" in other.errors


@pytest.mark.parametrize(
    ("fails", "status", "words"),
    [
        (True, "DELETE_FAILED", "Its creation ended ROLLBACK_COMPLETE at"),
        (False, "DELETE_FAILED", "deleting it has failed since"),
        (False, "UPDATE_ROLLBACK_FAILED", "Do not delete it"),
        (False, "IMPORT_COMPLETE", ""),
    ],
)
def test_what_became_of_the_stack_is_told_with_the_right_next_step(
    simulator: Simulator, operator: Person, fails: bool, status: str, words: str
) -> None:
    if fails:
        simulator.faults.add("cloudformation:CreateStack", "fail-job")
    operator.run(creation(DOMAIN))
    created(simulator).status = status
    outcome = operator.run(creation(DOMAIN))
    assert outcome.done == (words == "")
    assert words in outcome.errors


def test_the_sources_parameters_are_taken_but_for_what_is_its_own(
    simulator: Simulator, operator: Person, tmp_path: Path
) -> None:
    World(simulator).stack(
        SOURCE,
        "codeocean",
        PRIMARY_URL,
        pDnsRootDomain="codeocean.example.com",
        pServicesInstanceType="m7i.xlarge",
        pDestinationBackupVaultArn="arn:aws:backup:us-east-1:222222222222:backup-vault:v1",
        pRestoreSourceAccountId="999999999999",
        pCustomUpstreamDockerRegistrySecret="secret",
        pCertificateArn=f"arn:aws:acm:us-east-1:{SOURCE}:certificate/1",
    )
    saved = tmp_path / "source.json"
    client = simulator.account(SOURCE).client("cloudformation")
    saved.write_text(json.dumps(client.describe_stacks(StackName="codeocean"), default=str))
    outcome = operator.run(creation(DOMAIN, parameters_from=str(saved)))
    assert outcome.done, outcome
    parameters = created(simulator).parameters
    assert parameters["pServicesInstanceType"] == "m7i.xlarge"
    assert parameters["pDnsRootDomain"] == "new.example.com"
    assert parameters["pDestinationBackupVaultArn"] == ""
    assert parameters["pRestoreSourceAccountId"] == ""
    assert parameters["pCustomUpstreamDockerRegistrySecret"] == ""
    assert "warning: pCertificateArn names what is in another account" in outcome.errors


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ((), "pDnsRootDomain must be given, with --set"),
        ((DOMAIN, "pNone=1"), "the template has no parameter pNone"),
        ((DOMAIN, "pRdsInstanceType=db.r5.large"), "may be db.t4g.small or db.t4g.medium"),
        ((DOMAIN, "pCustomUpstreamDockerRegistrySecret=s3cr3t"), "is a secret"),
        (("pDnsRootDomain=UPPER",), "must match pattern"),
        ((DOMAIN, "pRdsAllocatedStorage=much"), "must be a number"),
    ],
)
def test_bad_parameters_are_refused_before_anything_is_made(
    simulator: Simulator, operator: Person, parameters: tuple[str, ...], words: str
) -> None:
    outcome = operator.run(creation(*parameters))
    assert outcome.code == 1
    assert words in outcome.errors
    assert simulator.cloudformation.stacks == []


def test_plan_changes_nothing(simulator: Simulator, operator: Person) -> None:
    outcome = operator.run(creation(DOMAIN), PLAN="1")
    assert (outcome.code, writes(simulator)) == (0, [])
    assert outcome.output.splitlines()[-1].startswith("plan: ")
    assert "pDnsRootDomain = new.example.com" in outcome.errors


def test_a_rollback_is_told_with_its_first_cause(simulator: Simulator, operator: Person) -> None:
    simulator.faults.add("cloudformation:CreateStack", "fail-job")
    for _ in range(2):
        outcome = operator.run(creation(DOMAIN))
        assert outcome.code == 1
        assert "stack codeocean is ROLLBACK_COMPLETE" in outcome.errors
        assert "CREATE_FAILED: User is not authorized" in outcome.errors
    assert len(simulator.calls("cloudformation:CreateStack")) == 1


def test_a_stack_of_somebody_else_is_left_alone(simulator: Simulator, operator: Person) -> None:
    World(simulator).stack(TARGET, "codeocean", PRIMARY_URL, pDnsRootDomain="new.example.com")
    outcome = operator.run(creation(DOMAIN))
    assert outcome.code == 1
    assert "Run first did not create it (no run did)" in outcome.errors
    assert writes(simulator) == []


def test_a_vault_in_the_way_is_warned_of(simulator: Simulator, operator: Person) -> None:
    World(simulator).vault(TARGET, "codeocean-v1")
    outcome = operator.run(creation(DOMAIN), PLAN="1")
    assert "warning: backup vault codeocean-v1 exists: a stack that creates it" in outcome.errors


def test_a_plan_shows_defaults_and_capabilities(simulator: Simulator, operator: Person) -> None:
    template = replace(PRIMARY, capabilities=("CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"))
    simulator.cloudformation.templates[PRIMARY_URL] = template
    outcome = operator.run(creation(DOMAIN), PLAN="1")
    assert outcome.code == 0
    assert "  pDnsRootDomain = new.example.com\n" in outcome.errors
    assert "  by default: pBackupRetentionPeriod = 14\n" in outcome.errors
    granted = "CAPABILITY_AUTO_EXPAND CAPABILITY_NAMED_IAM"
    assert f"CloudFormation is granted what the template needs: {granted}" in outcome.errors


def test_follows_what_it_started_before(simulator: Simulator, operator: Person) -> None:
    started = operator.run(creation(DOMAIN), WATCH="0")
    assert (started.code, started.output) == (
        4,
        "started: stack codeocean is CREATE_IN_PROGRESS. Paste the script again to follow it.\n",
    )
    assert created(simulator).status == "CREATE_IN_PROGRESS"
    planned = operator.run(creation(DOMAIN), PLAN="1")
    assert planned.output == "plan: stack codeocean exists; nothing was changed\n"
    assert operator.run(creation(DOMAIN)).done
    assert len(simulator.calls("cloudformation:CreateStack")) == 1


def test_ctrl_c_says_that_the_creation_goes_on(simulator: Simulator, operator: Person) -> None:
    interrupt(operator, simulator, creation(DOMAIN), "cloudformation:CreateStack")
    assert created(simulator).status == "CREATE_IN_PROGRESS"


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("DescribeStacks", "throttle"),
        ("GetTemplateSummary", "internal-error"),
        ("CreateStack", "disconnect-after"),
        ("DescribeStackEvents", "disconnect"),
    ],
)
def test_one_fault_is_survived(
    simulator: Simulator, operator: Person, operation: str, fault: str
) -> None:
    simulator.faults.add(f"cloudformation:{operation}", fault)
    assert operator.run(creation(DOMAIN)).done
    assert len(simulator.cloudformation.stacks) == 1


def test_who_may_not_see_stacks_creates_none(simulator: Simulator, operator: Person) -> None:
    simulator.faults.add("cloudformation:DescribeStacks", "access-denied", times=None)
    outcome = operator.run(creation(DOMAIN))
    assert (outcome.code, writes(simulator)) == (1, [])


def test_all_parameters_of_a_deployment_fit_into_a_script() -> None:
    """The vendor's template 3.8.2 has 83 parameters, 14 of which are never taken along."""
    assert creation(*(f"pParameterOfTheTemplate{number}={'v' * 60}" for number in range(83 - 14)))
