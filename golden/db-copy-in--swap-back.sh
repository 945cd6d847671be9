(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    84bdffac5fef739c3deab7628cd374facc562b048e1a05aa42c38ecf032a1ca2\ \ -)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" db-copy-in \
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
# codeocean-cmdgen db-copy-in: put the database that was replaced in place again
#
# Run in:   the services instance of the target, in an SSM session; it asks sudo for root.
# Changes:  ALTER DATABASE   swaps the names of the copy and of the database that db-copy-in of
#                            this run replaced and kept. The copy is kept under a dated name. No
#                            session is ended: if one uses either database, nothing is changed.
#           COMMENT          notes the swap in the comment of the database in place
# Takes:    seconds.
# Costs:    storage for both databases, until a script with --drop-old removes the copy.
# Again:    reports when it was done.
# Killed:   leaves one database or the other in place: the names are swapped in one transaction.
#           The next paste finds out which.
# Undo:     copy again with a new --run. What was written to the copy is in the one that is kept.
# Done if:  the server shows the mark of this swap in the comment of the database.
# Settings: PLAN=1 shows what would change, and changes nothing.
#           CONFIRM=DATABASE-NAME confirms without a terminal.

values() {
  # text of this release: sha256 79fa470769ca0f832077ffd47b60f7dbba19723c0edf9648003a626c9bae8af2
  # the step
  STEP=db-copy-in
  # from deployment file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  STACK_NAME=codeocean
  # --from-host tmp-codeocean-restore.example.us-east-1.rds.amazonaws.com
  TO_HOST=codeocean-analyticsdb.example.us-east-1.rds.amazonaws.com
  # by default
  TO_PORT=5432
  USER=root
  DATABASE=codeocean
  MASTER_PASSWORD_SECRET_ID=/codeocean/analytics/master-password-0
  CA_BUNDLE=/etc/pki/tls/certs/rds-global-bundle.pem
  DATA_MOUNT=/data
  RUN=first
  # from option
  # --swap-back yes
}

main() {
  values
  run_as_root "$@"
  read_settings "$@"
  check_services_instance
  check_programs chgrp cut date env flock getent grep head setpriv sha256sum tr
  prepare_clients
  find_kept_database
  if [[ ${PLAN} == 1 ]]; then
    finish_plan "${old} would be ${DATABASE} again; nothing was changed"
  fi
  confirm_return
  swap_back
}

# Finds the database that was kept, and stops unless the names can be swapped now. Finishes if this
# has been done.
find_kept_database() {
  if is_working; then
    stop 'db-copy-in is running. Paste its script to follow it.'
  fi
  find_replacement
  if [[ ${completed} == 'undone '* ]]; then
    finish "${completed}"
  fi
  find_old_database
  measure_old_database
  if [[ ${size} == '' ]]; then
    stop "${old} no longer exists on ${TO_HOST}: there is nothing to put back"
  fi
  check_service_masked
  check_sessions
  stop_if_problems 'fix the problems above, and paste the script again. Nothing was changed.'
  say "${TO_HOST}: ${old}, $((size / 1000000)) MB, was ${DATABASE} until run ${RUN}" \
    "${completed% from *}"
}

# A session may be in the middle of its work, so none is ended.
check_sessions() {
  local line
  if ! list_sessions "${old}"; then
    stop_wrong_place "${TO_HOST}: ${server_error}"
  fi
  while IFS= read -r line; do
    add_problem "${TO_HOST} is in use: ${line}"
  done <sessions
}

# The confirmation may take hours, so everything is checked again after it.
confirm_return() {
  local confirmed=${old}
  confirm "${DATABASE}" "${old} will be ${DATABASE} again. The copy is kept under another name," \
    'and what was written to it since then stays in it.'
  find_kept_database
  if [[ ${old} != "${confirmed}" ]]; then
    stop "the old database is ${old} now, not ${confirmed}; nothing was changed"
  fi
}

