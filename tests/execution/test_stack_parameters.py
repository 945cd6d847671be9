"""stack-parameters, run by the real AWS CLI on simulated stacks of the vendor's templates."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

from codeocean_cmdgen.inputs.deployment_file import read_deployment_file
from codeocean_cmdgen.inputs.resolve import Given, resolve
from codeocean_cmdgen.rendering.script import render
from codeocean_cmdgen.simulator import Simulator, World
from codeocean_cmdgen.simulator.cloudformation import Resource
from codeocean_cmdgen.simulator.templates import BACKUP_URL, NEWER_URL, PRIMARY_URL
from codeocean_cmdgen.simulator.world import BACKUP, SOURCE, TARGET
from codeocean_cmdgen.steps import StackParameters
from tests.support.people import EXAMPLES, Person, PersonOf, interrupt, screen, script, writes

if TYPE_CHECKING:
    from pathlib import Path

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
    return render(*resolve(StackParameters, options))


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
        "0 of 1 ended: BackupPlan UPDATE_IN_PROGRESS",
        "1 of 1 ended: BackupPlan UPDATE_COMPLETE",
        "1 of 1 ended: stack UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "1 of 1 ended: stack UPDATE_COMPLETE",
    ]


def test_clearing_goes_back_to_the_default_of_the_template(stack: Stack, operator: Person) -> None:
    stack.parameters |= {"pBackupRetentionPeriod": "99", "pRestoreSourceAccountId": BACKUP}
    cleared = change("pBackupRetentionPeriod", "pRestoreSourceAccountId")
    assert operator.run(cleared, CONFIRM="codeocean").done
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


def test_the_restore_source_changes_a_key_and_asks_first(
    simulator: Simulator, person: PersonOf
) -> None:
    world = World(simulator)
    stack = world.stack(TARGET, "codeocean", PRIMARY_URL, pDnsRootDomain="new.example.com")
    refused = person(TARGET).run(script("stack-parameters", "target"))
    assert refused.code == 2
    assert re.search(
        r"warning: BackupKMSKey \(AWS::KMS::Key, \S+\) would be changed in place", refused.errors
    )
    assert stack.parameters["pRestoreSourceAccountId"] == ""
    outcome = person(TARGET).run(script("stack-parameters", "target"), CONFIRM="codeocean")
    assert outcome.done
    assert "MAY BE REPLACED" in outcome.errors  # the vault, whose key's policy is changed
    assert stack.parameters["pRestoreSourceAccountId"] == BACKUP
    cleared = change(preset="clear-restore-source", account_id=TARGET)
    assert person(TARGET).run(cleared, CONFIRM="codeocean").done
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
        assert "instances may be replaced, and what runs on them is restarted" in refused.errors
        assert "stopped: refused; the stack was not changed. The backup stack has no instances" in (
            refused.errors
        )
        assert "generate it with --replace" in refused.errors
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
    assert "problem: one parameter must have the label 'Restore Capsules Bucket'; found: none" in (
        outcome.errors
    )
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
    assert same.output == "done: stack codeocean needs no update\n"
    assert simulator.cloudformation.change_sets == []


@pytest.mark.newest_cli
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
        assert (
            f"warning: DataVolume (AWS::EC2::Volume, {volume}) would be REPLACED by a new, empty "
            "one: the old one is DELETED"
        ) in refused.errors
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
    refused, hung = operator.run(change(DAYS)), "AnalyticsDBInstance"
    assert refused.code == 1
    database = f"AnalyticsDBInstance (AWS::RDS::DBInstance, {stack.physical_ids[hung]})"
    assert f"{database} may be REPLACED" in refused.errors


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


PRECIOUS = (
    "AWS::OpenSearchService::Domain",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::Route53::HostedZone",
    "AWS::Route53::RecordSet",
    "AWS::EFS::FileSystem",
    "AWS::S3::Bucket",
    "AWS::KMS::Key",
    "AWS::SecretsManager::Secret",
    "AWS::IAM::AccessKey",
    "AWS::CloudFormation::CustomResource",
    "Custom::Anything",
    "AWS::Not::KnownYet",
)


def hold(stack: Stack, resource: Resource, name: str = "X") -> None:
    """Add a resource to a stack and its template."""
    resources = {**stack.template.resources, name: resource}
    stack.template = replace(stack.template, resources=resources)
    stack.physical_ids[name] = "physical-x"


@pytest.mark.sample(3)
@pytest.mark.parametrize("kind", PRECIOUS)
def test_what_is_not_known_to_be_harmless_is_neither_replaced_nor_removed(
    stack: Stack, simulator: Simulator, operator: Person, kind: str
) -> None:
    changed = ("pBackupRetentionPeriod",)
    simulator.cloudformation.templates[NEWER_URL] = stack.template
    for resource, text, consequence in (
        (Resource(kind), change(template_url=NEWER_URL), "would be REMOVED"),
        (Resource(kind, changed, changed), change(DAYS), "would be REPLACED by"),
        (Resource(kind, made_with="BackupPlan"), change(DAYS), "may be REPLACED by"),
    ):
        hold(stack, resource)
        simulator.clear_requests()
        refused = operator.run(text, CONFIRM="codeocean")
        assert (refused.code, writes(simulator)) == (1, HARMLESS), consequence
        assert f"warning: X ({kind}, physical-x) {consequence}" in refused.errors


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"Action": "Dynamic"}, "changed in a way that cannot be foreseen (Dynamic)"),
        ({"Action": "SyncWithActual"}, "changed in a way that cannot be foreseen"),
        ({"Action": "Later"}, "changed in a way that cannot be foreseen (Later)"),
        ({"Action": "Import"}, "imported: the stack takes over"),
        ({"Replacement": None}, "may be REPLACED"),
        ({"Replacement": None, "Scope": []}, "may be REPLACED"),
        ({"ResourceType": "AWS::CloudFormation::Stack"}, "a nested stack cannot be seen here"),
    ],
)
def test_what_a_change_set_may_say_of_a_loss(
    stack: Stack, simulator: Simulator, operator: Person, members: dict[str, Any], words: str
) -> None:
    hold(stack, Resource("AWS::OpenSearchService::Domain", ("pBackupRetentionPeriod",)))
    simulator.cloudformation.shown_otherwise["X"] = members
    for settings in ({"PLAN": "1"}, {"CONFIRM": "codeocean"}, {"CONFIRM": "physical-x"}):
        simulator.clear_requests()
        refused = operator.run(change(DAYS), **settings)
        assert (refused.code, writes(simulator)) == (1, HARMLESS), refused
        assert "warning: X (" in refused.errors
        assert words in refused.errors
        assert "generate it with --replace" in refused.errors


def test_what_is_only_tagged_is_no_loss(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    hold(stack, Resource("AWS::OpenSearchService::Domain", ("pBackupRetentionPeriod",)))
    members = {"Replacement": None, "Scope": ["Tags", "Metadata"]}
    simulator.cloudformation.shown_otherwise["X"] = members
    assert operator.run(change(DAYS)).done


def test_what_may_hold_data_is_changed_in_place_only_after_a_question(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    hold(stack, Resource("AWS::OpenSearchService::Domain", ("pBackupRetentionPeriod",)))
    refused = operator.run(change(DAYS))
    assert (refused.code, writes(simulator)) == (2, HARMLESS)
    named = "warning: X (AWS::OpenSearchService::Domain, physical-x) would be changed in place"
    assert named in refused.errors
    assert operator.run(change(DAYS), CONFIRM="codeocean").done


def test_old_values_are_shown_before_the_change(stack: Stack, operator: Person) -> None:
    outcome = operator.run(change(DAYS, "pServicesInstanceType=m7i.large"), PLAN="1")
    assert outcome.code == 0
    for line in (
        "pBackupRetentionPeriod: 14 -> 30",
        "pServicesInstanceType: m7i.xlarge -> m7i.large",
    ):
        assert f"parameter {line}\n" in outcome.errors
    assert SECRET not in outcome.errors


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("kind", "harmless"),
    [
        ("AWS::IAM::ManagedPolicy", ("Remove", "True", "Conditional")),
        ("AWS::IAM::Role", ()),
        ("AWS::Lambda::Function", ("Remove",)),
        ("AWS::Backup::BackupSelection", ("True", "Conditional")),
        ("AWS::S3::BucketPolicy", ("Conditional",)),
        ("AWS::Backup::BackupVault", ("Conditional",)),
        ("AWS::Backup::BackupPlan", ()),
    ],
)
def test_a_setting_that_the_template_brings_back_is_no_loss(
    stack: Stack, simulator: Simulator, operator: Person, kind: str, harmless: tuple[str, ...]
) -> None:
    hold(stack, Resource(kind, ("pBackupRetentionPeriod",)))
    for happens in ("Remove", "True", "Conditional"):
        simulator.cloudformation.shown_otherwise["X"] = (
            {"Action": "Remove", "Replacement": None}
            if happens == "Remove"
            else {"Replacement": happens}
        )
        outcome = operator.run(change(DAYS), PLAN="1")
        assert outcome.code == (happens not in harmless), (happens, outcome)
        assert ("warning: X (" in outcome.errors) == (happens not in harmless)


ROLE = Resource("AWS::IAM::Role")


def test_a_role_of_a_cleared_destination_is_removed_with_it(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    stack.parameters["pDestinationBackupVaultArn"] = "arn:of:vault"
    stack.physical_ids["BackupCopyRole"] = "role-of-the-copies"
    outcome = operator.run(change("pDestinationBackupVaultArn"), CONFIRM="codeocean")
    assert outcome.done, outcome
    assert "BackupCopyRole" not in stack.physical_ids


@pytest.mark.parametrize("new_name", ["", "Y"])
def test_a_template_that_removes_or_renames_a_role_is_refused(
    stack: Stack, simulator: Simulator, operator: Person, new_name: str
) -> None:
    """A role by another name has another ARN, which policies of other accounts do not name."""
    resources = {**stack.template.resources, **({new_name: ROLE} if new_name else {})}
    simulator.cloudformation.templates[NEWER_URL] = replace(stack.template, resources=resources)
    hold(stack, ROLE)
    stack.parameters["pRestoreSourceAccountId"] = BACKUP
    for text in (
        change(template_url=NEWER_URL),
        change("pRestoreSourceAccountId", template_url=NEWER_URL),
    ):
        simulator.clear_requests()
        refused = operator.run(text, CONFIRM="physical-x")
        assert (refused.code, writes(simulator)) == (1, HARMLESS)
        assert "warning: X (AWS::IAM::Role, physical-x) would be REMOVED" in refused.errors
    insisting = change(template_url=NEWER_URL, replace="yes")
    assert operator.run(insisting, CONFIRM="codeocean").code == 2
    assert operator.run(insisting, CONFIRM="physical-x").done


def test_a_role_that_is_removed_while_nothing_is_cleared_is_a_loss(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    stack.parameters["pRestoreSourceAccountId"] = BACKUP
    hold(stack, Resource("AWS::IAM::Role", ("pBackupRetentionPeriod",)))
    simulator.cloudformation.shown_otherwise["X"] = {"Action": "Remove", "Replacement": None}
    for text in (change(DAYS), change(DAYS, "pRestoreSourceAccountId")):
        simulator.clear_requests()
        refused = operator.run(text)
        assert (refused.code, writes(simulator)) == (1, HARMLESS)


@pytest.mark.parametrize(
    ("kind", "property_"),
    [
        ("AWS::RDS::DBInstance", "BackupRetentionPeriod"),
        ("AWS::S3::Bucket", "LifecycleConfiguration"),
    ],
)
def test_a_setting_that_deletes_data_is_changed_only_if_the_operator_insists(
    stack: Stack, simulator: Simulator, operator: Person, kind: str, property_: str
) -> None:
    hold(stack, Resource(kind, ("pBackupRetentionPeriod",)))
    details = [{"Target": {"Attribute": "Properties", "Name": property_}}]
    simulator.cloudformation.shown_otherwise["X"] = {"Details": details}
    refused = operator.run(change(DAYS))
    assert (refused.code, writes(simulator)) == (1, HARMLESS)
    assert f"warning: X ({kind}, physical-x) may lose data by another {property_}" in refused.errors
    assert operator.run(change(DAYS, replace="yes"), CONFIRM="physical-x").done


def test_each_loss_is_named_and_all_ids_are_confirmed(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    changed = ("pBackupRetentionPeriod",)
    hold(stack, Resource("AWS::OpenSearchService::Domain", changed, changed))
    stack.physical_ids["DataVolume"] = "vol-1"
    text = change(DAYS, "pAvailabilityZone1=us-east-1b", replace="yes")
    for word in ("vol-1", "physical-x", "codeocean"):
        assert operator.run(text, CONFIRM=word).code == 2
    assert "ExecuteChangeSet" not in writes(simulator)
    outcome = operator.run(text, CONFIRM="vol-1,physical-x")
    assert outcome.done
    assert outcome.errors.count("warning: ") == 2


def test_a_change_set_that_cannot_be_judged_is_not_executed(
    stack: Stack, simulator: Simulator, operator: Person, tmp_path: Path
) -> None:
    path = operator.environment["PATH"]
    for name, argument in (
        ("python3", "program.change_set"),
        *(("jq", member) for member in (".lost", ".touched", ".restarted")),
    ):
        broken = tmp_path / argument / name
        broken.parent.mkdir(parents=True)
        real = shutil.which(name, path=path)
        broken.write_text(f'#!/bin/bash\n[[ " $* " != *" {argument} "* ]] || exit 5\n')
        broken.write_text(f'{broken.read_text()}exec {real} "$@"\n')
        broken.chmod(0o755)
        for text in (change(DAYS), change(DAYS, replace="yes")):
            simulator.clear_requests()
            outcome = operator.run(text, CONFIRM="something", PATH=f"{broken.parent}:{path}")
            assert outcome.code == 1
            last_line = outcome.errors.splitlines()[-1]
            assert re.fullmatch("stopped: cannot .*; the stack was not changed", last_line)
            assert writes(simulator) == HARMLESS


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("python3", "program.template_parameters"),
        ("python3", "program.stack_events"),
        ("jq", ".parameters"),
        ("jq", ".problems[]"),
        ("jq", ".status"),
    ],
)
def test_nothing_begins_if_a_judgement_fails(
    stack: Stack, simulator: Simulator, operator: Person, tmp_path: Path, name: str, argument: str
) -> None:
    path = operator.environment["PATH"]
    broken, real = tmp_path / "broken" / name, shutil.which(name, path=path)
    broken.parent.mkdir()
    broken.write_text(
        f'#!/bin/bash\n[[ " $* " != *" {argument} "* ]] || exit 5\nexec {real} "$@"\n'
    )
    broken.chmod(0o755)
    outcome = operator.run(change(DAYS), PATH=f"{broken.parent}:{path}")
    assert outcome.code == 1
    assert writes(simulator) == []


def change_sets(simulator: Simulator) -> list[str]:
    return [one.name for one in simulator.cloudformation.change_sets]


def test_what_is_not_confirmed_leaves_no_change_set(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    volume = stack.physical_ids["DataVolume"]
    losing = change("pAvailabilityZone1=us-east-1b", replace="yes")
    unconfirmed = operator.run(losing)
    assert f"stack codeocean will permanently lose what is named above, of {volume}" in (
        unconfirmed.errors
    )
    for settings, reason in (
        ({}, f"there is no terminal to confirm on. Set CONFIRM={volume}"),
        ({"CONFIRM": "yes"}, f"expected '{volume}', got 'yes'"),
    ):
        simulator.clear_requests()
        refused = operator.run(losing, **settings)
        assert (refused.code, writes(simulator)) == (2, HARMLESS)
        *_, deleted, last = refused.errors.splitlines()
        assert re.fullmatch(r"change set codeocean-cmdgen-\S+ is deleted", deleted)
        assert last == f"stopped: not confirmed: {reason}"
        assert change_sets(simulator) == []


def test_ctrl_c_at_the_prompt_leaves_no_change_set(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    before = dict(stack.physical_ids)
    shell = pexpect.spawn(
        "bash",
        ["-c", change("pAvailabilityZone1=us-east-1b", replace="yes")],
        env={**operator.environment, "TERM": "xterm"},
        encoding="utf-8",
        timeout=60,
    )
    shell.expect("Type .* to confirm: ")
    assert len(change_sets(simulator)) == 1
    shell.sendintr()
    shell.expect(pexpect.EOF)
    assert shell.wait() == 130
    *_, deleted, last = str(shell.before).strip().splitlines()
    assert deleted.endswith(" is deleted")
    assert last == "stopped: interrupted. Paste the script again to continue."
    assert change_sets(simulator) == []
    assert stack.physical_ids == before


def test_a_change_set_that_may_not_be_described_is_told_at_once(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("cloudformation:DescribeChangeSet", "access-denied", times=None)
    before = simulator.clock.now()
    outcome = operator.run(change(DAYS))
    assert outcome.code == 1
    assert "; the stack was not changed: An error occurred (AccessDenied" in outcome.errors
    assert simulator.clock.now() - before < timedelta(minutes=2)
    assert change_sets(simulator) == []


def test_a_change_set_that_cannot_be_deleted_is_named(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("cloudformation:DeleteChangeSet", "access-denied", times=None)
    refused = operator.run(change("pAvailabilityZone1=us-east-1b"))
    (left,) = change_sets(simulator)
    assert f"warning: change set {left} was not deleted: " in refused.errors
    assert f"{left} is deleted" not in refused.errors


def test_an_update_that_cannot_start_leaves_no_change_set(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("cloudformation:ExecuteChangeSet", "access-denied")
    refused = operator.run(change(DAYS))
    assert refused.code == 1
    assert "stopped: cannot start the update: " in refused.errors
    assert change_sets(simulator) == []


def test_a_stack_that_is_not_there_and_one_that_nobody_may_read(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    missing = operator.run(change(DAYS, stack_name="nope"))
    assert missing.code == 3
    assert missing.errors == f"stopped: stack nope not found in account {SOURCE}, us-east-1\n"
    simulator.faults.add("cloudformation:DescribeStacks", "access-denied")
    denied = operator.run(change(DAYS))
    assert denied.code == 1
    assert denied.errors.startswith("stopped: cannot read stack codeocean: ")


def test_no_message_denies_an_update_that_was_made(
    stack: Stack, simulator: Simulator, operator: Person, tmp_path: Path
) -> None:
    """The parameters are compared at the end as well."""
    path = operator.environment["PATH"]
    broken, real = tmp_path / "broken" / "python3", shutil.which("python3", path=path)
    broken.parent.mkdir()
    broken.write_text(
        "#!/bin/bash\n"
        f'[[ " $* " != *" program.template_parameters "* || ! -e {tmp_path}/second ]] || exit 5\n'
        f'[[ " $* " != *" program.template_parameters "* ]] || touch {tmp_path}/second\n'
        f'exec {real} "$@"\n'
    )
    broken.chmod(0o755)
    outcome = operator.run(change(DAYS), PATH=f"{broken.parent}:{path}")
    assert outcome.code == 1
    assert "cannot compare the parameters of stack codeocean. Paste the script again." in (
        outcome.errors
    )
    assert "nothing was changed" not in outcome.errors
    assert stack.parameters["pBackupRetentionPeriod"] == "30"


def test_a_new_launch_template_asks_first(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    text = change("pServicesInstanceType=m7i.large")
    refused = operator.run(text)
    assert refused.code == 2
    assert "is restarted: ServicesAutoScalingGroup, ServicesLaunchTemplate" in refused.errors
    assert "ExecuteChangeSet" not in writes(simulator)
    assert operator.run(text, CONFIRM="codeocean").done


def test_an_upgrade_takes_new_defaults_and_keeps_the_rest(stack: Stack, operator: Person) -> None:
    outcome = operator.run(change(template_url=NEWER_URL))
    assert outcome.done
    assert "drops these parameters, with their values: pCertificateArn\n" in outcome.errors
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
    assert operator.run(change(DAYS, run="second")).done


def test_what_is_to_follow_an_update_that_failed_starts_no_other(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    """It fails between two pastes, so the second is the first to learn of it."""
    simulator.faults.add("cloudformation:ExecuteChangeSet", "fail-job")
    assert operator.run(change(DAYS), WATCH="0").code == 4
    simulator.clock.advance(3600)
    simulator.clear_requests()
    for unwatched in ({"WATCH": "0"}, {}):
        failed = operator.run(change(DAYS), CONFIRM="codeocean", **unwatched)
        assert failed.code == 1
        assert "the update ended UPDATE_ROLLBACK_COMPLETE: BackupPlan UPDATE_FAILED: User is" in (
            failed.errors
        )
        assert "generate with a new --run" in failed.errors
    assert writes(simulator) == []


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
    assert operator.run(change(DAYS, run="second")).done


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
    state = "the update of stack codeocean is UPDATE_IN_PROGRESS"
    assert started.code == 4
    assert started.output == f"started: {state}. Paste the script again to follow it.\n"
    assert stack.status == "UPDATE_IN_PROGRESS"
    simulator.clear_requests()
    planned = operator.run(change(DAYS), PLAN="1")
    assert planned.output == "plan: the update of run first is UPDATE_IN_PROGRESS\n"
    assert operator.run(change(DAYS)).done
    assert writes(simulator) == []


def test_a_plan_shows_new_defaults_and_capabilities(
    stack: Stack, simulator: Simulator, operator: Person
) -> None:
    new = {"pNew": replace(stack.template.parameters["pBackupRetentionPeriod"], default="9")}
    simulator.cloudformation.templates[NEWER_URL] = replace(
        stack.template,
        parameters={**stack.template.parameters, **new},
        capabilities=("CAPABILITY_AUTO_EXPAND",),
    )
    outcome = operator.run(change(DAYS, template_url=NEWER_URL), PLAN="1")
    assert outcome.code == 0, outcome
    assert "parameter by default: pNew = 9\n" in outcome.errors
    assert re.search(r"CloudFormation is granted .*: CAPABILITY_AUTO_EXPAND", outcome.errors)
    assert "by default" not in operator.run(change(DAYS), PLAN="1").errors


@pytest.mark.sample(2)
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
    for operation, calls in (("DescribeStackEvents", 1), ("DescribeStacks", 1)):
        simulator.faults.add(
            f"cloudformation:{operation}", "expired-token", times=None, after=calls
        )
    outcome = operator.run(change(DAYS))
    assert outcome.code == 1
    assert "stopped: cannot follow stack codeocean any more: " in outcome.errors
    assert "ExpiredToken" in outcome.errors
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
    assert render(
        *resolve(
            StackParameters,
            options,
            deployment_file=read_deployment_file(EXAMPLES / "deployment.toml"),
        )
    )
