"""Repairs whose target is a MongoDB collection: what becomes of each row, whatever becomes of the others."""
import psycopg
import pytest

from team_roles_world import worlds


@pytest.fixture
def world():
    """A source table of five users, and a collection that must have a document for each."""
    with worlds() as make:
        world = make().server()
        world.mongo.create_collection("preferences")
        world.sql("CREATE TABLE users (id integer PRIMARY KEY, theme text)")
        world.sql("INSERT INTO users SELECT n, 'dark' FROM generate_series(1, 5) AS n")
        world.sql("CREATE FOREIGN TABLE preferences (user_id integer, theme text, ref text OPTIONS (write_as 'objectId'))"
                  " SERVER app_mongo OPTIONS (key 'user_id')")
        world.sql("SELECT reconcile.create_invariant('preferences', 'preferences', '{user_id}',"
                  " $$ SELECT id AS user_id, theme, lpad(to_hex(id), 24, '0') AS ref FROM users $$)")
        yield world


def repair(world, **options):
    given = "".join(f", {name} => '{value}'" for name, value in options.items())
    (result,) = world.sql(f"SELECT * FROM reconcile.repair('preferences', dry_run => false{given})")
    return tuple(result[name] for name in ("planned", "changed", "already_present", "failed"))


def users(world):
    return sorted(document["user_id"] for document in world.mongo.preferences.find())


def failures(world):
    return [(r["key"], r["sqlstate"]) for r in world.sql("SELECT key, sqlstate FROM reconcile.failures ORDER BY key")]


def only_one_dark_user(world):
    world.mongo.preferences.create_index("theme", unique=True)
    world.sql("UPDATE users SET theme = 'theme ' || id WHERE id <> 2")
    world.mongo.preferences.insert_one({"user_id": 99, "theme": "dark"})


def test_every_row_is_written_once(world):
    assert repair(world) == (5, 5, 0, 0)
    assert users(world) == [1, 2, 3, 4, 5]
    assert repair(world) == (0, 0, 0, 0)


def all_batches_wait_for_the_disk(world):
    """Whether no commit of a run in batches leaves to a crash what is in the ledger."""
    number, settings, more = world.one("SELECT reconcile.begin_batches('preferences')"), set(), True
    while more:
        with world.connection.transaction():
            more = world.one("SELECT reconcile.run_batch(%s, 'preferences', 2)", number)
            settings.add(world.one("SHOW synchronous_commit"))
    return settings == {"on"}


def test_the_ledger_is_on_disk_when_a_batch_is_done(world):
    """The collection keeps its documents when PostgreSQL crashes: the ledger must not forget them."""
    assert all_batches_wait_for_the_disk(world)
    assert users(world) == [1, 2, 3, 4, 5]


def test_it_is_on_disk_where_a_child_of_the_target_is_a_collection(world):
    world.mongo.preferences.insert_many({"user_id": n, "theme": None} for n in (4, 5))
    world.sql("SELECT reconcile.drop_invariant('preferences')")
    world.sql("ALTER TABLE preferences RENAME TO elsewhere")
    world.sql("ALTER FOREIGN TABLE elsewhere OPTIONS (ADD collection 'preferences')")
    world.sql("CREATE TABLE preferences (user_id integer UNIQUE, theme text, ref text)")
    world.sql("ALTER FOREIGN TABLE elsewhere INHERIT preferences")
    world.sql("INSERT INTO preferences SELECT id FROM users WHERE id < 4")
    world.sql("SELECT reconcile.create_invariant('preferences', 'preferences', '{user_id}',"
              " $$ SELECT id AS user_id, theme FROM users $$, kind => 'fill')")
    assert all_batches_wait_for_the_disk(world)
    assert world.one("SELECT count(*) FROM preferences WHERE theme = 'dark'") == 5


def test_stop_counts_what_was_written(world):
    assert repair(world, on_row_error="stop") == (5, 5, 0, 0)
    assert world.one("SELECT count(*) FROM reconcile.run_rows(1)") == 5


def test_a_refused_row_leaves_the_others(world):
    only_one_dark_user(world)
    assert repair(world) == (5, 4, 0, 1)
    assert users(world) == [1, 3, 4, 5, 99]
    assert failures(world) == [({"user_id": 2}, "23505")]


def test_stop_raises_the_refusal(world):
    only_one_dark_user(world)
    with pytest.raises(psycopg.errors.UniqueViolation):
        repair(world, on_row_error="stop")
    assert world.sql("SELECT * FROM reconcile.runs") == []


def test_a_row_that_cannot_be_encoded_is_counted_once(world):
    """The statement fails on it after other rows were written; the list is halved, and counts must not double."""
    world.sql("SELECT reconcile.alter_invariant('preferences', expects => $$ SELECT id AS user_id, theme,"
              " CASE WHEN id = 4 THEN 'no ObjectId' ELSE lpad(to_hex(id), 24, '0') END AS ref FROM users $$)")
    only_one_dark_user(world)
    assert repair(world) == (5, 3, 0, 2)
    assert users(world) == [1, 3, 5, 99]
    assert failures(world) == [({"user_id": 2}, "23505"), ({"user_id": 4}, "22P02")]
    assert world.one("SELECT count(*) FROM reconcile.run_rows(1)") == 3
