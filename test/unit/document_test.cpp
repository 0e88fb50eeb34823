/*-------------------------------------------------------------------------
 *
 * document_test.cpp
 *	  Documents built field by field.
 *
 *-------------------------------------------------------------------------
 */
#include "mongo/document.hpp"
#include "mongo/error.hpp"

#include <gtest/gtest.h>

using namespace reconcile::mongo;

template <class F> static std::string sqlstate_thrown(F &&f)
{
	try {
		f();
		return "";
	} catch (const Error &error) {
		return error.sqlstate;
	}
}

TEST(Documents, HoldEveryType)
{
	bson_oid_t id;
	bson_oid_init_from_string(&id, "0123456789abcdef01234567");
	bson_decimal128_t decimal;
	bson_decimal128_from_string("1.50", &decimal);
	Document inner, list, all;
	inner.string("k", std::string_view("a\0b", 3));
	ArrayKeys keys;
	list.int32(keys.next(), 7).int32(keys.next(), 8);
	all.object_id("_id", id).null("n").boolean("b", true).int32("i", -1).int64("l", 1LL << 40);
	all.number("d", 1.5).decimal("m", decimal).date("t", 0).document("o", inner.get());
	all.array("a", list.get()).binary("x", BSON_SUBTYPE_BINARY, "hi");
	EXPECT_EQ(
		relaxed_json(all.get()),
		R"({ "_id" : { "$oid" : "0123456789abcdef01234567" }, "n" : null, "b" : true, "i" : -1,)"
		R"( "l" : 1099511627776, "d" : 1.5, "m" : { "$numberDecimal" : "1.50" },)"
		R"( "t" : { "$date" : "1970-01-01T00:00:00Z" }, "o" : { "k" : "a\u0000b" },)"
		R"( "a" : [ 7, 8 ], "x" : { "$binary" : { "base64" : "aGk=", "subType" : "00" } } })");
}

TEST(Documents, CopyFieldsOfOthers)
{
	Document const from = Document::from_json(R"({"a": {"$numberDecimal": "1"}})");
	bson_iter_t field;
	ASSERT_TRUE(bson_iter_init_find(&field, from.get(), "a"));
	Document to;
	to.copy("b", field);
	EXPECT_EQ(relaxed_json(to.get()), R"({ "b" : { "$numberDecimal" : "1" } })");
}

TEST(Documents, RefuseWhatWouldNotArrive)
{
	Document d;
	EXPECT_EQ(sqlstate_thrown([&] { d.int32(std::string_view("a\0b", 3), 1); }), "22021");
	EXPECT_EQ(sqlstate_thrown([&] { d.string("s", std::string(kMaxDocumentBytes, 'x')); }),
			  "54000");
	EXPECT_EQ(sqlstate_thrown([] { Document::from_json("{"); }), "22P02");
	EXPECT_EQ(sqlstate_thrown([] { Document::from_json("{\"a\": {\"$oid\": \"1\"}}"); }), "22P02");
	EXPECT_EQ(sqlstate_thrown([] { Document::from_json(""); }), "22P02");
}

TEST(Documents, AreMovedAndCleared)
{
	Document a;
	a.int32("x", 1);
	Document b = std::move(a);
	EXPECT_FALSE(b.empty());
	b.clear();
	EXPECT_TRUE(b.empty());
	b = Document::from_json("{\"y\": 1}");
	EXPECT_FALSE(b.empty());
}
