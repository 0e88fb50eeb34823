/*-------------------------------------------------------------------------
 *
 * context.cpp
 *	  The CONTEXT line of messages.
 *
 *-------------------------------------------------------------------------
 */
#include "pg/context.hpp"

namespace reconcile::pg {

InContext *InContext::innermost_ = nullptr;

InContext::InContext(const char *work, const std::string &name, const char *when)
	: work_(work), when_(when), name_(name), outer_(innermost_)
{
	innermost_ = this;
	callback_.previous = error_context_stack;
	callback_.callback = &InContext::add_line;
	callback_.arg = this;
	error_context_stack = &callback_;
}

InContext::~InContext()
{
	error_context_stack = callback_.previous;
	innermost_ = outer_;
}

std::string InContext::line() const
{
	return std::string(work_) + " \"" + name_ + "\"" + when_;
}

/* add_line is called by PostgreSQL while it makes a message. */
void InContext::add_line(void *self)
{
	auto *at = static_cast<InContext *>(self);
	errcontext("%s \"%s\"%s", at->work_, at->name_.c_str(), at->when_);
}

/* An Error of ours becomes a message when every frame of ours is gone, the
 * InContext objects among them; so it takes their lines along. */
std::string current_context()
{
	std::string lines;
	for (const InContext *at = InContext::innermost_; at != nullptr; at = at->outer_)
		lines += (lines.empty() ? "" : "\n") + at->line();
	return lines;
}

} // namespace reconcile::pg
