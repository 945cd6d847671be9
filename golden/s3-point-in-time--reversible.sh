(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    19a7a198eb889071d6e4fc5fda79a68a082075ae99a0b6dc1fad5fd63cc4ee87\ \ -)
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
# codeocean-cmdgen s3-point-in-time: restore the buckets to a point in time, reversibly
#
# Run in:   AWS CloudShell, in the target account.
# Changes:  S3 CopyObject              puts a copy of the version that was current at --at on top
#           S3 CreateMultipartUpload   the same above 5 GiB, with UploadPartCopy,
#                                      CompleteMultipartUpload and AbortMultipartUpload
#           S3 DeleteObject            sets or removes a delete marker; deletes no object version
#           S3 DeleteObjectTagging     removes this script's own tag from a copy
#           S3 PutObjectTagging        the same, if the copy has other tags
# Takes:    a minute for some 100,000 versions; four requests and a copy for each key.
# Costs:    requests, and storage of the copies.
# Again:    continues. After success, lists again, changes nothing, and reports what arrived
#           since. Asks for no confirmation, because --undo reverses it.
# Killed:   leaves a bucket that is changed in part. Its journal in ~/.codeocean-cmdgen says how
#           far.
# Undo:     a script with --undo and the same values, from the same home folder.
# Done if:  a new listing shows all buckets as they were at --at.
# Settings: PLAN=1 shows what would change, and changes nothing.

values() {
  # text of this release: sha256 69484f883f5f9ce2bf05ad0c9955c97167b746857b05fc2970b72d1b2f07aab4
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
  # --reversible yes
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
  write_programs
  start_program s3_reversal
  read_plan
  stop_if_unfit
  if [[ ${PLAN} == 1 && ${state} != 'done' ]]; then
    finish_plan "${digest}"
  fi
  begin
  wait_until_checked
  finish "${#BUCKET_ARN[@]} buckets are as they were at ${AT}, checked ${checked}"
}

