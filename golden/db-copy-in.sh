(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    ec86b84a4444eda17dea99a12b0b8e6a2145d534e5f31ea242cc2ccbd43b3ef3\ \ -)
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
# codeocean-cmdgen db-copy-in: replace the analytics database with the restored one
#
# Run in:   the services instance of the target, in an SSM session; it asks sudo for root.
# Changes:  CREATE ROLE        creates a role for the time of the restore, dropped at its end
#           CREATE DATABASE    creates a new database beside the current one, closed to others;
#                              first an empty one if there is no current one
#           pg_restore, COPY   fill it from the restored database, as this role
#           CREATE EXTENSION   creates its extensions, as the master user
#           ALTER, GRANT       give its objects their owners and grants, as the master user
#           ALTER DATABASE     swaps its name with that of the current one, which is kept until a
#                              script with --drop-old removes it; sessions in it are ended
# Takes:    minutes for a few GB. The work continues when the session ends.
# Costs:    storage for both databases. If the databases may need more than 10 GB in all, it asks
#           for confirmation that as much is free.
# Again:    follows the work, starts again after a failure, or reports when it was completed.
# Killed:   leaves the unit, which continues. If the unit itself is killed, the current database
#           stays in place: the names are swapped in one transaction.
# Undo:     a script with --swap-back puts the replaced database in place again, until one with
#           --drop-old removes it.
# Done if:  both databases were compared, and the names are swapped.
# Settings: PLAN=1 shows what would change, and changes nothing.
#           WATCH=0 starts the work, does not wait for it, and ends with exit code 4.
#           CONFIRM=DATABASE-NAME confirms without a terminal.

