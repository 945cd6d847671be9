"""volume-restore, run by the real AWS CLI in a target with one copied recovery point."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.simulator import Simulator, World
from codeocean_cmdgen.simulator.world import DATA_VOLUME, REGION, TARGET
from tests.support.people import Outcome, Person, PersonOf, interrupt, script, writes

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


def is_started(outcome: Outcome) -> bool:
    """Tell whether a script says that its work has started, and is not done."""
    last = outcome.output.splitlines()[-1]
    return (outcome.code, last.startswith("started: ")) == (4, True)


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
    assert is_started(started)
    assert started.output.endswith(". Paste the script again to follow it.\n")
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
    assert "warning: cannot write /proc/.codeocean-cmdgen/" in outcome.errors


@pytest.mark.parametrize("watch", ["", "0"])
def test_a_point_that_another_run_restored_is_taken_on_purpose_only(
    world: World, simulator: Simulator, operator: Person, tmp_path: Path, watch: str
) -> None:
    """It may be the one of the first round, where that of the second has not arrived yet."""
    first = operator.run(script("volume-restore"), WATCH=watch)
    assert is_started(first) if watch else first.done
    new_home = {} if watch else {"HOME": str(tmp_path / "new")}  # tags tell too
    refused = operator.run(script("volume-restore", run="second"), **new_home)
    assert refused.code == 1
    assert f"{POINT} was already restored by job {jobs(simulator)[0].job_id} (" in refused.errors
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
    assert "Run snapshot-copy first" in outcome.errors


@pytest.mark.parametrize(
    ("facts", "values", "words"),
    [
        ({"status": "PARTIAL"}, {}, f"{POINT} is EBS, PARTIAL; expected: EBS, COMPLETED"),
        (
            {},
            {"kms_key_id": "11111111-2222-3333-4444-555555555555"},
            "cannot describe KMS key 11111111-2222-3333",
        ),
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
    assert outcome.code == 3
    assert f"{stray} has no tag codeocean:deployment" in outcome.errors
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
    assert is_started(started)
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
    assert "cannot follow restore job " in outcome.errors


@pytest.mark.sample(3)
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
    assert f"restored {volume['VolumeId']} at 2" in outcome.errors
    assert "no longer exists" in outcome.errors
    assert len(jobs(simulator)) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recovery-point": POINT[:-1] + "1"}, f"restored {POINT[:-1]}1, not {POINT}"),
        ({"completed": ""}, "does not have all tags that volume-restore writes"),
    ],
)
def test_tags_that_do_not_fit_are_not_called_done(
    world: World,
    simulator: Simulator,
    operator: Person,
    change: dict[str, str],
    words: str,
) -> None:
    assert operator.run(script("volume-restore", ebs_snapshot_arn=POINT)).done
    (volume,) = volumes(simulator)
    tags = [{"Key": f"codeocean-cmdgen:{key}", "Value": value} for key, value in change.items()]
    ec2 = simulator.account(TARGET).client("ec2", REGION)
    ec2.create_tags(Resources=[volume["VolumeId"]], Tags=tags)
    without_record(operator)
    simulator.clear_requests()
    outcome = operator.run(script("volume-restore", ebs_snapshot_arn=POINT))
    assert outcome.code == 1
    assert words in outcome.errors
    assert writes(simulator) == []


def test_among_several_volumes_of_a_run_none_is_called_the_restored_one(
    world: World, simulator: Simulator, operator: Person
) -> None:
    assert operator.run(script("volume-restore")).done
    tags = {"codeocean-cmdgen:run": "first", "codeocean-cmdgen:data-volume-id": DATA_VOLUME}
    simulator.ec2.volume(TARGET, f"{REGION}a", tags=tags)
    outcome = operator.run(script("volume-restore"))
    assert outcome.code == 1
    assert "several volumes have the tags of run first" in outcome.errors


def test_a_plan_says_what_was_done_before(
    world: World, simulator: Simulator, operator: Person
) -> None:
    text = script("volume-restore")
    assert is_started(operator.run(text, WATCH="0"))
    assert operator.run(text, PLAN="1").output.startswith("plan: restore job ")
    assert operator.run(text).done
    simulator.clear_requests()
    last = operator.run(text, PLAN="1").output.splitlines()[-1]
    assert re.fullmatch(r"plan: vol-\w+ was restored before; nothing was changed", last)
    assert writes(simulator) == []


def test_times_may_be_numbers(world: World, simulator: Simulator, operator: Person) -> None:
    """So they are where the configuration of the AWS CLI says cli_timestamp_format = wire."""
    folder = Path(operator.environment["HOME"], ".aws")
    folder.mkdir()
    (folder / "config").write_text("[default]\ncli_timestamp_format = wire\n")
    outcome = operator.run(script("volume-restore"))
    assert outcome.done, outcome
    (job,) = jobs(simulator)
    assert job.point
    created = job.point.created.strftime("%Y-%m-%dT%H:%M:%S+00:00")
    assert re.search(rf"EBS creation time: +{re.escape(created)}\n", outcome.output)


# What the recovery point is of


def own_point(simulator: Simulator, **facts: Any) -> str:
    """Put a backup of the target before its rebuild into the vault; return its volume."""
    volume = f"arn:aws:ec2:{REGION}:{TARGET}:volume/vol-0bbbbbbbbbbbbbbbb"
    add_point(simulator, POINT, resource_arn=volume, **facts)
    return volume


def test_a_backup_of_this_account_is_never_taken_unasked(
    world: World, simulator: Simulator, operator: Person
) -> None:
    """After a rebuild, the data volume is another one than that of the target's old backups."""
    volume = own_point(simulator)
    refused = operator.run(script("volume-restore"))
    assert refused.code == 1
    assert re.search(rf"{POINT}, created 20\S+, of {volume}\n", refused.errors)
    assert "name it with --ebs-snapshot-arn" in refused.errors
    assert writes(simulator) == []
    chosen = operator.run(script("volume-restore", ebs_snapshot_arn=POINT))
    assert chosen.done
    assert re.search(rf"recovery point: {POINT}, created 20\S+, of {volume}\n", chosen.errors)


