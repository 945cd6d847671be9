"""The shells that scripts are pasted into, and the person who answers what they ask."""

from __future__ import annotations

import os
import re
import shlex
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pexpect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_QUESTION = re.compile(r"type (\S+) to go on: ")
_MOVEMENTS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PATIENCE = 900.0  # seconds without a word; a script tells of itself far more often
_COLUMNS = 100


class Ended(NamedTuple):
    """How a script ended."""

    code: int
    output: str

    @property
    def last_line(self) -> str:
        """What it said last."""
        lines = [line for line in self.output.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    @property
    def done(self) -> bool:
        """Whether it claims success, by exit code and last line."""
        return self.code == 0 and self.last_line.startswith("done: ")


@dataclass
class Shell:
    """A terminal in one place: an account's CloudShell, or a session on a services instance."""

    command: Callable[[str], Sequence[str]]
    """Returns the command that runs a script there; without one, a shell to type into."""
    environment: dict[str, str]
    _child: Any = None

    def kill(self) -> None:
        """Kill what runs there, if anything does."""
        if self._child and self._child.isalive():
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)

    def door(self) -> str:
        """Return a script that opens this shell in a person's own terminal."""
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        return f"#!/bin/sh\nexec {shlex.join(['env', '-i', *variables, *self.command('')])}\n"

    def run(self, script: str, *, answer: str = "", killed: str = "") -> Ended:
        """Run a script to its end, as a person who types each word that it wants.

        answer: the word that is typed instead. killed: the words at which the shell dies.
        """
        program, *arguments = self.command(script)
        child: Any = pexpect.spawn(
            program,
            arguments,
            env=self.environment,
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
    """Return what stays on the screen: a line that was rewritten, as it was last."""
    lines = _MOVEMENTS.sub("", shown).replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
