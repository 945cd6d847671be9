"""Imported by the process that is forked for each program: what is slow to load, and once only."""

from __future__ import annotations

from typing import Any

import botocore.session
import s3transfer.manager  # noqa: F401 - a fork inherits it
from botocore.loaders import Loader

_create = Loader.__init__
_remembered: dict[str, Any] = {}


def _created(self: Any, *arguments: Any, **settings: Any) -> None:
    _create(self, *arguments, **settings)
    self._cache = _remembered


Loader.__init__ = _created
botocore.session.Session().create_client("s3", region_name="us-east-1")
