"""How the files that the program writes begin: by this it knows a file as its own."""

from __future__ import annotations

import re

STEP = "# codeocean-cmdgen {}: "
"""How the header of a script begins, with the name of its step."""

MARKDOWN, PAGE = "# Runbook: ", "<!doctype html>\n"
"""How the two forms of a runbook begin."""

SEAL = re.compile(
    rf"\A((?:{MARKDOWN}[a-z]+\n\n|{PAGE})<!-- codeocean-cmdgen runbook )[0-9a-f]{{64}}( -->\n)"
)
"""The beginning of a runbook with its seal; the groups are what stands before and behind that."""

LIST = "# codeocean-cmdgen render: "
"""How the list of a folder begins."""

RECEIPT = '{\n  "program": "codeocean-cmdgen '
"""How the receipt of a rehearsal begins."""

_STEP = re.compile(f"^{STEP.format('([a-z0-9-]+)')}", re.MULTILINE)
_SCRIPT = re.compile(rf"\(\n(?:.*\n){{1,60}}?{STEP.format('[a-z0-9-]+')}")
LONGEST_BEGINNING = 16_384
"""A mark, if there is one, is within this many bytes."""


def is_ours(content: bytes) -> bool:
    """Return whether a content, or its first 16 KiB, begins like a file that the program writes."""
    text = content[:LONGEST_BEGINNING].decode("latin-1")
    return bool(text.startswith((LIST, RECEIPT)) or SEAL.match(text) or _SCRIPT.match(text))


def step_in(text: str) -> str:
    """Return the step that the header of a script names; empty if there is none."""
    found = _STEP.search(text)
    return found[1] if found else ""
