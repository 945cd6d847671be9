"""The largest scripts that legal values make: each fits into one paste, or says how to split it."""

from __future__ import annotations

import json
import re
from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple

import pytest

from codeocean_cmdgen.arguments import VOCABULARY, flag
from codeocean_cmdgen.inputs.deployment_file import homes
from codeocean_cmdgen.rendering.paste import MAX_BYTES, MAX_LINES, pasted
from codeocean_cmdgen.steps import STEPS, Step
from codeocean_cmdgen.values import Preset, Switch
from codeocean_cmdgen.vendor import REPLICATED_BUCKETS
from tests.support.cli import Outcome, run

if TYPE_CHECKING:
    from pathlib import Path

REGION = "us-gov-northeast-1"
"""The longest name that a Region may have, in the partition with the longest name."""
ACCOUNT, OTHER_ACCOUNT = "111111111111", "222222222222"
PATH = f"/{'p' * 255}" * 15
"""Of nearly 4,096 characters, the longest path that Linux takes."""


def buckets(owner: str) -> tuple[str, ...]:
    """Return one bucket of each kind, with names of 63 characters."""
    names = (f"{owner}-{kind.lower()}-".ljust(63, "x") for kind in REPLICATED_BUCKETS)
    return tuple(f"arn:aws-us-gov:s3:::{name}" for name in names)


def host(label: str) -> str:
    return f"{label * 63}.{label * 63}.{label * 63}.{label * 61}"


def parameters(value: str, number: int = 3) -> tuple[str, ...]:
    """Return parameters with keys of 255 characters: as much as 19 of the vendor's have."""
    return tuple(f"{'k' * 254}{digit}={value}" for digit in range(number))


URL = f"http://localhost:65535/{'u' * 2000}"
LONGEST: dict[str, tuple[str, ...]] = {
    "account_id": (ACCOUNT,),
    "region": (REGION,),
    "role_arn": (f"arn:aws-us-gov:iam::{ACCOUNT}:role/{('p' * 128 + '/') * 8}{'r' * 64}",),
    "bucket_arn": buckets("own"),
    "report_bucket_arn": (f"arn:aws-us-gov:s3:::{'r' * 63}",),
    "backup_vault_name": ("v" * 50,),
    "ebs_snapshot_arn": (f"arn:aws-us-gov:ec2:{REGION}::snapshot/snap-{'0' * 17}",),
    "rds_snapshot_arn": (
        f"arn:aws-us-gov:rds:{REGION}:{ACCOUNT}:snapshot:awsbackup:copyjob-{'1' * 200}",
    ),
    "destination_vault_arn": (
        f"arn:aws-us-gov:backup:{REGION}:{OTHER_ACCOUNT}:backup-vault:{'w' * 50}",
    ),
    "retention_days": ("36500",),
    "stack_name": ("s" * 128,),
    "data_volume_id": (f"vol-{'0' * 17}",),
    "restored_volume_id": (f"vol-{'1' * 17}",),
    "db_instance_id": ("d" * 63,),
    "temporary_db_instance_id": ("t" * 63,),
    "db_instance_class": (f"db.{'c' * 20}.{'s' * 20}",),
    "kms_key_id": (
        f"arn:aws-us-gov:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555",
    ),
    "data_mount": (PATH,),
    "health_url": (URL,),
    "job_url": (URL,),
    "command": ("'" * 2000,),  # which the shell's quoting makes five times as long
    "from_host": (host("f"),),
    "to_host": (host("t"),),
    "from_port": ("65535",),
    "to_port": ("65534",),
    "user": ("u" * 40,),
    "database": ("d" * 40,),
    "master_password_secret_id": (
        f"arn:aws-us-gov:secretsmanager:{REGION}:{ACCOUNT}:secret:{'s' * 519}",
    ),
    "ca_bundle": (PATH,),
    "dump_folder": (PATH,),
    "set": parameters("v" * 255),
    "clear": tuple(f"{'c' * 254}{digit}" for digit in range(4)),  # as long as 26 of the vendor's
    "template_url": (f"https://{'t' * 63}.s3.amazonaws.com/{'u' * 900}",),
    "destination_bucket_arn": buckets("other"),
    "restore_source_account_id": (OTHER_ACCOUNT,),
    "at": (f"2019-11-24T04:00:00.{'1' * 30}+01:00",),
    "until": (f"2019-11-25T04:00:00.{'1' * 30}+01:00",),
    "run": ("r" * 32,),
}
"""Every value as long as it may be, or as the system that it is for takes it."""

SWITCHES = [name for name, argument in VOCABULARY.items() if argument.kind is Switch]


class Case(NamedTuple):
    """A step with all its options, one of its switches on, and one of its presets."""

    step: type[Step]
    switch: str = ""
    preset: str = ""

    def __str__(self) -> str:
        return "-".join(filter(None, [self.step.name, self.switch, self.preset]))

    @property
    def values(self) -> dict[str, tuple[str, ...]]:
        """Every option that the step has, but a file, and its texts."""
        given: dict[str, tuple[str, ...]] = {}
        for name in self.step.arguments():
            if name in SWITCHES:
                given[name] = ("yes" if name == self.switch else "no",)
            elif name == "preset":
                given[name] = (self.preset,)
            elif not VOCABULARY[name].file:
                given[name] = LONGEST[name]
        return given


CASES = [
    Case(step, switch, preset)
    for step in STEPS
    for switch in ("", *(name for name in step.arguments() if name in SWITCHES))
    for preset in (Preset.names if "preset" in step.arguments() else [""])
]
EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=str)


