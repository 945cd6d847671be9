"""Create a stack from the vendor's template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen.steps.base import FIRST_RUN, Step
from codeocean_cmdgen.steps.stack_parameters import no_parameter_twice
from codeocean_cmdgen.vendor import DESTINATION, RESTORE_SOURCE

if TYPE_CHECKING:
    from codeocean_cmdgen.steps.base import Printed
    from codeocean_cmdgen.values import RunName, StackName, StackParameter, TemplateUrl

_HIDDEN = "****"
"""What CloudFormation shows of a parameter that is a secret (NoEcho)."""


def _is_copied(parameter: StackParameter) -> bool:
    """Whether a new deployment may have what the old one has.

    Where the old one's backups go is nothing for the new one: what is copied into its vault would
    go on to there. Where recovery points come from is said for each restore.
    """
    own = parameter.key == RESTORE_SOURCE or parameter.key.startswith(DESTINATION)
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
        "where": "AWS CloudShell of the account that is to own the stack.",
        "changes": "creates the stack, with all that its template declares. What fails is rolled "
        "back by CloudFormation, but for what the template retains.",
        "takes": "minutes for the backup stack, about half an hour for a "
        "deployment, without this shell.",
        "costs": "what runs in the stack.",
        "again": "follows it, or says when it was begun and how it ended.",
    }
    tables = ("backup", "target")
    checks = (no_parameter_twice,)

    def variables(self) -> dict[str, Printed]:
        """Leave out what becomes the changes."""
        variables = super().variables()
        del variables["set"], variables["parameters_from"]
        return variables

    def documents(self) -> dict[str, Printed]:
        """Return what differs from the template's defaults: parameter -> value."""
        parameters = [*filter(_is_copied, self.parameters_from), *self.set]
        changes = {parameter.key: parameter.value for parameter in parameters}
        return {**super().documents(), "changes": changes}
