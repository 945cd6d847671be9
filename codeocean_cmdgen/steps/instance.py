"""Keep the Auto Scaling group from replacing the services instance, and allow it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen.steps.base import FIRST_RUN, Step
from codeocean_cmdgen.steps.permissions import ANY, GROUP, STACK

if TYPE_CHECKING:
    from codeocean_cmdgen.values import RunName, StackName


class InstanceHold(Step):
    """Suspend what would replace the services instance in the middle of a restore."""

    stack_name: StackName
    run: RunName = FIRST_RUN

    name = "instance-hold"
    title = "keep the services instance from being replaced"
    watches = False
    header = {
        "where": "AWS CloudShell, in the account of the deployment.",
        "changes": (
            ("autoscaling create-or-update-tags", "tags the group with what will be suspended"),
            (
                "autoscaling suspend-processes",
                "suspends the processes that can replace the instance",
            ),
        ),
        "takes": "seconds.",
        "costs": "nothing. A failed instance is not replaced until instance-release. A stack "
        "update can still replace it.",
        "again": "reports how long the instance has been held, and suspends again what was "
        "resumed since.",
        "killed": "leaves a tag that names what this run has suspended or was about to: "
        "instance-release reads it.",
        "undo": "instance-release.",
        "done": "the group reports all of these processes as suspended.",
    }
    permissions = {
        ANY: ("autoscaling:DescribeAutoScalingGroups",),
        GROUP: ("autoscaling:CreateOrUpdateTags", "autoscaling:SuspendProcesses"),
        STACK: ("cloudformation:DescribeStackResource",),
    }
    parts = ("services_group", "aws_errors")
    tables = ("target", "source")


class InstanceRelease(Step):
    """Resume what instance-hold suspended, and nothing else."""

    stack_name: StackName
    run: RunName = FIRST_RUN

    name = "instance-release"
    title = "allow the services instance to be replaced again if it fails"
    watches = False
    header = {
        "where": "AWS CloudShell, in the account of the deployment.",
        "changes": (
            (
                "autoscaling resume-processes",
                "resumes only what instance-hold of this run suspended",
            ),
            ("autoscaling create-or-update-tags", "tags the group with the time of the release"),
        ),
        "takes": "seconds.",
        "costs": "nothing. Stops if the instance is unhealthy: the group would terminate it.",
        "again": "reports when the instance was released.",
        "killed": "leaves what is not resumed yet suspended, and the tag that names it.",
        "undo": "instance-hold with a new --run.",
        "done": "the group reports none of these processes as suspended.",
    }
    permissions = {
        ANY: ("autoscaling:DescribeAutoScalingGroups",),
        GROUP: ("autoscaling:CreateOrUpdateTags", "autoscaling:ResumeProcesses"),
        STACK: ("cloudformation:DescribeStackResource",),
    }
    parts = ("services_group", "aws_errors")
    tables = ("target", "source")
