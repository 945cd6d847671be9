"""What is pasted of a script: its wrapper, the shared part of its place, the limits of a paste."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

from markupsafe import Markup

from codeocean_cmdgen.marks import step_in
from codeocean_cmdgen.rendering.quoting import LINE_WIDTH
from codeocean_cmdgen.rendering.templates import file_text, script_templates, sha256
from codeocean_cmdgen.steps.base import PLACES

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_BYTES = 60_000
"""Most bytes of one paste, a script or several joined ones: CloudShell takes 65,412 characters.

Source: https://docs.aws.amazon.com/cloudshell/latest/userguide/limits.html
"""
MAX_LINES = 600
"""Most lines of one paste on the services instance: SSM sessions were seen to end above 650.

Source: https://github.com/aws/amazon-ssm-agent/issues/149
"""

END = "- end of the script: press Enter to run it -"
END_OF_SHARED = "- end of the shared part: paste the script next -"
END_OF_PART = "- end of part {0} of {1}: paste part {2} next -"
"""The lines that end what the shell reads: of a script, of the shared part, of a script's part."""

MOST_PARTS = 3
"""Most pastes of one script on the services instance, without the shared part."""

SHARED_FILE = ".codeocean-cmdgen-shared"
PART_FILE = ".codeocean-cmdgen-part"
"""Files of the home folder that keep what was pasted before the script."""


def wrapped(name: str, text: str, whole: str = "", *, before: str = "", behind: str = "") -> str:
    """Return the script that runs a framed body only if the body still has its digest.

    whole: the framed body, if the text is only a part of it. before, behind: the files of the home
    folder that have what is missing before and behind the text.

    `read_settings` in templates/shared checks what the wrapper passes. PLAN, WATCH and CONFIRM come
    twice: if one of the six is damaged, they differ, and nothing runs. `$-:$#` says how the shell
    was started, which the inner bash cannot see: a file refuses arguments, but a shell in which a
    person types may have some. A comment in the template would change the digest of every script.
    """
    return (
        script_templates()
        .get_template("_script.sh.j2")
        .render(
            name=name,
            text=Markup(text),  # noqa: S704 - checked by its digest, compared, or ours
            digest=Markup(checked_digest(sha256(whole or text))),  # noqa: S704 - ours
            before=Markup(before),  # noqa: S704 - ours
            behind=Markup(behind),  # noqa: S704 - ours
            end=Markup(END),  # noqa: S704 - our words
        )
    )


def checked_digest(digest: str) -> str:
    """Return the pattern that `sha256sum` must print, as the wrapper has it.

    Whichever byte of it is changed, it matches the digest of no other text. With a `*` behind the
    digest, a `|` in it would match everything.
    """
    return rf"{digest}\ \ -"


def _saved(file: str, end: str, text: str, *, first: bool = True) -> str:
    """Return the command that keeps a part of a script in the home folder.

    Other parts than the first are added to the file.
    """
    return (
        script_templates()
        .get_template("_saved.sh.j2")
        .render(
            file=Markup(file),  # noqa: S704 - one of ours
            end=Markup(end),  # noqa: S704 - likewise
            first=first,
            text=Markup(text),  # noqa: S704 - checked by the digest of the whole
        )
    )


def framed(script: str) -> str:
    """Return what the wrapper of a script makes the digest of."""
    return script.partition(f"3<<'{END}'\n")[2].rpartition(f"{END}\n")[0]


def shared_paste(place: str = "host") -> str:
    """Return what is pasted once for all scripts of a kind of place: their shared part."""
    return _saved(SHARED_FILE, END_OF_SHARED, _end(place))


@lru_cache(64)  # a runbook asks for each of its scripts several times
def pasted(script: str, place: str) -> tuple[str, ...]:
    """Return what is pasted of a script: all of it, or on the services instance what is its own.

    That is one text, to be pasted after `shared_paste`, or several if one would be too long. The
    shared part is most of a script there, and a session takes few lines.
    """
    return _without_shared(script, place) if place == "host" else (script,)


