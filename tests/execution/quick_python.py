"""Runs the Python program of a script in a fork of a process that has botocore loaded.

A process of its own costs half a second of imports, and some more before it asks S3 again; a fork
that does not wait takes a tenth. So one test may strike every request with a fault.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path


class Ended(NamedTuple):
    """How a program ended: a negative code is the signal that ended it."""

    code: int | None
    output: str
    errors: str

    @property
    def done(self) -> bool:
        """Whether the last thing that it answers is since when it is done."""
        return self.code == 0 and self.output.endswith(("Z\n", "done\n"))


class Program(NamedTuple):
    """The Python program of a script, and what the script gives it."""

    text: str
    arguments: list[str]
    environment: dict[str, str]

    def start(self, folder: Path) -> ForkServerProcess:
        """Start it, with its input and output in a folder, and tell it to go on."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.execution.botocore_loaded"])
        process = context.Process(target=_run, args=(*self, folder))
        process.start()
        return process

    def run(self, folder: Path) -> Ended:
        """Run it until it ends."""
        return ended(self.start(folder), folder)


def ended(process: ForkServerProcess, folder: Path) -> Ended:
    process.join()
    return Ended(process.exitcode, *((folder / name).read_text() for name in ("out", "err")))


def program_of(script: str) -> str:
    """Take the program out of a script."""
    return script.partition("<<'END_OF_PYTHON'\n")[2].partition("END_OF_PYTHON\n")[0]


def _run(text: str, arguments: list[str], environment: dict[str, str], folder: Path) -> None:
    (folder / "in").write_text("go\n")
    for target, name in enumerate(("in", "out", "err")):
        flags = os.O_RDWR | os.O_CREAT | (os.O_TRUNC if target else 0)
        os.dup2(os.open(folder / name, flags), target)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["program.py", *arguments]
    # multiprocessing gave it an empty input of its own
    sys.stdin = os.fdopen(0)
    time.sleep = lambda _seconds: None
    exec(compile(text, "program.py", "exec"), {"__name__": "__main__"})
