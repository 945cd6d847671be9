"""The command line: where values come from, and that bad input never becomes a script."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from unittest.mock import patch

import pexpect
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from codeocean_cmdgen import sources
from codeocean_cmdgen.arguments import VOCABULARY, flag
from codeocean_cmdgen.cli import main
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.steps import STEPS, SnapshotCopy, Step
from codeocean_cmdgen.values import Switch
from codeocean_cmdgen.vendor import REPLICATED_BUCKETS

EXAMPLES = Path(sources.__file__).with_name("examples")
VALUES = EXAMPLES / "values.toml"
STACK = json.loads((EXAMPLES / "stack.json").read_text())
CANARIES = ("canary-of-the-database", "canary-of-redis")
BUCKETS = tuple(
    "--bucket-arn=arn:aws:s3:::codeocean-source-" + name for name in ("capsules", "results")
)

ON_THE_HOST = {"account_id": "333333333333", "region": "us-east-1", "stack_name": "codeocean"}
ON_THE_VOLUME = {**ON_THE_HOST, "data_volume_id": "vol-0123456789abcdef0"}

IN_THE_TARGET = {"account_id": "333333333333", "region": "us-east-1"}
ITS_VAULT = {
    **IN_THE_TARGET,
    "backup_vault_name": "codeocean-v1",
    "role_arn": "arn:aws:iam::333333333333:role/codeocean-BackupRole-1ABC",
}
ITS_VOLUME = {"data_volume_id": "vol-0123456789abcdef0"}
ITS_DATABASE = {"db_instance_id": "codeocean-analyticsdbinstance-1abc"}
GIVEN: dict[str, dict[str, str]] = {
    "s3-batch-replication": {
        "account_id": "111111111111",
        "region": "us-east-1",
        "role_arn": "arn:aws:iam::111111111111:role/codeocean-S3BackupRole-1ABC",
        "bucket_arn": "arn:aws:s3:::codeocean-source-capsules",
    },
    "snapshot-copy": {
        "account_id": "222222222222",
        "region": "us-east-1",
        "backup_vault_name": "codeocean-backup-v1",
        "ebs_snapshot_arn": "arn:aws:ec2:us-east-1::snapshot/snap-0123456789abcdef0",
        "rds_snapshot_arn": (
            "arn:aws:rds:us-east-1:222222222222:snapshot:awsbackup:"
            "copyjob-11111111-2222-3333-4444-555555555555"
        ),
        "destination_vault_arn": "arn:aws:backup:us-east-1:333333333333:backup-vault:codeocean-v1",
        "role_arn": "arn:aws:iam::222222222222:role/service-role/AWSBackupDefaultServiceRole",
    },
    "cross-account-backup": {"account_id": "444444444444"},
    "stack-create": {**ON_THE_HOST, "template_url": "https://vendor.s3.amazonaws.com/one.yaml"},
    "stack-parameters": {**ON_THE_HOST, "template_url": "https://vendor.s3.amazonaws.com/one.yaml"},
    "instance-hold": ON_THE_HOST,
    "instance-release": ON_THE_HOST,
    "s3-point-in-time": {
        "account_id": "333333333333",
        "region": "us-east-1",
        "bucket_arn": "arn:aws:s3:::codeocean-target-capsules",
        "at": "2025-11-24T04:00:00Z",
        "until": "2025-11-25T04:00:00+01:00",
    },
    "on-demand-backup": {**ITS_VAULT, **ITS_VOLUME, **ITS_DATABASE, "run": "before-upgrade"},
    "volume-restore": {**ITS_VAULT, **ITS_VOLUME},
    "volume-delete": {**IN_THE_TARGET, **ITS_VOLUME},
    "db-restore": {
        **ITS_VAULT,
        **ITS_DATABASE,
        "master_password_secret_id": "/codeocean/analytics/master-password-0",
    },
    "db-delete": {**IN_THE_TARGET, **ITS_DATABASE},
    "service-stop": ON_THE_HOST,
    "service-start": ON_THE_HOST,
    "volume-copy-in": ON_THE_VOLUME,
    "volume-release": ON_THE_VOLUME,
    "secrets-save": ON_THE_HOST,
    "secrets-restore": ON_THE_HOST,
    "datasets-not-cached": {**ON_THE_HOST, "command": "docker exec codeocean ./migrate"},
    "db-copy-in": {**ON_THE_HOST, "from_host": "one.example", "to_host": "other.example"},
}


class Outcome(NamedTuple):
    """What a run of the program left behind."""

    code: int
    out: str
    err: str


def run(*arguments: str, **environment: str) -> Outcome:
    """Run the program in this process, which is quick; no terminal is near."""
    out, err = io.StringIO(), io.StringIO()
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        patch.object(sys, "argv", ["codeocean-cmdgen", *arguments]),
        patch.object(sys, "stdin", io.StringIO()),
        patch.dict(os.environ, environment),
        pytest.raises(SystemExit) as end,
    ):
        main()
    return Outcome(int(end.value.code or 0), out.getvalue(), err.getvalue())


PROGRAM = [sys.executable, "-m", "codeocean_cmdgen"]


def start(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run the program as its user does."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run([*PROGRAM, *arguments], text=True, check=False, **{**pipes, **settings})


def options(step: str, **changes: str) -> list[str]:
    """Give everything that a step needs, as options; `name=""` leaves one out."""
    given = {**GIVEN[step], **changes}
    return [step, *(f"{flag(name)}={text}" for name, text in given.items() if text)]


def refused(outcome: Outcome, *words: str) -> None:
    """Demand exit 2, no script, and lines on stderr that a terminal can show."""
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    for line in outcome.err.splitlines():
        assert line.startswith(("error: ", "hint: ")), line
        assert line.isascii()
        assert line.isprintable()
    for word in words:
        assert word in outcome.err


def origins(script: str) -> dict[str, str]:
    """Read which origin the header's values block names for each variable."""
    origin, found = "", {}
    block = script.partition("\nvalues() {\n")[2].partition("\n}\n")[0]
    for line in block.splitlines():
        if line.startswith("  # "):
            origin = line[4:]
        elif "=" in line and line[2:3].isupper():
            found[line.strip().partition("=")[0]] = origin
    return found


