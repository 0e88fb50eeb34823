#!/usr/bin/python3
"""Every ordered pair of actions on one invariant, in two sessions, in each isolation level, by PostgreSQL's isolationtester.

Each spec runs its pair in five orders: the first commits while the second waits or has run, the first rolls back, the second's
snapshot is older than what the first commits. Each order ends with the oracle: after one more repair the target equals the
recomputation, and rows that were there before are as they were. Invariant i inserts rows, f fills a column of them. READ COMMITTED allows no error but the refusals that a pair
must have; the other levels allow could not serialize, which an application tries again.

"Concurrent runs and concurrent writers never produce a duplicate or an error": tried by leaving lock_for_repair() out of
repair.cpp (two repairs leave two rows with NULL in their key) and ON CONFLICT out of insertion.cpp (rows of a repair that
writers raced count as failed).

Arguments are the beginnings of the names of the specs to run; without any, all are.

Ends with "N passed, N failed". The specs and their output are in build/, the failing ones are printed.
"""
import os
import re
import subprocess
import sys

import psycopg

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUT = os.path.join(TOP, "build", os.environ.get("PG_RECONCILE_INSTANCE", "test15"), "isolation")
TESTER = "/usr/lib/postgresql/15/lib/pgxs/src/test/isolation/isolationtester"
DATABASE = "reconcile_isolation"

ACTIONS = {
    "repair": "SELECT invariant, failed FROM reconcile.repair('i', dry_run => false)",
    "plan": "SELECT invariant, failed FROM reconcile.repair(plan => (SELECT max(plan_id) FROM reconcile.plans), dry_run => false)",
    "fill": "SELECT invariant, failed FROM reconcile.repair('f', dry_run => false)",
    "undo": "SELECT kept_referenced FROM reconcile.undo((SELECT max(run_id) FROM reconcile.runs WHERE changed = 10), false)",
    "writer": "INSERT INTO app.target SELECT k, 'v' || k FROM unnest(ARRAY[15, 40]) AS k ON CONFLICT DO NOTHING;"
              " INSERT INTO app.source VALUES (40, 'v40') ON CONFLICT DO NOTHING",
    "ddl": "ALTER TABLE app.target ADD COLUMN IF NOT EXISTS x integer",
}
LEVELS = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]
SERIALIZE = "could not serialize access"
# What a pair must be refused: a plan is applied once, is stale after DDL; an undone run is undone.
REFUSALS = {
    ("plan", "plan"): r"plan \d+ is applied already",
    ("ddl", "plan"): r"plan \d+ is stale", ("plan", "ddl"): r"plan \d+ is stale",
    ("undo", "undo"): r"run \d+ cannot be undone",
}

# A guard of app.owner from app.project, in which many rows expect one. NULL in the key is stopped by no unique index.
GUARDED = {
    "writer": "INSERT INTO app.project SELECT n, n % 5, 'a' FROM generate_series(100, 119) AS n",
    "other": "INSERT INTO app.project SELECT n, n % 7, 'a' FROM generate_series(200, 219) AS n",
    "null": "INSERT INTO app.project VALUES (300, NULL, 'a'), (301, NULL, 'a')",
    "null too": "INSERT INTO app.project VALUES (400, NULL, 'a')",
    "update": "UPDATE app.project SET owner = owner + 3 WHERE id < 20",
    "delete": "DELETE FROM app.project WHERE id BETWEEN 5 AND 8",
    "repair": "SELECT invariant, failed FROM reconcile.repair('owners', dry_run => false)",
    "undo": "SELECT kept_referenced FROM reconcile.undo((SELECT max(run_id) FROM reconcile.runs WHERE changed > 0), false)",
    "guard": "SELECT count(*) > 0 FROM reconcile.guard('owners', on_failure => 'queue')",
    "unguard": "SELECT reconcile.unguard('owners')",
}
GUARDED_PAIRS = [("writer", b) for b in ("other", "repair", "undo", "guard", "unguard")] + [
    (a, "writer") for a in ("repair", "undo", "guard", "unguard")] + [("null", "null too"), ("null", "repair"), ("update", "delete")]
# While it is unguarded, and after an undo, a row may be missing until the repair.
GAPS = {"unguard", "undo"}

