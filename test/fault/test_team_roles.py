"""Pack team_roles on a real PostgreSQL and a real MongoDB: what fix_team_roles() promises, and what survives a fault.

Every test has a database of its own in both. After each step both stores are compared as a whole: documents with the
BSON types of their fields, rows with all columns.
"""
import os
import signal
import threading
import time
from datetime import datetime, timedelta, timezone

import psycopg
import pytest
from bson import Decimal128, Int64, ObjectId
from psycopg import sql
from psycopg.rows import dict_row

from stopwatch import Stopwatch
from team_roles_world import (ANN, BEN, CAT, CREATED, DAN, MIRROR_0001, MIRROR_0003, ROLES, Network, role, roles, row, rows,
                              team, team_id, told, wanted, worlds)

DONE = ("inserted", "inserted", None)
TO_INSERT = ("insert", "insert", None)
FOUND = ("found", "found", None)
IS_ONE = ("found", "inserted", None)    # a document without a row
MISSING = object()


@pytest.fixture(name="new_world")
def make_worlds():
    with worlds() as make:
        yield make


@pytest.fixture(name="world")
def one_world(new_world):
    return new_world()


@pytest.fixture(name="network")
def one_network():
    network = Network()
    yield network
    network.close()


def raised(code, run, *arguments, **named):
    """Runs what must fail with this SQLSTATE and returns the error's parts."""
    with pytest.raises(psycopg.Error) as caught:
        run(*arguments, **named)
    assert caught.value.sqlstate == code, caught.value
    return caught.value.diag


def each_role(number, cell, names=ROLES):
    return {(f"Team {number}", name): cell for name in names}


def changed(cells, old, new):
    return {key: tuple(new if cell == old else cell for cell in cell) for key, cell in cells.items()}


def just_now(moment):
    return timedelta(0) <= datetime.now(timezone.utc) - moment < timedelta(minutes=1)


def settles(world, *creators, names=ROLES):
    """Both stores hold exactly these roles, each once, and another run finds them all."""
    assert world.state() == (wanted(*creators, names=names), wanted(*creators, names=names))
    before = world.both()
    assert {cell[:2] for key, cell in world.cells().items() if key[1]} == {("found", "found")}
    assert world.audit() == {"mongodb": ("clean", 0), "postgresql": ("clean", 0)}
    assert world.both() == before


# ------------------------------------------------------------------------------------------------ what it writes

def test_new_documents_and_rows(world):
    """Fields, types and values of what a run adds, where nothing was before."""
    world.fill([team(1, ANN, is_deleted=False)]).install()
    assert world.cells() == each_role(1, DONE)

    documents = world.documents()
    assert {d["role_name"] for d in documents} == set(ROLES)
    for document in documents:
        assert [(name, type(value)) for name, value in document.items()] == [
            ("_id", ObjectId), ("user_id", str), ("team_id", ObjectId), ("role_name", str), ("scope", str),
            ("is_active", bool), ("created_at", datetime), ("created_by", str)]
        assert (document["user_id"], str(document["team_id"])) == (ANN, team_id(1))
        assert (document["scope"], document["is_active"], document["created_by"]) == ("TEAM", True, "pg_reconcile")
        assert just_now(document["created_at"])

    of_role = {d["role_name"]: d for d in documents}
    for found in world.rows():
        document = of_role.pop(found["role_name"])
        assert just_now(found.pop("last_sync_at"))
        found.pop("id")
        assert found == {"mongo_id": str(document["_id"]), "user_id": ANN, "role_name": document["role_name"],
                         "scope": "TEAM", "team_id": team_id(1), "is_active": True, "created_at": document["created_at"],
                         "created_by": "pg_reconcile", "sync_status": "SYNCED", "sync_error": None}
    assert of_role == {}
    settles(world, (ANN, 1))


@pytest.mark.parametrize("mirror", [MIRROR_0001, MIRROR_0003], ids=["constraint of 0001", "index of 0003"])
def test_dry_run_then_live_then_again(world, mirror):
    """One dry run tells what a live run then does, in numbers and per role, and writes nothing."""
    world.fill([team(1, ANN), team(2, BEN), team(3, ANN), team(4, CAT), team(5, None)],
               roles(ANN, 1) + roles(BEN, 2, ["member"]) + roles(ANN, 3) + roles(CAT, 4, ["owner", "member"]),
               rows(ANN, 1) + rows(BEN, 2, ["member", "admin"]) + rows(CAT, 4, ["owner", "member"]), mirror)
    world.install()
    before = world.both()
    sequence = world.sql("SELECT last_value, is_called FROM postgres_user_roles_id_seq")
    planned = {**each_role(1, FOUND), **each_role(2, TO_INSERT), ("Team 2", "member"): FOUND,
               ("Team 2", "admin"): ("insert", "found", None), **each_role(3, ("found", "insert", None)),
               **each_role(4, FOUND), ("Team 4", "admin"): TO_INSERT,
               ("Team 5", None): ("skipped", "skipped", "created_by is missing or null")}
    assert world.cells(dry_run=True) == planned
    assert world.repair() == {"mongodb": (3, 3, 0), "postgresql": (5, 5, 0)}
    assert world.audit() == {"mongodb": ("drift", 3), "postgresql": ("drift", 3)}
    assert world.both() == before
    assert world.sql("SELECT last_value, is_called FROM postgres_user_roles_id_seq") == sequence
    assert world.sql("SELECT 1 FROM reconcile.runs") == []

    assert world.cells() == changed(planned, "insert", "inserted")
    assert [(r["invariant"], r["planned"], r["changed"], r["already_present"], r["failed"], r["state"])
            for r in world.sql("SELECT * FROM reconcile.runs ORDER BY run_id")] == [
        ("team_roles_mongodb", 3, 3, 0, 0, "done"), ("team_roles_postgresql", 5, 5, 0, 0, "done")]
    after = world.both()
    for old, new in zip(before, after):
        assert {key: new[key] for key in old} == old      # nothing that was there has changed
    assert [len(part) for part in after] == [len(before[0]) + 3, 5, len(before[2]) + 5]
    settles(world, (ANN, 1), (BEN, 2), (ANN, 3), (CAT, 4))
    assert world.repair() == world.repair(dry_run=False) == {"mongodb": (0, 0, 0), "postgresql": (0, 0, 0)}


def test_dry_run_is_no_write(world):
    """A dry run, a preview by repair() and an audit are possible where nothing can be written, and take no transaction id."""
    world.fill([team(1, ANN)], [], rows(ANN, 1, ["owner"])).install()
    with world.connection.transaction():
        world.sql("SET TRANSACTION READ ONLY")
        assert len(world.fix(dry_run=True)) == 3
        assert world.repair() == {"mongodb": (3, 3, 0), "postgresql": (2, 2, 0)}
        assert world.audit() == {"mongodb": ("drift", 3), "postgresql": ("clean", 0)}
        assert world.one("SELECT pg_current_xact_id_if_assigned()") is None
    assert len(world.documents()) == 0


def test_no_argument_is_a_dry_run(world):
    """Nothing is changed unless somebody says so."""
    world.fill([team(1, ANN)]).install()
    before = world.both()
    assert [(r["mongodb"], r["postgresql"]) for r in world.sql("SELECT * FROM fix_team_roles()")] == [("insert", "insert")] * 3
    assert world.both() == before


def test_repair_by_pack_does_the_same(world):
    """reconcile.repair(pack => 'team_roles') without the report: same counts, dry and live, same state."""
    world.fill([team(1, ANN), team(2, BEN)], roles(ANN, 1, ["owner"]), rows(BEN, 2, ["owner"])).install()
    assert world.repair() == {"mongodb": (5, 5, 0), "postgresql": (5, 5, 0)}
    assert world.repair(dry_run=False) == {"mongodb": (5, 5, 0), "postgresql": (5, 5, 0)}
    settles(world, (ANN, 1), (BEN, 2))


