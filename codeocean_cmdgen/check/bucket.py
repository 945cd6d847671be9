"""Rules about buckets: versioning, replication, encryption and lifecycle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codeocean_cmdgen import vendor
from codeocean_cmdgen.check.account import CLEAR_DESTINATIONS, allows
from codeocean_cmdgen.check.rule import (
    ADMIT_ADVICE,
    CHOOSE_POINTS,
    SET_DESTINATION,
    WARNING,
    admit,
    rule,
)
from codeocean_cmdgen.check.vault import point_names
from codeocean_cmdgen.values import BucketArn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from codeocean_cmdgen.check.facts import Deployment, Facts

_S3 = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/"
_REPLICATION = f"{_S3}replication.html"
_BATCH = f"{_S3}s3-batch-replication-batch.html"
_KMS = f"{_S3}replication-config-for-kms-objects.html"
_SLOW_CLASSES = ("GLACIER", "DEEP_ARCHIVE")
"""Storage classes that Batch Replication cannot read.

Source: the S3 User Guide, "Troubleshooting".
"""

_SHOW_RULES = "aws s3api get-bucket-replication --bucket {1} --region {0.region}"
_SHOW_LIFECYCLE = "aws s3api get-bucket-lifecycle-configuration --bucket {1} --region {0.region}"
_PAUSE_LIFECYCLE = (
    "Save this output. Run aws s3api delete-bucket-lifecycle with the same options, and put "
    "the lifecycle rules back when replication is complete."
)
_SHOW_ENCRYPTION = "aws s3api get-bucket-encryption --bucket {1} --region {0.region}"


def _exists(deployment: Deployment, name: str) -> bool:
    """Return whether a bucket exists; B01 reports a missing one."""
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
    return BucketArn(one["Destination"]["Bucket"]).name


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
    """Return the age of the older recovery point; None if the file names none that exists."""
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
    fix="codeocean-cmdgen discover {0} --values {file}",
    noun="bucket",
)
def bucket_exists(deployment: Deployment, name: str) -> Iterator[str]:
    """Each bucket exists."""
    if not _exists(deployment, name):
        yield "does not exist"


@rule(
    "B02",
    each=_all,
    why="a job must be created in the Region of its bucket: SrcBucketInvalidRegion",
    source=f"{_S3}replication-failure-codes.html",
    fix="aws s3api get-bucket-location --bucket {1} --region {0.region}",
    advice="Correct bucket_arn or region in the deployment file.",
    noun="bucket",
)
def bucket_in_region(deployment: Deployment, name: str) -> Iterator[str]:
    """Each bucket is in the Region of its deployment."""
    answer = deployment.answer("GetBucketLocation", name)
    # S3 answers with nothing for us-east-1, and with EU for eu-west-1.
    names = {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}
    found = answer and names.get(answer.get("LocationConstraint"), answer["LocationConstraint"])
    if answer is not None and found != deployment.region:
        yield f"is in {found}, not in {deployment.region}"


@rule(
    "B03",
    each=_all,
    why="without versioning nothing is replicated, and the bucket cannot be restored to a point in "
    "time",
    source=_REPLICATION,
    fix="aws s3api put-bucket-versioning --bucket {1} --versioning-configuration Status=Enabled "
    "--region {0.region}",
    noun="bucket",
)
def bucket_is_versioned(deployment: Deployment, name: str) -> Iterator[str]:
    """Versioning of each bucket is enabled."""
    if not _exists(deployment, name):
        return
    status = (deployment.answer("GetBucketVersioning", name) or {}).get("Status", "never enabled")
    if status != "Enabled":
        yield f"versioning is not enabled: {status}"


@rule(
    "B04",
    each=_from,
    level=WARNING,
    why="a replication job follows the bucket's rules: without a rule it replicates nothing",
    source=_BATCH,
    fix=SET_DESTINATION,
    advice="Then run the step s3-batch-replication.",
    noun="bucket",
)
def bucket_has_a_rule(deployment: Deployment, name: str) -> Iterator[str]:
    """Each bucket that data is copied from has an enabled replication rule."""
    if _exists(deployment, name) and not _enabled_rules(deployment, name):
        yield "no enabled replication rule"


@rule(
    "B05",
    each=_pairs,
    why="the data is copied to a bucket that the destination does not use",
    source=_BATCH,
    fix=SET_DESTINATION,
    noun="bucket",
)
def rule_goes_to_the_pair(deployment: Deployment, name: str, other: str) -> Iterator[str]:
    """A bucket's rules replicate to its counterpart."""
    rules = _enabled_rules(deployment, name)
    if rules and not _rules_to(deployment, name, other):
        found = ", ".join(sorted({_destination(one) for one in rules}))
        yield f"replicates to {found}, not to {other}"


