"""CloudFormation: the parameters of the stacks that exist.

Source: cloudformation service model, DescribeStacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codeocean_cmdgen.simulator.errors import AwsError

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator.clock import Clock
    from codeocean_cmdgen.simulator.wire import Call


class Stacks:
    """The stacks of all accounts: (account, Region, name) -> parameters."""

    def __init__(self, clock: Clock) -> None:
        """Start without any."""
        self.parameters: dict[tuple[str, str, str], dict[str, str]] = {}
        self._created = clock.now()
        self.operations = {"DescribeStacks": self._describe}

    def _describe(self, call: Call) -> dict[str, Any]:
        name = call.parameters.get("StackName", "")
        parameters = self.parameters.get((call.account, call.region, name))
        if parameters is None:
            message = f"Stack with id {name} does not exist"
            raise AwsError(message, "ValidationError")
        stack = {
            "StackName": name,
            "CreationTime": self._created,
            "StackStatus": "CREATE_COMPLETE",
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
        }
        return {"Stacks": [stack]}
