(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    a14b7872f8c5dd1d3064c6d4e853c90825ee5e2cf7ddbdfdfcdc758c2f97934e\ \ -)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" secrets-restore \
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
# codeocean-cmdgen secrets-restore: put back the system's secrets from the data volume
#
# Run in:   the services instance of the target, in an SSM session; it asks sudo for root. Run it
#           after volume-copy-in, before service-start.
# Changes:  ssm put-parameter         lists the names of the saved parameters that differ below
#                                     this stack's path, then writes them, with the KMS keys that
#                                     they have here if it can read these, otherwise with the
#                                     account's default key. It deletes none, and changes nothing
#                                     in Secrets Manager.
#           mv                        keeps the values that are replaced in a file below
#                                     /var/lib/codeocean-cmdgen
#           mount --options remount   makes the data volume read-only for a moment, which proves
#                                     that nothing writes to it
#           bash -c COMMAND           with --command, runs the vendor's command instead, and shows
#                                     what it prints
# Takes:    a second for each parameter.
# Costs:    nothing. A value of more than 4,096 bytes becomes an advanced parameter, which costs
#           cents a month.
# Again:    continues after a failure, and asks again. Once completed, it never writes again in
#           this run. After a restore of this stack's own save, which completes no run, it asks.
# Killed:   leaves a part of the parameters written, and the file with what was replaced. With
#           --command: the command may continue, and is not started again until it has ended.
# Undo:     what each paste replaces is kept, for root only, in a file of its own below
#           /var/lib/codeocean-cmdgen. Copy that file over the save with sudo cp
#           --backup=numbered, which keeps the save too, and run with a new --run. Parameters that
#           were added stay.
# Done if:  Parameter Store shows all saved parameters as they were saved. With --command: it has
#           ended with exit code 0.
# Settings: PLAN=1 shows what would change, and changes nothing.
#           CONFIRM=STACK-NAME confirms without a terminal.

values() {
  # text of this release: sha256 4a9c2f48dfe671293308614038809f3fd612db11067db92439370f023bd85901
  # the step
  STEP=secrets-restore
  # from deployment file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  STACK_NAME=codeocean
  # by default
  DATA_MOUNT=/data
  COMMAND=''
  RUN=first
}

main() {
  values
  run_as_root "$@"
  read_settings_in_memory "$@"
  record_umask
  check_services_instance
  check_programs cmp flock lsblk
  check_mounted_volume
  name_work
  finish_if_completed
  check_data_volume_copy
  check_service_stopped
  remount_to_find_writers
  if [[ ${PLAN} == '' ]]; then
    lock_step
  fi
  if [[ ${COMMAND} != '' ]]; then
    restore_by_command
  fi
  read_save
  read_parameters current
  show_actions
  check_types
  read_keys
  if [[ ${PLAN} == 1 ]]; then
    finish_plan "${count} parameters would be written; nothing was changed"
  fi
  if ((count > 0)) || is_own_save; then
    confirm_actions
  fi
  keep_replaced_parameters
  write_parameters
  check_restored
  if is_own_save; then
    finish "all parameters are as this stack itself saved them, ${count} written${where_kept}." \
      "This does not complete run ${RUN}: no save of the source was restored."
  fi
  append_record "secrets-restore--${RUN}" "completed: ${work}"
  finish "all parameters are as they were saved, ${count} written${where_kept}"
}

# Checks that the volume at the data mount is one of this stack. A reboot may have mounted a
# restored volume there: it has no tag of a stack, or one of volume-restore as well.
check_mounted_volume() {
  local mounted volume
  mounted=$(findmnt --noheadings --output SOURCE --mountpoint "${DATA_MOUNT}")
  if ! ask volumes aws ec2 describe-volumes \
    --region "${REGION}" \
    --filters "Name=tag:codeocean:deployment,Values=${STACK_NAME}"; then
    stop "cannot list the volumes of stack ${STACK_NAME}: ${aws_error}"
  fi
  jq --raw-output '.Volumes[] | select(all(.Tags[]; .Key != "codeocean-cmdgen:data-volume-id"))
    | .VolumeId' volumes >stack_volumes
  while read -r volume; do
    find_device "${volume}"
    if [[ ${device} != '' && ${device} == "${mounted}" ]]; then
      return
    fi
  done <stack_volumes
  stop_wrong_place "'${mounted}' at ${DATA_MOUNT} is not a volume of stack ${STACK_NAME}"
}

