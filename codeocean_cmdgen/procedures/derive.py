"""Derives values of a step from what the deployment file says about another deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen import vendor
from codeocean_cmdgen.inputs.resolve import Given
from codeocean_cmdgen.steps import DbCopyIn, StackCreate
from codeocean_cmdgen.values import HostName, Region, StackParameter, VaultArn

if TYPE_CHECKING:
    from codeocean_cmdgen.inputs.deployment_file import DeploymentFile
    from codeocean_cmdgen.procedures.model import Derive

DESTINATION = ("destination_vault_arn", "destination_bucket_arn")
"""What `destination` derives."""


def destination(deployment: str) -> Derive:
    """Derive a stack's destination parameters from another deployment's vault and buckets."""

    def derive(file: DeploymentFile) -> dict[str, Given]:
        origin = f"deployment file [{deployment}]"
        given = {}
        buckets = file.texts(deployment, "bucket_arn")
        if buckets:
            given["destination_bucket_arn"] = Given(buckets, origin)
        account_id, region, vault = (
            file.texts(deployment, name) for name in ("account_id", "region", "backup_vault_name")
        )
        if account_id and region and vault:
            arn = VaultArn.named(vault[0], Region(region[0]), account_id[0])
            given["destination_vault_arn"] = Given((arn,), origin)
        return given

    return derive


def restore_source(deployment: str) -> Derive:
    """Derive the parameter that names the account whose recovery points the target accepts."""

    def derive(file: DeploymentFile) -> dict[str, Given]:
        account = file.texts(deployment, "account_id")
        if not account:
            return {}
        _, own = file.first(StackCreate, "target", "set")
        others = (one for one in own if StackParameter(one).key != vendor.RESTORE_SOURCE)
        texts = (*others, f"{vendor.RESTORE_SOURCE}={account[0]}")
        return {"set": Given(texts, f"deployment file [target], [{deployment}]")}

    return derive


def temporary_host(file: DeploymentFile) -> dict[str, Given]:
    """Derive the endpoint of the temporary database instance, unless the file gives it.

    The instance does not exist yet. All endpoints of an account in a Region differ only in the
    first label, which is the instance's identifier.
    Source: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.DBInstance.html
    """
    _, given = file.first(DbCopyIn, "target", "from_host")
    _, own = file.first(DbCopyIn, "target", "to_host")
    domain = HostName(own[0]).rds_domain if own else ""
    if given or not domain:
        return {}
    host = f"{file.temporary_database}.{domain}"
    return {"from_host": Given((host,), "deployment file [target], to_host")}
