"""Documents that test servers do not store, or that no driver would send: what becomes of them, and what is sent back."""
import datetime
import struct

import bson
import psycopg
import pytest

from hostile_server import HostileServer, document, result, string
from test_fdw import HOSTS, collection, database, fails, pg, server, table  # noqa: F401 (fixtures)

ID = b"\x10_id\0" + struct.pack("<i", 7)


@pytest.fixture
def scripted(pg):
    """Makes a table on a server that answers every find with one document, and takes every insert."""
    servers = []

    def make(raw, columns, **options):
        servers.append(HostileServer({"find": result(raw), "insert": {"n": 1, "ok": 1.0}, "update": {"n": 1, "nModified": 1, "ok": 1.0}}))
        return servers[-1], table(pg, server(pg, servers[-1].host, socket_timeout="5s"), "c", columns=columns, key="id", **options)
    yield make
    for one in servers:
        one.close()


def element(code, payload):
    return bytes([code]) + b"v\0" + payload


def binary(subtype, payload):
    return element(5, struct.pack("<iB", len(payload), subtype) + payload)


INNER = document(b"\x10a\0" + struct.pack("<i", 1))
SCOPE = string(b"f()") + INNER
DECIMALS = {"1.10": "1.10", "1E+3": "1E+3", "NaN": "NaN", "Infinity": "Infinity", "-Infinity": "-Infinity", "-0": "-0",
            "9.999999999999999999999999999999999E+6144": "9.999999999999999999999999999999999E+6144"}

# Every type that BSON has: the bytes, and what jsonb shows of them.
VALUES = {
    "double": (element(1, struct.pack("<d", 0.1)), "0.1"),
    "double -0.0": (element(1, struct.pack("<d", -0.0)), '{"$numberDouble": "-0.0"}'),
    "double NaN": (element(1, struct.pack("<d", float("nan"))), '{"$numberDouble": "NaN"}'),
    "double Infinity": (element(1, struct.pack("<d", float("inf"))), '{"$numberDouble": "Infinity"}'),
    "double 5e-324": (element(1, struct.pack("<d", 5e-324)), "0." + "0" * 323 + "5"),
    "string": (element(2, string("\u00e4\u20ac".encode())), '"\u00e4\u20ac"'),
    "empty string": (element(2, string(b"")), '""'),
    "object": (element(3, INNER), '{"a": 1}'),
    "empty object": (element(3, document(b"")), "{}"),
    "array": (element(4, document(b"\x100\0" + struct.pack("<i", 1) + b"\x0a1\0")), "[1, null]"),
    "empty array": (element(4, document(b"")), "[]"),
    **{f"binData {n}": (binary(n, b"\0\1\2"), f'{{"$binary": {{"base64": "AAEC", "subType": "{n:02x}"}}}}') for n in (0, 1, 5, 6, 7, 128, 255)},
    "uuid": (binary(4, bytes(range(16))), '{"$binary": {"base64": "AAECAwQFBgcICQoLDA0ODw==", "subType": "04"}}'),
    "undefined": (element(6, b""), '{"$undefined": true}'),
    "objectId": (element(7, bytes(range(12))), '{"$oid": "000102030405060708090a0b"}'),
    "bool": (element(8, b"\1"), "true"),
    "date": (element(9, struct.pack("<q", 1769854830123)), '{"$date": "2026-01-31T10:20:30.123Z"}'),
    "date before 1970": (element(9, struct.pack("<q", -1)), '{"$date": {"$numberLong": "-1"}}'),
    "date beyond PostgreSQL": (element(9, struct.pack("<q", 2**63 - 1)), '{"$date": {"$numberLong": "9223372036854775807"}}'),
    "null": (element(10, b""), "null"),
    "regex": (element(11, b"^a\0i\0"), '{"$regularExpression": {"options": "i", "pattern": "^a"}}'),
    "dbPointer": (element(12, string(b"d.c") + bytes(range(12))), '{"$dbPointer": {"$id": {"$oid": "000102030405060708090a0b"}, "$ref": "d.c"}}'),
    "javascript": (element(13, string(b"f()")), '{"$code": "f()"}'),
    "symbol": (element(14, string(b"s")), '{"$symbol": "s"}'),
    "javascriptWithScope": (element(15, struct.pack("<i", 4 + len(SCOPE)) + SCOPE), '{"$code": "f()", "$scope": {"a": 1}}'),
    "int": (element(16, struct.pack("<i", -5)), "-5"),
    "timestamp": (element(17, struct.pack("<II", 8, 7)), '{"$timestamp": {"i": 8, "t": 7}}'),
    "long": (element(18, struct.pack("<q", 2**53 + 1)), "9007199254740993"),
    **{f"decimal {k}": (element(19, bson.Decimal128(k).bid), f'{{"$numberDecimal": "{v}"}}') for k, v in DECIMALS.items()},
    "minKey": (element(255, b""), '{"$minKey": 1}'),
    "maxKey": (element(127, b""), '{"$maxKey": 1}'),
}


