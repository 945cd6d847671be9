"""What the steps on the services instance have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen import vendor
from codeocean_cmdgen.steps.base import Step
from codeocean_cmdgen.steps.permissions import ANY
from codeocean_cmdgen.values import Folder

if TYPE_CHECKING:
    from codeocean_cmdgen.steps.base import Printed
    from codeocean_cmdgen.values import StackName

DATA_MOUNT = Folder(vendor.DATA_MOUNT)

_SESSION = "in an SSM session; it asks sudo for root."
INSTANCE = f"the services instance of the {{0}}, {_SESSION}"
STOPPED_INSTANCE = f"the services instance that service-stop ran on, {_SESSION}"

REMOUNT = (
    "mount --options remount",
    "makes the data volume read-only for a moment, which proves that nothing writes to it",
)
"""What a script changes that asks the kernel whether something writes to the data volume."""


class HostStep(Step):
    """A step whose guard compares account, Region and stack with the machine that it runs on.

    So none of these may come from that machine's own stack.json.
    """

    stack_name: StackName

    place = "host"
    permissions = {ANY: ("ec2:DescribeInstances",)}

    def documents(self) -> dict[str, Printed]:
        """Return nothing: no script on the instance prints an ARN."""
        return {}
