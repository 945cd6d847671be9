(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    2303d3c9c9dd02150dc31b76b606c5f9e731b08d616d74225b0b58da13408a80\ \ -)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" service-start \
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
# codeocean-cmdgen service-start: start the application again
#
# Run in:   the services instance that service-stop ran on, in an SSM session; it asks sudo for
#           root. Run it only when the data is complete: from then on people can work, and the
#           application deletes what its database does not refer to.
# Changes:  systemctl unmask          unmasks what service-stop of this run masked
#           mv                        moves unit files and cron files back. If there is a new file
#                                     in that place, it is kept, with a number and ~ after its
#                                     name.
#           systemctl start           starts the codeocean service and the other units
#           docker update             restores the restart policy of containers
#           docker start              starts the containers that were running
#           mount --options remount   makes the data volume writable, if a killed script left it
#                                     read-only
#           rm                        removes the folder in which service-stop kept all this
# Takes:    minutes; the script reports how many. Up to five more if the health endpoint does not
#           answer: its path is known only for older versions.
# Costs:    nothing.
# Again:    continues, or reports that the service is active. It does not start what another run
#           has stopped since.
# Killed:   leaves a part of this started. What is not put back yet stays in the folder.
# Undo:     service-stop with a new --run. What the application has deleted is gone.
# Done if:  the service is active three times in a row with the same process. The last line says
#           what is known about its health.
# Settings: PLAN=1 shows what would change, and changes nothing.

values() {
  # text of this release: sha256 d93fec8bebcb2ddbf6f278ea0df26cd5723d4e7b217da0291a4606af50f70605
  # the step
  STEP=service-start
  # from deployment file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  STACK_NAME=codeocean
  # by default
  DATA_MOUNT=/data
  HEALTH_URL=http://localhost:8300/health
  RUN=first
}

main() {
  values
  run_as_root "$@"
  read_settings "$@"
  check_services_instance
  check_no_copy_works
  check_copy_is_complete
  check_held_files
  check_run_of_stop
  read_service_record
  finish_if_active
  if [[ ${PLAN} == 1 ]]; then
    show_what_is_held
    finish_plan 'would start codeocean and restore everything above; nothing was changed'
  fi
  check_docker
  make_data_volume_writable
  SECONDS=0
  record_start
  put_back_held_files
  start_units
  start_containers
  stop_if_problems 'fix the problems above, and paste the script again.'
  wait_until_active
  wait_until_healthy
  wait_until_active
  rm --recursive --force "${held}"
  finish "codeocean is active after ${SECONDS} s, ${health}"
}

check_no_copy_works() {
  if systemctl is-active --quiet 'codeocean-cmdgen-*-copy-in.service'; then
    stop 'a copy is running in the background; nothing was changed.' \
      'Paste volume-copy-in or db-copy-in to follow it.'
  fi
}

# What another run has stopped is that run's to start.
check_run_of_stop() {
  local run_of_stop
  if [[ ! -d ${held} ]]; then
    return
  fi
  run_of_stop=$(cat "${held}/run" 2>/dev/null)
  if [[ ${run_of_stop} != "${RUN}" ]]; then
    stop "run '${run_of_stop}' has stopped the service: start it with service-start of that run"
  fi
}

# Sets run_record to what this run has recorded.
read_service_record() {
  run_record=$(cat "${records}/service--${RUN}" 2>/dev/null)
}

finish_if_active() {
  if [[ ${run_record} == *started* && ! -d ${held} ]] && systemctl is-active --quiet codeocean; then
    finish "codeocean is active; ${run_record##*$'\n'}"
  fi
}

show_what_is_held() {
  if [[ -d ${held} ]]; then
    say_file "${held}/units" 'unit '
    say_file "${held}/containers" 'container '
    list_held_files
    say_file held_files 'cron file '
  fi
}

# Writes the cron files that are held to the file "held_files", by their old names.
list_held_files() {
  find "${held}/cron" -not -type d -printf '/%P\n' >held_files
}

