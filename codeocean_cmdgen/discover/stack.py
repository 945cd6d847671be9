"""Finds the facts of a deployment through the resources of its stack."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from codeocean_cmdgen import vendor
from codeocean_cmdgen.discover import replication
from codeocean_cmdgen.discover.caller import Caller
from codeocean_cmdgen.discover.finder import Finder, Found, first
from codeocean_cmdgen.errors import DiscoveryError, Problem
from codeocean_cmdgen.values import BucketArn, Region

if TYPE_CHECKING:
    from codeocean_cmdgen.inputs.deployment_file import DeploymentFile, Tell


def find(
    role: str,
    file: DeploymentFile,
    say: Tell,
    *,
    stack_name: Optional[str] = None,
    region: Optional[str] = None,
    profile: Optional[str] = None,
) -> Found:
    """Find the facts of a deployment in the account of the caller's credentials.

    role: the deployment's table of the file: source, backup or target.
    file: the facts that are already known.
    stack_name, region: where to look; without them, the file and then the AWS configuration decide.

    Raises:
        InputError: no Region is given.
        DiscoveryError: AWS refuses a necessary call, or a fact is ambiguous.

    """
    finder = Finder(role, file)
    caller = Caller(profile, region or first(file, role, "region"), say)
    finder.demand_account(caller.account_id, "the caller's identity")
    name = stack_name or first(file, role, "stack_name")
    stack = _find_stack(caller, role, name)
    caller.say(f"stack: {stack}")
    resources = _resources(caller, stack, role)
    finder.set_place(caller.account_id, caller.region, stack, f"stack {stack}")
    for fact, text in finder.here.items():
        finder.take(fact, (text,), f"stack {stack}")
    if role == "backup":
        _find_backup(finder, caller, resources)
        replication.find_end(finder, caller)
    else:
        _find_primary(finder, caller, resources)
    finder.fill_tables_of_others()
    return Found(finder.facts, finder.missing)


def _find_stack(caller: Caller, role: str, name: Optional[str]) -> str:
    """Return the name of the role's stack."""
    named = {"StackName": name} if name else {}
    what = f"stack {name}" if name else f"the stacks in {caller.region}"
    try:
        stacks = caller.ask(what, "cloudformation", "describe_stacks", **named)["Stacks"]
    except DiscoveryError as error:
        if f"{name} does not exist" not in error.problems[0].message:
            raise
        problem = Problem(
            f"{what} not found in account {caller.account_id}, {caller.region}",
            "choose another with --stack-name, or look elsewhere with --region or --profile",
        )
        raise DiscoveryError([problem]) from error
    stacks = [one for one in stacks if not one["StackStatus"].startswith(("DELETE", "ROLLBACK"))]
    if name and stacks:
        candidates = stacks
    else:
        candidates = [one for one in stacks if "ParentId" not in one and _looks_like(one, role)]
    if len(candidates) != 1:
        listed = ", ".join(one["StackName"] for one in candidates or stacks) or "none"
        count = len(candidates) or "no"
        problem = Problem(
            f"{count} stacks in account {caller.account_id}, {caller.region}, look like the "
            f"{role}'s; {'candidates' if candidates else 'stacks there'}: {listed}",
            "choose one with --stack-name, or look elsewhere with --region or --profile",
        )
        raise DiscoveryError([problem])
    (stack,) = candidates
    if stack["StackStatus"].endswith("IN_PROGRESS"):
        caller.say(
            f"note: stack {stack['StackName']} is {stack['StackStatus']}: run this again when it "
            "is complete"
        )
    return str(stack["StackName"])


def _looks_like(stack: dict[str, Any], role: str) -> bool:
    """Return whether a stack has the parameters of the role's template.

    The backup stack's template is not public, so any parameter for the source's account counts.
    """
    keys = {one["ParameterKey"] for one in stack.get("Parameters", [])}
    primary = bool(keys & {vendor.RESTORE_SOURCE, vendor.DESTINATION_VAULT})
    if role != "backup":
        return primary
    return not primary and any(re.search("source.*account", key, re.IGNORECASE) for key in keys)


class _Resource(NamedTuple):
    type: str
    id: str


def _resources(caller: Caller, stack: str, role: str) -> dict[str, _Resource]:
    """Return the stack's resources by logical ID."""
    answer = caller.ask(
        f"the resources of stack {stack}", "cloudformation", "list_stack_resources", StackName=stack
    )
    found = {
        one["LogicalResourceId"]: _Resource(one["ResourceType"], one["PhysicalResourceId"])
        for one in answer["StackResourceSummaries"]
        if one.get("PhysicalResourceId") and one["ResourceStatus"] != "DELETE_COMPLETE"
    }
    if (vendor.DATA_VOLUME in found) != (role != "backup"):
        problem = Problem(
            f"stack {stack} is not the {role}'s: it has "
            + ("a data volume" if role == "backup" else f"no {vendor.DATA_VOLUME}"),
            "choose another with --stack-name",
        )
        raise DiscoveryError([problem])
    return found


