/*-------------------------------------------------------------------------
 *
 * subtransaction.cpp
 *	  The only place where a PostgreSQL error may be caught and survived.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/subtransaction.hpp"

namespace reconcile::pg {

namespace {

/* Surroundings are what a subtransaction changes and its end must restore. */
struct Surroundings {
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	void restore() const
	{
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
};

/* concerns_more_than_the_attempt tells errors that nobody may swallow: the
 * user's cancel, the server's shutdown, a server out of memory or disk, and
 * conflicts that only a new transaction can solve. */
bool concerns_more_than_the_attempt(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate)) {
	case ERRCODE_OPERATOR_INTERVENTION:
	case ERRCODE_INSUFFICIENT_RESOURCES:
	case ERRCODE_TRANSACTION_ROLLBACK:
	case ERRCODE_SYSTEM_ERROR:
	case ERRCODE_INTERNAL_ERROR:
		return true;
	default:
		return false;
	}
}

std::string or_empty(const char *text)
{
	return text != nullptr ? text : "";
}

/* failure_of copies what a caught error said, and frees the error. */
Failure failure_of(const PgError &error)
{
	const ErrorData *data = error.data;
	Failure failure{data->sqlerrcode, or_empty(data->message), or_empty(data->detail),
					or_empty(data->hint)};
	MemoryContextDelete(error.home);
	return failure;
}

} // namespace

std::string Failure::code() const
{
	return unpack_sql_state(sqlstate);
}

std::optional<Failure> attempt(const std::function<void()> &f)
{
	Surroundings const before;

	call([] { BeginInternalSubTransaction(nullptr); });
	MemoryContextSwitchTo(before.context);
	try {
		f();
		call([] { ReleaseCurrentSubTransaction(); });
		before.restore();
		return std::nullopt;
	} catch (const PgError &error) {
		call([] { RollbackAndReleaseCurrentSubTransaction(); });
		before.restore();
		if (error.data == nullptr || concerns_more_than_the_attempt(error.data->sqlerrcode))
			throw;
		return failure_of(error);
	} catch (const Error &error) {
		call([] { RollbackAndReleaseCurrentSubTransaction(); });
		before.restore();
		if (concerns_more_than_the_attempt(error.sqlstate))
			throw;
		return Failure{error.sqlstate, error.what(), error.detail, error.hint};
	} catch (...) {
		call([] { RollbackAndReleaseCurrentSubTransaction(); });
		before.restore();
		throw;
	}
}

} // namespace reconcile::pg
