"""Whole procedures: what the runbook holds, what may be pasted at once, and its folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from codeocean_cmdgen import folder, sources
from codeocean_cmdgen.deployment import example
from codeocean_cmdgen.errors import InputError
from codeocean_cmdgen.procedures import RUNBOOKS
from codeocean_cmdgen.render import render_page, render_runbook
from codeocean_cmdgen.runbook import Runbook, make
from tools import guide

VALUES = Path(sources.__file__).with_name("examples") / "values.toml"
GOLDEN = Path(__file__).parent.parent / "golden"
MADE = {procedure: make(procedure, VALUES) for procedure in RUNBOOKS}

EVERY = pytest.mark.parametrize("procedure", RUNBOOKS)


def without(tmp_path: Path, *words: str) -> Path:
    """Return the example values, without the lines that begin with one of the words."""
    lines = VALUES.read_text().splitlines(keepends=True)
    file = tmp_path / "facts.toml"
    file.write_text("".join(line for line in lines if not line.startswith(words)))
    return file


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "codeocean_cmdgen", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


# What it holds.


@EVERY
def test_the_reviewed_runbook_is_what_is_made_now(procedure: str) -> None:
    text = render_runbook(MADE[procedure])
    assert text == (GOLDEN / f"runbook-{procedure}.md").read_text()
    assert all(entry.script in text for entry in MADE[procedure].entries)


def test_the_restore_has_the_twenty_steps_of_the_guide_in_order() -> None:
    numbers = [entry.number for entry in MADE["restore"].entries]
    assert [int(number) for number in numbers if number.isdigit()] == list(range(1, 21))


@EVERY
def test_each_entry_says_how_long_it_takes_when_it_is_done_and_when_to_stop(procedure: str) -> None:
    for entry in MADE[procedure].entries:
        labels = {label for label, _ in entry.facts}
        assert {"takes", "done when", "stop when"} <= labels, entry.number


class Texts(HTMLParser):
    """Collects the texts of elements that have an id, and what the page refers to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self.links: list[str] = []
        self.open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        self.open = (named.get("id") or "") if tag == "pre" else ""

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open] = self.texts.get(self.open, "") + data

    def handle_endtag(self, _: str) -> None:
        self.open = ""


@EVERY
def test_the_page_holds_each_script_as_it_is_and_refers_to_itself_alone(procedure: str) -> None:
    entries = MADE[procedure].entries
    page = Texts(render_page(MADE[procedure]))
    wanted = {f"script-{one.anchor}": one.script for one in entries if one.script}
    commands = enumerate(MADE[procedure].transport, start=1)
    wanted |= {f"transport-{number}": one.code for number, one in commands}
    wanted |= {f"paste-{one.anchor}": one.paste.text for one in entries if one.paste}
    assert page.texts == wanted
    assert {one.anchor for one in entries} == {link[1:] for link in page.links}


# What may be pasted at once.


@EVERY
def test_nothing_follows_a_confirmation_in_one_paste(procedure: str) -> None:
    entries = {entry.number: entry for entry in MADE[procedure].entries}
    for paste in filter(None, (entry.paste for entry in entries.values())):
        joined = [entries[number] for number in paste.numbers]
        unfollowed, scripts = paste.text.split(" &&\n", 1)
        assert scripts == " &&\n".join(one.script[:-1] for one in joined) + "\n"
        assert unfollowed.startswith('[ "${WATCH-}" != 0 ] || ')
        assert not any(one.confirm for one in joined[:-1])
        assert len({one.place for one in joined}) == 1
        assert {one.pasted_with for one in joined[1:]} == {joined[0].number}
        assert len(paste.text) <= 65_412
        assert joined[0].place.kind != "host" or paste.text.count("\n") <= 650


def test_scripts_in_the_same_place_are_offered_together() -> None:
    pastes = [entry.paste.numbers for entry in MADE["restore"].entries if entry.paste]
    assert pastes == [
        ("1", "2a"),
        ("4", "6", "8"),
        ("10", "11", "15"),
        ("14", "19"),
        ("17", "18"),
        ("19a", "19b"),
    ]


