"""What reconcile.schedule() leaves to pg_cron, in a server that has it: tasks of rows, and of documents of MongoDB.

pg_cron begins what is due when a minute begins, so all tasks are scheduled first, and then waited for together."""

import os
import shutil
import subprocess
import tempfile
import time

import psycopg
import pymongo
import pytest

PROGRAMS = os.path.dirname(os.environ["PG_CONFIG"])
DATABASE = "reconcile_schedule"
EVERY_MINUTE = "* * * * *"

PRODUCT = f"""
CREATE EXTENSION pg_reconcile;
CREATE EXTENSION pg_cron;
CREATE TABLE users (id integer PRIMARY KEY);
CREATE TABLE kept (id integer PRIMARY KEY);
CREATE TABLE queued (id integer PRIMARY KEY CHECK (id <> 2));
CREATE SERVER app_mongo FOREIGN DATA WRAPPER reconcile_mongo OPTIONS (hosts '{os.environ["MONGO_HOSTS"]}', database '{DATABASE}');
CREATE USER MAPPING FOR CURRENT_USER SERVER app_mongo;
CREATE FOREIGN TABLE documents (id integer) SERVER app_mongo OPTIONS (key 'id', missing_collection 'empty');
SELECT reconcile.create_invariant(name, name, '{{id}}', 'SELECT id FROM users') FROM unnest('{{kept,queued,documents}}'::text[]) AS name;
SELECT reconcile.create_invariant('it''s', 'kept', '{{id}}', 'SELECT id FROM users');
SELECT reconcile.guard(name, on_failure => 'queue') FROM unnest('{{queued,documents}}'::text[]) AS name;
INSERT INTO users VALUES (1), (2), (3);
ALTER TABLE queued DROP CONSTRAINT queued_id_check;
DELETE FROM queued WHERE id = 3;
"""


def as_server(*command):
    """Runs a program as the user that owns the data: root may not run PostgreSQL."""
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run(user + list(command), check=True, cwd="/", capture_output=True, text=True)


