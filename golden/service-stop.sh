(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    bc9ca362a14094169cd7fdf811baf41168ace4774c0b026bed28e943b2cbf0d5*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" service-stop \
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
# codeocean-cmdgen service-stop: stop the application and all that writes to the data volume
#
# Where:   the services instance of the target (in a migration: the source too), in an SSM
#          session; it asks sudo for root.
# Changes: stops and masks the codeocean service, so that a reboot does not start it; moves cron
#          files away that are not the system's; stops containers that mount the data volume.
#          service-start undoes just that. Nobody can work in the meantime. An instance that Auto
#          Scaling puts in the place of this one would start the service by itself: first run
#          instance-hold.
# Takes:   a minute or two.
# Costs:   nothing.
# Again:   says since when it is stopped. Once service-start has run, this run is over, and
#          stopping once more wants a new --run.
# Set:     PLAN=1 looks only.

values() {
  # from values file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  STACK_NAME=codeocean
  # by default
  DATA_MOUNT=/data
  RUN=first
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

# A session's user is not root: this very text runs once more, as root.
as_root() {
  ((EUID == 0)) || exec sudo --set-home env codeocean_cmdgen=main \
    bash -o privileged -c "${BASH_EXECUTION_STRING:?}" "$0" "$@"
}

# Proves that this is the right services instance before anything else happens: what the vendor
# wrote on it, what it is, and what EC2 shows to its credentials must all agree.
guard() { # PROGRAM...
  umask 077
  records=${DATA_MOUNT}/.codeocean-cmdgen
  need aws curl find findmnt grep jq mountpoint sed systemctl "$@"
  agree /etc/codeocean/stack.json '"\(.AWS.AccountID) \(.AWS.Region) \(.Stack)"' \
    "${ACCOUNT_ID} ${REGION} ${STACK_NAME}"
  ask token metadata api/token --request PUT --header 'X-aws-ec2-metadata-token-ttl-seconds: 60'
  sed 's/^/X-aws-ec2-metadata-token: /' token >header
  ask identity metadata dynamic/instance-identity/document --header @header
  agree identity '"\(.accountId) \(.region)"' "${ACCOUNT_ID} ${REGION}"
  instance_id=$(jq --raw-output .instanceId identity)
  ask instances aws ec2 describe-instances --region "${REGION}" --instance-ids "${instance_id}" ||
    stop 3 "the credentials here do not see this instance, ${instance_id}: ${complaint}"
  agree instances '.Reservations[0] | "\(.OwnerId) \(.Instances[0].Tags // [] | from_entries
    | .["codeocean:deployment"] // .["aws:cloudformation:stack-name"])"' \
    "${ACCOUNT_ID} ${STACK_NAME}"
  mountpoint --quiet "${DATA_MOUNT}" || stop 3 "no data volume is mounted at ${DATA_MOUNT}"
}

agree() { # FILE JQ_FILTER WANTED
  local found
  found=$(jq --raw-output "$2" "$1" 2>/dev/null)
  [[ ${found} == "$3" ]] || stop 3 "${1##*/} says '${found}', but the script is for '$3'"
}

# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
metadata() { # PATH CURL_OPTION...
  curl --silent --fail --noproxy '*' --max-time 5 "${@:2}" "http://169.254.169.254/latest/$1"
}

# What was done stands on the data volume: it outlives this instance, and is never copied.
write_record() { # NAME TEXT...
  mkdir -p "${records}" && printf '%(%FT%TZ)T %s\n' -1 "${*:2}" >>"${records}/$1" &&
    sync "${records}/$1" && return
  stop 1 "${records}/$1 cannot be written: no step goes on without its record"
}

# Names a problem and goes on, so that all of them are told at once.
problems=0
problem() { problems=$((problems + 1)) && say "problem: $*"; }

# Lists what could still write to the data volume, one line each; nothing when nothing can. What
# cannot be looked at is listed too: its error message is a line as well.
list_writers() {
  {
    systemctl show codeocean --property=LoadState --property=ActiveState |
      grep --extended-regexp --invert-match '=(masked|inactive|failed)$' |
      sed 's/^/service codeocean: /'
    list_units | sed 's/^/unit /'
    list_cron_files | sed 's/^/cron file /'
    list_containers | sed 's/^/container /'
    list_processes
  } >writers 2>&1
}

# Other units of the vendor's that run; ours copy and are none of them.
list_units() {
  systemctl list-units 'codeocean*' --type=service,timer,path,socket \
    --plain --no-legend --state=active,activating,reloading | cut --delimiter=' ' --fields=1 |
    grep --extended-regexp --invert-match '^codeocean(-cmdgen-.*)?[.]service$'
}

# What no package of the operating system put there, the vendor or the operator did.
list_cron_files() {
  local file package
  for file in /etc/cron.d/* /var/spool/cron/*; do
    package=$(rpm --query --file "${file}" 2>/dev/null) || package=''
    if [[ -f ${file} && (${package} == '' || ${package} == *codeocean*) ]]; then
      echo "${file}"
    fi
  done
}

# Containers with a mount below the data volume's, or with a writable one above it.
list_containers() {
  systemctl is-active --quiet docker || return 0
  docker ps --all --quiet --no-trunc | xargs --no-run-if-empty docker inspect |
    jq --raw-output --arg data "${DATA_MOUNT}/" '.[]
      | select(.State.Running or .HostConfig.RestartPolicy.Name == "always")
      | select(any(.Mounts[] | select(.Source != ""); "\(.Source | rtrimstr("/"))/" as $source
        | ($source | startswith($data)) or (.RW and ($data | startswith($source)))))
      | "\(.Id) \(.Name) \(.HostConfig.RestartPolicy | if (.MaximumRetryCount // 0) > 0
        then "\(.Name):\(.MaximumRetryCount)" elif .Name == "" then "no" else .Name end
        ) \(.State.Running)"'
}

# Processes with an open file, a memory map or a working folder there, and running cron jobs. Files
# are told by their device: in a container they have other names.
list_processes() {
  local device map cron
  device=$(stat --format=%d "${DATA_MOUNT}")
  map=$(mountpoint --fs-devno "${DATA_MOUNT}")
  printf -v map '%02x:%02x' "${map%:*}" "${map#*:}"
  cron=$(pgrep --exact --delimiter , 'crond?')
  {
    find -L /proc/[0-9]*/fd/ -mindepth 1 -maxdepth 1 -printf '%D %p\n'
    find -L /proc/[0-9]*/cwd /proc/[0-9]*/root /proc/[0-9]*/exe -maxdepth 0 -printf '%D %p\n'
    grep --files-with-matches --no-messages " ${map} " /proc/[0-9]*/maps | sed "s/^/${device} /"
  } 2>/dev/null | awk -v device="${device}" -F '[ /]' '$1 == device {print $4}' |
    sort --unique >pids
  [[ ${cron} == '' ]] || pgrep --parent "${cron}" >>pids
  xargs --no-run-if-empty ps --no-headers -o 'pid,user,unit:40,comm' --pid <pids |
    sed 's/^/process /'
}

# Each thing is written down before it is changed: service-start undoes just that.
stop_units() {
  local unit
  list_units >units
  for unit in $(<units) codeocean.service; do
    grep --quiet --line-regexp --fixed-strings "${unit}" "${stopped}/units" ||
      echo "${unit}" >>"${stopped}/units"
    say "stopping ${unit}"
    # Stopped before it is masked: a masked unit has lost the commands that stop it.
    systemctl stop "${unit}"
    ! systemctl is-active --quiet "${unit}" || problem "${unit} could not be stopped"
    # systemd masks no unit whose file lies where the mask would go.
    [[ ! -f /etc/systemd/system/${unit} ]] ||
      mv /etc/systemd/system/"${unit}" "${stopped}/unit-files/"
    systemctl --quiet mask "${unit}" || problem "${unit} could not be masked"
  done
}

hold_cron_files() {
  local file
  list_cron_files >cron-files
  while read -r file; do
    say "holding ${file}"
    { mkdir -p "${stopped}/cron${file%/*}" && mv "${file}" "${stopped}/cron${file}"; } ||
      problem "${file} could not be moved"
  done <cron-files
}

stop_containers() {
  local id name policy ran
  list_containers >running
  while read -r id name policy ran; do
    say "stopping container ${name#/}"
    grep --quiet "^${id} " "${stopped}/containers" ||
      echo "${id} ${name} ${policy} ${ran}" >>"${stopped}/containers"
    # Without this, docker would start it again with the machine.
    { docker update --restart=no "${id}" && docker stop "${id}"; } </dev/null >/dev/null ||
      problem "container ${name#/} could not be stopped"
  done <running
}

# A cron job or a container may need a while to end.
wait_for_silence() {
  local waited=0
  while list_writers && [[ -s writers ]] && ((waited < 120)); do
    show "waiting for what still has files open, ${waited} of at most 120 s"
    sleep 2
    waited=$((waited + 2))
  done
  [[ ! -s writers ]] && return
  say "with files open in ${DATA_MOUNT}:"
  sed 's/^/  /' writers >&2
  stop 1 "this still runs and could write to ${DATA_MOUNT}: end it (leave the folder, if it is" \
    'your shell), then paste again'
}

# The kernel's own word: it makes no file system read-only on which a file is open for writing.
prove_silence() {
  mount --options remount,ro "${DATA_MOUNT}" || problem "${DATA_MOUNT} is still" \
    'written to; where no process is named, look at losetup, swapon and exportfs'
  mount --options remount,rw "${DATA_MOUNT}" || problem "${DATA_MOUNT} stayed read-only"
  ((problems == 0)) || stop 1 'mend the problems above and paste again'
}

main() {
  local rounds last
  values
  as_root "$@"
  settings "$@"
  guard pgrep ps sort stat tail xargs
  ! systemctl is-active --quiet 'codeocean-cmdgen-*' ||
    stop 1 'a step of ours is at work: paste that one to follow it; nothing was changed'
  stopped=/var/lib/codeocean-cmdgen/service-stop
  rounds=$(cat "${records}/service--${RUN}" 2>/dev/null)
  [[ ${rounds} != *started* ]] ||
    stop 1 "in run ${RUN} the service was stopped and started again (${rounds//$'\n'/, }):" \
      'to stop it once more, generate with a new --run'
  last=$(sort --stable --key=1,1 "${records}"/service--* 2>/dev/null | tail --lines=1)
  [[ ${rounds} == '' || ${last} != *' started' ]] ||
    stop 1 "another run started the service since (${last}): to stop it, generate with a new --run"
  list_writers
  if [[ ! -s writers && ${rounds} == *stopped* ]]; then
    [[ ${PLAN} == 1 ]] || prove_silence
    finish "done: nothing writes to ${DATA_MOUNT}; ${rounds##*$'\n'}"
  fi
  say "what could write to ${DATA_MOUNT}:"
  sed 's/^/  /' writers >&2
  [[ ${PLAN} == '' ]] || finish 'plan: all of that would be stopped; nothing was changed'
  mkdir -p "${stopped}"/{cron,unit-files}
  { touch "${stopped}"/{units,containers} && echo "${RUN}" >"${stopped}/run"; } ||
    stop 1 "${stopped} cannot be written; nothing was changed"
  stop_units
  hold_cron_files
  stop_containers
  ((problems == 0)) || stop 1 'mend the problems above and paste again'
  wait_for_silence
  prove_silence
  write_record "service--${RUN}" stopped
  finish "done: nothing writes to ${DATA_MOUNT}, and a reboot will not start codeocean"
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
