"""Servers that cannot be talked to as asked: an error that says why, and never an empty table."""
import os
import pathlib
import shutil

import bson
import pytest

from hostile_server import HostileServer, document, result, string
from mongo_tls_proxy import opened
from test_fdw import HOSTS, collection, database, fails, pg, server, table  # noqa: F401 (fixtures)

ONE = document(b"\x02k\0" + string(b"x"))


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    """A server that wants TLS: its port, and its authority where the PostgreSQL server may read it."""
    port, authority = opened(tmp_path_factory.mktemp("door"))
    readable = pathlib.Path(os.environ["PGHOST"]) / "authority.pem"
    shutil.copy(authority, readable)
    readable.chmod(0o644)
    yield port, readable
    readable.unlink()


def test_tls_with_the_right_authority(pg, collection, door):
    collection.insert_one({"k": "x"})
    name = table(pg, server(pg, f"localhost:{door[0]}", tls="true", tls_ca_file=str(door[1])), collection, columns="k text")
    assert pg.execute(f"SELECT k FROM {name}").fetchall() == [("x",)]


@pytest.mark.parametrize("statement", ["SELECT * FROM {}", "INSERT INTO {} VALUES ('y')"])
@pytest.mark.parametrize("host, options, said", [
    ("localhost", {"tls": "true"}, "certificate verify failed"), ("127.0.0.1", {"tls": "true", "tls_ca_file": ""}, ""), ("localhost", {"connect_timeout": "2s"}, "")],
    ids=["an authority nobody knows", "a name that is not in the certificate", "no TLS where it is wanted"])
def test_tls_that_fails_is_08001(pg, collection, door, host, options, said, statement):
    if "tls_ca_file" in options:
        options = {**options, "tls_ca_file": str(door[1])}
    name = table(pg, server(pg, f"{host}:{door[0]}", **{"connect_timeout": "30s", **options}), collection, columns="k text")
    fails(pg, statement.format(name), "08001", said)
    assert collection.count_documents({}) == 0


def test_tls_that_the_server_does_not_speak_is_08001(pg, collection):
    collection.insert_one({"k": "x"})
    fails(pg, f"SELECT * FROM {table(pg, server(pg, HOSTS, tls='true', connect_timeout='2s'), collection, columns='k text')}", "08001")


def test_a_user_is_looked_for_where_auth_source_says(pg):
    """In a wrong database he is not found, which is no empty table."""
    refusal = {"ok": 0.0, "code": 18, "errmsg": "Authentication failed."}
    one = HostileServer({"saslStart": refusal, "find": result(ONE)}, {"saslSupportedMechs": ["SCRAM-SHA-256"]})
    try:
        name = server(pg, one.host, auth_source="wrong")
        pg.execute(f"CREATE USER MAPPING FOR CURRENT_USER SERVER {name} OPTIONS (username 'u', password 'hidden word')")
        said = fails(pg, f"SELECT * FROM {table(pg, name, 'c', columns='k text')}", "28P01", "auth_source")
        assert "hidden word" not in str(said.message_primary) + str(said.message_detail) + str(said.message_hint)
        asked = [bson.decode(parts[0]) for parts in one.received]
        assert [(a["$db"], a["mechanism"]) for a in asked if "saslStart" in a] == [("wrong", "SCRAM-SHA-256")]
        assert not any("find" in a for a in asked)
    finally:
        one.close()