def test_a_copy_that_came_from_another_vault_is_taken(
    world: World, simulator: Simulator, operator: Person
) -> None:
    own_point(simulator)
    (point,) = simulator.backup.points.values()
    point.source_vault_arn = point.vault_arn  # the stack's own copy, with the key of the vault
    assert operator.run(script("volume-restore")).code == 1
    point.source_vault_arn = f"arn:aws:backup:{REGION}:222222222222:backup-vault:codeocean-backup"
    assert operator.run(script("volume-restore")).done


def test_a_point_of_an_unknown_resource_is_never_taken_unasked(
    world: World, simulator: Simulator, operator: Person
) -> None:
    add_point(simulator, POINT, resource_arn="-")
    assert operator.run(script("volume-restore")).code == 1
    assert writes(simulator) == []


# Without the record of the run


def without_record(operator: Person) -> None:
    for record in Path(operator.environment["HOME"], ".codeocean-cmdgen").iterdir():
        record.unlink()


def forget_tokens(simulator: Simulator) -> None:
    """An older page of AWS says that tokens are valid for an hour."""
    simulator.backup._tokens.clear()  # noqa: SLF001 - time alone does not


@pytest.mark.parametrize("values", [{}, {"ebs_snapshot_arn": POINT}])
def test_a_running_job_is_adopted_without_record_and_token(
    world: World, simulator: Simulator, operator: Person, values: dict[str, str]
) -> None:
    assert is_started(operator.run(script("volume-restore"), WATCH="0"))
    without_record(operator)
    forget_tokens(simulator)
    outcome = operator.run(script("volume-restore", **values))
    assert outcome.done
    assert f"found restore job {jobs(simulator)[0].job_id}" in outcome.errors
    assert len(jobs(simulator)) == len(volumes(simulator)) == 1


def test_naming_what_is_being_restored_starts_no_second_job(
    world: World, simulator: Simulator, operator: Person
) -> None:
    assert is_started(operator.run(script("volume-restore"), WATCH="0"))
    forget_tokens(simulator)
    assert operator.run(script("volume-restore", ebs_snapshot_arn=POINT)).done
    assert len(jobs(simulator)) == 1


