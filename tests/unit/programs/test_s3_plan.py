"""The plan of a removal: what goes into it, and that a later paste continues it."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from codeocean_cmdgen.programs.s3_plan import (
    Current,
    Plan,
    files_of,
    find_plan,
    make_plan,
    read_pages,
    read_removals,
    remove_plan,
)
from codeocean_cmdgen.programs.s3_removal import digest_of, still_left, word_for
from tests.support.s3_examples import AT, UNTIL, Client, entry, marker, task

if TYPE_CHECKING:
    from pathlib import Path

    from codeocean_cmdgen.programs.s3_task import Entry

LISTING = [
    entry("a2", 5, "a", size=10),
    entry("a1", -5, "a", storage_class="GLACIER"),
    marker("b2", 5, "b"),
    entry("b1", -5, "b"),
    marker("c1", -5, "c"),
    entry("c0", -6, "c"),
    entry("d3", 7, "d", size=20),
    entry("d2", 6, "d", size=30),
    entry("e0", 0, "e"),
]


def planned(*entries: Entry) -> tuple[Plan, list[str]]:
    plan = Plan(0)
    return plan, [one["VersionId"] for one in entries if plan.add(one, AT)]


def test_what_is_newer_will_be_removed() -> None:
    plan, removed = planned(*LISTING)
    assert removed == ["a2", "b2", "d3", "d2"]
    assert (plan.count, plan.keys, plan.markers, plan.size) == (4, 3, 1, 60)
    assert (plan.archived, plan.archived_example) == (1, "'a'")


def test_what_is_archived_and_stays_current_is_not_counted() -> None:
    plan, _ = planned(entry("a", -5, storage_class="DEEP_ARCHIVE"), entry("b", 5, "other"))
    assert plan.archived == 0


def test_versions_out_of_order_are_refused() -> None:
    with pytest.raises(OSError, match=r"'key' has a version of .*:21Z below one of .*:20Z"):
        planned(entry("a", 0), entry("b", 1))
    planned(entry("a", 0, "a"), entry("b", 1, "b"))


def test_the_digest_is_of_what_will_be_removed_and_nothing_else() -> None:
    plan, _ = planned(*LISTING)
    fewer, _ = planned(*(one for one in LISTING if one["LastModified"] > AT))
    other, _ = planned(*LISTING, entry("z", 1, "z"))
    assert plan.digest == fewer.digest != other.digest
    assert digest_of({"bucket": plan}) != digest_of({"another": plan})
    assert len(digest_of({"bucket": plan})) == 12


def test_what_is_current_is_the_first_entry_of_each_key() -> None:
    whole, shown = Current(), Current()
    older = [one for one in LISTING if one["LastModified"] <= AT]
    for one in older:
        whole.add(one)
    for one in older:
        if one["VersionId"] in {"a1", "b1", "e0"}:  # c shows a delete marker
            shown.add(one)
    assert whole.digest == shown.digest
    shown.add(entry("f", -1, "f"))
    assert whole.digest != shown.digest


def test_a_plan_that_is_read_is_the_one_that_was_written(tmp_path: Path) -> None:
    made = task(tmp_path, Client(*LISTING, page=2))
    plan = make_plan(made, "bucket")
    file = files_of(made, "bucket").plan
    pages = list(read_pages(file))
    assert len(pages) == 5
    assert pages[-1][1] == plan
    assert [version for _, version in read_removals(file)] == ["a2", "b2", "d3", "d2"]
    assert (plan.seen, plan.position) == (9, None)


def test_a_plan_is_continued_where_it_ended(tmp_path: Path) -> None:
    client = Client(*LISTING, page=2)
    made = task(tmp_path, client)
    whole = make_plan(made, "bucket")
    files = files_of(made, "bucket")
    lines = gzip.decompress(files.plan.read_bytes()).splitlines(keepends=True)
    files.plan.write_bytes(b"".join(map(gzip.compress, lines[:3])))
    client.entries[:6] = [entry("other", 9, "a")] * 6  # listed already: not read again
    continued = make_plan(made, "bucket")
    assert continued == whole
    assert [version for _, version in read_removals(files.plan)] == ["a2", "b2", "d3", "d2"]


def test_a_whole_plan_is_of_use_only_if_it_was_confirmed(tmp_path: Path) -> None:
    made = task(tmp_path, Client(*LISTING))
    plan = make_plan(made, "bucket")
    files = files_of(made, "bucket")
    assert find_plan(files) is None
    assert word_for(made, {"bucket": plan}) == "ask"
    files.confirmed.touch()
    assert find_plan(files) == plan
    assert word_for(made, {"bucket": plan}) == "go"
    assert word_for(made, {}) == "done"
    remove_plan(files)
    assert find_plan(files) is None
    assert not list((tmp_path / "bucket").iterdir())


@pytest.mark.parametrize(
    "line", ["[[], {}]", "{}", '{"remove": [], "plan": {"current": {}, "other": 1}}', "1", "[]"]
)
def test_a_plan_of_another_release_begins_again(tmp_path: Path, line: str) -> None:
    made = task(tmp_path, Client(*LISTING))
    files = files_of(made, "bucket")
    files.plan.write_bytes(gzip.compress(f"{line}\n".encode()))
    files.confirmed.touch()
    with pytest.raises(OSError, match="not written by this release"):
        list(read_pages(files.plan))
    assert make_plan(made, "bucket").count == 4
    assert not files.confirmed.exists()


def test_an_old_plan_begins_again(tmp_path: Path) -> None:
    made = task(tmp_path, Client(*LISTING))
    make_plan(made, "bucket")
    files = files_of(made, "bucket")
    files.confirmed.touch()
    page = json.loads(gzip.decompress(files.plan.read_bytes()))
    page["plan"]["began"] -= 7300
    files.plan.write_bytes(gzip.compress(json.dumps(page).encode()))
    assert find_plan(files) is None


def test_a_bucket_in_use_is_refused(tmp_path: Path) -> None:
    made = task(tmp_path, Client(entry("a", 1000)))
    assert make_plan(made, "bucket").count == 1
    made = task(tmp_path, Client(entry("a", 1001)))
    with pytest.raises(OSError, match="it is in use: 'key' was written at"):
        make_plan(made, "bucket")
    assert made.until == UNTIL


def test_only_temporary_errors_are_asked_for_again() -> None:
    asked = [{"Key": key, "VersionId": "1"} for key in "abc"]
    errors = [{"Key": "a", "Code": "SlowDown"}, {"Key": "b", "Code": "AccessDenied"}]
    assert still_left(asked, errors) == asked[:1]
    assert still_left(asked, []) == []
