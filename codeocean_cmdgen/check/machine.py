"""Rules about data volumes, databases and services instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen import vendor
from codeocean_cmdgen.check.rule import WARNING, rule
from codeocean_cmdgen.check.vault import point_names
from codeocean_cmdgen.steps import DbRestore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.check.facts import Deployment, Facts

_DISCOVER = "codeocean-cmdgen discover {0} --values {file}"
_UPGRADES = (
    "aws rds describe-db-engine-versions --engine postgres "
    "--engine-version {0.database[EngineVersion]} --region {0.region} "
    "--query 'DBEngineVersions[].ValidUpgradeTarget[].EngineVersion'"
)
_UPGRADE = (
    "This lists the versions to which the target's database can be upgraded: aws rds "
    "modify-db-instance, with --engine-version and --allow-major-version-upgrade. It cannot be "
    "downgraded."
)
_POSTGRES = "https://www.postgresql.org/docs/15/app-pgdump.html"


def _with_machines(facts: Facts) -> list[tuple[Deployment]]:
    """Return the deployments with a volume and a database; a backup stack has neither."""
    return [(one,) for one in facts.route if one.role != "backup"]


def _target(facts: Facts) -> list[tuple[Deployment]]:
    return [(facts.target,)]


def _restored(facts: Facts) -> list[tuple[Deployment, Deployment]]:
    """Return the target, and the backup that it is restored from."""
    return [(facts.target, facts.deployments["backup"])]


def _moved(facts: Facts) -> list[tuple[Deployment, Deployment]]:
    return [(facts.target, facts.source)]


def _restore_metadata(backup: Deployment, kind: str) -> dict[str, str]:
    """Return a recovery point's metadata, which describes the backed-up resource."""
    arn = point_names(backup).get(kind, "")
    answer = backup.answer("GetRecoveryPointRestoreMetadata", arn)
    found: dict[str, str] = answer["RestoreMetadata"] if answer else {}
    return found


def _major(version: str) -> str:
    return version.partition(".")[0]


@rule(
    "M01",
    each=_with_machines,
    why="there is no volume to back up or to copy into",
    source=f"{vendor.TEMPLATE}, {vendor.DATA_VOLUME}",
    fix=_DISCOVER,
)
def volume_exists(deployment: Deployment) -> Iterator[str]:
    """The data volume exists."""
    if not deployment.data_volume:
        yield f"volume {deployment.text('data_volume_id')} of [{deployment}] does not exist"


@rule(
    "M02",
    each=_with_machines,
    why="the scripts refuse a volume without the deployment's tag: another may own it",
    source=f"{vendor.TEMPLATE}, tag {vendor.DEPLOYMENT_TAG}",
    fix=_DISCOVER,
)
def volume_is_of_the_deployment(deployment: Deployment) -> Iterator[str]:
    """The data volume belongs to the stack."""
    volume = deployment.data_volume
    tags = {tag["Key"]: tag["Value"] for tag in volume.get("Tags", [])}
    stack, found = deployment.text("stack_name"), tags.get(vendor.DEPLOYMENT_TAG, "none")
    if volume and stack and found != stack:
        yield (
            f"{volume['VolumeId']} of [{deployment}] is tagged for deployment {found}, not for "
            f"{stack}"
        )


@rule(
    "M03",
    each=_target,
    procedures=("restore", "migration"),
    why="a volume cannot be attached in another Availability Zone",
    source="https://docs.aws.amazon.com/ebs/latest/userguide/ebs-attaching-volume.html",
    fix="codeocean-cmdgen stack-parameters --from target --values {file} "
    f"--set {vendor.AVAILABILITY_ZONE}={{0.data_volume[AvailabilityZone]}}",
)
def volume_in_the_zone(target: Deployment) -> Iterator[str]:
    """The data volume is in the Availability Zone of the services instance."""
    volume = target.data_volume
    zones = {one["AvailabilityZone"] for one in target.services_group.get("Instances", [])}
    if volume and zones and volume["AvailabilityZone"] not in zones:
        yield (
            f"{volume['VolumeId']} is in {volume['AvailabilityZone']}, but the services instance "
            f"is in {', '.join(sorted(zones))}"
        )


def _volume_sizes(facts: Facts) -> Iterator[tuple[Deployment, int]]:
    """Yield the target, if it has a data volume, and the size in GiB that was backed up."""
    if facts.target.data_volume:
        metadata = _restore_metadata(facts.deployments["backup"], "EBS")
        yield facts.target, int(metadata.get("volumeSize", 0))


@rule(
    "M04",
    each=_volume_sizes,
    procedures=("restore",),
    why="the data may not fit: the copy would stop halfway",
    source=vendor.GUIDE,
    fix="aws ec2 modify-volume --volume-id {0.data_volume[VolumeId]} --size {1} "
    "--region {0.region}",
    advice="Then grow the file system on the services instance with xfs_growfs.",
)
def volume_is_large_enough(target: Deployment, size: int) -> Iterator[str]:
    """The data volume is at least as large as the volume that was backed up."""
    volume = target.data_volume
    if volume["Size"] < size:
        yield (
            f"{volume['VolumeId']} has {volume['Size']} GiB, but the backed-up volume had {size} "
            "GiB"
        )


