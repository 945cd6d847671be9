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
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import cache
from pathlib import Path
from select import select
from tempfile import mkdtemp
from typing import Any, NoReturn

from codeocean_cmdgen.simulator.aws import shim
from codeocean_cmdgen.simulator.inside.aws_server import (
    Call,
    receive,
    report_end,
    take_files,
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
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}.new")
    listener.listen(64)
    Path(f"{path}.new").rename(path)
    waited: list[Any] = [listener, sys.stdin]
    while sys.stdin not in select(waited, [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            answer(connection)
        connection.close()
    shutil.rmtree(Path(path).parent)


def answer(connection: socket.socket) -> NoReturn:
    """Run one call in a process of its own, and tell the shim how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    call = receive(connection)
    ended, running = os.pipe()
    if runner := os.fork():
        os.close(running)
        report_end(connection, runner, ended)
    connection.close()
    take_files(call)
    take_place(call)
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace")
    code = 0
    try:
        run(call)
    except SystemExit as end:
        if isinstance(end.code, str):
            raise
        code = end.code or 0
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - wait for its threads
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # an interpreter that ends would touch all that it has inherited


def run(call: Call) -> None:
    """Do what the Python that was called with these arguments does."""
    arguments = [one for one in call.arguments if one not in ("-E", "-I")]
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