swap_back() {
  local aside text
  aside=$(date "+${DATABASE}_copy_%Y%m%dT%H%M%SZ")
  text="undone $(date --iso-8601=seconds): ${old} is ${DATABASE} again; the database before is"
  if ! swap_names "${old}" "${aside}" "${text} ${aside}"; then
    say_sessions "${old}"
    stop "cannot swap the names of the databases; ${DATABASE} is still the copy." \
      'End what is shown above, and paste the script again.'
  fi
  finish "${completed}"
}

# ---- Parts, which several scripts of this release have: review each once.

# ---- Part database, sha256 894ae4cc5903747f972b5eccbc016ff3dc0aa324462d45475aa7b7ace59dd139

# Prepares the database clients.
prepare_clients() {
  name_run
  check_target_server
  choose_client_user
  choose_ssl_mode
  read_password
  choose_session_options
}

# Sets the names of this run: token and mark for records and comments, record to the record file,
# target to the connection string of the server, new_database to the database that is created, and
# client_role and password_file to who the clients are there: the master user.
# A connection string holds only these values, and none of them can hold a blank or a quote.
name_run() {
  token=$(sha256sum <<<"${STACK_NAME} ${TO_HOST} ${TO_PORT} ${DATABASE} ${RUN}" | cut --bytes=-12)
  mark="codeocean-cmdgen db-copy-in ${RUN}"
  record=${records}/db-copy-in--${RUN}
  target="host=${TO_HOST} port=${TO_PORT}"
  new_database=${DATABASE}_new_${token}
  client_role=${USER}
  password_file=/proc/self/fd/4
}

# Checks that --to-host is the deployment's own database, if the deployment names it.
check_target_server() {
  local own_host
  if ! own_host=$(jq --raw-output '.AnalyticsDB.Host // ""' /etc/codeocean/stack.json); then
    stop_wrong_place 'cannot read AnalyticsDB.Host from /etc/codeocean/stack.json'
  fi
  if [[ ${own_host} != '' && ${own_host,,} != "${TO_HOST,,}" ]]; then
    stop_wrong_place "/etc/codeocean/stack.json: expected analytics database ${TO_HOST};" \
      "found ${own_host}"
  fi
  if ! command -v psql >/dev/null; then
    stop_wrong_place 'the program psql is needed: sudo dnf install postgresql15'
  fi
}

# Sets client_id to a user and group that nothing else on this host uses, from the range that
# systemd has for such users. The clients run as it, so a fault in one of them does not reach root.
# https://systemd.io/UIDS-GIDS/
choose_client_user() {
  for client_id in {65519..61184}; do
    if is_id_free "${client_id}"; then
      if ! chgrp "${client_id}" "${scratch}" || ! chmod 710 "${scratch}"; then
        stop 'the database clients cannot enter the folder for temporary files'
      fi
      return
    fi
  done
  stop 'no user ID is free for the database clients'
}

is_id_free() { # ID
  local process
  if getent passwd "$1" >/dev/null || getent group "$1" >/dev/null; then
    return 1
  fi
  process=$(find /proc -maxdepth 1 -uid "$1" -print -quit 2>/dev/null)
  [[ ${process} == '' ]]
}

# Writes the password to a file without a name, so nothing of it can be left behind. The clients
# inherit it as descriptor 4. libpq reads a password file only if it belongs to its own user.
# https://www.postgresql.org/docs/current/libpq-pgpass.html
read_password() {
  if ! : >password || ! exec 4<>password; then
    stop 'cannot create a file for the password'
  fi
  if ! rm password || ! chown "${client_id}" /proc/self/fd/4; then
    stop 'cannot protect the file for the password'
  fi
  if ! aws secretsmanager get-secret-value \
    --region "${REGION}" \
    --secret-id "${MASTER_PASSWORD_SECRET_ID}" |
    jq --raw-output '"*:*:*:*:" + (.SecretString | gsub("(?<special>[\\\\:])"; "\\" + .special))' \
      >&4; then
    stop_wrong_place "cannot read secret ${MASTER_PASSWORD_SECRET_ID}, as reported above"
  fi
}

