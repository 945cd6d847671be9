(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    ba8f22a228a16b4fba39a32dc4c58eeb5b8f62101e90e6431c7b4f1cc0959884\ \ -)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" s3-point-in-time \
        "${PLAN-}" "${WATCH-}" "${CONFIRM-}" "${PLAN-}" "${WATCH-}" "${CONFIRM-}" \
        "$-:$#" 3<&-
      ;;
    *)
      echo 'stopped: the text is incomplete or changed; nothing ran. Copy the script again.' >&2
      false
      ;;
    esac
  } 3<<'- end of the script: press Enter to run it -'
false <<'END_OF_BODY'
# shellcheck shell=bash
#
# codeocean-cmdgen s3-point-in-time: undo what s3-point-in-time --reversible changed
#
# Run in:   AWS CloudShell, in the target account and Region, where the journal is.
# Changes:  S3 DeleteObject   removes the copies and delete markers that s3-point-in-time
#                             --reversible of this run is proved to have written, and sets again
#                             the delete markers that it removed. Everything else stays: keys that
#                             hold more than what is proved are named.
# Takes:    three requests for each key that was changed.
# Costs:    requests.
# Again:    continues, or reports that everything is undone.
# Killed:   leaves a bucket in which only a part is undone, and its journal.
# Undo:     generate the script with --reversible and a new --run.
# Done if:  all changes in the journals of these buckets are undone.
# Settings: PLAN=1 shows what would change, and changes nothing.

values() {
  # text of this release: sha256 83c3d3bf4a1a557f1933a6c03c591ef8d054ca9b5a20acba92ddc21bccf2d063
  # the step
  STEP=s3-point-in-time
  # from deployment file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  BUCKET_ARN=(
    arn:aws:s3:::codeocean-target-capsules
    arn:aws:s3:::codeocean-target-datasets
    arn:aws:s3:::codeocean-target-dockerregistry
    arn:aws:s3:::codeocean-target-inputfiles
    arn:aws:s3:::codeocean-target-licenses
    arn:aws:s3:::codeocean-target-mlflow
    arn:aws:s3:::codeocean-target-packages
    arn:aws:s3:::codeocean-target-public
    arn:aws:s3:::codeocean-target-results
  )
  # from deployment file [target.s3-point-in-time]
  AT=2019-11-24T04:00:00Z
  UNTIL=2019-11-25T11:00:00Z
  # --until 2019-11-25T12:00:00+01:00
  # from option
  # --undo yes
  # by default
  RUN=first
  # made from the values above and the options
  PARTITION=aws
}

main() {
  values
  read_settings "$@"
  trap stop_program INT
  check_programs aws flock jq python3 sha256sum
  check_account
  check_boto3
  check_until
  claim_folder s3-point-in-time--reversible
  check_journals
  write_programs
  start_program s3_undo
  read_count
  if [[ ${PLAN} == 1 ]]; then
    finish_plan "would undo ${count} changes"
  fi
  begin
  wait_until_undone
  finish "all that run ${RUN} changed from here in these buckets is undone"
}

check_journals() {
  if ! compgen -G "${folder}/*/journal*" >journals; then
    stop "run ${RUN} has changed nothing from here: no journal is in ${folder}"
  fi
}

# Sets count to the number of changes.
read_count() {
  if ! read -r count <&"${answers}"; then
    stop 'the journals cannot be read: see the problems above'
  fi
}

wait_until_undone() {
  if ! read -r <&"${answers}"; then
    stop 'not everything was undone: check the keys shown above, and paste the script again'
  fi
  wait "${program_id}"
}

# ---- Parts, which several scripts of this release have: review each once.

# ---- Part s3_python, sha256 b8cfd5c8f29c215f5cfcdbaedd2af2f28cce301f569a1d2f78461da296743a03

# For Ctrl-C. The program ignores it from its first moment, so that it ends without a traceback.
stop_program() {
  line_end='\n'
  if [[ ${program_id-} != '' ]]; then
    { kill "${program_id}" && wait "${program_id}"; } 2>/dev/null
  fi
  stop_with 130 'interrupted. Nothing continues in the background.' \
    'Paste the script again to continue.'
}

# The program needs Python because the AWS CLI would start again, for a second, with each thousand
# versions.
check_boto3() {
  if ! python3 -E -c 'import boto3, botocore.session' 2>missing-modules; then
    stop_wrong_place 'python3 with boto3 is needed: use CloudShell'
  fi
}

# ---- Part s3_program, sha256 1f28bdbc2656c38f5ec27c4560e4590559f8ccd3e4f8b263eeeb31c0ccde4acf

