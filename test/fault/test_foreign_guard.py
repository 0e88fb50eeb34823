"""Guards whose target is a MongoDB collection: the write never waits for the network, and what it expects is not lost."""
import psycopg
import pytest

from team_roles_world import worlds

# A port on which nothing listens: port 1 is never given out.
NOWHERE = "127.0.0.1:1"


@pytest.fixture
def world():
    """Users, and a collection that must have a document for each, guarded."""
    with worlds() as make:
        world = make().server()
        world.mongo.create_collection("preferences")
        world.sql("CREATE TABLE users (id integer PRIMARY KEY, theme text)")
        world.sql("CREATE FOREIGN TABLE preferences (user_id integer, theme text) SERVER app_mongo OPTIONS (key 'user_id')")
        world.sql("SELECT reconcile.create_invariant('preferences', 'preferences', '{user_id}', 'SELECT id AS user_id, theme FROM users')")
        world.sql("SELECT * FROM reconcile.guard('preferences', on_failure => 'queue')")
        yield world


def users(world):
    return sorted((document["user_id"], document["theme"]) for document in world.mongo.preferences.find())


def waiting(world):
    return [(r["key"]["user_id"], r["source"], r["sqlstate"]) for r in
            world.sql("SELECT key, source, sqlstate FROM reconcile.failures ORDER BY key->'user_id'")]


def audited(world):
    (audit,) = world.sql("SELECT * FROM reconcile.audit('preferences')")
    return audit["state"], audit["missing"]


def test_a_guard_that_blocks_is_refused_with_the_reason(world):
    world.sql("SELECT reconcile.unguard('preferences')")
    with pytest.raises(psycopg.errors.FeatureNotSupported) as refused:
        world.sql("SELECT * FROM reconcile.guard('preferences')")
    said = refused.value.diag
    assert said.message_primary == 'a guard of invariant "preferences" cannot write public.preferences'
    assert "a network call would keep the writer's transaction waiting" in said.message_detail
    assert "on_failure => 'queue'" in said.message_hint
    assert world.sql("SELECT trigger_name FROM reconcile.guards") == []
    world.sql("INSERT INTO users VALUES (1)")
    assert waiting(world) == []


def test_what_is_written_waits_for_a_repair(world):
    world.sql("INSERT INTO users VALUES (1, 'dark'), (2, 'light')")
    world.sql("UPDATE users SET id = 3 WHERE id = 2")
    assert users(world) == []
    assert waiting(world) == [(1, {"user_id": 1, "theme": "dark"}, "0A000"), (2, {"user_id": 2, "theme": "light"}, "0A000"),
                              (3, {"user_id": 3, "theme": "light"}, "0A000")]
    assert audited(world) == ("drift", 2)
    (message,) = {r["message"] for r in world.sql("SELECT message FROM reconcile.failures")}
    assert message == ("a foreign table is written by repairs only: a network call would keep the transaction waiting,"
                       " and could not be undone")
    (repair,) = world.sql("SELECT * FROM reconcile.repair('preferences', dry_run => false)")
    assert (repair["planned"], repair["changed"], repair["failed"]) == (2, 2, 0)
    assert users(world) == [(1, "dark"), (3, "light")]
    assert waiting(world) == []
    assert audited(world) == ("clean", 0)


def test_a_retry_writes_what_waits(world):
    world.sql("INSERT INTO users VALUES (1, 'dark')")
    (retry,) = world.sql("SELECT * FROM reconcile.retry_failures()")
    assert (retry["fixed"], retry["remaining"]) == (1, 0)
    assert users(world) == [(1, "dark")]


def test_a_transaction_that_is_rolled_back_leaves_nothing(world):
    with world.connection.transaction(force_rollback=True):
        world.sql("INSERT INTO users VALUES (1, 'dark')")
        assert len(waiting(world)) == 1
    assert waiting(world) == []
    assert audited(world) == ("clean", 0)


def test_the_write_succeeds_while_mongodb_is_away(world):
    world.reach(NOWHERE)
    world.sql("INSERT INTO users VALUES (1, 'dark')")
    assert [key for key, *_ in waiting(world)] == [1]
    (retry,) = world.sql("SELECT * FROM reconcile.retry_failures()")
    assert (retry["fixed"], retry["remaining"]) == (0, 1)
    assert world.one("SELECT attempts FROM reconcile.failures") == 2
    (_, _, sqlstate), = waiting(world)
    assert sqlstate == "08001"
    world.reach()
    (retry,) = world.sql("SELECT * FROM reconcile.retry_failures()")
    assert (retry["fixed"], retry["remaining"]) == (1, 0)
    assert users(world) == [(1, "dark")]


def test_at_commit_it_waits_as_well(world):
    world.sql("SELECT * FROM reconcile.guard('preferences', on_failure => 'queue', timing => 'commit')")
    world.sql("INSERT INTO users VALUES (1, 'dark')")
    assert [key for key, *_ in waiting(world)] == [1]
    assert world.one("SELECT sum(changed) FROM reconcile.repair('preferences', dry_run => false)") == 1
    assert users(world) == [(1, "dark")]


def test_the_preflight_finds_nothing_wrong(world):
    assert world.sql("SELECT * FROM reconcile.check_guard('preferences')") == []
