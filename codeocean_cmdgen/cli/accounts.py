"""The commands about accounts and the deployment file: init, discover, check, iam-policy."""

import json
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import click
import typer

from codeocean_cmdgen.arguments import RECOVERY_POINTS, VOCABULARY, flag
from codeocean_cmdgen.aws_settings import demand_boto3
from codeocean_cmdgen.cli.procedures import ProcedureName
from codeocean_cmdgen.cli.shared import FileName, Values, show_note
from codeocean_cmdgen.errors import DiscoveryError, InputError, Problem, shown
from codeocean_cmdgen.files import PRIVATE_MODE, write_whole
from codeocean_cmdgen.inputs import stack_json as stack_json_of
from codeocean_cmdgen.inputs.deployment_file import (
    DEPLOYMENT_FILE,
    TABLES,
    demand_deployment_file,
    file_to_fill_in,
    named_or_default,
)
from codeocean_cmdgen.inputs.resolve import Given, missing, resolve
from codeocean_cmdgen.steps import BY_NAME, Step
from codeocean_cmdgen.terminal import echo, echo_lines, echo_progress, is_terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codeocean_cmdgen.check import Facts
    from codeocean_cmdgen.discover.recovery_points import Pairs
    from codeocean_cmdgen.inputs.deployment_file import DeploymentFile
    from codeocean_cmdgen.inputs.update import Fact

DISCOVERABLE = (*TABLES, RECOVERY_POINTS)
"""What can be discovered."""

_NO_FILE = (
    "no deployment file was read, so the policy allows all resources of each type; to name one: "
    "--values FILE"
)

_ANY_RUN = Given((VOCABULARY["run"].kind.example,), "example")


def iam_policy(
    *,
    step: Annotated[
        list[str], typer.Argument(metavar="STEP...", click_type=click.Choice(list(BY_NAME)))
    ],
    table: Annotated[
        Optional[str],
        typer.Option(
            "--from", click_type=click.Choice(TABLES), help="table of the deployment file to use"
        ),
    ] = None,
    values: Values = None,
    all_resources: Annotated[
        bool, typer.Option("--all-resources", help="allow all resources; read no deployment file")
    ] = False,
) -> None:
    """Print the IAM policy that an operator needs to run the scripts of these steps, as JSON.

    It allows only the calls of these scripts: with a deployment file, only on the resources that
    the file names. Without one, a note says that it allows all resources of each type.
    """
    from codeocean_cmdgen.iam_policy import (  # noqa: PLC0415 - rarely wanted
        example_step,
        notes,
        policy,
    )

    declared = [BY_NAME[name] for name in step]
    if all_resources and values is not None:
        raise InputError([Problem("give --values or --all-resources, not both")])
    file = None if all_resources else named_or_default(values, show_note)
    if file:
        steps = _steps_in_file(declared, table, file)
    else:
        steps = [example_step(one) for one in declared]
        if not all_resources:
            show_note(_NO_FILE)
    document = policy(steps, scoped=file is not None)
    for note in notes(steps, document):
        show_note(note)
    echo_lines(json.dumps(document, indent=2) + "\n")


def _steps_in_file(
    declared: "Sequence[type[Step]]", table: Optional[str], file: "DeploymentFile"
) -> list[Step]:
    """Return the steps with the values of a deployment file.

    table: the table to use for steps that have a choice; None for the default.

    Raises:
        InputError: with the values that the file lacks, and all other problems.

    """
    steps: list[Step] = []
    problems: list[Problem] = []
    words = shlex.join(one.name for one in declared)
    hint = f"add them, or allow all resources: codeocean-cmdgen iam-policy {words} --all-resources"
    for one in declared:
        home = table if table in one.tables else one.tables[0]
        lacking = missing(one, home, file)
        # No permission depends on the run.
        run = {"run": _ANY_RUN} if "run" in lacking else {}
        names = [name for name in lacking if name not in run]
        if names:
            lacks = f"[{home}] lacks values of {one.name}: {', '.join(names)}"
            problems.append(Problem(f"--values: {file.position(home)}: {lacks}", hint))
            hint = ""
            continue
        try:
            resolved = resolve(one, run, table=home, deployment_file=file, own_stack_json=False)
            steps.append(resolved.step)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return steps


def init(
    *,
    file: Annotated[
        str, typer.Argument(metavar="[FILE]", click_type=FileName(), show_default=False)
    ] = DEPLOYMENT_FILE,
) -> None:
    """Write a deployment file (deployment.toml) that explains each value, all commented out.

    Other commands use deployment.toml in the current folder, or the file that --values names. An
    existing file is never changed.
    """
    from codeocean_cmdgen.inputs.example import empty_file  # noqa: PLC0415 - needs these

    if file == "-":
        hint = f"without a name, the file is {DEPLOYMENT_FILE}"
        raise InputError([Problem("FILE: - is no name of a file", hint)])
    path = Path(file)
    if os.path.lexists(path):
        problem = Problem(
            f"{shown(file)} already exists", "name another file, or move this one away"
        )
        raise InputError([problem])
    write_whole(path, empty_file(), PRIVATE_MODE, "FILE", new=True)
    echo(
        f"wrote {file}; next: codeocean-cmdgen discover source --values {shlex.quote(file)}",
        err=True,
    )


