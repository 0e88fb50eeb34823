"""Zero false findings: a schema that was dumped and restored, looked at by others, or changed elsewhere meanwhile, is as its baseline
says; and what baselines may be is the same for doc/baseline.schema.json and for import_baseline()."""

import copy
import json
import os
import subprocess
import threading
import time
from pathlib import Path

import psycopg
import pytest
from jsonschema import Draft7Validator

TOP = Path(__file__).resolve().parent.parent
SCHEMA = Draft7Validator(json.loads((TOP / "doc/baseline.schema.json").read_text()))
CREATE_ROLE = "DO $$ BEGIN CREATE ROLE {0}; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
# A database that a run left behind may need it.
DROP_ROLE = "DO $$ BEGIN DROP ROLE {0}; EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END $$"
ROLES = ("mutation_reader", "mutation_owner", "schema_nobody", "schema_reader")

# What is in an extension is never compared. Taken out of it, it is a schema like any other: types in C, operators, aggregates, casts.
WITHOUT_EXTENSIONS = """
DELETE FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND refobjid <> (SELECT oid FROM pg_extension WHERE extname = 'plpgsql');
DELETE FROM pg_depend WHERE classid = 'pg_extension'::regclass AND objid <> (SELECT oid FROM pg_extension WHERE extname = 'plpgsql');
DELETE FROM pg_init_privs WHERE objoid >= 16384;
DELETE FROM pg_extension WHERE extname <> 'plpgsql';
"""


def connect(database, **options):
    return psycopg.connect(dbname=database, autocommit=True, **options)


