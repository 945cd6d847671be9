"""A simulator and worlds for its tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codeocean_cmdgen.simulator import Simulator, World
from tests.support.simulated import ACCOUNT, OTHER, Batch

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """Give an empty simulator whose clock stands still."""
    with Simulator() as simulator:
        simulator.account(ACCOUNT)
        simulator.account(OTHER)
        yield simulator


@pytest.fixture
def world(sim: Simulator) -> World:
    """Give a builder for the simulator."""
    return World(sim)


@pytest.fixture
def batch(sim: Simulator, world: World) -> Batch:
    """Give jobs, and a role that may run them."""
    world.role(ACCOUNT, "batch", ["batchoperations.s3.amazonaws.com"])
    return Batch(sim)
