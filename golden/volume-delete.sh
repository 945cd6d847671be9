(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    e5668332127106e05674993a97b5d44f815020f5df589a93a57e8f59cada65e4\ \ -)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" volume-delete \
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
# codeocean-cmdgen volume-delete: detach and delete the restored volume
#
# Run in:   AWS CloudShell, in the target account. First run volume-release on the services
#           instance: this script cannot see whether the volume is still mounted there.
# Changes:  ec2 detach-volume   detaches the restored volume, never by force: one that is in use
#                               stays 'detaching', and is not deleted
#           ec2 delete-volume   DELETES for good the volume that volume-restore of this run
#                               created. Proof: its tags, and its restore job, which AWS Backup
#                               shows for at least 30 days.
# Takes:    a minute.
# Costs:    nothing.
# Again:    follows the deletion, or reports when the volume was deleted, from a record in the
#           home folder.
# Killed:   leaves the volume detached or not, or its deletion, which continues.
# Undo:     not possible. The recovery point can be restored again.
# Done if:  EC2 no longer shows the volume.
# Settings: PLAN=1 shows what would change, and changes nothing.
#           WATCH=0 starts the work, does not wait for it, and ends with exit code 4.
#           CONFIRM=RESTORED-VOLUME-ID confirms without a terminal.

values() {
  # text of this release: sha256 05aec89f532e28927c3c69b575cfd93c55f053522c82ac6a737254715f98caf8
  # the step
  STEP=volume-delete
  # from deployment file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  DATA_VOLUME_ID=vol-0123456789abcdef0
  # by default
  RESTORED_VOLUME_ID=''
  RUN=first
  # made from the values above and the options
  PARTITION=aws
}

main() {
  values
  read_settings "$@"
  check_programs aws date grep jq sed sha256sum tail
  check_account
  read_run_record "${DATA_VOLUME_ID}" "${RESTORED_VOLUME_ID}"
  check_data_volume
  find_volume_to_delete
  read_volume_state
  if [[ ${state} == gone ]]; then
    check_deletion_recorded
  else
    check_proof
    describe_volume
  fi
  if [[ ${PLAN} == 1 ]]; then
    finish_deletion_plan
  fi
  if [[ ${state} != @(deleting|deleted|gone) ]]; then
    confirm_deletion
    check_again
    if [[ ${state} == in-use ]]; then
      detach_volume
      check_again
    fi
    delete_volume
  fi
  wait_until_deleted
  record_deletion
  finish "${restored_volume} is deleted; EC2 did not show it any more at ${deleted}"
}

# Sets restored_volume to the given one, or to what volume-restore of this run tagged, or to what
# this run has begun to delete.
find_volume_to_delete() {
  restored_volume=${RESTORED_VOLUME_ID}
  if [[ ${restored_volume} == '' ]]; then
    list_restored_volumes
  fi
  if [[ ${restored_volume} == '' ]] && find_in_run_record confirmed; then
    restored_volume=${recorded}
  fi
  if [[ ${restored_volume} == '' ]]; then
    stop "no volume has the tags of run ${RUN} for ${DATA_VOLUME_ID}, and no record shows that" \
      'one was deleted. Check EC2 > Volumes.'
  fi
  if [[ ${restored_volume} == *' '* ]]; then
    stop "several volumes have the tags of run ${RUN}: ${restored_volume}." \
      'Name one with --restored-volume-id'
  fi
  if [[ ${restored_volume} == "${DATA_VOLUME_ID}" ]]; then
    stop_wrong_place "${restored_volume} is the data volume itself"
  fi
}

# Sets state to creating, available, in-use, deleting, deleted, error or gone, and attachment to
# attaching, attached, detaching, busy or nothing.
read_volume_state() {
  state=gone
  attachment=''
  if read_volume volume "${restored_volume}"; then
    state=$(jq --raw-output .State volume)
    attachment=$(jq --raw-output '.Attachments[0].State // ""' volume)
  elif [[ ${aws_error} != *NotFound* ]]; then
    stop "cannot describe ${restored_volume}: ${aws_error}. Paste the script again."
  fi
}

# A volume that EC2 does not show counts as deleted only if this run has begun to delete it.
check_deletion_recorded() {
  if ! find_in_run_record confirmed || [[ ${recorded} != "${restored_volume}" ]]; then
    stop_not_shown "volume ${restored_volume}"
  fi
}

check_proof() {
  check_tags_and_device
  check_restore_job "arn:${PARTITION}:ec2:${REGION}:${ACCOUNT_ID}:volume/${restored_volume}"
  stop_if_problems "${restored_volume} is left alone"
}

check_tags_and_device() {
  jq '.Tags // []' volume >tags
  check_run_tags "${restored_volume}" tags codeocean-cmdgen:data-volume-id "${DATA_VOLUME_ID}"
  check_outside_stacks "${restored_volume}" tags
  # The vendor's services instances have their data volume at this device.
  if ! jq --exit-status '
    all(.Attachments[]?.Device; test("^/dev/(sd|xvd)e$") | not)
    ' volume >elsewhere; then
    add_problem "${restored_volume} is attached as a data volume, at /dev/sde"
  fi
}

