/*-------------------------------------------------------------------------
 *
 * owned.hpp
 *	  C++ objects that live as long as a memory context of PostgreSQL.
 *
 * State that must outlive a callback cannot be a local, and cannot be freed
 * by its owner alone, since an ERROR elsewhere abandons it without a word.
 * The reset of its memory context is what PostgreSQL never forgets.
 *
 * Depends on: boundary.hpp.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/boundary.hpp"

#include <memory>
#include <utility>

namespace reconcile::pg {

/* owned makes a T that is destroyed when the context is reset or deleted.
 * The destructor runs inside of an abort: it may neither throw nor raise. */
template <class T, class... Args> T *owned(MemoryContext context, Args &&...args)
{
	auto object = std::make_unique<T>(std::forward<Args>(args)...);
	T *const kept = object.get();
	call([&] {
		auto *callback = static_cast<MemoryContextCallback *>(
			MemoryContextAlloc(context, sizeof(MemoryContextCallback)));
		callback->func = [](void *address) { delete static_cast<T *>(address); };
		callback->arg = kept;
		MemoryContextRegisterResetCallback(context, callback);
	});
	object.release();
	return kept;
}

} // namespace reconcile::pg
