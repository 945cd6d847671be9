"""AWS Backup's backup jobs and restore jobs, for EBS volumes and RDS instances.

Sources: backup service model; AWS Backup Developer Guide, "Restoring an Amazon EBS volume",
"Restoring an Amazon RDS database" and "Restore testing inferred metadata"; rds service model,
RestoreDBInstanceFromDBSnapshot; ec2 service model, gp3. If it is not known whether AWS accepts a
value, such as an alias for kmsKeyId or gp3 without Iops, it is refused here.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from codeocean_cmdgen.simulator import backends
from codeocean_cmdgen.simulator.backup import RecoveryPoint, find_vault, new_arn, page, passes
from codeocean_cmdgen.simulator.errors import AwsError
from codeocean_cmdgen.simulator.rds import Instance
from codeocean_cmdgen.values import Arn

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Callable

    from codeocean_cmdgen.simulator.backup import Backup
    from codeocean_cmdgen.simulator.clock import Clock
    from codeocean_cmdgen.simulator.ec2 import Ec2
    from codeocean_cmdgen.simulator.rds import Rds
    from codeocean_cmdgen.simulator.wire import Call

_GIB = 2**30
_FRESH = timedelta(minutes=1)  # the fault "invisible" hides younger jobs
_RESOURCE = re.compile(
    r"arn:[^:]+:(?:ec2:(?P<ec2>[^:]+:\d{12}):volume/(?P<volume>vol-\w+)"
    r"|rds:(?P<rds>[^:]+:\d{12}):db:(?P<db>[\w-]+))"
)
_IDENTIFIER = re.compile(r"[a-zA-Z](?:-?[a-zA-Z0-9]){0,62}")
_KEY = re.compile(
    r"arn:[^:]+:kms:[^:]+:\d{12}:key/[\w-]+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
_EBS_KEYS = {
    "availabilityzone",
    "encrypted",
    "iops",
    "kmskeyid",
    "throughput",
    "volumesize",
    "volumetype",
}
_GP3_IOPS, _GP3_THROUGHPUT = range(3000, 80001), range(125, 2001)
_RDS_KEYS = {
    "AllocatedStorage",
    "AutoMinorVersionUpgrade",
    "AvailabilityZone",
    "CopyTagsToSnapshot",
    "DBInstanceClass",
    "DBInstanceIdentifier",
    "DBParameterGroupName",
    "DBSubnetGroupName",
    "DeletionProtection",
    "EnableIAMDatabaseAuthentication",
    "Iops",
    "MultiAZ",
    "OptionGroupName",
    "Port",
    "PubliclyAccessible",
    "StorageType",
    "VpcSecurityGroupIds",
}
_BOOLEANS = {"true": True, "false": False}


@dataclass
class Job:
    """One backup or restore job. Its times are fixed when it is started."""

    job_id: str
    account: str
    region: str
    resource_type: str
    resource_arn: str
    role_arn: str
    created: datetime
    begins: datetime
    ends: datetime
    vault_arn: str = ""
    delete_after_days: int | None = None
    point: RecoveryPoint | None = None
    metadata: dict[str, str] | None = None
    failing: bool = False
    state: str = "waiting"
    message: str | None = None
    contents: Any = None
    made: str | None = None
    """The ARN of the recovery point or resource that the job created."""

    @property
    def ended(self) -> bool:
        """Whether the job has ended."""
        return self.state in {"COMPLETED", "FAILED"}


class BackupJobs:
    """Backup and restore jobs of all accounts and Regions.

    Jobs take as long as those of ``backup``.
    """

    def __init__(self, clock: Clock, backup: Backup, rds: Rds, ec2: Callable[[], Ec2]) -> None:
        """Start without jobs; ``ec2`` returns EC2, which is slow to load."""
        self._clock, self._backup, self._rds, self._ec2 = clock, backup, rds, ec2
        self.backups: dict[str, Job] = {}
        self.restores: dict[str, Job] = {}
        self.operations = {
            "DescribeBackupJob": self._describe_backup,
            "DescribeRestoreJob": self._describe_restore,
            "GetRecoveryPointRestoreMetadata": self._restore_metadata,
            "ListBackupJobs": self._list_backups,
            "ListRestoreJobs": self._list_restores,
            "StartBackupJob": self._start_backup,
            "StartRestoreJob": self._start_restore,
        }
        rds.operations["DescribeDBSnapshots"] = self._describe_db_snapshots

    def settle(self) -> None:
        """Do the work that is due."""
        now = self._clock.now()
        for jobs, finish in ((self.backups, self._end_backup), (self.restores, self._end_restore)):
            for job in jobs.values():
                if job.state == "waiting" and job.begins <= now:
                    job.state = "RUNNING"
                if job.state == "RUNNING" and job.ends <= now:
                    if job.failing:
                        job.message = "The job failed because of an internal error"
                    else:
                        finish(job)
                    job.state = "FAILED" if job.message else "COMPLETED"

    # Backups.

    def _start_backup(self, call: Call) -> dict[str, Any]:
        call.parameters.setdefault("IdempotencyToken", str(uuid.uuid4()))
        job = self._backup.once(call, lambda: self._new_backup(call))
        return {"BackupJobId": job.job_id, "CreationDate": job.created, "IsParent": False}

    def _new_backup(self, call: Call) -> Job:
        given = call.parameters
        vault = find_vault(call.account, call.region, given["BackupVaultName"])
        resource_type = self._type_of(call, given["ResourceArn"])
        self._backup.check_role(call)
        days = given.get("Lifecycle", {}).get("DeleteAfterDays")
        if days is not None and days < 1:
            message = f"DeleteAfterDays {days} is out of range"
            raise AwsError(message, "InvalidParameterValueException")
        job = self._new_job(call, resource_type, given["ResourceArn"])
        job.vault_arn, job.delete_after_days = vault.backup_vault_arn, days
        job.contents = self._keep(job)
        self._backup.occupy(job.resource_arn, job.ends)
        self.backups[job.job_id] = job
        return job

    def _type_of(self, call: Call, arn: str) -> str:
        """Return the type of a resource that exists in the caller's account and Region."""
        found = _RESOURCE.fullmatch(arn)
        place = f"{call.region}:{call.account}"
        has_volume = self._ec2().has_volume
        if (
            found
            and found["ec2"] == place
            and has_volume(call.region, call.account, found["volume"])
        ):
            return "EBS"
        if found and found["rds"] == place and self._rds.find(call.account, call.region, arn):
            return "RDS"
        message = f"Resource {arn} does not exist, or is of no type that can be backed up"
        raise AwsError(message, "InvalidParameterValueException")

    def _new_job(self, call: Call, resource_type: str, resource_arn: str) -> Job:
        now = self._clock.now()
        begins = self._backup.reserve(resource_arn, now)
        running = self._backup.seconds_running * (10 if "slow-job" in call.faults else 1)
        return Job(
            job_id=str(uuid.uuid4()).upper(),
            account=call.account,
            region=call.region,
            resource_type=resource_type,
            resource_arn=resource_arn,
            role_arn=call.parameters["IamRoleArn"],
            created=now,
            begins=begins,
            ends=begins + timedelta(seconds=running),
            failing="fail-job" in call.faults,
        )

    def _end_backup(self, job: Job) -> None:
        point = RecoveryPoint(
            arn=new_arn(job.resource_type, job.region, job.account, "job"),
            vault_arn=job.vault_arn,
            resource_type=job.resource_type,
            resource_arn=job.resource_arn,
            created=job.begins,
            completed=job.ends,
            delete_after_days=job.delete_after_days,
            status="COMPLETED",
            size_bytes=self._size(job),
            encryption_key_arn=None,
            aws_managed_key=True,  # a backup keeps the key of its resource
            role_arn=job.role_arn,
            contents=job.contents,
        )
        job.made = point.arn
        self._backup.arrive(point, job.ends, job.role_arn)

    def _keep(self, job: Job) -> object:
        """Store and return the current content of the resource, if it has any."""
        if job.resource_type == "EBS":
            return self._ec2().snapshot(Arn(job.resource_arn).resource_id)
        return self._rds.snapshot(job.resource_arn)

    def _size(self, job: Job) -> int:
        if job.resource_type == "EBS":
            return (
                self._ec2().gib(job.region, job.account, Arn(job.resource_arn).resource_id) * _GIB
            )
        instance = self._rds.find(job.account, job.region, job.resource_arn)
        return (instance.gib if instance else 1) * _GIB

    def _describe_backup(self, call: Call) -> dict[str, Any]:
        return _describe_backup(self._job(call, self.backups, "BackupJobId"))

    def _list_backups(self, call: Call) -> dict[str, Any]:
        shown = map(_describe_backup, self._shown(call, self.backups))
        chosen = [job for job in shown if passes(job, call.parameters, _BACKUP_FILTERS)]
        return page("BackupJobs", chosen, call.parameters)

    def _job(self, call: Call, jobs: dict[str, Job], name: str) -> Job:
        job_id = call.parameters[name]
        if "vanish" in call.faults:
            jobs.pop(job_id, None)
        for job in self._shown(call, jobs):
            if job.job_id == job_id:
                return job
        message = f"Job {job_id} does not exist"
        raise AwsError(message, "ResourceNotFoundException")

    def _shown(self, call: Call, jobs: dict[str, Job]) -> list[Job]:
        """Return the caller's jobs, newest first."""
        hidden = self._clock.now() - _FRESH if "invisible" in call.faults else self._clock.now()
        if "vanish" in call.faults and call.operation.startswith("List"):
            jobs.clear()
        return [
            job
            for job in reversed(list(jobs.values()))
            if (job.account, job.region) == (call.account, call.region) and job.created <= hidden
        ]

    def _describe_db_snapshots(self, call: Call) -> dict[str, Any]:
        """Describe the recovery points of RDS: each is a DB snapshot."""
        wanted = call.parameters.get("DBSnapshotIdentifier")
        if wanted is None or call.parameters.get("SnapshotType") != "awsbackup":
            message = "the simulator describes a DB snapshot of AWS Backup by its identifier only"
            raise AwsError(message, "NotImplemented", 501)
        for point in self._backup.points.values():
            arn = Arn(point.vault_arn)
            is_here = (arn.account_id, arn.region) == (call.account, call.region)
            if is_here and point.arn.endswith(f":snapshot:{wanted}"):
                described = {
                    "DBSnapshotIdentifier": wanted,
                    "DBSnapshotArn": point.arn,
                    "Engine": "postgres",
                    "EngineVersion": point.engine_version,
                    "SnapshotType": "awsbackup",
                    "Status": "available",
                }
                return {"DBSnapshots": [described]}
        message = f"DBSnapshot {wanted} not found."
        raise AwsError(message, "DBSnapshotNotFound", 404)

    # Restores.

    def _start_restore(self, call: Call) -> dict[str, Any]:
        call.parameters.setdefault("IdempotencyToken", str(uuid.uuid4()))
        job = self._backup.once(call, lambda: self._new_restore(call))
        return {"RestoreJobId": job.job_id}

    def _new_restore(self, call: Call) -> Job:
        given = call.parameters
        point = self._find_point(call)
        if given.get("ResourceType", point.resource_type) != point.resource_type:
            message = f"The recovery point is one of {point.resource_type}"
            raise AwsError(message, "InvalidParameterValueException")
        if "IamRoleArn" not in given:
            message = "An IAM role is needed"
            raise AwsError(message, "MissingParameterValueException")
        self._backup.check_role(call)
        if point.resource_type == "EBS":
            _check_ebs(given["Metadata"])
        else:
            _check_rds(given["Metadata"])
        job = self._new_job(call, point.resource_type, point.resource_arn)
        job.point, job.metadata = point, given["Metadata"]
        if point.resource_type == "RDS" and not job.failing:
            self._begin_database(job)
        self.restores[job.job_id] = job
        return job

    def _find_point(self, call: Call) -> RecoveryPoint:
        arn = call.parameters["RecoveryPointArn"]
        for point in self._backup.points.values():
            vault = Arn(point.vault_arn)
            place = (vault.region, vault.account_id)
            if point.arn == arn and place == (call.region, call.account):
                return point
        message = f"There is no recovery point {arn} in account {call.account}, {call.region}"
        raise AwsError(message, "ResourceNotFoundException")

    def _begin_database(self, job: Job) -> None:
        given = job.metadata or {}
        version = job.point.engine_version if job.point else "15.7"
        major = version.partition(".")[0]
        instance = Instance(
            job.account,
            job.region,
            given["DBInstanceIdentifier"],
            available_at=job.ends,
            subnet_group=given.get("DBSubnetGroupName", "default"),
            security_groups=json.loads(given.get("VpcSecurityGroupIds", "[]")),
            parameter_group=given.get("DBParameterGroupName", f"default.postgres{major}"),
            engine_version=version,
            instance_class=given.get("DBInstanceClass", "db.t4g.small"),
            gib=int(given.get("AllocatedStorage", "20")),
            multi_az=_BOOLEANS[given.get("MultiAZ", "false")],
            public=_BOOLEANS[given.get("PubliclyAccessible", "false")],
            iam_authentication=_BOOLEANS[given.get("EnableIAMDatabaseAuthentication", "false")],
            deletion_protection=_BOOLEANS[given.get("DeletionProtection", "false")],
            tags=dict(job.point.tags) if job.point else {},
        )
        job.message = self._rds.why_not_create(instance)
        if job.message:
            job.ends = job.begins
        else:
            self._rds.instances.append(instance)
            job.made = instance.arn

    def _end_restore(self, job: Job) -> None:
        if job.resource_type == "RDS":
            self._rds.launch(str(job.made), job.point.contents if job.point else None)
            return
        given = {key.lower(): value for key, value in (job.metadata or {}).items()}
        size = int(given.get("volumesize", "1"))
        if job.point and size * _GIB < job.point.size_bytes:
            job.message = f"The volume size is invalid for the snapshot: {size} GiB"
            return
        if job.point and job.point.contents:
            self._ec2().share_snapshot(job.point.contents, Arn(job.point.arn).resource_id)
        volume = self._ec2().volume(
            job.account,
            given["availabilityzone"],
            gib=size,
            iops=int(given["iops"]) if "iops" in given else None,
            throughput=int(given["throughput"]) if "throughput" in given else None,
            kms_key_id=given.get("kmskeyid"),
            snapshot_id=Arn(job.point.arn).resource_id if job.point else None,
            tags=job.point.tags if job.point else None,
        )
        partition = backends.partition_of(job.region)
        job.made = f"arn:{partition}:ec2:{job.region}:{job.account}:volume/{volume}"

    def _describe_restore(self, call: Call) -> dict[str, Any]:
        return _describe_restore(self._job(call, self.restores, "RestoreJobId"))

    def _list_restores(self, call: Call) -> dict[str, Any]:
        shown = map(_describe_restore, self._shown(call, self.restores))
        chosen = [job for job in shown if passes(job, call.parameters, _RESTORE_FILTERS)]
        return page("RestoreJobs", chosen, call.parameters)

    def _restore_metadata(self, call: Call) -> dict[str, Any]:
        """Return the backed-up resource's metadata, including values that are for information."""
        vault = find_vault(call.account, call.region, call.parameters["BackupVaultName"])
        point = self._find_point(call)
        gib = str(point.size_bytes // _GIB)
        of_type = {
            "EBS": {
                "aws:backup:request-id": str(uuid.uuid4()),
                "encrypted": "true",
                "volumeId": Arn(point.resource_arn).resource_id,
                "volumeSize": gib,
                "volumeType": "gp3",
            },
            "RDS": {
                "AllocatedStorage": gib,
                "DBInstanceClass": "db.t4g.small",
                "DBInstanceIdentifier": Arn(point.resource_arn).resource_id,
                "DBSnapshotIdentifier": Arn(point.arn).resource.removeprefix("snapshot:"),
                "InformationalOnly:EngineVersion": "15.7",
            },
        }
        return {
            "BackupVaultArn": vault.backup_vault_arn,
            "RecoveryPointArn": point.arn,
            "RestoreMetadata": of_type[point.resource_type],
        }


def _check_ebs(metadata: dict[str, str]) -> None:
    """Refuse metadata that no volume can be created from; keys are not case-sensitive."""
    given = {key.lower(): value for key, value in metadata.items()}
    # Accept the source's volumeId, which get-recovery-point-restore-metadata returns.
    unknown = sorted(set(given) - _EBS_KEYS - {"volumeid"})
    numbers = {"iops": _GP3_IOPS, "throughput": _GP3_THROUGHPUT, "volumesize": range(1, 65537)}
    problems = {
        f"unknown metadata: {', '.join(unknown)}": bool(unknown),
        "availabilityZone is missing": not given.get("availabilityzone"),
        "encrypted must be true or false": given.get("encrypted", "true") not in _BOOLEANS,
        "volumeType must be gp3 here": given.get("volumetype", "gp3") != "gp3",
        "kmsKeyId must be the ID or the ARN of a key": not _KEY.fullmatch(
            given.get("kmskeyid", "arn:aws:kms:us-east-1:111111111111:key/own")
        ),
    }
    for name, allowed in numbers.items():
        text = given.get(name, str(allowed[0]))
        problems[f"{name} {text} is out of range"] = not (text.isdecimal() and int(text) in allowed)
    _refuse(problems)


def _check_rds(metadata: dict[str, str]) -> None:
    unknown = sorted(set(metadata) - _RDS_KEYS)
    switches = {
        "AutoMinorVersionUpgrade",
        "CopyTagsToSnapshot",
        "DeletionProtection",
        "EnableIAMDatabaseAuthentication",
        "MultiAZ",
        "PubliclyAccessible",
    }
    problems = {
        f"unknown metadata: {', '.join(unknown)}": bool(unknown),
        "DBInstanceIdentifier is missing or malformed": not _IDENTIFIER.fullmatch(
            metadata.get("DBInstanceIdentifier", "")
        ),
        "VpcSecurityGroupIds must be a JSON array of strings": not _is_list(
            metadata.get("VpcSecurityGroupIds", "[]")
        ),
        "StorageType gp3 needs Iops": metadata.get("StorageType") == "gp3"
        and "Iops" not in metadata,
        "AvailabilityZone cannot be combined with MultiAZ": "AvailabilityZone" in metadata
        and metadata.get("MultiAZ") == "true",
        **{
            f"{name} must be true or false": metadata.get(name, "true") not in _BOOLEANS
            for name in switches
        },
    }
    _refuse(problems)


def _is_list(text: str) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _refuse(problems: dict[str, bool]) -> None:
    for problem, applies in problems.items():
        if applies:
            message = f"Invalid restore metadata: {problem}"
            raise AwsError(message, "InvalidParameterValueException")


def _describe_backup(job: Job) -> dict[str, Any]:
    return {
        **_describe(job),
        "BackupJobId": job.job_id,
        "BackupVaultArn": job.vault_arn,
        "BackupVaultName": Arn(job.vault_arn).resource_id,
        "ResourceArn": job.resource_arn,
        "RecoveryPointArn": job.made,
        "State": "CREATED" if job.state == "waiting" else job.state,
        "IsParent": False,
    }


def _describe_restore(job: Job) -> dict[str, Any]:
    return {
        **_describe(job),
        "RestoreJobId": job.job_id,
        "RecoveryPointArn": job.point.arn if job.point else None,
        "CreatedResourceArn": job.made,
        "Status": "PENDING" if job.state == "waiting" else job.state,
    }


def _describe(job: Job) -> dict[str, Any]:
    percent = {"COMPLETED": "100.0", "RUNNING": "50.0"}.get(job.state, "0.0")
    return {
        "AccountId": job.account,
        "CreationDate": job.created,
        "CompletionDate": job.ends if job.ended else None,
        "IamRoleArn": job.role_arn,
        "PercentDone": percent,
        "ResourceType": job.resource_type,
        "StatusMessage": job.message,
    }


_BACKUP_FILTERS = {
    "ByAccountId": ("AccountId", "is"),
    "ByBackupVaultName": ("BackupVaultName", "is"),
    "ByCompleteAfter": ("CompletionDate", "after"),
    "ByCompleteBefore": ("CompletionDate", "before"),
    "ByCreatedAfter": ("CreationDate", "after"),
    "ByCreatedBefore": ("CreationDate", "before"),
    "ByResourceArn": ("ResourceArn", "is"),
    "ByResourceType": ("ResourceType", "is"),
    "ByState": ("State", "is"),
}
_RESTORE_FILTERS = {
    "ByAccountId": ("AccountId", "is"),
    "ByCompleteAfter": ("CompletionDate", "after"),
    "ByCompleteBefore": ("CompletionDate", "before"),
    "ByCreatedAfter": ("CreationDate", "after"),
    "ByCreatedBefore": ("CreationDate", "before"),
    "ByResourceType": ("ResourceType", "is"),
    "ByStatus": ("Status", "is"),
}
