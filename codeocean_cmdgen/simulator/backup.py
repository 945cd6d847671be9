"""AWS Backup: recovery points in moto's vaults, and copy jobs between vaults.

Backup and restore jobs are in backup_jobs.py.

Sources: backup service model; AWS Backup Developer Guide, "Creating a copy of a backup", "Creating
backup copies across AWS accounts", "Encryption for backups"; AWS re:Post Knowledge Center on
failing cross-account copies. AWS does not document what happens to a copy whose retention has
passed when it is finished; here it ends as FAILED, so that a wrong retention is noticed.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Callable, TypeVar, cast

from moto.backup.models import backup_backends

from codeocean_cmdgen.simulator import backends, policy
from codeocean_cmdgen.simulator.errors import AwsError
from codeocean_cmdgen.values import Arn

if TYPE_CHECKING:
    from moto.backup.models import Vault

    from codeocean_cmdgen.simulator.clock import Clock
    from codeocean_cmdgen.simulator.wire import Call

_T = TypeVar("_T")
_COPYABLE = {"COMPLETED", "AVAILABLE"}
_FRESH = timedelta(minutes=1)  # the fault "invisible" hides younger jobs
_COLD_DAYS = 90  # Lifecycle: deletion at least this long after the move to cold storage
_TWIN_DAYS, _COPIED_DAYS = 1, 14  # of the vendor's automatic copies
_AUTOMATIC_DELAY = timedelta(seconds=20)  # from the event to the copy job; chosen
_VAULT_ARN = re.compile(
    r"arn:(?P<partition>[^:]+):backup:[a-z0-9-]+:\d{12}:backup-vault:[a-zA-Z0-9_-]{2,50}"
)
_DEFAULT_RESOURCES = {
    "EBS": "arn:{partition}:ec2:{region}:{account}:volume/vol-0123456789abcdef0",
    "RDS": "arn:{partition}:rds:{region}:{account}:db:codeocean-analytics",
}
_POINT_ARNS = {
    "EBS": "arn:{partition}:ec2:{region}::snapshot/snap-{short_id}",
    "RDS": "arn:{partition}:rds:{region}:{account}:snapshot:awsbackup:copyjob-{id}",
}


@dataclass
class RecoveryPoint:
    """One backup in a vault; ``aws_managed_key`` marks keys that other accounts cannot use.

    ``contents``: the resource's content at that moment, as stored by EC2 or RDS. ``tags``: those
    of the resource that what is restored inherits. AWS does not say whether it does: try both.
    """

    arn: str
    vault_arn: str
    resource_type: str
    resource_arn: str
    created: datetime
    completed: datetime
    delete_after_days: int | None
    status: str
    size_bytes: int
    encryption_key_arn: str | None
    aws_managed_key: bool = False
    source_vault_arn: str | None = None
    role_arn: str | None = None
    contents: Any = None
    tags: dict[str, str] = field(default_factory=dict)
    engine_version: str = "15.7"
    """Of a database."""

    @property
    def delete_at(self) -> datetime | None:
        """When the retention ends; counted from the creation of the original backup."""
        if self.delete_after_days is None:
            return None
        return self.created + timedelta(days=self.delete_after_days)


@dataclass
class CopyJob:
    """One copy job. Its times are fixed when it is started; ``settle`` does the due work."""

    job_id: str
    account: str
    region: str
    source: RecoveryPoint
    destination_vault_arn: str
    role_arn: str
    delete_after_days: int | None
    created: datetime
    begins: datetime
    ends: datetime
    failing: bool = False
    state: str = "CREATED"
    message: str | None = None
    copy: RecoveryPoint | None = None

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.state in {"CREATED", "RUNNING"}


class Backup:
    """AWS Backup of all accounts and Regions.

    ``seconds_created`` and ``seconds_running`` are how long jobs stay in these states. With
    ``single_hop_rds`` off, RDS copies to another account and Region in one action fail, as they do
    where AWS does not support them yet. Accounts outside ``organization`` (None: no limit) are
    refused. ``automatic_copies`` are the copies that the vendor's stack starts by itself: the ARN
    of its vault -> that of the destination vault. Nobody may pass the roles in ``unpassable``.
    """

    def __init__(self, clock: Clock) -> None:
        """Start without recovery points and jobs."""
        self.seconds_created = 5.0
        self.seconds_running = 25.0
        self.single_hop_rds = True
        self.organization: set[str] | None = None
        self.automatic_copies: dict[str, str] = {}
        self.unpassable: set[str] = set()
        self._clock = clock
        self.points: dict[tuple[str, str], RecoveryPoint] = {}
        self.policies: dict[str, str] = {}  # by ARN of the vault
        self.jobs: dict[str, CopyJob] = {}
        self._tokens: dict[tuple[str, ...], Any] = {}
        self._busy: dict[str, datetime] = {}  # resource -> end of its last job
        self.operations = {
            "DescribeBackupVault": self._describe_vault,
            "DescribeCopyJob": self._describe_copy_job,
            "DescribeRecoveryPoint": self._describe_point,
            "GetBackupVaultAccessPolicy": self._get_policy,
            "ListCopyJobs": self._list_copy_jobs,
            "ListRecoveryPointsByBackupVault": self._list_points,
            "PutBackupVaultAccessPolicy": self._put_policy,
            "StartCopyJob": self._start_copy_job,
        }

    def add_recovery_point(
        self,
        account_id: str,
        region: str,
        vault_name: str,
        resource_type: str,
        created: datetime,
        *,
        delete_after_days: int | None = 14,
        status: str = "COMPLETED",
        size_bytes: int = 500 * 2**30,
        arn: str | None = None,
        resource_arn: str | None = None,
        encryption_key_arn: str | None = None,
        aws_managed_key: bool = False,
    ) -> str:
        """Put a recovery point of type EBS or RDS into a vault and return its ARN.

        ``created`` is aware. Without ``arn`` the point gets an ARN in the form of copies. Raise
        AwsError if there is no such vault.
        """
        vault = find_vault(account_id, region, vault_name)
        point = RecoveryPoint(
            arn=arn or new_arn(resource_type, region, account_id),
            vault_arn=vault.backup_vault_arn,
            resource_type=resource_type,
            resource_arn=resource_arn
            or _fill(_DEFAULT_RESOURCES[resource_type], region, account_id),
            created=created,
            completed=created + timedelta(minutes=20),
            delete_after_days=delete_after_days,
            status=status,
            size_bytes=size_bytes,
            encryption_key_arn=encryption_key_arn,
            aws_managed_key=aws_managed_key,
        )
        self.points[point.vault_arn, point.arn] = point
        return point.arn

    def settle(self) -> None:
        """Update the state of all jobs, and remove points whose retention has ended."""
        now = self._clock.now()
        while due := [job for job in self.jobs.values() if job.runs and job.ends <= now]:
            for job in due:
                self._finish(job)
        for job in self.jobs.values():
            if job.state == "CREATED" and job.begins <= now:
                job.state = "RUNNING"
        for key, point in list(self.points.items()):
            if point.delete_at and point.delete_at <= now:
                del self.points[key]

    def _finish(self, job: CopyJob) -> None:
        destination = Arn(job.destination_vault_arn)
        region, account = destination.region, destination.account_id
        copied = RecoveryPoint(
            arn=new_arn(job.source.resource_type, region, account),
            vault_arn=job.destination_vault_arn,
            resource_type=job.source.resource_type,
            resource_arn=job.source.resource_arn,
            created=job.source.created,
            completed=job.ends,
            delete_after_days=job.delete_after_days,
            status="COMPLETED",
            size_bytes=job.source.size_bytes,
            encryption_key_arn=job.source.encryption_key_arn,
            source_vault_arn=job.source.vault_arn,
            role_arn=job.role_arn,
            contents=job.source.contents,
            engine_version=job.source.engine_version,
        )
        job.message = self._why_not(job, copied)
        job.state = "FAILED" if job.message else "COMPLETED"
        if job.message is None:
            vault = _find_vault_by_arn(job.destination_vault_arn)
            copied.encryption_key_arn = vault.encryption_key_arn if vault else None
            job.copy = copied
            self.arrive(copied, job.ends, job.role_arn)

    def arrive(self, point: RecoveryPoint, time: datetime, role_arn: str) -> None:
        """Put a new point into its vault; the vendor's Lambda function then copies it.

        A backup is first copied within the same vault, kept for a day, so that the copy has the
        vault's key. That copy is then copied to the destination. Source: the vendor's template
        3.8.2, BackupCopyFunction.
        """
        self.points[point.vault_arn, point.arn] = point
        destination = self.automatic_copies.get(point.vault_arn)
        if destination:
            copied = point.source_vault_arn is not None
            self._schedule(
                point,
                destination if copied else point.vault_arn,
                role_arn,
                delete_after_days=_COPIED_DAYS if copied else _TWIN_DAYS,
                created=time + _AUTOMATIC_DELAY,
            )

    def _why_not(self, job: CopyJob, copied: RecoveryPoint) -> str | None:
        """Return why the copy fails, or None."""
        destination = Arn(job.destination_vault_arn)
        region, account = destination.region, destination.account_id
        foreign = account != job.account
        outside = self.organization is not None and not {account, job.account} <= self.organization
        two_hops = foreign and region != job.region and not self.single_hop_rds
        reasons = {
            "Both source and destination account must be a member of the same organization": (
                foreign and outside
            ),
            f"Backup vault {job.destination_vault_arn} does not exist": (
                _find_vault_by_arn(job.destination_vault_arn) is None
            ),
            "Access Denied trying to call AWS Backup service": (
                foreign and not self._may_copy_into(job)
            ),
            f"Copy job from {job.region} to {region} cannot be initiated for RDS resources. "
            "Feature is not supported for provided resource type.": (
                two_hops and job.source.resource_type == "RDS"
            ),
            "A recovery point that is encrypted with an AWS managed key cannot be copied to "
            "another account": foreign and job.source.aws_managed_key,
            "The retention of the copy has ended before the copy was finished": (
                copied.delete_at is not None and copied.delete_at <= job.ends
            ),
            "The job failed because of an internal error": job.failing,
        }
        return next((reason for reason, applies in reasons.items() if applies), None)

    def _may_copy_into(self, job: CopyJob) -> bool:
        return policy.allows(
            self.policies.get(job.destination_vault_arn),
            "backup:CopyIntoBackupVault",
            {"AWS": job.account},
        )

    def once(self, call: Call, start: Callable[[], _T]) -> _T:
        """Start what a request asks for, unless a request with the same token did before.

        A failed request also uses up its token, even if the cause is fixed afterwards.
        """
        token = (call.operation, call.account, call.region, call.parameters["IdempotencyToken"])
        if token not in self._tokens:
            try:
                self._tokens[token] = start()
            except AwsError as error:
                self._tokens[token] = error
        started = self._tokens[token]
        if isinstance(started, AwsError):
            raise started
        return cast("_T", started)

    def reserve(self, resource_arn: str, created: datetime) -> datetime:
        """Return when a job begins: each resource has one job at a time, and others wait."""
        begins = created + timedelta(seconds=self.seconds_created)
        return max(begins, self._busy.get(resource_arn, begins))

    def occupy(self, resource_arn: str, ends: datetime) -> None:
        """Delay other jobs of the resource until a moment."""
        self._busy[resource_arn] = ends

    def check_role(self, call: Call) -> None:
        """Refuse a role that the caller may not pass or the service may not assume."""
        arn = call.parameters["IamRoleArn"]
        if arn in self.unpassable:
            message = f"The caller is not authorized to perform: iam:PassRole on resource: {arn}"
            raise AwsError(message, "AccessDeniedException", 403)
        _check_role(call.account, arn)

    def _start_copy_job(self, call: Call) -> dict[str, Any]:
        call.parameters.setdefault("IdempotencyToken", str(uuid.uuid4()))
        job = self.once(call, lambda: self._new_job(call))
        return {"CopyJobId": job.job_id, "CreationDate": job.created, "IsParent": False}

    def _new_job(self, call: Call) -> CopyJob:
        given = call.parameters
        vault = find_vault(call.account, call.region, given["SourceBackupVaultName"])
        point = self.points.get((vault.backup_vault_arn, given["RecoveryPointArn"]))
        if point is None:
            message = f"There is no recovery point {given['RecoveryPointArn']} in this vault"
            raise AwsError(message, "ResourceNotFoundException")
        if point.status not in _COPYABLE:
            message = f"A recovery point that is {point.status} cannot be copied"
            raise AwsError(message, "InvalidRequestException")
        self.check_role(call)
        _check_vault_arn(given["DestinationBackupVaultArn"], call.region)
        return self._schedule(
            point,
            given["DestinationBackupVaultArn"],
            given["IamRoleArn"],
            delete_after_days=_retention(point, given.get("Lifecycle", {})),
            created=self._clock.now(),
            slowness=10 if "slow-job" in call.faults else 1,
            failing="fail-job" in call.faults,
        )

    def _schedule(
        self,
        point: RecoveryPoint,
        destination_vault_arn: str,
        role_arn: str,
        *,
        delete_after_days: int | None,
        created: datetime,
        slowness: int = 1,
        failing: bool = False,
    ) -> CopyJob:
        begins = self.reserve(point.resource_arn, created)
        vault = Arn(point.vault_arn)
        job = CopyJob(
            job_id=str(uuid.uuid4()).upper(),
            account=vault.account_id,
            region=vault.region,
            source=point,
            destination_vault_arn=destination_vault_arn,
            role_arn=role_arn,
            delete_after_days=delete_after_days,
            created=created,
            begins=begins,
            ends=begins + timedelta(seconds=self.seconds_running * slowness),
            failing=failing,
        )
        self.occupy(point.resource_arn, job.ends)
        self.jobs[job.job_id] = job
        return job

    def _describe_copy_job(self, call: Call) -> dict[str, Any]:
        job = self.jobs.get(call.parameters["CopyJobId"])
        if job and "vanish" in call.faults:
            del self.jobs[job.job_id]
            job = None
        if job is None or not self._is_shown(call, job):
            message = f"Copy job {call.parameters['CopyJobId']} does not exist"
            raise AwsError(message, "ResourceNotFoundException")
        return {"CopyJob": _describe_job(job)}

    def _is_shown(self, call: Call, job: CopyJob) -> bool:
        hidden = "invisible" in call.faults and self._clock.now() - job.created < _FRESH
        return (job.account, job.region) == (call.account, call.region) and not hidden

    def _list_copy_jobs(self, call: Call) -> dict[str, Any]:
        shown = [
            _describe_job(job)
            for job in reversed(list(self.jobs.values()))
            if self._is_shown(call, job)
        ]
        chosen = [job for job in shown if passes(job, call.parameters, _JOB_FILTERS)]
        return page("CopyJobs", chosen, call.parameters)

    def _list_points(self, call: Call) -> dict[str, Any]:
        vault = find_vault(call.account, call.region, call.parameters["BackupVaultName"])
        points = [
            _describe_point(point)
            for point in self.points.values()
            if point.vault_arn == vault.backup_vault_arn
        ]
        points.sort(key=lambda point: point["CreationDate"], reverse=True)
        chosen = [point for point in points if passes(point, call.parameters, _POINT_FILTERS)]
        return page("RecoveryPoints", chosen, call.parameters)

    def _describe_point(self, call: Call) -> dict[str, Any]:
        vault = find_vault(call.account, call.region, call.parameters["BackupVaultName"])
        arn = call.parameters["RecoveryPointArn"]
        point = self.points.get((vault.backup_vault_arn, arn))
        if point is None:
            message = f"There is no recovery point {arn} in this vault"
            raise AwsError(message, "ResourceNotFoundException")
        return {**_describe_point(point), "StorageClass": "WARM"}

    def _describe_vault(self, call: Call) -> dict[str, Any]:
        vault = find_vault(call.account, call.region, call.parameters["BackupVaultName"])
        points = [arn for arn, _ in self.points if arn == vault.backup_vault_arn]
        return {
            **vault.to_list_dict(),
            "NumberOfRecoveryPoints": len(points),
            "VaultType": "BACKUP_VAULT",
            "VaultState": "AVAILABLE",
        }

    def _get_policy(self, call: Call) -> dict[str, Any]:
        vault = find_vault(call.account, call.region, call.parameters["BackupVaultName"])
        if vault.backup_vault_arn not in self.policies:
            message = f"Vault {vault.backup_vault_name} has no access policy"
            raise AwsError(message, "ResourceNotFoundException")
        return {
            "BackupVaultName": vault.backup_vault_name,
            "BackupVaultArn": vault.backup_vault_arn,
            "Policy": self.policies[vault.backup_vault_arn],
        }

    def _put_policy(self, call: Call) -> dict[str, Any]:
        vault = find_vault(call.account, call.region, call.parameters["BackupVaultName"])
        document = call.parameters.get("Policy", "")
        try:
            json.loads(document)
        except ValueError as error:
            message = "The access policy is not valid JSON"
            raise AwsError(message, "InvalidParameterValueException") from error
        self.policies[vault.backup_vault_arn] = document
        return {}


def find_vault(account: str, region: str, name: str) -> Vault:
    """Return a vault; raise AwsError if it does not exist."""
    vault = backup_backends[account][region].vaults.get(name)
    if vault is None:
        message = f"Backup vault {name} does not exist"
        raise AwsError(message, "ResourceNotFoundException")
    return vault


def _find_vault_by_arn(text: str) -> Vault | None:
    arn = Arn(text)
    regions = backup_backends[arn.account_id]
    return regions[arn.region].vaults.get(arn.resource_id) if arn.region in regions else None


def _fill(template: str, region: str, account: str) -> str:
    identifier = str(uuid.uuid4())
    return template.format(
        partition=backends.partition_of(region),
        region=region,
        account=account,
        id=identifier,
        short_id=identifier.replace("-", "")[:17],
    )


def new_arn(resource_type: str, region: str, account: str, by: str = "copyjob") -> str:
    """Return the ARN of a new recovery point; ``by`` is `job` or `copyjob`."""
    return _fill(_POINT_ARNS[resource_type], region, account).replace("copyjob", by)


def _check_role(account: str, arn: str) -> None:
    role = backends.find_role(arn)
    if role is None or Arn(arn).account_id != account:
        message = f"The role {arn} does not exist in account {account}"
        raise AwsError(message, "InvalidParameterValueException")
    service = {"Service": "backup.amazonaws.com"}
    if not policy.allows(role.assume_role_policy_document, "sts:AssumeRole", service):
        message = f"IAM Role {arn} cannot be assumed by AWS Backup"
        raise AwsError(message, "InvalidParameterValueException")


def _check_vault_arn(arn: str, region: str) -> None:
    found = _VAULT_ARN.fullmatch(arn)
    if not found or found["partition"] != backends.partition_of(region):
        message = f"{arn} is not the ARN of a backup vault"
        raise AwsError(message, "InvalidParameterValueException")


def _retention(point: RecoveryPoint, lifecycle: dict[str, Any]) -> int | None:
    """Return the DeleteAfterDays of a copy; refuse values that AWS refuses.

    -1 keeps the source's (Developer Guide, "Creating a copy of a backup").
    """
    days: int = lifecycle.get("DeleteAfterDays", -1)
    cold = lifecycle.get("MoveToColdStorageAfterDays")
    if days == -1:
        return point.delete_after_days
    if days < 1 or (cold is not None and days < cold + _COLD_DAYS):
        message = f"DeleteAfterDays {days} is out of range"
        raise AwsError(message, "InvalidParameterValueException")
    return days


def _describe_job(job: CopyJob) -> dict[str, Any]:
    description: dict[str, Any] = {
        "AccountId": job.account,
        "CopyJobId": job.job_id,
        "SourceBackupVaultArn": job.source.vault_arn,
        "SourceRecoveryPointArn": job.source.arn,
        "DestinationBackupVaultArn": job.destination_vault_arn,
        "ResourceArn": job.source.resource_arn,
        "ResourceType": job.source.resource_type,
        "CreationDate": job.created,
        "State": job.state,
        "StatusMessage": job.message,
        "BackupSizeInBytes": job.source.size_bytes,
        "IamRoleArn": job.role_arn,
        "IsParent": False,
    }
    if job.delete_after_days is not None:
        lifecycle = {"DeleteAfterDays": job.delete_after_days}
        description["DestinationRecoveryPointLifecycle"] = lifecycle
    if job.copy:
        description["DestinationRecoveryPointArn"] = job.copy.arn
    if job.state in {"COMPLETED", "FAILED"}:
        description["CompletionDate"] = job.ends
    return description


def _describe_point(point: RecoveryPoint) -> dict[str, Any]:
    description: dict[str, Any] = {
        "RecoveryPointArn": point.arn,
        "BackupVaultName": Arn(point.vault_arn).resource_id,
        "BackupVaultArn": point.vault_arn,
        "SourceBackupVaultArn": point.source_vault_arn,
        "ResourceArn": point.resource_arn,
        "ResourceType": point.resource_type,
        "IamRoleArn": point.role_arn,
        "Status": point.status,
        "CreationDate": point.created,
        "CompletionDate": point.completed,
        "BackupSizeInBytes": point.size_bytes,
        "EncryptionKeyArn": point.encryption_key_arn,
        "IsEncrypted": point.encryption_key_arn is not None or point.aws_managed_key,
        "IsParent": False,
        "VaultType": "BACKUP_VAULT",
    }
    if point.delete_at:
        description["CalculatedLifecycle"] = {"DeleteAt": point.delete_at}
        description["Lifecycle"] = {"DeleteAfterDays": point.delete_after_days}
    return description


# Parameter: the field that it is compared with, and how.
_JOB_FILTERS = {
    "ByResourceArn": ("ResourceArn", "is"),
    "ByState": ("State", "is"),
    "ByCreatedBefore": ("CreationDate", "before"),
    "ByCreatedAfter": ("CreationDate", "after"),
    "ByResourceType": ("ResourceType", "is"),
    "ByDestinationVaultArn": ("DestinationBackupVaultArn", "is"),
    "ByAccountId": ("AccountId", "is"),
    "ByCompleteBefore": ("CompletionDate", "before"),
    "ByCompleteAfter": ("CompletionDate", "after"),
    "ByParentJobId": ("ParentJobId", "is"),
    "ByMessageCategory": ("MessageCategory", "is"),
    "BySourceRecoveryPointArn": ("SourceRecoveryPointArn", "is"),
}
_POINT_FILTERS = {
    "ByResourceArn": ("ResourceArn", "is"),
    "ByResourceType": ("ResourceType", "is"),
    "ByBackupPlanId": ("BackupPlanId", "is"),
    "ByCreatedBefore": ("CreationDate", "before"),
    "ByCreatedAfter": ("CreationDate", "after"),
    "ByParentRecoveryPointArn": ("ParentRecoveryPointArn", "is"),
}


def passes(
    item: dict[str, Any], given: dict[str, Any], filters: dict[str, tuple[str, str]]
) -> bool:
    """Return whether a description passes the given filters."""
    for name, (member, how) in filters.items():
        if name not in given:
            continue
        wanted, value = given[name], item.get(member)
        if how == "is":
            fits = value == wanted
        elif value is None:
            fits = False
        else:
            # Times in requests are parsed as naive UTC.
            time = wanted.replace(tzinfo=timezone.utc)
            fits = value <= time if how == "before" else value >= time
        if not fits:
            return False
    return True


def page(member: str, items: list[dict[str, Any]], given: dict[str, Any]) -> dict[str, Any]:
    """Return the requested page of a list."""
    try:
        first = int(given.get("NextToken", "0"))
    except ValueError as error:
        message = "NextToken is not valid"
        raise AwsError(message, "InvalidParameterValueException") from error
    last = first + given.get("MaxResults", 1000)
    token = str(last) if last < len(items) else None
    return {member: items[first:last], "NextToken": token}
