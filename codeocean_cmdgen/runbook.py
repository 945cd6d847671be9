"""A whole procedure with the values of a file: what there is to do, and every script in place.

Pure but for reading the values file: the same file gives the same runbook, for ever.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, Optional

from codeocean_cmdgen.arguments import VOCABULARY, flag
from codeocean_cmdgen.errors import InputError, Problem
from codeocean_cmdgen.procedures import RUNBOOKS
from codeocean_cmdgen.render import render
from codeocean_cmdgen.sources import Given, gather, read_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from codeocean_cmdgen.procedures import Tables, Task
    from codeocean_cmdgen.steps import Step

LARGEST_PASTE = {"cloudshell": (65_412, 100_000), "host": (65_412, 650)}
"""Kind of place -> the most characters and lines that its terminal takes in one paste.

Source: https://docs.aws.amazon.com/cloudshell/latest/userguide/limits.html, and
https://github.com/aws/amazon-ssm-agent/issues/149
"""
_HOSTS = {"backup": "source", "restore": "target", "migration": "target"}
"""Procedure -> the deployment on whose services instance scripts run."""


class Entry(NamedTuple):
    """One thing to do, as it is shown. Texts; empty where there is nothing to say.

    place: account, Region and shell; entries with the same one run in the same place.
    facts: label -> text, in the order to read.
    script: the whole text of the script. command: what makes it, once its values are known.
    file: the name of the script's file. confirm: the word that it wants typed, in words.
    paste: several scripts that may be pasted at once, on the first of them.
    """

    number: str
    anchor: str
    title: str
    place: str
    facts: tuple[tuple[str, str], ...]
    by_hand: tuple[str, ...]
    script: str = ""
    command: str = ""
    file: str = ""
    confirm: str = ""
    paste: Optional[Paste] = None

    @property
    def lines(self) -> int:
        """How many lines the script has."""
        return self.script.count("\n")


class Paste(NamedTuple):
    """The scripts of several entries in one text: each runs only when the one before is done."""

    title: str
    text: str

    @property
    def lines(self) -> int:
        """How many lines the text has."""
        return self.text.count("\n")


class Section(NamedTuple):
    """A headed part of a runbook."""

    title: str
    about: str
    entries: tuple[Entry, ...]


class Advice(NamedTuple):
    """A paragraph on how to follow a runbook, and the commands that it speaks of."""

    text: str
    code: str = ""


class Runbook(NamedTuple):
    """A procedure with its values."""

    procedure: str
    advice: tuple[Advice, ...]
    sections: tuple[Section, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All there is to do, in order."""
        return tuple(entry for section in self.sections for entry in section.entries)

    @property
    def digest(self) -> str:
        """What tells this runbook from any other, in 16 hexadecimal digits."""
        text = json.dumps(self)
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


class _Made(NamedTuple):
    """A task with its script, if it has one."""

    task: Task
    step: Optional[Step]
    script: str


def make(procedure: str, values_file: Path) -> Runbook:
    """Make the runbook of a procedure.

    Raises:
        InputError: with every problem of every step, and the step's number and name.

    """
    tables = read_values(values_file)
    parts = RUNBOOKS[procedure]
    problems: dict[Problem, list[str]] = {}
    made = [[_made(task, tables, values_file, problems) for task in part.tasks] for part in parts]
    if problems:
        raise InputError([_of_steps(problem, names) for problem, names in problems.items()])
    entries = iter(_entries([one for part in made for one in part], tables))
    sections = tuple(
        Section(part.title, part.about, tuple(next(entries) for _ in part.tasks)) for part in parts
    )
    return Runbook(procedure, _advice(_HOSTS[procedure], tables), sections)


def _of_steps(problem: Problem, names: list[str]) -> Problem:
    return Problem(f"{', '.join(names)}: {problem.message}", problem.hint)


