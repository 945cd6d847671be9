"""What a change set changes, and what would be lost with it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Optional

import pytest

from codeocean_cmdgen import vendor
from codeocean_cmdgen.programs import change_set
from codeocean_cmdgen.programs.change_set import HARMLESS, MAY_DELETE_DATA, Change, Update, judge
from codeocean_cmdgen.simulator.templates import BACKUP, PRIMARY
from tests.support.programs import pythons, run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PRECIOUS = "AWS::OpenSearchService::Domain"
ROLE = "AWS::IAM::Role"


def shown(type_: Optional[str] = PRECIOUS, **members: Any) -> dict[str, Any]:
    """Return a change as describe-change-set shows it; None leaves a member out."""
    resource = {
        "Action": "Modify",
        "LogicalResourceId": "X",
        "PhysicalResourceId": "physical-x",
        "ResourceType": type_,
        "Replacement": "False",
        **members,
    }
    kept = {name: value for name, value in resource.items() if value is not None}
    return {"Type": "Resource", "ResourceChange": kept}


def judged(
    *changes: dict[str, Any],
    cleared: tuple[str, ...] = (),
    changed: tuple[str, ...] = (),
    url: str = "",
    parameters: Iterable[str] = PRIMARY.parameters,
) -> Any:
    """Judge changes. cleared, changed: the parameters that lose their value, or get another."""
    comparison = {
        "parameters": [{"ParameterKey": key} for key in parameters],
        "differing": [*cleared, *changed],
        "cleared": list(cleared),
    }
    return judge({"Changes": list(changes)}, comparison, url)


UNSAID = "DELETED unless the template retains it"


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"PolicyAction": "Delete"}, "would be REMOVED: the old one is DELETED"),
        ({"PolicyAction": "Retain"}, "would be REMOVED: the old one is kept outside the stack"),
        ({"PolicyAction": "ReplaceAndDelete"}, "would be REPLACED by a new, empty one"),
        ({"PolicyAction": "ReplaceAndRetain"}, "the old one is kept outside the stack"),
        ({"PolicyAction": "ReplaceAndSnapshot"}, "the old one is deleted after a snapshot"),
        ({"PolicyAction": "ReplaceAndDelete", "Replacement": "Conditional"}, "may be REPLACED"),
        ({"Action": "Remove"}, f"would be REMOVED: the old one is {UNSAID}"),
        ({"Action": "Remove", "PolicyAction": "Snapshot"}, "deleted after a snapshot"),
        ({"Replacement": "True"}, UNSAID),
        ({"Replacement": None}, "may be REPLACED"),
        ({"Replacement": None, "Scope": ["Tags", "Properties"]}, "may be REPLACED"),
        ({"Action": "Import"}, "would be imported: the stack takes over something that exists"),
        ({"Action": "Dynamic"}, "changed in a way that cannot be foreseen (Dynamic)"),
        ({"Action": None}, "changed in a way that cannot be foreseen (no action)"),
        ({"ResourceType": "AWS::CloudFormation::Stack"}, "a nested stack cannot be seen here"),
    ],
)
def test_a_loss_is_named_with_what_becomes_of_the_old_one(
    members: dict[str, Any], words: str
) -> None:
    """An AWS CLI older than PolicyAction leaves it out, and the other members are all it shows."""
    judgement = judged(shown(**members))
    (warning,) = judgement["warnings"]
    assert warning.startswith("X (")
    assert words in warning
    assert judgement["lost"] == "physical-x"


@pytest.mark.parametrize(
    "members",
    [
        {"Action": "Add", "PhysicalResourceId": None},
        {"Replacement": None, "Scope": ["Tags", "Metadata"]},
    ],
)
def test_what_is_added_or_only_tagged_is_no_loss(members: dict[str, Any]) -> None:
    judgement = judged(shown(**members))
    assert (judgement["lost"], judgement["warnings"]) == ("", [])
    assert judgement["total"] == 1


@pytest.mark.parametrize("type_", [*HARMLESS, PRECIOUS, "AWS::Not::KnownYet", None])
@pytest.mark.parametrize(
    ("members", "happening"),
    [
        ({"Action": "Remove"}, change_set.REMOVED),
        ({"Replacement": "True"}, change_set.REPLACED),
        ({"Replacement": "Conditional"}, change_set.MAYBE_REPLACED),
        ({"Action": "Import"}, change_set.IMPORTED),
        ({"Action": "Later"}, change_set.UNKNOWN),
    ],
)
def test_only_what_is_listed_is_harmless(
    type_: str | None, members: dict[str, Any], happening: str
) -> None:
    harmless = happening in HARMLESS.get(type_ or "", set())
    assert bool(judged(shown(ResourceType=type_, **members))["lost"]) is not harmless


def test_what_holds_data_is_never_listed() -> None:
    """The list grows by review only."""
    assert HARMLESS[ROLE] == {change_set.CHANGED}
    assert {type_ for type_, happens in HARMLESS.items() if change_set.REMOVED in happens} == {
        "AWS::EC2::LaunchTemplate",
        "AWS::Events::Rule",
        "AWS::IAM::InstanceProfile",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::Lambda::Function",
        "AWS::Lambda::Permission",
    }


def changed_in_place(type_: str, *properties: str, **members: Any) -> dict[str, Any]:
    """Return the change of some properties of a resource that stays."""
    targets = [{"Attribute": "Properties", "Name": name} for name in properties]
    details = [{"Target": target, "Evaluation": "Dynamic"} for target in targets]
    return shown(type_, Scope=["Properties"], Details=details, **members)


DATABASE, BUCKET = "AWS::RDS::DBInstance", "AWS::S3::Bucket"


@pytest.mark.parametrize(
    ("type_", "property_", "words"),
    [
        (DATABASE, "BackupRetentionPeriod", "RDS deletes automated backups older"),
        (BUCKET, "LifecycleConfiguration", "new rules expire existing objects"),
    ],
)
def test_a_setting_that_deletes_data_is_a_loss(type_: str, property_: str, words: str) -> None:
    """A change set of an old AWS CLI shows no values: 7 days that become 30 look like 0."""
    judgement = judged(changed_in_place(type_, "Tags", property_))
    assert judgement["lost"] == "physical-x"
    (warning,) = judgement["warnings"]
    assert warning.startswith(f"X ({type_}, physical-x) may lose data by another {property_}: ")
    assert words in warning


@pytest.mark.parametrize(
    "change",
    [
        changed_in_place(DATABASE, "DBInstanceClass", "AllocatedStorage"),
        changed_in_place(BUCKET, "ReplicationConfiguration"),
        changed_in_place("AWS::EC2::Volume", "Throughput"),
        changed_in_place("AWS::Backup::BackupPlan", "BackupPlan"),
        shown(BUCKET, Scope=["Tags"], Details=[{"Target": {"Attribute": "Tags"}}]),
    ],
)
def test_another_setting_of_the_same_resource_is_no_loss(change: dict[str, Any]) -> None:
    assert judged(change)["lost"] == ""


@pytest.mark.parametrize(
    "change",
    [
        changed_in_place("AWS::KMS::Key", "Enabled"),
        changed_in_place("AWS::KMS::Key", "KeyPolicy"),
        changed_in_place("AWS::Backup::BackupVault", "LockConfiguration"),
        changed_in_place(BUCKET, "VersioningConfiguration"),
        changed_in_place(BUCKET, "ReplicationConfiguration", "VersioningConfiguration"),
        changed_in_place("AWS::SecretsManager::Secret", "GenerateSecretString"),
        changed_in_place(DATABASE, "EngineVersion"),
        changed_in_place(DATABASE, "DBInstanceClass"),
        changed_in_place("AWS::ElastiCache::ReplicationGroup", "EngineVersion"),
        changed_in_place(PRECIOUS, "AccessPolicies"),
        changed_in_place("AWS::Not::KnownYet", "Anything"),
        changed_in_place(PRECIOUS),
        shown(None),
    ],
)
def test_a_change_in_place_of_what_may_hold_data_is_named(change: dict[str, Any]) -> None:
    judgement = judged(change)
    assert judgement["lost"] == ""
    type_ = change["ResourceChange"].get("ResourceType", "of unknown type")
    assert judgement["touched"] == "physical-x"
    words = "would be changed in place, and may hold data"
    assert judgement["warnings"] == [f"X ({type_}, physical-x) {words}"]


@pytest.mark.parametrize(
    "change",
    [
        *(
            changed_in_place(type_, "Anything")
            for type_, happens in HARMLESS.items()
            if change_set.CHANGED in happens
        ),
        changed_in_place(BUCKET, "ReplicationConfiguration"),
        changed_in_place("AWS::AutoScaling::AutoScalingGroup", "MinSize"),
        shown(PRECIOUS, Scope=["Tags"]),
        shown(PRECIOUS, Action="Add"),
    ],
)
def test_a_change_in_place_of_what_the_template_brings_back_is_not_named(
    change: dict[str, Any],
) -> None:
    assert judged(change)["touched"] == ""


def test_in_place_only_these_types_are_changed_without_a_question() -> None:
    """The list grows by review only."""
    assert {type_ for type_, happens in HARMLESS.items() if change_set.CHANGED not in happens} == {
        "AWS::Backup::BackupVault"
    }
    assert not set(HARMLESS) & {"AWS::KMS::Key", "AWS::SecretsManager::Secret", BUCKET, DATABASE}


@pytest.mark.parametrize("type_", MAY_DELETE_DATA)
@pytest.mark.parametrize(
    "members",
    [
        {"Details": []},
        {"Scope": None, "Details": None},
        {"Details": [{"Target": {"Attribute": "Properties"}}]},
        {"Details": [{"Target": None}]},
    ],
)
def test_a_setting_that_is_not_named_may_be_one_that_deletes_data(
    type_: str, members: dict[str, Any]
) -> None:
    assert judged(shown(type_, **{"Scope": ["Properties"], **members}))["lost"] == "physical-x"


REMOVED_ROLE = shown(ROLE, Action="Remove", LogicalResourceId="S3BackupRole", Replacement=None)
NEW_ROLE = shown(ROLE, Action="Add", LogicalResourceId="S3BackupRoleV2", PhysicalResourceId=None)
CLEARED = ("pDestinationBackupS3KmsKey",)


def removed_role(logical_id: str) -> dict[str, Any]:
    return shown(ROLE, Action="Remove", LogicalResourceId=logical_id, Replacement=None)


def test_a_role_may_be_removed_with_the_destination_that_is_cleared() -> None:
    assert judged(REMOVED_ROLE, cleared=CLEARED)["lost"] == ""


def test_each_role_of_the_vendors_template_is_removed_with_its_own_destination_only() -> None:
    """The roles with a condition are removed with what it tests, and the others never are."""
    excused = {
        (logical_id, parameter)
        for logical_id, resource in PRIMARY.resources.items()
        for parameter in PRIMARY.parameters
        if resource.type == ROLE
        and judged(removed_role(logical_id), cleared=(parameter,))["lost"] == ""
    }
    assert excused == {
        (logical_id, resource.when)
        for logical_id, resource in PRIMARY.resources.items()
        if resource.type == ROLE and resource.when
    }
    assert excused == {
        ("S3BackupRole", "pDestinationBackupS3KmsKey"),
        ("BackupCopyRole", "pDestinationBackupVaultArn"),
    }


def test_a_role_of_another_stack_is_removed_by_nothing_but_clearing() -> None:
    """The template of the backup stack is not public, so its roles have no known conditions."""
    role, keys = removed_role("S3RestoreRole"), tuple(BACKUP.parameters)
    assert judged(role, cleared=keys[2:], parameters=keys)["lost"] == ""
    assert judged(role, cleared=keys[2:], changed=keys[:1], parameters=keys)["lost"] == "physical-x"
    assert judged(role, changed=keys[:1], parameters=keys)["lost"] == "physical-x"


@pytest.mark.parametrize(
    ("changes", "cleared", "url"),
    [
        ([REMOVED_ROLE], (), ""),
        ([REMOVED_ROLE], CLEARED, "https://example.s3.amazonaws.com/new.yaml"),
        ([REMOVED_ROLE, NEW_ROLE], CLEARED, ""),
        ([NEW_ROLE, REMOVED_ROLE], (), "https://example.s3.amazonaws.com/new.yaml"),
        ([shown(ROLE, Replacement="True")], CLEARED, ""),
        ([shown(ROLE, Replacement="Conditional")], CLEARED, ""),
    ],
    ids=["nothing cleared", "new template", "renamed", "renamed by template", "new", "perhaps new"],
)
def test_any_other_role_that_ends_is_a_loss(
    changes: list[dict[str, Any]], cleared: tuple[str, ...], url: str
) -> None:
    """A new role of the same rights has another ARN, which other accounts' policies do not name."""
    judgement = judged(*changes, cleared=cleared, url=url)
    assert judgement["lost"] == "physical-x"
    assert "REMOVED" in judgement["warnings"][0] or "REPLACED" in judgement["warnings"][0]