check_docker() {
  if [[ -s ${held}/containers ]] && ! docker ps >/dev/null; then
    stop 'docker is not running; nothing was changed. Start docker, and paste the script again.'
  fi
}

# A killed service-stop may have left it read-only.
make_data_volume_writable() {
  if ! remount_data_volume rw; then
    stop "cannot make ${DATA_MOUNT} writable"
  fi
}

# Recorded before anything starts: from now on, a late paste of service-stop must stop nothing.
record_start() {
  if [[ ${run_record} != *started* ]]; then
    append_record "service--${RUN}" started
  fi
}

put_back_held_files() {
  local file
  if [[ ! -d ${held} ]]; then
    return
  fi
  put_back_units
  list_held_files
  while IFS= read -r file; do
    put_back_file "${held}/cron${file}" "${file}"
  done <held_files
  stop_if_problems 'fix the problems above, and paste the script again. Nothing was started.'
}

# A unit file that was moved away is moved over the mask that has its place. Unmasking would disable
# the unit. The last loop is for files of which service-stop held several.
put_back_units() {
  local unit file
  while read -r unit; do
    if [[ -f ${held}/unit-files/${unit} ]]; then
      put_back_file "${held}/unit-files/${unit}" "/etc/systemd/system/${unit}"
    elif ! systemctl --quiet unmask "${unit}"; then
      add_problem "cannot unmask ${unit}"
    fi
  done <"${held}/units"
  for file in "${held}"/unit-files/*~; do
    if [[ -f ${file} ]]; then
      put_back_file "${file}" "/etc/systemd/system/${file##*/}"
    fi
  done
  systemctl daemon-reload
}

# What has the place of the held file is kept, unless it is a mask. mv adds a number and "~" to its
# name, which means nothing to cron and systemd.
put_back_file() { # HELD_FILE FILE
  local backup=numbered link_target
  link_target=$(readlink "$2")
  if [[ ${link_target} == /dev/null ]]; then
    backup=none
  elif [[ -e $2 || -L $2 ]]; then
    say "warning: $2 was created since service-stop held the file of that name. The held file is" \
      "put back. The new one is kept as $2.~N~, with a number"
  fi
  if ! mv --force --backup="${backup}" --no-target-directory "$1" "$2"; then
    add_problem "cannot move $2 back"
  fi
}

# Each unit starts in the background: wait_until_active watches codeocean.
start_units() {
  local unit
  if [[ -d ${held} ]]; then
    while read -r unit; do
      say "starting ${unit}"
      systemctl reset-failed "${unit}" 2>/dev/null
      if ! systemctl start --no-block "${unit}"; then
        say "warning: cannot start ${unit}"
      fi
    done <"${held}/units"
  fi
  if ! systemctl start --no-block codeocean; then
    add_problem 'cannot start codeocean'
  fi
}

# A container that docker removed when it stopped is missing here: the service creates it again.
start_containers() {
  local id name policy was_running
  if [[ ! -s ${held}/containers ]]; then
    return
  fi
  while read -r id name policy was_running; do
    if ! docker inspect "${id}" >/dev/null 2>&1; then
      continue
    fi
    if ! docker update --restart="${policy}" "${id}" </dev/null >/dev/null; then
      add_problem "cannot give container ${name#/} its restart policy ${policy} back"
    fi
    if [[ ${was_running} == true ]]; then
      say "starting container ${name#/}"
      if ! docker start "${id}" </dev/null >/dev/null; then
        add_problem "cannot start container ${name#/}"
      fi
    fi
  done <"${held}/containers"
}

