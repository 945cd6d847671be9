"""The reviewed scripts: what the program prints today is what stands in golden/, and reads well.

`pytest tests/unit/test_golden.py::test_golden --snapshot-update` writes what it prints now; the
diff shows the rest.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from codeocean_cmdgen import programs
from codeocean_cmdgen.inputs.example import EXAMPLE
from codeocean_cmdgen.rendering.paste import MAX_BYTES, MAX_LINES, pasted, shared_paste
from codeocean_cmdgen.steps import STEPS
from tests.support.calls import calls
from tests.support.cases import SCRIPTS
from tests.support.cli import run
from tests.support.project import GOLDEN
from tests.support.tools import require
from tests.support.wrapper import body_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syrupy.assertion import SnapshotAssertion
    from syrupy.location import PyTestLocation

EXAMPLES = EXAMPLE.parent
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
    arguments = list(SCRIPTS[name])
    if name == "snapshot-copy--stack-json":
        arguments = arguments_on_the_target(arguments, folder)
    outcome = run(*arguments)
    assert (outcome.code, outcome.err) == (0, "")
    return outcome.out


def arguments_on_the_target(arguments: list[str], folder: Path) -> list[str]:
    """Let the target's stack.json name the vault that the deployment file names otherwise."""
    values = (EXAMPLES / "deployment.toml").read_text()
    (folder / "deployment.toml").write_text(values.partition("[target]")[0])
    document = json.loads((EXAMPLES / "stack.json").read_text())
    vault = "arn:aws:backup:us-east-1:333333333333:backup-vault:codeocean-v1"
    document["AWS"] = {"AccountID": "333333333333", "Region": "us-east-1", "BackupVault": vault}
    (folder / "stack.json").write_text(json.dumps(document))
    step = arguments[0]
    return [step, f"--values={folder / 'deployment.toml'}", f"--stack-json={folder / 'stack.json'}"]


# syrupy would rather have the test's name in the file's.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str, snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    assert generate(name, tmp_path) == snapshot(name=name, extension_class=PlainScript)


def test_each_golden_script_is_made_here() -> None:
    assert {file.stem for file in GOLDEN.glob("*.sh")} == set(NAMES)


PLACES = {step.name: step.place for step in STEPS}

# Rule 2 of the contract, on the scripts as they are reviewed.


def golden(name: str) -> str:
    return (GOLDEN / f"{name}.sh").read_bytes().decode("ascii")


@pytest.mark.parametrize("name", NAMES)
def test_plain_text_of_bounded_size(name: str) -> None:
    text = golden(name)
    assert re.fullmatch(r"[\n\x20-\x7e]*\n", text)
    assert not re.search(r" $", text, re.MULTILINE)
    place = PLACES[name.partition("--")[0]]
    for part in pasted(text, place):
        assert len(part) <= MAX_BYTES == 60_000
        assert place != "host" or part.count("\n") <= MAX_LINES == 600


def test_the_shared_part_of_the_services_instance_is_one_paste() -> None:
    assert len(shared_paste()) <= MAX_BYTES
    assert shared_paste().count("\n") <= MAX_LINES


ONE_VALUE = re.compile(r"""\s*(\w+=|"\w+": |# --[a-z-]+ )?\S+""")


@pytest.mark.parametrize("name", NAMES)
def test_lines_are_short_unless_one_value_is_long(name: str) -> None:
    for line in golden(name).splitlines():
        assert len(line) <= 100 or ONE_VALUE.fullmatch(line)


SHARED = re.compile(
    r"^# ---- Shared by all scripts for ([\w ]+) in this release: review it once\.\n"
    r"# ---- sha256 ([0-9a-f]{64})\n\n(.*?\n)\n# ---- End of the shared part\. ",
    re.DOTALL | re.MULTILINE,
)


SECTIONS = (
    "# ---- Parts, which several scripts of this release have: review each once.\n",
    "# ---- Program: modules of codeocean_cmdgen/programs. Review each once per release.\n",
    "# ---- Shared by all scripts ",
)


