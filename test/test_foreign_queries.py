"""Random queries of random collections give the same with MongoDB's help and without.

OFFSET 0 keeps conditions, LIMIT and count(*) away from the scan, so a query is compared with itself around such a subquery.
RECONCILE_RANDOM_QUERIES says how many, RECONCILE_RANDOM_SEED where to begin; a failure shows the seed of its collection."""
import os
import random
import uuid
from datetime import datetime, timedelta, timezone

import bson
import psycopg
import pymongo
import pytest
from bson import Decimal128, Int64, ObjectId

QUERIES = int(os.environ.get("RECONCILE_RANDOM_QUERIES", "1500"))
SEED = int(os.environ.get("RECONCILE_RANDOM_SEED", "1"))
PER_COLLECTION = 50
DATABASE = "reconcile_foreign_queries"

HEX = "0123456789abcdef01234567"
TEXTS = ["", "a", "A", "ab", "abc", "a%b", "a_b", "a.c", "a\nb", "\\", "\\a", "é", "É", "€uro", "日本", "10", "2", "$x", "^a", HEX,
         "ABCDEF6789ABCDEF01234567", "x" * 300, "true", "null", "1e400"]
WHOLE = [0, 1, 2, 3, 7, -6, 10, 32767, 2147483647, -2147483648]
LARGE = [2**31, 2**53 + 1, 2**63 - 1, -2**63]
FRACTIONS = [0.0, -0.0, 0.1, 0.25, 1.5, -3.75, 1e22, 1e300, 16777216.0, 16777217.0, float("inf"), float("-inf"), float("nan")]
DECIMALS = ["0.1", "0.10", "1.10", "1E+3", "NaN", "Infinity", "-Infinity", "1E+400", "2", "9007199254740993", "0.1000000000000000055511151231257827"]
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
TIMES = [EPOCH, EPOCH - timedelta(milliseconds=1), datetime(2026, 1, 1, tzinfo=timezone.utc),
         datetime(2026, 1, 1, 0, 0, 0, 1000, tzinfo=timezone.utc), datetime(2026, 1, 1, 23, 59, 59, 999000, tzinfo=timezone.utc),
         datetime(2026, 1, 2, tzinfo=timezone.utc), datetime(1, 1, 1, tzinfo=timezone.utc), datetime(9999, 12, 31, tzinfo=timezone.utc)]
UUIDS = [uuid.UUID(int=n) for n in (0, 1, 2**127, 2**128 - 1)]


def as_uuid(value):
    return bson.Binary.from_uuid(value)


# What the fields of a clean document hold, and what a column that reads them is compared with.
FIELDS = {
    "t": lambda c: c.choice([c.choice(TEXTS), c.choice(TEXTS), ObjectId(HEX)]),
    "s": lambda c: c.choice(TEXTS),
    "o": lambda c: ObjectId(c.choice([HEX, "f" * 24, "0" * 24])),
    "i": lambda c: c.choice([c.choice(WHOLE), Int64(c.choice(WHOLE)), float(c.choice(WHOLE)), Decimal128(str(c.choice(WHOLE)))]),
    "n": lambda c: c.choice([c.choice(WHOLE), Int64(c.choice(LARGE)), c.choice(FRACTIONS), Decimal128(c.choice(DECIMALS))]),
    "f": lambda c: c.choice([c.choice(FRACTIONS), c.choice(WHOLE)]),
    "r": lambda c: c.choice([0.1, 0.25, -3.5, 1e30, float("nan"), float("inf"), 16777216.0, 3]),
    "at": lambda c: c.choice(TIMES),
    "ok": lambda c: c.random() < 0.5,
    "u": lambda c: as_uuid(c.choice(UUIDS)),
}
DIRTY = ["2", 2, Int64(2), 2.0, 2.5, float("nan"), Decimal128("2"), Decimal128("2.5"), True, "true", HEX, ObjectId(HEX), [], [2], [None], ["a", 2],
         [[2]], [{"x": 6}, {"x": None}], {}, {"x": 2}, {"0": 2}, {"x": {"y": 1}}, EPOCH, bson.Regex("^a"), bson.Timestamp(1, 2),
         bson.MinKey(), bson.MaxKey(), bson.Code("x"), as_uuid(UUIDS[1]), bson.Binary(b"abc"), Int64(2**53 + 1), "x" * 300, "a\0b", b"abc", 1e300]
