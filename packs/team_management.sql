-- Pack team_management: reference roles and notification templates,
-- notification preferences for every user, storage counters that agree with
-- the attachments, and what an approval may be called.
--
-- The tables come in several shapes, as several sets of scripts made them, so
-- the rules are written when the pack is installed: by which unique indexes
-- there are, and by which columns must be given a value because their default
-- is the client's.

INSERT INTO reconcile.pack (name, description, row_keys, options) VALUES (
	'team_management',
	'system roles and notification templates, notification preferences of every user, storage counters, updated_at',
	'{"team_roles": ["id", "name", "description", "permissions", "can_approve_invoices", "approval_limit", "can_create_invoices",
	                 "can_manage_projects", "can_view_reports"],
	  "notification_templates": ["name", "subject", "body", "variables"]}',
	$options${
	"guards": "queue", "storage_category": "", "exact": {},
	"kept": {"team_roles": ["description"], "notification_templates": ["subject", "body_html", "body_text", "is_active"]},
	"approval_actions": ["submitted", "approved", "rejected", "delegated", "escalated", "commented", "cancelled", "expired"],
	"rows": {
		"team_roles": [
			{"id": "role-owner", "name": "Owner", "description": "Everything in the account",
			 "permissions": {"all": true}, "can_approve_invoices": true, "approval_limit": null,
			 "can_create_invoices": true, "can_manage_projects": true, "can_view_reports": true},
			{"id": "role-finance-manager", "name": "Finance Manager", "description": "Approves invoices up to a limit",
			 "permissions": {"invoices": ["view", "approve"], "reports": ["view"]}, "can_approve_invoices": true, "approval_limit": 50000,
			 "can_create_invoices": false, "can_manage_projects": false, "can_view_reports": true},
			{"id": "role-project-manager", "name": "Project Manager", "description": "Runs projects and creates their invoices",
			 "permissions": {"projects": ["view", "manage"], "invoices": ["view", "create"]}, "can_approve_invoices": false, "approval_limit": 1000000,
			 "can_create_invoices": true, "can_manage_projects": true, "can_view_reports": true},
			{"id": "role-accountant", "name": "Accountant", "description": "Reads invoices and reports",
			 "permissions": {"invoices": ["view"], "reports": ["view"]}, "can_approve_invoices": false, "approval_limit": null,
			 "can_create_invoices": false, "can_manage_projects": false, "can_view_reports": true},
			{"id": "role-viewer", "name": "Viewer", "description": "Looks at projects",
			 "permissions": {"projects": ["view"]}, "can_approve_invoices": false, "approval_limit": null,
			 "can_create_invoices": false, "can_manage_projects": false, "can_view_reports": false}],
		"notification_templates": [
			{"name": "invoice_approved", "subject": "Invoice {{invoice_number}} was approved",
			 "body": "{{approver_name}} approved invoice {{invoice_number}} over {{amount}}.", "variables": ["invoice_number", "approver_name", "amount"]},
			{"name": "invoice_rejected", "subject": "Invoice {{invoice_number}} was rejected",
			 "body": "{{approver_name}} rejected invoice {{invoice_number}}: {{reason}}", "variables": ["invoice_number", "approver_name", "reason"]},
			{"name": "invoice_pending_approval", "subject": "Invoice {{invoice_number}} waits for your approval",
			 "body": "Invoice {{invoice_number}} over {{amount}} from {{vendor_name}} waits for you.", "variables": ["invoice_number", "amount", "vendor_name"]},
			{"name": "team_invitation", "subject": "{{inviter_name}} invites you to {{company_name}}",
			 "body": "{{inviter_name}} invites you to join {{company_name}} as {{role_name}}: {{invitation_link}}",
			 "variables": ["inviter_name", "company_name", "role_name", "invitation_link"]},
			{"name": "payment_received", "subject": "Payment of {{amount}} received",
			 "body": "We received {{amount}} for invoice {{invoice_number}}.", "variables": ["amount", "invoice_number"]}]}}$options$);

INSERT INTO reconcile.pack_layout (pack, table_name, position, columns, constraints) VALUES
('team_management', 'customers', 1, ARRAY[
	['id', 'text', 'NOT NULL DEFAULT (gen_random_uuid())::text'],
	['storage_used', 'bigint', 'NOT NULL DEFAULT 0'],
	['storage_limit', 'bigint', 'NOT NULL DEFAULT ''5368709120''::bigint'],
	['storage_last_calculated', 'timestamp without time zone', ''],
	['licenseNumber', 'text', '']],
	ARRAY['PRIMARY KEY (@.id@)']),
('team_management', 'users', 2, ARRAY[
	['id', 'text', 'NOT NULL DEFAULT (gen_random_uuid())::text'],
	['customerId', '@customers.id@', ''],
	['bio', 'text', ''],
	['is_temp_password', 'boolean', 'DEFAULT false'],
	['temp_password_expires_at', 'timestamp without time zone', ''],
	['must_change_password', 'boolean', 'DEFAULT false']],
	ARRAY['PRIMARY KEY (@.id@)', 'FOREIGN KEY (@.customerId@) REFERENCES @customers@ ON DELETE CASCADE', 'INDEX (@.customerId@)']),
