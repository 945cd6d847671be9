"""s3-point-in-time, against an oracle that lets each history happen again, up to the moment."""

from __future__ import annotations

import copy
import gzip
import json
import os
import queue
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeocean_cmdgen.simulator import Simulator, World
from codeocean_cmdgen.simulator.world import TARGET
from tests.support.people import Outcome, PersonOf, script, writes
from tests.support.point_in_time import (
    AT,
    HOSTILE,
    UNTIL,
    Current,
    Event,
    History,
    Operator,
    bucket_of,
    current,
    current_at,
    instant,
    random_history,
    undo,
)
from tests.support.quick_python import Program, ended, modules_of
from tests.support.s3_server import FAULTS, S3Server, Version, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def server() -> Iterator[S3Server]:
    with serving() as server:
        yield server


@pytest.fixture
def operator(server: S3Server, tmp_path: Path) -> Operator:
    return Operator(server, tmp_path)


SMALL: History = {
    "kept": [Event(-5)],
    "overwritten": [Event(-5), Event(5)],
    "deleted": [Event(-5), Event(5, deleted=True)],
    "deleted before": [Event(-5), Event(-4, deleted=True), Event(5)],
    "born after": [Event(5), Event(6)],
    "at that second": [Event(-5), Event(0), Event(1)],
    "\x01": [Event(-5), Event(5)],
}


def exact(server: S3Server, histories: dict[str, History]) -> bool:
    """Whether each bucket shows what it showed at the moment, and holds nothing newer."""
    for name, history in histories.items():
        bucket = server.buckets[name]
        assert current(bucket) == current_at(history)
        older = {key: [one for one in stack if one.modified <= AT] for key, stack in
                 bucket_of(history).state().items()}  # fmt: skip
        assert bucket.state() == {key: stack for key, stack in older.items() if stack}
    return True


def brought_back(outcome: Outcome, server: S3Server, histories: dict[str, History]) -> bool:
    assert outcome.done, outcome
    return exact(server, histories)


def bring_back(histories: dict[str, History]) -> None:
    with tempfile.TemporaryDirectory() as folder, serving() as server:
        server.buckets = {name: bucket_of(history) for name, history in histories.items()}
        operator = Operator(server, Path(folder))
        assert brought_back(operator.confirm(), server, histories)


# Exact, for any key.

events = st.builds(
    Event, st.sampled_from([-9, -1, 0, 1, 9]) | st.integers(-999, 999), st.booleans()
)
keys = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
)
histories = st.dictionaries(
    keys,
    st.lists(events, max_size=6).map(lambda found: sorted(found, key=lambda one: one.seconds)),
    max_size=30,
)


@settings(max_examples=6)
@given(history=histories)
def test_any_history(history: History) -> None:
    bring_back({"one": history})


@pytest.mark.campaign
@settings(max_examples=1000)
@given(history=histories)
def test_any_history_at_length(history: History) -> None:
    bring_back({"one": history})


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.campaign) for n in range(1, 34))]
)
def test_many_histories_in_several_buckets(seed: int) -> None:
    rng = random.Random(seed)
    bring_back(
        {
            f"bucket-{number}": random_history(rng, [f"{number}/{key:05}" for key in range(1000)])
            for number in range(3)
        }
    )


def test_hostile_keys(server: S3Server, operator: Operator) -> None:
    rng = random.Random(5)
    history = random_history(rng, HOSTILE)
    history |= {f"{key} overwritten"[:900]: [Event(-1), Event(1)] for key in HOSTILE}
    server.buckets["one"] = bucket_of(history)
    assert brought_back(operator.confirm(), server, {"one": history})


def test_null_versions(server: S3Server, operator: Operator) -> None:
    history = {
        "kept": [Event(-5, null=True), Event(5)],
        "gone": [Event(-5), Event(5, null=True)],
        "a marker": [Event(-5), Event(5, deleted=True, null=True)],
    }
    server.buckets["one"] = bucket_of(history)
    assert brought_back(operator.confirm(), server, {"one": history})


def test_keys_that_go_over_pages(server: S3Server, operator: Operator) -> None:
    history = {
        "a": [Event(-1)] + [Event(1)] * 2500,
        "b": [Event(-2)] * 1200 + [Event(3)],
        "markers": [Event(-1)] + [Event(1, deleted=True)] * 2100,
        **{f"deleted {n:04}": [Event(1, deleted=True)] for n in range(1100)},
        "z": [Event(-1), Event(0), Event(0), Event(1)],
    }
    server.buckets["one"] = bucket_of(history)
    assert brought_back(operator.confirm(), server, {"one": history})


# The plan, and its confirmation.


def test_the_plan_says_what_goes_and_touches_nothing(server: S3Server, operator: Operator) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    before = server.buckets["one"].state()
    outcome = operator.run(PLAN="1")
    assert outcome.output.startswith("plan: ")
    said = "one: 7 of 15 versions and delete markers will be removed"
    assert f"{said} (0.00 GB, 1 delete markers, 6 keys)\n" in outcome.errors
    assert server.buckets["one"].state() == before
    assert server.requests["delete"] + server.requests["delete_one"] == 0


def test_nothing_goes_without_the_word(server: S3Server, operator: Operator) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    before = server.buckets["one"].state()
    for word in ("", "yes"):
        assert operator.run(CONFIRM=word).code == 2
    assert server.buckets["one"].state() == before


@pytest.mark.parametrize("key", ["new", "overwritten"])
def test_a_set_that_changed_wants_another_word(
    server: S3Server, operator: Operator, key: str
) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    digest = operator.digest()
    assert operator.digest() == digest
    server.buckets["one"].put(key, Version("one-more", AT + 9))
    assert operator.run(CONFIRM=digest).code == 2
    assert operator.digest() != digest


# Bounded.


@pytest.mark.parametrize("options", [{}, {"reversible": "yes"}])
def test_one_bucket_in_use_stops_all(
    server: S3Server, operator: Operator, options: dict[str, str]
) -> None:
    operator.options = options
    server.buckets = {"unused": bucket_of(SMALL), "used": bucket_of(SMALL), "too": bucket_of(SMALL)}
    server.buckets["used"].put("zoo", Version("new", UNTIL + 1))
    server.buckets["too"].put("zoo", Version("new", UNTIL + 2))
    before = {name: bucket.state() for name, bucket in server.buckets.items()}
    for settings_ in ({"PLAN": "1"}, {"CONFIRM": "x"}):
        outcome = operator.run(**settings_)
        assert outcome.code == 1
        used = "it is in use: 'zoo' was written at 2023-11-14T22:30:0"
        assert f"problem: used: {used}1Z" in outcome.errors
        assert f"problem: too: {used}2Z" in outcome.errors
        assert "no bucket was changed" in outcome.errors
        assert {name: bucket.state() for name, bucket in server.buckets.items()} == before
    for name in ("used", "too"):
        server.buckets[name].remove("zoo", "new")
    outcome = operator.run() if options else operator.confirm()
    assert outcome.done, outcome


def apply(operator: Operator) -> Outcome:
    """Bring the buckets back, with a confirmation if the variant asks for one."""
    return operator.run() if operator.options else operator.confirm()


@pytest.mark.parametrize("options", [{}, {"reversible": "yes"}])
def test_after_success_it_lists_again_and_changes_nothing(
    server: S3Server, operator: Operator, options: dict[str, str]
) -> None:
    operator.options = options
    server.buckets = {"one": bucket_of(SMALL), "two": bucket_of(SMALL)}
    assert apply(operator).done
    before = {name: bucket.state() for name, bucket in server.buckets.items()}
    for settings_ in ({}, {"PLAN": "1"}):
        server.requests.clear()
        again = operator.run(**settings_)
        assert again.done, again
        assert "2 buckets are as they were" in again.output
        assert server.requests["versions"] >= 2
        assert set(server.requests) <= {"versions", "location"}
        assert {name: bucket.state() for name, bucket in server.buckets.items()} == before


@pytest.mark.parametrize("options", [{}, {"reversible": "yes"}])
@pytest.mark.parametrize("deleted", [False, True])
def test_after_success_later_uploads_are_counted_and_stay(
    server: S3Server, operator: Operator, options: dict[str, str], *, deleted: bool
) -> None:
    operator.options = options
    server.buckets = {"one": bucket_of(SMALL), "two": bucket_of(SMALL)}
    assert apply(operator).done
    for key in ("kept", "overwritten"):
        server.buckets["one"].put(key, Version(f"late {key}", UNTIL + 9, marker=deleted))
    server.buckets["one"].put("another", Version("late", UNTIL + 9))
    before = server.buckets["one"].state()
    server.requests.clear()
    again = operator.run(CONFIRM="x")
    assert again.code == 1, again
    assert not again.output
    versions, markers = (1, 2) if deleted else (3, 0)
    assert (
        f"problem: one: {versions} newer versions and {markers} newer delete markers arrived"
        in again.errors
    )
    assert "problem: two" not in again.errors
    assert "a new --run" in again.errors
    assert server.buckets["one"].state() == before
    assert set(server.requests) <= {"versions", "location", "tags"}


