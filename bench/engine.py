"""The engine against hand-written SQL: 3,000,000 required rows of which 200,000 are missing.

BENCH_GROWTH=30 adds 30 million required rows to the table of growth, which takes 15 GB and a quarter of an hour.
"""
import os

from databases import connect, copy, create
from measure import Comparison, Measurement, seconds

AUDITS, REPAIRS = 31, 11  # repetitions: one turn differs from the next by a third
TEAMS = 1_000_000
GROWTH = [n for n in (1, 3, 10, 30) if n <= float(os.environ.get("BENCH_GROWTH", "10"))]  # million required rows

SCRIPT = """
    CREATE TABLE teams (id integer PRIMARY KEY, created_by integer NOT NULL);
    CREATE TABLE user_roles (
        id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        user_id    integer NOT NULL,
        team_id    integer NOT NULL,
        role_name  text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now());
    INSERT INTO teams SELECT n, n / 3 FROM generate_series(1, {teams}) n;
    INSERT INTO user_roles (user_id, team_id, role_name)
    SELECT t.created_by, t.id, r.name
    FROM teams t CROSS JOIN (VALUES (0, 'owner'), (1, 'admin'), (2, 'member')) AS r(n, name)
    WHERE (t.id * 3 + r.n) % 15 <> 0;
    ALTER TABLE user_roles ADD UNIQUE (user_id, team_id, role_name);
    SELECT reconcile.create_invariant('creator roles', 'user_roles', '{{user_id,team_id,role_name}}', $$ {required} $$)
"""
REQUIRED = """
    SELECT t.created_by AS user_id, t.id AS team_id, r.name AS role_name
    FROM teams t CROSS JOIN (VALUES ('owner'), ('admin'), ('member')) AS r(name)"""
MISSING = f"""
    FROM ({REQUIRED}) e WHERE NOT EXISTS (
        SELECT FROM user_roles x
        WHERE x.user_id = e.user_id AND x.team_id = e.team_id AND x.role_name = e.role_name)"""
COUNT = f"SELECT count(*) {MISSING}"
INSERT = f"""
    INSERT INTO user_roles (user_id, team_id, role_name) SELECT e.user_id, e.team_id, e.role_name {MISSING}
    ON CONFLICT (user_id, team_id, role_name) DO NOTHING"""
AUDIT = "SELECT missing FROM reconcile.audit('creator roles')"
REPAIR = "SELECT changed FROM reconcile.repair('creator roles', dry_run => false)"
UNDO = "SELECT removed FROM reconcile.undo((SELECT max(run_id) FROM reconcile.runs), dry_run => false)"

# Every fifth row lacks a value that another table has.
VALUES = """
    CREATE TABLE names (id integer PRIMARY KEY, name text NOT NULL);
    CREATE TABLE cards (id integer PRIMARY KEY, name text, note text);
    INSERT INTO names SELECT n, 'name ' || n FROM generate_series(1, {rows}) AS n;
    INSERT INTO cards SELECT n, CASE WHEN n % 5 <> 0 THEN 'name ' || n END, repeat('x', 50) FROM generate_series(1, {rows}) AS n;
    SELECT reconcile.create_invariant('names', 'cards', '{{id}}', 'SELECT id, name FROM names', kind => 'fill')
"""
FILL = "SELECT changed FROM reconcile.repair('names', dry_run => false)"
UPDATE = """
    WITH filled AS (
        UPDATE cards c SET name = n.name FROM names n WHERE n.id = c.id AND c.name IS NULL RETURNING c.id, c.name)
    INSERT INTO by_hand SELECT jsonb_build_object('id', id, 'name', name), '{"name": null}' FROM filled"""

# A product's schema: parents with children that nearly all have, 20,000 rows a table.
SUGGEST = """
    DO $$ BEGIN
        FOR n IN 1 .. {pairs} LOOP
            EXECUTE format('CREATE TABLE owner%1$s (id integer PRIMARY KEY, name text);
                CREATE TABLE card%1$s (owner%1$s_id integer PRIMARY KEY REFERENCES owner%1$s, role text NOT NULL DEFAULT ''basic'');
                INSERT INTO owner%1$s SELECT n, n::text FROM generate_series(1, {rows}) AS n;
                INSERT INTO card%1$s (owner%1$s_id) SELECT n FROM generate_series(1, {rows}) AS n WHERE n %% 100 <> 0', n);
        END LOOP;
    END $$
"""
SMALL = """
    DO $$ BEGIN
        FOR n IN 1 .. 100 LOOP
            EXECUTE format('CREATE TABLE source%1$s (id integer PRIMARY KEY, name text);
                CREATE TABLE target%1$s (id integer PRIMARY KEY, name text);
                INSERT INTO source%1$s SELECT n, n::text FROM generate_series(1, 100) AS n;
                INSERT INTO target%1$s SELECT * FROM source%1$s WHERE id > 3', n);
            PERFORM reconcile.create_invariant('small ' || n, format('target%s', n)::regclass, '{id}',
                format('SELECT id, name FROM source%s', n));
        END LOOP;
    END $$
"""


