"""UPDATE and DELETE of foreign tables: which documents change, what is counted, and what is refused."""
import datetime
import threading

import bson
import psycopg
import pymongo
import pytest

from test_fdw import HOSTS, collection, database, fails, insert, pg, proxy, server, table  # noqa: F401 (fixtures)

COLUMNS = "_id text, k text, n int, city text OPTIONS (path 'address.city'), tags jsonb"


@pytest.fixture
def people(pg, collection):
    """Documents a, b, c with n = 1, 2, 3 and a field that no column shows."""
    collection.insert_many({"_id": k, "k": k, "n": n, "address": {"city": "Ulm", "zip": 1}, "more": [1, {"x": 2}]}
                           for n, k in enumerate("abc", 1))
    return table(pg, server(pg, HOSTS), collection, columns=COLUMNS, key="k")


def documents(collection):
    return {d["k"]: d for d in collection.find()}


def test_update_writes_only_what_set_names(pg, collection, people):
    before = documents(collection)
    assert pg.execute(f"UPDATE {people} SET n = n + 10 WHERE k <> 'b'").rowcount == 2
    before["a"]["n"], before["c"]["n"] = 11, 13
    assert documents(collection) == before


def test_null_removes_the_field(pg, collection, people):
    assert pg.execute(f"UPDATE {people} SET n = NULL, city = NULL WHERE k = 'a'").rowcount == 1
    assert documents(collection)["a"] == {"_id": "a", "k": "a", "address": {"zip": 1}, "more": [1, {"x": 2}]}


def test_a_nested_field_is_made_with_what_leads_to_it(pg, collection, people):
    collection.update_one({"_id": "a"}, {"$unset": {"address": ""}})
    assert pg.execute(f"UPDATE {people} SET city = 'Bonn' WHERE k IN ('a', 'b')").rowcount == 2
    assert [documents(collection)[k]["address"] for k in "ab"] == [{"city": "Bonn"}, {"city": "Bonn", "zip": 1}]


def test_delete_removes_what_matches(pg, collection, people):
    assert pg.execute(f"DELETE FROM {people} WHERE n >= 2").rowcount == 2
    assert list(documents(collection)) == ["a"]
    assert pg.execute(f"DELETE FROM {people} WHERE n >= 2").rowcount == 0
    assert pg.execute(f"DELETE FROM {people} t WHERE to_jsonb(t) ->> 'k' = 'a'").rowcount == 1
    assert collection.count_documents({}) == 0


def test_joins_with_tables(pg, collection, people):
    pg.execute("CREATE TEMP TABLE wanted (k text, n int); INSERT INTO wanted VALUES ('a', 100), ('c', 300), ('z', 1)")
    assert pg.execute(f"UPDATE {people} p SET n = w.n FROM wanted w WHERE w.k = p.k").rowcount == 2
    assert {k: d["n"] for k, d in documents(collection).items()} == {"a": 100, "b": 2, "c": 300}
    assert pg.execute(f"DELETE FROM {people} p USING wanted w WHERE w.k = p.k AND w.n = p.n").rowcount == 2
    assert list(documents(collection)) == ["b"]


@pytest.mark.parametrize("statement, rows", [
    ("UPDATE {} SET n = -n WHERE k = 'a' RETURNING k, n, city", [("a", -1, "Ulm")]),
    ("UPDATE {} SET k = 'd' WHERE n = 3 RETURNING *", [("c", "d", 3, "Ulm", None)]),
    ("DELETE FROM {} WHERE n < 3 RETURNING k, n", [("a", 1), ("b", 2)]),
    ("DELETE FROM {} WHERE n = 3 RETURNING *", [("c", "c", 3, "Ulm", None)]),
    ("DELETE FROM {0} t WHERE n = 3 RETURNING t, tableoid = '{0}'::regclass", [("(c,c,3,Ulm,)", True)]),
    ("WITH gone AS (DELETE FROM {} WHERE n = 1 RETURNING k) SELECT k FROM gone", [("a",)]),
])
def test_returning(pg, people, statement, rows):
    assert sorted(pg.execute(statement.format(people)).fetchall()) == rows


def test_a_statement_within_a_statement_is_finished(pg, collection, people):
    assert pg.execute(f"WITH u AS (UPDATE {people} SET n = 7) SELECT 1").fetchall() == [(1,)]
    assert {d["n"] for d in collection.find()} == {7}


