/* json_read - JSON text to msgpack objects: the one file in C++, for the sake of simdjson.
 *
 * In: text from the network, not to be trusted. Out: a tree in the caller's zone that shares
 * nothing with the text. State: the parser's buffers, kept between calls up to KEEP_BYTES of text.
 *
 * Why not json-c, which writes our JSON: its tree silently keeps the last of repeated keys and cuts
 * a key at its first NUL, so two readers of one event could see different events, and the tree does
 * not show it any more. And this is the dearest step of the accept path: a 460-byte event takes
 * json-c (strict, UTF-8 checked) 4.4 us to a msgpack tree, this file 0.57 us: 7.7 times less. */
#include "error.h"
#include "json.h"
#include "json_mend.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include <simdjson.h>

namespace dom = simdjson::dom;
namespace ondemand = simdjson::ondemand;

/* A longer text has its buffers, about 15 bytes for each of its own, given back afterwards. */
static constexpr size_t KEEP_BYTES = 1 << 20;

/* Up to here comparing every two keys is cheaper than sorting. */
static constexpr uint32_t FEW_KEYS = 12;

struct json_reader {
	dom::parser parser;
	bool starved; /* the last text was refused for want of memory */
};

namespace
{

struct walk {
	msgpack_zone *zone;
	struct error *why;
	bool *starved;
};

bool read_value(const walk &w, dom::element from, unsigned depth, msgpack_object *to) noexcept;

bool
refuse(struct error *why, const char *what) noexcept
{
	return error_set(why, "not JSON: %s", what);
}

bool
no_memory(const walk &w) noexcept
{
	*w.starved = true;
	return error_set(w.why, "out of memory for a JSON text");
}

const char *
cause(simdjson::error_code code) noexcept
{
	switch (code) {
	case simdjson::EMPTY:
		return "it is empty";
	case simdjson::TAPE_ERROR:
		return "a comma, colon, key, quote or bracket is missing or too many, or the text is cut";
	case simdjson::NUMBER_ERROR:
	case simdjson::NUMBER_OUT_OF_RANGE:
		return "a number is malformed";
	case simdjson::STRING_ERROR:
		return "a string holds a bad escape";
	case simdjson::UNESCAPED_CHARS:
		return "a string holds an unescaped control character";
	case simdjson::UNCLOSED_STRING:
		return "a string is not closed";
	case simdjson::UTF8_ERROR:
		return "it is not valid UTF-8";
	case simdjson::T_ATOM_ERROR:
	case simdjson::F_ATOM_ERROR:
	case simdjson::N_ATOM_ERROR:
		return "a word other than true, false and null";
	case simdjson::CAPACITY:
		return "it is too long";
	default:
		return simdjson::error_message(code);
	}
}

bool
read_text(const walk &w, std::string_view from, msgpack_object *to) noexcept
{
	char *copy = static_cast<char *>(msgpack_zone_malloc_no_align(w.zone, from.size() + 1));

	if (!copy)
		return no_memory(w);
	memcpy(copy, from.data(), from.size());
	to->type = MSGPACK_OBJECT_STR;
	to->via.str.ptr = copy;
	to->via.str.size = static_cast<uint32_t>(from.size());
	return true;
}

int
compare_keys(const msgpack_object_kv &a, const msgpack_object_kv &b) noexcept
{
	const msgpack_object_str &x = a.key.via.str, &y = b.key.via.str;

	if (x.size != y.size)
		return x.size < y.size ? -1 : 1;
	return memcmp(x.ptr, y.ptr, x.size);
}

bool
refuse_repeated(const walk &w, const msgpack_object_kv &pair) noexcept
{
	const int n = static_cast<int>(std::min<uint32_t>(pair.key.via.str.size, 64));

	return error_set(w.why, "not JSON: the key \"%.*s\" is repeated", n, pair.key.via.str.ptr);
}

bool
few_keys_differ(const walk &w, const msgpack_object_map &map) noexcept
{
	for (uint32_t i = 1; i < map.size; i++)
		for (uint32_t k = 0; k < i; k++)
			if (compare_keys(map.ptr[i], map.ptr[k]) == 0)
				return refuse_repeated(w, map.ptr[i]);
	return true;
}

bool
many_keys_differ(const walk &w, const msgpack_object_map &map) noexcept
{
	using place = const msgpack_object_kv *;
	std::unique_ptr<place[]> sorted(new (std::nothrow) place[map.size]);

	if (!sorted)
		return no_memory(w);
	for (uint32_t i = 0; i < map.size; i++)
		sorted[i] = &map.ptr[i];
	std::sort(sorted.get(), sorted.get() + map.size,
		[](place a, place b) { return compare_keys(*a, *b) < 0; });
	for (uint32_t i = 1; i < map.size; i++)
		if (compare_keys(*sorted[i - 1], *sorted[i]) == 0)
			return refuse_repeated(w, *sorted[i]);
	return true;
}

/* size() of simdjson's containers stops counting at 24 bits. */
template <typename container>
size_t
count(const container &c) noexcept
{
	size_t n = c.size();

	if (n < 0xFFFFFF)
		return n;
	n = 0;
	for (auto it = c.begin(); it != c.end(); ++it)
		n++;
	return n;
}

template <typename item>
item *
make_items(const walk &w, size_t n) noexcept
{
	return static_cast<item *>(msgpack_zone_malloc(w.zone, (n + 1) * sizeof(item)));
}

bool
read_map(const walk &w, const dom::object &from, unsigned depth, msgpack_object *to) noexcept
{
	const size_t n = count(from);
	msgpack_object_kv *pair = make_items<msgpack_object_kv>(w, n);

	if (!pair)
		return no_memory(w);
	to->type = MSGPACK_OBJECT_MAP;
	to->via.map.ptr = pair;
	to->via.map.size = static_cast<uint32_t>(n);
	for (auto it = from.begin(); it != from.end(); ++it, ++pair) {
		if (memchr(it.key().data(), 0, it.key().size()))
			return refuse(w.why, "a key holds a NUL");
		if (!read_text(w, it.key(), &pair->key) ||
			!read_value(w, it.value(), depth, &pair->val))
			return false;
	}
	return n <= FEW_KEYS ? few_keys_differ(w, to->via.map) : many_keys_differ(w, to->via.map);
}

bool
read_array(const walk &w, const dom::array &from, unsigned depth, msgpack_object *to) noexcept
{
	const size_t n = count(from);
	msgpack_object *item = make_items<msgpack_object>(w, n);

	if (!item)
		return no_memory(w);
	to->type = MSGPACK_OBJECT_ARRAY;
	to->via.array.ptr = item;
	to->via.array.size = static_cast<uint32_t>(n);
	for (dom::element e : from)
		if (!read_value(w, e, depth, item++))
			return false;
	return true;
}

void
read_int(int64_t n, msgpack_object *to) noexcept
{
	to->type = n < 0 ? MSGPACK_OBJECT_NEGATIVE_INTEGER : MSGPACK_OBJECT_POSITIVE_INTEGER;
	to->via.i64 = n;
}

/* depth: containers around this value. */
bool
read_value(const walk &w, dom::element from, unsigned depth, msgpack_object *to) noexcept
{
	const dom::element_type type = from.type();

	if (depth == JSON_DEPTH_MAX &&
		(type == dom::element_type::OBJECT || type == dom::element_type::ARRAY))
		return error_set(w.why, "not JSON: nested over %d levels", JSON_DEPTH_MAX);
	switch (type) {
	case dom::element_type::OBJECT:
		return read_map(w, from.get_object().value_unsafe(), depth + 1, to);
	case dom::element_type::ARRAY:
		return read_array(w, from.get_array().value_unsafe(), depth + 1, to);
	case dom::element_type::STRING:
		return read_text(w, from.get_string().value_unsafe(), to);
	case dom::element_type::INT64:
		read_int(from.get_int64().value_unsafe(), to);
		return true;
	case dom::element_type::UINT64:
		to->type = MSGPACK_OBJECT_POSITIVE_INTEGER;
		to->via.u64 = from.get_uint64().value_unsafe();
		return true;
	case dom::element_type::DOUBLE:
		to->type = MSGPACK_OBJECT_FLOAT64;
		to->via.f64 = from.get_double().value_unsafe();
		return true;
	case dom::element_type::BOOL:
		to->type = MSGPACK_OBJECT_BOOLEAN;
		to->via.boolean = from.get_bool().value_unsafe();
		return true;
	case dom::element_type::NULL_VALUE:
		to->type = MSGPACK_OBJECT_NIL;
		return true;
	}
	return refuse(w.why, "a value of no known type");
}

/* The parser's depth limit is one more than ours, which then gives the clearer error. */
bool
prepare(dom::parser *parser) noexcept
{
	return parser->allocate(4096, JSON_DEPTH_MAX + 1) == simdjson::SUCCESS;
}

/* What simdjson says of half a surrogate pair, and of a number beyond 64 bits, among others. */
bool
may_be_mended(simdjson::error_code code) noexcept
{
	return code == simdjson::STRING_ERROR || code == simdjson::NUMBER_ERROR ||
	       code == simdjson::NUMBER_OUT_OF_RANGE;
}

/* The tree is the parser's own: it needs the text no more. */
simdjson::error_code
parse(json_reader *reader, struct slice text, dom::element *root) noexcept
{
	simdjson::error_code code = reader->parser.parse(text.p ? text.p : "", text.n).get(*root);
	bool starved;

	if (!may_be_mended(code))
		return code;
	const struct slice mended = json_mend(text, &starved);
	if (starved)
		return simdjson::MEMALLOC;
	if (mended.p)
		code = reader->parser.parse(mended.p, mended.n).get(*root);
	free(const_cast<char *>(mended.p));
	return code;
}

bool
read_text_value(json_reader *reader, struct slice text, msgpack_zone *zone, msgpack_object *out,
	struct error *why) noexcept
{
	const walk w = {zone, why, &reader->starved};
	dom::element root;
	simdjson::error_code code = parse(reader, text, &root);

