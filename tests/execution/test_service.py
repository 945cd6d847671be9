"""service-stop and service-start on a host with a real systemd."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.execution.conftest import script

if TYPE_CHECKING:
    from tests.execution.conftest import HostOf, Outcome, ServicesHost

TARGET = "333333333333"
STOPPED = "/var/lib/codeocean-cmdgen/service-stop"
FOR_EVER = ("tail", "--follow", "/dev/null")
CRON = ("/etc/cron.d/0hourly", "/etc/cron.d/codeocean")

# The packages of a Red Hat know which files are theirs.
RPM = """#!/bin/sh
case "$*" in *0hourly) echo crontabs-1.11-1.noarch ;; *) echo "$* is not owned"; exit 1 ;; esac
"""


def stop(host: ServicesHost, **environment: str) -> Outcome:
    return host.person().run(script("service-stop"), **environment)


def start(host: ServicesHost, **environment: str) -> Outcome:
    return host.person().run(script("service-start"), **environment)


def state(host: ServicesHost) -> tuple[str, str]:
    show = ("systemctl", "show", "codeocean", "--value", "--property")
    enabled = host.root(*show, "UnitFileState").stdout.strip()
    return enabled, host.root(*show, "ActiveState").stdout.strip()


def present(host: ServicesHost, *paths: str) -> list[str]:
    return [path for path in paths if host.path(path).exists()]


@pytest.mark.parametrize("folder", ["/usr/lib/systemd/system", "/etc/systemd/system"])
def test_stop_holds_over_a_reboot_and_start_undoes_it(host_of: HostOf, folder: str) -> None:
    host = host_of(TARGET, unit_folder=folder)
    unit = host.path(f"{folder}/codeocean.service").read_text()
    assert stop(host).done
    assert state(host) == ("masked", "inactive")
    assert present(host, *CRON) == []
    host.reboot()
    assert state(host) == ("masked", "inactive")
    assert stop(host).output.startswith("done: nothing writes to /data; ")
    assert start(host).output.startswith("done: codeocean is active after ")
    assert state(host) == ("enabled", "active")
    assert host.path(f"{folder}/codeocean.service").read_text() == unit
    assert present(host, *CRON, STOPPED) == list(CRON)


def test_a_users_crontab_is_held_too(host: ServicesHost) -> None:
    crontab = host.path("/var/spool/cron/root")
    crontab.parent.mkdir(parents=True, exist_ok=True)
    crontab.write_text("* * * * * touch /data/codeocean/mark\n")
    assert stop(host).done
    assert present(host, "/var/spool/cron/root") == []
    assert start(host).done
    assert crontab.read_text().endswith("mark\n")


def test_a_late_paste_of_stop_stops_nothing_that_start_began(host: ServicesHost) -> None:
    """The start's health check may fail, or its shell die, long after people work again."""
    assert stop(host).done
    program = host.path("/usr/lib/codeocean/services/codeocean")
    program.write_text(program.read_text().replace('200 if self.path == "/health" else 404', "500"))
    assert start(host).code == 1
    outcome = stop(host)
    assert outcome.code == 1
    assert "generate with a new --run" in outcome.errors
    assert state(host) == ("enabled", "active")
    assert start(host).code == 1, "what is not well is not done"


def test_a_late_paste_of_a_run_that_another_overtook_stops_nothing(host: ServicesHost) -> None:
    assert stop(host).done
    assert host.person().run(script("service-stop", run="second")).done
    assert host.person().run(script("service-start", run="second")).done
    outcome = stop(host)
    assert outcome.code == 1
    assert "another run started the service since" in outcome.errors
    assert state(host) == ("enabled", "active")


def test_what_the_kernel_knows_alone_is_no_silence(host: ServicesHost) -> None:
    assert stop(host).done
    image = host.path("/data/codeocean/image")
    image.write_bytes(bytes(1 << 20))
    command = ["losetup", "--find", "--show", str(image)]
    device = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    try:
        outcome = stop(host)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
    assert outcome.code == 1
    assert "look at losetup" in outcome.errors
    assert stop(host).done


