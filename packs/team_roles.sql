-- Pack team_roles: whoever created a team has its roles, in MongoDB and in the
-- PostgreSQL table that mirrors it.
--
-- Two invariants are repaired, others are for a person to judge.  The first
-- derives the required role documents from the teams.  The second derives the
-- mirror's rows from the documents that are there, so that a row missing only
-- in PostgreSQL is repaired too, and a run that died between the two stores is
-- healed by the next one.
--
-- Here is what it knows and what it asks; team_roles_install.sql makes it work
-- on the tables of a database, team_roles_report.sql is fix_team_roles().

INSERT INTO reconcile.pack (name, description, options) VALUES (
	'team_roles',
	'the creator of a team has its roles, in MongoDB and in the PostgreSQL mirror',
	'{"server": null, "database": "", "teams": "teams", "user_roles": "user_roles",
	  "memberships": "", "roles": ["owner", "admin", "member"], "created_by": "pg_reconcile", "guards": "none"}');

-- ------------------------------------------------------------------ its columns

-- The fields of the documents that the pack reads, and the types it reads them as.
CREATE FUNCTION reconcile.team_roles_fields() RETURNS TABLE (collection text, name text, type text, "position" integer)
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		VALUES ('teams', '_id', 'jsonb', 1), ('teams', 'name', 'jsonb', 2),
		       ('teams', 'created_by', 'jsonb', 3), ('teams', 'is_deleted', 'jsonb', 4),
		       ('user_roles', '_id', 'text', 1), ('user_roles', 'user_id', 'text', 2),
		       ('user_roles', 'team_id', 'text', 3), ('user_roles', 'role_name', 'text', 4),
		       ('user_roles', 'scope', 'text', 5), ('user_roles', 'is_active', 'boolean', 6),
		       ('user_roles', 'created_at', 'timestamptz', 7), ('user_roles', 'created_by', 'text', 8),
		       ('memberships', 'user_id', 'text', 1), ('memberships', 'team_id', 'text', 2),
		       ('memberships', 'is_active', 'boolean', 3);
	END;
COMMENT ON FUNCTION reconcile.team_roles_fields() IS
	'used by pack team_roles: the fields it reads of MongoDB''s documents';

-- The mirror's columns by their usual names: what they are called here (quoted).
CREATE FUNCTION reconcile.team_roles_mirror_columns(options jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT jsonb_object_agg(name, reconcile.pack_column(options, 'postgres_user_roles', name))
		FROM unnest('{mongo_id,user_id,role_name,scope,team_id,is_active,created_at,created_by,last_sync_at,sync_status}'::text[]) AS name;
	END;
COMMENT ON FUNCTION reconcile.team_roles_mirror_columns(jsonb) IS
	'used by pack team_roles: names of the mirror''s columns';

-- ---------------------------------------------------------- what the tables say

-- How many characters the narrowest of these columns of the mirror holds, NULL
-- if each holds any number.
CREATE FUNCTION reconcile.team_roles_longest(options jsonb, VARIADIC columns text[]) RETURNS integer
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT min(a.atttypmod - 4) FROM pg_attribute a, unnest(columns) AS name
		WHERE a.attrelid = to_regclass(reconcile.pack_table(options, 'postgres_user_roles'))
		  AND a.attnum > 0 AND a.atttypmod > 4
		  AND quote_ident(a.attname) = reconcile.pack_column(options, 'postgres_user_roles', name);
	END;
COMMENT ON FUNCTION reconcile.team_roles_longest(jsonb, text[]) IS
	'used by pack team_roles: how many characters fit the mirror''s columns';

CREATE FUNCTION reconcile.team_roles_object_ids(options jsonb, field text) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT EXISTS (SELECT FROM pg_attribute a
		               WHERE a.attrelid = to_regclass(reconcile.pack_table(options, 'mongo_user_roles'))
		                 AND a.attname = field AND 'write_as=objectId' = ANY (a.attfdwoptions));
	END;
COMMENT ON FUNCTION reconcile.team_roles_object_ids(jsonb, text) IS
	'used by pack team_roles: whether new documents hold a field as ObjectId';

-- What depends on the tables: how long values may be, whether documents hold
-- ObjectIds or text, and whether an inactive row of the mirror keeps an active
-- one out.  Added to the options, which every function here takes.
CREATE FUNCTION reconcile.team_roles_facts(options jsonb) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT options || jsonb_build_object(
			'longest_id', coalesce(reconcile.team_roles_longest(options, 'user_id', 'team_id'), 24),
			'longest_created_by', coalesce(reconcile.team_roles_longest(options, 'created_by'), 10485760),
			'user_object_ids', reconcile.team_roles_object_ids(options, 'user_id'),
			'team_object_ids', reconcile.team_roles_object_ids(options, 'team_id'),
			'inactive_blocks', EXISTS (SELECT FROM pg_index i
			               WHERE i.indrelid = to_regclass(reconcile.pack_table(options, 'postgres_user_roles'))
			                 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
			                 AND (SELECT array_agg(quote_ident(a.attname) ORDER BY quote_ident(a.attname))
			                      FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey))
			                   = (SELECT array_agg(n.value ORDER BY n.value)
			                      FROM jsonb_each_text(reconcile.team_roles_mirror_columns(options)) AS n
			                      WHERE n.key IN ('user_id', 'team_id', 'role_name', 'scope'))));
	END;