def own_text(name: str) -> str:
    """Return header, values and own functions: what is read anew for each script."""
    return re.split("^# ---- ", body_of(golden(name)), maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("name", NAMES)
def test_the_sections_stand_in_the_order_in_which_they_are_read(name: str) -> None:
    text = body_of(golden(name))
    places = [text.find(f"\n\n{section}") for section in SECTIONS]
    found = [place for place in places if place > 0]
    assert found == sorted(found)
    assert places[-1] > 0
    own = own_text(name)
    functions = re.findall(r"^(\w+)\(\) \{", own, re.MULTILINE)
    assert functions[:2] == ["values", "main"]
    assert text.endswith(f'\n\n"${{codeocean_cmdgen-nothing_runs}}" "$@"\n# {"-" * 98}\n')
    story = own.partition("\nmain() {\n")[2].partition("\n}\n")[0]
    called = [word for word in re.findall(r"\w+", story) if word in functions]
    places = [functions.index(one) for one in dict.fromkeys(called)]
    assert places == sorted(places), "own functions stand in the order in which main calls them"


PART = re.compile(
    r"^# ---- Part (\w+), sha256 ([0-9a-f]{64})\n\n(.*?\n)(?=\n# ---- )", re.DOTALL | re.MULTILINE
)
MODULE = re.compile(
    r"^  # (\w+)\.py, sha256 ([0-9a-f]{64})\n"
    r"  cat >program/\1\.py <<'END_OF_PYTHON'\n(.*?)^END_OF_PYTHON\n",
    re.DOTALL | re.MULTILINE,
)
REVIEWED = GOLDEN.parent / "docs" / "review.md"


@pytest.mark.parametrize("name", NAMES)
def test_each_text_of_several_scripts_stands_under_its_digest(name: str) -> None:
    text = body_of(golden(name))
    found = [*PART.findall(text), *MODULE.findall(text)]
    assert len(found) == len(re.findall(r"^(?:# ---- Part|  #) .*, sha256 ", text, re.MULTILINE))
    assert len(found) == text.count("\n# ---- Part ") + text.count("<<'END_OF_PYTHON'\n")
    for one, digest, content in found:
        assert hashlib.sha256(content.encode()).hexdigest() == digest, one
        assert f"`{digest}`" in REVIEWED.read_text(), one


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_the_steps_own_stands_without_a_digest(name: str) -> None:
    """A function that another step has too belongs into a part."""
    function = re.compile(r"^(?!main|work|values)\w+\(\) \{\n.*?^\}", re.DOTALL | re.MULTILINE)
    own = function.findall(own_text(name))
    step = name.partition("--")[0]
    for other in NAMES:
        if other.partition("--")[0] != step:
            assert not [one for one in own if one in own_text(other)], other


def test_the_shared_part_is_the_same_in_all_scripts_of_one_place() -> None:
    found: dict[str, set[str]] = {}
    for name in NAMES:
        shared = SHARED.search(body_of(golden(name)))
        assert shared, name
        assert hashlib.sha256(shared[3].encode()).hexdigest() == shared[2]
        found.setdefault(shared[1], set()).add(shared[3])
    assert found
    assert all(len(texts) == 1 for texts in found.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_header_names_every_call_that_changes_something(name: str) -> None:
    text = body_of(golden(name))
    header = text.partition("\n\n")[0]
    called = {f"{call.service} {call.operation}" for call in calls(text)}
    changing = {
        call
        for call in called
        if not re.match(r"\w+ (get|describe|list|head|validate|estimate)-", call)
    }
    changes = re.search(r"^# Changes:( .*?)^# Takes:", header, re.DOTALL | re.MULTILINE)
    assert changes
    named = set(re.findall(r"^#? +([a-z0-9]+ [a-z]+-[a-z-]+)(?=$| {3})", changes[1], re.MULTILINE))
    assert changing == named


CHAINED = re.compile(r"^[^#\n]*(?:\|\||&&)[^#\n]*(?:\|\||&&)[^#\n]*(?:\|\||&&)", re.MULTILINE)
DECIDES = re.compile(r"(?:\|\||&&)(?:\s|\\\n|#.*\n)*(?:\{\s*)?(?:stop|finish|leave|confirm)")
"""Also if what ends the script stands on the next line, as shfmt lays it out."""


@pytest.mark.parametrize("name", NAMES)
def test_no_decision_is_chained(name: str) -> None:
    text = body_of(golden(name)).partition("\nmain() {")[2]
    assert not CHAINED.search(text)
    assert not DECIDES.search(text)
    assert not re.search(
        r"^\w+\(\) \{[^\n]+\}$", text.partition("\n# ---- Shared by ")[0], re.MULTILINE
    )


@pytest.mark.parametrize(
    "text",
    [
        "[[ a ]] || stop b",
        "[[ a ]] ||\n    stop b",
        "[[ a ]] || \\\n    stop b",
        "[[ a ]] && # why\n  finish b",
        "[[ a ]] || {\n  leave 1\n}",
    ],
)
def test_a_chained_decision_is_seen(text: str) -> None:
    assert DECIDES.search(text)


MODULES = Path(programs.__file__).parent
HELD = re.compile(
    r"^  cat >program/(\w+)\.py <<'END_OF_PYTHON'\n(.*?)^END_OF_PYTHON\n", re.MULTILINE | re.DOTALL
)
"""A module inside a script: its name and its text."""


@pytest.mark.parametrize("name", NAMES)
def test_a_script_holds_its_modules_byte_for_byte(name: str) -> None:
    held = dict(HELD.findall(body_of(golden(name))))
    assert held == {module: (MODULES / f"{module}.py").read_text() for module in held}
    imported = {
        word
        for text in held.values()
        for word in re.findall(r"^ *from \.(\w+)", text, re.MULTILINE)
    }
    ran = set(
        re.findall(
            r"(?:python3 -I program/|python3 -E (?:-s )?-m program\.|^  start_program )(\w+)",
            body_of(golden(name)),
            re.MULTILINE,
        )
    )
    assert imported | ran == set(held)


CALLS = re.compile(r"\bclient(?:_once)?\.([a-z]+(?:_[a-z]+)+)\(")
"""A call of S3 in a module: `client.delete_objects(`."""


def calls_in(modules: Iterable[str]) -> set[str]:
    return {call for text in modules for call in CALLS.findall(text)}


CALLING = {
    step.name
    for step in STEPS
    if calls_in((MODULES / f"{module}.py").read_text() for module in step.programs)
}
"""The steps whose program calls S3. (Nobody has read golden/ yet: a new step has no file there.)"""


@pytest.mark.parametrize("name", [name for name in NAMES if name.partition("--")[0] in CALLING])
def test_the_header_names_what_the_program_changes(name: str) -> None:
    body = body_of(golden(name))
    called = calls_in(text for _, text in HELD.findall(body))
    changing = {call for call in called if not re.match("get_|list_|head_", call)}
    changes = re.search(r"^# Changes:( .*?)^# Takes:", body, re.DOTALL | re.MULTILINE)
    assert changes
    named = set(re.findall(r"\b(?:[A-Z][a-z]+){2,}\b", changes[1]))
    assert named == {"".join(word.title() for word in call.split("_")) for call in changing}


@pytest.mark.parametrize("name", NAMES)
def test_the_header_says_what_to_know_and_where_values_came_from(name: str) -> None:
    header = body_of(golden(name)).partition("\n\n")[0]
    assert f"\n# codeocean-cmdgen {name.partition('--')[0]}: " in header
    for label in (
        *("Run in", "Changes", "Takes", "Costs", "Again", "Killed", "Undo", "Done if"),
        "Settings",
    ):
        assert re.search(rf"^# {label}: +\w", header, re.MULTILINE)
    assert all(line.startswith("#") for line in header.splitlines())
    values = body_of(golden(name)).partition("values() {\n")[2].partition("\n}\n")[0]
    values = re.sub(r"^  # text of this release: sha256 [0-9a-f]{64}\n", "", values)
    values = re.sub(r"^  # the step\n.*\n", "", values)
    assert re.match(r"  # from (deployment file \[[\w.-]+\]|stack\.json)\n  ACCOUNT_ID=", values)


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
        [zsh, "-fn"], input=body_of(golden(name)), capture_output=True, text=True, check=False
    )
    assert (read.stderr, read.returncode) == ("", 0)
