"""Judge the events of a stack: how far an attempt of a run has come, and why it failed.

An attempt is one operation on the stack: a creation or an update. Its events carry its token, for
90 days. The tokens of a run are a prefix and a number.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional

from .printable import printable


@dataclass(frozen=True)
class Event:
    """One event, of the stack itself or of one of its resources."""

    id: str
    is_about_stack: bool
    resource: str
    status: str
    reason: str
    time: str
    token: str

    @classmethod
    def from_answer(cls, event: dict[str, Any]) -> Event:
        """Return an event of an answer of describe-stack-events."""
        return cls(
            id=event["EventId"],
            is_about_stack=event.get("PhysicalResourceId") == event["StackId"],
            resource=event.get("LogicalResourceId") or "",
            status=event.get("ResourceStatus") or "",
            reason=event.get("ResourceStatusReason") or "",
            time=str(event["Timestamp"]),
            token=event.get("ClientRequestToken") or "",
        )


@dataclass(frozen=True)
class Attempt:
    """How far an attempt has come; without a token, there is none.

    status, time: the final status of the stack and when it was reached; before that, the latest.
    failure: the first cause, in words.
    """

    token: str = ""
    status: str = ""
    time: str = ""
    failure: str = ""


NO_FAILURE = "no resource failed; somebody may have cancelled it"


def oldest_first(answer: dict[str, Any]) -> list[Event]:
    """Return the events of an answer, which has the newest first."""
    return [Event.from_answer(event) for event in reversed(answer["StackEvents"])]


def is_of_run(token: str, prefix: str) -> bool:
    """Tell whether a token is one of the run."""
    return bool(re.fullmatch(re.escape(prefix) + "[1-9][0-9]{0,17}", token))


def find_attempt(events: list[Event], prefix: str, token: str) -> Attempt:
    """Return the attempt with the token; without a token, the latest one of the run."""
    if not token:
        tokens = [one.token for one in events if is_of_run(one.token, prefix)]
        token = tokens[-1] if tokens else ""
    own = events_since(events, token)
    reached = reached_by_stack(own)
    return Attempt(
        token=token,
        status=reached.status if reached else "",
        time=reached.time if reached else "",
        failure=first_failure(own, token),
    )


def reached_by_stack(events: list[Event]) -> Optional[Event]:
    """Return the first event with a final status of the stack; before that, its latest event."""
    latest = None
    for event in events:
        if event.is_about_stack and event.status:
            latest = event
            if not event.status.endswith("_IN_PROGRESS"):
                break
    return latest


def events_since(events: list[Event], token: str) -> list[Event]:
    """Return the events from the first one that has the token.

    Cancelling has its own token, but operations never overlap: up to the next final status of the
    stack, the events are of this attempt.
    """
    for position, event in enumerate(events):
        if token and event.token == token:
            return events[position:]
    return []


def first_failure(events: list[Event], token: str) -> str:
    """Return the first failure, in words: the later ones are its consequences."""
    for event in events:
        if event.token == token and event.status.endswith("_FAILED"):
            return printable(f"{event.resource} {event.status}: {event.reason}")
    return NO_FAILURE


def print_new_events(events: list[Event], file: Path, total: str) -> None:
    """Print the events that the file does not record as shown, and record them.

    It also records which resources have reached a final status.
    """
    last_event, ended = "", []
    if file.exists():
        last_event, ended = json.loads(file.read_bytes()).values()
    shown = [position for position, one in enumerate(events, 1) if one.id == last_event]
    for event in events[shown[-1] if shown else 0 :]:
        last_event = event.id
        is_end = event.status.endswith("_COMPLETE") and not event.is_about_stack
        if is_end and event.resource not in ended:
            ended.append(event.resource)
        count = f"{len(ended)} of {total}" if total else f"{len(ended)}"
        resource = "stack" if event.is_about_stack else event.resource
        line = f"{count} ended: {resource} {event.status} {event.reason}"
        sys.stdout.write(f"{printable(line.rstrip())}\n")
    file.write_text(json.dumps({"last_event": last_event, "ended": ended}), encoding="utf-8")


def main() -> None:
    """Print the attempt as one JSON object, or its events that a file does not record as shown.

    Without a token, it is the latest attempt of the run. total: how many resources change.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=Path)
    parser.add_argument("--token-prefix")
    parser.add_argument("--token")
    parser.add_argument("--show-new", type=Path)
    parser.add_argument("--total")
    options = parser.parse_args()
    events = oldest_first(json.loads(options.events.read_bytes()))
    attempt = find_attempt(events, options.token_prefix, options.token)
    if options.show_new:
        own = events_since(events, attempt.token)
        print_new_events(own, options.show_new, options.total)
    else:
        sys.stdout.write(f"{json.dumps(asdict(attempt))}\n")


if __name__ == "__main__":
    main()
