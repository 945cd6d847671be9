"""The command of each finding can be pasted as it stands, and its program knows every word."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
import typer

from codeocean_cmdgen.check.rule import EDIT
from codeocean_cmdgen.cli.app import app
from codeocean_cmdgen.steps import STEPS
from tests.support.check_faults import FAULTS, Fault, result_of, spoiled
from tests.support.checked_world import ROLES, values_for
from tests.support.cli import run

if TYPE_CHECKING:
    from codeocean_cmdgen.check import Facts

PROFILE = "dr $(touch 'ran')"
"""A profile whose name is a risk to a command that does not quote it."""

# What bash makes of a command, without running anything: one JSON line for each.
SHELL = """
record() { jq --null-input --compact-output '$ARGS.positional' --args -- "${AWS_PROFILE-}" "$@"; }
aws() { record aws "$@"; }
vi() { record vi "$@"; }
codeocean-cmdgen() { record codeocean-cmdgen "$@"; }
set -euo pipefail
unset EDITOR AWS_PROFILE
"""
# Nobody listens there: a command line that gets as far as that was accepted.
OPINION = """
import json, sys
from awscli.clidriver import create_clidriver
for line in sys.stdin:
    arguments = json.loads(line)
    code = create_clidriver().main([*arguments, "--endpoint-url", "http://127.0.0.1:9"])
    print(json.dumps([code, arguments]))
"""


@pytest.fixture(scope="module")
def fixes(clean: dict[str, Facts], tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """Return the words of every command, as bash reads them, after the profile."""
    commands = []
    for fault in FAULTS:
        facts = spoiled(clean, fault)
        for deployment in facts.deployments.values():
            deployment.profile = PROFILE
        folder = tmp_path_factory.mktemp("it's here")
        file = folder / "my deployment.toml"
        file.write_text(values_for(fault.procedure), encoding="utf-8")
        found = result_of(facts, fault, str(file)).findings
        commands += [finding.fix.command for finding in found]
    assert all("\n" not in command for command in commands)
    done = subprocess.run(
        ["bash", "-c", "\n".join([SHELL, *commands])],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path_factory.mktemp("shell"),
    )
    words: list[list[str]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(words) == len(commands)
    return words


def test_no_word_is_a_placeholder(fixes: list[list[str]]) -> None:
    for _, *words in fixes:
        for word in words:
            assert not re.fullmatch(r"(.*=)?[A-Z]{2,}", word) or word == "FAILED", words
            assert word, words
            assert "{" not in word or "ObjectOwnership" in word


def test_credentials_are_named_where_aws_is_called(fixes: list[list[str]]) -> None:
    for profile, *words in fixes:
        calls_aws = words[0] == "aws" or words[1] == "discover"
        assert profile == (PROFILE if calls_aws else ""), words
        if words[0] == "aws":
            assert words[words.index("--region") + 1] == "us-east-1"


def test_the_aws_cli_knows_each_command(fixes: list[list[str]], tmp_path: Path) -> None:
    lines = {json.dumps(words[1:]) for _, *words in fixes if words[0] == "aws"}
    assert len(lines) > 10
    done = subprocess.run(
        [sys.executable, "-c", OPINION],
        cwd=tmp_path,
        input="\n".join(sorted(lines)),
        env={"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_MAX_ATTEMPTS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.count("Could not connect") == len(lines), done.stderr


def test_this_program_knows_each_command(fixes: list[list[str]]) -> None:
    own = {tuple(words[1:]) for _, *words in fixes if words[0] == "codeocean-cmdgen"}
    steps = {step.name for step in STEPS}
    group: Any = typer.main.get_command(app)
    seen = set()
    for name, *words in own:
        assert Path(words[words.index("--values") + 1]).exists()
        if name in steps:
            outcome = run(name, *words)
            assert outcome.code == 0, (name, words, outcome.err)
        else:
            command: click.Command = group.get_command(click.Context(group), name)
            command.make_context(name, list(words))
        seen.add(name)
    assert seen == {"db-delete", "discover", "stack-parameters"}


def test_an_editor_may_have_arguments(tmp_path: Path) -> None:
    command = EDIT.format(file="deployment.toml")
    script = f"EDITOR='echo -n'; {command}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "deployment.toml"


@pytest.mark.parametrize(
    ("rule", "role"), [("F11", "target"), ("R01", "backup"), ("V07", "source"), ("S04", "target")]
)
def test_a_fix_names_the_account_that_it_is_for(
    clean: dict[str, Facts], rule: str, role: str
) -> None:
    (fault,) = (one for one in FAULTS if one.rule == rule)
    found = result_of(spoiled(clean, fault), fault).findings
    wheres = {finding.fix.where for finding in found if finding.rule.name == rule}
    assert len(wheres) == 1
    assert wheres.pop().endswith(f"account {ROLES[role]} of [{role}]")


def test_the_region_parameter_is_set_to_what_it_must_be(clean: dict[str, Facts]) -> None:
    """The example copies within one Region, but its stack claims otherwise."""
    (fault,) = (one for one in FAULTS if one.rule == "S09")
    (finding,) = result_of(spoiled(clean, fault), fault).findings
    assert finding.fix.command.endswith("--set pDestinationBackupVaultCrossRegion=no")


def test_a_backup_stack_is_not_told_to_set_a_parameter_of_the_target(
    clean: dict[str, Facts],
) -> None:
    (restore,) = (one for one in FAULTS if one.rule == "V02")
    fault = Fault("V02", "backup", lambda w: w.say(*REFUSING_VAULT))
    (finding,) = result_of(spoiled(clean, fault), fault).findings
    assert finding.fix.command == "${EDITOR:-vi} deployment.toml"
    (finding,) = result_of(spoiled(clean, restore), restore).findings
    assert "--preset restore-source" in finding.fix.command


REFUSING_VAULT = ("backup", "GetBackupVaultAccessPolicy", "codeocean-backup-v1", None)
