/* HTML forms as bodies: decoded as a browser's peer would, bounded, and whole or not at all. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/field.h"
#include "providers/form.h"
#include "providers/form_multipart.h"

static msgpack_zone zone;
static struct error why;

static void
setup(void)
{
	msgpack_zone_init(&zone, 8192);
	why.text[0] = 0;
}

static void
teardown(void)
{
	msgpack_zone_destroy(&zone);
}

TestSuite(form, .init = setup, .fini = teardown);

static struct form
urlencoded(const char *text)
{
	struct form form;

	cr_assert(form_read_urlencoded(slice_of(text), &zone, &form, &why), "%s", why.text);
	return form;
}

static bool
multipart(const char *text, struct form *form)
{
	return form_read_multipart(slice_of("b"), slice_of(text), &zone, form, &why);
}

Test(form, names_and_values_are_decoded)
{
	struct form form = urlencoded("a=1&b%20c=x+y%2Bz&empty=&bare&=nameless");

	cr_assert_eq(form.count, 5);
	cr_assert(slice_is(form_get(&form, "a"), "1"));
	cr_assert(slice_is(form_get(&form, "b c"), "x y+z"));
	cr_assert(slice_is(form_get(&form, "empty"), ""));
	cr_assert(slice_is(form_get(&form, "bare"), ""));
	cr_assert(slice_is(form_get(&form, ""), "nameless"));
	cr_assert_null(form_get(&form, "z").p);
}

Test(form, empty_items_are_no_fields)
{
	cr_assert_eq(urlencoded("").count, 0);
	cr_assert_eq(urlencoded("&&a=1&").count, 1);
}

Test(form, a_percent_without_two_hex_digits_stands_for_itself)
{
	struct form form = urlencoded("a=100%&b=%4&c=%zz&d=%%41");

	cr_assert(slice_is(form_get(&form, "a"), "100%"));
	cr_assert(slice_is(form_get(&form, "b"), "%4"));
	cr_assert(slice_is(form_get(&form, "c"), "%zz"));
	cr_assert(slice_is(form_get(&form, "d"), "%A"));
}

Test(form, a_nul_is_a_byte_like_others)
{
	struct form form = urlencoded("a=x%00y&b=1");
	struct slice body = {"a=x\0y&b=1", 9};

	cr_assert(slice_eq(form_get(&form, "a"), (struct slice){"x\0y", 3}));
	cr_assert(form_read_urlencoded(body, &zone, &form, &why));
	cr_assert(slice_eq(form_get(&form, "a"), (struct slice){"x\0y", 3}));
	cr_assert(slice_is(form_get(&form, "b"), "1"));
}

Test(form, a_repeated_name_is_never_one_value_by_chance)
{
	struct form form = urlencoded("a=1&a=2&b=3");
	msgpack_object all = form_all(&form, "a", &zone);
	struct slice first;

	cr_assert_null(form_get(&form, "a").p);
	cr_assert_eq(form_find(&form, "a", &first), 2);
	cr_assert(slice_is(first, "1"));
	cr_assert(slice_is(form_last(&form, "a"), "2"));
	cr_assert_eq(all.via.array.size, 2);
	cr_assert_eq(form_all(&form, "z", &zone).type, MSGPACK_OBJECT_NIL);
}

Test(form, a_map_has_the_first_of_repeated_names)
{
	struct form form = urlencoded("a=1&b=&a=2");
	msgpack_object map = form_map(&form, &zone);

	cr_assert_eq(map.via.map.size, 2);
	cr_assert(slice_is(field_str(&map, "a"), "1"));
	cr_assert(slice_is(field_str(&map, "b"), ""));
}

Test(form, more_fields_than_the_limit_are_refused)
{
	char text[2 * (FORM_FIELDS_MAX + 1) + 1];
	struct form form;

	for (size_t i = 0; i <= FORM_FIELDS_MAX; i++)
		memcpy(text + 2 * i, "a&", 2);
	text[sizeof text - 1] = 0;
	cr_assert_not(form_read_urlencoded(slice_of(text), &zone, &form, &why));
	text[2 * FORM_FIELDS_MAX] = 0;
	cr_assert(form_read_urlencoded(slice_of(text), &zone, &form, &why));
}

Test(form, the_content_type_decides_in_any_case)
{
	struct form form;
	const struct slice body = slice_of("a=1");

	cr_assert(form_is(slice_of("Application/X-WWW-Form-Urlencoded; charset=utf-8")));
	cr_assert(form_is(slice_of("multipart/form-data")));
	cr_assert_not(form_is(slice_of("application/json")));
	cr_assert_not(form_is(slice_of("multipart/form-datax")));
	cr_assert_not(form_is((struct slice){"multipart/form-data\0", 20}));
	cr_assert_not(form_is((struct slice){NULL, 0}));
	cr_assert_not(form_read(slice_of("text/plain"), body, &zone, &form, &why));
	cr_assert_not(form_read(slice_of("multipart/form-data"), body, &zone, &form, &why));
}

Test(form, parts_are_read_between_their_boundaries)
{
	struct form form;

	cr_assert(
		multipart("preamble\r\n--b\r\n"
			  "content-disposition: form-data; name=\"a\"\r\n\r\n1\r\n2\r\n"
			  "--b  \r\n"
			  "Content-Type: text/plain\r\n"
			  "Content-Disposition: form-data; name=file; filename=\"x;y.txt\"\r\n\r\n"
			  "--not a boundary\r\n"
			  "--b\r\nContent-Disposition: form-data; name=\"e\"\r\n\r\n\r\n"
			  "--b--\r\nepilogue",
			&form),
		"%s", why.text);
	cr_assert_eq(form.count, 3);
	cr_assert(slice_is(form_get(&form, "a"), "1\r\n2"));
	cr_assert(slice_is(form_get(&form, "file"), "--not a boundary"));
	cr_assert(slice_is(form.list[1].filename, "x;y.txt"));
	cr_assert(slice_is(form_get(&form, "e"), ""));
	cr_assert_eq(form_map(&form, &zone).via.map.size, 2);
}

Test(form, the_boundary_comes_from_the_content_type)
{
	static const char body[] =
		"--x y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x y--";
	struct form form;

	cr_assert(form_read(slice_of("multipart/form-data; charset=utf-8; Boundary=\"x y\""),
			  slice_of(body), &zone, &form, &why),
		"%s", why.text);
	cr_assert(slice_is(form_get(&form, "a"), "1"));
}

Test(form, a_multipart_body_that_is_cut_is_refused)
{
	static const char *const bad[] = {"", "--b", "--b\r\n", "--c\r\n\r\n--c--",
		"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1",
		"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n1\r\n--b--",
		"--b\r\n\r\nno name\r\n--b--",
		"--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--",
		"--bx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--",
		"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\n1\r\n--b--"};
	struct form form;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_assert_not(multipart(bad[i], &form), "%s", bad[i]);
}

Test(form, headers_of_a_part_are_bounded)
{
	static const char
		start[] = "--b\r\nX: ",
		end[] = "\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--";
	char *text = malloc(sizeof start + FORM_PART_HEADERS_MAX + sizeof end);
	struct form form;

	cr_assert(text);
	memcpy(text, start, sizeof start);
	memset(text + sizeof start - 1, 'x', FORM_PART_HEADERS_MAX);
	memcpy(text + sizeof start - 1 + FORM_PART_HEADERS_MAX, end, sizeof end);
	cr_assert_not(multipart(text, &form));
	free(text);
}

Test(form, a_boundary_longer_than_the_standard_allows_is_refused)
{
	char boundary[72];
	struct form form;

	memset(boundary, 'b', sizeof boundary);
	cr_assert_not(form_read_multipart(
		(struct slice){boundary, 71}, slice_of("--"), &zone, &form, &why));
}
