(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    4947139c7a0195d37f567e7fcd581c81a5c381f0dffd9aa55011550f019ce921\ \ -)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" s3-batch-replication \
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
# codeocean-cmdgen s3-batch-replication: replicate the objects that are already in the buckets
#
# Run in:   AWS CloudShell, in the account that owns the buckets to replicate from.
# Changes:  s3control create-job   for each bucket that is not empty, replicates its objects and
#                                  delete markers to where its replication rules point. No version
#                                  is deleted. Objects whose replication is PENDING are left out.
# Takes:    a minute to start. The jobs run in S3 for minutes to days, without this shell.
# Costs:    about 0.25 USD a job, 1 USD a million objects, and requests, transfer and retrieval.
# Again:    follows the jobs of this run or reports how they ended, and creates only jobs that
#           were never created. S3 lists a job until 90 days after its end: then use a new --run.
# Killed:   leaves jobs that continue. Their tokens keep them from being created again.
# Undo:     not by a script: replicas stay at the destination. The buckets replicated from do not
#           change.
# Done if:  S3 reports each job as Complete without a failed object, and each other bucket as
#           empty.
# Settings: PLAN=1 shows what would change, and changes nothing.
#           WATCH=0 starts the work, does not wait for it, and ends with exit code 4.

values() {
  # text of this release: sha256 a71383111e1374b5bc986890cb228e3325844fa225087ace81a020e157d1da60
  # the step
  STEP=s3-batch-replication
  # from deployment file [backup]
  ACCOUNT_ID=222222222222
  REGION=us-east-1
  BUCKET_ARN=(
    arn:aws:s3:::codeocean-backup-capsules
    arn:aws:s3:::codeocean-backup-datasets
    arn:aws:s3:::codeocean-backup-dockerregistry
    arn:aws:s3:::codeocean-backup-inputfiles
    arn:aws:s3:::codeocean-backup-licenses
    arn:aws:s3:::codeocean-backup-mlflow
    arn:aws:s3:::codeocean-backup-packages
    arn:aws:s3:::codeocean-backup-public
    arn:aws:s3:::codeocean-backup-results
  )
  # from deployment file [backup.s3-batch-replication]
  ROLE_ARN=arn:aws:iam::222222222222:role/codeocean-backup-S3RestoreRole-1ABC
  # by default
  RUN=first
  # made from the values above and the options
  PARTITION=aws
  FILTER='{
    "EligibleForReplication": true,
    "ObjectReplicationStatuses": ["NONE", "FAILED", "COMPLETED", "REPLICA"]
  }'
  REPORT='{"Enabled": false}'
}

main() {
  values
  read_settings "$@"
  check_programs aws jq python3 sha256sum
  check_account
  write_programs
  read_buckets
  judge_buckets
  check_service_role batchoperations.s3.amazonaws.com
  stop_if_buckets_unfit
  make_tokens
  find_jobs
  plan_jobs
  if [[ ${PLAN} == 1 ]]; then
    finish_job_plan
  fi
  create_jobs
  watch_jobs
  judge_jobs
  say_where_reports_are
  report_result
}

# Sets buckets to the names of the buckets, and asks S3 about eight at a time: CloudShell has one
# processor and 2 GiB.
read_buckets() {
  local bucket running=0
  buckets=("${BUCKET_ARN[@]##*:}")
  for bucket in "${buckets[@]}"; do
    if ((running == 8)); then
      wait -n
      running=$((running - 1))
    fi
    read_bucket "${bucket}" &
    running=$((running + 1))
  done
  wait
}

# Writes the answers to files in the folder of the bucket. What remains unasked or unanswered is
# judged later: here it only ends the questions about this bucket.
read_bucket() { # BUCKET
  if ! mkdir -p "buckets/$1" || ! cd "buckets/$1"; then
    return
  fi
  if ! ask_and_note location aws s3api get-bucket-location \
    --region "${REGION}" \
    --bucket "$1" \
    --expected-bucket-owner "${ACCOUNT_ID}"; then
    return
  fi
  if ! ask_and_note versioning aws s3api get-bucket-versioning \
    --region "${REGION}" \
    --bucket "$1" \
    --expected-bucket-owner "${ACCOUNT_ID}"; then
    return
  fi
  if ! ask_and_note replication aws s3api get-bucket-replication \
    --region "${REGION}" \
    --bucket "$1" \
    --expected-bucket-owner "${ACCOUNT_ID}"; then
    return
  fi
  # One version or delete marker proves that the bucket is not empty.
  if ! ask_and_note versions aws s3api list-object-versions \
    --region "${REGION}" \
    --bucket "$1" \
    --expected-bucket-owner "${ACCOUNT_ID}" \
    --no-paginate \
    --max-keys 1; then
    return
  fi
  ask_and_note lifecycle aws s3api get-bucket-lifecycle-configuration \
    --region "${REGION}" \
    --bucket "$1" \
    --expected-bucket-owner "${ACCOUNT_ID}"
  ask_and_note encryption aws s3api get-bucket-encryption \
    --region "${REGION}" \
    --bucket "$1" \
    --expected-bucket-owner "${ACCOUNT_ID}"
}

