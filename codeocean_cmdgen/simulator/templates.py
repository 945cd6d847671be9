"""The templates of the simulated deployments: the parts of the vendor's that scripts depend on.

The primary stack's names are those of its public template, version 3.8.2. The backup stack's
template is not public: its labels come from the vendor's guide, and its names are invented.
"""

from __future__ import annotations

from dataclasses import replace

from codeocean_cmdgen.simulator.cloudformation import Parameter, Resource, Template

PRIMARY_URL = "https://example.s3.amazonaws.com/v3.8.2/codeocean.template.yaml"
NEWER_URL = PRIMARY_URL.replace("3.8.2", "3.9.0")
BACKUP_URL = (
    "https://codeocean-vpc.s3.amazonaws.com/templates/codeocean-backup/v1.2.1/"
    "codeocean-backup.template.yaml"
)
BUCKETS = {
    "Capsules": "Capsules",
    "Datasets": "Datasets",
    "DockerRegistry": "Docker Registry",
    "InputFiles": "Input Files",
    "Licenses": "Licenses",
    "MLflow": "MLflow",
    "Packages": "Packages",
    "Public": "Public",
    "Results": "Results",
}
_DESTINATION = "pDestinationBackup"


def _primary() -> Template:
    buckets = {
        f"{_DESTINATION}{name}BucketArn": Parameter(f"Destination Backup S3 {words} Bucket ARN")
        for name, words in BUCKETS.items()
    }
    vault, kms_key = f"{_DESTINATION}VaultArn", f"{_DESTINATION}S3KmsKey"
    retention, storage = f"{_DESTINATION}RetentionPeriod", f"{_DESTINATION}S3StorageClass"
    source, days = "pRestoreSourceAccountId", "pBackupRetentionPeriod"
    return Template(
        {
            "pDnsRootDomain": Parameter("DNS Root Domain", None, pattern=r"[a-z0-9.-]+"),
            "pServicesInstanceType": Parameter("Services Instance Type", "m7i.large"),
            "pAvailabilityZone1": Parameter("Availability Zone 1", "us-east-1a"),
            "pRdsInstanceType": Parameter(
                "Analytics RDS Instance Type", "db.t4g.small", ("db.t4g.small", "db.t4g.medium")
            ),
            "pRdsAllocatedStorage": Parameter(
                "Analytics RDS Instance Allocated Storage", "20", type="Number"
            ),
            "pCustomUpstreamDockerRegistrySecret": Parameter("Secret", no_echo=True),
            "pCertificateArn": Parameter("Certificate ARN"),
            days: Parameter("Backup Retention Period", "14", type="Number"),
            vault: Parameter("Destination Backup Vault ARN"),
            f"{vault[:-3]}CrossRegion": Parameter(
                "Destination Backup Vault In Different Region", "no", ("yes", "no")
            ),
            retention: Parameter("Destination Backup Retention Period", "14", type="Number"),
            kms_key: Parameter("Destination Backup S3 KMS Key"),
            storage: Parameter(
                "Destination Backup S3 Storage Class", "GLACIER_IR", ("GLACIER_IR", "STANDARD")
            ),
            **buckets,
            source: Parameter("Restore source account ID"),
        },
        {
            "DataVolume": Resource(
                "AWS::EC2::Volume", ("pAvailabilityZone1",), ("pAvailabilityZone1",)
            ),
            "AnalyticsDBInstance": Resource(
                "AWS::RDS::DBInstance", ("pRdsInstanceType", "pRdsAllocatedStorage")
            ),
            "AnalyticsDBMasterPassword": Resource("AWS::SecretsManager::Secret"),
            "ServicesLaunchTemplate": Resource(
                "AWS::EC2::LaunchTemplate",
                ("pServicesInstanceType", "pCustomUpstreamDockerRegistrySecret", kms_key),
            ),
            "ServicesAutoScalingGroup": Resource(
                "AWS::AutoScaling::AutoScalingGroup", ("pServicesInstanceType", kms_key)
            ),
            "ServicesInstanceRole": Resource("AWS::IAM::Role"),
            "BackupRole": Resource("AWS::IAM::Role"),
            "BackupKMSKey": Resource("AWS::KMS::Key", (vault, source)),
            "BackupVault": Resource("AWS::Backup::BackupVault", made_with="BackupKMSKey"),
            "BackupPlan": Resource("AWS::Backup::BackupPlan", (days,)),
            "BackupCopyFunction": Resource(
                "AWS::Lambda::Function", (vault, retention, f"{vault[:-3]}CrossRegion"), when=vault
            ),
            "BackupCopyRole": Resource("AWS::IAM::Role", when=vault),
            "S3BackupRole": Resource("AWS::IAM::Role", tuple(buckets), when=kms_key),
            **{
                f"S3{name}Bucket": Resource(
                    "AWS::S3::Bucket",
                    (f"{_DESTINATION}{name}BucketArn", kms_key, storage),
                    property="ReplicationConfiguration",
                )
                for name in BUCKETS
            },
        },
    )


def _backup() -> Template:
    buckets = {
        f"pMadeUp{name}": Parameter(f"Destination Restore S3 {words} Bucket ARN")
        for name, words in BUCKETS.items()
    }
    key = "pMadeUpKey"
    return Template(
        {
            "pSourceAccountId": Parameter("Source AWS account ID", None, pattern="[0-9]{12}"),
            "pMadeUpDays": Parameter("Backup Retention Period", "14", type="Number"),
            key: Parameter("Destination Restore S3 KMS Key"),
            **buckets,
        },
        {
            "BackupVault": Resource("AWS::Backup::BackupVault", ("pSourceAccountId",)),
            "S3RestoreRole": Resource("AWS::IAM::Role", tuple(buckets), when=key),
            **{
                f"S3{name}Bucket": Resource(
                    "AWS::S3::Bucket",
                    (f"pMadeUp{name}", key, "pMadeUpDays"),
                    property="ReplicationConfiguration",
                )
                for name in BUCKETS
            },
        },
    )


PRIMARY = _primary()
BACKUP = _backup()
NEWER = replace(
    PRIMARY,
    parameters={
        **{name: one for name, one in PRIMARY.parameters.items() if name != "pCertificateArn"},
        "pNew": Parameter("A new one", "default"),
    },
    resources={
        **PRIMARY.resources,
        "BackupPlan": replace(PRIMARY.resources["BackupPlan"], revision=1),
    },
)
"""A newer release of the primary stack: it has a new parameter, and lacks an old one."""

BY_URL = {PRIMARY_URL: PRIMARY, NEWER_URL: NEWER, BACKUP_URL: BACKUP}
