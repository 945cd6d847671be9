"""volume-restore, run by the real AWS CLI in a target with one copied recovery point."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.simulator import Simulator, World
from codeocean_cmdgen.simulator.world import DATA_VOLUME, REGION, TARGET
from tests.execution.conftest import Person, PersonOf, interrupt, script, writes

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator.backup_jobs import Job

VAULT = "codeocean-v1"
SOURCE_VOLUME = f"arn:aws:ec2:{REGION}:111111111111:volume/vol-{'0' * 17}"
POINT = f"arn:aws:ec2:{REGION}::snapshot/snap-0123456789abcdef0"
GIB = 2**30


@pytest.fixture
def world(simulator: Simulator) -> World:
    world = World(simulator)
    world.deployment(TARGET)
    add_point(simulator, POINT)
    return world


def add_point(simulator: Simulator, arn: str, **facts: Any) -> None:
    facts = {"resource_arn": SOURCE_VOLUME, "size_bytes": 500 * GIB, **facts}
    created = simulator.clock.now() - timedelta(days=1)
    simulator.backup.add_recovery_point(TARGET, REGION, VAULT, "EBS", created, arn=arn, **facts)


@pytest.fixture
def operator(person: PersonOf) -> Person:
    return person(TARGET)


def jobs(simulator: Simulator) -> list[Job]:
    return list(simulator.backup_jobs.restores.values())


def volumes(simulator: Simulator, **tags: str) -> list[dict[str, Any]]:
    ec2 = simulator.account(TARGET).client("ec2", REGION)
    wanted = {"run": "first", "data-volume-id": DATA_VOLUME, **tags}
    filters = [
        {"Name": f"tag:codeocean-cmdgen:{name.replace('_', '-')}", "Values": [value]}
        for name, value in wanted.items()
    ]
    found: list[dict[str, Any]] = ec2.describe_volumes(Filters=filters)["Volumes"]
    return found


def test_makes_a_volume_like_the_data_volume_that_later_steps_find(
    world: World, simulator: Simulator, operator: Person
) -> None:
    outcome = operator.run(script("volume-restore"))
    assert outcome.done, outcome
    (volume,) = volumes(simulator)
    assert re.search(rf"restored volume: +{volume['VolumeId']}\n", outcome.output)
    (job,) = jobs(simulator)
    assert job.point
    created = job.point.created.strftime("%Y-%m-%dT%H:%M:%S+00:00")
    assert re.search(rf"EBS creation time: +{re.escape(created)}\n", outcome.output)
    assert volume["AvailabilityZone"] == "us-east-1a"
    assert (volume["Size"], volume["Iops"], volume["Throughput"]) == (500, 4000, 250)
    assert (volume["VolumeType"], volume["Encrypted"]) == ("gp3", True)
    kms = simulator.account(TARGET).client("kms", REGION)
    assert volume["KmsKeyId"] == kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]["Arn"]
    assert " PENDING, 0.0 %, watched" in outcome.errors
    assert " RUNNING, 50.0 %, watched" in outcome.errors
    took = (simulator.clock.now() - job.created).total_seconds()
    assert len(simulator.calls("backup:DescribeRestoreJob")) <= 1 + took / 15


def test_pasted_again_it_tells_the_same_and_changes_nothing(
    world: World, simulator: Simulator, operator: Person
) -> None:
    text = script("volume-restore")
    first = operator.run(text)
    simulator.clear_requests()
    simulator.clock.advance(40 * 86400)  # the recovery point has expired, the job is forgotten
    simulator.backup_jobs.restores.clear()
    for record in Path(operator.environment["HOME"], ".codeocean-cmdgen").iterdir():
        record.unlink()
    second = operator.run(text)
    assert second.done
    assert second.output == first.output
    assert writes(simulator) == []


def test_follows_what_it_started_before(
    world: World, simulator: Simulator, operator: Person
) -> None:
    text = script("volume-restore")
    started = operator.run(text, WATCH="0")
    assert started.done
    assert "paste again" in started.output
    assert volumes(simulator) == []
    assert operator.run(text).done
    assert len(jobs(simulator)) == len(volumes(simulator)) == 1


def test_ctrl_c_says_what_goes_on(world: World, simulator: Simulator, operator: Person) -> None:
    interrupt(operator, simulator, script("volume-restore"), "backup:DescribeRestoreJob")
    assert len(jobs(simulator)) == 1


def test_somebody_else_goes_on_with_it(
    world: World, simulator: Simulator, operator: Person, tmp_path: Path
) -> None:
    text = script("volume-restore")
    operator.run(text, WATCH="0")
    assert operator.run(text, HOME=str(tmp_path / "new")).done
    assert len(jobs(simulator)) == 1


def test_a_home_that_cannot_be_written_is_no_obstacle(
    world: World, simulator: Simulator, operator: Person
) -> None:
    outcome = operator.run(script("volume-restore"), HOME="/proc")
    assert outcome.done
    assert "warning: /proc/.codeocean-cmdgen" in outcome.errors


@pytest.mark.parametrize("watch", ["", "0"])
def test_a_point_that_another_run_restored_is_taken_on_purpose_only(
    world: World, simulator: Simulator, operator: Person, tmp_path: Path, watch: str
) -> None:
    """It may be the one of the first round, where that of the second has not arrived yet."""
    assert operator.run(script("volume-restore"), WATCH=watch).done
    new_home = {} if watch else {"HOME": str(tmp_path / "new")}  # tags tell too
    refused = operator.run(script("volume-restore", run="second"), **new_home)
    assert refused.code == 1
    assert f"{POINT} was restored before, by job {jobs(simulator)[0].job_id}" in refused.errors
    assert len(jobs(simulator)) == 1


def test_a_new_run_restores_once_more(world: World, simulator: Simulator, operator: Person) -> None:
    assert operator.run(script("volume-restore")).done
    for _ in range(2):
        assert operator.run(script("volume-restore", run="second", ebs_snapshot_arn=POINT)).done
    assert len(jobs(simulator)) == 2
    assert len(volumes(simulator)) == len(volumes(simulator, run="second")) == 1


def test_plan_changes_nothing(world: World, simulator: Simulator, operator: Person) -> None:
    outcome = operator.run(script("volume-restore"), PLAN="1")
    assert outcome.code == 0
    assert outcome.output.splitlines()[-1].startswith("plan: ")
    assert '"volumeSize":"500"' in outcome.output
    assert writes(simulator) == []


def test_never_guesses_among_several_points(
    world: World, simulator: Simulator, operator: Person
) -> None:
    other = POINT.replace("0123", "3210")
    add_point(simulator, other)
    outcome = operator.run(script("volume-restore"))
    assert outcome.code == 1
    assert POINT in outcome.errors
    assert other in outcome.errors
    assert writes(simulator) == []
    assert operator.run(script("volume-restore", ebs_snapshot_arn=other)).done
    (job,) = jobs(simulator)
    assert job.point
    assert job.point.arn == other


def test_a_point_that_arrives_later_does_not_confuse_the_run(
    world: World, simulator: Simulator, operator: Person
) -> None:
    operator.run(script("volume-restore"), WATCH="0")
    add_point(simulator, POINT.replace("0123", "3210"))
    assert operator.run(script("volume-restore")).done
    assert len(jobs(simulator)) == 1


def test_the_deployments_own_backups_are_not_taken(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.backup.points.clear()
    own = SOURCE_VOLUME.replace(
        "111111111111:volume/vol-" + "0" * 17, f"{TARGET}:volume/{DATA_VOLUME}"
    )
    add_point(simulator, POINT, resource_arn=own)
    outcome = operator.run(script("volume-restore"))
    assert outcome.code == 1
    assert "run snapshot-copy first" in outcome.errors


@pytest.mark.parametrize(
    ("facts", "values", "words"),
    [
        ({"status": "PARTIAL"}, {}, "no EBS recovery point that is COMPLETED"),
        ({}, {"kms_key_id": "11111111-2222-3333-4444-555555555555"}, "key 11111111-2222-3333"),
    ],
)
def test_names_what_is_wrong_and_starts_nothing(
    world: World,
    simulator: Simulator,
    operator: Person,
    facts: dict[str, Any],
    values: dict[str, str],
    words: str,
) -> None:
    add_point(simulator, POINT, **facts)
    outcome = operator.run(script("volume-restore", ebs_snapshot_arn=POINT, **values))
    assert outcome.code == 1
    assert words in outcome.errors
    assert writes(simulator) == []


def test_a_volume_of_no_deployment_is_no_data_volume(
    world: World, simulator: Simulator, operator: Person
) -> None:
    stray = simulator.ec2.volume(TARGET, "us-east-1a", gib=500)
    outcome = operator.run(script("volume-restore", data_volume_id=stray))
    assert outcome.code == 1
    assert "no tag codeocean:deployment" in outcome.errors
    assert writes(simulator) == []


def test_a_failed_job_is_told_and_another_one_started(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("backup:StartRestoreJob", "fail-job")
    failed = operator.run(script("volume-restore"))
    assert failed.code == 1
    assert re.search(r"ended FAILED: The job failed", failed.errors)
    assert operator.run(script("volume-restore")).done
    assert len(jobs(simulator)) == 2


def test_a_role_that_may_not_be_passed_uses_up_no_more_than_a_token(
    world: World, simulator: Simulator, operator: Person
) -> None:
    (role,) = re.findall(r"ROLE_ARN=(\S+)", script("volume-restore"))
    simulator.backup.unpassable.add(role)
    refused = operator.run(script("volume-restore"))
    assert refused.code == 1
    assert "iam:PassRole" in refused.errors
    simulator.backup.unpassable.clear()
    assert operator.run(script("volume-restore")).done


def test_a_job_that_waits_for_hours_is_no_failure(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.backup.seconds_created = 3600
    started = operator.run(script("volume-restore"), WATCH="0")
    assert "PENDING" in started.output
    simulator.clock.advance(3590)
    outcome = operator.run(script("volume-restore"))
    assert outcome.done
    assert outcome.errors.count(" PENDING, ") == 1


def test_a_job_that_vanishes_is_not_called_done(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("backup:DescribeRestoreJob", "vanish", after=1)
    outcome = operator.run(script("volume-restore"))
    assert outcome.code == 1
    assert "cannot be followed" in outcome.errors


@pytest.mark.parametrize("fault", ["throttle", "disconnect-after"])
@pytest.mark.parametrize(
    "operation", ["backup:StartRestoreJob", "backup:DescribeRestoreJob", "ec2:CreateTags"]
)
def test_one_fault_is_survived(
    world: World, simulator: Simulator, operator: Person, operation: str, fault: str
) -> None:
    simulator.faults.add(operation, fault)
    assert operator.run(script("volume-restore")).done
    assert len(jobs(simulator)) == len(volumes(simulator)) == 1


def test_what_was_deleted_is_not_restored_again(
    world: World, simulator: Simulator, operator: Person
) -> None:
    operator.run(script("volume-restore"))
    (volume,) = volumes(simulator)
    simulator.account(TARGET).client("ec2", REGION).delete_volume(VolumeId=volume["VolumeId"])
    outcome = operator.run(script("volume-restore"))
    assert outcome.code == 1
    assert f"has restored {volume['VolumeId']} by" in outcome.errors
    assert len(jobs(simulator)) == 1