def test_findings_name_the_store_that_lacks_a_role(world):
    world.fill([team(1, ANN)], roles(ANN, 1, ["owner"]), rows(ANN, 1, ["admin"])).install()
    found = world.sql("""SELECT f.kind, f.invariant, f.key ->> 'role_name' AS role
                         FROM reconcile.invariants i, reconcile.findings(i.name) f WHERE i.kind <> 'check' ORDER BY 2, 3""")
    assert [tuple(f.values()) for f in found] == [
        ("missing", "team_roles_mongodb", "admin"), ("missing", "team_roles_mongodb", "member"),
        ("missing", "team_roles_postgresql", "owner")]


# ------------------------------------------------------------------------------- what is there, in every combination

# documents and rows that are there for one required role, and what a dry run says of both stores, with the detail.
# In a document a field given as None is missing.
COMBINATIONS = [
    ([], [], "insert", "insert", None),
    ([{}], [], "found", "insert", None),
    ([], [{}], "insert", "found", None),
    ([{}], [{}], "found", "found", None),
    ([{"is_active": None}], [], "found", "insert", None),
    ([{}, {}], [], "found", "insert", "MongoDB has 2 documents for this role"),
    ([{}, {}, {}], [{}], "found", "found", "MongoDB has 3 documents for this role"),
    ([{"is_active": False}], [], "insert", "insert", "MongoDB has an inactive one, which stays"),
    ([{}, {"is_active": False}], [], "found", "insert", "MongoDB has an inactive one, which stays"),
    ([{"is_active": False}, {}], [], "found", "insert", "MongoDB has an inactive one, which stays"),
    ([{}], [{"is_active": False}], "found", "insert or skipped", "PostgreSQL has an inactive one, which stays"),
    ([{"is_active": False}], [{"is_active": False}], "insert", "insert or skipped",
     "MongoDB has an inactive one, which stays; PostgreSQL has an inactive one, which stays"),
    ([{"scope": "GLOBAL"}], [], "insert", "insert", None),
    ([{"scope": "team"}], [], "insert", "insert", None),
    ([{"scope": None}], [], "insert", "insert", None),
    ([{"role_name": "Owner"}], [{"role_name": "OWNER"}], "insert", "insert", None),
    ([{"user_id": BEN}], [{"user_id": BEN}], "insert", "insert", None),
    ([{"team_id": team_id(99)}], [{"team_id": team_id(99)}], "insert", "insert", None),
    ([{}], [{"scope": "GLOBAL", "team_id": None}], "found", "insert", None)]


@pytest.mark.parametrize("mirror", [MIRROR_0001, MIRROR_0003], ids=["constraint of 0001", "index of 0003"])
def test_what_is_there(world, mirror):
    """A dry run, a live one and another, against all combinations of what the stores may hold; nothing there changes."""
    cases = dict(enumerate(COMBINATIONS, 1))
    world.fill([team(n, ANN) for n in cases],
               [role(ANN, n, "owner", **d) for n, case in cases.items() for d in case[0]],
               [row(ANN, n, "owner", **r) for n, case in cases.items() for r in case[1]], mirror)
    world.install(roles=["owner"])
    before = world.both()

    # A full unique constraint leaves no place beside an inactive row.
    beside = "insert" if mirror is MIRROR_0003 else "skipped"
    planned = {(f"Team {n}", "owner"): (mongodb, beside if postgresql == "insert or skipped" else postgresql, detail)
               for n, (_, _, mongodb, postgresql, detail) in cases.items()}
    assert world.cells(dry_run=True) == planned
    documents, lines = (sum(cell[store] == "insert" for cell in planned.values()) for store in (0, 1))
    counts = {"mongodb": (documents, documents, 0), "postgresql": (lines, lines, 0)}
    assert world.repair() == counts
    assert world.both() == before

    assert world.cells() == changed(planned, "insert", "inserted")
    after = world.both()
    for old, new, more in zip(before, after, (documents, 0, lines)):
        assert {key: new[key] for key in old} == old
        assert len(new) == len(old) + more
    active = {str(document["_id"]) for document in world.documents() if document.get("is_active") is not False}
    assert {r["mongo_id"] for r in world.rows()} - {None} <= active

    assert world.cells() == changed(planned, "insert", "found")
    assert world.both() == after
    assert world.audit() == {"mongodb": ("drift", 0), "postgresql": ("clean", 0)}     # the duplicates


def test_duplicates_are_mirrored_once(world):
    """Of several documents for a role the first is mirrored, and stays mirrored; none is added or removed."""
    world.fill([team(1, ANN)], roles(ANN, 1, ["owner"]) * 3).install(roles=["owner"])
    first = world.documents()[0]["_id"]
    cell = "MongoDB has 3 documents for this role"
    assert world.cells() == {("Team 1", "owner"): ("found", "inserted", cell)}
    assert [r["mongo_id"] for r in world.rows()] == [str(first)]
    assert world.cells() == {("Team 1", "owner"): ("found", "found", cell)}
    assert len(world.documents()) == 3 and len(world.rows()) == 1


def test_others_are_left_alone(world):
    """Roles of others, wider roles, other collections and other tables are as they were, to the byte."""
    world.fill([team(1, ANN)], [
        role(BEN, 1, "admin"), role(DAN, 1, "member", is_active=False), role(CAT, 9, "owner"),
        {"user_id": DAN, "role_name": "moderator", "scope": "GLOBAL", "extra": [1, {"a": Decimal128("1.10")}]},
        role(ANN, 1, "owner", scope="GLOBAL"), {"junk": True}],
        [row(BEN, 1, "admin"), row(DAN, 1, "member", is_active=False), row(DAN, 1, "moderator", scope="GLOBAL", team_id=None),
         row(DAN, 1, "moderator", scope="GLOBAL", team_id=None)])
    world.mongo.user_team_details.insert_one({"user_id": BEN, "team_id": team_id(1), "is_active": True})
    world.sql("CREATE TABLE postgres_teams AS SELECT 1 AS id, 'Core' AS name")
    others = (world.documents("user_team_details"), world.rows("postgres_teams"))
    before = world.both()
    world.install()
    assert world.cells() == each_role(1, DONE)
    for old, new, more in zip(before, world.both(), (3, 0, 3)):
        assert {key: new[key] for key in old} == old
        assert len(new) == len(old) + more
    assert (world.documents("user_team_details"), world.rows("postgres_teams")) == others


def test_creator_without_membership_is_repaired(world):
    """Nothing but created_by says who owns a team; user_team_details is not asked."""
    world.fill([team(1, ANN), team(2, BEN)])
    world.mongo.user_team_details.insert_one({"user_id": ANN, "team_id": team_id(1), "is_active": True})
    world.install()
    assert world.cells() == each_role(1, DONE) | each_role(2, DONE)
    settles(world, (ANN, 1), (BEN, 2))


def test_deleted_teams_only_on_request(world):
    """Missing, null, false and zero are not deleted; anything else is."""
    living = [{}, {"is_deleted": None}, {"is_deleted": False}, {"is_deleted": 0}, {"is_deleted": 0.0}, {"is_deleted": Int64(0)}]
    deleted = [{"is_deleted": value} for value in (True, 1, -1, 0.5, "yes", "", {"at": 1}, [], CREATED)]
    world.fill([team(n, ANN, **fields) for n, fields in enumerate(living + deleted, 1)]).install()
    lives = {key: cell for n, _ in enumerate(living, 1) for key, cell in each_role(n, TO_INSERT).items()}
    every = {key: cell for n, _ in enumerate(living + deleted, 1) for key, cell in each_role(n, TO_INSERT).items()}

    assert world.cells(dry_run=True) == lives
    assert world.cells(dry_run=True, include_deleted=True) == every
    assert world.cells() == changed(lives, "insert", "inserted")
    settles(world, *((ANN, n) for n, _ in enumerate(living, 1)))
    assert world.cells(include_deleted=True) == changed(every, "insert", "inserted") | changed(lives, "insert", "found")
    assert len(world.documents()) == len(world.rows()) == len(every)
    assert world.cells() == changed(lives, "insert", "found")
    assert world.audit() == {"mongodb": ("clean", 0), "postgresql": ("clean", 0)}


