"""The behaviour of Amazon S3 that moto lacks, in front of moto's S3.

This covers owner, access and Region checks, version listings that stay fast in large buckets,
replication and lifecycle configurations that are returned completely, and the replication status of
objects. Sources: Amazon S3 API Reference and User Guide ("Bucket owner condition", "Policies and
permissions in Amazon S3"). There is no live replication: only Batch Replication jobs copy objects.
"""

from __future__ import annotations

import re
import urllib.parse
from bisect import bisect_left
from itertools import islice
from typing import TYPE_CHECKING, Any, Union

from moto.s3.models import FakeDeleteMarker, FakeKey

from codeocean_cmdgen.simulator import backends, policy
from codeocean_cmdgen.simulator.errors import AwsError
from codeocean_cmdgen.simulator.wire import result_response
from codeocean_cmdgen.values import BucketArn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from moto.s3.models import FakeBucket

    from codeocean_cmdgen.simulator.wire import Call, HttpResponse

Version = Union[FakeKey, FakeDeleteMarker]

# IAM actions whose names differ from their operations'. Source: Service Authorization Reference,
# "Actions, resources, and condition keys for Amazon S3".
_ACTIONS = {
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "GetBucketReplication": "GetReplicationConfiguration",
    "PutBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "HeadObject": "GetObject",
}
_PAGE = 1000
_VERSION = re.compile(rb"<Version>.*?</Version>", re.DOTALL)
_DELETE_MARKER = re.compile(rb"<DeleteMarker>.*?</DeleteMarker>", re.DOTALL)
_DEFAULT_ENCRYPTION = {
    "Rules": [
        {
            "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
            "BucketKeyEnabled": False,
        }
    ]
}


