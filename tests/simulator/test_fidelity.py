"""docs/simulator.md speaks of every operation that a script asks for, and of no other."""

from __future__ import annotations

import re
from pathlib import Path

from codeocean_cmdgen import policy

ROOT = Path(__file__).parents[2]
PYTHON_OPERATIONS = re.compile(r"S3\.(?:meta)?([a-z_]+)\(")


def asked_for() -> set[str]:
    found = set()
    for file in (ROOT / "golden").glob("*.sh"):
        script = file.read_text()
        found |= {f"{call.service} {call.operation}" for call in policy.calls(script)}
        # s3-point-in-time asks from Python, some of it by a computed name.
        found |= {f"s3api {name.replace('_', '-')}" for name in PYTHON_OPERATIONS.findall(script)}
        if "object_lock_configuration" in script:
            found.add("s3api get-object-lock-configuration")
    return found


def test_every_operation_is_described() -> None:
    text = (ROOT / "docs" / "simulator.md").read_text()
    described = re.findall(r"^\| `([a-z0-9]+ [a-z-]+)` \|", text, re.MULTILINE)
    assert sorted(described) == sorted(asked_for())
