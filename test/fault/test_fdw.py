"""The foreign data wrapper when servers stall, die and refuse: each SQLSTATE, each delay, and what is there afterwards."""
import os
import socket
import threading
import time
import uuid

import psycopg
import pymongo
import pytest
from psycopg import sql

from mongo_proxy import Proxy
from stopwatch import Stopwatch

HOSTS = os.environ["MONGO_HOSTS"]
DATABASE = "reconcile_fault_fdw"
ACTS_WITHIN = 0.1  # seconds after statement_timeout, or after a cancel


@pytest.fixture(scope="session")
def database():
    with psycopg.connect(dbname="postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        admin.execute(f"CREATE DATABASE {DATABASE}")
    with psycopg.connect(dbname=DATABASE, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_reconcile")
    yield DATABASE
    pymongo.MongoClient(os.environ["MONGO_URI"]).drop_database(DATABASE)
    with psycopg.connect(dbname="postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")  # each module that borrows this has its own


@pytest.fixture
def pg(database):
    with psycopg.connect(dbname=database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def collection(database):
    """An empty collection of its own for each test."""
    name = "c_" + uuid.uuid4().hex
    collection = pymongo.MongoClient(os.environ["MONGO_URI"])[DATABASE].create_collection(name)
    yield collection
    collection.drop()


@pytest.fixture
def proxy():
    proxy = Proxy(HOSTS)
    yield proxy
    proxy.close()


def server(pg, hosts, **options):
    """Creates a server and returns its name."""
    name = "s_" + uuid.uuid4().hex
    more = [sql.SQL(", {} {}").format(sql.Identifier(k), sql.Literal(v)) for k, v in options.items()]
    pg.execute(sql.SQL("CREATE SERVER {} FOREIGN DATA WRAPPER reconcile_mongo OPTIONS (hosts {}{})").format(
        sql.Identifier(name), sql.Literal(hosts), sql.Composed(more)))
    return name


def table(pg, server_name, collection, columns="_id text, k text, n int", **options):
    """Creates a foreign table on a collection and returns its name."""
    name = "t_" + uuid.uuid4().hex
    options = {"database": DATABASE, "collection": getattr(collection, "name", collection), **options}
    listed = sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(k), sql.Literal(v)) for k, v in options.items())
    pg.execute(sql.SQL("CREATE FOREIGN TABLE {} ({}) SERVER {} OPTIONS ({})").format(
        sql.Identifier(name), sql.SQL(columns), sql.Identifier(server_name), listed))
    return name


def fails(pg, statement, sqlstate, *parts):
    """Runs a statement that must fail with an SQLSTATE and returns the error's diagnostics."""
    with pytest.raises(psycopg.Error) as raised:
        pg.execute(statement)
    diagnostics = raised.value.diag
    assert diagnostics.sqlstate == sqlstate, diagnostics.message_primary
    for part in parts:
        assert part in f"{diagnostics.message_primary}\n{diagnostics.message_detail}\n{diagnostics.message_hint}"
    return diagnostics


def insert(name, rows, conflict=""):
    return f"INSERT INTO {name} (k, n) SELECT 'k' || g, g FROM generate_series(1, {rows}) g {conflict}"


UPSERT = "ON CONFLICT DO NOTHING"


# Servers that cannot be reached or do not let one in.

def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


@pytest.mark.parametrize("statement", ["SELECT * FROM {}", "INSERT INTO {} (k) VALUES ('a')"])
def test_a_server_that_is_down_is_08001(pg, statement):
    hosts = f"127.0.0.1:{closed_port()}"
    name = table(pg, server(pg, hosts), "any")
    fails(pg, statement.format(name), "08001", hosts)
    assert pg.execute("SELECT 1").fetchone() == (1,)


def test_a_name_that_does_not_resolve_is_08001(pg):
    fails(pg, f"SELECT * FROM {table(pg, server(pg, 'no-such-host.invalid'), 'any')}", "08001")


def test_the_server_is_found_again_once_it_is_up(pg, collection):
    name = table(pg, server(pg, f"127.0.0.1:{closed_port()}"), collection)
    fails(pg, f"SELECT * FROM {name}", "08001")
    collection.insert_one({"k": "a"})
    pg.execute(f"ALTER SERVER {server_of(pg, name)} OPTIONS (SET hosts '{HOSTS}')")
    assert pg.execute(f"SELECT k FROM {name}").fetchall() == [("a",)]


def server_of(pg, name):
    return pg.execute("SELECT srvname FROM pg_foreign_table t JOIN pg_foreign_server s ON s.oid = ftserver"
                      " WHERE ftrelid = %s::regclass", [name]).fetchone()[0]


needs_login = pytest.mark.skipif("MONGO_AUTH_HOSTS" not in os.environ, reason="the server has no login")


@needs_login
def test_a_wrong_password_is_28p01_and_stays_secret(pg):
    name = server(pg, os.environ["MONGO_AUTH_HOSTS"])
    pg.execute(sql.SQL("CREATE USER MAPPING FOR CURRENT_USER SERVER {} OPTIONS (username {}, password 'not-this-one')").format(
        sql.Identifier(name), sql.Literal(os.environ["MONGO_AUTH_USER"])))
    diagnostics = fails(pg, f"SELECT * FROM {table(pg, name, 'any')}", "28P01", "could not log in")
    said = " ".join(str(getattr(diagnostics, part)) for part in ("message_primary", "message_detail", "message_hint", "context"))
    assert "not-this-one" not in said
    pg.execute(sql.SQL("ALTER USER MAPPING FOR CURRENT_USER SERVER {} OPTIONS (SET password {})").format(
        sql.Identifier(name), sql.Literal(os.environ["MONGO_AUTH_PASSWORD"])))
    fails(pg, f"SELECT * FROM {table(pg, name, 'any')}", "HV00R")


def test_a_wrong_database_is_not_an_empty_table(pg, collection):
    collection.insert_one({"k": "a"})
    name = table(pg, server(pg, HOSTS), collection, database="reconcile_no_such_database")
    fails(pg, f"SELECT * FROM {name}", "HV00R", "reconcile_no_such_database." + collection.name)


def test_an_empty_collection_is_an_empty_table(pg, collection):
    assert pg.execute(f"SELECT * FROM {table(pg, server(pg, HOSTS), collection)}").fetchall() == []


# Connections that break.

@pytest.mark.parametrize("conflict", ["", UPSERT])
def test_a_bulk_without_answer_is_of_unknown_outcome(pg, proxy, collection, conflict):
    name = table(pg, server(pg, proxy.host), collection, key="k")
    pg.execute(f"INSERT INTO {name} (k, n) VALUES ('k0', 0)")
    proxy.trouble("update" if conflict else "insert", "lose")
    fails(pg, insert(name, 3000, conflict), "08007", "any of them may have been written")
    proxy.peace()
    assert collection.count_documents({}) >= 1
    pg.execute(insert(name, 3000, UPSERT))
    assert collection.count_documents({}) == 3001  # a second run heals it, and nothing is there twice


def test_a_server_that_dies_in_the_middle_keeps_what_it_has(pg, proxy, collection):
    name = table(pg, server(pg, proxy.host), collection, key="k", batch_size="1000")
    proxy.trouble("update", "lose", skip=2)
    fails(pg, insert(name, 5000, UPSERT), "08007")
    proxy.peace()
    assert 2000 <= collection.count_documents({}) <= 3000
    assert pg.execute(insert(name, 5000, UPSERT)).rowcount == 5000 - 3000
    assert collection.count_documents({}) == 5000


@pytest.mark.parametrize("command, what", [("find", "refuse"), ("find", "lose"), ("getMore", "refuse"), ("getMore", "lose")])
def test_a_read_that_breaks_is_an_error_and_not_fewer_rows(pg, proxy, collection, command, what):
    collection.insert_many({"n": n} for n in range(100))
    name = table(pg, server(pg, proxy.host), collection, batch_size="10")
    for _ in range(2):  # the driver tries a find twice
        proxy.trouble(command, what)
        fails(pg, f"SELECT * FROM {name}", "08006")
    proxy.peace()
    assert pg.execute(f"SELECT count(*) FROM {name}").fetchone() == (100,)


def test_a_greeting_that_breaks_is_08001(pg, proxy, collection):
    proxy.trouble("hello", "refuse")
    fails(pg, f"SELECT * FROM {table(pg, server(pg, proxy.host), collection)}", "08001")


# Servers that do not answer: statement_timeout, cancel and terminate act at once, at every step.

STEPS = [("hello", "SELECT * FROM {0}"), ("find", "SELECT * FROM {0}"), ("getMore", "SELECT * FROM {0}"),
         ("listCollections", "SELECT * FROM {0} WHERE n = -1"), ("insert", "INSERT INTO {0} (k) VALUES ('a')"),
         ("update", "INSERT INTO {0} (k) VALUES ('a') " + UPSERT)]
steps = pytest.mark.parametrize("command, statement", STEPS, ids=[c for c, _ in STEPS])


@pytest.fixture
def stalled(pg, proxy, collection):
    collection.insert_many({"n": n} for n in range(100))
    return table(pg, server(pg, proxy.host), collection, batch_size="10", key="k")


def ends(victim, statement, stop):
    """Runs a statement in a thread, stops it after a while, and returns how long stopping took, and the SQLSTATE."""
    raised = []

    def work():
        try:
            victim.execute(statement)
        except psycopg.Error as error:
            raised.append(error.sqlstate)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.4)
    with Stopwatch() as watch:
        stop(victim)
        thread.join(60)
    assert raised, "the statement goes on or came to its end"
    return watch.seconds, raised[0]


