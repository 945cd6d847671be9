"""The deployment file of a rehearsal: the example, with the values of the rehearsal's world."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen.inputs.example import example_values
from codeocean_cmdgen.inputs.update import Fact, update
from codeocean_cmdgen.rehearsal.stage import DATABASES, STACK_NAMES, database_host

if TYPE_CHECKING:
    from pathlib import Path

    from codeocean_cmdgen.rehearsal.stage import Stage

_COMMAND = "echo 9 datasets are set to not cached"
_NOT_YET = {
    *("at", "until", "from_host", "ebs_snapshot_arn", "rds_snapshot_arn"),
    *("destination_vault_arn", "destination_bucket_arn", "preset", "restore_source_account_id"),
}
"""Values that nobody can know when a procedure begins, or that the procedure itself provides."""


class RehearsalFile:
    """The deployment file, as `init` and `discover` write it."""

    def __init__(self, path: Path) -> None:
        """Start with the example."""
        self.path = path
        examples = (
            Fact(table, name, texts, "the example")
            for table, values in example_values().items()
            for name, texts in values.items()
            if name not in _NOT_YET or (table, name) == ("target", "destination_vault_arn")
        )
        update(path, examples)
        for word, identifier in DATABASES.items():
            self.put(word, db_instance_id=identifier, stack_name=STACK_NAMES[word])
        self.put("target", to_host=database_host("target"))
        self.put("target.datasets-not-cached", command=_COMMAND)
        self.put("target.stack-create", set="pDnsRootDomain=new.example.com")

    def put(self, table: str, **values: str) -> None:
        """Write values into a table of the file."""
        facts = [Fact(table, name, (text,), "the rehearsal") for name, text in values.items()]
        update(self.path, facts)

    def update_volume_ids(self, stage: Stage) -> None:
        """Write the IDs of the current data volumes into the file."""
        for word in DATABASES:
            stack = stage.stack(word)
            if stack and "DataVolume" in stack.physical_ids:
                self.put(word, data_volume_id=stack.physical_ids["DataVolume"])
