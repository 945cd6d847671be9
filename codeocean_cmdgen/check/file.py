"""Rules about the values file alone; they need no account."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from codeocean_cmdgen.arguments import VOCABULARY
from codeocean_cmdgen.check.rule import WARNING, rule
from codeocean_cmdgen.values import (
    Arn,
    Instant,
    RdsSnapshotArn,
    SecretId,
    StackParameter,
    VaultArn,
)
from codeocean_cmdgen.vendor import DESTINATION, REPLICATED_BUCKETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.check.facts import Deployment, Facts

_SET_UP = {
    "source": ("backup-destination", "migration-destination"),
    "backup": ("restore-destination",),
}
"""Table -> the presets that say where its data goes."""

_VENDOR_REGIONS = (
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-2",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
)
_FAST_CLASSES = ("GLACIER_IR", "STANDARD")
_SHORTEST_DAYS = 2
_EDIT = "edit {file}"
_DISCOVER = "codeocean-cmdgen discover {0} --values {file}"
_TEMPLATE = "the vendor's template 3.8.2, codeocean.template.yaml"
_GUIDE = "the vendor's guide, Backup and restore"
_BACKUP_GUIDE = "https://docs.aws.amazon.com/aws-backup/latest/devguide/"
_COPIES = f"{_BACKUP_GUIDE}recov-point-create-a-copy.html"
_ACCOUNTS = f"{_BACKUP_GUIDE}create-cross-account-backup.html"
_ARNS = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html"
_REPLICATION = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication.html"


def the_file(facts: Facts) -> list[tuple[Facts]]:
    """Give all facts at once."""
    return [(facts,)]


def travellers(facts: Facts) -> list[tuple[Deployment]]:
    """Give the deployments that data travels from and to."""
    return [(one,) for one in facts.route]


def route(facts: Facts) -> list[tuple[Deployment, Deployment]]:
    """Give them as a pair."""
    return [facts.route]


def _origin(facts: Facts) -> list[tuple[Deployment, Facts]]:
    return [(facts.route[0], facts)]


def _target(facts: Facts) -> list[tuple[Deployment]]:
    return [(facts.target,)]


def _with_jobs(facts: Facts) -> list[tuple[Deployment, Facts]]:
    return [(one, facts) for one in facts.route]


@rule(
    "F01",
    each=travellers,
    live=False,
    why="each script is made for one account and Region, and refuses to run elsewhere",
    source="README, Use it",
    mend=_DISCOVER,
)
def place_is_given(deployment: Deployment) -> Iterator[str]:
    """The file says in which account and Region each deployment is."""
    for name in ("account_id", "region"):
        if not deployment.value(name):
            yield f"[{deployment}] has no {name}"


@rule(
    "F02",
    each=route,
    live=False,
    why="neither recovery points nor replicas cross from one partition of AWS into another",
    source=_ARNS,
    mend=_EDIT,
)
def same_partition(origin: Deployment, destination: Deployment) -> Iterator[str]:
    """The deployments are in one partition."""
    if origin.partition and destination.partition and origin.partition != destination.partition:
        yield (
            f"[{origin}] is in {origin.partition}, [{destination}] in {destination.partition}: "
            f"Regions {origin.region} and {destination.region}"
        )


@rule(
    "F03",
    each=travellers,
    live=False,
    level=WARNING,
    why="the vendor publishes its image in few Regions; elsewhere the stack wants a custom one",
    source=f"{_TEMPLATE}, Mappings",
    mend=_EDIT,
)
def region_of_the_vendor(deployment: Deployment) -> Iterator[str]:
    """The vendor's image exists in the Region."""
    if (
        deployment.role != "backup"
        and deployment.region
        and deployment.region not in _VENDOR_REGIONS
    ):
        yield f"[{deployment}] is in {deployment.region}: set the parameter pCustomAmi there"


@rule(
    "F04",
    each=route,
    live=False,
    level=WARNING,
    procedures=("backup",),
    why="what takes the account and the Region takes the backup with them",
    source=_GUIDE,
    mend=_EDIT,
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
    source=_GUIDE,
    mend=_EDIT,
)
def target_is_new(facts: Facts) -> Iterator[str]:
    """The target is another deployment than the source."""
    source, target = facts.source, facts.target
    for name in ("stack_name", "data_volume_id", "db_instance_id"):
        same = source.value(name) == target.value(name) != ""
        if same and _place(source) == _place(target):
            yield f"[source] and [target] have the same {name} {target.value(name)} in one place"


