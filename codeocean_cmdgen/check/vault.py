"""Rules about vaults, their keys and recovery points."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from codeocean_cmdgen.check.account import admits
from codeocean_cmdgen.check.file import moment_of
from codeocean_cmdgen.check.rule import WARNING, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.check.facts import Deployment, Facts

_GUIDE = "https://docs.aws.amazon.com/aws-backup/latest/devguide/"
_COPIES = f"{_GUIDE}recov-point-create-a-copy.html"
_ENCRYPTION = f"{_GUIDE}encryption.html"
_LOCK = f"{_GUIDE}vault-lock.html"
_COPIED_DAYS = 14
"""What the vendor's stack keeps copies for, where the file does not say."""

_DAILY = timedelta(days=2)
"""Within which a daily backup must have arrived."""

_START_WINDOW = timedelta(hours=2, minutes=15)
"""How far apart one plan's jobs may start, and a little. Source: the vendor's BackupPlan."""

_PAIR = timedelta(hours=24)
_RESTORE = timedelta(days=1)
"""What a restore needs its recovery point for, at least."""

_CHOOSE = "codeocean-cmdgen discover recovery-points --values {file}"
_VAULT = "aws backup describe-backup-vault --backup-vault-name {0.vault} --region {0.region}"


def _vaults(facts: Facts) -> list[tuple[Deployment]]:
    return [(one,) for one in facts.route if one.vault]


def _receiving(facts: Facts) -> list[tuple[Deployment, Deployment]]:
    """Give the vault that receives copies from another account, and whence."""
    origin, destination = facts.route
    return [(destination, origin)] if facts.elsewhere and destination.vault else []


def _giving(facts: Facts) -> list[tuple[Deployment, Deployment]]:
    """Give the vault that recovery points leave for another account, and whither."""
    origin, destination = facts.route
    return [(origin, destination)] if facts.elsewhere and origin.vault else []


def point_names(deployment: Deployment) -> dict[str, str]:
    """Return the recovery points that the file names, by kind."""
    names = {"EBS": "ebs_snapshot_arn", "RDS": "rds_snapshot_arn"}
    found = {kind: deployment.value(name, "snapshot-copy") for kind, name in names.items()}
    return {kind: arn for kind, arn in found.items() if arn}


def _points(facts: Facts) -> Iterator[tuple[Deployment, str, str]]:
    backup = facts.deployments["backup"]
    for kind, arn in point_names(backup).items():
        yield backup, kind, arn


def _pair(facts: Facts) -> list[tuple[Deployment]]:
    return [(facts.deployments["backup"],)]


def _point(deployment: Deployment, arn: str) -> dict[str, Any]:
    """Return a recovery point; an empty one where there is none, which R01 tells."""
    found: dict[str, Any] = deployment.answer("DescribeRecoveryPoint", arn) or {}
    return found


def _key(deployment: Deployment) -> str:
    vault = deployment.answer("DescribeBackupVault", deployment.vault) or {}
    return str(vault.get("EncryptionKeyArn", ""))


@rule(
    "V01",
    each=_vaults,
    why="there is nothing to copy from, or into",
    source=_GUIDE,
    mend="codeocean-cmdgen discover {0} --values {file}",
)
def vault_exists(deployment: Deployment) -> Iterator[str]:
    """The backup vault exists in the account and the Region."""
    if deployment.answer("DescribeBackupVault", deployment.vault) is None:
        yield f"there is no vault {deployment.vault} of [{deployment}] in {deployment.region}"


@rule(
    "V02",
    each=_receiving,
    why="every copy job ends with: Access Denied trying to call AWS Backup service",
    source=f"{_GUIDE}create-a-vault-access-policy.html",
    mend="codeocean-cmdgen stack-parameters --from target --values {file} --preset restore-source; "
    "of a backup stack, its source account parameter",
)
def vault_admits_the_origin(destination: Deployment, origin: Deployment) -> Iterator[str]:
    """The vault that receives copies admits the account that they come from."""
    if destination.answer("DescribeBackupVault", destination.vault) is None:
        return
    answer = destination.answer("GetBackupVaultAccessPolicy", destination.vault)
    action = "backup:CopyIntoBackupVault"
    if not answer or not admits(answer["Policy"], origin.account_id, action):
        yield f"vault {destination.vault} of [{destination}] does not admit {origin.account_id}"


