"""The vocabulary: everything that a script may ask for, each thing described once.

An argument's name is the field of the step, the flag (`--backup-vault-name`), the shell variable
(`BACKUP_VAULT_NAME`) and the key in the values file.
"""

from __future__ import annotations

from typing import NamedTuple

from codeocean_cmdgen import values


class Argument(NamedTuple):
    """One thing that a script asks for.

    kind: what its text must look like.
    help: what it is, for `--help` and the question on the terminal.
    where: where a person finds it; empty when it is the person's own choice.
    many: it may be given several times.
    file: its option takes a file that holds the values: what `describe-stacks` answered.
    """

    kind: type[values.Value]
    help: str
    where: str = ""
    many: bool = False
    file: bool = False


VOCABULARY: dict[str, Argument] = {
    "account_id": Argument(
        values.AccountId,
        "account that this script runs in",
        "console, menu at the top right; or `aws sts get-caller-identity`",
    ),
    "region": Argument(
        values.Region,
        "Region that this script works in",
        "console, second menu from the right",
    ),
    "role_arn": Argument(
        values.RoleArn,
        "role that the AWS service assumes for the job",
        "CloudFormation > the stack > Resources, or IAM > Roles",
    ),
    "bucket_arn": Argument(
        values.BucketArn,
        "bucket to replicate from, or to bring back",
        "CloudFormation > the stack > Resources",
        many=True,
    ),
    "report_bucket_arn": Argument(
        values.BucketArn,
        "bucket for the completion reports; no report without it. The source's role may write to "
        "its Temp bucket only, where objects live for one day",
        "CloudFormation > the stack > Resources > S3TempBucket",
    ),
    "only_missing": Argument(
        values.Switch,
        "only objects that were never replicated or failed (statuses NONE and FAILED); without "
        "it also COMPLETED and REPLICA",
    ),
    "backup_vault_name": Argument(
        values.VaultName,
        "vault that holds the recovery points",
        "AWS Backup > Backup vaults, in the account that this script runs in",
    ),
    "ebs_snapshot_arn": Argument(
        values.EbsSnapshotArn,
        "recovery point of the data volume",
        "AWS Backup > Backup vaults > the vault > Recovery points",
    ),
    "rds_snapshot_arn": Argument(
        values.RdsSnapshotArn,
        "recovery point of the analytics database",
        "AWS Backup > Backup vaults > the vault > Recovery points",
    ),
    "destination_vault_arn": Argument(
        values.VaultArn,
        "vault that receives the copies",
        "AWS Backup > Backup vaults, in the target's account",
    ),
    "retention_days": Argument(
        values.Days,
        "days to keep the copies, counted from the day of the copy",
    ),
    "stack_name": Argument(
        values.StackName,
        "CloudFormation stack of the deployment",
        "CloudFormation > Stacks",
    ),
    "data_volume_id": Argument(
        values.VolumeId,
        "the deployment's data volume",
        "CloudFormation > the stack > Resources > DataVolume",
    ),
    "restored_volume_id": Argument(
        values.VolumeId,
        "volume restored from the recovery point; without it, the one that volume-restore of the "
        "same run made",
        "AWS Backup > Jobs > Restore jobs",
    ),
    "db_instance_id": Argument(
        values.DbInstanceId,
        "the deployment's own analytics database instance",
        "CloudFormation > the stack > Resources > AnalyticsDBInstance",
    ),
    "temporary_db_instance_id": Argument(
        values.DbInstanceId,
        "temporary database instance, restored from the recovery point",
    ),
    "db_instance_class": Argument(
        values.DbInstanceClass,
        "class of the temporary database instance",
    ),
    "kms_key_id": Argument(
        values.KmsKeyId,
        "key to encrypt the restored volume with; without it, the account's aws/ebs",
        "KMS > AWS managed keys > aws/ebs",
    ),
    "data_mount": Argument(
        values.Folder,
        "where the data volume is mounted",
    ),
    "health_url": Argument(
        values.LocalUrl,
        "where the application says that it is well; UNVERIFIED for current versions",
    ),
    "job_url": Argument(
        values.LocalUrl,
        "where the application's job service tells of a job, the job's id left out; UNVERIFIED "
        "for current versions",
    ),
    "command": Argument(
        values.CommandLine,
        "vendor's own command for this, of the installed version",
        "the vendor's guide or support",
    ),
    "from_host": Argument(
        values.HostName,
        "endpoint of the temporary database instance, restored from the recovery point",
        "RDS > Databases > tmp-codeocean-restore > Connectivity",
    ),
    "to_host": Argument(
        values.HostName,
        "endpoint of the deployment's own analytics database",
        "RDS > Databases > the deployment's > Connectivity",
    ),
    "from_port": Argument(values.Port, "port of the temporary database instance"),
    "to_port": Argument(values.Port, "port of the deployment's own analytics database"),
    "user": Argument(
        values.DatabaseWord,
        "master user of both database instances",
        "RDS > Databases > the deployment's > Configuration",
    ),
    "database": Argument(values.DatabaseWord, "database to copy; UNVERIFIED for current versions"),
    "master_password_secret_id": Argument(
        values.SecretId,
        "secret that holds the master password of both database instances",
        "Secrets Manager > /STACK/analytics/master-password-0",
    ),
    "ca_bundle": Argument(
        values.Folder,
        "file with the certificate authorities of RDS; where it exists, the server's name is "
        "verified",
    ),
    "dump_folder": Argument(
        values.Folder,
        "folder on the services instance for the dump: definitions and large objects, no rows",
    ),
    "drop_old": Argument(
        values.Switch,
        "remove the database that the copy replaced and kept",
    ),
    "preset": Argument(
        values.Preset,
        "parameters that the vendor's guide sets or clears together",
    ),
    "set": Argument(
        values.StackParameter,
        "parameter of the stack and the value that it is to have; goes before a preset",
        many=True,
    ),
    "clear": Argument(
        values.ParameterKey,
        "parameter of the stack to set back to the template's default, mostly empty; goes before "
        "a preset",
        many=True,
    ),
    "parameters_from": Argument(
        values.StackParameter,
        "answer of `aws cloudformation describe-stacks --stack-name NAME` for the source: its "
        "parameters are taken, but for backup destinations, the restore source and secrets",
        many=True,
        file=True,
    ),
    "template_url": Argument(
        values.TemplateUrl,
        "template of the stack",
        "the vendor's release notes",
    ),
    "destination_bucket_arn": Argument(
        values.BucketArn,
        "bucket that the source replicates to, of the backup stack or of the new deployment, one "
        "of each kind",
        "CloudFormation > that stack > Resources",
        many=True,
    ),
    "restore_source_account_id": Argument(
        values.AccountId,
        "account that recovery points may come from: the backup's; in a migration the source's",
        "console of that account, menu at the top right",
    ),
    "replace": Argument(
        values.Switch,
        "go on, when it is confirmed, where what holds data would be replaced or removed",
    ),
    "at": Argument(
        values.Instant,
        "moment to bring the buckets back to: the creation time of the EBS recovery point, or the "
        "completion of its backup job, so that nothing that the snapshot knows is lost",
        "what snapshot-copy printed; or AWS Backup > Backup vaults > the vault > Recovery points",
    ),
    "until": Argument(
        values.Instant,
        "moment at which replication into the buckets had ended and nobody used them yet",
        "S3 > Batch Operations > the last job's completion, in the account it ran in",
    ),
    "reversible": Argument(
        values.Switch,
        "remove no version: put copies and delete markers on top instead",
    ),
    "undo": Argument(
        values.Switch,
        "take back what the script with --reversible of the same run has changed",
    ),
    "verify": Argument(
        values.Switch,
        "only compare the buckets with that moment, and say what differs",
    ),
    "run": Argument(
        values.RunName,
        "name of this round; a new round wants a new name",
    ),
}

