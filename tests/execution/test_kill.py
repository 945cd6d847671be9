"""Rule 4 of the contract: killed at any AWS call and pasted again, nothing is done twice.

An `aws` in front of the real one kills the whole session, the script and all it started, at one
call: before the call, or after it was carried out but before its answer is read.
"""

from __future__ import annotations

import signal
from itertools import count
from typing import TYPE_CHECKING, Callable, NamedTuple

import pytest
from botocore import xform_name

from codeocean_cmdgen.simulator import Simulator, example_world
from tests.support.calls import calls
from tests.support.cases import CASES, Case
from tests.support.people import PeopleOf, PersonOf, script, writes

if TYPE_CHECKING:
    from pathlib import Path

KILLER = """#!/bin/bash
PATH=${PATH#*:}
[[ "$1 $2" == "${KILL_AT}" ]] || exec aws "$@"
number=1
until mkdir "${SEEN}-${number}" 2>/dev/null; do
  ((number += 1))
done
((number == OCCURRENCE)) || exec aws "$@"
[[ ${WHEN} == before ]] || aws "$@" >/dev/null 2>&1
kill -9 0
"""

WORK: dict[str, Callable[[Simulator], int]] = {
    "autoscaling suspend-processes": lambda aws: sum(
        bool(group.suspended) for group in aws.autoscaling.groups.values()
    ),
    "backup start-backup-job": lambda aws: len(aws.backup_jobs.backups),
    "backup start-copy-job": lambda aws: len(aws.backup.jobs),
    "backup start-restore-job": lambda aws: len(aws.backup_jobs.restores),
    "backup update-global-settings": lambda aws: int(aws.organization.cross_account_backup),
    "cloudformation create-stack": lambda aws: len(aws.cloudformation.stacks),
    "cloudformation execute-change-set": lambda aws: sum(
        event["ResourceStatusReason"] == "User Initiated"
        for stack in aws.cloudformation.stacks
        for event in stack.events
    ),
    "s3control create-job": lambda aws: len(aws.s3_batch.jobs),
}
"""Call that starts work -> how much such work there is."""


class Point(NamedTuple):
    """Where a script is killed: before or after a call that it makes for the nth time."""

    step: str
    call: str
    when: str
    occurrence: int = 1

    def __str__(self) -> str:
        return f"{self.step}-{self.call.replace(' ', ':')}-{self.occurrence}-{self.when}"


STARTING = {name: row.start for name, row in CASES.items() if row.start}
LAST = [
    Point(name, start.call, when, start.times)
    for name, start in STARTING.items()
    for when in ("before", "after")
]
FIRST = [Point(name, start.call, "after") for name, start in STARTING.items() if start.times > 1]
"""Between two jobs: one was started, and its script does not know it."""
SAMPLED_FIRST = {"snapshot-copy", "s3-batch-replication"}


def text(case: Case) -> str:
    return script(case.name, **case.values)


def build(simulator: Simulator, person: PersonOf, case: Case) -> str:
    """Make the world that a step works in; return what the steps before it said."""
    example_world(simulator, objects_per_bucket=1)
    before = [CASES[step.name] for step in case.after]
    said = "".join(person(one.account).run(text(one)).output for one in before)
    simulator.clear_requests()
    return said


def started(simulator: Simulator) -> list[str]:
    """Return the calls that started work, in the words of the AWS CLI."""
    words = (f"{one.service} {xform_name(one.operation, '-')}" for one in simulator.requests)
    return [one for one in words if one in WORK]


def survives(simulator: Simulator, person: PersonOf, folder: Path, point: Point) -> bool:
    """Kill a script and paste it again, twice; return whether the point was reached."""
    case = CASES[point.step]
    start = STARTING[point.step]
    confirm = case.answer(build(simulator, person, case))
    there = WORK[start.call](simulator)
    operator = person(case.account)
    folder.mkdir()
    (folder / "aws").write_text(KILLER)
    (folder / "aws").chmod(0o700)
    killed = operator.start(
        text(case),
        PATH=f"{folder}:{operator.environment['PATH']}",
        CONFIRM=confirm,
        SEEN=str(folder / "seen"),
        KILL_AT=point.call,
        OCCURRENCE=str(point.occurrence),
        WHEN=point.when,
    )
    output, _ = killed.communicate(timeout=120)
    assert killed.returncode in (-signal.SIGKILL, 0)
    assert ("done:" in output) == (killed.returncode == 0)
    assert operator.run(text(case), CONFIRM=confirm).done
    assert WORK[start.call](simulator) - there == start.times
    calls_made = started(simulator)
    simulator.clear_requests()
    assert operator.run(text(case), CONFIRM=confirm).done
    assert writes(simulator) == []
    assert WORK[start.call](simulator) - there == start.times
    assert calls_made[-1] == start.call, "the row in tests/support/cases.py names another last call"
    return killed.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    "point", [*LAST, *(one for one in FIRST if one.step in SAMPLED_FIRST)], ids=str
)
def test_killed_where_work_starts_and_pasted_again(
    simulator: Simulator, person: PersonOf, tmp_path: Path, point: Point
) -> None:
    assert survives(simulator, person, tmp_path / "killer", point)


EVERY_CALL = [
    Point(name, call, when)
    for name in STARTING
    for call in dict.fromkeys(f"{one.service} {one.operation}" for one in calls(text(CASES[name])))
    for when in ("before", "after")
]


@pytest.mark.campaign
@pytest.mark.parametrize("point", EVERY_CALL, ids=str)
def test_killed_at_each_time_that_it_makes_a_call(
    people: PeopleOf, tmp_path: Path, point: Point
) -> None:
    """A call that is not made with these values is not reached."""
    for occurrence in count(1):
        with Simulator() as simulator:
            here = point._replace(occurrence=occurrence)
            folder = tmp_path / str(occurrence)
            folder.mkdir()
            if not survives(simulator, people(simulator, folder), folder / "killer", here):
                break


def test_each_call_that_starts_work_is_a_kill_point() -> None:
    assert {start.call for start in STARTING.values()} == set(WORK)
    assert {point[:3] for point in (*LAST, *FIRST)} <= {point[:3] for point in EVERY_CALL}
