"""The procedures: lists of tasks, and the words apart from them."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from codeocean_cmdgen.inputs.deployment_file import DeploymentFile
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.procedures.derive import temporary_host
from codeocean_cmdgen.procedures.model import Heading, Prose

PARTS = [part for procedure in PROCEDURES.values() for part in procedure.parts]
EMPTY = DeploymentFile("deployment.toml", "")
TASKS = [task for part in PARTS for task in part.tasks]


@pytest.mark.parametrize("name", ["shared", *PROCEDURES])
def test_no_words_are_left_over(name: str) -> None:
    """Words that no runbook shows would be edited for nothing."""
    module = import_module(f"codeocean_cmdgen.procedures.prose.{name}")
    written = {one: value for one, value in vars(module).items() if one.isupper()}
    shown = [*(part.heading for part in PARTS), *(task.prose for task in TASKS)]
    used = {text for one in shown for text in one}
    for one, value in written.items():
        if isinstance(value, (Heading, Prose)):
            assert value in shown, one
        else:
            assert any(value in text for text in used), one


def test_all_words_in_braces_are_known() -> None:
    for task in TASKS:
        assert not re.search("[{}]", "".join(task.naming(EMPTY, "deployment.toml").prose)), (
            task.number
        )


def test_the_words_of_a_task_name_its_own_step_and_run() -> None:
    (restored,) = (one for one in TASKS if one.number == "2.5.10")
    command = "`codeocean-cmdgen volume-restore --values my.toml --run switch`"
    assert command in restored.naming(EMPTY, "my.toml").prose.otherwise


def test_the_endpoint_of_the_temporary_database_is_known_in_china_too() -> None:
    domain = "c9akciq32.rds.cn-north-1.amazonaws.com.cn"
    given = temporary_host(DeploymentFile("", f"[target]\nto_host = 'one.{domain}'"))
    assert given["from_host"].texts == (f"tmp-codeocean-restore.{domain}",)