# A unit that is active now may fail in a second: it must be active three times in a row, with the
# same process.
wait_until_active() {
  local active process='' process_before waited times=0
  work_continues=yes
  for ((waited = 0; times < 3; waited += 2)); do
    process_before=${process}
    active=$(systemctl show codeocean --property=ActiveState --value)
    process=$(systemctl show codeocean --property=MainPID --value)
    if [[ ${active} == failed ]]; then
      stop 'codeocean failed to start. Check: journalctl --unit=codeocean. Then paste the script' \
        'again.'
    fi
    if ((waited >= 900)); then
      stop "codeocean is ${active}, not active, after 15 minutes. Paste the script again to wait" \
        'longer.'
    fi
    if [[ ${active} == active && ${process} == "${process_before}" ]]; then
      times=$((times + 1))
    else
      times=0
    fi
    show_progress "codeocean: ${active}, process ${process}, ${waited} s"
    sleep 2
  done
  work_continues=no
}

# Waits five minutes for an answer of the health endpoint. Its path is known for older versions
# only: if nothing answers, there may be none. Sets health to what is known.
wait_until_healthy() {
  local code waited
  health="health unknown: nothing answers at ${HEALTH_URL}. Check the application yourself."
  for ((waited = 0; waited < 300; waited += 5)); do
    code=$(curl --silent --noproxy '*' --max-time 5 --output /dev/null \
      --write-out '%{http_code}' "${HEALTH_URL}")
    case "${code}" in
    2*)
      health=healthy
      return
      ;;
    404)
      health="health unknown: ${HEALTH_URL} does not exist. Check the application yourself."
      return
      ;;
    000) ;;
    *) health="unhealthy, HTTP ${code}" ;;
    esac
    show_progress \
      "codeocean: active, ${HEALTH_URL} answers ${code}, ${waited} of at most 300 s"
    sleep 5
  done
  if [[ ${health} == unhealthy* ]]; then
    stop "codeocean is active, but ${health} from ${HEALTH_URL}"
  fi
}

# ---- Parts, which several scripts of this release have: review each once.

# ---- Part complete_copy, sha256 263c5c8c582956b1cfd2c8dd530d200b803e4ad10d8f81843a74140a75d435d8

# Checks that no copy to the data volume was started and not completed: then some of its files are
# the old ones, and some the restored ones.
check_copy_is_complete() {
  local last_record
  last_record=$(cat "${records}"/volume-copy-in--* 2>/dev/null |
    sort --stable --key=1,1 | tail --lines=1)
  if [[ ${last_record} == *' confirmed '* ]]; then
    stop "a copy to the data volume was started and is not completed (${last_record})." \
      'Paste volume-copy-in again.'
  fi
}

# ---- Part held_files, sha256 4a476dc8c576d95ab55fc5d3a97633e0ae630a65cf10cdcae60fd193414e054f

# service-stop keeps in one folder what it takes from the system, and notes there what it stops.
# service-start puts it back. So nobody but root may have put anything there; only the cron files
# that service-stop has noted may belong to users. Sets held to the folder, which may be missing.
check_held_files() {
  local found
  held=/var/lib/codeocean-cmdgen/service-stop
  check_private_folder "${held}"
  if [[ ! -d ${held} ]]; then
    return
  fi
  if ! find "${held}" -not -uid 0 -printf '%P\0' >not_of_root; then
    stop "cannot check who owns the files in ${held}: its contents cannot be trusted"
  fi
  while IFS= read -r -d '' found; do
    if [[ ${found} == *$'\n'* ]] || ! grep --quiet --no-messages --line-regexp --fixed-strings \
      --regexp="${found}" "${held}/cron_files"; then
      refuse_planted "${held}/${found}" 'a file or folder of root' "${held}.aside"
    fi
  done <not_of_root
}

# ---- Shared by all scripts for the services instance in this release: review it once.
# ---- sha256 53d1de978f39918e43dbd8c7b9b573446dc70c64994b9de02f17303e94016c7c

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

# A session's user is not root: this same text runs again as root.
run_as_root() { # ARGUMENT...
  if ((EUID != 0)); then
    exec sudo --set-home env codeocean_cmdgen=main \
      bash -o privileged -c "${BASH_EXECUTION_STRING:?}" "$0" "$@"
  fi
}