('team_management', 'team_roles', 3, ARRAY[
	['id', 'text', 'NOT NULL DEFAULT (gen_random_uuid())::text'],
	['customer_id', '@customers.id@', ''],
	['name', 'text', 'NOT NULL'],
	['description', 'text', ''],
	['is_system_role', 'boolean', 'DEFAULT false'],
	['permissions', 'jsonb', 'NOT NULL DEFAULT ''{}''::jsonb'],
	['can_approve_invoices', 'boolean', 'DEFAULT false'],
	['approval_limit', 'numeric(15,2)', ''],
	['requires_approval_from', 'text[]', 'OPTIONAL '],
	['can_create_invoices', 'boolean', 'DEFAULT false'],
	['can_manage_projects', 'boolean', 'DEFAULT false'],
	['can_view_reports', 'boolean', 'DEFAULT false'],
	['created_at', 'timestamp without time zone', 'OPTIONAL DEFAULT CURRENT_TIMESTAMP'],
	['updated_at', 'timestamp without time zone', 'DEFAULT CURRENT_TIMESTAMP']],
	ARRAY['PRIMARY KEY (@.id@)', 'UNIQUE INDEX (@.customer_id@, @.name@) NULLS NOT DISTINCT',
	      'FOREIGN KEY (@.customer_id@) REFERENCES @customers@ ON DELETE CASCADE']),
('team_management', 'team_members', 4, ARRAY[
	['id', 'text', 'NOT NULL DEFAULT (gen_random_uuid())::text'],
	['customer_id', '@customers.id@', 'NOT NULL'],
	['user_id', '@users.id@', ''],
	['role_id', '@team_roles.id@', 'NOT NULL'],
	['first_name', 'text', 'OPTIONAL NOT NULL'],
	['last_name', 'text', 'OPTIONAL NOT NULL'],
	['email', 'text', 'NOT NULL'],
	['status', 'text', 'NOT NULL DEFAULT ''active''::text'],
	['created_at', 'timestamp without time zone', 'OPTIONAL DEFAULT CURRENT_TIMESTAMP'],
	['updated_at', 'timestamp without time zone', 'DEFAULT CURRENT_TIMESTAMP']],
	ARRAY['PRIMARY KEY (@.id@)', 'UNIQUE (@.customer_id@, @.email@)',
	      'CHECK (@.status@ IN (''active'', ''inactive'', ''suspended'', ''invited''))',
	      'FOREIGN KEY (@.customer_id@) REFERENCES @customers@ ON DELETE CASCADE',
	      'FOREIGN KEY (@.user_id@) REFERENCES @users@ ON DELETE SET NULL',
	      'FOREIGN KEY (@.role_id@) REFERENCES @team_roles@', 'INDEX (@.role_id@)', 'INDEX (@.user_id@)']),
('team_management', 'invoice_approvals', 5, ARRAY[
	['id', 'text', 'NOT NULL DEFAULT (gen_random_uuid())::text'],
	['invoice_id', 'text', 'OPTIONAL NOT NULL'],
	['customer_id', '@customers.id@', 'OPTIONAL NOT NULL'],
	['status', 'text', 'NOT NULL DEFAULT ''pending''::text'],
	['updated_at', 'timestamp without time zone', 'DEFAULT CURRENT_TIMESTAMP']],
	ARRAY['PRIMARY KEY (@.id@)', 'CHECK (@.status@ IN (''pending'', ''approved'', ''rejected'', ''delegated'', ''expired''))',
	      'FOREIGN KEY (@.customer_id@) REFERENCES @customers@ ON DELETE CASCADE', 'INDEX (@.customer_id@)']),
('team_management', 'approval_history', 6, ARRAY[
	['id', 'text', 'NOT NULL DEFAULT (gen_random_uuid())::text'],
	['approval_id', '@invoice_approvals.id@', 'NOT NULL'],
	['action', 'text', 'NOT NULL'],
	['created_at', 'timestamp without time zone', 'OPTIONAL DEFAULT CURRENT_TIMESTAMP']],
	ARRAY['PRIMARY KEY (@.id@)', 'FOREIGN KEY (@.approval_id@) REFERENCES @invoice_approvals@ ON DELETE CASCADE', 'INDEX (@.approval_id@)']),
