/* E-mail addresses, and the edges of texts. */
#include <criterion/criterion.h>

#include "lib/base/address.h"

static struct error why;

static void
reads_as(const char *text, const char *wanted)
{
	struct slice bare;
	const enum address_fault fault = address_find(slice_of(text), &bare);

	cr_expect_eq(fault, ADDRESS_GOOD, "%s: %s", text, address_fault_text(fault));
	cr_expect(slice_is(bare, wanted), "%s: %.*s", text, SLICE_ARG(bare));
}

Test(address, an_address_may_have_320_bytes_and_no_more)
{
	char address[ADDRESS_MAX + 2], out[ADDRESS_MAX];
	struct slice bare;

	memset(address, 'a', sizeof address);
	address[5] = '@';
	cr_expect(address_read((struct slice){address, ADDRESS_MAX}, out, &bare, &why));
	cr_expect_eq(bare.n, ADDRESS_MAX);
	cr_expect_not(address_read((struct slice){address, ADDRESS_MAX + 1}, out, &bare, &why));
	cr_expect_str_eq(why.text, "is longer than 320 bytes");
	cr_expect_null(bare.p);
}

Test(address, an_address_is_taken_out_of_its_dress)
{
	static const char *const dressed[] = {"Ann@example.com", " Ann@example.com\r\n",
		"\tAnn@example.com", "<Ann@example.com>", "< Ann@example.com >",
		"Ann <Ann@example.com>", "Ann<Ann@example.com>", "\"a < b, c@d\" <Ann@example.com>",
		"Doe, Ann <Ann@example.com>", "O\"Doe <Ann@example.com>",
		"\"Doe, A. \\\"x@y, \" <Ann@example.com>", "Ann@example.com <Ann@example.com>",
		"'Ann' <Ann@example.com>", "mailto:Ann@example.com", "MAILTO: Ann@example.com",
		"<mailto:Ann@example.com>", "Ann <mailto:Ann@example.com>",
		"\xc2\xa0"
		"Ann@example.com\xe2\x80\x8b",
		"\xef\xbb\xbf"
		"Ann@example.com\xe3\x80\x80\n"};

	for (size_t i = 0; i < sizeof dressed / sizeof *dressed; i++)
		reads_as(dressed[i], "Ann@example.com");
}

Test(address, what_is_odd_but_one_address_stays_as_it_is)
{
	static const char *const same[] = {"\"ann lee\"@example.com", "\"a@b\"@example.com",
		"\"a\\\"b\"@example.com", "ann+tag=x/y@example.com", "o'neil@example.com",
		"ann.@example.com", "root@localhost", "ann@xn--mller-kva.example",
		"ann@m\xc3\xbcller.example", "\xc3\xa4nn@example.com", "a@b_c.example"};

	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		reads_as(same[i], same[i]);
}

Test(address, what_is_no_one_address_is_told_with_the_reason)
{
	static const struct {
		const char *text;
		enum address_fault fault;
	} bad[] = {
		{"", ADDRESS_EMPTY},
		{" \t\xc2\xa0", ADDRESS_EMPTY},
		{"<>", ADDRESS_EMPTY},
		{"Ann <>", ADDRESS_EMPTY},
		{"mailto:", ADDRESS_EMPTY},
		{"ann", ADDRESS_NO_AT},
		{"\"ann@example.com\"", ADDRESS_NO_AT},
		{"ann%40example.com", ADDRESS_NO_AT},
		{"ann@@example.com", ADDRESS_MANY_AT},
		{"ann@b@example.com", ADDRESS_MANY_AT},
		{"Ann <ann@@example.com>", ADDRESS_MANY_AT},
		{"@", ADDRESS_LOCAL},
		{"@example.com", ADDRESS_LOCAL},
		{"ann@", ADDRESS_LABEL},
		{"ann@.", ADDRESS_LABEL},
		{"ann@.example.com", ADDRESS_LABEL},
		{"ann@example..com", ADDRESS_LABEL},
		{"ann@example.com.", ADDRESS_LABEL},
		{"a@example.com,b@example.com", ADDRESS_LIST},
		{"a@example.com, b@example.com", ADDRESS_LIST},
		{"a@example.com;b@example.com", ADDRESS_LIST},
		{"a@example.com,", ADDRESS_LIST},
		{"Ann <a@example.com>, Bob <b@example.com>", ADDRESS_LIST},
		{"a@example.com, Bob <b@example.com>", ADDRESS_LIST},
		{"<a@example.com> <b@example.com>", ADDRESS_LIST},
		{"a@example.com b@example.com", ADDRESS_BLANK},
		{"ann lee@example.com", ADDRESS_BLANK},
		{"ann@exam ple.com", ADDRESS_BLANK},
		{"ann\xc2\xa0lee@example.com", ADDRESS_BLANK},
		{"ann@example.com\nBcc", ADDRESS_BLANK},
		{"ann@example.com (Ann)", ADDRESS_BLANK},
		{"ann(x)@example.com", ADDRESS_BRACKET},
		{"ann@[192.0.2.1]", ADDRESS_BRACKET},
		{"<ann@example.com", ADDRESS_BRACKET},
		{"ann@example.com>", ADDRESS_BRACKET},
		{"ann\x01@example.com", ADDRESS_CONTROL},
		{"ann@example.com\x7f", ADDRESS_CONTROL},
		{"\"a\x01\"@example.com", ADDRESS_CONTROL},
		{"smtp:ann@example.com", ADDRESS_SIGN},
		{"a\\b@example.com", ADDRESS_SIGN},
		{"\"ann@example.com", ADDRESS_QUOTE},
		{"ann@example.com'", ADDRESS_DOMAIN},
		{"ann@example.com?subject=x", ADDRESS_DOMAIN},
		{"ann@example.com/x", ADDRESS_DOMAIN},
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct slice bare;

		cr_expect_eq(address_find(slice_of(bad[i].text), &bare), bad[i].fault, "%s: %s",
			bad[i].text,
			address_fault_text(address_find(slice_of(bad[i].text), &bare)));
		cr_expect_null(bare.p, "%s", bad[i].text);
	}
}

