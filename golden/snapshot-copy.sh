(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    a61bd06858bbf6a1866c383703630f92b1fd0e0469239e0f0439ca94cdb7ee40\ \ -)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" snapshot-copy \
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
# codeocean-cmdgen snapshot-copy: copy the EBS and the RDS recovery point to the target's vault
#
# Run in:   AWS CloudShell, in the backup account.
# Changes:  backup start-copy-job   adds a copy of each of the two to the destination vault, and
#                                   changes neither
# Takes:    a minute to check and start. The copies then run in AWS for minutes to hours, without
#           this shell. AWS Backup reports no progress and promises no duration.
# Costs:    storage of the copies until they expire, and transfer between Regions.
# Again:    finds the copies of these recovery points, and follows them or reports when they were
#           completed. It starts only a copy that failed. Runs other than the first one find their
#           copies in a record in the home folder, ~/.codeocean-cmdgen.
# Killed:   leaves copies that continue. AWS Backup lists them, so the next paste finds them.
# Undo:     delete the copies in the destination vault, if it is not locked.
# Done if:  AWS Backup reports both jobs as COMPLETED, and names the two new recovery points.
# Settings: PLAN=1 shows what would change, and changes nothing.
#           WATCH=0 starts the work, does not wait for it, and ends with exit code 4.

values() {
  # text of this release: sha256 e3582c179890dbf15c187aae908710fabb506fdd470ad095eb6ab3901630e26a
  # the step
  STEP=snapshot-copy
  # from deployment file [backup]
  ACCOUNT_ID=222222222222
  REGION=us-east-1
  BACKUP_VAULT_NAME=codeocean-backup-v1
  EBS_SNAPSHOT_ARN=arn:aws:ec2:us-east-1::snapshot/snap-0123456789abcdef0
  RDS_SNAPSHOT_ARN=arn:aws:rds:us-east-1:222222222222:snapshot:awsbackup:copyjob-11111111-2222-3333-4444-555555555555
  # from deployment file [target]
  DESTINATION_VAULT_ARN=arn:aws:backup:us-east-1:333333333333:backup-vault:codeocean-v1
  # from deployment file [backup.snapshot-copy]
  ROLE_ARN=arn:aws:iam::222222222222:role/service-role/AWSBackupDefaultServiceRole
  # by default
  RETENTION_DAYS=14
  RUN=first
  # made from the values above and the options
  PARTITION=aws
}

main() {
  values
  read_settings "$@"
  check_programs aws date grep jq sed sha256sum sort tail
  check_account
  initialize_jobs copy copies
  initialize_recovery_points
  list_copy_jobs
  check_vault
  find_copies
  stop_if_undecided
  check_before_start
  report_jobs "${DESTINATION_VAULT_ARN}"
  if [[ ${PLAN} == 1 ]]; then
    finish_jobs_plan
  fi
  record_followed_copies
  start_missing_jobs
  watch_both_jobs
  record_copies
  suggest_two_hops "${reason[RDS]}"
  judge_both_jobs
  report_result
}

# What is known about the two recovery points, by EBS and RDS:
#   origin      the one that is copied: its ARN
#   created     when that was created, in seconds; 0 if it no longer exists
#   created_at  the same as text
#   undecided   completed jobs that another run, or this one, may have started
initialize_recovery_points() {
  local unknown='not known here: see the CreationDate of the copy'
  declare -gA origin=([EBS]=${EBS_SNAPSHOT_ARN} [RDS]=${RDS_SNAPSHOT_ARN})
  declare -gA created=([EBS]=0 [RDS]=0)
  declare -gA created_at=([EBS]=${unknown} [RDS]=${unknown})
  declare -gA undecided=([EBS]='' [RDS]='')
  minute=60
  hour=3600
  day=86400
  now=$(date +%s)
}

