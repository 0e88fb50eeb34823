-- Pack entitlements: every organization has a row for every module that says
-- whether it may use it.
--
-- Before, the answer was in organizations.enabled_modules, flags written by
-- hand and by several programs, in several cases and shapes.  What they mean is
-- defined here once: by reconcile.flag_is_on() and reconcile.modules_on().

INSERT INTO reconcile.pack (name, description, row_keys, options) VALUES (
	'entitlements',
	'every organization has an entitlement for every module, taken over from enabled_modules',
	'{"modules": ["module_key", "display_name", "description", "icon", "sort_order", "is_active"],
	  "submodules": ["module", "submodule", "display_name", "menu_path", "permission", "sort_order"],
	  "plans": ["plan_key", "display_name", "description", "price_monthly", "price_annual", "is_active", "sort_order"],
	  "plan_entitlements": ["plan_key", "module_key", "submodule_key", "is_included"]}',
	'{"guards": "block", "always_on": ["email", "dashboard"], "aliases": {}, "source": "migration",
	  "rows": {
		"modules": [
			{"module_key": "sales", "display_name": "Sales", "sort_order": 1},
			{"module_key": "inventory", "display_name": "Inventory", "sort_order": 2},
			{"module_key": "manufacturing", "display_name": "Manufacturing", "sort_order": 3},
			{"module_key": "vouchers", "display_name": "Vouchers", "sort_order": 4},
			{"module_key": "finance", "display_name": "Finance", "sort_order": 5},
			{"module_key": "service", "display_name": "Service", "sort_order": 6},
			{"module_key": "projects", "display_name": "Projects", "sort_order": 7},
			{"module_key": "ai_analytics", "display_name": "AI Analytics", "sort_order": 8},
			{"module_key": "reports", "display_name": "Reports", "sort_order": 9},
			{"module_key": "tasks_calendar", "display_name": "Tasks and Calendar", "sort_order": 10},
			{"module_key": "email", "display_name": "Email", "sort_order": 11},
			{"module_key": "settings", "display_name": "Settings", "sort_order": 12},
			{"module_key": "master_data", "display_name": "Master Data", "sort_order": 13},
			{"module_key": "accounting", "display_name": "Accounting", "sort_order": 14},
			{"module_key": "hr", "display_name": "Human Resources", "sort_order": 15},
			{"module_key": "marketing", "display_name": "Marketing", "sort_order": 16},
			{"module_key": "administration", "display_name": "Administration", "sort_order": 17}],
		"submodules": [],
		"plans": [{"plan_key": "trial", "display_name": "Trial", "sort_order": 1}],
		"plan_entitlements": [{"plan_key": "trial", "module_key": "*"}]}}');

-- -------------------------------------------------------------- what flags mean

