(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    f3eb6c10de7c67c927b5cd827e0815ccc44c6f2e1d9d5e9fa99440801403d985*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" volume-restore \
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
# codeocean-cmdgen volume-restore: restore a temporary volume from the EBS recovery point
#
# Where:   AWS CloudShell of the target.
# Changes: starts an AWS Backup restore job, which makes one encrypted gp3 volume in the data
#          volume's zone, of its size and speed; then tags it, so that volume-copy-in of this run
#          finds it. The data volume and the recovery point stay as they are. Without --ebs-
#          snapshot-arn it takes the one EBS recovery point that came into the vault from
#          elsewhere; it stops where there are several, or another run has restored it.
# Takes:   minutes, without this shell; paste again to go on. The tags come at the end.
# Costs:   storage of the volume until volume-delete.
# Again:   finds the volume, or goes on with the restore job; after a job that failed it starts
#          another. A volume that was deleted since is never restored again in this run.
# Set:     PLAN=1 looks only, WATCH=0 starts and returns.

values() {
  # from values file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  BACKUP_VAULT_NAME=codeocean-v1
  DATA_VOLUME_ID=vol-0123456789abcdef0
  ROLE_ARN=arn:aws:iam::333333333333:role/codeocean-BackupRole-1ABC
  # by default
  EBS_SNAPSHOT_ARN=''
  KMS_KEY_ID=''
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

# For jq: what the AWS CLI prints for a time (a number by cli_timestamp_format = wire), two ways.
seconds='(if type == "number" then . else .[:19] + "Z" | fromdate end)'
iso="(${seconds} | strftime(\"%FT%T+00:00\"))"

# Sets ${point} and ${created}: the recovery point that was given, or the only one that came into
# the vault from elsewhere. No name tells which run brought one: among several a person chooses.
find_recovery_point() { # EBS|RDS GIVEN_ARN OWN_RESOURCE
  point=$2
  ! recall started || point=${told#* }
  [[ ${point} != '' ]] || choose_recovery_point "$1" "$3"
  ask point aws backup describe-recovery-point --region "${REGION}" \
    --backup-vault-name "${BACKUP_VAULT_NAME}" \
    --recovery-point-arn "${point}" ||
    stop 3 "recovery point ${point} cannot be seen in vault ${BACKUP_VAULT_NAME} of" \
      "${ACCOUNT_ID}, ${REGION}: ${complaint}"
  created=$(jq --raw-output ".CreationDate | ${iso}" point)
  say "recovery point: ${point}, created ${created}"
  jq --exit-status --arg type "$1" '.ResourceType == $type
    and (.Status == "COMPLETED" or .Status == "AVAILABLE")' point >/dev/null ||
    problem "it is no $1 recovery point that is COMPLETED"
}

choose_recovery_point() { # EBS|RDS OWN_RESOURCE
  ask points aws backup list-recovery-points-by-backup-vault --region "${REGION}" \
    --backup-vault-name "${BACKUP_VAULT_NAME}" \
    --by-resource-type "$1" ||
    stop 3 "vault ${BACKUP_VAULT_NAME} cannot be seen in ${ACCOUNT_ID}, ${REGION}: ${complaint}"
  jq --raw-output --arg own "$2" '.RecoveryPoints[]
    | select(.Status == "COMPLETED" or .Status == "AVAILABLE")
    | select(.ResourceArn // "" | endswith($own) | not)
    | "\(.RecoveryPointArn) created \(.CreationDate), of \(.ResourceArn)"' points >choice
  point=$(<choice)
  [[ ${point} != '' ]] || point=$'none\n: run snapshot-copy first'
  [[ ${point} != *$'\n'* ]] ||
    stop 1 "vault ${BACKUP_VAULT_NAME} has these $1 recovery points from elsewhere: ${point}" \
      $'\n'"Name one with --${1,,}-snapshot-arn"
  point=${point%% *}
  refuse_used "$1"
}

# A point that another run has restored is an old one: the new one has yet to arrive. Where the
# record of this run is lost, its token finds what it started: so what nobody has tagged may go on.
refuse_used() { # EBS|RDS
  local by made at
  ask jobs aws backup list-restore-jobs --region "${REGION}" ||
    stop 1 "the restore jobs cannot be listed: ${complaint}"
  jq --raw-output --arg point "${point}" '.RestoreJobs[]
    | select(.RecoveryPointArn == $point and .Status != "FAILED" and .Status != "ABORTED")
    | "\(.RestoreJobId) \(.CreatedResourceArn // "-") \(.CreationDate)"' jobs >uses
  while read -r by made at; do
    grep --quiet --no-messages --directories=skip "^started ${by} " "${record%/*}"/* ||
      { [[ ${made} != - ]] && ! is_unclaimed "${made##*[/:]}"; } || continue
    stop 1 "${point} was restored before, by job ${by} of ${at}: if it is meant, name it with" \
      "--${1,,}-snapshot-arn"
  done <uses
}

# Starts the restore job, once in this run.
start_restore() { # EBS|RDS METADATA
  recall started && [[ ${did} != *"failed ${told%% *}"* ]] && job=${told%% *} && return
  [[ ${PLAN} == '' ]] || finish "plan: would restore with $2; nothing was changed"
  # A token is used up by a request that is rejected, and by a job that fails.
  attempt=$((1 + $(grep --count --extended-regexp '^(rejected|failed)' <<<"${did}")))
  if ! ask start aws backup start-restore-job --region "${REGION}" \
    --recovery-point-arn "${point}" \
    --resource-type "$1" \
    --metadata "$2" \
    --iam-role-arn "${ROLE_ARN}" \
    --idempotency-token "${token}-${attempt}"; then
    [[ ${complaint} != *@(Invalid|NotFound|Denied)* ]] || write_record "rejected ${complaint}"
    stop 1 "the restore was not started: ${complaint}"
  fi
  job=$(jq --raw-output .RestoreJobId start)
  write_record "started ${job} ${point}"
}

# Follows the job to its end. COMPLETED with a resource, ${made}, is done. Anything else is failed:
# another job is started next.
watch_restore() {
  local state=started missed=0
  while true; do
    ask job aws backup describe-restore-job --region "${REGION}" --restore-job-id "${job}" ||
      missed=$((missed + 1))
    ((missed < 5)) || stop 1 "restore job ${job} cannot be followed: ${complaint}; paste again"
    [[ ! -s job ]] ||
      missed=0 state=$(jq --raw-output '"\(.Status), \(.PercentDone // "?") %"' job)
    [[ ${state} == @(started|PENDING|RUNNING)* ]] || break
    [[ ${WATCH} == '' ]] || finish "done: started as job ${job}, ${state}; paste again to go on"
    show "restore job ${job} ${state}, watched for $((SECONDS / 60)) min"
    sleep 20
  done
  made=$(jq --raw-output '.CreatedResourceArn // ""' job)
  [[ ${state} != COMPLETED* || ${made} == '' ]] || return
  write_record "failed ${job}"
  state=${state%%,*}": $(jq --raw-output '.StatusMessage // "AWS gives no reason"' job)"
  stop 1 "restore job ${job} ended ${state}; paste again to start another one"
}

# Sets ${restored} to what volume-restore of this run made, and tagged so.
run_tag=codeocean-cmdgen:run data_tag=codeocean-cmdgen:data-volume-id
list_restored() {
  ask found aws ec2 describe-volumes --region "${REGION}" \
    --filters "Name=tag:${run_tag},Values=${RUN}" "Name=tag:${data_tag},Values=${DATA_VOLUME_ID}" ||
    stop 1 "the volumes cannot be listed: ${complaint}"
  restored=$(jq --raw-output '[.Volumes[].VolumeId] | join(" ")' found)
}

# Prints a result, on a line of its own too.
report() { printf '%b' "${line_end}" >&2 && line_end='' || true && echo "$*"; }

# The new volume takes after the data volume: to be attached to the same instance it must be in the
# same zone, and to be copied from it must be as fast. Sets ${metadata}.
# https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-ebs.html
look_at_data_volume() {
  local key=alias/aws/ebs
  ask volume aws ec2 describe-volumes --region "${REGION}" --volume-ids "${DATA_VOLUME_ID}" ||
    stop 3 "volume ${DATA_VOLUME_ID} cannot be seen in ${ACCOUNT_ID}, ${REGION}: ${complaint}"
  jq --exit-status '.Volumes[0].Tags // [] | any(.Key == "codeocean:deployment")' volume >tag ||
    problem "${DATA_VOLUME_ID} has no tag codeocean:deployment: it is no deployment's data volume"
  key=${KMS_KEY_ID:-${key}}
  # AWS Backup wants the key itself: whether it takes an alias is not written down.
  if ask key aws kms describe-key --region "${REGION}" --key-id "${key}"; then
    jq --exit-status '.KeyMetadata.KeyState == "Enabled"' key >/dev/null ||
      problem "key ${key} is not enabled"
    metadata=$(jq --compact-output --slurpfile key key '.Volumes[0] | {
      availabilityZone: .AvailabilityZone,
      volumeType: "gp3",
      volumeSize: .Size,
      iops: .Iops,
      throughput: .Throughput,
      encrypted: true,
      kmsKeyId: $key[0].KeyMetadata.Arn
    } | map_values(values | tostring)' volume)
  else
    problem "key ${key} cannot be seen: ${complaint}"
  fi
}

# Tells whether a volume is there that no other run has tagged.
is_unclaimed() { # VOLUME_ID
  ask other aws ec2 describe-volumes --region "${REGION}" --volume-ids "$1" &&
    jq --exit-status --arg tag "${run_tag}" --arg run "${RUN}" '.Volumes[0].Tags // []
      | from_entries | (.[$tag] // $run) == $run' other >claim
}

# A volume of another zone, or in clear text, would be of no use or a danger.
verify() {
  ask made aws ec2 describe-volumes --region "${REGION}" --volume-ids "${restored}" ||
    stop 1 "${restored}, restored by job ${job}, cannot be seen: ${complaint}"
  jq --exit-status --argjson wanted "${metadata}" '.Volumes[0]
    | .AvailabilityZone == $wanted.availabilityZone and .Encrypted
      and (.Size | tostring) == $wanted.volumeSize' made >/dev/null ||
    stop 1 "${restored} is not as it was to be, ${metadata}: take a new --run"
}

main() {
  values
  settings "$@"
  guard
  read_record "${BACKUP_VAULT_NAME}" "${DATA_VOLUME_ID}" "${ROLE_ARN}" "${EBS_SNAPSHOT_ARN}" \
    "${KMS_KEY_ID}"
  look_at_data_volume
  list_restored
  [[ ${restored} != *' '* ]] ||
    stop 1 "run ${RUN} has several volumes, ${restored}: take a new --run"
  if [[ ${restored} == '' ]]; then
    ! recall completed || stop 1 "run ${RUN} has restored ${told/ / by }, and that is not there" \
      'any more: to restore once more, generate with a new --run'
    find_recovery_point EBS "${EBS_SNAPSHOT_ARN}" ":volume/${DATA_VOLUME_ID}"
    look_at_role backup.amazonaws.com
    ((problems == 0)) || stop 1 'mend the problems above and paste again; nothing was started'
    start_restore EBS "${metadata}"
    [[ ${PLAN} == '' ]] || finish 'plan: the restore is under way; nothing was changed'
    watch_restore
    restored=${made##*/}
    completed=$(jq --raw-output ".CompletionDate | ${iso}" job)
    verify
    # From now on the later steps find it.
    ask tagged aws ec2 create-tags \
      --region "${REGION}" \
      --resources "${restored}" \
      --tags "Key=${run_tag},Value=${RUN}" "Key=${data_tag},Value=${DATA_VOLUME_ID}" \
      "Key=codeocean-cmdgen:recovery-point,Value=${point}" \
      "Key=codeocean-cmdgen:created,Value=${created}" \
      "Key=codeocean-cmdgen:completed,Value=${completed}" \
      "Key=Name,Value=codeocean-cmdgen ${RUN}" ||
      stop 1 "${restored} was restored, but could not be tagged: ${complaint}; paste again"
    write_record "completed ${restored} ${completed}"
  else
    jq --raw-output '.Volumes[0].Tags | from_entries
      | [.["codeocean-cmdgen:" + ("recovery-point", "created", "completed")]] | join(" ")
    ' found >tags
    read -r point created completed <tags
    [[ ${point} == "${EBS_SNAPSHOT_ARN:-${point}}" ]] ||
      stop 1 "run ${RUN} restored ${point}, not ${EBS_SNAPSHOT_ARN}: take a new --run"
  fi
  report "restored volume:    ${restored}"
  report "recovery point:     ${point}"
  report "EBS creation time:  ${created}"
  finish "done: ${restored} was restored for ${DATA_VOLUME_ID} (by ${completed})"
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
