"""snapshot-copy, run by the real AWS CLI in a world of two recovery points."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.simulator import Simulator, World
from codeocean_cmdgen.simulator.errors import AwsError
from codeocean_cmdgen.simulator.world import BACKUP, EBS_POINT, RDS_POINT, REGION, TARGET
from tests.support.fake_aws import Place, answers, snapshot_copy, write_programs
from tests.support.people import Person, PersonOf, script, writes

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator.backup import RecoveryPoint

VAULT = "codeocean-backup-v1"
DESTINATION = f"arn:aws:backup:{REGION}:{TARGET}:backup-vault:codeocean-v1"
DEFAULT_ROLE = "AWSBackupDefaultServiceRole"


@pytest.fixture
def world(simulator: Simulator) -> World:
    world = World(simulator)
    world.vault(BACKUP, VAULT)
    world.vault(TARGET, "codeocean-v1", copied_from=BACKUP)
    world.role(BACKUP, DEFAULT_ROLE, ["backup.amazonaws.com"], "/service-role/")
    add_point(simulator, "EBS", EBS_POINT)
    add_point(simulator, "RDS", RDS_POINT)
    return world


def add_point(simulator: Simulator, kind: str, arn: str, age_days: float = 1, **facts: Any) -> None:
    created = simulator.clock.now() - timedelta(days=age_days)
    simulator.backup.add_recovery_point(
        BACKUP, REGION, VAULT, resource_type=kind, arn=arn, created=created, **facts
    )


@pytest.fixture
def operator(person: PersonOf) -> Person:
    return person(BACKUP)


def point(simulator: Simulator, arn: str) -> RecoveryPoint:
    (found,) = (one for one in simulator.backup.points.values() if one.arn == arn)
    return found


def copies(simulator: Simulator) -> list[RecoveryPoint]:
    return [one for one in simulator.backup.points.values() if one.vault_arn == DESTINATION]


def jobs(simulator: Simulator) -> list[dict[str, Any]]:
    answer = simulator.account(BACKUP).client("backup", REGION).list_copy_jobs()
    found: list[dict[str, Any]] = answer["CopyJobs"]
    return found


def test_copies_both_and_names_them(world: World, simulator: Simulator, operator: Person) -> None:
    outcome = operator.run(script("snapshot-copy"))
    assert outcome.done, outcome
    arns = {one.resource_type: one.arn for one in copies(simulator)}
    assert re.search(rf"EBS recovery point: +{arns['EBS']}\n", outcome.output)
    assert re.search(rf"RDS recovery point: +{arns['RDS']}\n", outcome.output)
    created = point(simulator, EBS_POINT).created.strftime("%Y-%m-%dT%H:%M:%S+00:00")
    assert re.search(rf"EBS creation time: +{re.escape(created)}\n", outcome.output)
    assert "EBS copy RUNNING" in outcome.errors


def test_retention_counts_from_the_creation(
    world: World, simulator: Simulator, operator: Person
) -> None:
    add_point(simulator, "EBS", EBS_POINT, age_days=9.5, delete_after_days=30)
    add_point(simulator, "RDS", RDS_POINT, age_days=9.4, delete_after_days=30)
    assert operator.run(script("snapshot-copy", retention_days="20")).done
    asked = [one.parameters["Lifecycle"] for one in simulator.calls("backup:StartCopyJob")]
    assert asked == [{"DeleteAfterDays": 10 + 20}] * 2


def test_pasted_again_changes_nothing(world: World, simulator: Simulator, operator: Person) -> None:
    text = script("snapshot-copy", retention_days="90")
    first = operator.run(text)
    simulator.clear_requests()
    simulator.clock.advance(20 * 86400)  # what was copied has expired since
    second = operator.run(text)
    assert second.done
    assert writes(simulator) == []
    assert second.output == first.output
    assert second.output.endswith("; not checked since)\n")
    assert len(copies(simulator)) == 2


def test_remembers_what_aws_backup_no_longer_lists(
    world: World, simulator: Simulator, operator: Person
) -> None:
    text = script("snapshot-copy")
    first = operator.run(text)
    simulator.backup.jobs.clear()
    simulator.clear_requests()
    assert operator.run(text).output == first.output
    assert writes(simulator) == []


def test_follows_what_it_started_before(
    world: World, simulator: Simulator, operator: Person
) -> None:
    text = script("snapshot-copy")
    started = operator.run(text, WATCH="0")
    assert started.code == 4
    assert started.output.startswith("started: EBS copy CREATED (waits for its turn), RDS copy ")
    assert "paste the script again" in started.output
    assert copies(simulator) == []
    assert operator.run(text).done
    assert len(jobs(simulator)) == 2


def test_a_new_run_copies_once_more(world: World, simulator: Simulator, operator: Person) -> None:
    assert operator.run(script("snapshot-copy")).done
    for _ in range(2):
        assert operator.run(script("snapshot-copy", run="second")).done
    assert len(jobs(simulator)) == 4


def test_plan_changes_nothing(world: World, simulator: Simulator, operator: Person) -> None:
    outcome = operator.run(script("snapshot-copy"), PLAN="1")
    assert outcome.code == 0
    assert outcome.output.splitlines()[-1] == "plan: would start 2 copies; nothing was changed"
    assert writes(simulator) == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"status": "PARTIAL"}, "only a COMPLETED one can be copied"),
        ({"age_days": 13.95, "delete_after_days": 14}, "too soon for a copy"),
        ({"kind": "RDS"}, "the recovery point is for RDS; expected EBS"),
    ],
)
def test_refuses_a_point_that_cannot_be_copied(
    world: World, simulator: Simulator, operator: Person, facts: dict[str, Any], words: str
) -> None:
    add_point(simulator, **{"kind": "EBS", "arn": EBS_POINT, **facts})
    outcome = operator.run(script("snapshot-copy"))
    assert outcome.code == 1
    assert words in outcome.errors
    assert writes(simulator) == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"age_days": 13.5, "delete_after_days": 14}, "a copy that takes longer fails"),
        ({"age_days": 1.1}, "144 minutes apart"),
    ],
)
def test_warns_and_copies(
    world: World, simulator: Simulator, operator: Person, facts: dict[str, Any], words: str
) -> None:
    add_point(simulator, "EBS", EBS_POINT, **facts)
    outcome = operator.run(script("snapshot-copy"))
    assert outcome.done
    assert "warning: " in outcome.errors
    assert words in outcome.errors


def test_a_point_that_keeps_for_ever_is_no_problem(
    world: World, simulator: Simulator, operator: Person
) -> None:
    add_point(simulator, "EBS", EBS_POINT, delete_after_days=None)
    outcome = operator.run(script("snapshot-copy"))
    assert outcome.done
    assert "warning" not in outcome.errors


@pytest.mark.newest_cli
def test_names_a_role_that_is_not_there_and_says_how_to_create_it(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.account(BACKUP).client("iam").delete_role(RoleName=DEFAULT_ROLE)
    outcome = operator.run(script("snapshot-copy"))
    assert outcome.code == 1
    assert f"role {DEFAULT_ROLE} does not exist" in outcome.errors
    how = outcome.errors.partition("create it here:")[2].partition("aws iam attach-role-policy")[0]
    assert operator.run(how).code == 0
    assert operator.run(script("snapshot-copy")).done


def test_names_a_role_that_aws_backup_cannot_assume(
    world: World, simulator: Simulator, operator: Person
) -> None:
    arn = world.role(BACKUP, "other", ["ec2.amazonaws.com"])
    outcome = operator.run(script("snapshot-copy", role_arn=arn))
    assert outcome.code == 1
    assert "does not trust backup.amazonaws.com" in outcome.errors


def test_who_may_not_see_the_role_is_warned_only(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("iam:GetRole", "access-denied", times=None)
    outcome = operator.run(script("snapshot-copy"))
    assert outcome.done
    assert "warning: role" in outcome.errors


@pytest.mark.newest_cli
def test_a_rejected_request_does_not_block_the_next_paste(
    world: World, simulator: Simulator, operator: Person
) -> None:
    text = script("snapshot-copy")
    arn = f"arn:aws:iam::{BACKUP}:role/service-role/{DEFAULT_ROLE}"
    world_role = simulator.account(BACKUP).client("iam")
    simulator.faults.add("iam:GetRole", "access-denied", times=1)
    world_role.delete_role(RoleName=DEFAULT_ROLE)
    rejected = operator.run(text)
    assert rejected.code == 1
    assert "was not started" in rejected.errors
    world.role(BACKUP, DEFAULT_ROLE, ["backup.amazonaws.com"], "/service-role/")
    assert operator.run(text).done, arn


def test_a_failed_copy_is_told_and_tried_again(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("backup:StartCopyJob", "fail-job", times=1)
    failed = operator.run(script("snapshot-copy"))
    assert not failed.done
    assert re.search(r"problem: the EBS copy \S+ ended FAILED: \S+", failed.errors)
    again = operator.run(script("snapshot-copy"))
    assert again.done
    assert len(copies(simulator)) == 2


def test_a_failure_that_is_no_longer_listed_still_counts(
    world: World, simulator: Simulator, operator: Person
) -> None:
    """AWS Backup lists jobs for 30 days, and does not say for how long it knows their tokens."""
    simulator.faults.add("backup:StartCopyJob", "fail-job", times=1)
    assert not operator.run(script("snapshot-copy")).done
    simulator.backup.jobs.clear()
    outcome = operator.run(script("snapshot-copy"))
    assert outcome.done, outcome
    assert len(simulator.backup.jobs) == 1


def test_ctrl_c_does_not_say_that_a_completed_copy_continues(
    world: World, simulator: Simulator, operator: Person, tmp_path: Path
) -> None:
    simulator.faults.add("backup:StartCopyJob", "fail-job", after=1)
    assert not operator.run(script("snapshot-copy")).done
    (tmp_path / "aws").write_text(
        "#!/bin/bash\nPATH=${PATH#*:}\n"
        "if [[ $* == *start-copy-job* ]]; then kill -INT 0; fi\n"
        'exec aws "$@"\n'
    )
    (tmp_path / "aws").chmod(0o700)
    path = f"{tmp_path}:{operator.environment['PATH']}"
    interrupted = operator.run(script("snapshot-copy"), PATH=path)
    assert interrupted.code == 130
    assert "interrupted. Paste the script again to continue." in interrupted.errors
    assert operator.run(script("snapshot-copy")).done


def test_a_copy_in_a_state_that_is_not_known_is_followed(
    world: World, simulator: Simulator, operator: Person, tmp_path: Path
) -> None:
    assert operator.run(script("snapshot-copy"), WATCH="0").code == 4
    for job in simulator.backup.jobs.values():
        job.state = "TOMORROW"
    started = operator.run(script("snapshot-copy"), WATCH="0", HOME=str(tmp_path / "new"))
    assert started.output.startswith("started: EBS copy TOMORROW, RDS copy TOMORROW")
    assert len(jobs(simulator)) == 2


def test_a_vault_that_lets_nobody_in_is_told_in_the_words_of_aws(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.backup.policies.clear()
    outcome = operator.run(script("snapshot-copy"))
    assert not outcome.done
    assert "Access Denied" in outcome.errors


def test_the_refusal_of_one_hop_has_a_way_out(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.backup.single_hop_rds = False
    world.vault(TARGET, "codeocean-v1", "eu-west-1", copied_from=BACKUP)
    there = DESTINATION.replace(REGION, "eu-west-1")
    outcome = operator.run(script("snapshot-copy", destination_vault_arn=there))
    assert not outcome.done
    assert "Copy it in two hops" in outcome.errors


@pytest.mark.sample(2)
@pytest.mark.parametrize("fault", ["throttle", "internal-error", "disconnect", "disconnect-after"])
def test_one_fault_of_each_call_is_survived(
    world: World, simulator: Simulator, operator: Person, fault: str
) -> None:
    calls = ("DescribeBackupVault", "ListCopyJobs", "StartCopyJob", "DescribeCopyJob")
    for operation in ("sts:GetCallerIdentity", *(f"backup:{call}" for call in calls)):
        simulator.faults.add(operation, fault, times=1)
    assert operator.run(script("snapshot-copy")).done
    assert len(jobs(simulator)) == 2


def test_a_copy_that_is_not_listed_yet_is_not_started_twice(
    world: World, simulator: Simulator, operator: Person
) -> None:
    text = script("snapshot-copy")
    operator.run(text, WATCH="0")
    simulator.faults.add("backup:ListCopyJobs", "invisible", times=1)
    assert operator.run(text).done
    assert len(jobs(simulator)) == 2


def test_a_copy_that_vanishes_is_not_called_done(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("backup:DescribeCopyJob", "vanish", after=2)
    outcome = operator.run(script("snapshot-copy"))
    assert not outcome.done
    assert "cannot be found" in outcome.errors


def test_expired_credentials_while_watching(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("backup:DescribeCopyJob", "expired-token", times=None, after=2)
    outcome = operator.run(script("snapshot-copy"))
    assert outcome.code == 1
    assert "the copies continue, but cannot be followed" in outcome.errors
    simulator.faults.clear()
    assert operator.run(script("snapshot-copy")).done
    assert len(jobs(simulator)) == 2


def test_times_as_numbers_are_understood(
    world: World, simulator: Simulator, operator: Person
) -> None:
    config = f"{operator.environment['HOME']}/config"
    with open(config, "w", encoding="ascii") as file:  # noqa: PTH123 - two words of INI
        file.write("[default]\ncli_timestamp_format = wire\noutput = text\n")
    plain = operator.run(script("snapshot-copy"))
    wired = operator.run(script("snapshot-copy"), AWS_CONFIG_FILE=config)
    assert wired.done
    assert wired.output == plain.output


def test_what_expired_before_it_was_recorded_is_told_the_same_each_time(
    world: World, simulator: Simulator, operator: Person
) -> None:
    text = script("snapshot-copy", retention_days="90")
    operator.run(text, WATCH="0")
    simulator.clock.advance(20 * 86400)
    first, second = operator.run(text), operator.run(text)
    assert first.done
    assert second.output == first.output
    unknown = "not known here: see the CreationDate of the copy"
    assert f"EBS creation time:   {unknown}\n" in first.output


def test_warns_when_the_copies_may_have_expired(
    world: World, simulator: Simulator, operator: Person
) -> None:
    operator.run(script("snapshot-copy"))
    for record in Path(operator.environment["HOME"], ".codeocean-cmdgen").iterdir():
        dated = re.sub(r"completed (\S+) \S+", r"completed \1 2020-01-01", record.read_text())
        record.write_text(dated)
    outcome = operator.run(script("snapshot-copy"))
    assert outcome.done
    assert outcome.errors.count("was to be kept 14 days, which are over") == 2


def test_a_home_that_cannot_be_written_is_no_obstacle(
    world: World, simulator: Simulator, operator: Person
) -> None:
    outcome = operator.run(script("snapshot-copy"), HOME="/proc")
    assert outcome.done
    assert "warning: cannot write /proc/.codeocean-cmdgen/" in outcome.errors


def test_unwatched_a_copy_that_may_not_be_described_is_no_start(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("backup:DescribeCopyJob", "access-denied", times=None)
    outcome = operator.run(script("snapshot-copy"), WATCH="0")
    assert outcome.code == 1
    assert "the copies continue, but cannot be followed: An error occurred" in outcome.errors
    assert "started:" not in outcome.output


def test_says_why_a_copy_is_started_again(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("backup:StartCopyJob", "fail-job", times=1)
    operator.run(script("snapshot-copy"), WATCH="0")
    simulator.clock.advance(120)
    outcome = operator.run(script("snapshot-copy"), WATCH="0")
    assert outcome.code == 4
    assert "EBS copy: an earlier one ended FAILED: " in outcome.errors
    assert "EBS copy: started, job" in outcome.errors


def test_unwatched_a_copy_that_failed_is_no_start(tmp_path: Path) -> None:
    failed = {"CopyJob": {"State": "FAILED", "StatusMessage": "The key is disabled."}}
    running = {"CopyJob": {"State": "RUNNING"}}
    jobs = {
        "backup describe-copy-job*ebs-job*": failed,
        "backup describe-copy-job*rds-job*": running,
    }
    programs = write_programs(tmp_path / "programs", {**jobs, **answers()})
    place = Place.make(tmp_path / "place", programs)
    status, output = place.run("bash", script=snapshot_copy().encode(), WATCH="0")
    assert status == 1
    assert b"problem: the EBS copy ebs-job ended FAILED: The key is disabled." in output
    assert b"stopped: EBS copy FAILED, RDS copy RUNNING. Paste the script again" in output
    assert b"started: " not in output


@pytest.mark.parametrize("answer", [{}, None, ""])
def test_a_list_that_cannot_be_read_starts_nothing(tmp_path: Path, answer: object) -> None:
    programs = write_programs(
        tmp_path / "programs", {**answers(), "backup list-copy-jobs*": answer}
    )
    place = Place.make(tmp_path / "place", programs)
    status, output = place.run("bash", script=snapshot_copy().encode())
    assert status == 1
    assert b"not a list of copy jobs" in output
    assert not [call for call in place.aws_calls() if "start-copy-job" in call]


@pytest.mark.parametrize(("code", "uses_up"), [("503", False), ("", False), ("No", True)])
def test_an_answer_without_a_body_uses_up_no_token(
    tmp_path: Path, code: str, uses_up: bool
) -> None:
    """The request may have been carried out: the same token finds the copy."""
    programs = write_programs(tmp_path / "programs", answers())
    aws = programs / "aws"
    message = f"An error occurred ({code}) when calling the StartCopyJob operation: No"
    refusal = f'start-copy-job"*) echo "{message}" >&2; exit 254 ;;'
    aws.write_text(aws.read_text().replace('case "$*" in', f'case "$*" in *"{refusal}'))
    place = Place.make(tmp_path / "place", programs)
    for _ in range(2):
        assert place.run("bash", script=snapshot_copy().encode())[0] == 1
    tokens = {call[-1] for call in place.aws_calls() if "start-copy-job" in call}
    assert len(tokens) == (4 if uses_up else 2), "one of each kind, or one of each request"


def test_a_copy_that_a_later_run_follows_is_its_own_when_completed(
    world: World, simulator: Simulator, operator: Person
) -> None:
    assert operator.run(script("snapshot-copy"), WATCH="0").code == 4
    assert operator.run(script("snapshot-copy", run="second"), WATCH="0").code == 4
    simulator.clock.advance(86400)
    assert operator.run(script("snapshot-copy", run="second")).done
    assert len(jobs(simulator)) == 2


def test_a_later_run_without_a_record_copies_nothing_again(
    world: World, simulator: Simulator, operator: Person, tmp_path: Path
) -> None:
    assert operator.run(script("snapshot-copy")).done
    outcome = operator.run(script("snapshot-copy", run="second"), HOME=str(tmp_path / "new"))
    assert outcome.code == 1
    for job in jobs(simulator):
        assert job["CopyJobId"] in outcome.errors
    assert "--run first" in outcome.errors
    assert len(jobs(simulator)) == 2
    # What it says helps: the first run takes them, and then the second copies again.
    assert operator.run(script("snapshot-copy"), HOME=str(tmp_path / "new")).done
    assert operator.run(script("snapshot-copy", run="second"), HOME=str(tmp_path / "new")).done
    assert len(jobs(simulator)) == 4


def test_a_completed_copy_without_an_arn_is_not_promised_again(
    world: World, simulator: Simulator, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations = simulator.backup.operations
    describe = operations["DescribeCopyJob"]

    def describe_without_arn(call: Any) -> dict[str, Any]:
        answer: dict[str, Any] = describe(call)
        return {"CopyJob": {**answer["CopyJob"], "DestinationRecoveryPointArn": None}}

    monkeypatch.setitem(operations, "DescribeCopyJob", describe_without_arn)
    outcome = operator.run(script("snapshot-copy"))
    assert outcome.code == 1
    assert "AWS names no recovery point" in outcome.errors
    assert "For another copy, use a new --run" in outcome.errors
    assert "Paste the script again" not in outcome.errors


@pytest.mark.parametrize("code", ["MissingParameterValueException", "LimitExceededException"])
def test_whatever_is_refused_uses_up_a_token(
    world: World,
    simulator: Simulator,
    operator: Person,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
) -> None:
    def refuse(_: Any) -> None:
        raise AwsError("No.", code)  # noqa: EM101

    with monkeypatch.context() as patch:
        patch.setattr(simulator.backup, "check_role", refuse)
        assert "was not started" in operator.run(script("snapshot-copy")).errors
    assert operator.run(script("snapshot-copy")).done
