/*-------------------------------------------------------------------------
 *
 * documents.cpp
 *	  A libFuzzer target: bytes as answers and as documents, read into rows.
 *
 * It runs inside a backend, so that all of PostgreSQL that a conversion calls
 * is the real one.  The first byte of an input chooses what the rest is:
 *
 *	even	the fields of a document, which is read as a row of each table
 *	odd		an answer of a server, as the driver would be given it
 *
 *	fuzz_documents(tables regclass[], arguments text[])
 *
 * The arguments are those of libFuzzer, which ends the process when it is done.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/decode.hpp"
#include "mongo/document.hpp"
#include "mongo/reply.hpp"
#include "pg/boundary.hpp"
#include "pg/text.hpp"

extern "C" {
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/rel.h"

PG_MODULE_MAGIC;

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));
}

#include <cstring>
#include <memory>
#include <string>
#include <vector>

using namespace reconcile;

namespace {

/* Reader is one table, open for the whole run. */
struct Reader {
	explicit Reader(Oid relation)
		: table(fdw::opened_table_of(relation)), columns(all_of(table)), decoder(table, columns),
		  slot(pg::call([&] {
			  Relation opened = RelationIdGetRelation(relation);
			  return MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(opened)),
											  &TTSOpsVirtual);
		  }))
	{
	}

	static std::vector<AttrNumber> all_of(const fdw::Table &table)
	{
		std::vector<AttrNumber> columns;
		for (const fdw::Column &column : table.columns)
			columns.push_back(column.number);
		return columns;
	}

	fdw::Table const table;
	std::vector<AttrNumber> const columns;
	fdw::Decoder decoder;
	TupleTableSlot *const slot;
};

std::vector<std::unique_ptr<Reader>> *readers;
MemoryContext of_input;

/* harmless runs what may raise an error, which is no finding. */
template <class F> void harmless(F &&f)
{
	try {
		f();
	} catch (const pg::PgError &error) {
		if (error.home != nullptr)
			MemoryContextDelete(error.home);
	} catch (const pg::Error &) {
	} catch (const mongo::Error &) {
	}
}

/* read_document frames the fields and reads them in every way. */
void read_document(const uint8_t *fields, size_t size)
{
	std::vector<uint8_t> framed(size + 5, 0);
	uint32_t const length = BSON_UINT32_TO_LE(static_cast<uint32_t>(framed.size()));
	std::memcpy(framed.data(), &length, sizeof length);
	if (size > 0)
		std::memcpy(framed.data() + 4, fields, size);
	bson_t document;
	if (!bson_init_static(&document, framed.data(), framed.size()))
		return;
	for (auto &reader : *readers)
		harmless([&] {
			if (!reader->decoder.row(&document, reader->slot))
				return;
			pg::call([&] {
				HeapTuple tuple =
					heap_form_tuple(reader->slot->tts_tupleDescriptor, reader->slot->tts_values,
									reader->slot->tts_isnull);
				heap_freetuple(tuple);
			});
		});
}

/* read_answer looks at a message as checked_stream.cpp does, of either kind. */
void read_answer(const uint8_t *message, size_t size)
{
	if (size <= mongo::kHeaderBytes)
		return;
	std::vector<uint8_t> const body(message + mongo::kHeaderBytes, message + size);
	std::vector<uint8_t> header(message, message + mongo::kHeaderBytes);
	for (int32_t kind : {mongo::kMessage, mongo::kLegacyReply}) {
		int32_t const number = BSON_UINT32_TO_LE(kind);
		std::memcpy(header.data() + 12, &number, sizeof number);
		mongo::is_sound(header.data(), body.data(), body.size(), kind);
	}
}

int run_input(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	MemoryContext const before = MemoryContextSwitchTo(of_input);
	if (data[0] % 2 == 0)
		read_document(data + 1, size - 1);
	else
		read_answer(data + 1, size - 1);
	MemoryContextSwitchTo(before);
	MemoryContextReset(of_input);
	return 0;
}

std::vector<Datum> elements_of(Datum array, Oid type, bool by_value, char align, int length)
{
	Datum *values;
	int count;
	pg::call([&] {
		deconstruct_array(DatumGetArrayTypeP(array), type, length, by_value, align, &values,
						  nullptr, &count);
	});
	return std::vector<Datum>(values, values + count);
}

} // namespace

RECONCILE_FUNCTION(reconcile_fuzz_documents)
{
	readers = new std::vector<std::unique_ptr<Reader>>;
	for (Datum relation : elements_of(PG_GETARG_DATUM(0), REGCLASSOID, true, TYPALIGN_INT, 4)) {
		pg::call([&] { LockRelationOid(DatumGetObjectId(relation), AccessShareLock); });
		readers->push_back(std::make_unique<Reader>(DatumGetObjectId(relation)));
	}
	static std::vector<std::string> words{"fuzz_documents"};
	for (Datum word : elements_of(PG_GETARG_DATUM(1), TEXTOID, false, TYPALIGN_INT, -1))
		words.push_back(pg::text_of(word));
	static std::vector<char *> arguments;
	for (std::string &word : words)
		arguments.push_back(word.data());
	arguments.push_back(nullptr);
	of_input = pg::call(
		[] { return AllocSetContextCreate(TopMemoryContext, "input", ALLOCSET_DEFAULT_SIZES); });
	int count = static_cast<int>(words.size());
	char **start = arguments.data();
	PG_RETURN_INT32(LLVMFuzzerRunDriver(&count, &start, run_input));
}
