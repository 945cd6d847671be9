<#
# Values: CA_BUNDLE, DATABASE, MASTER_PASSWORD_SECRET_ID, RUN, STACK_NAME, TO_HOST, TO_PORT, USER
# Calls: connect_without_ca_bundle
# Sets: client_id, client_role, completed, connection_options, in_place, intents, mark,
#   new_database, password_file, record, replacement, server_error, server_options, ssl_mode,
#   target, token
#>
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
