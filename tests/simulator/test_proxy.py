"""The proxy, the control interface and the sleep command, with the real AWS CLI."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

import pytest

from codeocean_cmdgen.simulator import Simulator, console, example_world, simulate
from codeocean_cmdgen.simulator.proxy import PASSWORD_HEADER
from tests.support.simulated import ACCOUNT, OTHER

if TYPE_CHECKING:
    from codeocean_cmdgen.simulator import World

AWS = "/usr/bin/aws"
needs_aws = pytest.mark.skipif(
    not os.access(AWS, os.X_OK) and not os.environ.get("CI"), reason="needs AWS CLI v2"
)


def run(sim: Simulator, command: str, account: str = ACCOUNT) -> subprocess.CompletedProcess[str]:
    """Run a shell command with an account's environment."""
    environment = {
        **sim.environment(account),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_PAGER": "",
        "HOME": "/nonexistent",
    }
    return subprocess.run(
        ["/bin/bash", "-c", command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@needs_aws
def test_the_real_cli_starts_and_follows_a_replication_job(sim: Simulator, world: World) -> None:
    role = world.role(ACCOUNT, "batch", ["batchoperations.s3.amazonaws.com"])
    source = world.bucket(ACCOUNT, "source")
    world.replication_rule(source, world.bucket(OTHER, "destination"))
    world.version(source, "a")
    generator = {
        "S3JobManifestGenerator": {
            "SourceBucket": "arn:aws:s3:::source",
            "ExpectedBucketOwner": ACCOUNT,
            "EnableManifestOutput": False,
            "Filter": {"EligibleForReplication": True, "ObjectReplicationStatuses": ["NONE"]},
        }
    }
    create = (
        f"{AWS} s3control create-job --account-id {ACCOUNT} --operation S3ReplicateObject={{}} "
        f"--report Enabled=false --priority 1 --role-arn {role} --client-request-token a "
        f"--no-confirmation-required --manifest-generator '{json.dumps(generator)}'"
    )
    created = run(sim, create)
    assert created.returncode == 0, created.stderr
    job_id = json.loads(created.stdout)["JobId"]
    followed = run(
        sim,
        f"sleep 1m; {AWS} s3control describe-job --account-id {ACCOUNT} --job-id {job_id} "
        "--query '[Job.Status, Job.ProgressSummary.NumberOfTasksSucceeded]' --output text",
    )
    assert followed.stdout.split() == ["Complete", "1"], followed.stderr
    versions = run(
        sim, f"{AWS} s3api list-object-versions --bucket destination --output json", OTHER
    )
    assert json.loads(versions.stdout)["Versions"][0]["Key"] == "a"


@needs_aws
def test_the_real_cli_sees_refusals(sim: Simulator, world: World) -> None:
    world.bucket(ACCOUNT, "far", "eu-west-1")
    redirected = run(sim, f"{AWS} s3api get-bucket-versioning --bucket far --query Status")
    assert redirected.stdout.strip() == '"Enabled"', redirected.stderr
    missing = run(sim, f"{AWS} iam get-role --role-name none")
    assert "(NoSuchEntity)" in missing.stderr
    unknown = run(sim, f"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE {AWS} sts get-caller-identity")
    assert "(InvalidClientTokenId)" in unknown.stderr


@needs_aws
def test_the_real_cli_sees_the_connection_cut(sim: Simulator) -> None:
    sim.faults.add("sts:*", "disconnect", times=None)
    cut = run(sim, f"AWS_MAX_ATTEMPTS=1 {AWS} sts get-caller-identity")
    assert "Connection was closed before we received a valid response" in cut.stderr


@needs_aws
def test_the_real_cli_pages_copy_jobs(sim: Simulator) -> None:
    example_world(sim, objects_per_bucket=1)
    listed = run(
        sim,
        f"{AWS} backup list-recovery-points-by-backup-vault --page-size 1 "
        "--backup-vault-name codeocean-backup-v1 --query RecoveryPoints[].ResourceType",
    )
    assert json.loads(listed.stdout) == ["RDS", "EBS"], listed.stderr
    assert len(sim.calls("backup:ListRecoveryPointsByBackupVault")) == 2


@needs_aws
def test_the_real_cli_writes_and_looks_at_objects(sim: Simulator, world: World) -> None:
    world.bucket(ACCOUNT, "mine")
    place = "--bucket mine --key 'a/b c+d'"
    looked = run(
        sim,
        f"echo content > $AWS_CA_BUNDLE.body && "
        f"{AWS} s3api put-object {place} --body $AWS_CA_BUNDLE.body --query VersionId && "
        f"{AWS} s3api head-object {place} --query ContentLength && "
        f"{AWS} s3api head-object --bucket mine --key none",
    )
    assert looked.stdout.split()[-1] == "8"
    assert "(404)" in looked.stderr


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_bodies_may_come_in_chunks(sim: Simulator, world: World) -> None:
    bucket = world.bucket(ACCOUNT, "mine")
    scope = f"Credential={sim.account(ACCOUNT).access_key}/20260101/us-east-1/s3/aws4_request,"
    sent = run(
        sim,
        f"echo content | curl -sS --cacert $AWS_CA_BUNDLE -T - -H 'Authorization: {scope}' "
        "https://mine.s3.us-east-1.amazonaws.com/key",
    )
    assert sent.returncode == 0, sent.stderr
    assert bucket.keys["key"].value == b"content\n"


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ("https://example.com", "response 403"),
        ("--proxy $HTTPS_PROXY http://example.com", "is not AWS"),
        ("--proxy $HTTPS_PROXY http://amazonaws.com.example.com", "is not AWS"),
        ("--noproxy '*' http://127.0.0.1:$SIMULATOR_PORT/", "is for whoever started it"),
        ("--cacert $AWS_CA_BUNDLE https://s3.amazonaws.com", "MissingAuthenticationToken"),
    ],
)
def test_nothing_gets_out(sim: Simulator, arguments: str, answer: str) -> None:
    result = run(sim, f"curl -sS {arguments}")
    assert answer in result.stdout + result.stderr


