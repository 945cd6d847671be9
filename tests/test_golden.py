"""The reviewed scripts: what the program prints today is what stands in golden/, and reads well.

`pytest tests/test_golden.py --snapshot-update` writes what it prints now; the diff shows the rest.
"""

from __future__ import annotations

import ast
import getpass
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from codeocean_cmdgen import sources
from codeocean_cmdgen.render import MAX_BYTES, MAX_LINES
from codeocean_cmdgen.steps import STEPS
from tests.tools import require

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion
    from syrupy.location import PyTestLocation

GOLDEN = Path(__file__).parent.parent / "golden"
EXAMPLES = Path(sources.__file__).with_name("examples")
EXAMPLE_VALUES = f"--values={EXAMPLES / 'values.toml'}"

SCRIPTS: dict[str, list[str]] = {
    "s3-batch-replication": [EXAMPLE_VALUES],
    "s3-batch-replication--stack-json": [f"--stack-json={EXAMPLES / 'stack.json'}"],
    "s3-batch-replication--restore": [EXAMPLE_VALUES, "--from=backup"],
    "s3-batch-replication--only-missing": [
        EXAMPLE_VALUES,
        "--only-missing",
        "--report-bucket-arn=arn:aws:s3:::codeocean-source-temp",
        "--run=second",
    ],
    "s3-point-in-time": [EXAMPLE_VALUES],
    "s3-point-in-time--reversible": [EXAMPLE_VALUES, "--reversible"],
    "s3-point-in-time--undo": [EXAMPLE_VALUES, "--undo"],
    "s3-point-in-time--verify": [EXAMPLE_VALUES, "--verify"],
    "snapshot-copy": [EXAMPLE_VALUES],
    "snapshot-copy--stack-json": [EXAMPLE_VALUES],
    "cross-account-backup": [EXAMPLE_VALUES],
    "stack-create": [EXAMPLE_VALUES],
    "stack-create--target": [EXAMPLE_VALUES, "--from=target"],
    "stack-parameters": [EXAMPLE_VALUES],
    "stack-parameters--restore-source": [EXAMPLE_VALUES, "--from=target"],
    "stack-parameters--restore-destination": [EXAMPLE_VALUES, "--from=backup"],
    "instance-hold": [EXAMPLE_VALUES],
    "instance-release": [EXAMPLE_VALUES],
    "on-demand-backup": [EXAMPLE_VALUES, "--run=before-upgrade"],
    "volume-restore": [EXAMPLE_VALUES],
    "volume-delete": [EXAMPLE_VALUES],
    "db-restore": [EXAMPLE_VALUES],
    "db-delete": [EXAMPLE_VALUES],
    "service-stop": [EXAMPLE_VALUES],
    "service-start": [EXAMPLE_VALUES],
    "volume-copy-in": [EXAMPLE_VALUES],
    "volume-release": [EXAMPLE_VALUES],
    "secrets-save": [EXAMPLE_VALUES],
    "secrets-restore": [EXAMPLE_VALUES],
    "datasets-not-cached": [EXAMPLE_VALUES],
    "db-copy-in": [EXAMPLE_VALUES],
    "db-copy-in--drop-old": [EXAMPLE_VALUES, "--drop-old"],
}
"""Golden file -> the options that it was made with; its name begins with the step."""

NAMES = tuple(SCRIPTS)


class PlainScript(SingleFileSnapshotExtension):
    """Keeps one script in one file, as it is."""

    file_extension = "sh"
    _write_mode = WriteMode.TEXT

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:  # noqa: ARG003 - one folder for all
        return str(GOLDEN)

    @classmethod
    def get_snapshot_name(
        cls,
        *,
        test_location: PyTestLocation,  # noqa: ARG003 - the name says it all
        index: str | int = 0,
    ) -> str:
        return str(index)


