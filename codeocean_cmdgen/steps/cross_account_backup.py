"""Let the accounts of the organization copy backups to each other."""

from __future__ import annotations

from codeocean_cmdgen.steps.base import Step
from codeocean_cmdgen.steps.permissions import ANY
from codeocean_cmdgen.values import Region


class CrossAccountBackup(Step):
    """Turn on cross-account backup, a switch of the whole organization."""

    region: Region = Region("us-east-1")

    name = "cross-account-backup"
    title = "let the organization's accounts copy backups to each other"
    watches = False
    header = {
        "where": "AWS CloudShell, in the management account of the organization.",
        "changes": (
            (
                "backup update-global-settings",
                "turns on cross-account backup for the whole organization",
            ),
        ),
        "takes": "seconds.",
        "costs": "nothing. Each vault's own policy still decides whose copies it accepts.",
        "again": "reports when it was turned on.",
        "killed": "leaves the setting on or off, and nothing else.",
        "undo": "possible at any time, on the page Settings of the AWS Backup console.",
        "done": "AWS Backup reports that the setting is on.",
    }
    permissions = {
        ANY: (
            "backup:DescribeGlobalSettings",
            "backup:UpdateGlobalSettings",
            "organizations:DescribeOrganization",
        ),
    }
    is_discovered = False
    tables = ("source",)
