"""IMPORT FOREIGN SCHEMA: which tables, columns, types and comments come of which documents."""
import datetime
import os
import struct
import uuid

import bson
import psycopg
import pymongo
import pytest
from bson.raw_bson import RawBSONDocument
from psycopg import sql

from hostile_server import HostileServer, document, result, string
from test_fdw import HOSTS, database, fails, pg, proxy, server  # noqa: F401 (fixtures)

HEX = "0123456789abcdef01234567"


@pytest.fixture
def mongo():
    """A database of its own for each test."""
    client = pymongo.MongoClient(os.environ["MONGO_URI"])
    name = "reconcile_import_" + uuid.uuid4().hex[:12]
    yield client[name]
    client.drop_database(name)


@pytest.fixture
def schema(pg):
    name = "i_" + uuid.uuid4().hex
    pg.execute(f"CREATE SCHEMA {name}")
    return name


def imported(pg, mongo, schema, words="", options="", hosts=HOSTS):
    pg.execute(f"IMPORT FOREIGN SCHEMA {mongo.name} {words} FROM SERVER {server(pg, hosts)} INTO {schema} {options}")
    return [name for name, in pg.execute("SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace ORDER BY 1", [schema])]


def columns(pg, schema, table):
    """Of each column: name, type, options, comment."""
    return pg.execute("""SELECT attname, format_type(atttypid, atttypmod), array_to_string(attfdwoptions, ' '), col_description(attrelid, attnum)
        FROM pg_attribute WHERE attrelid = (SELECT oid FROM pg_class WHERE relname = %s AND relnamespace = %s::regnamespace) AND attnum > 0
        ORDER BY attnum""", [table, schema]).fetchall()


NOW = datetime.datetime(2026, 1, 31)
TYPES = {  # values of one field: type, option bson_type
    "strings": (["a", "b"], "text", None),
    "objectIds": ([bson.ObjectId(), bson.ObjectId()], "text", "objectId"),
    "objectIds and strings": ([bson.ObjectId(), HEX], "jsonb", None),
    "booleans": ([True, False], "boolean", None),
    "ints": ([1, -5], "integer", None),
    "longs": ([bson.Int64(1)], "bigint", None),
    "ints and longs": ([1, bson.Int64(2**60)], "bigint", None),
    "doubles": ([0.5, 2.0], "double precision", None),
    "ints and doubles": ([1, 0.5], "double precision", None),
    "longs and doubles": ([bson.Int64(2**53), 0.5], "double precision", None),
    "longs beyond a double": ([bson.Int64(2**53 + 1), 0.5], "numeric", None),
    "decimals": ([bson.Decimal128("1.10")], "numeric", None),
    "decimals and ints": ([bson.Decimal128("NaN"), 1], "numeric", None),
    "numbers and strings": ([1, "1"], "jsonb", None),
    "dates": ([NOW], "timestamptz", None),
    "dates and strings": ([NOW, "2026-01-31"], "jsonb", None),
    "uuids": ([bson.Binary(bytes(16), 4)], "uuid", None),
    "legacy uuids": ([bson.Binary(bytes(16), 3)], "bytea", None),
    "binaries": ([bson.Binary(b"x")], "bytea", None),
    "binaries and uuids": ([bson.Binary(b"x"), bson.Binary(bytes(16), 4)], "bytea", None),
    "documents": ([{"a": 1}, {}], "jsonb", None),
    "arrays of strings": ([["a"], [], ["b", None]], "text[]", None),
    "arrays of objectIds": ([[bson.ObjectId()]], "text[]", "objectId"),
    "arrays of numbers": ([[1], [0.5]], "double precision[]", None),
    "arrays of several types": ([[1], ["a"]], "jsonb", None),
    "arrays of arrays": ([[[1]], [[1, None], [None, 2]], []], "integer[]", None),
    "arrays of six depths": ([[[[[[["a"]]]]]]], "text[]", None),
    "arrays of seven depths": ([[[[[[[["a"]]]]]]]], "jsonb", None),
    "arrays of arrays of objectIds": ([[[bson.ObjectId()]]], "text[]", "objectId"),
    "arrays of arrays of documents": ([[[{}]]], "jsonb", None),
    "arrays of arrays of several types": ([[[1], ["a"]]], "jsonb", None),
    "arrays of arrays of two lengths": ([[[1], [2, 3]]], "jsonb", None),
    "arrays of arrays without elements": ([[[1]], [[]]], "jsonb", None),
    "arrays of arrays and values": ([[[1], 2]], "jsonb", None),
    "arrays of values and arrays": ([[2, [1]]], "jsonb", None),
    "arrays of documents": ([[{"a": 1}]], "jsonb", None),
    "empty arrays": ([[]], "jsonb", None),
    "arrays and their elements": ([["a"], "a"], "jsonb", None),
    "nulls": ([None], "jsonb", None),
    "nulls and ints": ([None, 1], "integer", None),
    "regular expressions": ([bson.Regex("^a")], "jsonb", None),
    "timestamps": ([bson.Timestamp(1, 2)], "jsonb", None),
    "minKey": ([bson.MinKey()], "jsonb", None),
}