@rule(
    "V03",
    each=_receiving,
    why="a copy from another account cannot be encrypted with a key that AWS manages",
    source=_ENCRYPTION,
    mend=_VAULT,
)
def vault_has_a_key_of_its_own(destination: Deployment, _: Deployment) -> Iterator[str]:
    """The key of the vault that receives copies is a customer's."""
    key = _key(destination)
    answer = destination.answer("DescribeKey", key) if key else None
    if answer and answer["KeyMetadata"].get("KeyManager") == "AWS":
        yield f"vault {destination.vault} of [{destination}] has a key that AWS manages"


@rule(
    "V04",
    each=_vaults,
    why="nothing can be written to the vault, or read from it",
    source="https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html",
    mend="aws kms cancel-key-deletion, or enable-key, --key-id KEY --region {0.region}",
)
def key_works(deployment: Deployment) -> Iterator[str]:
    """The key of the vault is enabled."""
    key = _key(deployment)
    answer = deployment.answer("DescribeKey", key) if key else None
    if key and (answer is None or answer["KeyMetadata"]["KeyState"] != "Enabled"):
        state = answer["KeyMetadata"]["KeyState"] if answer else "not there"
        yield f"key {key} of vault {deployment.vault} is {state}"


@rule(
    "V05",
    each=_giving,
    level=WARNING,
    procedures=("restore",),
    why="the destination must decrypt the point with it: the copy fails without a word on the key",
    source=_ENCRYPTION,
    mend="aws kms get-key-policy --policy-name default --key-id KEY --region {0.region}",
)
def key_admits_the_destination(origin: Deployment, destination: Deployment) -> Iterator[str]:
    """The key that recovery points are encrypted with admits the account that they go to."""
    key = _key(origin)
    answer = origin.answer("GetKeyPolicy", key) if key else None
    if answer and not admits(answer["Policy"], destination.account_id, "kms:Decrypt"):
        yield f"key {key} of [{origin}] does not let {destination.account_id} decrypt"


@rule(
    "V06",
    each=_receiving,
    why="the vault refuses copies that are kept for another time than its lock allows",
    source=_LOCK,
    mend=_VAULT,
)
def lock_allows_the_retention(destination: Deployment, origin: Deployment) -> Iterator[str]:
    """The lock of the vault allows the retention of the copies."""
    vault = destination.answer("DescribeBackupVault", destination.vault) or {}
    days = int(origin.value("retention_days", "snapshot-copy") or _COPIED_DAYS)
    least, most = vault.get("MinRetentionDays", 0), vault.get("MaxRetentionDays", 0)
    if days < (least or 0) or (most and days > most):
        yield (
            f"vault {destination.vault} keeps points {least or 1} to {most or 'any number of'} "
            f"days, the copies {days}"
        )


@rule(
    "V07",
    each=lambda facts: [(facts.deployments["backup"], facts)],
    level=WARNING,
    procedures=("backup",),
    why="a backup that does not arrive is noticed on the day when it is needed",
    source="the vendor's template 3.8.2, pBackupSchedule: daily",
    mend="aws backup list-copy-jobs --region {0.region}, in the source's account",
)
def backups_arrive(backup: Deployment, facts: Facts) -> Iterator[str]:
    """A recovery point of each kind has arrived within two days."""
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
            yield f"vault {backup.vault} has no {kind} recovery point of the last two days"


def _copies(facts: Facts) -> bool:
    """Tell whether the source is set up to copy its backups; if it is not, none is missing."""
    return bool(facts.source.parameters.get("pDestinationBackupVaultArn"))


@rule(
    "R01",
    each=_points,
    procedures=("restore",),
    why="there is nothing to restore from",
    source=_COPIES,
    mend=_CHOOSE,
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
    mend=_CHOOSE,
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
    why="it expires before it is restored: retention counts from the creation of the first backup",
    source=_COPIES,
    mend=_CHOOSE,
)
def point_lives_long_enough(backup: Deployment, kind: str, arn: str, facts: Facts) -> Iterator[str]:
    """The recovery points do not expire during the restore."""
    ends = _point(backup, arn).get("CalculatedLifecycle", {}).get("DeleteAt")
    if ends and ends - facts.now < _RESTORE:
        yield f"the {kind} recovery point {arn} expires at {_shown(ends)}"


