#!/usr/bin/python3
"""Fills the example's MongoDB database: teams, and the roles an API bug left incomplete.

Usage: mongodb.py URI DATABASE
"""
import sys
from datetime import datetime, timezone

from bson import ObjectId
from pymongo import MongoClient

ANN, BEN, CAT, DAN = (f"66f0a1b2c3d4e5f60718{n:04x}" for n in range(1, 5))
CREATED = datetime(2025, 9, 1, 12, tzinfo=timezone.utc)


def team(number, name, created_by, **fields):
    return {"_id": ObjectId(f"66e1a0b0c0d0e0f0010200{number:02x}"), "name": name,
            "created_by": created_by, "is_deleted": False, **fields}


def role(user, team_document, name, **fields):
    return {"user_id": user, "team_id": str(team_document["_id"]), "role_name": name,
            "scope": "TEAM", "is_active": True, "created_at": CREATED, "created_by": "system", **fields}


CORE = team(1, "Core", ANN)
MOBILE = team(2, "Mobile", BEN)
GROWTH = team(3, "Growth", ANN)
DESIGN = team(4, "Design", CAT)
ORPHAN = team(5, "Orphan", None)
RETIRED = team(6, "Retired", DAN, is_deleted=True)

TEAMS = [CORE, MOBILE, GROWTH, DESIGN, ORPHAN, RETIRED]
ROLES = [
    # Core is as it should be, in both stores.
    role(ANN, CORE, "owner"), role(ANN, CORE, "admin"), role(ANN, CORE, "member"),
    # Mobile's creator is a member and nothing else.
    role(BEN, MOBILE, "member"),
    # Growth is complete here; PostgreSQL never heard of it.
    role(ANN, GROWTH, "owner"), role(ANN, GROWTH, "admin"), role(ANN, GROWTH, "member"),
    # Design's creator had admin taken away once.
    role(CAT, DESIGN, "owner"), role(CAT, DESIGN, "admin", is_active=False), role(CAT, DESIGN, "member"),
    # Roles of others, which nobody touches.
    role(DAN, CORE, "member"),
    {"user_id": DAN, "role_name": "moderator", "scope": "GLOBAL", "is_active": True,
     "created_at": CREATED, "created_by": "system"},
]


def main(uri, database):
    db = MongoClient(uri)[database]
    for name, documents in (("teams", TEAMS), ("user_roles", ROLES)):
        db[name].drop()
        db[name].insert_many(documents)


if __name__ == "__main__":
    main(*sys.argv[1:])
