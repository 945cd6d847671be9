"""A small mistake in a template or in the validation makes a test fail.

Each mutant is made in a copy of the project, and judged by the tests of what it is in. Golden files
are made anew first, as by somebody who does not read the diff: what compares with them does not
count, what looks at them, such as the linters, does.

What `make unit` answers for, which is all of the package but simulator and rehearsal, is judged a
second time, by `make unit` alone, with the golden files as they are.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from codeocean_cmdgen.steps import STEPS
from tests.support.cases import CASES, SCRIPTS
from tests.support.mutants import (
    PROGRAMS,
    PROVED_BY_UNIT_TESTS,
    TEMPLATES,
    VALIDATION,
    Mutant,
    chosen,
    sampled,
)
from tests.support.project import ROOT
from tests.support.tools import require

EVERYWHERE = ("place", "host_place", "watch", "second_opinion", "kill")
"""The modules that run every script."""
HOUSE = [
    f"tests/unit/test_house.py::test_{rule}"
    for rule in (
        "each_value_is_used",
        "each_name_is_given",
        "the_header_offers_just_the_settings_that_are_read",
        "aws_is_called_in_the_open",
    )
]
VALIDATING = ("test_values.py", "test_render.py", "test_cli.py", "test_deployment.py")

MAKING_SCRIPTS = ["tests/unit/test_golden.py::test_golden", "tests/unit/test_cli.py"]
"""The unit tests that use most of what no other test is named after."""

LINES_EACH = 100
"""One mistake is tried for so many lines of a file, and one more."""

SURVIVORS: dict[str, str] = {}
"""Beginning of a mistake's rank -> why it is well that no test notices it."""

UNNOTICED_BY_UNIT_TESTS: dict[str, str] = {
    "04bbf92bf096": "tomllib is tomli, which is installed here as well",
}
"""The same, of those that `make unit` judges alone."""

PATIENCE = 1800.0


def count(file: Path) -> int:
    """Return how many mistakes of a file are tried."""
    return 1 + file.read_text(encoding="utf-8").count("\n") // LINES_EACH


FILES = [
    *sorted(TEMPLATES.rglob("*.sh.j2")),
    *sorted((TEMPLATES / "parts").glob("*.sh")),
    *sorted((TEMPLATES / "shared").glob("*.sh")),
    *PROGRAMS,
    *VALIDATION,
]
MUTANTS = [mutant for file in FILES for mutant in chosen(file, count(file))]
UNIT_MUTANTS = sampled(PROVED_BY_UNIT_TESTS, 60)


def users(file: Path) -> list[str]:
    """Return the scripts that a file becomes part of, by the words of their templates."""
    if file in PROGRAMS:
        return [step.template or step.name for step in STEPS if file.stem in step.programs]
    if file.parent.name == "parts":
        return [step.template or step.name for step in STEPS if file.stem in step.parts]
    name = str(file.relative_to(TEMPLATES))
    found = [] if name.startswith("_") else [file.name.removesuffix(".sh.j2")]
    for other in sorted(TEMPLATES.rglob("*.j2")):
        if f'include "{name}"' in other.read_text(encoding="utf-8"):
            found += users(other)
    return list(dict.fromkeys(found)) or _EVERY_SCRIPTS.get(file.name, ["snapshot-copy"])


_EVERY_SCRIPTS = {
    "_body.sh.j2": ["snapshot-copy", "service-stop"],
    "_script.sh.j2": ["snapshot-copy", "service-stop"],
    "_shared.sh.j2": ["snapshot-copy", "service-stop"],
    "_saved.sh.j2": ["service-stop"],
    "common.sh": ["snapshot-copy", "service-stop"],
    "services-instance.sh": ["service-stop", "volume-copy-in"],
}
"""Template that no other names, for it is in every script -> some of those scripts."""
GOLDEN = {"stack-parameters--backup": "stack-parameters--restore-destination"}
"""Word of a template -> the golden file that it becomes, where that has another name."""


def golden(file: Path) -> list[str]:
    """Return the golden files that a template or a program becomes part of."""
    return [GOLDEN.get(name, name) for name in users(file)]


def judges(mutant: Mutant) -> list[list[str]]:
    """Return the tests that may notice a mistake, those that should do so first."""
    if mutant.file in VALIDATION:
        own = [CASES[one.name].module for one in STEPS if one.__module__.endswith(mutant.file.stem)]
        return [
            [f"tests/unit/{name}" for name in VALIDATING],
            ["tests/real/test_dist.py"],
            *([f"tests/execution/test_{module}.py"] for module in own or ["snapshot_copy"]),
        ]
    if mutant.file in PROGRAMS:
        holders = [
            step.name
            for step in STEPS
            if any(mutant.file.stem in one.programs for one in (step, *step.__subclasses__()))
        ]
        return [
            ["tests/unit/programs"],
            *([f"tests/execution/test_{CASES[step].module}.py"] for step in holders),
        ]
    scripts = golden(mutant.file)
    steps = [name.partition("--")[0] for name in scripts]
    looks = [
        f"tests/unit/test_golden.py::test_the_{tool}_is_silent[{name}]"
        for name in scripts[:2]
        for tool in ("linter", "formatter")
    ]
    modules = dict.fromkeys(CASES[step].module for step in steps)
    own = [f"tests/unit/programs/test_{mutant.file.stem}.py"] if mutant.file in PROGRAMS else []
    return [
        [*own, *looks, *HOUSE],
        *([f"tests/execution/test_{module}.py"] for module in modules),
        ["-k", " or ".join(dict.fromkeys(steps[:2])),
         *(f"tests/execution/test_{module}.py" for module in EVERYWHERE)],
    ]  # fmt: skip