@pytest.fixture(scope="module")
def product():
    directory = tempfile.mkdtemp(prefix="pg_reconcile_cron.")
    os.chmod(directory, 0o711)
    data, socket = os.path.join(directory, "data"), os.path.join(directory, "socket")
    for path in data, socket:
        os.mkdir(path, 0o700)
        if os.geteuid() == 0:
            shutil.chown(path, "postgres", "postgres")
    as_server(f"{PROGRAMS}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")
    with open(os.path.join(data, "postgresql.conf"), "a", encoding="utf-8") as settings:
        settings.write(f"shared_preload_libraries = 'pg_cron'\ncron.database_name = '{DATABASE}'\ncron.host = '{socket}'\n"
                       f"unix_socket_directories = '{socket}'\nport = 5432\nlisten_addresses = ''\nfsync = off\n")
    as_server(f"{PROGRAMS}/pg_ctl", "-D", data, "-w", "-l", f"{data}/log", "start")
    client = pymongo.MongoClient(os.environ["MONGO_URI"])
    try:
        os.chmod(socket, 0o711)
        place = {"host": socket, "port": 5432, "user": "postgres", "autocommit": True}
        client.drop_database(DATABASE)
        with psycopg.connect(dbname="postgres", **place) as admin:
            admin.execute(f"CREATE DATABASE {DATABASE}")
        with psycopg.connect(dbname=DATABASE, **place) as pg:
            pg.execute(PRODUCT)
            yield pg
    finally:
        client.drop_database(DATABASE)
        client.close()
        as_server(f"{PROGRAMS}/pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(directory)


@pytest.fixture
def pg(product):
    yield product
    product.execute("SELECT cron.unschedule(jobid) FROM cron.job")


def jobs(pg):
    return pg.execute("SELECT jobname::text, schedule, command, database, username, active FROM cron.job ORDER BY jobid").fetchall()


def ids(pg, table):
    return [row[0] for row in pg.execute(f"SELECT id FROM {table} ORDER BY 1")]


def test_the_tasks_are_done_when_their_time_comes(pg):
    wanted = [("repair", "kept"), ("retry", "queued"), ("retry", "documents"), ("audit", "queued"), ("audit", "documents")]
    assert pg.execute("SELECT invariant, count(*) FROM reconcile.failures GROUP BY 1 ORDER BY 1").fetchall() == [("documents", 3), ("queued", 1)]
    assert (ids(pg, "kept"), ids(pg, "queued"), ids(pg, "documents")) == ([], [1], [])
    for task, invariant in wanted:
        pg.execute("SELECT reconcile.schedule(%s, %s, %s)", (task, invariant, EVERY_MINUTE))

    def ended():
        return dict(pg.execute("SELECT j.jobname::text, (array_agg(d.status ORDER BY d.runid DESC))[1] FROM cron.job_run_details d JOIN cron.job j USING (jobid)"
                               " WHERE d.status IN ('succeeded', 'failed') GROUP BY 1").fetchall())
    deadline = time.monotonic() + 300
    while len(ended()) < len(wanted):
        assert time.monotonic() < deadline, pg.execute("SELECT * FROM cron.job_run_details").fetchall()
        time.sleep(0.2)
    assert ids(pg, "kept") == [1, 2, 3]
    assert ids(pg, "queued") == [1, 2], "a retry leaves alone what was deleted on purpose"
    assert ids(pg, "documents") == [1, 2, 3]
    assert pg.execute("SELECT * FROM reconcile.failures").fetchall() == []
    assert ended()["pg_reconcile repair kept"] == "succeeded"
    assert ended()["pg_reconcile audit queued"] == "failed", "drift shows as a failed job"
    (said,) = pg.execute("SELECT d.return_message FROM cron.job_run_details d JOIN cron.job j USING (jobid)"
                         " WHERE j.jobname = 'pg_reconcile audit queued' ORDER BY runid LIMIT 1").fetchone()
    assert "queued" in said and said.startswith("ERROR"), said


def test_a_job_has_the_name_of_its_task(pg):
    pg.execute("SELECT reconcile.schedule('repair', 'it''s', '0 3 * * *'), reconcile.schedule('audit', 'kept', '0 4 * * *')")
    assert jobs(pg) == [
        ("pg_reconcile repair it's", "0 3 * * *", "SELECT reconcile.repair('it''s', dry_run => false)", DATABASE, "postgres", True),
        ("pg_reconcile audit kept", "0 4 * * *", "SELECT reconcile.assert_clean('kept', severity => 'notice')", DATABASE, "postgres", True)]


def test_scheduled_again_it_has_the_new_time(pg):
    for cron in "0 3 * * *", "*/5 * * * *":
        pg.execute("SELECT reconcile.schedule('retry', 'queued', %s)", [cron])
    assert [job[:2] for job in jobs(pg)] == [("pg_reconcile retry queued", "*/5 * * * *")]


def test_unscheduled_it_is_gone(pg):
    pg.execute("SELECT reconcile.schedule('retry', 'queued', '0 3 * * *'), reconcile.schedule('repair', 'queued', '0 3 * * *')")
    pg.execute("SELECT reconcile.unschedule('retry', 'queued')")
    assert [job[0] for job in jobs(pg)] == ["pg_reconcile repair queued"]
    with pytest.raises(psycopg.Error, match="pg_reconcile retry queued"):
        pg.execute("SELECT reconcile.unschedule('retry', 'queued')")


REFUSED = [
    ("SELECT reconcile.schedule('mend', 'kept', '* * * * *')", "22023", 'invalid value for argument "task": "mend"'),
    ("SELECT reconcile.schedule('retry', 'kep', '* * * * *')", "42704", 'invariant "kep" does not exist'),
    ("SELECT reconcile.schedule('retry', 'kept', NULL)", "22004", 'argument "cron" must not be null'),
    ("SELECT reconcile.schedule(NULL, 'kept', '* * * * *')", "22004", 'argument "task" must not be null'),
    ("SELECT reconcile.unschedule('retry', NULL)", "22004", 'argument "invariant" must not be null'),
    ("SELECT reconcile.schedule('retry', 'kept', 'daily')", "22023", "invalid schedule: daily"),
]


@pytest.mark.parametrize("statement, sqlstate, message", REFUSED)
def test_what_is_wrong_is_refused(pg, statement, sqlstate, message):
    with pytest.raises(psycopg.Error) as refused:
        pg.execute(statement)
    assert (refused.value.sqlstate, refused.value.diag.message_primary) == (sqlstate, message)
    assert jobs(pg) == []


@pytest.mark.parametrize("task, command", [
    ("audit", "SELECT reconcile.assert_clean('kept', severity => 'notice');"),
    ("repair", "SELECT reconcile.repair('kept', dry_run => false);"),
    ("retry", "SELECT reconcile.retry_failures('kept');")])
def test_without_pg_cron_the_hint_says_what_another_scheduler_runs(product, task, command):
    with product.transaction(force_rollback=True):
        product.execute("DROP EXTENSION pg_cron")
        with pytest.raises(psycopg.errors.FeatureNotSupported) as refused, product.transaction():
            product.execute("SELECT reconcile.schedule(%s, 'kept', '0 3 * * *')", [task])
        assert refused.value.diag.message_primary == "pg_cron is not installed in this database"
        assert refused.value.diag.message_hint == f"Install it, or let another scheduler run: {command}"
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="pg_cron is not installed"), product.transaction():
            product.execute("SELECT reconcile.unschedule(%s, 'kept')", [task])