def values_file(folder: Path, text: str) -> str:
    file = folder / "values.toml"
    file.write_text(text, encoding="utf-8")
    return f"--values={file}"


def stack_file(folder: Path, **changes: Any) -> str:
    """Write the example stack.json with canary passwords; a part may be merged over or replaced."""
    document = {
        **STACK,
        "AnalyticsDB": {"Password": CANARIES[0]},
        "Redis": {"Password": CANARIES[1]},
    }
    for key, value in changes.items():
        document[key] = {**document[key], **value} if isinstance(value, dict) else value
    file = folder / "stack.json"
    file.write_text(json.dumps(document))
    return f"--stack-json={file}"


# Everything given.


@pytest.mark.parametrize("step", STEPS)
def test_options_alone_make_a_script(step: type[Step]) -> None:
    outcome = run(*options(step.name))
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("(\n")
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


def test_help_lists_the_steps_of_each_procedure() -> None:
    text = run("--help").out
    for step in STEPS:
        times = sum(step in steps for steps in PROCEDURES.values())
        assert text.count(f"  {step.name} ") == times > 0


# Precedence and origins.


def test_option_beats_environment_beats_values_file_beats_stack_json(tmp_path: Path) -> None:
    stack = stack_file(tmp_path)
    given = ["s3-batch-replication", stack]
    script = run(*given).out
    assert "REGION=us-east-1\n" in script
    assert set(origins(script).values()) == {
        "from stack.json",
        "by default",
        "made from the values above and the options",
    }
    given += [f"--values={VALUES}", "--run=r1"]
    script = run(*given).out
    assert origins(script)["REGION"] == "from values file [source]"
    assert origins(script)["ROLE_ARN"] == "from values file [source.s3-batch-replication]"
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
    values = values_file(tmp_path, "[source]\nonly-missing=true")
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
    script = run(*arguments, values_file(tmp_path, text)).out
    assert "ACCOUNT_ID=222222222222\n" in script
    assert "RETENTION_DAYS=30\n" in script
    assert "backup-vault:own\n" in script
    assert origins(script)["RETENTION_DAYS"] == "from values file [backup.snapshot-copy]"
    assert origins(script)["DESTINATION_VAULT_ARN"] == "from values file [target]"


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
    return found


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
        ([], ["nothing is to be done: give --preset, --set, --clear or --template-url"]),
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
                "x-datasetsinput is none of those that are replicated",
            ],
        ),
        (["--set=pA=1", "--clear=pA"], ["--set and --clear name the parameter pA 2 times"]),
        (["--set=pA"], ["'pA' is not a stack's parameter and its value: expected KEY=VALUE"]),
        (["--template-url=http://example.com/t"], ["is not the URL of a template in S3"]),
    ],
)
def test_what_no_stack_can_be_changed_by(arguments: list[str], words: list[str]) -> None:
    place = [f"{flag(name)}={text}" for name, text in ON_THE_HOST.items()]
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
    assert "service-stop works with the role of the services instance" in outcome.err
    assert json.loads(run("iam-policy", "snapshot-copy").out)["Statement"]