def program(name, *arguments):
    """program runs a program of the server's version, where that version lives, and returns its output."""
    path = os.path.join(os.path.dirname(os.environ["PG_CONFIG"]), name)
    return subprocess.run([TOP / "test/servers/postgres.sh", "run", path, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def psql(database, script):
    subprocess.run(["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", database], check=True, input=script, text=True, stdout=subprocess.DEVNULL)


def create(name):
    with connect("postgres") as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {name}")


def drop(*names):
    with connect("postgres") as admin:
        for name in names:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="module", autouse=True)
def roles():
    with connect("postgres") as admin:
        for role in ROLES:
            admin.execute(CREATE_ROLE.format(role))
        admin.execute("GRANT pg_read_all_data TO schema_reader")
    yield
    with connect("postgres") as admin:
        for role in ROLES:
            admin.execute(DROP_ROLE.format(role))


def files(*names):
    return lambda connection: [connection.execute((TOP / "test" / name).read_text()) for name in names]


def of_postgresql(connection):
    """of_postgresql makes what the server's own scripts make, and those of its extensions, as objects of a user's."""
    script = Path(program("pg_config", "--sharedir").strip(), "information_schema.sql").read_text()
    connection.execute(script.replace("information_schema", "of_standard"))
    for name, in connection.execute("SELECT DISTINCT name FROM pg_available_extension_versions WHERE superuser AND schema IS NULL"
                                    " AND requires IS NULL AND name !~ '^(pg_reconcile|plpgsql|pg_cron)' ORDER BY 1").fetchall():
        connection.execute(f'CREATE SCHEMA "of_{name}"')
        connection.execute(f'CREATE EXTENSION "{name}" SCHEMA "of_{name}"')
    connection.execute(WITHOUT_EXTENSIONS)


CASES = {
    "every kind of object": (files("support/schema_objects.sql"), "{}"),
    "what the mutations change": (files("schema/base.sql"), "{app.roles}"),
    "five products": (files(*(f"schema/{name}.sql" for name in ("teams", "erp", "hands", "viz", "propertyhub"))),
                      "{erp.modules,hands.role,hub.team_roles}"),
    "what is rare": (files("schema/odd.sql"), "{}"),
    "what comes with PostgreSQL": (of_postgresql, "{}"),
}


SMALL = [case for case in CASES if case != "what comes with PostgreSQL"]


class Copies:
    """A schema that was recorded, and the same one made anew from its dump, which the baseline was brought to."""

    def __init__(self, make, seeds):
        create("reconcile_schema_a")
        create("reconcile_schema_b")
        self.recorded = connect("reconcile_schema_a")
        self.recorded.execute("SET client_min_messages = warning")
        make(self.recorded)
        psql("reconcile_schema_b", program("pg_dump", "reconcile_schema_a"))
        self.restored = connect("reconcile_schema_b")
        for connection in (self.recorded, self.restored):
            connection.execute("SET client_min_messages = warning")
            connection.execute("CREATE EXTENSION pg_reconcile")
        self.seeds = seeds
        self.recorded.execute("SELECT reconcile.capture_baseline(seed_tables => %s)", [seeds])
        self.text = self.recorded.execute("SELECT reconcile.export_baseline()::text").fetchone()[0]
        self.document = json.loads(self.text)
        self.restored.execute("SELECT reconcile.import_baseline(%s::jsonb)", [self.text])


@pytest.fixture(scope="module", params=CASES)
def copies(request):
    copies = Copies(*CASES[request.param])
    yield copies
    copies.recorded.close()
    copies.restored.close()
    drop("reconcile_schema_a", "reconcile_schema_b")


def audit(connection):
    """audit gives all findings but those that only say that something was not checked."""
    return connection.execute("SELECT severity, category, kind, object, expected, actual, reason FROM audit_schema()"
                              " WHERE actual IS DISTINCT FROM 'not checked' AND reason NOT LIKE 'not checked%'").fetchall()


# ---------------------------------------------------------------- the same schema


def test_a_dump_makes_what_was_recorded(copies):
    assert audit(copies.recorded) == []
    assert audit(copies.restored) == []


def test_what_is_recorded_of_it_is_the_same(copies):
    copies.restored.execute("SELECT reconcile.capture_baseline('there', seed_tables => %s)", [copies.seeds])
    for a, b in (("default", "there"), ("there", "default")):
        assert copies.restored.execute("SELECT * FROM reconcile.compare_baselines(%s, %s)", [a, b]).fetchall() == []
    copies.restored.execute("SELECT reconcile.drop_baseline('there')")


@pytest.mark.parametrize("path", ["", "app, hub, public, pg_catalog", '"$user", reconcile, "we ird.$x"'])
def test_under_any_search_path(copies, path):
    copies.restored.execute("SELECT set_config('search_path', %s, false)", [path])
    try:
        assert copies.restored.execute("SELECT * FROM public.audit_schema()").fetchall() == []
    finally:
        copies.restored.execute("RESET search_path")


@pytest.mark.parametrize("role", ["postgres", "schema_reader", "schema_nobody"])
def test_as_any_role(copies, role):
    copies.restored.execute(f"SET ROLE {role}")
    try:
        assert audit(copies.restored) == []
    finally:
        copies.restored.execute("RESET ROLE")


@pytest.mark.parametrize("copies", SMALL, indirect=True)
def test_after_its_storage_was_rewritten(copies):
    copies.restored.execute("VACUUM FULL")
    copies.restored.execute("REINDEX DATABASE reconcile_schema_b")
    copies.restored.execute("ANALYZE")
    assert audit(copies.restored) == []


def test_a_dump_brings_its_baseline_along(copies):
    create("reconcile_schema_c")
    try:
        psql("reconcile_schema_c", program("pg_dump", "reconcile_schema_b"))
        with connect("reconcile_schema_c") as again:
            assert audit(again) == []
            assert again.execute("SELECT reconcile.export_baseline()::text").fetchone()[0] == copies.text
    finally:
        drop("reconcile_schema_c")


@pytest.mark.parametrize("copies", SMALL, indirect=True)
def test_all_of_it_is_missing_elsewhere(copies):
    """The baseline is not empty: in an empty database all its tables, functions, types and views are missing, and fixes make them."""
    create("reconcile_schema_c")
    try:
        with connect("reconcile_schema_c") as empty:
            empty.execute("SET client_min_messages = warning")
            empty.execute("CREATE EXTENSION pg_reconcile")
            empty.execute("CREATE FOREIGN DATA WRAPPER odd; CREATE SERVER odd FOREIGN DATA WRAPPER odd")   # which baselines do not have
            empty.execute("SELECT reconcile.import_baseline(%s::jsonb)", [copies.text])
            found = empty.execute("SELECT category, object FROM audit_schema() WHERE kind = 'missing'").fetchall()
            for category in ("table", "function", "type", "view"):
                assert {o for c, o in found if c == category} == set(copies.document["objects"].get(category, {}))
            steps = empty.execute("SELECT state, object, statement, message FROM fix_schema(false, allow => '{privileges,owner}')").fetchall()
            assert [step for step in steps if step[0] != "done"] == []
            # What tools did is theirs to do again.
            assert [finding for finding in audit(empty) if finding[1] != "migration" and finding[2] != "hint"] == []
    finally:
        drop("reconcile_schema_c")


# ---------------------------------------------------------------- documents


def test_the_document_is_what_the_schema_says(copies):
    assert [error.message for error in SCHEMA.iter_errors(copies.document)] == []


@pytest.fixture(scope="module")
def importer():
    create("reconcile_schema_d")
    with connect("reconcile_schema_d") as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute("CREATE EXTENSION pg_reconcile")
        files("support/schema_objects.sql", "schema/propertyhub.sql")(connection)
        connection.execute("SELECT reconcile.capture_baseline(seed_tables => '{hub.team_roles}')")
        yield connection
    drop("reconcile_schema_d")


def first_of_each(document):
    """first_of_each is a document with one object of each kind."""
    return {**document, "objects": {category: dict(list(objects.items())[:1]) for category, objects in document["objects"].items()}}


def changed(document, path, value):
    """changed is a document with another value at a path; without value, without what is there."""
    document = copy.deepcopy(document)
    if not path:
        return value
    part = document
    for step in path[:-1]:
        part = part[step]
    if value is None:
        del part[path[-1]]
    else:
        part[path[-1]] = json.loads(value)
    return document


HEADS = [
    # path, value (None: taken away), whether it still is a baseline
    (["baseline", "format"], "2", False), (["baseline", "format"], '"1"', False), (["baseline", "format"], None, False),
    (["baseline", "format"], "1.0", True), (["baseline", "format"], "null", False), (["baseline", "server"], "15.0", True),
    (["baseline", "server"], "15.5", False), (["baseline", "server"], "9", False), (["baseline", "server"], "150000", False),
    (["baseline", "server"], '"15"', False), (["baseline", "server"], None, False), (["baseline", "server"], "18", True),
    (["baseline", "schemas"], "null", True), (["baseline", "schemas"], '["app"]', True), (["baseline", "schemas"], "[]", False),
    (["baseline", "schemas"], "[1]", False), (["baseline", "schemas"], "[null]", False), (["baseline", "schemas"], '"app"', False),
    (["baseline", "schemas"], None, False), (["baseline", "mode"], '"at least"', True), (["baseline", "mode"], '"exactly"', True),
    (["baseline", "mode"], '"at most"', False), (["baseline", "mode"], "null", False), (["baseline", "more"], "1", False), (["baseline"], "[]", False), (["baseline"], None, False),
    (["objects"], None, False), (["objects"], "[]", False), (["objects"], "{}", True), (["objects", "tabel"], "{}", False),
    (["objects", "table"], "[]", False), (["objects", "table"], "null", False), (["objects", "table"], "{}", True),
    (["objects", "table", "hub.x"], "null", False), (["objects", "table", "hub.x"], "{}", False),
    (["seeds"], None, False), (["seeds"], "[]", False), (["seeds"], "{}", True), (["more"], "null", False),
    (["seeds", "hub.team_roles", "key"], "[]", False), (["seeds", "hub.team_roles", "key"], '"id"', False),
    (["seeds", "hub.team_roles", "key"], "[1]", False), (["seeds", "hub.team_roles", "key"], None, False),
    (["seeds", "hub.team_roles", "ignore"], '["name"]', True), (["seeds", "hub.team_roles", "ignore"], None, False),
    (["seeds", "hub.team_roles", "ignore"], "null", False), (["seeds", "hub.team_roles", "mode"], '"exact"', False),
    (["seeds", "hub.team_roles", "mode"], "1", False), (["seeds", "hub.team_roles", "mode"], None, False),
    (["seeds", "hub.team_roles", "rows"], "[1]", False), (["seeds", "hub.team_roles", "rows"], "{}", False),
    (["seeds", "hub.team_roles", "rows"], "[]", True), (["seeds", "hub.team_roles", "rows"], None, False),
    (["seeds", "hub.team_roles", "more"], "1", False), (["seeds", "hub.team_roles"], "[]", False),
]
WRONG = {"string": ["1", "null", "[]"], "number": ['"1"', "null", "true"], "boolean": ['"true"', "0"], "array": ['"a"', "{}", "[1]", "[null]"],
         "object": ["[]", '"a"']}


def attribute_cases(connection, document):
    """attribute_cases spoils each attribute of an object of each kind, or adds it."""
    for category, attribute, kind, required, words in connection.execute(
            "SELECT category, attribute, type, required, words FROM reconcile.schema_attributes() ORDER BY 1, 2").fetchall():
        for name in document["objects"].get(category, {}):
            path = ["objects", category, name, attribute]
            for value in WRONG[kind]:
                yield path, value, False
            if attribute in document["objects"][category][name]:
                yield path, None, not required
            if words:
                yield path, '"no word"', False
                yield path, json.dumps(words[-1]), True
            yield path[:-1] + [attribute + "s!"], '"x"', False


def accepted(connection, document):
    """accepted tells whether a document can be imported; what cannot is refused with its reason, and leaves nothing."""
    try:
        connection.execute("SELECT reconcile.import_baseline(%s::jsonb, 'other')", [json.dumps(document)])
        connection.execute("SELECT reconcile.drop_baseline('other')")
        return True
    except psycopg.Error as error:
        assert error.sqlstate == "22023" and error.diag.message_primary.startswith("invalid baseline document: "), error
        assert error.diag.message_detail.startswith("At $"), error.diag.message_detail
        assert connection.execute("SELECT count(*) FROM reconcile.baselines WHERE name = 'other'").fetchone() == (0,)
        return False


def test_schema_and_import_agree(importer):
    document = first_of_each(importer.execute("SELECT reconcile.export_baseline()").fetchone()[0])
    assert SCHEMA.is_valid(document) and accepted(importer, document)
    cases = [*HEADS, *attribute_cases(importer, document)]
    wrong = []
    for path, value, valid in cases:
        other = changed(document, path, value)
        answers = SCHEMA.is_valid(other), accepted(importer, other)
        if answers != (valid, valid):
            wrong.append((".".join(path), value, "wanted", valid, "schema, import", answers))
    print(f"{len(cases)} documents, {sum(valid for *_, valid in cases)} of them baselines")
    assert wrong == []
    assert len(cases) > 400


@pytest.mark.parametrize("document", ["null", "[]", "1", '"x"', "{}"])
def test_what_is_no_object_is_no_baseline(importer, document):
    assert not SCHEMA.is_valid(json.loads(document))
    assert not accepted(importer, json.loads(document))


# ---------------------------------------------------------------- changes by others

APP = """
CREATE EXTENSION pg_reconcile;
CREATE SCHEMA app;
CREATE TABLE app.parent (id integer PRIMARY KEY, name text NOT NULL DEFAULT 'x', CONSTRAINT named CHECK (name IN ('x', 'y')));
CREATE TABLE app.child (id serial PRIMARY KEY, parent_id integer NOT NULL REFERENCES app.parent);
CREATE INDEX child_parent ON app.child (parent_id);
CREATE VIEW app.names AS SELECT name FROM app.parent WHERE name IN ('x', 'y');
CREATE FUNCTION app.one() RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT count(*)::integer FROM app.parent; END;
"""
NOISE = """
CREATE SCHEMA noise;
CREATE TYPE noise.mood AS ENUM ('sad', 'glad');
CREATE TABLE noise.t (id serial PRIMARY KEY, mood noise.mood DEFAULT 'sad', name varchar CHECK (name IN ('a', 'b')), total integer GENERATED ALWAYS AS (1 + 1) STORED);
CREATE INDEX t_name ON noise.t (lower(name)) WHERE name IN ('a', 'b');
CREATE TABLE noise.u (id integer PRIMARY KEY, t integer REFERENCES noise.t);
CREATE VIEW noise.v AS SELECT id, name FROM noise.t WHERE name IN ('a', 'b');
CREATE MATERIALIZED VIEW noise.m AS SELECT count(*) AS n FROM noise.t;
CREATE FUNCTION noise.f(a integer) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) + a FROM noise.t; END;
CREATE FUNCTION noise.g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER g BEFORE INSERT ON noise.t FOR EACH ROW EXECUTE FUNCTION noise.g();
CREATE POLICY p ON noise.t USING (name IN ('a', 'b'));
CREATE STATISTICS noise.s (dependencies) ON id, name FROM noise.t;
CREATE RULE r AS ON INSERT TO noise.v DO INSTEAD NOTHING;
GRANT SELECT ON noise.t TO PUBLIC;
"""


@pytest.fixture
def app():
    create("reconcile_schema_e")
    with connect("reconcile_schema_e") as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute(APP)
        connection.execute("SELECT reconcile.capture_baseline('app', '{app}')")
        yield connection
    drop("reconcile_schema_e")


def findings(connection, baseline):
    return connection.execute("SELECT category, kind, object FROM audit_schema(%s) ORDER BY 1, 2, 3", [baseline]).fetchall()


DDL = ["DROP TABLE noise.t CASCADE", "DROP SCHEMA noise CASCADE", "DROP VIEW noise.v", "DROP INDEX noise.t_name", "DROP FUNCTION noise.f",
       "DROP TYPE noise.mood CASCADE", "DROP TRIGGER g ON noise.t", "ALTER TABLE noise.t DROP COLUMN name CASCADE",
       "ALTER TABLE noise.t RENAME TO other", "ALTER TABLE noise.u ALTER t TYPE bigint", "ALTER TYPE noise.mood RENAME TO moods",
       "DROP POLICY p ON noise.t", "ALTER SCHEMA noise RENAME TO quiet", "CREATE OR REPLACE VIEW noise.v AS SELECT id, name FROM noise.t"]


RENAMES = ["ALTER TABLE noise.t RENAME name TO title", "ALTER TABLE noise.u RENAME CONSTRAINT u_pkey TO u_key"]


def while_ending(app, ddl, look):
    """while_ending calls look with a connection in a thread, and commits a change when that waits for it, or has ended without."""
    errors = []

    def run():
        try:
            with connect("reconcile_schema_e", application_name="looking") as connection:
                look(connection)
        except psycopg.Error as error:
            errors.append(error)

    with connect("reconcile_schema_e") as other:
        with other.transaction():
            other.execute(ddl)
            thread = threading.Thread(target=run)
            thread.start()
            deadline = time.monotonic() + 120
            while thread.is_alive() and not app.execute(
                    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'looking' AND %s = ANY (pg_blocking_pids(pid)))",
                    [other.info.backend_pid]).fetchone()[0]:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        thread.join()
    assert errors == []


