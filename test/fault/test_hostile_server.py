"""Answers that no MongoDB gives. The driver aborts its process on some of them; here each must end in an error, and the
session must go on: whoever may create a server must not be able to end everybody's."""
import random
import struct

import bson
import psycopg
import pytest

from hostile_server import OP_COMPRESSED, OP_MSG, OP_REPLY, HostileServer, document, message, result, string
from test_fdw import UPSERT, closed_port, database, fails, insert, pg, server, table  # noqa: F401 (fixtures)

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
    return table(pg, server(pg, host, socket_timeout="2s"), "c", columns=columns, key="k")


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


def more(next, id=0):
    """A first batch of one document, of which the server has more, and what it answers to the request for that."""
    first = {"cursor": {"firstBatch": [{"k": "x"}], "id": bson.Int64(7), "ns": "d.c"}, "ok": 1.0}
    if isinstance(next, list):
        next = {"cursor": {"nextBatch": next, "id": bson.Int64(id), "ns": "d.c"}, "ok": 1.0}
    return {"find": first, "getMore": next}


def other_number(answer):
    """The answer to a request that was not made."""
    sound = message(OP_MSG, bytes(5) + bson.encode(answer))
    return lambda request: sound(request + 1)


@pytest.mark.parametrize("answer", {
    "document of four bytes": [{"k": "y"}, 5], "no cursor": {"ok": 1.0}, "nothing": {}, "first batch again": more([])["find"],
    "no number of a cursor": {"cursor": {"nextBatch": [], "ns": "d.c"}, "ok": 1.0},
    "number of another request": other_number({"cursor": {"nextBatch": [], "id": bson.Int64(0), "ns": "d.c"}, "ok": 1.0}),
    "negative length": message(OP_MSG, bytes(10), -5), "unknown kind": message(77, bytes(5) + document(b"")),
}.items(), ids=lambda case: case[0])
def test_what_is_no_further_batch_is_an_error(pg, hostile, answer):
    name = reader(pg, hostile(more(answer[1])))
    pid = pg.info.backend_pid
    fails(pg, f"SELECT * FROM {name}", DAMAGED)
    assert pg.execute("SELECT pg_backend_pid()").fetchone() == (pid,)


def test_a_refused_batch_is_an_error(pg, hostile):
    name = reader(pg, hostile(more({"ok": 0.0, "code": 43, "errmsg": "cursor id 7 not found"})))
    fails(pg, f"SELECT * FROM {name}", "24000", "MongoDB reports: cursor id 7 not found.")


@pytest.mark.parametrize("sessions", [True, False])
def test_a_result_is_read_to_its_end_in_one_session(pg, sessions):
    one = HostileServer(more([{"k": "y"}]), {"logicalSessionTimeoutMinutes": 30} if sessions else None)
    try:
        name = table(pg, server(pg, one.host, read_concern="majority"), "c", columns="k text", key="k", batch_size="17")
        assert pg.execute(f"SELECT k FROM {name}").fetchall() == [("x",), ("y",)]
        find, next = (bson.decode(parts[0]) for parts in one.received)
        assert find["find"] == "c" and find["batchSize"] == 17 and find["readConcern"] == {"level": "majority"}
        assert (next["getMore"], next["collection"], next["batchSize"], next["$db"]) == (7, "c", 17, find["$db"])
        assert ("lsid" in find) == sessions and find.get("lsid") == next.get("lsid")
    finally:
        one.close()


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


CHANCE = random.Random(1)
VALUES = {"a": [1, 2.5, "x", None, bson.Int64(5), bson.Binary(b"abc"), bson.Decimal128("1.5"), bson.Regex("a"),
                bson.Code("a", {"b": 1}), bson.Timestamp(1, 2), True, {"deep": [{}]}]}


def damaged():
    """A sound answer to find in which some bytes are others."""
    answer = bytearray(bson.encode({"cursor": {"firstBatch": [{"_id": bson.ObjectId(), "k": VALUES}] * 5, **NO_BATCH}, "ok": 1.0}))
    for _ in range(CHANCE.choice((1, 1, 2, 5, 20))):
        answer[CHANCE.randrange(4, len(answer))] = CHANCE.choice((0, 1, 2, 3, 4, 5, 127, 128, 255, CHANCE.randrange(256)))
    return bytes(answer)


def survives(pg, statements, times):
    """Each ends well or with an error that has a name, in one and the same backend; returns how many ended well."""
    pid, well = pg.info.backend_pid, 0
    for i in range(times):
        try:
            pg.execute(statements[i % len(statements)])
            well += 1
        except psycopg.Error as error:
            assert error.sqlstate not in (None, "XX000"), error
    assert pg.execute("SELECT pg_backend_pid()").fetchone() == (pid,)
    return well


