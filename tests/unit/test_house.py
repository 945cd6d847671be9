"""The rules of the house: what no golden file shows until it hurts."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jinja2 import Environment, nodes
from jinja2.meta import find_referenced_templates

import codeocean_cmdgen
from codeocean_cmdgen import vendor
from codeocean_cmdgen.arguments import VOCABULARY
from codeocean_cmdgen.inputs.deployment_file import read_deployment_file
from codeocean_cmdgen.inputs.resolve import Given, resolve
from codeocean_cmdgen.rendering.paste import SHARED
from codeocean_cmdgen.rendering.script import LABELS, render
from codeocean_cmdgen.steps import STEPS, Step
from tests.support.calls import actions
from tests.support.wrapper import body_of
from tools.tables import TABLES, renewed

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(codeocean_cmdgen.__file__).parent
TEMPLATES = PACKAGE.parent / "templates"
NAMES = sorted(
    file.relative_to(TEMPLATES).as_posix()
    for file in TEMPLATES.rglob("*.*")
    if file.parent.name != "runbook"
)
RUNBOOKS = sorted(f"runbook/{file.name}" for file in (TEMPLATES / "runbook").iterdir())
FRAME = {"_script.sh.j2", "_saved.sh.j2", "_body.sh.j2", "_shared.sh.j2"}

SETTINGS = {"PLAN", "WATCH", "CONFIRM"}
ENVIRONMENT = {"HOME", "PATH"}
OF_JQ = {"ARGS"}
OF_BASH = {"PWD", "COPROC", "BASH_REMATCH", "SECONDS", "EUID", "BASH_EXECUTION_STRING"}


OTHER_EXAMPLES = {
    "restored_volume_id": "vol-0fedcba9876543210",
    "temporary_db_instance_id": "tmp-codeocean-restore",
    "rds_snapshot_arn": "arn:aws:rds:us-east-1:333333333333:snapshot:awsbackup:copyjob-1",
    **dict.fromkeys(("drop_old", "swap_back", "verify", "reversible", "undo"), "no"),
}
"""Where the example of the kind is taken by another value, or asks for another script."""

PRINTED = tuple(one for step in STEPS for one in (step, *step.__subclasses__()))
"""The steps, and the other scripts that a value makes of one."""


def text_of(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def parse(name: str) -> nodes.Template:
    # The delimiters of rendering/templates.py; what they mean is not needed to look at the tree.
    return Environment(
        comment_start_string="<#", comment_end_string="#>", trim_blocks=True, lstrip_blocks=True
    ).parse(text_of(name))


# Templates.


@pytest.mark.parametrize("name", NAMES)
def test_values_are_printed_in_the_frame_only(name: str) -> None:
    """Filters and operators are known nowhere: `+` and `~` on quoted text leak HTML entities."""
    known: set[type[nodes.Node]] = {nodes.Output, nodes.TemplateData, nodes.Include, nodes.Const}
    if name in FRAME:
        known |= {nodes.Name, nodes.For, nodes.Tuple, nodes.If}
    assert {type(node) for node in parse(name).find_all(nodes.Node)} <= known


@pytest.mark.parametrize("name", [one for one in NAMES if one.startswith(("steps/", "parts/"))])
def test_a_step_names_its_parts_in_its_class(name: str) -> None:
    """So that each stands under its digest; an include would hide it among the step's own."""
    assert list(find_referenced_templates(parse(name))) == []


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
    wanted = {*FRAME}
    wanted |= {f"parts/{part}.sh" for step in PRINTED for part in step.parts}
    wanted |= {f"steps/{step.template or step.name}.sh.j2" for step in PRINTED}
    wanted |= {f"shared/{name}.sh" for files in SHARED.values() for name in files}
    while wanted:
        name = wanted.pop()
        seen.add(name)
        included = find_referenced_templates(parse(name))
        # The frame includes the step's template by a variable: None here.
        wanted |= {part for part in included if part is not None} - seen
    assert seen == set(NAMES)


@pytest.mark.parametrize("name", TABLES)
def test_a_generated_table_is_up_to_date(name: str) -> None:
    document, table = TABLES[name]
    text = (PACKAGE.parent / document).read_text(encoding="utf-8")
    assert renewed(text, name, table()) == text, "make golden"


def test_each_word_of_the_vocabulary_is_used() -> None:
    assert {name for step in STEPS for name in step.arguments()} == set(VOCABULARY)


# Scripts.


