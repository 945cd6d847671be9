"""Runs a program as a script runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import codeocean_cmdgen

PROGRAMS = Path(codeocean_cmdgen.__file__).parent / "programs"


def pythons() -> list[str]:
    """Return our Python, and the oldest supported one if this machine has it."""
    oldest = [Path("/usr/bin/python3.9"), *Path("~/.pyenv/versions").expanduser().glob("3.9.*")]
    found = [one / "bin/python3.9" if one.is_dir() else one for one in oldest]
    return [sys.executable, *(str(one) for one in found if one.exists())]


def run(
    python: str, program: str, folder: Path, files: dict[str, Any], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Write files, as JSON unless they are texts, and run a program in their folder."""
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text)
    package = folder / "program"
    if not package.exists():
        package.symlink_to(PROGRAMS)
    return subprocess.run(
        [python, "-E", "-s", "-m", f"program.{program}", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