# Checks that this is the right services instance. What the vendor wrote on it, what EC2 says it is,
# and what EC2 shows to its credentials must all agree. Sets instance_id, and records to the folder
# of completion records.
check_services_instance() {
  umask 077
  records=${DATA_MOUNT}/.codeocean-cmdgen
  if [[ ! -e /etc/codeocean/stack.json ]]; then
    stop_wrong_place '/etc/codeocean/stack.json is missing: this is not a services instance.' \
      "The script is for that of account ${ACCOUNT_ID}, ${REGION}, stack ${STACK_NAME}"
  fi
  check_programs aws curl find findmnt flock grep jq mountpoint sed systemctl
  check_field /etc/codeocean/stack.json 'account, Region and stack' /etc/codeocean/stack.json \
    '"\(.AWS.AccountID) \(.AWS.Region) \(.Stack)"' "${ACCOUNT_ID} ${REGION} ${STACK_NAME}"
  read_identity
  check_field "the instance's identity document" 'account and Region' identity \
    '"\(.accountId) \(.region)"' "${ACCOUNT_ID} ${REGION}"
  instance_id=$(jq --raw-output .instanceId identity)
  if ! ask instances aws ec2 describe-instances \
    --region "${REGION}" \
    --instance-ids "${instance_id}"; then
    stop_wrong_place "ec2:DescribeInstances failed for this instance, ${instance_id}: ${aws_error}"
  fi
  check_field "the instance's reservation in EC2" owner instances \
    .Reservations[0].OwnerId "${ACCOUNT_ID}"
  check_field "the instance's EC2 tags" stack instances '
    .Reservations[0].Instances[0].Tags // []
    | from_entries
    | .["codeocean:deployment"] // .["aws:cloudformation:stack-name"]' "${STACK_NAME}"
  if ! mountpoint --quiet "${DATA_MOUNT}"; then
    stop_wrong_place "no data volume is mounted at ${DATA_MOUNT}"
  fi
  check_private_folder /var/lib/codeocean-cmdgen
  check_private_folder "${records}"
}

check_field() { # DOCUMENT FIELD FILE JQ_FILTER EXPECTED
  local found
  found=$(jq --raw-output "$4 // empty" "$3" 2>/dev/null)
  if [[ ${found} != "$5" ]]; then
    stop_wrong_place "$1: expected $2 $5; found ${found:-nothing}"
  fi
}

# Writes the identity document of the instance to the file "identity".
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
read_identity() {
  ask token get_metadata api/token \
    --request PUT --header 'X-aws-ec2-metadata-token-ttl-seconds: 60'
  sed 's/^/X-aws-ec2-metadata-token: /' token >header
  ask identity get_metadata dynamic/instance-identity/document --header @header
}

get_metadata() { # PATH CURL_OPTION...
  curl --silent --fail --noproxy '*' --max-time 5 "${@:2}" "http://169.254.169.254/latest/$1"
}

# Stops unless only root can use a folder, and only root can have put its contents there. Any local
# user or container may have planted a folder or a link under this name, to read what root writes
# there, to have root write elsewhere, or to forge a record. The folder may be missing.
check_private_folder() { # FOLDER
  check_parent_folders "$1"
  if [[ -e $1 || -L $1 ]]; then
    check_owner "$1"
    check_files_in "$1"
  fi
}

