<#
# Only the shared part.
#>
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