# Asks as "ask" does. If the question fails, writes the message of AWS to the file FILE.failed.
ask_and_note() { # FILE COMMAND...
  if ask "$@"; then
    return 0
  fi
  printf '%s\n' "${aws_error}" >"$1.failed"
  return 1
}

# Reports what was found about each bucket. Sets:
#   destinations   where the rules of each bucket replicate to
#   empty_buckets  the buckets that are proved empty; the file "empty" lists them too
#   elsewhere      how many are not known to be buckets of this account and Region
judge_buckets() {
  local kind bucket text
  declare -gA destinations=()
  empty_buckets=()
  elsewhere=0
  if ! python3 -I program/bucket_findings.py \
    "${ACCOUNT_ID}" "${REGION}" "${buckets[@]}" >findings; then
    stop 'cannot read what S3 answered about the buckets; nothing was started'
  fi
  while read -r kind bucket text; do
    case "${kind}" in
    empty | full) note_bucket "${kind}" "${bucket}" "${text}" ;;
    elsewhere)
      add_problem "${bucket}: ${text}"
      elsewhere=$((elsewhere + 1))
      ;;
    problem) add_problem "${bucket}: ${text}" ;;
    warning) say "warning: ${bucket}: ${text}" ;;
    *) say "${kind}: ${text}" ;;
    esac
  done <findings
  printf '%s\n' "${empty_buckets[@]}" >empty
}

# Without a rule, nothing stands for DESTINATIONS.
note_bucket() { # empty|full BUCKET DESTINATIONS
  local contents='not empty' replication='no replication destination'
  if [[ $1 == empty ]]; then
    contents=empty
    empty_buckets+=("$2")
  fi
  if [[ $3 != '' ]]; then
    replication="replicated to $3"
  fi
  destinations[$2]=$3
  say "$2: ${contents}, ${replication}"
}

# One sign that a value is wrong stops all buckets.
stop_if_buckets_unfit() {
  if ((elsewhere > 0)); then
    stop_wrong_place "not every bucket is known to be in account ${ACCOUNT_ID}, ${REGION};" \
      'nothing was started'
  fi
  stop_if_problems 'fix the problems above and paste the script again; nothing was started'
}

# Sets token to what makes a job of each bucket the same job again: the values, the run, and where
# the rules replicate to. The file "tokens" lists them too. Sets set_digest to a digest of all
# buckets of this script.
make_tokens() {
  local bucket digest
  declare -gA token=()
  set_digest=$(printf '%s\n' "${buckets[@]}" | sha256sum)
  set_digest=${set_digest:0:8}
  for bucket in "${buckets[@]}"; do
    digest=$(printf '%s\n' "${ACCOUNT_ID}" "${REGION}" "${bucket}" "${ROLE_ARN}" "${FILTER}" \
      "${REPORT}" "${RUN}" "${destinations[${bucket}]}" | sha256sum)
    token[${bucket}]=${digest:0:32}
    echo "${bucket} ${token[${bucket}]}"
  done >tokens
}

find_jobs() {
  if ! list_jobs; then
    stop "cannot list the jobs: ${aws_error}. Paste the script again."
  fi
  examine_jobs read "${RUN}"
}

# Writes the jobs of the account to the file "pages", a page a line. S3 lists a job until 90 days
# after its end. list-jobs shows a page at a time, and does not ask for the next by itself.
list_jobs() {
  local next_token next_page=()
  : >pages
  while true; do
    if ! ask page aws s3control list-jobs \
      --region "${REGION}" \
      --account-id "${ACCOUNT_ID}" \
      --max-results 1000 \
      "${next_page[@]}"; then
      return 1
    fi
    if ! jq --compact-output . page >>pages; then
      aws_error='S3 answered with something that is not a list of jobs'
      return 1
    fi
    next_token=$(jq --raw-output '.NextToken // ""' page)
    if [[ ${next_token} == '' ]]; then
      break
    fi
    next_page=(--next-token "${next_token}")
  done
}

# Runs the program. Its answer goes to a file that is named as the command. The program keeps what
# it knows about the jobs in the file "jobs".
examine_jobs() { # COMMAND [ARGUMENT...]
  if ! python3 -I program/replication_jobs.py "$@" >"$1"; then
    stop 'cannot read what S3 answered about the jobs. Those that were created continue.'
  fi
}

