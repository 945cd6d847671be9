"""What makes the unit tests quick."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from botocore.loaders import Loader

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _aws_is_described_once() -> Iterator[None]:
    """Let all sessions of botocore share the descriptions of services, which it reads slowly."""
    loader = Loader()
    with patch("botocore.session.create_loader", lambda _path: loader):
        yield
