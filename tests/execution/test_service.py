"""service-stop and service-start on a host with a real systemd."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.people import script

if TYPE_CHECKING:
    from tests.support.people import Outcome
    from tests.support.services_host import HostOf, ServicesHost

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
    assert stop(host, PLAN="1").output.startswith("plan: nothing would be changed: ")
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


def test_a_link_among_the_cron_files_is_held_and_put_back(host: ServicesHost) -> None:
    host.path("/etc/cron.d/link").symlink_to("codeocean-jobs")
    host.path("/etc/cron.d/codeocean-jobs").write_text("* * * * * root true\n")
    assert stop(host).done
    assert list(host.path("/etc/cron.d").iterdir()) == []
    assert "cron file /etc/cron.d/link" in start(host, PLAN="1").errors
    assert start(host).done
    assert str(host.path("/etc/cron.d/link").readlink()) == "codeocean-jobs"


def test_a_late_paste_of_stop_stops_nothing_that_start_began(host: ServicesHost) -> None:
    """The start's health check may fail, or its shell die, long after people work again."""
    assert stop(host).done
    program = host.path("/usr/lib/codeocean/services/codeocean")
    program.write_text(program.read_text().replace('200 if self.path == "/health" else 404', "500"))
    assert start(host).code == 1
    outcome = stop(host)
    assert outcome.code == 1
    assert "use a new --run" in outcome.errors
    assert state(host) == ("enabled", "active")
    assert start(host).code == 1, "what is not well is not done"


def test_a_late_paste_of_a_run_that_another_overtook_stops_nothing(host: ServicesHost) -> None:
    assert stop(host).done
    assert host.person().run(script("service-stop", run="second")).done
    assert host.person().run(script("service-start", run="second")).done
    outcome = stop(host)
    assert outcome.code == 1
    assert "another run has started the service since" in outcome.errors
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
    assert "check losetup" in outcome.errors
    assert stop(host).done


def wrap(host: ServicesHost, program: str, text: str) -> None:
    """Put a script before a program of the host."""
    file = host.path(f"/usr/local/sbin/{program}")
    file.parent.mkdir(exist_ok=True)
    file.write_text(f'#!/bin/bash\n{text}\nexec /usr/bin/{program} "$@"\n')
    file.chmod(0o755)


def mount_options(host: ServicesHost) -> str:
    return host.root("findmnt", "--noheadings", "--output=OPTIONS", "/data").stdout.strip()


def test_the_kernel_is_asked_whatever_fstab_says(host: ServicesHost) -> None:
    """With `nofail` and a device that does not exist, mount does nothing and reports success."""
    assert stop(host).done
    host.root("mount", "--options=remount,nodev,nosuid", "/data")
    before = mount_options(host)
    assert before.startswith("rw,nosuid,nodev,")
    host.path("/etc/fstab").write_text("UUID=0000-0000 /data xfs defaults,nofail 0 0\n")
    image = host.path("/data/codeocean/image")
    image.write_bytes(bytes(1 << 20))
    command = ["losetup", "--find", "--show", str(image)]
    device = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    try:
        outcome = stop(host)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
    assert (outcome.code, outcome.output) == (1, "")
    assert "something writes to /data" in outcome.errors
    assert stop(host).done
    assert mount_options(host) == before
    host.root("mount", "--options-source=mtab", "--options=remount,ro", "/data")
    assert start(host).done, "service-start must not believe fstab either"
    assert mount_options(host) == before


@pytest.mark.parametrize(
    ("call", "instead", "reason"),
    [
        ("remount,ro", "true", "cannot make /data read-only: something writes to /data"),
        ("remount,rw", "true", "/data is read-only, or has other mount options than before"),
        (
            "remount,rw",
            "mount --options-source mtab --options remount,rw,nodev /data",
            "/data is read-only, or has other mount options than before",
        ),
    ],
)
def test_what_mount_reports_is_checked(
    host: ServicesHost, call: str, instead: str, reason: str
) -> None:
    wrap(host, "mount", f"[[ $* != *{call}* ]] || {{ /usr/bin/{instead}; exit; }}")
    outcome = stop(host)
    assert (outcome.code, outcome.output) == (1, "")
    assert reason in outcome.errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