# --------------------------------------------------------------------------------------------- creators that are none

NO_CREATORS = [
    ({}, "created_by is missing or null"), ({"created_by": None}, "created_by is missing or null"),
    ({"created_by": ""}, "created_by is empty"), ({"created_by": 7}, "created_by is of type number, not an id"),
    ({"created_by": 7.5}, "created_by is of type number, not an id"),
    ({"created_by": Int64(2 ** 53 + 1)}, "created_by is of type number, not an id"),
    ({"created_by": True}, "created_by is of type boolean, not an id"),
    ({"created_by": [ANN]}, "created_by is of type array, not an id"),
    ({"created_by": []}, "created_by is of type array, not an id"),
    ({"created_by": {"id": ANN}}, "created_by is of type object, not an id"),
    ({"created_by": {}}, "created_by is of type object, not an id"),
    ({"created_by": CREATED}, "created_by is of type object, not an id"),
    ({"created_by": float("nan")}, "created_by is of type object, not an id"),
    ({"created_by": Decimal128("NaN")}, "created_by is of type object, not an id"),
    ({"created_by": b"\0\1"}, "created_by is of type object, not an id"),
    ({"created_by": "a\0b"}, "created_by is missing or null"),
    ({"created_by": "\0"}, "created_by is missing or null"),
    ({"created_by": "x" * 25}, "created_by is longer than 24 characters"),
    ({"created_by": "é" * 25}, "created_by is longer than 24 characters"),]


def test_creators_that_cannot_have_roles(world):
    """One skipped row for each team, with the reason; other teams are served."""
    broken = [(n, team(n, None) | creator, reason) for n, (creator, reason) in enumerate(NO_CREATORS, 1)]
    del broken[0][1]["created_by"]
    world.fill([document for _, document, _ in broken] + [team(99, BEN)]).install()
    skipped = {(f"Team {n}", None): ("skipped", "skipped", reason) for n, _, reason in broken}
    assert world.cells(dry_run=True) == skipped | each_role(99, TO_INSERT)
    assert world.repair() == {"mongodb": (3, 3, 0), "postgresql": (3, 3, 0)}
    assert world.cells() == skipped | each_role(99, DONE)
    settles(world, (BEN, 99))


def test_names_of_creators_are_only_ids_where_documents_hold_object_ids(world):
    """A name is as good an id as any where ids are strings, and none where they are ObjectIds."""
    world.fill([team(1, ObjectId(ANN)), team(2, "ben"), team(3, "é" * 24)], roles(ObjectId(ANN), 1)).install()
    not_one = ("skipped", "skipped", "created_by is not an ObjectId")
    assert world.cells() == each_role(1, IS_ONE) | {("Team 2", None): not_one, ("Team 3", None): not_one}

    world.mongo.user_roles.drop()
    world.mongo.create_collection("user_roles")
    world.mongo.teams.update_one({"name": "Team 1"}, {"$set": {"created_by": ANN}})
    world.install()
    assert {d[0] for key, d in world.cells().items()} == {"inserted"}
    settles(world, (ANN, 1), ("ben", 2), ("é" * 24, 3))


def test_teams_without_usable_id(world):
    reasons = {7: "the team's _id is not an id", "x" * 25: "the team's _id is longer than 24 characters",
               "core": "the team's _id is not an ObjectId", "a\0b": "the team's _id is not an id"}
    broken = [team(n, ANN) | {"_id": identity} for n, identity in enumerate(reasons, 1)]
    world.fill([*broken, team(8, ANN) | {"_id": {"a": 1, "b": 2}}, team(9, BEN), team(10, BEN)],
               [role(BEN, 9, "owner", team_id=ObjectId(team_id(9)))]).install()
    skipped = {(f"Team {n}", None): ("skipped", "skipped", reason) for n, reason in enumerate(reasons.values(), 1)}
    skipped["Team 8", None] = ("skipped", "skipped", "the team's _id is not an id")
    assert world.cells(dry_run=True) == skipped | each_role(9, TO_INSERT) | each_role(10, TO_INSERT) | {
        ("Team 9", "owner"): ("found", "insert", None)}
    assert world.cells() == skipped | each_role(9, DONE) | each_role(10, DONE) | {("Team 9", "owner"): IS_ONE}
    settles(world, (BEN, 9), (BEN, 10))


def test_names_of_teams_do_not_matter(world):
    """Not even many teams of one name, or a team without."""
    names = [None, 7, "", "Team '; DROP TABLE postgres_user_roles; --", "Käse\t🧀\n", ["a"], {"a": 1}, "a\0b", float("inf")]
    teams = [team(n, ANN) | {"name": name} for n, name in enumerate(names * 2, 1)]
    nameless = team(99, CAT)
    del nameless["name"]
    world.fill([*teams, nameless]).install()
    report = world.fix()
    assert len(report) == 3 * len(teams) + 3
    assert {(r["mongodb"], r["postgresql"]) for r in report} == {("inserted", "inserted")}
    assert {(r["mongodb"], r["postgresql"]) for r in world.fix()} == {("found", "found")}
    assert len(world.rows()) == len(world.documents()) == len(report)


# ----------------------------------------------------------------------------------------------------- types of ids

@pytest.mark.parametrize("user_type, team_type", [(str, str), (ObjectId, str), (str, ObjectId), (ObjectId, ObjectId)])
@pytest.mark.parametrize("creator_type", [str, ObjectId])
def test_ids_of_either_type(world, creator_type, user_type, team_type):
    """A team's creator and the documents may differ in type; new documents hold what the others hold."""
    there = [document | {"team_id": team_type(document["team_id"])} for document in roles(user_type(ANN), 1, ["owner"])]
    world.fill([team(1, creator_type(ANN)), team(2, creator_type(BEN))], there).install()
    assert world.cells() == each_role(1, DONE) | {("Team 1", "owner"): IS_ONE} | each_role(2, DONE)
    assert {(type(d["user_id"]), type(d["team_id"])) for d in world.documents()} == {(user_type, team_type)}
    settles(world, (ANN, 1), (BEN, 2))


@pytest.mark.parametrize("creator_type", [str, ObjectId])
@pytest.mark.parametrize("team_type", [str, ObjectId])
def test_ids_in_an_empty_collection_are_as_the_teams_have_them(world, creator_type, team_type):
    world.fill([team(n, creator_type(user)) | {"_id": team_type(team_id(n))} for n, user in ((1, ANN), (2, BEN))]).install()
    assert world.cells() == each_role(1, DONE) | each_role(2, DONE)
    assert {(type(d["user_id"]), type(d["team_id"])) for d in world.documents()} == {(creator_type, team_type)}
    settles(world, (ANN, 1), (BEN, 2))


def test_mixed_types_in_one_collection(world):
    """Both are recognised; new documents get the type of the majority."""
    world.fill([team(1, ANN), team(2, ObjectId(BEN)), team(3, ANN)],
               roles(ObjectId(ANN), 1, ["owner"]) + roles(ANN, 1, ["admin"]) + roles(BEN, 2) +
               roles(ObjectId(BEN), 2, ["owner"]))
    there = {d["_id"] for d in world.documents()}
    world.install()
    assert world.cells() == {
        ("Team 1", "owner"): IS_ONE, ("Team 1", "admin"): IS_ONE,
        ("Team 1", "member"): DONE, **each_role(2, IS_ONE),
        ("Team 2", "owner"): ("found", "inserted", "MongoDB has 2 documents for this role"), **each_role(3, DONE)}
    assert {type(d["user_id"]) for d in world.documents() if d["_id"] not in there} == {str}
    assert len(world.rows()) == 9