CONTROL = [
    "tests/unit/test_house.py",
    "tests/unit/programs",
    "tests/real/test_dist.py",
    *(f"tests/unit/{name}" for name in VALIDATING),
    *(
        f"tests/execution/test_{module}.py"
        for module in {*(row.module for row in CASES.values()), *EVERYWHERE}
    ),
]


def near(file: Path) -> list[str]:
    """Return the unit tests that are named as a file of the package, then as its folder."""
    names = [f"test_{file.stem}", f"test_{file.parent.name}", file.parent.name]
    tests = [one for one in (ROOT / "tests/unit").rglob("*") if one.stem in names]
    tests.sort(key=lambda one: names.index(one.stem))
    return [str(one.relative_to(ROOT)) for one in tests] or MAKING_SCRIPTS


def notices(copy: Path, arguments: list[str]) -> bool:
    """Run tests in a copy; tell whether one fails."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
    environment["PYTHONPATH"] = str(copy)  # for the programs that tests start elsewhere
    command = [sys.executable, "-m", "pytest", "-qx", "-p", "no:xdist", "-p", "no:cacheprovider"]
    try:
        ended = subprocess.run(
            [*command, *arguments],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"no end within {PATIENCE} s: {arguments}\n")
        return True
    assert ended.returncode in {0, 1, 2, 5}, ended.stdout[-2000:] + ended.stderr[-2000:]
    return ended.returncode in {1, 2}


def copied(folder: Path) -> Path:
    """Return a copy of the project."""
    leave = shutil.ignore_patterns(".venv", ".git", "dist", "build", "__pycache__", ".*_cache")
    copy = Path(shutil.copytree(ROOT, folder / "copy", ignore=leave, symlinks=True))
    subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)  # which files are ours
    return copy


def written_anew(copy: Path, scripts: list[str]) -> bool:
    """Make golden scripts anew; tell whether they can still be made."""
    for name in scripts:
        command = [sys.executable, "-m", "codeocean_cmdgen", *SCRIPTS[name]]
        made = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
        if made.returncode:
            return False
        (copy / "golden" / f"{name}.sh").write_text(made.stdout)
    return True


def is_noticed(mutant: Mutant, folder: Path) -> bool:
    copy = copied(folder)
    (copy / mutant.file.relative_to(ROOT)).write_text(mutant.text())
    if mutant.file.is_relative_to(TEMPLATES) and not written_anew(copy, golden(mutant.file)):
        return True
    return any(notices(copy, tests) for tests in judges(mutant))


@pytest.mark.campaign
def test_without_a_mistake_nothing_is_noticed(tmp_path: Path) -> None:
    copy = copied(tmp_path)
    assert not any(notices(copy, [tests]) for tests in CONTROL)


@pytest.mark.campaign
@pytest.mark.parametrize("mutant", MUTANTS, ids=[one.rank[:12] for one in MUTANTS])
def test_a_mistake_is_noticed(mutant: Mutant, tmp_path: Path) -> None:
    require("/usr/bin/aws")
    noticed = is_noticed(mutant, tmp_path)
    reason = SURVIVORS.get(mutant.rank[:12])
    if reason:
        assert not noticed, "explained as one that is not noticed, but it is"
        pytest.xfail(reason)
    assert noticed, mutant.name


@pytest.mark.campaign
@pytest.mark.parametrize("mutant", UNIT_MUTANTS, ids=[one.rank[:12] for one in UNIT_MUTANTS])
def test_the_unit_tests_notice_a_mistake(mutant: Mutant, tmp_path: Path) -> None:
    copy = copied(tmp_path)
    (copy / mutant.file.relative_to(ROOT)).write_text(mutant.text(), encoding="utf-8")
    noticed = any(notices(copy, tests) for tests in (near(mutant.file), ["tests/unit"]))
    reason = UNNOTICED_BY_UNIT_TESTS.get(mutant.rank[:12])
    if reason:
        assert not noticed, "explained as one that is not noticed, but it is"
        pytest.xfail(reason)
    assert noticed, mutant.name


def test_no_survivor_is_explained_that_is_not_tried() -> None:
    assert set(SURVIVORS) <= {one.rank[:12] for one in MUTANTS}
    assert len(SURVIVORS) < 0.05 * len(MUTANTS)
    assert set(UNNOTICED_BY_UNIT_TESTS) <= {one.rank[:12] for one in UNIT_MUTANTS}
    assert len(UNNOTICED_BY_UNIT_TESTS) <= 0.05 * len(UNIT_MUTANTS)
