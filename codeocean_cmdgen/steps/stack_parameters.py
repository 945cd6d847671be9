"""Set and clear parameters of a CloudFormation stack."""

from __future__ import annotations

import os.path
import re
from typing import TYPE_CHECKING, Optional

from codeocean_cmdgen.errors import Problem
from codeocean_cmdgen.steps.base import FIRST_RUN, Step
from codeocean_cmdgen.steps.rules import in_partition
from codeocean_cmdgen.values import (
    AccountId,
    BucketArn,
    Region,
    StackParameter,
    Switch,
    VaultArn,
)
from codeocean_cmdgen.vendor import (
    DESTINATION,
    REPLICATED_BUCKETS,
    RESTORE_SOURCE,
    bucket_parameter,
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

Source: the vendor's guide, which wants fast access in a disaster.
"""

_OF_THE_BACKUP = ("restore-destination", "clear-restore-destination")
"""The presets for a backup stack."""

_KMS_KEY = f"{DESTINATION}S3KmsKey"
_RESTORE_LABELS = {
    kind: " ".join(("Restore", *re.findall("MLflow|[A-Z][a-z]+", kind), "Bucket"))
    for kind in REPLICATED_BUCKETS
}
"""Bucket -> words that the backup stack's label for it has: the parameters' names are not public.

Source: the vendor's guide, "Destination Restore S3 Bucket ARNs (Capsules, Datasets, etc.)".
"""
_RESTORE_KEY_LABEL = "Restore KMS Key"


def by_kind(buckets: Iterable[BucketArn]) -> dict[str, list[BucketArn]]:
    """Sort buckets by what they hold, which their names say behind what all of them begin with."""
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
        for kind in REPLICATED_BUCKETS
    }


def _something_to_do(
    preset: Optional[Preset] = None,
    set: tuple[StackParameter, ...] = (),  # noqa: A002 - the option's name
    clear: tuple[ParameterKey, ...] = (),
    template_url: Optional[TemplateUrl] = None,
) -> Iterator[Problem]:
    if not (preset or set or clear or template_url):
        yield Problem("nothing is to be done: give --preset, --set, --clear or --template-url")


def no_parameter_twice(
    set: tuple[StackParameter, ...] = (),  # noqa: A002 - the option's name
    clear: tuple[ParameterKey, ...] = (),
) -> Iterator[Problem]:
    """Demand one wish for each parameter."""
    keys = [*(parameter.key for parameter in set), *clear]
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        yield Problem(f"--set and --clear name the parameter {key} {keys.count(key)} times")


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
                "the name tells, as in codeocean-s3capsulesbucket-1abc; without the preset, set "
                "each parameter with --set",
            )
    known = {bucket for buckets in sorted_out.values() for bucket in buckets}
    for bucket in destination_bucket_arn:
        if bucket not in known:
            yield Problem(f"--destination-bucket-arn {bucket} is none of those that are replicated")


def _restore_source_is_known(
    preset: Preset, restore_source_account_id: Optional[AccountId] = None
) -> Iterator[Problem]:
    if preset == "restore-source" and restore_source_account_id is None:
        yield Problem(
            "--restore-source-account-id is missing: --preset restore-source needs it, such as "
            f"{AccountId.example}"
        )


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
        "where": "AWS CloudShell of the account that owns the stack.",
        "changes": "updates the stack by a change set, shown first; what is not named keeps its "
        "value. Nothing that holds data is replaced or removed without --replace, and its ids as "
        "the word. It asks before the services instance is replaced.",
        "takes": "a minute to look; then minutes, longer for an instance or a database.",
        "costs": "nothing by itself.",
        "again": "follows the update, or says when it was completed; tries again what failed.",
    }
    tables = ("source", "backup", "target")
    checks = (
        _something_to_do,
        no_parameter_twice,
        _destination_in_partition,
        _destination_is_known,
        _restore_source_is_known,
    )

    def variant(self) -> Step:
        """Return the step for a backup stack, which never asks, where the preset is one of its."""
        of_backup = self.preset in _OF_THE_BACKUP and not self.replace.on
        return BackupStackParameters(**vars(self)) if of_backup else self

    def variables(self) -> dict[str, Printed]:
        """Leave out what becomes the changes."""
        return {
            name: value
            for name, value in super().variables().items()
            if name in ("account_id", "region", "stack_name", "template_url", "replace", "run")
        }

    def documents(self) -> dict[str, Printed]:
        """Return the changes: parameter, or words of its label, -> value; null clears it."""
        changes: dict[str, Optional[str]] = {
            **self._preset(),
            **{parameter.key: parameter.value for parameter in self.set},
            **dict.fromkeys(self.clear),
        }
        return {**super().documents(), "changes": changes}

    def _preset(self) -> dict[str, Optional[str]]:
        """Return what the preset sets and clears, as the vendor's guide says."""
        if self.preset in _DESTINATIONS:
            return {**self._destination()}
        if self.preset == "restore-source":
            return {RESTORE_SOURCE: self.restore_source_account_id}
        cleared = {
            "clear-replication": [_KMS_KEY, *map(bucket_parameter, REPLICATED_BUCKETS)],
            "clear-restore-source": [RESTORE_SOURCE],
            "clear-restore-destination": [_RESTORE_KEY_LABEL, *_RESTORE_LABELS.values()],
        }
        return dict.fromkeys(cleared.get(str(self.preset), ()))

    def _destination(self) -> dict[str, str]:
        vault = self.destination_vault_arn
        if vault is None:  # the checks have seen to that
            raise AssertionError
        key = f"arn:{vault.aws_partition}:kms:{vault.region}:{vault.account_id}:alias/aws/s3"
        buckets = {kind: str(one) for kind, (one,) in by_kind(self.destination_bucket_arn).items()}
        if self.preset == "restore-destination":
            labelled = {_RESTORE_LABELS[kind]: bucket for kind, bucket in buckets.items()}
            return {_RESTORE_KEY_LABEL: key, **labelled}
        return {
            f"{DESTINATION}VaultArn": vault,
            f"{DESTINATION}VaultCrossRegion": "no" if vault.region == self.region else "yes",
            _KMS_KEY: key,
            f"{DESTINATION}S3StorageClass": _DESTINATIONS[str(self.preset)],
            **{bucket_parameter(kind): bucket for kind, bucket in buckets.items()},
        }


class BackupStackParameters(StackParameters):
    """Set and clear parameters of the backup stack, which has no instance to restart."""

    template = "stack-parameters--backup"
    confirm = ""
    header = {
        **StackParameters.header,
        "changes": "updates the backup stack by a change set, shown first; what is not named keeps "
        "its value. Nothing that holds data, and no instance, is replaced or removed.",
        "takes": "a minute to look; then minutes.",
    }

    def variables(self) -> dict[str, Printed]:
        """Leave out whether to insist: then it would be the other script."""
        printed = super().variables()
        del printed["replace"]
        return printed
