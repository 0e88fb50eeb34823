/*-------------------------------------------------------------------------
 *
 * error.hpp
 *	  What can go wrong with MongoDB, in PostgreSQL's terms.
 *
 * The driver reports an error as a domain and a code; for an error of the
 * server the code is the server's.  One table translates both to an SQLSTATE.
 *
 * Depends on: driver.hpp.  Used by: all of src/mongo, src/fdw.
 *
 *-------------------------------------------------------------------------
 */
#pragma once

#include "mongo/driver.hpp"

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace reconcile::mongo {

/* Error is complete enough to become a good report: the message is one fact
 * in lower case, detail and hint are sentences or empty.  It never holds a
 * password. */
struct Error : std::runtime_error {
	Error(const char *sqlstate_, const std::string &message, std::string detail_ = {},
		  std::string hint_ = {})
		: std::runtime_error(message), sqlstate(sqlstate_), detail(std::move(detail_)),
		  hint(std::move(hint_))
	{
	}

	const char *sqlstate; /* five characters, never freed */
	std::string detail, hint;
};

/* Interrupted says that the port saw an interrupt: its host knows the reason
 * and raises it in place of this. */
struct Interrupted : std::exception {
	const char *what() const noexcept override { return "interrupted"; }
};

/* The SQLSTATEs that callers decide by. */
inline constexpr const char *kUnreachable = "08001";	/* no connection came about */
inline constexpr const char *kConnectionLost = "08006"; /* it broke, nothing is in doubt */
inline constexpr const char *kOutcomeUnknown = "08007"; /* it broke while writing */
inline constexpr std::string_view kNotLoggedIn = "28P01";
inline constexpr const char *kDamaged = "08P01"; /* the other side is no MongoDB */
inline constexpr const char *kUnsupported = "0A000";
inline constexpr const char *kInvalidOption = "HV00D"; /* no such option */
inline constexpr const char *kInvalidValue = "22023";

/* sqlstate_of returns the SQLSTATE for an error of the driver. */
const char *sqlstate_of(const bson_error_t &error);

/* sqlstate_of_server returns the SQLSTATE for a code of the server, as also
 * found in the write errors of a bulk. */
const char *sqlstate_of_server(int code);

/* sentence ends a text of the driver or the server with a period. */
std::string sentence(std::string text);

/* error_from makes an Error from what the driver reported; action says what
 * could not be done, as in 'could not read collection "app.teams"'. */
Error error_from(const bson_error_t &error, const std::string &action);

} // namespace reconcile::mongo
