<#
# Values: CA_BUNDLE, DATABASE, RUN, TO_HOST
# Calls: check_database_exists, find_replacement, query_server
# Reads: completed, in_place, replacement, server_error, target
# Sets: old, sessions, size
#>
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
