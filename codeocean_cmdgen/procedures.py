"""The three procedures: which steps they take, in which order."""

from __future__ import annotations

from codeocean_cmdgen.steps import S3BatchReplication, SnapshotCopy, Step

PROCEDURES: dict[str, tuple[type[Step], ...]] = {
    "backup": (S3BatchReplication,),
    "restore": (S3BatchReplication, SnapshotCopy),
    "migration": (S3BatchReplication,),
}
"""Procedure -> its steps in order. Source: the vendor's page "Backup and restore"."""
