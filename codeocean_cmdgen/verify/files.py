"""Verifies files and folders: scripts, runbooks, and the list and the modes of a folder."""

from __future__ import annotations

import hashlib
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

from codeocean_cmdgen import folder
from codeocean_cmdgen.errors import InputError, Problem, shown
from codeocean_cmdgen.files import is_same, read_input
from codeocean_cmdgen.inputs.deployment_file import DEPLOYMENT_FILE, read_deployment_file
from codeocean_cmdgen.marks import MARKDOWN, PAGE
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.rendering.documents import render_page, render_runbook
from codeocean_cmdgen.runbook import make
from codeocean_cmdgen.verify.comparing import differences_between, of_text
from codeocean_cmdgen.verify.verdicts import DIFFERS, NOT_COMPARED, VERIFIED, Difference, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codeocean_cmdgen.inputs.deployment_file import DeploymentFile

MOST_BYTES = 8 << 20
"""Bytes of the largest text that is verified: a runbook has one."""

FindFile = Callable[[], "Optional[DeploymentFile]"]
"""Returns the deployment file that runbooks were made from, or None. Asked only if there is one."""


def _no_file() -> None:
    return None


def of_file(name: str, content: bytes, find_file: FindFile = _no_file) -> Verdict:
    """Verify a file: a script, a paste of several, or a runbook.

    find_file: finds what a runbook was made from. Without it, a runbook is not compared.

    Raises:
        InputError: no runbook can be made from the deployment file.

    """
    # A shell would run a runbook's scripts, and whatever stands between backticks.
    if not name.endswith(".sh") and content.startswith(_RUNBOOKS):
        return _of_runbook(name, content, find_file)
    verdict = of_text(name, content)
    ours = folder.OURS.fullmatch(name.rpartition("/")[2])
    steps = {script.step.name for script in verdict.scripts}
    if ours and verdict.word == VERIFIED and steps != {ours[1]}:
        message = f"this is a script of {', '.join(sorted(steps))}, not of {ours[1]}"
        return verdict._replace(word=DIFFERS, differences=(Difference(message),))
    return verdict


_RUNBOOKS = (MARKDOWN.encode("ascii"), PAGE.encode("ascii"))
_PROCEDURE = re.compile(
    rf'\A(?:{MARKDOWN}|{PAGE}.{{,200}}?data-procedure=")([a-z]+)'.encode("ascii"), re.DOTALL
)


def _of_runbook(name: str, content: bytes, find_file: FindFile) -> Verdict:
    """Verify a runbook, whose words and buttons decide on what is pasted as its scripts do."""
    digest = hashlib.sha256(content).hexdigest()
    verdict = Verdict(name, NOT_COMPARED, digest, note=_COMPARE)
    deployment_file = find_file()
    if deployment_file is None:
        return verdict
    found = _PROCEDURE.search(content)
    procedure = found[1].decode("ascii") if found else ""
    if procedure not in PROCEDURES:
        message = "this runbook names no procedure of this release"
        return verdict._replace(word=DIFFERS, differences=(Difference(message),), note="")
    form = render_page if content.startswith(PAGE.encode("ascii")) else render_runbook
    expected = form(make(procedure, deployment_file))
    if expected.encode("ascii") == content:
        return verdict._replace(word=VERIFIED, note="")
    different = tuple(differences_between(expected, content.decode("latin-1")))
    return verdict._replace(word=DIFFERS, differences=different, note="")


_COMPARE = "to compare it, name the deployment file that it was generated from: --values FILE"


def of_folder(
    directory: Path, values: Optional[str] = None, find_file: FindFile = _no_file
) -> list[Verdict]:
    """Verify a folder that `render` wrote: scripts, list, modes, and what else is there.

    values: the deployment file that was named, which may be in the folder. If none was named, but
    the folder has one, that is what its runbooks are compared with.
    find_file: as in of_file.

    Raises:
        OSError: something in it cannot be read.
        InputError: no runbook can be made from the deployment file.

    """
    inside = directory / DEPLOYMENT_FILE
    if values is None and inside.is_file() and not inside.is_symlink():
        find_file = partial(read_deployment_file, inside)
    ours: dict[str, bytes] = {}
    verdicts = []
    there = sorted(directory.iterdir())
    for path in there:
        is_input = path.name == DEPLOYMENT_FILE or (values and is_same(path, Path(values)))
        if is_input or path.name in folder.VERSION_CONTROL:
            continue
        if path.is_symlink() or not path.is_file():
            verdicts.append(_differs(path, "it is not a regular file"))
        elif folder.OURS.fullmatch(path.name):
            ours[path.name] = read_input(path, MOST_BYTES)
            verdict = of_file(str(path), ours[path.name], find_file)
            verdicts.append(_with_mode(path, verdict))
        elif path.name != folder.LIST:
            verdicts.append(_differs(path, f"unknown file: {folder.REMOVE}"))
    missing = sorted(set(folder.listed_in(directory)) - {path.name for path in there})
    why = f"it is missing, but {folder.LIST} lists it"
    verdicts += [_differs(directory / name, why) for name in missing]
    sums = directory / folder.LIST
    if sums.is_file() and not sums.is_symlink():
        content = read_input(sums, MOST_BYTES)
        verdicts.append(_with_mode(sums, _of_list(str(sums), content, ours)))
    elif ours and sums not in there:
        verdicts.append(_differs(sums, "it is missing, so nothing says which files belong here"))
    return verdicts


def _of_list(name: str, content: bytes, files: Mapping[str, bytes]) -> Verdict:
    """Verify the list of a folder: it has the digest of each file of ours, and no other line."""
    expected = folder.list_of(files)
    digest = hashlib.sha256(content).hexdigest()
    if expected.encode("ascii") == content:
        return Verdict(name, VERIFIED, digest)
    different = differences_between(expected, content.decode("latin-1"))
    return Verdict(name, DIFFERS, digest, differences=tuple(different))


def _with_mode(path: Path, verdict: Verdict) -> Verdict:
    """Return the verdict on a file in a folder, whose mode counts too."""
    wrong = folder.wrong_mode(path)
    if not wrong:
        return verdict
    differences = (*verdict.differences, Difference(f"it {wrong}"))
    return verdict._replace(word=DIFFERS, differences=differences)


def _differs(path: Path, message: str) -> Verdict:
    return Verdict(str(path), DIFFERS, differences=(Difference(message),))


def of_paths(
    names: Iterable[str],
    stdin: bytes,
    values: Optional[str] = None,
    find_file: FindFile = _no_file,
) -> list[Verdict]:
    """Verify files, folders, and for `-` what came on stdin.

    values, find_file: as in of_folder.

    Raises:
        InputError: something cannot be read, a folder has no script, or no runbook can be made from
            the deployment file.

    """
    verdicts: list[Verdict] = []
    problems = []
    for name in names:
        path = Path(name)
        try:
            if name == "-":
                verdicts.append(of_file("stdin", stdin, find_file))
            elif path.is_dir():
                found = of_folder(path, values, find_file)
                if not any(verdict.scripts or verdict.word == DIFFERS for verdict in found):
                    problems.append(Problem(f"{shown(name)} holds no script"))
                verdicts += found
            else:
                content = read_input(path, MOST_BYTES)
                verdicts.append(of_file(name, content, find_file))
        except OSError as error:
            problems.append(Problem(f"cannot read {shown(name)}: {error.strerror}"))
    if problems:
        raise InputError(problems)
    return verdicts
