"""docs/simulator.md speaks of every operation that a script asks for, and of no other."""

from __future__ import annotations

import re

from tests.support.calls import calls
from tests.support.project import ROOT

PYTHON_OPERATIONS = re.compile(r"\bclient(?:_once)?\.([a-z]+(?:_[a-z]+)+)\b")
"""What the programs of s3-point-in-time call, or pass on to be called."""


def asked_for() -> set[str]:
    found = set()
    for file in (ROOT / "golden").glob("*.sh"):
        script = file.read_text()
        found |= {f"{call.service} {call.operation}" for call in calls(script)}
        found |= {f"s3api {name.replace('_', '-')}" for name in PYTHON_OPERATIONS.findall(script)}
    return found


def test_every_operation_is_described() -> None:
    text = (ROOT / "docs" / "simulator.md").read_text()
    described = re.findall(r"^\| `([a-z0-9]+ [a-z-]+)` \|", text, re.MULTILINE)
    assert sorted(described) == sorted(asked_for())