# Sets buckets_to_start to the buckets that need a job, jobs to the number of jobs with these, and
# left_out to the buckets that were empty when the run began.
plan_jobs() {
  local decision bucket
  buckets_to_start=()
  left_out=()
  jobs=0
  examine_jobs plan "${set_digest}" "${buckets[@]}"
  while read -r decision bucket; do
    case "${decision}" in
    follow) jobs=$((jobs + 1)) ;;
    create) buckets_to_start+=("${bucket}") ;;
    was-empty) left_out+=("${bucket}") ;;
    *) ;; # empty: reported already
    esac
  done <plan
  jobs=$((jobs + ${#buckets_to_start[@]}))
  if ((${#left_out[@]} > 0)); then
    say "left out, because they were empty when run ${RUN} began: ${left_out[*]}"
  fi
}

finish_job_plan() {
  if ((${#buckets_to_start[@]} == 0)); then
    finish_plan 'would create no job; nothing was changed'
  fi
  finish_plan "would create ${#buckets_to_start[@]} jobs (${buckets_to_start[*]}); nothing was" \
    'changed'
}

create_jobs() {
  local bucket
  work_continues=yes
  : >created
  for bucket in "${buckets_to_start[@]}"; do
    create_job "${bucket}"
  done
  stop_if_problems 'fix the problems above and paste the script again; the other jobs continue'
}

# S3 lists the description of a job but not its bucket, so the description names it.
create_job() { # BUCKET
  local description="codeocean-cmdgen s3-batch-replication run=${RUN} bucket=$1" manifest job_id
  description+=" set=${set_digest}:${jobs} token=${token[$1]}"
  manifest=$(jq --null-input \
    --arg bucket "arn:${PARTITION}:s3:::$1" \
    --arg owner "${ACCOUNT_ID}" \
    --argjson filter "${FILTER}" '
    {
      S3JobManifestGenerator: {
        SourceBucket: $bucket,
        ExpectedBucketOwner: $owner,
        EnableManifestOutput: false,
        Filter: $filter
      }
    }')
  if ! ask job aws s3control create-job \
    --region "${REGION}" \
    --account-id "${ACCOUNT_ID}" \
    --operation '{"S3ReplicateObject": {}}' \
    --manifest-generator "${manifest}" \
    --report "${REPORT}" \
    --priority 10 \
    --role-arn "${ROLE_ARN}" \
    --description "${description}" \
    --client-request-token "${token[$1]}" \
    --no-confirmation-required; then
    add_problem "$1: no job is known to be created: ${aws_error}"
    return
  fi
  job_id=$(jq --raw-output .JobId job)
  if [[ ! ${job_id} =~ ^[a-zA-Z0-9_-]{5,36}$ ]]; then
    add_problem "$1: S3 answered '${job_id}', which is not a job ID"
    return
  fi
  echo "$1 ${job_id}" >>created
  say "$1: created job ${job_id}"
}

# Returns when all jobs have ended. Shows one line after the other, because a terminal may have
# only one for all of them.
watch_jobs() {
  local turn=0 unanswered=0 lines
  while true; do
    if list_jobs; then
      unanswered=0
      examine_jobs read "${RUN}"
    else
      unanswered=$((unanswered + 1))
    fi
    if ((unanswered == 5)); then
      stop "the jobs continue, but cannot be listed: ${aws_error}. Paste the script again."
    fi
    examine_jobs progress
    mapfile -t lines <progress
    if ((${#lines[@]} == 0)); then
      break
    fi
    if [[ ${WATCH} == 0 ]]; then
      finish_unwatched "${lines[0]}"
    fi
    show_progress "${lines[turn % ${#lines[@]}]}"
    turn=$((turn + 1))
    sleep 20
  done
  work_continues=no
}

finish_unwatched() { # PROGRESS_OF_ALL
  examine_jobs failed
  if [[ -s failed ]]; then
    stop "$1; the other jobs continue"
  fi
  finish_started "$1; paste the script again to follow"
}

# Reports how each job ended. Sets replicated to the number of objects in the jobs that succeeded,
# and last_end to the time when the last of these ended.
judge_jobs() {
  local outcome bucket job_id objects end text judged=0
  replicated=0
  last_end=''
  describe_failed_jobs
  examine_jobs judge
  while read -r outcome bucket job_id objects end text; do
    judged=$((judged + 1))
    if [[ ${outcome} == failed ]]; then
      add_problem "${bucket}: ${text} (job ${job_id})"
      continue
    fi
    if [[ ! ${objects} =~ ^[0-9]+$ ]]; then
      stop 'cannot count what was replicated. Paste the script again.'
    fi
    say "${bucket}: ${text}; job ${job_id} ended ${end}"
    replicated=$((replicated + objects))
    if [[ ${end} > ${last_end} ]]; then
      last_end=${end}
    fi
  done <judge
  if ((judged != jobs)); then
    stop "only ${judged} of ${jobs} jobs are known. Paste the script again."
  fi
}

# list-jobs does not say why a job failed.
describe_failed_jobs() {
  local bucket job_id status
  examine_jobs failed
  while read -r bucket job_id status; do
    if [[ ${status} != lost ]]; then
      ask_and_note "buckets/${bucket}/description" aws s3control describe-job \
        --region "${REGION}" \
        --account-id "${ACCOUNT_ID}" \
        --job-id "${job_id}"
    fi
  done <failed
}

say_where_reports_are() {
  jq --raw-output '
    select(.Enabled)
    | "reports: s3://\(.Bucket / ":" | last)/\(.Prefix)/job-ID/manifest.json"' \
    <<<"${REPORT}" >reports
  say_file reports
}

report_result() {
  local until='' others=''
  stop_if_problems 'not everything is replicated. Fix the problems above. Then generate a script' \
    'for these buckets with a new --run, and with --report-bucket-arn: the report names each' \
    'object that failed, and why.'
  if [[ ${last_end} != '' ]]; then
    until=" by ${last_end}"
  fi
  if ((${#left_out[@]} > 0)); then
    others="; left out, because they were empty when run ${RUN} began: ${left_out[*]}"
  fi
  finish "${replicated} objects in ${jobs} buckets were replicated${until};" \
    "empty buckets: ${#empty_buckets[@]}${others}"
}

# ---- Parts, which several scripts of this release have: review each once.

# ---- Part service_role, sha256 dcf2f94483f5f63f7c5adbaf4be6d9ac42ea631507ec44054892614251cec45c

# Checks that the service can assume the role. A caller who may not read roles is only warned.
check_service_role() { # SERVICE_PRINCIPAL
  local name=${ROLE_ARN##*/} arn trust_policy
  if ! ask role aws iam get-role --region "${REGION}" --role-name "${name}"; then
    if [[ ${aws_error} == *NoSuchEntity* ]]; then
      add_problem "role ${name} does not exist in account ${ACCOUNT_ID}"
    else
      say "warning: role ${name} was not checked: ${aws_error}"
    fi
    return
  fi
  arn=$(jq --raw-output .Role.Arn role)
  trust_policy=$(jq .Role.AssumeRolePolicyDocument role)
  if [[ ${arn} != "${ROLE_ARN}" ]]; then
    add_problem "role ${name} is ${arn}, not ${ROLE_ARN}"
  fi
  if [[ ${trust_policy} != *"$1"* ]]; then
    add_problem "role ${name} does not trust $1, which must assume it"
  fi
}

# ---- Program: modules of codeocean_cmdgen/programs. Review each once per release.

write_programs() {
  mkdir program
  : >program/__init__.py
  # bucket_findings.py, sha256 847f06d59d1e4c6f28c2cd67ae26d108a2a41bde565d7bd5b3cdc7d765ac6fb6
  cat >program/bucket_findings.py <<'END_OF_PYTHON'
"""Judge whether the objects in buckets can be replicated, from what S3 answered about them.

    bucket_findings.py ACCOUNT_ID REGION BUCKET...

The folder buckets/BUCKET holds the answers, a file for each question: location, versioning,
replication, versions, lifecycle, encryption. QUESTION.failed holds the message of AWS if the
question failed.

Prints one finding a line, as KIND BUCKET TEXT:

    elsewhere  it is not known to be a bucket of this account and Region
    problem    its objects cannot be replicated
    warning    some of its objects may stay behind
    note       some objects may stay behind, if there are such objects: said once for all buckets
    empty      it holds no version and no delete marker; TEXT is where its rules replicate to
    full       it holds some, or is not proved to hold none; TEXT likewise
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

NEEDED = ("versioning", "replication", "versions")
"""Without these answers, nothing is started."""
HELPFUL = ("lifecycle", "encryption")
"""Without these, there is a warning, and the jobs start."""
NOTHING_CONFIGURED = ("NoSuchLifecycle", "EncryptionConfigurationNotFound")
"""What S3 answers instead of an empty configuration."""
ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")
"""The storage classes that cannot be replicated."""


class Finding(NamedTuple):
    """What was found about a bucket."""

    kind: str
    text: str


class Answers:
    """What S3 answered about one bucket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def error(self, question: str) -> str:
        """Return why a question has no answer; empty if it has one."""
        failed = self.folder / f"{question}.failed"
        if failed.exists():
            return failed.read_text(encoding="utf-8", errors="replace")
        if not (self.folder / question).exists():
            return f"S3 was not asked about {question}"
        return ""

    def answer(self, question: str) -> dict[str, Any]:
        """Return an answer. It is empty if S3 says nothing, or says that nothing is configured."""
        if self.error(question):
            return {}
        text = (self.folder / question).read_text(encoding="utf-8", errors="replace")
        document: dict[str, Any] = json.loads(text) if text.strip() else {}
        return document


def findings(answers: Answers, account_id: str, region: str) -> Iterator[Finding]:
    """Yield what was found about a bucket."""
    error = answers.error("location")
    if error:
        yield Finding("elsewhere", error)
        return
    actual = bucket_region(answers.answer("location"))
    if actual != region:
        yield Finding("elsewhere", f"the bucket is in Region {actual}, not {region}")
        return
    errors = [error for error in map(answers.error, NEEDED) if error]
    if errors:
        yield from (Finding("problem", error) for error in errors)
        return
    for error in map(answers.error, HELPFUL):
        if error and not any(word in error for word in NOTHING_CONFIGURED):
            yield Finding("warning", error)
    rules = enabled(answers.answer("replication").get("ReplicationConfiguration"))
    destinations = sorted({rule["Destination"]["Bucket"] for rule in rules})
    kind = "empty" if is_proved_empty(answers.answer("versions")) else "full"
    yield Finding(kind, " and ".join(destinations))
    if answers.answer("versioning").get("Status") != "Enabled":
        text = "versioning is not enabled; S3 replicates versioned buckets only"
        yield Finding("problem", text)
    if not rules:
        yield Finding("problem", "the bucket has no enabled replication rule")
    elif all(map(is_narrow, rules)):
        text = "the rules have a prefix or tag filter; other objects are not replicated"
        yield Finding("warning", text)
    yield from lifecycle_findings(answers.answer("lifecycle"))
    yield from encryption_findings(answers.answer("encryption"), rules, account_id)


def bucket_region(location: dict[str, Any]) -> str:
    """Return the Region that S3 reports, which has other words for two of them."""
    constraint = str(location.get("LocationConstraint") or "us-east-1")
    return "eu-west-1" if constraint == "EU" else constraint


def is_proved_empty(versions: dict[str, Any]) -> bool:
    """Tell whether one version or delete marker was asked for, and S3 said that there is none.

    S3 may answer 200 with an error in it, which AWS CLI 2.9 takes for an answer without content:
    that proves nothing.
    """
    some = versions.get("Versions") or versions.get("DeleteMarkers")
    return versions.get("IsTruncated") is False and not some


def enabled(configuration: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return the enabled rules of a replication or lifecycle configuration."""
    rules = (configuration or {}).get("Rules") or []
    return [rule for rule in rules if rule.get("Status") == "Enabled"]


def is_narrow(rule: dict[str, Any]) -> bool:
    """Tell whether a replication rule is for some of the keys only."""
    chosen = {"Prefix": rule.get("Prefix"), **(rule.get("Filter") or {})}
    return any(chosen.get(name) for name in ("Prefix", "Tag", "And"))


def lifecycle_findings(configuration: dict[str, Any]) -> Iterator[Finding]:
    """Yield a warning if lifecycle rules work against a replication.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-batch.html
    """
    names = [str(rule.get("ID", "?")) for rule in enabled(configuration) if is_in_the_way(rule)]
    if names:
        text = (
            "lifecycle rules may remove versions and delete markers while the job runs, and what "
            f"they archived is left out: {', '.join(names)}"
        )
        yield Finding("warning", text)


def is_in_the_way(rule: dict[str, Any]) -> bool:
    """Tell whether a lifecycle rule removes versions, or archives them."""
    if rule.get("Expiration") or rule.get("NoncurrentVersionExpiration"):
        return True
    transitions = [
        *(rule.get("Transitions") or []),
        *(rule.get("NoncurrentVersionTransitions") or []),
    ]
    return any(transition.get("StorageClass") in ARCHIVED for transition in transitions)


def encryption_findings(
    configuration: dict[str, Any], rules: list[dict[str, Any]], account_id: str
) -> Iterator[Finding]:
    """Yield what keeps objects that are encrypted with SSE-KMS from being replicated."""
    by_default = is_kms_by_default(configuration)
    destinations = [rule["Destination"] for rule in rules if replicates_kms(rule)]
    aliases = [key for one in destinations for key in foreign_aliases(one, account_id)]
    if by_default and not destinations:
        text = "objects are encrypted with SSE-KMS by default, which no rule replicates"
        yield Finding("warning", text)
    if aliases and by_default:
        text = f"will fail: {aliases[0]} cannot cross accounts"
        yield Finding("warning", f"objects are encrypted with SSE-KMS by default and {text}")
    elif aliases:
        text = f"will fail: {aliases[0]} cannot cross accounts"
        yield Finding("note", f"objects uploaded with SSE-KMS {text}")


def is_kms_by_default(configuration: dict[str, Any]) -> bool:
    """Tell whether a bucket encrypts with SSE-KMS what is uploaded without a word on encryption."""
    rules = configuration.get("ServerSideEncryptionConfiguration", {}).get("Rules") or [{}]
    default = rules[0].get("ApplyServerSideEncryptionByDefault") or {}
    return str(default.get("SSEAlgorithm", "")).startswith("aws:kms")


def replicates_kms(rule: dict[str, Any]) -> bool:
    """Tell whether a rule replicates objects that are encrypted with SSE-KMS."""
    criteria = rule.get("SourceSelectionCriteria") or {}
    return bool((criteria.get("SseKmsEncryptedObjects") or {}).get("Status") == "Enabled")


def foreign_aliases(destination: dict[str, Any], account_id: str) -> Iterator[str]:
    """Yield the key of a destination if it is an alias in another account.

    An alias is resolved in the account of the caller, and the key of aws/s3 cannot be shared.
    """
    key = str((destination.get("EncryptionConfiguration") or {}).get("ReplicaKmsKeyID", ""))
    if "alias/" not in key:
        return
    of_arn = key.split(":")[4:5]
    owner = of_arn[0] if of_arn else destination.get("Account", account_id)
    if owner != account_id:
        yield key


def line(finding: Finding, bucket: str) -> str:
    """Return a finding as one line, whatever names and messages from outside contain."""
    text = " ".join(finding.text.split()).encode("utf-8", "replace").decode("utf-8")
    return f"{finding.kind} {bucket} {text}\n"


def main(account_id: str, region: str, *buckets: str) -> None:
    """Print the findings about the buckets."""
    noted: set[str] = set()
    for bucket in buckets:
        for finding in findings(Answers(Path("buckets", bucket)), account_id, region):
            if finding.kind == "note" and finding.text in noted:
                continue
            noted.add(finding.text)
            sys.stdout.write(line(finding, bucket))


if __name__ == "__main__":
    main(*sys.argv[1:])
END_OF_PYTHON
  # replication_jobs.py, sha256 5d12df6e8a3131c3f2998026387c656d1ae4c91e29e962f337a7880cd83213d5
  cat >program/replication_jobs.py <<'END_OF_PYTHON'
"""Follow the S3 Batch Replication jobs of one run: which they are, how far, and how they ended.

    replication_jobs.py read RUN
    replication_jobs.py plan SET_DIGEST BUCKET...
    replication_jobs.py progress | failed | judge

Files in the current folder:

    pages    the answers of list-jobs, one page a line
    tokens   BUCKET TOKEN: the token that the description of this run's job for the bucket names
    created  BUCKET JOB_ID: the jobs that were created just now, which S3 may not list yet
    empty    the buckets that were proved empty
    jobs     what "read" knows of the run's jobs, for the other commands and for the next "read"
    buckets/BUCKET/description  what describe-job answered; description.failed: why it did not
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

ENDED = ("Complete", "Failed", "Cancelled", "lost")
FAILED = ("Failed", "Cancelled", "lost")
STILL_COUNTING = ("New", "Preparing")
"""The statuses of jobs that do not know all of their objects yet."""
MOST_UNLISTED = 10
"""A job that S3 has not listed so often in a row, and once more, is lost."""
NO_KEYS = "found no keys"
"""A part of the reason that S3 gives if no object is eligible."""
OPERATION = "S3ReplicateObject"
"""What S3 calls the operation of a replication job."""
DESCRIPTION = re.compile(
    r"codeocean-cmdgen s3-batch-replication run=(?P<run>[^ ]+) bucket=(?P<bucket>[^ ]+) "
    r"set=(?P<set_digest>[0-9a-f]{8}):(?P<set_size>[1-9][0-9]*) token=(?P<token>[^ ]+)"
)
"""What this run's script gives its jobs: list-jobs does not name their buckets."""
WORD = re.compile(r"[A-Za-z0-9_:.+-]{1,64}")
"""The ID, the status and the times of a job. The script reads them as words of a line."""


@dataclass(frozen=True)
class Job:
    """A job of this run.

    status: as S3 calls it, or "lost" if S3 no longer lists it.
    set_digest, set_size: the buckets that its script was for, and how many jobs it needed.
    unlisted: how often in a row S3 has not listed it.
    """

    bucket: str
    job_id: str
    status: str = "New"
    total: int = 0
    succeeded: int = 0
    failed: int = 0
    seconds: int = 0
    ended: str = "-"
    set_digest: str = ""
    set_size: int = 0
    unlisted: int = 0


class Verdict(NamedTuple):
    """How a job ended."""

    good: bool
    text: str


def listed_jobs(
    pages: Iterable[dict[str, Any]], run: str, tokens: dict[str, str]
) -> dict[str, Job]:
    """Return the listed jobs of a run by bucket, if they have the tokens of these values."""
    found = {}
    for page in pages:
        for entry in page.get("Jobs") or []:
            match = DESCRIPTION.fullmatch(entry.get("Description") or "")
            if match and is_of_run(entry, match, run, tokens):
                found[match["bucket"]] = listed_job(entry, match)
    return found


def is_of_run(
    entry: dict[str, Any], description: re.Match[str], run: str, tokens: dict[str, str]
) -> bool:
    """Return whether a job is a replication job of a run. Anybody may copy its description."""
    return (
        entry.get("Operation") == OPERATION
        and description["run"] == run
        and description["token"] == tokens.get(description["bucket"])
    )


def listed_job(entry: dict[str, Any], description: re.Match[str]) -> Job:
    """Return a job as list-jobs shows it."""
    progress = entry.get("ProgressSummary") or {}
    timers = progress.get("Timers") or {}
    ended = re.sub(r"[.][0-9]+", "", str(entry.get("TerminationDate") or "-"))
    return Job(
        bucket=description["bucket"],
        job_id=word(entry["JobId"]),
        status=word(entry["Status"]),
        total=count(progress.get("TotalNumberOfTasks")),
        succeeded=count(progress.get("NumberOfTasksSucceeded")),
        failed=count(progress.get("NumberOfTasksFailed")),
        seconds=count(timers.get("ElapsedTimeInActiveSeconds")),
        ended=word(ended),
        set_digest=description["set_digest"],
        set_size=int(description["set_size"]),
    )


def word(value: object) -> str:
    """Return one word of an answer; exit if it is none."""
    text = str(value)
    if not WORD.fullmatch(text):
        sys.exit(f"S3 describes a job with {ascii(text)}, which is not an ID, a status or a time")
    return text


def count(value: object) -> int:
    """Return a number of an answer, 0 if there is none; exit if it is none."""
    if value is None:
        return 0
    if type(value) is not int or value < 0:
        sys.exit(f"S3 describes a job with {ascii(value)}, which is not a count")
    return value


def updated(known: dict[str, Job], listed: dict[str, Job]) -> dict[str, Job]:
    """Return the jobs by bucket: what is listed, and what is known but not listed, or not yet."""
    unlisted = {bucket: not_listed(job) for bucket, job in known.items()}
    return {**unlisted, **listed}


def not_listed(job: Job) -> Job:
    """Return a job after one more list without it."""
    if job.status in ENDED:
        return job
    if job.unlisted < MOST_UNLISTED:
        return replace(job, unlisted=job.unlisted + 1)
    return Job(job.bucket, job.job_id, status="lost")


def plan(
    buckets: Iterable[str], jobs: dict[str, Job], empty: set[str], set_digest: str
) -> dict[str, str]:
    """Return what to do, by bucket: "follow" its job, "create" one, or leave it.

    An "empty" bucket needs no job. If all jobs of the run were created, a bucket without one
    "was-empty" when the run began: what it holds now is for another run.
    """
    decisions = {}
    for bucket in buckets:
        if bucket in jobs:
            decisions[bucket] = "follow"
        else:
            decisions[bucket] = "empty" if bucket in empty else "create"
    sizes = [job.set_size for job in jobs.values() if job.set_digest == set_digest]
    if sizes and len(jobs) >= max(sizes):
        decisions = {
            bucket: decision.replace("create", "was-empty")
            for bucket, decision in decisions.items()
        }
    return decisions


def progress(jobs: Iterable[Job]) -> list[str]:
    """Return lines to show one after the other: one for each job that runs, after one for all.

    The list is empty if all have ended.
    """
    jobs = list(jobs)
    ended = "".join(f"{job.bucket} ended {job.status}; " for job in jobs if job.status in FAILED)
    done = how_far(
        sum(job.total for job in jobs),
        sum(job.succeeded for job in jobs),
        sum(job.failed for job in jobs),
        max((job.seconds for job in jobs), default=0),
    )
    more = "; more to come" if any(job.status in STILL_COUNTING for job in jobs) else ""
    lines = []
    for job in jobs:
        if job.status not in ENDED:
            own = how_far(job.total, job.succeeded, job.failed, job.seconds)
            lines += [f"{ended}all: {done}{more}", f"{job.bucket} {job.status}, {own}"]
    return lines


def how_far(total: int, succeeded: int, failed: int, seconds: int) -> str:
    """Return counts, per cent, rate and time left."""
    if total == 0:
        return "being prepared"
    text = f"{succeeded} of {total} objects done ({100 * succeeded // total}%), {failed} failed"
    tried = succeeded + failed
    if seconds == 0 or tried == 0:
        return text
    minutes_left = max(total - tried, 0) * seconds // tried // 60
    return f"{text}, {tried / seconds:.1f}/s, {minutes_left} min left"


def judge(job: Job, reason: str, *, empty: bool) -> Verdict:
    """Return what the end of a job means: Complete alone does not mean success.

    reason: what S3 says about a job that failed. empty: whether the bucket was proved empty.
    """
    nothing_found = job.total == 0 and job.failed == 0
    no_keys = job.status == "Failed" and nothing_found and NO_KEYS in reason
    if empty and nothing_found and (job.status == "Complete" or no_keys):
        return Verdict(good=True, text="there was nothing to replicate")
    if job.status == "Complete":
        return judge_counts(job)
    if no_keys:
        return failure(f"{reason} (all archived, COMPLETED or outside rules?)")
    if job.status == "Failed":
        return failure(reason or "S3 gives no reason")
    if job.status == "lost":
        return failure("S3 no longer lists this job; its result is unknown")
    return failure(f"the job is {job.status}. {reason}".strip())


def judge_counts(job: Job) -> Verdict:
    """Return what the counts of a job mean that is Complete, of a bucket that is not empty."""
    if job.failed > 0:
        return failure(f"{job.failed} of {job.total} objects were not replicated")
    if job.total == 0:
        return failure("nothing was replicated, and the bucket is not empty")
    if job.succeeded != job.total:
        return failure(f"S3 accounts for {job.succeeded} of {job.total} objects only")
    return Verdict(good=True, text=f"{job.total} objects")


def failure(text: str) -> Verdict:
    """Return the verdict on a job that has not replicated what it should."""
    return Verdict(good=False, text=text)


def reason_of(bucket: str) -> str:
    """Return what S3 says about a job that failed, or why it does not say so."""
    folder = Path("buckets", bucket)
    failed = folder / "description.failed"
    if failed.exists():
        return one_line(failed.read_text(encoding="utf-8", errors="replace"))
    if not (folder / "description").exists():
        return ""
    job = json.loads((folder / "description").read_text(encoding="utf-8")).get("Job") or {}
    reasons = [one.get("FailureReason") for one in job.get("FailureReasons") or []]
    return one_line(" ".join(filter(None, [*reasons, job.get("StatusUpdateReason")])))


def one_line(text: str) -> str:
    """Return a text from outside as one line."""
    return " ".join(text.split()).encode("utf-8", "replace").decode("utf-8")


def pairs(name: str) -> dict[str, str]:
    """Return a file of two words a line; empty if there is none."""
    file = Path(name)
    if not file.exists():
        return {}
    with file.open(encoding="utf-8") as lines:
        return dict(line.split() for line in lines)


def known_jobs() -> dict[str, Job]:
    """Return the jobs that were created just now, and those that the last "read" has written.

    A job exists from its creation, also if S3 cannot be asked for a list.
    """
    created = {bucket: Job(bucket, job_id) for bucket, job_id in pairs("created").items()}
    file = Path("jobs")
    records = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return {**created, **{record["bucket"]: Job(**record) for record in records}}


def read(run: str) -> None:
    """Bring the file of the run's jobs up to date."""
    with Path("pages").open(encoding="utf-8") as lines:
        listed = listed_jobs(map(json.loads, lines), run, pairs("tokens"))
    jobs = updated(known_jobs(), listed)
    text = json.dumps([asdict(job) for job in jobs.values()])
    Path("jobs").write_text(text, encoding="utf-8")


def main(command: str, *arguments: str) -> None:
    """Do what the command says; print its answer."""
    jobs = known_jobs()
    empty = set(Path("empty").read_text(encoding="utf-8").split())
    if command == "read":
        read(*arguments)
    elif command == "plan":
        set_digest, *buckets = arguments
        for bucket, decision in plan(buckets, jobs, empty, set_digest).items():
            sys.stdout.write(f"{decision} {bucket}\n")
    elif command == "progress":
        sys.stdout.writelines(f"{line}\n" for line in progress(jobs.values()))
    elif command == "failed":
        for job in jobs.values():
            if job.status in FAILED:
                sys.stdout.write(f"{job.bucket} {job.job_id} {job.status}\n")
    elif command == "judge":
        for job in jobs.values():
            verdict = judge(job, reason_of(job.bucket), empty=job.bucket in empty)
            outcome = "done" if verdict.good else "failed"
            words = (outcome, job.bucket, job.job_id, str(job.succeeded), job.ended, verdict.text)
            sys.stdout.write(f"{' '.join(words)}\n")
    else:
        sys.exit(f"there is no command {command}")


if __name__ == "__main__":
    main(*sys.argv[1:])
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