def test_the_policy_takes_the_table_that_a_step_has() -> None:
    arguments = ["iam-policy", "s3-batch-replication", "snapshot-copy", f"--values={VALUES}"]
    assert "codeocean-source-capsules" in run(*arguments).out
    assert "codeocean-backup-capsules" in run(*arguments, "--from=backup").out


def test_a_policy_for_no_step_is_refused(tmp_path: Path) -> None:
    assert run("iam-policy", "snapshot-cpy").code == 2
    missing = run("iam-policy", "snapshot-copy", values_file(tmp_path, "[backup]\n"))
    refused(missing, "--account-id is missing")


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
        "--account-id: '0123456789' is not an AWS account id",
        "sample of the vendor's guide",
        "--account-id: ",
        "hint: find it in: console",
        "availability zone of us-east-1",
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
            {"until": "2025-11-24T05:00:00+01:00"},
            "--at 2025-11-24T04:00:00Z is not before --until 2025-11-24T05:00:00+01:00",
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
    buckets = [f"--bucket-arn=arn:aws:s3:::codeocean-{number}" for number in range(90)]
    outcome = run(*options("s3-batch-replication", bucket_arn=""), *buckets)
    refused(outcome, "more than the 20,000 bytes and 400 lines", "give fewer --bucket-arn")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sauce]\nregion='us-east-1'", ["'sauce' is none of the tables", "did you mean source?"]),
        ("region='us-east-1'", ["'region' is none of the tables [source], [backup], [target]"]),
        ("[backup]\nregoin='us-east-1'", ["'regoin' in [backup]", "hint: did you mean region?"]),
        ("[backup.snapshot-cpy]\n", ["'snapshot-cpy' in [backup]", "did you mean snapshot-copy?"]),
        ("[backup.snapshot-copy]\nrun_='x'", ["'run_' in [backup.snapshot-copy]", "mean run?"]),
        (
            "[backup]\nregion=1.5",
            ["region in [backup] is not a text", 'write region = "us-'],
        ),
        ("[backup]\nregion=[]", ["region in [backup] is not a text"]),
        ("[backup]\nregion={a='b'}", ["region in [backup] is not a text"]),
        ("[backup]\nregion=['a','b']", ["--region: one value was expected, not 2"]),
        ("[backup]\nrun='a'\n[backup.snapshot-copy]\naccount-id='a'\naccount_id='b'", ["twice"]),
        ("[backup]\naccount_id=-1", ["account_id in [backup] is not a text"]),
        ("[backup]\naccount_id=0x" + "f" * 9999, ["account_id in [backup] is not a text"]),
        ("[backup]\naccount_id=" + "9" * 9999, ["is not TOML"]),
        ("[backup]\naccount_id=012345678901", ["is not TOML", "texts stand in quotes"]),
        ("[backup]\nregion=us-east-1", ["is not TOML", "texts stand in quotes"]),
        ("[backup]\nregion=" + "[" * 99999, ["is not TOML"]),
        (
            "[backup]\n'\\e[2J\u00e9'=1\n\"\\n\\u001b\"=2",
            ["is not the name of a value"],
        ),
    ],
)
def test_mistakes_in_the_values_file(text: str, words: list[str], tmp_path: Path) -> None:
    arguments = options("snapshot-copy", account_id="", region="")
    outcome = run(*arguments, values_file(tmp_path, text))
    refused(outcome, *words)


def test_a_values_file_that_cannot_be_read(tmp_path: Path) -> None:
    absent = tmp_path / "absent\n\x1b[2J.toml"
    refused(run(*options("snapshot-copy"), f"--values={absent}"), "No such file")
    refused(run(*options("snapshot-copy"), f"--values={tmp_path}"), "Is a directory")
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"[source]\nregion = '\xe9'")
    refused(run(*options("snapshot-copy"), f"--values={latin}"), "is not UTF-8 text")


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
    output.write_text("mine")
    outcome = start(
        *options("snapshot-copy"),
        f"--output={output}",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)),
    )
    assert outcome.returncode == 2
    assert "--output: cannot write" in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert output.read_text() == "mine"
    assert list(output.parent.iterdir()) == [output]