@steps
def test_statement_timeout_acts_within_100_ms(pg, proxy, stalled, command, statement):
    proxy.trouble(command, "stall")
    pg.execute("SET statement_timeout = 500")
    with Stopwatch() as watch:
        fails(pg, statement.format(stalled), "57014", "statement timeout")
    assert watch.elapsed >= 0.5 and watch.seconds < 0.5 + ACTS_WITHIN
    pg.execute("SET statement_timeout = 0")
    proxy.peace()
    assert pg.execute(f"SELECT count(*) FROM {stalled}").fetchone()[0] >= 100


@steps
def test_cancel_acts_within_100_ms(pg, proxy, stalled, command, statement):
    proxy.trouble(command, "stall")
    took, sqlstate = ends(pg, statement.format(stalled), lambda v: v.cancel())
    assert took < ACTS_WITHIN and sqlstate == "57014"
    proxy.peace()
    before = proxy.connections
    assert pg.execute(f"SELECT count(*) FROM {stalled}").fetchone()[0] >= 100
    assert proxy.connections == before + 1  # the one in doubt was thrown away


def test_terminate_acts_within_100_ms(database, proxy, collection):
    with psycopg.connect(dbname=database, autocommit=True) as admin:
        victim = psycopg.connect(dbname=database, autocommit=True)
        name = table(admin, server(admin, proxy.host), collection)
        proxy.trouble("find", "stall")
        took, _ = ends(victim, f"SELECT * FROM {name}",
                       lambda v: admin.execute("SELECT pg_terminate_backend(%s)", [v.info.backend_pid]))
        assert took < ACTS_WITHIN


