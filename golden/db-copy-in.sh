(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    e07b592b7764e11374492c6ff8b9475d765b1a189166e38c392fd58bcf013794*)
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
# codeocean-cmdgen db-copy-in: replace the analytics database by the restored one
#
# Where:   the services instance of the target, in an SSM session; it asks sudo for root.
# Changes: makes a new database like the restored one, and swaps its name with the present one's,
#          which is kept until a script with --drop-old removes it.
# Takes:   minutes for some GB; the work goes on when the session ends.
# Costs:   storage for both: see FreeStorageSpace of the deployment's instance.
# Again:   follows the work, starts anew after a failure, or says when it was completed.
# Set:     PLAN=1 looks only, WATCH=0 starts and returns.

values() {
  # from values file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  STACK_NAME=codeocean
  FROM_HOST=tmp-codeocean-restore.example.us-east-1.rds.amazonaws.com
  TO_HOST=codeocean-analyticsdb.example.us-east-1.rds.amazonaws.com
  # by default
  FROM_PORT=5432
  TO_PORT=5432
  USER=root
  DATABASE=codeocean
  MASTER_PASSWORD_SECRET_ID=/codeocean/analytics/master-password-0
  CA_BUNDLE=/etc/pki/tls/certs/rds-global-bundle.pem
  DUMP_FOLDER=/var/lib/codeocean-cmdgen
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

prepare() {
  values
  as_root "$@"
  settings "$@"
  guard awk cut df diff head sha256sum sort systemd-run tail xargs
  from="host=${FROM_HOST} port=${FROM_PORT}" dump=${DUMP_FOLDER}/db-copy-in--${RUN}
  # Over settings of users and databases. Hidden rows are errors; only the last commit is synced.
  export PGOPTIONS='-c search_path=pg_catalog -c statement_timeout=0 -c synchronous_commit=off'
  PGOPTIONS+=' -c client_min_messages=error -c maintenance_work_mem=128MB -c row_security=off'
  PGOPTIONS+=' -c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=3'
  connect
  find_record || return 0
  [[ ${PLAN} == 1 ]] || rm -rf "${dump}"
  [[ ${completed} != *" from ${FROM_HOST}:${FROM_PORT},"* ]] || finish "done: ${completed}"
  stop 1 "${completed}; to copy from ${FROM_HOST} now, generate with a new --run"
}

# Looks at both sides. What the target must have, the source says, as questions to it.
look() {
  local major server line large
  for server in "${to}" "${from}"; do
    ask databases sql "${server}" postgres --command="SELECT datname, pg_database_size(oid),
      substring(version() FROM '[0-9]+') FROM pg_database WHERE NOT datistemplate
      AND has_database_privilege(oid, 'CONNECT')" || stop 3 "${server#host=}: ${complaint}"
    sed "s/^/${server#host=}: /; s/|/, /; s/|/ bytes, PostgreSQL /" databases >&2
  done
  grep "^${DATABASE}|" databases >source || stop 3 "${FROM_HOST} has no ${DATABASE}"
  IFS='|' read -r _ size major <source
  sql "${from}" "${DATABASE}" --command="
    SELECT format('SELECT %L WHERE NOT EXISTS (SELECT FROM %s);', what, place) FROM (
      SELECT 'extension ' || extname, format('pg_available_extensions WHERE name = %L', extname)
        FROM pg_extension
      UNION SELECT format('role %I%s', rolname, CASE deptype WHEN 'o' THEN ' with ${USER}' END),
          format('pg_roles WHERE rolname = %L AND (%L <> ''o'' OR pg_has_role(oid, ''USAGE''))',
            rolname, deptype)
        FROM pg_shdepend JOIN pg_roles ON pg_roles.oid = refobjid JOIN pg_database d ON d.oid IN
          (dbid, objid) AND datname = current_database() WHERE refclassid = 'pg_authid'::regclass
      UNION VALUES ('PostgreSQL ${major}', 'version() WHERE version LIKE ''% ${major}.%'''),
        ('${DATABASE} that ${USER} may replace', 'pg_database, pg_roles WHERE datname =
          ''${DATABASE}'' AND rolname = current_user AND rolcreatedb AND
          pg_has_role(datdba, ''USAGE'') AND pg_has_role(''pg_signal_backend'', ''USAGE'')')
    ) AS needs (what, place)" | sql "${to}" postgres --file=- >missing || stop 3 'no answer'
  while read -r line; do problem "${TO_HOST} has no ${line}"; done <missing
  line=$(pg_dump --version)
  [[ ${line} == *" ${major}."* ]] || problem "${line} is here: sudo dnf install postgresql${major}"
  large=$(sql "${from}" "${DATABASE}" --command="SELECT pg_table_size('pg_largeobject')")
  free=$(df --block-size=1 --output=avail "${DUMP_FOLDER}" | tail --lines=1)
  ((free > large)) || problem "no ${large} bytes free: name another --dump-folder than that"
  line=$(systemctl show codeocean --property=LoadState,ActiveState)
  [[ ${line} == *=masked* && ${line} != *=active* ]] || problem 'run service-stop first'
  ((problems == 0)) || stop 1 'mend the problems above and paste again; nothing was changed'
}

# Removes what a work of this run has left that did not end well.
clear_up() {
  rm -rf "${dump}"
  sql "${to}" postgres --command="DROP DATABASE IF EXISTS \"${new}\" WITH (FORCE)"
}

# Gives the database another name in what pg_dump writes, and leaves out what is never the same.
rename() { # NAME
  sed --regexp-extended "/^(--|$|[\\](un)?restrict |COMMENT ON EXTENSION )/d
    s/^([\\]connect|[A-Z][^']* DATABASE) \"?(${DATABASE}|${new})\"?( |$)/\1 \"$1\"\3/"
}

# What no extension made. By name, as pg_dump reorders columns; odd: no hash, or no binary form.
own="pg_class c LEFT JOIN pg_depend e ON (classid, objid, deptype) = (c.tableoid, c.oid, 'e'),
  LATERAL (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) AS columns, bool_or(NOT
  atttypid = ANY ('{bool,int2,int4,int8,float4,float8,numeric,text,varchar,bytea,jsonb,uuid,date,
  timestamp,timestamptz}'::regtype[])) AS odd FROM pg_attribute WHERE attrelid = c.oid AND
  attnum > 0 AND NOT attisdropped AND attgenerated = '') AS has
  WHERE relpersistence <> 't' AND c.oid >= 16384 AND e IS NULL AND relkind"

# Makes the new database from a dump of all but the rows: settings and schemas first, as owners need
# its grants. The rows are streamed. The source is described last: what it was given would show.
restore() {
  local i tables skip=() fill=(pg_restore --dbname="${to} dbname=${new}" --jobs=4 --exit-on-error
    --use-list=rest "${dump}")
  sql "${from}" "${DATABASE}" --record-separator-zero --field-separator-zero --command="SELECT
    c.oid::regclass, '(' || columns || ')', CASE WHEN odd THEN 'text' ELSE 'binary' END
    FROM ${own} = 'r' ORDER BY pg_table_size(c.oid) DESC" >tables || return
  mapfile -d '' -t tables <tables
  for ((i = 0; i < ${#tables[@]}; i += 3)); do skip+=("--exclude-table-data=${tables[i]}"); done
  pg_dump --dbname="${from} dbname=${DATABASE}" --format=directory --compress=0 --no-sync \
    --file="${dump}" "${skip[@]}" || return
  pg_restore --create --list "${dump}" | awk '
    / (COMMENT - EXTENSION .*|SCHEMA - public rdsadmin)$/ {next}
    {print >(/^[0-9; ]+ ((ACL|COMMENT|SECURITY LABEL) - )?(DATABASE|SCHEMA) / ? "first" : "rest")}'
  pg_restore --create --use-list=first --file=- "${dump}" | rename "${new}" |
    sql "${to}" postgres --file=- && "${fill[@]}" --section=pre-data --section=data || return
  export -f copy sql && export DATABASE from new to
  xargs --null --no-run-if-empty --max-args=3 --max-procs=4 \
    bash -o pipefail -c "copy \"\$@\" || exit 255" copy <tables || return
  "${fill[@]}" --section=post-data || return
  describe "${from}" "${DATABASE}" >from.found &
  sql "${to}" "${new}" --command=ANALYZE
}

copy() { # TABLE COLUMNS FORMAT
  sql "${from}" "${DATABASE}" --command="COPY $1 $2 TO STDOUT (FORMAT $3)" |
    sql "${to}" "${new}" --command="COPY $1 $2 FROM STDIN (FORMAT $3)"
}

# Describes tables (rows, sums of hashes), sequences, large objects, and how pg_dump would make all.
describe() { # SERVER DATABASE
  {
    sql "$1" "$2" --command="
      SELECT format('SELECT %L, %s, %L FROM ONLY %3\$s;', relkind, CASE
        WHEN relkind = 'S' THEN 'last_value, is_called'
        WHEN odd THEN format('count(*), sum(hashtextextended(ROW(%s)::text, 0))', columns)
        ELSE format('count(*), sum(hash_record_extended(ROW(%s), 0))', columns) END, oid::regclass)
      FROM ${own} IN ('r', 'S') UNION ALL SELECT 'SELECT ''large object'', oid, lomowner::regrole,
        lomacl, (SELECT sum(hashtextextended(md5(lo_get(oid, n, 1 << 20)), n)) FROM generate_series(
        0, lo_lseek64(lo_open(oid, 262144), 0, 2), 1 << 20) AS n) FROM pg_largeobject_metadata'" |
      sql "$1" "$2" --file=- &&
      pg_dump --dbname="$1 dbname=$2" --create --schema-only | rename "${DATABASE}"
  } | sort
}

# Swaps the names and writes the record, in one transaction. Its first command keeps new sessions
# out, and waits 5 s for the others (CountOtherDBBackends in PostgreSQL): they are ended meanwhile.
swap() { # NAME_OF_THE_OLD TEXT
  sql "${to}" postgres >sessions 2>&1 <<<"SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    JOIN pg_roles ON pg_roles.oid = usesysid AND NOT rolsuper
    WHERE datname IN ('${DATABASE}', '${new}') \watch 0.2" &
  for _ in {1..12}; do
    PGOPTIONS=--statement-timeout=0 sql "${to}" postgres --single-transaction --file=- 2>error <<<"
      ALTER DATABASE \"${DATABASE}\" RENAME TO \"$1\";
      ALTER DATABASE \"${new}\" RENAME TO \"${DATABASE}\";
      SELECT format('COMMENT ON DATABASE %I IS %L', datname, concat_ws(E'\n', nullif(regexp_replace(
        comment, E'\n?codeocean-cmdgen [^\n]*', '', 'g'), ''), '${mark} $2')) FROM pg_database,
        shobj_description(oid, 'pg_database') AS comment WHERE datname = '${DATABASE}' \gexec"
    # Whatever was heard of it: what is written down is so.
    find_record && break
    say "not yet: $(<error)"
  done
  kill $!
  [[ ${completed} != '' ]] || stop 1 'the names could not be swapped; the old database is in place'
}

work() {
  local old text progress
  prepare "$@"
  look
  clear_up || stop 1 'what an earlier work left cannot be removed'
  trap 'clear_up; rm -rf "${scratch}"' EXIT
  SECONDS=0
  while sleep 20; do
    sql "${to}" postgres --command="SELECT format('%s %%, %s MiB, %s s left', n * 100 / ${size},
      n >> 20, greatest(0, (${size} - n) * ${SECONDS} / n)) FROM pg_database_size('${new}') n"
  done 2>errors &
  progress=$!
  restore || stop 1 'the restore failed; the old database is in place'
  say "restored after ${SECONDS} s, compared next"
  if ! { describe "${to}" "${new}" >to.found && wait $! &&
    diff from.found to.found >apart; }; then
    sed --quiet '/password/Id; /^[<>]/p' apart | head --lines=30 >&2
    stop 1 'the copy is not proved equal (< there, > here); the old database is in place'
  fi
  kill "${progress}"
  systemctl show codeocean --property=LoadState | grep --quiet '=masked$' ||
    stop 1 'the service is not stopped any more: the old database is in place'
  old=$(date "+${DATABASE}_old_%Y%m%dT%H%M%SZ")
  text=$(awk -F '|' '/^r[|]/ {n++; r += $2} END {printf "%d tables, %.0f rows", n, r}' from.found)
  text="completed $(date --iso-8601=seconds) from ${FROM_HOST}:${FROM_PORT}, in ${SECONDS} s, all \
compared: ${text}; the database before is ${old}"
  swap "${old}" "${text}"
  write_record "${record##*/}" "${mark} ${text}"
  finish "done: ${text}"
}

main() {
  prepare "$@"
  works || look
  [[ ${PLAN} == '' ]] || finish "plan: ${DATABASE} would be replaced so; nothing was changed"
  detach
  follow
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
