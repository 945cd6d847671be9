"""Reads the files of templates/, and sets up Jinja for them."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound

from codeocean_cmdgen.rendering.quoting import shell_word

if TYPE_CHECKING:
    from collections.abc import Callable

    from markupsafe import Markup

_REPOSITORY = Path(__file__).parent.parent.parent
"""The folder above the package. In a repository it holds templates/, where people look for them; a
wheel carries a copy inside the package."""


class _Templates(BaseLoader):
    """Reads templates from the repository when there is one, else from the installed package."""

    def get_source(
        self,
        environment: Environment,  # noqa: ARG002 - Jinja's signature
        template: str,
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        path = _REPOSITORY / "templates" / template
        # The folder of installed packages may hold somebody else's templates/.
        if (_REPOSITORY / "pyproject.toml").is_file() and path.is_file():
            return path.read_text(encoding="ascii"), str(path), None
        import pkgutil  # noqa: PLC0415 - not needed in the repository

        try:
            data = pkgutil.get_data("codeocean_cmdgen", f"templates/{template}")
        except OSError:
            data = None
        if data is None:
            raise TemplateNotFound(template)
        return data.decode("ascii"), None, None


def environment(
    *, escaped: bool, finalize: Callable[[object], Markup] | None = None
) -> Environment:
    """Return Jinja with our delimiters. finalize: is called with each value that is printed."""
    made = Environment(
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
    made.filters["sha256"] = sha256
    return made


def sha256(text: str) -> str:
    """Return what `sha256sum` prints of a text in a file."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


@cache  # a runbook has many scripts, made of the same parts
def script_templates() -> Environment:
    """Return the Jinja of scripts: it prints only words that are quoted for the shell."""
    return environment(escaped=True, finalize=shell_word)


def file_text(name: str) -> str:
    """Return a file of templates/ as it stands."""
    return _Templates().get_source(script_templates(), name)[0]
