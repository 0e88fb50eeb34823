/*-------------------------------------------------------------------------
 *
 * writing.cpp
 *	  What INSERT, UPDATE and DELETE of a foreign table have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/writing.hpp"

#include "fdw/rollback.hpp"
#include "mongo/document.hpp"
#include "pg/text.hpp"

extern "C" {
#include "utils/rel.h"
}

namespace reconcile::fdw {

namespace {

constexpr size_t kShownBytes = 200;

/* clipped cuts UTF-8 text where a character ends. */
std::string clipped(const std::string &text)
{
	size_t length = kShownBytes;
	while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80)
		length--;
	return text.substr(0, length);
}

} // namespace

Writing::Writing(Relation relation, Oid user, const char *action, const char *done)
	: table_(table_of(RelationGetRelid(relation), RelationGetDescr(relation))),
	  client_(connect(table_.server, user)), bulk_(remote([&] {
		  return mongo::Bulk(*client_, table_.options.database, table_.options.collection);
	  })),
	  action_(action), done_(done), scratch_(pg::call([] {
		  return AllocSetContextCreate(CurrentMemoryContext, "reconcile_mongo write",
									   ALLOCSET_DEFAULT_SIZES);
	  }))
{
}

void Writing::wrote(uint64 documents)
{
	written_ += documents;
	note_written(documents);
}

void Writing::refuse(int sqlstate, const std::string &message, const std::string &document)
{
	refused_++;
	if (!first_refused_)
		first_refused_ = Refused{sqlstate, message, document};
}

void Writing::raise()
{
	pg::fail(first_refused_->sqlstate,
			 std::string("could not ") + action_ + " collection \"" + table_.options.full_name() +
				 "\": " + first_refused_->message,
			 (first_refused_->document.empty()
				  ? ""
				  : "The document is " + first_refused_->document + ". ") +
				 "Of this statement, " + pg::plural(written_, "document", "documents") + " " +
				 done_ + " and " + std::to_string(refused_) +
				 " refused; a rollback does not undo what is " + done_ + ".");
}

std::string shown_json(const bson_t *document)
{
	std::string const json = local([&] { return mongo::relaxed_json(document); });
	return json.size() > kShownBytes ? clipped(json) + " ..." : json;
}

} // namespace reconcile::fdw
