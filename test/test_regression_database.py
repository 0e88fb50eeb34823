"""PostgreSQL's own regression tests as one large schema, with more odd objects than anyone would think of: what is recorded of it is
what its dump makes, it can be built from its baseline, and what is dropped from it is what audits miss."""

import os
import re
import subprocess
from collections import Counter
from pathlib import Path

import psycopg
import pytest

TOP = Path(__file__).resolve().parent.parent
RECORDED, RESTORED, BUILT = ("reconcile_regression_" + suffix for suffix in "abc")

# What other files need, in the order of PostgreSQL's schedule; the others need these only.
FIRST = ["test_setup", "create_function_c", "create_misc", "create_operator", "create_procedure", "create_table", "create_type", "create_index", "create_view"]
LEFT_OUT = {
    "changes the cluster": ["create_role", "database", "password", "prepared_xacts", "roleattributes", "subscription", "tablespace"],
    "reads and writes files": ["copy", "largeobject"],
    "is about psql": ["psql", "psql_crosstab", "psql_pipeline"],
    "takes long and leaves nothing": ["infinite_recurse", "join_hash", "numeric_big", "stats", "tuplesort", "vacuum"],
}
# A file drops at its end what it has made: where nothing of that name is made again, it stays.
DROP = re.compile(r'^drop\s+(?:(?:materialized|foreign|text search)\s+)?(?!role|user|group|owned|database|tablespace|subscription|event)\w+'
                  r'(?:\s+(?:class|family))?\s+(?:if exists\s+)?(?:\w+\.)?"?(\w+)"?.*;\s*$', re.I | re.M)
# Each file finds its own objects first.
SETTINGS = "-c intervalstyle=postgres_verbose -c statement_timeout=4000 -c synchronous_commit=off -c search_path=of_{0},public"

# Dumps leave these out, or cannot restore them.
NOT_RESTORED = {
    "public.concur_reindex_ind5_ccnew": "what a failed REINDEX CONCURRENTLY left, and pg_dump leaves out",
    "trigtest2_i_fkey on of_triggers.trigtest2": "its triggers were disabled, and rows that violate it inserted",
}
# What audits find without a baseline, by category and reason: all of it is so.
FOUND = {
    ("sequence", "already has values up to"): "the tests write into identity and serial columns",
    ("function", "its body does not fit the schema"): "its tables were temporary ones, or are dropped to see it fail",
    ("index", "not every partition has its part of the index"): "indexes ON ONLY a partitioned table",
    ("index", "its build failed or has not ended"): "REINDEX CONCURRENTLY is made to fail",
    ("constraint", "rows that violate the constraint are accepted"): "the triggers of foreign keys are disabled",
}

# What a baseline does not have, so that what needs it cannot be built.
NOT_RECORDED = r"^(access method|collation|operator class|operator|server) .*does not exist|^SQL function cannot (accept|return) shell type" \
               r"|^no statement mends this: it(s body| does not exist)"
NOT_BUILT = {
    "inh_check_constraint on of_inherit.invalid_check_con_child": "is valid, though its parent's, with which it is one, is not",
    "of_generated.gtestxx_3": "got its parent later, and what it generates as that does it", "of_generated.gtestxx_4": "the same",
    "of_matview.mvtest_error": "its query fails: it was made WITH NO DATA",
}


def connect(database):
    return psycopg.connect(dbname=database, autocommit=True, options="-c client_min_messages=error")


def create(name):
    with connect("postgres") as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {name}")