def _without_shared(script: str, place: str) -> tuple[str, ...]:
    whole = framed(script)
    own = whole.removesuffix(_end(place))
    name = step_in(own)
    parts: tuple[str, ...] = ()
    for count in range(1, MOST_PARTS + 1):
        *first, last = _split(own, count)
        parts = (
            *(
                _saved(PART_FILE, _end_of_part(number, count), text, first=number == 1)
                for number, text in enumerate(first, 1)
            ),
            wrapped(name, last, whole, before=PART_FILE if first else "", behind=SHARED_FILE),
        )
        if all(fits_paste(part, place) for part in parts):
            break
    return parts


def _end_of_part(number: int, count: int) -> str:
    return END_OF_PART.format(number, count, number + 1)


@cache
def _end(place: str) -> str:
    """Return what ends the framed bodies of all scripts of a kind of place."""
    end = script_templates().get_template("_shared.sh.j2").render(**shared_parts(place))
    return f"{end}END_OF_BODY\n"


def _split(own: str, count: int) -> list[str]:
    """Split a script's own text between functions, so that the longest paste is short.

    So a part that lost its wrapper defines functions, and runs none.
    """
    lines = own.splitlines(keepends=True)

    def longest(cuts: tuple[int, ...]) -> int:
        *first, last = (end - begin for begin, end in zip((0, *cuts), (*cuts, len(lines))))
        return max([*first, last + _WRAPPER_LINES])

    cuts = min(combinations(_ends_of_functions(lines), count - 1), key=longest)
    return ["".join(lines[begin:end]) for begin, end in zip((0, *cuts), (*cuts, len(lines)))]


_WRAPPER_LINES = 21
"""How many lines more the wrapper of a script has than that of a part before it."""


def _ends_of_functions(lines: list[str]) -> list[int]:
    """Return the numbers of the lines behind functions, those in here-documents left out."""
    ends, document = [], ""
    for number, line in enumerate(lines):
        if document:
            document = "" if line.rstrip("\n") == document else document
        elif found := _HERE_DOCUMENT.search(line):
            document = found[1] if number else ""  # the first line's is the whole text
        elif line == "}\n" and lines[number + 1 : number + 2] == ["\n"]:
            ends.append(number + 1)
    return ends


_HERE_DOCUMENT = re.compile(r"(?<!<)<<'?(\w+)'?")


def shared_parts(place: str) -> dict[str, object]:
    """Return what the end of all scripts of a kind of place is made of."""
    shared = shared_part(place)
    return {
        "place": Markup(_IN_WORDS[place]),  # noqa: S704 - our words, in a comment
        "shared": Markup(shared),  # noqa: S704 - files of ours
        "shared_digest": sha256(shared),
        "rule": _RULE,
    }


_RULE = Markup("-" * LINE_WIDTH)  # noqa: S704 - hyphens
"""Ends the text in the wrapper: what a pasted line leaves on the last line of a terminal, the next
one covers only as far as it reaches."""

SHARED = {
    "cloudshell": ("common", "cloudshell"),
    "host": ("common", "services-instance", "data-volume", "detached-work"),
}
"""Kind of place -> the files in templates/shared that all of its scripts end with."""

_IN_WORDS = {"cloudshell": PLACES["cloudshell"], "host": f"the {PLACES['host']}"}


@cache
def shared_part(place: str) -> str:
    """Return the functions that all scripts of a kind of place share, byte for byte."""
    return "\n".join(file_text(f"shared/{name}.sh") for name in SHARED[place])


def fits_paste(text: str, place: str) -> bool:
    """Tell whether a text may be pasted at once into the terminal of a kind of place."""
    few_lines = place != "host" or text.count("\n") <= MAX_LINES
    return len(text) <= MAX_BYTES and few_lines


def joined(scripts: Iterable[str]) -> str:
    """Join scripts to one command of the shell, which reads it whole before it runs the first.

    A script that started its work and returned ends with exit code 4: the next one does not run.
    """
    return " &&\n".join(script.rstrip("\n") for script in scripts) + "\n"
