"""datasets-not-cached on a simulated host: run once, followed to its end, judged as it ended."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from codeocean_cmdgen.simulator import Simulator
from codeocean_cmdgen.simulator.host import HostUnavailableError
from codeocean_cmdgen.simulator.world import TARGET
from tests.support.people import Outcome, script
from tests.support.quick_aws import remember_the_guard
from tests.support.services_host import ServicesHost
from tests.support.tools import miss

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from codeocean_cmdgen.simulator.host import Session

STEP = "datasets-not-cached"
UNIT = f"codeocean-cmdgen-{STEP}"

# Answers /health and /jobs/ID with what a file of that name holds: a status, and JSON.
SERVICE = """
import pathlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        with open("/run/test/asked", "a") as asked:
            print(self.path, file=asked)
        file = pathlib.Path("/run/test") / self.path.strip("/").replace("/", "-")
        status, _, body = file.read_text().partition(" ") if file.exists() else ("404", "", "{}")
        self.send_response(int(status))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())
        while (later := file.with_name(file.name + ".next")).exists():
            file = later.rename(file).with_name(later.name)

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("localhost", 8105), Handler).serve_forever()
"""


class Place(NamedTuple):
    """The target's instance, and a folder that commands, job service and tests share."""

    host: ServicesHost
    folder: Path

    def text(self, command: str, **values: str) -> str:
        return script(STEP, command=command, **values)

    def run(self, command: str, /, **options: str) -> Outcome:
        """Run the step; upper-case options are variables of the shell."""
        values = {name: text for name, text in options.items() if name.islower()}
        settings = {name: text for name, text in options.items() if name.isupper()}
        return self.host.person().run(self.text(command, **values), **settings)

    @contextmanager
    def start(self, command: str) -> Iterator[Session]:
        with self.host.person().start(self.text(command)) as session:
            try:
                yield session
            finally:
                session.end()

    def job(self, name: str, *answers: tuple[int, Any]) -> None:
        """Let the job service answer so, one answer after the other; the last one stays."""
        for number, (status, answer) in enumerate(answers):
            later = ".next" * number
            (self.folder / f"jobs-{name}{later}").write_text(f"{status} {json.dumps(answer)}")

    def wait_for(self, name: str) -> None:
        until = time.monotonic() + 120
        while not (self.folder / name).exists():
            assert time.monotonic() < until, name
            time.sleep(0.02)

    def record(self) -> list[str]:
        file = self.host.path(f"/data/.codeocean-cmdgen/{STEP}--first")
        lines = file.read_text().splitlines() if file.exists() else []
        return [line.partition(" ")[2] for line in lines]

    def ran(self) -> int:
        """Return how often a command that counts itself was run."""
        file = self.folder / "count"
        return len(file.read_text().split()) if file.exists() else 0

    def reset(self) -> None:
        records = f"/data/.codeocean-cmdgen/{STEP}*"
        self.host.root("bash", "-c", f"systemctl stop {UNIT}; rm -rf {records} /run/test/*")


def begun(outcome: Outcome) -> None:
    assert outcome.code == 4
    (line,) = outcome.output.splitlines()
    assert line.startswith(f"started: {STEP} runs in the background as unit {UNIT}.")


NO_JOB = "done: the command ended with exit code 0; no job was recognized in its output\n"
COUNT = "echo x >>/run/test/count; "
HOLD = "echo it runs; >/run/test/begun; until [[ -e /run/test/go ]]; do /usr/bin/sleep 0.05; done"


@pytest.fixture(scope="module")
def booted(aws: Path) -> Iterator[Place]:
    try:
        with Simulator() as simulator, ServicesHost(simulator, TARGET, aws=aws) as host:
            remember_the_guard(host)
            host.root("mkdir", "--mode=777", "/run/test")
            with host.popen(["python3", "-c", SERVICE]) as service:
                yield Place(host, host.path("/run/test"))
                service.kill()
    except HostUnavailableError as reason:
        miss(str(reason))


@pytest.fixture
def place(booted: Place) -> Place:
    booted.reset()
    return booted


# The command.


def test_run_once_and_shown(place: Place) -> None:
    command = COUNT + "for i in {1..9}; do echo line $i; done; echo oops >&2; echo $PWD $HOME"
    plan = place.run(command, PLAN="1")
    assert plan.output == "plan: the above would be done; nothing was changed\n"
    assert place.ran() == len(place.record()) == 0
    outcome = place.run(command)
    assert outcome.done
    assert outcome.output == NO_JOB
    shown = [line[2:] for line in outcome.errors.splitlines() if line.startswith("| ")]
    assert shown[:11] == [*(f"line {i}" for i in range(1, 10)), "oops", "/ /root"]
    assert place.record() == ["started", "completed"]
    again = place.run(command)
    assert again.done
    assert "run first of datasets-not-cached was completed at 20" in again.output
    assert again.output.endswith(", and was not checked since\n")
    assert place.ran() == 1
    assert place.run(command, run="second").done
    assert place.ran() == 2


