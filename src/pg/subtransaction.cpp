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
bool concerns_more_than_the_attempt(int sqlstate, Deadlock deadlock)
{
	switch (sqlstate) {
	case ERRCODE_T_R_DEADLOCK_DETECTED:
		return deadlock == Deadlock::is_thrown;
	default:
		break;
	}
	switch (ERRCODE_TO_CATEGORY(sqlstate)) {
	case ERRCODE_OPERATOR_INTERVENTION:
	case ERRCODE_INSUFFICIENT_RESOURCES:
	case ERRCODE_TRANSACTION_ROLLBACK:
		return true;
	default:
		return false;
	}
}

std::string or_empty(const char *text)
{
	return text != nullptr ? text : "";
}

/* roll_back ends a failed subtransaction. */
void roll_back(const Surroundings &before)
{
	call([] { RollbackAndReleaseCurrentSubTransaction(); });
	before.restore();
}

} // namespace

/* Origin is the error itself.  One of PostgreSQL's is freed here, unless it was
 * raised again: then PostgreSQL frees it. */
struct Failure::Origin {
	PgError pg{nullptr, nullptr};
	std::optional<Error> own;
	bool raised = false;

	~Origin()
	{
		if (pg.home != nullptr && !raised)
			MemoryContextDelete(pg.home);
	}
};

Failure::Failure(const PgError &error)
	: sqlstate_(error.data->sqlerrcode), message_(or_empty(error.data->message)),
	  detail_(or_empty(error.data->detail)), hint_(or_empty(error.data->hint)),
	  origin_(std::make_shared<Origin>())
{
	origin_->pg = error;
}

Failure::Failure(const Error &error)
	: sqlstate_(error.sqlstate), message_(error.what()), detail_(error.detail), hint_(error.hint),
	  origin_(std::make_shared<Origin>())
{
	origin_->own = error;
}

std::string Failure::code() const
{
	return unpack_sql_state(sqlstate_);
}

void Failure::raise() const
{
	origin_->raised = true;
	if (origin_->own)
		throw *origin_->own;
	throw origin_->pg;
}

std::optional<Failure> attempt(const std::function<void()> &f, Deadlock deadlock)
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
		roll_back(before);
		if (error.data == nullptr ||
			concerns_more_than_the_attempt(error.data->sqlerrcode, deadlock))
			throw;
		return Failure(error);
	} catch (const Error &error) {
		roll_back(before);
		if (concerns_more_than_the_attempt(error.sqlstate, deadlock))
			throw;
		return Failure(error);
	} catch (...) {
		roll_back(before);
		throw;
	}
}

} // namespace reconcile::pg
