"""Discovery: what is found in the simulated accounts and on the host, and when it stops."""

from __future__ import annotations

import json
import os
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

from codeocean_cmdgen.arguments import FACTS, VOCABULARY
from codeocean_cmdgen.discover.recovery_points import facts_of, lines_of, pair_up
from codeocean_cmdgen.inputs import stack_json
from codeocean_cmdgen.inputs.deployment_file import read_deployment_file
from codeocean_cmdgen.inputs.example import example_values
from codeocean_cmdgen.procedures import PROCEDURES
from codeocean_cmdgen.simulator import Simulator, example_world
from codeocean_cmdgen.simulator.s3_batch import Job
from codeocean_cmdgen.simulator.server import RoleSession
from codeocean_cmdgen.simulator.world import BACKUP, PASSWORD, REGION, SOURCE, TARGET
from codeocean_cmdgen.steps import STEPS
from codeocean_cmdgen.vendor import REPLICATED_BUCKETS
from tests.support.cli import CANARIES, PROGRAM, Outcome, run, stack_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCOUNTS = {"source": SOURCE, "backup": BACKUP, "target": TARGET}
VAULT = "codeocean-backup-v1"
VAULT_OF_TARGET = f"arn:aws:backup:{REGION}:{TARGET}:backup-vault:codeocean-v1"


class Person:
    """Somebody with credentials of each account, and one deployment file."""

    def __init__(self, simulator: Simulator, file: Path) -> None:
        self.simulator = simulator
        self.file = file

    def discover(self, what: str, *more: str, account: str = "", **environment: str) -> Outcome:
        """Discover with the credentials of an account, the role's own by default."""
        account = account or ACCOUNTS.get(what, BACKUP)
        own = self.simulator.account(account).environment()
        settings = {**own, "AWS_DEFAULT_REGION": REGION, **environment}
        return run("discover", what, f"--values={self.file}", *more, **settings)

    @property
    def tables(self) -> dict[str, dict[str, tuple[str, ...]]]:
        return read_deployment_file(self.file).tables


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as simulator:
        example_world(simulator, objects_per_bucket=0)
        for stack in simulator.cloudformation.stacks:
            if stack.account == SOURCE:
                stack.physical_ids["S3BackupRole"] = "codeocean-S3BackupRole-1ABC"
            if stack.account == BACKUP:
                stack.physical_ids["S3RestoreRole"] = "codeocean-backup-S3RestoreRole-1ABC"
        simulator.clear_requests()
        yield simulator


@pytest.fixture
def person(simulator: Simulator, tmp_path: Path) -> Person:
    return Person(simulator, tmp_path / "deployment.toml")


def stack_of(simulator: Simulator, account: str) -> Any:
    return next(one for one in simulator.cloudformation.stacks if one.account == account)


def refused(outcome: Outcome, *words: str, code: int = 1) -> None:
    assert outcome.code == code, outcome
    for word in words:
        assert word in outcome.err
    assert "done: " not in outcome.err


# In the accounts.


def test_three_accounts_fill_one_file_and_each_thing_is_asked_once(person: Person) -> None:
    for role in ACCOUNTS:
        outcome = person.discover(role)
        assert outcome.code == 0, outcome
        assert "asking AWS for stack" in outcome.err or "asking AWS for the stacks" in outcome.err
    asked = [
        (one.account, one.service, one.operation, str(one.parameters))
        for one in person.simulator.requests
    ]
    assert len(set(asked)) == len(asked)
    assert person.file.stat().st_mode & 0o777 == 0o600
    assert "found: " in person.file.read_text()
    person.discover("recovery-points", "--choose=1")
    found, wanted = person.tables, example_values()
    for table, values in found.items():
        for name, texts in values.items():
            known = wanted.get(table, {}).get(name)
            if known and name not in {"to_host", "master_password_secret_id", "at"}:
                assert texts == known, (table, name)
    names = {name for values in found.values() for name in values}
    discovered = {name for name, argument in VOCABULARY.items() if argument.discovered_by}
    assert names - set(FACTS) == discovered - {"from_host", "until"}
    assert found["target"]["services_instance_id"] == ("i-0123456789abcdef0",)
    assert found["source"]["availability_zone"] == ("us-east-1a",)