ODD_DOCUMENTS = [
    ({"user_id": 7}, DONE), ({"user_id": None}, DONE), ({"user_id": {"id": ANN}}, DONE), ({"user_id": "x" * 60}, DONE),
    ({"user_id": "a\0b"}, DONE), ({"team_id": 7}, DONE), ({"team_id": None}, DONE), ({"team_id": True}, DONE),
    ({"role_name": 7}, DONE), ({"role_name": None}, DONE), ({"scope": 7}, DONE), ({"scope": None}, DONE),
    ({"is_active": "true"}, IS_ONE), ({"is_active": 1}, IS_ONE), ({"is_active": None}, IS_ONE),
    ({"created_at": "2025-09-01"}, IS_ONE), ({"created_at": None}, IS_ONE), ({"created_by": 7}, IS_ONE),
    ({"created_at": datetime(9999, 12, 31, tzinfo=timezone.utc)}, IS_ONE), ({"created_by": None}, IS_ONE),
    ({"created_by": ""}, IS_ONE), ({"_id": 7}, IS_ONE), ({"_id": "a b"}, IS_ONE), ({"_id": {"a": 1}}, IS_ONE),
    ({"_id": "x" * 60}, ("found", "failed", "PostgreSQL: value too long for type character varying(24)")),
    ({"user_id": [ANN]}, ("failed", "skipped", "MongoDB: a document with these values is in the way, which is not read as this "
                          "role; PostgreSQL: there is no document to mirror")),
    ({"surprise": float("nan"), "more": [{"a": Decimal128("NaN")}]}, IS_ONE)]


def test_odd_documents_never_block(world):
    """Documents with a field of another type, null or missing: all others are served, these stay and are not multiplied."""
    cases = [(field, cell) for field, cell in ODD_DOCUMENTS] + [
        ({name: MISSING for name in field}, cell) for field, cell in ODD_DOCUMENTS if list(field.values()) == [None]]
    odd = [(n, role(ANN, n, "owner") | field, cell) for n, (field, cell) in enumerate(cases, 1)]
    there = [{name: value for name, value in document.items() if value is not MISSING} for _, document, _ in odd]
    world.fill([team(n, ANN) for n, _, _ in odd] + [team(99, BEN)], there + roles(BEN, 99, ["owner"])).install()
    before = world.both()

    planned = {(f"Team {n}", "owner"): cell for n, _, cell in odd} | each_role(99, DONE) | {("Team 99", "owner"): IS_ONE}
    for n, _, _ in odd:
        planned |= each_role(n, DONE, ["admin", "member"])
    assert world.cells() == planned
    after = world.both()
    for old, new, store in zip(before, after, (0, None, 1)):
        assert {key: new[key] for key in old} == old
        assert len(new) == len(old) + sum(store is not None and cell[store] == "inserted" for cell in planned.values())
    assert world.cells() == changed(planned, "inserted", "found")
    assert world.both() == after


def test_values_that_are_not_understood_are_told(world):
    world.fill([team(1, ANN)], [role(7, 1, "owner"), role(ANN, 1, "owner", is_active="yes")]).install()
    with told(world.connection) as notices:
        world.fix(dry_run=True)
    assert ("WARNING", f'2 values of collection "{world.name}.user_roles" read as null') in [n[:2] for n in notices]


def test_what_the_old_script_left_behind_is_mirrored(world):
    """Its marker does not fit PostgreSQL's created_by: its documents got stuck without rows."""
    world.fill([team(1, ANN)], roles(ANN, 1, created_by="migration_script_roles_fix")).install()
    assert world.cells() == each_role(1, IS_ONE)
    assert {r["created_by"] for r in world.rows()} == {"migration_script_roles_f"}
    settles(world, (ANN, 1))


# ------------------------------------------------------------------------------------------------------ the network

def test_server_down(new_world, network):
    """SQLSTATE 08001 from everything that must read or write; an audit says that it did not check."""
    world = new_world().fill([team(1, ANN)], roles(ANN, 1, ["owner"]), rows(ANN, 1, ["member"]))
    world.install()
    before = world.both()
    network.close()
    world.reach(network.hosts)
    for call in (world.fix, world.repair, lambda: world.fix(dry_run=True), lambda: world.repair(dry_run=False)):
        started = time.monotonic()
        error = raised("08001", call)
        assert network.hosts in error.message_primary + (error.message_detail or "")
        assert time.monotonic() - started < 10
    for report in world.sql("SELECT * FROM reconcile.audit(pack => 'team_roles') WHERE invariant <> 'team_roles_twice'"):
        assert (report["state"], report["expected"], report["missing"]) == ("not checked", None, None)
        assert "SQLSTATE 08001" in report["message"]
    assert world.both() == before
    assert world.sql("SELECT 1 FROM reconcile.runs") == []
    world.reach().cells()
    settles(world, (ANN, 1))


def test_server_down_at_install(world, network):
    world.fill([team(1, ANN)], mirror=None).server(network.hosts)
    network.close()
    raised("08001", world.install)
    assert world.sql("SELECT 1 FROM pg_class WHERE relname ~ 'user_roles'") == []
    assert not world.one("SELECT installed FROM reconcile.packs WHERE name = 'team_roles'")
    assert ("create table", "public.postgres_user_roles", None) in world.install(dry_run=True)     # needs no MongoDB


@pytest.mark.parametrize("direction", ["to_server", "from_server"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.6, 0.9, 0.99])
def test_connection_cut_during_the_bulk(world, network, direction, share):
    """Requests cut in the middle, and replies lost to requests that were carried out. The next run completes the work."""
    count = 60
    world.fill([team(n, ANN) for n in range(1, count + 1)], roles(ANN, 1), rows(ANN, 2)).install()
    world.sql("ALTER FOREIGN TABLE mongo_user_roles OPTIONS (ADD batch_size '50')")
    world.reach(network.hosts)
    world.repair()                                   # so that the connection is there
    start = list(network.sent)
    world.sql("BEGIN")
    world.repair(dry_run=False)                      # what a whole run sends
    whole = [now - then for now, then in zip(network.sent, start)]
    world.sql("ROLLBACK")
    world.mongo.user_roles.delete_many({"team_id": {"$ne": ObjectId(team_id(1))}, "created_by": "pg_reconcile"})
    world.mongo.user_roles.delete_many({"created_by": "pg_reconcile"})

    before = world.rows()
    network.limit(**{direction: int(whole[direction == "from_server"] * share)})
    with pytest.raises(psycopg.OperationalError) as caught:
        world.fix()
    assert caught.value.sqlstate.startswith("08"), caught.value
    assert world.rows() == before                    # PostgreSQL rolled back
    assert world.sql("SELECT 1 FROM reconcile.runs") == []
    assert len({(d["user_id"], d["team_id"], d["role_name"]) for d in world.documents()}) == len(world.documents())

    network.limit()
    cells = world.cells()
    assert {cell[1] for key, cell in cells.items()} == {"inserted", "found"}
    settles(world, *((ANN, n) for n in range(1, count + 1)))


def test_stalled_server_and_statement_timeout(world, network):
    """The timeout acts while the backend waits for MongoDB, and the backend is as good as before."""
    world.fill([team(1, ANN)]).install()
    world.reach(network.hosts)
    world.fix(dry_run=True)
    before = world.both()
    for setting in (300, 100):
        network.open.clear()
        world.sql(f"SET statement_timeout = {setting}")
        with Stopwatch() as watch:
            raised("57014", world.fix)
        assert watch.elapsed >= setting / 1000 and watch.seconds < setting / 1000 + 0.1
        assert world.sql("SELECT 1 AS one") == [{"one": 1}]
        assert world.sql("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'") == []
        network.open.set()
    assert world.both() == before
    world.sql("RESET statement_timeout")
    assert world.cells() == each_role(1, DONE)
    settles(world, (ANN, 1))


