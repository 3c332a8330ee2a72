/* How often an event was handed on: what the header says, and what the data keeps. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "lib/base/json.h"
#include "providers/hops.h"

static msgpack_zone zone;
static struct json_reader *reader;
static struct error why;

static void
setup(void)
{
	msgpack_zone_init(&zone, 8192);
	reader = json_reader_new();
}

static void
teardown(void)
{
	json_reader_destroy(&reader);
	msgpack_zone_destroy(&zone);
}

TestSuite(hops, .init = setup, .fini = teardown);

static msgpack_object
object_of(const char *json)
{
	msgpack_object object;

	cr_assert(json_read(reader, slice_of(json), &zone, &object, &why), "%s", why.text);
	return object;
}

Test(hops, up_to_three_are_taken)
{
	static const struct {
		const char *headers;
		uint64_t hops;
		bool taken;
	} rows[] = {
		{"[]", 0, true},
		{"[[\"host\",\"a\"]]", 0, true},
		{"[[\"trotline-hops\",\"0\"]]", 0, true},
		{"[[\"trotline-hops\",\"1\"]]", 1, true},
		{"[[\"Trotline-Hops\",\" 3\\t\"]]", 3, true},
		{"[[\"trotline-hops\",\"4\"]]", 4, false},
		{"[[\"trotline-hops\",\"004\"]]", 4, false},
		{"[[\"trotline-hops\",\"18446744073709551616\"]]", 1844674407370955161U, false},
		{"[[\"trotline-hops\",\"99999999999999999999999999999999999\"]]",
			1844674407370955161U, false},
		{"[[\"trotline-hops\",\"1\"],[\"x\",\"y\"],[\"TROTLINE-HOPS\",\"9\"]]", 9, false},
		{"[[\"trotline-hops\",\"3\"],[\"trotline-hops\",\"2\"]]", 3, true},
		{"[[\"trotline-hops\",\"\"]]", 0, true},
		{"[[\"trotline-hops\",\"-4\"]]", 0, true},
		{"[[\"trotline-hops\",\"4 4\"]]", 0, true},
		{"[[\"trotline-hops\",\"many\"]]", 0, true},
		{"[[\"trotline-hop\",\"9\"],[\"trotline-hopss\",\"9\"],[9,\"9\"],[\"trotline-hops\"],9]",
			0, true},
		{"{\"trotline-hops\":\"9\"}", 0, true},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const msgpack_object headers = object_of(rows[i].headers);
		uint64_t hops;

		cr_expect_eq(
			hops_read(&headers, &hops, &why), rows[i].taken, "%s", rows[i].headers);
		cr_expect_eq(hops, rows[i].hops, "%s", rows[i].headers);
	}
	cr_expect(hops_read(NULL, &(uint64_t){0}, &why));
}

static void
puts_into(const char *data, uint64_t hops, const char *expected)
{
	msgpack_object object = object_of(data);
	char *text;

	cr_assert(hops_put(&object, hops, &zone));
	text = json_write(&object, false);
	cr_expect_str_eq(text, expected);
	free(text);
}

Test(hops, the_data_keeps_what_the_header_said_and_nothing_that_its_sender_did)
{
	puts_into("{\"a\":1}", 0, "{\"a\":1}");
	puts_into("{\"a\":1}", 2, "{\"a\":1,\"trotline_hops\":2}");
	puts_into("{}", 1, "{\"trotline_hops\":1}");
	puts_into("{\"trotline_hops\":99,\"a\":1}", 0, "{\"a\":1}");
	puts_into("{\"trotline_hops\":99,\"a\":1}", 2, "{\"a\":1,\"trotline_hops\":2}");
	puts_into("{\"trotline_hops\":{\"b\":[]},\"a\":{\"trotline_hops\":5}}", 0,
		"{\"a\":{\"trotline_hops\":5}}");
	puts_into("7", 2, "7");
}
