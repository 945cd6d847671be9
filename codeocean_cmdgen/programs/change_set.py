"""Judge a change set: what it changes, what would be lost with it, and which instances restart.

Arguments: an answer of describe-change-set, what template_parameters.py printed, and the URL of the
new template, if there is one. Prints one JSON object:

changes    a line for each change, and one for the instances, for people
total      how many changes there are
lost       the ids of what would be lost, between commas; empty if nothing would
warnings   a line for each of them, and of what is touched
restarted  what instances are made of that changes, between commas
touched    what may hold data and is changed in place, between commas

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .printable import printable

ADDED, TAGGED, CHANGED = "added", "tagged", "changed in place"
DELETING = "changed so that data may be deleted"
REMOVED, REPLACED, MAYBE_REPLACED = "removed", "replaced", "maybe replaced"
IMPORTED, NESTED, UNKNOWN = "imported", "nested", "unknown"
"""What happens to a resource. ADDED and TAGGED lose nothing."""

MAYBE = {CHANGED, MAYBE_REPLACED}
REPLACEMENT = {REPLACED, *MAYBE}
ANYTHING = {REMOVED, *REPLACEMENT}
HARMLESS: dict[str, set[str]] = {
    # Versions of settings. Instances are asked about separately.
    "AWS::EC2::LaunchTemplate": ANYTHING,
    # Permissions of roles in this stack. Roles: see Update.is_risky. Users and access keys are not
    # listed: a key that is deleted cannot be created again.
    "AWS::IAM::InstanceProfile": ANYTHING,
    "AWS::IAM::ManagedPolicy": ANYTHING,
    "AWS::IAM::Policy": ANYTHING,
    "AWS::IAM::Role": {CHANGED},
    # Clearing a destination removes the function that copies to it, whose code is in the template.
    "AWS::Lambda::Function": {CHANGED, REMOVED},
    "AWS::Lambda::Permission": ANYTHING,
    "AWS::Events::Rule": ANYTHING,
    # Every change replaces a selection. Without one, backups end.
    "AWS::Backup::BackupSelection": REPLACEMENT,
    "AWS::Backup::BackupPlan": {CHANGED},
    # Replaced with what they belong to, whose replacement is a loss.
    "AWS::S3::BucketPolicy": MAYBE,
    "AWS::AutoScaling::AutoScalingGroup": {CHANGED},
    "AWS::AutoScaling::ScalingPolicy": MAYBE,
    "AWS::AutoScaling::WarmPool": MAYBE,
    "AWS::ElasticLoadBalancingV2::Listener": MAYBE,
    "AWS::ElasticLoadBalancingV2::ListenerRule": MAYBE,
    # One rule each, which the template contains.
    "AWS::EC2::SecurityGroupEgress": REPLACEMENT,
    "AWS::EC2::SecurityGroupIngress": REPLACEMENT,
    # Replaced with its key, whose replacement is a loss. No vault with recovery points is deleted.
    # https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault.html#delete-a-vault
    "AWS::Backup::BackupVault": {MAYBE_REPLACED},
}
"""Type -> what may happen to its resources without a question.

CloudFormation creates these again from the template. Every other type is taken to hold data, an
identity or an address that nothing brings back.
"""

MAY_DELETE_DATA = {
    # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithAutomatedBackups.html
    "AWS::RDS::DBInstance": (
        "BackupRetentionPeriod",
        "RDS deletes automated backups older than the new period",
    ),
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html
    "AWS::S3::Bucket": (
        "LifecycleConfiguration",
        "new rules expire existing objects and versions too",
    ),
}
"""Type -> property, what a change of it may delete. AWS CLI 2.9 does not show the new value."""

ROLE = "AWS::IAM::Role"
PARAMETER_OF_ROLE = {
    "S3BackupRole": "pDestinationBackupS3KmsKey",
    "BackupCopyRole": "pDestinationBackupVaultArn",
}
"""Role of the primary stack -> the parameter without which it does not exist.

