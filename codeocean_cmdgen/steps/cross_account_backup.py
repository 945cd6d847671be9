"""Let the accounts of the organization copy backups to each other."""

from __future__ import annotations

from codeocean_cmdgen.steps.base import Step
from codeocean_cmdgen.values import Region


class CrossAccountBackup(Step):
    """Turn on cross-account backup, a switch of the whole organization."""

    region: Region = Region("us-east-1")

    name = "cross-account-backup"
    title = "let the organization's accounts copy backups to each other"
    watches = False
    header = {
        "where": "AWS CloudShell of the organization's management account.",
        "changes": "turns on cross-account backup in the settings of AWS Backup, for the whole "
        "organization. Which vault takes whose copies is still said by the vault's own policy.",
        "takes": "seconds.",
        "costs": "nothing.",
        "again": "says since when it is on.",
    }
    tables = ("source",)
