"""The verdict on a file, and how it differs from what this release prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from codeocean_cmdgen.inputs.resolve import Resolved

VERIFIED = "verified"
DIFFERS = "differs"
OTHER_RELEASE = "of another release"
NOT_COMPARED = "not compared"
WORDS = (VERIFIED, DIFFERS, OTHER_RELEASE, NOT_COMPARED)


class Difference(NamedTuple):
    """A place at which a file is not as it should be.

    message: what is wrong, in words; empty if expected and found say it.
    line: its number, from 1; 0 if it is the file as a whole.
    """

    message: str
    line: int = 0
    expected: str = ""
    found: str = ""


class Verdict(NamedTuple):
    """The result for a file.

    digest: SHA-256 of its bytes. scripts: those whose values could be read.
    note: what was not verified.
    """

    name: str
    word: str
    digest: str = ""
    scripts: tuple[Resolved, ...] = ()
    differences: tuple[Difference, ...] = ()
    note: str = ""
