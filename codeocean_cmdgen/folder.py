"""A procedure as a folder: its numbered scripts, its runbook in both forms, and a list of them.

The list, `SHA256SUMS`, can be checked with `sha256sum --check`. It is also how `render` recognizes
its own files: it replaces and removes no others, and none that somebody has edited since. A file
that the list does not name is replaced only if the file itself proves that nobody has edited it.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from codeocean_cmdgen import marks
from codeocean_cmdgen.errors import InputError, Problem, shown
from codeocean_cmdgen.files import (
    PRIVATE_MODE,
    SCRIPT_MODE,
    is_same,
    why_not_replaceable,
)
from codeocean_cmdgen.rendering.documents import render_page, render_runbook
from codeocean_cmdgen.rendering.seal import is_as_rendered
from codeocean_cmdgen.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from codeocean_cmdgen.runbook import Runbook

LIST = "SHA256SUMS"
"""The name of the list."""
_LIST_HEAD = f"{marks.LIST}it wrote these files; check them with sha256sum --check\n"
VERSION_CONTROL = {".git", ".gitattributes", ".gitignore", ".hg", ".hgignore", ".jj", ".svn"}
"""Other names that the folder may hold: those of people who keep it in a repository."""
_FORMS = {"runbook.md": render_runbook, "runbook.html": render_page}
OURS = re.compile(
    rf"[0-9]{{2}}-({'|'.join(step.name for step in STEPS)})\.sh|{'|'.join(map(re.escape, _FORMS))}"
)
"""The names that `render` gives to files. It removes no file of another name, even a listed one."""


def files(runbook: Runbook) -> dict[str, str]:
    """Return the files by name: the scripts whose values are known, the runbooks and the list."""
    scripts = {entry.file: entry.script for entry in runbook.entries if entry.script}
    written = {**scripts, **{name: form(runbook) for name, form in _FORMS.items()}}
    sums = list_of({name: text.encode("ascii") for name, text in written.items()})
    return {**written, LIST: sums}


def list_of(files: Mapping[str, bytes]) -> str:
    """Return the text of the list of these files."""
    return _list((_digest(content), name) for name, content in files.items())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _list(sums: Iterable[tuple[str, str]]) -> str:
    """Return the text of a list: digest and name, in the format of coreutils."""
    lines = (f"{digest}  {name}\n" for digest, name in sorted(sums, key=lambda one: one[::-1]))
    return _LIST_HEAD + "".join(lines)


def write(files: Mapping[str, str], directory: Path, inputs: Mapping[Path, str]) -> None:
    """Write the files, and remove old ones that `render` wrote.

    No file is replaced before all of them are written under temporary names.

    inputs: files that the program reads, and their names in messages.

    Raises:
        InputError: the folder cannot be written, belongs to another user, or holds files with these
            names that `render` did not write. In the last two cases nothing is changed.

    """
    try:
        _demand_own(directory)
        objections = list(_objections(files, directory, inputs))
        if objections:
            problems = [Problem(f"--directory: {objection}") for objection in objections]
            hint = "choose another folder, or move these files away"
            raise InputError([*problems[:-1], Problem(problems[-1].message, hint)])
        stale = _present(directory) - set(files)
        # While files are replaced, the list holds the old and the new digest of each, so that after
        # an interruption the next `render` recognizes all of them.
        listed = listed_in(directory)
        old = ((digest, name) for name, digests in listed.items() for digest in digests)
        new = ((_digest(text.encode("ascii")), name) for name, text in files.items())
        both = _list({*old, *(one for one in new if one[1] != LIST)})
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory, prefix=".writing-") as beside:
            for name, text in {**files, f"{LIST}.both": both}.items():
                _write(Path(beside) / name, text)
            (Path(beside) / f"{LIST}.both").replace(directory / LIST)
            left = [*(name for name in files if name != LIST), *sorted(stale), LIST]
            done: list[str] = []
            try:
                while left:
                    _put(Path(beside), directory, left[0], remove=left[0] in stale)
                    done.append(left.pop(0))
            except OSError as error:
                raise _mixed(directory, error, done, left) from error
    except OSError as error:
        where = shown(str(directory))
        raise InputError(
            [Problem(f"--directory: cannot write {where}: {error.strerror}")]
        ) from error


def _demand_own(directory: Path) -> None:
    """Refuse a folder that belongs to anyone but this user and root: its owner may change files.

    Raises:
        InputError: see above.

    """
    if directory.exists() and directory.stat().st_uid not in {os.geteuid(), 0}:
        where = shown(str(directory))
        problem = f"--directory: {where} belongs to another user, who could replace the scripts"
        raise InputError([Problem(problem, "choose a folder of your own")])


def _put(beside: Path, directory: Path, name: str, *, remove: bool) -> None:
    if remove:
        (directory / name).unlink()
    else:
        (beside / name).replace(directory / name)


def _mixed(directory: Path, error: OSError, done: list[str], left: list[str]) -> InputError:
    """Return the error that names new and old files, after some could not be replaced."""
    failed = f"--directory: cannot replace {left[0]} in {shown(str(directory))}: {error.strerror}"
    state = f"{', '.join(done) or 'none'} up to date, {', '.join(left)} still old"
    hint = "fix the cause and run the same command again: it recognizes its own files"
    return InputError([Problem(failed), Problem(f"the folder is mixed: {state}", hint)])


def _write(file: Path, text: str) -> None:
    with file.open("xb") as opened:
        opened.write(text.encode("ascii"))
        opened.flush()
        os.fchmod(opened.fileno(), _mode(file))
        os.fsync(opened.fileno())


def _mode(file: Path) -> int:
    """Return the mode that `render` gives to a file of this name."""
    return SCRIPT_MODE if file.suffix == ".sh" else PRIVATE_MODE


def _objections(
    files: Mapping[str, str], directory: Path, inputs: Mapping[Path, str]
) -> Iterator[str]:
    """Yield each file that must not be replaced or removed, and the reason."""
    listed = listed_in(directory)
    for name in sorted({*files, *_present(directory)}):
        path = directory / name
        reason = why_not_replaceable(path, inputs)
        if not reason and path.exists():
            if name == LIST:
                strange = sorted(one for one in listed if not OURS.fullmatch(one))
                reason = f"lists {shown(', '.join(strange))} too" if strange else ""
            else:
                reason = _why_not_as_written(path, files.get(name), listed.get(name, set()))
        if reason:
            yield f"{name} {reason}"


def _why_not_as_written(path: Path, text: str | None, listed: set[str]) -> str:
    """Return why a file may not be replaced by a text, or removed (None); empty if it may."""
    content = path.read_bytes()
    if text is not None and content in {b"", text.encode("ascii")}:
        return ""
    if _digest(content) in listed:
        return ""
    if not is_as_rendered(content):
        return "was changed since render wrote it"
    if text is None:
        return f"is out of date, and {LIST} does not list it as written by render"
    return ""


def listed_in(directory: Path) -> dict[str, set[str]]:
    """Return the digests in the folder's list, by name; none if `render` did not write the list."""
    path = directory / LIST
    if path.is_symlink() or not path.is_file():
        return {}
    content = path.read_bytes()
    found: dict[str, set[str]] = {}
    if marks.is_ours(content):
        _, *lines = content.decode("utf-8", "replace").splitlines()
        for line in lines:
            digest, _, name = line.partition("  ")
            found.setdefault(name, set()).add(digest)
    return found


