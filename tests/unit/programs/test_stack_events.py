"""How far an attempt has come, by the events of its stack."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.programs.stack_events import (
    NO_FAILURE,
    Attempt,
    find_attempt,
    oldest_first,
    print_new_events,
)
from tests.support.programs import pythons, run

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "codeocean-cmdgen-0123456789abcdef01234567-"
FIRST, SECOND = f"{PREFIX}1", f"{PREFIX}2"
OTHER = "Console-CancelUpdateStack-1"
STACK = "arn:aws:cloudformation:us-east-1:111111111111:stack/codeocean/1"


def answer(*events: tuple[str, str, str], reason: str = "") -> dict[str, Any]:
    """Return the answer for events: token, resource, status; the oldest first."""
    numbers = count(1)
    listed = [
        {
            "EventId": f"event-{number}",
            "StackId": STACK,
            "LogicalResourceId": resource,
            "PhysicalResourceId": STACK if resource == "codeocean" else f"id-of-{resource}",
            "ResourceStatus": status,
            "Timestamp": f"2026-01-01T00:00:{number:02}+00:00",
            **({"ResourceStatusReason": reason} if reason else {}),
            **({"ClientRequestToken": token} if token else {}),
        }
        for number, (token, resource, status) in zip(numbers, events)
    ]
    return {"StackEvents": listed[::-1]}


def test_events_may_lack_what_they_are_about_and_a_status() -> None:
    """Both are optional in the model."""
    listed = answer(BEGIN, (FIRST, "codeocean", ""), CHANGED, END)
    for event in listed["StackEvents"]:
        if event["ResourceStatus"] == "":
            del event["ResourceStatus"]
        elif event["LogicalResourceId"] == "Plan":
            del event["LogicalResourceId"]
    attempt = find_attempt(oldest_first(listed), PREFIX, FIRST)
    assert attempt.status == "UPDATE_COMPLETE"


CREATED = ("", "codeocean", "CREATE_COMPLETE")
BEGIN = (FIRST, "codeocean", "UPDATE_IN_PROGRESS")
CHANGE = (FIRST, "Plan", "UPDATE_IN_PROGRESS")
CHANGED = (FIRST, "Plan", "UPDATE_COMPLETE")
CLEANUP = (FIRST, "codeocean", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
END = (FIRST, "codeocean", "UPDATE_COMPLETE")
FAILED = [
    (FIRST, "Plan", "UPDATE_FAILED"),
    (FIRST, "Role", "UPDATE_FAILED"),
    (FIRST, "codeocean", "UPDATE_ROLLBACK_IN_PROGRESS"),
    (FIRST, "codeocean", "UPDATE_ROLLBACK_COMPLETE"),
]


def found(*events: tuple[str, str, str], token: str = "", reason: str = "") -> Attempt:
    return find_attempt(oldest_first(answer(*events, reason=reason)), PREFIX, token)


def test_without_an_event_of_the_run_there_is_no_attempt() -> None:
    assert found(CREATED) == Attempt(failure=NO_FAILURE)
    assert found() == Attempt(failure=NO_FAILURE)


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([BEGIN], "UPDATE_IN_PROGRESS"),
        ([BEGIN, CHANGE, CHANGED], "UPDATE_IN_PROGRESS"),
        ([BEGIN, CHANGE, CHANGED, CLEANUP], "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        ([BEGIN, CHANGE, CHANGED, CLEANUP, END], "UPDATE_COMPLETE"),
        ([BEGIN, CHANGE, *FAILED], "UPDATE_ROLLBACK_COMPLETE"),
        ([CHANGE], ""),
    ],
)
def test_the_status_is_that_of_the_stack(events: list[tuple[str, str, str]], status: str) -> None:
    attempt = found(CREATED, *events)
    assert (attempt.token, attempt.status) == (FIRST, status)


def test_the_time_is_when_the_final_status_was_reached() -> None:
    assert found(CREATED, BEGIN, END).time == "2026-01-01T00:00:03+00:00"


def test_the_first_failure_is_the_cause() -> None:
    attempt = found(CREATED, BEGIN, CHANGE, *FAILED, reason="not authorized")
    assert attempt.failure == "Plan UPDATE_FAILED: not authorized"
    assert found(BEGIN, *FAILED).failure == "Plan UPDATE_FAILED: ", "there may be no reason"


def test_the_latest_attempt_counts() -> None:
    again = [(SECOND, "codeocean", "UPDATE_IN_PROGRESS")]
    attempt = found(CREATED, BEGIN, *FAILED, *again)
    assert (attempt.token, attempt.status) == (SECOND, "UPDATE_IN_PROGRESS")
    assert attempt.failure == NO_FAILURE
    asked_for = found(CREATED, BEGIN, *FAILED, *again, token=FIRST)
    assert (asked_for.token, asked_for.status) == (FIRST, "UPDATE_ROLLBACK_COMPLETE")


def test_an_attempt_that_shows_no_event_yet_is_not_an_earlier_one() -> None:
    attempt = found(CREATED, BEGIN, *FAILED, token=SECOND)
    assert (attempt.token, attempt.status) == (SECOND, "")


def test_what_happens_later_is_of_no_concern() -> None:
    later = [(OTHER, "codeocean", "UPDATE_IN_PROGRESS"), (OTHER, "codeocean", "UPDATE_FAILED")]
    attempt = found(CREATED, BEGIN, END, *later)
    assert (attempt.status, attempt.failure) == ("UPDATE_COMPLETE", NO_FAILURE)


def test_an_update_that_somebody_cancels_ends_with_the_cancellation() -> None:
    cancelled = [
        (OTHER, "codeocean", "UPDATE_ROLLBACK_IN_PROGRESS"),
        (OTHER, "Plan", "UPDATE_FAILED"),
        (OTHER, "codeocean", "UPDATE_ROLLBACK_COMPLETE"),
    ]
    attempt = found(CREATED, BEGIN, CHANGE, *cancelled)
    assert (attempt.status, attempt.failure) == ("UPDATE_ROLLBACK_COMPLETE", NO_FAILURE)


@pytest.mark.parametrize(
    "token",
    [f"{PREFIX}x", f"{PREFIX}1a", f"x{FIRST}", PREFIX, f"{PREFIX}-1", f"{PREFIX}0", f"{FIRST}\n"],
)
def test_the_token_of_something_else_is_not_of_the_run(token: str) -> None:
    assert found((token, "codeocean", "UPDATE_IN_PROGRESS")).token == ""


def test_times_may_be_numbers() -> None:
    """As with `cli_timestamp_format = wire` in the configuration of the AWS CLI."""
    events = answer(BEGIN)
    events["StackEvents"][0]["Timestamp"] = 1767225600.5
    assert find_attempt(oldest_first(events), PREFIX, "").time == "1767225600.5"


def shown(
    capsys: pytest.CaptureFixture[str], file: Path, *events: tuple[str, str, str], total: str = ""
) -> list[str]:
    print_new_events(oldest_first(answer(*events)), file, total)
    return capsys.readouterr().out.splitlines()


def test_each_event_is_shown_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "shown"
    assert shown(capsys, file, BEGIN, total="2") == ["0 of 2 ended: stack UPDATE_IN_PROGRESS"]
    assert shown(capsys, file, BEGIN, total="2") == []
    assert shown(capsys, file, BEGIN, CHANGE, CHANGED, total="2") == [
        "0 of 2 ended: Plan UPDATE_IN_PROGRESS",
        "1 of 2 ended: Plan UPDATE_COMPLETE",
    ]
    assert shown(capsys, file, BEGIN, CHANGE, CHANGED, CLEANUP, END) == [
        "1 ended: stack UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "1 ended: stack UPDATE_COMPLETE",
    ]


def test_a_resource_ends_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A rollback completes it again."""
    lines = shown(capsys, tmp_path / "shown", BEGIN, CHANGED, CHANGED)
    assert lines[-1] == "1 ended: Plan UPDATE_COMPLETE"