# Sets description to what a person must know before the volume is deleted.
describe_volume() {
  local instance
  description=$(jq --raw-output '"\(.VolumeId), \(.Size) GiB, created \(.CreateTime)"' volume)
  report_proof "${restored_volume}"
  if [[ ${attachment} != '' ]]; then
    instance=$(jq --raw-output '.Attachments[0].InstanceId' volume)
    description+=", attached to ${instance}"
    say "warning: ${restored_volume} is attached. This shell cannot see whether it is mounted." \
      "Continue only if volume-release of run ${RUN} has ended there with" \
      "'done: ${restored_volume} is no longer mounted and can be detached'."
  fi
}

finish_deletion_plan() {
  if [[ ${state} == @(deleting|deleted|gone) ]]; then
    finish_plan "${restored_volume} is ${state}; nothing was changed"
  fi
  if [[ ${attachment} != '' ]]; then
    finish_plan "would detach and delete ${description}; nothing was changed"
  fi
  finish_plan "would delete ${description}; nothing was changed"
}

# The record shows a later paste that this run deleted the volume, even if this shell dies next.
confirm_deletion() {
  confirm "${restored_volume}" "This deletes for good: ${description}"
  append_run_record confirmed "${restored_volume}"
}

# A person may confirm hours later, and detaching takes minutes: somebody may have put the volume to
# use since it was checked.
check_again() {
  read_volume_state
  if [[ ${state} != gone ]]; then
    check_tags_and_device
    stop_if_problems "${restored_volume} has changed, and is left alone"
  fi
}

# EC2 detaches a volume once the instance has released it. Nothing is forced: a volume that is still
# mounted stays `detaching`, and is not deleted.
# https://docs.aws.amazon.com/ebs/latest/userguide/ebs-detaching-volume.html
detach_volume() {
  local waited=0
  if [[ ${attachment} != @(detaching|busy) ]]; then
    if ! ask detached aws ec2 detach-volume \
      --region "${REGION}" \
      --volume-id "${restored_volume}"; then
      stop "cannot detach ${restored_volume}: ${aws_error}. Paste the script again."
    fi
  fi
  if [[ ${WATCH} == 0 ]]; then
    finish_started "${restored_volume} is being detached. Paste the script again to delete it."
  fi
  work_continues=yes
  read_volume_state
  while [[ ${state} == in-use ]]; do
    if ((waited == 300)); then
      stop "${restored_volume} is still ${attachment}, so the instance uses it." \
        'Run volume-release there, and paste this script again.'
    fi
    show_progress "${restored_volume} is ${attachment}, waited ${waited} of at most 300 s"
    sleep 15
    waited=$((waited + 15))
    read_volume_state
  done
  work_continues=no
}

delete_volume() {
  if ! ask deletion aws ec2 delete-volume \
    --region "${REGION}" \
    --volume-id "${restored_volume}"; then
    stop "cannot delete ${restored_volume}: ${aws_error}. Paste the script again."
  fi
}

wait_until_deleted() {
  work_continues=yes
  read_volume_state
  while [[ ${state} != @(deleted|gone) ]]; do
    if [[ ${WATCH} == 0 ]]; then
      finish_started "${restored_volume} is ${state}. Paste the script again to follow it."
    fi
    show_progress "${restored_volume} is ${state}"
    sleep 15
    read_volume_state
  done
  work_continues=no
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

# ---- Part volumes, sha256 0dc7873e1b2488c1a3085773312f9e9ada7e3d681cd53ce1bb0f3081ba87c924

# The data volume must be in the account and Region of this script, and belong to a deployment.
# Writes its description to the file "data_volume".
check_data_volume() {
  local deployment
  if ! read_volume data_volume "${DATA_VOLUME_ID}"; then
    stop_not_shown "volume ${DATA_VOLUME_ID}"
  fi
  deployment=$(tag_of_volume data_volume codeocean:deployment)
  if [[ ${deployment} == '' ]]; then
    stop_wrong_place "volume ${DATA_VOLUME_ID} has no tag codeocean:deployment, so it is not the" \
      'data volume of a deployment'
  fi
}

# Writes the description of a volume to a file. Fails if EC2 does not describe it.
read_volume() { # FILE VOLUME_ID
  if ! ask volumes aws ec2 describe-volumes \
    --region "${REGION}" \
    --volume-ids "$2"; then
    return 1
  fi
  jq '.Volumes[0]' volumes >"$1"
}

tag_of_volume() { # FILE KEY
  jq --raw-output --arg key "$2" '[.Tags[]? | select(.Key == $key) | .Value][0] // ""' "$1"
}

# ---- Part restored_volume, sha256 ae56595275dfebf6099c5ed6b51f3499ce8ca0022f8ace86eb1ffc5fd3e8b4a5

# Sets restored_volume to the volume that volume-restore of this run created and tagged: several,
# with spaces between them, or nothing.
list_restored_volumes() {
  if ! ask restored_volumes aws ec2 describe-volumes \
    --region "${REGION}" \
    --filters \
    "Name=tag:codeocean-cmdgen:run,Values=${RUN}" \
    "Name=tag:codeocean-cmdgen:data-volume-id,Values=${DATA_VOLUME_ID}"; then
    stop "cannot list the volumes: ${aws_error}"
  fi
  # What cannot be read must not count as "none": it would restore another volume.
  if ! jq --exit-status '.Volumes | arrays' restored_volumes >is_list; then
    stop 'EC2 answered with something that is not a list of volumes. Paste the script again.'
  fi
  restored_volume=$(jq --raw-output '[.Volumes[].VolumeId] | join(" ")' restored_volumes)
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
