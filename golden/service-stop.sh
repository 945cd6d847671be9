(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    a7230dcd6fd5d0c561a24e2f9d2927a0dac0eda0a50f2a475df746671a02b0c9\ \ -)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" service-stop \
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
# codeocean-cmdgen service-stop: stop the application and all that writes to the data volume
#
# Run in:   the services instance of the target or, in a migration, of the source, in an SSM
#           session; it asks sudo for root. First run instance-hold: an instance that replaces
#           this one would start the service by itself.
# Changes:  systemctl stop            stops the codeocean service and other units of the vendor
#           systemctl mask            keeps a reboot from starting them. A unit file that is where
#                                     the mask would be is moved away first.
#           mv                        moves away cron files that no package of the operating
#                                     system owns. A file that was moved away before is never
#                                     overwritten: both are kept.
#           docker update             keeps docker from restarting containers that reach the data
#                                     volume
#           docker stop               stops these containers. docker removes those that were
#                                     started with --rm; the script names them.
#           mount --options remount   makes the data volume read-only for a moment, which proves
#                                     that nothing writes to it
# Takes:    a minute or two.
# Costs:    nothing. Nobody can work until service-start.
# Again:    continues, or reports when the service was stopped. After service-start of the same
#           run it stops nothing: to stop the service again, use a new --run.
# Killed:   leaves a part of this stopped. Each thing is noted on the disk before it is stopped,
#           so service-start finds it. If the kill hits the moment in which the data volume is
#           read-only, the next paste makes it writable again.
# Undo:     service-start. It cannot start containers that docker has removed, nor units that have
#           no unit file, as those of systemd-run.
# Done if:  no process could write to the data volume, and the kernel has made it read-only, which
#           it refuses while a file is open for writing.
# Settings: PLAN=1 shows what would change, and changes nothing.

values() {
  # text of this release: sha256 94b2f9fe6a36f6ab7b121cd53cf4a129a5d8e3ac47adc4986cece736b2e5dbe3
  # the step
  STEP=service-stop
  # from deployment file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  STACK_NAME=codeocean
  # by default
  DATA_MOUNT=/data
  RUN=first
}

main() {
  values
  run_as_root "$@"
  read_settings "$@"
  check_services_instance
  check_programs awk pgrep ps readlink stat xargs
  check_no_step_works
  check_held_files
  check_not_started
  check_docker_state
  warn_of_other_jobs
  list_writers
  warn_of_removed_containers
  finish_if_still_stopped
  show_writers
  warn_of_enabled_units
  if [[ ${PLAN} == 1 ]]; then
    finish_plan 'all of the above would be stopped; nothing was changed'
  fi
  prepare_held_folder
  stop_writers
  wait_until_nothing_runs
  prove_stopped
  append_record "service--${RUN}" stopped
  finish "nothing writes to ${DATA_MOUNT}, and a reboot will not start codeocean"
}

check_no_step_works() {
  if systemctl is-active --quiet 'codeocean-cmdgen-*'; then
    stop 'a copy is running in the background; nothing was changed. Paste its script to follow' \
      "it. To see which: systemctl list-units 'codeocean-cmdgen-*'"
  fi
}

# A paste that comes late must not stop what was started since. Sets run_record to what this run
# has recorded.
check_not_started() {
  local last_record
  run_record=$(cat "${records}/service--${RUN}" 2>/dev/null)
  if [[ ${run_record} == *started* ]]; then
    stop "run ${RUN} has stopped the service and started it again (${run_record//$'\n'/, })." \
      'To stop it again, use a new --run.'
  fi
  last_record=$(cat "${records}"/service--* 2>/dev/null | sort --stable --key=1,1 | tail --lines=1)
  if [[ ${run_record} != '' && ${last_record} == *' started' ]]; then
    stop "another run has started the service since (${last_record})." \
      'To stop it again, use a new --run.'
  fi
}

# Only an active docker tells which containers it starts with the machine. One that is not active
# must not be able to start.
check_docker_state() {
  wait_for_docker
  if systemctl is-active --quiet docker; then
    check_docker_folder
    return
  fi
  list_docker_units >docker_units
  if [[ -s docker_units ]]; then
    say 'could start docker:'
    say_file docker_units '  '
    stop 'docker is not active, so its containers cannot be examined, and may start later.' \
      'Start it, and paste the script again: sudo systemctl start docker. Or prevent its start,' \
      'until service-start: sudo systemctl mask --now docker.service docker.socket'
  fi
}

