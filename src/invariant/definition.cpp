/*-------------------------------------------------------------------------
 *
 * definition.cpp
 *	  The definitions of invariants, as stored.
 *
 *-------------------------------------------------------------------------
 */
#include "invariant/definition.hpp"

#include "invariant/lock.hpp"
#include "invariant/sqlstates.hpp"
#include "pg/identity.hpp"
#include "pg/nearest.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "catalog/pg_type_d.h"
}

namespace reconcile::invariant {

namespace {

pg::Constant definitions(
	"SELECT name, pack, kind, target::oid, key, expects, compare, where_absent, severity,"
	" description, owner::oid, search_path, time_zone FROM reconcile.invariant"
	" WHERE ($1 IS NULL OR name = $1) AND ($2 IS NULL OR pack = $2) ORDER BY name");

Definition read_row(const pg::Spi &spi, uint64 row)
{
	Definition d;
	d.name = spi.required_text(row, 1);
	d.pack = spi.text(row, 2);
	d.kind = spi.required_text(row, 3);
	d.target = spi.oid(row, 4);
	d.key = spi.texts(row, 5);
	d.expects = spi.required_text(row, 6);
	d.compare = spi.texts(row, 7);
	d.where_absent = spi.text(row, 8);
	d.severity = spi.required_text(row, 9);
	d.description = spi.text(row, 10);
	d.owner = spi.oid(row, 11);
	d.search_path = spi.required_text(row, 12);
	d.time_zone = spi.required_text(row, 13);
	return d;
}

/* first_column runs a catalog query and returns its first column. */
std::vector<std::string> first_column(const std::string &sql)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	uint64 rows = spi.run(sql, SPI_OK_SELECT);
	std::vector<std::string> values;
	for (uint64 row = 0; row < rows; row++)
		values.push_back(spi.required_text(row, 1));
	return values;
}

[[noreturn]] void no_such_invariant(const std::string &name)
{
	pg::fail(
		ERRCODE_UNDEFINED_OBJECT, "invariant \"" + name + "\" does not exist", {},
		pg::did_you_mean(name, first_column("SELECT name FROM reconcile.invariant ORDER BY name"),
						 "There are no invariants yet; reconcile.create_invariant() makes one."));
}

void check_pack_exists(const std::string &pack)
{
	std::vector<std::string> packs =
		first_column("SELECT name FROM reconcile.installed_pack ORDER BY name");
	for (const std::string &name : packs)
		if (name == pack)
			return;
	pg::fail(kPackNotInstalled, "pack \"" + pack + "\" is not installed", {},
			 packs.empty() ? "Install it with reconcile.install_pack()."
						   : pg::did_you_mean(pack, packs));
}

} // namespace

Definition definition_named(const std::string &name)
{
	return chosen_definitions(name, std::nullopt).front();
}

Definition locked_definition(const std::string &name)
{
	lock_for_repair(name);
	Definition definition = definition_named(name);
	require_role(definition);
	require_repairable(definition);
	return definition;
}

std::vector<Definition> chosen_definitions(const std::optional<std::string> &name,
										   const std::optional<std::string> &pack)
{
	if (pack)
		check_pack_exists(*pack);

	std::vector<Definition> chosen;
	{
		pg::AsExtensionOwner owner;
		pg::Spi spi;
		uint64 rows = spi.run(definitions, SPI_OK_SELECT, pg::Args().add(name).add(pack));
		for (uint64 row = 0; row < rows; row++)
			chosen.push_back(read_row(spi, row));
	}
	if (name && chosen.empty())
		no_such_invariant(*name);
	return chosen;
}