('team_management', 'notification_templates', 7, ARRAY[
	['id', 'uuid', 'NOT NULL DEFAULT gen_random_uuid()'],
	['customer_id', '@customers.id@', 'OPTIONAL '],
	['name', 'character varying(100)', 'OPTIONAL NOT NULL'],
	['type', 'character varying(50)', 'NOT NULL'],
	['subject', 'text', ''],
	['body_html', 'text', ''],
	['body_text', 'text', ''],
	['variables', 'jsonb', ''],
	['is_system', 'boolean', 'OPTIONAL DEFAULT false'],
	['is_active', 'boolean', 'DEFAULT true'],
	['created_by', '@users.id@', 'OPTIONAL '],
	['created_at', 'timestamp without time zone', 'OPTIONAL DEFAULT CURRENT_TIMESTAMP'],
	['updated_at', 'timestamp without time zone', 'DEFAULT CURRENT_TIMESTAMP']],
	ARRAY['PRIMARY KEY (@.id@)', 'UNIQUE INDEX (@.customer_id@, @.name@, @.type@) NULLS NOT DISTINCT',
	      'FOREIGN KEY (@.customer_id@) REFERENCES @customers@ ON DELETE CASCADE']),
('team_management', 'notification_preferences', 8, ARRAY[
	['id', 'uuid', 'NOT NULL DEFAULT gen_random_uuid()'],
	['user_id', '@users.id@', 'NOT NULL'],
	['customer_id', '@customers.id@', 'NOT NULL'],
	['email_enabled', 'boolean', 'OPTIONAL DEFAULT true'],
	['email_invoice_approval', 'boolean', 'OPTIONAL DEFAULT true'],
	['email_invoice_approved', 'boolean', 'OPTIONAL DEFAULT true'],
	['email_invoice_rejected', 'boolean', 'OPTIONAL DEFAULT true'],
	['email_payment', 'boolean', 'OPTIONAL DEFAULT true'],
	['email_team', 'boolean', 'OPTIONAL DEFAULT true'],
	['quiet_hours_start', 'time without time zone', 'OPTIONAL '],
	['quiet_hours_end', 'time without time zone', 'OPTIONAL '],
	['created_at', 'timestamp without time zone', 'OPTIONAL DEFAULT CURRENT_TIMESTAMP'],
	['updated_at', 'timestamp without time zone', 'DEFAULT CURRENT_TIMESTAMP']],
	ARRAY['PRIMARY KEY (@.id@)', 'UNIQUE (@.user_id@, @.customer_id@)',
	      'FOREIGN KEY (@.user_id@) REFERENCES @users@ ON DELETE CASCADE',
	      'FOREIGN KEY (@.customer_id@) REFERENCES @customers@ ON DELETE CASCADE', 'INDEX (@.customer_id@)']),
('team_management', 'storage_usage', 9, ARRAY[
	['id', 'text', 'NOT NULL DEFAULT (gen_random_uuid())::text'],
	['customer_id', '@customers.id@', 'NOT NULL'],
	['file_type', 'text', 'NOT NULL'],
	['category', 'text', ''],
	['file_count', 'integer', 'NOT NULL DEFAULT 0'],
	['total_size', 'bigint', 'NOT NULL DEFAULT 0'],
	['last_updated', 'timestamp without time zone', 'DEFAULT CURRENT_TIMESTAMP']],
	ARRAY['PRIMARY KEY (@.id@)', 'UNIQUE INDEX (@.customer_id@, @.file_type@, @.category@) NULLS NOT DISTINCT',
	      'FOREIGN KEY (@.customer_id@) REFERENCES @customers@ ON DELETE CASCADE']),
('team_management', 'invoice_attachments', 10, ARRAY[
	['id', 'text', 'NOT NULL DEFAULT (gen_random_uuid())::text'],
	['invoice_id', 'text', 'OPTIONAL NOT NULL'],
	['customer_id', '@customers.id@', 'NOT NULL'],
	['file_path', 'text', 'OPTIONAL NOT NULL'],
	['file_name', 'text', 'OPTIONAL NOT NULL'],
	['file_size', 'bigint', 'NOT NULL'],
	['file_type', 'text', ''],
	['mime_type', 'text', 'OPTIONAL '],
	['uploaded_by', '@users.id@', 'OPTIONAL '],
	['uploaded_at', 'timestamp without time zone', 'OPTIONAL DEFAULT CURRENT_TIMESTAMP'],
	['metadata', 'jsonb', 'OPTIONAL ']],
	ARRAY['PRIMARY KEY (@.id@)', 'FOREIGN KEY (@.customer_id@) REFERENCES @customers@ ON DELETE CASCADE', 'INDEX (@.customer_id@)']);

-- ------------------------------------------------------- triggers over the tables
--
-- Attachments are counted by the statement, with what was before and after it.
-- The customers concerned are locked first and in order, so that two uploads
-- for several customers wait for each other and do not deadlock; the lock also
-- lets one of them make the row of a counter that is not there yet.

