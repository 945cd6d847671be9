"""What a key needs to be restored reversibly, and what is proved to be of this run."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from codeocean_cmdgen.programs.s3_changes import (
    NO_CHANGE,
    TAG,
    Change,
    JournalError,
    Written,
    for_each_change,
    read_changes,
    refuse_others,
)
from codeocean_cmdgen.programs.s3_keys import key_of
from codeocean_cmdgen.programs.s3_reversal import (
    Prepared,
    find_strangers,
    is_final,
    is_restored,
    join_keys,
    judge,
    needed,
    total_of,
)
from tests.support.s3_examples import AT, MOMENT, UNTIL, Client, entry, marker, task

if TYPE_CHECKING:
    from codeocean_cmdgen.programs.s3_keys import Key
    from codeocean_cmdgen.programs.s3_task import Entry

COPY = Change("copy", "key", "newest", "then", 1, "STANDARD")
NANOSECONDS = 10**9


def key(*entries: Entry, name: str = "key") -> Key:
    return key_of(name, entries, AT, UNTIL)


# Changes.


@pytest.mark.parametrize(
    ("entries", "change"),
    [
        ([entry("a", -5)], NO_CHANGE),
        ([marker("a", 5)], NO_CHANGE),
        ([marker("b", 5), marker("a", -5)], NO_CHANGE),
        ([entry("a", 5)], Change("mark", "key", "a")),
        ([entry("b", 5), marker("a", -5)], Change("mark", "key", "b")),
        ([marker("b", 5), entry("a", -5)], Change("unmark", "key", "b", "a", 1, "STANDARD")),
        ([entry("b", 5), entry("a", -5)], Change("copy", "key", "b", "a", 1, "STANDARD")),
        (
            [marker("c", 6), entry("b", 5), entry("a", -5)],
            Change("copy", "key", "c", "a", 1, "STANDARD"),
        ),
    ],
)
def test_needed(entries: list[Entry], change: Change) -> None:
    assert needed(key(*entries), AT) == judge(key(*entries), AT) == change


def test_a_key_in_use_or_in_disorder_is_refused() -> None:
    with pytest.raises(OSError, match="it is in use: 'key' was written at"):
        judge(key(entry("b", 1001), entry("a", -5)), AT)
    with pytest.raises(OSError, match="'key': its versions are not in the order"):
        judge(key(entry("b", -9), entry("a", -5)), AT)


def written_journal(folder: Path, *lines: object) -> Path:
    file = folder / "journal.gz"
    file.write_bytes(gzip.compress("".join(json.dumps(one) + "\n" for one in lines).encode()))
    return file


def test_a_journal_is_read(tmp_path: Path) -> None:
    file = written_journal(tmp_path, COPY, Change("mark", "\u20ac", "v"))
    assert list(read_changes(file)) == [(0, COPY), (1, Change("mark", "\u20ac", "v"))]


@pytest.mark.parametrize("line", [[*COPY, "more"], ["mark"], 5, None])
def test_a_damaged_line_of_a_journal_is_named(tmp_path: Path, line: object) -> None:
    file = written_journal(tmp_path, COPY, line)
    with pytest.raises(OSError, match=r"journal\.gz: line 2 is not a change"):
        list(read_changes(file))


def test_keys_and_changes_are_joined_in_the_order_of_bytes() -> None:
    names = ["\x01", "a", "b", "\uffff", "\U0001f600"]
    changes = [
        (n, Change("mark", name, "v")) for n, name in enumerate(["0", *names[2:], "\U0010ffff"])
    ]
    keys = [key(entry("v", 5, name), name=name) for name in names]
    found = [
        (number, change.key, one.name if one else None)
        for number, change, one in join_keys(iter(changes), iter(keys))
    ]
    assert found == [
        (-1, "", "\x01"),
        (0, "0", None),
        (-1, "", "a"),
        (1, "b", "b"),
        (2, "\uffff", "\uffff"),
        (3, "\U0001f600", "\U0001f600"),
        (4, "\U0010ffff", None),
    ]


def test_the_whole_is_unknown_after_an_earlier_paste() -> None:
    assert total_of({"a": Prepared("", 2, 10), "b": Prepared("", 0, 5)}) == 19
    assert total_of({"a": Prepared("", 2, 10), "b": Prepared("", 3, 0)}) == 0


@pytest.mark.parametrize(
    ("change", "entries", "restored"),
    [
        (COPY, [entry("ours", 1001), entry("newest", 5), entry("then", -5)], True),
        (COPY, [entry("newest", 5), entry("then", -5)], False),
        (Change("mark", "key", "newest"), [marker("m", 1001), entry("newest", 5)], True),
        (Change("mark", "key", "newest"), [entry("newest", 5)], False),
        (COPY._replace(kind="unmark"), [entry("then", -5)], True),
        (COPY._replace(kind="unmark"), [marker("newest", 5), entry("then", -5)], False),
        (NO_CHANGE, [entry("then", -5)], True),
        (NO_CHANGE, [entry("new", 5)], False),
    ],
)
def test_is_restored(change: Change, entries: list[Entry], *, restored: bool) -> None:
    assert is_restored(change, key(*entries), AT) == restored


def test_refusals_by_a_client_error_are_final_unless_they_pass() -> None:
    def refusal(status: int, code: str) -> ClientError:
        response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        return ClientError(response, "CopyObject")

    assert is_final(refusal(403, "AccessDenied"))
    assert not is_final(refusal(500, "InternalError"))
    assert not is_final(refusal(404, "NoSuchUpload"))
    assert not is_final(ConnectionClosedError(endpoint_url="https://s3"))


# What was written.


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def written(tmp_path: Path, client: Client) -> Written:
    made = Written(task(tmp_path, client), "bucket")
    made.record_secret("secret")
    return made


def test_what_is_recorded_is_read_again(tmp_path: Path, client: Client, written: Written) -> None:
    written.record_version(3, "version", 5)
    written.record_version(4, "a marker")
    written.record_complete(3)
    again = Written(task(tmp_path, client), "bucket")
    assert again.secret == "secret"
    assert again.requests == written.requests == {3: {"version": 5}, 4: {"a marker": 0}}
    assert again.complete == written.complete == {3}


def test_a_record_that_was_cut_anywhere_loses_itself_only(
    tmp_path: Path, client: Client, written: Written
) -> None:
    written.record_version(3, "version", 5)
    kept = len(written.file.read_bytes())
    written.record_version(12, "another", 67)
    whole = written.file.read_bytes()
    for length in range(kept, len(whole)):
        written.file.write_bytes(whole[:length])
        Written(task(tmp_path, client), "bucket").record_complete(8)
        again = Written(task(tmp_path, client), "bucket")
        assert again.complete == {8}
        assert again.requests in ({3: {"version": 5}}, written.requests)


def test_the_null_version_proves_nothing(written: Written) -> None:
    written.record_version(3, "null", 5)
    assert written.requests == {}


def test_a_full_disk_is_a_journal_error(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(JournalError, match="No space left"):
        written.record_complete(1)


def test_a_disk_that_takes_a_part_of_a_record_is_full(written: Written) -> None:
    written.file = Path("/dev/full")
    with pytest.raises(JournalError, match="No space left"):
        written.record_complete(1)
    assert written.complete == set()


def tagged(written: Written, client: Client, version: str, seconds: float = 0) -> Entry:
    """Return an entry with a valid tag, requested some seconds after it was written."""
    requested = int((MOMENT + 2000 + seconds) * NANOSECONDS)
    client.tags[version] = {TAG: written.tag(COPY, requested)}
    return entry(version, 2000)


def test_a_recorded_version_and_a_valid_tag_are_ours(written: Written, client: Client) -> None:
    written.record_version(7, "recorded", 5)
    found = [tagged(written, client, "ours"), entry("recorded", 1500)]
    assert list(written.find_ours(7, COPY, found)) == ["recorded", "ours"]
    assert list(written.find_ours(8, COPY, found)) == []
    assert find_strangers(written, 7, COPY, found) == []


@pytest.mark.parametrize("seconds", [-901, 901])
def test_a_tag_of_another_time_is_not_ours(
    written: Written, client: Client, seconds: float
) -> None:
    assert not written.find_ours(7, COPY, [tagged(written, client, "theirs", seconds)])
    assert written.find_ours(7, COPY, [tagged(written, client, "ours", seconds * 0.99)])


@pytest.mark.parametrize(
    "change",
    [
        COPY._replace(key="other"),
        COPY._replace(newest="other"),
        COPY._replace(then="other"),
        COPY._replace(kind="mark"),
    ],
)
def test_a_tag_for_another_change_is_not_ours(
    written: Written, client: Client, change: Change
) -> None:
    found = [tagged(written, client, "theirs")]
    assert written.find_ours(7, COPY, found)
    assert not written.find_ours(7, change, found)


def test_a_tag_of_another_bucket_or_secret_is_not_ours(
    tmp_path: Path, client: Client, written: Written
) -> None:
    found = [tagged(written, client, "theirs")]
    made = task(tmp_path, client)
    (tmp_path / "other").mkdir()
    other = Written(made, "other")
    assert not other.find_ours(7, COPY, found)
    other.record_secret("secret")
    assert not other.find_ours(7, COPY, found)


def test_a_tag_of_another_size_is_not_ours(written: Written, client: Client) -> None:
    """Whoever may read the tag of a copy can set it on an upload of their own."""
    assert not written.find_ours(7, COPY, [{**tagged(written, client, "theirs"), "Size": 2}])
    hidden = marker("theirs", 2000)
    assert not written.find_ours(7, COPY, [hidden])


def test_two_versions_with_one_tag_prove_nothing(written: Written, client: Client) -> None:
    first, second = tagged(written, client, "ours"), entry("theirs", 2001)
    client.tags["theirs"] = client.tags["ours"]
    assert not written.find_ours(7, COPY, [second, first])


def test_a_tag_above_something_unproved_proves_nothing(written: Written, client: Client) -> None:
    found = [tagged(written, client, "copied"), entry("theirs", 1500)]
    assert not written.find_ours(7, COPY, found)
    assert [one["VersionId"] for one in find_strangers(written, 7, COPY, found)] == [
        "copied",
        "theirs",
    ]


def test_a_delete_marker_of_anybody_hides_a_key(written: Written) -> None:
    mark = Change("mark", "key", "newest")
    found = [entry("theirs", 1502), marker("whose", 1501)]
    assert [one["VersionId"] for one in find_strangers(written, 7, mark, found)] == ["theirs"]


def test_an_entry_that_is_not_ours_is_named() -> None:
    refuse_others([entry("a", 5)], {"a"})
    with pytest.raises(
        OSError, match="it was changed meanwhile: version b of 2023-11-14T22:13:26Z"
    ):
        refuse_others([entry("a", 5), entry("b", 6)], {"a"})
    with pytest.raises(OSError, match="it was changed meanwhile: delete marker c of"):
        refuse_others([marker("c", 6)])


def test_entries_above_a_version_that_is_gone_are_refused(written: Written, client: Client) -> None:
    client.entries = [entry("b", 5), entry("a", -5), entry("z", 1, "key of another")]
    assert [one["VersionId"] for one in written.list_above("key", "a")] == ["b"]
    with pytest.raises(OSError, match="it is in use: version z is not there"):
        written.list_above("key", "z")


def test_one_change_that_fails_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, worked = task(tmp_path, Client()), []

    def work(number: int, _change: Change) -> None:
        if number % 2:
            message = "no"
            raise OSError(message)
        worked.append(number)

    changes = [(number, COPY._replace(key=f"{number:03}")) for number in range(100)]
    with pytest.raises(OSError, match="50 keys are LEFT"):
        for_each_change(made, iter(changes), work)
    assert len(worked) == 50
    assert capsys.readouterr().err.count(": no\n") == 9
    assert made.progress.done == 100


@pytest.mark.parametrize(
    "error",
    [
        JournalError("full"),
        ClientError({"Error": {"Code": "ExpiredToken", "Message": "expired"}}, "CopyObject"),
    ],
)
def test_what_no_other_key_would_survive_ends_the_work(tmp_path: Path, error: Exception) -> None:
    begun = []

    def work(number: int, _change: Change) -> None:
        begun.append(number)
        raise error

    changes = iter([(number, COPY) for number in range(1000)])
    with pytest.raises(type(error)):
        for_each_change(task(tmp_path, Client()), changes, work)
    assert len(begun) <= 32
