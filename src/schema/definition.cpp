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
#include "pg/result_set.hpp"
#include "pg/text.hpp"
#include "schema/canonical.hpp"

extern "C" {
#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_trigger.h"
#include "nodes/nodes.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
}

#include <cstring>
#include <optional>
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

/* replaced puts one text in the place of another, once. */
char *replaced(char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	if (at == nullptr)
		return text;
	return psprintf("%.*s%s%s", static_cast<int>(at - text), text, to, at + strlen(from));
}

/* settled_within settles an expression that is part of a longer text. */
char *settled_within(char *text, Datum tree, Oid relation, Oid domain)
{
	char *printed = c_string(DirectFunctionCall2(pg_get_expr, tree, ObjectIdGetDatum(relation)));
	return replaced(text, printed, canonical_expression(printed, relation, domain));
}

char *check_definition(char *text, Oid oid)
{
	HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(oid));
	if (!HeapTupleIsValid(tuple))
		return text;
	auto *constraint = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
	bool missing;
	Datum tree = SysCacheGetAttr(CONSTROID, tuple, Anum_pg_constraint_conbin, &missing);
	if (!missing)
		text = settled_within(text, tree, constraint->conrelid, constraint->contypid);
	ReleaseSysCache(tuple);
	return text;
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
	char *text = ended_before(text_from(pg_get_constraintdef, oid), " NOT VALID");
	return may_change(text) ? check_definition(text, oid) : text;
}

/* index_definition settles expressions and predicate where they stand. */
char *index_definition(Oid oid)
{
	char *text = text_from(pg_get_indexdef, oid);
	if (!may_change(text))
		return text;
	HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(oid));
	if (!HeapTupleIsValid(tuple))
		return text;
	Oid const relation = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple))->indrelid;
	bool missing;
	Datum const trees = SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indexprs, &missing);
	ListCell *cell;
	foreach (cell, missing ? NIL : static_cast<List *>(stringToNode(c_string(trees)))) {
		char *printed = expression_text(static_cast<Node *>(lfirst(cell)), relation);
		text = replaced(text, printed, canonical_expression(printed, relation, InvalidOid));
	}
	Datum const predicate = SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indpred, &missing);
	if (!missing)
		text = settled_within(text, predicate, relation, InvalidOid);
	ReleaseSysCache(tuple);
	return text;
}

char *relation_definition(Oid oid)
{
	char kind = get_rel_relkind(oid);
	if (kind == RELKIND_VIEW || kind == RELKIND_MATVIEW)
		return canonical_query(text_from(pg_get_viewdef, oid));
	if (kind == RELKIND_PARTITIONED_TABLE)
		return text_from(pg_get_partkeydef, oid);
	return index_definition(oid);
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
		return text_from(pg_get_statisticsobjdef, oid);
	default:
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("objects of catalog %u have no definition", catalog)));
		pg_unreachable();
	}
}

/* function_text is a text about a function, empty where there is none. */
Datum function_text(PGFunction function, Oid oid)
{
	LOCAL_FCINFO(call, 1);
	InitFunctionCallInfoData(*call, nullptr, 1, InvalidOid, nullptr, nullptr);
	call->args[0].value = ObjectIdGetDatum(oid);
	call->args[0].isnull = false;
	Datum const result = function(call);
	return call->isnull ? CStringGetTextDatum("") : result;
}

char *default_text(text *tree, Oid relation, Oid type, int32 typmod)
{
	auto *expression = static_cast<Node *>(stringToNode(text_to_cstring(tree)));
	if (char *constant = constant_default(expression, type, typmod))
		return constant;
	return canonical_expression(expression_text(expression, relation), relation, InvalidOid);
}

} // namespace

RECONCILE_FUNCTION(reconcile_schema_definition)
{
	/* A view is read back, and names looked up, also in schemas that the caller may not use:
	 * what a view says anyone may read in the catalogs. */
	bool const view = PG_GETARG_OID(0) == RelationRelationId && pg::call([&] {
						  char kind = get_rel_relkind(PG_GETARG_OID(1));
						  return kind == RELKIND_VIEW || kind == RELKIND_MATVIEW;
					  });
	std::optional<pg::AsExtensionOwner> owner;
	if (view)
		owner.emplace();
	Pinned path;
	return pg::call([&] {
		return PointerGetDatum(cstring_to_text(definition(PG_GETARG_OID(0), PG_GETARG_OID(1))));
	});
}

RECONCILE_FUNCTION(reconcile_schema_expression)
{
	Pinned path;
	return pg::call([&] {
		char *printed = TextDatumGetCString(
			DirectFunctionCall2(pg_get_expr, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
		return PointerGetDatum(
			cstring_to_text(canonical_expression(printed, PG_GETARG_OID(1), InvalidOid)));
	});
}

RECONCILE_FUNCTION(reconcile_schema_default)
{
	Pinned path;
	return pg::call([&] {
		return PointerGetDatum(cstring_to_text(default_text(PG_GETARG_TEXT_PP(0), PG_GETARG_OID(1),
															PG_GETARG_OID(2), PG_GETARG_INT32(3))));
	});
}

RECONCILE_FUNCTION(reconcile_schema_function)
{
	Pinned path;
	return pg::call([&] {
		Datum const part[] = {
			DirectFunctionCall1(pg_get_function_arguments, PG_GETARG_DATUM(0)),
			function_text(pg_get_function_result, PG_GETARG_OID(0)),
			function_text(pg_get_function_sqlbody, PG_GETARG_OID(0)),
		};
		return PointerGetDatum(construct_array(const_cast<Datum *>(part), lengthof(part), TEXTOID,
											   -1, false, TYPALIGN_INT));
	});
}

RECONCILE_FUNCTION(reconcile_schema_type)
{
	Pinned path;
	return pg::call([&] {
		char *name = format_type_extended(PG_GETARG_OID(0), PG_GETARG_INT32(1),
										  FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_ALLOW_INVALID);
		return PointerGetDatum(cstring_to_text(name));
	});
}

} // namespace reconcile::schema