def test_the_wait_has_a_name(database, proxy, stalled):
    with psycopg.connect(dbname=database, autocommit=True) as reader, psycopg.connect(dbname=database, autocommit=True) as watcher:
        proxy.trouble("find", "stall")
        thread = threading.Thread(target=lambda: pytest.raises(psycopg.Error, reader.execute, f"SELECT * FROM {stalled}"))
        thread.start()
        wanted = ("Extension", "ReconcileMongo" if watcher.info.server_version >= 170000 else "Extension")
        deadline = time.monotonic() + 30
        while watcher.execute("SELECT wait_event_type, wait_event FROM pg_stat_activity WHERE pid = %s",
                              [reader.info.backend_pid]).fetchone() != wanted:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        reader.cancel()
        thread.join(60)


def test_a_cursor_that_is_left_open_costs_only_its_connection(pg, proxy, stalled):
    with pg.transaction():
        pg.execute(f"DECLARE c CURSOR FOR SELECT * FROM {stalled}")
        assert len(pg.execute("FETCH 15 FROM c").fetchall()) == 15
    assert pg.execute(f"SELECT count(*) FROM {stalled}").fetchone() == (100,)
    with pytest.raises(psycopg.errors.DivisionByZero), pg.transaction():
        pg.execute(f"DECLARE c CURSOR FOR SELECT * FROM {stalled}")
        pg.execute("FETCH 15 FROM c")
        pg.execute("SELECT 1/0")
    assert pg.execute(f"SELECT count(*) FROM {stalled}").fetchone() == (100,)


