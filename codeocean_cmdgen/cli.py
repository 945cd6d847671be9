"""The command line: one command per step, made from its declaration. No AWS, no Jinja."""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import traceback
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, Callable, Optional

import click
import typer
from typer.core import TyperGroup

from codeocean_cmdgen.arguments import VOCABULARY, flag
from codeocean_cmdgen.errors import BAD_INPUT, OUR_BUG, InputError, Problem, shown
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.sources import STACK_JSON, TABLES, Given, gather
from codeocean_cmdgen.steps import STEPS, Step
from codeocean_cmdgen.values import Switch

SCRIPT_MODE = 0o700
"""Mode of a script written with --output: the owner's alone."""
RUNBOOK_MODE = 0o600
"""Mode of a runbook: nobody runs it."""

_ENVIRONMENT = "CODEOCEAN_CMDGEN"
"""The first word of every environment variable that gives an option."""


class _Commands(TyperGroup):
    """Lists the commands by procedure, in the order in which they are used."""

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """Write one section per procedure, then the other commands."""
        sections = {
            f"{procedure} steps": [step.name for step in steps]
            for procedure, steps in PROCEDURES.items()
        }
        steps = {step.name for step in STEPS}
        sections["other commands"] = [name for name in self.commands if name not in steps]
        for title, names in sections.items():
            rows = [(name, self.commands[name].get_short_help_str(80)) for name in names]
            if rows:
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
    if output.exists() and not output.is_file():  # a device would be replaced by the script
        raise InputError([Problem(f"--output: {shown(str(output))} is not a file")])
    try:
        handle, temporary = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
        try:
            with os.fdopen(handle, "w", encoding="ascii", newline="\n") as file:
                file.write(script)
                file.flush()
                os.fchmod(handle, mode)
                os.fsync(handle)
            Path(temporary).replace(output)
        except BaseException:
            Path(temporary).unlink()
            raise
    except OSError as error:
        problem = Problem(f"--output: cannot write {shown(str(output))}: {error.strerror}")
        raise InputError([problem]) from error


@app.command(short_help="try scripts against a simulated AWS")
def simulate() -> None:
    """Simulate three deployments that match the example values, until Ctrl-C.

    Prints, for each account, the `export` lines that make a shell work in it. Scripts run there
    unchanged, with the real AWS CLI; nothing leaves this machine.
    """
    try:
        from codeocean_cmdgen import simulator  # noqa: PLC0415 - an extra, and slow
    except ImportError as error:
        problem = Problem(
            f"the simulator is not installed: {error.name} is missing",
            "pip install 'codeocean-cmdgen[simulator]'",
        )
        raise InputError([problem]) from error
    gc.enable()  # this command lives long
    simulator.simulate(sys.stdout)


_Procedure = Annotated[
    str, typer.Argument(metavar="PROCEDURE", click_type=click.Choice(list(PROCEDURES)))
]
_Values = Annotated[str, typer.Option(metavar="FILE", help=f"TOML file with {', '.join(TABLES)}")]


@app.command(short_help="write a whole procedure, to read and to follow")
def runbook(
    *,
    procedure: _Procedure,
    values: _Values,
    output: Annotated[
        Optional[str],
        typer.Option("--output", "-o", metavar="FILE", help="write there instead of to stdout"),
    ] = None,
) -> None:
    """Print what there is to do, in the order of the vendor's guide, with every script in place.

    PROCEDURE is backup, restore or migration.
    """
    from codeocean_cmdgen.render import render_runbook  # noqa: PLC0415 - Jinja is slow
    from codeocean_cmdgen.runbook import make  # noqa: PLC0415 - likewise

    text = render_runbook(make(procedure, Path(values)))
    _write(text, Path(output) if output else None, RUNBOOK_MODE)


@app.command("render", short_help="write every script of a procedure, and its runbook")
def render_procedure(
    *,
    procedure: _Procedure,
    values: _Values,
    directory: Annotated[str, typer.Option(metavar="DIR", help="folder to write into")],
    check: Annotated[
        bool, typer.Option("--check", help="write nothing, show what differs, exit 1 if it does")
    ] = False,
) -> None:
    """Write the scripts of a procedure as files, numbered, and runbook.md.

    PROCEDURE is backup, restore or migration.
    """
    from codeocean_cmdgen import folder  # noqa: PLC0415 - Jinja is slow

    files = folder.files(procedure, Path(values))
    if not check:
        folder.write(files, Path(directory))
        return
    differing = folder.differing(files, Path(directory))
    for name, difference in differing.items():
        sys.stdout.write(difference)
        typer.echo(f"error: {name} is not what would be written now", err=True)
    if differing:
        raise typer.Exit(1)


_STEP = click.Choice([step.name for step in STEPS])


@app.command("iam-policy", short_help="print the IAM policy that steps need")
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

    declared = [one for name in step for one in STEPS if one.name == name]
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


for _step in STEPS:
    app.command(_step.name, short_help=_step.title)(_command(_step))


def main() -> None:
    """Run the program and turn what goes wrong into lines on stderr and an exit code."""
    try:
        app(prog_name="codeocean-cmdgen")
    except InputError as error:
        for problem in error.problems:
            typer.echo(f"error: {problem.message}", err=True)
            if problem.hint:
                typer.echo(f"hint: {problem.hint}", err=True)
        sys.exit(BAD_INPUT)
    except OSError as error:  # stdout is full or gone
        sys.stderr.write(f"error: cannot write the script: {error.strerror}\n")
        sys.exit(1)
    except Exception:  # noqa: BLE001 - the last net
        traceback.print_exc()
        sys.stderr.write(
            "error: this is a bug of codeocean-cmdgen, please report the lines above\n"
        )
        sys.exit(OUR_BUG)