# A user who can write to a parent folder can replace this folder by another. Only a sticky bit, as
# folders for temporary files have it, prevents that.
check_parent_folders() { # FOLDER
  local path=$1 parents=(/) found
  while [[ ${path} == /*/* ]]; do
    path=${path%/*}
    if [[ -e ${path} || -L ${path} ]]; then
      parents+=("${path}")
    fi
  done
  if ! found=$(find "${parents[@]}" -maxdepth 0 \
    '(' -not -type d -o -not -uid 0 -o -perm /022 -not -perm -1000 ')' -print -quit); then
    stop "cannot check who may replace $1: its contents cannot be trusted"
  fi
  if [[ ${found} != '' ]]; then
    describe_path "${found}"
    stop "${description}: others could replace what scripts keep below it. It must be a real" \
      "folder that only root can change. Check: sudo ls -ld ${found}. Then, if it is a folder:" \
      "sudo chown root ${found} && sudo chmod go-w ${found}"
  fi
}

# The folder itself is examined first: a link is not followed, and nothing below the folder of
# another user is read.
check_owner() { # FOLDER
  local found
  if ! found=$(find "$1" -maxdepth 0 \
    '(' -not -type d -o -not -uid 0 -o -perm /077 ')' -print -quit); then
    stop "cannot check who owns $1: its contents cannot be trusted"
  fi
  if [[ ${found} != '' ]]; then
    refuse_planted "$1" 'a folder of root with mode 700' "$1.aside"
  fi
}

# The folder may have had another owner before. A second link to a file is a second way to change
# it, and a pipe or a device answers whatever it likes.
check_files_in() { # FOLDER
  local found
  if ! found=$(find "$1" -mindepth 1 -maxdepth 1 -not -type d \
    '(' -not -type f -o -not -uid 0 -o -perm /022 -o -links +1 ')' -printf '%p/' -quit); then
    stop "cannot check who owns the files in $1: its contents cannot be trusted"
  fi
  found=${found%/} # the slash keeps a newline at the end of a name
  if [[ ${found} != '' ]]; then
    refuse_planted "${found}" 'a file of root with one name that only root can change' \
      "$1-${found##*/}.aside"
  fi
}

refuse_planted() { # PATH EXPECTED NEW_PATH
  local from to
  describe_path "$1"
  printf -v from %q "$1"
  printf -v to %q "$3"
  stop "${description}, not $2: somebody else may have put it there." \
    "Check: sudo ls -lan ${from}. Then move it aside:" \
    "sudo mv --no-target-directory --backup=numbered ${from} ${to}"
}

# Sets description to what a path is and who owns it. The path is quoted: its name may hold any
# character.
describe_path() { # PATH
  if ! description=$(stat --format='%F of user %U (%u), mode %a, with %h names' "$1"); then
    description='thing that cannot be examined'
  fi
  printf -v description '%q is a %s' "$1" "${description}"
}

# Creates a folder that only root can use, or checks the one that exists.
make_private_folder() { # FOLDER
  check_private_folder "$1"
  if [[ ! -d $1 ]] && ! mkdir --mode=700 "$1"; then
    stop "cannot create $1"
  fi
}

# Completion records live on the data volume, so they survive a replaced instance. Copies exclude
# them. The record with its new line is written to a new file, which then takes its name: so a
# record changes completely or not at all, and nobody else can hold the file that is written. The
# lock on the folder keeps the line of another session from being lost.
append_record() { # NAME TEXT...
  local record_file=${records}/$1 new_file lock
  make_private_folder "${records}"
  if ! exec {lock}<"${records}" || ! flock --timeout 15 "${lock}"; then
    stop "another session has locked ${records} for 15 s: no step continues without its record"
  fi
  if ! new_file=$(mktemp "${records}/.new.XXXXXX"); then
    stop "cannot write to ${records}: no step continues without its record"
  fi
  if ! write_longer_record "${record_file}" "${new_file}" "${*:2}"; then
    rm --force "${new_file}"
    stop "cannot write ${record_file}: no step continues without its record"
  fi
  exec {lock}<&-
}

write_longer_record() { # RECORD_FILE NEW_FILE TEXT
  if [[ -e $1 ]] && ! cat "$1" >"$2"; then
    return 1
  fi
  if ! printf '%(%FT%TZ)T %s\n' -1 "$3" >>"$2" || ! sync "$2"; then
    return 1
  fi
  mv --no-target-directory "$2" "$1" && sync "${records}"
}

# Checks that a volume, and nothing else, is mounted at a folder: as XFS, read-only (ro) or
# writable (rw). Mounts that are stacked at one folder are several lines.
check_mount() { # VOLUME_ID FOLDER ro|rw
  local mounted
  find_device "$1"
  mounted=$(findmnt --noheadings --raw --output SOURCE,FSTYPE,OPTIONS --mountpoint "$2")
  if [[ "$3 ${mounted}" == "rw ${device} xfs ro,"* && ${device} != '' ]]; then
    stop "$2 is read-only: a script may have been killed while it looked for writers. Make it" \
      "writable, and paste the script again: sudo mount --options-source mtab --options" \
      "remount,rw $2"
  fi
  if [[ ${device} == '' || ${mounted} == *$'\n'* ||
    ${mounted} != "${device} xfs $3,"* || ${mounted} == *norecovery* ]]; then
    stop_wrong_place "expected $1 (xfs, $3) at $2; found '${mounted}'." \
      "The device of the volume is '${device}'. A restart can mount a restored volume, which may" \
      "have the same UUID: unmount it, mount the device of $1 at $2, and paste the script again"
  fi
}

# Sets device to the device of a volume, or to nothing. Only the serial number identifies it.
# https://docs.aws.amazon.com/ebs/latest/userguide/nvme-ebs-volumes.html
find_device() { # VOLUME_ID
  local link=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_${1/-/}
  if ! device=$(readlink --canonicalize-existing "${link}"); then
    device=$(lsblk --nodeps --noheadings --paths --output NAME,SERIAL |
      awk -v serial="${1/-/}" '$2 == serial {print $1}')
  fi
}

# Proves that nothing writes to the data volume, by making it read-only for a moment: the kernel
# refuses that while a file is open for writing. The subshell ignores what ends a session until the
# data volume is writable again; Ctrl-C ends the script after that.
prove_nothing_writes() { # HOW_TO_FIND_WRITERS
  say "making ${DATA_MOUNT} read-only for a moment, to prove that nothing writes to it. This may" \
    'take minutes, until all that is in memory is on the volume.'
  (trap '' HUP INT QUIT TERM && remount_for_a_moment)
  case $? in
  0) ;;
  1) stop "cannot make ${DATA_MOUNT} read-only: something writes to ${DATA_MOUNT}. $1" ;;
  *)
    stop "${DATA_MOUNT} is read-only, or has other mount options than before. To see them:" \
      "findmnt ${DATA_MOUNT}. Then paste the script again."
    ;;
  esac
}

