(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    80528287799f05d7ce6dd56d703037bdbd8e5246b8b86672d9176d7feb8eb9db*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" snapshot-copy \
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
# codeocean-cmdgen snapshot-copy: copy the EBS and the RDS recovery point to the target's vault
#
# Where:   AWS CloudShell of the backup account.
# Changes: starts two AWS Backup copy jobs; each adds one recovery point to the destination vault.
#          The recovery points copied from stay as they are.
# Takes:   a minute to look and start; the copies then run in AWS for minutes to hours, without
#          this shell. AWS gives no per cent of a copy and promises no duration.
# Costs:   storage of the copies until they expire, and transfer between Regions.
# Again:   finds the copies of these recovery points, watches them or says when they were
#          completed; starts again only a copy that failed. The rounds after the first are told
#          apart by a record in the home folder, ~/.codeocean-cmdgen.
# Set:     PLAN=1 looks only, WATCH=0 starts and returns.

values() {
  # from values file [backup]
  ACCOUNT_ID=222222222222
  REGION=us-east-1
  BACKUP_VAULT_NAME=codeocean-backup-v1
  EBS_SNAPSHOT_ARN=arn:aws:ec2:us-east-1::snapshot/snap-0123456789abcdef0
  RDS_SNAPSHOT_ARN=arn:aws:rds:us-east-1:222222222222:snapshot:awsbackup:copyjob-11111111-2222-3333-4444-555555555555
  # from values file [target]
  DESTINATION_VAULT_ARN=arn:aws:backup:us-east-1:333333333333:backup-vault:codeocean-v1
  # from values file [backup.snapshot-copy]
  ROLE_ARN=arn:aws:iam::222222222222:role/service-role/AWSBackupDefaultServiceRole
  # by default
  RETENTION_DAYS=14
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

# Prints a result, on a line of its own too.
report() { printf '%b' "${line_end}" >&2 && line_end='' || true && echo "$*"; }

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

declare -A arn=() created=() created_at=() token=() record=() job=() state=() copy=() reason=()
declare -A completed=() missed=()
minute=60 hour=3600 day=86400

# Sets ${seconds} and ${time} from what the AWS CLI printed for a time: ISO 8601, or a number where
# its configuration says cli_timestamp_format = wire.
read_time() {
  local text=$1
  [[ ${text} == *-* ]] || text="@${text}"
  seconds=$(date --date="${text}" +%s)
  printf -v time '%(%Y-%m-%dT%H:%M:%S+00:00)T' "${seconds}"
}

# Looks at what is to be copied; a copy that was found needs no check.
look() {
  local kind gap
  if ! ask vault aws backup describe-backup-vault \
    --region "${REGION}" \
    --backup-vault-name "${BACKUP_VAULT_NAME}"; then
    stop 3 "vault ${BACKUP_VAULT_NAME} cannot be seen in account ${ACCOUNT_ID}, ${REGION}:" \
      "${complaint}"
  fi
  for kind in EBS RDS; do
    look_at_recovery_point "${kind}"
  done
  [[ ${job[EBS]} == '' || ${job[RDS]} == '' ]] || return
  look_at_role backup.amazonaws.com
  [[ ${ROLE_ARN} != */AWSBackupDefaultServiceRole || ${complaint} != *NoSuchEntity* ]] ||
    say_how_to_create_the_role
  gap=$((created[EBS] - created[RDS]))
  if ((created[EBS] > 0 && created[RDS] > 0 && ${gap#-} > 135 * minute)); then
    say "warning: the two were created $((${gap#-} / minute)) minutes apart, and one backup plan" \
      'takes 135 at most: be sure that they belong together'
  fi
  ((problems == 0)) || stop 1 'mend the problems above and paste again; nothing was started'
}

# A recovery point can be copied when it is complete, of its kind, and outlives the copy.
look_at_recovery_point() { # EBS|RDS
  local type status expires
  if ! ask "$1" aws backup describe-recovery-point \
    --region "${REGION}" \
    --backup-vault-name "${BACKUP_VAULT_NAME}" \
    --recovery-point-arn "${arn[$1]}"; then
    [[ ${job[$1]} == '' ]] || return
    stop 3 "recovery point ${arn[$1]} cannot be seen in vault ${BACKUP_VAULT_NAME} of account" \
      "${ACCOUNT_ID}, ${REGION}: ${complaint}"
  fi
  type=$(jq --raw-output .ResourceType "$1")
  status=$(jq --raw-output .Status "$1")
  expires=$(jq --raw-output '.CalculatedLifecycle.DeleteAt // ""' "$1")
  time=$(jq --raw-output .CreationDate "$1")
  read_time "${time}"
  created[$1]=${seconds} created_at[$1]=${time}
  say "$1 recovery point: ${arn[$1]}, ${status}, created ${time}"
  [[ ${job[$1]} == '' ]] || return
  [[ ${type} == "$1" ]] || problem "the $1 recovery point is one of ${type}"
  # Newer releases of AWS Backup say AVAILABLE.
  [[ ${status} == COMPLETED || ${status} == AVAILABLE ]] ||
    problem "the $1 recovery point is ${status}: only a COMPLETED one can be copied"
  [[ ${expires} != '' ]] || return
  read_time "${expires}"
  if ((seconds < now + 2 * hour)); then
    problem "the $1 recovery point expires at ${time}, too soon for a copy: choose a later one"
  elif ((seconds < now + day)); then
    say "warning: the $1 recovery point expires at ${time}: a copy that takes longer fails"
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

# Finds the copies of this run. A copy job bears no name: the first run takes every copy of the
# recovery point into this vault for its own, a later run those that still run or that it recorded.
find_copies() {
  local kind
  if ! ask jobs aws backup list-copy-jobs \
    --region "${REGION}" \
    --by-destination-vault-arn "${DESTINATION_VAULT_ARN}"; then
    stop 1 "the copy jobs cannot be listed: ${complaint}"
  fi
  for kind in EBS RDS; do
    token[${kind}]=$(printf '%s\n' snapshot-copy "${ACCOUNT_ID}" "${REGION}" \
      "${BACKUP_VAULT_NAME}" "${arn[${kind}]}" "${DESTINATION_VAULT_ARN}" "${ROLE_ARN}" \
      "${RETENTION_DAYS}" "${RUN}" | sha256sum | cut --characters=1-32)
    record[${kind}]=$(cat "${records}/${token[${kind}]}" 2>/dev/null)
    job[${kind}]=$(jq --raw-output \
      --arg arn "${arn[${kind}]}" \
      --arg run "${RUN}" \
      --arg record "${record[${kind}]}" '
      [.CopyJobs[]
        | select(.SourceRecoveryPointArn == $arn)
        | select(.State == "CREATED" or .State == "RUNNING" or (.State == "COMPLETED"
          and ($run == "first" or (.CopyJobId | inside($record)))))]
      | max_by(.CreationDate).CopyJobId // ""
    ' jobs)
    # AWS Backup lists jobs for 30 days; the record remembers a completed copy for longer.
    if [[ ${record[${kind}]} =~ completed\ ([^ ]+)\ ([^ ]+)\ ([^ ]+)\ ([^$'\n']+) ]]; then
      job[${kind}]=${BASH_REMATCH[1]} completed[${kind}]=${BASH_REMATCH[2]}
      copy[${kind}]=${BASH_REMATCH[3]} created_at[${kind}]=${BASH_REMATCH[4]}
      state[${kind}]=COMPLETED
    fi
  done
}

write_record() { # EBS|RDS TEXT...
  { mkdir -p "${records}" && echo "${*:2}" >>"${records}/${token[$1]}"; } 2>/dev/null ||
    say "warning: ${records} cannot be written: a later round will not know its copies again"
}

start_copy() { # EBS|RDS
  local age failed rejected
  # Retention counts from the creation of the recovery point, not from the day of the copy.
  # https://docs.aws.amazon.com/aws-backup/latest/devguide/recov-point-create-a-copy.html
  age=$(((now - created[$1] + day - 1) / day))
  # A token is used up by a request that AWS Backup rejects, and by a copy that fails.
  jq --raw-output --arg arn "${arn[$1]}" '.CopyJobs[]
    | select(.SourceRecoveryPointArn == $arn and .State != "COMPLETED")
    | "an earlier one ended \(.State): \(.StatusMessage // "")"' jobs >failed
  sed "s/^/$1 copy: /" failed >&2
  failed=$(wc --lines <failed)
  rejected=$(grep --count '^rejected' <<<"${record[$1]}")
  if ask "start-$1" aws backup start-copy-job \
    --region "${REGION}" \
    --source-backup-vault-name "${BACKUP_VAULT_NAME}" \
    --recovery-point-arn "${arn[$1]}" \
    --destination-backup-vault-arn "${DESTINATION_VAULT_ARN}" \
    --iam-role-arn "${ROLE_ARN}" \
    --lifecycle "DeleteAfterDays=$((age + RETENTION_DAYS))" \
    --idempotency-token "${token[$1]}-$((1 + failed + rejected))"; then
    job[$1]=$(jq --raw-output .CopyJobId "start-$1")
    write_record "$1" started "${job[$1]}"
    say "$1 copy: started, job ${job[$1]}, to be kept $((age + RETENTION_DAYS)) days from creation"
  else
    [[ ${complaint} != *Invalid* && ${complaint} != *NotFound* && ${complaint} != *Denied* ]] ||
      write_record "$1" rejected
    problem "the $1 copy was not started: ${complaint}"
    say_way_around "${complaint}"
  fi
}

# https://repost.aws/knowledge-center/backup-troubleshoot-cross-account-copy
say_way_around() { # WHAT_AWS_SAID
  [[ $1 == *'not supported for provided resource type'* ]] || return
  say '  Here AWS copies an RDS recovery point to another account or to another Region, not to' \
    'both at once. Take two hops, each with a script of snapshot-copy: first into a vault of this' \
    'account in the Region of the target, with a customer managed key that the target may use;' \
    "then from there into ${DESTINATION_VAULT_ARN}."
}

refresh() { # EBS|RDS
  local file="job-$1"
  if ask "job-$1" aws backup describe-copy-job --region "${REGION}" --copy-job-id "${job[$1]}"; then
    missed[$1]=0
    state[$1]=$(jq --raw-output .CopyJob.State "${file}")
    reason[$1]=$(jq --raw-output '.CopyJob.StatusMessage // ""' "${file}")
    copy[$1]=$(jq --raw-output '.CopyJob.DestinationRecoveryPointArn // ""' "${file}")
    completed[$1]=$(jq --raw-output '.CopyJob.CompletionDate // ""' "${file}")
  else
    missed[$1]=$((missed[$1] + 1)) reason[$1]=${complaint}
    ((missed[$1] < 5)) || state[$1]=LOST
    [[ ${state[$1]} != LOST || ${complaint} == *NotFound* ]] ||
      stop 1 "the copies go on, but cannot be followed: ${complaint}; paste again"
  fi
}

runs() { # EBS|RDS
  [[ ${state[$1]} == started || ${state[$1]} == CREATED || ${state[$1]} == RUNNING ]]
}

watch_copies() {
  local kind line
  while true; do
    line=''
    for kind in EBS RDS; do
      runs "${kind}" && refresh "${kind}"
      line+="${kind} copy ${state[${kind}]/CREATED/CREATED, waits for its turn}; "
    done
    runs EBS || runs RDS || break
    if [[ ${WATCH} == 0 ]]; then
      [[ ${line} != *FAILED* && ${line} != *PARTIAL* && ${line} != *LOST* ]] ||
        stop 1 "${line}paste again when the other has ended"
      finish "done: started: ${line}paste again to follow"
    fi
    show "${line}watched for $((SECONDS / minute)) min"
    sleep 20
  done
}

# How a copy job may end, and what that means:
#   COMPLETED, with a recovery point in the destination   done
#   COMPLETED without one, PARTIAL, FAILED, any other     failed, with what AWS says
#   not to be found any more                              failed: nobody knows
judge() { # EBS|RDS
  if [[ ${state[$1]} == COMPLETED && ${copy[$1]} != '' ]]; then
    read_time "${completed[$1]}"
    completed[$1]=${time}
    ((now < seconds + RETENTION_DAYS * day)) ||
      say "warning: the $1 copy was to be kept ${RETENTION_DAYS} days, which are over: it may be" \
        'gone; to copy again, generate with a new --run'
    [[ ${record[$1]} == *completed* ]] ||
      write_record "$1" completed "${job[$1]}" "${time}" "${copy[$1]}" "${created_at[$1]}"
    return
  fi
  case "${state[$1]}" in
  COMPLETED) problem "the $1 copy ${job[$1]} is COMPLETED, but AWS names no recovery point" ;;
  LOST) problem "the $1 copy ${job[$1]} cannot be found: ${reason[$1]}" ;;
  *) problem "the $1 copy ${job[$1]} ended ${state[$1]}: ${reason[$1]:-AWS gives no reason}" ;;
  esac
  say_way_around "${reason[$1]}"
}

main() {
  local kind
  values
  settings "$@"
  guard
  arn=([EBS]=${EBS_SNAPSHOT_ARN} [RDS]=${RDS_SNAPSHOT_ARN})
  missed=([EBS]=0 [RDS]=0) created=([EBS]=0 [RDS]=0) state=([EBS]=started [RDS]=started)
  created_at=([EBS]='that of the copy' [RDS]='that of the copy')
  records=~/.codeocean-cmdgen
  now=$(date +%s)
  find_copies
  look
  for kind in EBS RDS; do
    if [[ ${job[${kind}]} != '' ]]; then
      say "${kind} copy: found job ${job[${kind}]}"
    elif [[ ${PLAN} == 1 ]]; then
      say "${kind} copy: would be started, to ${DESTINATION_VAULT_ARN}"
    else
      start_copy "${kind}"
    fi
  done
  [[ ${PLAN} == '' ]] || finish 'plan: nothing was changed'
  ((problems == 0)) || stop 1 'mend the problems above and paste again; a started copy goes on'
  watch_copies
  judge EBS
  judge RDS
  ((problems == 0)) || stop 1 'not both were copied; paste again to start a failed copy anew'
  report "EBS recovery point:  ${copy[EBS]}"
  report "EBS creation time:   ${created_at[EBS]}"
  report "RDS recovery point:  ${copy[RDS]}"
  finish "done: both were copied to ${DESTINATION_VAULT_ARN}" \
    "(EBS by ${completed[EBS]}, RDS by ${completed[RDS]})"
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
