"""Rules about vaults, their keys and recovery points."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from codeocean_cmdgen import vendor
from codeocean_cmdgen.check.account import allows
from codeocean_cmdgen.check.rule import ADMIT_ADVICE, CHOOSE_POINTS, WARNING, admit, rule
from codeocean_cmdgen.steps import S3PointInTime, SnapshotCopy
from codeocean_cmdgen.values import Arn, Instant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.check.facts import Deployment, Facts

_GUIDE = "https://docs.aws.amazon.com/aws-backup/latest/devguide/"
_COPIES = f"{_GUIDE}recov-point-create-a-copy.html"
_ENCRYPTION = f"{_GUIDE}encryption.html"
_LOCK = f"{_GUIDE}vault-lock.html"
_DAILY = timedelta(days=2)
"""The time within which a daily backup must be copied."""

_RESTORE = timedelta(days=1)
"""The least time for which a restore needs its recovery point."""

_VAULT = "aws backup describe-backup-vault --backup-vault-name {0.vault} --region {0.region}"


def _vaults(facts: Facts) -> list[tuple[Deployment]]:
    return [(one,) for one in facts.route if one.vault]


def _receiving(facts: Facts) -> list[tuple[Deployment, Deployment]]:
    """Return the receiving and the sending deployment, if they are in different accounts."""
    origin, destination = facts.route
    return [(destination, origin)] if facts.elsewhere and destination.vault else []


def _sending(facts: Facts) -> list[tuple[Deployment, Deployment]]:
    """Return the sending and the receiving deployment, if they are in different accounts."""
    origin, destination = facts.route
    return [(origin, destination)] if facts.elsewhere and origin.vault else []


def point_names(deployment: Deployment) -> dict[str, str]:
    """Return the recovery points that the file names, by kind."""
    names = {"EBS": "ebs_snapshot_arn", "RDS": "rds_snapshot_arn"}
    found = {kind: deployment.text(name, SnapshotCopy) for kind, name in names.items()}
    return {kind: arn for kind, arn in found.items() if arn}


def _points(facts: Facts) -> Iterator[tuple[Deployment, str, str]]:
    backup = facts.deployments["backup"]
    for kind, arn in point_names(backup).items():
        yield backup, kind, arn


def _pair(facts: Facts) -> list[tuple[Deployment]]:
    return [(facts.deployments["backup"],)]


def _point(deployment: Deployment, arn: str) -> dict[str, Any]:
    """Return a recovery point; an empty one if it does not exist, which R01 reports."""
    found: dict[str, Any] = deployment.answer("DescribeRecoveryPoint", arn) or {}
    return found


@rule(
    "V01",
    each=_vaults,
    why="there is no vault to copy from or to",
    source=_GUIDE,
    fix="codeocean-cmdgen discover {0} --values {file}",
)
def vault_exists(deployment: Deployment) -> Iterator[str]:
    """The backup vault exists in the account and the Region."""
    if deployment.answer("DescribeBackupVault", deployment.vault) is None:
        yield f"vault {deployment.vault} of [{deployment}] does not exist in {deployment.region}"


@rule(
    "V02",
    each=_receiving,
    why="every copy job fails with: Access Denied trying to call AWS Backup service",
    source=f"{_GUIDE}create-a-vault-access-policy.html",
    fix=admit,
    advice=ADMIT_ADVICE,
)
def vault_allows_the_origin(destination: Deployment, origin: Deployment) -> Iterator[str]:
    """The vault that receives copies allows the account that they come from."""
    if destination.answer("DescribeBackupVault", destination.vault) is None:
        return
    answer = destination.answer("GetBackupVaultAccessPolicy", destination.vault)
    action = "backup:CopyIntoBackupVault"
    if not answer or not allows(answer["Policy"], origin.account_id, action):
        yield f"vault {destination.vault} of [{destination}] does not allow {origin.account_id}"


@rule(
    "V03",
    each=_receiving,
    why="a copy from another account cannot be encrypted with an AWS managed key",
    source=_ENCRYPTION,
    fix=_VAULT,
    advice="The key of a vault cannot be changed. Use another vault, with a customer managed key.",
)
def vault_has_a_key_of_its_own(destination: Deployment, _: Deployment) -> Iterator[str]:
    """The vault that receives copies has a customer managed key."""
    key = destination.vault_key
    answer = destination.answer("DescribeKey", key) if key else None
    if answer and answer["KeyMetadata"].get("KeyManager") == "AWS":
        yield f"vault {destination.vault} of [{destination}] has an AWS managed key"


@rule(
    "V04",
    each=_vaults,
    why="nothing can be written to the vault or read from it",
    source="https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html",
    fix="aws kms describe-key --key-id {0.vault_key} --region {0.region}",
    advice="If its deletion is pending, run aws kms cancel-key-deletion. Then run aws kms "
    "enable-key. Both take the same options.",
)
def key_works(deployment: Deployment) -> Iterator[str]:
    """The key of the vault is enabled."""
    key = deployment.vault_key
    answer = deployment.answer("DescribeKey", key) if key else None
    if key and (answer is None or answer["KeyMetadata"]["KeyState"] != "Enabled"):
        state = answer["KeyMetadata"]["KeyState"] if answer else "does not exist"
        yield f"key {key} of vault {deployment.vault}: {state}"


@rule(
    "V05",
    each=_sending,
    level=WARNING,
    procedures=("restore",),
    why="the destination needs it to decrypt the recovery point: the copy fails, and the error "
    "does not mention the key",
    source=_ENCRYPTION,
    fix="aws kms get-key-policy --policy-name default --key-id {0.vault_key} --region {0.region}",
    advice="Allow account {1.account_id} to use kms:Decrypt in this policy.",
)
def key_allows_the_destination(origin: Deployment, destination: Deployment) -> Iterator[str]:
    """The key of the recovery points allows the account that they are copied to."""
    key = origin.vault_key
    answer = origin.answer("GetKeyPolicy", key) if key else None
    if answer and not allows(answer["Policy"], destination.account_id, "kms:Decrypt"):
        yield f"key {key} of [{origin}] does not allow {destination.account_id} to decrypt"


@rule(
    "V06",
    each=_receiving,
    why="the vault refuses copies with a retention that its lock does not allow",
    source=_LOCK,
    fix=_VAULT,
    advice="Set retention_days in the deployment file to a number of days that the lock allows.",
)
def lock_allows_the_retention(destination: Deployment, origin: Deployment) -> Iterator[str]:
    """The lock of the vault allows the retention of the copies."""
    vault = destination.answer("DescribeBackupVault", destination.vault) or {}
    days = int(origin.text("retention_days", SnapshotCopy) or vendor.COPIES_DAYS)
    least, most = vault.get("MinRetentionDays", 0), vault.get("MaxRetentionDays", 0)
    if days < (least or 0) or (most and days > most):
        yield (
            f"vault {destination.vault} keeps recovery points for {least or 1} to "
            f"{most or 'any number of'} days, but the copies have a retention of {days} days"
        )


@rule(
    "V07",
    each=lambda facts: [(facts.deployments["backup"], facts)],
    level=WARNING,
    procedures=("backup",),
    why="otherwise a missing backup is only noticed when it is needed",
    source=f"{vendor.TEMPLATE}, {vendor.BACKUP_SCHEDULE}: daily",
    fix="aws backup list-copy-jobs --by-state FAILED --region {1.source.region}",
    fix_in="source",
    advice="This lists the copy jobs that failed, with the reasons.",
)
def backups_are_recent(backup: Deployment, facts: Facts) -> Iterator[str]:
    """The vault has a recovery point of each kind from the last two days."""
    if not backup.vault or not _copies(facts):
        return
    answer = backup.answer("ListRecoveryPointsByBackupVault", backup.vault) or {}
    recent = {
        one["ResourceType"]
        for one in answer.get("RecoveryPoints", [])
        if facts.now - one["CreationDate"] < _DAILY
    }
    for kind in ("EBS", "RDS"):
        if kind not in recent:
            yield f"vault {backup.vault} has no {kind} recovery point from the last two days"


def _copies(facts: Facts) -> bool:
    """Return whether the source is set up to copy its backups; otherwise none is missing."""
    return bool(facts.source.parameters.get(vendor.DESTINATION_VAULT))


@rule(
    "R01",
    each=_points,
    procedures=("restore",),
    why="there is nothing to restore from",
    source=_COPIES,
    fix=CHOOSE_POINTS,
    fix_in="backup",
)
def point_exists(backup: Deployment, kind: str, arn: str) -> Iterator[str]:
    """The recovery points are in the backup vault."""
    if backup.answer("DescribeRecoveryPoint", arn) is None:
        yield f"the {kind} recovery point {arn} is not in vault {backup.vault}"


@rule(
    "R02",
    each=_points,
    procedures=("restore",),
    why="only a complete recovery point can be copied and restored",
    source=_COPIES,
    fix=CHOOSE_POINTS,
    fix_in="backup",
)
def point_is_complete(backup: Deployment, kind: str, arn: str) -> Iterator[str]:
    """The recovery points are complete."""
    status = _point(backup, arn).get("Status", "COMPLETED")
    if status not in ("COMPLETED", "AVAILABLE"):
        yield f"the {kind} recovery point {arn} is {status}"


@rule(
    "R03",
    each=lambda facts: [(*point, facts) for point in _points(facts)],
    procedures=("restore",),
    why="it expires before it is restored: retention starts when the original backup is created",
    source=_COPIES,
    fix=CHOOSE_POINTS,
    fix_in="backup",
)
def point_is_kept_long_enough(
    backup: Deployment, kind: str, arn: str, facts: Facts
) -> Iterator[str]:
    """The recovery points do not expire during the restore."""
    ends = _point(backup, arn).get("CalculatedLifecycle", {}).get("DeleteAt")
    if ends and ends - facts.now < _RESTORE:
        yield f"the {kind} recovery point {arn} expires at {Instant.of(ends)}"


@rule(
    "R04",
    each=_pair,
    level=WARNING,
    procedures=("restore",),
    why="the database and the files may not match",
    source=f"{vendor.TEMPLATE}, BackupPlan: both start within two hours",
    fix=CHOOSE_POINTS,
    fix_in="backup",
)
def points_of_one_backup(backup: Deployment) -> Iterator[str]:
    """Both recovery points belong to the same backup."""
    apart = _apart(backup)
    if vendor.START_WINDOW < apart <= vendor.BACKUP_INTERVAL:
        yield f"the EBS and RDS recovery points are {apart} apart"


@rule(
    "R05",
    each=_pair,
    procedures=("restore",),
    why="the database and the files are from different days: the restored system is inconsistent",
    source=f"{vendor.TEMPLATE}, BackupPlan: both start within two hours",
    fix=CHOOSE_POINTS,
    fix_in="backup",
)
def points_of_one_day(backup: Deployment) -> Iterator[str]:
    """Both recovery points are from the same day."""
    apart = _apart(backup)
    if apart > vendor.BACKUP_INTERVAL:
        yield f"the EBS and RDS recovery points are {apart} apart"


def _apart(backup: Deployment) -> timedelta:
    created = [_point(backup, arn).get("CreationDate") for arn in point_names(backup).values()]
    times = [time for time in created if time]
    return max(times) - min(times) if times else timedelta()


@rule(
    "R06",
    each=_points,
    procedures=("restore",),
    why="no other account can use the AWS managed key of the volume or the database",
    source=_ENCRYPTION,
    fix=CHOOSE_POINTS,
    fix_in="backup",
)
def point_has_the_key_of_the_vault(backup: Deployment, kind: str, arn: str) -> Iterator[str]:
    """The recovery points are encrypted with the key of the backup vault."""
    key = _point(backup, arn).get("EncryptionKeyArn")
    if key and key != backup.vault_key:
        yield f"the {kind} recovery point {arn} is encrypted with {key}, not with the vault's key"


@rule(
    "R07",
    each=_points,
    procedures=("restore",),
    why="a recovery point in cold storage cannot be copied to another vault",
    source=_COPIES,
    fix=CHOOSE_POINTS,
    fix_in="backup",
)
def point_is_warm(backup: Deployment, kind: str, arn: str) -> Iterator[str]:
    """The recovery points are not in cold storage."""
    if _point(backup, arn).get("StorageClass") == "COLD":
        yield f"the {kind} recovery point {arn} is in cold storage"


@rule(
    "R08",
    each=lambda facts: [(*point, facts) for point in _points(facts)],
    procedures=("restore",),
    level=WARNING,
    why="a vault may hold recovery points of several deployments, and these may be another's",
    source="the vendor's guide: a backup stack supports one deployment",
    fix=CHOOSE_POINTS,
    fix_in="backup",
)
def point_is_of_the_source(backup: Deployment, kind: str, arn: str, facts: Facts) -> Iterator[str]:
    """The recovery points come from the source's account."""
    resource = _point(backup, arn).get("ResourceArn", "")
    if resource and facts.source.account_id not in ("", Arn(resource).account_id):
        yield f"the {kind} recovery point {arn} is a backup of {resource}"


