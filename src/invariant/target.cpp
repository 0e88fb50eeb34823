/*-------------------------------------------------------------------------
 *
 * target.cpp
 *	  What the engine must know about the table that an invariant fills.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/target.hpp"

#include "pg/identity.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/table.h"
#include "catalog/pg_class_d.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"
}

namespace reconcile::invariant {

namespace {

pg::Constant relation_facts(
	"SELECT c.relkind::text,"
	" c.relpersistence = 't',"
	" EXISTS (SELECT FROM pg_namespace n"
	"  WHERE n.oid = c.relnamespace AND n.nspname ="
	"   ANY (ARRAY['pg_catalog', 'information_schema', 'pg_toast'])),"
	" c.relkind = 'p' OR EXISTS (SELECT FROM pg_am m WHERE m.oid = c.relam AND m.amname = 'heap'),"
	" c.relhasrules OR EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = ANY (family.tables)"
	"   AND NOT g.tgisinternal AND g.tgenabled <> 'D'),"
	" c.relhasrules OR EXISTS (SELECT FROM pg_trigger g" /* 7: BEFORE INSERT FOR EACH ROW */
	"  WHERE g.tgrelid = ANY (family.tables)"
	"   AND NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgtype::integer & 7 = 7),"
	" EXISTS (SELECT FROM pg_foreign_table t"
	"  JOIN pg_foreign_server s ON s.oid = t.ftserver"
	"  JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw"
	"  WHERE t.ftrelid = c.oid"
	"   AND w.fdwname = 'reconcile_mongo'),"
	" c.relkind = 'r' AND c.relhassubclass,"
	" pg_relation_is_updatable(c.oid, false)::int8,"
	" c.relrowsecurity OR c.relispartition OR c.relkind = 'p'"
	" FROM pg_class c CROSS JOIN LATERAL (SELECT CASE WHEN c.relkind = 'p'"
	"   THEN ARRAY(SELECT relid::oid FROM pg_partition_tree(c.oid))"
	"   ELSE ARRAY[c.oid] END OFFSET 0) AS family(tables)"
	" WHERE c.oid = $1",
	pg::Planned::once);

pg::Constant column_facts(
	"SELECT a.attnum::int8, a.attname::text, a.attisdropped, a.atttypid,"
	" a.atttypmod::int8, a.attnotnull, a.attgenerated::text,"
	" a.attidentity::text,"
	" pg_get_expr(d.adbin, d.adrelid),"
	" (SELECT format('%I.%I', n.nspname, c.collname) FROM pg_collation c"
	"  JOIN pg_namespace n ON n.oid = c.collnamespace"
	"  WHERE c.oid = a.attcollation),"
	" (a.attnotnull OR t.typnotnull) AND NOT a.attisdropped AND NOT a.atthasdef"
	"  AND t.typdefault IS NULL AND a.attidentity = '', a.attnotnull OR t.typnotnull,"
	" a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE '%nextval(%' OR EXISTS"
	"  (SELECT FROM pg_depend p WHERE p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid"
	"   AND (p.refclassid = 'pg_proc'::regclass AND"
	"         (SELECT f.provolatile = 'v' FROM pg_proc f WHERE f.oid = p.refobjid)"
	"        OR p.refclassid = 'pg_class'::regclass AND"
	"         (SELECT s.relkind = 'S' FROM pg_class s WHERE s.oid = p.refobjid))),"
	" 'path=' = ANY (a.attfdwoptions)"
	" FROM pg_attribute a LEFT JOIN pg_attrdef d"
	"  ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
	" LEFT JOIN LATERAL (SELECT t.typnotnull, t.typdefault FROM pg_type t"
	"  WHERE t.oid = a.atttypid OFFSET 0) t ON true" /* few columns, maybe many types */
	" WHERE a.attrelid = $1 AND a.attnum > 0"
	" ORDER BY a.attnum",
	pg::Planned::once);

pg::Constant primary_key_facts("SELECT a.attname::text, a.atttypid, a.atttypmod::int8"
							   " FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
							   "  AND a.attnum = ANY (i.indkey)"
							   " WHERE i.indrelid = $1 AND i.indisprimary ORDER BY a.attnum",
							   pg::Planned::once);

/* column_of reads one row of column_facts. */
Column column_of(const pg::Spi &spi, uint64 row)
{
	Column column;
	column.number = static_cast<int16>(spi.number(row, 1));
	column.name = spi.required_text(row, 2);
	column.dropped = spi.truth(row, 3);
	column.type = spi.oid(row, 4);
	column.typmod = column.base_typmod = static_cast<int32>(spi.number(row, 5));
	column.not_null = spi.truth(row, 6);
	column.generated = spi.required_text(row, 7);
	column.identity = spi.required_text(row, 8);
	column.default_expression = spi.text(row, 9);
	column.collation = spi.required_text(row, 10);
	column.required = spi.truth(row, 11);
	column.refuses_null = spi.truth(row, 12);
	column.counted = spi.truth(row, 13);
	column.whole_document = spi.truth(row, 14);
	column.milliseconds = false;
	column.base = column.dropped ? InvalidOid : pg::call([&] {
		return getBaseTypeAndTypmod(column.type, &column.base_typmod);
	});
	return column;
}

} // namespace