CREATE FUNCTION reconcile.flag_is_on(flag jsonb) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN CASE pg_catalog.jsonb_typeof(flag)
		WHEN 'boolean' THEN flag::boolean
		WHEN 'number' THEN flag OPERATOR(pg_catalog.<>) '0'::jsonb
		WHEN 'string' THEN pg_catalog.lower(flag #>> '{}'::text[]) IN ('true', 't', 'yes', 'on', '1')
		ELSE false END;
COMMENT ON FUNCTION reconcile.flag_is_on(jsonb) IS
	'whether a flag is on: true, a number but 0, or true, t, yes, on, 1 as text in any case';

-- A column of type json or text may hold what jsonb cannot, and text what is
-- no JSON at all.
CREATE FUNCTION reconcile.json_or_null(value text) RETURNS jsonb
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN value::jsonb;
EXCEPTION WHEN data_exception OR statement_too_complex THEN
	RETURN NULL;
END $$;
COMMENT ON FUNCTION reconcile.json_or_null(text) IS
	'used by pack entitlements: a text as jsonb, NULL when jsonb cannot hold it';

-- An object in a string is taken for that object.
CREATE FUNCTION reconcile.flags_of(value text) RETURNS jsonb
	LANGUAGE plpgsql IMMUTABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	flags jsonb := reconcile.json_or_null(value);
	inner_flags jsonb;
BEGIN
	IF jsonb_typeof(flags) = 'string' THEN
		inner_flags := reconcile.json_or_null(flags #>> '{}');
		IF jsonb_typeof(inner_flags) = 'object' THEN
			RETURN inner_flags;
		END IF;
	END IF;
	RETURN flags;
END $$;
COMMENT ON FUNCTION reconcile.flags_of(text) IS
	'used by pack entitlements: the flags of an organization as jsonb, NULL when there are none';

-- An object, in which a key is found by binary search.  A row of its own, so
-- that a query can compute it once per organization instead of once per module;
-- whether it does is the planner's choice, unless a subquery takes it away.  In
-- SQL, so that it becomes a part of that query, which is started only once.
CREATE FUNCTION reconcile.modules_on(enabled_modules text, aliases jsonb, always_on jsonb DEFAULT '[]') RETURNS TABLE (modules jsonb)
	LANGUAGE sql IMMUTABLE PARALLEL RESTRICTED ROWS 1 COST 1000
	BEGIN ATOMIC
		SELECT coalesce(jsonb_object_agg(flag.key, true), '{}')
		       || coalesce(jsonb_object_agg(aliases ->> flag.key, true) FILTER (WHERE aliases ->> flag.key IS NOT NULL), '{}')
		       || coalesce((SELECT jsonb_object_agg(lower(a.key), true) FROM jsonb_array_elements_text(always_on) AS a(key)
		                WHERE a.key IS NOT NULL), '{}')
		FROM reconcile.flags_of(enabled_modules) AS flags
		CROSS JOIN LATERAL (
			SELECT lower(f.key) AS key
			FROM jsonb_each(CASE jsonb_typeof(flags) WHEN 'object' THEN flags END) AS f WHERE reconcile.flag_is_on(f.value)
			UNION ALL
			SELECT lower(e #>> '{}')
			FROM jsonb_array_elements(CASE jsonb_typeof(flags) WHEN 'array' THEN flags END) AS e
			WHERE jsonb_typeof(e) = 'string') AS flag;
	END;
COMMENT ON FUNCTION reconcile.modules_on(text, jsonb, jsonb) IS
	'the modules that a value of enabled_modules switches on, as a jsonb object that has their keys in lower case; aliases maps other keys, in lower case, to modules; always_on lists modules that are on for everybody';

CREATE FUNCTION reconcile.flag_problems(enabled_modules text) RETURNS TABLE (key text, problem text)
	LANGUAGE plpgsql IMMUTABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	flags constant jsonb := reconcile.flags_of(enabled_modules);
BEGIN
	IF jsonb_typeof(flags) = 'object' THEN
		RETURN QUERY
			SELECT f.key, CASE jsonb_typeof(f.value) WHEN 'string' THEN 'is the text ' || f.value::text
			              ELSE 'is of type ' || jsonb_typeof(f.value) END || ', which is not on'
			FROM jsonb_each(flags) AS f
			WHERE CASE jsonb_typeof(f.value)
				WHEN 'string' THEN lower(f.value #>> '{}')
				                   NOT IN ('true', 't', 'yes', 'on', '1', 'false', 'f', 'no', 'off', '0', '')
				ELSE jsonb_typeof(f.value) IN ('object', 'array') END;
	ELSIF jsonb_typeof(flags) = 'array' THEN
		RETURN QUERY
			SELECT e::text, 'is of type ' || jsonb_typeof(e) || ', not the key of a module'
			FROM jsonb_array_elements(flags) AS e WHERE jsonb_typeof(e) <> 'string';
	ELSIF flags IS NULL AND enabled_modules IS NOT NULL THEN
		RETURN QUERY VALUES (''::text, 'cannot be read as JSON');
	ELSIF flags <> 'null' THEN
		RETURN QUERY VALUES (''::text, 'is of type ' || jsonb_typeof(flags) || ', not an object of flags');
	END IF;
END $$;
COMMENT ON FUNCTION reconcile.flag_problems(text) IS
	'what in a value of enabled_modules cannot be understood, and therefore is off; an empty key stands for the whole value';

-- ------------------------------------------------------------------- its tables

INSERT INTO reconcile.pack_layout (pack, position, table_name, columns, constraints) VALUES
('entitlements', 1, 'organizations', '{
	{id, integer, GENERATED BY DEFAULT AS IDENTITY},
	{name, character varying, NOT NULL},
	{enabled_modules, json, ""}}',
	'{PRIMARY KEY (@.id@), UNIQUE (@.name@)}'),
('entitlements', 2, 'users', '{
	{id, integer, GENERATED BY DEFAULT AS IDENTITY},
	{email, character varying, NOT NULL},
	{organization_id, @organizations.id@, ""}}',
	'{PRIMARY KEY (@.id@), FOREIGN KEY (@.organization_id@) REFERENCES @organizations@ (@organizations.id@)}'),
('entitlements', 3, 'modules', '{
	{id, integer, GENERATED BY DEFAULT AS IDENTITY},
	{module_key, character varying(100), NOT NULL},
	{display_name, character varying(200), NOT NULL},
	{description, text, ""},
	{icon, character varying(100), ""},
	{sort_order, integer, NOT NULL DEFAULT 0},
	{is_active, boolean, NOT NULL DEFAULT true},
	{created_at, timestamp with time zone, NOT NULL DEFAULT now()},
	{updated_at, timestamp with time zone, NOT NULL DEFAULT now()}}',
	'{PRIMARY KEY (@.id@), UNIQUE (@.module_key@)}'),
('entitlements', 4, 'submodules', '{
	{id, integer, GENERATED BY DEFAULT AS IDENTITY},
	{module_id, @modules.id@, NOT NULL},
	{submodule_key, character varying(100), NOT NULL},
	{display_name, character varying(200), NOT NULL},
	{description, text, ""},
	{menu_path, character varying(500), ""},
	{permission_key, character varying(200), ""},
	{sort_order, integer, NOT NULL DEFAULT 0},
	{is_active, boolean, NOT NULL DEFAULT true},
	{created_at, timestamp with time zone, NOT NULL DEFAULT now()},
	{updated_at, timestamp with time zone, NOT NULL DEFAULT now()}}',
	'{PRIMARY KEY (@.id@), "UNIQUE (@.module_id@, @.submodule_key@)",
	FOREIGN KEY (@.module_id@) REFERENCES @modules@ (@modules.id@) ON DELETE CASCADE}'),