def _place(deployment: Deployment) -> tuple[str, str]:
    return deployment.account_id, deployment.region


@rule(
    "F06",
    each=travellers,
    live=False,
    why="an ARN of another partition names nothing there",
    source=_ARNS,
    mend=_EDIT,
)
def arns_in_partition(deployment: Deployment) -> Iterator[str]:
    """Every ARN is in the partition of its deployment's Region."""
    for content in deployment.tables.values():
        for name, texts in content.items():
            if not issubclass(VOCABULARY[name].kind, Arn):
                continue
            for text in texts:
                partition = Arn(text).aws_partition
                if deployment.partition not in ("", partition):
                    yield f"{name} {text} of [{deployment}] is in partition {partition}"


@rule(
    "F07",
    each=_with_jobs,
    live=False,
    why="a service assumes a role of the account that the job runs in, and no other",
    source="https://docs.aws.amazon.com/aws-backup/latest/devguide/iam-service-roles.html",
    mend=_EDIT,
)
def roles_in_account(deployment: Deployment, facts: Facts) -> Iterator[str]:
    """Each role is one of the account that its step runs in."""
    for job in facts.jobs(deployment):
        if deployment.account_id not in ("", job.role_arn.account_id):
            yield f"{job.step} takes {job.role_arn}, but [{deployment}] is {deployment.account_id}"


@rule(
    "F08",
    each=route,
    live=False,
    why="the recovery points would be copied to another place than the next steps look in",
    source=_ACCOUNTS,
    mend=_EDIT,
)
def vault_of_the_destination(origin: Deployment, destination: Deployment) -> Iterator[str]:
    """The destination vault is the vault of the deployment that data goes to."""
    named = destination.value("destination_vault_arn", "snapshot-copy")
    if origin.role == "source":
        named = origin.value("destination_vault_arn", "stack-parameters")
    if not named:
        return
    vault = VaultArn(named)
    if (vault.account_id, vault.region) != _place(destination):
        yield f"destination_vault_arn {named} is not in {' '.join(_place(destination))}"
    elif destination.vault not in ("", vault.name):
        yield f"destination_vault_arn names {vault.name}, [{destination}] {destination.vault}"


@rule(
    "F09",
    each=travellers,
    live=False,
    why="two jobs for one bucket replicate it twice, and cost twice",
    source=_REPLICATION,
    mend=_EDIT,
)
def bucket_once(deployment: Deployment) -> Iterator[str]:
    """No bucket is named twice."""
    for name in sorted({one for one in deployment.buckets if deployment.buckets.count(one) > 1}):
        yield f"{name} stands {deployment.buckets.count(name)} times in [{deployment}]"


@rule(
    "F10",
    each=route,
    live=False,
    why="a bucket that is both would be replicated into itself, and then brought back in time",
    source=_REPLICATION,
    mend=_EDIT,
)
def bucket_of_one(origin: Deployment, destination: Deployment) -> Iterator[str]:
    """No bucket belongs to two deployments."""
    for name in sorted({*origin.buckets} & {*destination.buckets}):
        yield f"{name} stands in [{origin}] and in [{destination}]"


@rule(
    "F11",
    each=route,
    live=False,
    why="what is in a bucket without a counterpart is not replicated",
    source=f"{_TEMPLATE}, pDestinationBackup...BucketArn",
    mend=_DISCOVER,
)
def every_bucket_has_its_pair(origin: Deployment, destination: Deployment) -> Iterator[str]:
    """Each bucket has a counterpart of its kind."""
    if not origin.buckets or not destination.buckets:
        return  # F12 says so
    for kind in REPLICATED_BUCKETS:
        here, there = origin.kinds[kind], destination.kinds[kind]
        if bool(here) != bool(there):
            has, lacks = (origin, destination) if here else (destination, origin)
            yield f"[{has}] has a bucket for {kind}, {(here or there)[0]}, and [{lacks}] has none"


@rule(
    "F12",
    each=travellers,
    live=False,
    level=WARNING,
    why="data in a bucket that the file does not name stays behind; older versions have fewer",
    source=f"{_TEMPLATE}, the nine replicated buckets",
    mend=_DISCOVER,
)
def all_kinds_of_buckets(deployment: Deployment) -> Iterator[str]:
    """All nine kinds of buckets are named."""
    missing = [kind for kind, found in deployment.kinds.items() if not found]
    if missing:
        yield f"[{deployment}] names no bucket for {', '.join(missing)}"