INSERT INTO reconcile.pack_object (pack, name, position, type, on_table, is_guard, definition, description)
	SELECT 'team_management', 'team_management_count_' || event, 1, 'function', NULL, true, format($template$() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $function$
	BEGIN
		PERFORM FROM @customers@ c WHERE c.@customers.id@ IN (SELECT a.@invoice_attachments.customer_id@ FROM (%1$s) a)
		ORDER BY c.@customers.id@ FOR NO KEY UPDATE;
		WITH delta AS (
			SELECT a.@invoice_attachments.customer_id@ AS customer_id, coalesce(a.@invoice_attachments.file_type@, 'other') AS file_type,
			       sum(a.sign)::integer AS files, sum(a.sign * coalesce(a.@invoice_attachments.file_size@, 0))::bigint AS size
			FROM (%1$s) a WHERE a.@invoice_attachments.customer_id@ IS NOT NULL GROUP BY 1, 2),
		counted AS (
			UPDATE @storage_usage@ s SET @storage_usage.file_count@ = greatest(s.@storage_usage.file_count@ + d.files, 0),
			       @storage_usage.total_size@ = greatest(s.@storage_usage.total_size@ + d.size, 0), @storage_usage.last_updated@ = now()
			FROM delta d
			WHERE s.@storage_usage.customer_id@ = d.customer_id AND s.@storage_usage.file_type@ = d.file_type
			  AND s.@storage_usage.category@ IS NOT DISTINCT FROM nullif(@'storage_category'@, '')
			RETURNING d.customer_id, d.file_type),
		fresh AS (
			INSERT INTO @storage_usage@ (@storage_usage.id@, @storage_usage.customer_id@, @storage_usage.file_type@, @storage_usage.category@,
			                             @storage_usage.file_count@, @storage_usage.total_size@, @storage_usage.last_updated@)
			SELECT gen_random_uuid(), d.customer_id, d.file_type, nullif(@'storage_category'@, ''), d.files, d.size, now()
			FROM delta d WHERE d.files > 0
			  AND NOT EXISTS (SELECT FROM counted c WHERE c.customer_id = d.customer_id AND c.file_type = d.file_type))
		UPDATE @customers@ c SET @customers.storage_used@ = greatest(coalesce(c.@customers.storage_used@, 0) + d.size, 0)
		FROM (SELECT d.customer_id, sum(d.size)::bigint AS size FROM delta d GROUP BY 1) d
		WHERE c.@customers.id@ = d.customer_id AND d.size <> 0;
		RETURN NULL;
	END $function$ $template$, changes), 'keeps the storage counters of customers'
	FROM (VALUES
		('insert', 'SELECT n.*, 1 AS sign FROM new_rows n'),
		('update', 'SELECT n.*, 1 AS sign FROM new_rows n UNION ALL SELECT o.*, -1 FROM old_rows o'),
		('delete', 'SELECT o.*, -1 AS sign FROM old_rows o')) AS e(event, changes)
	UNION ALL
	SELECT 'team_management', 'update_storage_on_attachment_' || event, 2, 'trigger', 'invoice_attachments', true,
	       format(' AFTER %s ON @invoice_attachments@ REFERENCING %s FOR EACH STATEMENT EXECUTE FUNCTION @team_management_count_%s@()',
	              upper(event), transition, event), 'counts attachments'
	FROM (VALUES ('insert', 'NEW TABLE AS new_rows'), ('update', 'OLD TABLE AS old_rows NEW TABLE AS new_rows'),
	             ('delete', 'OLD TABLE AS old_rows')) AS e(event, transition)
	UNION ALL
	SELECT 'team_management', 'team_management_touch', 1, 'function', NULL, true, $definition$() RETURNS trigger
	LANGUAGE plpgsql
	AS $function$
	BEGIN
		RETURN pg_catalog.jsonb_populate_record(NEW, pg_catalog.jsonb_build_object(TG_ARGV[0], pg_catalog.now()));
	END $function$ $definition$, 'notes when a row was changed last'
	UNION ALL
	SELECT 'team_management', format('update_%s_updated_at', t.name), 2, 'trigger', t.name, true,
	       format(' BEFORE UPDATE ON @%s@ FOR EACH ROW EXECUTE FUNCTION @team_management_touch@(@.updated_at@)', t.name),
	       'notes when a row was changed last'
	FROM unnest('{team_roles,team_members,invoice_approvals,notification_templates,notification_preferences}'::text[]) AS t(name);

-- --------------------------------------------------------------------- the rules

-- Which of these lists of columns a unique index of a table is on; the first
-- list if it is on none.
CREATE FUNCTION reconcile.team_management_key(options jsonb, table_name text, VARIADIC lists text[]) RETURNS text[]
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT string_to_array(coalesce((
			SELECT l.list FROM unnest(lists) WITH ORDINALITY AS l(list, n)
			WHERE reconcile.pack_constraint_difference(to_regclass(reconcile.pack_table(options, table_name)), 'UNIQUE',
				ARRAY(SELECT reconcile.pack_column(options, table_name, c) FROM unnest(string_to_array(l.list, ',')) AS c), NULL, NULL) IS NULL
			ORDER BY l.n LIMIT 1), lists[1]), ',');
	END;
COMMENT ON FUNCTION reconcile.team_management_key(jsonb, text, text[]) IS
	'used by pack team_management: the key that a table has here';