def test_naming_another_point_while_a_job_runs_is_refused(
    world: World, simulator: Simulator, operator: Person
) -> None:
    other = POINT.replace("0123", "3210")
    assert is_started(operator.run(script("volume-restore"), WATCH="0"))
    add_point(simulator, other)
    outcome = operator.run(script("volume-restore", ebs_snapshot_arn=other))
    assert outcome.code == 1
    assert f"restores {POINT}, not {other}" in outcome.errors
    assert len(jobs(simulator)) == 1


def test_a_later_run_adopts_no_job_that_may_be_another_runs(
    world: World, simulator: Simulator, operator: Person, tmp_path: Path
) -> None:
    assert is_started(operator.run(script("volume-restore"), WATCH="0"))
    text = script("volume-restore", run="second", ebs_snapshot_arn=POINT)
    outcome = operator.run(text, HOME=str(tmp_path / "new"))
    assert outcome.code == 1
    assert f"job {jobs(simulator)[0].job_id}" in outcome.errors
    assert len(jobs(simulator)) == 1


def test_a_volume_that_nobody_tagged_is_neither_taken_nor_restored_twice(
    world: World, simulator: Simulator, operator: Person
) -> None:
    assert is_started(operator.run(script("volume-restore"), WATCH="0"))
    without_record(operator)
    forget_tokens(simulator)
    simulator.clock.advance(7200)
    outcome = operator.run(script("volume-restore"))
    assert outcome.code == 1
    (job,) = jobs(simulator)
    volume = str(job.made).rpartition("/")[2]
    assert f"job {job.job_id} (" in outcome.errors
    assert f") has restored {POINT} to {job.made}, which has no tags of a run" in outcome.errors
    assert f"--restored-volume-id {volume}" in outcome.errors
    assert len(jobs(simulator)) == 1


@pytest.mark.parametrize("run", ["first", "second"])
def test_a_tag_that_it_inherits_from_the_source_shows_no_run(
    world: World, simulator: Simulator, operator: Person, run: str
) -> None:
    """stack-create tags the source's stack with its run, and CloudFormation the volume."""
    (point,) = simulator.backup.points.values()
    point.tags = {"codeocean-cmdgen:run": "first"}
    named = script("volume-restore", run=run, ebs_snapshot_arn=POINT)
    assert is_started(operator.run(named, WATCH="0"))
    without_record(operator)
    forget_tokens(simulator)
    simulator.clock.advance(7200)
    outcome = operator.run(named)
    assert outcome.code == 1
    assert "which has no tags of a run" in outcome.errors
    assert len(jobs(simulator)) == 1


@pytest.mark.parametrize(
    "operation", ["list-restore-jobs", "describe-volumes --region us-east-1 --f"]
)
@pytest.mark.parametrize("answer", ["{}", "null"])
def test_a_list_that_cannot_be_read_starts_nothing(
    world: World, simulator: Simulator, operator: Person, operation: str, answer: str
) -> None:
    home = Path(operator.environment["HOME"])
    (home / "aws").write_text(
        f'#!/bin/bash\nif [[ $* == *"{operation}"* ]]; then echo "{answer}"; exit; fi\n'
        'PATH=${PATH#*:}\nexec aws "$@"\n'
    )
    (home / "aws").chmod(0o700)
    path = f"{home}:{operator.environment['PATH']}"
    outcome = operator.run(script("volume-restore"), PATH=path)
    assert outcome.code == 1
    assert "not a list of" in outcome.errors
    assert writes(simulator) == []


