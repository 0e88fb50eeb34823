"""What reading sends and does not send, what ANALYZE learns, and that nothing of it can get stuck."""
import os
import pathlib
import re
import shutil
import socket
import time

import bson
import bson.json_util
import psycopg
import pytest
from psycopg import sql

from hostile_server import HostileServer
from test_fdw import (ACTS_WITHIN, HOSTS, collection, database, ends, fails, needs_login, pg, proxy,  # noqa: F401 (fixtures)
                      server, table)
from stopwatch import Stopwatch


def plan(pg, query, options="COSTS off"):
    return "\n".join(line for line, in pg.execute(f"EXPLAIN ({options}) {query}").fetchall())


def part(text, name):
    found = re.search(f"MongoDB {name}: (.*)", text)
    return found and found[1]


# EXPLAIN.

def test_explain_shows_all_that_is_sent(pg, collection):
    name = table(pg, server(pg, HOSTS), collection, columns="_id text, k text, n int NOT NULL, m int")
    text = plan(pg, f"SELECT k FROM {name} WHERE n > 5 AND m = 1 ORDER BY n DESC LIMIT 7")
    assert part(text, "Collection") == f"reconcile_fault_fdw.{collection.name}"
    assert bson.json_util.loads(part(text, "Filter")) == {"$and": [{"n": {"$gt": 5}}, {"m": 1}]}
    assert bson.json_util.loads(part(text, "Projection")) == {"k": True, "m": True, "n": True}
    assert bson.json_util.loads(part(text, "Sort")) == {"n": -1}
    assert part(text, "Limit") == "7"
    assert part(text, "Documents") is None


def test_explain_analyze_counts_what_came(pg, collection):
    collection.insert_many({"_id": str(n), "k": "x" * 100, "n": n} for n in range(50))
    name = table(pg, server(pg, HOSTS), collection, batch_size="10")
    text = plan(pg, f"SELECT k FROM {name} WHERE n >= 20", "ANALYZE, COSTS off, TIMING off, SUMMARY off")
    assert part(text, "Documents") == "30"
    assert 30 * 100 < int(part(text, "Bytes")) < 30 * 200
    text = plan(pg, f"SELECT count(*) FROM {name} WHERE n = 20", "ANALYZE, COSTS off, TIMING off, SUMMARY off")
    assert "$group" in part(text, "Aggregate") and "Documents" not in text


def test_a_limit_reads_no_more(pg, proxy, collection):
    collection.insert_many({"_id": str(n), "n": n} for n in range(500))
    name = table(pg, server(pg, proxy.host), collection, batch_size="100")
    assert len(pg.execute(f"SELECT * FROM {name} WHERE n > 100 LIMIT 5").fetchall()) == 5
    assert pg.execute(f"SELECT count(*) FROM {name}").fetchone() == (500,)
    assert pg.execute(f"SELECT max(n) FROM {name}").fetchone() == (499,)
    commands = [c for c in proxy.seen if c not in ("hello", "endSessions")]
    assert commands == ["find", "aggregate", "find"]


# A collection may have a collation of its own, by which MongoDB compares unless told otherwise.

@pytest.mark.parametrize("condition, told", [("s > 'a'", True), ("s = 'a' LIMIT 1", True), ("s = 'a'", False), ("n > 1", False),
                                             ("s IS NOT NULL ORDER BY s LIMIT 1", True)])
@pytest.mark.parametrize("collated", [True, False])
def test_text_is_compared_by_bytes_whatever_the_collection_does(pg, condition, told, collated):
    options = {"collation": {"locale": "en", "strength": 2}} if collated else {}
    answers = {"listCollections": {"cursor": {"id": bson.Int64(0), "ns": "d.$cmd.listCollections",
                                              "firstBatch": [{"name": "c", "type": "collection", "options": options}]}, "ok": 1.0},
               "find": {"cursor": {"id": bson.Int64(0), "ns": "d.c", "firstBatch": []}, "ok": 1.0}}
    hostile = HostileServer(answers)
    name = table(pg, server(pg, hostile.host), "c", columns="s text OPTIONS (bson_type 'string') COLLATE \"C\", n int",
                 missing_collection="empty")
    pg.execute(f"SELECT * FROM {name} WHERE {condition}")
    hostile.close()
    commands = [bson.decode(parts[0]) for parts in hostile.received]
    find, = (c for c in commands if "find" in c)
    assert find.get("collation") == ({"locale": "simple"} if told and collated else None)
    assert sum("listCollections" in c for c in commands) == told


# Statistics.

def estimate(pg, query):
    return int(re.search(r"rows=(\d+)", plan(pg, query, "COSTS on"))[1])


def test_analyze_learns_how_many_documents_there_are(pg, collection):
    collection.insert_many({"_id": str(n), "k": f"k{n % 10}", "n": n if n % 4 else None} for n in range(1000))
    name = table(pg, server(pg, HOSTS), collection)
    assert estimate(pg, f"SELECT * FROM {name}") == 1_000_000
    pg.execute(f"ANALYZE {name}")
    assert estimate(pg, f"SELECT * FROM {name}") == 1000
    assert 80 <= estimate(pg, f"SELECT * FROM {name} WHERE k = 'k3'") <= 120
    assert 230 <= estimate(pg, f"SELECT * FROM {name} WHERE n IS NULL") <= 270
    assert estimate(pg, f"SELECT * FROM {name} WHERE _id = '7'") == 1


