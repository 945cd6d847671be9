"""Text from outside for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a text on one line, without what a terminal would obey or hide."""
    return "".join(one if one.isprintable() else "?" for one in text)
