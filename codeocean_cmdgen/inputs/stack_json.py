"""stack.json, the services instance's description of its own deployment.

Only an allow-listed part of it is kept: it holds passwords.
"""

from __future__ import annotations

import json
from pathlib import Path

from codeocean_cmdgen import vendor
from codeocean_cmdgen.errors import InputError, Problem, shown
from codeocean_cmdgen.files import read_input
from codeocean_cmdgen.values import BucketArn, Region, is_bucket_name

STACK_JSON = Path(vendor.STACK_JSON)

BACKUP_PARAMETERS = (
    f"{vendor.DESTINATION_VAULT}, {vendor.DESTINATION_KEY}, {vendor.DESTINATION_STORAGE_CLASS} "
    f"and the nine {vendor.bucket_parameter('...')}"
)
"""The parameters of the vendor's stack that configure its backup."""


def is_services_instance() -> bool:
    """Return whether this is a services instance: it has a stack.json, readable or not."""
    try:
        STACK_JSON.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def read_stack_json(path: Path) -> StackJson:
    """Return the allow-listed facts of a stack.json.

    Raises:
        InputError: it cannot be read, or is not JSON.

    """
    try:
        return StackJson(read_input(path))
    except OSError as error:
        why = f"cannot read {shown(str(path))}: {error.strerror}"
    except (ValueError, RecursionError):
        # Omit the decoder's message: it may quote the file, which holds passwords.
        why = f"{shown(str(path))} is not JSON"
    raise InputError([Problem(f"--stack-json: {why}")])


_STACK_JSON_KEYS = {
    "stack_name": ("", "Stack"),
    "account_id": ("AWS", "AccountID"),
    "region": ("AWS", "Region"),
    "role_arn": ("AWS", vendor.S3_BACKUP_ROLE),
    "destination_vault_arn": ("AWS", vendor.BACKUP_VAULT),
    "to_host": ("AnalyticsDB", "Host"),
    "to_port": ("AnalyticsDB", "Port"),
    "user": ("AnalyticsDB", "Username"),
}
"""Value -> its place in a stack.json, which holds it as it is. No password is among them."""


class StackJson:
    """The allow-listed facts of a stack.json; everything else is dropped when it is read."""

    def __init__(self, text: str | bytes) -> None:
        document = json.loads(text)
        self._facts = {
            name: self._texts(document, part).get(key.lower(), "")
            for name, (part, key) in _STACK_JSON_KEYS.items()
        }
        self._buckets = self._texts(document, "Buckets")

    @staticmethod
    def _texts(document: object, key: str) -> dict[str, str]:
        part = document.get(key) if key and isinstance(document, dict) else document
        part = part if isinstance(part, dict) else {}
        return {name.lower(): value for name, value in part.items() if isinstance(value, str)}

    def look_up(self, name: str) -> tuple[str, ...] | Problem:
        """Return the texts of a value, or why there are none."""
        if name == "bucket_arn":
            return self._bucket_arns()
        text = self._facts[name]
        if text:
            return (text,)
        if name == "role_arn":
            return Problem(
                f"AWS.{vendor.S3_BACKUP_ROLE} is empty in stack.json: this stack has no backup "
                "configuration yet",
                f"to replicate from this deployment, set the stack parameters {BACKUP_PARAMETERS}, "
                "and update the stack; to restore, add --from backup",
            )
        key = ".".join(filter(None, _STACK_JSON_KEYS[name]))
        return Problem(f"{key} is missing in stack.json")

    def _bucket_arns(self) -> tuple[str, ...] | Problem:
        region = Region(self._facts["region"])
        found = {}
        for key in vendor.REPLICATED_BUCKETS:
            name = self._buckets.get(key.lower(), "")
            if is_bucket_name(name):
                found[key] = BucketArn.named(name, region)
        missing = [key for key in vendor.REPLICATED_BUCKETS if key not in found]
        if missing:
            command = " ".join(
                ["--account-id ... --region ... --role-arn ..."]
                + [f"--bucket-arn {arn}" for arn in found.values()]
            )
            return Problem(
                "stack.json names no bucket for " + ", ".join(missing),
                f"if this version has no such bucket, give the others as options: {command}",
            )
        return tuple(found.values())
