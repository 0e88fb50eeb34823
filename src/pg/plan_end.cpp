/*-------------------------------------------------------------------------
 *
 * plan_end.cpp
 *	  Being told that a plan node has yielded its last row.
 *
 * The node's method is replaced by one that calls it.  All of it is C: rows
 * pass through here, and errors with them.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/plan_end.hpp"

extern "C" {
#include "executor/executor.h"
}

namespace reconcile::pg {

namespace {

struct Watch {
	PlanState *node;
	ExecProcNodeMtd method; /* the one that was replaced */
	void (*f)(void *);
	void *argument;
	Watch *next;
};

Watch *watches = nullptr; /* of all queries that are running, the newest first */

Watch *watch_of(PlanState *node, const Watch *after)
{
	for (Watch *watch = after == nullptr ? watches : after->next; watch != nullptr;
		 watch = watch->next)
		if (watch->node == node)
			return watch;
	return nullptr;
}

/* next_row is the method of every watched node.  The oldest watch of a node
 * knows its own method. */
TupleTableSlot *next_row(PlanState *node)
{
	Watch *oldest = nullptr;
	for (Watch *watch = watch_of(node, nullptr); watch != nullptr; watch = watch_of(node, watch))
		oldest = watch;
	if (oldest == nullptr)
		elog(ERROR, "a node of a plan outlived those who watched it");
	TupleTableSlot *slot = oldest->method(node);
	if (TupIsNull(slot))
		for (Watch *watch = watch_of(node, nullptr); watch != nullptr;
			 watch = watch_of(node, watch))
			watch->f(watch->argument);
	return slot;
}

void forget(void *watch)
{
	for (Watch **at = &watches; *at != nullptr; at = &(*at)->next)
		if (*at == watch) {
			*at = (*at)->next;
			return;
		}
}

} // namespace

void at_plan_end(PlanState *node, void (*f)(void *), void *argument)
{
	call([&] {
		MemoryContext const query = node->state->es_query_cxt;
		auto *watch = static_cast<Watch *>(MemoryContextAlloc(query, sizeof(Watch)));
		auto *callback = static_cast<MemoryContextCallback *>(
			MemoryContextAlloc(query, sizeof(MemoryContextCallback)));
		*watch = {node, node->ExecProcNodeReal, f, argument, watches};
		watches = watch;
		callback->func = forget;
		callback->arg = watch;
		MemoryContextRegisterResetCallback(query, callback);
		ExecSetExecProcNode(node, next_row);
	});
}

} // namespace reconcile::pg
