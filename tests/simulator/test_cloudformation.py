"""CloudFormation: stacks, change sets and events, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from codeocean_cmdgen.simulator.templates import NEWER_URL, PRIMARY_URL
from tests.support.simulated import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeocean_cmdgen.simulator import Simulator, World
    from codeocean_cmdgen.simulator.cloudformation import Stack

DAYS = "pBackupRetentionPeriod"


class Stacks:
    """One stack, and shorthands for change sets of it."""

    def __init__(self, sim: Simulator, world: World) -> None:
        self.sim = sim
        self.stack: Stack = world.stack(
            ACCOUNT, "one", PRIMARY_URL, pDnsRootDomain="example.com", pServicesInstanceType="big"
        )
        self.client = sim.account(ACCOUNT).client("cloudformation")

    def create(self, name: str = "change", **changes: Any) -> dict[str, Any]:
        """Make a change set and let it get ready; parameters that are not named keep theirs."""
        values = changes.pop("values", {DAYS: "30"})
        request = {
            "StackName": "one",
            "ChangeSetName": name,
            "UsePreviousTemplate": True,
            "Capabilities": ["CAPABILITY_IAM"],
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": values[key]}
                if key in values
                else {"ParameterKey": key, "UsePreviousValue": True}
                for key in {**self.stack.parameters, **values}
            ],
            **changes,
        }
        self.client.create_change_set(**{k: v for k, v in request.items() if v is not None})
        self.sim.clock.advance(60)
        return self.describe(name)

    def describe(self, name: str = "change") -> dict[str, Any]:
        found: dict[str, Any] = self.client.describe_change_set(StackName="one", ChangeSetName=name)
        return found

    def execute(self, name: str = "change", **changes: Any) -> None:
        self.client.execute_change_set(StackName="one", ChangeSetName=name, **changes)

    def events(self) -> list[dict[str, Any]]:
        pages = self.client.get_paginator("describe_stack_events").paginate(StackName="one")
        return [event for page in pages for event in page["StackEvents"]]


@pytest.fixture
def stacks(sim: Simulator, world: World) -> Stacks:
    return Stacks(sim, world)


def refused(code: str, words: str, call: Callable[..., Any], **request: Any) -> None:
    with pytest.raises(ClientError) as error:
        call(**request)
    assert error.value.response["Error"]["Code"] == code
    assert words in error.value.response["Error"]["Message"]


def test_a_change_set_is_pending_then_complete_and_says_what_changes(stacks: Stacks) -> None:
    stacks.sim.cloudformation.seconds_pending = 90
    assert stacks.create()["Status"] == "CREATE_PENDING"
    stacks.sim.clock.advance(60)
    found = stacks.describe()
    assert (found["Status"], found["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    (change,) = (one["ResourceChange"] for one in found["Changes"])
    assert (change["Action"], change["LogicalResourceId"]) == ("Modify", "BackupPlan")
    assert change["Replacement"] == "False"
    assert change["Details"][0]["CausingEntity"] == DAYS


def test_a_change_of_what_cannot_be_changed_is_a_replacement(stacks: Stacks) -> None:
    found = stacks.create(values={"pAvailabilityZone1": "us-east-1b"})
    (change,) = (one["ResourceChange"] for one in found["Changes"])
    assert (change["LogicalResourceId"], change["Replacement"]) == ("DataVolume", "True")
    before = stacks.stack.physical_ids["DataVolume"]
    stacks.execute()
    stacks.sim.clock.advance(600)
    assert stacks.stack.physical_ids["DataVolume"] != before


def test_what_hangs_on_a_changed_resource_may_be_replaced_and_is_not(stacks: Stacks) -> None:
    found = stacks.create(values={"pRestoreSourceAccountId": "222222222222"})
    changes = {
        one["ResourceChange"]["LogicalResourceId"]: one["ResourceChange"]["Replacement"]
        for one in found["Changes"]
    }
    assert changes == {"BackupKMSKey": "False", "BackupVault": "Conditional"}
    vault = stacks.stack.physical_ids["BackupVault"]
    stacks.execute()
    stacks.sim.clock.advance(600)
    assert stacks.stack.physical_ids["BackupVault"] == vault


def test_what_exists_while_a_parameter_has_a_value_is_added_and_removed(stacks: Stacks) -> None:
    vault = "pDestinationBackupVaultArn"
    added = stacks.create(values={vault: "arn"})
    actions = {
        one["ResourceChange"]["LogicalResourceId"]: one["ResourceChange"]["Action"]
        for one in added["Changes"]
    }
    assert actions == {
        "BackupCopyFunction": "Add",
        "BackupCopyRole": "Add",
        "BackupKMSKey": "Modify",
        "BackupVault": "Modify",
    }
    stacks.execute()
    stacks.sim.clock.advance(600)
    assert "BackupCopyFunction" in stacks.stack.physical_ids
    removed = stacks.create("away", values={vault: ""})
    gone = {
        one["ResourceChange"]["LogicalResourceId"]
        for one in removed["Changes"]
        if one["ResourceChange"]["Action"] == "Remove"
    }
    assert gone == {"BackupCopyFunction", "BackupCopyRole"}
    stacks.execute("away")
    stacks.sim.clock.advance(600)
    assert "BackupCopyFunction" not in stacks.stack.physical_ids


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "didn't contain changes"),
        ({"UsePreviousTemplate": None, "TemplateURL": PRIMARY_URL}, "No updates are to be"),
    ],
)
def test_no_change_is_a_failure_of_the_change_set(
    stacks: Stacks, changes: dict[str, Any], words: str
) -> None:
    found = stacks.create(values={}, **changes)
    assert (found["Status"], found["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert words in found["StatusReason"]
    refused("InvalidChangeSetStatus", "cannot be executed", stacks.execute)


def test_an_update_tells_of_each_resource_with_its_token(stacks: Stacks) -> None:
    stacks.create()
    stacks.execute(ClientRequestToken="token")
    stacks.sim.clock.advance(1)
    assert stacks.client.describe_stacks()["Stacks"][0]["StackStatus"] == "UPDATE_IN_PROGRESS"
    stacks.sim.clock.advance(600)
    told = [
        (event["LogicalResourceId"], event["ResourceStatus"])
        for event in reversed(stacks.events())
        if event.get("ClientRequestToken") == "token"
    ]
    assert told == [
        ("one", "UPDATE_IN_PROGRESS"),
        ("BackupPlan", "UPDATE_IN_PROGRESS"),
        ("BackupPlan", "UPDATE_COMPLETE"),
        ("one", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        ("one", "UPDATE_COMPLETE"),
    ]
    assert stacks.stack.parameters[DAYS] == "30"
    assert stacks.stack.parameters["pServicesInstanceType"] == "big"


def test_what_is_left_out_goes_back_to_the_default(stacks: Stacks) -> None:
    domain = {"ParameterKey": "pDnsRootDomain", "UsePreviousValue": True}
    stacks.create(Parameters=[domain])
    stacks.execute()
    stacks.sim.clock.advance(600)
    assert stacks.stack.parameters["pServicesInstanceType"] == "m7i.large"


def test_a_failed_update_is_rolled_back(stacks: Stacks) -> None:
    stacks.sim.faults.add("cloudformation:ExecuteChangeSet", "fail-job")
    stacks.create()
    stacks.execute()
    stacks.sim.clock.advance(600)
    assert stacks.stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.stack.parameters[DAYS] == "14"
    failed = [one for one in stacks.events() if one["ResourceStatus"] == "UPDATE_FAILED"]
    assert [one["LogicalResourceId"] for one in failed] == ["BackupPlan"]
    stacks.create()
    stacks.execute()


def test_a_stack_in_progress_takes_no_other_change(stacks: Stacks) -> None:
    stacks.create()
    stacks.create("other")
    stacks.execute()
    refused("ValidationError", "UPDATE_IN_PROGRESS state and can not", stacks.create, name="more")
    refused("ChangeSetNotFound", "does not exist", stacks.describe, name="other")
    stacks.execute()  # the same token: none
    refused("InvalidChangeSetStatus", "", stacks.execute, ClientRequestToken="another")
    delete = stacks.client.delete_change_set
    refused("InvalidChangeSetStatus", "", delete, StackName="one", ChangeSetName="change")


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"values": {"pNone": "1"}}, "ValidationError", "[pNone] do not exist in the template"),
        ({"values": {"pRdsInstanceType": "x"}}, "ValidationError", "one of AllowedValues"),
        ({"values": {"pDnsRootDomain": "X"}}, "ValidationError", "must match pattern"),
        ({"values": {DAYS: "many"}}, "ValidationError", "must be a number"),
        ({"Parameters": []}, "ValidationError", "[pDnsRootDomain] must have values"),
        ({"Capabilities": []}, "InsufficientCapabilitiesException", "CAPABILITY_IAM"),
        ({"UsePreviousTemplate": None}, "ValidationError", "Either a template"),
        ({"TemplateURL": PRIMARY_URL}, "ValidationError", "Either a template"),
        (
            {"UsePreviousTemplate": None, "TemplateURL": "https://none.s3.amazonaws.com/x"},
            "ValidationError",
            "Access Denied",
        ),
        ({"StackName": "none"}, "ValidationError", "Stack [none] does not exist"),
    ],
)
def test_what_no_change_set_is_made_of(
    stacks: Stacks, changes: dict[str, Any], code: str, words: str
) -> None:
    refused(code, words, stacks.create, **changes)
    assert stacks.sim.cloudformation.change_sets == []


def test_a_value_that_was_never_there_cannot_be_kept(stacks: Stacks) -> None:
    new = [
        {"ParameterKey": "pDnsRootDomain", "UsePreviousValue": True},
        {"ParameterKey": "pNew", "UsePreviousValue": True},
    ]
    newer = {"UsePreviousTemplate": None, "TemplateURL": NEWER_URL, "Parameters": new}
    refused("ValidationError", "no previous value", stacks.create, **newer)


def test_a_name_is_taken_once_but_a_repeated_request_is_the_same(stacks: Stacks) -> None:
    stacks.create(ClientToken="same")
    stacks.create(ClientToken="same")
    refused("AlreadyExistsException", "", stacks.create, ClientToken="other")
    assert len(stacks.sim.cloudformation.change_sets) == 1


def test_secrets_are_hidden(stacks: Stacks) -> None:
    stacks.stack.parameters["pCustomUpstreamDockerRegistrySecret"] = "s3cr3t"
    assert "s3cr3t" not in str(stacks.client.describe_stacks())
    assert "s3cr3t" not in str(stacks.create())


def test_events_come_newest_first_in_pages(stacks: Stacks) -> None:
    stacks.stack.events[:0] = [
        {**stacks.stack.events[0], "EventId": str(number)} for number in range(150)
    ]
    page = stacks.client.describe_stack_events(StackName="one")
    assert (len(page["StackEvents"]), len(stacks.events())) == (100, 151)
    assert page["StackEvents"][0]["EventId"] == stacks.stack.events[-1]["EventId"]


def test_a_stack_is_created_once(stacks: Stacks) -> None:
    request = {
        "StackName": "two",
        "TemplateURL": PRIMARY_URL,
        "Capabilities": ["CAPABILITY_IAM"],
        "Parameters": [{"ParameterKey": "pDnsRootDomain", "ParameterValue": "two.example.com"}],
        "ClientRequestToken": "token",
        "Tags": [{"Key": "run", "Value": "first"}],
    }
    made = stacks.client.create_stack(**request)["StackId"]
    assert stacks.client.create_stack(**request)["StackId"] == made
    again = {**request, "ClientRequestToken": "other"}
    refused("AlreadyExistsException", "already exists", stacks.client.create_stack, **again)
    stacks.sim.clock.advance(3600)
    (stack,) = stacks.client.describe_stacks(StackName="two")["Stacks"]
    assert (stack["StackStatus"], stack["Tags"]) == ("CREATE_COMPLETE", request["Tags"])
    resource = stacks.client.describe_stack_resource(
        StackName="two", LogicalResourceId="DataVolume"
    )
    assert resource["StackResourceDetail"]["ResourceType"] == "AWS::EC2::Volume"


def test_a_failed_creation_is_rolled_back_and_leaves_the_stack(stacks: Stacks) -> None:
    stacks.sim.faults.add("cloudformation:CreateStack", "fail-job")
    stacks.client.create_stack(
        StackName="two",
        TemplateURL=PRIMARY_URL,
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": "pDnsRootDomain", "ParameterValue": "two.example.com"}],
    )
    stacks.sim.clock.advance(3600)
    (stack,) = stacks.client.describe_stacks(StackName="two")["Stacks"]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    describe = stacks.client.describe_stack_resource
    refused("ValidationError", "", describe, StackName="two", LogicalResourceId="DataVolume")


def test_what_is_not_there_is_refused(stacks: Stacks) -> None:
    none = {"StackName": "none"}
    describe = stacks.client.describe_stacks
    refused("ValidationError", "Stack with id none does not exist", describe, **none)
    summarise = stacks.client.get_template_summary
    refused("ValidationError", "Stack [none] does not exist", summarise, **none)
    refused("ChangeSetNotFound", "", stacks.describe, name="none")
    stacks.client.delete_change_set(StackName="one", ChangeSetName="none")