COLUMNS = """
    id integer OPTIONS (path '_id') NOT NULL, t text, tc text OPTIONS (path 't') COLLATE "C", v varchar(3) OPTIONS (path 's'),
    s text OPTIONS (bson_type 'string') COLLATE "C", o text OPTIONS (bson_type 'objectId') COLLATE "C", i integer, w smallint OPTIONS (path 'i'),
    b bigint OPTIONS (path 'i'), n numeric, f double precision, r real, at timestamptz, z timestamp OPTIONS (path 'at'),
    d date OPTIONS (path 'at'), ok boolean, u uuid, j jsonb OPTIONS (path 'x'), x integer OPTIONS (path 'x.y'), a integer OPTIONS (path 'l.0'),
    g integer[] OPTIONS (path 'l')"""
KINDS = {"id": "integer", "t": "text", "tc": "text", "v": "varchar", "s": "text", "o": "text", "i": "integer", "w": "smallint", "b": "bigint",
         "n": "numeric", "f": "double precision", "r": "real", "at": "timestamptz", "z": "timestamp", "d": "date", "ok": "boolean", "u": "uuid",
         "j": "jsonb", "x": "integer", "a": "integer", "g": "integer[]"}
WIDER = {"i": "bigint", "w": "integer", "b": "integer", "r": "double precision", "f": "real", "v": "text", "t": "varchar"}
SORTABLE = [c for c in KINDS if c != "j"]
PLAIN = ["id", "t", "s", "o", "i", "b", "at", "z", "ok", "u", "x"]  # of which MongoDB may also count and sort


def document(chance, number, dirty):
    fields = {"_id": number}
    for name, make in FIELDS.items():
        choice = chance.random()
        if choice < 0.1:
            fields[name] = None
        elif choice > 0.2:
            fields[name] = chance.choice(DIRTY) if chance.random() < dirty else make(chance)
    if chance.random() < 0.8:
        fields["x"] = chance.choice([{"y": chance.choice(WHOLE)}, {"y": None}, {}, None] + (DIRTY if dirty else []))
    if chance.random() < 0.8:
        fields["l"] = chance.choice([[chance.choice(WHOLE), 5], [None, 2], [], None] + (DIRTY if dirty else []))
    return fields


def constant(chance, kind):
    """A value as SQL text of its own, to be cast."""
    if chance.random() < 0.05:
        return None
    return {
        "text": lambda: chance.choice(TEXTS), "varchar": lambda: chance.choice(TEXTS),
        "integer": lambda: str(chance.choice(WHOLE)), "smallint": lambda: str(chance.choice(WHOLE[:8])),
        "bigint": lambda: str(chance.choice(WHOLE + LARGE)), "numeric": lambda: str(chance.choice(DECIMALS + WHOLE + [0.25, 1e22])),
        "double precision": lambda: str(chance.choice(FRACTIONS + WHOLE)), "real": lambda: chance.choice(["0.1", "0.25", "NaN", "Infinity", "3"]),
        "timestamptz": lambda: chance.choice([t.isoformat() for t in TIMES] + ["2026-01-01 00:00:00.0005Z", "infinity", "-infinity"]),
        "timestamp": lambda: chance.choice(["2026-01-01", "2026-01-01 00:00:00.001", "2026-01-01 00:00:00.0015", "infinity", "1970-01-01"]),
        "date": lambda: chance.choice(["2026-01-01", "1970-01-01", "1969-12-31", "-infinity", "infinity", "0001-01-01"]),
        "boolean": lambda: chance.choice(["true", "false"]), "uuid": lambda: str(chance.choice(UUIDS)),
        "integer[]": lambda: chance.choice(["{}", "{2}", "{NULL,2}", "{1,5}"]), "jsonb": lambda: chance.choice(["{}", '{"y": 2}', "null", "[]"]),
    }[kind]()


