"""db-restore and db-delete, run by the real AWS CLI in a target with one copied recovery point."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.simulator import Simulator, World
from codeocean_cmdgen.simulator.templates import PRIMARY_URL
from codeocean_cmdgen.simulator.world import DATABASE, PASSWORD, REGION, TARGET
from tests.support.people import Outcome, Person, PersonOf, interrupt, script, writes

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator.backup_jobs import Job
    from codeocean_cmdgen.simulator.rds import Instance

VAULT = "codeocean-v1"
TEMPORARY = "tmp-codeocean-restore"
POINT = f"arn:aws:rds:{REGION}:{TARGET}:snapshot:awsbackup:copyjob-1"
STACK_TAG = "aws:cloudformation:stack-id"
SECRET = "/codeocean/analytics/master-password-0"


@pytest.fixture
def world(simulator: Simulator) -> World:
    world = World(simulator)
    world.deployment(TARGET)
    simulator.backup.add_recovery_point(
        TARGET,
        REGION,
        VAULT,
        "RDS",
        simulator.clock.now() - timedelta(days=1),
        arn=POINT,
        resource_arn=f"arn:aws:rds:{REGION}:111111111111:db:{DATABASE}-of-the-source",
    )
    return world


@pytest.fixture
def operator(person: PersonOf) -> Person:
    return person(TARGET)


@pytest.fixture
def restored(world: World, simulator: Simulator) -> Instance:
    """Restore one as db-restore does, but for the record in the home folder."""
    simulator.account(TARGET).client("backup", REGION).start_restore_job(
        RecoveryPointArn=POINT,
        Metadata={
            "DBInstanceIdentifier": TEMPORARY,
            "DBSubnetGroupName": "codeocean-analyticsdbsubnetgroup-1abc",
            "VpcSecurityGroupIds": '["sg-0123456789abcdef0"]',
        },
        IamRoleArn=f"arn:aws:iam::{TARGET}:role/codeocean-BackupRole-1ABC",
    )
    simulator.clock.advance(3600)
    instance = temporary(simulator)
    tags = {
        "run": "first",
        "db-instance-id": DATABASE,
        "recovery-point": POINT,
        "completed": "2026-01-01T00:00:00+00:00",
    }
    instance.tags = {f"codeocean-cmdgen:{key}": value for key, value in tags.items()}
    simulator.clear_requests()
    return instance


@pytest.fixture
def begun(world: World, simulator: Simulator, operator: Person) -> None:
    """Let db-restore start the job, and the job end."""
    assert is_started(operator.run(script("db-restore"), WATCH="0"))
    simulator.clock.advance(3600)


def is_started(outcome: Outcome) -> bool:
    """Tell whether a script says that its work has started, and is not done."""
    last = outcome.output.splitlines()[-1]
    return (outcome.code, last.startswith("started: ")) == (4, True)


def temporary(simulator: Simulator) -> Instance:
    instance = simulator.rds.find(TARGET, REGION, TEMPORARY)
    assert instance
    return instance


def jobs(simulator: Simulator) -> list[Job]:
    return list(simulator.backup_jobs.restores.values())


# db-restore


def test_restores_an_instance_in_the_deployments_network_with_its_password(
    world: World, simulator: Simulator, operator: Person
) -> None:
    outcome = operator.run(script("db-restore"))
    assert outcome.done, outcome
    new, own = temporary(simulator), simulator.rds.find(TARGET, REGION, DATABASE)
    assert own
    assert new.password == PASSWORD
    assert new.subnet_group == own.subnet_group
    assert new.security_groups == own.security_groups
    assert new.parameter_group == own.parameter_group
    assert new.instance_class == "db.t3.micro"
    assert (new.multi_az, new.public, new.iam_authentication) == (False, False, False)
    assert new.storage_type == "gp3"
    assert new.tags["codeocean-cmdgen:run"] == "first"
    assert f"temporary endpoint:  {new.address}:5432\n" in outcome.output
    assert f"own endpoint:        {own.address}:5432\n" in outcome.output
    assert "allocated storage:   20 GiB gp3, own 20 GiB\n" in outcome.output
    assert own.password != PASSWORD
    took = (simulator.clock.now() - jobs(simulator)[0].created).total_seconds()
    polls = simulator.calls("backup:DescribeRestoreJob") + simulator.calls("rds:Describe*")
    most = 1 + 2 + 2 + took / 15
    assert len(polls) <= most, "the snapshot and both instances before, the new one once between"


@pytest.mark.newest_cli
def test_the_password_is_seen_nowhere(
    world: World, simulator: Simulator, operator: Person, tmp_path: Path
) -> None:
    recorder = tmp_path / "recorder"
    recorder.mkdir()
    (recorder / "aws").write_text(
        '#!/bin/bash\n{ tr "\\0" "\\n" </proc/$PPID/cmdline; echo "$@"; env; } >>"$RECORD"\n'
        'if [[ -s secret ]]; then echo "secret is left: $*"; fi >>"$RECORD"\n'
        '[[ ! -e modification ]] || { pwd; stat --format="%a %A" . modification; } >>"$RECORD"\n'
        'PATH=${PATH#*:}\nexec aws "$@"\n'
    )
    (recorder / "aws").chmod(0o700)
    path, record = f"{recorder}:{operator.environment['PATH']}", tmp_path / "record"
    outcome = operator.run(script("db-restore"), PATH=path, RECORD=str(record))
    assert outcome.done
    seen = record.read_text()
    assert "modify-db-instance" in seen
    assert "secret is left" not in seen
    assert PASSWORD not in seen + outcome.output + outcome.errors
    scratch, folder_mode, file_mode = re.findall(
        r"^(/dev/shm/\S+)\n(\d+) d\S+\n(\d+) -", seen, re.MULTILINE
    )[0]
    assert (folder_mode, file_mode) == ("700", "600")
    assert not Path(scratch).exists()


@pytest.mark.parametrize(("shown", "unnoticed"), [(True, 5), (True, 100), (False, 100)])
def test_waits_until_the_password_is_in_force(
    begun: None, simulator: Simulator, operator: Person, shown: bool, unnoticed: float
) -> None:
    """The instance says `available` for some time after it was told to change."""
    simulator.rds.shows_pending, simulator.rds.seconds_unnoticed = shown, unnoticed
    simulator.rds.seconds_modifying = 40
    outcome = operator.run(script("db-restore"))
    assert outcome.done, outcome
    assert temporary(simulator).password == PASSWORD
    assert temporary(simulator).modification is None
    assert len(jobs(simulator)) == 1


def test_a_change_that_rds_never_takes_up_is_not_called_done(
    begun: None, simulator: Simulator, operator: Person
) -> None:
    simulator.rds.shows_pending, simulator.rds.seconds_unnoticed = False, 86400
    outcome = operator.run(script("db-restore"))
    assert outcome.code == 1
    assert "RDS has not confirmed the new password" in outcome.errors


def test_pasted_again_it_tells_the_same_and_changes_nothing(
    restored: Instance, simulator: Simulator, operator: Person
) -> None:
    text = script("db-restore")
    first = operator.run(text)
    simulator.backup_jobs.restores.clear()
    simulator.backup.points.clear()
    second = operator.run(text, HOME="/proc")
    assert second.done
    assert second.output == first.output
    assert writes(simulator) == []


def test_what_was_deleted_is_not_restored_again(
    begun: None, simulator: Simulator, operator: Person
) -> None:
    assert operator.run(script("db-restore")).done
    simulator.rds.instances.remove(temporary(simulator))
    simulator.clear_requests()
    outcome = operator.run(script("db-restore"))
    assert outcome.code == 1
    assert f"restored {TEMPORARY} at 2" in outcome.errors
    assert "no longer exists" in outcome.errors
    assert writes(simulator) == []


def test_ctrl_c_says_what_goes_on(world: World, simulator: Simulator, operator: Person) -> None:
    interrupt(operator, simulator, script("db-restore"), "backup:DescribeRestoreJob")
    assert len(jobs(simulator)) == 1


def test_what_bears_the_name_later_is_left_alone(
    begun: None, simulator: Simulator, operator: Person
) -> None:
    simulator.rds.instances.remove(temporary(simulator))
    simulator.clock.advance(7200)
    stranger = simulator.rds.database(TARGET, REGION, TEMPORARY)
    simulator.clear_requests()
    outcome = operator.run(script("db-restore"))
    assert outcome.code == 1
    assert f"{TEMPORARY} was created long after job" in outcome.errors
    assert (writes(simulator), stranger.tags) == ([], {})


def test_a_point_that_another_run_restored_is_taken_on_purpose_only(
    restored: Instance, simulator: Simulator, operator: Person
) -> None:
    """It may be the one of the first round, where that of the second has not arrived yet."""
    simulator.rds.instances.remove(restored)
    refused = operator.run(script("db-restore", run="second"))
    assert refused.code == 1
    assert f"{POINT} was already restored by job {jobs(simulator)[0].job_id} (" in refused.errors
    assert writes(simulator) == []
    chosen = script("db-restore", run="second", rds_snapshot_arn=POINT)
    assert is_started(operator.run(chosen, WATCH="0"))


def test_plan_changes_nothing(world: World, simulator: Simulator, operator: Person) -> None:
    outcome = operator.run(script("db-restore"), PLAN="1")
    assert outcome.code == 0
    assert '"MultiAZ":"false"' in outcome.output.splitlines()[-1]
    assert PASSWORD not in outcome.output + outcome.errors
    assert writes(simulator) == []


@pytest.mark.parametrize("value", ["short", 'with"quote1', "with space1", "with/slash1", None])
def test_a_secret_that_cannot_be_the_password_is_found_before_anything_starts(
    world: World, simulator: Simulator, operator: Person, value: str | None
) -> None:
    secrets = simulator.account(TARGET).client("secretsmanager", REGION)
    if value is None:
        secrets.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    else:
        secrets.put_secret_value(SecretId=SECRET, SecretString=value)
    simulator.clear_requests()
    outcome = operator.run(script("db-restore"))
    assert outcome.code == 1
    words = "cannot read secret" if value is None else "not a master password that RDS accepts"
    assert words in outcome.errors
    assert value is None or value not in outcome.errors
    assert writes(simulator) == []


def test_a_name_that_is_taken_is_left_alone(
    restored: Instance, simulator: Simulator, operator: Person
) -> None:
    outcome = operator.run(script("db-restore", run="second"))
    assert outcome.code == 1
    assert f"{TEMPORARY} exists, of run first for database {DATABASE}" in outcome.errors
    assert writes(simulator) == []


def test_a_full_quota_is_told_in_the_words_of_rds(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.rds.quota = 1
    outcome = operator.run(script("db-restore"))
    assert outcome.code == 1
    assert "ended FAILED" in outcome.errors
    assert "Instance quota exceeded" in outcome.errors
    simulator.rds.quota = 2
    assert is_started(operator.run(script("db-restore"), WATCH="0"))
    assert len(jobs(simulator)) == 2


@pytest.mark.parametrize("status", ["backing-up", "modifying"])
def test_other_work_on_the_instance_does_not_prove_the_password(
    begun: None,
    simulator: Simulator,
    operator: Person,
    status: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RDS does not take the change up; it is at work for two minutes for another reason."""
    simulator.rds.shows_pending, simulator.rds.seconds_unnoticed = False, 86400
    instance = temporary(simulator)
    now = simulator.clock.now

    def works(_: object) -> str:
        change = instance.modification
        asked = change and change.noticed - timedelta(seconds=86400)
        if asked and 30 < (now() - asked).total_seconds() < 150:
            return status
        return "available"

    monkeypatch.setattr(instance, "status", works)
    outcome = operator.run(script("db-restore"))
    assert not outcome.done
    assert "RDS has not confirmed the new password" in outcome.errors


