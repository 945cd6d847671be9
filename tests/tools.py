"""What tests need of the machine: lacking it they skip locally, and fail where CI=true."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def require(program: str) -> str:
    """Return the path of a program; without it the test is skipped, or fails in CI."""
    path = shutil.which(program)
    if path is None:
        miss(f"{program} is not installed")
    return path


def miss(what: str) -> NoReturn:
    """Skip the test, which lacks something; fail in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)
