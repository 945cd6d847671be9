"""volume-copy-in and volume-release on real XFS file systems."""

from __future__ import annotations

import mmap
import os
import re
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from codeocean_cmdgen.simulator.trees import differences
from tests.support.people import script, writes
from tests.support.volumes import OF, RUN, restored, slow, stop, uuid

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator import Simulator
    from tests.support.people import Outcome
    from tests.support.services_host import HostOf, ServicesHost

TARGET = "333333333333"
RESTORED = "/mnt/codeocean-restored"
FOR_EVER = ("tail", "--follow", "/dev/null")


@pytest.fixture
def stopped(host: ServicesHost) -> ServicesHost:
    """Return a host whose data volume is in use for something else, with the service stopped."""
    stop(host)
    return host


def copy_in(host: ServicesHost, *, confirm: str | None = None, **values: str) -> Outcome:
    text = script("volume-copy-in", data_volume_id=host.data_volume_id, **values)
    word = host.data_volume_id if confirm is None else confirm
    return host.person().run(text, CONFIRM=word)


def equal(host: ServicesHost) -> bool:
    host.root("sync")
    found = differences(host.path(RESTORED), host.path("/data"))
    assert found == []
    return True


def test_the_data_volume_becomes_the_restored_one(stopped: ServicesHost) -> None:
    volume = restored(stopped)
    outcome = copy_in(stopped)
    assert outcome.done
    assert f"done: {stopped.data_volume_id} is equal to {volume}" in outcome.output
    assert f"warning: {volume} has no such folder: /data/only-here" in outcome.errors
    assert equal(stopped)
    assert not stopped.path("/data/.codeocean-cmdgen/volume-copy-in--second").exists()
    assert (stopped.path("/data/couchdb") / "in the journal only").read_text() == "fsync"


def test_plan_attaches_and_mounts_nothing(stopped: ServicesHost, simulator: Simulator) -> None:
    volume = restored(stopped)
    simulator.clear_requests()
    text = script("volume-copy-in", data_volume_id=stopped.data_volume_id)
    outcome = stopped.person().run(text, PLAN="1")
    ready = f"{volume} would be attached, mounted with a UUID of its own, and compared"
    assert outcome.output == f"plan: {ready}\n"
    assert writes(simulator) == []
    refused = copy_in(stopped, confirm="vol-0")
    assert refused.code == 2
    outcome = stopped.person().run(text, PLAN="1")
    assert outcome.output.startswith("plan: ")
    assert "1 to change" in outcome.output
    assert "3 to DELETE; nothing was changed" in outcome.output
    assert stopped.path("/data/only-here/file").exists()


def test_nobody_there_to_answer_is_no(stopped: ServicesHost) -> None:
    restored(stopped)
    outcome = copy_in(stopped, confirm="")
    assert outcome.code == 2
    assert "not confirmed: there is no terminal to confirm on. Set CONFIRM=" in outcome.errors
    assert stopped.path("/data/only-here/file").exists()


def test_completed_it_never_runs_again_in_this_run(
    stopped: ServicesHost, simulator: Simulator
) -> None:
    restored(stopped)
    assert copy_in(stopped).done
    assert stopped.person().run(script("service-start")).done
    stopped.path("/data/couchdb/shard").write_bytes(b"weeks of work")
    stopped.reboot()
    simulator.clear_requests()
    outcome = copy_in(stopped)
    assert outcome.done
    assert " completed: " in outcome.output
    assert outcome.output.endswith(". The volumes were not compared again.\n")
    assert writes(simulator) == []
    assert stopped.path("/data/couchdb/shard").read_bytes() == b"weeks of work"


def test_a_new_round_wants_a_new_run(stopped: ServicesHost) -> None:
    first = restored(stopped)
    assert copy_in(stopped).done
    second = restored(stopped, run="second")
    release = script("volume-release", data_volume_id=stopped.data_volume_id)
    assert stopped.person().run(release).done
    stopped.path("/data/couchdb/shard").write_bytes(b"changed")
    assert copy_in(stopped, run="second").output.endswith(f"is equal to {second}\n")
    assert first != second
    assert equal(stopped)


def test_contents_that_only_a_checksum_tells(stopped: ServicesHost) -> None:
    """A database writes in place: same size, and the same time by chance or by its own doing."""
    restored(stopped)
    assert copy_in(stopped, confirm="no").code == 2  # attaches and mounts
    origin, copy = stopped.path(RESTORED) / "postgres/shard", stopped.path("/data/postgres/shard")
    copy.parent.mkdir()
    copy.write_bytes(bytes(origin.stat().st_size))
    times = origin.stat().st_mtime_ns
    os.utime(copy, ns=(times, times))
    assert copy_in(stopped).done
    assert equal(stopped)


