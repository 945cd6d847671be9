(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    cf85c1615b8cb1eba63d71d124056586db274993c671d9fc31bae35e36a07085*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" secrets-restore \
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
# codeocean-cmdgen secrets-restore: put back the system's secrets from the data volume
#
# Where:   the services instance of the target, in an SSM session; it asks sudo for root. After
#          volume-copy-in, before service-start.
# Changes: writes the parameters that secrets-save put on the data volume to Parameter Store,
#          below this stack's path: those that differ, as it lists them by name. It deletes none,
#          and touches nothing in Secrets Manager. What is replaced stays in a file like the save,
#          for root only, below /var/lib/codeocean-cmdgen: put in the save's place, it is restored
#          by a new --run. With --command, it runs the vendor's command instead, and shows what
#          that says as it is.
# Takes:   a second for each parameter.
# Costs:   nothing; a value of more than 4,096 bytes becomes an advanced parameter, which costs
#          cents a month.
# Again:   goes on after a failure, with a new question; once completed, it never writes again in
#          this run.
# Set:     PLAN=1 looks only, CONFIRM=STACK-NAME answers.

values() {
  # from values file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  STACK_NAME=codeocean
  # by default
  DATA_MOUNT=/data
  COMMAND=''
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

# Values stay in files of root's, most of them in memory, and in pipes: never on a command line, in
# the environment, on the screen or in the AWS CLI's own history.
keep_secrets() { # PROGRAM_ARGUMENT...
  TMPDIR=/dev/shm settings "$@"
  export AWS_CLI_HISTORY_FILE="${scratch}/history"
  home=/var/lib/codeocean-cmdgen saved=${DATA_MOUNT}/.codeocean-secrets/parameters.json
  now=$(date --iso-8601=seconds)
}

# One at a time: nobody may read what another is about to change.
lock() {
  if ! { mkdir -p "${home}" && exec {lock}>"${home}/${0##*/}.lock" &&
    flock --nonblock "${lock}"; }; then
    stop 1 "another ${0##*/} is at work: paste again when it has ended"
  fi
}

# Lists what is below the stack's path. The vendor's role may read below the path, not the path
# itself: hence the slash behind it.
read_parameters() { # FILE
  local path
  for path in "/${STACK_NAME}/" "/${STACK_NAME}"; do
    if ask answer aws ssm get-parameters-by-path \
      --region "${REGION}" \
      --path "${path}" \
      --recursive \
      --with-decryption; then
      jq '[.Parameters[] | {Name, Type, Value}] | sort_by(.Name)' answer >"$1" && return
    fi
    [[ ${complaint} == *AccessDenied* ]] || break
  done
  stop 1 "the parameters below /${STACK_NAME}/ cannot be read: ${complaint}"
}

# Writes into the file changes what becomes of each name from one list to the other.
compare() { # OLD NEW
  jq --null-input --raw-output --slurpfile old "$1" --slurpfile new "$2" '
    INDEX($old[0][]; .Name) as $old | INDEX($new[0][]; .Name) as $new
    | ($old + $new | keys[]) as $name
    | if $old[$name] == null then "new"
      elif $new[$name] == null then "gone"
      elif $old[$name] == $new[$name] then "same"
      else "changed" end + "\t" + $name' >changes || stop 1 'the parameters cannot be compared'
}

# Writes a list with its origin: for root only, whole or not at all.
write_list() { # LIST FILE
  jq --arg account_id "${ACCOUNT_ID}" --arg region "${REGION}" --arg stack_name "${STACK_NAME}" \
    --arg saved "${now}" '{$account_id, $region, $stack_name, $saved, parameters: .}' \
    "$1" >"$2.new" && is_whole "$2.new" && sync "$2.new" && mv "$2.new" "$2" && sync "${2%/*}"
}

is_whole() { # FILE
  jq --exit-status '
    "/\(.stack_name)/" as $path
    | all(.account_id, .region, .stack_name, .saved; test("^[A-Za-z0-9:+-]+$"))
    and (.parameters | length > 0 and length == (unique_by(.Name) | length))
    and all(.parameters[]; (.Name | startswith($path) and test("^[A-Za-z0-9/_.-]+$"))
      and (.Type | test("^(String|StringList|SecureString)$"))
      and (.Value | type == "string" and length > 0))
  ' "$1" >/dev/null 2>&1
}

# Names a problem and goes on, so that all of them are told at once.
problems=0
problem() { problems=$((problems + 1)) && say "problem: $*"; }

# What service-stop did must still hold. The kernel has the last word: it makes no file system
# read-only on which a file is open for writing.
look_at_service() {
  local state stops
  state=$(systemctl show codeocean --property=LoadState --property=ActiveState | sort)
  stops=$(cat "${records}"/service--* 2>/dev/null | sort --stable --key=1,1 | tail --lines=1)
  [[ ${state} == *=@(inactive|failed)*=masked && ${stops} == *' stopped' ]] ||
    stop 1 "the service is not stopped (${state//$'\n'/, }): run service-stop first"
  mount --options remount,ro "${DATA_MOUNT}" ||
    stop 1 "something writes to ${DATA_MOUNT}: paste service-stop again, which says what"
  mount --options remount,rw "${DATA_MOUNT}" || stop 1 "${DATA_MOUNT} stayed read-only"
}

# Nothing may go on with a data volume that is half the old and half the restored.
demand_whole_copy() {
  local last
  last=$(cat "${records}"/volume-copy-in--* 2>/dev/null | sort --stable --key=1,1 | tail --lines=1)
  [[ ${last} != *' confirmed '* ]] ||
    stop 1 "a copy was begun and is not completed (${last}): paste volume-copy-in again"
}

# The save comes with the copy of the data volume.
look_at_copy() {
  demand_whole_copy
  [[ -e ${records}/volume-copy-in--${RUN} ]] ||
    say "warning: there is no record that volume-copy-in of run ${RUN} was completed"
}

# Puts the saved parameters, under the names that they will have here, into the file wanted.
read_save() {
  [[ -e ${saved} ]] ||
    stop 1 "${saved} is not there: secrets-save did not run on the source before the snapshot was" \
      "taken. Restore the secrets as the vendor's guide or support says, or generate with --command"
  is_whole "${saved}" ||
    stop 1 "${saved} is damaged: take it from another snapshot, or restore the secrets as the" \
      "vendor's guide or support says"
  jq --arg new "/${STACK_NAME}/" '"/\(.stack_name)/" as $old | .parameters | sort_by(.Name)
    | map({Name: ($new + (.Name | ltrimstr($old))), Type, Value})' "${saved}" >wanted
  jq --raw-output '"\(.parameters | length) parameters, saved \(.saved) from stack \(.stack_name)"
    + " of \(.account_id), \(.region)"' "${saved}" >&2
}

# AWS changes no type; what is in the way must be deleted, which this instance may not.
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
look_at_types() {
  local name type
  jq --raw-output --slurpfile here here '.[] as $wanted | $here[0][]
    | select(.Name == $wanted.Name and .Type != $wanted.Type) | "\(.Name) \(.Type)"' wanted >types
  while read -r name type; do
    problem "${name} is a ${type} here, of another type in the save; if the save is right, delete" \
      'it from CloudShell with'
    say "  aws ssm delete-parameter --region ${REGION} --name ${name}"
  done <types
  ((problems == 0)) || stop 1 'mend the problems above and paste again; nothing was changed'
}

# What will be replaced stays in a file like the save: put in its place, it takes all back.
keep_replaced() {
  jq --slurpfile wanted wanted '($wanted[0] | INDEX(.Name)) as $wanted
    | map(select($wanted[.Name] as $new | $new and $new != .))' here >replaced
  [[ $(<replaced) != '[]' ]] || return 0
  if ! { kept=$(mktemp "${home}/${record}.XXXXXX") && write_list replaced "${kept}"; }; then
    stop 1 "what would be replaced cannot be kept in ${home}; nothing was changed"
  fi
}

# The request goes through standard input, from a file: of a value alone the AWS CLI would change
# the line ends, and a pipe it cannot read twice. https://github.com/aws/aws-cli/issues/5982
put() { # NAME
  jq --arg name "$1" '.[] | select(.Name == $name)
    + if (.Value | utf8bytelength) > 4096 then {Tier: "Advanced"} else {} end' wanted >request &&
    ask answer put_request && return
  # What AWS answers may quote the value: its code alone is shown.
  [[ ${complaint} != *'An error occurred ('* ]] || complaint=${complaint#*\(}
  complaint=${complaint%%\)*}
  return 1
}

put_request() {
  aws ssm put-parameter \
    --region "${REGION}" \
    --cli-input-json file:///dev/stdin \
    --overwrite <request
}

put_all() {
  local name written=0
  while read -r name; do
    put "${name}" ||
      stop 1 "${name} cannot be written: ${complaint}; ${written} of ${count} are, paste again to" \
        "go on${kept:+; what was replaced is in ${kept}}"
    written=$((written + 1))
    show "${written} of ${count} written"
  done <names
}

# Parameter Store may need a moment to show what was put.
prove() {
  local tries
  for tries in {1..5}; do
    read_parameters here
    compare here wanted
    grep --quiet '^new\|^changed' changes
    (($? != 1)) || return 0
    sleep "${tries}"
  done
  say 'these are not as they were saved:'
  sed --quiet 's/^\(new\|changed\)/  &/p' changes >&2
  stop 1 "not all is as it was saved${kept:+; what was replaced is in ${kept}}"
}

conclude() { # TEXT
  write_record "${record}" completed
  finish "done: $1"
}

restore_by_command() {
  say "the vendor's command: ${COMMAND}"
  [[ ! -e ${records}/${record} ]] ||
    say 'warning: it was started in this run before, and failed or was ended in the middle'
  [[ ${PLAN} == '' ]] || finish 'plan: that would be run; nothing was changed'
  confirm "${STACK_NAME}" "that would be run, for the secrets of stack ${STACK_NAME}"
  write_record "${record}" started
  run_command || stop 1 "the vendor's command ended with exit code $?; paste again to run it again"
  conclude "the vendor's command ended with exit code 0"
}

main() {
  local completed kept=''
  values
  as_root "$@"
  keep_secrets "$@"
  guard flock sort tail
  record=secrets-restore--${RUN}
  completed=$(grep --no-messages ' completed$' "${records}/${record}")
  [[ ${completed} == '' ]] ||
    finish "done: run ${RUN} of ${0##*/} was completed at ${completed% *}; nothing was changed"
  look_at_copy # first: looking at the service would disturb one that works
  look_at_service
  [[ ${PLAN} == 1 ]] || lock
  [[ ${COMMAND} == '' ]] || restore_by_command
  read_save
  read_parameters here
  compare here wanted
  sed 's/^new/  add/; s/^changed/  replace/; s/^same/  same/; s/^gone/  stays/' changes >&2
  sed --quiet 's/^\(new\|changed\)\t//p' changes >names
  count=$(wc --lines <names)
  look_at_types
  [[ ${PLAN} == '' ]] || finish "plan: ${count} parameters would be written; nothing was changed"
  if ((count > 0)); then
    confirm "${STACK_NAME}" "${count} parameters of stack ${STACK_NAME} would be written"
    keep_replaced
    put_all
  fi
  prove
  conclude "all is as it was saved, ${count} written${kept:+; what was replaced is in ${kept}}"
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