Oid locked(Oid table)
{
	return pg::call([&] {
		LockRelationOid(table, AccessShareLock);
		return get_rel_name(table) != nullptr ? table : InvalidOid;
	});
}

Target::Target(Oid table) : oid_(locked(table)), name_(pg::qualified_name(table))
{
	pg::PinnedPath path;
	pg::Spi spi;
	spi.run(relation_facts, SPI_OK_SELECT, pg::Args().add(OIDOID, ObjectIdGetDatum(table)));
	kind_ = spi.required_text(0, 1)[0];
	temporary_ = spi.truth(0, 2);
	system_ = spi.truth(0, 3);
	keeps_xmin_ = spi.truth(0, 4);
	writes_more_ = spi.truth(0, 5);
	sees_attempts_ = spi.truth(0, 6);
	observed_ = spi.truth(0, 7);
	has_children_ = spi.truth(0, 8);
	commands_ = spi.number(0, 9);
	checks_rows_ = spi.truth(0, 10);

	uint64 rows =
		spi.run(column_facts, SPI_OK_SELECT, pg::Args().add(OIDOID, ObjectIdGetDatum(table)));
	for (uint64 row = 0; row < rows; row++) {
		columns_.push_back(column_of(spi, row));
		Oid const base = columns_.back().base;
		columns_.back().milliseconds =
			observed_ && (base == TIMESTAMPOID || base == TIMESTAMPTZOID);
	}
}

const Column *Target::column(const std::string &name) const
{
	for (const Column &column : columns_)
		if (!column.dropped && column.name == name)
			return &column;
	return nullptr;
}

const Column &Target::column(AttrNumber number) const
{
	return columns_[static_cast<size_t>(number) - 1]; /* dropped ones included */
}

std::vector<std::string> Target::column_names() const
{
	std::vector<std::string> names;
	for (const Column &column : columns_)
		if (!column.dropped)
			names.push_back(column.name);
	return names;
}

std::vector<JsonColumn> Target::json_columns() const
{
	return json_columns(column_names());
}

std::vector<JsonColumn> Target::json_columns(const std::vector<std::string> &names) const
{
	std::vector<JsonColumn> columns;
	for (const std::string &name : names)
		if (const Column *known = column(name))
			columns.push_back({name, known->type, known->typmod});
	return columns;
}

std::vector<std::string> Target::primary_key() const
{
	std::vector<std::string> names;
	for (const JsonColumn &column : primary_key_of(oid_))
		names.push_back(column.name);
	return names;
}

TupleDesc Target::row_type() const
{
	return pg::call([&] {
		Relation relation = table_open(oid_, AccessShareLock);
		TupleDesc row_type = CreateTupleDescCopy(RelationGetDescr(relation));
		table_close(relation, NoLock);
		return row_type;
	});
}

void Target::check_kind() const
{
	if (system_)
		pg::fail(ERRCODE_WRONG_OBJECT_TYPE, name_ + " is a system catalog", {},
				 "The target of an invariant is a table of yours.");
	if (temporary_)
		pg::fail(ERRCODE_WRONG_OBJECT_TYPE, name_ + " is a temporary table", {},
				 "The target of an invariant must outlive the session.");
	if (kind_ != 'r' && kind_ != 'p' && kind_ != RELKIND_FOREIGN)
		pg::fail(ERRCODE_WRONG_OBJECT_TYPE,
				 name_ + " is not a table, a partitioned table or a foreign table", {},
				 "Name the table that holds the rows.");
}

std::vector<JsonColumn> primary_key_of(Oid table)
{
	pg::PinnedPath path;
	pg::Spi spi;
	uint64 const rows = spi.run(primary_key_facts, SPI_OK_SELECT,
								pg::Args().add(OIDOID, ObjectIdGetDatum(locked(table))));
	std::vector<JsonColumn> columns;
	for (uint64 row = 0; row < rows; row++)
		columns.push_back(
			{spi.required_text(row, 1), spi.oid(row, 2), static_cast<int32>(spi.number(row, 3))});
	return columns;
}

bool is_foreign(Oid table)
{
	return pg::call([&] { return get_rel_relkind(table); }) == RELKIND_FOREIGN_TABLE;
}

Oid equality_operator(Oid type)
{
	return pg::call([&] { return lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr; });
}

} // namespace reconcile::invariant
