"""The command line: one command per step, made from its declaration. No AWS, no Jinja."""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Callable, Optional, get_type_hints

import click
import typer
from typer.core import TyperGroup

from codeocean_cmdgen.arguments import VOCABULARY, flag
from codeocean_cmdgen.errors import OUR_BUG, DiscoveryError, InputError, Problem, shown
from codeocean_cmdgen.files import write_whole
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.sources import (
    DEPLOYMENT_FILE,
    STACK_JSON,
    TABLES,
    Given,
    gather,
)
from codeocean_cmdgen.steps import STEPS, Step
from codeocean_cmdgen.values import Switch

if TYPE_CHECKING:
    from codeocean_cmdgen.check import Facts
    from codeocean_cmdgen.deployment import Fact
    from codeocean_cmdgen.discover.recovery_points import Pairs
    from codeocean_cmdgen.rehearsal.mishaps import Mishap
    from codeocean_cmdgen.runbook import Runbook

SCRIPT_MODE = 0o700
"""Mode of a script written with --output: the owner's alone."""
RUNBOOK_MODE = 0o600
"""Mode of a runbook: nobody runs it."""

_STEPS = {step.name: step for step in STEPS}

_ENVIRONMENT = "CODEOCEAN_CMDGEN"
"""The first word of every environment variable that gives an option."""


class _Commands(TyperGroup):
    """Lists the commands by procedure, in the order in which they are used.

    A step's command is made when it is asked for: making them all takes as long as the rest.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return [*_STEPS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> Optional[click.Command]:
        """Return a command by its name."""
        step = _STEPS.get(cmd_name)
        return _step_command(step) if step else super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section per procedure, then the other commands."""
        sections = {
            f"{procedure} steps": [step.name for step in steps]
            for procedure, steps in PROCEDURES.items()
        }
        sections["other commands"] = super().list_commands(ctx)
        for title, names in sections.items():
            found = {name: self.get_command(ctx, name) for name in names}
            rows = [(name, one.get_short_help_str(80)) for name, one in found.items() if one]
            with formatter.section(title.capitalize()):
                formatter.write_dl(rows)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=f"Each option may also be given by the environment, as {_ENVIRONMENT}_<STEP>_<OPTION>.",
    context_settings={
        "auto_envvar_prefix": _ENVIRONMENT,
        "help_option_names": ["--help", "-h"],
    },
)


