(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    b38e8f3925823051443189e492f9324a1dd0cc020bba317f3970be61b6c27717*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" s3-point-in-time \
        "${PLAN-}" "${WATCH-}" "${CONFIRM-}" "${PLAN-}" "${WATCH-}" "${CONFIRM-}" 3<&-
      ;;
    *)
      echo 'stopped: the text was damaged on its way, nothing was run: copy and paste it again' >&2
      false
      ;;
    esac
  } 3<<'CODEOCEAN_CMDGEN'
false <<'END_OF_BODY'
# shellcheck shell=bash
# codeocean-cmdgen s3-point-in-time: bring the buckets back to the state of a moment
#
# Where:   AWS CloudShell of the target's account.
# At:      in doubt, when the backup job was complete: too early loses objects that the snapshot
#          knows, too late leaves some that it does not know, which harm nobody.
# Changes: removes, for good, what is newer than AT: what was current then is current again.
#          Replication into the buckets must have ended, and never brings back what went.
# Takes:   a minute for some 100,000 versions, and 60 bytes of the home folder for each.
# Costs:   5 USD a million pages of 1,000 versions listed; removal is free.
# Again:   goes on, asking anew only for what was not confirmed, or says that it is done.
# Set:     PLAN=1 looks only, CONFIRM=DIGEST answers.

values() {
  # from values file [target]
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
  # from values file [target.s3-point-in-time]
  AT=2019-11-24T04:00:00Z
  UNTIL=2019-11-25T11:00:00Z
  # by default
  RUN=first
  # made from the values above and the options
  PARTITION=aws
}

# Says something, below the progress: ${line_end} ends its line.
say() { printf '%b%s\n' "${line_end}" "$*" >&2 && line_end=''; }

# Both end the script, with the reason (EXIT_CODE TEXT...) or the outcome (TEXT...), even if
# nothing can be written. One line each: who pastes the end of this text keeps the shell.
stop() { say "stopped: ${*:2}" || true && exit "$1"; }
finish() { printf '%b' "${line_end}" >&2 || true && echo "${*:1}" || exit 1 && exit; }

# Runs a command of AWS. Its answer goes to the file NAME; ${complaint} says why it failed.
ask() { # NAME COMMAND...
  "${@:2}" >"$1" 2>"$1.error" </dev/null && return
  complaint=$(grep . "$1.error" | tr '\n' ' ') && return 1
}

# The wrapper gives PLAN, WATCH and CONFIRM twice: damage to the one is seen by the other.
settings() {
  set -uo pipefail
  PLAN=$1 WATCH=$2 CONFIRM=$3 complaint='' line_end=''
  [[ "${PLAN} ${WATCH} ${CONFIRM}" == "$4 $5 $6" ]] || stop 2 'the text was damaged on its way'
  [[ ${PLAN} == '' || ${PLAN} == 1 ]] || stop 2 "PLAN is '${PLAN}': it may be 1, or unset"
  [[ ${WATCH} == '' || ${WATCH} == 0 ]] || stop 2 "WATCH is '${WATCH}': it may be 0, or unset"
  export AWS_PAGER='' AWS_DEFAULT_OUTPUT=json AWS_CLI_AUTO_PROMPT=off
  export AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=5 TZ=UTC LC_ALL=C.UTF-8
  scratch=$(mktemp -d)
  cd "${scratch:?}" || stop 1 'there is no folder for temporary files'
  scratch=${PWD}
  trap 'rm -rf "${scratch}"' EXIT
  trap 'line_end="\n"; stop 130 "by Ctrl-C; what works in the background goes on: paste again"' INT
}

# Demands the programs that the script runs, and an AWS CLI that knows what it asks for.
need() { # PROGRAM...
  local program version
  for program in "$@"; do
    command -v "${program}" >/dev/null || stop 3 "the program ${program} is needed and not here"
  done
  [[ -s version ]] || ask version aws --version
  version=$(<version)
  [[ ${version} == aws-cli/2.9.* || ${version} == aws-cli/2.[1-9][0-9]*.* ]] ||
    stop 3 "AWS CLI v2, at least 2.9, is needed; this is ${version%% *}"
}

