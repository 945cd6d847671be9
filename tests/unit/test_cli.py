"""The command line: where values come from, and that bad input never becomes a script."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import click
import pexpect
import pytest
import typer
from hypothesis import assume, given
from hypothesis import strategies as st

from codeocean_cmdgen.arguments import VOCABULARY, flag
from codeocean_cmdgen.cli.app import app
from codeocean_cmdgen.inputs import stack_json
from codeocean_cmdgen.inputs.deployment_file import DeploymentFile
from codeocean_cmdgen.marks import is_ours
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.steps import STEPS, InstanceHold, SnapshotCopy, Step
from codeocean_cmdgen.values import Preset, Switch
from codeocean_cmdgen.vendor import REPLICATED_BUCKETS
from tests.support.cases import needed
from tests.support.cli import (
    CANARIES,
    EXAMPLES,
    GIVEN,
    PROGRAM,
    STACK,
    VALUES,
    Outcome,
    deployment_file,
    options,
    origins,
    refused,
    run,
    stack_file,
    start,
    toml_string,
)
from tests.support.wrapper import body_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUCKETS = tuple(
    "--bucket-arn=arn:aws:s3:::codeocean-source-" + name for name in ("capsules", "results")
)


# Everything given.


@pytest.mark.parametrize("step", STEPS)
def test_options_alone_make_a_script(step: type[Step]) -> None:
    outcome = run(*options(step.name))
    assert (outcome.code, outcome.err) == (0, "")
    assert body_of(outcome.out).startswith("# shellcheck shell=bash\n")
    for name in GIVEN[step.name]:
        assert origins(outcome.out)[name.upper()] == "from option"


@pytest.mark.parametrize("step", STEPS)
def test_the_example_values_make_a_script(step: type[Step]) -> None:
    # No example names a round: where one must be named, each is another one.
    more = ["--run=before-upgrade"] if step.arguments().get("run") else []
    assert run(step.name, f"--values={VALUES}", *more).code == 0


@pytest.mark.parametrize(
    "arguments", [["--help"], ["-h"], *([step.name, "--help"] for step in STEPS)]
)
def test_help(arguments: list[str]) -> None:
    outcome = run(*arguments)
    assert (outcome.code, outcome.err) == (0, "")
    assert "Usage: codeocean-cmdgen" in outcome.out


@pytest.mark.parametrize(
    ("word", "suggested"), [("runbok", "runbook"), ("snapshot-cpy", "snapshot-copy"), ("xyz", "")]
)
def test_a_mistyped_command_is_recognized_once(word: str, suggested: str) -> None:
    outcome = run(word)
    meant = f": did you mean {suggested}?" if suggested else ""
    assert outcome.err.splitlines()[0] == f"error: no such command '{word}'{meant}"


def test_help_lists_each_command_once_and_those_of_the_first_day_first() -> None:
    text = run("--help").out
    listed = re.findall(r"^  ([a-z][a-z0-9-]+)  ", text, re.MULTILINE)
    first_day = ["init", "discover", "check", "iam-policy", "runbook", "render", "verify"]
    further = ["simulate", "rehearse", "completion"]
    assert listed == [*first_day, *further, *(step.name for step in STEPS)]


def test_help_shows_which_procedures_use_a_step() -> None:
    text = run("--help").out
    for step in STEPS:
        (marks,) = re.findall(rf"^  {step.name} +((?:[A-Z-] ){{3}}) ", text, re.MULTILINE)
        used = [name[0].upper() if step in one.steps else "-" for name, one in PROCEDURES.items()]
        assert marks.split() == used


@pytest.mark.parametrize("step", STEPS)
def test_the_help_of_a_step_shows_what_its_options_need(step: type[Step]) -> None:
    text = re.sub(r"(?<=\w)-\n +", "-", run(step.name, "--help").out)  # lines end at hyphens too
    words = " ".join(text.split())
    assert f"Paste the script into: {step.header['where']}" in words
    for name, is_needed in step.arguments().items():
        about = re.search(rf" {flag(name)} (.*?) (--[a-z-]+|-o,) ", words)
        assert about, name
        assert ("[required" in about[1]) == is_needed
        assert VOCABULARY[name].where in about[1]
        default = getattr(step, name, None)
        shown = default not in {None, ()} and VOCABULARY[name].kind is not Switch
        assert (f"default: {default}" in about[1]) == shown
    for preset in Preset.names if "preset" in step.arguments() else ():
        assert f" {preset} " in words


def examples(command: str) -> list[list[str]]:
    """Return the arguments of each example in the help of a command."""
    shown = run(command, "--help").out.partition("\n  Example")[2]
    return [shlex.split(line) for line in re.findall(r"codeocean-cmdgen( [\w ./=-]+)", shown)]


EXAMPLES_NEED = {"discover": "AWS", "simulate": "the simulator", "rehearse": "the simulator"}
"""Commands whose examples are only parsed, and what they would need."""


def test_the_examples_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the help, as on a first day."""
    monkeypatch.chdir(tmp_path)
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group)
    context = click.Context(group)
    for name in group.list_commands(context):
        shown = examples(name)
        assert shown, name
        for arguments in shown:
            command = group.get_command(context, name)
            assert command is not None
            command.make_context(name, arguments[1:], parent=context)
            if name not in EXAMPLES_NEED and "--profile" not in arguments:
                assert run(*arguments).code == 0, arguments
        if name == "init":
            Path("deployment.toml").write_text(VALUES.read_text())


# Precedence and origins.


def test_option_beats_environment_beats_deployment_file_beats_stack_json(tmp_path: Path) -> None:
    stack = stack_file(tmp_path)
    given = ["s3-batch-replication", stack]
    script = run(*given).out
    assert "REGION=us-east-1\n" in script
    assert set(origins(script).values()) == {
        "from stack.json",
        "by default",
        "made from the values above and the options",
        "the step",
    }
    given += [f"--values={VALUES}", "--run=r1"]
    script = run(*given).out
    assert origins(script)["REGION"] == "from deployment file [source]"
    assert origins(script)["ROLE_ARN"] == "from deployment file [source.s3-batch-replication]"
    environment = {"CODEOCEAN_CMDGEN_S3_BATCH_REPLICATION_REGION": "eu-west-1"}
    script = run(*given, **environment).out
    assert "REGION=eu-west-1\n" in script
    variable = "from environment CODEOCEAN_CMDGEN_S3_BATCH_REPLICATION_REGION"
    assert origins(script)["REGION"] == variable
    script = run(*given, "--region=ca-central-1", **environment).out
    assert "REGION=ca-central-1\n" in script
    assert origins(script)["REGION"] == "from option"


def test_the_environment_of_one_step_does_not_reach_the_other() -> None:
    environment = {"CODEOCEAN_CMDGEN_SNAPSHOT_COPY_ACCOUNT_ID": "222222222222"}
    own = run(*options("snapshot-copy", account_id=""), **environment)
    assert own.code == 0
    other = run(*options("s3-batch-replication", account_id=""), **environment)
    refused(other, "--account-id is missing")


def test_the_environment_gives_lists_switches_and_the_table() -> None:
    prefix = "CODEOCEAN_CMDGEN_S3_BATCH_REPLICATION_"
    environment = {
        f"{prefix}FROM": "backup",
        f"{prefix}BUCKET_ARN": "arn:aws:s3:::one1 arn:aws:s3:::two2",
        f"{prefix}ONLY_MISSING": "1",
    }
    script = run("s3-batch-replication", f"--values={VALUES}", **environment).out
    assert "ACCOUNT_ID=222222222222\n" in script
    assert "BUCKET_ARN=(\n    arn:aws:s3:::one1\n    arn:aws:s3:::two2\n  )" in script
    assert '"ObjectReplicationStatuses": ["NONE", "FAILED"]' in script


