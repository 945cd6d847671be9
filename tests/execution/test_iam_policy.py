"""iam-policy: what the steps declare is what their scripts ask for, no more and no less.

And where: a script asks in its own Region, whatever the shell's is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore import xform_name

from codeocean_cmdgen.iam_policy import example_step, policy
from codeocean_cmdgen.rendering.script import render
from codeocean_cmdgen.simulator import Simulator, example_world
from codeocean_cmdgen.steps import STEPS, Step
from tests.support.calls import action, calls
from tests.support.cases import CASES, CLOUDSHELL
from tests.support.people import PersonOf, made, script
from tests.support.saved_secrets import document
from tests.support.volumes import restored, stop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.services_host import ServicesHost

NEVER_ASKED = {"iam:PassRole", "cloudformation:TagResource"}
"""What AWS checks on the way of another call."""

VARIANTS: list[tuple[str, dict[str, str]]] = [
    *((name, {}) for name in CLOUDSHELL),
    ("s3-point-in-time", {"verify": "yes"}),
    ("s3-batch-replication", {"only_missing": "yes"}),
]
"""Each script for CloudShell that a test runs; for the others, see what their calls need."""


def actions(document: dict[str, Any]) -> set[str]:
    return {one for statement in document["Statement"] for one in statement["Action"]}


def asked(simulator: Simulator) -> set[str]:
    """Return the actions of the requests that the simulator has recorded."""
    found = {
        action({"s3": "s3api"}.get(one.service, one.service), xform_name(one.operation, "-"))
        for one in simulator.requests
        if one.operation
    }
    return found - {""}


@pytest.mark.parametrize(("name", "values"), VARIANTS)
def test_a_script_asks_for_what_its_step_declares_and_nothing_else(
    simulator: Simulator, person: PersonOf, name: str, values: Mapping[str, str | tuple[str, ...]]
) -> None:
    example_world(simulator, objects_per_bucket=1)
    case = CASES[name]
    said = ""
    for one in case.after:
        before = CASES[one.name]
        said += person(before.account).run(script(before.name, **before.values)).output
    simulator.clear_requests()
    values = {**case.values, **values}
    simulator.faults.add("s3control:CreateJob", "fail-job")  # so that DescribeJob is called
    operator, text = person(case.account), script(name, **values)
    elsewhere = {"AWS_DEFAULT_REGION": "ap-south-1", "AWS_REGION": "ap-south-1"}
    operator.run(text, PLAN="1", **elsewhere)
    operator.run(text, CONFIRM=case.answer(said), **elsewhere)
    # IAM and STS answer from one place for all.
    regions = {one.region for one in simulator.requests if one.service not in ("iam", "sts")}
    assert regions == {"us-east-1"}
    declared = actions(policy([made(name, **values).step], scoped=True)) - NEVER_ASKED
    assert asked(simulator) == declared - case.not_asked


def test_a_script_on_the_instance_asks_for_what_its_step_declares_and_nothing_else(
    host: ServicesHost, simulator: Simulator
) -> None:
    """db-copy-in and datasets-not-cached need more than this host: see what their calls need."""

    def run(name: str, **values: str) -> None:
        simulator.clear_requests()
        text = script(name, account_id=host.account_id, **values)
        outcome = host.person().run(text, CONFIRM=values.get("data_volume_id", "codeocean"))
        assert outcome.done, outcome
        assert asked(simulator) == actions(policy([made(name).step], scoped=True)), name

    client = simulator.account(host.account_id).client("ssm")
    client.put_parameter(Name="/codeocean/secret", Value="new", Type="SecureString")
    run("secrets-save")
    stop(host)
    run("service-stop")
    restored(host)
    run("volume-copy-in", data_volume_id=host.data_volume_id)
    run("volume-release", data_volume_id=host.data_volume_id)
    saved = host.path("/data/.codeocean-secrets/parameters.json")
    saved.parent.mkdir(mode=0o700, exist_ok=True)
    saved.touch(mode=0o600)
    saved.write_text(json.dumps(document({"secret": ("SecureString", "of the source")})))
    run("secrets-restore")
    run("service-start")


@pytest.mark.parametrize("step", STEPS)
def test_each_call_is_an_operation_of_its_service(step: type[Step]) -> None:
    """IAM names actions as the API names operations, but for few of S3."""
    session = botocore.session.get_session()
    made_of = render(example_step(step), dict.fromkeys(step.arguments(), "option"))
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
        made(name, **case.values).step if scoped else example_step(case.step)
        for name, case in CASES.items()
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