def run(scale):
    teams = round(TEAMS * scale)
    missing = round(teams * 3 / 15)
    filled = create("engine", SCRIPT.format(teams=teams, required=REQUIRED))
    required = f"{teams * 3:,} required rows, {missing:,} missing"
    yield audit(filled, missing, f"audit of {required}", "")
    yield audit(filled, missing, "the same without parallel workers", "SET max_parallel_workers_per_gather = 0")
    yield repair(filled, missing, f"repair of {missing:,} rows, with ledger")
    yield undo(filled, missing)
    yield batches(filled, missing)
    yield bad_rows(filled, missing)

    with connect(filled) as database:
        database.execute(INSERT)
        database.execute("VACUUM (FREEZE, ANALYZE)")
    yield repair(filled, 0, "repair with nothing to do")
    yield from second_run(filled)
    yield fill(round(TEAMS * scale))
    yield from growth(scale)
    yield small_invariants()
    yield suggestions(scale)


def audit(name, missing, work, settings):
    with connect(name) as database:
        if settings:
            database.execute(settings)

        def ask(statement):
            return seconds(lambda: expect(missing, database.execute(statement).fetchone()[0]))

        return Comparison(work, "hand-written anti-join", 1.05).run(lambda: ask(AUDIT), lambda: ask(COUNT), AUDITS)


def repair(name, missing, work):
    def ours():
        with connect(copy(name)) as database:
            warm_up(database)
            return seconds(lambda: expect(missing, database.execute(REPAIR).fetchone()[0]))

    def other():
        with connect(copy(name)) as database:
            warm_up(database)
            return seconds(lambda: expect(missing, database.execute(INSERT).rowcount))

    return Comparison(work, "hand-written INSERT ... ON CONFLICT", 1.1).run(ours, other, REPAIRS)


def in_copy(name, statement, wanted, before=()):
    """in_copy says how long a statement takes in a fresh copy of a database, after others that do not count."""
    with connect(copy(name)) as database:
        warm_up(database)
        for prepared in before:
            database.execute(prepared)

        def ask():
            cursor = database.execute(statement)
            if cursor.description:
                expect(wanted, cursor.fetchone()[0])

        return seconds(ask)


def undo(name, missing):
    return Comparison(f"undo of {missing:,} rows", "the repair that wrote them", 1.0).run(
        lambda: in_copy(name, UNDO, missing, [REPAIR]), lambda: in_copy(name, REPAIR, missing), REPAIRS)


def batches(name, missing):
    call = "CALL reconcile.repair_in_batches('creator roles', batch_size => 5000)"
    return Comparison(f"{missing:,} rows in batches of 5,000", "one repair", 1.3).run(
        lambda: in_copy(name, call, missing), lambda: in_copy(name, REPAIR, missing), REPAIRS)


def bad_rows(name, missing):
    """bad_rows has rows that are refused spread evenly over those that are missing: a thousand of 200,000."""
    refuse = f"ALTER TABLE user_roles ADD CONSTRAINT refused CHECK (role_name <> 'owner' OR team_id % {TEAMS // 1000} <> 0) NOT VALID"
    refused = f"SELECT count(*) {MISSING} AND e.role_name = 'owner' AND e.team_id % {TEAMS // 1000} = 0"
    with connect(name) as database:
        bad = database.execute(refused).fetchone()[0]
    return Comparison(f"the same with {bad:,} rows that are refused", "the repair without them", 3.0).run(
        lambda: in_copy(name, REPAIR, missing - bad, [refuse]), lambda: in_copy(name, REPAIR, missing), REPAIRS)