class S3:
    """Amazon S3 of all accounts."""

    def __init__(self) -> None:
        """Start without configurations and replication states."""
        self.replication: dict[str, dict[str, Any]] = {}
        self.lifecycle: dict[str, dict[str, Any]] = {}
        self._statuses: dict[tuple[str, str, str], str] = {}
        self._operations: dict[str, Callable[[Call, FakeBucket], dict[str, Any] | HttpResponse]]
        self._operations = {
            "ListObjectVersions": self._list_object_versions,
            "GetBucketReplication": self._get_replication,
            "PutBucketReplication": self._put_replication,
            "DeleteBucketReplication": self._delete_replication,
            "GetBucketLifecycleConfiguration": self._get_lifecycle,
            "PutBucketLifecycleConfiguration": self._put_lifecycle,
            "DeleteBucketLifecycle": self._delete_lifecycle,
        }

    def status_of(self, bucket: str, version: Version) -> str:
        """Return the replication status of a version; NONE if it was never replicated."""
        return self._statuses.get((bucket, version.name, version.version_id), "NONE")

    def set_status(self, bucket: str, version: Version, status: str) -> None:
        """Set the replication status of a version: COMPLETED, FAILED or REPLICA."""
        self._statuses[bucket, version.name, version.version_id] = status

    def answer(self, call: Call) -> dict[str, Any] | HttpResponse:
        """Carry out an S3 operation; raise AwsError if S3 refuses it."""
        name = call.parameters.get("Bucket")
        if not name or call.operation == "CreateBucket":
            return backends.answer(call)
        bucket = backends.find_bucket(name)
        if bucket is None or bucket.partition != backends.partition_of(call.region):
            message = f"The specified bucket does not exist: {name}"
            raise AwsError(message, "NoSuchBucket", 404)
        _check_access(call, bucket)
        if call.operation == "GetBucketLocation":
            location = bucket.region_name
            return {"LocationConstraint": "" if location == "us-east-1" else location}
        _check_region(call, bucket)
        if call.operation == "GetBucketEncryption" and not bucket.encryption:
            return {"ServerSideEncryptionConfiguration": _DEFAULT_ENCRYPTION}
        if call.operation == "DeleteBucket":
            self.replication.pop(name, None)
            self.lifecycle.pop(name, None)
        operation = self._operations.get(call.operation)
        if operation:
            return operation(call, bucket)
        return self._with_status(call, backends.answer(call))

    def _with_status(self, call: Call, response: HttpResponse) -> HttpResponse:
        """Add the replication status to moto's answer about an object."""
        if call.operation in {"HeadObject", "GetObject"}:
            version = response.headers.get("x-amz-version-id", "null")
            key = (call.parameters["Bucket"], call.parameters["Key"], version)
            if key in self._statuses:
                response.headers["x-amz-replication-status"] = self._statuses[key]
        return response

    def _get_replication(self, _call: Call, bucket: FakeBucket) -> dict[str, Any]:
        if bucket.name not in self.replication:
            message = "The replication configuration was not found"
            raise AwsError(message, "ReplicationConfigurationNotFoundError", 404)
        return {"ReplicationConfiguration": self.replication[bucket.name]}

    def _put_replication(self, call: Call, bucket: FakeBucket) -> dict[str, Any]:
        configuration = call.parameters["ReplicationConfiguration"]
        if not bucket.is_versioned:
            message = "Versioning must be 'Enabled' on the bucket to apply a replication rule"
            raise AwsError(message, "InvalidRequest")
        for rule in configuration["Rules"]:
            _check_rule(rule)
        self.replication[bucket.name] = configuration
        return {}

    def _delete_replication(self, _call: Call, bucket: FakeBucket) -> dict[str, Any]:
        self.replication.pop(bucket.name, None)
        return {}

    def _get_lifecycle(self, _call: Call, bucket: FakeBucket) -> dict[str, Any]:
        if bucket.name not in self.lifecycle:
            message = "The lifecycle configuration does not exist"
            raise AwsError(message, "NoSuchLifecycleConfiguration", 404)
        return self.lifecycle[bucket.name]

    def _put_lifecycle(self, call: Call, bucket: FakeBucket) -> dict[str, Any]:
        minimum = call.parameters.get(
            "TransitionDefaultMinimumObjectSize", "all_storage_classes_128K"
        )
        self.lifecycle[bucket.name] = {
            "Rules": call.parameters["LifecycleConfiguration"]["Rules"],
            "TransitionDefaultMinimumObjectSize": minimum,
        }
        return {"TransitionDefaultMinimumObjectSize": minimum}

    def _delete_lifecycle(self, _call: Call, bucket: FakeBucket) -> dict[str, Any]:
        self.lifecycle.pop(bucket.name, None)
        return {}

    def _list_object_versions(self, call: Call, bucket: FakeBucket) -> HttpResponse:
        given = call.parameters
        if given.get("Delimiter"):
            message = "the simulator lists versions only without a delimiter"
            raise AwsError(message, "NotImplemented", 501)
        limit = min(given.get("MaxKeys", _PAGE), _PAGE)
        entries = _entries_after(
            bucket,
            given.get("Prefix", ""),
            given.get("KeyMarker", ""),
            given.get("VersionIdMarker", ""),
        )
        page = list(islice(entries, limit))
        truncated = bool(page) and next(entries, None) is not None
        quote = urllib.parse.quote if given.get("EncodingType") == "url" else str
        result = {
            "Name": bucket.name,
            "Prefix": quote(given.get("Prefix", "")),
            "KeyMarker": quote(given.get("KeyMarker", "")),
            "VersionIdMarker": given.get("VersionIdMarker", ""),
            "MaxKeys": limit,
            "EncodingType": given.get("EncodingType"),
            "IsTruncated": truncated,
            "Versions": [
                {**_describe(version, latest=latest), "Key": quote(version.name)}
                for version, latest in page
                if isinstance(version, FakeKey)
            ],
            "DeleteMarkers": [
                {**_describe(version, latest=latest), "Key": quote(version.name)}
                for version, latest in page
                if isinstance(version, FakeDeleteMarker)
            ],
        }
        if truncated:
            result["NextKeyMarker"] = quote(page[-1][0].name)
            result["NextVersionIdMarker"] = page[-1][0].version_id
        return _interleaved(result_response(call, result), page)


