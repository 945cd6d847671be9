"""Find the facts of a deployment where they are: in its account, or on its services instance.

Reads only, asks AWS for each thing once, and no value of a secret. boto3 is imported when AWS is
asked: what stack.json tells needs none.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

from codeocean_cmdgen.arguments import KNOWN
from codeocean_cmdgen.deployment import Fact
from codeocean_cmdgen.errors import DiscoveryError, InputError, Problem, shown
from codeocean_cmdgen.sources import BACKUP_PARAMETERS, TABLES, ValuesFile, read_stack_json
from codeocean_cmdgen.steps.db_temporary import TEMPORARY
from codeocean_cmdgen.values import Region
from codeocean_cmdgen.vendor import DESTINATION, REPLICATED_BUCKETS, RESTORE_SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

Say = Callable[[str], None]
"""Tells the person one line."""


class Found(NamedTuple):
    """What was found, and what was not, with the reason."""

    facts: list[Fact]
    missing: list[Problem]


class _Finder:
    """Collects the facts of one deployment."""

    def __init__(self, role: str, file: ValuesFile) -> None:
        self.role = role
        self.file = file
        self.facts: list[Fact] = []
        self.missing: list[Problem] = []
        self.here: dict[str, str] = {}

    def take(self, name: str, texts: tuple[str, ...], origin: str, table: str = "") -> None:
        """Keep a fact, unless it is not of its kind."""
        table = table or self.role
        reasons = list(filter(None, map(KNOWN[name].kind.why_not, texts)))
        self.missing += [Problem(f"{name} of [{table}]: {why} ({origin})") for why in reasons]
        if not reasons:
            self.facts.append(Fact(table, name, texts, origin))

    def miss(self, name: str, why: str, hint: str = "", table: str = "") -> None:
        """Remember that a fact was not found."""
        self.missing.append(Problem(f"{name} of [{table or self.role}]: {why}", hint))

    def has(self, name: str) -> tuple[str, ...]:
        """Return the texts of a fact of the role's own table; none when it was not found."""
        own = (fact for fact in self.facts if (fact.table, fact.name) == (self.role, name))
        return next((fact.texts for fact in own), ())

    def one(self, name: str, candidates: Mapping[str, str], table: str = "") -> Optional[str]:
        """Return which of the candidates (text -> its origin) it is, or None: there is none.

        Raises:
            DiscoveryError: there are several, and the file names none of them.

        """
        table = table or self.role
        if len(candidates) > 1:
            said = self.file.tables.get(table, {}).get(name, ())
            chosen = [one for one in candidates if (one,) == said]
            if not chosen:
                listed = ", ".join(f"{one} ({origin})" for one, origin in candidates.items())
                problem = Problem(
                    f"{name} of [{table}] may be any of {len(candidates)}: {listed}",
                    f'write the right one into the file, [{table}] {name} = "...", and run again',
                )
                raise DiscoveryError([problem])
            return chosen[0]
        return next(iter(candidates), None)

    def place(self, account_id: str, region: str, stack_name: str, origin: str) -> None:
        """Remember where the deployment is.

        Raises:
            DiscoveryError: the file says that it is elsewhere, or that another one is there.

        """
        self.demand_account(account_id, origin)
        here = {"account_id": account_id, "region": region, "stack_name": stack_name}
        self.here = here
        for other in TABLES:
            known = self.file.tables.get(other, {})
            if other != self.role and all(known.get(name) == (here[name],) for name in here):
                problem = Problem(
                    f"stack {stack_name} in account {account_id}, {region}, is the [{other}] of "
                    f"{self.file.place(other)} already, so it is not the {self.role}",
                    f"work in the {self.role}'s account, or correct the file",
                )
                raise DiscoveryError([problem])

    def demand_account(self, account_id: str, origin: str) -> None:
        """Refuse another account than the file's."""
        known = self.file.tables.get(self.role, {}).get("account_id", (account_id,))
        if known != (account_id,):
            problem = Problem(
                f"this is account {account_id} ({origin}), but the {self.role} is in "
                f"{', '.join(known)}, says {self.file.place(self.role, 'account_id')}",
                f"work in the {self.role}'s account, or correct the file",
            )
            raise DiscoveryError([problem])


