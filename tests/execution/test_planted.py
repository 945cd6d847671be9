"""What somebody else planted on a services instance: no script trusts it or writes through it."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING, Callable

import pytest

from codeocean_cmdgen.simulator.world import TARGET
from tests.support.cases import HOST_STEPS
from tests.support.people import script, writes
from tests.support.quick_aws import remember_the_guard

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.people import Outcome
    from tests.support.services_host import HostOf, ServicesHost

RECORDS, STATE = "/data/.codeocean-cmdgen", "/var/lib/codeocean-cmdgen"
USER = 1001
"""The id of any user but root."""

FORGED = {
    "service-stop": ("service", "stopped"),
    "service-start": ("service", "started"),
    "volume-copy-in": ("volume-copy-in", "completed: vol-1 was made equal to vol-2"),
    "db-copy-in": ("db-copy-in", "completed"),
    "secrets-restore": ("secrets-restore", "completed"),
    "datasets-not-cached": ("datasets-not-cached", "completed"),
}
"""Step -> the record that lets it say that it was done."""


@pytest.fixture
def host(host_of: HostOf) -> ServicesHost:
    host = host_of(TARGET)
    remember_the_guard(host)
    return host


def run(host: ServicesHost, step: str, **settings: str) -> Outcome:
    return host.person().run(script(step, account_id=TARGET), **settings)


def forge(folder: Path) -> None:
    """Write the records of all steps, as any local user can."""
    folder.mkdir(mode=0o700)
    os.chown(folder, USER, USER)
    for name, text in FORGED.values():
        file = folder / f"{name}--first"
        file.write_text(f"2026-01-01T00:00:00Z {text}\n")
        os.chown(file, USER, USER)


def everything(host: ServicesHost) -> str:
    """List what a script might leave behind, and what it might write through."""
    places = ["/etc/cron.d", "/etc/systemd/system", "/var/lib", "/mnt", "/data"]
    own = ["-path", "/data/codeocean", "-prune", "-o"]
    files = ["-type", "f", "-printf", "%p %u %m %s %n %T@\n", "-o"]
    others = ["-printf", "%p %y %l %u %m\n"]
    return host.root("find", *places, "-xdev", *own, *files, *others).stdout


def of_a_user(folder: Path) -> None:
    forge(folder)


def open_to_all(folder: Path) -> None:
    forge(folder)
    os.chown(folder, 0, 0)
    folder.chmod(0o777)


def readable(folder: Path) -> None:
    folder.mkdir(mode=0o755)


def link(folder: Path) -> None:
    forge(folder.parent / "elsewhere")
    os.chown(folder.parent / "elsewhere", 0, 0)
    (folder.parent / "elsewhere").chmod(0o700)
    folder.symlink_to("elsewhere")


def dangling(folder: Path) -> None:
    folder.symlink_to("nowhere")


def pipe(folder: Path) -> None:
    os.mkfifo(folder, 0o700)


@pytest.mark.sample(6)
@pytest.mark.parametrize("plant", [of_a_user, open_to_all, readable, link, dangling, pipe])
@pytest.mark.parametrize("folder", [RECORDS, STATE])
def test_no_step_trusts_a_folder_that_is_not_roots_alone(
    host: ServicesHost, folder: str, plant: Callable[[Path], None]
) -> None:
    plant(host.path(folder))
    before = everything(host)
    for step in HOST_STEPS:
        outcome = run(host, step, CONFIRM="anything")
        assert (outcome.code, outcome.output) == (1, ""), (step, outcome)
        (line,) = outcome.errors.splitlines()
        assert re.match(rf"stopped: {re.escape(folder)} is a .* of user \S+ \(\d+\), mode ", line)
        assert f"sudo ls -lan {folder}" in line
        assert everything(host) == before, step
    assert writes(host.simulator) == []


@pytest.mark.parametrize("kind", ["symbolic link", "hard link", "pipe", "of a user", "open to all"])
def test_no_step_trusts_a_record_that_somebody_else_can_change(
    host: ServicesHost, kind: str
) -> None:
    """As after `chown root` of a folder that was somebody's: what lies in it is still theirs."""
    folder = host.path(RECORDS)
    folder.mkdir(mode=0o700)
    record, theirs = folder / "service--first", host.path("/data/theirs")
    theirs.write_text("2026-01-01T00:00:00Z stopped\n")
    if kind == "symbolic link":
        record.symlink_to("/data/theirs")
    elif kind == "hard link":
        record.hardlink_to(theirs)
    elif kind == "pipe":
        os.mkfifo(record, 0o600)
    else:
        record.write_text(theirs.read_text())
        record.chmod(0o666 if kind == "open to all" else 0o600)
        os.chown(record, *((0, 0) if kind == "open to all" else (USER, USER)))
    before = everything(host)
    for step in HOST_STEPS:
        outcome = run(host, step, CONFIRM="anything")
        assert (outcome.code, outcome.output) == (1, ""), (step, outcome)
        assert f"stopped: {RECORDS}/service--first is a " in outcome.errors
    assert everything(host) == before


