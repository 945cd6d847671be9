"""Reads the values of a script, with a parser that accepts only what the quoter prints."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from codeocean_cmdgen.arguments import KNOWN
from codeocean_cmdgen.errors import InputError, shown
from codeocean_cmdgen.inputs.resolve import Given, checked
from codeocean_cmdgen.marks import STEP, step_in
from codeocean_cmdgen.rendering.script import BY_DEFAULT, MADE, TEXT_DIGEST
from codeocean_cmdgen.steps import BY_NAME
from codeocean_cmdgen.verify.verdicts import Difference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from codeocean_cmdgen.inputs.resolve import Resolved
    from codeocean_cmdgen.steps import Step


class UnreadableError(Exception):
    """A text has no values that could be read, because of a difference."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(difference.message)
        self.difference = difference


def unquoted(word: str) -> str:
    """Return the text that the quoter printed as this word.

    Raises:
        ValueError: the quoter prints no text so.

    """
    text = word[1:-1].replace("'\"'\"'", "'") if word.startswith("'") else word
    if not (text.isascii() and text.isprintable() and shlex.quote(text) == word):
        message = "this is not quoted as in a script of codeocean-cmdgen"
        raise ValueError(message)
    return text


_STEP_IN_WRAPPER = re.compile(r"^ +codeocean_cmdgen=main bash .* ([a-z0-9-]+) \\$", re.MULTILINE)
_BLOCK = re.compile(r"^values\(\) \{\n(.*?)^\}\n", re.MULTILINE | re.DOTALL)
_ORIGIN = re.compile(
    r"from (option|environment [A-Z0-9_]+|stack\.json|procedure|answer on the terminal"
    r"|deployment file \[[a-z0-9.-]+\](?:, (?:\[[a-z]+\]|to_host))?)"
)
"""What the values block names as origins: a claim, which nothing proves."""
_NOT_GIVEN = {"  # the step", f"  # {BY_DEFAULT}"}
"""What stands above values that nobody gave."""
_OPTION = re.compile(r"--([a-z0-9-]+) (.*)")
_ASSIGNMENT = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)", re.DOTALL)


def read(text: str, first_line: int = 1) -> Resolved:
    """Return what the script in a text was made from, as its values block says.

    first_line: the number of the text's first line.

    Raises:
        UnreadableError: there is no script, or no script has such values.

    """
    names, block = step_names(text), _BLOCK.search(text)
    if not names:
        raise UnreadableError(Difference("this is not a script of codeocean-cmdgen"))
    if block is None:
        line = first_line + text.count("\n", 0, _end_of_header(text))
        raise UnreadableError(
            Difference("expected the values block here: its first or last line is damaged", line)
        )
    step = next((BY_NAME[name] for name in names if name in BY_NAME), None)
    if step is None:
        raise UnreadableError(Difference(f"this release has no step {shown(names[0])}"))
    line = first_line + text.count("\n", 0, block.start())
    given = _Values(step, line + 1).read(block[1].split("\n")[:-1])
    try:
        return checked(step, given)
    except InputError as error:
        message = "; ".join(problem.message for problem in error.problems)
        raise UnreadableError(Difference(message, line)) from error


def _end_of_header(text: str) -> int:
    """Return where the values block of a script should begin."""
    begin = re.search(r"^.?values\(\) \{", text, re.MULTILINE)
    blank = text.find("\n\n", text.find(STEP.partition("{")[0]))
    return begin.start() if begin else max(blank, 0) + 2


def step_names(text: str) -> list[str]:
    """Return what a script calls its step: in its header, and in its wrapper."""
    in_wrapper = _STEP_IN_WRAPPER.search(text)
    return [name for name in (step_in(text), in_wrapper[1] if in_wrapper else "") if name]


class _Values:
    """Reads the lines of a values block; what is no value is left to the comparison."""

    def __init__(self, step: type[Step], first_line: int) -> None:
        self._fields = step.arguments()
        self._line = first_line
        self._origin = ""
        self._open = ""
        self._assigned: dict[str, Given] = {}
        self._options: dict[str, Given] = {}

    def read(self, lines: Iterable[str]) -> dict[str, Given]:
        """Return the texts of the values by field name; an option says more than a variable."""
        for number, line in enumerate(lines, self._line):
            if line == f"  # {MADE}":
                break
            try:
                self._read(line)
            except ValueError as error:
                raise UnreadableError(Difference(str(error), number, "", line)) from error
        return {**self._assigned, **self._options}

    def _read(self, line: str) -> None:
        if self._open:
            self._read_word(line)
        elif line.startswith("  # --"):
            self._read_option(line[len("  # ") :])
        elif line.startswith("  # from "):
            origin = _ORIGIN.fullmatch(line[len("  # ") :])
            if origin is None:
                message = "no value can have this origin"
                raise ValueError(message)
            self._origin = origin[1]
        elif line in _NOT_GIVEN or line.startswith(f"  # {TEXT_DIGEST}"):
            self._origin = ""
        else:
            self._read_assignment(line.removeprefix("  "))

    def _read_word(self, line: str) -> None:
        """Read what follows the line that begins an array."""
        if line == "  )":
            if self._origin and not self._assigned.get(self._open):
                message = f"{self._open.upper()} has no value"
                raise ValueError(message)
            self._open = ""
        else:
            self._add(self._assigned, self._open, line.removeprefix("    "))

    def _read_option(self, text: str) -> None:
        option = _OPTION.fullmatch(text)
        if option is None:
            message = "this is not an option with a value"
            raise ValueError(message)
        self._add(self._options, option[1].replace("-", "_"), option[2])

    def _read_assignment(self, text: str) -> None:
        assignment = _ASSIGNMENT.fullmatch(text)
        if assignment is None:
            message = "this is neither a value nor the origin of one"
            raise ValueError(message)
        name = assignment[1].lower()
        if assignment[2] == "()" and not self._origin:
            return
        if assignment[2] == "(":
            self._demand_field(name)
            self._open = name
        else:
            self._add(self._assigned, name, assignment[2])

    def _add(self, values: dict[str, Given], name: str, word: str) -> None:
        """Add a text to a value; what is so by default, or is no value, is not given."""
        text = unquoted(word)
        if not self._origin:
            return
        self._demand_field(name)
        reason = KNOWN[name].kind.why_not(text)
        if reason:
            raise ValueError(reason)
        before = values[name].texts if name in values else ()
        values[name] = Given((*before, text), self._origin)

    def _demand_field(self, name: str) -> None:
        """Refuse a name that the step does not have, unless its value counts for nothing."""
        if self._origin and name not in self._fields:
            message = f"{shown(name)} is not a value of this step"
            raise ValueError(message)
