"""`simulate` and `rehearse` as a person or a program starts them, and how they end."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from codeocean_cmdgen.simulator.world import BACKUP, MANAGEMENT, SOURCE, TARGET
from tests.support.tools import OLDEST_AWS, require

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PROGRAM = [sys.executable, "-m", "codeocean_cmdgen"]
SIMULATE = [*PROGRAM, "simulate", "--json"]
REHEARSE = [*PROGRAM, "rehearse", "backup"]
AS_FROM_A_TERMINAL = ["env", "--default-signal=HUP,INT,TERM"]
"""The tests may have been started with signals ignored, as by a shell without job control."""
END = 60
"""The seconds after which a simulation that does not end has hung."""


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Give an empty folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def left_behind(temporary: Path) -> list[str]:
    """Return what the simulation has left in the folder for temporary files."""
    private = temporary / f"codeocean-cmdgen-{os.geteuid()}"
    left = {*temporary.iterdir(), *private.iterdir()}
    return [file.name for file in left - {private}]  # isolation.private_folder says why it stays


@contextmanager
def simulation(
    temporary: Path, command: Sequence[str] = SIMULATE
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a simulation, and wait for its first line: it has begun."""
    with subprocess.Popen(
        [*AS_FROM_A_TERMINAL, *command],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as process:
        assert process.stdout
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def test_a_program_reads_the_environments_from_one_line(temporary: Path) -> None:
    require(OLDEST_AWS)
    with simulation(temporary) as (process, line):
        told = json.loads(line)
        accounts = {role: one["account_id"] for role, one in told.items()}
        assert accounts == {
            "management": MANAGEMENT,
            "source": SOURCE,
            "backup": BACKUP,
            "target": TARGET,
        }
        asked = subprocess.run(
            [OLDEST_AWS, "sts", "get-caller-identity", "--query=Account", "--output=text"],
            env=told["backup"]["environment"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert asked.stdout == f"{BACKUP}\n", asked.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(END) == 0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
@pytest.mark.parametrize("command", [SIMULATE, REHEARSE], ids=lambda command: command[3])
def test_a_signal_ends_a_simulation_that_cleans_up(
    temporary: Path, command: list[str], number: signal.Signals
) -> None:
    with simulation(temporary, command) as (process, line):
        assert left_behind(temporary)
        assert line
        process.send_signal(number)
        process.send_signal(number)  # a shell and the kernel may each send one
        process.wait(END)
    assert left_behind(temporary) == []


def test_a_closed_terminal_ends_a_simulation_that_cleans_up(temporary: Path) -> None:
    ours, its = pty.openpty()
    with subprocess.Popen(
        [*AS_FROM_A_TERMINAL, "setsid", "--ctty", *SIMULATE],
        stdin=its,
        stdout=its,
        stderr=its,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as process:
        os.close(its)
        shown = b""
        while b"\n" not in shown:
            shown += os.read(ours, 65536)
        assert left_behind(temporary)
        os.close(ours)
        process.wait(END)
    assert left_behind(temporary) == []


def test_a_simulation_that_ignores_hangups_continues(temporary: Path) -> None:
    """As `nohup` starts it."""
    with subprocess.Popen(
        [*AS_FROM_A_TERMINAL, "nohup", *SIMULATE],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as process:
        assert process.stdout
        assert process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.terminate()
        process.wait(END)
    assert left_behind(temporary) == []