FACTS: dict[str, Argument] = {
    "services_instance_id": Argument(
        values.InstanceId,
        "the deployment's services instance, for the SSM session; no script asks for it",
        "EC2 > Instances > codeocean-services",
    ),
    "availability_zone": Argument(
        values.Zone,
        "zone of the services instance and the data volume; no script asks for it",
        "EC2 > Instances > codeocean-services",
    ),
}
"""What the values file may hold of a deployment besides: for a person, and for `check`."""

FINDS = frozenset(
    (
        "account_id",
        "region",
        "stack_name",
        "backup_vault_name",
        "bucket_arn",
        "data_volume_id",
        "db_instance_id",
        "destination_bucket_arn",
        "destination_vault_arn",
        "from_host",
        "master_password_secret_id",
        "restore_source_account_id",
        "role_arn",
        "to_host",
        "to_port",
        "until",
        "user",
    )
)
"""Those that `discover ROLE` finds."""

CHOOSES = frozenset(("ebs_snapshot_arn", "rds_snapshot_arn", "at"))
"""Those that `discover recovery-points` finds, of the pair that a person chooses."""

KNOWN: dict[str, Argument] = {**VOCABULARY, **FACTS}
"""Every key that a values file may hold."""


def flag(name: str) -> str:
    """Return the option of an argument: `backup_vault_name` -> `--backup-vault-name`."""
    return "--" + name.replace("_", "-")