def test_a_switch_is_turned_off_by_what_comes_before_the_values_file(tmp_path: Path) -> None:
    values = deployment_file(tmp_path, "[source]\nonly-missing=true")
    arguments = [*options("s3-batch-replication"), values]
    assert '["NONE", "FAILED"]' in run(*arguments).out
    environment = {"CODEOCEAN_CMDGEN_S3_BATCH_REPLICATION_ONLY_MISSING": "no"}
    assert '"COMPLETED", "REPLICA"]' in run(*arguments, **environment).out


def test_the_narrower_table_wins_and_keys_take_hyphens_too(tmp_path: Path) -> None:
    text = """
        [backup]
        account-id = 222222222222
        retention_days = 7
        destination-vault-arn = "arn:aws:backup:us-east-1:444444444444:backup-vault:wide"
        [backup.snapshot-copy]
        retention-days = "30"
        [target]
        destination_vault_arn = "arn:aws:backup:us-east-1:333333333333:backup-vault:own"
    """
    arguments = options("snapshot-copy", account_id="", destination_vault_arn="")
    script = run(*arguments, deployment_file(tmp_path, text)).out
    assert "ACCOUNT_ID=222222222222\n" in script
    assert "RETENTION_DAYS=30\n" in script
    assert "backup-vault:own\n" in script
    assert origins(script)["RETENTION_DAYS"] == "from deployment file [backup.snapshot-copy]"
    assert origins(script)["DESTINATION_VAULT_ARN"] == "from deployment file [target]"


def test_the_values_file_is_read_by_table() -> None:
    script = run("s3-batch-replication", f"--values={VALUES}", "--from=backup").out
    assert "ACCOUNT_ID=222222222222\n" in script
    assert "codeocean-source" not in script


# Stacks.


def changes(*arguments: str) -> dict[str, str | None]:
    """Return the changes in the script that these arguments make."""
    script = run(*arguments).out
    document = script.partition("CHANGES='")[2].partition("'\n")[0]
    found: dict[str, str | None] = json.loads(document)
    pairs = (one.partition("=") for one in array(script, "SET"))
    found.update((key, value) for key, _, value in pairs)
    return {**found, **dict.fromkeys(array(script, "CLEAR"))}


def array(script: str, name: str) -> list[str]:
    """Return the words of an array in the values of a script."""
    (words,) = re.findall(rf"^  {name}=\((.*?)\)$", script, re.MULTILINE | re.DOTALL)
    return shlex.split(words)


def test_a_migration_keeps_objects_in_standard_and_knows_another_region() -> None:
    there = (
        "--destination-vault-arn=arn:aws:backup:eu-west-1:333333333333:backup-vault:codeocean-v1"
    )
    arguments = ["stack-parameters", f"--values={VALUES}", "--preset=migration-destination", there]
    made = changes(*arguments)
    assert made["pDestinationBackupS3StorageClass"] == "STANDARD"
    assert made["pDestinationBackupVaultCrossRegion"] == "yes"
    assert made["pDestinationBackupS3KmsKey"] == "arn:aws:kms:eu-west-1:333333333333:alias/aws/s3"


def test_what_is_set_or_cleared_goes_before_a_preset() -> None:
    given = (
        "--set=pDestinationBackupS3StorageClass=STANDARD",
        "--clear=pDestinationBackupVaultArn",
    )
    made = changes("stack-parameters", f"--values={VALUES}", *given)
    assert made["pDestinationBackupS3StorageClass"] == "STANDARD"
    assert made["pDestinationBackupVaultArn"] is None


def test_buckets_are_told_by_their_names_as_cloudformation_makes_them() -> None:
    names = [f"codeocean-s3{kind.lower()}bucket-1abc" for kind in REPLICATED_BUCKETS]
    buckets = [f"--destination-bucket-arn=arn:aws:s3:::{name}" for name in reversed(names)]
    made = changes("stack-parameters", f"--values={VALUES}", *buckets)
    for kind, name in zip(REPLICATED_BUCKETS, names):
        assert made[f"pDestinationBackup{kind}BucketArn"] == f"arn:aws:s3:::{name}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["nothing to do: give --preset, --set, --clear or --template-url"]),
        (["--preset=backup"], ["'backup' is not a preset: expected backup-destination, "]),
        (["--preset=restore-source"], ["--restore-source-account-id is missing"]),
        (
            [
                "--preset=backup-destination",
                "--destination-bucket-arn=arn:aws:s3:::x-datasetsinput",
            ],
            [
                "--destination-vault-arn is missing",
                "0 of the buckets look like the one for Datasets",
                "x-datasetsinput is not one of the nine replicated buckets",
            ],
        ),
        (
            ["--set=pA=1", "--clear=pA"],
            ["parameter pA is given 2 times in --set and --clear: give it once"],
        ),
        (["--set=pA"], ["'pA' is not a stack parameter and its value: expected KEY=VALUE"]),
        (["--template-url=http://example.com/t"], ["is not the URL of a template in S3"]),
    ],
)
def test_what_no_stack_can_be_changed_by(arguments: list[str], words: list[str]) -> None:
    place = [f"{flag(name)}={text}" for name, text in needed(InstanceHold).items()]
    refused(run("stack-parameters", *place, *arguments), *words)


