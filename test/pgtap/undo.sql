-- undo(), undo_last(), forget_runs(): what is taken back, what is kept and why, what is refused.
--
-- "Nothing is deleted or overwritten unless the invariant says so": tried by leaving free() out of the DELETE of removal.cpp (the
-- tests of references fail with 23503, or lose the referencing row), and by leaving same_value() out (recorded rows that
-- were changed since are removed).
\ir ../support/invariant.sql
SELECT no_plan();

CREATE TABLE source (id integer PRIMARY KEY, v text);
INSERT INTO source SELECT n, 'v' || n FROM generate_series(1, 10) AS n;

-- last_run is the newest run of an invariant.
CREATE FUNCTION last_run(name text) RETURNS bigint LANGUAGE sql AS
	'SELECT max(run_id) FROM reconcile.runs WHERE invariant = name';
CREATE FUNCTION repaired(name text, record text DEFAULT 'auto') RETURNS bigint LANGUAGE sql AS
	'SELECT run_id FROM reconcile.repair(name, dry_run => false, record => repaired.record)';

-- undone undoes a run: the numbers removed, kept_changed, kept_referenced, already_gone, restored, for which the dry run
-- must have shown the same and written nothing.
CREATE TYPE undone AS (removed bigint, kept_changed bigint, kept_referenced bigint, already_gone bigint, restored bigint);
CREATE FUNCTION undone(run bigint) RETURNS undone LANGUAGE plpgsql AS $$
DECLARE
	dry undone;
	live undone;
	target regclass := (SELECT r.target FROM reconcile.run r WHERE r.run_id = run);
	before bigint;
	between bigint;
BEGIN
	IF NOT (SELECT undoable AND undo_refused_because IS NULL FROM reconcile.runs WHERE run_id = run) THEN
		RAISE EXCEPTION 'view runs says that run % cannot be undone', run;
	END IF;
	EXECUTE format('SELECT count(*) FROM %s', target) INTO before;
	SELECT removed, kept_changed, kept_referenced, already_gone, restored INTO dry FROM reconcile.undo(run);
	EXECUTE format('SELECT count(*) FROM %s', target) INTO between;
	SELECT removed, kept_changed, kept_referenced, already_gone, restored INTO live FROM reconcile.undo(run, dry_run => false);
	IF before <> between THEN
		RAISE EXCEPTION 'the dry run removed rows';
	END IF;
	IF dry IS DISTINCT FROM live THEN
		RAISE EXCEPTION 'the dry run showed %, the live run did %', dry, live;
	END IF;
	RETURN live;
END $$;

-- ---------------------------------------------------------------- what is removed and what is kept

-- For each way to record: untouched rows go; changed, deleted and older rows stay as they are.
CREATE FUNCTION takes_back(record text, expected undone, expected_again undone) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
BEGIN
	DROP TABLE IF EXISTS target CASCADE;
	CREATE TABLE target (id integer PRIMARY KEY, v text, n bigserial, at timestamptz DEFAULT clock_timestamp());
	INSERT INTO target (id, v) VALUES (1, 'v1'), (2, 'other');
	PERFORM reconcile.create_invariant('i', 'target', '{id}', 'SELECT id, v FROM source');
	run := repaired('i', record);
	UPDATE target SET v = 'edited' WHERE id = 3;
	UPDATE target SET v = v WHERE id = 4;        -- touched, and the same
	DELETE FROM target WHERE id = 5;
	INSERT INTO target (id, v) VALUES (11, 'v11');
	RETURN NEXT is(undone(run), expected, record || ': undone');
	RETURN NEXT results_eq('SELECT id, v FROM target WHERE id <> 4 ORDER BY id',
		$q$VALUES (1, 'v1'), (2, 'other'), (3, 'edited'), (11, 'v11')$q$, record || ': what was there or changed stays');
	RETURN NEXT is((SELECT (state, undoable) FROM reconcile.runs WHERE run_id = run), ('undone'::text, false), record || ': the ledger says so');
	RETURN NEXT is((SELECT undo_refused_because ~ '^it was undone at ' FROM reconcile.runs WHERE run_id = run), true, record || ': and why not again');
	RETURN NEXT raised(record || ': undo of an undone run', format('SELECT reconcile.undo(%s, false)', run), 'RC004',
		format('run %s cannot be undone', run), detail => (SELECT format('The reason: %s.', undo_refused_because) FROM reconcile.runs WHERE run_id = run));
	RETURN NEXT raised(record || ': its dry run', format('SELECT reconcile.undo(%s)', run), 'RC004', format('run %s cannot be undone', run));
	run := repaired('i', record);
	RETURN NEXT is(undone(run), expected_again, record || ': repaired again and undone again');
	PERFORM reconcile.drop_invariant('i');
END $$;
SELECT takes_back('xmin', '(5,3,0,0,0)', '(6,0,0,0,0)');
SELECT takes_back('rows', '(6,1,0,1,0)', '(7,0,0,0,0)');

-- Three runs; the one in the middle goes and the others stay, and can be undone after it.
CREATE TABLE thrice (id integer PRIMARY KEY);
CREATE TABLE wanted (id integer);
SELECT reconcile.create_invariant('thrice', 'thrice', '{id}', 'SELECT id FROM wanted') \g /dev/null
INSERT INTO wanted VALUES (1), (2);
SELECT repaired('thrice') AS run1 \gset
INSERT INTO wanted VALUES (3), (4);
SELECT repaired('thrice') AS run2 \gset
INSERT INTO wanted VALUES (5), (6);
SELECT repaired('thrice') AS run3 \gset
SELECT is(undone(:run2), '(2,0,0,0,0)', 'undo of the middle of three runs');
SELECT results_eq('SELECT id FROM thrice ORDER BY id', 'VALUES (1), (2), (5), (6)', 'takes its rows only');
SELECT is(undone(:run1), '(2,0,0,0,0)', 'then the first');
SELECT is(undone(:run3), '(2,0,0,0,0)', 'then the third');
SELECT is_empty('TABLE thrice', 'nothing is left');
SELECT repaired('thrice') AS run4 \gset
SELECT is((SELECT changed FROM reconcile.runs WHERE run_id = :run4), 6::bigint, 'after an undo a repair inserts again');
SELECT repaired('thrice') AS run5 \gset
SELECT raised('undo of a run that changed nothing', format('SELECT reconcile.undo(%s, false)', :run5), 'RC004',
	format('run %s cannot be undone', :run5), detail => 'The reason: it changed nothing.');
