"""Repairs at the same time: of each other, and of writers. Never a duplicate, and an error only where a transaction's
isolation level asks for one."""

import os
import subprocess
import threading
import time

import psycopg
import pytest
from psycopg import IsolationLevel

ROWS = 200

SCHEMA = """
DELETE FROM reconcile.run;
DROP TABLE IF EXISTS strict_target, loose_target, null_target, source;
CREATE TABLE source (id integer PRIMARY KEY, part text);
INSERT INTO source SELECT n, CASE WHEN n % 2 = 0 THEN 'x' END FROM generate_series(1, 200) AS n;
CREATE TABLE strict_target (id integer PRIMARY KEY);
CREATE TABLE loose_target (id integer, part text, UNIQUE (id, part));
CREATE TABLE null_target (id integer, part text, UNIQUE (id, part));
SELECT reconcile.create_invariant('strict', 'strict_target', '{id}', 'SELECT id FROM source');
SELECT reconcile.create_invariant('loose', 'loose_target', '{id,part}', 'SELECT id, part FROM source');
SELECT reconcile.create_invariant('null', 'null_target', '{id,part}', 'SELECT id, NULL AS part FROM source');
"""
REPAIR = "SELECT planned, changed, already_present, failed FROM reconcile.repair(%s, dry_run => false)"
DATABASE = "reconcile_concurrency"


def connect(**options):
    return psycopg.connect(dbname=DATABASE, **options)


@pytest.fixture(scope="module", autouse=True)
def database():
    with psycopg.connect(dbname="postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        admin.execute(f"CREATE DATABASE {DATABASE}")
        with connect(autocommit=True) as session:
            session.execute("CREATE EXTENSION pg_reconcile")
        yield
        admin.execute(f"DROP DATABASE {DATABASE}")


@pytest.fixture(autouse=True)
def schema(database):
    with connect(autocommit=True) as session:
        session.execute("SELECT reconcile.drop_invariant(name) FROM reconcile.invariants")
        session.execute(SCHEMA)


@pytest.fixture
def session():
    opened = []

    def make(level=None):
        one = connect()
        one.isolation_level = level
        opened.append(one)
        return one

    yield make
    for one in opened:
        one.close()


class Call(threading.Thread):
    """A statement in a thread of its own; result() is its first row, or raises what it raised."""

    def __init__(self, session, sql, *args):
        super().__init__(daemon=True)
        self.session, self.sql, self.args = session, sql, args
        self.row = self.error = None
        self.notices = []
        session.add_notice_handler(lambda notice: self.notices.append(notice.message_primary))
        self.start()

    def run(self):
        try:
            self.row = self.session.execute(self.sql, self.args).fetchone()
        except Exception as error:  # raised again by result()
            self.error = error

    def waits(self):
        """waits tells that the statement got to the point where it waits for a lock of another session."""
        deadline = time.monotonic() + 60
        with connect(autocommit=True) as observer:
            while time.monotonic() < deadline and self.is_alive():
                blocked = observer.execute("SELECT cardinality(pg_blocking_pids(%s))",
                                           [self.session.info.backend_pid]).fetchone()
                if blocked[0]:
                    return True
                time.sleep(0.02)
        return False

    def result(self):
        self.join(120)
        assert not self.is_alive(), "the statement hangs"
        if self.error:
            raise self.error
        return self.row


def duplicates(table):
    with connect(autocommit=True) as observer:
        rows, keys = observer.execute(
            f"SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT * FROM {table}) d) FROM {table}").fetchone()
        return rows - keys


@pytest.mark.parametrize("invariant", ["strict", "loose", "null"])
def test_second_repair_waits_and_finds_nothing_to_do(session, invariant):
    first, second = session(), session()
    assert first.execute(REPAIR, [invariant]).fetchone() == (ROWS, ROWS, 0, 0)
    call = Call(second, REPAIR, invariant)
    assert call.waits()
    first.commit()
    assert call.result() == (0, 0, 0, 0)
    second.commit()
    assert call.notices == [f'waiting for the repair of "{invariant}" by process {first.info.backend_pid} of role "postgres"']
    assert duplicates(f"{invariant}_target") == 0


def test_second_repair_does_the_work_when_the_first_rolls_back(session):
    first, second = session(), session()
    first.execute(REPAIR, ["strict"])
    call = Call(second, REPAIR, "strict")
    assert call.waits()
    first.rollback()
    assert call.result() == (ROWS, ROWS, 0, 0)


def test_a_dry_run_does_not_wait(session):
    first, second = session(), session()
    first.execute(REPAIR, ["strict"])
    assert second.execute("SELECT changed FROM reconcile.repair('strict')").fetchone() == (ROWS,)
    assert second.execute("SELECT state FROM reconcile.audit('strict')").fetchone() == ("drift",)


def test_repairs_of_two_invariants_do_not_wait_for_each_other(session):
    first, second = session(), session()
    first.execute(REPAIR, ["strict"])
    assert second.execute(REPAIR, ["loose"]).fetchone() == (ROWS, ROWS, 0, 0)


def test_waiting_can_be_cancelled(session):
    first, second = session(), session()
    first.execute(REPAIR, ["strict"])
    call = Call(second, REPAIR, "strict")
    assert call.waits()
    second.cancel()
    with pytest.raises(psycopg.errors.QueryCanceled):
        call.result()


@pytest.mark.parametrize("end, wanted", [("commit", (ROWS, ROWS - 1, 1, 0)), ("rollback", (ROWS, ROWS, 0, 0))])
def test_a_writer_of_the_same_row(session, end, wanted):
    writer, repairer = session(), session()
    writer.execute("INSERT INTO strict_target VALUES (7)")
    call = Call(repairer, REPAIR, "strict")
    assert call.waits()
    getattr(writer, end)()
    assert call.result() == wanted
    repairer.commit()
    assert duplicates("strict_target") == 0


def test_a_writer_beside_keys_with_null(session):
    writer, repairer = session(), session()
    writer.execute("INSERT INTO loose_target VALUES (8, 'x')")
    call = Call(repairer, REPAIR, "loose")
    assert call.waits()
    writer.commit()
    assert call.result() == (ROWS, ROWS - 1, 1, 0)
    repairer.commit()
    assert duplicates("loose_target") == 0


@pytest.mark.parametrize("level", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE])
@pytest.mark.parametrize("invariant", ["strict", "loose", "null"])
def test_a_repair_with_an_old_snapshot(session, invariant, level):
    """It must not repair what it cannot see repaired, also where no index stops a key with NULL."""
    first, second = session(), session(level)
    second.execute("SELECT count(*) FROM source")
    first.execute(REPAIR, [invariant])
    first.commit()
    try:
        second.execute(REPAIR, [invariant])
        second.commit()
    except psycopg.errors.SerializationFailure:
        second.rollback()
    assert duplicates(f"{invariant}_target") == 0


