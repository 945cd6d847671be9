"""cross-account-backup, run by the real AWS CLI in a simulated organization."""

from __future__ import annotations

import pytest

from codeocean_cmdgen.simulator import Simulator, World
from codeocean_cmdgen.simulator.world import MANAGEMENT, SOURCE
from tests.support.people import Person, PersonOf, script, writes


@pytest.fixture
def operator(simulator: Simulator, person: PersonOf) -> Person:
    World(simulator).organization()
    return person(MANAGEMENT)


def test_turns_it_on_once(simulator: Simulator, operator: Person) -> None:
    first = operator.run(script("cross-account-backup"))
    assert first.done
    assert simulator.organization.cross_account_backup
    simulator.clear_requests()
    simulator.clock.advance(30 * 86400)
    again = operator.run(script("cross-account-backup"))
    assert again.done
    assert again.output == first.output
    assert writes(simulator) == []


def test_plan_changes_nothing(simulator: Simulator, operator: Person) -> None:
    outcome = operator.run(script("cross-account-backup"), PLAN="1")
    assert (outcome.code, writes(simulator)) == (0, [])
    assert outcome.output == "plan: cross-account backup would be turned on; nothing was changed\n"


def test_a_member_is_told_where_to_go(
    simulator: Simulator, operator: Person, person: PersonOf
) -> None:
    outcome = person(SOURCE).run(script("cross-account-backup", account_id=SOURCE))
    assert (outcome.code, outcome.output, writes(simulator)) == (3, "", [])
    assert f"generate with --account-id {MANAGEMENT}" in outcome.errors


def test_an_account_of_no_organization_is_told_so(simulator: Simulator, person: PersonOf) -> None:
    outcome = person(MANAGEMENT).run(script("cross-account-backup"))
    assert (outcome.code, writes(simulator)) == (1, [])
    assert "AWSOrganizationsNotInUseException" in outcome.errors


def test_a_refusal_is_not_called_done(simulator: Simulator, operator: Person) -> None:
    simulator.faults.add("backup:UpdateGlobalSettings", "access-denied")
    outcome = operator.run(script("cross-account-backup"))
    assert not outcome.done
    assert "AccessDenied" in outcome.errors


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("organizations:DescribeOrganization", "throttle"),
        ("backup:DescribeGlobalSettings", "internal-error"),
        ("backup:UpdateGlobalSettings", "disconnect-after"),
    ],
)
def test_one_fault_is_survived(
    simulator: Simulator, operator: Person, operation: str, fault: str
) -> None:
    simulator.faults.add(operation, fault)
    assert operator.run(script("cross-account-backup")).done
