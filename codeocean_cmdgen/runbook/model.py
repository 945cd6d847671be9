"""What a runbook consists of, as the documents show it. Texts; empty if there is nothing to say."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple, Optional

from codeocean_cmdgen.arguments import flag
from codeocean_cmdgen.rendering.paste import pasted
from codeocean_cmdgen.steps.base import PLACES


class Place(NamedTuple):
    """Where something is done.

    kind: `cloudshell`, `host`, or `hand`: in the console, or with people.
    """

    kind: str
    deployment: str
    account_id: str
    region: str

    @property
    def shell(self) -> str:
        """The kind, in words."""
        return PLACES.get(self.kind, "Manual step")

    @property
    def preposition(self) -> str:
        """What joins the kind and the deployment: the CloudShell of it, a manual step for it."""
        return "for" if self.kind == "hand" else "of"


class Paste(NamedTuple):
    """The scripts of several entries in one text: each runs only when the one before is done."""

    numbers: tuple[str, ...]
    text: str

    @property
    def title(self) -> str:
        """Which steps it has, in words."""
        return f"steps {', '.join(self.numbers[:-1])} and {self.numbers[-1]}"


class Pasting(NamedTuple):
    """What else there is to paste for a script, or was pasted before it.

    joined: several scripts that may be pasted at once, on the first of them.
    joined_to: the number of the entry that has the paste in which this script is, on the others.
    shared: what is pasted before the first script on a services instance, for all scripts there.
    shared_at: the number of the entry that has it, on the others.
    """

    joined: Optional[Paste] = None
    joined_to: str = ""
    shared: str = ""
    shared_at: str = ""


class Missing(NamedTuple):
    """A value without which a script cannot be generated.

    name: as in the deployment file. found_by: what `discover` must be asked for to find it; empty
    if it cannot. table: the table of the deployment file to write it into by hand.
    """

    name: str
    found_by: str
    table: str

    @property
    def option(self) -> str:
        """The option that gives the value."""
        return flag(self.name)


class Entry(NamedTuple):
    """One thing to do: by hand, with a script, or with the commands that generate the script.

    facts: label -> text, in the order to read. shown: likewise, values to check.
    seen_to: what has already done it, in words.
    file: the name of the script's file. script: its whole text, if no value is missing.
    missing: the values that are missing. command: finds them and generates the script.
    """

    number: str
    title: str
    place: Place
    facts: tuple[tuple[str, str], ...]
    by_hand: tuple[str, ...]
    shown: tuple[tuple[str, str], ...] = ()
    seen_to: str = ""
    file: str = ""
    script: str = ""
    missing: tuple[Missing, ...] = ()
    command: str = ""
    pasting: Pasting = Pasting()

    @property
    def anchor(self) -> str:
        """The name by which links find the entry."""
        return f"step-{self.number.replace('.', '-')}"

    @property
    def parts(self) -> tuple[str, ...]:
        """What is pasted of the script, one after the other."""
        return pasted(self.script, self.place.kind) if self.script else ()


class Section(NamedTuple):
    """A headed part of a runbook."""

    title: str
    about: str
    entries: tuple[Entry, ...]


class Commands(NamedTuple):
    """Commands for a person to paste, and what they are for."""

    text: str
    code: str


class Runbook(NamedTuple):
    """A procedure with its values.

    advice: how to follow it. files: how to run the scripts as files instead of pasting them.
    transport: how the program gets onto the services instance.
    """

    procedure: str
    advice: tuple[str, ...]
    files: tuple[Commands, ...]
    transport: tuple[Commands, ...]
    sections: tuple[Section, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, in order."""
        return tuple(entry for section in self.sections for entry in section.entries)

    @property
    def incomplete(self) -> tuple[Entry, ...]:
        """The entries whose script cannot be generated yet."""
        return tuple(entry for entry in self.entries if entry.missing)

    @property
    def pastes(self) -> int:
        """How many pastes into shells it takes, with scripts joined as offered."""
        alone = [one for one in self.entries if one.file and not one.pasting.joined_to]
        shared = sum(bool(one.pasting.shared) for one in self.entries)
        return shared + sum(1 if one.pasting.joined else len(one.parts) for one in alone)

    @property
    def digest(self) -> str:
        """What identifies this runbook, in 16 hexadecimal digits."""
        text = json.dumps(self)
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]
