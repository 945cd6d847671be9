"""The tables in README.md and docs/, generated from what they list.

python -m tools.tables           checks whether they are up to date (exit code 1 if not)
python -m tools.tables --write   updates them
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from codeocean_cmdgen.arguments import VOCABULARY, flag
from codeocean_cmdgen.check import RULES
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.steps import STEPS, Step
from tools.guide import of_guide, of_runbook
from tools.review import head, own_lines, texts

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- table of {} -->\n", "<!-- end of table -->\n"


def option(name: str, *, needed: bool) -> str:
    """Return an option as it stands in the table: * may be repeated, [] may be left out."""
    word = flag(name) + ("*" if VOCABULARY[name].many else "")
    return f"`{word}`" if needed else f"`[{word}]`"


def row(step: type[Step]) -> str:
    """Return a step's line of the table."""
    procedures = ", ".join(name for name, one in PROCEDURES.items() if step in one.steps)
    options = " ".join(option(name, needed=needed) for name, needed in step.arguments().items())
    place = {"cloudshell": "CloudShell", "host": "services instance"}[step.place]
    return f"| `{step.name}` | {step.title} | {place} | {procedures} | {options} |\n"


def steps() -> str:
    """Return the whole table of steps."""
    columns = ("step", "what it does", "runs in", "procedures", "options")
    return head(*columns) + "".join(map(row, STEPS))


def checks() -> str:
    """Return the whole table of checks."""
    return head(
        "check", "level", "what must hold", "otherwise", "procedures", "asks AWS"
    ) + "".join(
        f"| {rule.name} | {rule.level} | {rule.title} | {rule.why} | "
        f"{', '.join(rule.procedures)} | {'yes' if rule.live else 'no'} |\n"
        for rule in RULES
    )


def effort() -> str:
    """Return the whole table of what a person types and pastes."""
    columns = (
        "procedure",
        "by the guide: values typed",
        "pastes",
        "here: values written before",
        "values typed",
        "pastes",
    )
    return head(*columns) + "".join(
        f"| {procedure} | {theirs.types} | {theirs.pastes} | {ours.prepared} | {ours.types} | "
        f"{ours.pastes} |\n"
        for procedure in PROCEDURES
        for theirs, ours in [(of_guide(procedure), of_runbook(procedure))]
    )


TABLES = {
    "steps": ("README.md", steps),
    "checks": ("docs/checks.md", checks),
    "effort": ("README.md", effort),
    "texts": ("docs/review.md", texts),
    "scripts": ("docs/review.md", own_lines),
}
"""Name of a table -> the document that it stands in, and the function that creates it."""


def renewed(text: str, name: str, table: str) -> str:
    """Return a document's text with one table replaced."""
    begin = BEGIN.format(name)
    # Split, not substituted: a backslash in the table is a backslash.
    before, after = re.split(f"{re.escape(begin)}.*?{re.escape(END)}", text, flags=re.DOTALL)
    return before + begin + table + END + after


def main() -> int:
    """Check or write the tables."""
    stale = 0
    for name, (document, table) in TABLES.items():
        old = (ROOT / document).read_text(encoding="utf-8")
        new = renewed(old, name, table())
        if "--write" in sys.argv:
            (ROOT / document).write_text(new, encoding="utf-8")
        elif old != new:
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
