"""What is said about a bucket, from what S3 answered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.programs.bucket_findings import Answers, Finding, findings, main

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT, REGION, BUCKET = "111111111111", "us-east-1", "one"
DESTINATION = "arn:aws:s3:::copy-of-one"
RULE: dict[str, Any] = {
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "Destination": {"Bucket": DESTINATION},
}
GOOD: dict[str, Any] = {
    "location": {"LocationConstraint": None},
    "versioning": {"Status": "Enabled"},
    "replication": {"ReplicationConfiguration": {"Rules": [RULE]}},
    "versions": {"Versions": [{"Key": "key"}], "IsTruncated": True},
    "lifecycle": {},
    "encryption": {},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "buckets" / BUCKET
    folder.mkdir(parents=True)
    return folder


def found(folder: Path, **answers: dict[str, Any] | str | None) -> list[Finding]:
    """Return what is found; a text is the message of a question that failed, None not asked."""
    for question, answer in {**GOOD, **answers}.items():
        if answer is None:
            continue
        is_error = isinstance(answer, str)
        text = "" if is_error or not answer else json.dumps(answer)
        (folder / question).write_text(text)
        if is_error:
            (folder / f"{question}.failed").write_text(str(answer))
    return list(findings(Answers(folder), ACCOUNT, REGION))


FULL = Finding("full", DESTINATION)


def test_nothing_speaks_against_a_good_bucket(folder: Path) -> None:
    assert found(folder) == [FULL]


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("An error occurred (AccessDenied)", "An error occurred (AccessDenied)"),
        (None, "S3 was not asked about location"),
        ({"LocationConstraint": "EU"}, "the bucket is in Region eu-west-1, not us-east-1"),
        (
            {"LocationConstraint": "us-west-2"},
            "the bucket is in Region us-west-2, not us-east-1",
        ),
    ],
)
def test_a_bucket_elsewhere_is_not_judged_further(
    folder: Path, location: dict[str, Any] | str | None, text: str
) -> None:
    assert found(folder, location=location) == [Finding("elsewhere", text)]


@pytest.mark.parametrize("question", ["versioning", "replication", "versions"])
def test_what_is_needed_must_be_answered(folder: Path, question: str) -> None:
    assert found(folder, **{question: "AccessDenied"}) == [Finding("problem", "AccessDenied")]


@pytest.mark.parametrize("question", ["versioning", "replication", "versions"])
def test_what_was_not_asked_is_a_problem(folder: Path, question: str) -> None:
    text = f"S3 was not asked about {question}"
    assert found(folder, **{question: None}) == [Finding("problem", text)]


def test_what_is_only_helpful_may_stay_unknown(folder: Path) -> None:
    assert found(folder, lifecycle="AccessDenied", encryption="Throttled") == [
        Finding("warning", "AccessDenied"),
        Finding("warning", "Throttled"),
        FULL,
    ]


def test_nothing_configured_is_no_failure(folder: Path) -> None:
    lifecycle = "An error occurred (NoSuchLifecycleConfiguration)"
    encryption = "An error occurred (ServerSideEncryptionConfigurationNotFoundError)"
    assert found(folder, lifecycle=lifecycle, encryption=encryption) == [FULL]


@pytest.mark.parametrize(
    ("versions", "kind"),
    [
        ({"IsTruncated": False}, "empty"),
        ({"IsTruncated": False, "Versions": [], "DeleteMarkers": []}, "empty"),
        ({"IsTruncated": True}, "full"),
        ({"IsTruncated": False, "Versions": [{"Key": "key"}]}, "full"),
        ({"IsTruncated": False, "DeleteMarkers": [{"Key": "key"}]}, "full"),
        # S3 may answer 200 with an error in it, which AWS CLI 2.9 takes for an empty answer.
        ({}, "full"),
    ],
)
def test_emptiness_is_proved(folder: Path, versions: dict[str, Any], kind: str) -> None:
    assert found(folder, versions=versions) == [Finding(kind, DESTINATION)]


@pytest.mark.parametrize("versioning", [{}, {"Status": "Suspended"}])
def test_only_versioned_buckets_are_replicated(folder: Path, versioning: dict[str, Any]) -> None:
    text = "versioning is not enabled; S3 replicates versioned buckets only"
    assert found(folder, versioning=versioning) == [FULL, Finding("problem", text)]


def replication(*changes: dict[str, Any]) -> dict[str, Any]:
    """Return an answer with a rule for each change of the good one."""
    return {"ReplicationConfiguration": {"Rules": [{**RULE, **change} for change in changes]}}


@pytest.mark.parametrize("rules", [{}, replication(), replication({"Status": "Disabled"})])
def test_a_rule_must_be_enabled(folder: Path, rules: dict[str, Any]) -> None:
    text = "the bucket has no enabled replication rule"
    assert found(folder, replication=rules) == [Finding("full", ""), Finding("problem", text)]


def test_all_destinations_are_named_once_and_in_order(folder: Path) -> None:
    others = [{"Destination": {"Bucket": f"arn:aws:s3:::{name}"}} for name in ("z", "a", "z")]
    assert found(folder, replication=replication(*others)) == [
        Finding("full", "arn:aws:s3:::a and arn:aws:s3:::z")
    ]


@pytest.mark.parametrize(
    "narrow",
    [
        {"Filter": {"Prefix": "a"}},
        {"Filter": {"Tag": {"Key": "a", "Value": "b"}}},
        {"Filter": {"And": {"Prefix": "a"}}},
        {"Filter": None, "Prefix": "a"},
    ],
)
def test_narrow_rules_are_said(folder: Path, narrow: dict[str, Any]) -> None:
    text = "the rules have a prefix or tag filter; other objects are not replicated"
    assert found(folder, replication=replication(narrow)) == [FULL, Finding("warning", text)]
    assert found(folder, replication=replication(narrow, {})) == [FULL]


EXPIRE: dict[str, Any] = {"Expiration": {"Days": 1}}
OLD: dict[str, Any] = {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}}
ARCHIVE: dict[str, Any] = {"Transitions": [{"StorageClass": "GLACIER"}]}
DEEP: dict[str, Any] = {"NoncurrentVersionTransitions": [{"StorageClass": "DEEP_ARCHIVE"}]}
INSTANT: dict[str, Any] = {"Transitions": [{"StorageClass": "GLACIER_IR"}]}
UPLOADS: dict[str, Any] = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}


def test_lifecycle_rules_in_the_way_are_named(folder: Path) -> None:
    actions = {"a": EXPIRE, "b": OLD, "c": ARCHIVE, "d": DEEP, "e": INSTANT, "f": UPLOADS}
    rules = [{"ID": name, "Status": "Enabled", **action} for name, action in actions.items()]
    rules.append({"ID": "off", "Status": "Disabled", **EXPIRE})
    (full, warning) = found(folder, lifecycle={"Rules": rules})
    assert full == FULL
    assert warning.kind == "warning"
    assert warning.text.startswith("lifecycle rules may remove versions and delete markers")
    assert warning.text.endswith(" is left out: a, b, c, d")


def encrypted(algorithm: str) -> dict[str, Any]:
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}
    return {"ServerSideEncryptionConfiguration": {"Rules": [default]}}


def to_key(key: str, **destination: str) -> dict[str, Any]:
    """Return an answer with a rule that replicates SSE-KMS, with a key."""
    criteria = {"SseKmsEncryptedObjects": {"Status": "Enabled"}}
    with_key = {**RULE["Destination"], "EncryptionConfiguration": {"ReplicaKmsKeyID": key}}
    rule = {"SourceSelectionCriteria": criteria, "Destination": {**with_key, **destination}}
    return replication(rule)


@pytest.mark.parametrize("algorithm", ["aws:kms", "aws:kms:dsse"])
def test_sse_kms_needs_a_rule(folder: Path, algorithm: str) -> None:
    text = "objects are encrypted with SSE-KMS by default, which no rule replicates"
    assert found(folder, encryption=encrypted(algorithm)) == [FULL, Finding("warning", text)]
    assert found(folder, encryption=encrypted("AES256")) == [FULL]


OWN_ALIAS = f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/s3"
FOREIGN_ALIAS = f"arn:aws:kms:{REGION}:222222222222:alias/aws/s3"


@pytest.mark.parametrize(
    ("rules", "warns"),
    [
        (to_key(OWN_ALIAS), False),
        (to_key(FOREIGN_ALIAS), True),
        (to_key("alias/aws/s3"), False),
        (to_key("alias/aws/s3", Account=ACCOUNT), False),
        (to_key("alias/aws/s3", Account="222222222222"), True),
        (to_key(f"arn:aws:kms:{REGION}:222222222222:key/1"), False),
    ],
)
def test_an_alias_does_not_cross_accounts(folder: Path, rules: dict[str, Any], warns: bool) -> None:
    by_default = found(folder, replication=rules, encryption=encrypted("aws:kms"))
    assert [one.kind for one in by_default] == (["full", "warning"] if warns else ["full"])
    others = found(folder, replication=rules)
    assert [one.kind for one in others] == (["full", "note"] if warns else ["full"])
    told = [one for one in (*by_default, *others) if one != FULL]
    assert all(one.text.endswith("cannot cross accounts") for one in told)


def test_each_finding_is_one_line_and_a_note_is_said_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = {"ID": "forged\nempty one \ud800 x\n", "Status": "Enabled", **EXPIRE}
    found(folder, replication=to_key(FOREIGN_ALIAS), lifecycle={"Rules": [rule]})
    main(ACCOUNT, REGION, BUCKET, BUCKET)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["full", "one"],
        ["warning", "one"],
        ["note", "one"],
        ["full", "one"],
        ["warning", "one"],
    ]
    assert lines[1].endswith(" is left out: forged empty one ? x")