# Connections are kept, until what they depend on changes.

def test_a_connection_is_kept_and_follows_its_server(pg, proxy, collection):
    name = table(pg, server(pg, proxy.host), collection, missing_collection="empty")
    for _ in range(5):
        pg.execute(f"SELECT * FROM {name}")
    assert proxy.connections == 1
    pg.execute(f"ALTER SERVER {server_of(pg, name)} OPTIONS (ADD app_name 'other')")
    pg.execute(f"SELECT * FROM {name}")
    assert proxy.connections == 2


def sockets(pg):
    """How many sockets the backend has open."""
    directory = f"/proc/{pg.info.backend_pid}/fd"
    return sum(os.readlink(f"{directory}/{fd}").startswith("socket:") for fd in os.listdir(directory))


def test_connections_to_dropped_servers_are_closed(pg, collection):
    before = sockets(pg)
    for _ in range(10):
        name = server(pg, HOSTS)
        pg.execute(f"SELECT * FROM {table(pg, name, collection)}")
        pg.execute(f"DROP SERVER {name} CASCADE")
    assert sockets(pg) <= before + 1


def test_an_error_that_is_caught_leaves_other_scans_alone(pg, proxy, collection):
    name = server(pg, proxy.host)
    outer = table(pg, name, collection, batch_size="10")
    inner = table(pg, name, collection, columns="k int", batch_size="10")
    pg.execute(insert(outer, 100))
    pg.execute(f"""DO $$
        DECLARE
            r record;
            rows int := 0;
        BEGIN
            FOR r IN SELECT 1 FROM {outer} LOOP
                rows := rows + 1;
                BEGIN
                    PERFORM k FROM {inner};
                EXCEPTION WHEN data_exception THEN NULL;
                END;
            END LOOP;
            ASSERT rows = 100, rows;
        END $$""")
    assert proxy.connections == 1
    assert proxy.seen.count("killCursors") >= 99


def test_a_cursor_is_read_as_who_opened_it(pg, proxy, collection):
    """Else whoever may call a function that reads a cursor he names would connect with its owner's password."""
    name = table(pg, server(pg, proxy.host), collection)
    pg.execute("CREATE FUNCTION first_of(c refcursor) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS "
               "'DECLARE r record; BEGIN FETCH c INTO r; RETURN r; END'")
    pg.execute("CREATE ROLE reconcile_low")
    try:
        pg.execute(f"GRANT SELECT ON {name} TO reconcile_low")
        with pytest.raises(psycopg.Error) as raised, pg.transaction():
            pg.execute("SET LOCAL ROLE reconcile_low")
            pg.execute(f"DECLARE c CURSOR FOR SELECT * FROM {name}")
            pg.execute("SELECT first_of('c')")
        assert raised.value.sqlstate == "2F003"
        assert proxy.connections == 0
    finally:
        pg.execute("DROP OWNED BY reconcile_low")
        pg.execute("DROP ROLE reconcile_low")
        pg.execute("DROP FUNCTION first_of")


