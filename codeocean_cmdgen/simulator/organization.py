"""AWS Organizations, and the settings of AWS Backup that belong to a whole organization.

Sources: organizations service model; backup service model, DescribeGlobalSettings and
UpdateGlobalSettings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codeocean_cmdgen.simulator.errors import AwsError

if TYPE_CHECKING:
    from datetime import datetime

    from codeocean_cmdgen.simulator.clock import Clock
    from codeocean_cmdgen.simulator.wire import Call

_CROSS_ACCOUNT = "isCrossAccountBackupEnabled"
_ID = "o-exampleorgid"


@dataclass
class Organization:
    """At most one organization, with the management account and its members.

    ``cross_account_backup`` is its switch in AWS Backup.
    """

    clock: Clock
    management: str | None = None
    members: set[str] = field(default_factory=set)
    cross_account_backup: bool = False
    _updated: datetime | None = None

    def __post_init__(self) -> None:
        """List the operations by service."""
        self.operations = {"DescribeOrganization": self._describe_organization}
        self.backup_operations = {
            "DescribeGlobalSettings": self._describe_settings,
            "UpdateGlobalSettings": self._update_settings,
        }

    def _describe_organization(self, call: Call) -> dict[str, Any]:
        if call.account not in self.members | {self.management}:
            message = "Your account is not a member of an organization."
            raise AwsError(message, "AWSOrganizationsNotInUseException")
        return {
            "Organization": {
                "Id": _ID,
                "Arn": f"arn:aws:organizations::{self.management}:organization/{_ID}",
                "FeatureSet": "ALL",
                "MasterAccountId": self.management,
                "MasterAccountArn": (
                    f"arn:aws:organizations::{self.management}:account/{_ID}/{self.management}"
                ),
                "MasterAccountEmail": "management@example.com",
            }
        }

    def _describe_settings(self, call: Call) -> dict[str, Any]:
        if call.account not in self.members | {self.management}:
            message = "Account is not a member of an organization"
            raise AwsError(message, "InvalidRequestException")
        return {
            "GlobalSettings": {_CROSS_ACCOUNT: str(self.cross_account_backup).lower()},
            "LastUpdateTime": self._updated,
        }

    def _update_settings(self, call: Call) -> dict[str, Any]:
        if call.account != self.management:
            message = "Account is not the management account of the organization"
            raise AwsError(message, "InvalidRequestException")
        for name, value in call.parameters.get("GlobalSettings", {}).items():
            if name != _CROSS_ACCOUNT or value not in {"true", "false"}:
                message = f"GlobalSettings {name}={value} is not valid"
                raise AwsError(message, "InvalidParameterValueException")
            self.cross_account_backup = value == "true"
            self._updated = self.clock.now()
        return {}