@pytest.mark.parametrize("step", ["volume-copy-in", "db-copy-in"])
def test_no_start_while_a_copy_works(host: ServicesHost, step: str) -> None:
    assert stop(host).done
    host.root("systemd-run", f"--unit=codeocean-cmdgen-{step}", *FOR_EVER)
    outcome = start(host)
    assert outcome.code == 1
    assert "a copy is at work" in outcome.errors
    assert state(host) == ("masked", "inactive")


def test_a_plan_that_nobody_can_read_is_no_order(host: ServicesHost) -> None:
    """Where the last line cannot be written, the script must end all the same."""
    text = script("service-stop").rstrip() + " >&-\n"
    assert host.person().run(text, PLAN="1").code == 1
    assert state(host) == ("enabled", "active")


def test_what_the_system_brought_is_left_alone(host: ServicesHost) -> None:
    host.path("/usr/bin/rpm").write_text(RPM)
    host.path("/usr/bin/rpm").chmod(0o755)
    assert stop(host).done
    assert present(host, *CRON) == ["/etc/cron.d/0hourly"]


def test_plan_changes_nothing(host: ServicesHost) -> None:
    outcome = stop(host, PLAN="1")
    assert outcome.output == "plan: all of that would be stopped; nothing was changed\n"
    assert "cron file /etc/cron.d/codeocean" in outcome.errors
    assert state(host) == ("enabled", "active")
    assert present(host, *CRON, STOPPED, "/data/.codeocean-cmdgen") == list(CRON)
    assert stop(host).done
    assert start(host, PLAN="1").code == 0
    assert state(host) == ("masked", "inactive")


def test_containers_on_the_data_volume_stop_and_others_do_not(host: ServicesHost) -> None:
    writer = "while :; do echo x >>/registry/log; sleep 1; done"
    host.path("/data/registry").mkdir()
    host.container("registry", "sh", "-c", writer, binds=["/data/registry:/registry"])
    host.container("agent", *FOR_EVER, binds=["/:/host:ro"], restart="always")
    host.container("idle", *FOR_EVER, binds=["/:/host"], restart="always")
    host.container("asleep", *FOR_EVER, binds=["/data/registry:/x"], restart="on-failure:5")
    host.root("docker", "stop", "asleep")

    def running() -> set[str]:
        return set(host.root("docker", "ps", "--format", "{{.Names}}").stdout.split())

    outcome = stop(host)
    assert outcome.done
    assert "stopping container registry" in outcome.errors
    assert running() == {"agent"}
    host.reboot()
    assert running() == {"agent"}
    assert start(host).done
    assert running() == {"agent", "idle", "registry"}
    policy = ("docker", "inspect", "--format", "{{.HostConfig.RestartPolicy.Name}}", "registry")
    assert host.root(*policy).stdout.strip() == "unless-stopped"


INTRUDERS = {
    "open-file": "exec 9>>/data/somebody; exec tail -f /dev/null",
    "working-folder": "cd /data; exec tail -f /dev/null",
    "memory-map": (
        'exec python3 -c \'import mmap, time; f = open("/data/codeocean/log"); '
        "m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); f.close(); time.sleep(1000)'"
    ),
}
"""How a process may hold on to the data volume -> a program that does."""


def test_a_process_on_the_data_volume_is_named_and_stops_the_stop(host: ServicesHost) -> None:
    for name, program in INTRUDERS.items():
        host.root("systemd-run", f"--unit={name}", "sh", "-c", program)
        time.sleep(0.5)
        outcome = stop(host)
        assert outcome.code == 1, name
        assert "  process " in outcome.errors, name
        assert "this still runs and could write to /data" in outcome.errors, name
        host.root("systemctl", "stop", name)
    assert stop(host).done