def test_a_path_is_no_deeper_than_documents(pg):
    for names, sqlstate in ((100, None), (101, "22023"), (50000, "22023")):
        statement = f"CREATE FOREIGN TABLE t_{uuid.uuid4().hex} (c text OPTIONS (path '{'.'.join(['a'] * names)}')) " \
                    f"SERVER {server(pg, HOSTS)} OPTIONS (database 'd', collection 'c')"
        if sqlstate:
            fails(pg, statement, sqlstate, f"{names} names")
        else:
            pg.execute(statement)


def test_planning_touches_no_network(pg):
    name = table(pg, server(pg, f"127.0.0.1:{closed_port()}"), "any", key="k")
    pg.execute(f"EXPLAIN (VERBOSE) SELECT * FROM {name} WHERE n = 1")
    pg.execute(f"EXPLAIN INSERT INTO {name} (k) VALUES ('a') {UPSERT}")


# Writing.

def test_on_conflict_do_nothing_counts_what_is_new_and_leaves_the_rest(pg, collection):
    collection.insert_one({"_id": "mine", "k": "k2", "n": 99, "other": True})
    name = table(pg, server(pg, HOSTS), collection, key="k")
    assert pg.execute(insert(name, 3, UPSERT)).rowcount == 2
    assert pg.execute(insert(name, 3, UPSERT)).rowcount == 0
    assert collection.find_one({"k": "k2"}) == {"_id": "mine", "k": "k2", "n": 99, "other": True}
    written = collection.find_one({"k": "k3"})
    assert isinstance(written.pop("_id"), pymongo.collection.ObjectId) and written == {"k": "k3", "n": 3}


def test_rows_with_the_same_key_in_one_statement_are_written_once(pg, collection):
    name = table(pg, server(pg, HOSTS), collection, key="k")
    assert pg.execute(f"INSERT INTO {name} (k, n) VALUES ('a', 1), ('a', 2), ('b', 3) {UPSERT}").rowcount == 2
    assert collection.find_one({"k": "a"})["n"] == 1


def test_on_conflict_needs_the_key_option(pg, collection):
    name = table(pg, server(pg, HOSTS), collection)
    fails(pg, f"INSERT INTO {name} (k) VALUES ('a') {UPSERT}", "HV00J", 'option "key"', "ADD key")


def test_a_null_in_the_key_is_refused(pg, collection):
    name = table(pg, server(pg, HOSTS), collection, key="k")
    fails(pg, f"INSERT INTO {name} (k, n) VALUES (NULL, 1), ('b', 2) {UPSERT}", "23502", '"k"', "1 document written and 1 refused")


def test_a_composite_key_with_types_and_paths(pg, collection):
    name = table(pg, server(pg, HOSTS), collection, key='"team", "role.name"',
                 columns="team text OPTIONS (bson_type 'objectId'), \"role.name\" text, n int")
    statement = f"INSERT INTO {name} VALUES ('0123456789abcdef01234567', 'owner', 1) {UPSERT}"
    assert pg.execute(statement).rowcount == 1
    assert pg.execute(statement).rowcount == 0
    document = collection.find_one({}, {"_id": 0})
    assert document == {"team": pymongo.collection.ObjectId("0123456789abcdef01234567"), "role": {"name": "owner"}, "n": 1}


@pytest.mark.parametrize("conflict", ["", UPSERT])
def test_a_unique_index_refuses_one_document_and_the_others_are_written(pg, collection, conflict):
    collection.create_index("n", unique=True)
    collection.insert_one({"k": "there", "n": 50})
    name = table(pg, server(pg, HOSTS), collection, key="k")
    fails(pg, insert(name, 100, conflict), "23505", '"k50"', "99 documents written and 1 refused")
    assert collection.count_documents({}) == 100


