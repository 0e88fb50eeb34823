"""install_pack('team_roles') where the collections or the foreign tables are not what the options say."""
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