def test_no_signal_leaves_the_data_volume_read_only(host: ServicesHost, number: int) -> None:
    wait = "until [[ -e /run/go ]]; do /usr/bin/sleep 0.05; done"
    wrap(host, "mount", f"[[ $* != *remount,rw* ]] || {{ /usr/bin/touch /run/between; {wait}; }}")
    with host.person().start(script("service-stop")) as session:
        until = time.monotonic() + 60
        while not host.path("/run/between").exists():
            assert time.monotonic() < until
            time.sleep(0.02)
        assert mount_options(host).startswith("ro,")
        os.killpg(session.pid, number)
        time.sleep(0.5)
        host.path("/run/go").touch()
        output, errors = session.communicate(timeout=60)
    assert "making /data read-only for a moment" in errors
    assert not output.startswith("done: ")
    time.sleep(0.5)
    assert mount_options(host).startswith("rw,")
    assert stop(host).done


@pytest.mark.parametrize("step", ["volume-copy-in", "db-copy-in"])
def test_no_start_while_a_copy_works(host: ServicesHost, step: str) -> None:
    assert stop(host).done
    host.root("systemd-run", f"--unit=codeocean-cmdgen-{step}", *FOR_EVER)
    outcome = start(host)
    assert outcome.code == 1
    assert "a copy is running in the background" in outcome.errors
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
    assert outcome.output == "plan: all of the above would be stopped; nothing was changed\n"
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

    outcome = stop(host)
    assert outcome.done
    assert "stopping container registry" in outcome.errors
    assert running(host) == {"agent"}
    host.reboot()
    assert running(host) == {"agent"}
    assert start(host).done
    assert running(host) == {"agent", "idle", "registry"}
    policy = ("docker", "inspect", "--format", "{{.HostConfig.RestartPolicy.Name}}", "registry")
    assert host.root(*policy).stdout.strip() == "unless-stopped"


def running(host: ServicesHost) -> set[str]:
    return set(host.root("docker", "ps", "--format", "{{.Names}}").stdout.split())


@pytest.mark.parametrize("policy", ["always", "unless-stopped", "on-failure"])
def test_an_exited_container_does_not_start_with_the_machine(
    host: ServicesHost, policy: str
) -> None:
    host.path("/data/registry").mkdir()
    binds = ["/data/registry:/registry"]
    identity = host.container("registry", *FOR_EVER, binds=binds, restart=policy)
    host.root("systemctl", "stop", f"docker-{identity}.service")
    plan = stop(host, PLAN="1")
    assert f"container {identity} /registry {policy} false" in plan.errors
    assert stop(host).done
    host.reboot()
    assert running(host) == set()
    assert start(host).done
    format_ = "{{.HostConfig.RestartPolicy.Name}}"
    assert host.root("docker", "inspect", "--format", format_, "registry").stdout == f"{policy}\n"


@pytest.mark.parametrize("path", ["volume", "link"])
@pytest.mark.parametrize("exited", [False, True])
def test_a_container_that_has_the_data_volume_by_another_path_is_stopped(
    host: ServicesHost, path: str, exited: bool
) -> None:
    """As from `type: none, o: bind, device: /data/registry` in a compose file."""
    host.path("/data/registry").mkdir()
    if path == "volume":
        options = ("type=none", "o=bind", "device=/data/registry")
        host.root("docker", "volume", "create", *(f"--opt={one}" for one in options), "of-data")
    else:
        host.path("/srv/of-data").symlink_to("/data/registry")
    source = "of-data" if path == "volume" else "/srv/of-data"
    identity = host.container("registry", *FOR_EVER, binds=[f"{source}:/registry"])
    host.container("other", *FOR_EVER, binds=["/srv:/registry"])
    if exited:
        host.root("systemctl", "stop", f"docker-{identity}.service")
    outcome = stop(host)
    assert outcome.done
    assert "stopping container registry" in outcome.errors
    assert running(host) == {"other"}
    host.reboot()
    until = time.monotonic() + 60
    while running(host) != {"other"}:
        units = host.root("systemctl", "list-units", "--all", "docker*").stdout
        assert time.monotonic() < until, units