wait_for_docker() {
  local waited state
  for ((waited = 0; waited < 120; waited += 2)); do
    state=$(systemctl show docker --property=ActiveState --value)
    if [[ ${state} != @(activating|deactivating|reloading) ]]; then
      return
    fi
    show_progress "waiting for docker to start or to end, ${waited} of at most 120 s"
    sleep 2
  done
}

# Lists the units that can start docker.
list_docker_units() {
  {
    systemctl list-units docker.service docker.socket \
      --plain --no-legend --state=active,activating,deactivating,reloading
    systemctl list-unit-files docker.service docker.socket \
      --plain --no-legend --state=enabled,enabled-runtime
  } | cut --delimiter=' ' --fields=1 | sort --unique
}

# Containers whose own files are on the data volume write there without a mount that shows it.
check_docker_folder() {
  local root device root_device
  root=$(docker info --format '{{.DockerRootDir}}')
  device=$(stat --format=%d "${DATA_MOUNT}")
  root_device=$(stat --format=%d "${root}")
  if [[ ${root_device} == '' ]]; then
    stop "cannot find out where docker keeps its containers: '${root}'"
  fi
  if [[ ${root_device} == "${device}" ]]; then
    stop "docker keeps its containers on ${DATA_MOUNT}, in ${root}, so each of them writes there." \
      'Stop docker until service-start, and paste the script again:' \
      'sudo systemctl mask --now docker.service docker.socket'
  fi
}

# They are neither stopped nor held: most belong to the system.
warn_of_other_jobs() {
  list_other_jobs >other_jobs
  if [[ -s other_jobs ]]; then
    say "warning: these jobs continue. If one of them writes to ${DATA_MOUNT}, disable it until" \
      'service-start (sudo systemctl stop TIMER, sudo chmod a-x FILE, sudo atrm JOB):'
    say_file other_jobs '  '
  fi
}

# Lists the active timers of others, and the jobs of cron and at that list_cron_files does not list.
list_other_jobs() {
  systemctl list-units --type=timer --plain --no-legend --state=active |
    cut --delimiter=' ' --fields=1 |
    sed '/^codeocean/d; s/^/timer /'
  find /etc/cron.{hourly,daily,weekly,monthly} -type f -executable -printf 'cron job %p\n'
  find /var/spool/at -maxdepth 1 -type f -printf 'at job %p\n'
  sed --quiet 's:^[[:space:]]*[0-9*@]:line of /etc/crontab\: &:p' /etc/crontab
} 2>/dev/null

# Writes what could still write to the data volume to the file "writers", one per line. If
# something cannot be examined, its error message is such a line too: then nothing is proved.
list_writers() {
  {
    list_service_states
    list_units | sed 's/^/unit /'
    list_cron_files | sed 's/^/cron file /'
    list_containers | sed 's/^/container /'
    list_processes | sed 's/^/process /'
  } >writers 2>&1
}

# Lists the states of the service that are not those of a stopped one.
list_service_states() {
  systemctl show codeocean --property=LoadState --property=ActiveState |
    grep --extended-regexp --invert-match '=(masked|inactive|failed)$' |
    sed 's/^/service codeocean: /'
}

# Lists the other units of the vendor that run, without the units of codeocean-cmdgen.
list_units() {
  systemctl list-units 'codeocean*' --type=service,timer,path,socket \
    --plain --no-legend --state=active,activating,reloading |
    cut --delimiter=' ' --fields=1 |
    grep --extended-regexp --invert-match '^codeocean(-cmdgen-.*)?[.]service$'
}