SELECT is((SELECT (undoable, undo_refused_because) FROM reconcile.runs WHERE run_id = :run5), (false, 'it changed nothing'::text), 'the view says so');

DELETE FROM thrice WHERE id = 6;
SELECT is((SELECT (removed, kept_changed, already_gone) FROM reconcile.undo(:run4)), (5::bigint, 1::bigint, 0::bigint),
	'by xmin a deleted row is counted as kept_changed');

-- Wrong arguments.
SELECT raised(what, sql, code, message, hint)
FROM (VALUES
	('an unknown run', 'SELECT reconcile.undo(4711)', '42704', 'run 4711 does not exist', 'View reconcile.runs lists all runs.'),
	('an unknown run, live', 'SELECT reconcile.undo(4711, false)', '42704', 'run 4711 does not exist', NULL),
	('NULL as run', 'SELECT reconcile.undo(NULL)', '22004', 'argument "run_id" must not be null', NULL),
	('NULL as dry_run', 'SELECT reconcile.undo(1, NULL)', '22004', 'argument "dry_run" must not be null', NULL),
	('NULL as pack', 'SELECT reconcile.undo_last(NULL)', '22004', 'argument "pack" must not be null', NULL),
	('an unknown pack', 'SELECT reconcile.undo_last(''nothing'')', 'RC005', 'pack "nothing" is not installed', NULL),
	('NULL as age', 'SELECT reconcile.forget_runs(NULL)', '22004', 'argument "older_than" must not be null', NULL)
) AS t(what, sql, code, message, hint);

-- ---------------------------------------------------------------- rows that others reference

-- referenced_by repairs a target of five rows, runs what refers to some of them, and undoes.
CREATE FUNCTION referenced_by(what text, ddl text, expected undone, after text, rows text DEFAULT 'SELECT id FROM generate_series(1, 5) AS id',
                              key text[] DEFAULT '{id}', record text DEFAULT 'auto') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	parts text[] := string_to_array(ddl, '; --');   -- the tables; then the references
	part text;
	run bigint;
BEGIN
	DROP TABLE IF EXISTS target, child CASCADE;
	EXECUTE parts[1];
	PERFORM reconcile.create_invariant('i', 'target', key, rows);
	run := repaired('i', record);
	EXECUTE parts[2];
	RETURN NEXT is(undone(run), expected, what || ': undone');
	RETURN NEXT results_eq(after, format('SELECT unnest(%L::integer[])', CASE expected.kept_referenced + expected.kept_changed
		WHEN 0 THEN '{}' WHEN 1 THEN '{1}' WHEN 2 THEN '{1,2}' WHEN 3 THEN '{1,2,3}' WHEN 4 THEN '{1,2,3,4}' END), what || ': what is left');
	PERFORM reconcile.drop_invariant('i');
	SET CONSTRAINTS ALL IMMEDIATE;  -- tables with waiting triggers cannot be dropped
	SET CONSTRAINTS ALL DEFERRED;
EXCEPTION WHEN OTHERS THEN
	RETURN NEXT fail(format('%s: %s %s', what, SQLSTATE, SQLERRM));
	IF EXISTS (SELECT FROM reconcile.invariants WHERE name = 'i') THEN PERFORM reconcile.drop_invariant('i'); END IF;
