"""The steps: one class each, and what all of them share."""

from __future__ import annotations

from codeocean_cmdgen.steps.base import Step
from codeocean_cmdgen.steps.cross_account_backup import CrossAccountBackup
from codeocean_cmdgen.steps.datasets_not_cached import DatasetsNotCached
from codeocean_cmdgen.steps.db_copy_in import DbCopyIn
from codeocean_cmdgen.steps.db_temporary import DbDelete, DbRestore
from codeocean_cmdgen.steps.instance import InstanceHold, InstanceRelease
from codeocean_cmdgen.steps.on_demand_backup import OnDemandBackup
from codeocean_cmdgen.steps.s3_batch_replication import S3BatchReplication
from codeocean_cmdgen.steps.s3_point_in_time import S3PointInTime
from codeocean_cmdgen.steps.secrets import SecretsRestore, SecretsSave
from codeocean_cmdgen.steps.service import ServiceStart, ServiceStop
from codeocean_cmdgen.steps.snapshot_copy import SnapshotCopy
from codeocean_cmdgen.steps.stack_create import StackCreate
from codeocean_cmdgen.steps.stack_parameters import StackParameters
from codeocean_cmdgen.steps.volume import VolumeCopyIn, VolumeDelete, VolumeRelease, VolumeRestore

__all__ = [
    "BY_NAME",
    "STEPS",
    "CrossAccountBackup",
    "DatasetsNotCached",
    "DbCopyIn",
    "DbDelete",
    "DbRestore",
    "InstanceHold",
    "InstanceRelease",
    "OnDemandBackup",
    "S3BatchReplication",
    "S3PointInTime",
    "SecretsRestore",
    "SecretsSave",
    "ServiceStart",
    "ServiceStop",
    "SnapshotCopy",
    "StackCreate",
    "StackParameters",
    "Step",
    "VolumeCopyIn",
    "VolumeDelete",
    "VolumeRelease",
    "VolumeRestore",
]

STEPS: tuple[type[Step], ...] = (
    CrossAccountBackup,
    StackCreate,
    StackParameters,
    S3BatchReplication,
    SecretsSave,
    OnDemandBackup,
    InstanceHold,
    ServiceStop,
    SnapshotCopy,
    VolumeRestore,
    DbRestore,
    VolumeCopyIn,
    DbCopyIn,
    S3PointInTime,
    SecretsRestore,
    ServiceStart,
    DatasetsNotCached,
    VolumeRelease,
    VolumeDelete,
    DbDelete,
    InstanceRelease,
)

BY_NAME = {step.name: step for step in STEPS}
