"""Whatever fails at any call, the scripts pasted again end as if nothing had failed.

A call site is an operation of a script, with the first and with the second parameters that it is
asked for with: those of another bucket, or recovery point. At each site in turn something goes
wrong, and the script is pasted again, until a paste meets nothing new. So each paste but the first
finds what a broken one has left. What a call asks for once more in the same words, as to follow a
job, is not struck again: test_kill.py does that, call by call, each in a world of its own.
"""

from __future__ import annotations

import io
import re
import sys
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from rich.console import Console

from codeocean_cmdgen.inputs.update import Fact, update
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.rehearsal import report
from codeocean_cmdgen.rehearsal.run import Rehearsal, Row, Staging
from codeocean_cmdgen.rehearsal.stage import ACCOUNTS, Stage
from codeocean_cmdgen.simulator.faults import Fault, Faults
from codeocean_cmdgen.simulator.world import REGION
from tests.support.people import READING, writes
from tests.support.tools import miss, require

if TYPE_CHECKING:
    from codeocean_cmdgen.procedures import Task
    from codeocean_cmdgen.rehearsal.shells import Shell
    from codeocean_cmdgen.runbook import Entry

# A killed shell leaves connections that end with their thread.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

BUCKETS = ("capsules", "datasets")
TIMES = 2
"""How often the same operation of a script is struck: for the first bucket, and for the second."""
MOST_PASTES = 100
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+|\d{8}T\d{6}|\b\d{10}\b")


class Way(NamedTuple):
    """How a call goes wrong.

    kind: the simulator's fault. times: how many attempts of the AWS CLI it strikes, of five.
    kills: whether the shell dies of it.
    """

    kind: str
    times: int
    kills: bool = False


WAYS = {
    "error": Way("internal-error", 5),
    "throttle": Way("throttle", 5),
    "cut-before": Way("disconnect", 5),
    "cut-after": Way("disconnect-after", 1),
    "expired": Way("expired-token", 1),
    "killed-before": Way("disconnect", 5, kills=True),
    "killed-after": Way("disconnect-after", 1, kills=True),
}


class Outage(Faults):
    """Strikes each call site of a script once, while it is on."""

    def __init__(self, way: Way, *, changes_only: bool) -> None:
        super().__init__()
        self.way, self.changes_only = way, changes_only
        self.struck: Counter[str] = Counter()
        self.on = False
        self.shell: Shell | None = None
        self._left: dict[tuple[str, str], int] = {}
        """Site of the script -> how many of its attempts are still struck."""

    def begin_script(self) -> None:
        self._left.clear()

    def begin_paste(self) -> None:
        self.on, self._left = True, dict.fromkeys(self._left, 0)

    def take(self, operation: str, parameters: dict[str, Any]) -> dict[str, Fault]:
        words = _TIME.sub("", repr(parameters))
        if not self.on or not self._strikes((operation, words)):
            return super().take(operation, parameters)
        if self.way.kills and self.shell:
            self.shell.kill()
        return {self.way.kind: Fault(operation, self.way.kind)}

    def _strikes(self, site: tuple[str, str]) -> bool:
        operation = site[0]
        if site not in self._left:
            harmless = operation.partition(":")[2].startswith(READING)
            known = sum(one == operation for one, _ in self._left)
            if known == TIMES or (self.changes_only and harmless):
                return False
            self._left[site] = self.way.times
            self.struck[operation] += 1
        self._left[site] -= 1
        return self._left[site] >= 0


class Disturbed(Rehearsal):
    """Pastes each script until nothing strikes it any more."""

    outage: Outage | None = None
    pastes = 0

    def prepare(self) -> None:
        self.stage.kinds = BUCKETS
        for word in ACCOUNTS:
            arns = tuple(f"arn:aws:s3:::codeocean-{word}-{kind}" for kind in BUCKETS)
            steps = {"target": ["s3-point-in-time"]}.get(word, ["s3-batch-replication"])
            facts = [Fact(f"{word}.{step}", "bucket_arn", arns, "two") for step in steps]
            update(self.file.path, facts)
        super().prepare()

    def shell(self, place: str, word: str, account: str) -> Shell:
        shell = super().shell(place, word, account)
        if self.outage:
            self.outage.shell = shell
        return shell

    def do(self, task: Task, entry: Entry) -> Row:
        if not self.outage or task.step is None:
            return super().do(task, entry)
        self.outage.begin_script()
        claimed = ""
        for _ in range(MOST_PASTES):
            before = self.outage.struck.total()
            self.outage.begin_paste()
            self.simulator.clear_requests()
            row = super().do(task, entry)
            self.outage.on = False
            self.pastes += 1
            assert not (claimed and writes(self.simulator)), f"{claimed} was not: {row.output}"
            claimed = claimed or (row.outcome if row.done else "")
            if self.outage.struck.total() == before:
                return row
        message = f"{entry.file} does not come to an end: {row.output}"
        raise AssertionError(message)


