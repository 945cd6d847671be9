"""The facts of a deployment, by the resources of its stack."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from codeocean_cmdgen.discover import replication
from codeocean_cmdgen.discover.account import Account, Say
from codeocean_cmdgen.discover.finder import Finder, Found, first
from codeocean_cmdgen.errors import DiscoveryError, Problem
from codeocean_cmdgen.sources import BACKUP_PARAMETERS
from codeocean_cmdgen.steps.db_temporary import TEMPORARY
from codeocean_cmdgen.values import Region
from codeocean_cmdgen.vendor import DESTINATION, REPLICATED_BUCKETS, RESTORE_SOURCE

if TYPE_CHECKING:
    from codeocean_cmdgen.sources import ValuesFile


def find(
    role: str,
    file: ValuesFile,
    say: Say,
    *,
    stack_name: Optional[str] = None,
    region: Optional[str] = None,
    profile: Optional[str] = None,
) -> Found:
    """Find the facts of a deployment in the account of the caller's credentials.

    role: the table of the file that it is: source, backup or target.
    file: what is known already.
    stack_name, region: where to look; what the file says without, then the AWS configuration.

    Raises:
        InputError: it is not said where to look.
        DiscoveryError: AWS refuses what nothing goes without, or there are several of something.

    """
    finder = Finder(role, file)
    account = Account(profile, region or first(file, role, "region"), say)
    finder.demand_account(account.id, "the caller's identity")
    name = stack_name or first(file, role, "stack_name")
    stack = _find_stack(account, role, name)
    resources = _resources(account, stack, role)
    finder.place(account.id, account.region, stack, f"stack {stack}")
    for fact, text in finder.here.items():
        finder.take(fact, (text,), f"stack {stack}")
    if role == "backup":
        _find_backup(finder, account, resources)
        replication.find_end(finder, account)
    else:
        _find_primary(finder, account, resources)
    finder.tell_neighbours()
    return Found(finder.facts, finder.missing)


def _find_stack(account: Account, role: str, name: Optional[str]) -> str:
    """Return the name of the role's stack."""
    named = {"StackName": name} if name else {}
    what = f"stack {name}" if name else f"the stacks in {account.region}"
    stacks = account.ask(what, "cloudformation", "describe_stacks", **named)["Stacks"]
    stacks = [one for one in stacks if not one["StackStatus"].startswith(("DELETE", "ROLLBACK"))]
    if name and stacks:
        candidates = stacks
    else:
        candidates = [one for one in stacks if "ParentId" not in one and _looks_like(one, role)]
    if len(candidates) != 1:
        listed = ", ".join(one["StackName"] for one in candidates or stacks) or "none at all"
        count = len(candidates) or "no"
        problem = Problem(
            f"{count} stacks in account {account.id}, {account.region}, look like the {role}'s: "
            f"there {'are' if candidates else 'is'} {listed}",
            "say which with --stack-name, or look elsewhere with --region or --profile",
        )
        raise DiscoveryError([problem])
    (stack,) = candidates
    if stack["StackStatus"].endswith("IN_PROGRESS"):
        account.say(f"note: stack {stack['StackName']} is {stack['StackStatus']}: run again after")
    return str(stack["StackName"])


def _looks_like(stack: dict[str, Any], role: str) -> bool:
    """Tell a deployment by its parameters; the backup stack by the one that the guide names.

    The backup stack's template is not public: any parameter for the source's account will do.
    """
    keys = {one["ParameterKey"] for one in stack.get("Parameters", [])}
    primary = bool(keys & {RESTORE_SOURCE, f"{DESTINATION}VaultArn"})
    if role != "backup":
        return primary
    return not primary and any(re.search("source.*account", key, re.IGNORECASE) for key in keys)


class _Resource(NamedTuple):
    type: str
    id: str


def _resources(account: Account, stack: str, role: str) -> dict[str, _Resource]:
    """Return the stack's resources by logical id."""
    answer = account.ask(
        f"the resources of stack {stack}", "cloudformation", "list_stack_resources", StackName=stack
    )
    found = {
        one["LogicalResourceId"]: _Resource(one["ResourceType"], one["PhysicalResourceId"])
        for one in answer["StackResourceSummaries"]
        if one.get("PhysicalResourceId") and one["ResourceStatus"] != "DELETE_COMPLETE"
    }
    if ("DataVolume" in found) != (role != "backup"):
        problem = Problem(
            f"stack {stack} is not the {role}'s: it has "
            + ("a data volume" if role == "backup" else "no DataVolume"),
            "name another with --stack-name",
        )
        raise DiscoveryError([problem])
    return found


def _find_primary(finder: Finder, account: Account, resources: dict[str, _Resource]) -> None:
    role = finder.role
    for name, logical_id in (
        ("data_volume_id", "DataVolume"),
        ("db_instance_id", "AnalyticsDBInstance"),
        ("backup_vault_name", "BackupVault"),
    ):
        _take_resource(finder, resources, name, logical_id)
    _take_buckets(finder, account, resources)
    roles = {"BackupRole": role}
    if role == "source":
        roles = {
            "BackupRole": "source.on-demand-backup",
            "S3BackupRole": "source.s3-batch-replication",
        }
    for logical_id, table in roles.items():
        if logical_id in resources:
            _take_role(finder, account, resources[logical_id].id, logical_id, table)
        else:
            hint = f"set its stack's parameters {BACKUP_PARAMETERS}, and run again"
            finder.miss("role_arn", f"the stack has no {logical_id}", hint, table)
    if role == "target":
        secret = ("master_password_secret_id", "AnalyticsDBMasterPassword", "target.db-restore")
        _take_resource(finder, resources, *secret)
        _take_databases(finder, account)
    _take_instance(finder, account, resources)


