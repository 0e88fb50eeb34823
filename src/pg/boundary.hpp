/*-------------------------------------------------------------------------
 *
 * boundary.hpp
 *	  The two doors between PostgreSQL and C++.
 *
 * call()	PostgreSQL to C++: an ERROR raised inside becomes a PgError.
 * entry	C++ to PostgreSQL: any exception becomes an ERROR, raised after
 *			every C++ object of ours is gone.
 *
 * PostgreSQL leaves a function that fails by longjmp, which runs no
 * destructor; C++ leaves it by an exception, which PostgreSQL's C frames do
 * not understand.  So neither may ever cross the other's frames, and this
 * file is the only place that knows both.
 *
 * Rules for callers.  What runs inside call() is C: PostgreSQL's functions
 * and plain locals, no object with a destructor.  What runs outside of it may
 * use all of C++, and reaches PostgreSQL through call() alone.
 *
 * Depends on: compat.hpp.  Used by: everything that talks to PostgreSQL.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "pg/compat.hpp"

#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace reconcile::pg {

/* PgError is a PostgreSQL ERROR in flight through C++ frames.  It is not a
 * std::exception, so that no broad handler swallows it, and owns nothing, so
 * that copying it costs nothing. */
struct PgError {
	ErrorData *data;	/* nullptr when copying it ran out of memory */
	MemoryContext home; /* holds data and nothing else */
};

/* current_context returns what we are at, see context.hpp; innermost first. */
std::string current_context();

/* Error is an error of ours, complete enough to become a good ereport(). */
struct Error : std::runtime_error {
	Error(int sqlstate_, const std::string &message, std::string detail_ = {},
		  std::string hint_ = {}, const char *file_ = __builtin_FILE(),
		  int line_ = __builtin_LINE(), const char *function_ = __builtin_FUNCTION())
		: std::runtime_error(message), sqlstate(sqlstate_), detail(std::move(detail_)),
		  hint(std::move(hint_)), context(current_context()), file(file_), function(function_),
		  line(line_)
	{
	}

	int sqlstate;
	std::string detail, hint, context;
	const char *file, *function;
	int line;
	bool alone = false; /* without the context that callers would add */
};

/* call runs f, which may use PostgreSQL freely, and returns its result.  An
 * ERROR raised in f is thrown as PgError; by then PostgreSQL's error state is
 * clean, and the memory context is the one of before. */
template <class F> auto call(F &&f) -> std::invoke_result_t<F &>
{
	using Result = std::invoke_result_t<F &>;
	static_assert(std::is_void_v<Result> || std::is_trivially_copyable_v<Result>,
				  "what leaves call() is plain data: a Datum, a pointer, a number");

	struct Frame { /* undone on return, on throw and after longjmp */
		sigjmp_buf *jump = PG_exception_stack;
		ErrorContextCallback *callbacks = error_context_stack;
		~Frame()
		{
			PG_exception_stack = jump;
			error_context_stack = callbacks;
		}
	} frame;
	MemoryContext const resume = CurrentMemoryContext;
	volatile bool copying = false; /* written between sigsetjmp and siglongjmp */
	sigjmp_buf here;

	if (sigsetjmp(here, 0) == 0) {
		PG_exception_stack = &here;
		return f();
	}
	error_context_stack = frame.callbacks;
	PgError error{nullptr, nullptr};
	if (!copying) { /* an error while copying comes back here, with copying set */
		copying = true;
		/* A home of its own: the current context may be SPI's, which is freed
		 * long before the error is raised again. */
		error.home =
			AllocSetContextCreate(TopMemoryContext, "pg_reconcile error", ALLOCSET_SMALL_SIZES);
		CurrentMemoryContext = error.home;
		error.data = CopyErrorData();
	}
	FlushErrorState();
	CurrentMemoryContext = resume;
	throw error;
}

/* Report holds what is needed to raise an error, in plain storage that a
 * longjmp may abandon. */
class Report {
public:
	Report() { message_[0] = detail_[0] = hint_[0] = context_[0] = '\0'; }

	void capture() noexcept;		 /* only inside a catch block */
	[[noreturn]] void raise() const; /* only outside of one */

private:
	PgError pg_{nullptr, nullptr};
	int sqlstate_ = ERRCODE_INTERNAL_ERROR;
	const char *file_ = nullptr, *function_ = nullptr;
	int line_ = 0;
	bool alone_ = false;
	/* not initialized as a whole: an entry is passed once per row */
	char message_[1024], detail_[2048], hint_[1024], context_[512];
};
static_assert(std::is_trivially_destructible_v<Report>);

namespace detail {

template <auto Body, class Signature> struct Entry;

template <auto Body, class R, class... Args> struct Entry<Body, R (*)(Args...)> {
	static R enter(Args... args)
	{
		Report report;
		try {
			return Body(args...);
		} catch (...) {
			report.capture();
		}
		report.raise(); /* no C++ object of ours is alive any more */
	}
};

} // namespace detail

/* entry<f> is f as a callback that PostgreSQL may call. */
template <auto Body> inline constexpr auto entry = &detail::Entry<Body, decltype(Body)>::enter;

/* fail throws an Error: the message says what is wrong, the detail adds facts
 * in a sentence, the hint says in a sentence what to do. */
[[noreturn]] inline void fail(int sqlstate, const std::string &message, std::string detail = {},
							  std::string hint = {}, const char *file = __builtin_FILE(),
							  int line = __builtin_LINE(),
							  const char *function = __builtin_FUNCTION())
{
	throw Error(sqlstate, message, std::move(detail), std::move(hint), file, line, function);
}

} // namespace reconcile::pg

/* RECONCILE_FUNCTION opens the body of an SQL-callable function. */
#define RECONCILE_FUNCTION(name)                                                                   \
	static Datum name##_body(FunctionCallInfo fcinfo);                                             \
	extern "C" {                                                                                   \
	PG_FUNCTION_INFO_V1(name);                                                                     \
	}                                                                                              \
	extern "C" Datum name(PG_FUNCTION_ARGS)                                                        \
	{                                                                                              \
		return reconcile::pg::entry<&name##_body>(fcinfo);                                         \
	}                                                                                              \
	static Datum name##_body([[maybe_unused]] FunctionCallInfo fcinfo)
