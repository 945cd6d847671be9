"""Rules about the deployment file alone; they need no account."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from codeocean_cmdgen import vendor
from codeocean_cmdgen.arguments import KNOWN
from codeocean_cmdgen.check.rule import CHOOSE_POINTS, EDIT, WARNING, rule
from codeocean_cmdgen.steps import (
    DbCopyIn,
    DbDelete,
    DbRestore,
    OnDemandBackup,
    S3BatchReplication,
    S3PointInTime,
    SnapshotCopy,
    StackCreate,
    StackParameters,
    VolumeCopyIn,
    VolumeDelete,
    VolumeRelease,
)
from codeocean_cmdgen.values import (
    Arn,
    Instant,
    RdsSnapshotArn,
    SecretId,
    StackParameter,
    VaultArn,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.check.facts import Deployment, Facts

_SET_UP = {
    "source": ("backup-destination", "migration-destination"),
    "backup": ("restore-destination",),
}
"""Table -> the presets that set where its data is copied to."""

_FAST_CLASSES = ("GLACIER_IR", "STANDARD")
_SHORTEST_DAYS = 2
_DISCOVER = "codeocean-cmdgen discover {0} --values {file}"
_BACKUP_GUIDE = "https://docs.aws.amazon.com/aws-backup/latest/devguide/"
_COPIES = f"{_BACKUP_GUIDE}recov-point-create-a-copy.html"
_ACCOUNTS = f"{_BACKUP_GUIDE}create-cross-account-backup.html"
_ARNS = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html"
_REPLICATION = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication.html"


def the_file(facts: Facts) -> list[tuple[Facts]]:
    """Return all facts as the only subject."""
    return [(facts,)]


def both_deployments(facts: Facts) -> list[tuple[Deployment]]:
    """Return the deployments that data is copied from and to, one by one."""
    return [(one,) for one in facts.route]


def route(facts: Facts) -> list[tuple[Deployment, Deployment]]:
    """Return the deployments that data is copied from and to, as a pair."""
    return [facts.route]


def _origin(facts: Facts) -> list[tuple[Deployment, Facts]]:
    return [(facts.route[0], facts)]


def _target(facts: Facts) -> list[tuple[Deployment]]:
    return [(facts.target,)]


def _with_jobs(facts: Facts) -> list[tuple[Deployment, Facts]]:
    return [(one, facts) for one in facts.route]


@rule(
    "F01",
    each=both_deployments,
    live=False,
    why="each script is generated for one account and Region, and refuses to run elsewhere",
    source="README, Use it",
    fix=_DISCOVER,
)
def place_is_given(deployment: Deployment) -> Iterator[str]:
    """The file gives the account and Region of each deployment."""
    for name in ("account_id", "region"):
        if not deployment.text(name):
            yield f"[{deployment}] has no {name}"


@rule(
    "F02",
    each=route,
    live=False,
    why="AWS copies neither recovery points nor replicas to another partition",
    source=_ARNS,
    fix=EDIT,
)
def same_partition(origin: Deployment, destination: Deployment) -> Iterator[str]:
    """The deployments are in one partition."""
    if origin.partition and destination.partition and origin.partition != destination.partition:
        yield (
            f"[{origin}] is in {origin.partition}, but [{destination}] is in "
            f"{destination.partition}: Regions {origin.region} and {destination.region}"
        )


@rule(
    "F03",
    each=both_deployments,
    live=False,
    level=WARNING,
    why="the vendor's image exists only in some Regions; elsewhere the stack needs a custom image",
    source=f"{vendor.TEMPLATE}, Mappings",
    fix=EDIT,
)
def region_of_the_vendor(deployment: Deployment) -> Iterator[str]:
    """The vendor's image exists in the Region."""
    region = deployment.region
    if deployment.role != "backup" and region and region not in vendor.IMAGE_REGIONS:
        yield f"[{deployment}] is in {region}: set the stack parameter {vendor.IMAGE}"