check_until() {
  local now
  now=$(date --utc +%Y-%m-%dT%H:%M:%SZ)
  if [[ ! ${UNTIL} < ${now} ]]; then
    stop_bad_use "--until ${UNTIL} has not passed: it is ${now}"
  fi
}

# Sets folder to this run's folder in the home folder, named by place and times, and locks it: two
# pastes never use it at the same time.
claim_folder() { # KIND
  local digest bucket lock
  digest=$(sha256sum <<<"${ACCOUNT_ID} ${REGION} ${AT} ${UNTIL}")
  folder=~/.codeocean-cmdgen/$1--${RUN}--${digest:0:8}
  umask 077
  for bucket in "${BUCKET_ARN[@]##*:}"; do
    if ! mkdir -p "${folder}/${bucket}"; then
      stop "cannot create ${folder}/${bucket}"
    fi
  done
  exec {lock}>"${folder}/_lock" # no bucket has such a name
  if ! flock --timeout 2 "${lock}"; then
    stop 'this step is already running in another session'
  fi
}

# Starts a module of the program in the background, without Ctrl-C: stop_program ends it. Sets
# program_id, and the file descriptors answers (from the program) and orders (to it). -E: Python
# ignores the variables of your shell. (Not -I: it may hide the folder of CloudShell's boto3.)
start_program() { # MODULE
  coproc {
    trap '' INT
    exec python3 -E -m "program.$1" \
      "${folder}" "${ACCOUNT_ID}" "${REGION}" "${AT}" "${UNTIL}" "${BUCKET_ARN[@]##*:}" \
      2>&"${screen}"
  }
  program_id=$!
  exec {answers}<&"${COPROC[0]}" {orders}>&"${COPROC[1]}"
}

# The program waits for a line. If it has ended, writing to it would end this shell too, without a
# message: PIPE is ignored.
begin() {
  trap '' PIPE
  if ! echo begin >&"${orders}"; then
    stop 'the program has ended; nothing was changed. Paste the script again.'
  fi
}

# ---- Program: modules of codeocean_cmdgen/programs. Review each once per release.

