"""The report: one cause is one finding, nothing that is copied is wrapped, colors for people."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from codeocean_cmdgen.check import as_json, as_text, look_over
from codeocean_cmdgen.check.facts import Unknown
from codeocean_cmdgen.check.rule import RULES
from codeocean_cmdgen.simulator.world import KINDS
from tests.support.check_faults import FAULTS, World, result_of, spoiled

if TYPE_CHECKING:
    from pathlib import Path

    from codeocean_cmdgen.check import Facts

EVERY_WIDTH = pytest.mark.parametrize("width", [40, 80, 200, 10_000])


def told(facts: Facts, *, width: int = 10_000) -> list[str]:
    result = look_over(facts, "deployment.toml", offline=False)
    return [one.text for one in as_text(result, facts, offline=False, width=width)]


@pytest.fixture
def restore(clean: dict[str, Facts]) -> World:
    (nothing,) = (one for one in FAULTS if one.rule == "S04")
    return World(spoiled(clean, nothing._replace(seed=lambda _: None)))


def unversioned(world: World) -> World:
    for kind in KINDS:
        world.answer("target", "GetBucketVersioning", f"codeocean-target-{kind}").pop("Status")
    return world


def closed(world: World) -> World:
    """Let the target admit nobody: the stack's parameter, its vault and its nine buckets."""
    world.parameter("target", "pRestoreSourceAccountId", "")
    world.say("target", "GetBackupVaultAccessPolicy", "codeocean-v1", None)
    for kind in KINDS:
        world.say("target", "GetBucketPolicy", f"codeocean-target-{kind}", None)
    return world


def test_nine_buckets_with_one_cause_are_one_finding(restore: World) -> None:
    lines = told(unversioned(restore).facts)
    errors = [line for line in lines if line.startswith("error ")]
    assert errors == ["error B03: 9 buckets of [target]: versioning is not enabled: never enabled"]
    start = lines.index(errors[0]) + 1
    assert lines[start : start + 9] == [f"    codeocean-target-{kind}" for kind in KINDS]
    assert lines[start + 10] == (
        "  fix: run this with credentials of account 333333333333 of [target]:"
    )
    commands = lines[start + 11 : start + 20]
    assert [command.split()[4] for command in commands] == [
        f"codeocean-target-{kind}" for kind in KINDS
    ]
    assert lines[-1].startswith("restore: 81 checks, 1 error, 0 warnings; exit 1: ")


def test_json_keeps_each_resource(restore: World) -> None:
    facts = unversioned(restore).facts
    document = json.loads(as_json(look_over(facts, "deployment.toml", offline=False), facts))
    found = document["findings"]
    assert [one["resource"] for one in found] == [f"codeocean-target-{kind}" for kind in KINDS]
    assert all(f"--bucket {one['resource']} " in one["fix"] for one in found)
    assert all(one["resource"] in one["what"] for one in found)
    assert {"check", "level", "title", "what", "why", "source", "fix"} <= found[0].keys()


def test_a_fix_is_shown_once_and_its_cause_first(restore: World) -> None:
    lines = told(closed(restore).facts)
    heads = [line.split(":")[0] for line in lines if line.startswith("error ")]
    assert heads == ["error S04", "error V02", "error B13"]
    assert sum("--preset restore-source" in line for line in lines) == 1
    assert lines.count("  fix: see S04") == 2


def test_errors_come_before_warnings(restore: World) -> None:
    unversioned(restore)
    restore.put("backup", "only_missing", "yes")  # a warning of the file, which is checked first
    levels = [line.split()[0] for line in told(restore.facts) if re.match("error|warning", line)]
    assert levels == ["error", "warning"]


@EVERY_WIDTH
def test_nothing_that_is_copied_is_wrapped(clean: dict[str, Facts], width: int) -> None:
    for fault in FAULTS:
        facts = spoiled(clean, fault)
        result = result_of(facts, fault)
        lines = [one.text for one in as_text(result, facts, offline=False, width=width)]
        text = "\n".join(lines)
        for finding in result.findings:
            assert f"    {finding.fix.command}\n" in text or "  fix: see " in text
            for word in finding.what.split():
                assert word in text
        commands = {finding.fix.command for finding in result.findings}
        assert re.match(r"(restore|backup|migration): \d+ checks, ", lines[-1]), "on one line"
        for line in lines[:-1]:
            # Only a single word may be longer than a line.
            fits = len(line) <= width or line.strip() in commands or " " not in line.strip()
            assert fits, line


def test_refused_calls_with_one_cause_are_one_gap_with_the_title_of_its_check(
    restore: World,
) -> None:
    for kind in KINDS:
        name = f"codeocean-target-{kind}"
        refused = Unknown("AccessDenied", "target: s3:GetBucketPolicy", name)
        restore.say("target", "GetBucketPolicy", name, refused)
    lines = told(restore.facts)
    assert lines[0] == "not checked: target: s3:GetBucketPolicy: AccessDenied"
    assert lines[1:10] == [f"    codeocean-target-{kind}" for kind in KINDS]
    (title,) = (rule.title for rule in RULES if rule.name == "B13")
    assert lines[10] == f"  B13: {title}"
    assert lines[-1] == (
        "restore: 81 checks, 0 errors, 0 warnings, 1 check incomplete; "
        "exit 0: no error found in what was checked"
    )


def test_an_account_that_was_not_asked_is_one_gap(restore: World) -> None:
    restore.facts.target.why_not_asked = "account 333333333333 of [target]: no credentials"
    gaps = [line for line in told(restore.facts) if line.startswith("not checked")]
    assert gaps == ["not checked: account 333333333333 of [target]: no credentials"]


# Colors.


def shown_on_a_terminal(folder: Path, **environment: str) -> str:
    """Return what the check of an incomplete file shows on a terminal of 80 columns."""
    (folder / "deployment.toml").write_text("[source]\n")
    ours, theirs = os.openpty()
    inherited = {name: os.environ[name] for name in os.environ if name != "NO_COLOR"}
    command = ["-m", "codeocean_cmdgen", "check", "backup", "--values=deployment.toml", "--offline"]
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**inherited, "TERM": "xterm", "COLUMNS": "80", **environment},
    ):
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # the program has closed its end
            while True:
                shown += os.read(ours, 65_536)
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def test_a_terminal_shows_errors_in_red(tmp_path: Path) -> None:
    shown = shown_on_a_terminal(tmp_path)
    assert "\033[1;31merror F01: [source] has no account_id\033[0m\n" in shown
    assert "\n  why: " in shown
    last = shown.splitlines()[-1]
    assert last.startswith("\033[1;31mbackup: ")


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_colors_can_be_turned_off(setting: dict[str, str], tmp_path: Path) -> None:
    shown = shown_on_a_terminal(tmp_path, **setting)
    assert "error F01: [source] has no account_id\n" in shown
    assert "\033" not in shown


def test_an_empty_no_color_counts_as_unset(tmp_path: Path) -> None:
    assert "\033[1;31m" in shown_on_a_terminal(tmp_path, NO_COLOR="")


def test_a_pipe_gets_one_line_for_each_problem_and_no_color(tmp_path: Path) -> None:
    (tmp_path / "deployment.toml").write_text("[source]\n")
    environment = {name: os.environ[name] for name in os.environ if name != "COLUMNS"}
    done = subprocess.run(
        [sys.executable, "-m", "codeocean_cmdgen", "check", "restore", "--offline"],
        cwd=tmp_path,
        env={**environment, "TERM": "xterm"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "\033" not in done.stdout
    assert "error F01: [backup] has no region\n" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("restore: ")
