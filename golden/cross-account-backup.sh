(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    4c2135047051e5b701d8d3fe18ef0c0770ba481a9e5ea8ba2610999977ca0d71\ \ -)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" cross-account-backup \
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
# codeocean-cmdgen cross-account-backup: let the organization's accounts copy backups to each other
#
# Run in:   AWS CloudShell, in the management account of the organization.
# Changes:  backup update-global-settings   turns on cross-account backup for the whole
#                                           organization
# Takes:    seconds.
# Costs:    nothing. Each vault's own policy still decides whose copies it accepts.
# Again:    reports when it was turned on.
# Killed:   leaves the setting on or off, and nothing else.
# Undo:     possible at any time, on the page Settings of the AWS Backup console.
# Done if:  AWS Backup reports that the setting is on.
# Settings: PLAN=1 shows what would change, and changes nothing.

values() {
  # text of this release: sha256 7f7a719d21fafaa80eb3b972544fd1cfc440b41de3834c22babd9059da278387
  # the step
  STEP=cross-account-backup
  # from deployment file [source.cross-account-backup]
  ACCOUNT_ID=444444444444
  # from deployment file [source]
  REGION=us-east-1
  # made from the values above and the options
  PARTITION=aws
}

main() {
  values
  read_settings "$@"
  check_programs aws jq
  check_account
  check_management_account
  read_setting
  if [[ ${PLAN} == 1 && ${enabled} == true ]]; then
    finish_plan 'cross-account backup is on already; nothing was changed'
  elif [[ ${PLAN} == 1 ]]; then
    finish_plan 'cross-account backup would be turned on; nothing was changed'
  fi
  if [[ ${enabled} != true ]]; then
    turn_on
    wait_until_on
  fi
  finish "the accounts of the organization may copy backups to each other, since ${updated}"
}

# Only the management account may change the setting; the others can see which account that is.
check_management_account() {
  local management
  if ! ask organization aws organizations describe-organization --region "${REGION}"; then
    stop "cannot describe the organization of account ${ACCOUNT_ID}: ${aws_error}"
  fi
  management=$(jq --raw-output .Organization.MasterAccountId organization)
  if [[ ${management} != "${ACCOUNT_ID}" ]]; then
    stop_wrong_place "account ${ACCOUNT_ID} is a member of the organization. Its management" \
      "account is ${management}: generate with --account-id ${management}, and paste there"
  fi
}

# Sets enabled to true or false, and updated to the time of the last change, or to nothing.
read_setting() {
  if ! ask settings aws backup describe-global-settings --region "${REGION}"; then
    stop "cannot read the settings of AWS Backup: ${aws_error}. Paste the script again."
  fi
  enabled=$(jq --raw-output '.GlobalSettings.isCrossAccountBackupEnabled // "false"' settings)
  updated=$(jq --raw-output '.LastUpdateTime // ""' settings)
  say "cross-account backup in the organization: ${enabled}${updated:+, set ${updated}}"
}

turn_on() {
  if ! ask answer aws backup update-global-settings \
    --region "${REGION}" \
    --global-settings isCrossAccountBackupEnabled=true; then
    stop "cannot turn on cross-account backup: ${aws_error}"
  fi
}

# AWS Backup takes a moment to show the new setting.
wait_until_on() {
  local attempt
  for attempt in 1 2 3 4 5; do
    read_setting
    if [[ ${enabled} == true ]]; then
      return
    fi
    show_progress "waiting until AWS Backup shows the new setting (${attempt} of 5)"
    sleep 15
  done
  stop 'AWS Backup accepted the setting but does not show it. Paste the script again.'
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