# Sets digest to that of the changes, and state: go if there are some, done if nothing is left;
# none or later: see stop_if_unfit.
read_plan() {
  if ! read -r state digest <&"${answers}"; then
    stop_unchecked
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

# ---- Part s3_restore, sha256 e9236059b97c18fbc699a57f42832dfee11a6ca27bdcdc205336675139f1bc2b

# The program ends with exit code 3 if a bucket is not in this account and Region.
stop_unchecked() {
  local code
  wait "${program_id}"
  code=$?
  if ((code == 3)); then
    stop_wrong_place 'not all buckets are in this account and Region: see the problems above'
  fi
  stop 'the buckets cannot be checked: see the problems above'
}

# All buckets are checked before any of them is changed.
stop_if_unfit() {
  if [[ ${state} == none ]]; then
    stop 'no bucket was changed by this paste. Fix the problems shown above, or leave these' \
      'buckets out of --bucket-arn. Then paste again.'
  fi
  if [[ ${state} == later ]]; then
    stop "not everything is still as it was at ${AT}. Later uploads, such as those of users, may" \
      'stay: then nothing is left to do. To remove them, use a new --run and a later --until.'
  fi
}

# Sets checked to the time at which the program had listed all buckets again.
wait_until_checked() {
  if ! read -r checked <&"${answers}"; then
    stop "not everything is as it was at ${AT}: see the problems above." \
      'Then paste the script again.'
  fi
  wait "${program_id}"
}

# ---- Program: modules of codeocean_cmdgen/programs. Review each once per release.

write_programs() {
  mkdir program
  : >program/__init__.py
  # s3_reversal.py, sha256 65d06128a4552cf43d0846a7589025ac413200b8f015cd93fd9debe7480b06c7
  cat >program/s3_reversal.py <<'END_OF_PYTHON'
"""Restores buckets to a moment by putting copies on top; removes no version.

Announces by "go DIGEST" on stdout what it will do, and begins once a line arrives on stdin.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Optional
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError

from .s3_buckets import LaterEntries, check_places, read_digest, refuse_unfit, write_digest
from .s3_changes import (
    NO_CHANGE,
    TAG,
    Change,
    Written,
    for_each_change,
    journal_of,
    read_changes,
    refuse_others,
)
from .s3_keys import Key, list_keys
from .s3_task import (
    ARCHIVED,
    PAUSES,
    Entry,
    Task,
    answer,
    for_each_bucket,
    instant,
    is_marker,
    refuse_full_disk,
    say,
    start_task,
)

MOST_BYTES = 5 << 30
"""Most bytes that one request copies."""
PART = 64 << 20
"""Bytes of a part of a larger copy."""
MOST_PARTS = 10_000
MOST_TAGS = 10
KEPT = {"CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType"}
"""What a copy in parts keeps of its source, besides metadata and tags."""
TEMPORARY = {"NoSuchUpload", "OperationAborted", "RequestTimeout", "SlowDown"}
"""Refusals that are not final. After a lost answer, a completed upload is no longer known."""
CLIENT_ERRORS = range(400, 500)
ROOM_FOR_CHANGE = 120
"""Bytes that each change needs in the home folder."""


class Prepared(NamedTuple):
    """What will change in a bucket."""

    digest: str
    changes: int
    entries: int
    """How many entries were listed; 0 if the changes were begun by an earlier paste."""


def main() -> None:
    """Check all buckets, announce what will change, and change it."""
    task = start_task()
    check_places(task)
    prepared: dict[str, Prepared] = {}

    def check_or_prepare(bucket: str) -> None:
        if files_of(task, bucket).done.exists():
            check_restored(task, bucket)
        else:
            refuse_unfit(task, bucket, removes=False)
            prepared[bucket] = prepare(task, bucket)

    for_each_bucket(task, task.buckets, check_or_prepare)
    if task.failed:
        answer("later -" if task.failed == task.later and not prepared else "none -")
        sys.exit(1)
    digests = "".join(sorted(one.digest for one in prepared.values()))
    word = "go" if prepared else "done"
    answer(f"{word} {hashlib.sha256(digests.encode()).hexdigest()[:12]}")
    if not sys.stdin.readline():
        return
    task.progress.restart(total_of(prepared))
    for_each_bucket(task, prepared, lambda bucket: restore(task, bucket))
    if not task.failed:
        answer(instant(time.time()))


def total_of(prepared: dict[str, Prepared]) -> int:
    """Return how much there is to do: each change, and the listing after it; 0 if unknown."""
    if not all(one.entries for one in prepared.values()):
        return 0
    return sum(2 * one.changes + one.entries for one in prepared.values())


class Files(NamedTuple):
    """The files of a bucket. What exists says how far its restore is."""

    plan: Path
    """The changes that it needs."""
    journal: Path
    """The same file, renamed, once they are begun."""
    done: Path
    """The bucket was restored; holds the digest of the versions that are current."""


def files_of(task: Task, bucket: str) -> Files:
    """Return the files of a bucket."""
    folder = task.folder / bucket
    return Files(folder / "plan.gz", journal_of(task, bucket), folder / "done")


def prepare(task: Task, bucket: str) -> Prepared:
    """Write down what will change in a bucket, unless that was begun; show how much it is."""
    files = files_of(task, bucket)
    entries = 0
    if not files.journal.exists():
        part = files.plan.with_name("part.gz")
        refuse_full_disk(task)
        with gzip.open(part, "wt", encoding="ascii") as text:
            for key in list_keys(task, bucket):
                entries += key.listed
                change = judge(key, task.at)
                if change != NO_CHANGE:
                    text.write(json.dumps(change) + "\n")
        part.rename(files.plan)
    digest, changes, archived = hashlib.sha256(bucket.encode()), 0, 0
    for _, change in read_changes(files.journal if files.journal.exists() else files.plan):
        digest.update(json.dumps(change).encode())
        changes += 1
        archived += change.kind == "copy" and change.storage_class in ARCHIVED
    say(f"{bucket}: {changes:,} keys will change, {archived:,} of them need RestoreObject first")
    refuse_full_disk(task, ROOM_FOR_CHANGE * changes)
    return Prepared(digest.hexdigest(), changes, entries)


def judge(key: Key, at: str) -> Change:
    """Return the change that a key needs; raise OSError if it is in use, or in disorder."""
    if key.late:
        when = key.late[0]["LastModified"]
        message = f"it is in use: {ascii(key.name)} was written at {when}; it is left alone"
        raise OSError(message)
    if not key.ordered:
        message = f"{ascii(key.name)}: its versions are not in the order of their times"
        raise OSError(message)
    return needed(key, at)


def needed(key: Key, at: str) -> Change:
    """Return the change that a key needs; NO_CHANGE if it needs none."""
    then = key.then
    shown = not is_marker(key.now)
    if key.now["LastModified"] <= at:
        return NO_CHANGE
    newest = key.now["VersionId"]
    if then is None or is_marker(then):
        return Change("mark", key.name, newest) if shown else NO_CHANGE
    kind = "copy" if shown or key.newer > 1 else "unmark"
    return Change(kind, key.name, newest, then["VersionId"], then["Size"], then["StorageClass"])


def restore(task: Task, bucket: str) -> None:
    """Change a bucket as its journal says, and list it again: only that proves it."""
    files = files_of(task, bucket)
    if not files.journal.exists():
        files.plan.with_name("written").unlink(missing_ok=True)
        files.plan.rename(files.journal)
    written = Written(task, bucket)
    if not written.secret:
        written.record_secret(secrets.token_hex(16))
    os.sync()  # a machine that stops must not lose the journal
    for_each_change(
        task,
        read_changes(files.journal),
        lambda number, change: carry_out(written, number, change),
    )
    write_digest(files.done, check_restored(task, bucket))


def carry_out(written: Written, number: int, change: Change) -> None:
    """Change a key, unless that was completed before."""
    if number in written.complete:
        return
    if change.kind == "unmark":
        remove_marker(written, change)
    elif change.kind == "mark":
        set_marker(written, number, change)
    else:
        put_copy(written, number, change)
    written.record_complete(number)


def remove_marker(written: Written, change: Change) -> None:
    """Remove the newest delete marker, which hides what is restored."""
    top = written.list_newest(change.key)[:1]
    if top and top[0]["VersionId"] == change.newest:
        written.client.delete_object(Key=change.key, VersionId=change.newest, **written.where)
    else:
        refuse_others(top, [change.then])


def set_marker(written: Written, number: int, change: Change) -> None:
    """Set a delete marker. One that is there unproved hides the key as well: it stays."""
    found = written.list_above(change.key, change.newest)
    ours = written.find_ours(number, change, found)
    refuse_others([one for one in found if not is_marker(one)], ours)
    if len(found) > len(ours):
        say(f"warning: {ascii(change.key)} has a delete marker that --undo will not remove")
    if not found:
        done = written.client.delete_object(Key=change.key, **written.where)
        written.record_version(number, done["VersionId"])


def put_copy(written: Written, number: int, change: Change) -> None:
    """Put a copy of a version on top. It has a tag until its version ID is written down."""
    tags = written.read_tags(change.key, change.then)
    tags.pop(TAG, None)
    first_tags = dict(list(tags.items())[: MOST_TAGS - 1])
    for version, requested in make_copy(written, number, change, first_tags).items():
        if version not in written.requests.get(number, ()):
            written.record_version(number, version, requested)
        remove_tag(written, change, version, first_tags, tags)


def make_copy(
    written: Written, number: int, change: Change, tags: dict[str, str]
) -> dict[str, int]:
    """Return the copies that this run has made, oldest first; make one if there is none.

    A failed request may have made its copy.
    """
    pauses = iter(PAUSES)
    while True:
        found = written.list_above(change.key, change.newest)
        ours = written.find_ours(number, change, found)
        refuse_others(found, ours)
        if ours:
            return ours
        requested = time.time_ns()
        marked = {**tags, TAG: written.tag(change, requested)}
        try:
            return {request_copy(written, change, marked): requested}
        except (BotoCoreError, ClientError) as error:
            pause = next(pauses, 0)
            if not pause or is_final(error):
                raise
            time.sleep(pause)


def request_copy(written: Written, change: Change, tags: dict[str, str]) -> str:
    """Copy a version on top, with its metadata; return the version ID of the copy."""
    where = {"Key": change.key, **written.where}
    source = {"Bucket": written.where["Bucket"], "Key": change.key, "VersionId": change.then}
    settings: dict[str, Any] = {"Tagging": urlencode(tags)}
    if change.storage_class not in ARCHIVED:  # nobody could read a copy there
        settings["StorageClass"] = change.storage_class
    if change.size <= MOST_BYTES:
        # A repeated request has the same tag, and two versions with one tag prove nothing.
        done = written.client_once.copy_object(
            CopySource=source, TaggingDirective="REPLACE", **settings, **where
        )
        return str(done["VersionId"])
    head = written.client.head_object(**source)  # parts carry no metadata
    settings.update((name, head[name]) for name in (*KEPT, "Metadata") if name in head)
    return copy_in_parts(written, source, change.size, settings, where)


def copy_in_parts(
    written: Written,
    source: dict[str, str],
    size: int,
    settings: dict[str, Any],
    where: dict[str, str],
) -> str:
    """Copy a version above 5 GiB; return the version ID of the copy.

    Its tag is there from the first moment; s3transfer may set it later.
    """
    client = written.client
    step = max(PART, -(-size // MOST_PARTS))
    created = client.create_multipart_upload(**settings, **where)
    upload = {"UploadId": created["UploadId"], **where}

    def copy_part(first: int) -> dict[str, Any]:
        number, last = first // step + 1, min(first + step, size) - 1
        done = client.upload_part_copy(
            CopySource=source,
            CopySourceRange=f"bytes={first}-{last}",
            PartNumber=number,
            **upload,
        )
        return {"PartNumber": number, "ETag": done["CopyPartResult"]["ETag"]}

    try:
        with ThreadPoolExecutor(8) as pool:
            parts = list(pool.map(copy_part, range(0, size, step)))
        done = client.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)
    except (BotoCoreError, ClientError):
        with suppress(BotoCoreError, ClientError):
            client.abort_multipart_upload(**upload)
        raise
    return str(done["VersionId"])


def remove_tag(
    written: Written, change: Change, version: str, first_tags: dict[str, str], tags: dict[str, str]
) -> None:
    """Remove the tag of this run from a copy; what a user has set besides it stays."""
    now = written.read_tags(change.key, version)
    if TAG not in now:
        return
    del now[TAG]
    if now == first_tags:
        now = tags
    wanted = [{"Key": name, "Value": value} for name, value in now.items()]
    where = {"Key": change.key, "VersionId": version, **written.where}
    if wanted:
        written.client.put_object_tagging(Tagging={"TagSet": wanted}, **where)
    else:
        written.client.delete_object_tagging(**where)


def is_final(error: Exception) -> bool:
    """Tell whether S3 refuses something for good."""
    if not isinstance(error, ClientError):
        return False
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status in CLIENT_ERRORS and error.response["Error"]["Code"] not in TEMPORARY


def check_restored(task: Task, bucket: str) -> str:
    """Raise OSError if a bucket does not show what it showed at the moment; change nothing.

    Returns a digest of what is current.
    """
    files = files_of(task, bucket)
    written, later, current = Written(task, bucket), LaterEntries(), hashlib.sha256()
    wrong, example = 0, ""
    changes = read_changes(files.journal)
    for number, change, key in join_keys(changes, list_keys(task, bucket)):
        strangers = find_strangers(written, number, change, key.late) if key else []
        for entry in strangers:
            later.add(entry)
        if not strangers and not (key and is_restored(change, key, task.at)):
            wrong += 1
            example = example or ascii(key.name if key else change.key)
        if key and not is_marker(key.now):
            current.update(f"{key.now['VersionId']}{key.name}".encode())
    if files.done.exists():
        later.refuse(task, files.done)
    if later.example:
        message = f"it was written to meanwhile: {later.example}; that stays"
        raise OSError(message)
    if wrong:
        message = f"{wrong:,} keys are not as they were, such as {example}"
        raise OSError(message)
    digest = current.hexdigest()
    if files.done.exists() and read_digest(files.done) != digest:
        message = f"versions that were current at {task.at} have been removed since"
        raise OSError(message)
    return digest


Joined = tuple[int, Change, Optional[Key]]
"""A numbered change and its key: NO_CHANGE for a key without one, None if it is not listed."""


def join_keys(changes: Iterator[tuple[int, Change]], keys: Iterator[Key]) -> Iterator[Joined]:
    """Yield each key with its change, and each change whose key is gone.

    Both are in the order of the listing: that of the bytes of their UTF-8.
    """
    pending = chain(changes, [(-1, NO_CHANGE)])
    number, change = next(pending)
    for key in keys:
        while change.key and change.key.encode() < key.name.encode():
            yield number, change, None
            number, change = next(pending)
        if change.key == key.name:
            yield number, change, key
            number, change = next(pending)
        else:
            yield -1, NO_CHANGE, key
    while change.key:
        yield number, change, None
        number, change = next(pending)


def find_strangers(written: Written, number: int, change: Change, late: list[Entry]) -> list[Entry]:
    """Return which late entries of a key are not what its change has put there."""
    ours = written.find_ours(number, change, late)
    if change.kind == "mark":  # whoever set a delete marker: the key shows nothing, as it did
        late = [entry for entry in late if not is_marker(entry)]
    return [entry for entry in late if entry["VersionId"] not in ours]


def is_restored(change: Change, key: Key, at: str) -> bool:
    """Tell whether a key shows what it showed at the moment; all that is late is expected."""
    if change.kind == "copy":
        return bool(key.late)
    if change.kind == "mark":
        return is_marker(key.now)
    if change.kind == "unmark":
        return key.now["VersionId"] == change.then
    return needed(key, at) == NO_CHANGE


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
