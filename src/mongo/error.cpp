/*-------------------------------------------------------------------------
 *
 * error.cpp
 *	  The table from MongoDB's errors to SQLSTATEs.
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/error.hpp"

#include <string_view>

namespace reconcile::mongo {

namespace {

struct ServerError {
	int code;
	const char *sqlstate;
};

/* The server's codes that mean something to a caller; names as in MongoDB. */
constexpr ServerError kServerErrors[] = {
	{2, "22023"},	  /* BadValue */
	{6, "58030"},	  /* HostUnreachable: a server behind the one we talk to */
	{7, "58030"},	  /* HostNotFound */
	{9, "22023"},	  /* FailedToParse */
	{11, "28P01"},	  /* UserNotFound */
	{13, "42501"},	  /* Unauthorized */
	{14, "22023"},	  /* TypeMismatch */
	{18, "28P01"},	  /* AuthenticationFailed */
	{24, "55P03"},	  /* LockTimeout */
	{26, "42P01"},	  /* NamespaceNotFound */
	{28, "22023"},	  /* PathNotViable */
	{40, "22023"},	  /* ConflictingUpdateOperators */
	{43, "24000"},	  /* CursorNotFound: idle for too long */
	{50, "57014"},	  /* MaxTimeMSExpired: set from the caller's own timeout */
	{52, "22023"},	  /* DollarPrefixedFieldName */
	{54, "22023"},	  /* NotSingleValueField */
	{57, "22023"},	  /* DottedFieldName */
	{59, "0A000"},	  /* CommandNotFound */
	{64, "08007"},	  /* WriteConcernFailed: written, may be rolled back */
	{66, "22023"},	  /* ImmutableField */
	{72, "22023"},	  /* InvalidOptions */
	{73, "42602"},	  /* InvalidNamespace */
	{79, "22023"},	  /* UnknownReplWriteConcern */
	{89, "58030"},	  /* NetworkTimeout */
	{91, "57P03"},	  /* ShutdownInProgress */
	{100, "22023"},	  /* UnsatisfiableWriteConcern */
	{112, "40001"},	  /* WriteConflict */
	{115, "0A000"},	  /* CommandNotSupported */
	{121, "23514"},	  /* DocumentValidationFailure */
	{146, "53200"},	  /* ExceededMemoryLimit */
	{166, "0A000"},	  /* CommandNotSupportedOnView */
	{189, "57P03"},	  /* PrimarySteppedDown */
	{238, "0A000"},	  /* NotImplemented */
	{262, "57014"},	  /* ExceededTimeLimit */
	{292, "53200"},	  /* QueryExceededMemoryLimitNoDiskUseAllowed */
	{8000, "28P01"},  /* AtlasError: its most frequent cause */
	{9001, "58030"},  /* SocketException */
	{10107, "57P03"}, /* NotWritablePrimary */
	{10334, "54000"}, /* BSONObjectTooLarge */
	{11000, "23505"}, /* DuplicateKey */
	{11001, "23505"}, /* the same from an update, on old servers */
	{11600, "57P03"}, /* InterruptedAtShutdown */
	{11601, "58030"}, /* Interrupted: killed on the server */
	{11602, "57P03"}, /* InterruptedDueToReplStateChange */
	{12582, "23505"}, /* the same from a shard */
	{13435, "57P03"}, /* NotPrimaryNoSecondaryOk */
	{13436, "57P03"}, /* NotPrimaryOrSecondary */
	{14031, "53100"}, /* OutOfDiskSpace */
};

struct DriverError {
	uint32_t domain;
	uint32_t code; /* 0: every other of the domain */
	const char *sqlstate;
};

/* The driver's own errors.  What is not here is a plain HV000. */
constexpr DriverError kDriverErrors[] = {
	{MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_NAME_RESOLUTION, kUnreachable},
	{MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT, kUnreachable},
	{MONGOC_ERROR_STREAM, 0, kConnectionLost},
	{MONGOC_ERROR_SERVER_SELECTION, MONGOC_ERROR_PROTOCOL_BAD_WIRE_VERSION, kUnsupported},
	{MONGOC_ERROR_SERVER_SELECTION, MONGOC_ERROR_SERVER_SELECTION_BAD_WIRE_VERSION, kUnsupported},
	{MONGOC_ERROR_SERVER_SELECTION, 0, kUnreachable},
	{MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_AUTHENTICATE, "28P01"},
	{MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_GETNONCE, "28P01"},
	{MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_TOO_BIG, "54000"},
	{MONGOC_ERROR_SCRAM, 0, "28P01"},
	{MONGOC_ERROR_SASL, 0, "28P01"},
	{MONGOC_ERROR_PROTOCOL, MONGOC_ERROR_PROTOCOL_BAD_WIRE_VERSION, kUnsupported},
	{MONGOC_ERROR_PROTOCOL, 0, "08P01"},
	{MONGOC_ERROR_CURSOR, 0, kInvalidValue},
	{MONGOC_ERROR_COMMAND, 0, kInvalidValue},
	{MONGOC_ERROR_BSON, 0, "22P03"},
	{MONGOC_ERROR_NAMESPACE, 0, "42602"},
	{MONGOC_ERROR_WRITE_CONCERN, 0, kOutcomeUnknown},
};

} // namespace

const char *sqlstate_of_server(int code)
{
	for (const ServerError &row : kServerErrors)
		if (row.code == code)
			return row.sqlstate;
	return "HV000";
}

const char *sqlstate_of(const bson_error_t &error)
{
	/* The server's codes appear under these domains. */
	if (error.domain == MONGOC_ERROR_SERVER || error.domain == MONGOC_ERROR_QUERY ||
		error.domain == MONGOC_ERROR_WRITE_CONCERN)
		if (const char *known = sqlstate_of_server(static_cast<int>(error.code));
			std::string_view(known) != "HV000")
			return known;
	for (const DriverError &row : kDriverErrors)
		if (row.domain == error.domain && (row.code == error.code || row.code == 0))
			return row.sqlstate;
	return "HV000";
}

std::string sentence(std::string text)
{
	while (!text.empty() && (text.back() == ' ' || text.back() == '\n'))
		text.pop_back();
	if (text.empty())
		return text;
	if (text.back() != '.')
		text += '.';
	return text;
}

Error error_from(const bson_error_t &error, const std::string &action)
{
	return Error(sqlstate_of(error), action, "MongoDB reports: " + sentence(error.message));
}

} // namespace reconcile::mongo