def test_clearing_excuses_nothing_but_roles() -> None:
    user = shown("AWS::IAM::User", Action="Remove", Replacement=None)
    assert judged(user, cleared=CLEARED)["lost"] == "physical-x"


def test_all_losses_are_confirmed_together() -> None:
    second = shown("AWS::S3::Bucket", LogicalResourceId="Y", PhysicalResourceId=None)
    second["ResourceChange"]["Replacement"] = "True"
    judgement = judged(shown(Action="Remove"), second)
    assert judgement["lost"] == "physical-x,Y"
    assert [warning.partition(" would")[0] for warning in judgement["warnings"]] == [
        f"X ({PRECIOUS}, physical-x)",
        "Y (AWS::S3::Bucket)",
    ]


def test_instances_restart_if_what_they_are_made_of_changes() -> None:
    types = {
        "Launch": "AWS::EC2::LaunchTemplate",
        "Instance": "AWS::EC2::Instance",
        "Group": "AWS::AutoScaling::AutoScalingGroup",
        "Connect": "AWS::EC2::InstanceConnectEndpoint",
        "Volume": "AWS::EC2::Volume",
    }
    changes = [shown(type_, LogicalResourceId=name) for name, type_ in types.items()]
    assert judged(*changes)["restarted"] == "Launch, Instance, Group"