@pytest.mark.parametrize(("owner", "mode"), [(0, 0o777), (0, 0o775), (USER, 0o755), (0, 0o1777)])
def test_nobody_else_may_replace_the_folder(host: ServicesHost, owner: int, mode: int) -> None:
    data = host.path("/data")
    os.chown(data, owner, owner)
    data.chmod(mode)
    outcome = run(host, "service-stop")
    if mode & 0o1000:  # a sticky bit keeps others from renaming what is root's
        assert outcome.done
        return
    assert (outcome.code, outcome.output) == (1, "")
    assert "stopped: /data is a directory of user " in outcome.errors
    fix = outcome.errors.partition("if it is a folder: ")[2].strip()
    host.root("bash", "-c", fix)
    assert run(host, "service-stop").done


def test_the_line_says_how_to_move_it_aside(host: ServicesHost) -> None:
    for _ in range(2):  # whoever planted it may do so again
        forge(host.path(RECORDS))
        outcome = run(host, "service-stop")
        assert outcome.code == 1
        host.root("bash", "-c", outcome.errors.partition("move it aside: ")[2].strip())
    assert run(host, "service-stop").done
    (host.path(RECORDS) / "x\x1b[2J$(touch pwned)\n").symlink_to("/etc/passwd")
    outcome = run(host, "service-stop")
    assert outcome.code == 1
    assert "\x1b" not in outcome.errors
    assert len(outcome.errors.splitlines()) == 1
    command = outcome.errors.partition("move it aside: ")[2].strip()
    assert shlex.split(command)[:2] == ["sudo", "mv"]
    host.root("bash", "-c", command)
    assert run(host, "service-stop").done
    assert not host.path("/pwned").exists()


def test_a_record_is_never_written_to_a_file_that_was_there(host: ServicesHost) -> None:
    """Somebody may still hold a file open that became root's."""
    folder = host.path(RECORDS)
    folder.mkdir(mode=0o700)
    record = folder / "service--first"
    record.write_text("2026-01-01T00:00:00Z stopped\n")
    with record.open("r+", encoding="utf-8") as held:
        assert run(host, "service-start").done
        assert held.read() == "2026-01-01T00:00:00Z stopped\n"
    first, second = record.read_text().splitlines()
    assert first == "2026-01-01T00:00:00Z stopped"
    assert second.endswith("Z started")
    assert oct(record.stat().st_mode)[-3:] == "600"
    assert [file.name for file in folder.iterdir()] == ["service--first"]


@pytest.mark.parametrize("name", ["cron/etc/cron.d/evil", "unit-files/codeocean.service", "cron"])
@pytest.mark.parametrize("step", ["service-stop", "service-start"])
def test_nothing_of_a_user_is_moved_back_into_the_system(
    host: ServicesHost, step: str, name: str
) -> None:
    """The folders are root's by now, and were not always."""
    held = host.path(f"{STATE}/service-stop")
    for folder in ("cron", "unit-files"):
        (held / folder).mkdir(parents=True)
    planted = held / name
    if not planted.exists():
        planted.parent.mkdir(parents=True, exist_ok=True)
        planted.write_text("* * * * * root true\n")
    os.chown(planted, USER, USER)
    held.chmod(0o700)
    held.parent.chmod(0o700)
    for file in ("units", "containers"):
        (held / file).touch()
    (held / "run").write_text("first\n")
    before = everything(host)
    outcome = run(host, step)
    assert outcome.code == 1
    assert f"{STATE}/service-stop/{name} is a " in outcome.errors
    assert "not a file or folder of root" in outcome.errors
    assert everything(host) == before
