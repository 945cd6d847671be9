"""Amazon S3's answers where they differ from moto's."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from codeocean_cmdgen.simulator import lifecycle
from codeocean_cmdgen.simulator.world import vendor_lifecycle
from tests.support.simulated import ACCOUNT, OTHER

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator import Simulator, World

READS = (
    "get_bucket_encryption",
    "get_bucket_lifecycle_configuration",
    "get_bucket_location",
    "get_bucket_replication",
    "get_bucket_versioning",
    "head_bucket",
    "list_object_versions",
)


def refused(call: Any, **parameters: Any) -> tuple[str, int]:
    """Return error code and status that a call answers with."""
    with pytest.raises(ClientError) as error:
        call(**parameters)
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("read", READS)
def test_reads_check_owner_existence_and_access(sim: Simulator, world: World, read: str) -> None:
    world.bucket(ACCOUNT, "mine")
    world.bucket(OTHER, "theirs")
    call = getattr(sim.account(ACCOUNT).client("s3"), read)
    denied, missing = ("AccessDenied", 403), ("NoSuchBucket", 404)
    if read == "head_bucket":  # no body, no code
        denied, missing = ("403", 403), ("404", 404)
    assert refused(call, Bucket="theirs") == denied
    assert refused(call, Bucket="mine", ExpectedBucketOwner=OTHER) == denied
    assert refused(call, Bucket="none") == missing


def test_a_bucket_policy_lets_other_accounts_in(sim: Simulator, world: World) -> None:
    bucket = world.bucket(OTHER, "theirs")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": [f"arn:aws:iam::{ACCOUNT}:root"]},
        "Action": ["s3:ListBucket*"],
        "Resource": "arn:aws:s3:::theirs",
    }
    deny = statement | {"Effect": "Deny", "Action": "s3:ListBucketVersions"}
    client = sim.account(ACCOUNT).client("s3")
    bucket.policy = json.dumps({"Statement": statement}).encode()
    client.list_object_versions(Bucket="theirs")
    assert refused(client.get_bucket_versioning, Bucket="theirs") == ("AccessDenied", 403)
    bucket.policy = json.dumps({"Statement": [statement, deny]}).encode()
    assert refused(client.list_object_versions, Bucket="theirs") == ("AccessDenied", 403)


def test_the_wrong_region_redirects(sim: Simulator, world: World) -> None:
    world.bucket(ACCOUNT, "far", "eu-west-1")
    client = sim.account(ACCOUNT).client("s3")
    assert client.get_bucket_location(Bucket="far")["LocationConstraint"] == "eu-west-1"
    # The SDK follows the redirection, as the AWS CLI does.
    client.get_bucket_versioning(Bucket="far")
    statuses = [request.status for request in sim.calls("s3:GetBucketVersioning")]
    assert statuses == [301, 200]


def test_addresses_of_buckets(sim: Simulator, world: World) -> None:
    bucket = world.bucket(ACCOUNT, "dotted.name")  # the SDK uses path style for this one
    world.version(bucket, "a/b c+d%/")
    client = sim.account(ACCOUNT).client("s3")
    client.get_bucket_versioning(Bucket="dotted.name")
    assert client.head_object(Bucket="dotted.name", Key="a/b c+d%/")["ContentLength"] == 7
    assert sim.requests[-1].parameters["Key"] == "a/b c+d%/"


def test_absent_configurations(sim: Simulator, world: World) -> None:
    world.bucket(ACCOUNT, "mine")
    client = sim.account(ACCOUNT).client("s3")
    assert refused(client.get_bucket_lifecycle_configuration, Bucket="mine") == (
        "NoSuchLifecycleConfiguration",
        404,
    )
    assert refused(client.get_bucket_replication, Bucket="mine") == (
        "ReplicationConfigurationNotFoundError",
        404,
    )
    encryption = client.get_bucket_encryption(Bucket="mine")["ServerSideEncryptionConfiguration"]
    default = encryption["Rules"][0]["ApplyServerSideEncryptionByDefault"]
    assert default == {"SSEAlgorithm": "AES256"}


def test_lifecycle_comes_back_whole(sim: Simulator, world: World) -> None:
    world.bucket(ACCOUNT, "mine")
    client = sim.account(ACCOUNT).client("s3")
    rule = {
        "ID": "old",
        "Filter": {"Prefix": ""},
        "Status": "Enabled",
        "Expiration": {"ExpiredObjectDeleteMarker": True},
        "NoncurrentVersionTransitions": [{"NoncurrentDays": 9, "StorageClass": "DEEP_ARCHIVE"}],
    }
    client.put_bucket_lifecycle_configuration(
        Bucket="mine", LifecycleConfiguration={"Rules": [rule]}
    )
    assert client.get_bucket_lifecycle_configuration(Bucket="mine")["Rules"] == [rule]
    client.delete_bucket_lifecycle(Bucket="mine")
    assert refused(client.get_bucket_lifecycle_configuration, Bucket="mine")[1] == 404


def test_replication_comes_back_whole_and_is_checked(sim: Simulator, world: World) -> None:
    source, destination = world.bucket(ACCOUNT, "mine"), world.bucket(OTHER, "theirs")
    rule = world.replication_rule(source, destination, storage_class="GLACIER_IR")
    configuration = sim.s3.replication.pop("mine")
    client = sim.account(ACCOUNT).client("s3")

    def put() -> None:
        client.put_bucket_replication(Bucket="mine", ReplicationConfiguration=configuration)

    put()
    answer = client.get_bucket_replication(Bucket="mine")["ReplicationConfiguration"]
    assert answer == configuration
    destination.versioning_status = "Suspended"
    assert refused(put) == ("InvalidRequest", 400)
    destination.versioning_status = "Enabled"
    source.versioning_status = None
    assert refused(put) == ("InvalidRequest", 400)
    source.versioning_status = "Enabled"
    for broken in ("Priority", "Destination.EncryptionConfiguration"):
        part = rule["Destination"] if "." in broken else rule
        value = part.pop(broken.rpartition(".")[2])
        assert refused(put) == ("InvalidRequest", 400)
        part[broken.rpartition(".")[2]] = value
    rule["Destination"]["Bucket"] = "arn:aws:s3:::none"
    assert refused(put) == ("InvalidRequest", 400)
    client.delete_bucket_replication(Bucket="mine")
    assert refused(client.get_bucket_replication, Bucket="mine")[1] == 404


def test_versions_are_listed_in_order_page_by_page(sim: Simulator, world: World) -> None:
    bucket = world.bucket(ACCOUNT, "mine")
    time = datetime(2026, 1, 1, tzinfo=timezone.utc)
    for key in ("b", "a/\x01 &", "a/\u00e9", "c"):
        for version_id in ("1", "2"):
            world.version(bucket, key, version_id=version_id, modified=time)
    world.delete_marker(bucket, "b", version_id="3", modified=time)
    client = sim.account(ACCOUNT).client("s3")
    paginator = client.get_paginator("list_object_versions")

    def listed(size: int, **filters: str) -> list[tuple[str, str, bool]]:
        pages = paginator.paginate(Bucket="mine", PaginationConfig={"PageSize": size}, **filters)
        return [
            (entry["Key"], entry["VersionId"], entry["IsLatest"])
            for page in pages
            for kind in ("Versions", "DeleteMarkers")
            for entry in page.get(kind, [])
        ]

    expected = [
        ("a/\x01 &", "2", True),
        ("a/\x01 &", "1", False),
        ("a/\u00e9", "2", True),
        ("a/\u00e9", "1", False),
        ("b", "3", True),
        ("b", "2", False),
        ("b", "1", False),
        ("c", "2", True),
        ("c", "1", False),
    ]
    assert listed(1) == expected
    assert sorted(listed(4)) == sorted(listed(1000)) == sorted(expected)
    assert listed(3, Prefix="a/") == expected[:4]
    assert client.list_object_versions(Bucket="mine")["Versions"][0]["LastModified"] == time


def test_large_buckets_are_listed_in_time_proportional_to_the_page(
    sim: Simulator, world: World
) -> None:
    bucket = world.bucket(ACCOUNT, "mine")
    version = world.version(bucket, "key")
    for number in range(20_000):
        bucket.keys.setlist(f"key{number}", [version])
    client = sim.account(ACCOUNT).client("s3")
    page = client.list_object_versions(Bucket="mine", MaxKeys=1, KeyMarker="key5")
    assert page["IsTruncated"]


def test_a_lifecycle_expires_and_moves_what_is_old(sim: Simulator, world: World) -> None:
    bucket = world.bucket(ACCOUNT, "mine")
    now = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
    for key, *ages in (
        ("a", 200, 190, 30),
        ("b", 200, 16, 13),
        ("c", 15, 10),
        ("d", 200),
        ("e", 9),
    ):
        for days in ages:
            large = b"large".ljust(lifecycle.SMALLEST_MOVED)
            world.version(bucket, key, content=large, modified=now - timedelta(days=days))
    world.version(bucket, "small", modified=now - timedelta(days=30))
    world.delete_marker(bucket, "d", modified=now - timedelta(days=190))
    world.delete_marker(bucket, "e", modified=now - timedelta(days=8))
    rules = vendor_lifecycle("capsules")
    off = {"Status": "Disabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}
    lifecycle.carry_out(bucket, [{**rules[0], **off}, *rules], now)
    answer = sim.account(ACCOUNT).client("s3").list_object_versions(Bucket="mine")
    found = [(one["Key"], one["StorageClass"]) for one in answer["Versions"]]
    assert found == [
        ("a", "INTELLIGENT_TIERING"),  # 30 days old
        ("a", "DEEP_ARCHIVE"),  # for 30 days not current
        ("b", "STANDARD"),
        ("b", "STANDARD"),  # for 13 days not current
        ("b", "DEEP_ARCHIVE"),
        ("c", "STANDARD"),
        ("c", "STANDARD"),
        ("e", "STANDARD"),
        ("small", "STANDARD"),
    ]
    assert [one["Key"] for one in answer["DeleteMarkers"]] == ["e"]


@pytest.mark.parametrize(("hours", "left"), [(12, 2), (13, 1)])
def test_days_end_at_the_midnight_that_follows_them(world: World, hours: int, left: int) -> None:
    bucket = world.bucket(ACCOUNT, "mine")
    for hour in (9, 11):
        world.version(bucket, "a", modified=datetime(2026, 1, 1, hour, tzinfo=timezone.utc))
    now = datetime(2026, 1, 15, 11, tzinfo=timezone.utc) + timedelta(hours=hours)
    lifecycle.carry_out(bucket, vendor_lifecycle("public"), now)
    assert len(bucket.keys.getlist("a")) == left