('entitlements', 5, 'plans', '{
	{id, integer, GENERATED BY DEFAULT AS IDENTITY},
	{plan_key, character varying(100), NOT NULL},
	{display_name, character varying(200), NOT NULL},
	{description, text, ""},
	{price_monthly, "numeric(10,2)", ""},
	{price_annual, "numeric(10,2)", ""},
	{is_active, boolean, NOT NULL DEFAULT true},
	{sort_order, integer, NOT NULL DEFAULT 0},
	{created_at, timestamp with time zone, NOT NULL DEFAULT now()},
	{updated_at, timestamp with time zone, NOT NULL DEFAULT now()}}',
	'{PRIMARY KEY (@.id@), UNIQUE (@.plan_key@)}'),
('entitlements', 6, 'plan_entitlements', '{
	{id, integer, GENERATED BY DEFAULT AS IDENTITY},
	{plan_id, @plans.id@, NOT NULL},
	{module_id, @modules.id@, NOT NULL},
	{submodule_id, @submodules.id@, ""},
	{is_included, boolean, NOT NULL DEFAULT true},
	{created_at, timestamp with time zone, NOT NULL DEFAULT now()}}',
	'{PRIMARY KEY (@.id@), "UNIQUE (@.plan_id@, @.module_id@, @.submodule_id@)",
	"UNIQUE INDEX (@.plan_id@, @.module_id@) WHERE @.submodule_id@ IS NULL",
	FOREIGN KEY (@.plan_id@) REFERENCES @plans@ (@plans.id@) ON DELETE CASCADE,
	FOREIGN KEY (@.module_id@) REFERENCES @modules@ (@modules.id@) ON DELETE CASCADE,
	FOREIGN KEY (@.submodule_id@) REFERENCES @submodules@ (@submodules.id@) ON DELETE CASCADE}'),
('entitlements', 7, 'org_entitlements', '{
	{id, integer, GENERATED BY DEFAULT AS IDENTITY},
	{org_id, @organizations.id@, NOT NULL},
	{module_id, @modules.id@, NOT NULL},
	{status, character varying(20), NOT NULL DEFAULT ''disabled''::character varying},
	{trial_expires_at, timestamp with time zone, ""},
	{source, character varying(100), NOT NULL DEFAULT ''manual''::character varying},
	{created_at, timestamp with time zone, NOT NULL DEFAULT now()},
	{updated_at, timestamp with time zone, NOT NULL DEFAULT now()}}',
	'{PRIMARY KEY (@.id@), "UNIQUE (@.org_id@, @.module_id@)",
	"CHECK (@.status@ IN (''enabled'', ''disabled'', ''trial''))",
	FOREIGN KEY (@.org_id@) REFERENCES @organizations@ (@organizations.id@) ON DELETE CASCADE,
	FOREIGN KEY (@.module_id@) REFERENCES @modules@ (@modules.id@) ON DELETE CASCADE}'),
('entitlements', 8, 'org_subentitlements', '{
	{id, integer, GENERATED BY DEFAULT AS IDENTITY},
	{org_id, @organizations.id@, NOT NULL},
	{module_id, @modules.id@, NOT NULL},
	{submodule_id, @submodules.id@, NOT NULL},
	{enabled, boolean, NOT NULL DEFAULT true},
	{source, character varying(100), NOT NULL DEFAULT ''manual''::character varying},
	{created_at, timestamp with time zone, NOT NULL DEFAULT now()},
	{updated_at, timestamp with time zone, NOT NULL DEFAULT now()}}',
	'{PRIMARY KEY (@.id@), "UNIQUE (@.org_id@, @.module_id@, @.submodule_id@)",
	FOREIGN KEY (@.org_id@) REFERENCES @organizations@ (@organizations.id@) ON DELETE CASCADE,
	FOREIGN KEY (@.module_id@) REFERENCES @modules@ (@modules.id@) ON DELETE CASCADE,
	FOREIGN KEY (@.submodule_id@) REFERENCES @submodules@ (@submodules.id@) ON DELETE CASCADE}'),
