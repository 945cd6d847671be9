"""Restore a volume, copy it over the data volume, and let go of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from codeocean_cmdgen.errors import Problem
from codeocean_cmdgen.steps.base import FIRST_RUN, Step
from codeocean_cmdgen.steps.host import DATA_MOUNT, INSTANCE, HostStep
from codeocean_cmdgen.steps.rules import ebs_in_region, role_in_account, role_in_partition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.values import (
        EbsSnapshotArn,
        Folder,
        KmsKeyId,
        RoleArn,
        RunName,
        VaultName,
        VolumeId,
    )


def _two_volumes(data_volume_id: VolumeId, restored_volume_id: VolumeId) -> Iterator[Problem]:
    if restored_volume_id == data_volume_id:
        yield Problem(
            f"--restored-volume-id is the data volume itself, {data_volume_id}: name the volume "
            "that was restored from the recovery point"
        )


class VolumeRestore(Step):
    """Restore a temporary volume beside the data volume, from the EBS recovery point."""

    backup_vault_name: VaultName
    data_volume_id: VolumeId
    role_arn: RoleArn
    ebs_snapshot_arn: Optional[EbsSnapshotArn] = None
    kms_key_id: Optional[KmsKeyId] = None
    run: RunName = FIRST_RUN

    name = "volume-restore"
    title = "restore a temporary volume from the EBS recovery point"
    header = {
        "where": "AWS CloudShell of the target.",
        "changes": "starts an AWS Backup restore job, which makes one encrypted gp3 volume in the "
        "data volume's zone, of its size and speed; then tags it, so that volume-copy-in of this "
        "run finds it. The data volume and the recovery point stay as they are. Without "
        "--ebs-snapshot-arn it takes the one EBS recovery point that came into the vault from "
        "elsewhere; it stops where there are several, or another run has restored it.",
        "takes": "minutes, without this shell; paste again to go on. The tags come at the end.",
        "costs": "storage of the volume until volume-delete.",
        "again": "finds the volume, or goes on with the restore job; after a job that failed it "
        "starts another. A volume that was deleted since is never restored again in this run.",
    }
    tables = ("target",)
    checks = (role_in_account, role_in_partition, ebs_in_region)


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


class VolumeDelete(Step):
    """Delete the volume that volume-restore made, and nothing else."""

    data_volume_id: VolumeId
    restored_volume_id: Optional[VolumeId] = None
    run: RunName = FIRST_RUN

    name = "volume-delete"
    title = "detach and delete the restored volume"
    confirm = "VOLUME-ID"
    header = {
        "where": "AWS CloudShell of the target. After volume-release, on the services instance.",
        "changes": "DELETES, for good, the volume that volume-restore of this run made: proved by "
        "its tags and by the restore job, which AWS Backup knows for 30 days or more. It is "
        "detached first, never by force. Whether the instance still has it mounted cannot be seen "
        "from here: volume-release says so; a volume in use stays `detaching`, and is not deleted.",
        "takes": "a minute.",
        "costs": "nothing.",
        "again": "goes on, or says when it was deleted, by a record in the home folder.",
    }
    tables = ("target",)
    checks = (_two_volumes,)
