"""fix_schema_online(): steps in transactions of their own, without long locks, that may be interrupted."""

import threading
import time

import psycopg
import pytest


DATABASE = "reconcile_online"

DECLARED = """
CREATE EXTENSION pg_reconcile;
CREATE SCHEMA app;
CREATE TABLE app.parent (id integer PRIMARY KEY);
CREATE TABLE app."Big one" (
    id integer PRIMARY KEY, parent_id integer NOT NULL REFERENCES app.parent, code text NOT NULL, note text,
    CONSTRAINT positive CHECK (id > 0), CONSTRAINT code_once UNIQUE (code));
CREATE INDEX by_parent ON app."Big one" (parent_id);
CREATE TABLE app.events (at date NOT NULL, id integer) PARTITION BY RANGE (at);
CREATE TABLE app.events_1 PARTITION OF app.events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE app.events_2 PARTITION OF app.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE INDEX events_by_id ON app.events (id);
CREATE TYPE app.mood AS ENUM ('sad', 'happy');
CREATE TABLE app.feeling (mood app.mood PRIMARY KEY);
INSERT INTO app.feeling VALUES ('sad'), ('happy');
INSERT INTO app.parent SELECT generate_series(1, 1000);
INSERT INTO app."Big one" SELECT g, g, 'c' || g FROM generate_series(1, 1000) g;
INSERT INTO app.events SELECT '2024-01-01'::date + g, g FROM generate_series(0, 700) g;
SELECT reconcile.capture_baseline(seed_tables => '{app.feeling}');
"""

DRIFTED = """
ALTER TABLE app."Big one" DROP CONSTRAINT positive, DROP CONSTRAINT code_once, DROP CONSTRAINT "Big one_parent_id_fkey",
    ALTER COLUMN code DROP NOT NULL;
DROP INDEX app.by_parent, app.events_by_id;
DROP TABLE app.feeling;
DROP TYPE app.mood;
CREATE TYPE app.mood AS ENUM ('sad');
CREATE TABLE app.feeling (mood app.mood PRIMARY KEY);
INSERT INTO app.feeling VALUES ('sad');
"""


def connect(**options):
    return psycopg.connect(dbname=DATABASE, autocommit=True, **options)


@pytest.fixture
def db():
    with psycopg.connect(dbname="postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {DATABASE}")
    with connect() as connection:
        connection.execute(DECLARED)
        connection.execute(DRIFTED)
        yield connection
    with psycopg.connect(dbname="postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def audit(connection):
    return connection.execute("SELECT category, kind, object FROM audit_schema() ORDER BY 1, 2, 3").fetchall()


def steps(connection):
    return connection.execute("SELECT state, statement, sqlstate, message, attempts FROM reconcile.schema_steps ORDER BY run_id, step").fetchall()


def in_thread(statement):
    """in_thread runs a statement in a session of its own and returns the thread and where its error will be."""
    errors = []

    def run():
        try:
            with connect() as connection:
                connection.execute(statement)
        except psycopg.Error as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, errors


def wait_until(connection, query, seconds=60):
    deadline = time.monotonic() + seconds
    while not connection.execute(query).fetchone()[0]:
        assert time.monotonic() < deadline, query
        time.sleep(0.02)


def test_everything_comes_back_by_statements_that_do_not_block(db):
    drift = len(audit(db))
    db.execute("CALL reconcile.fix_schema_online()")
    done = steps(db)
    assert drift == 8 and {state for state, *_ in done} == {"done"}, done
    assert audit(db) == []

    ran = [statement for _, statement, *_ in done]
    assert 'CREATE UNIQUE INDEX CONCURRENTLY code_once ON app."Big one" (code)' in ran
    assert 'ALTER TABLE app."Big one" VALIDATE CONSTRAINT positive' in ran
    assert any(s.endswith("CHECK (code IS NOT NULL) NOT VALID") for s in ran)
    assert any(s.startswith("CREATE INDEX events_by_id ON ONLY app.events ") for s in ran)
    assert sum(s.startswith("ALTER INDEX app.events_by_id ATTACH PARTITION") for s in ran) == 2
    assert db.execute("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'reconcile%'").fetchone() == (0,)
    assert db.execute("SELECT array_agg(mood::text ORDER BY mood) FROM app.feeling").fetchone() == (["sad", "happy"],)

    db.execute("CALL reconcile.fix_schema_online()")
    assert len(steps(db)) == len(done), "a second run has nothing to do"


def test_a_transaction_block_is_refused(db):
    with pytest.raises(psycopg.errors.ActiveSqlTransaction):
        with db.transaction():
            db.execute("CALL reconcile.fix_schema_online()")


@pytest.mark.parametrize("call, sqlstate", [
    ("CALL reconcile.fix_schema_online(baseline => 'defualt')", "42704"),
    ("CALL reconcile.fix_schema_online(lock_timeout => NULL)", "22004"),
    ("CALL reconcile.fix_schema_online(lock_timeout => '0')", "22023"),
    ("CALL reconcile.fix_schema_online(retries => -1)", "22023"),
    ("CALL reconcile.fix_schema_online(allow => '{everything}')", "22023"),
    ("CALL reconcile.fix_schema_online(allow => NULL)", "22004"),
])
def test_wrong_arguments_are_refused_before_anything_is_done(db, call, sqlstate):
    with pytest.raises(psycopg.Error) as error:
        db.execute(call)
    assert error.value.sqlstate == sqlstate
    assert steps(db) == []


def test_rows_that_break_a_constraint_stop_it_before_anything_is_built(db):
    db.execute("""INSERT INTO app."Big one" VALUES (2000, 1, 'c1'), (2001, 1, NULL), (-1, 99999, 'x')""")
    db.execute("CALL reconcile.fix_schema_online()")
    refused = {statement: message for state, statement, _, message, _ in steps(db) if state == "refused"}
    messages = " / ".join(refused.values())
    assert "keys (code) that are there more than once: 1, for example (c1)" in messages
    assert "rows with NULL in code: 1" in messages and "reconcile.create_invariant" in messages
    assert "rows that violate it: 1" in messages
    assert "rows that refer to no row: 1, for example (99999)" in messages
    assert not [s for s in steps(db) if s[0] == "failed"]
    assert db.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)
    assert {(c, o) for c, _, o in audit(db)} == {
        ("column", 'app."Big one".code'), ("constraint", 'positive on app."Big one"'), ("constraint", 'code_once on app."Big one"'),
        ("constraint", '"Big one_parent_id_fkey" on app."Big one"')}


