-- report(): one document about the whole database, printed in several formats.

-- One line for each thing that was looked at, also when all is well with it.
CREATE TYPE reconcile.report_line AS (
	section   text,
	name      text,
	errors    bigint,
	warnings  bigint,
	notices   bigint,
	unchecked bigint,
	findings  jsonb
);
COMMENT ON TYPE reconcile.report_line IS 'used by report(): what was looked at, and how many findings of which severity that gave';

CREATE FUNCTION reconcile.report_schema_lines() RETURNS SETOF reconcile.report_line
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH finding AS MATERIALIZED (
		SELECT f.*, f.kind = 'hint' AND (f.actual = 'not checked' OR f.reason LIKE 'not checked%') AS unchecked
		FROM @extschema@.audit_schema() f
	), line AS (
		SELECT CASE c.category WHEN 'migration' THEN 'migrations' ELSE 'schema' END AS section, c.category, c.title, c.n
		FROM unnest('{schema,extension,type,table,column,constraint,index,sequence,view,rule,function,trigger,policy,statistics,privilege,owner,seed row,migration}'::text[],
		            '{schemas,extensions,types,tables,columns,constraints,indexes,sequences,views,rules,functions,triggers,policies,statistics,privileges,owners,seed rows,migration history}'::text[])
			WITH ORDINALITY AS c(category, title, n)
	)
	-- Without a baseline nothing was compared, whatever else was looked at.
	SELECT l.section, l.title,
	       count(f) FILTER (WHERE f.severity = 'error' AND NOT f.unchecked), count(f) FILTER (WHERE f.severity = 'warning' AND NOT f.unchecked),
	       count(f) FILTER (WHERE f.severity = 'notice' AND NOT f.unchecked),
	       count(f) FILTER (WHERE f.unchecked) + CASE WHEN EXISTS (SELECT FROM reconcile.baselines b WHERE b.name = 'default') THEN 0 ELSE 1 END,
	       coalesce(jsonb_agg(jsonb_build_object('severity', f.severity, 'kind', f.kind, 'object', f.object, 'expected', f.expected, 'actual', f.actual,
	                'reason', f.reason, 'hazard', f.hazard, 'fix', nullif(f.fix, ''))
	                ORDER BY array_position('{error,warning,notice}', f.severity), f.object, f.reason) FILTER (WHERE f.object IS NOT NULL), '[]')
	FROM line l LEFT JOIN finding f ON f.category = l.category
	GROUP BY l.section, l.title, l.n
	ORDER BY l.n;
END;
COMMENT ON FUNCTION reconcile.report_schema_lines() IS 'used by report(): a line for each category of audit_schema()';

CREATE FUNCTION reconcile.report_invariant_lines() RETURNS SETOF reconcile.report_line
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT 'invariants', a.invariant, d.rows * (a.severity = 'error')::int, d.rows * (a.severity = 'warning')::int,
	       d.rows * (a.severity = 'notice')::int, (a.state = 'not checked')::int,
	       CASE WHEN a.state = 'clean' THEN '[]' ELSE jsonb_build_array(jsonb_build_object('severity', a.severity, 'kind', a.state, 'object', a.invariant,
	            'expected', a.expected || ' rows', 'actual', a.present || ' rows',
	            'reason', CASE WHEN a.state = 'not checked' THEN a.message ELSE concat_ws(', ', nullif(a.missing, 0) || ' missing',
	                nullif(a.differing, 0) || ' differing', nullif(a.duplicated, 0) || ' duplicated',
	                nullif(greatest(a.present - a.expected, 0), 0) || ' that must not exist') END, 'hazard', '',
	            'fix', CASE WHEN a.missing + a.differing > 0 THEN format('SELECT * FROM reconcile.repair(%L, dry_run => false);', a.invariant) END)) END
	FROM reconcile.audit() a
	CROSS JOIN LATERAL (SELECT CASE WHEN a.state = 'drift'
		THEN greatest(a.missing + a.differing + a.duplicated + greatest(a.present - a.expected, 0), 1) ELSE 0 END AS rows) AS d
	ORDER BY a.invariant;
END;
COMMENT ON FUNCTION reconcile.report_invariant_lines() IS 'used by report(): a line for each invariant';

