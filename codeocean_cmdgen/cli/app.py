"""The program: its commands by name, its help, and what it does with errors."""

import os
import sys
import traceback
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Optional

import click
import typer
from typer.core import TyperGroup

from codeocean_cmdgen.cli.shared import COMPLETE, ENVIRONMENT, PROGRAM, examples
from codeocean_cmdgen.errors import (
    INTERRUPTED,
    OUR_BUG,
    REFUSED,
    InputError,
    OutputError,
    Problem,
    shown,
)
from codeocean_cmdgen.steps import BY_NAME, STEPS
from codeocean_cmdgen.terminal import echo, echo_lines

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Other(NamedTuple):
    """A command that is no step.

    family: the module of this package with its function.
    title: what it does, in one line.
    examples: command lines.
    """

    family: str
    title: str
    examples: tuple[str, ...]


_FIRST_DAY = {
    "init": _Other(
        "accounts",
        "write a deployment file to fill in",
        ("codeocean-cmdgen init",),
    ),
    "discover": _Other(
        "accounts",
        "find a deployment's values and write them to the deployment file",
        (
            "codeocean-cmdgen discover source --profile NAME",
            "codeocean-cmdgen discover recovery-points --choose 1",
        ),
    ),
    "check": _Other(
        "accounts",
        "check the deployment file and the live accounts before you paste",
        (
            "codeocean-cmdgen check restore --offline",
            "codeocean-cmdgen check restore --profile backup=NAME --profile target=NAME",
        ),
    ),
    "iam-policy": _Other(
        "accounts",
        "print the IAM policy that the scripts of some steps need",
        ("codeocean-cmdgen iam-policy snapshot-copy",),
    ),
    "runbook": _Other(
        "documents",
        "write a whole procedure as a runbook",
        ("codeocean-cmdgen runbook restore --format html --output restore.html",),
    ),
    "render": _Other(
        "documents",
        "write the scripts and the runbook of a procedure as files",
        ("codeocean-cmdgen render restore --directory restore",),
    ),
    "verify": _Other(
        "documents",
        "compare scripts with what this release prints, and show their values",
        ("codeocean-cmdgen verify restore",),
    ),
}
"""The commands of the first day, in the order in which they are used."""

_FURTHER = {
    "simulate": _Other(
        "simulation", "try scripts against a simulated AWS", ("codeocean-cmdgen simulate",)
    ),
    "rehearse": _Other(
        "simulation",
        "rehearse a whole procedure, including the disaster, in a simulated AWS",
        ("codeocean-cmdgen rehearse restore",),
    ),
    "completion": _Other(
        "completion",
        "make your shell complete commands, options and files",
        (
            "source <(codeocean-cmdgen completion bash)  # in ~/.bashrc",
            "source <(codeocean-cmdgen completion zsh)   # in ~/.zshrc, after compinit",
            "codeocean-cmdgen completion fish | source   # in ~/.config/fish/config.fish",
        ),
    ),
}

_OTHERS = {**_FIRST_DAY, **_FURTHER}


