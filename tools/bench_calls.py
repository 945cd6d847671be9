"""The measured promise of the steps that watch AWS: few calls until they are done."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from codeocean_cmdgen.inputs.deployment_file import read_deployment_file
from codeocean_cmdgen.inputs.example import EXAMPLE
from codeocean_cmdgen.inputs.resolve import Given, resolve
from codeocean_cmdgen.rendering.script import render
from codeocean_cmdgen.simulator import Simulator, example_world
from tests.support.cases import CASES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.cases import Case


def counting(say: Callable[[str], None]) -> None:
    """Run the steps, one after the other, and say how many calls each made."""
    said = ""
    with Simulator() as simulator, tempfile.TemporaryDirectory() as home:
        example_world(simulator, objects_per_bucket=1)
        for case in CASES.values():
            if case.most_calls is None:
                continue
            simulator.clear_requests()
            begun = simulator.clock.now()
            path = f"/usr/bin:{os.environ['PATH']}"
            environment = {**simulator.environment(case.account, path=path), "HOME": home}
            said += subprocess.run(  # noqa: S603 - our own
                ["bash", "-c", _script(case)],  # noqa: S607 - the bash on PATH, as a person's
                env={**environment, "CONFIRM": case.answer(said)},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                check=True,
            ).stdout
            minutes = (simulator.clock.now() - begun).total_seconds() / 60
            calls = len(simulator.requests)
            say(
                f"{case.name:22} {calls:3} calls until done, at most {case.most_calls:3}; "
                f"{minutes:4.1f} simulated minutes"
            )
            if calls > case.most_calls:
                sys.exit(f"{case.name} makes more calls than it may")


def _script(case: Case) -> str:
    values = {
        name: Given((value,) if isinstance(value, str) else value, f"option --{name}")
        for name, value in case.values.items()
    }
    return render(*resolve(case.step, values, deployment_file=read_deployment_file(EXAMPLE)))