def control(sim: Simulator, path: str, body: object = None) -> Any:
    """Use the control interface."""
    data = None if body is None else json.dumps(body).encode()
    url, headers = f"http://127.0.0.1:{sim.port}/_simulator/{path}", {PASSWORD_HEADER: sim.password}
    request = urllib.request.Request(url, data, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request) as response:
        return json.load(response)


def test_the_control_interface(sim: Simulator) -> None:
    before = sim.clock.now()
    control(sim, "clock/advance", {"seconds": 90})
    assert (sim.clock.now() - before).total_seconds() == 90
    control(sim, "faults", {"operation": "sts:*", "kind": "throttle"})
    client = sim.account(ACCOUNT).client("sts")
    with pytest.raises(client.exceptions.ClientError):
        client.get_caller_identity()
    (record,) = control(sim, "requests")
    assert (record["operation"], record["error"]) == ("GetCallerIdentity", "Throttling")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("none", {}, 404),
        ("clock/advance", {}, 400),
        ("clock/advance", {"seconds": -1}, 400),
        ("clock/advance", {"seconds": "soon"}, 400),
        ("faults", {"operation": "sts:*", "kind": "flood"}, 400),
        ("faults", {"colour": "red"}, 400),
    ],
)
def test_the_control_interface_refuses(
    sim: Simulator, path: str, body: object, status: int
) -> None:
    with pytest.raises(HTTPError) as error:
        control(sim, path, body)
    assert error.value.code == status
    error.value.close()


@pytest.mark.parametrize(
    ("command", "seconds"), [("sleep 5", 5), ("sleep 0.5 1m", 60.5), ("sleep 2h", 7200)]
)
def test_sleep_advances_the_clock(sim: Simulator, command: str, seconds: float) -> None:
    before = sim.clock.now()
    assert run(sim, command).returncode == 0
    assert (sim.clock.now() - before).total_seconds() == seconds


def test_sleep_refuses_and_falls_back(sim: Simulator) -> None:
    assert run(sim, "sleep soon").returncode != 0
    assert run(sim, "sleep").returncode != 0
    before = sim.clock.now()
    assert run(sim, "unset SIMULATOR_PORT; sleep 0.01").returncode == 0
    assert sim.clock.now() == before


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_simulate_says_how_to_enter_each_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "wait_for_ever", _interrupt)
    output = io.StringIO()
    simulate(output)
    blocks = output.getvalue().strip().split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == [
        "# management account of the organization, account 444444444444",
        "# source deployment, account 111111111111",
        "# backup deployment, account 222222222222",
        "# target deployment, account 333333333333",
    ]
    for name in ("PATH", "AWS_ACCESS_KEY_ID", "HTTPS_PROXY", "AWS_CA_BUNDLE", "NO_PROXY"):
        assert f"export {name}=" in blocks[1]
