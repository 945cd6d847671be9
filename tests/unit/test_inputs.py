"""Where values come from: the default deployment file, one message for one cause, its name."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click
import pytest
import typer

from codeocean_cmdgen.arguments import KNOWN
from codeocean_cmdgen.cli.app import app
from codeocean_cmdgen.inputs import stack_json
from codeocean_cmdgen.inputs.deployment_file import DEPLOYMENT_FILE
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.steps import STEPS
from tests.support.cli import GIVEN, VALUES, options, origins, refused, run

USED = f"note: using {DEPLOYMENT_FILE} in the current folder\n"
COMMANDS = {
    "step": ["snapshot-copy"],
    "check": ["check", "restore", "--offline"],
    "runbook": ["runbook", "restore"],
    "render": ["render", "restore", "--directory=folder"],
    "iam-policy": ["iam-policy", "snapshot-copy"],
    "discover": ["discover", "target", "--stack-json=stack.json"],
    "verify": ["verify", "runbook.md"],
}
"""Every command that takes a deployment file."""
EVERY_COMMAND = pytest.mark.parametrize("command", COMMANDS)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that holds no deployment file yet."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    (work / "stack.json").write_text((VALUES.parent / "stack.json").read_text())
    (work / "runbook.md").write_text(run("runbook", "restore", f"--values={VALUES}").out)
    return work


def default_file() -> Path:
    file = Path(DEPLOYMENT_FILE)
    file.write_text(VALUES.read_text())
    file.chmod(0o600)
    return file


# The default.


@EVERY_COMMAND
def test_the_default_is_read_like_a_named_file(command: str) -> None:
    default_file()
    arguments = COMMANDS[command]
    named = run(*arguments, f"--values={DEPLOYMENT_FILE}")
    outcome = run(*arguments)
    assert (outcome.code, outcome.out) == (named.code, named.out)
    assert outcome.err.count(USED) == 1
    assert outcome.err.replace(USED, "") == re.sub("(?m)^changed: .*\n", "", named.err)


@EVERY_COMMAND
@pytest.mark.parametrize(
    "unsafe",
    [
        lambda file: os.chown(file, 1234, 1234),
        lambda file: file.chmod(0o620),
        lambda file: file.chmod(0o602),
        lambda file: file.rename("other") and file.symlink_to("other"),
    ],
    ids=["owner", "group", "others", "link"],
)
def test_an_unsafe_default_is_never_used(command: str, unsafe: object) -> None:
    file = default_file()
    if os.geteuid():
        pytest.skip("only root can give files away")
    unsafe(file)  # type: ignore[operator]
    outcome = run(*COMMANDS[command])
    # A policy without a file is one for all resources; the others miss what the file would say.
    assert (outcome.code == 0) == (command == "iam-policy")
    assert (
        f"note: {DEPLOYMENT_FILE} in the current folder is not used without --values: "
        in outcome.err
    )
    assert USED not in outcome.err
    assert Path(DEPLOYMENT_FILE).read_text() == VALUES.read_text()
    assert run(*COMMANDS["step"], f"--values={DEPLOYMENT_FILE}").code == 0, "a named file is read"


@EVERY_COMMAND
def test_a_services_instance_has_no_default(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default_file()
    monkeypatch.setattr(stack_json, "STACK_JSON", folder / "stack.json")
    outcome = run(*COMMANDS[command])
    assert USED not in outcome.err
    # A policy without a file is one for all resources; the others miss what the file would say.
    assert (outcome.code == 0) == (command == "iam-policy")


def test_a_policy_never_takes_what_the_instance_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is for the deployment in the file, wherever it is printed."""
    monkeypatch.setattr(stack_json, "STACK_JSON", folder / "stack.json")
    (folder / "some.toml").write_text("[source]\n")
    outcome = run("iam-policy", "s3-batch-replication", "--values=some.toml")
    refused(outcome, "lacks values of s3-batch-replication: account_id, region, role_arn")


def test_a_default_that_is_wrong_is_refused(folder: Path) -> None:
    (folder / DEPLOYMENT_FILE).write_text("[sauce]\n")
    outcome = run(*options("snapshot-copy"))
    assert outcome.code == 2
    assert f"{DEPLOYMENT_FILE}:1: 'sauce' is not one of the tables" in outcome.err


def test_the_header_says_that_a_value_is_from_the_file() -> None:
    default_file()
    script = run("snapshot-copy").out
    assert origins(script)["BACKUP_VAULT_NAME"] == "from deployment file [backup]"


def test_the_file_of_a_verified_folder_comes_before_the_default() -> None:
    run("render", "restore", f"--values={VALUES}", "--directory=there")
    (Path("there") / DEPLOYMENT_FILE).write_text(VALUES.read_text())
    Path(DEPLOYMENT_FILE).write_text("[sauce]\n")
    assert run("verify", "there").code == 0


def test_a_file_of_any_name_may_lie_in_the_verified_folder() -> None:
    run("render", "restore", f"--values={VALUES}", "--directory=there")
    Path("there/customer.toml").write_text(VALUES.read_text())
    run("render", "restore", "--values=there/customer.toml", "--directory=there")
    assert run("render", "restore", "--values=there/customer.toml", "--directory=there").code == 0
    outcome = run("verify", "there", "--values=there/customer.toml")
    assert outcome.code == 0, outcome


# One cause, one message.


def test_a_missing_value_is_named_in_plain_english() -> None:
    outcome = run("volume-delete")
    assert (
        "error: --data-volume-id is missing: the deployment's data volume, such as" in outcome.err
    )
    assert "the the" not in outcome.err