def test_only_reading_operations_are_called_and_no_secret_is_read(person: Person) -> None:
    for role in ACCOUNTS:
        person.discover(role)
    person.discover("recovery-points")
    operations = {one.operation for one in person.simulator.requests}
    assert {re.match("[A-Z][a-z]+", one)[0] for one in operations} <= {"Get", "List", "Describe"}  # type: ignore[index]
    assert not any("Secret" in one for one in operations)
    assert PASSWORD not in person.file.read_text()


def test_what_is_discovered_feeds_the_steps(person: Person) -> None:
    for role in ACCOUNTS:
        person.discover(role)
    person.discover("recovery-points", "--choose=1")
    missing = {
        step.name: sorted(re.findall(r"error: --(\S+) is missing", outcome.err))
        for step in STEPS
        if (outcome := run(step.name, f"--values={person.file}", "--run=r1")).code
        and "no such option" not in outcome.err
    }
    assert missing == {
        "stack-create": ["template-url"],
        "stack-parameters": [],  # what to do is a choice
        "s3-point-in-time": ["until"],
        "datasets-not-cached": ["command"],
        "db-copy-in": ["from-host"],
    }


def test_a_second_run_changes_nothing_and_keeps_what_is_not_found_anymore(person: Person) -> None:
    person.discover("target")
    text = person.file.read_text()
    del stack_of(person.simulator, TARGET).physical_ids["DataVolume"]
    person.file.write_text(text)
    refused(person.discover("target"), "no DataVolume")
    stack_of(person.simulator, TARGET).physical_ids["DataVolume"] = "vol-0123456789abcdef0"
    del stack_of(person.simulator, TARGET).physical_ids["BackupVault"]
    outcome = person.discover("target")
    assert "not found: backup_vault_name of [target]: the stack has no BackupVault" in outcome.err
    assert person.file.read_text() == text


def test_what_was_replaced_is_told(person: Person) -> None:
    person.file.write_text("[source]\ndata_volume_id = 'vol-00000000' # mine\n")
    outcome = person.discover("source")
    assert "changed: [source] data_volume_id was vol-00000000" in outcome.err
    assert "# mine # found: DataVolume" in person.file.read_text()


def test_of_several_stacks_none_is_picked_and_nothing_written(person: Person) -> None:
    stack = stack_of(person.simulator, TARGET)
    person.simulator.cloudformation.add(
        TARGET, REGION, "other", stack.template, dict(stack.parameters)
    )
    outcome = person.discover("target")
    refused(outcome, "2 stacks", "codeocean, other", "--stack-name")
    assert not person.file.exists()
    assert person.discover("target", "--stack-name=codeocean").code == 0
    assert person.discover("target").code == 0  # the file says which