write_programs() {
  mkdir program
  : >program/__init__.py
  # s3_undo.py, sha256 e0fe0a36e6c7b4891a777e0e387bccde8f44d31c820b53eefc55c1ada07e349d
  cat >program/s3_undo.py <<'END_OF_PYTHON'
"""Undoes what s3_reversal of the same run has changed: removes what is proved to be of this run.

Prints the number of changes on stdout, and begins once a line arrives on stdin.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from botocore.exceptions import ClientError

from .s3_changes import (
    Change,
    Written,
    for_each_change,
    journal_of,
    read_changes,
    refuse_others,
)
from .s3_task import Task, answer, for_each_bucket, is_marker, read_lines, say, start_task

NOT_FOUND = 404


def main() -> None:
    """Say how much there is to undo, and undo it."""
    task = start_task()
    buckets = [bucket for bucket in task.buckets if has_changes(task, bucket)]
    count = sum(1 for bucket in buckets for _ in read_readable(journal_of(task, bucket)))
    answer(str(count))
    if not sys.stdin.readline():
        return
    task.progress.restart(count)
    for_each_bucket(task, buckets, lambda bucket: undo_bucket(task, bucket))
    if not any(journal_of(task, bucket).exists() for bucket in buckets):
        answer("done")


def has_changes(task: Task, bucket: str) -> bool:
    """Tell whether there are changes to undo in a bucket; if not, say why.

    What was changed from another home folder has its journal there.
    """
    journal = journal_of(task, bucket)
    if journal.exists():
        return True
    if any(journal.parent.glob("journal-undone-*")):
        say(f"{bucket}: what was changed from here was undone before")
    else:
        say(f"warning: {bucket}: nothing was changed from here, so nothing is undone there")
    return False


def read_readable(file: Path) -> Iterator[tuple[int, Change]]:
    """Yield the changes of a journal, as far as it can be read."""
    with suppress(OSError):
        yield from read_changes(file)


def undo_bucket(task: Task, bucket: str) -> None:
    """Undo the changes in a bucket, as far as they can be read, and put its records away."""
    journal = journal_of(task, bucket)
    journal.with_name("done").unlink(missing_ok=True)
    written = Written(task, bucket)
    for_each_change(
        task,
        read_readable(journal),
        lambda number, change: undo_change(written, number, change),
    )
    for _ in read_lines(journal):  # to its end
        pass
    when = time.time_ns()
    with suppress(FileNotFoundError):
        written.file.rename(journal.with_name(f"written-undone-{when}"))
    journal.rename(journal.with_name(f"journal-undone-{when}.gz"))


def undo_change(written: Written, number: int, change: Change) -> None:
    """Undo a change, if it was made: remove what is proved to be of this run, no more."""
    if change.kind == "unmark":
        set_marker_again(written, change)
        return
    found = written.list_above(change.key, change.newest)
    ours = written.find_ours(number, change, found)
    if ours and change.kind == "copy":
        check_source(written, change)
    for version in ours:
        written.client.delete_object(Key=change.key, VersionId=version, **written.where)
    refuse_others(found, ours)


def set_marker_again(written: Written, change: Change) -> None:
    """Hide a key again whose delete marker was removed; that removes nothing."""
    entries = written.list_newest(change.key)
    versions = [entry["VersionId"] for entry in entries]
    if change.newest in versions:
        return  # it was never removed
    if change.then not in versions:
        message = f"it is in use: version {change.then} is not there"
        raise OSError(message)
    found = entries[: versions.index(change.then)]
    refuse_others([entry for entry in found if not is_marker(entry)])
    if not found:
        written.client.delete_object(Key=change.key, **written.where)


def check_source(written: Written, change: Change) -> None:
    """Raise OSError if what was copied is gone, as by a lifecycle rule: only the copy is left."""
    try:
        written.read_tags(change.key, change.then)
    except ClientError as error:  # unlike HEAD, this gives a reason
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != NOT_FOUND:
            raise
        message = f"its copy stays: version {change.then}, which was copied, is gone"
        raise OSError(message) from error


if __name__ == "__main__":
    main()
END_OF_PYTHON
  # s3_changes.py, sha256 daa5748181f873611b08b3051264635cad37585ea903e6bcae74c0c1b312d33c
  cat >program/s3_changes.py <<'END_OF_PYTHON'
"""The changes that restore a bucket reversibly, and the proof of what this run has written."""

from __future__ import annotations

import hmac
import json
import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, NamedTuple

from botocore.exceptions import ClientError

from .s3_task import Entry, Task, instant, is_marker, list_pages, read_lines, run_in_parallel, say

TAG = "codeocean-cmdgen:write"
"""The name of the tag that a copy has until its version ID is written down."""
TOLERANCE = 900
"""Seconds by which S3 lets the clock of a request be wrong."""
NANOSECONDS = 10**9
MOST_ENTRIES = 20
"""How many entries of a key are looked at."""
MOST_NAMED = 9
"""How many keys with a problem are named."""


class Change(NamedTuple):
    """A change that a key needs: a line of the journal, with the fields in this order."""

    kind: str
    """copy: put a version on top. mark: set a delete marker. unmark: remove the newest one."""
    key: str
    newest: str
    """The version ID of the entry that was newest."""
    then: str = ""
    """The version ID of what is restored, its size and storage class; none for a mark."""
    size: int = 0
    storage_class: str = ""


NO_CHANGE = Change("", "", "")


def journal_of(task: Task, bucket: str) -> Path:
    """Return the file with the changes that were begun in a bucket."""
    return task.folder / bucket / "journal.gz"


def read_changes(file: Path) -> Iterator[tuple[int, Change]]:
    """Yield the changes of a journal, numbered from 0; raise OSError where it is damaged."""
    for number, fields in enumerate(read_lines(file)):
        try:
            change = Change(*fields)
        except TypeError as error:
            message = f"{file}: line {number + 1} is not a change"
            raise OSError(message) from error
        yield number, change


class JournalError(OSError):
    """What was written cannot be recorded: nothing more may be written to S3."""


class Written:
    """A bucket, and what this run is proved to have written to it for each change.

    The file "written" has lines of JSON: the secret; [number of the change, version ID, time of
    the request]; [number] once a change is complete. Times are nanoseconds since 1970, 0 for a
    delete marker. A line may be cut short: each record begins one.
    """

    def __init__(self, task: Task, bucket: str) -> None:
        self.client, self.client_once = task.client, task.client_once
        self.where = task.owned(bucket)
        self.file = task.folder / bucket / "written"
        self.requests: dict[int, dict[str, int]] = {}
        """Number of the change -> version ID -> time of the request that wrote it."""
        self.complete: set[int] = set()
        self.secret = ""
        with suppress(FileNotFoundError):
            for line in self.file.read_text("ascii", "replace").split("\n"):
                with suppress(ValueError):
                    self._remember(json.loads(line))

    def _remember(self, record: Any) -> None:
        if isinstance(record, str):
            self.secret = record
        elif len(record) == 1:
            self.complete.add(record[0])
        else:
            number, version, requested = record
            if version != "null":  # while versioning is suspended, all uploads have this ID
                self.requests.setdefault(number, {})[version] = requested

    def record_secret(self, secret: str) -> None:
        """Write down the secret of the tags."""
        self._record(secret)

    def record_version(self, number: int, version: str, requested: int = 0) -> None:
        """Write down a version that S3 has answered with."""
        self._record([number, version, requested])

    def record_complete(self, number: int) -> None:
        """Write down that a change is complete."""
        self._record([number])

    def _record(self, record: object) -> None:
        """Write a line to the disk."""
        try:
            with self.file.open("a", encoding="ascii") as file:
                file.write(f"\n{json.dumps(record)}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            message = f"{self.file} cannot be written: {error}"
            raise JournalError(message) from error
        self._remember(record)

    def tag(self, change: Change, requested: int) -> str:
        """Return the value of the tag for one request to copy, made at a time.

        A user's copy of our copy keeps the tag. So the value is valid for one request only.
        """
        text = json.dumps([self.where["Bucket"], change.key, change.newest, change.then, requested])
        return f"{requested}.{hmac.new(self.secret.encode(), text.encode(), 'sha256').hexdigest()}"

    def read_tags(self, key: str, version: str) -> dict[str, str]:
        """Return the tags of a version."""
        found = self.client.get_object_tagging(Key=key, VersionId=version, **self.where)
        return {tag["Key"]: tag["Value"] for tag in found["TagSet"]}

    def list_newest(self, key: str) -> list[Entry]:
        """Return the newest entries of a key, newest first."""
        place = {"Prefix": key, "MaxKeys": MOST_ENTRIES}
        page = next(list_pages(self.client, self.where, place))
        return [entry for entry in page.entries if entry["Key"] == key]

    def list_above(self, key: str, base: str) -> list[Entry]:
        """Return the entries of a key above a version, newest first; that must be there."""
        entries = self.list_newest(key)
        versions = [entry["VersionId"] for entry in entries]
        if base not in versions:
            message = f"it is in use: version {base} is not there"
            raise OSError(message)
        return entries[: versions.index(base)]

    def requested(self, change: Change, entry: Entry) -> int:
        """Return the time of the request whose tag an entry has; 0 if none fits the entry."""
        if change.kind != "copy" or entry.get("Size") != change.size or not self.secret:
            return 0
        tags = self.read_tags(change.key, entry["VersionId"])
        time_text = tags.get(TAG, "").partition(".")[0]
        requested = int(time_text) if re.fullmatch("[1-9][0-9]{,19}", time_text) else 0
        if not requested or tags[TAG] != self.tag(change, requested):
            return 0
        seconds = requested // NANOSECONDS
        earliest, latest = instant(seconds - TOLERANCE), instant(seconds + TOLERANCE)
        return requested if earliest <= entry["LastModified"] <= latest else 0

    def find_ours(self, number: int, change: Change, found: list[Entry]) -> dict[str, int]:
        """Return which entries a change is proved to have written, of those above its base.

        found: these, newest first. Returns their version IDs, oldest first, with the times of the
        requests. A recorded ID is proof. A tag is proof only if no other version has it, no ID is
        recorded for it, and nothing unproved lies below.
        """
        known = self.requests.get(number, {})
        requests = {
            entry["VersionId"]: self.requested(change, entry)
            for entry in reversed(found)
            if entry["VersionId"] not in known
        }
        times = [*known.values(), *requests.values()]
        ours: dict[str, int] = {}
        proved = True
        for version in (entry["VersionId"] for entry in reversed(found)):
            if version in known:
                ours[version] = known[version]
            elif proved and requests[version] and times.count(requests[version]) == 1:
                ours[version] = requests[version]
            else:
                proved = False
        return ours


def refuse_others(found: list[Entry], ours: Collection[str] = ()) -> None:
    """Raise OSError if an entry is not one of ours."""
    for entry in found:
        if entry["VersionId"] in ours:
            continue
        kind = "delete marker" if is_marker(entry) else "version"
        message = (
            f"it was changed meanwhile: {kind} {entry['VersionId']} of {entry['LastModified']} is "
            "not proved to be of this run. It stays: check it"
        )
        raise OSError(message)


def for_each_change(
    task: Task, changes: Iterator[tuple[int, Change]], work: Callable[[int, Change], None]
) -> None:
    """Work on changes; if some fail, show a few of them at the end, and raise OSError.

    Expired credentials and an unwritable journal end the work at once.
    """
    count = 0
    named: list[str] = []

    def attempt(numbered: tuple[int, Change]) -> None:
        nonlocal count
        number, change = numbered
        try:
            work(number, change)
        except JournalError:
            raise
        except (ClientError, OSError) as error:
            if isinstance(error, ClientError) and "Token" in error.response["Error"]["Code"]:
                raise  # no other key would fare better
            count += 1
            if len(named) < MOST_NAMED:
                named.append(f"  {ascii(change.key)}: {error}")
        task.progress.add(1)

    run_in_parallel(attempt, changes)
    for text in named:
        say(text)
    if count:
        message = f"{count:,} keys are LEFT as they are, such as those named above"
        raise OSError(message)
END_OF_PYTHON
  # s3_task.py, sha256 fa192c7d6e4a5d65fa18b3e19b6f384809243c9c12c2f00b250827446b92d1e4
  cat >program/s3_task.py <<'END_OF_PYTHON'
"""What the programs of s3-point-in-time share. Messages go to stderr, answers to stdout."""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional, TypedDict

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


class Entry(TypedDict, total=False):
    """A version or a delete marker, as S3 lists it; delete markers have no size."""

    Key: str
    VersionId: str
    LastModified: str
    """In UTC, as 2024-05-01T03:00:00Z: in this form, texts compare as times do."""
    Size: int
    ETag: str
    StorageClass: str


ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")
"""The storage classes that cannot be read without RestoreObject."""
PAUSES = (0.2, 1, 4, 8, 16, 32)
"""Seconds before a request is repeated, each time."""


def is_marker(entry: Entry) -> bool:
    """Tell whether an entry is a delete marker."""
    return "Size" not in entry


def instant(seconds: float) -> str:
    """Return a time in seconds since 1970 in the form of the listings."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


# Messages.


def say(text: object) -> None:
    """Show a line, without what a terminal would obey or hide."""
    line = "".join(one if one.isprintable() else "?" for one in str(text))
    _write(f"{line}\n")


def clear_progress() -> None:
    """Remove the line that shows the progress."""
    _write("")


def _write(text: str) -> None:
    line_start = "\r\033[K" if sys.stderr.isatty() else ""
    sys.stderr.write(line_start + text)
    sys.stderr.flush()


def answer(text: str) -> None:
    """Answer the script with a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def say_error(kind: type[BaseException], error: BaseException, _traceback: object) -> None:
    """Show an error that ends the program."""
    say(f"problem: {kind.__name__}: {error}")


class Progress:
    """Shows how far the work is: one line rewritten on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self.restart()
        self.next_line = self.begun + 1

    def restart(self, total: int = 0) -> None:
        """Begin another part of the work; 0: nobody knows how long it is."""
        self.done, self.total = 0, total
        self.begun = time.monotonic()

    def add(self, count: int) -> None:
        """Count what was done, and show it now and then."""
        self.done += count
        now = time.monotonic()
        if now <= self.next_line or not self.done:
            return
        terminal = sys.stderr.isatty()
        self.next_line = now + (0.5 if terminal else 10)
        _write(self.text(now - self.begun)[:79] + ("" if terminal else "\n"))

    def text(self, seconds: float) -> str:
        """Return what to show after some seconds of work."""
        rate = self.done / seconds
        text = f"{self.done:,} versions and delete markers, {rate:,.0f}/s"
        left = self.total - self.done
        if left > 0:
            text += f", {self.done / self.total:.0%}, {left / rate / 60:.0f} min left"
        return text


# The task.


@dataclass
class Task:
    """What the script asks for, and what has happened so far."""

    folder: Path
    """Holds a folder for each bucket."""
    account: str
    region: str
    at: str
    """The moment that the buckets are restored to."""
    until: str
    """A bucket with anything newer than this is in use."""
    buckets: list[str]
    client: Any
    """The client for S3, and one that repeats no failed request."""
    client_once: Any
    progress: Progress = field(default_factory=Progress)
    failed: set[str] = field(default_factory=set)
    """The buckets with a problem."""
    later: set[str] = field(default_factory=set)
    """Those of them whose only problem is what arrived since they were restored."""

    def owned(self, bucket: str) -> dict[str, str]:
        """Return what names a bucket in every request: it must be of the task's account."""
        return {"Bucket": bucket, "ExpectedBucketOwner": self.account}


def start_task() -> Task:
    """Return the task that the arguments describe."""
    sys.excepthook = say_error
    folder, account, region, at, until, *buckets = sys.argv[1:]
    session = botocore.session.get_session()
    session.get_component("response_parser_factory").set_parser_defaults(
        timestamp_parser=lambda text: str(text)[:19] + "Z"  # the form of Entry.LastModified
    )
    client, client_once = (make_client(session, region, attempts) for attempts in (9, 1))
    return Task(Path(folder), account, region, at, until, buckets, client, client_once)


def make_client(session: Any, region: str, attempts: int) -> Any:
    """Return a client for S3 that sends a request up to so many times."""
    retries = {"mode": "legacy", "total_max_attempts": attempts}
    config = Config(retries=retries, max_pool_connections=64)
    client = session.create_client("s3", region_name=region, config=config)
    client.meta.events.register("after-call.s3.ListObjectVersions", _keep_order)
    return client


def _keep_order(http_response: Any, parsed: dict[str, Any], **_: object) -> None:
    """Keep the order of versions and delete markers, which botocore puts into two lists."""
    parsed["Order"] = re.findall(b"<(Version|DeleteMarker)>", http_response.content)


# Listings.

Position = dict[str, Any]
"""Where to continue a listing."""

FROM_THE_START: Position = {"Prefix": ""}


class Page(NamedTuple):
    """A page of a listing."""

    entries: list[Entry]
    """Sorted by key; within a key, newest first."""
    next_position: Optional[Position]
    """None behind the last page."""


def list_pages(client: Any, where: dict[str, str], position: Optional[Position]) -> Iterator[Page]:
    """Yield each page of a bucket's listing from a position on; none behind the last page."""
    while position is not None:
        found = client.list_object_versions(**where, **position)
        if "IsTruncated" not in found:  # older releases of botocore accept such an answer
            message = "S3 answered with an error in an HTTP 200"
            raise OSError(message)
        versions, markers = iter(found.get("Versions", ())), iter(found.get("DeleteMarkers", ()))
        position = None
        if found["IsTruncated"]:
            position = {one: found[f"Next{one}"] for one in ("KeyMarker", "VersionIdMarker")}
        entries = [next(versions if tag == b"Version" else markers) for tag in found["Order"]]
        yield Page(entries, position)


def list_entries(task: Task, bucket: str) -> Iterator[Entry]:
    """Yield each version and delete marker of a bucket."""
    for page in list_pages(task.client, task.owned(bucket), FROM_THE_START):
        yield from page.entries
        task.progress.add(len(page.entries))


# Records in the home folder.

LEAST_ROOM = 50_000_000
"""Bytes that must stay free."""


def refuse_full_disk(task: Task, needed: int = 0) -> None:
    """Raise OSError if the home folder has no room for so many more bytes."""
    disk = os.statvfs(task.folder)
    if disk.f_bavail * disk.f_frsize < LEAST_ROOM + needed:
        message = "the home folder is too full for the journal: restore fewer buckets at a time"
        raise OSError(message)


def read_lines(file: Path) -> Iterator[Any]:
    """Yield what each line holds; raise OSError where the file was cut or damaged."""
    try:
        with gzip.open(file, "rt", encoding="ascii") as text:
            yield from map(json.loads, text)
    except (EOFError, ValueError, gzip.BadGzipFile, zlib.error) as error:
        message = f"{file} cannot be read to its end: {error}"
        raise OSError(message) from error


# Several at a time.


def run_in_parallel(work: Callable[[Any], object], items: Iterable[Any]) -> None:
    """Work on several items at a time; after an error, begin no other and raise it."""
    remaining = iter(items)
    failed = False

    def attempt(item: Any) -> None:
        nonlocal failed
        if not failed:
            try:
                work(item)
            except BaseException:
                failed = True
                raise

    with ThreadPoolExecutor(8) as pool:
        while some := list(islice(remaining, 32)):
            list(pool.map(attempt, some))


def for_each_bucket(task: Task, buckets: Iterable[str], work: Callable[[str], object]) -> None:
    """Work on each bucket; a problem of one does not stop the others."""

    def attempt(bucket: str) -> None:
        try:
            work(bucket)
        except (BotoCoreError, ClientError, OSError) as error:
            task.failed.add(bucket)
            say(f"problem: {bucket}: {error}")

    run_in_parallel(attempt, buckets)
    clear_progress()
END_OF_PYTHON
}