@rule(
    "F04",
    each=route,
    live=False,
    level=WARNING,
    procedures=("backup",),
    why="the backup would be lost together with the source's account or Region",
    source=vendor.GUIDE,
    fix=EDIT,
)
def backup_is_elsewhere(origin: Deployment, destination: Deployment) -> Iterator[str]:
    """The backup is in another account or Region than the source."""
    if _place(origin) == _place(destination) and all(_place(origin)):
        yield f"[{origin}] and [{destination}] are both in {' '.join(_place(origin))}"


@rule(
    "F05",
    each=the_file,
    live=False,
    procedures=("restore", "migration"),
    why="the scripts would overwrite the data volume, the database and the buckets of the source",
    source=vendor.GUIDE,
    fix=EDIT,
)
def target_is_new(facts: Facts) -> Iterator[str]:
    """Source and target are different deployments."""
    source, target = facts.source, facts.target
    for name in ("stack_name", "data_volume_id", "db_instance_id"):
        same = source.text(name) == target.text(name) != ""
        if same and _place(source) == _place(target):
            yield (
                f"[source] and [target] have the same {name} {target.text(name)} in the same "
                "account and Region"
            )


def _place(deployment: Deployment) -> tuple[str, str]:
    return deployment.account_id, deployment.region


@rule(
    "F06",
    each=both_deployments,
    live=False,
    why="a partition has no resources with ARNs of another partition",
    source=_ARNS,
    fix=EDIT,
)
def arns_in_partition(deployment: Deployment) -> Iterator[str]:
    """Every ARN is in the partition of its deployment's Region."""
    for content in deployment.file.tables_of(deployment.role).values():
        for name, texts in content.items():
            if not issubclass(KNOWN[name].kind, Arn):
                continue
            for text in texts:
                partition = Arn(text).aws_partition
                if deployment.partition not in ("", partition):
                    yield f"{name} {text} of [{deployment}] is in partition {partition}"


@rule(
    "F07",
    each=_with_jobs,
    live=False,
    why="a service assumes only roles of the account that its job runs in",
    source="https://docs.aws.amazon.com/aws-backup/latest/devguide/iam-service-roles.html",
    fix=EDIT,
)
def roles_in_account(deployment: Deployment, facts: Facts) -> Iterator[str]:
    """Each role belongs to the account that its step runs in."""
    for passed in facts.passed_roles(deployment):
        if deployment.account_id not in ("", passed.role_arn.account_id):
            yield (
                f"{passed.step} uses {passed.role_arn}, but [{deployment}] is "
                f"{deployment.account_id}"
            )


@rule(
    "F08",
    each=route,
    live=False,
    why="the recovery points would be copied to a vault that later steps do not use",
    source=_ACCOUNTS,
    fix=EDIT,
)
def vault_of_the_destination(origin: Deployment, destination: Deployment) -> Iterator[str]:
    """The destination vault is the vault of the deployment that data is copied to."""
    step = SnapshotCopy if origin.role == "backup" else StackParameters
    named = origin.text("destination_vault_arn", step)
    if not named:
        return
    vault = VaultArn(named)
    if (vault.account_id, vault.region) != _place(destination):
        yield f"destination_vault_arn {named} is not in {' '.join(_place(destination))}"
    elif destination.vault not in ("", vault.name):
        yield (
            f"destination_vault_arn names vault {vault.name}, but [{destination}] has "
            f"{destination.vault}"
        )


@rule(
    "F09",
    each=both_deployments,
    live=False,
    why="two jobs would replicate the same bucket, at twice the cost",
    source=_REPLICATION,
    fix=EDIT,
)
def bucket_once(deployment: Deployment) -> Iterator[str]:
    """Each bucket is listed once."""
    for name in sorted({one for one in deployment.buckets if deployment.buckets.count(one) > 1}):
        yield f"{name} is listed {deployment.buckets.count(name)} times in [{deployment}]"