def test_of_several_instances_none_is_picked(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from codeocean_cmdgen.simulator import autoscaling  # noqa: PLC0415 - its internals

    original = autoscaling._describe  # noqa: SLF001

    def two(*arguments: Any) -> dict[str, Any]:
        group = original(*arguments)
        (one,) = group["Instances"]
        return {**group, "Instances": [one, {**one, "InstanceId": "i-0fedcba9876543210"}]}

    monkeypatch.setattr(autoscaling, "_describe", two)
    refused(person.discover("target"), "there are 2 candidates", "i-0fedcba9876543210")
    assert not person.file.exists()
    person.file.write_text("[target]\nservices_instance_id = 'i-0fedcba9876543210'\n")
    assert person.discover("target").code == 0


def test_another_accounts_credentials_are_refused(person: Person) -> None:
    person.file.write_text(f"[target]\naccount_id = '{TARGET}'\n")
    outcome = person.discover("target", account=SOURCE)
    refused(outcome, f"this is account {SOURCE}", f"{person.file}:2", f"in {TARGET} (")
    assert len(person.simulator.requests) == 1


def test_one_deployment_is_not_two(person: Person) -> None:
    assert person.discover("source").code == 0
    outcome = person.discover("target", account=SOURCE)
    before = person.file.read_text()
    refused(outcome, f"this is account {SOURCE}", "is the source's", f"{person.file}:1", "expected")
    assert "or, if both share this one" in outcome.err
    assert person.file.read_text() == before
    shared = f'[target]\naccount_id = "{SOURCE}"\n'
    person.file.write_text(before.replace("[target]\n", shared))
    refused(person.discover("target", account=SOURCE), "is already the [source] of")


@pytest.mark.parametrize(
    "known",
    [
        f'[target]\naccount_id = "{TARGET}"\n',
        f'[target]\nrole_arn = "arn:aws:iam::{TARGET}:role/r"\n',
        f"[backup.snapshot-copy]\ndestination_vault_arn = '{VAULT_OF_TARGET}'\n",
    ],
)
def test_an_account_that_the_file_gives_to_another_is_refused(known: str, person: Person) -> None:
    person.file.write_text(known)
    outcome = person.discover("source", account=TARGET)
    refused(
        outcome, f"this is account {TARGET}", f"the target's ({person.file}:2)", "expected the so"
    )
    assert person.file.read_text() == known
    person.file.write_text(f'{known}[source]\naccount_id = "{TARGET}"\n')
    assert person.discover("source", account=TARGET).code == 0, "the person said that they share it"
    assert person.tables["source"]["account_id"] == (TARGET,)


def test_discover_says_first_who_answered(person: Person) -> None:
    arn = f"arn:aws:sts::{SOURCE}:assumed-role/Operator/operator"
    first, second, third, fourth, *_ = person.discover("source").err.splitlines()
    assert first == "asking AWS for the caller's identity"
    assert second == f"caller: {arn}, account {SOURCE}, {REGION}"
    assert third.startswith("asking AWS for the stacks")
    assert fourth == "stack: codeocean"


def test_a_stack_of_another_kind_is_refused(person: Person) -> None:
    refused(person.discover("target", account=BACKUP), "no stacks", "codeocean-backup")
    for role, account, name in (
        ("target", BACKUP, "codeocean-backup"),
        ("backup", SOURCE, "codeocean"),
    ):
        outcome = person.discover(role, f"--stack-name={name}", account=account)
        refused(outcome, f"is not the {role}'s")


def test_a_stack_that_does_not_exist_is_named_with_account_and_region(person: Person) -> None:
    outcome = person.discover("target", "--stack-name=nope")
    refused(outcome, f"error: stack nope not found in account {TARGET}, {REGION}\n")
    assert not person.file.exists()


def test_a_missing_bucket_leaves_out_all_and_says_what_to_write(person: Person) -> None:
    del stack_of(person.simulator, SOURCE).physical_ids["S3MLflowBucket"]
    outcome = person.discover("source")
    assert "no bucket for MLflow" in outcome.err
    assert 'bucket_arn = ["arn:aws:s3:::codeocean-source-capsules", ' in outcome.err
    assert "bucket_arn" not in person.tables["source"]


def test_a_source_without_backup_configuration_says_what_to_set(person: Person) -> None:
    del stack_of(person.simulator, SOURCE).physical_ids["S3BackupRole"]
    told = person.discover("source").err
    assert "paste the script of codeocean-cmdgen stack-parameters --preset backup-desti" in told


def test_what_is_refused_is_left_out_and_named(person: Person) -> None:
    session = person.simulator.assume(
        RoleSession(TARGET, "reader", "me", frozenset({"cloudformation:*", "rds:*"}))
    )
    outcome = person.discover("target", AWS_ACCESS_KEY_ID=session.access_key)
    assert outcome.code == 0
    assert "not found: role_arn of [target]: cannot read role" in outcome.err
    assert "not found: services_instance_id of [target]: cannot read" in outcome.err
    assert "data_volume_id" in person.tables["target"]
    person.file.unlink()
    session = person.simulator.assume(RoleSession(TARGET, "nobody", "me", frozenset()))
    refused(person.discover("target", AWS_ACCESS_KEY_ID=session.access_key), "not authorized")
    assert not person.file.exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("AWS_ENDPOINT_URL", "foo"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:99999"),
        ("AWS_MAX_ATTEMPTS", "abc"),
    ],
)
def test_settings_that_the_sdk_cannot_use_are_bad_input(
    person: Person, name: str, text: str
) -> None:
    outcome = person.discover("target", **{name: text})
    refused(outcome, "error: the AWS settings cannot be used: ", "hint: check AWS_", code=2)
    assert not person.file.exists()


