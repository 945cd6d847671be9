"""Derives values of a step from what the deployment file says about another deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen import vendor
from codeocean_cmdgen.inputs.resolve import Given
from codeocean_cmdgen.values import Region, VaultArn

if TYPE_CHECKING:
    from codeocean_cmdgen.procedures.model import Derive, Tables

_VAULT = ("region", "account_id", "backup_vault_name")
DESTINATION = ("destination_vault_arn", "destination_bucket_arn")
"""What `destination` derives."""


def destination(deployment: str) -> Derive:
    """Derive a stack's destination parameters from another deployment's vault and buckets."""

    def derive(tables: Tables) -> dict[str, Given]:
        facts, origin = tables.get(deployment, {}), f"deployment file [{deployment}]"
        given = {}
        if "bucket_arn" in facts:
            given["destination_bucket_arn"] = Given(facts["bucket_arn"], origin)
        place = [facts[name][0] for name in _VAULT if name in facts]
        if len(place) == len(_VAULT):
            region, account_id, vault = place
            arn = VaultArn.named(vault, Region(region), account_id)
            given["destination_vault_arn"] = Given((arn,), origin)
        return given

    return derive


def recovery_points_from(deployment: str) -> Derive:
    """Derive the parameter that names the account whose recovery points the target accepts."""

    def derive(tables: Tables) -> dict[str, Given]:
        account = tables.get(deployment, {}).get("account_id")
        if not account:
            return {}
        homes = (tables.get("target.stack-create", {}), tables.get("target", {}))
        own = next((home["set"] for home in homes if "set" in home), ())
        others = (one for one in own if not one.startswith(f"{vendor.RESTORE_SOURCE}="))
        texts = (*others, f"{vendor.RESTORE_SOURCE}={account[0]}")
        return {"set": Given(texts, f"deployment file [target], [{deployment}]")}

    return derive


def temporary_host(tables: Tables) -> dict[str, Given]:
    """Derive the endpoint of the temporary database instance, unless the file gives it.

    The instance does not exist yet. All endpoints of an account in a Region differ only in the
    first label, which is the instance's identifier.
    Source: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.DBInstance.html
    """
    homes = (tables.get("target.db-copy-in", {}), tables.get("target", {}))
    if any("from_host" in home for home in homes):
        return {}
    own = next((home["to_host"][0] for home in homes if "to_host" in home), "")
    domain = own.partition(".")[2]
    if ".rds.amazonaws.com" not in domain:
        return {}
    return {
        "from_host": Given(
            (f"{vendor.TEMPORARY_DATABASE}.{domain}",), "deployment file [target], to_host"
        )
    }
