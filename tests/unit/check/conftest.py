"""The fixtures of the tests of `check`."""

from __future__ import annotations

from tests.support.fixtures import clean

__all__ = ["clean"]