def _spelled_out(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command its annotations as objects: on Python 3.9 typer reads no others."""
    hints = get_type_hints(command, include_extras=True)
    plain = signature(command)
    parameters = [one.replace(annotation=hints[one.name]) for one in plain.parameters.values()]
    command.__signature__ = plain.replace(parameters=parameters)  # type: ignore[attr-defined]
    return command


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - slow, and rarely wanted

        typer.echo(f"codeocean-cmdgen {version('codeocean-cmdgen')}")
        raise typer.Exit


@app.callback()
def _main(
    *,
    version: bool = typer.Option(
        False,  # noqa: FBT003 - typer's default
        "--version",
        is_eager=True,
        callback=_version,
        help="print the version",
    ),
) -> None:
    """Print reviewed shell scripts of AWS CLI commands that back up, restore or migrate Code Ocean.

    Each step prints one script on stdout, to paste into the shell that its header names.
    """


def _step_command(step: type[Step]) -> click.Command:
    alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    alone.command(step.name, short_help=step.title)(_command(step))
    return typer.main.get_command(alone)


def _command(step: type[Step]) -> Callable[..., None]:
    """Make the function whose signature Typer turns into the step's command."""

    def command(**parameters: Any) -> None:  # noqa: ANN401 - texts, lists and switches
        context = click.get_current_context()
        table = parameters.pop("from_", None)
        values_file, stack_json, output = (
            Path(path) if path else None
            for path in (parameters.pop(name) for name in ("values", "stack_json", "output"))
        )
        options = {
            name: Given(texts, _origin(context, name))
            for name, value in parameters.items()
            if (texts := _texts(value))
        }
        step_, origins = gather(
            step,
            options,
            table=table,
            values_file=values_file,
            stack_json=stack_json,
            ask=_ask if sys.stdin.isatty() and sys.stderr.isatty() else None,
        )
        # Jinja is slow to import: a mistake in the options is answered without it.
        from codeocean_cmdgen.render import render  # noqa: PLC0415

        _write(render(step_, origins), output)

    command.__name__ = step.name.replace("-", "_")
    command.__doc__ = step.__doc__
    parameters = _parameters(step)
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def _parameters(step: type[Step]) -> list[Parameter]:
    options: dict[str, tuple[Any, Any]] = {}
    for name in step.arguments():
        argument = VOCABULARY[name]
        kind: Any = str
        if argument.many and not argument.file:
            kind = list[str]
        elif argument.kind is Switch:
            kind = bool
        metavar = None if kind is bool else argument.kind.metavar
        if argument.file:
            metavar = "FILE"
        options[name] = (kind, _option(flag(name), metavar=metavar, help=argument.help))
    if len(step.tables) > 1:
        options["from_"] = (
            str,
            _option(
                "--from",
                click_type=click.Choice(step.tables),
                envvar=f"{_ENVIRONMENT}_{step.name.replace('-', '_').upper()}_FROM",
                help=f"table of the values file to take; {step.tables[0]} without it",
            ),
        )
    options["values"] = (
        str,
        _option("--values", metavar="FILE", help=f"TOML file with {', '.join(TABLES)}"),
    )
    options["stack_json"] = (
        str,
        _option(
            "--stack-json",
            metavar="FILE",
            help=f"instead of {STACK_JSON}, which is taken where it exists",
        ),
    )
    options["output"] = (
        str,
        _option(
            "--output", "-o", metavar="FILE", help="write the script there instead of to stdout"
        ),
    )
    return [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[Optional[kind], option],
        )
        for name, (kind, option) in options.items()
    ]


def _option(*flags: str, **settings: Any) -> Any:  # noqa: ANN401 - as typer.Option itself
    return typer.Option(*flags, show_envvar=False, **settings)


def _texts(value: object) -> tuple[str, ...]:
    """Return the texts of what Typer made of an option; none when it was not given."""
    if value is None:
        return ()
    if isinstance(value, bool):
        return ("yes" if value else "no",)
    return tuple(value) if isinstance(value, list) else (str(value),)


def _origin(context: click.Context, name: str) -> str:
    source = context.get_parameter_source(name)
    if source is click.core.ParameterSource.ENVIRONMENT:
        return f"environment {context.auto_envvar_prefix}_{name.upper()}"
    return "option"


