"""Nothing that comes from outside reaches the terminal as more than text."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.fake_aws import Place, write_programs
from tests.support.project import GOLDEN
from tests.support.terminal import OBEYED
from tests.support.tools import require

if TYPE_CHECKING:
    from pathlib import Path

SCRIPTS = sorted(GOLDEN.glob("*.sh"))
IN_CLOUDSHELL = [
    path
    for path in SCRIPTS
    if "sts get-caller-identity" in path.read_text(encoding="ascii")
    and not path.stem.startswith("s3-point-in-time")  # asks by a program of its own
]
HOSTILE = "\x1b[2J\x1b]0;done: owned\x07\x9b31m\u202edone\u2066\u200f\u2028\ufeff\x7f caf\u00e9"


def obeyed(output: bytes) -> list[str]:
    """Return what a terminal would obey in an output, but for our own rewriting of a line."""
    text = output.decode(errors="replace").replace("\r\x1b[K", "").replace("\r\n", "\n")
    return re.findall(f"[{OBEYED}]", text)


def make_printable() -> str:
    """Return the function that all which is shown passes, as it stands in a script."""
    text = SCRIPTS[0].read_text(encoding="ascii")
    found = re.search(r"^make_printable\(\) {.*?^}$", text, re.DOTALL | re.MULTILINE)
    assert found
    return found[0]


@given(st.lists(st.one_of(st.binary(max_size=9), st.text(max_size=9).map(str.encode))))
@example([b"\xc0\x9b", b"31m"])  # an escape character, in two bytes
@example([b"\xe0\x80\x9b", b"31m"])  # in three
@example([b"\xf0\x80\x80\x9b", b"31m"])  # in four
@example([b"\xe0\x82\x9b", b"31m"])  # the same of C1
@example([b"\xed\xa0\x80", b"\xed\xb0\x80"])  # halves of a surrogate pair
@example([b"\xf4\x90\x80\x80"])
@example(["\u0800\ud7ff\ue000\U00010000\U0010ffff".encode()])
def test_printable_text_has_nothing_that_a_terminal_obeys(parts: list[bytes]) -> None:
    raw = b"".join(parts).replace(b"\0", b"")
    shown = subprocess.run(
        [
            require("bash"),
            "-c",
            f'{make_printable()}\nmake_printable "$1"; printf %s "${{printable}}"',
            "-",
            raw,
        ],
        capture_output=True,
        check=True,
        env={"LC_ALL": "C.UTF-8"},
    )
    obeyed_in_a_line = f"[{OBEYED}\t\n]"
    assert not re.search(obeyed_in_a_line, shown.stdout.decode(errors="replace"))
    # Or a terminal could take bytes above 0x7f for control characters.
    assert shown.stdout.isascii() or shown.stdout.decode()
    if raw.decode(errors="ignore").encode() == raw:
        assert shown.stdout.decode() == re.sub(obeyed_in_a_line, "?", raw.decode())
    assert shown.stderr == b""


@pytest.mark.parametrize("path", IN_CLOUDSHELL, ids=lambda path: path.stem)
@pytest.mark.parametrize("on_terminal", [False, True], ids=["file", "terminal"])
def test_what_aws_says_is_shown_as_text(path: Path, on_terminal: bool, tmp_path: Path) -> None:
    account = re.search(r"^  ACCOUNT_ID=(\d+)$", path.read_text(encoding="ascii"), re.MULTILINE)
    assert account
    arn = f"arn:aws:sts::{account[1]}:assumed-role/{HOSTILE}"
    caller = {"Account": account[1], "Arn": arn}
    programs = write_programs(tmp_path / "programs", {"sts get-caller-identity*": caller})
    aws = programs / "aws"
    aws.write_text(aws.read_text().replace("no answer to:", f"An error occurred: {HOSTILE}"))
    place = Place.make(tmp_path / "place", programs)
    command = ["bash", str(path)]
    if on_terminal:
        require("script")
        command = ["script", "--quiet", "--return", "--command", f"bash {path}", "/dev/null"]
    status, output = place.run(*command)
    assert status != 0
    assert b"An error occurred: ?[2J?]0;done: owned??31m?done" in output.replace(b"\r\n", b"")
    assert obeyed(output) == []


@pytest.mark.parametrize("path", IN_CLOUDSHELL, ids=lambda path: path.stem)
def test_what_programs_complain_of_is_shown_as_text(path: Path, tmp_path: Path) -> None:
    """A tool's own complaint does not pass the script's functions by."""
    programs = write_programs(tmp_path / "programs", {})
    jq = programs / "jq"
    jq.write_text(f"#!/bin/bash\necho $'jq: error: {HOSTILE}' >&2\nexit 5\n")
    aws = programs / "aws"
    aws.write_text("#!/bin/bash\n[[ $1 == --version ]] && echo aws-cli/2.15.0 || echo '{}'\n")
    place = Place.make(tmp_path / "place", programs)
    status, output = place.run("bash", str(path))
    assert status == 3
    assert b"jq: error: ?[2J" in output
    assert obeyed(output) == []