@pytest.mark.parametrize(
    ("replacements", "fate"),
    [
        (["False"], "may be replaced"),
        (["False", "False"], "may be replaced"),
        (["False", "True"], "are REPLACED"),
        (["Conditional"], "are REPLACED"),
        ([None], "are REPLACED"),
    ],
)
def test_instances_are_called_replaced_unless_no_change_replaces(
    replacements: list[Optional[str]], fate: str
) -> None:
    launch = "AWS::EC2::LaunchTemplate"
    *_, line = judged(*(shown(launch, Replacement=one) for one in replacements))["changes"]
    assert line.startswith(f"instances {fate}, and what runs on them is restarted: X")


def test_the_table_shows_the_causes() -> None:
    details = [
        {"CausingEntity": "pSecond"},
        {"CausingEntity": "pFirst"},
        {"CausingEntity": "pSecond"},
        {"ChangeSource": "DirectModification"},
    ]
    (line,) = judged(shown(Replacement="Conditional", Details=details))["changes"]
    assert line.split() == ["Modify", "X", PRECIOUS, "MAY", "BE", "REPLACED", "pFirst", "pSecond"]


def test_names_are_data() -> None:
    """One line each, without what a terminal would obey."""
    hostile = shown(
        LogicalResourceId="X\n",
        PhysicalResourceId="physical\x1b[2J\x9b\x7f",
        Action="Remove\r",
        Details=[{"CausingEntity": "p\t"}],
    )
    judgement = judged(hostile)
    assert not any(ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 for letter in str(judgement))
    assert judgement["lost"] == "physical?[2J??"


