"""Builders of the resources that exist in the simulated accounts before a script runs."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from moto.backends import get_backend
from moto.backup.models import backup_backends
from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.s3.models import FakeDeleteMarker, FakeKey, s3_backends

from codeocean_cmdgen.simulator import backends, templates
from codeocean_cmdgen.values import Arn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from moto.s3.models import FakeBucket

    from codeocean_cmdgen.simulator.autoscaling import Group
    from codeocean_cmdgen.simulator.cloudformation import Stack
    from codeocean_cmdgen.simulator.server import Simulator

REGION = "us-east-1"
SOURCE, BACKUP, TARGET = "111111111111", "222222222222", "333333333333"
MANAGEMENT = "444444444444"
KINDS = (
    "capsules",
    "datasets",
    "dockerregistry",
    "inputfiles",
    "licenses",
    "mlflow",
    "packages",
    "public",
    "results",
)
EBS_POINT = "arn:aws:ec2:us-east-1::snapshot/snap-0123456789abcdef0"
RDS_POINT = (
    "arn:aws:rds:us-east-1:222222222222:snapshot:awsbackup:"
    "copyjob-11111111-2222-3333-4444-555555555555"
)
DATA_VOLUME = "vol-0123456789abcdef0"
PASSWORD = "Abcdefgh12345678"  # noqa: S105 - of the simulated databases
DATABASE = "codeocean-analyticsdbinstance-1abc"
# Licenses and Public lose noncurrent versions after the retention; the others archive them first.
_SHORT_LIVED = {"licenses", "public"}
_RETENTION_DAYS = 14
_ARCHIVE_DAYS = 180
_VERSIONS = 3  # the most versions of each key of the example


class World:
    """Creates resources directly in a simulator, without the checks of the API."""

    def __init__(self, simulator: Simulator) -> None:
        """Use this simulator."""
        self._simulator = simulator

    def bucket(
        self, account_id: str, name: str, region: str = REGION, *, versioned: bool = True
    ) -> FakeBucket:
        """Create a bucket, with versioning enabled or never enabled."""
        self._simulator.account(account_id)
        backend = s3_backends[account_id][backends.partition_of(region)]
        bucket = backend.create_bucket(name, region)
        bucket.versioning_status = "Enabled" if versioned else None
        return bucket

    def version(
        self,
        bucket: FakeBucket,
        key: str,
        *,
        content: bytes = b"content",
        version_id: str | None = None,
        modified: datetime | None = None,
        status: str | None = None,
        storage_class: str = "STANDARD",
        kms_key_id: str | None = None,
        metadata: dict[str, str] | None = None,
        tags: dict[str, str] | None = None,
    ) -> FakeKey:
        """Add a version on top of a key's others.

        ``modified`` is aware, by default the simulated time; ``status`` the replication status,
        by default none.
        """
        version = FakeKey(
            key,
            content,
            bucket.account_id,
            bucket.region_name,
            storage=storage_class,
            is_versioned=True,
            version_id=version_id or self._version_id(bucket, key),
            bucket_name=bucket.name,
            encryption="aws:kms" if kms_key_id else "AES256",
            kms_key_id=kms_key_id,
        )
        version.set_metadata({f"x-amz-meta-{k}": v for k, v in (metadata or {}).items()})
        backends.s3_backend(bucket).tagger.tag_resource(
            version.arn, [{"Key": k, "Value": v} for k, v in (tags or {}).items()]
        )
        self._add(bucket, version, modified, status)
        return version

    def delete_marker(
        self,
        bucket: FakeBucket,
        key: str,
        *,
        version_id: str | None = None,
        modified: datetime | None = None,
        status: str | None = None,
    ) -> FakeDeleteMarker:
        """Add a delete marker on top of a key's versions; there must be at least one."""
        marker = FakeDeleteMarker(bucket.keys[key])
        vars(marker)["_version_id"] = version_id or self._version_id(bucket, key)
        self._add(bucket, marker, modified, status)
        return marker

    def _add(
        self,
        bucket: FakeBucket,
        version: FakeKey | FakeDeleteMarker,
        modified: datetime | None,
        status: str | None,
    ) -> None:
        time = (modified or self._simulator.clock.now()).astimezone(timezone.utc)
        version.last_modified = time.replace(tzinfo=None, microsecond=0)
        bucket.keys.setlist(version.name, [*bucket.keys.getlist(version.name, []), version])
        if status:
            self._simulator.s3.set_status(bucket.name, version, status)

    def _version_id(self, bucket: FakeBucket, key: str) -> str:
        """Return an ID that is the same in each run."""
        number = len(bucket.keys.getlist(key, []))
        return hashlib.sha256(f"{bucket.name}/{key}/{number}".encode()).hexdigest()[:32]

    def replication_rule(
        self,
        source: FakeBucket,
        destination: FakeBucket,
        *,
        rule_id: str = "Replicate",
        storage_class: str | None = None,
        prefix: str = "",
        enabled: bool = True,
        role: str | None = None,
    ) -> dict[str, Any]:
        """Add a rule like those of the vendor's templates, and return it for changes.

        Unless the destination bucket has a policy already, it gets one that allows the source's
        account to replicate, like that of the templates.
        """
        account, partition = destination.account_id, destination.partition
        key = f"arn:{partition}:kms:{destination.region_name}:{account}:alias/aws/s3"
        target = {
            "Bucket": f"arn:{partition}:s3:::{destination.name}",
            "Account": account,
            "EncryptionConfiguration": {"ReplicaKmsKeyID": key},
        }
        if storage_class:
            target["StorageClass"] = storage_class
        configuration = self._simulator.s3.replication.setdefault(
            source.name,
            {
                "Role": role or f"arn:{partition}:iam::{source.account_id}:role/replication",
                "Rules": [],
            },
        )
        rule = {
            "ID": rule_id,
            "Priority": len(configuration["Rules"]),
            "Filter": {"Prefix": prefix},
            "Status": "Enabled" if enabled else "Disabled",
            "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}},
            "Destination": target,
            "DeleteMarkerReplication": {"Status": "Enabled"},
        }
        configuration["Rules"].append(rule)
        destination.policy = destination.policy or _replication_policy(source, destination)
        return rule

    def lifecycle(self, bucket: FakeBucket, rules: list[dict[str, Any]]) -> None:
        """Set a bucket's lifecycle rules, as PutBucketLifecycleConfiguration takes them."""
        self._simulator.s3.lifecycle[bucket.name] = {
            "Rules": rules,
            "TransitionDefaultMinimumObjectSize": "all_storage_classes_128K",
        }

    def role(
        self,
        account_id: str,
        name: str,
        services: Iterable[str],
        path: str = "/",
        partition: str = "aws",
    ) -> str:
        """Create a role that the services (host names) may assume; return its ARN."""
        self._simulator.account(account_id)
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": list(services)},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
        role = iam_backends[account_id][partition].create_role(
            name, json.dumps(trust), path, None, "", [], "3600"
        )
        return str(role.arn)

    def vault(
        self, account_id: str, name: str, region: str = REGION, *, copied_from: str | None = None
    ) -> str:
        """Create a backup vault; ``copied_from`` is an account that may copy into it."""
        self._simulator.account(account_id)
        partition = backends.partition_of(region)
        key = f"arn:{partition}:kms:{region}:{account_id}:key/{name}"
        self._key(account_id, name, region)
        backend = backup_backends[account_id][region]
        vault = backend.create_backup_vault(name, {}, key, "")
        self.allow(vault.backup_vault_arn, copied_from or "")
        return str(vault.backup_vault_arn)

    def _key(self, account_id: str, name: str, region: str) -> None:
        """Create a customer managed key with this ID, which every account may use."""
        backend = kms_backends[account_id][region]
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": "kms:*",
            "Resource": "*",
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        key = backend.create_key(policy, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", name, None)
        backend.keys[name] = backend.keys.pop(key.id)
        backend.keys[name].id = name

    def resource(self, stack: Stack, logical_id: str) -> str:
        """Create a resource of a stack, and return its physical ID. Only roles really exist."""
        name = f"{stack.name}-{logical_id}-1ABC"
        if stack.template.resources[logical_id].type == "AWS::IAM::Role":
            partition = backends.partition_of(stack.region)
            arn = f"arn:{partition}:iam::{stack.account}:role/{name}"
            if backends.find_role(arn) is None:
                for_s3 = logical_id.startswith("S3")
                services = _REPLICATION_SERVICES if for_s3 else ("backup.amazonaws.com",)
                self.role(stack.account, name, services, partition=partition)
        return name

    def allow(self, vault_arn: str, account_id: str) -> None:
        """Allow an account to copy into a vault; without an account, allow nobody else."""
        policies = self._simulator.backup.policies
        policies.pop(vault_arn, None)
        if account_id:
            statement = {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:{Arn(vault_arn).aws_partition}:iam::{account_id}:root"},
                "Action": "backup:CopyIntoBackupVault",
                "Resource": "*",
            }
            policies[vault_arn] = json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def deployment(
        self,
        account_id: str,
        region: str = REGION,
        stack: str = "codeocean",
        *,
        copies_to: str = "",
    ) -> None:
        """Create the resources of the vendor's stack that matter for backup and restore.

        These are the data volume, the database with its secret, the vault, and the role for AWS
        Backup.

        copies_to: the ARN of the vault that the stack copies its backups to.
        """
        made = self.stack(
            account_id,
            stack,
            templates.PRIMARY_URL,
            region,
            pDnsRootDomain="codeocean.example.com",
            pDestinationBackupVaultArn=copies_to,
        )
        self._simulator.ec2.volume(
            account_id,
            f"{region}a",
            gib=500,
            iops=4000,
            throughput=250,
            tags=_tags(stack),
            volume_id=DATA_VOLUME,
        )
        self.furnish(made, copied_from=BACKUP)
        if copies_to:
            self._simulator.backup.automatic_copies[self.vault_of(made)] = copies_to

    def furnish(
        self,
        made: Stack,
        *,
        data_volume: str = DATA_VOLUME,
        instance: str = "i-0123456789abcdef0",
        database: str = DATABASE,
        copied_from: str = "",
        password: str = PASSWORD,
    ) -> None:
        """Create the resources of a deployment's stack, except its volume and its instance.

        copied_from: the account that may copy into its vault.
        """
        account_id, region, stack = made.account, made.region, made.name
        role = f"{stack}-BackupRole-1ABC"
        self.role(account_id, role, ["backup.amazonaws.com"])
        self.vault(account_id, f"{stack}-v1", region, copied_from=copied_from or None)
        made.physical_ids.update(
            DataVolume=data_volume,
            AnalyticsDBInstance=database,
            BackupVault=f"{stack}-v1",
            BackupRole=role,
        )
        self.services_group(made, instance)
        self._simulator.rds.database(
            account_id,
            region,
            database,
            subnet_group=f"{stack}-analyticsdbsubnetgroup-1abc",
            security_groups=["sg-0123456789abcdef0"],
            parameter_group=f"{stack}-analyticsdbparametergroup-1abc",
            multi_az=True,
            tags=_tags(stack),
        )
        made.physical_ids["AnalyticsDBMasterPassword"] = self.secret(
            account_id, f"/{stack}/analytics/master-password-0", password, region
        )

    def vault_of(self, made: Stack) -> str:
        """Return the ARN of the backup vault of a stack."""
        partition = backends.partition_of(made.region)
        name = made.physical_ids["BackupVault"]
        return f"arn:{partition}:backup:{made.region}:{made.account}:backup-vault:{name}"

    def secret(self, account_id: str, name: str, value: str, region: str = REGION) -> str:
        """Create a secret of Secrets Manager; return its ARN."""
        self._simulator.account(account_id)
        backend = get_backend("secretsmanager")[account_id][region]
        secret, _ = backend._add_secret(name, secret_string=value)  # noqa: SLF001 - returns more
        return str(secret.arn)

    def parameter(
        self,
        account_id: str,
        name: str,
        value: str,
        region: str = REGION,
        *,
        secure: bool = True,
    ) -> None:
        """Create a parameter of Parameter Store, of type SecureString or String."""
        self._simulator.account(account_id)
        kind = "SecureString" if secure else "String"
        backend: Any = get_backend("ssm")[account_id][region]
        backend.put_parameter(
            name=name,
            description=None,
            value=value,
            parameter_type=kind,
            allowed_pattern=None,
            keyid=None,
            overwrite=False,
            tags=[],
            data_type="text",
            tier="Standard",
            policies=None,
        )

    def lose(self, account_id: str) -> None:
        """Delete an account's buckets, volumes, recovery points, databases and stacks."""
        simulator = self._simulator
        for name in list(s3_backends[account_id]["aws"].buckets):
            del s3_backends[account_id]["aws"].buckets[name]
            del s3_backends.bucket_accounts[name]
            simulator.s3.replication.pop(name, None)
        for ec2 in list(ec2_backends[account_id].values()):
            ec2.volumes.clear()
        for key in list(simulator.backup.points):
            if Arn(key[0]).account_id == account_id:
                del simulator.backup.points[key]
        for vault in list(simulator.backup.automatic_copies):
            if Arn(vault).account_id == account_id:
                del simulator.backup.automatic_copies[vault]
        rds, stacks = simulator.rds, simulator.cloudformation
        rds.instances = [one for one in rds.instances if one.account != account_id]
        stacks.stacks = [one for one in stacks.stacks if one.account != account_id]

    def stack(
        self,
        account_id: str,
        name: str,
        url: str,
        region: str = REGION,
        **parameters: str,
    ) -> Stack:
        """Create a complete stack from one of the vendor's templates."""
        self._simulator.account(account_id)
        self.templates()
        return self._simulator.cloudformation.add(
            account_id, region, name, templates.BY_URL[url], parameters
        )

    def templates(self) -> None:
        """Publish the vendor's templates."""
        self._simulator.cloudformation.templates.update(templates.BY_URL)

    def services_group(self, stack: Stack, instance: str = "i-0123456789abcdef0") -> Group:
        """Create the Auto Scaling group of a stack's services instance."""
        return self._simulator.autoscaling.add(
            stack.account,
            stack.region,
            stack.physical_ids["ServicesAutoScalingGroup"],
            instance,
            {
                "codeocean:deployment": stack.name,
                "aws:cloudformation:stack-name": stack.name,
                "aws:cloudformation:logical-id": "ServicesAutoScalingGroup",
            },
        )

    def organization(self) -> None:
        """Create an organization of the three accounts and their management account."""
        self._simulator.account(MANAGEMENT)
        self._simulator.organization.management = MANAGEMENT
        self._simulator.organization.members = {SOURCE, BACKUP, TARGET}


def _tags(stack: str) -> dict[str, str]:
    return {"codeocean:deployment": stack, "codeocean:protected": "true"}


def _replication_policy(source: FakeBucket, destination: FakeBucket) -> bytes:
    arn = f"arn:{destination.partition}:s3:::{destination.name}"
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{source.partition}:iam::{source.account_id}:root"},
        "Action": ["s3:GetBucketVersioning", "s3:PutBucketVersioning", "s3:Replicate*"],
        "Resource": [arn, f"{arn}/*"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}).encode()


