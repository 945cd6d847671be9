"""The three procedures: their tasks, in the order and with the numbers of the vendor's guide.

Source: the vendor's page "Backup and restore". The page shows no numbers, but its migration section
refers to restore steps by number (10, 12, 13 and 19; 15 is skipped; 20 is the last), which fixes
the others. Lettered steps are our additions.
"""

from __future__ import annotations

from codeocean_cmdgen.procedures.backup import BACKUP
from codeocean_cmdgen.procedures.migration import MIGRATION
from codeocean_cmdgen.procedures.model import Part, Procedure, Task
from codeocean_cmdgen.procedures.restore import RESTORE

__all__ = ["PROCEDURES", "Part", "Procedure", "Task"]

PROCEDURES: dict[str, Procedure] = {one.name: one for one in (BACKUP, RESTORE, MIGRATION)}
"""The procedures by name, in the order in which they are listed."""
