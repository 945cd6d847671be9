"""s3-batch-replication, run by the real AWS CLI in a world of two buckets, one of them empty."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.simulator import Simulator, World
from codeocean_cmdgen.simulator.backends import find_bucket
from codeocean_cmdgen.simulator.world import BACKUP, REGION, SOURCE, TARGET
from tests.support.people import Person, PersonOf, script, writes

if TYPE_CHECKING:
    from moto.s3.models import FakeBucket

STEP = "s3-batch-replication"
CREATE = "s3control:CreateJob"
FULL, EMPTY = "codeocean-source-capsules", "codeocean-source-licenses"
ROLE = f"arn:aws:iam::{SOURCE}:role/codeocean-S3BackupRole-1ABC"


@pytest.fixture
def world(simulator: Simulator) -> World:
    world = World(simulator)
    world.role(SOURCE, "codeocean-S3BackupRole-1ABC", ["s3.amazonaws.com", BATCH])
    for name in (FULL, EMPTY):
        source = world.bucket(SOURCE, name)
        destination = world.bucket(BACKUP, name.replace("source", "backup"))
        world.replication_rule(source, destination, role=ROLE)
    fill(world, bucket(FULL))
    return world


BATCH = "batchoperations.s3.amazonaws.com"


def fill(world: World, into: FakeBucket) -> None:
    """Add a version of each replication status, and a delete marker."""
    for status in (None, "COMPLETED", "FAILED", "REPLICA"):
        world.version(into, f"a key of {status}", status=status)
    world.delete_marker(into, "a key of None")


def bucket(name: str) -> FakeBucket:
    found = find_bucket(name)
    assert found is not None
    return found


def rules(simulator: Simulator) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = simulator.s3.replication[FULL]["Rules"]
    return found


@pytest.fixture
def operator(person: PersonOf) -> Person:
    return person(SOURCE)


def text(**values: str | tuple[str, ...]) -> str:
    buckets = tuple(f"arn:aws:s3:::{name}" for name in (FULL, EMPTY))
    return script(STEP, **{"bucket_arn": buckets, **values})


def versions(name: str) -> set[tuple[str, str]]:
    keys = bucket(name).keys
    return {(key, str(version.version_id)) for key in keys for version in keys.getlist(key)}


def replicas(name: str = FULL) -> set[tuple[str, str]]:
    return versions(name.replace("source", "backup"))


def jobs(simulator: Simulator) -> list[str]:
    return [job.source_arn for job in simulator.s3_batch.jobs.values()]


def test_replicates_every_status_and_skips_the_empty_bucket(
    world: World, simulator: Simulator, operator: Person
) -> None:
    outcome = operator.run(text())
    assert outcome.done, outcome
    assert "done: 5 objects in 1 buckets" in outcome.output
    assert "empty buckets: 1" in outcome.output
    assert f"{EMPTY}: empty, replicated to arn:aws:s3:::" in outcome.errors
    assert f"{FULL}: not empty, replicated to arn:aws:s3:::" in outcome.errors
    assert replicas() == versions(FULL)
    assert jobs(simulator) == [f"arn:aws:s3:::{FULL}"]
    assert re.search(r"\d of 5 objects done \(\d+%\), 0 failed", outcome.errors)


def test_a_restore_replicates_replicas(
    world: World, simulator: Simulator, person: PersonOf
) -> None:
    name = FULL.replace("source", "backup")
    role = world.role(BACKUP, "codeocean-backup-S3RestoreRole-1ABC", ["s3.amazonaws.com", BATCH])
    target = world.bucket(TARGET, "codeocean-target-capsules")
    backup = bucket(name)
    world.replication_rule(backup, target, role=role)
    world.version(backup, "key", status="REPLICA")
    restore = script(STEP, "backup", bucket_arn=(f"arn:aws:s3:::{name}",))
    outcome = person(BACKUP).run(restore)
    assert outcome.done, outcome
    assert list(target.keys) == ["key"]


def test_only_missing_narrows(world: World, simulator: Simulator, operator: Person) -> None:
    outcome = operator.run(text(only_missing="yes"))
    assert outcome.done
    assert {key for key, _ in replicas()} == {"a key of None", "a key of FAILED"}


def test_the_request_is_the_one_that_aws_documents(
    world: World, simulator: Simulator, operator: Person
) -> None:
    operator.run(text(), WATCH="0")
    (request,) = simulator.calls(CREATE)
    asked = request.parameters
    assert (request.account, request.region) == (SOURCE, REGION)
    assert asked["AccountId"] == SOURCE
    assert asked["Operation"] == {"S3ReplicateObject": {}}
    assert asked["RoleArn"] == ROLE
    assert asked["ConfirmationRequired"] is False
    assert asked["Report"] == {"Enabled": False}
    assert asked["ManifestGenerator"] == {
        "S3JobManifestGenerator": {
            "SourceBucket": f"arn:aws:s3:::{FULL}",
            "ExpectedBucketOwner": SOURCE,
            "EnableManifestOutput": False,
            "Filter": {
                "EligibleForReplication": True,
                "ObjectReplicationStatuses": ["NONE", "FAILED", "COMPLETED", "REPLICA"],
            },
        }
    }


def test_writes_the_report_where_it_was_asked_for(
    world: World, simulator: Simulator, operator: Person
) -> None:
    reports = world.bucket(SOURCE, "codeocean-source-temp")
    outcome = operator.run(text(report_bucket_arn="arn:aws:s3:::codeocean-source-temp"))
    assert outcome.done
    assert any(
        re.fullmatch(r"codeocean-cmdgen/first/job-\S+/manifest.json", key) for key in reports.keys
    )


def test_pasted_again_creates_nothing(world: World, simulator: Simulator, operator: Person) -> None:
    first = operator.run(text())
    simulator.clear_requests()
    simulator.clock.advance(80 * 86400)
    # A bucket that was empty then holds something now: that is a matter for a new round.
    fill(world, bucket(EMPTY))
    second = operator.run(text())
    assert second.done
    assert writes(simulator) == []
    assert f"empty when run first began: {EMPTY}" in second.errors
    assert "5 objects in 1 buckets" in second.output
    ended = re.findall(r"replicated by \S+;", first.output)
    assert len(ended) == 1
    assert ended == re.findall(r"replicated by \S+;", second.output)


def test_the_same_run_to_another_destination_is_another_job(
    world: World, simulator: Simulator, operator: Person
) -> None:
    """As where a second restore goes to a newer deployment, within the 90 days of the first."""
    assert operator.run(text()).done
    other = world.bucket(BACKUP, "codeocean-another-capsules")
    simulator.s3.replication.clear()
    world.replication_rule(bucket(FULL), other, role=ROLE)
    world.replication_rule(bucket(EMPTY), other, role=ROLE)
    assert operator.run(text()).done
    assert len(simulator.s3_batch.jobs) == 2
    assert versions(other.name) == versions(FULL)


def test_a_new_run_is_a_new_round(world: World, simulator: Simulator, operator: Person) -> None:
    operator.run(text())
    fill(world, bucket(EMPTY))
    assert operator.run(text(run="second")).done
    assert len(jobs(simulator)) == 3
    assert replicas(EMPTY) == versions(EMPTY)


def test_one_bucket_first_then_all(world: World, simulator: Simulator, operator: Person) -> None:
    fill(world, bucket(EMPTY))
    assert operator.run(text(bucket_arn=(f"arn:aws:s3:::{FULL}",))).done
    assert operator.run(text()).done
    assert sorted(jobs(simulator)) == [f"arn:aws:s3:::{name}" for name in (FULL, EMPTY)]


def test_plan_changes_nothing(world: World, simulator: Simulator, operator: Person) -> None:
    outcome = operator.run(text(), PLAN="1")
    assert outcome.code == 0
    assert outcome.output == f"plan: would create 1 jobs ({FULL}); nothing was changed\n"
    assert writes(simulator) == []


def test_watch_0_starts_and_returns(world: World, simulator: Simulator, operator: Person) -> None:
    outcome = operator.run(text(), WATCH="0")
    assert outcome.code == 4
    assert outcome.output.startswith("started: all: being prepared; more to come; paste the script")
    assert replicas() == set()
    assert operator.run(text()).done
    assert len(jobs(simulator)) == 1


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        pytest.param(
            lambda _: setattr(bucket(FULL), "versioning_status", "Suspended"),
            1,
            "versioning is not enabled",
            id="versioning suspended",
        ),
        pytest.param(
            lambda _: setattr(bucket(FULL), "versioning_status", None),
            1,
            "versioning is not enabled",
            id="versioning never enabled",
        ),
        pytest.param(
            lambda simulator: simulator.s3.replication.pop(FULL),
            1,
            "ReplicationConfigurationNotFoundError",
            id="no replication",
        ),
        pytest.param(
            lambda simulator: rules(simulator)[0].update(Status="Disabled"),
            1,
            "the bucket has no enabled replication rule",
            id="rule disabled",
        ),
        pytest.param(
            lambda simulator: (
                simulator.account(SOURCE)
                .client("iam")
                .delete_role(RoleName="codeocean-S3BackupRole-1ABC")
            ),
            1,
            "role codeocean-S3BackupRole-1ABC does not exist",
            id="no role",
        ),
        pytest.param(
            lambda simulator: simulator.faults.add(
                "s3:ListObjectVersions", "access-denied", times=None
            ),
            1,
            "AccessDenied",
            id="emptiness cannot be proved",
        ),
    ],
)
def test_looks_first(
    world: World, simulator: Simulator, operator: Person, spoil: Any, code: int, words: str
) -> None:
    spoil(simulator)
    simulator.clear_requests()
    outcome = operator.run(text())
    assert outcome.code == code
    assert words in outcome.errors
    assert writes(simulator) == []


@pytest.mark.newest_cli
def test_names_every_bucket_that_is_not_there(
    world: World, simulator: Simulator, operator: Person
) -> None:
    world.bucket(BACKUP, "somebody-elses")
    world.bucket(SOURCE, "in-ireland", "eu-west-1")
    names = ("somebody-elses", "in-ireland", "nowhere-to-be-seen", FULL)
    outcome = operator.run(text(bucket_arn=tuple(f"arn:aws:s3:::{name}" for name in names)))
    assert outcome.code == 3
    for name, words in zip(names, ("AccessDenied", "Region eu-west-1", "NoSuchBucket")):
        assert re.search(rf"problem: {name}: .*{words}", outcome.errors)
    assert writes(simulator) == []


def test_warns_of_lifecycle_rules_that_bite(
    world: World, simulator: Simulator, operator: Person
) -> None:
    expire: dict[str, Any] = {"Expiration": {"ExpiredObjectDeleteMarker": True}}
    archive: dict[str, Any] = {"Transitions": [{"Days": 1, "StorageClass": "DEEP_ARCHIVE"}]}
    tier: dict[str, Any] = {"Transitions": [{"Days": 1, "StorageClass": "INTELLIGENT_TIERING"}]}
    uploads: dict[str, Any] = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}
    world.lifecycle(
        bucket(FULL),
        [
            {"ID": name, "Filter": {"Prefix": ""}, "Status": status} | action
            for name, status, action in [
                ("markers", "Enabled", expire),
                ("archive", "Enabled", archive),
                ("tier", "Enabled", tier),
                ("uploads", "Enabled", uploads),
                ("off", "Disabled", expire),
            ]
        ],
    )
    outcome = operator.run(text())
    assert outcome.done
    assert re.search(rf"warning: {FULL}: lifecycle rules .*: markers, archive\n", outcome.errors)


@pytest.mark.parametrize(
    ("key", "default", "words"),
    [
        (f"arn:aws:kms:{REGION}:{BACKUP}:alias/aws/s3", "aws:kms", "warning: .* will fail"),
        (
            f"arn:aws:kms:{REGION}:{BACKUP}:alias/aws/s3",
            "AES256",
            "note: objects uploaded with SSE-KMS",
        ),
        (f"arn:aws:kms:{REGION}:{SOURCE}:alias/aws/s3", "aws:kms", None),
        (f"arn:aws:kms:{REGION}:{BACKUP}:key/11111111-2222", "aws:kms", None),
    ],
)
def test_warns_of_a_key_that_cannot_work_across_accounts(
    world: World, simulator: Simulator, operator: Person, key: str, default: str, words: str | None
) -> None:
    for rule in (simulator.s3.replication[name]["Rules"][0] for name in (FULL, EMPTY)):
        rule["Destination"]["EncryptionConfiguration"]["ReplicaKmsKeyID"] = key
    simulator.account(SOURCE).client("s3").put_bucket_encryption(
        Bucket=FULL,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": default}}]
        },
    )
    errors = operator.run(text(), PLAN="1").errors
    told = [line for line in errors.splitlines() if "cannot cross accounts" in line]
    assert [bool(re.search(words or "", line)) for line in told[:1]] == ([True] if words else [])


def test_warns_of_sse_kms_that_no_rule_replicates(
    world: World, simulator: Simulator, operator: Person
) -> None:
    rules(simulator)[0].pop("SourceSelectionCriteria")
    simulator.account(SOURCE).client("s3").put_bucket_encryption(
        Bucket=FULL,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
        },
    )
    outcome = operator.run(text(), PLAN="1")
    assert "encrypted with SSE-KMS by default, which no rule replicates" in outcome.errors


def test_failed_objects_are_no_success(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add(CREATE, "failed-tasks", count=2)
    for _ in range(2):
        outcome = operator.run(text())
        assert not outcome.done
        assert f"problem: {FULL}: 2 of 5 objects were not replicated" in outcome.errors
    assert len(jobs(simulator)) == 1


def test_a_failed_job_tells_why(world: World, simulator: Simulator, operator: Person) -> None:
    simulator.faults.add(CREATE, "fail-job")
    for _ in range(2):
        outcome = operator.run(text())
        assert not outcome.done
        assert re.search(rf"problem: {FULL}: \S+.* \(job \S+\)", outcome.errors)
    assert len(jobs(simulator)) == 1


def test_a_bucket_that_keeps_all_in_the_archive_is_no_success(
    world: World, simulator: Simulator, operator: Person
) -> None:
    world.version(bucket(EMPTY), "key", storage_class="DEEP_ARCHIVE")
    outcome = operator.run(text())
    assert not outcome.done
    assert re.search(f"problem: {EMPTY}: .*found no keys", outcome.errors)


def test_a_job_that_vanishes_is_not_called_done(
    world: World, simulator: Simulator, operator: Person
) -> None:
    started = operator.start(text())
    while not simulator.s3_batch.jobs:
        pass
    simulator.s3_batch.jobs.clear()
    output, errors = started.communicate(timeout=120)
    assert started.returncode == 1
    assert "S3 no longer lists this job; its result is unknown" in errors
    assert "done:" not in output


def test_a_job_that_is_not_listed_yet_is_not_created_twice(
    world: World, simulator: Simulator, operator: Person
) -> None:
    operator.run(text(), WATCH="0")
    simulator.faults.add("s3control:ListJobs", "invisible", times=2)
    assert operator.run(text()).done
    assert len(jobs(simulator)) == 1


@pytest.mark.parametrize("watch", ["", "0"])
def test_jobs_that_cannot_be_listed_at_first_have_not_ended(
    world: World, simulator: Simulator, operator: Person, watch: str
) -> None:
    simulator.faults.add("s3control:ListJobs", "access-denied", after=1)
    outcome = operator.run(text(), WATCH=watch)
    if watch:
        assert outcome.code == 4, outcome
    else:
        assert outcome.done, outcome
        assert "done: 5 objects in 1 buckets" in outcome.output


def test_what_is_left_out_is_said_at_the_end(
    world: World, simulator: Simulator, operator: Person
) -> None:
    """A bucket that was empty when the run began is for another run."""
    assert operator.run(text()).done
    fill(world, bucket(EMPTY))
    again = operator.run(text())
    assert again.done
    assert f"left out, because they were empty when run first began: {EMPTY}" in again.output


@pytest.mark.sample(2)
@pytest.mark.parametrize("fault", ["throttle", "internal-error", "disconnect", "disconnect-after"])
def test_one_fault_of_each_call_is_survived(
    world: World, simulator: Simulator, operator: Person, fault: str
) -> None:
    for operation in ("s3:GetBucketReplication", CREATE, "s3control:ListJobs"):
        simulator.faults.add(operation, fault, after=1 if operation.endswith("ListJobs") else 0)
    assert operator.run(text()).done
    assert len(jobs(simulator)) == 1


def test_a_refused_job_does_not_hide_behind_the_others(
    world: World, simulator: Simulator, operator: Person
) -> None:
    fill(world, bucket(EMPTY))
    match = {"ManifestGenerator.S3JobManifestGenerator.SourceBucket": f"arn:aws:s3:::{EMPTY}"}
    simulator.faults.add(CREATE, "access-denied", match=match)
    outcome = operator.run(text())
    assert outcome.code == 1
    assert f"problem: {EMPTY}: no job is known to be created" in outcome.errors
    assert operator.run(text()).done
    assert len(jobs(simulator)) == 2


def test_the_calls_are_few(world: World, simulator: Simulator, operator: Person) -> None:
    """At most 6 and 8 per bucket until all jobs are started."""
    fill(world, bucket(EMPTY))
    operator.run(text(), PLAN="1")
    planned = len(simulator.requests)
    assert planned + len((FULL, EMPTY)) <= 6 + 8 * len((FULL, EMPTY))


def test_a_failed_job_shows_while_others_run(
    world: World, simulator: Simulator, operator: Person
) -> None:
    fill(world, bucket(EMPTY))
    name = "ManifestGenerator.S3JobManifestGenerator.SourceBucket"
    simulator.faults.add(CREATE, "fail-job", match={name: f"arn:aws:s3:::{FULL}"})
    simulator.faults.add(CREATE, "slow-job", match={name: f"arn:aws:s3:::{EMPTY}"})
    simulator.s3_batch.objects_per_second = 0.01
    assert operator.run(text(), WATCH="0").code == 4
    simulator.clock.advance(1000)
    outcome = operator.run(text(), WATCH="0")
    assert outcome.code == 1
    assert f"{FULL} ended Failed" in outcome.errors


def test_a_reason_that_may_not_be_read_is_said_so(
    world: World, simulator: Simulator, operator: Person
) -> None:
    simulator.faults.add(CREATE, "fail-job")
    simulator.faults.add("s3control:DescribeJob", "access-denied", times=None)
    outcome = operator.run(text())
    assert not outcome.done
    assert re.search(f"problem: {FULL}: .*AccessDenied", outcome.errors)


def test_warns_of_rules_that_leave_objects_behind(
    world: World, simulator: Simulator, operator: Person
) -> None:
    rules(simulator)[0]["Filter"] = {"Prefix": "a key of N"}
    outcome = operator.run(text(), PLAN="1")
    words = f"warning: {FULL}: the rules have a prefix or tag filter; other objects are not"
    assert words in outcome.errors


def test_a_persons_shell_options_stay_outside(
    world: World, simulator: Simulator, operator: Person
) -> None:
    odd = {"SHELLOPTS": "errexit:noglob", "BASH_FUNC_sort%%": "() { echo no; }", "IFS": "/"}
    assert operator.run(text(), **odd).done


def test_descriptions_fit(world: World, simulator: Simulator, operator: Person) -> None:
    name = "b" * 63
    longest = world.bucket(SOURCE, name)
    world.replication_rule(longest, world.bucket(BACKUP, "a" * 63), role=ROLE)
    fill(world, longest)
    outcome = operator.run(text(bucket_arn=(f"arn:aws:s3:::{name}",), run="r" * 32))
    assert outcome.done
    assert json.dumps(simulator.calls(CREATE)[0].parameters["Description"])
