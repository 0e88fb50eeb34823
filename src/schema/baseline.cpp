/*-------------------------------------------------------------------------
 *
 * baseline.cpp
 *	  Recording a schema: from this database, or from a document.
 *
 * The tables of baselines are the extension owner's.  Rows of seed tables are
 * read as the caller, who must be able to see all of them, and handed over.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/identity.hpp"
#include "pg/nearest.hpp"
#include "pg/result_set.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "utils/array.h"
}

#include <algorithm>

namespace reconcile::schema {

namespace {

/* SeedTable is a table whose rows belong to a baseline. */
struct SeedTable {
	Oid relation;
	std::vector<std::string> key, ignore;
	std::string mode;
};

/* first_column runs a query and returns its first column. */
std::vector<std::string> first_column(const char *sql, pg::Args args = {})
{
	pg::PinnedPath path;
	pg::Spi spi;
	uint64 const rows = spi.run(sql, SPI_OK_SELECT, std::move(args));
	std::vector<std::string> values;
	for (uint64 row = 0; row < rows; row++)
		values.push_back(spi.required_text(row, 1));
	return values;
}

bool contains(const std::vector<std::string> &list, const std::string &value)
{
	return std::find(list.begin(), list.end(), value) != list.end();
}

/* require_known fails for a name that is not among those there are. */
void require_known(int sqlstate, const std::string &what, const std::vector<std::string> &given,
				   const std::vector<std::string> &known)
{
	for (const std::string &name : given)
		if (!contains(known, name))
			pg::fail(sqlstate, what + " \"" + name + "\" does not exist", {},
					 pg::did_you_mean(name, known));
}

/* require_schemas fails for a schema that is not there, and for none: a
 * baseline of nothing would find every database to be right. */
void require_schemas(const std::vector<std::string> &schemas)
{
	if (schemas.empty())
		pg::fail(ERRCODE_INVALID_PARAMETER_VALUE,
				 "argument \"schemas\" must name at least one schema", {},
				 "NULL means all schemas.");
	require_known(ERRCODE_INVALID_SCHEMA_NAME, "schema", schemas,
				  first_column("SELECT schema FROM reconcile.schema_scope ORDER BY schema"));
}

void require_baseline(const std::string &name)
{
	require_known(ERRCODE_UNDEFINED_OBJECT, "baseline", {name},
				  first_column("SELECT name FROM reconcile.baselines ORDER BY name"));
}

/* What a baseline says becomes statements of whoever has the schema fixed, so
 * it is changed only by roles that may act as the one that recorded it. */
[[noreturn]] void refuse(const std::string &name)
{
	pg::fail(ERRCODE_INSUFFICIENT_PRIVILEGE, "permission denied for baseline \"" + name + "\"",
			 "It was recorded by a role that the caller may not act as.",
			 "View reconcile.baselines tells by whom.  Use another name.");
}

/* lock_baseline locks a baseline that the caller is about to change. */
void lock_baseline(const std::string &name, const std::string &caller)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	if (spi.run("SELECT FROM reconcile.baseline b WHERE b.name = $1"
				" AND reconcile.may_change_baseline($2, b.captured_by) FOR UPDATE",
				SPI_OK_SELECT, pg::Args().add(name).add(caller)) == 0)
		refuse(name);
}

/* begin_baseline makes or replaces a baseline, which then has no objects.
 * Its row is locked, so that of two at a time one waits. */
void begin_baseline(pg::Spi &spi, const std::string &name, const char *values, pg::Args args)
{
	if (spi.run(std::string("INSERT INTO reconcile.baseline AS b"
							" (name, captured_by, format, server, schemas, mode) SELECT $1, $2, ") +
					values +
					" ON CONFLICT (name) DO UPDATE SET format = EXCLUDED.format,"
					" server = EXCLUDED.server, schemas = EXCLUDED.schemas, mode = EXCLUDED.mode,"
					" captured_by = EXCLUDED.captured_by, captured_at = now()"
					" WHERE reconcile.may_change_baseline($2, b.captured_by)",
				SPI_OK_INSERT, std::move(args)) == 0)
		refuse(name);
	for (const char *table : {"baseline_object", "baseline_seed_table"})
		spi.run(std::string("DELETE FROM reconcile.") + table + " WHERE baseline = $1",
				SPI_OK_DELETE, pg::Args().add(name));
}