# Proves that this is the right account before anything else happens.
guard() {
  local caller
  need aws awk cut date grep jq sed sha256sum sort tr
  ask caller aws sts get-caller-identity --region "${REGION}" ||
    stop 3 "no valid credentials for account ${ACCOUNT_ID}, ${REGION}: ${complaint}"
  caller=$(jq --raw-output .Arn caller)
  [[ ${caller} == "arn:${PARTITION}:"*"::${ACCOUNT_ID}:"* ]] ||
    stop 3 "this shell works as ${caller}, the script is for ${PARTITION} account ${ACCOUNT_ID}"
}

# Wants a word typed after the question, or in CONFIRM; what was typed ahead is thrown away.
confirm() { # WORD WHAT_WILL_HAPPEN
  local typed=${CONFIRM}
  say "$2"
  if [[ ${CONFIRM} == '' ]]; then
    { read -rs -N 100000 -t 0.5 _ </dev/tty; } 2>/dev/null
    printf 'type %s to go on: ' "$1" >&2
    { read -r typed </dev/tty; } 2>/dev/null ||
      stop 2 "nobody is there to type $1, and CONFIRM is not set: nothing was changed"
  fi
  [[ ${typed} == "$1" ]] || stop 2 "'${typed}' is not '$1': nothing was changed"
}

