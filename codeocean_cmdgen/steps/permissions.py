"""What the permissions of steps name: resources, and the services that assume roles.

A resource is a form of an ARN, filled from the fields of a step; `*` stands for any. Source of the
resources of an action: the Service Authorization Reference,
https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

from codeocean_cmdgen import vendor

AWS_BACKUP = "backup.amazonaws.com"
BATCH_OPERATIONS = "batchoperations.s3.amazonaws.com"

Resources = tuple[str, ...]

ANY: Resources = ("*",)
"""For actions that cannot be limited, or on what the script has yet to find."""

ROLE: Resources = ("{role_arn}",)

BUCKETS: Resources = ("arn:{partition}:s3:::{bucket_arn.name}",)
OBJECTS: Resources = ("arn:{partition}:s3:::{bucket_arn.name}/*",)
BATCH_JOBS: Resources = ("arn:{partition}:s3:{region}:{account_id}:job/*",)

_VAULTS = "arn:{partition}:backup:{region}:{account_id}:backup-vault:"
VAULT: Resources = (_VAULTS + "{backup_vault_name}",)
VAULT_OF_STACK: Resources = (_VAULTS + vendor.VAULT_NAME,)
EBS_SNAPSHOT: Resources = ("{ebs_snapshot_arn}",)
RDS_SNAPSHOT: Resources = ("{rds_snapshot_arn}",)

STACK: Resources = ("arn:{partition}:cloudformation:{region}:{account_id}:stack/{stack_name}/*",)
GROUP: Resources = (
    "arn:{partition}:autoscaling:{region}:{account_id}:autoScalingGroup:*:autoScalingGroupName/"
    "{stack_name}-" + vendor.SERVICES_GROUP + "-*",
)

VOLUMES: Resources = ("arn:{partition}:ec2:{region}:{account_id}:volume/*",)
RESTORED_VOLUME: Resources = (
    "arn:{partition}:ec2:{region}:{account_id}:volume/{restored_volume_id}",
)
INSTANCES: Resources = ("arn:{partition}:ec2:{region}:{account_id}:instance/*",)

TEMPORARY_DATABASE: Resources = (
    "arn:{partition}:rds:{region}:{account_id}:db:{temporary_db_instance_id}",
)
MASTER_PASSWORD: Resources = (
    (
        "arn:{partition}:secretsmanager:{region}:{account_id}:secret:"
        "{master_password_secret_id.name}*"
    ),
)
"""Secrets Manager appends six random characters to the name."""

_PARAMETERS = "arn:{partition}:ssm:{region}:{account_id}:parameter/{stack_name}"
PARAMETERS: Resources = (f"{_PARAMETERS}/*",)
PARAMETERS_AND_PATH: Resources = (_PARAMETERS, *PARAMETERS)
