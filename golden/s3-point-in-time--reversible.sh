(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    49439bff100a6716fa2e266082b11cc79191cc6643a4377a3ed3d8cbcac2afb5*)
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
# codeocean-cmdgen s3-point-in-time: bring the buckets back to the state of a moment, reversibly
#
# Where:   AWS CloudShell of the target's account.
# Changes: removes no version: copies on top, or sets or removes a delete marker. As --undo takes
#          that back, it asks for no word: PLAN=1 tells first how much it would be.
# Takes:   a minute for some 100,000 versions; two requests and a copy for each key.
# Costs:   requests, and storage of the copies.
# Again:   goes on with what it had begun, or says that it is done.
# Set:     PLAN=1 looks only.

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

# Python works here: the AWS CLI starts anew, for a second, with every thousand versions.
write_program() {
  kind=s3-point-in-time--reversible
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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from s3transfer.manager import TransferManager

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

def keys(name: str) -> Iterator[tuple[str, Any, Any, int, bool]]:
    """Yield each key: its version now, that of the moment, how many are newer, all in order."""
    listed = (entry for page, _ in pages(name, START) for entry in page)
    for key, stack in groupby(listed, lambda entry: str(entry["Key"])):
        now, then, newer, last, ordered = None, None, 0, "Z", True
        for entry in stack:  # of those of one second, the first was the last
            when = entry["LastModified"]
            now, newer, ordered = now or entry, newer + (when > AT), ordered and last >= when
            last = when
            if when <= AT and (then is None or when > then["LastModified"]):
                then = entry
            Progress.add(1)
        yield key, now, then, newer, ordered

def above(where: Any, thing: Any, base: str) -> list[Any]:
    """Return what a change put above a version of its key; refuse what somebody else put there."""
    page, _ = next(pages(where["Bucket"], {"Prefix": thing[1], "MaxKeys": 20}))
    stack = [one for one in page if one["Key"] == thing[1]]
    ids = [one["VersionId"] for one in stack]
    if base not in ids:
        raise OSError(f"it is in use: version {base} is not there")
    found = stack[: ids.index(base)]
    made = {one.get("ETag") for one in found}  # the same, where one was made once more
    if len(made) > 1 or not all(ours(where, thing, one) for one in found):
        raise OSError("it was changed meanwhile")
    return found

def ours(where: Any, thing: Any, one: Any) -> bool:
    """Tell whether a version is what a change puts on top, as far as that can be known."""
    kind, key, _, _, size, _, etag = thing
    if kind != "copy" or one.get("Size") != size:
        return kind != "copy" and "Size" not in one
    if one["ETag"] == etag or "-" in etag + one["ETag"]:  # copies of parts have another
        return True
    head = S3.head_object(Key=key, VersionId=one["VersionId"], **where)
    return "kms" in head.get("ServerSideEncryption", "")  # and so have all that KMS encrypts

def each_alone(work: Callable[[Any], None], things: Iterator[Any]) -> None:
    """Work on keys, each of which may fail alone; name some that did at the end."""
    left: list[str] = []
    def attempt(thing: Any) -> None:
        try:
            work(thing)
        except (ClientError, OSError) as error:
            if isinstance(error, ClientError) and "Token" in error.response["Error"]["Code"]:
                raise  # no key would fare better
            left.append(f"\n  {ascii(thing[1])}: {error}" if len(left) < 9 else "")
        Progress.add(1)
    in_parallel(attempt, things)
    if left:
        raise OSError(f"{len(left):,} keys are LEFT as they are:{''.join(left)}")

REMOVES, LIMIT, ARCHIVED = False, 5 << 30, ("GLACIER", "DEEP_ARCHIVE")
FACTS = ("VersionId", "Size", "StorageClass", "ETag")
KEPT = {"CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType"}
PLAN, DIGESTS = os.environ["PLAN"], list[str]()

def todo(key: str, now: Any, then: Any, newer: int, ordered: Any) -> list[Any]:
    """Return the change that a key needs, if it needs one."""
    if now["LastModified"] > UNTIL:
        raise OSError(f"it is in use: {ascii(key)} is of {now['LastModified']}; it is left alone")
    if not ordered:
        raise OSError(f"{ascii(key)}: versions do not lie in the order of their times")
    there, was = "Size" in now, "Size" in (then or ())
    if now["LastModified"] <= AT or not (there or was):
        return []
    kind = "mark" if not was else "copy" if there or newer > 1 else "unmark"
    return [kind, key, now["VersionId"], *map((then or {}).get, FACTS)]

def write(name: str) -> Path:
    """Write down what is to change, a line for each key; return the file once it is whole."""
    part, whole = Path(FOLDER, name, "part.gz"), Path(FOLDER, name, "plan.gz")
    if os.statvfs(FOLDER).f_bavail < 12_000:  # blocks of 4 KiB
        raise OSError("the home folder has no room for the journal: take fewer buckets")
    with gzip.open(part, "wt", encoding="ascii") as plan:
        for found in keys(name):
            if thing := todo(*found):
                plan.write(json.dumps(thing) + "\n")
    return part.rename(whole)

def tell(name: str, file: Path) -> None:
    """Tell what is to change, and remember its digest."""
    digest, count, archived = hashlib.sha256(name.encode()), 0, 0
    for thing in lines(file):
        digest.update(json.dumps(thing).encode())
        count, archived = count + 1, archived + (thing[0] == "copy" and thing[5] in ARCHIVED)
    say(f"{name}: {count:,} keys change, {archived:,} of them need RestoreObject first")
    DIGESTS.append(digest.hexdigest())
    Progress.total += 0 if PLAN else 2 * count

def carry_out(where: Any, thing: Any) -> None:
    """Change a key, unless that was done before."""
    kind, key, newest, then, size, *_ = thing
    if kind == "unmark":
        S3.delete_object(Key=key, VersionId=newest, **where)
    elif not above(where, thing, newest):  # otherwise, it was done before
        S3.delete_object(Key=key, **where) if kind == "mark" else copy(where, thing)
    if kind == "copy" and size > LIMIT:  # nor tags, which a shell that died may not have put
        tags = S3.get_object_tagging(Key=key, VersionId=then, **where)["TagSet"]
        S3.put_object_tagging(Key=key, Tagging={"TagSet": tags}, **where)

def copy(where: Any, thing: Any) -> None:
    """Put a copy of a version on top, with its metadata."""
    _, key, _, version, size, storage_class, _ = thing
    source, new = {"Bucket": where["Bucket"], "Key": key, "VersionId": version}, dict(where)
    if storage_class not in ARCHIVED:  # there, nobody could read the copy
        new["StorageClass"] = storage_class
    if size > LIMIT:  # bytes; parts carry no metadata
        head = S3.head_object(**source).items()
        new |= {name: value for name, value in head if name in {*KEPT, "Metadata"}}
        TransferManager(S3).copy(source, new.pop("Bucket"), key, new).result()
    else:
        S3.copy_object(Key=key, CopySource=source, **new)

def bring_back(name: str) -> None:
    """Change a bucket as its journal says, and list again: only that proves it."""
    if problems := "; ".join(objections(name)):
        raise OSError(problems)
    journal = Path(FOLDER, name, "journal.gz")
    plan = journal if journal.exists() else write(name)
    tell(name, plan)
    if PLAN:
        return
    plan.rename(journal)
    os.sync()  # a machine that stops must not take the journal with it
    where = {"Bucket": name, "ExpectedBucketOwner": ACCOUNT}
    each_alone(lambda thing: carry_out(where, thing), lines(journal))
    things = lines(journal)  # in the order of the listing
    thing = next(things, [""] * 2)
    for key, now, *rest in keys(name):
        change, thing = (thing, next(things, [""] * 2)) if thing[1] == key else (None, thing)
        if not (change and ours(where, change, now)) and todo(key, now, *rest):
            raise OSError(f"{ascii(key)} is not as it was, but of {now['LastModified']}")
    Path(FOLDER, name, "done").touch()

undone = [name for name in NAMES if not Path(FOLDER, name, "done").exists()]
in_parallel(lambda name: alone(name, lambda: list(objections(name))), iter(undone))
in_parallel(lambda name: alone(name, lambda: bring_back(name)), iter(undone))
say("", "")
if PLAN and DIGESTS:
    print("plan:", hashlib.sha256("".join(sorted(DIGESTS)).encode()).hexdigest()[:12])
else:
    with suppress(FileNotFoundError):
        when = max(Path(FOLDER, name, "done").stat().st_mtime for name in NAMES)
        print("since", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when)))
END_OF_PYTHON
}

main() {
  local now kind folder lock word
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
  PLAN=${PLAN} python3 program.py "$@" >answer || stop 3 'no bucket can be looked at, as said above'
  read -r word now <answer || stop 1 "not all is as it was at ${AT}, as said above: paste again"
  [[ ${word} != plan: ]] || finish "plan: ${now}"
  finish "done: ${#BUCKET_ARN[@]} buckets are as they were at ${AT}, since ${now}"
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
