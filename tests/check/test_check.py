"""The command: exit codes, formats, credentials, and its speed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from codeocean_cmdgen.simulator import Simulator
from tests.check.conftest import EXAMPLE, ROLES, clean_world, values_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS_OFFLINE = 0.5
"""Of a processor, whatever else the machine does."""


WITHOUT_BOTO3 = (
    "import sys; sys.modules['boto3'] = None; from codeocean_cmdgen.cli import main; main()"
)


def check(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run("-m", "codeocean_cmdgen", "check", *arguments, **environment)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def values(folder: Path, *changes: tuple[str, str]) -> str:
    text = values_for("restore")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file = folder / "facts.toml"
    file.write_text(text, encoding="utf-8")
    return f"--values={file}"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(start=datetime.now(timezone.utc)) as simulator:
        clean_world(simulator, "restore")
        yield simulator


def environment_of(simulator: Simulator, folder: Path, account: str) -> dict[str, str]:
    """Return the environment of a person who has a profile for each role, and one at hand."""
    config = folder / "config"
    config.write_text(
        "".join(
            f"[profile dr-{role}]\n"
            f"aws_access_key_id = {simulator.account(account).access_key}\n"
            f"aws_secret_access_key = any\n"
            for role, account in ROLES.items()
        )
    )
    own = simulator.account(account).environment()
    return {**own, "AWS_CONFIG_FILE": str(config)}


PROFILES = tuple(f"--profile={role}=dr-{role}" for role in ROLES)


def test_live_accounts_without_a_fault_pass(simulator: Simulator, tmp_path: Path) -> None:
    yesterday = simulator.clock.now().date() - timedelta(days=1)
    until = simulator.clock.now().isoformat(timespec="seconds")
    file = values(
        tmp_path,
        ("2019-11-24T04:00:00Z", f"{yesterday}T04:00:00Z"),
        ("2019-11-25T12:00:00+01:00", until),
    )
    environment = environment_of(simulator, tmp_path, ROLES["backup"])
    done = check("restore", file, *PROFILES, **environment)
    assert (done.returncode, done.stdout) == (0, "restore: 81 checks, 0 errors, 0 warnings\n"), done
    assert "target: " in done.stderr


def test_live_accounts_with_a_fault_fail(simulator: Simulator, tmp_path: Path) -> None:
    """The example goes back to a moment long before the recovery point."""
    environment = environment_of(simulator, tmp_path, ROLES["backup"])
    done = check("restore", values(tmp_path), *PROFILES, "--format=json", **environment)
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert told["fails"]
    assert [finding["check"] for finding in told["findings"]] == ["R09"]
    assert told["not_looked_at"] == []


def test_what_was_not_looked_at_stands_in_the_table(simulator: Simulator, tmp_path: Path) -> None:
    environment = environment_of(simulator, tmp_path, ROLES["backup"])
    done = check("restore", values(tmp_path), **environment, COLUMNS="400")
    assert "not looked at, so not known to be good" in done.stdout
    assert "give --profile target=NAME" in done.stdout
    assert "not or not wholly looked at" in done.stdout.splitlines()[-1]


def test_warnings_alone_are_exit_code_0(tmp_path: Path) -> None:
    file = values(tmp_path, ('"/codeocean/analytics', '"/other/analytics'))
    done = check("restore", file, "--offline")
    assert done.returncode == 0
    assert "0 errors, 1 warnings" in done.stdout


def test_a_table_is_as_wide_as_the_terminal_but_commands_are_whole(tmp_path: Path) -> None:
    file = values(tmp_path, ("role/service-role/AWSBackup", "role/service-role/AWSBackup"))
    (tmp_path / "facts.toml").write_text(
        values_for("restore")
        .replace("snap-0123456789abcdef0", "snap-0123456789abcdef0")
        .replace("us-east-1::snapshot", "us-west-2::snapshot")
    )
    done = check("restore", file, "--offline", COLUMNS="60")
    table, _, mends = done.stdout.partition("to mend it:\n")
    assert done.returncode == 1
    assert max(map(len, table.splitlines())) == 60
    path = tmp_path / "facts.toml"
    assert f"  codeocean-cmdgen discover recovery-points --values {path}\n" in mends


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--profile=backup",), "'backup' is not ROLE=NAME"),
        (("--profile=vault=name",), "'vault=name' is not ROLE=NAME"),
        (("--profile=backup=nobody",), "--profile backup=nobody"),
    ],
)
def test_a_bad_profile_is_bad_input(arguments: tuple[str, ...], words: str) -> None:
    done = check("restore", f"--values={EXAMPLE}", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_a_file_that_cannot_be_read_is_bad_input(tmp_path: Path) -> None:
    file = values(tmp_path, ('account_id = "222222222222"', 'account_id = "2222"'))
    done = check("restore", file, "--offline")
    assert (done.returncode, done.stdout) == (2, "")
    assert "account_id in [backup]" in done.stderr


def test_without_boto3_a_word_says_how_to_get_it() -> None:
    done = run("-c", WITHOUT_BOTO3, "check", "restore", f"--values={EXAMPLE}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'codeocean-cmdgen[aws]'" in done.stderr
    assert "--offline" in done.stderr


def test_offline_is_quick() -> None:
    def seconds() -> float:
        before = os.times()
        assert check("restore", f"--values={EXAMPLE}", "--offline").returncode == 0
        after = os.times()
        user = after.children_user - before.children_user
        return user + after.children_system - before.children_system

    assert min(seconds() for _ in range(3)) < SECONDS_OFFLINE
