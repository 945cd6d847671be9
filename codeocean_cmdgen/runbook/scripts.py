"""The tasks of a procedure with their scripts, or with the commands that find what is missing."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple, Optional

from codeocean_cmdgen.arguments import ROLE, VOCABULARY, flag
from codeocean_cmdgen.errors import InputError, Problem
from codeocean_cmdgen.inputs.resolve import Given, missing, resolve
from codeocean_cmdgen.rendering.script import render
from codeocean_cmdgen.runbook.model import Missing, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codeocean_cmdgen.inputs.deployment_file import DeploymentFile
    from codeocean_cmdgen.procedures import Task
    from codeocean_cmdgen.steps import Step


class Made(NamedTuple):
    """A task in its place, with its script if it has one, or the values it lacks."""

    task: Task
    place: Place
    options: Mapping[str, Given] = {}
    missing: tuple[Missing, ...] = ()
    step: Optional[Step] = None
    script: str = ""

    @property
    def shell(self) -> Optional[Place]:
        """The very shell that the script is pasted into; None without a script."""
        return self.place if self.step else None


def make_scripts(tasks: Iterable[Task], file: DeploymentFile) -> list[Made]:
    """Make the script of each task that has one, unless values are missing.

    Raises:
        InputError: with every wrong value of every step, and the step's number and name.

    """
    problems: dict[Problem, list[str]] = {}
    made = [_make(task, file, problems) for task in tasks]
    if problems:
        raise InputError([_of_steps(problem, names) for problem, names in problems.items()])
    return made


def _of_steps(problem: Problem, names: list[str]) -> Problem:
    return Problem(f"{', '.join(names)}: {problem.message}", problem.hint)


def _make(task: Task, file: DeploymentFile, problems: dict[Problem, list[str]]) -> Made:
    """Return a task with what could be made of it; add what is wrong to the problems."""
    step = task.step
    kind = step.place if step else task.place
    account_id, region = (text_in(file, task.deployment, name) for name in ("account_id", "region"))
    place = Place(kind, task.deployment, account_id, region)
    if step is None:
        return Made(task, place)
    options = task.derive(file)
    options.update({name: Given((text,), "procedure") for name, text in task.options.items()})
    lacking = tuple(
        _missing(task, step, name)
        for name in missing(step, task.deployment, file, task.needs)
        if name not in options
    )
    if lacking:
        return Made(task, place, options, lacking)
    try:
        resolved = resolve(
            step, options, table=task.deployment, deployment_file=file, own_stack_json=False
        )
        made = resolved.step
        place = place._replace(account_id=made.account_id, region=made.region)
        return Made(task, place, options, (), made, render(*resolved))
    except InputError as error:
        for problem in error.problems:
            problems.setdefault(problem, []).append(f"{task.number} {step.name}")
        return Made(task, place, options)


def text_in(file: DeploymentFile, table: str, name: str) -> str:
    """Return one text of the deployment file, or a placeholder."""
    return (*file.texts(table, name), name.upper().replace("_", "-"))[0]


def command_for(one: Made, values: str, output: str) -> str:
    """Return the commands that find missing values and generate the script.

    values: the name of the deployment file. output: the name of the script's file.
    """
    task = one.task
    step = task.step
    if step is None:
        return ""
    words = [f"codeocean-cmdgen {step.name}", f"--values {values}"]
    if len(step.tables) > 1:
        words.append(f"--from {task.deployment}")
    for name, given in one.options.items():
        words += [f"{flag(name)} {shlex.quote(text)}" for text in given.texts]
    words += [
        f"{lacks.option} {VOCABULARY[lacks.name].kind.metavar}"
        for lacks in one.missing
        if not lacks.found_by
    ]
    words.append(f"--output {output}")
    searches = [
        f"codeocean-cmdgen discover {what} --values {values}"
        for what in dict.fromkeys(lacks.found_by for lacks in one.missing if lacks.found_by)
    ]
    return "\n".join([*searches, " \\\n  ".join(words)])


def _missing(task: Task, step: type[Step], name: str) -> Missing:
    """Return a value that a step lacks.

    A value that no `discover` finds belongs to this step alone: another step may do something else
    if it has one, as an update does with the URL of a template.
    """
    is_found = VOCABULARY[name].discovered_by == ROLE
    table = task.deployment if is_found else f"{task.deployment}.{step.name}"
    return Missing(name, _found_by(task, step, name), table)


def _found_by(task: Task, step: type[Step], name: str) -> str:
    """Return what `discover` must be asked for to find a value; empty if it cannot."""
    found_by = VOCABULARY[name].discovered_by
    if found_by != ROLE:
        return found_by
    if not step.is_discovered:
        return ""
    return task.needs.get(name) or step.elsewhere.get(name, task.deployment)