def deployment(
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
    finder = _Finder(role, file)
    account = _Account(profile, region or _first(file, role, "region"), say)
    finder.demand_account(account.id, "the caller's identity")
    name = stack_name or _first(file, role, "stack_name")
    stack = _find_stack(account, role, name)
    resources = _resources(account, stack, role)
    finder.place(account.id, account.region, stack, f"stack {stack}")
    for fact, text in finder.here.items():
        finder.take(fact, (text,), f"stack {stack}")
    if role == "backup":
        _find_backup(finder, account, resources)
        _find_end_of_replication(finder, account)
    else:
        _find_primary(finder, account, resources)
    _tell_neighbours(finder)
    return Found(finder.facts, finder.missing)


def host(role: str, file: ValuesFile, stack_json: Path) -> Found:
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
    finder = _Finder(role, file)
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
    _tell_neighbours(finder)
    return Found(finder.facts, finder.missing)


def _miss_on_host(finder: _Finder) -> None:
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


def _first(file: ValuesFile, table: str, name: str) -> Optional[str]:
    return next(iter(file.tables.get(table, {}).get(name, ())), None)


# Stacks.


def _find_stack(account: _Account, role: str, name: Optional[str]) -> str:
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


def _resources(account: _Account, stack: str, role: str) -> dict[str, _Resource]:
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


def _find_primary(finder: _Finder, account: _Account, resources: dict[str, _Resource]) -> None:
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
    finder: _Finder,
    resources: dict[str, _Resource],
    name: str,
    logical_id: str,
    table: str = "",
) -> None:
    if logical_id in resources:
        finder.take(name, (resources[logical_id].id,), logical_id, table)
    else:
        finder.miss(name, f"the stack has no {logical_id}", table=table)


def _take_buckets(finder: _Finder, account: _Account, resources: dict[str, _Resource]) -> None:
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
    finder: _Finder, account: _Account, name: str, origin: str, table: str, *, hint: str = ""
) -> None:
    """Take a role's ARN, which holds a path that its name does not tell."""
    try:
        answer = account.ask(f"role {name}", "iam", "get_role", RoleName=name)
    except DiscoveryError as error:
        (problem,) = error.problems
        finder.miss("role_arn", problem.message, hint or problem.hint, table)
    else:
        finder.take("role_arn", (answer["Role"]["Arn"],), origin, table)


def _take_databases(finder: _Finder, account: _Account) -> None:
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


def _take_instance(finder: _Finder, account: _Account, resources: dict[str, _Resource]) -> None:
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


def _find_backup(finder: _Finder, account: _Account, resources: dict[str, _Resource]) -> None:
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


_JOB = re.compile(r"codeocean-cmdgen s3-batch-replication run=\S+ bucket=(\S+) ")
"""The description of a job that s3-batch-replication made."""


def _find_end_of_replication(finder: _Finder, account: _Account) -> None:
    """Find when the last job ended that replicated the buckets: nothing was written since.

    Jobs are listed until 90 days after their end. Before the first there is nothing to find.
    """
    buckets = {arn.rpartition(":")[2] for arn in finder.has("bucket_arn")}
    table = "target.s3-point-in-time"
    try:
        jobs = [
            job
            for job in _jobs(account)
            if (made := _JOB.match(job.get("Description", ""))) and made[1] in buckets
        ]
    except DiscoveryError as error:
        finder.miss("until", error.problems[0].message, table=table)
        return
    at_work = [job["JobId"] for job in jobs if not job.get("TerminationDate")]
    if at_work:
        hint = "codeocean-cmdgen discover backup again when it has ended"
        finder.miss("until", f"job {at_work[0]} still replicates", hint, table)
    elif jobs:
        last = max(job["TerminationDate"] for job in jobs) + timedelta(seconds=1)
        moment = f"{last.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"  # rounded up
        finder.take("until", (moment,), "end of the last replication job", table)


