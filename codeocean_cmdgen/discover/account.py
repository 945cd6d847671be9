"""The account of the caller's credentials."""

from __future__ import annotations

from typing import Any, Callable, Optional

from codeocean_cmdgen.arguments import KNOWN
from codeocean_cmdgen.errors import DiscoveryError, InputError, Problem
from codeocean_cmdgen.values import Region

Say = Callable[[str], None]
"""Tells the person one line."""


class Account:
    """The account of the caller's credentials, in one Region."""

    def __init__(self, profile: Optional[str], region: Optional[str], say: Say) -> None:
        try:
            import boto3  # noqa: PLC0415 - slow, and an extra
            from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
        except ImportError as error:
            problem = Problem(
                f"AWS cannot be asked: {error.name} is not installed",
                "CloudShell has it; elsewhere: pip install 'codeocean-cmdgen[aws]'",
            )
            raise InputError([problem]) from error
        self.say = say
        self._errors = (BotoCoreError, ClientError)
        try:
            self._session = boto3.Session(profile_name=profile, region_name=region)
        except BotoCoreError as error:
            raise DiscoveryError([Problem(f"AWS cannot be asked: {_words(error)}")]) from error
        self.region = str(self._session.region_name or "")
        why_not = Region.why_not(self.region)
        if why_not:
            problem = Problem(f"--region: {why_not}", f"find it in: {KNOWN['region'].where}")
            raise InputError([problem])
        self.id = str(self.ask("the caller's identity", "sts", "get_caller_identity")["Account"])

    def ask(self, what: str, service: str, operation: str, **parameters: Any) -> Any:  # noqa: ANN401 - JSON
        """Return the whole answer of an operation that reads, all pages of it.

        Raises:
            DiscoveryError: AWS refuses, or cannot be reached.

        """
        self.say(f"asking AWS for {what}")
        try:
            client = self._session.client(service)
            if client.can_paginate(operation):
                pages = client.get_paginator(operation).paginate(**parameters)
                return pages.build_full_result()
            return getattr(client, operation)(**parameters)
        except self._errors as error:
            problem = Problem(
                f"AWS does not tell {what}: {_words(error)}",
                "log in, or choose other credentials with --profile"
                if "redential" in str(error) or "oken" in str(error)
                else "",
            )
            raise DiscoveryError([problem]) from error


def _words(error: Exception) -> str:
    """Return what an error says, on one line that a terminal can show."""
    return ascii(str(error))[1:-1]
