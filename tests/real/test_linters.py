"""ShellCheck and shfmt say nothing about the reviewed scripts: the wrapper is sh, the rest bash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cases import SCRIPTS
from tests.support.project import GOLDEN
from tests.support.wrapper import body_of

EACH_SCRIPT = pytest.mark.parametrize("name", SCRIPTS)


def silent(program: str, *arguments: str, text: str) -> None:
    command = [str(Path(sys.executable).with_name(program)), *arguments, "-"]
    outcome = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (outcome.stdout, outcome.stderr, outcome.returncode) == ("", "", 0)


def golden(name: str) -> str:
    return (GOLDEN / f"{name}.sh").read_text("ascii")


@EACH_SCRIPT
def test_the_linter_is_silent(name: str) -> None:
    silent("shellcheck", "--norc", "--enable=all", "--shell=sh", text=golden(name))
    silent("shellcheck", "--norc", "--enable=all", "--shell=bash", text=body_of(golden(name)))


@EACH_SCRIPT
def test_the_formatter_is_silent(name: str) -> None:
    silent("shfmt", "-ln", "posix", "-i", "2", "-d", text=golden(name))
    silent("shfmt", "-ln", "bash", "-i", "2", "-d", text=body_of(golden(name)))