def test_one_file_here_is_two_there(stopped: ServicesHost) -> None:
    restored(stopped)
    assert copy_in(stopped, confirm="no").code == 2
    source, root = stopped.path(RESTORED), stopped.path("/data")
    stopped.root("cp", "--archive", f"{RESTORED}/workspaces", "/data/")
    twin = root / "workspaces" / "empty"
    (root / "workspaces" / "old").unlink()
    os.link(twin, root / "workspaces" / "old")
    assert (source / "workspaces" / "old").stat().st_nlink == 1
    assert copy_in(stopped).done
    assert equal(stopped)


def test_nothing_is_written_through_a_symbolic_link(stopped: ServicesHost) -> None:
    restored(stopped)
    assert copy_in(stopped, confirm="no").code == 2
    victim = stopped.path("/var/victim")
    victim.mkdir()
    (stopped.path("/data") / "workspaces").symlink_to("/var/victim")
    assert copy_in(stopped).done
    assert list(victim.iterdir()) == []
    assert equal(stopped)


def test_the_restored_volume_is_no_twin_of_the_data_volume(stopped: ServicesHost) -> None:
    """The data volume is mounted by its UUID: with the same on both, a reboot could take either."""
    volume = restored(stopped)
    assert uuid(stopped, volume) == uuid(stopped, stopped.data_volume_id)
    assert copy_in(stopped, confirm="no").code == 2
    assert uuid(stopped, volume) != uuid(stopped, stopped.data_volume_id)
    stopped.reboot()
    assert stopped.path("/data/only-here/file").exists()
    assert copy_in(stopped).done
    assert equal(stopped)


def test_another_run_waits_for_the_one_that_works(stopped: ServicesHost) -> None:
    volume = restored(stopped)
    slow(stopped, 15)
    text = script("volume-copy-in", data_volume_id=stopped.data_volume_id)
    person = stopped.person()
    assert person.run(text, CONFIRM=stopped.data_volume_id, WATCH="0").code == 4
    outcome = copy_in(stopped, run="second", restored_volume_id=volume)
    assert outcome.code == 1
    assert "the last run of volume-copy-in was started by another script" in outcome.errors
    assert copy_in(stopped, confirm="").done
    assert equal(stopped)
    log = stopped.path("/var/lib/codeocean-cmdgen/volume-copy-in.log").read_text()
    shown = re.findall(
        rf"^copying: {stopped.data_volume_id} holds \d+ MiB in \d+ files, {volume} \d+ MiB in "
        r"\d+ files(?: \(\d\d?%\), \d+ MiB/s, \d+ min left)?$",
        log,
        re.MULTILINE,
    )
    assert shown
    assert len(shown) == log.count("copying: ")


def test_half_a_copy_that_another_run_overtook_asks_anew(stopped: ServicesHost) -> None:
    volume = restored(stopped)
    slow(stopped, 600)
    text = script("volume-copy-in", data_volume_id=stopped.data_volume_id)
    stopped.person().run(text, CONFIRM=stopped.data_volume_id, WATCH="0")
    stopped.root("systemctl", "kill", "--signal=KILL", "codeocean-cmdgen-volume-copy-in")
    stopped.path("/usr/local/bin/cp").unlink()
    assert copy_in(stopped, run="second", restored_volume_id=volume).done
    stopped.path("/data/couchdb/shard").write_bytes(b"since then")
    outcome = copy_in(stopped, confirm="")
    assert outcome.code == 2
    assert stopped.path("/data/couchdb/shard").read_bytes() == b"since then"


def test_what_was_proved_before_the_long_wait_is_proved_again(stopped: ServicesHost) -> None:
    """An empty folder where the restored volume was would wipe the data volume."""
    volume = restored(stopped)
    file = stopped.path("/usr/local/bin/cp")
    file.write_text(f'#!/bin/sh\n/bin/cp "$@"\numount --lazy {RESTORED}\n')
    file.chmod(0o755)
    outcome = copy_in(stopped)
    assert (outcome.code, outcome.output) == (1, "")
    assert f"(xfs, ro) at {RESTORED}; found ''. The device" in outcome.errors
    assert list(stopped.path("/data/workspaces").iterdir()), "what was copied is not wiped"
    file.unlink()
    assert copy_in(stopped).output == f"done: {stopped.data_volume_id} is equal to {volume}\n"
    assert equal(stopped)


