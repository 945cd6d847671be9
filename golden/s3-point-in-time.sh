(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    62051635a6e38294ce77efa38f0d35b36fe4cf8f0c5d4bb0ee29f98cd9e13a6f\ \ -)
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
# codeocean-cmdgen s3-point-in-time: restore the buckets to their state at a point in time
#
# Run in:   AWS CloudShell, in the target account.
# --at:     if in doubt, the time at which the backup job was complete. Too early deletes objects
#           that the snapshot refers to. Too late only leaves unreferenced ones.
# Changes:  S3 DeleteObjects   permanently deletes what is newer than --at, by version ID
#           S3 DeleteObject    the same, for keys that a list in XML cannot contain
# Takes:    a minute for some 100,000 versions, and 60 bytes in the home folder for each. If the
#           plan is older than 5 minutes, everything is listed again before the first deletion.
# Costs:    5 USD for a million pages of 1,000 versions. Deletions are free. Replication into the
#           buckets must have ended, and never copies again what was deleted.
# Again:    continues, and asks for confirmation only of what was not confirmed. After success,
#           lists again, changes nothing, and reports what arrived since.
# Killed:   leaves a bucket from which only a part is deleted. Its plan is in the home folder, in
#           ~/.codeocean-cmdgen: the next paste continues there.
# Undo:     not possible. A script with --reversible deletes nothing, but costs storage.
# Done if:  a new listing shows all buckets as they were at --at.
# Settings: PLAN=1 shows what would change, and changes nothing.
#           CONFIRM=PLAN-DIGEST confirms without a terminal.

values() {
  # text of this release: sha256 a87d5928b70e1b0b1d237aa2eb10564abade4375953d775dadc85151b4d2b2bb
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
  claim_folder s3-point-in-time
  write_programs
  start_program s3_removal
  read_plan
  stop_if_unfit
  if [[ ${PLAN} == 1 && ${state} != 'done' ]]; then
    finish_removal_plan
  fi
  if [[ ${state} == ask ]]; then
    confirm_removal
  fi
  begin
  wait_until_checked
  finish "${#BUCKET_ARN[@]} buckets are as they were at ${AT}, checked ${checked}"
}

# Sets digest, which confirms the plan, count to the versions and delete markers that will be
# removed, and state: ask if the plan must be confirmed; go if it was, by an earlier paste; done if
# nothing is left; none or later: see stop_if_unfit. Without such an answer, the program is told to
# end.
read_plan() {
  local answer
  read -r answer <&"${answers}"
  if [[ ! ${answer} =~ ^(ask|go|done|none|later)\ ([0-9a-f]{12}|-)\ ([0-9]+)$ ]]; then
    exec {orders}>&-
    stop_unchecked
  fi
  state=${BASH_REMATCH[1]}
  digest=${BASH_REMATCH[2]}
  count=${BASH_REMATCH[3]}
  if ((count >= 10000000)); then
    say 'warning: this takes hours. If the shell ends, paste the script again to continue.'
  fi
}

finish_removal_plan() {
  if [[ ${state} == go ]]; then
    say 'This plan was confirmed by an earlier paste: the next one continues without a question.'
  fi
  finish_plan "${digest}"
}

