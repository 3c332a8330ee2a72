/* Signatures: the right one of any live secret lets in, and nothing else does. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers/source_keys.h"
#include "scratch.h"

static struct scratch s;
static struct provider_source *keys;
static struct error why;

static void
setup(void)
{
	scratch_open(&s, NULL);
	keys = source_keys(&s.cfg->sources[0], &why);
	cr_assert_not_null(keys, "%s", why.text);
}

static void
teardown(void)
{
	provider_source_destroy(&keys);
	cr_expect_null(keys);
	scratch_close(&s);
}

TestSuite(signature, .init = setup, .fini = teardown);

static msgpack_object
text(const char *value)
{
	return (msgpack_object){
		.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)strlen(value), value}};
}

static bool
holds(const msgpack_object *headers, struct slice body)
{
	struct inbound in = {.headers = headers, .body = body};

	why.text[0] = '\0';
	return provider_of(keys)->verify(keys, &in, &why) == CHECK_ACCEPTED;
}

/* Headers as pairs of names and values, ended by NULL. */
static bool
verify_with(const char *const *list, struct slice body)
{
	msgpack_object pairs[16][2], headers[16], all = {.type = MSGPACK_OBJECT_ARRAY};
	uint32_t n = 0;

	for (; list[0]; list += 2, n++) {
		pairs[n][0] = text(list[0]);
		pairs[n][1] = text(list[1]);
		headers[n] =
			(msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {2, pairs[n]}};
	}
	all.via.array = (msgpack_object_array){n, headers};
	return holds(&all, body);
}

static bool
verify(const char *header, struct slice body)
{
	return verify_with((const char *const[]){"X-Signature", header, NULL}, body);
}

Test(signature, the_one_of_each_live_secret_is_good)
{
	const struct slice body = slice_of("{\"a\":1}");

	cr_expect(verify(scratch_sign(body, SCRATCH_SECRET), body));
	cr_expect(verify(scratch_sign(body, SCRATCH_OTHER_SECRET), body));
	cr_expect_not(verify(scratch_sign(body, "0123456789abcdef-wrong"), body));
	cr_expect_str_eq(why.text,
		"header X-Signature is not the HMAC-SHA256 of the body (7 bytes) with any live "
		"secret");
}

/* RFC 4231, test case 2. */
Test(signature, it_is_the_hmac_sha256_that_others_compute)
{
	char jefe[] = "Jefe", provider[] = "trotline", *secrets[] = {jefe};
	const struct config_source source = {
		.provider = provider, .secrets = secrets, .secrets_count = 1};

	provider_source_destroy(&keys);
	keys = source_keys(&source, &why);
	cr_assert_not_null(keys, "%s", why.text);
	cr_expect(verify("sha256=5bdcc146bf60754e6a042426089575c7"
			 "5a003f089d2739839dec58b964ec3843",
		slice_of("what do ya want for nothing?")));
}

Test(signature, bodies_of_all_kinds_are_signed)
{
	static const struct slice bodies[] = {
		{"", 0}, {"\0", 1}, {"a\0b", 3}, {"\xff\xfe", 2}, {"\n", 1}};
	char *large = calloc(1, 10 << 20);

	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
		cr_expect(verify(scratch_sign(bodies[i], SCRATCH_SECRET), bodies[i]), "%zu", i);
	cr_expect(verify(scratch_sign((struct slice){large, 10 << 20}, SCRATCH_SECRET),
		(struct slice){large, 10 << 20}));
	free(large);
}

Test(signature, every_byte_of_the_body_counts)
{
	char body[] = "{\"event_id\":\"evt_1\",\"data\":{}}";
	char good[80];

	snprintf(good, sizeof good, "%s", scratch_sign(slice_of(body), SCRATCH_SECRET));
	for (size_t i = 0; i < sizeof body - 1; i++) {
		body[i] ^= 1;
		cr_expect_not(verify(good, slice_of(body)), "byte %zu", i);
		body[i] ^= 1;
	}
	cr_expect_not(verify(good, (struct slice){body, sizeof body - 2}));
	cr_expect_not(verify(good, (struct slice){body, sizeof body}));
	cr_expect(verify(good, slice_of(body)), "and the signer is as good as before");
}