-- event_key is the pack's own: it names an event that an organization has only once.
('entitlements', 9, 'entitlement_events', '{
	{id, integer, GENERATED BY DEFAULT AS IDENTITY},
	{org_id, @organizations.id@, NOT NULL},
	{event_type, character varying(50), NOT NULL},
	{event_key, character varying(50), ""},
	{actor_user_id, @users.id@, ""},
	{reason, text, ""},
	{payload, jsonb, ""},
	{created_at, timestamp with time zone, NOT NULL DEFAULT now()}}',
	'{PRIMARY KEY (@.id@), "UNIQUE (@.org_id@, @.event_key@)",
	FOREIGN KEY (@.org_id@) REFERENCES @organizations@ (@organizations.id@) ON DELETE CASCADE,
	FOREIGN KEY (@.actor_user_id@) REFERENCES @users@ (@users.id@) ON DELETE SET NULL}');

-- ----------------------------------------------------------------------- its view

-- What an organization may use now.  Where a row is missing, the flags of the
-- organization decide as they did before there were rows.
INSERT INTO reconcile.pack_object (pack, position, name, type, definition, description) VALUES
('entitlements', 1, 'effective_entitlements', 'view', $$ AS
	SELECT o.@organizations.id@ AS org_id, m.@modules.id@ AS module_id, m.@modules.module_key@ AS module_key,
	       s.@submodules.id@ AS submodule_id, s.@submodules.submodule_key@ AS submodule_key,
	       decided.status, decided.status <> 'disabled' AND coalesce(es.@org_subentitlements.enabled@, true) AS enabled,
	       CASE WHEN e.@org_entitlements.status@ IS NULL THEN 'enabled_modules' ELSE 'org_entitlements' END AS decided_by
	FROM @organizations@ o
	CROSS JOIN LATERAL reconcile.modules_on(o.@organizations.enabled_modules@::text, lower(@'aliases'@)::jsonb, @'always_on'@) AS flagged
	CROSS JOIN @modules@ m
	LEFT JOIN @submodules@ s ON s.@submodules.module_id@ = m.@modules.id@
	LEFT JOIN @org_entitlements@ e
	  ON e.@org_entitlements.org_id@ = o.@organizations.id@ AND e.@org_entitlements.module_id@ = m.@modules.id@
	LEFT JOIN @org_subentitlements@ es
	  ON es.@org_subentitlements.org_id@ = o.@organizations.id@ AND es.@org_subentitlements.module_id@ = m.@modules.id@
	 AND es.@org_subentitlements.submodule_id@ = s.@submodules.id@
	CROSS JOIN LATERAL (SELECT CASE
		WHEN e.@org_entitlements.status@ = 'trial' AND e.@org_entitlements.trial_expires_at@ <= now() THEN 'disabled'
		WHEN e.@org_entitlements.status@ IS NOT NULL THEN e.@org_entitlements.status@::text
		WHEN flagged.modules ? lower(m.@modules.module_key@) THEN 'enabled'
		ELSE 'disabled' END AS status) AS decided$$,
	'what each organization may use; a module without a row is decided by enabled_modules');

-- ----------------------------------------------------------------- its invariants

INSERT INTO reconcile.pack_rule (pack, position, name, target, key, seed_label, expects, description) VALUES
('entitlements', 1, 'entitlements_modules', 'modules', '{module_key}', 's.@.module_key@', $$
	SELECT r.module_key AS @.module_key@, coalesce(r.display_name, r.module_key) AS @.display_name@,
	       r.description AS @.description@, r.icon AS @.icon@, coalesce(r.sort_order, 0) AS @.sort_order@,
	       coalesce(r.is_active, true) AS @.is_active@, now() AS @.created_at@, now() AS @.updated_at@
	FROM jsonb_to_recordset(@'rows.modules'@) AS r(module_key text, display_name text, description text, icon text,
	                                               sort_order integer, is_active boolean)$$,
	'The modules of the product are there.'),
