(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    e1522e7cda74bdf8831925c1dd34749df7ed1249eb0f3b08614f68e35910b305*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" s3-batch-replication \
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
# codeocean-cmdgen s3-batch-replication: replicate the objects that are already in the buckets
#
# Where:   AWS CloudShell of the account that owns the buckets copied from.
# Changes: creates a job per bucket that is not empty: replicas, delete markers too, go where its
#          replication rules point. No version is deleted; what is PENDING is left alone.
# Takes:   a minute to start; the jobs run in S3 for minutes to days, without this shell.
# Costs:   about 0.25 USD a job and 1 USD a million objects, requests, transfer, retrieval.
# Again:   follows the jobs of this run or says how they ended, and creates only what was never
#          created. S3 forgets a job 90 days after its end: then take a new --run.
# Set:     PLAN=1 looks only, WATCH=0 starts and returns.

values() {
  # from stack.json
  ACCOUNT_ID=111111111111
  REGION=us-east-1
  ROLE_ARN=arn:aws:iam::111111111111:role/codeocean-S3BackupRole-1ABC
  BUCKET_ARN=(
    arn:aws:s3:::codeocean-source-capsules
    arn:aws:s3:::codeocean-source-datasets
    arn:aws:s3:::codeocean-source-dockerregistry
    arn:aws:s3:::codeocean-source-inputfiles
    arn:aws:s3:::codeocean-source-licenses
    arn:aws:s3:::codeocean-source-mlflow
    arn:aws:s3:::codeocean-source-packages
    arn:aws:s3:::codeocean-source-public
    arn:aws:s3:::codeocean-source-results
  )
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

# Says something, below the progress: ${line_end} ends its line.
say() { printf '%b%s\n' "${line_end}" "$*" >&2 && line_end=''; }

# Both end the script, with the reason (EXIT_CODE TEXT...) or the outcome (TEXT...), even if
# nothing can be written. One line each: who pastes the end of this text keeps the shell.
stop() { say "stopped: ${*:2}" || true && exit "$1"; }
finish() { printf '%b' "${line_end}" >&2 || true && echo "${*:1}" || exit 1 && exit; }

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

# Names a problem and goes on, so that all of them are told at once.
problems=0
problem() { problems=$((problems + 1)) && say "problem: $*"; }

# Looks whether the service can assume the role. Who may not see roles is only warned.
look_at_role() { # SERVICE_PRINCIPAL
  local name=${ROLE_ARN##*/} role
  if ask role aws iam get-role --region "${REGION}" --role-name "${name}"; then
    role=$(jq --raw-output '.Role | "\(.Arn) \(.AssumeRolePolicyDocument)"' role)
    [[ ${role%% *} == "${ROLE_ARN}" ]] || problem "role ${name} is ${role%% *}, not ${ROLE_ARN}"
    [[ ${role} == *"$1"* ]] || problem "role ${name} does not trust $1, which must assume it"
  elif [[ ${complaint} == *NoSuchEntity* ]]; then
    problem "role ${name} does not exist in account ${ACCOUNT_ID}"
  else
    say "warning: role ${name} could not be looked at: ${complaint}"
  fi
}

missing=() watched=() planned=0 objects=0 last=''
declare -A empty=() token=() row=() unseen=()

# Puts a question about a bucket to S3; what goes unanswered becomes a finding of that kind.
ask_bucket() { # BUCKET KIND OPERATION [OPTION...]
  ask "$3" aws s3api "$3" \
    --region "${REGION}" \
    --bucket "$1" \
    --expected-bucket-owner "${ACCOUNT_ID}" \
    "${@:4}" && return
  [[ ${complaint} == *NoSuchLifecycle* || ${complaint} == *EncryptionConfigurationNotFound* ]] ||
    echo "$2: ${complaint}"
  return 1
}

# Writes down what there is to know about a bucket, a finding a line.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-batch.html
look_at_bucket() ( # BUCKET
  mkdir "$1" && cd "$1" && exec >findings || return
  ask_bucket "$1" elsewhere get-bucket-location || return
  region=$(jq --raw-output '.LocationConstraint // "us-east-1" | sub("^EU$"; "eu-west-1")' \
    get-bucket-location)
  [[ ${region} == "${REGION}" ]] ||
    { echo "elsewhere: the bucket is in Region ${region}, not ${REGION}" && return; }
  ask_bucket "$1" problem get-bucket-versioning || return
  ask_bucket "$1" problem get-bucket-replication || return
  # One version or delete marker proves that a bucket is not empty.
  ask_bucket "$1" problem list-object-versions --no-paginate --max-keys 1 || return
  ask_bucket "$1" warning get-bucket-lifecycle-configuration
  ask_bucket "$1" warning get-bucket-encryption
  jq --slurp --raw-output --arg account "${ACCOUNT_ID}" '
    add // {}
    | [.ReplicationConfiguration.Rules[]? | select(.Status == "Enabled")] as $rules
    | (.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm
        // "" | startswith("aws:kms")) as $kms
    | [$rules[] | select(.SourceSelectionCriteria.SseKmsEncryptedObjects.Status == "Enabled")
        | .Destination] as $kms_destinations
    # An alias is resolved in the account of the caller, and aws/s3 cannot be shared.
    | [$kms_destinations[] | (.EncryptionConfiguration.ReplicaKmsKeyID // "") as $key
        | select($key | contains("alias/"))
        | select(($key / ":")[4] // .Account // $account | . != $account) | $key] as $aliases
    | [.Rules[]? | select(.Status == "Enabled" and (.Expiration or .NoncurrentVersionExpiration
        or any(.Transitions[]?, .NoncurrentVersionTransitions[]?;
          .StorageClass == "GLACIER" or .StorageClass == "DEEP_ARCHIVE"))) | .ID] as $lifecycle
    | "seen: \(if [.Versions[]?, .DeleteMarkers[]?] == [] and .IsTruncated == false then "empty"
        else "not empty" end), goes to \([$rules[].Destination.Bucket] | unique | join(" and "))",
      (select(.Status != "Enabled")
        | "problem: versioning is not enabled; S3 replicates versioned buckets only"),
      (select($rules == []) | "problem: no replication rule is enabled that says where to"),
      (select($rules != [] and all($rules[] | {Prefix} + .Filter; .Tag or .And or .Prefix > ""))
        | "warning: the rules replicate only what has their prefix or tags; the rest stays behind"),
      (select($lifecycle != []) | "warning: lifecycle rules may remove versions and delete markers "
        + "while the job runs, and what they archived is left out: \($lifecycle | join(", "))"),
      (select($kms and $kms_destinations == [])
        | "warning: objects are encrypted with SSE-KMS by default, which no rule replicates"),
      ($aliases[:1][] | if $kms then "warning: objects are encrypted with SSE-KMS by default and "
        else "note: objects uploaded with SSE-KMS " end + "will fail: \(.) cannot cross accounts")
  ' get-bucket-{versioning,replication,lifecycle-configuration,encryption} list-object-versions
)

look() {
  local bucket running=0 findings=("${buckets[@]/%//findings}")
  for bucket in "${buckets[@]}"; do
    ((running++ < 8)) || wait -n # CloudShell has one processor and 2 GiB
    look_at_bucket "${bucket}" &
  done
  wait
  for bucket in "${buckets[@]}"; do
    sed "/^note:/d; s/^/${bucket}: /" "${bucket}/findings" >&2
    grep --quiet --extended-regexp '^(seen|problem|elsewhere):' "${bucket}/findings" ||
      problem "${bucket}: could not be looked at"
    ! grep --quiet '^seen: empty' "${bucket}/findings" || empty[${bucket}]=empty
  done
  sort --unique "${findings[@]}" | grep '^note:' >&2
  look_at_role batchoperations.s3.amazonaws.com
  ! grep --quiet '^elsewhere:' "${findings[@]}" ||
    stop 3 "not all were seen to be buckets of account ${ACCOUNT_ID} in ${REGION}; nothing started"
  ! grep --quiet '^problem:' "${findings[@]}" || problems=1
  ((problems == 0)) || stop 1 'mend the problems above; nothing was started'
}

# Reads the jobs of this run. S3 lists a job's description but not its bucket, so the description
# names it. Jobs stay listed until 90 days after their end. list-jobs does not page by itself.
read_jobs() {
  local next='' bucket set id_token status
  : >jobs.list
  while
    ask page aws s3control list-jobs \
      --region "${REGION}" \
      --account-id "${ACCOUNT_ID}" \
      --max-results 1000 \
      ${next:+--next-token "${next}"} || return
    jq --raw-output --arg run "${RUN}" '.Jobs[] | . as $job | .Description // ""
      | capture("^codeocean-cmdgen s3-batch-replication run=(?<run>[^ ]+) bucket=(?<bucket>[^ ]+) "
        + "set=(?<set>[0-9a-f]{8}:[1-9][0-9]*) token=(?<token>[^ ]+)$") | select(.run == $run)
      | [.bucket, .set, .token, $job.JobId, $job.Status, ($job.ProgressSummary
        | .TotalNumberOfTasks, .NumberOfTasksSucceeded, .NumberOfTasksFailed,
          .Timers.ElapsedTimeInActiveSeconds | . // 0),
        ($job.TerminationDate // "-" | tostring | sub("[.][0-9]+"; ""))]
      | join(" ")' page >>jobs.list || return
    next=$(jq --raw-output '.NextToken // ""' page)
    [[ ${next} != '' ]]
  do :; done
  while read -r bucket set id_token status; do
    [[ ${id_token} == "${token[${bucket}]-}" ]] || continue
    row[${bucket}]=${status} unseen[${bucket}]=0
    [[ ${set%:*} != "${set_digest}" ]] || ((${set#*:} <= planned)) || planned=${set#*:}
  done <jobs.list
}

# Decides for each bucket: follow its job, create one, or leave it.
decide() {
  local bucket
  for bucket in "${buckets[@]}"; do
    [[ ${row[${bucket}]-} == '' ]] || watched+=("${bucket}")
    [[ "${row[${bucket}]-}${empty[${bucket}]-}" != '' ]] || missing+=("${bucket}")
  done
  # All jobs of the run were created: a bucket without one was empty then.
  if ((planned > 0 && ${#watched[@]} >= planned && ${#missing[@]} > 0)); then
    say "left out, as they were empty when run ${RUN} began: ${missing[*]}"
    missing=()
  fi
  planned=$((${#watched[@]} + ${#missing[@]}))
}

create_job() { # BUCKET
  local manifest id description="codeocean-cmdgen s3-batch-replication run=${RUN} bucket=$1"
  manifest=$(jq --arg owner "${ACCOUNT_ID}" --arg arn "arn:${PARTITION}:s3:::$1" \
    '{S3JobManifestGenerator: {SourceBucket: $arn, ExpectedBucketOwner: $owner,
      EnableManifestOutput: false, Filter: .}}' <<<"${FILTER}")
  if ask create-job aws s3control create-job \
    --region "${REGION}" \
    --account-id "${ACCOUNT_ID}" \
    --operation '{"S3ReplicateObject": {}}' \
    --manifest-generator "${manifest}" \
    --report "${REPORT}" \
    --priority 10 \
    --role-arn "${ROLE_ARN}" \
    --description "${description} set=${set_digest}:${planned} token=${token[$1]}" \
    --client-request-token "${token[$1]}" \
    --no-confirmation-required; then
    id=$(jq --raw-output .JobId create-job)
    watched+=("$1") row[$1]="${id} New 0 0 0 0 -" unseen[$1]=0
    say "$1: created job ${id}"
  else
    problem "$1: no job was created: ${complaint}"
  fi
}

# Prints a line for each job that runs, each behind a summary of all.
progress() {
  local bucket
  for bucket in "${watched[@]}"; do echo "${bucket} ${row[${bucket}]}"; done | awk '
    function done(all, good, bad, seconds, rate) {
      if (all == 0) return "being prepared"
      rate = seconds > 0 ? (good + bad) / seconds : 0
      return sprintf("%d of %d objects done (%d%%), %d failed", good, all, 100 * good / all, bad) \
        (rate > 0 ? sprintf(", %.1f/s, %d min left", rate, (all - good - bad) / rate / 60) : "")
    }
    { all += $4; good += $5; bad += $6; if ($7 > sec) sec = $7 }
    $3 ~ /^(New|Preparing)$/ { more = "; more to come" }
    $3 ~ /^(Failed|Cancelled|lost)$/ { ill = ill $1 " ended " $3 "; " }
    !($3 ~ /^(Complete|Failed|Cancelled|lost)$/) { runs[n++] = $1 " " $3 ", " done($4, $5, $6, $7) }
    END { for (i = 0; i < n; i++) print ill "all: " done(all, good, bad, sec) more "\n" runs[i] }'
}

watch_jobs() {
  local bucket turn=0 misses=0 lines
  while true; do
    if read_jobs; then misses=0; else misses=$((misses + 1)); fi
    ((misses < 5)) || stop 1 "the jobs go on, but cannot be listed: ${complaint}"
    for bucket in "${watched[@]}"; do
      ((unseen[${bucket}]++ < 10)) || row[${bucket}]="${row[${bucket}]%% *} lost 0 0 0 0 -"
    done
    progress >lines
    mapfile -t lines <lines
    ((${#lines[@]} > 0)) || break
    [[ ${WATCH} == '' || ${lines[0]} == all:* ]] || stop 1 "${lines[0]}; the others go on"
    [[ ${WATCH} == '' ]] || finish "done: started; ${lines[0]}; paste again to follow"
    show "${lines[turn++ % ${#lines[@]}]}"
    sleep 20
  done
}

# How a job may end, and what that means. Complete alone does not mean success.
verdict() { # STATUS TOTAL SUCCEEDED FAILED EMPTY REASON
  local tasks=all
  (($3 == $2)) || tasks=some
  (($2 > 0)) || tasks=none
  (($4 == 0)) || tasks=failed
  case "$1/${tasks}/$5/$6" in
  Complete/all/*) echo "done: $2 objects" ;;
  Complete/none/empty/* | Failed/none/empty/*'found no keys'*) echo 'done: nothing was there' ;;
  Failed/none/*'found no keys'*) echo "failed: $6 (all archived, COMPLETED or outside rules?)" ;;
  Complete/none/*) echo 'failed: nothing was replicated, and the bucket is not empty' ;;
  Complete/failed/*) echo "failed: $4 of $2 objects were not replicated" ;;
  Complete/*) echo "failed: S3 accounts for $3 of $2 objects only" ;;
  Failed/*) echo "failed: ${6:-S3 gives no reason}" ;;
  lost/*) echo 'failed: S3 does not list the job any more, and nobody knows how it ended' ;;
  *) echo "failed: the job is $1. $6" ;;
  esac
}

judge() { # BUCKET
  local id status all good bad end reason='' outcome
  read -r id status all good bad _ end <<<"${row[$1]}"
  if [[ ${status} == Failed || ${status} == Cancelled ]]; then
    ask describe-job aws s3control describe-job \
      --region "${REGION}" \
      --account-id "${ACCOUNT_ID}" \
      --job-id "${id}" && complaint=''
    reason=$(jq --raw-output '[.Job | .FailureReasons[]?.FailureReason, .StatusUpdateReason // ""]
      | join(" ")' describe-job)${complaint}
  fi
  outcome=$(verdict "${status}" "${all}" "${good}" "${bad}" "${empty[$1]-full}" "${reason}")
  if [[ ${outcome} == done:* ]]; then
    objects=$((objects + good))
    [[ ${last} > ${end} ]] || last=${end}
    say "$1: ${outcome}; job ${id} ended ${end}"
  else
    problem "$1: ${outcome#failed: } (job ${id})"
  fi
}

main() {
  local bucket
  values
  settings "$@"
  guard
  buckets=("${BUCKET_ARN[@]##*:}")
  set_digest=$(printf '%s\n' "${buckets[@]}" | sha256sum | cut --bytes=1-8)
  look
  for bucket in "${buckets[@]}"; do # to another destination it is another job
    token[${bucket}]=$({ printf '%s\n' "${ACCOUNT_ID}" "${REGION}" "${bucket}" "${ROLE_ARN}" \
      "${FILTER}" "${REPORT}" "${RUN}" && sed --quiet 's/^seen: .*, goes to //p' \
      "${bucket}/findings"; } | sha256sum | cut --bytes=1-32)
  done
  read_jobs || stop 1 "the jobs cannot be listed: ${complaint}"
  decide
  [[ ${PLAN} == '' ]] || finish "plan: create ${#missing[@]} jobs (${missing[*]})"
  for bucket in "${missing[@]}"; do create_job "${bucket}"; done
  ((problems == 0)) || stop 1 'mend the problems above and paste again; the other jobs go on'
  watch_jobs
  for bucket in "${watched[@]}"; do judge "${bucket}"; done
  jq --raw-output 'select(.Enabled)
    | "reports: s3://\(.Bucket / ":" | last)/\(.Prefix)/job-ID/manifest.json"' <<<"${REPORT}" >&2
  ((problems == 0)) || stop 1 'not all is replicated; when mended, generate for these buckets' \
    'with a new --run, and with --report-bucket-arn to learn which objects failed and why'
  finish "done: ${objects} objects in ${#watched[@]} buckets were replicated${last:+ by ${last}};" \
    "empty buckets: ${#empty[@]}"
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
