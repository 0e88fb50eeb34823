-- What a guard does after each kind of statement, as whom, and when. Every part ends with an audit.
\ir ../support/invariant.sql
SELECT no_plan();

-- audited is the state of an invariant.
CREATE FUNCTION audited(invariant text) RETURNS text LANGUAGE sql AS $$ SELECT state FROM reconcile.audit(audited.invariant) $$;

-- ---------------------------------------------------------------- statements

CREATE TABLE orgs (id integer PRIMARY KEY, name text, modules text[] NOT NULL DEFAULT '{}', seen timestamptz);
CREATE TABLE modules (id integer PRIMARY KEY, key text NOT NULL);
CREATE TABLE entitlements (
	org_id integer NOT NULL REFERENCES orgs ON UPDATE CASCADE ON DELETE CASCADE, module_id integer NOT NULL REFERENCES modules,
	enabled boolean NOT NULL, PRIMARY KEY (org_id, module_id));
INSERT INTO modules SELECT n, 'm' || n FROM generate_series(1, 3) AS n;
SELECT reconcile.create_invariant('entitlements', 'entitlements', '{org_id,module_id}',
	'SELECT o.id AS org_id, m.id AS module_id, m.key = ANY (o.modules) AS enabled FROM orgs o CROSS JOIN modules m');
SELECT results_eq($$SELECT watched::text, trigger_name::text COLLATE "default", events FROM reconcile.guard('entitlements') ORDER BY 1, 2$$,
	$$VALUES ('modules', 'reconcile_insert_entitlements', 'INSERT'), ('modules', 'reconcile_update_entitlements', 'UPDATE OF id, key'),
	('orgs', 'reconcile_insert_entitlements', 'INSERT'), ('orgs', 'reconcile_update_entitlements', 'UPDATE OF id, modules')$$,
	'guard() shows the triggers that it made');

