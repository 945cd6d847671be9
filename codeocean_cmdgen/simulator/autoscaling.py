"""EC2 Auto Scaling: groups, their tags and suspended processes. Groups do not scale.

Sources: autoscaling service model; EC2 Auto Scaling User Guide, "Suspend and resume Amazon EC2 Auto
Scaling processes".
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from codeocean_cmdgen.simulator import backends
from codeocean_cmdgen.simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from codeocean_cmdgen.simulator.clock import Clock
    from codeocean_cmdgen.simulator.wire import Call

PROCESSES = (
    "Launch",
    "Terminate",
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "ReplaceUnhealthy",
    "ScheduledActions",
)
_LONGEST_TAG = 256
_GROUP = "auto-scaling-group"


@dataclass
class Group:
    """A group with one instance, like that of the vendor's services instance."""

    name: str
    instance_id: str
    created: datetime
    tags: dict[str, str] = field(default_factory=dict)
    suspended: dict[str, str] = field(default_factory=dict)
    health: str = "Healthy"
    state: str = "InService"
    max_instance_lifetime: int | None = None


class AutoScaling:
    """The groups of all accounts and Regions."""

    def __init__(self, clock: Clock) -> None:
        """Start without groups."""
        self._clock = clock
        self.groups: dict[tuple[str, str, str], Group] = {}
        self.operations = {
            "CreateOrUpdateTags": self._tag,
            "DescribeAutoScalingGroups": self._describe,
            "ResumeProcesses": self._resume,
            "SuspendProcesses": self._suspend,
        }

    def add(
        self, account_id: str, region: str, name: str, instance_id: str, tags: dict[str, str]
    ) -> Group:
        """Create a group and return it."""
        group = Group(name, instance_id, self._clock.now(), tags)
        self.groups[account_id, region, name] = group
        return group

    def _find(self, call: Call, name: str) -> Group:
        group = self.groups.get((call.account, call.region, name))
        if group is None:
            message = f"AutoScalingGroup name not found - null or {name}"
            raise AwsError(message, "ValidationError")
        return group

    def _describe(self, call: Call) -> dict[str, Any]:
        wanted = call.parameters.get("AutoScalingGroupNames", [])
        found = [
            _describe(call, group)
            for (account, region, name), group in self.groups.items()
            if (account, region) == (call.account, call.region) and (not wanted or name in wanted)
        ]
        return {"AutoScalingGroups": found}

    def _suspend(self, call: Call) -> dict[str, Any]:
        group = self._find(call, call.parameters["AutoScalingGroupName"])
        for process in _processes(call):
            group.suspended.setdefault(process, f"User suspended at {self._clock.now():%FT%TZ}")
        return {}

    def _resume(self, call: Call) -> dict[str, Any]:
        group = self._find(call, call.parameters["AutoScalingGroupName"])
        for process in _processes(call):
            group.suspended.pop(process, None)
        return {}

    def _tag(self, call: Call) -> dict[str, Any]:
        for tag in call.parameters["Tags"]:
            if tag.get("ResourceType") != _GROUP or "PropagateAtLaunch" not in tag:
                message = f"a tag needs the ResourceType {_GROUP}, and PropagateAtLaunch"
                raise AwsError(message, "ValidationError")
            if len(tag.get("Value", "")) > _LONGEST_TAG:
                message = f"the value of tag {tag['Key']} is too long"
                raise AwsError(message, "ValidationError")
            self._find(call, tag["ResourceId"]).tags[tag["Key"]] = tag.get("Value", "")
        return {}


def _processes(call: Call) -> Iterable[str]:
    """Return the processes that a request names; all of them if it names none."""
    named: list[str] = call.parameters.get("ScalingProcesses") or list(PROCESSES)
    for process in named:
        if process not in PROCESSES:
            message = f"{process} is not a valid process type"
            raise AwsError(message, "ValidationError")
    return named


def _describe(call: Call, group: Group) -> dict[str, Any]:
    arn = (
        f"arn:{backends.partition_of(call.region)}:autoscaling:{call.region}:{call.account}:"
        f"autoScalingGroup:{uuid.uuid5(uuid.NAMESPACE_DNS, group.name)}:"
        f"autoScalingGroupName/{group.name}"
    )
    return {
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": arn,
        "MinSize": 1,
        "MaxSize": 1,
        "DesiredCapacity": 1,
        "DefaultCooldown": 300,
        "AvailabilityZones": [f"{call.region}a"],
        "HealthCheckType": "EC2",
        "CreatedTime": group.created,
        "MaxInstanceLifetime": group.max_instance_lifetime,
        "Instances": [
            {
                "InstanceId": group.instance_id,
                "AvailabilityZone": f"{call.region}a",
                "LifecycleState": group.state,
                "HealthStatus": group.health,
                "ProtectedFromScaleIn": False,
            }
        ],
        "SuspendedProcesses": [
            {"ProcessName": name, "SuspensionReason": reason}
            for name, reason in group.suspended.items()
        ],
        "Tags": [
            {
                "ResourceId": group.name,
                "ResourceType": _GROUP,
                "Key": key,
                "Value": value,
                "PropagateAtLaunch": False,
            }
            for key, value in group.tags.items()
        ],
    }
