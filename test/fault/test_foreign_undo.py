"""Fills of a MongoDB collection, and the way back: what a repair wrote to documents, and what undo makes of them."""

import psycopg
import pytest

from team_roles_world import ANN, BEN, Network, team, worlds


@pytest.fixture
def make():
    with worlds() as make:
        yield make


@pytest.fixture
def world(make):
    """Five users, of whom three have a document of preferences, and invariants of both kinds for them."""
    world = make().server()
    world.sql("CREATE TABLE users (id integer PRIMARY KEY, theme text, logins integer)")
    world.sql("INSERT INTO users SELECT n, 'theme ' || n, 10 * n FROM generate_series(1, 5) AS n")
    world.sql("CREATE FOREIGN TABLE preferences (user_id integer, theme text, logins integer, note text)"
              " SERVER app_mongo OPTIONS (key 'user_id')")
    world.sql("SELECT reconcile.create_invariant('rows', 'preferences', '{user_id}', 'SELECT id AS user_id, theme FROM users')")
    world.sql("SELECT reconcile.create_invariant('values', 'preferences', '{user_id}', kind => 'fill', compare => '{logins}',"
              " expects => 'SELECT id AS user_id, theme, logins FROM users')")
    world.mongo.preferences.insert_many([
        {"user_id": 1, "logins": 10, "note": "empty theme"}, {"user_id": 2, "theme": "mine", "logins": 2, "hidden": 1},
        {"user_id": 3, "theme": None, "logins": None}])
    return world


def repair(world, invariant, dry_run=False, **options):
    given = "".join(f", {name} => '{value}'" for name, value in options.items())
    (result,) = world.sql(f"SELECT * FROM reconcile.repair('{invariant}', dry_run => {dry_run}{given})")
    return tuple(result[name] for name in ("planned", "changed", "already_present", "failed"))


def last_run(world):
    return world.one("SELECT max(run_id) FROM reconcile.runs WHERE undoable")


def undo(world, run, dry_run=False):
    (result,) = world.sql(f"SELECT * FROM reconcile.undo({run}, dry_run => {dry_run})")
    return {name: n for name, n in result.items() if name not in ("run_id", "invariant") and n}


def documents(world):
    return [{k: v for k, v in d.items() if k != "_id"} for d in world.mongo.preferences.find().sort("user_id")]


def state_of(world, run):
    return world.one(f"SELECT state FROM reconcile.runs WHERE run_id = {run}")


def killed_after(world, statement):
    """Runs a statement in a session that dies before it commits."""
    other = world.another()
    other.autocommit = False
    other.execute(statement)
    assert world.one("SELECT pg_terminate_backend(%s, 5000)", other.info.backend_pid)
    other.close()


# ---------------------------------------------------------------- undo of inserted documents

def test_undo_removes_the_documents_of_the_run(world):
    before = documents(world)
    assert repair(world, "rows") == (2, 2, 0, 0)
    run = last_run(world)
    assert undo(world, run, dry_run=True) == {"removed": 2}
    assert undo(world, run) == {"removed": 2}
    assert documents(world) == before
    with pytest.raises(psycopg.errors.Error) as refused:
        undo(world, run)
    assert refused.value.sqlstate == "RC004"


def test_undo_keeps_what_others_changed(world):
    world.mongo.preferences.delete_many({})
    assert repair(world, "rows") == (5, 5, 0, 0)
    world.mongo.preferences.update_one({"user_id": 1}, {"$set": {"note": "theirs"}})
    world.mongo.preferences.update_one({"user_id": 2}, {"$set": {"theme": "theirs"}})
    world.mongo.preferences.delete_one({"user_id": 3})
    run = last_run(world)
    for dry_run in (True, False):
        assert undo(world, run, dry_run) == {"removed": 2, "kept_changed": 2, "already_gone": 1}
    assert [d["user_id"] for d in documents(world)] == [1, 2]


def test_undo_that_was_rolled_back_goes_on_where_it_stopped(world):
    """MongoDB keeps what was deleted; the ledger does not know yet, so the next undo finds it gone."""
    world.mongo.preferences.delete_many({})
    repair(world, "rows")
    run = last_run(world)
    world.sql("BEGIN")
    assert undo(world, run) == {"removed": 5}
    world.sql("ROLLBACK")
    assert (documents(world), state_of(world, run)) == ([], "done")
    assert undo(world, run) == {"already_gone": 5}
    assert state_of(world, run) == "undone"


