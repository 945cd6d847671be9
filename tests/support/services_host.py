"""A services instance, and the people who work on it."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Callable

from codeocean_cmdgen.simulator.host import Host, Session
from tests.support.fake_aws import Place
from tests.support.people import Outcome, Person
from tests.support.terminal import FIRST_PROMPT, PATIENCE, QUIET, SECOND_PROMPT, Shell, Terminal
from tests.support.tools import JQ


class HostPerson(Person):
    """Somebody at a shell of a services instance: ssm-user in a session of Session Manager."""

    def __init__(self, host: Host) -> None:
        super().__init__(host.user_environment())
        self._host = host

    def run(self, text: str, **environment: str) -> Outcome:
        """Run a script in sh until it ends."""
        with self.start(text, **environment) as session:
            try:
                output, errors = session.communicate(timeout=600)
            except subprocess.TimeoutExpired:
                session.end()
                raise
        return Outcome(session.returncode, output, errors)

    def start(self, text: str, **environment: str) -> Session:
        """Start a script; `end()` of what is returned ends the session with all it started."""
        return self._host.session(["sh", "-c", text], environment)


class HostTerminal(Terminal):
    """An interactive shell of such a session."""

    def __enter__(self) -> HostTerminal:  # noqa: PYI034 - as above it
        return self

    def __init__(self, host: Host, folder: Path) -> None:
        place = Place.make(folder, folder)
        vars(place)["environment"] = host.user_environment()  # cached: asked for once
        command = tuple(host.session_command("sh", "-i"))
        unbracketed = "bind 'set enable-bracketed-paste off'"
        super().__init__(Shell("session-manager", command, set_up=unbracketed), place)

    def answer(self, *, again: bool = False) -> int | None:
        """Return `$?` at the next prompt: sudo's own terminal eats what is typed ahead of it."""
        deadline = time.monotonic() + PATIENCE
        while self._read(QUIET) or not (self._shows(FIRST_PROMPT) or self._shows(SECOND_PROMPT)):
            assert time.monotonic() < deadline, self.output
        return super().answer(again=again)

    def wait_for(self, text: str) -> None:
        """Wait until the terminal has shown a text."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.output:
            assert time.monotonic() < deadline, self.output
            self._read(QUIET)

    @property
    def _leader(self) -> int:
        entered = self._child.pid  # the host's processes, and waits for its child there
        return int(Path(f"/proc/{entered}/task/{entered}/children").read_text())


class ServicesHost(Host):
    """A services instance with people."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if JQ.exists():
            shutil.copy(JQ, self.path("/usr/local/bin/jq"))

    def person(self) -> HostPerson:
        """Return somebody who runs scripts there."""
        return HostPerson(self)

    def terminal(self, folder: Path) -> HostTerminal:
        """Return somebody who types and pastes there; ``folder`` is new, for odds and ends."""
        return HostTerminal(self, folder)


HostOf = Callable[..., ServicesHost]
