"""People at a shell of an account, who run scripts there."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, NamedTuple

import pexpect

from codeocean_cmdgen.inputs.deployment_file import read_deployment_file
from codeocean_cmdgen.inputs.example import EXAMPLE
from codeocean_cmdgen.inputs.resolve import Given, Resolved, resolve
from codeocean_cmdgen.rendering.script import render
from codeocean_cmdgen.simulator import Simulator
from codeocean_cmdgen.steps import STEPS

EXAMPLES = EXAMPLE.parent


def made(step: str, table: str = "", /, **values: str | tuple[str, ...]) -> Resolved:
    """Return a step made of the example values, some of them replaced."""
    (declaration,) = (one for one in STEPS if one.name == step)
    options = {
        name: Given((value,) if isinstance(value, str) else value, "option")
        for name, value in values.items()
    }
    return resolve(
        declaration,
        options,
        table=table or None,
        deployment_file=read_deployment_file(EXAMPLES / "deployment.toml"),
    )


def script(step: str, table: str = "", /, **values: str | tuple[str, ...]) -> str:
    """Return the script of such a step."""
    return render(*made(step, table, **values))


class Outcome(NamedTuple):
    """How a script ended."""

    code: int
    output: str
    errors: str

    @property
    def done(self) -> bool:
        """Whether it claims success: exit code 0 and a last line that says so."""
        claims = self.output.splitlines()[-1:] and self.output.splitlines()[-1].startswith("done: ")
        assert bool(claims) == (self.code == 0), self
        return bool(claims)


class Person:
    """Somebody at a shell of one account, who runs scripts there."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def run(self, text: str, **environment: str) -> Outcome:
        """Run a script in bash until it ends."""
        with self.start(text, **environment) as process:
            output, errors = process.communicate(timeout=600)
        return Outcome(process.returncode, output, errors)

    def start(self, text: str, **environment: str) -> subprocess.Popen[str]:
        """Start a script in a session of its own, so that it can be killed with all it started."""
        return subprocess.Popen(
            ["bash", "-c", text],
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


PersonOf = Callable[[str], Person]


def interrupt(
    operator: Person, simulator: Simulator, text: str, begun_by: str, **environment: str
) -> Outcome:
    """Run a script that really waits; press Ctrl-C once it waits for the work that a call began."""
    path = operator.environment["PATH"].replace(f"{simulator.sleep_shim_directory}:", "")
    watching = operator.start(text, PATH=path, **environment)
    deadline = time.monotonic() + 300
    while not simulator.calls(begun_by) or "sleep" not in programs_of(watching.pid):
        assert time.monotonic() < deadline, "nothing happened for five minutes"
        time.sleep(0.1)
    os.killpg(watching.pid, signal.SIGINT)
    output, errors = watching.communicate(timeout=300)
    assert "interrupted. Work in the background continues" in errors
    assert watching.returncode == 130
    return Outcome(watching.returncode, output, errors)


def programs_of(session: int) -> set[str]:
    """Return the names of the programs that run in a session of the operating system."""
    names = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            if rest.split()[3] == str(session):
                names.add(name)
    return names


def screen(operator: Person, text: str, **environment: str) -> list[str]:
    """Run a script on a terminal of 60 columns; return all that it shows, by lines."""
    shell = pexpect.spawn(
        "bash",
        ["-c", text],
        env={**operator.environment, "TERM": "xterm", **environment},
        dimensions=(24, 60),
        encoding="utf-8",
        timeout=120,
    )
    shell.expect(pexpect.EOF)
    return str(shell.before).split("\r\n")


PeopleOf = Callable[[Simulator, Path], PersonOf]


READING = ("Get", "Describe", "List", "Head")
"""What the name of an operation begins with that changes nothing."""


def writes(simulator: Simulator) -> list[str]:
    """Return the operations asked for that change something."""
    asked = [one.operation for one in simulator.requests if one.operation]  # none: turned away
    return [operation for operation in asked if not operation.startswith(READING)]
