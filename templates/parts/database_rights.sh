<#
# Only the shared part.
#>
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