def program(name, *arguments):
    """program runs a program of the server's version, where that version lives, and returns its output."""
    path = os.path.join(os.path.dirname(os.environ["PG_CONFIG"]), name)
    return subprocess.run([TOP / "test/servers/postgres.sh", "run", path, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def psql(database, script, **environment):
    """psql runs a script to its end and returns the errors in it."""
    messages = subprocess.run(["psql", "-qX", "-d", database], input=script, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              env={**os.environ, **environment}).stderr
    return re.findall(r"ERROR:  (.*)", messages)


@pytest.fixture(scope="module")
def sources():
    fetched = subprocess.run([TOP / "test/servers/regression.sh"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if fetched.returncode:
        pytest.skip("without PostgreSQL's regression tests: " + fetched.stderr.strip())
    return Path(fetched.stdout.strip())


def without_last_drops(text):
    def kept(drop):
        made_again = re.search(r"create\b.*\b" + re.escape(drop[1]) + r"\b", text[drop.end():], re.I)
        return drop[0] if made_again else ""
    return DROP.sub(kept, text)


def load(sources, database):
    """load runs the files, each in a schema of its own, as far as they go: libraries and data that they want are not there."""
    left_out = {name for names in LEFT_OUT.values() for name in names}
    others = sorted(file.stem for file in sources.glob("*.sql") if file.stem not in left_out and file.stem not in FIRST)
    environment = {"PG_ABS_SRCDIR": "/nonexistent", "PG_ABS_BUILDDIR": "/nonexistent", "PG_LIBDIR": "/nonexistent", "PG_DLSUFFIX": ".so",
                   "PGTZ": "PST8PDT", "PGDATESTYLE": "Postgres, MDY"}
    with connect(database) as connection:
        for name in others:
            connection.execute(f"CREATE SCHEMA of_{name.replace('.', '_')}; GRANT ALL ON SCHEMA of_{name.replace('.', '_')} TO PUBLIC")
    for name in FIRST + others:
        psql(database, without_last_drops((sources / f"{name}.sql").read_text()),
             **environment, PGOPTIONS=SETTINGS.format(name.replace(".", "_")))
    with connect(database) as connection:       # where a file stops half-way, what it has prepared stays
        for gid, in connection.execute("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()").fetchall():
            connection.execute(psycopg.sql.SQL("ROLLBACK PREPARED {}").format(psycopg.sql.Literal(gid)))


class Copies:
    """The loaded database with its baseline, and a copy made from its dump, which the baseline was brought to."""

    def __init__(self, sources):
        for name in (RECORDED, RESTORED):
            create(name)
        load(sources, RECORDED)
        psql(RESTORED, program("pg_dump", RECORDED))
        self.recorded, self.restored = connect(RECORDED), connect(RESTORED)
        for connection in (self.recorded, self.restored):
            connection.execute("CREATE EXTENSION pg_reconcile")
        self.recorded.execute("SELECT reconcile.capture_baseline()")
        self.text = self.recorded.execute("SELECT reconcile.export_baseline()::text").fetchone()[0]
        self.restored.execute("SELECT reconcile.import_baseline(%s::jsonb)", [self.text])


@pytest.fixture(scope="module")
def copies(sources):
    with connect("postgres") as admin:
        roles = {name for name, in admin.execute("SELECT rolname FROM pg_roles")}
        copies = Copies(sources)
        yield copies
        copies.recorded.close()
        copies.restored.close()
        for name in (RECORDED, RESTORED, BUILT):
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        for name, in admin.execute("SELECT rolname FROM pg_roles").fetchall():
            if name not in roles:
                admin.execute(psycopg.sql.SQL("DROP ROLE {}").format(psycopg.sql.Identifier(name)))


def audit(connection):
    """audit gives category, kind, object and reason of all findings but those that only say that something was not checked."""
    return connection.execute("SELECT category, kind, object, reason FROM audit_schema() WHERE actual IS DISTINCT FROM 'not checked'").fetchall()


def unexpected(findings):
    return [f for f in findings if f[2] not in NOT_RESTORED and not any(f[0] == category and reason in f[3] for category, reason in FOUND)]


def test_it_is_large(copies):
    counted = Counter(category for category, in copies.recorded.execute("SELECT category FROM reconcile.schema_objects"))
    print(", ".join(f"{n} of {category}" for category, n in sorted(counted.items())))
    assert counted["table"] > 1500 and counted["view"] > 150 and counted["function"] > 400 and counted["type"] > 100
    assert counted["constraint"] > 300 and counted["index"] > 250 and counted["trigger"] > 200 and counted["policy"] > 30


def test_a_dump_makes_what_was_recorded(copies):
    recorded = audit(copies.recorded)
    assert unexpected(recorded) == []
    restored = audit(copies.restored)
    assert unexpected(restored) == []
    assert sorted(f for f in restored if f[2] not in NOT_RESTORED) == sorted(f for f in recorded if f[2] not in NOT_RESTORED)
    assert {f[2] for f in restored if f[1] == "missing"} <= set(NOT_RESTORED)


def test_what_is_recorded_of_the_copy_is_the_same(copies):
    copies.restored.execute("SELECT reconcile.capture_baseline('there')")
    found = copies.restored.execute("SELECT object FROM reconcile.compare_baselines('default', 'there')").fetchall()
    assert {object for object, in found} <= set(NOT_RESTORED)
    copies.restored.execute("SELECT reconcile.drop_baseline('there')")


@pytest.mark.parametrize("path", ["", "of_alter_table, of_inherit, public, pg_catalog", '"$user", reconcile, of_rules'])
def test_under_any_search_path(copies, path):
    copies.restored.execute("SELECT set_config('search_path', %s, false)", [path])
    try:
        found = copies.restored.execute("SELECT category, kind, object, reason FROM public.audit_schema()").fetchall()
        assert unexpected(found) == []
    finally:
        copies.restored.execute("RESET search_path")


def test_as_a_role_without_rights(copies):
    copies.restored.execute("CREATE ROLE regress_nobody")
    copies.restored.execute("SET ROLE regress_nobody")
    try:
        found = copies.restored.execute("SELECT category, kind, object, reason FROM audit_schema()"
                                        " WHERE actual IS DISTINCT FROM 'not checked' AND reason NOT LIKE 'not checked%'").fetchall()
        assert unexpected(found) == []
    finally:
        copies.restored.execute("RESET ROLE")


def excused(message, failed):
    """excused tells a failure for want of what baselines do not have, or of what failed for that reason."""
    wanted = re.search(r'^(?:relation|type|function) "?([^"]+?)"? (?:does not exist|is only a shell)', message)
    return wanted[1] in failed if wanted else re.search(NOT_RECORDED, message)


def test_it_is_built_from_its_baseline(copies):
    create(BUILT)
    with connect(BUILT) as built:
        built.execute("CREATE EXTENSION pg_reconcile")
        built.execute("SELECT reconcile.import_baseline(%s::jsonb)", [copies.text])
        steps = built.execute("SELECT state, object, message FROM fix_schema(false, allow => '{privileges,owner}')").fetchall()
        failed = {object: message for state, object, message in steps if state != "done"}
        assert {o: m for o, m in failed.items() if o not in NOT_BUILT and not excused(m, failed)} == {}
        print(Counter(state for state, *_ in steps))
        # Partitions whose columns stood otherwise, and indexes that were invalid: notices.
        found = built.execute("SELECT category, kind, object, reason FROM audit_schema() WHERE severity <> 'notice' AND actual IS DISTINCT FROM 'not checked'")
        assert [f for f in found if f[2] not in failed] == []
