"""The steps: one class each, and what all of them share."""

from __future__ import annotations

from codeocean_cmdgen.steps.base import Step
from codeocean_cmdgen.steps.datasets_not_cached import DatasetsNotCached
from codeocean_cmdgen.steps.db_copy_in import DbCopyIn
from codeocean_cmdgen.steps.db_temporary import DbDelete, DbRestore
from codeocean_cmdgen.steps.on_demand_backup import OnDemandBackup
from codeocean_cmdgen.steps.s3_batch_replication import S3BatchReplication
from codeocean_cmdgen.steps.secrets import SecretsRestore, SecretsSave
from codeocean_cmdgen.steps.service import ServiceStart, ServiceStop
from codeocean_cmdgen.steps.snapshot_copy import SnapshotCopy
from codeocean_cmdgen.steps.volume import VolumeCopyIn, VolumeDelete, VolumeRelease, VolumeRestore

__all__ = [
    "STEPS",
    "DatasetsNotCached",
    "DbCopyIn",
    "DbDelete",
    "DbRestore",
    "OnDemandBackup",
    "S3BatchReplication",
    "SecretsRestore",
    "SecretsSave",
    "ServiceStart",
    "ServiceStop",
    "SnapshotCopy",
    "Step",
    "VolumeCopyIn",
    "VolumeDelete",
    "VolumeRelease",
    "VolumeRestore",
]

STEPS: tuple[type[Step], ...] = (
    S3BatchReplication,
    SecretsSave,
    OnDemandBackup,
    SnapshotCopy,
    VolumeRestore,
    DbRestore,
    ServiceStop,
    VolumeCopyIn,
    DbCopyIn,
    SecretsRestore,
    ServiceStart,
    DatasetsNotCached,
    VolumeRelease,
    VolumeDelete,
    DbDelete,
)