def test_it_says_what_it_needs(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    region = {"AWS_DEFAULT_REGION": ""}
    told = "no Region is configured\nhint: add --region REGION"
    refused(person.discover("target", **region), told, code=2)
    unknown = "--profile: there is no profile 'none' in ", "aws configure list-profiles"
    refused(person.discover("target", "--profile=none"), *unknown, code=2)
    unknown = "AWS_PROFILE: there is no profile 'none' in mine or ", "aws configure list-profiles"
    own = {"AWS_PROFILE": "none", "AWS_CONFIG_FILE": "mine"}
    refused(person.discover("target", **own), *unknown, code=2)
    person.file.write_text("[sauce]\n")
    refused(person.discover("target"), f"{person.file}:1: 'sauce'", code=2)
    person.file.unlink()
    monkeypatch.setitem(__import__("sys").modules, "boto3", None)
    refused(person.discover("target"), "pip install boto3", code=2)


def test_a_migration_has_the_target_as_destination(person: Person) -> None:
    preset = "[source.stack-parameters]\npreset = 'migration-destination'\n"
    person.file.write_text(preset)
    for role in ("source", "target"):
        assert person.discover(role).code == 0
    tables = person.tables
    vault = f"arn:aws:backup:{REGION}:{TARGET}:backup-vault:codeocean-v1"
    assert tables["source.stack-parameters"]["destination_vault_arn"] == (vault,)
    assert tables["target.stack-parameters"]["restore_source_account_id"] == (SOURCE,)


def test_the_temporary_database_is_found_once_it_is_there(person: Person) -> None:
    assert "again after db-restore" in person.discover("target").err
    person.simulator.rds.database(TARGET, REGION, "tmp-codeocean-restore")
    person.discover("target")
    assert person.tables["target"]["from_host"][0].startswith("tmp-codeocean-restore.")


def test_the_temporary_database_has_the_name_that_the_file_gives_it(person: Person) -> None:
    person.file.write_text("[target.db-restore]\ntemporary_db_instance_id = 'tmp-second'\n")
    assert "database tmp-second does not exist yet" in person.discover("target").err
    for name in ("tmp-codeocean-restore", "tmp-second"):
        person.simulator.rds.database(TARGET, REGION, name)
    person.discover("target")
    assert person.tables["target"]["from_host"][0].startswith("tmp-second.")


def job(person: Person, bucket: str, status: str, hours: float = 0) -> None:
    description = (
        f"codeocean-cmdgen s3-batch-replication run=first bucket={bucket} set=0123abcd:1 token=a"
    )
    now = person.simulator.clock.now()
    made = Job(
        f"job-{len(person.simulator.s3_batch.jobs)}",
        BACKUP,
        REGION,
        {"Description": description, "Priority": 10},
        now - timedelta(hours=hours + 1),
        status=status,
        ended=now - timedelta(hours=hours) if status != "Suspended" else None,
    )
    person.simulator.s3_batch.jobs[made.job_id] = made


def test_the_end_of_replication_is_that_of_the_last_job(person: Person) -> None:
    table = "target.s3-point-in-time"
    assert "until" not in person.discover("backup").err
    assert "until" not in person.tables[table]
    job(person, "codeocean-backup-capsules", "Complete", hours=3)
    job(person, "codeocean-backup-public", "Failed", hours=2)
    job(person, "another-bucket", "Suspended")
    assert person.discover("backup").code == 0
    (until,) = person.tables[table]["until"]
    end = person.simulator.s3_batch.jobs["job-1"].ended
    assert end
    assert end < datetime.fromisoformat(until.replace("Z", "+00:00")) <= end + timedelta(seconds=1)
    job(person, "codeocean-backup-datasets", "Suspended")
    outcome = person.discover("backup")
    assert f"until of [{table}]: job job-3 is still replicating" in outcome.err
    assert person.tables[table]["until"] == (until,)


# On the services instance.


def test_the_host_tells_what_stack_json_holds_without_aws(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "boto3", None)
    database = {"Host": "one.example.us-east-1.rds.amazonaws.com", "Password": CANARIES[0]}
    stack = stack_file(tmp_path, AnalyticsDB=database)
    monkeypatch.setattr(stack_json, "STACK_JSON", tmp_path / "stack.json")
    outcome = person.discover("source")
    assert outcome.code == 0
    command = f"codeocean-cmdgen discover source --values {person.file}"
    assert f"run {command} in CloudShell" in outcome.err
    assert f"stack.json: account {SOURCE}, {REGION}, stack codeocean\n" in outcome.err
    tables = person.tables
    assert tables["source"]["db_instance_id"] == ("one",)
    assert len(tables["source"]["bucket_arn"]) == len(REPLICATED_BUCKETS)
    assert "role_arn" in tables["source.s3-batch-replication"]
    text = person.file.read_text()
    assert "# found: stack.json" in text
    assert not any(canary in text + outcome.err for canary in CANARIES)
    refused(person.discover("backup", stack), "has no services instance", code=2)
    refused(run("discover", "source"), "missing --values: a services instance", code=2)
    assert person.simulator.requests == []


def test_the_host_names_its_database_in_china_too(person: Person, tmp_path: Path) -> None:
    database = {"Host": "one.c9akciq32.rds.cn-north-1.amazonaws.com.cn"}
    person.discover("source", stack_file(tmp_path, AnalyticsDB=database))
    assert person.tables["source"]["db_instance_id"] == ("one",)


@pytest.mark.parametrize("changes", [{"Stack": ""}, {"AWS": {"AccountID": "1"}}, {"AWS": []}])
def test_a_host_that_does_not_say_where_it_is_is_refused(
    person: Person, tmp_path: Path, changes: dict[str, Any]
) -> None:
    refused(person.discover("target", stack_file(tmp_path, **changes)), "stack.json", code=2)
    assert not person.file.exists()


def test_what_the_host_tells_must_agree_with_the_file(person: Person, tmp_path: Path) -> None:
    person.file.write_text(f"[target]\naccount_id = '{TARGET}'\n")
    refused(person.discover("target", stack_file(tmp_path)), f"this is account {SOURCE}")
    host = json.loads((tmp_path / "stack.json").read_text())
    assert host["AWS"]["AccountID"] == SOURCE


def test_what_a_guard_expects_never_comes_from_the_host_that_it_guards(
    person: Person, tmp_path: Path
) -> None:
    place = {"account_id", "region", "stack_name"}
    outcome = person.discover("target", stack_file(tmp_path))
    assert outcome.code == 0
    assert place.isdisjoint(person.tables["target"])
    assert "account_id, region, stack_name of [target]: not taken from stack.json" in outcome.err
    own = {"account_id": SOURCE, "region": REGION, "stack_name": "codeocean"}
    lines = "".join(f'{name} = "{text}"\n' for name, text in own.items())
    person.file.write_text(f"[target]\n{lines}")
    outcome = person.discover("target", stack_file(tmp_path))
    assert "not taken" not in outcome.err
    assert {name: person.tables["target"][name] for name in place} == {
        name: (text,) for name, text in own.items()
    }


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["source", "--choose=7"], "--choose: only for discover recovery-points"),
        (["source", "--from=target"], "--from: only for discover recovery-points"),
        (
            ["recovery-points", "--stack-name=one"],
            "--stack-name: not an option of discover recovery-points",
        ),
        (
            ["recovery-points", "--stack-json=one"],
            "--stack-json: not an option of discover recovery-points",
        ),
        (["source", "--stack-json=one", "--stack-name=one"], "--stack-name: not used"),
        (["source", "--stack-json=one", "--region=mars"], "--region: not used"),
        (["source", "--stack-json=one", "--profile=nope"], "--profile: not used"),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused(
    person: Person, tmp_path: Path, arguments: list[str], refusal: str
) -> None:
    stack_file(tmp_path)
    named = f"--stack-json={tmp_path}/stack.json"
    given = [one.replace("--stack-json=one", named) for one in arguments]
    refused(person.discover(*given), refusal, code=2)
    assert not person.file.exists()