def test_a_thousand_damaged_answers(pg, hostile):
    where = server(pg, hostile({"find": damaged}), socket_timeout="500ms")
    names = [table(pg, where, "c", columns=columns) for columns in (
        "_id text, k text", "k jsonb", "d jsonb OPTIONS (path '')",
        "a bytea OPTIONS (path 'k.a.5'), b text OPTIONS (path 'k.a.2'), c numeric OPTIONS (path 'k.a.6')")]
    assert survives(pg, [f"SELECT * FROM {name}" for name in names], 1000) > 100


def test_a_thousand_damaged_answers_to_what_writes(pg, hostile):
    names = {"cursor": {"id": bson.Int64(0), "ns": "d.$cmd.listCollections", "firstBatch": [{"name": "c"}]}, "ok": 1.0}
    where = server(pg, hostile({"find": damaged, "listCollections": names, "update": {"n": 5, "nModified": 5, "ok": 1.0},
                                "delete": {"n": 5, "ok": 1.0}}), socket_timeout="500ms")
    name = table(pg, where, "c", columns="_id text, k jsonb, a jsonb[] OPTIONS (path 'k.a'), n int", key="k", on_mismatch="null")
    pg.execute("CREATE SCHEMA damaged")
    try:
        assert survives(pg, [
            f"UPDATE {name} SET n = 1 WHERE a IS NULL OR a IS NOT NULL", f"DELETE FROM {name} WHERE k IS NOT NULL",
            f"UPDATE {name} SET n = 1 RETURNING *", f"DELETE FROM {name} RETURNING *",
            "DROP FOREIGN TABLE IF EXISTS damaged.c", f"IMPORT FOREIGN SCHEMA d FROM SERVER {where} INTO damaged",
            "DROP FOREIGN TABLE IF EXISTS damaged.c", f"IMPORT FOREIGN SCHEMA d FROM SERVER {where} INTO damaged OPTIONS (flatten 'true')"],
            1000) > 300
    finally:
        pg.execute("DROP SCHEMA damaged CASCADE")


@pytest.mark.parametrize("command, statement", [("update", "UPDATE {} SET n = 1"), ("delete", "DELETE FROM {}")])
@pytest.mark.parametrize("answer, sqlstate", [
    ({"n": 1, "nModified": 1, "ok": 1.0}, None), ({"n": 0, "nModified": 0, "ok": 1.0}, None), ({"n": 7, "nModified": 7, "ok": 1.0}, DAMAGED),
    ({"n": 0, "writeErrors": [{"index": 0, "code": 121, "errmsg": "x"}], "ok": 1.0}, "23514"),
    ({"n": 0, "writeErrors": [{"index": 9, "code": 121, "errmsg": "x"}], "ok": 1.0}, DAMAGED),
    ({"n": 0, "writeErrors": 5, "ok": 1.0}, "08007"), ({"n": 1, "writeConcernError": {"code": 64, "errmsg": "x"}, "ok": 1.0}, "08007"),
    ({"ok": 0.0, "code": 13, "errmsg": "x"}, "42501"), ({"ok": 0.0, "code": 10107, "errmsg": "x"}, "57P03"), ({"n": "x", "ok": 1.0}, "08007"),
    ({"ok": 1.0}, "08007"), ({}, "08007")], ids=str)
def test_what_answers_to_changes_mean(pg, hostile, command, statement, answer, sqlstate):
    one = document(b"\x02_id\0" + string(b"x") + b"\x02k\0" + string(b"x"))
    name = reader(pg, hostile({"find": result(one), command: answer}), columns="k text, n int")
    if sqlstate is None:
        assert pg.execute(statement.format(name)).rowcount == answer["n"]
    else:
        fails(pg, statement.format(name), sqlstate)


def test_the_first_host_of_a_replica_set_may_be_down(pg, hostile):
    down = f"127.0.0.1:{closed_port()}"
    hello = {"setName": "rs0", "isWritablePrimary": True, "ismaster": True}
    primary = HostileServer({"insert": {"n": 1, "ok": 1.0}, "find": result(ONE)}, hello)
    primary.hello.update({"hosts": [down, primary.host], "me": primary.host, "primary": primary.host})
    try:
        name = table(pg, server(pg, f"{down},{primary.host}", replica_set="rs0"), "c", columns="k text", key="k")
        assert pg.execute(f"SELECT k FROM {name}").fetchall() == [("x",)]
        assert pg.execute(f"INSERT INTO {name} VALUES ('y')").rowcount == 1
    finally:
        primary.close()
