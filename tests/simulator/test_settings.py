"""Auto Scaling groups, and the settings of an organization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from codeocean_cmdgen.simulator.world import MANAGEMENT, SOURCE
from tests.support.simulated import ACCOUNT

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator import Simulator, World


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


@pytest.fixture
def group(sim: Simulator) -> Any:
    """Give the client of an account with one group, called one."""
    sim.autoscaling.add(ACCOUNT, "us-east-1", "one", "i-0123456789abcdef0", {"a": "b"})
    return sim.account(ACCOUNT).client("autoscaling")


def suspended(client: Any) -> set[str]:
    (group,) = client.describe_auto_scaling_groups(AutoScalingGroupNames=["one"])[
        "AutoScalingGroups"
    ]
    return {one["ProcessName"] for one in group["SuspendedProcesses"]}


def test_processes_are_suspended_and_resumed(group: Any) -> None:
    names = ["HealthCheck", "AZRebalance"]
    group.suspend_processes(AutoScalingGroupName="one", ScalingProcesses=names)
    assert suspended(group) == set(names)
    group.resume_processes(AutoScalingGroupName="one", ScalingProcesses=["HealthCheck"])
    assert suspended(group) == {"AZRebalance"}


def test_a_request_that_names_no_process_means_all_of_them(group: Any) -> None:
    group.suspend_processes(AutoScalingGroupName="one")
    assert len(suspended(group)) == 9
    group.resume_processes(AutoScalingGroupName="one")
    assert suspended(group) == set()


@pytest.mark.parametrize(
    "request_",
    [
        {"AutoScalingGroupName": "none"},
        {"AutoScalingGroupName": "one", "ScalingProcesses": ["Health"]},
    ],
)
def test_what_is_no_group_or_process_is_refused(group: Any, request_: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as error:
        group.suspend_processes(**request_)
    assert code(error) == "ValidationError"


def test_tags_are_written_over(group: Any) -> None:
    tag = {"ResourceId": "one", "ResourceType": "auto-scaling-group", "Key": "a"}
    group.create_or_update_tags(Tags=[{**tag, "Value": "c", "PropagateAtLaunch": False}])
    (found,) = group.describe_auto_scaling_groups()["AutoScalingGroups"]
    assert [(one["Key"], one["Value"]) for one in found["Tags"]] == [("a", "c")]
    for wrong in ({**tag, "Value": "c"}, {**tag, "Value": "c" * 257, "PropagateAtLaunch": False}):
        with pytest.raises(ClientError) as error:
            group.create_or_update_tags(Tags=[wrong])
        assert code(error) == "ValidationError"


def test_only_the_management_account_turns_the_switch(sim: Simulator, world: World) -> None:
    world.organization()
    on = {"isCrossAccountBackupEnabled": "true"}
    member, management = (sim.account(one).client("backup") for one in (SOURCE, MANAGEMENT))
    with pytest.raises(ClientError) as error:
        member.update_global_settings(GlobalSettings=on)
    assert code(error) == "InvalidRequestException"
    management.update_global_settings(GlobalSettings=on)
    assert member.describe_global_settings()["GlobalSettings"] == on
    for wrong in ({"isCrossAccountBackupEnabled": "yes"}, {"other": "true"}):
        with pytest.raises(ClientError) as error:
            management.update_global_settings(GlobalSettings=wrong)
        assert code(error) == "InvalidParameterValueException"


def test_members_know_their_management_account(sim: Simulator, world: World) -> None:
    world.organization()
    client = sim.account(SOURCE).client("organizations")
    assert client.describe_organization()["Organization"]["MasterAccountId"] == MANAGEMENT


def test_who_is_in_no_organization_is_told_so(sim: Simulator) -> None:
    with pytest.raises(ClientError) as error:
        sim.account(ACCOUNT).client("organizations").describe_organization()
    assert code(error) == "AWSOrganizationsNotInUseException"
    with pytest.raises(ClientError) as error:
        sim.account(ACCOUNT).client("backup").describe_global_settings()
    assert code(error) == "InvalidRequestException"
