"""The shells that scripts are pasted into, and the answers to their confirmations."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pexpect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_QUESTION = re.compile(r"[Tt]ype (\S+) to (?:go on|confirm): ")
_MOVEMENTS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PATIENCE = 900.0  # seconds without output; a script shows its progress far more often
_COLUMNS = 100
_DOOR = """\
#!/bin/sh
exec {python} -I /dev/fd/3 3<<'END'
import os
os.close(3)
os.chdir({folder!r})
command = {command!r}
os.execvpe(command[0], command, {environment!r})
END
"""


class Ended(NamedTuple):
    """How a script ended."""

    code: int
    output: str

    @property
    def last_line(self) -> str:
        """The last line of its output."""
        lines = [line for line in self.output.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    @property
    def done(self) -> bool:
        """Whether it reports success by its exit code and last line."""
        return self.code == 0 and self.last_line.startswith("done: ")


@dataclass
class Shell:
    """A terminal in one place: an account's CloudShell, or a session on a services instance."""

    command: Callable[[str], Sequence[str]]
    """Returns the command that runs a script there; for an empty script, an interactive shell."""
    environment: dict[str, str]
    """The whole environment: nothing is inherited from the process that opens the shell."""
    folder: Path = Path("/")
    """The start folder; a session on a services instance chooses its own."""
    _child: Any = None

    def kill(self) -> None:
        """Kill the running process, if there is one."""
        if self._child and self._child.isalive():
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)

    def door(self) -> str:
        """Return a program that opens this shell in a person's own terminal.

        It passes no variables on a command line, which every user of the machine could read.
        """
        return _DOOR.format(
            python=shlex.quote(sys.executable),
            folder=str(self.folder),
            command=list(self.command("")),
            environment=self.environment,
        )

    def run(self, script: str, *, answer: str = "", killed: str = "") -> Ended:
        """Run a script to its end, and type each confirmation that it asks for.

        answer: the answer that is typed instead. killed: the output at which the shell is killed.
        """
        program, *arguments = self.command(script)
        child: Any = pexpect.spawn(
            program,
            arguments,
            env=self.environment,
            cwd=str(self.folder),
            timeout=_PATIENCE,
            dimensions=(24, _COLUMNS),
            encoding="utf-8",
            codec_errors="replace",
        )
        self._child, shown = child, ""
        awaited = [pexpect.EOF, _QUESTION, *([re.compile(re.escape(killed))] if killed else [])]
        while found := child.expect(awaited):
            shown += child.before + child.after
            if awaited[found] is _QUESTION:
                child.sendline(answer or child.match[1])
            else:
                self.kill()
        shown += child.before
        child.close()
        return Ended(child.exitstatus if child.exitstatus is not None else 1, _plain(shown))


def _plain(shown: str) -> str:
    """Return what remains on the screen: of a rewritten line, only its last state."""
    lines = _MOVEMENTS.sub("", shown).replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