def example_world(simulator: Simulator, objects_per_bucket: int = 25) -> World:
    """Build three deployments: source, backup and target, in the accounts of the example values.

    Each non-empty source bucket holds ``objects_per_bucket`` keys with one to three versions; some
    keys are deleted. For every fourth key, the newest version is not in the backup bucket yet.
    """
    world = World(simulator)
    source_role = world.role(SOURCE, "codeocean-S3BackupRole-1ABC", _REPLICATION_SERVICES)
    backup_role = world.role(BACKUP, "codeocean-backup-S3RestoreRole-1ABC", _REPLICATION_SERVICES)
    service_role = "AWSBackupDefaultServiceRole"
    world.role(BACKUP, service_role, ["backup.amazonaws.com"], "/service-role/")
    for kind in KINDS:
        source = world.bucket(SOURCE, f"codeocean-source-{kind}")
        backup = world.bucket(BACKUP, f"codeocean-backup-{kind}")
        target = world.bucket(TARGET, f"codeocean-target-{kind}")
        world.replication_rule(
            source, backup, rule_id="Backup", storage_class="GLACIER_IR", role=source_role
        )
        world.replication_rule(
            backup, target, rule_id="Restore", storage_class="STANDARD", role=backup_role
        )
        world.lifecycle(source, vendor_lifecycle(kind))
        if kind != "licenses":
            _fill(world, source, backup, objects_per_bucket, simulator.clock.now())
    _example_vaults(world, simulator)
    world.stack(
        BACKUP, "codeocean-backup", templates.BACKUP_URL, pSourceAccountId=SOURCE
    ).physical_ids["BackupVault"] = "codeocean-backup-v1"
    _name_buckets(simulator)
    world.organization()
    simulator.cloudformation.create = world.resource
    return world


