"""What guards that wait for the commit keep until then: real transactions, in new sessions.

Each case is a story: what there is, what one session does, and what is stored afterwards.
"""

import psycopg
import pytest

DATABASE = "reconcile_guard_notes"
POLICIES = ("block", "queue")

BEFORE = """
SELECT reconcile.drop_invariant(name) FROM reconcile.invariants;
DROP SCHEMA IF EXISTS app CASCADE;
CREATE SCHEMA app;
SET search_path = app, public;
TRUNCATE reconcile.guard_failure;
"""

PLAIN = """
CREATE TABLE src (id integer PRIMARY KEY, v text);
CREATE TABLE tgt (id integer PRIMARY KEY, v text);
SELECT reconcile.create_invariant('i', 'tgt', '{{id}}', 'SELECT id, v FROM app.src');
SELECT count(*) FROM reconcile.guard('i', timing => 'commit', on_failure => '{policy}');
"""

# The key is so long, and kept as it is, that the table has it elsewhere.
TOASTED = """
CREATE TABLE src (id text PRIMARY KEY);
ALTER TABLE src ALTER id SET STORAGE EXTERNAL;
CREATE TABLE tgt (id text PRIMARY KEY);
SELECT reconcile.create_invariant('i', 'tgt', '{{id}}', 'SELECT id FROM app.src');
SELECT count(*) FROM reconcile.guard('i', timing => 'commit', on_failure => '{policy}');
"""
LONG = "INSERT INTO src SELECT string_agg(md5(g::text), '') FROM generate_series(1, 80) g"

# Keys of which the table has no primary key are in the table of what waits.
KEYLESS = """
CREATE TABLE src (id integer, v text);
CREATE TABLE tgt (id integer, v text, UNIQUE (id), UNIQUE (v));
SELECT reconcile.create_invariant('i', 'tgt', '{{id}}', 'SELECT id, v FROM app.src');
SELECT count(*) FROM reconcile.guard('i', timing => 'commit', on_failure => '{policy}');
"""

ORDER = """
CREATE TABLE u (id integer PRIMARY KEY, home integer);
CREATE TABLE m (uid integer, h integer, PRIMARY KEY (uid, h));
SELECT reconcile.create_invariant('a1', 'm', '{{uid,h}}', 'SELECT id AS uid, 20 AS h FROM app.u');
SELECT reconcile.create_invariant('b', 'u', '{{id}}',
    'SELECT DISTINCT ON (uid) uid AS id, h AS home FROM app.m ORDER BY uid, h', kind => 'fill');
SELECT reconcile.create_invariant('c2', 'm', '{{uid,h}}', 'SELECT id AS uid, 10 AS h FROM app.u');
SELECT count(*) FROM unnest('{{a1,b,c2}}'::text[]) n, reconcile.guard(n, timing => 'commit', on_failure => '{policy}');
"""

# What comes into m through a table between them comes after what a1 writes there, and counts all the same.
LONGER_ORDER = ORDER + """
SELECT reconcile.unguard('c2'), reconcile.drop_invariant('c2');
CREATE TABLE between_them (id integer PRIMARY KEY);
SELECT reconcile.create_invariant('z', 'between_them', '{{id}}', 'SELECT id FROM app.u');
SELECT reconcile.create_invariant('zz', 'm', '{{uid,h}}', 'SELECT id AS uid, 10 AS h FROM app.between_them');
SELECT count(*) FROM reconcile.guard('z', timing => 'commit', on_failure => '{policy}');
SELECT count(*) FROM reconcile.guard('zz', timing => '{timing}', on_failure => '{policy}');
"""

# Rows that the query joins, whichever is there first: no foreign key promises an order.
JOINED = """
CREATE TABLE parent (id integer PRIMARY KEY, v boolean);
CREATE TABLE src (id integer PRIMARY KEY, pid integer REFERENCES parent DEFERRABLE);
CREATE TABLE tgt (id integer PRIMARY KEY);
SELECT reconcile.create_invariant('i', 'tgt', '{{id}}',
    'SELECT s.id FROM app.src s JOIN app.parent p ON p.id = s.pid WHERE p.v');
SELECT count(*) FROM reconcile.guard('i', timing => 'commit', enable => 'always', on_failure => '{policy}');
"""

FILLED = """
CREATE TABLE src (id integer PRIMARY KEY, home integer);
CREATE TABLE tgt (pid integer REFERENCES src DEFERRABLE, h integer, PRIMARY KEY (pid, h));
SELECT reconcile.create_invariant('i', 'src', '{{id}}',
    'SELECT DISTINCT ON (pid) pid AS id, h AS home FROM app.tgt ORDER BY pid, h', kind => 'fill');
SELECT count(*) FROM reconcile.guard('i', timing => 'commit', on_failure => '{policy}');
"""

# One row of several is chosen by what a table without say tells of them, which has several rows itself.
CHOSEN = """
CREATE TABLE u (id integer PRIMARY KEY, home integer);
CREATE TABLE rank (h integer, n integer);
CREATE TABLE m (id integer PRIMARY KEY, uid integer, h integer NOT NULL);
INSERT INTO rank VALUES (1, 9), (1, 2), (2, 5), (3, 7);
INSERT INTO u VALUES (1), (2), (3);
SELECT reconcile.create_invariant('i', 'u', '{{id}}', 'SELECT DISTINCT ON (m.uid) m.uid AS id, m.h AS home
    FROM app.m LEFT JOIN app.rank ON rank.h = m.h WHERE m.h > 0 ORDER BY m.uid, rank.n, m.h', kind => 'fill');
SELECT count(*) FROM reconcile.guard('i', timing => 'commit', on_failure => '{policy}');
"""
HOMES = "SELECT array_agg((id, home)::text ORDER BY id) FROM u"

