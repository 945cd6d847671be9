"""Follows a runbook in the rehearsal's world, each script exactly as generated, in its place."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from codeocean_cmdgen.inputs.deployment_file import DEPLOYMENT_FILE, read_deployment_file
from codeocean_cmdgen.inputs.resolve import resolve
from codeocean_cmdgen.isolation import private_folder, search_path
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.rehearsal.deployment_file import RehearsalFile
from codeocean_cmdgen.rehearsal.plots import PLOTS
from codeocean_cmdgen.rehearsal.shells import Ended, Shell
from codeocean_cmdgen.rehearsal.stage import ACCOUNTS, Stage
from codeocean_cmdgen.rendering.script import render
from codeocean_cmdgen.runbook import Entry, Runbook, make
from codeocean_cmdgen.simulator import Simulator
from codeocean_cmdgen.simulator.aws import any_aws, cloudshell_python
from codeocean_cmdgen.steps import DbCopyIn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.procedures import Task
    from codeocean_cmdgen.rehearsal.mishaps import Mishap
    from codeocean_cmdgen.rehearsal.person import Person
    from codeocean_cmdgen.rehearsal.plots import Plot

_MINUTE = 60
_BEGINNING = timedelta(days=1)
"""The rehearsal starts in the past, because simulated time runs ahead of the real time."""


class Row(NamedTuple):
    """The result of one entry of the runbook.

    seconds: in simulated time; here: in real time on this machine. mishap: whether something went
    wrong on purpose; the row is done if the script reacted as expected.
    """

    number: str
    title: str
    place: str
    seconds: float
    here: float
    outcome: str
    done: bool = True
    output: str = ""
    mishap: bool = False


class Rehearsal:
    """A procedure, its world, and its progress."""

    mishaps: tuple[Mishap, ...] = ()
    """The mishaps that are still to happen, each once."""
    person: Person | None = None
    """The person who pastes the scripts; if None, the rehearsal does."""

    def __init__(self, procedure: str, simulator: Simulator, aws: Path, folder: Path) -> None:
        """Build nothing yet; ``folder`` is an empty folder."""
        self.procedure, self.simulator = procedure, simulator
        self.stage = Stage(simulator, aws)
        self.file = RehearsalFile(folder / DEPLOYMENT_FILE)
        self.plot: Plot = PLOTS[procedure](self.stage, self.file)
        self.rows: list[Row] = []
        """The results of the entries so far."""
        self.folder = folder
        self._programs = f"{aws}:{cloudshell_python(folder / 'programs')}"

    @property
    def homes(self) -> list[Path]:
        """The home folders of the accounts' shells."""
        return sorted(self.folder.glob("home-*"))

    def prepare(self) -> None:
        """Build the world in its state at the beginning of the procedure."""
        self.plot.prepare(self._run_before)

    def runbook(self) -> Runbook:
        """Return the runbook with the values that are known by now."""
        return make(self.procedure, read_deployment_file(self.file.path))

    def follow(self) -> Iterator[Row]:
        """Follow the runbook entry by entry; stop after an entry that failed."""
        for number, task in enumerate(PROCEDURES[self.procedure].tasks):
            self.plot.before(task)
            for row in self._attempts(task, number):
                self.rows.append(row)
                yield row
                if not row.done:
                    return
            self.plot.after(task)
        self.plot.end()

    def _attempts(self, task: Task, number: int) -> Iterator[Row]:
        """Yield the results of a task: first those of its mishaps, then its own."""
        here = [one for one in self.mishaps if one.step is task.step and not self._why_not(task)]
        self.mishaps = tuple(one for one in self.mishaps if one not in here)
        for mishap in here:
            yield self._suffer(mishap, task, self.runbook().entries[number])
        yield self.do(task, self.runbook().entries[number])

    def _suffer(self, mishap: Mishap, task: Task, entry: Entry) -> Row:
        """Run a script with a mishap, then do what a person would do to fix it."""
        for fault in mishap.faults:
            self.simulator.faults.add(**fault._asdict())
        if mishap.in_use:
            self.stage.wait(_MINUTE)
            self.stage.write_object(task.deployment, "results", "still/writing", "late")
            self.stage.wait(_MINUTE)
        word = mishap.pasted_into or task.deployment
        account = ACCOUNTS[word] if mishap.pasted_into else entry.place.account_id
        shell = self.shell(task.step.place if task.step else "", word, account)
        if mishap.kills:
            self.simulator.faults.on_strike = shell.kill
        row = self._timed(
            entry, shell, mishap.damage(entry.script), answer=mishap.answer, killed=mishap.killed
        )
        self.simulator.faults.clear()
        self.plot.fix(mishap, task.deployment)
        as_expected = bool(re.search(mishap.expected, row.output))
        return row._replace(
            title=f"fault: {mishap.about}",
            outcome=f"{row.outcome}; {mishap.remedy}",
            done=as_expected and mishap.survives in {None, row.done},
            mishap=True,
        )

    def do(self, task: Task, entry: Entry) -> Row:
        """Do the task of an entry of the runbook."""
        reason = self._why_not(task)
        if task.step is None:
            word = "already done" if task.prose.seen_to else "by hand"
            done = not self.person or bool(task.prose.seen_to) or self.person.does(entry)
            return Row(entry.number, entry.title, task.deployment, 0, 0, word, done)
        if reason:
            return Row(entry.number, entry.title, _short(entry), 0, 0, f"skipped: {reason}")
        shell = self.shell(task.step.place, task.deployment, entry.place.account_id)
        return self._timed(entry, shell, entry.script)

    def _timed(self, entry: Entry, shell: Shell, text: str, **mishap: str) -> Row:
        begun, begun_here = self.simulator.clock.now(), time.monotonic()
        ended = self.person.pastes(entry, shell, text) if self.person and not mishap else None
        ended = ended or shell.run(text, **mishap)
        return Row(
            entry.number,
            entry.title,
            _short(entry),
            (self.simulator.clock.now() - begun).total_seconds(),
            time.monotonic() - begun_here,
            ended.last_line,
            ended.done,
            ended.output,
        )

    def _why_not(self, task: Task) -> str:
        if task.step is None:
            return ""
        if task.step is DbCopyIn:
            return self.stage.missing.database
        return self.stage.missing.host if task.step.place == "host" else ""

    def shell(self, place: str, word: str, account: str) -> Shell:
        """Return a new shell in an account's CloudShell or on a deployment's services instance."""
        if place == "host":
            host = self.stage.hosts[word]
            return Shell(
                lambda script: host.session_command("sh", *_how(script)), host.user_environment()
            )
        home = self.folder / f"home-{account}"
        home.mkdir(mode=0o700, exist_ok=True)
        environment = self._environment(account, home)
        return Shell(lambda script: ["bash", *_how(script)], environment, home)

    def _environment(self, account: str, home: Path) -> dict[str, str]:
        """Return the environment of an account's CloudShell."""
        path = f"{self._programs}:{search_path()}"
        return {
            **self.simulator.environment(account, path=path),
            "HOME": str(home),
            "TMPDIR": str(home),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
        }

    def _run_before(self, word: str, step: type[Any]) -> None:
        """Run a step's script before the procedure begins; raise RuntimeError if it fails."""
        if self.stage.missing.host:
            return
        file = read_deployment_file(self.file.path)
        made, origins = resolve(step, {}, table=word, deployment_file=file, own_stack_json=False)
        ended: Ended = self.shell(step.place, word, made.account_id).run(render(made, origins))
        if not ended.done:
            message = f"{step.name} of the {word} failed: {ended.output}"
            raise RuntimeError(message)


