"""Rules about buckets: versions, replication, encryption, lifecycle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codeocean_cmdgen.check.account import admits
from codeocean_cmdgen.check.rule import WARNING, rule
from codeocean_cmdgen.check.vault import point_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from codeocean_cmdgen.check.facts import Deployment, Facts

_S3 = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/"
_REPLICATION = f"{_S3}replication.html"
_BATCH = f"{_S3}s3-batch-replication-batch.html"
_KMS = f"{_S3}replication-config-for-kms-objects.html"
_SLOW_CLASSES = ("GLACIER", "DEEP_ARCHIVE")
"""What Batch Replication cannot read. Source: the S3 User Guide, "Troubleshooting"."""

_SHOW_RULES = "aws s3api get-bucket-replication --bucket {1} --region {0.region}"
_SET_RULES = "codeocean-cmdgen stack-parameters --from {0} --values {{file}}"
_SHOW_LIFECYCLE = (
    "aws s3api get-bucket-lifecycle-configuration --bucket {1} --region {0.region}; keep it, then "
    "delete-bucket-lifecycle until the restore has ended"
)
_SHOW_ENCRYPTION = "aws s3api get-bucket-encryption --bucket {1} --region {0.region}"


def _there(deployment: Deployment, name: str) -> bool:
    """Tell whether a bucket exists; B01 tells of one that does not."""
    return deployment.answer("GetBucketLocation", name) is not None


def _all(facts: Facts) -> Iterator[tuple[Deployment, str]]:
    for one in facts.route:
        for name in dict.fromkeys(one.buckets):
            yield one, name


def _from(facts: Facts) -> Iterator[tuple[Deployment, str]]:
    origin, _ = facts.route
    for name in dict.fromkeys(origin.buckets):
        yield origin, name


def _into(facts: Facts) -> Iterator[tuple[Deployment, str]]:
    _, destination = facts.route
    for name in dict.fromkeys(destination.buckets):
        yield destination, name


def _into_from(facts: Facts) -> Iterator[tuple[Deployment, str, Deployment]]:
    origin, destination = facts.route
    for name in dict.fromkeys(destination.buckets):
        yield destination, name, origin


def _pairs(facts: Facts) -> Iterator[tuple[Deployment, str, str]]:
    origin, _ = facts.route
    for name, other in facts.pairs:
        yield origin, name, other


def _aged(facts: Facts) -> Iterator[tuple[Deployment, str, Facts]]:
    for one, name in _all(facts):
        yield one, name, facts


def _enabled_rules(deployment: Deployment, name: str) -> list[dict[str, Any]]:
    answer = deployment.answer("GetBucketReplication", name)
    rules = answer["ReplicationConfiguration"]["Rules"] if answer else []
    return [one for one in rules if one["Status"] == "Enabled"]


def _rules_to(deployment: Deployment, name: str, other: str) -> list[dict[str, Any]]:
    return [one for one in _enabled_rules(deployment, name) if _destination(one) == other]


def _destination(one: dict[str, Any]) -> str:
    return str(one["Destination"]["Bucket"]).rpartition(":")[2]


def _lifecycle(deployment: Deployment, name: str) -> list[dict[str, Any]]:
    answer = deployment.answer("GetBucketLifecycleConfiguration", name)
    rules = answer.get("Rules", []) if answer else []
    return [one for one in rules if one["Status"] == "Enabled"]


def _encryption(deployment: Deployment, name: str) -> dict[str, Any]:
    """Return the default encryption of a bucket."""
    answer = deployment.answer("GetBucketEncryption", name)
    rules = answer["ServerSideEncryptionConfiguration"]["Rules"] if answer else []
    found: dict[str, Any] = (rules or [{}])[0].get("ApplyServerSideEncryptionByDefault", {})
    return found


def _by_kms(deployment: Deployment, name: str) -> bool:
    return str(_encryption(deployment, name).get("SSEAlgorithm", "")).startswith("aws:kms")


def _age(facts: Facts) -> timedelta | None:
    """Return the age of the older recovery point; None where none is named or there."""
    backup = facts.deployments["backup"]
    found = [
        backup.answer("DescribeRecoveryPoint", arn) or {} for arn in point_names(backup).values()
    ]
    created = [one["CreationDate"] for one in found if "CreationDate" in one]
    return facts.now - min(created) if created else None


@rule(
    "B01",
    each=_all,
    why="its replication job fails, or has no destination",
    source=f"{_S3}troubleshooting-batch-operations.html",
    mend="codeocean-cmdgen discover {0} --values {file}",
)
def bucket_exists(deployment: Deployment, name: str) -> Iterator[str]:
    """Each bucket exists."""
    if not _there(deployment, name):
        yield f"there is no bucket {name} of [{deployment}]"


@rule(
    "B02",
    each=_all,
    why="a job must be created in the Region of its bucket: SrcBucketInvalidRegion",
    source=f"{_S3}replication-failure-codes.html",
    mend="aws s3api get-bucket-location --bucket {1}",
)
def bucket_in_region(deployment: Deployment, name: str) -> Iterator[str]:
    """Each bucket is in the Region of its deployment."""
    answer = deployment.answer("GetBucketLocation", name)
    # S3 says nothing for us-east-1, and EU for eu-west-1.
    names = {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}
    found = answer and names.get(answer.get("LocationConstraint"), answer["LocationConstraint"])
    if answer is not None and found != deployment.region:
        yield f"{name} of [{deployment}] is in {found}, not in {deployment.region}"


@rule(
    "B03",
    each=_all,
    why="without versions nothing is replicated, and no moment can be gone back to",
    source=_REPLICATION,
    mend="aws s3api put-bucket-versioning --bucket {1} --versioning-configuration Status=Enabled "
    "--region {0.region}",
)
def bucket_is_versioned(deployment: Deployment, name: str) -> Iterator[str]:
    """Each bucket keeps versions."""
    if not _there(deployment, name):
        return
    status = (deployment.answer("GetBucketVersioning", name) or {}).get("Status", "never enabled")
    if status != "Enabled":
        yield f"versioning of {name} of [{deployment}] is {status}"


@rule(
    "B04",
    each=_from,
    level=WARNING,
    why="a replication job does what the bucket's rules say: without one it replicates nothing",
    source=_BATCH,
    mend=_SET_RULES.format("{0}") + "; s3-batch-replication comes after that",
)
def bucket_has_a_rule(deployment: Deployment, name: str) -> Iterator[str]:
    """Each bucket that data travels from has an enabled replication rule."""
    if _there(deployment, name) and not _enabled_rules(deployment, name):
        yield f"{name} of [{deployment}] has no enabled replication rule"


@rule(
    "B05",
    each=_pairs,
    why="the data goes to another bucket than it is restored from, or used in",
    source=_BATCH,
    mend=_SET_RULES.format("{0}"),
)
def rule_goes_to_the_pair(deployment: Deployment, name: str, other: str) -> Iterator[str]:
    """A bucket's rules replicate to its counterpart."""
    rules = _enabled_rules(deployment, name)
    if rules and not _rules_to(deployment, name, other):
        found = ", ".join(sorted({_destination(one) for one in rules}))
        yield f"{name} of [{deployment}] replicates to {found}, not to {other}"


