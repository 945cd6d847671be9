"""What makes the unit tests quick."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from botocore.loaders import Loader

from codeocean_cmdgen.rendering.templates import environment

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _templates_of_documents_are_compiled_once() -> Iterator[None]:
    """A person makes one runbook in a process, the tests make hundreds."""
    with patch("codeocean_cmdgen.rendering.documents.environment", cache(environment)):
        yield


@pytest.fixture(scope="session", autouse=True)
def _aws_is_described_once() -> Iterator[None]:
    """Let all sessions of botocore share the descriptions of services, which it reads slowly."""
    loader = Loader()
    with patch("botocore.session.create_loader", lambda _path: loader):
        yield
