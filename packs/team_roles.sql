-- Pack team_roles: whoever created a team has its roles, in MongoDB and in the
-- PostgreSQL table that mirrors it.
--
-- Two invariants are repaired, others are for a person to judge.  The first derives the required role documents from the
-- teams.  The second derives the mirror's rows from the documents that are
-- there, so that a row missing only in PostgreSQL is repaired too, and a run
-- that died between the two stores is healed by the next one.

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

-- ----------------------------------------------------------------------- install

CREATE FUNCTION reconcile.team_roles_check_names(options jsonb) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM reconcile.pack_check_names('team_roles', 'tables', options -> 'tables',
		'{mongo_teams,mongo_user_roles,mongo_memberships,postgres_user_roles,postgres_teams,postgres_user_team_details}');
	PERFORM reconcile.pack_check_names('team_roles', 'columns', options -> 'columns',
		'{teams,user_roles,memberships,postgres_user_roles,postgres_teams,postgres_user_team_details}', 'object');
	PERFORM reconcile.pack_check_names('team_roles', 'columns', options -> 'columns' -> 'postgres_teams',
		'{id,mongo_id,created_by,is_deleted}');
	PERFORM reconcile.pack_check_names('team_roles', 'columns', options -> 'columns' -> 'postgres_user_team_details',
		'{user_id,team_id,is_active}');
	PERFORM reconcile.pack_check_names('team_roles', 'columns', options -> 'columns' -> collection, array_agg(name))
	FROM reconcile.team_roles_fields() GROUP BY collection;
	PERFORM reconcile.pack_check_names('team_roles', 'columns', options -> 'columns' -> 'postgres_user_roles',
		ARRAY(SELECT jsonb_object_keys(reconcile.team_roles_mirror_columns(options))));
END $$;
COMMENT ON FUNCTION reconcile.team_roles_check_names(jsonb) IS
	'used by pack team_roles: refuses names in the options tables and columns that it does not have';

CREATE FUNCTION reconcile.team_roles_check(options jsonb) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	servers text[] := ARRAY(SELECT s.srvname FROM pg_foreign_server s
		JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw AND w.fdwname = 'reconcile_mongo' ORDER BY 1);
	twice text;
BEGIN
	IF options ->> 'server' <> ALL (servers) THEN
		RAISE undefined_object USING
			MESSAGE = format('server "%s" of foreign data wrapper reconcile_mongo does not exist', options ->> 'server'),
			HINT = CASE WHEN cardinality(servers) = 0
				THEN 'CREATE SERVER ... FOREIGN DATA WRAPPER reconcile_mongo OPTIONS (hosts ''...'', database ''...'');'
				ELSE reconcile.did_you_mean(options ->> 'server', servers) END;
	END IF;
	IF options ->> 'guards' <> 'none' AND to_regclass(reconcile.pack_table(options, 'postgres_teams')) IS NULL THEN
		RAISE undefined_table USING
			MESSAGE = format('pack "team_roles" cannot guard table %s, which does not exist', reconcile.pack_table(options, 'postgres_teams')),
			DETAIL = 'Teams that are written in MongoDB cannot be guarded: no trigger of PostgreSQL fires there.',
			HINT = 'Use "guards": "none" and repair on a schedule, or name the table of teams in the option "tables".';
	END IF;
	IF jsonb_array_length(options -> 'roles') = 0
	   OR EXISTS (SELECT FROM jsonb_array_elements(options -> 'roles') AS role
	              WHERE jsonb_typeof(role) <> 'string' OR role = '""') THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'option "roles" of pack "team_roles" must be a list of role names';
	END IF;
	SELECT role INTO twice FROM jsonb_array_elements_text(options -> 'roles') AS role GROUP BY role HAVING count(*) > 1;
	IF FOUND THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('option "roles" of pack "team_roles" names "%s" more than once', twice);
	END IF;
	PERFORM reconcile.team_roles_check_names(options);
END $$;
COMMENT ON FUNCTION reconcile.team_roles_check(jsonb) IS
	'used by pack team_roles: refuses options that cannot work';