@pytest.mark.parametrize("options", [{}, {"reversible": "yes"}])
def test_after_success_a_lost_object_is_found(
    server: S3Server, operator: Operator, options: dict[str, str]
) -> None:
    operator.options = options
    server.buckets["one"] = bucket_of({"kept": [Event(-9), Event(-5)], "other": [Event(5)]})
    assert apply(operator).done
    server.buckets["one"].remove("kept", server.buckets["one"].stacks[b"kept"][0].version_id)
    again = operator.run()
    assert (again.code, again.output) == (1, "")
    assert "problem: one: " in again.errors


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"versioning": {"Status": "Suspended"}}, "versioning is not enabled"),
        (
            {"owner": "999999999999"},
            "not known to be in account 333333333333, us-east-1: one",
        ),
    ],
)
def test_what_was_proved_before_the_confirmation_is_proved_again(
    server: S3Server, operator: Operator, change: dict[str, Any], words: str
) -> None:
    server.buckets = {"one": bucket_of(SMALL), "two": bucket_of(SMALL)}
    digest = operator.digest()
    before = {name: bucket.state() for name, bucket in server.buckets.items()}
    outcome = operator.paused(digest, lambda: vars(server.buckets["one"]).update(change))
    assert outcome.code == 1, outcome
    assert words in outcome.errors
    assert {name: bucket.state() for name, bucket in server.buckets.items()} == before


def test_a_bucket_used_since_the_plan_is_found_before_the_first_removal(
    server: S3Server, operator: Operator
) -> None:
    server.buckets = {"one": bucket_of(SMALL), "two": bucket_of(SMALL)}
    digest = operator.digest()
    before = server.buckets["two"].state()
    outcome = operator.paused(
        digest, lambda: server.buckets["one"].put("zoo", Version("new", UNTIL + 1))
    )
    assert outcome.code == 1
    assert "problem: one: it is in use: 'zoo'" in outcome.errors
    assert server.buckets["two"].state() == before


@pytest.mark.parametrize(("minutes", "listings"), [(4, 1), (6, 3)])
def test_an_old_plan_is_proved_again_to_the_last_page(
    server: S3Server, operator: Operator, tmp_path: Path, minutes: int, listings: int
) -> None:
    """What was written behind the first page of a listing while the question stood there."""
    later = tmp_path / "later"
    operator.patch_python(
        "import os, time\nnow = time.time\n"
        f"time.time = lambda: now() + {minutes * 60} * os.path.exists({str(later)!r})\n"
    )
    server.buckets["one"] = bucket_of({f"{n:04}": [Event(-5), Event(5)] for n in range(1001)})
    digest = operator.digest()
    before = server.buckets["one"].state()

    def wait() -> None:
        later.touch()
        server.requests.clear()
        server.buckets["one"].put("zoo", Version("new", UNTIL + 1))

    outcome = operator.paused(digest, wait)
    assert outcome.code == 1
    if minutes > 5:
        assert server.requests["versions"] == listings
        assert "problem: one: it is in use: 'zoo'" in outcome.errors
        assert server.requests["delete"] == 0
        del server.buckets["one"].stacks[b"zoo"]
        assert server.buckets["one"].state() == before
    else:
        assert server.requests["delete"] > 0
        assert "newer versions are left, such as 'zoo'" in outcome.errors


def test_a_time_that_has_not_passed_is_refused(server: S3Server, operator: Operator) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    operator.until = int(time.time()) + 60
    outcome = operator.run(CONFIRM="x")
    assert (outcome.code, server.requests.total()) == (2, 0)
    assert "has not passed" in outcome.errors


# What speaks against it.

RULE = "<Rule><Status>Enabled</Status>{}</Rule>"
NONCURRENT = (
    "<NoncurrentVersionExpiration><NoncurrentDays>{}</NoncurrentDays></NoncurrentVersionExpiration>"
)
DAYS = int(time.time() - AT) // 86400


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"versioning": {}}, "versioning is not enabled"),
        ({"versioning": {"Status": "Suspended"}}, "versioning is not enabled"),
        ({"versioning": {"Status": "Enabled", "MfaDelete": "Enabled"}}, "MFA delete"),
        (
            {"documents": {"object-lock": "<O><ObjectLockEnabled>Enabled</ObjectLockEnabled></O>"}},
            "MFA delete or Object Lock",
        ),
        (
            {"documents": {"replication": f"<R>{RULE.format('')}</R>"}},
            "it replicates to another bucket",
        ),
        (
            {"documents": {"lifecycle": f"<L>{RULE.format(NONCURRENT.format(DAYS - 1))}</L>"}},
            f"a lifecycle rule removes versions {DAYS - 1} days after they are replaced",
        ),
    ],
)
def test_a_bucket_that_is_not_fit_stops_all(
    server: S3Server, operator: Operator, change: dict[str, Any], words: str
) -> None:
    server.buckets = {"unfit": bucket_of(SMALL), "fit": bucket_of(SMALL)}
    vars(server.buckets["unfit"]).update(change)
    before = {name: bucket.state() for name, bucket in server.buckets.items()}
    outcome = operator.run(CONFIRM="x")
    assert (outcome.code, "no bucket was changed" in outcome.errors) == (1, True)
    assert f"problem: unfit: {words}" in outcome.errors
    assert {name: bucket.state() for name, bucket in server.buckets.items()} == before


def test_rules_that_do_no_harm_are_no_objection(server: S3Server, operator: Operator) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    disabled = RULE.replace("Enabled", "Disabled")
    server.buckets["one"].documents = {
        "replication": f"<R>{disabled.format('')}</R>",
        "lifecycle": f"<L>{RULE.format(NONCURRENT.format(DAYS + 2))}"
        f"{disabled.format(NONCURRENT.format(1))}</L>",
    }
    assert brought_back(operator.confirm(), server, {"one": SMALL})


@pytest.mark.parametrize("change", [{"owner": "999999999999"}, {"location": "eu-west-1"}, None])
def test_another_bucket_is_another_place(
    server: S3Server, operator: Operator, change: dict[str, str] | None
) -> None:
    server.buckets = {"mine": bucket_of(SMALL), "other": bucket_of(SMALL)}
    text = operator.script
    if change:
        vars(server.buckets["other"]).update(change)
    else:
        del server.buckets["other"]
    before = server.buckets["mine"].state()
    outcome = operator.person.run(text, CONFIRM="x")
    assert outcome.code == 3
    words = "problem: not known to be in account 333333333333, us-east-1: other\n"
    assert words in outcome.errors
    assert server.buckets["mine"].state() == before


def test_archived_versions_and_strangers_are_named(server: S3Server, operator: Operator) -> None:
    server.buckets["one"] = bucket_of({"cold": [Event(-5), Event(5)], "warm": [Event(-5)]})
    new, old = server.buckets["one"].stacks[b"cold"]
    old.storage_class, new.status = "DEEP_ARCHIVE", ""
    outcome = operator.run(PLAN="1")
    assert "1 keys will need RestoreObject, such as 'cold'" in outcome.errors
    assert "warning: 'cold', which will be removed, is not a replica" in outcome.errors


# Any fault.


TINY: History = {
    "over": [Event(-5), Event(5)],
    "hidden": [Event(-5), Event(5, deleted=True)],
    "born": [Event(5)],
    "\x01": [Event(-5), Event(5)],
}


class Disturbed:
    """A small bucket in which a program is disturbed, again and again from the same start."""

    def __init__(self, server: S3Server, folder: Path, *started: Program) -> None:
        self.server, self.folder = server, folder
        self.kept, self.given = folder / "kept", folder / "given"
        (self.given / "one").mkdir(parents=True)
        server.buckets["one"] = bucket_of(TINY)
        for program in started:
            assert program.run(folder).done
        self.bucket = server.buckets["one"]
        self.given.rename(self.kept)

    def strike(self, program: Program, fault: str, number: int) -> bool:
        """Run the program with a fault, and again if it was cut short; tell whether it was hit.

        What passes strikes every third request, what lasts from one on, and death comes once.
        """
        shutil.rmtree(self.given, ignore_errors=True)
        shutil.copytree(self.kept, self.given)
        self.server.buckets["one"] = copy.deepcopy(self.bucket)
        self.server.requests.clear()
        processes: queue.Queue[int] = queue.Queue()

        def disturb(at: int, _operation: str) -> str | None:
            if fault in FAULTS:
                return fault if at % 3 == number else None
            if fault in LASTING:
                return fault if at >= number else None
            if at == number:
                os.kill(processes.get(), signal.SIGKILL)
                return "cut" if number % 2 else "cut-after"
            return None

        self.server.fault = disturb
        process = program.start(self.folder)
        processes.put(process.pid or 0)
        first = ended(process, self.folder)
        struck = self.server.requests.total() >= number
        self.server.fault = lambda _number, _operation: None
        assert first.done or fault not in FAULTS, (fault, number, first)
        if not first.done and fault in LASTING:
            assert LASTING[fault] in first.errors, (number, first)
        assert "Traceback" not in first.errors, (fault, number, first)
        again = first if first.done else program.run(self.folder)
        assert again.done, (fault, number, again)
        return struck