def body(step: type[Step]) -> str:
    """Return what the wrapper hands to bash, made from the example values."""
    example = PACKAGE / "examples" / "deployment.toml"
    optional = {
        name: Given((OTHER_EXAMPLES.get(name, VOCABULARY[name].kind.example),), "option")
        for name, needed in step.arguments().items()
        # No example names a round: each is another one.
        if (not needed or name == "run") and not VOCABULARY[name].file
    }
    script = render(*resolve(step, optional, deployment_file=read_deployment_file(example)))
    return body_of(script)


def code(step: type[Step]) -> str:
    """Return the body without its values, its comments and the texts that it only shows."""
    text = body(step)
    text = re.sub(r"^values\(\) \{\n.*?^\}\n", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^ +say '(?:.*\\\n)*.*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"(^|(?<=\s))#( .*)?$", "", text, flags=re.MULTILINE)


TWINS = {
    "values": "the values of the script",
    "main": "the story of the script",
    "work": "the story of what the unit runs",
    "find_owner": "asked by parts/recovery_point.sh: whose a restored volume or instance is",
    "say_how_to_continue": "asked by parts/recovery_point.sh: what to do with either",
    "choose_metadata": "what the restore job is to make: a volume, or an instance",
    "finish_if_completed": "each finds the record that its own work leaves",
    "record_completion": "on the data volume, or in the tags of the instance",
    "check_both_sides": "the source and the target of the copy: databases, or volumes",
    "remove_leftovers": "what a killed script has left: a database, or files in memory",
    "check_proof": "that the volume, or the instance, is of this run",
    "finish_deletion_plan": "the same of a volume and of an instance",
    "confirm_deletion": "the same of a volume and of an instance",
    "confirm_removal": "of what its own step removes: a database, or versions",
    "check_again": "the same of a volume and of an instance",
    "wait_until_deleted": "the same of a volume and of an instance",
    "finish_unwatched": "for WATCH=0: backup jobs, or jobs of S3",
    "write_programs": "each script holds other modules",
    "read_plan": "what its own program prints of its plan",
    "report_outcome": "of a creation, or of an update",
    "report_result": "what its own step has made: backups, copies, or replicas",
    "check_before_start": "what its own jobs need: of backups, or of copies",
    "open_record": "asked by parts/two_jobs.sh: where this run records a backup or a copy",
    "request_job": "asked by parts/two_jobs.sh: the call that starts a backup or a copy",
    "describe_job": "asked by parts/two_jobs.sh: the call that describes either",
    "list_jobs": "asked by parts/two_jobs.sh: the call that lists either",
    "connect_without_ca_bundle": "a copy warns; a removal, which is final, stops",
    "approve_changes": "a change of the backup stack is refused where another asks",
}
"""Function -> why it has several bodies: it does the same in each script, to something else."""


def functions(script: str) -> Iterator[tuple[str, str]]:
    """Yield name and definition of each function of a script."""
    definition = r"^([a-z_0-9]+)\(\) (\{(?: #.*)?\n(?:.*\n)*?\}|\{.*\})$"
    yield from re.findall(definition, body_of(script), re.MULTILINE)


def test_one_function_name_has_one_meaning() -> None:
    bodies: dict[str, set[str]] = {}
    for file in sorted((PACKAGE.parent / "golden").glob("*.sh")):
        for name, definition in functions(file.read_text()):
            bodies.setdefault(name, set()).add(definition)
    assert {name for name, found in bodies.items() if len(found) > 1} == set(TWINS)


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
    assert used - assigned(step) <= SETTINGS | ENVIRONMENT | OF_BASH | OF_JQ


@pytest.mark.parametrize("step", PRINTED)
def test_the_header_offers_just_the_settings_that_are_read(step: type[Step]) -> None:
    own = code(step).partition("\nmain() {")[2].partition("\nleave() {")[0]
    assert step.watches == ("${WATCH}" in own or "follow_work" in own)
    assert bool(step.confirm) == bool(re.search(r"^ *confirm ", own, re.MULTILINE))


class Call(str):
    """A call of the AWS CLI, on as many lines as it has."""

    __slots__ = ()

    @property
    def options(self) -> list[str]:
        """The options, and everything else that begins with a hyphen."""
        return re.findall(r"(?<=\s)-\S+", self)


def calls(step: type[Step]) -> Iterator[Call]:
    # A list of programs names it too: `check_programs aws jq`.
    pattern = r"(?<!check_programs )(?<!\")\baws (?!--version)(?:[^\n]*\\\n)*[^\n]*"
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


@pytest.mark.parametrize("step", PRINTED)
def test_a_step_declares_the_actions_of_its_calls(step: type[Step]) -> None:
    """Its program's are not seen here: test_iam_policy.py has the record of a run."""
    declared = {one for actions in step.permissions.values() for one in actions}
    if "s3_task" in step.programs:
        declared = {one for one in declared if not one.startswith("s3:")}
    if step.role_service:
        declared.add("iam:PassRole")
    assert declared == actions(body(step))


# Modules.


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def imports(file: Path) -> set[str]:
    """Return the first words of everything that a module imports, at any time."""
    found: set[str] = set()
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def module_of(file: Path) -> str:
    """Return the name by which a module of the package is imported."""
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file): file for file in PACKAGE.rglob("*.py")}