def test_a_unit_of_the_vendors_that_nobody_knows_is_stopped_too(host: ServicesHost) -> None:
    timer = "[Timer]\nOnActiveSec=1h\n[Install]\nWantedBy=multi-user.target\n"
    host.path("/etc/systemd/system/codeocean-cleanup.timer").write_text(timer)
    service = "[Service]\nExecStart=/bin/true\n"
    host.path("/etc/systemd/system/codeocean-cleanup.service").write_text(service)
    host.root("systemctl", "enable", "--now", "codeocean-cleanup.timer")
    assert stop(host).done
    active = ("systemctl", "is-active", "codeocean-cleanup.timer")
    assert host.popen(active).wait() != 0
    assert start(host).done
    assert host.popen(active).wait() == 0


def test_stopped_and_started_a_run_is_over(host: ServicesHost) -> None:
    assert stop(host).done
    assert start(host).done
    outcome = stop(host)
    assert outcome.code == 1
    assert "generate with a new --run" in outcome.errors
    assert state(host) == ("enabled", "active")
    assert host.person().run(script("service-stop", run="second")).done
    outcome = start(host)
    assert outcome.code == 1, "the first run's start must not undo the second run's stop"
    assert state(host) == ("masked", "inactive")
    assert host.person().run(script("service-start", run="second")).done
    assert start(host).output.startswith("done: codeocean is active; ")


def test_an_instance_that_took_the_place_of_a_stopped_one_is_stopped_again(
    host: ServicesHost,
) -> None:
    assert stop(host).done
    for command in (["unmask"], ["start"]):
        host.root("systemctl", *command, "codeocean")
    assert stop(host).done
    assert state(host) == ("masked", "inactive")


def die(host: ServicesHost, text: str, after: float) -> None:
    """Run a script in a session that ends so many seconds after it began."""
    with host.person().start(text) as session:
        time.sleep(after)
        session.end()


def test_a_stop_or_start_that_died_anywhere_goes_on(host: ServicesHost) -> None:
    for tenths in (6, 9, 12, 15):
        run = f"r{tenths}"
        die(host, script("service-stop", run=run), tenths / 10)
        assert host.person().run(script("service-stop", run=run)).done
        assert state(host) == ("masked", "inactive")
        die(host, script("service-start", run=run), tenths / 10)
        assert host.person().run(script("service-start", run=run)).done
        assert state(host) == ("enabled", "active")
        assert present(host, *CRON, STOPPED) == list(CRON)


def test_no_start_on_half_a_copy(host: ServicesHost) -> None:
    assert stop(host).done
    record = host.path("/data/.codeocean-cmdgen/volume-copy-in--first")
    record.write_text("2026-01-01T00:00:00Z confirmed vol-0123456789abcdef0\n")
    outcome = start(host)
    assert outcome.code == 1
    assert "a copy was begun and is not completed" in outcome.errors
    assert state(host) == ("masked", "inactive")
    record.write_text(record.read_text() + "2026-01-01T00:00:00Z completed: it is equal\n")
    assert start(host).done


def test_a_service_that_fails_is_no_success(host: ServicesHost) -> None:
    assert stop(host).done
    host.path("/usr/lib/codeocean/services/codeocean").write_text("#!/bin/sh\nexit 1\n")
    outcome = start(host)
    assert outcome.code == 1
    assert "codeocean failed to start" in outcome.errors


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("500", "stopped: codeocean is active, but unhealthy, HTTP 500"),
        ("404", "there is no http://localhost:8300/health: look for yourself"),
        ("", "it has no health endpoint that answers"),
    ],
)
def test_health_is_told_as_it_is(host: ServicesHost, status: str, words: str) -> None:
    program = host.path("/usr/lib/codeocean/services/codeocean")
    text = program.read_text()
    if status:
        text = text.replace('200 if self.path == "/health" else 404', status)
    else:
        text = text.replace('("localhost", 8300)', '("localhost", 8301)')
    program.write_text(text)
    assert stop(host).done
    outcome = start(host)
    assert outcome.done == (status != "500")
    assert words in outcome.output + outcome.errors