@pytest.mark.parametrize("case", VALUES.items(), ids=lambda case: case[0])
def test_every_type_is_shown_and_comes_back_byte_by_byte(pg, scripted, case):
    raw, shown = document(ID + case[1][0]), case[1][1]
    hostile, name = scripted(raw, "id int OPTIONS (path '_id'), doc jsonb OPTIONS (path '')")
    assert pg.execute(f"SELECT (doc -> 'v')::text FROM {name}").fetchone() == (shown,)
    pg.execute(f"INSERT INTO {name} (doc) SELECT doc FROM {name}")
    sent = hostile.received[-1][-1]
    if case[0] == "double NaN":  # of many bit patterns, the driver writes one
        assert bson.decode(sent)["v"] != bson.decode(sent)["v"]
    else:
        assert sent == document(case[1][0] + ID)  # jsonb orders fields by the length of their names


@pytest.mark.parametrize("case", VALUES.items(), ids=lambda case: case[0])
@pytest.mark.parametrize("type", ["text", "integer", "numeric", "boolean", "timestamptz", "uuid", "bytea", "text[]", "jsonb[]", "double precision"])
def test_every_type_in_every_column_is_a_value_or_an_error_that_names_it(pg, scripted, case, type):
    _, name = scripted(document(ID + case[1][0]), f"v {type}, id int OPTIONS (path '_id')")
    with pg.cursor() as cursor:
        try:
            rows = cursor.execute(f"SELECT v FROM {name}").fetchall()
            assert len(rows) == 1
            assert rows[0][0] is not None or case[0] in ("null", "undefined")
        except psycopg.Error as error:
            assert error.sqlstate in ("22018", "22003", "22008", "22001"), error
            assert 'field "v" of document 7 in collection' in str(error) and 'column "v"' in str(error)


def test_of_fields_with_one_name_the_first_is_a_column_and_the_last_jsonb(pg, scripted):
    raw = document(ID + element(2, string(b"first")) + element(2, string(b"last")))
    _, name = scripted(raw, "v text, doc jsonb OPTIONS (path ''), id int OPTIONS (path '_id')")
    assert pg.execute(f"SELECT v, doc ->> 'v' FROM {name}").fetchone() == ("first", "last")


NAMES = ["a.b", "$a", "$oid", "a$", ".", "..", " ", "\u00e4\u20ac", "a\nb", "a\"b", "a'b", "__proto__", "x" * 5000]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name[:10]))
def test_names_of_fields_come_back_as_they_were(pg, scripted, name):
    raw = document(ID + b"\x10" + name.encode() + b"\0" + struct.pack("<i", 1))
    hostile, foreign = scripted(raw, "id int OPTIONS (path '_id'), doc jsonb OPTIONS (path '')")
    assert pg.execute(f"SELECT doc FROM {foreign}").fetchone() == ({"_id": 7, name: 1},)
    pg.execute(f"INSERT INTO {foreign} (doc) SELECT doc FROM {foreign}")
    assert bson.decode(hostile.received[-1][-1]) == {"_id": 7, name: 1}


@pytest.mark.parametrize("name", ["a.b", "$a"])
def test_names_that_an_upsert_would_take_for_paths_are_refused(pg, scripted, name):
    hostile, foreign = scripted(document(ID), "id int OPTIONS (path '_id'), doc jsonb OPTIONS (path '')")
    fails(pg, f"INSERT INTO {foreign} VALUES (1, '{{\"{name}\": 1}}') ON CONFLICT DO NOTHING", "0A000", name)
    assert hostile.received == []