def test_what_cannot_be_unlinked_stops_the_copy(stopped: ServicesHost) -> None:
    """rsync would keep two names linked that are separate files on the restored volume."""
    restored(stopped)
    assert copy_in(stopped, confirm="no").code == 2
    stopped.root("chattr", "+i", "/data/only-here/file")
    outcome = copy_in(stopped)
    assert (outcome.code, outcome.output) == (1, "")
    assert "cannot remove links from /data" in outcome.errors
    stopped.root("chattr", "-i", "/data/only-here/file")
    assert copy_in(stopped).done
    assert equal(stopped)


@pytest.mark.sample(2)
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment_it_goes_on(stopped: ServicesHost, seed: int) -> None:
    volume = restored(stopped)
    rng = Random(seed)
    text = script("volume-copy-in", data_volume_id=stopped.data_volume_id)
    for _ in range(3):
        person = stopped.person()
        with person.start(text, CONFIRM=stopped.data_volume_id) as session:
            time.sleep(rng.uniform(0.5, 4))
            session.end()
        unit = "codeocean-cmdgen-volume-copy-in.service"
        if rng.random() < 0.7:
            stopped.popen(["systemctl", "kill", "--signal=KILL", unit]).wait()
        else:
            stopped.reboot()
    outcome = copy_in(stopped)
    if "A restart can mount a restored volume" in outcome.errors:
        # Restarted before the volume got a UUID of its own.
        mount_as_told(stopped, outcome)
        outcome = copy_in(stopped)
    if "restore the volume again with another --run" in outcome.errors:
        # Killed in the moment in which xfs_admin writes the UUID: nothing but the copy is lost.
        volume = restored(stopped, "another")
        outcome = copy_in(stopped, run="another")
    assert outcome.done
    # Completed before a reboot, it is not mounted any more: another run mounts and asks.
    assert copy_in(stopped, confirm="no", run="look", restored_volume_id=volume).code == 2
    assert equal(stopped)


def mount_as_told(host: ServicesHost, outcome: Outcome) -> None:
    """Mount the data volume in place of the one that a restart mounted, as the message says."""
    (device,) = re.findall("The device of the volume is '(.+?)'", outcome.errors)
    host.root("umount", "/data")
    host.root("mount", device, "/data")


def test_the_records_of_the_restored_volume_are_not_believed(stopped: ServicesHost) -> None:
    """It has the data volume's UUID at first: a reboot may mount it as the data volume."""
    volume = restored(stopped, "second")
    until = time.monotonic() + 120
    while True:
        with suppress(FileExistsError):  # the device of a volume that is just being detached
            stopped.attach(volume, "/dev/sdg")
            break
        assert time.monotonic() < until
        time.sleep(0.5)
    stopped.root("umount", "/data")
    device = stopped.root("bash", "-c", "ls -t /dev/loop* | head -1").stdout.strip()
    stopped.root("mount", device, "/data")
    assert stopped.path("/data/.codeocean-cmdgen/volume-copy-in--second").exists()
    outcome = copy_in(stopped, run="second")
    assert (outcome.code, outcome.output) == (3, "")
    assert f"expected {stopped.data_volume_id} (xfs, rw) at /data; found '/dev/" in outcome.errors
    mount_as_told(stopped, outcome)
    assert copy_in(stopped, run="second").done


def test_a_restored_volume_that_others_may_write_to_is_refused(stopped: ServicesHost) -> None:
    """The copy would take along who may replace the records."""
    restored(stopped)
    assert copy_in(stopped, confirm="no").code == 2
    mount = ["mount", "--options"]
    stopped.root(*mount, "remount,rw", RESTORED)
    stopped.path(RESTORED).chmod(0o777)
    stopped.root(*mount, "remount,ro", RESTORED)
    outcome = copy_in(stopped)
    assert outcome.code == 1
    assert f"{RESTORED} is a directory of user root (0), mode 777" in outcome.errors
    assert stopped.path("/data/only-here/file").exists()
    stopped.root("bash", "-c", outcome.errors.partition("at each boot: ")[2].strip())
    assert copy_in(stopped).done
    assert equal(stopped)


def test_planted_records_of_the_restored_volume_are_not_copied(stopped: ServicesHost) -> None:
    restored(stopped)
    assert copy_in(stopped, confirm="no").code == 2
    mount = ["mount", "--options"]
    stopped.root(*mount, "remount,rw", RESTORED)
    shutil.rmtree(stopped.path(RESTORED) / ".codeocean-cmdgen")
    (stopped.path(RESTORED) / ".codeocean-cmdgen").symlink_to("/etc")
    (stopped.path(RESTORED) / "--attributes-only").write_text("a name that looks like an option")
    stopped.root(*mount, "remount,ro", RESTORED)
    assert copy_in(stopped).done
    assert equal(stopped)
    assert not stopped.path("/data/.codeocean-cmdgen").is_symlink()
    assert stopped.path("/data/.codeocean-cmdgen/volume-copy-in--first").exists()


