"""The tests run in the background of a shell, too, which starts that with SIGINT ignored."""

from __future__ import annotations

import signal
import subprocess
import sys


def test_what_a_test_starts_can_be_interrupted() -> None:
    ended = subprocess.run(["sh", "-c", "kill -s INT $$"], check=False)
    assert ended.returncode == -signal.SIGINT


def test_so_it_can_where_pytest_was_started_with_the_signal_ignored() -> None:
    inner = f"{__file__}::{test_what_a_test_starts_can_be_interrupted.__name__}"
    for workers in ("0", "1"):
        pytest = [sys.executable, "-m", "pytest", "-q", "--numprocesses", workers, inner]
        ended = subprocess.run(
            ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *pytest],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout
