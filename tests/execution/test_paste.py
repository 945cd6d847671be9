"""A script that arrives whole runs whole, in every shell, and leaves that shell as it was."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import pytest

from codeocean_cmdgen.rendering.paste import (
    _WRAPPER_LINES,
    _split,
    _without_shared,
    shared_paste,
)
from tests.support.damage import in_wrapper
from tests.support.fake_aws import Lab, snapshot_copy
from tests.support.terminal import SHELLS, Shell, ShellClosedError, Terminal

if TYPE_CHECKING:
    from tests.support.fake_aws import Place

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


@pytest.mark.parametrize("shell", ONE_OF_EACH, ids=attrgetter("name"))
@pytest.mark.parametrize(
    "command",
    [
        "bash ../step.sh --help",
        "../step.sh --dry-run",
        "bash ../step.sh PLAN=1",
        "bash ../step.sh ''",
        "bash ../step.sh 1 2 3 4 5 6 7 8 9 10",
        "cat ../step.sh | bash -s -- --help",
        "bash -i ../step.sh --help",
        "dash -i ../step.sh --help",
        "zsh -f -i ../step.sh --help",
        "zsh -f -i -c '. ../step.sh --help'",
        "bash -c '. ../step.sh --help'",
    ],
)
def test_file_refuses_arguments(shell: Shell, command: str, place: Place) -> None:
    with Terminal(shell, place) as terminal:
        before = terminal.state()
        assert terminal.run(command) == 2
        assert terminal.said("stopped: snapshot-copy takes no arguments")
        assert terminal.state() == before
    assert place.calls() == []
    assert place.files() == []


def test_a_folder_that_cannot_be_created_is_reported(place: Place) -> None:
    status, output = place.run("sh", "-c", "TMPDIR=/dev/null bash ../step.sh")
    assert (status, output.splitlines()[-1]) == (
        1,
        b"stopped: cannot create a folder for temporary files",
    )


@IN_EVERY_SHELL
def test_paste_ignores_the_arguments_of_the_shell(shell: Shell, lab: Lab, place: Place) -> None:
    with Terminal(shell, place) as terminal:
        terminal.run("set -- --help other words")
        terminal.paste(lab.script)
        assert terminal.answer() == 0
        assert terminal.said("done: both were copied to arn:aws:")
        assert terminal.run("[ $# = 3 ]") == 0
    assert place.calls() == lab.reference


@IN_EVERY_SHELL
@pytest.mark.parametrize("given", ["PLAN=1", "export PLAN=1"])
def test_plan_is_seen_by_a_paste(shell: Shell, given: str, lab: Lab, place: Place) -> None:
    with Terminal(shell, place) as terminal:
        terminal.run(given)
        terminal.paste(lab.script)
        assert terminal.answer() == 0
        assert terminal.said("plan: would start 2 copies; nothing was changed")
    assert "list-copy-jobs" in operations(place)
    assert "start-copy-job" not in operations(place)


def test_plan_is_seen_by_a_file(place: Place) -> None:
    status, output = place.run("sh", "-c", "PLAN=1 bash ../step.sh")
    assert (status, output.splitlines()[-1]) == (
        0,
        b"plan: would start 2 copies; nothing was changed",
    )
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


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full", "2>&1 >/dev/null | true"])
def test_a_script_whose_messages_cannot_be_written_ends_all_the_same(
    closed: str, place: Place
) -> None:
    command = f"trap '' PIPE; PLAN=2 timeout 20 bash ../step.sh {closed}; exit ${{PIPESTATUS[0]}}"
    status, _ = place.run("bash", "-c", command)
    assert status == 2
    wrong = place.run("bash", "-c", command.replace("PLAN=2", "FAKE_LOG=/dev/null HOME=/dev/null"))
    assert wrong[0] in {0, 1}
    assert place.files() == []


# On the services instance, a script is pasted without the part that all scripts there share.


class Pasted(NamedTuple):
    """What is pasted, one after the other, and where."""

    shared: str
    parts: tuple[str, ...]
    lab: Lab


@pytest.fixture(scope="module", params=[1, 2, 3], ids=["one part", "two parts", "three parts"])
def apart(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pasted:
    script = snapshot_copy()
    with pytest.MonkeyPatch.context() as patched:
        most = {1: 60_000, 2: 14_000, 3: 9_000}[request.param]
        patched.setattr("codeocean_cmdgen.rendering.paste.MAX_BYTES", most)
        parts = _without_shared(script, "cloudshell")
    assert len(parts) == request.param
    lab = Lab(tmp_path_factory.mktemp("apart"), script)
    return Pasted(shared_paste("cloudshell"), parts, lab)


@pytest.mark.parametrize("shell", ONE_OF_EACH, ids=attrgetter("name"))
def test_a_script_is_pasted_after_its_shared_part(shell: Shell, apart: Pasted) -> None:
    place = apart.lab.place()
    *before, last = apart.shared, *apart.parts
    with Terminal(shell, place) as terminal:
        state = terminal.state()
        for part in before:
            terminal.paste(part)
            assert terminal.answer() == 0
        assert place.aws_calls() == []
        terminal.paste(last)
        assert terminal.answer() == 0
        assert terminal.said("done: both were copied to arn:aws:")
        assert terminal.state() == state
        # A file is removed before something is saved in it, and parts when they are read.
        removed = [["rm"]] * (1 if len(apart.parts) == 1 else 3)
        assert place.calls() == [*removed, *apart.lab.reference]
        # The shared part stays for the next script; parts of a script are used up.
        terminal.paste(last)
        again = terminal.answer()
        assert again == (0 if len(apart.parts) == 1 else 1)
    assert place.files() == ["home/.codeocean-cmdgen-shared"]


@pytest.mark.parametrize("shell", ONE_OF_EACH, ids=attrgetter("name"))
@pytest.mark.parametrize(
    "lost", ["first", "line of the first", "first line", "opening of the last"]
)
def test_no_part_runs_without_the_others(shell: Shell, lost: str, apart: Pasted) -> None:
    place = apart.lab.place()
    first, *between, last = apart.shared, *apart.parts
    if lost == "first":
        first = ""
    elif lost == "line of the first":
        first = first.replace("  set -uo pipefail\n", "")
    elif lost == "first line":
        # The line before it removes what was saved earlier, and is not missed.
        first = first.partition("command cat ")[2].partition("\n")[2]
    else:
        last = last.partition("press Enter to run it -'\n")[2]
    with Terminal(shell, place) as terminal:
        try:
            for part in (first, *between, last):
                terminal.paste(part)
                if terminal.answer(again=True) is None:
                    terminal.interrupt()
            assert terminal.run("true") == 0
        except ShellClosedError:
            # As in test_damage.py: a bare `return` behind a syntax error closes dash.
            assert shell.name == "dash"
    # dash takes the lines behind a syntax error for commands; none that changes anything.
    assert place.aws_calls() == []
    assert shell.name == "dash" or {*map(tuple, place.calls())} <= {("rm",)}


def test_another_shared_part_is_refused_and_said(apart: Pasted) -> None:
    place = apart.lab.place()
    with Terminal(ONE_OF_EACH[0], place) as terminal:
        for part in (apart.shared.replace("done: ", "gone: "), *apart.parts):
            terminal.paste(part)
            status = terminal.answer()
        assert status == 1
        assert terminal.said("stopped: the text is incomplete or changed; nothing ran.")
    assert place.aws_calls() == []


def test_a_text_is_parted_between_functions() -> None:
    text = "".join(
        f"f{number}() {{\n  cat <<'END'\n}}\n\n}}\n\nEND\n}}\n\n" for number in range(60)
    )
    for count in (2, 3):
        parts = _split(f"false <<'END_OF_BODY'\n{text}", count)
        assert len(parts) == count
        assert all(part.endswith("END\n}\n") for part in parts[:-1])
        assert all(part.startswith("\nf") for part in parts[1:])
        lines = [part.count("\n") for part in parts]
        lines[-1] += _WRAPPER_LINES
        assert max(lines) - min(lines) < 20


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
        assert terminal.said("stopped: the text is incomplete or changed")
        assert place.calls() == []
        terminal.paste(lab.script)
        assert terminal.answer() == 0
    assert place.calls() == lab.reference
