"""From a step to the text of its script. The only module that knows Jinja.

Pure: the same values give the same bytes, for ever. No date, user, path or version gets in.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from base64 import b64encode
from functools import cache
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound, Undefined
from markupsafe import Markup, escape

from codeocean_cmdgen.arguments import flag
from codeocean_cmdgen.errors import InputError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codeocean_cmdgen.runbook import Runbook
    from codeocean_cmdgen.steps.base import Printed, Step

MAX_BYTES = 20_000
MAX_LINES = 400
"""Largest script: CloudShell takes 65,412 characters, `ssm send-command` shows 24,000.

Source: https://docs.aws.amazon.com/cloudshell/latest/userguide/limits.html
"""
COMMENT_WIDTH = 98
"""The variables that every script reads when it runs, for its header."""

_REPOSITORY_TEMPLATES = Path(__file__).parent.parent / "templates"
"""Outside the package, where people look for it; a wheel carries a copy inside the package."""


class _Templates(BaseLoader):
    """Reads templates from the repository when there is one, else from the installed package."""

    def get_source(
        self,
        environment: Environment,  # noqa: ARG002 - Jinja's signature
        template: str,
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        path = _REPOSITORY_TEMPLATES / template
        if path.is_file():
            return path.read_text(encoding="ascii"), str(path), None
        import pkgutil  # noqa: PLC0415 - not needed in the repository

        try:
            data = pkgutil.get_data(__package__, f"templates/{template}")
        except OSError:
            data = None
        if data is None:
            raise TemplateNotFound(template)
        return data.decode("ascii"), None, None


def shell_word(value: object) -> Markup:
    """Quote a text as one shell word; refuse everything that is no text.

    Raises:
        TypeError: the value is not a text (a list, a bool, None), or is undefined.
        ValueError: it holds a control character; a newline would leave a comment.

    """
    if isinstance(value, Undefined):
        str(value)  # raises Jinja's own error, which names the variable
    if isinstance(value, Markup):
        return value
    if not isinstance(value, str):
        message = f"a template printed {value!r}, which is no text"
        raise TypeError(message)
    if not value.isprintable() or not value.isascii():
        message = f"a template printed {value!r}, which has characters that no script holds"
        raise ValueError(message)
    return Markup(shlex.quote(value))  # noqa: S704 - quoted right here


def shell_assignment(name: str, value: Printed) -> Markup:
    """Assign a value to a shell variable: a word, an array (one line each), a JSON document."""
    if value is None:
        value = ""
    if isinstance(value, tuple):
        words = "".join(f"\n    {shell_word(word)}" for word in value)
        return Markup(f"{name}=({words}\n  )")  # noqa: S704 - each word is quoted
    if isinstance(value, dict):
        return Markup(f"{name}=" + shlex.quote(_json(value, len(name) + 2)))  # noqa: S704 - quoted
    return Markup(f"{name}={shell_word(value)}")  # noqa: S704 - quoted


def _json(value: object, width: int, indent: str = "  ") -> str:
    """Return a document as JSON, an object that is too wide for its line opened up.

    width: characters that stand before it on its line, without the indent.
    """
    flat = json.dumps(value)
    if not isinstance(value, dict) or len(indent) + width + len(flat) <= COMMENT_WIDTH:
        return flat
    inner = indent + "  "
    members = (
        f"{inner}{json.dumps(key)}: {_json(item, len(key) + 4, inner)}"
        for key, item in value.items()
    )
    return "{\n" + ",\n".join(members) + f"\n{indent}}}"


def _header(step: Step) -> Markup:
    """Return what a person must know before running the script, as comment lines."""
    lines = [f"# codeocean-cmdgen {step.name}: {step.title}", "#"]
    settings = ["PLAN=1 looks only"]
    if step.watches:
        settings.append("WATCH=0 starts and returns")
    if step.confirm:
        settings.append(f"CONFIRM={step.confirm} answers")
    for label, text in (*step.header.items(), ("set", ", ".join(settings) + ".")):
        first = f"# {label.capitalize()}:".ljust(11)
        lines += wrap(
            text, COMMENT_WIDTH, initial_indent=first, subsequent_indent="#".ljust(len(first))
        )
    return Markup("\n".join(lines))  # noqa: S704 - each line begins with the sign of a comment


def _environment(
    *, escaped: bool, finalize: Callable[[object], Markup] | None = None
) -> Environment:
    return Environment(
        loader=_Templates(),
        undefined=StrictUndefined,
        autoescape=escaped,  # noqa: S701 - Markdown is no HTML
        finalize=finalize,
        # `${#array[@]}` is shell, not the beginning of a Jinja comment
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@cache  # a runbook has many scripts, made of the same parts
def _scripts() -> Environment:
    return _environment(escaped=True, finalize=shell_word)


def render(step: Step, origins: Mapping[str, str]) -> str:
    """Return the script of a step.

    origins: where each value came from, by field name; the script says so.

    Raises:
        InputError: the script would be larger than the terminals it travels through allow.

    """
    environment, step = _scripts(), step.variant()
    body = environment.get_template("_body.sh.j2").render(
        header=_header(step),
        values=_values(step, origins).items(),
        progress=["_parts/show.sh.j2"] if step.shows else [],
        guard=f"_parts/{step.place}.sh.j2",
        template=f"{step.template or step.name}.sh.j2",
    )
    framed = f"false <<'END_OF_BODY'\n{body}END_OF_BODY\n"
    script = environment.get_template("_script.sh.j2").render(
        name=step.name,
        framed=Markup(framed),  # noqa: S704 - rendered just now
        digest=hashlib.sha256(framed.encode("ascii")).hexdigest(),
    )
    _refuse_oversize(step, script)
    return script


def _values(step: Step, origins: Mapping[str, str]) -> dict[Markup, list[Markup]]:
    """Return the values block: the assignments by what they came from."""
    printed = [
        (f"from {origins[name]}" if origins[name] != "default" else "by default", name, value)
        for name, value in step.variables().items()
    ] + [("made from the values above and the options", *item) for item in step.documents().items()]
    groups: dict[Markup, list[Markup]] = {}
    for origin, name, value in printed:
        assignments = groups.setdefault(Markup(origin), [])  # noqa: S704 - our words, in a comment
        assignments.append(shell_assignment(name.upper(), value))
    return groups


def _refuse_oversize(step: Step, script: str) -> None:
    size, lines = len(script), script.count("\n")
    if size <= MAX_BYTES and lines <= MAX_LINES:
        return
    given = {name: getattr(step, name) for name in step.arguments()}
    many = [name for name, value in given.items() if value and isinstance(value, tuple)]
    how = f"give fewer {', '.join(map(flag, many))} and make several scripts" if many else ""
    raise InputError(
        [
            Problem(
                f"the script would have {size:,} bytes and {lines:,} lines, more than the "
                f"{MAX_BYTES:,} bytes and {MAX_LINES:,} lines that every terminal takes whole",
                how,
            )
        ]
    )


# Runbooks: for people to read. Every script in them is what `render` made.


def render_runbook(runbook: Runbook) -> str:
    """Return a runbook as Markdown: our words, checked values, and fenced scripts."""
    return _environment(escaped=False).get_template("runbook.md.j2").render(runbook=runbook)


def render_page(runbook: Runbook) -> str:
    """Return a runbook as one HTML file, which asks no network for anything."""
    environment = _environment(escaped=True)
    environment.filters["prose"] = _prose
    style, program = (_inline(environment, f"runbook.{kind}") for kind in ("css", "js"))
    return environment.get_template("runbook.html.j2").render(
        runbook=runbook,
        style=style,
        style_digest=_source(style),
        program=program,
        program_digest=_source(program),
    )


def _prose(text: str) -> Markup:
    """Return our words as HTML: options, and what stands between backticks, are code."""
    parts = re.split(r"`([^`]*)`|(?<!\S)(--[a-z-]+)", text)
    return Markup("").join(
        escape(part) if number % 3 == 0 else _code(part)
        for number, part in enumerate(parts)
        if part
    )


def _code(text: str) -> Markup:
    """Return code whose words are not broken: no hyphen ends a line."""
    words = Markup(" ").join(Markup("<span>{}</span>").format(word) for word in text.split(" "))
    return Markup("<code>{}</code>").format(words)


def _inline(environment: Environment, name: str) -> Markup:
    """Return a file of ours as it stands, for the inside of an element that holds raw text."""
    text, *_ = _Templates().get_source(environment, name)
    return Markup(text)  # noqa: S704 - a file of ours


def _source(text: str) -> str:
    """Return what a Content-Security-Policy names an inline text by."""
    return f"sha256-{b64encode(hashlib.sha256(text.encode('ascii')).digest()).decode()}"
