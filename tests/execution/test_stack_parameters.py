"""stack-parameters, run by the real AWS CLI on simulated stacks of the vendor's templates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from codeocean_cmdgen.render import render
from codeocean_cmdgen.simulator import Simulator, World
from codeocean_cmdgen.simulator.cloudformation import Resource
from codeocean_cmdgen.simulator.templates import BACKUP_URL, NEWER_URL, PRIMARY_URL
from codeocean_cmdgen.simulator.world import BACKUP, SOURCE, TARGET
from codeocean_cmdgen.sources import Given, gather
from codeocean_cmdgen.steps import StackParameters
from tests.execution.conftest import (
    EXAMPLES,
    Person,
    PersonOf,
    interrupt,
    screen,
    script,
    writes,
)

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator.cloudformation import Stack

SECRET = "pCustomUpstreamDockerRegistrySecret"
DAYS = "pBackupRetentionPeriod=30"
HARMLESS = ["CreateChangeSet", "DeleteChangeSet"]


@pytest.fixture
def stack(simulator: Simulator) -> Stack:
    return World(simulator).stack(
        SOURCE,
        "codeocean",
        PRIMARY_URL,
        pDnsRootDomain="codeocean.example.com",
        pServicesInstanceType="m7i.xlarge",
        **{SECRET: "kept"},
    )


@pytest.fixture
def operator(person: PersonOf) -> Person:
    return person(SOURCE)


def change(*parameters: str, **values: str) -> str:
    """Return the script that sets KEY=VALUE, and clears KEY, in the source's stack."""
    lists = {
        "set": tuple(one for one in parameters if "=" in one),
        "clear": tuple(one for one in parameters if "=" not in one),
    }
    options = {name: Given(texts, "option") for name, texts in lists.items() if texts}
    given = {"account_id": SOURCE, "region": "us-east-1", "stack_name": "codeocean", **values}
    options |= {name: Given((text,), "option") for name, text in given.items()}
    return render(*gather(StackParameters, options))