@rule(
    "F10",
    each=route,
    live=False,
    why="the bucket would be replicated to itself, and then restored to an earlier point in time",
    source=_REPLICATION,
    fix=EDIT,
)
def bucket_of_one(origin: Deployment, destination: Deployment) -> Iterator[str]:
    """No bucket belongs to two deployments."""
    for name in sorted({*origin.buckets} & {*destination.buckets}):
        yield f"{name} is listed in [{origin}] and in [{destination}]"


def _kinds_of_one(facts: Facts) -> Iterator[tuple[Deployment, Deployment, str]]:
    """Yield each kind of bucket that only one deployment has: which lacks it, and which has it."""
    origin, destination = facts.route
    if not origin.buckets or not destination.buckets:
        return  # F12 reports it
    for kind in vendor.REPLICATED_BUCKETS:
        if origin.kinds[kind] and not destination.kinds[kind]:
            yield destination, origin, kind
        elif destination.kinds[kind] and not origin.kinds[kind]:
            yield origin, destination, kind


@rule(
    "F11",
    each=_kinds_of_one,
    live=False,
    why="the content of a bucket without a counterpart is not replicated",
    source=f"{vendor.TEMPLATE}, {vendor.bucket_parameter('...')}",
    fix=_DISCOVER,
)
def every_bucket_has_its_pair(lacks: Deployment, has: Deployment, kind: str) -> Iterator[str]:
    """Each bucket has a counterpart of its kind."""
    yield f"[{has}] has a bucket for {kind}, {has.kinds[kind][0]}, but [{lacks}] has none"


@rule(
    "F12",
    each=both_deployments,
    live=False,
    level=WARNING,
    why="a bucket that the file does not name is not copied; older versions have fewer buckets",
    source=f"{vendor.TEMPLATE}, the nine replicated buckets",
    fix=_DISCOVER,
)
def all_kinds_of_buckets(deployment: Deployment) -> Iterator[str]:
    """The file names all nine kinds of buckets."""
    missing = [kind for kind, found in deployment.kinds.items() if not found]
    if missing:
        yield f"[{deployment}] has no bucket for {', '.join(missing)}"


@rule(
    "F13",
    each=route,
    live=False,
    why="the rules would replicate to buckets that no restore uses, or that others own",
    source=vendor.GUIDE,
    fix=EDIT,
)
def destinations_are_the_others(origin: Deployment, destination: Deployment) -> Iterator[str]:
    """The destination buckets belong to the deployment that data is copied to."""
    named = origin.texts("destination_bucket_arn", StackParameters)
    known = destination.texts("bucket_arn")
    for arn in named if known else ():
        if arn not in known:
            yield f"destination_bucket_arn {arn} of [{origin}] is not a bucket of [{destination}]"


@rule(
    "F14",
    each=_origin,
    live=False,
    why="the preset of another procedure sets a different storage class and destination",
    source=f"{vendor.GUIDE}: GLACIER_IR for backup, STANDARD for migration",
    fix=EDIT,
)
def preset_of_the_procedure(origin: Deployment, facts: Facts) -> Iterator[str]:
    """The preset of stack-parameters belongs to the procedure."""
    preset = origin.text("preset", StackParameters)
    wanted = "restore-destination" if origin.role == "backup" else f"{facts.procedure}-destination"
    if preset in _SET_UP[origin.role] and preset != wanted:
        yield (
            f"[{origin}.stack-parameters] has preset {preset}, but {facts.procedure} needs {wanted}"
        )


