(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    b50668ecb98179d5eb1685497a1fcb46faa81e530037b08450c833a2f676ee9b\ \ -)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" db-delete \
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
# codeocean-cmdgen db-delete: delete the temporary database instance
#
# Run in:   AWS CloudShell, in the target account. First run db-copy-in on the services instance.
# Changes:  rds delete-db-instance   DELETES for good the DB instance that db-restore of this run
#                                    created, with its automated backups and without a final
#                                    snapshot. Recovery points stay. Proof: its tags, and its
#                                    restore job, which AWS Backup shows for at least 30 days.
# Takes:    minutes. The deletion continues without this shell.
# Costs:    nothing.
# Again:    follows the deletion, or reports when the instance was deleted, from a record in the
#           home folder.
# Killed:   leaves the instance as it was, or its deletion, which continues.
# Undo:     not possible. The recovery point can be restored again.
# Done if:  RDS shows neither the instance nor automated backups of it.
# Settings: PLAN=1 shows what would change, and changes nothing.
#           WATCH=0 starts the work, does not wait for it, and ends with exit code 4.
#           CONFIRM=TEMPORARY-DB-INSTANCE-ID confirms without a terminal.

values() {
  # text of this release: sha256 673e6074924f41afc486a493fdd40593ecdbd554750deb50606b4bedd778a995
  # the step
  STEP=db-delete
  # from deployment file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  DB_INSTANCE_ID=codeocean-analyticsdbinstance-1abc
  # by default
  TEMPORARY_DB_INSTANCE_ID=tmp-codeocean-restore
  RUN=first
  # made from the values above and the options
  PARTITION=aws
}

main() {
  values
  read_settings "$@"
  check_programs aws date grep jq sed sha256sum tail
  check_account
  read_run_record "${DB_INSTANCE_ID}" "${TEMPORARY_DB_INSTANCE_ID}"
  check_own_instance
  read_temporary_instance
  if [[ ${status} == gone ]]; then
    read_recorded_deletion
  else
    check_proof
    describe_instance
  fi
  if [[ ${PLAN} == 1 ]]; then
    finish_deletion_plan
  fi
  if [[ ${status} != @(deleting|gone) ]]; then
    confirm_deletion
    check_again
    delete_instance
  fi
  wait_until_deleted
  check_automated_backups
  record_deletion
  finish "${TEMPORARY_DB_INSTANCE_ID} is deleted, ${backups}; RDS did not show it any more at" \
    "${deleted}"
}