def test_analyze_reads_a_sample_of_a_large_collection(pg, proxy, collection):
    collection.insert_many({"_id": str(n), "k": "x", "n": n} for n in range(5000))
    name = table(pg, server(pg, proxy.host), collection, filter='{"n": {"$lt": 4000}}')
    pg.execute("SET default_statistics_target = 1")
    said = []
    pg.add_notice_handler(lambda d: said.append(d.message_primary))
    pg.execute(f"ANALYZE (VERBOSE) {name}")
    assert f'"{name}": 300 rows in sample, 4000 estimated total rows' in said
    assert pg.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [name]).fetchone() == (4000,)
    assert "find" not in proxy.seen
    pg.execute("SET default_statistics_target = 100; ANALYZE " + name)
    assert pg.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [name]).fetchone() == (4000,)
    assert "find" in proxy.seen


def test_analyze_says_what_does_not_fit(pg, collection):
    collection.insert_many([{"_id": "a", "n": 1}, {"_id": "b", "n": "x"}])
    name = table(pg, server(pg, HOSTS), collection)
    fails(pg, f"ANALYZE {name}", "22018", 'field "n" of document "b"')
    pg.execute(f"ALTER FOREIGN TABLE {name} OPTIONS (ADD on_mismatch 'skip')")
    said = []
    pg.add_notice_handler(lambda d: said.append(d.message_primary))
    pg.execute(f"ANALYZE {name}")
    assert len(said) == 1 and said[0].endswith("skipped")
    assert pg.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [name]).fetchone() == (1,)
    collection.drop()
    fails(pg, f"ANALYZE {name}", "HV00R")
    fails(pg, f"SELECT count(*) FROM {name}", "HV00R")


# A result that ends early. Row 11 of 100 needs the second batch of 10, and asks for the third one ahead.

EARLY = "SELECT n FROM {}, pg_sleep(0) LIMIT 15"
ABORTED = {"with a batch under way": "SELECT 1 / (n - 14) FROM {}", "with none": "SELECT 1 / (n - 4) FROM {}"}
FOR_LONG = 20  # seconds, of a server that does not answer


@pytest.fixture
def in_batches(pg, proxy, collection):
    collection.insert_many({"_id": f"{n:03}", "n": n} for n in range(100))
    return table(pg, server(pg, proxy.host, socket_timeout=f"{FOR_LONG}s"), collection, batch_size="10")


def reads_all(pg, name):
    assert pg.execute(f"SELECT count(*), sum(n) FROM (SELECT n FROM {name} OFFSET 0) t").fetchone() == (100, 4950)


def test_a_batch_that_nobody_wants_is_not_waited_for(pg, proxy, in_batches):
    proxy.trouble("getMore", "stall", skip=1)
    with Stopwatch() as watch:
        assert len(pg.execute(EARLY.format(in_batches)).fetchall()) == 15
        proxy.peace(after="getMore")
        reads_all(pg, in_batches)
    assert watch.seconds < FOR_LONG / 4
    assert proxy.connections == 2


def test_nor_is_that_of_an_aborted_statement(pg, proxy, in_batches):
    proxy.trouble("getMore", "stall", skip=1)
    fails(pg, ABORTED["with a batch under way"].format(in_batches), "22012")
    proxy.peace(after="getMore")
    with Stopwatch() as watch:
        reads_all(pg, in_batches)
    assert watch.seconds < FOR_LONG / 4
    assert proxy.connections == 2


def test_a_batch_that_nobody_wants_does_not_end_what_others_read(pg, proxy, in_batches):
    with pg.transaction():
        pg.execute(f"DECLARE c CURSOR FOR SELECT n FROM {in_batches}")
        rows = pg.execute("FETCH 5 FROM c").fetchall()
        proxy.trouble("getMore", "late", skip=1)
        assert len(pg.execute(EARLY.format(in_batches)).fetchall()) == 15
        proxy.peace(after="getMore")
        rows += pg.execute("FETCH ALL FROM c").fetchall()
    assert sorted(rows) == [(n,) for n in range(100)]
    reads_all(pg, in_batches)


@pytest.mark.parametrize("statement", ABORTED.values(), ids=ABORTED)
def test_a_connection_lost_after_an_aborted_statement_is_replaced(pg, proxy, in_batches, statement):
    fails(pg, statement.format(in_batches), "22012")
    proxy.drop()
    reads_all(pg, in_batches)
    assert proxy.connections == 2


# Nothing gets stuck: the phases that other tests leave out.

