"""The vendor's stack, version 3.8.2: every name, path and window of it that this program uses.

Templates spell these names themselves, so that a script reads plainly; tests compare the two. The
simulator and the rehearsal spell them too: they play the vendor, and would repeat a mistake here.
"""

from __future__ import annotations

import re
from datetime import timedelta

VERSION = "3.8.2"
TEMPLATE = f"the vendor's template {VERSION}, codeocean.template.yaml"
GUIDE = "the vendor's guide, Backup and restore"
"""Sources of what a check demands."""

# Logical IDs.

DATA_VOLUME = "DataVolume"
DATABASE = "AnalyticsDBInstance"
DATABASE_PASSWORD = "AnalyticsDBMasterPassword"  # noqa: S105 - a logical ID
SERVICES_GROUP = "ServicesAutoScalingGroup"
BACKUP_VAULT = "BackupVault"
BACKUP_ROLE = "BackupRole"
S3_BACKUP_ROLE = "S3BackupRole"
TEMP_BUCKET = "S3TempBucket"

# Names of what the stack creates.

DEPLOYMENT_TAG = "codeocean:deployment"
"""The tag whose value is the stack that a resource belongs to."""

SERVICES_INSTANCE = "codeocean-services"
"""The `Name` tag of the services instance."""

VAULT_NAME = "{stack_name}-v1"

MASTER_PASSWORD = "/{stack_name}/analytics/master-password-0"  # noqa: S105 - a path
"""The name of the secret with the database's master password."""

DATABASE_USER = "root"
DATABASE_NAME = "codeocean"
"""Master user and database. UNVERIFIED for current versions."""

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

IMAGE_REGIONS = (
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-2",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
)
"""The Regions in which the vendor's image exists."""

# Parameters.

DESTINATION = "pDestinationBackup"
"""The prefix of all parameters that name a destination of backups."""

DESTINATION_VAULT = f"{DESTINATION}VaultArn"
DESTINATION_CROSS_REGION = f"{DESTINATION}VaultCrossRegion"
DESTINATION_KEY = f"{DESTINATION}S3KmsKey"
DESTINATION_STORAGE_CLASS = f"{DESTINATION}S3StorageClass"
RESTORE_SOURCE = "pRestoreSourceAccountId"
BACKUP_SCHEDULE = "pBackupSchedule"
BACKUP_RETENTION = "pBackupRetentionPeriod"
AVAILABILITY_ZONE = "pAvailabilityZone1"
IMAGE = "pCustomAmi"
DOMAIN = "pDnsRootDomain"
DATABASE_STORAGE = "pRdsAllocatedStorage"
DATABASE_STORAGE_LIMIT = "pRdsMaxAllocatedStorage"

RESTORE_KEY_LABEL = "Restore KMS Key"
"""Words of the backup stack's label for a parameter whose name is not public."""


def restore_bucket_label(kind: str) -> str:
    """Return words of the backup stack's label for the parameter that names a restored bucket.

    Source: the vendor's guide, "Destination Restore S3 Bucket ARNs (Capsules, Datasets, etc.)".
    """
    return " ".join(("Restore", *re.findall("MLflow|[A-Z][a-z]+", kind), "Bucket"))


def bucket_parameter(kind: str) -> str:
    """Return the parameter that names the destination of one of the replicated buckets."""
    return f"{DESTINATION}{kind}BucketArn"


# The services instance.

STACK_JSON = "/etc/codeocean/stack.json"
"""The services instance's description of its own deployment."""

DATA_MOUNT = "/data"
"""Where the user data mounts the data volume."""

HEALTH_URL = "http://localhost:8300/health"
JOB_URL = "http://localhost:8105/jobs/"
"""Endpoints of the application. UNVERIFIED for current versions."""

# Backups.

START_WINDOW = timedelta(hours=2, minutes=15)
"""How far apart the jobs of one backup may start: the BackupPlan's two hours, and some slack."""

BACKUP_INTERVAL = timedelta(hours=24)
"""The time from one backup to the next."""

COPIES_DAYS = 14
"""How many days the stack keeps copies, if no other retention is given."""

# The guide.

TEMPORARY_DATABASE = "tmp-codeocean-restore"
"""What the guide calls the temporary database instance."""

DEFAULT_ROLE = "AWSBackupDefaultServiceRole"
"""The role of AWS Backup that the guide uses in the backup account."""

BACKUP_TEMPLATE_URL = (
    "https://codeocean-vpc.s3.amazonaws.com/templates/codeocean-backup/v1.2.1/"
    "codeocean-backup.template.yaml"
)
