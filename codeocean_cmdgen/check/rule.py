"""What a rule is, and how rules are applied to the facts."""

from __future__ import annotations

import inspect
import shlex
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, TypeVar, Union

from codeocean_cmdgen.check.facts import Facts, Unknown, UnknownError
from codeocean_cmdgen.procedures import PROCEDURES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from codeocean_cmdgen.check.facts import Deployment

_T = TypeVar("_T")

ERROR, WARNING = "error", "warning"

EDIT = "${{EDITOR:-vi}} {file}"
"""The command that opens the deployment file; no quotes, because EDITOR may have arguments."""

ADMIT_ORIGIN = (
    "codeocean-cmdgen stack-parameters --from target --values {file} --preset restore-source "
    "--restore-source-account-id {origin.account_id}"
)
"""The command that lets the target accept data from the account that it is copied from."""

ADMIT_ADVICE = (
    "In a backup stack, set the parameter that names the source's account: the template has its "
    "name."
)

SET_DESTINATION = (
    "codeocean-cmdgen stack-parameters --from {origin} --values {file} --preset {preset}"
)
"""The command that sets where data is copied to."""

CHOOSE_POINTS = "codeocean-cmdgen discover recovery-points --values {file}"
"""The command that lists the recovery points, and writes two to the file."""

Subjects = Callable[[Facts], "Iterable[tuple[Any, ...]]"]
"""Returns the subjects that a rule is applied to: for each, the arguments of its function."""

Command = Union[str, Callable[..., str]]
"""A command with fields in braces, or a function that returns it for a subject."""

FindProblems = Callable[..., "Iterator[str]"]
"""Yields the problems of a subject. Raises UnknownError if the subject cannot be checked."""


@dataclass(frozen=True)
class Rule:
    """One possible problem.

    name: its ID.
    level: "error" if a step would fail or data would be lost, otherwise "warning".
    title: the condition that must hold.
    why: what happens if it does not.
    source: the page or fact that the rule is based on.
    fix: the command that fixes it, or shows what is wrong. It can be pasted into bash: each value
    in it is quoted. {0}, {1} ... are the subject's parts, {file} is the deployment file, {origin}
    and {preset} are the deployment that data is copied from and the procedure's preset for it.
    fix_in: the role of the deployment whose account the command is for, with the same fields;
        empty if the account is what is wrong.
    advice: what to do besides, in words, with the same fields; may be empty.
    noun: what the subject's second part names, such as "bucket". Then the function yields only what
    is wrong with it, so that findings about several of them can be grouped.
    live: whether the rule needs the accounts.
    each: returns the subjects. find_problems: finds the problems of one subject.
    """

    name: str
    level: str
    title: str
    why: str
    source: str
    fix: Command
    fix_in: str
    advice: str
    noun: str
    live: bool
    procedures: tuple[str, ...]
    each: Subjects
    find_problems: FindProblems


class Fix(NamedTuple):
    """How to fix a problem.

    command: one line for bash. where: where to run it, or to paste what it prints; empty for
    anywhere. advice: what to do besides; may be empty.
    """

    command: str
    where: str
    advice: str


class Finding(NamedTuple):
    """A problem, and how to fix it.

    problem: what is wrong, with the resource if that is named. resource: its name; may be empty.
    kind: what the resource is, and of which deployment, such as ("bucket", "of [backup]").
    """

    rule: Rule
    problem: str
    fix: Fix
    resource: str = ""
    kind: tuple[str, str] = ("", "")

    @property
    def what(self) -> str:
        """The problem, with its resource."""
        noun, owner = self.kind
        return f"{noun} {self.resource} {owner}: {self.problem}" if noun else self.problem


class Unchecked(NamedTuple):
    """Something that could not be checked."""

    rule: Rule
    unknown: Unknown

    @property
    def reason(self) -> str:
        """Why it could not be checked."""
        return self.unknown.reason


class Result(NamedTuple):
    """The result of a check.

    no_answer: whether accounts were to be asked, and none of them answered.
    """

    findings: list[Finding]
    unchecked: list[Unchecked]
    checked: int
    no_answer: bool = False

    @property
    def has_errors(self) -> bool:
        """Whether a step would fail."""
        return any(finding.rule.level == ERROR for finding in self.findings)

    @property
    def fails(self) -> bool:
        """Whether the exit code is 1."""
        return self.has_errors or self.no_answer


