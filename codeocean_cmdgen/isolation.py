"""An environment that contains nothing of the operator: no credentials, no settings, no code.

`simulate` and `rehearse` start programs of others, some as root and some as other users. A user can
read the environment of their own processes. A variable can make a program run or contact something,
such as a `credential_process`, a profile's endpoint, a folder of Python modules or the metadata
service.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING

from codeocean_cmdgen.errors import InputError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_HOME = "/nonexistent"
"""A home folder that does not exist and that only root could create, as for Debian's own users."""

NO_AWS_SETTINGS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""Settings that keep the AWS CLI and botocore from the operator's files and instance metadata."""

# Variables for the look of text and the place of temporary files. This lists the ones to keep,
# because a list of the ones to remove could never be complete.
_KEPT = {
    *("LANG", "LANGUAGE", "TZ", "TMPDIR"),
    *("TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"),
}

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def clean_environment(home: Path | str = NO_HOME) -> dict[str, str]:
    """Return an environment for a program that must learn nothing about the operator.

    home: its home folder.
    """
    kept = {
        name: text for name, text in os.environ.items() if name in _KEPT or name.startswith("LC_")
    }
    return {**kept, "PATH": search_path(), "HOME": str(home), **NO_AWS_SETTINGS}


def search_path() -> str:
    """Return PATH without the parts that depend on the current folder."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    absolute = [folder for folder in folders if Path(folder).is_absolute()]
    return os.pathsep.join(absolute) or os.defpath


def private_folder() -> Path:
    """Return the folder in which this user's temporary folders are created.

    It stays when they are removed. A shell that a simulation has set up may outlive the simulation,
    with one of them in its PATH. If they were in /tmp itself, anybody could then create that folder
    again, and a program in it.

    Raises:
        InputError: the folder is open to other users, or belongs to another user.

    """
    folder = Path(gettempdir(), f"codeocean-cmdgen-{os.geteuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()  # of a link itself, which another user may have put there
    private = stat.S_ISDIR(status.st_mode) and not status.st_mode & _OTHERS
    if not private or status.st_uid != os.geteuid():
        problem = f"{folder} is not a folder that only you can enter"
        raise InputError([Problem(problem, "find out who created it, remove it, or set TMPDIR")])
    return folder


@contextmanager
def isolated() -> Iterator[None]:
    """Run this process with a clean environment and an empty home folder.

    Enter it before moto and botocore are imported: both read the environment then.
    """
    before = dict(os.environ)
    with TemporaryDirectory(prefix="home-", dir=private_folder()) as home:
        _replace_environment(clean_environment(home))
        try:
            yield
        finally:
            _replace_environment(before)


def _replace_environment(variables: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)