MARK = "codeocean-cmdgen"
"""What the tag begins with that a copy has until its version id is written down."""
LASTING = {"expired": "ExpiredToken", "denied": "AccessDenied"}


@pytest.fixture
def programs(server: S3Server, tmp_path: Path) -> Callable[..., Program]:
    """Return a function that gives the program of a variant of the step."""
    server.buckets["one"] = bucket_of(TINY)
    arguments = [str(tmp_path / "given"), TARGET, "us-east-1", instant(AT), instant(UNTIL), "one"]

    def program(folder: str, **options: str) -> Program:
        (tmp_path / folder).mkdir()
        operator = Operator(server, tmp_path / folder, options=options)
        environment = {**operator.person.environment}
        return Program(modules_of(operator.script), arguments, environment)

    return program


def every_request(disturbed: Disturbed, program: Program) -> Iterator[tuple[str, int]]:
    """Disturb each request with each fault; yield after it was pasted again."""
    for fault in FAULTS:
        for number in range(3):
            assert disturbed.strike(program, fault, number)
            yield fault, number
    for fault in (*LASTING, "killed"):
        number = 1
        while disturbed.strike(program, fault, number):
            yield fault, number
            number += 1
        assert number > 8


def test_any_fault_at_any_request_of_removal(
    server: S3Server, programs: Callable[..., Program], tmp_path: Path
) -> None:
    disturbed = Disturbed(server, tmp_path)
    for _ in every_request(disturbed, programs("removal")):
        assert exact(server, {"one": TINY})


def test_any_fault_at_any_request_of_a_reversible_change(
    server: S3Server, programs: Callable[..., Program], tmp_path: Path
) -> None:
    disturbed = Disturbed(server, tmp_path)
    undo = programs("undo", undo="yes")
    for fault, _ in every_request(disturbed, programs("reversible", reversible="yes")):
        assert shows(server, "one", TINY)
        if fault in ("cut-after", "killed"):
            undone = undo.run(tmp_path)
            # No answer, no proof: a delete marker may be of somebody else.
            doubt = "'born': it was changed meanwhile: delete marker" in undone.errors
            assert undone.done != doubt, undone
            expected = current(bucket_of(TINY))
            if doubt:
                del expected["born"]
            assert current(server.buckets["one"]) == expected
            assert not any(MARK in one.tags for one in current(server.buckets["one"]).values())


def test_any_fault_at_any_request_of_its_undoing(
    server: S3Server, programs: Callable[..., Program], tmp_path: Path
) -> None:
    disturbed = Disturbed(server, tmp_path, programs("reversible", reversible="yes"))
    for _ in every_request(disturbed, programs("undo", undo="yes")):
        assert current(server.buckets["one"]) == current(bucket_of(TINY))


@pytest.mark.parametrize("number", [6, 11])
def test_killed_it_goes_on_without_a_second_word(
    server: S3Server, operator: Operator, number: int
) -> None:
    operator.take_python_of_its_own()
    server.buckets["one"] = bucket_of(SMALL)
    digest = operator.digest()
    server.requests.clear()

    def kill(at: int, _operation: str) -> str | None:
        if at == number:
            os.killpg(shell.pid, signal.SIGKILL)
            return "cut-after"
        return None

    server.fault = kill
    with operator.start(CONFIRM=digest) as shell:
        shell.communicate()
    assert shell.returncode == -signal.SIGKILL
    word: dict[str, str]
    word = {} if server.requests["delete"] + server.requests["delete_one"] else {"CONFIRM": digest}
    assert brought_back(operator.run(**word), server, {"one": SMALL})


def test_a_listing_goes_on_where_the_shell_died(server: S3Server, operator: Operator) -> None:
    history = {f"{n:05}": [Event(-1), Event(1)] for n in range(2500)}
    server.buckets["one"] = bucket_of(history)
    digest = operator.digest()
    for file in operator.home.rglob("plan.gz"):
        file.unlink()
    server.requests.clear()
    server.fault = lambda _number, operation: (
        "expired" if operation == "versions" and server.requests[operation] > 3 else None
    )
    assert operator.run(PLAN="1").code == 1
    server.fault = lambda _number, _operation: None
    server.requests.clear()
    assert operator.digest() == digest
    assert server.requests["versions"] == 2
    server.requests.clear()
    assert operator.digest() == digest
    assert server.requests["versions"] == 5, "a whole listing is not taken for today's state"


def test_a_listing_of_some_hours_ago_begins_anew(server: S3Server, operator: Operator) -> None:
    server.buckets["one"] = bucket_of({f"{n:05}": [Event(1)] for n in range(2500)})
    digest = operator.digest()
    (plan,) = operator.home.rglob("plan.gz")
    first, *_ = gzip.decompress(plan.read_bytes()).splitlines()
    page = json.loads(first)
    page["plan"]["began"] -= 7300
    plan.write_bytes(gzip.compress(json.dumps(page).encode() + b"\n"))
    server.buckets["one"].put("00001", Version("new", UNTIL + 1))
    outcome = operator.run(CONFIRM=digest)
    assert (outcome.code, "it is in use: '00001'" in outcome.errors) == (1, True)


@pytest.mark.parametrize("options", [{}, {"reversible": "yes"}])
def test_versions_out_of_order_are_left_alone_and_named(
    server: S3Server, operator: Operator, options: dict[str, str]
) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    server.buckets["one"].stacks[b"overwritten"].reverse()
    before = server.buckets["one"].state()
    operator.options = options
    outcome = operator.run(CONFIRM="x")
    assert (outcome.code, "problem: one: 'overwritten'" in outcome.errors) == (1, True)
    assert server.buckets["one"].state() == before


def test_a_torn_listing_begins_anew(server: S3Server, operator: Operator) -> None:
    server.buckets["one"] = bucket_of({f"{n:05}": [Event(-1), Event(1)] for n in range(1500)})
    digest = operator.digest()
    (plan,) = operator.home.rglob("plan.gz")
    plan.write_bytes(plan.read_bytes()[:-9])
    assert operator.digest() == digest


def test_a_version_that_s3_keeps_is_named(server: S3Server, operator: Operator) -> None:
    server.buckets = {"held": bucket_of(SMALL), "free": bucket_of(SMALL)}
    server.buckets["held"].stacks[b"overwritten"][0].held = True
    outcome = operator.confirm()
    assert outcome.code == 1
    assert "problem: held: newer versions are left, such as 'overwritten'" in outcome.errors
    assert "AccessDenied" in outcome.errors
    assert exact(server, {"free": SMALL})


def test_what_arrives_meanwhile_wants_a_word_of_its_own(
    server: S3Server, operator: Operator
) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    digest = operator.digest()

    def arrive(_number: int, operation: str) -> None:
        if operation == "delete":
            server.buckets["one"].put("late", Version("late", AT + 7))

    server.fault = arrive
    assert operator.run(CONFIRM=digest).code == 1
    server.fault = lambda _number, _operation: None
    assert operator.run().code == 2
    assert brought_back(operator.confirm(), server, {"one": SMALL})


def test_an_error_in_a_200_is_no_success_for_old_releases_of_botocore(
    server: S3Server, operator: Operator
) -> None:
    operator.patch_python(
        "import botocore.handlers\nbotocore.handlers._should_handle_200_error = lambda *_: False\n"
    )
    server.buckets["one"] = bucket_of(SMALL)
    old = {"CONFIRM": operator.digest()}
    server.requests.clear()
    server.fault = lambda _number, operation: (
        "error-in-200" if (operation, server.requests[operation]) == ("delete", 1) else None
    )
    assert brought_back(operator.run(**old), server, {"one": SMALL})
    for file in operator.home.rglob("done"):
        file.unlink()
    server.fault = lambda _number, operation: "error-in-200" if operation == "versions" else None
    outcome = operator.run(**old)
    assert (outcome.code, "an error in an HTTP 200" in outcome.errors) == (1, True)


def test_two_pastes_do_not_meet(server: S3Server, operator: Operator) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    digest = operator.digest()
    begun, over = threading.Event(), threading.Event()

    def wait(_number: int, operation: str) -> None:
        if operation == "delete":
            begun.set()
            over.wait()

    server.fault = wait
    with operator.start(CONFIRM=digest) as first:
        assert begun.wait(60)
        server.fault = lambda _number, _operation: None
        second = operator.run(CONFIRM=digest)
        over.set()
        assert (second.code, "already running in another session" in second.errors) == (1, True)
        first.communicate()
    assert exact(server, {"one": SMALL})


