-- Pack workspaces: what users own.
--
-- The option "owned" names tables and, for each, the way from a row to its
-- workspace: foreign keys, followed one after the other.  The first table on
-- the way whose row has a workspace gives it; where the way ends at users,
-- their workspace does.  Of several ways the first that leads somewhere counts.

CREATE FUNCTION reconcile.workspaces_has_column(options jsonb, of_table regclass) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = of_table AND NOT a.attisdropped
		               AND a.attname = options ->> 'owned_column');
	END;
COMMENT ON FUNCTION reconcile.workspaces_has_column(jsonb, regclass) IS
	'used by pack workspaces: whether a table has the column of the workspace';

-- The owned tables that are there, with their primary keys.
CREATE FUNCTION reconcile.workspaces_owned(options jsonb)
	RETURNS TABLE (name text, target regclass, path jsonb, key text[], row_id text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT o.key, c.oid::regclass, o.value, pk.names, pk.row_id
		FROM jsonb_each(options -> 'owned') AS o
		JOIN pg_class c ON c.oid = to_regclass(format('%I.%I', options ->> 'schema', o.key))
		LEFT JOIN LATERAL (
			SELECT array_agg(a.attname::text ORDER BY k.n) AS names,
			       format('concat_ws('','', %s)', string_agg(format('r.%I', a.attname), ', ' ORDER BY k.n)) AS row_id
			FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS k(attnum, n)
			JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
			WHERE i.indrelid = c.oid AND i.indisprimary) AS pk ON true
		WHERE c.relkind IN ('r', 'p');
	END;
COMMENT ON FUNCTION reconcile.workspaces_owned(jsonb) IS
	'used by pack workspaces: the tables of option owned that are there';

-- The rows of an owned table belong to a workspace once the pack is installed.
CREATE FUNCTION reconcile.workspaces_has_one(options jsonb, of_table regclass) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT EXISTS (SELECT FROM reconcile.workspaces_owned(options) o WHERE o.target = of_table)
		    OR reconcile.workspaces_has_column(options, of_table);
	END;
COMMENT ON FUNCTION reconcile.workspaces_has_one(jsonb, regclass) IS
	'used by pack workspaces: whether the rows of a table belong to a workspace';

-- The foreign keys between two tables, of one column each.
CREATE FUNCTION reconcile.workspaces_references(from_table regclass)
	RETURNS TABLE (column_name text, to_table regclass, to_column text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT DISTINCT ON (a.attname, f.confrelid) a.attname::text, f.confrelid::regclass, r.attname::text
		FROM pg_constraint f
		JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
		JOIN pg_attribute r ON r.attrelid = f.confrelid AND r.attnum = f.confkey[1]
		WHERE f.contype = 'f' AND f.conrelid = from_table AND cardinality(f.conkey) = 1 AND f.conparentid = 0
		ORDER BY a.attname, f.confrelid, f.oid;
	END;
COMMENT ON FUNCTION reconcile.workspaces_references(regclass) IS
	'used by pack workspaces: what the rows of a table refer to';

-- One way as SQL: joins from "r", and the expressions that may be the workspace.
CREATE FUNCTION reconcile.workspaces_way(options jsonb, target regclass, way text[], number bigint, OUT joins text, OUT workspaces text[])
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	users constant regclass := to_regclass(reconcile.pack_table(options, 'users'));
	home  constant text := 'h' || number;
	at    regclass := target;
	alias text := 'r';
	step  record;
	name  text;
BEGIN
	joins := '';
	workspaces := '{}';
	FOREACH name IN ARRAY way LOOP
		SELECT f.* INTO step FROM reconcile.workspaces_references(at) f WHERE f.column_name = name
		ORDER BY f.to_table = users DESC LIMIT 1;
		IF NOT FOUND THEN
			PERFORM reconcile.refuse('42704', format('column "%s" of %s is not a foreign key', name, at),
				detail => format('The option "owned" of pack "workspaces" leads from %s over it.', target),
				hint => coalesce(reconcile.did_you_mean(name, ARRAY(SELECT f.column_name FROM reconcile.workspaces_references(at) f)), ''));
		END IF;
		IF step.to_table = users THEN
			joins := joins || format(' LEFT JOIN (%s) %s ON %s.user_id = %s.%I', reconcile.pack_sql(options, $t$
				SELECT DISTINCT ON (m.@workspace_members.user_id@) m.@workspace_members.user_id@ AS user_id, w.@workspaces.id@ AS workspace_id
				FROM @workspace_members@ m JOIN @workspaces@ w ON w.@workspaces.id@ = m.@workspace_members.workspace_id@
				ORDER BY m.@workspace_members.user_id@, @'mode'@ = 'default' AND w.@workspaces.slug@ = 'default' DESC,
				         w.@workspaces.created_by@ = m.@workspace_members.user_id@ DESC, w.@workspaces.id@$t$), home, home, alias, name);
			workspaces := workspaces || (home || '.workspace_id');
			EXIT;
		END IF;
		joins := joins || format(' LEFT JOIN %s %s ON %s.%I = %s.%I', step.to_table, alias || '_' || number, alias || '_' || number,
			step.to_column, alias, name);
		at := step.to_table;
		alias := alias || '_' || number;
		IF reconcile.workspaces_has_one(options, at) THEN
			workspaces := workspaces || format('%s.%I', alias, options ->> 'owned_column');
		END IF;
	END LOOP;
	IF workspaces = '{}' THEN
		PERFORM reconcile.refuse('22023', format('option "owned" of pack "workspaces" does not lead from %s to a workspace', target),
			hint => 'The way ends at the table of users, or at a table that has a workspace.');
	END IF;
END $$;
COMMENT ON FUNCTION reconcile.workspaces_way(jsonb, regclass, text[], bigint) IS
	'used by pack workspaces: one way to the workspace of a row';

CREATE FUNCTION reconcile.workspaces_all_ways(options jsonb, target regclass, path jsonb)
	RETURNS TABLE (joins text, workspace text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT string_agg(one.joins, '' ORDER BY w.n), format('coalesce(%s)', string_agg(array_to_string(one.workspaces, ', '), ', ' ORDER BY w.n))
		FROM reconcile.workspaces_ways(path) WITH ORDINALITY AS w(way, n)
		CROSS JOIN LATERAL reconcile.workspaces_way(options, target, ARRAY(SELECT jsonb_array_elements_text(w.way)), w.n) AS one;
	END;
COMMENT ON FUNCTION reconcile.workspaces_all_ways(jsonb, regclass, jsonb) IS
	'used by pack workspaces: how the workspace of a row is found';

-- The rules about owned rows: one fill per table, and three checks over all.
CREATE FUNCTION reconcile.workspaces_owned_rules(options jsonb)
	RETURNS TABLE (name text, kind text, target text, key text[], expects text, severity text, description text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		WITH owned AS (
			SELECT o.*, quote_ident(options ->> 'owned_column') AS ws FROM reconcile.workspaces_owned(options) o),
		filled AS (
			SELECT 'workspaces_of_' || o.name AS name, o.target::text AS target, o.key,
			       format('SELECT %s, %s AS %s FROM %s r%s WHERE r.%s IS NULL AND %s IS NOT NULL',
			              (SELECT string_agg(format('r.%1$I AS %1$I', k), ', ') FROM unnest(o.key) AS k),
			              way.workspace, o.ws, o.target, way.joins, o.ws, way.workspace) AS expects
			FROM owned o CROSS JOIN LATERAL reconcile.workspaces_all_ways(options, o.target, o.path) AS way),
		unassigned AS (
			SELECT string_agg(format('SELECT %L AS table_name, %s AS row_id FROM %s r%s WHERE r.%s IS NULL AND %s IS NULL',
			       o.name, o.row_id, o.target, way.joins, o.ws, way.workspace), ' UNION ALL ' ORDER BY o.name) AS expects
			FROM owned o CROSS JOIN LATERAL reconcile.workspaces_all_ways(options, o.target, o.path) AS way
			WHERE NOT options -> 'may_lack_workspace' ? o.name),
		strangers AS (
			SELECT string_agg(format('SELECT %L AS table_name, %s AS row_id, r.%s::text AS workspace_id, r.%I::text AS user_id FROM %s r'
			       ' WHERE NOT EXISTS (SELECT FROM %s m WHERE m.%s = r.%s AND m.%s = r.%I)'
			       ' AND r.%s IS NOT NULL AND r.%I IS NOT NULL', o.name, o.row_id, o.ws, f.column_name, o.target,
			       reconcile.pack_table(options, 'workspace_members'), reconcile.pack_column(options, 'workspace_members', 'workspace_id'),
			       o.ws, reconcile.pack_column(options, 'workspace_members', 'user_id'), f.column_name, o.ws, f.column_name),
			       ' UNION ALL ' ORDER BY o.name, f.column_name) AS expects
			FROM owned o CROSS JOIN LATERAL reconcile.workspaces_references(o.target) AS f
			WHERE f.to_table = to_regclass(reconcile.pack_table(options, 'users')) AND jsonb_path_exists(o.path, 'lax $[*][*] ? (@ == $name)', jsonb_build_object('name', f.column_name))),
		parent AS (
			SELECT o.name, o.target, o.ws, o.row_id FROM owned o),
		crossing AS (
			SELECT string_agg(pair.expects, ' UNION ALL ' ORDER BY pair.expects) AS expects
			FROM (
				SELECT format('SELECT %L AS table_name, %s AS row_id, %L AS other_table, %s AS other_row, r.%s::text AS workspace_id,'
				       ' o.%s::text AS other_workspace FROM %s r JOIN %s o ON o.%I = r.%I WHERE r.%s <> o.%s',
				       c.name, c.row_id, p.name, replace(p.row_id, 'r.', 'o.'), c.ws, p.ws, c.target, p.target, f.to_column,
				       f.column_name, c.ws, p.ws) AS expects
				FROM parent c CROSS JOIN LATERAL reconcile.workspaces_references(c.target) AS f JOIN parent p ON p.target = f.to_table
				UNION ALL
				SELECT format('SELECT %L AS table_name, %s AS row_id, %L AS other_table, %s AS other_row, r.%s::text AS workspace_id,'
				       ' o.%s::text AS other_workspace FROM %s j JOIN %s r ON r.%I = j.%I JOIN %s o ON o.%I = j.%I WHERE r.%s <> o.%s',
				       c.name, c.row_id, p.name, replace(p.row_id, 'r.', 'o.'), c.ws, p.ws, j.target, c.target, f.to_column, f.column_name,
				       p.target, g.to_column, g.column_name, c.ws, p.ws)
				FROM (SELECT DISTINCT k.conrelid::regclass AS target FROM pg_constraint k JOIN parent t ON t.target = k.confrelid
				      WHERE k.contype = 'f' AND k.conparentid = 0
				        AND NOT reconcile.workspaces_has_one(options, k.conrelid::regclass)) AS j
				CROSS JOIN LATERAL reconcile.workspaces_references(j.target) AS f JOIN parent c ON c.target = f.to_table
				CROSS JOIN LATERAL reconcile.workspaces_references(j.target) AS g JOIN parent p ON p.target = g.to_table
				WHERE f.column_name < g.column_name) AS pair)
		(SELECT f.name, 'fill', f.target, f.key, f.expects, 'error', 'What users own belongs to a workspace.' FROM filled f
		 ORDER BY f.name)
		UNION ALL
		SELECT 'workspaces_unassigned', 'check', NULL, '{table_name,row_id}', u.expects, 'error',
		       'a row belongs to no workspace, and nothing says to which it should' FROM unassigned u WHERE u.expects IS NOT NULL
		UNION ALL
		SELECT 'workspaces_stranger', 'check', NULL, '{table_name,row_id,user_id}', s.expects, 'warning',
		       'a row''s owner is not a member of the row''s workspace' FROM strangers s WHERE s.expects IS NOT NULL
		UNION ALL
		SELECT 'workspaces_crossing', 'check', NULL, '{table_name,row_id,other_table,other_row}', c.expects, 'error',
		       'two rows that belong together are in different workspaces' FROM crossing c WHERE c.expects IS NOT NULL;
	END;
COMMENT ON FUNCTION reconcile.workspaces_owned_rules(jsonb) IS
	'used by pack workspaces: the invariants about what users own';
