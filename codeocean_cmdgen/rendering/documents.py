"""A runbook as Markdown and as a page. Every script in it is what `script.render` printed."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from codeocean_cmdgen.rendering.seal import NO_SEAL, sealed
from codeocean_cmdgen.rendering.templates import environment, file_text

if TYPE_CHECKING:
    from jinja2 import Template

    from codeocean_cmdgen.runbook import Runbook


def render_runbook(runbook: Runbook) -> str:
    """Return a runbook as Markdown: our words, checked values, and fenced scripts."""
    return sealed(_markdown().render(runbook=runbook, seal=NO_SEAL))


@cache
def _markdown() -> Template:
    return environment(escaped=False).get_template("runbook/runbook.md.j2")


def render_page(runbook: Runbook) -> str:
    """Return a runbook as one HTML file, which asks no network for anything."""
    style, program = (_inline(f"runbook/runbook.{kind}") for kind in ("css", "js"))
    page = _page().render(
        runbook=runbook,
        seal=NO_SEAL,
        style=style,
        style_digest=_source(style),
        program=program,
        program_digest=_source(program),
    )
    return sealed(page)


@cache
def _page() -> Template:
    templates = environment(escaped=True)
    templates.filters["prose"] = _prose
    return templates.get_template("runbook/runbook.html.j2")


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


def _inline(name: str) -> Markup:
    """Return a file of ours as it stands, for the inside of an element that holds raw text."""
    return Markup(file_text(name))  # noqa: S704 - a file of ours


def _source(text: str) -> str:
    """Return what a Content-Security-Policy names an inline text by."""
    return f"sha256-{b64encode(hashlib.sha256(text.encode('ascii')).digest()).decode()}"