def generate(name: str, folder: Path) -> str:
    arguments = [name.partition("--")[0], *SCRIPTS[name]]
    if name == "snapshot-copy--stack-json":
        arguments = arguments_on_the_target(arguments, folder)
    command = [sys.executable, "-m", "codeocean_cmdgen", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def arguments_on_the_target(arguments: list[str], folder: Path) -> list[str]:
    """Let the target's stack.json name the vault that the values file names otherwise."""
    values = (EXAMPLES / "values.toml").read_text()
    (folder / "values.toml").write_text(values.partition("[target]")[0])
    document = json.loads((EXAMPLES / "stack.json").read_text())
    vault = "arn:aws:backup:us-east-1:333333333333:backup-vault:codeocean-v1"
    document["AWS"] = {"AccountID": "333333333333", "Region": "us-east-1", "BackupVault": vault}
    (folder / "stack.json").write_text(json.dumps(document))
    step = arguments[0]
    return [step, f"--values={folder / 'values.toml'}", f"--stack-json={folder / 'stack.json'}"]


# syrupy would rather have the test's name in the file's.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str, snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    assert generate(name, tmp_path) == snapshot(name=name, extension_class=PlainScript)


def test_each_golden_script_is_made_here() -> None:
    assert {file.stem for file in GOLDEN.glob("*.sh")} == set(NAMES)


def test_each_step_has_a_golden_script() -> None:
    assert {step.name for step in STEPS} <= set(NAMES)


# Rule 2 of the contract, on the scripts as they are reviewed.


def golden(name: str) -> str:
    return (GOLDEN / f"{name}.sh").read_bytes().decode("ascii")


def body(script: str) -> str:
    """Return what the wrapper hands to bash."""
    inside = script.partition("false <<'END_OF_BODY'\n")[2]
    return inside.partition("END_OF_BODY\nCODEOCEAN_CMDGEN\n")[0]


def silent(program: str, *arguments: str, text: str) -> None:
    command = [str(Path(sys.executable).with_name(program)), *arguments, "-"]
    outcome = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (outcome.stdout, outcome.stderr, outcome.returncode) == ("", "", 0)


@pytest.mark.parametrize("name", NAMES)
def test_plain_text_of_bounded_size(name: str) -> None:
    text = golden(name)
    assert re.fullmatch(r"[\n\x20-\x7e]*\n", text)
    assert not re.search(r" $", text, re.MULTILINE)
    assert len(text) <= MAX_BYTES == 20_000
    assert text.count("\n") <= MAX_LINES == 400


ONE_VALUE = re.compile(r"""\s*(\w+=|"\w+": )?\S+""")


@pytest.mark.parametrize("name", NAMES)
def test_lines_are_short_unless_one_value_is_long(name: str) -> None:
    for line in golden(name).splitlines():
        assert len(line) <= 100 or ONE_VALUE.fullmatch(line)


@pytest.mark.parametrize("name", NAMES)
def test_the_linter_is_silent(name: str) -> None:
    silent("shellcheck", "--norc", "--enable=all", "--shell=sh", text=golden(name))
    silent("shellcheck", "--norc", "--enable=all", "--shell=bash", text=body(golden(name)))


@pytest.mark.parametrize("name", NAMES)
def test_the_formatter_is_silent(name: str) -> None:
    silent("shfmt", "-ln", "posix", "-i", "2", "-d", text=golden(name))
    silent("shfmt", "-ln", "bash", "-i", "2", "-d", text=body(golden(name)))


PROGRAMS = [name for name in NAMES if "<<'END_OF_PYTHON'\n" in golden(name)]
EXCUSED = (
    *("INP001", "T201"),  # a program, no package
    *("ANN401", "TC003"),  # it is all JSON, and short
    *("D204", "EM", "TRY003", "PLR2004", "PERF203", "C901"),  # a script has 400 lines
    "D100",  # the shell says what it is for
    "RUF010",  # `!a` is history to a shell
)


def program(name: str, folder: Path) -> Path:
    """Take the Python program out of a script."""
    file = folder / "program.py"
    inside = body(golden(name)).partition("<<'END_OF_PYTHON'\n")[2]
    file.write_text(inside.partition("END_OF_PYTHON\n")[0])
    return file


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_python_inside_is_linted_too(name: str, tmp_path: Path) -> None:
    configuration = GOLDEN.parent / "pyproject.toml"
    file = program(name, tmp_path)
    ruff = ["ruff", "check", "--no-cache", f"--config={configuration}"]
    mypy = ["mypy", f"--config-file={configuration}", "--python-version=3.10"]
    for command in ([*ruff, f"--ignore={','.join(EXCUSED)}"], mypy):
        done = subprocess.run(
            [sys.executable, "-m", *command, str(file)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_python_inside_is_of_python_3_9(name: str, tmp_path: Path) -> None:
    ast.parse(program(name, tmp_path).read_text(), feature_version=(3, 9))


@pytest.mark.parametrize("name", NAMES)
def test_the_header_says_what_to_know_and_where_values_came_from(name: str) -> None:
    header = body(golden(name)).partition("\n\n")[0]
    assert header.splitlines()[1].startswith(f"# codeocean-cmdgen {name.partition('--')[0]}: ")
    for label in ("Where", "Changes", "Takes", "Costs", "Again", "Set"):
        assert re.search(rf"^# {label}: +\w", header, re.MULTILINE)
    assert all(line.startswith("#") for line in header.splitlines())
    values = body(golden(name)).partition("values() {\n")[2].partition("\n}\n")[0]
    assert re.match(r"  # from (values file \[[\w.-]+\]|stack\.json)\n  ACCOUNT_ID=", values)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_the_day_or_the_machine_gets_in(name: str) -> None:
    text = golden(name)
    assert not re.search(r"\b20[2-9][0-9]-[0-9]{2}-[0-9]{2}\b", text)
    assert not re.search(r"(?<!\*)/(home|root|work|usr|tmp|Users)\b", text)
    assert not re.search(r"codeocean-cmdgen[ /v]+[0-9]", text)
    assert f"/{getpass.getuser()}/" not in text


@pytest.mark.parametrize("name", NAMES)
def test_zsh_can_read_the_body(name: str) -> None:
    """Where a body arrives without its wrapper, zsh must see functions: behind a syntax error it
    takes the rest of one for commands."""
    zsh = require("zsh")
    read = subprocess.run(
        [zsh, "-fn"], input=body(golden(name)), capture_output=True, text=True, check=False
    )
    assert (read.stderr, read.returncode) == ("", 0)