@rule(
    "F15",
    each=_target,
    live=False,
    procedures=("restore", "migration"),
    why="copies in the new vault would immediately be copied back",
    source=f"{vendor.TEMPLATE}, CopyJobEventRule",
    fix=EDIT,
)
def target_is_created_without_destinations(target: Deployment) -> Iterator[str]:
    """No parameter set on the target names a destination for its backups."""
    for step in (StackCreate, StackParameters):
        for text in target.texts("set", step):
            parameter = StackParameter(text)
            if parameter.key.startswith(f"{vendor.DESTINATION}Vault") and parameter.value not in (
                "",
                "no",
            ):
                yield f"[target.{step.name}] sets {parameter.key} to {parameter.value}"


@rule(
    "F16",
    each=_origin,
    live=False,
    why="a restore is impossible: Batch Replication cannot read Glacier Flexible Retrieval or "
    "Deep Archive",
    source="https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-batch.html",
    fix=EDIT,
)
def replicas_stay_readable(origin: Deployment, _: Facts) -> Iterator[str]:
    """A restore can read the storage class of the replicas."""
    for text in origin.texts("set", StackParameters):
        parameter = StackParameter(text)
        if (
            parameter.key == vendor.DESTINATION_STORAGE_CLASS
            and parameter.value not in _FAST_CLASSES
        ):
            yield f"[{origin}.stack-parameters] sets {parameter.key} to {parameter.value}"


@rule(
    "F17",
    each=the_file,
    live=False,
    procedures=("restore", "migration"),
    why="the target's vault accepts copies only from the restore source",
    source=f"{vendor.TEMPLATE}, {vendor.RESTORE_SOURCE}",
    fix=EDIT,
)
def restore_source_is_the_origin(facts: Facts) -> Iterator[str]:
    """The restore source is the account that recovery points come from."""
    origin, target = facts.route
    named = target.text("restore_source_account_id", StackParameters)
    if named and origin.account_id not in ("", named):
        yield f"restore_source_account_id is {named}, but [{origin}] is {origin.account_id}"


@rule(
    "F18",
    each=lambda facts: [(facts.deployments["backup"],)],
    live=False,
    procedures=("restore",),
    why="a recovery point is in the account and Region of its vault, so these are in another vault",
    source="https://docs.aws.amazon.com/aws-backup/latest/devguide/access-control.html",
    fix=CHOOSE_POINTS,
    fix_in="backup",
)
def points_where_the_vault_is(backup: Deployment) -> Iterator[str]:
    """The recovery points are where the backup vault is."""
    for name in ("ebs_snapshot_arn", "rds_snapshot_arn"):
        text = backup.text(name, SnapshotCopy)
        if not text or not backup.region:
            continue
        arn = Arn(text)
        if arn.region != backup.region or arn.account_id not in ("", backup.account_id):
            yield f"{name} {text} is not in {' '.join(_place(backup))}"


@rule(
    "F19",
    each=lambda facts: [(facts.deployments["backup"], facts)],
    live=False,
    procedures=("restore",),
    why="the original backup is encrypted with the database's AWS managed key, which no other "
    "account can use",
    source="https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html",
    fix=CHOOSE_POINTS,
    fix_in="backup",
)
def point_is_a_copy(backup: Deployment, facts: Facts) -> Iterator[str]:
    """The RDS recovery point is a copy, encrypted with the key of its vault."""
    text = backup.text("rds_snapshot_arn", SnapshotCopy)
    if facts.elsewhere and text and not RdsSnapshotArn(text).is_copy:
        yield f"rds_snapshot_arn {text} was created by a backup job, not by a copy job"


@rule(
    "F20",
    each=the_file,
    live=False,
    procedures=("restore",),
    why="the buckets would keep objects newer than the backup, or lose older ones",
    source="README, Restoring buckets to a point in time",
    fix=EDIT,
)
def times_in_order(facts: Facts) -> Iterator[str]:
    """The point in time to restore is before the end of replication, and both are in the past."""
    moments = {
        name: Instant(text).moment
        for name in ("at", "until")
        if (text := facts.target.text(name, S3PointInTime))
    }
    for name, moment in moments.items():
        if moment > facts.now + timedelta(minutes=5):
            yield f"{name} {moment.isoformat()} is in the future"
    if len(moments) == 2 and moments["at"] >= moments["until"]:  # noqa: PLR2004 - both
        yield f"at {moments['at'].isoformat()} is not before until {moments['until'].isoformat()}"


