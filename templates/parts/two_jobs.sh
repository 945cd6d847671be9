<#
# Values: ROLE_ARN
# Calls: append_run_record, format_time, list_jobs, open_record, request_job
# Reads: completed, job, origin, reason, recorded, result, run_record, run_record_file, state,
#   unanswered
# Sets: attempt, noun, plural, work_continues
#>
# What is known about the two jobs of this run, by EBS (data volume) and RDS (database):
#   job         its ID; empty until one is found or started
#   state       its state as AWS Backup calls it; "started" until AWS Backup reports one, LOST if
#               AWS Backup does not find the job
#   reason      why AWS Backup says that it failed
#   result      the recovery point that it has created: its ARN
#   completed   when it was completed
#   unanswered  how often in a row AWS Backup did not describe it
# Each job is one "backup" or "copy" of what the step has put into origin: noun, and its plural.
initialize_jobs() { # NOUN PLURAL
  noun=$1
  plural=$2
  declare -gA job=([EBS]='' [RDS]='')
  declare -gA state=([EBS]=started [RDS]=started)
  declare -gA reason=([EBS]='' [RDS]='')
  declare -gA result=([EBS]='' [RDS]='')
  declare -gA completed=([EBS]='' [RDS]='')
  declare -gA unanswered=([EBS]=0 [RDS]=0)
}

# Sets job to the one that this run has recorded, unless that has failed.
find_recorded_job() { # EBS|RDS
  open_record "$1"
  if find_in_run_record started && [[ ${run_record} != *"failed ${recorded}"* ]]; then
    job[$1]=${recorded}
  fi
}

report_jobs() { # VAULT
  local kind
  for kind in EBS RDS; do
    if [[ ${job[${kind}]} != '' ]]; then
      say "${kind} ${noun}: found job ${job[${kind}]}"
    else
      say "${kind} ${noun}: to be started, of ${origin[${kind}]}, into $1"
    fi
  done
}

finish_jobs_plan() {
  local kind number=0
  for kind in EBS RDS; do
    if [[ ${job[${kind}]} == '' ]]; then
      number=$((number + 1))
    fi
  done
  finish_plan "would start ${number} ${plural}; nothing was changed"
}

start_missing_jobs() {
  local kind
  for kind in EBS RDS; do
    if [[ ${job[${kind}]} == '' ]]; then
      start_job "${kind}"
    fi
    if [[ ${job[${kind}]} != '' ]] && is_job_running "${kind}"; then
      work_continues=yes
    fi
  done
  stop_if_problems 'fix the problems above and paste the script again.' \
    "A ${noun} that was started continues."
}

start_job() { # EBS|RDS
  open_record "$1"
  if ! request_job "$1"; then
    if is_refused; then
      append_run_record rejected
    fi
    add_problem "the $1 ${noun} was not started: ${aws_error}"
    return
  fi
  job[$1]=$(jq --raw-output '.BackupJobId // .CopyJobId // ""' started)
  if [[ ${job[$1]} == '' ]]; then
    find_job_of_token "$1"
  fi
  if [[ ${job[$1]} != '' ]]; then
    append_run_record started "${job[$1]}"
    say "$1 ${noun}: started, job ${job[$1]}"
  fi
}