def test_a_full_disk_behind_stdout_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        outcome = start(*options("snapshot-copy"), stdout=full)
    assert outcome.returncode == 1
    assert outcome.stderr == "error: cannot write the script: No space left on device\n"


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
    monkeypatch.setattr(sources, "STACK_JSON", file)
    assert run("s3-batch-replication").code == 0
    file.write_text("{")
    refused(run("s3-batch-replication"), "is not JSON", "--account-id is missing")
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
    monkeypatch.setattr(sources, "STACK_JSON", file)
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


def toml_string(text: str) -> str:
    return '"' + "".join(f"\\U{ord(character):08x}" for character in text) + '"'


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
def test_hostile_values_file(data: st.DataObject, target: tuple[str, str], *, as_key: bool) -> None:
    step, name = target
    text = toml_string(data.draw(hostile(name)))
    with TemporaryDirectory() as folder:
        table = next(one for one in STEPS if one.name == step).tables[0]
        content = f"[{table}]\n{text} = 'x'" if as_key else f"[{table}]\n{name} = {text}"
        file = values_file(Path(folder), content)
        outcome = run(*options(step, **{name: ""}), file)
    refused(outcome, "--values:" if as_key else f"values file [{table}]")


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


# The terminal.


@pytest.fixture
def terminal(tmp_path: Path) -> Any:
    """Start the program on a pseudo-terminal, its stdout in a file."""
    started = []

    def _start(*arguments: str) -> tuple[pexpect.spawn[str], Path]:
        script = tmp_path / "stdout"
        command = '"$@" >"$0"'
        child = pexpect.spawn(
            "sh", ["-c", command, str(script), *PROGRAM, *arguments], encoding="utf-8", timeout=20
        )
        started.append(child)
        return child, script

    yield _start
    for child in started:
        child.close(force=True)


def test_what_is_missing_is_asked_for(terminal: Any) -> None:
    arguments = options("s3-batch-replication", account_id="", bucket_arn="")
    child, stdout = terminal(*arguments)
    child.expect("--account-id: account that this script runs in .*find it in: console")
    child.expect("such as 111111111111: ")
    child.sendline("0123456789\x07")
    child.expect("is not an AWS account id: expected 12 digits")
    child.expect("such as 111111111111: ")
    child.sendline("111111111111 ")
    child.expect("--bucket-arn: bucket to replicate from")
    child.expect("such as arn:aws:s3")
    child.sendline("")
    child.expect("'' is not an S3 bucket ARN")
    for name in ("one1", "two2"):
        child.sendline(f"arn:aws:s3:::{name}")
        child.expect("another, or Enter: ")
    child.sendline("")
    child.expect(pexpect.EOF)
    assert child.wait() == 0
    script = stdout.read_text()
    given = [*arguments, "--account-id=111111111111"]
    given += ["--bucket-arn=arn:aws:s3:::one1", "--bucket-arn=arn:aws:s3:::two2"]
    told = "from answer on the terminal"
    assert origins(script)["ACCOUNT_ID"] == origins(script)["BUCKET_ARN"] == told
    assert script.startswith("(\n")
    assert len(script.splitlines()) >= len(run(*given).out.splitlines())


@pytest.mark.parametrize("key", ["\x03", "\x04"])
def test_a_question_left_unanswered_makes_no_script(key: str, terminal: Any) -> None:
    child, stdout = terminal(*options("snapshot-copy", account_id=""))
    child.expect("such as 111111111111: ")
    child.send(key)
    child.expect(pexpect.EOF)
    assert child.wait() != 0
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
from codeocean_cmdgen.cli import main
try:
    main()
finally:
    heavy = {"tomlkit", "jinja2", "boto3", "botocore", "rich", "pydantic", "moto", "yaml"}
    heavy.add("requests")
    sys.stderr.write("imported: " + " ".join(sorted(heavy & set(sys.modules))))
"""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], ""),
        *(([step.name, "--help"], "") for step in STEPS),
        (["init", "--help"], ""),
        (["discover", "--help"], ""),
        ([SnapshotCopy.name, "--account-id=0123456789"], ""),
        (options(SnapshotCopy.name), "jinja2"),
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
