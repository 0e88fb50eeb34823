-- Invariants of kind fill: which values are written and which stay, what is counted and recorded, what undo puts back.
--
-- The rules that hold always, broken on purpose in filling.cpp and restoration.cpp:
-- "Nothing is deleted or overwritten unless the invariant says so": by leaving unchanged() out of the UPDATE (a plan then
-- writes over what somebody changed since it was reviewed) and same_value() out of the restoration (undo does).
-- "The second run changes nothing": by not excepting an expected NULL in deviates_in() (it is written at each run).
-- "The dry run is the same code path as the live run and its counts are the counts": by leaving the overlay of a fill out
-- of planned.cpp (those who read the filled column plan nothing).
-- "A bad row is reported and does not stop the rest": by raising it as with on_row_error stop ('a value that the column
-- refuses' fails).
-- "Concurrent runs and writers": test/isolation/pairs.py and test/test_concurrency.py.
\ir ../support/invariant.sql
SELECT no_plan();

CREATE TABLE source (id integer PRIMARY KEY, name text, n integer);
INSERT INTO source VALUES (1, 'one', 10), (2, 'two', 20), (3, 'three', NULL), (4, 'four', 40), (5, NULL, NULL);

-- ---------------------------------------------------------------- what is written

-- fills makes a target and an invariant of kind fill and repairs it: the numbers of audit and run, the same in the dry run,
-- nothing to do in the second run, the rows afterwards, and the rows of before once the run is undone.
CREATE FUNCTION fills(what text, ddl text, expects text, missing bigint, differing bigint, planned bigint, rows text,
                      compare text[] DEFAULT '{}', key text[] DEFAULT '{id}', failed bigint DEFAULT 0, duplicated bigint DEFAULT 0,
                      where_absent text DEFAULT NULL) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	audited record;
	before text;
	after text;
	taken record;
BEGIN
	EXECUTE 'DROP TABLE IF EXISTS target CASCADE';
	EXECUTE ddl;
	PERFORM reconcile.create_invariant('i', 'target', key, expects, kind => 'fill', compare => compare, where_absent => where_absent);
	SELECT string_agg(t::text, ' ' ORDER BY t::text) INTO before FROM target AS t;
	SELECT * INTO audited FROM reconcile.audit('i');
	RETURN NEXT is((audited.missing, audited.differing, audited.duplicated), (missing, differing, duplicated), what || ': audited');
	RETURN NEXT is(audited.present, audited.expected - audited.missing, what || ': what is not missing is present');
	RETURN NEXT results_eq('SELECT kind, count(*) FROM reconcile.findings(''i'') GROUP BY kind ORDER BY kind',
		format('SELECT * FROM (VALUES (''differs'', %s::bigint), (''duplicate'', %s), (''missing'', %s)) AS t(kind, n) WHERE n > 0 ORDER BY 1',
		       differing, duplicated, missing), what || ': the findings are those of the audit');
	RETURN NEXT is(counts('i', true), ROW(planned, planned, 0, 0)::counts, what || ': dry run');
	SELECT string_agg(t::text, ' ' ORDER BY t::text) INTO after FROM target AS t;
	RETURN NEXT is(after, before, what || ': it wrote nothing');
	RETURN NEXT is(counts('i', false), ROW(planned, planned - failed, 0, failed)::counts, what || ': repaired');
	SELECT string_agg(t::text, ' ' ORDER BY t::text) INTO after FROM target AS t;
	RETURN NEXT is(after, rows, what || ': the rows');
	RETURN NEXT is(counts('i', false), ROW(failed, 0, 0, failed)::counts, what || ': the second run changes nothing');
	IF planned > failed THEN
		SELECT restored, removed, kept_changed, kept_referenced, already_gone INTO taken FROM reconcile.undo(
			(SELECT max(run_id) FROM reconcile.runs WHERE invariant = 'i' AND undoable), dry_run => false);
		RETURN NEXT is(taken, ROW(planned - failed, 0::bigint, 0::bigint, 0::bigint, 0::bigint), what || ': undone');
		SELECT string_agg(t::text, ' ' ORDER BY t::text) INTO after FROM target AS t;
		RETURN NEXT is(after, before, what || ': everything is as before');
	END IF;
	PERFORM reconcile.drop_invariant('i');
EXCEPTION WHEN OTHERS THEN
	RETURN NEXT fail(format('%s: %s %s', what, SQLSTATE, SQLERRM));
END $$;

CREATE FUNCTION has(columns text, key text DEFAULT 'PRIMARY KEY') RETURNS text LANGUAGE sql AS
	$$SELECT format('CREATE TABLE target (id integer %s, %s); INSERT INTO target ', key, columns)$$;
SELECT fills('empty values', has('name text, n integer') || $$VALUES (1, NULL, NULL), (2, 'kept', NULL), (3, NULL, 7)$$,
	'SELECT id, name, n FROM source WHERE id < 4', 3, 0, 3, '(1,one,10) (2,kept,20) (3,three,7)');
SELECT fills('an expected NULL asks for nothing', has('name text, n integer') || $$VALUES (3, 'kept', NULL), (5, NULL, NULL)$$,
	'SELECT id, name, n FROM source WHERE id IN (3, 5)', 0, 0, 0, '(3,kept,) (5,,)');
SELECT fills('no row of that key', has('name text') || $$VALUES (1, NULL), (9, NULL)$$,
	'SELECT id, name FROM source WHERE id < 4', 3, 0, 1, '(1,one) (9,)');
SELECT fills('compared values', has('name text, n integer') || $$VALUES (1, 'uno', 10), (2, NULL, 20), (3, 'three', 3), (4, 'four', 40), (5, 'five', 50)$$,
	'SELECT id, name, n FROM source', 0, 4, 4, '(1,one,10) (2,two,20) (3,three,) (4,four,40) (5,,)', '{name,n}');
SELECT fills('empty and compared values', has('name text, n integer') || $$VALUES (1, 'uno', 1), (2, 'due', NULL), (3, NULL, NULL), (4, NULL, 4)$$,
	'SELECT id, name, n FROM source WHERE id < 5', 2, 2, 4, '(1,uno,10) (2,due,20) (3,three,) (4,four,40)', '{n}');
SELECT fills('a NOT NULL column that is compared', has('n integer NOT NULL DEFAULT 0') || 'SELECT n FROM generate_series(1, 3) AS n',
	'SELECT id, id * 10 AS n FROM source WHERE id < 4', 0, 3, 3, '(1,10) (2,20) (3,30)', '{n}');
SELECT fills('a value that the column refuses', has('name text CHECK (name <> ''two'')') || 'VALUES (1), (2), (4)',
	'SELECT id, name FROM source WHERE id < 5', 4, 0, 3, '(1,one) (2,) (4,four)', failed => 1);
SELECT fills('NULL where the column refuses it', has('n integer NOT NULL') || 'VALUES (1, 1), (3, 3)',
	'SELECT id, n FROM source WHERE id IN (1, 3)', 0, 2, 2, '(1,10) (3,3)', '{n}', failed => 1);
SELECT fills('rounded values are equal', has('n numeric(6,2)') || 'VALUES (1, 10), (2, 20.01)',
	'SELECT id, n + 0.004 AS n FROM source WHERE id < 3', 0, 1, 1, '(1,10.00) (2,20.00)', '{n}');
SELECT fills('too long a value', has('name varchar(3)') || 'VALUES (1), (3)',
	'SELECT id, name FROM source WHERE id IN (1, 3)', 2, 0, 2, '(1,one) (3,)', failed => 1);
SELECT fills('a number beside one that stays', has('big numeric, f numeric') || 'VALUES (1, 12345678901234567890.5, NULL)',
	'SELECT id, 1::float8 AS big, 0.5::float8 AS f FROM source WHERE id = 1', 1, 0, 1, '(1,12345678901234567890.5,0.5)');
SELECT fills('blanks beyond a length', has('name varchar(3)') || 'VALUES (1, ''one''), (2, ''x'')',
	'SELECT id, ''one  '' AS name FROM source WHERE id < 3', 0, 1, 1, '(1,one) (2,one)', '{name}');
SELECT fills('rows that do not count', has('name text, gone boolean DEFAULT false') || 'VALUES (1, NULL, false), (2, NULL, true)',
	'SELECT id, name FROM source WHERE id < 3', 2, 0, 1, '(1,one,f) (2,,t)', where_absent => 'gone');
SELECT fills('a partial unique index and a soft-deleted twin', 'CREATE TABLE target (id integer NOT NULL, name text, gone boolean);
	CREATE UNIQUE INDEX ON target (id) WHERE NOT gone; INSERT INTO target VALUES (1, NULL, false), (1, NULL, true), (2, NULL, true)',
	'SELECT id, name FROM source WHERE id < 3', 2, 0, 1, '(1,,t) (1,one,f) (2,,t)', where_absent => 'gone');
SELECT fills('two rows with one key are left alone', 'CREATE TABLE target (id integer, name text); CREATE UNIQUE INDEX ON target (id);
	INSERT INTO target VALUES (NULL, NULL), (NULL, ''x''), (1, NULL)',
	$$SELECT id, name FROM source WHERE id = 1 UNION ALL SELECT NULL, 'none'$$, 1, 0, 1, '(,) (,x) (1,one)', duplicated => 1);
SELECT fills('NULL in the key', 'CREATE TABLE target (id integer, role text, name text, UNIQUE (id, role)); INSERT INTO target VALUES (1, NULL, NULL), (1, ''a'', NULL)',
	$$SELECT 1 AS id, NULL AS role, 'none' AS name UNION ALL SELECT 1, 'a', 'some'$$, 2, 0, 2, '(1,,none) (1,a,some)', key => '{role,id}');
SELECT fills('an identity column as key', 'CREATE TABLE target (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text); INSERT INTO target (name) VALUES (NULL), (NULL)',
	'SELECT id, name FROM source WHERE id < 3', 2, 0, 2, '(1,one) (2,two)');
SELECT fills('a generated column as key', 'CREATE TABLE target (n integer, id integer GENERATED ALWAYS AS (n * 2) STORED UNIQUE, name text); INSERT INTO target VALUES (1), (2)',
	'SELECT id, name FROM source WHERE id IN (2, 4)', 2, 0, 2, '(1,2,two) (2,4,four)');
SELECT fills('a table without a primary key', 'CREATE TABLE target (id integer UNIQUE, name text); INSERT INTO target VALUES (1), (2)',
	'SELECT id, name FROM source WHERE id < 3', 2, 0, 2, '(1,one) (2,two)');
SELECT fills('a key that is not the primary key', 'CREATE TABLE target (pk serial PRIMARY KEY, id integer NOT NULL UNIQUE, name text); INSERT INTO target (id) VALUES (1), (2)',
	'SELECT id, name FROM source WHERE id < 3', 2, 0, 2, '(1,1,one) (2,2,two)');
SELECT fills('a dropped column before the others', 'CREATE TABLE target (x integer, id integer PRIMARY KEY, y text, name text); ALTER TABLE target DROP x, DROP y;
	INSERT INTO target VALUES (1), (2)', 'SELECT id, name FROM source WHERE id < 3', 2, 0, 2, '(1,one) (2,two)');
SELECT fills('a partitioned table', 'CREATE TABLE target (id integer PRIMARY KEY, name text) PARTITION BY RANGE (id);
	CREATE TABLE target1 PARTITION OF target FOR VALUES FROM (1) TO (2); CREATE TABLE target2 PARTITION OF target DEFAULT;
	INSERT INTO target VALUES (1), (2)', 'SELECT id, name FROM source WHERE id < 3', 2, 0, 2, '(1,one) (2,two)');
SELECT fills('rows of a child table', 'CREATE TABLE target (id integer PRIMARY KEY, name text); CREATE TABLE child () INHERITS (target);
	INSERT INTO target VALUES (1); INSERT INTO child VALUES (2)', 'SELECT id, name FROM source WHERE id < 3', 2, 0, 2, '(1,one) (2,two)');
SELECT fills('types without equality', has('doc json, at point, tags text[], pair source') || $$VALUES (1, NULL, NULL, NULL, NULL), (2, '{}', '(1,1)', '{}', ROW(NULL, NULL, NULL)::source)$$,
	$$SELECT id, '{"b":1,"a":2}'::json AS doc, point(2, 3) AS at, ARRAY[name] AS tags, s AS pair FROM source s WHERE id < 3$$, 1, 0, 1,
	'(1,"{""b"":1,""a"":2}","(2,3)",{one},"(1,one,10)") (2,{},"(1,1)",{},"(,,)")');
SELECT fills('jsonb null is a value', has('doc jsonb') || $$VALUES (1, 'null'), (2, NULL)$$,
	$$SELECT id, 'null'::jsonb AS doc FROM source WHERE id < 3$$, 1, 0, 1, '(1,null) (2,null)');
CREATE DOMAIN short AS varchar(5) CHECK (value <> 'two');
SELECT fills('a domain', has('name short') || 'VALUES (1), (2)', 'SELECT id, name FROM source WHERE id < 3', 2, 0, 2, '(1,one) (2,)', failed => 1);
SELECT fills('names that must be quoted', 'CREATE TABLE target ("x y" integer PRIMARY KEY, "e" text, "t.w" text, "it''s" integer); INSERT INTO target VALUES (1)',
	'SELECT id AS "x y", name AS e, name AS "t.w", n AS "it''s" FROM source WHERE id = 1', 1, 0, 1, '(1,one,one,10)', key => '{x y}');
SELECT fills('counters', has('files integer NOT NULL DEFAULT 0, bytes bigint NOT NULL DEFAULT 0') || 'VALUES (1, 0, 0), (2, 1, 20), (4, 3, 3)',
	$$SELECT t.id, count(s.id)::integer AS files, coalesce(sum(s.n), 0) AS bytes FROM target t LEFT JOIN source s ON s.id = t.id AND s.id < 4 GROUP BY t.id$$,
	0, 2, 2, '(1,1,10) (2,1,20) (4,0,0)', '{files,bytes}');

-- ---------------------------------------------------------------- findings, failures, ledger

CREATE TABLE team (id integer PRIMARY KEY, name text, n integer, note text DEFAULT 'theirs');
INSERT INTO team VALUES (1, NULL, 1), (2, 'due', NULL), (4, 'four', 40);
SELECT reconcile.create_invariant('team', 'team', '{id}', 'SELECT id, name, n FROM source WHERE id < 5', kind => 'fill', compare => '{n}') \g /dev/null
SELECT results_eq($$SELECT kind, key ->> 'id', expected -> 'name', actual, reason FROM reconcile.findings('team') ORDER BY 2$$, $$VALUES
	('missing', '1', '"one"'::jsonb, '{"n": 1, "name": null}'::jsonb, 'name is NULL, expected ''one''; n is ''1'', expected ''10'''),
	('differs', '2', '"two"', '{"n": null, "name": "due"}', 'n is NULL, expected ''20'''),
	('missing', '3', '"three"', NULL, 'app.team has no row with this key, and a fill inserts none')$$, 'findings say what is wrong with a row');
SELECT is((SELECT (expected, present, missing, differing, duplicated, state) FROM reconcile.audit('team')), (4::bigint, 2::bigint, 2::bigint, 1::bigint, 0::bigint, 'drift'::text), 'the audit');
SELECT is(counts('team', false), '(2,2,0,0)', 'the repair writes two rows');
SELECT results_eq('SELECT * FROM team ORDER BY id', $$VALUES (1, 'one', 10, 'theirs'), (2, 'due', 20, 'theirs'), (4, 'four', 40, 'theirs')$$, 'and only what was asked for');
SELECT results_eq($$SELECT row, was FROM reconcile.run_rows((SELECT max(run_id) FROM reconcile.runs)) ORDER BY ordinal$$, $$VALUES
	('{"n": 10, "id": 1, "name": "one"}'::jsonb, '{"n": 1, "name": null}'::jsonb), ('{"n": 20, "id": 2, "name": "due"}', '{"n": null}')$$, 'the ledger knows what was overwritten');
SELECT is((SELECT (record, columns, filled) FROM reconcile.run ORDER BY run_id DESC LIMIT 1), ('rows'::text, '{id,name,n}'::text[], '{name,n}'::text[]), 'in which columns');
SELECT is((SELECT (state, missing) FROM reconcile.audit('team')), ('drift'::text, 1::bigint), 'the row that is not there stays a finding');
SELECT raised('recording a fill by xmin', $$SELECT reconcile.repair('team', dry_run => false, record => 'xmin')$$, '0A000',
	'rows of app.team cannot be recorded by xmin', 'Use record => ''rows'' or ''auto''.', 'What a fill overwrites is nowhere else.');

CREATE TABLE strict (id integer PRIMARY KEY, n integer CHECK (n <> 20));
INSERT INTO strict SELECT id FROM source;
SELECT reconcile.create_invariant('strict', 'strict', '{id}', 'SELECT id, n FROM source', kind => 'fill') \g /dev/null
SELECT is(counts('strict', false), '(3,2,0,1)', 'one of three values is refused');
SELECT results_eq('SELECT key, source, sqlstate, attempts FROM reconcile.failures', $$VALUES ('{"id": 2}'::jsonb, '{"n": 20, "id": 2}'::jsonb, '23514', 1::bigint)$$, 'and recorded as it was expected');
SELECT raised('a refused row, to be stopped at', $$SELECT reconcile.repair('strict', dry_run => false, on_row_error => 'stop')$$, '23514', 'new row for relation "strict" violates check constraint "strict_n_check"');
SELECT reconcile.drop_invariant('strict') \g /dev/null

-- An invariant that expects two values for one row.
SELECT reconcile.create_invariant('torn', 'team', '{id}', $$SELECT 1 AS id, v AS name FROM (VALUES ('a'), ('b')) AS t(v)$$, kind => 'fill', compare => '{name}') \g /dev/null
SELECT raised(CASE WHEN dry_run THEN 'dry run: ' ELSE 'live: ' END || 'two values for one row', format('SELECT reconcile.repair(''torn'', dry_run => %L)', dry_run), '21000',
	'invariant "torn" expects different rows with the same key', NULL, 'Key: {"id": 1}.') FROM unnest('{true,false}'::boolean[]) AS dry_run;
SELECT reconcile.alter_invariant('torn', expects => $$SELECT 1 AS id, v AS name FROM (VALUES ('other'), ('one')) AS t(v)$$) \g /dev/null
SELECT is((SELECT name FROM team WHERE id = 1), 'one', 'where one of the two values is there');
SELECT raised(format('dry run %s: the other one', dry_run), format('SELECT reconcile.repair(''torn'', dry_run => %L)', dry_run), '21000',
	'invariant "torn" expects different rows with the same key', NULL, 'Key: {"id": 1}.') FROM unnest('{true,false}'::boolean[]) AS dry_run;
SELECT reconcile.alter_invariant('torn', expects => $$SELECT 1 AS id, 'a' AS name FROM (VALUES (1), (2)) AS t$$) \g /dev/null
SELECT is(counts('torn', true), '(2,1,1,0)', 'the same value twice: dry run');
SELECT is(counts('torn', false), '(2,1,1,0)', 'is written once');
SELECT is((SELECT count(*) FROM reconcile.run_rows((SELECT max(run_id) FROM reconcile.runs))), 1::bigint, 'and recorded once');
SELECT reconcile.drop_invariant('torn') \g /dev/null

-- The target's own triggers.
CREATE TABLE lowered (id integer PRIMARY KEY, name text, touched integer DEFAULT 0);
INSERT INTO lowered VALUES (1), (2);
CREATE FUNCTION lowers() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.name := lower(NEW.name); NEW.touched := NEW.touched + 1; RETURN NEW; END';
CREATE TRIGGER lowers BEFORE UPDATE ON lowered FOR EACH ROW EXECUTE FUNCTION lowers();
SELECT reconcile.create_invariant('lowered', 'lowered', '{id}', $$SELECT id, CASE id WHEN 1 THEN 'One' ELSE 'two' END AS name FROM source WHERE id < 3$$,
	kind => 'fill', compare => '{name}') \g /dev/null
SELECT is(counts('lowered', false), '(2,1,0,1)', 'a value that a trigger stores otherwise is a failure');
SELECT is((SELECT (sqlstate, message) FROM reconcile.failures WHERE invariant = 'lowered'), ('27000'::text, 'rows written to app.lowered are not kept as written'::text), 'and says so');
SELECT results_eq('SELECT * FROM lowered ORDER BY id', $$VALUES (1, NULL, 0), (2, 'two', 1)$$, 'it is not written; the trigger fires once for the other');
SELECT is(counts('lowered', false), '(1,0,0,1)', 'and never again');
SELECT reconcile.alter_invariant('lowered', compare => '{}') \g /dev/null
SELECT is(counts('lowered', false), '(1,1,0,0)', 'where nothing is compared, any value fills');
SELECT is((SELECT restored FROM reconcile.undo((SELECT max(run_id) FROM reconcile.runs), dry_run => false)), 1::bigint, 'undo knows the value as the trigger stored it');
SELECT reconcile.drop_invariant('lowered') \g /dev/null

-- ---------------------------------------------------------------- undo

CREATE TABLE back (id integer PRIMARY KEY, name text, n integer, note text);
INSERT INTO back VALUES (1, NULL, 1), (2, NULL, NULL), (3, 'mine', 3), (4, NULL, 4), (5, 'x', 5);
SELECT reconcile.create_invariant('back', 'back', '{id}', $$SELECT id, 'name ' || id AS name, 10 * id AS n FROM source$$, kind => 'fill', compare => '{n}') \g /dev/null
SELECT is(counts('back', false), '(5,5,0,0)', 'five rows are filled');
SELECT max(run_id) AS run FROM reconcile.runs \gset
UPDATE back SET name = 'theirs' WHERE id = 1;             -- ours in n is still there, but not in name
UPDATE back SET note = 'theirs' WHERE id = 2;             -- not ours
UPDATE back SET name = 'theirs too' WHERE id = 3;         -- name was not filled
DELETE FROM back WHERE id = 4;
SELECT is((SELECT (removed, kept_changed, kept_referenced, already_gone, restored) FROM reconcile.undo(:run)), (0::bigint, 1::bigint, 0::bigint, 1::bigint, 3::bigint), 'dry run of the undo');
SELECT is((SELECT (removed, kept_changed, kept_referenced, already_gone, restored) FROM reconcile.undo(:run, false)), (0::bigint, 1::bigint, 0::bigint, 1::bigint, 3::bigint), 'undo');
SELECT results_eq('SELECT * FROM back ORDER BY id', $$VALUES (1, 'theirs', 10, NULL), (2, NULL, NULL, 'theirs'), (3, 'theirs too', 3, NULL), (5, 'x', 5, NULL)$$,
	'old values are back where ours were still there');
SELECT raised('undo of an undone fill', format('SELECT reconcile.undo(%s, false)', :run), 'RC004', format('run %s cannot be undone', :run));

-- A value that others refer to stays.
CREATE TABLE code (id integer PRIMARY KEY, name text UNIQUE, n integer);
INSERT INTO code VALUES (1), (2);
SELECT reconcile.create_invariant('code', 'code', '{id}', 'SELECT id, name, n FROM source WHERE id < 3', kind => 'fill') \g /dev/null
SELECT is(counts('code', false), '(2,2,0,0)', 'codes are filled');
SELECT max(run_id) AS run FROM reconcile.runs \gset
CREATE TABLE uses_code (name text REFERENCES code (name) ON UPDATE CASCADE, id integer REFERENCES code);
INSERT INTO uses_code VALUES ('one', 2);
SELECT is((SELECT (kept_changed, kept_referenced, restored) FROM reconcile.undo(:run)), (0::bigint, 1::bigint, 1::bigint), 'dry run: one is referenced');
SELECT is((SELECT (kept_changed, kept_referenced, restored) FROM reconcile.undo(:run, false)), (0::bigint, 1::bigint, 1::bigint), 'the one that is referenced stays');
SELECT results_eq('SELECT * FROM code ORDER BY id', $$VALUES (1, 'one', 10), (2, NULL, NULL)$$, 'a reference to another column holds nothing');
SELECT results_eq('SELECT * FROM uses_code', $$VALUES ('one', 2)$$, 'nothing cascades');

ALTER TABLE back DROP note;
SELECT is(counts('back', false), '(3,3,0,0)', 'filled again');
SELECT max(run_id) AS run FROM reconcile.runs \gset
ALTER TABLE back RENAME n TO was;
ALTER TABLE back ADD n date;
SELECT raised('undo of a fill of a column that was made anew', format('SELECT reconcile.undo(%s)', :run), 'RC004', format('run %s cannot be undone', :run));
ALTER TABLE back DROP was;
ALTER TABLE back DROP n CASCADE;
SELECT is((SELECT (undoable, undo_refused_because) FROM reconcile.runs WHERE run_id = :run), (false, 'its target does not have all columns of the recorded rows any more'::text), 'a dropped column cannot be restored');
SELECT reconcile.drop_invariant(name) FROM unnest('{back,code,team}'::text[]) AS name \g /dev/null

-- ---------------------------------------------------------------- plans

CREATE TABLE planned (id integer PRIMARY KEY, name text, n integer);
INSERT INTO planned VALUES (1, NULL, 1), (2, NULL, NULL), (4, 'x', 4);
SELECT reconcile.create_invariant('planned', 'planned', '{id}', 'SELECT id, name, n FROM source WHERE id < 5', kind => 'fill', compare => '{n}') \g /dev/null
SELECT reconcile.plan('planned') AS one \gset
SELECT results_eq(format('SELECT key, row, was FROM reconcile.plan_rows(%s) ORDER BY key', :one), $$VALUES
	('{"id": 1}'::jsonb, '{"n": 10, "id": 1, "name": "one"}'::jsonb, '{"n": 1, "name": null}'::jsonb),
	('{"id": 2}', '{"n": 20, "id": 2, "name": "two"}', '{"n": null, "name": null}'),
	('{"id": 4}', '{"n": 40, "id": 4, "name": "four"}', '{"n": 4, "name": "x"}')$$, 'a plan shows what is and what will be');
UPDATE planned SET n = 5 WHERE id = 1;                    -- what was reviewed is not there any more
UPDATE planned SET name = 'theirs' WHERE id = 4;          -- not of the plan: name was not empty
SELECT reconcile.plan('planned') AS two \gset
SELECT results_eq(format('SELECT key, change, a_row = b_row, a_was, b_was FROM reconcile.compare_plans(%s, %s)', :one, :two), $$VALUES
	('{"id": 1}'::jsonb, 'differs', true, '{"n": 1, "name": null}'::jsonb, '{"n": 5, "name": null}'::jsonb),
	('{"id": 4}', 'differs', true, '{"n": 4, "name": "x"}', '{"n": 4, "name": "theirs"}')$$, 'two plans are told apart by what was');
SELECT is((SELECT (planned, changed, already_present) FROM reconcile.repair(plan => :one)), (3::bigint, 2::bigint, 1::bigint), 'dry run of the plan');
SELECT is((SELECT (planned, changed, already_present) FROM reconcile.repair(plan => :one, dry_run => false)), (3::bigint, 2::bigint, 1::bigint), 'only what is as it was reviewed is written');
SELECT results_eq('SELECT * FROM planned ORDER BY id', $$VALUES (1, NULL, 5), (2, 'two', 20), (4, 'theirs', 40)$$, 'the row that changed stays');
SELECT raised('the same plan again', format('SELECT reconcile.repair(plan => %s)', :one), 'RC003', format('plan %s is applied already', :one));
UPDATE source SET id = 11 WHERE id = 1;
SELECT raised('a planned row that is not expected any more', format('SELECT reconcile.repair(plan => %s)', :two), 'RC002', format('plan %s is stale', :two));
UPDATE source SET id = 1 WHERE id = 11;
SELECT reconcile.drop_invariant('planned') \g /dev/null

-- ---------------------------------------------------------------- chains

-- Workspaces are inserted, then users are told which one is theirs, then what follows from that is inserted: the query of
-- the fill reads planned rows, and the last one the values that are planned to be filled in. The first one reads the table
-- that the second fills, but not the column that it writes: that is no cycle.
CREATE TABLE users (id integer PRIMARY KEY, name text, workspace_id bigint, label text GENERATED ALWAYS AS ('in ' || workspace_id) STORED);
CREATE TABLE workspaces (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner integer NOT NULL UNIQUE, title text);
CREATE TABLE visits (workspace_id bigint, user_id integer, PRIMARY KEY (workspace_id, user_id));
CREATE TABLE labels (label text PRIMARY KEY);
INSERT INTO users (id, name) SELECT id, coalesce(name, 'nobody') FROM source;
INSERT INTO workspaces (owner, title) VALUES (2, NULL);
SELECT reconcile.create_invariant('z workspaces', 'workspaces', '{owner}', 'SELECT id AS owner FROM users') \g /dev/null
SELECT reconcile.create_invariant('y current', 'users', '{id}', 'SELECT owner AS id, id AS workspace_id FROM workspaces', kind => 'fill') \g /dev/null
SELECT reconcile.create_invariant('x titles', 'workspaces', '{owner}', 'SELECT id AS owner, name || ''''''s'' AS title FROM users', kind => 'fill') \g /dev/null
SELECT reconcile.create_invariant('w visits', 'visits', '{workspace_id,user_id}', 'SELECT workspace_id, id AS user_id FROM users WHERE workspace_id IS NOT NULL') \g /dev/null
SELECT reconcile.create_invariant('v labels', 'labels', '{label}', 'SELECT label FROM users WHERE label IS NOT NULL') \g /dev/null
CREATE TEMP TABLE dry AS SELECT row_number() OVER () AS n, invariant, planned, changed, already_present, failed FROM reconcile.repair();
SELECT results_eq('SELECT invariant, planned, changed FROM dry ORDER BY n', $$VALUES ('z workspaces', 4::bigint, 4::bigint), ('y current', 5, 5),
	('v labels', 5, 5), ('w visits', 5, 5), ('x titles', 5, 5)$$, 'a dry run of a chain through fills');
SELECT is((SELECT max(id) FROM workspaces), 1::bigint, 'it wrote nothing');
SELECT results_eq('SELECT invariant, planned, changed, already_present, failed FROM reconcile.repair(dry_run => false)',
	'SELECT invariant, planned, changed, already_present, failed FROM dry ORDER BY n', 'the live run has the same numbers');
SELECT is((SELECT bool_and(state = 'clean') FROM reconcile.audit()), true, 'everything is clean');
SELECT results_eq('SELECT u.id, w.title, u.label FROM users u JOIN workspaces w ON w.id = u.workspace_id AND w.owner = u.id ORDER BY 1',
	$$SELECT u.id, u.name || '''s', 'in ' || w.id FROM users u JOIN workspaces w ON w.owner = u.id ORDER BY 1$$, 'and as it must be');
-- Through a view, and back: a fill whose column the other one's query reads comes first.
CREATE VIEW seen AS SELECT id, workspace_id FROM users;
SELECT reconcile.alter_invariant('z workspaces', expects => 'SELECT id AS owner FROM seen WHERE workspace_id IS NULL') \g /dev/null
SELECT raised('a cycle by way of a filled column', 'SELECT reconcile.repair()', '55000', 'invariants depend on each other in a cycle');
SELECT reconcile.drop_invariant(name) FROM reconcile.invariants \g /dev/null

-- ---------------------------------------------------------------- what is refused

CREATE TABLE refusing (id integer PRIMARY KEY, name text, must text NOT NULL, twice integer GENERATED ALWAYS AS (id * 2) STORED,
                       made bigint GENERATED ALWAYS AS IDENTITY);
CREATE FUNCTION refused(what text, expects text, code text, message text, hint text DEFAULT NULL, key text DEFAULT '{id}', rest text DEFAULT '')
RETURNS text LANGUAGE sql AS $$
	SELECT raised(what, format('SELECT reconcile.create_invariant(''i'', ''refusing'', %L, %L, kind => ''fill''%s)', key, expects, rest), code, message, hint)
$$;
SELECT refused('no column beside the key', 'SELECT id FROM source', '22023', 'the query yields no column to fill');
SELECT refused('a column that is never NULL', 'SELECT id, name AS must FROM source', '22023', 'column "must" of app.refusing is not null, so it is never empty',
	'Name the column in compare, or leave it out of the query.');
SELECT refused('a key column in compare', 'SELECT id, name FROM source', '22023', 'key column "id" cannot be in compare', NULL, '{id}', ', compare => ''{id,name}''');
SELECT refused('a generated column', 'SELECT id, n AS twice FROM source', '428C9', 'column "twice" of app.refusing is a generated column', 'Leave it out of the query: the table computes it.');
SELECT refused('an identity column', 'SELECT id, n AS made FROM source', '428C9', 'column "made" of app.refusing is an identity column, generated always', 'Leave it out of the query: the table numbers its rows.');
SELECT refused('a key without unique index', 'SELECT name, name AS must FROM source', 'RC007', 'there is no usable unique index on (name) of app.refusing', NULL, '{name}', ', compare => ''{must}''');
SELECT refused('a column that the target lacks', 'SELECT id, name AS nam FROM source', '42703', 'column "nam" of the query is not a column of app.refusing', 'Did you mean "name"?');
SELECT refused('a type that cannot be assigned', 'SELECT id, ''x''::text AS made FROM source', '428C9', 'column "made" of app.refusing is an identity column, generated always');
SELECT lives_ok($$SELECT reconcile.create_invariant('i', 'refusing', '{id}', 'SELECT id, name FROM source', kind => 'fill')$$, 'columns that must be given on insert need not be yielded');
SELECT raised('another kind', $$SELECT reconcile.alter_invariant('i', kind => 'insert')$$, '0A000', 'the kind of an invariant cannot be changed', 'Drop it and create it again.');
SELECT lives_ok($$SELECT reconcile.alter_invariant('i', kind => 'fill', expects => 'SELECT id, name AS must FROM source', compare => '{must}')$$, 'what is compared may be NOT NULL');
SELECT raised('compare taken away', $$SELECT reconcile.alter_invariant('i', compare => '{}')$$, '22023', 'column "must" of app.refusing is not null, so it is never empty');
SELECT is((SELECT compare FROM reconcile.invariants WHERE name = 'i'), '{must}'::text[], 'it stays');

-- A role that may not update.
CREATE ROLE fill_reader;
GRANT USAGE ON SCHEMA app, reconcile TO fill_reader;
GRANT SELECT, INSERT ON refusing TO fill_reader;
GRANT SELECT ON source TO fill_reader;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reconcile TO fill_reader;
SET ROLE fill_reader;
SELECT refused('a table that one may not update', 'SELECT id, name FROM source', '42501', 'permission denied for table refusing');
RESET ROLE;
GRANT UPDATE (name) ON refusing TO fill_reader;
SET ROLE fill_reader;
SELECT lives_ok($$SELECT reconcile.create_invariant('allowed', 'refusing', '{id}', 'SELECT id, name FROM source', kind => 'fill')$$, 'UPDATE on the columns is enough');
SELECT is(counts('allowed', false), '(0,0,0,0)', 'for the repair, too');
RESET ROLE;

SELECT is(jsonb_path_query_array(reconcile.export_invariants(), '$.invariants[*].kind'), '["fill", "fill"]', 'exported as what they are');
SELECT reconcile.export_invariants() AS document \gset
SELECT reconcile.drop_invariant(name) FROM reconcile.invariants \g /dev/null
SELECT results_eq(format('SELECT action FROM reconcile.import_invariants(%L)', :'document'), $$VALUES ('created'), ('created')$$, 'and imported');
SELECT is(reconcile.export_invariants(), :'document', 'the same');

SELECT * FROM finish();
ROLLBACK;