def _jobs(account: _Account) -> Iterator[dict[str, Any]]:
    """Yield the replication jobs of an account, of which boto3 pages none by itself."""
    place = {"AccountId": account.id, "MaxResults": 1000}
    while True:
        page = account.ask("the replication jobs", "s3control", "list_jobs", **place)
        yield from page["Jobs"]
        if not page.get("NextToken"):
            return
        place["NextToken"] = page["NextToken"]


def _tell_neighbours(finder: _Finder) -> None:
    """Write what the other stacks' parameters need of this one into their tables.

    In a migration the source takes the target as its destination, without a backup stack: then its
    preset in the file is migration-destination.
    """
    role = finder.role
    preset = finder.file.tables.get("source.stack-parameters", {}).get("preset", ())
    migration = preset == ("migration-destination",)
    account_id, region = finder.here["account_id"], finder.here["region"]
    vault = "".join(finder.has("backup_vault_name"))
    vault_arn = ""
    if vault:
        partition = Region(region).aws_partition
        vault_arn = f"arn:{partition}:backup:{region}:{account_id}:backup-vault:{vault}"
        if role == "target" and not finder.has("destination_vault_arn"):
            finder.take("destination_vault_arn", (vault_arn,), "BackupVault")
    destination_of = {
        "backup": [] if migration else ["source"],
        "target": ["backup", "source"] if migration else ["backup"],
    }.get(role, [])
    for neighbour in destination_of:
        table = f"{neighbour}.stack-parameters"
        if vault_arn:
            finder.take("destination_vault_arn", (vault_arn,), f"[{role}]", table)
        if finder.has("bucket_arn"):
            buckets = finder.has("bucket_arn")
            finder.take("destination_bucket_arn", buckets, f"[{role}] bucket_arn", table)
    if role == ("source" if migration else "backup"):
        name = "restore_source_account_id"
        finder.take(name, (account_id,), f"[{role}]", "target.stack-parameters")


# Recovery points.

_TOGETHER = timedelta(hours=2, minutes=15)
"""How far apart the two jobs of one backup may begin, with some slack: the vendor's window is 2 h.

Source: the vendor's template 3.8.2, BackupPlan.
"""
_APART = timedelta(hours=24)
"""From here on two recovery points are not of one backup."""


class Point(NamedTuple):
    """A recovery point that can be restored."""

    arn: str
    resource_arn: str
    created: datetime
    expires: Optional[datetime]
    copied: bool

    @property
    def short(self) -> str:
        """The end of its ARN, as the console shows it."""
        return re.split("[:/]", self.arn)[-1]

    @property
    def deployment(self) -> tuple[str, str]:
        """Region and account of what was backed up."""
        parts = self.resource_arn.split(":")
        return (parts[3], parts[4]) if len(parts) > 4 else ("", "")  # noqa: PLR2004 - an ARN


class Pair(NamedTuple):
    """The recovery points of data volume and database that belong to one backup."""

    ebs: Point
    rds: Point

    @property
    def apart(self) -> timedelta:
        """The time between the two."""
        return abs(self.ebs.created - self.rds.created)

    @property
    def expires(self) -> Optional[datetime]:
        """When the first of them goes."""
        return min((one.expires for one in self if one.expires), default=None)


class Pairs(NamedTuple):
    """The pairs of a vault, newest first, and what is to be said of the rest."""

    pairs: list[Pair]
    notes: list[str]


