"""A procedure as a folder of files: its scripts, numbered, and its runbook in both forms."""

from __future__ import annotations

import re
import tempfile
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

from codeocean_cmdgen.errors import InputError, Problem, shown
from codeocean_cmdgen.render import render_page, render_runbook
from codeocean_cmdgen.steps import STEPS

if TYPE_CHECKING:
    from codeocean_cmdgen.runbook import Runbook

_MODES = {".sh": 0o700, ".md": 0o600, ".html": 0o600}
_FORMS = {"runbook.md": render_runbook, "runbook.html": render_page}


def files(runbook: Runbook) -> dict[str, str]:
    """Return the files by name: every script whose values are known, and the runbook."""
    scripts = {entry.file: entry.script for entry in runbook.entries if entry.script}
    return {**scripts, **{name: form(runbook) for name, form in _FORMS.items()}}


def write(files: dict[str, str], directory: Path) -> None:
    """Write the files, none before all of them could be written, and remove old ones of ours.

    Raises:
        InputError: the folder cannot be written.

    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory, prefix=".writing-") as beside:
            for name, text in files.items():
                file = Path(beside) / name
                file.write_bytes(text.encode("ascii"))
                file.chmod(_MODES[file.suffix])
            for name in files:
                (Path(beside) / name).replace(directory / name)
        for name in _present(directory) - set(files):
            (directory / name).unlink()
    except OSError as error:
        where = shown(str(directory))
        raise InputError(
            [Problem(f"--directory: cannot write {where}: {error.strerror}")]
        ) from error


def differing(files: dict[str, str], directory: Path) -> dict[str, str]:
    """Return what differs in the folder, by name, as a diff; old files of ours too."""
    found = {}
    for name in sorted({*files, *_present(directory)}):
        path = directory / name
        old = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        if old != files.get(name, ""):
            found[name] = "".join(
                unified_diff(
                    old.splitlines(keepends=True),
                    files.get(name, "").splitlines(keepends=True),
                    f"{name}, there",
                    f"{name}, now",
                )
            )
    return found


def _present(directory: Path) -> set[str]:
    """Return the names of what is in the folder and could have been written by us."""
    steps = "|".join(step.name for step in STEPS)
    ours = re.compile(rf"[0-9]{{2}}-({steps})\.sh|{'|'.join(map(re.escape, _FORMS))}")
    return {file.name for file in directory.glob("*") if ours.fullmatch(file.name)}
