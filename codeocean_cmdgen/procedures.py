"""The three procedures: which steps they take, in which order."""

from __future__ import annotations

from codeocean_cmdgen.steps import (
    DatasetsNotCached,
    DbCopyIn,
    S3BatchReplication,
    S3PointInTime,
    SecretsRestore,
    SecretsSave,
    ServiceStart,
    ServiceStop,
    SnapshotCopy,
    Step,
    VolumeCopyIn,
    VolumeRelease,
)

_DATA: tuple[type[Step], ...] = (VolumeCopyIn, DbCopyIn)
_SERVICE: tuple[type[Step], ...] = (SecretsRestore, ServiceStart, DatasetsNotCached, VolumeRelease)

PROCEDURES: dict[str, tuple[type[Step], ...]] = {
    "backup": (S3BatchReplication, SecretsSave),
    "restore": (
        ServiceStop,
        S3BatchReplication,
        SnapshotCopy,
        *_DATA,
        S3PointInTime,
        *_SERVICE,
    ),
    "migration": (ServiceStop, S3BatchReplication, SecretsSave, *_DATA, *_SERVICE),
}
"""Procedure -> its steps in order. Source: the vendor's page "Backup and restore"."""
