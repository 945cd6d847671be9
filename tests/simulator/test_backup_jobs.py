"""AWS Backup's backup and restore jobs, and the database instances that they make."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from codeocean_cmdgen.simulator.world import BACKUP, DATA_VOLUME, DATABASE, REGION, TARGET

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeocean_cmdgen.simulator import Simulator, World

ROLE = f"arn:aws:iam::{TARGET}:role/codeocean-BackupRole-1ABC"
VOLUME = f"arn:aws:ec2:{REGION}:{TARGET}:volume/{DATA_VOLUME}"
GIB = 2**30
PASSWORD = "Secret-123"
GOOD_EBS = {"availabilityZone": f"{REGION}a", "volumeSize": "500", "volumeType": "gp3"}
GOOD_RDS = {
    "DBInstanceIdentifier": "tmp-codeocean-restore",
    "DBSubnetGroupName": "codeocean-analyticsdbsubnetgroup-1abc",
    "VpcSecurityGroupIds": '["sg-0123456789abcdef0"]',
}


@pytest.fixture
def client(sim: Simulator, world: World) -> Any:
    world.deployment(TARGET)
    return sim.account(TARGET).client("backup", REGION)


@pytest.fixture
def rds(sim: Simulator, client: Any) -> Any:
    return sim.account(TARGET).client("rds", REGION)


def refusal(call: Callable[..., Any], **parameters: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**parameters)
    return str(error.value.response["Error"]["Code"])


def point(sim: Simulator, kind: str, gib: int = 500) -> str:
    now = sim.clock.now()
    return sim.backup.add_recovery_point(
        TARGET, REGION, "codeocean-v1", kind, now, size_bytes=gib * GIB
    )


def restore(sim: Simulator, client: Any, kind: str, metadata: dict[str, str]) -> dict[str, Any]:
    """Restore a point and return the job as it is an hour later."""
    job = client.start_restore_job(
        RecoveryPointArn=point(sim, kind), Metadata=metadata, IamRoleArn=ROLE
    )["RestoreJobId"]
    sim.clock.advance(3600)
    found: dict[str, Any] = client.describe_restore_job(RestoreJobId=job)
    return found


def back_up(client: Any, **changes: Any) -> str:
    request = {
        "BackupVaultName": "codeocean-v1",
        "ResourceArn": VOLUME,
        "IamRoleArn": ROLE,
        **changes,
    }
    return str(client.start_backup_job(**request)["BackupJobId"])


def test_a_backup_passes_through_its_states(sim: Simulator, client: Any) -> None:
    job = back_up(client, Lifecycle={"DeleteAfterDays": 1}, IdempotencyToken="token")
    assert back_up(client, IdempotencyToken="token") == job
    states = []
    for seconds in (6, 60, 0):
        states.append(client.describe_backup_job(BackupJobId=job)["State"])
        sim.clock.advance(seconds)
    assert states == ["CREATED", "RUNNING", "COMPLETED"]
    (listed,) = client.list_backup_jobs(ByState="COMPLETED")["BackupJobs"]
    assert listed["RecoveryPointArn"].startswith(f"arn:aws:ec2:{REGION}::snapshot/snap-")
    assert client.list_backup_jobs(ByResourceType="RDS")["BackupJobs"] == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"BackupVaultName": "none"}, "ResourceNotFoundException"),
        ({"ResourceArn": VOLUME[:-1] + "1"}, "InvalidParameterValueException"),
        ({"ResourceArn": VOLUME.replace(TARGET, BACKUP)}, "InvalidParameterValueException"),
        ({"IamRoleArn": ROLE + "2"}, "InvalidParameterValueException"),
        ({"Lifecycle": {"DeleteAfterDays": 0}}, "InvalidParameterValueException"),
    ],
)
def test_what_cannot_be_backed_up(client: Any, changes: dict[str, Any], code: str) -> None:
    assert refusal(back_up, client=client, **changes) == code


def test_a_role_that_the_caller_may_not_pass(sim: Simulator, client: Any) -> None:
    sim.backup.unpassable.add(ROLE)
    assert refusal(back_up, client=client) == "AccessDeniedException"


def test_the_vendors_stack_copies_a_backup_twice(sim: Simulator, world: World) -> None:
    destination = world.vault(BACKUP, "codeocean-backup-v1", copied_from=TARGET)
    world.deployment(TARGET, copies_to=destination)
    client = sim.account(TARGET).client("backup", REGION)
    back_up(client, Lifecycle={"DeleteAfterDays": 1})
    sim.clock.advance(3600)
    second, first = client.list_copy_jobs()["CopyJobs"]
    assert first["DestinationBackupVaultArn"].endswith(":codeocean-v1")
    assert first["DestinationRecoveryPointLifecycle"] == {"DeleteAfterDays": 1}
    assert second["SourceRecoveryPointArn"] == first["DestinationRecoveryPointArn"]
    assert (second["DestinationBackupVaultArn"], second["State"]) == (destination, "COMPLETED")


def test_a_restored_volume_is_as_the_metadata_says(sim: Simulator, client: Any) -> None:
    job = restore(sim, client, "EBS", {**GOOD_EBS, "iops": "5000", "throughput": "300"})
    assert job["Status"] == "COMPLETED"
    made = job["CreatedResourceArn"].rpartition("/")[2]
    ec2 = sim.account(TARGET).client("ec2", REGION)
    (volume,) = ec2.describe_volumes(VolumeIds=[made])["Volumes"]
    assert (volume["Size"], volume["Iops"], volume["Throughput"]) == (500, 5000, 300)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("EBS", {"availabilityZone": ""}),
        ("EBS", {"kmsKeyId": "alias/aws/ebs"}),
        ("EBS", {"iops": "100"}),
        ("EBS", {"volumeSize": "big"}),
        ("EBS", {"colour": "red"}),
        ("RDS", {"DBInstanceIdentifier": ""}),
        ("RDS", {"VpcSecurityGroupIds": "sg-0123456789abcdef0"}),
        ("RDS", {"StorageType": "gp3"}),
        ("RDS", {"MasterUserPassword": PASSWORD}),
        ("RDS", {"DBSnapshotIdentifier": "snapshot"}),
        ("RDS", {"MultiAZ": "no"}),
    ],
)
def test_metadata_that_is_refused_uses_up_its_token(
    sim: Simulator, client: Any, kind: str, changes: dict[str, str]
) -> None:
    good = GOOD_EBS if kind == "EBS" else GOOD_RDS
    request = {
        "RecoveryPointArn": point(sim, kind),
        "IamRoleArn": ROLE,
        "IdempotencyToken": "token",
    }
    start = client.start_restore_job
    code = refusal(start, Metadata={**good, **changes}, **request)
    assert code == "InvalidParameterValueException"
    assert refusal(start, Metadata=good, **request) == code
    assert start(Metadata=good, **{**request, "IdempotencyToken": "fresh"})["RestoreJobId"]


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("EBS", {"volumeSize": "499"}, "size is invalid for the snapshot"),
        ("RDS", {"DBInstanceIdentifier": DATABASE}, "already exists"),
        ("RDS", {"DBSubnetGroupName": "other"}, "DBSubnetGroup other not found"),
        ("RDS", {"VpcSecurityGroupIds": '["sg-1"]'}, "different VPCs"),
    ],
)
def test_what_fails_when_it_is_carried_out(
    sim: Simulator, client: Any, kind: str, changes: dict[str, str], message: str
) -> None:
    good = GOOD_EBS if kind == "EBS" else GOOD_RDS
    job = restore(sim, client, kind, {**good, **changes})
    assert (job["Status"], message in job["StatusMessage"]) == ("FAILED", True)
    assert "CreatedResourceArn" not in job


def test_a_point_elsewhere_cannot_be_restored(sim: Simulator, world: World, client: Any) -> None:
    world.vault(BACKUP, "other")
    now = sim.clock.now()
    foreign = sim.backup.add_recovery_point(BACKUP, REGION, "other", "EBS", now)
    request = {"RecoveryPointArn": foreign, "Metadata": GOOD_EBS, "IamRoleArn": ROLE}
    assert refusal(client.start_restore_job, **request) == "ResourceNotFoundException"


def test_the_metadata_at_backup_time_is_not_fit_for_a_restore(sim: Simulator, client: Any) -> None:
    arn = point(sim, "RDS")
    metadata = client.get_recovery_point_restore_metadata(
        BackupVaultName="codeocean-v1", RecoveryPointArn=arn
    )["RestoreMetadata"]
    assert "InformationalOnly:EngineVersion" in metadata
    request = {"RecoveryPointArn": arn, "Metadata": metadata, "IamRoleArn": ROLE}
    assert refusal(client.start_restore_job, **request) == "InvalidParameterValueException"


# Database instances.


def status(rds: Any, identifier: str) -> str:
    (found,) = rds.describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"]
    return str(found["DBInstanceStatus"])


def test_a_modified_instance_says_that_it_is_available_at_first(sim: Simulator, rds: Any) -> None:
    answer = rds.modify_db_instance(DBInstanceIdentifier=DATABASE, MasterUserPassword=PASSWORD)
    assert answer["DBInstance"]["PendingModifiedValues"] == {"MasterUserPassword": "****"}
    seen = []
    for seconds in (19, 2, 20):
        seen.append(status(rds, DATABASE))
        sim.clock.advance(seconds)
    assert [*seen, status(rds, DATABASE)] == [
        "available",
        "available",
        "resetting-master-credentials",
        "available",
    ]
    assert sim.rds.instances[0].password == PASSWORD


@pytest.mark.parametrize(
    "password", ["short", "with space", "with/slash", 'with"quote', "with@at12"]
)
def test_passwords_that_rds_takes_not(rds: Any, password: str) -> None:
    request = {"DBInstanceIdentifier": DATABASE, "MasterUserPassword": password}
    assert refusal(rds.modify_db_instance, **request) == "InvalidParameterValue"


def test_what_cannot_be_deleted(sim: Simulator, rds: Any) -> None:
    delete = rds.delete_db_instance
    assert refusal(delete, DBInstanceIdentifier=DATABASE) == "InvalidParameterCombination"
    gone = {"DBInstanceIdentifier": "other", "SkipFinalSnapshot": True}
    assert refusal(delete, **gone) == "DBInstanceNotFound"
    sim.rds.instances[0].deletion_protection = True
    request = {"DBInstanceIdentifier": DATABASE, "SkipFinalSnapshot": True}
    assert refusal(delete, **request) == "InvalidParameterCombination"


@pytest.mark.parametrize("deletes", [True, False])
def test_automated_backups_are_kept_when_they_are_to_be(
    sim: Simulator, rds: Any, deletes: bool
) -> None:
    sim.rds.instances[0].backup_retention_days = 7
    rds.delete_db_instance(
        DBInstanceIdentifier=DATABASE, SkipFinalSnapshot=True, DeleteAutomatedBackups=deletes
    )
    request = {"DBInstanceIdentifier": DATABASE, "SkipFinalSnapshot": True}
    assert refusal(rds.delete_db_instance, **request) == "InvalidDBInstanceState"
    assert status(rds, DATABASE) == "deleting"
    sim.clock.advance(600)
    found = rds.describe_db_instances()["DBInstances"]
    kept = rds.describe_db_instance_automated_backups()["DBInstanceAutomatedBackups"]
    assert (found, [one["Status"] for one in kept]) == ([], [] if deletes else ["retained"])


def test_a_restored_instance_is_as_the_metadata_says(sim: Simulator, client: Any, rds: Any) -> None:
    job = restore(sim, client, "RDS", {**GOOD_RDS, "MultiAZ": "false"})
    (made,) = rds.describe_db_instances(DBInstanceIdentifier=job["CreatedResourceArn"])[
        "DBInstances"
    ]
    assert made["DBSubnetGroup"]["DBSubnetGroupName"] == GOOD_RDS["DBSubnetGroupName"]
    groups = [one["VpcSecurityGroupId"] for one in made["VpcSecurityGroups"]]
    assert groups == json.loads(GOOD_RDS["VpcSecurityGroupIds"])
    assert made["MultiAZ"] is False
