/*-------------------------------------------------------------------------
 *
 * guard_queue.cpp
 *	  What a guard could not write, kept for the next repair.
 *
 * The queue is only appended to: two writers that fail on one key must not wait
 * for each other.  What users declared is evaluated as the owner, and only what
 * came of it is stored as the owner of the extension.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/guard_queue.hpp"

#include "invariant/constraints.hpp"
#include "invariant/ledger.hpp"
#include "invariant/statements.hpp"
#include "invariant/work_list.hpp"
#include "invariant/writer.hpp"
#include "pg/identity.hpp"
#include "pg/text.hpp"

extern "C" {
#include "catalog/pg_type_d.h"
}

namespace reconcile::invariant {

namespace {

constexpr const char *kWaiting = "pg_reconcile waiting rows";

TupleDesc waiting_row_type()
{
	return pg::call([] {
		TupleDesc row_type = CreateTemplateTupleDesc(2);
		TupleDescInitEntry(row_type, 1, "key", JSONBOID, -1, 0);
		TupleDescInitEntry(row_type, 2, "source", JSONBOID, -1, 0);
		return row_type;
	});
}

void enter(const std::string &invariant, pg::WorkList &waiting, const Reason &reason)
{
	std::string const role = pg::role_name(GetUserId());
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.expose(kWaiting, waiting);
	spi.run("INSERT INTO reconcile.guard_failure (invariant, key, source, sqlstate, message, role)"
			" SELECT $1, w.key, w.source, $2, $3, $4 FROM " +
				pg::quoted(kWaiting) + " w",
			SPI_OK_INSERT,
			pg::Args().add(invariant).add(reason.sqlstate).add(reason.message).add(role));
}

} // namespace

void enqueue_refused(const Definition &definition, const Scope &scope, const Rows &rows)
{
	pg::WorkList refused(refusal_row_type());
	Constraints const constraints(definition.target);
	constraints.check_at_once();
	{
		AsDeclared const declared(definition);
		auto const statements = statements_of(definition);
		confine(*statements, scope);
		auto list = std::make_unique<pg::WorkList>(statements->work_list_row_type());
		{
			pg::Spi spi;
			rows.expose(spi);
			spi.collect(with_rows(scope) + due_in(*statements, scope), SPI_OK_SELECT, *list,
						rows.args());
		}
		if (statements->needs_distinct())
			drop_surplus(definition, *statements, list);
		RunRecord run; /* not entered: what a guard writes is the writer's doing */
		run.planned = list->size();
		Writer(definition, *statements, false, run, refused).write(*list);
	}
	constraints.wait_again();
	if (refused.size() == 0)
		return;
	std::string const role = pg::role_name(GetUserId());
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.expose(kWaiting, refused);
	spi.run("INSERT INTO reconcile.guard_failure (invariant, key, source, sqlstate, message, role)"
			" SELECT $1, w.key::jsonb, w.row::jsonb, w.sqlstate, w.message, $2 FROM " +
				pg::quoted(kWaiting) + " w",
			SPI_OK_INSERT, pg::Args().add(definition.name).add(role));
}

void enqueue_expected(const Definition &definition, const Scope &scope, const Rows &rows,
					  const Reason &reason)
{
	pg::WorkList waiting(waiting_row_type());
	{
		AsDeclared const declared(definition);
		pg::ReadOnly read_only;
		pg::PortableText portable;
		pg::Spi spi;
		rows.expose(spi);
		spi.collect(expected_in(definition, scope), SPI_OK_SELECT, waiting, rows.args());
	}
	enter(definition.name, waiting, reason);
}

void enqueue_written(const std::string &invariant, Oid owner, const Rows &rows,
					 const Reason &reason)
{
	pg::WorkList waiting(waiting_row_type());
	{
		pg::AsOwner as_owner(pg::role_exists(owner) ? owner : GetUserId(), "pg_catalog, pg_temp");
		pg::ReadOnly read_only;
		pg::Spi spi;
		rows.expose(spi);
		spi.collect("SELECT NULL::jsonb, " +
						(rows.store != nullptr
							 ? "to_jsonb(n.*) FROM " + pg::quoted(kNewRows) + " AS n"
							 : "k FROM unnest($1) AS k"),
					SPI_OK_SELECT, waiting, rows.args());
	}
	enter(invariant, waiting, reason);
}

void enqueue_failure(const std::string &invariant, const Reason &reason)
{
	std::string const role = pg::role_name(GetUserId());
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.run("INSERT INTO reconcile.guard_failure (invariant, sqlstate, message, role)"
			" VALUES ($1, $2, $3, $4)",
			SPI_OK_INSERT,
			pg::Args().add(invariant).add(reason.sqlstate).add(reason.message).add(role));
}

} // namespace reconcile::invariant
