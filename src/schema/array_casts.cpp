/*-------------------------------------------------------------------------
 *
 * array_casts.cpp
 *	  The casts of arrays in a printed definition, where the parser puts them.
 *
 *-------------------------------------------------------------------------
 */
#include "schema/array_casts.hpp"

#include <cctype>
#include <cstring>
#include <optional>

namespace reconcile::schema {

namespace {

constexpr size_t kNowhere = std::string::npos;

/* Cast is (ARRAY[elements])::type[] in a text. */
struct Cast {
	std::string elements, type;
	size_t end; /* what follows it */
};

bool has_at(const std::string &text, size_t at, const char *word)
{
	return text.compare(at, strlen(word), word) == 0;
}

/* after returns the place after a quoted string or name, or after a letter.  A
 * quote that is doubled ends one string and begins the next. */
size_t after(const std::string &text, size_t at)
{
	if (text[at] != '\'' && text[at] != '"')
		return at + 1;
	size_t const end = text.find(text[at], at + 1);
	return end == kNowhere ? text.size() : end + 1;
}

/* closing returns where the bracket at this place is closed. */
size_t closing(const std::string &text, size_t at)
{
	int depth = 0;
	for (; at < text.size(); at = after(text, at)) {
		if (text[at] == '(' || text[at] == '[')
			depth++;
		else if ((text[at] == ')' || text[at] == ']') && --depth == 0)
			return at;
	}
	return kNowhere;
}

/* end_of_type returns where the name of an array type ends that begins here,
 * before its brackets, or nowhere when it is none.  Key words are printed in
 * capitals: a name has them in quotes only. */
size_t end_of_type(const std::string &text, size_t at)
{
	for (; at < text.size() && !has_at(text, at, "[]"); at = after(text, at)) {
		auto const letter = static_cast<unsigned char>(text[at]);
		if (letter == '(') { /* the length, as in varchar(10) */
			at = closing(text, at);
			if (at == kNowhere)
				return kNowhere;
		} else if (isupper(letter) ||
				   (letter < 0x80 && !isalnum(letter) && strchr("_$ .\"", letter) == nullptr))
			return kNowhere;
	}
	return at < text.size() ? at : kNowhere;
}

std::optional<Cast> cast_at(const std::string &text, size_t at)
{
	constexpr size_t kBracket = sizeof("(ARRAY") - 1, kBehind = sizeof("])::") - 1;
	if (!has_at(text, at, "(ARRAY["))
		return std::nullopt;
	size_t const close = closing(text, at + kBracket);
	if (close == kNowhere || !has_at(text, close, "])::"))
		return std::nullopt;
	size_t const type = close + kBehind, end = end_of_type(text, type);
	if (end == kNowhere)
		return std::nullopt;
	return Cast{text.substr(at + kBracket + 1, close - at - kBracket - 1),
				text.substr(type, end - type), end + strlen("[]")};
}

/* cast_elements prints an array constructor whose elements are cast. */
std::string cast_elements(const std::string &elements, const std::string &type)
{
	std::string result = "ARRAY[";
	for (size_t at = 0; at < elements.size();) {
		size_t end = at;
		while (end < elements.size() && elements[end] != ',')
			end = elements[end] == '(' || elements[end] == '[' ? closing(elements, end) + 1
															   : after(elements, end);
		std::string const element = elements.substr(at, end - at);
		bool const nested =
			has_at(element, 0, "ARRAY[") && closing(element, strlen("ARRAY")) == element.size() - 1;
		result +=
			nested ? cast_elements(
						 element.substr(strlen("ARRAY["), element.size() - strlen("ARRAY[]")), type)
				   : "(" + settled_array_casts(element) + ")::" + type;
		if (end < elements.size()) {
			result += ", ";
			end = elements.find_first_not_of(' ', end + 1);
		}
		at = end;
	}
	return result + "]";
}

} // namespace

bool may_have_array_cast(const char *text)
{
	return strstr(text, "])::") != nullptr;
}

std::string settled_array_casts(const std::string &text)
{
	std::string result;
	for (size_t at = 0; at < text.size();) {
		if (auto const cast = cast_at(text, at)) {
			result += cast_elements(cast->elements, cast->type);
			at = cast->end;
			continue;
		}
		size_t const next = after(text, at);
		result.append(text, at, next - at);
		at = next;
	}
	return result;
}

} // namespace reconcile::schema
