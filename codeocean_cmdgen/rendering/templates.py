"""Reads the files of templates/, and sets up Jinja for them."""

from __future__ import annotations

import hashlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, FunctionLoader, StrictUndefined

from codeocean_cmdgen.rendering.quoting import shell_word

if TYPE_CHECKING:
    from collections.abc import Callable

    from markupsafe import Markup


def package_text(name: str) -> str:
    """Return a file of the package as it stands, from a folder or from a zip file."""
    return (pkgutil.get_data("codeocean_cmdgen", name) or b"").decode("ascii")


@cache
def file_text(name: str) -> str:
    """Return a file of templates/, to which the package has a link."""
    return package_text(f"templates/{name}")


def environment(
    *, escaped: bool, finalize: Callable[[object], Markup] | None = None
) -> Environment:
    """Return Jinja with our delimiters. finalize: is called with each value that is printed."""
    made = Environment(
        loader=FunctionLoader(file_text),
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
    made.filters["sha256"] = sha256
    return made


def sha256(text: str) -> str:
    """Return what `sha256sum` prints of a text in a file."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


@cache  # a runbook has many scripts, made of the same parts
def script_templates() -> Environment:
    """Return the Jinja of scripts: it prints only words that are quoted for the shell."""
    return environment(escaped=True, finalize=shell_word)