	*w.starved = code == simdjson::MEMALLOC;
	if (*w.starved)
		return no_memory(w);
	if (code == simdjson::DEPTH_ERROR)
		return error_set(why, "not JSON: nested over %d levels", JSON_DEPTH_MAX);
	return code ? refuse(why, cause(code)) : read_value(w, root, 0, out);
}

/* A batch whose items are read one by one. */
struct apart {
	json_reader *reader;
	msgpack_zone *zone;
	const char *text, *copy;
};

/* A copy of text in which items can be told apart: all structure of JSON's is ASCII, so bytes that
 * are no UTF-8 need not hide it. Without data when memory is short. */
simdjson::padded_string
in_ascii(struct slice text) noexcept
{
	simdjson::padded_string copy(text.p, text.n);

	if (copy.data())
		std::replace_if(
			copy.data(), copy.data() + copy.size(),
			[](char c) { return (c & 0x80) != 0; }, '?');
	return copy;
}

/* One item of a batch, found in the copy and read from the text; nil where it is no object, or one
 * that cannot be read. False when it has no end, or memory is short. */
bool
read_item(const apart &batch, ondemand::value item, msgpack_object *to) noexcept
{
	ondemand::json_type type;
	ondemand::object object;
	std::string_view raw;

	to->type = MSGPACK_OBJECT_NIL;
	if (item.type().get(type))
		return false;
	if (type != ondemand::json_type::object)
		return true;
	if (item.get_object().get(object) || object.raw_json().get(raw))
		return false;
	if (read_text_value(batch.reader, {batch.text + (raw.data() - batch.copy), raw.size()},
		    batch.zone, to, nullptr))
		return true;
	to->type = MSGPACK_OBJECT_NIL;
	return !batch.reader->starved;
}

/* False when an item, or what stands between two of them, is not to be made out. In a broken text
 * there may be more of them than were counted. */
bool
read_items(const apart &batch, ondemand::array from, size_t room, msgpack_object_array *to) noexcept
{
	for (auto each : from) {
		ondemand::value item;

		if (to->size == room || each.get(item) ||
			!read_item(batch, item, &to->ptr[to->size++]))
			return false;
	}
	return true;
}

bool
any_object(const msgpack_object_array &items) noexcept
{
	return std::any_of(items.ptr, items.ptr + items.size,
		[](const msgpack_object &item) { return item.type == MSGPACK_OBJECT_MAP; });
}

/* An array whose items are read one by one, for as a whole it was refused. */
bool
read_apart(json_reader *reader, struct slice text, msgpack_zone *zone, msgpack_object *out) noexcept
{
	const simdjson::padded_string copy = in_ascii(text);
	const apart batch = {reader, zone, text.p, copy.data()};
	ondemand::parser parser;
	ondemand::document document;
	ondemand::array array;
	size_t n;

	if (!copy.data() || parser.iterate(copy).get(document) || document.get_array().get(array) ||
		array.count_elements().get(n))
		return false;
	out->type = MSGPACK_OBJECT_ARRAY;
	out->via.array.size = 0;
	out->via.array.ptr = static_cast<msgpack_object *>(
		msgpack_zone_malloc(zone, (n + 1) * sizeof(msgpack_object)));
	return out->via.array.ptr && read_items(batch, array, n, &out->via.array) &&
	       document.current_location().error() == simdjson::OUT_OF_BOUNDS &&
	       any_object(out->via.array);
}

/* Where an item stands in the copy; empty when it is not to be made out. */
std::string_view
raw_item(ondemand::value item) noexcept
{
	ondemand::json_type type;
	ondemand::object object;
	ondemand::array array;
	std::string_view raw;

	if (item.type().get(type))
		return {};
	if (type == ondemand::json_type::object)
		return item.get_object().get(object) || object.raw_json().get(raw) ? "" : raw;
	if (type == ondemand::json_type::array)
		return item.get_array().get(array) || array.raw_json().get(raw) ? "" : raw;
	return item.raw_json_token();
}

/* How many of at most so many were found. */
size_t
find_items(const apart &batch, ondemand::array from, size_t room, struct slice *items) noexcept
{
	size_t n = 0;

	for (auto each : from) {
		ondemand::value item;
		std::string_view raw;

		if (n == room || each.get(item))
			break;
		raw = raw_item(item);
		if (raw.empty())
			break;
		items[n++] =
			slice_trim({batch.text + (raw.data() - batch.copy), raw.size()}, " \t\r\n");
	}
	return n;
}

/* One byte order mark before the text is passed over, as RFC 8259 section 8.1 allows. */
struct slice
behind_mark(struct slice text) noexcept
{
	static const char MARK[] = "\xEF\xBB\xBF";
	const size_t n = slice_starts(text, MARK) ? sizeof MARK - 1 : 0;

	return {text.p + n, text.n - n};
}

bool
read_and_shrink(json_reader *reader, struct slice text, msgpack_zone *zone, msgpack_object *out,
	struct error *why) noexcept
{
	const bool ok = read_text_value(reader, text, zone, out, why);

