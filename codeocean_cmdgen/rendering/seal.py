"""Whether a file is as it was rendered: a script by its own digest, a runbook by its seal."""

from __future__ import annotations

from codeocean_cmdgen.marks import SEAL, step_in
from codeocean_cmdgen.rendering.paste import framed, wrapped
from codeocean_cmdgen.rendering.templates import sha256

NO_SEAL = "0" * 64


def is_as_rendered(content: bytes) -> bool:
    """Tell whether a file is byte for byte what this program rendered once, of whatever values.

    A script is wrapped again around the body that it holds, which yields the same digest and the
    same wrapper. A runbook carries a digest of the rest of its text. Both show that nobody has
    edited the file by chance or by habit; neither is a signature.
    """
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        return False
    if SEAL.match(text):
        return sealed(SEAL.sub(rf"\g<1>{NO_SEAL}\g<2>", text, count=1)) == text
    return wrapped(step_in(framed(text)), framed(text)) == text


def sealed(text: str) -> str:
    """Return a runbook with the digest of its text, in which zeros stand for the digest."""
    text_sealed, found = SEAL.subn(rf"\g<1>{sha256(text)}\g<2>", text, count=1)
    if not found:
        message = "the runbook's template has no place for the digest"
        raise ValueError(message)
    return text_sealed