@rule(
    "B06",
    each=_pairs,
    level=WARNING,
    why="the job serves every enabled rule: data goes there too, and a broken rule fails the job",
    source=f"{_S3}troubleshooting-batch-operations.html",
    mend=_SHOW_RULES,
)
def no_other_rule(deployment: Deployment, name: str, other: str) -> Iterator[str]:
    """A bucket's rules replicate to nowhere else."""
    rules = _enabled_rules(deployment, name)
    others = sorted({_destination(one) for one in rules} - {other})
    if others and len(others) < len(rules):
        yield f"{name} of [{deployment}] replicates to {', '.join(others)}, too"


@rule(
    "B07",
    each=_pairs,
    level=WARNING,
    why="what was deleted comes back alive after a restore",
    source=f"{_S3}delete-marker-replication.html",
    mend=_SET_RULES.format("{0}"),
)
def rule_takes_delete_markers(deployment: Deployment, name: str, other: str) -> Iterator[str]:
    """The rules replicate delete markers."""
    for one in _rules_to(deployment, name, other):
        if one.get("DeleteMarkerReplication", {}).get("Status") != "Enabled":
            yield f"rule {one.get('ID', '')} of {name} leaves delete markers behind"


@rule(
    "B08",
    each=_pairs,
    why="objects outside of the filter are not replicated, and nobody is told",
    source=_REPLICATION,
    mend=_SET_RULES.format("{0}"),
)
def rule_is_for_the_whole_bucket(deployment: Deployment, name: str, other: str) -> Iterator[str]:
    """The rules are for the whole bucket."""
    for one in _rules_to(deployment, name, other):
        if one.get("Prefix") or any(one.get("Filter", {}).values()):
            yield f"rule {one.get('ID', '')} of {name} has a filter"


@rule(
    "B09",
    each=_pairs,
    why="Batch Replication cannot read these replicas: a restore has to thaw each first, for days",
    source=f"{_S3}troubleshooting-batch-operations.html",
    mend=_SET_RULES.format("{0}"),
)
def rule_keeps_replicas_readable(deployment: Deployment, name: str, other: str) -> Iterator[str]:
    """The rules write replicas in a class that can be replicated again."""
    for one in _rules_to(deployment, name, other):
        found = one["Destination"].get("StorageClass", "STANDARD")
        if found in _SLOW_CLASSES:
            yield f"rule {one.get('ID', '')} of {name} writes replicas as {found}"