('entitlements', 2, 'entitlements_submodules', 'submodules', '{module_id,submodule_key}', 's.@.submodule_key@', $$
	SELECT DISTINCT ON (m.@modules.id@, r.submodule)
	       m.@modules.id@ AS @.module_id@, r.submodule AS @.submodule_key@,
	       coalesce(r.display_name, initcap(replace(r.submodule, '_', ' '))) AS @.display_name@,
	       r.menu_path AS @.menu_path@, r.permission AS @.permission_key@, coalesce(r.sort_order, 0) AS @.sort_order@,
	       true AS @.is_active@, now() AS @.created_at@, now() AS @.updated_at@
	FROM jsonb_to_recordset(@'rows.submodules'@) AS r(module text, submodule text, display_name text, menu_path text,
	                                                  permission text, sort_order integer)
	JOIN @modules@ m ON lower(m.@modules.module_key@)
	     IN (lower(r.module), lower(@'aliases'@)::jsonb ->> lower(r.module))
	WHERE r.submodule <> ''
	ORDER BY m.@modules.id@, r.submodule, r.menu_path$$,
	'Every row of the menu map whose module is known is a submodule.'),
('entitlements', 3, 'entitlements_plans', 'plans', '{plan_key}', 's.@.plan_key@', $$
	SELECT r.plan_key AS @.plan_key@, coalesce(r.display_name, r.plan_key) AS @.display_name@,
	       r.description AS @.description@, r.price_monthly AS @.price_monthly@, r.price_annual AS @.price_annual@,
	       coalesce(r.is_active, true) AS @.is_active@, coalesce(r.sort_order, 0) AS @.sort_order@,
	       now() AS @.created_at@, now() AS @.updated_at@
	FROM jsonb_to_recordset(@'rows.plans'@) AS r(plan_key text, display_name text, description text, price_monthly numeric,
	                                             price_annual numeric, is_active boolean, sort_order integer)$$,
	'The plans of the product are there.'),
('entitlements', 4, 'entitlements_plan_entitlements', 'plan_entitlements', '{plan_id,module_id,submodule_id}',
	'(SELECT p.@plans.plan_key@ FROM @plans@ p WHERE p.@plans.id@ = s.@.plan_id@) || '' '' ||
	 (SELECT m.@modules.module_key@ FROM @modules@ m WHERE m.@modules.id@ = s.@.module_id@)', $$
	SELECT DISTINCT ON (p.@plans.id@, m.@modules.id@, sub.@submodules.id@)
	       p.@plans.id@ AS @.plan_id@, m.@modules.id@ AS @.module_id@, sub.@submodules.id@ AS @.submodule_id@,
	       coalesce(r.is_included, true) AS @.is_included@, now() AS @.created_at@
	FROM jsonb_to_recordset(@'rows.plan_entitlements'@) AS r(plan_key text, module_key text, submodule_key text, is_included boolean)
	JOIN @plans@ p ON p.@plans.plan_key@ = r.plan_key
	JOIN @modules@ m ON r.module_key = '*' OR m.@modules.module_key@ = r.module_key
	LEFT JOIN @submodules@ sub ON sub.@submodules.module_id@ = m.@modules.id@ AND sub.@submodules.submodule_key@ = r.submodule_key
	WHERE r.submodule_key IS NULL OR sub.@submodules.id@ IS NOT NULL
	ORDER BY p.@plans.id@, m.@modules.id@, sub.@submodules.id@, r.module_key DESC$$,
	'Every plan has the modules it is sold with.');

-- Because of its WITH the planner takes the subquery as it is: whatever it
-- knows of the tables, keys are lowered once, and flags read once for each
-- organization.  A WITH around the whole would hide the organizations' order.
INSERT INTO reconcile.pack_rule (pack, position, name, target, key, guard_timing, expects, description) VALUES
('entitlements', 5, 'entitlements_org_entitlements', 'org_entitlements', '{org_id,module_id}', 'statement', $$
	SELECT o.@organizations.id@ AS @.org_id@, m.id AS @.module_id@,
	       CASE WHEN m.is_on THEN 'enabled' ELSE 'disabled' END AS @.status@,
	       @'source'@ AS @.source@, now() AS @.created_at@, now() AS @.updated_at@
	FROM @organizations@ o
	CROSS JOIN LATERAL (
		WITH module AS MATERIALIZED (SELECT x.@modules.id@ AS id, lower(x.@modules.module_key@) AS key FROM @modules@ x)
		SELECT module.id, (
			SELECT modules FROM reconcile.modules_on(o.@organizations.enabled_modules@::text, lower(@'aliases'@)::jsonb, @'always_on'@)
		) ? module.key AS is_on
		FROM module) AS m$$,
	'Every organization has an entitlement for every module, enabled where enabled_modules says so.'),