# Lists the cron files that no package of the operating system owns: they are the vendor's or the
# operator's.
list_cron_files() {
  local file package
  for file in /etc/cron.d/* /var/spool/cron/*; do
    if [[ ! -f ${file} ]]; then
      continue
    fi
    if ! package=$(rpm --query --file "${file}" 2>/dev/null) ||
      [[ ${package} == *codeocean* ]]; then
      echo "${file}"
    fi
  done
}

# Lists the containers, running or with any restart policy, that reach the data volume: id, name,
# restart policy, whether it runs. What can start a docker that is not active is an error.
list_containers() {
  local id name policy was_running process
  if ! systemctl is-active --quiet docker; then
    list_docker_units | sed 's/^/docker is not active, and may start: /' >&2
    return
  fi
  docker ps --all --quiet --no-trunc | xargs --no-run-if-empty docker inspect >containers
  docker volume ls --quiet | xargs --no-run-if-empty docker volume inspect >volumes
  jq --raw-output '
    def restart_policy:
      if (.MaximumRetryCount // 0) > 0 then "\(.Name):\(.MaximumRetryCount)"
      elif .Name == "" then "no"
      else .Name
      end;
    .[]
    | (.HostConfig.RestartPolicy | restart_policy) as $policy
    | select(.State.Running or $policy != "no")
    | "\(.Id) \(.Name) \($policy) \(.State.Running) \(.State.Pid)"' containers >candidates
  while read -r id name policy was_running process; do
    list_sources "${id}" >sources
    if has_data_mounted "${process}" || is_data_among_sources; then
      echo "${id} ${name} ${policy} ${was_running}"
    fi
  done <candidates
}

# Lists the folders that a container has: whether it may write there, and the path on this
# instance. A volume of docker may be a name for another folder, its device.
list_sources() { # CONTAINER_ID
  jq --raw-output --arg id "$1" --slurpfile volumes volumes '
    INDEX($volumes[][]; .Name) as $volumes
    | .[]
    | select(.Id == $id)
    | .Mounts[]
    | $volumes[.Name // ""].Options.device? as $device
    | (.Source, $device | values | select(startswith("/"))) as $path
    | "\(.RW) \($path)"
    | gsub("\n"; "?")' containers
}

# Tells whether a process has the data volume in its mount namespace, writable.
has_data_mounted() { # PROCESS_ID
  local numbers
  numbers=$(mountpoint --fs-devno "${DATA_MOUNT}")
  grep --quiet --no-messages "^[0-9]* [0-9]* ${numbers} [^ ]* [^ ]* rw" "/proc/$1/mountinfo"
}

# Succeeds if one of the folders in the file "sources" is on the data volume, by whatever path, or
# is a writable folder that the data volume is in.
is_data_among_sources() {
  local writable source device source_device
  device=$(stat --format=%d "${DATA_MOUNT}")
  while read -r writable source; do
    source=$(readlink --canonicalize-missing "${source}")
    source_device=$(stat --format=%d "${source}" 2>/dev/null)
    if [[ ${source} == "${DATA_MOUNT}"/* || ${source_device} == "${device}" ]]; then
      return 0
    fi
    if [[ ${writable} == true && ${DATA_MOUNT} == "${source%/}"/* ]]; then
      return 0
    fi
  done <sources
  return 1
}

list_processes() {
  list_process_ids >process_ids
  list_processes_of_other_namespaces >>process_ids
  list_cron_jobs >>process_ids
  xargs --no-run-if-empty ps --no-headers -o 'pid,user,unit:40,comm' --pid <process_ids
}

# Lists the processes whose open files, working folder, root folder, program or memory maps are on
# the data volume. A file is recognized by its device: in a container it has another name.
list_process_ids() {
  local device numbers map_device
  device=$(stat --format=%d "${DATA_MOUNT}")
  numbers=$(mountpoint --fs-devno "${DATA_MOUNT}")
  printf -v map_device '%02x:%02x' "${numbers%:*}" "${numbers#*:}"
  {
    find -L /proc/[0-9]*/fd/ -mindepth 1 -maxdepth 1 -printf '%D %p\n'
    find -L /proc/[0-9]*/{cwd,root,exe} -maxdepth 0 -printf '%D %p\n'
    grep --files-with-matches --no-messages " ${map_device} " /proc/[0-9]*/maps |
      sed "s/^/${device} /"
  } 2>/dev/null | sed --quiet "s:^${device} /proc/\([0-9]*\)/.*:\1:p" | sort --unique
}

