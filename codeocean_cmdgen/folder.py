"""A procedure as a folder of files: its scripts, numbered, and its runbook."""

from __future__ import annotations

import tempfile
from difflib import unified_diff
from pathlib import Path

from codeocean_cmdgen.errors import InputError, Problem, shown
from codeocean_cmdgen.render import render_runbook
from codeocean_cmdgen.runbook import make

_MODES = {".sh": 0o700, ".md": 0o600}


def files(procedure: str, values_file: Path) -> dict[str, str]:
    """Return the files by name: every script whose values are known, and the runbook.

    Raises:
        InputError: with every problem of every step.

    """
    runbook = make(procedure, values_file)
    scripts = {entry.file: entry.script for entry in runbook.entries if entry.script}
    return {**scripts, "runbook.md": render_runbook(runbook)}


def write(files: dict[str, str], directory: Path) -> None:
    """Write the files: none before all of them could be written.

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
    except OSError as error:
        where = shown(str(directory))
        raise InputError(
            [Problem(f"--directory: cannot write {where}: {error.strerror}")]
        ) from error


def differing(files: dict[str, str], directory: Path) -> dict[str, str]:
    """Return what differs in the folder, by name, as a diff; old scripts of a step too."""
    present = {file.name: file for file in directory.glob("[0-9][0-9]-*.sh")}
    present["runbook.md"] = directory / "runbook.md"
    found = {}
    for name in sorted({*files, *present}):
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
