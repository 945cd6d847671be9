"""What the programs replace before they show a text."""

from __future__ import annotations

import re
import sys
import unicodedata

from codeocean_cmdgen.programs.printable import printable
from tests.support.programs import PROGRAMS
from tests.support.terminal import OBEYED

ALL = "".join(map(chr, range(sys.maxunicode + 1)))


def test_what_a_terminal_obeys_or_hides_is_replaced() -> None:
    """Control and format characters, and all blanks but the space; nothing that is to be read."""
    replaced = {one for one, shown in zip(ALL, printable(ALL)) if shown == "?" and one != "?"}
    kinds = {unicodedata.category(one) for one in replaced}
    assert kinds == {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"}
    kept = [one for one in ALL if unicodedata.category(one) in kinds and one not in replaced]
    assert kept == [" "]
    assert not [one for one in map(chr, range(0x3000)) if in_obeyed(one) and one not in replaced]


def in_obeyed(character: str) -> bool:
    """Tell whether the shared part of the scripts replaces a character."""
    return bool(re.match(f"[{OBEYED}\t\n]", character))


def test_controls_are_replaced_and_other_characters_stay() -> None:
    assert printable("a\x1b[2J\x9b\u202e\u2028\n\u00e9 b") == "a?[2J????\u00e9 b"


def test_few_modules_decide_what_is_printable() -> None:
    """A script of s3-point-in-time has no room for one module more."""
    deciding = {file.stem for file in PROGRAMS.glob("*.py") if "isprintable" in file.read_text()}
    assert deciding == {"printable", "s3_task"}
