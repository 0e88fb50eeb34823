"""What fix_team_roles() replaces: a script that walks over the teams and asks for each role.

It does what such a script says of itself: iterate over every team, look for each role of its creator, insert the missing
document, at once insert its row into PostgreSQL, commit per team, and go on with the next team after an error.
"""
from datetime import datetime, timezone

import psycopg

ROLES = ("owner", "admin", "member")
MARKER = "client_loop"

INSERT = """
    INSERT INTO postgres_user_roles (mongo_id, user_id, role_name, scope, team_id, is_active, created_at, created_by,
                                     last_sync_at, sync_status)
    VALUES (%(mongo_id)s, %(user_id)s, %(role_name)s, %(scope)s, %(team_id)s, %(is_active)s, %(created_at)s,
            %(created_by)s, now(), 'SYNCED')"""


def fix_team_roles(mongo, postgres):
    """fix_team_roles takes a pymongo database and a psycopg connection; it returns how many roles it inserted."""
    inserted = 0
    for team in mongo.teams.find({"is_deleted": {"$ne": True}}):
        try:
            inserted += fix_team(team, mongo.user_roles, postgres)
            postgres.commit()
        except psycopg.Error as error:
            postgres.rollback()
            print(f"team {team['_id']}: {error}")
    return inserted


def fix_team(team, user_roles, postgres):
    inserted = 0
    for role in ROLES:
        key = {"user_id": team["created_by"], "team_id": str(team["_id"]), "role_name": role, "scope": "TEAM",
               "is_active": True}
        if user_roles.find_one(key):
            continue
        document = {**key, "created_at": datetime.now(timezone.utc), "created_by": MARKER}
        written = user_roles.insert_one(document)
        postgres.execute(INSERT, {**document, "mongo_id": str(written.inserted_id)})
        inserted += 1
    return inserted
