/*-------------------------------------------------------------------------
 *
 * definition.cpp
 *	  Definitions of objects as text, the same whoever asks under whatever
 *	  search_path.  The views of schema_model() call this per object, so it
 *	  does nothing twice.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/identity.hpp"
#include "pg/nodes.hpp"
#include "pg/result_set.hpp"
#include "pg/subtransaction.hpp"
#include "pg/text.hpp"
#include "schema/array_casts.hpp"
#include "schema/canonical.hpp"

extern "C" {
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/nodes.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
}

#include <cstring>
#include <optional>

namespace reconcile::schema {

namespace {

constexpr const char *kPinned = "pg_catalog, pg_temp";

/* Pinned is the pinned search_path, which schema_model() has set already. */
class Pinned {
public:
	Pinned()
	{
		if (strcmp(namespace_search_path, kPinned) != 0)
			path_.emplace();
	}

private:
	std::optional<pg::PinnedPath> path_;
};

char *c_string(Datum value)
{
	return TextDatumGetCString(value);
}

char *text_from(PGFunction function, Oid object)
{
	return c_string(DirectFunctionCall1(function, ObjectIdGetDatum(object)));
}

/* ended_before cuts a text off before its last words. */
char *ended_before(char *text, const char *words)
{
	size_t const length = strlen(text), cut = strlen(words);
	if (length > cut && strcmp(text + length - cut, words) == 0)
		text[length - cut] = '\0';
	return text;
}

/* constraint_definition leaves out whether it is validated: an attribute of
 * its own. */
char *constraint_definition(Oid oid)
{
	return ended_before(text_from(pg_get_constraintdef, oid), " NOT VALID");
}

char *relation_definition(Oid oid)
{
	PGFunction const print =
		get_rel_relkind(oid) == RELKIND_PARTITIONED_TABLE ? pg_get_partkeydef : pg_get_indexdef;
	return text_from(print, oid);
}

char *name_in_schema(Oid schema, const char *name)
{
	return quote_qualified_identifier(get_namespace_name(schema), name);
}

/* statistics_kinds finds the kinds that are printed before the columns, if any. */
char *statistics_kinds(Oid oid, const char *name)
{
	char *printed =
		text_from(pg_get_statisticsobjdef, oid) + strlen("CREATE STATISTICS ") + strlen(name);
	return printed[1] == '(' ? pnstrdup(printed, strchr(printed, ')') + 1 - printed) : pstrdup("");
}

/* append_expressions appends the expressions of statistics. */
void append_expressions(StringInfo list, Oid oid)
{
	LOCAL_FCINFO(call, 1);
	InitFunctionCallInfoData(*call, nullptr, 1, InvalidOid, nullptr, nullptr);
	call->args[0].value = ObjectIdGetDatum(oid);
	call->args[0].isnull = false;
	Datum const result = pg_get_statisticsobjdef_expressions(call);
	if (call->isnull)
		return;
	Datum *expressions;
	int count;
	deconstruct_array(DatumGetArrayTypeP(result), TEXTOID, -1, false, TYPALIGN_INT, &expressions,
					  nullptr, &count);
	for (int n = 0; n < count; n++)
		appendStringInfo(list, "%s(%s)", list->len > 0 ? ", " : "", c_string(expressions[n]));
}

/* statistics_definition prints expressions like those of other objects.
 * pg_get_statisticsobjdef() leaves out parentheses, without which nobody can tell
 * where the cast of an array belongs. */
char *statistics_definition(Oid oid)
{
	HeapTuple tuple = SearchSysCache1(STATEXTOID, ObjectIdGetDatum(oid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for statistics object %u", oid);
	auto *statistics = reinterpret_cast<Form_pg_statistic_ext>(GETSTRUCT(tuple));
	Oid const table = statistics->stxrelid;
	char *const name = name_in_schema(statistics->stxnamespace, NameStr(statistics->stxname));
	StringInfoData list;
	initStringInfo(&list);
	for (int n = 0; n < statistics->stxkeys.dim1; n++)
		appendStringInfo(
			&list, "%s%s", n > 0 ? ", " : "",
			quote_identifier(get_attname(table, statistics->stxkeys.values[n], false)));
	ReleaseSysCache(tuple);
	append_expressions(&list, oid);
	return psprintf("CREATE STATISTICS %s%s ON %s FROM %s", name, statistics_kinds(oid, name),
					list.data, name_in_schema(get_rel_namespace(table), get_rel_name(table)));
}

bool is_view(Oid catalog, Oid oid)
{
	if (catalog != RelationRelationId)
		return false;
	char const kind = get_rel_relkind(oid);
	return kind == RELKIND_VIEW || kind == RELKIND_MATVIEW;
}

/* read_back prints what was printed of a view once more.  It is read as a role
 * that may use all schemas: what a view says anyone may read in the catalogs. */
char *read_back(char *printed)
{
	pg::AsExtensionOwner owner;
	return pg::call([&] { return canonical_query(printed); });
}

/* read_back_as_owner is for a text the reading of which may run code of whoever
 * made the types in it: the view's owner answers for it, and it writes nothing.
 * What a superuser made is read so for superusers alone.  A text that is not
 * read back stays as it was printed. */
char *read_back_as_owner(char *printed, Oid owner)
{
	char *result = printed;
	if (!OidIsValid(owner) || pg::call([&] { return superuser_arg(owner) && !superuser(); }))
		return printed;
	pg::attempt([&] {
		pg::AsOwner const as_owner(owner, kPinned);
		pg::ReadOnly const read_only;
		result = pg::call([&] { return canonical_query(printed); });
	});
	return result;
}

/* view_definition reads back what is printed of a view, since versions differ in
 * what they print of one tree. */
char *view_definition(Oid view)
{
	char *const printed =
		pg::call([&] { return ended_before(text_from(pg_get_viewdef, view), ";"); });
	if (pg::call([&] { return is_read_plainly(pg::view_query(view)); }))
		return read_back(printed);
	return read_back_as_owner(printed, pg::owner_of(view));
}

char *definition(Oid catalog, Oid oid)
{
	switch (catalog) {
	case ConstraintRelationId:
		return constraint_definition(oid);
	case RelationRelationId:
		return relation_definition(oid);
	case TriggerRelationId:
		return text_from(pg_get_triggerdef, oid);
	case RewriteRelationId:
		return text_from(pg_get_ruledef, oid);
	case StatisticExtRelationId:
		return statistics_definition(oid);
	default:
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("objects of catalog %u have no definition", catalog)));
		pg_unreachable();
	}
}

