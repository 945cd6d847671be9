"""What several commands take and say."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import click
import typer
from click.shell_completion import CompletionItem

from codeocean_cmdgen.inputs.deployment_file import DEPLOYMENT_FILE, TABLES
from codeocean_cmdgen.inputs.stack_json import STACK_JSON
from codeocean_cmdgen.terminal import echo

if TYPE_CHECKING:
    from codeocean_cmdgen.inputs.deployment_file import DeploymentFile

PROGRAM = "codeocean-cmdgen"
ENVIRONMENT = "CODEOCEAN_CMDGEN"
"""The first word of every environment variable that gives an option."""
COMPLETE = f"_{ENVIRONMENT}_COMPLETE"
"""The variable with which a shell asks for completions."""

VALUES_HELP = (
    f"deployment file: TOML with the tables {', '.join(TABLES)} (default: {DEPLOYMENT_FILE} in "
    "the current folder, if you own it and only you can write to it; none on a services instance)"
)


class FileName(click.ParamType):
    """The path of a file, which the shell completes; whether it exists is not checked here."""

    name = "file"

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        param: click.Parameter,  # noqa: ARG002 - likewise
        incomplete: str,
    ) -> list[CompletionItem]:
        """Let the shell complete it."""
        return [CompletionItem(incomplete, type=self.name)]


class FolderName(FileName):
    """The path of a folder."""

    name = "dir"


Values = Annotated[
    Optional[str],
    typer.Option(metavar="FILE", click_type=FileName(), help=VALUES_HELP, show_default=False),
]


def examples(*lines: str) -> str:
    """Return the end of a command's help: command lines, which click must not wrap."""
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\n".join(("\b", title, *(f"  {line}" for line in lines)))


def show_note(line: str) -> None:
    """Show a note on stderr."""
    echo(f"note: {line}", err=True)


def files_read(
    file: "Optional[DeploymentFile]", stack_json: Optional[Path] = None
) -> dict[Path, str]:
    """Return the files that a command reads, and what they are called."""
    named = {STACK_JSON: "stack.json"}
    if stack_json:
        named[stack_json] = "stack.json"
    if file:
        named[Path(file.name)] = "the deployment file"
    return named
