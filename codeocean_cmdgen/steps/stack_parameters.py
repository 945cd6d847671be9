"""Set and clear parameters of a CloudFormation stack."""

from __future__ import annotations

import os.path
import re
from typing import TYPE_CHECKING, ClassVar, Optional

from codeocean_cmdgen import vendor
from codeocean_cmdgen.errors import Problem
from codeocean_cmdgen.steps.base import FIRST_RUN, Step
from codeocean_cmdgen.steps.permissions import ANY, STACK
from codeocean_cmdgen.steps.rules import in_partition
from codeocean_cmdgen.values import (
    AccountId,
    Arn,
    BucketArn,
    Region,
    StackParameter,
    Switch,
    VaultArn,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from codeocean_cmdgen.steps.base import Printed
    from codeocean_cmdgen.values import ParameterKey, Preset, RunName, StackName, TemplateUrl

_DESTINATIONS = {
    "backup-destination": "GLACIER_IR",
    "migration-destination": "STANDARD",
    "restore-destination": "",
}
"""Preset that names a destination -> the storage class there; none where the stack decides.

Source: the vendor's guide, which asks for fast access in a disaster.
"""

_OF_THE_BACKUP = ("restore-destination", "clear-restore-destination")
"""The presets for a backup stack."""


def by_kind(buckets: Iterable[BucketArn]) -> dict[str, list[BucketArn]]:
    """Sort buckets by what they hold: their names show it after the prefix that all share."""
    buckets = tuple(buckets)
    names = [bucket.name for bucket in buckets]
    common = len(os.path.commonprefix(names))  # noqa: RUF071 - characters are what is meant
    return {
        kind: [
            bucket
            for bucket in buckets
            # Not the bucket of inputs to datasets.
            if re.search(f"{kind}(?!input)", bucket.name[common:].replace("-", ""), re.IGNORECASE)
        ]
        for kind in vendor.REPLICATED_BUCKETS
    }


def _something_to_do(
    preset: Optional[Preset] = None,
    set: tuple[StackParameter, ...] = (),  # noqa: A002 - the option's name
    clear: tuple[ParameterKey, ...] = (),
    template_url: Optional[TemplateUrl] = None,
) -> Iterator[Problem]:
    if not (preset or set or clear or template_url):
        yield Problem("nothing to do: give --preset, --set, --clear or --template-url")


def no_parameter_twice(
    set: tuple[StackParameter, ...] = (),  # noqa: A002 - the option's name
    clear: tuple[ParameterKey, ...] = (),
) -> Iterator[Problem]:
    """Demand at most one value for each parameter."""
    keys = [*(parameter.key for parameter in set), *clear]
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        yield Problem(
            f"parameter {key} is given {keys.count(key)} times in --set and --clear: give it once"
        )


def _destination_in_partition(region: Region, destination_vault_arn: VaultArn) -> Iterator[Problem]:
    yield from in_partition(region, "destination_vault_arn", destination_vault_arn)


def _destination_is_known(
    preset: Preset,
    destination_vault_arn: Optional[VaultArn] = None,
    destination_bucket_arn: tuple[BucketArn, ...] = (),
) -> Iterator[Problem]:
    if preset not in _DESTINATIONS:
        return
    if destination_vault_arn is None:
        yield Problem(
            f"--destination-vault-arn is missing: --preset {preset} needs it, such as "
            f"{VaultArn.example}"
        )
    sorted_out = by_kind(destination_bucket_arn)
    for kind, buckets in sorted_out.items():
        if len(buckets) != 1:
            yield Problem(
                f"--destination-bucket-arn: {len(buckets)} of the buckets look like the one for "
                f"{kind}, and --preset {preset} needs one",
                "bucket names show the kind, as in codeocean-s3capsulesbucket-1abc; without the "
                "preset, set each parameter with --set",
            )
    known = {bucket for buckets in sorted_out.values() for bucket in buckets}
    for bucket in destination_bucket_arn:
        if bucket not in known:
            yield Problem(
                f"--destination-bucket-arn {bucket} is not one of the nine replicated buckets"
            )


def _restore_source_is_known(
    preset: Preset, restore_source_account_id: Optional[AccountId] = None
) -> Iterator[Problem]:
    if preset == "restore-source" and restore_source_account_id is None:
        yield Problem(
            "--restore-source-account-id is missing: --preset restore-source needs it, such as "
            f"{AccountId.example}"
        )


_CHANGE_SET = (
    ("cloudformation create-change-set", "prepares the update, which is then shown"),
    (
        "cloudformation delete-change-set",
        "deletes what was prepared, unless it is executed",
    ),
)
"""What the header says of preparing an update."""


class StackParameters(Step):
    """Set and clear parameters of a stack, or upgrade it, by a change set that is shown first."""

    stack_name: StackName
    preset: Optional[Preset] = None
    set: tuple[StackParameter, ...] = ()
    clear: tuple[ParameterKey, ...] = ()
    template_url: Optional[TemplateUrl] = None
    destination_vault_arn: Optional[VaultArn] = None
    destination_bucket_arn: tuple[BucketArn, ...] = ()
    restore_source_account_id: Optional[AccountId] = None
    replace: Switch = Switch("no")
    run: RunName = FIRST_RUN

    name = "stack-parameters"
    title = "set and clear parameters of a stack"
    confirm = "STACK-NAME"
    header = {
        "where": "AWS CloudShell, in the account that owns the stack.",
        "changes": (
            *_CHANGE_SET,
            (
                "cloudformation execute-change-set",
                "updates the stack, and deletes its other change sets",
            ),
        ),
        "takes": "a minute to prepare, then minutes; longer for an instance or a database. It "
        "continues if this shell ends.",
        "costs": "nothing by itself.",
        "again": "follows the update, or reports how it ended. To try again after a failure, use a "
        "new --run.",
        "killed": "leaves an update that continues, or a change set that changes nothing: delete "
        "it in the console.",
        "undo": "set the old values with a new --run. What is not named keeps its value. Without "
        "--replace, nothing is removed or replaced that may hold data, and no setting known to "
        "delete data is changed. With it, the script asks for the IDs of what is lost for good. It "
        "asks for the stack's name before instances are replaced, or what may hold data is changed "
        "in place.",
        "done": "CloudFormation reports UPDATE_COMPLETE, and the parameters have their new values.",
    }
    parts = ("stack", "stack_update")
    programs = ("template_parameters", "stack_events", "change_set", "printable")
    permissions = {
        ANY: ("cloudformation:GetTemplateSummary",),
        STACK: (
            "cloudformation:CreateChangeSet",
            "cloudformation:DeleteChangeSet",
            "cloudformation:DescribeChangeSet",
            "cloudformation:DescribeStackEvents",
            "cloudformation:DescribeStacks",
            "cloudformation:ExecuteChangeSet",
        ),
    }
    tables = ("source", "backup", "target")
    checks = (
        _something_to_do,
        no_parameter_twice,
        _destination_in_partition,
        _destination_is_known,
        _restore_source_is_known,
    )
    unprinted: ClassVar[tuple[str, ...]] = (
        "preset",
        "destination_vault_arn",
        "destination_bucket_arn",
        "restore_source_account_id",
    )

    def variant(self) -> Step:
        """Return the step that asks for IDs, or that for a backup stack, which never asks."""
        if self.replace.on:
            return ReplacingStackParameters(**vars(self))
        return BackupStackParameters(**vars(self)) if self.preset in _OF_THE_BACKUP else self

    def documents(self) -> dict[str, Printed]:
        """Return the preset's changes: parameter, or words of its label, -> value; null clears it.

        The script adds what is set and cleared by name, which is printed only once.
        """
        return {**super().documents(), "changes": self._preset()}

    def _preset(self) -> dict[str, Optional[str]]:
        """Return what the preset sets and clears, as the vendor's guide says."""
        if self.preset in _DESTINATIONS:
            return {**self._destination()}
        if self.preset == "restore-source":
            return {vendor.RESTORE_SOURCE: self.restore_source_account_id}
        cleared = {
            "clear-replication": [
                vendor.DESTINATION_KEY,
                *map(vendor.bucket_parameter, vendor.REPLICATED_BUCKETS),
            ],
            "clear-restore-source": [vendor.RESTORE_SOURCE],
            "clear-restore-destination": [
                vendor.RESTORE_KEY_LABEL,
                *map(vendor.restore_bucket_label, vendor.REPLICATED_BUCKETS),
            ],
        }
        return dict.fromkeys(cleared.get(str(self.preset), ()))

    def _destination(self) -> dict[str, str]:
        vault = self.destination_vault_arn
        if vault is None:  # the checks have seen to that
            raise AssertionError
        key = Arn.of("kms", "alias/aws/s3", vault)
        buckets = {kind: str(one) for kind, (one,) in by_kind(self.destination_bucket_arn).items()}
        if self.preset == "restore-destination":
            return {
                vendor.RESTORE_KEY_LABEL: key,
                **{vendor.restore_bucket_label(kind): bucket for kind, bucket in buckets.items()},
            }
        return {
            vendor.DESTINATION_VAULT: vault,
            vendor.DESTINATION_CROSS_REGION: "no" if vault.region == self.region else "yes",
            vendor.DESTINATION_KEY: key,
            vendor.DESTINATION_STORAGE_CLASS: _DESTINATIONS[str(self.preset)],
            **{vendor.bucket_parameter(kind): bucket for kind, bucket in buckets.items()},
        }


class ReplacingStackParameters(StackParameters):
    """Update a stack even if resources are lost: `stack-parameters --replace`."""

    template = "stack-parameters"
    confirm = "IDS-OF-WHAT-IS-LOST"


class BackupStackParameters(StackParameters):
    """Set and clear parameters of the backup stack, which has no instance to restart."""

    template = "stack-parameters--backup"
    confirm = ""
    unprinted = (*StackParameters.unprinted, "replace")
    header = {
        **StackParameters.header,
        "changes": (
            *_CHANGE_SET,
            (
                "cloudformation execute-change-set",
                "updates the backup stack, and deletes its other change sets",
            ),
        ),
        "undo": "set the old values with a new --run. What is not named keeps its value. Nothing "
        "that may hold data, and no instance, is removed, replaced or changed in place, except the "
        "replication of buckets.",
    }

    def variant(self) -> Step:
        """Return itself."""
        return self
