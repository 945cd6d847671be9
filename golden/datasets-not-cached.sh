(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    61026c6d04526e91f3f964ac0bcf1c8757ee6d6f65f8a09dc772ccb7095fa156*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" datasets-not-cached \
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
# codeocean-cmdgen datasets-not-cached: set all datasets to not cached, by the vendor's command
#
# Where:   the services instance of the target, in an SSM session; it asks sudo for root. After
#          service-start.
# Changes: runs the vendor's command, which is not public, as root. When its output ends in the id
#          of a job, in JSON (job_id, jobId, id) or as one word of eight characters or more with a
#          digit, the vendor's job service is asked until that job is completed or failed.
# Takes:   as long as the command and its job. They go on when the session ends.
# Costs:   nothing.
# Again:   follows the work, or says when it was completed. A command or a job that failed is run
#          again. One whose end nobody knows, because it was killed or the job service does not
#          tell, is run again only after a typed confirmation: ask the vendor whether it may. To
#          end one that hangs: systemctl stop codeocean-cmdgen-datasets-not-cached
# Set:     PLAN=1 looks only, WATCH=0 starts and returns, CONFIRM=datasets-not-cached answers.

values() {
  # from values file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  STACK_NAME=codeocean
  # from values file [target.datasets-not-cached]
  COMMAND='docker exec codeocean ./migrate --example'
  # by default
  DATA_MOUNT=/data
  HEALTH_URL=http://localhost:8300/health
  JOB_URL=http://localhost:8105/jobs/
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

# Runs the vendor's command. Each line that it says is marked: none can pass for this script's own.
run_command() {
  local pid line
  : >output
  (cd / && HOME=~root exec bash -c "${COMMAND}") >output 2>&1 </dev/null &
  pid=$!
  tail --lines=+1 --follow --pid="${pid}" --sleep-interval=0.2 output |
    while IFS= read -r line || [[ ${line} != '' ]]; do
      say "| ${line//[[:cntrl:]]/ }"
    done
  wait "${pid}"
}

# Wants a word typed after the question, or in CONFIRM; what was typed ahead is thrown away.
confirm() { # WORD WHAT_WILL_HAPPEN
  local typed=${CONFIRM}
  say "$2"
  if [[ ${CONFIRM} == '' ]]; then
    { read -rs -N 100000 -t 0.5 _ </dev/tty; } 2>/dev/null
    printf 'type %s to go on: ' "$1" >&2
    { read -r typed </dev/tty; } 2>/dev/null ||
      stop 2 "nobody is there to type $1, and CONFIRM is not set: nothing was changed"
  fi
  [[ ${typed} == "$1" ]] || stop 2 "'${typed}' is not '$1': nothing was changed"
}

unit=codeocean-cmdgen-${0##*/} log=/var/lib/codeocean-cmdgen/${0##*/}.log
works() { systemctl is-active --quiet "${unit}"; }

# The work goes on in a systemd unit of its own when the session that started it is gone: there this
# text runs once more and calls work. What it says goes to a log, which each paste follows.
detach() {
  ! works || return 0
  mkdir -p "${log%/*}"
  printf '%s\n' "${BASH_EXECUTION_STRING}" >"${log%.log}" && echo starting >"${log}"
  systemd-run --quiet --collect --unit="${unit}" --setenv=codeocean_cmdgen=work \
    --property=StandardOutput="append:${log}" \
    bash -o privileged "${log%.log}" '' '' '' '' '' '' || works || stop 1 'systemd did not start it'
}

# Ends as the work does: its last line tells, and a work that was killed has none.
follow() {
  local line='' shown=''
  [[ $(<"${log%.log}") == "${BASH_EXECUTION_STRING%$'\n'}" ]] || stop 1 "another run works: ${log}"
  [[ ${WATCH} == '' ]] || finish "done: started as ${unit}; paste again to follow it"
  while works; do
    line=$(tail --lines=1 "${log}")
    [[ ${line} == "${shown}" ]] || show "${line}"
    shown=${line}
    sleep 2
  done
  line=$(tail --lines=1 "${log}")
  [[ ${line} != done:* ]] || finish "${line}"
  line=$(tail --lines=5 "${log}")
  say "${line}"
  stop 1 "the work ended before it was done, paste again to go on; all that it said is in ${log}"
}

# The path is known for older versions only: where nothing listens, there may be none.
look_at_health() {
  local code
  systemctl is-active --quiet codeocean || stop 1 'codeocean is not active: run service-start first'
  code=$(curl --silent --noproxy '*' --max-time 10 --output /dev/null \
    --write-out '%{http_code}' "${HEALTH_URL}")
  case "$? ${code}" in
  '0 2'*) ;;
  '7 '* | '0 404') say "warning: there is no ${HEALTH_URL}: look for yourself whether it is well" ;;
  *) stop 1 "codeocean is active, but not healthy: HTTP ${code} from ${HEALTH_URL}" ;;
  esac
}