@rule(
    "B10",
    each=lambda facts: [(*pair, facts) for pair in _pairs(facts)],
    level=WARNING,
    why="the key aws/s3 works in its own account only: replicas may be unreadable, or never made",
    source=_KMS,
    mend=_SHOW_RULES + "; name a customer's key of the destination, by its ARN",
)
def rule_has_a_key_that_works(
    deployment: Deployment, name: str, other: str, facts: Facts
) -> Iterator[str]:
    """Objects that KMS encrypts travel to another account with a customer's key."""
    if not facts.elsewhere or not _by_kms(deployment, name):
        return
    for one in _rules_to(deployment, name, other):
        key = one["Destination"].get("EncryptionConfiguration", {}).get("ReplicaKmsKeyID", "")
        if ":alias/" in key or key.startswith("alias/"):
            yield f"rule {one.get('ID', '')} of {name}, which KMS encrypts, names {key}"


@rule(
    "B11",
    each=_pairs,
    why="objects that KMS encrypts are skipped, and nobody is told",
    source=_KMS,
    mend=_SHOW_RULES,
)
def rule_takes_what_kms_encrypts(deployment: Deployment, name: str, other: str) -> Iterator[str]:
    """The rules replicate what KMS encrypts, where the bucket does so."""
    if not _by_kms(deployment, name):
        return
    for one in _rules_to(deployment, name, other):
        chosen = one.get("SourceSelectionCriteria", {}).get("SseKmsEncryptedObjects", {})
        if chosen.get("Status") != "Enabled":
            yield f"rule {one.get('ID', '')} of {name} skips objects that KMS encrypts"


@rule(
    "B12",
    each=lambda facts: [(*bucket, facts) for bucket in _from(facts)],
    level=WARNING,
    why="the policy of a key that AWS manages admits no other account, and cannot be changed",
    source=_KMS,
    mend=_SHOW_ENCRYPTION,
)
def bucket_has_no_managed_key(deployment: Deployment, name: str, facts: Facts) -> Iterator[str]:
    """No bucket that data leaves for another account is encrypted with aws/s3."""
    key = str(_encryption(deployment, name).get("KMSMasterKeyID", "alias/aws/s3"))
    if facts.elsewhere and _by_kms(deployment, name) and key.endswith("alias/aws/s3"):
        yield f"{name} of [{deployment}] is encrypted with the key aws/s3 of its account"


@rule(
    "B13",
    each=_into_from,
    why="each replication fails: the destination does not let the origin write",
    source=f"{_S3}setting-repl-config-perm-overview.html",
    mend="codeocean-cmdgen stack-parameters --from {0} --values {file}, restore-source or the "
    "backup stack's source account",
)
def bucket_admits_the_origin(
    deployment: Deployment, name: str, origin: Deployment
) -> Iterator[str]:
    """The policy of each bucket that data travels into admits the origin's account."""
    if origin.account_id == deployment.account_id or not _there(deployment, name):
        return
    answer = deployment.answer("GetBucketPolicy", name)
    if not answer or not admits(answer["Policy"], origin.account_id, "s3:ReplicateObject"):
        yield f"the policy of {name} of [{deployment}] does not admit {origin.account_id}"


@rule(
    "B14",
    each=_into_from,
    level=WARNING,
    why="replicas belong to the account that wrote them: the new deployment may not read them",
    source=f"{_S3}replication-change-owner.html",
    mend="aws s3api put-bucket-ownership-controls --bucket {1} --region {0.region} "
    "--ownership-controls 'Rules=[{{ObjectOwnership=BucketOwnerEnforced}}]'",
)
def replicas_belong_to_the_bucket(
    deployment: Deployment, name: str, origin: Deployment
) -> Iterator[str]:
    """Each bucket that another account writes into owns what is in it."""
    if origin.account_id == deployment.account_id or not _there(deployment, name):
        return
    answer = deployment.answer("GetBucketOwnershipControls", name)
    rules = answer["OwnershipControls"]["Rules"] if answer else []
    if not any(one["ObjectOwnership"] == "BucketOwnerEnforced" for one in rules):
        yield f"{name} of [{deployment}] does not enforce that its owner owns all objects"


@rule(
    "B15",
    each=_into,
    level=WARNING,
    procedures=("restore", "migration"),
    why="a delete marker may arrive before its versions, be removed, and the deleted come back",
    source=f"{_BATCH}: disable lifecycle rules while the job runs",
    mend=_SHOW_LIFECYCLE,
)
def no_marker_expires(deployment: Deployment, name: str) -> Iterator[str]:
    """No lifecycle rule removes delete markers while they arrive."""
    for one in _lifecycle(deployment, name):
        if one.get("Expiration", {}).get("ExpiredObjectDeleteMarker"):
            yield f"rule {one.get('ID', '')} of {name} removes expired delete markers"