('entitlements', 6, 'entitlements_events', 'entitlement_events', '{org_id,event_key}', NULL, $$
	WITH module AS (@!sql.modules@),
	given AS (
		SELECT e.@org_entitlements.org_id@ AS org_id,
		       bit_or(CASE WHEN e.@org_entitlements.status@ <> 'disabled' THEN m.enabled ELSE m.disabled END)
		       FILTER (WHERE e.@org_entitlements.source@ = @'source'@)::text AS state
		FROM @org_entitlements@ e JOIN module m ON m.id = e.@org_entitlements.module_id@ GROUP BY e.@org_entitlements.org_id@),
	described AS (@!sql.described@),
	told AS MATERIALIZED (
		SELECT d.state, jsonb_build_object('source', @'source'@, 'enabled', d.enabled, 'disabled', d.disabled) AS payload FROM described d)
	SELECT g.org_id AS @.org_id@, 'initialized' AS @.event_key@, 'initialized' AS @.event_type@,
	       'taken over from enabled_modules' AS @.reason@, t.payload AS @.payload@, now() AS @.created_at@
	FROM given g JOIN told t ON t.state = g.state$$,
	'The audit trail says what every organization was given when its entitlements were initialized.');

INSERT INTO reconcile.pack_rule (pack, position, name, kind, key, severity, expects, description) VALUES
('entitlements', 7, 'entitlements_orphaned_users', 'check', '{user_id}', 'error', $$
	SELECT u.@users.id@ AS user_id, u.@users.email@ AS email, u.@users.organization_id@ AS organization_id
	FROM @users@ u
	WHERE u.@users.organization_id@ IS NOT NULL
	  AND NOT EXISTS (SELECT FROM @organizations@ o WHERE o.@organizations.id@ = u.@users.organization_id@)$$,
	'No user belongs to an organization that does not exist.'),
('entitlements', 8, 'entitlements_submodule_mismatch', 'check', '{table,id}', 'error', $$
	SELECT 'org_subentitlements' AS "table", es.@org_subentitlements.id@ AS id, es.@org_subentitlements.module_id@ AS module_id,
	       s.@submodules.module_id@ AS module_of_submodule
	FROM @org_subentitlements@ es JOIN @submodules@ s ON s.@submodules.id@ = es.@org_subentitlements.submodule_id@
	WHERE s.@submodules.module_id@ <> es.@org_subentitlements.module_id@
	UNION ALL
	SELECT 'plan_entitlements', pe.@plan_entitlements.id@, pe.@plan_entitlements.module_id@, s.@submodules.module_id@
	FROM @plan_entitlements@ pe JOIN @submodules@ s ON s.@submodules.id@ = pe.@plan_entitlements.submodule_id@
	WHERE s.@submodules.module_id@ <> pe.@plan_entitlements.module_id@$$,
	'A submodule is switched only under the module it belongs to.'),
('entitlements', 9, 'entitlements_subentitlement_alone', 'check', '{id}', 'error', $$
	SELECT es.@org_subentitlements.id@ AS id, es.@org_subentitlements.org_id@ AS org_id, es.@org_subentitlements.module_id@ AS module_id
	FROM @org_subentitlements@ es
	WHERE NOT EXISTS (SELECT FROM @org_entitlements@ e
	                  WHERE e.@org_entitlements.org_id@ = es.@org_subentitlements.org_id@
	                    AND e.@org_entitlements.module_id@ = es.@org_subentitlements.module_id@)$$,
	'A submodule is switched only for an organization that has the module''s entitlement.'),
('entitlements', 10, 'entitlements_plan_duplicates', 'check', '{plan_id,module_id}', 'error', $$
	SELECT pe.@plan_entitlements.plan_id@ AS plan_id, pe.@plan_entitlements.module_id@ AS module_id, count(*) AS rows
	FROM @plan_entitlements@ pe WHERE pe.@plan_entitlements.submodule_id@ IS NULL
	GROUP BY 1, 2 HAVING count(*) > 1$$,
	'A plan says once whether it includes a module.'),
('entitlements', 11, 'entitlements_auto_created', 'check', '{org_id,module_key}', 'warning', $$
	SELECT e.@org_entitlements.org_id@ AS org_id, m.@modules.module_key@ AS module_key, e.@org_entitlements.status@ AS status
	FROM @org_entitlements@ e JOIN @modules@ m ON m.@modules.id@ = e.@org_entitlements.module_id@
	WHERE e.@org_entitlements.source@ = 'auto_creation'$$,
	'No module was made, and granted, because somebody asked for a key that did not exist.'),
('entitlements', 12, 'entitlements_unreadable_flags', 'check', '{org_id,key}', 'warning', $$
	SELECT o.@organizations.id@ AS org_id, p.key, p.problem
	FROM @organizations@ o CROSS JOIN LATERAL reconcile.flag_problems(o.@organizations.enabled_modules@::text) AS p$$,
	'Every flag in enabled_modules can be understood; those that cannot are off.'),