# ---- Shared by all scripts for CloudShell in this release: review it once.
# ---- sha256 463f8720fe099911e410b8795a0cfbf07e2d0ffb8e1538060d4f92bb6689ef3c

# Ends the script. One line, so that pasting only the tail of this text never closes your shell.
leave() { exit "$1"; }

# screen is the stderr that the script was started with. What programs write to stderr goes to a
# file, which say_errors shows. One line each, for the same reason.
open_screen() { exec {screen}>&2; }
catch_errors() { exec 2>"${scratch}/errors"; }

# Reads the settings, which the wrapper passes twice so that damage shows, and how the shell was
# started: arguments are refused, except those of a shell in which a person types.
# Sets PLAN, WATCH, CONFIRM, problems, and scratch: the current folder from now on, removed at the
# end. Sets work_continues and before_stop, which stop_interrupted and stop_with read.
read_settings() { # PLAN WATCH CONFIRM PLAN WATCH CONFIRM SHELL_OPTIONS:NUMBER_OF_ARGUMENTS
  set -uo pipefail
  PLAN=$1
  WATCH=$2
  CONFIRM=$3
  line_end=''
  problems=0
  work_continues=no
  before_stop=:
  open_screen
  if [[ "$# ${PLAN} ${WATCH} ${CONFIRM}" != "7 $4 $5 $6" || ! $7 =~ ^[a-zA-Z0-9]*:[0-9]+$ ]]; then
    stop_bad_use 'the text is incomplete or changed; nothing ran. Copy the script again.'
  fi
  if [[ $7 != *:0 && $7 != *i*s*:* && $7 != *s*i*:* ]]; then
    stop_bad_use "${STEP} takes no arguments; nothing ran." \
      "To see what it would do: PLAN=1 bash FILE"
  fi
  if [[ ${PLAN} != '' && ${PLAN} != 1 ]]; then
    stop_bad_use "PLAN is '${PLAN}': set it to 1, or unset it"
  fi
  if [[ ${WATCH} != '' && ${WATCH} != 0 ]]; then
    stop_bad_use "WATCH is '${WATCH}': set it to 0, or unset it"
  fi
  export AWS_PAGER='' AWS_DEFAULT_OUTPUT=json AWS_CLI_AUTO_PROMPT=off
  export AWS_CLI_ERROR_FORMAT=legacy
  export AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=5
  export TZ=UTC LC_ALL=C.UTF-8
  if ! scratch=$(mktemp -d --tmpdir "codeocean-cmdgen.$$.XXXXXXXXXX") || ! cd "${scratch}"; then
    stop 'cannot create a folder for temporary files'
  fi
  scratch=${PWD}
  # Removed with the folder, so that no answer stays in a history that the person has enabled. Not
  # /dev/null: every command could fail with "disk I/O error".
  export AWS_CLI_HISTORY_FILE="${scratch}/history"
  trap remove_scratch EXIT
  trap stop_interrupted INT
  catch_errors
}

