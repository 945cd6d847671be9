"""A person at a terminal, who types and pastes into an interactive shell."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from select import select
from typing import TYPE_CHECKING

import pexpect

from tests.support.tools import require

if TYPE_CHECKING:
    from types import TracebackType

    from tests.support.fake_aws import Place

PATIENCE = 60.0
QUIET = 0.25
"""Seconds without output after which a shell that shows its second prompt waits for more."""

OBEYED = "\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
"""The characters that a terminal obeys, within a class of a regular expression."""

_ANSI = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|[\x07\x0f]")
FIRST_PROMPT = b"ready> "
SECOND_PROMPT = b"more> "
_PROMPTS = {"PS1": FIRST_PROMPT.decode(), "PS2": SECOND_PROMPT.decode()}

_VOLATILE = (
    "_|RANDOM|SRANDOM|SECONDS|LINENO|EPOCH[A-Z]*|BASH_COMMAND|BASH_ARG[CV]|HISTCMD|TTYIDLE|[!?]|"
    "PIPESTATUS|pipestatus|status|BASH_LINENO|options|functions[a-z_]*|dis_[a-z_]*|history|"
    "historywords|ZLE_LINE_ABORTED|jobtexts|jobstates|jobdirs|OPTIND|parameters|commands"
)


@dataclass(frozen=True)
class Shell:
    """An interactive shell, how it is set up, and the command that shows what a paste changed."""

    name: str
    argv: tuple[str, ...]
    bracketed: bool = False
    set_up: str = ""
    look: str = "set -o; trap; alias; umask; export -p"
    history: bool = True


_BASH = "set -o; shopt; trap -p; alias; umask; declare -F; export -p"
_ZSH = "setopt; trap; alias; umask; functions; export -p"

SHELLS = (
    Shell("bash-bracketed", ("bash", "--norc", "--noprofile", "-i"), bracketed=True, look=_BASH),
    Shell(
        "bash",
        ("bash", "--norc", "--noprofile", "-i"),
        set_up="bind 'set enable-bracketed-paste off'",
        look=_BASH,
    ),
    Shell("bash-noediting", ("bash", "--norc", "--noprofile", "--noediting", "-i"), look=_BASH),
    # The shell of Session Manager on Amazon Linux: bash that goes by the name of sh.
    Shell("bash-as-sh", ("sh", "-i"), set_up="bind 'set enable-bracketed-paste off'", look=_BASH),
    Shell("dash", ("dash", "-i"), history=False),
    Shell("zsh-bracketed", ("zsh", "-f", "-i"), bracketed=True, look=_ZSH),
    Shell("zsh", ("zsh", "-f", "-i"), set_up="unset zle_bracketed_paste", look=_ZSH),
)


class ShellClosedError(AssertionError):
    """The person's shell is gone."""


