"""What a rule is, and how rules are applied to the facts."""

from __future__ import annotations

import inspect
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, TypeVar

from codeocean_cmdgen.check.facts import ROUTES, Facts, UnknownError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_T = TypeVar("_T")

ERROR, WARNING = "error", "warning"

Subjects = Callable[[Facts], "Iterable[tuple[Any, ...]]"]
"""Gives what a rule is applied to, one by one: the arguments of its function."""

Look = Callable[..., "Iterator[str]"]
"""Yields what is wrong with a subject. Raises UnknownError where it cannot look."""


@dataclass(frozen=True)
class Rule:
    """One thing that can be wrong.

    name: its id.
    level: error when a step would fail or data be lost, else warning.
    title: what holds when all is well.
    why: what happens otherwise.
    source: the page or fact that says so.
    mend: the command that mends it; {0}, {1} ... are the subject's parts, {file} the values file.
    live: it needs the accounts.
    """

    name: str
    level: str
    title: str
    why: str
    source: str
    mend: str
    live: bool
    procedures: tuple[str, ...]
    each: Subjects
    look: Look


class Finding(NamedTuple):
    """Something that is wrong, and how to mend it."""

    rule: Rule
    what: str
    mend: str


class Unseen(NamedTuple):
    """Something that could not be looked at."""

    rule: Rule
    reason: str


class Verdict(NamedTuple):
    """What came of a check."""

    findings: list[Finding]
    unseen: list[Unseen]
    looked: int

    @property
    def fails(self) -> bool:
        """Whether something would fail."""
        return any(finding.rule.level == ERROR for finding in self.findings)


RULES: list[Rule] = []
"""All rules, in the order in which they are declared."""


def rule(
    name: str,
    *,
    each: Subjects,
    why: str,
    source: str,
    mend: str,
    level: str = ERROR,
    live: bool = True,
    procedures: tuple[str, ...] = tuple(ROUTES),
) -> Callable[[Look], Look]:
    """Declare a rule; its function's docstring is the title."""

    def declare(look: Look) -> Look:
        title = (inspect.getdoc(look) or "").rstrip(".")
        RULES.append(Rule(name, level, title, why, source, mend, live, procedures, each, look))
        return look

    return declare


def apply(rules: Iterable[Rule], facts: Facts, file: str) -> Verdict:
    """Look at everything; errors come before warnings.

    file: the values file, as the commands that mend name it.
    """
    findings: list[Finding] = []
    unseen: list[Unseen] = []
    looked = 0
    for one in rules:
        if facts.procedure not in one.procedures:
            continue
        looked += 1
        for subject in _collect(one, one.each(facts), unseen):
            mend = one.mend.format(*subject, file=shlex.quote(file))
            findings += [
                Finding(one, what, mend) for what in _collect(one, one.look(*subject), unseen)
            ]
    findings.sort(key=lambda finding: (finding.rule.level != ERROR, finding.rule.name))
    return Verdict(findings, list(dict.fromkeys(unseen)), looked)


def _collect(one: Rule, yielded: Iterable[_T], unseen: list[Unseen]) -> Iterator[_T]:
    """Yield all there is, up to what could not be looked at."""
    try:
        yield from yielded
    except UnknownError as error:
        unseen.append(Unseen(one, str(error)))