# Sets ${job} when the output ends in the id of a job: a JSON object that has one, or one word that
# looks like one, of at least eight characters with a digit among them.
find_job() {
  job=$(tail --lines=50 output | jq --raw-input --slurp --raw-output '
    sub("\\s+$"; "") | split("\n") as $lines
    | first(
        (range($lines | length) | $lines[.:] | join("\n") | fromjson? | objects
          | .job_id // .jobId // .id // empty),
        ($lines[-1] // "" | select(test("^(?=.*[0-9])[A-Za-z0-9_-]{8,}$"))),
        "")
    | tostring | @uri') || stop 1 'whether the command answered a job cannot be told'
}

# Numbers in the job service's answer are shown as progress, whatever they are called.
follow_job() {
  local state='' told='' numbers='' missed=0 next=0
  while ((missed < 24)); do
    curl --silent --fail --noproxy '*' --max-time 10 "${JOB_URL}${job}" >answer
    state=$(jq --raw-output '.job_status | ascii_downcase | gsub("[^a-z]"; "?")' answer 2>/dev/null)
    numbers=$(jq --raw-output '[to_entries[] | select(.value | type == "number")
      | ", \(.key) \(.value)" | gsub("[^ -~]"; "?")] | add // ""' answer 2>/dev/null)
    missed=$((missed + 1))
    [[ ${state} == '' ]] || missed=0
    if [[ "${state}${numbers}" != "${told}" ]] || ((SECONDS >= next)); then
      say "job ${job}: ${state:-no answer}${numbers}, ${SECONDS} s"
      told=${state}${numbers} next=$((SECONDS + 60))
    fi
    case "${state}" in
    completed) return ;;
    failed | error | cancelled | canceled)
      write_record "${record}" failed
      stop 1 "job ${job} ended ${state}"
      ;;
    *) sleep 5 ;;
    esac
  done
  write_record "${record}" "lost job ${job}"
  stop 1 "${JOB_URL}${job} does not tell of the job: nobody knows whether it will be completed"
}

# Each step is written down first: after a kill, only a command that surely ended is run again
# without a question.
work() {
  local code
  values
  settings "$@"
  guard
  record=datasets-not-cached--${RUN}
  ! grep --quiet --no-messages ' completed$' "${records}/${record}" ||
    finish "done: run ${RUN} of ${0##*/} was completed before; nothing was changed"
  job=$(sed --quiet '$s/^[^ ]* answered job //p' "${records}/${record}" 2>/dev/null)
  if [[ ${job} == '' ]]; then
    write_record "${record}" started
    run_command
    code=$?
    say "the command ended with exit code ${code}"
    if ((code > 0)); then
      write_record "${record}" failed
      stop 1 "the command failed with exit code ${code}"
    fi
    find_job
    [[ ${job} == '' ]] || write_record "${record}" "answered job ${job}"
  else
    say 'the command ended with exit code 0 before'
  fi
  [[ ${job} == '' ]] || follow_job
  write_record "${record}" completed
  finish "done: the command ended with exit code 0${job:+, its job ${job} is completed}"
}

# Shows all that the command says, until it has ended.
show_output() {
  local shown=1 lines=0 running=yes next=60
  while [[ ${running} == yes ]]; do
    { works && ! grep --quiet '^the command ended' "${log}"; } || running=no
    lines=$(wc --lines <"${log}")
    ((lines <= shown)) || sed --quiet "$((shown + 1)),${lines}{/^| /p}" "${log}" >&2
    shown=${lines}
    ((SECONDS < next)) || { say "it goes on, ${SECONDS} s watched" && next=$((SECONDS + 60)); }
    [[ ${running} == no ]] || sleep 1
  done
}

main() {
  local state
  values
  as_root "$@"
  settings "$@"
  guard systemd-run tail
  record=datasets-not-cached--${RUN}
  state=$(tail --lines=1 "${records}/${record}" 2>/dev/null)
  [[ ${state} != *' completed' ]] ||
    finish "done: run ${RUN} of ${0##*/} was completed at ${state% *}; nothing was changed"
  if works; then
    [[ ${PLAN} == '' ]] || finish 'plan: it is at work; paste again to follow it'
  else
    look_at_health
    say "the vendor's command: ${COMMAND}"
    [[ ${state} != *' answered job '* ]] ||
      say "it ended well (${state}), and its job would be followed"
    [[ ${state} != *' started' && ${state} != *' lost job '* ]] ||
      say "warning: nobody knows how it ended the last time (${state})"
    [[ ${PLAN} == '' ]] || finish 'plan: that would be done; nothing was changed'
    [[ ${state} != *' started' && ${state} != *' lost job '* ]] ||
      confirm "${0##*/}" "it would be run again for stack ${STACK_NAME}"
    detach
  fi
  [[ ${WATCH} == 0 ]] || show_output
  follow
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