Test(signature, every_digit_of_the_signature_counts)
{
	const struct slice body = slice_of("{}");
	char header[80];

	snprintf(header, sizeof header, "%s", scratch_sign(body, SCRATCH_SECRET));
	for (size_t i = 7; header[i]; i++) {
		const char digit = header[i];

		header[i] = digit == '0' ? '1' : '0';
		cr_expect_not(verify(header, body), "digit %zu", i);
		header[i] = digit;
	}
}

Test(signature, its_digits_may_be_of_either_case)
{
	const struct slice body = slice_of("{}");
	char header[80];

	snprintf(header, sizeof header, "%s", scratch_sign(body, SCRATCH_SECRET));
	for (size_t i = 7; header[i]; i++)
		if (header[i] >= 'a')
			header[i] = (char)(header[i] - 'a' + 'A');
	cr_expect(verify(header, body));
}

struct bad {
	char header[140];
};

ParameterizedTestParameters(signature, what_is_not_of_its_form_is_refused)
{
	static struct bad rows[] = {{""}, {"sha256="}, {"sha256"}, {"SHA256=0011"},
		{"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"},
		{"sha1=00112233445566778899aabbccddeeff00112233"},
		{"sha256=00112233445566778899aabbccddeeff00112233445566778899aabbccddee"},
		{"sha256=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff00"},
		{"sha256=00112233445566778899aabbccddeeff00112233445566778899aabbccddeefg"},
		{"sha256= 0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"},
		{" sha256=00112233445566778899aabbccddeeff00112233445566778899aabbccddeef"}};

	return cr_make_param_array(struct bad, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct bad *row, signature, what_is_not_of_its_form_is_refused)
{
	cr_expect_not(verify(row->header, slice_of("{}")));
	cr_expect_str_eq(why.text, "header X-Signature is not sha256= and 64 hex digits");
}

Test(signature, its_header_is_found_among_others_whatever_its_case)
{
	const struct slice body = slice_of("{}");
	const char *good = scratch_sign(body, SCRATCH_SECRET);

	cr_expect(verify_with((const char *const[]){"Host", "example.com", "x-signature", good,
				      "X-Signature-2", "no", NULL},
		body));
}

Test(signature, without_its_header_nobody_enters)
{
	const struct slice body = slice_of("{}");
	const char *good = scratch_sign(body, SCRATCH_SECRET);

	cr_expect_not(verify_with((const char *const[]){NULL}, body));
	cr_expect_str_eq(why.text, "header X-Signature is missing");
	cr_expect_not(verify_with((const char *const[]){"X-Signatur", good, NULL}, body));
	cr_expect_not(verify_with((const char *const[]){"X-Signature1", good, NULL}, body));
}

Test(signature, two_of_its_headers_are_refused_even_when_both_are_right)
{
	const struct slice body = slice_of("{}");
	const char *good = scratch_sign(body, SCRATCH_SECRET);

	cr_expect_not(verify_with(
		(const char *const[]){"X-Signature", good, "x-signature", good, NULL}, body));
	cr_expect_str_eq(why.text, "header X-Signature stands 2 times: only one can be meant");
	cr_expect_not(verify_with(
		(const char *const[]){"X-Signature", "", "X-Signature", good, NULL}, body));
}

Test(signature, headers_that_are_no_pairs_are_passed_over)
{
	msgpack_object number = {.type = MSGPACK_OBJECT_POSITIVE_INTEGER};
	msgpack_object pair[2] = {text("X-Signature"), number};
	msgpack_object list[2] = {number, {.type = MSGPACK_OBJECT_ARRAY, .via.array = {2, pair}}};
	msgpack_object all = {.type = MSGPACK_OBJECT_ARRAY, .via.array = {2, list}};

	cr_expect_not(holds(&all, slice_of("{}")));
	cr_expect_not(holds(&number, slice_of("{}")));
}

Test(signature, a_source_without_secrets_cannot_be_made)
{
	char name[] = "email", provider[] = "trotline";
	const struct config_source source = {.name = name, .provider = provider};

	cr_expect_null(source_keys(&source, &why));
	cr_expect_str_eq(why.text, "source email: scheme hmac needs at least one secret");
}
