/* E-mail addresses, and the edges of texts. */
#include <criterion/criterion.h>

#include "lib/base/address.h"

static struct error why;

Test(address, an_address_may_have_320_bytes_and_no_more)
{
	char address[ADDRESS_MAX + 2], out[ADDRESS_MAX];

	memset(address, 'a', sizeof address);
	address[5] = '@';
	cr_expect(address_read((struct slice){address, ADDRESS_MAX}, out, &why));
	cr_expect_not(address_read((struct slice){address, ADDRESS_MAX + 1}, out, &why));
	cr_expect_str_eq(why.text, "is longer than 320 bytes");
}

Test(address, of_several_addresses_the_first_counts)
{
	static const char *const lists[] = {"a@example.com, b@example.com",
		"Ann <a@example.com>,Bob <b@example.com>",
		"\"Doe, A. \\\"x@y, \" <a@example.com>, Bob <b@example.com>"};

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		cr_assert(slice_is(address_bare(slice_of(lists[i])), "a@example.com"), "%s",
			lists[i]);
}

Test(address, an_address_is_taken_out_of_its_dress)
{
	cr_assert(slice_is(address_bare(slice_of("Ann <Ann@example.com>")), "Ann@example.com"));
	cr_assert(slice_is(address_bare(slice_of("\"a < b\" <a@example.com>")), "a@example.com"));
	cr_assert(slice_is(address_bare(slice_of(" a@example.com ")), "a@example.com"));
	cr_assert(slice_is(address_bare(slice_of("Doe, Ann <a@example.com>")), "a@example.com"));
	cr_assert(slice_is(address_unbracket(slice_of("<1@example.com>")), "1@example.com"));
	cr_assert_null(address_unbracket(slice_of("<>")).p);
	cr_assert_null(address_bare((struct slice){NULL, 0}).p);
}

Test(address, what_is_no_address_is_told)
{
	static const char *const bad[] = {"", "a", "@", "a@", "@b", "a b@c", "a@b\n", "a@b\x7f"};
	char out[ADDRESS_MAX];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		cr_expect_not(address_read(slice_of(bad[i]), out, &why), "%s", bad[i]);
		cr_expect_str_eq(why.text, "is no e-mail address");
	}
	cr_expect_not(address_read((struct slice){NULL, 0}, out, &why));
	cr_expect_str_eq(why.text, "is missing or is no text");
}

Test(address, only_ascii_letters_become_small)
{
	char out[ADDRESS_MAX];
	const struct slice given = slice_of("\"A@b\"@EXAMPLE.com\xc3\x84");

	cr_expect(address_read(given, out, &why));
	cr_expect(slice_is((struct slice){out, given.n}, "\"a@b\"@example.com\xc3\x84"));
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
