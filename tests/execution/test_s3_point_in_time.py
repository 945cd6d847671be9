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
import tempfile
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeocean_cmdgen.simulator import Simulator, World
from codeocean_cmdgen.simulator.world import TARGET
from tests.execution.conftest import Outcome, PersonOf, script, writes
from tests.execution.point_in_time import (
    AT,
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
)
from tests.execution.quick_python import Program, ended, program_of
from tests.s3_server import FAULTS, S3Server, Version, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOSTILE = [
    *("plain", " ", "a b", "a+b", "a%41", "'", '"', "\\", "$(touch X)", "&<>;", "]]>", "\u00e9"),
    *("\n", "a\nb", "\t", "\r", "\r\n", "\x01", "\x08b", "\x0b", "\x1f", "\x7f", "\x85", "\x9f"),
    *("\u2028", "\ufeff", "\ufffe", "\uffff", "\U0001f600", "\U0010ffff", "/", "//a", "a/", "."),
    *("..", "../a", "a/../b", "null", "*", "?versionId=x", "#", "~", "\u0430", "e\u0301"),
    "x" * 1024,
    "\u20ac" * 341,
]
"""Keys of all sorts; S3 takes up to 1,024 bytes of UTF-8."""


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
    said = "one: 7 of 15 versions and delete markers go (0.00 GB, 1 delete markers, 6 keys)"
    assert said in outcome.errors
    assert server.buckets["one"].state() == before
    assert server.requests["delete"] + server.requests["delete_one"] == 0


def test_progress_of_an_empty_bucket_divides_by_nothing() -> None:
    program = program_of(script("s3-point-in-time", bucket_arn=("arn:aws:s3:::bucket",)))
    said: list[str] = []
    names: dict[str, Any] = {
        "time": time,
        "TERMINAL": False,
        "say": lambda text, _: said.append(text),
    }
    exec(re.split(r"\n\n(?=def pages)", program[program.index("class Progress:") :])[0], names)
    progress = names["Progress"]
    progress.total = 4
    for count in (0, 1):
        progress.following = 0
        progress.add(count)
    assert [text[:1] for text in said] == ["1"]


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


def test_a_bucket_in_use_is_left_alone_and_named(server: S3Server, operator: Operator) -> None:
    server.buckets = {"used": bucket_of(SMALL), "unused": bucket_of(SMALL)}
    server.buckets["used"].put("zoo", Version("new", UNTIL + 1))
    before = server.buckets["used"].state()
    outcome = operator.confirm()
    assert outcome.code == 1
    assert "problem: used: it is in use: 'zoo' is of 2023-11-14T22:30:01Z" in outcome.errors
    assert server.buckets["used"].state() == before
    assert exact(server, {"unused": SMALL})


def test_a_second_paste_weeks_later_does_no_harm(server: S3Server, operator: Operator) -> None:
    server.buckets = {"one": bucket_of(SMALL), "two": bucket_of(SMALL)}
    digest = operator.digest()
    first = operator.run(CONFIRM=digest)
    (earlier,) = operator.home.rglob("one/done")
    os.utime(earlier, (AT, AT))  # the last bucket's time counts
    server.buckets["one"].put("kept", Version("written by the application", UNTIL + 9))
    before = server.buckets["one"].state()
    server.requests.clear()
    again = operator.run(CONFIRM=digest)
    assert first.output == again.output
    assert server.requests.total() == 0
    for file in operator.home.rglob("done"):
        file.unlink()
    assert operator.run(CONFIRM=digest).code == 1
    assert server.buckets["one"].state() == before


