"""Every step of a conversation with MongoDB, every way in which it can go wrong, every kind of statement: the SQLSTATE, the
time it takes, what is there afterwards, and that the statement, when it is repeated, ends where it should."""
import itertools
import os

import psycopg
import pymongo
import pytest
from psycopg import sql

from mongo_proxy import LATE, Proxy
from stopwatch import Stopwatch
from test_fdw import DATABASE, HOSTS, database  # noqa: F401 (fixture)

TIMEOUT = 0.5       # seconds, both of connecting and of answers, where the server stalls
PATIENCE = 30       # the same where it does not: a busy machine is not a fault
SLACK = 1.5         # for what else there is to do
DOCUMENTS = {n: n for n in range(40)}  # _id: n
FAULTS = ("refuse", "reset", "stall", "partial", "late", "error", "length", "garbage")

# Of each statement: what is run, what is run again, what is there at the end, and the commands it sends.
INSERT = "INSERT INTO {table} SELECT g, g FROM generate_series(100, 119) AS g"
UPSERT = INSERT + " ON CONFLICT DO NOTHING"
MORE = {**DOCUMENTS, **{n: n for n in range(100, 120)}}
STATEMENTS = {
    "read": ("SELECT * FROM {table}", "SELECT * FROM {table}", DOCUMENTS, ("find", "getMore")),
    "insert": (INSERT, UPSERT, MORE, ("insert",)),
    "upsert": (UPSERT, UPSERT, MORE, ("update",)),
    "update": ("UPDATE {table} SET n = -1", "UPDATE {table} SET n = -1", {n: -1 for n in DOCUMENTS}, ("find", "getMore", "update")),
    "delete": ("DELETE FROM {table} WHERE n >= 20", "DELETE FROM {table} WHERE n >= 20", {n: n for n in range(20)}, ("find", "getMore", "delete")),
    "import": ("IMPORT FOREIGN SCHEMA {database} LIMIT TO (many) FROM SERVER {server} INTO public",) * 2 + (
        DOCUMENTS, ("listCollections", "find", "getMore")),
}
WRITES = ("insert", "update", "delete")  # commands that change documents


def expected(step, fault, after):
    """The SQLSTATE: None for success. What was sent and not answered may have been written: 08007."""
    if fault == "late":
        return None
    if step in ("connect", "hello", "saslContinue"):
        return "28P01" if step == "saslContinue" and fault == "error" else "08P01" if fault in ("length", "garbage") else "08001"
    if fault == "error":
        return "42501"
    if step in WRITES:
        return "08007"
    return "08P01" if fault in ("length", "garbage") else "08006"


def progress(statement, step, after):
    """How many documents are other than before when it fails: the table sends them in batches of ten, as they come."""
    return 10 if after and step in WRITES or step == "getMore" and statement in ("update", "delete") else 0


def changes(documents):
    return len(documents.items() ^ DOCUMENTS.items()) if documents.keys() != DOCUMENTS.keys() else len(documents.items() - DOCUMENTS.items())


def cases():
    for statement, (_, _, _, commands) in STATEMENTS.items():
        for fault in ("refuse", "reset", "stall", "late"):
            yield statement, "connect", fault, False
        for step, fault in itertools.product(("hello", "saslContinue", *commands), FAULTS):
            yield statement, step, fault, False
        for step, fault in itertools.product(commands, FAULTS):
            if fault != "error":
                yield statement, step, fault, True


CASES = list(cases())