def own_imports(file: Path) -> set[str]:
    """Return the modules of the package that a module imports when it is imported."""
    found = set()
    for node in parsed(file).body:  # not `if TYPE_CHECKING:`
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names} & set(MODULES)
            found |= names or {node.module} & set(MODULES)
    return found


def test_imports_go_in_one_direction() -> None:
    TopologicalSorter({name: own_imports(file) for name, file in MODULES.items()}).prepare()
    assert "codeocean_cmdgen.rendering.script" in own_imports(
        MODULES["codeocean_cmdgen.runbook.scripts"]
    )


@pytest.mark.parametrize("name", [one for one in MODULES if ".rendering." in one])
def test_rendering_knows_no_runbook_and_no_procedure(name: str) -> None:
    """It is given what it renders. Only for its types does it name a runbook."""
    others = own_imports(MODULES[name])
    assert not any(re.search(r"\.(runbook|procedures|discover|check)\b", one) for one in others)


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("jinja2", ["rendering/"]),
        ("markupsafe", ["rendering/"]),
        ("boto3", ["aws_settings.py", "simulator/"]),
        (
            "botocore",
            [
                "aws_settings.py",
                "discover/caller.py",
                "check/questions.py",
                "programs/",
                "simulator/",
            ],
        ),
        ("moto", ["simulator/"]),
        ("tomlkit", ["inputs/update.py"]),
        ("typer", ["cli/"]),
        ("click", ["cli/"]),
    ],
)
def test_a_library_is_at_home_in_few_modules(library: str, homes: list[str]) -> None:
    users = {
        file.relative_to(PACKAGE).as_posix()
        for file in PACKAGE.rglob("*.py")
        if library in imports(file)
    }
    assert all(user.startswith(tuple(homes)) for user in users), users


COLONS = {
    "values.py",  # takes all kinds apart
    "programs/bucket_findings.py",  # scripts hold it, and hold no other module of the package
    "simulator/inside/docker.py",  # NAME:TAG, SOURCE:TARGET
    "simulator/proxy.py",  # HOST:PORT
    "rehearsal/report.py",  # the first word of an outcome
}
"""Modules that take texts apart at a colon."""


def colons(file: Path) -> Iterator[int]:
    """Yield the lines that take a text apart at a colon."""
    for node in ast.walk(parsed(file)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"split", "rsplit", "partition", "rpartition"}
            and any(isinstance(one, ast.Constant) and ":" in str(one.value) for one in node.args)
        ):
            yield node.lineno


def test_a_value_is_taken_apart_by_its_kind() -> None:
    found = {
        file.relative_to(PACKAGE).as_posix() for file in PACKAGE.rglob("*.py") if any(colons(file))
    }
    assert found == COLONS


def test_an_arn_is_built_by_its_kind() -> None:
    """The simulator and the rehearsal play AWS, which has more ARNs than there are kinds."""
    found = {
        file.relative_to(PACKAGE).as_posix()
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.JoinedStr)
        and isinstance(node.values[0], ast.Constant)
        and str(node.values[0].value).startswith("arn:")
    }
    others = {one for one in found if not one.startswith(("simulator/", "rehearsal/"))}
    assert others == {"values.py"}