def test_a_failure_is_one_and_may_be_tried_again(place: Place) -> None:
    command = COUNT + "echo why; [[ -e /run/test/works ]]"
    outcome = place.run(command)
    assert outcome.code == 1
    assert "| why\n" in outcome.errors
    assert "stopped: the command failed with exit code 1" in outcome.errors
    assert place.record() == ["started", "failed"]
    (place.folder / "works").touch()
    assert place.run(command).done
    assert place.ran() == 2


@pytest.mark.parametrize(
    "words",
    [
        "echo 'done: all is well'",
        "printf 'done: no line end'",
        r"printf 'x\rdone: all is well\n'",
        r"printf '\033[2K\ndone: all\n\n'",
        "echo '| done: all'; echo completed",
    ],
)
def test_no_output_passes_for_an_outcome(place: Place, words: str) -> None:
    outcome = place.run(f"{words}; exit 3")
    assert outcome.code == 1
    assert outcome.output == ""
    said = [
        line for line in outcome.errors.splitlines() if "done" in line and "command:" not in line
    ]
    assert all(line.startswith(("| ", "stopped: the work ended before")) for line in said)
    assert "\r" not in outcome.errors
    assert "\x1b" not in outcome.errors


def test_what_it_leaves_running_is_not_waited_for(place: Place) -> None:
    begin = time.monotonic()
    assert place.run("/usr/bin/sleep 60 & echo started").done
    assert time.monotonic() - begin < 30


def test_another_host_is_refused(place: Place) -> None:
    outcome = place.run(COUNT, stack_name="codeocean-new")
    assert outcome.code == 3
    assert place.ran() == 0


# Sessions and works that die.


def test_the_session_may_die(place: Place) -> None:
    with place.start(COUNT + HOLD) as process:
        place.wait_for("begun")
        process.end()
    planned = place.run(COUNT + HOLD, PLAN="1")
    assert planned.output.startswith("plan: the command is running already")
    begun(place.run(COUNT + HOLD, WATCH="0"))
    with place.start(COUNT + HOLD) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "| it runs\n"
        (place.folder / "go").touch()
        assert process.communicate(timeout=60)[0] == NO_JOB
    assert place.ran() == 1


def test_a_command_whose_end_nobody_knows_is_run_again_only_when_told(place: Place) -> None:
    with place.start(COUNT + HOLD) as process:
        place.wait_for("begun")
        place.host.root("systemctl", "kill", "--signal=KILL", UNIT)
        output, errors = process.communicate(timeout=60)
        assert (process.returncode, output) == (1, "")
        assert "the work ended before it was done" in errors
    (place.folder / "go").touch()
    for settings, code in (({}, 2), ({"CONFIRM": "yes"}, 2), ({"PLAN": "1"}, 0)):
        outcome = place.run(COUNT + HOLD, **settings)
        assert outcome.code == code
        assert not outcome.output.startswith("done")
        assert "warning: it is unknown how the command or its job ended" in outcome.errors
        assert "It may still be running, in a container too. Check: ps -ef" in outcome.errors
    assert place.ran() == 1
    assert place.run(COUNT + HOLD, CONFIRM="datasets-not-cached").done
    assert place.ran() == 2


def test_a_command_that_hangs_can_be_stopped(place: Place) -> None:
    begun(place.run(COUNT + HOLD, WATCH="0"))
    place.wait_for("begun")
    place.host.root("systemctl", "stop", UNIT)
    refused = place.run(COUNT)
    assert refused.code == 2
    assert "the command may still be running" in refused.errors
    assert place.ran() == 1


def test_the_work_of_another_script_is_not_followed(place: Place) -> None:
    begun(place.run(COUNT + HOLD, WATCH="0"))
    place.wait_for("begun")
    for settings in ({}, {"WATCH": "0"}):
        outcome = place.run(COUNT, run="second", **settings)
        assert (outcome.code, outcome.output) == (1, "")
        assert "was started by another script (other values or release)" in outcome.errors
    (place.folder / "go").touch()
    assert place.run(COUNT + HOLD).done
    assert place.ran() == 1


def test_work_of_another_script_that_takes_the_place_is_not_followed(place: Place) -> None:
    place.job("17", (200, {"job_status": "running"}))
    with place.start("echo '{\"job_id\": 17}'") as process:
        place.wait_for("asked")
        place.host.path(f"/var/lib/codeocean-cmdgen/{STEP}").write_text("another script\n")
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert "was started by another script (other values or release)" in errors


# The start of the work, and its end.

FILES = f"/var/lib/codeocean-cmdgen/{STEP}"


