"""rehearse: the procedures work from one end to the other, and what is lost or shown is noticed."""

from __future__ import annotations

import copy
import io
import json
import os
import re
import subprocess
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.rehearsal import report
from codeocean_cmdgen.rehearsal.mishaps import MISHAPS
from codeocean_cmdgen.rehearsal.person import Person
from codeocean_cmdgen.rehearsal.plots import Plot
from codeocean_cmdgen.rehearsal.proof import compare
from codeocean_cmdgen.rehearsal.run import Rehearsal, Staging
from codeocean_cmdgen.rehearsal.shells import Shell
from codeocean_cmdgen.rehearsal.stage import PARAMETERS, PASSWORDS, Stage, without_work
from codeocean_cmdgen.runbook import Entry, Place
from tests.support.tools import miss, require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CANARIES = [text.encode() for text in (*PASSWORDS.values(), "canary-7")]
SAMPLE = ("paste-damaged", "wrong-account", "token-expired", "wrong-word", "still-writing")
CONTROL = f"{PASSWORDS['source']}, shown on purpose"
SECRET_PLACES = (
    b"/data/.codeocean-secrets/",  # what secrets-save is for
    b"/etc/codeocean/stack.json",  # the vendor's
)


class Watcher:
    """Looks at the command line and the environment of every process, again and again."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Watcher:  # noqa: PYI034 - Self is younger than Python 3.10
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            for process in Path("/proc").glob("[0-9]*"):
                for file in ("cmdline", "environ"):
                    try:
                        text = (process / file).read_bytes()
                    except OSError:
                        continue
                    self.seen.update(found for found in (text,) if shows(found))


def shows(text: bytes) -> bool:
    return any(canary in text for canary in CANARIES)


class Rehearsed:
    """A rehearsal that has ended, its world still there, and what was seen of it."""

    def __init__(self, rehearsal: Rehearsal, shown: str, processes: set[bytes]) -> None:
        self.rehearsal, self.shown, self.processes = rehearsal, shown, processes
        self.wanted = without_work(rehearsal.plot.wanted)

    def differing(self) -> dict[str, int]:
        """Compare the target with the source as it was; return what differs."""
        found = without_work(self.rehearsal.stage.state("target"))
        return {
            one.kind: len(one.differences) for one in compare(self.wanted, found) if one.differences
        }


@contextmanager
def restored() -> Iterator[Rehearsed]:
    require("/usr/bin/aws")
    output = io.StringIO()
    with Staging("restore") as rehearsal:
        rehearsal.mishaps = tuple(MISHAPS[name] for name in SAMPLE)
        with Watcher() as watcher:
            subprocess.run(["/bin/bash", "-c", f"sleep 1; : {CONTROL}"], check=True)
            well = report.follow(rehearsal, Console(file=output, width=120))
        missing = rehearsal.stage.missing
        if missing.host or missing.database:
            miss(missing.host or missing.database)
        shown = output.getvalue()
        assert well, shown
        yield Rehearsed(rehearsal, shown, watcher.seen)


def comes_back(restored: Rehearsed) -> None:
    receipt = report.receipt(restored.rehearsal)
    assert json.loads(json.dumps(receipt)) == receipt
    assert {kind: one["differences"] for kind, one in receipt["compared"].items()} == {
        "object versions": [],
        "files": [],
        "rows": [],
        "secrets": [],
    }
    assert min(one["count"] for one in receipt["compared"].values()) == len(PARAMETERS)
    assert 4 * 3600 < receipt["recovery_point_seconds"] < 5 * 3600
    assert 0 < receipt["recovery_time_seconds"] < 2 * 3600
    assert all(row["done"] for row in receipt["steps"])
    assert [row.mishap for row in restored.rehearsal.rows].count(True) == len(SAMPLE)
    assert "restore: rehearsed" in restored.shown
    assert restored.differing() == {}


def what_is_beside_the_database_is_named(restored: Rehearsed) -> None:
    """And what its comments say is not done."""
    outputs = [row.output for row in restored.rehearsal.rows if row.number == "14"]
    shown = re.sub(r"\s+", " ", " ".join(outputs))
    assert "not copied: database reports. " in shown
    assert "SELECT cron.schedule_in_database('it''s nightly', '0 3 * * *', " in shown
    assert not restored.rehearsal.stage.hosts["target"].path("/tmp/commented").exists()


def add_a_file(stage: Stage) -> Callable[[], None]:
    file = stage.hosts["target"].path("/data/one more")
    file.touch()
    return file.unlink


def change_a_file(stage: Stage) -> Callable[[], None]:
    file = stage.hosts["target"].path("/data/couchdb/shard")
    content, status = file.read_bytes(), file.stat()
    file.write_bytes(content[:-1] + b"\0")

    def undo() -> None:
        file.write_bytes(content)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))

    return undo


def change_a_row(stage: Any) -> Callable[[], None]:
    database = stage.database("target")
    database.sql("UPDATE computations SET cost = cost + '0.01' WHERE id = 1000")
    return lambda: database.sql("UPDATE computations SET cost = cost - '0.01' WHERE id = 1000")


def overwrite_an_object(stage: Any) -> Callable[[], None]:
    client = stage.simulator.account("333333333333").client("s3")
    where = {"Bucket": "codeocean-target-results", "Key": "data/0"}
    put = client.put_object(**where, Body=b"one more")
    return lambda: client.delete_object(**where, VersionId=put["VersionId"])


def change_a_secret(stage: Any) -> Callable[[], None]:
    client = stage.simulator.account("333333333333").client("ssm")
    name = "/codeocean/smtp/password"
    kind, value = PARAMETERS["smtp/password"]
    client.put_parameter(Name=name, Type=kind, Value=value.strip(), Overwrite=True)
    return lambda: client.put_parameter(Name=name, Type=kind, Value=value, Overwrite=True)


DAMAGES = {
    add_a_file: {"files": 1},
    change_a_file: {"files": 1},
    change_a_row: {"rows": 2},  # one is missing, one is too many
    overwrite_an_object: {"object versions": 1},
    change_a_secret: {"secrets": 1},
}


def the_smallest_damage_is_noticed(restored: Rehearsed) -> None:
    for damage, differing in DAMAGES.items():
        undo = damage(restored.rehearsal.stage)
        assert restored.differing() == differing
        undo()
    assert restored.differing() == {}


def a_difference_is_no_success(restored: Rehearsed) -> None:
    rehearsal = copy.copy(restored.rehearsal)
    rehearsal.plot = copy.copy(rehearsal.plot)
    rehearsal.plot.comparisons = compare({"rows": Counter({"row of a: 1": 1})}, {"rows": {}})
    rehearsal.prepare = Plot.end.__get__(rehearsal.plot)  # type: ignore[method-assign]
    rehearsal.follow = lambda: iter(rehearsal.rows)  # type: ignore[method-assign]
    output = io.StringIO()
    assert not report.follow(rehearsal, Console(file=output, width=120))
    shown = output.getvalue()
    assert "missing: row of a: 1" in shown
    assert "restore: NOT rehearsed" in shown


def no_secret_is_shown_or_left_behind(restored: Rehearsed) -> None:
    assert [one for one in restored.processes if CONTROL.encode() not in one] == []
    assert restored.processes != set()
    outputs = [row.output for row in restored.rehearsal.rows] + [restored.shown]
    assert not any(shows(output.encode()) for output in outputs)
    left = [str(file) for home in restored.rehearsal.homes for file in files_that_show(home)]
    host = restored.rehearsal.stage.hosts["target"]
    places = ["/data", "/dev/shm", "/etc", "/home", "/root", "/run", "/tmp", "/var"]
    search = ["grep", "--recursive", "--files-with-matches", "--text", "--fixed-strings"]
    patterns = [f"--regexp={canary.decode()}" for canary in CANARIES]
    with host.popen([*search, *patterns, *places], stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL) as found:  # fmt: skip
        left += found.communicate()[0].splitlines()
    assert left, "secrets-save has saved them"
    assert [one for one in left if not one.encode().startswith(SECRET_PLACES)] == []


def test_a_lost_deployment_comes_back() -> None:
    """One test, for one rehearsal: each worker that had some of it would make its own."""
    with restored() as rehearsed:
        comes_back(rehearsed)
        what_is_beside_the_database_is_named(rehearsed)
        no_secret_is_shown_or_left_behind(rehearsed)
        the_smallest_damage_is_noticed(rehearsed)
        a_difference_is_no_success(rehearsed)


ENTRY = Entry(
    number="8",
    title="Copy",
    place=Place("cloudshell", "backup", "222222222222", "us-east-1"),
    facts=(),
    by_hand=("Look.",),
    file="05-copy.sh",
)


def test_a_person_pastes_into_a_shell_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(script: str) -> list[str]:
        return ["bash", "-c", script or 'echo "$0 $WORD ${HOME-none}"', "opened"]

    answers = iter(["d", "r", "", "d", "no"])
    monkeypatch.setattr("builtins.input", lambda: next(answers))
    output = io.StringIO()
    person = Person(Console(file=output, width=200), tmp_path)
    shell = Shell(command, {"WORD": "it's here", "PATH": os.environ["PATH"]})
    ended = [person.pastes(ENTRY, shell, "the script") for _ in range(3)]
    assert [one and one.done for one in ended] == [True, None, False]
    door = tmp_path / "cloudshell-backup-222222222222"
    assert str(door) in output.getvalue()
    opened = subprocess.run([door], capture_output=True, text=True, check=True)
    assert opened.stdout == "opened it's here none\n"
    assert (tmp_path / "05-copy.sh").read_text() == "the script"
    assert [person.does(ENTRY) for _ in range(2)] == [True, False]


@pytest.mark.campaign
@pytest.mark.parametrize("procedure", PROCEDURES)
def test_every_mishap_of_a_procedure_is_met(procedure: str) -> None:
    output = io.StringIO()
    with Staging(procedure) as rehearsal:
        mishaps = tuple(one for one in MISHAPS.values() if one.fits(procedure))
        rehearsal.mishaps = mishaps
        assert report.follow(rehearsal, Console(file=output, width=120)), output.getvalue()
        assert [row.mishap for row in rehearsal.rows].count(True) == len(mishaps)


def files_that_show(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and shows(file.read_bytes())]