def _made(
    task: Task, tables: Tables, values_file: Path, problems: dict[Problem, list[str]]
) -> _Made:
    if task.step is None:
        return _Made(task, None, "")
    options = task.derive(tables)
    options.update({name: Given((text,), "procedure") for name, text in task.options.items()})
    if _unknown(task, tables, options):
        return _Made(task, None, "")
    try:
        step, origins = gather(
            task.step,
            options,
            table=task.deployment,
            values_file=values_file,
            own_stack_json=False,
        )
        return _Made(task, step, render(step, origins))
    except InputError as error:
        for problem in error.problems:
            problems.setdefault(problem, []).append(f"{task.number} {task.step.name}")
        return _Made(task, None, "")


def _unknown(task: Task, tables: Tables, options: dict[str, Given]) -> tuple[str, ...]:
    """Return the values that nobody can know before and that are not there yet."""
    name = task.step.name if task.step else ""
    homes = (
        options,
        *(tables.get(home, {}) for home in (f"{task.deployment}.{name}", task.deployment)),
    )
    return tuple(one for one in task.later if not any(one in home for home in homes))


def _entries(made: list[_Made], tables: Tables) -> Iterator[Entry]:
    """Yield the entries, with what may be pasted at once on the first of its scripts."""
    pastes = _pastes(made)
    number = 0
    for one in made:
        task, script = one.task, one.script
        number += bool(task.step)
        yield Entry(
            number=task.number,
            anchor=f"step-{task.number.replace('.', '-')}",
            title=task.title,
            place=_place(one, tables),
            facts=tuple((label, text) for label, text in _facts(one, tables) if text),
            by_hand=task.by_hand,
            script=script,
            command="" if script else _command(task, tables),
            file=f"{number:02}-{task.step.name}.sh" if task.step else "",
            confirm=one.step.variant().confirm if one.step else "",
            paste=pastes.get(task.number),
        )


def _place(one: _Made, tables: Tables) -> str:
    task = one.task
    if not task.step:
        return ""
    shell = {"cloudshell": "CloudShell", "host": "services instance"}[task.step.place]
    account, region = (
        (one.step.account_id, one.step.region)
        if one.step
        else (_text(tables, task.deployment, name) for name in ("account_id", "region"))
    )
    return f"{shell}, {task.deployment}, {account}, {region}"


def _facts(one: _Made, tables: Tables) -> Iterator[tuple[str, str]]:
    """Yield what a person must know: of the script from its header, the rest from the task."""
    task = one.task
    step = one.step.variant() if one.step else task.step
    header = step.header if step else {"where": task.where, "takes": task.takes}
    for name in task.shows:
        yield VOCABULARY[name].help, _text(tables, task.deployment, name)
    for label in ("where", "changes", "takes", "costs", "again"):
        yield label, header.get(label, "")
    yield "otherwise", task.otherwise
    yield "done when", task.done
    yield "next", task.results
    yield "stop when", task.stop


def _text(tables: Tables, table: str, name: str) -> str:
    """Return one text of the values file, or a word that stands for it."""
    return tables.get(table, {}).get(name, (name.upper().replace("_", "-"),))[0]


def _command(task: Task, tables: Tables) -> str:
    """Return the command that makes the script when its last values are known."""
    if task.step is None:
        return ""
    missing = _unknown(task, tables, task.derive(tables))
    options = {**dict.fromkeys(missing, ""), **task.options}
    source = [f"--from {task.deployment}"] if len(task.step.tables) > 1 else []
    words = [f"codeocean-cmdgen {task.step.name}", "--values FILE", *source]
    words += [
        f"{flag(name)} {text or VOCABULARY[name].kind.metavar}" for name, text in options.items()
    ]
    return " \\\n  ".join(words)


def _pastes(made: list[_Made]) -> dict[str, Paste]:
    """Return what may be pasted at once, by the number of the first task.

    Scripts in the same place that follow each other, but nothing after one that asks for a
    confirmation: it throws away what was typed ahead.
    """
    return {
        group[0].task.number: _paste(group)
        for run in _runs(made)
        for group in _groups(run)
        if len(group) > 1
    }