def test_sets_what_was_named_and_keeps_the_rest(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    before = dict(stack.parameters)
    outcome = operator.run(change(DAYS))
    assert outcome.done, outcome
    assert stack.parameters == {**before, "pBackupRetentionPeriod": "30"}
    assert "BackupPlan" in outcome.errors
    assert "UPDATE_COMPLETE" in outcome.errors


def test_each_event_is_shown_once_with_a_count(stack: Stack, operator: Person) -> None:
    shown = operator.run(change(DAYS)).errors.splitlines()
    events = [line.partition("min, ")[2] for line in shown if " ended: " in line]
    assert events == [
        "0 of 1 ended: stack UPDATE_IN_PROGRESS User Initiated",
        "0 of 1 ended: BackupPlan UPDATE_IN_PROGRESS ",
        "1 of 1 ended: BackupPlan UPDATE_COMPLETE ",
        "1 of 1 ended: stack UPDATE_COMPLETE_CLEANUP_IN_PROGRESS ",
        "1 of 1 ended: stack UPDATE_COMPLETE ",
    ]


def test_clearing_goes_back_to_the_default_of_the_template(stack: Stack, operator: Person) -> None:
    stack.parameters |= {"pBackupRetentionPeriod": "99", "pRestoreSourceAccountId": BACKUP}
    assert operator.run(change("pBackupRetentionPeriod", "pRestoreSourceAccountId")).done
    assert stack.parameters["pBackupRetentionPeriod"] == "14"
    assert stack.parameters["pRestoreSourceAccountId"] == ""


def test_the_backup_is_configured_and_its_replication_taken_away_again(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    confirmed = {"CONFIRM": "codeocean"}
    assert operator.run(script("stack-parameters"), **confirmed).done
    key = f"arn:aws:kms:us-east-1:{BACKUP}:alias/aws/s3"
    vault = f"arn:aws:backup:us-east-1:{BACKUP}:backup-vault:codeocean-backup-v1"
    assert stack.parameters["pDestinationBackupS3KmsKey"] == key
    assert stack.parameters["pDestinationBackupVaultArn"] == vault
    for kind in ("DockerRegistry", "InputFiles", "MLflow"):
        bucket = f"arn:aws:s3:::codeocean-backup-{kind.lower()}"
        assert stack.parameters[f"pDestinationBackup{kind}BucketArn"] == bucket
    assert operator.run(change(preset="clear-replication"), **confirmed).done
    left = {name for name, value in stack.parameters.items() if value and "Destination" in name}
    assert left == {
        "pDestinationBackupVaultArn",
        "pDestinationBackupVaultCrossRegion",
        "pDestinationBackupRetentionPeriod",
        "pDestinationBackupS3StorageClass",
    }


def test_the_restore_source_is_set_and_cleared_without_a_question(
    simulator: Simulator, person: PersonOf
) -> None:
    world = World(simulator)
    stack = world.stack(TARGET, "codeocean", PRIMARY_URL, pDnsRootDomain="new.example.com")
    outcome = person(TARGET).run(script("stack-parameters", "target"))
    assert outcome.done
    assert "MAY BE REPLACED" in outcome.errors  # the vault, whose key's policy is changed
    assert stack.parameters["pRestoreSourceAccountId"] == BACKUP
    cleared = change(preset="clear-restore-source", account_id=TARGET)
    assert person(TARGET).run(cleared).done
    assert stack.parameters["pRestoreSourceAccountId"] == ""


@pytest.mark.parametrize("readable", [True, False])
def test_parameters_without_public_names_are_found_by_their_labels(
    simulator: Simulator, person: PersonOf, readable: bool
) -> None:
    simulator.cloudformation.readable_metadata = readable
    stack = World(simulator).stack(BACKUP, "codeocean-backup", BACKUP_URL, pSourceAccountId=SOURCE)
    assert person(BACKUP).run(script("stack-parameters", "backup")).done
    assert stack.parameters["pMadeUpKey"] == f"arn:aws:kms:us-east-1:{TARGET}:alias/aws/s3"
    for kind in ("Capsules", "DockerRegistry", "InputFiles"):
        assert stack.parameters[f"pMadeUp{kind}"] == f"arn:aws:s3:::codeocean-target-{kind.lower()}"


def test_a_backup_stack_with_instances_is_another_stack(
    simulator: Simulator, person: PersonOf
) -> None:
    stack = World(simulator).stack(BACKUP, "codeocean-backup", BACKUP_URL, pSourceAccountId=SOURCE)
    instances = {"Launch": Resource("AWS::EC2::LaunchTemplate", ("pMadeUpKey",))}
    stack.template = replace(stack.template, resources={**stack.template.resources, **instances})
    stack.physical_ids["Launch"] = "lt-1"
    operator, text = person(BACKUP), script("stack-parameters", "backup")
    for settings in ({"PLAN": "1"}, {"CONFIRM": "codeocean-backup"}):
        refused = operator.run(text, **settings)
        assert refused.code == 1
        assert "instances are REPLACED" in refused.errors
        assert "refused, nothing was changed; to insist, generate with --replace" in refused.errors
    assert writes(simulator) == 2 * HARMLESS
    insisting = script("stack-parameters", "backup", replace="yes")
    assert operator.run(insisting).code == 2
    assert operator.run(insisting, CONFIRM="codeocean-backup").done


def test_a_label_that_is_not_there_is_a_problem(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    preset = script("stack-parameters", "backup", account_id=SOURCE, stack_name="codeocean")
    outcome = operator.run(preset)
    assert outcome.code == 1
    assert "labelled Restore Capsules Bucket (found: )" in outcome.errors
    assert writes(simulator) == []


def test_pasted_again_changes_nothing(stack: Stack, simulator: Simulator, operator: Person) -> None:
    first = operator.run(change(DAYS))
    simulator.clear_requests()
    simulator.clock.advance(30 * 86400)
    again = operator.run(change(DAYS))
    assert again.done
    assert again.output == first.output
    assert writes(simulator) == []


def test_what_was_changed_since_is_not_called_done(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    operator.run(change(DAYS))
    stack.parameters["pBackupRetentionPeriod"] = "7"
    simulator.clear_requests()
    outcome = operator.run(change(DAYS))
    assert outcome.code == 1
    assert "pBackupRetentionPeriod: 7 -> 30" in outcome.errors
    assert "new --run" in outcome.errors
    assert writes(simulator) == []
    assert operator.run(change(DAYS, run="second")).done


def test_nothing_to_change_is_success(stack: Stack, simulator: Simulator, operator: Person) -> None:
    stack.parameters["pBackupRetentionPeriod"] = "30"
    assert operator.run(change(DAYS)).done
    assert writes(simulator) == []
    same = operator.run(change(template_url=PRIMARY_URL))
    assert same.done
    assert "no updates are to be performed" in same.output
    assert simulator.cloudformation.change_sets == []


def test_plan_shows_the_change_set_and_deletes_it(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    outcome = operator.run(change("pAvailabilityZone1=us-east-1b", replace="yes"), PLAN="1")
    assert (outcome.code, writes(simulator)) == (0, HARMLESS)
    assert outcome.output.splitlines()[-1].startswith("plan: ")
    assert "DataVolume" in outcome.errors
    assert "REPLACED" in outcome.errors
    assert simulator.cloudformation.change_sets == []


def test_the_data_volume_is_not_replaced_unless_the_operator_insists(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    volume = stack.physical_ids["DataVolume"]
    zone = "pAvailabilityZone1=us-east-1b"
    for settings in ({"PLAN": "1"}, {"CONFIRM": volume}):
        refused = operator.run(change(zone), **settings)
        assert refused.code == 1
        assert f"REPLACED or REMOVED would be {volume}" in refused.errors
    assert writes(simulator) == 2 * HARMLESS
    unconfirmed = operator.run(change(zone, replace="yes"), CONFIRM="codeocean")
    assert unconfirmed.code == 2
    assert stack.physical_ids["DataVolume"] == volume
    assert operator.run(change(zone, replace="yes"), CONFIRM=volume).done
    assert stack.physical_ids["DataVolume"] != volume


def test_a_database_that_may_be_replaced_is_not_replaced_unasked(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    hanging = replace(stack.template.resources["AnalyticsDBInstance"], made_with="BackupPlan")
    resources = {**stack.template.resources, "AnalyticsDBInstance": hanging}
    stack.template = replace(stack.template, resources=resources)
    refused = operator.run(change(DAYS))
    assert refused.code == 1
    assert f"REMOVED would be {stack.physical_ids['AnalyticsDBInstance']}" in refused.errors


@pytest.mark.parametrize("logical_id", ["AnalyticsDBInstance", "ServicesAutoScalingGroup"])
def test_nor_are_the_database_and_the_services_instance_removed(
    stack: Stack, simulator: Simulator, operator: Person, logical_id: str
) -> None:
    resources = {**stack.template.resources}
    del resources[logical_id]
    simulator.cloudformation.templates[NEWER_URL] = replace(stack.template, resources=resources)
    refused = operator.run(change(template_url=NEWER_URL), CONFIRM="codeocean")
    assert refused.code == 1
    assert stack.physical_ids[logical_id] in refused.errors
    assert writes(simulator) == HARMLESS


def test_a_new_launch_template_asks_first(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    text = change("pServicesInstanceType=m7i.large")
    refused = operator.run(text)
    assert refused.code == 2
    assert "restarted: ServicesAutoScalingGroup, ServicesLaunchTemplate" in refused.errors
    assert "ExecuteChangeSet" not in writes(simulator)
    assert operator.run(text, CONFIRM="codeocean").done


def test_an_upgrade_takes_new_defaults_and_keeps_the_rest(stack: Stack, operator: Person) -> None:
    outcome = operator.run(change(template_url=NEWER_URL))
    assert outcome.done
    assert "drops, with their values: pCertificateArn\n" in outcome.errors
    assert stack.parameters["pNew"] == "default"
    assert stack.parameters[SECRET] == "kept"


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ("pNone=1", "the template has no parameter pNone"),
        (f"{SECRET}=s3cr3t", f"{SECRET} is a secret"),
        ("pRdsInstanceType=db.r5.large", "may be db.t4g.small or db.t4g.medium, not db.r5.large"),
        ("pDnsRootDomain=UPPER", "Parameter 'pDnsRootDomain' must match pattern"),
    ],
)
def test_bad_parameters_are_refused_before_anything_is_changed(
    stack: Stack, simulator: Simulator, operator: Person, parameter: str, words: str
) -> None:
    outcome = operator.run(change(parameter))
    assert outcome.code == 1
    assert words in outcome.errors
    assert stack.status == "CREATE_COMPLETE"
    assert simulator.cloudformation.change_sets == []


def test_a_rollback_is_a_failure_with_its_first_cause(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("cloudformation:ExecuteChangeSet", "fail-job")
    failed = operator.run(change(DAYS))
    assert not failed.done
    assert "the update ended UPDATE_ROLLBACK_COMPLETE: BackupPlan UPDATE_FAILED: User is not" in (
        failed.errors
    )
    again = operator.run(change(DAYS))
    assert again.done
    assert "an earlier attempt ended UPDATE_ROLLBACK_COMPLETE" in again.errors


def test_ctrl_c_says_that_the_update_goes_on(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    simulator.cloudformation.seconds_pending = 0  # nobody moves the clock
    interrupt(operator, simulator, change(DAYS), "cloudformation:ExecuteChangeSet")
    assert stack.status == "UPDATE_IN_PROGRESS"


def test_what_follows_progress_begins_a_line(stack: Stack, operator: Person) -> None:
    lines = screen(operator, change(DAYS))
    assert "change set of stack codeocean:" in lines
    assert any(line.startswith("done: stack codeocean was updated") for line in lines)


@pytest.mark.parametrize("later_events", [0, 150])
def test_an_update_that_was_cancelled_is_followed_to_its_end(
    stack: Stack, simulator: Simulator, operator: Person, later_events: int
) -> None:
    """What comes behind a cancellation bears another token, and may hide what came before."""
    operator.run(change(DAYS), WATCH="0")
    cancelled = {"StackName": "codeocean", "ClientRequestToken": "Console-CancelUpdateStack-1"}
    simulator.account(SOURCE).client("cloudformation").cancel_update_stack(**cancelled)
    later = {**stack.events[-2], "ClientRequestToken": cancelled["ClientRequestToken"]}
    stack.events += [{**later, "EventId": f"later-{number}"} for number in range(later_events)]
    outcome = operator.run(change(DAYS))
    assert outcome.code == 1
    assert "the update ended UPDATE_ROLLBACK_COMPLETE: no resource failed" in outcome.errors
    assert operator.run(change(DAYS)).done


def test_a_stack_that_is_busy_is_left_alone(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    stack.status = "UPDATE_IN_PROGRESS"
    outcome = operator.run(change(DAYS))
    assert outcome.code == 1
    assert "stack codeocean is UPDATE_IN_PROGRESS" in outcome.errors
    assert writes(simulator) == []


def test_follows_what_it_started_before(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    started = operator.run(change(DAYS), WATCH="0")
    assert started.done
    assert "paste again to follow" in started.output
    assert stack.status == "UPDATE_IN_PROGRESS"
    simulator.clear_requests()
    planned = operator.run(change(DAYS), PLAN="1")
    assert planned.output == "plan: the update of run first is UPDATE_IN_PROGRESS\n"
    assert operator.run(change(DAYS)).done
    assert writes(simulator) == []


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("DescribeStacks", "throttle"),
        ("GetTemplateSummary", "internal-error"),
        ("CreateChangeSet", "disconnect-after"),
        ("DescribeChangeSet", "disconnect"),
        ("ExecuteChangeSet", "disconnect-after"),
        ("DescribeStackEvents", "throttle"),
    ],
)
def test_one_fault_is_survived(
    stack: Stack, simulator: Simulator, operator: Person, operation: str, fault: str
) -> None:
    simulator.faults.add(f"cloudformation:{operation}", fault)
    assert operator.run(change(DAYS)).done
    updates = [one for one in stack.events if one["ResourceStatusReason"] == "User Initiated"]
    assert len(updates) == 1


def test_expired_credentials_while_watching_are_no_outcome(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    for operation, calls in (("DescribeStackEvents", 2), ("DescribeStacks", 1)):
        simulator.faults.add(
            f"cloudformation:{operation}", "expired-token", times=None, after=calls
        )
    outcome = operator.run(change(DAYS))
    assert outcome.code == 1
    assert "it cannot be followed any more" in outcome.errors
    simulator.faults.clear()
    assert operator.run(change(DAYS)).done


def test_a_poll_is_one_request(stack: Stack, simulator: Simulator, operator: Person) -> None:
    stack.events[:0] = [{**stack.events[0], "EventId": f"old-{number}"} for number in range(250)]
    begun = simulator.clock.now()
    assert operator.run(change(DAYS)).done
    seconds = (simulator.clock.now() - begun).total_seconds()
    polls = len(simulator.calls("cloudformation:DescribeStackEvents")) - 2 * 3  # before and after
    assert polls <= 1 + seconds / 15


def test_the_script_has_room_for_every_origin() -> None:
    options = {
        name: Given((text,), f"environment {name}")
        for name, text in {
            "account_id": SOURCE,
            "region": "us-east-1",
            "stack_name": "codeocean",
            "template_url": PRIMARY_URL,
            "replace": "yes",
            "run": "second",
        }.items()
    }
    assert render(*gather(StackParameters, options, values_file=EXAMPLES / "values.toml"))