def test_more_volumes_than_one_command_takes_hide_none(host: ServicesHost) -> None:
    """xargs runs docker several times for thousands of them: each answers a list of its own."""
    host.path("/data/registry").mkdir()
    options = ("--opt=type=none", "--opt=o=bind", "--opt=device=/data/registry")
    for name, *its_options in (("before",), ("of-data", *options), ("after",)):
        host.root("docker", "volume", "create", *its_options, name)
    identity = host.container("registry", *FOR_EVER, binds=["of-data:/registry"])
    host.root("systemctl", "stop", f"docker-{identity}.service")
    wrap(host, "xargs", 'exec /usr/bin/xargs --max-args=1 "$@"')
    plan = stop(host, PLAN="1")
    assert plan.code == 0
    assert f"container {identity} /registry unless-stopped false" in plan.errors


def test_a_process_in_another_namespace_with_the_data_volume_is_named(host: ServicesHost) -> None:
    """Without docker, and with no file open; a copy of our own namespace is not meant."""
    private = ("systemd-run", "--unit=private", "--property=PrivateTmp=yes", *FOR_EVER)
    host.root(*private)
    host.path("/data/registry").mkdir()
    contain = "mkdir -p /srv/x; mount --bind /data/registry /srv/x; exec tail -f /dev/null"
    space = ("unshare", "--mount", "--propagation=private", "sh", "-c", contain)
    host.root("systemd-run", "--unit=other-namespace", *space)
    time.sleep(0.5)
    outcome = stop(host)
    assert outcome.code == 1
    assert re.search(r"  process .* other-namespace", outcome.errors)
    assert " private.service" not in outcome.errors
    host.root("systemctl", "stop", "other-namespace")
    assert stop(host).done


def test_what_is_held_is_never_overwritten(host_of: HostOf) -> None:
    """`crontab -e` and a package may write again what service-stop has moved away."""
    host = host_of(TARGET, unit_folder="/etc/systemd/system")
    unit = host.path("/etc/systemd/system/codeocean.service")
    crontab = host.path("/var/spool/cron/root")
    crontab.parent.mkdir(parents=True, exist_ok=True)
    crontab.write_text("# first\n")
    before = unit.read_text()
    assert stop(host).done
    for number in ("second", "third"):
        crontab.write_text(f"# {number}\n")
        unit.unlink()
        unit.write_text(before + f"# {number}\n")
        outcome = stop(host)
        assert outcome.done
        assert "warning: /var/spool/cron/root was created again since it was held" in outcome.errors
    crontab.write_text("# fourth\n")
    outcome = start(host)
    assert outcome.done
    assert "warning: /var/spool/cron/root was created since service-stop" in outcome.errors
    assert crontab.read_text() == "# first\n"
    assert unit.read_text() == before
    kept = {file.name: file.read_text() for file in crontab.parent.iterdir()}
    assert kept == {
        "root": "# first\n",
        "root.1~": "# second\n",
        "root.2~": "# third\n",
        "root.~1~": "# fourth\n",
    }
    kept = {file.name: file.read_text() for file in unit.parent.glob("codeocean.service*")}
    assert kept == {
        unit.name: before,
        f"{unit.name}.1~": before + "# second\n",
        f"{unit.name}.2~": before + "# third\n",
    }


def test_a_cron_file_of_a_user_is_held_and_does_not_block(host: ServicesHost) -> None:
    theirs = host.path("/etc/cron.d/their job")
    theirs.write_text("* * * * * root true\n")
    os.chown(theirs, 1001, 1001)
    assert stop(host).done
    assert not theirs.exists()
    assert stop(host).done
    assert start(host).done
    assert theirs.stat().st_uid == 1001


