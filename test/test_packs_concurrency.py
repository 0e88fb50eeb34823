"""Packs of which several sessions want the same: installing, repairing, and users who sign up at the same moment."""
import threading
import uuid
from pathlib import Path

import psycopg
import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SESSIONS = 8


class Product:
    """A database with an example's tables."""

    def __init__(self, example):
        self.name = "packs_" + uuid.uuid4().hex[:12]
        with psycopg.connect(dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {self.name}")
        self.sql("CREATE EXTENSION pg_reconcile")
        self.sql((EXAMPLES / example / "postgresql.sql").read_text())

    def sql(self, statement, parameters=None):
        with psycopg.connect(dbname=self.name, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else None

    def at_once(self, *statements):
        """Runs each statement in a session of its own, all begun together, and returns their results."""
        start = threading.Barrier(len(statements))
        results = [None] * len(statements)

        def session(number, statement):
            with psycopg.connect(dbname=self.name, autocommit=True) as connection:
                start.wait()
                try:
                    cursor = connection.execute(statement)
                    results[number] = cursor.fetchall() if cursor.description else []
                except psycopg.Error as error:
                    results[number] = error

        threads = [threading.Thread(target=session, args=pair) for pair in enumerate(statements)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [r for r in results if isinstance(r, Exception)] == []
        return results

    def drift(self, pack):
        return self.sql("SELECT invariant, state FROM reconcile.audit(pack => %s) WHERE state <> 'clean'", [pack])

    def drop(self):
        with psycopg.connect(dbname="postgres", autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {self.name} WITH (FORCE)")


@pytest.fixture
def product():
    made = []

    def make(example):
        made.append(Product(example))
        return made[-1]
    yield make
    for one in made:
        one.drop()


@pytest.mark.parametrize("pack", ["entitlements", "organizations", "workspaces", "team_management"])
def test_installing_at_once(product, pack):
    db = product(pack)
    reports = db.at_once(*[f"SELECT action FROM reconcile.install_pack('{pack}')"] * SESSIONS)
    made = [sum(action.startswith(("create", "add", "advance")) for action, in report) for report in reports]
    assert sorted(made)[:-1] == [0] * (SESSIONS - 1) and max(made) > 0
    assert db.sql("SELECT count(*) FROM reconcile.packs WHERE installed") == [(1,)]


@pytest.mark.parametrize("pack", ["organizations", "workspaces", "team_management"])
def test_repairing_at_once(product, pack):
    db = product(pack)
    db.sql(f"SELECT reconcile.install_pack('{pack}')")
    planned = dict(db.sql(f"SELECT invariant, changed FROM init_{pack}(true)"))
    runs = db.at_once(*[f"SELECT invariant, changed, failed FROM init_{pack}()"] * SESSIONS)
    total = {name: sum(changed for run in runs for i, changed, _ in run if i == name) for name in planned}
    assert total == planned
    assert {failed for run in runs for _, _, failed in run} == {0}
    assert db.sql(f"SELECT sum(changed) FROM init_{pack}()") == [(0,)]


def test_signing_up_at_once(product):
    """Everybody calls their workspace the same, and each gets one."""
    db = product("workspaces")
    db.sql("SELECT reconcile.install_pack('workspaces')")
    db.sql("SELECT init_workspaces()")
    db.sql("ALTER TABLE users DROP CONSTRAINT users_username_key")
    db.at_once(*[f"INSERT INTO users (username, email, password_hash, role) VALUES ('Sam', '{n}@example.com', 'x', 'admin')"
                 for n in range(SESSIONS)])
    assert db.sql("""SELECT count(*), count(DISTINCT u.current_workspace_id), count(DISTINCT w.slug), count(DISTINCT s.workspace_id), min(m.role)
                     FROM users u JOIN workspaces w ON w.id = u.current_workspace_id AND w.created_by = u.id
                     JOIN workspace_settings s ON s.workspace_id = w.id
                     JOIN workspace_members m ON m.workspace_id = w.id AND m.user_id = u.id WHERE u.username = 'Sam'"""
                  ) == [(SESSIONS, SESSIONS, SESSIONS, SESSIONS, "admin")]
    assert db.drift("workspaces") == []


def test_signing_up_during_a_repair(product):
    db = product("workspaces")
    db.sql("SELECT reconcile.install_pack('workspaces')")
    db.at_once("SELECT invariant, changed FROM init_workspaces()",
               *[f"INSERT INTO users (username, email, password_hash, role) VALUES ('u{n}', 'u{n}@example.com', 'x', 'admin')"
                 for n in range(SESSIONS)])
    assert db.drift("workspaces") == []
    assert db.sql("SELECT count(*) FROM workspaces") == [(SESSIONS + 1,)]


def test_uploading_at_once(product):
    """Each upload concerns both customers, in either order, and a counter that is not there yet."""
    db = product("team_management")
    db.sql("SELECT reconcile.install_pack('team_management')")
    db.sql("SELECT init_team_management()")
    db.sql("SELECT reconcile.repair(pack => 'team_management', dry_run => false)")
    row = "('i', '{}', '/', 'n', 1, 'new')"
    uploads = [", ".join(row.format(c) for c in (("acme", "bolt") if n % 2 else ("bolt", "acme"))) for n in range(SESSIONS)]
    db.at_once(*["INSERT INTO invoice_attachments (invoice_id, customer_id, file_path, file_name, file_size, file_type)"
                 f" VALUES {upload}" for upload in uploads])
    assert db.sql("SELECT customer_id, file_count FROM storage_usage WHERE file_type = 'new' ORDER BY 1") == [
        ("acme", SESSIONS), ("bolt", SESSIONS)]
    assert [name for name, _ in db.drift("team_management") if "storage" in name] == []


def test_initializing_at_once(product):
    """Eight callers and new organizations at the same time: every pair once, and every event."""
    db = product("entitlements")
    db.sql("SELECT reconcile.install_pack('entitlements')")
    db.at_once(*["SELECT organization FROM init_org_entitlements()"] * SESSIONS,
               *[f"INSERT INTO organizations (name, subdomain) VALUES ('n{n}', 'n{n}')" for n in range(SESSIONS)])
    assert db.sql("SELECT count(*), count(DISTINCT (org_id, module_id)) FROM org_entitlements") == [(17 * 12, 17 * 12)]
    db.sql("SELECT init_org_entitlements()")
    assert db.sql("SELECT count(*), count(DISTINCT org_id) FROM entitlement_events") == [(12, 12)]
    assert db.sql("SELECT sum(cardinality(enabled) + cardinality(disabled) + failed) FROM init_org_entitlements()") == [(0,)]


def test_modules_and_organizations_at_once(product):
    """A new module and a new organization do not see each other; the next run closes the gap."""
    db = product("entitlements")
    db.sql("SELECT reconcile.install_pack('entitlements')")
    db.at_once(*[f"INSERT INTO organizations (name, subdomain) VALUES ('n{n}', 'n{n}')" for n in range(SESSIONS)],
               *[f"INSERT INTO modules (module_key, display_name) VALUES ('m{n}', 'M')" for n in range(SESSIONS)])
    db.sql("SELECT init_org_entitlements()")
    assert db.sql("SELECT count(*), count(DISTINCT (org_id, module_id)) FROM org_entitlements") == [(25 * 12, 25 * 12)]


def test_logging_in_at_once(product):
    """The same person in every session, as when several requests of one browser come first, and others besides."""
    db = product("organizations")
    db.sql("SELECT reconcile.install_pack('organizations')")
    db.sql("SELECT init_organizations()")
    db.at_once(*["INSERT INTO user_settings (keycloak_user_id) VALUES ('same')"] * SESSIONS,
               *[f"INSERT INTO user_settings (keycloak_user_id) VALUES ('other{n}')" for n in range(SESSIONS)])
    db.sql("SELECT init_organizations()")
    assert db.sql("SELECT count(*), count(DISTINCT personal_of) FROM org") == [(SESSIONS + 4,) * 2]
    for table in ('"user"', "org_user", "settings"):
        assert db.sql(f"SELECT count(*) FROM {table}") == [(SESSIONS + 4,)]
    assert db.sql("SELECT count(*) FROM reconcile.failures") == [(0,)]


def test_batches_of_500(product):
    db = product("organizations")
    db.sql("""INSERT INTO user_settings (keycloak_user_id, language) SELECT 'k' || n, 'en' FROM generate_series(1, 1200) n""")
    db.sql("SELECT reconcile.install_pack('organizations', '{\"guards\": \"none\"}')")
    for step in ("role", "org", "user", "org_user", "settings"):
        db.sql(f"CALL reconcile.repair_in_batches('organizations_{step}', batch_size => 500)")
    assert db.sql("""SELECT (SELECT count(*) FROM org), (SELECT count(*) FROM "user"), (SELECT count(*) FROM org_user),
                            (SELECT count(*) FROM settings)""") == [(1203,) * 4]
    assert db.sql("SELECT sum(changed) FROM init_organizations()") == [(0,)]
    assert db.sql("SELECT min(state), max(state), bool_and(progress = planned) FROM reconcile.runs") == [("done", "done", True)]