def test_nulls_are_left_out_and_nested_paths_are_documents(pg, collection):
    name = table(pg, server(pg, HOSTS), collection, columns="_id text, \"a.b\" int, \"a.c\" int, \"a.d.e\" text, n int")
    pg.execute(f"INSERT INTO {name} VALUES ('x', 1, 2, 'z', NULL), ('y', NULL, NULL, NULL, NULL)")
    assert collection.find_one({"_id": "x"}) == {"_id": "x", "a": {"b": 1, "c": 2, "d": {"e": "z"}}}
    assert collection.find_one({"_id": "y"}) == {"_id": "y"}


def test_generated_columns_are_not_written(pg, collection):
    name = table(pg, server(pg, HOSTS), collection, columns="_id text, n int, twice int GENERATED ALWAYS AS (n * 2) STORED")
    pg.execute(f"INSERT INTO {name} (_id, n) VALUES ('x', 1)")
    assert collection.find_one() == {"_id": "x", "n": 1}


def test_returning_gives_the_id_that_was_made(pg, collection):
    name = table(pg, server(pg, HOSTS), collection, key="k")
    made = pg.execute(f"INSERT INTO {name} (k) VALUES ('a'), ('b') RETURNING _id, k").fetchall()
    assert {(str(d["_id"]), d["k"]) for d in collection.find()} == set(made)
    assert pg.execute(f"INSERT INTO {name} (k) VALUES ('a') {UPSERT} RETURNING _id").fetchall() == []


def test_copy_writes_in_bulk(pg, proxy, collection):
    name = table(pg, server(pg, proxy.host), collection)
    with pg.cursor() as cursor, cursor.copy(f"COPY {name} (k, n) FROM STDIN") as copy:
        for n in range(3000):
            copy.write_row((f"k{n}", n))
    assert collection.count_documents({}) == 3000
    assert proxy.seen.count("insert") <= 6


def test_copy_of_a_document_that_is_refused_is_an_error(pg, collection):
    collection.insert_one({"_id": "5"})
    name = table(pg, server(pg, HOSTS), collection)
    with pytest.raises(psycopg.errors.UniqueViolation), pg.cursor() as cursor, cursor.copy(f"COPY {name} (_id) FROM STDIN") as copy:
        for n in range(10):
            copy.write_row((str(n),))
    assert collection.count_documents({}) == 10


def test_a_batch_is_one_command(pg, proxy, collection):
    name = table(pg, server(pg, proxy.host), collection, key="k")
    pg.execute(insert(name, 3000, UPSERT))
    assert proxy.seen.count("update") == 3


def test_rows_of_a_partitioned_table_arrive(pg, collection):
    name = table(pg, server(pg, HOSTS), collection, columns="k text, n int", key="k")
    pg.execute(f"CREATE TABLE whole_{name} (k text, n int) PARTITION BY RANGE (n)")
    pg.execute(f"ALTER TABLE whole_{name} ATTACH PARTITION {name} FOR VALUES FROM (0) TO (1000)")
    for written in (10, 0):
        assert pg.execute(insert("whole_" + name, 10, UPSERT)).rowcount == written
    assert pg.execute(f"SELECT count(*) FROM whole_{name} WHERE n > 5").fetchone() == (5,)


def test_triggers_see_each_row(pg, collection):
    name = table(pg, server(pg, HOSTS), collection, key="k")
    pg.execute(f"CREATE TABLE log_{name} (k text)")
    pg.execute(f"CREATE FUNCTION f_{name}() RETURNS trigger LANGUAGE plpgsql AS "
               f"$$ BEGIN INSERT INTO log_{name} VALUES (NEW.k); RETURN NEW; END $$")
    pg.execute(f"CREATE TRIGGER t AFTER INSERT ON {name} FOR EACH ROW EXECUTE FUNCTION f_{name}()")
    collection.insert_one({"k": "k2"})
    pg.execute(insert(name, 3, UPSERT))
    assert sorted(pg.execute(f"SELECT k FROM log_{name}").fetchall()) == [("k1",), ("k3",)]


