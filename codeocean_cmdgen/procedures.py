"""The three procedures: which steps they take, in which order."""

from __future__ import annotations

from codeocean_cmdgen.steps import (
    CrossAccountBackup,
    DatasetsNotCached,
    DbCopyIn,
    InstanceHold,
    InstanceRelease,
    S3BatchReplication,
    S3PointInTime,
    SecretsRestore,
    SecretsSave,
    ServiceStart,
    ServiceStop,
    SnapshotCopy,
    StackCreate,
    StackParameters,
    Step,
    VolumeCopyIn,
    VolumeRelease,
)

_COPY_IN: tuple[type[Step], ...] = (VolumeCopyIn, DbCopyIn)
_START: tuple[type[Step], ...] = (
    SecretsRestore,
    ServiceStart,
    DatasetsNotCached,
    VolumeRelease,
    InstanceRelease,
)

PROCEDURES: dict[str, tuple[type[Step], ...]] = {
    "backup": (CrossAccountBackup, StackCreate, StackParameters, S3BatchReplication, SecretsSave),
    "restore": (
        StackCreate,
        InstanceHold,
        ServiceStop,
        StackParameters,
        S3BatchReplication,
        SnapshotCopy,
        *_COPY_IN,
        S3PointInTime,
        *_START,
    ),
    "migration": (
        StackCreate,
        InstanceHold,
        ServiceStop,
        StackParameters,
        S3BatchReplication,
        SecretsSave,
        *_COPY_IN,
        *_START,
    ),
}
"""Procedure -> its steps in order. Source: the vendor's page "Backup and restore"."""
