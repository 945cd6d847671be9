"""Takes a script out of its wrapper."""

from __future__ import annotations

from codeocean_cmdgen.rendering.paste import framed


def body_of(script: str) -> str:
    """Return what the wrapper hands to bash."""
    return framed(script).removeprefix("false <<'END_OF_BODY'\n").removesuffix("END_OF_BODY\n")