# Sets server_options to the settings of our sessions. They outrank settings of users and databases,
# which would change what the clients may do and how they print values. Rows that a policy hides are
# errors. Sets connection_options, so that both ends notice within two minutes that the other died.
choose_session_options() {
  connection_options='keepalives_idle=60 keepalives_interval=10 keepalives_count=6'
  connection_options+=' tcp_user_timeout=120000 connect_timeout=15'
  server_options='-c search_path=pg_catalog -c statement_timeout=0 -c client_min_messages=error'
  server_options+=' -c tcp_keepalives_idle=60 -c tcp_keepalives_interval=10'
  server_options+=' -c tcp_keepalives_count=6 -c lock_timeout=0 -c idle_session_timeout=0'
  server_options+=' -c idle_in_transaction_session_timeout=0'
  server_options+=' -c row_security=off -c default_transaction_read_only=off -c role=none'
  server_options+=' -c datestyle=ISO -c intervalstyle=postgres -c timezone=UTC'
  server_options+=' -c extra_float_digits=3 -c bytea_output=hex -c lc_monetary=C'
  server_options+=' -c quote_all_identifiers=off'
}

# Sets ssl_mode: with the CA bundle, servers must prove who they are.
choose_ssl_mode() {
  ssl_mode=verify-full
  if [[ ! -f ${CA_BUNDLE} ]]; then
    connect_without_ca_bundle
  elif ! cp "${CA_BUNDLE}" ca-bundle.pem || ! share_with_clients ca-bundle.pem; then
    stop "cannot read ${CA_BUNDLE}"
  fi
}

# Lets the clients read files. They own no file, and can write to none.
share_with_clients() { # FILE...
  chgrp "${client_id}" "$@" && chmod 640 "$@"
}

# Becomes a client, with neither the rights nor the environment of root.
exec_client() { # PROGRAM ARGUMENT...
  exec setpriv --reuid="${client_id}" --regid="${client_id}" --clear-groups --no-new-privs \
    --inh-caps=-all --bounding-set=-all -- \
    env --ignore-environment PATH="${PATH}" HOME=/nonexistent LC_ALL=C.UTF-8 TZ=UTC \
    PGUSER="${client_role}" PGPASSFILE="${password_file}" PGOPTIONS="${server_options}" \
    PGCLIENTENCODING=UTF8 PGSSLMODE="${ssl_mode}" PGSSLROOTCERT="${scratch}/ca-bundle.pem" "$@"
}

# Runs a client. Its stdout goes past the filter, as descriptor 5. What it writes to stderr may be
# the words of a server: they are indented, so that no line reads as the outcome of this script,
# and cannot control a terminal.
run_client() { # PROGRAM ARGUMENT...
  { exec_client "$@" 2>&1 >&5 5>&- | replace_unprintable | sed 's/^/  /' >&2 5>&-; } 5>&1
}

replace_unprintable() {
  LC_ALL=C tr --complement '\n[:print:]' '?'
}

# Runs SQL on a server; the first error ends it. Names are psql variables, which psql quotes.
run_sql() { # SERVER DATABASE PSQL_OPTION... <SQL
  run_psql run_client "$@"
}

run_psql() { # RUNNER SERVER DATABASE PSQL_OPTION... <SQL
  "$1" psql --no-psqlrc --no-password --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1 \
    --set=database="${DATABASE}" --set=new="${new_database}" \
    --dbname="$2 dbname=$3 ${connection_options}" "${@:4}"
}

