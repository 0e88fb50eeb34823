"""Random invariants against a reckoning of their own.

A round makes two small tables of data, a target, and an invariant whose query, key, index, conditions and kind are drawn
by lot. What must come of it is reckoned here, in Python, from what is in the tables: the counts of audit and dry run, the
rows after the repair, the rows that are refused, what a second run does (nothing), and that undo brings back what was
there. PostgreSQL is asked only to print values as the target's columns store them.

    ROUNDS=10000 SEED=7 pytest test/test_property.py        (1000 rounds, seed 1, unless told otherwise)

A round that fails says its number; ROUNDS=1 SEED=1 FIRST=number runs it alone.
"""
import os
import random
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

import psycopg
import pytest
from psycopg import sql

ROUNDS = int(os.environ.get("ROUNDS", "1000"))
SEED = int(os.environ.get("SEED", "1"))
FIRST = int(os.environ.get("FIRST", "0"))

# How the statements are planned from the audit on: as PostgreSQL likes, by one kind of join, or for parallel workers.
PLANS = [
    [],
    ["enable_hashjoin = off", "enable_mergejoin = off"],
    ["enable_hashjoin = off", "enable_nestloop = off"],
    ["enable_mergejoin = off", "enable_nestloop = off"],
    ["parallel_setup_cost = 0", "parallel_tuple_cost = 0", "min_parallel_table_scan_size = 0"],
]

# A column's type, and expressions for it over tables a and b of columns i, t, o, d, n.
TYPES = {
    "integer": ["a.i", "a.i + b.i", "a.i::bigint", "a.n", "length(b.t)"],
    "text": ["a.t", "b.t", "upper(a.t)", "'k' || a.i"],
    "varchar(3)": ["a.t", "left(b.t, 2)", "a.i"],
    "char(2)": ["left(a.t, 1)", "left(b.t, 2)"],
    "boolean": ["a.o", "b.i > 1", "a.o AND b.o"],
    "date": ["a.d", "b.d + 1"],
    "timestamp(0)": ["a.d + a.i * interval '0.6 s'", "b.d"],
    "numeric(4,1)": ["a.n", "b.n", "a.i", "a.n::float8"],
    "float8": ["a.n", "b.i", "CASE WHEN a.o THEN 'NaN' ELSE a.n::float8 END"],
    "bigint": ["a.i", "b.i::numeric", "a.n"],
    "uuid": ["md5(a.t)::uuid", "md5(b.t)::uuid"],
    "jsonb": ["to_jsonb(a.t)", "jsonb_build_object('i', b.i)"],
    "integer[]": ["ARRAY[a.i]", "ARRAY[a.i, b.i]"],
}
# Expressions over a key column, which let different values be one key.
PARTS = {
    "integer": ["{0} % 2", "coalesce({0}, 0)", "abs({0} - 1)"],
    "text": ["left({0}, 1)", "coalesce({0}, 'k')", "length({0})"],
    "varchar(3)": ["upper({0})", "({0} || 'x') COLLATE \"C\""],
    "boolean": ["NOT {0}", "CASE WHEN {0} THEN 1 END"],
    "date": ["{0} - DATE '2026-01-02'"],
    "numeric(4,1)": ["round({0})", "{0} * 2"],
    "bigint": ["nullif({0}, 1)"],
    "jsonb": ["{0} ->> 'i'"],
    "integer[]": ["{0}[1]"],
}
SHAPES = [
    "SELECT {outputs} FROM a JOIN b ON b.i = a.i",
    "SELECT {outputs} FROM a CROSS JOIN b",
    "SELECT {outputs} FROM a LEFT JOIN b ON b.t = a.t",
    "SELECT {outputs} FROM a, b WHERE a.i IS NOT NULL AND b.o IS NOT FALSE",
    "WITH b AS (SELECT * FROM b WHERE i < 3) SELECT {outputs} FROM a JOIN b USING (i)",
    "SELECT {outputs} FROM a JOIN (SELECT DISTINCT ON (o) * FROM b ORDER BY o, i, t, d, n) AS b ON true",
    "SELECT {outputs} FROM a FULL JOIN b ON b.i = a.i WHERE EXISTS (SELECT FROM b AS c WHERE c.t IS DISTINCT FROM a.t)",
    "SELECT {outputs} FROM a JOIN b ON b.i = a.i UNION ALL SELECT {outputs} FROM a JOIN b ON b.t = a.t",
    "SELECT {outputs} FROM a JOIN b ON b.i = a.i EXCEPT SELECT {outputs} FROM a JOIN b ON b.t = a.t",
    "SELECT {outputs} FROM a JOIN b ON a.d < b.d GROUP BY {groups}",
]


