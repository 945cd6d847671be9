"""No script does anything in a place that it was not made for: account, Region, or host."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from codeocean_cmdgen.inputs.deployment_file import read_deployment_file
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.rehearsal.run import Rehearsal, Staging
from codeocean_cmdgen.rehearsal.stage import ACCOUNTS
from codeocean_cmdgen.runbook import make
from codeocean_cmdgen.simulator.templates import PRIMARY_URL
from codeocean_cmdgen.simulator.world import BACKUP, MANAGEMENT, REGION
from tests.support.cases import CASES
from tests.support.people import writes
from tests.support.tools import miss, require

if TYPE_CHECKING:
    from collections.abc import Iterator

ELSEWHERE = "eu-west-1"
WORDS = {account: word for word, account in ACCOUNTS.items()}


class Made(NamedTuple):
    """A script, and the place that it was made for."""

    step: str
    place: str
    account: str
    text: str


class Place(NamedTuple):
    """Where a script is pasted."""

    place: str
    account: str


@pytest.fixture(scope="module")
def rehearsal() -> Iterator[Rehearsal]:
    """Return a world in which source, backup and target are there."""
    require("/usr/bin/aws")
    with Staging("restore") as rehearsal:
        stage = rehearsal.stage
        stage.build_source()
        stage.build_backup()
        target = {"pDnsRootDomain": "new.example.com", "pRestoreSourceAccountId": BACKUP}
        stage.world.stack(ACCOUNTS["target"], "codeocean", PRIMARY_URL, **target)
        stage.furnish("target")
        if stage.missing.host:
            miss(stage.missing.host)
        points = stage.back_up()
        rehearsal.file.update_volume_ids(stage)
        rehearsal.file.put("backup", ebs_snapshot_arn=points["EBS"].arn)
        rehearsal.file.put("backup", rds_snapshot_arn=points["RDS"].arn)
        moments = {"at": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"}
        rehearsal.file.put("target.s3-point-in-time", **moments)
        yield rehearsal


def scripts(rehearsal: Rehearsal) -> list[Made]:
    """Return every script of every procedure, each once."""
    found: dict[str, Made] = {}
    for name, procedure in PROCEDURES.items():
        entries = make(name, read_deployment_file(rehearsal.file.path)).entries
        for task, entry in zip(procedure.tasks, entries):
            if task.step:
                account = entry.place.account_id
                made = Made(task.step.name, task.step.place, account, entry.script)
                found.setdefault(entry.script, made)
    return list(found.values())


PLACES = [
    *(Place("cloudshell", account) for account in (*ACCOUNTS.values(), MANAGEMENT)),
    *(Place("host", ACCOUNTS[word]) for word in ("source", "target")),
]


def refused(rehearsal: Rehearsal, made: Made, place: Place) -> bool:
    """Paste a script there; tell whether it refused, and asked for nothing that changes things."""
    rehearsal.simulator.clear_requests()
    ended = rehearsal.shell(place.place, WORDS.get(place.account, ""), place.account).run(made.text)
    assert not ended.done, (made.step, place, ended)
    assert writes(rehearsal.simulator) == [], (made.step, place, ended)
    return ended.code == 3


def wrong(made: Made) -> list[Place]:
    return [place for place in PLACES if place != (made.place, made.account)]


def test_a_sample_of_wrong_places(rehearsal: Rehearsal) -> None:
    """Each step in one of them, all of them in turn."""
    seen = {made.step: made for made in scripts(rehearsal)}
    for number, made in enumerate(seen.values()):
        places = [place for place in wrong(made) if place.account != made.account]
        assert refused(rehearsal, made, places[number % len(places)]), made.step


@pytest.mark.campaign
def test_every_script_in_every_wrong_place(rehearsal: Rehearsal) -> None:
    for made in scripts(rehearsal):
        for place in wrong(made):
            right = refused(rehearsal, made, place)
            assert right or place.account == made.account, (made.step, place)


@pytest.mark.campaign
def test_every_script_of_another_region_in_its_right_place(rehearsal: Rehearsal) -> None:
    file = rehearsal.file.path
    text = file.read_text()
    try:
        file.write_text(text.replace(REGION, ELSEWHERE))
        for made in scripts(rehearsal):
            if CASES[made.step].finds_region:
                refused(rehearsal, made, Place(made.place, made.account))
    finally:
        file.write_text(text)
