"""The reasons not to restore a bucket, and what arrived in it since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.programs import bucket_findings, s3_buckets
from codeocean_cmdgen.programs.s3_buckets import DAY, LaterEntries, read_digest, reasons_against
from tests.support.s3_examples import AT, MOMENT, Client, entry, marker, task

if TYPE_CHECKING:
    from pathlib import Path

NOW = MOMENT + 10 * DAY
FIT: dict[str, Any] = {"Status": "Enabled"}


def rule(days: int, status: str = "Enabled") -> dict[str, Any]:
    return {"Status": status, "NoncurrentVersionExpiration": {"NoncurrentDays": days}}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (FIT, ""),
        ({}, "versioning is not enabled"),
        ({"Status": "Suspended"}, "versioning is not enabled"),
        ({**FIT, "MFADelete": "Disabled"}, ""),
        ({**FIT, "MFADelete": "Enabled"}, "MFA delete or Object Lock"),
        ({**FIT, "ObjectLockConfiguration": {}}, "MFA delete or Object Lock"),
        ({**FIT, "ReplicationConfiguration": {"Rules": [{"Status": "Disabled"}]}}, ""),
        ({**FIT, "ReplicationConfiguration": {"Rules": [{"Status": "Enabled"}]}}, "it replicates"),
        ({**FIT, "Rules": [{"Status": "Enabled"}]}, ""),
        ({**FIT, "Rules": [rule(9)]}, "9 days after they are replaced"),
        ({**FIT, "Rules": [rule(9, "Disabled")]}, ""),
        ({**FIT, "Rules": [rule(10), rule(11)]}, ""),
    ],
)
def test_reasons(settings: dict[str, Any], words: str) -> None:
    found = list(reasons_against(settings, AT, NOW, removes=True))
    assert len(found) == bool(words)
    assert all(words in reason for reason in found)


def test_what_cannot_be_removed_can_be_restored_reversibly() -> None:
    settings = {**FIT, "MFADelete": "Enabled", "ObjectLockConfiguration": {}}
    assert not list(reasons_against(settings, AT, NOW, removes=False))


def test_all_reasons_are_given() -> None:
    settings = {"ReplicationConfiguration": {"Rules": [{"Status": "Enabled"}]}, "Rules": [rule(1)]}
    assert len(list(reasons_against(settings, AT, NOW, removes=True))) == 3


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
    done.write_text(f'"{digest}"')
    assert read_digest(done) == digest


@pytest.mark.parametrize("text", ["", '"0a', "null", "5", '"short"', "\u20ac"])
def test_a_damaged_digest_is_no_proof(tmp_path: Path, text: str) -> None:
    done = tmp_path / "done"
    done.write_text(text)
    with pytest.raises(OSError, match="done is damaged: it no longer proves"):
        read_digest(done)