def test_with_watch_0_a_later_paste_completes_the_restore(
    begun: None, simulator: Simulator, operator: Person
) -> None:
    assert is_started(operator.run(script("db-restore"), WATCH="0"))
    assert is_started(operator.run(script("db-restore"), WATCH="0")), "pending"
    simulator.clock.advance(600)
    assert is_started(operator.run(script("db-restore"), WATCH="0")), "at rest for seconds only"
    (record,) = Path(operator.environment["HOME"], ".codeocean-cmdgen").iterdir()
    record.write_text(re.sub(r"(?m)^(password-change) .*", r"\1 1700000000", record.read_text()))
    assert operator.run(script("db-restore"), WATCH="0").done
    assert temporary(simulator).password == PASSWORD
    assert len(simulator.calls("rds:ModifyDBInstance")) == 1


def test_done_again_says_what_was_not_checked(
    restored: Instance, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restored, "status", lambda _: "modifying")
    outcome = operator.run(script("db-restore"))
    assert outcome.done
    assert "It is modifying now; its password was not checked again.\n" in outcome.output


def test_watch_0_returns_at_each_wait(begun: None, simulator: Simulator, operator: Person) -> None:
    outcome = operator.run(script("db-restore"), WATCH="0")
    assert is_started(outcome)
    assert f"the master password of {TEMPORARY} is being changed" in outcome.output
    assert operator.run(script("db-restore")).done
    assert temporary(simulator).password == PASSWORD