# Recovery points.


def point(person: Person, kind: str, hours: float, **more: Any) -> str:
    created = person.simulator.clock.now() - timedelta(hours=hours)
    return person.simulator.backup.add_recovery_point(BACKUP, REGION, VAULT, kind, created, **more)


@pytest.fixture
def backed_up(person: Person) -> Person:
    assert person.discover("backup").code == 0
    return person


def test_pairs_are_listed_newest_first_and_the_chosen_one_is_taken(backed_up: Person) -> None:
    new = [point(backed_up, kind, hours) for kind, hours in (("EBS", 1), ("RDS", 0.5))]
    point(backed_up, "EBS", 700, delete_after_days=None)
    text = backed_up.file.read_text()
    listed = backed_up.discover("recovery-points")
    refused(
        listed,
        "no pair is chosen, so nothing is written\nhint: to write one: "
        f"codeocean-cmdgen discover recovery-points --from backup --values {backed_up.file} "
        "--choose NUMBER",
        code=2,
    )
    rows = [line.split() for line in listed.out.splitlines()]
    assert rows[0][:3] == ["#", "created", "(UTC)"]
    assert [row[0] for row in rows[1:]] == ["1", "2"]
    assert rows[1][-2] == new[0].rpartition("/")[2]
    assert "has no counterpart" in listed.err
    assert backed_up.file.read_text() == text
    assert backed_up.discover("recovery-points", f"--choose={rows[1][-2]}").code == 0
    assert backed_up.tables["backup"]["ebs_snapshot_arn"] == (new[0],)
    assert backed_up.tables["backup"]["rds_snapshot_arn"] == (new[1],)
    (at,) = backed_up.tables["target.s3-point-in-time"]["at"]
    assert at.startswith(f"{backed_up.simulator.clock.now() - timedelta(hours=1):%Y-%m-%dT%H:%M}")
    refused(
        backed_up.discover("recovery-points", "--choose=3"),
        "there is no pair '3': choose 1 to 2",
        code=2,
    )