def discover(
    *,
    what: Annotated[str, typer.Argument(metavar="ROLE", click_type=click.Choice(DISCOVERABLE))],
    values: Annotated[
        Optional[str],
        typer.Option(
            metavar="FILE",
            click_type=FileName(),
            help="deployment file, created if it does not exist (default: "
            f"{DEPLOYMENT_FILE} in the current folder; none on a services instance)",
        ),
    ] = None,
    stack_name: Annotated[
        Optional[str], typer.Option(metavar="NAME", help=VOCABULARY["stack_name"].help)
    ] = None,
    region: Annotated[
        Optional[str], typer.Option(metavar="REGION", help="Region that the deployment is in")
    ] = None,
    profile: Annotated[
        Optional[str], typer.Option(metavar="NAME", help="profile in the AWS configuration")
    ] = None,
    stack_json: Annotated[
        Optional[str],
        typer.Option(
            metavar="FILE",
            click_type=FileName(),
            help="read this stack.json instead of AWS. Default: "
            f"{stack_json_of.STACK_JSON} if it exists",
        ),
    ] = None,
    table: Annotated[
        Optional[str],
        typer.Option(
            "--from",
            click_type=click.Choice(("backup", "target")),
            help="deployment whose vault holds the recovery points  [default: backup]",
        ),
    ] = None,
    choose: Annotated[
        Optional[str],
        typer.Option(
            metavar="PAIR",
            help="pair of recovery points: its number, or the ID of its EBS snapshot",
        ),
    ] = None,
) -> None:
    """Find the values of ROLE (source, backup or target) and write them to the deployment file.

    Run it once for each role, with credentials of its account. On the services instance, it reads
    stack.json instead of AWS. It makes only read-only calls. Values that it does not find stay as
    they are. With recovery-points as ROLE, it lists the pairs in the vault, newest first, and
    writes the pair that you choose.
    """
    if what == RECOVERY_POINTS:
        unused = {"stack_name": stack_name, "stack_json": stack_json}
        _refuse(unused, f"not an option of discover {RECOVERY_POINTS}")
        file = file_to_fill_in(values, show_note)
        facts = _find_points(file, table or "backup", choose, region=region, profile=profile)
    else:
        _refuse({"from": table, "choose": choose}, f"only for discover {RECOVERY_POINTS}")
        file = file_to_fill_in(values, show_note)
        where = {"stack_name": stack_name, "region": region, "profile": profile}
        facts = _find_deployment(file, what, stack_json, where)
    if facts:
        _write(file, facts)


def _refuse(given: dict[str, Optional[str]], why: str) -> None:
    """Refuse options that would have no effect.

    Raises:
        InputError: some are given.

    """
    problems = [Problem(f"{flag(name)}: {why}") for name, text in given.items() if text is not None]
    if problems:
        raise InputError(problems)


def _say(line: str) -> None:
    echo(line, err=True)


def _find_deployment(
    file: "DeploymentFile",
    role: str,
    stack_json: Optional[str],
    where: dict[str, Optional[str]],
) -> list["Fact"]:
    """Return the facts of a deployment, and show what was not found.

    stack_json: the file to read instead of AWS, if it is named.
    where: the options that say where to look in AWS.
    """
    from codeocean_cmdgen.discover import (  # noqa: PLC0415 - no step needs them
        services_instance,
        stack,
    )

    is_own = role != "backup" and stack_json_of.is_services_instance()
    own = stack_json or (str(stack_json_of.STACK_JSON) if is_own else "")
    if own:
        _refuse(where, f"not used: {own} is read instead of AWS")
        found = services_instance.find(role, file, Path(own), _say)
    else:
        found = stack.find(role, file, _say, **where)
    for problem in found.missing:
        _say(f"not found: {problem.message}")
        if problem.hint:
            _say(f"hint: {problem.hint}")
    return found.facts


def _find_points(
    file: "DeploymentFile",
    table: str,
    choice: Optional[str],
    *,
    region: Optional[str],
    profile: Optional[str],
) -> list["Fact"]:
    """Return the facts of the pair of recovery points that is chosen, if one is."""
    from codeocean_cmdgen.discover import recovery_points  # noqa: PLC0415 - no step needs it

    found = recovery_points.find_pairs(table, file, _say, region=region, profile=profile)
    again = [f"--from {table}", file.option]
    where = {"region": region, "profile": profile}
    again += [f"{flag(name)} {shlex.quote(text)}" for name, text in where.items() if text]
    return _chosen(found, table, choice, " ".join(again))


