/*-------------------------------------------------------------------------
 *
 * boundary.cpp
 *	  How an exception becomes a PostgreSQL ERROR.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/boundary.hpp"

extern "C" {
#include "mb/pg_wchar.h"
}

#include <algorithm>
#include <cstring>
#include <new>

namespace reconcile::pg {

namespace {

/* put copies text into a buffer of a report, cut where a character ends, and
 * valid in the encoding of this database. */
void put(char *to, size_t size, const char *text)
{
	size_t length = std::strlen(text);
	if (length >= size)
		length = static_cast<size_t>(
			pg_mbcliplen(text, static_cast<int>(length), static_cast<int>(size - 1)));
	std::memcpy(to, text, length);
	to[length] = '\0';
	/* What a remote server says may be in no encoding at all. */
	if (!pg_verifymbstr(to, static_cast<int>(length), true))
		std::replace_if(
			to, to + length, [](char c) { return IS_HIGHBIT_SET(c); }, '?');
}

/* delete_home frees the copy of an error once PostgreSQL is done with it. */
void delete_home(void *home)
{
	MemoryContextDelete(static_cast<MemoryContext>(home));
}

} // namespace

/* capture sorts the exception in flight into the report. */
void Report::capture() noexcept
{
	try {
		throw;
	} catch (const PgError &error) {
		pg_ = error;
		if (pg_.data == nullptr) {
			sqlstate_ = ERRCODE_OUT_OF_MEMORY;
			put(message_, sizeof message_, "out of memory");
		}
	} catch (const Error &error) {
		sqlstate_ = error.sqlstate;
		file_ = error.file;
		function_ = error.function;
		line_ = error.line;
		alone_ = error.alone;
		put(message_, sizeof message_, error.what());
		put(detail_, sizeof detail_, error.detail.c_str());
		put(hint_, sizeof hint_, error.hint.c_str());
		put(context_, sizeof context_, error.context.c_str());
	} catch (const std::bad_alloc &) {
		sqlstate_ = ERRCODE_OUT_OF_MEMORY;
		put(message_, sizeof message_, "out of memory");
	} catch (const std::exception &error) {
		put(message_, sizeof message_, error.what());
	} catch (...) {
		put(message_, sizeof message_, "unrecognized C++ exception");
	}
}

/* raise leaves by ereport(ERROR).  A PostgreSQL error is raised again as it
 * was: SQLSTATE, detail, hint, context and position untouched. */
void Report::raise() const
{
	if (pg_.data != nullptr) {
		auto *callback = static_cast<MemoryContextCallback *>(
			MemoryContextAlloc(ErrorContext, sizeof(MemoryContextCallback)));
		callback->func = delete_home;
		callback->arg = pg_.home;
		MemoryContextRegisterResetCallback(ErrorContext, callback);
		ReThrowError(pg_.data);
	}
	if (alone_) /* whoever handles the error puts them back */
		error_context_stack = nullptr;
	if (errstart_cold(ERROR, TEXTDOMAIN)) {
		errcode(sqlstate_);
		errmsg_internal("%s", message_);
		if (detail_[0] != '\0')
			errdetail_internal("%s", detail_);
		if (hint_[0] != '\0')
			errhint("%s", hint_);
		if (context_[0] != '\0')
			errcontext("%s", context_);
		errfinish(file_, line_, function_);
	}
	pg_unreachable();
}

} // namespace reconcile::pg