@rule(
    "R04",
    each=_pair,
    level=WARNING,
    procedures=("restore",),
    why="database and files are of two moments: what one knows the other does not",
    source="the vendor's template 3.8.2, BackupPlan: both start within two hours",
    mend=_CHOOSE,
)
def points_of_one_backup(backup: Deployment) -> Iterator[str]:
    """Both recovery points are of one backup."""
    apart = _apart(backup)
    if _START_WINDOW < apart <= _PAIR:
        yield f"the EBS and the RDS recovery point are {apart} apart"


@rule(
    "R05",
    each=_pair,
    procedures=("restore",),
    why="database and files are of two days: the restored system contradicts itself",
    source="the vendor's template 3.8.2, BackupPlan: both start within two hours",
    mend=_CHOOSE,
)
def points_of_one_day(backup: Deployment) -> Iterator[str]:
    """Both recovery points are of one day."""
    apart = _apart(backup)
    if apart > _PAIR:
        yield f"the EBS and the RDS recovery point are {apart} apart"


def _apart(backup: Deployment) -> timedelta:
    created = [_point(backup, arn).get("CreationDate") for arn in point_names(backup).values()]
    times = [time for time in created if time]
    return max(times) - min(times) if times else timedelta()


@rule(
    "R06",
    each=_points,
    procedures=("restore",),
    why="with the key of the volume or the database, which AWS manages, no other account reads it",
    source=_ENCRYPTION,
    mend=_CHOOSE,
)
def point_has_the_key_of_the_vault(backup: Deployment, kind: str, arn: str) -> Iterator[str]:
    """The recovery points are encrypted with the key of the backup vault."""
    key = _point(backup, arn).get("EncryptionKeyArn")
    if key and key != _key(backup):
        yield f"the {kind} recovery point {arn} has the key {key}, not that of the vault"


@rule(
    "R07",
    each=_points,
    procedures=("restore",),
    why="what is in cold storage cannot be copied to another vault",
    source=_COPIES,
    mend=_CHOOSE,
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
    why="a vault may hold points of several deployments: this one may be another's",
    source="the vendor's guide: a backup stack supports one deployment",
    mend=_CHOOSE,
)
def point_is_of_the_source(backup: Deployment, kind: str, arn: str, facts: Facts) -> Iterator[str]:
    """The recovery points are of the source's account."""
    resource = _point(backup, arn).get("ResourceArn", "")
    if resource and facts.source.account_id not in ("", resource.split(":")[4]):
        yield f"the {kind} recovery point {arn} is of {resource}"


@rule(
    "R09",
    each=lambda facts: [(facts.deployments["backup"], facts)],
    procedures=("restore",),
    why="objects that the snapshot knows would be removed from the buckets, for good",
    source="README, Buckets as they were at the snapshot",
    mend=_CHOOSE,
)
def moment_is_not_before_the_snapshot(backup: Deployment, facts: Facts) -> Iterator[str]:
    """The moment that buckets go back to is not before the EBS recovery point."""
    arn = point_names(backup).get("EBS")
    text = facts.target.value("at", "s3-point-in-time")
    created = _point(backup, arn).get("CreationDate") if arn and text else None
    if created and moment_of(text) < created.replace(microsecond=0):
        yield f"at is {text}, and the EBS recovery point was created at {_shown(created)}"


@rule(
    "R10",
    each=lambda facts: [(facts.deployments["backup"], facts)],
    procedures=("restore",),
    level=WARNING,
    why="the buckets would keep what was made long after the snapshot, which knows nothing of it",
    source="README, Buckets as they were at the snapshot",
    mend=_CHOOSE,
)
def moment_is_near_the_snapshot(backup: Deployment, facts: Facts) -> Iterator[str]:
    """The moment that buckets go back to is not long after the EBS recovery point."""
    arn = point_names(backup).get("EBS")
    text = facts.target.value("at", "s3-point-in-time")
    created = _point(backup, arn).get("CreationDate") if arn and text else None
    if created and moment_of(text) > created + _PAIR:
        yield f"at is {text}, and the EBS recovery point was created at {_shown(created)}"


def _shown(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