# Lists the processes that have the data volume, writable, in a mount namespace like that of a
# container: with another root file system, or with the data volume at another folder. Services of
# the system have copies of our own namespace, where both are the same.
list_processes_of_other_namespaces() {
  local numbers
  numbers=$(mountpoint --fs-devno "${DATA_MOUNT}")
  grep --extended-regexp --no-messages --with-filename \
    "^[0-9]+ [0-9]+ (${numbers} [^ ]+ [^ ]+ rw|[^ ]+ [^ ]+ / )" /proc/{$$,[0-9]*}/mountinfo |
    awk -v data="${numbers}" -v own_process="/proc/$$/" '
      {
        process = $1
        sub(/mountinfo:.*/, "", process)
        mount = $3 " " $4 " " $5
      }
      process == own_process { own_mounts[mount]; next }
      !(mount in own_mounts) { is_other[process] }
      $3 == data { has_data[process] }
      END {
        for (process in has_data) {
          if (process in is_other) {
            split(process, names, "/")
            print names[3]
          }
        }
      }'
}

list_cron_jobs() {
  local cron
  cron=$(pgrep --exact --delimiter , 'crond?')
  if [[ ${cron} != '' ]]; then
    pgrep --parent "${cron}"
  fi
}

# docker removes a container that was started with --rm when it stops.
warn_of_removed_containers() {
  local id name
  if [[ ! -s containers ]]; then
    return
  fi
  jq --raw-output '.[] | select(.HostConfig.AutoRemove) | "\(.Id) \(.Name)"' containers >temporary
  while read -r id name; do
    if grep --quiet --fixed-strings "container ${id} " writers; then
      say "warning: container ${name#/} was started with --rm: docker removes it, with its" \
        'files, when it stops. service-start cannot start it again.'
    fi
  done <temporary
}

