"""A `python3` with boto3 that is loaded once, and forked for each program of a script.

A process of its own would cost half a second of imports. What a program asks S3, and how long it
waits between attempts, is the same.

    python3 -s loaded_python.py SOCKET      serves until its standard input ends
"""

from __future__ import annotations

import atexit
import gc
import os
import runpy
import shutil
import socket
import subprocess
import sys
import threading
import time
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from codeocean_cmdgen.simulator.aws import shim
from codeocean_cmdgen.simulator.inside.aws_server import (
    Call,
    take_calls,
    take_place,
)
from tests.support.project import ROOT


@cache
def loaded_python() -> Path:
    """Return the program; the process that it calls ends with this one."""
    folder = Path(mkdtemp(prefix="loaded-python-"))
    program = shim(folder, "python3")
    server = subprocess.Popen(
        [sys.executable, "-s", "-m", "tests.support.loaded_python", folder / "socket"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
    )
    while not (folder / "socket").exists():
        assert server.poll() is None
        time.sleep(0.05)
    atexit.register(server.communicate)
    return program


def serve(path: str) -> None:
    """Take calls until the input ends."""
    from tests.support import botocore_loaded  # noqa: F401, PLC0415 - only here

    # A fork that collects garbage would copy all that it has inherited.
    gc.collect()
    gc.freeze()
    gc.disable()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}.new")
    listener.listen(64)
    Path(f"{path}.new").rename(path)
    take_calls(listener, run)
    shutil.rmtree(Path(path).parent)


def run(call: Call) -> None:
    """Do what the Python that was called with these arguments does."""
    take_place(call)
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace")
    try:
        run_program(call.arguments)
    finally:
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - wait for its threads


def run_program(arguments: list[str]) -> None:
    """Run what the command line of a Python names."""
    arguments = [one for one in arguments if one not in ("-E", "-I")]
    kind, *rest = arguments
    sys.path[0] = str(Path.cwd())
    if kind == "-c":
        sys.argv = [kind, *rest[1:]]
        exec(rest[0], {"__name__": "__main__"})
    elif kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    serve(sys.argv[1])