class Query:
    """A condition and its parameters, made of the grammar below."""

    def __init__(self, chance):
        self.chance, self.parameters = chance, []
        self.plain = chance.random() < 0.4
        self.text = "true" if chance.random() < 0.05 else self.condition(chance.choice((0, 0, 0) if self.plain else (0, 0, 1, 1, 2, 3)))

    def value(self, kind, value):
        self.parameters.append(value)
        return f"%s::{kind}"

    def condition(self, depth):
        c = self.chance
        if depth == 0:
            return self.atom()
        word = c.choice((" AND ", " AND ", " OR "))
        text = "(" + word.join(self.condition(depth - 1) for _ in range(c.choice((2, 2, 3)))) + ")"
        return "NOT " + text if c.random() < 0.2 else text

    def atom(self):
        c = self.chance
        column = c.choice(PLAIN if self.plain else list(KINDS))
        kind = WIDER.get(column, KINDS[column]) if c.random() < 0.2 else KINDS[column]
        choice = c.random()
        if choice < 0.12:
            return f"{column} IS {c.choice(('', 'NOT '))}NULL"
        if column == "ok" and choice < 0.7:
            return c.choice(("ok", "NOT ok", "ok IS TRUE", "ok IS NOT TRUE", "ok IS FALSE", "ok IS NOT FALSE", "ok IS UNKNOWN", "ok IS NOT UNKNOWN"))
        if choice < 0.3 and column != "g":
            values = "{" + ",".join('"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"' if v is not None else "NULL" for v in
                                    (constant(c, kind) for _ in range(c.choice((0, 1, 2, 5))))) + "}"
            return f"{column} {c.choice(('= ANY', '<> ALL'))} ({self.value(kind + '[]', values)})"
        if KINDS[column] in ("text", "varchar") and choice < 0.5:
            pattern = c.choice(("", "a", "a\\%", "\\_", "é", "€", HEX[:5], "\\\\", "$", "^", "A", "a.")) + c.choice(("%", "_", "", "%c", "_%"))
            return f"{column} {c.choice(('', '', 'NOT '))}LIKE {self.value('text', pattern)}"
        operator = c.choice(("=", "=", "=", "=", "=", ">") if self.plain else ("=", "=", "=", "<>", "<", "<=", ">", ">="))
        value = self.value(kind, constant(c, kind))
        return f"{value} {operator} {column}" if c.random() < 0.1 else f"{column} {operator} {value}"

    def statements(self, table):
        """The statement that may be sent, and the one that may not."""
        c, where = self.chance, self.text
        source, fenced = table, f"(SELECT * FROM {table} OFFSET 0)"
        shape = c.random()
        if shape < 0.25:
            made = f"SELECT count(*) FROM {{}} q WHERE {where}"
        elif shape < 0.5:
            columns = c.sample(PLAIN if self.plain else SORTABLE, c.choice((0, 1, 1, 2)))
            keys = ", ".join(k + c.choice((" NULLS FIRST", " DESC NULLS LAST", " DESC", "")) for k in columns)
            more = c.choice((f"{columns[0]} IS NOT NULL AND ", "")) if columns else ""
            made = f"SELECT id FROM {{}} q WHERE {more}{where} ORDER BY {keys + ', ' if keys else ''}id LIMIT {c.choice((1, 3, 10))} OFFSET {c.choice((0, 0, 2))}"
        elif shape < 0.55:
            columns = c.sample(SORTABLE, c.choice((1, 1, 2)))
            keys = ", ".join(k + c.choice((" NULLS FIRST", " DESC NULLS LAST", " DESC", "")) for k in columns)
            made = f"SELECT id FROM {{}} q WHERE {c.choice((columns[0] + ' IS NOT NULL AND ', ''))}{where} ORDER BY {keys}, id"
        elif shape < 0.6:
            made = f"SELECT count(*) FROM (SELECT id FROM {{}} q WHERE {where} LIMIT {c.choice((1, 3, 10))}) l"
        elif shape < 0.65:
            made = f"SELECT id FROM {{}} q WHERE {where} AND EXISTS (SELECT 1 FROM {{}} p WHERE p.i = q.b AND p.id <> q.id) ORDER BY id"
        elif shape < 0.7:
            made = f"SELECT q.id, l.same FROM {{}} q, LATERAL (SELECT count(*) AS same FROM {{}} p WHERE p.i = q.i) l WHERE {where} ORDER BY 1"
        else:
            made = f"SELECT id FROM {{}} q WHERE {where} ORDER BY id"
        return made.replace("{}", source), made.replace("{}", fenced)


