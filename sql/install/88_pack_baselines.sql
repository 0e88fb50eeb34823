-- Baselines that come with packs: the tables that a pack's product is documented to have, for audit_schema().

CREATE TABLE reconcile.pack_document (
	pack     text PRIMARY KEY REFERENCES reconcile.pack,
	baseline jsonb NOT NULL
);
COMMENT ON TABLE reconcile.pack_document IS 'baselines that come with packs; reconcile.pack_baseline() returns one';
COMMENT ON COLUMN reconcile.pack_document.pack IS 'the pack';
COMMENT ON COLUMN reconcile.pack_document.baseline IS 'its baseline, for schema public and without owners';
GRANT SELECT ON reconcile.pack_document TO PUBLIC;

-- A document says nothing about owners: whoever owns an object here is right.
CREATE FUNCTION reconcile.pack_object_owner(object text, schema text) RETURNS text
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	BEGIN ATOMIC
		SELECT coalesce(
			(SELECT pg_get_userbyid(c.relowner) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			 WHERE n.nspname = schema AND format('%I.%I', n.nspname, c.relname) = object),
			(SELECT pg_get_userbyid(p.proowner) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
			 CROSS JOIN LATERAL pg_identify_object('pg_proc'::regclass, p.oid, 0) AS i
			 WHERE n.nspname = schema AND i.identity = object),
			current_user);
	END;
COMMENT ON FUNCTION reconcile.pack_object_owner(text, text) IS
	'used by pack_baseline(): who owns an object, the current role for one that is not there';

CREATE FUNCTION reconcile.pack_baseline(pack text, schema text DEFAULT 'public', without text[] DEFAULT '{}') RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	document jsonb := (SELECT d.baseline FROM reconcile.pack_document d WHERE d.pack = pack_baseline.pack);
	tables   text[] := ARRAY(SELECT substr(t, length('public.') + 1) FROM jsonb_object_keys(document -> 'objects' -> 'table') AS t ORDER BY t);
	gone     text[] := ARRAY(SELECT 'public.' || w FROM unnest(without) AS w);
	there    boolean := EXISTS (SELECT FROM reconcile.packs p WHERE p.name = pack AND p.installed AND p.options ->> 'schema' = pack_baseline.schema);
	wrong    text;
BEGIN
	IF pack IS NULL OR schema IS NULL OR without IS NULL OR array_position(without, NULL) IS NOT NULL THEN
		RAISE null_value_not_allowed USING MESSAGE = 'arguments "pack", "schema" and "without" must not be null';
	ELSIF document IS NULL THEN
		RAISE undefined_object USING MESSAGE = format('there is no baseline of pack "%s"', pack),
			HINT = reconcile.did_you_mean(pack, ARRAY(SELECT d.pack FROM reconcile.pack_document d ORDER BY d.pack));
	END IF;
	SELECT w INTO wrong FROM unnest(without) AS w WHERE w <> ALL (tables) ORDER BY w LIMIT 1;
	IF FOUND THEN
		RAISE undefined_table USING MESSAGE = format('the baseline of pack "%s" has no table "%s"', pack, wrong),
			HINT = reconcile.did_you_mean(wrong, tables);
	END IF;
	-- A body names tables without a dependency that would say so.
	gone := gone || ARRAY(SELECT f.key FROM jsonb_each(document #> '{objects,function}') AS f
		WHERE EXISTS (SELECT FROM unnest(gone) AS g WHERE f.value ->> 'body' ~ format('\m%s\M', g)));
	-- Every name in it is qualified.
	document := replace(document::text, 'public.', btrim(to_jsonb(format('%I.', schema))::text, '"'))::jsonb;
	gone := ARRAY(SELECT replace(g, 'public.', format('%I.', schema)) FROM unnest(gone) AS g);
	-- What an installed pack made depends on its options: its functions are the
	-- installation's business, and of its triggers those are due that it made.
	RETURN jsonb_set(document, '{baseline,schemas}', to_jsonb(ARRAY[schema])) || jsonb_build_object('objects', (
		SELECT jsonb_object_agg(c.category, c.objects)
		FROM (SELECT c.key AS category, jsonb_object_agg(o.key, o.value
		             || CASE WHEN o.value ? 'owner' THEN jsonb_build_object('owner', reconcile.pack_object_owner(o.key, schema)) ELSE '{}' END
		             || CASE WHEN made.object IS NOT NULL THEN jsonb_build_object('comment', made.comment) ELSE '{}' END) AS objects
		      FROM jsonb_each(document -> 'objects') AS c CROSS JOIN LATERAL jsonb_each(c.value) AS o
		      LEFT JOIN reconcile.pack_objects(pack, schema) AS made ON there AND made.type = 'trigger' AND made.type = c.key AND made.object = o.key
		      WHERE o.key <> ALL (gone) AND coalesce(o.value ->> 'parent' <> ALL (gone), true)
		        AND NOT coalesce(o.value -> 'requires' ?| gone, false)
		        AND (made.object IS NOT NULL OR NOT there OR coalesce(o.value ->> 'comment' NOT LIKE '% (pg_reconcile, pack ' || pack || ', %)', true))
		      GROUP BY c.key) AS c));
END $$;
COMMENT ON FUNCTION reconcile.pack_baseline(text, text, text[]) IS
	'the baseline that comes with a pack, for import_baseline(): for tables in this schema, without those that the product does not have';
