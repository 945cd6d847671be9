"""The rules of the house: what no golden file shows until it hurts."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jinja2 import Environment, nodes
from jinja2.meta import find_referenced_templates

import codeocean_cmdgen
from codeocean_cmdgen.arguments import VOCABULARY
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.render import render
from codeocean_cmdgen.sources import Given, gather
from codeocean_cmdgen.steps import STEPS, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(codeocean_cmdgen.__file__).parent
TEMPLATES = PACKAGE.parent / "templates"
NAMES = sorted(
    file.relative_to(TEMPLATES).as_posix()
    for file in TEMPLATES.rglob("*.j2")
    if not file.name.startswith("runbook.")
)
RUNBOOKS = sorted(file.name for file in TEMPLATES.glob("runbook.*"))
FRAME = {"_script.sh.j2", "_body.sh.j2"}

SETTINGS = {"PLAN", "WATCH", "CONFIRM"}
ENVIRONMENT = {"HOME"}
OF_BASH = {"PWD", "COLUMNS", "COPROC", "BASH_REMATCH", "SECONDS", "EUID", "BASH_EXECUTION_STRING"}


OTHER_EXAMPLES = {
    "restored_volume_id": "vol-0fedcba9876543210",
    "temporary_db_instance_id": "tmp-codeocean-restore",
    "rds_snapshot_arn": "arn:aws:rds:us-east-1:333333333333:snapshot:awsbackup:copyjob-1",
    **dict.fromkeys(("drop_old", "verify", "reversible", "undo"), "no"),
}
"""Where the example of the kind is taken by another value, or asks for another script."""

PRINTED = tuple(one for step in STEPS for one in (step, *step.__subclasses__()))
"""The steps, and the other scripts that a value makes of one."""


def text_of(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def parse(name: str) -> nodes.Template:
    # The delimiters of render.py; what they mean is not needed to look at the tree.
    return Environment(
        comment_start_string="<#", comment_end_string="#>", trim_blocks=True, lstrip_blocks=True
    ).parse(text_of(name))


# Templates.


@pytest.mark.parametrize("name", NAMES)
def test_values_are_printed_in_the_frame_only(name: str) -> None:
    """Filters and operators are known nowhere: `+` and `~` on quoted text leak HTML entities."""
    known: set[type[nodes.Node]] = {nodes.Output, nodes.TemplateData, nodes.Include, nodes.Const}
    if name in FRAME:
        known |= {nodes.Name, nodes.For, nodes.Tuple}
    assert {type(node) for node in parse(name).find_all(nodes.Node)} <= known


@pytest.mark.parametrize("name", [*NAMES, *RUNBOOKS])
def test_templates_are_plain_text(name: str) -> None:
    text = text_of(name)
    assert re.fullmatch(r"[\n\x20-\x7e]+\n", text), "ASCII without tabs, with a newline at the end"
    assert not re.search(r" $", text, re.MULTILINE), "trailing blank"


@pytest.mark.parametrize("name", NAMES)
def test_no_shell_finds_its_history_in_a_template(name: str) -> None:
    """Where a paste lost the line that opens the heredoc, `!x` and `^x` would become commands."""
    text = text_of(name)
    expanded = re.search(r".*!(?![ =(\]\n]).*", text)
    assert expanded is None, expanded and expanded[0]
    assert not re.search(r"^\^", text, re.MULTILINE)


def test_no_template_is_an_orphan() -> None:
    seen: set[str] = set()
    wanted = {*FRAME, *(f"{step.template or step.name}.sh.j2" for step in PRINTED)}
    wanted |= {f"_parts/{step.place}.sh.j2" for step in STEPS} | {"_parts/show.sh.j2"}
    while wanted:
        name = wanted.pop()
        seen.add(name)
        included = find_referenced_templates(parse(name))
        # The frame includes guard, progress and the step's template by variables: None here.
        wanted |= {part for part in included if part is not None} - seen
    assert seen == set(NAMES)


def test_each_step_is_in_a_procedure() -> None:
    assert {step for steps in PROCEDURES.values() for step in steps} == set(STEPS)


def test_each_word_of_the_vocabulary_is_used() -> None:
    assert {name for step in STEPS for name in step.arguments()} == set(VOCABULARY)


# Scripts.


def body(step: type[Step]) -> str:
    """Return what the wrapper hands to bash, made from the example values."""
    example = PACKAGE / "examples" / "values.toml"
    optional = {
        name: Given((OTHER_EXAMPLES.get(name, VOCABULARY[name].kind.example),), "option")
        for name, needed in step.arguments().items()
        # No example names a round: each is another one.
        if (not needed or name == "run") and not VOCABULARY[name].file
    }
    script = render(*gather(step, optional, values_file=example))
    return script.partition("false <<'END_OF_BODY'\n")[2].partition("END_OF_BODY\n")[0]


def code(step: type[Step]) -> str:
    """Return the body without its values, its comments and the texts that it only shows."""
    text = body(step)
    text = re.sub(r"^values\(\) \{\n.*?^\}\n", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^ +say '(?:.*\\\n)*.*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"(^|(?<=\s))#( .*)?$", "", text, flags=re.MULTILINE)


def assigned(step: type[Step]) -> set[str]:
    block = body(step).partition("values() {\n")[2].partition("\n}\n")[0]
    return set(re.findall(r"^  ([A-Z][A-Z0-9_]*)=", block, re.MULTILINE))


@pytest.mark.parametrize("step", PRINTED)
def test_each_value_is_used(step: type[Step]) -> None:
    unused = {name for name in assigned(step) if not re.search(rf"\b{name}\b", code(step))}
    assert unused == set()


@pytest.mark.parametrize("step", PRINTED)
def test_each_name_is_given(step: type[Step]) -> None:
    used = set(re.findall(r"\$\{?[#!]?([A-Z][A-Z0-9_]*)", code(step)))
    for arithmetic in re.findall(r"\(\((.*?)\)\)", code(step)):
        used |= set(re.findall(r"(?<!\[)\b[A-Z][A-Z0-9_]*\b", arithmetic))  # a[KEY] has no name
    assert used - assigned(step) <= SETTINGS | ENVIRONMENT | OF_BASH


@pytest.mark.parametrize("step", PRINTED)
def test_the_header_offers_just_the_settings_that_are_read(step: type[Step]) -> None:
    own = re.sub(r"^settings\(\) \{\n.*?^\}\n", "", code(step), flags=re.MULTILINE | re.DOTALL)
    assert step.watches == ("${WATCH}" in own)
    assert bool(step.confirm) == bool(re.search(r"^ *(\[\[.*\|\| )?confirm ", own, re.MULTILINE))


class Call(str):
    """A call of the AWS CLI, on as many lines as it has."""

    __slots__ = ()

    @property
    def options(self) -> list[str]:
        """The options, and everything else that begins with a hyphen."""
        return re.findall(r"(?<=\s)-\S+", self)


def calls(step: type[Step]) -> Iterator[Call]:
    # A list of programs names it too: `need aws jq`.
    pattern = r"(?<!need )\baws (?!--version)(?:[^\n]*\\\n)*[^\n]*"
    for text in re.findall(pattern, code(step)):
        yield Call(re.split(r"; then\b|\)$| \|\|| && ", text)[0])


@pytest.mark.parametrize("step", PRINTED)
def test_aws_is_called_in_the_open(step: type[Step]) -> None:
    found = list(calls(step))
    assert found, "each guard asks AWS where it is"
    for call in found:
        assert "--region" in call.options, call
        assert all(re.fullmatch(r"--[a-z][a-z0-9-]+", option) for option in call.options), call
        assert "\\\n" not in call or all(line.count(" --") <= 1 for line in call.splitlines()), call
        if call.startswith("aws s3api "):
            assert "--expected-bucket-owner" in call.options, call


# Modules.


def imports(file: Path) -> set[str]:
    """Return the first words of everything that a module imports, at any time."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("jinja2", ["render.py"]),
        ("markupsafe", ["render.py"]),
        ("boto3", ["discover/account.py", "check/gather.py", "simulator/"]),
        ("botocore", ["discover/account.py", "check/gather.py", "simulator/"]),
        ("moto", ["simulator/"]),
        ("tomlkit", ["deployment.py"]),
        ("typer", ["cli.py"]),
        ("click", ["cli.py"]),
    ],
)
def test_a_library_is_at_home_in_few_modules(library: str, homes: list[str]) -> None:
    users = {
        file.relative_to(PACKAGE).as_posix()
        for file in PACKAGE.rglob("*.py")
        if library in imports(file)
    }
    assert all(user.startswith(tuple(homes)) for user in users), users