def test_what_may_not_be_written_is_said_before_anything_is_sent(pg, proxy, collection):
    name = table(pg, server(pg, proxy.host), collection)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), pg.transaction():
        pg.execute("SET TRANSACTION READ ONLY")
        pg.execute(f"INSERT INTO {name} (k) VALUES ('a')")
    pg.execute(f"ALTER FOREIGN TABLE {name} OPTIONS (ADD updatable 'false')")
    fails(pg, f"INSERT INTO {name} (k) VALUES ('a')", "55000")
    fails(pg, f"UPDATE {name} SET n = 1", "55000")
    fails(pg, f"DELETE FROM {name}", "55000")
    assert proxy.connections == 0


def test_the_whole_document_comes_back_as_it_was(pg, collection):
    name = table(pg, server(pg, HOSTS), collection, columns="doc jsonb OPTIONS (path '')")
    collection.insert_one({"_id": 1, "a": [1, {"b": None}], "d": 0.5, "o": pymongo.collection.ObjectId()})
    before = collection.find_one()
    document = pg.execute(f"SELECT doc::text FROM {name}").fetchone()[0]
    collection.delete_many({})
    pg.execute(sql.SQL("INSERT INTO {} VALUES ({})").format(sql.Identifier(name), sql.Literal(document)))
    assert collection.find_one() == before


# Names that are not nice.