-- Columns whose value an ORM makes and the database does not: not null, without
-- default.
CREATE FUNCTION reconcile.team_management_fillers(options jsonb, table_name text) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT coalesce(string_agg(format(', %s AS %I', v.value, a.attname), '' ORDER BY a.attnum), '')
		FROM (VALUES ('id', 'gen_random_uuid()'), ('created_at', 'now()'), ('updated_at', 'now()'), ('last_updated', 'now()')) AS v(name, value)
		JOIN pg_attribute a ON a.attrelid = to_regclass(reconcile.pack_table(options, table_name)) AND a.attnotnull AND NOT a.atthasdef
			AND a.attidentity = '' AND quote_ident(a.attname) = reconcile.pack_column(options, table_name, v.name);
	END;
COMMENT ON FUNCTION reconcile.team_management_fillers(jsonb, text) IS
	'used by pack team_management: values for columns whose default is the client''s';

-- What the source of a trigger's function needs and is not there: columns of the
-- row that it was called for, columns that it inserts into one of the tables,
-- and the unique key that its ON CONFLICT names.
CREATE FUNCTION reconcile.team_management_lacking(source text, row_of regclass, tables regclass[])
	RETURNS TABLE (lacking regclass, what text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		WITH insertion AS (
			SELECT c.oid::regclass AS target, i[3] AS columns, i[4] AS key
			FROM regexp_matches(source, '\mINSERT\s+INTO\s+(?:\w+\.)?(?:"([^"]+)"|(\w+))\s*\(([^)]*)\)(?:[^;]*\mON\s+CONFLICT\s*\(([^)]*)\))?', 'gi') AS i
			JOIN pg_class c ON c.oid = ANY (tables) AND c.relname = coalesce(i[1], lower(i[2]))),
		named AS (
			SELECT row_of AS target, 'column' AS kind, ARRAY[coalesce(f[1], lower(f[2]))] AS names
			FROM regexp_matches(source, '\m(?:NEW|OLD)\.(?:"([^"]+)"|(\w+))', 'gi') AS f
			UNION
			SELECT i.target, 'column', ARRAY[coalesce(f[1], lower(f[2]))]
			FROM insertion i CROSS JOIN LATERAL regexp_matches(i.columns, '"([^"]+)"|(\w+)', 'g') AS f
			UNION
			SELECT i.target, 'unique key', ARRAY(SELECT coalesce(f[1], lower(f[2])) FROM regexp_matches(i.key, '"([^"]+)"|(\w+)', 'g') AS f)
			FROM insertion i WHERE i.key IS NOT NULL)
		SELECT n.target, format('%s (%s)', n.kind, array_to_string(n.names, ', '))
		FROM named n
		WHERE CASE n.kind
			WHEN 'column' THEN NOT EXISTS (
				SELECT FROM pg_attribute a WHERE a.attrelid = n.target AND a.attname = n.names[1] AND NOT a.attisdropped)
			ELSE NOT EXISTS (
				SELECT FROM pg_index x WHERE x.indrelid = n.target AND x.indisunique AND x.indisvalid AND x.indimmediate AND x.indpred IS NULL
				  AND x.indnkeyatts = cardinality(n.names)
				  AND n.names <@ (SELECT array_agg(a.attname::text) FROM pg_attribute a WHERE a.attrelid = n.target AND a.attnum = ANY (x.indkey)))
			END;
	END;
COMMENT ON FUNCTION reconcile.team_management_lacking(text, regclass, regclass[]) IS
	'used by pack team_management: what a trigger''s function names and a table does not have';

-- The rules as templates.  @!facts.x@ is what the tables say.
CREATE FUNCTION reconcile.team_management_templates(facts jsonb)
	RETURNS TABLE ("position" integer, name text, kind text, target text, key text[], expects text, compare text[],
	               severity text, description text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		VALUES
		(1, 'team_management_roles', 'insert', 'team_roles', '{customer_id,name}'::text[], $$
			SELECT r.id AS @.id@, (SELECT c.@customers.id@ FROM @customers@ c WHERE false) AS @.customer_id@, r.name AS @.name@,
			       r.description AS @.description@, true AS @.is_system_role@, r.permissions AS @.permissions@,
			       r.can_approve_invoices AS @.can_approve_invoices@, r.approval_limit AS @.approval_limit@,
			       r.can_create_invoices AS @.can_create_invoices@, r.can_manage_projects AS @.can_manage_projects@,
			       r.can_view_reports AS @.can_view_reports@@!facts.role_fillers@
			FROM jsonb_to_recordset(@'rows.team_roles'@) AS r(id text, name text, description text, permissions jsonb,
			     can_approve_invoices boolean, approval_limit numeric, can_create_invoices boolean, can_manage_projects boolean,
			     can_view_reports boolean)$$,
			'{description,is_system_role,permissions,can_approve_invoices,approval_limit,can_create_invoices,can_manage_projects,can_view_reports}'::text[],
			'error', 'The system roles are there, as they should be.'),
		(2, 'team_management_templates', 'insert', 'notification_templates',
			CASE WHEN (facts ->> 'named_templates')::boolean THEN '{customer_id,name,type}'::text[] ELSE '{type}'::text[] END,
			CASE WHEN (facts ->> 'named_templates')::boolean THEN $$
			SELECT (SELECT c.@customers.id@ FROM @customers@ c WHERE false) AS @.customer_id@, r.name AS @.name@, 'email' AS @.type@,
			       r.subject AS @.subject@, '<p>' || r.body || '</p>' AS @.body_html@, r.body AS @.body_text@, r.variables AS @.variables@,
			       true AS @.is_system@, true AS @.is_active@@!facts.template_fillers@
			FROM jsonb_to_recordset(@'rows.notification_templates'@) AS r(name text, subject text, body text, variables jsonb)$$
			ELSE $$
			SELECT r.name AS @.type@, r.subject AS @.subject@, '<p>' || r.body || '</p>' AS @.body_html@, r.body AS @.body_text@,
			       r.variables AS @.variables@, true AS @.is_active@@!facts.template_fillers@
			FROM jsonb_to_recordset(@'rows.notification_templates'@) AS r(name text, subject text, body text, variables jsonb)$$ END,
			'{subject,body_html,body_text,variables,is_active}'::text[], 'error', 'The notification templates are there, as they should be.'),
		(3, 'team_management_preferences', 'insert', 'notification_preferences',
			ARRAY(SELECT jsonb_array_elements_text(facts -> 'preferences_key')), $$
			SELECT u.@users.id@ AS @.user_id@, u.@users.customerId@ AS @.customer_id@@!facts.preferences_fillers@
			FROM @users@ u WHERE u.@users.customerId@ IS NOT NULL$$,
			'{}'::text[], 'error', 'Every user of a customer has notification preferences.'),
		(4, 'team_management_storage_rows', 'insert', 'storage_usage', '{customer_id,file_type,category}'::text[], $$
			SELECT a.@invoice_attachments.customer_id@ AS @.customer_id@, coalesce(a.@invoice_attachments.file_type@, 'other') AS @.file_type@,
			       nullif(@'storage_category'@, '') AS @.category@, count(*)::integer AS @.file_count@,
			       coalesce(sum(a.@invoice_attachments.file_size@), 0)::bigint AS @.total_size@@!facts.usage_fillers@
			FROM @invoice_attachments@ a WHERE a.@invoice_attachments.customer_id@ IS NOT NULL
			GROUP BY a.@invoice_attachments.customer_id@, coalesce(a.@invoice_attachments.file_type@, 'other')$$,
			'{}'::text[], 'error', 'Every customer has a counter for each type of file they attached.'),
		(5, 'team_management_storage_usage', 'fill', 'storage_usage', '{customer_id,file_type,category}'::text[], $$
			SELECT s.@.customer_id@ AS @.customer_id@, s.@.file_type@ AS @.file_type@, s.@.category@ AS @.category@,
			       coalesce(a.files, 0)::integer AS @.file_count@, coalesce(a.size, 0)::bigint AS @.total_size@
			FROM @storage_usage@ s LEFT JOIN (
				SELECT a.@invoice_attachments.customer_id@ AS customer_id, coalesce(a.@invoice_attachments.file_type@, 'other') AS file_type,
				       count(*) AS files, sum(a.@invoice_attachments.file_size@) AS size
				FROM @invoice_attachments@ a GROUP BY 1, 2) a
			  ON a.customer_id = s.@.customer_id@ AND a.file_type = s.@.file_type@
			WHERE s.@.category@ IS NOT DISTINCT FROM nullif(@'storage_category'@, '')$$,
			'{file_count,total_size}'::text[], 'error', 'Storage counters agree with the attachments.'),
		(6, 'team_management_storage_used', 'fill', 'customers', '{id}'::text[], $$
			SELECT c.@.id@ AS @.id@, (coalesce(a.size, 0) + coalesce(s.size, 0))::bigint AS @.storage_used@
			FROM @customers@ c
			LEFT JOIN (SELECT a.@invoice_attachments.customer_id@ AS customer_id, sum(a.@invoice_attachments.file_size@) AS size
			           FROM @invoice_attachments@ a GROUP BY 1) a ON a.customer_id = c.@.id@
			LEFT JOIN (SELECT s.@storage_usage.customer_id@ AS customer_id, sum(s.@storage_usage.total_size@) AS size
			           FROM @storage_usage@ s WHERE s.@storage_usage.category@ IS DISTINCT FROM nullif(@'storage_category'@, '')
			           GROUP BY 1) s ON s.customer_id = c.@.id@$$,
			'{storage_used}'::text[], 'error', 'storage_used of a customer is the sum of its files.'),
		(7, 'team_management_approval_actions', 'check', NULL, '{history_id}'::text[], $$
			SELECT h.@approval_history.id@ AS history_id, h.@approval_history.action@ AS action
			FROM @approval_history@ h WHERE NOT @'approval_actions'@::jsonb ? h.@approval_history.action@$$,
			'{}'::text[], 'error', 'an action in the approval history is not one of the vocabulary'),
		(8, 'team_management_approval_history', 'check', NULL, '{approval_id}'::text[], $$
			SELECT a.@invoice_approvals.id@ AS approval_id, a.@invoice_approvals.status@ AS status
			FROM @invoice_approvals@ a
			WHERE a.@invoice_approvals.status@ <> 'pending'
			  AND NOT EXISTS (SELECT FROM @approval_history@ h WHERE h.@approval_history.approval_id@ = a.@invoice_approvals.id@
			                  AND h.@approval_history.action@ = a.@invoice_approvals.status@)$$,
			'{}'::text[], 'warning', 'an approval was decided and its history does not say so'),
		(9, 'team_management_foreign_role', 'check', NULL, '{member_id}'::text[], $$
			SELECT m.@team_members.id@ AS member_id, m.@team_members.customer_id@ AS customer_id, r.@team_roles.customer_id@ AS role_of
			FROM @team_members@ m JOIN @team_roles@ r ON r.@team_roles.id@ = m.@team_members.role_id@
			WHERE r.@team_roles.customer_id@ <> m.@team_members.customer_id@$$,
			'{}'::text[], 'error', 'a team member has a role of another customer'),
		(10, 'team_management_no_customer', 'check', NULL, '{user_id}'::text[], $$
			SELECT u.@users.id@ AS user_id FROM @users@ u WHERE u.@users.customerId@ IS NULL$$,
			'{}'::text[], 'notice', 'a user belongs to no customer, and so has no notification preferences'),
		(11, 'team_management_broken_trigger', 'check', NULL, '{trigger_name,table_name}'::text[], $$
			SELECT t.tgname::text AS trigger_name, t.tgrelid::regclass::text AS table_name, p.oid::regprocedure::text AS function_name,
			       m.lacking::text AS lacking, m.what AS what
			FROM pg_catalog.pg_trigger t
			JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
			JOIN pg_catalog.pg_language l ON l.oid = p.prolang AND l.lanname = 'plpgsql'
			CROSS JOIN LATERAL reconcile.team_management_lacking(p.prosrc, t.tgrelid, ARRAY[@!facts.tables@]::regclass[]) AS m
			WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype::integer & 1 = 1
			  AND t.tgrelid = ANY (ARRAY[@!facts.tables@]::regclass[])$$,
			'{}'::text[], 'error', 'a trigger''s function names a column or a unique key that a table does not have: writing fails');
	END;
COMMENT ON FUNCTION reconcile.team_management_templates(jsonb) IS
	'used by pack team_management: its invariants as templates';

-- What of a reference row's columns is declared as exact, is corrected by
-- repair(pack); what is kept may be anything; any other is reported.
CREATE FUNCTION reconcile.team_management_exact(options jsonb)
	RETURNS TABLE ("position" integer, name text, kind text, target text, key text[], expects text, compare text[],
	               severity text, description text)
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT 20 + t.position, replace(t.name, 'team_management_', 'team_management_exact_'), 'fill', t.target, t.key,
		       (SELECT format('SELECT %s FROM (%s) e', string_agg(format('e.@.%1$s@ AS @.%1$s@', c.name), ', ' ORDER BY c.n), t.expects)
		        FROM unnest(t.key || exact.columns) WITH ORDINALITY AS c(name, n)),
		       exact.columns, t.severity, 'Values of reference rows that were declared as exact.'
		FROM reconcile.team_management_templates(options) t
		CROSS JOIN LATERAL (SELECT ARRAY(SELECT jsonb_array_elements_text(options -> 'exact' -> t.target)) AS columns) AS exact
		WHERE t.position <= 2 AND exact.columns <> '{}'
		UNION ALL
		SELECT t.position, t.name, t.kind, t.target, t.key, t.expects,
		       CASE WHEN t.position <= 2 THEN ARRAY(
		           SELECT c FROM unnest(t.compare) AS c
		           WHERE NOT coalesce(options -> 'kept' -> t.target, '[]') || coalesce(options -> 'exact' -> t.target, '[]') ? c)
		       ELSE t.compare END, t.severity, t.description
		FROM reconcile.team_management_templates(options) t;
	END;
COMMENT ON FUNCTION reconcile.team_management_exact(jsonb) IS
	'used by pack team_management: its invariants, with what is declared as exact or kept';

CREATE FUNCTION reconcile.team_management_check(options jsonb) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	option  text;
	rule    record;
	wrong   text;
BEGIN
	PERFORM reconcile.pack_check_renames('team_management', options);
	FOREACH option IN ARRAY '{exact,kept}'::text[] LOOP
		PERFORM reconcile.pack_check_names('team_management', option, options -> option, '{team_roles,notification_templates}', 'array');
		FOR rule IN SELECT t.target, t.compare FROM reconcile.team_management_templates(options || '{"named_templates": true}') t
			WHERE t.position <= 2 LOOP
			SELECT c INTO wrong FROM jsonb_array_elements_text(options -> option -> rule.target) AS c WHERE c <> ALL (rule.compare) LIMIT 1;
			IF FOUND THEN
				PERFORM reconcile.refuse('22023', format('option "%s" of pack "team_management" has no column "%s" of %s', option, wrong, rule.target),
					hint => reconcile.did_you_mean(wrong, rule.compare));
			END IF;
		END LOOP;
	END LOOP;
END $$;
COMMENT ON FUNCTION reconcile.team_management_check(jsonb) IS
	'used by pack team_management: refuses options that cannot work';

-- ----------------------------------------------------------------------- install

-- What depends on the tables, added to the options.
CREATE FUNCTION reconcile.team_management_facts(options jsonb) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT options || jsonb_build_object(
			'named_templates', reconcile.pack_has_column(options, 'notification_templates', 'name'),
			'preferences_key', reconcile.team_management_key(options, 'notification_preferences', 'user_id,customer_id', 'user_id'),
			'facts', jsonb_build_object(
				'role_fillers', replace(reconcile.team_management_fillers(options, 'team_roles'), ', gen_random_uuid() AS '
					|| reconcile.pack_column(options, 'team_roles', 'id'), ''),
				'template_fillers', reconcile.team_management_fillers(options, 'notification_templates'),
				'preferences_fillers', reconcile.team_management_fillers(options, 'notification_preferences'),
				'usage_fillers', reconcile.team_management_fillers(options, 'storage_usage'),
				'tables', (SELECT string_agg(quote_literal(reconcile.pack_table(options, l.table_name)), ', ' ORDER BY l.position)
				           FROM reconcile.pack_layout l WHERE l.pack = 'team_management')));
	END;
COMMENT ON FUNCTION reconcile.team_management_facts(jsonb) IS
	'used by pack team_management: the options with what its tables say added';

CREATE FUNCTION reconcile.install_team_management(options jsonb, dry_run boolean)
	RETURNS TABLE (action text, object text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	facts jsonb;
BEGIN
	PERFORM reconcile.team_management_check(options);
	RETURN QUERY SELECT * FROM reconcile.pack_ensure_tables('team_management', options, dry_run);
	facts := reconcile.team_management_facts(options);
	RETURN QUERY SELECT u.* FROM (VALUES
			('team_roles', '{customer_id,name}'::text[]),
			('notification_templates', CASE WHEN (facts ->> 'named_templates')::boolean THEN '{customer_id,name,type}'::text[] ELSE '{type}' END),
			('notification_preferences', ARRAY(SELECT jsonb_array_elements_text(facts -> 'preferences_key'))),
			('storage_usage', '{customer_id,file_type,category}')) AS n(name, key)
		CROSS JOIN LATERAL reconcile.pack_ensure_unique(facts, n.name, n.key,
			reconcile.pack_constraint_difference(to_regclass(reconcile.pack_table(facts, n.name)), 'UNIQUE',
				ARRAY(SELECT reconcile.pack_column(facts, n.name, k) FROM unnest(n.key) AS k), NULL, NULL) IS NOT NULL, dry_run) AS u;
	RETURN QUERY SELECT * FROM reconcile.pack_ensure_objects('team_management', facts, dry_run);
	RETURN QUERY
		SELECT d.* FROM reconcile.team_management_exact(facts) r
		CROSS JOIN LATERAL reconcile.pack_declare('team_management', facts, r.name, reconcile.pack_table(facts, r.target),
			ARRAY(SELECT coalesce(facts -> 'columns' -> r.target ->> k, k) FROM unnest(r.key) AS k),
			reconcile.pack_sql(facts, reconcile.pack_typed('team_management', facts, r.target, r.expects), r.target), NULL, r.description, r.kind,
			ARRAY(SELECT coalesce(facts -> 'columns' -> r.target ->> c, c) FROM unnest(r.compare) AS c), r.severity, dry_run) AS d
		ORDER BY r.position;
	RETURN QUERY SELECT * FROM reconcile.pack_ensure_guard('team_management_preferences', options ->> 'guards', 'statement', dry_run);
END $$;
REVOKE ALL ON FUNCTION reconcile.install_team_management(jsonb, boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.install_team_management(jsonb, boolean) IS
	'used by install_pack(): installs pack team_management; changes the schema unless dry_run';

-- ------------------------------------------------------------------ entry point

CREATE FUNCTION @extschema@.init_team_management(dry_run boolean DEFAULT false)
	RETURNS TABLE (invariant text, run_id bigint, planned bigint, changed bigint, already_present bigint, failed bigint,
	               elapsed interval)
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT * FROM reconcile.pack_init('team_management', '{team_management_roles,team_management_templates,
			team_management_preferences,team_management_storage_rows}', dry_run);
	END;
REVOKE ALL ON FUNCTION @extschema@.init_team_management(boolean) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.init_team_management(boolean) IS
	'adds the system roles, notification templates, preferences and storage counters that are missing; changes user data unless dry_run';
