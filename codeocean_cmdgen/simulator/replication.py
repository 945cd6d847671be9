"""Replication of single versions between buckets, by the rules of the source bucket.

Sources: Amazon S3 User Guide, "What does Amazon S3 replicate?", "Replicating existing objects",
"Replicating encrypted objects", "Amazon S3 replication failure reasons" (the failure codes).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.s3.models import FakeDeleteMarker, FakeKey

from codeocean_cmdgen.simulator import backends, policy
from codeocean_cmdgen.values import BucketArn

if TYPE_CHECKING:
    from moto.s3.models import FakeBucket

    from codeocean_cmdgen.simulator.s3 import S3, Version

# Classes whose objects must be restored first. Source: User Guide, "Troubleshooting replication".
_ARCHIVED = {"GLACIER", "DEEP_ARCHIVE"}
_KMS = "aws:kms"


@dataclass(frozen=True)
class Task:
    """One version or delete marker to replicate, and the rules that apply to it."""

    version: Version
    rules: tuple[dict[str, Any], ...]


def enabled_rules(s3: S3, bucket: FakeBucket) -> list[dict[str, Any]]:
    """Return the enabled rules of a bucket's replication configuration."""
    configuration = s3.replication.get(bucket.name, {"Rules": []})
    return [rule for rule in configuration["Rules"] if rule["Status"] == "Enabled"]


def eligible_tasks(s3: S3, bucket: FakeBucket) -> list[Task]:
    """Return a task for each version that an enabled rule covers, oldest first within a key."""
    rules = enabled_rules(s3, bucket)
    tasks = []
    for name in sorted(bucket.keys):
        for version in bucket.keys.getlist(name):
            taking = tuple(rule for rule in rules if _takes(rule, version, bucket))
            if taking:
                tasks.append(Task(version, taking))
    return tasks


def replicate_new(s3: S3, source: FakeBucket, version: Version) -> None:
    """Replicate a version that was just written, at once."""
    rules = tuple(rule for rule in enabled_rules(s3, source) if _takes(rule, version, source))
    if rules:
        replicate(s3, source, Task(version, rules))


def replicate(s3: S3, source: FakeBucket, task: Task, injected: str = "") -> str:
    """Carry out a task; return a failure code, or an empty string.

    With an ``injected`` failure code nothing is copied.
    The source's replication status becomes COMPLETED or FAILED. For a source that is itself a
    replica it stays REPLICA; the User Guide does not say this.
    """
    failures = [] if injected else [_copy(s3, source, task.version, rule) for rule in task.rules]
    failure = injected or next(filter(None, failures), "")
    if s3.status_of(source.name, task.version) != "REPLICA":
        s3.set_status(source.name, task.version, "FAILED" if failure else "COMPLETED")
    return failure


def _takes(rule: dict[str, Any], version: Version, bucket: FakeBucket) -> bool:
    selection = rule.get("Filter", {})
    both = selection.get("And", {})
    prefix = selection.get("Prefix") or both.get("Prefix") or rule.get("Prefix") or ""
    tags = both.get("Tags", []) + ([selection["Tag"]] if "Tag" in selection else [])
    if not version.name.startswith(prefix):
        return False
    if isinstance(version, FakeDeleteMarker):
        markers: str = rule.get("DeleteMarkerReplication", {}).get("Status", "Enabled")
        return markers == "Enabled" and not tags
    has = backends.s3_backend(bucket).tagger.get_tag_dict_for_resource(version.arn)
    criteria = rule.get("SourceSelectionCriteria", {}).get("SseKmsEncryptedObjects", {})
    return (
        version.storage_class not in _ARCHIVED
        and (version.encryption != _KMS or criteria.get("Status") == "Enabled")
        and all(has.get(tag["Key"]) == tag["Value"] for tag in tags)
    )


def _copy(s3: S3, source: FakeBucket, version: Version, rule: dict[str, Any]) -> str:
    target = rule["Destination"]
    bucket = backends.find_bucket(BucketArn(target["Bucket"]).name)
    if bucket is None:
        return "DstBucketNotFound"
    failure = _why_not(source, version, bucket, target)
    existing = bucket.keys.getlist(version.name, [])
    if failure or any(other.version_id == version.version_id for other in existing):
        return failure
    if isinstance(version, FakeDeleteMarker):
        replica: Version = copy.copy(version)
    else:
        replica = _copy_object(source, version, bucket, target)
    # A stable sort: versions of the same second keep the order in which they were written.
    versions = sorted([*existing, replica], key=lambda item: item.last_modified)
    bucket.keys.setlist(version.name, versions)
    s3.set_status(bucket.name, replica, "REPLICA")
    return ""


def _why_not(
    source: FakeBucket, version: Version, bucket: FakeBucket, target: dict[str, Any]
) -> str:
    """Return the failure code that applies, or an empty string."""
    if not bucket.is_versioned:
        return "DstBucketUnversioned"
    if target.get("Account", bucket.account_id) != bucket.account_id:
        return "DstPutObjectNotPermitted"
    if not _may_write(source, version, bucket):
        return "DstPutObjectNotPermitted"
    if isinstance(version, FakeKey) and version.encryption == _KMS:
        key_id = _replica_key(target)
        # The AWS managed key of another account: its policy allows no other account.
        if key_id.endswith(":alias/aws/s3") and f":{source.account_id}:" not in key_id:
            return "DstKmsKeyInvalidState"
    return ""


def _replica_key(target: dict[str, Any]) -> str:
    return str(target.get("EncryptionConfiguration", {}).get("ReplicaKmsKeyID", ""))


def _may_write(source: FakeBucket, version: Version, bucket: FakeBucket) -> bool:
    """Return whether the destination's bucket policy allows the source's account to replicate."""
    is_marker = isinstance(version, FakeDeleteMarker)
    return source.account_id == bucket.account_id or policy.allows(
        bucket.policy,
        "s3:ReplicateDelete" if is_marker else "s3:ReplicateObject",
        {"AWS": source.account_id},
        f"arn:{bucket.partition}:s3:::{bucket.name}/{version.name}",
    )


def _copy_object(
    source: FakeBucket, version: FakeKey, bucket: FakeBucket, target: dict[str, Any]
) -> FakeKey:
    replica = copy.copy(version)
    replica.set_metadata(dict(version.metadata), replace=True)
    replica.account_id = bucket.account_id
    replica.region_name = bucket.region_name
    replica.bucket_name = bucket.name
    replica.set_storage_class(target.get("StorageClass", version.storage_class))
    replica.kms_key_id = _replica_key(target) if version.encryption == _KMS else None
    tags = backends.s3_backend(source).tagger.get_tag_dict_for_resource(version.arn)
    backends.s3_backend(bucket).tagger.tag_resource(
        replica.arn, [{"Key": key, "Value": value} for key, value in tags.items()]
    )
    return replica