def test_the_journal_knows_each_removed_version(server: S3Server, operator: Operator) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    newer = [
        [key, one.version_id]
        for key, stack in sorted(server.buckets["one"].state().items())
        for one in stack
        if one.modified > AT
    ]
    assert operator.confirm().done
    (journal,) = operator.home.rglob("journal-*.gz")
    with gzip.open(journal, "rt") as lines:
        assert [one for line in lines for one in json.loads(line)["remove"]] == newer
    assert journal.stat().st_mode & 0o077 == 0


VARIANTS = [{}, {"reversible": "yes"}, {"verify": "yes"}]


@pytest.mark.parametrize("options", [*VARIANTS, {"undo": "yes"}])
def test_ctrl_c_ends_the_program_from_its_first_moment(
    server: S3Server, operator: Operator, options: dict[str, str]
) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    operator.options = {"reversible": "yes"} if "undo" in options else options
    assert "undo" not in options or operator.run().done
    server.requests.clear()
    operator.options = options
    python = operator.folder / "programs" / "python3"
    begun = operator.folder / "begun"
    python.write_text(
        f'#!/bin/sh\n[ "$2" = -c ] && exit\necho $$ >{begun}\n'
        f'while [ -e {begun} ]; do sleep 0.01; done\nexec {sys.executable} -s "$@"\n'
    )
    with operator.start(PLAN="1") as shell:
        while not (begun.exists() and begun.read_text()):
            time.sleep(0.01)
        process = int(begun.read_text())
        os.killpg(shell.pid, signal.SIGINT)
        begun.unlink()
        _, errors = shell.communicate()
    assert shell.returncode == 130, errors
    assert "Nothing continues in the background" in errors
    assert "Traceback" not in errors
    assert not Path(f"/proc/{process}").exists()
    assert not server.requests


@pytest.mark.parametrize("options", VARIANTS)
def test_ctrl_c_while_it_lists_says_that_nothing_continues(
    server: S3Server, operator: Operator, options: dict[str, str]
) -> None:
    operator.take_python_of_its_own()
    server.buckets["one"] = bucket_of(SMALL)
    operator.options = options
    begun, over = threading.Event(), threading.Event()

    def wait(_number: int, operation: str) -> None:
        if operation == "versions":
            begun.set()
            over.wait()

    server.fault = wait
    with operator.start(PLAN="1") as shell:
        assert begun.wait(60)
        os.killpg(shell.pid, signal.SIGINT)
        _, errors = shell.communicate()
        over.set()
    assert shell.returncode == 130, errors
    assert "Nothing continues in the background" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("options", VARIANTS)
def test_modules_of_the_person_take_no_part(
    server: S3Server, operator: Operator, tmp_path: Path, options: dict[str, str]
) -> None:
    operator.take_python_of_its_own()
    server.buckets["one"] = bucket_of({"kept": [Event(-5)]})
    operator.options = options
    for name in ("sitecustomize", "botocore", "json", "program"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)\n")
    elsewhere = {"PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1", "PYTHONSTARTUP": "none"}
    outcome = operator.run(PLAN="1", **elsewhere)
    assert outcome.code == 0, outcome


@pytest.mark.parametrize("options", VARIANTS)
def test_a_fault_of_the_program_is_one_line(
    server: S3Server, operator: Operator, options: dict[str, str]
) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    operator.options = options
    operator.patch_python(
        "import botocore.client\n"
        "def broken(*_):\n    raise KeyError('\\x1b[2J')\n"
        "botocore.client.BaseClient._make_api_call = broken\n"
    )
    outcome = operator.run(CONFIRM="x")
    assert outcome.code == 1
    assert "problem: KeyError: " in outcome.errors
    assert "stopped: the buckets cannot be " in outcome.errors
    assert "Traceback" not in outcome.errors
    assert "\x1b" not in outcome.errors


def test_python_without_boto3_is_another_place(
    server: S3Server, operator: Operator, tmp_path: Path
) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    (tmp_path / "programs" / "python3").write_text('#!/bin/sh\nexec /usr/bin/python3 -S "$@"\n')
    outcome = operator.run()
    assert (outcome.code, "python3 with boto3 is needed" in outcome.errors) == (3, True)


# The independent check.


def test_verify_compares_and_changes_nothing(server: S3Server, operator: Operator) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    before = server.buckets["one"].state()
    operator.options = {"verify": "yes"}
    outcome = operator.run()
    assert outcome.code == 1
    differing = {key for key, now in current(server.buckets["one"]).items()
                 if current_at(SMALL).get(key) != now} | {"deleted"}  # fmt: skip
    for key in SMALL:
        assert (f"problem: one: {key!a} is " in outcome.errors) == (key in differing)
    assert f"one: {len(SMALL) - len(differing)} keys are as they were" in outcome.errors
    assert server.buckets["one"].state() == before
    assert not list(operator.home.iterdir())


def test_verify_agrees_with_what_was_done(server: S3Server, operator: Operator) -> None:
    rng = random.Random(3)
    history = random_history(rng, [*HOSTILE, *map(str, range(200))])
    server.buckets = {"one": bucket_of(history), "two": bucket_of(SMALL)}
    assert operator.confirm().done
    operator.options = {"verify": "yes"}
    assert operator.run().output.startswith("done: 2 buckets are as they were at 2023-11-14T22:13")
    server.buckets["two"].put("kept", Version("new", UNTIL + 1))
    outcome = operator.run()
    assert outcome.code == 1
    assert "problem: two: 'kept' is different, since 2023-11-14T22:30:01Z" in outcome.errors
    assert "1 differ; 1 were written after" in outcome.errors


def test_verify_goes_by_time_where_versions_are_out_of_order(
    server: S3Server, operator: Operator
) -> None:
    server.buckets["one"] = bucket_of({"key": [Event(-9), Event(-5)]})
    operator.options = {"verify": "yes"}
    assert operator.run().done
    server.buckets["one"].stacks[b"key"].reverse()
    assert "'key' is different, since 2023-11-14T22:13:11Z" in operator.run().errors


def test_verify_counts_a_copy_of_the_same_contents(server: S3Server, operator: Operator) -> None:
    server.buckets["one"] = bucket_of({"key": [Event(-5), Event(5)]})
    old = server.buckets["one"].stacks[b"key"][1]
    server.buckets["one"].put("key", Version("copy", UNTIL + 5, content=old.content))
    operator.options = {"verify": "yes"}
    outcome = operator.run()
    assert outcome.done
    assert "0 keys are as they were at 2023-11-14T22:13:20Z, 1 have a copy" in outcome.errors


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"versioning": {"Status": "Suspended"}}, "versioning is not enabled"),
        (
            {"documents": {"lifecycle": f"<L>{RULE.format(NONCURRENT.format(DAYS - 1))}</L>"}},
            f"a lifecycle rule removes versions {DAYS - 1} days after they are replaced",
        ),
        ({"documents": {"replication": f"<R>{RULE.format('')}</R>"}}, ""),
    ],
)
def test_verify_believes_no_history_that_may_have_gaps(
    server: S3Server, operator: Operator, change: dict[str, Any], words: str
) -> None:
    """An object that was deleted, and whose versions are gone, leaves nothing in the listing."""
    server.buckets["one"] = bucket_of({"key": [Event(-5)]})
    vars(server.buckets["one"]).update(change)
    operator.options = {"verify": "yes"}
    outcome = operator.run()
    assert outcome.done == (not words), outcome
    assert "one: 1 keys are as they were" in outcome.errors
    problem = f"problem: one: its versions do not prove what was current at {instant(AT)}: {words}"
    assert (problem in outcome.errors) == bool(words)


def test_verify_cannot_compare_what_it_cannot_list(server: S3Server, operator: Operator) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    server.fault = lambda _number, _operation: "denied"
    operator.options = {"verify": "yes"}
    outcome = operator.run()
    assert (outcome.code, outcome.done, "AccessDenied" in outcome.errors) == (1, False, True)


# Reversible.


@pytest.fixture
def reversible(operator: Operator) -> Operator:
    operator.options = {"reversible": "yes"}
    return operator


def seen(versions: Current) -> dict[str, Any]:
    """Return what a reader sees of objects, whatever their version."""
    return {key: (one.content, one.size, one.headers, one.tags) for key, one in versions.items()}


def shows(server: S3Server, name: str, history: History) -> bool:
    """Whether a reader sees what was there, and every version is there still."""
    bucket = server.buckets[name]
    assert seen(current(bucket)) == seen(current_at(history))
    now = {key: {one.version_id for one in stack} for key, stack in bucket.state().items()}
    for key, stack in bucket_of(history).state().items():
        assert {one.version_id for one in stack if not one.marker} <= now[key]
    return True