HOSTILE = ["it's \"quoted\" `x`", "'; DROP TABLE users; --", "spaces  and\ttabs", "ünïcödé €", "a-b/c\\d", "{\"$gt\": \"\"}"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_collections_and_columns(pg, name):
    mongo = pymongo.MongoClient(os.environ["MONGO_URI"])
    if "$" in name:
        fails(pg, sql.SQL("CREATE FOREIGN TABLE h (a int) SERVER {} OPTIONS (collection {})").format(
            sql.Identifier(server(pg, HOSTS, database=DATABASE)), sql.Literal(name)), "42602")
        return
    collection = mongo[DATABASE][name]
    collection.drop()
    foreign = table(pg, server(pg, HOSTS), name, key='"' + name.replace('"', '""') + '"',
                    columns='"' + name.replace('"', '""') + '" text')
    for written in (1, 0):
        assert pg.execute(sql.SQL("INSERT INTO {} VALUES ({}) ON CONFLICT DO NOTHING").format(
            sql.Identifier(foreign), sql.Literal(name))).rowcount == written
    assert pg.execute(sql.SQL("SELECT {0} FROM {1} WHERE {0} = {2}").format(
        sql.Identifier(name), sql.Identifier(foreign), sql.Literal(name))).fetchall() == [(name,)]
    assert collection.find_one({}, {"_id": 0}) == {name: name}
    collection.drop()


def test_values_are_never_operators(pg, collection):
    collection.insert_one({"k": "a"})
    name = table(pg, server(pg, HOSTS), collection)
    assert pg.execute(f"SELECT * FROM {name} WHERE k = %s", ['{"$ne": null}']).fetchall() == []


# What does not fit is counted and told once.

def test_mismatches_are_counted_in_one_warning(pg, collection):
    collection.insert_many({"n": n if n % 10 else "text"} for n in range(100))
    notices = []
    pg.add_notice_handler(lambda d: notices.append((d.sqlstate, d.message_primary)))
    nulls = table(pg, server(pg, HOSTS), collection, on_mismatch="null")
    assert pg.execute(f"SELECT count(*), count(n) FROM {nulls}").fetchone() == (100, 90)
    skips = table(pg, server(pg, HOSTS), collection, on_mismatch="skip")
    assert pg.execute(f"SELECT count(*), count(n) FROM {skips}").fetchone() == (90, 90)
    where = f'collection "{DATABASE}.{collection.name}"'
    assert notices == [("01000", f"10 values of {where} read as null"), ("01000", f"10 documents of {where} skipped")]


def test_text_with_a_zero_byte_is_refused(pg, collection):
    collection.insert_one({"_id": "z", "k": "a\0b", "n": 1})
    name = table(pg, server(pg, HOSTS), collection)
    fails(pg, f"SELECT k FROM {name}", "22021", '"z"', '"k"')
    assert pg.execute(f"SELECT n FROM {name}").fetchall() == [(1,)]


def test_messages_are_cut_where_a_character_ends(pg, collection):
    collection.insert_one({"_id": "x" + "\u00fc" * 300, "k": "x"})
    name = table(pg, server(pg, HOSTS), collection, columns="k int")
    pg.execute("SET client_encoding = 'SQL_ASCII'")
    with pytest.raises(psycopg.Error) as raised:
        pg.execute(f"SELECT k FROM {name}")
    message = raised.value.pgresult.error_field(psycopg.pq.DiagnosticField.MESSAGE_PRIMARY)
    assert "\u00fc\u00fc" in message.decode("utf-8")


def test_null_among_the_elements_of_an_array(pg, collection):
    collection.insert_many([{"_id": 1, "a": [5, {"x": 1}]}, {"_id": 2, "a": []}, {"_id": 3}, {"_id": 4, "a": [None, 5]}])
    name = table(pg, server(pg, HOSTS), collection, columns="_id int, first int OPTIONS (path 'a.0')")
    assert pg.execute(f"SELECT _id FROM {name} WHERE first IS NOT NULL").fetchall() == [(1,)]
    assert pg.execute(f"SELECT _id FROM {name} WHERE first IS NULL ORDER BY 1").fetchall() == [(2,), (3,), (4,)]


def test_deep_documents_are_read_or_refused_but_never_crash(pg, collection):
    document = {}
    for _ in range(90):
        document = {"d": document}
    collection.insert_one({"_id": 1, "deep": document})
    name = table(pg, server(pg, HOSTS), collection, columns="deep jsonb")
    deep = pg.execute(f"SELECT deep FROM {name}").fetchone()[0]
    for _ in range(90):
        deep = deep["d"]
    assert deep == {}


def test_memory_does_not_grow_with_the_collection(pg, collection):
    name = table(pg, server(pg, HOSTS), collection)
    used = "SELECT sum(used_bytes) FROM pg_backend_memory_contexts"
    pg.execute(insert(name, 1000))
    before = pg.execute(used).fetchone()[0]
    pg.execute(insert(name, 50000))
    assert pg.execute(f"SELECT count(*) FROM {name} WHERE k IS NOT NULL").fetchone() == (51000,)
    assert pg.execute(used).fetchone()[0] - before < 1_000_000


def test_memory_does_not_grow_within_an_insert(pg, collection):
    """Each row gets an _id, which is written into its slot."""
    name = table(pg, server(pg, HOSTS), collection, batch_size="1000")
    pg.execute("CREATE FUNCTION used() RETURNS text VOLATILE LANGUAGE sql AS "
               "'SELECT sum(used_bytes)::text FROM pg_backend_memory_contexts'")
    pg.execute(f"INSERT INTO {name} (k, n) "
               f"SELECT CASE WHEN g % 10000 = 0 THEN used() ELSE 'k' END, g FROM generate_series(1, 30000) g")
    pg.execute("DROP FUNCTION used")
    used = [int(document["k"]) for document in collection.find({"k": {"$ne": "k"}}).sort("n", 1)]
    assert len(used) == 3 and used[2] - used[0] < 100_000


@pytest.mark.parametrize("conflict", ["", UPSERT])
def test_a_document_that_the_driver_refuses_says_why(pg, collection, conflict):
    name = table(pg, server(pg, HOSTS), collection, columns="k text, rest jsonb OPTIONS (path '')", key="k")
    fails(pg, f"""INSERT INTO {name} VALUES ('a', '{{"": 1}}') {conflict}""", "22023", "empty")
