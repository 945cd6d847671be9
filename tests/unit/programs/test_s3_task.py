"""What the programs of s3-point-in-time share."""

from __future__ import annotations

import gzip
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.programs.s3_task import (
    FROM_THE_START,
    Progress,
    for_each_bucket,
    list_pages,
    read_lines,
    run_in_parallel,
    say,
)
from tests.support.s3_examples import Client, entry, marker, task

if TYPE_CHECKING:
    from pathlib import Path


def test_controls_are_replaced_and_other_characters_stay(
    capfd: pytest.CaptureFixture[str],
) -> None:
    say("a\x1b[2J\x9b\u202e\u2028\n\u00e9 b")
    assert capfd.readouterr().err == "a?[2J????\u00e9 b\n"


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [
        (1, 4, "1 versions and delete markers, 0/s, 25%, 0 min left"),
        (3000, 4000, "3,000 versions and delete markers, 300/s, 75%, 0 min left"),
        (4000, 4000, "4,000 versions and delete markers, 400/s"),
        (5000, 4000, "5,000 versions and delete markers, 500/s"),
        (5000, 0, "5,000 versions and delete markers, 500/s"),
    ],
)
def test_progress_is_about_the_whole_if_that_is_known(done: int, total: int, text: str) -> None:
    progress = Progress()
    progress.done, progress.total = done, total
    assert progress.text(10) == text


def test_progress_of_nothing_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress.next_line = progress.begun - 1
    progress.add(0)
    assert capsys.readouterr().err == ""
    progress.add(1)
    assert capsys.readouterr().err.startswith("1 versions and delete markers, ")
    progress.add(1)
    assert capsys.readouterr().err == "", "the next line comes ten seconds later"


def test_a_listing_keeps_the_order_over_its_pages() -> None:
    entries = [entry("4", 4), marker("3", 3), entry("2", 2), marker("1", 1), entry("0", 0, "other")]
    for size in (1, 2, 5, 1000):
        where = {"Bucket": "bucket", "ExpectedBucketOwner": "333333333333"}
        pages = list(list_pages(Client(*entries, page=size), where, FROM_THE_START))
        assert [one for page in pages for one in page.entries] == entries
        assert [page.next_position is None for page in pages][-2:] == [False, True][-len(pages) :]


def test_an_error_in_a_200_is_no_empty_listing() -> None:
    class Broken:
        def list_object_versions(self, **_: Any) -> dict[str, Any]:
            return {}

    with pytest.raises(OSError, match="HTTP 200"):
        next(list_pages(Broken(), {}, FROM_THE_START))


def test_the_problem_of_one_bucket_does_not_hide_those_of_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = task(tmp_path, Client())
    worked = []

    def work(bucket: str) -> None:
        if bucket != "fine":
            message = f"it is {bucket}"
            raise OSError(message)
        worked.append(bucket)

    for_each_bucket(made, ["bad", "fine", "worse"], work)
    assert (made.failed, worked) == ({"bad", "worse"}, ["fine"])
    shown = capsys.readouterr().err
    assert "problem: bad: it is bad\n" in shown
    assert "problem: worse: it is worse\n" in shown


def test_the_first_error_of_parallel_work_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        run_in_parallel(lambda number: 1 / number, range(100))


def test_after_an_error_no_further_work_is_begun() -> None:
    begun: list[int] = []
    all_busy = threading.Barrier(8)

    def work(number: int) -> None:
        begun.append(number)
        if number < 8:
            all_busy.wait(timeout=30)
        if number == 7:
            raise ValueError
        time.sleep(0.3)

    with pytest.raises(ValueError, match=r"^$"):
        run_in_parallel(work, range(100))
    assert sorted(begun) == list(range(8))


def test_lines_of_several_members_are_read(tmp_path: Path) -> None:
    file = tmp_path / "plan.gz"
    file.write_bytes(gzip.compress(b'[1]\n["\\u20ac"]\n') + gzip.compress(b"{}\n"))
    assert list(read_lines(file)) == [[1], ["\u20ac"], {}]


@pytest.mark.parametrize("damage", ["cut", "changed", "not compressed", "not JSON"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "journal.gz"
    whole = gzip.compress(b"[1]\n" * 1000)
    middle = len(whole) // 2
    file.write_bytes(
        {
            "cut": whole[:-1],
            "changed": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "not compressed": b"[1]\n",
            "not JSON": gzip.compress(b"[1]\n[2"),
        }[damage]
    )
    with pytest.raises(OSError, match=r"journal\.gz cannot be read to its end"):
        list(read_lines(file))


def test_a_missing_file_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_lines(tmp_path / "none"))
