"""Runs the program of a script in a fork of a process that has botocore loaded.

A process of its own costs half a second of imports, and some more before it asks S3 again; a fork
that does not wait takes a tenth. So one test may strike every request with a fault.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import re
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
    """The program of a script, and what the script gives it."""

    modules: dict[str, str]
    """The texts of the modules by their names; the first is the one that runs."""
    arguments: list[str]
    environment: dict[str, str]

    def start(self, folder: Path) -> ForkServerProcess:
        """Start it, with its input and output in a folder, and tell it to go on."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.support.botocore_loaded"])
        process = context.Process(target=_run, args=(*self, folder))
        process.start()
        return process

    def run(self, folder: Path) -> Ended:
        """Run it until it ends."""
        return ended(self.start(folder), folder)


def ended(process: ForkServerProcess, folder: Path) -> Ended:
    process.join()
    return Ended(process.exitcode, *((folder / name).read_text() for name in ("out", "err")))


def modules_of(script: str) -> dict[str, str]:
    """Take the modules out of a script."""
    pattern = r"^  cat >program/(\w+)\.py <<'END_OF_PYTHON'\n(.*?)^END_OF_PYTHON\n"
    return dict(re.findall(pattern, script, re.MULTILINE | re.DOTALL))


def _run(
    modules: dict[str, str], arguments: list[str], environment: dict[str, str], folder: Path
) -> None:
    main = next(iter(modules))
    package = folder / main / "program"
    if not package.exists():
        package.mkdir(parents=True)
        for name, text in {"__init__": "", **modules}.items():
            (package / f"{name}.py").write_text(text)
    (folder / "in").write_text("go\n")
    for target, name in enumerate(("in", "out", "err")):
        flags = os.O_RDWR | os.O_CREAT | (os.O_TRUNC if target else 0)
        os.dup2(os.open(folder / name, flags), target)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [main, *arguments]
    # multiprocessing gave it an empty input of its own
    sys.stdin = os.fdopen(0)
    time.sleep = lambda _seconds: None
    sys.path.insert(0, str(package.parent))
    importlib.import_module(f"program.{main}").main()
