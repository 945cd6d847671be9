"""The real AWS CLI for simulated places. If possible, it is loaded only once, which is much faster.

It starts without the operator's environment and home folder, so it never holds their credentials.
No other local user can reach it, because its socket is in a folder that only its owner may enter.
A simulated host reaches it through its own mount.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from codeocean_cmdgen.isolation import clean_environment, search_path
from codeocean_cmdgen.simulator.machine import PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

_PYTHON = "/usr/bin/python3"
_SERVER = PROGRAMS / "aws_server.py"
_SHIM = PROGRAMS / "aws_shim.py"
# AWS's own build contains its Python: only as a plugin can other code run in it.
_PLUGIN = "[plugins]\ncli_legacy_plugin_path = {folder}\nserver = aws_server\n"
_PATIENCE = 60.0
# With credentials in its environment, the CLI does not search elsewhere while it is loaded. Each
# call uses the caller's environment instead.
_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIASIMULATORPRELOAD",
    "AWS_SECRET_ACCESS_KEY": "made-up",
}


class AwsUnavailableError(RuntimeError):
    """The AWS CLI v2 is not installed."""


@contextmanager
def any_aws(folder: Path) -> Iterator[Path]:
    """Yield a folder whose `aws` is the first CLI v2 on the path, already loaded if possible.

    folder: an empty folder that is closed to other users.

    Raises:
        AwsUnavailableError: the CLI v2 is not installed.

    """
    aws = _installed()
    with ExitStack() as closing:
        try:
            served = closing.enter_context(loaded_aws(folder, aws))
        except (AwsUnavailableError, OSError):  # OSError: no Python for the shim
            served = folder / "served"
            (served / "aws").unlink()
            (served / "aws").symlink_to(aws.resolve())
        yield served


def _installed() -> Path:
    """Return the first v2 on the path: a virtual environment may have another `aws`."""
    for place in search_path().split(os.pathsep):
        found = Path(place) / "aws"
        if found.exists() and _version_of([found, "--version"]).startswith("aws-cli/2."):
            return found
    message = "the AWS CLI v2 is not installed"
    raise AwsUnavailableError(message)


@contextmanager
def loaded_aws(folder: Path, aws: Path) -> Iterator[Path]:
    """Yield a folder with an `aws` that is a real CLI v2, already loaded.

    folder: an empty folder that is closed to other users. aws: the program of the CLI.

    Raises:
        AwsUnavailableError: the program does not load plugins.

    """
    served, home = _served_in(folder), folder / "home"
    home.mkdir(mode=0o700)
    (home / _SERVER.name).write_bytes(_SERVER.read_bytes())
    config = home / "config"
    config.write_text(_PLUGIN.format(folder=home), encoding="utf-8")
    (served / "program").symlink_to(aws.resolve())
    program = shim(served, "aws")
    with subprocess.Popen(
        [aws, served / "socket"],
        env={**clean_environment(home), **_CREDENTIALS, "AWS_CONFIG_FILE": str(config)},
        cwd="/",
        stdin=subprocess.PIPE,  # the server ends when this is closed, so also with this process
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            _wait_for(program, server)
            yield served
        finally:
            server.kill()


def shim(folder: Path, name: str) -> Path:
    """Create a program that has its calls made by the server whose socket is beside it."""
    program = folder / name
    program.write_text(f"#!{_PYTHON} -IS\n{_SHIM.read_text('utf-8')}", encoding="utf-8")
    program.chmod(0o755)
    return program


def _served_in(folder: Path) -> Path:
    """Create an inner folder that everybody may use who can reach it.

    Only the owner may enter the outer folder. A host mounts only the inner one, so the host's users
    can reach it, too.
    """
    folder.chmod(0o700)
    served = folder / "served"
    served.mkdir()
    served.chmod(0o755)
    return served


def cloudshell_python(folder: Path) -> Path:
    """Create a `python3` with boto3 in a folder, like CloudShell's; return the folder."""
    folder.mkdir(exist_ok=True)
    program = folder / "python3"
    # A script must not import packages that the user has installed for this Python.
    python = f"{shlex.quote(sys.executable)} -s"
    program.write_text(f'#!/bin/sh\nexec {python} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return folder


def _wait_for(program: Path, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _PATIENCE
    while not _version_of([program, "--version"]):
        if server.poll() is not None or time.monotonic() > until:
            message = "the AWS CLI v2 could not be loaded"
            raise AwsUnavailableError(message)
        time.sleep(0.1)


def _version_of(command: list[str | Path]) -> str:
    """Return a command's output, run in a clean environment; nothing if it fails."""
    said = subprocess.run(
        command, env=clean_environment(), cwd="/", capture_output=True, text=True, check=False
    )
    return "" if said.returncode else said.stdout
