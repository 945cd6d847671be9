"""What a person types and pastes, by the vendor's guide and by our runbooks."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from codeocean_cmdgen.arguments import RECOVERY_POINTS, ROLE, VOCABULARY
from codeocean_cmdgen.inputs.deployment_file import read_deployment_file
from codeocean_cmdgen.inputs.example import example_values
from codeocean_cmdgen.inputs.update import Fact, update
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.runbook import make
from codeocean_cmdgen.steps import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codeocean_cmdgen.runbook import Runbook

COVERAGE = Path(__file__).parent.parent / "docs" / "guide-coverage.md"
SECTIONS = {
    "backup": ("About", "Cross-account", "Backup", "On demand"),
    "restore": ("Restore",),
    "migration": ("Migration",),
}
"""Procedure -> the sections of the guide that it is made of, by their first words."""


class Row(NamedTuple):
    """A line of the guide that asks for something.

    digest: tells the line. types, pastes: how many values and texts it costs. answers: where.
    """

    section: str
    digest: str
    words: str
    types: int
    pastes: int
    answers: str


class Effort(NamedTuple):
    """How much a person types and pastes, confirmations left out.

    prepared: values that may be written down in peace, long before.
    """

    types: int
    pastes: int
    prepared: int = 0


def rows() -> Iterator[Row]:
    """Yield the rows of the table of coverage."""
    for line in COVERAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == len(Row._fields) and cells[1].startswith("`"):
            section, digest, words, types, pastes, answers = cells
            yield Row(section, digest[1:-1], words, int(types or 0), int(pastes or 0), answers)


def of_guide(procedure: str) -> Effort:
    """Add up what the guide asks for."""
    own = [row for row in rows() if row.section.startswith(SECTIONS[procedure])]
    return Effort(sum(row.types for row in own), sum(row.pastes for row in own))


def of_runbook(procedure: str) -> Effort:
    """Count what a runbook lacks when `discover` has found all that it can, and its pastes then.

    Where a new stack is to be is prepared, too; the number of the pair of recovery points is typed.
    """
    steps = PROCEDURES[procedure].steps
    lacking = _made(procedure, lambda table, name: bool(_found_by(name)) and _looked_at(table))
    written = {(one.place.deployment, name) for one in lacking.incomplete for name in one.missing}
    places = sum(
        needed and _found_by(name) == ROLE
        for step in steps
        if not step.is_discovered
        for name, needed in step.arguments().items()
    )
    pairs = any(_found_by(name) == RECOVERY_POINTS for step in steps for name in step.arguments())
    complete = _made(procedure, lambda *_: True)
    return Effort(int(pairs), complete.pastes, len(written) + places)


def _found_by(name: str) -> str:
    return VOCABULARY[name].discovered_by if name in VOCABULARY else ""


def _looked_at(table: str) -> bool:
    step = BY_NAME.get(table.partition(".")[2])
    return step is None or step.is_discovered


def _made(procedure: str, given: Callable[[str, str], bool]) -> Runbook:
    """Make a runbook of those of the example values that are given."""
    facts = [
        Fact(table, name, texts, "example")
        for table, values in example_values().items()
        for name, texts in values.items()
        if given(table, name)
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "deployment.toml")
        update(file, facts)
        return make(procedure, read_deployment_file(file))