def test_a_time_that_has_not_passed_is_refused(server: S3Server, operator: Operator) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    operator.until = int(time.time()) + 60
    outcome = operator.run(CONFIRM="x")
    assert (outcome.code, server.requests.total()) == (2, 0)
    assert "is not over" in outcome.errors


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
            f"its lifecycle removes what was replaced {DAYS - 1} days ago",
        ),
    ],
)
def test_a_bucket_that_is_not_fit_is_left_alone_and_named(
    server: S3Server, operator: Operator, change: dict[str, Any], words: str
) -> None:
    server.buckets = {"unfit": bucket_of(SMALL), "fit": bucket_of(SMALL)}
    vars(server.buckets["unfit"]).update(change)
    before = server.buckets["unfit"].state()
    outcome = operator.confirm()
    assert outcome.code == 1
    assert f"problem: unfit: {words}" in outcome.errors
    assert server.buckets["unfit"].state() == before
    assert exact(server, {"fit": SMALL})
    del server.buckets["fit"]
    alone = operator.run(CONFIRM="x")
    assert (alone.code, "no bucket can be brought back" in alone.errors) == (1, True)


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
    assert "other is no bucket of account 333333333333 in us-east-1" in outcome.errors
    assert server.buckets["mine"].state() == before


def test_archived_versions_and_strangers_are_named(server: S3Server, operator: Operator) -> None:
    server.buckets["one"] = bucket_of({"cold": [Event(-5), Event(5)], "warm": [Event(-5)]})
    new, old = server.buckets["one"].stacks[b"cold"]
    old.storage_class, new.status = "DEEP_ARCHIVE", ""
    outcome = operator.run(PLAN="1")
    assert "1 keys will need RestoreObject, such as 'cold'" in outcome.errors
    assert "warning: 'cold', which goes, is no replica" in outcome.errors


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


LASTING = {"expired": "ExpiredToken", "denied": "AccessDenied"}


@pytest.fixture
def programs(server: S3Server, tmp_path: Path) -> Callable[..., Program]:
    """Return a function that gives the program of a variant of the step."""
    server.buckets["one"] = bucket_of(TINY)
    arguments = [str(tmp_path / "given"), TARGET, "us-east-1", instant(AT), instant(UNTIL), "one"]

    def program(folder: str, **options: str) -> Program:
        (tmp_path / folder).mkdir()
        operator = Operator(server, tmp_path / folder, options=options)
        environment = {**operator.person.environment, "PLAN": ""}
        return Program(program_of(operator.script), arguments, environment)

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
            assert undo.run(tmp_path).done
            assert current(server.buckets["one"]) == current(bucket_of(TINY))


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
    things, known = json.loads(first)
    known["began"] -= 7300
    plan.write_bytes(gzip.compress(json.dumps([things, known]).encode() + b"\n"))
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
    server: S3Server, operator: Operator, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import botocore.handlers\n"
        "botocore.handlers._should_handle_200_error = lambda *_: False\n"
    )  # fmt: skip
    server.buckets["one"] = bucket_of(SMALL)
    digest = operator.digest()
    old = {"PYTHONPATH": str(tmp_path), "CONFIRM": digest}
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
        assert (second.code, "by another paste" in second.errors) == (1, True)
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
        assert [thing for line in lines for thing in json.loads(line)[0]] == newer
    assert journal.stat().st_mode & 0o077 == 0


def test_ctrl_c_says_that_nothing_works_on(server: S3Server, operator: Operator) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    server.latency = 1
    with operator.start(PLAN="1") as shell:
        while not server.requests["versioning"]:
            time.sleep(0.05)
        os.killpg(shell.pid, signal.SIGINT)
        _, errors = shell.communicate()
    assert shell.returncode == 130, errors
    assert "by Ctrl-C, and nothing works on" in errors
    assert "Traceback" not in errors


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
    assert "problem: two: 'kept' is another, since 2023-11-14T22:30:01Z" in outcome.errors
    assert "1 differ; 1 were written after" in outcome.errors


def test_verify_goes_by_time_where_versions_are_out_of_order(
    server: S3Server, operator: Operator
) -> None:
    server.buckets["one"] = bucket_of({"key": [Event(-9), Event(-5)]})
    operator.options = {"verify": "yes"}
    assert operator.run().done
    server.buckets["one"].stacks[b"key"].reverse()
    assert "'key' is another, since 2023-11-14T22:13:11Z" in operator.run().errors


