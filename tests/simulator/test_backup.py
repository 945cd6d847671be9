"""AWS Backup: recovery points, and copies between vaults."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.support.simulated import ACCOUNT, OTHER

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator import Simulator, World

ROLE = f"arn:aws:iam::{ACCOUNT}:role/service-role/copier"


class Copies:
    """A vault with one EBS point in ACCOUNT, and a vault in OTHER to copy it into."""

    def __init__(self, sim: Simulator, world: World, **point: Any) -> None:
        self.sim = sim
        self.client = sim.account(ACCOUNT).client("backup")
        world.role(ACCOUNT, "copier", ["backup.amazonaws.com"], "/service-role/")
        world.vault(ACCOUNT, "from")
        self.destination = world.vault(OTHER, "to", copied_from=ACCOUNT)
        self.created = sim.clock.now() - timedelta(days=10)
        self.point = self.add(**point)

    def add(self, resource_type: str = "EBS", **point: Any) -> str:
        """Add a recovery point made ten days ago."""
        created = point.pop("created", self.created)
        return self.sim.backup.add_recovery_point(
            ACCOUNT, "us-east-1", "from", resource_type, created, **point
        )

    def start(self, **changes: Any) -> str:
        """Start to copy the point and return the job's id."""
        request = {
            "RecoveryPointArn": self.point,
            "SourceBackupVaultName": "from",
            "DestinationBackupVaultArn": self.destination,
            "IamRoleArn": ROLE,
            **changes,
        }
        return str(self.client.start_copy_job(**request)["CopyJobId"])

    def describe(self, job_id: str) -> dict[str, Any]:
        """Return the description of a job."""
        job: dict[str, Any] = self.client.describe_copy_job(CopyJobId=job_id)["CopyJob"]
        return job

    def run(self, **changes: Any) -> dict[str, Any]:
        """Start a job, let an hour pass and return its description."""
        job_id = self.start(**changes)
        self.sim.clock.advance(3600)
        return self.describe(job_id)

    def refused(self, **changes: Any) -> str:
        """Return the error code that StartCopyJob answers with."""
        with pytest.raises(ClientError) as error:
            self.start(**changes)
        return str(error.value.response["Error"]["Code"])


@pytest.fixture
def copies(sim: Simulator, world: World) -> Copies:
    """Give the two vaults and the point."""
    return Copies(sim, world)


def test_a_copy_passes_through_its_states(sim: Simulator, copies: Copies) -> None:
    job_id = copies.start(Lifecycle={"DeleteAfterDays": 40})
    states = []
    for seconds in (4, 2, 23, 2):
        states.append(copies.describe(job_id)["State"])
        sim.clock.advance(seconds)
    job = copies.describe(job_id)
    assert [*states, job["State"]] == ["CREATED", "CREATED", "RUNNING", "RUNNING", "COMPLETED"]
    client = sim.account(OTHER).client("backup")
    (point,) = client.list_recovery_points_by_backup_vault(BackupVaultName="to")["RecoveryPoints"]
    assert point["RecoveryPointArn"] == job["DestinationRecoveryPointArn"]
    assert point["RecoveryPointArn"].startswith("arn:aws:ec2:us-east-1::snapshot/snap-")
    assert abs(point["CreationDate"] - copies.created) < timedelta(seconds=1)
    days = point["CalculatedLifecycle"]["DeleteAt"] - point["CreationDate"]
    assert days == timedelta(days=40)
    assert point["EncryptionKeyArn"].endswith(":key/to")
    assert client.describe_backup_vault(BackupVaultName="to")["NumberOfRecoveryPoints"] == 1


def test_an_rds_copy_has_an_arn_of_its_own_form(copies: Copies) -> None:
    copies.point = copies.add("RDS")
    arn = copies.run()["DestinationRecoveryPointArn"]
    assert arn.startswith(f"arn:aws:rds:us-east-1:{OTHER}:snapshot:awsbackup:copyjob-")


