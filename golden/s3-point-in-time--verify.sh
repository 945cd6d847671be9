(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    e49c22fe3c0968c8970207c94e41a03028b0fc4c65d32b9a00d49875b01b940f\ \ -)
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
# codeocean-cmdgen s3-point-in-time: compare the buckets with their state at a point in time
#
# Run in:   AWS CloudShell, in the target account.
# Changes:  nothing. Lists the buckets, and compares what is current with what the versions say
#           was current at --at: by version ID, otherwise by size and ETag.
# Takes:    a minute for some 100,000 versions.
# Costs:    5 USD for a million pages of 1,000 versions.
# Again:    compares again.
# Killed:   leaves nothing.
# Undo:     not needed.
# Done if:  no key differs in any bucket, and the settings of the buckets show that no version is
#           missing.
# Settings: PLAN=1 shows what would change, and changes nothing.

values() {
  # text of this release: sha256 0197a72e7e4ba7f4d130dcbeaa2c1f49a40d040c2c2314975a544cac0b7af02f
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
  # --verify yes
  # made from the values above and the options
  PARTITION=aws
}

main() {
  values
  read_settings "$@"
  trap stop_program INT
  check_programs aws jq python3
  check_account
  check_boto3
  write_programs
  compare_buckets
  if [[ ${verdict} != same ]]; then
    stop "not everything is known to be as it was at ${AT}: see the problems above"
  fi
  finish "${#BUCKET_ARN[@]} buckets are as they were at ${AT}"
}

