"""The table of commands in README.md, made from the steps' declarations.

python tools/readme.py           says whether the table is up to date (exit code 1: it is not)
python tools/readme.py --write   brings it up to date
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from codeocean_cmdgen.arguments import VOCABULARY, flag
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.steps import STEPS, Step

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- table of steps -->\n", "<!-- end of table -->\n"


def option(name: str, *, needed: bool) -> str:
    """Return an option as it stands in the table: * may be repeated, [] may be left out."""
    word = flag(name) + ("*" if VOCABULARY[name].many else "")
    return f"`{word}`" if needed else f"`[{word}]`"


def row(step: type[Step]) -> str:
    """Return a step's line of the table."""
    procedures = ", ".join(name for name, steps in PROCEDURES.items() if step in steps)
    options = " ".join(option(name, needed=needed) for name, needed in step.arguments().items())
    place = {"cloudshell": "CloudShell", "host": "services instance"}[step.place]
    return f"| `{step.name}` | {step.title} | {place} | {procedures} | {options} |\n"


def table() -> str:
    """Return the whole table."""
    columns = ("step", "what it does", "runs in", "procedures", "options")
    head = f"| {' | '.join(columns)} |\n{'| --- ' * len(columns)}|\n"
    return head + "".join(map(row, STEPS))


def main() -> int:
    """Check or write the table."""
    old = README.read_text(encoding="utf-8")
    pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
    new = re.sub(pattern, lambda _: BEGIN + table() + END, old, flags=re.DOTALL)
    if "--write" in sys.argv:
        README.write_text(new, encoding="utf-8")
        return 0
    return int(old != new)


if __name__ == "__main__":
    sys.exit(main())
