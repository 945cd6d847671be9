"""Scripts pasted into the shell of a session on the services instance, by somebody who types."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.people import script
from tests.support.terminal import PATIENCE, QUIET
from tests.support.volumes import restored, slow, stop

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.services_host import HostTerminal, ServicesHost


def copy_in(host: ServicesHost, **values: str) -> str:
    return script("volume-copy-in", data_volume_id=host.data_volume_id, **values)


def until_said(terminal: HostTerminal, text: str, times: int = 1) -> None:
    """Wait for a line that begins so: in the echo of a pasted script none does."""
    deadline = time.monotonic() + PATIENCE
    while terminal.said(text) < times:
        assert time.monotonic() < deadline, terminal.output[-2000:]
        terminal._read(QUIET)  # noqa: SLF001 - the shell is busy: nothing else to ask


def test_the_word_is_typed_after_the_question(host: ServicesHost, tmp_path: Path) -> None:
    stop(host)
    restored(host)
    with host.terminal(tmp_path / "terminal") as terminal:
        # Typed ahead, while it looks: no answer to a question that nobody has read.
        terminal.paste(copy_in(host))
        until_said(terminal, "comparing the volumes")
        terminal.type(f"{host.data_volume_id}\r")
        question = f"Type {host.data_volume_id} to confirm: "
        until_said(terminal, question)
        terminal.type("vol-1\r")
        assert terminal.answer() == 2
        assert host.path("/data/only-here/file").exists()
        terminal.paste(copy_in(host))
        until_said(terminal, question, times=2)
        terminal.type(f"{host.data_volume_id}\r")
        assert terminal.answer() == 0
        assert terminal.said(f"done: {host.data_volume_id} is equal to ") == 1


def test_an_answer_that_comes_when_the_service_runs_again(
    host: ServicesHost, tmp_path: Path
) -> None:
    stop(host)
    restored(host)
    with host.terminal(tmp_path / "terminal") as terminal:
        terminal.paste(copy_in(host))
        until_said(terminal, f"Type {host.data_volume_id} to confirm: ")
        assert host.person().run(script("service-start")).done
        terminal.type(f"{host.data_volume_id}\r")
        assert terminal.answer() == 1
        assert "Run service-stop first." in terminal.output
    assert host.path("/data/only-here/file").exists()


@pytest.mark.parametrize("export", [True, False])
def test_settings_go_through_sudo(host: ServicesHost, tmp_path: Path, *, export: bool) -> None:
    with host.terminal(tmp_path / "terminal") as terminal:
        assert terminal.run(f"{'export ' if export else ''}PLAN=1") == 0
        terminal.paste(script("service-stop"))
        assert terminal.answer() == 0
        assert terminal.said("plan: all of the above would be stopped") == 1
        assert terminal.run(f"{'export ' if export else ''}PLAN=no") == 0
        terminal.paste(script("service-stop"))
        assert terminal.answer() == 2
    assert host.root("systemctl", "is-active", "codeocean").stdout.strip() == "active"


def test_ctrl_c_ends_the_watching_and_not_the_work(host: ServicesHost, tmp_path: Path) -> None:
    stop(host)
    volume = restored(host)
    slow(host, 8)
    with host.terminal(tmp_path / "terminal") as terminal:
        assert terminal.run(f"CONFIRM={host.data_volume_id}") == 0
        terminal.paste(copy_in(host))
        until_said(terminal, "starting")
        terminal.interrupt()
        assert "interrupted. Work in the background continues" in terminal.output
        assert terminal.run("CONFIRM=") == 0
        terminal.paste(copy_in(host))
        assert terminal.answer() == 0
        assert terminal.said(f"done: {host.data_volume_id} is equal to {volume}") == 1