@pytest.mark.parametrize("name", LONGEST)
def test_no_value_could_be_longer(name: str) -> None:
    """But paths, URLs and fractions of a second, whose kinds have no longest."""
    kind = VOCABULARY[name].kind
    for text in LONGEST[name]:
        assert not kind.why_not(text)
    unbounded = {"data_mount", "ca_bundle", "dump_folder", "health_url", "job_url", "at", "until"}
    text = LONGEST[name][0]
    if name not in unbounded | {"set", "template_url"}:
        assert kind.why_not(text + text[-1])


def test_every_argument_has_its_longest() -> None:
    files = {name for name, argument in VOCABULARY.items() if argument.file}
    assert set(LONGEST) | set(SWITCHES) | files | {"preset"} == set(VOCABULARY)


def demand_pastes(outcome: Outcome, step: type[Step]) -> None:
    assert (outcome.code, outcome.err) == (0, "")
    parts = pasted(outcome.out, step.place)
    assert len(parts) == 1 or step.name == "db-copy-in"
    for part in parts:
        assert len(part) <= MAX_BYTES
        assert step.place != "host" or part.count("\n") <= MAX_LINES


def origins(script: str) -> list[str]:
    """Return the origins that the values block names, one for each group of values."""
    block = script.partition("\nvalues() {\n")[2].partition("\n}\n")[0]
    return re.findall(r"^  # (from .*|by default)$", block, re.MULTILINE)


def variable(step: type[Step], name: str) -> str:
    return f"CODEOCEAN_CMDGEN_{step.name}_{name}".upper().replace("-", "_")


@EVERY_CASE
def test_every_value_from_a_variable_of_its_own(case: Case) -> None:
    """The most lines there are: every value has an origin of its own."""
    environment = {
        variable(case.step, name): " ".join(texts) for name, texts in case.values.items()
    }
    outcome = run(case.step.name, **environment)
    demand_pastes(outcome, case.step)
    named = origins(outcome.out)
    assert len(set(named)) == len(named) > 0
    assert all(one.startswith("from environment ") for one in named)


@EVERY_CASE
def test_every_kind_of_origin_in_turn(case: Case, tmp_path: Path) -> None:
    """What stack.json may fill is left to it; the rest comes from options, environment, file."""
    step, table = case.step, case.step.tables[0]
    values = case.values
    arguments = [step.name, stack_json(tmp_path)]
    filled = {
        name
        for deployment, names in step.from_stack_json.items()
        if deployment == table or deployment not in step.tables
        for name in names
    }
    environment: dict[str, str] = {}
    tables: dict[str, dict[str, list[str]]] = {}
    rest = {name: texts for name, texts in values.items() if name not in filled}
    for source, (name, texts) in zip(cycle(("option", "environment", "file")), rest.items()):
        if source == "option" and name in SWITCHES:
            arguments += [flag(name)] if texts == ("yes",) else []
        elif source == "option":
            arguments += [f"{flag(name)}={text}" for text in texts]
        elif source == "environment":
            environment[variable(step, name)] = " ".join(texts)
        else:
            tables.setdefault(homes(step, table, name)[0], {})[name] = list(texts)
    file = tmp_path / "deployment.toml"
    file.write_text(
        "".join(
            f"[{home}]\n" + "".join(f"{name} = {toml(texts)}\n" for name, texts in content.items())
            for home, content in tables.items()
        )
    )
    outcome = run(*arguments, f"--values={file}", **environment)
    demand_pastes(outcome, step)
    assert bool(filled) == ("from stack.json" in origins(outcome.out))


def toml(texts: list[str]) -> str:
    return json.dumps(texts if len(texts) > 1 else texts[0])


def stack_json(folder: Path) -> str:
    names = {kind: arn.rpartition(":")[2] for kind, arn in zip(REPLICATED_BUCKETS, buckets("own"))}
    aws = {
        "AccountID": ACCOUNT,
        "Region": REGION,
        "S3BackupRole": LONGEST["role_arn"][0],
        "BackupVault": LONGEST["destination_vault_arn"][0],
    }
    database = {"Host": host("t"), "Port": "65534", "Username": "u" * 40}
    document = {"Stack": "s" * 128, "AWS": aws, "Buckets": names, "AnalyticsDB": database}
    file = folder / "stack.json"
    file.write_text(json.dumps(document))
    return f"--stack-json={file}"


@pytest.mark.parametrize("case", [one for one in CASES if "set" in one.values], ids=str)
def test_what_is_too_much_says_how_to_split_it(case: Case) -> None:
    values = {**case.values, "set": parameters("'" * 4096)}
    if case.step.name == "stack-parameters":
        del values["clear"]
    arguments = [f"{flag(name)}={text}" for name, texts in values.items() for text in texts]
    arguments = [one for one in arguments if not one.endswith(("=yes", "=no"))]
    outcome = run(case.step.name, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 2
    assert " bytes, more than the 60,000 bytes that one paste may have" in outcome.err
    assert "hint: give fewer --set" in outcome.err


def test_a_saved_stack_that_is_too_much_says_how_to_split_it(tmp_path: Path) -> None:
    saved = [
        {"ParameterKey": f"p{number}", "ParameterValue": "v" * 4096}
        for number in range(MAX_BYTES // 4096)
    ]
    file = tmp_path / "saved.json"
    file.write_text(json.dumps({"Stacks": [{"Parameters": saved}]}))
    (step,) = (one for one in STEPS if one.name == "stack-create")
    values = {name: text for name, (text, *_) in Case(step).values.items() if name != "set"}
    arguments = [f"{flag(name)}={text}" for name, text in values.items()]
    outcome = run(step.name, *arguments, f"--parameters-from={file}")
    assert (outcome.code, outcome.out) == (2, "")
    assert "give fewer --parameters-from, and set the others with stack-parameters" in outcome.err
