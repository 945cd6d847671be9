"""The three procedures: their tasks, in the order and with the numbers of the vendor's guide.

Source: the vendor's page "Backup and restore". The page shows no numbers, but its migration section
refers to restore steps by number (10, 12, 13 and 19; 15 is skipped; 20 is the last), which fixes
the others. Lettered steps are our additions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen.procedures.backup import BACKUP
from codeocean_cmdgen.procedures.migration import MIGRATION
from codeocean_cmdgen.procedures.model import Part, Tables, Task
from codeocean_cmdgen.procedures.restore import RESTORE

if TYPE_CHECKING:
    from codeocean_cmdgen.steps import Step

__all__ = ["PROCEDURES", "RUNBOOKS", "Part", "Tables", "Task"]

RUNBOOKS: dict[str, tuple[Part, ...]] = {
    "backup": BACKUP,
    "restore": RESTORE,
    "migration": MIGRATION,
}
"""Procedure -> its parts, with all their tasks."""


def _steps(parts: tuple[Part, ...]) -> tuple[type[Step], ...]:
    """Return the steps of a procedure in order, without repetitions."""
    return tuple(dict.fromkeys(task.step for part in parts for task in part.tasks if task.step))


PROCEDURES: dict[str, tuple[type[Step], ...]] = {
    procedure: _steps(parts) for procedure, parts in RUNBOOKS.items()
}
"""Procedure -> its steps in order."""
