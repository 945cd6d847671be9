"""A person who pastes the scripts of a rehearsal into terminals of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeocean_cmdgen.rehearsal.shells import Ended, Shell

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from codeocean_cmdgen.runbook import Entry

_RUN = "r"
_DONE = "d"


class Person:
    """Somebody at this terminal, with others at hand."""

    def __init__(self, console: Console, folder: Path) -> None:
        """Give them a folder, in which scripts and doors to the shells lie."""
        self._console, self._folder = console, folder

    def does(self, entry: Entry) -> bool:
        """Have something done by hand; tell whether it was."""
        self._say(entry)
        for text in entry.by_hand:
            self._console.print(f"  {text}", highlight=False, markup=False)
        return self._ask(f"{_DONE} when it is done, anything else to stop") == _DONE

    def pastes(self, entry: Entry, shell: Shell, script: str) -> Ended | None:
        """Have a script pasted; return how it ended, or None to have the rehearsal run it."""
        door = self._folder / "-".join(entry.place[:3])
        file = self._folder / entry.file
        for path, text in ((door, shell.door()), (file, script)):
            path.write_text(text, encoding="utf-8")
            path.chmod(0o700)
        self._say(entry)
        self._console.print(f"  open this in another terminal: {door}", highlight=False)
        self._console.print(f"  and paste what is in:          {file}", highlight=False)
        answer = self._ask(
            f"{_DONE} when its last line begins with done:, {_RUN} to have it run for you, "
            "anything else to stop"
        )
        if answer == _RUN:
            return None
        if answer == _DONE:
            return Ended(0, "done: says the person")
        return Ended(1, "stopped by the person")

    def _say(self, entry: Entry) -> None:
        where = f"{entry.place.shell} of the {entry.place.deployment}, {entry.place.account_id}"
        self._console.print(f"\n{entry.number}  {entry.title}  ({where})")

    def _ask(self, question: str) -> str:
        self._console.print(f"  {question}: ", end="", highlight=False)
        try:
            return input().strip()
        except EOFError:
            return ""
