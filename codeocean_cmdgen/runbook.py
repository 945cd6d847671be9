"""A whole procedure with the values of a file: what there is to do, and every script in place.

Pure but for reading the values file: the same file gives the same runbook, for ever.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, Optional

from codeocean_cmdgen.arguments import CHOOSES, FINDS, VOCABULARY, flag
from codeocean_cmdgen.errors import InputError, Problem
from codeocean_cmdgen.procedures import RUNBOOKS
from codeocean_cmdgen.render import render
from codeocean_cmdgen.sources import DEPLOYMENT_FILE, Given, ValuesFile, gather, homes
from codeocean_cmdgen.steps import CrossAccountBackup, StackCreate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from codeocean_cmdgen.procedures import Tables, Task
    from codeocean_cmdgen.steps import Step

LARGEST_PASTE = {"cloudshell": (65_412, 100_000), "host": (65_412, 650)}
"""Kind of place -> the most characters and lines that its terminal takes in one paste.

Source: https://docs.aws.amazon.com/cloudshell/latest/userguide/limits.html, and
https://github.com/aws/amazon-ssm-agent/issues/149
"""
_SHELLS = {"cloudshell": "CloudShell", "host": "services instance", "hand": "by hand"}
"""Kind of place -> its name for people."""

UNDISCOVERED = (CrossAccountBackup, StackCreate)
"""Steps whose values no `discover` finds: what it looks at is not there yet, or elsewhere."""

_HOSTS = {"backup": "source", "restore": "target", "migration": "target"}
"""Procedure -> the deployment on whose services instance scripts run."""


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
        return _SHELLS[self.kind]


class Entry(NamedTuple):
    """One thing to do, as it is shown. Texts; empty where there is nothing to say.

    facts: label -> text, in the order to read. shown: likewise, values to look at.
    seen_to: what has done it already, in words.
    script: the whole text of the script. command: what makes it, once its values are known.
    missing: the options whose values are not known yet.
    file: the name of the script's file. confirm: the word that it wants typed, in words.
    paste: several scripts that may be pasted at once, on the first of them.
    pasted_with: the number of the entry that has the paste in which this script is, too.
    """

    number: str
    anchor: str
    title: str
    place: Place
    facts: tuple[tuple[str, str], ...]
    by_hand: tuple[str, ...]
    shown: tuple[tuple[str, str], ...] = ()
    seen_to: str = ""
    script: str = ""
    command: str = ""
    missing: tuple[str, ...] = ()
    file: str = ""
    confirm: str = ""
    paste: Optional[Paste] = None
    pasted_with: str = ""


class Paste(NamedTuple):
    """The scripts of several entries in one text: each runs only when the one before is done."""

    numbers: tuple[str, ...]
    text: str

    @property
    def title(self) -> str:
        """Which steps it has, in words."""
        return f"steps {', '.join(self.numbers[:-1])} and {self.numbers[-1]}"


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

    advice: how to follow it. transport: how the program gets onto the services instance.
    """

    procedure: str
    advice: tuple[str, ...]
    transport: tuple[Commands, ...]
    sections: tuple[Section, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All there is to do, in order."""
        return tuple(entry for section in self.sections for entry in section.entries)

    @property
    def incomplete(self) -> tuple[Entry, ...]:
        """The entries whose script cannot be made yet."""
        return tuple(entry for entry in self.entries if entry.missing)

    @property
    def pastes(self) -> int:
        """How many pastes into shells it takes, as few as are offered."""
        return sum(bool(one.file) and not one.pasted_with for one in self.entries)

    @property
    def digest(self) -> str:
        """What tells this runbook from any other, in 16 hexadecimal digits."""
        text = json.dumps(self)
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


class _Made(NamedTuple):
    """A task with its script, if it has one, or with the names of the values that it lacks."""

    task: Task
    options: Mapping[str, Given] = {}
    missing: tuple[str, ...] = ()
    step: Optional[Step] = None
    script: str = ""


def make(procedure: str, values_file: Path) -> Runbook:
    """Make the runbook of a procedure. Where values are missing it holds what finds them.

    Raises:
        InputError: with every wrong value of every step, and the step's number and name.

    """
    file = ValuesFile.read(values_file)
    if file.problems:
        raise InputError(file.problems)
    parts = RUNBOOKS[procedure]
    problems: dict[Problem, list[str]] = {}
    made = [
        _made(task, task.step, file, problems) if task.step else _Made(task)
        for part in parts
        for task in part.tasks
    ]
    if problems:
        raise InputError([_of_steps(problem, names) for problem, names in problems.items()])
    entries = iter(_entries(made, file.tables))
    sections = tuple(
        Section(part.title, part.about, tuple(next(entries) for _ in part.tasks)) for part in parts
    )
    return Runbook(
        procedure, tuple(_ADVICE.splitlines()), _transport(_HOSTS[procedure], file.tables), sections
    )


def _of_steps(problem: Problem, names: list[str]) -> Problem:
    return Problem(f"{', '.join(names)}: {problem.message}", problem.hint)


def _made(
    task: Task, step: type[Step], file: ValuesFile, problems: dict[Problem, list[str]]
) -> _Made:
    options = task.derive(file.tables)
    options.update({name: Given((text,), "procedure") for name, text in task.options.items()})
    missing = tuple(
        name
        for name, needed in step.arguments().items()
        if (needed or name in task.needs) and name not in options
        if not any(name in file.tables.get(home, {}) for home in homes(step, task.deployment, name))
    )
    if missing:
        return _Made(task, options, missing)
    try:
        gathered = gather(
            step, options, table=task.deployment, values_file=file, own_stack_json=False
        )
        return _Made(task, options, (), gathered.step, render(*gathered))
    except InputError as error:
        for problem in error.problems:
            problems.setdefault(problem, []).append(f"{task.number} {step.name}")
        return _Made(task, options)


def _entries(made: list[_Made], tables: Tables) -> Iterator[Entry]:
    """Yield the entries, with what may be pasted at once on the first of its scripts."""
    pastes = {paste.numbers[0]: paste for paste in _pastes(made)}
    pasted_with = {number: first for first, paste in pastes.items() for number in paste.numbers[1:]}
    scripts = 0
    for one in made:
        task = one.task
        scripts += bool(task.step)
        shown = tuple(_shown(task, tables))
        file = f"{scripts:02}-{task.step.name}.sh" if task.step else ""
        yield Entry(
            number=task.number,
            anchor=f"step-{task.number.replace('.', '-')}",
            title=task.title,
            place=_place(one, tables),
            facts=tuple((label, text) for label, text in _facts(one) if text),
            by_hand=tuple(task.by_hand.splitlines()),
            shown=shown,
            seen_to=task.seen_to if len(shown) == len(task.shows) else "",
            script=one.script,
            command=_command(one, file) if one.missing else "",
            missing=tuple(map(flag, one.missing)),
            file=file,
            confirm=one.step.variant().confirm if one.step else "",
            paste=pastes.get(task.number),
            pasted_with=pasted_with.get(task.number, ""),
        )


def _place(one: _Made, tables: Tables) -> Place:
    task = one.task
    account_id, region = (
        (one.step.account_id, one.step.region)
        if one.step
        else (_text(tables, task.deployment, name) for name in ("account_id", "region"))
    )
    kind = task.step.place if task.step else task.place
    return Place(kind, task.deployment, account_id, region)


def _facts(one: _Made) -> Iterator[tuple[str, str]]:
    """Yield what a person must know: of the script from its header, the rest from the task."""
    task = one.task
    step = one.step.variant() if one.step else task.step
    header = step.header if step else {"where": task.where, "takes": task.takes}
    for label in ("where", "changes", "takes", "costs", "again"):
        yield label, header.get(label, "")
    if one.step and step and step.confirm:
        yield "asks", f"for a word, before it changes what this matters for: {step.confirm}"
    yield "otherwise", task.otherwise
    yield "done when", task.done
    yield "next", task.results
    yield "stop when", task.stop


def _shown(task: Task, tables: Tables) -> Iterator[tuple[str, str]]:
    """Yield the values to look at that are known."""
    known = tables.get(task.deployment, {})
    for name in task.shows:
        if name in known:
            yield VOCABULARY[name].help, known[name][0]


def _text(tables: Tables, table: str, name: str) -> str:
    """Return one text of the values file, or a word that stands for it."""
    return tables.get(table, {}).get(name, (name.upper().replace("_", "-"),))[0]


def _command(one: _Made, file: str) -> str:
    """Return what finds the values that are missing, and makes the script then."""
    task = one.task
    step = task.step
    if step is None:
        return ""
    finds = {name: what for name in one.missing if (what := _found_by(task, step, name))}
    words = [f"codeocean-cmdgen {step.name}", f"--values {DEPLOYMENT_FILE}"]
    if len(step.tables) > 1:
        words.append(f"--from {task.deployment}")
    for name, given in one.options.items():
        words += [f"{flag(name)} {shlex.quote(text)}" for text in given.texts]
    words += [
        f"{flag(name)} {VOCABULARY[name].kind.metavar}" for name in one.missing if name not in finds
    ]
    words.append(f"--output {file}")
    searches = [
        f"codeocean-cmdgen discover {what} --values {DEPLOYMENT_FILE}"
        for what in dict.fromkeys(finds.values())
    ]
    return "\n".join([*searches, " \\\n  ".join(words)])


def _found_by(task: Task, step: type[Step], name: str) -> str:
    """Return what `discover` is asked for that finds a value; nothing where it cannot."""
    if name in CHOOSES:
        return "recovery-points"
    if name not in FINDS or step in UNDISCOVERED:
        return ""
    return task.needs.get(name) or step.elsewhere.get(name, task.deployment)


def _pastes(made: list[_Made]) -> list[Paste]:
    """Return what may be pasted at once.

    Scripts in the same place that follow each other, but nothing after one that asks for a
    confirmation: it throws away what was typed ahead.
    """
    return [
        _paste(group)
        for run in _runs(_in_order_of_pastes(made))
        for group in _groups(run)
        if len(group) > 1
    ]


def _in_order_of_pastes(made: list[_Made]) -> list[_Made]:
    """Return the tasks in order, but each that joins an earlier one right behind that.

    Where the two cannot be pasted at once it stays in its place.
    """
    order: list[_Made] = []
    for one in made:
        joined = [place for place, other in enumerate(order, 1) if _joins(one, other)]
        order.insert(joined[0] if joined else len(order), one)
    return order


def _joins(one: _Made, other: _Made) -> bool:
    together = one.task.joins == other.task.number and other.step and one.step
    return bool(together) and _fits([other, one])


def _runs(made: list[_Made]) -> Iterator[list[_Made]]:
    """Yield what follows each other in one place, without anything by hand between."""
    for place, run in groupby((one for one in made if not one.task.seen_to), _shell):
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


_FOLLOWS = (
    """[ "${WATCH-}" != 0 ] || """
    "{ echo 'stopped: each script must be followed to its end here: unset WATCH' >&2; false; }"
)
"""Begins what is pasted at once: a script that returns early would let the next one begin."""


def _joined(group: list[_Made]) -> str:
    """Join scripts to one command of the shell, which reads it whole before it runs the first."""
    return " &&\n".join([_FOLLOWS, *(one.script.rstrip("\n") for one in group)]) + "\n"


def _paste(group: list[_Made]) -> Paste:
    return Paste(tuple(one.task.number for one in group), _joined(group))


_ADVICE = (
    "Go from top to bottom. Open the shell that an entry names, paste its script, read along. It "
    "is done when its last line begins with `done:`. After any other end, stop: read what it says, "
    "mend that, and paste it again. Nothing is ever done twice.\n"
    "Type `export PLAN=1` first to see what a script would do, `unset PLAN` to have it done. "
    "`export WATCH=0` starts the work and returns; pasted again without it, the script follows the "
    "work. CloudShell ends after 20 minutes without a key, the work in AWS does not.\n"
    "What a script makes, a later one finds by itself, by its name or tag. What is to be known "
    f"before a script can be made, `discover` writes into the values file, `{DEPLOYMENT_FILE}` "
    "here; then make the runbook anew. No result is ever typed. It works with the credentials at "
    "hand, or with those of `--profile`.\n"
    "Several scripts in one paste are one command: each runs only when the one before it was done. "
    "Nothing follows a script that may ask for a word. With `WATCH=0`, paste each alone."
)
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


def _transport(deployment: str, tables: Tables) -> tuple[Commands, ...]:
    """Say how the program gets onto the deployment's services instance."""
    place = {
        name: shlex.quote(_text(tables, deployment, name))
        for name in ("account_id", "region", "stack_name")
    }
    return (
        Commands(
            "The scripts may be generated anywhere; the services instance needs none of this "
            "program. To have it there all the same, where no Internet connection is: `make dist` "
            "makes one file, `codeocean-cmdgen.pyz`, which needs python3 alone. Upload it to "
            f"CloudShell of the {deployment}, account {place['account_id']} (Actions > Upload "
            "file), and from there to the deployment's own Temp bucket, where objects live for a "
            "day:",
            _TO_THE_BUCKET.format(**place),
        ),
        Commands(
            f"Then, in an SSM session on the {deployment}'s services instance, whose role is "
            "expected to read its own Temp bucket; where it may not, paste the scripts:",
            _TO_THE_INSTANCE.format(**place),
        ),
    )
