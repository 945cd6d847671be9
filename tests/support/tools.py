"""What tests need of the machine: lacking it they skip locally, and fail where CI=true."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

import pytest

_REAL = Path(sys.prefix, "real")  # installed by tools/real-parts

OLDEST_AWS = Path("/usr/bin/aws")
"""The AWS CLI of Debian 12: 2.9, the oldest that scripts take."""
NEWEST_AWS = _REAL / "aws/aws"
"""The newest AWS CLI, in AWS's own build."""
SEAWEEDFS = _REAL / "bin/weed"
"""A server of S3 that others have written."""

JQ = _REAL / "bin/jq"
"""jq 1.7.1. The machine's own may be 1.6, with which the rehearsals run."""


def require(program: str | Path) -> str:
    """Return the path of a program; without it the test is skipped, or fails in CI."""
    path = shutil.which(program)
    if path is None:
        miss(f"{program} is not installed")
    return str(path)


def miss(what: str) -> NoReturn:
    """Skip the test, which lacks something; fail in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)