def test_one_job_per_resource_at_a_time(sim: Simulator, copies: Copies) -> None:
    first, second = copies.start(), copies.start()
    copies.point = copies.add("RDS")
    other = copies.start()
    sim.clock.advance(20)
    states = [copies.describe(job)["State"] for job in (first, second, other)]
    assert states == ["RUNNING", "CREATED", "RUNNING"]
    sim.clock.advance(25)
    assert copies.describe(second)["State"] == "RUNNING"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"SourceBackupVaultName": "none"}, "ResourceNotFoundException"),
        (
            {"RecoveryPointArn": "arn:aws:ec2:us-east-1::snapshot/snap-1"},
            "ResourceNotFoundException",
        ),
        ({"IamRoleArn": f"arn:aws:iam::{ACCOUNT}:role/none"}, "InvalidParameterValueException"),
        ({"IamRoleArn": "copier"}, "InvalidParameterValueException"),
        (
            {"IamRoleArn": f"arn:aws:iam::{OTHER}:role/service-role/copier"},
            "InvalidParameterValueException",
        ),
        ({"DestinationBackupVaultArn": "to"}, "InvalidParameterValueException"),
        (
            {"DestinationBackupVaultArn": f"arn:aws-cn:backup:cn-north-1:{OTHER}:backup-vault:to"},
            "InvalidParameterValueException",
        ),
        ({"Lifecycle": {"DeleteAfterDays": 0}}, "InvalidParameterValueException"),
        (
            {"Lifecycle": {"DeleteAfterDays": 99, "MoveToColdStorageAfterDays": 10}},
            "InvalidParameterValueException",
        ),
    ],
)
def test_start_copy_job_refuses(copies: Copies, changes: dict[str, Any], code: str) -> None:
    assert copies.refused(**changes) == code


def test_start_copy_job_refuses_roles_and_points_in_the_wrong_state(
    copies: Copies, world: World
) -> None:
    distrustful = world.role(ACCOUNT, "distrustful", ["ec2.amazonaws.com"])
    assert copies.refused(IamRoleArn=distrustful) == "InvalidParameterValueException"
    copies.point = copies.add(status="PARTIAL")
    assert copies.refused() == "InvalidRequestException"


def test_a_token_makes_one_job(copies: Copies) -> None:
    first = copies.start(IdempotencyToken="token")
    assert copies.start(IdempotencyToken="token") == first
    assert copies.start(IdempotencyToken="other") != first
    assert copies.start() != copies.start()


def test_a_refused_request_uses_up_its_token(copies: Copies, world: World) -> None:
    missing = f"arn:aws:iam::{ACCOUNT}:role/late"
    code = copies.refused(IdempotencyToken="token", IamRoleArn=missing)
    world.role(ACCOUNT, "late", ["backup.amazonaws.com"])
    assert copies.refused(IdempotencyToken="token", IamRoleArn=missing) == code
    assert copies.start(IdempotencyToken="fresh", IamRoleArn=missing)


def test_a_vault_that_does_not_let_the_account_in_fails_the_job(
    copies: Copies, world: World
) -> None:
    closed = world.vault(OTHER, "closed")
    job = copies.run(DestinationBackupVaultArn=closed)
    assert job["State"] == "FAILED"
    assert job["StatusMessage"] == "Access Denied trying to call AWS Backup service"


def test_a_missing_vault_fails_the_job(copies: Copies) -> None:
    for old, new in ((":to", ":none"), ("us-east-1", "nowhere-1")):
        job = copies.run(DestinationBackupVaultArn=copies.destination.replace(old, new))
        assert (job["State"], "does not exist" in job["StatusMessage"]) == ("FAILED", True)


def test_rds_may_need_two_hops(copies: Copies, world: World, sim: Simulator) -> None:
    copies.point = copies.add("RDS")
    far = world.vault(OTHER, "far", "eu-west-1", copied_from=ACCOUNT)
    assert copies.run(DestinationBackupVaultArn=far)["State"] == "COMPLETED"
    sim.backup.single_hop_rds = False
    job = copies.run(DestinationBackupVaultArn=far)
    assert job["State"] == "FAILED"
    message = "cannot be initiated for RDS resources. Feature is not supported"
    assert message in job["StatusMessage"]
    assert copies.run()["State"] == "COMPLETED"


