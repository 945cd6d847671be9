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
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from codeocean_cmdgen import folder
from codeocean_cmdgen.errors import InputError
from codeocean_cmdgen.inputs.deployment_file import read_deployment_file
from codeocean_cmdgen.inputs.example import EXAMPLE, empty_file, example_values
from codeocean_cmdgen.inputs.resolve import resolve
from codeocean_cmdgen.marks import is_ours
from codeocean_cmdgen.procedures import PROCEDURES, Task
from codeocean_cmdgen.procedures.model import Prose
from codeocean_cmdgen.rendering.documents import render_page, render_runbook
from codeocean_cmdgen.rendering.paste import pasted
from codeocean_cmdgen.rendering.seal import is_as_rendered
from codeocean_cmdgen.runbook import Place, Runbook, make
from codeocean_cmdgen.runbook.pastes import find_pastes
from codeocean_cmdgen.runbook.scripts import Made
from codeocean_cmdgen.steps import InstanceHold
from tests.support.cli import Outcome, run
from tests.support.project import GOLDEN
from tools import guide

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.runbook.model import Paste

VALUES = EXAMPLE
MADE = {procedure: make(procedure, read_deployment_file(VALUES)) for procedure in PROCEDURES}

EVERY = pytest.mark.parametrize("procedure", PROCEDURES)


def without(tmp_path: Path, *words: str) -> Path:
    """Return the example values, without the lines that begin with one of the words."""
    lines = VALUES.read_text().splitlines(keepends=True)
    file = tmp_path / "deployment.toml"
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
    assert all(part in text for entry in MADE[procedure].entries for part in entry.parts)


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
    wanted = {
        f"script-{one.anchor}{f'-{number}' * (number > 1)}": part
        for one in entries
        for number, part in enumerate(one.parts, 1)
        if part
    }
    for name in ("files", "transport"):
        commands = enumerate(getattr(MADE[procedure], name), start=1)
        wanted |= {f"{name}-{number}": one.code for number, one in commands}
    wanted |= {
        f"paste-{one.anchor}": one.pasting.joined.text for one in entries if one.pasting.joined
    }
    wanted |= {f"shared-{one.anchor}": one.pasting.shared for one in entries if one.pasting.shared}
    assert page.texts == wanted
    assert {one.anchor for one in entries} == {link[1:] for link in page.links}


# The scripts as files.

STRANGER = """#!/bin/sh
# An AWS CLI without credentials.
if [ "$1" = --version ]; then
  echo 'aws-cli/2.15.0 Python/3.11.6 Linux/6.1 exe/x86_64.amzn.2023'
else
  echo 'Unable to locate credentials' >&2
  exit 253
fi
"""


@EVERY
def test_the_scripts_run_as_files_as_the_runbook_says(procedure: str, tmp_path: Path) -> None:
    """Typed literally: packed where the program is, unpacked and run where it is not."""
    here, there, programs = (tmp_path / name for name in ("here", "there", "programs"))
    for folder_ in (here, there, programs):
        folder_.mkdir()
    (here / VALUES.name).write_text(VALUES.read_text())
    (programs / "aws").write_text(STRANGER)
    (programs / "aws").chmod(0o700)
    pack, unpack = (commands.code for commands in MADE[procedure].files)
    venv = Path(sys.executable).parent
    packed = typed(pack, here, f"{venv}:{os.environ['PATH']}")
    assert (packed.returncode, packed.stdout, packed.stderr) == (0, "", "")
    (here / f"{procedure}.tar.gz").rename(there / f"{procedure}.tar.gz")
    ran = typed(unpack, there, f"{programs}:{os.environ['PATH']}")
    written = [one for one in folder.files(MADE[procedure]) if one != "SHA256SUMS"]
    assert ran.stdout.splitlines() == [f"{name}: OK" for name in sorted(written)]
    assert (ran.returncode, ran.stderr.count("stopped: ")) == (3, 1)
    first = next(one for one in MADE[procedure].entries if one.file)
    assert unpack.endswith(f"\nPLAN=1 bash {first.file}"), (
        "whoever pastes all of it changes nothing"
    )


