/*-------------------------------------------------------------------------
 *
 * target.cpp
 *	  What the engine must know about the table that an invariant fills.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/target.hpp"

#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/table.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"
}

namespace reconcile::invariant {

namespace {

constexpr const char *kRelation =
	"SELECT c.relkind::pg_catalog.text,"
	" c.relpersistence OPERATOR(pg_catalog.=) 't',"
	" c.relnamespace OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace,"
	" EXISTS (SELECT FROM pg_catalog.pg_am m WHERE m.oid OPERATOR(pg_catalog.=) c.relam"
	"  AND m.amname OPERATOR(pg_catalog.=) 'heap'),"
	" EXISTS (SELECT FROM pg_catalog.pg_foreign_table t"
	"  JOIN pg_catalog.pg_foreign_server s ON s.oid OPERATOR(pg_catalog.=) t.ftserver"
	"  JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid OPERATOR(pg_catalog.=) s.srvfdw"
	"  WHERE t.ftrelid OPERATOR(pg_catalog.=) c.oid"
	"   AND w.fdwname OPERATOR(pg_catalog.=) 'reconcile_mongo')"
	" FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) $1";

constexpr const char *kColumns =
	"SELECT a.attnum::pg_catalog.int8, a.attname::pg_catalog.text, a.attisdropped, a.atttypid,"
	" a.atttypmod::pg_catalog.int8, a.attnotnull, a.attgenerated::pg_catalog.text,"
	" a.attidentity::pg_catalog.text,"
	" CASE WHEN a.attgenerated OPERATOR(pg_catalog.=) ''"
	"  THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,"
	" (SELECT pg_catalog.format('%I.%I', n.nspname, c.collname) FROM pg_catalog.pg_collation c"
	"  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.collnamespace"
	"  WHERE c.oid OPERATOR(pg_catalog.=) a.attcollation),"
	" (a.attnotnull OR t.typnotnull) AND NOT a.attisdropped AND NOT a.atthasdef"
	"  AND t.typdefault IS NULL AND a.attidentity OPERATOR(pg_catalog.=) ''"
	" FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d"
	"  ON d.adrelid OPERATOR(pg_catalog.=) a.attrelid AND d.adnum OPERATOR(pg_catalog.=) a.attnum"
	" LEFT JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid"
	" WHERE a.attrelid OPERATOR(pg_catalog.=) $1 AND a.attnum OPERATOR(pg_catalog.>) 0"
	" ORDER BY a.attnum";

/* column_of reads one row of kColumns. */
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
	column.base = column.dropped ? InvalidOid : pg::call([&] {
		return getBaseTypeAndTypmod(column.type, &column.base_typmod);
	});
	return column;
}

/* Usable for ON CONFLICT: unique, valid, checked at once, plain columns. */
constexpr const char *kArbiter =
	"SELECT i.indexrelid::pg_catalog.regclass::pg_catalog.text,"
	" pg_catalog.pg_get_expr(i.indpred, i.indrelid), i.indnullsnotdistinct"
	" FROM pg_catalog.pg_index i WHERE i.indrelid OPERATOR(pg_catalog.=) $1"
	" AND i.indisunique AND i.indisvalid AND i.indisready AND i.indimmediate AND i.indexprs IS NULL"
	" AND (SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY a.attname::pg_catalog.text)"
	"  FROM pg_catalog.generate_series(0, i.indnkeyatts OPERATOR(pg_catalog.-) 1) AS position"
	"  JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid"
	"   AND a.attnum OPERATOR(pg_catalog.=) i.indkey[position]) OPERATOR(pg_catalog.=)"
	" (SELECT pg_catalog.array_agg(k ORDER BY k) FROM pg_catalog.unnest($2) AS k)"
	" ORDER BY i.indpred IS NOT NULL, i.indexrelid LIMIT 1";

} // namespace

Target::Target(Oid table) : oid_(table), name_(pg::qualified_name(table))
{
	pg::Spi spi;
	spi.run(kRelation, SPI_OK_SELECT, pg::Args().add(OIDOID, ObjectIdGetDatum(table)));
	kind_ = spi.required_text(0, 1)[0];
	temporary_ = spi.truth(0, 2);
	system_ = spi.truth(0, 3);
	keeps_xmin_ = kind_ == 'p' || (kind_ == 'r' && spi.truth(0, 4));
	observed_ = spi.truth(0, 5);

	uint64 rows = spi.run(kColumns, SPI_OK_SELECT, pg::Args().add(OIDOID, ObjectIdGetDatum(table)));
	for (uint64 row = 0; row < rows; row++)
		columns_.push_back(column_of(spi, row));
}

const Column *Target::column(const std::string &name) const
{
	for (const Column &column : columns_)
		if (!column.dropped && column.name == name)
			return &column;
	return nullptr;
}

std::vector<std::string> Target::column_names() const
{
	std::vector<std::string> names;
	for (const Column &column : columns_)
		if (!column.dropped)
			names.push_back(column.name);
	return names;
}

std::optional<Arbiter> Target::arbiter(const std::vector<std::string> &key) const
{
	pg::Spi spi;
	uint64 rows = spi.run(kArbiter, SPI_OK_SELECT,
						  pg::Args().add(OIDOID, ObjectIdGetDatum(oid_)).add(key));
	if (rows == 0)
		return std::nullopt;
	return Arbiter{spi.required_text(0, 1), spi.text(0, 2), spi.truth(0, 3)};
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
				 name_ + " is not a table, a partitioned table or a foreign table");
}

Oid equality_operator(Oid type)
{
	return pg::call([&] { return lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr; });
}

} // namespace reconcile::invariant
