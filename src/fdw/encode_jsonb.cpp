/*-------------------------------------------------------------------------
 *
 * encode_jsonb.cpp
 *	  jsonb as values of MongoDB.
 *
 *-------------------------------------------------------------------------
 */
#include "fdw/encode.hpp"
#include "fdw/numbers.hpp"

extern "C" {
#include "mb/pg_wchar.h"
#include "utils/jsonb.h"
}

namespace reconcile::fdw {

namespace {

/* Names that make an object of one field extended JSON. */
constexpr std::string_view kExtended[] = {
	"$oid",			 "$date",		   "$numberInt", "$numberLong",
	"$numberDouble", "$numberDecimal", "$binary",	 "$regularExpression",
	"$timestamp",	 "$code",		   "$symbol",	 "$minKey",
	"$maxKey",		 "$dbPointer",	   "$undefined", "$uuid"};

void append(mongo::Document &into, std::string_view name, JsonbValue *value);

std::string_view utf8_of_string(const JsonbValue &value)
{
	char *text = value.val.string.val;
	int const length = value.val.string.len;
	char *utf8 = pg::call([&] { return pg_server_to_any(text, length, PG_UTF8); });
	return {utf8,
			utf8 == text ? static_cast<size_t>(length) : std::char_traits<char>::length(utf8)};
}

/* Walk visits the fields of an object or the elements of an array. */
class Walk {
public:
	explicit Walk(JsonbContainer *container)
		: iterator_(pg::call([&] { return JsonbIteratorInit(container); }))
	{
		step();
	}

	/* next goes on; an object's field has a name. */
	bool next()
	{
		JsonbIteratorToken token = step();
		if (token == WJB_KEY) {
			name = utf8_of_string(value);
			token = step();
		}
		return token == WJB_VALUE || token == WJB_ELEM;
	}

	std::string_view name;
	JsonbValue value;

private:
	JsonbIteratorToken step()
	{
		return pg::call([&] { return JsonbIteratorNext(&iterator_, &value, true); });
	}

	JsonbIterator *iterator_;
};

/* is_extended tells whether an object stands for another value. */
bool is_extended(JsonbContainer *object)
{
	if (JsonContainerSize(object) < 1 || JsonContainerSize(object) > 2)
		return false;
	Walk field(object);
	field.next();
	if (JsonContainerSize(object) == 2) { /* shorter names come first */
		std::string_view const first = field.name;
		return first == "$code" && field.next() && field.name == "$scope";
	}
	for (std::string_view known : kExtended)
		if (field.name == known)
			return true;
	return false;
}

/* append_extended has the driver read extended JSON, except for the form that
 * is by far the most frequent. */
void append_extended(mongo::Document &into, std::string_view name, JsonbContainer *object, int size)
{
	Walk field(object);
	bson_oid_t oid;
	field.next();
	if (field.name == "$oid" && field.value.type == jbvString &&
		object_id_from(
			{field.value.val.string.val, static_cast<size_t>(field.value.val.string.len)}, &oid)) {
		into.object_id(name, oid);
		return;
	}
	char *text = pg::call([&] {
		char *json = JsonbToCString(nullptr, object, size);
		return pg_server_to_any(json, static_cast<int>(strlen(json)), PG_UTF8);
	});
	mongo::Document const parsed =
		local([&] { return mongo::Document::from_json("{\"v\":" + std::string(text) + "}"); });
	bson_iter_t found;
	if (bson_iter_init_find(&found, parsed.get(), "v"))
		into.copy(name, found);
}

void append_container(mongo::Document &into, std::string_view name, JsonbContainer *container,
					  int size)
{
	pg::call([] {
		check_stack_depth();
		CHECK_FOR_INTERRUPTS();
	});
	mongo::Document nested;
	Walk walk(container);
	if (JsonContainerIsArray(container)) {
		mongo::ArrayKeys keys;
		while (walk.next())
			append(nested, keys.next(), &walk.value);
		into.array(name, nested.get());
	} else if (is_extended(container)) {
		append_extended(into, name, container, size);
	} else {
		while (walk.next())
			append(nested, walk.name, &walk.value);
		into.document(name, nested.get());
	}
}

void append(mongo::Document &into, std::string_view name, JsonbValue *value)
{
	switch (value->type) {
	case jbvNull:
		into.null(name);
		break;
	case jbvBool:
		into.boolean(name, value->val.boolean);
		break;
	case jbvString:
		into.string(name, utf8_of_string(*value));
		break;
	case jbvNumeric:
		append_number_of_json(into, name, NumericGetDatum(value->val.numeric));
		break;
	case jbvBinary:
		append_container(into, name, value->val.binary.data, value->val.binary.len);
		break;
	default:
		pg::fail(ERRCODE_INTERNAL_ERROR, "unexpected kind of jsonb value");
	}
}

Jsonb *detoasted(Datum jsonb)
{
	return pg::call([&] { return DatumGetJsonbP(jsonb); });
}

} // namespace

void append_jsonb(mongo::Document &into, std::string_view name, Datum datum)
{
	Jsonb *jsonb = detoasted(datum);
	if (!JB_ROOT_IS_SCALAR(jsonb)) {
		append_container(into, name, &jsonb->root, static_cast<int>(VARSIZE(jsonb)));
		return;
	}
	Walk scalar(&jsonb->root);
	scalar.next();
	append(into, name, &scalar.value);
}

bool jsonb_number(Datum datum, Datum *numeric)
{
	Jsonb *jsonb = detoasted(datum);
	if (!JB_ROOT_IS_SCALAR(jsonb))
		return false;
	Walk scalar(&jsonb->root);
	scalar.next();
	if (scalar.value.type != jbvNumeric)
		return false;
	*numeric = NumericGetDatum(scalar.value.val.numeric);
	return true;
}

bool jsonb_has_field(Datum datum, std::string_view name)
{
	Jsonb *jsonb = detoasted(datum);
	return pg::call([&] {
		return JB_ROOT_IS_OBJECT(jsonb) &&
			   getKeyJsonValueFromContainer(&jsonb->root, name.data(),
											static_cast<int>(name.size()), nullptr) != nullptr;
	});
}

} // namespace reconcile::fdw
