"""What the steps on the services instance have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen.steps.base import Step
from codeocean_cmdgen.values import Folder

if TYPE_CHECKING:
    from codeocean_cmdgen.steps.base import Printed
    from codeocean_cmdgen.values import StackName

DATA_MOUNT = Folder("/data")
"""Where the vendor's services instance mounts the data volume (template 3.8.2, user data)."""

INSTANCE = "the services instance of the {0}, in an SSM session; it asks sudo for root."


class HostStep(Step):
    """A step whose guard compares account, Region and stack with the machine that it runs on.

    So none of these may come from that machine's own stack.json.
    """

    stack_name: StackName

    place = "host"

    def documents(self) -> dict[str, Printed]:
        """Return nothing: no script on the instance prints an ARN."""
        return {}