@rule(
    "F21",
    each=_target,
    live=False,
    level=WARNING,
    procedures=("restore", "migration"),
    why="the temporary database would get another deployment's master password",
    source=f"{vendor.TEMPLATE}, {vendor.DATABASE_PASSWORD}",
    fix=EDIT,
)
def secret_of_the_stack(target: Deployment) -> Iterator[str]:
    """The secret of the master password belongs to the target's stack."""
    secret, stack = (
        target.text("master_password_secret_id", DbRestore),
        target.text("stack_name"),
    )
    if secret and stack and not SecretId(secret).name.startswith(f"/{stack}/"):
        yield f"master_password_secret_id {secret} does not begin with /{stack}/"


@rule(
    "F22",
    each=_target,
    live=False,
    procedures=("restore", "migration"),
    why="the database would be copied onto itself, or deleted instead of the temporary one",
    source=vendor.GUIDE,
    fix=EDIT,
)
def databases_are_two(target: Deployment) -> Iterator[str]:
    """The temporary database is not the deployment's own."""
    for one, other in (("from_host", "to_host"), ("temporary_db_instance_id", "db_instance_id")):
        for step in (DbCopyIn, DbRestore, DbDelete):
            value = target.text(one, step)
            if value and value == target.text(other, step):
                yield f"{one} and {other} of [target] are both {value}"
                break


@rule(
    "F23",
    each=_target,
    live=False,
    procedures=("restore", "migration"),
    why="the live data volume would be copied onto itself, or deleted",
    source=vendor.GUIDE,
    fix=EDIT,
)
def volumes_are_two(target: Deployment) -> Iterator[str]:
    """The restored volume is not the data volume."""
    for step in (VolumeCopyIn, VolumeRelease, VolumeDelete):
        value = target.text("restored_volume_id", step)
        if value and value == target.text("data_volume_id", step):
            yield f"restored_volume_id and data_volume_id of [target] are both {value}"
            return


@rule(
    "F24",
    each=_origin,
    live=False,
    level=WARNING,
    why="a backup that is kept for a day may expire before it is copied and restored",
    source=_COPIES,
    fix=EDIT,
)
def kept_long_enough(origin: Deployment, _: Facts) -> Iterator[str]:
    """Recovery points are kept longer than a restore takes."""
    for step in (OnDemandBackup, SnapshotCopy):
        days = origin.text("retention_days", step)
        if days and int(days) < _SHORTEST_DAYS:
            yield f"{step.name} of [{origin}] keeps recovery points for only {days} day"


@rule(
    "F25",
    each=_origin,
    live=False,
    level=WARNING,
    why="a job for missing objects skips replicas, and a backup bucket holds nothing else",
    source="https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-batch.html",
    procedures=("restore",),
    fix=EDIT,
)
def replicas_are_taken_along(origin: Deployment, _: Facts) -> Iterator[str]:
    """The restore replicates replicas too."""
    if origin.text("only_missing", S3BatchReplication) == "yes":
        yield f"[{origin}] sets only_missing, which leaves out replicas"


@rule(
    "F26",
    each=_target,
    live=False,
    procedures=("restore", "migration"),
    why="another version cannot read the data: the versions must be the same",
    source=f"{vendor.GUIDE}: make sure to use the same version",
    fix=EDIT,
)
def one_template(target: Deployment) -> Iterator[str]:
    """The target uses one version of the template."""
    urls = {
        url for step in (StackCreate, StackParameters) if (url := target.text("template_url", step))
    }
    if len(urls) > 1:
        yield f"[target] names {len(urls)} templates: {', '.join(sorted(urls))}"