('entitlements', 13, 'entitlements_unknown_flags', 'check', '{key}', 'notice', $$
	SELECT flag.key, count(*) AS organizations
	FROM @organizations@ o
	CROSS JOIN LATERAL reconcile.modules_on(o.@organizations.enabled_modules@::text, '{}') AS flagged
	CROSS JOIN LATERAL jsonb_object_keys(flagged.modules) AS flag(key)
	WHERE NOT EXISTS (SELECT FROM @modules@ m
	                  WHERE lower(m.@modules.module_key@) COLLATE "C" IN (flag.key, lower(@'aliases'@)::jsonb ->> flag.key))
	GROUP BY flag.key$$,
	'Every flag that is on names a module, itself or by an alias.'),
('entitlements', 14, 'entitlements_unknown_names', 'check', '{option,name}', 'notice', $$
	SELECT w.option, w.name, count(*) AS times
	FROM (SELECT 'always_on' AS option, jsonb_array_elements_text(@'always_on'@::jsonb) AS name, NULL AS alias
	      UNION ALL SELECT 'aliases', value, NULL FROM jsonb_each_text(@'aliases'@)
	      UNION ALL SELECT 'rows.submodules', r.module, lower(@'aliases'@)::jsonb ->> lower(r.module)
	      FROM jsonb_to_recordset(@'rows.submodules'@) AS r(module text)
	      UNION ALL SELECT 'rows.plan_entitlements', r.module_key, NULL
	      FROM jsonb_to_recordset(@'rows.plan_entitlements'@) AS r(module_key text) WHERE r.module_key <> '*') w
	WHERE NOT EXISTS (SELECT FROM @modules@ m WHERE lower(m.@modules.module_key@) IN (lower(w.name), w.alias))
	GROUP BY w.option, w.name$$,
	'Every module that the pack''s options name exists.'),
('entitlements', 15, 'entitlements_flags_differ', 'check', '{org_id,module_key}', 'notice', $$
	SELECT o.@organizations.id@ AS org_id, m.@modules.module_key@ AS module_key, e.@org_entitlements.status@ AS status,
	       flagged.modules ? lower(m.@modules.module_key@) AS flag
	FROM @organizations@ o
	CROSS JOIN LATERAL reconcile.modules_on(o.@organizations.enabled_modules@::text, lower(@'aliases'@)::jsonb) AS flagged
	JOIN @org_entitlements@ e ON e.@org_entitlements.org_id@ = o.@organizations.id@
	JOIN @modules@ m ON m.@modules.id@ = e.@org_entitlements.module_id@
	WHERE (e.@org_entitlements.status@ <> 'disabled') <> (flagged.modules ? lower(m.@modules.module_key@))
	  AND NOT lower(@'always_on'@)::jsonb ? lower(m.@modules.module_key@)$$,
	'The flags in enabled_modules, which older parts of the application read, say what the entitlements say.');