class FolderDifference(NamedTuple):
    """A difference from what `render` would write now.

    message: one line, lower case. diff: the lines that differ; empty if the content is the same.
    """

    message: str
    diff: str = ""


def differing(
    files: Mapping[str, str], directory: Path, inputs: Mapping[Path, str]
) -> list[FolderDifference]:
    """Return all differences in the folder: content, modes, and files that do not belong there.

    inputs: files that the program reads; the deployment file may be in the folder.

    Raises:
        OSError: something in the folder cannot be read.

    """
    found: list[FolderDifference] = []
    there = {file.name: file for file in directory.iterdir()} if directory.is_dir() else {}
    for name in sorted({*files, *there}):
        path = directory / name
        if name in files or OURS.fullmatch(name):
            found += _different(path, files.get(name))
        elif name not in VERSION_CONTROL and not any(is_same(path, one) for one in inputs):
            found.append(FolderDifference(f"unknown file {shown(name)}: {REMOVE}"))
    return found


def _different(path: Path, text: str | None) -> Iterator[FolderDifference]:
    """Yield how a file differs from its text; a file without a text (None) should not exist."""
    regular = path.is_file() and not path.is_symlink()
    old = path.read_bytes() if regular else b""
    new = (text or "").encode("ascii")
    if not regular or text is None or old != new:
        diff = unified_diff(_lines(old), _lines(new), f"{path.name}, there", f"{path.name}, now")
        yield FolderDifference(
            f"{path.name} differs from what render would write now", "".join(diff)
        )
    elif reason := wrong_mode(path):
        yield FolderDifference(f"{path.name} {reason}")


REMOVE = "remove it or move it away"
"""What to do about a file that does not belong there."""

_OTHERS_MAY = 0o055
"""What a clone may add to a mode: git only stores whether the owner may execute a file."""


def wrong_mode(file: Path) -> str:
    """Say what is wrong with the mode of a file of ours; others may read it, but not change it."""
    mode, expected = stat.S_IMODE(file.stat().st_mode), _mode(file)
    fits = mode & ~_OTHERS_MAY == expected
    return (
        "" if fits else f"has mode {mode:04o}, not {expected:04o}: run chmod {expected:04o} on it"
    )


def _lines(content: bytes) -> list[str]:
    """Return the lines of a content, split only at newlines so that every other byte is shown."""
    text = content.decode("utf-8", "backslashreplace")
    return [f"{line}\n" for line in text.split("\n")] if text else []


def _present(directory: Path) -> set[str]:
    """Return the names in the folder that `render` could have written."""
    return {file.name for file in directory.glob("*") if OURS.fullmatch(file.name)}
