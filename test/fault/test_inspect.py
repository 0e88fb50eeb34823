"""reconcile.mongo_check() and reconcile.mongo_collections(): what they say of servers that are well, ill, and none."""
import os

import bson
import psycopg
import pymongo
import pytest
from psycopg import sql

from hostile_server import HostileServer
from stopwatch import Stopwatch
from test_fdw import HOSTS, closed_port, collection, database, fails, needs_login, pg, proxy, server  # noqa: F401 (fixtures)

STEPS = ["user mapping", "host", "replica set", "tls", "login", "version", "database", "read", "write", "latency"]


def check(pg, name):
    """step: (state, detail, fix); 'host ...' as 'host'."""
    rows = pg.execute("SELECT step, state, detail, fix FROM reconcile.mongo_check(%s)", [name]).fetchall()
    return {step.split(" ")[0] if step.startswith("host ") else step: rest for step, *rest in rows}


def states(found):
    return [found[step][0] for step in STEPS]


def test_a_server_that_is_well(pg, proxy, collection):
    found = check(pg, server(pg, proxy.host, database=collection.database.name))
    assert list(found) == STEPS
    assert states(found) == ["ok", "ok", "ok", "ok", "not checked", "ok", "ok", "ok", "not checked", "ok"], found
    assert "stands alone" in found["host"][1]
    assert not {"insert", "update", "delete", "drop", "create"} & set(proxy.seen)


@needs_login
def test_a_user_is_named_and_the_password_is_not(pg, collection):
    name = server(pg, os.environ["MONGO_AUTH_HOSTS"], database=collection.database.name)
    pg.execute(sql.SQL("CREATE USER MAPPING FOR CURRENT_USER SERVER {} OPTIONS (username {}, password {})").format(
        sql.Identifier(name), sql.Literal(os.environ["MONGO_AUTH_USER"]), sql.Literal(os.environ["MONGO_AUTH_PASSWORD"])))
    found = check(pg, name)
    assert found["login"][:2] == ["ok", f'as "{os.environ["MONGO_AUTH_USER"]}"']
    assert os.environ["MONGO_AUTH_PASSWORD"] not in str(found)


@needs_login
def test_a_wrong_password(pg):
    name = server(pg, os.environ["MONGO_AUTH_HOSTS"], database="d")
    pg.execute(sql.SQL("CREATE USER MAPPING FOR CURRENT_USER SERVER {} OPTIONS (username {}, password 'wrong')").format(
        sql.Identifier(name), sql.Literal(os.environ["MONGO_AUTH_USER"])))
    found = check(pg, name)
    assert states(found) == ["ok"] * 4 + ["failed"] + ["not checked"] * 5
    assert "could not log in" in found["login"][1] and "password of the user mapping" in found["login"][2]
    assert "wrong" not in str(found)


def test_a_server_that_is_down(pg):
    host = f"127.0.0.1:{closed_port()}"
    found = check(pg, server(pg, host))
    assert states(found) == ["ok", "failed"] + ["not checked"] * 8
    assert host in found["host"][1]


def test_of_two_hosts_one_is_down(pg):
    rows = pg.execute("SELECT step, state FROM reconcile.mongo_check(%s)", [
        server(pg, f"127.0.0.1:{closed_port()},{HOSTS}", replica_set="rs0")]).fetchall()
    assert [state for step, state in rows if step.startswith("host")] == ["failed", "ok"]
    assert dict(rows)["replica set"] == "failed"  # the one that answers is a member of none


MEMBER = {"setName": "rs0", "hosts": [], "isWritablePrimary": False, "secondary": True, "ismaster": False}


@pytest.mark.parametrize("hello, options, state, said", [
    ({"isWritablePrimary": True}, {}, "ok", "none"),
    ({**MEMBER, "isWritablePrimary": True}, {}, "failed", "the server names none"),
    ({**MEMBER, "isWritablePrimary": True}, {"replica_set": "rs0"}, "ok", '"rs0" has a primary'),
    (MEMBER, {"replica_set": "rs0"}, "failed", "no host that answered accepts writes"),
    ({**MEMBER, "isWritablePrimary": True}, {"replica_set": "other"}, "failed", 'member of replica set "other"'),
], ids=["alone", "not named", "named", "without primary", "another"])
def test_replica_sets(pg, hello, options, state, said):
    hostile = HostileServer({}, hello)
    try:
        found = check(pg, server(pg, hostile.host, connect_timeout="500ms", **options))
    finally:
        hostile.close()
    assert found["replica set"][0] == state and said in found["replica set"][1]


def privilege(actions, db="app", name="", **resource):
    return {"resource": resource or {"db": db, "collection": name}, "actions": actions}


WRITES = ["insert", "update", "remove"]