@pytest.mark.parametrize("how, message", [
    ("pg_cancel_backend", "canceling statement due to user request"),
    ("pg_terminate_backend", "terminating connection due to administrator command")])
def test_stalled_server_and_a_signal(world, network, how, message):
    world.fill([team(1, ANN)]).install()
    world.reach(network.hosts)
    world.fix(dry_run=True)
    network.open.clear()
    victim = Caller(world, world.connection)
    pid = world.connection.info.backend_pid
    with world.another() as other:
        until(lambda: other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Extension'",
                                    [pid]).fetchone())
        with Stopwatch() as watch:
            other.execute(f"SELECT {how}(%s)", [pid])
            assert message in str(victim.error())
        assert watch.seconds < 1
    network.open.set()
    if world.connection.broken:
        world.connect()
    world.cells()
    settles(world, (ANN, 1))


# ------------------------------------------------------------------------------------------- what a store refuses

def test_unique_index_in_mongodb_refuses_a_document(world):
    """A team may have one owner: where somebody else is, that document fails, the others are written, and it heals."""
    world.fill([team(1, ANN), team(2, BEN), team(3, CAT)], [role(DAN, 2, "owner")])
    world.mongo.user_roles.create_index([("team_id", 1), ("role_name", 1)], unique=True, name="one_each")
    world.install()
    assert {cell[:2] for cell in world.cells(dry_run=True).values()} == {("insert", "insert")}

    cells = world.cells()
    failed = cells.pop(("Team 2", "owner"))
    assert failed[:2] == ("failed", "skipped")
    assert "duplicate key" in failed[2].lower() and failed[2].endswith("; PostgreSQL: there is no document to mirror")
    assert set(cells.values()) == {DONE} and len(cells) == 8
    (failure,) = world.sql("SELECT * FROM reconcile.failures")
    assert (failure["invariant"], failure["sqlstate"], failure["attempts"]) == ("team_roles_mongodb", "23505", 1)
    assert failure["key"] == {"user_id": BEN, "team_id": team_id(2), "role_name": "owner", "scope": "TEAM"}
    assert len(world.documents()) == 9 and len(world.rows()) == 8

    before = world.both()
    assert world.cells()[("Team 2", "owner")] == failed
    assert world.both() == before
    assert world.one("SELECT attempts FROM reconcile.failures") == 2
    assert world.audit() == {"mongodb": ("drift", 1), "postgresql": ("clean", 0)}

    world.mongo.user_roles.delete_one({"user_id": DAN})
    assert world.cells()[("Team 2", "owner")] == DONE
    assert world.sql("SELECT 1 FROM reconcile.failures") == []
    settles(world, (ANN, 1), (BEN, 2), (CAT, 3))


@pytest.mark.parametrize("obstacle, heal, code, message", [
    ("ALTER TABLE postgres_user_roles ADD CONSTRAINT no_admin CHECK (role_name <> 'admin')",
     "ALTER TABLE postgres_user_roles DROP CONSTRAINT no_admin", "23514",
     'new row for relation "postgres_user_roles" violates check constraint "no_admin"'),
    ("""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.role_name = 'admin' THEN RAISE 'no admins today'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON postgres_user_roles FOR EACH ROW EXECUTE FUNCTION refuse()""",
     "DROP TRIGGER refuse ON postgres_user_roles", "P0001", "no admins today"),
    ("""CREATE TABLE role_names (name varchar(50) PRIMARY KEY); INSERT INTO role_names VALUES ('owner'), ('member');
        ALTER TABLE postgres_user_roles ADD CONSTRAINT known FOREIGN KEY (role_name) REFERENCES role_names""",
     "INSERT INTO role_names VALUES ('admin')", "23503",
     'insert or update on table "postgres_user_roles" violates foreign key constraint "known"'),
    ("""CREATE TABLE role_names (name varchar(50) PRIMARY KEY); INSERT INTO role_names VALUES ('owner'), ('member');
        ALTER TABLE postgres_user_roles ADD CONSTRAINT known FOREIGN KEY (role_name) REFERENCES role_names
            DEFERRABLE INITIALLY DEFERRED""",
     "INSERT INTO role_names VALUES ('admin')", "23503",
     'insert or update on table "postgres_user_roles" violates foreign key constraint "known"'),
], ids=["check", "trigger", "foreign key", "deferred foreign key"])
def test_constraint_in_postgresql_refuses_a_row(world, obstacle, heal, code, message):
    """What is in MongoDB stays, the row is reported, the others are written, and the next run heals it."""
    world.fill([team(1, ANN), team(2, BEN)]).install()
    world.sql(obstacle)
    refused = ("inserted", "failed", f"PostgreSQL: {message}")
    admins = [("Team 1", "admin"), ("Team 2", "admin")]
    assert world.cells() == each_role(1, DONE) | each_role(2, DONE) | dict.fromkeys(admins, refused)
    assert len(world.documents()) == 6 and len(world.rows()) == 4
    assert {(f["invariant"], f["sqlstate"], f["message"], f["key"]["role_name"])
            for f in world.sql("SELECT * FROM reconcile.failures")} == {("team_roles_postgresql", code, message, "admin")}
    documents = world.documents()
    assert world.cells() == each_role(1, FOUND) | each_role(2, FOUND) | dict.fromkeys(admins, ("found", "failed", refused[2]))
    assert world.audit() == {"mongodb": ("clean", 0), "postgresql": ("drift", 2)}

    world.sql(heal)
    assert world.cells() == each_role(1, FOUND) | each_role(2, FOUND) | dict.fromkeys(admins, IS_ONE)
    assert world.documents() == documents
    assert world.sql("SELECT 1 FROM reconcile.failures") == []
    settles(world, (ANN, 1), (BEN, 2))


def test_mongo_id_that_another_row_has(world):
    """A document that was inactive and is active again: its old row keeps its mongo_id, so that the new one is refused."""
    document = role(ANN, 1, "owner") | {"_id": ObjectId()}
    world.fill([team(1, ANN)], [document], [row(ANN, 1, "owner", is_active=False, mongo_id=str(document["_id"]))]).install()
    cells = world.cells()
    assert cells[("Team 1", "owner")][:2] == ("found", "failed")
    assert 'unique constraint "postgres_user_roles_mongo_id_key"' in cells[("Team 1", "owner")][2]
    assert {cells[("Team 1", name)] for name in ("admin", "member")} == {DONE}
    world.sql("UPDATE postgres_user_roles SET is_active = true WHERE role_name = 'owner'")
    settles(world, (ANN, 1))


@pytest.mark.parametrize("where", ["transaction", "session"])
def test_read_only(world, where):
    """Nothing is written to MongoDB by who may not write to PostgreSQL."""
    world.fill([team(1, ANN)]).install()
    before = world.both()
    world.sql("BEGIN READ ONLY" if where == "transaction" else "SET default_transaction_read_only = on")
    raised("25006", world.fix)
    world.sql("ROLLBACK" if where == "transaction" else "RESET default_transaction_read_only")
    assert world.both() == before


def test_rolled_back_by_the_caller(world):
    """MongoDB knows nothing of the transaction: what it has stays, and the next run gives PostgreSQL its rows."""
    world.fill([team(1, ANN)]).install()
    world.sql("BEGIN")
    assert world.cells() == each_role(1, DONE)
    assert world.cells() == each_role(1, FOUND)       # also within the transaction
    world.sql("ROLLBACK")
    assert len(world.documents()) == 3 and world.rows() == []
    assert world.cells() == each_role(1, IS_ONE)
    settles(world, (ANN, 1))


