"""The simulator for people at a terminal."""

from __future__ import annotations

import contextlib
import json
import shlex
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from codeocean_cmdgen.isolation import private_folder
from codeocean_cmdgen.simulator.server import Simulator
from codeocean_cmdgen.simulator.world import BACKUP, MANAGEMENT, SOURCE, TARGET, example_world

# These variables could still direct the tools to real AWS, or make them trust another server. The
# AWS_ names come from the shell itself, because some contain the name of a service. AWS_PROFILE is
# listed because zsh's `unset` needs at least one name.
_FORGET = (
    "unset ALL_PROXY all_proxy REQUESTS_CA_BUNDLE CURL_CA_BUNDLE SSL_CERT_FILE SSL_CERT_DIR\n"
    "unset AWS_PROFILE $(env | sed -n 's/^\\(AWS_[A-Za-z0-9_]*\\)=.*/\\1/p')\n"
)

# This is a safeguard: an alias in ~/.aws/cli/alias may be any command, and `aws sts` would run it.
_NEW_HOME = (
    "# HOME is a folder of the simulation: your AWS CLI aliases do not run there, and records of\n"
    "# simulated scripts do not mix with yours. It is removed at the end.\n"
)

_ACCOUNTS = {
    "management": (MANAGEMENT, "management account of the organization"),
    "source": (SOURCE, "source deployment"),
    "backup": (BACKUP, "backup deployment"),
    "target": (TARGET, "target deployment"),
}


def simulate(output: TextIO, clock_speed: float = 3.0, *, as_json: bool = False) -> None:
    """Print how to enter each account, and run the example world until interrupted.

    clock_speed: simulated seconds per second; the sleep command advances simulated time at once.
    as_json: print one line of JSON for programs: role -> its account and its whole environment.
    Otherwise print lines for a shell, which set this environment and remove the AWS settings of
    the person from it.
    """
    # Nobody else may enter the folder. It is removed together with the world.
    temporary = TemporaryDirectory(prefix="simulate-", dir=private_folder())
    with temporary as folder, Simulator(clock_speed) as simulator:
        example_world(simulator)
        simulator.s3_batch.objects_per_second = 0.5  # slow enough to be watched
        environments = {
            role: _environment(simulator, account_id, Path(folder))
            for role, (account_id, _) in _ACCOUNTS.items()
        }
        output.write((_as_json if as_json else _as_lines)(environments))
        output.flush()
        with contextlib.suppress(KeyboardInterrupt):
            wait_for_ever()


def _environment(simulator: Simulator, account_id: str, folder: Path) -> dict[str, str]:
    """Return the environment of a program that acts in an account, with a home in the folder."""
    home = folder / f"home-{account_id}"
    home.mkdir(mode=0o700)
    own = {"HOME": str(home), "AWS_DEFAULT_REGION": "us-east-1"}
    return {**simulator.environment(account_id), **own}


def _as_json(environments: dict[str, dict[str, str]]) -> str:
    told = {
        role: {"account_id": _ACCOUNTS[role][0], "environment": environment}
        for role, environment in environments.items()
    }
    return json.dumps(told) + "\n"


def _as_lines(environments: dict[str, dict[str, str]]) -> str:
    blocks = []
    for role, environment in environments.items():
        account_id, title = _ACCOUNTS[role]
        exports = "".join(export(name, text) for name, text in environment.items())
        blocks.append(f"# {title}, account {account_id}\n{_FORGET}{_NEW_HOME}{exports}\n")
    return "".join(blocks)


def export(name: str, text: str) -> str:
    """Return the line that sets a variable for a shell and its children."""
    return f"export {name}={shlex.quote(text)}\n"


def wait_for_ever() -> None:
    """Wait until the process is interrupted."""
    threading.Event().wait()
