"""The volumes of a services instance: its own in use, and the one that was restored beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from codeocean_cmdgen.simulator.trees import plant
from tests.support.people import script

if TYPE_CHECKING:
    from tests.support.services_host import ServicesHost

RUN = "codeocean-cmdgen:run"
OF = "codeocean-cmdgen:data-volume-id"


def stop(host: ServicesHost) -> None:
    assert host.person().run(script("service-stop")).done
    root = host.path("/data")
    shutil.rmtree(root / "codeocean")
    (root / "couchdb").mkdir()
    (root / "couchdb" / "shard").write_bytes(b"of the new deployment")
    (root / "only-here").mkdir()
    (root / "only-here" / "file").write_text("will go")
    os.link(root / "only-here" / "file", root / "only-here" / "link")


def restored(host: ServicesHost, run: str = "first", **tags: str) -> str:
    """Make the volume that volume-restore makes; return its id."""
    origin = host.volume()
    # A snapshot of a data volume has its UUID; here both come of one.
    ec2 = host.simulator.ec2
    twin = ["xfs_admin", "-U", uuid(host, host.data_volume_id), str(ec2.image(origin))]
    subprocess.run(twin, check=True, stdout=subprocess.DEVNULL)
    device = host.attach(origin)
    host.root("mkdir", "--parents", "/origin")
    host.root("mount", "--options=nouuid", device, "/origin")
    plant(host.path("/origin"))
    # The origin was itself restored once: what it recorded of that is not the copy's.
    records = host.path("/origin/.codeocean-cmdgen")
    records.mkdir(mode=0o700)
    (records / "volume-copy-in--second").write_text("2026-01-01T00:00:00Z completed: elsewhere\n")
    host.root("sync")
    (host.path("/origin/couchdb") / "in the journal only").write_text("fsync")
    host.root("sync", "--data", "/origin/couchdb/in the journal only")
    volume = host.copy_volume(origin, tags={RUN: run, OF: host.data_volume_id, **tags})
    host.root("umount", "/origin")
    host.simulator.account(host.account_id).client("ec2").detach_volume(VolumeId=origin)
    return volume


def uuid(host: ServicesHost, volume: str) -> str:
    """Return the UUID of the file system on a volume."""
    image = str(host.simulator.ec2.image(volume))
    command = ["blkid", "--output=value", "--match-tag=UUID", "--probe", image]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def slow(host: ServicesHost, seconds: int) -> None:
    """Let a copy take its time."""
    file = host.path("/usr/local/bin/cp")
    file.write_text(f'#!/bin/sh\n/usr/bin/sleep {seconds}\nexec /bin/cp "$@"\n')
    file.chmod(0o755)