def test_undo_whose_session_was_killed_goes_on(world):
    world.mongo.preferences.delete_many({})
    repair(world, "rows")
    run = last_run(world)
    killed_after(world, f"SELECT reconcile.undo({run}, dry_run => false)")
    assert undo(world, run) == {"already_gone": 5}
    assert documents(world) == []


@pytest.mark.parametrize("direction", ["to_server", "from_server"])
@pytest.mark.parametrize("share", [0.2, 0.4, 0.6, 0.8, 0.95])
def test_undo_over_a_network_that_breaks_ends_by_one_more(make, world, direction, share):
    """Wherever the connection breaks, the second undo ends it, and nothing else is touched."""
    world.sql("ALTER FOREIGN TABLE preferences OPTIONS (ADD batch_size '10')")
    world.sql("INSERT INTO users SELECT n, 'theme ' || n, n FROM generate_series(101, 160) AS n")
    kept = documents(world)
    network = Network()
    try:
        world.reach(network.hosts)
        assert repair(world, "rows") == (62, 62, 0, 0)
        network.sent = [0, 0]
        undo(world, last_run(world))
        whole = network.sent[direction == "from_server"]
        assert repair(world, "rows") == (62, 62, 0, 0)
        run = last_run(world)
        world.reach(network.hosts)
        network.limit(**{direction: int(whole * share)})
        with pytest.raises(psycopg.Error) as broken:
            undo(world, run)
        assert broken.value.sqlstate[:2] == "08"
        assert state_of(world, run) == "done"
    finally:
        network.close()
        world.reach()
    left = len(documents(world)) - len(kept)
    assert undo(world, run).get("removed", 0) == left
    assert (documents(world), state_of(world, run)) == (kept, "undone")
    assert repair(world, "rows") == (62, 62, 0, 0)


def test_a_run_of_team_roles_is_undone_in_both_stores(make):
    world = make().fill(teams=[team(1, ANN), team(2, BEN)])
    world.install()
    before = world.both()
    world.fix()
    assert world.one("SELECT bool_and(undoable) FROM reconcile.runs WHERE changed > 0")
    for dry_run in (True, False):
        report = world.sql("SELECT invariant, removed, kept_changed, kept_referenced FROM reconcile.undo_last('team_roles', %s)", dry_run)
        assert {r["invariant"].removeprefix("team_roles_"): r["removed"] for r in report} == {"mongodb": 6, "postgresql": 6}
        assert not any(r["kept_changed"] or r["kept_referenced"] for r in report)
    assert world.both() == before


def test_undo_in_both_stores_resumes_after_a_fault(make):
    """The rows in PostgreSQL come back with the transaction, the documents do not: one more undo ends both."""
    world = make().fill(teams=[team(1, ANN)])
    world.install()
    before = world.both()
    world.fix()
    world.sql("BEGIN")
    world.sql("SELECT * FROM reconcile.undo_last('team_roles', false)")
    world.sql("ROLLBACK")
    assert (len(world.documents()), len(world.rows())) == (0, 3)
    report = world.sql("SELECT invariant, removed, already_gone FROM reconcile.undo_last('team_roles', false)")
    assert {r["invariant"].removeprefix("team_roles_"): (r["removed"], r["already_gone"]) for r in report} == {
        "mongodb": (0, 3), "postgresql": (3, 0)}
    assert world.both() == before


# ---------------------------------------------------------------- fill

def test_fill_writes_what_is_empty_or_differs_and_no_more(world):
    assert repair(world, "values", dry_run=True) == (3, 3, 0, 0)
    assert repair(world, "values") == (3, 3, 0, 0)
    assert documents(world) == [
        {"user_id": 1, "logins": 10, "note": "empty theme", "theme": "theme 1"},
        {"user_id": 2, "theme": "mine", "logins": 20, "hidden": 1},
        {"user_id": 3, "theme": "theme 3", "logins": 30}]
    assert repair(world, "values") == (0, 0, 0, 0)
    (audited,) = world.sql("SELECT expected, present, missing, differing FROM reconcile.audit('values')")
    assert tuple(audited.values()) == (5, 3, 2, 0)      # two have no document: a fill inserts none


