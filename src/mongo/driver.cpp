/*-------------------------------------------------------------------------
 *
 * driver.cpp
 *	  The start of libmongoc in a process.
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/driver.hpp"

#include "mongo/error.hpp"
#include "mongo/port.hpp"

#include <cstdlib>
#include <cstring>
#include <link.h>

namespace reconcile::mongo {

static LogSink log_sink = nullptr;

void set_log_sink(LogSink sink) noexcept
{
	log_sink = sink;
}

/* pass_on hands a line of the driver's log to the sink. */
static void BSON_CALL pass_on(mongoc_log_level_t, const char *, const char *message, void *)
{
	if (log_sink != nullptr)
		log_sink(message);
}

/* is_documentdb recognizes a library of pg_documentdb by its file name. */
static int is_documentdb(struct dl_phdr_info *library, size_t, void *)
{
	return library->dlpi_name != nullptr && strstr(library->dlpi_name, "pg_documentdb") != nullptr;
}

void start_driver()
{
	/* pg_documentdb makes libbson allocate from PostgreSQL's memory contexts,
	 * for the whole process; memory of ours would vanish under the driver. */
	if (dl_iterate_phdr(is_documentdb, nullptr) != 0)
		throw Error(kUnsupported, "could not use MongoDB in a server that has loaded pg_documentdb",
					"Both use the same BSON library, and pg_documentdb changes how it "
					"allocates memory.",
					"Use a PostgreSQL server without pg_documentdb.");

	static bool started = false;
	if (started)
		return;
	/* Counters in shared memory would stay behind after a crash. */
	setenv("MONGOC_DISABLE_SHM", "1", 0);
	mongoc_init();
	mongoc_log_set_handler(pass_on, nullptr);
	started = true;
}

} // namespace reconcile::mongo
