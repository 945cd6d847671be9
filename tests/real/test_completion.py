"""Completion: what a shell offers when a person presses Tab."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pytest

from codeocean_cmdgen.cli.completion import SHELLS
from codeocean_cmdgen.values import Preset
from tests.support.cli import run
from tests.support.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(sys.executable).with_name("codeocean-cmdgen")

LINES = {
    "snapshot-c": "snapshot-copy ",
    "runbook mig": "runbook migration ",
    "snapshot-copy --ebs": "snapshot-copy --ebs-snapshot-arn ",
    "stack-parameters --preset mig": "stack-parameters --preset migration-destination ",
    "render restore --values depl": "render restore --values deployment.toml ",
    "db-delete --output depl": "db-delete --output deployment.toml ",
    "verify depl": "verify deployment.toml ",
}
"""What is typed behind the program's name before Tab -> what stands there after it."""

SHOW = "codeocean-cmdgen() { printf '<%s>' \"$*\"; }"
"""Makes the shell show a command line instead of running it."""
START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config"],
}
"""Shell -> the command that starts it without anybody's settings."""
SETUP = {
    "bash": f"source <(codeocean-cmdgen completion bash); {SHOW}",
    "zsh": "autoload -Uz compinit; compinit -u -D; "
    f"source <(codeocean-cmdgen completion zsh); {SHOW}",
    "fish": "codeocean-cmdgen completion fish | source; "
    "function codeocean-cmdgen; printf '<%s>' \"$argv\"; end",
}
"""Shell -> the line that makes it complete, and then show command lines."""


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[pexpect.spawn[str]]:
    """Give an interactive shell that completes the program, in a folder with a deployment file."""
    name = request.param
    if name == "fish" and not shutil.which("fish"):
        pytest.skip("fish is not installed; the protocol is tried below")
    require(name)
    (tmp_path / "deployment.toml").touch()
    environment = {
        "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TERM": "dumb",
    }
    child = pexpect.spawn(
        START[name][0],
        START[name][1:],
        cwd=str(tmp_path),
        env=environment,
        encoding="utf-8",
        timeout=120,
        dimensions=(40, 200),
    )
    child.sendline(f"{SETUP[name]}; echo rea''dy")
    child.expect("ready\r\n")
    yield child
    child.close(force=True)


def test_tab_completes_commands_choices_options_and_files(shell: pexpect.spawn[str]) -> None:
    for typed, completed in LINES.items():
        shell.send(f"codeocean-cmdgen {typed}\t")
        shell.sendline("end")
        shell.expect_exact(f"<{completed}end>")


def answer(shell: str, *words: str, **environment: str) -> list[str]:
    """Return what the program answers when a shell asks it to complete the last word."""
    done = subprocess.run(
        [PROGRAM],
        env={
            **os.environ,
            "_CODEOCEAN_CMDGEN_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": " ".join(["codeocean-cmdgen", *words]),
            "COMP_CWORD": words[-1] if shell == "fish" else str(len(words)),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_fish_is_answered_in_its_way() -> None:
    assert answer("fish", "snapshot-c") == [
        "plain,snapshot-copy\tcopy the EBS and the RDS recovery point to the target's vault"
    ]
    assert answer("fish", "verify", "x") == ["file,x"]


def test_all_presets_are_offered() -> None:
    offered = answer("bash", "stack-parameters", "--preset", "")
    assert offered == [f"plain,{name}" for name in Preset.names]


@pytest.mark.parametrize(
    "words", [("--version", ""), ("rehearse", "--list-faults", ""), ("nosuch", ""), ("--help", "")]
)
def test_completing_does_nothing_else(words: tuple[str, ...]) -> None:
    for line in answer("bash", *words):
        assert line.startswith(("plain,", "file,", "dir,"))


@pytest.mark.parametrize("text", ["bash_source", "complete_bash", "bash", "nosuch_complete", ""])
def test_the_variable_alone_asks_for_nothing(text: str) -> None:
    assert run(_CODEOCEAN_CMDGEN_COMPLETE=text) == run()


def test_the_variable_has_no_effect_on_a_command() -> None:
    asked = {
        "_CODEOCEAN_CMDGEN_COMPLETE": "bash_complete",
        "COMP_WORDS": "codeocean-cmdgen ru",
        "COMP_CWORD": "1",
    }
    assert run(**asked).out == "plain,runbook\n"
    assert run("completion", "fish", **asked) == run("completion", "fish")