@rule(
    "M05",
    each=_with_machines,
    why="there is no database to back up or to copy into",
    source=f"{vendor.TEMPLATE}, {vendor.DATABASE}",
    fix=_DISCOVER,
)
def database_exists(deployment: Deployment) -> Iterator[str]:
    """The analytics database exists."""
    if not deployment.database:
        yield f"database {deployment.text('db_instance_id')} of [{deployment}] does not exist"


@rule(
    "M06",
    each=_with_machines,
    why="RDS refuses to back up or modify a database that is not available",
    source="https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html",
    fix="aws rds describe-events --source-type db-instance "
    "--source-identifier {0.database[DBInstanceIdentifier]} --duration 1440 --region {0.region}",
    advice="Wait until it is available, or fix the problem that its events of the last day show.",
)
def database_is_available(deployment: Deployment) -> Iterator[str]:
    """The analytics database is available."""
    database = deployment.database
    status = database.get("DBInstanceStatus", "available")
    if status not in ("available", "backing-up", "storage-optimization"):
        yield f"{database['DBInstanceIdentifier']} of [{deployment}] is {status}"


@rule(
    "M07",
    each=_restored,
    procedures=("restore",),
    why="an older server cannot read a dump of a newer one",
    source=_POSTGRES,
    fix=_UPGRADES,
    advice=_UPGRADE,
)
def postgres_of_the_backup(target: Deployment, backup: Deployment) -> Iterator[str]:
    """The target's PostgreSQL has the same major version as the recovery point."""
    its = target.database.get("EngineVersion", "")
    metadata = _restore_metadata(backup, "RDS") if its else {}
    was = next((metadata[key] for key in metadata if key.endswith("EngineVersion")), "")
    if its and was and _major(its) != _major(was):
        yield f"the target has PostgreSQL {its}, but the recovery point has {was}"


@rule(
    "M08",
    each=_moved,
    procedures=("migration",),
    why="an older server cannot read a dump of a newer one",
    source=_POSTGRES,
    fix=_UPGRADES,
    advice=_UPGRADE,
)
def postgres_of_the_source(target: Deployment, source: Deployment) -> Iterator[str]:
    """The target's PostgreSQL has the same major version as the source's."""
    its, was = (one.database.get("EngineVersion", "") for one in (target, source))
    if its and was and _major(its) != _major(was):
        yield f"the target has PostgreSQL {its}, but the source has {was}"


@rule(
    "M09",
    each=_target,
    level=WARNING,
    procedures=("restore", "migration"),
    why="it holds the data of an earlier run, and a new --run cannot create its own",
    source=vendor.GUIDE,
    fix="codeocean-cmdgen db-delete --values {file}",
    advice="Delete it only if no run still needs it. The script asks for confirmation.",
)
def no_temporary_database(target: Deployment) -> Iterator[str]:
    """No temporary database is left from an earlier restore."""
    temporary = target.file.temporary_database
    if target.answer("DescribeDBInstances", temporary):
        yield f"database {temporary} already exists"


@rule(
    "M10",
    each=_target,
    procedures=("restore", "migration"),
    why="the temporary database cannot be given the master password",
    source=f"{vendor.TEMPLATE}, {vendor.DATABASE_PASSWORD}",
    fix="aws secretsmanager list-secrets --region {0.region}",
    advice="Correct master_password_secret_id in the deployment file.",
)
def secret_exists(target: Deployment) -> Iterator[str]:
    """The secret of the master password exists."""
    secret = target.text("master_password_secret_id", DbRestore)
    if secret and target.answer("DescribeSecret", secret) is None:
        yield f"secret {secret} of [target] does not exist"


@rule(
    "M11",
    each=_target,
    procedures=("restore", "migration"),
    why="the steps on the services instance cannot run",
    source=f"{vendor.TEMPLATE}, {vendor.SERVICES_GROUP}",
    fix="aws autoscaling describe-scaling-activities --region {0.region} "
    "--auto-scaling-group-name {0.services_group[AutoScalingGroupName]}",
    advice="Wait until one instance is in service. The activities show why none started.",
)
def instance_runs(target: Deployment) -> Iterator[str]:
    """Exactly one services instance is in service."""
    group = target.services_group
    serving = [
        one for one in group.get("Instances", []) if one.get("LifecycleState") == "InService"
    ]
    if group and len(serving) != 1:
        yield f"{len(serving)} instances of {group['AutoScalingGroupName']} are in service"


@rule(
    "M12",
    each=_moved,
    level=WARNING,
    procedures=("migration",),
    why="the database may not fit, and its storage grows only up to a limit",
    source=f"{vendor.TEMPLATE}, {vendor.DATABASE_STORAGE_LIMIT}",
    fix="codeocean-cmdgen stack-parameters --from target --values {file} "
    f"--set {vendor.DATABASE_STORAGE}={{1.database[AllocatedStorage]}}",
)
def database_is_large_enough(target: Deployment, source: Deployment) -> Iterator[str]:
    """The target's database has at least as much storage as the source's."""
    its, was = (one.database.get("AllocatedStorage", 0) for one in (target, source))
    if its and its < was:
        yield f"the target's database has {its} GiB, but the source's has {was} GiB"