def test_a_hook_is_a_change_of_which_nothing_is_known() -> None:
    judgement = judged({"Type": "Hook"})
    assert judgement["lost"] == "unnamed"
    assert "cannot be foreseen" in judgement["warnings"][0]


def test_an_answer_that_is_cut_is_not_judged() -> None:
    for answer in ({}, {"Changes": [], "NextToken": "more"}):
        with pytest.raises((KeyError, ValueError)):
            judge(answer, {"parameters": [], "differing": [], "cleared": []}, "")
    with pytest.raises(KeyError):
        judge({"Changes": []}, {}, "")


def test_roles_and_destinations_have_the_vendors_names() -> None:
    assert change_set.PARAMETER_OF_ROLE == {
        vendor.S3_BACKUP_ROLE: vendor.DESTINATION_KEY,
        "BackupCopyRole": vendor.DESTINATION_VAULT,
    }


def test_an_update_knows_what_is_risky() -> None:
    change = Change.from_answer(REMOVED_ROLE)
    update = Update(
        (change,),
        has_new_template=False,
        parameters=frozenset(PRIMARY.parameters),
        cleared=frozenset(CLEARED),
        only_clears=True,
    )
    assert not update.is_risky(change)
    assert replace(update, has_new_template=True).is_risky(change)


@pytest.mark.parametrize("python", pythons())
def test_runs_alone(python: str, tmp_path: Path) -> None:
    comparison: dict[str, list[str]] = {"parameters": [], "differing": [], "cleared": []}
    files = {"changes": {"Changes": [shown(Action="Remove")]}, "comparison": comparison}
    arguments = ["changes", "comparison", ""]
    done = run(python, "change_set", tmp_path, files, *arguments)
    assert json.loads(done.stdout)["lost"] == "physical-x"
    cut = run(python, "change_set", tmp_path, {"changes": ""}, *arguments)
    assert (cut.returncode, cut.stdout) == (1, "")
