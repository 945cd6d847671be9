"""Which jobs are the run's, how far they are, and what their ends mean."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.programs.replication_jobs import (
    Job,
    how_far,
    judge,
    listed_jobs,
    main,
    plan,
    progress,
    updated,
)

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "0123456789abcdef0123456789abcdef"
OWN = f"codeocean-cmdgen s3-batch-replication run=first bucket=one set=00ff00ff:2 token={TOKEN}"


def entry(**facts: Any) -> dict[str, Any]:
    """Return a job as list-jobs shows it."""
    summary = {
        "TotalNumberOfTasks": 5,
        "NumberOfTasksSucceeded": 3,
        "NumberOfTasksFailed": 1,
        "Timers": {"ElapsedTimeInActiveSeconds": 40},
    }
    return {
        "JobId": "job-1",
        "Description": OWN,
        "Operation": "S3ReplicateObject",
        "Status": "Complete",
        "ProgressSummary": summary,
        "TerminationDate": "2026-01-02T03:04:05.678000+00:00",
        **facts,
    }


def test_a_listed_job_is_read() -> None:
    assert listed_jobs([{"Jobs": [entry()]}], "first", {"one": TOKEN}) == {
        "one": Job(
            bucket="one",
            job_id="job-1",
            status="Complete",
            total=5,
            succeeded=3,
            failed=1,
            seconds=40,
            ended="2026-01-02T03:04:05+00:00",
            set_digest="00ff00ff",
            set_size=2,
        )
    }


@pytest.mark.parametrize(
    "facts",
    [
        {"JobId": "x a[$(touch /tmp/pwned)]"},
        {"JobId": ""},
        {"Status": "Complete 5"},
        {"TerminationDate": "at noon"},
        {"ProgressSummary": {"TotalNumberOfTasks": "a[$(id)]"}},
        {"ProgressSummary": {"NumberOfTasksSucceeded": -1}},
        {"ProgressSummary": {"NumberOfTasksFailed": True}},
        {"ProgressSummary": {"Timers": {"ElapsedTimeInActiveSeconds": 1.5}}},
    ],
)
def test_what_is_no_word_or_count_is_refused(facts: dict[str, Any]) -> None:
    """The script reads the words of a line, and adds counts: bash would run what they contain."""
    with pytest.raises(SystemExit, match="S3 describes a job with "):
        listed_jobs([{"Jobs": [entry(**facts)]}], "first", {"one": TOKEN})


def test_a_job_that_is_new_has_no_counts() -> None:
    new = entry(Status="New", ProgressSummary=None, TerminationDate=None)
    (job,) = listed_jobs([{}, {"Jobs": [new]}], "first", {"one": TOKEN}).values()
    assert (job.total, job.succeeded, job.failed, job.seconds, job.ended) == (0, 0, 0, 0, "-")


@pytest.mark.parametrize(
    "description",
    [
        None,
        "somebody else's",
        OWN.replace("run=first", "run=other"),
        OWN.replace("bucket=one", "bucket=two"),
        OWN.replace(TOKEN, "other"),
        OWN.replace(":2 ", ":0 "),
        f"{OWN}\n",
        f"a {OWN}",
    ],
)
def test_a_job_of_others_is_not_the_runs(description: str | None) -> None:
    other = entry(Description=description)
    assert listed_jobs([{"Jobs": [other]}], "first", {"one": TOKEN}) == {}


@pytest.mark.parametrize("operation", ["S3DeleteObjectTagging", "S3InitiateRestoreObject", None])
def test_a_job_that_does_something_else_is_not_the_runs(operation: str | None) -> None:
    """Its description may have been copied."""
    other = entry(Operation=operation)
    assert listed_jobs([{"Jobs": [other]}], "first", {"one": TOKEN}) == {}


def test_a_job_that_is_not_listed_any_more_is_lost_after_a_while() -> None:
    jobs = updated({"one": Job("one", "job-1")}, {})
    for _ in range(10):
        assert jobs["one"].status == "New"
        jobs = updated(jobs, {})
    assert jobs["one"].status == "lost"
    assert updated(jobs, {}) == jobs
    listed = {"one": Job("one", "job-1", status="Active")}
    assert updated(jobs, listed) == listed


def test_a_job_that_has_ended_is_not_lost() -> None:
    jobs = {"one": Job("one", "job-1", status="Complete", unlisted=10)}
    assert updated(jobs, {}) == jobs


def test_a_bucket_is_followed_created_or_left() -> None:
    jobs = {"one": Job("one", "job-1", set_digest="abc", set_size=3)}
    buckets = ["one", "two", "three"]
    expected = {"one": "follow", "two": "empty", "three": "create"}
    assert plan(buckets, jobs, {"two"}, "abc") == expected


@pytest.mark.parametrize(
    ("size", "digest", "decision"),
    [(1, "abc", "was-empty"), (2, "abc", "create"), (1, "def", "create")],
)
def test_a_bucket_without_a_job_was_empty_if_all_jobs_were_created(
    size: int, digest: str, decision: str
) -> None:
    jobs = {"one": Job("one", "job-1", set_digest=digest, set_size=size)}
    assert plan(["one", "two"], jobs, set(), "abc") == {"one": "follow", "two": decision}


def test_progress_is_of_all_and_of_each_that_runs() -> None:
    jobs = [
        Job("one", "1", status="Active", total=10, succeeded=4, failed=1, seconds=100),
        Job("two", "2", status="Preparing"),
        Job("three", "3", status="Failed"),
        Job("four", "4", status="Complete", total=10, succeeded=10, seconds=50),
    ]
    everything = (
        "three ended Failed; all: 14 of 20 objects done (70%), 1 failed, 0.1/s, 0 min left; "
        "more to come"
    )
    assert progress(jobs) == [
        everything,
        "one Active, 4 of 10 objects done (40%), 1 failed, 0.1/s, 1 min left",
        everything,
        "two Preparing, being prepared",
    ]


def test_progress_is_empty_when_all_have_ended() -> None:
    statuses = ("Complete", "Failed", "Cancelled", "lost")
    assert progress([Job("one", "1", status=status) for status in statuses]) == []


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ((0, 0, 0, 0), "being prepared"),
        ((5, 0, 0, 9), "0 of 5 objects done (0%), 0 failed"),
        ((5, 5, 0, 0), "5 of 5 objects done (100%), 0 failed"),
        ((1000, 100, 0, 600), "100 of 1000 objects done (10%), 0 failed, 0.2/s, 90 min left"),
    ],
)
def test_no_rate_is_made_up(figures: tuple[int, int, int, int], words: str) -> None:
    assert how_far(*figures) == words


STATUSES = ("Complete", "Failed", "Cancelled", "lost", "Suspended")
COUNTS = {"all": (5, 5, 0), "none": (0, 0, 0), "failed": (5, 3, 2), "some": (5, 3, 0)}
NO_KEYS = "Manifest generation found no keys matching the filter criteria."


def test_the_truth_table() -> None:
    """Status x task counts x emptiness x reason: exactly three kinds of end are good."""
    rows = list(itertools.product(STATUSES, COUNTS, ("empty", "full"), ("", NO_KEYS, "Other.")))
    verdicts = {}
    for row in rows:
        status, counts, empty, reason = row
        total, succeeded, failed = COUNTS[counts]
        job = Job("one", "1", status=status, total=total, succeeded=succeeded, failed=failed)
        verdicts[row] = judge(job, reason, empty=empty == "empty")
    assert {row for row, verdict in verdicts.items() if verdict.good} == {
        row
        for row in rows
        if row[:2] == ("Complete", "all")
        or row[:3] == ("Complete", "none", "empty")
        or row == ("Failed", "none", "empty", NO_KEYS)
    }
    assert all(verdict.text for verdict in verdicts.values())


@pytest.mark.parametrize(
    ("job", "reason", "words"),
    [
        (Job("one", "1", "Complete", 5, 3, 2), "", "2 of 5 objects were not replicated"),
        (Job("one", "1", "Complete", 5, 3, 0), "", "S3 accounts for 3 of 5 objects only"),
        (Job("one", "1", "Complete"), "", "nothing was replicated, and the bucket is not empty"),
        (
            Job("one", "1", "Failed"),
            NO_KEYS,
            f"{NO_KEYS} (all archived, COMPLETED or outside rules?)",
        ),
        (Job("one", "1", "Failed"), "", "S3 gives no reason"),
        (Job("one", "1", "Failed"), "Access denied.", "Access denied."),
        (Job("one", "1", "Cancelled"), "By hand.", "the job is Cancelled. By hand."),
        (Job("one", "1", "lost"), "", "S3 no longer lists this job; its result is unknown"),
    ],
)
def test_a_failure_says_why(job: Job, reason: str, words: str) -> None:
    verdict = judge(job, reason, empty=False)
    assert not verdict.good
    assert verdict.text == words


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "tokens").write_text(f"one {TOKEN}\ntwo other\n")
    (tmp_path / "pages").write_text(json.dumps({"Jobs": [entry()]}) + "\n")
    (tmp_path / "buckets" / "two").mkdir(parents=True)
    return tmp_path


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    main(*words)
    return capsys.readouterr().out.splitlines()


def test_what_it_knows_stays_in_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "read", "first") == []
    assert answer(capsys, "plan", "none", "one", "two") == ["follow one", "create two"]
    (folder / "created").write_text("two job-2\n")
    assert answer(capsys, "read", "first") == []
    shown = answer(capsys, "progress")
    assert shown[0].startswith("all: 3 of 5 objects done (60%), 1 failed, 0.1/s, ")
    assert shown[1:] == ["two New, being prepared"]
    assert answer(capsys, "failed") == []


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0c", "\x1e"])
def test_only_a_newline_ends_a_page(
    folder: Path, capsys: pytest.CaptureFixture[str], separator: str
) -> None:
    """jq writes these characters of a description as they are."""
    jobs = [entry(Description=f"somebody{separator}else's"), entry()]
    text = json.dumps({"Jobs": jobs}, ensure_ascii=False)
    (folder / "pages").write_text(f"{text}\n", encoding="utf-8")
    assert answer(capsys, "read", "first") == []
    assert answer(capsys, "plan", "none", "one") == ["follow one"]


def test_each_end_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed = Job("two", "job-2", status="Failed")
    (folder / "jobs").write_text(json.dumps([vars(failed)]))
    description = {"FailureReasons": [{"FailureReason": "a\nfailed one - 0 - b\ud800"}]}
    (folder / "buckets" / "two" / "description").write_text(json.dumps({"Job": description}))
    assert answer(capsys, "failed") == ["two job-2 Failed"]
    assert answer(capsys, "judge") == ["failed two job-2 0 - a failed one - 0 - b?"]
    (folder / "buckets" / "two" / "description.failed").write_text("AccessDenied\nfor you\n")
    assert answer(capsys, "judge") == ["failed two job-2 0 - AccessDenied for you"]


def test_a_good_end_has_its_figures(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = Job("two", "job-2", "Complete", total=7, succeeded=7, ended="2026-01-02T03:04:05+00:00")
    (folder / "jobs").write_text(json.dumps([vars(good)]))
    assert answer(capsys, "judge") == ["done two job-2 7 2026-01-02T03:04:05+00:00 7 objects"]


def test_an_unknown_command_is_refused(folder: Path) -> None:
    with pytest.raises(SystemExit, match=re.escape("there is no command fly")):
        main("fly")
