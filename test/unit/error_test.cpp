/*-------------------------------------------------------------------------
 *
 * error_test.cpp
 *	  Every row of the table of errors.
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/error.hpp"

#include <gtest/gtest.h>

using namespace reconcile::mongo;

struct Row {
	uint32_t domain, code;
	const char *sqlstate;
};

static bson_error_t reported(uint32_t domain, uint32_t code, const char *message = "it broke")
{
	bson_error_t error;
	bson_set_error(&error, domain, code, "%s", message);
	return error;
}

TEST(Errors, OfTheDriver)
{
	Row const rows[] = {
		{MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_NAME_RESOLUTION, "08001"},
		{MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT, "08001"},
		{MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_SOCKET, "08006"},
		{MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_INVALID_STATE, "08006"},
		{MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_NOT_ESTABLISHED, "08006"},
		{MONGOC_ERROR_SERVER_SELECTION, MONGOC_ERROR_SERVER_SELECTION_FAILURE, "08001"},
		{MONGOC_ERROR_SERVER_SELECTION, MONGOC_ERROR_SERVER_SELECTION_BAD_WIRE_VERSION, "0A000"},
		{MONGOC_ERROR_SERVER_SELECTION, MONGOC_ERROR_PROTOCOL_BAD_WIRE_VERSION, "0A000"},
		{MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_AUTHENTICATE, "28P01"},
		{MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_GETNONCE, "28P01"},
		{MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_TOO_BIG, "54000"},
		{MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_NOT_READY, "HV000"},
		{MONGOC_ERROR_SCRAM, MONGOC_ERROR_SCRAM_PROTOCOL_ERROR, "28P01"},
		{MONGOC_ERROR_SASL, 1, "28P01"},
		{MONGOC_ERROR_PROTOCOL, MONGOC_ERROR_PROTOCOL_INVALID_REPLY, "08P01"},
		{MONGOC_ERROR_PROTOCOL, MONGOC_ERROR_PROTOCOL_BAD_WIRE_VERSION, "0A000"},
		{MONGOC_ERROR_CURSOR, MONGOC_ERROR_CURSOR_INVALID_CURSOR, "22023"},
		{MONGOC_ERROR_COMMAND, MONGOC_ERROR_COMMAND_INVALID_ARG, "22023"},
		{MONGOC_ERROR_BSON, MONGOC_ERROR_BSON_INVALID, "22P03"},
		{MONGOC_ERROR_NAMESPACE, MONGOC_ERROR_NAMESPACE_INVALID, "42602"},
		{MONGOC_ERROR_WRITE_CONCERN, 1, "08007"},
		{MONGOC_ERROR_WRITE_CONCERN, 100, "22023"},
		{MONGOC_ERROR_SERVER, 11000, "23505"},
		{MONGOC_ERROR_QUERY, 13, "42501"},
		{MONGOC_ERROR_SERVER, 1, "HV000"},
		{MONGOC_ERROR_TRANSACTION, 1, "HV000"},
	};
	for (const Row &row : rows)
		EXPECT_STREQ(sqlstate_of(reported(row.domain, row.code)), row.sqlstate)
			<< "domain " << row.domain << " code " << row.code;
}

TEST(Errors, OfTheServer)
{
	struct {
		int code;
		const char *sqlstate;
	} const rows[] = {
		{2, "22023"},	  {6, "58030"},		{7, "58030"},	  {9, "22023"},		{11, "28P01"},
		{13, "42501"},	  {14, "22023"},	{18, "28P01"},	  {24, "55P03"},	{26, "42P01"},
		{28, "22023"},	  {40, "22023"},	{43, "24000"},	  {50, "57014"},	{52, "22023"},
		{54, "22023"},	  {57, "22023"},	{59, "0A000"},	  {64, "08007"},	{66, "22023"},
		{72, "22023"},	  {73, "42602"},	{79, "22023"},	  {89, "58030"},	{91, "57P03"},
		{100, "22023"},	  {112, "40001"},	{115, "0A000"},	  {121, "23514"},	{146, "53200"},
		{166, "0A000"},	  {189, "57P03"},	{238, "0A000"},	  {262, "57014"},	{292, "53200"},
		{8000, "28P01"},  {9001, "58030"},	{10107, "57P03"}, {10334, "54000"}, {11000, "23505"},
		{11001, "23505"}, {11600, "57P03"}, {11601, "58030"}, {11602, "57P03"}, {12582, "23505"},
		{13435, "57P03"}, {13436, "57P03"}, {14031, "53100"}, {0, "HV000"},		{999999, "HV000"},
	};
	for (const auto &row : rows)
		EXPECT_STREQ(sqlstate_of_server(row.code), row.sqlstate) << "code " << row.code;
}

TEST(Errors, AreWrittenAsPostgresWritesThem)
{
	Error const error = error_from(reported(MONGOC_ERROR_SERVER, 13, "not authorized on app \n"),
								   "could not read collection \"app.teams\"");
	EXPECT_STREQ(error.what(), "could not read collection \"app.teams\"");
	EXPECT_EQ(error.detail, "MongoDB reports: not authorized on app.");
	EXPECT_STREQ(error.sqlstate, "42501");
}

TEST(Errors, SentencesEndOnce)
{
	EXPECT_EQ(sentence("no"), "no.");
	EXPECT_EQ(sentence("no."), "no.");
	EXPECT_EQ(sentence(""), "");
}