CREATE FUNCTION reconcile.report_guard_lines() RETURNS SETOF reconcile.report_line
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT has_table_privilege('reconcile.guards', 'SELECT') THEN
		RETURN QUERY SELECT 'guards', 'all guards', 0::bigint, 0::bigint, 0::bigint, 1::bigint, '[]'::jsonb;
		RETURN;
	END IF;
	RETURN QUERY SELECT 'guards', g.invariant, count(*) FILTER (WHERE w.wrong), count(*) FILTER (WHERE g.last_failed_at IS NOT NULL AND NOT w.wrong), 0::bigint, 0::bigint,
	       coalesce(jsonb_agg(jsonb_build_object('severity', CASE WHEN w.wrong THEN 'error' ELSE 'warning' END, 'kind', g.state,
	                'object', format('%I on %s', g.trigger_name, g.watched), 'expected', g.enable, 'actual', g.state,
	                'reason', CASE WHEN w.wrong THEN 'the trigger of the guard is ' || g.state ELSE 'failures wait: ' || g.last_failure END, 'hazard', '',
	                'fix', CASE WHEN w.wrong THEN format('SELECT * FROM reconcile.guard(%L);', g.invariant)
	                            ELSE format('SELECT * FROM reconcile.retry_failures(%L);', g.invariant) END) ORDER BY g.watched::text, g.trigger_name)
	                FILTER (WHERE w.wrong OR g.last_failed_at IS NOT NULL), '[]')
	FROM reconcile.guards g CROSS JOIN LATERAL (SELECT g.state <> g.enable AS wrong) AS w
	GROUP BY g.invariant ORDER BY g.invariant;
END $$;
COMMENT ON FUNCTION reconcile.report_guard_lines() IS 'used by report(): a line for each guarded invariant';