# Fails with 1 if the kernel refused; with 2 if the data volume may have stayed read-only.
remount_for_a_moment() {
  local refused
  remount_data_volume ro
  refused=$?
  if ! remount_data_volume rw; then
    return 2
  fi
  return "${refused}"
}

# Makes the data volume read-only or writable, and checks in the kernel's list of mounts that this,
# and no other option, has changed. With the options of fstab, mount would change others too, and
# may report success without asking the kernel: with "nofail", if fstab names no existing device.
remount_data_volume() { # ro|rw
  local expected found
  expected=$(list_mount_options | sed "s/^r[ow]\>/$1/; s/ r[ow]\>/ $1/")
  mount --options-source mtab --options "remount,$1" "${DATA_MOUNT}"
  found=$(list_mount_options)
  [[ ${expected} != '' && ${found} == "${expected}" ]]
}

# Lists the options of the mount, and those of its file system.
list_mount_options() {
  findmnt --noheadings --raw --output VFS-OPTIONS,FS-OPTIONS --mountpoint "${DATA_MOUNT}"
}

# The work runs as a systemd unit of its own, so it continues when the session ends. The unit runs
# this same text, which calls work there instead of main. What it says goes to a log, and every
# paste follows that log.

is_working() { # [STEP]
  local state
  state=$(systemctl is-active "codeocean-cmdgen-${1:-${STEP}}")
  if [[ ${state} == @(inactive|failed|unknown) ]]; then
    return 1
  fi
  if [[ ${state} == '' ]]; then
    stop 'systemd does not answer. Paste the script again.'
  fi
}