void require_role(const Definition &definition)
{
	if (!pg::role_exists(definition.owner))
		pg::fail(ERRCODE_UNDEFINED_OBJECT,
				 "the owner of invariant \"" + definition.name + "\" does not exist any more", {},
				 "A superuser can drop the invariant; create it again as a role that exists.");
	if (!pg::may_act_as(definition.owner))
		pg::fail(ERRCODE_INSUFFICIENT_PRIVILEGE,
				 "permission denied for invariant \"" + definition.name + "\"",
				 "It is evaluated as its owner, role \"" + pg::role_name(definition.owner) + "\".",
				 "Ask for membership in that role.");
}

void require_repairable(const Definition &definition)
{
	if (definition.is_check())
		pg::fail(ERRCODE_FEATURE_NOT_SUPPORTED,
				 "invariant \"" + definition.name + "\" is a check, and is never repaired", {},
				 "reconcile.findings() lists the rows that must not exist.");
}

/* definition_args are the stored columns as $1 and following. */
static pg::Args definition_args(const Definition &d)
{
	pg::Args args;
	args.add(d.name).add(d.kind);
	if (d.is_check())
		args.add_null(REGCLASSOID);
	else
		args.add(REGCLASSOID, ObjectIdGetDatum(d.target));
	return args.add(d.key)
		.add(d.expects)
		.add(d.compare)
		.add(d.where_absent)
		.add(d.severity)
		.add(d.description)
		.add(d.search_path)
		.add(d.time_zone);
}

void store(const Definition &d)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	uint64 stored = spi.run(
		"INSERT INTO reconcile.invariant (name, kind, target, key, expects, compare,"
		" where_absent, severity, description, search_path, time_zone, owner, pack)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
		" ON CONFLICT (name) DO NOTHING",
		SPI_OK_INSERT, definition_args(d).add(REGROLEOID, ObjectIdGetDatum(d.owner)).add(d.pack));
	if (stored == 0)
		pg::fail(ERRCODE_DUPLICATE_OBJECT, "invariant \"" + d.name + "\" already exists", {},
				 "Change it with reconcile.alter_invariant(), or drop it first with"
				 " reconcile.drop_invariant().");
}

void replace(const Definition &d)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.run("UPDATE reconcile.invariant SET kind = $2, target = $3, key = $4, expects = $5,"
			" compare = $6, where_absent = $7, severity = $8, description = $9, search_path = $10,"
			" time_zone = $11 WHERE name = $1",
			SPI_OK_UPDATE, definition_args(d));
}

void conflict_with_older_snapshots(const std::string &name)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.run("UPDATE reconcile.invariant SET written_at = clock_timestamp() WHERE name = $1",
			SPI_OK_UPDATE, pg::Args().add(name));
}

void forget(const std::string &name)
{
	pg::AsExtensionOwner owner;
	pg::Spi spi;
	spi.run("DELETE FROM reconcile.failure WHERE invariant = $1", SPI_OK_DELETE,
			pg::Args().add(name));
	spi.run("DELETE FROM reconcile.guard_failure WHERE invariant = $1", SPI_OK_DELETE,
			pg::Args().add(name));
	spi.run("WITH gone AS (DELETE FROM reconcile.saved_plan WHERE invariant = $1 RETURNING plan_id)"
			" DELETE FROM reconcile.saved_plan_rows WHERE plan_id IN (SELECT plan_id FROM gone)",
			SPI_OK_DELETE, pg::Args().add(name));
	spi.run("DELETE FROM reconcile.invariant WHERE name = $1", SPI_OK_DELETE, pg::Args().add(name));
}

std::string fingerprint(const Definition &d)
{
	/* each part is preceded by its length, so that no two definitions read alike */
	std::string all;
	auto add = [&](const std::string &part) { all += std::to_string(part.size()) + ":" + part; };
	add(d.kind);
	add(std::to_string(d.target));
	add(d.expects);
	add(d.where_absent.value_or(""));
	add(d.search_path);
	add(d.time_zone);
	for (const std::string &column : d.key)
		add(column);
	add("compare");
	for (const std::string &column : d.compare)
		add(column);
	return all;
}

} // namespace reconcile::invariant