def test_the_work_outlives_the_session(stopped: ServicesHost) -> None:
    volume = restored(stopped)
    text = script("volume-copy-in", data_volume_id=stopped.data_volume_id)
    outcome = stopped.person().run(text, CONFIRM=stopped.data_volume_id, WATCH="0")
    assert outcome.code == 4
    assert outcome.output == (
        "started: volume-copy-in runs in the background as unit codeocean-cmdgen-volume-copy-in. "
        "Paste the script again to follow it.\n"
    )
    assert copy_in(stopped, confirm="").output.rstrip().endswith(f"equal to {volume}") or (
        " completed: " in copy_in(stopped, confirm="").output
    )
    assert equal(stopped)


def test_a_full_disk_is_no_success(host_of: HostOf) -> None:
    host = host_of(TARGET)
    stop(host)
    volume = restored(host)
    subprocess.run(["fallocate", "--length=880M", host.path("/data/only-here/large")], check=True)
    assert copy_in(host, confirm="no").code == 2
    # What fills the disk is in use by a stranger, and so cannot be deleted.
    host.root("chattr", "+i", "/data/only-here/large")
    outcome = copy_in(host)
    assert outcome.code == 1
    assert not outcome.output
    host.root("chattr", "-i", "/data/only-here/large")
    assert copy_in(host).output.endswith(f"is equal to {volume}\n")
    assert equal(host)


def test_more_than_the_data_volume_can_hold(stopped: ServicesHost) -> None:
    origin = stopped.volume(gib=3, tags={RUN: "first", OF: stopped.data_volume_id})
    stopped.root("mkdir", "--parents", "/origin")
    stopped.root("mount", stopped.attach(origin), "/origin")
    stopped.root("mkdir", "/origin/couchdb")
    stopped.root("fallocate", "--length=1500M", "/origin/couchdb/large")
    stopped.root("umount", "/origin")
    outcome = copy_in(stopped)
    assert outcome.code == 1
    assert f"{origin} holds more than {stopped.data_volume_id} can" in outcome.errors


def test_an_empty_source_is_refused(stopped: ServicesHost) -> None:
    stopped.volume(tags={RUN: "first", OF: stopped.data_volume_id})
    outcome = copy_in(stopped)
    assert outcome.code == 1
    assert "has none of the folders of /data, which was not changed" in outcome.errors
    assert stopped.path("/data/only-here/file").exists()


def test_another_kind_of_volume_is_refused(stopped: ServicesHost) -> None:
    volume = stopped.volume(tags={RUN: "first", OF: stopped.data_volume_id})
    image = stopped.simulator.ec2.image(volume)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    outcome = copy_in(stopped)
    assert outcome.code == 1
    assert f"cannot mount {volume} as XFS" in outcome.errors


def test_another_volume_than_the_data_volume_is_not_written_to(stopped: ServicesHost) -> None:
    other = stopped.volume(tags={"codeocean:deployment": "codeocean"})
    volume = restored(stopped)
    text = script("volume-copy-in", data_volume_id=other, restored_volume_id=volume)
    outcome = stopped.person().run(text, CONFIRM=other)
    assert outcome.code == 3
    assert f"expected {other} (xfs, rw) at /data; found '/dev/" in outcome.errors
    assert "The device of the volume is ''" in outcome.errors
    assert stopped.path("/data/only-here/file").exists()


def test_swapped_ids_are_refused(stopped: ServicesHost) -> None:
    volume = restored(stopped)
    text = script(
        "volume-copy-in", data_volume_id=volume, restored_volume_id=stopped.data_volume_id
    )
    outcome = stopped.person().run(text, CONFIRM=volume)
    assert outcome.code == 3
    assert stopped.path("/data/only-here/file").exists()


@pytest.mark.parametrize("how", ["none", "two", "elsewhere", "zone", "run"])
def test_not_the_volume_of_this_run(stopped: ServicesHost, how: str) -> None:
    tags = {RUN: "first", OF: stopped.data_volume_id}
    ec2, account = stopped.simulator.ec2, stopped.account_id
    if how == "two":
        stopped.volume(tags=tags)
        stopped.volume(tags=tags)
    elif how == "elsewhere":
        volume = stopped.volume(tags=tags)
        ec2.attach(volume, ec2.instance(account, stopped.zone), "/dev/sdf")
    elif how == "zone":
        ec2.volume(account, "us-east-1b", tags=tags)
    elif how == "run":
        stopped.volume(tags={**tags, RUN: "other"})
    outcome = copy_in(stopped)
    assert outcome.code == (1 if how == "zone" else 3)
    assert stopped.path("/data/only-here/file").exists()