/* expression_text prints the expression of a catalog. */
char *expression_text(Datum tree, Oid relation)
{
	return c_string(DirectFunctionCall2(pg_get_expr, tree, ObjectIdGetDatum(relation)));
}

/* default_text prints a default.  It has no columns in it, so its relation need
 * not be looked at. */
char *default_text(Datum tree, Oid type, int32 typmod)
{
	if (may_be_constant_default(DatumGetTextPP(tree), type)) {
		auto *expression = static_cast<Node *>(stringToNode(c_string(tree)));
		if (char *constant = constant_default(expression, type, typmod))
			return constant;
	}
	return expression_text(tree, InvalidOid);
}

text *type_name(Oid type, int32 typmod)
{
	bits16 const flags = FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_ALLOW_INVALID;
	return cstring_to_text(format_type_extended(type, typmod, flags));
}

/* KnownType is a type of PostgreSQL's own, whose name does not change. */
struct KnownType {
	struct {
		Oid type;
		int32 typmod;
	} key;
	text *name;
};

/* known_type_name prints each type once in a statement: columns are many, types
 * are few. */
text *known_type_name(FmgrInfo *statement, Oid type, int32 typmod)
{
	if (statement->fn_extra == nullptr) {
		HASHCTL layout = {};
		layout.keysize = sizeof(KnownType::key);
		layout.entrysize = sizeof(KnownType);
		layout.hcxt = statement->fn_mcxt;
		statement->fn_extra =
			hash_create("type names", 64, &layout, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	auto *names = static_cast<HTAB *>(statement->fn_extra);
	decltype(KnownType::key) const key = {type, typmod};
	auto *known = static_cast<KnownType *>(hash_search(names, &key, HASH_FIND, nullptr));
	if (known == nullptr) {
		MemoryContext const here = MemoryContextSwitchTo(statement->fn_mcxt);
		text *const name = type_name(type, typmod);
		MemoryContextSwitchTo(here);
		known = static_cast<KnownType *>(hash_search(names, &key, HASH_ENTER, nullptr));
		known->name = name;
	}
	return known->name;
}

/* function_text is a text about a function, empty where there is none. */
char *function_text(PGFunction function, Oid oid)
{
	LOCAL_FCINFO(call, 1);
	InitFunctionCallInfoData(*call, nullptr, 1, InvalidOid, nullptr, nullptr);
	call->args[0].value = ObjectIdGetDatum(oid);
	call->args[0].isnull = false;
	Datum const result = function(call);
	return call->isnull ? pstrdup("") : c_string(result);
}

/* settled makes the text Datum of what was printed. */
Datum settled(const char *printed)
{
	if (may_have_array_cast(printed))
		return pg::text_datum(settled_array_casts(printed));
	return pg::call([&] { return PointerGetDatum(cstring_to_text(printed)); });
}

} // namespace

RECONCILE_FUNCTION(reconcile_schema_definition)
{
	Oid const catalog = PG_GETARG_OID(0), object = PG_GETARG_OID(1);
	Pinned path;
	if (pg::call([&] { return is_view(catalog, object); }))
		return settled(view_definition(object));
	return settled(pg::call([&] { return definition(catalog, object); }));
}

RECONCILE_FUNCTION(reconcile_schema_expression)
{
	Pinned path;
	return settled(pg::call([&] { return expression_text(PG_GETARG_DATUM(0), PG_GETARG_OID(1)); }));
}

RECONCILE_FUNCTION(reconcile_schema_default)
{
	Pinned path;
	return settled(pg::call(
		[&] { return default_text(PG_GETARG_DATUM(0), PG_GETARG_OID(1), PG_GETARG_INT32(2)); }));
}

RECONCILE_FUNCTION(reconcile_schema_function)
{
	Pinned path;
	Datum parts[3];
	PGFunction const functions[] = {pg_get_function_arguments, pg_get_function_result,
									pg_get_function_sqlbody};
	for (size_t n = 0; n < lengthof(parts); n++)
		parts[n] = settled(pg::call([&] { return function_text(functions[n], PG_GETARG_OID(0)); }));
	return pg::call([&] {
		return PointerGetDatum(
			construct_array(parts, lengthof(parts), TEXTOID, -1, false, TYPALIGN_INT));
	});
}

RECONCILE_FUNCTION(reconcile_schema_type)
{
	Pinned path;
	return pg::call([&] {
		Oid const type = PG_GETARG_OID(0);
		int32 const typmod = PG_GETARG_INT32(1);
		text *const name = type < FirstNormalObjectId
							   ? known_type_name(fcinfo->flinfo, type, typmod)
							   : type_name(type, typmod);
		return PointerGetDatum(name);
	});
}

} // namespace reconcile::schema
