<#
# Values: DATABASE, RUN, TO_HOST
# Calls: find_replacement, query_server
# Reads: completed, mark, server_error, target, token
# Sets: server_options
#>
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