# Writes the copy jobs of the last 30 days into the destination vault to the file "jobs".
list_copy_jobs() {
  if ! list_jobs; then
    stop "cannot list the copy jobs: ${aws_error}. Paste the script again."
  fi
  # What cannot be read must not count as "none": it would start another copy.
  if ! jq --exit-status '.CopyJobs | arrays' jobs >is_list; then
    stop 'AWS Backup answered with something that is not a list of copy jobs.' \
      'Paste the script again.'
  fi
}

list_jobs() {
  ask jobs aws backup list-copy-jobs \
    --region "${REGION}" \
    --by-destination-vault-arn "${DESTINATION_VAULT_ARN}"
}

check_vault() {
  if ! ask vault aws backup describe-backup-vault \
    --region "${REGION}" \
    --backup-vault-name "${BACKUP_VAULT_NAME}"; then
    stop_not_shown "vault ${BACKUP_VAULT_NAME}"
  fi
}

find_copies() {
  local kind
  for kind in EBS RDS; do
    find_copy "${kind}"
    check_recovery_point "${kind}"
  done
}

# Sets job to the copy of this run, or to nothing. Copy jobs have no name. So the first run takes
# every copy of the recovery point into this vault as its own. A later run takes those that have not
# ended yet, and those that it recorded. Without a record, it cannot tell whether it has started
# those that are completed: sets undecided to these.
find_copy() { # EBS|RDS
  open_record "$1"
  if find_in_run_record completed; then
    # AWS Backup lists a job for 30 days. The record keeps it for longer.
    read -r "job[$1]" "completed[$1]" "result[$1]" "created_at[$1]" <<<"${recorded}"
    state[$1]=COMPLETED
    return
  fi
  job[$1]=$(jq --raw-output \
    --arg recovery_point "${origin[$1]}" \
    --arg run "${RUN}" \
    --arg recorded "${run_record}" '
    [ .CopyJobs[]
      | select(.SourceRecoveryPointArn == $recovery_point)
      | select(.State | IN("PARTIAL", "FAILED", "ABORTED", "EXPIRED") | not)
      | select(.State != "COMPLETED" or $run == "first" or (.CopyJobId | inside($recorded)))
    ]
    | max_by(.CreationDate).CopyJobId // ""' jobs)
  if [[ ${job[$1]} == '' ]]; then
    find_unlisted_copy "$1"
  fi
  if [[ ${job[$1]} == '' && ${RUN} != first && ${run_record} == '' ]]; then
    list_undecided "$1"
  fi
}

# A job that this run has recorded may be listed late. If it is listed by now, it has failed.
find_unlisted_copy() { # EBS|RDS
  find_recorded_job "$1"
  if jq --exit-status --arg job "${job[$1]}" '
    any(.CopyJobs[]; .CopyJobId == $job)' jobs >has_failed; then
    job[$1]=''
  fi
}

# Each recovery point has its own record, so a copy is found again even if the script is generated
# again with another one of the other kind.
open_record() { # EBS|RDS
  read_run_record "${BACKUP_VAULT_NAME}" "${origin[$1]}" "${DESTINATION_VAULT_ARN}" \
    "${ROLE_ARN}" "${RETENTION_DAYS}"
}

# What another run has recorded in this home folder is its own.
list_undecided() { # EBS|RDS
  local completed_job ended
  jq --raw-output --arg recovery_point "${origin[$1]}" '
    .CopyJobs[]
    | select(.SourceRecoveryPointArn == $recovery_point and .State == "COMPLETED")
    | "\(.CopyJobId) \(.CompletionDate)"' jobs >completed_jobs
  while read -r completed_job ended; do
    if ! grep --quiet --no-messages --extended-regexp --directories=skip \
      "^(started|completed) ${completed_job}( |$)" "${run_record_file%/*}"/*; then
      undecided[$1]+=" ${completed_job} (${ended})"
    fi
  done <completed_jobs
}

# Checks that a recovery point can be copied: it is complete, of its kind, and expires after the
# copy. If it was copied already, it may have expired since.
check_recovery_point() { # EBS|RDS
  local type status creation_date expires
  if ! ask point aws backup describe-recovery-point \
    --region "${REGION}" \
    --backup-vault-name "${BACKUP_VAULT_NAME}" \
    --recovery-point-arn "${origin[$1]}"; then
    if [[ ${job[$1]} != '' ]]; then
      return
    fi
    stop_not_shown "recovery point ${origin[$1]} in vault ${BACKUP_VAULT_NAME}"
  fi
  type=$(jq --raw-output .ResourceType point)
  status=$(jq --raw-output .Status point)
  expires=$(jq --raw-output '.CalculatedLifecycle.DeleteAt // ""' point)
  creation_date=$(jq --raw-output .CreationDate point)
  created[$1]=$(seconds_since_1970 "${creation_date}")
  created_at[$1]=$(format_time "${creation_date}")
  say "$1 recovery point: ${origin[$1]}, ${status}, created ${created_at[$1]}"
  if [[ ${job[$1]} != '' ]]; then
    return
  fi
  if [[ ${type} != "$1" ]]; then
    add_problem "the recovery point is for ${type}; expected $1"
  fi
  # Newer releases of AWS Backup report AVAILABLE.
  if [[ ${status} != COMPLETED && ${status} != AVAILABLE ]]; then
    add_problem "the $1 recovery point is ${status}: only a COMPLETED one can be copied"
  fi
  if [[ ${expires} != '' ]]; then
    check_expiry "$1" "${expires}"
  fi
}

check_expiry() { # EBS|RDS TIME
  local seconds time
  seconds=$(seconds_since_1970 "$2")
  time=$(format_time "$2")
  if ((seconds < now + 2 * hour)); then
    add_problem "the $1 recovery point expires at ${time}, too soon for a copy: choose a later one"
  elif ((seconds < now + day)); then
    say "warning: the $1 recovery point expires at ${time}: a copy that takes longer fails"
  fi
}

# A completed copy without a record may be of this run or of another. If it is of this run, copying
# again would be a second copy. If it is of another run, it may be an old one.
stop_if_undecided() {
  if [[ ${undecided[EBS]}${undecided[RDS]} == '' ]]; then
    return
  fi
  say "completed EBS copies:${undecided[EBS]:- none}"
  say "completed RDS copies:${undecided[RDS]:- none}"
  stop "no record in this home folder shows whether run ${RUN} started the copies above. To use" \
    'them, generate the script with --run first: it reports them as its own. To copy again, paste' \
    'that script here first, which records them, and then this one.'
}

# What was copied already needs neither a role nor a recovery point.
check_before_start() {
  if [[ ${job[EBS]} == '' || ${job[RDS]} == '' ]]; then
    check_role
    check_times
    stop_if_problems 'fix the problems above and paste the script again; nothing was started'
  fi
}

check_role() {
  check_service_role backup.amazonaws.com
  if [[ ${ROLE_ARN} != */AWSBackupDefaultServiceRole ]]; then
    return
  fi
  if grep --quiet NoSuchEntity role.error; then
    say_how_to_create_the_role
  fi
}

