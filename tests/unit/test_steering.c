/* What steers a terminal: which characters, and that none gets into JSON or a log line as it is. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/steering.h"

static size_t
utf8(uint32_t c, char out[5])
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char marks[] = {0, 0, 0xC0, 0xE0, 0xF0};

	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3F));
	out[0] = (char)(marks[n] | c);
	out[n] = '\0';
	return n;
}

static bool
should_steer(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x61C || c == 0x200E || c == 0x200F ||
	       (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

static bool
is_surrogate(uint32_t c)
{
	return c >= 0xD800 && c <= 0xDFFF;
}

Test(steering, of_all_characters_those_that_move_turn_or_end_a_line_and_no_other)
{
	for (uint32_t c = 0; c <= 0x10FFFF; c++) {
		uint32_t code = 0;
		char text[5];
		size_t n;

		if (is_surrogate(c))
			continue;
		n = utf8(c, text);
		cr_assert_eq(steering_at(text, n, &code), should_steer(c) ? n : 0, "U+%04X", c);
		cr_assert(!should_steer(c) || code == c, "U+%04X", c);
	}
}

Test(steering, what_is_cut_in_the_middle_is_none)
{
	cr_expect_eq(steering_at("\xC2", 1, NULL), 0);
	cr_expect_eq(steering_at("\xE2\x80", 2, NULL), 0);
	cr_expect_eq(steering_at("", 0, NULL), 0);
}

Test(steering, json_holds_none_and_says_the_same)
{
	char text[16] = "a", want[32];
	msgpack_object value = {.type = MSGPACK_OBJECT_STR, .via.str.ptr = text};

	for (uint32_t c = 0x20; c < 0x3000; c++) {
		size_t n = utf8(c, text + 1);
		msgpack_sbuffer quoted;
		char *json;

		text[n + 1] = 'b';
		value.via.str.size = (uint32_t)n + 2;
		if (should_steer(c))
			snprintf(want, sizeof want, "\"a\\u%04xb\"", c);
		else if (c == '"' || c == '\\')
			snprintf(want, sizeof want, "\"a\\%cb\"", (int)c);
		else
			snprintf(want, sizeof want, "\"%.*s\"", (int)n + 2, text);
		json = json_write(&value, false);
		cr_assert_str_eq(json, want);
		free(json);
		msgpack_sbuffer_init(&quoted);
		cr_assert(json_quote((struct slice){text, n + 2}, &quoted));
		cr_assert(
			quoted.size == strlen(want) && memcmp(quoted.data, want, quoted.size) == 0);
		msgpack_sbuffer_destroy(&quoted);
	}
}

Test(steering, pretty_json_keeps_its_own_lines)
{
	msgpack_object_kv pair = {
		{.type = MSGPACK_OBJECT_STR, .via.str = {2, "k\x7F"}},
		{.type = MSGPACK_OBJECT_STR, .via.str = {3, "\xE2\x80\xA8"}},
	};
	const msgpack_object map = {.type = MSGPACK_OBJECT_MAP, .via.map = {1, &pair}};
	char *json = json_write(&map, true);

	cr_expect_str_eq(json, "{\n  \"k\\u007f\": \"\\u2028\"\n}");
	free(json);
}
