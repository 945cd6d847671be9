"""Finds the facts of a deployment where they are: in its account, or on its services instance.

Reads only, asks AWS for each thing once, and no value of a secret. boto3 is imported when AWS is
asked: what stack.json tells needs none.
"""

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
        "user",
    )
)
"""What steps take, and `discover ROLE` finds."""

CHOOSES = frozenset(("ebs_snapshot_arn", "rds_snapshot_arn", "at"))
"""What steps take, and `discover recovery-points` finds of the pair that a person chooses."""
