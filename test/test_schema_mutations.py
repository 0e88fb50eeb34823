"""Every single change to a schema is one finding, and its fix takes it back: test/schema/mutations.sql."""

import os
import re
from pathlib import Path
from random import Random

import psycopg
import pytest

DATA = Path(__file__).resolve().parent / "schema"
DATABASE = "reconcile_mutations"
CASE = re.compile(r"^--- (.+)\n((?:(?!--- ).*\n?)*)", re.M)
CATEGORIES = ("default privilege", "seed row", "schema", "owner", "type", "sequence", "table", "column", "constraint", "index", "trigger",
              "rule", "function", "view", "policy", "statistics", "privilege", "extension")


class Mutation:
    """One change: the finding that it must give, and what its fix needs."""

    def __init__(self, number, header, statements):
        finding, *options = header.split(" | ")
        self.category = next(c for c in CATEGORIES if finding.startswith(c + " "))
        self.kind, self.object = finding[len(self.category) + 1:].split(" ", 1)
        self.allow = [o[len("allow "):] for o in options if o.startswith("allow ")]
        self.setup = next((o[len("setup "):] for o in options if o.startswith("setup ")), None)
        self.seeds = [o[len("seeds "):] for o in options if o.startswith("seeds ")]
        self.leaves = [tuple(o[len("leaves "):].split(" ", 2)) for o in options if o.startswith("leaves ")]
        self.fixable = "unfixable" not in options
        self.statements = re.sub(r"^-- .*\n", "", statements, flags=re.M).strip()
        self.name = f"{number}: {finding}: {self.statements.splitlines()[0][:60]}"


MUTATIONS = [Mutation(n, *match.groups()) for n, match in enumerate(CASE.finditer((DATA / "mutations.sql").read_text()), 1)]


@pytest.fixture(scope="module")
def base():
    """base is a connection to a database with the schema and its baseline."""
    with psycopg.connect(dbname="postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        admin.execute(f"CREATE DATABASE {DATABASE}")
        for role in ("mutation_reader", "mutation_owner"):
            admin.execute(f"DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    with psycopg.connect(dbname=DATABASE) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute("CREATE EXTENSION pg_reconcile")
        connection.execute((DATA / "base.sql").read_text())
        capture(connection)
        connection.commit()
        yield connection
    with psycopg.connect(dbname="postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {DATABASE}")
        for role in ("mutation_reader", "mutation_owner"):  # which a database left by test_schema may need
            admin.execute(f"DO $$ BEGIN DROP ROLE {role}; EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END $$")


def capture(connection, *seeds):
    connection.execute("SELECT reconcile.capture_baseline(seed_tables => %s)", [["app.roles", *seeds]])


def audit(connection):
    return [tuple(row) for row in connection.execute(
        "SELECT category, kind, object FROM audit_schema() ORDER BY 1, 2, 3").fetchall()]


def row_counts(connection):
    """row_counts counts the rows of all tables that are there before and after."""
    tables = [name for name, in connection.execute(
        "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'app'::regnamespace ORDER BY 1")]
    return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}


def test_the_base_schema_has_no_finding(base):
    assert audit(base) == []
    base.rollback()


def test_how_many_mutations_there_are():
    print(f"{len(MUTATIONS)} mutations, {sum(m.fixable for m in MUTATIONS)} of them with a fix")
    assert len(MUTATIONS) >= 120


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.name)
def test_one_finding_and_a_fix_that_takes_it_back(base, mutation):
    try:
        if mutation.setup:
            base.execute(mutation.setup)
            capture(base, *mutation.seeds)
        base.execute(mutation.statements)
        found = audit(base)
        assert [f for f in found if f not in mutation.leaves] == [(mutation.category, mutation.kind, mutation.object)]

        rows = row_counts(base)
        steps = base.execute("SELECT state, statement, message FROM fix_schema(false, allow => %s)", [mutation.allow]).fetchall()
        if not mutation.fixable:
            assert not [step for step in steps if step[0] == "done"], steps
            assert audit(base) == found
            return
        assert {step[0] for step in steps} == {"done"}, steps
        assert audit(base) == mutation.leaves, steps
        after = row_counts(base)
        if mutation.category != "seed row":
            assert {t: n for t, n in after.items() if t in rows} == {t: n for t, n in rows.items() if t in after}
    finally:
        base.rollback()


def drifted(base, random):
    """drifted applies some mutations, as far as they go together, and returns what their fixes need."""
    allow = set()
    for mutation in random.sample([m for m in MUTATIONS if m.fixable and not m.setup], 12):
        try:
            with base.transaction():
                base.execute(mutation.statements)
            allow.update(mutation.allow)
        except psycopg.Error:
            pass  # what it changes has been changed or dropped by another one
    return allow


@pytest.fixture
def tidy(base):
    """tidy removes what the statements that were taken back left in the catalogs: after hundreds of pairs, reading over it took longer than the rest."""
    yield
    base.rollback()
    with psycopg.connect(dbname=DATABASE, autocommit=True) as other:
        other.execute("VACUUM")


@pytest.mark.parametrize("seed", range(*(int(n) for n in os.environ.get("RECONCILE_SCHEMA_PAIRS", "0-5").split("-"))))
def test_any_drift_converges_in_one_run(base, tidy, seed):
    """RECONCILE_SCHEMA_PAIRS=0-1000 tries as many pairs of schemas."""
    try:
        allow = drifted(base, Random(seed)) | {"privileges", "owner"}
        needed = base.execute("SELECT array_agg(DISTINCT substring(message FROM '^not done unless allowed: allow => ARRAY\\[''(.*)''\\]$'))"
                              " FROM fix_schema(allow => %s) WHERE state = 'refused'", [list(allow)]).fetchone()[0] or []
        allow.update(need for need in needed if need)
        steps = base.execute("SELECT state, object, statement, message FROM fix_schema(false, allow => %s)", [list(allow)]).fetchall()
        assert {step[0] for step in steps} <= {"done"}, [step for step in steps if step[0] != "done"]
        left = [f for f in audit(base) if f[:2] != ("table", "hint")]
        assert left == [], steps
        again = base.execute("SELECT state, object FROM fix_schema(false, allow => %s)", [list(allow)]).fetchall()
        assert again == []
    finally:
        base.rollback()
