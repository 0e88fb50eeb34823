"""install_pack('team_roles') where the collections or the foreign tables are not what the options say."""
import threading

import psycopg
import pytest

from team_roles_world import ANN, team, worlds


@pytest.fixture
def world():
    with worlds() as make:
        yield make()


def test_missing_collection_is_named_with_advice_one_can_follow(world):
    world.mongo.create_collection("teams")
    with pytest.raises(psycopg.errors.FdwTableNotFound) as error:
        world.install()
    assert error.value.diag.message_primary == f'collection "{world.name}.user_roles" does not exist'
    assert error.value.diag.message_hint == ('Create the collection first, or check the options "database", "teams" and '
                                             '"user_roles".')
    assert world.sql("SELECT * FROM reconcile.packs WHERE installed") == []


def test_kept_foreign_tables_that_read_something_else_are_reported(world):
    world.fill(teams=[team(1, ANN)])
    world.install()
    again = dict((object, (action, detail)) for action, object, detail in world.install())
    assert again["public.mongo_teams"] == ("keep", None)
    other = dict((object, (action, detail)) for action, object, detail in world.install(teams="squads"))
    assert other["public.mongo_teams"] == (
        "differs", "reads collection teams of server app_mongo, the options say squads of app_mongo; drop it to have it made anew")
    assert other["public.mongo_user_roles"] == ("keep", None)


def test_installing_at_once(world):
    """Eight sessions: one makes what is missing, all others find it."""
    world.fill(teams=[team(1, ANN)], mirror=None).server()
    start = threading.Barrier(8, timeout=120)  # of one that cannot connect the others learn
    reports = [None] * 8

    def session(number):
        try:
            with world.another() as connection:
                start.wait()
                reports[number] = [r["action"] for r in connection.execute(
                    """SELECT action FROM reconcile.install_pack('team_roles', '{"server": "app_mongo"}')""")]
        except (psycopg.Error, threading.BrokenBarrierError) as error:
            start.abort()
            reports[number] = error

    threads = [threading.Thread(target=session, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [report for report in reports if isinstance(report, Exception)] == []
    made = sorted(sum(action.startswith("create") for action in report) for report in reports)
    assert made == [0] * 7 + [9]
    assert world.sql("SELECT name FROM reconcile.packs WHERE installed") == [{"name": "team_roles"}]
    assert {r["mongodb"] for r in world.fix()} == {"inserted"}
