"""instance-hold and instance-release, run by the real AWS CLI on a simulated Auto Scaling group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.simulator import Simulator, World
from codeocean_cmdgen.simulator.templates import PRIMARY_URL
from codeocean_cmdgen.simulator.world import TARGET
from tests.support.people import Person, PersonOf, script, writes

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator.autoscaling import Group
    from codeocean_cmdgen.simulator.wire import Call

HELD = {
    "HealthCheck",
    "ReplaceUnhealthy",
    "InstanceRefresh",
    "AZRebalance",
    "ScheduledActions",
    "AlarmNotification",
}
TAG = "codeocean-cmdgen:instance-hold:first"


@pytest.fixture
def group(simulator: Simulator) -> Group:
    world = World(simulator)
    stack = world.stack(TARGET, "codeocean", PRIMARY_URL, pDnsRootDomain="codeocean.example.com")
    return world.services_group(stack)


@pytest.fixture
def operator(person: PersonOf) -> Person:
    return person(TARGET)


def test_holds_and_releases(group: Group, operator: Person) -> None:
    held = operator.run(script("instance-hold"))
    assert held.done
    assert group.instance_id in held.output
    assert set(group.suspended) == HELD
    released = operator.run(script("instance-release"))
    assert released.done
    assert "suspended" not in released.errors
    assert group.suspended == {}


def test_pasted_again_changes_nothing(group: Group, simulator: Simulator, operator: Person) -> None:
    for step in ("instance-hold", "instance-release"):
        first = operator.run(script(step))
        simulator.clear_requests()
        simulator.clock.advance(30 * 86400)
        second = operator.run(script(step))
        assert second.done
        assert second.output == first.output
        assert writes(simulator) == []


@pytest.mark.parametrize("step", ["instance-hold", "instance-release"])
def test_plan_changes_nothing(
    group: Group, simulator: Simulator, operator: Person, step: str
) -> None:
    operator.run(script("instance-hold", run="first" if step == "instance-release" else "other"))
    if step == "instance-hold":
        operator.run(script("instance-release", run="other"))
    simulator.clear_requests()
    outcome = operator.run(script(step), PLAN="1")
    assert (outcome.code, outcome.output) == (0, "plan: nothing was changed\n")
    assert "HealthCheck" in outcome.errors
    assert writes(simulator) == []


def test_what_somebody_else_suspended_is_not_resumed(group: Group, operator: Person) -> None:
    group.suspended = {"AZRebalance": "by somebody", "Launch": "by somebody"}
    assert operator.run(script("instance-hold")).done
    assert set(group.suspended) == {*HELD, "Launch"}
    released = operator.run(script("instance-release"))
    assert released.done
    assert set(group.suspended) == {"AZRebalance", "Launch"}
    assert "still suspended, by somebody else: AZRebalance Launch" in released.errors
    assert "a services instance that fails is still not replaced" in released.errors


def test_a_hold_that_found_everything_suspended_resumes_nothing(
    group: Group, operator: Person
) -> None:
    """A request that names no process resumes all of them."""
    group.suspended = dict.fromkeys(HELD, "by somebody")
    assert operator.run(script("instance-hold")).done
    assert operator.run(script("instance-release")).done
    assert set(group.suspended) == HELD


def test_what_somebody_resumed_meanwhile_is_suspended_again(group: Group, operator: Person) -> None:
    group.suspended = {"AZRebalance": "by somebody"}
    operator.run(script("instance-hold"))
    group.suspended = {}
    assert operator.run(script("instance-hold")).done
    assert set(group.suspended) == HELD
    operator.run(script("instance-release"))
    assert group.suspended == {}


def test_a_maximum_lifetime_is_held_too(group: Group, operator: Person) -> None:
    group.max_instance_lifetime = 86400
    assert operator.run(script("instance-hold")).done
    assert set(group.suspended) == {*HELD, "Terminate"}


def test_a_round_that_is_over_is_not_begun_again(
    group: Group, simulator: Simulator, operator: Person
) -> None:
    operator.run(script("instance-hold"))
    operator.run(script("instance-release"))
    simulator.clear_requests()
    outcome = operator.run(script("instance-hold"))
    assert outcome.code == 1
    assert "use a new --run" in outcome.errors
    assert writes(simulator) == []
    assert operator.run(script("instance-hold", run="second")).done


@pytest.mark.parametrize("step", ["instance-hold", "instance-release"])
def test_another_run_that_holds_is_named(
    group: Group, simulator: Simulator, operator: Person, step: str
) -> None:
    operator.run(script("instance-hold"))
    simulator.clear_requests()
    outcome = operator.run(script(step, run="second"))
    assert outcome.code == 1
    assert "instance-release --run first" in outcome.errors
    assert writes(simulator) == []


def test_a_tag_of_somebody_else_is_no_other_run(group: Group, operator: Person) -> None:
    group.tags["note"] = "held for audit"
    assert operator.run(script("instance-hold")).done


def test_an_instance_that_is_replaced_meanwhile_is_not_called_held(
    group: Group, simulator: Simulator, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Suspended processes do not stop a replacement that has begun."""
    suspend = simulator.autoscaling.operations["SuspendProcesses"]

    def replace_and_suspend(call: Call) -> dict[str, Any]:
        group.instance_id = "i-0new"
        return suspend(call)

    operations = simulator.autoscaling.operations
    monkeypatch.setitem(operations, "SuspendProcesses", replace_and_suspend)
    before = group.instance_id
    outcome = operator.run(script("instance-hold"))
    assert outcome.code == 1
    assert f"{before} was in service, now i-0new is" in outcome.errors
    again = operator.run(script("instance-hold"))
    assert again.done
    assert "replacement of i-0new is suspended" in again.output