def test_verify_counts_a_copy_of_the_same_contents(server: S3Server, operator: Operator) -> None:
    server.buckets["one"] = bucket_of({"key": [Event(-5), Event(5)]})
    old = server.buckets["one"].stacks[b"key"][1]
    server.buckets["one"].put("key", Version("copy", UNTIL + 5, content=old.content))
    operator.options = {"verify": "yes"}
    outcome = operator.run()
    assert outcome.done
    assert "0 keys are as they were at 2023-11-14T22:13:20Z, 1 have a copy" in outcome.errors


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


def undo(operator: Operator, **settings: str) -> Outcome:
    operator.options = {"undo": "yes"}
    return operator.run(**settings)


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
    assert operator.run().output == outcome.output
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


def test_reversible_keeps_the_storage_class(server: S3Server, reversible: Operator) -> None:
    server.buckets["one"] = bucket_of({"key": [Event(-5), Event(5)]})
    server.buckets["one"].stacks[b"key"][1].storage_class = "GLACIER_IR"
    assert reversible.confirm().done
    assert server.buckets["one"].stacks[b"key"][0].storage_class == "GLACIER_IR"


def test_reversible_needs_no_removal_and_no_bucket_in_use(
    server: S3Server, reversible: Operator
) -> None:
    server.buckets = {"locked": bucket_of(SMALL), "used": bucket_of(SMALL)}
    server.buckets["locked"].documents["object-lock"] = "<O><ObjectLockEnabled/></O>"
    server.buckets["used"].put("zoo", Version("new", UNTIL + 1))
    before = server.buckets["used"].state()
    outcome = reversible.confirm()
    assert outcome.code == 1
    assert "problem: used: it is in use: 'zoo'" in outcome.errors
    assert server.buckets["used"].state() == before
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
    assert (outcome.code, "in use: 'b'" in outcome.errors) == (1, True)


def test_no_bucket_is_changed_where_another_is_in_another_place(
    server: S3Server, reversible: Operator
) -> None:
    server.buckets = {"mine": bucket_of(SMALL), "other": bucket_of(SMALL)}
    text = reversible.script
    del server.buckets["other"]
    before = server.buckets["mine"].state()
    outcome = reversible.person.run(text)
    assert (outcome.code, "other is no bucket of account" in outcome.errors) == (3, True)
    assert server.buckets["mine"].state() == before


def test_what_arrives_while_it_copies_is_found(server: S3Server, reversible: Operator) -> None:
    server.buckets["one"] = bucket_of(SMALL)

    def arrive(_number: int, operation: str) -> None:
        if operation == "copy":
            server.buckets["one"].put("late", Version("late", AT + 7))

    server.fault = arrive
    outcome = reversible.run()
    assert (outcome.code, "'late' is not as it was" in outcome.errors) == (1, True)


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
    assert "1 have a copy of what was, 1 cannot be compared, 0 differ" in outcome.errors
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
    assert "1 keys are LEFT as they are:\n  'cold': An error" in outcome.errors
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
    (tmp_path / "sitecustomize.py").write_text(
        "import os, pathlib\nos.sync = pathlib.Path(__file__).with_name('synced').touch\n"
    )
    server.buckets["one"] = bucket_of(SMALL)
    unsafe = []
    server.fault = lambda _number, operation: (
        unsafe.append(operation)
        if operation in ("copy", "delete", "delete_one") and not (tmp_path / "synced").exists()
        else None
    )
    assert reversible.run(PYTHONPATH=str(tmp_path)).done
    (tmp_path / "synced").unlink()
    server.buckets["one"] = bucket_of(SMALL)
    reversible.options = {}
    assert reversible.run(PYTHONPATH=str(tmp_path), CONFIRM=reversible.digest()).done
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


def test_the_plan_of_undoing_takes_nothing_back(server: S3Server, reversible: Operator) -> None:
    server.buckets["one"] = bucket_of(SMALL)
    assert reversible.confirm().done
    before = server.buckets["one"].state()
    outcome = undo(reversible, PLAN="1")
    assert outcome.code == 0
    assert re.fullmatch(r"plan: would take back [1-9]\d* changes\n", outcome.output)
    assert server.buckets["one"].state() == before


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