# Starts the work, unless it runs already. The lock makes two pastes at the same moment take turns.
start_work() {
  local lock_file=/var/lib/codeocean-cmdgen/${STEP}.start lock
  make_private_folder /var/lib/codeocean-cmdgen
  if ! exec {lock}>"${lock_file}"; then
    stop "cannot create ${lock_file}; nothing was started"
  fi
  if ! flock --timeout 15 "${lock}"; then
    stop "another session has locked ${lock_file} for 15 s; this one has started nothing. To see" \
      'which process: sudo lslocks. Paste the script again.'
  fi
  if ! is_working; then
    start_unit
  fi
  exec {lock}>&-
}

# The unit itself puts its log and its text in place, before it runs the text: if it cannot start,
# those of the work before stay. The log comes first: no text is ever beside the log of other work
# that says that it is done.
start_unit() {
  local text_file=/var/lib/codeocean-cmdgen/${STEP} log=/var/lib/codeocean-cmdgen/${STEP}.log
  if ! printf '%s\n' "${BASH_EXECUTION_STRING}" >"${text_file}.new" ||
    ! echo starting >"${log}.new"; then
    stop "cannot write ${text_file}.new and its log; nothing was started"
  fi
  if ! systemd-run --quiet --collect --unit="codeocean-cmdgen-${STEP}" \
    --setenv=codeocean_cmdgen=work \
    --property=ExecStartPre="/bin/mv --no-target-directory ${log}.new ${log}" \
    --property=ExecStartPre="/bin/mv --no-target-directory ${text_file}.new ${text_file}" \
    --property=StandardOutput="append:${log}" \
    bash -o privileged "${text_file}" '' '' '' '' '' '' :0; then
    stop 'systemd cannot start the work; nothing was started'
  fi
}

# Shows the work until it ends, and ends as it did. Only its last line says that it is done: work
# that was killed has no such line.
follow_work() {
  local log=/var/lib/codeocean-cmdgen/${STEP}.log line='' shown=''
  check_own_work
  if [[ ${WATCH} == 0 ]]; then
    finish_started "${STEP} runs in the background as unit codeocean-cmdgen-${STEP}." \
      'Paste the script again to follow it.'
  fi
  work_continues=yes
  while is_working; do
    line=$(tail --lines=1 "${log}")
    check_own_work
    if [[ ${line} != "${shown}" && ${line} != 'done: '* ]]; then
      show_progress "${line}"
    fi
    shown=${line}
    sleep 2
  done
  work_continues=no
  # In this order: other work may start now, and puts its text in place before it writes to its log.
  line=$(tail --lines=1 "${log}")
  check_own_work
  if [[ ${line} == 'done: '* ]]; then
    finish "${line#done: }"
  fi
  tail --lines=5 "${log}" >last_lines
  say_file last_lines
  stop "the work ended before it was done. Paste the script again to continue. Its log: ${log}"
}

# What runs, or ran last, may have been started by a script with other values: its outcome is not
# that of this script.
check_own_work() {
  local text_file=/var/lib/codeocean-cmdgen/${STEP}
  if [[ $(<"${text_file}") != "${BASH_EXECUTION_STRING%$'\n'}" ]]; then
    stop "the last run of ${STEP} was started by another script (other values or release):" \
      "${text_file}. Paste that one to follow it."
  fi
}

# ---- End of the shared part. The next line starts the script; alone, it runs nothing.

"${codeocean_cmdgen-nothing_runs}" "$@"
# --------------------------------------------------------------------------------------------------
END_OF_BODY
- end of the script: press Enter to run it -
)
