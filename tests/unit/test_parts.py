"""What scripts consist of: the interfaces of templates/parts, and the programs that they run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.support.project import ROOT
from tests.support.wrapper import body_of

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPLATES = ROOT / "templates"
TEXTS = {
    file.relative_to(TEMPLATES).as_posix(): file.read_text(encoding="ascii")
    for file in sorted(TEMPLATES.rglob("*.sh*"))
}
PARTS = [name for name in TEXTS if name.startswith("parts/")]

IN_EVERY_SCRIPT = {"ACCOUNT_ID", "REGION", "STEP", "PLAN", "WATCH", "CONFIRM", "PATH", "COPROC"}
"""Values and settings of every script, and variables of the shell."""


# Parts.


class Interface(NamedTuple):
    """What a template gives and takes: names of functions, values and variables."""

    functions: set[str]
    calls: set[str]
    values: set[str]
    reads: set[str]
    sets: set[str]


def definitions(text: str) -> list[tuple[str, str]]:
    """Return name and body of each function, without comments."""
    code = re.sub(r" *(^|(?<=\s))#( .*)?$", "", text, flags=re.MULTILINE)
    function = r"^([a-z_0-9]+)\(\) (\{.*\}$|[{(](?:\n(?![})]).*)*)"
    return re.findall(function, code, re.MULTILINE)


def interface(text: str) -> Interface:
    functions = definitions(text)
    calls, values, reads, sets = (set[str]() for _ in range(4))
    for _, body in functions:
        own = {
            name
            for declared in re.findall(r"\blocal (?:-\w+ )*(.*)", body)
            for name in re.findall(r"(?:^|\s)([a-z]\w*)(?==|\s|$)", declared)
        }
        starts = r"(?:^ *|[;&|({!] |\$\(|\b(?:if|elif|while|until|then|do|else) (?:! )?)"
        calls |= set(re.findall(rf"{starts}([a-z][a-z0-9_]*)\b(?!=)", body, re.MULTILINE))
        values |= set(re.findall(r"\$\{[#!]?([A-Z][A-Z_]*)", body))
        reads |= variables_read(body) - own
        sets |= variables_set(body) - own
    return Interface({name for name, _ in functions}, calls, values, reads, sets)


def variables_read(body: str) -> set[str]:
    found = set(re.findall(r"\$\{[#!]?([a-z]\w*)", body))
    for arithmetic in re.findall(r"\(\((.*?)\)\)", body):
        found |= set(re.findall(r"\b[a-z]\w*\b", arithmetic))
    return found


def variables_set(body: str) -> set[str]:
    found = set(re.findall(r"^ *(?:(?:if|elif|while) )?(?:! )?([a-z]\w*)\+?=", body, re.MULTILINE))
    for names in re.findall(r"\bread -r ((?:[a-z]\w* ?)+)", body):
        found |= set(names.split())
    found |= set(re.findall(r"\bfor ([a-z]\w*) in", body))
    found |= set(re.findall(r"\{([a-z]\w*)\}(?:<|>(?!&-))", body))
    return found


INTERFACES = {name: interface(text) for name, text in TEXTS.items()}
FUNCTIONS = {function for one in INTERFACES.values() for function in one.functions}


def head(name: str) -> str:
    """Return the comment that a part must begin with; it reaches no script."""
    part = INTERFACES[name]
    shared = [one for other, one in INTERFACES.items() if other.startswith("shared/")]
    shared_functions = {function for one in shared for function in one.functions}
    shared_variables = {variable for one in shared for variable in one.sets}
    read = {variable for one in INTERFACES.values() for variable in one.reads}
    lines = {
        "Values": part.values - IN_EVERY_SCRIPT,
        "Calls": part.calls & (FUNCTIONS - part.functions - shared_functions),
        "Reads": part.reads - part.sets - shared_variables,
        "Sets": part.sets & read,
    }
    told = [
        fill(f"# {label}: {', '.join(sorted(names))}", 100, subsequent_indent="#   ")
        for label, names in lines.items()
        if names
    ]
    return "\n".join(["<#", *(told or ["# Only the shared part."]), "#>\n"])


@pytest.mark.parametrize("name", PARTS)
def test_a_part_begins_with_its_interface(name: str) -> None:
    """Values: those of the step that includes it. Calls: functions of the step or another part.

    Reads: variables that the step or another part has set. Sets: variables for others or itself.
    """
    assert TEXTS[name].partition("#>\n")[0] + "#>\n" == head(name)


# Programs.

SHARED_MARK = "# ---- Shared by all scripts"
SCRIPTS = sorted((ROOT / "golden").glob("*.sh"))

ALWAYS_THERE = {
    *("cat", "chmod", "chown", "cp", "cut", "date", "mkdir", "mktemp", "mv", "readlink", "rm"),
    *("rmdir", "sleep", "sort", "sync", "tail", "touch", "tr", "wc"),
}
"""Programs of coreutils: a system without them has no prompt to paste at."""

UNCHECKED = {
    "cmp": "the script stops without it: what it compares counts as different",
    "docker": "only run if docker is active, or was when service-stop listed its containers",
    "mount": "in one package with mountpoint and findmnt, which are checked",
    "rpm": "a cron file whose package is unknown is treated as one of Code Ocean",
}
"""Program that is run but not checked -> why that does no harm."""


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    if isinstance(tree, (dict, list)):
        for inner in tree.values() if isinstance(tree, dict) else tree:
            yield from nodes(inner)


def commands(code: str) -> Iterator[list[str]]:
    """Yield the words of each command in a text of bash; "" for a word that is not plain."""
    shfmt = [str(Path(sys.executable).with_name("shfmt")), "-ln", "bash", "-tojson"]
    parsed = subprocess.run(shfmt, input=code, capture_output=True, text=True, check=True).stdout
    for node in nodes(json.loads(parsed)):
        if node.get("Type") == "CallExpr" and node.get("Args"):
            yield [
                word["Parts"][0].get("Value", "") if len(word["Parts"]) == 1 else ""
                for word in node["Args"]
            ]


class Programs(NamedTuple):
    """checked: what a text gives to check_programs. run: its commands, functions among them."""

    checked: set[str]
    run: set[str]


@cache  # all scripts of a place end alike
def programs(code: str) -> Programs:
    found = Programs(set(), set())
    for first, *rest in commands(code):
        found.run.add(first)
        if first == "check_programs":
            found.checked.update(rest)
        elif first == "ask":
            found.run.update(rest[1:2])  # behind the name of a file
    return Programs(found.checked, found.run - {""})


@cache
def of_bash() -> set[str]:
    listed = subprocess.run(
        ["bash", "-c", "compgen -b -k"], capture_output=True, text=True, check=True
    )
    return set(listed.stdout.split())


@pytest.mark.parametrize("file", SCRIPTS, ids=[file.stem for file in SCRIPTS])
def test_a_script_checks_each_program_that_it_runs(file: Path) -> None:
    """Those of its own text: what the shared part runs, the shared part checks."""
    body = body_of(file.read_text())
    own, mark, shared = body.partition(SHARED_MARK)
    checked = programs(own).checked | programs(mark + shared).checked
    functions = {name for name, _ in definitions(body)}
    assert "aws" in checked
    run = programs(own).run - functions - of_bash()
    assert run - checked - ALWAYS_THERE - set(UNCHECKED) == set()


def test_each_exception_is_needed() -> None:
    own = (body_of(file.read_text()).partition(SHARED_MARK)[0] for file in SCRIPTS)
    assert {*ALWAYS_THERE, *UNCHECKED} <= {name for text in own for name in programs(text).run}