def test_nothing_held_is_nothing_released(
    group: Group, simulator: Simulator, operator: Person
) -> None:
    outcome = operator.run(script("instance-release"))
    assert outcome.done
    assert "run first holds nothing" in outcome.output
    assert writes(simulator) == []


def test_an_unhealthy_instance_is_not_released(
    group: Group, simulator: Simulator, operator: Person
) -> None:
    operator.run(script("instance-hold"))
    group.health = "Unhealthy"
    simulator.clear_requests()
    for plan in ("1", ""):
        outcome = operator.run(script("instance-release"), PLAN=plan)
        assert outcome.code == 1
        assert f"{group.instance_id} is marked unhealthy" in outcome.errors
        assert f"--instance-id {group.instance_id} --health-status Healthy" in outcome.errors
    assert writes(simulator) == []
    group.health = "Healthy"
    assert operator.run(script("instance-release")).done


def test_an_instance_that_ends_already_is_no_reason_to_hold(group: Group, operator: Person) -> None:
    operator.run(script("instance-hold"))
    group.health, group.state = "Unhealthy", "Terminating:Wait"
    assert operator.run(script("instance-release")).done


def test_the_record_is_written_before_anything_is_suspended(
    group: Group, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("autoscaling:SuspendProcesses", "access-denied", times=None)
    outcome = operator.run(script("instance-hold"))
    assert outcome.code == 1
    assert "cannot suspend the processes: An error occurred" in outcome.errors
    assert " . Paste the script again." not in outcome.errors
    assert group.suspended == {}
    assert set(group.tags[TAG].split()[2:]) == HELD


def test_a_group_of_another_deployment_is_left_alone(
    group: Group, simulator: Simulator, operator: Person
) -> None:
    group.tags["codeocean:deployment"] = "other"
    outcome = operator.run(script("instance-hold"))
    assert outcome.code == 3
    assert "belongs to deployment 'other', not codeocean" in outcome.errors
    assert writes(simulator) == []


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("cloudformation:DescribeStackResource", "throttle"),
        ("autoscaling:DescribeAutoScalingGroups", "internal-error"),
        ("autoscaling:CreateOrUpdateTags", "disconnect"),
        ("autoscaling:*Processes", "disconnect-after"),
    ],
)
def test_one_fault_is_survived(
    group: Group, simulator: Simulator, operator: Person, operation: str, fault: str
) -> None:
    simulator.faults.add(operation, fault, times=1)
    assert operator.run(script("instance-hold")).done
    simulator.faults.add(operation, fault, times=1)
    assert operator.run(script("instance-release")).done
    assert group.suspended == {}
