"""Finds the facts of a deployment in the stack.json of its services instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen import vendor
from codeocean_cmdgen.arguments import KNOWN
from codeocean_cmdgen.discover.finder import Finder, Found
from codeocean_cmdgen.errors import InputError, Problem
from codeocean_cmdgen.inputs.stack_json import read_stack_json
from codeocean_cmdgen.values import HostName, VaultArn

if TYPE_CHECKING:
    from pathlib import Path

    from codeocean_cmdgen.inputs.deployment_file import DeploymentFile, Tell


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
    problems: list[Problem] = []
    finder = Finder(role, file)
    names = ("account_id", "region", "stack_name")
    account_id, region, stack_name = ("".join(stack.look_up(name, problems)) for name in names)
    problems += [
        Problem(f"{name}: {why} (stack.json)")
        for name, text in zip(names, (account_id, region, stack_name))
        if (why := KNOWN[name].kind.why_not(text))
    ]
    if problems:
        raise InputError(problems)
    say(f"stack.json: account {account_id}, {region}, stack {stack_name}")
    finder.set_place(account_id, region, stack_name, "stack.json")
    roles = "source.s3-batch-replication"
    wanted = [("bucket_arn", role), *([("role_arn", roles)] if role == "source" else [])]
    if role == "target":
        wanted += [(name, role) for name in ("destination_vault_arn", "to_host", "to_port", "user")]
    for name, table in wanted:
        reasons: list[Problem] = []
        texts = stack.look_up(name, reasons)
        finder.missing += reasons
        if not reasons:
            finder.take(name, texts, "stack.json", table)
    vault = "".join(stack.look_up("destination_vault_arn", []))
    if not VaultArn.why_not(vault):
        finder.take(
            "backup_vault_name", (VaultArn(vault).name,), f"stack.json, {vendor.BACKUP_VAULT}"
        )
    host = "".join(stack.look_up("to_host", []))
    if not HostName.why_not(host) and (database := HostName(host).db_instance_id):
        finder.take("db_instance_id", (database,), "stack.json, first label of AnalyticsDB.Host")
    if role == "target":
        secret = vendor.MASTER_PASSWORD.format(stack_name=stack_name)
        origin = f"its name in {vendor.TEMPLATE}"
        finder.take("master_password_secret_id", (secret,), origin, "target.db-restore")
    _miss_on_host(finder)
    finder.fill_tables_of_others()
    return Found(finder.facts, finder.missing)


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