def test_enabled_units_of_the_vendor_that_do_not_run_are_named(host: ServicesHost) -> None:
    install = "[Install]\nWantedBy=multi-user.target\n"
    folder = host.path("/etc/systemd/system")
    (folder / "codeocean-setup.service").write_text(
        f"[Service]\nType=oneshot\nExecStart=/bin/true\n{install}"
    )
    (folder / "codeocean-nightly.timer").write_text(f"[Timer]\nOnBootSec=1h\n{install}")
    (folder / "codeocean-nightly.service").write_text("[Service]\nExecStart=/bin/true\n")
    host.root("systemctl", "enable", "codeocean-setup.service", "codeocean-nightly.timer")
    outcome = stop(host)
    assert outcome.done
    named = re.findall(r"warning: (\S+) is enabled and not running", outcome.errors)
    assert sorted(named) == ["codeocean-nightly.timer", "codeocean-setup.service"]
    assert "sudo systemctl mask codeocean-setup.service" in outcome.errors


def test_other_timers_and_jobs_are_named(host: ServicesHost) -> None:
    folder = host.path("/etc/systemd/system")
    (folder / "site-sync.timer").write_text("[Timer]\nOnActiveSec=1h\n")
    (folder / "site-sync.service").write_text("[Service]\nExecStart=/bin/true\n")
    host.root("systemctl", "start", "site-sync.timer")
    for name in ("/etc/cron.daily/site", "/etc/crontab", "/var/spool/at/a00001"):
        host.path(name).parent.mkdir(parents=True, exist_ok=True)
        host.path(name).write_text("PATH=/bin\n# 1 2\n 5 * * * * root true\n")
        host.path(name).chmod(0o755)
    outcome = stop(host)
    assert outcome.done
    assert "warning: these jobs continue. If one of them writes to /data" in outcome.errors
    named = outcome.errors.splitlines()
    for job in (
        "timer site-sync.timer",
        "cron job /etc/cron.daily/site",
        "at job /var/spool/at/a00001",
        "line of /etc/crontab:  5 * * * * root true",
    ):
        assert f"  {job}" in named
    assert not [line for line in named if "crontab: PATH" in line or "crontab: #" in line]
    assert not [line for line in named if line.startswith("  timer codeocean")]


def drop_in(host: ServicesHost, unit: str, text: str) -> None:
    folder = host.path(f"/etc/systemd/system/{unit}.d")
    folder.mkdir(parents=True)
    (folder / "test.conf").write_text(text)
    host.root("systemctl", "daemon-reload")


def writer(host: ServicesHost) -> None:
    """Run a container on the data volume that docker starts with the machine."""
    host.path("/data/registry").mkdir()
    host.container("registry", *FOR_EVER, binds=["/data/registry:/x"], restart="always")


def test_docker_that_could_start_later_is_refused(host: ServicesHost) -> None:
    writer(host)
    host.root("systemctl", "stop", "docker")
    outcome = stop(host)
    assert (outcome.code, outcome.output) == (1, "")
    assert "docker is not active, so its containers cannot be examined" in outcome.errors
    assert "\n  docker.service\n" in outcome.errors
    assert state(host) == ("enabled", "active")
    host.root("systemctl", "mask", "docker.service", "docker.socket")
    assert stop(host).done
    host.reboot()
    host.root("systemctl", "unmask", "docker.service", "docker.socket")
    assert start(host).done


def test_docker_that_still_starts_is_waited_for(host: ServicesHost) -> None:
    writer(host)
    host.root("systemctl", "stop", "docker")
    drop_in(host, "docker.service", "[Service]\nExecStartPre=/bin/sleep 5\n")
    host.root("systemctl", "start", "--no-block", "docker")
    outcome = stop(host)
    assert outcome.done
    assert "stopping container registry" in outcome.errors
    assert running(host) == set()


