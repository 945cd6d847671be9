"""The values file of a rehearsal: the example values, with what its world has instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomlkit

from codeocean_cmdgen.arguments import VOCABULARY
from codeocean_cmdgen.deployment import example
from codeocean_cmdgen.rehearsal.stage import DATABASES, STACK_NAMES, database_host

if TYPE_CHECKING:
    from pathlib import Path

    from codeocean_cmdgen.rehearsal.stage import Stage

_COMMAND = "echo 9 datasets are set to not cached"
_NOT_YET = ("at", "until", "from_host", "ebs_snapshot_arn", "rds_snapshot_arn")
"""What nobody can know before the procedure has come that far."""


class Facts:
    """The values by table and name; ``written`` tells whether the file has them."""

    def __init__(self, file: Path) -> None:
        """Begin with the example; presets are the procedure's."""
        self.file = file
        self._tables = {
            table: {name: texts for name, texts in values.items() if name not in _NOT_YET}
            for table, values in example().items()
            if not table.endswith(".stack-parameters")
        }
        for word, identifier in DATABASES.items():
            self.put(word, db_instance_id=identifier, stack_name=STACK_NAMES[word])
        self.put("target", to_host=database_host("target"))
        self.put("target.datasets-not-cached", command=_COMMAND)
        self.put("target.stack-create", set="pDnsRootDomain=new.example.com")
        self._tables["backup"].pop("destination_vault_arn", None)

    def put(self, table: str, **values: str) -> None:
        """Put values into a table, and write the file."""
        self._tables.setdefault(table, {}).update(
            {name: (text,) for name, text in values.items() if text}
        )
        self.file.write_text(tomlkit.dumps(self._nested()), encoding="utf-8")

    def look(self, stage: Stage) -> None:
        """Put in the ids of what is there now, as `discover` finds them."""
        for word in ("source", "target"):
            stack = stage.stack(word)
            if stack and "DataVolume" in stack.physical_ids:
                self.put(word, data_volume_id=stack.physical_ids["DataVolume"])

    def _nested(self) -> dict[str, Any]:
        document: dict[str, Any] = {}
        for table, values in sorted(self._tables.items()):
            home = document
            for word in table.split("."):
                home = home.setdefault(word, {})
            for name, texts in values.items():
                home[name] = list(texts) if VOCABULARY[name].many else texts[0]
        return document
