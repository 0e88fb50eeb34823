"""Answers that no MongoDB gives. The driver aborts its process on some of them; here each must end in an error, and the
session must go on: whoever may create a server must not be able to end everybody's."""
import random
import struct

import bson
import psycopg
import pytest

from hostile_server import OP_COMPRESSED, OP_MSG, OP_REPLY, HostileServer, document, message, result, string
from test_fdw import UPSERT, database, fails, insert, pg, server, table  # noqa: F401 (fixtures)

DAMAGED = "08P01"
NO_BATCH = {"id": bson.Int64(0), "ns": "d.c"}
ONE = document(b"\x02k\0" + string(b"x"))


@pytest.fixture
def hostile():
    """Makes servers that end with the test."""
    servers = []

    def make(answers, hello=None):
        servers.append(HostileServer(answers, hello))
        return servers[-1].host
    yield make
    for one in servers:
        one.close()


def reader(pg, host, columns="k text"):
    return table(pg, server(pg, host, socket_timeout="500ms"), "c", columns=columns, key="k")


@pytest.mark.parametrize("answer", {
    "document of four bytes": result(struct.pack("<i", 4) + ONE[4:]),
    "document of negative length": result(struct.pack("<i", -7) + ONE[4:]),
    "document longer than its batch": result(struct.pack("<i", 1000000) + ONE[4:]),
    "collection without database": {"cursor": {"firstBatch": [], "id": bson.Int64(7), "ns": "%s%n"}, "ok": 1.0},
    "collection of no name": {"cursor": {"firstBatch": [], "id": bson.Int64(7), "ns": "d."}, "ok": 1.0},
    "batch of numbers": {"cursor": {"firstBatch": [1, "x"], **NO_BATCH}, "ok": 1.0},
    "batch that is none": {"cursor": {"firstBatch": 3, **NO_BATCH}, "ok": 1.0},
    "cursor that is none": {"cursor": 3, "ok": 1.0},
    "cursor of no number": {"cursor": {"firstBatch": [], "id": "x", "ns": "d.c"}, "ok": 1.0},
    "nothing": {},
    "length 0": message(OP_MSG, bytes(10), 0),
    "negative length": message(OP_MSG, bytes(10), -5),
    "two gigabytes": message(OP_MSG, bytes(10), 2**31 - 1),
    "header alone": message(OP_MSG, b""),
    "no section": message(OP_MSG, bytes(4)),
    "no document": message(OP_MSG, bytes(5)),
    "short document": message(OP_MSG, bytes(5) + b"\xff\0\0\0\0"),
    "two documents": message(OP_MSG, bytes(5) + document(b"") + b"\0" + document(b"")),
    "unknown section": message(OP_MSG, bytes(4) + b"\7" + document(b"")),
    "unknown kind": message(77, bytes(5) + document(b"")),
    "legacy kind": message(OP_REPLY, struct.pack("<iqii", 0, 0, 0, 1) + document(b"")),
    "compressed to a negative length": message(OP_COMPRESSED, struct.pack("<iiB", OP_MSG, -1000, 2) + bytes(5)),
    "compressed to two gigabytes": message(OP_COMPRESSED, struct.pack("<iiB", OP_MSG, 2**31 - 1, 2) + bytes(5)),
}.items(), ids=lambda case: case[0])
def test_what_is_no_answer_is_an_error(pg, hostile, answer):
    name = reader(pg, hostile({"find": answer[1]}))
    pid = pg.info.backend_pid
    fails(pg, f"SELECT * FROM {name}", DAMAGED)
    assert pg.execute("SELECT pg_backend_pid()").fetchone() == (pid,)


@pytest.mark.parametrize("case", {
    "string of negative length": (b"\x02k\0" + struct.pack("<i", -1) + b"x\0", "22P03"),
    "string without end": (b"\x02k\0" + struct.pack("<i", 2) + b"xy", "22P03"),
    "unknown type": (b"\x44k\0" + string(b"x"), "22P03"),
    "no UTF-8": (b"\x02k\0" + string(b"a\xff"), "22021"),
    "zero byte": (b"\x02k\0" + string(b"a\0b"), "22021"),
    "very deep": (b"\x03k\0" + b"".join(struct.pack("<i", 8 * n + 5) + b"\x03d\0" for n in range(100000, 0, -1))
                  + document(b"") + bytes(100000), "54001"),
}.items(), ids=lambda case: case[0])
def test_damaged_values_are_errors(pg, hostile, case):
    fields, sqlstate = case[1]
    fails(pg, f"SELECT * FROM {reader(pg, hostile({'find': result(document(fields))}), columns='k jsonb')}", sqlstate)