remove_scratch() {
  if (($? != 0)); then
    say_errors
  fi
  rm -rf "${scratch}"
}

# Checks that the programs exist that this script runs, and that the AWS CLI is v2, 2.9 or newer.
check_programs() { # PROGRAM...
  local program version
  for program in "$@"; do
    if ! command -v "${program}" >/dev/null; then
      stop_wrong_place "the program ${program} is needed and is not installed here"
    fi
  done
  ask version aws --version
  version=$(<version)
  if [[ ${version} != aws-cli/2.9.* && ${version} != aws-cli/2.[1-9][0-9]*.* ]]; then
    stop_wrong_place "AWS CLI v2, at least 2.9, is needed; this is ${version%% *}"
  fi
}

# Runs an AWS CLI command. Its answer goes to a file; if it fails, sets aws_error to its message.
ask() { # FILE COMMAND...
  if "${@:2}" >"$1" 2>"$1.error" </dev/null; then
    return 0
  fi
  aws_error=$(grep . "$1.error" | paste --serial --delimiters=' ')
  return 1
}

# Sets printable to a text in which "?" replaces what a terminal obeys instead of showing it:
# control characters (C0, DEL, C1), direction marks, line separators. It works on bytes, as bash
# does anyway if one byte is not UTF-8. In such a text, any byte above 0x7f may be a control
# character: all are replaced.
make_printable() { # TEXT
  local LC_ALL=C tail=$'[\x80-\xbf]' rest
  # Overlong, surrogates, and above U+10FFFF.
  local not_utf8=$'@(\xe0[\x80-\x9f]|\xed[\xa0-\xbf]|\xf0[\x80-\x8f]|\xf4[\x90-\xbf])'
  printable=${1//[$'\x01'-$'\x1f\x7f']/?}
  printable=${printable//$'\xc2'[$'\x80'-$'\x9f']/?}
  printable=${printable//$'\xd8\x9c'/?}
  printable=${printable//$'\xe2\x80'[$'\x8b'-$'\x8f\xa8'-$'\xae']/?}
  printable=${printable//$'\xe2\x81'[$'\xa0'-$'\xaf']/?}
  printable=${printable//$'\xef\xbb\xbf'/?}
  # Without its sequences of two, three and four bytes, UTF-8 is ASCII.
  rest=${printable//[$'\xc2'-$'\xdf']${tail}/-}
  rest=${rest//[$'\xe0'-$'\xef']${tail}${tail}/-}
  rest=${rest//[$'\xf0'-$'\xf4']${tail}${tail}${tail}/-}
  if [[ ${rest} == *[$'\x80'-$'\xff']* || $1 == *${not_utf8}* ]]; then
    printable=${printable//[$'\x80'-$'\xff']/?}
  fi
}

# Prints a line on stderr, below any progress. line_end ends the line of the progress.
say() { # TEXT...
  make_printable "$*"
  { printf '%b%s\n' "${line_end}" "${printable}" >&"${screen}"; } 2>/dev/null
  line_end=''
}

say_file() { # FILE [PREFIX]
  local line
  while IFS= read -r line || [[ ${line} != '' ]]; do
    say "${2-}${line}"
  done <"$1"
}

# Shows what programs have written to stderr since the last time.
say_errors() {
  if [[ -s ${scratch-}/errors ]] && cp "${scratch}/errors" "${scratch}/shown-errors"; then
    : >"${scratch}/errors"
    say_file "${scratch}/shown-errors"
  fi
}

# Rewrites one line on a terminal; prints plain lines elsewhere.
show_progress() { # TEXT
  local size
  if [[ ! -t ${screen} ]]; then
    say "$1"
    return
  fi
  make_printable "$1"
  # "ROWS COLUMNS". COLUMNS is not set: bash asks its stderr, which is a file.
  size=$(stty size <&"${screen}")
  printf '\r\033[K%s' "${printable:0:${size##* }}" >&"${screen}"
  line_end='\n'
}

# Prints a line of results on stdout, below any progress.
print_result() { # TEXT...
  make_printable "$*"
  printf '%b' "${line_end}" >&"${screen}"
  line_end=''
  printf '%s\n' "${printable}"
}

# Reports a problem and counts it: stop_if_problems stops once all are reported.
add_problem() { # TEXT...
  say "problem: $*"
  problems=$((problems + 1))
}

stop_if_problems() { # TEXT...
  if ((problems > 0)); then
    stop "$@"
  fi
}

# Asks for confirmation: WORD is typed on the terminal, or given in CONFIRM. What was typed before
# the question is discarded.
confirm() { # WORD WHAT_WILL_HAPPEN...
  local typed=${CONFIRM}
  say "${@:2}"
  if [[ ${CONFIRM} == '' ]]; then
    { read -rs -N 100000 -t 0.5 _ </dev/tty; } 2>/dev/null
    make_printable "$1"
    printf 'Type %s to confirm: ' "${printable}" >&"${screen}"
    if ! { read -r typed </dev/tty; } 2>/dev/null; then
      line_end='\n'
      stop_bad_use "not confirmed: there is no terminal to confirm on. Set CONFIRM=$1"
    fi
  fi
  if [[ ${typed} != "$1" ]]; then
    stop_bad_use "not confirmed: expected '$1', got '${typed}'"
  fi
}

# The ends of a script. Each prints its one last line.

finish() { # TEXT...
  print_last_line 0 "done: $*"
}

finish_plan() { # TEXT...
  print_last_line 0 "plan: $*"
}

# For WATCH=0: the work has started and is not done.
finish_started() { # TEXT...
  print_last_line 4 "started: $*"
}

print_last_line() { # EXIT_CODE TEXT
  if ! print_result "$2"; then
    leave 1
  fi
  leave "$1"
}

stop() { # TEXT...
  stop_with 1 "$@"
}

# For a setting, or an answer of the person, that cannot be used.
stop_bad_use() { # TEXT...
  stop_with 2 "$@"
}

# For a wrong account, Region or host, and for missing programs or credentials.
stop_wrong_place() { # TEXT...
  stop_with 3 "$@"
}

# For Ctrl-C. work_continues is yes while the script watches work that continues without it.
stop_interrupted() {
  line_end='\n'
  if [[ ${work_continues} == yes ]]; then
    stop_with 130 'interrupted. Work in the background continues.' \
      'Paste the script again to follow it.'
  fi
  stop_with 130 'interrupted. Paste the script again to continue.'
}

# before_stop is a command that takes back what the script has prepared.
stop_with() { # EXIT_CODE TEXT...
  say_errors
  "${before_stop}"
  say "stopped: ${*:2}"
  leave "$1"
}

# Checks that this shell works in the account that the script is for.
check_account() {
  local caller account
  if ! ask caller aws sts get-caller-identity --region "${REGION}"; then
    if [[ ${aws_error} == *Throttl* || ${aws_error} == *Unavailable* ]]; then
      stop "${aws_error}. Paste the script again."
    fi
    stop_wrong_place "no valid credentials for account ${ACCOUNT_ID}, ${REGION}: ${aws_error}"
  fi
  account=$(jq --raw-output .Account caller)
  caller=$(jq --raw-output .Arn caller)
  if [[ ${account} != "${ACCOUNT_ID}" || ${caller} != "arn:${PARTITION}:"* ]]; then
    stop_wrong_place "this shell works as ${caller}," \
      "but the script is for ${PARTITION} account ${ACCOUNT_ID}"
  fi
}

# ---- End of the shared part. The next line starts the script; alone, it runs nothing.

"${codeocean_cmdgen-nothing_runs}" "$@"
# --------------------------------------------------------------------------------------------------
END_OF_BODY
- end of the script: press Enter to run it -
)