def _find_primary(finder: Finder, caller: Caller, resources: dict[str, _Resource]) -> None:
    role = finder.role
    for name, logical_id in (
        ("data_volume_id", vendor.DATA_VOLUME),
        ("db_instance_id", vendor.DATABASE),
        ("backup_vault_name", vendor.BACKUP_VAULT),
    ):
        _take_resource(finder, resources, name, logical_id)
    _take_buckets(finder, caller, resources)
    roles = {vendor.BACKUP_ROLE: role}
    if role == "source":
        roles = {
            vendor.BACKUP_ROLE: "source.on-demand-backup",
            vendor.S3_BACKUP_ROLE: "source.s3-batch-replication",
        }
    for logical_id, table in roles.items():
        if logical_id in resources:
            _take_role(finder, caller, resources[logical_id].id, logical_id, table)
        else:
            hint = ""
            if role == "source":  # in a target, backup parameters would copy each copy back
                hint = (
                    "the stack creates it when its backup parameters are set: paste the script of "
                    "codeocean-cmdgen stack-parameters --preset backup-destination "
                    f"{finder.file.option}, then run this again"
                )
            finder.miss("role_arn", f"the stack has no {logical_id}", hint, table)
    if role == "target":
        secret = ("master_password_secret_id", vendor.DATABASE_PASSWORD, "target.db-restore")
        _take_resource(finder, resources, *secret)
        _take_databases(finder, caller)
    _take_instance(finder, caller, resources)


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


def _take_buckets(finder: Finder, caller: Caller, resources: dict[str, _Resource]) -> None:
    """Take the replicated buckets: all of them, or none if one is missing."""
    region = Region(caller.region)
    buckets: list[str] = []
    missing: list[str] = []
    for kind in vendor.REPLICATED_BUCKETS:
        found: dict[str, str] = {
            BucketArn.named(one.id, region): logical_id
            for logical_id, one in resources.items()
            if one.type == "AWS::S3::Bucket"
            and re.fullmatch(f"(S3)?{kind}(Bucket)?", logical_id, re.IGNORECASE)
        }
        bucket = finder.choose_one("bucket_arn", found)
        (buckets if bucket else missing).append(bucket or kind)
    if not missing:
        finder.take("bucket_arn", tuple(buckets), "S3...Bucket")
    else:
        listed = ", ".join(f'"{bucket}"' for bucket in buckets)
        finder.miss(
            "bucket_arn",
            f"the stack has no bucket for {', '.join(missing)}",
            "if this version has no such bucket, write the others into the file yourself: "
            f"bucket_arn = [{listed}]",
        )


def _take_role(
    finder: Finder, caller: Caller, name: str, origin: str, table: str, *, hint: str = ""
) -> None:
    """Take a role's ARN, which contains a path that cannot be derived from its name."""
    try:
        answer = caller.ask(f"role {name}", "iam", "get_role", RoleName=name)
    except DiscoveryError as error:
        (problem,) = error.problems
        finder.miss("role_arn", problem.message, hint or problem.hint, table)
    else:
        finder.take("role_arn", (answer["Role"]["Arn"],), origin, table)


def _take_databases(finder: Finder, caller: Caller) -> None:
    """Take the endpoints of the deployment's own database and, if it exists, the temporary one."""
    own = "".join(finder.texts("db_instance_id"))
    try:
        answer = caller.ask("the database instances", "rds", "describe_db_instances")
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
        finder.miss("to_host", f"database {own} does not exist or has no endpoint")
    temporary = finder.file.temporary_database
    endpoint = found.get(temporary, {}).get("Endpoint", {})
    if endpoint:
        finder.take("from_host", (endpoint["Address"],), f"database {temporary}")
    else:
        finder.miss(
            "from_host",
            f"database {temporary} does not exist yet: db-restore creates it",
            f"run codeocean-cmdgen discover {finder.role} {finder.file.option} again after "
            "db-restore",
        )


def _take_instance(finder: Finder, caller: Caller, resources: dict[str, _Resource]) -> None:
    group = resources.get(vendor.SERVICES_GROUP)
    if group is None:
        finder.miss("services_instance_id", f"the stack has no {vendor.SERVICES_GROUP}")
        return
    try:
        answer = caller.ask(
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
    instance = finder.choose_one("services_instance_id", zones)
    if instance is None:
        finder.miss("services_instance_id", f"group {group.id} has no instance in service")
        return
    finder.take("services_instance_id", (instance,), vendor.SERVICES_GROUP)
    finder.take("availability_zone", (zones[instance],), vendor.SERVICES_GROUP)


def _find_backup(finder: Finder, caller: Caller, resources: dict[str, _Resource]) -> None:
    """Find the backup stack's resources by type and part of the name.

    Its template is not public.
    """
    vaults = {
        one.id: logical_id
        for logical_id, one in resources.items()
        if one.type == "AWS::Backup::BackupVault"
    }
    vault = finder.choose_one("backup_vault_name", vaults)
    if vault:
        finder.take("backup_vault_name", (vault,), vaults[vault])
    else:
        finder.miss("backup_vault_name", "the stack has no backup vault")
    _take_buckets(finder, caller, resources)

    table = "backup.s3-batch-replication"
    roles = {
        logical_id: one.id
        for logical_id, one in resources.items()
        if one.type == "AWS::IAM::Role" and re.search("S3.*Restore", logical_id, re.IGNORECASE)
    }
    if len(roles) == 1:
        ((logical_id, name),) = roles.items()
        _take_role(finder, caller, name, logical_id, table)
    else:
        finder.miss(
            "role_arn",
            f"the stack has {len(roles)} S3 restore roles: {', '.join(roles.values())}"
            if roles
            else "the stack has no S3 restore role",
            "the stack may create it when its restore parameters are set: paste the script of "
            "codeocean-cmdgen stack-parameters --from backup --preset restore-destination "
            f"{finder.file.option}, then run this again",
            table,
        )
    _take_role(
        finder,
        caller,
        vendor.DEFAULT_ROLE,
        "the role that the vendor's guide names",
        "backup.snapshot-copy",
        hint="the console of AWS Backup creates it with the first on-demand backup that uses the "
        "default role",
    )