def recovery_points(
    table: str,
    file: ValuesFile,
    say: Say,
    *,
    region: Optional[str] = None,
    profile: Optional[str] = None,
) -> Pairs:
    """Find the pairs of recovery points in the vault of a table of the file.

    Raises:
        InputError: the file does not name the vault.
        DiscoveryError: AWS refuses, or these are another account's credentials.

    """
    vault = _first(file, table, "backup_vault_name")
    if vault is None:
        problem = Problem(
            f"backup_vault_name is missing in [{table}] of {file.name}",
            f"codeocean-cmdgen discover {table} finds it",
        )
        raise InputError([problem])
    account = _Account(profile, region or _first(file, table, "region"), say)
    _Finder(table, file).demand_account(account.id, "the caller's identity")
    answer = account.ask(
        f"the recovery points of vault {vault}",
        "backup",
        "list_recovery_points_by_backup_vault",
        BackupVaultName=vault,
    )
    return pair_up(answer["RecoveryPoints"])


def pair_up(described: Iterable[dict[str, Any]]) -> Pairs:
    """Pair recovery points as AWS Backup describes them: each with the nearest of the other kind.

    The vendor's stack copies each backup within its vault, so there may be two of the same: the
    copy is taken, because only that has a key that other accounts may use.
    """
    best: dict[tuple[str, str, datetime], Point] = {}
    twins = 0
    notes = []
    for one in described:
        if one.get("ResourceType") not in {"EBS", "RDS"} or one.get("IsParent"):
            continue
        if one["Status"] not in {"COMPLETED", "AVAILABLE"}:
            notes.append(f"{one['RecoveryPointArn']} is {one['Status']}")
            continue
        name = "ebs_snapshot_arn" if one["ResourceType"] == "EBS" else "rds_snapshot_arn"
        if KNOWN[name].kind.why_not(one["RecoveryPointArn"]):
            notes.append(f"{one['RecoveryPointArn']} is no snapshot")
            continue
        point = Point(
            one["RecoveryPointArn"],
            one.get("ResourceArn", ""),
            one["CreationDate"].astimezone(timezone.utc).replace(microsecond=0),
            one.get("CalculatedLifecycle", {}).get("DeleteAt"),
            bool(one.get("SourceBackupVaultArn")) or ":copyjob-" in one["RecoveryPointArn"],
        )
        key = (one["ResourceType"], point.resource_arn, point.created)
        twins += key in best
        best[key] = max(best.get(key, point), point, key=_preference)
    if twins:
        notes.append(f"{twins} near-duplicates of the same backups are not shown: copies are")
    volumes, databases = (
        [point for (kind, *_), point in best.items() if kind == wanted] for wanted in ("EBS", "RDS")
    )
    pairs = [
        Pair(volume, database)
        for volume in volumes
        if (database := _nearest(volume, databases)) and _nearest(database, volumes) == volume
    ]
    pairs.sort(key=lambda pair: pair.ebs.created, reverse=True)
    paired = {point.arn for pair in pairs for point in pair}
    notes += [
        f"{point.arn} of {point.created:%Y-%m-%d %H:%M} has no partner"
        for point in best.values()
        if point.arn not in paired
    ]
    return Pairs(pairs, notes)


def _preference(point: Point) -> tuple[bool, datetime]:
    return point.copied, point.expires or datetime.max.replace(tzinfo=timezone.utc)


def _nearest(point: Point, others: list[Point]) -> Optional[Point]:
    """Return the point of the other kind that is nearest in time, of the same deployment."""
    own = [one for one in others if one.deployment == point.deployment]
    near = [one for one in own if abs(one.created - point.created) < _APART]
    return min(near, key=lambda one: abs(one.created - point.created), default=None)


def table_of(pairs: list[Pair]) -> Any:  # noqa: ANN401 - a table of rich
    """Return the pairs as a table, numbered from 1."""
    from rich.table import Table  # noqa: PLC0415 - for those who look at it only

    table = Table(box=None, pad_edge=False)
    for title in ("#", "created (UTC)", "data volume", "database", "apart", "expires"):
        table.add_column(title, overflow="fold")
    for number, pair in enumerate(pairs, 1):
        table.add_row(
            str(number),
            f"{pair.ebs.created:%Y-%m-%d %H:%M}",
            pair.ebs.short,
            pair.rds.short[: len("copyjob-12345678")],
            f"{pair.apart.total_seconds() / 60:.0f} min",
            f"{pair.expires:%Y-%m-%d}" if pair.expires else "never",
        )
    return table


