"""What a key shows now, what it showed at the moment, and how the two compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codeocean_cmdgen.programs.s3_comparison import (
    COPY,
    DIFFERENT,
    GONE,
    NEW,
    SAME,
    UNSURE,
    compare_bucket,
    judge,
)
from codeocean_cmdgen.programs.s3_keys import key_of, list_keys
from tests.support.s3_examples import AT, UNTIL, Client, entry, marker, task

if TYPE_CHECKING:
    from pathlib import Path

    from codeocean_cmdgen.programs.s3_keys import Key
    from codeocean_cmdgen.programs.s3_task import Entry


def key(*entries: Entry) -> Key:
    return key_of("key", entries, AT, UNTIL)


def test_the_entry_of_the_moment_is_the_newest_that_is_not_newer() -> None:
    found = key(entry("c", 5), entry("b", 0), entry("a", -5))
    assert found.then
    assert (found.now["VersionId"], found.then["VersionId"]) == ("c", "b")
    assert (found.listed, found.newer, found.ordered, found.late) == (3, 1, True, [])
    assert key(entry("a", 1)).then is None


def test_of_one_second_the_first_listed_is_the_newest() -> None:
    found = key(entry("b", 0), entry("a", 0))
    assert found.then is found.now
    assert found.ordered


def test_without_order_the_entry_of_the_moment_goes_by_time() -> None:
    found = key(entry("a", -9), entry("b", -5))
    assert found.then
    assert (found.then["VersionId"], found.ordered) == ("b", False)


def test_late_entries_are_those_after_until() -> None:
    found = key(entry("c", 1002), marker("b", 1001), entry("a", 1000))
    assert [one["VersionId"] for one in found.late] == ["c", "b"]


def test_keys_go_over_pages(tmp_path: Path) -> None:
    client = Client(
        *(entry(f"a{n}", -n, "a") for n in range(5)), marker("b", 0, "b"), page=2
    )  # fmt: skip
    made = task(tmp_path, client)
    assert [(one.name, one.listed) for one in list_keys(made, "bucket")] == [("a", 5), ("b", 1)]
    assert made.progress.done == 6


@pytest.mark.parametrize(
    ("entries", "verdict"),
    [
        ([entry("a", -5)], SAME),
        ([marker("b", 5), marker("a", -5)], SAME),
        ([marker("a", 5)], SAME),
        ([marker("b", 5), entry("a", -5)], GONE),
        ([entry("a", 5)], NEW),
        ([entry("b", 5), marker("a", -5)], NEW),
        ([entry("b", 5), entry("a", -5)], COPY),
        ([entry("b", 5, size=2), entry("a", -5)], DIFFERENT),
        ([entry("b", 5, etag="other"), entry("a", -5)], DIFFERENT),
        ([entry("b", 1001, etag="other"), entry("a", -5)], UNSURE),
        ([entry("b", 1001, etag="other", size=2), entry("a", -5)], DIFFERENT),
    ],
)
def test_verdicts(entries: list[Entry], verdict: str) -> None:
    assert judge(key(*entries), UNTIL) == verdict


def test_a_bucket_is_the_same_if_each_key_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fine = [entry("a", -5, "a"), entry("b2", 5, "b"), entry("b", -5, "b")]
    assert compare_bucket(task(tmp_path, Client(*fine)), "bucket")
    assert "problem" not in capsys.readouterr().err
    many = [entry(f"{n}", 5, f"new {n:02}") for n in range(20)]
    assert not compare_bucket(task(tmp_path, Client(*fine, *many)), "bucket")
    shown = capsys.readouterr().err
    assert shown.count("problem: bucket: ") == 9
    assert "bucket: 1 keys are as they were" in shown
    assert "20 differ; 0 were written after" in shown
    unsure = [entry("b", 1001, etag="other"), entry("a", -5)]
    assert not compare_bucket(task(tmp_path, Client(*unsure)), "bucket")
