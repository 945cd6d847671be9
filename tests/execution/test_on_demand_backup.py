"""on-demand-backup, run by the real AWS CLI in a source that copies its backups elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.simulator import Simulator, World
from codeocean_cmdgen.simulator.world import BACKUP, SOURCE
from tests.support.people import Person, PersonOf, interrupt, script, writes

if TYPE_CHECKING:
    from pathlib import Path

    from codeocean_cmdgen.simulator.backup import RecoveryPoint

VAULT = "codeocean-v1"
INTERRUPTER = """#!/bin/bash
PATH=${PATH#*:}
if [[ "$1 $2" == 'backup start-backup-job' ]] && ! mkdir "${SEEN}"; then
  kill -INT 0
fi
exec aws "$@"
"""
"""An `aws` at whose second request to start a backup somebody presses Ctrl-C."""
TEXT = script("on-demand-backup", run="before-upgrade")


@pytest.fixture
def alone(simulator: Simulator) -> World:
    """Build a source without a destination vault."""
    world = World(simulator)
    world.deployment(SOURCE)
    return world


@pytest.fixture
def copied(simulator: Simulator) -> str:
    """Build a source that copies its backups; return the ARN of the destination."""
    world = World(simulator)
    destination = world.vault(BACKUP, "codeocean-backup-v1", copied_from=SOURCE)
    world.deployment(SOURCE, copies_to=destination)
    return destination


@pytest.fixture
def operator(person: PersonOf) -> Person:
    return person(SOURCE)


def points(simulator: Simulator, vault: str) -> dict[str, RecoveryPoint]:
    found = simulator.backup.points.values()
    return {one.resource_type: one for one in found if one.vault_arn.endswith(f":{vault}")}


def test_backs_up_both_for_a_day_and_names_them(
    alone: World, simulator: Simulator, operator: Person
) -> None:
    outcome = operator.run(TEXT)
    assert outcome.done, outcome
    made = points(simulator, VAULT)
    assert {one.delete_after_days for one in made.values()} == {1}
    assert re.search(rf"EBS recovery point: +{made['EBS'].arn}\n", outcome.output)
    assert re.search(rf"RDS recovery point: +{made['RDS'].arn}\n", outcome.output)
    created = made["EBS"].created.strftime("%Y-%m-%dT%H:%M:%S+00:00")
    assert re.search(rf"EBS creation time: +{re.escape(created)}\n", outcome.output)
    assert "automatic" not in outcome.output
    polls = simulator.calls("backup:DescribeBackupJob")
    assert len(polls) <= 2 * (1 + 65 / 20 + 1), "one call every 20 s for each job"


def test_follows_the_automatic_copies_to_the_destination(
    copied: str, simulator: Simulator, operator: Person
) -> None:
    outcome = operator.run(TEXT)
    assert outcome.done, outcome
    arrived = points(simulator, "codeocean-backup-v1")
    assert f"EBS automatic copy:  {arrived['EBS'].arn}\n" in outcome.output
    assert f"RDS automatic copy:  {arrived['RDS'].arn}\n" in outcome.output
    assert f"copied to {copied}" in outcome.output
    simulator.backup_jobs.backups.clear()
    simulator.backup.jobs.clear()
    simulator.clear_requests()
    again = operator.run(TEXT)
    assert again.done
    assert again.output.splitlines()[:-1] == outcome.output.splitlines()[:-1]
    assert "run before-upgrade has backed up both before" in again.output
    assert "Nothing was started" in again.output
    times = outcome.output.partition(" (EBS completed ")[2].partition(")")[0]
    assert f" (EBS completed {times})" in again.output
    assert writes(simulator) == []


@pytest.mark.parametrize("kind", ["EBS", "RDS"])
@pytest.mark.parametrize("status", ["", "EXPIRED", "DELETING"])
def test_a_backup_that_is_gone_is_not_called_done(
    alone: World, simulator: Simulator, operator: Person, kind: str, status: str
) -> None:
    assert operator.run(TEXT).done
    point = points(simulator, VAULT)[kind]
    point.status = status
    if status == "":
        del simulator.backup.points[point.vault_arn, point.arn]
    simulator.clear_requests()
    again = operator.run(TEXT)
    assert again.code == 1
    gone = status or "expired or deleted"
    assert f"the {kind} recovery point of run before-upgrade is {gone}: {point.arn}" in again.errors
    assert "To back up again, use a new --run." in again.errors
    assert writes(simulator) == []
    assert operator.run(script("on-demand-backup", run="another")).done


def test_after_a_year_nothing_is_called_done(
    alone: World, simulator: Simulator, operator: Person
) -> None:
    assert operator.run(TEXT).done
    simulator.clock.advance(365 * 86400)
    again = operator.run(TEXT)
    assert again.code == 1
    assert "done:" not in again.output


def test_a_backup_that_cannot_be_seen_is_neither_gone_nor_done(
    alone: World, simulator: Simulator, operator: Person
) -> None:
    assert operator.run(TEXT).done
    simulator.faults.add("backup:DescribeRecoveryPoint", "access-denied")
    again = operator.run(TEXT)
    assert again.code == 1
    assert "cannot describe recovery point" in again.errors
    assert "new --run" not in again.errors
    assert operator.run(TEXT).done


def test_says_until_when_the_backups_are_kept(
    alone: World, simulator: Simulator, operator: Person
) -> None:
    warning = "warning: no automatic copy is known"
    planned = operator.run(TEXT, PLAN="1")
    assert "deletes each recovery point after its retention, in days: 1" in planned.errors
    assert warning in planned.errors
    outcome = operator.run(TEXT)
    for kind, point in points(simulator, VAULT).items():
        assert point.delete_at
        deleted = point.delete_at.strftime("%Y-%m-%dT%H:%M:%S+00:00")
        assert re.search(rf"{kind} completed \S+, kept until {re.escape(deleted)}", outcome.output)
    longer = operator.run(script("on-demand-backup", run="longer", retention_days="30"), PLAN="1")
    assert warning not in longer.errors


def test_a_backup_with_an_automatic_copy_may_be_short(copied: str, operator: Person) -> None:
    outcome = operator.run(TEXT, PLAN="1")
    assert "warning: " not in outcome.errors


def answer_without_ids(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """Answer a request as AWS promises for a repeated token: success, and no action taken."""
    start = simulator.backup_jobs.operations[operation]

    def start_unnamed(call: Any) -> dict[str, Any]:
        start(call)
        return {}

    monkeypatch.setitem(simulator.backup_jobs.operations, operation, start_unnamed)


def test_jobs_that_the_answer_does_not_name_are_found(
    alone: World, simulator: Simulator, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert operator.run(script("on-demand-backup", run="earlier")).done
    answer_without_ids(simulator, monkeypatch, "StartBackupJob")
    outcome = operator.run(TEXT)
    assert outcome.done, outcome
    assert "EBS backup: an earlier request of this run was carried out" in outcome.errors
    assert len(simulator.backup_jobs.backups) == 4


def test_jobs_that_the_answer_does_not_name_are_never_guessed(
    alone: World, simulator: Simulator, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert operator.run(script("on-demand-backup", run="earlier"), HOME="/proc").done
    answer_without_ids(simulator, monkeypatch, "StartBackupJob")
    for _ in range(2):
        outcome = operator.run(TEXT)
        assert outcome.code == 1
        assert "AWS Backup did not name the EBS backup job, and the list does not" in outcome.errors
        assert "use a new --run" in outcome.errors
    assert len(simulator.backup_jobs.backups) == 4


def show_first_as(
    operations: dict[str, Any], monkeypatch: pytest.MonkeyPatch, operation: str, state: str
) -> None:
    """Show all jobs of the first answers that list some in another state."""
    show = operations[operation]
    shown: list[str] = []

    def show_as(call: Any) -> dict[str, Any]:
        answer: dict[str, Any] = show(call)
        shown.extend(job["State"] for job in answer["CopyJobs"])
        if 0 < len(shown) <= 4:
            answer["CopyJobs"] = [{**job, "State": state} for job in answer["CopyJobs"]]
        return answer

    monkeypatch.setitem(operations, operation, show_as)


def test_a_state_that_is_not_known_is_not_the_end_of_a_backup(
    alone: World, simulator: Simulator, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe = simulator.backup_jobs.operations["DescribeBackupJob"]
    shown: list[str] = []

    def describe_as(call: Any) -> dict[str, Any]:
        answer: dict[str, Any] = describe(call)
        shown.append(answer["State"])
        return {**answer, "State": "TOMORROW"} if len(shown) <= 4 else answer

    monkeypatch.setitem(simulator.backup_jobs.operations, "DescribeBackupJob", describe_as)
    outcome = operator.run(TEXT)
    assert outcome.done, outcome
    assert "EBS backup TOMORROW, RDS backup TOMORROW" in outcome.errors


@pytest.mark.parametrize("state", ["COMPLETING", "TOMORROW"])
def test_a_state_that_is_not_known_is_not_the_end_of_a_copy(
    copied: str,
    simulator: Simulator,
    operator: Person,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
) -> None:
    show_first_as(simulator.backup.operations, monkeypatch, "ListCopyJobs", state)
    outcome = operator.run(TEXT)
    assert outcome.done, outcome
    assert f"EBS copy 1 of 2: {state}" in outcome.errors


def test_copies_are_followed_through_four_failed_polls(
    copied: str, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("backup:ListCopyJobs", "access-denied", times=4)
    assert operator.run(TEXT).done


def test_copies_that_cannot_be_followed_are_not_called_done(
    copied: str, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("backup:ListCopyJobs", "access-denied", times=5)
    outcome = operator.run(TEXT)
    assert outcome.code == 1
    assert "the automatic copies continue, but cannot be followed" in outcome.errors


def test_unwatched_it_says_how_far_it_is(
    copied: str, simulator: Simulator, operator: Person
) -> None:
    started = operator.run(TEXT, WATCH="0")
    assert started.code == 4
    waits = "CREATED (waits for its turn)"
    assert started.output.startswith(f"started: EBS backup {waits}, RDS backup {waits};")
    assert writes(simulator) == ["StartBackupJob"] * 2
    simulator.clock.advance(70)
    copying = operator.run(TEXT, WATCH="0")
    assert copying.code == 4
    words = "started: both were backed up; automatic copies: EBS copy 1 of 2: "
    assert copying.output.startswith(words)


def test_ctrl_c_says_what_goes_on(alone: World, simulator: Simulator, operator: Person) -> None:
    interrupt(operator, simulator, TEXT, "backup:StartBackupJob")
    assert len(simulator.backup_jobs.backups) == 2


def test_unwatched_a_failure_is_told(alone: World, simulator: Simulator, operator: Person) -> None:
    simulator.faults.add("backup:StartBackupJob", "fail-job")
    simulator.faults.add("backup:StartBackupJob", "slow-job", after=1)
    assert operator.run(TEXT, WATCH="0").code == 4
    simulator.clock.advance(100)
    outcome = operator.run(TEXT, WATCH="0")
    assert outcome.code == 1
    assert re.search(r"problem: the EBS backup \S+ ended FAILED: The job failed", outcome.errors)
    assert "EBS backup FAILED, RDS backup RUNNING" in outcome.errors
    assert operator.run(TEXT, WATCH="0").code == 4
    assert len(simulator.backup_jobs.backups) == 3


def test_unwatched_a_copy_that_failed_is_told(
    copied: str, simulator: Simulator, operator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations = simulator.backup.operations
    list_copies = operations["ListCopyJobs"]

    def fail_copies_of_the_volume(call: Any) -> dict[str, Any]:
        answer: dict[str, Any] = list_copies(call)
        for job in answer["CopyJobs"]:
            if job["ResourceType"] == "EBS":
                job.update(State="FAILED", StatusMessage="The key is disabled.")
        return answer

    monkeypatch.setitem(operations, "ListCopyJobs", fail_copies_of_the_volume)
    assert operator.run(TEXT, WATCH="0").code == 4
    simulator.clock.advance(90)
    outcome = operator.run(TEXT, WATCH="0")
    assert outcome.code == 1
    assert "the automatic EBS copy ended FAILED: The key is disabled." in outcome.errors


def test_ctrl_c_between_the_two_says_that_the_first_continues(
    alone: World, simulator: Simulator, operator: Person, tmp_path: Path
) -> None:
    (tmp_path / "aws").write_text(INTERRUPTER)
    (tmp_path / "aws").chmod(0o700)
    path = f"{tmp_path}:{operator.environment['PATH']}"
    with operator.start(TEXT, PATH=path, SEEN=str(tmp_path / "seen")) as interrupted:
        output, errors = interrupted.communicate(timeout=120)
    assert (interrupted.returncode, output) == (130, "")
    assert "interrupted. Work in the background continues. Paste the script again" in errors
    assert len(simulator.backup_jobs.backups) == 1
    assert operator.run(TEXT).done
    assert len(simulator.backup_jobs.backups) == 2


def test_copies_that_cannot_be_seen_are_not_called_none(
    copied: str, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("cloudformation:DescribeStacks", "access-denied", times=None)
    outcome = operator.run(TEXT)
    assert outcome.code == 1
    assert "EBS recovery point:" in outcome.output
    assert "It is unknown whether the stack copies them to another vault" in outcome.errors
    assert "automatic copies" not in outcome.errors
    simulator.faults.clear()
    assert f"copied to {copied}" in operator.run(TEXT).output


def test_a_copy_that_fails_is_told(copied: str, simulator: Simulator, operator: Person) -> None:
    simulator.backup.policies.clear()
    outcome = operator.run(TEXT)
    assert outcome.code == 1
    assert "the automatic EBS copy ended FAILED" in outcome.errors
    assert "Access Denied" in outcome.errors


def test_copies_that_never_begin_are_told(
    copied: str, simulator: Simulator, operator: Person
) -> None:
    simulator.backup.automatic_copies.clear()
    outcome = operator.run(TEXT)
    assert outcome.code == 1
    assert "none has begun for 15 minutes" in outcome.errors


def test_the_second_round_never_takes_the_first_ones_backup(
    alone: World, simulator: Simulator, operator: Person
) -> None:
    first = operator.run(TEXT)
    second = operator.run(script("on-demand-backup", run="after-stop"))
    assert second.done
    assert second.output != first.output
    assert len(simulator.backup_jobs.backups) == 4


def test_follows_what_it_started_before_with_and_without_its_record(
    alone: World, simulator: Simulator, operator: Person
) -> None:
    started = operator.run(TEXT, WATCH="0")
    assert started.code == 4
    assert "paste the script again" in started.output
    assert operator.run(TEXT, HOME="/proc").done
    assert operator.run(TEXT).done
    assert len(simulator.backup_jobs.backups) == 2


def test_plan_changes_nothing(alone: World, simulator: Simulator, operator: Person) -> None:
    outcome = operator.run(TEXT, PLAN="1")
    assert outcome.output.splitlines()[-1] == "plan: would start 2 backups; nothing was changed"
    assert "EBS backup: to be started" in outcome.errors
    assert writes(simulator) == []


def test_only_the_backup_that_failed_is_started_again(
    alone: World, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("backup:StartBackupJob", "fail-job")
    failed = operator.run(TEXT)
    assert failed.code == 1
    assert re.search(r"problem: the EBS backup \S+ ended FAILED: The job failed", failed.errors), (
        failed.errors
    )
    assert operator.run(TEXT).done
    kinds = [one.resource_type for one in simulator.backup_jobs.backups.values()]
    assert sorted(kinds) == ["EBS", "EBS", "RDS"]


def test_a_role_that_may_not_be_passed_is_told_and_tried_again(
    alone: World, simulator: Simulator, operator: Person
) -> None:
    role = f"arn:aws:iam::{SOURCE}:role/codeocean-BackupRole-1ABC"
    simulator.backup.unpassable.add(role)
    refused = operator.run(TEXT)
    assert refused.code == 1
    assert "iam:PassRole" in refused.errors
    simulator.backup.unpassable.clear()
    assert operator.run(TEXT).done


def test_jobs_that_vanish_are_not_called_done(
    alone: World, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add("backup:DescribeBackupJob", "vanish", times=2)
    outcome = operator.run(TEXT)
    assert outcome.code == 1
    assert (
        outcome.errors.count(" ended LOST: the job cannot be found, so its result is unknown") == 2
    )
    assert "Paste the script again to retry it." in outcome.errors
    assert operator.run(TEXT).done
    assert len(simulator.calls("backup:StartBackupJob")) == 4


def test_volume_and_database_of_two_deployments_are_no_backup(
    alone: World, simulator: Simulator, operator: Person
) -> None:
    simulator.rds.instances[0].tags["codeocean:deployment"] = "other"
    outcome = operator.run(TEXT)
    assert outcome.code == 1
    assert "codeocean:deployment name codeocean and other" in outcome.errors
    assert writes(simulator) == []