@pytest.mark.parametrize("collection", ["teams", "user_roles"])
def test_collection_missing_is_not_empty(world, collection):
    world.fill([team(1, ANN)], roles(ANN, 1, ["owner"])).install()
    world.mongo[collection].drop()
    for call in (world.fix, world.repair, lambda: world.fix(dry_run=True)):
        assert raised("HV00R", call).message_primary == f'collection "{world.name}.{collection}" does not exist'
    assert {(r["state"], f'"{world.name}.{collection}"' in r["message"])
            for name in ("mongodb", "postgresql") for r in world.sql("SELECT * FROM reconcile.audit(%s)", "team_roles_" + name)
            } == {("not checked", True)}
    assert world.mongo.list_collection_names(filter={"name": collection}) == [] and world.rows() == []
    world.mongo.create_collection(collection)
    assert world.cells() == ({} if collection == "teams" else each_role(1, DONE))


# ---------------------------------------------------------------------------------------------- callers and crashes

class Caller(threading.Thread):
    """Runs fix_team_roles(false) on a connection of its own, beside the test."""

    def __init__(self, world, connection):
        super().__init__(daemon=True)
        self.world, self.connection = world, connection
        self.report, self.failure, self.notices = None, None, []
        self.start()

    def run(self):
        try:
            with told(self.connection) as self.notices:
                self.report = self.world.fix(connection=self.connection)
        except psycopg.Error as failure:
            self.failure = failure

    def cells(self):
        self.join(60)
        assert self.failure is None, self.failure
        return {(r["mongodb"], r["postgresql"]) for r in self.report}

    def error(self):
        self.join(60)
        assert self.report is None
        return self.failure


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def waits(connection, pid, event):
    """Tells whether a backend waits for a lock of this kind."""
    return connection.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock' AND wait_event = %s",
                              [pid, event]).fetchone()


def test_two_callers_at_once(world):
    """The second waits, says for whom, and finds everything there."""
    world.fill([team(1, ANN), team(2, BEN)]).install()
    first, second = world.another(), world.another()
    first.execute("BEGIN")
    assert {(r["mongodb"], r["postgresql"]) for r in world.fix(connection=first)} == {("inserted", "inserted")}
    late = Caller(world, second)
    until(lambda: waits(world.connection, second.info.backend_pid, "advisory"))
    first.execute("COMMIT")
    assert late.cells() == {("found", "found")}
    assert late.notices[0][:2] == ("NOTICE", 'waiting for the repair of "team_roles_mongodb" by process '
                                   f'{first.info.backend_pid} of role "postgres"')
    first.close()
    second.close()
    settles(world, (ANN, 1), (BEN, 2))


def test_many_callers_at_once(world):
    world.fill([team(n, ANN) for n in range(1, 21)], roles(ANN, 3), rows(ANN, 4)).install()
    connections = [world.another() for _ in range(8)]
    cells = [caller.cells() for caller in [Caller(world, connection) for connection in connections]]
    for connection in connections:
        connection.close()
    assert cells.count({("found", "found")}) == 7
    settles(world, *((ANN, n) for n in range(1, 21)))


def test_the_application_writes_meanwhile(world):
    """A document that appears between looking and writing is matched, a row likewise: no error, no second one."""
    world.fill([team(1, ANN)]).install()
    worker = world.another()
    with world.another() as application:
        application.execute("BEGIN; LOCK TABLE postgres_user_roles IN EXCLUSIVE MODE")
        late = Caller(world, worker)
        until(lambda: waits(world.connection, worker.info.backend_pid, "relation"))
        application.execute("""INSERT INTO postgres_user_roles (user_id, team_id, role_name, scope, is_active, created_at,
            created_by, last_sync_at, sync_status) VALUES (%s, %s, 'owner', 'TEAM', true, now(), 'app', now(), 'SYNCED')""",
                            [ANN, team_id(1)])
        application.execute("COMMIT")
    assert late.cells() == {("inserted", "inserted"), ("inserted", "found")}
    worker.close()
    assert sorted(r["created_by"] for r in world.rows()) == ["app", "pg_reconcile", "pg_reconcile"]
    runs = world.sql("SELECT planned, changed, already_present, failed FROM reconcile.runs ORDER BY run_id")
    assert [tuple(run.values()) for run in runs] == [(3, 3, 0, 0), (3, 2, 1, 0)]
    settles(world, (ANN, 1))


def test_backend_killed_between_the_two_writes(world):
    """kill -9 when MongoDB has its documents and PostgreSQL has not: the next run adds the rows and no document."""
    world.fill([team(1, ANN), team(2, BEN)], roles(ANN, 1, ["owner"])).install()
    worker = world.another()
    blocker = world.another()
    blocker.execute("BEGIN; LOCK TABLE postgres_user_roles IN EXCLUSIVE MODE")
    victim = Caller(world, worker)
    until(lambda: waits(world.connection, worker.info.backend_pid, "relation"))
    assert len(world.documents()) == 6
    os.kill(worker.info.backend_pid, signal.SIGKILL)
    assert victim.error().sqlstate is None            # the connection is gone, nobody said why
    for connection in (worker, blocker, world.connection):
        connection.close()
    until(lambda: connects(world), 30)

    documents = world.documents()
    assert world.rows() == [] and world.sql("SELECT 1 FROM reconcile.runs") == []
    assert world.cells() == each_role(1, IS_ONE) | each_role(2, IS_ONE)
    assert world.documents() == documents
    settles(world, (ANN, 1), (BEN, 2))


def connects(world):
    try:
        world.connect()
    except psycopg.OperationalError:
        return False
    return True


# -------------------------------------------------------------------------------------------------- other schemas

