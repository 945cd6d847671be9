(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    d35467bd66a002849c6b82687067ac49df19abd4afa59d81b0dfbf00395f7054*)
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
# codeocean-cmdgen s3-point-in-time: compare the buckets with their state at a moment
#
# Where:   AWS CloudShell of the target's account.
# Changes: nothing, it only lists. It compares what is current in the buckets with what the
#          versions in them say was current at AT: by version, else by size and ETag.
# Takes:   a minute for some 100,000 versions.
# Costs:   5 USD a million pages of 1,000 versions listed.
# Again:   compares again.
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

write_program() {
  cat >program.py <<'END_OF_PYTHON'
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, islice
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

SOME, SAME, COPY = 9, "as it was", "a copy"
UNSURE = "of another ETag"  # as copies of parts and of what KMS encrypts are

def content(version: Any) -> Any:
    """Return what tells contents apart; None where there is no object."""
    return (version["Size"], version["ETag"]) if "Size" in (version or ()) else None

def verdict(now: Any, then: Any) -> str:
    """Say how what is current compares with what was."""
    is_now, was = content(now), content(then)
    if now is then or is_now is was is None:
        return SAME
    if is_now is None or was is None:
        return "gone" if is_now is None else "new"
    if is_now == was:
        return COPY
    copied = is_now[0] == was[0] and now["LastModified"] > UNTIL
    return UNSURE if copied else "another"

def compare(name: str) -> None:
    """Tell how many keys of a bucket show what they showed then, and name some that do not."""
    found: Counter[str] = Counter()
    later = named = 0
    for key, now, then, *_ in keys(name):
        word = verdict(now, then)
        found[word] += 1
        later += now["LastModified"] > UNTIL
        if word not in (SAME, COPY) and named < SOME:
            named += 1
            say(f"problem: {name}: {ascii(key)} is {word}, since {now['LastModified']}")
    differ = sum(found[word] for word in ("gone", "new", "another"))
    say(
        f"{name}: {found[SAME]:,} keys are as they were at {AT}, {found[COPY]:,} have a "
        f"copy of what was, {found[UNSURE]:,} cannot be compared, {differ:,} differ; "
        f"{later:,} were written after {UNTIL}"
    )
    if not differ + found[UNSURE]:
        Path(FOLDER, name, "done").touch()

in_parallel(lambda name: alone(name, lambda: compare(name)), iter(NAMES))
say("", "")
END_OF_PYTHON
}

main() {
  local name
  values
  settings "$@"
  trap 'say; stop 130 "by Ctrl-C: nothing was changed"' INT
  guard && need python3
  python3 -c 'import botocore' 2>nothing || stop 3 'python3 with boto3 is needed: use CloudShell'
  write_program
  mkdir "${BUCKET_ARN[@]##*:}"
  set -- "${scratch}" "${ACCOUNT_ID}" "${REGION}" "${AT}" "${UNTIL}" "${BUCKET_ARN[@]##*:}"
  python3 program.py "$@" || stop 1 'the buckets cannot be compared, as said above'
  for name in "${BUCKET_ARN[@]##*:}"; do
    [[ -f ${name}/done ]] || stop 1 "not all is known to be as it was at ${AT}, as said above"
  done
  finish "done: ${#BUCKET_ARN[@]} buckets are as they were at ${AT}"
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
