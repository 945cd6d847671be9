(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    a07bff6d1ea2a8d6bacbdf3614d56d67163fb59b7395f5bcf6e768617848c54c\ \ -)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" volume-release \
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
# codeocean-cmdgen volume-release: unmount the restored volume, so that it can be detached
#
# Run in:   the services instance of the target, in an SSM session; it asks sudo for root.
# Changes:  umount   unmounts the restored volume; it stays attached until volume-delete
#           rmdir    removes its mount point, /mnt/codeocean-restored
# Takes:    seconds.
# Costs:    nothing.
# Again:    checks again, or reports that the volume is not attached, or was deleted.
# Killed:   leaves the volume mounted, or unmounted and not checked.
# Undo:     not needed: the volume stays attached.
# Done if:  nothing on this instance uses the volume, in no container either: the kernel has no
#           file system on it, and let the script open it exclusively. Or EC2 reports that it is
#           not attached.
# Settings: PLAN=1 shows what would change, and changes nothing.

values() {
  # text of this release: sha256 cb04c08f4ddb85891841a92653aaad2673dd7aa02b585a90d48542ce8e083a66
  # the step
  STEP=volume-release
  # from deployment file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  STACK_NAME=codeocean
  DATA_VOLUME_ID=vol-0123456789abcdef0
  # by default
  RESTORED_VOLUME_ID=''
  DATA_MOUNT=/data
  RUN=first
}

main() {
  values
  run_as_root "$@"
  read_settings "$@"
  check_services_instance
  check_programs awk blockdev lsblk mountpoint ps python3 tac umount xargs
  check_mount "${DATA_VOLUME_ID}" "${DATA_MOUNT}" rw
  check_copy_ended
  finish_if_deleted
  find_restored_volume
  check_restored_volume
  finish_if_not_attached
  list_mounts
  warn_if_not_copied
  if [[ ${PLAN} == 1 ]]; then
    show_plan
  fi
  unmount
  check_no_users
  check_exclusive
  flush_and_clean_up
  append_record "volume-release--${RUN}" "released ${restored_volume}"
  finish "${restored_volume} is no longer mounted and can be detached: run volume-delete"
}

check_copy_ended() {
  if is_working volume-copy-in; then
    stop 'volume-copy-in is still at work. Paste this script again when it has ended.'
  fi
}