def apply_and_undo(server: S3Server, operator: Operator, history: History) -> None:
    server.buckets["one"] = bucket_of(history)
    before = current(server.buckets["one"])
    outcome = operator.confirm()
    assert outcome.done, outcome
    assert shows(server, "one", history)
    assert operator.run().done
    assert undo(operator).done
    assert current(server.buckets["one"]) == before
    assert undo(operator).done
    assert current(server.buckets["one"]) == before


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.campaign) for n in range(1, 50))]
)
def test_reversible_and_back(server: S3Server, reversible: Operator, seed: int) -> None:
    keys = [*HOSTILE, *(f"{n:03}" for n in range(150))]
    apply_and_undo(server, reversible, random_history(random.Random(seed), keys))


def test_reversible_keys_that_go_over_pages(server: S3Server, reversible: Operator) -> None:
    history = {
        "a": [Event(-1)] + [Event(1)] * 1500,
        "born": [Event(1)] * 1200,
        "hidden": [Event(-1), Event(1, deleted=True)],
        "z": [Event(-1), Event(0), Event(0, deleted=True), Event(1)],
    }
    apply_and_undo(server, reversible, history)


def test_reversible_copies_large_objects_in_parts(server: S3Server, reversible: Operator) -> None:
    server.buckets["one"] = bucket_of({"large": [Event(-5), Event(5)]})
    server.buckets["one"].stacks[b"large"][1].size = 6 * 1024**3
    before = current(server.buckets["one"])
    assert reversible.confirm().done
    top, _, old = server.buckets["one"].stacks[b"large"]
    assert (top.content, top.size, top.headers, top.tags) == (
        old.content, old.size, old.headers, old.tags)  # fmt: skip
    assert server.requests["multipart_put"] > 1
    assert undo(reversible).done
    assert current(server.buckets["one"]) == before


def test_a_large_copy_whose_answer_was_lost_is_found_again(
    server: S3Server, reversible: Operator
) -> None:
    """S3 has completed the upload, and forgotten it when botocore asks to complete it again."""
    server.buckets["one"] = bucket_of({"large": [Event(-5), Event(5)]})
    server.buckets["one"].stacks[b"large"][1].size = 6 * 1024**3
    before = server.buckets["one"].state()["large"]
    server.fault = lambda _number, operation: (
        "cut-after" if (operation, server.requests[operation]) == ("multipart_post", 2) else None
    )
    assert reversible.run().done
    assert len(server.buckets["one"].stacks[b"large"]) == 3
    assert undo(reversible).done
    assert server.buckets["one"].stacks[b"large"] == before


def test_a_large_copy_that_fails_leaves_no_upload(server: S3Server, reversible: Operator) -> None:
    """S3 bills the parts of an upload that nobody completes."""
    server.buckets["one"] = bucket_of({"large": [Event(-5), Event(5)]})
    server.buckets["one"].stacks[b"large"][1].size = 6 * 1024**3
    before = server.buckets["one"].state()
    server.fault = lambda _number, operation: "denied" if operation == "multipart_put" else None
    outcome = reversible.run()
    assert (outcome.code, "AccessDenied" in outcome.errors) == (1, True), outcome
    assert server.uploads == {}
    assert server.buckets["one"].state() == before


def test_reversible_keeps_the_storage_class(server: S3Server, reversible: Operator) -> None:
    server.buckets["one"] = bucket_of({"key": [Event(-5), Event(5)]})
    server.buckets["one"].stacks[b"key"][1].storage_class = "GLACIER_IR"
    assert reversible.confirm().done
    assert server.buckets["one"].stacks[b"key"][0].storage_class == "GLACIER_IR"


def test_reversible_needs_no_removal(server: S3Server, reversible: Operator) -> None:
    server.buckets["locked"] = bucket_of(SMALL)
    server.buckets["locked"].documents["object-lock"] = "<O><ObjectLockEnabled/></O>"
    assert reversible.run().done
    assert shows(server, "locked", SMALL)


def test_a_version_of_the_same_size_is_no_copy(server: S3Server, reversible: Operator) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    server.fault = lambda _number, operation: "denied" if operation == "copy" else None
    outcome = reversible.run()
    assert (outcome.code, "keys are LEFT as they are" in outcome.errors) == (1, True)
    server.fault = lambda _number, _operation: None
    old = server.buckets["one"].stacks[b"overwritten"][1]
    theirs = Version("theirs", UNTIL + 5, content=b"x" * old.size)
    server.buckets["one"].put("overwritten", theirs)
    outcome = reversible.run()
    assert (outcome.code, "1 keys are LEFT as they are" in outcome.errors) == (1, True)
    assert "'overwritten': it was changed meanwhile" in outcome.errors
    assert server.buckets["one"].stacks[b"overwritten"][0] is theirs


def test_a_version_of_the_same_size_on_a_copy_is_not_taken_back(
    server: S3Server, reversible: Operator
) -> None:
    """A copy of an object that came in parts has another ETag than the object: so may theirs."""
    server.buckets["one"] = bucket_of({"a": [Event(-5), Event(5)]})
    old = server.buckets["one"].stacks[b"a"][1]
    vars(old).update(etag=f"{'0' * 32}-2")
    assert reversible.run().done
    theirs = Version("theirs", UNTIL + 5, content=b"x" * old.size)
    server.buckets["one"].put("a", theirs)
    outcome = undo(reversible)
    assert (outcome.code, "'a': it was changed meanwhile" in outcome.errors) == (1, True)
    assert server.buckets["one"].stacks[b"a"][0] is theirs


INCOMPARABLE = [
    {"etag": f"{'0' * 32}-2"},
    {"headers": {"x-amz-server-side-encryption": "aws:kms"}},
]
"""What makes the ETag of a copy differ from that of its source: parts, KMS."""


@pytest.mark.parametrize("change", INCOMPARABLE)
def test_undo_leaves_a_later_upload_of_equal_size(
    server: S3Server, reversible: Operator, change: dict[str, Any]
) -> None:
    """It was uploaded where a copy was meant to go, and the copy was never made."""
    server.buckets["one"] = bucket_of({"a": [Event(-5), Event(5)], "b": [Event(-5), Event(5)]})
    top, old = server.buckets["one"].stacks[b"a"]
    vars(old).update(change)
    server.fault = lambda _number, operation: "denied" if operation == "copy" else None
    assert reversible.run().code == 1
    server.fault = lambda _number, _operation: None
    headers = dict(old.headers)
    theirs = Version("theirs", UNTIL + 5, content=b"x" * old.size, headers=headers)
    server.buckets["one"].put("a", theirs)
    again = reversible.run()
    assert (again.code, "'a': it was changed meanwhile" in again.errors) == (1, True), again
    outcome = undo(reversible)
    assert (outcome.code, "'a'" in outcome.errors) == (1, True), outcome
    assert server.buckets["one"].stacks[b"a"] == [theirs, top, old]


@pytest.mark.parametrize("change", INCOMPARABLE)
def test_a_later_upload_of_equal_size_on_a_copy_is_no_success(
    server: S3Server, reversible: Operator, change: dict[str, Any]
) -> None:
    server.buckets["one"] = bucket_of({"a": [Event(-5), Event(5)], "z": [Event(-5), Event(5)]})
    old = server.buckets["one"].stacks[b"a"][1]
    vars(old).update(change)
    theirs = Version("theirs", UNTIL + 5, content=b"x" * old.size, headers=dict(old.headers))

    def arrive(_number: int, operation: str) -> None:
        copied = len(server.buckets["one"].stacks[b"a"]) == 3
        if copied and operation == "versions" and server.requests["copy"] == 2:
            server.buckets["one"].put("a", theirs)

    server.fault = arrive
    outcome = reversible.run()
    assert outcome.code == 1, outcome
    server.fault = lambda _number, _operation: None
    assert server.buckets["one"].stacks[b"a"][0] is theirs
    assert undo(reversible).code == 1
    assert server.buckets["one"].stacks[b"a"][0] is theirs


def test_undo_leaves_a_delete_marker_of_somebody_else(
    server: S3Server, reversible: Operator
) -> None:
    server.buckets["one"] = bucket_of({"born": [Event(5)]})
    assert reversible.run().done
    server.buckets["one"].put("born", Version("theirs", UNTIL + 5, marker=True))
    outcome = undo(reversible)
    assert outcome.code == 1
    assert "'born'" in outcome.errors
    assert server.buckets["one"].stacks[b"born"][0].version_id == "theirs"


def test_undo_keeps_a_copy_whose_source_is_gone(server: S3Server, reversible: Operator) -> None:
    server.buckets["one"] = bucket_of({"a": [Event(-5), Event(5)]})
    assert reversible.run().done
    copy_, _, old = server.buckets["one"].stacks[b"a"]
    server.buckets["one"].remove("a", old.version_id)
    outcome = undo(reversible)
    assert (outcome.code, "'a'" in outcome.errors) == (1, True), outcome
    assert server.buckets["one"].stacks[b"a"][0] is copy_


