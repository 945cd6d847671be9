"""What holds for every test."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support.tools import JQ

if TYPE_CHECKING:
    from pathlib import Path


# A shell without job control starts its background with SIGINT ignored, and an ignored signal is
# inherited, also by the xdist workers and by the scripts that tests interrupt. What is handled here
# has its default in programs that are started.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Scripts run jq more often than any other program.
if JQ.exists():
    os.environ["PATH"] = f"{JQ.parent}:{os.environ['PATH']}"


def pytest_configure(config: pytest.Config) -> None:
    """Choose hypothesis's examples: the same each time, and new ones in a campaign.

    Bear with the typer that runs on Python 3.9: newer releases of click warn about it.
    """
    # A busy machine is no failure: no example has a deadline.
    campaign = is_campaign(config)
    examples = 400 if campaign else 40
    settings.register_profile(
        "house", deadline=None, derandomize=not campaign, max_examples=examples
    )
    settings.load_profile("house")
    config.addinivalue_line("filterwarnings", "ignore:.*removed in Click 9:DeprecationWarning")


def is_campaign(config: pytest.Config) -> bool:
    """Tell whether the long tests are asked for."""
    return "campaign" in config.getoption("markexpr")


@pytest.hookimpl(tryfirst=True)  # before pytest chooses the items by their marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tests out unless they are asked for."""
    leave_rest_of_samples_to_campaign(items)
    if not is_campaign(config):
        long = [
            item
            for item in items
            if item.get_closest_marker("campaign") and not item.get_closest_marker("newest_cli")
        ]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def leave_rest_of_samples_to_campaign(items: list[pytest.Item]) -> None:
    """Mark the cases of sampled tests, apart from some that are spread over all."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("sample") and not item.get_closest_marker("campaign"):
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for of_test in cases.values():
        marker = of_test[0].get_closest_marker("sample")
        size = marker.args[0] if marker else len(of_test)
        chosen = {number * len(of_test) // size for number in range(size)}
        for number, item in enumerate(of_test):
            if number not in chosen:
                item.add_marker(pytest.mark.campaign)


@pytest.fixture(autouse=True)
def _nobodys_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a person has set or stored out of the tests."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "CODEOCEAN_CMDGEN_")) or name in {"PLAN", "WATCH", "CONFIRM"}:
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