@rule(
    "B06",
    each=_pairs,
    level=WARNING,
    why="the job follows every enabled rule: it copies data there too, and a broken rule makes it "
    "fail",
    source=f"{_S3}troubleshooting-batch-operations.html",
    fix=_SHOW_RULES,
    advice="Disable or delete the rules that replicate elsewhere.",
    noun="bucket",
)
def no_other_rule(deployment: Deployment, name: str, other: str) -> Iterator[str]:
    """A bucket's rules replicate only to its counterpart."""
    rules = _enabled_rules(deployment, name)
    others = sorted({_destination(one) for one in rules} - {other})
    if others and len(others) < len(rules):
        yield f"also replicates to {', '.join(others)}"


@rule(
    "B07",
    each=_pairs,
    level=WARNING,
    why="deleted objects reappear after a restore",
    source=f"{_S3}delete-marker-replication.html",
    fix=SET_DESTINATION,
    noun="bucket",
)
def rule_takes_delete_markers(deployment: Deployment, name: str, other: str) -> Iterator[str]:
    """The rules replicate delete markers."""
    for one in _rules_to(deployment, name, other):
        if one.get("DeleteMarkerReplication", {}).get("Status") != "Enabled":
            yield f"rule {one.get('ID', '')} does not replicate delete markers"


@rule(
    "B08",
    each=_pairs,
    why="objects outside the filter are not replicated, and nothing reports that",
    source=_REPLICATION,
    fix=SET_DESTINATION,
    noun="bucket",
)
def rule_is_for_the_whole_bucket(deployment: Deployment, name: str, other: str) -> Iterator[str]:
    """The rules apply to the whole bucket."""
    for one in _rules_to(deployment, name, other):
        if one.get("Prefix") or any(one.get("Filter", {}).values()):
            yield f"rule {one.get('ID', '')} has a filter"


@rule(
    "B09",
    each=_pairs,
    why="Batch Replication cannot read these replicas: a restore must first retrieve each of "
    "them, which takes days",
    source=f"{_S3}troubleshooting-batch-operations.html",
    fix=SET_DESTINATION,
    noun="bucket",
)
def rule_keeps_replicas_readable(deployment: Deployment, name: str, other: str) -> Iterator[str]:
    """The rules write replicas in a storage class that can be replicated again."""
    for one in _rules_to(deployment, name, other):
        found = one["Destination"].get("StorageClass", "STANDARD")
        if found in _SLOW_CLASSES:
            yield f"rule {one.get('ID', '')} writes replicas as {found}"


@rule(
    "B10",
    each=lambda facts: [(*pair, facts) for pair in _pairs(facts)],
    level=WARNING,
    why="the key aws/s3 works only in its own account: replicas may be unreadable or missing",
    source=_KMS,
    fix=_SHOW_RULES,
    advice="In the rule, name a customer managed key of the destination's account by its ARN.",
    noun="bucket",
)
def rule_has_a_key_that_works(
    deployment: Deployment, name: str, other: str, facts: Facts
) -> Iterator[str]:
    """KMS encrypted objects are replicated to another account with a customer managed key."""
    if not facts.elsewhere or not _by_kms(deployment, name):
        return
    for one in _rules_to(deployment, name, other):
        key = one["Destination"].get("EncryptionConfiguration", {}).get("ReplicaKmsKeyID", "")
        if ":alias/" in key or key.startswith("alias/"):
            yield f"KMS encrypted, but rule {one.get('ID', '')} names {key}"