@pytest.mark.parametrize("privileges, state, said", [
    ([privilege(["find", *WRITES])], "ok", "granted"),
    ([privilege(WRITES, db="")], "ok", "granted"),
    ([privilege(WRITES, anyResource=True)], "ok", "granted"),
    ([privilege(["insert"]), privilege(["update", "remove"])], "ok", "granted"),
    ([privilege(["find"])], "failed", "insert, update, remove"),
    ([privilege(["insert", "update"])], "failed", ": remove"),
    ([privilege(WRITES, db="other")], "failed", "insert, update, remove"),
    ([privilege(WRITES, name="c")], "failed", "insert, update, remove"),
    ([privilege(WRITES, cluster=True)], "failed", "insert, update, remove"),
    ([], "not checked", "nobody is logged in"),
    (None, "not checked", "does not tell"),
    (5, "not checked", "does not tell"),
    ([5, "x", {"resource": 7, "actions": 7}, {}], "failed", "insert, update, remove"),
])
def test_what_the_privileges_say_of_writing(pg, privileges, state, said):
    info = {} if privileges is None else {"authenticatedUserPrivileges": privileges}
    hostile = HostileServer({"connectionStatus": {"authInfo": info, "ok": 1.0}}, {"isWritablePrimary": True})
    try:
        found = check(pg, server(pg, hostile.host, database="app"))
    finally:
        hostile.close()
    assert found["write"][0] == state and said in found["write"][1]


@pytest.mark.parametrize("command, step, rest", [("buildInfo", "version", "ok"), ("listCollections", "database", "ok"), ("find", "read", "ok")])
def test_a_refusal_is_an_answer_and_the_rest_is_asked(pg, command, step, rest):
    names = {"cursor": {"id": bson.Int64(0), "ns": "d.$cmd.listCollections", "firstBatch": [{"name": "c"}]}, "ok": 1.0}
    hostile = HostileServer({"listCollections": names, "buildInfo": {"version": "7.0.1", "ok": 1.0},
                             command: {"ok": 0.0, "code": 13, "errmsg": "not for you"}}, {"isWritablePrimary": True})
    try:
        found = check(pg, server(pg, hostile.host, database="app"))
    finally:
        hostile.close()
    assert found[step][0] == "failed" and "not for you" in found[step][1]
    assert found["latency"][0] == rest


@pytest.mark.parametrize("function", ["mongo_check", "mongo_collections"])
def test_names_and_privileges(pg, function):
    name = server(pg, HOSTS)
    call = f"SELECT * FROM reconcile.{function}({{}})"
    fails(pg, call.format("NULL"), "22004", '"server"')
    fails(pg, call.format("'" + name[:-1] + "x'"), "42704", name)
    pg.execute("CREATE FOREIGN DATA WRAPPER other_wrapper")
    pg.execute("CREATE SERVER other_server FOREIGN DATA WRAPPER other_wrapper")
    pg.execute("CREATE ROLE reconcile_looker")
    try:
        fails(pg, call.format("'other_server'"), "42704")
        for given, sqlstate in ((None, "42501"), (f"GRANT USAGE ON FOREIGN SERVER {name} TO reconcile_looker", "2F003")):
            pg.execute(given or "SELECT 1")
            with pytest.raises(psycopg.Error) as raised, pg.transaction():
                pg.execute("SET LOCAL ROLE reconcile_looker")
                rows = pg.execute(call.format(f"'{name}'")).fetchall()
                assert function == "mongo_check" and rows[0][:2] == ("user mapping", "failed")
                assert {state for _, state, _, _ in rows[1:]} == {"not checked"}
                pg.execute("SELECT * FROM reconcile.mongo_collections(%s)", [name])
            assert raised.value.sqlstate == sqlstate
    finally:
        pg.execute("DROP OWNED BY reconcile_looker")
        pg.execute("DROP ROLE reconcile_looker")
        pg.execute("DROP FOREIGN DATA WRAPPER other_wrapper CASCADE")


@pytest.mark.parametrize("command", ["hello", "ping", "buildInfo", "find", "connectionStatus"])
def test_statement_timeout_acts(pg, proxy, collection, command):
    name = server(pg, proxy.host, database=collection.database.name)
    proxy.trouble(command, "stall")
    pg.execute("SET statement_timeout = 300")
    with Stopwatch() as watch:
        fails(pg, f"SELECT * FROM reconcile.mongo_check('{name}')", "57014")
    assert watch.seconds < 0.4
    pg.execute("SET statement_timeout = 0")
    proxy.peace()
    assert check(pg, name)["latency"][0] == "ok"


def test_collections_are_listed_with_their_documents(pg, collection):
    collection.insert_many({"n": n} for n in range(7))
    rows = pg.execute("SELECT * FROM reconcile.mongo_collections(%s)", [server(pg, HOSTS)]).fetchall()
    assert (collection.database.name, collection.name, "collection", 7) in rows
    assert rows == sorted(rows)
    assert not {"admin", "local", "config"} & {database for database, *_ in rows}


def test_a_server_that_is_down_lists_nothing(pg):
    fails(pg, f"SELECT * FROM reconcile.mongo_collections('{server(pg, f'127.0.0.1:{closed_port()}')}')", "08001")


def test_views_are_not_counted(pg):
    hostile = HostileServer({
        "listDatabases": {"databases": [{"name": "d"}, {"name": "admin"}, {}, 7], "ok": 1.0},
        "listCollections": {"cursor": {"id": bson.Int64(0), "ns": "d.$cmd.listCollections", "firstBatch": [
            {"name": "v", "type": "view"}, {"name": "t", "type": "timeseries"}, {"name": "system.views"}]}, "ok": 1.0},
        "count": {"n": 5, "ok": 1.0}})
    try:
        assert pg.execute("SELECT * FROM reconcile.mongo_collections(%s)", [server(pg, hostile.host)]).fetchall() == [
            ("d", "t", "timeseries", 5), ("d", "v", "view", None)]
    finally:
        hostile.close()
