"""The SDK and the person's AWS settings: what it cannot use is their mistake, not the program's."""

from __future__ import annotations

import os
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Optional

from codeocean_cmdgen.errors import InputError, Problem, shown

if TYPE_CHECKING:
    from collections.abc import Iterator


def demand_boto3(otherwise: str) -> None:
    """Refuse to go on without boto3, which is an extra. otherwise: what to do without it.

    Raises:
        InputError: boto3 is not installed.

    """
    if find_spec("boto3") is None:
        problem = Problem(
            "cannot call AWS: boto3 is not installed", f"pip install boto3, or {otherwise}"
        )
        raise InputError([problem])


def open_session(profile: Optional[str], option: str, region: Optional[str] = None) -> Any:  # noqa: ANN401 - boto3 has no types
    """Return a session of boto3: with a profile, or with the current credentials.

    option: what gave the profile, for messages.

    Raises:
        InputError: the profile is not configured, or the settings cannot be used.

    """
    import boto3  # noqa: PLC0415 - an extra, and slow
    from botocore.exceptions import BotoCoreError, ProfileNotFound  # noqa: PLC0415

    try:
        return boto3.Session(profile_name=profile, region_name=region)
    except ProfileNotFound as error:
        given = option if profile else "AWS_PROFILE"
        raise InputError([_missing_profile(error.kwargs["profile"], given)]) from error
    except BotoCoreError as error:
        raise InputError([_unusable(error)]) from error


def _missing_profile(name: str, given: str) -> Problem:
    files = (
        os.environ.get("AWS_CONFIG_FILE", "~/.aws/config"),
        os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    )
    message = f"{given}: there is no profile {shown(name)} in {' or '.join(files)}"
    return Problem(message, "to list the profiles, run: aws configure list-profiles")


def _unusable(error: Exception) -> Problem:
    return Problem(
        f"the AWS settings cannot be used: {ascii(str(error))[1:-1]}",
        "check AWS_ENDPOINT_URL, AWS_MAX_ATTEMPTS and other AWS_ variables, and ~/.aws/config",
    )


@contextmanager
def usable_settings() -> Iterator[None]:
    """Let the SDK read the person's settings, which it does for a client and its first call.

    Raises:
        InputError: a variable or a file has a value that the SDK cannot use. For most of these,
            such as an endpoint that is not a URL, the SDK just raises ValueError.

    """
    try:
        yield
    except ValueError as error:
        raise InputError([_unusable(error)]) from error
