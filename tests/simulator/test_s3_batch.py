"""S3 Batch Replication: states, refusals, and what is really copied."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from codeocean_cmdgen.simulator import backends
from tests.support.simulated import ACCOUNT, OTHER

if TYPE_CHECKING:
    from moto.s3.models import FakeBucket

    from codeocean_cmdgen.simulator import Simulator, World
    from tests.support.simulated import Batch

Buckets = tuple["FakeBucket", "FakeBucket"]


@pytest.fixture
def buckets(world: World) -> Buckets:
    """Give a source with a rule and its destination in another account, both empty."""
    source, destination = world.bucket(ACCOUNT, "source"), world.bucket(OTHER, "destination")
    world.replication_rule(source, destination)
    return source, destination


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def listing(sim: Simulator, account: str, bucket: str) -> list[tuple[Any, ...]]:
    """Return what ListObjectVersions says, without what replication may change."""
    page = sim.account(account).client("s3").list_object_versions(Bucket=bucket)
    entries = page.get("Versions", []) + page.get("DeleteMarkers", [])
    return sorted(
        (entry["Key"], entry["VersionId"], entry["IsLatest"], entry["LastModified"])
        for entry in entries
    )


def test_a_job_passes_through_its_states_in_simulated_time(
    sim: Simulator, batch: Batch, world: World, buckets: Buckets
) -> None:
    for number in range(500):
        world.version(buckets[0], f"key{number}")
    job_id = batch.create()
    seen = []
    for _ in range(12):
        job = batch.describe(job_id)
        progress = job.get("ProgressSummary", {})
        seen.append((job["Status"], progress.get("NumberOfTasksSucceeded")))
        sim.clock.advance(2.5)
    assert seen == [
        ("New", None),
        ("New", None),
        ("Preparing", None),
        ("Preparing", None),
        ("Ready", 0),
        ("Ready", 0),
        ("Active", 0),
        ("Active", 250),
        ("Completing", 500),
        ("Completing", 500),
        ("Complete", 500),
        ("Complete", 500),
    ]
    assert job["ProgressSummary"]["TotalNumberOfTasks"] == 500
    assert job["TerminationDate"] - job["CreationTime"] == timedelta(seconds=25)


def test_a_job_replicates_all_versions_and_markers_as_they_are(
    sim: Simulator, batch: Batch, world: World, buckets: Buckets
) -> None:
    source, _ = buckets
    now = sim.clock.now()
    world.version(source, "a", content=b"old", modified=now - timedelta(days=3))
    world.version(
        source,
        "a",
        content=b"new one",
        modified=now - timedelta(days=2),
        metadata={"who": "me"},
        tags={"colour": "red"},
    )
    world.version(source, "b", modified=now - timedelta(days=2))
    marker = world.delete_marker(source, "b", modified=now - timedelta(days=1))
    world.version(source, "same second", version_id="one", modified=now)
    world.version(source, "same second", version_id="two", modified=now)
    job = batch.run()
    assert job["Status"] == "Complete"
    assert job["ProgressSummary"]["NumberOfTasksSucceeded"] == 6
    assert listing(sim, OTHER, "destination") == listing(sim, ACCOUNT, "source")
    copy = sim.account(OTHER).client("s3").get_object(Bucket="destination", Key="a")
    assert copy["Body"].read() == b"new one"
    assert copy["Metadata"] == {"who": "me"}
    assert copy["ReplicationStatus"] == "REPLICA"
    assert copy["TagCount"] == 1
    original = sim.account(ACCOUNT).client("s3").head_object(Bucket="source", Key="a")
    assert original["ReplicationStatus"] == "COMPLETED"
    assert sim.s3.status_of("destination", marker) == "REPLICA"


def test_a_second_job_adds_nothing(
    sim: Simulator, batch: Batch, world: World, buckets: Buckets
) -> None:
    world.version(buckets[0], "a")
    batch.run()
    before = listing(sim, OTHER, "destination")
    assert batch.run(ClientRequestToken="again")["ProgressSummary"]["NumberOfTasksSucceeded"] == 1
    assert listing(sim, OTHER, "destination") == before


def test_older_versions_arrive_below_newer_ones(
    sim: Simulator, batch: Batch, world: World, buckets: Buckets
) -> None:
    source, destination = buckets
    world.version(source, "a", version_id="older", modified=sim.clock.now() - timedelta(days=2))
    world.version(destination, "a", version_id="newer")
    batch.run()
    latest = {entry[1]: entry[2] for entry in listing(sim, OTHER, "destination")}
    assert latest == {"older": False, "newer": True}


@pytest.mark.parametrize(
    ("statuses", "copied"),
    [
        (None, {"none", "done", "failed", "replica"}),
        (["NONE", "FAILED"], {"none", "failed"}),
        (["NONE", "FAILED", "COMPLETED", "REPLICA"], {"none", "done", "failed", "replica"}),
    ],
)
def test_replication_statuses_select(
    batch: Batch,
    world: World,
    buckets: Buckets,
    statuses: list[str] | None,
    copied: set[str],
) -> None:
    source, _ = buckets
    world.version(source, "none")
    world.version(source, "done", status="COMPLETED")
    world.version(source, "failed", status="FAILED")
    world.version(source, "replica", status="REPLICA")
    filters = {"ObjectReplicationStatuses": statuses} if statuses else {}
    batch.run(filters=filters)
    assert {entry[0] for entry in listing(batch.sim, OTHER, "destination")} == copied


def test_creation_times_select(
    sim: Simulator, batch: Batch, world: World, buckets: Buckets
) -> None:
    now = sim.clock.now()
    for days in (1, 3, 5):
        world.version(buckets[0], f"{days} days old", modified=now - timedelta(days=days))
    filters = {"CreatedAfter": now - timedelta(days=4), "CreatedBefore": now - timedelta(days=2)}
    batch.run(filters=filters)
    assert [entry[0] for entry in listing(sim, OTHER, "destination")] == ["3 days old"]


def test_rules_select_by_prefix_tag_state_and_marker(
    sim: Simulator, batch: Batch, world: World
) -> None:
    source = world.bucket(ACCOUNT, "source")
    for name in ("all", "some", "tagged", "off"):
        world.bucket(OTHER, name)
    every = world.replication_rule(source, _bucket("all"), storage_class="GLACIER_IR")
    every["DeleteMarkerReplication"]["Status"] = "Disabled"
    world.replication_rule(source, _bucket("some"), prefix="in/")
    tagged = world.replication_rule(source, _bucket("tagged"))
    tagged["Filter"] = {"Tag": {"Key": "keep", "Value": "yes"}}
    world.replication_rule(source, _bucket("off"), enabled=False)
    world.version(source, "in/a", tags={"keep": "yes"})
    world.delete_marker(source, "in/a")
    world.version(source, "out/b")
    job = batch.run()
    assert job["ProgressSummary"]["NumberOfTasksSucceeded"] == 3
    found = {name: len(listing(sim, OTHER, name)) for name in ("all", "some", "tagged", "off")}
    assert found == {"all": 2, "some": 2, "tagged": 1, "off": 0}
    versions = sim.account(OTHER).client("s3").list_object_versions(Bucket="all")["Versions"]
    assert {version["StorageClass"] for version in versions} == {"GLACIER_IR"}


def _bucket(name: str) -> FakeBucket:
    bucket = backends.find_bucket(name)
    assert bucket
    return bucket


def test_archived_and_unselected_encrypted_objects_are_skipped(
    batch: Batch, world: World, buckets: Buckets, sim: Simulator
) -> None:
    source, destination = buckets
    world.version(source, "archived", storage_class="GLACIER")
    world.version(source, "deep", storage_class="DEEP_ARCHIVE")
    world.version(source, "encrypted", kms_key_id="key")
    sim.s3.replication.clear()
    rule = world.replication_rule(source, destination)
    del rule["SourceSelectionCriteria"]
    job = batch.run()
    assert job["Status"] == "Failed"
    (reason,) = job["FailureReasons"]
    assert reason["FailureReason"].endswith("no keys matching the filter criteria.")
    assert job["ProgressSummary"]["TotalNumberOfTasks"] == 0


def test_encrypted_objects_fail_with_another_accounts_managed_key(
    batch: Batch, world: World, buckets: Buckets
) -> None:
    source, _ = buckets
    world.version(source, "encrypted", kms_key_id="key")
    world.version(source, "plain")
    job = batch.run()
    assert job["Status"] == "Complete"
    assert job["ProgressSummary"]["NumberOfTasksFailed"] == 1
    assert job["ProgressSummary"]["NumberOfTasksSucceeded"] == 1


def test_tasks_fail_when_the_destination_does_not_let_the_source_in(
    batch: Batch, world: World, buckets: Buckets
) -> None:
    source, destination = buckets
    world.version(source, "a")
    destination.policy = None
    job = batch.run()
    assert job["ProgressSummary"]["NumberOfTasksFailed"] == 1


def test_an_empty_bucket_fails_the_job(batch: Batch, buckets: Buckets) -> None:
    assert buckets
    job = batch.run()
    assert (job["Status"], job["ProgressSummary"]["TotalNumberOfTasks"]) == ("Failed", 0)


def test_tasks_fail_without_a_versioned_destination(
    batch: Batch, world: World, buckets: Buckets
) -> None:
    source, destination = buckets
    world.version(source, "a")
    destination.versioning_status = "Suspended"
    job = batch.run()
    assert job["Status"] == "Complete"
    assert job["ProgressSummary"]["NumberOfTasksFailed"] == 1


@pytest.mark.parametrize(
    ("place", "expected_owner", "reason"),
    [
        ((OTHER, "us-east-1"), ACCOUNT, "InvalidManifest"),
        ((ACCOUNT, "us-east-1"), OTHER, "InvalidManifest"),
        ((ACCOUNT, "eu-west-1"), ACCOUNT, "SrcBucketInvalidRegion"),
        ((ACCOUNT, "us-east-1"), ACCOUNT, "SrcBucketReplicationConfigMissing"),
    ],
)
def test_a_wrong_source_fails_the_job(
    batch: Batch, world: World, place: tuple[str, str], expected_owner: str, reason: str
) -> None:
    owner, region = place
    world.bucket(owner, "source", region)
    request = batch.request()
    generator = request["ManifestGenerator"]
    generator["S3JobManifestGenerator"]["ExpectedBucketOwner"] = expected_owner
    job = batch.run(ManifestGenerator=generator)
    assert job["Status"] == "Failed"
    assert job["FailureReasons"][0]["FailureCode"] == reason


def test_a_missing_source_fails_the_job(batch: Batch) -> None:
    assert batch.run()["FailureReasons"][0]["FailureCode"] == "SrcBucketNotFound"


def test_a_role_that_does_not_trust_the_service_fails_the_job(batch: Batch, world: World) -> None:
    arn = world.role(ACCOUNT, "distrustful", ["s3.amazonaws.com"])
    job = batch.run(RoleArn=arn)
    assert job["FailureReasons"][0]["FailureCode"] == "AssumeRoleNotPermitted"


@pytest.mark.parametrize(
    "changes",
    [
        {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/none"},
        {"RoleArn": f"arn:aws:iam::{OTHER}:role/batch"},
        {"RoleArn": f"arn:none:iam::{ACCOUNT}:role/batch"},
        {"ManifestGenerator": None},
        {"Operation": {}},
        {"Operation": {"S3DeleteObjectTagging": {}}},
        {"Report": {"Enabled": True}},
    ],
)
def test_create_job_refuses(batch: Batch, changes: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as error:
        batch.create(**changes)
    assert code_of(error) == "InvalidRequest"


def test_create_job_refuses_what_is_not_simulated(batch: Batch) -> None:
    with pytest.raises(ClientError, match="filters only by"):
        batch.create(filters={"KeyNameConstraint": {"MatchAnyPrefix": ["a"]}})
    generator = batch.request()["ManifestGenerator"]
    generator["S3JobManifestGenerator"]["EnableManifestOutput"] = True
    with pytest.raises(ClientError, match="does not save"):
        batch.create(ManifestGenerator=generator)


def test_a_token_makes_one_job(batch: Batch, buckets: Buckets) -> None:
    assert buckets
    first = batch.create()
    assert batch.create() == first
    assert batch.create(ClientRequestToken="other") != first
    with pytest.raises(ClientError) as error:
        batch.create(Priority=2)
    assert code_of(error) == "IdempotencyException"


def test_a_job_waits_for_confirmation(
    sim: Simulator, batch: Batch, world: World, buckets: Buckets
) -> None:
    world.version(buckets[0], "a")
    job_id = batch.create(ConfirmationRequired=True)
    sim.clock.advance(3600)
    job = batch.describe(job_id)
    assert job["Status"] == "Suspended"
    assert job["ProgressSummary"]["TotalNumberOfTasks"] == 1
    update = {"AccountId": ACCOUNT, "JobId": job_id}
    batch.client.update_job_status(**update, RequestedJobStatus="Ready")
    sim.clock.advance(3600)
    assert batch.describe(job_id)["Status"] == "Complete"
    with pytest.raises(ClientError) as error:
        batch.client.update_job_status(**update, RequestedJobStatus="Cancelled")
    assert code_of(error) == "JobStatusException"


def test_a_job_can_be_cancelled(sim: Simulator, batch: Batch, buckets: Buckets) -> None:
    assert buckets
    job_id = batch.create()
    update = {"AccountId": ACCOUNT, "JobId": job_id, "RequestedJobStatus": "Cancelled"}
    assert batch.client.update_job_status(**update)["Status"] == "Cancelling"
    sim.clock.advance(5)
    assert batch.describe(job_id)["Status"] == "Cancelled"


def test_list_jobs_filters_and_pages(sim: Simulator, batch: Batch, buckets: Buckets) -> None:
    assert buckets
    ids = [batch.create(ClientRequestToken=f"token{number}") for number in range(3)]
    sim.clock.advance(3600)
    ids.append(batch.create())
    listed = []
    given = {"AccountId": ACCOUNT, "MaxResults": 3}
    page = batch.client.list_jobs(**given)
    listed += page["Jobs"]
    page = batch.client.list_jobs(**given, NextToken=page["NextToken"])
    listed += page["Jobs"]
    assert "NextToken" not in page
    assert [job["JobId"] for job in listed] == ids[::-1]
    assert listed[0].keys() == {"JobId", "Operation", "Priority", "Status", "CreationTime"}
    new = batch.client.list_jobs(AccountId=ACCOUNT, JobStatuses=["New", "Active"])["Jobs"]
    assert [job["JobId"] for job in new] == ids[-1:]
    with pytest.raises(ClientError) as error:
        batch.client.list_jobs(AccountId=ACCOUNT, NextToken="nonsense")
    assert code_of(error) == "InvalidNextTokenException"


def test_jobs_belong_to_an_account_and_region_and_vanish_after_90_days(
    sim: Simulator, batch: Batch, buckets: Buckets
) -> None:
    assert buckets
    job_id = batch.create()
    elsewhere = sim.account(ACCOUNT).client("s3control", "eu-west-1")
    assert elsewhere.list_jobs(AccountId=ACCOUNT)["Jobs"] == []
    sim.clock.advance(90 * 86400)
    assert batch.describe(job_id)["Status"] == "Failed"
    sim.clock.advance(3600)
    with pytest.raises(ClientError) as error:
        batch.describe(job_id)
    assert code_of(error) == "NoSuchJobException"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_another_accounts_jobs_are_denied(batch: Batch) -> None:
    with pytest.raises(ClientError) as error:
        batch.client.list_jobs(AccountId=OTHER)
    assert code_of(error) == "AccessDenied"


REPORT = {
    "Enabled": True,
    "Bucket": "arn:aws:s3:::reports",
    "Format": "Report_CSV_20180820",
    "Prefix": "batch",
    "ReportScope": "AllTasks",
}


def test_a_report_lists_the_tasks(
    sim: Simulator, batch: Batch, world: World, buckets: Buckets
) -> None:
    world.bucket(ACCOUNT, "reports")
    version = world.version(buckets[0], "a")
    world.version(buckets[0], "b", kms_key_id="key")
    job = batch.run(Report=REPORT)
    assert job["Status"] == "Complete"
    s3 = sim.account(ACCOUNT).client("s3")
    manifest_key = f"batch/job-{job['JobId']}/manifest.json"
    manifest = json.load(s3.get_object(Bucket="reports", Key=manifest_key)["Body"])
    rows = []
    for result in manifest["Results"]:
        body = s3.get_object(Bucket="reports", Key=result["Key"])["Body"].read().decode()
        rows += list(csv.reader(io.StringIO(body)))
    assert rows[0] == ["source", "a", version.version_id, "succeeded", "", "200", "Successful"]
    assert rows[1][3:5] == ["failed", "DstKmsKeyInvalidState"]


def test_a_missing_report_bucket_fails_the_job_after_the_work(
    sim: Simulator, batch: Batch, world: World, buckets: Buckets
) -> None:
    world.version(buckets[0], "a")
    job = batch.run(Report=REPORT)
    assert job["Status"] == "Failed"
    assert "could not be written" in job["FailureReasons"][0]["FailureReason"]
    assert len(listing(sim, OTHER, "destination")) == 1


def test_most_tasks_failing_fails_a_large_job(
    sim: Simulator, batch: Batch, world: World, buckets: Buckets
) -> None:
    for number in range(1000):
        world.version(buckets[0], f"key{number}")
    sim.faults.add("s3control:CreateJob", "failed-tasks", count=501)
    assert batch.run()["Status"] == "Failed"
    sim.faults.add("s3control:CreateJob", "failed-tasks", count=500)
    job = batch.run(ClientRequestToken="again")
    assert (job["Status"], job["ProgressSummary"]["NumberOfTasksFailed"]) == ("Complete", 500)
