"""The table of cases holds what the other tests take from it."""

from __future__ import annotations

from pathlib import Path

from codeocean_cmdgen.steps import STEPS
from tests.support.cases import CASES

EXECUTION = Path(__file__).parents[1] / "execution"


def test_each_step_has_a_row() -> None:
    missing = ", ".join(step.__name__ for step in STEPS if step.name not in CASES)
    assert not missing, (
        f"add a row to tests/support/cases.py: Case({missing}, ACCOUNT). ACCOUNT is where the "
        "script runs: SOURCE, BACKUP, TARGET or MANAGEMENT. The fields of Case say when a step "
        "needs more, such as options for its reviewed script. Then write it with `make golden`"
    )


def test_the_rows_stand_in_the_order_of_the_steps() -> None:
    assert [row.step for row in CASES.values()] == [one for one in STEPS if one.name in CASES]


def test_each_row_has_a_script_without_a_variant() -> None:
    assert [name for name, row in CASES.items() if "" not in row.scripts] == []


def test_each_row_names_the_module_that_runs_its_script() -> None:
    missing = {
        name: row.module
        for name, row in CASES.items()
        if not (EXECUTION / f"test_{row.module}.py").is_file()
    }
    assert not missing, "add tests of the step to tests/execution, or name them in its row"


def test_each_row_comes_after_the_steps_that_it_needs() -> None:
    names = list(CASES)
    for name, row in CASES.items():
        assert all(names.index(one.name) < names.index(name) for one in row.after)