@rule(
    "B16",
    each=lambda facts: [(*bucket, facts) for bucket in _into(facts)],
    level=WARNING,
    procedures=("restore",),
    why="replicas keep their age: noncurrent versions expire as soon as they have arrived",
    source=f"{_S3}replication-and-other-bucket-configs.html",
    mend=_SHOW_LIFECYCLE,
)
def no_arrival_expires(deployment: Deployment, name: str, facts: Facts) -> Iterator[str]:
    """No lifecycle rule expires versions that are younger than the recovery point."""
    rules = _lifecycle(deployment, name)
    age = _age(facts) if rules else None
    for one in rules:
        days = one.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays")
        if days and age and age.days >= days:
            yield f"rule {one.get('ID', '')} of {name} expires noncurrent versions of {days} days"


@rule(
    "B17",
    each=_aged,
    procedures=("restore",),
    why="versions of that moment have gone to Deep Archive, which no job replicates: thaw them, "
    "for hours to days",
    source="the vendor's template 3.8.2: after the retention, versions go to DEEP_ARCHIVE",
    mend="codeocean-cmdgen discover recovery-points --values {file}, and take a younger pair",
)
def nothing_is_in_deep_archive(deployment: Deployment, name: str, facts: Facts) -> Iterator[str]:
    """The recovery point is younger than what lifecycle rules archive."""
    rules = _lifecycle(deployment, name)
    age = _age(facts) if rules else None
    for one in rules:
        for move in one.get("NoncurrentVersionTransitions", []):
            slow = move.get("StorageClass") in _SLOW_CLASSES
            if slow and age and age.days >= move.get("NoncurrentDays", 0):
                yield (
                    f"{name} of [{deployment}] archives after {move['NoncurrentDays']} days, the "
                    f"recovery point is {age.days} days old"
                )


@rule(
    "B18",
    each=_all,
    why="Batch Replication skips what is in Glacier Flexible Retrieval or Deep Archive",
    source=f"{_S3}troubleshooting-batch-operations.html",
    mend=_SHOW_LIFECYCLE,
)
def current_objects_stay_readable(deployment: Deployment, name: str) -> Iterator[str]:
    """No lifecycle rule archives current objects."""
    for one in _lifecycle(deployment, name):
        for move in one.get("Transitions", []):
            if move.get("StorageClass") in _SLOW_CLASSES:
                yield f"rule {one.get('ID', '')} of {name} moves objects to {move['StorageClass']}"


@rule(
    "B19",
    each=_into,
    procedures=("restore",),
    why="no version can be removed without the code of a device: s3-point-in-time cannot work",
    source=f"{_S3}MultiFactorAuthenticationDelete.html",
    mend="aws s3api put-bucket-versioning --bucket {1} --region {0.region} --mfa 'SERIAL CODE' "
    "--versioning-configuration Status=Enabled,MFADelete=Disabled, as root",
)
def versions_can_be_removed(deployment: Deployment, name: str) -> Iterator[str]:
    """No bucket wants a device's code for each removal."""
    if (deployment.answer("GetBucketVersioning", name) or {}).get("MFADelete") == "Enabled":
        yield f"{name} of [{deployment}] has MFA Delete"


@rule(
    "B20",
    each=_into,
    procedures=("restore",),
    why="S3 refuses to remove what is locked: the bucket cannot be brought back in time",
    source=f"{_S3}object-lock.html",
    mend="aws s3api get-object-lock-configuration --bucket {1} --region {0.region}",
)
def nothing_is_locked(deployment: Deployment, name: str) -> Iterator[str]:
    """No bucket locks new versions."""
    answer = deployment.answer("GetObjectLockConfiguration", name)
    lock = answer["ObjectLockConfiguration"] if answer else {}
    if lock.get("Rule", {}).get("DefaultRetention"):
        yield f"{name} of [{deployment}] locks each new version"


@rule(
    "B21",
    each=_into,
    why="the replicas would travel on, or back into the bucket that they came from",
    source=_REPLICATION,
    level=WARNING,
    procedures=("restore", "migration"),
    mend="codeocean-cmdgen stack-parameters --from target --values {file} "
    "--clear pDestinationBackupS3KmsKey",
)
def destination_replicates_nothing(deployment: Deployment, name: str) -> Iterator[str]:
    """No bucket of the target has a replication rule of its own yet."""
    for one in _enabled_rules(deployment, name):
        yield f"{name} of [{deployment}] replicates to {_destination(one)}"