Test(address, a_nul_is_no_part_of_one_and_an_absent_text_is_none)
{
	struct slice bare;
	char out[ADDRESS_MAX];

	cr_expect_eq(address_find((struct slice){"a\0@b", 4}, &bare), ADDRESS_CONTROL);
	cr_expect_eq(address_find((struct slice){"a@b\0", 4}, &bare), ADDRESS_CONTROL);
	cr_expect_not(address_read((struct slice){NULL, 0}, out, &bare, &why));
	cr_expect_str_eq(why.text, "is missing or is no text");
}

Test(address, every_text_of_its_bytes_is_one_address_or_none)
{
	static const char signs[] = "a@<>\",;.: \\\xc2";
	enum { LENGTH = 5, KINDS = sizeof signs - 1 };

	for (size_t n = 0; n < 161051 * 4; n++) {
		char text[LENGTH];
		struct slice bare, again;
		size_t x = n;

		for (size_t i = 0; i < LENGTH; i++, x /= KINDS)
			text[i] = signs[x % KINDS];
		if (address_find((struct slice){text, LENGTH}, &bare) != ADDRESS_GOOD)
			continue;
		cr_assert(memchr(bare.p, '@', bare.n) && bare.p >= text &&
			  bare.p + bare.n <= text + LENGTH);
		cr_assert_eq(address_find(bare, &again), ADDRESS_GOOD);
		cr_assert(slice_eq(again, bare));
	}
}

Test(address, a_message_id_goes_without_its_brackets)
{
	cr_assert(slice_is(address_unbracket(slice_of("<1@example.com>")), "1@example.com"));
	cr_assert(slice_is(address_unbracket(slice_of(" 1@example.com ")), "1@example.com"));
	cr_assert_null(address_unbracket(slice_of("<>")).p);
	cr_assert_null(address_unbracket((struct slice){NULL, 0}).p);
}

Test(address, only_ascii_letters_become_small)
{
	char out[ADDRESS_MAX];
	struct slice bare;

	cr_expect(address_read(slice_of(" \"A@b\"@EXAMPLE.com\xc3\x84 "), out, &bare, &why));
	cr_expect(slice_is(bare, "\"A@b\"@EXAMPLE.com\xc3\x84"));
	cr_expect(slice_is((struct slice){out, bare.n}, "\"a@b\"@example.com\xc3\x84"));
}

Test(address, a_cut_never_splits_a_utf8_character)
{
	const struct slice text = slice_of("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9f");

	cr_expect_eq(slice_cut(text, 100).n, 10);
	cr_expect_eq(slice_cut(text, 10).n, 10);
	cr_expect_eq(slice_cut(text, 9).n, 6);
	cr_expect_eq(slice_cut(text, 7).n, 6);
	cr_expect_eq(slice_cut(text, 6).n, 6);
	cr_expect_eq(slice_cut(text, 5).n, 3);
	cr_expect_eq(slice_cut(text, 2).n, 1);
	cr_expect_eq(slice_cut(text, 0).n, 0);
	cr_expect_eq(slice_cut(slice_of("\x80\x80\x80"), 2).n, 0);
}

Test(address, a_trim_takes_the_given_blanks_from_the_ends_alone)
{
	cr_expect(slice_is(slice_trim(slice_of(" \ta b\n "), " \t"), "a b\n"));
	cr_expect(slice_is(slice_trim(slice_of("  "), " "), ""));
	cr_expect_eq(slice_trim((struct slice){"\0a\0", 3}, " ").n, 3);
	cr_expect_null(slice_trim((struct slice){NULL, 0}, " ").p);
}
