"""Whole procedures: what the runbook holds, what may be pasted at once, and its folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from codeocean_cmdgen import folder, sources
from codeocean_cmdgen.errors import InputError
from codeocean_cmdgen.procedures import RUNBOOKS
from codeocean_cmdgen.render import render_runbook
from codeocean_cmdgen.runbook import make

VALUES = Path(sources.__file__).with_name("examples") / "values.toml"
GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.mark.parametrize("procedure", RUNBOOKS)
def test_the_reviewed_runbook_is_what_is_made_now(procedure: str) -> None:
    text = render_runbook(make(procedure, VALUES))
    assert text == (GOLDEN / f"runbook-{procedure}.md").read_text()
    assert all(entry.script in text for entry in make(procedure, VALUES).entries)


def test_the_restore_has_the_twenty_steps_of_the_guide_in_order() -> None:
    numbers = [entry.number for entry in make("restore", VALUES).entries]
    assert [int(number) for number in numbers if number.isdigit()] == list(range(1, 21))


@pytest.mark.parametrize("procedure", RUNBOOKS)
def test_nothing_follows_a_confirmation_in_one_paste(procedure: str) -> None:
    entries = make(procedure, VALUES).entries
    for at, entry in enumerate(entries):
        if entry.paste:
            joined = [
                one for one in entries[at:] if one.script and one.script[:-1] in entry.paste.text
            ]
            assert len(joined) > 1
            assert not any(one.confirm for one in joined[:-1])
            assert len({one.place for one in joined}) == 1
            assert len(entry.paste.text) <= 65_412


def test_all_that_is_missing_is_told_by_step(tmp_path: Path) -> None:
    values = tmp_path / "values.toml"
    values.write_text(VALUES.read_text().replace("data_volume_id", "# data_volume_id"))
    with pytest.raises(InputError) as error:
        make("restore", values)
    (problem,) = error.value.problems
    assert problem.message.startswith("10 volume-restore, 13 volume-copy-in, 19 volume-release, ")


def test_the_folder_is_checked_byte_by_byte(tmp_path: Path) -> None:
    files = folder.files("restore", VALUES)
    folder.write(files, tmp_path)
    assert folder.differing(files, tmp_path) == {}
    script = next(tmp_path.glob("*-service-stop.sh"))
    assert script.stat().st_mode & 0o777 == 0o700
    script.write_text(script.read_text() + "\n")
    command = [sys.executable, "-m", "codeocean_cmdgen", "render", "restore", "--check"]
    command += [f"--values={VALUES}", f"--directory={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"error: {script.name} is not what would be written now\n"