def _take_resource(
    finder: Finder,
    resources: dict[str, _Resource],
    name: str,
    logical_id: str,
    table: str = "",
) -> None:
    if logical_id in resources:
        finder.take(name, (resources[logical_id].id,), logical_id, table)
    else:
        finder.miss(name, f"the stack has no {logical_id}", table=table)


def _take_buckets(finder: Finder, account: Account, resources: dict[str, _Resource]) -> None:
    """Take the buckets that are replicated: all of them or, where one is missing, none."""
    partition = Region(account.region).aws_partition
    buckets: list[str] = []
    missing: list[str] = []
    for kind in REPLICATED_BUCKETS:
        found = {
            f"arn:{partition}:s3:::{one.id}": logical_id
            for logical_id, one in resources.items()
            if one.type == "AWS::S3::Bucket"
            and re.fullmatch(f"(S3)?{kind}(Bucket)?", logical_id, re.IGNORECASE)
        }
        bucket = finder.one("bucket_arn", found)
        (buckets if bucket else missing).append(bucket or kind)
    if not missing:
        finder.take("bucket_arn", tuple(buckets), "S3...Bucket")
    else:
        listed = ", ".join(f'"{bucket}"' for bucket in buckets)
        finder.miss(
            "bucket_arn",
            f"the stack has no bucket for {', '.join(missing)}",
            f"if this version has none, write the others yourself: bucket_arn = [{listed}]",
        )


def _take_role(
    finder: Finder, account: Account, name: str, origin: str, table: str, *, hint: str = ""
) -> None:
    """Take a role's ARN, which holds a path that its name does not tell."""
    try:
        answer = account.ask(f"role {name}", "iam", "get_role", RoleName=name)
    except DiscoveryError as error:
        (problem,) = error.problems
        finder.miss("role_arn", problem.message, hint or problem.hint, table)
    else:
        finder.take("role_arn", (answer["Role"]["Arn"],), origin, table)


def _take_databases(finder: Finder, account: Account) -> None:
    """Take the endpoints of the deployment's own database and, where it is there, the temporary."""
    own = "".join(finder.has("db_instance_id"))
    try:
        answer = account.ask("the database instances", "rds", "describe_db_instances")
    except DiscoveryError as error:
        finder.miss("to_host, from_host", error.problems[0].message)
        return
    found = {one["DBInstanceIdentifier"]: one for one in answer["DBInstances"]}
    endpoint = found.get(own, {}).get("Endpoint", {})
    if endpoint:
        finder.take("to_host", (endpoint["Address"],), f"database {own}")
        finder.take("to_port", (str(endpoint["Port"]),), f"database {own}")
        finder.take("user", (found[own]["MasterUsername"],), f"database {own}")
    else:
        finder.miss("to_host", f"there is no database {own} with an endpoint")
    temporary = found.get(TEMPORARY, {}).get("Endpoint", {})
    if temporary:
        finder.take("from_host", (temporary["Address"],), f"database {TEMPORARY}")
    else:
        finder.miss(
            "from_host",
            f"there is no database {TEMPORARY} yet, which db-restore makes",
            f"codeocean-cmdgen discover {finder.role} again after db-restore",
        )


def _take_instance(finder: Finder, account: Account, resources: dict[str, _Resource]) -> None:
    group = resources.get("ServicesAutoScalingGroup")
    if group is None:
        finder.miss("services_instance_id", "the stack has no ServicesAutoScalingGroup")
        return
    try:
        answer = account.ask(
            f"Auto Scaling group {group.id}",
            "autoscaling",
            "describe_auto_scaling_groups",
            AutoScalingGroupNames=[group.id],
        )
    except DiscoveryError as error:
        finder.miss("services_instance_id", error.problems[0].message)
        return
    zones = {
        one["InstanceId"]: one["AvailabilityZone"]
        for found in answer["AutoScalingGroups"]
        for one in found["Instances"]
        if one["LifecycleState"] == "InService"
    }
    instance = finder.one("services_instance_id", zones)
    if instance is None:
        finder.miss("services_instance_id", f"no instance is in service in group {group.id}")
        return
    finder.take("services_instance_id", (instance,), "ServicesAutoScalingGroup")
    finder.take("availability_zone", (zones[instance],), "ServicesAutoScalingGroup")


def _find_backup(finder: Finder, account: Account, resources: dict[str, _Resource]) -> None:
    """Find what the backup stack has, by type and part of the name: its template is not public."""
    vaults = {
        one.id: logical_id
        for logical_id, one in resources.items()
        if one.type == "AWS::Backup::BackupVault"
    }
    vault = finder.one("backup_vault_name", vaults)
    if vault:
        finder.take("backup_vault_name", (vault,), vaults[vault])
    else:
        finder.miss("backup_vault_name", "the stack has no backup vault")
    _take_buckets(finder, account, resources)

    table = "backup.s3-batch-replication"
    roles = {
        logical_id: one.id
        for logical_id, one in resources.items()
        if one.type == "AWS::IAM::Role" and re.search("S3.*Restore", logical_id, re.IGNORECASE)
    }
    if len(roles) == 1:
        ((logical_id, name),) = roles.items()
        _take_role(finder, account, name, logical_id, table)
    else:
        finder.miss(
            "role_arn",
            f"the stack has {len(roles) or 'no'} S3 restore roles: {', '.join(roles.values())}"
            if roles
            else "the stack has no S3 restore role",
            "it may come with the stack's restore parameters, stack-parameters "
            "--preset restore-destination: run again after that",
            table,
        )
    _take_role(
        finder,
        account,
        "AWSBackupDefaultServiceRole",
        "the role that the vendor's guide names",
        "backup.snapshot-copy",
        hint="AWS Backup makes it with the first on-demand backup in the console, with the default "
        "role chosen",
    )