@pytest.mark.parametrize(
    "text", [None, "{", "{}", '{"Stacks": []}', '{"Stacks": [1]}', "[" * 99999]
)
def test_a_file_that_describes_no_stack_is_refused(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "stack"
    if text is not None:
        file.write_text(text)
    outcome = run("stack-create", f"--values={VALUES}", f"--parameters-from={file}")
    refused(outcome, "--parameters-from: ")


def test_a_saved_stack_gives_its_parameters_but_none_of_its_own(tmp_path: Path) -> None:
    saved = {"pA": "1", "pSecret": "****", "pDestinationBackupVaultArn": "v", "pB": "2"}
    parameters = [{"ParameterKey": key, "ParameterValue": saved[key]} for key in saved]
    file = tmp_path / "stack"
    file.write_text(json.dumps({"Stacks": [{"Parameters": parameters}]}))
    arguments = ["stack-create", f"--values={VALUES}", "--set=pB=3", f"--parameters-from={file}"]
    assert changes(*arguments) == {"pA": "1", "pB": "3"}


# The policy.


def test_the_policy_is_json_and_its_notes_are_elsewhere() -> None:
    outcome = run("iam-policy", "snapshot-copy", "service-stop", f"--values={VALUES}")
    assert outcome.code == 0
    assert json.loads(outcome.out)["Version"] == "2012-10-17"
    assert "service-stop runs with the role of the services instance" in outcome.err


def test_a_policy_without_a_file_says_that_it_allows_all_resources() -> None:
    outcome = run("iam-policy", "snapshot-copy")
    assert json.loads(outcome.out)["Statement"]
    note = "note: no deployment file was read, so the policy allows all resources of each type"
    assert f"{note}; to name one: --values FILE\n" in outcome.err
    for narrower in (f"--values={VALUES}", "--all-resources"):
        assert "all resources" not in run("iam-policy", "snapshot-copy", narrower).err


def test_the_policy_takes_the_table_that_a_step_has() -> None:
    arguments = ["iam-policy", "s3-batch-replication", "snapshot-copy", f"--values={VALUES}"]
    assert "codeocean-source-capsules" in run(*arguments).out
    assert "codeocean-backup-capsules" in run(*arguments, "--from=backup").out


def test_a_policy_for_no_step_is_refused(tmp_path: Path) -> None:
    assert run("iam-policy", "snapshot-cpy").code == 2


def test_one_policy_for_two_accounts_is_told() -> None:
    told = run("iam-policy", "snapshot-copy", "instance-hold", f"--values={VALUES}").err
    assert "snapshot-copy in 222222222222, instance-hold in 333333333333. Print a policy" in told
    told = run("iam-policy", "db-restore", "instance-hold", f"--values={VALUES}").err
    assert "different accounts" not in told


def test_the_policy_of_an_incomplete_file_names_what_is_missing(tmp_path: Path) -> None:
    """It has no option for a value, so it names the values as the file does."""
    file = deployment_file(tmp_path, "[backup]\naccount_id = '222222222222'\n")
    steps = ("snapshot-copy", "instance-hold")
    outcome = run("iam-policy", *steps, file)
    refused(
        outcome,
        "[backup] lacks values of snapshot-copy: region, backup_vault_name, ebs_snapshot_arn, "
        "rds_snapshot_arn, destination_vault_arn, role_arn",
        "[target] lacks values of instance-hold: account_id, region, stack_name",
    )
    assert "--account-id" not in outcome.err
    hint = "or allow all resources: codeocean-cmdgen iam-policy snapshot-copy instance-hold"
    assert f"{hint} --all-resources\n" in outcome.err
    assert outcome.err.count("hint: ") == 1


def test_a_policy_for_all_resources_reads_no_file(tmp_path: Path) -> None:
    file = deployment_file(tmp_path, "[backup]\n")
    with_file = run("iam-policy", "snapshot-copy", "--all-resources", file)
    assert with_file.code == 2
    outcome = run("iam-policy", "snapshot-copy", "--all-resources")
    assert (outcome.code, outcome.out) == (0, run("iam-policy", "snapshot-copy").out)


def test_a_policy_never_asks_for_a_run() -> None:
    """No permission depends on the run, which is chosen for each script."""
    outcome = run("iam-policy", "on-demand-backup", f"--values={VALUES}")
    assert outcome.code == 0, outcome.err
    assert "codeocean-v1" in outcome.out


# Bad input.


def test_every_problem_is_told_at_once() -> None:
    outcome = run(
        "snapshot-copy",
        "--account-id=0123456789",
        "--region=us-east-1a",
        f"--ebs-snapshot-arn={GIVEN['snapshot-copy']['rds_snapshot_arn']}",
        f"--rds-snapshot-arn={GIVEN['snapshot-copy']['ebs_snapshot_arn']}",
        "--retention-days=0",
    )
    refused(
        outcome,
        "--account-id: '0123456789' is not an AWS account ID",
        "sample from the vendor's guide",
        "--account-id: ",
        "hint: find it in: AWS console",
        "Availability Zone of us-east-1",
        "this is an RDS snapshot ARN",
        "this is an EBS snapshot ARN",
        "--backup-vault-name is missing",
        "--destination-vault-arn is missing",
        "--role-arn is missing",
        "--retention-days",
    )
    assert outcome.err.count("error: ") == 8


@pytest.mark.parametrize(
    ("step", "changes", "words"),
    [
        (
            "s3-batch-replication",
            {"role_arn": "arn:aws:iam::222222222222:role/r"},
            "--role-arn is a role of account 222222222222, but the job runs in --account-id 1111",
        ),
        (
            "s3-batch-replication",
            {"role_arn": "arn:aws-cn:iam::111111111111:role/r"},
            "--role-arn arn:aws-cn:iam::111111111111:role/r is in partition aws-cn",
        ),
        (
            "s3-batch-replication",
            {"bucket_arn": "arn:aws-cn:s3:::codeocean-source-capsules"},
            "--bucket-arn arn:aws-cn:s3:::codeocean-source-capsules is in partition aws-cn, but",
        ),
        (
            "s3-batch-replication",
            {"report_bucket_arn": "arn:aws-us-gov:s3:::codeocean-source-temp"},
            "--report-bucket-arn arn:aws-us-gov:s3:::codeocean-source-temp is in partition",
        ),
        (
            "s3-batch-replication",
            {"report_bucket_arn": "arn:aws:s3:::codeocean-source-capsules"},
            "is one of the buckets to replicate from",
        ),
        (
            "s3-point-in-time",
            {"until": "2019-11-24T05:00:00+01:00"},
            "--at 2019-11-24T04:00:00Z is not before --until 2019-11-24T05:00:00+01:00",
        ),
        (
            "snapshot-copy",
            {"role_arn": "arn:aws:iam::333333333333:role/r"},
            "--role-arn is a role of account 333333333333",
        ),
        (
            "snapshot-copy",
            {"role_arn": "arn:aws-us-gov:iam::222222222222:role/r"},
            "is in partition aws-us-gov",
        ),
        (
            "snapshot-copy",
            {"account_id": "444444444444", "role_arn": "arn:aws:iam::444444444444:role/r"},
            "--rds-snapshot-arn is in account 222222222222, but --account-id",
        ),
        (
            "snapshot-copy",
            {"ebs_snapshot_arn": "arn:aws:ec2:eu-west-1::snapshot/snap-01234567"},
            "--ebs-snapshot-arn is in Region eu-west-1, but --region",
        ),
        (
            "snapshot-copy",
            {"rds_snapshot_arn": "arn:aws:rds:eu-west-1:222222222222:snapshot:awsbackup:job-1"},
            "--rds-snapshot-arn is in Region eu-west-1, but --region",
        ),
        (
            "snapshot-copy",
            {"ebs_snapshot_arn": "arn:aws-cn:ec2:cn-north-1::snapshot/snap-01234567"},
            "is in partition aws-cn, but --region us-east-1 is in aws",
        ),
        (
            "snapshot-copy",
            {"rds_snapshot_arn": "arn:aws-cn:rds:cn-north-1:222222222222:snapshot:awsbackup:job-1"},
            "is in partition aws-cn, but --region us-east-1 is in aws",
        ),
        (
            "snapshot-copy",
            {
                "destination_vault_arn": "arn:aws-us-gov:backup:us-gov-west-1:333333333333:"
                "backup-vault:v1"
            },
            "--destination-vault-arn arn:aws-us-gov:backup:us-gov-west-1:333333333333:",
        ),
        (
            "snapshot-copy",
            {
                "destination_vault_arn": "arn:aws:backup:us-east-1:222222222222:backup-vault:"
                "codeocean-backup-v1"
            },
            "--destination-vault-arn is the vault that is copied from",
        ),
    ],
)
def test_cross_checks(step: str, changes: dict[str, str], words: str) -> None:
    outcome = run(*options(step, **changes))
    refused(outcome, words)
    assert outcome.err.count("error: ") == 1


def test_no_bucket_is_named_twice() -> None:
    outcome = run(*options("s3-batch-replication", bucket_arn=""), *BUCKETS, BUCKETS[0])
    refused(outcome, "--bucket-arn arn:aws:s3:::codeocean-source-capsules is given 2 times")


def test_more_buckets_than_a_script_holds_are_refused() -> None:
    buckets = [f"--bucket-arn=arn:aws:s3:::codeocean-{'x' * 40}{n}" for n in range(900)]
    outcome = run(*options("s3-batch-replication", bucket_arn=""), *buckets)
    refused(outcome, "more than the 60,000 bytes that one paste", "give fewer --bucket-arn")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[sauce]\nregion='us-east-1'",
            ["'sauce' is not one of the tables", "did you mean source?"],
        ),
        ("region='us-east-1'", ["'region' is not one of the tables [source], [backup], [target]"]),
        ("[backup]\nregoin='us-east-1'", ["'regoin' in [backup]", "hint: did you mean region?"]),
        ("[backup.snapshot-cpy]\n", ["'snapshot-cpy' in [backup]", "did you mean snapshot-copy?"]),
        ("[backup.snapshot-copy]\nrun_='x'", ["'run_' in [backup.snapshot-copy]", "mean run?"]),
        (
            "[backup]\nregion=1.5",
            ["region in [backup] is not a text", 'write region = "us-'],
        ),
        ("[backup]\nregion=[]", ["region in [backup] is not a text"]),
        ("[backup]\nregion={a='b'}", ["region in [backup] is not a text"]),
        ("[backup]\nregion=['a','b']", ["region in [backup]: give one value, not 2"]),
        ("[backup]\nrun='a'\n[backup.snapshot-copy]\naccount-id='a'\naccount_id='b'", ["twice"]),
        ("[backup]\naccount_id=-1", ["account_id in [backup] is not a text"]),
        ("[backup]\naccount_id=0x" + "f" * 9999, ["account_id in [backup] is not a text"]),
        ("[backup]\naccount_id=" + "9" * 9999, ["is not TOML"]),
        ("[backup]\naccount_id=012345678901", ["is not TOML", "put texts in quotes"]),
        ("[backup]\nregion=us-east-1", ["is not TOML", "put texts in quotes"]),
        ("[backup]\nregion=" + "[" * 99999, ["is not TOML"]),
        ("[source]\n[backup]\n[source]\n", ["twice (at line 3", "write each [table] once"]),
        (
            "[backup]\nregion='us-east-1'\nregion='us-east-1'\n",
            ["Cannot overwrite a value (at line 3", "write each value once"],
        ),
        (
            "[backup]\n'\\e[2J\u00e9'=1\n\"\\n\\u001b\"=2",
            ["is not a known value"],
        ),
    ],
)
def test_mistakes_in_the_values_file(text: str, words: list[str], tmp_path: Path) -> None:
    arguments = options("snapshot-copy", account_id="", region="")
    outcome = run(*arguments, deployment_file(tmp_path, text))
    refused(outcome, *words)