void add_schemas(pg::Args &args, const std::optional<std::vector<std::string>> &schemas)
{
	if (schemas)
		args.add(*schemas);
	else
		args.add_null(TEXTARRAYOID);
}

/* migrations_in reads what migration tools wrote down, as the caller. */
std::optional<Datum> migrations_in(const std::optional<std::vector<std::string>> &schemas)
{
	pg::PinnedPath path;
	pg::Spi spi;
	pg::Args args;
	add_schemas(args, schemas);
	spi.run("SELECT jsonb_agg(m) FROM reconcile.migration_history($1) AS m", SPI_OK_SELECT, args);
	return spi.kept(0, 1);
}

/* columns_of returns the columns that a row of a table has. */
std::vector<std::string> columns_of(Oid relation)
{
	return first_column("SELECT attname::text FROM pg_attribute"
						" WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
						pg::Args().add(OIDOID, ObjectIdGetDatum(relation)));
}

std::vector<std::string> primary_key_of(Oid relation)
{
	return first_column(
		"SELECT a.attname::text FROM pg_index i"
		" CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY AS k(attnum, n)"
		" JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
		" WHERE i.indrelid = $1 AND i.indisprimary AND k.n <= i.indnkeyatts ORDER BY k.n",
		pg::Args().add(OIDOID, ObjectIdGetDatum(relation)));
}

void check_seed_table(const SeedTable &seed)
{
	std::string const table = pg::qualified_name(seed.relation);
	if (seed.key.empty())
		pg::fail(ERRCODE_INVALID_PARAMETER_VALUE, "seed table " + table + " needs a key", {},
				 "Name the columns by which its rows are found with reconcile.baseline_seed().");
	std::vector<std::string> const columns = columns_of(seed.relation);
	std::string const what = "column of table " + table;
	require_known(ERRCODE_UNDEFINED_COLUMN, what, seed.key, columns);
	require_known(ERRCODE_UNDEFINED_COLUMN, what, seed.ignore, columns);
	for (const std::string &column : seed.key)
		if (contains(seed.ignore, column))
			pg::fail(ERRCODE_INVALID_PARAMETER_VALUE,
					 "column \"" + column + "\" is in both arguments \"key\" and \"ignore\"");
}

/* SeedText makes values print alike wherever they are recorded or compared. */
struct SeedText : pg::Settings {
	SeedText()
		: Settings({{"search_path", "pg_catalog, pg_temp"},
					{"row_security", "off"},
					{"TimeZone", "UTC"},
					{"DateStyle", "ISO"},
					{"IntervalStyle", "postgres"},
					{"extra_float_digits", "3"},
					{"bytea_output", "hex"}})
	{
	}
};

/* rows_of reads all rows of a table as the caller. */
std::optional<Datum> rows_of(const SeedTable &seed)
{
	SeedText text;
	pg::Spi spi;
	spi.run("SELECT jsonb_agg(to_jsonb(t) - $1) FROM " + pg::qualified_name(seed.relation) +
				" AS t",
			SPI_OK_SELECT, pg::Args().add(seed.ignore));
	return spi.kept(0, 1);
}