COUNTS = "SELECT (SELECT count(*) FROM src), (SELECT count(*) FROM tgt)"
TARGET = "SELECT array_agg(id ORDER BY id) FROM tgt"

# A key may come again in rows that are gone.
GONE = """
CREATE TABLE src (id integer, home integer, gone boolean NOT NULL DEFAULT false);
CREATE UNIQUE INDEX ON src (id) WHERE NOT gone;
CREATE TABLE tgt (pid integer, h integer, PRIMARY KEY (pid, h));
SELECT reconcile.create_invariant('i', 'src', '{{id}}',
    'SELECT DISTINCT ON (pid) pid AS id, h AS home FROM app.tgt ORDER BY pid, h', kind => 'fill', where_absent => 'gone');
SELECT count(*) FROM reconcile.guard('i', timing => 'commit', on_failure => '{policy}');
CREATE FUNCTION too() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE app.src SET home = 9 WHERE gone; RETURN NULL; END';
CREATE TRIGGER a AFTER UPDATE ON src FOR EACH ROW WHEN (NEW.home = 5) EXECUTE FUNCTION too();
"""

STORIES = {
    "rows of a released savepoint, more than work_mem":
        (PLAIN, ["SET work_mem = '64kB'", "BEGIN", "SAVEPOINT a", "INSERT INTO src SELECT generate_series(1, 20000)",
                 "RELEASE a", "COMMIT"], COUNTS, (20000, 20000)),
    "rows of a released savepoint, in small statements":
        (PLAIN, ["SET work_mem = '64kB'", "BEGIN", "SAVEPOINT a",
                 "DO $$ BEGIN FOR n IN 1..3000 LOOP INSERT INTO app.src VALUES (n); END LOOP; END $$", "RELEASE a", "COMMIT"],
         COUNTS, (3000, 3000)),
    "rows of a block with an exception handler":
        (PLAIN, ["SET work_mem = '64kB'",
                 "DO $$ BEGIN INSERT INTO app.src SELECT generate_series(1, 20000); EXCEPTION WHEN unique_violation THEN NULL; END $$"],
         COUNTS, (20000, 20000)),
    "a table without primary key":
        (KEYLESS, ["INSERT INTO src SELECT generate_series(1, 20000)"], COUNTS, (20000, 20000)),
    "statements of all sizes in one transaction":
        (PLAIN, ["BEGIN", "INSERT INTO src VALUES (1)", "INSERT INTO src SELECT generate_series(10, 1009)",
                 "INSERT INTO src SELECT generate_series(2000, 3000)", "INSERT INTO src VALUES (2)", "COMMIT"], COUNTS, (2003, 2003)),
    "what an error within a savepoint leaves":
        (PLAIN, ["DO $$ BEGIN INSERT INTO app.src VALUES (-1);"
                 " BEGIN INSERT INTO app.src SELECT generate_series(1, 900); PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END;"
                 " BEGIN INSERT INTO app.src VALUES (-2); EXCEPTION WHEN OTHERS THEN NULL; END; END $$"], TARGET, ([-2, -1],)),
    "a savepoint that is rolled back, and one in it that was released":
        (PLAIN, ["BEGIN", "INSERT INTO src VALUES (1)", "SAVEPOINT a", "SAVEPOINT b", "INSERT INTO src VALUES (2)", "RELEASE b",
                 "ROLLBACK TO a", "INSERT INTO src VALUES (3)", "COMMIT"], TARGET, ([1, 3],)),
    "constraints checked within a savepoint that is rolled back":
        (PLAIN, ["BEGIN", "INSERT INTO src VALUES (1)", "SAVEPOINT a", "INSERT INTO src VALUES (2)", "SET CONSTRAINTS ALL IMMEDIATE",
                 "ROLLBACK TO a", "INSERT INTO src VALUES (3)", "COMMIT"], TARGET, ([1, 3],)),
    "constraints checked at once":
        (PLAIN, ["BEGIN", "SET CONSTRAINTS ALL IMMEDIATE", "INSERT INTO src VALUES (1)", "DELETE FROM src", "INSERT INTO src VALUES (2)",
                 "COMMIT"], TARGET, ([1, 2],)),
    "a chain of transactions":
        (PLAIN, ["BEGIN", "INSERT INTO src VALUES (1)", "COMMIT AND CHAIN", "INSERT INTO src VALUES (2)", "ROLLBACK AND CHAIN",
                 "INSERT INTO src VALUES (3)", "COMMIT"], TARGET, ([1, 3],)),
    "a transaction that is rolled back before the next":
        (PLAIN, ["BEGIN", "INSERT INTO src VALUES (1)", "ROLLBACK", "INSERT INTO tgt VALUES (7)", "INSERT INTO src VALUES (2)"],
         TARGET, ([2, 7],)),
    "DISCARD ALL between transactions":
        (PLAIN, ["INSERT INTO src VALUES (1)", "DISCARD ALL", "INSERT INTO app.src VALUES (2)", "SET search_path = app"],
         TARGET, ([1, 2],)),
    "a transaction that is prepared":
        (PLAIN, ["BEGIN", "INSERT INTO src VALUES (1)", "SAVEPOINT a", "INSERT INTO src VALUES (2)", "RELEASE a",
                 "PREPARE TRANSACTION 'reconcile_guard_notes'", "INSERT INTO src VALUES (3)", "COMMIT PREPARED 'reconcile_guard_notes'"],
         TARGET, ([1, 2, 3],)),
    "a cursor that is held":
        (PLAIN, ["BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM tgt", "INSERT INTO src VALUES (1)", "COMMIT", "CLOSE c"],
         TARGET, ([1],)),
    "keys that change, rows that go and come back":
        (PLAIN, ["BEGIN", "INSERT INTO src VALUES (10)", "UPDATE src SET id = 11", "UPDATE src SET id = 12", "INSERT INTO src VALUES (13, 'x')",
                 "DELETE FROM src WHERE id = 13", "INSERT INTO src VALUES (13, 'y')", "COMMIT"],
         "SELECT array_agg((id, v)::text ORDER BY id) FROM tgt", (["(12,)", "(13,y)"],)),
    "a deferred trigger that writes after the guards":
        (PLAIN + """CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO app.src VALUES (NEW.id + 100, ''late''); RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER zz AFTER INSERT ON src DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.id = 20) EXECUTE FUNCTION late();
            CREATE CONSTRAINT TRIGGER zt AFTER INSERT ON tgt DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.id = 21) EXECUTE FUNCTION late();
            """, ["INSERT INTO src VALUES (20, 'a')", "INSERT INTO src VALUES (21, 'b')"], TARGET, ([20, 21, 120, 121],)),
    "handlers around the checking of constraints":
        (PLAIN, ["DO $$ BEGIN FOR i IN 1..3 LOOP BEGIN INSERT INTO app.src VALUES (30 + i); SET CONSTRAINTS ALL IMMEDIATE;"
                 " SET CONSTRAINTS ALL DEFERRED; IF i = 2 THEN RAISE 'x'; END IF;"
                 " EXCEPTION WHEN OTHERS THEN INSERT INTO app.src VALUES (40 + i); END; END LOOP; END $$"], TARGET, ([31, 33, 42],)),
    "a table that is emptied": (TOASTED, ["BEGIN", LONG, "TRUNCATE src", "COMMIT"], COUNTS, (0, 0)),
    "a table that is written anew":
        (TOASTED, ["BEGIN", LONG, "ALTER TABLE src ADD COLUMN x integer DEFAULT (random() * 5)::integer", "COMMIT"], COUNTS, (1, 1)),
    "a table that is clustered": (TOASTED, ["BEGIN", LONG, "CLUSTER src USING src_pkey", "COMMIT"], COUNTS, (1, 1)),
    "keys out of a table that is gone":
        (TOASTED, ["BEGIN", "CREATE TEMP TABLE stage (id text)", "ALTER TABLE stage ALTER id SET STORAGE EXTERNAL",
                   LONG.replace("src", "stage"), "INSERT INTO src SELECT id FROM stage", "DROP TABLE stage", "COMMIT"], COUNTS, (1, 1)),
    "a key that gets another type":
        (PLAIN, ["INSERT INTO src VALUES (0)", "BEGIN", "INSERT INTO src VALUES (1)", "ALTER TABLE src ALTER id TYPE bigint",
                 "INSERT INTO src VALUES (2)", "COMMIT"], TARGET, ([0, 1, 2],)),
    "a key that gets another name":
        (PLAIN.replace("SELECT id, v", "SELECT s.* ").replace("app.src'", "app.src AS s (id, v)'"),
         ["BEGIN", "INSERT INTO src VALUES (1)", "ALTER TABLE src RENAME v TO w", "INSERT INTO src VALUES (2)", "COMMIT"],
         TARGET, ([1, 2],)),
    "a column before the key is dropped":
        ("CREATE TABLE src (gone integer, id integer PRIMARY KEY, v text);" + PLAIN.split(";", 1)[1],
         ["INSERT INTO src VALUES (0, 1)", "BEGIN", "INSERT INTO src VALUES (0, 2)", "ALTER TABLE src DROP gone",
          "INSERT INTO src VALUES (3)", "COMMIT"], TARGET, ([1, 2, 3],)),
    "a guard that is dropped": (PLAIN, ["BEGIN", "INSERT INTO src VALUES (1)", "SELECT reconcile.unguard('i')", "COMMIT"], COUNTS, (1, 0)),
    "an invariant that is dropped":
        (PLAIN, ["BEGIN", "INSERT INTO src VALUES (1)", "SELECT reconcile.drop_invariant('i')", "COMMIT"], COUNTS, (1, 0)),
    "a guard that need not wait any more":
        (PLAIN, ["BEGIN", "INSERT INTO src VALUES (1)", "SELECT count(*) FROM reconcile.guard('i')", "INSERT INTO src VALUES (2)",
                 "COMMIT"], TARGET, ([1, 2],)),
    "a guard that comes and changes within the transaction":
        (PLAIN, ["SELECT reconcile.unguard('i')", "BEGIN", "SELECT count(*) FROM reconcile.guard('i', timing => 'commit')",
                 "INSERT INTO src VALUES (1)", "SELECT count(*) FROM reconcile.guard('i', on_failure => 'queue')",
                 "INSERT INTO src VALUES (2)", "COMMIT"], TARGET, ([1, 2],)),
    "a query that is altered":
        (PLAIN, ["BEGIN", "INSERT INTO src VALUES (1, 'a')",
                 "SELECT reconcile.alter_invariant('i', expects => 'SELECT id + 10 AS id, v FROM app.src')", "COMMIT"], TARGET, ([11],)),
    "the order of guards in a new session":
        (ORDER, ["INSERT INTO u VALUES (1)", "INSERT INTO u VALUES (2)", "INSERT INTO u VALUES (3)"],
         "SELECT array_agg((id, home)::text ORDER BY id) FROM u", (["(1,10)", "(2,10)", "(3,10)"],)),
    "their order when another guard is between them":
        (LONGER_ORDER.replace("{timing}", "commit"), ["INSERT INTO u VALUES (1)", "INSERT INTO u VALUES (2)"],
         "SELECT array_agg((id, home)::text ORDER BY id) FROM u", (["(1,10)", "(2,10)"],)),
    "their order when that guard works at once":
        (LONGER_ORDER.replace("{timing}", "statement"), ["INSERT INTO u VALUES (1)", "INSERT INTO u VALUES (2)"],
         "SELECT array_agg((id, home)::text ORDER BY id) FROM u", (["(1,10)", "(2,10)"],)),
    "a guard that comes later into the order":
        (ORDER + "SELECT reconcile.unguard('c2');",
         ["INSERT INTO u VALUES (1)", "SELECT count(*) FROM reconcile.guard('c2', timing => 'commit')", "INSERT INTO u VALUES (2)"],
         "SELECT array_agg((id, home)::text ORDER BY id) FROM u", (["(1,20)", "(2,10)"],)),
    "a row that is deleted and inserted by one statement":
        (JOINED, ["INSERT INTO parent VALUES (1, false)", "INSERT INTO src VALUES (1, 1)",
                  "WITH d AS (DELETE FROM parent WHERE id = 1 RETURNING id) INSERT INTO parent SELECT id, true FROM d"], TARGET, ([1],)),
    "referring rows first, as a replica writes them":
        (JOINED, ["SET session_replication_role = replica", "INSERT INTO src VALUES (7, 7)", "INSERT INTO parent VALUES (7, true)"],
         TARGET, ([7],)),
    "referring rows while triggers are disabled":
        (JOINED, ["ALTER TABLE src DISABLE TRIGGER ALL", "INSERT INTO src VALUES (9, 9)", "ALTER TABLE src ENABLE TRIGGER ALL",
                  "INSERT INTO parent VALUES (9, true)"], TARGET, ([9],)),
    "one row to choose from, none, and two":
        (CHOSEN, ["INSERT INTO m VALUES (1, 1, 1)", "INSERT INTO m VALUES (2, 3, 0)", "INSERT INTO m VALUES (3, 2, 3), (4, 2, 2)",
                  "INSERT INTO m VALUES (5, 1, 2)"], HOMES, (["(1,1)", "(2,2)", "(3,)"],)),
    "rows of a table and its child with one primary key":
        (CHOSEN.replace("LEFT JOIN app.rank ON rank.h = m.h", "").replace("rank.n, ", ""),
         ["INSERT INTO m VALUES (1, 1, 1)", "CREATE TABLE child () INHERITS (m)", "INSERT INTO child VALUES (2, 3, 2)",
          "INSERT INTO m VALUES (2, 3, 3)"], HOMES, (["(1,1)", "(2,)", "(3,2)"],)),
    "a value of the table that chooses":
        (CHOSEN + """CREATE TABLE tgt (id integer PRIMARY KEY, n integer);
            SELECT reconcile.create_invariant('v', 'tgt', '{{id}}', 'SELECT DISTINCT ON (m.uid) m.uid AS id, rank.n
                FROM app.m LEFT JOIN app.rank ON rank.h = m.h ORDER BY m.uid, rank.n');
            SELECT count(*) FROM reconcile.guard('v', timing => 'commit', on_failure => '{policy}');""",
         ["INSERT INTO m VALUES (1, 1, 1)", "INSERT INTO m VALUES (2, 2, 4)"],
         "SELECT array_agg((id, n)::text ORDER BY id) FROM tgt", (["(1,2)", "(2,)"],)),
    "a row to fill that is deleted and inserted by one statement":
        (FILLED, ["INSERT INTO src VALUES (1)", "INSERT INTO tgt VALUES (1, 5)",
                  "WITH d AS (DELETE FROM src WHERE id = 1 RETURNING id) INSERT INTO src SELECT id FROM d"],
         "SELECT array_agg((id, home)::text) FROM src", (["(1,5)"],)),
    "a row to fill, and what fills it":
        (FILLED, ["BEGIN", "INSERT INTO src VALUES (1, NULL), (2, 9)", "INSERT INTO tgt VALUES (1, 5), (2, 6)", "COMMIT",
                  "BEGIN", "SET CONSTRAINTS ALL DEFERRED", "INSERT INTO tgt VALUES (3, 7)", "INSERT INTO src VALUES (3)", "COMMIT"],
         "SELECT array_agg((id, home)::text ORDER BY id) FROM src", (["(1,5)", "(2,9)", "(3,7)"],)),
    "more rows to fill than are noted":
        (FILLED, ["BEGIN", "INSERT INTO src SELECT generate_series(1, 2000)", "INSERT INTO tgt SELECT n, -n FROM generate_series(1, 2000) n",
                  "COMMIT"], "SELECT count(*) FROM src WHERE home = -id", (2000,)),
    "a row that was filled within a savepoint that is rolled back":
        (FILLED, ["BEGIN", "INSERT INTO src VALUES (1)", "SAVEPOINT a", "INSERT INTO tgt VALUES (1, 5)", "SET CONSTRAINTS ALL IMMEDIATE",
                  "ROLLBACK TO a", "SET LOCAL session_replication_role = replica", "INSERT INTO tgt VALUES (1, 7)",
                  "SET LOCAL session_replication_role = origin", "COMMIT"],
         "SELECT array_agg((id, home)::text) FROM src", (["(1,7)"],)),
    "a row whose value a trigger takes back while it is filled":
        (FILLED + """CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
            DELETE FROM app.tgt; UPDATE app.src SET home = NULL; INSERT INTO app.tgt VALUES (NEW.id, 6); RETURN NULL; END';
            CREATE TRIGGER a AFTER UPDATE ON src FOR EACH ROW WHEN (NEW.home = 5) EXECUTE FUNCTION other();""",
         ["BEGIN", "INSERT INTO src VALUES (1)", "INSERT INTO tgt VALUES (1, 5)", "COMMIT"],
         "SELECT array_agg((id, home)::text) FROM src", (["(1,6)"],)),
    "a row that a trigger inserts anew while it is filled":
        (FILLED + """CREATE FUNCTION anew() RETURNS trigger LANGUAGE plpgsql SET session_replication_role = replica AS 'BEGIN
            DELETE FROM app.tgt; DELETE FROM app.src; INSERT INTO app.tgt VALUES (NEW.id, 6);
            SET LOCAL session_replication_role = origin; INSERT INTO app.src VALUES (NEW.id); RETURN NULL; END';
            CREATE TRIGGER a AFTER UPDATE ON src FOR EACH ROW WHEN (NEW.home = 5) EXECUTE FUNCTION anew();""",
         ["BEGIN", "INSERT INTO src VALUES (1)", "INSERT INTO tgt VALUES (1, 5)", "COMMIT"],
         "SELECT array_agg((id, home)::text) FROM src", (["(1,6)"],)),
    "a row that a trigger inserts anew while it is filled, in place of one that nobody noted":
        (FILLED + """CREATE FUNCTION anew() RETURNS trigger LANGUAGE plpgsql SET session_replication_role = replica AS 'BEGIN
            DELETE FROM app.tgt; DELETE FROM app.src; INSERT INTO app.tgt VALUES (NEW.id, 6);
            SET LOCAL session_replication_role = origin; INSERT INTO app.src VALUES (NEW.id); RETURN NULL; END';
            CREATE TRIGGER a AFTER UPDATE ON src FOR EACH ROW WHEN (NEW.home = 5) EXECUTE FUNCTION anew();""",
         ["BEGIN", "SET LOCAL session_replication_role = replica", "INSERT INTO src VALUES (1)",
          "SET LOCAL session_replication_role = origin", "INSERT INTO tgt VALUES (1, 5)", "COMMIT"],
         "SELECT array_agg((id, home)::text) FROM src", (["(1,6)"],)),
    "a row to fill, while one that is gone gets a value":
        (GONE, ["INSERT INTO src VALUES (1, NULL, true)", "BEGIN", "INSERT INTO src VALUES (1), (2)", "INSERT INTO tgt VALUES (2, 5)",
                "SET LOCAL session_replication_role = replica", "INSERT INTO tgt VALUES (1, 7)",
                "SET LOCAL session_replication_role = origin", "COMMIT"],
         "SELECT array_agg((id, home, gone)::text ORDER BY id, gone) FROM src", (["(1,7,f)", "(1,9,t)", "(2,5,f)"],)),
    "a row whose value a trigger refuses":
        (FILLED + """CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.home := NULL; RETURN NEW; END';
            CREATE TRIGGER a BEFORE UPDATE ON src FOR EACH ROW WHEN (NEW.home = 5) EXECUTE FUNCTION never();""",
         ["BEGIN", "INSERT INTO src VALUES (1)", "INSERT INTO tgt VALUES (1, 5)", "SET LOCAL session_replication_role = replica",
          "INSERT INTO tgt VALUES (1, 4)", "SET LOCAL session_replication_role = origin", "COMMIT"],
         "SELECT array_agg((id, home)::text) FROM src", (["(1,4)"],)),
    "a key to fill that gets another type":
        (FILLED, ["BEGIN", "INSERT INTO src VALUES (1)", "ALTER TABLE src ALTER id TYPE bigint", "INSERT INTO src VALUES (2)",
                  "SET LOCAL session_replication_role = replica", "INSERT INTO tgt VALUES (1, 7), (2, 8)",
                  "SET LOCAL session_replication_role = origin", "COMMIT"],
         "SELECT array_agg((id, home)::text ORDER BY id) FROM src", (["(1,7)", "(2,8)"],)),
    "a row that has what it needs, though the query yields what the target refuses":
        (PLAIN.replace("v text);\nSELECT", "v text NOT NULL CHECK (v <> ''));\nSELECT"),
         ["BEGIN", "INSERT INTO tgt VALUES (2, 'mine')", "INSERT INTO src VALUES (2, NULL)", "COMMIT"], COUNTS, (1, 1)),
}