# After volume-delete, only the record still shows which volume this run has released.
finish_if_deleted() {
  local record released
  record=$(tail --lines=1 "${records}/volume-release--${RUN}" 2>/dev/null)
  released=${record##* }
  if [[ ${record} == '' || ${RESTORED_VOLUME_ID:-${released}} != "${released}" ]]; then
    return
  fi
  if ! ask volume aws ec2 describe-volumes \
    --region "${REGION}" \
    --volume-ids "${released}" && [[ ${aws_error} == *NotFound* ]]; then
    finish "${released} was released at ${record%% *}, and was deleted since: EC2 does not show it"
  fi
}

# Sets device to the device of the restored volume. If there is none, EC2 must agree.
finish_if_not_attached() {
  local state holder
  find_device "${restored_volume}"
  if [[ ${device} != '' ]]; then
    return
  fi
  state=$(jq --raw-output '.Volumes[0].State' volume)
  holder=$(jq --raw-output '.Volumes[0].Attachments[0].InstanceId // ""' volume)
  if [[ ${holder} != '' ]]; then
    stop "EC2 reports that ${restored_volume} is attached to ${holder}. This instance," \
      "${instance_id}, has no device of it. Paste the script again on ${holder}."
  fi
  finish "${restored_volume} is not attached to this instance: EC2 reports that it is ${state}"
}

# Writes the folders at which the restored volume is mounted to the file "mounts". Nested ones come
# first.
list_mounts() {
  findmnt --noheadings --output TARGET --source "${device}" | tac >mounts
}

warn_if_not_copied() {
  if ! grep --quiet --no-messages ' completed' "${records}/volume-copy-in--${RUN}"; then
    say "warning: no record says that volume-copy-in of run ${RUN} was completed"
  fi
}

show_plan() {
  if [[ ! -s mounts ]]; then
    finish_plan "${restored_volume} is not mounted; whether anything uses it would be checked"
  fi
  say_file mounts '  '
  finish_plan "${restored_volume} would be unmounted from the folders above; nothing was changed"
}

unmount() {
  local folder
  while read -r folder; do
    check_topmost "${folder}"
    if ! umount "${folder}"; then
      add_problem "cannot unmount ${restored_volume} from ${folder}"
    fi
  done <mounts
  stop_if_problems 'end the programs that use the volume, and paste the script again.' \
    'Do not detach the volume until then.'
}

# umount takes what was mounted last at a folder, whatever that is.
check_topmost() { # FOLDER
  local number topmost
  number=$(mountpoint --devno "${device}")
  topmost=$(mountpoint --fs-devno "$1")
  if [[ ${number} == '' || ${topmost} != "${number}" ]]; then
    say "mounted at $1:"
    findmnt --noheadings --output SOURCE,FSTYPE --mountpoint "$1" >stacked
    say_file stacked '  '
    stop "another file system is mounted above ${restored_volume} at $1, and is not unmounted." \
      'Unmount it, and paste the script again. Do not detach the volume until then.'
  fi
}

# The disk must have no users left in any mount namespace: a container keeps mounts of its own. A
# program may also read the device itself.
check_no_users() {
  local number
  number=$(lsblk --nodeps --noheadings --output MAJ:MIN "${device}" | tr --delete ' ')
  if [[ ! -d /sys/dev/block/${number:-unknown}/holders ]]; then
    stop "cannot find out what uses ${restored_volume}: lsblk shows '${number}' for ${device}." \
      'Do not detach the volume. Paste the script again.'
  fi
  {
    grep --files-with-matches --no-messages "^[0-9]* [0-9]* ${number} " /proc/[0-9]*/mountinfo
    find -L /proc/[0-9]*/fd/ -mindepth 1 -maxdepth 1 -samefile "${device}" 2>/dev/null
  } | cut --delimiter=/ --fields=3 | sort --unique >pids
  xargs --no-run-if-empty ps --no-headers -o 'pid,user,comm' --pid <pids >users
  find "/sys/dev/block/${number}/holders" -mindepth 1 -printf 'block device %f\n' >>users
  if [[ -s users ]]; then
    say_file users '  '
    stop "the above still uses ${restored_volume}. End it, and paste the script again." \
      'Do not detach the volume until then.'
  fi
}

# After umount --lazy, no folder shows a file system that a program still uses. The kernel still
# has it, and gives its device to nobody else.
check_exclusive() {
  if [[ -e /sys/fs/xfs/${device##*/} ]]; then
    stop_in_use
  fi
  if open_exclusively 2>refusal; then
    return
  fi
  if grep --quiet 'Device or resource busy' refusal; then
    stop_in_use
  fi
  say_file refusal '  '
  stop "cannot find out whether a program still uses ${restored_volume}." \
    'Do not detach the volume. Paste the script again.'
}

stop_in_use() {
  stop "a program still uses ${restored_volume}, although it is mounted nowhere, or one of its" \
    "partitions is mounted. To see: sudo fuser --verbose --mount ${device}; lsblk ${device}." \
    'End it, and paste the script again. Do not detach the volume until then.'
}

open_exclusively() {
  python3 -I -c '
import os, sys
try:
    os.open(sys.argv[1], os.O_RDONLY | os.O_EXCL)
except OSError as error:
    sys.exit(str(error))
' "${device}"
}

flush_and_clean_up() {
  blockdev --flushbufs "${device}"
  if [[ -d ${restored_mount} ]]; then
    rmdir "${restored_mount}"
  fi
}

# ---- Parts, which several scripts of this release have: review each once.

# ---- Part copied_volume, sha256 e1564e0b07da3ba6e5cf7269a2bb31cfc9a66c361297ca4c2ebf36de5a07f3be

# Sets restored_volume to the volume that is copied from, or that was, and restored_mount to the
# folder where it is mounted.
find_restored_volume() {
  restored_mount=/mnt/codeocean-restored
  restored_volume=${RESTORED_VOLUME_ID}
  if [[ ${restored_volume} == '' ]]; then
    list_restored_volumes
  fi
  if [[ ${restored_volume} != vol-* || ${restored_volume} == *' '* ]]; then
    stop_wrong_place "the restored volume of run ${RUN} is '${restored_volume}', but one is" \
      'expected. Name it with --restored-volume-id'
  fi
  if [[ ${restored_volume} == "${DATA_VOLUME_ID}" ]]; then
    stop_wrong_place "the restored volume of run ${RUN} is the data volume itself." \
      'Name the restored one with --restored-volume-id'
  fi
}

# Only a volume that volume-restore has tagged may be attached, mounted or unmounted, even if it was
# named. Writes its description to the file "volume".
check_restored_volume() {
  local origin
  read_visible_volume "${restored_volume}"
  origin=$(jq --raw-output '.Volumes[0].Tags // [] | from_entries
    | .["codeocean-cmdgen:data-volume-id"] // ""' volume)
  if [[ ${origin} != "${DATA_VOLUME_ID}" ]]; then
    stop "${restored_volume} is not known to be a copy of ${DATA_VOLUME_ID}: its tag" \
      "codeocean-cmdgen:data-volume-id is '${origin}', but volume-restore writes" \
      "'${DATA_VOLUME_ID}'. Nothing was changed. If you restored it without volume-restore, add" \
      'that tag in EC2 > Volumes, and paste the script again.'
  fi
}

# Writes the description of a volume to the file "volume".
read_visible_volume() { # VOLUME_ID
  if ! ask volume aws ec2 describe-volumes \
    --region "${REGION}" \
    --volume-ids "$1"; then
    stop_wrong_place "volume $1 is not visible in account ${ACCOUNT_ID}, ${REGION}: ${aws_error}"
  fi
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