def test_an_audit_does_not_wait_for_tables_that_it_need_not_open(app):
    """A load that truncates a table first keeps others from it for as long as it takes."""
    app.execute("CREATE TABLE app.staged (name text)")
    with connect("reconcile_schema_e") as other, other.transaction():
        other.execute("LOCK TABLE app.staged IN ACCESS EXCLUSIVE MODE")
        app.execute("SET lock_timeout = '10s'; SET enable_nestloop = off")   # as the plan of a large schema
        assert ("table", "hint", "app.staged") in app.execute("SELECT category, kind, object FROM audit_schema()").fetchall()
        assert findings(app, "app") == [("table", "extra", "app.staged")]


@pytest.mark.parametrize("ddl", DDL)
def test_ddl_that_ends_during_an_audit(app, ddl):
    """A change that is not committed when the audit begins is seen as a whole, or not at all."""
    app.execute(NOISE)
    app.execute("SELECT reconcile.capture_baseline('both', '{app,noise}')")
    found = []
    while_ending(app, ddl, lambda connection: found.append(findings(connection, "both")))
    assert found[0] in ([], findings(app, "both"))


@pytest.mark.parametrize("ddl", RENAMES + DDL[::2])
def test_ddl_that_ends_during_a_capture(app, ddl):
    """What is recorded meanwhile is the schema of before, or that of after, and never one that there was at no time."""
    app.execute(NOISE)
    app.execute("SELECT reconcile.capture_baseline('before')")
    while_ending(app, ddl, lambda connection: connection.execute("SELECT reconcile.capture_baseline('meanwhile')"))
    app.execute("SELECT reconcile.capture_baseline('after')")
    texts = [app.execute("SELECT reconcile.baseline_text(%s)", [name]).fetchone()[0] for name in ("meanwhile", "before", "after")]
    assert texts[1] != texts[2]
    assert texts[0] in texts[1:]