@contextmanager
def replaced(place: Place, program: str, text: str) -> Iterator[None]:
    """Let a script of bash run instead of a program of the host."""
    file = place.host.path(f"/usr/local/bin/{program}")
    file.write_text(f'#!/bin/bash\n{text}\nexec /usr/bin/{program} "$@"\n')
    file.chmod(0o755)
    try:
        yield
    finally:
        file.unlink()


def test_work_that_cannot_start_leaves_text_and_log_of_the_last(place: Place) -> None:
    assert place.run(COUNT).done
    files = [place.host.path(f"{FILES}{suffix}") for suffix in ("", ".log")]
    last = [file.read_text() for file in files]
    place.host.root("systemctl", "mask", "--runtime", f"{UNIT}.service")
    try:
        refused = place.run(COUNT, run="second")
    finally:
        place.host.root("systemctl", "unmask", "--runtime", f"{UNIT}.service")
    assert (refused.code, refused.output) == (1, "")
    assert "systemd cannot start the work; nothing was started" in refused.errors
    assert [file.read_text() for file in files] == last
    assert place.run(COUNT, run="second").done
    assert place.ran() == 2


def test_a_start_that_takes_too_long_is_not_waited_for(place: Place) -> None:
    assert place.run(COUNT).done
    holder = ("flock", f"{FILES}.start", "tail", "--follow", "/dev/null")
    place.host.root("systemd-run", "--unit=holder", *holder)
    try:
        refused = place.run(COUNT, run="second")
    finally:
        place.host.root("systemctl", "stop", "holder")
    assert (refused.code, refused.output) == (1, "")
    assert f"another session has locked {FILES}.start for 15 s" in refused.errors
    assert place.run(COUNT, run="second").done
    assert place.ran() == 2


def test_work_has_ended_only_if_systemd_says_so(place: Place) -> None:
    """Otherwise another script starts, and takes what this work says for its own."""
    begun(place.run(COUNT + HOLD, WATCH="0"))
    place.wait_for("begun")
    with replaced(place, "systemctl", f'[[ "$*" == "is-active {UNIT}" ]] && exit 1'):
        for text in (COUNT, COUNT + HOLD):
            outcome = place.run(text)
            assert (outcome.code, outcome.output) == (1, "")
            assert "systemd does not answer. Paste the script again." in outcome.errors
    (place.folder / "go").touch()
    assert place.run(COUNT + HOLD).done
    assert place.ran() == 1


def test_the_end_of_another_scripts_work_is_not_reported(place: Place) -> None:
    """Between the end of the work and its last line, another script may start work, which ends."""
    other = f"""
        if [[ "$*" == "--lines=1 {FILES}.log" && -e /run/test/go ]] &&
          ! /usr/bin/systemctl is-active --quiet {UNIT}; then
          echo 'another script' >{FILES}
          echo 'done: of the other' >{FILES}.log
        fi"""
    with replaced(place, "tail", other), place.start(COUNT + HOLD) as process:
        place.wait_for("begun")
        (place.folder / "go").touch()
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert "was started by another script (other values or release)" in errors


def test_only_the_last_line_says_done(place: Place) -> None:
    """The log has its last line a moment before systemd reports the end."""
    late = f"""
        if [[ "$*" == "is-active {UNIT}" && -e /run/test/begun ]] &&
          (($(wc --lines </run/test/late) < 3)); then
          touch /run/test/go
          until grep --quiet ^done: {FILES}.log; do /usr/bin/sleep 0.05; done
          echo late >>/run/test/late
          echo active
          exit
        fi"""
    (place.folder / "late").touch()
    with replaced(place, "systemctl", late):
        outcome = place.run(COUNT + HOLD)
    assert outcome.done
    assert (place.folder / "late").read_text() == "late\n" * 3
    assert "done: " not in outcome.errors


def test_a_record_waits_for_that_of_another_session(place: Place) -> None:
    assert place.run(COUNT).done
    holder = ("flock", "/data/.codeocean-cmdgen", "tail", "--follow", "/dev/null")
    place.host.root("systemd-run", "--unit=holder", *holder)
    try:
        refused = place.run(COUNT, run="second")
    finally:
        place.host.root("systemctl", "stop", "holder")
    assert (refused.code, refused.output) == (1, "")
    assert "another session has locked /data/.codeocean-cmdgen for 15 s" in refused.errors
    assert place.ran() == 1
    assert place.run(COUNT, run="second").done


# The job.


