"""What the services instance's own stack.json tells of its deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen.arguments import KNOWN
from codeocean_cmdgen.discover.finder import Finder, Found
from codeocean_cmdgen.errors import InputError, Problem
from codeocean_cmdgen.sources import read_stack_json

if TYPE_CHECKING:
    from pathlib import Path

    from codeocean_cmdgen.sources import ValuesFile


def find(role: str, file: ValuesFile, stack_json: Path) -> Found:
    """Find what the services instance's own stack.json tells of its deployment.

    But not where that is: the scripts compare it with this stack.json, which would prove nothing.

    Raises:
        InputError: it cannot be read, or does not say where it is.
        DiscoveryError: as deployment.

    """
    problems: list[Problem] = []
    if role == "backup":
        problems.append(Problem("--stack-json: the backup stack has no services instance"))
    stack = read_stack_json(stack_json, problems)
    if stack is None or problems:
        raise InputError(problems)
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
    finder.place(account_id, region, stack_name, "stack.json")
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
    vault = "".join(stack.look_up("destination_vault_arn", [])).rpartition(":")[2]
    if vault:
        finder.take("backup_vault_name", (vault,), "stack.json, BackupVault")
    identifier, _, domain = "".join(stack.look_up("to_host", [])).partition(".")
    if ".rds.amazonaws.com" in domain:
        finder.take("db_instance_id", (identifier,), "stack.json, first word of AnalyticsDB.Host")
    if role == "target":
        secret = f"/{stack_name}/analytics/master-password-0"
        origin = "the vendor's name for it, template 3.8.2"
        finder.take("master_password_secret_id", (secret,), origin, "target.db-restore")
    _miss_on_host(finder)
    finder.tell_neighbours()
    return Found(finder.facts, finder.missing)


def _miss_on_host(finder: Finder) -> None:
    """Say what the services instance does not tell, and what it is not believed."""
    role = finder.role
    if not all(finder.file.tables.get(role, {}).get(name) for name in finder.here):
        finder.miss(
            ", ".join(finder.here),
            "not taken from stack.json, which the scripts compare with them: on a wrong instance "
            "it would agree with itself",
            f"write them yourself, or codeocean-cmdgen discover {role} in its CloudShell",
        )
    finder.miss(
        "data_volume_id, role_arn and others",
        "not in stack.json",
        f"codeocean-cmdgen discover {role} in CloudShell of this account finds the rest",
    )
