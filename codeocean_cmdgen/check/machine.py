"""Rules about data volumes, databases and services instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codeocean_cmdgen.check.rule import WARNING, rule
from codeocean_cmdgen.check.vault import point_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.check.facts import Deployment, Facts

TEMPORARY_DB = "tmp-codeocean-restore"
"""The temporary database instance, where the file names no other. Source: the vendor's guide."""

GROUP = "ServicesAutoScalingGroup"
_GUIDE = "the vendor's guide, Backup and restore"
_TEMPLATE = "the vendor's template 3.8.2, codeocean.template.yaml"
_DISCOVER = "codeocean-cmdgen discover {0} --values {file}"
_POSTGRES = "https://www.postgresql.org/docs/15/app-pgdump.html"


def _with_machines(facts: Facts) -> list[tuple[Deployment]]:
    """Give the deployments of the route that have volume and database; a backup stack has none."""
    return [(one,) for one in facts.route if one.role != "backup"]


def _target(facts: Facts) -> list[tuple[Deployment]]:
    return [(facts.target,)]


def _restored(facts: Facts) -> list[tuple[Deployment, Deployment]]:
    """Give the target, and the backup that it is restored from."""
    return [(facts.target, facts.deployments["backup"])]


def _moved(facts: Facts) -> list[tuple[Deployment, Deployment]]:
    return [(facts.target, facts.source)]


def temporary_db(deployment: Deployment) -> str:
    """Return the name of the temporary database instance."""
    return deployment.value("temporary_db_instance_id", "db-restore") or TEMPORARY_DB


def _volume(deployment: Deployment) -> dict[str, Any]:
    """Return the data volume; an empty one where there is none, which M01 tells."""
    answer = deployment.answer("DescribeVolumes", deployment.value("data_volume_id"))
    found: dict[str, Any] = answer["Volumes"][0] if answer and answer["Volumes"] else {}
    return found


def _database(deployment: Deployment) -> dict[str, Any]:
    """Return the database; an empty one where there is none, which M05 tells."""
    answer = deployment.answer("DescribeDBInstances", deployment.value("db_instance_id"))
    found: dict[str, Any] = answer["DBInstances"][0] if answer else {}
    return found


def _group(deployment: Deployment) -> dict[str, Any]:
    answer = deployment.answer("DescribeAutoScalingGroups")
    groups = answer["AutoScalingGroups"] if answer else []
    found: dict[str, Any] = groups[0] if groups else {}
    return found


def _was(backup: Deployment, kind: str) -> dict[str, str]:
    """Return what a recovery point says of what it was made of."""
    arn = point_names(backup).get(kind, "")
    answer = backup.answer("GetRecoveryPointRestoreMetadata", arn)
    found: dict[str, str] = answer["RestoreMetadata"] if answer else {}
    return found


def _major(version: str) -> str:
    return version.partition(".")[0]


@rule(
    "M01",
    each=_with_machines,
    why="there is nothing to back up, or to copy into",
    source=f"{_TEMPLATE}, DataVolume",
    mend=_DISCOVER,
)
def volume_exists(deployment: Deployment) -> Iterator[str]:
    """The data volume exists."""
    if not _volume(deployment):
        yield f"there is no volume {deployment.value('data_volume_id')} of [{deployment}]"


@rule(
    "M02",
    each=_with_machines,
    why="each script refuses a volume that does not carry the deployment's tag: it is another's",
    source=f"{_TEMPLATE}, tag codeocean:deployment",
    mend=_DISCOVER,
)
def volume_is_of_the_deployment(deployment: Deployment) -> Iterator[str]:
    """The data volume belongs to the stack."""
    volume = _volume(deployment)
    tags = {tag["Key"]: tag["Value"] for tag in volume.get("Tags", [])}
    stack, found = deployment.value("stack_name"), tags.get("codeocean:deployment", "none")
    if volume and stack and found != stack:
        yield f"{volume['VolumeId']} of [{deployment}] is of deployment {found}, not of {stack}"


@rule(
    "M03",
    each=_target,
    procedures=("restore", "migration"),
    why="a volume cannot be attached in another Availability Zone",
    source="https://docs.aws.amazon.com/ebs/latest/userguide/ebs-attaching-volume.html",
    mend="codeocean-cmdgen stack-parameters --from target --values {file} "
    "--set pAvailabilityZone1=ZONE",
)
def volume_in_the_zone(target: Deployment) -> Iterator[str]:
    """The data volume is in the Availability Zone of the services instance."""
    volume = _volume(target)
    zones = {one["AvailabilityZone"] for one in _group(target).get("Instances", [])}
    if volume and zones and volume["AvailabilityZone"] not in zones:
        yield (
            f"{volume['VolumeId']} is in {volume['AvailabilityZone']}, the services instance in "
            f"{', '.join(sorted(zones))}"
        )


