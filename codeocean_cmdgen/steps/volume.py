"""Restore a volume, copy it over the data volume, unmount and delete it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from codeocean_cmdgen.errors import Problem
from codeocean_cmdgen.steps.base import FIRST_RUN, Step
from codeocean_cmdgen.steps.host import DATA_MOUNT, INSTANCE, REMOUNT, HostStep
from codeocean_cmdgen.steps.permissions import (
    ANY,
    AWS_BACKUP,
    EBS_SNAPSHOT,
    INSTANCES,
    RESTORED_VOLUME,
    ROLE,
    VOLUMES,
)
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


_MOUNT_POINT = "/mnt/codeocean-restored"


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
        "where": "AWS CloudShell, in the target account.",
        "changes": (
            (
                "backup start-restore-job",
                (
                    "restores --ebs-snapshot-arn, or else the only EBS recovery point that was "
                    "copied into the vault, to a new encrypted gp3 volume in the data volume's "
                    "zone, with its speed, and with its size or the snapshot's, whichever is "
                    "larger. The script stops if there are several, or if another run restored it."
                ),
            ),
            ("ec2 create-tags", "tags the new volume, so that later steps of this run find it"),
        ),
        "takes": "minutes. The restore continues without this shell, but the tags come at its end: "
        "paste the script again to complete it.",
        "costs": "storage of the volume until volume-delete.",
        "again": "reports the volume, and tags it again if tags are missing, or follows the "
        "restore job. After a failed job it starts another. A volume that was deleted since is "
        "not restored again in this run.",
        "killed": "leaves a restore job that continues, or a volume that has no tags yet.",
        "undo": "volume-delete.",
        "done": "the volume has the right zone, size and encryption, and its tags.",
    }
    permissions = {
        ANY: (
            "backup:DescribeRestoreJob",
            "backup:ListRecoveryPointsByBackupVault",
            "backup:ListRestoreJobs",
            "ec2:DescribeSnapshots",
            "ec2:DescribeVolumes",
            "kms:DescribeKey",
        ),
        VOLUMES: ("ec2:CreateTags",),
        EBS_SNAPSHOT: ("backup:DescribeRecoveryPoint", "backup:StartRestoreJob"),
        ROLE: ("iam:GetRole",),
    }
    parts = (
        "run_record",
        "volumes",
        "restored_volume",
        "recovery_point",
        "time",
        "service_role",
        "restore_job",
        "aws_errors",
    )
    role_service = AWS_BACKUP
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
    confirm = "DATA-VOLUME-ID"
    header = {
        "where": INSTANCE.format("target"),
        "changes": (
            ("ec2 attach-volume", "attaches the restored volume to this instance"),
            (
                "xfs_admin -U",
                "gives it a new UUID, so that a reboot cannot mount it as the data volume",
            ),
            ("mount", f"mounts it read-only at {_MOUNT_POINT}"),
            REMOUNT,
            ("find -delete", "DELETES the links on the data volume; rsync creates them again"),
            (
                "cp, rsync --delete",
                (
                    "make the data volume equal to the restored one: DELETE what only the data "
                    "volume has, and overwrite what differs, for good"
                ),
            ),
        ),
        "takes": "hours for hundreds of GB, which EBS loads from S3 as they are read. The copy "
        "continues when the session ends. Then both volumes are compared.",
        "costs": "nothing.",
        "again": "follows the copy, continues after a failure or a reboot, or reports when it was "
        "completed.",
        "killed": "before the copy, may leave a volume mounted or read-only: the next paste "
        "continues, or says what to do. Then leaves the unit, which continues. If the unit itself "
        "is killed, the data volume is copied in part: service-start refuses to run until this "
        "script has completed the copy.",
        "undo": "not possible. Unless the data volume is new, back it up first with "
        "on-demand-backup in CloudShell. This instance has no permission to.",
        "done": "both volumes were compared: everything by contents, except /workspaces, by size "
        "and time.",
    }
    permissions = {
        ANY: ("ec2:DescribeInstances", "ec2:DescribeVolumes"),
        (*RESTORED_VOLUME, *INSTANCES): ("ec2:AttachVolume",),
    }
    parts = ("stopped_service", "copied_volume", "restored_volume")
    tables = ("target",)
    checks = (_two_volumes,)


class VolumeRelease(HostStep):
    """Unmount the restored volume, and prove that it can be detached."""

    data_volume_id: VolumeId
    restored_volume_id: Optional[VolumeId] = None
    data_mount: Folder = DATA_MOUNT
    run: RunName = FIRST_RUN

    name = "volume-release"
    title = "unmount the restored volume, so that it can be detached"
    watches = False
    header = {
        "where": INSTANCE.format("target"),
        "changes": (
            ("umount", "unmounts the restored volume; it stays attached until volume-delete"),
            ("rmdir", f"removes its mount point, {_MOUNT_POINT}"),
        ),
        "takes": "seconds.",
        "costs": "nothing.",
        "again": "checks again, or reports that the volume is not attached, or was deleted.",
        "killed": "leaves the volume mounted, or unmounted and not checked.",
        "undo": "not needed: the volume stays attached.",
        "done": "nothing on this instance uses the volume, in no container either: the kernel has "
        "no file system on it, and let the script open it exclusively. Or EC2 reports that it is "
        "not attached.",
    }
    permissions = {ANY: ("ec2:DescribeInstances", "ec2:DescribeVolumes")}
    parts = ("copied_volume", "restored_volume")
    tables = ("target",)
    checks = (_two_volumes,)


class VolumeDelete(Step):
    """Delete the volume that volume-restore created, and nothing else."""

    data_volume_id: VolumeId
    restored_volume_id: Optional[VolumeId] = None
    run: RunName = FIRST_RUN

    name = "volume-delete"
    title = "detach and delete the restored volume"
    confirm = "RESTORED-VOLUME-ID"
    header = {
        "where": "AWS CloudShell, in the target account. First run volume-release on the services "
        "instance: this script cannot see whether the volume is still mounted there.",
        "changes": (
            (
                "ec2 detach-volume",
                (
                    "detaches the restored volume, never by force: one that is in use stays "
                    "'detaching', and is not deleted"
                ),
            ),
            (
                "ec2 delete-volume",
                (
                    "DELETES for good the volume that volume-restore of this run created. Proof: "
                    "its tags, and its restore job, which AWS Backup shows for at least 30 days."
                ),
            ),
        ),
        "takes": "a minute.",
        "costs": "nothing.",
        "again": "follows the deletion, or reports when the volume was deleted, from a record in "
        "the home folder.",
        "killed": "leaves the volume detached or not, or its deletion, which continues.",
        "undo": "not possible. The recovery point can be restored again.",
        "done": "EC2 no longer shows the volume.",
    }
    permissions = {
        ANY: (
            "backup:ListRestoreJobs",
            "cloudformation:DescribeStackResources",
            "ec2:DescribeVolumes",
        ),
        RESTORED_VOLUME: ("ec2:DeleteVolume",),
        (*RESTORED_VOLUME, *INSTANCES): ("ec2:DetachVolume",),
    }
    parts = ("run_record", "volumes", "restored_volume", "deletion", "aws_errors")
    tables = ("target",)
    checks = (_two_volumes,)