def _runs(made: list[_Made]) -> Iterator[list[_Made]]:
    """Yield what follows each other in one place, without anything by hand between."""
    scripts = (one for one in made if one.script or not one.task.seen_to)
    for place, run in groupby(scripts, _shell):
        if place:
            yield list(run)


def _shell(one: _Made) -> tuple[str, ...]:
    """Return the very shell that a script is pasted into; nothing where there is no script."""
    if one.step is None:
        return ()
    return (one.step.place, one.task.deployment, one.step.account_id, one.step.region)


def _groups(run: Iterable[_Made]) -> Iterator[list[_Made]]:
    group: list[_Made] = []
    for one in run:
        if group and not _fits([*group, one]):
            yield group
            group = []
        group.append(one)
        if one.step and one.step.variant().confirm:
            yield group
            group = []
    yield group


def _fits(group: list[_Made]) -> bool:
    text = _joined(group)
    characters, lines = LARGEST_PASTE[_shell(group[0])[0]]
    return len(text) <= characters and text.count("\n") <= lines


def _joined(group: list[_Made]) -> str:
    """Join scripts to one command of the shell, which reads it whole before it runs the first."""
    return " &&\n".join(one.script.rstrip("\n") for one in group) + "\n"


def _paste(group: list[_Made]) -> Paste:
    numbers = [one.task.number for one in group]
    return Paste(f"steps {', '.join(numbers[:-1])} and {numbers[-1]} in one paste", _joined(group))


_TO_THE_BUCKET = """\
bucket=$(
  aws cloudformation describe-stack-resource \\
    --region {region} \\
    --stack-name {stack_name} \\
    --logical-resource-id S3TempBucket \\
    --query StackResourceDetail.PhysicalResourceId \\
    --output text
)
aws s3 cp codeocean-cmdgen.pyz "s3://${{bucket}}/" \\
  --region {region}"""
_TO_THE_INSTANCE = """\
bucket=$(sudo jq --raw-output .Buckets.Temp /etc/codeocean/stack.json)
aws s3 cp "s3://${{bucket}}/codeocean-cmdgen.pyz" . \\
  --region {region}
python3 codeocean-cmdgen.pyz --help"""


def _advice(deployment: str, tables: Tables) -> tuple[Advice, ...]:
    """Say how to follow a runbook whose services instance is the deployment's."""
    place = {
        name: shlex.quote(_text(tables, deployment, name))
        for name in ("account_id", "region", "stack_name")
    }
    return (
        Advice(
            "Go from top to bottom. Open the shell that an entry names, paste its script, read "
            "along. It is done when its last line begins with `done:`. After any other end, stop: "
            "read what it says, mend that, and paste it again. Nothing is ever done twice."
        ),
        Advice(
            "Type `export PLAN=1` first to see what a script would do, `unset PLAN` to have it "
            "done. `export WATCH=0` starts the work and returns; pasted again without it, the "
            "script follows the work. CloudShell ends after 20 minutes without a key, the work in "
            "AWS does not."
        ),
        Advice(
            "What a script makes, a later one finds by itself, by its name or tag: no result is to "
            "be copied, but where an entry says so."
        ),
        Advice(
            "Several scripts in one paste are one command: each runs only when the one before it "
            "was done. Nothing follows a script that may ask for a word."
        ),
        Advice(
            "The scripts may be generated anywhere; the services instance needs none of this "
            "program. To have it there all the same, where no Internet connection is: `make dist` "
            "makes one file, codeocean-cmdgen.pyz, which needs python3 alone. Upload it to "
            f"CloudShell of the {deployment}, account {place['account_id']} (Actions > Upload "
            "file), and from there to the deployment's own Temp bucket, where objects live for a "
            "day:",
            _TO_THE_BUCKET.format(**place),
        ),
        Advice(
            f"Then, in an SSM session on the {deployment}'s services instance, whose role is "
            "expected to read its own Temp bucket; where it may not, paste the scripts:",
            _TO_THE_INSTANCE.format(**place),
        ),
    )