def test_the_service_must_be_stopped(host: ServicesHost) -> None:
    restored(host)
    outcome = copy_in(host)
    assert outcome.code == 1
    assert "Run service-stop first." in outcome.errors
    assert host.person().run(script("service-stop")).done
    writer = ["sh", "-c", "exec 9>>/data/somebody; exec tail --follow /dev/null"]
    host.root("systemd-run", "--unit=intruder", *writer)
    time.sleep(0.3)
    outcome = copy_in(host)
    assert outcome.code == 1
    assert "something writes to /data. Paste service-stop again" in outcome.errors
    assert Path(host.path("/data/somebody")).exists()


def test_who_writes_while_it_copies_makes_it_fail(stopped: ServicesHost) -> None:
    restored(stopped)
    assert copy_in(stopped, confirm="no").code == 2
    writer = "while :; do date +%N >/data/couchdb/shard; done"
    stopped.root("systemd-run", "--unit=intruder", "sh", "-c", writer)
    outcome = copy_in(stopped)
    assert outcome.code == 1
    stopped.root("systemctl", "stop", "intruder")
    assert copy_in(stopped).done
    assert equal(stopped)


def test_a_mount_below_the_data_volume_is_not_wiped(stopped: ServicesHost) -> None:
    restored(stopped)
    stopped.root("mount", "-t", "tmpfs", "tmpfs", "/data/only-here")
    outcome = copy_in(stopped)
    assert outcome.code == 1
    assert "problem: /data/only-here is mounted below /data\n" in outcome.errors


def test_without_links_by_id_the_serial_number_tells(host_of: HostOf) -> None:
    host = host_of(TARGET, by_id=False)
    stop(host)
    restored(host)
    assert copy_in(host).done
    assert equal(host)


def wrap(host: ServicesHost, program: str, text: str) -> Path:
    """Put a script before a program of the host; return its file."""
    file = host.path(f"/usr/local/sbin/{program}")
    file.parent.mkdir(exist_ok=True)
    file.write_text(f'#!/bin/bash\n{text}\nexec /usr/bin/{program} "$@"\n')
    file.chmod(0o755)
    return file


def test_a_plan_remounts_nothing(stopped: ServicesHost) -> None:
    restored(stopped)
    assert copy_in(stopped, confirm="no").code == 2
    wrap(stopped, "mount", 'echo "$*" >>/run/mounts')
    text = script("volume-copy-in", data_volume_id=stopped.data_volume_id)
    assert stopped.person().run(text, PLAN="1").code == 0
    assert not stopped.path("/run/mounts").exists()
    assert copy_in(stopped, confirm="no").code == 2
    assert "remount,ro /data" in stopped.path("/run/mounts").read_text()


def test_a_data_volume_left_read_only_has_a_line_that_helps(stopped: ServicesHost) -> None:
    restored(stopped)
    mounts = wrap(stopped, "mount", "[[ $* != *remount,rw* ]] || { kill -KILL $PPID; exit; }")
    copy_in(stopped)
    mounts.unlink()
    outcome = copy_in(stopped)
    assert (outcome.code, outcome.output) == (1, "")
    assert "stopped: /data is read-only: " in outcome.errors
    stopped.root("bash", "-c", outcome.errors.partition("the script again: ")[2].strip())
    assert copy_in(stopped).done
    assert equal(stopped)


def test_killed_before_the_uuid_is_changed_it_is_changed_later(stopped: ServicesHost) -> None:
    volume = restored(stopped)
    umounts = wrap(stopped, "umount", "kill -KILL $PPID; exit 1")
    copy_in(stopped, confirm="no")
    umounts.unlink()
    assert stopped.path(f"{RESTORED}/couchdb").exists()
    assert uuid(stopped, volume) == uuid(stopped, stopped.data_volume_id)
    text = script("volume-copy-in", data_volume_id=stopped.data_volume_id)
    outcome = stopped.person().run(text, PLAN="1")
    assert "mounted with a UUID of its own, and compared\n" in outcome.output
    assert uuid(stopped, volume) == uuid(stopped, stopped.data_volume_id)
    assert copy_in(stopped, confirm="no").code == 2
    assert uuid(stopped, volume) != uuid(stopped, stopped.data_volume_id)
    assert copy_in(stopped).done
    assert equal(stopped)