# Python works here: the AWS CLI starts anew, for a second, with every thousand versions.
write_program() {
  kind=s3-point-in-time
  cat >program.py <<'END_OF_PYTHON'
import gzip
import hashlib
import json
import os
import re
import signal
import sys
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

FOLDER, ACCOUNT, REGION, AT, UNTIL, *NAMES = sys.argv[1:]
TERMINAL, START, MARKERS = sys.stderr.isatty(), {"Prefix": ""}, ("KeyMarker", "VersionIdMarker")
signal.signal(signal.SIGINT, signal.SIG_DFL)

def keep_order(http_response: Any, parsed: Any, **_: Any) -> None:
    """Note how versions and delete markers took turns, which botocore forgets."""
    parsed["Order"] = re.findall(b"<(Version|DeleteMarker)>", http_response.content)

SESSION = botocore.session.get_session()
PARSERS = SESSION.get_component("response_parser_factory")
PARSERS.set_parser_defaults(timestamp_parser=lambda text: str(text)[:19] + "Z")  # texts compare
PATIENCE = Config(retries={"mode": "legacy", "total_max_attempts": 9}, max_pool_connections=64)
S3 = SESSION.create_client("s3", region_name=REGION, config=PATIENCE)
S3.meta.events.register("after-call.s3.ListObjectVersions", keep_order)

def say(text: str, end: str = "\n") -> None:
    """Tell the person something, in place of what was shown for a while."""
    print("\r\033[K" * TERMINAL + text, end=end, file=sys.stderr, flush=True)

class Progress:
    """Says how far the work is: one line rewritten on a terminal, plain lines elsewhere."""
    done, total, begun, following = 0, 0, time.monotonic(), time.monotonic() + 1
    @classmethod
    def add(cls, count: int) -> None:
        """Count what was done, and tell of it now and then."""
        cls.done, now = cls.done + count, time.monotonic()
        if now > cls.following and cls.done:
            cls.following, rate = now + (0.5 if TERMINAL else 10), cls.done / (now - cls.begun)
            text = f"{cls.done:,} versions and delete markers, {rate:,.0f}/s"
            if (left := cls.total - cls.done) > 0:
                text += f", {cls.done / cls.total:.0%}, {left / rate / 60:.0f} min left"
            say(text[:79], "" if TERMINAL else "\n")

def pages(name: str, place: Any) -> Iterator[tuple[list[Any], Any]]:
    """Yield each page of versions, newest first within a key, and the place of the next one."""
    while place is not None:
        page = S3.list_object_versions(Bucket=name, ExpectedBucketOwner=ACCOUNT, **place)
        if "IsTruncated" not in page:  # older releases of botocore let it by
            raise OSError("S3 answered with an error in an HTTP 200")
        versions, markers = iter(page.get("Versions", ())), iter(page.get("DeleteMarkers", ()))
        place = {one: page["Next" + one] for one in MARKERS} if page["IsTruncated"] else None
        yield [next(versions if tag == b"Version" else markers) for tag in page["Order"]], place

def in_parallel(work: Callable[[Any], object], items: Iterator[Any]) -> None:
    """Work on several items at a time, without reading far ahead; raise the first error."""
    with ThreadPoolExecutor(8) as pool:
        while some := list(islice(items, 32)):
            list(pool.map(work, some))

def alone(name: str, work: Callable[[], object]) -> None:
    """Let a bucket fail alone."""
    try:
        work()
    except (BotoCoreError, ClientError, OSError) as error:
        say(f"problem: {name}: {error}")

def lines(file: Path) -> Iterator[Any]:
    """Yield what the lines of a plan or a journal hold; refuse one that was cut or damaged."""
    try:
        with gzip.open(file, "rt", encoding="ascii") as text:
            yield from map(json.loads, text)
    except (EOFError, ValueError, zlib.error) as error:
        raise OSError(f"{file} cannot be read to its end: {error}") from error

def objections(name: str) -> Iterator[str]:
    """Yield what speaks against bringing a bucket back; leave where it is not the one meant."""
    found: dict[str, Any] = {"Rules": [], "ReplicationConfiguration": {"Rules": []}}
    sources = "location", "versioning", "replication", "lifecycle_configuration"
    for source in (*map("bucket_{}".format, sources), "object_lock_configuration"):
        try:
            found |= getattr(S3, f"get_{source}")(Bucket=name, ExpectedBucketOwner=ACCOUNT)
        except ClientError as error:
            if source == "bucket_location":
                sys.exit(f"{name} is no bucket of account {ACCOUNT} in {REGION}: {error}")
            if "Configuration" not in error.response["Error"]["Code"]:
                raise
    if (place := found["LocationConstraint"] or "us-east-1") != REGION:
        sys.exit(f"{name} is no bucket of account {ACCOUNT} in {REGION}: it is in {place}")
    if found.get("Status") != "Enabled":
        yield "versioning is not enabled"
    if REMOVES and (found.get("MFADelete") == "Enabled" or "ObjectLockConfiguration" in found):
        yield "MFA delete or Object Lock keeps versions from being removed: try --reversible"
    if any(rule["Status"] == "Enabled" for rule in found["ReplicationConfiguration"]["Rules"]):
        yield "it replicates to another bucket: disable its replication rules first"
    now = time.time()
    for rule in found["Rules"]:
        days = rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays", 10**4)
        oldest = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - days * 86400))
        if rule["Status"] == "Enabled" and oldest > AT:
            yield f"its lifecycle removes what was replaced {days} days ago: --at is too long ago"

class Plan:
    """What is to go from a bucket: a file with a line for each page of its listing."""
    def __init__(self, name: str) -> None:
        self.name, self.file, self.place = name, f"{FOLDER}/{name}/plan.gz", START
        self.where = {"Bucket": name, "ExpectedBucketOwner": ACCOUNT}
        self.began, self.digest, self.example = time.time(), "", ""
        self.last = self.when = self.key = ""
        self.seen = self.count = self.keys = self.markers = self.size = self.archived = 0
    def read(self) -> Iterator[Any]:
        """Yield what is to go; at the end, all is known that was known when it was written."""
        for things, known in lines(Path(self.file)):
            vars(self).update(known)
            yield from things
    def goes_on(self) -> bool:
        """Tell whether what is written down is of use: later, the bucket may be in use."""
        with suppress(OSError):
            deque(self.read(), maxlen=0)
            begun = self.place or Path(self.file).stat().st_nlink > 1
            return bool(begun) and self.began > time.time() - 7200
        return False