def second_run(name):
    """second_run measures a repair that finds nothing to do: against the serial audit, and in bytes of WAL."""
    with connect(name) as database:
        database.execute("SET max_parallel_workers_per_gather = 0")

        def ask(statement):
            return seconds(lambda: expect(0, database.execute(statement).fetchone()[0]))

        ask(REPAIR)
        yield Comparison("repair with nothing to do", "audit without parallel workers", 1.05).run(
            lambda: ask(REPAIR), lambda: ask(AUDIT), AUDITS)
        database.execute("CHECKPOINT")
        ask(REPAIR)     # writes the pages of the ledger once after the checkpoint
        before = database.execute("SELECT pg_current_wal_insert_lsn()").fetchone()[0]
        ask(REPAIR)
        written = database.execute("SELECT (pg_current_wal_insert_lsn() - %s)::bigint", [before]).fetchone()[0]
        yield Measurement("WAL of a repair with nothing to do", f"{written:,} bytes", "the ledger's row: below 2,000 bytes")


def fill(rows):
    """fill is measured against an UPDATE that notes what it did as the ledger does."""
    name = create("fill", VALUES.format(rows=rows))
    table = "CREATE TABLE by_hand (row jsonb, was jsonb)"
    look = "SELECT count(*) FROM names n JOIN cards c ON c.id = n.id"

    def side(statement):
        with connect(copy(name)) as database:
            database.execute(table)
            database.execute(look)
            return seconds(lambda: database.execute(statement))

    return Comparison(f"fill of {rows // 5:,} values among {rows:,}", "hand-written UPDATE with a log of its rows", 2.0).run(
        lambda: side(FILL), lambda: side(UPDATE), REPAIRS)


def growth(scale):
    """growth measures audit and repair of more and more required rows beside the same by hand, and the memory of the backend
    that did both: what hand-written statements lose to a machine's caches, ours may lose, too."""
    first = None
    for million in GROWTH:
        teams = round(million * TEAMS / 3 * scale)
        name = create("growth", SCRIPT.format(teams=teams, required=REQUIRED))
        by_hand, _ = audit_and_repair(copy(name), COUNT, INSERT)
        ours, private = audit_and_repair(copy(name), AUDIT, REPAIR)
        first = first or (ours, by_hand, million)
        times = million / first[2]
        yield Measurement(
            f"{teams * 3:,} required rows, one in 15 missing: audit, repair",
            f"{ours[0]:.3g} s, {ours[1]:.3g} s; by hand {by_hand[0]:.3g} s, {by_hand[1]:.3g} s; {sum(ours) / sum(first[0]) / times:.2f} of "
            f"linear, by hand {sum(by_hand) / sum(first[1]) / times:.2f}; {private} MB of private memory at the peak",
            "near-linear, memory bounded")


def audit_and_repair(name, *statements):
    """audit_and_repair says how long each statement takes, and how many MB the backend had for itself at the peak."""
    with connect(name) as database:
        warm_up(database)
        took = [seconds(lambda ask=statement: database.execute(ask)) for statement in statements]
        with open(f"/proc/{database.info.backend_pid}/status") as status:
            sizes = dict(line.split(":", 1) for line in status)
        return took, (int(sizes["VmHWM"].split()[0]) - int(sizes["RssShmem"].split()[0])) // 1024


def small_invariants():
    name = create("small", SMALL)
    with connect(name) as database:
        expect(100, database.execute("SELECT count(*) FROM reconcile.audit() WHERE missing = 3").fetchone()[0])
        took = sorted(seconds(lambda: database.execute("SELECT * FROM reconcile.audit()")) for _ in range(AUDITS))
    return Measurement("audit of 100 invariants on small tables", f"{took[len(took) // 2]:.3g} s", "at most 0.3 s")


def suggestions(scale):
    pairs = round(250 * min(1, scale * 10))
    rows = round(20_000 * scale)
    name = create("suggest", SUGGEST.format(pairs=pairs, rows=rows))
    with connect(name) as database:
        took = seconds(lambda: expect(pairs, len(database.execute("SELECT * FROM reconcile.suggest_invariants()").fetchall())))
    return Measurement(f"suggest_invariants() on {2 * pairs} tables of {2 * pairs * rows:,} rows", f"{took:.3g} s", "at most 60 s")


def warm_up(database):
    """warm_up reads both tables of a new copy: neither side shall wait for the disk."""
    database.execute(COUNT)


def expect(wanted, got):
    if wanted != got:
        raise AssertionError(f"{got} rows, not {wanted}: the comparison does not do what it says")