def test_a_session_that_ends_while_the_uuid_changes_leaves_no_half_of_it(
    stopped: ServicesHost,
) -> None:
    """xfs_admin overwrites the journal first: killed in it, the volume could not be mounted."""
    volume = restored(stopped)
    slowly = 'touch /run/changing; /usr/bin/sleep 3; exec /usr/sbin/xfs_admin "$@"'
    admin = wrap(stopped, "xfs_admin", slowly)
    text = script("volume-copy-in", data_volume_id=stopped.data_volume_id)
    with stopped.person().start(text) as session:
        until_exists(stopped.path("/run/changing"))
        session.end()
    admin.unlink()
    time.sleep(4)
    assert uuid(stopped, volume) != uuid(stopped, stopped.data_volume_id)
    assert copy_in(stopped).done
    assert equal(stopped)


def until_exists(file: Path) -> None:
    until = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_uuid_that_did_not_change_stops_the_copy(stopped: ServicesHost) -> None:
    """xfs_admin ends with exit code 0 if it refuses, as for a journal that is not empty."""
    volume = restored(stopped)
    admin = wrap(stopped, "xfs_admin", "echo 'ERROR: the journal is not empty' >&2; exit 0")
    outcome = copy_in(stopped)
    assert (outcome.code, outcome.output) == (1, "")
    assert "ERROR: the journal is not empty" in outcome.errors
    assert f"cannot give {volume} a UUID of its own, as reported above" in outcome.errors
    admin.unlink()
    assert copy_in(stopped).done
    assert equal(stopped)


def test_what_the_disk_lost_is_not_equal(stopped: ServicesHost) -> None:
    """A write that failed leaves the right contents in memory, and others on the disk."""
    restored(stopped)
    assert copy_in(stopped, confirm="no").code == 2
    stopped.root("mount", "--options=remount,rw", RESTORED)
    (stopped.path(RESTORED) / "couchdb" / "marked").write_bytes(b"<MARK" * 1000)
    stopped.root("mount", "--options=remount,ro", RESTORED)
    image = stopped.simulator.ec2.image(stopped.data_volume_id)
    text = script("volume-copy-in", data_volume_id=stopped.data_volume_id)
    losing = "touch /run/synced; while [[ ! -e /run/lost ]]; do /usr/bin/sleep 0.1; done"
    wrap(stopped, "sync", f'/usr/bin/sync "$@"; [[ $* != *file-system* ]] || {{ {losing}; }}')
    stopped.root("umount", "/proc/sys/vm/drop_caches")
    stopped.root("mount", "--options=remount,bind,rw", "/proc/sys")
    with stopped.person().start(text, CONFIRM=stopped.data_volume_id) as session:
        until_exists(stopped.path("/run/synced"))
        overwrite(image, b"<MARK" * 1000, b">mark" * 1000)
        stopped.path("/run/lost").touch()
        output, errors = session.communicate(timeout=300)
    assert output.startswith("done: "), errors
    assert equal(stopped)
    log = stopped.path("/var/lib/codeocean-cmdgen/volume-copy-in.log").read_text()
    assert re.search(r"^>fc\S+ +5000 +/couchdb/marked$", log, re.MULTILINE), log
    stopped.root("bash", "-c", "echo 1 >/proc/sys/vm/drop_caches")
    assert (stopped.path("/data/couchdb") / "marked").read_bytes() == b"<MARK" * 1000


def overwrite(image: Path, before: bytes, after: bytes) -> None:
    """Change what a disk has, unseen by the file system on it."""
    with image.open("r+b") as disk, mmap.mmap(disk.fileno(), 0) as content:
        place = content.find(before)
        assert place >= 0
        content[place : place + len(after)] = after


def test_a_copy_that_cannot_be_written_to_the_disk_is_not_done(stopped: ServicesHost) -> None:
    restored(stopped)
    failing = wrap(stopped, "sync", "[[ $* != *file-system* ]] || { echo EIO >&2; exit 1; }")
    outcome = copy_in(stopped)
    assert (outcome.code, outcome.output) == (1, "")
    assert f"stopped: cannot write the copy to {stopped.data_volume_id}" in outcome.errors
    failing.unlink()
    assert copy_in(stopped).done


@pytest.mark.parametrize("folder", ["/data", RESTORED])
def test_what_is_mounted_above_a_volume_is_not_taken_for_it(
    stopped: ServicesHost, folder: str
) -> None:
    restored(stopped)
    assert copy_in(stopped, confirm="no").code == 2
    for made in ("couchdb", ".codeocean-cmdgen"):
        stopped.root("cp", "--archive", f"{folder}/{made}", f"/run/{made}")
    stopped.root("mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", folder)
    for made in ("couchdb", ".codeocean-cmdgen"):
        stopped.root("cp", "--archive", f"/run/{made}", folder)
    outcome = copy_in(stopped)
    assert (outcome.code, outcome.output) == (3, "")
    assert f" at {folder}; found '/dev/" in outcome.errors
    stopped.root("umount", folder)
    assert stopped.path("/data/only-here/file").exists()


