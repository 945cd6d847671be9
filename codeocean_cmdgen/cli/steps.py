"""The commands that print one step's script, made from the declaration of the step."""

from __future__ import annotations

import sys
from functools import partial
from inspect import getdoc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from codeocean_cmdgen.arguments import VOCABULARY, flag
from codeocean_cmdgen.cli.shared import (
    ENVIRONMENT,
    PROGRAM,
    VALUES_HELP,
    FileName,
    examples,
    files_read,
    show_note,
)
from codeocean_cmdgen.files import SCRIPT_MODE
from codeocean_cmdgen.inputs import stack_json as stack_json_of
from codeocean_cmdgen.inputs.deployment_file import DEPLOYMENT_FILE, named_or_default
from codeocean_cmdgen.inputs.resolve import Given, resolve
from codeocean_cmdgen.terminal import echo, is_terminal
from codeocean_cmdgen.values import Preset, Switch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeocean_cmdgen.steps import Step

_TOO_LONG = "write them with --output FILE, and run bash FILE; `runbook` has shorter pastes"
"""What to do with a long script: SSM sessions were seen to end above 650 pasted lines."""

_FILE: dict[str, Any] = {"metavar": "FILE", "type": FileName()}
"""The settings of an option that takes the name of a file."""


def command(step: type[Step]) -> click.Command:
    """Make the command of a step."""
    new_run = " --run NAME" if step.arguments().get("run") else ""
    example = f"{PROGRAM} {step.name} --values {DEPLOYMENT_FILE}{new_run}"
    return click.Command(
        step.name,
        params=list(_options(step)),
        callback=partial(_print_script, step),
        help=_describe(step),
        short_help=step.title,
        epilog=examples(example),
    )


def _describe(step: type[Step]) -> str:
    presets = "\n  ".join(("\b\nPresets:", *Preset.names)) if "preset" in step.arguments() else ""
    return (
        f"{getdoc(step)}\n\nPaste the script into: {step.header['where']}\n\n{presets}\n\n"
        "A required value comes from its option, its environment variable, the deployment file or "
        "stack.json. On a terminal, the program asks for values that are missing."
    )


def _options(step: type[Step]) -> Iterator[click.Option]:
    for name, needed in step.arguments().items():
        argument = VOCABULARY[name]
        settings: dict[str, Any] = {"metavar": argument.kind.metavar, "multiple": argument.many}
        if argument.file:
            settings = _FILE
        elif argument.kind is Switch:
            settings = {"is_flag": True}
        elif argument.kind is Preset:
            settings["shell_complete"] = _complete_preset
        yield _option(step, name, help=_explain(step, name, needed=needed), **settings)
    if len(step.tables) > 1:
        told = f"table of the deployment file to use  [default: {step.tables[0]}]"
        yield _option(step, "from", type=click.Choice(step.tables), help=told)
    yield _option(step, "values", help=VALUES_HELP, **_FILE)
    told = f"file to read instead of {stack_json_of.STACK_JSON}"
    yield _option(step, "stack_json", help=told, **_FILE)
    told = "write the script to this file instead of stdout"
    yield _option(step, "output", "-o", help=told, **_FILE)


def _option(
    step: type[Step],
    name: str,
    *short: str,
    **settings: Any,  # noqa: ANN401 - as click.Option
) -> click.Option:
    """Return an option whose value is None, or empty, if it is not given."""
    flags = [flag(name), *short]
    return click.Option(flags, default=None, envvar=_variable(step, name), **settings)


def _explain(step: type[Step], name: str, *, needed: bool) -> str:
    """Return the help of an option: what it is, where to find it, and whether it is required."""
    argument = VOCABULARY[name]
    text = argument.help + (f". Find it in: {argument.where}" if argument.where else "")
    facts = ["required"] if needed else []
    default = getattr(step, name, None)
    if default and argument.kind is not Switch:
        facts.append(f"default: {default}")
    if argument.many and not argument.file:
        facts.append("can be repeated")
    return f"{text}  [{'; '.join(facts)}]" if facts else text


def _complete_preset(
    context: click.Context,  # noqa: ARG001 - click's signature
    parameter: click.Parameter,  # noqa: ARG001 - likewise
    incomplete: str,
) -> list[CompletionItem]:
    return [CompletionItem(name) for name in Preset.names if name.startswith(incomplete)]


def _variable(step: type[Step], name: str) -> str:
    """Return the environment variable that gives an option of a step, and of no other."""
    return f"{ENVIRONMENT}_{step.name}_{name}".upper().replace("-", "_")


def _print_script(step: type[Step], **given: Any) -> None:  # noqa: ANN401 - texts and switches
    """Print the script of a step.

    given: what the command line and the environment give, by option; None or empty if nothing.
    """
    context = click.get_current_context()
    table = given.pop("from", None)
    deployment_file = named_or_default(given.pop("values"), show_note)
    stack_json, output = (
        Path(path) if path else None for path in (given.pop("stack_json"), given.pop("output"))
    )
    options = {
        name: Given(texts, _origin(context, step, name))
        for name, value in given.items()
        if (texts := _texts(value))
    }
    files = [
        (name, text)
        for name, option in options.items()
        if VOCABULARY[name].file
        for text in option.texts
    ]
    made, origins = resolve(
        step,
        options,
        table=table,
        deployment_file=deployment_file,
        stack_json=stack_json,
        ask=_ask if is_terminal(sys.stdin, sys.stderr) else None,
    )
    # Jinja is slow to import: a mistake in the options is answered without it.
    from codeocean_cmdgen.cli.output import write_document  # noqa: PLC0415
    from codeocean_cmdgen.rendering.paste import fits_paste  # noqa: PLC0415
    from codeocean_cmdgen.rendering.script import render  # noqa: PLC0415

    inputs = files_read(deployment_file, stack_json)
    inputs.update({Path(one): flag(name) for name, one in files})
    script = render(made, origins)
    write_document(script, output, inputs, SCRIPT_MODE)
    if is_terminal(sys.stdout) and output is None and not fits_paste(script, step.place):
        echo(f"hint: {script.count(chr(10))} lines are too many to paste: {_TOO_LONG}", err=True)


def _texts(value: object) -> tuple[str, ...]:
    """Return the texts of what click made of an option; none when it was not given."""
    if value is None:
        return ()
    if isinstance(value, bool):
        return ("yes" if value else "no",)
    return value if isinstance(value, tuple) else (str(value),)


def _origin(context: click.Context, step: type[Step], name: str) -> str:
    source = context.get_parameter_source(name)
    if source is click.core.ParameterSource.ENVIRONMENT:
        return f"environment {_variable(step, name)}"
    return "option"


def _ask(name: str) -> tuple[str, ...]:
    """Ask for a value until it is one of its kind; several end with an empty line."""
    argument = VOCABULARY[name]
    where = f" (find it in: {argument.where})" if argument.where else ""
    echo(f"{flag(name)}: {argument.help}{where}", err=True)

    answers: list[str] = []
    while True:
        label = "another, or Enter to finish" if answers else f"such as {argument.kind.example}"
        # Not click.prompt: older releases print a blank on stdout, where the script goes.
        echo(f"  {label}: ", end="", err=True)
        line = sys.stdin.readline()
        if not line:
            raise click.Abort
        text = line.strip()
        if answers and not text:
            return tuple(answers)
        reason = argument.kind.why_not(text)
        if reason:
            echo(f"  {reason}", err=True)
        elif not argument.many:
            return (text,)
        else:
            answers.append(text)
