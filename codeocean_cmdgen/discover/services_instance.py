"""Finds the facts of a deployment in the stack.json of its services instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen import vendor
from codeocean_cmdgen.arguments import why_not
from codeocean_cmdgen.discover.finder import Finder, Found
from codeocean_cmdgen.errors import InputError, Problem
from codeocean_cmdgen.inputs.stack_json import read_stack_json
from codeocean_cmdgen.values import HostName, VaultArn

if TYPE_CHECKING:
    from pathlib import Path

    from codeocean_cmdgen.inputs.deployment_file import DeploymentFile, Tell
    from codeocean_cmdgen.inputs.stack_json import StackJson


def find(role: str, file: DeploymentFile, stack_json: Path, say: Tell) -> Found:
    """Find the facts of a deployment in the stack.json of its services instance.

    The place is not taken from it: the scripts compare the place with this same stack.json, which
    would then prove nothing.

    Raises:
        InputError: the file cannot be read, or does not name its place.
        DiscoveryError: as in stack.find.

    """
    if role == "backup":
        raise InputError([Problem("--stack-json: the backup stack has no services instance")])
    stack = read_stack_json(stack_json)
    place = _place(stack)
    say("stack.json: account {account_id}, {region}, stack {stack_name}".format(**place))
    finder = Finder(role, file)
    finder.set_place(**place, origin="stack.json")
    _take_given(finder, stack)
    _take_derived(finder, stack)
    _miss_on_host(finder)
    finder.fill_tables_of_others()
    return Found(finder.facts, finder.missing)


def _place(stack: StackJson) -> dict[str, str]:
    """Return account, Region and stack.

    Raises:
        InputError: with what is missing or wrong.

    """
    found = {name: stack.look_up(name) for name in ("account_id", "region", "stack_name")}
    problems: list[Problem] = []
    for name, texts in found.items():
        if isinstance(texts, Problem):
            problems.append(texts)
        else:
            problems += [Problem(f"{name}: {why} (stack.json)") for why in why_not(name, texts)]
    if problems:
        raise InputError(problems)
    return {name: texts[0] for name, texts in found.items()}


def _text(stack: StackJson, name: str) -> str:
    """Return the only text of a value; empty if it is missing."""
    found = stack.look_up(name)
    return "" if isinstance(found, Problem) else found[0]


_GIVEN = {
    "source": {"bucket_arn": "source", "role_arn": "source.s3-batch-replication"},
    "target": dict.fromkeys(
        ("bucket_arn", "destination_vault_arn", "to_host", "to_port", "user"), "target"
    ),
}
"""Role -> what its stack.json gives: each value, and the table for it."""


def _take_given(finder: Finder, stack: StackJson) -> None:
    for name, table in _GIVEN[finder.role].items():
        found = stack.look_up(name)
        if isinstance(found, Problem):
            finder.missing.append(found)
        else:
            finder.take(name, found, "stack.json", table)


def _take_derived(finder: Finder, stack: StackJson) -> None:
    """Take the names that are a part of other values, or follow from the stack's name."""
    vault, host = _text(stack, "destination_vault_arn"), _text(stack, "to_host")
    if not VaultArn.why_not(vault):
        name = VaultArn(vault).name
        finder.take("backup_vault_name", (name,), f"stack.json, {vendor.BACKUP_VAULT}")
    if not HostName.why_not(host) and (database := HostName(host).db_instance_id):
        finder.take("db_instance_id", (database,), "stack.json, first label of AnalyticsDB.Host")
    if finder.role == "target":
        secret = vendor.MASTER_PASSWORD.format(stack_name=finder.here["stack_name"])
        origin = f"its name in {vendor.TEMPLATE}"
        finder.take("master_password_secret_id", (secret,), origin, "target.db-restore")


def _miss_on_host(finder: Finder) -> None:
    """Report the facts that are not in stack.json, and those that are not taken from it."""
    role = finder.role
    command = f"codeocean-cmdgen discover {role} {finder.file.option}"
    if not all(finder.file.texts(role, name) for name in finder.here):
        finder.miss(
            ", ".join(finder.here),
            "not taken from stack.json, because the scripts compare these values with it: on the "
            "wrong instance, both would be wrong",
            f"write them into the file yourself, or run {command} in CloudShell of its account",
        )
    finder.miss(
        "data_volume_id, role_arn and others",
        "not in stack.json",
        f"run {command} in CloudShell of this account to find the rest",
    )