def stuck_port():
    """A port on which connections are neither accepted nor refused."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    held = [listener]
    for _ in range(3):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        held.append(client)
    time.sleep(0.1)
    return held


def silent_port():
    """A port on which connections are accepted, and nobody speaks."""
    return [socket.create_server(("127.0.0.1", 0), backlog=50)]


PHASES = {
    "connecting": lambda pg, proxy, c: (stuck_port(), {}, "SELECT * FROM {}"),
    "tls handshake": lambda pg, proxy, c: (silent_port(), {"tls": "true"}, "SELECT * FROM {}"),
    "greeting": lambda pg, proxy, c: (silent_port(), {}, "SELECT * FROM {}"),
    "counting": lambda pg, proxy, c: (proxy.trouble("aggregate", "stall"), {}, "SELECT count(*) FROM {}"),
    "analyzing": lambda pg, proxy, c: (proxy.trouble("count", "stall"), {}, "ANALYZE {}"),
    "closing a cursor": lambda pg, proxy, c: (proxy.trouble("killCursors", "stall"), {}, "SELECT * FROM {}, pg_sleep(0) LIMIT 1"),
    "looking for a collation": lambda pg, proxy, c: (proxy.trouble("listCollections", "stall"), {}, "SELECT * FROM {} WHERE k COLLATE \"C\" > 'a'"),
}


@pytest.mark.parametrize("how", ["timeout", "cancel", "terminate"])
@pytest.mark.parametrize("phase", PHASES)
def test_every_phase_ends_when_it_is_told_to(pg, database, proxy, collection, phase, how):
    collection.insert_many({"_id": str(n), "k": "x", "n": n} for n in range(100))
    held, options, statement = PHASES[phase](pg, proxy, collection)
    hosts = f"127.0.0.1:{held[0].getsockname()[1]}" if held else proxy.host
    name = table(pg, server(pg, hosts, connect_timeout="30s", **options), collection, batch_size="10")
    statement = statement.format(name)
    with psycopg.connect(dbname=database, autocommit=True) as victim:
        if how == "timeout":
            victim.execute("SET statement_timeout = 500")
            took, sqlstate = ends(victim, statement, lambda v: None)
            assert took < 0.1 + ACTS_WITHIN and sqlstate == "57014"
        elif how == "cancel":
            took, sqlstate = ends(victim, statement, lambda v: v.cancel())
            assert took < ACTS_WITHIN and sqlstate == "57014"
        else:
            took, sqlstate = ends(victim, statement, lambda v: pg.execute("SELECT pg_terminate_backend(%s)", [v.info.backend_pid]))
            assert took < ACTS_WITHIN and sqlstate in ("57P01", None)
            return
        proxy.peace()
        victim.execute("SET statement_timeout = 0")
        good = table(pg, server(pg, HOSTS), collection)
        assert victim.execute(f"SELECT count(*) FROM {good}").fetchone() == (100,)


@needs_login
@pytest.mark.parametrize("step", ["saslStart", "saslContinue", "hello"])
def test_logging_in_ends_when_it_is_told_to(pg, collection, step):
    from mongo_proxy import Proxy
    proxy = Proxy(os.environ["MONGO_AUTH_HOSTS"])
    name = server(pg, proxy.host)
    pg.execute(sql.SQL("CREATE USER MAPPING FOR CURRENT_USER SERVER {} OPTIONS (username {}, password {})").format(
        sql.Identifier(name), sql.Literal(os.environ["MONGO_AUTH_USER"]), sql.Literal(os.environ["MONGO_AUTH_PASSWORD"])))
    foreign = table(pg, name, collection)
    for trouble in ("saslStart", "saslContinue") if step == "saslStart" else (step,):
        proxy.trouble(trouble, "stall")
    took, sqlstate = ends(pg, f"SELECT * FROM {foreign}", lambda v: v.cancel())
    assert took < ACTS_WITHIN and sqlstate == "57014"
    proxy.peace()
    assert pg.execute(f"SELECT count(*) FROM {foreign}").fetchone() == (0,)
    proxy.close()


# What a backend loads.

def mapped(pg):
    return pathlib.Path(f"/proc/{pg.info.backend_pid}/maps").read_text()


def test_a_backend_that_reads_no_documents_loads_no_driver(pg, collection):
    pg.execute("SELECT * FROM reconcile.runs")
    pg.execute("CREATE TEMP TABLE a (id int PRIMARY KEY)")
    pg.execute("SELECT count(*) FROM reconcile.invariants")
    assert "mongoc" not in mapped(pg)
    name = table(pg, server(pg, HOSTS), collection)
    pg.execute(f"SELECT * FROM {name}")
    assert "mongoc" in mapped(pg)


def test_a_server_with_pg_documentdb_is_refused(pg, database, collection):
    """Any library of that name will do; what it does to the driver cannot be seen, and must not be tried."""
    name = table(pg, server(pg, HOSTS), collection)
    libraries, = pg.execute("SELECT setting FROM pg_config WHERE name = 'PKGLIBDIR'").fetchone()
    pretender = shutil.copy(f"{libraries}/dict_snowball.so", f"{libraries}/pg_documentdb_pretender.so")
    try:
        with psycopg.connect(dbname=database, autocommit=True) as other:
            other.execute("LOAD '$libdir/pg_documentdb_pretender'")
            fails(other, f"SELECT * FROM {name}", "0A000", "pg_documentdb")
            assert other.execute("SELECT 1").fetchone() == (1,)
    finally:
        os.remove(pretender)