def typed(commands: str, directory: Path, path: str) -> subprocess.CompletedProcess[str]:
    """Return how a shell ended that read these commands."""
    environment = {"PATH": path, "HOME": str(directory), "LANG": "C.UTF-8"}
    return subprocess.run(
        ["bash"],
        input=commands,
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


# What may be pasted at once.


def joined_in(runbook: Runbook) -> list[Paste]:
    return [one.pasting.joined for one in runbook.entries if one.pasting.joined]


@EVERY
def test_nothing_follows_a_confirmation_in_one_paste(procedure: str) -> None:
    entries = {entry.number: entry for entry in MADE[procedure].entries}
    for paste in filter(None, (entry.pasting.joined for entry in entries.values())):
        joined = [entries[number] for number in paste.numbers]
        assert paste.text == " &&\n".join(part[:-1] for one in joined for part in one.parts) + "\n"
        assert not any("confirmation" in dict(one.facts) for one in joined[:-1])
        assert len({one.place for one in joined}) == 1
        assert {one.pasting.joined_to for one in joined[1:]} == {joined[0].number}
        assert len(paste.text) <= 60_000
        assert joined[0].place.kind != "host" or paste.text.count("\n") <= 600


def test_scripts_in_the_same_place_are_offered_together() -> None:
    pastes = [one.numbers for one in joined_in(MADE["restore"])]
    assert pastes == [
        ("1", "2a"),
        ("19a", "19b"),
    ]


def test_the_shared_part_is_pasted_before_the_first_script_on_each_services_instance() -> None:
    on_hosts = [one for one in MADE["migration"].entries if one.place.kind == "host" and one.file]
    firsts = [one for one in on_hosts if one.pasting.shared]
    assert [one.place.deployment for one in firsts] == ["target", "source"]
    for one in on_hosts:
        (first,) = (other for other in firsts if other.place == one.place)
        assert one.pasting.shared_at == ("" if one is first else first.number)
        assert on_hosts.index(first) <= on_hosts.index(one)


@pytest.fixture
def no_pastes_kept() -> Iterator[None]:
    """Keep no paste that was made within other limits."""
    pasted.cache_clear()
    yield
    pasted.cache_clear()


@EVERY
@pytest.mark.usefixtures("no_pastes_kept")
@pytest.mark.parametrize("limit", range(30_000, 110_000, 5_000))
def test_a_paste_is_never_larger_than_its_limit_and_keeps_the_order(
    procedure: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scripts that do not fit are split into several pastes, whatever the limit is.

    Below the largest script of a procedure, there is no runbook.
    """
    limit = max(limit, *(len(entry.script) for entry in MADE[procedure].entries))
    monkeypatch.setattr("codeocean_cmdgen.rendering.paste.MAX_BYTES", limit)
    monkeypatch.setattr("codeocean_cmdgen.rendering.paste.MAX_LINES", limit // 50)
    entries = make(procedure, read_deployment_file(VALUES)).entries
    order = {entry.number: place for place, entry in enumerate(entries)}
    for entry in entries:
        if paste := entry.pasting.joined:
            assert len(paste.text) <= limit
            assert entry.place.kind != "host" or paste.text.count("\n") <= limit // 50
            assert paste.numbers[0] == entry.number
            assert order[entry.number] == min(order[number] for number in paste.numbers)
        if entry.pasting.joined_to:
            assert order[entry.pasting.joined_to] < order[entry.number]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [((1_000, 1_000, 1_000), ("1", "3", "2")), ((30_000, 1_000, 35_000), ("1", "2"))],
)
def test_a_task_that_does_not_fit_behind_the_one_it_joins_stays_in_its_place(
    sizes: tuple[int, ...], expected: tuple[str, ...]
) -> None:
    """Otherwise steps 3 and 2 would be a paste, which the reader of step 2 comes upon too late."""
    step = resolve(InstanceHold, {}, deployment_file=read_deployment_file(VALUES)).step
    place = Place(step.place, "target", step.account_id, step.region)
    made = [
        Made(
            Task(number, Prose(""), "target", joins="1" if number == "3" else ""),
            place,
            step=step,
            script="x" * size,
        )
        for number, size in zip(("1", "2", "3"), sizes)
    ]
    pastes = find_pastes(made)
    assert [paste.numbers for paste in pastes] == [expected]


def test_what_joins_a_script_that_is_not_made_stays_in_its_place(tmp_path: Path) -> None:
    runbook = make("restore", read_deployment_file(without(tmp_path, "to_host")))
    pastes = [one.numbers for one in joined_in(runbook)]
    assert ("1", "2a") in pastes
    assert not any("19" in numbers for numbers in pastes)


def test_every_step_uses_the_name_that_the_file_gives_the_temporary_database(
    tmp_path: Path,
) -> None:
    file = without(tmp_path, "from_host")
    name = 'temporary_db_instance_id = "tmp-second"'
    file.write_text(file.read_text().replace("[target]\n", f"[target]\n{name}\n"))
    entries = {one.number: one for one in make("restore", read_deployment_file(file)).entries}
    for number in ("11", "20"):
        assert "TEMPORARY_DB_INSTANCE_ID=tmp-second\n" in entries[number].script
    assert "FROM_HOST=tmp-second." in entries["14"].script
    assert "The instance tmp-second is available" in dict(entries["11"].facts)["done when"]


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
    runbook = make("restore", read_deployment_file(without(tmp_path, "command")))
    (entry,) = runbook.incomplete
    assert entry.number == "18"
    assert [one.option for one in entry.missing] == ["--command"]
    text = render_runbook(runbook)
    assert entry.command in text
    assert "**1 script cannot be generated yet" in text
    (command,) = example_values()["target.datasets-not-cached"]["command"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(
        ["bash", "-c", entry.command.replace("COMMAND", shlex.quote(command))],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        check=True,
    )
    (known,) = (one for one in MADE["restore"].entries if one.number == "18")
    made = (tmp_path / entry.file).read_text()
    origins = "[0-9a-f]{64}|from (deployment file|option).*"
    assert re.sub(origins, "", made) == re.sub(origins, "", known.script)


def test_a_command_searches_for_what_can_be_found(tmp_path: Path) -> None:
    file = tmp_path / "deployment.toml"
    file.write_text(BEGINNING)
    commands = {
        entry.number: entry.command for entry in make("restore", read_deployment_file(file)).entries
    }
    at = "--values deployment.toml"
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

    assert selected(MADE["restore"]) == ("Already chosen: the recovery points are shown below.", 2)
    assert selected(
        make("restore", read_deployment_file(without(tmp_path, "rds_snapshot_arn")))
    ) == ("", 1)


def test_what_is_missing_is_said_on_the_terminal_too(tmp_path: Path) -> None:
    values = without(tmp_path, "until")
    done = program("runbook", "restore", f"--values={values}", "--format=html")
    assert done.returncode == 0
    assert done.stderr == (
        "note: no script yet for step 15 of the runbook, for lack of until: "
        f"run codeocean-cmdgen discover backup --values {values}\n"
    )
    assert "1 script cannot be generated yet" in done.stdout


@EVERY
def test_what_an_empty_file_lacks_is_said_once_for_each_way_to_find_it(
    tmp_path: Path, procedure: str
) -> None:
    values = tmp_path / "new.toml"
    values.write_text(empty_file())
    done = run("render", procedure, f"--values={values}", f"--directory={tmp_path / 'folder'}")
    assert done.code == 0
    notes = done.err.splitlines()
    remedies = [re.split(r": (?=run |write )", note)[1] for note in notes]
    assert len(set(remedies)) == len(notes) < 9
    named = {number for note in notes for number in re.findall(r"[0-9.]+[a-z]?(?=[, ])", note)}
    lacking = make(procedure, read_deployment_file(values)).incomplete
    assert {entry.number for entry in lacking} <= named
    if procedure == "restore":
        line = line_of(values, "[target.stack-create]")
        assert (
            "note: no script yet for step 1 of the runbook, for lack of template_url: "
            f"write into [target.stack-create] of {values}:{line}"
        ) in notes


def line_of(file: Path, text: str) -> int:
    return file.read_text().splitlines().index(text) + 1


def test_a_wrong_value_is_told_once_by_its_line(tmp_path: Path) -> None:
    values = tmp_path / "deployment.toml"
    values.write_text(VALUES.read_text().replace('data_volume_id = "vol', 'data_volume_id = "vul'))
    with pytest.raises(InputError) as error:
        make("restore", read_deployment_file(values))
    assert [re.sub(r".*toml:[0-9]+: |: .*", "", one.message) for one in error.value.problems] == [
        "data_volume_id in [source]",
        "data_volume_id in [target]",
    ]


def test_values_that_do_not_fit_each_other_are_told_by_step(tmp_path: Path) -> None:
    values = tmp_path / "deployment.toml"
    text = VALUES.read_text().replace("arn:aws:iam::3333", "arn:aws:iam::9333")
    values.write_text(text)
    with pytest.raises(InputError) as error:
        make("restore", read_deployment_file(values))
    (problem,) = error.value.problems
    assert problem.message.startswith("10 volume-restore, 11 db-restore: --role-arn is a role ")


# The folder.


def render(there: Path, *more: str, values: Path = VALUES) -> Outcome:
    return run("render", "restore", f"--values={values}", f"--directory={there}", *more)


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """Return a folder that `render` wrote."""
    folder = tmp_path / "restore"
    assert render(folder) == (0, "", "")
    return folder


def other_values(tmp_path: Path) -> Path:
    """Return a file that makes every script another one."""
    file = tmp_path / "other.toml"
    file.write_text(VALUES.read_text().replace('stack_name = "codeocean"', 'stack_name = "two"'))
    return file


def contents(folder: Path) -> dict[str, object]:
    return {
        one.name: str(one.readlink()) if one.is_symlink() else one.is_file() and one.read_bytes()
        for one in folder.iterdir()
    }


def test_the_folder_is_checked_byte_by_byte(there: Path) -> None:
    written = set(contents(there))
    assert written == set(folder.files(MADE["restore"]))
    assert {"runbook.md", "runbook.html", "SHA256SUMS"} <= written
    assert render(there, "--check").code == 0
    script = next(there.glob("*-service-stop.sh"))
    assert script.stat().st_mode & 0o777 == 0o700
    assert (there / "runbook.md").stat().st_mode & 0o777 == 0o600
    script.write_text(script.read_text() + "\n")
    done = render(there, "--check")
    assert done.code == 1
    assert done.out.startswith(f"--- {script.name}, there\n+++ {script.name}, now\n")
    assert done.err == f"error: {script.name} differs from what render would write now\n"


@pytest.mark.parametrize("name", ["02-instance-hold.sh", "runbook.md", "SHA256SUMS"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\n", b"\r\n"),
        (b"\n", b"\r"),
        (b"\n", b"\n\xff"),
        (b"\n", b"\n\x00"),
        (b"\n", b"\n\x0c"),
        (b" ", b"\xc2\xa0"),
    ],
)
def test_a_single_other_byte_is_shown(there: Path, name: str, old: bytes, new: bytes) -> None:
    """No line end, no character set and no blank is translated."""
    file = there / name
    file.write_bytes(new.join(file.read_bytes().rsplit(old, 1)))
    done = render(there, "--check")
    assert (done.code, done.err) == (1, f"error: {name} differs from what render would write now\n")
    assert f"--- {name}, there\n" in done.out
    assert len(re.findall(r"^[+-](?!--|\+\+)", done.out, re.MULTILINE)) >= 1
    assert all(one.isprintable() for one in done.out.splitlines())


@pytest.mark.parametrize("mode", [0o4700, 0o777, 0o4777, 0o600, 0o775, 0o1700, 0o720])
def test_a_script_is_its_owners_alone(there: Path, mode: int) -> None:
    """With another mode somebody else could change it after the check, or could not run it."""
    (there / "02-instance-hold.sh").chmod(mode)
    (there / "runbook.html").chmod(0o666)
    done = render(there, "--check")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"error: 02-instance-hold.sh has mode {mode:04o}, not 0700: run chmod 0700 on it\n"
        "error: runbook.html has mode 0666, not 0600: run chmod 0600 on it\n"
    )
    assert render(there).code == 0
    assert render(there, "--check") == (0, "", "")


def test_the_modes_of_a_clone_are_no_difference(there: Path) -> None:
    for file in there.iterdir():
        file.chmod(0o755 if file.suffix == ".sh" else 0o644)
    assert render(there, "--check") == (0, "", "")


def test_what_render_did_not_write_is_unknown(there: Path, tmp_path: Path) -> None:
    """Such as a script that somebody put where it is read and run first."""
    for name in (".git", ".svn", "a folder", "s \x1b[2J"):
        (there / name).mkdir()
    values = there / "deployment.toml"  # it is read, and nobody should remove it
    values.write_bytes(VALUES.read_bytes())
    (there / ".gitignore").touch()
    for name in ("00-read-me-first.sh", ".hidden.sh"):
        (there / name).touch()
    (there / "link").symlink_to(tmp_path / "nowhere")
    assert render(there, values=values).code == 0
    done = render(there, "--check", values=values)
    assert (done.code, done.out) == (1, "")
    names = [".hidden.sh", "00-read-me-first.sh", "a folder", "link", r"s \x1b[2J"]
    assert done.err == "".join(
        f"error: unknown file '{name}': remove it or move it away\n" for name in names
    )


def test_a_link_is_not_the_file_that_it_leads_to(there: Path, tmp_path: Path) -> None:
    file = there / "runbook.md"
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert "runbook.md differs from what render would write now" in render(there, "--check").err


def test_coreutils_check_the_folder(there: Path) -> None:
    def sha256sum() -> subprocess.CompletedProcess[str]:
        command = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
        return subprocess.run(command, cwd=there, capture_output=True, text=True, check=False)

    done = sha256sum()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    script = next(there.glob("*-service-stop.sh"))
    script.write_text(script.read_text() + "\n")
    done = sha256sum()
    assert (done.returncode, done.stdout) == (1, f"{script.name}: FAILED\n")


def test_old_scripts_that_render_wrote_are_removed(there: Path, tmp_path: Path) -> None:
    old = next(there.glob("*-datasets-not-cached.sh"))
    assert render(there, values=without(tmp_path, "command")).code == 0
    assert not old.exists()
    assert old.name not in (there / "SHA256SUMS").read_text()


STRANGE = {
    "text of somebody": "mine\n",
    "a script of somebody": "#!/bin/sh\n# codeocean-cmdgen service-stop: mine\n",
    "a folder": None,
    "a link": "",
}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    there = tmp_path / "restore"
    there.mkdir()
    os.chown(there, 1234, 1234)
    outcome = render(there)
    assert outcome.code == 2
    assert outcome.err.startswith(f"error: --directory: '{there}' belongs to another user, who ")
    assert contents(there) == {}


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("first", [True, False], ids=["new folder", "folder of ours"])
def test_what_render_did_not_write_is_named_and_nothing_is_written(
    kind: str, tmp_path: Path, *, first: bool
) -> None:
    there, elsewhere = tmp_path / "restore", tmp_path / "elsewhere.sh"
    elsewhere.write_text("mine\n")
    names = ["02-instance-hold.sh", "99-service-stop.sh", "SHA256SUMS", "runbook.md"]
    if first:
        there.mkdir()
    else:
        assert render(there).code == 0
    for name in names:
        path, text = there / name, STRANGE[kind]
        path.unlink(missing_ok=True)
        if kind == "a link":
            path.symlink_to(elsewhere)
        elif text is None:
            path.mkdir()
        else:
            path.write_text(text)
    before = contents(there)
    outcome = render(there, values=other_values(tmp_path))
    assert (outcome.code, outcome.out) == (2, "")
    *problems, hint = outcome.err.splitlines()
    assert [re.findall("^error: --directory: ([^ ]+) ", one)[0] for one in problems] == names
    assert hint == "hint: choose another folder, or move these files away"
    assert contents(there) == before
    assert elsewhere.read_text() == "mine\n"


@pytest.mark.parametrize("name", ["02-instance-hold.sh", "runbook.md"])
def test_what_a_person_changed_since_is_kept(there: Path, name: str) -> None:
    file = there / name
    file.write_text(file.read_text() + "# a note of mine\n")
    before = contents(there)
    outcome = render(there)
    assert outcome.code == 2
    assert f"{name} was changed since render wrote it" in outcome.err
    assert contents(there) == before
    file.unlink()
    assert render(there).code == render(there, "--check").code == 0


@pytest.mark.parametrize("name", ["02-instance-hold.sh", "runbook.md", "runbook.html"])
@pytest.mark.parametrize("lost", ["the list", "the line", "all but the list's head"])
@pytest.mark.parametrize("edited", [True, False], ids=["edited", "as generated"])
def test_what_is_not_listed_must_prove_that_nobody_edited_it(
    there: Path, tmp_path: Path, name: str, lost: str, *, edited: bool
) -> None:
    """A file proves it by the digest that it carries; notes of a person are never lost."""
    sums, file = there / "SHA256SUMS", there / name
    lines = sums.read_text().splitlines(keepends=True)
    if lost == "the list":
        sums.unlink()
    else:
        kept = [one for one in lines if not one.endswith(f"  {name}\n")]
        sums.write_text("".join(kept if lost == "the line" else lines[:1]))
    if edited:
        file.write_bytes(file.read_bytes() + b"# A note of mine.\n")
    before = contents(there)
    done = render(there, values=other_values(tmp_path))
    if edited:
        assert done.code == 2
        assert f"{name} was changed since render wrote it" in done.err
        assert contents(there) == before
    else:
        assert done == (0, "", "")


def test_notes_in_a_runbook_of_another_command_are_kept(tmp_path: Path) -> None:
    there = tmp_path / "restore"
    there.mkdir()
    output = there / "runbook.md"
    assert run("runbook", "restore", f"--values={VALUES}", f"--output={output}").code == 0
    edited = output.read_text() + "\nDone on Monday by me.\n"
    output.write_text(edited)
    assert render(there).code == 2
    assert contents(there) == {"runbook.md": edited.encode()}


def test_a_marked_file_that_render_does_not_list_is_replaced_but_not_removed(there: Path) -> None:
    """Such as a script that a command of the runbook wrote there, with --output."""
    script = (there / "02-instance-hold.sh").read_text()
    (there / "SHA256SUMS").unlink()
    assert render(there).code == 0
    (there / "98-instance-hold.sh").write_text(script)
    outcome = render(there)
    assert outcome.code == 2
    assert "98-instance-hold.sh is out of date, and SHA256SUMS does not list it" in outcome.err
    assert (there / "98-instance-hold.sh").read_text() == script


def test_a_list_names_no_file_elsewhere_and_none_of_a_person(there: Path, tmp_path: Path) -> None:
    """Whoever can change the list, as in a pull request, can have nothing removed by it."""
    mine = [tmp_path / "mine.sh", there / "mine.sh"]
    sums = there / "SHA256SUMS"
    for file, name in zip(mine, ("../mine.sh", "mine.sh")):
        file.write_text("mine\n")
        digest = sha256(file.read_bytes()).hexdigest()
        sums.write_text(f"{sums.read_text()}{digest}  {name}\n")
    outcome = render(there)
    assert outcome.code == 2
    assert "SHA256SUMS lists '../mine.sh, mine.sh' too" in outcome.err
    assert [file.read_text() for file in mine] == ["mine\n", "mine\n"]


@pytest.mark.parametrize("calls", [0, 1, 5, 20, 21])
def test_render_knows_its_files_after_it_was_interrupted(
    there: Path, calls: int, tmp_path: Path
) -> None:
    """And has lost none: whatever it was writing when the machine stopped."""
    other = other_values(tmp_path)
    left = calls
    replace = Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return replace(self, target)

    with patch.object(Path, "replace", interrupted):
        assert render(there, values=other).code == 130
    assert set(contents(there)) == set(folder.files(MADE["restore"]))
    assert render(there).code == 0
    assert render(there, "--check").code == 0


@pytest.mark.parametrize("left", [1, 3, 20])
def test_a_folder_that_is_half_written_is_told(there: Path, tmp_path: Path, left: int) -> None:
    """One file could not be replaced, as when somebody has made it immutable."""
    old = contents(there)
    replace = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if left < 0:
            raise PermissionError(1, "Operation not permitted", str(target))
        return replace(self, target)

    other = other_values(tmp_path)
    with patch.object(Path, "replace", refuse):
        done = render(there, values=other)
    first, mixed, hint = done.err.splitlines()
    assert done.code == 2
    changed = {name for name, content in contents(there).items() if content != old[name]}
    found = re.fullmatch("error: the folder is mixed: (.*) up to date, (.*) still old", mixed)
    assert found
    new, late = found.groups()
    assert changed - {"SHA256SUMS"} <= set(new.split(", ")) - {"none"}
    assert set(old) == {*new.split(", "), *late.split(", ")} - {"none"}
    assert first.startswith(f"error: --directory: cannot replace {late.split(', ')[0]} in ")
    assert hint.startswith("hint: fix the cause and run the same command again")
    assert render(there, values=other).code == 0
    assert render(there, "--check", values=other) == (0, "", "")


def test_render_never_replaces_the_deployment_file(tmp_path: Path) -> None:
    there = tmp_path / "restore"
    there.mkdir()
    for name in ("SHA256SUMS", "runbook.md"):
        values = there / name
        values.write_text(f"# codeocean-cmdgen render: mine\n{VALUES.read_text()}")
        outcome = render(there, values=values)
        assert outcome.code == 2
        assert f"{name} is the deployment file, which this command reads" in outcome.err
        assert list(there.iterdir()) == [values]
        values.unlink()


@pytest.mark.parametrize("name", [*GOLDEN.glob("*.sh"), *GOLDEN.glob("runbook-*.md")])
def test_all_that_is_written_carries_the_mark_and_proves_itself(name: Path) -> None:
    content = name.read_bytes()
    assert is_ours(content)
    assert is_as_rendered(content)
    changes = (b"\n# mine\n" + content, content + b"\n", content[:-1], content + content)
    middle = content.replace(b" ", b"  ", 2).replace(b"  ", b" ", 1)
    for other in (*changes, middle, content.replace(b"\n", b"\r\n"), content + b"\xff"):
        assert not is_as_rendered(other)


@EVERY
def test_pages_carry_the_mark(procedure: str) -> None:
    page = render_page(MADE[procedure]).encode("ascii")
    assert is_ours(page)
    assert is_as_rendered(page)
    assert not is_as_rendered(page.replace(b"</body>", b"<p>mine</p></body>"))


# The guide.


def steps_of_guide(runbook: Runbook) -> set[str]:
    """Return the anchors of what has a number of the guide, not a letter."""
    return {one.anchor for one in runbook.entries if one.number.replace(".", "").isdigit()}


def test_each_answer_to_the_guide_is_an_entry_and_each_of_its_numbers_is_answered() -> None:
    answers = "".join(row.answers for row in guide.rows())
    found: dict[str, set[str]] = {procedure: set() for procedure in PROCEDURES}
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
    for procedure in PROCEDURES:
        ours = guide.of_runbook(procedure)
        assert ours.types <= 2
        assert ours.types + ours.prepared < guide.of_guide(procedure).types / 4


def test_the_example_answers_everything() -> None:
    assert all(not runbook.incomplete for runbook in MADE.values())
    assert example_values()["target.s3-point-in-time"]["until"]