# https://docs.aws.amazon.com/aws-backup/latest/devguide/iam-service-roles.html
say_how_to_create_the_role() {
  local trust='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": '
  trust+='{"Service": "backup.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'
  say '  The AWS Backup console creates it with the first on-demand backup. Or create it here:'
  say '    aws iam create-role --role-name AWSBackupDefaultServiceRole --path /service-role/' \
    "--assume-role-policy-document '${trust}'"
  say '    aws iam attach-role-policy --role-name AWSBackupDefaultServiceRole --policy-arn' \
    "arn:${PARTITION}:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
}

# A volume and a database of two different backups do not fit together. The two jobs of one plan
# start at most 120 minutes apart.
check_times() {
  local gap=$((created[EBS] - created[RDS]))
  gap=${gap#-}
  if ((created[EBS] > 0 && created[RDS] > 0 && gap > 135 * minute)); then
    say "warning: the two were created $((gap / minute)) minutes apart, and those of one backup" \
      'plan are at most 135: make sure that they belong together'
  fi
}

# Records the copies that this run follows: once one is completed, nothing else shows that it is
# this run's.
record_followed_copies() {
  local kind
  for kind in EBS RDS; do
    open_record "${kind}"
    if [[ ${job[${kind}]} != '' && ${run_record} != *"${job[${kind}]}"* ]]; then
      append_run_record started "${job[${kind}]}"
    fi
  done
}

# Writes the answer to the file "started".
request_job() { # EBS|RDS
  local days_until_copy days
  # Retention counts from the creation of the recovery point, not from the day of the copy.
  # https://docs.aws.amazon.com/aws-backup/latest/devguide/recov-point-create-a-copy.html
  days_until_copy=$(((now - created[$1] + day - 1) / day))
  days=$((days_until_copy + RETENTION_DAYS))
  say "$1 copy: to be kept for ${days} days, counted from the creation of the recovery point"
  record_failed_copies "$1"
  count_attempts
  if ! ask started aws backup start-copy-job \
    --region "${REGION}" \
    --source-backup-vault-name "${BACKUP_VAULT_NAME}" \
    --recovery-point-arn "${origin[$1]}" \
    --destination-backup-vault-arn "${DESTINATION_VAULT_ARN}" \
    --iam-role-arn "${ROLE_ARN}" \
    --lifecycle "DeleteAfterDays=${days}" \
    --idempotency-token "${token}-${attempt}"; then
    suggest_two_hops "${aws_error}"
    return 1
  fi
}

# A copy that has failed may be one of this run that it has not recorded.
record_failed_copies() { # EBS|RDS
  local failed_job ended
  jq --raw-output --arg recovery_point "${origin[$1]}" '
    .CopyJobs[]
    | select(.SourceRecoveryPointArn == $recovery_point and .State != "COMPLETED")
    | "\(.CopyJobId) \(.State): \(.StatusMessage // "" | gsub("\n"; " "))"' jobs >failed_jobs
  while read -r failed_job ended; do
    say "$1 copy: an earlier one ended ${ended}"
    if [[ ${run_record} != *"failed ${failed_job}"* ]]; then
      append_run_record failed "${failed_job}"
    fi
  done <failed_jobs
}

describe_job() { # EBS|RDS
  ask answer aws backup describe-copy-job \
    --region "${REGION}" \
    --copy-job-id "${job[$1]}"
}

record_copies() {
  local kind
  for kind in EBS RDS; do
    if is_job_successful "${kind}"; then
      record_copy "${kind}"
    fi
  done
}

record_copy() { # EBS|RDS
  local seconds
  seconds=$(seconds_since_1970 "${completed[$1]}")
  if ((now >= seconds + RETENTION_DAYS * day)); then
    say "warning: the $1 copy was to be kept ${RETENTION_DAYS} days, which are over. It may have" \
      'expired. To copy again, use a new --run.'
  fi
  open_record "$1"
  if ! find_in_run_record completed; then
    append_run_record completed "${job[$1]}" "${completed[$1]}" "${result[$1]}" "${created_at[$1]}"
  fi
}

# https://repost.aws/knowledge-center/backup-troubleshoot-cross-account-copy
suggest_two_hops() { # MESSAGE_OF_AWS
  if [[ $1 != *'not supported for provided resource type'* ]]; then
    return
  fi
  say '  Here AWS copies an RDS recovery point to another account or to another Region, but not' \
    'to both at once. Copy it in two hops, with a script of snapshot-copy for each. The first' \
    'goes to a vault of this account in the Region of the target, with a customer managed key' \
    "that the target may use. The second goes from there to ${DESTINATION_VAULT_ARN}."
}

report_result() {
  print_result "EBS recovery point:  ${result[EBS]}"
  print_result "EBS creation time:   ${created_at[EBS]}"
  print_result "RDS recovery point:  ${result[RDS]}"
  finish "both were copied to ${DESTINATION_VAULT_ARN}" \
    "(EBS completed ${completed[EBS]}, RDS completed ${completed[RDS]}; not checked since)"
}

# ---- Parts, which several scripts of this release have: review each once.

# ---- Part run_record, sha256 fca5860c94b48cb6b0bc1f133cc08eb85374fee0ee5145d970604fc19a7af36c

# A file in the home folder records what this run has done. Its name is a digest of what makes
# the work the same work: step, values, run. The token is that digest too: if the file is lost, the
# token still finds what was started. Sets token, run_record_file, and run_record to its contents.
read_run_record() { # VALUE...
  token=$(printf '%s\n' "${STEP}" "${ACCOUNT_ID}" "${REGION}" "$@" "${RUN}" | sha256sum)
  token=${token:0:32}
  run_record_file=~/.codeocean-cmdgen/${token}
  run_record=$(cat "${run_record_file}" 2>/dev/null)
}

append_run_record() { # KEY TEXT...
  run_record+=$'\n'$*
  if ! { mkdir -p "${run_record_file%/*}" && echo "$*" >>"${run_record_file}"; } 2>/dev/null; then
    say "warning: cannot write ${run_record_file}:" \
      'a later paste will not know what this one has done'
  fi
}

# Sets recorded to what this run recorded last under a key. Fails if there is nothing.
find_in_run_record() { # KEY
  recorded=$(sed --quiet "s/^$1 //p" <<<"${run_record}" | tail --lines=1)
  [[ ${recorded} != '' ]]
}

# ---- Part time, sha256 941904413e573eb0ab47935762f32455ecced59e6ed5de69d2b4bbb1d6e40c24

# Prints a time in an answer as ISO 8601 in UTC.
format_time() { # TIME
  local seconds
  seconds=$(seconds_since_1970 "$1")
  date --date="@${seconds}" --iso-8601=seconds
}

# The AWS CLI prints ISO 8601, or a number if its configuration says cli_timestamp_format = wire.
seconds_since_1970() { # TIME
  local text=$1
  if [[ ${text} != *-* ]]; then
    text="@${text}"
  fi
  date --date="${text}" +%s
}

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

# ---- Part two_jobs, sha256 919d9706153c0fd67e0df50dc197804ab6da0739b3290e2a8d75509e19215ca1

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

# ---- Part aws_errors, sha256 dda4c1c7582f452556593f79c8ae49ef12dd12c8c8ceb7ad6fa72b36dbf320a9

# Stops because AWS does not show what this account and Region must have. An error that passes
# proves nothing about the place.
stop_not_shown() { # WHAT
  if is_temporary; then
    stop "cannot describe $1: ${aws_error}. Paste the script again."
  fi
  stop_wrong_place "cannot describe $1 in account ${ACCOUNT_ID}, ${REGION}: ${aws_error}"
}

# Succeeds if AWS has refused the last request for good. Such a request uses up its token, and the
# next one needs another. An error that passes, or no answer at all, proves nothing: the request may
# have been carried out, and the same token finds what it started. Neither does an answer without a
# body, for which the AWS CLI shows the HTTP status as the code, or no code.
# https://docs.aws.amazon.com/aws-backup/latest/devguide/CommonErrors.html
is_refused() {
  if [[ ${aws_error} != *'An error occurred ('[a-zA-Z]* ]]; then
    return 1
  fi
  ! is_temporary
}

# Succeeds if the last error of AWS passes: too many requests, or a fault of AWS.
is_temporary() {
  local code=${aws_error#*An error occurred (}
  code=${code%%)*}
  [[ ${code} == @(*Throttl*|*Unavailable*|*Timeout*|Internal*|*LimitExceeded|TooMany*|SlowDown) ||
    ${code} == 5[0-9][0-9] ]]
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