def test_events_that_were_missed_do_not_hide_the_new_ones(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A poll reads the newest hundred: the last one shown may be older than all of them."""
    (tmp_path / "shown").write_text(json.dumps({"last_event": "old", "ended": ["Role"]}))
    assert shown(capsys, tmp_path / "shown", CHANGED) == ["2 ended: Plan UPDATE_COMPLETE"]


def test_what_events_say_is_data(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    hostile = "done: owned\n\x1b[2J\x9b"
    events = answer((FIRST, "Plan", "UPDATE_FAILED"), reason=hostile)
    assert find_attempt(oldest_first(events), PREFIX, "").failure == (
        "Plan UPDATE_FAILED: done: owned??[2J?"
    )
    print_new_events(oldest_first(events), tmp_path / "shown", "")
    assert capsys.readouterr().out == "0 ended: Plan UPDATE_FAILED done: owned??[2J?\n"


@pytest.mark.parametrize("python", pythons())
def test_runs_alone(python: str, tmp_path: Path) -> None:
    files = {"events": answer(CREATED, BEGIN, CHANGED)}
    arguments = ["--events", "events", "--token-prefix", PREFIX, "--token", ""]
    done = run(python, "stack_events", tmp_path, files, *arguments)
    assert json.loads(done.stdout)["status"] == "UPDATE_IN_PROGRESS"
    more = [*arguments, "--show-new", "shown", "--total", "1"]
    lines = run(python, "stack_events", tmp_path, files, *more).stdout.splitlines()
    assert lines[-1] == "1 of 1 ended: Plan UPDATE_COMPLETE", "events before the attempt are not"
    assert len(lines) == 2
    cut = run(python, "stack_events", tmp_path, {"events": ""}, *arguments)
    assert (cut.returncode, cut.stdout) == (1, "")