def test_a_later_run_restores_nothing_beside_volumes_that_may_be_its_own(
    world: World, simulator: Simulator, operator: Person
) -> None:
    """Its record is lost, and its token has expired."""
    named = script("volume-restore", run="second", ebs_snapshot_arn=POINT)
    for text in (script("volume-restore"), named):
        assert is_started(operator.run(text, WATCH="0"))
    without_record(operator)
    forget_tokens(simulator)
    simulator.clock.advance(7200)
    outcome = operator.run(named)
    assert outcome.code == 1
    assert "shows whether run second started any of the jobs above" in outcome.errors
    made = [str(job.made) for job in jobs(simulator)]
    assert len(made) == 2
    for volume in made:
        assert f" to {volume}, which has no tags of a run" in outcome.errors
    ec2 = simulator.account(TARGET).client("ec2", REGION)
    ec2.delete_volume(VolumeId=made[0].rpartition("/")[2])
    assert operator.run(named).code == 1
    # As the message says.
    assert f"--resources {made[1].rpartition('/')[2]} --tags" in outcome.errors
    tags = {"run": "another", "data-volume-id": DATA_VOLUME}
    marks = [{"Key": f"codeocean-cmdgen:{key}", "Value": tags[key]} for key in tags]
    said = " ".join(f"Key={mark['Key']},Value={mark['Value']}" for mark in marks)
    assert f" --tags {said}\n" in outcome.errors
    ec2.create_tags(Resources=[made[1].rpartition("/")[2]], Tags=marks)
    assert operator.run(named).done
    assert len(jobs(simulator)) == 3


def test_a_volume_that_nobody_tagged_beside_a_running_job_stops_the_run(
    world: World, simulator: Simulator, operator: Person
) -> None:
    """Either of the two may be this run's: following one would leave the other one to be found."""
    named = script("volume-restore", run="second", ebs_snapshot_arn=POINT)
    assert is_started(operator.run(script("volume-restore"), WATCH="0"))
    simulator.clock.advance(7200)
    assert is_started(operator.run(named, WATCH="0"))
    without_record(operator)
    forget_tokens(simulator)
    assert operator.run(script("volume-restore")).code == 1
    assert operator.run(script("volume-restore")).code == 1
    assert len(jobs(simulator)) == 2


@pytest.mark.parametrize("deleted", [True, False])
def test_a_recovery_point_may_expire_once_its_restore_has_begun(
    world: World, simulator: Simulator, operator: Person, *, deleted: bool
) -> None:
    assert is_started(operator.run(script("volume-restore"), WATCH="0"))
    (point,) = simulator.backup.points.values()
    created = point.created.strftime("%Y-%m-%dT%H:%M:%S+00:00")
    point.status = "EXPIRED"
    if deleted:
        simulator.backup.points.clear()
    outcome = operator.run(script("volume-restore"))
    assert outcome.done, outcome
    assert re.search(rf"EBS creation time: +{re.escape(created)}\n", outcome.output)


def test_a_job_of_a_restore_testing_plan_is_nobodys(
    world: World, simulator: Simulator, operator: Person, tmp_path: Path
) -> None:
    """AWS Backup deletes what such a job restores. AWS CLI 2.9 does not show who created a job."""
    simulator.account(TARGET).client("backup", REGION).start_restore_job(
        RecoveryPointArn=POINT,
        Metadata={"availabilityZone": f"{REGION}a", "volumeSize": "500"},
        IamRoleArn=f"arn:aws:iam::{TARGET}:role/codeocean-BackupRole-1ABC",
    )
    (tmp_path / "aws").write_text(
        "#!/bin/bash\nPATH=${PATH#*:}\n"
        'if [[ $* != *list-restore-jobs* ]]; then exec aws "$@"; fi\n'
        """aws "$@" | jq '.RestoreJobs[].CreatedBy = {RestoreTestingPlanArn: "arn:of:plan"}'\n"""
    )
    (tmp_path / "aws").chmod(0o700)
    path = f"{tmp_path}:{operator.environment['PATH']}"
    assert operator.run(script("volume-restore"), PATH=path).done
    assert len(jobs(simulator)) == 2
    assert len(volumes(simulator)) == 1


# What AWS may answer