@pytest.mark.parametrize("level", [IsolationLevel.READ_COMMITTED, IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE])
@pytest.mark.parametrize("invariant", ["strict", "loose", "null", None])
def test_eight_callers_at_once(session, invariant, level):
    def repair_until_done(one):
        while True:
            try:
                one.execute("SELECT * FROM reconcile.repair(%s, dry_run => false)", [invariant])
                one.commit()
                return
            except psycopg.errors.SerializationFailure:
                one.rollback()

    errors = []

    def caller(one):
        try:
            repair_until_done(one)
        except Exception as error:  # reported below
            errors.append(error)

    threads = [threading.Thread(target=caller, args=[session(level)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not errors
    assert duplicates("strict_target") == duplicates("loose_target") == duplicates("null_target") == 0
    with connect(autocommit=True) as observer:
        clean = observer.execute("SELECT count(*) FROM reconcile.audit(%s) WHERE state = 'clean'", [invariant]).fetchone()[0]
        assert clean == (1 if invariant else 3)
        changed = observer.execute("SELECT sum(changed) FROM reconcile.runs").fetchone()[0]
        assert changed == clean * ROWS


def test_repairs_beside_writers(session):
    """Writers insert what the repairs want to insert, until all is there."""
    stop = threading.Event()
    errors = []

    def writer(one):
        try:
            n = 0
            while not stop.is_set():
                n = n % ROWS + 1
                one.execute("INSERT INTO strict_target VALUES (%s) ON CONFLICT DO NOTHING", [n])
                one.execute("DELETE FROM strict_target WHERE id = %s", [(n * 7) % ROWS + 1])
                one.commit()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=writer, args=[session()]) for _ in range(2)]
    for thread in threads:
        thread.start()
    repairer = session()
    try:
        for _ in range(20):
            planned, changed, present, failed = repairer.execute(REPAIR, ["strict"]).fetchone()
            repairer.commit()
            assert planned == changed + present + failed and failed == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join(120)
    assert not [error for error in errors if not isinstance(error, psycopg.errors.DeadlockDetected)]
    assert repairer.execute(REPAIR, ["strict"]).fetchone()[3] == 0


def advisory_locks():
    with connect(autocommit=True) as observer:
        return observer.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
                                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").fetchone()[0]


@pytest.mark.parametrize("end", ["commit", "rollback", "error", "killed"])
def test_no_lock_outlives_its_transaction(session, end):
    """Behind a connection pool the session goes on to serve others: it must hold nothing."""
    one = session()
    one.execute(REPAIR, ["strict"])
    assert advisory_locks() == 1
    if end == "error":
        with pytest.raises(psycopg.Error):
            one.execute("SELECT 1 / 0")
        one.rollback()
    elif end == "killed":
        with connect(autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 30000)", [one.info.backend_pid])
    else:
        getattr(one, end)()
    assert advisory_locks() == 0
    assert session().execute(REPAIR, ["strict"]).fetchone()[1] == (0 if end == "commit" else ROWS)


@pytest.mark.parametrize("dropped, ends, wanted", [
    ("strict_target", "commit", ("not checked", 'the target of invariant "strict" does not exist (SQLSTATE 42P01)')),
    ("source", "commit", ("not checked", 'relation "source" does not exist (SQLSTATE 42P01)')),
    ("strict_target", "rollback", ("drift", "SELECT * FROM reconcile.findings('strict');")),
    ("source", "rollback", ("drift", "SELECT * FROM reconcile.findings('strict');")),
])
def test_an_audit_while_a_table_is_dropped(session, dropped, ends, wanted):
    """It waits, and then says what it found, or that there is nothing to look at."""
    other, auditor = session(), session()
    other.execute(f"DROP TABLE {dropped}")
    call = Call(auditor, "SELECT state, message FROM reconcile.audit('strict')")
    assert call.waits()
    getattr(other, ends)()
    assert call.result() == wanted


def test_fills_beside_writers_and_each_other(session, tmp_path):
    """pgbench inserts users and counts their files while they are repaired: no error, nothing missing, nothing doubled,
    and what the writers wrote is not overwritten."""
    with connect(autocommit=True) as pg:
        pg.execute("DROP TABLE IF EXISTS account, member CASCADE")
        pg.execute("CREATE TABLE member (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text)")
        pg.execute("CREATE TABLE account (member_id bigint PRIMARY KEY, label text, files integer NOT NULL DEFAULT 0)")
        pg.execute("INSERT INTO member (name) SELECT 'old' FROM generate_series(1, 2000)")
        pg.execute("SELECT reconcile.create_invariant('account', 'account', '{member_id}', 'SELECT id AS member_id FROM member')")
        pg.execute("SELECT reconcile.create_invariant('label', 'account', '{member_id}',"
                   " 'SELECT id AS member_id, ''repaired'' AS label FROM member', kind => 'fill')")
    script = tmp_path / "writer.sql"
    script.write_text("""\\set who random(1, 3000)
        INSERT INTO member (name) VALUES ('new');
        INSERT INTO account (member_id) SELECT id FROM member WHERE id = :who ON CONFLICT DO NOTHING;
        UPDATE account SET label = 'theirs', files = files + 1 WHERE member_id = :who AND label IS NULL;
        UPDATE account SET files = files + 1 WHERE member_id = :who;
    """)
    bindir = subprocess.check_output([os.environ["PG_CONFIG"], "--bindir"], text=True).strip()
    bench = subprocess.Popen([f"{bindir}/pgbench", "-n", "-c", "4", "-T", "5", "-f", script, DATABASE],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    errors, runs = [], []

    def repairs(invariant):
        try:
            with connect(autocommit=True) as one:
                while bench.poll() is None:
                    runs.append(one.execute(REPAIR, [invariant]).fetchone())
        except psycopg.Error as error:
            errors.append(error)

    threads = [threading.Thread(target=repairs, args=[name]) for name in ("account", "label", "label")]
    for thread in threads:
        thread.start()
    said = bench.communicate()[0]
    for thread in threads:
        thread.join()
    assert errors == [] and bench.returncode == 0 and "number of failed transactions: 0 (0.000%)" in said, said
    assert all(planned == changed + present + failed and failed == 0 for planned, changed, present, failed in runs)
    assert sum(changed for _, changed, _, _ in runs) > 2000
    with connect(autocommit=True) as pg:
        for invariant in ("account", "label"):
            pg.execute(REPAIR, [invariant])
        assert pg.execute("SELECT sum(missing + differing + duplicated) FROM reconcile.audit()"
                          " WHERE invariant IN ('account', 'label')").fetchone() == (0,)
        assert pg.execute("SELECT count(*) FROM account WHERE label NOT IN ('theirs', 'repaired')").fetchone() == (0,)
        filled = pg.execute("SELECT count(*) FROM reconcile.run r, reconcile.run_rows(r.run_id) WHERE r.invariant = 'label'").fetchone()
        assert filled == pg.execute("SELECT count(*) FROM account WHERE label = 'repaired'").fetchone()


def test_a_long_repair_tells_how_far_it_is():
    """At most once per second, and never more than there is."""
    with connect(autocommit=True) as pg:
        pg.execute("DROP TABLE IF EXISTS slow")
        pg.execute("CREATE TABLE slow (id integer PRIMARY KEY CHECK (id <> 20))")
        pg.execute("CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END'")
        pg.execute("CREATE TRIGGER slow BEFORE INSERT ON slow FOR EACH ROW EXECUTE FUNCTION slow()")
        pg.execute("SELECT reconcile.create_invariant('slow', 'slow', '{id}', 'SELECT n AS id FROM generate_series(1, 20) AS n')")
        told = []
        pg.add_notice_handler(lambda diagnostic: told.append(diagnostic.message_primary))
        started = time.monotonic()
        assert pg.execute(REPAIR, ["slow"]).fetchone() == (20, 19, 0, 1)
        assert 1 <= len(told) <= time.monotonic() - started
        for notice in told:
            done = int(notice.removeprefix("repair slow: ").removesuffix(" of 20"))
            assert 0 < done <= 20
