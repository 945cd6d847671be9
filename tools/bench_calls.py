"""The measured promise of the steps that watch AWS: few calls until they are done."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from codeocean_cmdgen.render import render
from codeocean_cmdgen.simulator import Simulator, example_world
from codeocean_cmdgen.simulator.world import BACKUP, MANAGEMENT, SOURCE, TARGET
from codeocean_cmdgen.sources import Given, gather
from codeocean_cmdgen.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable

VALUES = Path(__file__).parent.parent / "codeocean_cmdgen" / "examples" / "values.toml"


class Row(NamedTuple):
    """A step, where it runs, and how many calls it may make in simulated accounts.

    ``confirm``: what its question is answered with; or a pattern that finds that in the output of
    the steps before.
    """

    step: str
    account: str
    budget: int
    confirm: str = ""


ROWS = (
    Row("cross-account-backup", MANAGEMENT, 6),
    Row("stack-create", BACKUP, 25),
    Row("stack-parameters", SOURCE, 32, "codeocean"),
    Row("on-demand-backup", SOURCE, 20),
    Row("snapshot-copy", BACKUP, 20),
    Row("instance-hold", TARGET, 7),
    Row("volume-restore", TARGET, 18),
    Row("db-restore", TARGET, 30),
    Row("volume-delete", TARGET, 8, r"restored volume: +(\S+)"),
    Row("db-delete", TARGET, 18, "tmp-codeocean-restore"),
    Row("instance-release", TARGET, 7),
)
"""In the order of a backup and a restore: each finds what those before it made."""


def counting(say: Callable[[str], None]) -> None:
    """Run the steps, one after the other, and say how many calls each made."""
    said = ""
    with Simulator() as simulator, tempfile.TemporaryDirectory() as home:
        example_world(simulator, objects_per_bucket=1)
        stacks = simulator.cloudformation.stacks
        stacks[:] = [one for one in stacks if one.account != BACKUP]  # stack-create makes it
        for row in ROWS:
            simulator.clear_requests()
            begun = simulator.clock.now()
            path = f"/usr/bin:{os.environ['PATH']}"
            environment = {**simulator.environment(row.account, path=path), "HOME": home}
            found = re.search(row.confirm, said)
            confirm = found[1] if found and found.groups() else row.confirm
            said += subprocess.run(  # noqa: S603 - our own
                ["bash", "-c", _script(row.step)],  # noqa: S607 - the bash on PATH, as a person's
                env={**environment, "CONFIRM": confirm},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                check=True,
            ).stdout
            minutes = (simulator.clock.now() - begun).total_seconds() / 60
            calls = len(simulator.requests)
            say(
                f"{row.step:22} {calls:3} calls until done, at most {row.budget:3}; "
                f"{minutes:4.1f} simulated minutes"
            )
            if calls > row.budget:
                sys.exit(f"{row.step} makes more calls than it may")


def _script(name: str) -> str:
    (step,) = (one for one in STEPS if one.name == name)
    run = {"run": Given(("bench",), "option --run")}
    return render(*gather(step, run if "run" in step.arguments() else {}, values_file=VALUES))