@pytest.mark.parametrize("change", [{}, *INCOMPARABLE])
def test_a_copy_whose_answer_was_lost_is_found_again(
    server: S3Server, reversible: Operator, change: dict[str, Any]
) -> None:
    """S3 made the copy and its answer never came: it is found, not made again."""
    server.buckets["one"] = bucket_of({"a": [Event(-5), Event(5)]})
    top, old = server.buckets["one"].stacks[b"a"]
    vars(old).update(change)
    server.fault = lambda _number, operation: (
        "cut-after" if (operation, server.requests[operation]) == ("copy", 1) else None
    )
    assert reversible.run().done
    server.fault = lambda _number, _operation: None
    (made,) = server.buckets["one"].stacks[b"a"][:-2]
    assert made.tags == old.tags
    assert undo(reversible).done
    assert server.buckets["one"].stacks[b"a"] == [top, old]


def test_a_marker_whose_answer_was_lost_is_left_and_named(
    server: S3Server, reversible: Operator
) -> None:
    server.buckets["one"] = bucket_of({"born": [Event(5)]})
    server.fault = lambda _number, operation: (
        "cut-after" if (operation, server.requests[operation]) == ("delete_one", 1) else None
    )
    assert reversible.run().done
    server.fault = lambda _number, _operation: None
    _, first, old = server.buckets["one"].stacks[b"born"]
    outcome = undo(reversible)
    assert outcome.code == 1
    assert first.version_id in outcome.errors
    assert server.buckets["one"].stacks[b"born"] == [first, old]
    server.buckets["one"].remove("born", first.version_id)
    assert undo(reversible).done


def written_file(operator: Operator) -> Path:
    """Return the record of the version ids that S3 answered with."""
    (file,) = operator.home.rglob("written")
    return file


@pytest.mark.parametrize("cut", [1, 9, 40, 10**6])
def test_a_torn_record_of_what_was_written_deletes_nothing_else(
    server: S3Server, reversible: Operator, cut: int
) -> None:
    history = {"a": [Event(-5), Event(5)], "b": [Event(5)], "c": [Event(-5), Event(5)]}
    server.buckets["one"] = bucket_of(history)
    before = server.buckets["one"].state()
    server.fault = lambda _number, operation: (
        "denied" if (operation, server.requests[operation]) == ("copy", 2) else None
    )
    assert reversible.run().code == 1
    server.fault = lambda _number, _operation: None
    file = written_file(reversible)
    file.write_bytes(file.read_bytes()[:-cut])
    again = reversible.run()
    outcome = undo(reversible)
    now = server.buckets["one"].state()
    for key, stack in before.items():
        assert now[key][-len(stack) :] == stack
        assert outcome.code == 1 or now[key] == stack
        assert now[key] == stack or f"{key!a}: it was changed meanwhile" in outcome.errors
    assert "Traceback" not in again.errors + outcome.errors
    assert outcome.done or cut > 1, "a line end alone is lost: every record is whole"


def test_a_full_disk_stops_before_more_is_written(
    server: S3Server, reversible: Operator, tmp_path: Path
) -> None:
    python = (tmp_path / "programs" / "python3").read_text()
    reversible.patch_python(
        "import os\nsync = os.fsync\n"
        "def full(file):\n"
        "    if os.fstat(file).st_size > 300:\n"
        "        raise OSError(28, 'No space left on device')\n"
        "    sync(file)\n"
        "os.fsync = full\n"
    )
    server.buckets["one"] = bucket_of({f"{n:04}": [Event(-5), Event(5)] for n in range(500)})
    before = current(server.buckets["one"])
    outcome = reversible.run()
    (tmp_path / "programs" / "python3").write_text(python)
    assert (outcome.code, "No space left on device" in outcome.errors) == (1, True)
    assert server.requests["copy"] < 20, "those under way, and not the rest of a batch of 32"
    assert reversible.run().done
    assert undo(reversible).done
    assert current(server.buckets["one"]) == before


def test_two_people_with_homes_of_their_own(
    server: S3Server, reversible: Operator, tmp_path: Path
) -> None:
    """The one's copies are not the other's to take back."""
    server.buckets["one"] = bucket_of(SMALL)
    before = current(server.buckets["one"])
    (tmp_path / "other").mkdir()
    other = Operator(server, tmp_path / "other", options={"reversible": "yes"})
    digest = other.digest()
    assert reversible.run().done
    state = server.buckets["one"].state()
    refused = other.run()
    assert (refused.code, "it is in use" in refused.errors) == (1, True)
    nothing = undo(other)
    assert nothing.code == 1
    assert digest
    assert server.buckets["one"].state() == state
    assert undo(reversible).done
    assert current(server.buckets["one"]) == before


def test_two_people_at_the_same_time(
    server: S3Server, reversible: Operator, tmp_path: Path
) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    before = current(server.buckets["one"])
    (tmp_path / "other").mkdir()
    other = Operator(server, tmp_path / "other", options={"reversible": "yes"})
    server.latency = 0.05
    with reversible.start() as one, other.start() as two:
        for process in (one, two):
            process.communicate()
    server.latency = 0
    for person_ in (reversible, other, reversible, other):
        undo(person_)
    now = server.buckets["one"].state()
    for key, stack in bucket_of(SMALL).state().items():
        assert {one.version_id for one in stack if not one.marker} <= {
            one.version_id for one in now[key]
        }
    assert {
        key for key, one in before.items() if current(server.buckets["one"]).get(key) != one
    } <= {
        "born after"  # a delete marker of unknown origin stays
    }


NAMES_OF_FILES = ["lock", "version", "caller", "program", "s3-task", "history", "journals"]


@pytest.mark.parametrize(
    "options", [{}, {"reversible": "yes"}, {"verify": "yes"}], ids=["remove", "reverse", "verify"]
)
def test_buckets_and_keys_named_as_the_own_files(
    server: S3Server, operator: Operator, options: dict[str, str]
) -> None:
    files = [*NAMES_OF_FILES, "plan.gz", "journal.gz", "done", "written", "../done", "part.gz"]
    history = {key: [Event(-5)] for key in files}
    server.buckets = {name: bucket_of(history) for name in NAMES_OF_FILES}
    operator.options = options
    outcome = operator.confirm() if not options else operator.run()
    assert outcome.done, outcome
    if "reversible" in options:
        assert undo(operator).done


CONTROLS = "\x1b]0;x\x07\x1b[2J\r\n\x7f\x9b31m\u061c\u200e\u200f\u2028\u2029\u202e\u2066\u2069"


@pytest.mark.parametrize("options", [{}, {"reversible": "yes"}, {"verify": "yes"}])
def test_no_key_and_no_message_controls_the_terminal(
    server: S3Server, operator: Operator, options: dict[str, str]
) -> None:
    operator.options = options
    server.buckets["one"] = bucket_of({f"done: {CONTROLS}": [Event(-5), Event(5)]})
    server.buckets["one"].put(f"done: {CONTROLS}", Version("new", UNTIL + 1))
    shown = [operator.run(CONFIRM="x").errors]
    server.message = f"done: {CONTROLS}denied".replace("\x1b", "").replace("\x07", "")
    server.fault = lambda _number, _operation: "denied"
    shown.append(operator.run(CONFIRM="x").errors)
    for text in shown:
        assert "problem: " in text
        assert not {one for one in set(text) & set(CONTROLS) if not " " <= one <= "~"} - {"\n"}
        assert not re.search("^done", text, re.MULTILINE)


def test_tags_of_copies_are_those_of_what_was_copied(
    server: S3Server, reversible: Operator
) -> None:
    server.buckets["one"] = bucket_of({key: [Event(-5), Event(5)] for key in ("0", "10", "some")})
    tags = {"0": "", "10": "&".join(f"k{n}=v%20{n}" for n in range(10)), "some": "a=%26%3D"}
    for key, text in tags.items():
        server.buckets["one"].stacks[key.encode()][1].tags = text
    assert reversible.run().done
    for key, text in tags.items():
        made = server.buckets["one"].stacks[key.encode()][0].tags
        assert parse_qsl(made) == parse_qsl(text)


def test_a_key_of_the_same_size_that_it_never_changed_is_no_copy_of_its_own(
    server: S3Server, reversible: Operator
) -> None:
    server.buckets["one"] = bucket_of({"a": [Event(-5), Event(5)], "b": [Event(-5)]})
    server.fault = lambda _number, operation: "denied" if operation == "copy" else None
    assert reversible.run().code == 1
    server.fault = lambda _number, _operation: None
    size = server.buckets["one"].stacks[b"b"][0].size
    server.buckets["one"].put("b", Version("theirs", UNTIL + 5, content=b"x" * size))
    outcome = reversible.run()
    assert (outcome.code, "it was written to meanwhile: 'b'" in outcome.errors) == (1, True)


def test_no_bucket_is_changed_where_another_is_in_another_place(
    server: S3Server, reversible: Operator
) -> None:
    server.buckets = {"mine": bucket_of(SMALL), "other": bucket_of(SMALL)}
    text = reversible.script
    del server.buckets["other"]
    before = server.buckets["mine"].state()
    outcome = reversible.person.run(text)
    words = "problem: not known to be in account 333333333333, us-east-1: other\n"
    assert (outcome.code, words in outcome.errors) == (3, True)
    assert server.buckets["mine"].state() == before