# AWS may answer a repeated token without a job ID: then an earlier request of this run has started
# the job. Sets job to it if it is the only one on demand, with this role, that no record names. A
# new job may be listed late.
find_job_of_token() { # EBS|RDS
  local recorded_jobs unnamed_jobs
  sleep 60
  if ! list_jobs; then
    add_problem "AWS Backup did not name the $1 ${noun} job, and cannot list it: ${aws_error}"
    return
  fi
  recorded_jobs=$(grep --no-filename --no-messages --directories=skip '^started ' \
    "${run_record_file%/*}"/*)
  unnamed_jobs=$(jq --raw-output --arg origin "${origin[$1]}" --arg role "${ROLE_ARN}" \
    --arg recorded "${recorded_jobs}" '
    [ (.CopyJobs // .BackupJobs)[]
      | select((.SourceRecoveryPointArn // .ResourceArn) == $origin)
      | select(.IamRoleArn == $role and .CreatedBy == null)
      | .CopyJobId // .BackupJobId
      | select(inside($recorded) | not)
    ]
    | join(" ")' jobs)
  if [[ ${unnamed_jobs} == '' || ${unnamed_jobs} == *' '* ]]; then
    add_problem "AWS Backup did not name the $1 ${noun} job, and the list does not show which one" \
      "it is: ${unnamed_jobs:-none}. Check AWS Backup > Jobs. For another ${noun}, use a new --run"
    return
  fi
  job[$1]=${unnamed_jobs}
  say "$1 ${noun}: an earlier request of this run was carried out"
}

# Sets attempt to the number of the next request. A request that AWS Backup refuses uses up its
# token, and so does a job that fails or is lost: the next request needs another one. AWS Backup
# lists jobs for 30 days. The record keeps them for longer.
count_attempts() {
  local unsuccessful
  unsuccessful=$(grep --count --extended-regexp '^(rejected|failed)( |$)' <<<"${run_record}")
  attempt=$((1 + unsuccessful))
}

watch_both_jobs() {
  local kind summary
  work_continues=yes
  while true; do
    for kind in EBS RDS; do
      if is_job_running "${kind}"; then
        read_job_state "${kind}"
      fi
    done
    summary="EBS ${noun} ${state[EBS]}, RDS ${noun} ${state[RDS]}"
    summary=${summary//CREATED/CREATED (waits for its turn)}
    if ! is_job_running EBS && ! is_job_running RDS; then
      break
    fi
    if [[ ${WATCH} == 0 ]]; then
      finish_unwatched "${summary}"
    fi
    show_progress "${summary}, watched for $((SECONDS / 60)) min"
    sleep 20
  done
  work_continues=no
}

# A state that is not known to be final is one in which the job still runs.
is_job_running() { # EBS|RDS
  [[ ${state[$1]} != @(LOST|COMPLETED|PARTIAL|FAILED|ABORTED|EXPIRED) ]]
}

# Sets state, reason, result and completed to what AWS Backup reports of a job. One that it does not
# find for five polls is lost. After five other errors, or one with WATCH=0, the script cannot
# follow the job.
read_job_state() { # EBS|RDS
  if describe_job "$1"; then
    unanswered[$1]=0
    jq '.CopyJob // .' answer >described_job
    state[$1]=$(jq --raw-output .State described_job)
    reason[$1]=$(jq --raw-output '.StatusMessage // ""' described_job)
    result[$1]=$(jq --raw-output '
      .DestinationRecoveryPointArn // .RecoveryPointArn // ""' described_job)
    completed[$1]=$(jq --raw-output '.CompletionDate // ""' described_job)
    if [[ ${completed[$1]} != '' ]]; then
      completed[$1]=$(format_time "${completed[$1]}")
    fi
    return
  fi
  unanswered[$1]=$((unanswered[$1] + 1))
  if [[ ${aws_error} != *NotFound* ]]; then
    if ((unanswered[$1] == 5)) || [[ ${WATCH} == 0 ]]; then
      stop "the ${plural} continue, but cannot be followed: ${aws_error}. Paste the script again."
    fi
  elif ((unanswered[$1] == 5)); then
    state[$1]=LOST
    reason[$1]="the job cannot be found, so its result is unknown: ${aws_error}"
  fi
}

# With WATCH=0 the work has started, unless a part of it has failed already.
finish_unwatched() { # STATES
  local kind
  for kind in EBS RDS; do
    if ! is_job_running "${kind}"; then
      judge_job "${kind}"
    fi
  done
  stop_if_problems "$1. Paste the script again: the other ${noun} continues."
  finish_started "$1; paste the script again to follow"
}

judge_both_jobs() {
  judge_job EBS
  judge_job RDS
  stop_if_problems "a ${noun} failed or is unknown, as reported above"
}

# How a job may end, and what that means:
#   COMPLETED, with a recovery point   done
#   COMPLETED without one              unknown; the next paste follows it again
#   LOST                               unknown; the next paste starts another
#   PARTIAL, FAILED, others            failed; the next paste starts another
judge_job() { # EBS|RDS
  if is_job_successful "$1"; then
    return
  fi
  if [[ ${state[$1]} == COMPLETED ]]; then
    add_problem "the $1 ${noun} ${job[$1]} is COMPLETED, but AWS names no recovery point." \
      "Look for it in the vault. For another ${noun}, use a new --run."
    return
  fi
  add_problem "the $1 ${noun} ${job[$1]} ended ${state[$1]}: ${reason[$1]:-AWS gives no reason}." \
    'Paste the script again to retry it.'
  open_record "$1"
  append_run_record failed "${job[$1]}"
}

is_job_successful() { # EBS|RDS
  [[ ${state[$1]} == COMPLETED && ${result[$1]} != '' ]]
}
