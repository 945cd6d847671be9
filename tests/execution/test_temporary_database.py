"""db-restore and db-delete, run by the real AWS CLI in a target with one copied recovery point."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.simulator import Simulator, World
from codeocean_cmdgen.simulator.world import DATABASE, PASSWORD, REGION, TARGET
from tests.execution.conftest import Person, PersonOf, interrupt, script, writes

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator.backup_jobs import Job
    from codeocean_cmdgen.simulator.rds import Instance

VAULT = "codeocean-v1"
TEMPORARY = "tmp-codeocean-restore"
POINT = f"arn:aws:rds:{REGION}:{TARGET}:snapshot:awsbackup:copyjob-1"
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
    assert operator.run(script("db-restore"), WATCH="0").done
    simulator.clock.advance(3600)


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
    assert f"temporary endpoint:  {new.host}:5432\n" in outcome.output
    assert f"own endpoint:        {own.host}:5432\n" in outcome.output
    assert "allocated storage:   20 GiB gp3, own 20 GiB\n" in outcome.output
    assert own.password != PASSWORD
    took = (simulator.clock.now() - jobs(simulator)[0].created).total_seconds()
    polls = simulator.calls("backup:DescribeRestoreJob") + simulator.calls("rds:Describe*")
    assert len(polls) <= 2 + 2 + took / 15, "both instances before, the new one once between"


def test_the_password_is_seen_nowhere(
    world: World, simulator: Simulator, operator: Person, tmp_path: Path
) -> None:
    recorder = tmp_path / "recorder"
    recorder.mkdir()
    (recorder / "aws").write_text(
        '#!/bin/bash\n{ tr "\\0" "\\n" </proc/$PPID/cmdline; echo "$@"; env; } >>"$RECORD"\n'
        '[[ ! -e modification ]] || { pwd; stat --format="%a %A" . modification; } >>"$RECORD"\n'
        'PATH=${PATH#*:}\nexec aws "$@"\n'
    )
    (recorder / "aws").chmod(0o700)
    path, record = f"{recorder}:{operator.environment['PATH']}", tmp_path / "record"
    outcome = operator.run(script("db-restore"), PATH=path, RECORD=str(record))
    assert outcome.done
    seen = record.read_text()
    assert "modify-db-instance" in seen
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
    assert "no sign that it has taken up the new password" in outcome.errors


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
    assert "which is gone" in outcome.errors
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
    assert f"{TEMPORARY} was made long after job" in outcome.errors
    assert (writes(simulator), stranger.tags) == ([], {})


def test_a_point_that_another_run_restored_is_taken_on_purpose_only(
    restored: Instance, simulator: Simulator, operator: Person
) -> None:
    """It may be the one of the first round, where that of the second has not arrived yet."""
    simulator.rds.instances.remove(restored)
    refused = operator.run(script("db-restore", run="second"))
    assert refused.code == 1
    assert f"{POINT} was restored before, by job {jobs(simulator)[0].job_id}" in refused.errors
    assert writes(simulator) == []
    chosen = script("db-restore", run="second", rds_snapshot_arn=POINT)
    assert operator.run(chosen, WATCH="0").done


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
    assert "gives no master password" in outcome.errors
    assert value is None or value not in outcome.errors
    assert writes(simulator) == []


def test_a_name_that_is_taken_is_left_alone(
    restored: Instance, simulator: Simulator, operator: Person
) -> None:
    outcome = operator.run(script("db-restore", run="second"))
    assert outcome.code == 1
    assert "of another run or database" in outcome.errors
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
    assert operator.run(script("db-restore"), WATCH="0").done
    assert len(jobs(simulator)) == 2


# db-delete


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
        restored.tags["aws:cloudformation:stack-id"] = "codeocean"
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


def test_follows_a_deletion_that_is_under_way(
    restored: Instance, simulator: Simulator, operator: Person
) -> None:
    started = operator.run(script("db-delete"), CONFIRM=TEMPORARY, WATCH="0")
    assert "started to delete" in started.output
    assert operator.run(script("db-delete")).done
    assert len(simulator.calls("rds:DeleteDBInstance")) == 1


def test_ctrl_c_says_that_the_deletion_goes_on(
    restored: Instance, simulator: Simulator, operator: Person
) -> None:
    begun_by = "rds:DeleteDBInstance"
    interrupt(operator, simulator, script("db-delete"), begun_by, CONFIRM=TEMPORARY)
    assert operator.run(script("db-delete")).done
    assert len(simulator.calls(begun_by)) == 1


def test_backups_that_are_kept_are_not_called_deleted(
    restored: Instance, simulator: Simulator, operator: Person
) -> None:
    restored.backup_retention_days = 7
    operator.run(script("db-delete"), CONFIRM=TEMPORARY, WATCH="0")
    restored.retains_backups = True
    outcome = operator.run(script("db-delete"))
    assert outcome.code == 1
    assert "automated backups of" in outcome.errors


def test_what_nobody_deleted_here_is_not_called_deleted(
    world: World, simulator: Simulator, operator: Person
) -> None:
    outcome = operator.run(script("db-delete"), CONFIRM=TEMPORARY)
    assert outcome.code == 1
    assert "is not there" in outcome.errors


def test_the_metadata_is_what_aws_backup_takes(
    world: World, simulator: Simulator, operator: Person
) -> None:
    operator.run(script("db-restore"), WATCH="0")
    metadata: dict[str, Any] = jobs(simulator)[0].metadata or {}
    assert json.loads(metadata["VpcSecurityGroupIds"]) == ["sg-0123456789abcdef0"]
    assert "StorageType" not in metadata
