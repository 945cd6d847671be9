"""What the four programs of s3-point-in-time say to their script, and do to a server of S3.

tests/execution runs them in their script, which answers them; here each runs in this process.
"""

from __future__ import annotations

import io
import json
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from codeocean_cmdgen.programs import s3_comparison, s3_removal, s3_reversal, s3_undo
from codeocean_cmdgen.simulator.world import REGION, TARGET
from tests.support.point_in_time import (
    AT,
    UNTIL,
    Event,
    History,
    bucket_of,
    current,
    current_at,
    instant,
)
from tests.support.s3_server import COPY_LIMIT, Bucket, S3Server, Version, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

SMALL: History = {
    "kept": [Event(-5)],
    "overwritten": [Event(-5), Event(5)],
    "overwritten twice": [Event(-5), Event(5), Event(6)],
    "deleted": [Event(-5), Event(5, deleted=True)],
    "deleted and written": [Event(-5), Event(5, deleted=True), Event(6)],
    "deleted before": [Event(-5), Event(-4, deleted=True), Event(5)],
    "born after": [Event(5), Event(6)],
    "born after and deleted": [Event(5), Event(6, deleted=True)],
    "\x01": [Event(-5), Event(5)],
}


class Said(NamedTuple):
    """What a program answered its script, what it told people, and its exit code."""

    answers: list[str]
    told: str
    code: int | None