def prepare(plan: Plan) -> None:
    """Write down what is to go, page by page: a shell may die."""
    if problems := "; ".join(objections(plan.name)):
        raise OSError(problems)
    if not plan.goes_on():
        Path(plan.file).unlink(missing_ok=True)
        vars(plan).update(vars(Plan(plan.name)))
    for page, place in pages(plan.name, plan.place):
        things = [thing for entry in page for thing in todo(plan, entry)]
        if os.statvfs(FOLDER).f_bavail < 12_000:  # blocks of 4 KiB
            raise OSError("the home folder has no room for the journal: take fewer buckets")
        known = {**vars(plan), "place": place, "seen": plan.seen + len(page)}
        with Path(plan.file).open("ab") as file:
            file.write(gzip.compress(json.dumps([things, known]).encode() + b"\n", 6))
        vars(plan).update(known)
        Progress.add(len(page))
    tell(plan)

def todo(plan: Plan, entry: Any) -> Iterator[Any]:
    """Yield a version that must go: its key and its id."""
    key, when, size = entry["Key"], entry["LastModified"], entry.get("Size")
    if when > UNTIL:
        raise OSError(f"it is in use: {ascii(key)} is of {when}; it is left alone")
    if key == plan.last and when > plan.when:
        raise OSError(f"{ascii(key)} has a version of {when} below one of {plan.when}")
    plan.last, plan.when = key, when
    if when > AT:
        plan.keys, plan.key, plan.count = plan.keys + (key != plan.key), key, plan.count + 1
        plan.markers, plan.size = plan.markers + (size is None), plan.size + (size or 0)
        plan.digest = hashlib.sha256(f"{plan.digest}{entry['VersionId']}{key}".encode()).hexdigest()
        yield [key, entry["VersionId"]]
    elif key == plan.key:  # this one will be current again
        if entry.get("StorageClass") in ("GLACIER", "DEEP_ARCHIVE"):
            plan.archived, plan.example = plan.archived + 1, ascii(key)
        plan.key = ""

REMOVES, UNFIT = True, re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff]")  # XML spoils these
PASSING = {"InternalError", "OperationAborted", "RequestTimeout", "ServiceUnavailable", "SlowDown"}

def tell(plan: Plan) -> None:
    """Tell what goes."""
    text = f"{plan.size / 1e9:,.2f} GB, {plan.markers:,} delete markers, {plan.keys:,} keys"
    say(f"{plan.name}: {plan.count:,} of {plan.seen:,} versions and delete markers go ({text})")
    if plan.archived:
        say(f"warning: {plan.archived:,} keys will need RestoreObject, such as {plan.example}")
    for key, version in islice(Plan(plan.name).read(), 3):
        with suppress(BotoCoreError, ClientError):  # a delete marker has no head
            head = S3.head_object(Key=key, VersionId=version, **plan.where)
            if "ReplicationStatus" not in head:
                say(f"warning: {ascii(key)}, which goes, is no replica: was it written here?")

def remove(plan: Plan, things: list[Any]) -> None:
    """Remove versions by id. Removing once more what is gone does no harm."""
    left = [{"Key": key, "VersionId": version} for key, version in things]
    for one in filter(lambda one: UNFIT.search(one["Key"]), left):
        try:
            S3.delete_object(**one, **plan.where)
        except ClientError as error:
            plan.example = str(error)
    left = [one for one in left if not UNFIT.search(one["Key"])]
    for pause in (0.2, 1, 4, 8, 16, 32):
        if left:
            answer = S3.delete_objects(Delete={"Objects": left}, **plan.where)
            errors = answer.get("Errors", [])
            if "Deleted" in answer or errors:  # neither: an error in an HTTP 200
                again = {one["Key"] for one in errors if one["Code"] in PASSING}
                left = [one for one in left if one["Key"] in again]
                plan.example = str(errors[:1] or plan.example)
            time.sleep(pause if left else 0)
    Progress.add(len(things))

