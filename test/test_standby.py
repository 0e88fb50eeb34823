"""A hot standby: what reads works there, what writes is refused, and batches wait for one that falls behind."""

import os
import shutil
import subprocess
import tempfile
import threading
import time

import psycopg
import pytest

PROGRAMS = os.path.dirname(os.environ["PG_CONFIG"])
DATABASE = "reconcile_standby"

DECLARED = """
CREATE EXTENSION pg_reconcile;
CREATE TABLE source (id integer PRIMARY KEY);
CREATE TABLE target (id integer PRIMARY KEY);
INSERT INTO source SELECT generate_series(1, 100);
INSERT INTO target SELECT generate_series(1, 90);
SELECT reconcile.create_invariant('derived', 'target', '{id}', 'SELECT id FROM source');
CREATE TABLE mail (address text);
CREATE UNIQUE INDEX ON mail (lower(address));
INSERT INTO mail VALUES ('A1@x'), ('A2@x');
SELECT reconcile.create_invariant('mails', 'mail', '{lower(address)}', $$SELECT 'a' || n || '@x' AS address FROM generate_series(1, 5) AS n$$);
SELECT reconcile.plan('derived');
"""


def connect(host=None, port=None):
    return psycopg.connect(dbname=DATABASE, host=host, port=port, autocommit=True)


def as_server(*command):
    """Runs a program as the user that owns the data: root may not run PostgreSQL."""
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    return subprocess.run(user + list(command), check=True, cwd="/", capture_output=True, text=True)


def wait_until(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def primary():
    with psycopg.connect(dbname="postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {DATABASE}")
    with connect() as pg:
        pg.execute(DECLARED)
        yield pg
    with psycopg.connect(dbname="postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


@pytest.fixture(scope="module")
def standby(primary):
    directory = tempfile.mkdtemp(prefix="pg_reconcile_standby.")
    os.chmod(directory, 0o711)
    data, socket = os.path.join(directory, "data"), os.path.join(directory, "socket")
    for path in data, socket:
        os.mkdir(path, 0o700)
        if os.geteuid() == 0:
            shutil.chown(path, "postgres", "postgres")
    host, port = os.environ["PGHOST"], os.environ["PGPORT"]
    as_server(f"{PROGRAMS}/pg_basebackup", "-h", host, "-p", port, "-U", os.environ.get("PGUSER", "postgres"),
              "-D", data, "-c", "fast", "-R")
    options = f"-k {socket} -c listen_addresses='' -c wal_receiver_status_interval=1s -c hot_standby_feedback=off"
    as_server(f"{PROGRAMS}/pg_ctl", "-D", data, "-w", "-l", f"{data}/log", "-o", options, "start")
    try:
        os.chmod(socket, 0o711)
        with connect(socket, port) as pg:
            caught_up(primary, pg)
            yield pg
    finally:
        as_server(f"{PROGRAMS}/pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(directory)


def caught_up(primary, standby):
    (written,) = primary.execute("SELECT pg_current_wal_lsn()").fetchone()
    wait_until("the standby replays what was written",
               lambda: standby.execute("SELECT pg_last_wal_replay_lsn() >= %s", [written]).fetchone()[0])


@pytest.mark.parametrize("query, expected", [
    ("SELECT state, expected, present, missing FROM reconcile.audit('derived')", [("drift", 100, 90, 10)]),
    ("SELECT count(*), min(kind) FROM reconcile.findings('derived')", [(10, "missing")]),
    ("SELECT planned, changed FROM reconcile.repair('derived')", [(10, 10)]),
    ("SELECT count(*) FROM reconcile.plan_rows(1)", [(10,)]),
    ("SELECT name FROM reconcile.invariants ORDER BY name", [("derived",), ("mails",)]),
    ("SELECT state, expected, present, missing FROM reconcile.audit('mails')", [("drift", 5, 2, 3)]),
    ("SELECT count(*), min(key ->> 'lower(address)') FROM reconcile.findings('mails')", [(3, "a3@x")]),
    ("SELECT planned, changed FROM reconcile.repair('mails')", [(3, 3)]),
], ids=["audit", "findings", "dry run", "plan_rows", "invariants", "audit by expression", "findings by expression", "dry run by expression"])
def test_reading_works(standby, query, expected):
    assert standby.execute(query).fetchall() == expected


@pytest.mark.parametrize("statement", [
    "SELECT * FROM reconcile.repair('derived', dry_run => false)",
    "SELECT * FROM reconcile.repair(plan => 1, dry_run => false)",
    "SELECT reconcile.plan('derived')",
    "CALL reconcile.repair_in_batches('derived')",
    "SELECT * FROM reconcile.undo(1, dry_run => false)",
    "SELECT reconcile.drop_invariant('derived')",
])
def test_writing_is_refused(standby, statement):
    with pytest.raises(psycopg.Error) as refused:
        standby.execute(statement)
    assert refused.value.sqlstate == "25006"


def test_batches_wait_for_a_standby_that_falls_behind(primary, standby):
    standby.execute("SELECT pg_wal_replay_pause()")
    paused = lambda: standby.execute("SELECT pg_get_wal_replay_pause_state() = 'paused'").fetchone()[0]
    primary.execute("SELECT txid_current()")
    wait_until("replay is paused", paused)

    def repair():
        with connect() as pg:
            pg.execute("CALL reconcile.repair_in_batches('derived', batch_size => 1, pause => '0.5s', max_standby_lag => '1s')")

    running = threading.Thread(target=repair)
    running.start()
    state = lambda: primary.execute("SELECT state FROM reconcile.runs ORDER BY run_id DESC LIMIT 1").fetchone()
    wait_until("the run waits", lambda: state() == ("paused: lag",))
    (written,) = primary.execute("SELECT count(*) FROM target").fetchone()
    assert 90 < written < 100
    time.sleep(2)
    assert primary.execute("SELECT count(*) FROM target").fetchone() == (written,)

    standby.execute("SELECT pg_wal_replay_resume()")
    running.join(120)
    assert not running.is_alive()
    assert state() == ("done",)
    caught_up(primary, standby)
    assert standby.execute("SELECT count(*) FROM target").fetchone() == (100,)