def test_a_values_file_that_cannot_be_read(tmp_path: Path) -> None:
    absent = tmp_path / "absent\n\x1b[2J.toml"
    refused(run(*options("snapshot-copy"), f"--values={absent}"), "No such file")
    refused(run(*options("snapshot-copy"), f"--values={tmp_path}"), "Is a directory")
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"[source]\nregion = '\xe9'")
    refused(run(*options("snapshot-copy"), f"--values={latin}"), "is not UTF-8 text")


@pytest.fixture
def odd_files(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Yield files that would block, or never end, or that are no files at all."""
    names = ("fifo", "socket", "device", "large", "sparse", "loop")
    files = {name: tmp_path / name for name in names}
    os.mkfifo(files["fifo"])
    files["device"].symlink_to("/dev/zero")
    files["large"].write_bytes(b"#" * (2**20 + 1))
    with files["sparse"].open("wb") as sparse:
        sparse.truncate(2**40)
    files["loop"].symlink_to(files["loop"])
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(files["socket"]))
        yield {**files, "folder": tmp_path}


ODD = {
    "fifo": "it is not a regular file",
    "socket": "No such device or address",
    "device": "it is not a regular file",
    "large": "it is larger than 1 MiB",
    "sparse": "it is larger than 1 MiB",
    "loop": "Too many levels of symbolic links",
    "folder": "Is a directory",
}


READERS = (
    [*options("snapshot-copy"), "--values={}"],
    ["s3-batch-replication", "--stack-json={}"],
    [*options("stack-create"), "--parameters-from={}"],
    ["runbook", "backup", "--values={}"],
    ["check", "backup", "--offline", "--values={}"],
    ["iam-policy", "service-stop", "--values={}"],
    ["discover", "source", "--values={}"],
    ["discover", "source", "--stack-json={}", "--values={}-new"],
)
"""What takes a file. All read it in one way: each meets one kind, and each kind two of them."""


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        *(("fifo", command) for command in READERS),
        *((kind, command) for kind in ODD if kind != "fifo" for command in READERS[1:3]),
    ],
)
def test_an_odd_file_is_refused_at_once(
    kind: str, command: list[str], odd_files: dict[str, Path]
) -> None:
    file = odd_files[kind]
    words = [word.format(file) for word in command]
    done = start(*words, timeout=30, preexec_fn=_of_little_memory)
    told = [one for one in done.stderr.splitlines() if "cannot read" in one]
    assert (done.returncode, len(told)) == (2, 1), done
    assert told[0].startswith("error: --")
    assert f"cannot read '{file}': {ODD[kind]}" in told[0]


def _of_little_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))


DEEP = {
    "a dotted key": "a." * 50_000 + "b = 1",
    "blanks": "a . " * 50_000 + "b = 1",
    "quotes": "'a'.\"b\"." * 50_000 + "b = 1",
    "a header": "[" + "a." * 50_000 + "b]",
    "an inline table": "a = {" + "a." * 50_000 + "b = 1}",
    "after a text": 'a = {b = """c"""", ' + "a." * 50_000 + "b = 1}",
    "after another text": "a = {b = '''c''''', " + "a." * 50_000 + "b = 1}",
    "after a comment": "a = [ # \"\n'#', {" + "a." * 50_000 + "b = 1}]",
    "lists": "a = " + "[" * 500_000,
}


@pytest.mark.parametrize("text", DEEP.values(), ids=list(DEEP))
def test_a_deep_key_eats_no_memory(text: str, tmp_path: Path) -> None:
    given = deployment_file(tmp_path, f"# a comment\n{text}\n")
    done = start(*options("snapshot-copy"), given, timeout=60, preexec_fn=_of_little_memory)
    assert done.returncode == 2
    assert "is not TOML: more than 8 nested keys or brackets (at line 2)" in done.stderr


def test_dots_in_texts_and_comments_are_no_keys(tmp_path: Path) -> None:
    dots = "a." * 50 + "a"
    text = f"# {dots}\n[source]\nstack_name = 'x' # {dots}\nregion = \"{dots}\"\n"
    (only,) = DeploymentFile("", text).problems
    assert "region in [source]" in only.message
    assert "'a.a.a." in only.message


def test_lines_are_found_in_a_time_that_grows_with_the_file() -> None:
    def seconds(lines: int) -> float:
        text = "[source]\nbucket_arn = [\n" + '  "x",\n' * lines + "]\nodd = 1\n"
        begun = time.process_time()
        assert DeploymentFile("", text).position("source", "odd") == f":{lines + 4}"
        return time.process_time() - begun

    short, long = (min(seconds(lines) for _ in range(3)) for lines in (2_000, 20_000))
    assert long < 50 * max(short, 0.01), "quadratic, it would be 100"


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    text = VALUES.read_text(encoding="utf-8")
    plain = run("snapshot-copy", f"--values={VALUES}")
    assert run("snapshot-copy", deployment_file(tmp_path, f"\ufeff{text}")) == plain
    stack = tmp_path / "stack.json"
    stack.write_text((EXAMPLES / "stack.json").read_text(), encoding="utf-8-sig")
    assert run("s3-batch-replication", f"--stack-json={stack}").code == 0
    saved = tmp_path / "saved.json"
    saved.write_text('{"Stacks": [{"Parameters": []}]}', encoding="utf-8-sig")
    assert run(*options("stack-create"), f"--parameters-from={saved}").code == 0


def test_a_value_in_the_place_of_a_table_is_told(tmp_path: Path) -> None:
    told = "deployment.toml:1: source is a table: write [source] on a line of its own"
    refused(run(*options("snapshot-copy"), deployment_file(tmp_path, "source = 5\n")), told)


@pytest.mark.parametrize(
    "bad",
    [
        ["--account-id=0123456789"],
        ["--role-arn=arn:aws:iam::999999999999:role/r"],
        ["--values=/absent.toml"],
        ["--stack-json=/absent.json"],
        ["--no-such-option"],
    ],
)
def test_the_output_file_is_untouched_by_bad_input(bad: list[str], tmp_path: Path) -> None:
    output = tmp_path / "script.sh"
    output.write_text("mine")
    output.chmod(0o640)
    os.utime(output, (1, 1))
    outcome = start(*options("s3-batch-replication"), *bad, "-o", str(output))
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert outcome.stderr
    state = output.stat()
    assert (output.read_text(), state.st_mtime, state.st_mode & 0o777) == ("mine", 1, 0o640)
    assert {file.name for file in tmp_path.iterdir()} == {"home", "script.sh"}


# Where the script goes.


def test_the_output_file_is_the_owners_alone_and_whole(tmp_path: Path) -> None:
    output = tmp_path / "folder" / "script.sh"
    output.parent.mkdir()
    for _ in range(2):
        outcome = run(*options("snapshot-copy"), f"--output={output}")
        assert outcome == (0, "", "")
        assert output.stat().st_mode & 0o777 == 0o700
        output.chmod(0o644)
    assert output.read_text() == run(*options("snapshot-copy")).out
    assert list(output.parent.iterdir()) == [output]


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for target in (tmp_path, tmp_path / "no" / "script.sh", Path("/proc/script.sh"), fifo):
        refused(run(*options("snapshot-copy"), f"--output={target}"), f"'{target}'")
    assert fifo.is_fifo()
    assert {file.name for file in tmp_path.iterdir()} == {"home", "fifo"}


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    output = tmp_path / "folder" / "script.sh"
    output.parent.mkdir()
    old = run(*options("service-stop")).out
    output.write_text(old)
    outcome = start(
        *options("snapshot-copy"),
        f"--output={output}",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)),
    )
    assert outcome.returncode == 2
    assert "--output: cannot write" in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert output.read_text() == old
    assert list(output.parent.iterdir()) == [output]


COMMANDS_WITH_OUTPUT = {
    "step": options("snapshot-copy"),
    "runbook": ["runbook", "backup", f"--values={VALUES}"],
    "page": ["runbook", "backup", f"--values={VALUES}", "--format=html"],
}
EVERY_OUTPUT = pytest.mark.parametrize("arguments", COMMANDS_WITH_OUTPUT.values())


@EVERY_OUTPUT
@pytest.mark.parametrize(
    "text",
    ["mine\n", "(\n  echo mine\n)\n", "# Runbook: mine\n", "<!doctype html>\n<p>mine</p>\n"],
)
def test_a_file_that_is_not_ours_is_never_replaced(
    arguments: list[str], text: str, tmp_path: Path
) -> None:
    output = tmp_path / "notes"
    output.write_text(text)
    outcome = run(*arguments, f"--output={output}")
    refused(outcome, "exists and was not written by codeocean-cmdgen", "choose another name")
    assert output.read_text() == text


@EVERY_OUTPUT
@pytest.mark.parametrize("other", COMMANDS_WITH_OUTPUT.values())
def test_a_file_of_ours_is_replaced_and_so_is_an_empty_one(
    arguments: list[str], other: list[str], tmp_path: Path
) -> None:
    output = tmp_path / "ours"
    output.touch()
    assert run(*other, f"--output={output}").code == 0
    assert run(*arguments, f"--output={output}") == (0, "", "")
    assert output.read_text() == run(*arguments).out


@pytest.mark.parametrize("by", ["its name", "a link", "a hard link"])
def test_the_output_never_replaces_an_input(by: str, tmp_path: Path) -> None:
    """Not even an input that begins like a script of ours."""
    folder = tmp_path / "folder"
    folder.mkdir()
    script = run(*options("snapshot-copy")).out
    marked = {"values": "", "stack-json": "", "parameters-from": ""}
    for name in marked:
        (folder / name).write_text(script)
    (folder / "values").write_text(f"# codeocean-cmdgen render: mine\n{VALUES.read_text()}")
    (folder / "stack-json").write_text((EXAMPLES / "stack.json").read_text())
    (folder / "parameters-from").write_text('{"Stacks": [{"Parameters": []}]}')
    for name in marked:
        output = folder / name
        if by != "its name":
            output = folder / f"link-{name}"
            (output.symlink_to if by == "a link" else output.hardlink_to)(folder / name)
    before = {file.name: (file.read_bytes(), file.is_symlink()) for file in folder.iterdir()}
    inputs = [f"--{name}={folder / name}" for name in marked]
    prefix = "" if by == "its name" else "link-"
    for name, said in (
        ("values", "is the deployment file, which this command reads"),
        ("stack-json", "is stack.json, which this command reads"),
        ("parameters-from", "is --parameters-from, which this command reads"),
    ):
        outcome = run("stack-create", *inputs, f"--output={folder / f'{prefix}{name}'}")
        refused(outcome, said, "hint: choose another name\n")
    refused(run("runbook", "backup", inputs[0], f"--output={folder / 'values'}"), "is the depl")
    after = {file.name: (file.read_bytes(), file.is_symlink()) for file in folder.iterdir()}
    assert after == before


def test_a_link_is_not_followed_for_writing(tmp_path: Path) -> None:
    script = run(*options("service-stop")).out
    target, link = tmp_path / "target.sh", tmp_path / "link.sh"
    target.write_text(script)
    link.symlink_to(target)
    refused(run(*options("snapshot-copy"), f"--output={link}"), "is a symbolic link")
    dangling = tmp_path / "dangling.sh"
    dangling.symlink_to(tmp_path / "nowhere")
    refused(run(*options("snapshot-copy"), f"--output={dangling}"), "is a symbolic link")
    assert (target.read_text(), link.is_symlink(), dangling.is_symlink()) == (script, True, True)


def test_an_open_stream_may_be_the_output() -> None:
    script = run(*options("snapshot-copy")).out
    for stream in ("/dev/stdout", "/dev/fd/1"):
        outcome = start(*options("snapshot-copy"), f"--output={stream}")
        assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, script, "")
    outcome = start(*options("snapshot-copy"), "--output=/dev/stderr")
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", script)
    for stream in ("/dev/null", "/dev/fd/99", "/dev/tty0"):
        refused(run(*options("snapshot-copy"), f"--output={stream}"), f"'{stream}'")


@pytest.mark.parametrize("other", COMMANDS_WITH_OUTPUT.values())
def test_an_edited_file_of_ours_is_not_replaced(other: list[str], tmp_path: Path) -> None:
    output = tmp_path / "ours"
    assert run(*other, f"--output={output}").code == 0
    generated = output.read_text()
    for edited in (
        generated + "# a note of mine\n",
        generated.replace("\n", "\n\n", 1) if other == options("snapshot-copy") else "",
        generated.replace("us-east-1", "eu-west-1", 1),
        generated.replace("a", "b", 1),
    ):
        if not is_ours(edited.encode()):
            continue
        output.write_text(edited)
        outcome = run("runbook", "restore", f"--values={VALUES}", f"--output={output}")
        refused(outcome, "was changed since it was generated", "choose another name, or remove it")
        assert output.read_text() == edited


RECEIPT = '{\n  "program": "codeocean-cmdgen 1"\n}\n'


def test_the_receipt_of_a_rehearsal_replaces_no_other_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text("{}\n")
    refused(run("rehearse", "backup", f"--receipt={mine}"), "--receipt: ", "was not written by")
    assert mine.read_text() == "{}\n"
    told = f"--receipt: '{tmp_path / 'no'}' is not a folder that you can write to"
    refused(run("rehearse", "backup", f"--receipt={tmp_path / 'no' / 'receipt.json'}"), told)
    refused(run("rehearse", "backup", f"--receipt={mine / 'receipt.json'}"), "Not a directory")


def _a_persons(path: Path) -> None:
    path.write_text("mine\n")


def _none(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


@pytest.mark.parametrize("meanwhile", [_a_persons, _none, lambda path: path.symlink_to("/x")])
def test_a_receipt_is_never_lost(tmp_path: Path, meanwhile: Callable[[Path], None]) -> None:
    """A rehearsal takes long: what is at the receipt's name then is looked at again."""
    receipt = tmp_path / "folder" / "receipt.json"
    receipt.parent.mkdir()

    def follow(*_: object) -> bool:
        meanwhile(receipt)
        return True

    with (
        patch("codeocean_cmdgen.rehearsal.report.follow", follow),
        patch("codeocean_cmdgen.rehearsal.report.receipt", lambda _: json.loads(RECEIPT)),
        patch("codeocean_cmdgen.rehearsal.run.Staging"),
    ):
        outcome = run("rehearse", "backup", f"--receipt={receipt}")
    assert (outcome.code, outcome.out) == (2, RECEIPT)
    assert outcome.err.startswith("error: --receipt: ")
    assert outcome.err.endswith("hint: the receipt is printed above: save it\n")
    left = [one.read_text() for one in tmp_path.glob("folder/*") if not one.is_symlink()]
    assert left in ([], ["mine\n"])


def test_a_full_disk_behind_stdout_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        outcome = start(*options("snapshot-copy"), stdout=full)
    assert outcome.returncode == 1
    assert outcome.stderr == "error: cannot write to stdout: No space left on device\n"


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", "<&- 2>&-", ">&- 2>&-"])
@pytest.mark.parametrize(
    "arguments",
    [
        options("snapshot-copy"),
        ["runbook", "backup", f"--values={VALUES}"],
        ["check", "backup", "--offline", f"--values={VALUES}"],
        ["--version"],
        ["simulate"],
        ["rehearse", "backup"],
    ],
    ids=lambda one: one[0],
)
def test_a_closed_stream_is_no_bug(arguments: list[str], closed: str) -> None:
    if arguments[0] in {"simulate", "rehearse"} and ">&-" not in closed.split():
        pytest.skip("it would begin")
    shell = ["sh", "-c", f'"$@" {closed}', "sh", *PROGRAM, *arguments]
    done = subprocess.run(shell, capture_output=True, text=True, check=False, timeout=60)
    if ">&-" in closed.split():
        assert (done.returncode, done.stdout) == (1, "")
        told = "" if "2>&-" in closed else "error: cannot write to stdout: Bad file descriptor\n"
        assert done.stderr == told
    else:
        assert (done.returncode, bool(done.stdout)) == (0, True)
        assert "Traceback" not in done.stderr


def test_an_error_of_the_system_names_the_file_and_the_reason(tmp_path: Path) -> None:
    """Whatever it is: this one is met on the way to a temporary folder."""
    nowhere = tmp_path / "file"
    nowhere.touch()
    for error, told in (
        (FileExistsError(17, "File exists", str(nowhere)), f"cannot use '{nowhere}': File"),
        (OSError(5, "Input/output error", "a", None, "b"), "cannot use 'a' and 'b': Input/out"),
        (OSError(28, "No space left on device"), "a system call failed: No space left on device"),
        (OSError("no usable temporary folder"), "a system call failed: no usable temporary folder"),
    ):

        def mkdir(*_: object, error: OSError = error) -> None:
            raise error

        with patch("codeocean_cmdgen.cli.steps.files_read", mkdir):
            done = run(*options("snapshot-copy"))
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(f"error: {told}")
        assert done.err.count("\n") == 1


def test_a_mistyped_option_is_refused() -> None:
    outcome = start(*options("snapshot-copy"), "--acount-id=1")
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert "--acount-id" in outcome.stderr


# stack.json.


def test_stack_json_fills_a_place_whole(tmp_path: Path) -> None:
    script = run("s3-batch-replication", stack_file(tmp_path)).out
    assert script.count("    arn:aws:s3:::codeocean-source-") == 9
    assert "ACCOUNT_ID=111111111111\n" in script


def test_the_services_instances_own_stack_json_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path(stack_file(tmp_path).partition("=")[2])
    monkeypatch.setattr(stack_json, "STACK_JSON", file)
    assert run("s3-batch-replication").code == 0
    file.write_text("{")
    outcome = run("s3-batch-replication")
    refused(outcome, "is not JSON", "give --account-id --region --role-arn --bucket-arn")
    assert outcome.err.count("error: ") == 1, "one cause, one message"
    assert run(*options("s3-batch-replication")).code == 0


@pytest.mark.parametrize("given", GIVEN["s3-batch-replication"])
def test_stack_json_never_completes_a_place(given: str, tmp_path: Path) -> None:
    option = f"{flag(given)}={GIVEN['s3-batch-replication'][given]}"
    outcome = run("s3-batch-replication", option, stack_file(tmp_path))
    missing = [flag(name) for name in GIVEN["s3-batch-replication"] if name != given]
    refused(outcome, *(f"{name} is missing" for name in missing))
    assert outcome.err.count("error: ") == 3


@pytest.mark.parametrize("key", ["Inputfiles", "InputFiles"])
def test_both_spellings_of_the_input_files(key: str, tmp_path: Path) -> None:
    buckets = {name: value for name, value in STACK["Buckets"].items() if name != "Inputfiles"}
    file = tmp_path / "stack.json"
    file.write_text(json.dumps({**STACK, "Buckets": {**buckets, key: "the-input-files"}}))
    script = run("s3-batch-replication", f"--stack-json={file}").out
    assert "arn:aws:s3:::the-input-files\n" in script


def test_each_missing_bucket_is_named(tmp_path: Path) -> None:
    stack = stack_file(tmp_path, Buckets={"MLflow": "", "Public": None, "Results": "Not_A_Bucket"})
    outcome = run("s3-batch-replication", stack)
    refused(
        outcome,
        "names no bucket for MLflow, Public, Results",
        "--bucket-arn arn:aws:s3:::codeocean-source-capsules",
        "--account-id is missing",
    )


def test_an_empty_role_explains_the_missing_backup_configuration(tmp_path: Path) -> None:
    outcome = run("s3-batch-replication", stack_file(tmp_path, AWS={"S3BackupRole": ""}))
    refused(outcome, "no backup configuration yet", "pDestinationBackupVaultArn")


def test_the_targets_stack_json_names_the_destination(tmp_path: Path) -> None:
    arguments = options("snapshot-copy", destination_vault_arn="")
    script = run(*arguments, stack_file(tmp_path)).out
    assert origins(script)["DESTINATION_VAULT_ARN"] == "from stack.json"
    assert origins(script)["ACCOUNT_ID"] == "from option"
    outcome = run(*arguments, stack_file(tmp_path, AWS={"BackupVault": ""}))
    refused(outcome, "AWS.BackupVault is missing", "--destination-vault-arn is missing")


def test_the_backup_never_reads_stack_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(run("s3-batch-replication", "--from=backup", stack_file(tmp_path)), "--role-arn is mis")
    file = tmp_path / "broken.json"
    file.write_text("{")
    monkeypatch.setattr(stack_json, "STACK_JSON", file)
    arguments = ["s3-batch-replication", "--from=backup", f"--values={VALUES}"]
    assert run(*arguments).code == 0
    assert run(*arguments, f"--stack-json={file}").code == 0
    arguments.remove("--from=backup")
    refused(run(*arguments, f"--stack-json={file}"), "is not JSON")


@pytest.mark.parametrize("step", STEPS)
def test_no_password_is_ever_shown(step: type[Step], tmp_path: Path) -> None:
    stack = stack_file(tmp_path)
    file = tmp_path / "stack.json"
    whole = file.read_text()
    texts = [
        whole,
        whole.replace('"AWS"', '"Aws"'),
        whole.replace("us-east-1", "nowhere"),
        whole.replace(f'"{CANARIES[0]}"', CANARIES[0]),
        *(whole[:end] for end in (whole.index(canary) + 10 for canary in CANARIES)),
        json.dumps({"AWS": list(CANARIES), "Buckets": CANARIES[0]}),
        json.dumps(CANARIES[0]),
        "[" * 99999,
    ]
    for text in texts:
        file.write_text(text)
        for outcome in (run(step.name, stack), run(*options(step.name), stack)):
            assert outcome.code in {0, 2}
            assert "canary" not in outcome.out + outcome.err


# Hostile values.

HOSTILE = ["'", '"', "$(touch X)", "`touch X`", "\n", "\r", "!x", "\t", "\x00", "\x1b[2J", "\x7f"]
HOSTILE += ["\\", ";", "&", "|", ">", " ", "\u2028", "\u00e9", "\u202e", "\U0001f600", "\uff10"]
TARGETS = [
    (step.name, name)
    for step in STEPS
    for name in step.arguments()
    if VOCABULARY[name].kind is not Switch
]


def hostile(name: str) -> st.SearchStrategy[str]:
    """Make texts that hold something which no value has, often next to a valid one."""
    valid = st.sampled_from([VOCABULARY[name].kind.example, ""]) | st.text(max_size=9)
    texts = st.builds("".join, st.tuples(valid, st.sampled_from(HOSTILE), valid))
    return texts.filter(VOCABULARY[name].kind.why_not)  # a command may hold a quote


@given(data=st.data(), target=st.sampled_from(TARGETS))
def test_hostile_options(data: st.DataObject, target: tuple[str, str]) -> None:
    step, name = target
    refused(run(*options(step, **{name: data.draw(hostile(name))})), flag(name))


@given(data=st.data(), target=st.sampled_from(TARGETS))
def test_hostile_environment(data: st.DataObject, target: tuple[str, str]) -> None:
    step, name = target
    text = data.draw(hostile(name)).replace("\x00", "\x01")
    parts = text.split() if VOCABULARY[name].many else [text]  # click splits lists at blanks
    assume(any(map(VOCABULARY[name].kind.why_not, parts)))
    variable = f"CODEOCEAN_CMDGEN_{step}_{name}".upper().replace("-", "_")
    refused(run(*options(step, **{name: ""}), **{variable: text}), flag(name), variable)


@given(data=st.data(), target=st.sampled_from(TARGETS), as_key=st.booleans())
def test_hostile_deployment_file(
    data: st.DataObject, target: tuple[str, str], *, as_key: bool
) -> None:
    step, name = target
    text = toml_string(data.draw(hostile(name)))
    with TemporaryDirectory() as folder:
        table = next(one for one in STEPS if one.name == step).tables[0]
        content = f"[{table}]\n{text} = 'x'" if as_key else f"[{table}]\n{name} = {text}"
        file = deployment_file(Path(folder), content)
        outcome = run(*options(step, **{name: ""}), file)
    if VOCABULARY[name].file and not as_key:  # the name of a file that is read with the others
        refused(outcome, f"{flag(name)}: ", f"(deployment file [{table}])")
    else:
        refused(outcome, "--values: ", name if not as_key else "is not")


def test_what_is_missing_on_the_command_line_is_one_line() -> None:
    hint = "hint: codeocean-cmdgen {} --help\n"
    told = "error: missing PROCEDURE: backup, restore or migration\n"
    assert run("runbook") == Outcome(2, "", told + hint.format("runbook"))
    assert run("check") == Outcome(2, "", told + hint.format("check"))
    told = "error: missing --values: there is no deployment.toml in the current folder\n"
    hint = "hint: name yours with --values FILE, or create one: codeocean-cmdgen init\n"
    assert run("check", "backup") == Outcome(2, "", f"{told}{hint}")


def test_an_option_that_does_not_exist_is_named_with_the_one_that_is_meant() -> None:
    hint = "hint: codeocean-cmdgen snapshot-copy --help\n"
    told = "error: no such option --value: did you mean --values?\n"
    assert run("snapshot-copy", "--value=x") == Outcome(2, "", told + hint)
    told = "error: no such option --zzz\n"
    assert run("snapshot-copy", "--zzz") == Outcome(2, "", told + hint)


@given(data=st.data(), key=st.sampled_from(["AccountID", "Region", "S3BackupRole", "Results"]))
def test_hostile_stack_json(data: st.DataObject, key: str) -> None:
    text = data.draw(hostile("run"))
    part = "Buckets" if key == "Results" else "AWS"
    with TemporaryDirectory() as folder:
        stack = stack_file(Path(folder), **{part: {key: text}})
        refused(run("s3-batch-replication", stack), "stack.json")
        stack = stack_file(Path(folder), AWS={"BackupVault": text})
        refused(run(*options("snapshot-copy", destination_vault_arn=""), stack), "stack.json")


def test_a_lone_surrogate_is_refused(tmp_path: Path) -> None:
    refused(run(*options("snapshot-copy", run="\udc80")), "--run")
    stack = stack_file(tmp_path, AWS={"S3BackupRole": "\ud800"})
    refused(run("s3-batch-replication", stack), "--role-arn")


def test_a_hostile_switch_is_refused() -> None:
    variable = "CODEOCEAN_CMDGEN_S3_BATCH_REPLICATION_ONLY_MISSING"
    for text in ("\x1b[2J\n", "$(touch X)", "\u00e9"):
        outcome = run(*options("s3-batch-replication"), **{variable: text})
        assert (outcome.code, outcome.out) == (2, "")
        assert "\x1b" not in outcome.err


# The environment gives values of steps, and nothing else.


@pytest.mark.parametrize("text", ["1", "yes", "complete_bash", "bash_source", ""])
@pytest.mark.parametrize(
    ("variable", "arguments"),
    [
        ("CODEOCEAN_CMDGEN_VERSION", options("snapshot-copy")),
        ("CODEOCEAN_CMDGEN_HELP", options("snapshot-copy")),
        ("CODEOCEAN_CMDGEN_SNAPSHOT_COPY_HELP", options("snapshot-copy")),
        ("_CODEOCEAN_CMDGEN_COMPLETE", options("snapshot-copy")),
        ("CODEOCEAN_CMDGEN_IAM_POLICY_FROM", ["iam-policy", "snapshot-copy"]),
        ("CODEOCEAN_CMDGEN_IAM_POLICY_VALUES", ["iam-policy", "snapshot-copy"]),
        ("CODEOCEAN_CMDGEN_RUNBOOK_OUTPUT", ["runbook", "backup", f"--values={VALUES}"]),
        ("CODEOCEAN_CMDGEN_RUNBOOK_FORMAT", ["runbook", "backup", f"--values={VALUES}"]),
        ("CODEOCEAN_CMDGEN_CHECK_OFFLINE", ["check", "backup", f"--values={VALUES}"]),
        ("CODEOCEAN_CMDGEN_CHECK_FORMAT", ["check", "backup", f"--values={VALUES}"]),
        ("CODEOCEAN_CMDGEN_REHEARSE_LIST_FAULTS", ["rehearse", "backup", "--fault=none"]),
    ],
)
def test_no_variable_changes_what_a_command_does(
    variable: str, text: str, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as to print the version, to succeed, and to have done nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    usual, outcome = run(*arguments), run(*arguments, **{variable: text})
    assert outcome[:2] == usual[:2]
    assert sorted(outcome.err.splitlines()) == sorted(usual.err.splitlines())  # told in any order
    assert {file.name for file in tmp_path.iterdir()} == {"home"}


def test_no_variable_writes_into_a_folder_or_only_checks_it(tmp_path: Path) -> None:
    arguments = ["render", "backup", f"--values={VALUES}"]
    outcome = run(*arguments, CODEOCEAN_CMDGEN_RENDER_DIRECTORY=str(tmp_path / "there"))
    assert (outcome.code, outcome.out) == (2, "")
    folder = tmp_path / "folder"
    run(*arguments, f"--directory={folder}", CODEOCEAN_CMDGEN_RENDER_CHECK="1")
    assert (folder / "runbook.md").exists()


@pytest.mark.parametrize("step", STEPS)
def test_every_option_of_a_step_has_its_variable(step: type[Step], tmp_path: Path) -> None:
    prefix = f"CODEOCEAN_CMDGEN_{step.name}_".upper().replace("-", "_")
    output = tmp_path / "script.sh"
    environment = {f"{prefix}{name.upper()}": text for name, text in GIVEN[step.name].items()}
    environment |= {f"{prefix}OUTPUT": str(output), f"{prefix}VALUES": str(VALUES)}
    assert run(step.name, **environment) == (0, "", "")
    for name in GIVEN[step.name]:
        origin = f"from environment {prefix}{name.upper()}"
        assert origins(output.read_text())[name.upper()] == origin


# The terminal.


@pytest.fixture
def terminal(tmp_path: Path) -> Any:
    """Start the program on a pseudo-terminal, its stdout in a file."""
    started = []

    def _start(*arguments: str) -> tuple[pexpect.spawn[str], Path]:
        script = tmp_path / "stdout"
        command = 'exec "$@" >"$0"'
        child = pexpect.spawn(
            "sh", ["-c", command, str(script), *PROGRAM, *arguments], encoding="utf-8", timeout=120
        )
        started.append(child)
        return child, script

    yield _start
    for child in started:
        child.close(force=True)


def test_what_is_missing_is_asked_for(terminal: Any) -> None:
    arguments = options("s3-batch-replication", account_id="", bucket_arn="")
    child, stdout = terminal(*arguments)
    child.expect("--account-id: account that the script runs in .*find it in: AWS console")
    child.expect("such as 111111111111: ")
    child.sendline("0123456789\x07")
    child.expect("is not an AWS account ID: expected 12 digits")
    child.expect("such as 111111111111: ")
    child.sendline("111111111111 ")
    child.expect("--bucket-arn: bucket to replicate from")
    child.expect("such as arn:aws:s3")
    child.sendline("")
    child.expect("'' is not an S3 bucket ARN")
    for name in ("one1", "two2"):
        child.sendline(f"arn:aws:s3:::{name}")
        child.expect("another, or Enter to finish: ")
    child.sendline("")
    child.expect(pexpect.EOF)
    assert child.wait() == 0
    script = stdout.read_text()
    given = [*arguments, "--account-id=111111111111"]
    given += ["--bucket-arn=arn:aws:s3:::one1", "--bucket-arn=arn:aws:s3:::two2"]
    told = "from answer on the terminal"
    assert origins(script)["ACCOUNT_ID"] == origins(script)["BUCKET_ARN"] == told
    assert body_of(script).startswith("# shellcheck shell=bash\n")
    assert len(script.splitlines()) >= len(run(*given).out.splitlines())


@pytest.mark.parametrize(
    ("key", "code", "told"),
    [("\x03", 130, "\r\nstopped: interrupted"), ("\x04", 1, "stopped: nothing was written")],
    ids=["Ctrl-C", "Ctrl-D"],
)
def test_a_question_left_unanswered_makes_no_script(
    key: str, code: int, told: str, terminal: Any
) -> None:
    child, stdout = terminal(*options("snapshot-copy", account_id=""))
    child.expect("such as 111111111111: ")
    child.send(key)
    child.expect(pexpect.EOF)
    assert child.wait() == code
    assert told in child.before
    assert "Traceback" not in child.before
    assert stdout.read_text() == ""


def test_nothing_is_asked_where_a_mistake_was_made(terminal: Any, tmp_path: Path) -> None:
    stack = stack_file(tmp_path, AWS={"S3BackupRole": ""})
    for mistake in ([stack], ["--values=/absent.toml"]):
        child, stdout = terminal("s3-batch-replication", *mistake)
        child.expect(pexpect.EOF)
        assert child.wait() == 2
        assert "error: " in child.before
        assert stdout.read_text() == ""


# Start-up.

IMPORTED = """
import sys
from codeocean_cmdgen.cli.app import main
try:
    main()
finally:
    heavy = {"tomlkit", "jinja2", "boto3", "botocore", "rich", "pydantic", "moto", "yaml"}
    heavy.add("requests")
    heavy |= {one for one in sys.modules if one.startswith("codeocean_cmdgen.cli.")} - {
        "codeocean_cmdgen.cli.app", "codeocean_cmdgen.cli.shared"
    }
    sys.stderr.write("imported: " + " ".join(sorted(heavy & set(sys.modules))))
"""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], ""),
        *(([step.name, "--help"], "codeocean_cmdgen.cli.steps") for step in STEPS),
        (["init", "--help"], "codeocean_cmdgen.cli.accounts codeocean_cmdgen.cli.procedures"),
        (["discover", "--help"], "codeocean_cmdgen.cli.accounts codeocean_cmdgen.cli.procedures"),
        ([SnapshotCopy.name, "--account-id=0123456789"], "codeocean_cmdgen.cli.steps"),
        (
            options(SnapshotCopy.name),
            "codeocean_cmdgen.cli.output codeocean_cmdgen.cli.steps jinja2",
        ),
    ],
)
def test_little_is_imported(arguments: list[str], expected: str) -> None:
    command = [sys.executable, "-c", IMPORTED, *arguments]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.stderr.endswith(f"imported: {expected}")


OWN_DATABASE = ("--db-instance-id", "--temporary-db-instance-id", "codeocean-db", "codeocean-db-2")
OWN_SERVER = ("--to-host", "--from-host", "db.example.com", "tmp.example.com")
OWN_VOLUME = ("--data-volume-id", "--restored-volume-id", f"vol-{'0' * 17}", f"vol-{'1' * 17}")


@pytest.mark.parametrize(
    ("step", "options"),
    [
        ("db-copy-in", OWN_SERVER),
        *((step, OWN_DATABASE) for step in ("db-restore", "db-delete")),
        *((step, OWN_VOLUME) for step in ("volume-copy-in", "volume-release", "volume-delete")),
    ],
)
def test_what_is_temporary_is_never_the_deployments_own(
    step: str, options: tuple[str, str, str, str]
) -> None:
    own, temporary, name, other = options
    given = [step, f"--values={VALUES}", f"{own}={name}"]
    assert run(*given, f"{temporary}={other}").code == 0
    refused = run(*given, f"{temporary}={name}")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.count("error: ") == 1
    assert temporary in refused.err
    assert name in refused.err