def _how(script: str) -> tuple[str, ...]:
    return ("-c", script) if script else ("-i",)


def _short(entry: Entry) -> str:
    return f"{entry.place.deployment}: {entry.place.shell}"


class Staging:
    """Sets up what a rehearsal needs. Use it as a context manager."""

    def __init__(self, procedure: str, kind: type[Rehearsal] = Rehearsal) -> None:
        """Set up nothing yet."""
        self._procedure, self._kind, self._closing = procedure, kind, ExitStack()

    def __enter__(self) -> Rehearsal:
        """Return a rehearsal whose world is still empty."""
        with ExitStack() as closing:
            # Nobody else may enter the folder, so nobody else can read anything in it.
            temporary = TemporaryDirectory(prefix="rehearsal-", dir=private_folder())
            folder = Path(closing.enter_context(temporary))
            (folder / "aws").mkdir()
            aws = closing.enter_context(any_aws(folder / "aws"))
            beginning = datetime.now(timezone.utc) - _BEGINNING
            simulator = closing.enter_context(Simulator(1.0, beginning))
            rehearsal = self._kind(self._procedure, simulator, aws, folder)
            closing.callback(rehearsal.stage.close)
            self._closing = closing.pop_all()
            return rehearsal

    def __exit__(self, *_: object) -> None:
        """Remove the world."""
        self._closing.close()
