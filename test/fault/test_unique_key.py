"""ON CONFLICT DO NOTHING where a unique index refuses what is there: when inserts are sent instead of upserts, that nothing
else is different, and what happens when something goes wrong on this way."""
import itertools
import os
import threading
import time

import psycopg
import pymongo
import pytest

from mongo_proxy import LATE, Proxy
from stopwatch import Stopwatch
from team_roles_world import worlds
from test_fault_matrix import FAULTS, PATIENCE, SLACK, TIMEOUT
from test_fdw import HOSTS, UPSERT, collection, database, fails, insert, pg, proxy, server, table  # noqa: F401 (fixtures)

BATCH = 100
WRITES = ("update", "insert")


def commands(proxy):
    """The commands about the collection, without repetitions one after the other."""
    about = [c for c in proxy.seen if c in (*WRITES, "listIndexes", "find")]
    return [c for c, _ in itertools.groupby(about)]


def made(pg, hosts, collection, **options):
    return table(pg, server(pg, hosts), collection, **{"key": "k", "batch_size": str(BATCH), **options})


# Which way is taken.

INSERTS = ["update", "listIndexes", "find", "insert"]
UPSERTS = ["update", "listIndexes", "update"]
UNASKED = ["update"]
COLUMNS = "k text, n int, \"a.x\" int, \"a.y\" int, \"b.x\" int, j jsonb, l int[], _id int"
ROWS = "SELECT 'k' || g, g, g, g, g, to_jsonb(g), ARRAY[g], g FROM generate_series(1, {}) g"
WAYS = {
    "unique": (dict(keys=["k"], unique=True), dict(key="k"), INSERTS),
    "two fields": (dict(keys=["n", "k"], unique=True), dict(key="k,n"), INSERTS),
    "nested field": (dict(keys=["a.x"], unique=True), dict(key='"a.x"'), INSERTS),
    "nested fields apart": (dict(keys=["a.x", "b.x"], unique=True), dict(key='"b.x", "a.x"'), INSERTS),
    "_id": (None, dict(key="_id"), ["update", "listIndexes", "insert"]),
    "no index": (None, dict(key="k"), UPSERTS),
    "not unique": (dict(keys=["k"]), dict(key="k"), UPSERTS),
    "sparse": (dict(keys=["k"], unique=True, sparse=True), dict(key="k"), UPSERTS),
    "partial": (dict(keys=["k"], unique=True, partialFilterExpression={"n": {"$gt": 0}}), dict(key="k"), UPSERTS),
    "one field more": (dict(keys=["k", "n"], unique=True), dict(key="k"), UPSERTS),
    "one field less": (dict(keys=["k"], unique=True), dict(key="k,n"), UPSERTS),
    # An index has an entry for each element of a, and a selector may find its two fields in different ones.
    "fields of one document": (dict(keys=["a.x", "a.y"], unique=True), dict(key='"a.x","a.y"'), UNASKED),
    "jsonb": (dict(keys=["j"], unique=True), dict(key="j"), UNASKED),
    "array": (dict(keys=["l"], unique=True), dict(key="l"), UNASKED),
    "small batches": (dict(keys=["k"], unique=True), dict(key="k", batch_size=str(BATCH - 1)), UNASKED),
}


@pytest.mark.parametrize("name", WAYS)
def test_which_way_is_taken(pg, proxy, collection, name):
    index, options, expected = WAYS[name]
    if index:
        collection.create_index([(field, 1) for field in index["keys"]], **{k: v for k, v in index.items() if k != "keys"})
    foreign = made(pg, proxy.host, collection, columns=COLUMNS, **options)
    statement = f"INSERT INTO {foreign} {ROWS.format(3 * BATCH)} {UPSERT}"
    assert pg.execute(statement).rowcount == 3 * BATCH
    assert commands(proxy) == expected
    assert collection.count_documents({}) == 3 * BATCH
    assert pg.execute(statement).rowcount == 0
    assert collection.count_documents({}) == 3 * BATCH


def test_a_statement_of_one_batch_asks_nothing(pg, proxy, collection):
    collection.create_index("k", unique=True)
    pg.execute(insert(made(pg, proxy.host, collection), BATCH, UPSERT))
    assert commands(proxy) == ["update"]