-- The statements that make the pack's three tables, each with the name it has here.
CREATE FUNCTION reconcile.team_roles_tables(options jsonb) RETURNS TABLE (name text, kind text, statement text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		WITH fields (collection, list) AS (
			SELECT f.collection, string_agg(format('%I %s OPTIONS (path %L)', f.name, f.type,
				coalesce(options -> 'columns' -> f.collection ->> f.name, f.name)), ', ' ORDER BY f.position)
			FROM reconcile.team_roles_fields() AS f GROUP BY f.collection),
		collection (name, extra) AS (
			VALUES ('teams', ''),
			       ('user_roles', ', key ''user_id,team_id,role_name,scope,is_active'''),
			       ('memberships', ''))
		SELECT 'mongo_' || c.name, 'foreign table',
		       format('CREATE FOREIGN TABLE %s (%s, document jsonb OPTIONS (path '''')) SERVER %I OPTIONS (collection %L, on_mismatch ''null''%s%s)',
		              reconcile.pack_table(options, 'mongo_' || c.name), f.list, options ->> 'server',
		              options ->> c.name,
		              CASE WHEN options ->> 'database' <> '' THEN format(', database %L', options ->> 'database') ELSE '' END,
		              c.extra)
		FROM collection c JOIN fields f ON f.collection = c.name WHERE c.name <> 'memberships' OR options ->> c.name <> ''
		UNION ALL
		SELECT 'postgres_user_roles', 'table',
		       format('CREATE TABLE %s (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,'
		              ' %s varchar(24) UNIQUE, %s varchar(24) NOT NULL, %s varchar(50) NOT NULL,'
		              ' %s varchar(20) NOT NULL, %s varchar(24), %s boolean NOT NULL DEFAULT true,'
		              ' %s timestamptz NOT NULL DEFAULT now(), %s varchar(24) NOT NULL,'
		              ' %s timestamptz NOT NULL DEFAULT now(), %s varchar(20) NOT NULL DEFAULT ''SYNCED'')',
		              reconcile.pack_table(options, 'postgres_user_roles'), n ->> 'mongo_id', n ->> 'user_id',
		              n ->> 'role_name', n ->> 'scope', n ->> 'team_id', n ->> 'is_active', n ->> 'created_at',
		              n ->> 'created_by', n ->> 'last_sync_at', n ->> 'sync_status')
		       || format('; CREATE UNIQUE INDEX ON %s (%s, %s, %s, %s) WHERE %s',
		              reconcile.pack_table(options, 'postgres_user_roles'), n ->> 'user_id', n ->> 'role_name',
		              n ->> 'scope', n ->> 'team_id', n ->> 'is_active')
		FROM reconcile.team_roles_mirror_columns(options) AS n;
	END;
COMMENT ON FUNCTION reconcile.team_roles_tables(jsonb) IS
	'used by pack team_roles: the statements that make its tables';

-- The columns that an existing mirror must have, by the names they have here.
CREATE FUNCTION reconcile.team_roles_mirror_types(options jsonb) RETURNS text[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	BEGIN ATOMIC
		SELECT array_agg(ARRAY[coalesce(options -> 'columns' -> 'postgres_user_roles' ->> c.name, c.name), c.type, NULL])
		FROM unnest('{mongo_id,user_id,role_name,scope,team_id,is_active,created_at,created_by,last_sync_at,sync_status}'::text[],
		            ARRAY['character varying(24)', 'character varying(24)', 'character varying(50)',
		                  'character varying(20)', 'character varying(24)', 'boolean',
		                  'timestamp with time zone', 'character varying(24)',
		                  'timestamp with time zone', 'character varying(20)']) AS c(name, type);
	END;
COMMENT ON FUNCTION reconcile.team_roles_mirror_types(jsonb) IS
	'used by pack team_roles: names and types of the mirror''s columns';

-- New documents hold ids as the collection's other documents do; where there
-- are none yet, as the teams do.
CREATE FUNCTION reconcile.team_roles_fit_types(options jsonb)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	roles    constant regclass := reconcile.pack_table(options, 'mongo_user_roles');
	teams    constant regclass := reconcile.pack_table(options, 'mongo_teams');
	field    record;
	as_ids   bigint;
	as_text  bigint;
	type     text;
BEGIN
	IF NOT EXISTS (SELECT FROM pg_foreign_table f JOIN pg_attribute a ON a.attrelid = f.ftrelid
	               WHERE f.ftrelid = roles AND a.attname = 'document' AND NOT a.attisdropped) THEN
		RETURN;  -- a table of the user's own, left as it is
	END IF;
	FOR field IN SELECT * FROM (VALUES ('user_id', 'created_by'), ('team_id', '_id')) AS f(name, of_team) LOOP
		EXECUTE format('SELECT count(*) FILTER (WHERE v ? ''$oid''), count(*) FILTER (WHERE jsonb_typeof(v) = ''string'')'
			' FROM (SELECT r.document #> string_to_array(%L, ''.'') AS v FROM %s r WHERE r.scope = ''TEAM'') x',
			coalesce(options -> 'columns' -> 'user_roles' ->> field.name, field.name), roles) INTO as_ids, as_text;
		IF as_ids + as_text = 0 THEN
			EXECUTE format('SELECT count(*) FILTER (WHERE t.%1$I ? ''$oid''), count(*) FILTER (WHERE jsonb_typeof(t.%1$I) = ''string'')'
				' FROM %2$s t', field.of_team, teams) INTO as_ids, as_text;
		END IF;
		type := CASE WHEN as_ids > as_text THEN 'objectId' ELSE 'string' END;
		EXECUTE format('ALTER FOREIGN TABLE %s ALTER COLUMN %I OPTIONS (%s write_as %L)', roles, field.name,
			CASE WHEN EXISTS (SELECT FROM pg_attribute a, unnest(a.attfdwoptions) AS o
			                  WHERE a.attrelid = roles AND a.attname = field.name AND o LIKE 'write_as=%')
			     THEN 'SET' ELSE 'ADD' END, type);
		action := 'document type';
		object := format('%s.%s', roles, field.name);
		detail := format('%s (%s ObjectIds, %s strings are there)', type, as_ids, as_text);
		RETURN NEXT;
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION reconcile.team_roles_fit_types(jsonb) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.team_roles_fit_types(jsonb) IS
	'used by pack team_roles: chooses the BSON types of new documents; changes options of a foreign table';

-- What a foreign table reads, and what the options say it should: a table that
-- is kept goes on reading what it was made for.
CREATE FUNCTION reconcile.team_roles_difference(options jsonb, foreign_table regclass, collection text) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT format('reads collection %s of server %s%s, the options say %s of %s%s; drop it to have it made anew',
			is_now.collection, s.srvname, ', database ' || nullif(is_now.database, ''),
			options ->> collection, options ->> 'server', ', database ' || nullif(options ->> 'database', ''))
		FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver
		CROSS JOIN LATERAL (
			SELECT max(o.option_value) FILTER (WHERE o.option_name = 'collection') AS collection,
			       coalesce(max(o.option_value) FILTER (WHERE o.option_name = 'database'), '') AS database
			FROM pg_options_to_table(f.ftoptions) AS o) AS is_now
		WHERE f.ftrelid = foreign_table
		  AND (is_now.collection, s.srvname::text, is_now.database)
		      IS DISTINCT FROM (options ->> collection, options ->> 'server', options ->> 'database');
	END;
COMMENT ON FUNCTION reconcile.team_roles_difference(jsonb, regclass, text) IS
	'used by pack team_roles: how an existing foreign table differs from the options, NULL when it does not';

CREATE FUNCTION reconcile.team_roles_ensure_tables(options jsonb, dry_run boolean)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted record;
BEGIN
	FOR wanted IN SELECT * FROM reconcile.team_roles_tables(options) LOOP
		object := reconcile.pack_table(options, wanted.name);
		detail := NULL;
		IF to_regclass(object) IS NOT NULL THEN
			detail := reconcile.team_roles_difference(options, to_regclass(object), replace(wanted.name, 'mongo_', ''));
			action := CASE WHEN detail IS NULL THEN 'keep' ELSE 'differs' END;
			RETURN NEXT;
			IF wanted.kind = 'table' THEN
				RETURN QUERY SELECT * FROM reconcile.pack_ensure_columns(
					to_regclass(object), reconcile.team_roles_mirror_types(options), dry_run);
			END IF;
		ELSE
			action := 'create ' || wanted.kind;
			IF NOT dry_run THEN
				EXECUTE wanted.statement;
			END IF;
			RETURN NEXT;
		END IF;
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION reconcile.team_roles_ensure_tables(jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.team_roles_ensure_tables(jsonb, boolean) IS
	'used by pack team_roles: makes the tables that are missing; changes the schema unless dry_run';

CREATE FUNCTION reconcile.team_roles_check_lengths(options jsonb) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	longest      constant integer := coalesce(reconcile.team_roles_longest(options, 'created_by'), 24);
	longest_role constant integer := coalesce(reconcile.team_roles_longest(options, 'role_name'), 50);
	role         text;
BEGIN
	IF length(options ->> 'created_by') > longest THEN
		RAISE string_data_right_truncation USING
			MESSAGE = format('option "created_by" of pack "team_roles" is too long: "%s"', options ->> 'created_by'),
			DETAIL = format('Column created_by of the mirror holds %s characters.', longest);
	END IF;
	SELECT r INTO role FROM jsonb_array_elements_text(options -> 'roles') AS r WHERE length(r) > longest_role LIMIT 1;
	IF FOUND THEN
		RAISE string_data_right_truncation USING
			MESSAGE = format('role "%s" of option "roles" of pack "team_roles" is too long', role),
			DETAIL = format('Column role_name of the mirror holds %s characters.', longest_role);
	END IF;
END $$;
COMMENT ON FUNCTION reconcile.team_roles_check_lengths(jsonb) IS
	'used by pack team_roles: refuses a created_by and roles that do not fit their columns';

CREATE FUNCTION reconcile.install_team_roles(options jsonb, dry_run boolean)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key constant text[] := ARRAY(SELECT coalesce(options -> 'columns' -> 'postgres_user_roles' ->> k, k)
	                             FROM unnest('{user_id,role_name,scope,team_id}'::text[]) AS k);
	facts        jsonb;
	where_absent text;
BEGIN
	PERFORM reconcile.team_roles_check(options);
	RETURN QUERY SELECT * FROM reconcile.team_roles_ensure_tables(options, dry_run);
	PERFORM reconcile.team_roles_check_lengths(options);
	IF NOT dry_run THEN
		BEGIN
			RETURN QUERY SELECT * FROM reconcile.team_roles_fit_types(options);
		EXCEPTION WHEN fdw_table_not_found THEN
			RAISE fdw_table_not_found USING MESSAGE = SQLERRM,
				HINT = 'Create the collection first, or check the options "database", "teams" and "user_roles".';
		END;
	END IF;
	facts := reconcile.team_roles_facts(options);
	IF NOT (facts ->> 'inactive_blocks')::boolean THEN
		where_absent := format('%s IS NOT TRUE', reconcile.pack_column(facts, 'postgres_user_roles', 'is_active'));
	END IF;
	RETURN QUERY SELECT * FROM reconcile.pack_declare('team_roles', facts, 'team_roles_mongodb',
		reconcile.pack_table(facts, 'mongo_user_roles'), '{user_id,team_id,role_name,scope}',
		reconcile.team_roles_documents(facts), 'is_active IS FALSE',
		'Whoever created a team has its roles in MongoDB.', dry_run => dry_run);
	RETURN QUERY SELECT * FROM reconcile.pack_declare('team_roles', facts, 'team_roles_postgresql',
		reconcile.pack_table(facts, 'postgres_user_roles'),
		key, reconcile.team_roles_mirrored(facts), where_absent,
		'Every role document of a team''s creator has its row in PostgreSQL.', dry_run => dry_run);
	IF options ->> 'guards' <> 'none' THEN
		RETURN QUERY SELECT * FROM reconcile.pack_declare('team_roles', facts, 'team_roles_postgres_teams',
			reconcile.pack_table(facts, 'postgres_user_roles'), key, reconcile.team_roles_written_here(facts), where_absent,
			'Whoever created a team in PostgreSQL has its roles there.', dry_run => dry_run);
	END IF;
	RETURN QUERY SELECT d.* FROM reconcile.team_roles_checks(facts) c
		CROSS JOIN LATERAL reconcile.pack_declare('team_roles', facts, c.name, NULL, c.key, c.expects, NULL, c.description, 'check', '{}',
			c.severity, dry_run) AS d;
	IF reconcile.team_roles_memberships(facts) IS NULL THEN
		RETURN QUERY VALUES ('skip', 'team_roles_no_membership', 'nothing says who is a member; see the option "memberships"');
	END IF;
	IF options ->> 'guards' <> 'none' THEN
		RETURN QUERY SELECT * FROM reconcile.pack_ensure_guard('team_roles_postgres_teams', options ->> 'guards', 'statement', dry_run);
	END IF;
END $$;
REVOKE ALL ON FUNCTION reconcile.install_team_roles(jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.install_team_roles(jsonb, boolean) IS
	'used by install_pack(): installs pack team_roles; changes the schema unless dry_run';

-- ------------------------------------------------------------------------ report

-- One row per required role, and one per team whose creator cannot have roles.
-- $1 and $2 are the runs that just repaired MongoDB and PostgreSQL, NULL in a
-- dry run.  A store's rows are counted by key first, so that duplicates there
-- do not multiply the rows here.
CREATE FUNCTION reconcile.team_roles_report(facts jsonb) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT format($query$
			WITH document AS (
				SELECT d.user_id, d.team_id, d.role_name,
				       count(*) FILTER (WHERE d.is_active IS NOT FALSE) AS active,
				       count(*) FILTER (WHERE d.is_active IS FALSE) AS inactive
				FROM %1$s d WHERE d.scope = 'TEAM' GROUP BY 1, 2, 3),
			mirrored AS (
				SELECT p.%5$s AS user_id, p.%6$s AS team_id, p.%7$s AS role_name,
				       count(*) FILTER (WHERE p.%8$s) AS active,
				       count(*) FILTER (WHERE p.%8$s IS NOT TRUE) AS inactive,
				       bool_or(p.xmin IN (SELECT x.xid::xid FROM reconcile.run_xids($2) x)
				               OR (p.%5$s, p.%6$s, p.%7$s) IN (
				                   SELECT i.row ->> %10$L, i.row ->> %11$L, i.row ->> %12$L
				                   FROM reconcile.run_rows($2) i)) AS inserted
				FROM %2$s p WHERE p.%9$s = 'TEAM' GROUP BY 1, 2, 3),
			inserted AS (
				SELECT DISTINCT i.row ->> 'user_id' AS user_id, i.row ->> 'team_id' AS team_id,
				       i.row ->> 'role_name' AS role_name
				FROM reconcile.run_rows($1) i),
			failed_document AS (
				SELECT f.key ->> 'user_id' AS user_id, f.key ->> 'team_id' AS team_id,
				       f.key ->> 'role_name' AS role_name, f.message
				FROM reconcile.run_failures($1) f),
			failed_row AS (
				SELECT f.key ->> %10$L AS user_id, f.key ->> %11$L AS team_id,
				       f.key ->> %12$L AS role_name, f.message
				FROM reconcile.run_failures($2) f),
			required AS (%3$s)
			SELECT q.team_id, q.team_name, q.user_id, q.role_name,
			       CASE WHEN i.user_id IS NOT NULL THEN 'inserted' WHEN d.active > 0 THEN 'found'
			            WHEN $1 IS NULL THEN 'insert' ELSE 'failed' END,
			       CASE WHEN m.inserted AND m.active > 0 THEN 'inserted' WHEN m.active > 0 THEN 'found'
			            WHEN m.inactive > 0 AND %13$L THEN 'skipped'
			            WHEN $2 IS NULL THEN 'insert' WHEN fm.message IS NOT NULL THEN 'failed'
			            ELSE 'skipped' END,
			       nullif(concat_ws('; ',
			           CASE WHEN d.active > 1 THEN 'MongoDB has ' || d.active || ' documents for this role' END,
			           CASE WHEN d.inactive > 0 THEN 'MongoDB has an inactive one, which stays' END,
			           CASE WHEN m.inactive > 0 THEN 'PostgreSQL has an inactive one, which stays' END,
			           'MongoDB: ' || fd.message,
			           CASE WHEN $1 IS NOT NULL AND fd.message IS NULL AND coalesce(d.active, 0) = 0
			                THEN 'MongoDB: a document with these values is in the way, which is not read as this role' END,
			           'PostgreSQL: ' || fm.message,
			           CASE WHEN $2 IS NOT NULL AND coalesce(d.active, 0) = 0 AND coalesce(m.active, 0) = 0
			                THEN 'PostgreSQL: there is no document to mirror' END), ''),
			       q.position
			FROM required q
			LEFT JOIN document d USING (user_id, team_id, role_name)
			LEFT JOIN mirrored m USING (user_id, team_id, role_name)
			LEFT JOIN inserted i USING (user_id, team_id, role_name)
			LEFT JOIN failed_document fd USING (user_id, team_id, role_name)
			LEFT JOIN failed_row fm USING (user_id, team_id, role_name)
			UNION ALL
			SELECT t.team_id, t.team_name, t.user_id, NULL, 'skipped', 'skipped', t.skipped_because, 0
			FROM (%4$s) t WHERE t.skipped_because IS NOT NULL
			ORDER BY 2, 1, 8$query$,
			reconcile.pack_table(facts, 'mongo_user_roles'), reconcile.pack_table(facts, 'postgres_user_roles'),
			reconcile.team_roles_required(facts), reconcile.team_roles_teams(facts),
			c ->> 'user_id', c ->> 'team_id', c ->> 'role_name', c ->> 'is_active', c ->> 'scope',
			coalesce(facts -> 'columns' -> 'postgres_user_roles' ->> 'user_id', 'user_id'),
			coalesce(facts -> 'columns' -> 'postgres_user_roles' ->> 'team_id', 'team_id'),
			coalesce(facts -> 'columns' -> 'postgres_user_roles' ->> 'role_name', 'role_name'),
			(facts ->> 'inactive_blocks')::boolean)
		FROM reconcile.team_roles_mirror_columns(facts) AS c;
	END;
COMMENT ON FUNCTION reconcile.team_roles_report(jsonb) IS
	'used by fix_team_roles(): the query of its result';

CREATE FUNCTION @extschema@.fix_team_roles(dry_run boolean DEFAULT true, include_deleted boolean DEFAULT false)
	RETURNS TABLE (team_id text, team_name text, user_id text, role_name text, mongodb text,
	               postgresql text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET pg_reconcile.include_deleted_teams = off
AS $$
DECLARE
	facts      jsonb;
	mongo_run  bigint;
	mirror_run bigint;
	last_team  text;
	teams      bigint := 0;
	required   bigint := 0;
	m_found    bigint := 0;
	m_new      bigint := 0;
	m_failed   bigint := 0;
	m_skipped  bigint := 0;
	p_found    bigint := 0;
	p_new      bigint := 0;
	p_failed   bigint := 0;
	p_skipped  bigint := 0;
	position   bigint;
	done       constant text := CASE WHEN dry_run THEN 'to insert' ELSE 'inserted' END;
BEGIN
	IF dry_run IS NULL OR include_deleted IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = format('argument "%s" must not be null',
			CASE WHEN dry_run IS NULL THEN 'dry_run' ELSE 'include_deleted' END);
	END IF;
	SELECT reconcile.team_roles_facts(p.options) INTO facts
	FROM reconcile.packs p WHERE p.name = 'team_roles' AND p.installed;
	IF NOT FOUND THEN
		RAISE SQLSTATE 'RC005' USING MESSAGE = 'pack "team_roles" is not installed',
			HINT = 'SELECT * FROM reconcile.install_pack(''team_roles'', ''{"server": "..."}'');';
	END IF;
	PERFORM set_config('pg_reconcile.include_deleted_teams', CASE WHEN include_deleted THEN 'on' ELSE 'off' END, true);

	IF NOT dry_run THEN
		SELECT r.run_id INTO mongo_run FROM reconcile.repair('team_roles_mongodb', dry_run => false) r;
		SELECT r.run_id INTO mirror_run FROM reconcile.repair('team_roles_postgresql', dry_run => false) r;
	END IF;
	FOR team_id, team_name, user_id, role_name, mongodb, postgresql, detail, position IN
		SELECT * FROM reconcile.pack_report('team_roles_mongodb', reconcile.team_roles_report(facts), mongo_run, mirror_run)
			AS r(team_id text, team_name text, user_id text, role_name text, mongodb text, postgresql text, detail text,
			     position bigint)
	LOOP
		teams     := teams + (team_id IS NULL OR team_id IS DISTINCT FROM last_team)::integer;
		required  := required + (role_name IS NOT NULL)::integer;
		m_found   := m_found + (mongodb = 'found')::integer;
		m_new     := m_new + (mongodb IN ('insert', 'inserted'))::integer;
		m_failed  := m_failed + (mongodb = 'failed')::integer;
		m_skipped := m_skipped + (mongodb = 'skipped')::integer;
		p_found   := p_found + (postgresql = 'found')::integer;
		p_new     := p_new + (postgresql IN ('insert', 'inserted'))::integer;
		p_failed  := p_failed + (postgresql = 'failed')::integer;
		p_skipped := p_skipped + (postgresql = 'skipped')::integer;
		last_team := team_id;
		RETURN NEXT;
	END LOOP;
	RAISE NOTICE 'fix_team_roles: % teams read, % roles required', teams, required
		USING DETAIL = format(E'MongoDB: %s found, %s %s, %s failed, %s skipped.\nPostgreSQL: %s found, %s %s, %s failed, %s skipped.',
			m_found, m_new, done, m_failed, m_skipped, p_found, p_new, done, p_failed, p_skipped);
END $$;
REVOKE ALL ON FUNCTION @extschema@.fix_team_roles(boolean, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.fix_team_roles(boolean, boolean) IS
	'gives the creator of every team its roles in MongoDB and PostgreSQL, one row per required role; changes user data unless dry_run';
