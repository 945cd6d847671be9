"""A script that arrives whole runs whole, in every shell, and leaves that shell as it was."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import pytest

from tests.damage import in_wrapper
from tests.fake_aws import Lab
from tests.terminal import SHELLS, Shell, Terminal

if TYPE_CHECKING:
    from tests.fake_aws import Place

IN_EVERY_SHELL = pytest.mark.parametrize("shell", SHELLS, ids=attrgetter("name"))
ONE_OF_EACH = [shell for shell in SHELLS if shell.name in {"bash", "bash-as-sh", "dash", "zsh"}]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture
def place(lab: Lab) -> Place:
    place = lab.place()
    script = place.root / "step.sh"
    script.write_text(lab.script)
    script.chmod(0o700)
    return place


def operations(place: Place) -> list[str]:
    return [call[2] for call in place.aws_calls() if len(call) > 2]


@IN_EVERY_SHELL
def test_paste_runs_the_script_and_leaves_the_shell_as_it_was(
    shell: Shell, lab: Lab, place: Place
) -> None:
    with Terminal(shell, place) as terminal:
        before = terminal.state()
        terminal.paste(lab.script)
        assert terminal.answer() == 0
        assert terminal.said("done: both were copied to arn:aws:")
        assert place.calls() == lab.reference
        assert terminal.state() == before
        assert place.files() == []


@pytest.mark.parametrize("shell", [s for s in SHELLS if s.history], ids=attrgetter("name"))
def test_paste_keeps_the_history(shell: Shell, lab: Lab, place: Place) -> None:
    with Terminal(shell, place) as terminal:
        terminal.run("printf 'kept-%s\\n' 1")
        terminal.paste(lab.script)
        terminal.answer()
        terminal.run("!printf")
        assert terminal.said("kept-1") == 2


@pytest.mark.parametrize("shell", ONE_OF_EACH, ids=attrgetter("name"))
@pytest.mark.parametrize("command", ["bash ../step.sh", "../step.sh", "cat ../step.sh | bash"])
def test_file_runs_the_script(shell: Shell, command: str, lab: Lab, place: Place) -> None:
    with Terminal(shell, place) as terminal:
        before = terminal.state()
        assert terminal.run(command) == 0
        assert terminal.said("done: both were copied to arn:aws:")
        assert place.calls() == lab.reference
        assert terminal.state() == before
        assert place.files() == []


@IN_EVERY_SHELL
@pytest.mark.parametrize("given", ["PLAN=1", "export PLAN=1"])
def test_plan_is_seen_by_a_paste(shell: Shell, given: str, lab: Lab, place: Place) -> None:
    with Terminal(shell, place) as terminal:
        terminal.run(given)
        terminal.paste(lab.script)
        assert terminal.answer() == 0
        assert terminal.said("plan: nothing was changed")
    assert "list-copy-jobs" in operations(place)
    assert "start-copy-job" not in operations(place)


def test_plan_is_seen_by_a_file(place: Place) -> None:
    status, output = place.run("sh", "-c", "PLAN=1 bash ../step.sh")
    assert (status, output.splitlines()[-1]) == (0, b"plan: nothing was changed")
    assert "start-copy-job" not in operations(place)


@IN_EVERY_SHELL
@pytest.mark.parametrize("given", ["PLAN=2", "WATCH=1", "PLAN=yes"])
def test_wrong_settings_are_refused(shell: Shell, given: str, lab: Lab, place: Place) -> None:
    with Terminal(shell, place) as terminal:
        terminal.run(given)
        terminal.paste(lab.script)
        assert terminal.answer() == 2
        assert terminal.said(f"stopped: {given.partition('=')[0]} is '")
    assert place.calls() == []


@pytest.mark.parametrize("shell", ONE_OF_EACH, ids=attrgetter("name"))
def test_scripts_joined_in_one_paste_run_while_each_is_done(
    shell: Shell, lab: Lab, place: Place
) -> None:
    """The shell reads the whole of it before it runs the first: nothing is typed ahead."""
    joined = f"{lab.script.rstrip()} &&\n{lab.script}"
    with Terminal(shell, place) as terminal:
        terminal.paste(joined)
        assert terminal.answer() == 0
        assert terminal.said("done: both were copied to arn:aws:") == 2
        terminal.run("PLAN=2")
        terminal.paste(joined)
        assert terminal.answer() == 2
        assert terminal.said("stopped: PLAN is '") == 1


def cuts(script: bytes) -> list[int]:
    """Return places to cut at: in the middle of each line of the wrapper, and of some others."""
    places, start = [], 0
    for number, line in enumerate(script.splitlines(keepends=True), start=1):
        if in_wrapper(script, number) or number % 50 == 0:
            places.append(start + len(line) // 2)
        start += len(line)
    # The last line is a parenthesis: the script is whole without the line's end.
    return places[:-1]


def _cut_runs_nothing(shell: Shell, text: bytes, lab: Lab) -> None:
    place = lab.place()
    with Terminal(shell, place) as terminal:
        before = terminal.state()
        terminal.paste(text)
        # A cut in the middle of a line may also be a mistake that the shell sees.
        if terminal.answer(again=True) is None:
            terminal.interrupt()
        assert terminal.state() == before
    assert place.calls() == []
    assert place.files() == []


@IN_EVERY_SHELL
@pytest.mark.parametrize("where", [0.5, 0.99])
def test_cut_paste_runs_nothing(shell: Shell, where: float, lab: Lab) -> None:
    script = lab.script.encode()
    _cut_runs_nothing(shell, script[: int(where * len(script))], lab)


@IN_EVERY_SHELL
@pytest.mark.campaign
def test_paste_cut_anywhere_runs_nothing(shell: Shell, lab: Lab) -> None:
    script = lab.script.encode()
    for where in cuts(script):
        _cut_runs_nothing(shell, script[:where], lab)


@IN_EVERY_SHELL
def test_whole_paste_after_a_cut_one(shell: Shell, lab: Lab, place: Place) -> None:
    """The waiting first half takes the second paste for more of itself, sees it, and says so."""
    with Terminal(shell, place) as terminal:
        terminal.paste(lab.script[: len(lab.script) // 2])
        terminal.paste(lab.script)
        assert terminal.answer() == 1
        assert terminal.said("stopped: the text was damaged on its way")
        assert place.calls() == []
        terminal.paste(lab.script)
        assert terminal.answer() == 0
    assert place.calls() == lab.reference
