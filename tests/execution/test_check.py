"""The command: exit codes, formats, credentials, and its speed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from codeocean_cmdgen.inputs.example import EXAMPLE
from codeocean_cmdgen.simulator import Simulator
from tests.support.checked_world import ROLES, clean_world, values_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS_OFFLINE = 0.5
"""Of a processor, whatever else the machine does."""


WITHOUT_BOTO3 = (
    "import sys; sys.modules['boto3'] = None; from codeocean_cmdgen.cli.app import main; main()"
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
    file = folder / "deployment.toml"
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


BAD_SETTINGS = [
    ("AWS_ENDPOINT_URL", "foo"),
    ("AWS_ENDPOINT_URL", "http://127.0.0.1:99999"),
    ("AWS_MAX_ATTEMPTS", "abc"),
]
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
    assert (done.returncode, done.stdout) == (
        0,
        "restore: 81 checks, 0 errors, 0 warnings; exit 0: no error found\n",
    ), done
    assert "target: " in done.stderr


def test_live_accounts_with_a_fault_fail(simulator: Simulator, tmp_path: Path) -> None:
    """The example goes back to a moment long before the recovery point."""
    environment = environment_of(simulator, tmp_path, ROLES["backup"])
    done = check("restore", values(tmp_path), *PROFILES, "--format=json", **environment)
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert told["fails"]
    assert [finding["check"] for finding in told["findings"]] == ["R09"]
    assert told["not_checked"] == []


def test_what_was_not_checked_is_reported(simulator: Simulator, tmp_path: Path) -> None:
    environment = environment_of(simulator, tmp_path, ROLES["backup"])
    done = check("restore", values(tmp_path), **environment, COLUMNS="400")
    assert "not checked" in done.stdout
    assert "give --profile target=NAME" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert "checks incomplete" in last
    assert last.endswith("; exit 0: no error found in what was checked") == (done.returncode == 0)


def test_without_an_answer_of_any_account_it_fails(tmp_path: Path) -> None:
    done = check("restore", values(tmp_path), COLUMNS="400")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].endswith(
        "; exit 1: no account answered, so only the deployment file was checked"
    )
    assert "no working credentials: give --profile target=NAME" in done.stdout


def test_warnings_alone_are_exit_code_0(tmp_path: Path) -> None:
    file = values(tmp_path, ('"/codeocean/analytics', '"/other/analytics'))
    done = check("restore", file, "--offline")
    assert done.returncode == 0
    assert (
        "0 errors, 1 warning, accounts not checked; exit 0: no error found in what was checked"
        in (done.stdout)
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--profile=backup",), "'backup' is not ROLE=NAME"),
        (("--profile=vault=name",), "'vault=name' is not ROLE=NAME"),
        (
            ("--profile=backup=nobody",),
            "--profile backup: there is no profile 'nobody' in ~/.aws/config or ",
        ),
        (
            ("--profile=backup=nobody",),
            "hint: to list the profiles, run: aws configure ",
        ),
    ],
)
def test_a_bad_profile_is_bad_input(arguments: tuple[str, ...], words: str) -> None:
    done = check("restore", f"--values={EXAMPLE}", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


@pytest.mark.parametrize("setting", BAD_SETTINGS, ids="=".join)
def test_settings_that_the_sdk_cannot_use_are_bad_input(setting: tuple[str, str]) -> None:
    name, text = setting
    environment = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", name: text}
    done = check("restore", f"--values={EXAMPLE}", **environment)
    assert (done.returncode, done.stdout) == (2, "")
    (told,) = (one for one in done.stderr.splitlines() if one.startswith("error: "))
    assert told.startswith("error: the AWS settings cannot be used: ")


def test_a_profile_that_was_not_named_is_not_told_as_if() -> None:
    done = check("restore", f"--values={EXAMPLE}", AWS_PROFILE="nobody")
    assert (done.returncode, done.stdout) == (2, "")
    (told,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert told.startswith("error: AWS_PROFILE: there is no profile 'nobody' in ")
    assert "None" not in done.stderr


def test_a_file_that_cannot_be_read_is_bad_input(tmp_path: Path) -> None:
    file = values(tmp_path, ('account_id = "222222222222"', 'account_id = "2222"'))
    done = check("restore", file, "--offline")
    assert (done.returncode, done.stdout) == (2, "")
    assert "account_id in [backup]" in done.stderr


def test_without_boto3_a_word_says_how_to_get_it() -> None:
    done = run("-c", WITHOUT_BOTO3, "check", "restore", f"--values={EXAMPLE}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install boto3" in done.stderr
    assert "--offline" in done.stderr


def test_offline_is_quick() -> None:
    def seconds() -> float:
        before = os.times()
        assert check("restore", f"--values={EXAMPLE}", "--offline").returncode == 0
        after = os.times()
        user = after.children_user - before.children_user
        return user + after.children_system - before.children_system

    assert min(seconds() for _ in range(3)) < SECONDS_OFFLINE