def history(name: str) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Return, by key and ID, everything visible of each version and delete marker of a bucket.

    That is its position among those of the key and its time, and for versions also the content,
    metadata and tags.
    """
    bucket = backends.find_bucket(name)
    if bucket is None:
        return {}
    tags = backends.s3_backend(bucket).tagger.get_tag_dict_for_resource
    return {
        (key, version.version_id): (
            place,
            version.last_modified,
            (version.value, dict(version.metadata), tags(version.arn))
            if isinstance(version, FakeKey)
            else None,
        )
        for key in list(bucket.keys)
        for place, version in enumerate(bucket.keys.getlist(key))
    }


def _check_access(call: Call, bucket: FakeBucket) -> None:
    expected = call.parameters.get("ExpectedBucketOwner", bucket.account_id)
    arn = f"arn:{bucket.partition}:s3:::{bucket.name}"
    key = call.parameters.get("Key")
    action = f"s3:{_ACTIONS.get(call.operation, call.operation)}"
    allowed = bucket.account_id == call.account or policy.allows(
        bucket.policy, action, {"AWS": call.account}, f"{arn}/{key}" if key else arn
    )
    if expected != bucket.account_id or not allowed:
        message = f"Access Denied: account {call.account} may not do {action} on {bucket.name}"
        raise AwsError(message, "AccessDenied", 403)


def _check_region(call: Call, bucket: FakeBucket) -> None:
    if call.region != bucket.region_name:
        message = "The bucket must be addressed using its own Region's endpoint"
        headers = {"x-amz-bucket-region": bucket.region_name}
        raise AwsError(message, "PermanentRedirect", 301, headers)


def _check_rule(rule: dict[str, Any]) -> None:
    """Refuse rules that S3 refuses (API Reference, ReplicationRule)."""
    if "Filter" in rule and not {"Priority", "DeleteMarkerReplication"} <= rule.keys():
        message = "Priority and DeleteMarkerReplication must be specified with Filter"
        raise AwsError(message, "InvalidRequest")
    destination = rule["Destination"]
    criteria = rule.get("SourceSelectionCriteria", {})
    if "SseKmsEncryptedObjects" in criteria and "EncryptionConfiguration" not in destination:
        message = "EncryptionConfiguration must be specified with SseKmsEncryptedObjects"
        raise AwsError(message, "InvalidRequest")
    bucket = backends.find_bucket(BucketArn(destination["Bucket"]).name)
    if bucket is None:
        message = "Destination bucket must exist."
        raise AwsError(message, "InvalidRequest")
    if not bucket.is_versioned:
        message = "Destination bucket must have versioning enabled."
        raise AwsError(message, "InvalidRequest")


def _entries_after(
    bucket: FakeBucket, prefix: str, key_marker: str, version_marker: str
) -> Iterator[tuple[Version, bool]]:
    """Yield the versions after the markers, newest first within a key, with IsLatest."""
    names = sorted(bucket.keys)
    for name in names[bisect_left(names, max(prefix, key_marker)) :]:
        if not name.startswith(prefix):
            return
        versions = list(reversed(bucket.keys.getlist(name)))
        first = 0
        if name == key_marker:
            ids = [version.version_id for version in versions]
            first = ids.index(version_marker) + 1 if version_marker in ids else len(ids)
        for index, version in enumerate(versions[first:], start=first):
            yield version, index == 0


def _interleaved(response: HttpResponse, page: list[tuple[Version, bool]]) -> HttpResponse:
    """Put versions and delete markers in one order, as S3 sends them."""
    versions = iter(_VERSION.findall(response.body))
    markers = iter(_DELETE_MARKER.findall(response.body))
    entries = b"".join(
        next(versions if isinstance(version, FakeKey) else markers) for version, _latest in page
    )
    rest = _DELETE_MARKER.sub(b"", _VERSION.sub(b"", response.body))
    head, end, tail = rest.rpartition(b"</")
    response.body = head + entries + end + tail
    response.headers["Content-Length"] = str(len(response.body))
    return response


def _describe(version: Version, *, latest: bool) -> dict[str, Any]:
    description: dict[str, Any] = {
        "VersionId": version.version_id,
        "IsLatest": latest,
        "LastModified": version.last_modified.replace(microsecond=0),
        "Owner": {"ID": "owner"},
    }
    if isinstance(version, FakeKey):
        content = {"ETag": version.etag, "Size": version.size}
        description |= {**content, "StorageClass": version.storage_class}
    return description
