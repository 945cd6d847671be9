"""Reports the result of a check: as text for people, as JSON for programs."""

from __future__ import annotations

import json
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from codeocean_cmdgen.check.rule import ERROR, Result
from codeocean_cmdgen.terminal import BOLD, GREEN, RED, YELLOW, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from codeocean_cmdgen.check.facts import Facts
    from codeocean_cmdgen.check.rule import Finding, Fix, Rule, Unchecked


class Line(NamedTuple):
    """A line of the report, and its color on a terminal."""

    text: str
    color: str = ""


def as_text(result: Result, facts: Facts, *, offline: bool, width: int) -> Iterator[Line]:
    """Yield the report: problems and their fixes, what was not checked, and a summary.

    Prose is wrapped between words. ARNs, names and commands stay whole, so that they can be copied,
    and so does the summary.

    offline: whether the accounts were left out. width: the columns of a line.
    """
    shown_by: dict[str, str] = {}
    for rule, found in groupby(result.findings, key=lambda one: one.rule):
        findings = list(found)
        yield from _problems(rule, findings, width)
        yield from _wrapped(f"why: {rule.why}", width, "  ")
        fixes = list(dict.fromkeys(one.fix for one in findings))
        yield from _fixes(fixes, shown_by, width)
        shown_by.update({fix.command: shown_by.get(fix.command, rule.name) for fix in fixes})
        yield Line("")
    yield from _not_checked(result.unchecked, width)
    yield Line(_summary(result, facts, offline=offline), _color(result))


def _causes(findings: Iterable[Finding]) -> dict[tuple[Rule, tuple[str, str], str], list[str]]:
    """Return the resources of each cause. One problem of several resources is one cause."""
    causes: dict[tuple[Rule, tuple[str, str], str], list[str]] = {}
    for one in findings:
        causes.setdefault((one.rule, one.kind, one.problem), []).append(one.resource)
    return causes


def _problems(rule: Rule, findings: list[Finding], width: int) -> Iterator[Line]:
    color = RED if rule.level == ERROR else YELLOW
    for (_, (noun, owner), problem), resources in _causes(findings).items():
        head = f"{rule.level} {rule.name}: "
        if not noun:
            head += problem
        elif len(resources) == 1:
            head += f"{noun} {resources[0]} {owner}: {problem}"
        else:
            head += f"{len(resources)} {noun}s {owner}: {problem}"
        yield from _wrapped(head, width, "", color)
        if len(resources) > 1:
            yield from (Line(f"    {printable(resource)}") for resource in resources)


def _fixes(fixes: list[Fix], shown_by: dict[str, str], width: int) -> Iterator[Line]:
    """Yield the fixes; for a command that another check has shown, only the check's name."""
    names = dict.fromkeys(shown_by[fix.command] for fix in fixes if fix.command in shown_by)
    if names:
        yield Line(f"  fix: see {', '.join(names)}")
    new = [fix for fix in fixes if fix.command not in shown_by]
    for where, group in groupby(new, key=lambda fix: fix.where):
        yield from _wrapped(f"fix: {where}:" if where else "fix:", width, "  ")
        yield from (Line(f"    {printable(fix.command)}", BOLD) for fix in group)
    for advice in dict.fromkeys(fix.advice for fix in new if fix.advice):
        yield from _wrapped(advice, width, "    ")


def _not_checked(unchecked: list[Unchecked], width: int) -> Iterator[Line]:
    """Yield what was not checked: a refused call with its checks, an account as a whole."""
    causes: dict[tuple[str, str], list[Unchecked]] = {}
    for one in unchecked:
        causes.setdefault((one.unknown.call, one.unknown.why), []).append(one)
    for (call, why), several in causes.items():
        subjects = [name for name in dict.fromkeys(one.unknown.subject for one in several) if name]
        reason = several[0].reason if len(subjects) < 2 else f"{call}: {why}"  # noqa: PLR2004
        rules = {one.rule.name: one.rule.title for one in several}
        yield from _wrapped(f"not checked: {reason}", width, "", YELLOW)
        if len(subjects) > 1:
            yield from (Line(f"    {printable(subject)}") for subject in subjects)
        if call:
            for name, title in rules.items():
                yield from _wrapped(f"{name}: {title}", width, "  ")
        else:
            yield from _wrapped(f"{_count(len(rules), 'check')}: {', '.join(rules)}", width, "  ")
        yield Line("")


def _summary(result: Result, facts: Facts, *, offline: bool) -> str:
    """Return the last line: the numbers of causes, what is missing, and the exit code."""
    levels = [rule.level for rule, _, _ in _causes(result.findings)]
    errors = levels.count(ERROR)
    counts = [
        _count(result.checked, "check"),
        _count(errors, "error"),
        _count(len(levels) - errors, "warning"),
    ]
    incomplete = len({one.rule.name for one in result.unchecked})
    if incomplete:
        counts.append(f"{_count(incomplete, 'check')} incomplete")
    if offline:
        counts.append("accounts not checked")
    if result.has_errors:
        meaning = "exit 1: a step would fail or data would be lost"
    elif result.no_answer:
        meaning = "exit 1: no account answered, so only the deployment file was checked"
    else:
        meaning = "exit 0: no error found" + " in what was checked" * bool(incomplete or offline)
    return f"{facts.procedure}: {', '.join(counts)}; {meaning}"


def _color(result: Result) -> str:
    """Return the color of the summary: green only if nothing is left to do."""
    if result.fails:
        return RED
    return YELLOW if result.findings or result.unchecked else GREEN


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _wrapped(text: str, width: int, indent: str, color: str = "") -> Iterator[Line]:
    """Yield a text as lines, broken only between words."""
    # A finding may contain any character. Make it printable before it is laid out, because a
    # character that a terminal does not show has no width.
    lines = textwrap.wrap(
        printable(text),
        width,
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    yield from (Line(line, color) for line in lines)


def as_json(result: Result, facts: Facts) -> str:
    """Return one JSON document in ASCII, with no control characters except newlines."""
    document = {
        "procedure": facts.procedure,
        "fails": result.fails,
        "checks": result.checked,
        "findings": [
            {
                "check": one.rule.name,
                "level": one.rule.level,
                "title": one.rule.title,
                "what": one.what,
                "resource": one.resource,
                "why": one.rule.why,
                "source": one.rule.source,
                "fix": one.fix.command,
                "fix_where": one.fix.where,
                "advice": one.fix.advice,
            }
            for one in result.findings
        ],
        "not_checked": [{"check": one.rule.name, "reason": one.reason} for one in result.unchecked],
    }
    # JSON escapes all control characters except DEL, which can only occur in its strings.
    return json.dumps(document, indent=2).replace("\x7f", "\\u007f") + "\n"
