(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    8434f6bc1cbf8359599b458f210b13117194a8c5167a6f2e066760daf7f2d2a1*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" service-start \
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
# codeocean-cmdgen service-start: start the application again
#
# Where:   the services instance of the target, in an SSM session; it asks sudo for root.
# Changes: undoes what service-stop wrote down, and starts the codeocean service. From then on
#          people can work, and the application cleans up: only when the data is complete.
# Takes:   minutes; it says how many. Up to five more where nothing answers at the health
#          endpoint, whose path is known for older versions only.
# Costs:   nothing.
# Again:   says whether the service is active. It does not start what another run has stopped
#          since.
# Set:     PLAN=1 looks only.

values() {
  # from values file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  STACK_NAME=codeocean
  # by default
  DATA_MOUNT=/data
  HEALTH_URL=http://localhost:8300/health
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

# Nothing may go on with a data volume that is half the old and half the restored.
demand_whole_copy() {
  local last
  last=$(cat "${records}"/volume-copy-in--* 2>/dev/null | sort --stable --key=1,1 | tail --lines=1)
  [[ ${last} != *' confirmed '* ]] ||
    stop 1 "a copy was begun and is not completed (${last}): paste volume-copy-in again"
}

# Undoes what service-stop wrote down, and forgets it.
undo_stop() {
  local unit file id name policy ran
  [[ -d ${stopped} ]] || return 0
  while read -r unit; do
    # Where the unit's file lay in the place of the mask, unmasking would disable it.
    if [[ -f ${stopped}/unit-files/${unit} ]]; then
      mv --force "${stopped}/unit-files/${unit}" /etc/systemd/system/
    else
      systemctl --quiet unmask "${unit}"
    fi || problem "${unit} could not be unmasked"
  done <"${stopped}/units"
  systemctl daemon-reload
  [[ ! -s ${stopped}/containers ]] || docker ps >/dev/null ||
    stop 1 'docker does not run: start it, then paste again'
  find "${stopped}/cron" -type f -printf '/%P\n' >held
  while read -r file; do
    mv "${stopped}/cron${file}" "${file}" || problem "${file} could not be moved back"
  done <held
  ((problems == 0)) || stop 1 'mend the problems above and paste again'
  while read -r unit; do
    say "starting ${unit}"
    systemctl reset-failed "${unit}" 2>/dev/null
    systemctl start --no-block "${unit}"
  done <"${stopped}/units"
  while read -r id name policy ran; do
    # What docker removes when it stops is the service's own to make again.
    docker inspect "${id}" >/dev/null 2>&1 || continue
    docker update --restart="${policy}" "${id}" </dev/null >printed ||
      problem "container ${name#/} could not get its restart policy back"
    [[ ${ran} == true ]] || continue
    say "starting container ${name#/}"
    docker start "${id}" </dev/null >printed || problem "container ${name#/} could not be started"
  done <"${stopped}/containers"
}

# A unit that is active now may fail in a second: three looks in a row must find the same process.
wait_until_active() {
  local state='' before waited steady=0
  for ((waited = 0; steady < 3; waited += 2)); do
    ((waited < 900)) || stop 1 "codeocean is not active after 15 minutes (${state})"
    before=${state}
    state=$(systemctl show codeocean --property=ActiveState --property=MainPID | sort | tr '\n' ' ')
    [[ ${state} != *=failed* ]] ||
      stop 1 'codeocean failed to start: look with journalctl --unit=codeocean, then paste again'
    if [[ ${state} == *=active* && ${state} == "${before}" ]]; then
      steady=$((steady + 1))
    else
      steady=0
    fi
    show "codeocean: ${state#*=}, ${waited} s"
    sleep 2
  done
}

# The path is known for older versions only. Where nothing listens for five minutes, there is none.
wait_until_healthy() {
  local code waited
  health='it has no health endpoint that answers'
  for ((waited = 0; waited < 300; waited += 5)); do
    code=$(curl --silent --noproxy '*' --max-time 5 --output /dev/null \
      --write-out '%{http_code}' "${HEALTH_URL}")
    case "${code}" in
    2*) health=healthy && return ;;
    404) health="there is no ${HEALTH_URL}: look for yourself whether it is well" && return ;;
    000) ;;
    *) health="unhealthy, HTTP ${code}" ;;
    esac
    show "codeocean: active, ${HEALTH_URL} answers ${code}, ${waited} of at most 300 s"
    sleep 5
  done
  [[ ${health} != unhealthy* ]] || stop 1 "codeocean is active, but ${health} at ${HEALTH_URL}"
}

main() {
  local rounds whose
  values
  as_root "$@"
  settings "$@"
  guard sort
  stopped=/var/lib/codeocean-cmdgen/service-stop
  rounds=$(cat "${records}/service--${RUN}" 2>/dev/null)
  ! systemctl is-active --quiet 'codeocean-cmdgen-*-copy-in.service' ||
    stop 1 'a copy is at work: paste that step to follow it; nothing was changed'
  demand_whole_copy
  whose=$(cat "${stopped}/run" 2>/dev/null)
  [[ ! -d ${stopped} || ${whose} == "${RUN}" ]] ||
    stop 1 "run ${whose} stopped the service: start it with the --run of that one"
  if [[ ${PLAN} == 1 ]]; then
    [[ ! -d ${stopped} ]] || cat "${stopped}/units" "${stopped}/containers" >&2
    finish 'plan: codeocean would be started, with all of the above; nothing was changed'
  fi
  if [[ ${rounds} == *started* && ! -d ${stopped} ]] && systemctl is-active --quiet codeocean; then
    finish "done: codeocean is active; ${rounds##*$'\n'}"
  fi
  SECONDS=0
  mount --options remount,rw "${DATA_MOUNT}" || stop 1 "${DATA_MOUNT} stayed read-only"
  # Written first: from now on a late paste of service-stop must stop nothing.
  [[ ${rounds} == *started* ]] || write_record "service--${RUN}" started
  undo_stop
  systemctl start --no-block codeocean || problem 'codeocean could not be started'
  ((problems == 0)) || stop 1 'mend the problems above and paste again'
  wait_until_active
  wait_until_healthy
  wait_until_active
  rm -rf "${stopped}"
  finish "done: codeocean is active after ${SECONDS} s: ${health}"
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