class Terminal:
    """A shell in a pseudo-terminal."""

    def __init__(self, shell: Shell, place: Place) -> None:
        self.shell = shell
        self._place = place
        self._markers = 0
        self._child: pexpect.spawn[bytes] = pexpect.spawn(
            _program(shell, place),
            list(shell.argv[1:]),
            cwd=str(place.work),
            env={**place.environment, **_PROMPTS, "INPUTRC": os.devnull, "HISTFILE": ""},
            dimensions=(24, 80),
            timeout=PATIENCE,
        )
        self._shown = b""
        if shell.set_up:
            self.run(shell.set_up)
        # An external command, so that the shell has looked at the size of its window.
        self.run("command -p true")

    def __enter__(self) -> Terminal:  # noqa: PYI034 - Self is younger than Python 3.10
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._child.close(force=True)

    @property
    def output(self) -> str:
        """What the shell has shown, without colours and movements."""
        return _ANSI.sub(b"", self._shown).decode(errors="replace")

    def said(self, text: str) -> int:
        """Count the lines that begin with a text; dash shows them right behind its prompt."""
        return len(re.findall(rf"(?:^|[\r\n]|(?:ready|more)> ){re.escape(text)}", self.output))

    def type(self, text: str | bytes) -> None:
        """Type keys, reading what the shell shows meanwhile: else both would wait for ever."""
        keys = text.encode() if isinstance(text, str) else text
        descriptor = self._child.child_fd
        while keys:
            readable, writable, _ = select([descriptor], [descriptor], [], PATIENCE)
            if readable:
                self._read()
            elif writable:
                keys = keys[os.write(descriptor, keys[:256]) :]
            else:
                message = f"{self.shell.name} takes no keys"
                raise AssertionError(message)

    def paste(self, text: str | bytes) -> None:
        """Paste a text as a terminal does, and press Enter where the paste has not done it."""
        pasted = text.encode() if isinstance(text, str) else text
        # What the clipboard has as a line feed arrives as the Enter key.
        keys = pasted.replace(b"\n", b"\r")
        if self.shell.bracketed:
            self.type(b"\x1b[200~" + keys + b"\x1b[201~\r")
        else:
            self.type(keys if keys.endswith(b"\r") else keys + b"\r")

    def answer(self, *, again: bool = False) -> int | None:
        """Return `$?` once the shell takes commands again; None where it waits for more text.

        The question is typed right away, so it also shows that nothing eats what is typed ahead.

        again: ask again where half a command took the question for its rest.
        """
        self._markers += 1
        marker = f"marker-{self._markers}"
        # The quotes tell the answer from the echo of the question.
        question = f"echo mark''er-{self._markers}=$?\r"
        self.type(question)
        pattern = re.compile(rb"%s=(\d+)" % marker.encode())
        deadline = time.monotonic() + PATIENCE
        while (found := pattern.search(self._shown)) is None:
            if time.monotonic() > deadline:
                message = f"{self.shell.name} does not answer:\n{self.output[-2000:]}"
                raise AssertionError(message)
            if self._read(QUIET):
                continue
            if self._shows(SECOND_PROMPT):
                return None
            if again and self._shows(FIRST_PROMPT):
                self.type(question)
        return int(found[1])

    def run(self, command: str) -> int:
        """Type a command and return its status."""
        self.type(command + "\r")
        status = self.answer()
        if status is None:
            message = f"{self.shell.name} takes {command!r} for unfinished:\n{self.output[-2000:]}"
            raise AssertionError(message)
        return status

    def interrupt(self) -> None:
        """Press Ctrl-C, and wait for the prompt: what is typed before it may be thrown away."""
        self.type(b"\x03")
        deadline = time.monotonic() + PATIENCE
        while self._read(QUIET) or not self._shows(FIRST_PROMPT):
            if time.monotonic() > deadline:
                message = f"{self.shell.name} goes on after Ctrl-C:\n{self.output[-2000:]}"
                raise AssertionError(message)

    def state(self) -> list[str]:
        """Return the shell's options, traps, functions, variables and the terminal's modes."""
        path = self._place.root / "state"
        self.run(
            f"{{ {self.shell.look}; set; stty -a; }} 2>&1"
            f" | command -p grep -Ev '^(declare -. |typeset -. |export )*({_VOLATILE})=' >{path}"
        )
        return path.read_text().splitlines()

    @property
    def _leader(self) -> int | None:
        """The process of the shell itself."""
        return self._child.pid

    def _shows(self, prompt: bytes) -> bool:
        """Tell whether the shell itself, not a program that it runs, sits at this prompt."""
        reads = os.tcgetpgrp(self._child.child_fd) == self._leader
        return reads and _ANSI.sub(b"", self._shown).endswith(prompt)

    def _read(self, seconds: float = 0) -> bool:
        """Take in what the shell shows; return whether it showed something."""
        try:
            data = self._child.read_nonblocking(65536, seconds)
        except pexpect.TIMEOUT:
            return False
        except pexpect.EOF:
            message = f"{self.shell.name} was closed:\n{self.output[-2000:]}"
            raise ShellClosedError(message) from None
        self._shown += data
        return True


def _program(shell: Shell, place: Place) -> str:
    if shell.argv[0] != "sh":
        return require(shell.argv[0])
    link = place.root / "sh"
    link.symlink_to(require("bash"))
    return str(link)