class _Commands(TyperGroup):
    """Lists the commands in the order in which they are used.

    A command is made when it is asked for: making them all takes as long as the rest.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands."""
        return [*_OTHERS, *BY_NAME]

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> Optional[click.Command]:
        """Return a command by its name."""
        if cmd_name in BY_NAME:
            from codeocean_cmdgen.cli.steps import command  # noqa: PLC0415 - others need no step

            return command(BY_NAME[cmd_name])
        return _made(cmd_name, _OTHERS[cmd_name]) if cmd_name in _OTHERS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[Optional[str], Optional[click.Command], list[str]]:
        """Find the command that is meant, or suggest one: click and typer would both suggest it."""
        name, names = args[0], self.list_commands(ctx)
        if name not in names and not ctx.resilient_parsing:
            close = get_close_matches(name, names, n=1)
            meant = f": did you mean {close[0]}?" if close else ""
            ctx.fail(f"no such command {shown(name)}{meant}")
        return super().resolve_command(ctx, args)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the commands of the first day, the further ones, and the steps."""
        from codeocean_cmdgen.procedures import PROCEDURES  # noqa: PLC0415 - slow

        for title, others in (("The first day", _FIRST_DAY), ("Further commands", _FURTHER)):
            with formatter.section(title):
                formatter.write_dl([(name, other.title) for name, other in others.items()])
        marks = {
            step: " ".join(
                name[0].upper() if step in procedure.steps else "-"
                for name, procedure in PROCEDURES.items()
            )
            for step in STEPS
        }
        legend = ", ".join(f"{name[0].upper()} {name}" for name in PROCEDURES)
        width = max(map(len, BY_NAME))
        with formatter.section(f"Steps, and the procedures that use them ({legend})"):
            formatter.write_dl(
                [(f"{step.name:{width}}  {marks[step]}", step.title) for step in STEPS]
            )


def _made(name: str, other: _Other) -> click.Command:
    """Let Typer make a command of the function that has its name."""
    function = getattr(import_module(f"{__package__}.{other.family}"), name.replace("-", "_"))
    alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    alone.command(name, short_help=other.title, epilog=examples(*other.examples))(function)
    return typer.main.get_command(alone)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,  # the command `completion` has it, for the shells that are tested
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog="Every option of a step, except --help, can also be set as an environment variable: "
    f"{ENVIRONMENT}_<STEP>_<OPTION>, in capitals, with _ for -. The other commands read no such "
    f"variables. {COMPLETE} is for shell completion alone: `{PROGRAM} completion --help`.",
    # No auto_envvar_prefix: a variable would then stand in for every option, --version too.
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _version(context: typer.Context, wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted and not context.resilient_parsing:
        from importlib.metadata import version  # noqa: PLC0415 - slow, and rarely wanted

        echo(f"{PROGRAM} {version(PROGRAM)}")
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


def main() -> None:
    """Run the program and turn what goes wrong into lines on stderr and an exit code."""
    try:
        code = _run()
    except InputError as error:
        _tell(error.problems)
        sys.exit(error.exit_code)
    except OutputError as error:
        echo(f"error: cannot write to stdout: {error}", err=True)
        sys.exit(REFUSED)
    except click.Abort:
        echo("stopped: nothing was written", err=True)
        sys.exit(1)
    except click.ClickException as error:
        _tell_usage(error)
        sys.exit(error.exit_code)
    except OSError as error:
        echo(f"error: {_refused(error)}: {error.strerror or error}", err=True)
        sys.exit(REFUSED)
    except Exception:  # noqa: BLE001 - the last net
        echo_lines(traceback.format_exc(), err=True)
        echo("error: this is a bug in codeocean-cmdgen; please report the lines above", err=True)
        sys.exit(OUR_BUG)
    if code == INTERRUPTED:  # Typer makes this of Ctrl-C
        echo("", err=True)
        echo("stopped: interrupted", err=True)
    sys.exit(code)


def _run() -> int:
    """Do what the command line says, or complete it for a shell; return the exit code."""
    # Typer would complete with any arguments: a command must never do that instead of its work.
    instruction = os.environ.pop(COMPLETE, "")
    if instruction:
        from codeocean_cmdgen.cli.completion import answer, is_asked  # noqa: PLC0415 - rarely

        if is_asked(instruction):
            return answer(typer.main.get_command(app), instruction)
    code: int = app(prog_name=PROGRAM, standalone_mode=False)
    return code


def _tell(problems: "Iterable[Problem]") -> None:
    for problem in problems:
        echo(f"error: {problem.message}", err=True)
        if problem.hint:
            echo(f"hint: {problem.hint}", err=True)


def _refused(error: OSError) -> str:
    """Say what the system refused, and which file it names, if any."""
    names = [os.fsdecode(one) for one in (error.filename, error.filename2) if one is not None]
    return f"cannot use {' and '.join(map(shown, names))}" if names else "a system call failed"


def _tell_usage(error: click.ClickException) -> None:
    """Say what is wrong with the command line; if it is empty, how it is used."""
    message = error.format_message()
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context and message == context.get_help():  # newer releases of click raise the help
        echo_lines(f"{message}\n", err=True)
        return
    if isinstance(error, click.MissingParameter) and error.param is not None:
        message = _missing(error.param)
    if isinstance(error, click.NoSuchOption):
        close = f": did you mean {error.possibilities[0]}?" if error.possibilities else ""
        message = f"no such option {error.option_name}{close}"
    echo(f"error: {message[:1].lower()}{message[1:].rstrip('.')}", err=True)
    if context:
        echo(f"hint: {context.command_path} --help", err=True)


def _missing(parameter: click.Parameter) -> str:
    """Return what is missing, on one line: click shows each choice on a line of its own."""
    is_argument = isinstance(parameter, click.Argument)
    name = parameter.metavar or parameter.opts[0].upper() if is_argument else parameter.opts[0]
    if not isinstance(parameter.type, click.Choice):
        return f"missing {name}"
    *first, last = parameter.type.choices
    return f"missing {name.rstrip('.')}: {', '.join(first)} or {last}"