@rule(
    "M04",
    each=_restored,
    procedures=("restore",),
    why="the data may not fit: the copy ends in the middle",
    source=_GUIDE,
    mend="aws ec2 modify-volume --volume-id ID --size GIB --region {0.region}, then xfs_growfs",
)
def volume_is_large_enough(target: Deployment, backup: Deployment) -> Iterator[str]:
    """The data volume is as large as the volume that was backed up."""
    volume = _volume(target)
    size = int(_was(backup, "EBS").get("volumeSize", 0)) if volume else 0
    if volume and volume["Size"] < size:
        yield f"{volume['VolumeId']} has {volume['Size']} GiB, the one backed up had {size}"


@rule(
    "M05",
    each=_with_machines,
    why="there is nothing to back up, or to copy into",
    source=f"{_TEMPLATE}, AnalyticsDBInstance",
    mend=_DISCOVER,
)
def database_exists(deployment: Deployment) -> Iterator[str]:
    """The analytics database exists."""
    if not _database(deployment):
        yield f"there is no database {deployment.value('db_instance_id')} of [{deployment}]"


@rule(
    "M06",
    each=_with_machines,
    why="RDS refuses to back up or to change a database that is not available",
    source="https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html",
    mend="aws rds describe-events --source-type db-instance --region {0.region}",
)
def database_is_available(deployment: Deployment) -> Iterator[str]:
    """The analytics database is available."""
    database = _database(deployment)
    status = database.get("DBInstanceStatus", "available")
    if status not in ("available", "backing-up", "storage-optimization"):
        yield f"{database['DBInstanceIdentifier']} of [{deployment}] is {status}"


@rule(
    "M07",
    each=_restored,
    procedures=("restore",),
    why="an older server does not read what pg_dump of a newer one wrote",
    source=_POSTGRES,
    mend="aws rds modify-db-instance --db-instance-identifier ID --engine-version VERSION "
    "--allow-major-version-upgrade --region {0.region}",
)
def postgres_of_the_backup(target: Deployment, backup: Deployment) -> Iterator[str]:
    """PostgreSQL of the target has the major version of the recovery point."""
    its = _database(target).get("EngineVersion", "")
    metadata = _was(backup, "RDS") if its else {}
    was = next((metadata[key] for key in metadata if key.endswith("EngineVersion")), "")
    if its and was and _major(its) != _major(was):
        yield f"the target has PostgreSQL {its}, the recovery point {was}"


@rule(
    "M08",
    each=_moved,
    procedures=("migration",),
    why="an older server does not read what pg_dump of a newer one wrote",
    source=_POSTGRES,
    mend="aws rds modify-db-instance --db-instance-identifier ID --engine-version VERSION "
    "--allow-major-version-upgrade --region {0.region}",
)
def postgres_of_the_source(target: Deployment, source: Deployment) -> Iterator[str]:
    """PostgreSQL of the target has the major version of the source's."""
    its, was = (_database(one).get("EngineVersion", "") for one in (target, source))
    if its and was and _major(its) != _major(was):
        yield f"the target has PostgreSQL {its}, the source {was}"


@rule(
    "M09",
    each=_target,
    level=WARNING,
    procedures=("restore", "migration"),
    why="it is of an earlier round, and has its data: a new --run cannot make its own",
    source=_GUIDE,
    mend="codeocean-cmdgen db-delete --values {file}",
)
def no_temporary_database(target: Deployment) -> Iterator[str]:
    """No temporary database is left of an earlier restore."""
    if target.answer("DescribeDBInstances", temporary_db(target)):
        yield f"there is a database {temporary_db(target)} already"


@rule(
    "M10",
    each=_target,
    procedures=("restore", "migration"),
    why="the temporary database cannot be given the master password",
    source=f"{_TEMPLATE}, AnalyticsDBMasterPassword",
    mend="aws secretsmanager list-secrets --region {0.region}",
)
def secret_exists(target: Deployment) -> Iterator[str]:
    """The secret of the master password exists."""
    secret = target.value("master_password_secret_id", "db-restore")
    if secret and target.answer("DescribeSecret", secret) is None:
        yield f"there is no secret {secret} of [target]"


@rule(
    "M11",
    each=_target,
    procedures=("restore", "migration"),
    why="the steps on the services instance have nowhere to run",
    source=f"{_TEMPLATE}, ServicesAutoScalingGroup",
    mend="aws autoscaling describe-scaling-activities --region {0.region} "
    "--auto-scaling-group-name NAME",
)
def instance_runs(target: Deployment) -> Iterator[str]:
    """One services instance is in service."""
    group = _group(target)
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
    why="the database may not fit, and its storage grows only so far",
    source=f"{_TEMPLATE}, pRdsMaxAllocatedStorage",
    mend="codeocean-cmdgen stack-parameters --from target --values {file} "
    "--set pRdsAllocatedStorage=GIB",
)
def database_is_large_enough(target: Deployment, source: Deployment) -> Iterator[str]:
    """The target's database is as large as the source's."""
    its, was = (_database(one).get("AllocatedStorage", 0) for one in (target, source))
    if its and its < was:
        yield f"the target's database has {its} GiB, the source's {was}"