def test_what_no_row_of_is_left_is_not_counted(pg, collection, people):
    """Between reading and writing, a trigger of PostgreSQL lets another client remove and change documents."""
    pg.execute(f"CREATE FUNCTION f_{people}() RETURNS trigger LANGUAGE plpgsql AS "
               "$$ BEGIN PERFORM pg_advisory_lock(4711); RETURN NEW; END $$")
    pg.execute(f"CREATE TRIGGER t BEFORE UPDATE ON {people} FOR EACH ROW EXECUTE FUNCTION f_{people}()")
    with psycopg.connect(dbname=pg.info.dbname, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(4711)")
        counted = []
        thread = threading.Thread(target=lambda: counted.append(pg.execute(f"UPDATE {people} SET n = n + 10").rowcount))
        thread.start()
        while not other.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchall():
            pass
        collection.delete_one({"_id": "a"})
        collection.update_one({"_id": "b"}, {"$set": {"n": 50}})
        collection.update_one({"_id": "c"}, {"$set": {"more": "of no concern"}})
        other.execute("SELECT pg_advisory_unlock_all()")
        thread.join()
        assert counted == [1]
        assert {k: d["n"] for k, d in documents(collection).items()} == {"b": 50, "c": 13}
        assert documents(collection)["c"]["more"] == "of no concern"


def test_what_is_set_from_itself_is_not_lost(pg, collection, people):
    """Documents, arrays and long texts, too: what another client wrote in the meantime stays."""
    collection.update_many({}, {"$set": {"list": [1, 2], "long": "x" * 5000, "more": {"a": 1, "b": [{}]}}})
    name = table(pg, server(pg, HOSTS), collection, key="k",
                 columns="k text, list int[], long text, more jsonb, doc jsonb OPTIONS (path ''), n int")
    pg.execute(f"CREATE FUNCTION f_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock(4711); RETURN NEW; END $$")
    pg.execute(f"CREATE TRIGGER t BEFORE UPDATE ON {name} FOR EACH ROW EXECUTE FUNCTION f_{name}()")
    theirs = {"list": [1, 2, 3], "long": "x" * 5000 + "!", "more": {"a": 1, "b": [{}], "c": 1}}
    cases = {"list = list || 9": "list", "long = long || '?'": "long", "more = more || '{\"z\": 1}'": "more",
             "doc = doc || '{\"z\": 1}'": "n", "doc = doc - 'list'": "more"}
    for assignment, field in cases.items():
        before = collection.find_one({"_id": "a"})
        with psycopg.connect(dbname=pg.info.dbname, autocommit=True) as other:
            other.execute("SELECT pg_advisory_lock(4711)")
            counted = []
            thread = threading.Thread(target=lambda: counted.append(pg.execute(f"UPDATE {name} SET {assignment} WHERE k < 'c'").rowcount))
            thread.start()
            while thread.is_alive() and not other.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchall():
                pass
            collection.update_one({"_id": "a"}, {"$set": {field: theirs.get(field, 99)}})
            other.execute("SELECT pg_advisory_unlock_all()")
            thread.join()
            pg.execute("SELECT pg_advisory_unlock_all()")
        assert counted == [1], assignment  # "b" alone
        assert collection.find_one({"_id": "a"}) == {**before, field: theirs.get(field, 99)}, assignment
        collection.update_one({"_id": "a"}, {"$set": {field: before[field]}})


def test_what_is_set_without_looking_is_written(pg, collection, people):
    """Whoever sets a document regardless of what it was asks for no comparison, and nothing large is sent for it."""
    name = table(pg, server(pg, HOSTS), collection, columns="k text, doc jsonb OPTIONS (path '')", key="k")
    assert pg.execute(f"""UPDATE {name} SET doc = '{{"k": "a", "new": true}}' WHERE k = 'a'""").rowcount == 1
    assert collection.find_one({"_id": "a"}) == {"_id": "a", "k": "a", "new": True}


def test_documents_with_the_same_key_are_told_apart(pg, collection, people):
    collection.insert_many([{"_id": i, "k": "same", "n": i} for i in range(5)])
    name = table(pg, server(pg, HOSTS), collection, columns="k text, n int", key="k")
    assert pg.execute(f"UPDATE {name} SET n = 100 + n WHERE k = 'same' AND n IN (1, 3)").rowcount == 2
    assert sorted(d["n"] for d in collection.find({"k": "same"})) == [0, 2, 4, 101, 103]
    assert pg.execute(f"DELETE FROM {name} WHERE n = 4").rowcount == 1
    assert sorted(d["n"] for d in collection.find({"k": "same"})) == [0, 2, 101, 103]


def test_the_key_itself_may_change(pg, collection, people):
    assert pg.execute(f"UPDATE {people} SET k = upper(k)").rowcount == 3
    assert sorted(documents(collection)) == ["A", "B", "C"]


KEYS = {"string": "x", "int": 5, "long": bson.Int64(2**53 + 1), "double": 0.1, "decimal": bson.Decimal128("1.10"),
        "NaN": float("nan"), "objectId": bson.ObjectId(), "date": datetime.datetime(2026, 1, 31), "bool": True,
        "binary": bson.Binary(b"ab", 128), "uuid": bson.Binary(bytes(range(16)), 4), "document": {"a": 1, "b": {"c": None}},
        "array": [1, "x", None], "regex": bson.Regex("^a", "i"), "timestamp": bson.Timestamp(1, 2), "null": None,
        "minKey": bson.MinKey(), "empty": "", "text of 5000 bytes": "y" * 5000}


@pytest.mark.parametrize("value", KEYS.items(), ids=lambda case: case[0])
def test_documents_are_found_by_keys_of_every_type(pg, collection, value):
    name = table(pg, server(pg, HOSTS), collection, columns="k jsonb, n int", key="k")
    collection.insert_many([{"_id": 1, "k": value[1], "n": 1}, {"_id": 2, "k": "other", "n": 2}])
    assert pg.execute(f"UPDATE {name} SET n = 7 WHERE n = 1").rowcount == 1
    assert [d["n"] for d in collection.find({}, sort=[("_id", 1)])] == [7, 2]
    assert pg.execute(f"DELETE FROM {name} WHERE n = 7").rowcount == 1
    assert collection.count_documents({}) == 1


@pytest.mark.parametrize("id", [1, bson.ObjectId(), "a\u20acb", {"a": 1, "b": 2}, datetime.datetime(2026, 1, 1), 0.5, bson.Binary(b"x")],
                         ids=lambda id: type(id).__name__)
def test_documents_are_found_by_ids_of_every_type(pg, collection, id):
    name = table(pg, server(pg, HOSTS), collection, columns="k text, n int", key="k")
    collection.insert_many([{"_id": id, "k": "x", "n": 1}, {"_id": 99, "k": "x", "n": 2}])
    assert pg.execute(f"UPDATE {name} SET n = 7 WHERE n = 1").rowcount == 1
    assert sorted(d["n"] for d in collection.find()) == [2, 7]


@pytest.mark.parametrize("columns, statement, sqlstate, said", [
    (COLUMNS, "UPDATE {} SET _id = 'x'", "0A000", 'column "_id" cannot be updated'),
    ("k text, first text OPTIONS (path 'tags.0')", "UPDATE {} SET first = 'x'", "0A000", "names one element of an array"),
    ("k text, a jsonb, b int OPTIONS (path 'a.b')", "UPDATE {} SET a = '{{}}', b = 1", "42701", 'field "a" is given twice'),
    ("k text, a int OPTIONS (path 'x'), b int OPTIONS (path 'x')", "UPDATE {} SET a = 1, b = 1", "42701", "given twice"),
    ("k text, d jsonb OPTIONS (path '')", "UPDATE {} SET d = NULL", "23502", "whole document"),
    ("k text, d jsonb OPTIONS (path '')", "UPDATE {} SET d = '5'", "22018", "must hold a JSON object"),
    ("k text, d jsonb OPTIONS (path '')", "UPDATE {} SET d = '{{\"_id\": \"z\"}}'", "22023", "_id"),
    ("k text, n numeric OPTIONS (bson_type 'int')", "UPDATE {} SET n = 1.5", "22003", '"n"'),
    (COLUMNS, "UPDATE {} t SET tags = to_jsonb(t)", "0A000", "as a whole row"),
    ("k text", "DELETE FROM {} WHERE ctid = '(0,1)'", "0A000", "system columns"),
    ("k text, n int OPTIONS (path 'k.n')", "UPDATE {} SET n = 1 WHERE k = 'a'", "22023", '{ "_id" : "a"'),
])
def test_what_cannot_be_changed_is_refused(pg, collection, people, columns, statement, sqlstate, said):
    before = documents(collection)
    name = table(pg, server(pg, HOSTS), collection, columns=columns, key="k")
    fails(pg, statement.format(name), sqlstate, said)
    assert documents(collection) == before


@pytest.mark.parametrize("statement", ["UPDATE {} SET n = 1", "DELETE FROM {}"])
def test_the_key_option_is_needed(pg, collection, statement):
    name = table(pg, server(pg, HOSTS), collection)
    fails(pg, statement.format(name), "HV00J", 'option "key"', "ADD key")
    fails(pg, "EXPLAIN " + statement.format(name), "HV00J")


@pytest.mark.parametrize("statement", ["UPDATE {} SET n = 1", "DELETE FROM {}", "INSERT INTO {} (k) VALUES ('z')"])
def test_updatable_false_refuses_all(pg, collection, people, statement):
    pg.execute(f"ALTER FOREIGN TABLE {people} OPTIONS (ADD updatable 'false')")
    fails(pg, statement.format(people), "55000")
    assert sorted(documents(collection)) == ["a", "b", "c"]
    assert pg.execute("SELECT pg_relation_is_updatable(%s::regclass, false)", [people]).fetchone() == (0,)


def test_a_table_says_what_may_be_written(pg, people):
    assert pg.execute("SELECT pg_relation_is_updatable(%s::regclass, false)", [people]).fetchone() == (28,)


def test_one_refused_document_leaves_the_others(pg, collection, people):
    collection.create_index("n", unique=True)
    collection.insert_one({"_id": "d", "k": "d", "n": 12})
    fails(pg, f"UPDATE {people} SET n = n + 10 WHERE n < 10", "23505", '"_id" : "b"', "2 documents updated and 1 refused",
          "a rollback does not undo what is updated")
    assert {k: d["n"] for k, d in documents(collection).items()} == {"a": 11, "b": 2, "c": 13, "d": 12}


def test_whole_documents_are_replaced(pg, collection, people):
    name = table(pg, server(pg, HOSTS), collection, columns="k text, doc jsonb OPTIONS (path '')", key="k")
    assert pg.execute(f"""UPDATE {name} SET doc = doc - 'more' || '{{"new": {{"$numberDecimal": "1.5"}}}}' WHERE k = 'a'""").rowcount == 1
    assert documents(collection)["a"] == {"_id": "a", "k": "a", "n": 1, "address": {"city": "Ulm", "zip": 1},
                                          "new": bson.Decimal128("1.5")}
    assert pg.execute(f"""UPDATE {name} SET doc = '{{"k": "b"}}' WHERE k = 'b'""").rowcount == 1
    assert documents(collection)["b"] == {"_id": "b", "k": "b"}


def test_triggers_see_the_row_and_may_change_it(pg, collection, people):
    pg.execute(f"CREATE TABLE log_{people} (what text, old_n int, new_n int, city text)")
    pg.execute(f"CREATE FUNCTION f_{people}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
               f"IF TG_WHEN = 'BEFORE' THEN NEW.city := 'Kiel'; RETURN NEW; END IF; "
               f"INSERT INTO log_{people} VALUES (TG_OP, OLD.n, CASE WHEN TG_OP = 'UPDATE' THEN NEW.n END, OLD.city); "
               f"RETURN NULL; END $$")
    pg.execute(f"CREATE TRIGGER b BEFORE UPDATE ON {people} FOR EACH ROW EXECUTE FUNCTION f_{people}()")
    pg.execute(f"CREATE TRIGGER a AFTER UPDATE OR DELETE ON {people} FOR EACH ROW EXECUTE FUNCTION f_{people}()")
    assert pg.execute(f"UPDATE {people} SET n = 20 WHERE k = 'b'").rowcount == 1
    assert pg.execute(f"DELETE FROM {people} WHERE k = 'a'").rowcount == 1
    assert pg.execute(f"SELECT * FROM log_{people} ORDER BY what").fetchall() == [("DELETE", 1, None, "Ulm"), ("UPDATE", 2, 20, "Ulm")]
    changed = documents(collection)["b"]
    assert (changed["n"], changed["address"]) == (20, {"city": "Kiel", "zip": 1})


def test_statement_triggers_fire_after_the_last_command(pg, collection, people):
    pg.execute(f"CREATE TABLE log_{people} (n bigint)")
    pg.execute(f"CREATE FUNCTION f_{people}() RETURNS trigger LANGUAGE plpgsql AS "
               f"$$ BEGIN INSERT INTO log_{people} SELECT count(*) FROM {people}; RETURN NULL; END $$")
    pg.execute(f"CREATE TRIGGER a AFTER DELETE ON {people} FOR EACH STATEMENT EXECUTE FUNCTION f_{people}()")
    pg.execute(f"DELETE FROM {people} WHERE n < 3")
    assert pg.execute(f"SELECT n FROM log_{people}").fetchall() == [(1,)]


def test_a_view_with_check_option(pg, collection, people):
    pg.execute(f"CREATE VIEW v_{people} AS SELECT k, n FROM {people} WHERE n < 10 WITH CHECK OPTION")
    assert pg.execute(f"UPDATE v_{people} SET n = 9 WHERE k = 'a'").rowcount == 1
    fails(pg, f"UPDATE v_{people} SET n = 11 WHERE k = 'b'", "44000")


def test_partitions(pg, collection, people):
    pg.execute(f"CREATE TABLE w_{people} (k text, n int) PARTITION BY LIST (k)")
    parts = [table(pg, server(pg, HOSTS), collection, columns="k text, n int", key="k", filter=f'{{"k": "{k}"}}') for k in "abc"]
    for k, part in zip("abc", parts):
        pg.execute(f"ALTER TABLE w_{people} ATTACH PARTITION {part} FOR VALUES IN ('{k}')")
    pg.execute(f"CREATE TABLE w_{people}_d PARTITION OF w_{people} FOR VALUES IN ('d')")
    pg.execute(f"INSERT INTO w_{people} VALUES ('d', 4)")
    assert pg.execute(f"UPDATE w_{people} SET n = n * 10 WHERE n > 1").rowcount == 3
    assert {k: d["n"] for k, d in documents(collection).items()} == {"a": 1, "b": 20, "c": 30}
    assert pg.execute(f"DELETE FROM w_{people} WHERE n > 20 RETURNING k, n").fetchall() == [("c", 30), ("d", 40)]


def test_columns_that_were_dropped_leave_the_others_in_place(pg, collection, people):
    pg.execute(f"ALTER FOREIGN TABLE {people} DROP COLUMN n, ADD COLUMN n bigint")
    assert pg.execute(f"UPDATE {people} SET n = n + 5, city = 'Bonn' WHERE k = 'a' RETURNING n, city").fetchall() == [(6, "Bonn")]
    assert pg.execute(f"DELETE FROM {people} WHERE n = 2 RETURNING k, city, n").fetchall() == [("b", "Ulm", 2)]


def test_many_rows_are_few_commands(pg, proxy, collection):
    name = table(pg, server(pg, proxy.host), collection, key="k")
    pg.execute(insert(name, 25000))
    assert pg.execute(f"UPDATE {name} SET n = -n").rowcount == 25000
    assert pg.execute(f"DELETE FROM {name} WHERE n > -25000").rowcount == 24999
    assert (proxy.seen.count("update"), proxy.seen.count("delete")) == (3, 3)
    assert [d["n"] for d in collection.find()] == [-25000]


def test_batch_size_bounds_commands(pg, proxy, collection):
    name = table(pg, server(pg, proxy.host), collection, key="k", batch_size="10")
    pg.execute(insert(name, 25))
    pg.execute(f"UPDATE {name} SET n = 0")
    assert proxy.seen.count("update") == 3


def test_memory_does_not_grow_with_what_is_written(pg, collection):
    """What the driver takes is malloc's, which only the system sees: at most 32 MB over the beginning."""
    name = table(pg, server(pg, HOSTS), collection, key="_id", columns="_id int, k text, n int")

    def peak():
        with open(f"/proc/{pg.info.backend_pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    rows = f"INSERT INTO {name} SELECT g, repeat('x', 300), g FROM generate_series({{}}, {{}}) AS g {{}}"
    pg.execute(rows.format(1, 1000, ""))
    before = peak()
    assert pg.execute(rows.format(1001, 100000, "")).rowcount == 99000
    assert pg.execute(rows.format(95001, 105000, "ON CONFLICT DO NOTHING")).rowcount == 5000
    assert pg.execute(f"UPDATE {name} SET n = -n WHERE n > 90000").rowcount == 15000
    assert pg.execute(f"DELETE FROM {name} WHERE n < 0").rowcount == 15000
    assert peak() - before < 32 * 1024


@pytest.mark.parametrize("command, statement", [("update", "UPDATE {} SET n = 7"), ("delete", "DELETE FROM {}")])
def test_an_unknown_outcome_is_healed_by_the_next_run(pg, proxy, collection, command, statement):
    name = table(pg, server(pg, proxy.host), collection, key="k")
    pg.execute(insert(name, 100))
    proxy.trouble(command, "lose")
    fails(pg, statement.format(name), "08007", "any of them may have been written")
    proxy.peace()
    pg.execute(statement.format(name))
    assert {d["n"] for d in collection.find()} == ({7} if command == "update" else set())


def test_prepared_statements_run_again(pg, collection, people):
    pg.execute(f"PREPARE change(text, int) AS UPDATE {people} SET n = $2 WHERE k = $1")
    for n in range(8):
        assert pg.execute("EXECUTE change('a', %s)" % n).rowcount == 1
    pg.execute("DEALLOCATE change")
    assert documents(collection)["a"]["n"] == 7


def test_functions_count_rows(pg, collection, people):
    assert pg.execute(f"CREATE FUNCTION f_{people}() RETURNS bigint LANGUAGE plpgsql AS $$ DECLARE c bigint; "
                      f"BEGIN UPDATE {people} SET n = n + 1; GET DIAGNOSTICS c = ROW_COUNT; RETURN c; END $$")
    assert pg.execute(f"SELECT f_{people}(), f_{people}()").fetchone() == (3, 3)
    assert documents(collection)["a"]["n"] == 3


def test_explain_shows_where(pg, people):
    plan = pg.execute(f"EXPLAIN (VERBOSE, COSTS OFF) UPDATE {people} SET n = 1 WHERE k = 'a'").fetchall()
    assert any("MongoDB Key: k" in line for line, in plan)
    plan = pg.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) DELETE FROM {people}").fetchall()
    assert any("rows=3" in line for line, in plan)


# What was written stays, and subtransactions say so.

@pytest.mark.parametrize("statement, warned", [
    ("INSERT INTO {} (k) VALUES ('x'), ('y')", "2 documents written to MongoDB are not rolled back"),
    ("UPDATE {} SET n = 0 WHERE k = 'a'", "1 document written to MongoDB is not rolled back"),
    ("DELETE FROM {} WHERE k = 'nobody'", None),
    ("SELECT count(*) FROM {}", None)])
def test_a_subtransaction_that_aborts_warns(pg, people, statement, warned):
    notices = []
    pg.add_notice_handler(lambda d: notices.append((d.sqlstate, d.message_primary)))
    with pg.transaction():
        pg.execute("SAVEPOINT a; SAVEPOINT b")
        pg.execute(statement.format(people))
        pg.execute("RELEASE SAVEPOINT b")
        assert notices == []
        pg.execute("ROLLBACK TO SAVEPOINT a")
        assert notices == ([("01000", warned)] if warned else [])
        pg.execute("ROLLBACK TO SAVEPOINT a")
    assert len(notices) == bool(warned)


def test_an_error_that_is_caught_warns(pg, people):
    notices = []
    pg.add_notice_handler(lambda d: notices.append(d.message_primary))
    pg.execute(f"DO $$ BEGIN INSERT INTO {people} (k) VALUES ('x'); PERFORM 1/0; EXCEPTION WHEN OTHERS THEN NULL; END $$")
    assert notices == ["1 document written to MongoDB is not rolled back"]


def test_a_transaction_that_commits_does_not_warn(pg, people):
    notices = []
    pg.add_notice_handler(lambda d: notices.append(d.message_primary))
    for _ in range(2):
        with pg.transaction():
            pg.execute("SAVEPOINT a")
            pg.execute(f"UPDATE {people} SET n = 1")
            pg.execute("RELEASE SAVEPOINT a")
    assert notices == []


def test_privileges_are_those_of_postgresql(pg, collection, people):
    pg.execute("CREATE ROLE reconcile_reader")
    try:
        pg.execute(f"GRANT SELECT, UPDATE (n) ON {people} TO reconcile_reader")
        for statement in (f"UPDATE {people} SET k = 'x'", f"DELETE FROM {people}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), pg.transaction():
                pg.execute("SET LOCAL ROLE reconcile_reader")
                pg.execute(statement)
    finally:
        pg.execute("DROP OWNED BY reconcile_reader")
        pg.execute("DROP ROLE reconcile_reader")
    assert sorted(documents(collection)) == ["a", "b", "c"]


def test_a_transaction_that_is_read_only_writes_nothing(pg, proxy, collection):
    name = table(pg, server(pg, proxy.host), collection, key="k")
    for statement in (f"UPDATE {name} SET n = 1", f"DELETE FROM {name}"):
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), pg.transaction():
            pg.execute("SET TRANSACTION READ ONLY")
            pg.execute(statement)
    assert proxy.connections == 0