@pytest.fixture(scope="module")
def pg():
    with psycopg.connect(dbname="postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {DATABASE}")
    with psycopg.connect(dbname=DATABASE, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error; SET timezone = 'UTC'; CREATE EXTENSION pg_reconcile")
        connection.execute(f"CREATE SERVER random FOREIGN DATA WRAPPER reconcile_mongo OPTIONS (hosts '{os.environ['MONGO_HOSTS']}', database '{DATABASE}')")
        yield connection
    with psycopg.connect(dbname="postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
    pymongo.MongoClient(os.environ["MONGO_URI"]).drop_database(DATABASE)


def run(pg, statement, parameters, prepared):
    """The rows, or the SQLSTATE of what is said instead."""
    try:
        return pg.execute(statement, parameters, prepare=prepared).fetchall()
    except psycopg.Error as error:
        assert error.sqlstate and error.sqlstate[:2] == "22", error
        return error.sqlstate


def test_random_queries_give_the_same_with_and_without_help(pg):
    database = pymongo.MongoClient(os.environ["MONGO_URI"])[DATABASE]
    sent = {"Filter": 0, "Aggregate": 0, "Sort": 0, "Limit": 0}
    for turn in range(-(-QUERIES // PER_COLLECTION)):
        chance = random.Random(SEED * 1_000_000 + turn)
        mode = chance.choice(("error", "error", "null", "skip"))
        dirty = chance.choice((0.02, 0.3)) if mode != "error" or chance.random() < 0.3 else 0
        documents = [document(chance, n, dirty) for n in range(chance.choice((0, 1, 10, 40, 40)))]
        database.drop_collection("random")
        database.create_collection("random")
        if documents:
            database.random.insert_many(documents)
        pg.execute(f"DROP FOREIGN TABLE IF EXISTS random; CREATE FOREIGN TABLE random ({COLUMNS}) SERVER random OPTIONS (on_mismatch '{mode}', batch_size '{chance.choice((3, 1000))}')")
        prepared = chance.random() < 0.5
        pg.execute(f"SET plan_cache_mode = force_{'generic' if prepared else 'custom'}_plan")
        for _ in range(min(PER_COLLECTION, QUERIES)):
            query = Query(chance)
            helped, alone = query.statements("random")
            expected = run(pg, alone, query.parameters, prepared)
            got = run(pg, helped, query.parameters, prepared)
            # Where the one meets a value that does not fit, the other need not have looked at it.
            if not (mode == "error" and isinstance(expected, str)):
                assert got == expected, f"seed {SEED}, turn {turn}, {mode}: {helped} with {query.parameters}"
            if not prepared:
                plan = str(pg.execute("EXPLAIN " + helped, query.parameters).fetchall())
                for part in sent:
                    sent[part] += f"MongoDB {part}" in plan
    if QUERIES >= 1000:
        assert all(sent.values()), sent
