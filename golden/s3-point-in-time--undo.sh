(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    9360a0a304d9f36081880041b7e97754e36372830cba57587ded57407d8a4178*)
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
# codeocean-cmdgen s3-point-in-time: take back what a reversible script has changed
#
# Where:   AWS CloudShell of the target's account and Region, where the journal is.
# Changes: removes the copies and the delete markers that s3-point-in-time --reversible of this
#          run has set, and sets again the delete markers that it has removed. What else was
#          written meanwhile is left alone, and named.
# Takes:   two requests for each key that was changed.
# Costs:   requests.
# Again:   goes on, or says that nothing is left.
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
finish() { printf '%b' "${line_end}" >&2 || true && echo "$*" || exit 1 && exit; }

# Shows how far the work is: one line rewritten on a terminal, plain lines elsewhere.
show() {
  [[ -t 2 ]] || say "$1"
  [[ ! -t 2 ]] || { printf '\r\033[K%s' "${1:0:${COLUMNS:-80}}" >&2 && line_end='\n'; }
}

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
  ask version aws --version
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
"""Takes back what a reversible script has changed in buckets."""

from __future__ import annotations

import gzip
import json
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

COMMAND, FOLDER, ACCOUNT, REGION, AT, UNTIL, *NAMES = sys.argv[1:]
UNDONE = [name for name in NAMES if not Path(FOLDER, name, "done").exists()]
TERMINAL, START, YESTERDAY = sys.stderr.isatty(), {"Prefix": ""}, time.time() - 86400
END = {"Key": "", "LastModified": ""}
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
        if cls.done and now > cls.following:
            cls.following, rate = now + (0.5 if TERMINAL else 10), cls.done / (now - cls.begun)
            text = f"{cls.done:,} versions and delete markers, {rate:,.0f}/s"
            left = (cls.total - cls.done) / rate / 60
            text += f", {100 * cls.done // cls.total}%, {left:.0f} min left" if cls.total else ""
            say(text[:79], "" if TERMINAL else "\n")

def pages(name: str, place: Any) -> Iterator[tuple[list[Any], Any]]:
    """Yield each page of versions, newest first within a key, and the place of the next one."""
    while place is not None:
        page = S3.list_object_versions(Bucket=name, ExpectedBucketOwner=ACCOUNT, **place)
        if "IsTruncated" not in page:  # older releases of botocore let it by
            raise OSError("S3 answered with an error in an HTTP 200")
        versions, markers = iter(page.get("Versions", ())), iter(page.get("DeleteMarkers", ()))
        names = ("KeyMarker", "VersionIdMarker")
        place = {one: page["Next" + one] for one in names} if page["IsTruncated"] else None
        yield [next(versions if tag == b"Version" else markers) for tag in page["Order"]], place

def in_parallel(work: Callable[[Any], object], items: Iterator[Any]) -> None:
    """Work on several items at a time, without reading far ahead; raise the first error."""
    with ThreadPoolExecutor(8) as pool:
        while some := list(islice(items, 32)):
            list(pool.map(work, some))

def changes(name: str) -> Iterator[Any]:
    """Yield the changes that were begun in a bucket."""
    for file in sorted(Path(FOLDER, name).glob("journal-*"))[:1]:
        with gzip.open(file, "rt", encoding="ascii") as lines:
            for line in lines:
                yield from json.loads(line)[0]

def take_back(name: str, thing: Any) -> None:
    """Take a change back, if it was made and is on top."""
    kind, key, newest, then, size, _, etag = thing
    where = {"Bucket": name, "Key": key, "ExpectedBucketOwner": ACCOUNT}
    page, _ = next(pages(name, {"Prefix": key, "MaxKeys": 2}))
    found = {one["VersionId"]: one for one in page if one["Key"] == key}
    top, below, *_ = *found, None, None
    above = found.get(top, {})
    # The ETag of a copy is another where its origin came in parts: the size must do there.
    same = above.get("Size") == size and (
        above.get("ETag") == etag or "-" in f"{etag}{above.get('ETag')}"
    )
    if kind == "unmark" and top == then:
        S3.delete_object(**where)  # which sets a delete marker
    elif kind != "unmark" and below == newest and same:
        S3.delete_object(VersionId=top, **where)
    elif top != newest and (kind, below, above.get("Size")) != ("unmark", then, None):
        raise OSError(f"it is in use: {ascii(key)} was changed meanwhile")
    Progress.add(1)

def undo(name: str) -> None:
    """Take back the changes in a bucket, which may fail alone."""
    Path(FOLDER, name, "done").unlink(missing_ok=True)
    try:
        in_parallel(lambda thing: take_back(name, thing), changes(name))
    except (BotoCoreError, ClientError, OSError) as error:
        say(f"problem: {name}: {error}")
        return
    for file in Path(FOLDER, name).glob("journal-*"):
        file.rename(file.with_name(f"undone-{file.name}"))

BEGUN = [name for name in NAMES if any(Path(FOLDER, name).glob("journal-*"))]
Progress.total = sum(1 for name in BEGUN for _ in changes(name))
if COMMAND == "plan":
    print(Progress.total)
else:
    in_parallel(undo, iter(BEGUN))
END_OF_PYTHON
}

main() {
  local folder lock count
  values
  settings "$@"
  trap 'say; stop 130 "by Ctrl-C, and nothing works on: paste again to go on"' INT
  guard
  umask 077
  write_program
  folder=$(sha256sum <<<"${ACCOUNT_ID} ${REGION} ${AT} ${UNTIL}" | cut --bytes=-8)
  folder=~/.codeocean-cmdgen/s3-point-in-time--reversible--${RUN}--${folder}
  compgen -G "${folder}/*/*journal-*" >journals ||
    stop 1 "run ${RUN} has changed nothing from here: there is no ${folder}"
  if ! { exec {lock}>"${folder}/lock" && flock --nonblock "${lock}"; }; then
    stop 1 'this is being done already, by another paste'
  fi
  set -- "${folder}" "${ACCOUNT_ID}" "${REGION}" "${AT}" "${UNTIL}" "${BUCKET_ARN[@]##*:}"
  python3 program.py plan "$@" >answer || stop 1 'the journals cannot be read'
  read -r count <answer
  [[ ${PLAN} == '' ]] || finish "plan: would take back ${count} changes"
  python3 program.py act "$@" || stop 1 'the work was cut short: paste again to go on'
  python3 program.py plan "$@" >answer
  read -r count <answer
  ((count == 0)) || stop 1 'not all was taken back, as said above: paste again'
  finish "done: nothing that run ${RUN} has changed in these buckets is left"
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