@pytest.mark.parametrize("case", TYPES.items(), ids=lambda case: case[0])
def test_the_type_is_one_that_all_values_fit(pg, mongo, schema, case):
    values, type, option = case[1]
    mongo.c.insert_many({"_id": n, "v": v} for n, v in enumerate(values))
    imported(pg, mongo, schema)
    (_, (name, seen, options, comment)) = columns(pg, schema, "c")
    assert (name, seen, options) == ("v", type.replace("timestamptz", "timestamp with time zone"), option and f"bson_type={option}")
    assert comment.startswith(f"in {len(values)} of {len(values)} documents (100 %): ")
    assert pg.execute(f"SELECT count(v) FROM {schema}.c").fetchone() == (len([v for v in values if v is not None]),)


def test_dates_beyond_postgresql_are_jsonb(pg, mongo, schema):
    mongo.c.insert_one(RawBSONDocument(document(b"\x10_id\0" + struct.pack("<i", 1) + b"\x09v\0" + struct.pack("<q", 2**62))))
    imported(pg, mongo, schema)
    assert columns(pg, schema, "c")[1][:2] == ("v", "jsonb")


def test_comments_say_how_many_documents_have_a_field(pg, mongo, schema):
    mongo.people.insert_many({"_id": n, **({"age": n if n % 2 else str(n)} if n < 4 else {}), "name": "x"} for n in range(1000))
    assert imported(pg, mongo, schema) == ["people"]
    assert columns(pg, schema, "people") == [
        ("_id", "integer", None, "in 1000 of 1000 documents (100 %): int 1000"),
        ("age", "jsonb", None, "in 4 of 1000 documents (0.4 %): string 2, int 2"),
        ("name", "text", None, "in 1000 of 1000 documents (100 %): string 1000")]
    assert pg.execute("SELECT obj_description(%s::regclass)", [f"{schema}.people"]).fetchone() == (f"collection {mongo.name}.people, 1000 documents",)
    assert pg.execute("SELECT ftoptions FROM pg_foreign_table WHERE ftrelid = %s::regclass", [f"{schema}.people"]).fetchone() == (
        [f"database={mongo.name}", "collection=people", "key=_id"],)


def test_a_share_is_never_rounded_to_all_or_nothing(pg, mongo, schema):
    mongo.c.insert_many({"_id": n, **({"most": 1} if n else {"one": 1})} for n in range(5000))
    imported(pg, mongo, schema)
    assert {n: c for n, _, _, c in columns(pg, schema, "c")} == {
        "_id": "in 5000 of 5000 documents (100 %): int 5000", "one": "in 1 of 5000 documents (0.1 %): int 1",
        "most": "in 4999 of 5000 documents (99.9 %): int 4999"}


def test_a_field_of_the_last_document_is_seen(pg, mongo, schema):
    mongo.c.insert_many({"_id": n, **({"late": 1} if n == 10000 else {})} for n in range(10001))
    imported(pg, mongo, schema)
    assert columns(pg, schema, "c")[1][:2] == ("late", "integer")


def test_a_sample_looks_at_fewer_documents(pg, mongo, schema):
    mongo.c.insert_many({"_id": n} for n in range(1000))
    imported(pg, mongo, schema, options="OPTIONS (sample_size '100')")
    assert columns(pg, schema, "c") == [("_id", "integer", None, "in 100 of 100 documents (100 %): int 100")]
    assert "a sample of 100 documents" in pg.execute("SELECT obj_description(%s::regclass)", [f"{schema}.c"]).fetchone()[0]


NESTED = {"_id": 1, "a": {"b": {"c": 1, "d": "x"}, "e": 2.5}, "f": {}, "g": [{"h": 1}], "a_e": 7, "i": {"x.y": 1}, "j": {"0": 1}, "k": {"": 1}, "l": {"$m": 1}}