# Sets work to what the record says was completed: to restore the save, and to run a command, are
# different work.
name_work() {
  work='the save on the data volume was restored'
  if [[ ${COMMAND} != '' ]]; then
    work="the command was run: ${COMMAND}"
  fi
}

finish_if_completed() {
  local record
  record=$(grep --no-messages ' completed' "${records}/secrets-restore--${RUN}" | tail --lines=1)
  if [[ ${record} == '' ]]; then
    return
  fi
  if [[ ${record#* } != "completed: ${work}" ]]; then
    stop "run ${RUN} of ${STEP} was completed in another way (${record}), and nothing was changed" \
      'now. To restore the secrets in this way too, generate this script with a new --run.'
  fi
  finish "run ${RUN} of ${STEP} was completed at ${record%% *}, and was not checked since"
}

# The save comes with the copy of the data volume. Checked before the service, because that check
# would disturb a copy that is at work.
check_data_volume_copy() {
  check_copy_is_complete
  if ! is_copy_completed; then
    say "warning: there is no record that volume-copy-in of run ${RUN} was completed"
  fi
}

is_copy_completed() {
  grep --quiet --no-messages ' completed: ' "${records}/volume-copy-in--${RUN}"
}

restore_by_command() {
  local exit_code
  say "the vendor's command: ${COMMAND}"
  if [[ -e ${records}/secrets-restore--${RUN} ]]; then
    say 'warning: this run has started a command before, and did not see it succeed'
  fi
  if [[ ${PLAN} == 1 ]]; then
    finish_plan 'the command would be run; nothing was changed'
  fi
  lock_command
  confirm "${STACK_NAME}" "This runs the command for the secrets of stack ${STACK_NAME}."
  check_service_stopped
  remount_to_find_writers
  append_record "secrets-restore--${RUN}" started
  run_vendor_command
  exit_code=$?
  if ((exit_code > 0)); then
    append_record "secrets-restore--${RUN}" "ended with exit code ${exit_code}"
    stop "the vendor's command ended with exit code ${exit_code}." \
      'Paste the script again to run the command again.'
  fi
  append_record "secrets-restore--${RUN}" "completed: ${work}"
  finish "the vendor's command ended with exit code 0"
}

# A command outlives a script that is killed. It holds this lock, as does what it leaves running
# when it ends: only a command whose end is not recorded may still be at work.
lock_command() {
  local lock_file=/var/lib/codeocean-cmdgen/${STEP}.command last_record
  if ! exec {command_lock}>"${lock_file}"; then
    stop "cannot create ${lock_file}; nothing was started"
  fi
  last_record=$(sort --stable --key=1,1 "${records}"/secrets-restore--* 2>/dev/null |
    tail --lines=1)
  if ! flock --nonblock "${command_lock}" && [[ ${last_record} == *' started' ]]; then
    stop "the command that was started at ${last_record%% *} still runs. To see its processes:" \
      "sudo fuser --verbose ${lock_file}. Paste the script again when they have ended."
  fi
}

# Writes the saved parameters, by the names that they have here, to the file "saved".
read_save() {
  check_save_folder
  if [[ ! -e ${save_file} ]]; then
    stop "${save_file} is missing: secrets-save did not run on the source before the snapshot was" \
      "taken. Restore the secrets as the vendor's guide or support says, or generate this script" \
      'with --command.'
  fi
  if ! is_complete_save "${save_file}"; then
    stop "${save_file} is damaged. Take it from another snapshot, or restore the secrets as the" \
      "vendor's guide or support says."
  fi
  jq --arg new_path "/${STACK_NAME}/" '
    "/\(.stack_name)/" as $old_path
    | .parameters
    | sort_by(.Name)
    | map({Name: ($new_path + (.Name | ltrimstr($old_path))), Type, Value})' "${save_file}" >saved
  jq --raw-output '
    "\(.parameters | length) parameters, saved \(.saved) from stack \(.stack_name) of"
    + " \(.account_id), \(.region)"' "${save_file}" >origin
  say_file origin
}

# Writes the names of the parameters that will be written to the file "names", and sets count to
# their number. Writes those that will be replaced to the file "replaced", as they are now.
show_actions() {
  compare_parameter_lists current saved
  sed 's/^new/add/; s/^changed/replace/; s/^gone/stays/' changes >actions
  say_file actions '  '
  sed --quiet 's/^\(new\|changed\) //p' changes >names
  count=$(wc --lines <names)
  jq --slurpfile saved saved '
    ($saved[0] | INDEX(.Name)) as $saved
    | map($saved[.Name] as $new | select($new != null and $new != .))' current >replaced
}

# AWS does not change the type of a parameter. The one in the way must be deleted, which this
# instance may not do.
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
check_types() {
  local name type
  if ! jq --raw-output --slurpfile current current '
    .[] as $saved
    | $current[0][]
    | select(.Name == $saved.Name and .Type != $saved.Type)
    | "\(.Name) \(.Type)"' saved >types; then
    stop 'cannot compare the types of the parameters; nothing was changed'
  fi
  while read -r name type; do
    add_problem "${name} is a ${type} here, but has another type in the save." \
      'If the save is right, delete the parameter from CloudShell:'
    say "  aws ssm delete-parameter --region ${REGION} --name ${name}"
  done <types
  if ((problems > 0)); then
    stop_at_types
  fi
}

# What will be deleted is kept first. A plan keeps nothing.
stop_at_types() {
  if [[ ${PLAN} == 1 ]]; then
    stop 'nothing was changed. Before you delete a parameter, paste the script without PLAN: it' \
      'keeps the values that are here now in a file.'
  fi
  keep_replaced_parameters
  stop "no parameter was changed${where_kept}." \
    'Fix the problems above, and paste the script again.'
}

# Writes what AWS says of the parameters that are here to the file "keys", if a SecureString is
# replaced: without its KMS key, it would get the default one. The vendor's role may not read keys.
read_keys() {
  : >keys
  if ! jq --exit-status 'any(.[]; .Type == "SecureString")' replaced >is_key_needed; then
    return
  fi
  if ! ask keys aws ssm describe-parameters \
    --region "${REGION}" \
    --parameter-filters "Key=Path,Option=Recursive,Values=/${STACK_NAME}"; then
    say 'warning: each SecureString that is replaced will have the default KMS key, aws/ssm,' \
      "because its own key cannot be read: ${aws_error}"
  fi
}

# A save of this same stack is the source's only if volume-copy-in of this run has brought it.
is_own_save() {
  ! is_copy_completed && jq --exit-status --arg place "${ACCOUNT_ID} ${REGION} ${STACK_NAME}" '
    "\(.account_id) \(.region) \(.stack_name)" == $place' "${save_file}" >own_save
}

# The question may have waited for hours: what was checked before it is checked again.
confirm_actions() {
  if is_own_save; then
    say "warning: the save is of this stack itself, ${STACK_NAME}, and not of the source"
  fi
  confirm "${STACK_NAME}" "This writes ${count} parameters of stack ${STACK_NAME}."
  check_service_stopped
  remount_to_find_writers
  read_parameters current_again
  if ! cmp --quiet current current_again; then
    stop 'the parameters were changed before you confirmed; nothing was written. Paste the script' \
      'again.'
  fi
}

# What will be replaced is kept in a file like the save: in the save's place, it takes all back.
# Each paste of this run keeps what it replaces itself. Sets where_kept to a sentence about all
# these files, or to nothing.
keep_replaced_parameters() {
  local file kept_files
  if [[ $(<replaced) != '[]' ]]; then
    if ! file=$(mktemp "/var/lib/codeocean-cmdgen/secrets-restore--${RUN}.XXXXXX") ||
      ! write_save replaced "${file}"; then
      stop 'cannot keep what would be replaced in /var/lib/codeocean-cmdgen; nothing was written'
    fi
  fi
  where_kept=''
  kept_files=$(list_kept_files)
  if [[ ${kept_files} != '' ]]; then
    where_kept=". The earlier values are kept in ${kept_files//$'\n'/, }"
  fi
}

# Lists the files of this run, oldest first. A paste that was killed may have left an empty one.
list_kept_files() {
  find /var/lib/codeocean-cmdgen -maxdepth 1 -type f -size +0 \
    -name "secrets-restore--${RUN}.??????" -printf '%T@ %p\n' | sort --numeric-sort |
    cut --delimiter=' ' --fields=2
}

write_parameters() {
  local name written=0
  while read -r name; do
    create_request "${name}"
    if ! ask answer aws ssm put-parameter \
      --region "${REGION}" \
      --cli-input-json file://request \
      --overwrite; then
      find_error_code
      stop "cannot write ${name}: ${error_code}; ${written} of ${count} are written${where_kept}." \
        'Paste the script again to continue.'
    fi
    written=$((written + 1))
    show_progress "${written} of ${count} written"
  done <names
}

# Writes the request to the file "request", in memory. The AWS CLI reads the whole request from it:
# if it reads a value alone from a file, it changes the line ends.
# https://github.com/aws/aws-cli/issues/5982
create_request() { # NAME
  if ! jq --arg name "$1" --slurpfile keys keys '
    .[]
    | select(.Name == $name)
    | if (.Value | utf8bytelength) > 4096 then .Tier = "Advanced" else . end
    | . + ([$keys[].Parameters[] | select(.Name == $name and .KeyId) | {KeyId}] | add // {})
    ' saved >request; then
    stop "cannot create the request to write $1. Paste the script again to continue."
  fi
}

# An error message may quote the value, so only its code is shown. Sets error_code.
find_error_code() {
  error_code='no error code, and the message is not shown, because it may quote the value'
  if [[ ${aws_error} == *'An error occurred ('*')'* ]]; then
    error_code=${aws_error#*'An error occurred ('}
    error_code=${error_code%%')'*}
  fi
}

# Parameter Store may need a moment to show what was written.
check_restored() {
  local attempt
  for attempt in 1 2 3 4 5; do
    read_parameters current
    compare_parameter_lists current saved
    if ! sed --quiet '/^\(new\|changed\) /p' changes >differences; then
      stop 'cannot compare the parameters'
    fi
    if [[ ! -s differences ]]; then
      return
    fi
    sleep "${attempt}"
  done
  say 'these are not as they were saved:'
  say_file differences '  '
  stop "not all parameters are as they were saved${where_kept}"
}

# ---- Parts, which several scripts of this release have: review each once.

# ---- Part secrets, sha256 c3a981b52c9e6a10b12f3040d48d2bc896c1c1ccf70d2bb1b53f8feb2f87beaf

# The values of the parameters stay in pipes and in files that only root can read, most of them in
# memory. They are never on a command line, in the environment, on the screen, or in the history of
# the AWS CLI.
read_settings_in_memory() { # ARGUMENT...
  TMPDIR=/dev/shm read_settings "$@"
  if [[ ${PLAN} == '' ]]; then
    remove_leftovers
  fi
}

# A script that was killed by force (SIGKILL) has left its files in memory. The name of their folder
# has the ID of its process.
remove_leftovers() {
  local folder process
  find /dev/shm -maxdepth 1 -type d -uid 0 -name 'codeocean-cmdgen.*' >folders
  while IFS= read -r folder; do
    process=${folder#/dev/shm/codeocean-cmdgen.}
    process=${process%%.*}
    if [[ ! -e /proc/${process} ]]; then
      say 'removing what a killed script has left in memory'
      rm --recursive --force "${folder}"
    fi
  done <folders
}

# Sets lock to an open file. The lock ends with the script.
lock_step() {
  local lock_file=/var/lib/codeocean-cmdgen/${STEP}.lock
  make_private_folder /var/lib/codeocean-cmdgen
  if ! exec {lock}>"${lock_file}" || ! flock --nonblock "${lock}"; then
    stop "${STEP} is running in another session. Paste the script again when that has ended."
  fi
}

# Checks the folder of the save before any value is read or written: somebody else may have made it.
# Sets save_file.
check_save_folder() {
  save_file=${DATA_MOUNT}/.codeocean-secrets/parameters.json
  check_private_folder "${save_file%/*}"
}

# Writes the parameters below the stack's path to a file. The vendor's role may read below the path,
# not the path itself, hence the slash. Another role may be the other way round.
read_parameters() { # FILE
  if ! list_parameters "/${STACK_NAME}/"; then
    if [[ ${aws_error} != *AccessDenied* ]] || ! list_parameters "/${STACK_NAME}"; then
      stop "cannot read the parameters below /${STACK_NAME}/: ${aws_error}"
    fi
  fi
  if ! jq '[.Parameters[] | {Name, Type, Value}] | sort_by(.Name)' parameters >"$1"; then
    stop "cannot read what AWS answered about the parameters below /${STACK_NAME}/"
  fi
}

list_parameters() { # PATH
  ask parameters aws ssm get-parameters-by-path \
    --region "${REGION}" \
    --path "$1" \
    --recursive \
    --with-decryption
}

# Writes what becomes of each name, from one list to the other, to the file "changes".
compare_parameter_lists() { # OLD_LIST NEW_LIST
  if ! jq --null-input --raw-output --slurpfile old "$1" --slurpfile new "$2" '
    INDEX($old[0][]; .Name) as $old
    | INDEX($new[0][]; .Name) as $new
    | ($old + $new | keys[]) as $name
    | if $old[$name] == null then "new \($name)"
      elif $new[$name] == null then "gone \($name)"
      elif $old[$name] == $new[$name] then "same \($name)"
      else "changed \($name)"
      end' >changes; then
    stop 'cannot compare the parameters'
  fi
}

# Writes a list of parameters and where it is from to a file, completely or not at all. A file that
# was there before is replaced, never written to: somebody may hold it open.
write_save() { # LIST FILE
  if ! rm --force "$2.new" || ! add_origin "$1" >"$2.new"; then
    return 1
  fi
  if ! is_complete_save "$2.new" || ! sync "$2.new"; then
    return 1
  fi
  mv --no-target-directory "$2.new" "$2" && sync "${2%/*}"
}

add_origin() { # LIST
  local now
  now=$(date --iso-8601=seconds)
  jq \
    --arg account_id "${ACCOUNT_ID}" \
    --arg region "${REGION}" \
    --arg stack_name "${STACK_NAME}" \
    --arg saved "${now}" \
    '{$account_id, $region, $stack_name, $saved, parameters: .}' "$1"
}

is_complete_save() { # FILE
  jq --exit-status '
    def is_parameter_of($path):
      (.Name | startswith($path) and test("^[A-Za-z0-9/_.-]+$"))
      and (.Type | test("^(String|StringList|SecureString)$"))
      and (.Value | type == "string" and length > 0);
    "/\(.stack_name)/" as $path
    | all(.account_id, .region, .stack_name, .saved; test("^[A-Za-z0-9:+-]+$"))
      and (.parameters | length > 0 and length == (unique_by(.Name) | length))
      and all(.parameters[]; is_parameter_of($path))
  ' "$1" >/dev/null 2>&1
}

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

# ---- Part stopped_service, sha256 2b22d1f4119a918de0a1c5a9a3b5f824b118696d7cda14291a8e4e8ada3e0f1e

# Checks that what service-stop did still holds.
check_service_stopped() {
  local loaded active last_record
  loaded=$(systemctl show codeocean --property=LoadState --value)
  active=$(systemctl show codeocean --property=ActiveState --value)
  last_record=$(cat "${records}"/service--* 2>/dev/null | sort --stable --key=1,1 | tail --lines=1)
  if [[ ${loaded} != masked || ${active} != @(inactive|failed) ||
    ${last_record} != *' stopped' ]]; then
    stop "the service is not stopped: codeocean is ${loaded} and ${active}, the last record of it" \
      "is '${last_record}'. Expected: masked, inactive, stopped. Run service-stop first."
  fi
}

# A plan does not ask the kernel: that makes the file system read-only for a moment.
remount_to_find_writers() {
  if [[ ${PLAN} != 1 ]]; then
    prove_nothing_writes 'Paste service-stop again: it shows what.'
  fi
}

# ---- Part vendor_command, sha256 1ba66a8b6a0f1d25fb9208ee4ca8afb9dedc324930881b3c02cf78dad6a79fe7

# Sets first_umask to the umask that the script was started with, for the vendor's command.
# check_services_instance changes it.
record_umask() {
  first_umask=$(umask)
}

# Runs the vendor's command. Each line of its output is marked, so that none passes for a line of
# this script. The command gets the umask and the environment that this script was started with. It
# does not get the lock of the step: a program that it leaves running would hold it. Leaves the
# output in the file "output".
run_vendor_command() {
  local process line
  : >output
  (
    exec {screen}>&-
    if [[ ${lock-} != '' ]]; then
      exec {lock}>&-
    fi
    restore_environment
    umask "${first_umask}"
    cd /
    HOME=~root exec bash -c "${COMMAND}"
  ) >output 2>&1 </dev/null &
  process=$!
  tail --lines=+1 --follow --pid="${process}" --sleep-interval=0.2 output |
    while IFS= read -r line || [[ ${line} != '' ]]; do
      say "| ${line//[[:cntrl:]]/ }"
    done
  wait "${process}"
}

# Exports what this shell was started with, and nothing else. The kernel keeps it. The values
# may be secret, so they must not become arguments of env.
restore_environment() {
  local names entry
  compgen -e >exported_names
  mapfile -t names <exported_names
  export -n "${names[@]}"
  while IFS= read -r -d '' entry; do
    if [[ ${entry} =~ ^[a-zA-Z_][a-zA-Z0-9_]*= && ${entry} != codeocean_cmdgen=* ]]; then
      declare -gx "${entry}" 2>/dev/null
    fi
  done <"/proc/$$/environ"
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
