"""AWS settings that the SDK cannot use: the person's mistake, not the program's."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from codeocean_cmdgen.errors import InputError, Problem, shown

if TYPE_CHECKING:
    from collections.abc import Iterator


def missing_profile(name: str, given: str) -> Problem:
    """Say that a profile is not configured. given: the option or variable that names it."""
    files = (
        os.environ.get("AWS_CONFIG_FILE", "~/.aws/config"),
        os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    )
    message = f"{given}: there is no profile {shown(name)} in {' or '.join(files)}"
    return Problem(message, "to list the profiles, run: aws configure list-profiles")


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
        problem = Problem(
            f"the AWS settings cannot be used: {ascii(str(error))[1:-1]}",
            "check AWS_ENDPOINT_URL, AWS_MAX_ATTEMPTS and other AWS_ variables, and ~/.aws/config",
        )
        raise InputError([problem]) from error