def choose(pairs: list[Pair], choice: str) -> Pair:
    """Return the pair that a person means: its number, or the id of its EBS snapshot.

    Raises:
        InputError: there is no such pair.

    """
    named = {str(number): pair for number, pair in enumerate(pairs, 1)}
    named |= {pair.ebs.short: pair for pair in pairs}
    if choice not in named:
        problem = Problem(
            f"{shown(choice)} is none of the {len(pairs)} pairs: expected a number of the table, "
            "or the id of the data volume's snapshot"
        )
        raise InputError([problem])
    return named[choice]


def facts_of(pair: Pair, table: str) -> tuple[list[Fact], list[str]]:
    """Return what the pair is for the file, and what to be warned of."""
    moment = f"{pair.ebs.created:%Y-%m-%dT%H:%M:%SZ}"
    origin = f"backup of {moment}"
    facts = [
        Fact(table, "ebs_snapshot_arn", (pair.ebs.arn,), origin),
        Fact(table, "rds_snapshot_arn", (pair.rds.arn,), origin),
        Fact("target.s3-point-in-time", "at", (moment,), "creation of the EBS recovery point"),
    ]
    warnings = []
    if pair.apart > _TOGETHER:
        warnings.append(f"the two are {pair.apart} apart: are they of one backup?")
    if pair.expires and pair.expires - datetime.now(timezone.utc) < timedelta(days=1):
        warnings.append(f"it expires at {pair.expires:%Y-%m-%d %H:%M} UTC: copy it before")
    return facts, warnings


# AWS.


class _Account:
    """The account of the caller's credentials, in one Region."""

    def __init__(self, profile: Optional[str], region: Optional[str], say: Say) -> None:
        try:
            import boto3  # noqa: PLC0415 - slow, and an extra
            from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
        except ImportError as error:
            problem = Problem(
                f"AWS cannot be asked: {error.name} is not installed",
                "CloudShell has it; elsewhere: pip install 'codeocean-cmdgen[aws]'",
            )
            raise InputError([problem]) from error
        self.say = say
        self._errors = (BotoCoreError, ClientError)
        try:
            self._session = boto3.Session(profile_name=profile, region_name=region)
        except BotoCoreError as error:
            raise DiscoveryError([Problem(f"AWS cannot be asked: {_words(error)}")]) from error
        self.region = str(self._session.region_name or "")
        why_not = Region.why_not(self.region)
        if why_not:
            problem = Problem(f"--region: {why_not}", f"find it in: {KNOWN['region'].where}")
            raise InputError([problem])
        self.id = str(self.ask("the caller's identity", "sts", "get_caller_identity")["Account"])

    def ask(self, what: str, service: str, operation: str, **parameters: Any) -> Any:  # noqa: ANN401 - JSON
        """Return the whole answer of an operation that reads, all pages of it.

        Raises:
            DiscoveryError: AWS refuses, or cannot be reached.

        """
        self.say(f"asking AWS for {what}")
        try:
            client = self._session.client(service)
            if client.can_paginate(operation):
                pages = client.get_paginator(operation).paginate(**parameters)
                return pages.build_full_result()
            return getattr(client, operation)(**parameters)
        except self._errors as error:
            problem = Problem(
                f"AWS does not tell {what}: {_words(error)}",
                "log in, or choose other credentials with --profile"
                if "redential" in str(error) or "oken" in str(error)
                else "",
            )
            raise DiscoveryError([problem]) from error


def _words(error: Exception) -> str:
    """Return what an error says, on one line that a terminal can show."""
    return ascii(str(error))[1:-1]
