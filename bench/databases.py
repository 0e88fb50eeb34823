"""Databases that a comparison fills once and copies for every repetition that writes."""
import psycopg

PREFIX = "pg_reconcile_bench"


def connect(database, **more):
    return psycopg.connect(dbname=database, autocommit=True, **more)


def create(name, script):
    """create makes a database with pg_reconcile and runs a script in it."""
    name = f"{PREFIX}_{name}"
    drop(name)
    with connect("postgres") as server:
        server.execute(f"CREATE DATABASE {name}")
    with connect(name) as database:
        database.execute("SET client_min_messages = warning; CREATE EXTENSION pg_reconcile")
        database.execute(script)
        database.execute("VACUUM (FREEZE, ANALYZE)")
    return name


def copy(name):
    """copy makes the same database once more: file by file, so every copy has the same physical state."""
    duplicate = f"{name}_copy"
    drop(duplicate)
    with connect("postgres") as server:
        server.execute(f"CREATE DATABASE {duplicate} TEMPLATE {name} STRATEGY file_copy")
    return duplicate


def drop(name):
    with connect("postgres") as server:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def drop_all():
    with connect("postgres") as server:
        names = server.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [PREFIX])
        for (name,) in names.fetchall():
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")
