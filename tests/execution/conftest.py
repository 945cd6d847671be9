"""What the execution tests share: the simulator, the real AWS CLI, and a way to run a script."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Callable, NamedTuple

import pytest

from codeocean_cmdgen.simulator import Simulator
from codeocean_cmdgen.sources import Given, gather
from codeocean_cmdgen.steps import STEPS
from tests import aws_server
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(aws_server.__file__).parent.parent / "codeocean_cmdgen" / "examples"


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with an `aws` that is the real CLI v2, already loaded."""
    require("/usr/bin/aws")
    folder = tmp_path_factory.mktemp("aws")
    shim = folder / "aws"
    shim.write_text("#!/usr/bin/python3 -IS\n" + Path(aws_server.__file__).read_text())
    shim.chmod(0o700)
    with subprocess.Popen(
        ["/usr/bin/python3", aws_server.__file__, str(folder / "socket")]
    ) as server:
        while subprocess.run([shim, "--version"], capture_output=True, check=False).returncode:
            time.sleep(0.1)
        yield folder
        server.kill()


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Return an empty AWS."""
    with Simulator() as simulator:
        yield simulator


def script(step: str, *, table: str | None = None, **values: str | tuple[str, ...]) -> str:
    """Return a step's script from the example values, some of them replaced."""
    from codeocean_cmdgen.render import render  # noqa: PLC0415 - as the program itself

    (declaration,) = (one for one in STEPS if one.name == step)
    options = {
        name: Given((value,) if isinstance(value, str) else value, "option")
        for name, value in values.items()
    }
    return render(
        *gather(declaration, options, table=table, values_file=EXAMPLES / "values.toml")
    )


class Outcome(NamedTuple):
    """How a script ended."""

    code: int
    output: str
    errors: str

    @property
    def last_line(self) -> str:
        """The last line of what it printed."""
        return (self.output or self.errors).strip().splitlines()[-1]


Run = Callable[..., Outcome]


@pytest.fixture
def run(aws: Path, simulator: Simulator, tmp_path: Path) -> Run:
    """Return a function that runs a script as a person of an account does, in bash."""

    def run(text: str, account: str, **environment: str) -> Outcome:
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        path = f"{aws}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", text],
            env={
                **simulator.environment(account, path=path),
                "HOME": str(home),
                "TMPDIR": str(tmp_path),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run