def test_managed_keys_and_other_organizations_fail_the_job(copies: Copies, sim: Simulator) -> None:
    sim.backup.organization = {ACCOUNT}
    assert "same organization" in copies.run()["StatusMessage"]
    sim.backup.organization = None
    copies.point = copies.add(aws_managed_key=True)
    assert "AWS managed key" in copies.run()["StatusMessage"]


def test_retention_counts_from_the_original_creation(copies: Copies, sim: Simulator) -> None:
    too_short = copies.run(Lifecycle={"DeleteAfterDays": 5})
    assert (too_short["State"], "retention" in too_short["StatusMessage"]) == ("FAILED", True)
    kept = copies.run(Lifecycle={"DeleteAfterDays": -1})
    assert kept["DestinationRecoveryPointLifecycle"]["DeleteAfterDays"] == 14
    sim.clock.advance(5 * 86400)
    client = sim.account(OTHER).client("backup")
    points = client.list_recovery_points_by_backup_vault(BackupVaultName="to")["RecoveryPoints"]
    assert points == []


def test_copy_jobs_are_filtered_and_paged(copies: Copies, sim: Simulator) -> None:
    first = copies.start()
    sim.clock.advance(3600)
    middle = sim.clock.now()
    sim.clock.advance(10)
    copies.point = copies.add("RDS")
    second = copies.start()

    def ids(**filters: Any) -> list[str]:
        paginator = copies.client.get_paginator("list_copy_jobs")
        pages = paginator.paginate(**filters, PaginationConfig={"PageSize": 1})
        return [job["CopyJobId"] for page in pages for job in page["CopyJobs"]]

    assert ids() == [second, first]
    assert ids(ByState="CREATED") == ids(ByResourceType="RDS") == [second]
    assert ids(ByCreatedAfter=middle) == [second]
    assert ids(ByCreatedBefore=middle) == ids(ByCompleteBefore=middle) == [first]
    assert ids(ByDestinationVaultArn="other") == ids(ByCompleteAfter=middle) == []
    assert sim.account(OTHER).client("backup").list_copy_jobs()["CopyJobs"] == []
    with pytest.raises(ClientError, match="NextToken"):
        copies.client.list_copy_jobs(NextToken="nonsense")


def test_recovery_points_are_filtered_and_described(copies: Copies) -> None:
    rds = copies.add("RDS", created=copies.created + timedelta(hours=1))

    def arns(**filters: Any) -> list[str]:
        page = copies.client.list_recovery_points_by_backup_vault(BackupVaultName="from", **filters)
        return [point["RecoveryPointArn"] for point in page["RecoveryPoints"]]

    assert arns() == [rds, copies.point]
    assert arns(ByResourceType="EBS") == [copies.point]
    assert arns(ByCreatedAfter=copies.created + timedelta(minutes=1)) == [rds]
    point = copies.client.describe_recovery_point(
        BackupVaultName="from", RecoveryPointArn=copies.point
    )
    assert (point["Status"], point["ResourceType"]) == ("COMPLETED", "EBS")
    for vault, arn in (("from", "arn:none"), ("none", rds)):
        with pytest.raises(ClientError) as error:
            copies.client.describe_recovery_point(BackupVaultName=vault, RecoveryPointArn=arn)
        assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_access_policies(copies: Copies) -> None:
    with pytest.raises(ClientError) as error:
        copies.client.get_backup_vault_access_policy(BackupVaultName="from")
    assert error.value.response["Error"]["Code"] == "ResourceNotFoundException"
    with pytest.raises(ClientError):
        copies.client.put_backup_vault_access_policy(BackupVaultName="from", Policy="{")
    document = json.dumps({"Statement": []})
    copies.client.put_backup_vault_access_policy(BackupVaultName="from", Policy=document)
    answer = copies.client.get_backup_vault_access_policy(BackupVaultName="from")
    assert answer["Policy"] == document