-- ------------------------------------------------------------------- who has what
--
-- What an organization was given is a row of bits, two per module in the order
-- of the modules: 10 enabled, 01 disabled.  Many organizations are given the
-- same, so that the modules are named once for each such row of bits and not
-- once for each organization; sorting names is what takes the time.
CREATE FUNCTION reconcile.entitlements_facts(options jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT options || jsonb_build_object('sql', jsonb_build_object(
			'modules', reconcile.pack_sql(options, $$
				SELECT p.id, p.key, p.place, overlay(p.nothing PLACING '10' FROM 2 * p.place - 1)::bit varying AS enabled,
				       overlay(p.nothing PLACING '01' FROM 2 * p.place - 1)::bit varying AS disabled
				FROM (SELECT x.@modules.id@ AS id, x.@modules.module_key@::text AS key, repeat('00', count(*) OVER ()::integer) AS nothing,
				             row_number() OVER (ORDER BY x.@modules.sort_order@, x.@modules.module_key@)::integer AS place
				      FROM @modules@ x) p$$),
			'described', $$
				SELECT s.state, coalesce(array_agg(m.key ORDER BY m.place) FILTER (WHERE substr(s.state, 2 * m.place - 1, 2) = '10'), '{}') AS enabled,
				       coalesce(array_agg(m.key ORDER BY m.place) FILTER (WHERE substr(s.state, 2 * m.place - 1, 2) = '01'), '{}') AS disabled
				FROM (SELECT DISTINCT g.state FROM given g) s CROSS JOIN module m GROUP BY s.state$$));
	END;
COMMENT ON FUNCTION reconcile.entitlements_facts(jsonb) IS
	'used by pack entitlements: the options with the parts that its queries share';

-- ------------------------------------------------------------------------ install

CREATE FUNCTION reconcile.install_entitlements(options jsonb, dry_run boolean)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wrong text;
BEGIN
	IF EXISTS (SELECT FROM jsonb_array_elements(options -> 'always_on') AS key WHERE jsonb_typeof(key) <> 'string') THEN
		PERFORM reconcile.refuse('22023', 'option "always_on" of pack "entitlements" must be a list of keys of modules');
	END IF;
	SELECT a.key INTO wrong FROM jsonb_each(options -> 'aliases') AS a WHERE jsonb_typeof(a.value) <> 'string' LIMIT 1;
	IF FOUND THEN
		PERFORM reconcile.refuse('22023', format('"%s" in option "aliases" of pack "entitlements" must be the key of a module', wrong));
	END IF;
	IF length(options ->> 'source') NOT BETWEEN 1 AND 100 THEN
		PERFORM reconcile.refuse('22023', 'option "source" of pack "entitlements" must have 1 to 100 characters');
	END IF;
	RETURN QUERY SELECT * FROM reconcile.pack_install('entitlements', reconcile.entitlements_facts(options), dry_run);
END $$;
REVOKE ALL ON FUNCTION reconcile.install_entitlements(jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.install_entitlements(jsonb, boolean) IS
	'used by install_pack(): installs pack entitlements; changes the schema and reference rows unless dry_run';

-- ------------------------------------------------------------------------- report

-- One row per organization.  Before a repair a missing row counts as what it
-- would become; after it, $1 being its run, rows of the run are told from those
-- that were there, and what is still missing has failed.
CREATE FUNCTION reconcile.entitlements_report(options jsonb, live boolean) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT reconcile.pack_sql(jsonb_set(facts.options, '{sql,org_entitlements}', to_jsonb(r.expects)), format($query$
			WITH module AS (@!sql.modules@),
			run AS (SELECT DISTINCT r.xid::xid FROM reconcile.run_xids($1) r),
			entitlement AS (%s),
			given AS (
				SELECT e.org_id, count(*) AS there, count(*) FILTER (WHERE NOT e.added) AS already_present,
				       coalesce(bit_or(CASE WHEN e.status = 'enabled' THEN m.enabled ELSE m.disabled END) FILTER (WHERE e.added)::text, '') AS state
				FROM entitlement e JOIN module m ON m.id = e.module_id GROUP BY e.org_id),
			described AS (@!sql.described@)
			SELECT o.@organizations.id@::text, o.@organizations.name@::text, coalesce(d.enabled, '{}'), coalesce(d.disabled, '{}'),
			       coalesce(g.already_present, 0), CASE WHEN %L THEN (SELECT count(*) FROM module) - coalesce(g.there, 0) ELSE 0 END
			FROM @organizations@ o LEFT JOIN given g ON g.org_id = o.@organizations.id@ LEFT JOIN described d ON d.state = g.state
			ORDER BY o.@organizations.id@$query$,
			CASE WHEN live THEN $live$
				SELECT x.@org_entitlements.org_id@ AS org_id, x.@org_entitlements.module_id@ AS module_id, x.@org_entitlements.status@ AS status,
				       r.xid IS NOT NULL AS added
				FROM @org_entitlements@ x LEFT JOIN run r ON r.xid = x.xmin$live$
			ELSE $planned$
				SELECT e.@.org_id@ AS org_id, e.@.module_id@ AS module_id, e.@.status@ AS status, x.@.org_id@ IS NULL AS added
				FROM (@!sql.org_entitlements@) e
				LEFT JOIN @org_entitlements@ x ON x.@.org_id@ = e.@.org_id@ AND x.@.module_id@ = e.@.module_id@$planned$
			END, live), 'org_entitlements')
		FROM (SELECT reconcile.entitlements_facts(entitlements_report.options) AS options) AS facts
		CROSS JOIN LATERAL reconcile.pack_rules('entitlements', facts.options, 'entitlements_org_entitlements') r;
	END;
COMMENT ON FUNCTION reconcile.entitlements_report(jsonb, boolean) IS
	'used by init_org_entitlements(): the query of its result';

CREATE FUNCTION @extschema@.init_org_entitlements(dry_run boolean DEFAULT false)
	RETURNS TABLE (org_id text, organization text, enabled text[], disabled text[], already_present bigint, failed bigint)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	run bigint;
BEGIN
	SELECT r.run_id INTO run
	FROM reconcile.pack_init('entitlements', '{entitlements_org_entitlements,entitlements_events}', dry_run) r
	WHERE r.invariant = 'entitlements_org_entitlements';
	RETURN QUERY
		SELECT r.* FROM reconcile.packs p CROSS JOIN LATERAL
			reconcile.pack_report('entitlements_org_entitlements', reconcile.entitlements_report(p.options, NOT dry_run), run, NULL)
			AS r(org_id text, organization text, enabled text[], disabled text[], already_present bigint, failed bigint)
		WHERE p.name = 'entitlements';
END $$;
REVOKE ALL ON FUNCTION @extschema@.init_org_entitlements(boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.init_org_entitlements(boolean) IS
	'gives every organization an entitlement for every module, one row per organization; changes user data unless dry_run';