def test_what_would_return_early_is_not_pasted_with_others(tmp_path: Path) -> None:
    (paste,) = (one.paste for one in MADE["restore"].entries if one.paste and one.number == "10")
    refused = subprocess.run(
        ["sh", "-c", paste.text],
        env={"WATCH": "0", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("stopped: each script must be followed")


def test_what_joins_a_script_that_is_not_made_stays_in_its_place(tmp_path: Path) -> None:
    entries = make("restore", without(tmp_path, "to_host")).entries
    pastes = [entry.paste.numbers for entry in entries if entry.paste]
    assert ("17", "18") in pastes
    assert not any("19" in numbers for numbers in pastes)


# What is not known yet.

BEGINNING = """
[backup]
account_id = "222222222222"
region = "us-east-1"
stack_name = "codeocean-backup"
[target]
account_id = "333333333333"
region = "us-east-1"
stack_name = "codeocean"
"""


def test_what_is_not_known_is_no_error_but_a_command_that_makes_the_script(tmp_path: Path) -> None:
    runbook = make("restore", without(tmp_path, "command"))
    (entry,) = runbook.incomplete
    assert (entry.number, entry.missing) == ("18", ("--command",))
    text = render_runbook(runbook)
    assert entry.command in text
    assert "**1 of its scripts is not made yet" in text
    (command,) = example()["target.datasets-not-cached"]["command"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(
        ["bash", "-c", entry.command.replace("COMMAND", shlex.quote(command))],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        check=True,
    )
    (known,) = (one for one in MADE["restore"].entries if one.number == "18")
    made = (tmp_path / entry.file).read_text()
    origins = "[0-9a-f]{64}|from (values file|option).*"
    assert re.sub(origins, "", made) == re.sub(origins, "", known.script)


def test_a_command_searches_for_what_can_be_found(tmp_path: Path) -> None:
    file = tmp_path / "facts.toml"
    file.write_text(BEGINNING)
    commands = {entry.number: entry.command for entry in make("restore", file).entries}
    at = "--values facts.toml"
    assert commands["1"].startswith(f"codeocean-cmdgen stack-create \\\n  {at}")
    assert "--template-url URL" in commands["1"]
    assert commands["2a"] == ""
    assert commands["4"].splitlines()[0] == f"codeocean-cmdgen discover target {at}"
    assert commands["6"].splitlines()[0] == f"codeocean-cmdgen discover backup {at}"
    assert commands["8"].splitlines()[:3] == [
        f"codeocean-cmdgen discover backup {at}",
        f"codeocean-cmdgen discover recovery-points {at}",
        f"codeocean-cmdgen discover target {at}",
    ]
    assert commands["15"].splitlines()[:3] == [
        f"codeocean-cmdgen discover target {at}",
        f"codeocean-cmdgen discover recovery-points {at}",
        f"codeocean-cmdgen discover backup {at}",
    ]
    assert "--command COMMAND" in commands["18"]


def test_recovery_points_that_are_not_chosen_are_still_to_be_chosen(tmp_path: Path) -> None:
    def selected(runbook: Runbook) -> tuple[str, int]:
        (entry,) = (one for one in runbook.entries if one.number == "7")
        return entry.seen_to, len(entry.shown)

    assert selected(MADE["restore"]) == ("Chosen already: the recovery points are below.", 2)
    assert selected(make("restore", without(tmp_path, "rds_snapshot_arn"))) == ("", 1)


def test_what_is_missing_is_said_on_the_terminal_too(tmp_path: Path) -> None:
    values = without(tmp_path, "until")
    done = program("runbook", "restore", f"--values={values}", "--format=html")
    assert done.returncode == 0
    assert done.stderr == "note: 11-s3-point-in-time.sh is not made: --until not known yet\n"
    assert "1 script is not made yet" in done.stdout


def test_all_that_is_wrong_is_told_by_step(tmp_path: Path) -> None:
    values = tmp_path / "values.toml"
    values.write_text(VALUES.read_text().replace('data_volume_id = "vol', 'data_volume_id = "vul'))
    with pytest.raises(InputError) as error:
        make("restore", values)
    (problem,) = error.value.problems
    assert problem.message.startswith("10 volume-restore, 13 volume-copy-in, 19 volume-release, ")


# The folder.


def test_the_folder_is_checked_byte_by_byte(tmp_path: Path) -> None:
    there = tmp_path / "restore"

    def render(*more: str) -> subprocess.CompletedProcess[str]:
        return program("render", "restore", f"--values={VALUES}", f"--directory={there}", *more)

    there.mkdir()
    (there / "99-service-stop.sh").write_text("of an older order\n")
    (there / "99-mine.sh").write_text("a person's\n")
    assert render().returncode == 0
    written = {file.name for file in there.iterdir()}
    assert written == {"99-mine.sh", *folder.files(MADE["restore"])}
    assert {"runbook.md", "runbook.html"} <= written
    assert render("--check").returncode == 0
    script = next(there.glob("*-service-stop.sh"))
    assert script.stat().st_mode & 0o777 == 0o700
    script.write_text(script.read_text() + "\n")
    done = render("--check")
    assert done.returncode == 1
    assert done.stdout.startswith(f"--- {script.name}, there\n+++ {script.name}, now\n")
    assert done.stderr == f"error: {script.name} is not what would be written now\n"


# The guide.


def steps_of_guide(runbook: Runbook) -> set[str]:
    """Return the anchors of what has a number of the guide, not a letter."""
    return {one.anchor for one in runbook.entries if one.number.replace(".", "").isdigit()}


def test_each_answer_to_the_guide_is_an_entry_and_each_of_its_numbers_is_answered() -> None:
    answers = "".join(row.answers for row in guide.rows())
    found: dict[str, set[str]] = {procedure: set() for procedure in RUNBOOKS}
    for procedure, anchor in re.findall(r"\(\.\./golden/runbook-(\w+)\.md#([\w-]+)\)", answers):
        found[procedure].add(anchor)
    assert len(re.findall(r"\]\(", answers)) == len(re.findall(r"#step-", answers))
    for procedure, anchors in found.items():
        assert anchors <= {one.anchor for one in MADE[procedure].entries}
        assert anchors >= steps_of_guide(MADE[procedure])


def test_no_line_of_the_guide_is_left_out() -> None:
    """The guide is not ours: it lies beside the project, where it is at all."""
    text = guide.COVERAGE.parents[2] / "shared" / "procedure" / "backup-and-restore.txt"
    if not text.exists():
        pytest.skip("the vendor's guide is not on this machine")
    lines = text.read_text(encoding="utf-8").splitlines()
    digests = [sha256(line.encode()).hexdigest()[:8] for line in lines]
    rows = list(guide.rows())
    nothing = set(re.findall("`([0-9a-f]{8})`", guide.COVERAGE.read_text().rpartition("|")[2]))
    assert [row.digest for row in rows] == [one for one in digests if one not in nothing]
    assert nothing <= set(digests)


def test_a_runbook_takes_far_less_typing_than_the_guide() -> None:
    for procedure in RUNBOOKS:
        ours = guide.of_runbook(procedure)
        assert ours.types <= 2
        assert ours.types + ours.prepared < guide.of_guide(procedure).types / 4


def test_the_example_answers_everything() -> None:
    assert all(not runbook.incomplete for runbook in MADE.values())
    assert example()["target.s3-point-in-time"]["until"]