# Runs SQL, whose answer goes to a file. If it fails, sets server_error to the message.
query_server() { # FILE SERVER DATABASE PSQL_OPTION... <SQL
  if run_sql "${@:2}" >"$1" 2>"$1.error"; then
    return 0
  fi
  server_error=$(tr --squeeze-repeats '[:space:]' ' ' <"$1.error")
  server_error=${server_error# }
  return 1
}

# Sets completed to what this run has done last: "completed" and a text, "undone" and a text, or
# nothing. Sets in_place to what the server has under the name of the database: "missing", "other",
# or "ours". For "ours", replacement is what the record says about that swap; its last word is the
# database that was in place before.
# The record on this host holds the intent of a swap, with a nonce. Only the swap writes that nonce
# into the comment of the database, and nobody else can know it before. Afterwards everybody can
# read it, so the whole line counts: a copy removes such lines from the comment that it takes along.
# If the work dies in the swap, the intent is all it leaves.
find_replacement() {
  local intent nonce
  in_place=other
  read_record
  if [[ ! -e ${record} ]]; then
    return
  fi
  if ! read_comment; then
    stop_wrong_place "${TO_HOST}: ${server_error}"
  fi
  # A database without a comment answers with an empty line.
  if [[ ! -s comment ]]; then
    in_place=missing
  fi
  for intent in "${intents[@]}"; do
    nonce=${intent%% *}
    if [[ ${nonce} =~ ^[0-9a-f]{32}$ ]] &&
      grep --quiet --fixed-strings --line-regexp "${mark} ${intent}" comment; then
      in_place=ours
      replacement=${intent#* }
      record_completion "${replacement}"
    fi
  done
}

# Sets completed and intents to what the record of this run holds: lines of a time, the mark, the
# token, "completed", "undone" or "intent", and a text.
read_record() {
  local found kind text
  completed=''
  intents=()
  if [[ ! -e ${record} ]]; then
    return
  fi
  while read -r _ _ _ _ found kind text; do
    if [[ ${found} == "${token}" && ${kind} == @(completed|undone) ]]; then
      completed="${kind} ${text}"
    fi
    if [[ ${found} == "${token}" && ${kind} == intent ]]; then
      intents+=("${text}")
    fi
  done <"${record}"
}

# Writes the comment of the database to the file "comment".
read_comment() {
  query_server comment "${target}" postgres <<'SQL'
SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = :'database';
SQL
}

record_completion() { # TEXT
  if [[ ${completed} != "$1" ]]; then
    completed=$1
    if [[ ${PLAN} != 1 ]]; then
      append_record "db-copy-in--${RUN}" "${mark} ${token} ${completed}"
    fi
  fi
}

check_database_exists() {
  if [[ ${in_place} == missing ]]; then
    stop "database ${DATABASE} no longer exists on ${TO_HOST}. This run: ${completed}"
  fi
}

# ---- Part database_swap, sha256 9db3daaa3cbc06108ceb1d71bd318765d579cfab48a19759a0fa7b5b45eab79a

# Stops the paste that would take the database away from a service that uses it.
check_service_masked() {
  local loaded active
  loaded=$(systemctl show codeocean --property=LoadState --value)
  active=$(systemctl show codeocean --property=ActiveState --value)
  if [[ ${loaded} != masked || ${active} != @(inactive|failed) ]]; then
    add_problem "the service is not stopped: codeocean is ${loaded} and ${active}." \
      'Run service-stop first.'
  fi
}

# Gives the name of our database to another one, and ours a new name, in one transaction. Further
# arguments are a command, which prints SQL for the beginning of that transaction. The outcome goes
# to the record of this host first, as an intent with a nonce. The client may lose the answer of the
# server: only the state of the server counts. Sets completed to the outcome if it succeeds.
swap_names() { # OTHER_DATABASE NEW_NAME_OF_OURS OUTCOME [PRINTING_COMMAND...]
  local nonce error
  nonce=$(tr --delete '-' </proc/sys/kernel/random/uuid)
  if [[ ! ${nonce} =~ ^[0-9a-f]{32}$ ]]; then
    stop "cannot read a random number from the kernel; ${DATABASE} is as it was"
  fi
  append_record "db-copy-in--${RUN}" "${mark} ${token} intent ${nonce} $3"
  for _ in {1..12}; do
    run_swap "${nonce}" "$@" 2>swap_error
    find_replacement
    if [[ ${completed} == "$3" ]]; then
      return 0
    fi
    error=$(head --lines=1 swap_error)
    say "not yet: ${error}"
  done
  return 1
}

# Users can read the arguments of a process, so the nonce travels on stdin. It needs no quotes:
# names, numbers and times are ours. The commit has to be on disk.
run_swap() { # NONCE OTHER_DATABASE NEW_NAME_OF_OURS OUTCOME [PRINTING_COMMAND...]
  {
    echo "\\set mark '${mark} $1 $4'"
    "${@:5}"
    print_swap
  } |
    server_options="${server_options} -c synchronous_commit=on" run_sql "${target}" postgres \
      --set=other="$2" --set=aside="$3" --single-transaction --file=-
}

print_swap() {
  cat <<'SQL'
ALTER DATABASE :"database" RENAME TO :"aside";
ALTER DATABASE :"other" RENAME TO :"database";
SELECT format('COMMENT ON DATABASE %I IS %L', datname,
    concat_ws(E'\n', shobj_description(oid, 'pg_database'), :'mark'))
  FROM pg_database WHERE datname = :'database' \gexec
SQL
}

# Shows what uses our database or another one. Background workers of extensions, such as that of
# pg_cron, do not end when the master asks.
say_sessions() { # OTHER_DATABASE
  if ! list_sessions "$1"; then
    stop_wrong_place "${TO_HOST}: ${server_error}"
  fi
  say_file sessions "${TO_HOST}: "
}

list_sessions() { # OTHER_DATABASE
  query_server sessions "${target}" postgres --set=other="$1" <<'SQL'
SELECT format('%s of %s in %s, PID %s: %s', backend_type, coalesce(usename, 'the system'), datname,
    pid, application_name)
  FROM pg_stat_activity WHERE datname IN (:'database', :'other');
SQL
}

# ---- Part old_database, sha256 7795f08e783f50658f4194dc9f6f2fc69f0db2e12d035c2331f1966d5e93332e

# For prepare_clients. What is dropped never comes back, and another server could answer that a swap
# is done, so only a server that proves who it is gets the password.
connect_without_ca_bundle() {
  stop_wrong_place "${CA_BUNDLE} is missing, so ${TO_HOST} cannot be verified." \
    'Nothing was changed. Download the CA bundle: sudo curl --fail --output' \
    "${CA_BUNDLE} https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
}

# Sets old to the name of the database that the one in place has replaced. It comes from the record
# on this host, never from a server.
find_old_database() {
  find_replacement
  if [[ ${completed} == '' ]]; then
    stop "run ${RUN} has replaced no database ${DATABASE} on ${TO_HOST}"
  fi
  check_database_exists
  check_replacement
  old=${replacement##* }
  if [[ ! ${old} =~ ^"${DATABASE}"_(old|copy)_[0-9]{8}T[0-9]{6}Z$ ]]; then
    stop "the record names no old database: ${replacement}"
  fi
}

# Stops unless the database in place is the one that this run put there: only the swap wrote the
# nonce of this host's record into its comment. Otherwise the old one may be the last copy.
check_replacement() {
  if [[ ${in_place} != ours ]]; then
    stop "the comment of ${DATABASE} does not prove that run ${RUN} put it in place." \
      "${completed##* } may be the last copy, so it stays as it is. Rename or drop it in psql."
  fi
}

# Sets size and sessions to how large the old database is and how many sessions use it. Sets size to
# nothing if it does not exist.
measure_old_database() {
  if ! read_old_database; then
    stop_wrong_place "${TO_HOST}: ${server_error}"
  fi
  size=''
  if [[ ! -s found ]]; then
    return
  fi
  IFS='|' read -r size sessions <found
  if [[ ! ${size} =~ ^[0-9]+$ || ! ${sessions} =~ ^[0-9]+$ ]]; then
    stop_wrong_place "${TO_HOST} does not report the size of ${old}"
  fi
}

# Writes size and sessions of the old database to the file "found"; nothing if it does not exist.
read_old_database() {
  query_server found "${target}" postgres --set=old="${old}" <<'SQL'
SELECT pg_database_size(oid),
  (SELECT count(*) FROM pg_stat_activity AS activity WHERE activity.datname = d.datname)
FROM pg_database AS d
WHERE datname = :'old';
SQL
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