@pytest.mark.parametrize("raw, said", [(b"a\0b", "zero byte"), (b"a\xff", "not valid UTF-8"), (b"\xed\xa0\x80", "not valid UTF-8"), (b"\xc0\x80", "")])
def test_what_is_no_text_is_refused_and_can_be_read_around(pg, scripted, raw, said):
    for value in (element(2, string(raw)), element(3, document(b"\x02x\0" + string(raw)))):
        _, name = scripted(document(ID + value), "id int OPTIONS (path '_id'), v jsonb")
        fails(pg, f"SELECT v FROM {name}", "22021", said, "document 7")
        assert pg.execute(f"SELECT id FROM {name}").fetchone() == (7,)
        pg.execute(f"ALTER FOREIGN TABLE {name} OPTIONS (ADD on_mismatch 'null')")
        assert pg.execute(f"SELECT id, v FROM {name}").fetchone() == (7, None)


def deep(levels):
    raw = b"\x10d\0" + struct.pack("<i", 1)
    for _ in range(levels):
        raw = b"\x03d\0" + document(raw)
    return raw


@pytest.mark.parametrize("levels", [1, 99, 100, 200, 1000])
def test_depth(pg, scripted, levels):
    hostile, name = scripted(document(ID + deep(levels)), "id int OPTIONS (path '_id'), doc jsonb OPTIONS (path '')")
    assert pg.execute(f"SELECT doc #>> %s FROM {name}", [["d"] * (levels + 1)]).fetchone() == ("1",)
    try:
        pg.execute(f"INSERT INTO {name} (doc) SELECT doc FROM {name}")
        assert hostile.received[-1][-1] == document(deep(levels) + ID)
    except psycopg.Error as error:  # newer drivers have a limit, beyond that of every server
        assert error.sqlstate == "22023" and levels > 200


def test_arrays_of_200_depths(pg, scripted):
    raw = b"\x10" + b"0\0" + struct.pack("<i", 1)
    for _ in range(200):
        raw = b"\x040\0" + document(raw)
    _, name = scripted(document(ID + element(4, document(raw))), "id int OPTIONS (path '_id'), v jsonb, w int[] OPTIONS (path 'v')")
    assert pg.execute(f"SELECT v #>> %s FROM {name}", [["0"] * 201]).fetchone() == ("1",)
    fails(pg, f"SELECT w FROM {name}", "2202E", 'column "w"')


@pytest.mark.parametrize("bytes, sqlstate", [(16 * 1024 * 1024 - 100, None), (16 * 1024 * 1024 + 100, "54000")])
def test_documents_of_16_megabytes(pg, collection, bytes, sqlstate):
    name = table(pg, server(pg, HOSTS), collection, columns="_id int, k text, n int", key="_id")
    statement = f"INSERT INTO {name} VALUES (1, repeat('x', {bytes}), 1)"
    if sqlstate:
        fails(pg, statement, sqlstate)
        fails(pg, statement + " ON CONFLICT DO NOTHING", sqlstate)
        assert collection.count_documents({}) == 0
        return
    pg.execute(statement)
    assert pg.execute(f"SELECT length(k), n FROM {name}").fetchone() == (bytes, 1)
    pg.execute(f"UPDATE {name} SET n = 2 WHERE length(k) = {bytes}")
    assert pg.execute(f"SELECT n FROM {name}").fetchone() == (2,)
    pg.execute(f"UPDATE {name} SET k = k || '!'")
    assert pg.execute(f"SELECT length(k) FROM {name}").fetchone() == (bytes + 1,)
    assert pg.execute(f"DELETE FROM {name}").rowcount == 1


def test_two_to_the_53_and_one(pg, collection):
    name = table(pg, server(pg, HOSTS), collection, columns="_id int, n bigint, d numeric", key="_id")
    pg.execute(f"INSERT INTO {name} VALUES (1, 9007199254740993, 9007199254740993.5)")
    assert collection.find_one() == {"_id": 1, "n": 2**53 + 1, "d": bson.Decimal128("9007199254740993.5")}
    assert pg.execute(f"SELECT n, d::text FROM {name} WHERE n = 9007199254740993").fetchone() == (2**53 + 1, "9007199254740993.5")
    assert pg.execute(f"SELECT n FROM {name} WHERE n = 9007199254740992").fetchall() == []


def test_decimals_are_equal_as_values(pg, collection):
    collection.insert_many([{"_id": i, "d": bson.Decimal128(d)} for i, d in enumerate(("1.10", "1.1", "1E+3", "1000"))])
    name = table(pg, server(pg, HOSTS), collection, columns="_id int, d numeric")
    assert pg.execute(f"SELECT array_agg(_id ORDER BY _id) FROM {name} WHERE d = 1.1").fetchone() == ([0, 1],)
    assert pg.execute(f"SELECT array_agg(_id ORDER BY _id) FROM {name} WHERE d = 1000").fetchone() == ([2, 3],)