@pytest.mark.parametrize("step", STEPS)
def test_an_unreadable_deployment_file_is_one_error(step: type) -> None:
    outcome = run(step.name, "--values=absent.toml")  # type: ignore[attr-defined]
    told = """\
error: --values: cannot read 'absent.toml': No such file or directory
hint: to create it: codeocean-cmdgen init absent.toml
"""
    assert outcome == (2, "", told)


@EVERY_COMMAND
def test_every_command_reports_the_same_problems(command: str) -> None:
    if command == "discover":
        pytest.skip("it creates an absent file")
    outcome = run(*COMMANDS[command], "--values=absent.toml")
    assert (
        outcome.err
        == """\
error: --values: cannot read 'absent.toml': No such file or directory
hint: to create it: codeocean-cmdgen init absent.toml
"""
    )
    Path("wrong.toml").write_text('[source]\nregion = "nowhere"\n[target]\nregoin = "x"\n')
    outcome = run(*COMMANDS[command], "--values=wrong.toml")
    refused(outcome, "wrong.toml:2: region in [source]", "wrong.toml:4: 'regoin' in [target]")
    assert outcome.err.count("error: ") == 2
    assert outcome.err.lower().count("did you mean") == 1


def test_an_unreadable_stack_json_is_one_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = run("s3-batch-replication", "--stack-json=absent.json")
    told = "error: --stack-json: cannot read 'absent.json': No such file or directory\n"
    assert outcome == (2, "", told)
    too_long = folder / ("x" * 300)  # as a folder that nobody may enter, for root too
    monkeypatch.setattr(stack_json, "STACK_JSON", too_long)
    outcome = run("s3-batch-replication")
    refused(outcome, "--stack-json: cannot read", "File name too long", "or give --account-id")
    assert outcome.err.count("error: ") == 1
    assert run(*options("s3-batch-replication"), "--output=script.sh") == (0, "", "")


def test_did_you_mean_is_said_once() -> None:
    for arguments in (["snapshot-copy", "--acount-id=1"], ["check", "restore", "--value=x"]):
        assert run(*arguments).err.lower().count("did you mean") == 1


# Text that is not ASCII.


@pytest.mark.parametrize("name", [name for name, known in KNOWN.items() if not known.file])
def test_a_value_that_is_not_ascii_is_an_error_with_its_line(name: str) -> None:
    example = KNOWN[name].kind.example
    for text in (f"{example}\u00e9", f"\u0661{example}", "\uff11", "\u00e9"):
        for table in ("source", "backup", "target"):
            file = Path("odd.toml")
            value = f'["{text}"]' if KNOWN[name].many else f'"{text}"'
            file.write_text(f"[{table}]\n{name} = {value}\n", encoding="utf-8")
            refused(run("check", "backup", "--offline", "--values=odd.toml"), "odd.toml:2: ")
    refused(run("runbook", "restore", "--values=odd.toml"), "odd.toml:2: ")


def test_a_path_that_is_not_ascii_is_an_error() -> None:
    text = VALUES.read_text().replace("[target.stack-create]\n", "[target.stack-create]\n{}\n")
    Path("odd.toml").write_text(text.format('parameters_from = "\u00e9.json"'), encoding="utf-8")
    refused(run("runbook", "restore", "--values=odd.toml"), "cannot read '\\xe9.json'")


def test_a_comment_may_be_in_any_language() -> None:
    text = VALUES.read_text()
    Path("plain.toml").write_text(f"# e\n{text}", encoding="utf-8")
    expected = run("runbook", "restore", "--values=plain.toml")
    Path("plain.toml").write_text(f"# \u00e9\n{text}", encoding="utf-8")
    assert run("runbook", "restore", "--values=plain.toml") == expected


def test_bytes_that_are_not_utf_8_are_named_with_their_line() -> None:
    Path("latin.toml").write_bytes(b"[source]\n# \xe9\n")
    refused(run("check", "backup", "--values=latin.toml"), "latin.toml:2: this line is not UTF-8")


# The name of the file.


@pytest.mark.parametrize("name", ["\u00e9.toml", "a`b.toml", "a\nb.toml", "a$(b).toml", "a'b.toml"])
def test_a_runbook_refuses_a_name_that_it_cannot_show(name: str) -> None:
    Path(name).write_text(VALUES.read_text())
    for arguments in (["runbook", "restore"], ["render", "restore", "--directory=there"]):
        refused(run(*arguments, f"--values={name}"), "a runbook cannot name the file", "rename it")
    assert run("snapshot-copy", f"--values={name}").code == 0


@pytest.mark.parametrize("procedure", PROCEDURES)
def test_a_runbook_names_the_file_without_its_folder(procedure: str) -> None:
    Path("deep").mkdir()
    for name in ("customer.toml", "my customer.toml"):
        text = "[source]\n"
        Path("deep", name).write_text(text)
        Path(name).write_text(text)
        shown = run("runbook", procedure, f"--values=deep/{name}")
        assert shown.out == run("runbook", procedure, f"--values={name}").out
        quoted = name if " " not in name else f"'{name}'"
        assert f"--values {quoted}" in shown.out
        assert DEPLOYMENT_FILE not in shown.out
        assert "{file}" not in shown.out


# The environment.


def test_the_rule_about_variables_holds_for_every_option_of_every_command() -> None:
    """It is stated in `--help`: a step's options have one each, other commands have none."""
    told = " ".join(run("--help").out.split())
    assert "Every option of a step, except --help, can also be set" in told
    assert "CODEOCEAN_CMDGEN_<STEP>_<OPTION>" in told
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group)
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        for option in command.params:
            long = max(option.opts, key=len).lstrip("-")
            variable = f"CODEOCEAN_CMDGEN_{name}_{long}".upper().replace("-", "_")
            assert option.envvar == (variable if name in GIVEN else None), (name, option)
