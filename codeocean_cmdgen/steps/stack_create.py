"""Create a stack from the vendor's template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen import vendor
from codeocean_cmdgen.steps.base import FIRST_RUN, Step
from codeocean_cmdgen.steps.permissions import ANY, STACK, VAULT_OF_STACK
from codeocean_cmdgen.steps.stack_parameters import no_parameter_twice

if TYPE_CHECKING:
    from codeocean_cmdgen.steps.base import Printed
    from codeocean_cmdgen.values import RunName, StackName, StackParameter, TemplateUrl

_HIDDEN = "****"
"""What CloudFormation shows of a parameter that is a secret (NoEcho)."""


def _is_copied(parameter: StackParameter) -> bool:
    """Whether a new deployment may have what the old one has.

    Not its backup destinations: what is copied into the new vault would be copied on to them. Not
    its restore source: each restore sets its own.
    """
    own = parameter.key == vendor.RESTORE_SOURCE or parameter.key.startswith(vendor.DESTINATION)
    return not own and parameter.value != _HIDDEN


class StackCreate(Step):
    """Create the backup stack or the target deployment, and follow it to the end."""

    stack_name: StackName
    template_url: TemplateUrl
    set: tuple[StackParameter, ...] = ()
    parameters_from: tuple[StackParameter, ...] = ()
    run: RunName = FIRST_RUN

    name = "stack-create"
    title = "create the backup stack or the target deployment"
    header = {
        "where": "AWS CloudShell, in the account that will own the stack.",
        "changes": (
            (
                "cloudformation create-stack",
                (
                    "creates the stack, with all that its template declares. If that fails, "
                    "CloudFormation deletes what it created, except for what the template retains."
                ),
            ),
        ),
        "takes": "minutes for the backup stack, about half an hour for a deployment. It continues "
        "if this shell ends.",
        "costs": "what runs in the stack.",
        "again": "follows the creation, or reports when it began and how it ended.",
        "killed": "leaves the creation, which continues.",
        "undo": "delete the stack in the console. What its template retains stays.",
        "done": "CloudFormation reports the stack as complete.",
    }
    parts = ("stack",)
    programs = ("template_parameters", "stack_events", "printable")
    if_too_large = "give fewer {}, and set the others with stack-parameters once the stack exists"
    permissions = {
        ANY: ("cloudformation:GetTemplateSummary",),
        VAULT_OF_STACK: ("backup:DescribeBackupVault",),
        STACK: (
            "cloudformation:CreateStack",
            "cloudformation:DescribeStackEvents",
            "cloudformation:DescribeStacks",
            "cloudformation:TagResource",
        ),
    }
    is_discovered = False
    tables = ("backup", "target")
    checks = (no_parameter_twice,)
    unprinted = ("parameters_from",)

    def documents(self) -> dict[str, Printed]:
        """Return what is copied from another stack: parameter -> value. Nothing can be cleared."""
        copied = filter(_is_copied, self.parameters_from)
        changes = {parameter.key: parameter.value for parameter in copied}
        return {**super().documents(), "changes": changes, "clear": ()}