@pytest.mark.parametrize("status", ["failed", "storage-full"])
def test_an_instance_that_failed_since_is_not_called_done(
    restored: Instance, operator: Person, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    monkeypatch.setattr(restored, "status", lambda _: status)
    outcome = operator.run(script("db-restore"))
    assert outcome.code == 1
    assert f"{TEMPORARY} is {status}" in outcome.errors


@pytest.mark.parametrize(
    ("what", "value"),
    [("public", True), ("iam_authentication", True), ("parameter_group", "default.postgres15")],
)
def test_an_instance_of_other_settings_is_not_called_done(
    begun: None, simulator: Simulator, operator: Person, what: str, value: object
) -> None:
    vars(temporary(simulator))[what] = value
    outcome = operator.run(script("db-restore"))
    assert outcome.code == 1
    assert f"{TEMPORARY} is not as requested. Delete it with db-delete" in outcome.errors


def without_record(simulator: Simulator, operator: Person) -> None:
    """Lose the record of the run, and the token: AWS may forget it after an hour."""
    simulator.backup._tokens.clear()  # noqa: SLF001 - time alone does not
    for record in Path(operator.environment["HOME"], ".codeocean-cmdgen").iterdir():
        record.unlink()


def test_a_running_job_is_adopted_without_record_and_token(
    world: World, simulator: Simulator, operator: Person
) -> None:
    assert is_started(operator.run(script("db-restore"), WATCH="0"))
    without_record(simulator, operator)
    assert operator.run(script("db-restore", rds_snapshot_arn=POINT)).done
    assert len(jobs(simulator)) == 1


def test_an_instance_that_nobody_tagged_is_left_alone(
    begun: None, simulator: Simulator, operator: Person
) -> None:
    without_record(simulator, operator)
    outcome = operator.run(script("db-restore"))
    assert outcome.code == 1
    assert f"job {jobs(simulator)[0].job_id}" in outcome.errors
    assert "--temporary-db-instance-id" in outcome.errors
    assert len(jobs(simulator)) == 1


def test_an_instance_with_the_tags_of_the_run_is_completed_without_its_record(
    begun: None, simulator: Simulator, operator: Person
) -> None:
    assert is_started(operator.run(script("db-restore"), WATCH="0"))
    without_record(simulator, operator)
    assert operator.run(script("db-restore")).done
    assert len(jobs(simulator)) == 1


def test_a_backup_of_this_account_is_never_taken_unasked(
    world: World, simulator: Simulator, operator: Person
) -> None:
    (point,) = simulator.backup.points.values()
    point.resource_arn = f"arn:aws:rds:{REGION}:{TARGET}:db:codeocean-before-the-rebuild"
    refused = operator.run(script("db-restore"))
    assert refused.code == 1
    assert f"of {point.resource_arn}\n" in refused.errors
    assert "name it with --rds-snapshot-arn" in refused.errors
    assert writes(simulator) == []
    assert is_started(operator.run(script("db-restore", rds_snapshot_arn=POINT), WATCH="0"))


@pytest.mark.parametrize("tags", [{}, {"codeocean-cmdgen:run": "first"}])
def test_tags_that_it_inherits_from_the_source_do_not_stop_it(
    world: World, simulator: Simulator, operator: Person, tags: dict[str, str]
) -> None:
    """stack-create tags the source's stack with its run, and CloudFormation the instance."""
    (point,) = simulator.backup.points.values()
    point.tags = tags
    assert is_started(operator.run(script("db-restore"), WATCH="0"))
    simulator.clock.advance(3600)
    assert operator.run(script("db-restore")).done
    assert len(jobs(simulator)) == 1
    assert operator.run(script("db-delete"), CONFIRM=TEMPORARY).done


def test_a_name_in_use_is_found_before_anything_starts(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.rds.database(TARGET, REGION, TEMPORARY, tags={"codeocean-cmdgen:run": "first"})
    outcome = operator.run(script("db-restore"))
    assert outcome.code == 1
    assert f"problem: DB instance {TEMPORARY} exists (available)" in outcome.errors
    assert "another --temporary-db-instance-id" in outcome.errors
    assert writes(simulator) == []


def test_an_instance_with_inherited_tags_only_is_of_no_run(
    begun: None, simulator: Simulator, operator: Person
) -> None:
    temporary(simulator).tags = {"codeocean-cmdgen:run": "first"}
    without_record(simulator, operator)
    outcome = operator.run(script("db-restore"))
    assert outcome.code == 1
    assert "which has no tags of a run" in outcome.errors
    assert writes(simulator) == ["StartRestoreJob"]


def test_a_backup_of_another_engine_version_gets_its_default_parameter_group(
    world: World, simulator: Simulator, operator: Person
) -> None:
    """The stack's parameter group is for the version of the deployment's own instance."""
    (point,) = simulator.backup.points.values()
    point.engine_version = "14.9"
    started = operator.run(script("db-restore"), WATCH="0")
    assert is_started(started), started
    assert "the backup has engine version 14.9" in started.errors
    simulator.clock.advance(3600)
    assert operator.run(script("db-restore")).done
    assert temporary(simulator).parameter_group == "default.postgres14"


def test_a_backup_of_unknown_version_gets_the_parameter_group_of_the_stack(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("rds:DescribeDBSnapshots", "access-denied", times=None)
    started = operator.run(script("db-restore"), WATCH="0")
    assert is_started(started), started
    assert "which needs rds:DescribeDBSnapshots" in started.errors
    own = simulator.rds.find(TARGET, REGION, DATABASE)
    assert own
    assert temporary(simulator).parameter_group == own.parameter_group


@pytest.mark.parametrize("recorded", [True, False])
def test_a_recovery_point_may_expire_once_its_restore_has_begun(
    begun: None, simulator: Simulator, operator: Person, *, recorded: bool
) -> None:
    """Only the password is still missing."""
    assert is_started(operator.run(script("db-restore"), WATCH="0"))
    simulator.backup.points.clear()
    if not recorded:
        without_record(simulator, operator)
    outcome = operator.run(script("db-restore"))
    assert outcome.done, outcome
    assert f"recovery point {POINT} no longer exists" in outcome.errors
    assert f"was restored from {POINT}" in outcome.output
    assert len(jobs(simulator)) == 1


def test_watch_0_returns_once_rds_shows_the_change(
    begun: None, simulator: Simulator, operator: Person
) -> None:
    """If the answer does not show it, a later paste could not know of it."""
    simulator.rds.shows_pending, simulator.rds.seconds_unnoticed = False, 30
    simulator.rds.seconds_modifying = 40
    assert is_started(operator.run(script("db-restore"), WATCH="0"))
    simulator.clock.advance(600)
    assert operator.run(script("db-restore")).done
    assert len(simulator.calls("rds:ModifyDBInstance")) == 1


def test_watch_0_never_waits_long_for_the_change(
    begun: None, simulator: Simulator, operator: Person
) -> None:
    simulator.rds.shows_pending, simulator.rds.seconds_unnoticed = False, 86400
    before = simulator.clock.now()
    outcome = operator.run(script("db-restore"), WATCH="0")
    assert is_started(outcome)
    assert "RDS has not shown it yet. Paste the script again without WATCH=0." in outcome.output
    assert simulator.clock.now() - before < timedelta(seconds=120)


# db-delete


@pytest.mark.newest_cli
def test_deletes_the_temporary_instance_and_proves_that_it_is_gone(
    restored: Instance, simulator: Simulator, operator: Person
) -> None:
    restored.backup_retention_days = 7
    outcome = operator.run(script("db-delete"), CONFIRM=TEMPORARY)
    assert outcome.done, outcome
    assert [one.identifier for one in simulator.rds.instances] == [DATABASE]
    assert simulator.rds.retained == []
    (call,) = simulator.calls("rds:DeleteDBInstance")
    assert call.parameters["SkipFinalSnapshot"] is True
    simulator.clear_requests()
    again = operator.run(script("db-delete"))
    assert again.output == outcome.output
    assert writes(simulator) == []


@pytest.mark.parametrize("confirmed", ["", DATABASE])
def test_wants_the_very_name_typed(
    restored: Instance, simulator: Simulator, operator: Person, confirmed: str
) -> None:
    outcome = operator.run(script("db-delete"), CONFIRM=confirmed)
    assert outcome.code == 2
    assert writes(simulator) == []


def test_plan_deletes_nothing(restored: Instance, simulator: Simulator, operator: Person) -> None:
    outcome = operator.run(script("db-delete"), PLAN="1")
    assert outcome.output.startswith(f"plan: would delete {TEMPORARY}, 20 GiB")
    assert writes(simulator) == []


def unproved(simulator: Simulator, restored: Instance, how: str) -> None:
    if how == "no tags":
        restored.tags.clear()
    elif how == "another run's":
        restored.tags["codeocean-cmdgen:run"] = "second"
    elif how == "another database's":
        restored.tags["codeocean-cmdgen:db-instance-id"] = "other"
    elif how == "CloudFormation's":
        restored.tags[STACK_TAG] = "codeocean"
        World(simulator).templates()
        stack = World(simulator).stack(TARGET, "codeocean", PRIMARY_URL, pDnsRootDomain="a.b")
        stack.physical_ids["AnalyticsDBInstance"] = TEMPORARY
    elif how == "perhaps CloudFormation's":
        restored.tags[STACK_TAG] = "codeocean"
        simulator.faults.add("cloudformation:DescribeStackResources", "access-denied", times=None)
    elif how == "no restore job":
        simulator.backup_jobs.restores.clear()
    else:
        restored.deletion_protection = True


@pytest.mark.parametrize(
    "how",
    [
        "no tags",
        "another run's",
        "another database's",
        "CloudFormation's",
        "perhaps CloudFormation's",
        "no restore job",
        "protected",
    ],
)
def test_what_is_not_proved_to_be_temporary_is_left_alone(
    restored: Instance, simulator: Simulator, operator: Person, how: str
) -> None:
    unproved(simulator, restored, how)
    outcome = operator.run(script("db-delete"), CONFIRM=TEMPORARY)
    assert outcome.code == 1
    assert f"{TEMPORARY} is left alone" in outcome.errors
    assert writes(simulator) == []


def test_tags_of_the_sources_stack_do_not_protect_it(
    restored: Instance, simulator: Simulator, operator: Person
) -> None:
    """AWS does not say whether what is restored inherits the tags of CloudFormation."""
    restored.tags[STACK_TAG] = "arn:aws:cloudformation:us-east-1:111111111111:stack/codeocean/1"
    outcome = operator.run(script("db-delete"), CONFIRM=TEMPORARY)
    assert outcome.done, outcome
    assert f"{TEMPORARY} has inherited tags of CloudFormation; no stack manages it" in (
        outcome.errors
    )


def test_follows_a_deletion_that_is_under_way(
    restored: Instance, simulator: Simulator, operator: Person
) -> None:
    started = operator.run(script("db-delete"), CONFIRM=TEMPORARY, WATCH="0")
    assert is_started(started)
    assert f"started: {TEMPORARY} is deleting" in started.output
    assert operator.run(script("db-delete")).done
    assert len(simulator.calls("rds:DeleteDBInstance")) == 1


def test_ctrl_c_says_that_the_deletion_goes_on(
    restored: Instance, simulator: Simulator, operator: Person
) -> None:
    begun_by = "rds:DeleteDBInstance"
    interrupt(operator, simulator, script("db-delete"), begun_by, CONFIRM=TEMPORARY)
    assert operator.run(script("db-delete")).done
    assert len(simulator.calls(begun_by)) == 1


def test_all_that_a_person_must_know_is_said_before_the_confirmation(
    restored: Instance, simulator: Simulator, operator: Person
) -> None:
    outcome = operator.run(script("db-delete"))
    (job,) = jobs(simulator)
    assert outcome.code == 2
    said = outcome.errors.partition("This deletes for good, without a final snapshot: ")
    assert f"proof that {TEMPORARY} is of run first: it has the tags of this run" in said[0]
    assert f"restore job {job.job_id} created it from {POINT}" in said[0]
    assert said[2].startswith(f"{TEMPORARY}, 20 GiB, created ")
    assert "with its automated backups" in said[2]


def test_another_instance_of_the_name_is_left_alone(
    restored: Instance, simulator: Simulator, operator: Person
) -> None:
    """RDS copies tags to what is restored from a snapshot, and reuses names."""
    simulator.rds.instances.remove(restored)
    simulator.clock.advance(7200)
    simulator.rds.database(TARGET, REGION, TEMPORARY, tags=restored.tags)
    simulator.clear_requests()
    outcome = operator.run(script("db-delete"), CONFIRM=TEMPORARY)
    assert outcome.code == 1
    assert f"{TEMPORARY} was created long after its restore job had ended" in outcome.errors
    assert writes(simulator) == []


def test_an_instance_replaced_before_the_confirmation_is_left_alone(
    restored: Instance, simulator: Simulator, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RDS deletes by name: whatever has the name by then."""
    operations = simulator.backup_jobs.operations
    list_jobs = operations["ListRestoreJobs"]

    def list_jobs_and_replace(call: Any) -> dict[str, Any]:
        answer = list_jobs(call)
        simulator.rds.instances.remove(restored)
        simulator.rds.database(TARGET, REGION, TEMPORARY, tags=restored.tags)
        return answer

    monkeypatch.setitem(operations, "ListRestoreJobs", list_jobs_and_replace)
    outcome = operator.run(script("db-delete"), CONFIRM=TEMPORARY)
    assert outcome.code == 1
    assert f"{TEMPORARY} has changed, and is left alone" in outcome.errors
    assert writes(simulator) == []


def test_backups_that_cannot_be_checked_are_not_called_deleted(
    restored: Instance, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("rds:DescribeDBInstanceAutomatedBackups", "access-denied", times=None)
    outcome = operator.run(script("db-delete"), CONFIRM=TEMPORARY)
    assert outcome.done
    assert "warning: cannot check whether automated backups are kept" in outcome.errors
    assert "but its automated backups were not checked" in outcome.output


def test_backups_that_are_kept_are_not_called_deleted(
    restored: Instance, simulator: Simulator, operator: Person
) -> None:
    restored.backup_retention_days = 7
    assert is_started(operator.run(script("db-delete"), CONFIRM=TEMPORARY, WATCH="0"))
    restored.retains_backups = True
    outcome = operator.run(script("db-delete"))
    assert outcome.code == 1
    assert "automated backups of" in outcome.errors


def test_what_nobody_deleted_here_is_not_called_deleted(
    world: World, simulator: Simulator, operator: Person
) -> None:
    outcome = operator.run(script("db-delete"), CONFIRM=TEMPORARY)
    assert outcome.code == 1
    assert f"{TEMPORARY} does not exist" in outcome.errors


def test_the_metadata_is_what_aws_backup_takes(
    world: World, simulator: Simulator, operator: Person
) -> None:
    assert is_started(operator.run(script("db-restore"), WATCH="0"))
    metadata: dict[str, Any] = jobs(simulator)[0].metadata or {}
    assert json.loads(metadata["VpcSecurityGroupIds"]) == ["sg-0123456789abcdef0"]
    assert "StorageType" not in metadata


@pytest.mark.parametrize("shown", [None, "at noon"])
def test_an_instance_of_unknown_age_is_left_alone(
    restored: Instance,
    simulator: Simulator,
    operator: Person,
    shown: str | None,
) -> None:
    home = Path(operator.environment["HOME"])
    (home / "aws").write_text(
        "#!/bin/bash\nPATH=${PATH#*:}\n"
        'if [[ $* != *describe-db-instances* ]]; then exec aws "$@"; fi\n'
        'aws "$@" | jq --argjson shown "${SHOWN}" '
        f'\'(.DBInstances[]? | select(.DBInstanceIdentifier == "{TEMPORARY}")'
        " | .InstanceCreateTime) |= $shown'\n"
    )
    (home / "aws").chmod(0o700)
    path = f"{home}:{operator.environment['PATH']}"
    outcome = operator.run(
        script("db-delete"), CONFIRM=TEMPORARY, PATH=path, SHOWN=json.dumps(shown)
    )
    assert outcome.code == 1
    assert f"when {TEMPORARY} was created" in outcome.errors
    assert "left alone" in outcome.errors
    assert writes(simulator) == []
