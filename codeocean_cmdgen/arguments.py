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
    """

    kind: type[values.Value]
    help: str
    where: str = ""
    many: bool = False


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
        "bucket to replicate from",
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
    "run": Argument(
        values.RunName,
        "name of this round; a new round wants a new name",
    ),
}


def flag(name: str) -> str:
    """Return the option of an argument: `backup_vault_name` -> `--backup-vault-name`."""
    return "--" + name.replace("_", "-")
