"""Foreign tables against libmongoc alone and, on PostgreSQL 18, against mongo_fdw: reading 1,000,000 small documents,
joining them, writing 100,000; and the memory of the backend meanwhile."""
import json
import os
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

from pymongo import ASCENDING

import mongo
from databases import PREFIX, connect, create
from engine import expect
from measure import Comparison, Growth, Measurement, seconds, session_seconds

DOCUMENTS = 1_000_000
UPSERTS = 100_000
CHANGES = 20_000
BATCH_SIZE = 5000  # documents of an answer, as a foreign table asks for by default
READS = 15  # turns: what is compared takes a second and little more than the other, so that noise counts
BARE_MONGO = Path(__file__).parent.parent / "build/bench/bare_mongo"
FIELDS = ["_id", "title", "points", "done", "created_at"]

SCRIPT = """
    CREATE FOREIGN TABLE tasks (
        _id integer, title text, points double precision, done boolean, created_at timestamptz, assignee text,
        label text, priority integer)
        SERVER app_mongo OPTIONS (collection 'tasks');
    CREATE FOREIGN TABLE changed (_id integer, points double precision)
        SERVER app_mongo OPTIONS (collection 'changed', key '_id');
    CREATE FOREIGN TABLE roles (user_id text, team_id integer, role_name text, scope text, is_active boolean)
        SERVER app_mongo OPTIONS (collection 'roles', key 'user_id,team_id,role_name')"""
# MOVE runs the query to its end and leaves the rows where they are: sending them to a client is not compared.
READ = f"DECLARE reader CURSOR FOR SELECT {', '.join(FIELDS)} FROM tasks"
WRITE = """
    INSERT INTO roles SELECT 'user ' || n, n, 'admin', 'TEAM', true FROM generate_series(1, %s) n
    ON CONFLICT DO NOTHING"""


PEER_SCRIPT = """
    CREATE EXTENSION mongo_fdw;
    CREATE SERVER peer FOREIGN DATA WRAPPER mongo_fdw OPTIONS (address '{address}', port '{port}');
    CREATE USER MAPPING FOR CURRENT_USER SERVER peer;
    CREATE FOREIGN TABLE tasks (
        _id integer, title text, points double precision, done boolean, created_at timestamptz, assignee text,
        label text, priority integer)
        SERVER peer OPTIONS (database '{database}', collection 'tasks');
    CREATE FOREIGN TABLE copies (_id name, title text, points double precision) SERVER peer
        OPTIONS (database '{database}', collection 'copies');"""
COPIES = """
    CREATE FOREIGN TABLE copies (title text, points double precision) SERVER app_mongo OPTIONS (collection 'copies')"""
KNOWN = "CREATE TABLE known AS SELECT n AS id FROM generate_series(0, {last}) n WHERE n % 100 <> 0"
UNKNOWN = """
    SELECT count(*) FROM tasks t WHERE NOT EXISTS (SELECT 1 FROM known k WHERE k.id = t._id)"""
INSERT = "INSERT INTO copies (title, points) SELECT 'task number ' || n, n / 8.0 FROM generate_series(1, %s) n"
PEER_INSERTS = 20_000
MEGABYTE = 1024 * 1024


def run(scale):
    documents = round(DOCUMENTS * scale)
    known = KNOWN.format(last=documents - 1)
    filled = create("foreign_tables", f"{mongo.server_script()}{SCRIPT};{COPIES};{known}")
    mongo.fill(mongo.database().tasks, tasks(documents))
    yield from read(filled, documents)
    yield from upsert(filled, round(UPSERTS * scale))
    yield from change(filled, round(CHANGES * scale))
    yield memory("a scan", filled, documents, lambda database: scan(database, documents))
    yield memory("an INSERT", filled, documents, lambda database: insert(database, documents))
    if has_peer():
        host, port = os.environ["MONGO_HOSTS"].split(",")[0].rsplit(":", 1)
        peer = create("peer", PEER_SCRIPT.format(address=host, port=port, database=PREFIX) + known)
        yield from beside_peer(filled, peer, documents, round(PEER_INSERTS * scale))


def has_peer():
    with connect("postgres") as server:
        return server.execute("SELECT count(*) FROM pg_available_extensions WHERE name = 'mongo_fdw'").fetchone() == (1,)