/* check_key_is_unique fails where two recorded rows would be one. */
void check_key_is_unique(pg::Spi &spi, const SeedTable &seed, Datum rows)
{
	uint64 const found =
		spi.run("SELECT reconcile.seed_key(r, $2)::text FROM jsonb_array_elements($1) AS r"
				" GROUP BY reconcile.seed_key(r, $2) HAVING count(*) > 1 LIMIT 1",
				SPI_OK_SELECT, pg::Args().add(JSONBOID, rows).add(seed.key));
	if (found > 0)
		pg::fail(ERRCODE_UNIQUE_VIOLATION,
				 "key (" + pg::joined(seed.key, ", ") + ") of seed table " +
					 pg::qualified_name(seed.relation) + " is not unique",
				 "Key " + spi.required_text(0, 1) + " occurs more than once.",
				 "Choose another key, or remove the duplicates.");
}

void record_seed(const std::string &baseline, const SeedTable &seed)
{
	check_seed_table(seed);
	std::optional<Datum> const rows = rows_of(seed);
	std::string const table = pg::qualified_name(seed.relation);
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.run("DELETE FROM reconcile.baseline_seed_table WHERE baseline = $1 AND seed_table = $2",
			SPI_OK_DELETE, pg::Args().add(baseline).add(table));
	spi.run("INSERT INTO reconcile.baseline_seed_table (baseline, seed_table, key, ignore, mode)"
			" VALUES ($1, $2, $3, $4, $5)",
			SPI_OK_INSERT,
			pg::Args().add(baseline).add(table).add(seed.key).add(seed.ignore).add(seed.mode));
	if (!rows)
		return;
	check_key_is_unique(spi, seed, *rows);
	spi.run("INSERT INTO reconcile.baseline_seed_row (baseline, seed_table, key_md5, row)"
			" SELECT $1, $2, md5(reconcile.seed_key(r, $3)::text), r"
			" FROM jsonb_array_elements($4) AS r",
			SPI_OK_INSERT, pg::Args().add(baseline).add(table).add(seed.key).add(JSONBOID, *rows));
}

std::vector<Oid> relations_of(Datum array)
{
	ArrayType *list = pg::call([&] { return DatumGetArrayTypeP(array); });
	std::vector<Oid> relations;
	Datum *elements;
	bool *nulls;
	int count;
	pg::call([&] {
		deconstruct_array(list, REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT, &elements, &nulls,
						  &count);
	});
	for (int n = 0; n < count; n++)
		if (!nulls[n])
			relations.push_back(DatumGetObjectId(elements[n]));
	return relations;
}

/* check_document fails at the first thing in it that no baseline has. */
void check_document(Datum document)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	if (spi.run("SELECT path, problem FROM reconcile.baseline_problems($1) LIMIT 1", SPI_OK_SELECT,
				pg::Args().add(JSONBOID, document)) == 0)
		return;
	pg::fail(
		ERRCODE_INVALID_PARAMETER_VALUE, "invalid baseline document: " + spi.required_text(0, 2),
		"At " + spi.required_text(0, 1) + ".", "Import what reconcile.export_baseline() returned.");
}

} // namespace

RECONCILE_FUNCTION(reconcile_capture_baseline)
{
	pg::Arguments arguments(fcinfo);
	std::string const name = arguments.text(0, "name");
	std::optional<std::vector<std::string>> schemas;
	if (!arguments.null(1)) {
		schemas = arguments.texts(1, "schemas");
		require_schemas(*schemas);
	}
	std::vector<Oid> const seeds = relations_of(arguments.datum_of(2, "seed_tables"));
	std::string const caller = pg::role_name(GetUserId());
	std::optional<Datum> const migrations = migrations_in(schemas);
	{
		pg::AsExtensionOwner owner;
		pg::Spi spi;
		pg::Args args = pg::Args().add(name).add(caller);
		add_schemas(args, schemas);
		begin_baseline(spi, name,
					   "1, current_setting('server_version_num')::integer / 10000, $3, 'exactly'",
					   args);
		pg::Args which = pg::Args().add(name);
		add_schemas(which, schemas);
		spi.run("SELECT reconcile.record_objects($1, $2)", SPI_OK_SELECT, which);
		if (migrations)
			spi.run("INSERT INTO reconcile.baseline_object"
					" (baseline, category, object, attributes, requires)"
					" SELECT $1, 'migration', m ->> 'object',"
					" jsonb_strip_nulls(m -> 'attributes'), '{}'"
					" FROM jsonb_array_elements($2) AS m",
					SPI_OK_INSERT, pg::Args().add(name).add(JSONBOID, *migrations));
	}
	for (Oid relation : seeds)
		record_seed(name, {relation, primary_key_of(relation), {}, "at least"});
	PG_RETURN_VOID();
}