def _ask(name: str) -> tuple[str, ...]:
    """Ask for a value until it is one of its kind; several end with an empty line."""
    argument = VOCABULARY[name]
    where = f" (find it in: {argument.where})" if argument.where else ""
    typer.echo(f"{flag(name)}: {argument.help}{where}", err=True)

    answers: list[str] = []
    while True:
        label = "another, or Enter" if answers else f"such as {argument.kind.example}"
        # Not click.prompt: older releases print a blank on stdout, where the script goes.
        typer.echo(f"  {label}: ", nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            raise click.Abort
        text = line.strip()
        if answers and not text:
            return tuple(answers)
        reason = argument.kind.why_not(text)
        if reason:
            typer.echo(f"  {reason}", err=True)
        elif not argument.many:
            return (text,)
        else:
            answers.append(text)


def _write(script: str, output: Path | None, mode: int = SCRIPT_MODE) -> None:
    """Write the script to stdout or, whole or not at all, to a file."""
    if output is None:
        sys.stdout.write(script)
        sys.stdout.flush()
        return
    write_whole(output, script, mode, "--output")


@app.command(short_help="try scripts against a simulated AWS")
def simulate() -> None:
    """Simulate three deployments that match the example values, until Ctrl-C.

    Prints, for each account, the `export` lines that make a shell work in it. Scripts run there
    unchanged, with the real AWS CLI; nothing leaves this machine.
    """
    try:
        from codeocean_cmdgen import simulator  # noqa: PLC0415 - an extra, and slow
    except ImportError as error:
        raise _no_simulator(error) from error
    gc.enable()  # this command lives long
    simulator.simulate(sys.stdout)


def _list_faults(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        from codeocean_cmdgen.rehearsal.mishaps import MISHAPS  # noqa: PLC0415 - rarely wanted

        for name, mishap in MISHAPS.items():
            typer.echo(f"{name:20} {mishap.step.name}: {mishap.about}")
        raise typer.Exit


def _mishap(name: str, procedure: str) -> Mishap:
    from codeocean_cmdgen.rehearsal.mishaps import MISHAPS  # noqa: PLC0415 - rarely wanted

    if name not in MISHAPS:
        raise InputError([Problem(f"--fault: there is no {shown(name)}", "look: --list-faults")])
    if not MISHAPS[name].fits(procedure):
        step = MISHAPS[name].step.name
        raise InputError([Problem(f"--fault: {name} is one of {step}, which {procedure} has not")])
    return MISHAPS[name]


@app.command(short_help="follow a whole procedure in a simulated AWS, disaster included")
@_spelled_out
def rehearse(
    *,
    procedure: Annotated[
        str, typer.Argument(metavar="PROCEDURE", click_type=click.Choice(list(PROCEDURES)))
    ],
    receipt: Annotated[
        Optional[str],
        typer.Option(metavar="FILE", help="write there, as JSON, what was done and compared"),
    ] = None,
    fault: Annotated[
        Optional[list[str]],
        typer.Option(metavar="NAME", help="let this go wrong, and see how the script meets it"),
    ] = None,
    pause: Annotated[
        bool, typer.Option("--pause", help="paste the scripts yourself, into your own terminals")
    ] = False,
    list_faults: Annotated[  # noqa: ARG001 - its callback ends the program
        bool,
        typer.Option("--list-faults", callback=_list_faults, is_eager=True, help="name them"),
    ] = False,
) -> None:
    """Build a small world, back it up, lose it, and bring it back by the generated scripts alone.

    PROCEDURE is backup, restore or migration. Every script runs as it is generated, in its own
    place: shells of three accounts, and services instances with systemd, XFS and PostgreSQL, which
    this machine simulates for root. Nothing leaves this machine. Exit code 0 when all was done and
    every object version, file, row and secret is equal.
    """
    try:
        from rich.console import Console  # noqa: PLC0415 - slow

        from codeocean_cmdgen.rehearsal import report  # noqa: PLC0415 - an extra, slow
        from codeocean_cmdgen.rehearsal.person import Person  # noqa: PLC0415 - likewise
        from codeocean_cmdgen.rehearsal.run import Staging  # noqa: PLC0415 - likewise
        from codeocean_cmdgen.simulator.aws import AwsUnavailableError  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise _no_simulator(error) from error
    gc.enable()  # this command lives long
    mishaps = tuple(_mishap(name, procedure) for name in fault or ())
    width = None if sys.stdout.isatty() else 120
    try:
        with Staging(procedure) as rehearsal:
            rehearsal.mishaps = mishaps
            console = Console(width=width)
            rehearsal.person = Person(console, rehearsal.folder) if pause else None
            well = report.follow(rehearsal, console)
            if receipt:
                text = json.dumps(report.receipt(rehearsal), indent=2) + "\n"
                write_whole(Path(receipt), text, RUNBOOK_MODE, "--receipt")
    except AwsUnavailableError as error:
        problem = Problem(str(error), "https://docs.aws.amazon.com/cli/latest/userguide/")
        raise InputError([problem]) from error
    raise typer.Exit(0 if well else 1)


def _no_simulator(error: ImportError) -> InputError:
    problem = Problem(
        f"the simulator is not installed: {error.name} is missing",
        "pip install 'codeocean-cmdgen[simulator]'",
    )
    return InputError([problem])


_Procedure = Annotated[
    str, typer.Argument(metavar="PROCEDURE", click_type=click.Choice(list(PROCEDURES)))
]
_Values = Annotated[str, typer.Option(metavar="FILE", help=f"TOML file with {', '.join(TABLES)}")]


@app.command(short_help="write a whole procedure, to read and to follow")
@_spelled_out
def runbook(
    *,
    procedure: _Procedure,
    values: _Values,
    output_format: Annotated[
        str,
        typer.Option(
            "--format",
            click_type=click.Choice(["markdown", "html"]),
            help="markdown to review, html to follow in a browser",
        ),
    ] = "markdown",
    output: Annotated[
        Optional[str],
        typer.Option("--output", "-o", metavar="FILE", help="write there instead of to stdout"),
    ] = None,
) -> None:
    """Print what there is to do, in the order of the vendor's guide, with every script in place.

    PROCEDURE is backup, restore or migration.
    """
    from codeocean_cmdgen import render  # noqa: PLC0415 - Jinja is slow

    made = _runbook(procedure, values)
    form = render.render_page if output_format == "html" else render.render_runbook
    _write(form(made), Path(output) if output else None, RUNBOOK_MODE)


@app.command("render", short_help="write every script of a procedure, and its runbook")
@_spelled_out
def render_procedure(
    *,
    procedure: _Procedure,
    values: _Values,
    directory: Annotated[str, typer.Option(metavar="DIR", help="folder to write into")],
    check: Annotated[
        bool, typer.Option("--check", help="write nothing, show what differs, exit 1 if it does")
    ] = False,
) -> None:
    """Write the scripts of a procedure as files, numbered, and runbook.md and runbook.html.

    PROCEDURE is backup, restore or migration.
    """
    from codeocean_cmdgen import folder  # noqa: PLC0415 - Jinja is slow

    files = folder.files(_runbook(procedure, values))
    if not check:
        folder.write(files, Path(directory))
        return
    differing = folder.differing(files, Path(directory))
    for name, difference in differing.items():
        sys.stdout.write(difference)
        typer.echo(f"error: {name} is not what would be written now", err=True)
    if differing:
        raise typer.Exit(1)


def _runbook(procedure: str, values: str) -> Runbook:
    """Make a runbook, and say what it lacks."""
    from codeocean_cmdgen.runbook import make  # noqa: PLC0415 - Jinja is slow

    made = make(procedure, Path(values))
    for entry in made.incomplete:
        names = ", ".join(entry.missing)
        typer.echo(f"note: {entry.file} is not made: {names} not known yet", err=True)
    return made


DISCOVERABLE = (*TABLES, "recovery-points")
"""What can be discovered."""

_STEP = click.Choice(list(_STEPS))


@app.command("iam-policy", short_help="print the IAM policy that steps need")
@_spelled_out
def iam_policy(
    *,
    step: Annotated[list[str], typer.Argument(metavar="STEP...", click_type=_STEP)],
    table: Annotated[
        Optional[str],
        typer.Option("--from", click_type=click.Choice(TABLES), help="table of the values file"),
    ] = None,
    values: Annotated[
        Optional[str], typer.Option(metavar="FILE", help="allow on what it names alone")
    ] = None,
) -> None:
    """Print the policy that an operator needs to run the scripts of the steps, as JSON.

    It is made of the calls that the scripts make. With --values it allows them on what the values
    name alone; without, on anything of the kind.
    """
    from codeocean_cmdgen import policy  # noqa: PLC0415 - Jinja is slow

    declared = [_STEPS[name] for name in step]
    steps = [
        gather(
            one,
            {},
            table=table if table in one.tables else None,
            values_file=Path(values),
        ).step
        if values
        else policy.example(one)
        for one in declared
    ]
    document = policy.policy(steps, scoped=bool(values))
    for note in policy.notes(steps, document):
        typer.echo(f"note: {note}", err=True)
    typer.echo(json.dumps(document, indent=2))


@app.command(short_help="write a deployment file to fill in")
@_spelled_out
def init(
    *,
    file: Annotated[str, typer.Argument(metavar="[FILE]", show_default=False)] = DEPLOYMENT_FILE,
) -> None:
    """Write a deployment file (facts.toml) that explains each value, all of them commented out.

    It is for --values. An existing file is never touched.
    """
    from codeocean_cmdgen import deployment  # noqa: PLC0415 - no step needs it

    path = Path(file)
    if os.path.lexists(path):
        problem = Problem(f"{shown(file)} exists already", "name another file, or remove this one")
        raise InputError([problem])
    write_whole(path, deployment.empty_file(), deployment.MODE, "FILE", new=True)
    typer.echo(f"wrote {file}: now codeocean-cmdgen discover source", err=True)


@app.command(short_help="find the facts of a deployment, for the deployment file")
@_spelled_out
def discover(
    *,
    what: Annotated[str, typer.Argument(metavar="ROLE", click_type=click.Choice(DISCOVERABLE))],
    values: Annotated[
        str, typer.Option(metavar="FILE", help="deployment file; made where there is none")
    ] = DEPLOYMENT_FILE,
    stack_name: Annotated[
        Optional[str], typer.Option(metavar="NAME", help=VOCABULARY["stack_name"].help)
    ] = None,
    region: Annotated[
        Optional[str], typer.Option(metavar="REGION", help="Region that the deployment is in")
    ] = None,
    profile: Annotated[
        Optional[str], typer.Option(metavar="NAME", help="profile of the AWS configuration")
    ] = None,
    stack_json: Annotated[
        Optional[str],
        typer.Option(metavar="FILE", help=f"read it, or {STACK_JSON} where it exists, not AWS"),
    ] = None,
    table: Annotated[
        str,
        typer.Option(
            "--from",
            click_type=click.Choice(("backup", "target")),
            help="whose vault holds the recovery points",
        ),
    ] = "backup",
    choose: Annotated[
        Optional[str], typer.Option(metavar="PAIR", help="number of the pair of recovery points")
    ] = None,
) -> None:
    """Find the facts of ROLE (source, backup or target) and write them into the deployment file.

    Run it once for each, with credentials of its account; on the services instance it reads
    stack.json. It only reads, and keeps in the file what it did not find. With recovery-points it
    lists the pairs in the vault, newest first, and writes the one that is chosen.
    """
    from codeocean_cmdgen import deployment as file_of  # noqa: PLC0415 - no step needs them
    from codeocean_cmdgen.discover import deployment, host, recovery_points  # noqa: PLC0415

    path = Path(values)
    file = file_of.known(path)

    def say(line: str) -> None:
        typer.echo(line, err=True)

    if what == "recovery-points":
        found = recovery_points.find(table, file, say, region=region, profile=profile)
        facts = _chosen(found, table, choose)
    else:
        own = stack_json or (what != "backup" and STACK_JSON.exists() and str(STACK_JSON))
        if own:
            facts, missing = host.find(what, file, Path(own))
        else:
            facts, missing = deployment.find(
                what, file, say, stack_name=stack_name, region=region, profile=profile
            )
        for problem in missing:
            say(f"not found: {problem.message}")
            if problem.hint:
                say(f"hint: {problem.hint}")
    if facts:
        for line in file_of.update(path, facts):
            say(f"changed: {line}")
        say(f"done: {len(facts)} values are in {values}")


def _chosen(found: Pairs, table: str, choice: Optional[str]) -> list[Fact]:
    """Show the pairs, and return the facts of the one that is chosen; none when none is."""
    from rich.console import Console  # noqa: PLC0415 - slow

    from codeocean_cmdgen.discover import recovery_points  # noqa: PLC0415

    width = None if sys.stdout.isatty() else 120
    Console(width=width, highlight=False, markup=False).print(recovery_points.table_of(found.pairs))
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    if not found.pairs:
        raise DiscoveryError([Problem("there is no pair of recovery points in the vault")])
    if choice is None and sys.stdin.isatty() and sys.stderr.isatty():
        typer.echo("which pair? its number, or Enter for none: ", nl=False, err=True)
        choice = sys.stdin.readline().strip()
    if not choice:
        typer.echo("hint: take one into the file with --choose NUMBER", err=True)
        return []
    facts, warnings = recovery_points.facts_of(recovery_points.choose(found.pairs, choice), table)
    for fact in facts:
        typer.echo(f"{fact.name}: {', '.join(fact.texts)}", err=True)
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)
    return facts


@app.command(short_help="look over the file and the live accounts, before anything is pasted")
@_spelled_out
def check(
    *,
    procedure: Annotated[str, typer.Argument(click_type=click.Choice(list(PROCEDURES)))],
    values: Annotated[str, typer.Option(metavar="FILE", help="the file that describes them")],
    output_format: Annotated[
        str, typer.Option("--format", click_type=click.Choice(["table", "json"]))
    ] = "table",
    offline: Annotated[bool, typer.Option("--offline", help="look over the file alone")] = False,
    profile: Annotated[
        Optional[list[str]],
        typer.Option(metavar="ROLE=NAME", help="credentials for source, backup or target"),
    ] = None,
) -> None:
    """Say what would fail, what may ruin a restore, and how to mend it. Changes nothing.

    Accounts are asked with the profile of their role, else with the credentials at hand; what
    could not be looked at is listed as such. Exit code 1 when something would fail.
    """
    from codeocean_cmdgen import check as checks  # noqa: PLC0415 - rarely wanted

    facts = checks.load(procedure, Path(values))
    if not offline:
        _ask_accounts(facts, _profiles(profile or []))
    verdict = checks.look_over(facts, values, offline=offline)
    tell = checks.as_json if output_format == "json" else checks.as_table
    tell(verdict, facts, sys.stdout)
    raise typer.Exit(1 if verdict.fails else 0)


def _ask_accounts(facts: Facts, profiles: dict[str, str]) -> None:
    try:
        from codeocean_cmdgen.check.gather import gather as ask  # noqa: PLC0415 - an extra, slow
        from codeocean_cmdgen.check.gather import sessions  # noqa: PLC0415
    except ImportError as error:
        if error.name not in ("boto3", "botocore"):
            raise
        raise InputError(
            [
                Problem(
                    f"the accounts cannot be asked: {error.name} is missing",
                    "pip install 'codeocean-cmdgen[aws]', or look over the file alone: --offline",
                )
            ]
        ) from error
    rewritten = sys.stderr.isatty()

    def tell(line: str, *, ended: bool) -> None:
        if rewritten:
            sys.stderr.write(f"\r\033[K{line}" + "\n" * ended)
        elif ended:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    ask(facts, sessions(facts, profiles), profiles, tell)


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


def main() -> None:
    """Run the program and turn what goes wrong into lines on stderr and an exit code."""
    try:
        app(prog_name="codeocean-cmdgen")
    except InputError as error:
        for problem in error.problems:
            typer.echo(f"error: {problem.message}", err=True)
            if problem.hint:
                typer.echo(f"hint: {problem.hint}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:  # stdout is full or gone
        sys.stderr.write(f"error: cannot write the script: {error.strerror}\n")
        sys.exit(1)
    except Exception:  # noqa: BLE001 - the last net
        traceback.print_exc()
        sys.stderr.write(
            "error: this is a bug of codeocean-cmdgen, please report the lines above\n"
        )
        sys.exit(OUR_BUG)