def beside_peer(ours, peer, documents, inserts):
    """Each side in a backend and a database of its own: two drivers in one process are not compared."""
    with connect(ours) as one, connect(peer) as other:
        def both(work, statement, repetitions, wanted, faster=False):
            return Comparison(work, "mongo_fdw", wanted, faster).run(
                lambda: seconds(lambda: statement(one)), lambda: seconds(lambda: statement(other)), repetitions)

        yield both(f"SELECT of five columns of {documents:,} documents", lambda d: scan(d, documents), 5, 1)
        yield both(f"anti-join of {documents:,} documents and rows", lambda d: expect(documents // 100, unknown(d)), 5, 1)
        yield both(f"INSERT of {inserts:,} rows", lambda d: insert(d, inserts), 3, 10, faster=True)


def scan(database, documents):
    with database.transaction():
        database.execute(READ)
        expect(documents, database.execute("MOVE ALL FROM reader").rowcount)


def unknown(database):
    return database.execute(UNKNOWN).fetchone()[0]


def insert(database, count):
    expect(count, database.execute(INSERT, [count]).rowcount)


def memory(what, name, documents, action):
    """memory runs an action in a backend that has done nothing yet, and says by how much its memory grew at most."""
    with connect(name) as database:
        with Growth(database) as grown:
            action(database)
    mongo.database().copies.drop()
    grown = f"+{grown.most / MEGABYTE:.1f} MB"
    print(f"  memory of {what}: {grown}", flush=True)
    return Measurement(f"memory of the backend during {what} of {documents:,} documents", grown, "less than 32 MB")


def tasks(count):
    start = datetime(2025, 1, 1, tzinfo=timezone.utc)
    for n in range(count):
        yield {"_id": n, "title": f"task number {n}", "points": n / 8, "done": n % 3 == 0,
               "created_at": start + timedelta(seconds=n), "assignee": f"user {n % 1000}", "label": "backlog",
               "priority": n % 5}


def bare_mongo(mode, collection, *arguments):
    """bare_mongo runs the C program and returns how many documents it met, and the seconds and processor seconds of that."""
    command = [BARE_MONGO, mode, os.environ["MONGO_URI"], PREFIX, collection, *map(str, arguments)]
    count, duration, used = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(count), float(duration), float(used)


def read(name, documents):
    """read compares the time that passes and, as that depends on what else runs, the time of a processor that is used."""
    work = f"SELECT of five columns of {documents:,} documents"
    used = Comparison(f"{work}, processor time of the reader", "libmongoc cursor", 0)
    with connect(name) as database:
        def ours():
            with database.transaction():
                database.execute(READ)
                before = session_seconds(database)
                duration = seconds(lambda: expect(documents, database.execute("MOVE ALL FROM reader").rowcount))
                used.ours_seconds.append(session_seconds(database) - before)
            return duration

        def other():
            count, duration, processor = bare_mongo("read", "tasks", json.dumps(dict.fromkeys(FIELDS, 1)), BATCH_SIZE)
            expect(documents, count)
            used.other_seconds.append(processor)
            return duration

        yield Comparison(work, "libmongoc cursor", 1.15).run(ours, other, READS)
    yield used.shown()


def upsert(name, count):
    """upsert compares on a collection whose index on the key is unique, for both sides, as an application has it; and on
    one whose index is not, where the foreign table cannot send inserts."""
    with connect(name) as database:
        def ours(count, unique):
            empty_roles(unique)
            return seconds(lambda: expect(count, database.execute(WRITE, [count]).rowcount))

        def bare(count, unique):
            empty_roles(unique)
            return bare_mongo("upsert", "roles", count)[1]

        def pymongo(count, unique):
            roles = empty_roles(unique)
            return seconds(lambda: [upsert_one(roles, n) for n in range(1, count + 1)])

        def compared(count, unique, other, name, wanted):
            work = f"{count:,} upserts by a foreign table, {'a unique' if unique else 'an'} index on the key"
            return Comparison(work, f"one command per row, {name}", wanted, faster=True).run(
                lambda: ours(count, unique), lambda: other(count, unique), 3)

        yield compared(count, True, pymongo, "pymongo", 5)
        yield compared(count, True, bare, "libmongoc", 5)
        yield compared(count // 5, False, bare, "libmongoc", 0)


def change(name, count):
    """change compares UPDATE and DELETE with one command per document, each on as many fresh documents."""
    statements = {"UPDATE": "UPDATE changed SET points = -1", "DELETE": "DELETE FROM changed"}
    with connect(name) as database:
        for statement, text in statements.items():
            def ours():
                fill_changed(count)
                return seconds(lambda: expect(count, database.execute(text).rowcount))

            def bare():
                fill_changed(count)
                return bare_mongo(statement.lower(), "changed", count)[1]

            def pymongo():
                changed = fill_changed(count)
                return seconds(lambda: [change_one(changed, statement, n) for n in range(1, count + 1)])

            work = f"{statement} of {count:,} documents by a foreign table"
            yield Comparison(work, "one command per row, pymongo", 0, faster=True).run(ours, pymongo, 3)
            yield Comparison(work, "one command per row, libmongoc", 0, faster=True).run(ours, bare, 3)


def fill_changed(count):
    changed = mongo.database().changed
    mongo.fill(changed, ({"_id": n, "points": n / 8} for n in range(1, count + 1)))
    return changed


def change_one(changed, statement, n):
    if statement == "UPDATE":
        changed.update_one({"_id": n}, {"$set": {"points": -1.0}})
    else:
        changed.delete_one({"_id": n})


def empty_roles(unique):
    """empty_roles makes the collection anew, with an index on the key."""
    roles = mongo.database().roles
    roles.drop()
    roles.create_index([(field, ASCENDING) for field in ("user_id", "team_id", "role_name")], unique=unique)
    return roles


def upsert_one(roles, n):
    roles.update_one({"user_id": f"user {n}", "team_id": n, "role_name": "admin"},
                     {"$setOnInsert": {"scope": "TEAM", "is_active": True}}, upsert=True)