RECONCILE_FUNCTION(reconcile_baseline_seed)
{
	pg::Arguments arguments(fcinfo);
	std::string const name = arguments.text(0, "name");
	require_baseline(name);
	lock_baseline(name, pg::role_name(GetUserId()));
	record_seed(name, {arguments.oid(1, "seed_table"), arguments.texts(2, "key"),
					   arguments.texts(3, "ignore"),
					   arguments.one_of(4, "mode", {"at least", "exactly"})});
	PG_RETURN_VOID();
}

RECONCILE_FUNCTION(reconcile_import_baseline)
{
	pg::Arguments arguments(fcinfo);
	Datum const document = arguments.datum_of(0, "document");
	std::string const name = arguments.text(1, "name");
	check_document(document);

	std::string const caller = pg::role_name(GetUserId());
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	begin_baseline(spi, name,
				   "(d.b -> 'format')::integer, (d.b -> 'server')::integer,"
				   " CASE WHEN jsonb_typeof(d.b -> 'schemas') = 'array'"
				   " THEN ARRAY(SELECT jsonb_array_elements_text(d.b -> 'schemas')) END,"
				   " coalesce(d.b ->> 'mode', 'exactly')"
				   " FROM (SELECT $3 -> 'baseline') AS d(b)",
				   pg::Args().add(name).add(caller).add(JSONBOID, document));
	pg::Args const both = pg::Args().add(name).add(JSONBOID, document);
	spi.run("INSERT INTO reconcile.baseline_object"
			" (baseline, category, object, parent, attributes, requires)"
			" SELECT $1, c.key, o.key, o.value ->> 'parent', o.value - '{parent,requires}'::text[],"
			" ARRAY(SELECT jsonb_array_elements_text(o.value -> 'requires'))"
			" FROM jsonb_each($2 -> 'objects') AS c, jsonb_each(c.value) AS o",
			SPI_OK_INSERT, both);
	spi.run("INSERT INTO reconcile.baseline_seed_table (baseline, seed_table, key, ignore, mode)"
			" SELECT $1, s.key, ARRAY(SELECT jsonb_array_elements_text(s.value -> 'key')),"
			" ARRAY(SELECT jsonb_array_elements_text(s.value -> 'ignore')), s.value ->> 'mode'"
			" FROM jsonb_each($2 -> 'seeds') AS s",
			SPI_OK_INSERT, both);
	spi.run("INSERT INTO reconcile.baseline_seed_row (baseline, seed_table, key_md5, row)"
			" SELECT $1, t.seed_table, md5(reconcile.seed_key(r, t.key)::text), r"
			" FROM reconcile.baseline_seed_table t,"
			" jsonb_array_elements($2 -> 'seeds' -> t.seed_table -> 'rows') AS r"
			" WHERE t.baseline = $1",
			SPI_OK_INSERT, both);
	PG_RETURN_VOID();
}

RECONCILE_FUNCTION(reconcile_drop_baseline)
{
	pg::Arguments arguments(fcinfo);
	std::string const name = arguments.text(0, "name");
	require_baseline(name);
	lock_baseline(name, pg::role_name(GetUserId()));
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.run("DELETE FROM reconcile.baseline WHERE name = $1", SPI_OK_DELETE, pg::Args().add(name));
	PG_RETURN_VOID();
}

} // namespace reconcile::schema