class Talk:
    """Runs a program as the script does, for all buckets of a server."""

    def __init__(self, server: S3Server, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.server, self.folder, self.capsys = server, folder, capsys

    def __call__(self, program: ModuleType, *, goes_on: bool = True) -> Said:
        """Run a program, and tell it to go on."""
        code = None
        for name in self.server.buckets:
            (self.folder / name).mkdir(exist_ok=True)
        arguments = [str(self.folder), TARGET, REGION, instant(AT), instant(UNTIL)]
        sys.argv[1:] = [*arguments, *self.server.buckets]
        sys.stdin = io.StringIO("go\n" if goes_on else "")
        try:
            program.main()
        except SystemExit as end:
            code = int(end.code or 0)
        found = self.capsys.readouterr()
        return Said(found.out.splitlines(), found.err, code)


@pytest.fixture
def server() -> Iterator[S3Server]:
    with serving() as server:
        yield server


@pytest.fixture
def talk(
    server: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Talk:
    settings = {
        "AWS_ENDPOINT_URL_S3": server.url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    for name, text in settings.items():
        monkeypatch.setenv(name, text)
    for name in ("argv", "stdin", "excepthook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))  # they are set anew, and put back
    monkeypatch.setattr(sys, "argv", [""])
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    return Talk(server, tmp_path, capsys)


@pytest.fixture
def bucket(server: S3Server) -> Bucket:
    server.buckets["one"] = bucket_of(SMALL)
    return server.buckets["one"]


def is_moment(text: str) -> bool:
    return bool(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


CHANGES = {"delete", "delete_one", "copy", "multipart_post", "multipart_put"}


def changes(server: S3Server) -> set[str]:
    """Return the kinds of requests that change something, but those for tags."""
    return CHANGES & set(server.requests)


BOTH = pytest.mark.parametrize("program", [s3_removal, s3_reversal], ids=["removal", "reversal"])


def refused(said: Said, *told: str, word: str = "none") -> None:
    """Demand that a program has ended before it did anything, and said why."""
    assert said.code == 1
    (answer,) = said.answers
    assert answer.startswith(f"{word} -")
    for words in told:
        assert words in said.told


# Removing what is newer.


def test_a_plan_is_told_and_nothing_is_removed(talk: Talk, bucket: Bucket) -> None:
    before = bucket.state()
    said = talk(s3_removal, goes_on=False)
    (answer,) = said.answers
    word, digest, count = answer.split()
    assert (word, len(digest), count) == ("ask", 12, "12")
    assert "one: 12 of 20 versions and delete markers will be removed (0.00 GB, 3 del" in said.told
    assert bucket.state() == before
    assert not changes(talk.server)
    assert talk(s3_removal, goes_on=False).answers == [answer]


def test_what_is_newer_is_removed_and_a_second_time_nothing_is_left(
    talk: Talk, bucket: Bucket
) -> None:
    ask, moment = talk(s3_removal).answers
    assert ask.startswith("ask ")
    assert is_moment(moment)
    assert current(bucket) == current_at(SMALL)
    assert all(one.modified <= AT for stack in bucket.stacks.values() for one in stack)
    assert talk.server.requests["delete_one"] == 1, "a key that XML cannot carry goes alone"
    before = bucket.state()
    talk.server.requests.clear()
    again = talk(s3_removal)
    assert again.answers[0].startswith("done ")
    assert again.answers[0].endswith(" 0")
    assert is_moment(again.answers[1])
    assert bucket.state() == before
    assert not changes(talk.server)


def test_a_removal_that_was_confirmed_goes_on_without_another_word(
    talk: Talk, bucket: Bucket
) -> None:
    talk.server.fault = lambda _number, operation: "denied" if operation == "delete" else None
    said = talk(s3_removal)
    assert "An error occurred (AccessDenied)" in said.told
    assert len(said.answers) == 1
    assert current(bucket) != current_at(SMALL)
    talk.server.fault = lambda _number, _operation: None
    again = talk(s3_removal)
    assert again.answers[0].startswith("go ")
    assert current(bucket) == current_at(SMALL)


def test_what_s3_keeps_is_named_with_its_reason(talk: Talk, bucket: Bucket) -> None:
    bucket.stacks[b"overwritten"][0].held = True
    said = talk(s3_removal)
    assert "newer versions are left, such as 'overwritten' of 2023" in said.told
    assert "AccessDenied" in said.told
    assert len(said.answers) == 1
    assert not (talk.folder / "one" / "done").exists()
    assert talk(s3_removal, goes_on=False).answers[0].startswith("ask "), "a new plan"


@pytest.mark.parametrize("fault", ["key-errors", "error-in-200", "slow-down", "cut-after"])
def test_a_removal_survives_what_passes(talk: Talk, bucket: Bucket, fault: str) -> None:
    struck: list[int] = []

    def strike(number: int, operation: str) -> str | None:
        if operation != "delete" or len(struck) == 2:
            return None
        struck.append(number)
        return fault

    talk.server.fault = strike
    assert is_moment(talk(s3_removal).answers[1])
    assert len(struck) == 2
    assert current(bucket) == current_at(SMALL)


def test_what_would_surprise_is_told_before_it_is_removed(talk: Talk, server: S3Server) -> None:
    server.buckets["young"] = bucket_of({"a": [Event(1)]})
    server.buckets["one"] = bucket_of({"b": [Event(-1), Event(1)]})
    server.buckets["young"].stacks[b"a"][0].status = ""
    server.buckets["one"].stacks[b"b"][1].storage_class = "GLACIER"
    told = talk(s3_removal, goes_on=False).told
    assert f"warning: young has no version as old as {instant(AT)}: nothing would be left" in told
    assert "warning: 'a', which will be removed, is not a replica: was it written here?" in told
    assert "'b', which will be removed" not in told
    assert "warning: 1 keys will need RestoreObject, such as 'b'" in told
    assert "one has no version" not in told


# Before anything is changed.


@BOTH
def test_a_bucket_of_another_place_ends_the_program(
    talk: Talk, bucket: Bucket, program: ModuleType
) -> None:
    talk.server.buckets["two"] = Bucket("999999999999")
    bucket.location = "EU"
    said = talk(program)
    assert (said.answers, said.code) == ([], 3)
    assert "problem: one: it is in eu-west-1\n" in said.told
    assert "problem: two: An error occurred (AccessDenied)" in said.told
    assert said.told.endswith(f"problem: not known to be in account {TARGET}, {REGION}: one, two\n")
    assert set(talk.server.requests) == {"location"}


LOCK = (
    "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>"
    "</ObjectLockConfiguration>"
)
UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "suspended": ({"versioning": {"Status": "Suspended"}}, "versioning is not enabled"),
    "replicates": (
        {
            "documents": {
                "replication": "<ReplicationConfiguration><Rule><Status>Enabled</Status></Rule>"
                "</ReplicationConfiguration>"
            }
        },
        "it replicates to another bucket: disable its replication rules first",
    ),
    "expires": (
        {
            "documents": {
                "lifecycle": "<LifecycleConfiguration><Rule><Status>Enabled</Status>"
                "<NoncurrentVersionExpiration><NoncurrentDays>30</NoncurrentDays>"
                "</NoncurrentVersionExpiration></Rule></LifecycleConfiguration>"
            }
        },
        "a lifecycle rule removes versions 30 days after they are replaced: --at is too long ago",
    ),
}


@BOTH
@pytest.mark.parametrize("reason", UNFIT)
def test_one_bucket_that_is_unfit_stops_all(
    talk: Talk, bucket: Bucket, program: ModuleType, reason: str
) -> None:
    change, words = UNFIT[reason]
    vars(bucket).update(change)
    talk.server.buckets["two"] = bucket_of(SMALL)
    said = talk(program)
    refused(said)
    assert f"problem: one: {words}\n" in said.told
    assert not changes(talk.server)


@pytest.mark.parametrize(
    "change",
    [
        {"documents": {"object-lock": LOCK}},
        {"versioning": {"Status": "Enabled", "MfaDelete": "Enabled"}},
    ],
)
def test_what_keeps_versions_stops_a_removal_alone(
    talk: Talk, bucket: Bucket, change: dict[str, Any]
) -> None:
    vars(bucket).update(change)
    said = talk(s3_removal)
    refused(said)
    assert "MFA delete or Object Lock keeps versions from being removed: use --rev" in said.told
    assert is_moment(talk(s3_reversal).answers[1])


@BOTH
def test_a_bucket_in_use_stops_all(talk: Talk, bucket: Bucket, program: ModuleType) -> None:
    bucket.put("zoo", Version("new", UNTIL + 1))
    said = talk(program)
    refused(said)
    assert "problem: one: it is in use: 'zoo' was written at 2023-11-14T22:30:01Z" in said.told
    assert not changes(talk.server)


@BOTH
def test_what_arrives_after_success_is_counted_and_stays(
    talk: Talk, bucket: Bucket, program: ModuleType
) -> None:
    talk(program)
    late = int(time.time()) + 60
    bucket.put("kept", Version("late", late))
    bucket.put("zoo", Version("marker", late, marker=True))
    before = bucket.state()
    said = talk(program)
    refused(said, word="later")
    assert "problem: one: 1 newer versions and 1 newer delete markers arrived since 2" in said.told
    assert bucket.state() == before


@BOTH
def test_what_is_lost_after_success_is_found(
    talk: Talk, bucket: Bucket, program: ModuleType
) -> None:
    talk(program)
    bucket.remove("kept", bucket.stacks[b"kept"][0].version_id)
    said = talk(program)
    refused(said)
    assert f"versions that were current at {instant(AT)} have been removed since" in said.told


@BOTH
def test_a_late_upload_does_not_hide_a_bucket_that_was_never_restored(
    talk: Talk, bucket: Bucket, program: ModuleType
) -> None:
    talk(program)
    bucket.put("kept", Version("late", int(time.time()) + 60))
    talk.server.buckets["two"] = bucket_of(SMALL)
    refused(talk(program), word="none")


def test_what_was_lost_during_a_removal_stays_known(talk: Talk, bucket: Bucket) -> None:
    """The next paste would plan anew, and find nothing wrong with what is left."""
    lost = bucket.stacks[b"kept"][0].version_id

    def lose(_number: int, operation: str) -> None:
        if operation == "delete" and bucket.stacks[b"kept"]:
            bucket.remove("kept", lost)

    talk.server.fault = lose
    said = talk(s3_removal)
    assert len(said.answers) == 1
    assert "one: it changed meanwhile: what is current is not what was current" in said.told
    again = talk(s3_removal)
    refused(again, "one: it changed meanwhile", "To accept that, use a new --run")


# Putting copies on top, and undoing that.


def test_a_reversal_shows_what_was_there_and_removes_no_version(talk: Talk, bucket: Bucket) -> None:
    before = bucket.state()
    said = talk(s3_reversal)
    assert said.answers[0].startswith("go ")
    assert is_moment(said.answers[1])
    assert "one: 7 keys will change, 0 of them need RestoreObject first" in said.told
    shown = {key: (one.content, one.headers, one.tags) for key, one in current(bucket).items()}
    then = current_at(SMALL)
    assert shown == {key: (one.content, one.headers, one.tags) for key, one in then.items()}
    for key, stack in before.items():
        gone = [one for one in stack if one not in bucket.state()[key]]
        assert not gone or (key == "deleted" and gone == stack[:1]), "only its delete marker goes"
    again = talk(s3_reversal)
    assert again.answers[0].startswith("done ")
    assert "will change" not in again.told


def test_nothing_is_put_before_the_word(talk: Talk, bucket: Bucket) -> None:
    before = bucket.state()
    (answer,) = talk(s3_reversal, goes_on=False).answers
    assert answer.startswith("go ")
    assert bucket.state() == before
    assert talk(s3_reversal).answers[0] == answer, "the same changes have the same digest"


def test_an_undo_leaves_what_was_there_before_the_reversal(talk: Talk, bucket: Bucket) -> None:
    before = bucket.state()
    talk(s3_reversal)
    said = talk(s3_undo, goes_on=False)
    assert said.answers == ["7"]
    assert bucket.state() != before
    assert talk(s3_undo).answers == ["7", "done"]
    after = bucket.state()
    marker = after["deleted"].pop(0)
    assert marker.marker, "another one than before"
    before["deleted"].pop(0)
    assert after == before
    again = talk(s3_undo)
    assert again.answers == ["0", "done"]
    assert "one: what was changed from here was undone before" in again.told


def test_an_undo_where_nothing_was_changed_says_so(talk: Talk, bucket: Bucket) -> None:
    said = talk(s3_undo)
    assert said.answers == ["0", "done"]
    assert "warning: one: nothing was changed from here, so nothing is undone there" in said.told


def test_an_undo_keeps_a_copy_whose_source_is_gone(talk: Talk, bucket: Bucket) -> None:
    talk(s3_reversal)
    (then,) = (one for one in bucket.stacks[b"overwritten"] if one.modified == AT - 5)
    bucket.remove("overwritten", then.version_id)
    said = talk(s3_undo)
    assert said.answers == ["7"]
    gone = f"its copy stays: version {then.version_id}, which was copied, is gone"
    assert f"  'overwritten': {gone}" in said.told
    assert "problem: one: 1 keys are LEFT as they are" in said.told
    assert bucket.stacks[b"overwritten"][0].content == then.content


def test_an_undo_removes_nothing_of_others(talk: Talk, bucket: Bucket) -> None:
    talk(s3_reversal)
    for key in ("overwritten", "deleted"):
        bucket.put(key, Version("theirs", int(time.time())))
    said = talk(s3_undo)
    assert "problem: one: 2 keys are LEFT as they are" in said.told
    assert said.told.count("version theirs of ") == 2
    for name in (b"overwritten", b"deleted"):
        assert bucket.stacks[name][0].version_id == "theirs"
    assert (talk.folder / "one" / "journal.gz").exists()


def test_a_marker_that_somebody_set_hides_as_well_and_is_told(talk: Talk, bucket: Bucket) -> None:
    """It came between two pastes: the program cannot prove that it is its own, and adds none."""
    talk.server.fault = lambda _number, operation: "denied" if operation == "delete_one" else None
    said = talk(s3_reversal)
    assert "keys are LEFT as they are" in said.told
    assert len(said.answers) == 1
    talk.server.fault = lambda _number, _operation: None
    bucket.put("born after", Version("theirs", int(time.time()), marker=True))
    said = talk(s3_reversal)
    assert "warning: 'born after' has a delete marker that --undo will not remove" in said.told
    assert is_moment(said.answers[1])
    assert [one.marker for one in bucket.stacks[b"born after"]] == [True, False, False]


def test_an_archived_version_is_left_and_counted(talk: Talk, bucket: Bucket) -> None:
    bucket.stacks[b"overwritten"][1].storage_class = "GLACIER"
    said = talk(s3_reversal)
    assert "one: 7 keys will change, 1 of them need RestoreObject first" in said.told
    assert "  'overwritten': An error occurred (InvalidObjectState)" in said.told
    assert "problem: one: 1 keys are LEFT as they are" in said.told
    assert len(said.answers) == 1
    bucket.stacks[b"overwritten"][1].restored = True
    assert is_moment(talk(s3_reversal).answers[1])
    assert bucket.stacks[b"overwritten"][0].storage_class == "STANDARD", "nobody can read GLACIER"


@pytest.mark.parametrize("tags", [10, 3, 0])
def test_tags_are_kept_up_to_the_last(talk: Talk, server: S3Server, tags: int) -> None:
    server.buckets["one"] = bucket = bucket_of({"a": [Event(-1), Event(1)]})
    own = "&".join(f"name{number}={number}" for number in range(tags))
    bucket.stacks[b"a"][1].tags = own
    assert is_moment(talk(s3_reversal).answers[1])
    assert bucket.stacks[b"a"][0].tags == own


@pytest.mark.parametrize("extra", [0, 1])
def test_what_is_too_large_for_one_request_is_copied_in_parts(
    talk: Talk, server: S3Server, extra: int
) -> None:
    server.buckets["one"] = bucket = bucket_of({"a": [Event(-1), Event(1)]})
    then = bucket.stacks[b"a"][1]
    then.size = COPY_LIMIT + extra
    then.headers["cache-control"] = "no-store"
    then.storage_class = "STANDARD_IA"
    assert is_moment(talk(s3_reversal).answers[1])
    made = bucket.stacks[b"a"][0]
    assert (made.size, made.headers, made.tags) == (then.size, then.headers, then.tags)
    assert made.storage_class == "STANDARD_IA"
    assert ("multipart_put" in server.requests) == bool(extra)
    assert not server.uploads


def test_an_upload_that_fails_is_aborted(talk: Talk, server: S3Server) -> None:
    server.buckets["one"] = bucket = bucket_of({"a": [Event(-1), Event(1)]})
    bucket.stacks[b"a"][1].size = COPY_LIMIT + 1
    server.fault = lambda _number, operation: "denied" if operation == "multipart_put" else None
    said = talk(s3_reversal)
    assert "'a': An error occurred (AccessDenied)" in said.told
    assert server.requests["multipart_post"] == 1
    assert server.requests["multipart_delete"] == 1
    assert server.uploads == {}


@pytest.mark.parametrize("fault", ["internal-error", "cut", "cut-after", "slow-down"])
def test_a_copy_is_made_once_whatever_its_request_meets(
    talk: Talk, server: S3Server, fault: str
) -> None:
    server.buckets["one"] = bucket = bucket_of({"a": [Event(-1), Event(1)]})

    def strike(_number: int, operation: str) -> str | None:
        return fault if operation == "copy" and server.requests["copy"] == 1 else None

    server.fault = strike
    assert is_moment(talk(s3_reversal).answers[1])
    assert len(bucket.stacks[b"a"]) == 3
    assert bucket.stacks[b"a"][0].tags == bucket.stacks[b"a"][2].tags


def test_expired_credentials_end_the_work_and_a_later_paste_finishes_it(
    talk: Talk, bucket: Bucket
) -> None:
    talk.server.fault = lambda _number, operation: "expired" if operation == "copy" else None
    said = talk(s3_reversal)
    assert "An error occurred (ExpiredToken)" in said.told
    assert "LEFT" not in said.told
    assert len(said.answers) == 1
    talk.server.fault = lambda _number, _operation: None
    said = talk(s3_reversal)
    assert is_moment(said.answers[1])
    assert {key: one.content for key, one in current(bucket).items()} == {
        key: one.content for key, one in current_at(SMALL).items()
    }


def test_what_changed_while_the_program_worked_is_a_problem(talk: Talk, bucket: Bucket) -> None:
    late = int(time.time())

    def write(number: int, operation: str) -> None:
        if operation == "copy" and not bucket.find("zoo", "theirs"):
            bucket.put("zoo", Version("theirs", late))

    talk.server.fault = write
    said = talk(s3_reversal)
    assert "problem: one: it was written to meanwhile: 'zoo' of 2" in said.told
    assert len(said.answers) == 1


def test_versions_out_of_order_are_refused(talk: Talk, bucket: Bucket) -> None:
    bucket.stacks[b"kept"].append(Version("odd", AT - 1))
    said = talk(s3_reversal)
    refused(said)
    assert "problem: one: 'kept': its versions are not in the order of their times" in said.told


def home_folder(free: int, block: int) -> SimpleNamespace:
    """Return what statvfs says of a disk with so many free bytes in blocks of this size."""
    return SimpleNamespace(f_bavail=free // block, f_frsize=block)


EVERY_BLOCK = pytest.mark.parametrize("block", [1024, 4096, 1 << 16])


@BOTH
@EVERY_BLOCK
def test_a_full_home_folder_stops_it_before_anything_is_written(
    talk: Talk, bucket: Bucket, program: ModuleType, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.statvfs", lambda _path: home_folder(48_000_000, block))
    said = talk(program)
    refused(said)
    assert "the home folder is too full for the journal: restore fewer buckets" in said.told
    assert not changes(talk.server)


@BOTH
@EVERY_BLOCK
def test_a_home_folder_with_room_for_the_journal_is_enough(
    talk: Talk, bucket: Bucket, program: ModuleType, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.statvfs", lambda _path: home_folder(51_000_000, block))
    said = talk(program)
    assert (said.code, said.told.count("problem")) == (None, 0)


# Comparing.


def test_a_comparison_names_what_differs_and_changes_nothing(talk: Talk, bucket: Bucket) -> None:
    before = bucket.state()
    said = talk(s3_comparison)
    assert said.answers == ["different"]
    assert "problem: one: 'deleted' is gone, since 2023-11-14T22:13:25Z" in said.told
    assert "problem: one: 'born after' is new, since " in said.told
    assert "problem: one: 'overwritten' is different, since " in said.told
    assert f"one: 2 keys are as they were at {instant(AT)}, 0 have a copy" in said.told
    assert "7 differ; 0 were written after" in said.told
    assert bucket.state() == before
    assert set(talk.server.requests) == {
        "versions", "versioning", "replication", "lifecycle", "object_lock"
    }  # fmt: skip


def test_a_comparison_after_a_reversal_finds_copies(talk: Talk, bucket: Bucket) -> None:
    talk(s3_reversal)
    said = talk(s3_comparison)
    assert said.answers == ["same"]
    assert "problem" not in said.told
    copies = [stack[0] for stack in bucket.stacks.values() if stack[0].modified > UNTIL]
    for one in copies:
        one.etag = "of another encryption"
    said = talk(s3_comparison)
    assert said.answers == ["different"]
    assert "is of another ETag, since " in said.told


def test_a_comparison_names_no_more_than_nine(talk: Talk, server: S3Server) -> None:
    server.buckets["one"] = bucket_of({f"{number}": [Event(1)] for number in range(12)})
    said = talk(s3_comparison)
    assert said.told.count("is new, since ") == 9
    assert "12 differ" in said.told


def test_a_bucket_whose_versions_prove_nothing_is_not_the_same(
    talk: Talk, server: S3Server
) -> None:
    server.buckets["one"] = bucket_of({"kept": [Event(-5)]})
    assert talk(s3_comparison).answers == ["same"]
    vars(server.buckets["one"]).update(UNFIT["replicates"][0])
    assert talk(s3_comparison).answers == ["same"], "that leaves its own versions alone"
    vars(server.buckets["one"]).update(UNFIT["expires"][0])
    said = talk(s3_comparison)
    assert said.answers == ["different"]
    assert f"its versions do not prove what was current at {instant(AT)}: a lifecycle" in said.told


# Records.


@pytest.mark.parametrize("digest", ["", "{", "5"])
def test_a_record_of_success_that_cannot_be_read_is_a_problem(
    talk: Talk, bucket: Bucket, digest: str
) -> None:
    talk(s3_removal)
    file = talk.folder / "one" / "done"
    assert len(json.loads(file.read_text())) == 64
    file.write_text(digest)
    said = talk(s3_removal)
    refused(said)
    assert "problem: one: " in said.told