values() {
  # text of this release: sha256 9cf99c153c4c895fa63d179fe68fe7e1247f9e2864a01370a5d24806facf2bbd
  # the step
  STEP=db-copy-in
  # from deployment file [target]
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

main() {
  values
  run_as_root "$@"
  read_settings "$@"
  check_services_instance
  check_programs awk chgrp comm cut date df diff env flock getent grep head setpriv sha256sum sort \
    systemd-run od python3 tail tr xargs
  prepare_clients
  speed_up_sessions
  name_source
  finish_if_completed
  follow_running_copy
  check_both_sides
  if [[ ${PLAN} == 1 ]]; then
    finish_with_plan
  fi
  confirm_storage
  start_work
  follow_work
}

connect_without_ca_bundle() {
  ssl_mode=require
  say "warning: ${CA_BUNDLE} is missing. Connections are encrypted, but the servers are not" \
    'verified: download the CA bundle from https://truststore.pki.rds.amazonaws.com'
}

# While the new database is filled, no commit has to be on disk.
speed_up_sessions() {
  server_options+=' -c synchronous_commit=off -c maintenance_work_mem=128MB'
}

# Sets source to the connection string of the server that is copied from, dump to a file in
# dump_folder that the work needs until it ends.
name_source() {
  source="host=${FROM_HOST} port=${FROM_PORT}"
  dump_folder=${DUMP_FOLDER}/codeocean-cmdgen-dumps
  dump=${dump_folder}/db-copy-in--${RUN}
  check_private_folder "${dump_folder}"
}

# A dump may be left of work that died at the end of the swap.
finish_if_completed() {
  find_replacement
  if [[ ${completed} == '' ]]; then
    return
  fi
  check_database_exists
  if [[ ${PLAN} != 1 ]]; then
    rm -rf "${dump}"
  fi
  if [[ ${completed} == *" from ${FROM_HOST}:${FROM_PORT},"* ]]; then
    finish "${completed}"
  fi
  stop "${completed}. To copy from ${FROM_HOST} now, generate the script with a new --run."
}

follow_running_copy() {
  if is_working; then
    if [[ ${PLAN} == 1 ]]; then
      finish_plan "a copy to ${TO_HOST} is running. Paste the script without PLAN=1 to follow it."
    fi
    follow_work
  fi
}

# Shows the databases of both servers, and names everything that prevents the copy.
check_both_sides() {
  show_databases "${source}"
  show_databases "${target}"
  measure_source
  measure_target
  list_not_copied
  check_source_content
  check_target
  check_pg_dump
  check_disk_space
  check_service_masked
  stop_if_problems 'fix the problems above, and paste the script again. Nothing was changed.'
}

show_databases() { # SERVER
  if ! list_databases "$1"; then
    stop_wrong_place "${1#host=}: ${server_error}"
  fi
  sed 's/\t/, /; s/\t/ bytes, PostgreSQL /' databases >shown
  say_file shown "${1#host=}: "
}

list_databases() { # SERVER
  query_server databases "$1" postgres <<'SQL'
COPY (
  SELECT datname, pg_database_size(oid), current_setting('server_version')
  FROM pg_database
  WHERE NOT datistemplate AND has_database_privilege(oid, 'CONNECT')
) TO STDOUT;
SQL
}

# Sets size and large_objects_size to bytes, writes to how many rows have ever been written, and
# major to the version of PostgreSQL. They are used in arithmetic and in commands, so only digits
# are accepted from the server.
measure_source() {
  local measured
  if ! read_measures; then
    stop_wrong_place "${FROM_HOST}: ${server_error}"
  fi
  measured=$(<measures)
  if [[ ! ${measured} =~ ^[1-9][0-9]{0,17}('|'(0|[1-9][0-9]{0,17})){2}'|'[1-9][0-9]$ ]]; then
    stop_wrong_place "${FROM_HOST} does not report the size of ${DATABASE}"
  fi
  IFS='|' read -r size large_objects_size writes major <<<"${measured}"
}

read_measures() {
  query_server measures "${source}" "${DATABASE}" <<'SQL'
SELECT pg_database_size(current_database()), pg_table_size('pg_largeobject'),
  (SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables),
  current_setting('server_version_num')::int / 10000;
SQL
}

# Sets used to the size of all databases of the target, which are in the file "databases".
measure_target() {
  used=$(awk --field-separator='\t' '{ sum += $2 } END { printf "%.0f", sum }' databases)
  if [[ ! ${used} =~ ^[0-9]{1,18}$ ]]; then
    stop_wrong_place "${TO_HOST} does not report the size of its databases"
  fi
  say "${TO_HOST}: its databases use $((used / 1000000)) MB, and the copy needs about" \
    "$((size / 1000000)) MB more"
  if ! cut --fields=1 databases | grep --fixed-strings --line-regexp "${DATABASE}" >/dev/null; then
    say "${TO_HOST} has no database ${DATABASE}: an empty one will be created first"
  fi
}

# Names what belongs to the server of the source and not to the database, and who may write to the
# database: the copy shows it as it is at one moment. Jobs of pg_cron are in one
# database only: the extension's own table is safe to read, because only the system can create it.
list_not_copied() {
  if ! list_others || ! list_database_jobs; then
    stop_wrong_place "${FROM_HOST}: ${server_error}"
  fi
  say_file others 'not copied: '
  if [[ -s jobs ]]; then
    say "not copied: jobs of pg_cron in ${cron_database} on ${FROM_HOST}. To create them again," \
      "run in the same database of ${TO_HOST}:"
    say_file jobs '  '
  fi
}

list_others() {
  query_server others "${source}" postgres <<'SQL'
SELECT format('database %I. To copy it: generate the script with its --database and --run', datname)
  FROM pg_database
  WHERE datname NOT IN (:'database', 'postgres', 'rdsadmin', 'template0', 'template1')
UNION ALL
SELECT format('what this session writes from now on: PID %s of %s, %s', pid, usename,
    application_name)
  FROM pg_stat_activity WHERE datname = :'database' AND backend_type = 'client backend';
SQL
}

# Sets cron_database to the database that has jobs. Its name comes from a server, and becomes a part
# of a connection string: another name than ours is not read.
list_database_jobs() {
  local candidate
  for candidate in postgres "${DATABASE}"; do
    if ! read_database_jobs "${candidate}"; then
      return 1
    fi
    if [[ -s jobs ]]; then
      cron_database=${candidate}
      return
    fi
  done
}

# A policy lets each user see only its own jobs.
read_database_jobs() { # DATABASE
  query_server jobs "${source}" "$1" <<'SQL'
SET row_security = on;
SELECT count(*) > 0 AS has_jobs
  FROM pg_extension AS extension
  JOIN pg_depend ON (refclassid, refobjid, deptype) = (extension.tableoid, extension.oid, 'e')
  JOIN pg_class AS relation ON (classid, objid) = (relation.tableoid, relation.oid)
  WHERE extname = 'pg_cron' AND relation.oid = to_regclass('cron.job') AND relkind = 'r' \gset
\if :has_jobs
SELECT format('SELECT cron.schedule_in_database(%L, %L, %L, %L, %L, %L);', job ->> 'jobname',
    job ->> 'schedule', job ->> 'command', job ->> 'database', job ->> 'username', job ->> 'active')
  FROM cron.job AS row, to_jsonb(row) AS job ORDER BY jobid;
\endif
SQL
}

# Names what would run with the master user's rights on the target, or cannot exist there without
# them.
check_source_content() {
  local line
  if ! list_refused; then
    stop_wrong_place "${FROM_HOST}: ${server_error}"
  fi
  while IFS= read -r line; do
    add_problem "${FROM_HOST}: ${line}, which is not copied. If you do not need it, remove it" \
      "in ${DATABASE} on ${FROM_HOST}."
  done <refused
}

list_refused() {
  query_server refused "${source}" "${DATABASE}" <<'SQL'
COPY (
  SELECT format('event trigger %I runs in sessions of others', evtname) FROM pg_event_trigger
  UNION ALL
  SELECT format('language %I is not trusted', lanname)
  FROM pg_language WHERE oid >= 16384 AND NOT lanpltrusted
  UNION ALL
  SELECT format('function %s is in %I, a language that is not trusted', f.oid::regprocedure,
    lanname)
  FROM pg_proc AS f JOIN pg_language AS l ON l.oid = prolang AND NOT lanpltrusted
  WHERE f.oid >= 16384 AND prokind <> 'a' AND NOT EXISTS (
    SELECT FROM pg_depend WHERE (classid, objid) = (f.tableoid, f.oid) AND deptype IN ('e', 'i'))
  UNION ALL
  SELECT format('publication %I is for all tables', pubname) FROM pg_publication WHERE puballtables
) TO STDOUT;
SQL
}

# The target gets what the source needs as rows, and finds what it lacks.
check_target() {
  local line
  if ! list_needs; then
    stop_wrong_place "${FROM_HOST}: ${server_error}"
  fi
  share_with_clients needs
  if ! list_missing; then
    stop_wrong_place "${TO_HOST}: ${server_error}"
  fi
  while IFS= read -r line; do
    add_problem "${TO_HOST}: ${line}"
  done <missing
}

# Extensions in the order of their creation, and roles with rights or settings in it. Of some, the
# master must be a member: they own something in it, or have granted something.
list_needs() {
  query_server needs "${source}" "${DATABASE}" <<'SQL'
COPY (
  SELECT extension.oid, 'extension', extname, extversion, nspname, false
  FROM pg_extension AS extension JOIN pg_namespace AS n ON n.oid = extnamespace
  UNION ALL
  SELECT 0, 'role', rolname, CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END, '',
    bool_or(deptype = 'o')
  FROM (
    SELECT refobjid, deptype
    FROM pg_shdepend
    JOIN pg_database AS d ON d.oid IN (dbid, objid) AND datname = current_database()
    WHERE refclassid = 'pg_authid'::regclass
    UNION
    SELECT setrole, 's'
    FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase
      AND datname = current_database()
    UNION
    SELECT one.grantor, 'o'
    FROM (
      SELECT nspacl FROM pg_namespace
      UNION ALL SELECT relacl FROM pg_class
      UNION ALL SELECT attacl FROM pg_attribute
      UNION ALL SELECT proacl FROM pg_proc
      UNION ALL SELECT typacl FROM pg_type
      UNION ALL SELECT lomacl FROM pg_largeobject_metadata
      UNION ALL SELECT datacl FROM pg_database WHERE datname = current_database()
    ) AS has (acl), aclexplode(acl) AS one
  ) AS uses
  JOIN pg_roles ON oid = refobjid AND oid >= 16384
  GROUP BY rolname, rolcanlogin
) TO STDOUT;
SQL
}

# Extensions that only superusers may create give their users rights on the server, files or other
# hosts. Of these, the target gets only those in this list, which give none.
list_missing() {
  query_server missing "${target}" postgres --set=major="${major}" <<'SQL'
CREATE TEMPORARY TABLE needs (number oid, kind text, name text, detail text, schema text,
  owns boolean);
\copy needs FROM 'needs'
COPY (
  SELECT CASE WHEN NOT bool_or(version = detail)
      THEN format('extension %I %s is not available, only %s. Run ALTER EXTENSION %I UPDATE on '
        'the source', name, detail, string_agg(version, ', '), name)
    ELSE format('extension %I may give its users rights on the server. If you do not need it, '
      'DROP EXTENSION %I on the source', name, name) END
  FROM needs JOIN pg_available_extension_versions USING (name)
  WHERE kind = 'extension' AND name <> 'plpgsql'
  GROUP BY name, detail
  HAVING NOT bool_or(version = detail) OR NOT bool_or(version = detail AND (trusted OR name IN (
    'amcheck', 'bloom', 'dict_xsyn', 'earthdistance', 'hll', 'hypopg', 'intagg', 'pg_hint_plan',
    'pg_partman', 'pg_repack', 'pg_stat_statements', 'pgrowlocks', 'pgstattuple', 'postgis',
    'postgis_raster', 'postgis_topology', 'prefix', 'rum', 'vector')))
  UNION ALL
  SELECT format('extension %I is not available', name)
  FROM needs
  WHERE kind = 'extension' AND name NOT IN (
    SELECT available.name FROM pg_available_extensions AS available)
  UNION ALL
  SELECT format('role %I is missing: CREATE ROLE %I %s;', name, name, detail)
    || CASE WHEN owns THEN format(' GRANT %I TO %I;', name, current_user) ELSE '' END
  FROM needs LEFT JOIN pg_roles ON rolname = name
  WHERE kind = 'role' AND rolname IS NULL
  UNION ALL
  SELECT format('%I is not a member of role %I: GRANT %I TO %I;', current_user, name, name,
    current_user)
  FROM needs JOIN pg_roles ON rolname = name
  WHERE kind = 'role' AND owns AND NOT pg_has_role(rolname, 'USAGE')
  UNION ALL
  SELECT format('this is not PostgreSQL %s', :'major')
  WHERE current_setting('server_version_num')::int / 10000 <> :'major'::int
  UNION ALL
  SELECT format('%I cannot create databases and roles: ALTER ROLE %I CREATEDB CREATEROLE;',
    current_user, current_user)
  FROM pg_roles WHERE rolname = current_user AND NOT (rolcreatedb AND rolcreaterole)
  UNION ALL
  SELECT format('%I may not replace database %I: it belongs to %I', current_user, datname,
    pg_get_userbyid(datdba))
  FROM pg_database WHERE datname = :'database' AND NOT pg_has_role(datdba, 'USAGE')
  UNION ALL
  SELECT format('%I cannot end sessions: GRANT pg_signal_backend TO %I;', current_user,
    current_user)
  WHERE NOT pg_has_role('pg_signal_backend', 'USAGE')
) TO STDOUT;
SQL
}

check_pg_dump() {
  local version
  version=$(run_client pg_dump --version)
  if [[ ${version} != *" ${major}."* ]]; then
    add_problem "pg_dump ${major} is needed, this is '${version}':" \
      "sudo dnf install postgresql${major}"
  fi
}

# The dump holds the large objects, and no rows.
check_disk_space() {
  local available
  available=$(df --block-size=1 --output=avail "${DUMP_FOLDER}" | tail --lines=1)
  available=${available// /}
  if ! ((available > large_objects_size)); then
    add_problem "${DUMP_FOLDER} has ${available} bytes free, and ${large_objects_size} are" \
      'needed: choose another --dump-folder'
  fi
}

finish_with_plan() {
  if find_compared_copy; then
    finish_plan "would put the copy in place that was ${compared#* }; nothing was changed"
  fi
  finish_plan "would replace ${DATABASE} with the one on ${FROM_HOST}; nothing was changed"
}

# Asks whether the target has enough storage. Only CloudWatch knows how much is free, and the role
# of this instance may not ask it. No deployment has less than 20 GB: if all databases take less
# than half of that, the rest is enough for what else the server writes.
confirm_storage() {
  if ((used + size < 10000000000)) || find_compared_copy; then
    return
  fi
  say "If the storage of ${TO_HOST} fills up, that server stops. How many bytes are free, in" \
    'CloudShell:'
  say "aws cloudwatch get-metric-statistics --region ${REGION} --namespace AWS/RDS --metric-name" \
    "FreeStorageSpace --dimensions Name=DBInstanceIdentifier,Value=${TO_HOST%%.*} --period 60" \
    "--statistics Minimum --start-time \$(date -d -9min +%s) --end-time \$(date +%s)"
  confirm "${DATABASE}" "The copy needs about $((size / 1000000)) MB of it, and a quarter of that" \
    'in addition for a time. Confirm only if more is free.'
}

# The work that main starts.
work() {
  values
  read_settings "$@"
  check_services_instance
  prepare_clients
  speed_up_sessions
  name_source
  finish_if_completed
  check_both_sides
  must create_missing_database
  if find_compared_copy; then
    say 'only the swap is left: the copy is there, compared equal'
    rm -rf "${dump}"
    must describe_source_database
  else
    make_copy
  fi
  replace_database
  finish "${completed}"
}

# So that there is always one to put aside.
create_missing_database() {
  run_sql "${target}" postgres <<'SQL'
SELECT format('CREATE DATABASE %I', :'database')
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
SQL
}

# Succeeds if an earlier attempt of this run has compared its copy of this source equal, and that
# copy is there. It cannot have changed: since then the master owns it, and nobody else may connect.
find_compared_copy() {
  local oid
  if [[ ! -e ${record} ]]; then
    return 1
  fi
  compared=$(sed --quiet "s/^.* ${token} compared //p" "${record}" | tail --lines=1)
  if [[ ${compared} != *" from ${FROM_HOST}:${FROM_PORT}, "* ]]; then
    return 1
  fi
  if ! read_closed_copy; then
    return 1
  fi
  oid=$(<closed_copy)
  [[ ${oid} =~ ^[0-9]+$ && ${oid} == "${compared%% *}" ]]
}

# Writes the OID of the new database to the file "closed_copy", if it is closed.
read_closed_copy() {
  query_server closed_copy "${target}" postgres <<'SQL'
SELECT oid FROM pg_database
  WHERE datname = :'new' AND pg_get_userbyid(datdba) = current_user AND datacl IS NOT NULL
    AND NOT EXISTS (SELECT FROM aclexplode(datacl) WHERE grantee <> datdba);
SQL
}

make_copy() {
  local writes_before
  start_over
  open_snapshot
  measure_source
  writes_before=${writes}
  restore_database
  say "restored after ${SECONDS} s. Comparing both databases."
  check_copy
  measure_source
  record_comparison "$((writes - writes_before))"
}

# From here on the copy is kept until it is in its place.
record_comparison() { # ROWS_WRITTEN_MEANWHILE
  local counts oid
  if ! read_closed_copy; then
    stop "cannot ask ${TO_HOST} for the new database: ${server_error}"
  fi
  oid=$(<closed_copy)
  if [[ ! ${oid} =~ ^[0-9]+$ ]]; then
    stop 'the new database is not closed to others; the old database is in place'
  fi
  counts=$(awk --field-separator='|' '
    /^r[|]/ { tables++; rows += $2 }
    END { printf "%d tables, %.0f rows", tables, rows }' target.rows)
  if (($1 > 0)); then
    counts+="; $1 rows that were written there meanwhile are not copied"
  fi
  compared="${oid} copied from ${FROM_HOST}:${FROM_PORT}, in ${SECONDS} s, all compared: ${counts}"
  append_record "db-copy-in--${RUN}" "${mark} ${token} compared ${compared}"
}

# Removes what work of this run left that did not end well. Sets reporter to the process that
# reports the progress.
start_over() {
  if ! remove_leftovers; then
    stop 'cannot remove what an earlier attempt left'
  fi
  SECONDS=0
  report_growth 2>growth_errors &
  reporter=$!
  trap end_work EXIT
}

remove_leftovers() {
  rm -rf "${dump}.differences"
  remove_new_database
}

# Removes all but the differences.
remove_new_database() {
  rm -rf "${dump}"
  run_sql "${target}" postgres <<'SQL'
DROP DATABASE IF EXISTS :"new" WITH (FORCE);
DROP ROLE IF EXISTS :"new";
SQL
}

# However the work ends, nothing of it stays but a copy that was compared equal.
end_work() {
  kill "${reporter}" 2>/dev/null
  rm -rf "${dump}"
  if ! find_compared_copy; then
    remove_new_database
  fi
  rm -rf "${scratch}"
}

# Reports how large the new database is. It may become larger than the old one was.
report_growth() {
  while sleep 20; do
    run_sql "${target}" postgres --set=size="${size}" --set=seconds="${SECONDS}" <<'SQL'
SELECT format('%s %%, %s MiB, %s s left', least(100, n * 100 / :size), n >> 20,
    greatest(0, (:size - n) * :seconds / n))
  FROM pg_database_size(:'new') AS n;
SQL
  done
}

# Opens a session that keeps one picture of the source for all sessions that read it. Sets snapshot
# to its name.
open_snapshot() {
  coproc { run_psql run_client "${source}" "${DATABASE}"; }
  exec {orders}>&"${COPROC[1]}"
  echo 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT pg_export_snapshot();' >&"${orders}"
  if ! read -r -t 60 snapshot <&"${COPROC[0]}" ||
    [[ ! ${snapshot} =~ ^[0-9A-F]+-[0-9A-F]+-[0-9]+$ ]]; then
    stop "${FROM_HOST} exports no snapshot; the old database is in place"
  fi
}

# Prints the SQL that a session on a server begins with: on the source it takes the one picture.
print_beginning() { # SERVER
  if [[ $1 == "${source}" ]]; then
    echo "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '${snapshot}';"
  fi
}

# The content of the source may hold functions of anybody, and a restore runs them: in CHECK
# constraints, generated columns, indexes, casts. So no session that fills the new database is the
# master's. The role "new" exists for this time only: it owns the database and all that is in it,
# and is a member of nothing. The master creates extensions before, and hands everything to its
# owners afterwards.
restore_database() {
  make_private_folder "${dump_folder}"
  must describe_source
  must create_role
  must create_database
  must try_configuration
  must dump_definitions
  must split_list_of_entries
  must restore_entries --use-list=first
  must create_extensions
  check_extension_members
  must restore_entries --use-list=rest --jobs=4 --section=pre-data --section=data
  must copy_tables
  must restore_entries --use-list=rest --jobs=4 --section=post-data
  must as_new_role run_sql "${target}" "${new_database}" --command=ANALYZE
  must close_database
}

# Runs a command whose clients are the role "new". They do not inherit the master's password.
as_new_role() { # COMMAND...
  client_role=${new_database} password_file=/proc/self/fd/7 "$@" 4<&-
}

# What a client prints on stdout is not for the log: psql prints every notification of its session
# there, and the content may hold a function that sends one.
must() { # COMMAND...
  if ! "$@" >/dev/null; then
    stop "the restore failed in $1; the old database is in place"
  fi
}

# Writes the facts on the source to the file "facts", its rights to "rights", and its tables to
# "source.tables".
describe_source() {
  if ! describe_source_database || ! list_rights "${source}" "${DATABASE}" >rights ||
    ! share_with_clients rights; then
    return 1
  fi
  list_tables "${source}" "${DATABASE}" >source.tables
}

describe_source_database() {
  describe_database "${source}" "${DATABASE}" >facts && share_with_clients facts
}

list_rights() { # SERVER DATABASE
  {
    print_beginning "$1"
    echo 'COPY ('
    print_rights_query
    echo ") TO STDOUT (DELIMITER '|');"
  } | run_sql "$1" "$2"
}

# Prints what no dump of the content holds, one fact per line.
describe_database() { # SERVER DATABASE
  print_description | run_sql "$1" postgres --set=described="$2" | sort
}

# Lists the tables, largest first, in JSON: schema and name, the name as the server quotes it, the
# columns, the format of COPY, the number of blocks, and the bytes with those of TOAST.
list_tables() { # SERVER DATABASE
  { print_beginning "$1" && print_own_relations && print_table_query; } | run_sql "$1" "$2"
}

# The role has a random password, in a file without a name, as descriptor 7. The server gets its
# verifier only.
create_role() {
  if ! : >role_password || ! exec 7<>role_password; then
    return 1
  fi
  if ! rm role_password || ! chown "${client_id}" /proc/self/fd/7; then
    return 1
  fi
  write_programs
  {
    printf '*:*:*:*:'
    head --bytes=32 /dev/urandom | sha256sum | cut --characters=-64 | tr --delete '\n'
  } >&7
  {
    printf '\\set verifier '
    cut --characters=9- /proc/self/fd/7 | tr --delete '\n' | python3 -I program/scram_verifier.py
    print_role
  } | run_sql "${target}" postgres
}

print_role() {
  cat <<'SQL'
CREATE ROLE :"new" LOGIN PASSWORD :'verifier';
GRANT :"new" TO CURRENT_USER;
SQL
}

# Until the swap nobody else may connect to the new database: a session in it could add rows after
# the comparison.
create_database() {
  { print_facts && print_creation; } | run_sql "${target}" postgres
}

try_configuration() {
  describe_configured >tried
}

# Describes the new database as the swap will configure it, and changes nothing.
describe_configured() {
  {
    echo 'BEGIN;'
    print_facts
    print_configuration
    print_description
    echo 'ROLLBACK;'
  } | run_sql "${target}" postgres --set=described="${new_database}" | sort
}

# pg_dump alone reads the source's names, as patterns: quoted as they are, they match themselves.
dump_definitions() {
  local -a excluded
  if ! jq --join-output '"--exclude-table-data=\(.[1])\u0000"' source.tables >excluded_tables; then
    return 1
  fi
  mapfile -d '' -t excluded <excluded_tables
  run_client pg_dump --dbname="${source} dbname=${DATABASE} ${connection_options}" \
    --snapshot="${snapshot}" --format=custom --compress=0 \
    "${excluded[@]}" >"${dump}" && share_with_clients "${dump}"
}

# Opens the dump as descriptor 6 for the clients, which cannot enter its folder. Writes its entries
# to two files: schemas, which extensions may need, to "first", everything else to "rest". Left out
# are extensions with their comments. Names may look like another entry, so the numbers tell what it
# is: 2615 is pg_namespace, 3079 pg_extension. Comments on extensions are those without an owner.
split_list_of_entries() {
  if ! exec 6<"${dump}" || ! touch first rest; then
    return 1
  fi
  as_new_role run_client pg_restore --list /proc/self/fd/6 | awk '
    /^[0-9]+; 3079 / || /^[0-9]+; 0 0 COMMENT - EXTENSION .* $/ { next }
    /^[0-9]+; 2615 / { print >"first"; next }
    { print >"rest" }' && share_with_clients first rest
}

restore_entries() { # PG_RESTORE_OPTION...
  as_new_role run_client pg_restore --exit-on-error --no-owner --no-acl "$@" \
    --dbname="${target} dbname=${new_database} ${connection_options}" /proc/self/fd/6
}

# So far the new database has nothing but empty schemas. plpgsql is in every database.
create_extensions() {
  run_sql "${target}" "${new_database}" <<'SQL'
CREATE TEMPORARY TABLE needs (number oid, kind text, name text, version text, schema text,
  owns boolean);
\copy needs FROM 'needs'
SELECT format('CREATE EXTENSION %I WITH SCHEMA %I VERSION %L', name, schema, version)
  FROM needs WHERE kind = 'extension' AND name <> 'plpgsql' ORDER BY number \gexec
SQL
}

# A dump leaves out the members of an extension, because the extension creates them. But the owner
# of an extension can add anything else to it. Stops if that would be lost.
check_extension_members() {
  if ! list_extension_members "${source}" "${DATABASE}" >source.members ||
    ! list_extension_members "${target}" "${new_database}" >target.members ||
    ! comm -23 source.members target.members >lost; then
    stop 'cannot compare the members of extensions; the old database is in place'
  fi
  if [[ -s lost ]]; then
    head --lines=30 lost >shown
    say_file shown "${FROM_HOST}: "
    stop 'the extensions of the target do not create these objects, so they would be missing.' \
      "Run the commands above in ${DATABASE} on ${FROM_HOST}, and paste the script again." \
      'The old database is in place.'
  fi
}

# Lists them as the commands that take them out of their extensions. What belongs to a table or a
# type, such as its row type, comes along with it.
list_extension_members() { # SERVER DATABASE
  { print_beginning "$1" && print_members; } | run_sql "$1" "$2" | sort
}

# Streams the rows, in the order of the source. Names and columns become SQL on both sides: they
# come, in quotes, from the target, which has the tables by now.
copy_tables() {
  if ! list_tables "${target}" "${new_database}" >target.tables || ! list_streams >streams; then
    return 1
  fi
  export -f copy_rows run_sql run_psql run_client exec_client replace_unprintable
  export -f as_new_role print_beginning
  export DATABASE client_id client_role connection_options new_database password_file scratch \
    server_options snapshot source ssl_mode target
  xargs --null --no-run-if-empty --max-args=3 --max-procs=4 \
    bash -o pipefail -c "copy_rows \"\$@\"" copy_rows <streams
}

# Prints three texts for each stream: what it copies, where to, and the format. A large table is
# several ranges of blocks. Every row is in exactly one of them: the last range has no end.
list_streams() {
  jq --slurp --join-output --slurpfile target target.tables '
    def ranges($blocks; $bytes):
      ([$bytes / 67108864, 1024] | min | ceil) as $count
      | ([$blocks / $count, 1] | max | ceil) as $step | range(0; [$blocks, 1] | max; $step)
      | "ctid >= $$(\(.),0)$$"
        + (if . + $step < $blocks then " AND ctid < $$(\(. + $step),0)$$" else "" end);
    INDEX($target[]; .[0] | tojson) as $by_name
    | .[] | .[-2:] as [$blocks, $bytes]
    | ($by_name[.[0] | tojson] // empty) as [$name, $table, $columns, $format]
    | (if $columns == "" then $table else "\($table) (\($columns))" end) as $whole
    | if $bytes <= 67108864 then $whole
      else "(SELECT \($columns) FROM ONLY \($table) WHERE \(ranges($blocks; $bytes)))" end
    | "\(.)\u0000\($whole)\u0000\($format)\u0000"' source.tables
}

# With 255, xargs starts no more streams.
copy_rows() { # ROWS TABLE FORMAT
  local beginning
  beginning=$(print_beginning "${source}")
  if ! run_sql "${source}" "${DATABASE}" --command="${beginning}" \
    --command="COPY $1 TO STDOUT (FORMAT $3)" |
    as_new_role run_sql "${target}" "${new_database}" \
      --command="COPY $2 FROM STDIN (FORMAT $3)"; then
    return 255
  fi
}

# What ran so far had all rights of the role "new": it may have let others in, changed that role's
# password or made others members of it. So that role never logs in again, the master takes the
# database, and all sessions in it end, those that are about to begin as well.
close_database() {
  run_sql "${target}" postgres <<'SQL'
ALTER ROLE :"new" NOLOGIN;
SELECT format('REVOKE %I FROM %I', :'new', rolname)
  FROM pg_auth_members JOIN pg_roles ON oid = member
  WHERE roleid::regrole = quote_ident(:'new')::regrole AND rolname <> current_user \gexec
ALTER DATABASE :"new" OWNER TO CURRENT_USER;
SELECT format('REVOKE ALL ON DATABASE %I FROM %s CASCADE', datname,
    CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
  FROM pg_database, aclexplode(datacl) WHERE datname = :'new' AND grantee <> datdba \gexec
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
  JOIN pg_roles ON pg_roles.oid = usesysid AND NOT rolsuper
  WHERE datname = :'new' OR usename = :'new';
SELECT pg_sleep(1);
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
  JOIN pg_roles ON pg_roles.oid = usesysid AND NOT rolsuper
  WHERE datname = :'new' OR usename = :'new';
SQL
}

# Stops unless the copy is proved equal. Autovacuum runs functions of an index as the table's owner,
# at any time. So the role "new", which owned everything, is gone before anything is compared.
check_copy() {
  must set_rights
  must remove_role
  choose_seed
  if ! describe_all_rows; then
    stop 'cannot compare the rows; the old database is in place'
  fi
  must describe_all_definitions
  must list_all_rights
  must list_members_again
  if ! cp facts source.database || ! describe_configured >target.database; then
    stop 'cannot describe the new database; the old database is in place'
  fi
  if ! compare_descriptions >differences; then
    show_differences
    stop 'the copy is not proved equal (< source, > target);' \
      "all differences: ${dump}.differences. The old database is in place."
  fi
  kill "${reporter}"
}

# Sets seed to a secret number that the sums of rows depend on. The content, which has run by now,
# could not choose rows that have the same sum.
choose_seed() {
  seed=$(od --address-radix=n --format=d8 --read-bytes=8 /dev/urandom)
  seed=${seed// /}
  if [[ ! ${seed} =~ ^-?[0-9]+$ ]]; then
    stop 'cannot read a random number from the kernel; the old database is in place'
  fi
}

# Both servers work at the same time.
describe_all_rows() {
  local source_rows
  describe_rows "${source}" "${DATABASE}" >source.rows &
  source_rows=$!
  describe_rows "${target}" "${new_database}" >target.rows && wait "${source_rows}"
}

describe_all_definitions() {
  describe_definitions "${source}" "${DATABASE}" --snapshot="${snapshot}" >source.definitions &&
    describe_definitions "${target}" "${new_database}" >target.definitions
}

list_all_rights() {
  sort rights >source.rights && list_rights "${target}" "${new_database}" | sort >target.rights
}

# Functions of the content may have added something to an extension, and a dump leaves that out.
list_members_again() {
  mv target.members source.members &&
    list_extension_members "${target}" "${new_database}" >target.members
}

set_rights() {
  print_rights | run_sql "${target}" "${new_database}"
}

# A role that still owns something cannot be dropped: the server names what it is.
remove_role() {
  run_sql "${target}" "${new_database}" <<'SQL'
DROP ROLE :"new";
SQL
}

# Describes tables (rows, sums of hashes), sequences and large objects, a line each. Each server
# runs what it has quoted itself. It runs as the master user: reading a table and showing its values
# runs no function of the content.
describe_rows() { # SERVER DATABASE
  {
    print_beginning "$1"
    echo "\\set seed ${seed}"
    print_own_relations
    print_sums
    print_large_objects
  } | run_sql "$1" "$2" | sort
}

# Describes how pg_dump would create everything: a line for each entry, and for each grant, because
# their order may differ. Left out are the lines around the entries, which hold versions and a
# random key, and comments on extensions, which are the system's.
describe_definitions() { # SERVER DATABASE PG_DUMP_OPTION...
  run_client pg_dump --dbname="$1 dbname=$2 ${connection_options}" --schema-only "${@:3}" |
    jq --raw-input --slurp '
    split("\n--\n-- ")[1:-1][]
    | select(test("\\AName: EXTENSION [^;\n]+; Type: COMMENT; .*\n--\n\nCOMMENT ON EXT") | not)
    | if test("\\A.*; Type: (DEFAULT )?ACL; ") then split("\n")[] else . end' | sort
}

compare_descriptions() {
  local part equal=0
  for part in rows definitions rights members database; do
    if ! diff "source.${part}" "target.${part}"; then
      equal=1
    fi
  done
  return "${equal}"
}

# All of them are kept beside the dump. Lines that may hold a password are left out. What is shown
# is cut: one line may be a whole function.
show_differences() {
  sed --quiet '/password/Id; /^[<>]/p' differences >"${dump}.differences"
  head --lines=30 "${dump}.differences" | cut --characters=-300 >shown
  say_file shown
}

# Configures the new database and puts it in the place of the old one.
replace_database() {
  local old text ender
  old=$(date "+${DATABASE}_old_%Y%m%dT%H%M%SZ")
  text="completed $(date --iso-8601=seconds) ${compared#* copied }; the database before is ${old}"
  check_service_masked
  stop_if_problems 'the old database is in place'
  end_sessions >ended_sessions 2>&1 &
  ender=$!
  if ! swap_names "${new_database}" "${old}" "${text}" configure_database; then
    kill "${ender}"
    say_sessions "${new_database}"
    stop 'cannot swap the names of the databases; the old database is in place. The copy is kept:' \
      'end what is shown above, and paste the script again.'
  fi
  kill "${ender}"
}

configure_database() {
  print_facts
  print_configuration
}

# A command that renames a database keeps new sessions out, and waits 5 s for the others to end
# (CountOtherDBBackends in PostgreSQL). This ends them. It runs without the filter of run_client,
# so that its process is the one to kill.
end_sessions() {
  run_psql exec_client "${target}" postgres <<'SQL'
SELECT pg_terminate_backend(pid)
  FROM pg_stat_activity
  JOIN pg_roles ON pg_roles.oid = usesysid AND NOT rolsuper
  WHERE datname IN (:'database', :'new') \watch 0.2
SQL
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

# ---- Part database_facts, sha256 254b9240793e6b7ac7a7e9c41c2c20ff5e23c0646625fe7cfb030e1d1bd3c12d

# SQL about what a database holds. A copy differs from its source if any of these answers differs.

# Properties without those that belong to one server, the comment without the marks of earlier
# runs, grants, and settings. to_jsonb copes with properties that only some versions have.
print_description() {
  cat <<'SQL'
COPY (
  WITH described AS (SELECT * FROM pg_database WHERE datname = :'described')
  SELECT 'database', pg_get_userbyid(datdba),
    (to_jsonb(described) - '{oid, datname, datdba, datacl, datlastsysoid, datfrozenxid,
      datminmxid, datcollversion, dattablespace}'::text[])::text,
    nullif(regexp_replace(shobj_description(oid, 'pg_database'),
      '(^|\n)codeocean-cmdgen db-copy-in [^\n]*', '', 'g'), ''),
    NULL::boolean
  FROM described
  UNION ALL
  SELECT 'grant', CASE WHEN grantee <> 0 THEN pg_get_userbyid(grantee) END, privilege_type,
    pg_get_userbyid(grantor), is_grantable
  FROM described, aclexplode(coalesce(datacl, acldefault('d', datdba)))
  UNION ALL
  SELECT 'setting', CASE WHEN setrole <> 0 THEN pg_get_userbyid(setrole) END, setting, NULL, NULL
  FROM described
  JOIN pg_db_role_setting ON setdatabase = described.oid, unnest(setconfig) AS setting
) TO STDOUT (DELIMITER '|');
SQL
}

# Prints the SQL that gives a session of the target the facts, as rows: the target itself makes
# statements of them.
print_facts() {
  cat <<'SQL'
CREATE TEMPORARY TABLE facts (kind text, role text, value text, detail text, grantable boolean);
\copy facts FROM 'facts' (DELIMITER '|')
SQL
}

# Relations that no extension created. Columns are in the order of their names, because pg_dump
# reorders those of a table that inherits. odd: has a column of a type without a hash, or without
# a binary form that all servers share.
print_own_relations() {
  cat <<'SQL'
WITH own AS (
  SELECT relation.oid, relnamespace, relname, relkind, has.*
  FROM pg_class AS relation
  LEFT JOIN pg_depend AS extension
    ON (classid, objid, deptype) = (relation.tableoid, relation.oid, 'e'),
  LATERAL (
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) AS columns,
      string_agg(quote_ident(attname), ', ' ORDER BY attname)
        FILTER (WHERE attgenerated = '') AS given,
      bool_or(NOT atttypid = ANY ('{bool, int2, int4, int8, float4, float8, numeric, text,
        varchar, bytea, jsonb, uuid, date, timestamp, timestamptz}'::regtype[])) AS odd
    FROM pg_attribute
    WHERE attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
  ) AS has
  WHERE relpersistence <> 't' AND relation.oid >= 16384 AND extension IS NULL
)
SQL
}

print_table_query() {
  cat <<'SQL'
SELECT jsonb_build_array(
    jsonb_build_array(relnamespace::regnamespace, relname),
    oid::regclass,
    coalesce(given, ''),
    CASE WHEN odd THEN 'text' ELSE 'binary' END,
    pg_relation_size(oid) / current_setting('block_size')::int,
    pg_table_size(oid))
  FROM own WHERE relkind = 'r' ORDER BY pg_table_size(oid) DESC;
SQL
}

print_creation() {
  cat <<'SQL'
SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ALLOW_CONNECTIONS false '
        'ENCODING %L LC_COLLATE %L LC_CTYPE %L',
      :'new', :'new', pg_encoding_to_char((p ->> 'encoding')::int), p ->> 'datcollate',
      p ->> 'datctype')
    || CASE p ->> 'datlocprovider'
      WHEN 'c' THEN ' LOCALE_PROVIDER libc'
      WHEN 'i' THEN ' LOCALE_PROVIDER icu ICU_LOCALE '
        || quote_literal(coalesce(p ->> 'daticulocale', p ->> 'datlocale'))
      WHEN 'b' THEN ' LOCALE_PROVIDER builtin BUILTIN_LOCALE ' || quote_literal(p ->> 'datlocale')
      ELSE '' END
    || coalesce(' ICU_RULES ' || quote_literal(p ->> 'daticurules'), ''),
    format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'new'),
    format('ALTER DATABASE %I ALLOW_CONNECTIONS true', :'new')
  FROM facts, CAST(value AS jsonb) AS p WHERE kind = 'database' \gexec
SQL
}

# Prints the SQL that gives the new database its owner, grants, settings, limit and comment, for a
# transaction that knows the facts: the swap's, or one that is rolled back. They come last: grants
# let others in, and settings would change what our own sessions do.
print_configuration() {
  print_ownership
  print_settings
  cat <<'SQL'
SELECT format('ALTER DATABASE %I CONNECTION LIMIT %s', :'new', (p ->> 'datconnlimit')::int),
    format('COMMENT ON DATABASE %I IS %L', :'new', detail)
  FROM facts, CAST(value AS jsonb) AS p WHERE kind = 'database' \gexec
SQL
}

print_ownership() {
  cat <<'SQL'
SELECT CASE WHEN role <> current_user
      THEN format('ALTER DATABASE %I OWNER TO %I', :'new', role) END,
    format('SET LOCAL ROLE %I', role),
    format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I', :'new', role), 'RESET ROLE'
  FROM facts WHERE kind = 'database' \gexec
SELECT format('SET LOCAL ROLE %I', detail),
    format('GRANT %s ON DATABASE %I TO %s%s', value, :'new', coalesce(quote_ident(role), 'PUBLIC'),
      CASE WHEN grantable THEN ' WITH GRANT OPTION' END),
    'RESET ROLE'
  FROM facts JOIN (SELECT role FROM facts WHERE kind = 'database') AS d (owner) ON kind = 'grant'
  WHERE value IN ('CREATE', 'CONNECT', 'TEMPORARY')
  ORDER BY detail <> owner, NOT grantable \gexec
SQL
}

# The value of a list is kept as identifiers, and SET expects literals. No catalog says which
# settings are lists: the names are those that pg_dump has.
print_settings() {
  cat <<'SQL'
SELECT format('ALTER %s SET %I TO %s',
    CASE WHEN role IS NULL THEN format('DATABASE %I', :'new')
      ELSE format('ROLE %I IN DATABASE %I', role, :'new') END,
    name,
    CASE WHEN lower(name) IN ('local_preload_libraries', 'search_path', 'session_preload_libraries',
      'shared_preload_libraries', 'temp_tablespaces', 'unix_socket_directories')
    THEN (
      SELECT coalesce(string_agg(quote_literal(coalesce(replace(part[1], '""', '"'), part[2])),
        ', ' ORDER BY n), quote_literal(''))
      FROM regexp_matches(list, '"([^"]*(?:""[^"]*)*)"|([^",\s]+)', 'g') WITH ORDINALITY m(part, n))
    ELSE quote_literal(list) END)
  FROM facts, split_part(value, '=', 1) AS name, substr(value, strpos(value, '=') + 1) AS list
  WHERE kind = 'setting' \gexec
SQL
}

print_members() {
  cat <<'SQL'
COPY (
  SELECT format('ALTER EXTENSION %I DROP %s %s', extname, upper(one.type),
    CASE WHEN one.type IN ('cast', 'transform') THEN ltrim(one.identity, 'for ')
      ELSE one.identity END)
  FROM pg_extension AS extension
  JOIN pg_depend ON (refclassid, refobjid, deptype) = (extension.tableoid, extension.oid, 'e'),
    pg_identify_object(classid, objid, 0) AS one
  WHERE extname <> 'plpgsql'
) TO STDOUT;
SQL
}

# The hash of a value is not enough: two values of bigint or timestamp may have the same one,
# whatever the seed. So each row is hashed as text or bytes that no other row has.
print_sums() {
  cat <<'SQL'
SELECT format('COPY (SELECT %L, %s, %L FROM ONLY %3$s) TO STDOUT (DELIMITER ''|'')', relkind,
    CASE WHEN relkind = 'S' THEN 'last_value, is_called'
      WHEN odd THEN format('count(*), sum(hashtextextended(ROW(%s)::text, %L))', columns, :'seed')
      ELSE format('count(*), sum(hash_record_extended(ROW(record_send(ROW(%s))), %L))', columns,
        :'seed') END,
    oid::regclass)
  FROM own WHERE relkind IN ('r', 'S') \gexec
SQL
}

# 262144 is INV_READ, 2 is SEEK_END.
print_large_objects() {
  cat <<'SQL'
COPY (
  SELECT 'large object', oid, (
    SELECT sum(hashtextextended(n || md5(lo_get(oid, n, 1 << 20)), :'seed'))
    FROM generate_series(0, lo_lseek64(lo_open(oid, 262144), 0, 2), 1 << 20) AS n)
  FROM pg_largeobject_metadata
) TO STDOUT (DELIMITER '|');
SQL
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

# ---- Part database_rights, sha256 496f3e0518ebf3d9ee1fc38556214eb52cd4243eb316a2faf2dff7f7ba0648cd

# Prints the query for what no restore as another role can bring: owners, grants, and default
# privileges. A row names an object in three columns, as the catalogs do: type, names, args. Rows of
# source and target are compared and joined as data; the target alone makes statements of them. Left
# out are what the system owns, what follows its table or type, and members of extensions whose
# grants are those that the extension gave.
print_rights_query() {
  cat <<'SQL'
WITH own (class, id, owner, acl, kind) AS (
  SELECT tableoid, oid, nspowner, nspacl, 'n' FROM pg_namespace
  WHERE nspname NOT SIMILAR TO 'pg_t(oast|emp)%'
  UNION ALL
  SELECT tableoid, oid, relowner, relacl, CASE relkind WHEN 'S' THEN 's' ELSE 'r' END
  FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND relpersistence <> 't'
  UNION ALL
  SELECT tableoid, oid, proowner, proacl, 'f' FROM pg_proc
  UNION ALL
  SELECT tableoid, oid, typowner, typacl, 'T' FROM pg_type AS one
  WHERE typtype <> 'm' AND NOT EXISTS (SELECT FROM pg_type WHERE typarray = one.oid)
    AND (typrelid = 0 OR EXISTS (SELECT FROM pg_class WHERE oid = one.typrelid AND relkind = 'c'))
  UNION ALL
  SELECT tableoid, oid, oprowner, NULL, '' FROM pg_operator
  UNION ALL
  SELECT tableoid, oid, collowner, NULL, '' FROM pg_collation
  UNION ALL
  SELECT tableoid, oid, conowner, NULL, '' FROM pg_conversion
  UNION ALL
  SELECT tableoid, oid, cfgowner, NULL, '' FROM pg_ts_config
  UNION ALL
  SELECT tableoid, oid, dictowner, NULL, '' FROM pg_ts_dict
  UNION ALL
  SELECT tableoid, oid, stxowner, NULL, '' FROM pg_statistic_ext
  UNION ALL
  SELECT tableoid, oid, pubowner, NULL, '' FROM pg_publication
  UNION ALL
  SELECT tableoid, oid, srvowner, srvacl, 'S' FROM pg_foreign_server
  UNION ALL
  SELECT 'pg_largeobject'::regclass, oid, lomowner, lomacl, 'L' FROM pg_largeobject_metadata
),
named AS (
  SELECT address.type, address.object_names AS names, address.object_args AS args, own.*
  FROM own
  LEFT JOIN pg_depend AS member
    ON (member.classid, member.objid, member.deptype) = (own.class, own.id, 'e')
  LEFT JOIN pg_init_privs AS first
    ON (first.classoid, first.objoid, first.objsubid) = (own.class, own.id, 0),
  pg_identify_object_as_address(own.class, own.id, 0) AS address
  WHERE (own.id >= 16384 OR kind = 'L' OR (type, object_names) = ('schema', '{public}'))
    AND own.owner <> 10 AND (member IS NULL OR own.acl IS DISTINCT FROM first.initprivs)
),
granted (what, type, names, args, attribute, owner, acl, kind) AS (
  SELECT 'grant', type, names, args, '', owner, coalesce(acl, acldefault(kind::"char", owner)), kind
  FROM named WHERE kind <> ''
  UNION ALL
  SELECT 'grant', type, names, args, attname::text, owner, attacl, 'c'
  FROM named JOIN pg_attribute ON class = 'pg_class'::regclass AND attrelid = id
    AND attacl IS NOT NULL
  UNION ALL
  SELECT 'default', defaclobjtype::text, ARRAY[coalesce(nspname::text, '')], '{}', '',
    defaclrole, defaclacl, ''
  FROM pg_default_acl LEFT JOIN pg_namespace AS n ON n.oid = defaclnamespace
)
SELECT 'owner' AS what, type, names, args, '' AS attribute, pg_get_userbyid(owner) AS owner,
  '' AS grantor, '' AS grantee, '' AS privilege, false AS grantable
FROM named
UNION
SELECT 'default', type, names, args, '', pg_get_userbyid(owner), '', '', '', false
FROM granted WHERE what = 'default'
UNION
SELECT what, type, names, args, attribute, pg_get_userbyid(owner), pg_get_userbyid(one.grantor),
  CASE WHEN one.grantee <> 0 THEN pg_get_userbyid(one.grantee) END, privilege_type, is_grantable
FROM granted, aclexplode(acl) AS one
SQL
}

# Prints the SQL that gives a new database the rights in the file "rights", in one transaction of
# the master user. It only reads catalogs and changes rights: nothing of the content runs in it.
print_rights() {
  echo 'BEGIN;'
  print_wanted_rights
  print_lent_rights
  print_owners
  print_grants
  print_default_privileges
  echo 'COMMIT;'
}

# What a statement calls an object of a type, and each object of the target under its own name.
print_wanted_rights() {
  echo 'CREATE TEMPORARY TABLE present AS'
  print_rights_query
  cat <<'SQL'
;
CREATE TEMPORARY TABLE wanted (LIKE present);
\copy wanted FROM 'rights' (DELIMITER '|')
CREATE FUNCTION pg_temp.word_of(type text) RETURNS text LANGUAGE sql RETURN
  CASE WHEN type IN ('table', 'view', 'materialized view', 'foreign table') THEN 'TABLE'
    WHEN type IN ('function', 'procedure', 'aggregate') THEN 'ROUTINE'
    WHEN type = 'domain' THEN 'TYPE'
    WHEN type = 'statistics object' THEN 'STATISTICS'
    ELSE upper(type) END;
CREATE TEMPORARY TABLE object AS
  WITH found AS MATERIALIZED (
    SELECT type, names, args, present.owner AS owner, wanted.owner AS new_owner
    FROM wanted JOIN present USING (what, type, names, args)
    WHERE what = 'owner'
  )
  SELECT found.*, address.objid AS id, pg_temp.word_of(found.type) AS word, identified.schema,
    identified.identity
  FROM found, pg_get_object_address(found.type, names, args) AS address,
    pg_identify_object(address.classid, address.objid, 0) AS identified;
SQL
}

# The owner of an object needs CREATE on its schema, and so does who grants something on it. The
# grants on the schemas come last, and end this. The owner of a publication needs CREATE on the
# database until it is the owner.
print_lent_rights() {
  cat <<'SQL'
SELECT DISTINCT format('GRANT CREATE, USAGE ON SCHEMA %s TO %I', schema, role)
  FROM object JOIN wanted USING (type, names, args),
    unnest(ARRAY[new_owner, nullif(grantor, ''), current_user]) AS role
  WHERE schema IS NOT NULL AND role IS NOT NULL \gexec
SELECT DISTINCT format('GRANT CREATE ON DATABASE %I TO %I', current_database(), new_owner)
  FROM object WHERE type = 'publication' AND new_owner <> current_user \gexec
SQL
}

# An owned sequence follows its table. A multirange follows its range in some versions only.
print_owners() {
  cat <<'SQL'
SELECT format('ALTER %s %s OWNER TO %I', word, identity, new_owner)
  FROM object
  WHERE owner <> new_owner AND NOT (type = 'sequence' AND EXISTS (
    SELECT FROM pg_depend
    WHERE classid = 'pg_class'::regclass AND objid = id AND refclassid = classid
      AND deptype IN ('a', 'i')))
  ORDER BY type = 'schema' \gexec
SELECT DISTINCT format('REVOKE CREATE ON DATABASE %I FROM %I', current_database(), new_owner)
  FROM object WHERE type = 'publication' AND new_owner <> current_user \gexec
SELECT format('ALTER TYPE %s OWNER TO %I', multirange.oid::regtype, pg_get_userbyid(one.typowner))
  FROM pg_range
  JOIN pg_type AS one ON one.oid = rngtypid
  JOIN pg_type AS multirange ON multirange.oid = rngmultitypid
  WHERE one.typowner <> multirange.typowner \gexec
TRUNCATE present;
INSERT INTO present
SQL
  print_rights_query
  echo ';'
}

# Where grants differ, all are revoked, and given again: those of the owner first, then those that
# others gave who have a grant option. Each statement runs as its grantor: otherwise the server
# would choose one among the roles of the master. Schemas come last, because what is in them must be
# found.
print_grants() {
  cat <<'SQL'
CREATE TEMPORARY TABLE differing AS
  SELECT DISTINCT type, names, args, attribute
  FROM (
    (TABLE wanted EXCEPT TABLE present)
    UNION
    (TABLE present EXCEPT TABLE wanted)
  ) AS one
  WHERE what = 'grant';
CREATE TEMPORARY TABLE changed AS
  SELECT differing.*,
    coalesce(' (' || quote_ident(nullif(attribute, '')) || ')', '') AS columns,
    CASE word WHEN 'SERVER' THEN 'FOREIGN SERVER' ELSE word END || ' ' || identity AS object
  FROM differing JOIN object USING (type, names, args);
CREATE TEMPORARY TABLE statements AS
WITH RECURSIVE given AS (
  SELECT wanted.*, 1 AS level
  FROM wanted JOIN changed USING (type, names, args, attribute)
  WHERE what = 'grant' AND grantor = owner
  UNION
  SELECT wanted.*, level + 1
  FROM given JOIN wanted USING (what, type, names, args, privilege)
  WHERE wanted.grantor = given.grantee AND given.grantable AND wanted.grantor <> wanted.owner
    AND given.attribute IN ('', wanted.attribute) AND level < 20
)
SELECT owner AS grantor,
    format('REVOKE ALL%s ON %s FROM %s CASCADE', columns, object,
      string_agg(DISTINCT coalesce(quote_ident(grantee), 'PUBLIC'), ', ')) AS statement,
    type = 'schema' AS last, 0 AS level
  FROM changed JOIN present USING (type, names, args, attribute)
  WHERE what = 'grant' GROUP BY owner, type, columns, object
UNION ALL
SELECT grantor,
    format('GRANT %s%s ON %s TO %s%s', privilege, columns, object,
      coalesce(quote_ident(grantee), 'PUBLIC'), CASE WHEN grantable THEN ' WITH GRANT OPTION' END),
    type = 'schema', level
  FROM given JOIN changed USING (type, names, args, attribute);
SELECT format('SET LOCAL ROLE %I', grantor), statement, 'RESET ROLE'
  FROM statements ORDER BY last, level \gexec
SQL
}

# A global entry replaces what the system grants by default; one of a schema is added to it.
print_default_privileges() {
  cat <<'SQL'
SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I %s %s ON %s %s %s%s',
    owner,
    CASE WHEN names <> '{""}' THEN format('IN SCHEMA %I', names[1]) END,
    CASE privilege WHEN '' THEN 'REVOKE ALL' ELSE 'GRANT ' || privilege END,
    CASE type WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES'
      WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' END,
    CASE privilege WHEN '' THEN 'FROM PUBLIC,' ELSE 'TO' END,
    CASE privilege WHEN '' THEN quote_ident(owner)
      ELSE coalesce(quote_ident(grantee), 'PUBLIC') END,
    CASE WHEN grantable THEN ' WITH GRANT OPTION' END)
  FROM wanted WHERE what = 'default' ORDER BY privilege <> '' \gexec
SQL
}

# ---- Program: modules of codeocean_cmdgen/programs. Review each once per release.

write_programs() {
  mkdir program
  : >program/__init__.py
  # scram_verifier.py, sha256 e55be6f76f4392fa9cbe3d4052eeea654cdd34d062047b9feafba3d7ce73d226
  cat >program/scram_verifier.py <<'END_OF_PYTHON'
"""Print what a PostgreSQL server keeps instead of a password: its verifier for SCRAM-SHA-256.

The password comes from standard input, without a newline. So it reaches neither the server nor the
server's log. Source: RFC 5803; src/common/scram-common.c of PostgreSQL.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import sys
from base64 import b64encode

ITERATIONS = 4096


def verifier(password: bytes, salt: bytes) -> str:
    """Return the verifier of a password in ASCII."""
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    salt_text, stored, server = (
        b64encode(part).decode("ascii") for part in (salt, stored_key, server_key)
    )
    return "$".join(["SCRAM-SHA-256", f"{ITERATIONS}:{salt_text}", f"{stored}:{server}"])


def main() -> None:
    """Print the verifier, with a salt of its own."""
    sys.stdout.write(verifier(sys.stdin.buffer.read(), os.urandom(16)) + "\n")


if __name__ == "__main__":
    main()
END_OF_PYTHON
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
