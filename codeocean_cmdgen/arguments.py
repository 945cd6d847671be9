"""The vocabulary: every value that a script may need, each described once.

An argument's name is the field of the step, the flag (`--backup-vault-name`), the shell variable
(`BACKUP_VAULT_NAME`) and the key in the deployment file.
"""

from __future__ import annotations

from typing import NamedTuple

from codeocean_cmdgen import values, vendor

ROLE = "ROLE"
"""`discover ROLE` finds the value, in the account of that role."""
RECOVERY_POINTS = "recovery-points"
"""`discover recovery-points` takes the value from the pair that a person chooses."""


class Argument(NamedTuple):
    """One value that a script needs.

    kind: the form that its text must have.
    help: what it is, for `--help` and the question on the terminal.
    where: where a person finds it; empty if the person is free to choose it.
    discovered_by: what `discover` finds it with: ROLE, RECOVERY_POINTS, or empty if it cannot.
    many: it may be given several times.
    file: its option takes a file that holds the values: the answer of `describe-stacks`.
    """

    kind: type[values.Value]
    help: str
    where: str = ""
    discovered_by: str = ""
    many: bool = False
    file: bool = False


VOCABULARY: dict[str, Argument] = {
    "account_id": Argument(
        values.AccountId,
        "account that the script runs in",
        "AWS console, account menu at the top right; or `aws sts get-caller-identity`",
        discovered_by=ROLE,
    ),
    "region": Argument(
        values.Region,
        "Region that the script works in",
        "AWS console, Region menu at the top right",
        discovered_by=ROLE,
    ),
    "role_arn": Argument(
        values.RoleArn,
        "role that the AWS service assumes for the job",
        "CloudFormation > the stack > Resources, or IAM > Roles",
        discovered_by=ROLE,
    ),
    "bucket_arn": Argument(
        values.BucketArn,
        "bucket to replicate from, or to restore to a point in time",
        "CloudFormation > the stack > Resources",
        discovered_by=ROLE,
        many=True,
    ),
    "report_bucket_arn": Argument(
        values.BucketArn,
        "bucket for the completion reports; without it, no report is written. The source's role "
        "can write only to its Temp bucket, which keeps objects for one day",
        "CloudFormation > the stack > Resources > " + vendor.TEMP_BUCKET,
    ),
    "only_missing": Argument(
        values.Switch,
        "replicate only objects that were never replicated or that failed (statuses NONE and "
        "FAILED); without it, also COMPLETED and REPLICA",
    ),
    "backup_vault_name": Argument(
        values.VaultName,
        "vault that holds the recovery points",
        "AWS Backup > Backup vaults, in the account that the script runs in",
        discovered_by=ROLE,
    ),
    "ebs_snapshot_arn": Argument(
        values.EbsSnapshotArn,
        "recovery point of the data volume (an EBS snapshot)",
        "AWS Backup > Backup vaults > the vault > Recovery points",
        discovered_by=RECOVERY_POINTS,
    ),
    "rds_snapshot_arn": Argument(
        values.RdsSnapshotArn,
        "recovery point of the analytics database (an RDS snapshot)",
        "AWS Backup > Backup vaults > the vault > Recovery points",
        discovered_by=RECOVERY_POINTS,
    ),
    "destination_vault_arn": Argument(
        values.VaultArn,
        "vault that receives the copies",
        "AWS Backup > Backup vaults, in the target's account",
        discovered_by=ROLE,
    ),
    "retention_days": Argument(
        values.Days,
        "days to keep the new recovery points, counted from the day that the script creates them",
    ),
    "stack_name": Argument(
        values.StackName,
        "CloudFormation stack of the deployment",
        "CloudFormation > Stacks",
        discovered_by=ROLE,
    ),
    "data_volume_id": Argument(
        values.VolumeId,
        "the deployment's data volume",
        "CloudFormation > the stack > Resources > " + vendor.DATA_VOLUME,
        discovered_by=ROLE,
    ),
    "restored_volume_id": Argument(
        values.VolumeId,
        "volume restored from the recovery point; without it, the one that volume-restore created "
        "in the same run",
        "AWS Backup > Jobs > Restore jobs",
    ),
    "db_instance_id": Argument(
        values.DbInstanceId,
        "the deployment's own analytics database instance",
        "CloudFormation > the stack > Resources > " + vendor.DATABASE,
        discovered_by=ROLE,
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
        "key to encrypt the restored volume with; without it, the account's aws/ebs key",
        "KMS > AWS managed keys > aws/ebs",
    ),
    "data_mount": Argument(
        values.Folder,
        "mount point of the data volume",
    ),
    "health_url": Argument(
        values.LocalUrl,
        "health endpoint of the application; UNVERIFIED for current versions",
    ),
    "job_url": Argument(
        values.LocalUrl,
        "URL where the application's job service shows a job, without the job's ID; "
        "UNVERIFIED for current versions",
    ),
    "command": Argument(
        values.CommandLine,
        "the vendor's own command for this task, for the installed version",
        "the vendor's guide or support",
    ),
    "from_host": Argument(
        values.HostName,
        "endpoint of the temporary database instance, restored from the recovery point",
        f"RDS > Databases > {vendor.TEMPORARY_DATABASE} > Connectivity",
        discovered_by=ROLE,
    ),
    "to_host": Argument(
        values.HostName,
        "endpoint of the deployment's own analytics database",
        "RDS > Databases > the deployment's > Connectivity",
        discovered_by=ROLE,
    ),
    "from_port": Argument(values.Port, "port of the temporary database instance"),
    "to_port": Argument(
        values.Port, "port of the deployment's own analytics database", discovered_by=ROLE
    ),
    "user": Argument(
        values.DatabaseWord,
        "master user of both database instances",
        "RDS > Databases > the deployment's > Configuration",
        discovered_by=ROLE,
    ),
    "database": Argument(values.DatabaseWord, "database to copy; UNVERIFIED for current versions"),
    "master_password_secret_id": Argument(
        values.SecretId,
        "secret that holds the master password of both database instances",
        "Secrets Manager > " + vendor.MASTER_PASSWORD.format(stack_name="STACK"),
        discovered_by=ROLE,
    ),
    "ca_bundle": Argument(
        values.Folder,
        "file with the certificate authorities of RDS; if it exists, the server's certificate and "
        "name are verified",
    ),
    "dump_folder": Argument(
        values.Folder,
        "folder on the services instance for the dump, which holds definitions and large objects "
        "but no rows",
    ),
    "drop_old": Argument(
        values.Switch,
        "remove the old database, which the copy replaced and kept",
    ),
    "swap_back": Argument(
        values.Switch,
        "put the old database, which the copy replaced and kept, in place again",
    ),
    "preset": Argument(
        values.Preset,
        "parameters that the vendor's guide sets or clears together",
    ),
    "set": Argument(
        values.StackParameter,
        "stack parameter and its new value; overrides --preset and --parameters-from",
        many=True,
    ),
    "clear": Argument(
        values.ParameterKey,
        "stack parameter to reset to the template's default, which is usually empty; overrides "
        "--preset",
        many=True,
    ),
    "parameters_from": Argument(
        values.StackParameter,
        "file with the output of `aws cloudformation describe-stacks --stack-name NAME` for the "
        "source; its parameters are copied, except backup destinations, the restore source and "
        "secrets",
        many=True,
        file=True,
    ),
    "template_url": Argument(
        values.TemplateUrl,
        "URL of the stack's template",
        "the vendor's release notes",
    ),
    "destination_bucket_arn": Argument(
        values.BucketArn,
        "bucket that the source replicates to, in the backup stack or the new deployment; one of "
        "each kind",
        "CloudFormation > that stack > Resources",
        discovered_by=ROLE,
        many=True,
    ),
    "restore_source_account_id": Argument(
        values.AccountId,
        "account that recovery points may come from: the backup's, or in a migration the source's",
        "AWS console of that account, account menu at the top right",
        discovered_by=ROLE,
    ),
    "replace": Argument(
        values.Switch,
        "after confirmation, continue even if a resource that holds data would be replaced or "
        "removed",
    ),
    "at": Argument(
        values.Instant,
        "time to restore the buckets to: the creation time of the EBS recovery point or, safer, "
        "the completion time of its backup job; a time that is too early deletes objects that the "
        "snapshot refers to",
        "output of snapshot-copy; or AWS Backup > Backup vaults > the vault > Recovery points",
        discovered_by=RECOVERY_POINTS,
    ),
    "until": Argument(
        values.Instant,
        "time when replication into the buckets had ended, and nobody had used them yet",
        "S3 > Batch Operations > the last job's completion time, in the account it ran in",
        discovered_by=ROLE,
    ),
    "reversible": Argument(
        values.Switch,
        "delete no object version: add copies and delete markers instead",
    ),
    "undo": Argument(
        values.Switch,
        "undo what the script with --reversible changed in this run",
    ),
    "verify": Argument(
        values.Switch,
        "only compare the buckets with their state at that time, and report the differences",
    ),
    "run": Argument(
        values.RunName,
        "name of this run; use a new name to do the step again",
    ),
}

FACTS: dict[str, Argument] = {
    "services_instance_id": Argument(
        values.InstanceId,
        "the deployment's services instance, for the SSM session; no script needs it",
        f"EC2 > Instances > {vendor.SERVICES_INSTANCE}",
    ),
    "availability_zone": Argument(
        values.Zone,
        "zone of the services instance and the data volume; no script needs it",
        f"EC2 > Instances > {vendor.SERVICES_INSTANCE}",
    ),
}
"""Further facts that the deployment file may hold: for people, and for `check`."""

KNOWN: dict[str, Argument] = {**VOCABULARY, **FACTS}
"""Every key that a deployment file may hold."""


def flag(name: str) -> str:
    """Return the option of an argument: `backup_vault_name` -> `--backup-vault-name`."""
    return "--" + name.replace("_", "-")


def why_not(name: str, texts: tuple[str, ...]) -> list[str]:
    """Return why these texts are not a valid value of a name; nothing if they are."""
    argument = KNOWN[name]
    if not argument.many and len(texts) != 1:
        return [f"give one value, not {len(texts)}"]
    return list(filter(None, map(argument.kind.why_not, texts)))
