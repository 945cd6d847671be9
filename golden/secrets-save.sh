(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    16522841781cadedf56db00115df175500b3e8f8c21b65de8359d0feafd45756*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" secrets-save \
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
# codeocean-cmdgen secrets-save: save the system's secrets on the data volume
#
# Where:   the services instance of the source, in an SSM session; it asks sudo for root. It must
#          have run before the disaster, and again after each change of a secret: make it with
#          --output, leave the file there, and have it run daily by a line in a file of
#          /etc/cron.d, such as 17 3 * * * root bash FILE. A new instance has neither: look for
#          them after each update of the stack.
# Changes: writes .codeocean-secrets/parameters.json on the data volume, for root only: all that
#          is below the stack's path in Parameter Store, in clear text. From then on, who can read
#          a snapshot can read the secrets. With --command, it runs the vendor's command instead,
#          and shows what that says as it is.
# Takes:   seconds.
# Costs:   nothing.
# Again:   saves anew, and says what has changed since, by name.
# Set:     PLAN=1 looks only.

values() {
  # from values file [source]
  ACCOUNT_ID=111111111111
  REGION=us-east-1
  STACK_NAME=codeocean
  # by default
  DATA_MOUNT=/data
  COMMAND=''
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

# What was saved last goes to the file last. A save that volume-copy-in brought from another
# deployment is not replaced before its parameters were put back.
look_at_last_save() {
  local whose record
  echo '[]' >last
  last=never
  [[ -e ${saved} ]] || return 0
  if ! is_whole "${saved}"; then
    say "warning: the last save is damaged, and will be replaced"
    return
  fi
  whose=$(jq --raw-output '"\(.account_id) \(.region) \(.stack_name)"' "${saved}")
  if [[ ${whose} == "${ACCOUNT_ID} ${REGION} ${STACK_NAME}" ]]; then
    last=$(jq --raw-output .saved "${saved}")
    jq .parameters "${saved}" >last
    return
  fi
  for record in "${records}"/secrets-restore--*; do
    [[ ${record} -nt ${saved} ]] && grep --quiet ' completed$' "${record}" && return
  done
  stop 1 "${saved} holds the parameters of '${whose}', which secrets-restore has not put back:" \
    'do that first, or move the file away'
}

main() {
  local count new changed gone
  values
  as_root "$@"
  keep_secrets "$@"
  guard flock tail
  if [[ ${COMMAND} != '' ]]; then
    say "the vendor's command: ${COMMAND}"
    [[ ${PLAN} == '' ]] || finish 'plan: that would be run; nothing was changed'
    run_command || stop 1 "the vendor's command ended with exit code $?"
    finish "done: the vendor's command ended with exit code 0"
  fi
  [[ ${PLAN} == 1 ]] || lock
  read_parameters now
  count=$(jq length now)
  ((count > 0)) || stop 1 "nothing is below /${STACK_NAME}/: there is nothing to save"
  look_at_last_save
  compare last now
  sed --quiet '/^same/d; s/^/  /p' changes >&2
  new=$(grep --count '^new' changes)
  changed=$(grep --count '^changed' changes)
  gone=$(grep --count '^gone' changes)
  say "${count} parameters; since the last save (${last}): ${new} new, ${changed} changed," \
    "${gone} gone"
  [[ ${PLAN} == '' ]] || finish "plan: they would be saved in ${saved}; nothing was changed"
  if ! { install --directory --mode=700 "${saved%/*}" && write_list now "${saved}"; }; then
    rm -f "${saved}.new"
    stop 1 "${saved} cannot be written; the last save (${last}) stays"
  fi
  jq .parameters "${saved}" | cmp --quiet - now || stop 1 "${saved} is not what was written"
  finish "done: ${count} parameters are saved in ${saved}"
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