@rule(
    "R09",
    each=lambda facts: [(facts.deployments["backup"], facts)],
    procedures=("restore",),
    why="objects that the snapshot refers to would be permanently removed from the buckets",
    source="README, Restoring buckets to a point in time",
    fix=CHOOSE_POINTS,
    fix_in="backup",
)
def moment_is_not_before_the_snapshot(backup: Deployment, facts: Facts) -> Iterator[str]:
    """The buckets are not restored to a point in time before the EBS recovery point."""
    arn = point_names(backup).get("EBS")
    text = facts.target.text("at", S3PointInTime)
    created = _point(backup, arn).get("CreationDate") if arn and text else None
    if created and Instant(text).moment < created.replace(microsecond=0):
        yield f"at is {text}, but the EBS recovery point was created at {Instant.of(created)}"


@rule(
    "R10",
    each=lambda facts: [(facts.deployments["backup"], facts)],
    procedures=("restore",),
    level=WARNING,
    why="the buckets would keep objects created long after the snapshot, which does not refer to "
    "them",
    source="README, Restoring buckets to a point in time",
    fix=CHOOSE_POINTS,
    fix_in="backup",
)
def moment_is_near_the_snapshot(backup: Deployment, facts: Facts) -> Iterator[str]:
    """The buckets are not restored to a point in time long after the EBS recovery point."""
    arn = point_names(backup).get("EBS")
    text = facts.target.text("at", S3PointInTime)
    created = _point(backup, arn).get("CreationDate") if arn and text else None
    if created and Instant(text).moment > created + vendor.BACKUP_INTERVAL:
        yield f"at is {text}, but the EBS recovery point was created at {Instant.of(created)}"