-- does runs a statement and compares the number of entitlements and the state.
CREATE FUNCTION does(what text, statement text, wanted bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN is(format('%s %s', (SELECT count(*) FROM entitlements), audited('entitlements')), wanted || ' clean', what);
END $$;
CREATE TABLE incoming AS SELECT n AS id, 'org ' || n AS name FROM generate_series(20, 24) AS n;

SELECT does('one row', $$INSERT INTO orgs VALUES (1, 'one', '{m2}')$$, 3);
SELECT results_eq('SELECT module_id FROM entitlements WHERE enabled', 'VALUES (2)', 'with the values of the query');
SELECT does('many rows', $$INSERT INTO orgs SELECT n FROM generate_series(2, 500) AS n$$, 1500);
SELECT does('no row', $$INSERT INTO orgs SELECT 1000 WHERE false$$, 1500);
SELECT does('ON CONFLICT DO NOTHING with no row', $$INSERT INTO orgs VALUES (1) ON CONFLICT DO NOTHING$$, 1500);
SELECT does('an upsert of both kinds', $$INSERT INTO orgs VALUES (1, 'uno'), (501, 'new') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name$$, 1503);
SELECT does('MERGE', $$MERGE INTO orgs USING incoming i ON i.id = orgs.id WHEN MATCHED THEN UPDATE SET name = i.name
	WHEN NOT MATCHED THEN INSERT VALUES (i.id + 1000, i.name)$$, 1503);
SELECT does('MERGE that inserts', $$MERGE INTO orgs USING incoming i ON i.id + 1000 = orgs.id WHEN MATCHED THEN DO NOTHING
	WHEN NOT MATCHED THEN INSERT VALUES (i.id + 1000, i.name)$$, 1518);
SELECT does('the other table', $$INSERT INTO modules VALUES (4, 'm4')$$, 2024);
SELECT does('writing in WITH', $$WITH w AS (INSERT INTO orgs VALUES (2000) RETURNING id) SELECT id FROM w$$, 2028);
SELECT does('an UPDATE of a column that is not read', $$UPDATE orgs SET seen = now(), name = 'x'$$, 2028);
SELECT does('an UPDATE of a column that is read, to the same', $$UPDATE orgs SET modules = modules || '{}'$$, 2028);
SELECT does('an UPDATE that changes a key', $$UPDATE orgs SET id = 3000 WHERE id = 2000$$, 2028);
SELECT does('deleting a source row', $$DELETE FROM orgs WHERE id = 3000$$, 2024);
DELETE FROM entitlements WHERE org_id = 1 AND module_id = 1;
SELECT is(audited('entitlements'), 'drift', 'a derived row that is deleted stays away');
SELECT does('calling guard() again, and an UPDATE that touches its source',
	$$SELECT reconcile.guard('entitlements', on_delete => 'recreate'); UPDATE orgs SET modules = '{m1}' WHERE id = 1$$, 2024);
SELECT does('deleting a derived row when it is to be recreated', 'DELETE FROM entitlements WHERE org_id < 100', 2024);
SELECT does('and its source', 'DELETE FROM orgs WHERE id < 100', 2024 - 99 * 4);
SELECT reconcile.unguard('entitlements');
INSERT INTO orgs VALUES (4000);
SELECT is(audited('entitlements'), 'drift', 'after unguard() nothing is written');
SELECT is_empty($$SELECT FROM pg_trigger WHERE tgrelid IN ('orgs'::regclass, 'modules'::regclass, 'entitlements'::regclass) AND NOT tgisinternal$$,
	'and no trigger is left');

-- Somebody wrote the derived row first, and what the query yields is nothing that the target would take.
CREATE DOMAIN filled AS text CHECK (VALUE <> '');
CREATE FUNCTION is_left(what text, kind text, value text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	CREATE TABLE persons (id integer PRIMARY KEY, name text);
	EXECUTE 'CREATE TABLE badges (id integer PRIMARY KEY, name ' || kind || ')';
	PERFORM reconcile.create_invariant('badges', 'badges', '{id}', 'SELECT id, name FROM persons');
	PERFORM reconcile.guard('badges');
	INSERT INTO badges VALUES (1, 'mine');
	RETURN NEXT lives_ok(format('INSERT INTO persons VALUES (1, %L)', value), 'a row that is there is no error: ' || what);
	RETURN NEXT results_eq('SELECT id, name::text FROM badges', $q$VALUES (1, 'mine')$q$, 'and stays as it is: ' || what);
	RETURN NEXT is(audited('badges'), 'clean', 'and is what was expected: ' || what);
	PERFORM reconcile.drop_invariant('badges');
	DROP TABLE persons, badges;
END $$;
SELECT is_left(what, kind, value) FROM (VALUES
	('NOT NULL', 'text NOT NULL', NULL), ('a check', $$text CHECK (name <> '')$$, ''), ('a domain', 'filled', ''),
	('a column as any', 'text', '')) AS t(what, kind, value);

-- An UPDATE that changes nothing which the query reads leaves without running a statement.
CREATE TABLE plain (id integer PRIMARY KEY, noise text);
CREATE TABLE derived (id integer PRIMARY KEY);
CREATE FUNCTION broken(integer) RETURNS integer LANGUAGE plpgsql STABLE AS $$ BEGIN RAISE 'evaluated'; END $$;
SELECT reconcile.create_invariant('broken', 'derived', '{id}', 'SELECT broken(id) AS id FROM plain');
INSERT INTO plain VALUES (1);
SELECT reconcile.guard('broken');
SELECT lives_ok($$UPDATE plain SET noise = 'x'$$, 'an UPDATE of other columns does not evaluate the query');
SELECT throws_ok($$UPDATE plain SET id = 2$$, 'P0001', 'evaluated', 'an UPDATE of its columns does');
SELECT lives_ok($$INSERT INTO plain SELECT 3 WHERE false$$, 'a statement without rows does not');
SELECT throws_ok($$INSERT INTO plain VALUES (3)$$, 'P0001', 'evaluated', 'an INSERT does');
SELECT is((SELECT array_agg(id) FROM plain), '{1}', 'what a guard that blocks cannot do is not done');
SELECT reconcile.drop_invariant('broken');
SELECT lives_ok($$INSERT INTO plain VALUES (3)$$, 'drop_invariant() drops the guard');

-- ---------------------------------------------------------------- partitions and children

CREATE TABLE events (id integer, region text, noise text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE events_eu PARTITION OF events FOR VALUES IN ('eu');
CREATE TABLE events_us (noise text, gone integer, region text NOT NULL, id integer NOT NULL);
ALTER TABLE events_us DROP COLUMN gone;
ALTER TABLE events ATTACH PARTITION events_us FOR VALUES IN ('us');
CREATE TABLE events_asia PARTITION OF events FOR VALUES IN ('jp', 'cn') PARTITION BY LIST (region);
CREATE TABLE events_jp PARTITION OF events_asia FOR VALUES IN ('jp');
CREATE TABLE counted (event_id integer, region text, PRIMARY KEY (event_id, region)) PARTITION BY HASH (event_id);
CREATE TABLE counted_0 PARTITION OF counted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE counted_1 PARTITION OF counted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
SELECT reconcile.create_invariant('counted', 'counted', '{event_id,region}', 'SELECT id AS event_id, region FROM events');
SELECT is((SELECT count(DISTINCT watched) FROM reconcile.guard('counted', on_delete => 'recreate')), 8::bigint, 'every partition has its triggers');
INSERT INTO events VALUES (1, 'eu'), (2, 'us'), (3, 'jp');
INSERT INTO events_us VALUES ('x', 'us', 4);
INSERT INTO events_jp VALUES (5, 'jp');
INSERT INTO events_asia VALUES (6, 'jp');
UPDATE events SET region = 'us' WHERE id IN (1, 3);
UPDATE events_us SET noise = 'y';
SELECT results_eq('SELECT event_id, region FROM counted ORDER BY 1, 2',
	$$VALUES (1, 'eu'), (1, 'us'), (2, 'us'), (3, 'jp'), (3, 'us'), (4, 'us'), (5, 'jp'), (6, 'jp')$$, 'rows through the parent, into partitions, and moved');
DELETE FROM counted WHERE event_id = 2;
DELETE FROM counted_0;
DELETE FROM counted_1;
SELECT is(audited('counted'), 'clean', 'and deleted from either partition of the target');
CREATE TABLE events_cn PARTITION OF events_asia FOR VALUES IN ('cn');
INSERT INTO events_cn VALUES (7, 'cn');
SELECT is(audited('counted'), 'drift', 'a partition that is made later has no trigger');
SELECT is((SELECT count(*) FROM reconcile.guard('counted') WHERE watched = 'events_cn'::regclass), 2::bigint, 'guard() adds it');
INSERT INTO events_cn VALUES (8, 'cn');
SELECT is((SELECT missing FROM reconcile.audit('counted')), 1::bigint, 'from then on it is watched');

CREATE TABLE people (id integer PRIMARY KEY);
CREATE TABLE staff (desk integer) INHERITS (people);
CREATE TABLE badges (person_id integer PRIMARY KEY);
SELECT reconcile.create_invariant('badges', 'badges', '{person_id}', 'SELECT id AS person_id FROM people');
SELECT reconcile.guard('badges');
INSERT INTO staff VALUES (1, 1);
UPDATE people SET id = 2;
SELECT results_eq('SELECT person_id FROM badges ORDER BY 1', 'VALUES (1), (2)', 'tables that inherit are watched as well');

-- ---------------------------------------------------------------- chains

CREATE TABLE users (id integer PRIMARY KEY, name text);
CREATE TABLE workspaces (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner_id integer UNIQUE NOT NULL REFERENCES users ON DELETE CASCADE);
CREATE TABLE members (workspace_id integer REFERENCES workspaces ON DELETE CASCADE, user_id integer NOT NULL, PRIMARY KEY (workspace_id, user_id));
CREATE TABLE preferences (workspace_id integer, user_id integer, theme text NOT NULL, PRIMARY KEY (workspace_id, user_id));
SELECT reconcile.create_invariant('1 workspaces', 'workspaces', '{owner_id}', 'SELECT id AS owner_id FROM users');
SELECT reconcile.create_invariant('2 members', 'members', '{workspace_id,user_id}', 'SELECT id AS workspace_id, owner_id AS user_id FROM workspaces');
SELECT reconcile.create_invariant('3 preferences', 'preferences', '{workspace_id,user_id}',
	'SELECT m.workspace_id, m.user_id, coalesce(u.name, ''dark'') AS theme FROM members m JOIN users u ON u.id = m.user_id');
SELECT count(*) FROM reconcile.invariants i, LATERAL reconcile.guard(i.name) WHERE i.name ~ '^\d';
INSERT INTO users SELECT n, NULL FROM generate_series(1, 100) AS n;
SELECT is(array(SELECT audited(name) FROM reconcile.invariants WHERE name ~ '^\d'), '{clean,clean,clean}', 'a chain of guards');
SELECT is((SELECT count(*) FROM preferences), 100::bigint, 'to its end');
DELETE FROM users WHERE id > 90;
SELECT is((SELECT count(*) FROM members), 90::bigint, 'what guards wrote does not keep a user from being deleted');

CREATE TABLE ping (n integer PRIMARY KEY);
CREATE TABLE pong (n integer PRIMARY KEY);
SELECT reconcile.create_invariant('ping', 'pong', '{n}', 'SELECT n + 1 AS n FROM ping');
SELECT reconcile.create_invariant('pong', 'ping', '{n}', 'SELECT n + 1 AS n FROM pong');
SELECT reconcile.guard('ping'), reconcile.guard('pong');
SELECT raised('a chain without end', 'INSERT INTO ping VALUES (1)', '54001', 'guards set off each other more than 32 levels deep',
	'Invariants whose rows make each other expected never come to an end.', 'The last one is that of invariant "ping".');
SELECT raised('and again', 'INSERT INTO ping VALUES (1)', '54001', 'guards set off each other more than 32 levels deep');
SELECT is_empty('TABLE ping', 'nothing of it stays');

-- ---------------------------------------------------------------- where no unique index helps

CREATE TABLE notes (owner integer, title text, gone boolean NOT NULL DEFAULT false);
CREATE UNIQUE INDEX ON notes (owner, title) WHERE NOT gone;
CREATE TABLE titles (owner integer, title text);
SELECT reconcile.create_invariant('notes', 'notes', '{owner,title}', 'SELECT owner, title FROM titles', where_absent => 'gone');
SELECT reconcile.guard('notes');
INSERT INTO titles VALUES (NULL, 'a'), (NULL, 'a'), (1, 'a'), (1, 'a'), (1, NULL);
INSERT INTO titles VALUES (NULL, 'a'), (1, 'a'), (2, 'b');
SELECT results_eq('SELECT owner, title FROM notes ORDER BY 1, 2', $$VALUES (1, 'a'), (1, NULL), (2, 'b'), (NULL, 'a')$$,
	'NULL in the key equals NULL, within a statement and across');
UPDATE notes SET gone = true;
INSERT INTO titles VALUES (1, 'a');
SELECT is((SELECT count(*) FROM notes WHERE NOT gone), 1::bigint, 'where_absent holds for guards');

-- ---------------------------------------------------------------- fill

CREATE TABLE profiles (user_id integer PRIMARY KEY, team integer, lang text);
SELECT reconcile.create_invariant('profiles', 'profiles', '{user_id}', 'SELECT id AS user_id, id * 10 AS team, ''en'' AS lang FROM users',
	kind => 'fill', compare => '{team}');
SELECT reconcile.guard('profiles');
INSERT INTO profiles VALUES (1, NULL, NULL), (2, 7, 'de'), (200, NULL, NULL);
INSERT INTO users VALUES (200, 'x');
UPDATE profiles SET lang = NULL WHERE user_id = 2;
SELECT results_eq('SELECT * FROM profiles ORDER BY 1', $$VALUES (1, 10, 'en'), (2, 20, 'en'), (200, 2000, 'en')$$,
	'a fill is guarded on both sides: what is empty, and what is compared');
UPDATE profiles SET lang = 'fr', team = 1;
SELECT results_eq('SELECT * FROM profiles ORDER BY 1', $$VALUES (1, 10, 'fr'), (2, 20, 'fr'), (200, 2000, 'fr')$$,
	'a value of its own stays where only NULL is filled');
SELECT raised('recreating what is filled', $$SELECT reconcile.guard('profiles', on_delete => 'recreate')$$, '22023',
	'invariant "profiles" fills rows, and inserts none again');

-- ---------------------------------------------------------------- few rows and many

-- The calls of seen() count the rows for which a query is evaluated.
SET track_functions = 'pl';
CREATE FUNCTION seen(integer) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN true; END $$;
CREATE TABLE accounts (id integer PRIMARY KEY, name text NOT NULL, current_place integer);
CREATE TABLE slugs (slug text PRIMARY KEY, account_id integer NOT NULL);
CREATE TABLE places (account_id integer, place integer, since integer, PRIMARY KEY (account_id, place));
CREATE TABLE marks (account_id integer, label text, UNIQUE (account_id, label));
INSERT INTO accounts SELECT n, 'Name ' || n FROM generate_series(1, 1000) AS n;
INSERT INTO places SELECT a, a * 10 + p, -p FROM generate_series(1, 1000) AS a, generate_series(1, 2) AS p;
SELECT reconcile.create_invariant('slugs', 'slugs', '{slug}',
	'SELECT DISTINCT ON (slug) replace(lower(name), '' '', ''-'') AS slug, id AS account_id FROM accounts WHERE seen(id) ORDER BY slug, id');
SELECT reconcile.create_invariant('places', 'accounts', '{id}', 'SELECT DISTINCT ON (account_id) account_id AS id, place AS current_place'
	' FROM places WHERE seen(account_id) ORDER BY account_id, since', kind => 'fill');
SELECT reconcile.create_invariant('marks', 'marks', '{account_id,label}', 'SELECT nullif(id, 7) AS account_id, id % 3 || ''x'' AS label FROM accounts');
SELECT reconcile.repair(name, dry_run => false) FROM unnest('{places,slugs,marks}'::text[]) AS name;
SELECT reconcile.guard('slugs', on_delete => 'recreate'), reconcile.guard('places'), reconcile.guard('marks', on_delete => 'recreate');

-- returns takes derived values away, and compares what comes back, and for how many rows queries are evaluated.
CREATE FUNCTION returns(what text, statement text, invariant text, most bigint) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	before bigint;
BEGIN
	before := coalesce(pg_stat_get_xact_function_calls('seen'::regproc), 0);
	EXECUTE statement;
	RETURN NEXT cmp_ok(coalesce(pg_stat_get_xact_function_calls('seen'::regproc), 0) - before, '<=', most, what || ': no more is evaluated than need be');
	RETURN NEXT is(audited(invariant), 'clean', what || ': everything is back');
END $$;
SELECT returns('a few deleted rows of a computed key', 'DELETE FROM slugs WHERE account_id BETWEEN 10 AND 12', 'slugs', 3);
SELECT returns('many', 'DELETE FROM slugs WHERE account_id <= 500', 'slugs', 1000);
SELECT returns('all', 'DELETE FROM slugs', 'slugs', 1000);
SELECT returns('a few values below DISTINCT ON', 'UPDATE accounts SET current_place = NULL WHERE id BETWEEN 10 AND 12', 'places', 12);
SELECT returns('many of them', 'UPDATE accounts SET current_place = NULL WHERE id <= 500', 'places', 4000);
SELECT returns('a few rows with NULL in the key', 'DELETE FROM marks WHERE account_id IS NULL OR account_id IN (6, 8)', 'marks', 0);
SELECT returns('many of those', 'DELETE FROM marks', 'marks', 0);
SELECT results_eq('SELECT current_place FROM accounts WHERE id IN (1, 11) ORDER BY 1', 'VALUES (12), (112)', 'DISTINCT ON still takes the first');
SELECT is((SELECT count(*) FROM marks), 1000::bigint, 'and every mark is there once');
SELECT reconcile.guard('slugs', timing => 'commit'), reconcile.guard('places', timing => 'commit');
SELECT returns('a few rows at commit', $$INSERT INTO accounts VALUES (2001, 'A'), (2002, 'B'), (2003, 'A'); INSERT INTO places VALUES (2001, 1, 1), (2001, 2, 0);
	SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED$$, 'slugs', 7);
SELECT returns('many at commit', $$INSERT INTO accounts SELECT n, 'Name ' || n FROM generate_series(3000, 3200) AS n; INSERT INTO places SELECT n, n, 1 FROM generate_series(3000, 3200) AS n;
	SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED$$, 'places', 5000);
SELECT results_eq('SELECT id, current_place FROM accounts WHERE id IN (2001, 2003, 3100) ORDER BY 1', 'VALUES (2001, 2), (2003, NULL), (3100, 3100)', 'filled');
-- Whoever takes the row away that calls at commit stops the writes, and not what is due.
DELETE FROM reconcile.guard_bell;
SELECT throws_ok($$INSERT INTO accounts VALUES (4001, 'A')$$, '55000', 'table "guard_bell" has lost its row', 'without its bell no guard notes anything');
INSERT INTO reconcile.guard_bell DEFAULT VALUES;
SELECT returns('with it again', $$INSERT INTO accounts VALUES (4001, 'A'); SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED$$, 'slugs', 3);
SELECT reconcile.drop_invariant(name) FROM unnest('{places,slugs,marks}'::text[]) AS name;

-- ---------------------------------------------------------------- who sees attempts

-- A row that is there already is not shown to the triggers of the target that see what is about to be inserted.
CREATE TABLE sources (id integer PRIMARY KEY);
CREATE TABLE sinks (id integer PRIMARY KEY);
CREATE TABLE sightings (id integer);
CREATE FUNCTION sees() RETURNS trigger LANGUAGE plpgsql SET search_path = app AS $$ BEGIN INSERT INTO sightings VALUES (NEW.id); RETURN NEW; END $$;
SELECT reconcile.create_invariant('sinks', 'sinks', '{id}', 'SELECT id FROM sources');
SELECT count(*) FROM reconcile.guard('sinks');
CREATE TRIGGER after_it AFTER INSERT ON sinks FOR EACH ROW EXECUTE FUNCTION sees();
INSERT INTO sinks VALUES (1);
DELETE FROM sightings;
INSERT INTO sources VALUES (1), (2);
SELECT results_eq('SELECT id FROM sightings', 'VALUES (2)', 'an AFTER trigger of the target sees what is inserted');
DROP TRIGGER after_it ON sinks;
CREATE TRIGGER before_it BEFORE INSERT ON sinks FOR EACH ROW EXECUTE FUNCTION sees();
INSERT INTO sinks VALUES (3);
DELETE FROM sightings;
INSERT INTO sources VALUES (3), (4);
SELECT results_eq('SELECT id FROM sightings', 'VALUES (4)', 'so does a BEFORE trigger, and no more');
DROP TRIGGER before_it ON sinks;
CREATE RULE seen AS ON INSERT TO sinks DO ALSO INSERT INTO sightings VALUES (NEW.id);
INSERT INTO sinks VALUES (5);
DELETE FROM sightings;
SELECT throws_ok('INSERT INTO sources VALUES (5), (6)', '0A000', NULL, 'ON CONFLICT is not for tables with rules');
SELECT reconcile.drop_invariant('sinks');

-- A fill looks at the row it writes, and its UPDATE that fills nothing is no UPDATE.
CREATE TABLE residents (id integer PRIMARY KEY, home integer, nick text);
CREATE TABLE homes (person integer, home integer, nick text, PRIMARY KEY (person, home));
SELECT reconcile.create_invariant('homes', 'residents', '{id}',
	'SELECT DISTINCT ON (person) person AS id, home, nick FROM homes ORDER BY person, home', kind => 'fill');
SELECT count(*) FROM reconcile.guard('homes');
DELETE FROM sightings;
CREATE TRIGGER updated AFTER UPDATE ON residents FOR EACH ROW EXECUTE FUNCTION sees();
INSERT INTO residents VALUES (1, NULL, NULL), (2, 20, NULL), (3, 30, 'c'), (4, NULL, NULL);
INSERT INTO homes VALUES (1, 10, 'a'), (2, 21, 'b'), (3, 31, 'd'), (4, 40, NULL);
SELECT results_eq('SELECT * FROM residents ORDER BY id', $$VALUES (1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c'), (4, 40, NULL)$$, 'what is empty is filled, and nothing else');
SELECT results_eq('SELECT id FROM sightings ORDER BY id', 'VALUES (1), (2), (4)', 'a full row is not written');
UPDATE residents SET home = NULL WHERE id = 3;
SELECT results_eq('SELECT home FROM residents WHERE id = 3', 'VALUES (31)', 'a value that is taken away comes back');
UPDATE residents SET id = 5, home = NULL WHERE id = 4;
INSERT INTO homes VALUES (5, 50, 'e');
UPDATE residents SET id = 6 WHERE id = 5;
SELECT results_eq('SELECT * FROM residents WHERE id = 6', $$VALUES (6, 50, 'e')$$, 'a full row that gets another key keeps what it has');
DELETE FROM homes WHERE person IN (4, 5);
SELECT is(audited('homes'), 'clean', 'and nothing is missing');
SELECT reconcile.drop_invariant('homes');

-- ---------------------------------------------------------------- definitions

SELECT reconcile.alter_invariant('notes', expects => 'SELECT owner, upper(title) AS title FROM titles');
INSERT INTO titles VALUES (9, 'x');
SELECT is((SELECT title FROM notes WHERE owner = 9), 'X', 'altering an invariant alters its guard');
SELECT throws_ok($$SELECT reconcile.alter_invariant('notes', expects => 'SELECT max(owner) AS owner, ''t'' AS title FROM titles')$$, 'RC006', NULL,
	'and is refused when the new query cannot be guarded');
ALTER TABLE titles ADD COLUMN extra integer, ALTER COLUMN title TYPE varchar(50);
INSERT INTO titles VALUES (10, 'y', 1);
SELECT is((SELECT title FROM notes WHERE owner = 10), 'Y', 'the tables may be altered');

-- A trigger that somebody makes on a table of his own must not have the owner evaluate his rows.
CREATE TABLE mine (owner integer, title text);
CREATE TRIGGER reconcile_insert_notes AFTER INSERT ON mine REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION reconcile.fire_guard();
SELECT raised('a trigger that guard() did not make', 'INSERT INTO mine VALUES (1, 1)', '55000',
	'trigger "reconcile_insert_notes" of app.mine belongs to no guard', 'Drop the trigger.',
	'It calls reconcile.fire_guard() and was not made by reconcile.guard().');
CREATE TRIGGER reconcile_insert_profiles AFTER INSERT ON titles FOR EACH ROW EXECUTE FUNCTION reconcile.fire_guard();
SELECT raised('a row trigger', 'INSERT INTO titles VALUES (1, 1)', '39P01', 'this function is called by the triggers of guards only');
SELECT reconcile.create_invariant('profiles of titles', 'profiles', '{user_id}', 'SELECT owner AS user_id FROM titles');
CREATE TRIGGER "reconcile_insert_profiles of titles" AFTER INSERT ON titles FOR EACH ROW EXECUTE FUNCTION reconcile.fire_guard();
SELECT raised('a name that is taken', $$SELECT reconcile.guard('profiles of titles')$$, '42710',
	'trigger "reconcile_insert_profiles of titles" of app.titles already exists', 'Rename or drop the trigger.', 'It was not made by this guard.');

SELECT reconcile.create_invariant(repeat('ü', 60) || n, 'preferences', '{workspace_id,user_id}',
	'SELECT id AS workspace_id, 1 AS user_id, ''x'' AS theme FROM workspaces WHERE owner_id < 0') FROM generate_series(1, 2) AS n;
SELECT is((SELECT count(DISTINCT trigger_name) FROM generate_series(1, 2) AS n, LATERAL reconcile.guard(repeat('ü', 60) || n)), 4::bigint,
	'long names are cut where a character ends, and stay different');

SELECT * FROM finish();
ROLLBACK;