def test_what_fails_leaves_nothing_half_done(db):
    # A row that comes after the plan: the build fails, and its invalid index goes.
    with connect() as other:
        with other.transaction():
            other.execute("""LOCK TABLE app."Big one" IN SHARE MODE""")
            thread, errors = in_thread("CALL reconcile.fix_schema_online(lock_timeout => '100ms', retries => 50)")
            wait_until(db, "SELECT EXISTS (SELECT FROM reconcile.schema_steps WHERE attempts > 0)")
            other.execute("""INSERT INTO app."Big one" VALUES (2000, 1, 'c1')""")
    thread.join()
    assert not errors
    failed = [s for s in steps(db) if s[0] == "failed"]
    assert [s[2] for s in failed] == ["23505"], steps(db)
    assert db.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)


def test_others_never_wait_longer_than_lock_timeout_for_it(db):
    """A long reader holds the run up, and the run holds up nobody. Other readers give up after a hundred times its lock_timeout, so that
    they do if it queues before them for as long as the long reader reads, and do not because the machine is slow."""
    with connect() as reader, connect() as other:
        other.execute("SET lock_timeout = '20s'")
        with reader.transaction():
            reader.execute("""SELECT count(*) FROM app."Big one" """)
            thread, errors = in_thread("CALL reconcile.fix_schema_online(lock_timeout => '200ms', retries => 100)")
            deadline = time.monotonic() + 120
            attempts = reads = 0
            while attempts < 4:
                assert time.monotonic() < deadline and thread.is_alive(), "the long reader is waited for"
                other.execute("""SELECT count(*) FROM app."Big one" """)
                reads += 1
                attempts = db.execute("SELECT coalesce(max(attempts), 0) FROM reconcile.schema_steps").fetchone()[0]
    thread.join()
    assert not errors and audit(db) == []
    assert reads >= attempts


def test_a_lock_that_stays_taken_is_a_failed_step(db):
    with connect() as reader:
        with reader.transaction():
            reader.execute("""SELECT count(*) FROM app."Big one" """)
            db.execute("CALL reconcile.fix_schema_online(lock_timeout => '20ms', retries => 1)")
    failed = [s for s in steps(db) if s[0] == "failed"]
    assert failed and {s[2] for s in failed} == {"55P03"} and {s[4] for s in failed} == {2}
    db.execute("CALL reconcile.fix_schema_online()")
    assert audit(db) == [], "the next run goes on"


def test_a_cancelled_run_ends_its_worker_and_the_next_one_goes_on(db):
    with connect() as reader:
        with reader.transaction():
            reader.execute("""SELECT count(*) FROM app."Big one" """)
            thread, errors = in_thread("CALL reconcile.fix_schema_online(lock_timeout => '30s')")
            waiting = "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.backend_type = 'pg_reconcile')"
            wait_until(db, waiting)
            db.execute("""SELECT pg_cancel_backend(pid) FROM pg_stat_activity
                          WHERE query LIKE 'CALL reconcile.fix_schema_online%' AND backend_type = 'client backend'""")
            thread.join()
            assert errors and errors[0].sqlstate == "57014"
            wait_until(db, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_reconcile')")
    db.execute("CALL reconcile.fix_schema_online()")
    assert audit(db) == []


def test_a_killed_worker_is_a_failed_step(db):
    with connect() as reader:
        with reader.transaction():
            reader.execute("""SELECT count(*) FROM app."Big one" """)
            thread, errors = in_thread("CALL reconcile.fix_schema_online(lock_timeout => '30s')")
            wait_until(db, "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.backend_type = 'pg_reconcile')")
            db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_reconcile'")
    thread.join()
    assert not errors
    assert "its worker was ended" in [s[3] for s in steps(db)]
    db.execute("CALL reconcile.fix_schema_online()")
    assert audit(db) == []


def test_steps_are_run_as_the_caller(db):
    db.execute("DO $$ BEGIN CREATE ROLE online_caller LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    db.execute("GRANT EXECUTE ON ALL ROUTINES IN SCHEMA reconcile TO online_caller")
    try:
        db.execute("SET ROLE online_caller")
        db.execute("CALL reconcile.fix_schema_online()")
        db.execute("RESET ROLE")
        assert {s[2] for s in steps(db) if s[0] == "failed"} == {"42501"}, steps(db)
        assert "done" not in {s[0] for s in steps(db)}
    finally:
        db.execute("RESET ROLE")
        db.execute("DROP OWNED BY online_caller")
        db.execute("DROP ROLE online_caller")