def inventory(stage: Stage) -> dict[str, Any]:
    """Return what there is at the end, without names and times that are random."""
    simulator = stage.simulator
    found: dict[str, Any] = {
        "batch": len(simulator.s3_batch.jobs),
        "copies": len(simulator.backup.jobs),
        "backups": len(simulator.backup_jobs.backups),
        "restores": len(simulator.backup_jobs.restores),
        "points": Counter(
            (one.vault_arn, one.resource_type) for one in simulator.backup.points.values()
        ),
        "stacks": sorted(
            (one.account, one.name, one.status, sorted(one.parameters.items()))
            for one in simulator.cloudformation.stacks
        ),
        "updates": [
            sum(event["ResourceStatusReason"] == "User Initiated" for event in stack.events)
            for stack in simulator.cloudformation.stacks
        ],
        "change sets": len(simulator.cloudformation.change_sets),
        "suspended": [sorted(group.suspended) for group in simulator.autoscaling.groups.values()],
    }
    for word, account in ACCOUNTS.items():
        clients = simulator.account(account)
        volumes = clients.client("ec2", REGION).describe_volumes()["Volumes"]
        databases = clients.client("rds", REGION).describe_db_instances()["DBInstances"]
        found[word] = {
            "volumes": sorted((one["VolumeType"], one["State"], one["Size"]) for one in volumes),
            "databases": sorted(one["DBInstanceIdentifier"] for one in databases),
            "versions": sorted(stage.state(word)["object versions"])
            if word != "target"
            else len(stage.state(word)["object versions"]),
        }
    return found


class Outcome(NamedTuple):
    """How a rehearsal ended."""

    well: bool
    shown: str
    left: dict[str, Any]
    pastes: int = 0
    struck: int = 0


def rehearse(procedure: str, way: Way | None, *, changes_only: bool = False) -> Outcome:
    require("/usr/bin/aws")
    output = io.StringIO()
    with Staging(procedure, Disturbed) as rehearsal:
        assert isinstance(rehearsal, Disturbed)
        if way:
            rehearsal.outage = Outage(way, changes_only=changes_only)
            rehearsal.simulator.faults = rehearsal.outage
        well = report.follow(rehearsal, Console(file=output, width=150))
        if rehearsal.stage.missing.database:
            miss(rehearsal.stage.missing.database)
        struck = rehearsal.outage.struck.total() if rehearsal.outage else 0
        left = inventory(rehearsal.stage)
        return Outcome(well, output.getvalue(), left, rehearsal.pastes, struck)


@cache
def undisturbed(procedure: str) -> dict[str, Any]:
    outcome = rehearse(procedure, None)
    assert outcome.well, outcome.shown
    return outcome.left


def survives(procedure: str, name: str, *, changes_only: bool) -> None:
    outcome = rehearse(procedure, WAYS[name], changes_only=changes_only)
    sys.stderr.write(
        f"{procedure}, {name}: {outcome.struck} faults, {outcome.pastes} pastes, "
        f"{'survived' if outcome.well else 'NOT survived'}\n"
    )
    assert outcome.struck
    assert outcome.well, outcome.shown
    assert outcome.left == undisturbed(procedure)


@pytest.mark.campaign
@pytest.mark.parametrize("procedure", PROCEDURES)
@pytest.mark.parametrize("way", WAYS)
def test_each_call_site_fails_once(procedure: str, way: str) -> None:
    survives(procedure, way, changes_only=False)


def test_a_sample_each_change_of_a_backup_is_made_and_the_shell_dies() -> None:
    survives("backup", "killed-after", changes_only=True)
