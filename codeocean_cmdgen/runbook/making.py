"""Makes the runbook of a procedure."""

from __future__ import annotations

import re
import shlex
from pathlib import PurePath
from typing import TYPE_CHECKING

from codeocean_cmdgen.arguments import KNOWN
from codeocean_cmdgen.errors import InputError, Problem, shown
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.rendering.paste import shared_paste
from codeocean_cmdgen.runbook.advice import advice, run_as_files, transport
from codeocean_cmdgen.runbook.model import Entry, Pasting, Place, Runbook, Section
from codeocean_cmdgen.runbook.pastes import find_pastes
from codeocean_cmdgen.runbook.scripts import command_for, make_scripts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.inputs.deployment_file import DeploymentFile
    from codeocean_cmdgen.procedures import Task
    from codeocean_cmdgen.runbook.scripts import Made
    from codeocean_cmdgen.steps.base import Told


def make(name: str, file: DeploymentFile) -> Runbook:
    """Make the runbook of a procedure. If values are missing, it shows the command that finds them.

    name: the procedure's. file: its values. The runbook names the file without its folder: it is
    read elsewhere.

    Raises:
        InputError: with every wrong value of every step, and the step's number and name; or the
            file's name cannot be written into commands.

    """
    procedure = PROCEDURES[name]
    values = _name_in_commands(file)
    made = make_scripts((task.naming(file, values) for task in procedure.tasks), file)
    entries = {entry.number: entry for entry in _entries(made, file, values)}
    sections = tuple(
        Section(*part.heading, tuple(entries[task.number] for task in part.tasks))
        for part in procedure.parts
    )
    written = [entry.file for entry in entries.values() if entry.script]
    first = written[0] if written else "SCRIPT"
    return Runbook(
        name,
        advice(values),
        run_as_files(name, values, first),
        transport(procedure.host, file),
        sections,
    )


def _name_in_commands(file: DeploymentFile) -> str:
    """Return the name of a deployment file as a word of the shell, for code in Markdown and HTML.

    Raises:
        InputError: it has other characters than a runbook can show.

    """
    name = PurePath(file.name).name
    if not re.fullmatch(r"[A-Za-z0-9@%+=:,._ -]+", name):
        message = f"--values: a runbook cannot name the file {shown(name)} in its commands"
        raise InputError([Problem(message, "rename it: use letters, digits, '.', '_' and '-'")])
    return shlex.quote(name)


def _entries(made: list[Made], file: DeploymentFile, values: str) -> list[Entry]:
    """Return the entries in order. values: the file's name, for commands."""
    pastings = _pastings(made)
    with_scripts = [one.task for one in made if one.task.step]
    names = {
        task.number: f"{number:02}-{task.step.name}.sh"
        for number, task in enumerate(with_scripts, 1)
        if task.step
    }
    return [
        _entry(one, file, values, names.get(one.task.number, ""), pastings[one.task.number])
        for one in made
    ]


def _entry(one: Made, file: DeploymentFile, values: str, script: str, pasting: Pasting) -> Entry:
    """Return the entry of a task. values, script: the names of the file and of the script's."""
    task = one.task
    values_to_check = tuple(_shown(task, file))
    return Entry(
        number=task.number,
        title=task.prose.title,
        place=one.place,
        facts=tuple((label, text) for label, text in _facts(one) if text),
        by_hand=tuple(task.prose.by_hand.splitlines()),
        shown=values_to_check,
        seen_to=task.prose.seen_to if len(values_to_check) == len(task.shows) else "",
        file=script,
        script=one.script,
        missing=one.missing,
        command=command_for(one, values, script) if one.missing else "",
        pasting=pasting,
    )


def _pastings(made: list[Made]) -> dict[str, Pasting]:
    """Return what else there is to paste, by the number of the task."""
    pastes = {paste.numbers[0]: paste for paste in find_pastes(made)}
    joined_to = {number: first for first, paste in pastes.items() for number in paste.numbers[1:]}
    hosts: dict[Place, str] = {}
    found = {}
    for one in made:
        number = one.task.number
        on_host = one.shell and one.place.kind == "host"
        first = hosts.setdefault(one.place, number) if on_host else ""
        found[number] = Pasting(
            joined=pastes.get(number),
            joined_to=joined_to.get(number, ""),
            shared=shared_paste() if first == number else "",
            shared_at=first if first != number else "",
        )
    return found


def _facts(one: Made) -> Iterator[tuple[str, str]]:
    """Yield what a person must know: of the script from its header, the rest from the task."""
    prose = one.task.prose
    step = one.step.variant() if one.step else one.task.step
    header = step.header if step else {"where": prose.where, "takes": prose.takes}
    for label in ("where", "changes", "takes", "costs", "again"):
        yield label, _sentence(header.get(label, ""))
    if one.step and step and step.confirm:
        yield "confirmation", f"type the value that the script shows ({step.confirm})."
    yield "otherwise", prose.otherwise
    yield "done when", prose.done
    yield "next", prose.results
    yield "stop when", prose.stop


def _sentence(told: Told) -> str:
    """Return what a header tells as sentences, also if it lists calls and what each does."""
    if isinstance(told, str):
        return told
    return " ".join(f"`{call}` {effect.rstrip('.')}." for call, effect in told)


def _shown(task: Task, file: DeploymentFile) -> Iterator[tuple[str, str]]:
    """Yield the values to check that are known."""
    for name in task.shows:
        for text in file.texts(task.deployment, name):
            yield KNOWN[name].help, text