@rule(
    "F13",
    each=route,
    live=False,
    why="the rules would replicate to buckets that nothing is restored from, or into strange ones",
    source=_GUIDE,
    mend=_EDIT,
)
def destinations_are_the_others(origin: Deployment, destination: Deployment) -> Iterator[str]:
    """The destination buckets are those of the deployment that data goes to."""
    named = origin.values("destination_bucket_arn", "stack-parameters")
    known = destination.values("bucket_arn")
    for arn in named if known else ():
        if arn not in known:
            yield f"destination_bucket_arn {arn} of [{origin}] is no bucket of [{destination}]"


@rule(
    "F14",
    each=_origin,
    live=False,
    why="the preset of another procedure sets another storage class, and another destination",
    source=f"{_GUIDE}: GLACIER_IR for backup, STANDARD for migration",
    mend=_EDIT,
)
def preset_of_the_procedure(origin: Deployment, facts: Facts) -> Iterator[str]:
    """The preset of stack-parameters is that of the procedure."""
    preset = origin.value("preset", "stack-parameters")
    wanted = "restore-destination" if origin.role == "backup" else f"{facts.procedure}-destination"
    if preset in _SET_UP[origin.role] and preset != wanted:
        yield f"[{origin}.stack-parameters] has preset {preset}, {facts.procedure} wants {wanted}"


@rule(
    "F15",
    each=_target,
    live=False,
    procedures=("restore", "migration"),
    why="copies that arrive in the new vault would be copied back at once",
    source=f"{_TEMPLATE}, CopyJobEventRule",
    mend=_EDIT,
)
def target_is_created_without_destinations(target: Deployment) -> Iterator[str]:
    """No parameter that is set on the target says where its backups go."""
    for step in ("stack-create", "stack-parameters"):
        for text in target.values("set", step):
            parameter = StackParameter(text)
            if parameter.key.startswith(f"{DESTINATION}Vault") and parameter.value not in (
                "",
                "no",
            ):
                yield f"[target.{step}] sets {parameter.key} to {parameter.value}"


@rule(
    "F16",
    each=_origin,
    live=False,
    why="Batch Replication cannot read Glacier Flexible Retrieval or Deep Archive: no restore",
    source="https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-batch.html",
    mend=_EDIT,
)
def replicas_stay_readable(origin: Deployment, _: Facts) -> Iterator[str]:
    """The storage class of the replicas can be restored from."""
    for text in origin.values("set", "stack-parameters"):
        parameter = StackParameter(text)
        if parameter.key == f"{DESTINATION}S3StorageClass" and parameter.value not in _FAST_CLASSES:
            yield f"[{origin}.stack-parameters] sets {parameter.key} to {parameter.value}"


@rule(
    "F17",
    each=the_file,
    live=False,
    procedures=("restore", "migration"),
    why="the vault of the target does not admit copies from another account than that one",
    source=f"{_TEMPLATE}, pRestoreSourceAccountId",
    mend=_EDIT,
)
def restore_source_is_the_origin(facts: Facts) -> Iterator[str]:
    """The restore source is the account that recovery points come from."""
    origin, target = facts.route
    named = target.value("restore_source_account_id", "stack-parameters")
    if named and origin.account_id not in ("", named):
        yield f"restore_source_account_id is {named}, [{origin}] is {origin.account_id}"


@rule(
    "F18",
    each=lambda facts: [(facts.deployments["backup"],)],
    live=False,
    procedures=("restore",),
    why="a recovery point is in the account and the Region of its vault",
    source="https://docs.aws.amazon.com/aws-backup/latest/devguide/access-control.html",
    mend="codeocean-cmdgen discover recovery-points --values {file}",
)
def points_where_the_vault_is(backup: Deployment) -> Iterator[str]:
    """The recovery points are where the backup vault is."""
    for name in ("ebs_snapshot_arn", "rds_snapshot_arn"):
        text = backup.value(name, "snapshot-copy")
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
    why="a first backup has the key of the database, which AWS manages: no other account reads it",
    source="https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html",
    mend="codeocean-cmdgen discover recovery-points --values {file}",
)
def point_is_a_copy(backup: Deployment, facts: Facts) -> Iterator[str]:
    """The RDS recovery point is a copy, which has the key of its vault."""
    text = backup.value("rds_snapshot_arn", "snapshot-copy")
    if facts.elsewhere and text and ":awsbackup:job-" in RdsSnapshotArn(text):
        yield f"rds_snapshot_arn {text} was made by a backup job, not by a copy job"


