"""An audit where the server has no memory that processes could share.

"Fails only for want of what it needs": tried with a segment made also for a process that counts alone. Where the server keeps
shared memory elsewhere than in files, there is nothing to take from it.
"""
import os
import resource

import psycopg
import pytest

DATABASE = "reconcile_audit_memory"
AUDIT = "SELECT expected, missing FROM reconcile.audit('derived')"


def connect(database=DATABASE):
    return psycopg.connect(dbname=database, autocommit=True)


@pytest.fixture(scope="module")
def database():
    with connect("postgres") as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {DATABASE}")
    with connect() as pg:
        pg.execute("CREATE EXTENSION pg_reconcile")
        pg.execute("CREATE TABLE source AS SELECT n AS id FROM generate_series(1, 100) AS n")
        pg.execute("CREATE TABLE target (id integer PRIMARY KEY)")
        pg.execute("INSERT INTO target SELECT generate_series(1, 90)")
        pg.execute("SELECT reconcile.create_invariant('derived', 'target', '{id}', 'SELECT id FROM source')")
    yield
    with connect("postgres") as admin:
        admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


def make_no_files(pid):
    """Lets a process make no file longer than nothing: not even one of shared memory. Only its own user may say so."""
    child = os.fork()
    if child == 0:
        try:
            owner = os.stat(f"/proc/{pid}")
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(owner.st_gid, owner.st_gid, owner.st_gid)
                os.setresuid(owner.st_uid, owner.st_uid, owner.st_uid)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]))
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.fixture
def without_files(database):
    with connect() as pg:
        pg.execute(AUDIT)  # what the session keeps in files, it has read by then
        make_no_files(pg.info.backend_pid)
        yield pg


def test_alone(without_files):
    without_files.execute("SET max_parallel_workers_per_gather = 0")
    assert without_files.execute(AUDIT).fetchall() == [(100, 10)]