# A plan does not ask the kernel: that makes the file system read-only for a moment.
finish_if_still_stopped() {
  local stopped=${run_record##*$'\n'}
  if [[ -s writers || ${stopped} != *' stopped' ]]; then
    return
  fi
  if [[ ${PLAN} == 1 ]]; then
    finish_plan "nothing would be changed: no process has files open in ${DATA_MOUNT}; ${stopped}"
  fi
  prove_stopped
  finish "nothing writes to ${DATA_MOUNT}; ${stopped}"
}

show_writers() {
  if [[ -s writers ]]; then
    say "could write to ${DATA_MOUNT}:"
    say_file writers '  '
  else
    say "nothing is running that could write to ${DATA_MOUNT}; no record of run ${RUN} says so yet"
  fi
}

# Not held: starting it again could run it at the wrong time.
warn_of_enabled_units() {
  local unit
  list_units >units
  systemctl list-unit-files 'codeocean*' --type=service,timer,path,socket \
    --plain --no-legend --state=enabled,enabled-runtime |
    cut --delimiter=' ' --fields=1 |
    grep --extended-regexp --invert-match '^codeocean(-cmdgen-.*)?[.]service$' |
    grep --line-regexp --fixed-strings --invert-match --file=units >enabled_units
  while read -r unit; do
    say "warning: ${unit} is enabled and not running: it may run after a reboot, and then write" \
      "to ${DATA_MOUNT}. This script does not mask it. To mask it: sudo systemctl mask ${unit}"
  done <enabled_units
}

# The folder gets its name when it is complete: service-start undoes what it finds there. The run
# that stops last is the one that starts again.
prepare_held_folder() {
  local folder=${held}
  make_private_folder /var/lib/codeocean-cmdgen
  if [[ ! -d ${held} ]]; then
    folder=${held}.new
    rm --recursive --force "${folder}"
  fi
  if ! fill_held_folder "${folder}"; then
    stop "cannot write to ${folder}; nothing was changed"
  fi
  if [[ ${folder} != "${held}" ]] && ! mv --no-target-directory "${folder}" "${held}"; then
    stop "cannot create ${held}; nothing was changed"
  fi
}

fill_held_folder() { # FOLDER
  if ! mkdir --parents "$1/cron" "$1/unit-files"; then
    return 1
  fi
  if ! touch "$1/units" "$1/containers" "$1/cron_files"; then
    return 1
  fi
  if ! echo "${RUN}" >"$1/new_run"; then
    return 1
  fi
  mv --no-target-directory "$1/new_run" "$1/run"
}

# A kill in the middle leaves a part of this running. What is stopped is noted by then, so
# service-start finds it.
stop_writers() {
  stop_units
  hold_cron_files
  stop_containers
  stop_if_problems 'fix the problems above, and paste the script again.'
}

# Each unit is noted before it is stopped. What an earlier paste has noted is stopped and masked
# too: that paste may have died between the two.
stop_units() {
  local unit
  list_units >units
  echo codeocean.service >>units
  while read -r unit; do
    if ! grep --quiet --line-regexp --fixed-strings "${unit}" "${held}/units"; then
      note "${unit}" "${held}/units"
    fi
  done <units
  while read -r unit; do
    say "stopping ${unit}"
    stop_unit "${unit}"
  done <"${held}/units"
}

# A note must survive a crash of the machine: it is all that service-start knows.
note() { # TEXT FILE
  if ! echo "$1" >>"$2" || ! sync "$2" "${held}" "${held%/*}"; then
    stop "cannot write to $2: nothing is stopped that service-start would not start again"
  fi
}

# Stops a unit before it masks it: a masked unit has lost the commands that stop it. systemd masks
# no unit whose file is where the mask would be. A stopped one is not stopped again: docker, if it
# ends with codeocean, would end again.
stop_unit() { # UNIT
  local unit_file=/etc/systemd/system/$1 state
  state=$(systemctl show "$1" --property=LoadState --property=ActiveState --value)
  if [[ ${state} == $'masked\ninactive' ]]; then
    return
  fi
  systemctl stop "$1"
  if systemctl is-active --quiet "$1"; then
    add_problem "cannot stop $1"
  fi
  if [[ -f ${unit_file} ]]; then
    hold_file "${unit_file}" "unit-files/$1"
  fi
  if ! systemctl --quiet mask "$1"; then
    add_problem "cannot mask $1"
  fi
}

# Moves a file to the held files. If a file of that name is held already, both are kept: the first
# is what service-start puts in place. A name with "~" at its end means nothing to cron and systemd.
hold_file() { # FILE PATH_BELOW_HELD
  local path=$2 number=0
  while [[ -e ${held}/${path} || -L ${held}/${path} ]]; do
    number=$((number + 1))
    path=$2.${number}~
  done
  if ((number > 0)); then
    say "warning: $1 was created again since it was held. Both files are kept: service-start puts" \
      "the first back, and the new one beside it as ${1##*/}.${number}~"
  fi
  if [[ ${path} == cron/* ]]; then
    note "${path}" "${held}/cron_files"
  fi
  if ! mv --no-target-directory "$1" "${held}/${path}"; then
    add_problem "cannot move $1"
  fi
}

hold_cron_files() {
  local file
  list_cron_files >cron_files
  while IFS= read -r file; do
    say "holding ${file}"
    if mkdir --parents "${held}/cron${file%/*}"; then
      hold_file "${file}" "cron${file}"
    else
      add_problem "cannot create a folder for ${file} below ${held}"
    fi
  done <cron_files
}

# Without its restart policy, docker does not start a container again with the machine. docker may
# have ended with codeocean: then what it would start is not known.
stop_containers() {
  local id name policy was_running
  check_docker_state
  list_containers >containers_to_stop
  while read -r id name policy was_running; do
    say "stopping container ${name#/}"
    if ! grep --quiet "^${id} " "${held}/containers"; then
      note "${id} ${name} ${policy} ${was_running}" "${held}/containers"
    fi
    if ! docker update --restart=no "${id}" </dev/null >/dev/null ||
      ! docker stop "${id}" </dev/null >/dev/null; then
      add_problem "cannot stop container ${name#/}"
    fi
  done <containers_to_stop
}

# A cron job or a container may need a while to end.
wait_until_nothing_runs() {
  local waited
  for ((waited = 0; waited <= 120; waited += 5)); do
    list_writers
    if [[ ! -s writers ]]; then
      return
    fi
    show_progress "waiting for what still has files open, ${waited} of at most 120 s"
    sleep 5
  done
  say "still running, or with files open in ${DATA_MOUNT}:"
  say_file writers '  '
  stop "the above could write to ${DATA_MOUNT}. End it, and paste the script again. If it is your" \
    'own shell, leave the folder first.'
}

prove_stopped() {
  prove_nothing_writes 'If no process is named above, check losetup, swapon and exportfs.'
}

# ---- Parts, which several scripts of this release have: review each once.

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