@pytest.mark.parametrize("isolation, ddl", [(("REPEATABLE READ", "SERIALIZABLE")[n % 2], ddl) for n, ddl in enumerate(DDL + RENAMES)])
def test_a_transaction_does_not_see_half_of_a_change(app, isolation, ddl):
    """What a transaction lists as it was when it began, the server prints as it is: such an audit is refused, and one of its own changes is not."""
    app.execute(NOISE)
    app.execute("SELECT reconcile.capture_baseline('both', '{app,noise}')")
    with connect("reconcile_schema_e") as connection:
        connection.execute(f"BEGIN ISOLATION LEVEL {isolation}")
        connection.execute("SELECT count(*) FROM pg_class")
        app.execute(ddl)
        with pytest.raises(psycopg.errors.SerializationFailure) as refused:
            findings(connection, "both")
        assert refused.value.diag.message_primary == "the schema was changed since this transaction began"
        connection.execute("ROLLBACK")
        connection.execute(f"BEGIN ISOLATION LEVEL {isolation}")
        connection.execute("SELECT count(*) FROM pg_class")
        app.execute("ALTER TABLE app.parent RENAME TO another")
        with pytest.raises(psycopg.errors.SerializationFailure):
            connection.execute("SELECT reconcile.capture_baseline('half')")
        connection.execute("ROLLBACK")
        app.execute("ALTER TABLE app.another RENAME TO parent")
        connection.execute(f"BEGIN ISOLATION LEVEL {isolation}")
        assert findings(connection, "both") == findings(app, "both")
        connection.execute("ALTER TABLE app.child DROP COLUMN parent_id")
        assert ("column", "missing", "app.child.parent_id") in findings(connection, "both")
        connection.execute("ROLLBACK")


