"""Each program replaces the same characters before it shows a text."""

from __future__ import annotations

import importlib
import re
import sys
import unicodedata
from typing import TYPE_CHECKING

import pytest

from tests.support.programs import PROGRAMS
from tests.support.terminal import OBEYED

if TYPE_CHECKING:
    from typing import Callable

ALL = "".join(map(chr, range(sys.maxunicode + 1)))
SHOWING = sorted(
    path.stem for path in PROGRAMS.glob("*.py") if "def printable(" in path.read_text()
)


def printable_of(module: str) -> Callable[[str], str]:
    found: Callable[[str], str] = importlib.import_module(
        f"codeocean_cmdgen.programs.{module}"
    ).printable
    return found


def test_the_programs_that_show_texts_are_known() -> None:
    assert SHOWING == ["change_set", "s3_task", "stack_events", "template_parameters"]


@pytest.mark.parametrize("module", SHOWING)
def test_what_a_terminal_obeys_or_hides_is_replaced(module: str) -> None:
    """Control and format characters, and all blanks but the space; nothing that is to be read."""
    replaced = {
        one for one, shown in zip(ALL, printable_of(module)(ALL)) if shown == "?" and one != "?"
    }
    kinds = {unicodedata.category(one) for one in replaced}
    assert kinds == {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"}
    kept = [one for one in ALL if unicodedata.category(one) in kinds and one not in replaced]
    assert kept == [" "]
    assert not [one for one in map(chr, range(0x3000)) if in_obeyed(one) and one not in replaced]


def in_obeyed(character: str) -> bool:
    """Tell whether the shared part of the scripts replaces a character."""
    return bool(re.match(f"[{OBEYED}\t\n]", character))


def test_all_programs_replace_the_same() -> None:
    assert len({printable_of(module)(ALL) for module in SHOWING}) == 1
