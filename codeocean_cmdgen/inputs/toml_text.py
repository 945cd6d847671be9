"""TOML as text: parsed within limits, and the line of each table and key."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


def load(text: str) -> dict[str, Any]:
    """Return the content of a TOML text.

    Raises:
        ValueError: it is not TOML, or is nested too deeply.
        RecursionError: likewise.

    """
    _refuse_deep(text)
    return _parse(text)


def _parse(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415 - not needed without a deployment file
    else:
        import tomli as tomllib  # noqa: PLC0415
    document: dict[str, Any] = tomllib.loads(text)
    return document


_MOST_PARTS = 8
"""The most parts of a key, and levels of brackets: a valid file needs four and two."""

# Each alternative matches wherever its first character occurs, even if the text is not TOML. This
# keeps the search linear in the length of the text.
_TOKEN = re.compile(
    r"""
    (?P<part>
        "{3} (?: [^"\\] | \\. | "(?!"") )* (?: "{3,5} )?
      | '{3} (?: [^'] | '(?!'') )* (?: '{3,5} )?
      | " (?: [^"\\\n] | \\[^\n] )* "?
      | ' [^'\n]* '?
      | [A-Za-z0-9_-]+
    )
    | \#[^\n]*
    | (?P<sign> [.\[\]{}\n] )
    """,
    re.VERBOSE | re.DOTALL,
)


class _Statement(NamedTuple):
    """A header or an assignment of a TOML text, or text that is neither.

    line: its first line. parts: how many parts its longest key has. depth: how deep its brackets
    are nested.
    """

    line: int
    text: str
    parts: int
    depth: int


def _statements(text: str) -> Iterator[_Statement]:
    """Split a TOML text into statements without parsing it; skip strings and comments."""
    begin, first, line = 0, 1, 1
    parts = longest = depth = deepest = 0
    after_dot = False
    for token in _TOKEN.finditer(text):
        sign = token["sign"]
        line += token[0].count("\n")
        if sign == ".":
            after_dot = True
            continue
        if token["part"]:
            parts = parts + 1 if after_dot else 1
            longest = max(longest, parts)
        after_dot = False
        if sign:
            depth += (sign in "[{") - (sign in "]}")
            deepest = max(deepest, depth)
        if sign == "\n" and depth <= 0:
            yield _Statement(first, text[begin : token.end()], longest, deepest)
            begin, first = token.end(), line
            longest = depth = deepest = 0
    yield _Statement(first, text[begin:], longest, deepest)


def _refuse_deep(text: str) -> None:
    """Refuse a text that would exhaust the parser's memory or stack.

    A parser stores every prefix of a dotted key: gigabytes for a key of 50,000 parts.

    Raises:
        ValueError: a key has too many parts, or brackets are nested too deeply.

    """
    for one in _statements(text):
        if one.parts > _MOST_PARTS or one.depth > _MOST_PARTS:
            message = f"more than {_MOST_PARTS} nested keys or brackets"
            raise ValueError(f"{message} (at line {one.line})")  # noqa: EM102, TRY003


def line_numbers(text: str) -> dict[tuple[str, ...], int]:
    """Return the line of each table and key of a TOML text; - and _ are equivalent.

    A table without a header of its own is where the first header or key within it is.
    """
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for one in _statements(text):
        paths = list(_paths(_parse(one.text)))
        header = one.text.lstrip().startswith("[")
        if header:
            table = paths[-1]
        for path in paths:
            full = path if header else (*table, *path)
            name = tuple(part.replace("-", "_") for part in full)
            found[name] = one.line if path == paths[-1] else found.get(name, one.line)
    return found


_DEPTH = 3
"""The depth of a key in [table.step]; deeper keys have no meaning."""


def _paths(content: dict[str, Any], depth: int = _DEPTH) -> Iterator[tuple[str, ...]]:
    for key, value in content.items():
        yield (key,)
        if isinstance(value, dict) and depth > 1:
            for path in _paths(value, depth - 1):
                yield (key, *path)
