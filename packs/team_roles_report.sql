-- Pack team_roles: fix_team_roles() and its report.

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
		PERFORM reconcile.refuse('22004', format('argument "%s" must not be null',
			CASE WHEN dry_run IS NULL THEN 'dry_run' ELSE 'include_deleted' END));
	END IF;
	SELECT reconcile.team_roles_facts(p.options) INTO facts
	FROM reconcile.packs p WHERE p.name = 'team_roles' AND p.installed;
	IF NOT FOUND THEN
		PERFORM reconcile.refuse('RC005', 'pack "team_roles" is not installed',
			hint => 'SELECT * FROM reconcile.install_pack(''team_roles'', ''{"server": "..."}'');');
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
