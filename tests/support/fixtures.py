"""The fixtures that tests of several folders share: their conftests import them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from codeocean_cmdgen.check import facts_in_file
from codeocean_cmdgen.inputs.deployment_file import read_deployment_file
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.simulator import Simulator
from codeocean_cmdgen.simulator.aws import cloudshell_python
from tests.support.checked_world import NOW, ask_simulator, clean_world, values_for
from tests.support.people import PeopleOf, Person, PersonOf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from codeocean_cmdgen.check import Facts


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Return an empty AWS."""
    with Simulator() as simulator:
        yield simulator


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a `python3` that has boto3, as CloudShell's."""
    return cloudshell_python(tmp_path_factory.mktemp("python"))


@pytest.fixture
def people(aws: Path, python: Path) -> PeopleOf:
    """Return a function that gives the people of a simulator, who have their homes in a folder."""

    def people(simulator: Simulator, folder: Path) -> PersonOf:
        def person(account: str) -> Person:
            home = folder / f"home-{account}"
            home.mkdir(exist_ok=True)
            path = f"{aws}:{python}:{os.environ['PATH']}"
            return Person(
                {
                    **simulator.environment(account, path=path),
                    "HOME": str(home),
                    "TMPDIR": str(folder),
                }
            )

        return person

    return people


@pytest.fixture
def person(people: PeopleOf, simulator: Simulator, tmp_path: Path) -> PersonOf:
    """Return a function that gives the person of an account."""
    return people(simulator, tmp_path)


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Facts]:
    """Return what is gathered about a clean world, by procedure. Copy before you change it."""
    found = {}
    for procedure in PROCEDURES:
        path = tmp_path_factory.mktemp(procedure) / "deployment.toml"
        path.write_text(values_for(procedure), encoding="utf-8")
        found[procedure] = facts_in_file(procedure, read_deployment_file(path), NOW)
        with Simulator(start=NOW) as simulator:
            clean_world(simulator, procedure)
            ask_simulator(simulator, found[procedure])
    return found
