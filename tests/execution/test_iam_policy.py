"""iam-policy: what it allows is what the scripts ask for, no more and no less."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from codeocean_cmdgen.policy import action, calls, example, policy
from codeocean_cmdgen.render import render
from codeocean_cmdgen.simulator import Simulator, example_world
from codeocean_cmdgen.steps import STEPS, Step
from tests.execution.conftest import PersonOf, made, script
from tests.execution.test_place import HOME, MORE

CLOUDSHELL = [step.name for step in STEPS if step.place == "cloudshell"]
VALUES: dict[str, dict[str, str]] = {"stack-create": {"stack_name": "another"}}
"""Values that let a step do its work in the example world."""
BEFORE = {
    "instance-release": ["instance-hold"],
    "volume-restore": ["snapshot-copy"],
    "db-restore": ["snapshot-copy"],
    "volume-delete": ["snapshot-copy", "volume-restore"],
    "db-delete": ["snapshot-copy", "db-restore"],
}
"""Step -> the steps that make what it works on."""
NEVER_ASKED = {"iam:PassRole", "cloudformation:TagResource"}
"""What AWS checks on the way of another call."""
NOT_ASKED_HERE = {
    "volume-delete": {"ec2:DetachVolume"},
    "s3-point-in-time": {"s3:DeleteObjectVersion", "s3:GetObjectVersion"},
}
"""Step -> what it needs where there is more to do."""


def actions(document: dict[str, Any]) -> set[str]:
    return {one for statement in document["Statement"] for one in statement["Action"]}


@pytest.mark.parametrize("name", CLOUDSHELL)
def test_it_allows_what_a_script_asks_for_and_nothing_else(
    simulator: Simulator, person: PersonOf, name: str
) -> None:
    example_world(simulator, objects_per_bucket=1)
    operator = person(HOME[name])
    for before in BEFORE.get(name, []):
        assert person(HOME[before]).run(script(before)).done
    simulator.clear_requests()
    text = script(name, **VALUES.get(name, {}), **MORE.get(name, {}))
    simulator.faults.add("s3control:CreateJob", "fail-job")  # so that DescribeJob is called
    operator.run(text, PLAN="1")
    made_before = [str(one.made) for one in simulator.backup_jobs.restores.values()]
    operator.run(text, CONFIRM=re.sub(r".*[:/]", "", (made_before or ["codeocean"])[-1]))
    asked = {
        action({"s3": "s3api"}.get(one.service, one.service), xform_name(one.operation, "-"))
        for one in simulator.requests
    }
    allowed = actions(policy([made(name, **MORE.get(name, {})).step], scoped=True))
    assert asked - {""} == allowed - NEVER_ASKED - NOT_ASKED_HERE.get(name, set())


@pytest.mark.parametrize("step", STEPS)
def test_each_call_is_an_operation_of_its_service(step: type[Step]) -> None:
    """IAM names actions as the API names operations, but for few of S3."""
    session = botocore.session.get_session()
    made_of = render(example(step), dict.fromkeys(step.arguments(), "option"))
    found = list(calls(made_of))
    assert found
    for call in found:
        model = session.get_service_model({"s3api": "s3"}.get(call.service, call.service))
        names = {xform_name(name, "-"): name for name in model.operation_names}
        assert call.operation in names
        if call.service not in ("s3api", "sts"):
            own = action(call.service, call.operation).partition(":")[2]
            assert own == names[call.operation]


LINT = """
import json, sys
from parliament import analyze_policy_string, enhance_finding
for finding in analyze_policy_string(sys.stdin.read()).findings:
    finding = enhance_finding(finding)
    print(json.dumps([finding.severity, finding.issue, str(finding.detail)]))
"""


def findings(document: dict[str, Any]) -> list[list[str]]:
    """Return what parliament says: its words for what it does not know are of low severity."""
    linted = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LINT],
        input=json.dumps(document),
        capture_output=True,
        text=True,
        check=True,
    )
    found = [json.loads(line) for line in linted.stdout.splitlines()]
    return [one for one in found if one[0] not in ("LOW", "INFO") or "UNKNOWN" in one[1]]


@pytest.mark.parametrize("scoped", [True, False])
def test_the_linter_has_nothing_to_say(scoped: bool) -> None:
    steps = [
        made(step.name, **MORE.get(step.name, {})).step if scoped else example(step)
        for step in STEPS
    ]
    assert findings(policy(steps, scoped=scoped)) == []


def test_the_linter_would_say_it() -> None:
    bucket = {"Effect": "Allow", "Resource": ["arn:aws:iam::111111111111:role/one"]}
    for wrong in ("backup:StartCopyJobs", "s3:ListBucketVersions"):
        assert findings({"Version": "2012-10-17", "Statement": [{**bucket, "Action": [wrong]}]})


def test_a_role_is_passed_to_its_service_only() -> None:
    document = policy([made("s3-batch-replication").step], scoped=True)
    (passing,) = (one for one in document["Statement"] if one["Action"] == ["iam:PassRole"])
    assert passing["Resource"] == ["arn:aws:iam::111111111111:role/codeocean-S3BackupRole-1ABC"]
    service = "batchoperations.s3.amazonaws.com"
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": service}}


def test_values_narrow_it() -> None:
    wide, narrow = (policy([made("instance-hold").step], scoped=scoped) for scoped in (False, True))
    assert actions(wide) == actions(narrow)
    assert "arn:aws:cloudformation:us-east-1:333333333333:stack/codeocean/*" in json.dumps(narrow)
    assert "333333333333" not in json.dumps(wide)


def test_nothing_that_is_only_printed_is_allowed() -> None:
    """snapshot-copy says how to create a role."""
    assert "iam:CreateRole" not in actions(policy([made("snapshot-copy").step], scoped=True))
