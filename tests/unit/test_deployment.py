"""The deployment file: written commented, filled in without harm, its problems told by line."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from codeocean_cmdgen.errors import DiscoveryError
from codeocean_cmdgen.inputs.deployment_file import DeploymentFile, read_deployment_file
from codeocean_cmdgen.inputs.example import empty_file
from codeocean_cmdgen.inputs.update import Fact, update, updated
from codeocean_cmdgen.steps import STEPS, Step
from tests.support.cli import VALUES, refused, run

BUCKETS = tuple(f"arn:aws:s3:::other-{name}" for name in ("capsules", "results"))
CHOICES = {
    "on-demand-backup": ["--run=before-upgrade"],
    "stack-parameters": ["--preset=clear-restore-source"],
}
"""What a person chooses each time is not in the file."""


def uncommented(text: str) -> str:
    return re.sub(r"^#(?! [^ ])(?=.)", "", text, flags=re.MULTILINE)


def file_of(folder: Path, text: str) -> Path:
    file = folder / "deployment.toml"
    file.write_bytes(text.encode())
    return file


# init


def test_init_writes_a_file_for_its_owner_alone_in_which_nothing_is_set(tmp_path: Path) -> None:
    file = tmp_path / "deployment.toml"
    assert run("init", str(file)).code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    read = read_deployment_file(file)
    assert read.problems == []
    assert not any(read.tables.values())
    assert max(map(len, re.findall("^# .*", file.read_text(), re.MULTILINE))) <= 100


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_init_never_touches_what_is_there(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "deployment.toml"
    if kind == "file":
        file.write_text("mine")
    else:
        file.symlink_to(tmp_path / "nowhere")
    refused(run("init", str(file)), "already exists")
    assert not (tmp_path / "nowhere").exists()
    assert kind != "file" or file.read_text() == "mine"


@pytest.mark.parametrize("step", STEPS)
def test_with_its_examples_the_file_feeds_every_step(step: type[Step], tmp_path: Path) -> None:
    file = file_of(tmp_path, uncommented(empty_file()))
    for table in step.tables:
        chosen = CHOICES.get(step.name, [])
        taken = [f"--from={table}"] if len(step.tables) > 1 else []
        assert run(step.name, f"--values={file}", *taken, *chosen).code == 0


def test_with_its_examples_the_file_has_no_problem() -> None:
    assert DeploymentFile("", uncommented(empty_file())).problems == []
    assert read_deployment_file(VALUES).problems == []


# Problems.


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("\n[source]\n\nregoin = 'x'", 4, "'regoin' in [source] is not a known value"),
        ("[source]\n[sauce]", 2, "'sauce' is not one of the tables"),
        ("[source]\na.b = 1", 2, "'a' in [source]"),
        ("[backup.snapshot-copy]\n'account-id' = 1.5", 2, "account-id in [backup.snapshot-copy]"),
        ("[source]\nset = '''\nregion = 1\n'''\nregoin = 1", 5, "'regoin'"),
        ("[source]\nbucket_arn = [ # [x]\n 'regoin = ',\n]\nregoin = 1", 5, "'regoin'"),
        ("source.regoin = 1", 1, "'regoin'"),
        ("# regoin = 1\r\n[source]\r\nregoin = 1\r\n", 3, "'regoin'"),
        ("[source]\nregion = 'a'\nregoin = 1\n[backup]\nregion = 'a'", 3, "'regoin'"),
    ],
)
def test_each_mistake_is_told_with_its_line(text: str, line: int, words: str) -> None:
    problems = DeploymentFile("deployment.toml", text).problems
    (told,) = (one.message for one in problems if words in one.message)
    assert told.startswith(f"--values: deployment.toml:{line}: ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[source]\n[source.stack-parameters]\n", 1),
        ("[source.stack-parameters]\n[source]\n", 2),
        ("\n[source.stack-parameters]\n[source.on-demand-backup]\n", 2),
        ("source.region = 'a'\nsource.stack_name = 'b'\n", 1),
    ],
)
def test_a_table_is_where_its_header_is_and_else_where_it_begins(text: str, line: int) -> None:
    assert DeploymentFile("deployment.toml", text).position("source") == f"deployment.toml:{line}"


def test_a_wrong_value_is_told_once_with_its_line(tmp_path: Path) -> None:
    text = VALUES.read_text().replace('region = "us-east-1"', 'region = "us-east1"')
    file = file_of(tmp_path, text)
    line = text[: text.index("us-east1", text.index("[backup]"))].count("\n") + 1
    outcome = run("snapshot-copy", f"--values={file}")
    refused(outcome, f"{file}:{line}: region in [backup]: 'us-east1' is not an AWS Region")
    own = f"{file}:{line}: "
    assert outcome.err.count(own) == 1
    assert "--region" not in outcome.err


COMMANDS = [
    ["snapshot-copy"],
    ["check", "backup", "--offline"],
    ["discover", "source"],
    ["discover", "recovery-points"],
    ["runbook", "backup"],
    ["render", "backup", "--directory=never-made"],
    ["iam-policy", "snapshot-copy"],
]
"""Every command that takes a deployment file. None of them is about the target here."""


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_refuses_what_is_wrong_anywhere_in_the_file(
    command: list[str], tmp_path: Path
) -> None:
    text = VALUES.read_text().replace('to_host = "', 'to_host = "-')
    file = file_of(tmp_path, f"{text}\n[backup.db-restore]\nuser = 'root'\n")
    outcome = run(*command, f"--values={file}")
    refused(
        outcome,
        "to_host in [target]: ",
        "no step reads user in [backup.db-restore]: remove or move it",
    )
    assert outcome.err.count("error: ") == 2
    assert not Path("never-made").exists()


def test_what_no_step_would_notice_is_told() -> None:
    text = "[backup]\nuntil = 'x'\n[target.volume-restore]\ncommand = 'x'\nregion = ['a', 'b']"
    said = [problem.message for problem in DeploymentFile("f", text).problems]
    assert [re.sub(": expected.*", "", line) for line in said] == [
        "--values: f:2: until in [backup]: 'x' is not a time",
        "--values: f:2: no step reads until in [backup]: remove or move it",
        "--values: f:4: no step reads command in [target.volume-restore]: remove or move it",
        "--values: f:5: region in [target.volume-restore]: give one value, not 2",
    ]


# Facts.

REGION = Fact("source", "region", ("eu-west-1",), "stack one")


def test_a_value_takes_the_place_of_its_example_and_says_where_it_is_from() -> None:
    facts = [
        REGION,
        Fact("source", "bucket_arn", BUCKETS, "S3...Bucket"),
        Fact("backup.snapshot-copy", "role_arn", ("arn:aws:iam::222222222222:role/r",), "there"),
        Fact("target.db-copy-in", "user", ("root",), "no example, no table"),
    ]
    old = empty_file()
    new = updated(old, facts)
    source = new.partition("[source]")[2].partition("\n[")[0]
    assert "#region" not in source
    assert 'region = "eu-west-1" # found: stack one\n' in source
    assert "#bucket_arn" not in source
    assert "] # found: S3...Bucket\n" in source
    assert updated(new, facts) == new
    gone = {line for line in old.splitlines() if line not in new.splitlines()}
    assert all(line.startswith(("#region", "#bucket", '#  "arn', "#]", "#role")) for line in gone)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[source]\nregion = 'x' # mine\n", 'region = "eu-west-1" # mine # found: stack one'),
        ("[source]\nregion = 'x' # found: old\n", 'region = "eu-west-1" # found: stack one'),
        ("[source]\nregion = 'eu-west-1' # mine\n", "region = 'eu-west-1' # mine"),
        ("# gr\u00fcn\n[source]\nrun = 'a'\n\n[backup]\n", "# gr\u00fcn"),
        ("[source.stack-create]\n[source]\n[backup]\n", "[source.stack-create]"),
        ("[backup] # mine\n", "[backup] # mine"),
        ("[source]\r\nregion = 'x'\r\n# mine\r\n", "# mine\r\n"),
        ("", "[source]"),
    ],
)
def test_what_a_person_wrote_stays(text: str, expected: str) -> None:
    new = updated(text, [REGION])
    assert expected in new
    assert DeploymentFile("", new).tables["source"]["region"] == ("eu-west-1",)


def test_a_key_stays_spelled_as_it_is() -> None:
    new = updated(
        "[source]\nbackup-vault-name = 'a1'\n", [Fact("source", "backup_vault_name", ("b2",), "o")]
    )
    assert new == '[source]\nbackup-vault-name = "b2" # found: o\n'


def test_a_file_that_cannot_be_added_to_stays_untouched(tmp_path: Path) -> None:
    text = "source = {region = 'x'}\n"
    file = file_of(tmp_path, text)
    with pytest.raises(
        DiscoveryError, match="the values found cannot be added to a file of this form"
    ):
        update(file, [REGION, Fact("source.stack-create", "region", ("eu-west-1",), "o")])
    assert file.read_text() == text
    assert [one.name for one in tmp_path.iterdir() if one.name != "home"] == ["deployment.toml"]


def test_an_update_says_what_it_replaced_and_keeps_owner_mode_and_links(tmp_path: Path) -> None:
    file = file_of(tmp_path, "\ufeff[source]\r\nregion = 'x'\r\n")
    owner = 65534 if os.geteuid() == 0 else os.geteuid()
    os.chown(file, owner, -1)
    file.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    assert update(link, [REGION]).replaced == ["[source] region was x"]
    assert link.is_symlink()
    assert (file.stat().st_mode & 0o7777, file.stat().st_uid) == (0o640, owner)
    assert file.read_bytes().startswith(b"\xef\xbb\xbf[source]\r\nregion = ")
    assert update(link, [REGION]).total == 0