END $$;
SELECT referenced_by(action || ' ' || record, format('CREATE TABLE target (id integer PRIMARY KEY); CREATE TABLE child (t integer REFERENCES target %s)
	; --INSERT INTO child VALUES (1), (2), (2), (NULL)', action), '(3,0,2,0,0)', 'SELECT id FROM target ORDER BY id', record => record)
FROM unnest('{"",ON DELETE CASCADE,ON DELETE SET NULL,ON DELETE SET DEFAULT,ON DELETE RESTRICT,DEFERRABLE INITIALLY DEFERRED,
	ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED}'::text[]) AS action, unnest('{xmin,rows}'::text[]) AS record;
SELECT is((SELECT count(*) FROM child), 4::bigint, 'no referencing row was lost');
SELECT referenced_by('an unvalidated reference', 'CREATE TABLE target (id integer PRIMARY KEY); CREATE TABLE child (t integer);
	ALTER TABLE child ADD FOREIGN KEY (t) REFERENCES target NOT VALID; --INSERT INTO child VALUES (1)', '(4,0,1,0,0)', 'SELECT id FROM target ORDER BY id');
SELECT referenced_by('a composite reference', 'CREATE TABLE target (id integer, b text, PRIMARY KEY (b, id));
	CREATE TABLE child (x text, y integer, FOREIGN KEY (x, y) REFERENCES target (b, id))
	; --INSERT INTO child VALUES (''b'', 1), (''b'', NULL), (NULL, 3)', '(4,0,1,0,0)', 'SELECT id FROM target ORDER BY id',
	'SELECT id, ''b'' AS b FROM generate_series(1, 5) AS id', '{id,b}');
SELECT referenced_by('a reference to another unique key, of another type', 'CREATE TABLE target (id integer PRIMARY KEY, u bigint UNIQUE);
	CREATE TABLE child (t smallint REFERENCES target (u)); --INSERT INTO child VALUES (10), (20)', '(3,0,2,0,0)', 'SELECT id FROM target ORDER BY id',
	'SELECT id, id * 10 AS u FROM generate_series(1, 5) AS id');
SELECT referenced_by('two references', 'CREATE TABLE target (id integer PRIMARY KEY); CREATE TABLE child (t integer REFERENCES target, u integer REFERENCES target)
	; --INSERT INTO child VALUES (1, 2), (NULL, 3)', '(2,0,3,0,0)', 'SELECT id FROM target ORDER BY id');
SELECT referenced_by('a reference from a partitioned table', 'CREATE TABLE target (id integer PRIMARY KEY);
	CREATE TABLE child (t integer REFERENCES target) PARTITION BY RANGE (t); CREATE TABLE child1 PARTITION OF child FOR VALUES FROM (0) TO (100)
	; --INSERT INTO child VALUES (1)', '(4,0,1,0,0)', 'SELECT id FROM target ORDER BY id');
SELECT referenced_by('a reference from a partition', 'CREATE TABLE target (id integer PRIMARY KEY);
	CREATE TABLE child (t integer) PARTITION BY RANGE (t); CREATE TABLE child1 PARTITION OF child FOR VALUES FROM (0) TO (100);
	ALTER TABLE child1 ADD FOREIGN KEY (t) REFERENCES target ON DELETE CASCADE; --INSERT INTO child VALUES (1)', '(4,0,1,0,0)',
	'SELECT id FROM target ORDER BY id');
SELECT is((SELECT count(*) FROM child), 1::bigint, 'which is still there');
SELECT referenced_by('a partitioned target', 'CREATE TABLE target (id integer PRIMARY KEY) PARTITION BY RANGE (id);
	CREATE TABLE target1 PARTITION OF target FOR VALUES FROM (0) TO (3); CREATE TABLE target2 PARTITION OF target FOR VALUES FROM (3) TO (9);
	CREATE TABLE child (t integer REFERENCES target); --INSERT INTO child VALUES (1), (2), (3)', '(2,0,3,0,0)', 'SELECT id FROM target ORDER BY id');
SELECT referenced_by('a reference to a partition of the target', 'CREATE TABLE target (id integer PRIMARY KEY) PARTITION BY RANGE (id);
	CREATE TABLE target1 PARTITION OF target FOR VALUES FROM (0) TO (3); CREATE TABLE target2 PARTITION OF target FOR VALUES FROM (3) TO (9);
	CREATE TABLE child (t integer REFERENCES target1); --INSERT INTO child VALUES (1), (2)', '(3,0,2,0,0)', 'SELECT id FROM target ORDER BY id');
SELECT referenced_by('a target that is a partition', 'CREATE TABLE root (id integer PRIMARY KEY) PARTITION BY RANGE (id);
	CREATE TABLE target PARTITION OF root FOR VALUES FROM (0) TO (9);
	CREATE TABLE child (t integer REFERENCES root); --INSERT INTO child VALUES (1), (2)', '(3,0,2,0,0)', 'SELECT id FROM target ORDER BY id');
DROP TABLE IF EXISTS root CASCADE;

-- References within the target. What refers to a row and would go as well does not hold it, at any depth.
SELECT referenced_by('a tree ' || record, 'CREATE TABLE target (id integer PRIMARY KEY, up integer REFERENCES target); --SELECT 1', '(5,0,0,0,0)',
	'SELECT id FROM target ORDER BY id', 'SELECT id, nullif(id - 1, 0) AS up FROM generate_series(1, 5) AS id', record => record)
FROM unnest('{xmin,rows}'::text[]) AS record;
SELECT referenced_by('a tree with a child of somebody else ' || record, 'CREATE TABLE target (id integer PRIMARY KEY, up integer REFERENCES target);
	CREATE TABLE child (t integer REFERENCES target); --INSERT INTO child VALUES (3)', '(2,0,3,0,0)', 'SELECT id FROM target ORDER BY id',
	'SELECT id, nullif(id - 1, 0) AS up FROM generate_series(1, 5) AS id', record => record)
FROM unnest('{xmin,rows}'::text[]) AS record;
SELECT referenced_by('a cascading tree with a child of somebody else ' || record, 'CREATE TABLE target (id integer PRIMARY KEY,
	up integer REFERENCES target ON DELETE CASCADE); CREATE TABLE child (t integer REFERENCES target ON DELETE CASCADE)
	; --INSERT INTO child VALUES (3)', '(2,0,3,0,0)', 'SELECT id FROM target ORDER BY id',
	'SELECT id, nullif(id - 1, 0) AS up FROM generate_series(1, 5) AS id', record => record)
FROM unnest('{xmin,rows}'::text[]) AS record;
SELECT referenced_by('a tree with a changed row', 'CREATE TABLE target (id integer PRIMARY KEY, up integer REFERENCES target ON DELETE CASCADE, v text)
	; --UPDATE target SET v = ''mine'' WHERE id = 3', '(2,1,2,0,0)', 'SELECT id FROM target ORDER BY id',
	'SELECT id, nullif(id - 1, 0) AS up FROM generate_series(1, 5) AS id');
SELECT referenced_by('a row that refers to itself ' || record, 'CREATE TABLE target (id integer PRIMARY KEY, up integer REFERENCES target)
	; --SELECT 1', '(5,0,0,0,0)', 'SELECT id FROM target ORDER BY id', 'SELECT id, id AS up FROM generate_series(1, 5) AS id', record => record)
FROM unnest('{xmin,rows}'::text[]) AS record;

-- A reference that is only checked at the end, and a role that may not let triggers wait.
CREATE ROLE undo_owner;
CREATE ROLE undo_other;
GRANT USAGE, CREATE ON SCHEMA app TO undo_owner;
GRANT SELECT ON source TO undo_owner;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reconcile TO undo_owner, undo_other;
SET LOCAL ROLE undo_owner;
CREATE TABLE owned (id integer PRIMARY KEY);
CREATE TABLE owned_child (t integer REFERENCES owned DEFERRABLE INITIALLY DEFERRED);
SELECT reconcile.create_invariant('owned', 'owned', '{id}', 'SELECT id FROM source') \g /dev/null
RESET ROLE;
SELECT is(counts('owned', false), '(10,10,0,0)', 'a superuser repairs what another role owns');
INSERT INTO owned_child VALUES (1);
SELECT lives_ok(format('SELECT undone(%s)', last_run('owned')), 'and undoes it');
SELECT results_eq('SELECT id FROM owned', 'VALUES (1)', 'but for the referenced row');
SELECT counts('owned', false) \g /dev/null
SET LOCAL ROLE undo_other;
SELECT throws_ok($$SELECT reconcile.undo(1000000)$$, '42704', 'run 1000000 does not exist', 'a run that does not exist, by another role');
RESET ROLE;
SELECT last_run('owned') AS run \gset
SET LOCAL ROLE undo_other;
SELECT throws_ok(format('SELECT reconcile.undo(%s, %L)', :run, dry_run), '42501', format('permission denied for run %s', :run),
	format('undo of the run of another role, dry_run %s', dry_run)) FROM unnest('{true,false}'::boolean[]) AS dry_run;
RESET ROLE;
SELECT is((SELECT count(*) FROM owned), 10::bigint, 'takes nothing');
GRANT undo_owner TO undo_other;
SET LOCAL ROLE undo_other;
SELECT lives_ok(format('SELECT reconcile.undo(%s, false)', :run), 'a member of the role may');
RESET ROLE;
SELECT is((SELECT undone_by FROM reconcile.run WHERE run_id = :run), 'undo_other', 'and is named in the ledger');

-- The role as which a run ran is gone.
CREATE ROLE undo_leaver;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reconcile TO undo_leaver;
GRANT USAGE ON SCHEMA app TO undo_leaver;
GRANT SELECT ON source TO undo_leaver;
CREATE TABLE left_behind (id integer PRIMARY KEY);
GRANT SELECT, INSERT, DELETE ON left_behind TO undo_leaver;
SET LOCAL ROLE undo_leaver;
SELECT reconcile.create_invariant('left_behind', 'left_behind', '{id}', 'SELECT id FROM source') \g /dev/null
SELECT is(counts('left_behind', false), '(10,10,0,0)', 'a role repairs');
RESET ROLE;
DROP OWNED BY undo_leaver;
DROP ROLE undo_leaver;
SELECT last_run('left_behind') AS run \gset
SELECT throws_ok(format('SELECT reconcile.undo(%s, %L)', :run, dry_run), 'RC004', format('run %s cannot be undone', :run),
	format('and is dropped: undo, dry_run %s', dry_run)) FROM unnest('{true,false}'::boolean[]) AS dry_run;
SELECT is((SELECT undo_refused_because FROM reconcile.runs WHERE run_id = :run), 'the role as which it ran does not exist any more', 'the view says why');
SELECT reconcile.drop_invariant('left_behind') \g /dev/null

-- ---------------------------------------------------------------- the target is not what it was

CREATE FUNCTION changed_since(what text, ddl text, expected text, record text DEFAULT 'auto') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
	said text;
BEGIN
	DROP TABLE IF EXISTS target, renamed CASCADE;
	CREATE TABLE target (id integer PRIMARY KEY, v text, w text DEFAULT 'w', x integer DEFAULT 7);
	INSERT INTO target VALUES (1, 'v1');
	PERFORM reconcile.create_invariant('i', 'target', '{id}', 'SELECT id, v FROM source');
	run := repaired('i', record);
	EXECUTE ddl;
	BEGIN
		said := undone(run);
	EXCEPTION WHEN SQLSTATE 'RC004' THEN
		GET STACKED DIAGNOSTICS said = PG_EXCEPTION_DETAIL;
	WHEN raise_exception THEN
		BEGIN
			PERFORM reconcile.undo(run);
		EXCEPTION WHEN SQLSTATE 'RC004' THEN
			GET STACKED DIAGNOSTICS said = PG_EXCEPTION_DETAIL;
		END;
		IF said IS DISTINCT FROM (SELECT format('The reason: %s.', undo_refused_because) FROM reconcile.runs WHERE run_id = run) THEN
			said := 'the view and undo() disagree: ' || said;
		END IF;
	END;
	RETURN NEXT is(regexp_replace(said, '"\d+"', '"N"'), expected, what);  -- which of the rows is not known
	PERFORM reconcile.drop_invariant('i');
END $$;
SELECT changed_since(what || ', ' || record, ddl, CASE record WHEN 'rows' THEN by_rows ELSE by_xmin END, record)
FROM unnest('{xmin,rows}'::text[]) AS record, (VALUES
	('renamed table', 'ALTER TABLE target RENAME TO renamed', '(9,0,0,0,0)', '(9,0,0,0,0)'),
	('moved to another schema', 'CREATE SCHEMA IF NOT EXISTS elsewhere; DROP TABLE IF EXISTS elsewhere.target; ALTER TABLE target SET SCHEMA elsewhere', '(9,0,0,0,0)', '(9,0,0,0,0)'),
	('column dropped', 'ALTER TABLE target DROP w', '(9,0,0,0,0)',
	 'The reason: its target does not have all columns of the recorded rows any more.'),
	('column added', 'ALTER TABLE target ADD y text DEFAULT ''y''', '(9,0,0,0,0)', '(9,0,0,0,0)'),
	('column added and set', 'ALTER TABLE target ADD y text; UPDATE target SET y = ''mine'' WHERE id = 2', '(8,1,0,0,0)', '(9,0,0,0,0)'),
	('column renamed', 'ALTER TABLE target RENAME w TO z', '(9,0,0,0,0)',
	 'The reason: its target does not have all columns of the recorded rows any more.'),
	('column made anew', 'ALTER TABLE target DROP w; ALTER TABLE target ADD w text', '(9,0,0,0,0)', '(0,9,0,0,0)'),
	('column made anew with another type', 'ALTER TABLE target DROP w; ALTER TABLE target ADD w integer', '(9,0,0,0,0)',
	 'What it recorded does not fit the columns of app.target any more: invalid input syntax for type integer: "w".'),
	('key made anew with another type', 'ALTER TABLE target DROP id; ALTER TABLE target ADD id uuid', '(9,0,0,0,0)',
	 'What it recorded does not fit the columns of app.target any more: invalid input syntax for type uuid: "N".'),
	('key with another type', 'ALTER TABLE target ALTER id TYPE text', '(0,9,0,0,0)', '(9,0,0,0,0)'),
	('another primary key', 'ALTER TABLE target DROP CONSTRAINT target_pkey, ADD y bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY', '(0,9,0,0,0)', '(9,0,0,0,0)'),
	('no primary key', 'ALTER TABLE target DROP CONSTRAINT target_pkey', '(9,0,0,0,0)', '(9,0,0,0,0)'),
	('table dropped', 'DROP TABLE target', 'The reason: its target does not exist any more.', 'The reason: its target does not exist any more.'),
	('table dropped and made again', 'CREATE TABLE copy AS TABLE target; DROP TABLE target; ALTER TABLE copy RENAME TO target',
	 'The reason: its target does not exist any more.', 'The reason: its target does not exist any more.'),
	('rewritten', 'ALTER TABLE target ALTER x TYPE bigint', '(0,9,0,0,0)', '(9,0,0,0,0)'),
	('emptied and filled again', 'CREATE TEMP TABLE kept ON COMMIT DROP AS TABLE target; TRUNCATE target; INSERT INTO target TABLE kept; DROP TABLE kept',
	 '(0,9,0,0,0)', '(9,0,0,0,0)')
) AS t(what, ddl, by_xmin, by_rows);
SELECT changed_since('other transaction ids', 'UPDATE reconcile.run SET system_identifier = 42 WHERE run_id = (SELECT max(run_id) FROM reconcile.run)',
	'The reason: it was made in another cluster, where its transaction ids mean other rows.');
SELECT changed_since('other database', 'UPDATE reconcile.run SET database = 42 WHERE run_id = (SELECT max(run_id) FROM reconcile.run)',
	'The reason: it was made in another database, where its transaction ids mean other rows.');
SELECT changed_since('a restored run with recorded rows', 'UPDATE reconcile.run SET database = 42, system_identifier = 42 WHERE run_id = (SELECT max(run_id) FROM reconcile.run)',
	'(9,0,0,0,0)', 'rows');
SELECT changed_since('a run of long ago', 'UPDATE reconcile.run SET xids = ARRAY[''3''::xid8] WHERE run_id = (SELECT max(run_id) FROM reconcile.run)', '(0,9,0,0,0)');
SELECT changed_since('a run that has not ended', 'UPDATE reconcile.run SET state = ''running'', finished_at = NULL WHERE run_id = (SELECT max(run_id) FROM reconcile.run)',
	'(9,0,0,0,0)');

-- Rows that a trigger writes during the run carry its ids, too, and are not its own.
CREATE TABLE by_trigger (id integer PRIMARY KEY);
CREATE FUNCTION one_more() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN IF NEW.id > 0 THEN INSERT INTO by_trigger VALUES (- NEW.id) ON CONFLICT DO NOTHING; END IF; RETURN NEW; END';
CREATE TRIGGER one_more AFTER INSERT ON by_trigger FOR EACH ROW EXECUTE FUNCTION one_more();
SELECT reconcile.create_invariant('by_trigger', 'by_trigger', '{id}', 'SELECT id FROM source') \g /dev/null
SELECT repaired('by_trigger') AS run \gset
SELECT is((SELECT count(*) FROM by_trigger), 20::bigint, 'a trigger writes beside the run');
SELECT is((SELECT removed FROM reconcile.undo(:run, false)), 10::bigint, 'undo removes what the run inserted');
SELECT is((SELECT count(*) FROM by_trigger WHERE id < 0), 10::bigint, 'and leaves what the trigger inserted');

-- The same for a row that was there before, and that a trigger updates during the run.
CREATE TABLE one_default (id integer PRIMARY KEY, is_default boolean NOT NULL);
CREATE FUNCTION one_default() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN UPDATE one_default SET is_default = false WHERE id <> NEW.id AND is_default; RETURN NEW; END';
CREATE TRIGGER one_default AFTER INSERT ON one_default FOR EACH ROW EXECUTE FUNCTION one_default();
INSERT INTO one_default VALUES (1, true);
SELECT reconcile.create_invariant('one_default', 'one_default', '{id}', 'SELECT id, true AS is_default FROM generate_series(1, 2) AS id') \g /dev/null
SELECT repaired('one_default') AS run \gset
UPDATE one_default SET is_default = false WHERE id = 2;
SELECT is((SELECT removed FROM reconcile.undo(:run, false)), 0::bigint, 'a row that was changed since is not removed');
SELECT is((SELECT array_agg(id ORDER BY id) FROM one_default), '{1,2}', 'nor is one that a trigger touched during the run');

-- ---------------------------------------------------------------- several transaction ids, partitions, no primary key

CREATE TABLE halved (id integer PRIMARY KEY, v text CHECK (v NOT IN ('v3', 'v7')));
SELECT reconcile.create_invariant('halved', 'halved', '{id}', 'TABLE source') \g /dev/null
SELECT is(counts('halved', false), '(10,8,0,2)', 'bad rows among others');
SELECT cmp_ok((SELECT cardinality(xids) FROM reconcile.run WHERE run_id = last_run('halved')), '>', 1, 'several transaction ids');
SELECT is(undone(last_run('halved')), '(8,0,0,0,0)', 'all are undone');

CREATE TABLE parted (id integer, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE parted1 PARTITION OF parted FOR VALUES FROM (1) TO (4);
CREATE TABLE parted2 (v text, gone integer, id integer NOT NULL);
ALTER TABLE parted2 DROP gone;
ALTER TABLE parted ATTACH PARTITION parted2 FOR VALUES FROM (4) TO (100);
INSERT INTO parted VALUES (1, 'before'), (4, 'before');
SELECT reconcile.create_invariant('parted', 'parted', '{id}', 'TABLE source') \g /dev/null
CREATE FUNCTION parted(record text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN NEXT is(counts('parted', false, record => record), '(8,8,0,0)', 'a partitioned target, ' || record);
	RETURN NEXT is(undone(last_run('parted')), '(8,0,0,0,0)', 'is undone, ' || record);
	RETURN NEXT is((SELECT array_agg(v) FROM parted), '{before,before}', 'but for what was there, ' || record);
END $$;
SELECT parted(record) FROM unnest('{xmin,rows}'::text[]) AS record;
SELECT counts('parted', false) \g /dev/null
UPDATE parted SET id = 50 WHERE id = 2;
SELECT is(undone(last_run('parted')), '(7,1,0,0,0)', 'a row that moved to another partition is changed');

-- Without primary key a recorded row is known by the invariant's key; copies that cannot be told apart are refused, not guessed.
CREATE TABLE heap (k integer UNIQUE, v text);
INSERT INTO heap VALUES (1, 'before');
SELECT reconcile.create_invariant('heap', 'heap', '{k}', 'SELECT nullif(id, 10) AS k, v FROM source') \g /dev/null
SELECT repaired('heap', 'rows') AS run \gset
UPDATE heap SET v = 'edited' WHERE k = 2;
DELETE FROM heap WHERE k = 3;
SELECT is(undone(:run), '(7,1,0,1,0)', 'no primary key: what is changed is told from what is gone');
SELECT results_eq('TABLE heap ORDER BY k', $$VALUES (1, 'before'), (2, 'edited')$$, 'and stays');
SELECT repaired('heap', 'rows') AS run \gset
INSERT INTO heap VALUES (NULL, 'v10');
SELECT raised('a copy of a recorded row', format('SELECT reconcile.undo(%s, false)', :run), 'RC004', format('run %s cannot be undone', :run));

-- Types whose JSON is not their text: a recorded row is recognised by what it holds.
CREATE TYPE mood AS ENUM ('sad', 'it''s');
CREATE DOMAIN word AS varchar(5) CHECK (VALUE <> '');
CREATE TYPE pair AS (a integer, b text);
SELECT CASE WHEN EXISTS (SELECT FROM pg_config WHERE setting LIKE '%with-libxml%') THEN 'xml' ELSE 'text' END AS xml \gset
CREATE TABLE typed (id integer PRIMARY KEY, a json DEFAULT '{"b": 1,   "a": 2, "a": 3}', b jsonb DEFAULT 'null', c bytea DEFAULT '\x00ff',
	d timestamptz DEFAULT '2024-02-29 12:34:56.789012+05:30', e numeric DEFAULT 'NaN', f float8 DEFAULT 0.1::float8 + 0.2::float8,
	g float4 DEFAULT 'infinity', h integer[] DEFAULT '[0:1][3:3]={{1},{NULL}}', i interval DEFAULT '-1 day +02:03:04.5',
	j tstzrange DEFAULT '[2024-01-02,2024-03-04)', k mood DEFAULT 'it''s', l word DEFAULT 'a"b\', m pair DEFAULT '(1,"x,y")', n bit(3) DEFAULT '101',
	o money DEFAULT '12.34', p inet DEFAULT '::1/64', q char(4) DEFAULT 'c', r "char" DEFAULT 'x', s :xml DEFAULT '<a b="c">é</a>', t tsvector DEFAULT 'a:1 b',
	u point DEFAULT '(0.1,1e-300)', v date DEFAULT 'infinity', w text DEFAULT E'tab\t"é"\\ 🐘', x pair[] DEFAULT ARRAY['(1,)'::pair, NULL], y text);
SELECT reconcile.create_invariant('typed', 'typed', '{id}', 'SELECT id FROM source') \g /dev/null
SET LOCAL DateStyle = 'SQL, DMY';
SET LOCAL IntervalStyle = 'sql_standard';
SET LOCAL extra_float_digits = -15;
SET LOCAL bytea_output = 'escape';
SELECT repaired('typed', 'rows') AS run \gset
SET LOCAL DateStyle = 'German';
SET LOCAL IntervalStyle = 'postgres';
SET LOCAL extra_float_digits = 1;
SET LOCAL TimeZone = 'Asia/Kathmandu';
UPDATE typed SET b = '{}' WHERE id = 1;
UPDATE typed SET a = '{"a":3,"b":1}' WHERE id = 2;
UPDATE typed SET m = '(1,)' WHERE id = 3;
UPDATE typed SET b = NULL WHERE id = 4;
SELECT is(undone(:run), '(6,4,0,0,0)', 'rows of every type are recognised, and changes in each seen');
RESET DateStyle;
RESET TimeZone;

-- Operators that the owner's search_path shows are not what compares.
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.never(mood, mood) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE ''hijacked''; END';
CREATE OPERATOR hostile.= (LEFTARG = mood, RIGHTARG = mood, PROCEDURE = hostile.never);
CREATE TABLE moods (k mood PRIMARY KEY, m mood);
SET search_path = hostile, app, public;
SELECT reconcile.create_invariant('moods', 'app.moods', '{k}', 'SELECT ''sad''::app.mood AS k, ''sad''::app.mood AS m') \g /dev/null
SELECT app.repaired('moods', 'rows') AS run \gset
SELECT is((SELECT removed FROM reconcile.undo(:run, false)), 1::bigint, 'undo compares by the operators of the types');
SET search_path = app, public;

-- ---------------------------------------------------------------- triggers on the target

CREATE TABLE kept_by_trigger (id integer PRIMARY KEY);
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN CASE WHEN OLD.id > 2 THEN OLD END; END';
CREATE TRIGGER keep BEFORE DELETE ON kept_by_trigger FOR EACH ROW EXECUTE FUNCTION keep();
SELECT reconcile.create_invariant('kept_by_trigger', 'kept_by_trigger', '{id}', 'SELECT id FROM source') \g /dev/null
SELECT repaired('kept_by_trigger') AS run \gset
SELECT is((SELECT (removed, kept_changed, kept_referenced) FROM reconcile.undo(:run, false)), (8::bigint, 2::bigint, 0::bigint),
	'rows that a trigger keeps are not counted as removed, nor as referenced');

-- ---------------------------------------------------------------- read-only

SELECT repaired('thrice') AS run \gset
SAVEPOINT read_only;
SET TRANSACTION READ ONLY;
SELECT is((SELECT removed FROM reconcile.undo(:run4)), 5::bigint, 'dry run in a read-only transaction');
SELECT raised(call, format('SELECT reconcile.%s', call), '25006', format('cannot execute reconcile.%s() in a read-only transaction', split_part(call, '(', 1)))
FROM unnest(ARRAY[format('undo(%s, false)', :run4), 'undo_last(''nothing'', false)', 'forget_runs(''0'')']) AS call;
ROLLBACK TO read_only;

-- ---------------------------------------------------------------- undo_last

INSERT INTO reconcile.installed_pack (name, version, options, installed_by) VALUES ('chain', '0', '{}', current_user);
CREATE TABLE space (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner integer UNIQUE REFERENCES source);
CREATE TABLE member (space bigint REFERENCES space, person integer, PRIMARY KEY (space, person));
CREATE TABLE setting (space bigint, person integer, FOREIGN KEY (space, person) REFERENCES member ON DELETE CASCADE, name text,
                      PRIMARY KEY (space, person, name));
SELECT reconcile.create_invariant('c space', 'space', '{owner}', 'SELECT id AS owner FROM source') \g /dev/null
SELECT reconcile.create_invariant('b member', 'member', '{space,person}', 'SELECT id AS space, owner AS person FROM space') \g /dev/null
SELECT reconcile.create_invariant('a setting', 'setting', '{space,person,name}', 'SELECT space, person, ''theme'' AS name FROM member') \g /dev/null
UPDATE reconcile.invariant SET pack = 'chain' WHERE name IN ('c space', 'b member', 'a setting');
SELECT is_empty($$SELECT * FROM reconcile.undo_last('chain', false)$$, 'nothing to undo yet');
SELECT is((SELECT sum(changed) FROM reconcile.repair(pack => 'chain', dry_run => false)), 30::numeric, 'a chain is repaired');
DELETE FROM setting WHERE person = 1;
UPDATE setting SET name = 'size' WHERE person = 2;
CREATE TEMP TABLE dry AS SELECT * FROM reconcile.undo_last('chain') WITH ORDINALITY;
CREATE TEMP TABLE live AS SELECT * FROM reconcile.undo_last('chain', false) WITH ORDINALITY;
SELECT results_eq('SELECT invariant, removed, kept_changed, kept_referenced FROM live ORDER BY ordinality',
	$$VALUES ('a setting', 8::bigint, 2::bigint, 0::bigint), ('b member', 9, 0, 1), ('c space', 9, 0, 1)$$, 'undo_last() undoes children first');
SELECT results_eq('TABLE dry', 'TABLE live', 'its dry run showed the same numbers');
SELECT results_eq('SELECT name, person FROM setting', $$VALUES ('size', 2)$$, 'what was changed is there, with its parents');
SELECT is((SELECT count(*) FROM space), 1::bigint, 'and nothing else');
SELECT is_empty($$SELECT * FROM reconcile.undo_last('chain', false)$$, 'there is no run left to undo');
SELECT reconcile.repair(pack => 'chain', dry_run => false) \g /dev/null
INSERT INTO source VALUES (11, 'v11');
SELECT reconcile.repair(pack => 'chain', dry_run => false) \g /dev/null
SELECT is((SELECT sum(removed) FROM reconcile.undo_last('chain', false)), 3::numeric, 'the newest run of each');
SELECT is((SELECT array_agg(removed ORDER BY removed) FROM reconcile.undo_last('chain', false)), '{9,9,10}', 'then the one before');

-- ---------------------------------------------------------------- guards
-- A guard writes nothing again of what is taken back, and goes on with what comes then.
CREATE TABLE held (id integer PRIMARY KEY, v text);
CREATE FUNCTION held_after(kind text, timing text, on_delete text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	run bigint;
	rows text;
BEGIN
	TRUNCATE held;
	IF kind = 'fill' THEN
		INSERT INTO held SELECT id FROM source;
	END IF;
	PERFORM reconcile.create_invariant('held', 'held', '{id}', 'SELECT id, v FROM source', kind => kind);
	run := repaired('held');
	PERFORM reconcile.guard('held', timing => timing, on_delete => on_delete);
	PERFORM reconcile.undo(run, dry_run => false);
	SET CONSTRAINTS ALL IMMEDIATE;
	SET CONSTRAINTS ALL DEFERRED;
	rows := (SELECT format('%s of %s', count(v), count(*)) FROM held);
	IF kind = 'fill' THEN
		UPDATE held SET id = id + 100 WHERE id = 1;
		UPDATE held SET id = id - 100 WHERE id = 101;
	ELSE
		UPDATE source SET v = v || '!' WHERE id = 1;
	END IF;
	SET CONSTRAINTS ALL IMMEDIATE;
	SET CONSTRAINTS ALL DEFERRED;
	PERFORM reconcile.drop_invariant('held');
	RETURN rows || (SELECT format(', then %s', count(v)) FROM held);
END $$;
SELECT is(held_after(kind, timing, on_delete), rows, format('%s, guarded at %s, %s', kind, timing, on_delete)) FROM (VALUES
	('insert', 'ignore', '0 of 0, then 1'), ('insert', 'recreate', '0 of 0, then 1'), ('fill', 'ignore', '0 of 11, then 1'))
	AS h(kind, on_delete, rows), unnest('{statement,commit}'::text[]) AS timing;

-- Values that are taken back in a parent make the children's guards write nothing.
CREATE TABLE parent (id integer PRIMARY KEY, v text);
INSERT INTO parent SELECT id FROM source;
CREATE FUNCTION children_after(timing text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said text;
BEGIN
	PERFORM reconcile.create_invariant('parent', 'parent', '{id}', 'SELECT id, v FROM source', kind => 'fill');
	PERFORM reconcile.create_invariant('child', 'held', '{id}', 'SELECT id, v FROM parent');
	TRUNCATE held;
	UPDATE reconcile.invariant SET pack = 'chain' WHERE name IN ('parent', 'child');
	PERFORM reconcile.repair(name, dry_run => false) FROM unnest('{parent,child}'::text[]) AS name;
	PERFORM reconcile.guard('child', timing => timing);
	said := (SELECT string_agg(format('%s %s', removed, restored), ', ') FROM reconcile.undo_last('chain', false)
		WHERE invariant IN ('parent', 'child'));
	SET CONSTRAINTS ALL IMMEDIATE;
	SET CONSTRAINTS ALL DEFERRED;
	PERFORM reconcile.drop_invariant(name) FROM unnest('{child,parent}'::text[]) AS name;
	RETURN format('%s: %s', said, (SELECT count(*) FROM held));
END $$;
SELECT is(children_after(timing), '11 0, 0 11: 0', 'children guarded at ' || timing) FROM unnest('{statement,commit}'::text[]) AS timing;

-- ---------------------------------------------------------------- forget_runs

SELECT is(reconcile.forget_runs('1 day'), 0::bigint, 'no run is that old');
UPDATE reconcile.run SET finished_at = now() - interval '30 days', started_at = now() - interval '31 days' WHERE invariant IN ('typed', 'heap');
SELECT count(*) AS runs FROM reconcile.run \gset
SELECT is(reconcile.forget_runs('29 days'), 3::bigint, 'old runs are forgotten');
SELECT is((SELECT count(*) FROM reconcile.runs), (:runs - 3)::bigint, 'the others are not');
SELECT is_empty('SELECT FROM reconcile.run_row r WHERE NOT EXISTS (SELECT FROM reconcile.run WHERE run_id = r.run_id)', 'their rows are forgotten as well');
SELECT throws_ok(format('SELECT reconcile.undo(%s)', min), '42704', format('run %s does not exist', min), 'and cannot be undone')
FROM (SELECT min(n) FROM generate_series(1, 1000) AS n WHERE NOT EXISTS (SELECT FROM reconcile.runs WHERE run_id = n)) AS t;
UPDATE reconcile.run SET state = 'running', finished_at = NULL, undone_at = NULL WHERE run_id = :run4;
SELECT reconcile.forget_runs('-1 day') \g /dev/null
SELECT ok(bool_and(finished_at IS NULL) AND :run4 = ANY (array_agg(run_id)), 'a run that has not ended is never forgotten') FROM reconcile.runs;

-- Nothing is left of what is forgotten.
CREATE TABLE forgotten (id integer PRIMARY KEY);
SELECT reconcile.create_invariant('forgotten', 'forgotten', '{id}', 'SELECT id FROM source') \g /dev/null
SELECT reconcile.plan('forgotten') AS plan \gset
SELECT run_id AS run FROM reconcile.repair(plan => :plan, dry_run => false, record => 'rows') \gset
SELECT is((SELECT count(*) FROM reconcile.run_row WHERE run_id = :run), 11::bigint, 'rows of a run');
UPDATE reconcile.run SET finished_at = now() - interval '1 day' WHERE run_id = :run;
UPDATE reconcile.saved_plan SET applied_at = now() - interval '1 day' WHERE plan_id = :plan;
SELECT is(reconcile.forget_runs('1 hour'), 1::bigint, 'forget_runs() takes it');
SELECT is_empty(format('SELECT FROM reconcile.run_row WHERE run_id = %s', :run), 'with its rows');
SELECT is_empty(format('SELECT FROM reconcile.saved_plan_rows WHERE plan_id = %s', :plan), 'and its plan with those of the plan');
SELECT reconcile.plan('forgotten') AS plan \gset
SELECT reconcile.drop_invariant('forgotten') \g /dev/null
SELECT is_empty(format('SELECT FROM reconcile.saved_plan_rows WHERE plan_id = %s', :plan), 'drop_invariant() takes plans with their rows');

SELECT * FROM finish();
ROLLBACK;
