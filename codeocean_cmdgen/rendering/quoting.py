"""Checked values as words of the shell: the only way for a value into a script."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from jinja2 import Undefined
from markupsafe import Markup

if TYPE_CHECKING:
    from codeocean_cmdgen.steps.base import Printed

LINE_WIDTH = 98
"""Most characters of a comment line, and of a line of JSON."""


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
    if value == ():
        return Markup(f"{name}=()")  # noqa: S704 - a name of ours
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
    if not isinstance(value, dict) or len(indent) + width + len(flat) <= LINE_WIDTH:
        return flat
    inner = indent + "  "
    members = (
        f"{inner}{json.dumps(key)}: {_json(item, len(key) + 4, inner)}"
        for key, item in value.items()
    )
    return "{\n" + ",\n".join(members) + f"\n{indent}}}"
