"""Runs the program, and gives it values."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import pytest

from codeocean_cmdgen.arguments import flag
from codeocean_cmdgen.cli.app import main
from codeocean_cmdgen.inputs.example import EXAMPLE
from codeocean_cmdgen.steps import STEPS
from tests.support.cases import needed

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES, VALUES = EXAMPLE.parent, EXAMPLE
STACK = json.loads((EXAMPLES / "stack.json").read_text())
CANARIES = ("canary-of-the-database", "canary-of-redis")

GIVEN = {step.name: needed(step) for step in STEPS}
"""Step -> everything that it needs, by option."""


class Outcome(NamedTuple):
    """What a run of the program left behind."""

    code: int
    out: str
    err: str


def run(*arguments: str, **environment: str) -> Outcome:
    """Run the program in this process, which is quick; no terminal is near."""
    out, err = io.StringIO(), io.StringIO()
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        patch.object(sys, "argv", ["codeocean-cmdgen", *arguments]),
        patch.object(sys, "stdin", io.StringIO()),
        patch.dict(os.environ, environment),
        pytest.raises(SystemExit) as end,
    ):
        main()
    return Outcome(int(end.value.code or 0), out.getvalue(), err.getvalue())


PROGRAM = [sys.executable, "-m", "codeocean_cmdgen"]


def start(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run the program as its user does."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run([*PROGRAM, *arguments], text=True, check=False, **{**pipes, **settings})


def options(step: str, **changes: str) -> list[str]:
    """Give everything that a step needs, as options; `name=""` leaves one out."""
    given = {**GIVEN[step], **changes}
    return [step, *(f"{flag(name)}={text}" for name, text in given.items() if text)]


def refused(outcome: Outcome, *words: str) -> None:
    """Demand exit 2, no script, and lines on stderr that a terminal can show."""
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    for line in outcome.err.splitlines():
        assert line.startswith(("error: ", "hint: ")), line
        assert line.isascii()
        assert line.isprintable()
    for word in words:
        assert word in outcome.err


def origins(script: str) -> dict[str, str]:
    """Read which origin the header's values block names for each variable."""
    origin, found = "", {}
    block = script.partition("\nvalues() {\n")[2].partition("\n}\n")[0]
    for line in block.splitlines():
        if line.startswith("  # "):
            origin = line[4:]
        elif "=" in line and line[2:3].isupper():
            found[line.strip().partition("=")[0]] = origin
    return found


def deployment_file(folder: Path, text: str) -> str:
    file = folder / "deployment.toml"
    file.write_text(text, encoding="utf-8")
    return f"--values={file}"


def stack_file(folder: Path, **changes: Any) -> str:
    """Write the example stack.json with canary passwords; a part may be merged over or replaced."""
    document = {
        **STACK,
        "AnalyticsDB": {"Password": CANARIES[0]},
        "Redis": {"Password": CANARIES[1]},
    }
    for key, value in changes.items():
        document[key] = {**document[key], **value} if isinstance(value, dict) else value
    file = folder / "stack.json"
    file.write_text(json.dumps(document))
    return f"--stack-json={file}"


def toml_string(text: str) -> str:
    return '"' + "".join(f"\\U{ord(character):08x}" for character in text) + '"'
