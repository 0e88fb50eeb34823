"""Guards against triggers written by hand: the same roles of new teams, by a statement trigger and by a row trigger.

The work of a bulk insert is measured on copies of one database in turn; single rows by pgbench with eight clients.
"""
import os
import subprocess
import tempfile

from databases import connect, copy, create
from measure import Comparison, Measurement, processor_seconds, seconds

BULKS, REPETITIONS = 11, 5
ROLES = "(VALUES ('owner'), ('admin'), ('member')) AS r(name)"
TABLES = """
    CREATE TABLE teams (id integer PRIMARY KEY, created_by integer NOT NULL);
    CREATE TABLE user_roles (user_id integer NOT NULL, team_id integer NOT NULL REFERENCES teams, role_name text NOT NULL,
        PRIMARY KEY (user_id, team_id, role_name));
    INSERT INTO teams SELECT -n, 1 FROM generate_series(1, 10000) AS n;
    ANALYZE teams; -- while it is empty, checks of the foreign key are planned to read it whole
"""
GUARD = TABLES + f"""
    SELECT reconcile.create_invariant('roles', 'user_roles', '{{user_id,team_id,role_name}}',
        $$ SELECT t.created_by AS user_id, t.id AS team_id, r.name AS role_name FROM teams t CROSS JOIN {ROLES} $$);
    SELECT reconcile.guard('roles')"""
BY_STATEMENT = TABLES + f"""
    CREATE FUNCTION roles() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$ BEGIN
        INSERT INTO user_roles SELECT t.created_by, t.id, r.name FROM new_teams t CROSS JOIN {ROLES} ON CONFLICT DO NOTHING;
        RETURN NULL; END $$;
    CREATE TRIGGER roles AFTER INSERT ON teams REFERENCING NEW TABLE AS new_teams FOR EACH STATEMENT EXECUTE FUNCTION roles()"""
BY_ROW = TABLES + """
    CREATE FUNCTION roles() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$ BEGIN
        INSERT INTO user_roles VALUES (NEW.created_by, NEW.id, 'owner') ON CONFLICT DO NOTHING;
        INSERT INTO user_roles VALUES (NEW.created_by, NEW.id, 'admin') ON CONFLICT DO NOTHING;
        INSERT INTO user_roles VALUES (NEW.created_by, NEW.id, 'member') ON CONFLICT DO NOTHING;
        RETURN NULL; END $$;
    CREATE TRIGGER roles AFTER INSERT ON teams FOR EACH ROW EXECUTE FUNCTION roles()"""


def run(scale):
    guarded, statement, row, bare = (create(name, script) for name, script in (
        ("guard", GUARD), ("statement", BY_STATEMENT), ("row", BY_ROW), ("bare", TABLES)))
    rows = round(100_000 * scale)
    yield bulk(guarded, statement, rows, "statement trigger", 1.05)
    yield bulk(guarded, row, rows, "row trigger", 0.75)
    yield from single_rows(guarded, statement, scale)
    yield no_rows(guarded, bare, round(20_000 * scale))
    yield memory(guarded, round(1_000_000 * scale))


def bulk(guarded, other, rows, kind, wanted):
    def insert(name):
        def work():
            with connect(copy(name)) as database:
                return seconds(lambda: database.execute(
                    "INSERT INTO teams SELECT n, n / 3 FROM generate_series(1, %s) AS n", [rows]))
        return work
    return Comparison(f"INSERT of {rows:,} rows in one statement", kind, wanted).run(insert(guarded), insert(other), BULKS)


def single_rows(guarded, other, scale):
    """single_rows inserts a fixed number of rows: the ratio of times is the inverse of that of throughputs.

    What a client waits for is mostly the disk; what a guard costs beside a trigger shows in the processor time of sessions that
    do not wait for it.
    """
    transactions = max(round(20_000 * scale), 10)

    def pgbench(name, options, measured):
        database = copy(name)
        with connect(database) as pg, tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
            pg.execute("CREATE SEQUENCE ids CACHE 100")
            script.write("INSERT INTO teams SELECT nextval('ids'), 1;")
            script.flush()
            program = os.path.join(os.path.dirname(os.environ["PG_CONFIG"]), "pgbench")
            arguments = [program, "-n", "-M", "prepared", "-c8", "-j2", f"-t{transactions}", "-f", script.name, database]
            return measured(pg, lambda: subprocess.run(arguments, check=True, capture_output=True,
                                                       env={**os.environ, "PGOPTIONS": options}))

    work = f"{8 * transactions:,} INSERTs of one row, 8 clients"
    for more, wanted, options, measured in (
            ("", round(1 / 0.97, 2), "", lambda pg, action: seconds(action)),
            (", processor time", 0, "-c synchronous_commit=off", processor_seconds)):
        yield Comparison(work + more, "statement trigger", wanted).run(
            lambda: pgbench(guarded, options, measured), lambda: pgbench(other, options, measured), REPETITIONS)


def no_rows(guarded, bare, statements):
    """no_rows is what a guard adds to a statement that inserts nothing."""
    def loop(name):
        with connect(name) as pg:
            return min(seconds(lambda: pg.execute(
                f"DO $$ BEGIN FOR n IN 1..{statements} LOOP INSERT INTO teams SELECT n, 1 WHERE n < 0; END LOOP; END $$"))
                for _ in range(REPETITIONS))
    added = (loop(guarded) - loop(bare)) / statements * 1e6
    return Measurement("INSERT of no row: more than without trigger", f"{added:.1f} microseconds", "under 20 microseconds")


def memory(guarded, rows):
    """memory compares what a session holds after some thousand guarded inserts with what it holds after all."""
    with connect(copy(guarded)) as pg:
        def held():
            return pg.execute("SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts").fetchone()[0]

        def insert(first, last):
            pg.execute(f"DO $$ BEGIN FOR n IN {first}..{last} LOOP INSERT INTO teams VALUES (n, 1);"
                       " IF n % 1000 = 0 THEN COMMIT; END IF; END LOOP; END $$")
        warm_up = min(10_000, rows // 10)
        insert(1, warm_up)
        before = held()
        insert(warm_up + 1, rows)
        return Measurement(f"memory of a session after {rows:,} guarded INSERTs", f"{held() / before:.2f} of that after {warm_up:,}",
                           "at most 1.5")