def _name_buckets(simulator: Simulator) -> None:
    """Assign the buckets of the example to the stacks."""
    for account, word in ((SOURCE, "source"), (BACKUP, "backup"), (TARGET, "target")):
        (stack,) = (one for one in simulator.cloudformation.stacks if one.account == account)
        for name in stack.physical_ids:
            kind = name[len("S3") : -len("Bucket")].lower()
            if kind in KINDS:
                stack.physical_ids[name] = f"codeocean-{word}-{kind}"


_REPLICATION_SERVICES = ("s3.amazonaws.com", "batchoperations.s3.amazonaws.com")


def _fill(
    world: World, source: FakeBucket, backup: FakeBucket, objects: int, now: datetime
) -> None:
    for number in range(objects):
        key = f"data/{number:05}"
        unsaved = number % 4 == 0
        versions = 1 + number % _VERSIONS
        for age in range(versions, 0, -1):
            modified = now - timedelta(days=age, minutes=number)
            new = unsaved and age == 1
            content = f"{key} version {age}".encode()
            status = None if new else "COMPLETED"
            version = world.version(source, key, content=content, modified=modified, status=status)
            if not new:
                world.version(
                    backup,
                    key,
                    content=content,
                    version_id=version.version_id,
                    modified=modified,
                    status="REPLICA",
                    storage_class="GLACIER_IR",
                )
        if not unsaved and number % 5 == 0:
            modified = now - timedelta(hours=12)
            marker = world.delete_marker(source, key, modified=modified, status="COMPLETED")
            world.delete_marker(
                backup, key, version_id=marker.version_id, modified=modified, status="REPLICA"
            )