def test_flatten_makes_columns_of_nested_fields(pg, mongo, schema):
    mongo.command({"insert": "c", "documents": [NESTED]})
    imported(pg, mongo, schema, options="OPTIONS (flatten 'true')")
    assert [c[:3] for c in columns(pg, schema, "c")] == [
        ("_id", "integer", None), ("a_b_c", "integer", "path=a.b.c"), ("a_b_d", "text", "path=a.b.d"), ("a_e", "double precision", "path=a.e"),
        ("f", "jsonb", None), ("g", "jsonb", None), ("a_e_2", "integer", "path=a_e"), ("i", "jsonb", None), ("j", "jsonb", None), ("k", "jsonb", None),
        ("l", "jsonb", None)]
    assert pg.execute(f"SELECT a_b_c, a_b_d, a_e, a_e_2, i FROM {schema}.c").fetchone() == (1, "x", 2.5, 7, {"x.y": 1})
    pg.execute(f"UPDATE {schema}.c SET a_b_d = 'y', a_e_2 = 8")
    assert mongo.c.find_one() == {**NESTED, "a": {"b": {"c": 1, "d": "y"}, "e": 2.5}, "a_e": 8}


def test_without_flatten_documents_are_jsonb(pg, mongo, schema):
    mongo.command({"insert": "c", "documents": [NESTED]})
    imported(pg, mongo, schema)
    assert [c[:2] for c in columns(pg, schema, "c")][:2] == [("_id", "integer"), ("a", "jsonb")]


def test_a_field_that_is_not_always_a_document_is_not_flattened(pg, mongo, schema):
    mongo.c.insert_many([{"_id": 1, "a": {"b": 1}}, {"_id": 2, "a": 5}, {"_id": 3, "z": {"b": 1}}, {"_id": 4, "z": None}])
    imported(pg, mongo, schema, options="OPTIONS (flatten 'true')")
    assert [c[:2] for c in columns(pg, schema, "c")] == [("_id", "integer"), ("a", "jsonb"), ("z_b", "integer")]


HOSTILE = ["it's \"quoted\"", "'; DROP TABLE x; --", "UPPER and lower", "\u00fcn\u00efc\u00f6d\u00e9 \u20ac", "a\nb", "\\", "select", "ctid", "xmin", "x" * 100,
           "x" * 99 + "y", "\u20ac" * 30, " ", "%s%n", "{\"$gt\": 1}", "0"]


def test_hostile_names_of_fields(pg, mongo, schema):
    document = {"_id": 1, **{name: n for n, name in enumerate(HOSTILE)}}
    mongo.c.insert_one(document)
    imported(pg, mongo, schema)
    made = columns(pg, schema, "c")
    assert [c[0] for c in made[1:9]] == HOSTILE[:7] + ["ctid_"]
    names = [c[0] for c in made[1:]]
    assert len(set(names)) == len(HOSTILE) and all(len(name.encode()) <= 63 for name in names)
    row = pg.execute(f"SELECT * FROM {schema}.c").fetchone()
    assert row == (1, *range(len(HOSTILE)))
    columns_but_position = [n for n, name in enumerate(HOSTILE) if name != "0"]
    for n in columns_but_position:
        pg.execute(sql.SQL("UPDATE {}.c SET {} = {}").format(sql.Identifier(schema), sql.Identifier(names[n]), sql.Literal(n + 100)))
    assert mongo.c.find_one() == {"_id": 1, **{name: n + 100 if name != "0" else n for n, name in enumerate(HOSTILE)}}


def test_names_that_no_path_can_have_are_told(pg, mongo, schema):
    said = []
    pg.add_notice_handler(lambda d: said.append((d.sqlstate, d.message_primary)))
    mongo.c.insert_one({"_id": 1, "ok": 1})
    mongo.command({"insert": "c", "documents": [{"_id": 2, "a.b": 1, "ok": 2}]})
    imported(pg, mongo, schema)
    assert [c[0] for c in columns(pg, schema, "c")] == ["_id", "ok"]
    assert said == [("01000", f'some fields of collection "{mongo.name}.c" have no column')]


def test_hostile_names_of_collections(pg, mongo, schema):
    names = ["it's \"quoted\"", "'; DROP TABLE x; --", "UPPER", "a.b.c", "\u00fc" * 40, "select"]
    for name in names:
        mongo[name].insert_one({"_id": 1})
    tables = imported(pg, mongo, schema)
    assert len(tables) == len(names) and "\u00fc" * 31 in tables
    for table in tables:
        assert pg.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, table))).fetchall() == [(1,)]