# Sets resource_id to that of the instance which this run has begun to delete. An instance that RDS
# does not show counts as deleted only if this run has.
read_recorded_deletion() {
  if ! find_in_run_record confirmed; then
    stop "DB instance ${TEMPORARY_DB_INSTANCE_ID} does not exist, and no record shows that run" \
      "${RUN} deleted it. Check RDS > Databases."
  fi
  resource_id=${recorded##* }
}

check_proof() {
  local arn own_arn
  arn=$(jq --raw-output .DBInstanceArn temporary)
  own_arn=$(jq --raw-output .DBInstanceArn own)
  if [[ ${arn} == "${own_arn}" ]]; then
    stop_wrong_place "${arn} is the deployment's own database"
  fi
  check_tags_and_protection
  check_restore_job "${arn}"
  stop_if_problems "${TEMPORARY_DB_INSTANCE_ID} is left alone"
  if ! jq --exit-status '.InstanceCreateTime // "" | . != ""' temporary >has_age; then
    stop "RDS does not show when ${TEMPORARY_DB_INSTANCE_ID} was created: it is left alone"
  fi
  if is_newer_than_restore_job; then
    stop "${TEMPORARY_DB_INSTANCE_ID} was created long after its restore job had ended, so it is" \
      'another instance of that name: it is left alone'
  fi
}

check_tags_and_protection() {
  jq '.TagList // []' temporary >tags
  check_run_tags "${TEMPORARY_DB_INSTANCE_ID}" tags \
    codeocean-cmdgen:db-instance-id "${DB_INSTANCE_ID}"
  check_outside_stacks "${TEMPORARY_DB_INSTANCE_ID}" tags
  if ! jq --exit-status '.DeletionProtection | not' temporary >unprotected; then
    add_problem "${TEMPORARY_DB_INSTANCE_ID} has deletion protection:" \
      'turn off deletion protection in RDS if it may be deleted'
  fi
}

# Sets resource_id, which no other instance ever has, and description to what a person must know
# before the instance is deleted. The description ends with the resource id: read_recorded_deletion
# finds it there.
describe_instance() {
  local size instance_created
  resource_id=$(jq --raw-output .DbiResourceId temporary)
  size=$(jq --raw-output .AllocatedStorage temporary)
  instance_created=$(jq --raw-output .InstanceCreateTime temporary)
  instance_created=$(format_time "${instance_created}")
  description="${TEMPORARY_DB_INSTANCE_ID}, ${size} GiB, created ${instance_created}, with its"
  description+=" automated backups, ${resource_id}"
  report_proof "${TEMPORARY_DB_INSTANCE_ID}"
}

finish_deletion_plan() {
  if [[ ${status} == @(deleting|gone) ]]; then
    finish_plan "${TEMPORARY_DB_INSTANCE_ID} is ${status}; nothing was changed"
  fi
  finish_plan "would delete ${description}; nothing was changed"
}

# The record shows a later paste that this run deleted the instance, even if this shell dies next.
confirm_deletion() {
  confirm "${TEMPORARY_DB_INSTANCE_ID}" \
    "This deletes for good, without a final snapshot: ${description}"
  append_run_record confirmed "${description}"
}

# A person may confirm hours later. RDS deletes by name: whatever has the name by then.
check_again() {
  local found
  read_temporary_instance
  if [[ ${status} == gone ]]; then
    stop "${TEMPORARY_DB_INSTANCE_ID} no longer exists. Paste the script again."
  fi
  found=$(jq --raw-output .DbiResourceId temporary)
  if [[ ${found} != "${resource_id}" ]]; then
    add_problem "${TEMPORARY_DB_INSTANCE_ID} is ${found} now, not ${resource_id}"
  fi
  check_tags_and_protection
  stop_if_problems "${TEMPORARY_DB_INSTANCE_ID} has changed, and is left alone"
}

delete_instance() {
  if ! ask deletion aws rds delete-db-instance \
    --region "${REGION}" \
    --db-instance-identifier "${TEMPORARY_DB_INSTANCE_ID}" \
    --skip-final-snapshot \
    --delete-automated-backups; then
    stop "cannot delete ${TEMPORARY_DB_INSTANCE_ID}: ${aws_error}. Paste the script again."
  fi
}

wait_until_deleted() {
  work_continues=yes
  read_temporary_instance
  while [[ ${status} != gone ]]; do
    if [[ ${WATCH} == 0 ]]; then
      finish_started "${TEMPORARY_DB_INSTANCE_ID} is ${status}." \
        'Paste the script again to follow it.'
    fi
    show_progress "${TEMPORARY_DB_INSTANCE_ID} is ${status}, watched for $((SECONDS / 60)) min"
    sleep 20
    read_temporary_instance
  done
  work_continues=no
}

# Sets backups to what is known about the automated backups. RDS can be told to keep them.
check_automated_backups() {
  backups='and has no automated backups'
  if ask kept aws rds describe-db-instance-automated-backups \
    --region "${REGION}" \
    --dbi-resource-id "${resource_id}"; then
    if ! jq --exit-status '.DBInstanceAutomatedBackups == []' kept >none_kept; then
      stop "${TEMPORARY_DB_INSTANCE_ID} is deleted, but automated backups of ${resource_id} are" \
        'kept. Delete them in RDS > Automated backups.'
    fi
  elif [[ ${aws_error} != *NotFound* ]]; then
    say "warning: cannot check whether automated backups are kept: ${aws_error}"
    backups='but its automated backups were not checked'
  fi
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

# ---- Part db_instances, sha256 f234c99bb0e1093658f32ae8cbed7df68308d63f0388b2fe3a5e86bdd2e799ba

# The deployment's own instance must be in the account and Region of this script. Writes its
# description to the file "own".
check_own_instance() {
  local deployment
  if ! read_instance own "${DB_INSTANCE_ID}"; then
    stop_wrong_place "there is no DB instance ${DB_INSTANCE_ID} in account ${ACCOUNT_ID}," \
      "${REGION}: ${aws_error}"
  fi
  deployment=$(tag_of_instance own codeocean:deployment)
  if [[ ${deployment} == '' ]]; then
    stop_wrong_place "DB instance ${DB_INSTANCE_ID} has no tag codeocean:deployment, so it is not" \
      'the database of a deployment'
  fi
}

# Writes the description of the temporary instance to the file "temporary". Sets status to what RDS
# reports of it, or to gone.
read_temporary_instance() {
  status=gone
  if read_instance temporary "${TEMPORARY_DB_INSTANCE_ID}"; then
    status=$(jq --raw-output .DBInstanceStatus temporary)
  fi
}

# Writes the description of a DB instance to a file. Fails if there is no such instance.
read_instance() { # FILE IDENTIFIER
  if ask instances aws rds describe-db-instances \
    --region "${REGION}" \
    --db-instance-identifier "$2"; then
    jq '.DBInstances[0]' instances >"$1"
    return 0
  fi
  if [[ ${aws_error} != *DBInstanceNotFound* ]]; then
    stop "cannot describe DB instance $2: ${aws_error}. Paste the script again."
  fi
  return 1
}

tag_of_instance() { # FILE KEY
  jq --raw-output --arg key "$2" '[.TagList[]? | select(.Key == $key) | .Value][0] // ""' "$1"
}

# ---- Part deletion, sha256 f91130661431fae6cf48741f7bc29431a9ef11487b7cf2b36489b61618407ae3

# The restore of this run has written these tags.
check_run_tags() { # NAME FILE_OF_TAGS KEY VALUE
  if ! jq --exit-status --arg run "${RUN}" --arg key "$3" --arg value "$4" '
    from_entries
    | .["codeocean-cmdgen:run"] == $run and .[$key] == $value
    ' "$2" >tags_match; then
    add_problem "$1 does not have the tags codeocean-cmdgen:run=${RUN} and $3=$4, which the" \
      'restore of this run writes'
  fi
}

# CloudFormation tags what belongs to a stack. What was restored may have inherited such tags from
# the source's resource: only CloudFormation knows whether a stack manages it.
check_outside_stacks() { # NAME FILE_OF_TAGS
  if jq --exit-status '
    all(.[].Key; startswith("aws:cloudformation:") | not)
    ' "$2" >outside_stacks; then
    return
  fi
  if ask stack_resources aws cloudformation describe-stack-resources \
    --region "${REGION}" \
    --physical-resource-id "$1"; then
    add_problem "$1 is managed by a CloudFormation stack"
  elif [[ ${aws_error} == *'does not exist'* ]]; then
    say "$1 has inherited tags of CloudFormation; no stack manages it"
  else
    add_problem "$1 has tags of CloudFormation. Whether a stack manages it is not known, which" \
      "needs cloudformation:DescribeStackResources: ${aws_error}"
  fi
}

# Anybody can write tags. Only AWS Backup knows what its restore jobs created. Writes the last job
# that created this resource to the file "restore_job".
check_restore_job() { # ARN
  if ! ask jobs aws backup list-restore-jobs --region "${REGION}"; then
    stop "cannot list the restore jobs: ${aws_error}. Paste the script again."
  fi
  if ! jq --exit-status --arg arn "$1" '
    [.RestoreJobs[] | select(.CreatedResourceArn == $arn and .Status == "COMPLETED")]
    | max_by(.CompletionDate)
    ' jobs >restore_job; then
    add_problem "AWS Backup shows no completed restore job of the last 30 days that created $1." \
      'If it is the restored one, delete it in the console'
  fi
}

# Names, before the confirmation, what proves that a resource may be deleted.
report_proof() { # NAME
  local made_by
  made_by=$(jq --raw-output '
    "restore job \(.RestoreJobId) created it from \(.RecoveryPointArn)"
    ' restore_job)
  say "proof that $1 is of run ${RUN}: it has the tags of this run, and ${made_by}"
  say 'The recovery point is kept.'
}

# Sets deleted to when this run first saw that the resource was gone.
record_deletion() {
  if ! find_in_run_record gone; then
    recorded=$(date --iso-8601=seconds)
    append_run_record gone "${recorded}"
  fi
  deleted=${recorded}
}

# ---- Part instance_age, sha256 4738e4d4860d24392d3e70ef1b70bc771e5918abed2ab34b6a6ae3b0032f03bc

# RDS reuses names and ARNs: an instance that was created long after the restore job had ended is
# another one. AWS does not say whether a job ends before its instance is created: hence the hour.
is_newer_than_restore_job() {
  local instance_created job_completed
  instance_created=$(jq --raw-output '.InstanceCreateTime // ""' temporary)
  if [[ ${instance_created} == '' ]]; then
    return 1 # RDS is still creating it
  fi
  job_completed=$(jq --raw-output .CompletionDate restore_job)
  instance_created=$(seconds_since_1970 "${instance_created}")
  job_completed=$(seconds_since_1970 "${job_completed}")
  if [[ ! "${instance_created} ${job_completed}" =~ ^[0-9]+\ [0-9]+$ ]]; then
    stop "cannot tell when ${TEMPORARY_DB_INSTANCE_ID} was created, or when its restore job" \
      'ended: it is left alone'
  fi
  ((instance_created >= job_completed + 3600))
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
