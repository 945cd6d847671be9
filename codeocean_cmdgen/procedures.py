"""The three procedures: which steps they take, in which order."""

from __future__ import annotations

from codeocean_cmdgen.steps import (
    DatasetsNotCached,
    DbCopyIn,
    S3BatchReplication,
    SecretsRestore,
    SecretsSave,
    ServiceStart,
    ServiceStop,
    SnapshotCopy,
    Step,
    VolumeCopyIn,
    VolumeRelease,
    VolumeRestore,
)

_COPY_IN: tuple[type[Step], ...] = (
    VolumeRestore,
    VolumeCopyIn,
    DbCopyIn,
    SecretsRestore,
    ServiceStart,
    DatasetsNotCached,
    VolumeRelease,
)

PROCEDURES: dict[str, tuple[type[Step], ...]] = {
    "backup": (S3BatchReplication, SecretsSave),
    "restore": (ServiceStop, S3BatchReplication, SnapshotCopy, *_COPY_IN),
    "migration": (ServiceStop, S3BatchReplication, SecretsSave, *_COPY_IN),
}
"""Procedure -> its steps in order. Source: the vendor's page "Backup and restore"."""