@rule(
    "F20",
    each=the_file,
    live=False,
    procedures=("restore",),
    why="the buckets would keep what is newer than the backup, or lose what is older",
    source="README, Buckets as they were at the snapshot",
    mend=_EDIT,
)
def moments_in_order(facts: Facts) -> Iterator[str]:
    """The moment to go back to lies before the end of replication, and both have passed."""
    moments = {
        name: moment_of(text)
        for name in ("at", "until")
        if (text := facts.target.value(name, "s3-point-in-time"))
    }
    for name, moment in moments.items():
        if moment > facts.now + timedelta(minutes=5):
            yield f"{name} {moment.isoformat()} is yet to come"
    if len(moments) == 2 and moments["at"] >= moments["until"]:  # noqa: PLR2004 - both
        yield f"at {moments['at'].isoformat()} is not before until {moments['until'].isoformat()}"


def moment_of(text: str) -> datetime:
    """Return the moment that a checked text names, aware, in UTC."""
    return datetime.fromisoformat(Instant(text).utc().replace("Z", "+00:00"))


@rule(
    "F21",
    each=_target,
    live=False,
    level=WARNING,
    procedures=("restore", "migration"),
    why="the temporary database would get the master password of another deployment",
    source=f"{_TEMPLATE}, AnalyticsDBMasterPassword",
    mend=_EDIT,
)
def secret_of_the_stack(target: Deployment) -> Iterator[str]:
    """The secret of the master password is that of the target's stack."""
    secret, stack = (
        target.value("master_password_secret_id", "db-restore"),
        target.value("stack_name"),
    )
    if secret and stack and not SecretId(secret).name.startswith(f"/{stack}/"):
        yield f"master_password_secret_id {secret} is not below /{stack}/"


@rule(
    "F22",
    each=_target,
    live=False,
    procedures=("restore", "migration"),
    why="the database would be copied over itself, or deleted in the place of the temporary one",
    source=_GUIDE,
    mend=_EDIT,
)
def databases_are_two(target: Deployment) -> Iterator[str]:
    """The temporary database is another than the deployment's own."""
    for one, other in (("from_host", "to_host"), ("temporary_db_instance_id", "db_instance_id")):
        for step in ("db-copy-in", "db-restore", "db-delete"):
            value = target.value(one, step)
            if value and value == target.value(other, step):
                yield f"{one} and {other} of [target] are both {value}"
                break


@rule(
    "F23",
    each=_target,
    live=False,
    procedures=("restore", "migration"),
    why="the live data volume would be overwritten by itself, or deleted",
    source=_GUIDE,
    mend=_EDIT,
)
def volumes_are_two(target: Deployment) -> Iterator[str]:
    """The restored volume is another than the data volume."""
    for step in ("volume-copy-in", "volume-release", "volume-delete"):
        value = target.value("restored_volume_id", step)
        if value and value == target.value("data_volume_id", step):
            yield f"restored_volume_id and data_volume_id of [target] are both {value}"
            return


@rule(
    "F24",
    each=_origin,
    live=False,
    level=WARNING,
    why="a backup that is kept for a day may expire before its copies are made and restored",
    source=_COPIES,
    mend=_EDIT,
)
def kept_long_enough(origin: Deployment, _: Facts) -> Iterator[str]:
    """Recovery points are kept for longer than a restore takes."""
    for step in ("on-demand-backup", "snapshot-copy"):
        days = origin.value("retention_days", step)
        if days and int(days) < _SHORTEST_DAYS:
            yield f"{step} of [{origin}] keeps recovery points for {days} day"


@rule(
    "F25",
    each=_origin,
    live=False,
    level=WARNING,
    why="replicas have the status REPLICA: a job for what is missing replicates none of them",
    source="https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-batch.html",
    procedures=("restore",),
    mend=_EDIT,
)
def replicas_are_taken_along(origin: Deployment, _: Facts) -> Iterator[str]:
    """The restore replicates replicas."""
    if origin.value("only_missing", "s3-batch-replication") == "yes":
        yield f"[{origin}] has only_missing: in a backup bucket every object is a replica"


@rule(
    "F26",
    each=_target,
    live=False,
    procedures=("restore", "migration"),
    why="another version cannot read the data: the versions have to be the same",
    source=f"{_GUIDE}: make sure to use the same version",
    mend=_EDIT,
)
def one_template(target: Deployment) -> Iterator[str]:
    """The target is made of one version of the template."""
    urls = {
        url
        for step in ("stack-create", "stack-parameters")
        if (url := target.value("template_url", step))
    }
    if len(urls) > 1:
        yield f"[target] names {len(urls)} templates: {', '.join(sorted(urls))}"