def test_columns_that_share_a_field_are_left_to_mongodb(pg, proxy, collection):
    collection.create_index("k", unique=True)
    name = made(pg, proxy.host, collection, columns="k text, n int, m int OPTIONS (path 'n'), o int OPTIONS (path 'n.o')")
    pg.execute(f"INSERT INTO {name} (k, m) SELECT g, g FROM generate_series(1, {3 * BATCH}) g {UPSERT}")
    assert commands(proxy) == ["update"]


@pytest.mark.parametrize("there, expected", [(BATCH // 8, INSERTS), (BATCH // 8 + 1, ["update"])])
def test_a_batch_of_which_much_is_there_is_followed_by_upserts(pg, proxy, collection, there, expected):
    collection.create_index("k", unique=True)
    collection.insert_many({"k": f"k{n}"} for n in range(1, there + 1))
    assert pg.execute(insert(made(pg, proxy.host, collection), 2 * BATCH, UPSERT)).rowcount == 2 * BATCH - there
    assert commands(proxy) == expected


def test_the_way_changes_as_often_as_what_is_found(pg, proxy, collection):
    collection.create_index("k", unique=True)
    collection.insert_many({"k": f"k{n}"} for n in range(3 * BATCH + 1, 5 * BATCH + 1))
    assert pg.execute(insert(made(pg, proxy.host, collection), 8 * BATCH, UPSERT)).rowcount == 6 * BATCH
    # Three batches are new, two are there: the first of them is still tried by inserts.
    assert commands(proxy) == ["update", "listIndexes", "find", "insert", "update", "insert"]
    assert [c for c in proxy.seen if c in WRITES] == ["update"] + 3 * ["insert"] + 3 * ["update"] + 2 * ["insert"]


def test_who_may_not_ask_gets_upserts(pg, proxy, collection):
    collection.create_index("k", unique=True)
    for command in ("listIndexes", "find"):
        proxy.trouble(command, "error", code=13)
        proxy.seen.clear()
        collection.delete_many({})
        assert pg.execute(insert(made(pg, proxy.host, collection), 5 * BATCH, UPSERT)).rowcount == 5 * BATCH
        assert [c for c in proxy.seen if c in (*WRITES, "listIndexes")] == ["update", "listIndexes"] + 4 * ["update"]
        proxy.peace()


def test_an_index_that_is_dropped_meanwhile_is_noticed(pg, collection, database):
    """Row 250 waits until the index is gone for longer than it is believed in, and rows after it are there."""
    collection.create_index("k", unique=True)
    name = made(pg, HOSTS, collection)
    pg.execute("SET statement_timeout = '60s'")
    with psycopg.connect(dbname=database, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(4711)")

        def drop():
            while collection.count_documents({}) < 2 * BATCH:
                time.sleep(0.02)
            collection.drop_index("k_1")
            collection.insert_many({"k": f"k{n}", "mine": True} for n in range(301, 401))
            time.sleep(1.1)
            other.execute("SELECT pg_advisory_unlock(4711)")
        thread = threading.Thread(target=drop)
        thread.start()
        written = pg.execute(f"INSERT INTO {name} (k, n) SELECT 'k' || g, CASE WHEN g = 250 THEN length(pg_advisory_lock(4711)::text) ELSE g END"
                             f" FROM generate_series(1, 600) g {UPSERT}").rowcount
        thread.join()
    pg.execute("SELECT pg_advisory_unlock_all()")
    assert written == 500
    assert collection.count_documents({}) == len(collection.distinct("k")) == 600
    assert collection.count_documents({"mine": True}) == 100


# What comes of it.

def test_keys_that_are_given_twice_or_there_are_written_once(pg, proxy, collection):
    collection.create_index("k", unique=True)
    collection.insert_many({"k": f"k{n}", "n": -1} for n in range(150, 450, 50))
    name = made(pg, proxy.host, collection)
    statement = f"INSERT INTO {name} (k, n) SELECT 'k' || g % 490, g FROM generate_series(1, 500) g {UPSERT}"
    assert pg.execute(statement).rowcount == 490 - 6
    assert "insert" in proxy.seen
    assert {d["k"]: d["n"] for d in collection.find()} == {
        f"k{n % 490}": -1 if n in range(150, 450, 50) else n for n in range(1, 491)}


def test_another_index_refuses_as_it_does_an_upsert(pg, proxy, collection):
    """The error, its DETAIL and the documents are those of upserts, whichever way is taken."""
    said, left = [], []
    for unique in (False, True):
        collection.drop()
        collection.create_index("k", unique=unique)
        collection.create_index("n", unique=True)
        collection.insert_many([{"k": "other", "n": 250}, {"k": "k260", "n": -260}])
        name = made(pg, proxy.host, collection)
        diagnostics = fails(pg, insert(name, 500, UPSERT), "23505", '{ "k" : "k250" }', "298 documents written and 1 refused")
        said.append(diagnostics.message_detail)
        left.append({d["k"]: d["n"] for d in collection.find()})
    assert "insert" in proxy.seen
    assert said[0] == said[1] and left[0] == left[1]
    assert len(left[1]) == 300 and left[1]["k260"] == -260


def test_documents_are_the_same_either_way(pg, proxy, collection):
    """The fields, their types and their order: those of the key come first, whatever the order of the columns."""
    columns = "z int, _id text, \"a.c\" numeric, k text, \"a.b\" timestamptz, n bigint, l int[], j jsonb, f float8"
    rows = """SELECT g, NULL, g + 0.5, 'k' || g, timestamptz '2026-01-31 10:20:30+00', CASE WHEN g % 2 = 0 THEN g END, ARRAY[g, NULL],
              '{"x": {"y": [1, null]}, "a.b": 1}'::jsonb, g / 3.0 FROM generate_series(1, 300) g"""
    shapes = []
    for unique in (False, True):
        collection.drop()
        collection.create_index([("k", 1), ("a.b", 1)], unique=unique)
        proxy.seen.clear()
        name = made(pg, proxy.host, collection, columns=columns, key='k,"a.b"')
        assert pg.execute(f"INSERT INTO {name} {rows} {UPSERT}").rowcount == 300
        assert ("insert" in proxy.seen) == unique
        documents = list(collection.find().sort("z"))
        assert {type(d["_id"]).__name__ for d in documents} == {"ObjectId"}
        assert len({d["_id"] for d in documents}) == 300
        shapes.append([[(k, type(v), v) for k, v in d.items() if k != "_id"] for d in documents])
    assert shapes[0] == shapes[1]
    assert [field for field, _, _ in shapes[1][-1]] == ["k", "a", "z", "n", "l", "j", "f"]


def test_a_key_with_null_is_refused_on_both_ways(pg, proxy, collection):
    collection.create_index("k", unique=True)
    name = made(pg, proxy.host, collection)
    fails(pg, f"INSERT INTO {name} (k) SELECT CASE WHEN g <> 350 THEN 'k' || g END FROM generate_series(1, 500) g {UPSERT}", "23502", '"k"')
    assert proxy.seen.count("insert") == 3
    assert collection.count_documents({}) == 399


def test_a_repair_records_what_it_wrote_and_takes_back_just_that():
    with worlds() as make:
        world = make().server()
        accounts = world.mongo.accounts
        accounts.create_index("user_id", unique=True)
        accounts.create_index("slot", unique=True)
        accounts.insert_many([{"user_id": -1, "slot": 1500}, {"user_id": 7, "slot": -7}])
        world.sql("CREATE FOREIGN TABLE accounts (_id text, user_id integer, slot integer) SERVER app_mongo OPTIONS (key 'user_id')")
        world.sql("SELECT reconcile.create_invariant('accounts', 'accounts', '{user_id}',"
                  " 'SELECT n AS user_id, n AS slot FROM generate_series(1, 3000) AS n')")
        proxy = Proxy(HOSTS)
        world.sql(f"ALTER SERVER app_mongo OPTIONS (SET hosts '{proxy.host}')")

        (result,) = world.sql("SELECT * FROM reconcile.repair('accounts', dry_run => false, record => 'rows')")
        assert (result["planned"], result["changed"], result["failed"]) == (2999, 2998, 1)
        assert sorted(c for c in proxy.seen if c in WRITES) == ["insert", "insert", "update", "update"]
        assert {d["user_id"]: d["slot"] for d in accounts.find()} == {-1: 1500, 7: -7, **{n: n for n in range(1, 3001) if n not in (7, 1500)}}
        run = world.one("SELECT max(run_id) FROM reconcile.runs WHERE undoable")
        recorded = {r["row"]["user_id"]: r["row"]["_id"] for r in world.sql(f"SELECT row FROM reconcile.run_rows({run})")}
        assert recorded == {d["user_id"]: str(d["_id"]) for d in accounts.find({"user_id": {"$nin": [-1, 7]}})}

        world.sql(f"SELECT * FROM reconcile.undo({run}, dry_run => false)")
        assert {d["user_id"] for d in accounts.find()} == {-1, 7}
        proxy.close()


def test_two_callers_at_once(pg, collection, database):
    collection.create_index("k", unique=True)
    name = made(pg, HOSTS, collection)
    counts, failures = [], []

    def call(order):
        with psycopg.connect(dbname=database, autocommit=True) as own:
            try:
                counts.append(own.execute(
                    f"INSERT INTO {name} (k, n) SELECT 'k' || g, g FROM generate_series(1, 2000) g ORDER BY {order} {UPSERT}").rowcount)
            except psycopg.Error as error:
                failures.append(error)
    callers = [threading.Thread(target=call, args=(order,)) for order in ("g", "g")]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert failures == []
    assert sum(counts) == 2000
    assert collection.count_documents({}) == len(collection.distinct("k")) == 2000


# What goes wrong.  The statement is upserts of 100 rows, the question, and inserts of the others, of which 10 are there.

THERE = {f"k{n}": -n for n in range(150, 160)}
ALL = {**{f"k{n}": n for n in range(1, 251)}, **THERE}
STEPS = ("listIndexes", "find", "insert", "update")
CASES = [(step, fault, after) for step, fault, after in itertools.product(STEPS, FAULTS, (False, True)) if not (fault == "error" and after)]


def expected(step, fault):
    if fault == "late" or (fault == "error" and step in ("listIndexes", "find")):
        return None
    if fault == "error":
        return "42501"
    if step in WRITES:
        return "08007"
    return "08P01" if fault in ("length", "garbage") else "08006"


def written(step, fault, after):
    """The first batch by upserts, then what inserts write of the second, then the ten that are there, by upserts again."""
    return 100 if step in ("listIndexes", "find") or (step == "insert" and not after) else 190


@pytest.fixture(scope="module")
def world(database):
    collection = pymongo.MongoClient(os.environ["MONGO_URI"])[database]["unique_key_faults"]
    collection.drop()
    collection.create_index("k", unique=True)
    proxy = Proxy(HOSTS)
    with psycopg.connect(dbname=database, autocommit=True) as pg:
        name = made(pg, proxy.host, collection)
        of = pg.execute("SELECT srvname FROM pg_foreign_table t JOIN pg_foreign_server s ON s.oid = ftserver WHERE ftrelid = %s::regclass", [name]).fetchone()[0]
        pg.execute(f"ALTER SERVER {of} OPTIONS (ADD connect_timeout '1s', ADD socket_timeout '1s', ADD app_name 'x')")
        yield pg, proxy, collection, name, of
    proxy.close()
    collection.drop()


@pytest.mark.parametrize("step, fault, after", CASES, ids=["-".join((s, f) + ("after",) * a) for s, f, a in CASES])
def test_fault(world, step, fault, after):
    pg, proxy, collection, name, of = world
    timeout = 1000 * (TIMEOUT if fault == "stall" else PATIENCE)
    proxy.peace()
    pg.execute(f"ALTER SERVER {of} OPTIONS (SET app_name '{step}{fault}{after}', SET connect_timeout '{timeout:.0f}ms', SET socket_timeout '{timeout:.0f}ms')")
    collection.delete_many({})
    collection.insert_many({"k": k, "n": n} for k, n in THERE.items())
    proxy.seen.clear()
    proxy.trouble(step, fault, skip=1 if step == "update" else 0, after=after, code=13)
    statement = insert(name, 250, UPSERT)

    with Stopwatch() as watch:
        try:
            assert pg.execute(statement).rowcount == 240
            sqlstate = None
        except psycopg.Error as error:
            sqlstate = error.sqlstate

    assert sqlstate == expected(step, fault)
    assert watch.seconds < SLACK + (TIMEOUT if fault == "stall" else 0)
    assert watch.elapsed >= {"stall": TIMEOUT - 0.02, "late": LATE}.get(fault, 0)
    documents = {d["k"]: d["n"] for d in collection.find()}
    assert documents.items() <= ALL.items() and THERE.items() <= documents.items()
    assert len(documents) == (250 if sqlstate is None else 10 + written(step, fault, after))

    proxy.peace()
    pg.execute(statement)
    assert {d["k"]: d["n"] for d in collection.find()} == ALL
    assert collection.count_documents({}) == 250