@pytest.mark.parametrize("answer", ["1", ""])
def test_on_a_terminal_the_pair_is_asked_for(backed_up: Person, answer: str) -> None:
    account = backed_up.simulator.account(BACKUP).environment()
    before = backed_up.file.read_text()
    program, *arguments = map(
        str, [*PROGRAM, "discover", "recovery-points", f"--values={backed_up.file}"]
    )
    child = pexpect.spawn(
        str(program), arguments, env={**os.environ, **account}, encoding="utf-8", timeout=120
    )
    child.expect("Pair number")
    child.sendline(answer)
    child.expect(pexpect.EOF)
    assert child.wait() == 0
    assert (backed_up.file.read_text() != before) == bool(answer)
    assert ("nothing is written" in str(child.before)) == (not answer)


def test_points_that_cannot_be_restored_are_no_pair(backed_up: Person) -> None:
    point(backed_up, "EBS", 1, status="PARTIAL")
    point(backed_up, "RDS", 1)
    outcome = backed_up.discover("recovery-points")
    assert len(outcome.out.splitlines()) == 2
    assert "is PARTIAL" in outcome.err


def described(kind: str, name: str, minutes: int, **more: Any) -> dict[str, Any]:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    resource = {"EBS": "ec2:us-east-1:1:volume/v", "RDS": "rds:us-east-1:1:db:d"}[kind]
    arn = {
        "EBS": f"arn:aws:ec2:us-east-1::snapshot/snap-{name}",
        "RDS": f"arn:aws:rds:us-east-1:{BACKUP}:snapshot:awsbackup:{name}",
    }[kind]
    return {
        "RecoveryPointArn": arn,
        "ResourceType": kind,
        "ResourceArn": f"arn:aws:{resource}",
        "Status": "COMPLETED",
        "CreationDate": now - timedelta(minutes=minutes),
        **more,
    }