@pytest.fixture(scope="module")
def database():
    with psycopg.connect(dbname="postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {DATABASE}")
    with psycopg.connect(dbname=DATABASE, autocommit=True) as session:
        session.execute("CREATE EXTENSION pg_reconcile; SET client_min_messages = warning")
        yield session
    with psycopg.connect(dbname="postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


@pytest.fixture
def pg(database):
    database.execute(BEFORE)
    return database


def new_session():
    return psycopg.connect(dbname=DATABASE, autocommit=True, options="-c search_path=app,public")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("story", STORIES)
def test_what_is_there_after_a_story(pg, story, policy):
    before, steps, question, wanted = STORIES[story]
    pg.execute(before.format(policy=policy))
    with new_session() as session:
        for step in steps:
            session.execute(step)
        assert session.execute(question).fetchone() == wanted
        assert session.execute("SELECT count(*) FROM reconcile.guard_pending").fetchone() == (0,)
        assert session.execute("SELECT key, source, message FROM reconcile.failures").fetchall() == []


# What refuses a commit, and what waits when the guard queues: its SQLSTATE, key and source.
FAILURES = {
    "a row that the target refuses":
        (PLAIN + "ALTER TABLE tgt ADD CHECK (v <> 'bad');", ["INSERT INTO src VALUES (7, 'bad'), (8, 'ok')"],
         "23514", {"id": 7}, {"id": 7, "v": "bad"}, [8]),
    "a target that is gone":
        (PLAIN, ["BEGIN", "INSERT INTO src VALUES (7)", "DROP TABLE tgt CASCADE", "CREATE TABLE tgt (id integer)", "COMMIT"],
         "42P01", {"id": 7}, {"id": 7, "v": None}, None),
    "a source that is gone":
        (PLAIN, ["BEGIN", "INSERT INTO src VALUES (7)", "DROP TABLE src CASCADE", "COMMIT"], "42P01", None, {"id": 7}, None),
    "a column that is renamed":
        (PLAIN, ["BEGIN", "INSERT INTO src VALUES (7)", "ALTER TABLE src RENAME v TO w", "COMMIT"], "42703", None, {"id": 7}, None),
    "a primary key that is gone":
        (PLAIN, ["BEGIN", "INSERT INTO src VALUES (7)", "ALTER TABLE src DROP CONSTRAINT src_pkey", "COMMIT"],
         "55000", None, {"id": 7}, None),
    "another primary key, after rows that have it":
        (PLAIN, ["BEGIN", "INSERT INTO src VALUES (7, 'seven')", "ALTER TABLE src DROP CONSTRAINT src_pkey, ADD PRIMARY KEY (v)",
                 "UPDATE src SET id = 8", "COMMIT"], "55000", None, {"id": 7}, None),
    "another key of the invariant":
        (KEYLESS, ["BEGIN", "INSERT INTO src VALUES (7, 'seven')", "SELECT reconcile.alter_invariant('i', key => '{v}')", "COMMIT"],
         "55000", None, {"id": 7}, None),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("failure", FAILURES)
def test_what_fails_at_commit_is_refused_or_waits(pg, failure, policy):
    before, steps, sqlstate, key, source, written = FAILURES[failure]
    pg.execute(before.format(policy=policy))
    with new_session() as session:
        if policy == "block":
            with pytest.raises(psycopg.Error) as refused:
                for step in steps:
                    session.execute(step)
            assert refused.value.sqlstate == sqlstate
            assert session.execute(COUNTS).fetchone() == (0, 0)
            session.execute("INSERT INTO src VALUES (9, 'ok')")
            assert session.execute(TARGET).fetchone() == ([9],)
        else:
            for step in steps:
                session.execute(step)
            waits = session.execute("SELECT sqlstate, key, source FROM reconcile.failures").fetchall()
            assert [(state, key_, source_) for state, key_, source_ in waits if state == sqlstate] == [(sqlstate, key, source)]
            if written:
                assert session.execute(TARGET).fetchone() == (written,)
        assert session.execute("SELECT count(*) FROM reconcile.guard_pending").fetchone() == (0,)


def test_a_guard_follows_its_policy_after_a_commit_that_failed(pg):
    pg.execute(PLAIN.format(policy="block") + "ALTER TABLE tgt ADD CHECK (v <> 'bad');")
    with new_session() as session:
        with pytest.raises(psycopg.errors.UndefinedColumn):
            for step in ("BEGIN", "INSERT INTO src VALUES (4)", "ALTER TABLE src RENAME COLUMN v TO w", "COMMIT"):
                session.execute(step)
        session.execute("SELECT count(*) FROM reconcile.guard('i', timing => 'commit', on_failure => 'queue')")
        session.execute("INSERT INTO src VALUES (5, 'bad')")
        assert session.execute("SELECT key FROM reconcile.failures").fetchall() == [({"id": 5},)]
        session.execute("SELECT count(*) FROM reconcile.guard('i', timing => 'commit')")
        with pytest.raises(psycopg.errors.CheckViolation):
            session.execute("INSERT INTO src VALUES (6, 'bad')")
        assert session.execute("SELECT id FROM src").fetchall() == [(5,)]


def test_an_error_at_commit_is_caught_and_mended_before_it(pg):
    pg.execute(PLAIN.format(policy="block") + "ALTER TABLE tgt ADD CHECK (v <> 'bad');")
    with new_session() as session:
        session.execute("BEGIN")
        session.execute("INSERT INTO src VALUES (5, 'bad'), (6, 'ok')")
        session.execute("SAVEPOINT a")
        with pytest.raises(psycopg.errors.CheckViolation):
            session.execute("SET CONSTRAINTS ALL IMMEDIATE")
        session.execute("ROLLBACK TO a")
        session.execute("UPDATE src SET v = 'fine' WHERE id = 5")
        session.execute("COMMIT")
        assert session.execute("SELECT id, v FROM tgt ORDER BY 1").fetchall() == [(5, "fine"), (6, "ok")]


@pytest.mark.parametrize("policy", POLICIES)
def test_the_owner_works_at_commit_whoever_writes(pg, policy):
    """One session, one plan: for a superuser's write, a low role's, and a role that changes before the commit."""
    pg.execute("""
        CREATE TABLE src (id integer PRIMARY KEY);
        CREATE TABLE tgt (id integer PRIMARY KEY, by name DEFAULT current_user);
        CREATE ROLE reconcile_notes_owner; CREATE ROLE reconcile_notes_writer;
        GRANT USAGE ON SCHEMA app TO reconcile_notes_owner, reconcile_notes_writer;
        GRANT SELECT, TRIGGER ON src TO reconcile_notes_owner; GRANT SELECT, INSERT ON tgt TO reconcile_notes_owner;
        GRANT INSERT ON src TO reconcile_notes_writer; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reconcile TO reconcile_notes_owner;
        SET ROLE reconcile_notes_owner;
        SELECT reconcile.create_invariant('i', 'app.tgt', '{id}', 'SELECT id FROM app.src');""")
    pg.execute(f"SELECT reconcile.guard('i', timing => 'commit', on_failure => '{policy}'); RESET ROLE")
    try:
        with new_session() as session:
            session.execute("INSERT INTO src VALUES (1)")
            session.execute("SET ROLE reconcile_notes_writer")
            session.execute("INSERT INTO src VALUES (2)")
            for step in ("BEGIN", "INSERT INTO src VALUES (3)", "RESET ROLE", "COMMIT", "BEGIN", "INSERT INTO src VALUES (4)",
                         "SET LOCAL ROLE reconcile_notes_writer", "COMMIT"):
                session.execute(step)
            assert session.execute("SELECT current_user = session_user").fetchone() == (True,)
            assert session.execute("SELECT id, by FROM tgt ORDER BY 1").fetchall() == [
                (n, "reconcile_notes_owner") for n in range(1, 5)]
            session.execute("ALTER TABLE tgt ENABLE ROW LEVEL SECURITY")
            session.execute("CREATE POLICY few ON tgt USING (id < 5) WITH CHECK (true)")
            refused = None
            try:
                session.execute("INSERT INTO src VALUES (5)")
            except psycopg.Error as error:
                refused = error.sqlstate
            waits = session.execute("SELECT sqlstate FROM reconcile.failures").fetchall()
            assert (refused, waits) == (("42501", []) if policy == "block" else (None, [("42501",)]))
    finally:
        pg.execute("RESET ROLE; DROP OWNED BY reconcile_notes_owner, reconcile_notes_writer CASCADE;"
                   " DROP ROLE reconcile_notes_owner, reconcile_notes_writer")


# Guards that work at one commit, one after the other: who declared them, where, and what a trigger of their target leaves behind.
ALIKE = ("NONE", "app", "UTC")
IN_TURN = {
    "a": (ALIKE, "SET search_path = public"), "b": (ALIKE, "SET TimeZone = 'Asia/Tokyo'"), "c": (ALIKE, "SET DateStyle = German"),
    "d": (ALIKE, "SET DateStyle = 'ISO, YMD'"), "e": (ALIKE, "SET IntervalStyle = iso_8601"), "f": (ALIKE, "SET row_security = on"),
    "g": (ALIKE, "SELECT"), "h": (("reconcile_notes_owner", "app", "UTC"), "SELECT"), "i": (("NONE", "app, public", "UTC"), "SELECT"),
    "j": (("NONE", "app", "Asia/Tokyo"), "SELECT"), "k": (ALIKE, "SET session_replication_role = replica"),
    "l": (ALIKE, "SET app.who = 'l'"), "m": (ALIKE, "SET LOCAL app.who = 'm'"), "n": (ALIKE, "SELECT"),
}
SETTINGS = """SELECT current_user, current_setting('search_path') AS path, current_setting('TimeZone') AS zone,
    current_setting('DateStyle') || ' ' || current_setting('IntervalStyle') || ' ' || current_setting('row_security')
    || ' ' || coalesce(current_setting('app.who', true), '') AS others"""


@pytest.mark.parametrize("policy", POLICIES)
def test_each_guard_works_as_declared_at_one_commit(pg, policy):
    pg.execute(f"""
        CREATE ROLE reconcile_notes_owner;
        CREATE TABLE src (id integer PRIMARY KEY);
        GRANT USAGE ON SCHEMA app TO reconcile_notes_owner; GRANT SELECT, TRIGGER ON src TO reconcile_notes_owner;
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reconcile TO reconcile_notes_owner;
        CREATE FUNCTION is_written() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            SELECT s::text INTO NEW.written FROM ({SETTINGS}) s;
            EXECUTE TG_ARGV[0];
            RETURN NEW;
        END $$""")
    try:
        for name, ((owner, path, zone), left_behind) in IN_TURN.items():
            pg.execute(f"""
                CREATE TABLE app.tgt_{name} (id integer PRIMARY KEY, written text);
                CREATE TRIGGER is_written BEFORE INSERT ON app.tgt_{name} FOR EACH ROW EXECUTE FUNCTION app.is_written($${left_behind}$$);
                GRANT SELECT, INSERT ON app.tgt_{name} TO reconcile_notes_owner;
                SET search_path = {path}; SET TimeZone = '{zone}'; SET ROLE {owner};
                SELECT reconcile.create_invariant('{name}', 'app.tgt_{name}', '{{id}}', 'SELECT id FROM app.src');
                SELECT reconcile.guard('{name}', timing => 'commit', on_failure => '{policy}');
                RESET ROLE; RESET TimeZone""")
        with new_session() as session:
            before = session.execute(SETTINGS).fetchone()
            for n in range(3):
                session.execute("INSERT INTO src VALUES (%s)", [n])
            assert session.execute(SETTINGS).fetchone() == before
            for name, ((owner, path, zone), _) in IN_TURN.items():
                wanted = pg.execute("SELECT (%s::text, %s::text, %s::text, 'ISO, MDY postgres off ')::text",
                                    [before[0] if owner == "NONE" else owner, f"{path}, pg_temp", zone]).fetchone()
                assert session.execute(f"SELECT written FROM tgt_{name}").fetchall() == [wanted] * 3, name
    finally:
        pg.execute("RESET ROLE; RESET search_path; RESET TimeZone; DROP OWNED BY reconcile_notes_owner CASCADE;"
                   " DROP ROLE reconcile_notes_owner")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("first, second", [(a, b) for a in ("statement", "commit") for b in ("statement", "commit")])
def test_constraints_are_checked_at_once_where_none_may_wait(pg, first, second, policy):
    """Two guards of one owner, one within the other: what somebody else's write sets off leaves no check for later."""
    pg.execute("""
        CREATE ROLE reconcile_notes_owner;
        CREATE TABLE src (id integer PRIMARY KEY); CREATE TABLE mid (id integer PRIMARY KEY);
        CREATE TABLE tgt (id integer PRIMARY KEY REFERENCES mid DEFERRABLE INITIALLY DEFERRED);
        GRANT USAGE ON SCHEMA app TO reconcile_notes_owner; GRANT ALL ON src, mid, tgt TO reconcile_notes_owner;
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reconcile TO reconcile_notes_owner;
        SET ROLE reconcile_notes_owner;
        SELECT reconcile.create_invariant('a', 'app.mid', '{id}', 'SELECT id FROM app.src');
        SELECT reconcile.create_invariant('b', 'app.tgt', '{id}', 'SELECT id FROM app.mid');""")
    pg.execute(f"SELECT reconcile.guard('a', timing => '{first}', on_failure => '{policy}'),"
               f" reconcile.guard('b', timing => '{second}', on_failure => '{policy}'); RESET ROLE")
    try:
        with new_session() as session:
            for n in (1, 2):
                session.execute("INSERT INTO src VALUES (%s)", [n])
            assert session.execute(TARGET).fetchone() == ([1, 2],)
            assert session.execute("SELECT message FROM reconcile.failures").fetchall() == []
    finally:
        pg.execute("RESET ROLE; DROP OWNED BY reconcile_notes_owner CASCADE; DROP ROLE reconcile_notes_owner")


@pytest.mark.parametrize("timing, level, wanted", [
    ("statement", "READ COMMITTED", []), ("commit", "READ COMMITTED", [(1,)]),
    ("statement", "REPEATABLE READ", []), ("commit", "REPEATABLE READ", []),
    ("statement", "SERIALIZABLE", [(1,)]), ("commit", "SERIALIZABLE", [(1,)])])
def test_rows_of_two_sessions_that_are_expected_only_together(pg, timing, level, wanted):
    """What neither session sees of the other is found by the audit, and by SERIALIZABLE; one that commits later sees more."""
    pg.execute(JOINED.replace(" REFERENCES parent DEFERRABLE", "").replace("timing => 'commit'", f"timing => '{timing}'")
               .format(policy="block"))
    writes = ("INSERT INTO src VALUES (1, 1)", "INSERT INTO parent VALUES (1, true)")
    with new_session() as one, new_session() as other:
        for session, write in zip((one, other), writes):
            session.execute(f"BEGIN ISOLATION LEVEL {level}")
            session.execute("SELECT")
            session.execute(write)
        one.execute("COMMIT")
        if level == "SERIALIZABLE":
            with pytest.raises(psycopg.errors.SerializationFailure):
                other.execute("COMMIT")
            other.execute(writes[1])
        else:
            other.execute("COMMIT")
        assert one.execute("SELECT id FROM tgt").fetchall() == wanted
        assert one.execute("SELECT missing FROM reconcile.audit('i')").fetchone() == (1 - len(wanted),)


def test_limited_temporary_files_lose_nothing(pg):
    """Whatever fits or does not fit: what is stored has what it needs, or the transaction failed as a whole.

    Less would fail on the transition table: PostgreSQL cannot roll back a savepoint then.
    """
    pg.execute(PLAIN.format(policy="block"))
    outcomes = []
    for limit in ("1200kB", "3000kB", "-1"):
        with new_session() as session:
            session.execute(f"SET work_mem = '64kB'; SET temp_file_limit = '{limit}'")
            try:
                session.execute("""DO $$ BEGIN INSERT INTO app.src VALUES (-1);
                    BEGIN INSERT INTO app.src SELECT generate_series(1, 40000); EXCEPTION WHEN OTHERS THEN NULL; END;
                    BEGIN INSERT INTO app.src VALUES (-2); EXCEPTION WHEN OTHERS THEN NULL; END; END $$""")
            except psycopg.Error:
                pass
        with new_session() as session:
            stored, derived = session.execute(COUNTS).fetchone()
            assert stored == derived
            outcomes.append(stored)
            session.execute("TRUNCATE src, tgt")
    assert outcomes[-1] == 40002


def test_what_is_noted_takes_little_memory(pg):
    """A million rows one by one: work_mem bounds what is in memory, the rest is in a table."""
    pg.execute(PLAIN.format(policy="block"))
    with new_session() as session:
        session.execute("SET work_mem = '64kB'")
        session.execute("BEGIN")
        session.execute("DO $$ BEGIN FOR n IN 1..5000 LOOP INSERT INTO app.src VALUES (n); END LOOP; END $$")
        in_memory, = session.execute("SELECT coalesce(sum(total_bytes), 0)::integer FROM pg_backend_memory_contexts"
                                     " WHERE name = 'pg_reconcile notes'").fetchone()
        in_table, = session.execute("SELECT count(*) FROM reconcile.guard_pending WHERE invariant IS NOT NULL").fetchone()
        assert 0 < in_memory <= 2 * 64 * 1024 and 0 < in_table < 5000
        session.execute("COMMIT")
        assert session.execute(COUNTS).fetchone() == (5000, 5000)
