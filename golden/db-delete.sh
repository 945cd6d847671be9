(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    994ebf91d161a5525c99ac3ab65b15bffcd50697eb05d9737704639ce563a837*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" db-delete \
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
# codeocean-cmdgen db-delete: delete the temporary database instance
#
# Where:   AWS CloudShell of the target. After db-copy-in, on the services instance.
# Changes: DELETES, for good, the DB instance that db-restore of this run made: proved by its tags
#          and by the restore job, which AWS Backup knows for 30 days or more. No final snapshot
#          is made, automated backups are deleted. Recovery points stay.
# Takes:   minutes; the deletion goes on without this shell.
# Costs:   nothing.
# Again:   follows the deletion, or says when it was over, by a record in the home folder.
# Set:     PLAN=1 looks only, WATCH=0 starts and returns, CONFIRM=TEMPORARY-DB-INSTANCE-ID
#          answers.

values() {
  # from values file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  DB_INSTANCE_ID=codeocean-analyticsdbinstance-1abc
  # by default
  TEMPORARY_DB_INSTANCE_ID=tmp-codeocean-restore
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

# Wants a word typed after the question, or in CONFIRM; what was typed ahead is thrown away.
confirm() { # WORD WHAT_WILL_HAPPEN
  local typed=${CONFIRM}
  say "$2"
  if [[ ${CONFIRM} == '' ]]; then
    { read -rs -N 100000 -t 0.5 _ </dev/tty; } 2>/dev/null
    printf 'type %s to go on: ' "$1" >&2
    { read -r typed </dev/tty; } 2>/dev/null ||
      stop 2 "nobody is there to type $1, and CONFIRM is not set: nothing was changed"
  fi
  [[ ${typed} == "$1" ]] || stop 2 "'${typed}' is not '$1': nothing was changed"
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

# Only what a restore job made may be deleted, and AWS Backup, no name, says what that was.
prove_restored() { # ARN
  ask jobs aws backup list-restore-jobs --region "${REGION}" ||
    stop 1 "the restore jobs cannot be listed: ${complaint}"
  jq --exit-status --arg arn "$1" '.RestoreJobs
    | any(.CreatedResourceArn == $arn and .Status == "COMPLETED")' jobs >proof ||
    problem "no restore job that AWS Backup still knows has made $1"
}

# What CloudFormation made is no temporary thing; what has another run's tags is not of this one.
prove_tags() { # FILE WHERE TAG VALUE
  jq --exit-status --arg run "${RUN}" --arg run_tag "${run_tag}" --arg tag "$3" --arg value "$4" \
    "$2"' // [] | from_entries | .[$run_tag] == $run and .[$tag] == $value
    and all(keys[]; startswith("aws:cloudformation:") | not)' "$1" >proof ||
    problem "it has not the tags ${run_tag}=${RUN} and $3=$4, which this procedure gives"
}

# Sets ${status} to what RDS says, or gone.
look() {
  status=gone
  ! see_instance temporary "${TEMPORARY_DB_INSTANCE_ID}" ||
    status=$(jq --raw-output '.DBInstances[0].DBInstanceStatus' temporary)
}

prove() {
  local arn own
  arn=$(jq --raw-output '.DBInstances[0].DBInstanceArn' temporary)
  own=$(jq --raw-output '.DBInstances[0].DBInstanceArn' own)
  [[ ${arn} != "${own}" ]] || stop 3 "${arn} is the deployment's own database"
  prove_tags temporary '.DBInstances[0].TagList' "${db_tag}" "${DB_INSTANCE_ID}"
  prove_restored "${arn}"
  ! jq --exit-status '.DBInstances[0].DeletionProtection' temporary >proof ||
    problem "${TEMPORARY_DB_INSTANCE_ID} has deletion protection, so somebody wants to keep it"
  ((problems == 0)) || stop 1 "${TEMPORARY_DB_INSTANCE_ID} is left alone"
}

# RDS keeps automated backups of a deleted instance where it is told to: here it must have none.
verify() {
  local resource=${what##* }
  if ask kept aws rds describe-db-instance-automated-backups --region "${REGION}" \
    --dbi-resource-id "${resource}"; then
    jq --exit-status '.DBInstanceAutomatedBackups == []' kept >proof ||
      stop 1 "${TEMPORARY_DB_INSTANCE_ID} is deleted, but automated backups of ${resource} are kept"
  elif [[ ${complaint} != *NotFound* ]]; then
    say "warning: whether automated backups are kept cannot be seen: ${complaint}"
  fi
}

main() {
  local what now
  values
  settings "$@"
  guard
  read_record "${DB_INSTANCE_ID}" "${TEMPORARY_DB_INSTANCE_ID}"
  see_own_instance
  look
  if [[ ${status} == gone ]]; then
    recall confirmed ||
      stop 1 "${TEMPORARY_DB_INSTANCE_ID} is not there, and it is not written down here that this" \
        'run deleted it'
    what=${told}
  else
    prove
    what=$(jq --raw-output '.DBInstances[0]
      | "\(.DBInstanceIdentifier), \(.AllocatedStorage) GiB, \(.DbiResourceId)"' temporary)
  fi
  if [[ ${status} != gone && ${status} != deleting ]]; then
    [[ ${PLAN} == '' ]] || finish "plan: would delete ${what}; nothing was changed"
    confirm "${TEMPORARY_DB_INSTANCE_ID}" "deletes, for good and without a last snapshot: ${what}"
    write_record "confirmed ${what}"
    ask deleted aws rds delete-db-instance --region "${REGION}" \
      --db-instance-identifier "${TEMPORARY_DB_INSTANCE_ID}" \
      --skip-final-snapshot \
      --delete-automated-backups ||
      stop 1 "${TEMPORARY_DB_INSTANCE_ID} was not deleted: ${complaint}; paste again"
  fi
  [[ ${PLAN} == '' ]] || finish "plan: ${TEMPORARY_DB_INSTANCE_ID} is ${status}, nothing changed"
  while look && [[ ${status} != gone ]]; do
    [[ ${WATCH} == '' ]] || finish "done: started to delete; paste again to see it gone"
    show "${TEMPORARY_DB_INSTANCE_ID} is ${status}, watched for $((SECONDS / 60)) min"
    sleep 20
  done
  verify
  now=$(date --iso-8601=seconds)
  recall gone || { write_record "gone ${now}" && told=${now}; }
  finish "done: ${TEMPORARY_DB_INSTANCE_ID} is deleted, automated backups too (by ${told})"
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
