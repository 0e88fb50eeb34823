"""Foreign tables against libmongoc alone: reading 1,000,000 small documents, writing 100,000."""
import json
import os
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

from pymongo import ASCENDING

import mongo
from databases import PREFIX, connect, create
from engine import expect
from measure import Comparison, seconds

DOCUMENTS = 1_000_000
UPSERTS = 100_000
BATCH_SIZE = 1000
BARE_MONGO = Path(__file__).parent.parent / "build/bench/bare_mongo"
FIELDS = ["_id", "title", "points", "done", "created_at"]

SCRIPT = f"""
    CREATE FOREIGN TABLE tasks (
        _id integer, title text, points double precision, done boolean, created_at timestamptz, assignee text,
        label text, priority integer)
        SERVER app_mongo OPTIONS (collection 'tasks', batch_size '{BATCH_SIZE}');
    CREATE FOREIGN TABLE roles (user_id text, team_id integer, role_name text, scope text, is_active boolean)
        SERVER app_mongo OPTIONS (collection 'roles', key 'user_id,team_id,role_name')"""
# MOVE runs the query to its end and leaves the rows where they are: sending them to a client is not compared.
READ = f"DECLARE reader CURSOR FOR SELECT {', '.join(FIELDS)} FROM tasks"
WRITE = """
    INSERT INTO roles SELECT 'user ' || n, n, 'admin', 'TEAM', true FROM generate_series(1, %s) n
    ON CONFLICT DO NOTHING"""


def run(scale):
    filled = create("foreign_tables", mongo.server_script() + SCRIPT)
    documents = round(DOCUMENTS * scale)
    mongo.fill(mongo.database().tasks, tasks(documents))
    yield read(filled, documents)
    yield from upsert(filled, round(UPSERTS * scale))


def tasks(count):
    start = datetime(2025, 1, 1, tzinfo=timezone.utc)
    for n in range(count):
        yield {"_id": n, "title": f"task number {n}", "points": n / 8, "done": n % 3 == 0,
               "created_at": start + timedelta(seconds=n), "assignee": f"user {n % 1000}", "label": "backlog",
               "priority": n % 5}


def bare_mongo(mode, collection, *arguments):
    """bare_mongo runs the C program and returns how many documents it met and the seconds that took."""
    command = [BARE_MONGO, mode, os.environ["MONGO_URI"], PREFIX, collection, *map(str, arguments)]
    count, duration = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(count), float(duration)


def read(name, documents):
    with connect(name) as database:
        def ours():
            with database.transaction():
                database.execute(READ)
                return seconds(lambda: expect(documents, database.execute("MOVE ALL FROM reader").rowcount))

        def other():
            count, duration = bare_mongo(
                "read", "tasks", json.dumps(dict.fromkeys(FIELDS, 1)), BATCH_SIZE)
            expect(documents, count)
            return duration

        work = f"SELECT of five columns of {documents:,} documents"
        return Comparison(work, "libmongoc cursor", 1.15).run(ours, other, 7)


def upsert(name, count):
    with connect(name) as database:
        def ours():
            empty_roles()
            return seconds(lambda: expect(count, database.execute(WRITE, [count]).rowcount))

        def bare():
            empty_roles()
            return bare_mongo("upsert", "roles", count)[1]

        def pymongo():
            roles = empty_roles()
            return seconds(lambda: [upsert_one(roles, n) for n in range(1, count + 1)])

        work = f"{count:,} upserts by a foreign table"
        yield Comparison(work, "one command per row, pymongo", 5, faster=True).run(ours, pymongo, 3)
        yield Comparison(work, "one command per row, libmongoc", 5, faster=True).run(ours, bare, 3)


def empty_roles():
    """empty_roles makes the collection anew, with the unique index an application has on it."""
    roles = mongo.database().roles
    roles.drop()
    roles.create_index([(field, ASCENDING) for field in ("user_id", "team_id", "role_name")], unique=True)
    return roles


def upsert_one(roles, n):
    roles.update_one({"user_id": f"user {n}", "team_id": n, "role_name": "admin"},
                     {"$setOnInsert": {"scope": "TEAM", "is_active": True}}, upsert=True)
