-- Guards: triggers made from invariants.  src/invariant/guard_*.cpp

CREATE TABLE reconcile.guard (
	invariant    text PRIMARY KEY REFERENCES reconcile.invariant ON DELETE CASCADE,
	on_failure   text NOT NULL CHECK (on_failure IN ('block', 'queue')),
	timing       text NOT NULL CHECK (timing IN ('statement', 'commit')),
	enable       text NOT NULL CHECK (enable IN ('origin', 'always')),
	on_delete    text NOT NULL CHECK (on_delete IN ('ignore', 'recreate')),
	installed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE reconcile.guard IS 'guards that are installed; read view reconcile.guards';
COMMENT ON COLUMN reconcile.guard.invariant IS 'the invariant that is guarded';
COMMENT ON COLUMN reconcile.guard.on_failure IS 'what a failure does: block refuses the write, queue records it and lets the write pass';
COMMENT ON COLUMN reconcile.guard.timing IS 'when it works: statement, or commit';
COMMENT ON COLUMN reconcile.guard.enable IS 'when its triggers fire: origin, or always, also in session_replication_role replica';
COMMENT ON COLUMN reconcile.guard.on_delete IS 'what deleting a derived row does: ignore, or recreate';
COMMENT ON COLUMN reconcile.guard.installed_at IS 'when guard() was called last';

CREATE TABLE reconcile.guard_trigger (
	invariant    text NOT NULL REFERENCES reconcile.guard ON DELETE CASCADE,
	watched      regclass NOT NULL,
	event        text NOT NULL CHECK (event IN ('INSERT', 'UPDATE', 'DELETE')),
	trigger_name name NOT NULL,
	PRIMARY KEY (invariant, watched, event)
);
COMMENT ON TABLE reconcile.guard_trigger IS 'triggers of guards; read view reconcile.guards';
COMMENT ON COLUMN reconcile.guard_trigger.invariant IS 'the invariant that is guarded';
COMMENT ON COLUMN reconcile.guard_trigger.watched IS 'the table with the trigger';
COMMENT ON COLUMN reconcile.guard_trigger.event IS 'what fires it: INSERT, UPDATE or DELETE';
COMMENT ON COLUMN reconcile.guard_trigger.trigger_name IS 'name of the trigger';

SELECT pg_catalog.pg_extension_config_dump('reconcile.guard', '');
SELECT pg_catalog.pg_extension_config_dump('reconcile.guard_trigger', '');

CREATE FUNCTION reconcile.fire_guard() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_fire_guard';
COMMENT ON FUNCTION reconcile.fire_guard() IS
	'used by the triggers of guards: writes, as the owner of the invariant, what new rows are expected to have';

-- What waits for the end of the transaction that entered it; nobody else ever
-- sees a row, so that a crash may lose it and nothing need be logged.
CREATE UNLOGGED TABLE reconcile.guard_pending (
	pending_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	invariant  text    NOT NULL,
	watched    oid,
	keys       jsonb[] NOT NULL,
	level      bigint  NOT NULL
);
COMMENT ON TABLE reconcile.guard_pending IS 'rows that guards with timing commit look at when their transaction ends';
COMMENT ON COLUMN reconcile.guard_pending.pending_id IS 'number of the statement';
COMMENT ON COLUMN reconcile.guard_pending.invariant IS 'the invariant that is guarded';
COMMENT ON COLUMN reconcile.guard_pending.watched IS 'the table that the statement wrote, when the rows are found again by its primary key, else NULL';
COMMENT ON COLUMN reconcile.guard_pending.keys IS 'primary keys of the rows that the statement wrote, or without watched the keys of rows that were missing after it';
COMMENT ON COLUMN reconcile.guard_pending.level IS 'how many guards had set off each other until then';

CREATE FUNCTION reconcile.settle_guard() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_settle_guard';
REVOKE ALL ON FUNCTION reconcile.settle_guard() FROM PUBLIC;
COMMENT ON FUNCTION reconcile.settle_guard() IS
	'used by the trigger of reconcile.guard_pending: writes, as the owner of the invariant, what is still missing at the end of the transaction';
CREATE CONSTRAINT TRIGGER settle AFTER INSERT ON reconcile.guard_pending
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION reconcile.settle_guard();
ALTER TABLE reconcile.guard_pending ENABLE ALWAYS TRIGGER settle;

-- What a session has noted in memory is seen to by the trigger of this row, which is there
-- always: guards queue it as if they had inserted the row, and write nothing.
CREATE TABLE reconcile.guard_bell (
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
);
COMMENT ON TABLE reconcile.guard_bell IS 'one row, whose trigger works off at commit what guards have noted in memory';
COMMENT ON COLUMN reconcile.guard_bell.only_row IS 'true';
INSERT INTO reconcile.guard_bell DEFAULT VALUES;

CREATE FUNCTION reconcile.settle_notes() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_settle_notes';
REVOKE ALL ON FUNCTION reconcile.settle_notes() FROM PUBLIC;
COMMENT ON FUNCTION reconcile.settle_notes() IS
	'used by the trigger of reconcile.guard_bell: writes, as the owner of the invariants, what is still missing at the end of the transaction';
CREATE CONSTRAINT TRIGGER settle AFTER INSERT ON reconcile.guard_bell
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION reconcile.settle_notes();
ALTER TABLE reconcile.guard_bell ENABLE ALWAYS TRIGGER settle;

CREATE FUNCTION reconcile.guard(
	invariant  text,
	on_failure text DEFAULT 'block',
	timing     text DEFAULT 'statement',
	enable     text DEFAULT 'origin',
	on_delete  text DEFAULT 'ignore')
	RETURNS TABLE (watched regclass, trigger_name name, events text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_guard';
REVOKE ALL ON FUNCTION reconcile.guard(text, text, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.guard(text, text, text, text, text) IS
	'makes triggers that keep new rows right, or brings them up to date; changes no user data';

CREATE FUNCTION reconcile.unguard(invariant text) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_unguard';
REVOKE ALL ON FUNCTION reconcile.unguard(text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.unguard(text) IS
	'drops the triggers of a guard; what it recorded stays; changes no user data';

CREATE VIEW reconcile.guards AS
	SELECT t.invariant, t.watched, t.trigger_name, t.event, g.on_failure, g.timing, g.enable, g.on_delete,
	       CASE WHEN r.oid IS NULL THEN 'dropped'
	            WHEN r.tgfoid <> 'reconcile.fire_guard'::regproc THEN 'replaced'
	            WHEN r.tgenabled = 'D' THEN 'disabled'
	            WHEN r.tgenabled = 'R' THEN 'replica'
	            WHEN r.tgenabled = 'A' THEN 'always'
	            ELSE 'origin' END AS state,
	       f.last_failed_at, f.message AS last_failure, g.installed_at
	FROM reconcile.guard g
	JOIN reconcile.guard_trigger t ON t.invariant = g.invariant
	LEFT JOIN pg_catalog.pg_trigger r ON r.tgrelid = t.watched AND r.tgname = t.trigger_name
	LEFT JOIN LATERAL (
		SELECT w.failed_at AS last_failed_at, w.message FROM reconcile.guard_failure w
		WHERE w.invariant = g.invariant ORDER BY w.failure_id DESC LIMIT 1) f ON true;
COMMENT ON VIEW reconcile.guards IS 'all triggers of guards, with their state as it is now';
COMMENT ON COLUMN reconcile.guards.invariant IS 'the invariant that is guarded';
COMMENT ON COLUMN reconcile.guards.watched IS 'the table with the trigger';
COMMENT ON COLUMN reconcile.guards.trigger_name IS 'name of the trigger';
COMMENT ON COLUMN reconcile.guards.event IS 'what fires it: INSERT, UPDATE or DELETE';
COMMENT ON COLUMN reconcile.guards.on_failure IS 'what a failure does: block refuses the write, queue records it and lets the write pass';
COMMENT ON COLUMN reconcile.guards.timing IS 'when it works: statement, or commit';
COMMENT ON COLUMN reconcile.guards.enable IS 'when it was made to fire: origin, or always';
COMMENT ON COLUMN reconcile.guards.on_delete IS 'what deleting a derived row does: ignore, or recreate';
COMMENT ON COLUMN reconcile.guards.state IS 'origin or always as it was made to fire; disabled, replica, dropped or replaced when somebody changed it since';
COMMENT ON COLUMN reconcile.guards.last_failed_at IS 'when the guard queued its last failure that still waits';
COMMENT ON COLUMN reconcile.guards.last_failure IS 'text of that failure';
COMMENT ON COLUMN reconcile.guards.installed_at IS 'when guard() was called last';
