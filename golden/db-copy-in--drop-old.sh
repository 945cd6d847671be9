(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    8998dec170e8fa6ddcbda74db7f937e5ce4c009021ef6e470885e07cf77468b7*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" db-copy-in \
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
# codeocean-cmdgen db-copy-in: remove the database that was replaced
#
# Where:   the services instance of the target, in an SSM session; it asks sudo for root.
# Changes: removes, for good, the one database that db-copy-in of this run has replaced and kept.
#          Sessions in it are ended. The database in use stays as it is.
# Takes:   seconds.
# Costs:   nothing; the storage is free for other data, but RDS never gives it back.
# Again:   says that it is removed.
# Set:     PLAN=1 looks only, CONFIRM=NAME-OF-THE-OLD answers.

values() {
  # from values file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  STACK_NAME=codeocean
  TO_HOST=codeocean-analyticsdb.example.us-east-1.rds.amazonaws.com
  # by default
  TO_PORT=5432
  USER=root
  DATABASE=codeocean
  MASTER_PASSWORD_SECRET_ID=/codeocean/analytics/master-password-0
  CA_BUNDLE=/etc/pki/tls/certs/rds-global-bundle.pem
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

# Names this run, and readies psql and its kin for the servers.
connect() {
  token=$(sha256sum <<<"${STACK_NAME} ${TO_HOST} ${TO_PORT} ${DATABASE} ${RUN}" | cut --bytes=-12)
  mark="codeocean-cmdgen db-copy-in ${RUN} ${token}" record=${records}/db-copy-in--${RUN}
  new=${DATABASE}_new_${token} to="host=${TO_HOST} port=${TO_PORT}"
  jq --exit-status --arg to "${TO_HOST}" '(.AnalyticsDB.Host // $to | ascii_downcase)
    == ($to | ascii_downcase)' /etc/codeocean/stack.json >own ||
    stop 3 "stack.json names another analytics database than ${TO_HOST}"
  command -v psql >/dev/null || stop 3 'psql is not here: sudo dnf install postgresql15'
  # The file has lost its name when the password gets in: nothing of it can be left behind.
  { : >pass && exec 4<>pass && rm pass; } || stop 1 'there is no place for the password'
  aws secretsmanager get-secret-value \
    --region "${REGION}" \
    --secret-id "${MASTER_PASSWORD_SECRET_ID}" |
    jq --raw-output '"*:*:*:*:" + (.SecretString | gsub("(?<c>[\\\\:])"; "\\" + .c))' >&4 ||
    stop 3 "secret ${MASTER_PASSWORD_SECRET_ID} cannot be read"
  export PGPASSFILE=/proc/self/fd/4 PGUSER=${USER} PGCONNECT_TIMEOUT=15
  export PGSSLMODE=verify-full PGSSLROOTCERT=${CA_BUNDLE}
  [[ -f ${CA_BUNDLE} ]] && return
  PGSSLMODE=require
  say "warning: without ${CA_BUNDLE} no server proves who it is: truststore.pki.rds.amazonaws.com"
}

# Asks a server; the first error ends it.
sql() { # SERVER DATABASE PSQL_OPTION...
  psql --no-psqlrc --no-password --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 \
    --dbname="$1 dbname=$2" "${@:3}"
}

# Sets ${completed} to what this run wrote down when it was done: as a comment, or in its record.
find_record() {
  ask comments sql "${to}" postgres --command="SELECT shobj_description(oid, 'pg_database')
    FROM pg_database WHERE datname <> '${new}'" || stop 3 "${TO_HOST}: ${complaint}"
  completed=$(sed --quiet "s/^.*${mark} completed/completed/p;T;q" comments "${record}" 2>nothing)
  [[ ${completed} != '' ]]
}

main() {
  local old size sessions
  values
  as_root "$@"
  settings "$@"
  guard cut sha256sum
  connect
  find_record || stop 1 "run ${RUN} has replaced no database ${DATABASE} on ${TO_HOST}"
  old=${completed##* }
  [[ ${old} == "${DATABASE}"_old_* ]] || stop 1 "the record names no old database: ${completed}"
  ask found sql "${to}" postgres --command="SELECT pg_database_size(oid), (SELECT count(*)
      FROM pg_stat_activity AS a WHERE a.datname = d.datname)
    FROM pg_database AS d WHERE datname = '${old}'" || stop 3 "${TO_HOST}: ${complaint}"
  IFS='|' read -r size sessions <found || finish "done: ${old} is not on ${TO_HOST} any more"
  say "${TO_HOST}: ${old}, $((size / 1000000)) MB, ${sessions} sessions in it"
  [[ ${PLAN} == '' ]] || finish "plan: ${old} would be removed; nothing was changed"
  confirm "${old}" "removes ${old} for good; ${DATABASE}, which replaced it, stays"
  # FORCE ends the sessions that are in it.
  sql "${to}" postgres --command="DROP DATABASE IF EXISTS \"${old}\" WITH (FORCE)" ||
    stop 1 "${old} could not be removed"
  write_record "${record##*/}" "${mark} removed ${old}"
  finish "done: ${old} was removed from ${TO_HOST}"
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