@dataclass
class Column:
    name: str
    type: str
    not_null: bool = False
    default: str = ""
    part: str = ""          # of the key: the expression over it

    def entry(self):
        """The entry of the key."""
        return self.part or self.name


class Row(dict):
    """The texts of a row's columns, and those of its key."""
    key = ()


@dataclass
class Case:
    """What was drawn by lot: the target, and the invariant on it."""
    kind: str
    key: list
    values: list            # columns that are no part of the key and may be yielded
    yielded: list
    compare: list
    expects: str
    index: str              # 'all', 'nulls', 'live'
    where_absent: str
    refused: str            # the target refuses this text in its first value column, or ''


def value(lot, type):
    """A literal of a type, of few different ones, so that values meet."""
    n = lot.randrange(4)
    literals = {
        "integer": n, "bigint": n, "text": "kxyz"[n] + str(n), "varchar(3)": "kxyz"[n], "char(2)": "kxyz"[n],
        "boolean": n % 2 == 0, "date": f"2026-01-0{n + 1}", "timestamp(0)": f"2026-01-0{n + 1} 00:00:0{n}",
        "numeric(4,1)": Decimal(n) / 2, "float8": ["NaN", 0, 1, 2.5][n], "uuid": f"{n:032}", "jsonb": f'"x{n}"',
        "integer[]": [n], }
    return literals[type]


def draw(lot):
    """One case, by lot."""
    types = list(TYPES)
    kind = lot.choice(["insert", "insert", "fill"])
    index = lot.choice(["all", "all", "nulls", "live"])
    key = [Column(f"k{n}", lot.choice(types), lot.random() < 0.6) for n in range(lot.choice([1, 1, 2, 3]))]
    values = [Column(f"v{n}", lot.choice(types), lot.random() < 0.2) for n in range(lot.choice([1, 2, 3]))]
    for column in values:
        if column.not_null:
            column.default = str(value(random.Random(7), column.type)) if column.type != "integer[]" else "{7}"
    if kind == "insert":
        yielded = [c for c in values if lot.random() < 0.7]
    else:
        yielded = values[:lot.choice([1, len(values)])]
    compare = [c for c in yielded if lot.random() < 0.4 or kind == "fill" and c.not_null]
    where_absent = lot.choice(["", "", "live IS NOT TRUE", "live"]) if index == "live" or lot.random() < 0.2 else ""
    if kind == "insert" and where_absent == "live":
        where_absent = "live IS NOT TRUE"         # rows that a repair inserts are live: they must count

    refused = ""
    if yielded and yielded[0].type in ("text", "integer") and lot.random() < 0.3:
        refused = str(value(lot, yielded[0].type))
    expressions = {c.name: lot.choice(TYPES[c.type]) for c in key + yielded}
    for column in key:
        if column.type in PARTS and lot.random() < 0.3:
            column.part = lot.choice(PARTS[column.type]).format(column.name)
            expressions[column.name] = f"({expressions[column.name]})::{column.type.split('(')[0]}"
    outputs = ", ".join(f"{e} AS {name}" for name, e in expressions.items())
    groups = ", ".join(str(n + 1) for n in range(len(expressions)))
    shape = lot.choice(SHAPES)
    expects = shape.format(outputs=outputs, groups=groups)
    if "EXCEPT" not in expects and "UNION" not in expects and lot.random() < 0.2:
        expects = expects.replace("SELECT", "SELECT DISTINCT", 1) if not expects.startswith("WITH") else expects
    if lot.random() < 0.8:
        names = ", ".join(c.entry() for c in key)
        rest = ", ".join(c.name + "::text" for c in key + yielded)
        expects = f"SELECT DISTINCT ON ({names}) * FROM ({expects}) AS q ORDER BY {names}, {rest}"
    return Case(kind, key, values, yielded, compare, expects, index, where_absent, refused)