	if (text.n > KEEP_BYTES) {
		reader->parser = dom::parser();
		/* Should it fail: the next call tries again, without the parser's own depth limit.
		 */
		(void)prepare(&reader->parser);
	}
	return ok;
}

} // namespace

extern "C" struct json_reader *
json_reader_new(void)
{
	json_reader *reader = new (std::nothrow) json_reader;

	if (reader && !prepare(&reader->parser))
		json_reader_destroy(&reader);
	return reader;
}

extern "C" void
json_reader_destroy(struct json_reader **reader)
{
	delete *reader;
	*reader = nullptr;
}

extern "C" bool
json_read(struct json_reader *reader, struct slice text, msgpack_zone *zone, msgpack_object *out,
	struct error *why)
{
	return read_and_shrink(reader, behind_mark(text), zone, out, why);
}

extern "C" bool
json_read_batch(struct json_reader *reader, struct slice text, msgpack_zone *zone,
	msgpack_object *out, struct error *why)
{
	text = behind_mark(text);
	return read_and_shrink(reader, text, zone, out, why) ||
	       (text.n && !reader->starved && read_apart(reader, text, zone, out));
}

extern "C" bool
json_items(struct slice text, msgpack_zone *zone, struct slice **items, size_t *n)
{
	text = behind_mark(text);
	const simdjson::padded_string copy = in_ascii(text);
	const apart batch = {nullptr, zone, text.p, copy.data()};
	ondemand::parser parser;
	ondemand::document document;
	ondemand::array array;
	size_t room;

	*items = nullptr;
	*n = 0;
	if (!copy.data())
		return false;
	if (parser.iterate(copy).get(document) || document.get_array().get(array) ||
		array.count_elements().get(room))
		return true;
	*items = static_cast<struct slice *>(
		msgpack_zone_malloc(zone, (room + 1) * sizeof(struct slice)));
	if (*items)
		*n = find_items(batch, array, room, *items);
	return *items != nullptr;
}
