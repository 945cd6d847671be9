(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    a4beb36730c4003df0f68396aa51f251a2efea0de82872aa6b40848e7a4791ea*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" db-restore \
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
# codeocean-cmdgen db-restore: restore a temporary database instance from the RDS recovery point
#
# Where:   AWS CloudShell of the target.
# Changes: starts an AWS Backup restore job, which makes one DB instance in the network of the
#          deployment's own; tags it, and gives it the deployment's master password, which is
#          shown nowhere. Without --rds-snapshot-arn: from the one that came into the vault from
#          elsewhere, unless another run has restored it.
# Takes:   ten minutes and more; paste again to go on.
# Costs:   the instance and its storage until db-delete.
# Again:   finds the instance, or goes on; what was deleted is not restored again in a run.
# Set:     PLAN=1 looks only, WATCH=0 starts and returns.

values() {
  # from values file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  BACKUP_VAULT_NAME=codeocean-v1
  DB_INSTANCE_ID=codeocean-analyticsdbinstance-1abc
  ROLE_ARN=arn:aws:iam::333333333333:role/codeocean-BackupRole-1ABC
  # from values file [target.db-restore]
  MASTER_PASSWORD_SECRET_ID=/codeocean/analytics/master-password-0
  # by default
  RDS_SNAPSHOT_ARN=''
  TEMPORARY_DB_INSTANCE_ID=tmp-codeocean-restore
  DB_INSTANCE_CLASS=db.t3.micro
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

# The tags of the temporary instance: db-restore gives them, db-delete demands them.
run_tag=codeocean-cmdgen:run db_tag=codeocean-cmdgen:db-instance-id

# Tells whether an instance is there, and reads it into the file NAME.
see_instance() { # NAME IDENTIFIER
  ask "$1" aws rds describe-db-instances --region "${REGION}" \
    --db-instance-identifier "$2" && return
  [[ ${complaint} == *DBInstanceNotFound* ]] || stop 1 "instance $2 cannot be seen: ${complaint}"
  return 1
}

# The deployment's own instance must be where this script works.
see_own_instance() {
  see_instance own "${DB_INSTANCE_ID}" ||
    stop 3 "instance ${DB_INSTANCE_ID} cannot be seen in ${ACCOUNT_ID}, ${REGION}: ${complaint}"
  jq --exit-status '.DBInstances[0].TagList // [] | any(.Key == "codeocean:deployment")' own >tag ||
    problem "${DB_INSTANCE_ID} has no tag codeocean:deployment: it is no deployment's database"
}

# The temporary instance takes after the deployment's own, so that the services instance reaches it.
# Without StorageType it gets gp3; with it, RDS would want Iops too. Every value is a text.
# https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-rds.html
describe() { # own|temporary
  jq --compact-output --arg id "${TEMPORARY_DB_INSTANCE_ID}" --arg class "${DB_INSTANCE_CLASS}" '
    .DBInstances[0] | {DBInstanceIdentifier: $id, DBInstanceClass: $class,
      DBSubnetGroupName: .DBSubnetGroup.DBSubnetGroupName,
      VpcSecurityGroupIds: [.VpcSecurityGroups[].VpcSecurityGroupId] | sort | tojson,
      DBParameterGroupName: .DBParameterGroups[0].DBParameterGroupName,
      MultiAZ: "false", PubliclyAccessible: "false", DeletionProtection: "false",
      EnableIAMDatabaseAuthentication: "false"}' "$1"
}

# The password goes by a pipe into a file in memory, for this user only, from where the AWS CLI
# reads it: it never stands on a command line.
read_password() {
  aws secretsmanager get-secret-value --region "${REGION}" \
    --secret-id "${MASTER_PASSWORD_SECRET_ID}" 2>secret.error |
    jq --argjson metadata "${metadata}" '.SecretString
      | select(length >= 8 and length <= 128 and (test("[^\\x21-\\x7e]|[/@\"]") | not))
      | {MasterUserPassword: ., DBInstanceIdentifier: $metadata.DBInstanceIdentifier,
        VpcSecurityGroupIds: $metadata.VpcSecurityGroupIds | fromjson, ApplyImmediately: true}
    ' >modification
  [[ -s modification ]] && return
  complaint=$(tr '\n' ' ' <secret.error)
  problem "secret ${MASTER_PASSWORD_SECRET_ID} gives no master password that RDS takes ${complaint}"
}

# RDS gives a name again: what was made long after the job had ended is somebody else's. Whether a
# job ends before its instance is made, AWS does not say: hence the hour.
see_temporary() {
  see_instance temporary "${TEMPORARY_DB_INSTANCE_ID}" ||
    stop 1 "${TEMPORARY_DB_INSTANCE_ID}, restored by job ${job}, is not there any more"
  jq --exit-status --slurpfile job job ".DBInstances[0].InstanceCreateTime
    | . == null or ${seconds} < (\$job[0].CompletionDate | ${seconds}) + 3600" temporary >age ||
    stop 1 "${TEMPORARY_DB_INSTANCE_ID} was made long after job ${job}: it is left alone"
  status=$(jq --raw-output '.DBInstances[0].DBInstanceStatus' temporary)
  [[ ${status} != @(deleting|failed|in*|restore-error|stop*) ]] || stop 1 "it is ${status}"
}

# Waits until the password is in force. The instance says `available` for a while before it begins:
# it must be seen at work, or the answer have named that as pending, and then rest for some looks.
# https://github.com/hashicorp/terraform-provider-aws/issues/31445
set_password() {
  local calm=0 patience=1000
  read_password
  ((problems == 0)) || stop 1 'mend the problem above and paste again: the instance is there'
  ask answer aws rds modify-db-instance --region "${REGION}" --cli-input-json file://modification
  rm modification
  [[ -s answer ]] || stop 1 "the password was not changed: ${complaint}"
  ! jq --exit-status .DBInstance.PendingModifiedValues.MasterUserPassword answer >pending ||
    patience=8
  while ((calm < patience)); do
    ((calm < 40)) || stop 1 'RDS shows no sign that it has taken up the new password: paste again'
    sleep 15
    see_temporary
    calm=$((calm + 1))
    jq --exit-status '.DBInstances[0] | .DBInstanceStatus == "available"
      and .PendingModifiedValues.MasterUserPassword == null
      and all(.VpcSecurityGroups[]; .Status == "active")' temporary >rest || calm=0 patience=3
    show "the password is being set: the instance is ${status}, ${SECONDS} s"
  done
}

is_unclaimed() { [[ $1 == "${TEMPORARY_DB_INSTANCE_ID}" && ${of} != '' ]]; } # IDENTIFIER

tag() { # KEY_AND_VALUE...
  ask tagged aws rds add-tags-to-resource --region "${REGION}" \
    --resource-name "${made}" \
    --tags "$@" || stop 1 "${made} cannot be tagged: ${complaint}; paste again"
}

restore() {
  find_recovery_point RDS "${RDS_SNAPSHOT_ARN}" "${REGION}:${ACCOUNT_ID}:db:${DB_INSTANCE_ID}"
  look_at_role backup.amazonaws.com
  read_password && rm modification
  ((problems == 0)) || stop 1 'mend the problems above and paste again; nothing was started'
  start_restore RDS "${metadata}"
  [[ ${PLAN} == '' ]] || finish 'plan: the restore is under way; nothing was changed'
  watch_restore
  until see_temporary && [[ ${status} == available ]]; do
    show "${TEMPORARY_DB_INSTANCE_ID} is ${status}"
    sleep 20
  done
  tag "Key=${run_tag},Value=${RUN}" "Key=${db_tag},Value=${DB_INSTANCE_ID}"
  set_password
  # What the restore left otherwise would keep db-copy-in out, or let others in.
  actual=$(describe temporary)
  { [[ ${actual} == "${metadata}" ]] && jq --exit-status '.DBInstances[0] | .PubliclyAccessible
    or .IAMDatabaseAuthenticationEnabled | not' temporary >verdict; } ||
    stop 1 "${TEMPORARY_DB_INSTANCE_ID} is not as it was to be, ${metadata}: db-delete it"
  completed=$(date --iso-8601=seconds)
  tag "Key=codeocean-cmdgen:recovery-point,Value=${point}" \
    "Key=codeocean-cmdgen:completed,Value=${completed}"
  write_record "completed ${TEMPORARY_DB_INSTANCE_ID} ${completed}"
}

main() {
  local of=''
  values
  umask 077
  TMPDIR=/dev/shm settings "$@"
  export AWS_CLI_HISTORY_FILE="${scratch}/history"
  guard
  read_record "${BACKUP_VAULT_NAME}" "${DB_INSTANCE_ID}" "${ROLE_ARN}" "${RDS_SNAPSHOT_ARN}" \
    "${TEMPORARY_DB_INSTANCE_ID}" "${DB_INSTANCE_CLASS}" "${MASTER_PASSWORD_SECRET_ID}"
  see_own_instance
  metadata=$(describe own)
  ! see_instance temporary "${TEMPORARY_DB_INSTANCE_ID}" ||
    of=$(jq --raw-output --arg run "${run_tag}" --arg db "${db_tag}" '.DBInstances[0]
      | select(.DBInstanceStatus != "deleting") | .TagList // [] | from_entries
      | [.[$run, $db, "codeocean-cmdgen:" + ("recovery-point", "completed")]] | join(" ")
    ' temporary)
  # An ARN is but a name: what bears it now need not be what this run has made.
  [[ ${of} == "${RUN} ${DB_INSTANCE_ID} "* ]] || ! recall completed ||
    stop 1 "run ${RUN} restored ${told/ / by }, which is gone: a new --run restores once more"
  [[ ${of} == '' || ${of} == ' '* || ${of} == "${RUN} ${DB_INSTANCE_ID} "* ]] ||
    stop 1 "${TEMPORARY_DB_INSTANCE_ID} is there, of another run or database: db-delete it first," \
      'or name another with --temporary-db-instance-id'
  read -r _ _ point completed <<<"${of}"
  [[ ${completed} == '' || ${point} == "${RDS_SNAPSHOT_ARN:-${point}}" ]] ||
    stop 1 "run ${RUN} restored ${point}, not ${RDS_SNAPSHOT_ARN}: take a new --run"
  [[ ${completed} != '' ]] || restore
  endpoints=$(jq --raw-output --slurpfile own own '.DBInstances[0] as $new | $own[0].DBInstances[0]
    | "temporary endpoint:  \($new.Endpoint | "\(.Address):\(.Port)")",
      "own endpoint:        \(.Endpoint | "\(.Address):\(.Port)")",
      "allocated storage:   \($new | "\(.AllocatedStorage) GiB \(.StorageType)"), own " +
      "\(.AllocatedStorage) GiB"' temporary)
  finish "${endpoints}"$'\n'"done: ${TEMPORARY_DB_INSTANCE_ID} has ${point}, and the password" \
    "(by ${completed})"
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
