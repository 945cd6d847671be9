(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    1203b44d81219e6271b2bd8e6be72461755e1e84c4f43dddee6f2c4998e09df4*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" on-demand-backup \
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
# codeocean-cmdgen on-demand-backup: back up the data volume and the analytics database now
#
# Where:   AWS CloudShell of the source; of the target, as a safety copy.
# Changes: starts two AWS Backup jobs; each adds one recovery point to the vault. Where the stack
#          has a destination vault, it copies both there by itself, which is followed too.
# Takes:   minutes to hours, in AWS, without this shell.
# Costs:   storage of the recovery points until they expire.
# Again:   follows the jobs of this run, and starts again only one that failed. When both are done
#          it tells the same as before, by a record in the home folder.
# Set:     PLAN=1 looks only, WATCH=0 starts and returns.

values() {
  # from values file [source]
  ACCOUNT_ID=111111111111
  REGION=us-east-1
  BACKUP_VAULT_NAME=codeocean-v1
  DATA_VOLUME_ID=vol-0123456789abcdef0
  DB_INSTANCE_ID=codeocean-analyticsdbinstance-1abc
  # from values file [source.on-demand-backup]
  ROLE_ARN=arn:aws:iam::111111111111:role/codeocean-BackupRole-1ABC
  # from option
  RUN=before-upgrade
  # by default
  RETENTION_DAYS=1
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

# Sets ${seconds} and ${time} from what the AWS CLI printed for a time: ISO 8601, or a number where
# its configuration says cli_timestamp_format = wire.
read_time() {
  local text=$1
  [[ ${text} == *-* ]] || text="@${text}"
  seconds=$(date --date="${text}" +%s)
  printf -v time '%(%Y-%m-%dT%H:%M:%S+00:00)T' "${seconds}"
}

# What this run has done, ${did}, stands in a file of the home folder, named by what makes the work
# one: step, values, run. So is the token: where the file is lost, that finds what was started.
read_record() { # VALUE...
  token=$(printf '%s\n' "${0##*/}" "${ACCOUNT_ID}" "${REGION}" "$@" "${RUN}" | sha256sum)
  token=${token:0:32} record=~/.codeocean-cmdgen/${token:0:32}
  did=$(cat "${record}" 2>/dev/null)
}

write_record() { # TEXT...
  did+=$'\n'$*
  { mkdir -p "${record%/*}" && echo "$*" >>"${record}"; } 2>/dev/null ||
    say "warning: ${record} cannot be written: a later paste will not know what this one did"
}

# Sets ${told} to what this run wrote down last behind a word; empty when it wrote nothing.
recall() { # WORD
  told=$(sed --quiet "s/^$1 //p" <<<"${did}" | tail --lines=1)
  [[ ${told} != '' ]]
}

declare -A resource=() job=() state=() reason=() point=() completed=() copy=()
minute=60

# Looks at what is to be backed up, where to, and where the vendor's stack copies it by itself.
look() {
  local stack
  ask volume aws ec2 describe-volumes --region "${REGION}" --volume-ids "${DATA_VOLUME_ID}" ||
    stop 3 "volume ${DATA_VOLUME_ID} cannot be seen in ${ACCOUNT_ID}, ${REGION}: ${complaint}"
  ask database aws rds describe-db-instances --region "${REGION}" \
    --db-instance-identifier "${DB_INSTANCE_ID}" ||
    stop 3 "instance ${DB_INSTANCE_ID} cannot be seen in ${ACCOUNT_ID}, ${REGION}: ${complaint}"
  ask vault aws backup describe-backup-vault --region "${REGION}" \
    --backup-vault-name "${BACKUP_VAULT_NAME}" ||
    stop 3 "vault ${BACKUP_VAULT_NAME} cannot be seen in ${ACCOUNT_ID}, ${REGION}: ${complaint}"
  vault=$(jq --raw-output .BackupVaultArn vault)
  resource[EBS]=arn:${PARTITION}:ec2:${REGION}:${ACCOUNT_ID}:volume/${DATA_VOLUME_ID}
  resource[RDS]=$(jq --raw-output '.DBInstances[0].DBInstanceArn' database)
  stack=$(jq --raw-output --slurpfile volume volume '
    [.DBInstances[0].TagList, $volume[0].Volumes[0].Tags]
    | map(. // [] | from_entries | .["codeocean:deployment"]) | unique | join(" and ")' database)
  [[ ${stack} != '' && ${stack} != *' and '* ]] ||
    problem "volume and database are not of one deployment, but of '${stack}'"
  look_at_role backup.amazonaws.com
  ((problems == 0)) || stop 1 'mend the problems above and paste again; nothing was started'
  find_destination "${stack}"
}

# Sets ${destination} to the vault that the stack copies backups to, nothing, or ? when unknown.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
find_destination() { # STACK
  destination='?'
  if ask stack aws cloudformation describe-stacks --region "${REGION}" --stack-name "$1"; then
    destination=$(jq --raw-output '[.Stacks[0].Parameters[]?
      | select(.ParameterKey == "pDestinationBackupVaultArn").ParameterValue][0] // ""' stack)
    say "automatic copies of stack $1: ${destination:-none}"
  else
    say "warning: stack $1 cannot be seen, nor whether it copies backups elsewhere: ${complaint}"
  fi
}

# Starts a backup job, once in this run. What another run, the plan or a person started is no
# business of this one.
start() { # EBS|RDS
  if recall "$1 started" && [[ ${did} != *"$1 failed ${told}"* ]]; then
    job[$1]=${told}
    say "$1 backup: found job ${told}"
    return
  fi
  [[ ${PLAN} == '' ]] || { say "$1 backup: would be started, of ${resource[$1]}" && return; }
  # A token is used up by a request that is rejected, and by a job that fails.
  attempt=$((1 + $(grep --count --extended-regexp "^$1 (rejected|failed)" <<<"${did}")))
  if ask "start-$1" aws backup start-backup-job --region "${REGION}" \
    --backup-vault-name "${BACKUP_VAULT_NAME}" \
    --resource-arn "${resource[$1]}" \
    --iam-role-arn "${ROLE_ARN}" \
    --lifecycle "DeleteAfterDays=${RETENTION_DAYS}" \
    --idempotency-token "${token}-$1-${attempt}"; then
    job[$1]=$(jq --raw-output .BackupJobId "start-$1")
    write_record "$1 started ${job[$1]}"
    say "$1 backup: started, job ${job[$1]}, to be kept ${RETENTION_DAYS} days"
  else
    [[ ${complaint} != *Invalid* && ${complaint} != *NotFound* && ${complaint} != *Denied* ]] ||
      write_record "$1 rejected"
    problem "the $1 backup was not started: ${complaint}"
  fi
}

# Reads how both jobs are, from one answer.
refresh() {
  local kind line
  if ! ask jobs aws backup list-backup-jobs --region "${REGION}" \
    --by-backup-vault-name "${BACKUP_VAULT_NAME}"; then
    missed=$((missed + 1))
    ((missed < 5)) || stop 1 "the backups go on, but cannot be followed: ${complaint}; paste again"
    return
  fi
  missed=0
  for kind in EBS RDS; do
    line=$(jq --raw-output --arg id "${job[${kind}]}" '.BackupJobs[] | select(.BackupJobId == $id)
      | "\(.State) \(.RecoveryPointArn // "-") \(.CompletionDate // "-")"' jobs)
    reason[${kind}]=$(jq --raw-output --arg id "${job[${kind}]}" '.BackupJobs[]
      | select(.BackupJobId == $id) | .StatusMessage // "AWS gives no reason"' jobs)
    # What was just started may not be listed yet.
    [[ ${line} != '' ]] || { unlisted=$((unlisted + 1)) && ((unlisted < 10)) || line='LOST - -'; }
    [[ ${line} == '' ]] ||
      read -r "state[${kind}]" "point[${kind}]" "completed[${kind}]" <<<"${line}"
  done
}

runs() { # EBS|RDS
  [[ ${state[$1]} == @(started|CREATED|PENDING|RUNNING|ABORTING) ]]
}

# With WATCH=0: nothing has failed yet, or something has.
submitted() { # WHAT
  [[ $1 != *@(ABORT|EXPIRED|FAILED|LOST|PARTIAL)* ]] || stop 1 "$1; paste again to follow"
  finish "done: $1; paste again to follow"
}

watch_backups() {
  local line
  missed=0 unlisted=0 state=([EBS]=started [RDS]=started)
  while true; do
    refresh
    runs EBS || runs RDS || break
    line="EBS backup ${state[EBS]}, RDS backup ${state[RDS]}"
    [[ ${WATCH} == '' ]] || submitted "started: ${line}"
    show "${line}, watched for $((SECONDS / minute)) min"
    sleep 20
  done
}

# How a backup job may end, and what that means:
#   COMPLETED, with a recovery point                done
#   COMPLETED without one, PARTIAL, FAILED, others  failed, with what AWS says; started anew next
#   not to be found any more                        failed: nobody knows
judge() { # EBS|RDS
  if [[ ${state[$1]} == COMPLETED && ${point[$1]} != - ]]; then
    read_time "${completed[$1]}"
    completed[$1]=${time}
    return
  fi
  problem "the $1 backup ${job[$1]} ended ${state[$1]}: ${reason[$1]}"
  [[ ${state[$1]} == LOST ]] || write_record "$1 failed ${job[$1]}"
}

# Sets ${created} to the creation time of the EBS recovery point, that s3-point-in-time goes back
# to: its job may have been made hours before.
find_creation_time() {
  ask point aws backup describe-recovery-point --region "${REGION}" \
    --backup-vault-name "${BACKUP_VAULT_NAME}" \
    --recovery-point-arn "${point[EBS]}" ||
    stop 1 "recovery point ${point[EBS]} cannot be seen: ${complaint}; paste again"
  created=$(jq --raw-output .CreationDate point)
  read_time "${created}"
  created=${time}
}

# Sets ${hop} to what became of the copy of a recovery point to a vault, ${arrived} to its ARN.
find_copy() { # RECOVERY_POINT VAULT_ARN
  hop=$(jq --raw-output --arg from "$1" --arg to "$2" '[.CopyJobs[]
    | select(.SourceRecoveryPointArn == $from and .DestinationBackupVaultArn == $to)]
    | max_by(.CreationDate) | if . == null then "none" else
      "\(.State) \(.DestinationRecoveryPointArn // "-") \(.StatusMessage // "")" end' copies)
  arrived=${hop#* } arrived=${arrived%% *}
}

# The stack copies each backup into its own vault, which gives it the vault's key, and from there to
# the destination. Nothing tells of it but the copy jobs.
watch_copies() {
  local kind line idle=0
  while true; do
    line=''
    ask copies aws backup list-copy-jobs --region "${REGION}" ||
      stop 1 "the automatic copies go on, but cannot be followed: ${complaint}; paste again"
    for kind in EBS RDS; do
      find_copy "${point[${kind}]}" "${vault}"
      if [[ ${hop} == COMPLETED* ]]; then
        find_copy "${arrived}" "${destination}"
      elif [[ ${hop} != FAILED* && ${hop} != PARTIAL* ]]; then
        hop="first ${hop}"
      fi
      copy[${kind}]=${arrived} reason[${kind}]=${hop}
      line+="${kind} copy ${hop%% [-a]*}; "
    done
    [[ ${line} == *@(none|first|CREATED|RUNNING)* ]] || break
    [[ ${WATCH} == '' ]] || submitted "both were backed up, automatic copies: ${line%; }"
    idle=$((idle + 1))
    [[ ${line} == *none* ]] || idle=0
    ((idle < 15)) ||
      stop 1 "${line}none has begun for 15 minutes: look at the stack's BackupCopyFunction"
    show "${line}watched for $((SECONDS / minute)) min"
    sleep 60
  done
  for kind in EBS RDS; do
    [[ ${reason[${kind}]} == COMPLETED* ]] ||
      problem "the automatic ${kind} copy ended ${reason[${kind}]}"
  done
}

# What was printed at the end of this run is printed again, whatever AWS still lists.
tell() {
  local words destination
  IFS='|' read -r -a words <<<"${told}"
  destination=${words[7]-}
  report "EBS recovery point:  ${words[0]}"
  report "EBS creation time:   ${words[1]}"
  report "RDS recovery point:  ${words[2]}"
  [[ ${destination} != '?' ]] ||
    stop 1 'both were backed up, but whether the stack copies them elsewhere could not be seen:' \
      'paste again with credentials that may see the stack'
  [[ ${destination} == '' ]] || report "EBS automatic copy:  ${words[5]}"
  [[ ${destination} == '' ]] || report "RDS automatic copy:  ${words[6]}"
  finish "done: both were backed up${destination:+ and copied to ${destination}}" \
    "(EBS by ${words[3]}, RDS by ${words[4]})"
}

main() {
  values
  settings "$@"
  guard
  read_record "${BACKUP_VAULT_NAME}" "${DATA_VOLUME_ID}" "${DB_INSTANCE_ID}" "${ROLE_ARN}" \
    "${RETENTION_DAYS}"
  look
  ! recall finished || tell
  start EBS
  start RDS
  [[ ${PLAN} == '' ]] || finish 'plan: nothing was changed'
  ((problems == 0)) || stop 1 'mend the problems above and paste again; a started backup goes on'
  watch_backups
  judge EBS
  judge RDS
  ((problems == 0)) || stop 1 'not both were backed up; paste again to start a failed one anew'
  find_creation_time
  [[ ${destination} == @(|'?') ]] || watch_copies
  ((problems == 0)) || stop 1 'both were backed up, but not both were copied'
  told="${point[EBS]}|${created}|${point[RDS]}|${completed[EBS]}|${completed[RDS]}"
  told+="|${copy[EBS]-}|${copy[RDS]-}|${destination}"
  [[ ${destination} == '?' ]] || write_record "finished ${told}"
  tell
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