def test_names_that_look_like_rsyncs_own_marks(stopped: ServicesHost) -> None:
    restored(stopped)
    assert copy_in(stopped, confirm="no").code == 2
    stopped.root("mount", "--options=remount,rw", RESTORED)
    root = stopped.path(RESTORED)
    for name in ("=", "=> a", "/"):
        first = root / f"{name}one".lstrip("/")
        first.write_text(name)
        os.link(first, root / f"{name} two".lstrip("/"))
    stopped.root("mount", "--options=remount,ro", RESTORED)
    assert copy_in(stopped).done
    assert equal(stopped)


def test_release_unmounts_and_proves_it(stopped: ServicesHost) -> None:
    volume = restored(stopped)
    text = script("volume-release", data_volume_id=stopped.data_volume_id)
    assert copy_in(stopped, confirm="no").code == 2
    plan = stopped.person().run(text, PLAN="1")
    would = f"{volume} would be unmounted from the folders above"
    assert plan.output == f"plan: {would}; nothing was changed\n"
    assert "warning: no record says that volume-copy-in of run first was completed" in plan.errors
    stopped.root(
        "systemd-run", "--unit=holder", "unshare", "--mount", "--propagation=private", *FOR_EVER
    )
    outcome = stopped.person().run(text)
    assert outcome.code == 1, "a mount namespace of its own keeps the mount"
    assert "the above still uses" in outcome.errors
    stopped.root("systemctl", "stop", "holder")
    outcome = stopped.person().run(text)
    assert outcome.done
    assert "is no longer mounted and can be detached" in outcome.output
    outcome = stopped.person().run(text, PLAN="1")
    assert outcome.output == (
        f"plan: {volume} is not mounted; whether anything uses it would be checked\n"
    )
    client = stopped.simulator.account(stopped.account_id).client("ec2")
    client.detach_volume(VolumeId=volume)
    settle(stopped)
    assert stopped.person().run(text).output == (
        f"done: {volume} is not attached to this instance: EC2 reports that it is available\n"
    )
    client.delete_volume(VolumeId=volume)
    settle(stopped)
    for named in ({}, {"restored_volume_id": volume}):
        outcome = release(stopped, **named)
        assert outcome.done
        assert "was deleted since: EC2 does not show it" in outcome.output


def settle(host: ServicesHost) -> None:
    """Let EC2 end what it has begun."""
    host.simulator.clock.advance(600)
    host.simulator.settle()


def release(host: ServicesHost, **values: str) -> Outcome:
    return host.person().run(script("volume-release", data_volume_id=host.data_volume_id, **values))


def test_release_is_not_deceived_by_a_lazy_unmount(stopped: ServicesHost) -> None:
    volume = restored(stopped)
    assert copy_in(stopped, confirm="no").code == 2
    file = f"{RESTORED}/couchdb/in the journal only"
    reader = ["sh", "-c", f"exec 9<'{file}'; exec tail --follow /dev/null"]
    stopped.root("systemd-run", "--unit=reader", *reader)
    time.sleep(0.5)
    stopped.root("umount", "--lazy", RESTORED)
    outcome = release(stopped)
    assert (outcome.code, outcome.output) == (1, "")
    assert f"a program still uses {volume}, although it is mounted nowhere" in outcome.errors
    assert "Do not detach the volume until then." in outcome.errors
    stopped.root("systemctl", "stop", "reader")
    assert release(stopped).done


def test_release_names_who_reads_the_device_itself(stopped: ServicesHost) -> None:
    volume = restored(stopped)
    assert copy_in(stopped, confirm="no").code == 2
    device = stopped.root("findmnt", "--noheadings", "--output=SOURCE", RESTORED).stdout.strip()
    reader = ["sh", "-c", f"exec 9<{device}; exec tail --follow /dev/null"]
    stopped.root("systemd-run", "--unit=reader", *reader)
    time.sleep(0.5)
    outcome = release(stopped)
    assert (outcome.code, outcome.output) == (1, "")
    assert re.search(r"^  +\d+ root +tail$", outcome.errors, re.MULTILINE)
    assert f"the above still uses {volume}" in outcome.errors
    stopped.root("systemctl", "stop", "reader")
    assert release(stopped).done


def test_release_unmounts_nothing_that_is_mounted_above(stopped: ServicesHost) -> None:
    volume = restored(stopped)
    assert copy_in(stopped, confirm="no").code == 2
    stopped.root("mount", "--types=tmpfs", "others", RESTORED)
    outcome = release(stopped)
    assert (outcome.code, outcome.output) == (1, "")
    assert f"another file system is mounted above {volume} at {RESTORED}" in outcome.errors
    assert re.search(r"^  others +tmpfs$", outcome.errors, re.MULTILINE)
    sources = ("findmnt", "--noheadings", "--output=SOURCE", f"--mountpoint={RESTORED}")
    assert "others" in stopped.root(*sources).stdout
    stopped.root("umount", RESTORED)
    assert release(stopped).done