def test_what_arrives_while_it_copies_is_found(server: S3Server, reversible: Operator) -> None:
    server.buckets["one"] = bucket_of(SMALL)

    def arrive(_number: int, operation: str) -> None:
        if operation == "copy":
            server.buckets["one"].put("late", Version("late", AT + 7))

    server.fault = arrive
    outcome = reversible.run()
    assert outcome.code == 1
    assert "1 keys are not as they were, such as 'late'" in outcome.errors


@pytest.mark.parametrize(
    "change", [{"etag": f"{'0' * 32}-2"}, {"headers": {"x-amz-server-side-encryption": "aws:kms"}}]
)
def test_copies_that_cannot_be_compared(
    server: S3Server, reversible: Operator, change: dict[str, Any]
) -> None:
    server.buckets["one"] = bucket_of({"a": [Event(-5), Event(5)], "b": [Event(-5), Event(5)]})
    vars(server.buckets["one"].stacks[b"a"][1]).update(change)
    server.fault = lambda _number, operation: (
        "denied" if (operation, server.requests[operation]) == ("copy", 2) else None
    )
    assert reversible.run().code == 1
    assert reversible.run().done, "it knows its copies again"
    reversible.options = {"verify": "yes"}
    outcome = reversible.run()
    assert outcome.code == 1
    assert "1 have a copy of what was there, 1 cannot be compared, 0 differ" in outcome.errors
    assert "'a' is of another ETag" in outcome.errors
    assert undo(reversible).done
    assert len(server.buckets["one"].stacks[b"a"]) == 2


def test_what_is_archived_stops_no_other_key(server: S3Server, reversible: Operator) -> None:
    history = {**SMALL, "cold": [Event(-5), Event(5)]}
    server.buckets["one"] = bucket_of(history)
    before = current(server.buckets["one"])
    old = server.buckets["one"].stacks[b"cold"][1]
    old.storage_class = "DEEP_ARCHIVE"
    outcome = reversible.run()
    assert outcome.code == 1
    assert "1 of them need RestoreObject" in outcome.errors
    assert "  'cold': An error" in outcome.errors
    assert "1 keys are LEFT as they are" in outcome.errors
    assert "InvalidObjectState" in outcome.errors
    now = seen(current(server.buckets["one"]))
    del now["cold"]
    assert now == seen(current_at(SMALL))
    old.restored = True
    assert reversible.run().done
    assert server.buckets["one"].stacks[b"cold"][0].storage_class == "STANDARD"
    assert undo(reversible).done
    assert current(server.buckets["one"]) == before


def test_a_bucket_that_is_unfit_by_now_is_not_changed_further(
    server: S3Server, reversible: Operator
) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    server.fault = lambda _number, operation: "denied" if operation == "copy" else None
    assert reversible.run().code == 1
    server.fault = lambda _number, _operation: None
    server.buckets["one"].versioning = {"Status": "Suspended"}
    server.requests.clear()
    outcome = reversible.run()
    assert (outcome.code, "versioning is not enabled" in outcome.errors) == (1, True)
    assert server.requests["copy"] + server.requests["delete_one"] == 0


def test_the_journal_is_safe_before_the_first_change(
    server: S3Server, reversible: Operator, tmp_path: Path
) -> None:
    synced = tmp_path / "synced"
    reversible.patch_python(f"import os, pathlib\nos.sync = pathlib.Path({str(synced)!r}).touch\n")
    server.buckets["one"] = bucket_of(SMALL)
    unsafe = []
    server.fault = lambda _number, operation: (
        unsafe.append(operation)
        if operation in ("copy", "delete", "delete_one") and not synced.exists()
        else None
    )
    assert reversible.run().done
    synced.unlink()
    server.buckets["one"] = bucket_of(SMALL)
    reversible.options = {}
    assert reversible.run(CONFIRM=reversible.digest()).done
    assert not unsafe


def test_a_torn_journal_is_said_and_the_rest_taken_back(
    server: S3Server, reversible: Operator
) -> None:
    history = {f"{n:04}": [Event(-5), Event(5)] for n in range(200)}
    server.buckets["one"] = bucket_of(history)
    before = current(server.buckets["one"])
    assert reversible.run().done
    (journal,) = reversible.home.rglob("journal.gz")
    journal.write_bytes(journal.read_bytes()[:-100])
    journal.with_name("done").unlink()
    for outcome in (reversible.run(), undo(reversible)):
        assert outcome.code == 1
        assert "journal.gz cannot be read to its end" in outcome.errors
        assert "Traceback" not in outcome.errors
    left = [key for key, one in current(server.buckets["one"]).items() if one != before[key]]
    assert len(left) < len(history)


def test_what_a_change_was_made_on_is_gone(server: S3Server, reversible: Operator) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    assert reversible.run().done
    newest = bucket_of(SMALL).stacks[b"overwritten"][0].version_id
    assert server.buckets["one"].remove("overwritten", newest)
    stack = server.buckets["one"].state()["overwritten"]
    outcome = undo(reversible)
    assert (outcome.code, "'overwritten': it is in use" in outcome.errors) == (1, True)
    assert server.buckets["one"].state()["overwritten"] == stack


def test_what_was_written_meanwhile_is_not_taken_back(
    server: S3Server, reversible: Operator
) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    assert reversible.confirm().done
    server.buckets["one"].put("kept", Version("theirs", UNTIL + 5))
    server.buckets["one"].put(
        "overwritten", Version("theirs", UNTIL + 5, content=b"of another size")
    )
    outcome = undo(reversible)
    assert outcome.code == 1
    assert "'overwritten': it was changed meanwhile" in outcome.errors
    now, before = current(server.buckets["one"]), current(bucket_of(SMALL))
    for key in ("kept", "overwritten"):
        assert now.pop(key).version_id == "theirs"
        del before[key]
    assert now == before


def test_nothing_to_undo_is_said(server: S3Server, operator: Operator) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    outcome = undo(operator)
    assert (outcome.code, "run first has changed nothing from here" in outcome.errors) == (1, True)


def test_a_bucket_that_was_changed_from_elsewhere_is_not_called_undone(
    server: S3Server, reversible: Operator
) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    assert reversible.run().done
    server.buckets["two"] = bucket_of(SMALL)
    outcome = undo(reversible)
    assert (
        outcome.output == "done: all that run first changed from here in these buckets is undone\n"
    )
    assert "warning: two: nothing was changed from here" in outcome.errors
    assert "warning: one" not in outcome.errors
    assert "one: what was changed from here was undone before" in undo(reversible).errors


def test_the_plan_of_undoing_takes_nothing_back(server: S3Server, reversible: Operator) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    assert reversible.confirm().done
    before = server.buckets["one"].state()
    outcome = undo(reversible, PLAN="1")
    assert outcome.code == 0
    assert re.fullmatch(r"plan: would undo [1-9]\d* changes\n", outcome.output)
    assert server.buckets["one"].state() == before


# A copy takes the tags of its source along, as `aws s3 cp` and CopyObject do.


def stop_after_first_copy(server: S3Server, *, answered: bool) -> None:
    """Let S3 refuse all from the first copy on; without its answer, nobody knows its version id."""

    def disturb(_number: int, operation: str) -> str | None:
        if (operation, server.requests["copy"]) == ("copy", 1):
            return None if answered else "cut-after"
        return "denied" if server.requests["copy"] else None

    server.fault = disturb


def copied_by_user(original: Version, when: float) -> Version:
    return Version("theirs", int(when), content=original.content, tags=original.tags)


def stays(
    server: S3Server, operator: Operator, key: str, theirs: Version, stack: list[Version]
) -> None:
    """Neither a further paste nor its undoing touches a user's version, or reports success."""
    server.fault = lambda _number, _operation: None
    tags = theirs.tags
    for outcome in (operator.run(), undo(operator)):
        assert outcome.code == 1, outcome
        assert "done:" not in outcome.output
        assert f"{key!a}" in outcome.errors
        assert theirs.version_id in outcome.errors or "written to meanwhile" in outcome.errors
        assert theirs in server.buckets["one"].stacks[key.encode()]
        assert theirs.tags == tags
    assert server.buckets["one"].stacks[key.encode()] == stack


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize("seconds", [UNTIL + 5, 0], ids=["long ago", "now"])
def test_a_users_copy_of_a_copy_to_another_key_stays(
    server: S3Server, reversible: Operator, seconds: int, *, answered: bool
) -> None:
    history = {"a": [Event(-5), Event(5)], "b": [Event(-5), Event(5)]}
    server.buckets["one"] = bucket_of(history)
    before = server.buckets["one"].state()
    stop_after_first_copy(server, answered=answered)
    assert reversible.run().code == 1
    stacks = server.buckets["one"].stacks
    done, left = sorted(history, key=lambda key: -len(stacks[key.encode()]))
    assert len(stacks[left.encode()]) == 2
    theirs = copied_by_user(stacks[done.encode()][0], seconds or time.time())
    assert MARK in theirs.tags
    server.buckets["one"].put(left, theirs)
    stays(server, reversible, left, theirs, [theirs, *before[left]])
    assert server.buckets["one"].state()[done] == before[done]