confirm_removal() {
  local asked=${SECONDS}
  confirm "${digest}" "This permanently removes ${count} versions and delete markers that are" \
    "newer than ${AT}."
  if ((SECONDS - asked >= 1800)); then
    stop 'the plan is half an hour old. Nothing was changed. Paste the script again.'
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
  # s3_removal.py, sha256 9947542b80b1c565cef5c7cef6373ce3ad6ced3d97d5c991990c379c824350f6
  cat >program/s3_removal.py <<'END_OF_PYTHON'
"""Restores buckets to a moment by removing everything newer.

Asks by "ask DIGEST COUNT" on stdout, and removes once a line arrives on stdin.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from contextlib import suppress
from itertools import islice
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .s3_buckets import LaterEntries, check_places, read_digest, refuse_unfit, write_digest
from .s3_plan import (
    Current,
    Files,
    Plan,
    Removal,
    files_of,
    make_plan,
    read_removals,
    refuse_use,
    remove_plan,
)
from .s3_task import (
    FROM_THE_START,
    PAUSES,
    Task,
    answer,
    for_each_bucket,
    instant,
    list_entries,
    list_pages,
    run_in_parallel,
    say,
    start_task,
)

NOT_IN_XML = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff]")
"""Characters in keys that a request of many keys, which is XML, cannot carry."""
FRESH = 300
"""Seconds for which a listing is trusted, except for its first page."""
TEMPORARY = {
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
}
"""Errors for one key after which it is asked for again."""
BATCH = 1000
"""Most keys of one request."""


def main() -> None:
    """Plan for all buckets, ask, and remove."""
    task = start_task()
    check_places(task)
    plans: dict[str, Plan] = {}

    def prepare(bucket: str) -> None:
        refuse_unfit(task, bucket, removes=True)
        plans[bucket] = make_plan(task, bucket)
        refuse_loss(task, files_of(task, bucket), plans[bucket].current)
        say_plan(task, bucket, plans[bucket])

    def check_or_prepare(bucket: str) -> None:
        if files_of(task, bucket).done.exists():
            check_restored(task, bucket)
        else:
            prepare(bucket)

    for_each_bucket(task, task.buckets, check_or_prepare)
    if task.failed:
        answer("later - 0" if task.failed == task.later and not plans else "none - 0")
        sys.exit(1)
    left = {bucket: plans[bucket] for bucket in task.buckets if bucket in plans}
    answer(f"{word_for(task, left)} {digest_of(left)} {sum(plan.count for plan in left.values())}")
    if not sys.stdin.readline():
        return
    if left:
        remove_all(task, left)
    if not task.failed:
        answer(instant(time.time()))


def word_for(task: Task, plans: dict[str, Plan]) -> str:
    """Return done: nothing is left; go: what is left was confirmed; ask: it was not."""
    if not plans:
        return "done"
    confirmed = all(files_of(task, bucket).confirmed.exists() for bucket in plans)
    return "go" if confirmed else "ask"


def digest_of(plans: dict[str, Plan]) -> str:
    """Return the short digest that confirms the plans."""
    text = "".join(f"{bucket} {plan.digest}\n" for bucket, plan in plans.items())
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def say_plan(task: Task, bucket: str, plan: Plan) -> None:
    """Show what will be removed from a bucket."""
    text = f"{plan.size / 1e9:,.2f} GB, {plan.markers:,} delete markers, {plan.keys:,} keys"
    say(
        f"{bucket}: {plan.count:,} of {plan.seen:,} versions and delete markers "
        f"will be removed ({text})"
    )
    if plan.count == plan.seen > 0:
        say(f"warning: {bucket} has no version as old as {task.at}: nothing would be left")
    if plan.archived:
        example = plan.archived_example
        say(f"warning: {plan.archived:,} keys will need RestoreObject, such as {example}")
    for key, version in islice(read_removals(files_of(task, bucket).plan), 3):
        with suppress(BotoCoreError, ClientError):  # a delete marker has no head
            head = task.client.head_object(Key=key, VersionId=version, **task.owned(bucket))
            if "ReplicationStatus" not in head:
                say(
                    f"warning: {ascii(key)}, which will be removed, is not a replica: "
                    "was it written here?"
                )


def remove_all(task: Task, plans: dict[str, Plan]) -> None:
    """Check all buckets again, write the journals, and remove."""
    check_places(task)
    task.progress.restart()
    for_each_bucket(task, plans, lambda bucket: check_before_removal(task, bucket, plans[bucket]))
    if task.failed:
        return
    for bucket, plan in plans.items():
        write_journal(task, bucket, plan)
    os.sync()  # a machine that stops must not lose the journals
    task.progress.restart(sum(plan.seen for plan in plans.values()))
    for_each_bucket(task, plans, lambda bucket: restore(task, bucket, plans[bucket]))


def check_before_removal(task: Task, bucket: str, plan: Plan) -> None:
    """Check again what was checked before the confirmation.

    If the plan is not fresh, that is all of the listing: the bucket may have come into use.
    """
    refuse_unfit(task, bucket, removes=True)
    fresh = time.time() - plan.began <= FRESH
    for page in islice(
        list_pages(task.client, task.owned(bucket), FROM_THE_START), 1 if fresh else None
    ):
        for entry in page.entries:
            refuse_use(task, entry)
        if not fresh:
            task.progress.add(len(page.entries))


def write_journal(task: Task, bucket: str, plan: Plan) -> None:
    """Keep the plan as a journal, under a name of its own, before anything is removed."""
    files = files_of(task, bucket)
    if not files.expected.exists():
        write_digest(files.expected, plan.current.digest)
    if not files.confirmed.exists():
        os.link(files.plan, files.plan.with_name(f"journal-{time.time_ns()}.gz"))
        files.confirmed.touch()


def restore(task: Task, bucket: str, plan: Plan) -> None:
    """Remove what is newer, and list the bucket again: only that proves it."""
    files = files_of(task, bucket)
    removals = read_removals(files.plan)
    refusals: list[str] = []

    def remove(batch: list[Removal]) -> None:
        refusals.extend(remove_versions(task, bucket, batch))

    run_in_parallel(remove, iter(lambda: list(islice(removals, BATCH)), []))
    newer, current = list_again(task, bucket)
    if newer.example or current.digest != plan.current.digest:
        remove_plan(files)
    if newer.example:
        why = refusals[-1] if refusals else "S3 refused nothing"
        message = f"newer versions are left, such as {newer.example}; {why}"
        raise OSError(message)
    refuse_loss(task, files, current)
    write_digest(files.done, current.digest)


def refuse_loss(task: Task, files: Files, current: Current) -> None:
    """Raise OSError if versions are gone that the first confirmed plan expected to be current.

    A later plan does not know of them: it would find nothing wrong with what is left.
    """
    if files.expected.exists() and read_digest(files.expected) != current.digest:
        message = (
            "it changed meanwhile: what is current is not what was current at "
            f"{task.at} when this run began. To accept that, use a new --run"
        )
        raise OSError(message)


def remove_versions(task: Task, bucket: str, batch: list[Removal]) -> list[str]:
    """Remove versions by id; return what S3 refused. To remove one again does no harm."""
    refusals: list[str] = []
    left: list[dict[str, str]] = []
    for key, version in batch:
        one = {"Key": key, "VersionId": version}
        if not NOT_IN_XML.search(key):
            left.append(one)
            continue
        try:
            task.client.delete_object(**one, **task.owned(bucket))
        except ClientError as error:
            refusals.append(str(error))
    for pause in PAUSES:
        if not left:
            break
        found = task.client.delete_objects(Delete={"Objects": left}, **task.owned(bucket))
        errors = found.get("Errors", [])
        if "Deleted" in found or errors:  # neither: an error in an HTTP 200
            left = still_left(left, errors)
            refusals += [str([error]) for error in errors[:1]]
        if left:
            time.sleep(pause)
    task.progress.add(len(batch))
    return refusals


def still_left(asked: list[dict[str, str]], errors: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return what to ask for again: the keys with a temporary error."""
    again = {error["Key"] for error in errors if error["Code"] in TEMPORARY}
    return [one for one in asked if one["Key"] in again]


def list_again(task: Task, bucket: str) -> tuple[LaterEntries, Current]:
    """Return what a bucket holds now: what is newer than the moment, and what is current."""
    newer, current = LaterEntries(), Current()
    for entry in list_entries(task, bucket):
        if entry["LastModified"] > task.at:
            newer.add(entry)
        else:
            current.add(entry)
    return newer, current


def check_restored(task: Task, bucket: str) -> None:
    """Raise OSError if a bucket that was restored has changed since; change nothing."""
    done = files_of(task, bucket).done
    later, current = list_again(task, bucket)
    later.refuse(task, done)
    if read_digest(done) != current.digest:
        message = f"versions that were current at {task.at} have been removed since"
        raise OSError(message)


if __name__ == "__main__":
    main()
END_OF_PYTHON
  # s3_plan.py, sha256 5fce716d4a325aff29f89cdc886c13837a3616a0cc368152ad9ab68dc0df851d
  cat >program/s3_plan.py <<'END_OF_PYTHON'
"""Plans what to remove from a bucket, page by page of its listing."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple, Optional

from .s3_task import (
    ARCHIVED,
    FROM_THE_START,
    Entry,
    Position,
    Task,
    is_marker,
    list_pages,
    read_lines,
    refuse_full_disk,
)

LONGEST_USE = 7200
"""Seconds for which a later paste continues a plan: later, the bucket may have come into use."""


class Files(NamedTuple):
    """The files of a bucket. What exists says how far the removal is."""

    plan: Path
    """A line for each page of the listing: see write_page."""
    confirmed: Path
    """The plan was confirmed: there is a journal of it, and removal may have begun."""
    expected: Path
    """The digest of the versions that will be current, as the first confirmed plan has it."""
    done: Path
    """The bucket was restored; holds the digest of the versions that are current again."""


def files_of(task: Task, bucket: str) -> Files:
    """Return the files of a bucket."""
    folder = task.folder / bucket
    names = ("plan.gz", "confirmed", "expected", "done")
    return Files(*(folder / name for name in names))


@dataclass
class Current:
    """A digest of the versions that were current at the moment, in the order of the listing."""

    digest: str = ""
    key: str = ""
    """The key whose current entry was added last."""

    def add(self, entry: Entry) -> None:
        """Add an entry that is not newer than the moment: the first one of a key is current."""
        if entry["Key"] == self.key:
            return
        self.key = entry["Key"]
        if not is_marker(entry):  # a delete marker without versions may expire
            text = f"{self.digest}{entry['VersionId']}{self.key}"
            self.digest = hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Plan:
    """What will be removed from a bucket, as far as it is listed."""

    began: float
    """When the listing began, in seconds since 1970."""
    position: Optional[Position] = field(default_factory=FROM_THE_START.copy)
    """Where the listing continues; None at its end."""
    seen: int = 0
    """How many entries were listed, and how many of them will be removed."""
    count: int = 0
    markers: int = 0
    size: int = 0
    """The bytes in the versions that will be removed."""
    keys: int = 0
    """How many keys have an entry that will be removed."""
    digest: str = ""
    """A digest of the entries that will be removed: its beginning confirms the plan."""
    archived: int = 0
    """How many keys will have an archived version as their current one."""
    archived_example: str = ""
    current: Current = field(default_factory=Current)
    """What will be current."""
    last_key: str = ""
    last_time: str = ""
    removed_key: str = ""
    """The key of the entry before, if that will be removed."""

    def add(self, entry: Entry, at: str) -> bool:
        """Add the next entry of the listing; tell whether it will be removed.

        Raise OSError if the entries of a key are not in the order of their times.
        """
        key, when = entry["Key"], entry["LastModified"]
        if key == self.last_key and when > self.last_time:
            message = f"{ascii(key)} has a version of {when} below one of {self.last_time}"
            raise OSError(message)
        self.last_key, self.last_time = key, when
        if when > at:
            self.keys += key != self.removed_key
            self.removed_key = key
            self.count += 1
            self.markers += is_marker(entry)
            self.size += entry.get("Size", 0)
            text = f"{self.digest}{entry['VersionId']}{key}"
            self.digest = hashlib.sha256(text.encode()).hexdigest()
            return True
        self.current.add(entry)
        if key == self.removed_key:  # this entry will be current again
            if entry.get("StorageClass") in ARCHIVED:
                self.archived += 1
                self.archived_example = ascii(key)
            self.removed_key = ""
        return False


Removal = tuple[str, str]
"""The key and the version ID of an entry that will be removed."""


def write_page(file: Path, removals: list[Removal], plan: Plan) -> None:
    """Append a line: what will be removed of a page, and the plan as it is after this page."""
    line = json.dumps({"remove": removals, "plan": asdict(plan)}) + "\n"
    with file.open("ab") as whole:
        whole.write(gzip.compress(line.encode(), 6))


def read_pages(file: Path) -> Iterator[tuple[list[Removal], Plan]]:
    """Yield what write_page wrote; raise OSError if it cannot be read to its end."""
    for line in read_lines(file):
        try:
            current = Current(**line["plan"].pop("current"))
            page = (
                [(key, version) for key, version in line["remove"]],
                Plan(**line["plan"], current=current),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            message = f"{file} was not written by this release"
            raise OSError(message) from error
        yield page


def read_removals(file: Path) -> Iterator[Removal]:
    """Yield all that will be removed."""
    for removals, _ in read_pages(file):
        yield from removals


def find_plan(files: Files) -> Optional[Plan]:
    """Return the plan of an earlier paste; None if there is none, or none of use."""
    try:
        pages = deque(read_pages(files.plan), maxlen=1)
    except OSError:
        return None
    for _, plan in pages:
        begun = plan.position is not None or files.confirmed.exists()
        if begun and plan.began > time.time() - LONGEST_USE:
            return plan
    return None


def remove_plan(files: Files) -> None:
    """Remove a plan: what is left in the bucket needs another one."""
    files.confirmed.unlink(missing_ok=True)
    files.plan.unlink(missing_ok=True)


def make_plan(task: Task, bucket: str) -> Plan:
    """Plan what to remove from a bucket; continue where an earlier paste ended."""
    files = files_of(task, bucket)
    plan = find_plan(files)
    if plan is None:
        remove_plan(files)
        plan = Plan(time.time())
    for page in list_pages(task.client, task.owned(bucket), plan.position):
        removals: list[Removal] = []
        for entry in page.entries:
            refuse_use(task, entry)
            if plan.add(entry, task.at):
                removals.append((entry["Key"], entry["VersionId"]))
        refuse_full_disk(task)
        plan.seen += len(page.entries)
        plan.position = page.next_position
        write_page(files.plan, removals, plan)
        task.progress.add(len(page.entries))
    return plan


def refuse_use(task: Task, entry: Entry) -> None:
    """Raise OSError if an entry shows that its bucket is in use."""
    if entry["LastModified"] > task.until:
        message = f"it is in use: {ascii(entry['Key'])} was written at {entry['LastModified']}"
        raise OSError(message)
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
