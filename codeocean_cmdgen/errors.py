"""Errors that a person can fix, and how the program reports them."""

from __future__ import annotations

from typing import NamedTuple

REFUSED = 1
BAD_INPUT = 2
OUR_BUG = 70
INTERRUPTED = 130
_LONGEST = 100
"""The most characters of a value that a message shows."""


class Problem(NamedTuple):
    """One problem with the input.

    message: one line, lower case, no full stop: what, where, what was expected.
    hint: what to do about it, often the exact command to type; may be empty.
    """

    message: str
    hint: str = ""


class InputError(Exception):
    """The input has problems, which are all reported at once. Exit code 2."""

    exit_code = BAD_INPUT

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


class DiscoveryError(InputError):
    """AWS refused a call, or what was found there cannot be used. Exit code 1."""

    exit_code = REFUSED


class OutputError(Exception):
    """Writing to stdout failed, for the reason given. Exit code 1."""


def shown(text: str) -> str:
    """Return a text as a message may show it: on one line, in ASCII, cut if it is long."""
    quoted = ascii(text)
    return quoted if len(quoted) <= _LONGEST else f"{quoted[:_LONGEST]}...{quoted[-1]}"
