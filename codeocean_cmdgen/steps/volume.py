"""Copy the restored volume over the data volume, and let go of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

from codeocean_cmdgen.errors import Problem
from codeocean_cmdgen.steps.base import FIRST_RUN
from codeocean_cmdgen.steps.host import DATA_MOUNT, INSTANCE, HostStep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.values import Folder, RunName, VolumeId


def _two_volumes(data_volume_id: VolumeId, restored_volume_id: VolumeId) -> Iterator[Problem]:
    if restored_volume_id == data_volume_id:
        yield Problem(
            f"--restored-volume-id is the data volume itself, {data_volume_id}: name the volume "
            "that was restored from the recovery point"
        )


@dataclass(frozen=True)
class VolumeCopyIn(HostStep):
    """Make the data volume equal to the volume restored from the recovery point."""

    data_volume_id: VolumeId
    restored_volume_id: Optional[VolumeId] = None
    data_mount: Folder = DATA_MOUNT
    run: RunName = FIRST_RUN

    name = "volume-copy-in"
    title = "make the data volume equal to the restored one"
    confirm = "VOLUME-ID"
    header = {
        "where": INSTANCE.format("target"),
        "changes": "attaches the restored volume, and makes the data volume equal to it: DELETES "
        "what only the data volume has, overwrites what differs, for good. Unless the data volume "
        "is new, first save it with on-demand-backup from CloudShell: this instance may not.",
        "takes": "hours for hundreds of GB, loaded from S3 as read; it outlives the session. Then "
        "both are compared: all by contents, but /workspaces by size and time.",
        "costs": "nothing.",
        "again": "follows it, goes on after a failure or a reboot, or says when it was completed.",
    }
    tables = ("target",)
    checks = (_two_volumes,)


@dataclass(frozen=True)
class VolumeRelease(HostStep):
    """Unmount the restored volume, and prove that it may be detached."""

    data_volume_id: VolumeId
    restored_volume_id: Optional[VolumeId] = None
    data_mount: Folder = DATA_MOUNT
    run: RunName = FIRST_RUN

    name = "volume-release"
    title = "unmount the restored volume, so that it may be detached"
    watches = False
    header = {
        "where": INSTANCE.format("target"),
        "changes": "unmounts the restored volume. It stays attached: this instance may not detach "
        "it, volume-delete does that from CloudShell.",
        "takes": "seconds.",
        "costs": "nothing.",
        "again": "says that it is unmounted.",
    }
    tables = ("target",)
    checks = (_two_volumes,)