def test_collections_whose_names_are_cut_alike(pg, mongo, schema):
    for end in "abc":
        mongo["x" * 70 + end].insert_one({"_id": end})
    assert imported(pg, mongo, schema) == sorted(["x" * 63, "x" * 61 + "_2", "x" * 61 + "_3"])
    assert [pg.execute(f'SELECT * FROM {schema}."{"x" * n}"').fetchone() for n in (63,)] == [("a",)]
    assert pg.execute(f'SELECT * FROM {schema}."{"x" * 61}_3"').fetchone() == ("c",)


def test_limit_to_and_except(pg, mongo, schema):
    for name in "abc":
        mongo[name].insert_one({"_id": name})
    assert imported(pg, mongo, schema, "LIMIT TO (a, c)") == ["a", "c"]
    pg.execute(f"DROP FOREIGN TABLE {schema}.a, {schema}.c")
    assert imported(pg, mongo, schema, "EXCEPT (a, nothing)") == ["b", "c"]
    fails(pg, f"IMPORT FOREIGN SCHEMA {mongo.name} LIMIT TO (a, d) FROM SERVER {server(pg, HOSTS)} INTO {schema}", "HV00R",
          f'collection "{mongo.name}.d" does not exist')


def test_only_what_is_asked_for_is_read(pg, mongo, schema, proxy):
    for name in "abc":
        mongo[name].insert_one({"_id": name})
    imported(pg, mongo, schema, "LIMIT TO (b)", hosts=proxy.host)
    assert proxy.seen.count("find") == 1


def test_an_empty_collection_has_an_id(pg, mongo, schema):
    mongo.create_collection("nothing")
    imported(pg, mongo, schema)
    assert columns(pg, schema, "nothing") == [("_id", "text", None, "the collection has no documents")]
    assert pg.execute(f"SELECT * FROM {schema}.nothing").fetchall() == []
    assert len(pg.execute(f"INSERT INTO {schema}.nothing VALUES (NULL) RETURNING _id").fetchone()[0]) == 24


def test_a_view_is_read_only(pg, schema):
    """Scripted, as not every server of the tests has views."""
    names = {"cursor": {"id": bson.Int64(0), "ns": "d.$cmd.listCollections", "firstBatch": [
        {"name": "v", "type": "view"}, {"name": "system.views", "type": "collection"}]}, "ok": 1.0}
    hostile = HostileServer({"listCollections": names, "find": result(bson.encode({"_id": 1, "n": 2}))})
    try:
        pg.execute(f"IMPORT FOREIGN SCHEMA d FROM SERVER {server(pg, hostile.host)} INTO {schema}")
        assert pg.execute("SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace", [schema]).fetchall() == [("v",)]
        assert pg.execute(f"SELECT * FROM {schema}.v").fetchall() == [(1, 2)]
        assert pg.execute("SELECT obj_description(%s::regclass)", [f"{schema}.v"]).fetchone() == ("view d.v, 1 document",)
        fails(pg, f"DELETE FROM {schema}.v", "55000")
    finally:
        hostile.close()


@pytest.mark.parametrize("statement, sqlstate, said", [
    ("IMPORT FOREIGN SCHEMA reconcile_no_such FROM SERVER {0} INTO {1}", "HV00Q", 'database "reconcile_no_such"'),
    ("IMPORT FOREIGN SCHEMA {2} FROM SERVER {0} INTO {1} OPTIONS (sample '5')", "HV00D", '"sample_size"'),
    ("IMPORT FOREIGN SCHEMA {2} FROM SERVER {0} INTO {1} OPTIONS (sample_size '-1')", "22023", "0 for all"),
    ("IMPORT FOREIGN SCHEMA {2} FROM SERVER {0} INTO {1} OPTIONS (flatten 'perhaps')", "22023", "true or false"),
    ("IMPORT FOREIGN SCHEMA \"a.b\" FROM SERVER {0} INTO {1}", "42602", '"a.b"'),
    ("IMPORT FOREIGN SCHEMA {2} FROM SERVER {0} INTO nowhere", "3F000", "nowhere"),
])
def test_what_is_refused(pg, mongo, schema, statement, sqlstate, said):
    mongo.c.insert_one({"_id": 1})
    fails(pg, statement.format(server(pg, HOSTS), schema, mongo.name), sqlstate, said)
    assert pg.execute("SELECT count(*) FROM pg_class WHERE relnamespace = %s::regnamespace", [schema]).fetchone() == (0,)


def test_a_table_that_is_there_ends_it_and_nothing_is_made(pg, mongo, schema):
    for name in "abc":
        mongo[name].insert_one({"_id": name})
    pg.execute(f"CREATE TABLE {schema}.b ()")
    fails(pg, f"IMPORT FOREIGN SCHEMA {mongo.name} FROM SERVER {server(pg, HOSTS)} INTO {schema}", "42P07")
    assert pg.execute("SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace", [schema]).fetchall() == [("b",)]


