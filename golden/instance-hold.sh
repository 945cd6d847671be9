(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    dc6ae8d62150356530dfdf5e75870037ce39e1ad28cc7b62d289845d1f7a3869\ \ -)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" instance-hold \
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
# codeocean-cmdgen instance-hold: keep the services instance from being replaced
#
# Run in:   AWS CloudShell, in the account of the deployment.
# Changes:  autoscaling create-or-update-tags   tags the group with what will be suspended
#           autoscaling suspend-processes       suspends the processes that can replace the
#                                               instance
# Takes:    seconds.
# Costs:    nothing. A failed instance is not replaced until instance-release. A stack update can
#           still replace it.
# Again:    reports how long the instance has been held, and suspends again what was resumed
#           since.
# Killed:   leaves a tag that names what this run has suspended or was about to: instance-release
#           reads it.
# Undo:     instance-release.
# Done if:  the group reports all of these processes as suspended.
# Settings: PLAN=1 shows what would change, and changes nothing.

values() {
  # text of this release: sha256 10fde605b93f71ac7fdda779ca192b57ffbb4dfeb82920fda26c9db041d13330
  # the step
  STEP=instance-hold
  # from deployment file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  STACK_NAME=codeocean
  # by default
  RUN=first
  # made from the values above and the options
  PARTITION=aws
}