def test_a_job_that_shows_its_volume_late_has_not_failed(
    world: World, simulator: Simulator, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations = simulator.backup_jobs.operations
    describe = operations["DescribeRestoreJob"]
    hidden: list[dict[str, Any]] = []

    def describe_late(call: Any) -> dict[str, Any]:
        answer: dict[str, Any] = describe(call)
        if answer["Status"] == "COMPLETED" and len(hidden) < 2:
            hidden.append(answer)
            return {**answer, "CreatedResourceArn": None}
        return {**answer, "PercentDone": "12.50%"}

    monkeypatch.setitem(operations, "DescribeRestoreJob", describe_late)
    outcome = operator.run(script("volume-restore"))
    assert outcome.done, outcome
    assert len(hidden) == 2
    assert " PENDING, 12.50 %, watched" in outcome.errors


def test_a_completed_job_that_shows_no_volume_is_not_repeated(
    world: World, simulator: Simulator, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations = simulator.backup_jobs.operations
    describe = operations["DescribeRestoreJob"]

    def describe_without_volume(call: Any) -> dict[str, Any]:
        return {**describe(call), "CreatedResourceArn": None}

    with monkeypatch.context() as patch:
        patch.setitem(operations, "DescribeRestoreJob", describe_without_volume)
        outcome = operator.run(script("volume-restore"))
    assert outcome.code == 1
    assert "is COMPLETED, but AWS Backup does not show what it has created" in outcome.errors
    assert operator.run(script("volume-restore")).done
    assert len(jobs(simulator)) == 1


@pytest.mark.parametrize(
    ("type_", "iops", "restored"), [("gp2", 100, 3000), ("io2", 64000, 16000), ("io2", 5000, 5000)]
)
def test_the_iops_of_another_type_become_those_of_gp3(
    world: World,
    simulator: Simulator,
    operator: Person,
    type_: str,
    iops: int,
    restored: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    show_data_volume_as(simulator, monkeypatch, type_, iops)
    outcome = operator.run(script("volume-restore"))
    assert outcome.done, outcome
    assert (jobs(simulator)[0].metadata or {})["iops"] == str(restored)
    assert f"{DATA_VOLUME} is {type_} with {iops} IOPS" in outcome.errors


def show_data_volume_as(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, type_: str, iops: int
) -> None:
    from moto.ec2.models import ec2_backends  # noqa: PLC0415 - slow

    volume = ec2_backends[TARGET][REGION].volumes[DATA_VOLUME]
    monkeypatch.setattr(volume, "volume_type", type_)
    monkeypatch.setattr(volume, "iops", iops)
    monkeypatch.setattr(volume, "throughput", None)


def test_a_tag_that_ec2_does_not_find_yet_deletes_no_volume(
    world: World, simulator: Simulator, operator: Person
) -> None:
    assert operator.run(script("volume-restore")).done
    home = Path(operator.environment["HOME"], ".codeocean-cmdgen")
    (volume,) = volumes(simulator)
    path = operator.environment["PATH"]
    blind = home / "blind"
    blind.mkdir()
    (blind / "aws").write_text(
        "#!/bin/bash\nif [[ $* == *tag:codeocean-cmdgen:run* ]]; then echo '{\"Volumes\": []}'; "
        'exit; fi\nPATH=${PATH#*:}\nexec aws "$@"\n'
    )
    (blind / "aws").chmod(0o700)
    outcome = operator.run(script("volume-restore"), PATH=f"{blind}:{path}")
    assert outcome.done, outcome
    assert volume["VolumeId"] in outcome.output


def test_a_key_that_may_not_be_described_is_warned_of(
    world: World, simulator: Simulator, operator: Person
) -> None:
    kms = simulator.account(TARGET).client("kms", REGION)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    simulator.faults.add("kms:DescribeKey", "access-denied", times=None)
    refused = operator.run(script("volume-restore"))
    assert refused.code == 1
    assert "kms:DescribeKey" in refused.errors
    assert "--kms-key-id" in refused.errors
    outcome = operator.run(script("volume-restore", kms_key_id=key))
    assert outcome.done, outcome
    assert re.search(rf"warning: KMS key {key} was not checked.*kms:DescribeKey", outcome.errors)


# Missing tags


@pytest.mark.parametrize("missing", [("completed",), ("created",), ("run",), ()])
def test_a_volume_without_tags_is_tagged_again(
    world: World, simulator: Simulator, operator: Person, missing: tuple[str, ...]
) -> None:
    """No tag named: all of them."""
    first = operator.run(script("volume-restore"))
    assert first.done
    (volume,) = volumes(simulator)
    tags = {tag["Key"]: tag["Value"] for tag in volume["Tags"]}
    names = [f"codeocean-cmdgen:{name}" for name in missing] or list(tags)
    ec2 = simulator.account(TARGET).client("ec2", REGION)
    ec2.delete_tags(Resources=[volume["VolumeId"]], Tags=[{"Key": name} for name in names])
    simulator.backup.points.clear()
    simulator.clear_requests()
    assert operator.run(script("volume-restore"), PLAN="1").code == 0
    assert writes(simulator) == []
    again = operator.run(script("volume-restore"))
    assert again.output == first.output
    assert writes(simulator) == ["CreateTags"]
    (volume,) = volumes(simulator)
    assert {tag["Key"]: tag["Value"] for tag in volume["Tags"]} == tags
    assert len(jobs(simulator)) == 1


# The size


def test_a_snapshot_that_is_larger_than_the_data_volume_is_restored(
    world: World, simulator: Simulator, operator: Person
) -> None:
    add_point(simulator, POINT, size_bytes=800 * GIB)
    outcome = operator.run(script("volume-restore"))
    assert outcome.done, outcome
    assert f"{DATA_VOLUME} has 500 GiB; the restored volume gets the 800 GiB of" in outcome.errors
    (volume,) = volumes(simulator)
    assert volume["Size"] == 800


def test_a_snapshot_that_cannot_be_described_gets_the_size_of_the_data_volume(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("ec2:DescribeSnapshots", "access-denied", times=None)
    outcome = operator.run(script("volume-restore"))
    assert outcome.done, outcome
    assert "which needs ec2:DescribeSnapshots" in outcome.errors
    assert "gets the size of " in outcome.errors
    (volume,) = volumes(simulator)
    assert volume["Size"] == 500


# Answers without a job ID


def answer_without_id(simulator: Simulator, monkeypatch: pytest.MonkeyPatch, *, act: bool) -> None:
    start = simulator.backup_jobs.operations["StartRestoreJob"]

    def start_unnamed(call: Any) -> dict[str, Any]:
        if act:
            start(call)
        return {}

    monkeypatch.setitem(simulator.backup_jobs.operations, "StartRestoreJob", start_unnamed)


def test_unwatched_a_job_that_may_not_be_described_is_no_start(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("backup:DescribeRestoreJob", "access-denied", times=None)
    outcome = operator.run(script("volume-restore"), WATCH="0")
    assert outcome.code == 1
    assert "cannot follow restore job " in outcome.errors
    assert "started:" not in outcome.output


def test_a_job_that_the_answer_does_not_name_is_found(
    world: World, simulator: Simulator, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_without_id(simulator, monkeypatch, act=True)
    simulator.backup.seconds_running = 600  # so that the script, which waits 60 s, finds it running
    outcome = operator.run(script("volume-restore"))
    assert outcome.done, outcome
    assert len(jobs(simulator)) == 1


def test_a_job_that_is_not_named_and_has_ended_may_be_another_run_s(
    world: World, simulator: Simulator, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_without_id(simulator, monkeypatch, act=True)
    simulator.backup.seconds_running = 10
    outcome = operator.run(script("volume-restore"))
    assert outcome.code == 1
    (job,) = jobs(simulator)
    assert job.made is not None
    assert f"To use {job.made.split('/')[-1]}, run volume-copy-in" in outcome.errors
    assert "Do as it says above, and paste the script again" in outcome.errors


def test_a_job_that_is_nowhere_is_not_recorded(
    world: World, simulator: Simulator, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_without_id(simulator, monkeypatch, act=False)
    outcome = operator.run(script("volume-restore"))
    assert outcome.code == 1
    assert "AWS Backup did not name the restore job, and does not list it" in outcome.errors
    monkeypatch.undo()
    assert operator.run(script("volume-restore")).done
    assert len(jobs(simulator)) == 1