Source: conditions cS3Backup and cCopyBackup of the vendor's template 3.8.2.
"""
NESTED_STACK = "AWS::CloudFormation::Stack"
OF_INSTANCES = re.compile(r"AWS::(EC2::(LaunchTemplate|Instance)$|AutoScaling::)")
"""The types that instances are made of. No change set shows the instances themselves."""


@dataclass(frozen=True)
class Change:
    """One change of a resource. Empty: the answer does not say."""

    action: str
    logical_id: str
    physical_id: str
    type: str
    replacement: str
    policy_action: str
    scope: tuple[str, ...]
    properties: frozenset[str]
    causes: tuple[str, ...]

    @classmethod
    def from_answer(cls, change: dict[str, Any]) -> Change:
        """Return a change of the answer. A hook has no resource: nothing is known of it."""
        shown = change.get("ResourceChange") or {}
        details = shown.get("Details") or ()
        causes = {str(one.get("CausingEntity") or "") for one in details}
        properties = {str((one.get("Target") or {}).get("Name") or "") for one in details}
        return cls(
            action=shown.get("Action") or "",
            logical_id=shown.get("LogicalResourceId") or "unnamed",
            physical_id=shown.get("PhysicalResourceId") or "",
            type=shown.get("ResourceType") or "of unknown type",
            replacement=shown.get("Replacement") or "",
            policy_action=shown.get("PolicyAction") or "",
            scope=tuple(shown.get("Scope") or ()),
            properties=frozenset(properties - {""}),
            causes=tuple(sorted(causes - {""})),
        )

    @property
    def happening(self) -> str:
        """What happens to the resource. Older versions of the AWS CLI leave out PolicyAction."""
        if self.action == "Add":
            return ADDED
        if self.action == "Import":
            return IMPORTED
        if self.action == "Remove" or self.policy_action in {"Delete", "Retain", "Snapshot"}:
            return REMOVED
        if self.action != "Modify":
            return UNKNOWN
        if self.type == NESTED_STACK:
            return NESTED
        return self._kind_of_modification()

    def _kind_of_modification(self) -> str:
        if self.replacement == "Conditional":
            return MAYBE_REPLACED
        if self.replacement == "True" or self.policy_action.startswith("ReplaceAnd"):
            return REPLACED
        if self.scope and "Properties" not in self.scope:
            return TAGGED
        if self.replacement == "False" and self.properties == {"ReplicationConfiguration"}:
            return TAGGED
        if self.replacement == "False":
            return DELETING if self._may_delete else CHANGED
        return MAYBE_REPLACED

    @property
    def _may_delete(self) -> bool:
        """If no property is named, any may be changed."""
        name, _ = MAY_DELETE_DATA.get(self.type, ("", ""))
        return name != "" and name in (self.properties or {name})

    @property
    def consequence(self) -> str:
        """What would be lost or touched, in words."""
        name, effect = MAY_DELETE_DATA.get(self.type, ("", ""))
        return {
            REMOVED: f"would be REMOVED: {self._old_resource}",
            REPLACED: f"would be REPLACED by a new, empty one: {self._old_resource}",
            MAYBE_REPLACED: f"may be REPLACED by a new, empty one: {self._old_resource}",
            DELETING: f"may lose data by another {name}: {effect}",
            CHANGED: "would be changed in place, and may hold data",
            IMPORTED: "would be imported: the stack takes over something that exists",
            NESTED: "would be changed, and what changes in a nested stack cannot be seen here",
            UNKNOWN: "would be changed in a way that cannot be foreseen "
            f"({self.action or 'no action'})",
        }[self.happening]

    @property
    def _old_resource(self) -> str:
        fates = {
            "Delete": "DELETED",
            "Retain": "kept outside the stack",
            "Snapshot": "deleted after a snapshot",
        }
        policy = self.policy_action.replace("ReplaceAnd", "")
        return f"the old one is {fates.get(policy, 'DELETED unless the template retains it')}"

    @property
    def id(self) -> str:
        """What the person confirms a loss with."""
        return printable(self.physical_id or self.logical_id)

    @property
    def warning(self) -> str:
        """Return the line that names it."""
        names = [self.type, *filter(None, [self.physical_id])]
        return printable(f"{self.logical_id} ({', '.join(names)}) {self.consequence}")

    @property
    def line(self) -> str:
        """Return the line of the table of changes."""
        replaced = {"True": "REPLACED", "Conditional": "MAY BE REPLACED"}.get(self.replacement, "")
        causes = " ".join(self.causes)
        line = f"  {self.action:8} {self.logical_id:26} {self.type:36} {replaced} {causes}"
        return printable(line.rstrip())


@dataclass(frozen=True)
class Update:
    """A change set.

    parameters: of the stack. cleared: those that lose their value, if only_clears and no others.
    """

    changes: tuple[Change, ...]
    has_new_template: bool
    parameters: frozenset[str]
    cleared: frozenset[str]
    only_clears: bool

    def is_risky(self, change: Change) -> bool:
        """Tell whether a change loses or touches something, or may."""
        if change.happening in {ADDED, TAGGED, *HARMLESS.get(change.type, ())}:
            return False
        return not self._is_role_of_cleared_destination(change)

    def _is_role_of_cleared_destination(self, change: Change) -> bool:
        """Tell whether a role is removed because the operator clears the destination it is for.

        Otherwise a removed role is a loss, even if the template has it under another logical ID:
        policies of other accounts name its ARN and its unique ID.
        """
        if change.type != ROLE or change.happening != REMOVED or self.has_new_template:
            return False
        if any(one.type == ROLE and one.happening == ADDED for one in self.changes):
            return False
        if self.parameters.intersection(PARAMETER_OF_ROLE.values()):
            return PARAMETER_OF_ROLE.get(change.logical_id) in self.cleared
        # The backup stack: its template is not public.
        return self.only_clears


def judge(
    change_set: dict[str, Any], comparison: dict[str, Any], template_url: str
) -> dict[str, Any]:
    """Return the judgement. An answer with only a part of the changes raises a ValueError."""
    if change_set.get("NextToken"):
        message = "the answer holds only a part of the changes"
        raise ValueError(message)
    update = Update(
        changes=tuple(Change.from_answer(one) for one in change_set["Changes"]),
        has_new_template=bool(template_url),
        parameters=frozenset(one["ParameterKey"] for one in comparison["parameters"]),
        cleared=frozenset(comparison["cleared"]),
        only_clears=len(comparison["differing"]) == len(comparison["cleared"]) > 0,
    )
    named = [one for one in update.changes if update.is_risky(one)]
    lines = [one.line for one in update.changes]
    instances = [one for one in update.changes if OF_INSTANCES.match(one.type)]
    restarted = printable(", ".join(one.logical_id for one in instances))
    if restarted:
        are_replaced = any(one.replacement != "False" for one in instances)
        fate = "are REPLACED" if are_replaced else "may be replaced"
        lines.append(f"instances {fate}, and what runs on them is restarted: {restarted}")
    return {
        "changes": lines,
        "total": len(update.changes),
        "lost": ",".join(one.id for one in named if one.happening != CHANGED),
        "warnings": [one.warning for one in named],
        "restarted": restarted,
        "touched": ",".join(one.id for one in named if one.happening == CHANGED),
    }


def main() -> None:
    """Read the two files, print the judgement."""
    change_set, comparison, template_url = sys.argv[1:]
    judgement = judge(
        json.loads(Path(change_set).read_bytes()),
        json.loads(Path(comparison).read_bytes()),
        template_url,
    )
    sys.stdout.write(f"{json.dumps(judgement)}\n")


if __name__ == "__main__":
    main()
