/* Hex and base64, there and back. */
#include <criterion/criterion.h>

#include "lib/base/codec.h"

static msgpack_zone zone;

static void
setup(void)
{
	msgpack_zone_init(&zone, 1024);
}

static void
teardown(void)
{
	msgpack_zone_destroy(&zone);
}

TestSuite(codec, .init = setup, .fini = teardown);

Test(codec, hex_is_exact_in_length_and_free_in_case)
{
	unsigned char out[2];

	cr_assert(decode_hex(slice_of("aBfF"), out, 2));
	cr_assert(out[0] == 0xab && out[1] == 0xff);
	cr_assert_not(decode_hex(slice_of("abf"), out, 2));
	cr_assert_not(decode_hex(slice_of("abff0"), out, 2));
	cr_assert_not(decode_hex(slice_of("abfg"), out, 2));
	cr_assert_not(decode_hex(slice_of("ab f"), out, 2));
	cr_assert_not(decode_hex((struct slice){"abf\0", 4}, out, 2));
	cr_assert(decode_hex((struct slice){NULL, 0}, out, 0));
}

Test(codec, strict_base64_has_one_text_for_each_bytes)
{
	static const char *const bad[] = {"YQ", "YQ=", "YQ===", "Y", "YR==", "YWJ=", "YW Jj",
		"YWJj\n", " YWJj", "YWJj====", "=", "====", "Y=Jj", "YW==YW==", "YW-j", "YW_j"};

	cr_assert(slice_is(decode_base64(slice_of("YWJj"), BASE64_STRICT, &zone), "abc"));
	cr_assert(slice_is(decode_base64(slice_of("YWI="), BASE64_STRICT, &zone), "ab"));
	cr_assert(slice_is(decode_base64(slice_of("YQ=="), BASE64_STRICT, &zone), "a"));
	cr_assert(slice_is(decode_base64(slice_of(""), BASE64_STRICT, &zone), ""));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_assert_null(
			decode_base64(slice_of(bad[i]), BASE64_STRICT, &zone).p, "%s", bad[i]);
	cr_assert_null(decode_base64((struct slice){"YWI\0", 4}, BASE64_STRICT, &zone).p);
}

Test(codec, lenient_base64_forgives_padding_and_unused_bits_only)
{
	cr_assert(slice_is(decode_base64(slice_of("YWI"), BASE64_LENIENT, &zone), "ab"));
	cr_assert(slice_is(decode_base64(slice_of("YR="), BASE64_LENIENT, &zone), "a"));
	cr_assert_null(decode_base64(slice_of("YWJjZ"), BASE64_LENIENT, &zone).p);
	cr_assert_null(decode_base64(slice_of("YW Jj"), BASE64_LENIENT, &zone).p);
	cr_assert_null(decode_base64(slice_of("YQ==="), BASE64_LENIENT, &zone).p);
}

Test(codec, base64_that_does_not_fit_is_refused)
{
	unsigned char out[3];
	size_t n;

	cr_assert(decode_base64_to(slice_of("YWJj"), BASE64_STRICT, out, 3, &n) && n == 3);
	cr_assert_not(decode_base64_to(slice_of("YWJj"), BASE64_STRICT, out, 2, &n));
	cr_assert_not(decode_base64_to(slice_of("YWJjZA=="), BASE64_STRICT, out, 3, &n));
}

Test(codec, hex_is_written_in_lower_case)
{
	char text[7];

	encode_hex_to("\x00\xaf\x10", 3, text);
	cr_assert_str_eq(text, "00af10");
	cr_assert(slice_is(encode_hex("\xff", 1, &zone), "ff"));
	cr_assert(slice_is(encode_hex("", 0, &zone), ""));
}

Test(codec, base64_is_padded_and_fills_its_room)
{
	static const char *const texts[] = {"", "YQ==", "YWI=", "YWJj", "YWJjZA=="};
	char text[9];

	for (size_t n = 0; n < sizeof texts / sizeof *texts; n++) {
		cr_assert_eq(encode_base64_to("abcd", n, text), strlen(texts[n]));
		cr_assert_str_eq(text, texts[n]);
		cr_assert_eq(base64_room(n), strlen(texts[n]) + 1);
		cr_assert(slice_is(encode_base64("abcd", n, &zone), texts[n]));
	}
}

Test(codec, every_byte_comes_back)
{
	char all[256];
	unsigned char back[sizeof all];
	struct slice text;

	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (char)i;
	text = encode_hex(all, sizeof all, &zone);
	cr_assert(decode_hex(text, back, sizeof back) && memcmp(all, back, sizeof all) == 0);
	text = decode_base64(encode_base64(all, sizeof all, &zone), BASE64_STRICT, &zone);
	cr_assert(slice_eq(text, (struct slice){all, sizeof all}));
}