def test_release_unmounts_nested_mounts_first(stopped: ServicesHost) -> None:
    restored(stopped)
    assert copy_in(stopped, confirm="no").code == 2
    stopped.root("mount", "--bind", RESTORED, f"{RESTORED}/couchdb")
    assert release(stopped).done


def test_release_does_not_take_an_error_for_a_user_of_the_volume(stopped: ServicesHost) -> None:
    restored(stopped)
    assert copy_in(stopped, confirm="no").code == 2
    wrap(stopped, "python3", "[[ $* != *O_EXCL* ]] || { echo 'Input/output error' >&2; exit 1; }")
    outcome = release(stopped)
    assert (outcome.code, outcome.output) == (1, "")
    assert "  Input/output error\n" in outcome.errors
    assert "cannot find out whether a program still uses" in outcome.errors


def test_release_stops_if_it_cannot_find_out_what_uses_the_volume(stopped: ServicesHost) -> None:
    restored(stopped)
    assert copy_in(stopped, confirm="no").code == 2
    wrap(stopped, "lsblk", "[[ $* != *MAJ:MIN* ]] || exit 1")
    outcome = release(stopped)
    assert (outcome.code, outcome.output) == (1, "")
    assert "cannot find out what uses" in outcome.errors


def test_a_foreign_volume_is_neither_attached_nor_unmounted(stopped: ServicesHost) -> None:
    foreign = stopped.volume(tags={"Name": "docker"})
    refused = copy_in(stopped, restored_volume_id=foreign)
    assert (refused.code, refused.output) == (1, "")
    assert f"{foreign} is not known to be a copy of {stopped.data_volume_id}" in refused.errors
    assert not stopped.path(RESTORED).exists()
    before = uuid(stopped, foreign)
    stopped.root("mkdir", "--parents", "/srv/docker")
    stopped.root("mount", stopped.attach(foreign), "/srv/docker")
    for refused in (
        copy_in(stopped, restored_volume_id=foreign),
        release(stopped, restored_volume_id=foreign),
    ):
        assert (refused.code, refused.output) == (1, "")
        assert f"{foreign} is not known to be a copy of {stopped.data_volume_id}" in refused.errors
    stopped.root("mountpoint", "/srv/docker")
    assert uuid(stopped, foreign) == before


def test_release_asks_ec2_for_a_volume_that_is_not_here(stopped: ServicesHost) -> None:
    missing = release(stopped, restored_volume_id="vol-0123456789abcdef1")
    assert (missing.code, missing.output) == (3, "")
    ec2 = stopped.simulator.ec2
    volume = stopped.volume(tags={RUN: "first", OF: stopped.data_volume_id})
    other = ec2.instance(stopped.account_id, stopped.zone)
    ec2.attach(volume, other, "/dev/sdf")
    outcome = release(stopped)
    assert (outcome.code, outcome.output) == (1, "")
    assert f"EC2 reports that {volume} is attached to {other}" in outcome.errors


def test_completed_with_one_volume_is_not_done_with_another(stopped: ServicesHost) -> None:
    first = restored(stopped)
    assert copy_in(stopped).done
    second = restored(stopped, run="second")
    outcome = copy_in(stopped, restored_volume_id=second)
    assert (outcome.code, outcome.output) == (1, "")
    assert f"run first was completed with {first}, not with {second}" in outcome.errors
    assert "with a new --run" in outcome.errors
    assert copy_in(stopped, restored_volume_id=first).done


def test_wrong_volumes_are_found_before_anything_changes(stopped: ServicesHost) -> None:
    """Exit code 3 says that nothing was changed."""
    volume = restored(stopped)
    client = stopped.simulator.account(stopped.account_id).client("ec2")
    tags = [{"Key": "codeocean:deployment", "Value": "other"}]
    client.create_tags(Resources=[stopped.data_volume_id], Tags=tags)
    wrap(stopped, "mount", 'echo "$*" >>/run/mounts')
    stopped.simulator.clear_requests()
    outcome = copy_in(stopped)
    assert outcome.code == 3
    assert f"the EC2 tags of {stopped.data_volume_id}: expected stack codeocean" in outcome.errors
    assert writes(stopped.simulator) == []
    assert not stopped.path("/run/mounts").exists()
    assert uuid(stopped, volume) == uuid(stopped, stopped.data_volume_id)
