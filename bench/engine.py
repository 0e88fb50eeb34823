"""The engine against hand-written SQL: 3,000,000 required rows of which 200,000 are missing."""
from databases import connect, copy, create
from measure import Comparison, seconds

AUDITS, REPAIRS = 15, 7  # repetitions
TEAMS = 1_000_000

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


def run(scale):
    teams = round(TEAMS * scale)
    missing = round(teams * 3 / 15)
    filled = create("engine", SCRIPT.format(teams=teams, required=REQUIRED))
    required = f"{teams * 3:,} required rows, {missing:,} missing"
    yield audit(filled, missing, f"audit of {required}", "")
    yield audit(filled, missing, "the same without parallel workers", "SET max_parallel_workers_per_gather = 0")
    yield repair(filled, missing, f"repair of {missing:,} rows, with ledger")

    with connect(filled) as database:
        database.execute(INSERT)
        database.execute("VACUUM (FREEZE, ANALYZE)")
    yield repair(filled, 0, "repair with nothing to do")


def audit(name, missing, work, settings):
    with connect(name) as database:
        if settings:
            database.execute(settings)

        def ask(statement):
            return seconds(lambda: expect(missing, database.execute(statement).fetchone()[0]))

        return Comparison(work, "hand-written anti-join", 1.1).run(lambda: ask(AUDIT), lambda: ask(COUNT), AUDITS)


def repair(name, missing, work):
    def ours():
        with connect(copy(name)) as database:
            warm_up(database)
            return seconds(lambda: expect(missing, database.execute(REPAIR).fetchone()[0]))

    def other():
        with connect(copy(name)) as database:
            warm_up(database)
            return seconds(lambda: expect(missing, database.execute(INSERT).rowcount))

    return Comparison(work, "hand-written INSERT ... ON CONFLICT", 1.15).run(ours, other, REPAIRS)


def warm_up(database):
    """warm_up reads both tables of a new copy: neither side shall wait for the disk."""
    database.execute(COUNT)


def expect(wanted, got):
    if wanted != got:
        raise AssertionError(f"{got} rows, not {wanted}: the comparison does not do what it says")