# Sets verdict to "same" if no key differs. Runs the program in the background, where it ignores
# Ctrl-C: stop_program ends it. Sets program_id. -E: Python ignores the variables of your shell.
# (Not -I: it may also hide the folder where CloudShell keeps boto3.)
compare_buckets() {
  python3 -E -m program.s3_comparison \
    "${scratch}" "${ACCOUNT_ID}" "${REGION}" "${AT}" "${UNTIL}" "${BUCKET_ARN[@]##*:}" \
    >answer 2>&"${screen}" &
  program_id=$!
  wait "${program_id}"
  if ! read -r verdict <answer; then
    stop 'the buckets cannot be compared: see the problems above'
  fi
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

# ---- Program: modules of codeocean_cmdgen/programs. Review each once per release.

write_programs() {
  mkdir program
  : >program/__init__.py
  # s3_comparison.py, sha256 d951a03fea3cd031e4053534b07107b900fe352f458d32b47c0c8e3e8b8793f8
  cat >program/s3_comparison.py <<'END_OF_PYTHON'
"""Compares buckets with what their versions say was current at a moment; changes nothing.

Prints "same" on stdout if no key differs.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import NamedTuple, Optional

from .s3_buckets import read_settings, reasons_against
from .s3_keys import Key, list_keys
from .s3_task import Entry, Task, answer, for_each_bucket, is_marker, say, start_task

MOST_NAMED = 9
"""How many keys that differ are named for each bucket."""

SAME = "as it was"
COPY = "a copy"
GONE = "gone"
NEW = "new"
DIFFERENT = "different"
UNSURE = "of another ETag"
"""As the copies of an object in parts are, and of one that KMS encrypts."""


def main() -> None:
    """Compare all buckets."""
    task = start_task()
    different: set[str] = set()

    def compare(bucket: str) -> None:
        if not compare_bucket(task, bucket):
            different.add(bucket)
        refuse_gaps(task, bucket)

    for_each_bucket(task, task.buckets, compare)
    answer("different" if task.failed or different else "same")


def refuse_gaps(task: Task, bucket: str) -> None:
    """Raise OSError if the versions of a bucket may not show what was current at the moment."""
    settings = read_settings(task, bucket)
    settings["replication"] = {}  # that leaves the bucket's own versions alone
    reasons = list(reasons_against(settings, task.at, time.time(), removes=False))
    if reasons:
        message = f"its versions do not prove what was current at {task.at}: {'; '.join(reasons)}"
        raise OSError(message)


def compare_bucket(task: Task, bucket: str) -> bool:
    """Show how many keys of a bucket show what they showed; name some that do not.

    Returns whether all do.
    """
    found: Counter[str] = Counter()
    later = named = 0
    for key in list_keys(task, bucket):
        verdict = judge(key, task.until)
        found[verdict] += 1
        later += bool(key.late)
        if verdict not in (SAME, COPY) and named < MOST_NAMED:
            named += 1
            since = key.now["LastModified"]
            say(f"problem: {bucket}: {ascii(key.name)} is {verdict}, since {since}")
    differ = found[GONE] + found[NEW] + found[DIFFERENT]
    say(
        f"{bucket}: {found[SAME]:,} keys are as they were at {task.at}, {found[COPY]:,} have a "
        f"copy of what was there, {found[UNSURE]:,} cannot be compared, {differ:,} differ; "
        f"{later:,} were written after {task.until}"
    )
    return differ + found[UNSURE] == 0


def judge(key: Key, until: str) -> str:
    """Return how what is current compares with what was."""
    now, then = content_of(key.now), content_of(key.then)
    if key.now is key.then or now is then is None:
        return SAME
    if now is None:
        return GONE
    if then is None:
        return NEW
    if now == then:
        return COPY
    maybe_copied = now.size == then.size and key.now["LastModified"] > until
    return UNSURE if maybe_copied else DIFFERENT


class Content(NamedTuple):
    """What tells the contents of objects apart."""

    size: int
    etag: str


def content_of(entry: Optional[Entry]) -> Optional[Content]:
    """Return what an entry contains; None if there is no object."""
    if entry is None or is_marker(entry):
        return None
    return Content(entry["Size"], entry["ETag"])


if __name__ == "__main__":
    main()
END_OF_PYTHON
  # s3_keys.py, sha256 31d5d9f2e9bedb1b18d9fd85059d5c35f77312fa4e7f3fc230235beef4d078a9
  cat >program/s3_keys.py <<'END_OF_PYTHON'
"""Lists the keys of a bucket: what each shows now, and what it showed at the moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from typing import NamedTuple, Optional

from .s3_task import Entry, Task, list_entries


class Key(NamedTuple):
    """A key of a bucket, and its versions and delete markers."""

    name: str
    now: Entry
    """The newest entry."""
    then: Optional[Entry]
    """The entry of the moment; None if there was none."""
    listed: int
    """How many entries it has, and how many of them are newer than the moment."""
    newer: int
    ordered: bool
    """Whether the entries are in the order of their times."""
    late: list[Entry]
    """The entries that show that the bucket is in use, newest first."""


def key_of(name: str, entries: Iterable[Entry], at: str, until: str) -> Key:
    """Return a key with these entries, which are listed newest first; there is at least one."""
    remaining = iter(entries)
    now = next(remaining)
    then: Optional[Entry] = None
    listed = newer = 0
    ordered, late = True, []
    last = now["LastModified"]
    for entry in chain([now], remaining):
        listed += 1
        when = entry["LastModified"]
        ordered = ordered and last >= when
        last = when
        if when > until:
            late.append(entry)
        if when > at:
            newer += 1
        elif then is None or when > then["LastModified"]:  # of one second, the first is the newest
            then = entry
    return Key(name, now, then, listed, newer, ordered, late)


def list_keys(task: Task, bucket: str) -> Iterator[Key]:
    """Yield each key of a bucket, in the order of the listing."""
    for name, entries in groupby(list_entries(task, bucket), lambda entry: entry["Key"]):
        yield key_of(name, entries, task.at, task.until)
END_OF_PYTHON
  # s3_buckets.py, sha256 5b1dc856ec048c056f64aa42992f642793bf452bf07ca44ed77289b9eda40c93
  cat >program/s3_buckets.py <<'END_OF_PYTHON'
"""Checks buckets before they are restored, and what arrived in them since."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from .s3_task import Entry, Task, for_each_bucket, instant, is_marker, say

WRONG_PLACE = 3
"""The exit code if a bucket is not in the account and Region of the script."""
DAY = 86400


def check_places(task: Task) -> None:
    """Exit if a bucket is not in the task's account and Region; name all that are not."""

    def check(bucket: str) -> None:
        region = bucket_region(task.client.get_bucket_location(**task.owned(bucket)))
        if region != task.region:
            message = f"it is in {region}"
            raise OSError(message)

    for_each_bucket(task, task.buckets, check)
    if task.failed:
        names = ", ".join(sorted(task.failed))
        say(f"problem: not known to be in account {task.account}, {task.region}: {names}")
        sys.exit(WRONG_PLACE)


def bucket_region(location: dict[str, Any]) -> str:
    """Return the Region that S3 reports, which has other words for two of them."""
    constraint = str(location.get("LocationConstraint") or "us-east-1")
    return "eu-west-1" if constraint == "EU" else constraint


def refuse_unfit(task: Task, bucket: str, *, removes: bool) -> None:
    """Raise OSError with all reasons not to restore a bucket; removes: by removing versions."""
    settings = read_settings(task, bucket)
    reasons = list(reasons_against(settings, task.at, time.time(), removes=removes))
    if reasons:
        raise OSError("; ".join(reasons))


Settings = dict[str, dict[str, Any]]
"""What S3 answers about a bucket: an empty answer if nothing is configured."""


def read_settings(task: Task, bucket: str) -> Settings:
    """Return the settings of a bucket that matter."""
    client = task.client
    found: Settings = {}
    for name, ask in {
        "versioning": client.get_bucket_versioning,
        "replication": client.get_bucket_replication,
        "lifecycle": client.get_bucket_lifecycle_configuration,
        "object lock": client.get_object_lock_configuration,
    }.items():
        try:
            found[name] = ask(**task.owned(bucket))
        except ClientError as error:
            # A bucket without a configuration has the answer "...ConfigurationNotFound...".
            if "Configuration" not in error.response["Error"]["Code"]:
                raise
            found[name] = {}
    return found


def reasons_against(settings: Settings, at: str, now: float, *, removes: bool) -> Iterator[str]:
    """Yield the reasons not to restore a bucket with such settings."""
    versioning = settings["versioning"]
    if versioning.get("Status") != "Enabled":
        yield "versioning is not enabled"
    locked = "ObjectLockConfiguration" in settings["object lock"]
    if removes and (locked or versioning.get("MFADelete") == "Enabled"):
        yield "MFA delete or Object Lock keeps versions from being removed: use --reversible"
    replication = settings["replication"].get("ReplicationConfiguration", {})
    if any(rule["Status"] == "Enabled" for rule in replication.get("Rules", ())):
        yield "it replicates to another bucket: disable its replication rules first"
    for rule in settings["lifecycle"].get("Rules", ()):
        days = rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays")
        if rule["Status"] == "Enabled" and days and instant(now - days * DAY) > at:
            yield (
                f"a lifecycle rule removes versions {days} days after they are replaced: "
                "--at is too long ago"
            )


class LaterEntries:
    """Counts what arrived in a bucket since it was restored: it is reported, and stays."""

    def __init__(self) -> None:
        self.versions = self.markers = 0
        self.example = ""

    def add(self, entry: Entry) -> None:
        """Count a version or a delete marker."""
        if is_marker(entry):
            self.markers += 1
        else:
            self.versions += 1
        self.example = self.example or f"{ascii(entry['Key'])} of {entry['LastModified']}"

    def refuse(self, task: Task, done: Path) -> None:
        """Raise OSError if anything arrived since the file "done" of the bucket was written."""
        if not self.example:
            return
        task.later.add(done.parent.name)
        message = (
            f"{self.versions:,} newer versions and {self.markers:,} newer delete markers arrived "
            f"since {instant(done.stat().st_mtime)}, such as {self.example}: they stay"
        )
        raise OSError(message)


def write_digest(file: Path, digest: str) -> None:
    """Write a digest for read_digest, whole or not at all: an empty one is no empty file."""
    part = file.with_name(f"{file.name}.part")
    part.write_text(f'"{digest}"', encoding="ascii")
    part.rename(file)


def read_digest(done: Path) -> str:
    """Return the digest in a file "done" of a bucket; raise OSError if it holds none."""
    found = re.fullmatch('"([0-9a-f]{64}|)"', done.read_text("ascii", "replace"))
    if not found:
        message = f"{done} is damaged: it no longer proves what was current when this run ended"
        raise OSError(message)
    return found[1]
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
