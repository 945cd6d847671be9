"""The values file of a rehearsal: the example values, with what its world has instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen.deployment import Fact, example, update
from codeocean_cmdgen.rehearsal.stage import DATABASES, STACK_NAMES, database_host

if TYPE_CHECKING:
    from pathlib import Path

    from codeocean_cmdgen.rehearsal.stage import Stage

_COMMAND = "echo 9 datasets are set to not cached"
_NOT_YET = {
    *("at", "until", "from_host", "ebs_snapshot_arn", "rds_snapshot_arn"),
    *("destination_vault_arn", "destination_bucket_arn", "preset", "restore_source_account_id"),
}
"""What nobody can know yet when a procedure begins, or what the procedure itself gives."""


class Facts:
    """The values file, as `init` and `discover` make it."""

    def __init__(self, file: Path) -> None:
        """Begin with the example."""
        self.file = file
        examples = (
            Fact(table, name, texts, "the example")
            for table, values in example().items()
            for name, texts in values.items()
            if name not in _NOT_YET or (table, name) == ("target", "destination_vault_arn")
        )
        update(file, examples)
        for word, identifier in DATABASES.items():
            self.put(word, db_instance_id=identifier, stack_name=STACK_NAMES[word])
        self.put("target", to_host=database_host("target"))
        self.put("target.datasets-not-cached", command=_COMMAND)
        self.put("target.stack-create", set="pDnsRootDomain=new.example.com")

    def put(self, table: str, **values: str) -> None:
        """Put values into a table of the file."""
        facts = [Fact(table, name, (text,), "the rehearsal") for name, text in values.items()]
        update(self.file, facts)

    def look(self, stage: Stage) -> None:
        """Put in the ids of the volumes that are there now."""
        for word in DATABASES:
            stack = stage.stack(word)
            if stack and "DataVolume" in stack.physical_ids:
                self.put(word, data_volume_id=stack.physical_ids["DataVolume"])
