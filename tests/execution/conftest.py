"""What the execution tests share: the real AWS CLI, and services instances."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.simulator.aws import loaded_aws
from codeocean_cmdgen.simulator.host import HostUnavailableError
from codeocean_cmdgen.simulator.world import TARGET
from tests.support.fixtures import clean, people, person, python, simulator
from tests.support.services_host import HostOf, ServicesHost
from tests.support.tools import NEWEST_AWS, OLDEST_AWS, miss, require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from codeocean_cmdgen.simulator import Simulator

__all__ = ["clean", "people", "person", "python", "simulator"]


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(OLDEST_AWS, id="oldest-cli"),
        pytest.param(NEWEST_AWS, id="newest-cli", marks=pytest.mark.campaign),
    ],
)
def aws(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with an `aws` that is the real CLI v2, already loaded."""
    require(request.param)
    with loaded_aws(tmp_path_factory.mktemp("aws"), request.param) as folder:
        yield folder


@pytest.fixture
def host_of(aws: Path, simulator: Simulator) -> Iterator[HostOf]:
    """Return a function that boots a services instance: an account, and the options of Host."""
    with ExitStack() as hosts:

        def host_of(account: str, **options: Any) -> ServicesHost:
            try:
                host = ServicesHost(simulator, account, aws=aws, **options)
            except HostUnavailableError as reason:
                miss(str(reason))
            return hosts.enter_context(host)

        yield host_of


@pytest.fixture
def host(host_of: HostOf) -> ServicesHost:
    """Return the services instance of the target of the example values."""
    return host_of(TARGET)
