"""Who answers: the caller's credentials, in one Region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from codeocean_cmdgen.arguments import KNOWN
from codeocean_cmdgen.aws_settings import demand_boto3, open_session, usable_settings
from codeocean_cmdgen.errors import DiscoveryError, InputError, Problem
from codeocean_cmdgen.values import Region

if TYPE_CHECKING:
    from codeocean_cmdgen.inputs.deployment_file import Tell


class Caller:
    """The caller whose credentials are used, in one Region.

    account_id: the account that answers. arn: the ARN of the user or the role's session.
    """

    def __init__(self, profile: Optional[str], region: Optional[str], say: Tell) -> None:
        demand_boto3("run this in CloudShell, which has it")
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - an extra, slow

        self.say = say
        self._errors = (BotoCoreError, ClientError)
        self._session = open_session(profile, "--profile", region)
        self.region = str(self._session.region_name or "")
        if not self.region:
            hint = "add --region REGION, or set AWS_DEFAULT_REGION"
            problem = Problem("no Region is configured", hint)
            raise InputError([problem])
        why_not = Region.why_not(self.region)
        if why_not:
            problem = Problem(f"--region: {why_not}", f"find it in: {KNOWN['region'].where}")
            raise InputError([problem])
        identity = self.ask("the caller's identity", "sts", "get_caller_identity")
        self.account_id, self.arn = str(identity["Account"]), str(identity["Arn"])
        say(f"caller: {self.arn}, account {self.account_id}, {self.region}")

    def ask(self, what: str, service: str, operation: str, **parameters: Any) -> Any:  # noqa: ANN401 - JSON
        """Return the complete answer of a read-only operation, with all its pages.

        Raises:
            DiscoveryError: AWS refuses the call, or cannot be reached.
            InputError: the settings for reaching AWS are unusable.

        """
        self.say(f"asking AWS for {what}")
        try:
            with usable_settings():
                client = self._session.client(service)
                if client.can_paginate(operation):
                    pages = client.get_paginator(operation).paginate(**parameters)
                    return pages.build_full_result()
                return getattr(client, operation)(**parameters)
        except self._errors as error:
            problem = Problem(
                f"cannot read {what}: {_one_line(error)}",
                "log in, or choose other credentials with --profile"
                if "redential" in str(error) or "oken" in str(error)
                else "",
            )
            raise DiscoveryError([problem]) from error


def _one_line(error: Exception) -> str:
    """Return the message of an error on one line that a terminal can show."""
    return ascii(str(error))[1:-1]
