"""The reasons not to restore a bucket, and what arrived in it since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.programs import bucket_findings, s3_buckets
from codeocean_cmdgen.programs.s3_buckets import (
    DAY,
    LaterEntries,
    read_digest,
    reasons_against,
    write_digest,
)
from tests.support.s3_examples import AT, MOMENT, Client, entry, marker, task

if TYPE_CHECKING:
    from pathlib import Path

    from codeocean_cmdgen.programs.s3_buckets import Settings

NOW = MOMENT + 10 * DAY
FIT: Settings = {
    "versioning": {"Status": "Enabled"},
    "replication": {},
    "lifecycle": {},
    "object lock": {},
}
MFA = {"versioning": {"Status": "Enabled", "MFADelete": "Enabled"}}
LOCK: Settings = {"object lock": {"ObjectLockConfiguration": {}}}


def replication(status: str) -> Settings:
    return {"replication": {"ReplicationConfiguration": {"Rules": [{"Status": status}]}}}


def lifecycle(*days: int, status: str = "Enabled") -> Settings:
    rules = [
        {"Status": status, "NoncurrentVersionExpiration": {"NoncurrentDays": one}} for one in days
    ]
    return {"lifecycle": {"Rules": rules}}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, ""),
        ({"versioning": {}}, "versioning is not enabled"),
        ({"versioning": {"Status": "Suspended"}}, "versioning is not enabled"),
        ({"versioning": {"Status": "Enabled", "MFADelete": "Disabled"}}, ""),
        (MFA, "MFA delete or Object Lock"),
        (LOCK, "MFA delete or Object Lock"),
        (replication("Disabled"), ""),
        (replication("Enabled"), "it replicates"),
        ({"lifecycle": {"Rules": [{"Status": "Enabled"}]}}, ""),
        (lifecycle(9), "9 days after they are replaced"),
        (lifecycle(9, status="Disabled"), ""),
        (lifecycle(10, 11), ""),
        # Each answer is judged by itself, whatever the others call alike.
        ({"versioning": {}, "lifecycle": {"Status": "Enabled"}}, "versioning is not enabled"),
        ({"replication": lifecycle(9)["lifecycle"]}, ""),
    ],
)
def test_reasons(settings: Settings, words: str) -> None:
    found = list(reasons_against({**FIT, **settings}, AT, NOW, removes=True))
    assert len(found) == bool(words)
    assert all(words in reason for reason in found)


def test_what_cannot_be_removed_can_be_restored_reversibly() -> None:
    assert not list(reasons_against({**FIT, **MFA, **LOCK}, AT, NOW, removes=False))


def test_all_reasons_are_given() -> None:
    settings = {**FIT, "versioning": {}, **LOCK, **replication("Enabled"), **lifecycle(1, 2)}
    assert len(list(reasons_against(settings, AT, NOW, removes=True))) == 5


def test_later_entries_are_counted_and_one_is_named(tmp_path: Path) -> None:
    made, done = task(tmp_path, Client()), tmp_path / "bucket" / "done"
    later = LaterEntries()
    later.refuse(made, done)
    done.touch()
    for one in (entry("a", 5, "first"), marker("b", 6), entry("c", 7)):
        later.add(one)
    words = "2 newer versions and 1 newer delete markers arrived since .*, such as 'first' of 2023"
    with pytest.raises(OSError, match=words):
        later.refuse(made, done)
    assert made.later == {"bucket"}


@pytest.mark.parametrize(
    ("location", "region"),
    [
        ({}, "us-east-1"),
        ({"LocationConstraint": None}, "us-east-1"),
        ({"LocationConstraint": ""}, "us-east-1"),
        ({"LocationConstraint": "EU"}, "eu-west-1"),
        ({"LocationConstraint": "eu-west-1"}, "eu-west-1"),
        ({"LocationConstraint": "eu-central-1"}, "eu-central-1"),
    ],
)
def test_the_words_of_s3_for_a_region_are_known_to_all_programs(
    location: dict[str, Any], region: str
) -> None:
    assert s3_buckets.bucket_region(location) == region
    assert bucket_findings.bucket_region(location) == region


@pytest.mark.parametrize("digest", ["0a" * 32, ""])
def test_the_digest_of_what_was_current_is_read(tmp_path: Path, digest: str) -> None:
    done = tmp_path / "done"
    write_digest(done, digest)
    assert done.read_text() == f'"{digest}"'
    assert read_digest(done) == digest


@pytest.mark.parametrize("text", ["", '"0a', "null", "5", '"short"', "\u20ac"])
def test_a_damaged_digest_is_no_proof(tmp_path: Path, text: str) -> None:
    done = tmp_path / "done"
    done.write_text(text)
    with pytest.raises(OSError, match="done is damaged: it no longer proves"):
        read_digest(done)
