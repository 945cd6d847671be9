"""Three deployments that are as they should be, and what the program gathers about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codeocean_cmdgen.check import ROUTES, facts_in_file
from codeocean_cmdgen.inputs.deployment_file import read_deployment_file
from codeocean_cmdgen.simulator import Simulator
from tests.support.checked_world import NOW, ask_simulator, clean_world, values_for

if TYPE_CHECKING:
    from codeocean_cmdgen.check import Facts


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Facts]:
    """Return what is gathered about a clean world, by procedure. Copy before you change it."""
    found = {}
    for procedure in ROUTES:
        path = tmp_path_factory.mktemp(procedure) / "deployment.toml"
        path.write_text(values_for(procedure), encoding="utf-8")
        found[procedure] = facts_in_file(procedure, read_deployment_file(path), NOW)
        with Simulator(start=NOW) as simulator:
            clean_world(simulator, procedure)
            ask_simulator(simulator, found[procedure])
    return found
