"""A script that was damaged on its way runs whole, or not at all and says so."""

from __future__ import annotations

import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from typing import TYPE_CHECKING

import pytest

from codeocean_cmdgen.rendering.paste import END
from tests.support.damage import (
    BEGINS_INSIDE,
    KINDS,
    Damaged,
    first_lines_lost,
    pasted_again_over_a_cut,
    sample,
    wrapper_byte_changed,
)
from tests.support.fake_aws import Lab, shortened, snapshot_copy
from tests.support.terminal import SHELLS, Shell, ShellClosedError, Terminal
from tests.support.tools import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.support.damage import Kind
    from tests.support.fake_aws import Place

    Judge = Callable[[Lab, Place, int, str], str]

EVERY_KIND = pytest.mark.parametrize("kind", KINDS, ids=attrgetter("__name__"))
BEGINNING_INSIDE = pytest.mark.parametrize("kind", BEGINS_INSIDE, ids=attrgetter("__name__"))
IN_EVERY_SHELL = pytest.mark.parametrize("shell", SHELLS, ids=attrgetter("name"))
# Pasted, these are keys: Ctrl-C, Ctrl-D and others that end or edit what was typed so far.
KEYS = re.compile(rb"[\0-\x09\x0b\x0c\x0e-\x1f\x7f]")
SAYS = re.compile(
    # our own line, or a shell's own
    r"(?:^|[\r\n]|> )"
    r"(?:stopped: the text is incomplete|(?:\S*/)?(?:\w*sh|step\.sh|snapshot-copy|environment): )"
)


# dash takes the lines behind a syntax error for commands, and a bare `return` for the end: what
# begins in the middle of a body may close it.
LASTS = pytest.mark.parametrize(
    "shell", [shell for shell in SHELLS if shell.name != "dash"], ids=attrgetter("name")
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def short_lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("short-lab"), shortened(snapshot_copy()))


def judge(lab: Lab, place: Place, status: int, output: str) -> str:
    """Return what is wrong with an outcome; nothing, if the script ran whole or not at all."""
    if place.calls() == lab.reference:
        return ""
    wrong = [f"it ran {call}" for call in place.calls()]
    wrong += [f"it left {file}" for file in place.files()]
    if status == 0:
        wrong.append("it ended well")
    if not SAYS.search(output):
        wrong.append(f"it said {output[-200:]!r}")
    return ", ".join(wrong)


def judge_calls(lab: Lab, place: Place, _status: int, _output: str) -> str:
    """As `judge`, but silence will do: a few bytes of the wrapper make nothing of the script."""
    if place.calls() == lab.reference:
        return ""
    return ", ".join([f"it ran {call}" for call in place.calls()] + place.files())


def judge_head_lost(lab: Lab, place: Place, _status: int, output: str) -> str:
    """As `judge`, but the end of one function may run: with nothing there that changes anything."""
    if place.calls() == lab.reference:
        return ""
    wrong = [f"it ran {call}" for call in place.aws_calls()]
    # not the text itself, which a terminal may break anywhere as it shows it
    if re.search(r"^done:[^$\r\n]*[\r\n]", output, re.MULTILINE):
        wrong.append("it said done")
    return ", ".join(wrong)


def prove_files(lab: Lab, versions: Iterable[Damaged], judge: Judge = judge) -> None:
    def outcome(version: Damaged) -> str:
        place = lab.place()
        script = place.root / "step.sh"
        script.write_bytes(version.text)
        status, output = place.run("bash", str(script))
        wrong = judge(lab, place, status, output.decode(errors="replace"))
        shutil.rmtree(place.root)
        return f"{version.what}: {wrong}\n" if wrong else ""

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        assert "".join(pool.map(outcome, versions)) == ""


def prove_pastes(
    lab: Lab,
    shell: Shell,
    versions: Iterable[Damaged],
    judge: Judge = judge,
    *,
    may_close: bool = False,
) -> None:
    """Paste each version. may_close: a shell that is closed by it has still called nothing."""
    for version in versions:
        if KEYS.search(version.text):
            continue
        place = lab.place()
        with Terminal(shell, place) as terminal:
            try:
                prove_paste(lab, place, terminal, version, judge)
            except ShellClosedError:
                if not may_close:
                    raise
                assert (version.what, place.aws_calls()) == (version.what, [])


def prove_paste(lab: Lab, place: Place, terminal: Terminal, version: Damaged, judge: Judge) -> None:
    shown = len(terminal.output)
    terminal.paste(version.text)
    status = terminal.answer(again=True)
    if status is None:
        terminal.interrupt()
        assert (version.what, place.calls()) == (version.what, [])
    else:
        assert judge(lab, place, status, terminal.output[shown:]) == "", version.what
    assert terminal.run("true") == 0


@EVERY_KIND
def test_damaged_file(kind: Kind, short_lab: Lab) -> None:
    prove_files(short_lab, sample(kind, short_lab.script.encode(), 60))


@EVERY_KIND
@pytest.mark.campaign
def test_every_damaged_file(kind: Kind, lab: Lab) -> None:
    prove_files(lab, kind(lab.script.encode()))


def test_byte_of_the_wrapper_changed(short_lab: Lab) -> None:
    versions = sample(wrapper_byte_changed, short_lab.script.encode(), 300)
    prove_files(short_lab, versions, judge_calls)


