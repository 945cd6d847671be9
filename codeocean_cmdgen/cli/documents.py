"""The commands that write and compare documents: runbook, render, verify."""

import sys
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import click
import typer

from codeocean_cmdgen.cli.procedures import ProcedureName
from codeocean_cmdgen.cli.shared import (
    FileName,
    FolderName,
    Values,
    files_read,
    show_note,
)
from codeocean_cmdgen.files import PRIVATE_MODE
from codeocean_cmdgen.inputs.deployment_file import demand_deployment_file, named_or_default
from codeocean_cmdgen.terminal import echo, echo_lines, is_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.inputs.deployment_file import DeploymentFile
    from codeocean_cmdgen.runbook import Runbook
    from codeocean_cmdgen.runbook.model import Missing


def runbook(
    *,
    procedure: ProcedureName,
    values: Values = None,
    output_format: Annotated[
        str,
        typer.Option(
            "--format",
            click_type=click.Choice(["markdown", "html"]),
            help="markdown for review, html to follow in a browser",
        ),
    ] = "markdown",
    output: Annotated[
        Optional[str],
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            click_type=FileName(),
            help="write to this file instead of stdout",
        ),
    ] = None,
) -> None:
    """Print a procedure as a runbook: its steps in the guide's order, with every script.

    PROCEDURE is backup, restore or migration.
    """
    from codeocean_cmdgen.cli.output import write_document  # noqa: PLC0415 - Jinja is slow
    from codeocean_cmdgen.rendering import documents  # noqa: PLC0415 - likewise

    file = demand_deployment_file(values, show_note)
    made = _runbook(procedure, file)
    form = documents.render_page if output_format == "html" else documents.render_runbook
    write_document(form(made), Path(output) if output else None, files_read(file), PRIVATE_MODE)


def render(
    *,
    procedure: ProcedureName,
    directory: Annotated[
        str, typer.Option(metavar="DIR", click_type=FolderName(), help="folder to write into")
    ],
    values: Values = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="write nothing; show what differs, and exit with 1 if anything does"
        ),
    ] = False,
) -> None:
    """Write the scripts of a procedure as numbered files, with runbook.md and runbook.html.

    PROCEDURE is backup, restore or migration.
    """
    from codeocean_cmdgen import folder  # noqa: PLC0415 - Jinja is slow

    file = demand_deployment_file(values, show_note)
    files = folder.files(_runbook(procedure, file))
    if not check:
        folder.write(files, Path(directory), files_read(file))
        return
    differing = folder.differing(files, Path(directory), files_read(file))
    for difference in differing:
        echo_lines(difference.diff)
        echo(f"error: {difference.message}", err=True)
    if differing:
        raise typer.Exit(1)


def verify(
    *,
    file: Annotated[
        list[str], typer.Argument(metavar="FILE...|-", click_type=FileName(), show_default=False)
    ],
    values: Values = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, for programs")] = False,
) -> None:
    """Compare scripts byte by byte with what this release prints for the values in them.

    FILE is a script, a runbook, or a folder that `render` wrote; - reads a paste from stdin, which
    may hold several joined scripts. Shows the values to judge, and each line that differs. Runs
    nothing. A runbook is compared with the one that this release makes from the deployment file:
    the file that --values names, otherwise the one in the verified folder, otherwise the default.
    Exits with 0 if everything is verified, otherwise with 1.
    """
    from codeocean_cmdgen import verify as verifier  # noqa: PLC0415 - Jinja is slow

    pasted = b""
    if "-" in file and is_terminal(sys.stdin, sys.stderr):
        show_note("paste the script, then press Ctrl-D")
    if "-" in file and sys.stdin is not None:
        pasted = sys.stdin.buffer.read(verifier.MOST_BYTES)
    find_file = lru_cache(maxsize=None)(partial(named_or_default, values, show_note))
    if values is not None:
        find_file()  # report a file that cannot be read, even if no runbook needs it
    verdicts = verifier.of_paths(file, pasted, values, find_file)
    echo_lines(verifier.as_json(verdicts) if as_json else verifier.as_text(verdicts))
    echo(verifier.summary(verdicts), err=True)
    raise typer.Exit(0 if all(one.word == verifier.VERIFIED for one in verdicts) else 1)


def _runbook(procedure: str, file: "DeploymentFile") -> "Runbook":
    """Make a runbook, and report which values it lacks and how to find them."""
    from codeocean_cmdgen.runbook import make  # noqa: PLC0415 - Jinja is slow

    made = make(procedure, file)
    for note in _ways_to_complete(made, file):
        show_note(note)
    return made


def _ways_to_complete(made: "Runbook", file: "DeploymentFile") -> "Iterator[str]":
    """Yield a note for each way to find missing values, with the steps that wait for them."""
    waiting: dict[str, list[tuple[str, str]]] = {}
    for entry in made.incomplete:
        for missing in entry.missing:
            waiting.setdefault(_remedy(missing, file), []).append((missing.name, entry.number))
    for remedy, pairs in waiting.items():
        names, numbers = (dict.fromkeys(words) for words in zip(*pairs))
        steps = "step" if len(numbers) == 1 else "steps"
        yield (
            f"no script yet for {steps} {', '.join(numbers)} of the runbook, for lack of "
            f"{', '.join(names)}: {remedy}"
        )


def _remedy(missing: "Missing", file: "DeploymentFile") -> str:
    if missing.found_by:
        return f"run codeocean-cmdgen discover {missing.found_by} {file.option}"
    return f"write into [{missing.table}] of {file.position(*missing.table.split('.'))}"