def test_undo_of_a_fill_restores_where_ours_is_still_there(world):
    repair(world, "values")
    run = last_run(world)
    assert [r["was"] for r in world.sql(f"SELECT was FROM reconcile.run_rows({run}) ORDER BY row ->> 'user_id'")] == [
        {"theme": None}, {"logins": 2}, {"theme": None, "logins": None}]
    world.mongo.preferences.update_one({"user_id": 1}, {"$set": {"note": "theirs"}})      # was not filled
    world.mongo.preferences.update_one({"user_id": 3}, {"$set": {"logins": 31}})
    for dry_run in (True, False):
        assert undo(world, run, dry_run) == {"restored": 2, "kept_changed": 1}
    assert documents(world) == [
        {"user_id": 1, "logins": 10, "note": "theirs"}, {"user_id": 2, "theme": "mine", "logins": 2, "hidden": 1},
        {"user_id": 3, "theme": "theme 3", "logins": 31}]


def test_insert_and_fill_in_one_repair(world):
    report = world.sql("SELECT invariant, planned, changed FROM reconcile.repair()")
    live = world.sql("SELECT invariant, planned, changed FROM reconcile.repair(dry_run => false)")
    assert report == live
    assert {r["invariant"]: r["changed"] for r in live} == {"rows": 2, "values": 5}
    assert world.one("SELECT bool_and(state = 'clean') FROM reconcile.audit()")


def test_a_value_that_mongodb_refuses_leaves_the_others(world):
    world.mongo.preferences.create_index("theme", unique=True, partialFilterExpression={"theme": {"$gt": "theme"}})
    world.mongo.preferences.insert_one({"user_id": 99, "theme": "theme 3"})
    assert repair(world, "values") == (3, 2, 0, 1)
    assert [d.get("theme") for d in documents(world)] == ["theme 1", "mine", None, "theme 3"]
    assert [(r["key"], r["sqlstate"]) for r in world.sql("SELECT key, sqlstate FROM reconcile.failures")] == [({"user_id": 3}, "23505")]
    assert repair(world, "values") == (1, 0, 0, 1)
    assert undo(world, last_run(world)) == {"restored": 2}


def test_a_plan_writes_over_nothing_that_changed_since(world):
    plan = world.one("SELECT reconcile.plan('values')")
    world.mongo.preferences.update_one({"user_id": 2}, {"$set": {"logins": 5}})
    (result,) = world.sql(f"SELECT planned, changed, already_present FROM reconcile.repair(plan => {plan}, dry_run => false)")
    assert tuple(result.values()) == (3, 2, 1)
    assert [d["logins"] for d in documents(world)] == [10, 5, 30]


def test_a_fill_that_was_killed_goes_on(world):
    """MongoDB keeps what was written; the next run finds it filled."""
    killed_after(world, "SELECT * FROM reconcile.repair('values', dry_run => false)")
    assert repair(world, "values") == (0, 0, 0, 0)
    assert [d.get("theme") for d in documents(world)] == ["theme 1", "mine", "theme 3"]


def test_times_are_compared_as_mongodb_keeps_them(world):
    """MongoDB drops microseconds: a fill of a time ends, and undo finds the value that it wrote."""
    world.sql("CREATE FOREIGN TABLE seen (user_id integer, at timestamptz, since timestamp) SERVER app_mongo OPTIONS (key 'user_id')")
    world.mongo.seen.insert_many([{"user_id": 1}, {"user_id": 2}])
    world.sql("SELECT reconcile.create_invariant('seen', 'seen', '{user_id}', kind => 'fill', compare => '{at,since}', expects =>"
              " $$ SELECT id AS user_id, '2026-01-02 03:04:05.678999Z'::timestamptz AS at, timestamp '1926-01-02 03:04:05.678999' AS since"
              " FROM users WHERE id < 3 $$)")
    assert repair(world, "seen") == (2, 2, 0, 0)
    assert repair(world, "seen") == (0, 0, 0, 0)
    assert undo(world, last_run(world)) == {"restored": 2}
    assert [d.get("at") for d in world.mongo.seen.find()] == [None, None]


def test_a_table_that_refuses_to_be_written_cannot_be_filled(world):
    world.sql("ALTER FOREIGN TABLE preferences OPTIONS (ADD updatable 'false')")
    with pytest.raises(psycopg.errors.FeatureNotSupported) as refused:
        world.sql("SELECT reconcile.alter_invariant('values', severity => 'notice')")
    assert str(refused.value).startswith("rows of public.preferences cannot be updated")
