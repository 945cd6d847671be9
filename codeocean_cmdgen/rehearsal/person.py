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
    """A person at this terminal, who can open other terminals."""

    def __init__(self, console: Console, folder: Path) -> None:
        """Use a folder for the scripts, and for programs that open the shells."""
        self._console, self._folder = console, folder

    def does(self, entry: Entry) -> bool:
        """Ask for a manual task; return whether the person did it."""
        self._show(entry)
        for text in entry.by_hand:
            self._console.print(f"  {text}", highlight=False, markup=False)
        return self._ask(f"{_DONE} when it is done, anything else to stop") == _DONE

    def pastes(self, entry: Entry, shell: Shell, script: str) -> Ended | None:
        """Ask to paste a script; return how it ended, or None if the rehearsal should run it."""
        door = self._folder / "-".join(entry.place[:3])
        file = self._folder / entry.file
        for path, text in ((door, shell.door()), (file, script)):
            path.write_text(text, encoding="utf-8")
            path.chmod(0o700)
        self._show(entry)
        self._console.print(f"  run in another terminal:     {door}", highlight=False)
        self._console.print(f"  paste there the contents of: {file}", highlight=False)
        answer = self._ask(
            f"{_DONE} when its last line begins with done:, {_RUN} to let the rehearsal run it, "
            "anything else to stop"
        )
        if answer == _RUN:
            return None
        if answer == _DONE:
            return Ended(0, "done: reported by the person")
        return Ended(1, "stopped by the person")

    def _show(self, entry: Entry) -> None:
        where = f"{entry.place.shell} of the {entry.place.deployment}, {entry.place.account_id}"
        self._console.print(f"\n{entry.number}  {entry.title}  ({where})")

    def _ask(self, question: str) -> str:
        self._console.print(f"  {question}: ", end="", highlight=False)
        try:
            return input().strip()
        except EOFError:
            return ""