class Round:
    """One round, on a connection, in a transaction that is rolled back."""

    def __init__(self, connection, lot, lot_of_plans):
        self.connection = connection
        self.lot, self.lot_of_plans = lot, lot_of_plans
        self.case = draw(lot)
        self.key = [c.entry() for c in self.case.key]
        self.keys = [c.name for c in self.case.key]
        self.names = self.keys + [c.name for c in self.case.values] + ["live"]
        self.yielded = self.keys + [c.name for c in self.case.yielded]

    def sql(self, query, *parameters):
        cursor = self.connection.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []

    def raised(self, query):
        """The SQLSTATE of a statement that may fail, and its rows."""
        self.sql("SAVEPOINT attempt")
        try:
            return None, self.sql(query)
        except psycopg.Error as error:
            self.sql("ROLLBACK TO attempt")
            return error.sqlstate, []

    def fill_sources(self):
        for name in "ab":
            self.sql(f"CREATE TABLE {name} (i integer, t text, o boolean, d date, n numeric)")
            for _ in range(self.lot.randrange(7)):
                drawn = [value(self.lot, type) for type in ("integer", "text", "boolean", "date", "numeric(4,1)")]
                drawn[4] += self.lot.choice([Decimal(0), Decimal("0.04")])
                self.sql(f"INSERT INTO {name} VALUES (%s, %s, %s, %s, %s)",
                         *(None if self.lot.random() < 0.15 else v for v in drawn))

    def make_target(self):
        case, key = self.case, ", ".join(f"({c.part})" if c.part else c.name for c in self.case.key)
        columns = [f"{c.name} {c.type}{' NOT NULL' if c.not_null else ''}" + (f" DEFAULT '{c.default}'" if c.default else "")
                   for c in case.key + case.values]
        if case.refused:
            columns.append(f"CHECK ({case.yielded[0].name} <> '{case.refused}')")
        self.primary_key = self.lot.random() < 0.5
        if self.primary_key:
            columns.append("pk bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
        self.sql(f"CREATE TABLE target ({', '.join(columns)}, live boolean DEFAULT true)")
        self.sql(f"CREATE UNIQUE INDEX ON target ({key})" +
                 {"all": "", "nulls": " NULLS NOT DISTINCT", "live": " WHERE live"}[case.index])
        for _ in range(self.lot.randrange(9)):
            row = [None if not c.not_null and self.lot.random() < 0.25 else value(self.lot, c.type)
                   for c in case.key + case.values] + [self.lot.random() < 0.7]
            places = ", ".join(f"%s::{c.type}" for c in case.key + case.values)
            self.raised_insert(f"INSERT INTO target ({', '.join(self.names)}) VALUES ({places}, %s) ON CONFLICT DO NOTHING", row)
        # Some rows of the query itself are there, whole or with other values.
        keys = ", ".join(self.keys)
        self.raised(f"INSERT INTO target ({keys}) SELECT {keys} FROM ({case.expects}) AS e LIMIT 2 ON CONFLICT DO NOTHING")

    def raised_insert(self, query, row):
        self.sql("SAVEPOINT attempt")
        try:
            self.sql(query, *row)
        except psycopg.Error:
            self.sql("ROLLBACK TO attempt")

    def rows(self):
        """The target's rows as dictionaries of texts, with whether they count as present and are in the unique index."""
        case = self.case
        absent = f"coalesce({case.where_absent}, false)" if case.where_absent else "false"
        indexed = "coalesce(live, false)" if case.index == "live" else "true"
        return [(row, not absent, indexed) for row, absent, indexed in self.read(self.names, f"{absent}, {indexed} FROM target")]

    def read(self, names, rest):
        """Rows with the texts of some columns and of the key, each with the values of the rest."""
        listed = ", ".join([f"{name}::text" for name in names] + [f"({entry})::text" for entry in self.key])
        for values in self.sql(f"SELECT {listed}, {rest}"):
            row = Row(zip(names, values))
            row.key = tuple(values[len(names):len(names) + len(self.key)])
            yield row, *values[len(names) + len(self.key):]

    def contents(self):
        return Counter(tuple(row.values()) for row, _, _ in self.rows())

    def expected(self):
        """The rows of the query as dictionaries of texts as the target stores them, each with its text as it was."""
        self.sql("DROP TABLE IF EXISTS stored")
        columns = ", ".join(f"{c.name} {c.type}" for c in self.case.key + self.case.yielded)
        self.sql(f"CREATE TABLE stored ({columns}, raw text)")
        listed = ", ".join(self.yielded)
        self.sql(f"INSERT INTO stored SELECT {listed}, e::text FROM (SELECT {listed} FROM ({self.case.expects}) AS q) AS e")
        return list(self.read(self.yielded, "raw FROM stored"))

    # ------------------------------------------------------------ the reckoning

    def due(self, row, present):
        """What a repair has to do for an expected row: '' or 'missing', 'differs', 'duplicate'; beside the present rows."""
        if not present:
            return "missing"
        if len(present) > 1:
            return "duplicate"
        compare = [c.name for c in self.case.compare]
        empty = self.case.kind == "fill" and any(
            present[0][c.name] is None and row[c.name] is not None for c in self.case.yielded if c.name not in compare)
        differs = any(present[0][name] != row[name] for name in compare)
        return "missing" if empty else "differs" if differs else ""

    def filled(self, row, present):
        """The present row after a fill."""
        compare = [c.name for c in self.case.compare]
        after = dict(present)
        for c in self.case.yielded:
            if c.name in compare or present[c.name] is None:
                after[c.name] = row[c.name]
        return after

    def refuses(self, row):
        """Whether the target refuses a row, whose columns that are not yielded have their defaults."""
        case = self.case
        return any(row[c.name] is None and c.not_null for c in case.key + case.values if c.name in row) or \
            bool(case.refused) and row[case.yielded[0].name] == case.refused

    def reckon(self):
        """The counts and rows that must come: None when the invariant contradicts itself."""
        case = self.case
        expected, target = self.expected(), self.rows()
        present, held = {}, set()
        for row, counts, indexed in target:
            if counts:
                present.setdefault(row.key, []).append(row)
            if indexed and (case.index == "nulls" or None not in row.key):
                held.add(row.key)
        kinds = Counter()
        work, raws, copies = {}, {}, Counter()
        planned = 0
        for row, raw in expected:
            key = row.key
            why = self.due(row, present.get(key, []))
            kinds[why] += 1
            if case.kind == "fill":
                due = why in ("missing", "differs") and key in present
            else:
                due = why == "missing"
            if due:
                planned += 1
                work[key] = row
                copies[key] += 1
                raws.setdefault(key, set()).add(raw)
        if case.kind == "fill" and case.compare:
            for row, raw in expected:
                if row.key in work:
                    raws[row.key].add(raw)
        self.torn = any(len(r) > 1 for r in raws.values())
        self.counts = (len(expected), len(expected) - kinds["missing"], kinds["missing"], kinds["differs"], kinds["duplicate"])
        self.planned = planned
        after = Counter(tuple(row.values()) for row, _, _ in target)
        changed = failed = failing = blocked = 0
        for key, row in work.items():
            if case.kind == "fill":
                old = present[key][0]
                new = self.filled(row, old)
                if self.refuses(new):
                    failed, failing = failed + 1, failing + copies[key]
                    continue
                after[tuple(old.values())] -= 1
            else:
                new = {name: None for name in self.names} | self.defaults() | row
                if self.refuses(row):
                    failed, failing = failed + 1, failing + copies[key]
                    continue
                if key in held:
                    blocked += 1
                    continue
            after[tuple(new.values())] += 1
            changed += 1
        held_too = 0
        if case.kind == "insert":       # a dry run sees what the index holds before it knows what is refused
            held_too = sum(1 for key, row in work.items() if key in held and self.refuses(row))
        self.dry = len(work) - blocked - held_too
        self.changed, self.failed, self.failing = changed, failed, failing
        self.after = +after

    def defaults(self):
        columns = [c for c in self.case.values if c.default]
        texts = ", ".join(f"'{c.default}'::{c.type}::text" for c in columns)
        return (dict(zip((c.name for c in columns), self.sql(f"SELECT {texts}")[0])) if columns else {}) | {"live": "true"}

    # ------------------------------------------------------------ what the engine does

    def run(self):
        self.sql("SET LOCAL search_path = public")
        self.fill_sources()
        self.make_target()
        case = self.case
        code, _ = self.raised(sql.SQL(
            "SELECT reconcile.create_invariant('i', 'target', {}, {}, kind => {}, compare => {}, where_absent => {})").format(
                self.key, case.expects, case.kind, [c.name for c in case.compare], case.where_absent or None))
        assert code is None, code
        before = self.contents()
        self.reckon()
        self.check_audit()
        if self.torn:
            for dry_run in ("true", "false"):
                code, _ = self.raised(f"SELECT reconcile.repair('i', dry_run => {dry_run})")
                assert code == "21000", f"an invariant that contradicts itself ends with {code}"
            return "torn"
        assert self.repair(dry_run=True) == (self.planned, self.dry, self.planned - self.dry, 0), "dry run"
        assert self.contents() == before, "the dry run wrote"
        run = self.repair_somehow()
        assert self.contents() == self.after, "the rows after the repair"
        again = self.repair(dry_run=False)
        assert again[1] == 0, "the second run changes rows"
        assert self.contents() == self.after, "the second run writes"
        if self.changed:
            self.undo(run, before)
        return case.kind

    def undo(self, run, before):
        code, report = self.raised("SELECT removed + restored, kept_changed, kept_referenced"
                                   f" FROM reconcile.undo({run}, dry_run => false)")
        if code == "RC004" and self.case.kind == "fill" and not self.primary_key and self.twins():
            return          # without a primary key a row that the run left alone may look like one that it filled
        assert (code, report) == (None, [(self.changed, 0, 0)]), "undo"
        assert self.contents() == before, "undo brings back what was there"

    def twins(self):
        """Whether two rows have one key, of which the repair may have seen one only."""
        return max(Counter(row.key for row, _, _ in self.rows()).values()) > 1

    def check_audit(self):
        for setting in self.lot_of_plans.choice(PLANS):
            self.sql(f"SET LOCAL {setting}")
        (counts,) = self.sql("SELECT expected, present, missing, differing, duplicated FROM reconcile.audit('i')")
        present_differs = self.counts
        if self.counts[4] and self.case.kind == "insert" and self.case.compare:
            counts, present_differs = counts[:3] + counts[4:], counts[:3] + self.counts[4:]    # of copies, any one is compared
        assert counts == present_differs, "audit"
        kinds = dict(self.sql("SELECT kind, count(*) FROM reconcile.findings('i') GROUP BY kind"))
        assert kinds.get("missing", 0) == self.counts[2] and kinds.get("duplicate", 0) == self.counts[4], "findings"

    def repair(self, dry_run, plan="NULL"):
        name = "'i'" if plan == "NULL" else "NULL"
        (numbers,) = self.sql("SELECT planned, changed, already_present, failed FROM"
                              f" reconcile.repair({name}, dry_run => {dry_run}, plan => {plan})")
        return numbers

    def repair_somehow(self):
        """Repairs at once, by a plan, or in batches; returns the run."""
        way = self.lot.choice(["once", "rows", "plan", "batches"])
        planned = self.planned
        if way == "once":
            numbers = self.repair(dry_run=False)
        elif way == "rows":
            (numbers,) = self.sql("SELECT planned, changed, already_present, failed FROM"
                                  " reconcile.repair('i', dry_run => false, record => 'rows')")
        elif way == "plan":
            ((plan,),) = self.sql("SELECT reconcile.plan('i')")
            numbers = self.repair(dry_run=False, plan=plan)
            ((planned,),) = self.sql("SELECT count(*) FROM reconcile.plan_rows(%s)", plan)
        else:
            ((run,),) = self.sql("SELECT reconcile.begin_batches('i')")
            while self.sql("SELECT reconcile.run_batch(%s, 'i', 2)", run)[0][0]:
                pass
            numbers = self.sql("SELECT planned, changed, already_present, failed FROM reconcile.runs WHERE run_id = %s", run)[0]
            planned = numbers[0]
        assert numbers[:2] == (planned, self.changed), f"repair, {way}: {numbers}"
        assert sum(numbers[1:]) == planned, f"the numbers do not add up: {numbers}"
        # A refused row that the query yields twice is tried once or twice.
        assert self.failed <= numbers[3] <= self.failing, f"failed, {way}: {numbers}"
        return self.sql("SELECT max(run_id) FROM reconcile.runs")[0][0]


@pytest.fixture(scope="module")
def connection():
    name = "reconcile_property"
    with psycopg.connect(dbname="postgres", autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {name}")
        with psycopg.connect(dbname=name, autocommit=True) as made:
            made.execute("SET client_min_messages = warning; CREATE EXTENSION pg_reconcile; SET synchronous_commit = off")
            yield made
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_random_invariants_do_what_was_reckoned(connection):
    seen, failures = Counter(), []
    for number in range(FIRST, FIRST + ROUNDS):
        lot = random.Random(f"{SEED}/{number}")
        case = None
        connection.execute("BEGIN")
        try:
            round_ = Round(connection, lot, random.Random(f"plan {SEED}/{number}"))
            case = round_.case
            seen[round_.run()] += 1
        except (AssertionError, psycopg.Error) as error:
            failures.append(f"SEED={SEED} FIRST={number} ROUNDS=1: {error}\n{case}")
            if len(failures) == 10:
                break
        finally:
            connection.execute("ROLLBACK")
    print(dict(seen))
    assert not failures, "\n\n".join(failures)
    if ROUNDS >= 100:       # what is drawn must be worth drawing
        assert seen["insert"] > ROUNDS / 4 and seen["fill"] > ROUNDS / 8 and seen["torn"] > ROUNDS / 100, seen