@rule(
    "B11",
    each=_pairs,
    why="KMS encrypted objects are skipped, and nothing reports that",
    source=_KMS,
    fix=_SHOW_RULES,
    advice="In the rule, enable SseKmsEncryptedObjects, and name a key of the destination's "
    "account.",
    noun="bucket",
)
def rule_replicates_kms_objects(deployment: Deployment, name: str, other: str) -> Iterator[str]:
    """The rules of a KMS encrypted bucket replicate KMS encrypted objects."""
    if not _by_kms(deployment, name):
        return
    for one in _rules_to(deployment, name, other):
        chosen = one.get("SourceSelectionCriteria", {}).get("SseKmsEncryptedObjects", {})
        if chosen.get("Status") != "Enabled":
            yield f"rule {one.get('ID', '')} skips KMS encrypted objects"


@rule(
    "B12",
    each=lambda facts: [(*bucket, facts) for bucket in _from(facts)],
    level=WARNING,
    why="the policy of an AWS managed key allows no other account, and cannot be changed",
    source=_KMS,
    fix=_SHOW_ENCRYPTION,
    advice="Encrypt the bucket with a customer managed key. Existing objects keep their key.",
    noun="bucket",
)
def bucket_has_no_managed_key(deployment: Deployment, name: str, facts: Facts) -> Iterator[str]:
    """No bucket whose data is copied to another account is encrypted with aws/s3."""
    key = str(_encryption(deployment, name).get("KMSMasterKeyID", "alias/aws/s3"))
    if facts.elsewhere and _by_kms(deployment, name) and key.endswith("alias/aws/s3"):
        yield "encrypted with the AWS managed key aws/s3"


@rule(
    "B13",
    each=_into_from,
    why="every replication fails: the destination does not allow the origin to write",
    source=f"{_S3}setting-repl-config-perm-overview.html",
    fix=admit,
    advice=ADMIT_ADVICE,
    noun="bucket",
)
def bucket_allows_the_origin(
    deployment: Deployment, name: str, origin: Deployment
) -> Iterator[str]:
    """The policy of each bucket that data is copied to allows the origin's account."""
    if origin.account_id == deployment.account_id or not _exists(deployment, name):
        return
    answer = deployment.answer("GetBucketPolicy", name)
    if not answer or not allows(answer["Policy"], origin.account_id, "s3:ReplicateObject"):
        yield f"the policy does not allow {origin.account_id}"


@rule(
    "B14",
    each=_into_from,
    level=WARNING,
    why="replicas belong to the account that wrote them: the new deployment may not read them",
    source=f"{_S3}replication-change-owner.html",
    fix="aws s3api put-bucket-ownership-controls --bucket {1} --region {0.region} "
    "--ownership-controls 'Rules=[{{ObjectOwnership=BucketOwnerEnforced}}]'",
    noun="bucket",
)
def replicas_belong_to_the_bucket(
    deployment: Deployment, name: str, origin: Deployment
) -> Iterator[str]:
    """The owner of a bucket owns all objects that another account writes to it."""
    if origin.account_id == deployment.account_id or not _exists(deployment, name):
        return
    answer = deployment.answer("GetBucketOwnershipControls", name)
    rules = answer["OwnershipControls"]["Rules"] if answer else []
    if not any(one["ObjectOwnership"] == "BucketOwnerEnforced" for one in rules):
        yield "ObjectOwnership is not BucketOwnerEnforced"


@rule(
    "B15",
    each=_into,
    level=WARNING,
    procedures=("restore", "migration"),
    why="a delete marker may be replicated before its versions and expire: deleted objects "
    "reappear",
    source=f"{_BATCH}: disable lifecycle rules while the job runs",
    fix=_SHOW_LIFECYCLE,
    advice=_PAUSE_LIFECYCLE,
    noun="bucket",
)
def no_marker_expires(deployment: Deployment, name: str) -> Iterator[str]:
    """No lifecycle rule removes delete markers during replication."""
    for one in _lifecycle(deployment, name):
        if one.get("Expiration", {}).get("ExpiredObjectDeleteMarker"):
            yield f"rule {one.get('ID', '')} removes expired delete markers"


