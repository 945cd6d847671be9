"""Tells what came of a check: as a table for people, as JSON for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TextIO

from codeocean_cmdgen.check.rule import ERROR, Verdict

if TYPE_CHECKING:
    from codeocean_cmdgen.check.facts import Facts
    from codeocean_cmdgen.check.rule import Rule


def summary(verdict: Verdict, facts: Facts) -> str:
    """Return the last line: what was found, and what was not looked at."""
    errors = sum(one.rule.level == ERROR for one in verdict.findings)
    warnings = len(verdict.findings) - errors
    line = f"{facts.procedure}: {verdict.looked} checks, {errors} errors, {warnings} warnings"
    unseen = len({one.rule.name for one in verdict.unseen})
    return f"{line}, {unseen} checks not or not wholly looked at" if unseen else line


def as_table(verdict: Verdict, facts: Facts, out: TextIO) -> None:
    """Write a table as wide as the terminal, then the commands that mend, whole, to copy."""
    from rich import box  # noqa: PLC0415 - slow, and JSON does without
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    console = Console(file=out, color_system=None, emoji=False, highlight=False, markup=False)

    def show(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
        table = Table(box=box.ASCII2, show_lines=True)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*row)
        console.print(table)

    if verdict.findings:
        found: dict[Rule, list[str]] = {}
        for one in verdict.findings:
            found.setdefault(one.rule, []).append(one.what)
        show(
            ("check", "level", "what", "why it matters"),
            [(rule.name, rule.level, "\n".join(what), rule.why) for rule, what in found.items()],
        )
        out.write("\nto mend it:\n")
        mends: dict[str, list[str]] = {}
        for one in verdict.findings:
            mends.setdefault(one.mend, []).append(one.rule.name)
        out.writelines(
            f"  # {', '.join(dict.fromkeys(names))}\n  {mend}\n" for mend, names in mends.items()
        )
        out.write("\n")
    if verdict.unseen:
        reasons: dict[str, list[str]] = {}
        for unseen in verdict.unseen:
            reasons.setdefault(unseen.reason, []).append(unseen.rule.name)
        show(
            ("not looked at, so not known to be good", "checks"),
            [(reason, ", ".join(names)) for reason, names in reasons.items()],
        )
    out.write(f"{summary(verdict, facts)}\n")


def as_json(verdict: Verdict, facts: Facts, out: TextIO) -> None:
    """Write one JSON document."""
    document = {
        "procedure": facts.procedure,
        "fails": verdict.fails,
        "checks": verdict.looked,
        "findings": [
            {
                "check": one.rule.name,
                "level": one.rule.level,
                "title": one.rule.title,
                "what": one.what,
                "why": one.rule.why,
                "source": one.rule.source,
                "mend": one.mend,
            }
            for one in verdict.findings
        ],
        "not_looked_at": [{"check": one.rule.name, "reason": one.reason} for one in verdict.unseen],
    }
    json.dump(document, out, indent=2)
    out.write("\n")