def test_a_users_copy_in_another_bucket_stays(server: S3Server, reversible: Operator) -> None:
    """Replication, too, takes tags along. The buckets have the same keys, version ids, secret."""
    server.buckets = {name: bucket_of({"a": [Event(-5), Event(5)]}) for name in ("one", "two")}
    before = server.buckets["one"].state()["a"]
    stop_after_first_copy(server, answered=False)
    assert reversible.run().code == 1
    first, second = sorted(server.buckets, key=lambda name: -len(server.buckets[name].state()["a"]))
    (written,) = reversible.home.rglob(f"{first}/written")
    shutil.copy(written, *reversible.home.rglob(f"{second}/written"))
    theirs = copied_by_user(server.buckets[first].stacks[b"a"][0], time.time())
    server.buckets[second].put("a", theirs)
    server.fault = lambda _number, _operation: None
    for outcome in (reversible.run(), undo(reversible)):
        assert (outcome.code, "version theirs of" in outcome.errors) == (1, True), outcome
    assert server.buckets[second].stacks[b"a"] == [theirs, *before]
    assert server.buckets[first].stacks[b"a"] == before


def test_of_two_versions_with_the_same_tag_none_is_believed(
    server: S3Server, reversible: Operator
) -> None:
    """The user copied the key onto itself, as with `--metadata-directive REPLACE`."""
    server.buckets["one"] = bucket_of({"a": [Event(-5), Event(5)]})
    stop_after_first_copy(server, answered=False)
    assert reversible.run().code == 1
    theirs = copied_by_user(server.buckets["one"].stacks[b"a"][0], time.time())
    server.buckets["one"].put("a", theirs)
    stays(server, reversible, "a", theirs, server.buckets["one"].state()["a"])


def test_a_users_copy_of_a_copy_that_is_gone_is_too_late(
    server: S3Server, reversible: Operator
) -> None:
    server.buckets["one"] = bucket_of({"a": [Event(-5), Event(5)]})
    stop_after_first_copy(server, answered=False)
    assert reversible.run().code == 1
    ours = server.buckets["one"].stacks[b"a"][0]
    theirs = copied_by_user(ours, time.time() + 1000)
    server.buckets["one"].remove("a", ours.version_id)
    server.buckets["one"].put("a", theirs)
    stays(server, reversible, "a", theirs, server.buckets["one"].state()["a"])


@pytest.mark.parametrize("stripped", [False, True])
def test_a_users_copy_of_a_known_copy_stays(
    server: S3Server, reversible: Operator, *, stripped: bool
) -> None:
    """The version id of the copy was written down, its tag was removed or not."""
    server.buckets["one"] = bucket_of({"a": [Event(-5), Event(5)]})
    before = server.buckets["one"].state()["a"]
    stop_after_first_copy(server, answered=True)
    assert reversible.run().code == 1
    ours = server.buckets["one"].stacks[b"a"][0]
    theirs = copied_by_user(ours, time.time())
    if stripped:
        ours.tags = before[1].tags
    server.buckets["one"].put("a", theirs)
    stays(server, reversible, "a", theirs, [theirs, *before])


def test_a_users_copy_before_the_tag_was_removed_is_no_success(
    server: S3Server, reversible: Operator
) -> None:
    server.buckets["one"] = bucket_of({"a": [Event(-5), Event(5)]})
    before = server.buckets["one"].state()["a"]
    put: list[Version] = []

    def arrive(_number: int, operation: str) -> None:
        if operation == "tags" and server.requests["copy"] and not put:
            put.append(copied_by_user(server.buckets["one"].stacks[b"a"][0], time.time()))
            server.buckets["one"].put("a", put[0])

    server.fault = arrive
    outcome = reversible.run()
    assert (outcome.code, "'a'" in outcome.errors) == (1, True), outcome
    stays(server, reversible, "a", put[0], [put[0], *before])


def test_a_tag_above_what_is_not_proved_is_not_believed(
    server: S3Server, reversible: Operator
) -> None:
    """The version id of the copy was lost after its tag was removed; the user's copy has it."""
    server.buckets["one"] = bucket_of({"a": [Event(-5), Event(5)]})
    before = server.buckets["one"].state()["a"]
    stop_after_first_copy(server, answered=False)
    assert reversible.run().code == 1
    ours = server.buckets["one"].stacks[b"a"][0]
    theirs = copied_by_user(ours, time.time())
    ours.tags = before[1].tags
    server.buckets["one"].put("a", theirs)
    stays(server, reversible, "a", theirs, [theirs, ours, *before])


def test_a_copy_that_arrives_after_it_was_asked_for_again_is_known(
    server: S3Server, reversible: Operator
) -> None:
    server.buckets["one"] = bucket_of({"a": [Event(-5), Event(5)]})
    before = server.buckets["one"].state()["a"]
    slow: list[Version] = []

    def delay(_number: int, operation: str) -> str | None:
        stack = server.buckets["one"].stacks[b"a"]
        if (operation, server.requests["copy"]) == ("copy", 1):
            return "cut-after"
        if operation == "versions" and server.requests["copy"] == 1 and not slow:
            slow.append(stack.pop(0))
        if operation == "tags" and server.requests["copy"] == 2 and len(stack) == 3:
            stack.insert(1, slow[0])
        return None

    server.fault = delay
    assert reversible.run().done
    server.fault = lambda _number, _operation: None
    assert len(server.buckets["one"].stacks[b"a"]) == 4
    assert undo(reversible).done
    assert server.buckets["one"].stacks[b"a"] == before


def test_a_null_version_is_never_taken_back(server: S3Server, reversible: Operator) -> None:
    """With versioning suspended meanwhile, each upload is the version null: also the last one."""
    server.buckets["one"] = bucket_of({"a": [Event(-5), Event(5)]})
    before = server.buckets["one"].state()["a"]
    assert reversible.run().done
    ours = server.buckets["one"].stacks[b"a"].pop(0)
    server.buckets["one"].put("a", Version("null", int(time.time()), content=b"theirs"))
    file = written_file(reversible)
    file.write_text(file.read_text().replace(ours.version_id, "null"))
    outcome = undo(reversible)
    assert (outcome.code, "version null of" in outcome.errors) == (1, True), outcome
    assert server.buckets["one"].stacks[b"a"][1:] == before


@pytest.mark.parametrize("theirs", ["mine=1", "number=0&mine=1"])
@pytest.mark.parametrize("marked", [False, True])
def test_tags_that_a_user_set_on_a_copy_stay(
    server: S3Server, reversible: Operator, theirs: str, *, marked: bool
) -> None:
    server.buckets["one"] = bucket_of({"a": [Event(-5), Event(5)]})
    stop_after_first_copy(server, answered=True)
    assert reversible.run().code == 1
    server.fault = lambda _number, _operation: None
    ours = server.buckets["one"].stacks[b"a"][0]
    (own,) = (pair for pair in parse_qsl(ours.tags) if pair[0].startswith(MARK))
    ours.tags = f"{theirs}&{urlencode([own])}" if marked else theirs
    assert reversible.run().done
    assert sorted(parse_qsl(ours.tags)) == sorted(parse_qsl(theirs))


# The same on another S3: moto's, behind the real AWS CLI's guard.


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.campaign) for n in range(1, 20))]
)
def test_histories_in_the_simulator(simulator: Simulator, person: PersonOf, seed: int) -> None:
    world, rng = World(simulator), random.Random(seed)
    bucket = world.bucket(TARGET, "one")
    for key, happened in random_history(rng, [f"a b+%41/{n:03}\u20ac" for n in range(100)]).items():
        for event in happened:
            modified = datetime.fromtimestamp(AT + event.seconds, timezone.utc)
            if event.deleted and key in bucket.keys:
                world.delete_marker(bucket, key, modified=modified, status="REPLICA")
            else:
                world.version(bucket, key, modified=modified, status="REPLICA")
    moment = datetime.fromtimestamp(AT, timezone.utc).replace(tzinfo=None)
    older = {
        key: [one.version_id for one in bucket.keys.getlist(key) if one.last_modified <= moment]
        for key in bucket.keys
    }
    text = script(
        "s3-point-in-time",
        bucket_arn=("arn:aws:s3:::one",),
        at=instant(AT),
        until=instant(UNTIL),
    )
    operator = person(TARGET)
    plan = operator.run(text, PLAN="1")
    assert writes(simulator) == []
    assert operator.run(text, CONFIRM=plan.output.split()[-1]).done
    left = {key: [one.version_id for one in bucket.keys.getlist(key)] for key in bucket.keys}
    assert left == {key: ids for key, ids in older.items() if ids}