def _write(file: "DeploymentFile", facts: list["Fact"]) -> None:
    """Write facts to the file, and say what that changed."""
    from codeocean_cmdgen.inputs.update import update  # noqa: PLC0415 - no step needs it

    is_new = not os.path.lexists(file.name)
    changes = update(Path(file.name), facts)
    if is_new:
        _say(f"created: {file.name}")
    for line in changes.replaced:
        _say(f"changed: {line}")
    _say(f"done: {_written(changes.total, len(facts), file.name)}")


def _written(changed: int, found: int, file: str) -> str:
    """Say how many of the values that were found are new in the file."""
    if not changed:
        return f"nothing new: {file} already has {'this' if found == 1 else f'all {found}'}"
    values = "1 value" if changed == 1 else f"{changed} values"
    known = f"; it already had {found - changed} more" if changed < found else ""
    return f"wrote {values} to {file}{known}"


def _chosen(found: "Pairs", table: str, choice: Optional[str], options: str) -> list["Fact"]:
    """Show the pairs, and return the facts of the one that is chosen.

    options: those of this command, without the choice. On a terminal, a person may choose none.

    Raises:
        DiscoveryError: there is no pair.
        InputError: no such pair, or none was chosen and there is no terminal to ask on.

    """
    from codeocean_cmdgen.discover import recovery_points  # noqa: PLC0415

    for line in recovery_points.lines_of(found.pairs, _width()):
        echo(line)
    for note in found.notes:
        echo(f"note: {note}", err=True)
    if not found.pairs:
        raise DiscoveryError([Problem("the vault has no pair of recovery points")])
    asks = choice is None and is_terminal(sys.stdin, sys.stderr)
    if asks:
        echo("Pair number (Enter to skip): ", end="", err=True)
        choice = sys.stdin.readline().strip()
    if not choice:
        command = f"codeocean-cmdgen discover recovery-points {options} --choose NUMBER"
        problem = Problem("no pair is chosen, so nothing is written", f"to write one: {command}")
        if not asks:
            raise InputError([problem])
        echo(f"note: {problem.message}", err=True)
        echo(f"hint: {problem.hint}", err=True)
        return []
    facts, warnings = recovery_points.facts_of(recovery_points.choose(found.pairs, choice), table)
    for fact in facts:
        echo(f"{fact.name}: {', '.join(fact.texts)}", err=True)
    for warning in warnings:
        echo(f"warning: {warning}", err=True)
    return facts


_UNWRAPPED = 10_000
"""The columns of output that is not a terminal: one line for each thing, for grep."""


def _width() -> int:
    return shutil.get_terminal_size().columns if is_terminal(sys.stdout) else _UNWRAPPED


def check(
    *,
    procedure: ProcedureName,
    values: Values = None,
    output_format: Annotated[
        str, typer.Option("--format", click_type=click.Choice(["text", "json"]))
    ] = "text",
    offline: Annotated[
        bool, typer.Option("--offline", help="check only the deployment file")
    ] = False,
    profile: Annotated[
        Optional[list[str]],
        typer.Option(
            metavar="ROLE=NAME", help="profile for source, backup or target; can be repeated"
        ),
    ] = None,
) -> None:
    """Report what would fail, what could ruin a restore, and how to fix it. Changes nothing.

    Each account is read with the profile that --profile gives for it, otherwise with the current
    credentials. Checks that could not run are listed. Exits with 1 if something would fail,
    or if no account answered.
    NO_COLOR=1 turns off colors.
    """
    from codeocean_cmdgen import check as checks  # noqa: PLC0415 - rarely wanted

    file = demand_deployment_file(values, show_note)
    facts = checks.facts_in_file(procedure, file)
    if not offline:
        _ask_accounts(facts, _profiles(profile or []))
    result = checks.look_over(facts, file.name, offline=offline)
    if output_format == "json":
        echo_lines(checks.as_json(result, facts))
    else:
        for line in checks.as_text(result, facts, offline=offline, width=_width()):
            echo(line.text, color=line.color)
    raise typer.Exit(1 if result.fails else 0)


def _ask_accounts(facts: "Facts", profiles: dict[str, str]) -> None:
    demand_boto3("check only the deployment file with --offline")
    from codeocean_cmdgen.check.questions import ask_accounts, sessions  # noqa: PLC0415 - slow

    for role, name in profiles.items():
        facts.deployments[role].profile = name
    ask_accounts(facts, sessions(facts, profiles), profiles, echo_progress)


def _profiles(texts: list[str]) -> dict[str, str]:
    """Return the profiles by role."""
    split = [text.partition("=") for text in texts]
    wrong = [f"{role}{sign}{name}" for role, sign, name in split if role not in TABLES or not name]
    if wrong:
        problems = [
            Problem(f"--profile: {shown(text)} is not ROLE=NAME, such as backup=dr-readonly")
            for text in wrong
        ]
        raise InputError(problems)
    return {role: name for role, _, name in split}