def bring_back(plan: Plan) -> None:
    """Remove what is newer, and list again: only that proves it."""
    things, plan.example = Plan(plan.name).read(), "S3 refused none"
    in_parallel(lambda batch: remove(plan, batch), iter(lambda: list(islice(things, 1000)), []))
    for page, _ in pages(plan.name, START):
        if newer := [ascii(one["Key"]) for one in page if one["LastModified"] > AT]:
            Path(plan.file).unlink()  # what is left wants a plan of its own
            raise OSError(f"newer versions are left, such as {newer[0]}; {plan.example}")
        Progress.add(len(page))
    Path(FOLDER, plan.name, "done").touch()

plans = [Plan(name) for name in NAMES if not Path(FOLDER, name, "done").exists()]
in_parallel(lambda plan: alone(plan.name, lambda: prepare(plan)), iter(plans))
able = [plan for plan in plans if not plan.place]
asks = [plan for plan in able if Path(plan.file).stat().st_nlink == 1]  # it is no journal yet
word = "none" if plans and not able else "ask" if asks else "go" if plans else "done"
digest = hashlib.sha256("".join(f"{plan.name} {plan.digest}\n" for plan in able).encode())
say("", "")
print(word, digest.hexdigest()[:12], sum(plan.count for plan in able), flush=True)
if sys.stdin.readline():
    for plan in asks:
        os.link(plan.file, f"{FOLDER}/{plan.name}/journal-{time.time_ns()}.gz")
    os.sync()  # a machine that stops must not take the journal with it
    Progress.begun, Progress.done = time.monotonic(), 0
    Progress.total = sum(plan.seen for plan in able)
    in_parallel(lambda plan: alone(plan.name, lambda: bring_back(plan)), iter(able))
    say("", "")
    with suppress(FileNotFoundError):
        when = max(Path(FOLDER, name, "done").stat().st_mtime for name in NAMES)
        print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when)))
END_OF_PYTHON
}

main() {
  local now kind folder lock word digest count
  values
  settings "$@"
  trap 'kill %1 2>&-; say; stop 130 "by Ctrl-C, and nothing works on: paste again to go on"' INT
  guard && need flock python3
  python3 -c 'import s3transfer' 2>nothing || stop 3 'python3 with boto3 is needed: use CloudShell'
  printf -v now '%(%FT%TZ)T' -1
  [[ ${UNTIL} < ${now} ]] || stop 2 "--until ${UNTIL} is not over: it is ${now}"
  umask 077 && write_program
  folder=$(sha256sum <<<"${ACCOUNT_ID} ${REGION} ${AT} ${UNTIL}" | cut --bytes=-8)
  folder=~/.codeocean-cmdgen/${kind}--${RUN}--${folder}
  mkdir -p "${BUCKET_ARN[@]/#*:/"${folder}"/}" || stop 1 'the home folder takes no more'
  exec {lock}>"${folder}/lock"
  flock --timeout 2 "${lock}" || stop 1 'this is being done already, by another paste'
  set -- "${folder}" "${ACCOUNT_ID}" "${REGION}" "${AT}" "${UNTIL}" "${BUCKET_ARN[@]##*:}"
  coproc python3 program.py "$@"
  read -r word digest count <&"${COPROC[0]}" || stop 3 'no bucket can be looked at, as said above'
  SECONDS=0
  ((count < 10000000)) || say 'So many take hours here: S3 Batch Operations is the better way'
  [[ ${word} != none ]] || stop 1 'no bucket can be brought back, as said above'
  [[ ${PLAN} == '' || ${word} == 'done' ]] || finish "plan: ${digest}"
  [[ ${word} != ask ]] || confirm "${digest}" "removes ${count} versions and markers for good"
  ((SECONDS < 1800)) || stop 1 'the plan is half an hour old: paste again'
  trap '' PIPE
  echo go >&"${COPROC[1]}" || stop 1 'nothing was changed, as said above: paste again'
  read -r now <&"${COPROC[0]}" || stop 1 "not all is as it was at ${AT}: paste again"
  wait && finish "done: ${#BUCKET_ARN[@]} buckets are as they were at ${AT}, since ${now}"
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
