"""The three procedures: which steps they take, in which order."""

from __future__ import annotations

from codeocean_cmdgen.steps import (
    CrossAccountBackup,
    DatasetsNotCached,
    DbCopyIn,
    DbDelete,
    DbRestore,
    InstanceHold,
    InstanceRelease,
    OnDemandBackup,
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
    VolumeDelete,
    VolumeRelease,
    VolumeRestore,
)

_PREPARE: tuple[type[Step], ...] = (
    StackCreate,
    InstanceHold,
    ServiceStop,
    StackParameters,
    S3BatchReplication,
)
_COPY_IN: tuple[type[Step], ...] = (VolumeRestore, DbRestore, VolumeCopyIn, DbCopyIn)
_START: tuple[type[Step], ...] = (
    SecretsRestore,
    ServiceStart,
    DatasetsNotCached,
    VolumeRelease,
    VolumeDelete,
    DbDelete,
    InstanceRelease,
)

PROCEDURES: dict[str, tuple[type[Step], ...]] = {
    "backup": (
        CrossAccountBackup,
        StackCreate,
        StackParameters,
        S3BatchReplication,
        SecretsSave,
        OnDemandBackup,
    ),
    "restore": (*_PREPARE, SnapshotCopy, *_COPY_IN, S3PointInTime, *_START),
    "migration": (*_PREPARE, SecretsSave, OnDemandBackup, *_COPY_IN, *_START),
}
"""Procedure -> its steps in order. Source: the vendor's page "Backup and restore"."""