def test_on_a_narrow_terminal_nothing_is_folded() -> None:
    pairs = pair_up(
        [described("EBS", "0123456789abcdef0", 60), described("RDS", "copyjob-12345678-12", 50)]
    ).pairs
    wide, narrow = (list(lines_of(pairs, width)) for width in (80, 40))
    assert len(wide) == 2
    assert max(map(len, wide)) <= 80
    assert max(map(len, narrow)) <= 40
    assert [line.split() for line in narrow[:4]] == [
        ["#", "created", "(UTC)", "apart", "expires"],
        ["data", "volume"],
        ["database"],
        ["1", *f"{pairs[0].ebs.created:%Y-%m-%d %H:%M}".split(), "10", "min", "never"],
    ]
    assert narrow[4:] == ["   snap-0123456789abcdef0", "   copyjob-12345678"]


def test_of_near_duplicates_the_copy_is_taken() -> None:
    soon = datetime.now(timezone.utc) + timedelta(hours=20)
    lifecycle = {"CalculatedLifecycle": {"DeleteAt": soon}}
    found = pair_up(
        [
            described("EBS", "00000001", 60),
            described("EBS", "00000002", 60, SourceBackupVaultArn="vault", **lifecycle),
            described("RDS", "job-1", 50),
            described("RDS", "copyjob-1", 50, **lifecycle),
        ]
    )
    (pair,) = found.pairs
    assert (pair.ebs.short, pair.rds.short) == ("snap-00000002", "copyjob-1")
    assert "2 duplicates of these backups" in found.notes[0]
    _, warnings = facts_of(pair, "backup")
    assert "the pair expires at" in warnings[0]


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_copies_the_one_that_stays_longer_is_taken(first: int) -> None:
    soon = datetime.now(timezone.utc) + timedelta(hours=20)
    copies = [
        described("EBS", "00000001", 60, SourceBackupVaultArn="vault"),
        described(
            "EBS",
            "00000002",
            60,
            SourceBackupVaultArn="vault",
            CalculatedLifecycle={"DeleteAt": soon},
        ),
    ]
    rds = described("RDS", "copyjob-1", 60)
    (pair,) = pair_up([copies[first], copies[1 - first], rds]).pairs
    assert pair.ebs.short == "snap-00000001"


@pytest.mark.parametrize("more", [{"IsParent": True}, {"ResourceType": "Aurora"}])
def test_a_point_of_another_kind_or_with_points_inside_is_no_half_of_a_pair(
    more: dict[str, Any],
) -> None:
    ebs, rds = described("EBS", "00000001", 60), described("RDS", "copyjob-1", 60)
    assert len(pair_up([ebs, rds]).pairs) == 1
    assert pair_up([{**ebs, **more}, rds]).pairs == []
    assert pair_up([ebs, {**rds, **more}]).pairs == []


