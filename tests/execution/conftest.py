"""What the execution tests share: the simulator, the real AWS CLI, and a way to run a script."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

import pexpect
import pytest

from codeocean_cmdgen.inputs.deployment_file import read_deployment_file
from codeocean_cmdgen.inputs.example import EXAMPLE
from codeocean_cmdgen.inputs.resolve import Given, Resolved, resolve
from codeocean_cmdgen.rendering.script import render
from codeocean_cmdgen.simulator import Simulator
from codeocean_cmdgen.simulator.aws import cloudshell_python, loaded_aws
from codeocean_cmdgen.simulator.host import Host, HostUnavailableError, Session
from codeocean_cmdgen.simulator.world import TARGET
from codeocean_cmdgen.steps import STEPS
from tests.fake_aws import Place
from tests.terminal import FIRST_PROMPT, PATIENCE, QUIET, SECOND_PROMPT, Shell, Terminal
from tests.tools import NEWEST_AWS, OLDEST_AWS, miss, require

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = EXAMPLE.parent


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(OLDEST_AWS, id="oldest-cli"),
        pytest.param(NEWEST_AWS, id="newest-cli", marks=pytest.mark.campaign),
    ],
)
def aws(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with an `aws` that is the real CLI v2, already loaded."""
    require(request.param)
    with loaded_aws(tmp_path_factory.mktemp("aws"), request.param) as folder:
        yield folder


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Return an empty AWS."""
    with Simulator() as simulator:
        yield simulator


def made(step: str, table: str = "", /, **values: str | tuple[str, ...]) -> Resolved:
    """Return a step made of the example values, some of them replaced."""
    (declaration,) = (one for one in STEPS if one.name == step)
    options = {
        name: Given((value,) if isinstance(value, str) else value, "option")
        for name, value in values.items()
    }
    return resolve(
        declaration,
        options,
        table=table or None,
        deployment_file=read_deployment_file(EXAMPLES / "deployment.toml"),
    )


def script(step: str, table: str = "", /, **values: str | tuple[str, ...]) -> str:
    """Return the script of such a step."""
    return render(*made(step, table, **values))


class Outcome(NamedTuple):
    """How a script ended."""

    code: int
    output: str
    errors: str

    @property
    def done(self) -> bool:
        """Whether it claims success: exit code 0 and a last line that says so."""
        claims = self.output.splitlines()[-1:] and self.output.splitlines()[-1].startswith("done: ")
        assert bool(claims) == (self.code == 0), self
        return bool(claims)


class Person:
    """Somebody at a shell of one account, who runs scripts there."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def run(self, text: str, **environment: str) -> Outcome:
        """Run a script in bash until it ends."""
        with self.start(text, **environment) as process:
            output, errors = process.communicate(timeout=600)
        return Outcome(process.returncode, output, errors)

    def start(self, text: str, **environment: str) -> subprocess.Popen[str]:
        """Start a script in a session of its own, so that it can be killed with all it started."""
        return subprocess.Popen(
            ["bash", "-c", text],
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


PersonOf = Callable[[str], Person]


def interrupt(
    operator: Person, simulator: Simulator, text: str, begun_by: str, **environment: str
) -> Outcome:
    """Run a script that really waits; press Ctrl-C once it waits for the work that a call began."""
    path = operator.environment["PATH"].replace(f"{simulator.sleep_shim_directory}:", "")
    watching = operator.start(text, PATH=path, **environment)
    deadline = time.monotonic() + 300
    while not simulator.calls(begun_by) or "sleep" not in programs_of(watching.pid):
        assert time.monotonic() < deadline, "nothing happened for five minutes"
        time.sleep(0.1)
    os.killpg(watching.pid, signal.SIGINT)
    output, errors = watching.communicate(timeout=300)
    assert "interrupted. Work in the background continues" in errors
    assert watching.returncode == 130
    return Outcome(watching.returncode, output, errors)


def programs_of(session: int) -> set[str]:
    """Return the names of the programs that run in a session of the operating system."""
    names = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            if rest.split()[3] == str(session):
                names.add(name)
    return names


def screen(operator: Person, text: str, **environment: str) -> list[str]:
    """Run a script on a terminal of 60 columns; return all that it shows, by lines."""
    shell = pexpect.spawn(
        "bash",
        ["-c", text],
        env={**operator.environment, "TERM": "xterm", **environment},
        dimensions=(24, 60),
        encoding="utf-8",
        timeout=120,
    )
    shell.expect(pexpect.EOF)
    return str(shell.before).split("\r\n")


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a `python3` that has boto3, as CloudShell's."""
    return cloudshell_python(tmp_path_factory.mktemp("python"))


PeopleOf = Callable[[Simulator, Path], PersonOf]


@pytest.fixture
def people(aws: Path, python: Path) -> PeopleOf:
    """Return a function that gives the people of a simulator, who have their homes in a folder."""

    def people(simulator: Simulator, folder: Path) -> PersonOf:
        def person(account: str) -> Person:
            home = folder / f"home-{account}"
            home.mkdir(exist_ok=True)
            path = f"{aws}:{python}:{os.environ['PATH']}"
            return Person(
                {
                    **simulator.environment(account, path=path),
                    "HOME": str(home),
                    "TMPDIR": str(folder),
                }
            )

        return person

    return people


@pytest.fixture
def person(people: PeopleOf, simulator: Simulator, tmp_path: Path) -> PersonOf:
    """Return a function that gives the person of an account."""
    return people(simulator, tmp_path)


READING = ("Get", "Describe", "List", "Head")
"""What the name of an operation begins with that changes nothing."""


def writes(simulator: Simulator) -> list[str]:
    """Return the operations asked for that change something."""
    asked = [one.operation for one in simulator.requests if one.operation]  # none: turned away
    return [operation for operation in asked if not operation.startswith(READING)]


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

    def person(self) -> HostPerson:
        """Return somebody who runs scripts there."""
        return HostPerson(self)

    def terminal(self, folder: Path) -> HostTerminal:
        """Return somebody who types and pastes there; ``folder`` is new, for odds and ends."""
        return HostTerminal(self, folder)


HostOf = Callable[..., ServicesHost]


@pytest.fixture
def host_of(aws: Path, simulator: Simulator) -> Iterator[HostOf]:
    """Return a function that boots a services instance: an account, and the options of Host."""
    with ExitStack() as hosts:

        def host_of(account: str, **options: Any) -> ServicesHost:
            try:
                host = ServicesHost(simulator, account, aws=aws, **options)
            except HostUnavailableError as reason:
                miss(str(reason))
            return hosts.enter_context(host)

        yield host_of


@pytest.fixture
def host(host_of: HostOf) -> ServicesHost:
    """Return the services instance of the target of the example values."""
    return host_of(TARGET)