UNSEEN = ["CREATE TEMPORARY TABLE t (id serial PRIMARY KEY, doc text CHECK (doc <> '')); CREATE INDEX ON t (doc); CREATE VIEW pg_temp.v AS SELECT id FROM t",
          "TRUNCATE app.child", "VACUUM FULL app.parent", "ANALYZE", "REINDEX TABLE app.child",
          "ALTER TABLE app.parent RENAME TO another; ALTER TABLE app.another RENAME TO parent"]


@pytest.mark.parametrize("isolation, statement", [(("REPEATABLE READ", "SERIALIZABLE")[n % 2], ddl) for n, ddl in enumerate(UNSEEN)])
def test_a_transaction_is_not_held_up_by_what_changes_no_schema(app, isolation, statement):
    """Temporary tables of others, new files and new statistics do not make an audit of a transaction wrong."""
    with connect("reconcile_schema_e") as connection:
        connection.execute(f"BEGIN ISOLATION LEVEL {isolation}")
        connection.execute("SELECT count(*) FROM pg_class")
        app.execute(statement)
        assert findings(connection, "app") == []
        connection.execute("SELECT reconcile.capture_baseline('mine', '{app}')")
        assert findings(connection, "mine") == []
        connection.execute("ROLLBACK")


def test_ddl_all_the_time(app):
    """While a schema comes and goes, another one is as it was; of the one that does, only what is of it may be said.

    An audit that meets a change looks again, ten times at most. Four changes are made during each, and none before they are done
    begins the next, so that all of them succeed."""
    audits, changes_of_one = 20, 4
    begin, done = threading.Semaphore(0), threading.Semaphore(0)
    errors = []

    def build_and_raze():
        try:
            with connect("reconcile_schema_e") as connection:
                connection.execute("SET client_min_messages = warning")
                for _ in range(audits):
                    begin.acquire()
                    for _ in range(changes_of_one // 2):
                        connection.execute(NOISE)
                        connection.execute("DROP SCHEMA noise CASCADE")
                    done.release()
        except psycopg.Error as error:
            errors.append(error)
            done.release()

    app.execute("SELECT reconcile.capture_baseline('all')")
    thread = threading.Thread(target=build_and_raze)
    thread.start()
    try:
        for n in range(audits):
            begin.release()
            found = findings(app, ("app", "all")[n % 2])
            assert {kind for _, kind, _ in found} <= {"extra", "hint"} and all("noise" in object for *_, object in found), found
            assert n % 2 or found == []
            assert done.acquire(timeout=300) and errors == []
    finally:
        for _ in range(audits):
            begin.release()
        thread.join()
    assert errors == []
    assert findings(app, "app") == [] and findings(app, "all") == []


def test_nothing_to_compare_with_is_said(app):
    """An empty audit is one that found nothing, so nobody may take one for it that compared nothing."""
    told = []
    with connect("reconcile_schema_e") as pg:
        pg.add_notice_handler(lambda notice: told.append(notice.message_primary))
        for call in ("audit_schema('app')", "fix_schema(baseline => 'app')"):
            pg.execute(f"SELECT * FROM {call}")
        assert told == []
        pg.execute("CREATE SCHEMA counted CREATE TABLE serial (id serial)")  # what fix_schema() mends takes it two rounds
        pg.execute("INSERT INTO counted.serial VALUES (50)")
        for call in ("audit_schema()", "fix_schema()", "fix_schema(dry_run => false)"):
            told.clear()
            pg.execute(f"SELECT * FROM {call}")
            assert told == ['there is no baseline "default": only what needs none is checked'], call
        pg.execute("DROP SCHEMA counted CASCADE")