def test_each_point_is_in_one_pair_the_nearest() -> None:
    found = pair_up(
        [
            described("EBS", "00000001", 60),
            described("EBS", "00000002", 200),
            described("RDS", "copyjob-1", 190),
        ]
    )
    assert [pair.ebs.short for pair in found.pairs] == ["snap-00000002"]
    found = pair_up([described("EBS", "00000001", 0), described("RDS", "copyjob-1", 1500)])
    assert found.pairs == []
    found = pair_up([described("EBS", "00000001", 0), described("RDS", "copyjob-1", 200)])
    assert "3:20:00 apart" in facts_of(found.pairs[0], "backup")[1][0]


def test_deployments_are_not_mixed_in_a_pair() -> None:
    other = {"ResourceArn": "arn:aws:rds:eu-west-1:2:db:d"}
    found = pair_up([described("EBS", "00000001", 0), described("RDS", "copyjob-1", 1, **other)])
    assert found.pairs == []
    assert len(found.notes) == 2


def test_a_vault_without_pairs_or_name_is_told(person: Person) -> None:
    refused(person.discover("recovery-points"), "codeocean-cmdgen discover backup", code=2)
    person.file.write_text("[target]\nbackup_vault_name = 'codeocean-v1'\n")
    outcome = person.discover("recovery-points", "--from=target", account=TARGET)
    refused(outcome, "no pair of recovery points")


def test_it_says_how_many_values_are_new(person: Person) -> None:
    created, first = person.discover("source").err.splitlines()[-2:]
    assert created == f"created: {person.file}"
    many = re.fullmatch(f"done: wrote ([0-9]+) values to {person.file}", first)
    assert many, first
    count = int(many[1])
    text = person.file.read_text()
    again = person.discover("source").err.splitlines()[-1]
    assert again == f"done: nothing new: {person.file} already has all {count}"
    assert person.file.read_text() == text
    other = re.sub('\ndb_instance_id = ".*?"', '\ndb_instance_id = "another"', text)
    person.file.write_text(re.sub("\nstack_name = .*", "", other))
    told = person.discover("source").err.splitlines()
    assert "changed: [source] db_instance_id was another" in told
    assert told[-1] == f"done: wrote 2 values to {person.file}; it already had {count - 2} more"


# What is written here, every command reads.


def fill(person: Person, role: str) -> None:
    """Discover one deployment, and for the backup the recovery points in its vault as well."""
    assert person.discover(role).code == 0
    if role == "backup":
        assert person.discover("recovery-points", "--choose=1").code == 0


@pytest.mark.parametrize("role", ACCOUNTS)
def test_every_command_accepts_the_file_that_discover_wrote(
    person: Person, role: str, tmp_path: Path
) -> None:
    fill(person, role)
    values = f"--values={person.file}"
    account = person.simulator.account(ACCOUNTS[role]).environment()
    for procedure in PROCEDURES:
        offline = run("check", procedure, values, "--offline")
        live = run("check", procedure, values, **account)
        for outcome in (offline, live):
            assert outcome.code in {0, 1}, outcome  # of half a file, something is to be said
            assert outcome.out.splitlines()[-1].startswith(f"{procedure}: "), outcome
        assert run("runbook", procedure, values).code == 0
        folder = tmp_path / procedure
        assert run("render", procedure, values, f"--directory={folder}").code == 0
    fill(person, role)


def test_every_command_accepts_the_file_of_all_three(person: Person, tmp_path: Path) -> None:
    for role in ACCOUNTS:
        fill(person, role)
    values = f"--values={person.file}"
    for procedure in PROCEDURES:
        outcome = run("check", procedure, values, "--offline")
        assert "services_instance_id" not in outcome.out + outcome.err
        assert outcome.code in {0, 1}, outcome
    assert run("check", "restore", values, "--offline").code == 0
    assert run("iam-policy", "snapshot-copy", values).code == 0
    folder = tmp_path / "restore"
    assert run("render", "restore", values, f"--directory={folder}").code == 0
    assert list(folder.glob("*-volume-restore.sh"))
    runbook = run("runbook", "restore", values).out
    assert "| the deployment's services instance, for the SSM session" in runbook