class World:
    """One server that asks for a password and one that does not, behind a proxy each, and a table on both."""

    def __init__(self, database):
        self.pg = psycopg.connect(dbname=database, autocommit=True)
        self.collection = pymongo.MongoClient(os.environ["MONGO_URI"])[DATABASE]["faults"]
        many = self.collection.database["many"]
        many.drop()
        many.insert_many({"_id": n} for n in range(1100))  # more than IMPORT reads at once
        self.pg.execute("CREATE SCHEMA IF NOT EXISTS faults")
        self.proxies = {"open": Proxy(HOSTS)}
        if "MONGO_AUTH_HOSTS" in os.environ:
            self.proxies["locked"] = Proxy(os.environ["MONGO_AUTH_HOSTS"])
        for name, proxy in self.proxies.items():
            self.pg.execute(f"CREATE SERVER faults_{name} FOREIGN DATA WRAPPER reconcile_mongo OPTIONS (hosts '{proxy.host}', "
                            f"connect_timeout '1s', socket_timeout '1s', app_name 'x')")
            self.pg.execute(f"CREATE FOREIGN TABLE faults.{name} (_id int, n int) SERVER faults_{name} "
                            f"OPTIONS (database '{DATABASE}', collection 'faults', key '_id', batch_size '10')")
        if "locked" in self.proxies:
            self.pg.execute(sql.SQL("CREATE USER MAPPING FOR CURRENT_USER SERVER faults_locked OPTIONS (username {}, password {})").format(
                sql.Literal(os.environ["MONGO_AUTH_USER"]), sql.Literal(os.environ["MONGO_AUTH_PASSWORD"])))
        self.count = 0

    def begin(self, name, timeout):
        """Puts the documents there and forgets connections."""
        self.count += 1
        self.proxies[name].peace()
        self.pg.execute(f"ALTER SERVER faults_{name} OPTIONS (SET app_name 'x{self.count}', SET connect_timeout '{timeout * 1000:.0f}ms', "
                        f"SET socket_timeout '{timeout * 1000:.0f}ms')")
        self.pg.execute("DROP FOREIGN TABLE IF EXISTS public.many")
        self.collection.delete_many({})
        self.collection.insert_many({"_id": k, "n": n} for k, n in DOCUMENTS.items())
        return self.proxies[name]

    def documents(self):
        return {d["_id"]: d["n"] for d in self.collection.find()}

    def close(self):
        self.pg.execute("DROP SERVER faults_open CASCADE; DROP SERVER IF EXISTS faults_locked CASCADE; DROP SCHEMA faults CASCADE")
        self.pg.close()
        for proxy in self.proxies.values():
            proxy.close()


@pytest.fixture(scope="module")
def world(database):
    world = World(database)
    yield world
    world.close()


@pytest.mark.parametrize("statement, step, fault, after", CASES, ids=["-".join((s, c, f) + ("after",) * a) for s, c, f, a in CASES])
def test_fault(world, statement, step, fault, after):
    name = "locked" if step == "saslContinue" else "open"  # the login begins with the greeting
    if name not in world.proxies:
        pytest.skip("the server has no login")
    proxy = world.begin(name, TIMEOUT if fault == "stall" else PATIENCE)
    first, again, end, _ = (part.format(table="faults." + name, server="faults_" + name, database=DATABASE)
                            if isinstance(part, str) else part for part in STATEMENTS[statement])
    pid = world.pg.info.backend_pid
    proxy.trouble(step, fault, after=after, code=18 if step == "saslContinue" else 13)

    with Stopwatch() as watch:
        try:
            world.pg.execute(first)
            sqlstate = None
        except psycopg.Error as error:
            sqlstate = error.sqlstate

    assert sqlstate == expected(step, fault, after)
    assert watch.seconds < SLACK + (TIMEOUT if fault == "stall" else 0)
    assert watch.elapsed >= {"stall": TIMEOUT - 0.02, "late": LATE}.get(fault, 0)
    assert changes(world.documents()) == (changes(end) if sqlstate is None else progress(statement, step, after))
    if statement == "import":
        assert world.pg.execute("SELECT to_regclass('public.many') IS NOT NULL").fetchone() == (sqlstate is None,)
        world.pg.execute("DROP FOREIGN TABLE IF EXISTS public.many")

    proxy.peace()
    world.pg.execute(again)
    assert world.documents() == end
    assert world.pg.execute("SELECT pg_backend_pid()").fetchone() == (pid,)
