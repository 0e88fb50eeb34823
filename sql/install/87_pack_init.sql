-- Packs: what their entry points have in common.

CREATE FUNCTION reconcile.pack_report(invariant text, query text, first_run bigint, second_run bigint)
	RETURNS SETOF record
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_pack_report';
COMMENT ON FUNCTION reconcile.pack_report(text, text, bigint, bigint) IS
	'used by packs: runs a report as the owner of an invariant, read-only and restricted, with two runs as $1 and $2; only for who may act as that role';

-- What an entry point does: repairs these invariants, in this order, and says
-- what it leaves as it is, since it only adds.
CREATE FUNCTION reconcile.pack_init(pack text, steps text[], dry_run boolean)
	RETURNS TABLE (invariant text, run_id bigint, planned bigint, changed bigint, already_present bigint, failed bigint,
	               elapsed interval)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF dry_run IS NULL THEN
		PERFORM reconcile.refuse('22004', 'argument "dry_run" must not be null');
	END IF;
	IF NOT EXISTS (SELECT FROM reconcile.packs p WHERE p.name = pack AND p.installed) THEN
		PERFORM reconcile.refuse('RC005', format('pack "%s" is not installed', pack),
			hint => format('SELECT * FROM reconcile.install_pack(%L);', pack));
	END IF;
	RETURN QUERY SELECT * FROM reconcile.repair_steps(steps, dry_run);
	PERFORM reconcile.pack_tell_differences(pack);
END $$;
REVOKE ALL ON FUNCTION reconcile.pack_init(text, text[], boolean) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_init(text, text[], boolean) IS
	'used by packs: repairs some of their invariants; changes user data unless dry_run';

CREATE FUNCTION reconcile.pack_tell_differences(pack text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found record;
BEGIN
	FOR found IN
		SELECT a.invariant, a.differing FROM reconcile.invariants i CROSS JOIN LATERAL reconcile.audit(i.name, samples => 0) AS a
		WHERE i.pack = pack_tell_differences.pack AND i.compare <> '{}' AND a.differing > 0 ORDER BY i.name
	LOOP
		RAISE NOTICE '%: % rows differ', found.invariant, found.differing
			USING HINT = format('SELECT * FROM reconcile.findings(%L);', found.invariant);
	END LOOP;
END $$;
REVOKE ALL ON FUNCTION reconcile.pack_tell_differences(text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pack_tell_differences(text) IS
	'used by packs: says how many rows differ from what they should be; writes nothing';
