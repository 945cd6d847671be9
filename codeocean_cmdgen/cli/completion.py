"""Completion: a shell calls this program to learn what may follow on its command line."""

import os
import sys
from typing import Annotated

import click
import typer
from click.shell_completion import get_completion_class, shell_complete

from codeocean_cmdgen.cli.shared import COMPLETE, PROGRAM
from codeocean_cmdgen.terminal import echo_lines

SHELLS = ("bash", "zsh", "fish")


def completion(
    *, shell: Annotated[str, typer.Argument(metavar="SHELL", click_type=click.Choice(SHELLS))]
) -> None:
    """Print the lines that make bash, zsh or fish complete commands, options, choices and files.

    Evaluate them in the start-up file of your shell, as in the examples. The shell then runs this
    program whenever you press Tab: without arguments, and with the variable
    _CODEOCEAN_CMDGEN_COMPLETE. If the program has arguments, that variable has no effect.
    """
    root = click.get_current_context().find_root().command
    kind = get_completion_class(shell)
    if kind is None:  # click has all of SHELLS
        raise AssertionError
    echo_lines(kind(root, {}, PROGRAM, COMPLETE).source())


def is_asked(instruction: str) -> bool:
    """Return whether a shell asks, as the lines that `completion` printed make it ask.

    instruction: what the variable holds, such as `bash_complete`.
    """
    asked = {f"{shell}_complete" for shell in SHELLS}
    return len(sys.argv) == 1 and instruction in asked and "COMP_WORDS" in os.environ


def answer(command: click.Command, instruction: str) -> int:
    """Print what may follow, one per line, for the shell; return the exit code."""
    return shell_complete(command, {}, PROGRAM, COMPLETE, instruction)