@rule(
    "B16",
    each=lambda facts: [(*bucket, facts) for bucket in _into(facts)],
    level=WARNING,
    procedures=("restore",),
    why="replicas keep their age: noncurrent versions expire as soon as they are replicated",
    source=f"{_S3}replication-and-other-bucket-configs.html",
    fix=_SHOW_LIFECYCLE,
    advice=_PAUSE_LIFECYCLE,
    noun="bucket",
)
def no_replica_expires(deployment: Deployment, name: str, facts: Facts) -> Iterator[str]:
    """No lifecycle rule expires versions that are younger than the recovery point."""
    rules = _lifecycle(deployment, name)
    age = _age(facts) if rules else None
    for one in rules:
        days = one.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays")
        if days and age and age.days >= days:
            yield (f"rule {one.get('ID', '')} expires noncurrent versions after {days} days")


@rule(
    "B17",
    each=_aged,
    procedures=("restore",),
    why="versions of that time are in Deep Archive, which no job replicates: retrieving them "
    "takes hours to days",
    source=f"{vendor.TEMPLATE}: after the retention, versions move to DEEP_ARCHIVE",
    fix=CHOOSE_POINTS,
    fix_in="backup",
    advice="Choose a newer pair.",
    noun="bucket",
)
def nothing_is_in_deep_archive(deployment: Deployment, name: str, facts: Facts) -> Iterator[str]:
    """The recovery point is newer than the versions that lifecycle rules archive."""
    rules = _lifecycle(deployment, name)
    age = _age(facts) if rules else None
    for one in rules:
        for move in one.get("NoncurrentVersionTransitions", []):
            slow = move.get("StorageClass") in _SLOW_CLASSES
            if slow and age and age.days >= move.get("NoncurrentDays", 0):
                yield (
                    f"archives versions after {move['NoncurrentDays']} days, but "
                    f"the recovery point is {age.days} days old"
                )


@rule(
    "B18",
    each=_all,
    why="Batch Replication skips objects in Glacier Flexible Retrieval or Deep Archive",
    source=f"{_S3}troubleshooting-batch-operations.html",
    fix=_SHOW_LIFECYCLE,
    advice=_PAUSE_LIFECYCLE,
    noun="bucket",
)
def current_objects_stay_readable(deployment: Deployment, name: str) -> Iterator[str]:
    """No lifecycle rule archives current objects."""
    for one in _lifecycle(deployment, name):
        for move in one.get("Transitions", []):
            if move.get("StorageClass") in _SLOW_CLASSES:
                yield f"rule {one.get('ID', '')} moves objects to {move['StorageClass']}"


@rule(
    "B19",
    each=_into,
    procedures=("restore",),
    why="s3-point-in-time cannot delete a version without the code of an MFA device",
    source=f"{_S3}MultiFactorAuthenticationDelete.html",
    fix="aws s3api get-bucket-versioning --bucket {1} --region {0.region}",
    advice="Only the root user can turn it off, with an MFA code: aws s3api put-bucket-versioning, "
    "with the options --mfa and --versioning-configuration Status=Enabled,MFADelete=Disabled.",
    noun="bucket",
)
def versions_can_be_removed(deployment: Deployment, name: str) -> Iterator[str]:
    """MFA Delete is off for each bucket."""
    if (deployment.answer("GetBucketVersioning", name) or {}).get("MFADelete") == "Enabled":
        yield "MFA Delete is enabled"


@rule(
    "B20",
    each=_into,
    procedures=("restore",),
    why="S3 refuses to remove locked versions: the bucket cannot be restored to a point in time",
    source=f"{_S3}object-lock.html",
    fix="aws s3api get-object-lock-configuration --bucket {1} --region {0.region}",
    advice="Remove the default retention. Versions that are already locked stay locked.",
    noun="bucket",
)
def nothing_is_locked(deployment: Deployment, name: str) -> Iterator[str]:
    """No bucket locks new versions."""
    answer = deployment.answer("GetObjectLockConfiguration", name)
    lock = answer["ObjectLockConfiguration"] if answer else {}
    if lock.get("Rule", {}).get("DefaultRetention"):
        yield "locks each new version"


@rule(
    "B21",
    each=_into,
    why="replicas would be replicated further, or back to the bucket that they came from",
    source=_REPLICATION,
    level=WARNING,
    procedures=("restore", "migration"),
    fix=CLEAR_DESTINATIONS,
    noun="bucket",
)
def destination_replicates_nothing(deployment: Deployment, name: str) -> Iterator[str]:
    """No bucket of the target has its own replication rule yet."""
    for one in _enabled_rules(deployment, name):
        yield f"replicates to {_destination(one)}"
