"""What a reviewer reads of the scripts: what they share, and what is their own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from codeocean_cmdgen.rendering.paste import framed, shared_part
from codeocean_cmdgen.rendering.script import part_text, program_text
from codeocean_cmdgen.rendering.templates import sha256
from codeocean_cmdgen.steps.base import PLACES

GOLDEN = Path(__file__).parent.parent / "golden"


class Text(NamedTuple):
    """A text that several scripts may have, and what a script says in front of it."""

    name: str
    text: str
    mark: str


def shared_texts(scripts: dict[str, str]) -> list[Text]:
    """Return the texts that stand under a digest: shared parts, parts, modules of programs."""
    everything = "\n".join(scripts.values())
    parts = sorted(set(re.findall(r"^# ---- Part (\w+), sha256 ", everything, re.MULTILINE)))
    modules = sorted(set(re.findall(r"^  # (\w+)\.py, sha256 ", everything, re.MULTILINE)))
    return [
        *(
            Text(f"shared part, {words}", shared_part(place), "# ---- sha256 {}\n")
            for place, words in PLACES.items()
        ),
        *(Text(name, part_text(name), f"# ---- Part {name}, sha256 {{}}\n") for name in parts),
        *(
            Text(f"{name}.py", program_text(name), f"  # {name}.py, sha256 {{}}\n")
            for name in modules
        ),
    ]


def reviewed_scripts() -> dict[str, str]:
    """Return the bodies of the reviewed scripts by the names of their files."""
    return {file.stem: framed(file.read_text("ascii")) for file in sorted(GOLDEN.glob("*.sh"))}


def texts() -> str:
    """Return the table of the texts that scripts share."""
    scripts = reviewed_scripts()
    rows = ""
    for one in shared_texts(scripts):
        digest = sha256(one.text)
        mark = one.mark.format(digest)
        users = sum(mark in script for script in scripts.values())
        rows += f"| {one.name} | {one.text.count(chr(10))} | {users} | `{digest}` |\n"
    return head("text", "lines", "in scripts", "sha256") + rows


def own_lines() -> str:
    """Return the table of how much of each script is its own."""
    rows = ""
    for name, script in reviewed_scripts().items():
        own = re.split(r"^# ---- (?:Parts|Program|Shared)", script, maxsplit=1, flags=re.MULTILINE)
        shared = re.findall(r"^(?:# ---- Part (\w+)|  # (\w+\.py)), sha256 ", script, re.MULTILINE)
        names = ", ".join(part or module for part, module in shared)
        file = f"[{name}](../golden/{name}.sh)"
        rows += f"| {file} | {script.count(chr(10))} | {own[0].count(chr(10))} | {names} |\n"
    return head("script", "lines", "its own", "parts and modules, besides the shared part") + rows


def head(*columns: str) -> str:
    """Return the first two lines of a table."""
    return f"| {' | '.join(columns)} |\n{'| --- ' * len(columns)}|\n"