@pytest.mark.parametrize(
    ("words", "job"),
    [
        ("echo working; echo '{\"job_id\": 17}'", "17"),
        ('printf \'{\\n  "a": 1,\\n  "jobId": "x y"\\n}\\n\\n\'', "x%20y"),
        ('echo \'{"job_id": 1}\'; echo \'{"id": "b"}\'', "b"),
        ("printf 0c8bf2e4-1b5a", "0c8bf2e4-1b5a"),
    ],
)
def test_a_job_is_followed_to_its_end(place: Place, words: str, job: str) -> None:
    place.job(
        job,
        (200, {"job_status": "queued"}),
        (200, {"job_status": "running", "processed": 3, "total": 10, "name": "\x1b"}),
        (503, "not now"),
        (200, {"job_status": "running", "processed": 3, "total": 10}),
        (200, {"job_status": "Completed"}),
    )
    outcome = place.run(COUNT + words)
    assert outcome.done
    assert outcome.output.endswith(f"its job {job} is completed\n")
    log = place.host.path(f"/var/lib/codeocean-cmdgen/{STEP}.log").read_text()
    assert f"job {job}: queued, " in log
    assert f"job {job}: running, processed 3, total 10, " in log
    assert f"job {job}: no answer, " in log
    assert place.record() == ["started", f"answered job {job}", "completed"]
    assert place.run(COUNT + words).done
    assert place.ran() == 1


@pytest.mark.parametrize(
    "words", [":", "echo OK", "echo all 12345678 done", "echo 17", "echo '[1]'"]
)
def test_what_is_no_job_is_not_followed(place: Place, words: str) -> None:
    outcome = place.run(words)
    assert outcome.output == NO_JOB
    assert "jq:" not in outcome.errors
    assert not (place.folder / "asked").exists()


def test_a_job_that_fails_is_a_failure(place: Place) -> None:
    place.job("17", (200, {"job_status": "running"}), (200, {"job_status": "failed"}))
    command = COUNT + "echo '{\"job_id\": 17}'"
    outcome = place.run(command)
    assert outcome.code == 1
    assert "stopped: job 17 ended failed" in outcome.errors
    place.job("17", (200, {"job_status": "completed"}))
    assert place.run(command).done
    assert place.ran() == 2


def test_a_job_that_nobody_knows_is_no_success(place: Place) -> None:
    command = COUNT + "echo '{\"job_id\": 17}'"
    outcome = place.run(command)
    assert outcome.code == 1
    told = "no answer about the job from http://localhost:8105/jobs/17: its result is unknown"
    assert told in outcome.errors
    assert place.record() == ["started", "answered job 17", "lost job 17"]
    assert place.run(command).code == 2
    assert place.ran() == 1
    again = place.run(command, CONFIRM="datasets-not-cached")
    assert again.code == 1
    assert place.ran() == 2


def test_a_lost_job_that_answers_again_is_followed_without_the_command(place: Place) -> None:
    command = COUNT + "echo '{\"job_id\": 17}'"
    assert place.run(command).code == 1
    place.job("17", (200, {"job_status": "running"}), (200, {"job_status": "completed"}))
    planned = place.run(command, PLAN="1")
    assert "only its job would be followed" in planned.errors
    assert place.record()[-1] == "lost job 17"
    place.job("17", (200, {"job_status": "running"}), (200, {"job_status": "completed"}))
    assert place.run(command).output.endswith("its job 17 is completed\n")
    assert place.record()[-2:] == ["answered job 17", "completed"]
    assert place.ran() == 1


def test_killed_while_it_follows_a_job_it_goes_on_without_the_command(place: Place) -> None:
    place.job("17", (200, {"job_status": "running"}))
    command = COUNT + "echo '{\"job_id\": 17}'"
    begun(place.run(command, WATCH="0"))
    place.wait_for("asked")
    place.host.root("systemctl", "kill", "--signal=KILL", UNIT)
    place.job("17", (200, {"job_status": "completed"}))
    outcome = place.run(command)
    assert outcome.done
    assert "only its job would be followed" in outcome.errors
    assert place.ran() == 1


# Health.


def test_the_service_must_be_active(place: Place) -> None:
    place.host.root("systemctl", "stop", "codeocean")
    outcome = place.run(COUNT)
    place.host.root("systemctl", "start", "codeocean")
    assert outcome.code == 1
    assert "run service-start first" in outcome.errors
    assert place.ran() == 0


@pytest.mark.parametrize(
    ("url", "answer", "says"),
    [
        ("http://localhost:8105/health", "200 ", ""),
        ("http://localhost:8105/health", "", "warning: there is no http://localhost:8105/health"),
        ("http://localhost:8106/health", "", "warning: there is no http://localhost:8106/health"),
        ("http://localhost:8105/health", "503 ", "stopped: codeocean is active, but not healthy"),
    ],
)
def test_the_service_must_be_well(place: Place, url: str, answer: str, says: str) -> None:
    if answer:
        (place.folder / "health").write_text(answer)
    outcome = place.run(COUNT, health_url=url)
    assert says in outcome.errors
    assert ("warning" in outcome.errors) == says.startswith("warning")
    assert outcome.done == (not says.startswith("stopped"))
    assert place.ran() == outcome.done
