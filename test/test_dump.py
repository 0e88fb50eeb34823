"""A dump of a database with invariants, runs and failures, restored into another one."""

import os
import subprocess

import psycopg
import pytest

PROGRAMS = os.path.dirname(os.environ["PG_CONFIG"])

DECLARED = """
CREATE EXTENSION pg_reconcile;
CREATE SCHEMA "an app";
CREATE TABLE "an app".source (id integer PRIMARY KEY);
INSERT INTO "an app".source SELECT generate_series(1, 10);
CREATE TABLE "an app".target (id integer PRIMARY KEY CHECK (id <> 7), at timestamptz DEFAULT now());
SET search_path = "an app", public;
SELECT reconcile.create_invariant('derived', 'target', '{id}', 'SELECT id FROM source', severity => 'warning',
    where_absent => 'at < ''2000-01-01''', description => 'it''s');
SELECT reconcile.repair('derived', dry_run => false);
DELETE FROM target WHERE id = 1;
SELECT reconcile.repair('derived', dry_run => false, record => 'rows');
CREATE TABLE planned (id integer PRIMARY KEY, v text);
SELECT reconcile.create_invariant('planned', 'planned', '{id}', 'SELECT n AS id, repeat(''v'', n) AS v FROM generate_series(1, 100) AS n');
SELECT reconcile.plan('planned');
"""

SHOWN = {
    "invariants": "SELECT * FROM reconcile.invariants",
    "runs": "SELECT run_id, invariant, state, planned, changed, failed, started_at, run_by FROM reconcile.runs ORDER BY run_id",
    "rows": "SELECT * FROM reconcile.run_row ORDER BY run_id, ordinal",
    "failures": "SELECT * FROM reconcile.failures",
    "plans": "SELECT * FROM reconcile.plans",
    "planned rows": "SELECT r.* FROM reconcile.plans, reconcile.plan_rows(plan_id) AS r ORDER BY plan_id, ordinal",
}


def connect(database):
    return psycopg.connect(dbname=database, autocommit=True)


@pytest.fixture
def databases():
    names = ["reconcile_dumped", "reconcile_restored"]
    with connect("postgres") as admin:
        for name in names:
            admin.execute(f"DROP DATABASE IF EXISTS {name}")
            admin.execute(f"CREATE DATABASE {name}")
    yield names
    with connect("postgres") as admin:
        for name in names:
            admin.execute(f"DROP DATABASE {name}")


@pytest.fixture
def restored(databases):
    dumped, restored = databases
    with connect(dumped) as source:
        source.execute(DECLARED)
    dump = subprocess.run([os.path.join(PROGRAMS, "pg_dump"), dumped], check=True, capture_output=True, text=True).stdout
    subprocess.run([os.path.join(PROGRAMS, "psql"), "-qX", "-v", "ON_ERROR_STOP=1", restored], check=True, input=dump,
                   text=True, stdout=subprocess.DEVNULL)
    with connect(dumped) as source, connect(restored) as copy:
        yield source, copy


@pytest.mark.parametrize("what", SHOWN)
def test_a_restored_database_shows_the_same(restored, what):
    source, copy = restored
    wanted = source.execute(SHOWN[what]).fetchall()
    assert wanted
    assert copy.execute(SHOWN[what]).fetchall() == wanted


def test_a_restored_plan_is_refused(restored):
    """Its target is another table, though of the same name."""
    _, copy = restored
    with pytest.raises(psycopg.Error) as refused:
        copy.execute("SELECT reconcile.repair(plan => 1, dry_run => false)")
    assert refused.value.sqlstate == "RC002"
    assert copy.execute("SELECT count(*) FROM \"an app\".planned").fetchone() == (0,)


def test_a_restored_invariant_works(restored):
    _, copy = restored
    assert copy.execute("SELECT state, missing FROM reconcile.audit('derived')").fetchone() == ("drift", 1)
    copy.execute("DELETE FROM \"an app\".target WHERE id < 4")
    run = copy.execute("SELECT run_id, planned, changed, failed FROM reconcile.repair('derived', dry_run => false)").fetchone()
    assert run == (3, 4, 3, 1)
    assert copy.execute("SELECT attempts FROM reconcile.failures").fetchone() == (3,)


def test_a_restored_database_belongs_to_its_extension(restored):
    _, copy = restored
    copy.execute("DROP EXTENSION pg_reconcile")
    assert copy.execute("SELECT count(*) FROM \"an app\".target").fetchone() == (9,)