def test_who_may_not_create_tables_imports_none(pg, mongo, schema):
    mongo.c.insert_one({"_id": 1})
    name = server(pg, HOSTS)
    pg.execute("CREATE ROLE reconcile_importer")
    try:
        for grant, sqlstate in (("GRANT USAGE ON SCHEMA {0} TO {2}", "42501"), ("GRANT CREATE ON SCHEMA {0} TO {2}", "42501"),
                                ("GRANT USAGE ON FOREIGN SERVER {1} TO {2}", "2F003")):
            pg.execute(grant.format(schema, name, "reconcile_importer"))
            with pytest.raises(psycopg.Error) as raised, pg.transaction():
                pg.execute("SET LOCAL ROLE reconcile_importer")
                pg.execute(f"IMPORT FOREIGN SCHEMA {mongo.name} FROM SERVER {name} INTO {schema}")
            assert raised.value.sqlstate == sqlstate, (grant, raised.value)
        pg.execute(f"CREATE USER MAPPING FOR reconcile_importer SERVER {name} OPTIONS (password_required 'false')")
        with pg.transaction():
            pg.execute("SET LOCAL ROLE reconcile_importer")
            pg.execute(f"IMPORT FOREIGN SCHEMA {mongo.name} FROM SERVER {name} INTO {schema}")
        assert pg.execute("SELECT relowner::regrole::text FROM pg_class WHERE oid = %s::regclass", [schema + ".c"]).fetchone() == ("reconcile_importer",)
    finally:
        pg.execute(f"DROP SCHEMA {schema} CASCADE")
        pg.execute("DROP OWNED BY reconcile_importer")
        pg.execute("DROP ROLE reconcile_importer")


def test_data_that_are_names_do_not_become_columns(pg, mongo, schema):
    """A document per user as a field: beyond 1000 names a document stays one column, and memory stays bounded."""
    mongo.c.insert_many({"_id": n, "by_user": {f"user{n}_{m}": m for m in range(100)}} for n in range(30))
    imported(pg, mongo, schema, options="OPTIONS (flatten 'true')")
    assert [c[:2] for c in columns(pg, schema, "c")] == [("_id", "integer"), ("by_user", "jsonb")]


def test_memory_does_not_grow_with_the_documents(pg, mongo, schema):
    mongo.c.insert_many({"_id": n, "v": "x" * 1000} for n in range(20000))
    status = f"/proc/{pg.info.backend_pid}/status"

    def peak():
        return next(int(line.split()[1]) for line in open(status) if line.startswith("VmHWM"))
    pg.execute(f"SELECT 1; IMPORT FOREIGN SCHEMA {mongo.name} FROM SERVER {server(pg, HOSTS)} INTO {schema} OPTIONS (sample_size '1000')")
    before = peak()
    pg.execute(f"DROP FOREIGN TABLE {schema}.c")
    imported(pg, mongo, schema)
    assert peak() - before < 16 * 1024


def test_a_large_import_tells_how_far_it_is(pg, schema):
    many = b"".join(b"\x03%d\0" % n + document(b"\x10v\0" + struct.pack("<i", n)) for n in range(10000))
    left = iter(range(100, -1, -1))

    def batch(name, more):
        cursor = b"\x04" + name + b"\0" + document(many) + b"\x12id\0" + struct.pack("<q", more) + b"\x02ns\0" + string(b"d.c")
        return document(b"\x03cursor\0" + document(cursor) + b"\x01ok\0" + struct.pack("<d", 1))

    names = {"cursor": {"id": bson.Int64(0), "ns": "d.$cmd.listCollections", "firstBatch": [{"name": "c", "type": "collection"}]}, "ok": 1.0}
    one = HostileServer({"listCollections": names, "find": batch(b"firstBatch", 7), "getMore": lambda: batch(b"nextBatch", next(left))})
    said = []
    pg.add_notice_handler(lambda d: said.append((d.severity, d.message_primary)))
    try:
        pg.execute(f"IMPORT FOREIGN SCHEMA d FROM SERVER {server(pg, one.host)} INTO {schema}")
    finally:
        one.close()
    assert said == [("NOTICE", 'looked at 1000000 documents of collection "d.c"')]
    assert columns(pg, schema, "c") == [("v", "integer", None, "in 1020000 of 1020000 documents (100 %): int 1020000")]
