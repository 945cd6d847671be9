"""The simulator for a person at a terminal."""

from __future__ import annotations

import contextlib
import shlex
import threading
from typing import TextIO

from codeocean_cmdgen.simulator.server import Simulator
from codeocean_cmdgen.simulator.world import BACKUP, MANAGEMENT, SOURCE, TARGET, example_world

_ACCOUNTS = {
    "management account of the organization": MANAGEMENT,
    "source deployment": SOURCE,
    "backup deployment": BACKUP,
    "target deployment": TARGET,
}


def simulate(output: TextIO, clock_speed: float = 3.0) -> None:
    """Run the example world until interrupted, after writing how to enter each account.

    Each block of ``export`` lines is for the shell that is to act in that account. ``clock_speed``
    is in simulated seconds per second; the sleep command advances simulated time at once.
    """
    with Simulator(clock_speed) as simulator:
        example_world(simulator)
        simulator.s3_batch.objects_per_second = 0.5  # slow enough to be watched
        for name, account_id in _ACCOUNTS.items():
            output.write(f"# {name}, account {account_id}\n")
            output.write("unset AWS_PROFILE AWS_SESSION_TOKEN\n")
            environment = simulator.environment(account_id) | {"AWS_DEFAULT_REGION": "us-east-1"}
            output.writelines(
                f"export {variable}={shlex.quote(value)}\n"
                for variable, value in environment.items()
            )
            output.write("\n")
        output.flush()
        with contextlib.suppress(KeyboardInterrupt):
            wait_for_ever()


def wait_for_ever() -> None:
    """Wait until the process is interrupted."""
    threading.Event().wait()
