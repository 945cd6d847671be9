"""s3-point-in-time on a server of S3 that others have written."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.point_in_time import HOSTILE, Operator, undo

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.seaweedfs import SeaweedFS

MOST_BYTES = 200  # SeaweedFS cannot delete a version of a key of 1,024
RENAMED = ("//", "/./", "/../", "\\")  # what SeaweedFS stores under another name
KEYS = [
    key
    for key in HOSTILE
    if key.isprintable()
    and len(key.encode()) <= MOST_BYTES
    and not any(part in f"/{key}/" for part in RENAMED)
]


class Past(NamedTuple):
    """What happened in a bucket: `contents` were there at a moment, and `versions` are now."""

    at: int
    until: int
    contents: dict[str, bytes]
    versions: set[tuple[str, str]]


def next_second() -> int:
    """Wait until a second has passed, and return it."""
    second = int(time.time())
    while int(time.time()) == second:
        time.sleep(0.02)
    return second


def damage(server: SeaweedFS, bucket: str, keys: list[str]) -> Past:
    """Fill a bucket; later overwrite one third of its keys, delete another, and add new ones."""
    server.create_bucket(bucket)
    for key in (*keys, *keys[::5]):
        server.s3.put_object(Bucket=bucket, Key=key, Body=f"old {key}".encode())
    server.s3.put_object(Bucket=bucket, Key="deleted before", Body=b"")
    server.s3.delete_object(Bucket=bucket, Key="deleted before")
    at = next_second()
    contents = server.contents(bucket)
    for key in (*keys[::3], "deleted before", "new"):
        server.s3.put_object(Bucket=bucket, Key=key, Body=b"new")
    for key in keys[1::3]:
        server.s3.delete_object(Bucket=bucket, Key=key)
    until = next_second()
    next_second()
    return Past(at, until, contents, server.versions(bucket))


def operator_of(server: SeaweedFS, past: Past, folder: Path) -> Operator:
    return Operator(server, folder, at=past.at, until=past.until)


def test_plans_removes_and_verifies(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    past = damage(seaweedfs, "removed", KEYS)
    assert past.contents.keys() == set(KEYS)
    operator = operator_of(seaweedfs, past, tmp_path)
    digest = operator.digest()
    assert seaweedfs.versions("removed") == past.versions
    outcome = operator.run(CONFIRM=digest)
    assert outcome.done, outcome.errors
    assert seaweedfs.contents("removed") == past.contents
    left = seaweedfs.versions("removed")
    assert left < past.versions
    assert operator.run().done
    operator.options = {"verify": "yes"}
    assert operator.run().done
    assert seaweedfs.versions("removed") == left


def test_changes_reversibly_and_back(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    past = damage(seaweedfs, "reversible", KEYS)
    damaged = seaweedfs.contents("reversible")
    objects = seaweedfs.versions("reversible", kinds=("Versions",))
    operator = operator_of(seaweedfs, past, tmp_path)
    operator.options = {"reversible": "yes"}
    outcome = operator.confirm()
    assert outcome.done, outcome
    assert seaweedfs.contents("reversible") == past.contents
    assert seaweedfs.versions("reversible", kinds=("Versions",)) > objects
    outcome = undo(operator)
    assert outcome.done, outcome
    assert seaweedfs.contents("reversible") == damaged
    assert seaweedfs.versions("reversible", kinds=("Versions",)) == objects


def test_a_key_that_the_server_lists_by_another_name_is_not_called_done(
    seaweedfs: SeaweedFS, tmp_path: Path
) -> None:
    past = damage(seaweedfs, "renamed", ["\x01"])
    operator = operator_of(seaweedfs, past, tmp_path)
    outcome = operator.confirm()
    assert not outcome.done, outcome
    renamed = {version for version in past.versions if version[0] == "\ufffd"}
    assert len(renamed) == 3
    assert seaweedfs.versions("renamed") >= renamed


@pytest.mark.campaign
def test_removes_over_many_pages(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    past = damage(seaweedfs, "large", [f"{number:05}" for number in range(5000)])
    assert operator_of(seaweedfs, past, tmp_path).confirm().done
    assert seaweedfs.contents("large") == past.contents
