"""The real AWS CLI for simulated places: loaded once, where that can be, and so much faster."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from codeocean_cmdgen.simulator.machine import PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Iterator

AWS = "/usr/bin/aws"
_PYTHON = "/usr/bin/python3"
_SERVER = PROGRAMS / "aws_server.py"
_PATIENCE = 60.0


class AwsUnavailableError(RuntimeError):
    """The AWS CLI v2 is not installed."""


@contextmanager
def any_aws(folder: Path) -> Iterator[Path]:
    """Give a folder whose `aws` is the CLI v2: loaded where Debian's package is, else as it is.

    Raises:
        AwsUnavailableError: there is none.

    """
    if _can_be_loaded():
        with loaded_aws(folder) as loaded:
            yield loaded
        return
    (folder / "aws").symlink_to(_installed().resolve())
    yield folder


def _installed() -> Path:
    """Return the first v2 on the path: a virtual environment may have another `aws`."""
    for place in os.get_exec_path():
        found = Path(place) / "aws"
        if found.exists():
            version = subprocess.run([found, "--version"], capture_output=True, check=False)
            if version.stdout.startswith(b"aws-cli/2."):
                return found
    message = "the AWS CLI v2 is not installed"
    raise AwsUnavailableError(message)


@contextmanager
def loaded_aws(folder: Path) -> Iterator[Path]:
    """Make an `aws` in a folder that is the real CLI v2, already loaded; return the folder."""
    shim = folder / "aws"
    shim.write_text(f"#!{_PYTHON} -IS\n{_SERVER.read_text('utf-8')}", encoding="utf-8")
    folder.chmod(0o755)
    shim.chmod(0o755)
    with subprocess.Popen([_PYTHON, _SERVER, str(folder / "socket")]) as server:
        try:
            _wait_for(shim, server)
            yield folder
        finally:
            server.kill()


def cloudshell_python(folder: Path) -> Path:
    """Make a `python3` in a folder that has boto3, as CloudShell's has; return the folder."""
    folder.mkdir(exist_ok=True)
    program = folder / "python3"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return folder


def _wait_for(shim: Path, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _PATIENCE
    while subprocess.run([shim, "--version"], capture_output=True, check=False).returncode:
        if server.poll() is not None or time.monotonic() > until:
            message = "the AWS CLI v2 could not be loaded"
            raise AwsUnavailableError(message)
        time.sleep(0.1)


def _can_be_loaded() -> bool:
    """Tell whether the system's Python has the CLI v2 as a package."""
    if not Path(_PYTHON).exists() or not Path(AWS).exists():
        return False
    program = "import awscli; print(awscli.__version__)"
    found = subprocess.run([_PYTHON, "-c", program], capture_output=True, text=True, check=False)
    return found.stdout.startswith("2.")