def test_four_states_of_a_field(pg, collection):
    collection.insert_many([{"_id": 1}, {"_id": 2, "v": None}, {"_id": 3, "v": ""}, {"_id": 4, "v": {}}])
    name = table(pg, server(pg, HOSTS), collection, columns="_id int, v jsonb, doc jsonb OPTIONS (path '')")
    assert pg.execute(f"SELECT _id, v::text, doc ? 'v', (doc -> 'v')::text FROM {name} ORDER BY _id").fetchall() == [
        (1, None, False, None), (2, None, True, "null"), (3, '""', True, '""'), (4, "{}", True, "{}")]


def test_a_field_of_one_document_in_many_is_seen(pg, collection):
    collection.insert_many({"_id": n, **({"late": n} if n == 10001 else {})} for n in range(10002))
    name = table(pg, server(pg, HOSTS), collection, columns="_id int, late int")
    assert pg.execute(f"SELECT _id FROM {name} WHERE late IS NOT NULL").fetchall() == [(10001,)]


def test_composite_keys_are_not_confused(pg, collection):
    name = table(pg, server(pg, HOSTS), collection, columns="a int, b int, n int", key="a, b")
    pg.execute(f"INSERT INTO {name} VALUES (1, 11, 1), (11, 1, 2) ON CONFLICT DO NOTHING")
    assert pg.execute(f"UPDATE {name} SET n = 9 WHERE a = 1 AND b = 11").rowcount == 1
    assert sorted((d["a"], d["b"], d["n"]) for d in collection.find()) == [(1, 11, 9), (11, 1, 2)]


def test_ids_of_two_types_are_two_documents(pg, collection):
    hex = "0123456789abcdef01234567"
    collection.insert_many([{"_id": bson.ObjectId(hex), "n": 1}, {"_id": hex, "n": 2}])
    name = table(pg, server(pg, HOSTS), collection, columns="_id text, n int", key="_id")
    assert pg.execute(f"SELECT n FROM {name} WHERE _id = '{hex}' ORDER BY n").fetchall() == [(1,), (2,)]
    assert pg.execute(f"UPDATE {name} SET n = n + 10 WHERE n = 1").rowcount == 1
    assert pg.execute(f"DELETE FROM {name} WHERE n = 2").rowcount == 1
    assert list(collection.find()) == [{"_id": bson.ObjectId(hex), "n": 11}]


def test_times_are_compared_to_the_millisecond(pg, collection):
    name = table(pg, server(pg, HOSTS), collection, columns="_id int, t timestamptz", key="_id")
    pg.execute("SET timezone = 'UTC'")
    pg.execute(f"INSERT INTO {name} VALUES (1, '2026-01-31 10:20:30.123456')")
    assert collection.find_one()["t"] == datetime.datetime(2026, 1, 31, 10, 20, 30, 123000)
    assert pg.execute(f"SELECT t = '2026-01-31 10:20:30.123+00' FROM {name}").fetchone() == (True,)


def test_one_bad_value_does_not_hide_the_others(pg, collection):
    """on_mismatch counts them; elements are never dropped silently."""
    collection.insert_many([{"_id": 1, "a": [1, 2]}, {"_id": 2, "a": 5}, {"_id": 3, "a": [1, "x"]}, {"_id": 4, "a": [[1], [2, 3]]}, {"_id": 5, "a": [None]}])
    said = []
    pg.add_notice_handler(lambda d: said.append(d.message_primary))
    name = table(pg, server(pg, HOSTS), collection, columns="_id int, a int[]", on_mismatch="null")
    assert pg.execute(f"SELECT _id, a FROM {name} ORDER BY _id").fetchall() == [(1, [1, 2]), (2, None), (3, None), (4, None), (5, [None])]
    where = f"collection \"{collection.database.name}.{collection.name}\""
    assert said == [f"3 values of {where} read as null"]
    pg.execute(f"ALTER FOREIGN TABLE {name} OPTIONS (SET on_mismatch 'skip')")
    assert pg.execute(f"SELECT _id FROM {name} WHERE a IS NOT NULL OR a IS NULL ORDER BY _id").fetchall() == [(1,), (5,)]
    assert said[1:] == [f"3 documents of {where} skipped"]