main() {
  values
  read_settings "$@"
  check_programs aws jq
  check_account
  find_group
  read_group
  check_other_runs
  check_not_released
  find_instance
  choose_processes
  list_running_processes
  say "group ${group_name}: to suspend: ${running[*]:-nothing, all are suspended}"
  if [[ ${PLAN} == 1 ]]; then
    finish_plan 'nothing was changed'
  fi
  if [[ ${record} == '' || ${#running[@]} -gt 0 ]]; then
    record_processes
    suspend_processes
    wait_until_suspended
    check_instance_stays
  fi
  finish "replacement of ${instance_id} is suspended until instance-release; ${record}"
}

check_not_released() {
  if [[ ${record} == released* ]]; then
    stop "run ${RUN} has released the instance already: ${record}." \
      'To hold it again, use a new --run.'
  fi
}

# Sets instance_id to the instance in service; two while one replaces the other.
find_instance() {
  instance_id=$(jq --raw-output '
    [.Instances[] | select(.LifecycleState == "InService") | .InstanceId] | join(" and ")' group)
  if [[ ${instance_id} == '' ]]; then
    stop "group ${group_name} has no instance in service." \
      'Wait until it has one, and paste the script again.'
  fi
}

# Sets processes to those that can replace the services instance:
#   HealthCheck                          marks a stopped instance, to be replaced later
#   ReplaceUnhealthy, InstanceRefresh,
#   AZRebalance                          terminate an instance and launch another
#   ScheduledActions, AlarmNotification  change the size of the group
#   Terminate                            only if instances have a maximum lifetime
# Launch, and otherwise Terminate, stay active: a stack update needs them.
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html
choose_processes() {
  processes=(
    HealthCheck ReplaceUnhealthy InstanceRefresh AZRebalance ScheduledActions AlarmNotification
  )
  if jq --exit-status '(.MaxInstanceLifetime // 0) > 0' group >/dev/null; then
    processes+=(Terminate)
  fi
}

# Sets running to the chosen processes that are not suspended.
list_running_processes() {
  local process
  running=()
  for process in "${processes[@]}"; do
    if [[ ${suspended} != *" ${process} "* ]]; then
      running+=("${process}")
    fi
  done
}

# Notes what will be suspended before it is: instance-release resumes exactly what the tag names,
# even if this shell dies next.
record_processes() {
  local process
  if [[ ${record} == '' ]]; then
    record="held $(date --utc +%Y-%m-%dT%H:%M:%SZ)"
  fi
  for process in "${running[@]}"; do
    if [[ "${record} " != *" ${process} "* ]]; then
      record+=" ${process}"
    fi
  done
  write_record "${record}"
}

suspend_processes() {
  if ((${#running[@]} == 0)); then
    return
  fi
  if ! ask answer aws autoscaling suspend-processes \
    --region "${REGION}" \
    --auto-scaling-group-name "${group_name}" \
    --scaling-processes "${running[@]}"; then
    stop "cannot suspend the processes: ${aws_error}. Paste the script again."
  fi
}

# The group takes a moment to show what was suspended.
wait_until_suspended() {
  local attempt
  for attempt in 1 2 3 4 5; do
    read_group
    list_running_processes
    if ((${#running[@]} == 0)); then
      return
    fi
    if ((attempt == 5)); then
      stop "${running[*]} still active in group ${group_name}. Paste the script again."
    fi
    show_progress "waiting until ${running[*]} are suspended (${attempt} of 5)"
    sleep 15
  done
}

# A replacement that has begun is not stopped by suspending the processes.
check_instance_stays() {
  local instance_before=${instance_id}
  find_instance
  if [[ ${instance_id} != "${instance_before}" ]]; then
    stop "the group replaces its instance: ${instance_before} was in service, now" \
      "${instance_id} is. Wait until one is in service, and paste the script again."
  fi
}

# ---- Parts, which several scripts of this release have: review each once.

# ---- Part services_group, sha256 828775cb80f29de036c9e987200693c8a0ac7d2d773780d7cb902560f86b6561

# Sets group_name to the Auto Scaling group of the services instance.
find_group() {
  if ! ask resource aws cloudformation describe-stack-resource \
    --region "${REGION}" \
    --stack-name "${STACK_NAME}" \
    --logical-resource-id ServicesAutoScalingGroup; then
    stop_not_shown "ServicesAutoScalingGroup of stack ${STACK_NAME}"
  fi
  group_name=$(jq --raw-output .StackResourceDetail.PhysicalResourceId resource)
}

# Writes the description of the group to the file "group". Sets suspended to the processes that are
# suspended, between spaces, and record to what this run has noted on the group.
read_group() {
  local deployment
  if ! ask groups aws autoscaling describe-auto-scaling-groups \
    --region "${REGION}" \
    --auto-scaling-group-names "${group_name}"; then
    stop "cannot describe group ${group_name}: ${aws_error}. Paste the script again."
  fi
  if ! jq --exit-status '.AutoScalingGroups[0]' groups >group; then
    stop_wrong_place "there is no group ${group_name} in account ${ACCOUNT_ID}, ${REGION}"
  fi
  deployment=$(tag_of_group codeocean:deployment)
  if [[ ${deployment} != "${STACK_NAME}" ]]; then
    stop_wrong_place "group ${group_name} belongs to deployment '${deployment}', not ${STACK_NAME}"
  fi
  suspended=" $(jq --raw-output '[.SuspendedProcesses[].ProcessName] | join(" ")' group) "
  record=$(tag_of_group "codeocean-cmdgen:instance-hold:${RUN}")
}

tag_of_group() { # KEY
  jq --raw-output --arg key "$1" '[.Tags[] | select(.Key == $key) | .Value][0] // ""' group
}

# Two runs that hold the same group would resume each other's processes.
check_other_runs() {
  local others
  if ! others=$(jq --raw-output --arg run "${RUN}" '
    "codeocean-cmdgen:instance-hold:" as $prefix
    | [ .Tags[]
        | select(.Key | startswith($prefix))
        | select(.Value // "" | startswith("held "))
        | .Key
        | ltrimstr($prefix)
        | select(. != $run)
      ]
    | join(" and ")' group); then
    stop "cannot read the tags of group ${group_name}. Paste the script again."
  fi
  if [[ ${others} != '' ]]; then
    stop "run ${others} holds group ${group_name}. Release it first:" \
      "instance-release --run ${others}"
  fi
}

write_record() { # TEXT
  local tag="ResourceId=${group_name},ResourceType=auto-scaling-group,PropagateAtLaunch=false"
  if ! ask tagged aws autoscaling create-or-update-tags \
    --region "${REGION}" \
    --tags "${tag},Key=codeocean-cmdgen:instance-hold:${RUN},Value=$1"; then
    stop "cannot tag group ${group_name}: ${aws_error}. Paste the script again."
  fi
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
