"""The three procedures: which steps they take, in which order."""

from __future__ import annotations

from codeocean_cmdgen.steps import (
    S3BatchReplication,
    ServiceStart,
    ServiceStop,
    SnapshotCopy,
    Step,
    VolumeCopyIn,
    VolumeRelease,
)

_COPY_IN: tuple[type[Step], ...] = (VolumeCopyIn, ServiceStart, VolumeRelease)

PROCEDURES: dict[str, tuple[type[Step], ...]] = {
    "backup": (S3BatchReplication,),
    "restore": (ServiceStop, S3BatchReplication, SnapshotCopy, *_COPY_IN),
    "migration": (ServiceStop, S3BatchReplication, *_COPY_IN),
}
"""Procedure -> its steps in order. Source: the vendor's page "Backup and restore"."""