@pytest.mark.campaign
def test_every_byte_of_the_wrapper_changed(short_lab: Lab) -> None:
    versions = wrapper_byte_changed(short_lab.script.encode())
    prove_files(short_lab, versions, judge_calls)


@IN_EVERY_SHELL
def test_paste_with_a_byte_of_the_wrapper_changed(shell: Shell, short_lab: Lab) -> None:
    versions = sample(wrapper_byte_changed, short_lab.script.encode(), 1, shell.name)
    prove_pastes(short_lab, shell, versions, judge_calls)


def test_file_without_its_first_lines(lab: Lab) -> None:
    prove_files(lab, sample(first_lines_lost, lab.script.encode(), 100), judge_head_lost)


@pytest.mark.campaign
def test_file_without_any_number_of_its_first_lines(lab: Lab) -> None:
    prove_files(lab, first_lines_lost(lab.script.encode()), judge_head_lost)


def test_file_with_a_cut_copy_before_it(short_lab: Lab) -> None:
    prove_files(short_lab, sample(pasted_again_over_a_cut, short_lab.script.encode(), 60))


SOME_PAIRS = [
    pytest.param(shell, kind, id=f"{kind.__name__}-{shell.name}")
    for at, kind in enumerate(KINDS)
    for which, shell in enumerate(SHELLS)
    if (which + at) % len(SHELLS) % 2 == 0
]
"""Each kind in more than half of the shells, each shell with more than half of the kinds."""


@pytest.mark.sample(24)
@pytest.mark.parametrize(("shell", "kind"), SOME_PAIRS)
def test_damaged_paste(shell: Shell, kind: Kind, short_lab: Lab) -> None:
    """A function that dash cannot parse leaves its `return` outside, which closes dash."""
    versions = sample(kind, short_lab.script.encode(), 1, shell.name)
    prove_pastes(short_lab, shell, versions, may_close=shell.name == "dash")


@IN_EVERY_SHELL
@EVERY_KIND
@pytest.mark.campaign
def test_many_damaged_pastes(shell: Shell, kind: Kind, lab: Lab) -> None:
    versions = sample(kind, lab.script.encode(), 60, shell.name)
    prove_pastes(lab, shell, versions, may_close=shell.name == "dash")


def prove_shell_stays_open(lab: Lab, versions: Iterable[Damaged]) -> None:
    """Type each version into a bash that reads a pipe and takes it for a person."""

    def closes(version: Damaged) -> str:
        place = lab.place()
        typed = version.text + b"\necho still here\n"
        _, output = place.run("bash", "--norc", "-i", script=typed)
        shutil.rmtree(place.root)
        return "" if b"still here" in output.splitlines() else f"{version.what}\n"

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        assert "".join(pool.map(closes, versions)) == ""


def test_lines_without_the_first_do_not_close_the_shell(lab: Lab) -> None:
    prove_shell_stays_open(lab, sample(first_lines_lost, lab.script.encode(), 200))


@pytest.mark.campaign
def test_lines_without_any_number_of_the_first_do_not_close_the_shell(lab: Lab) -> None:
    prove_shell_stays_open(lab, first_lines_lost(lab.script.encode()))


@LASTS
@BEGINNING_INSIDE
def test_paste_that_begins_inside(shell: Shell, kind: Kind, lab: Lab) -> None:
    versions = sample(kind, lab.script.encode(), 1, shell.name)
    prove_pastes(lab, shell, versions, judge_head_lost)


@LASTS
@BEGINNING_INSIDE
@pytest.mark.campaign
def test_many_pastes_that_begin_inside(shell: Shell, kind: Kind, lab: Lab) -> None:
    versions = sample(kind, lab.script.encode(), 200, shell.name)
    prove_pastes(lab, shell, versions, judge_head_lost)


@BEGINNING_INSIDE
def test_paste_that_begins_inside_calls_nothing_in_dash(kind: Kind, lab: Lab) -> None:
    (dash,) = (shell for shell in SHELLS if shell.name == "dash")
    for version in sample(kind, lab.script.encode(), 4):
        prove_pastes(lab, dash, [version], calls_nothing, may_close=True)


def calls_nothing(lab: Lab, place: Place, _status: int, _output: str) -> str:
    return "" if place.calls() == lab.reference else "".join(map(str, place.aws_calls()))


def bodies(script: str) -> dict[str, bytes]:
    """Return the body as it stands in the wrapper, and without the mark that comments it out."""
    body = script.partition(f"<<'{END}'\n")[2].partition(f"{END}\n")[0].encode()
    return {"marked": body, "bare": body.split(b"\n", 1)[1]}


@IN_EVERY_SHELL
@pytest.mark.parametrize("which", ["marked", "bare"])
def test_pasted_body_without_its_wrapper_calls_nothing(shell: Shell, which: str, lab: Lab) -> None:
    body = Damaged(which, 1, bodies(lab.script)[which])
    # As for LASTS: only behind the mark, no line of the body is a command to dash.
    may_close = shell.name == "dash" and which == "bare"
    prove_pastes(lab, shell, [body], calls_nothing, may_close=may_close)


@pytest.mark.parametrize("program", ["bash", "sh", "dash", "zsh"])
@pytest.mark.parametrize("which", ["marked", "bare"])
def test_file_without_its_wrapper_runs_nothing(program: str, which: str, lab: Lab) -> None:
    place = lab.place()
    status, output = place.run(require(program), script=bodies(lab.script)[which])
    assert place.calls() == []
    assert place.files() == []
    assert status != 0, output