def vendor_lifecycle(kind: str) -> list[dict[str, Any]]:
    """Return the lifecycle rules of a bucket in the vendor's template 3.8.2."""
    rule: dict[str, Any] = {
        "ID": "Retention",
        "Filter": {"Prefix": ""},
        "Status": "Enabled",
        "NoncurrentVersionExpiration": {"NoncurrentDays": _RETENTION_DAYS},
    }
    if kind not in _SHORT_LIVED:
        rule |= {
            "Expiration": {"ExpiredObjectDeleteMarker": True},
            "NoncurrentVersionExpiration": {"NoncurrentDays": _ARCHIVE_DAYS},
            "NoncurrentVersionTransitions": [
                {"NoncurrentDays": _RETENTION_DAYS, "StorageClass": "DEEP_ARCHIVE"}
            ],
            "Transitions": [{"Days": 14, "StorageClass": "INTELLIGENT_TIERING"}],
        }
    return [rule]


def _example_vaults(world: World, simulator: Simulator) -> None:
    vault = "codeocean-backup-v1"
    backup = world.vault(BACKUP, vault, copied_from=SOURCE)
    world.deployment(SOURCE, copies_to=backup)
    world.deployment(TARGET)
    midnight = simulator.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday = midnight - timedelta(days=1)
    points = (
        ("EBS", EBS_POINT, timedelta(hours=4), f"ec2:{REGION}:{SOURCE}:volume/vol-{'0' * 17}"),
        ("RDS", RDS_POINT, timedelta(hours=4, minutes=20), f"rds:{REGION}:{SOURCE}:db:codeocean"),
    )
    for resource_type, arn, time, resource in points:
        simulator.backup.add_recovery_point(
            BACKUP,
            REGION,
            vault,
            resource_type,
            yesterday + time,
            arn=arn,
            resource_arn=f"arn:aws:{resource}",
            encryption_key_arn=f"arn:aws:kms:{REGION}:{BACKUP}:key/{vault}",
        )