VENDOR = PACKAGE / "vendor.py"
SPELLS_NAMES = ("simulator/", "rehearsal/", "programs/")
"""Modules that spell the vendor's names themselves.

Those that play the vendor would repeat a mistake of vendor.py; a program stands alone in a script.
"""


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of each constant of a module that is no docstring."""
    described = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in described:
            yield node.lineno, str(node.value)


def vendor_facts() -> set[str]:
    """Return the texts of vendor.py, without words that mean other things as well."""
    pieces = {
        piece
        for name, value in vars(vendor).items()
        if name.isupper() and isinstance(value, str)
        for piece in value.split("{stack_name}")
    }
    return {piece for piece in pieces if len(piece) > 4 and not re.fullmatch("[a-z]+", piece)}


def test_a_fact_of_the_vendor_is_written_once() -> None:
    facts = {fact: re.compile(rf"(?<![\w/:]){re.escape(fact)}(?!\w)") for fact in vendor_facts()}
    assert len(facts) > 30
    windows = {
        ast.dump(node.value)
        for node in parsed(VENDOR).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
    }
    found = []
    for file in PACKAGE.rglob("*.py"):
        name = file.relative_to(PACKAGE).as_posix()
        if file == VENDOR or name.startswith(SPELLS_NAMES):
            continue
        tree = parsed(file)
        found += [
            f"{name}:{line}: {fact}"
            for line, text in texts(tree)
            for fact, pattern in facts.items()
            if pattern.search(text)
        ]
        found += [
            f"{name}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.dump(node) in windows
        ]
    assert found == []


def test_templates_spell_the_vendors_names_as_vendor_py_does() -> None:
    known = {
        vendor.STACK_JSON,
        vendor.DEPLOYMENT_TAG,
        vendor.SERVICES_GROUP,
        f"{vendor.START_WINDOW.total_seconds() / 60:.0f} * minute",
    }
    pattern = (
        r"/etc/codeocean/[\w.-]*\w|codeocean:[a-z]+|(?<=--logical-resource-id )\w+|\d{3} \* minute"
    )
    assert {one for name in NAMES for one in re.findall(pattern, text_of(name))} == known


# Programs: the modules that scripts hold.

PROGRAMS = sorted(
    file for file in (PACKAGE / "programs").glob("*.py") if file.name != "__init__.py"
)
EVERY_PROGRAM = pytest.mark.parametrize("file", PROGRAMS, ids=[file.stem for file in PROGRAMS])


@EVERY_PROGRAM
def test_a_program_is_in_a_script_byte_for_byte(file: Path) -> None:
    users = [step for step in PRINTED if file.stem in step.programs]
    assert users
    for step in users:
        text = f"cat >program/{file.name} <<'END_OF_PYTHON'\n{file.read_text()}END_OF_PYTHON\n"
        assert text in body(step)


def test_no_step_names_a_program_that_is_not_there() -> None:
    named = {program for step in PRINTED for program in step.programs}
    assert named == {file.stem for file in PROGRAMS}


@EVERY_PROGRAM
def test_a_program_imports_the_standard_library_and_boto3_alone(file: Path) -> None:
    assert imports(file) <= {*sys.stdlib_module_names, "boto3", "botocore"}


@EVERY_PROGRAM
def test_a_program_is_plain_text_of_python_3_9(file: Path) -> None:
    text = file.read_bytes().decode("ascii")
    ast.parse(text, feature_version=(3, 9))
    assert not re.search(r"[^\n\x20-\x7e]| $", text, re.MULTILINE)
    # As in templates: a shell that reads it without its heredoc finds nothing in its history.
    assert not re.search(r"!(?![ =(\]\n])|^\^", text, re.MULTILINE)
    assert "END_OF_" not in text


@EVERY_PROGRAM
def test_a_program_ends_lines_at_newlines_only(file: Path) -> None:
    """`splitlines` also splits at U+2028 and other characters that names from outside may hold."""
    assert "splitlines" not in file.read_text()


CONVERSATIONS = {"s3_removal", "s3_reversal", "s3_undo", "s3_comparison"}
"""Modules that talk with S3 and with their script: test_s3_conversations.py has all of them."""


@EVERY_PROGRAM
def test_a_program_has_tests_of_its_own(file: Path) -> None:
    has_tests = (Path(__file__).parent / "programs" / f"test_{file.stem}.py").is_file()
    assert has_tests or file.stem in CONVERSATIONS


EVERY_SCRIPT = pytest.mark.parametrize(
    "step", [*STEPS, *(one for step in STEPS for one in step.__subclasses__())]
)


@EVERY_SCRIPT
def test_a_header_says_all_that_a_reader_must_know_and_nothing_that_is_not_printed(
    step: type[Step],
) -> None:
    assert step.header.keys() | {"at"} == LABELS.keys()


@EVERY_SCRIPT
def test_each_text_of_a_header_ends_with_a_full_stop(step: type[Step]) -> None:
    """An effect of a call does so only if it has several sentences."""
    for told in step.header.values():
        if isinstance(told, str):
            assert told.endswith("."), told
        else:
            for _, effect in told:
                assert effect.endswith(".") == (". " in effect), effect
