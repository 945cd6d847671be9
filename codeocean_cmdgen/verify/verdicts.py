"""What is verified: the values that a script was made from, and the verdict on a file."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from codeocean_cmdgen.arguments import flag
from codeocean_cmdgen.rendering.script import BY_DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codeocean_cmdgen.steps import Step

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


class Row(NamedTuple):
    """A value as a reviewer judges it: its option, its text, and where it came from.

    The text is quoted as for a shell: blanks in it look like nothing else.
    """

    option: str
    text: str
    origin: str


class Script:
    """What a script was made from: the step, and the origin of each value by field name."""

    def __init__(self, step: Step, origins: Mapping[str, str]) -> None:
        self.step = step
        self.origins = origins

    @property
    def rows(self) -> list[Row]:
        """The values, a row for each text of a value."""
        variables = self.step.variant().variables()
        found = []
        for name, origin in self.origins.items():
            value = getattr(self.step, name) or variables.get(name) or ()
            told = BY_DEFAULT if origin == "default" else f"from {origin}"
            texts = value if isinstance(value, tuple) else (str(value),)
            words = [shlex.quote(text) for text in texts]
            found += [Row(flag(name), word, told) for word in words or ("(none)",)]
        return found

    def __eq__(self, other: object) -> bool:
        """Compare what the scripts are made from."""
        if not isinstance(other, Script):
            return NotImplemented
        return type(other.step) is type(self.step) and other.rows == self.rows

    def __hash__(self) -> int:
        """Agree with the comparison."""
        return hash((type(self.step), *self.rows))


class Verdict(NamedTuple):
    """The result for a file.

    digest: SHA-256 of its bytes. scripts: those whose values could be read.
    note: what was not verified.
    """

    name: str
    word: str
    digest: str = ""
    scripts: tuple[Script, ...] = ()
    differences: tuple[Difference, ...] = ()
    note: str = ""