GUARDED_SPEC = """
setup
{{
	TRUNCATE app.project, app.owner;
	ALTER TABLE app.project DISABLE TRIGGER USER;
	INSERT INTO app.project SELECT n, n % 3, 'a' FROM generate_series(1, 20) AS n;
	SELECT changed FROM reconcile.repair('owners', dry_run => false);
	SELECT count(*) > 0 FROM reconcile.guard('owners');
	ALTER TABLE app.project ENABLE TRIGGER USER;
}}
session a
setup {{ BEGIN ISOLATION LEVEL {level}; }}
step a_look {{ SELECT count(*) >= 0 FROM app.project; }}
step a_act {{ {a}; }}
step a_end {{ COMMIT; }}
step a_undone {{ ROLLBACK; }}
session b
setup {{ BEGIN ISOLATION LEVEL {level}; }}
step b_look {{ SELECT count(*) >= 0 FROM app.project; }}
step b_act {{ {b}; }}
step b_end {{ COMMIT; }}
session oracle
step missing {{ SELECT expected - present AS missing FROM reconcile.audit('owners'); SELECT count(*) AS waiting FROM reconcile.failures; }}
step repaired {{ SELECT invariant, failed FROM reconcile.repair('owners', dry_run => false); }}
step wrong
{{
	SELECT owner, kind FROM app.project EXCEPT SELECT owner, kind FROM app.owner
	UNION ALL SELECT owner, kind FROM app.owner GROUP BY owner, kind HAVING count(*) > 1;
}}
permutation a_act b_act a_end b_end missing repaired wrong
permutation a_act b_act a_undone b_end missing repaired wrong
permutation a_look b_look a_act b_act a_end b_end missing repaired wrong
permutation a_look b_look a_act a_end b_act b_end missing repaired wrong
permutation a_act a_end b_act b_end missing repaired wrong
"""

SPEC = """
setup
{{
	TRUNCATE app.source, app.target;
	ALTER TABLE app.target DROP COLUMN IF EXISTS x;
	INSERT INTO app.target VALUES (5, 'before'), (100, 'theirs');
	INSERT INTO app.source SELECT n, 'v' || n FROM generate_series(1, 10) AS n WHERE n <> 5;
	INSERT INTO app.source VALUES (NULL, 'null');
	SELECT changed FROM reconcile.repair('i', dry_run => false);
	UPDATE app.target SET w = 'old' WHERE id = 100;
	INSERT INTO app.source SELECT n, 'v' || n FROM generate_series(11, 30) AS n;
	DELETE FROM app.target WHERE id IS NULL AND {null};
	SELECT reconcile.plan('i') > 0;
}}
session a
setup {{ BEGIN ISOLATION LEVEL {level}; }}
step a_look {{ SELECT count(*) >= 0 FROM app.target; }}
step a_act {{ {a}; }}
step a_end {{ COMMIT; }}
step a_undone {{ ROLLBACK; }}
session b
setup {{ BEGIN ISOLATION LEVEL {level}; }}
step b_look {{ SELECT count(*) >= 0 FROM app.source; }}
step b_act {{ {b}; }}
step b_end {{ COMMIT; }}
session oracle
step repaired {{ SELECT invariant, failed FROM reconcile.repair(dry_run => false); }}
step wrong
{{
	(SELECT id, v FROM app.source WHERE id IS DISTINCT FROM 5 EXCEPT ALL SELECT id, v FROM app.target)
	UNION ALL (SELECT id, v FROM app.target WHERE v NOT IN ('before', 'theirs') EXCEPT ALL SELECT id, v FROM app.source)
	UNION ALL (SELECT * FROM (VALUES (5, 'before'), (100, 'theirs')) AS t EXCEPT ALL SELECT id, v FROM app.target)
	UNION ALL (SELECT id, w FROM app.target WHERE w IS DISTINCT FROM CASE WHEN id = 100 THEN 'old' WHEN id <> 5 THEN 'w' || id END);
}}
permutation a_act b_act a_end b_end repaired wrong
permutation a_act b_act a_undone b_end repaired wrong
permutation a_look b_look a_act b_act a_end b_end repaired wrong
permutation a_look b_look a_act a_end b_act b_end repaired wrong
permutation a_act a_end b_act b_end repaired wrong
"""


