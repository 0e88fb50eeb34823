"""fix_team_roles() against a client-side loop: 100,000 teams, every tenth without owner and admin."""
from datetime import datetime, timezone

import psycopg
from bson import ObjectId
from pymongo import ASCENDING

import client_loop
import mongo
from databases import connect, copy, create
from engine import expect
from measure import Comparison, Growth, Measurement, seconds

TEAMS = 100_000
REPETITIONS = 2  # the loop takes minutes
MEBIBYTE = 1024 * 1024
CREATED = datetime(2025, 9, 1, 12, tzinfo=timezone.utc)

MIRROR = """
    CREATE TABLE postgres_user_roles (
        id           serial PRIMARY KEY,
        mongo_id     varchar(24) UNIQUE,
        user_id      varchar(24) NOT NULL,
        role_name    varchar(50) NOT NULL,
        scope        varchar(20) NOT NULL,
        team_id      varchar(24),
        is_active    boolean NOT NULL,
        created_at   timestamptz NOT NULL,
        created_by   varchar(24) NOT NULL,
        last_sync_at timestamptz NOT NULL,
        sync_status  varchar(20) NOT NULL,
        sync_error   text);
    CREATE UNIQUE INDEX ON postgres_user_roles (user_id, role_name, scope, team_id) WHERE is_active;"""
INSTALL = "SELECT reconcile.install_pack('team_roles', '{\"server\": \"app_mongo\"}');"
# The roles that are there are mirrored; the repair itself does it, since that is what it is for.
MIRROR_ALL = "SELECT reconcile.repair('team_roles_postgresql', dry_run => false)"
FIX = "SELECT count(*) FILTER (WHERE mongodb = 'inserted' AND postgresql = 'inserted') FROM fix_team_roles(false)"


def run(scale):
    count = round(TEAMS * scale)
    missing = sum(2 for n in range(count) if incomplete(n))
    fill(count)
    filled = create("team_roles", mongo.server_script() + MIRROR + INSTALL + MIRROR_ALL)
    growth = []

    def ours():
        forget_repairs()
        with connect(copy(filled)) as database:
            with Growth(database) as memory:
                duration = seconds(lambda: expect(missing, database.execute(FIX).fetchone()[0]))
        growth.append(memory.most)
        return duration

    def other():
        forget_repairs()
        with psycopg.connect(dbname=copy(filled)) as database:
            return seconds(lambda: expect(missing, client_loop.fix_team_roles(mongo.database(), database)))

    work = f"fix_team_roles(false), {count:,} teams, every tenth without owner and admin"
    yield Comparison(work, "client-side loop", 10, faster=True).run(ours, other, REPETITIONS)
    yield Measurement("memory of the backend meanwhile", f"+{max(growth) / MEBIBYTE:.1f} MB", "less than 64 MB")


def incomplete(n):
    return n % 10 == 0


def fill(count):
    database = mongo.database()
    mongo.fill(database.teams, (team(n) for n in range(count)))
    mongo.fill(database.user_roles, (
        role(n, name) for n in range(count) for name in client_loop.ROLES if name == "member" or not incomplete(n)))
    database.user_roles.create_index([(field, ASCENDING) for field in ("user_id", "team_id", "role_name")])


def team(n):
    return {"_id": ObjectId(f"{n:024x}"), "name": f"team {n}", "description": "made for a benchmark",
            "created_by": f"{n // 3:024x}", "updated_by": f"{n // 3:024x}", "is_deleted": False, "created_at": CREATED,
            "updated_at": CREATED}


def role(n, name):
    return {"user_id": f"{n // 3:024x}", "team_id": f"{n:024x}", "role_name": name, "scope": "TEAM",
            "is_active": True, "created_at": CREATED, "created_by": "system"}


def forget_repairs():
    """forget_repairs puts the documents back to where they were; each repetition has a new copy of the rows."""
    mongo.database().user_roles.delete_many({"created_by": {"$ne": "system"}})
