"""The three procedures: which steps they take, in which order."""

from __future__ import annotations

from codeocean_cmdgen.steps import (
    DatasetsNotCached,
    DbCopyIn,
    DbDelete,
    DbRestore,
    OnDemandBackup,
    S3BatchReplication,
    SecretsRestore,
    SecretsSave,
    ServiceStart,
    ServiceStop,
    SnapshotCopy,
    Step,
    VolumeCopyIn,
    VolumeDelete,
    VolumeRelease,
    VolumeRestore,
)

_COPY_IN: tuple[type[Step], ...] = (
    VolumeRestore,
    DbRestore,
    VolumeCopyIn,
    DbCopyIn,
    SecretsRestore,
    ServiceStart,
    DatasetsNotCached,
    VolumeRelease,
    VolumeDelete,
    DbDelete,
)

PROCEDURES: dict[str, tuple[type[Step], ...]] = {
    "backup": (S3BatchReplication, SecretsSave),
    "restore": (ServiceStop, S3BatchReplication, SnapshotCopy, *_COPY_IN),
    "migration": (ServiceStop, S3BatchReplication, SecretsSave, OnDemandBackup, *_COPY_IN),
}
"""Procedure -> its steps in order. Source: the vendor's page "Backup and restore"."""