COMMENT ON FUNCTION reconcile.team_roles_facts(jsonb) IS
	'used by pack team_roles: the options with what its tables say added';

-- ------------------------------------------------------------------- the queries

-- Not STRICT, though NULL yields NULL: PostgreSQL would not inline it, and a call costs more than the rest of the query.
CREATE FUNCTION reconcile.id_of(document_value jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN CASE pg_catalog.jsonb_typeof(document_value)
		WHEN 'string' THEN document_value #>> '{}'::text[]
		WHEN 'object' THEN document_value ->> '$oid' END;
COMMENT ON FUNCTION reconcile.id_of(jsonb) IS
	'an id as text: the string itself or the hexadecimal digits of an ObjectId; NULL for anything else';

-- The teams, each with its creator, or with the reason why its creator cannot
-- have roles.
CREATE FUNCTION reconcile.team_roles_teams(facts jsonb) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT format($query$
			SELECT reconcile.id_of(t._id) AS team_id, t.name #>> '{}'::text[] AS team_name,
			       coalesce(reconcile.id_of(t.created_by), t.created_by #>> '{}'::text[]) AS user_id,
			       CASE WHEN reconcile.id_of(t._id) IS NULL THEN 'the team''s _id is not an id'
			            WHEN length(reconcile.id_of(t._id)) > %2$s
			            THEN 'the team''s _id is longer than %2$s characters'
			            WHEN %4$L AND reconcile.id_of(t._id) !~ '^[0-9a-fA-F]{24}$'
			            THEN 'the team''s _id is not an ObjectId'
			            WHEN t.created_by IS NULL THEN 'created_by is missing or null'
			            WHEN t.created_by = '""' THEN 'created_by is empty'
			            WHEN reconcile.id_of(t.created_by) IS NULL
			            THEN 'created_by is of type ' || jsonb_typeof(t.created_by) || ', not an id'
			            WHEN length(reconcile.id_of(t.created_by)) > %2$s
			            THEN 'created_by is longer than %2$s characters'
			            WHEN %3$L AND reconcile.id_of(t.created_by) !~ '^[0-9a-fA-F]{24}$'
			            THEN 'created_by is not an ObjectId'
			       END AS skipped_because
			FROM %1$s t
			WHERE t.is_deleted IS NULL OR t.is_deleted IN ('null', 'false', '0')
			   OR current_setting('pg_reconcile.include_deleted_teams', true) = 'on'$query$,
			reconcile.pack_table(facts, 'mongo_teams'), facts ->> 'longest_id',
			(facts ->> 'user_object_ids')::boolean, (facts ->> 'team_object_ids')::boolean);
	END;
COMMENT ON FUNCTION reconcile.team_roles_teams(jsonb) IS
	'used by pack team_roles: the query for teams and their creators';

CREATE FUNCTION reconcile.team_roles_required(facts jsonb) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT format($query$
			SELECT t.team_id, t.team_name, t.user_id, r.role_name, r.position
			FROM (%s) t CROSS JOIN unnest(%L::text[]) WITH ORDINALITY AS r(role_name, position)
			WHERE t.skipped_because IS NULL$query$,
			reconcile.team_roles_teams(facts),
			ARRAY(SELECT jsonb_array_elements_text(facts -> 'roles')));
	END;
COMMENT ON FUNCTION reconcile.team_roles_required(jsonb) IS
	'used by pack team_roles: the query for the roles that must exist';

CREATE FUNCTION reconcile.team_roles_documents(facts jsonb) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT format($query$
			SELECT q.user_id, q.team_id, q.role_name, 'TEAM' AS scope, true AS is_active,
			       now() AS created_at, %L AS created_by
			FROM (%s) q$query$,
			facts ->> 'created_by', reconcile.team_roles_required(facts));
	END;
COMMENT ON FUNCTION reconcile.team_roles_documents(jsonb) IS
	'used by pack team_roles: the query of invariant team_roles_mongodb';

-- Of several documents for one role the one with the lowest _id is mirrored.
-- Of a created_by that is too long for the mirror the beginning must do.
CREATE FUNCTION reconcile.team_roles_mirrored(facts jsonb) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT format($query$
			SELECT DISTINCT ON (d.user_id, d.team_id, d.role_name)
			       d._id AS %3$s, d.user_id AS %4$s, d.role_name AS %5$s, 'TEAM' AS %6$s, d.team_id AS %7$s,
			       true AS %8$s, coalesce(d.created_at, now()) AS %9$s, left(coalesce(d.created_by, %10$L), %14$s) AS %11$s,
			       now() AS %12$s, 'SYNCED' AS %13$s
			FROM (%2$s) q JOIN %1$s d
			  ON d.user_id = q.user_id AND d.team_id = q.team_id AND d.role_name = q.role_name
			WHERE d.scope = 'TEAM' AND d.is_active IS NOT FALSE
			ORDER BY d.user_id, d.team_id, d.role_name, d._id$query$,
			reconcile.pack_table(facts, 'mongo_user_roles'), reconcile.team_roles_required(facts),
			c ->> 'mongo_id', c ->> 'user_id', c ->> 'role_name', c ->> 'scope', c ->> 'team_id',
			c ->> 'is_active', c ->> 'created_at', facts ->> 'created_by', c ->> 'created_by',
			c ->> 'last_sync_at', c ->> 'sync_status', facts ->> 'longest_created_by')
		FROM reconcile.team_roles_mirror_columns(facts) AS c;
	END;
COMMENT ON FUNCTION reconcile.team_roles_mirrored(jsonb) IS
	'used by pack team_roles: the query of invariant team_roles_postgresql';

-- Who is a member of which team, or NULL where nothing says so.
CREATE FUNCTION reconcile.team_roles_memberships(facts jsonb) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT CASE WHEN facts ->> 'memberships' <> ''
			THEN format('SELECT m.user_id, m.team_id FROM %s m WHERE m.is_active IS NOT FALSE', reconcile.pack_table(facts, 'mongo_memberships'))
			WHEN to_regclass(reconcile.pack_table(facts, 'postgres_user_team_details')) IS NOT NULL
			THEN format('SELECT m.%s AS user_id, m.%s AS team_id FROM %s m WHERE m.%s',
			            reconcile.pack_column(facts, 'postgres_user_team_details', 'user_id'),
			            reconcile.pack_column(facts, 'postgres_user_team_details', 'team_id'),
			            reconcile.pack_table(facts, 'postgres_user_team_details'),
			            reconcile.pack_column(facts, 'postgres_user_team_details', 'is_active')) END;
	END;
COMMENT ON FUNCTION reconcile.team_roles_memberships(jsonb) IS
	'used by pack team_roles: the query for active memberships';

-- Teams that are written in PostgreSQL.  Their roles wait to be synchronized.
CREATE FUNCTION reconcile.team_roles_written_here(facts jsonb) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT format($query$
			SELECT t.%2$s AS %6$s, coalesce(t.%3$s, t.%4$s::text) AS %7$s, r.role_name AS %8$s, 'TEAM' AS %9$s, true AS %10$s,
			       now() AS %11$s, %12$L AS %13$s, now() AS %14$s, 'PENDING' AS %15$s
			FROM %1$s t CROSS JOIN unnest(%16$L::text[]) AS r(role_name)
			WHERE t.%5$s IS NOT TRUE AND t.%2$s <> ''$query$,
			reconcile.pack_table(facts, 'postgres_teams'), reconcile.pack_column(facts, 'postgres_teams', 'created_by'),
			reconcile.pack_column(facts, 'postgres_teams', 'mongo_id'), reconcile.pack_column(facts, 'postgres_teams', 'id'),
			reconcile.pack_column(facts, 'postgres_teams', 'is_deleted'),
			c ->> 'user_id', c ->> 'team_id', c ->> 'role_name', c ->> 'scope', c ->> 'is_active', c ->> 'created_at',
			facts ->> 'created_by', c ->> 'created_by', c ->> 'last_sync_at', c ->> 'sync_status',
			ARRAY(SELECT jsonb_array_elements_text(facts -> 'roles')))
		FROM reconcile.team_roles_mirror_columns(facts) AS c;
	END;
COMMENT ON FUNCTION reconcile.team_roles_written_here(jsonb) IS
	'used by pack team_roles: the query of invariant team_roles_postgres_teams';

-- What only a person can mend: roles are never taken away here.
CREATE FUNCTION reconcile.team_roles_checks(facts jsonb)
	RETURNS TABLE (name text, key text[], expects text, severity text, description text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT 'team_roles_one_owner', '{team_id}'::text[], format($query$
			SELECT t.team_id, t.team_name, count(DISTINCT d.user_id) AS owners, array_agg(DISTINCT d.user_id) AS users
			FROM (%s) t LEFT JOIN %s d ON d.team_id = t.team_id AND d.role_name = %L AND d.scope = 'TEAM' AND d.is_active IS NOT FALSE
			GROUP BY t.team_id, t.team_name HAVING count(DISTINCT d.user_id) <> 1$query$,
			reconcile.team_roles_teams(facts), reconcile.pack_table(facts, 'mongo_user_roles'), facts -> 'roles' ->> 0),
			'error', 'a team has no owner, or several'
		UNION ALL
		SELECT 'team_roles_deleted_team', '{team_id,user_id,role_name}', format($query$
			SELECT d.team_id, d.user_id, d.role_name
			FROM %s t JOIN %s d ON d.team_id = reconcile.id_of(t._id)
			WHERE NOT (t.is_deleted IS NULL OR t.is_deleted IN ('null', 'false', '0')) AND d.scope = 'TEAM' AND d.is_active IS NOT FALSE$query$,
			reconcile.pack_table(facts, 'mongo_teams'), reconcile.pack_table(facts, 'mongo_user_roles')),
			'warning', 'somebody has an active role on a deleted team'
		UNION ALL
		SELECT 'team_roles_mirror', '{user_id,team_id,role_name}', format($query$
			SELECT coalesce(d.user_id, p.user_id) AS user_id, coalesce(d.team_id, p.team_id) AS team_id, coalesce(d.role_name, p.role_name) AS role_name,
			       CASE WHEN d.active THEN 'active' WHEN d.user_id IS NOT NULL THEN 'inactive' ELSE 'missing' END AS mongodb,
			       CASE WHEN p.active THEN 'active' WHEN p.user_id IS NOT NULL THEN 'inactive' ELSE 'missing' END AS postgresql
			FROM (SELECT r.user_id, r.team_id, r.role_name, bool_or(r.is_active IS NOT FALSE) AS active
			      FROM %1$s r WHERE r.scope = 'TEAM' GROUP BY 1, 2, 3) d
			FULL JOIN (SELECT r.%3$s AS user_id, r.%4$s AS team_id, r.%5$s AS role_name, bool_or(r.%6$s) AS active
			           FROM %2$s r WHERE r.%7$s = 'TEAM' GROUP BY 1, 2, 3) p
			  ON p.user_id = d.user_id AND p.team_id = d.team_id AND p.role_name = d.role_name
			WHERE d.active IS DISTINCT FROM p.active$query$,
			reconcile.pack_table(facts, 'mongo_user_roles'), reconcile.pack_table(facts, 'postgres_user_roles'),
			c ->> 'user_id', c ->> 'team_id', c ->> 'role_name', c ->> 'is_active', c ->> 'scope'),
			'error', 'MongoDB and the mirror do not say the same about a role'
		FROM reconcile.team_roles_mirror_columns(facts) AS c
		UNION ALL
		SELECT 'team_roles_twice', '{user_id,role_name,scope,team_id}', format($query$
			SELECT r.%2$s AS user_id, r.%3$s AS role_name, r.%4$s AS scope, r.%5$s AS team_id, count(*) AS rows
			FROM %1$s r WHERE r.%6$s GROUP BY 1, 2, 3, 4 HAVING count(*) > 1$query$,
			reconcile.pack_table(facts, 'postgres_user_roles'), c ->> 'user_id', c ->> 'role_name', c ->> 'scope', c ->> 'team_id', c ->> 'is_active'),
			'error', 'the mirror has a role more than once: its unique index lets rows without team pass'
		FROM reconcile.team_roles_mirror_columns(facts) AS c
		UNION ALL
		SELECT 'team_roles_no_membership', '{user_id,team_id,role_name}', format($query$
			SELECT d.user_id, d.team_id, d.role_name
			FROM %s d LEFT JOIN (%s) m ON m.user_id = d.user_id AND m.team_id = d.team_id
			WHERE d.scope = 'TEAM' AND d.is_active IS NOT FALSE AND m.user_id IS NULL$query$,
			reconcile.pack_table(facts, 'mongo_user_roles'), reconcile.team_roles_memberships(facts)),
			'error', 'somebody has an active role in a team and is no active member of it'
		WHERE reconcile.team_roles_memberships(facts) IS NOT NULL
		UNION ALL
		SELECT 'team_roles_creator_no_member', '{team_id}', format($query$
			SELECT t.team_id, t.team_name, t.user_id
			FROM (%s) t LEFT JOIN (%s) m ON m.user_id = t.user_id AND m.team_id = t.team_id
			WHERE t.skipped_because IS NULL AND m.user_id IS NULL$query$,
			reconcile.team_roles_teams(facts), reconcile.team_roles_memberships(facts)),
			'error', 'the creator of a team is no active member of it'
		WHERE reconcile.team_roles_memberships(facts) IS NOT NULL;
	END;
COMMENT ON FUNCTION reconcile.team_roles_checks(jsonb) IS
	'used by pack team_roles: its invariants of kind check';