HOSTILE = ["it's", 'say "hi"', "two words", "'; DROP TABLE victims; --", "Größe 🧀", "$dollar$", "a$b", "x.y", "SELECT",
           "%s %1$I", "back\\slash", "{array,of}"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(new_world, name):
    """The same odd name for everything that can have one, in both stores: nothing else happens, both stores agree."""
    world = new_world()
    world.sql("CREATE TABLE victims (id integer)")
    world.connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    field = name.replace("$", "S").replace(".", "_")       # names of fields in documents may not have these
    collection = name.replace("$", "S")

    def called(what, base=name):
        return f"{what} {base}"

    creator = called("by", field)
    world.mongo.create_collection(called("teams", collection))
    world.mongo.create_collection(called("roles", collection))
    world.mongo[called("teams", collection)].insert_many([
        {"_id": ObjectId(team_id(1)), called("name", field): name, creator: name[:24]},
        {"_id": ObjectId(team_id(2)), called("name", field): "plain", creator: ANN}])
    documents = {f: called(f, field) for f in ("user_id", "team_id", "role_name", "scope", "is_active", "created_at",
                                               "created_by")}
    columns = {c: called(c) for c in ("mongo_id", "user_id", "role_name", "scope", "team_id", "is_active", "created_at",
                                      "created_by", "last_sync_at", "sync_status")}
    report = world.install(
        schema=name, teams=called("teams", collection), user_roles=called("roles", collection), roles=["owner", name],
        created_by=name[:24], tables={t: called(t) for t in ("mongo_teams", "mongo_user_roles", "postgres_user_roles")},
        columns={"teams": {"name": called("name", field), "created_by": creator}, "user_roles": documents,
                 "postgres_user_roles": columns})
    assert [action for action, _, _ in report].count("create invariant") == 6
    expected = {(t, r): DONE for t in (name, "plain") for r in ("owner", name)}
    assert world.cells(dry_run=True) == changed(expected, "inserted", "insert")
    assert world.cells() == expected
    assert world.cells() == changed(expected, "inserted", "found")
    assert world.audit() == {"mongodb": ("clean", 0), "postgresql": ("clean", 0)}

    stored = world.documents(called("roles", collection))
    assert {tuple(d) for d in stored} == {("_id", *documents.values())}
    key = [columns[c] for c in ("mongo_id", "user_id", "team_id", "role_name", "created_by")]
    mirrored = world.connection.execute(
        sql.SQL("SELECT * FROM {}").format(sql.Identifier(name, called("postgres_user_roles")))).fetchall()
    assert sorted(tuple(r[c] for c in key) for r in mirrored) == sorted(
        (str(d["_id"]), *(str(d[documents[c]]) for c in ("user_id", "team_id", "role_name", "created_by"))) for d in stored)
    assert {(d[documents["user_id"]], str(d[documents["team_id"]]), d[documents["role_name"]]) for d in stored} == {
        (u, team_id(n), r) for u, n in ((name[:24], 1), (ANN, 2)) for r in ("owner", name)}
    assert world.sql("SELECT * FROM victims") == []
    assert set(world.mongo.list_collection_names()) == {called("teams", collection), called("roles", collection)}


def test_nested_fields(world):
    """A field may lie deeper in its documents."""
    world.mongo.create_collection("user_roles")
    world.mongo.teams.insert_one({"_id": ObjectId(team_id(1)), "info": {"title": "Team 1", "by": ANN}})
    world.install(columns={"teams": {"name": "info.title", "created_by": "info.by"}})
    assert world.cells() == each_role(1, DONE)
    settles(world, (ANN, 1))


def test_swapped_columns(world):
    """Where the mirror's columns have each other's names, a refused row still finds its role."""
    world.fill([team(1, ANN)])
    world.sql("""ALTER TABLE postgres_user_roles RENAME user_id TO x; ALTER TABLE postgres_user_roles RENAME team_id TO user_id;
                 ALTER TABLE postgres_user_roles RENAME x TO team_id;
                 ALTER TABLE postgres_user_roles ADD CONSTRAINT no_admin CHECK (role_name <> 'admin')""")
    world.install(columns={"postgres_user_roles": {"user_id": "team_id", "team_id": "user_id"}})
    cells = world.cells()
    assert cells == each_role(1, DONE) | {("Team 1", "admin"): ("inserted", "failed", cells[("Team 1", "admin")][2])}
    assert "no_admin" in cells[("Team 1", "admin")][2]
    assert {(r["team_id"], r["user_id"]) for r in world.rows()} == {(ANN, team_id(1))}


def test_another_database(new_world):
    """The option database goes before the server's."""
    world, elsewhere = new_world(), new_world()
    elsewhere.fill([team(1, ANN)], mirror=None)
    world.install(database=elsewhere.name)
    assert world.cells() == each_role(1, DONE)
    assert len(elsewhere.documents()) == 3 and world.mongo.list_collection_names() == []


def test_roles_and_marker(world):
    world.fill([team(1, ANN)], roles(ANN, 1, ["member"])).install(roles=["captain", "member"], created_by="m" * 24)
    assert world.cells() == {("Team 1", "captain"): DONE, ("Team 1", "member"): IS_ONE}
    assert {r["role_name"]: r["created_by"] for r in world.rows()} == {"captain": "m" * 24, "member": "system"}
    assert sorted(d["created_by"] for d in world.documents()) == ["m" * 24, "system"]
    settles(world, (ANN, 1), names=["captain", "member"])


# --------------------------------------------------------------------------------------------------- other mirrors

def test_mirror_is_made_where_there_is_none(world):
    report = world.fill([team(1, ANN)], mirror=None).install()
    assert ("create table", "public.postgres_user_roles", None) in report
    assert world.cells() == each_role(1, DONE)
    settles(world, (ANN, 1))
    assert world.sql("""SELECT indexdef FROM pg_indexes WHERE tablename = 'postgres_user_roles' AND indexdef ~ 'WHERE'""") == [
        {"indexdef": "CREATE UNIQUE INDEX postgres_user_roles_user_id_role_name_scope_team_id_idx ON public.postgres_user_roles "
                     "USING btree (user_id, role_name, scope, team_id) WHERE is_active"}]


def test_mirror_that_lacks_columns(world):
    """They are added and reported; so is a column of another type, which stays."""
    world.fill([team(1, ANN)], mirror="""
        CREATE TABLE postgres_user_roles (id serial PRIMARY KEY, user_id varchar(24) NOT NULL, role_name text NOT NULL,
            scope varchar(20) NOT NULL, team_id varchar(24), is_active boolean NOT NULL DEFAULT true,
            created_at timestamptz NOT NULL, created_by varchar(40) NOT NULL);
        CREATE UNIQUE INDEX ON postgres_user_roles (user_id, role_name, scope, team_id) WHERE is_active""")
    def in_order(line):
        return line[0] != "keep", line[0], line[1]
    expected = [("keep", "public.postgres_user_roles", None),
                ("add column", "public.postgres_user_roles.last_sync_at", "timestamp with time zone"),
                ("add column", "public.postgres_user_roles.mongo_id", "character varying(24)"),
                ("add column", "public.postgres_user_roles.sync_status", "character varying(20)"),
                ("differs", "public.postgres_user_roles.created_by", "is character varying(40), usually character varying(24)"),
                ("differs", "public.postgres_user_roles.role_name", "is text, usually character varying(50)")]
    assert sorted((line for line in world.install(dry_run=True) if "postgres_user_roles" in line[1]), key=in_order) == expected
    assert "mongo_id" not in world.sql("SELECT array_agg(attname::text) AS a FROM pg_attribute WHERE "
                                       "attrelid = 'postgres_user_roles'::regclass")[0]["a"]
    assert sorted((line for line in world.install() if "postgres_user_roles" in line[1]
                   and line[0] in ("keep", "differs", "add column")), key=in_order) == expected
    assert world.cells() == each_role(1, DONE)
    assert {r["sync_status"] for r in world.rows()} == {"SYNCED"}
    assert all(r["mongo_id"] and just_now(r["last_sync_at"]) for r in world.rows())
    settles(world, (ANN, 1))


def test_mirror_with_a_further_required_column(world):
    """A column that only the application can fill: the rows are refused, or installing is, but nothing is half done."""
    world.fill([team(1, ANN)])
    world.sql("ALTER TABLE postgres_user_roles ADD tenant integer NOT NULL")
    error = raised("23502", world.install)
    assert "tenant" in error.message_primary
    world.sql("ALTER TABLE postgres_user_roles ALTER tenant SET DEFAULT 7")
    world.install()
    assert world.cells() == each_role(1, DONE)
    assert {r["tenant"] for r in world.rows()} == {7}
    settles(world, (ANN, 1))


def test_mirror_without_unique_index(world):
    """Without one two callers could both insert: refused, with the statement that makes it."""
    world.fill([team(1, ANN)])
    world.sql("DROP INDEX unique_active_user_team_role")
    error = raised("RC007", world.install)
    assert "CREATE UNIQUE INDEX" in error.message_hint


def test_triggers_of_the_mirror_see_its_schema(world):
    """The application's own trigger, which names tables without a schema, works."""
    world.fill([team(1, ANN)])
    world.sql("""CREATE TABLE log (entry text);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO log VALUES (NEW.role_name); RETURN NEW; END $$;
        CREATE TRIGGER note BEFORE INSERT ON postgres_user_roles FOR EACH ROW EXECUTE FUNCTION note()""")
    world.install()
    assert world.cells() == each_role(1, DONE)
    assert {r["entry"] for r in world.rows("log")} == set(ROLES)


# --------------------------------------------------------------------------------- installing, removing, permissions

def test_install_again_remove_and_install(world):
    world.fill([team(1, ANN)]).install()
    world.cells()
    before = world.both()
    again = world.install()
    assert {action for action, _, _ in again} == {"keep", "document type", "keep invariant", "skip"}
    assert world.both() == before

    world.install(roles=["owner"], created_by="me")
    assert world.one("SELECT options ->> 'created_by' FROM reconcile.packs WHERE name = 'team_roles'") == "me"
    assert world.cells() == {("Team 1", "owner"): FOUND}

    world.sql("SELECT reconcile.remove_pack('team_roles')")
    assert raised("RC005", world.fix).message_primary == 'pack "team_roles" is not installed'
    assert raised("RC005", world.sql, "SELECT reconcile.remove_pack('team_roles')")
    assert world.both() == before
    assert world.sql("SELECT 1 FROM reconcile.invariants") == []
    assert [a for a, _, _ in world.install()].count("create invariant") == 6
    assert world.cells() == each_role(1, FOUND)
    assert world.both() == before


def test_dry_run_of_install(world):
    world.fill([team(1, ANN)], mirror=None).server()
    shown = world.install(dry_run=True)
    assert world.sql("SELECT 1 FROM pg_class WHERE relname ~ 'user_roles|mongo_teams'") == []
    assert not world.one("SELECT installed FROM reconcile.packs WHERE name = 'team_roles'")
    done = world.install()
    assert [line[:2] for line in done if line[0] != "document type"] == [line[:2] for line in shown]


def test_documents_of_another_type_later(world):
    """Where the application has changed the type of its ids, installing again follows."""
    world.fill([team(1, ANN), team(2, BEN)]).install()
    world.mongo.user_roles.insert_many(roles(ObjectId(ANN), 1))
    world.install()
    assert world.cells() == each_role(1, IS_ONE) | each_role(2, DONE)
    assert {type(d["user_id"]) for d in world.documents()} == {ObjectId}
    settles(world, (ANN, 1), (BEN, 2))



# What a role needs that is no superuser. Each line is needed: the test takes one after the other away.
TO_RUN = [
    "EXECUTE ON FUNCTION fix_team_roles(boolean, boolean)",
    "EXECUTE ON FUNCTION reconcile.repair(text, text, boolean, bigint, text, text)",
    "SELECT ON postgres_user_roles", "INSERT ON postgres_user_roles", "USAGE ON SEQUENCE postgres_user_roles_id_seq"]
TO_INSTALL = [
    "USAGE ON FOREIGN SERVER app_mongo", "CREATE ON SCHEMA public",
    "EXECUTE ON FUNCTION reconcile.install_pack(text, jsonb, boolean)",
    "EXECUTE ON FUNCTION reconcile.install_team_roles(jsonb, boolean)",
    "EXECUTE ON FUNCTION reconcile.team_roles_ensure_tables(jsonb, boolean)",
    "EXECUTE ON FUNCTION reconcile.team_roles_fit_types(jsonb)",
    "EXECUTE ON FUNCTION reconcile.pack_ensure_columns(regclass, text[], boolean)",
    "EXECUTE ON FUNCTION reconcile.pack_declare(text, jsonb, text, text, text[], text, text, text, text, text[], text, boolean)",
    "EXECUTE ON FUNCTION reconcile.create_invariant(text, regclass, text[], text, text, text[], text, text, text)",
    "EXECUTE ON FUNCTION reconcile.pack_drop(text, text, text[], text[], boolean)",
    "EXECUTE ON FUNCTION reconcile.record_pack(text, jsonb, text[])"]


@pytest.fixture(name="operator")
def one_operator(world):
    """A world whose server wants a password, and a connection of a role that can do nothing yet but log in."""
    name = world.name + "_operator"
    world.fill([team(1, ANN)], [], rows(ANN, 1, ["owner"])).server(os.environ["MONGO_AUTH_HOSTS"])
    world.sql(f"CREATE ROLE {name} LOGIN")
    world.credentials(name)
    connection = psycopg.connect(dbname=world.name, user=name, autocommit=True, row_factory=dict_row)
    connection.role = name
    yield connection
    connection.close()
    world.sql(f"DROP OWNED BY {name}")
    world.sql(f"DROP ROLE {name}")


@pytest.mark.skipif("MONGO_AUTH_HOSTS" not in os.environ, reason="needs a MongoDB that wants passwords")
def test_operator_with_exactly_these_grants(world, operator):
    install = """SELECT * FROM reconcile.install_pack('team_roles', '{"server": "app_mongo"}')"""
    for grant in TO_RUN + TO_INSTALL:
        world.sql(f"GRANT {grant} TO {operator.role}")

    def lacks_each(grants, statement):
        for grant in grants:
            world.sql(f"REVOKE {grant} FROM {operator.role}")
            print("without", grant)                   # what pytest shows when the rest passes all the same
            raised("42501", operator.execute, statement)
            world.sql(f"GRANT {grant} TO {operator.role}")

    lacks_each(TO_INSTALL, install)
    operator.execute(install)
    for grant in TO_INSTALL:
        world.sql(f"REVOKE {grant} FROM {operator.role}")
    lacks_each(TO_RUN, "SELECT * FROM fix_team_roles(false)")
    assert {(r["mongodb"], r["postgresql"]) for r in world.fix(connection=operator)} <= {
        ("found", "found"), ("found", "inserted")}
    assert world.state() == (wanted((ANN, 1)),) * 2
    assert {r["state"] for r in operator.execute("SELECT * FROM reconcile.audit(pack => 'team_roles')")} == {"clean"}


@pytest.mark.skipif("MONGO_AUTH_HOSTS" not in os.environ, reason="needs a MongoDB that wants passwords")
def test_operator_of_an_owner(world, operator):
    """Whoever is a member of the role that installed the pack may run it; nobody else. Passwords are nowhere to be read."""
    world.credentials("postgres")
    world.install()
    for grant in TO_RUN:
        world.sql(f"GRANT {grant} TO {operator.role}")
    raised("42501", world.fix, dry_run=True, connection=operator)
    error = raised("42501", world.fix, connection=operator)
    assert error.message_primary == 'permission denied for invariant "team_roles_mongodb"'
    assert world.documents() == []

    world.sql(f"DROP USER MAPPING FOR {operator.role} SERVER app_mongo")       # the owner's is used
    world.sql(f"GRANT postgres TO {operator.role}")
    assert {(r["mongodb"], r["postgresql"]) for r in world.fix(dry_run=True, connection=operator)} == {
        ("insert", "insert"), ("insert", "found")}
    with operator.transaction():
        assert {(r["mongodb"], r["postgresql"]) for r in world.fix(connection=operator)} == {
            ("inserted", "inserted"), ("inserted", "found")}
        assert operator.execute("SELECT current_user AS me, current_setting('role') AS role").fetchone() == {
            "me": operator.role, "role": "none"}
    settles(world, (ANN, 1))
    secret = os.environ["MONGO_AUTH_PASSWORD"]
    for table in ("run", "run_row", "failure", "invariant", "installed_pack"):
        assert secret not in str(world.sql(f"SELECT * FROM reconcile.{table}"))


def test_function_of_the_owner(world):
    """Who owns the pack may let others call it by a SECURITY DEFINER function."""
    world.fill([team(1, ANN)]).install()
    world.sql("""CREATE FUNCTION give_roles() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET search_path = public
                 AS 'SELECT postgresql FROM fix_team_roles(false)'""")
    role_name = world.name + "_caller"
    world.sql(f"CREATE ROLE {role_name} LOGIN")
    with psycopg.connect(dbname=world.name, user=role_name, autocommit=True, row_factory=dict_row) as caller:
        raised("42501", world.fix, connection=caller)
        assert [r["give_roles"] for r in caller.execute("SELECT * FROM give_roles()")] == ["inserted"] * 3
    world.sql(f"DROP ROLE {role_name}")
    settles(world, (ANN, 1))


@pytest.mark.skipif("MONGO_AUTH_HOSTS" not in os.environ, reason="needs a MongoDB that wants passwords")
@pytest.mark.parametrize("credentials, code", [
    ({"password": "wrong"}, "28P01"), ({"username": "nobody"}, "28P01"), (None, "2F003")])
def test_wrong_or_no_password(world, operator, credentials, code):
    for grant in TO_RUN + TO_INSTALL:
        world.sql(f"GRANT {grant} TO {operator.role}")
    if credentials is None:
        world.sql(f"DROP USER MAPPING FOR {operator.role} SERVER app_mongo")
    else:
        world.credentials(operator.role, **credentials)
    raised(code, operator.execute, """SELECT * FROM reconcile.install_pack('team_roles', '{"server": "app_mongo"}')""")
    assert world.documents() == [] and len(world.rows()) == 1
