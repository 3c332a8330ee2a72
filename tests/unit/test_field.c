/* Look-ups in an event's own fields: what is missing or of another type is simply not there. */
#include <criterion/criterion.h>

#include "lib/base/field.h"
#include "lib/base/json.h"

static msgpack_zone zone;
static msgpack_object map;

static void
setup(void)
{
	static const char text[] =
		"{\"text\":\"abc\",\"empty\":\"\",\"null\":null,\"yes\":true,\"no\":false,"
		"\"int\":-7,\"big\":18446744073709551615,\"real\":1.0,"
		"\"most\":\"9223372036854775807\",\"least\":\"-9223372036854775808\","
		"\"over\":\"9223372036854775808\",\"under\":\"-9223372036854775809\","
		"\"zeros\":\"-007\",\"minus\":\"-\",\"plus\":\"+1\",\"space\":\" "
		"1\",\"tail\":\"1x\","
		"\"nul\":\"1\\u00002\",\"list\":[1],\"obj\":{\"text\":\"inner\"}}";
	struct json_reader *reader = json_reader_new();
	struct error why;

	msgpack_zone_init(&zone, 8192);
	cr_assert(json_read(reader, slice_of(text), &zone, &map, &why), "%s", why.text);
	json_reader_destroy(&reader);
}

static void
teardown(void)
{
	msgpack_zone_destroy(&zone);
}

TestSuite(field, .init = setup, .fini = teardown);

Test(field, a_value_is_found_by_its_key)
{
	cr_assert_eq(field_get(&map, "yes")->type, MSGPACK_OBJECT_BOOLEAN);
	cr_assert(slice_is(field_str(field_get(&map, "obj"), "text"), "inner"));
}

Test(field, what_is_not_there_is_null)
{
	cr_assert_null(field_get(&map, "tex"));
	cr_assert_null(field_get(&map, "texts"));
	cr_assert_null(field_get(field_get(&map, "list"), "text"));
	cr_assert_null(field_get(field_get(&map, "nowhere"), "text"));
}

Test(field, keys_that_are_no_texts_are_passed_over)
{
	msgpack_object_kv pair = {.key = {.type = MSGPACK_OBJECT_NIL}};
	const msgpack_object odd = {.type = MSGPACK_OBJECT_MAP, .via.map = {1, &pair}};

	cr_assert_null(field_get(&odd, "text"));
}

Test(field, a_text_is_absent_unless_it_is_one)
{
	cr_assert(slice_is(field_str(&map, "text"), "abc"));
	cr_assert_not_null(field_str(&map, "empty").p);
	cr_assert_null(field_str(&map, "null").p);
	cr_assert_null(field_str(&map, "int").p);
	cr_assert_null(field_str(&map, "nowhere").p);
}

Test(field, the_first_text_that_says_something_is_taken)
{
	static const char *const some[] = {"nowhere", "null", "empty", "text", "most", NULL};
	static const char *const none[] = {"nowhere", "empty", NULL};

	cr_assert(slice_is(field_str_of(&map, some), "abc"));
	cr_assert_null(field_str_of(&map, none).p);
}

Test(field, an_integer_may_be_a_number_or_a_decimal_text)
{
	static const struct {
		const char *key;
		int64_t value;
	} good[] = {{"int", -7}, {"most", INT64_MAX}, {"least", INT64_MIN}, {"zeros", -7}};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		int64_t value = 1;

		cr_expect(field_int(&map, good[i].key, &value), "%s", good[i].key);
		cr_expect_eq(value, good[i].value, "%s", good[i].key);
	}
}

Test(field, what_is_no_integer_of_64_bits_is_none)
{
	static const char *const bad[] = {"big", "real", "over", "under", "minus", "plus", "space",
		"tail", "nul", "empty", "null", "yes", "list", "nowhere"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		int64_t value = 42;

		cr_expect_not(field_int(&map, bad[i], &value), "%s", bad[i]);
		cr_expect_eq(value, 42, "%s", bad[i]);
	}
}

Test(field, a_boolean_falls_back)
{
	cr_assert(field_bool(&map, "yes", false));
	cr_assert_not(field_bool(&map, "no", true));
	cr_assert(field_bool(&map, "null", true));
	cr_assert_not(field_bool(&map, "int", false));
	cr_assert(field_bool(&map, "nowhere", true));
}

Test(field, an_object_that_holds_bytes_gives_them)
{
	const msgpack_object bin = {.type = MSGPACK_OBJECT_BIN, .via.bin = {2, "\0\1"}};
	const msgpack_object nil = {.type = MSGPACK_OBJECT_NIL};

	cr_assert(slice_eq(object_str(&bin), (struct slice){"\0\1", 2}));
	cr_assert_null(object_str(&nil).p);
	cr_assert_null(object_str(NULL).p);
}
