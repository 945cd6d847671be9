"""Names of the vendor's public stack template, version 3.8.2, in the spelling that it has."""

from __future__ import annotations

REPLICATED_BUCKETS = (
    "Capsules",
    "Datasets",
    "DockerRegistry",
    "InputFiles",
    "Licenses",
    "MLflow",
    "Packages",
    "Public",
    "Results",
)
"""The buckets that the stack replicates; stack.json spells some in lower case."""

DESTINATION = "pDestinationBackup"
"""What the names of all parameters begin with that say where backups go."""

RESTORE_SOURCE = "pRestoreSourceAccountId"


def bucket_parameter(kind: str) -> str:
    """Return the parameter that names the bucket to which one of the replicated buckets goes."""
    return f"{DESTINATION}{kind}BucketArn"