CREATE FUNCTION reconcile.counted(n numeric, noun text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT n || ' ' || noun || CASE n WHEN 1 THEN '' ELSE 's' END;
END;
COMMENT ON FUNCTION reconcile.counted(numeric, text) IS 'used by report(): a number with its noun';

CREATE FUNCTION reconcile.report_document(sections text[]) RETURNS jsonb
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH line AS MATERIALIZED (
		SELECT * FROM (
			SELECT l.* FROM reconcile.report_schema_lines() l WHERE sections && '{schema,migrations}'
			UNION ALL SELECT l.* FROM reconcile.report_invariant_lines() l WHERE sections && '{invariants}'
			UNION ALL SELECT l.* FROM reconcile.report_guard_lines() l WHERE sections && '{guards}') AS l
		WHERE l.section = ANY (sections)
	), shown AS (
		SELECT l.*, row_number() OVER () AS n,
		       coalesce(nullif(concat_ws(', ', CASE WHEN l.errors > 0 THEN reconcile.counted(l.errors, 'error') END,
		            CASE WHEN l.warnings > 0 THEN reconcile.counted(l.warnings, 'warning') END,
		            CASE WHEN l.notices > 0 THEN reconcile.counted(l.notices, 'notice') END,
		            CASE WHEN l.unchecked > 0 THEN 'not checked' END), ''), 'OK') AS state
		FROM line l
	), total AS (
		SELECT coalesce(sum(l.errors), 0) AS errors, coalesce(sum(l.warnings), 0) AS warnings, coalesce(sum(l.unchecked), 0) AS unchecked FROM line l
	)
	SELECT jsonb_build_object(
		'database', current_database(),
		'baseline', (SELECT b.name FROM reconcile.baselines b WHERE b.name = 'default'),
		'sections', (SELECT coalesce(jsonb_agg(jsonb_build_object('section', s.name, 'lines', (
			SELECT coalesce(jsonb_agg(jsonb_build_object('name', l.name, 'state', l.state, 'errors', l.errors, 'warnings', l.warnings, 'notices', l.notices,
				'not_checked', l.unchecked, 'findings', l.findings) ORDER BY l.n), '[]')
			FROM shown l WHERE l.section = s.name)) ORDER BY s.n), '[]') FROM unnest(sections) WITH ORDINALITY AS s(name, n)),
		'in_sync', CASE WHEN t.errors + t.warnings > 0 THEN false WHEN t.unchecked = 0 THEN true END,
		'verdict', CASE WHEN t.errors + t.warnings > 0 THEN format('OUT OF SYNC: %s, %s', reconcile.counted(t.errors, 'error'), reconcile.counted(t.warnings, 'warning'))
			            WHEN t.unchecked > 0 THEN format('NOT CHECKED: %s; nothing is wrong with the rest', reconcile.counted(t.unchecked, 'part'))
			            ELSE 'IN SYNC' END)
	FROM total t;
END;
COMMENT ON FUNCTION reconcile.report_document(text[]) IS 'used by report(): all that it prints';

-- All findings of a document, one a row.
CREATE FUNCTION reconcile.report_findings(document jsonb)
	RETURNS TABLE (section text, line text, severity text, kind text, object text, reason text, hazard text, fix text, n bigint)
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT s ->> 'section', CASE WHEN l ->> 'name' = f ->> 'object' THEN s ->> 'section' ELSE l ->> 'name' END, f ->> 'severity', f ->> 'kind', f ->> 'object', f ->> 'reason', f ->> 'hazard', f ->> 'fix', row_number() OVER ()
	FROM jsonb_array_elements(document -> 'sections') AS s, jsonb_array_elements(s -> 'lines') AS l, jsonb_array_elements(l -> 'findings') AS f;
END;
COMMENT ON FUNCTION reconcile.report_findings(jsonb) IS 'used by report(): the findings of the document';

CREATE FUNCTION reconcile.report_text(document jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT concat_ws(E'\n',
		format('Database %s, %s', document ->> 'database', coalesce('baseline ' || (document ->> 'baseline'), 'no baseline: only what needs none was checked')),
		(SELECT string_agg(E'\n' || initcap(s ->> 'section') || E'\n' || coalesce((
			SELECT string_agg(format('  %s  %s', rpad(l ->> 'name', greatest(20, length(l ->> 'name'))), l ->> 'state'), E'\n' ORDER BY n)
			FROM jsonb_array_elements(s -> 'lines') WITH ORDINALITY AS l(l, n)), '  none'), E'\n' ORDER BY m)
		 FROM jsonb_array_elements(document -> 'sections') WITH ORDINALITY AS s(s, m)),
		E'\nFindings\n' || (SELECT string_agg(format('  %s  %s: %s: %s', rpad(f.severity, 7), f.line, f.object, f.reason), E'\n' ORDER BY f.n)
		                    FROM reconcile.report_findings(document) f),
		E'\nFixes\n' || (SELECT string_agg(format(E'-- %s: %s%s\n%s', f.object, f.reason, coalesce(' (' || nullif(f.hazard, '') || ')', ''), f.fix), E'\n' ORDER BY f.n)
		                 FROM reconcile.report_findings(document) f WHERE f.fix IS NOT NULL),
		E'\n' || (document ->> 'verdict'));
END;
COMMENT ON FUNCTION reconcile.report_text(jsonb) IS 'used by report(): format text';

CREATE FUNCTION reconcile.report_markdown(document jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH escaped AS (
		-- What Markdown or a table in it would take for markup is shown as it is.
		SELECT f.n, f.fix, f.severity, regexp_replace(f.line || ': ' || f.object, '([\\`*_{}\[\]<>#|])', '\\\1', 'g') AS object,
		       regexp_replace(replace(f.reason, E'\n', ' '), '([\\`*_{}\[\]<>#|])', '\\\1', 'g') AS reason
		FROM reconcile.report_findings(document) f
	)
	SELECT concat_ws(E'\n',
		format('# Database %s: %s', document ->> 'database', document ->> 'verdict'),
		(SELECT string_agg(E'\n## ' || initcap(s ->> 'section') || coalesce(E'\n\n| | |\n|---|---|\n' || (
			SELECT string_agg(format('| %s | %s |', regexp_replace(l ->> 'name', '([\\`*_{}\[\]<>#|])', '\\\1', 'g'), l ->> 'state'), E'\n' ORDER BY n)
			FROM jsonb_array_elements(s -> 'lines') WITH ORDINALITY AS l(l, n)), E'\n\nnone'), E'\n' ORDER BY m)
		 FROM jsonb_array_elements(document -> 'sections') WITH ORDINALITY AS s(s, m)),
		E'\n## Findings\n\n| severity | object | reason |\n|---|---|---|\n' || (SELECT string_agg(format('| %s | %s | %s |', e.severity, e.object, e.reason), E'\n' ORDER BY e.n) FROM escaped e),
		-- The fence is longer than any run of backquotes in what it holds.
		(SELECT format(E'\n## Fixes\n\n%ssql\n%s\n%1$s', repeat('`', 1 + greatest(2, (SELECT max(length(m[1])) FROM regexp_matches(string_agg(e.fix, ''), '(`+)', 'g') AS m))),
			string_agg(e.fix, E'\n' ORDER BY e.n)) FROM escaped e WHERE e.fix IS NOT NULL HAVING count(*) > 0));
END;
COMMENT ON FUNCTION reconcile.report_markdown(jsonb) IS 'used by report(): format markdown';

CREATE FUNCTION reconcile.report_markup(value text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	-- Control characters are in no XML document, not even escaped.
	SELECT regexp_replace(replace(replace(replace(replace(replace(value, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;'),
		'[\x01-\x08\x0b\x0c\x0e-\x1f]', '?', 'g');
END;
COMMENT ON FUNCTION reconcile.report_markup(text) IS 'used by report(): text as HTML and XML must have it';

CREATE FUNCTION reconcile.report_html(document jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT concat_ws(E'\n', '<!DOCTYPE html>', '<html lang="en">', '<head>', '<meta charset="utf-8">',
		format('<title>%s: %s</title>', reconcile.report_markup(document ->> 'database'), reconcile.report_markup(document ->> 'verdict')),
		'<style>body{font:15px/1.4 sans-serif;max-width:72em;margin:2em auto;padding:0 1em}table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;padding:.2em 1em .2em 0}'
		'pre{background:#f4f4f4;padding:1em;overflow:auto}.error{color:#b00020}.warning{color:#8a5a00}.OK{color:#146c2e}</style>', '</head>', '<body>',
		format('<h1>Database %s</h1>', reconcile.report_markup(document ->> 'database')),
		format('<p><strong class="%s">%s</strong></p>', CASE WHEN document -> 'in_sync' = 'true' THEN 'OK' ELSE 'error' END, reconcile.report_markup(document ->> 'verdict')),
		(SELECT string_agg(format(E'<h2>%s</h2>\n<table>\n%s\n</table>', reconcile.report_markup(initcap(s ->> 'section')), coalesce((
			SELECT string_agg(format('<tr><td>%s</td><td class="%s">%s</td></tr>', reconcile.report_markup(l ->> 'name'),
				CASE WHEN l -> 'errors' <> '0' THEN 'error' WHEN l -> 'warnings' <> '0' THEN 'warning' WHEN l ->> 'state' = 'OK' THEN 'OK' ELSE '' END,
				reconcile.report_markup(l ->> 'state')), E'\n' ORDER BY n)
			FROM jsonb_array_elements(s -> 'lines') WITH ORDINALITY AS l(l, n)), '<tr><td>none</td></tr>')), E'\n' ORDER BY m)
		 FROM jsonb_array_elements(document -> 'sections') WITH ORDINALITY AS s(s, m)),
		E'<h2>Findings</h2>\n<table>\n<tr><th>severity</th><th>object</th><th>reason</th><th>fix</th></tr>\n' || (
			SELECT string_agg(format('<tr><td class="%s">%1$s</td><td>%s: %s</td><td>%s</td><td>%s</td></tr>', reconcile.report_markup(f.severity),
				reconcile.report_markup(f.line), reconcile.report_markup(f.object), reconcile.report_markup(f.reason),
				coalesce('<pre>' || reconcile.report_markup(f.fix) || '</pre>', '')), E'\n' ORDER BY f.n)
			FROM reconcile.report_findings(document) f) || E'\n</table>',
		'</body>', '</html>');
END;
COMMENT ON FUNCTION reconcile.report_html(jsonb) IS 'used by report(): format html';

CREATE FUNCTION reconcile.report_tap(document jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT concat_ws(E'\n', 'TAP version 13', '1..' || count(*),
		string_agg(concat_ws(E'\n', CASE WHEN l.bad THEN 'not ok ' ELSE 'ok ' END || l.n || ' - ' || regexp_replace(l.name, '([\\#])', '\\\1', 'g')
				|| CASE WHEN NOT l.bad AND l.not_checked THEN ' # SKIP not checked' ELSE '' END, l.findings), E'\n' ORDER BY l.n))
	FROM (SELECT row_number() OVER () AS n, (s ->> 'section') || ': ' || (l ->> 'name') AS name, (l ->> 'errors')::bigint + (l ->> 'warnings')::bigint > 0 AS bad,
	             l -> 'not_checked' <> '0' AS not_checked,
	             (SELECT string_agg('# ' || replace(format('%s %s: %s', f ->> 'severity', f ->> 'object', f ->> 'reason'), E'\n', E'\n# '), E'\n' ORDER BY n)
	              FROM jsonb_array_elements(l -> 'findings') WITH ORDINALITY AS f(f, n)) AS findings
	      FROM jsonb_array_elements(document -> 'sections') AS s, jsonb_array_elements(s -> 'lines') AS l) AS l;
END;
COMMENT ON FUNCTION reconcile.report_tap(jsonb) IS 'used by report(): format tap';

CREATE FUNCTION reconcile.report_junit(document jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT concat_ws(E'\n', '<?xml version="1.0" encoding="UTF-8"?>', format('<testsuites name="%s">', reconcile.report_markup(document ->> 'database')),
		(SELECT string_agg(concat_ws(E'\n', format('<testsuite name="%s" tests="%s" failures="%s" errors="0" skipped="%s">', reconcile.report_markup(s ->> 'section'),
				jsonb_array_length(s -> 'lines'), t.failures, t.skipped), t.cases, '</testsuite>'), E'\n' ORDER BY m)
		 FROM jsonb_array_elements(document -> 'sections') WITH ORDINALITY AS s(s, m)
		 CROSS JOIN LATERAL (
			SELECT count(*) FILTER (WHERE b.bad) AS failures, count(*) FILTER (WHERE b.skipped) AS skipped,
			       string_agg(format('<testcase classname="%s" name="%s">%s</testcase>', reconcile.report_markup(s ->> 'section'), reconcile.report_markup(l ->> 'name'),
				CASE WHEN b.bad THEN format('<failure message="%s">%s</failure>', reconcile.report_markup(l ->> 'state'), reconcile.report_markup((
					SELECT string_agg(format('%s %s: %s', f ->> 'severity', f ->> 'object', f ->> 'reason'), E'\n' ORDER BY k)
					FROM jsonb_array_elements(l -> 'findings') WITH ORDINALITY AS f(f, k))))
				     WHEN b.skipped THEN '<skipped message="not checked"/>' ELSE '' END), E'\n' ORDER BY n) AS cases
			FROM jsonb_array_elements(s -> 'lines') WITH ORDINALITY AS l(l, n)
			CROSS JOIN LATERAL (SELECT (l ->> 'errors')::bigint + (l ->> 'warnings')::bigint > 0 AS bad) AS bad
			CROSS JOIN LATERAL (SELECT bad.bad, NOT bad.bad AND l -> 'not_checked' <> '0' AS skipped) AS b) AS t),
		'</testsuites>');
END;
COMMENT ON FUNCTION reconcile.report_junit(jsonb) IS 'used by report(): format junit';

CREATE FUNCTION reconcile.report(format text DEFAULT 'text', sections text[] DEFAULT '{schema,invariants,guards,migrations}') RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	formats CONSTANT text[] := '{text,markdown,html,json,tap,junit}';
	known   CONSTANT text[] := '{schema,invariants,guards,migrations}';
	word     text;
	document jsonb;
BEGIN
	IF format IS NULL OR sections IS NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'arguments "format" and "sections" must not be null';
	END IF;
	IF format <> ALL (formats) THEN
		RAISE invalid_parameter_value USING MESSAGE = pg_catalog.format('invalid value for argument "format": "%s"', format),
			HINT = coalesce(nullif(reconcile.did_you_mean(format, formats), ''), 'Valid values are "text", "markdown", "html", "json", "tap", "junit".');
	END IF;
	FOREACH word IN ARRAY sections LOOP
		IF word IS NULL OR word <> ALL (known) THEN
			RAISE invalid_parameter_value USING MESSAGE = pg_catalog.format('invalid value in argument "sections": "%s"', word),
				HINT = 'Valid values are "schema", "invariants", "guards", "migrations".';
		END IF;
	END LOOP;
	document := reconcile.report_document(sections);
	RETURN CASE format WHEN 'text' THEN reconcile.report_text(document) WHEN 'markdown' THEN reconcile.report_markdown(document)
		WHEN 'html' THEN reconcile.report_html(document) WHEN 'json' THEN jsonb_pretty(document) WHEN 'tap' THEN reconcile.report_tap(document)
		ELSE reconcile.report_junit(document) END;
END $$;
COMMENT ON FUNCTION reconcile.report(text, text[]) IS
	'what audit_schema(), the invariants, the guards and the migration histories say, in one document: text, markdown, html, json, tap or junit; changes nothing';
