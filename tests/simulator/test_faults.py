"""Injected faults."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.support.simulated import ACCOUNT, OTHER

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator import Simulator, World
    from tests.support.simulated import Batch


@pytest.mark.parametrize(
    ("kind", "service", "code", "status"),
    [
        ("throttle", "sts", "Throttling", 400),
        ("throttle", "backup", "ThrottlingException", 400),
        ("throttle", "s3", "SlowDown", 503),
        ("throttle", "s3control", "TooManyRequestsException", 429),
        ("throttle", "ec2", "RequestLimitExceeded", 503),
        ("internal-error", "s3", "InternalError", 500),
        ("internal-error", "backup", "ServiceUnavailableException", 500),
        ("access-denied", "sts", "AccessDenied", 403),
        ("access-denied", "backup", "AccessDeniedException", 403),
        ("expired-token", "sts", "ExpiredToken", 403),
        ("expired-token", "s3control", "ExpiredToken", 400),
    ],
)
def test_services_answer_with_their_own_codes(
    sim: Simulator, kind: str, service: str, code: str, status: int
) -> None:
    calls = {
        "sts": ("get_caller_identity", {}),
        "backup": ("list_copy_jobs", {}),
        "s3": ("list_buckets", {}),
        "s3control": ("list_jobs", {"AccountId": ACCOUNT}),
        "ec2": ("describe_volumes", {}),
    }
    sim.faults.add(f"{service}:*", kind)
    method, parameters = calls[service]
    call = getattr(sim.account(ACCOUNT).client(service), method)
    with pytest.raises(ClientError) as error:
        call(**parameters)
    assert error.value.response["Error"]["Code"] == code
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert sim.requests[-1].error == code
    call(**parameters)


def test_a_fault_strikes_after_some_calls_as_often_as_asked(sim: Simulator) -> None:
    sim.faults.add("sts:GetCallerIdentity", "throttle", times=2, after=1)
    client = sim.account(ACCOUNT).client("sts")
    for _ in range(4):
        with contextlib.suppress(ClientError):
            client.get_caller_identity()
    errors = [request.error for request in sim.calls("sts:GetCallerIdentity")]
    assert errors == [None, "Throttling", "Throttling", None]


def test_a_fault_can_match_parameters_and_last(sim: Simulator, world: World) -> None:
    world.bucket(ACCOUNT, "good")
    world.bucket(ACCOUNT, "bad")
    sim.faults.add("s3:*", "internal-error", times=None, match={"Bucket": "bad"})
    client = sim.account(ACCOUNT).client("s3")
    for _ in range(3):
        client.get_bucket_versioning(Bucket="good")
        with pytest.raises(ClientError):
            client.get_bucket_versioning(Bucket="bad")
    sim.faults.clear()
    client.get_bucket_versioning(Bucket="bad")


def test_unknown_faults_are_refused(sim: Simulator) -> None:
    with pytest.raises(ValueError, match="unknown fault 'flood'"):
        sim.faults.add("s3:*", "flood")


def test_disconnect_before_and_after(sim: Simulator, batch: Batch) -> None:
    for kind, jobs in (("disconnect", 0), ("disconnect-after", 1)):
        sim.faults.add("s3control:CreateJob", kind)
        with pytest.raises(ConnectionClosedError):
            batch.create()
        assert len(batch.client.list_jobs(AccountId=ACCOUNT)["Jobs"]) == jobs
    assert [request.status for request in sim.calls("*:CreateJob")] == [0, 0]


def test_jobs_fail_lose_tasks_and_are_slow(sim: Simulator, batch: Batch, world: World) -> None:
    source = world.bucket(ACCOUNT, "source")
    world.replication_rule(source, world.bucket(OTHER, "destination"))
    for number in range(100):
        world.version(source, f"key{number}")
    where = {"ManifestGenerator.S3JobManifestGenerator.SourceBucket": "arn:aws:s3:::source"}
    sim.faults.add("s3control:CreateJob", "failed-tasks", count=7, match=where)
    assert batch.run()["ProgressSummary"]["NumberOfTasksFailed"] == 7
    assert sum(sim.s3.status_of("source", source.keys[key]) == "FAILED" for key in source.keys) == 7
    sim.faults.add("s3control:CreateJob", "fail-job")
    assert batch.run(ClientRequestToken="2")["Status"] == "Failed"
    sim.faults.add("s3control:CreateJob", "slow-job")
    job_id = batch.create(ClientRequestToken="3")
    sim.clock.advance(20)
    assert batch.describe(job_id)["ProgressSummary"]["NumberOfTasksSucceeded"] == 50


def test_jobs_are_invisible_for_a_while_or_vanish(sim: Simulator, batch: Batch) -> None:
    old = batch.create()
    sim.clock.advance(61)
    new = batch.create(ClientRequestToken="new")
    sim.faults.add("s3control:*Job*", "invisible", times=2)
    listed = batch.client.list_jobs(AccountId=ACCOUNT)["Jobs"]
    assert [job["JobId"] for job in listed] == [old]
    with pytest.raises(ClientError, match="NoSuchJobException"):
        batch.describe(new)
    assert batch.describe(new)["Status"] == "New"
    sim.faults.add("s3control:DescribeJob", "vanish")
    for _ in range(2):
        with pytest.raises(ClientError, match="NoSuchJobException"):
            batch.describe(new)


def test_copy_jobs_fail_are_invisible_and_vanish(sim: Simulator, world: World) -> None:
    role = world.role(ACCOUNT, "copier", ["backup.amazonaws.com"])
    world.vault(ACCOUNT, "from")
    request = {
        "SourceBackupVaultName": "from",
        "DestinationBackupVaultArn": world.vault(OTHER, "to", copied_from=ACCOUNT),
        "IamRoleArn": role,
        "RecoveryPointArn": sim.backup.add_recovery_point(
            ACCOUNT, "us-east-1", "from", "EBS", sim.clock.now()
        ),
    }
    client = sim.account(ACCOUNT).client("backup")
    sim.faults.add("backup:StartCopyJob", "fail-job")
    sim.faults.add("backup:*CopyJob*", "invisible", times=3)
    job_id = client.start_copy_job(**request)["CopyJobId"]
    assert client.list_copy_jobs()["CopyJobs"] == []
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.describe_copy_job(CopyJobId=job_id)
    sim.clock.advance(70)
    assert client.describe_copy_job(CopyJobId=job_id)["CopyJob"]["State"] == "FAILED"
    sim.faults.add("backup:DescribeCopyJob", "vanish")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.describe_copy_job(CopyJobId=job_id)
    assert client.list_copy_jobs()["CopyJobs"] == []