def test_a_reason_that_is_no_text_is_shown_as_far_as_it_is(pg, hostile):
    reason = b"\x02errmsg\0" + string(b"a\xffb %s %n") + b"\x10code\0" + struct.pack("<i", 13)
    name = reader(pg, hostile({"find": document(b"\x01ok\0" + bytes(8) + reason)}))
    pg.execute("SET client_encoding = 'SQL_ASCII'")
    with pytest.raises(psycopg.Error) as raised:
        pg.execute(f"SELECT * FROM {name}")
    assert raised.value.pgresult.error_field(psycopg.pq.DiagnosticField.MESSAGE_DETAIL) == \
        b"MongoDB reports: a?b %s %n."


@pytest.mark.parametrize("command", ["insert", "update"])
@pytest.mark.parametrize("answer", [
    {"n": 3, "writeErrors": 5, "ok": 1.0}, {"n": 3, "writeErrors": [5], "ok": 1.0}, {"n": 3, "upserted": 5, "ok": 1.0},
    {"n": 3, "writeErrors": [{"index": 99, "code": 1, "errmsg": "x"}], "ok": 1.0},
    {"n": 3, "writeErrors": [{"index": -1, "code": 1, "errmsg": "x"}], "ok": 1.0},
    {"n": 3, "writeConcernError": 5, "ok": 1.0}, {"n": 2, "ok": 1.0}, {"n": "x", "ok": 1.0}, {"ok": 1.0}, {}])
def test_what_does_not_say_what_was_written_is_an_error(pg, hostile, command, answer):
    name = reader(pg, hostile({command: answer}), columns="k text, n int")
    with pytest.raises(psycopg.Error) as raised:
        pg.execute(insert(name, 3, UPSERT if command == "update" else ""))
    assert raised.value.sqlstate in ("08007", DAMAGED)


@pytest.mark.parametrize("hello", [
    {"maxBsonObjectSize": 0, "maxMessageSizeBytes": 0, "maxWriteBatchSize": 0},
    {"maxBsonObjectSize": -1, "maxMessageSizeBytes": -1, "maxWriteBatchSize": -1},
    {"maxBsonObjectSize": "x", "maxWireVersion": "y"}, {"maxWireVersion": -1}, {"setName": "x", "hosts": [5, "%s%n"]},
    {"compression": ["zlib", 5]}, {"saslSupportedMechs": 5, "speculativeAuthenticate": 7}, {"$clusterTime": 5}])
def test_a_strange_greeting_ends_nothing(pg, hostile, hello):
    name = reader(pg, hostile({"find": result(ONE)}, hello), columns="k text, n int")
    pid = pg.info.backend_pid
    for statement in (f"SELECT * FROM {name}", insert(name, 3), insert(name, 3, UPSERT)):
        try:
            pg.execute(statement)
        except psycopg.Error as error:
            assert error.sqlstate is not None, error
    assert pg.execute("SELECT pg_backend_pid()").fetchone() == (pid,)


def test_a_thousand_damaged_answers(pg, hostile):
    chance = random.Random(1)
    values = {"a": [1, 2.5, "x", None, bson.Int64(5), bson.Binary(b"abc"), bson.Decimal128("1.5"), bson.Regex("a"),
                    bson.Code("a", {"b": 1}), bson.Timestamp(1, 2), True, {"deep": [{}]}]}
    sound = bson.encode({"cursor": {"firstBatch": [{"_id": bson.ObjectId(), "k": values}] * 5, **NO_BATCH}, "ok": 1.0})

    def damaged():
        answer = bytearray(sound)
        for _ in range(chance.choice((1, 1, 2, 5, 20))):
            answer[chance.randrange(4, len(answer))] = chance.choice((0, 1, 2, 3, 4, 5, 127, 128, 255, chance.randrange(256)))
        return bytes(answer)
    where = server(pg, hostile({"find": damaged}), socket_timeout="500ms")
    names = [table(pg, where, "c", columns=columns) for columns in (
        "_id text, k text", "k jsonb", "d jsonb OPTIONS (path '')",
        "a bytea OPTIONS (path 'k.a.5'), b text OPTIONS (path 'k.a.2'), c numeric OPTIONS (path 'k.a.6')")]
    pid = pg.info.backend_pid
    for i in range(1000):
        try:
            pg.execute(f"SELECT * FROM {names[i % len(names)]}")
        except psycopg.Error as error:
            assert error.sqlstate not in (None, "XX000"), error
    assert pg.execute("SELECT pg_backend_pid()").fetchone() == (pid,)