RULES: list[Rule] = []
"""All rules, in the order in which they are declared."""


def admit(destination: Deployment, *_: object) -> str:
    """Return the command that lets a deployment accept data from the account it is copied from."""
    return ADMIT_ORIGIN if destination.role == "target" else EDIT


def rule(
    name: str,
    *,
    each: Subjects,
    why: str,
    source: str,
    fix: Command,
    fix_in: str = "{0}",
    advice: str = "",
    noun: str = "",
    level: str = ERROR,
    live: bool = True,
    procedures: tuple[str, ...] = tuple(PROCEDURES),
) -> Callable[[FindProblems], FindProblems]:
    """Declare a rule; the docstring of its function is the title."""

    def declare(find_problems: FindProblems) -> FindProblems:
        title = (inspect.getdoc(find_problems) or "").rstrip(".")
        RULES.append(
            Rule(
                name=name,
                level=level,
                title=title,
                why=why,
                source=source,
                fix=fix,
                fix_in=fix_in,
                advice=advice,
                noun=noun,
                live=live,
                procedures=procedures,
                each=each,
                find_problems=find_problems,
            )
        )
        return find_problems

    return declare


def apply(rules: Iterable[Rule], facts: Facts, file: str) -> Result:
    """Apply the rules; errors come before warnings, and causes before their consequences.

    Rules are declared in that order: file, accounts, stacks, vaults, buckets, machines.

    file: the path of the deployment file for the commands that fix problems.
    """
    findings: list[Finding] = []
    unchecked: list[Unchecked] = []
    checked = 0
    for one in rules:
        if facts.procedure not in one.procedures:
            continue
        checked += 1
        for subject in _collect(one, one.each(facts), unchecked):
            problems = _collect(one, one.find_problems(*subject), unchecked)
            for problem in problems:
                fix = _fix(one, subject, facts, file)
                if one.noun:
                    deployment, name = subject[:2]
                    kind = (one.noun, f"of [{deployment}]")
                    findings.append(Finding(one, problem, fix, name, kind))
                else:
                    findings.append(Finding(one, problem, fix))
    findings.sort(key=lambda finding: finding.rule.level != ERROR)
    return Result(findings, list(dict.fromkeys(unchecked)), checked)


def _collect(one: Rule, yielded: Iterable[_T], unchecked: list[Unchecked]) -> Iterator[_T]:
    """Yield the items up to the first that cannot be checked."""
    try:
        yield from yielded
    except UnknownError as error:
        unchecked.append(Unchecked(one, error.unknown))


class _CommandFormatter(Formatter):
    """Formats a command for bash: each value is quoted."""

    def format_field(self, value: Any, format_spec: str) -> str:  # noqa: ANN401 - of any kind
        return shlex.quote(super().format_field(value, format_spec))


def _fix(one: Rule, subject: tuple[Any, ...], facts: Facts, file: str) -> Fix:
    """Return how to fix a problem of the subject."""
    origin = facts.route[0]
    preset = f"{'restore' if origin.role == 'backup' else facts.procedure}-destination"
    fields = {"file": file, "origin": origin, "preset": preset, "procedure": facts.procedure}
    template = one.fix if isinstance(one.fix, str) else one.fix(*subject)
    command = _CommandFormatter().format(template, *subject, **fields)
    advice = one.advice.format(*subject, **fields)
    deployment = facts.deployments.get(one.fix_in.format(*subject, **fields))
    if deployment is None or template == EDIT:
        return Fix(command, "", advice)
    account = f"account {deployment.account_id} of [{deployment}]"
    if not deployment.account_id:
        account = f"the account of [{deployment}]"
    if not command.startswith(("aws ", "codeocean-cmdgen discover ")):
        return Fix(
            command,
            f"run this, and paste the script that it prints into CloudShell of {account}",
            advice,
        )
    if deployment.profile:
        command = f"AWS_PROFILE={shlex.quote(deployment.profile)} {command}"
    return Fix(command, f"run this with credentials of {account}", advice)