def prepare():
    with psycopg.connect(dbname="postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {DATABASE}")
    with psycopg.connect(dbname=DATABASE, autocommit=True) as pg:
        pg.execute("CREATE EXTENSION pg_reconcile")
        pg.execute("CREATE SCHEMA app CREATE TABLE source (id integer UNIQUE, v text) CREATE TABLE target (id integer UNIQUE, v text, w text)")
        pg.execute("SELECT reconcile.create_invariant('f', 'app.target', '{id}', 'SELECT id, ''w'' || id AS w FROM app.source', kind => 'fill')")
        pg.execute("SELECT reconcile.create_invariant('i', 'app.target', '{id}', 'SELECT id, v FROM app.source')")
        pg.execute("CREATE TABLE app.project (id integer PRIMARY KEY, owner integer, kind text);"
                   " CREATE TABLE app.owner (owner integer, kind text, UNIQUE (owner, kind))")
        pg.execute("SELECT reconcile.create_invariant('owners', 'app.owner', '{owner,kind}', 'SELECT DISTINCT owner, kind FROM app.project')")


def run(name, spec):
    """The output of a spec."""
    with open(os.path.join(OUT, name + ".spec"), "w") as file:
        file.write(spec)
    done = subprocess.run([TESTER, f"dbname={DATABASE}"], input=spec, capture_output=True, text=True)
    with open(os.path.join(OUT, name + ".out"), "w") as file:
        file.write(done.stdout + done.stderr)
    return done.returncode, done.stdout + done.stderr


def wrong_in(output, level, refusal, gap=None):
    """What is wrong in the output of one permutation: the second of a pair may be refused, and no row may be wrong. Without a
    gap a guard has left nothing to the repair."""
    allowed = [pattern for pattern in (refusal, SERIALIZE if level != "READ COMMITTED" else None) if pattern]
    for error in re.findall(r"ERROR: .*", output):
        if not any(re.search(pattern, error) for pattern in allowed):
            yield error
    for failed in re.findall(r"^[if] +\| *(\d+)$", output, re.M):
        if failed != "0":
            yield f"{failed} rows failed"
    if gap is False:
        for what in ("missing", "waiting"):
            count = re.search(rf"^ *{what}\n-+\n *(\d+)$", output, re.M)
            if count is None or count[1] != "0":
                yield f"{what}: {count and count[1]}"
    last = output.rpartition("step wrong:")[2]
    if "(0 rows)" not in last:
        yield "the target differs from the recomputation:" + last


def check(name, spec, level, refusal, gap=None):
    """Whether a spec passed; what is wrong is printed."""
    status, output = run(name, spec)
    permutations = output.split("starting permutation:")[1:]
    wrong = [text for part in permutations for text in wrong_in(part, level, refusal, gap)]
    if status == 0 and len(permutations) == spec.count("\npermutation") and not wrong:
        return True
    print(f"not ok - {name}", *(wrong or [output]), sep="\n  ")
    return False


def main():
    os.makedirs(OUT, exist_ok=True)
    prepare()
    passed = failed = 0
    for level in LEVELS:
        suffix = level.replace(" ", "-").lower()
        specs = []
        for a in ACTIONS:
            for b in ACTIONS:
                # undo needs its run to have all ten rows; the other pairs also miss a row that no unique index sees
                null = "false" if "undo" in (a, b) else "true"
                spec = SPEC.format(level=level, a=ACTIONS[a], b=ACTIONS[b], null=null)
                specs.append((f"{a}-{b}-{suffix}", spec, level, REFUSALS.get((a, b))))
        for a, b in GUARDED_PAIRS:
            spec = GUARDED_SPEC.format(level=level, a=GUARDED[a], b=GUARDED[b])
            if "unguard" in (a, b):  # DROP TRIGGER waits for whoever has looked, until the end of his transaction
                spec = "".join(line for line in spec.splitlines(True) if not line.startswith("permutation a_look"))
            specs.append((f"guarded-{a}-{b}-{suffix}".replace(" ", "-"), spec, level, None, bool(GAPS & {a, b})))
        for spec in specs:
            if not spec[0].startswith(tuple(sys.argv[1:]) or ""):
                continue
            if check(*spec):
                passed += 1
            else:
                failed += 1
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