def test_docker_that_ends_with_codeocean_is_not_no_containers(host: ServicesHost) -> None:
    writer(host)
    drop_in(host, "docker.service", "[Unit]\nPartOf=codeocean.service\n")
    outcome = stop(host)
    assert (outcome.code, outcome.output) == (1, "")
    assert "Start it, and paste the script again: sudo systemctl start docker." in outcome.errors
    host.root("systemctl", "start", "docker")
    assert running(host) == {"registry"}
    assert stop(host).done
    host.reboot()
    assert running(host) == set()


def test_docker_on_the_data_volume_is_refused(host: ServicesHost) -> None:
    host.path("/etc/docker").mkdir(exist_ok=True)
    host.path("/etc/docker/data-root").write_text("/data/docker")
    host.path("/data/docker").mkdir()
    outcome = stop(host)
    assert (outcome.code, outcome.output) == (1, "")
    assert "docker keeps its containers on /data, in /data/docker" in outcome.errors
    assert state(host) == ("enabled", "active")


def test_a_container_that_docker_will_remove_is_named(host: ServicesHost) -> None:
    host.path("/data/registry").mkdir()
    run = ("docker", "run", "--detach", "--rm", "--name")
    host.root(*run, "once", "--volume=/data/registry:/x", "image", *FOR_EVER)
    host.root(*run, "other", "image", *FOR_EVER)
    outcome = stop(host)
    assert outcome.done
    assert "warning: container once was started with --rm: docker removes it" in outcome.errors
    assert "warning: container other" not in outcome.errors
    assert running(host) == {"other"}
    assert start(host).done


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
        assert "the above could write to /data" in outcome.errors, name
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


def test_a_unit_that_a_killed_stop_has_stopped_and_not_masked_is_masked(host: ServicesHost) -> None:
    timer = "[Timer]\nOnActiveSec=1h\n[Install]\nWantedBy=multi-user.target\n"
    host.path("/usr/lib/systemd/system/codeocean-cleanup.timer").write_text(timer)
    service = "[Service]\nExecStart=/bin/true\n"
    host.path("/usr/lib/systemd/system/codeocean-cleanup.service").write_text(service)
    host.root("systemctl", "enable", "codeocean-cleanup.timer")
    assert stop(host, PLAN="1").code == 0
    host.root("bash", "-c", f"umask 077; mkdir -p {STOPPED}/{{cron,unit-files}} {STOPPED}.new/left")
    noted = "echo first >run; echo codeocean-cleanup.timer >units; touch containers"
    host.root("bash", "-c", f"umask 077; cd {STOPPED}; {noted}")
    assert stop(host).done
    host.reboot()
    active = ("systemctl", "is-active", "codeocean-cleanup.timer")
    assert host.popen(active).wait() != 0
    assert start(host).done
    assert host.popen(active).wait() == 0


def test_a_unit_that_is_gone_is_a_warning(host: ServicesHost) -> None:
    host.root("systemd-run", "--unit=codeocean-job", *FOR_EVER)
    assert stop(host).done
    outcome = start(host)
    assert outcome.done
    assert "warning: cannot start codeocean-job.service" in outcome.errors


def test_a_folder_that_a_killed_stop_began_is_not_undone(host: ServicesHost) -> None:
    host.root("bash", "-c", f"umask 077; mkdir -p {STOPPED}.new/cron/etc/cron.d")
    host.path(f"{STOPPED}.new/cron/etc/cron.d/left").write_text("* * * * * root true\n")
    assert start(host).done
    assert stop(host).code == 1
    assert host.person().run(script("service-stop", run="second")).done
    assert present(host, f"{STOPPED}.new", f"{STOPPED}/cron/etc/cron.d/left") == []


def test_stopped_and_started_a_run_is_over(host: ServicesHost) -> None:
    assert stop(host).done
    assert start(host).done
    outcome = stop(host)
    assert outcome.code == 1
    assert "use a new --run" in outcome.errors
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
    assert "a copy to the data volume was started and is not completed" in outcome.errors
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
        (
            "404",
            ", health unknown: http://localhost:8300/health does not exist. Check the application",
        ),
        (
            "",
            ", health unknown: nothing answers at http://localhost:8300/health. Check the",
        ),
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
