"""What can go wrong on the person's side, and how the program says so."""

from __future__ import annotations

from typing import NamedTuple

REFUSED = 1
BAD_INPUT = 2
OUR_BUG = 70
_LONGEST = 100
"""Characters of a value that a message shows."""


class Problem(NamedTuple):
    """One thing that is wrong with the input.

    message: one line, lower case, no full stop: what, where, what was expected.
    hint: what to do about it, often the very command to type; may be empty.
    """

    message: str
    hint: str = ""


class InputError(Exception):
    """The input holds problems, all of which are told at once. Exit code 2."""

    exit_code = BAD_INPUT

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


class DiscoveryError(InputError):
    """AWS, or what was found there, said no. Exit code 1."""

    exit_code = REFUSED


def shown(text: str) -> str:
    """Text as it may be printed in a message: one line, ASCII, cut where it is long."""
    quoted = ascii(text)
    return quoted if len(quoted) <= _LONGEST else f"{quoted[:_LONGEST]}...{quoted[-1]}"
