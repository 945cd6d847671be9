"""Keep the Auto Scaling group from replacing the services instance, and let it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen.steps.base import FIRST_RUN, Step

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
        "where": "AWS CloudShell of the target account.",
        "changes": "suspends the processes of the services instance's Auto Scaling group that "
        "could replace it, and writes on the group, as a tag, which. A stack update still can.",
        "takes": "seconds.",
        "costs": "nothing; but an instance that fails is not replaced until instance-release.",
        "again": "says since when it is held; suspends what somebody resumed meanwhile.",
    }
    tables = ("target", "source")


class InstanceRelease(Step):
    """Resume what instance-hold suspended, and nothing else."""

    stack_name: StackName
    run: RunName = FIRST_RUN

    name = "instance-release"
    title = "let the services instance be replaced again when it fails"
    watches = False
    header = {
        "where": "AWS CloudShell of the target account.",
        "changes": "resumes the processes that instance-hold of this run suspended, no others. "
        "Nothing where the instance is marked unhealthy, for then the group would end it at once.",
        "takes": "seconds.",
        "costs": "nothing.",
        "again": "says when it was released.",
    }
    tables = ("target", "source")
