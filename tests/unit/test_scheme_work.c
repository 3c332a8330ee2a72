/* What a request that proves nothing may cost: work grows with the body and the live keys, not with
 * the signatures that a stranger writes. Measured in this thread's own time, one beside the other. */
#include <criterion/criterion.h>

#include <openssl/evp.h>
#include <stdlib.h>
#include <time.h>

#include "providers/scheme.h"
#include "providers/source.h"

enum { KEYS = 16, MIB = 1 << 20, TEXT = 8192, SIGNATURES = 16, PUBLIC_MOST = 4 };

static const char TIME[] = "1777890033";

static msgpack_zone zone;
static struct error why;
static char *secrets[KEYS];
static EVP_PKEY *pkey;

static void
setup(void)
{
	msgpack_zone_init(&zone, 8192);
	why.text[0] = 0;
	pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	cr_assert(pkey);
}

static void
teardown(void)
{
	for (size_t i = 0; i < KEYS; i++)
		free(secrets[i]);
	EVP_PKEY_free(pkey);
	msgpack_zone_destroy(&zone);
}

TestSuite(scheme_work, .init = setup, .fini = teardown, .timeout = 120);

static struct slice
base64(const unsigned char *bytes, size_t n)
{
	char *text = msgpack_zone_malloc(&zone, 4 * (n + 2) / 3 + 1);

	return (struct slice){text, (size_t)EVP_EncodeBlock((unsigned char *)text, bytes, (int)n)};
}

/* n times item, with a mark between them, then the last one. */
static struct slice
repeated(const char *start, struct slice item, size_t n, char mark, struct slice last)
{
	char *text = msgpack_zone_malloc(&zone, TEXT), *at = stpcpy(text, start);

	for (size_t i = 0; i < n; i++)
		at += snprintf(at, 256, "%.*s%c", SLICE_ARG(item), mark);
	at += snprintf(at, 256, "%.*s", SLICE_ARG(last));
	return (struct slice){text, (size_t)(at - text)};
}

static struct slice
labelled(const char *label, struct slice text)
{
	return repeated(label, text, 0, ' ', text);
}

static void
public_secrets(void)
{
	unsigned char raw[32];
	size_t n = sizeof raw;

	EVP_PKEY_get_raw_public_key(pkey, raw, &n);
	for (size_t i = 0; i < KEYS; i++)
		secrets[i] = strndup(labelled("whpk_", base64(raw, n)).p, 5 + 44);
}

static void
shared_secrets(void)
{
	for (size_t i = 0; i < KEYS; i++)
		cr_assert(asprintf(&secrets[i], "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%02zu", i) > 0);
}

static msgpack_object
pair(const char *name, struct slice value)
{
	msgpack_object *two = msgpack_zone_malloc(&zone, 2 * sizeof *two);

	two[0] = two[1] = (msgpack_object){.type = MSGPACK_OBJECT_STR};
	two[0].via.str.ptr = name;
	two[0].via.str.size = (uint32_t)strlen(name);
	two[1].via.str.ptr = value.p;
	two[1].via.str.size = (uint32_t)value.n;
	return (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {2, two}};
}

static enum check_step
check(const char *scheme, const msgpack_object *headers, size_t count, struct slice body,
	double *ms)
{
	const struct provider_options options = {
		.provider = "generic", .scheme = scheme, .secrets = secrets, .secrets_count = KEYS};
	struct provider_source *source = provider_source_new(&options, &why);
	const msgpack_object list = {.type = MSGPACK_OBJECT_ARRAY,
		.via.array = {(uint32_t)count, (msgpack_object *)(uintptr_t)headers}};
	struct inbound in = {
		.headers = &list, .body = body, .zone = &zone, .now_ms = 1777890033000};
	struct timespec from, to;
	enum check_step step;

	cr_assert(source, "%s", why.text);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	step = provider_of(source)->verify(source, &in, &why);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	*ms = (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
	provider_source_destroy(&source);
	return step;
}

static enum check_step
check_standard(struct slice signatures, struct slice body, double *ms)
{
	const msgpack_object headers[] = {pair("webhook-id", slice_of("id")),
		pair("webhook-timestamp", slice_of(TIME)), pair("webhook-signature", signatures)};

	return check("standard-webhooks", headers, 3, body, ms);
}

static struct slice
body_of(size_t n)
{
	char *body = msgpack_zone_malloc(&zone, n);

	memset(body, ' ', n);
	return (struct slice){body, n};
}

/* The good signature over a body. */
static struct slice
signed_over(struct slice body)
{
	const size_t n = strlen("id.") + strlen(TIME) + 1;
	unsigned char *whole = msgpack_zone_malloc(&zone, n + body.n + 1), made[64];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t length = sizeof made;

	sprintf((char *)whole, "id.%s.", TIME);
	memcpy(whole + n, body.p, body.n);
	cr_assert(EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		  EVP_DigestSign(ctx, made, &length, whole, n + body.n) == 1);
	EVP_MD_CTX_free(ctx);
	return labelled("v1a,", base64(made, length));
}

static struct slice
wrong_of(const char *label, size_t n)
{
	static const unsigned char zeros[64];

	return labelled(label, base64(zeros, n));
}

Test(scheme_work, many_public_key_signatures_cost_as_much_as_four)
{
	const struct slice body = body_of(MIB), wrong = wrong_of("v1a,", 64);
	double one, many;

	public_secrets();
	cr_expect_eq(check_standard(wrong, body, &one), CHECK_SIGNATURE);
	cr_expect_eq(check_standard(repeated("", wrong, SIGNATURES - 1, ' ', wrong), body, &many),
		CHECK_SIGNATURE);
	cr_expect(many < 8 * one, "one: %.1f ms, %d: %.1f ms", one, SIGNATURES, many);
}

Test(scheme_work, the_fourth_public_key_signature_counts_and_the_fifth_does_not)
{
	const struct slice body = slice_of("{}"), wrong = wrong_of("v1a,", 64);
	const struct slice good = signed_over(body);
	double ms;

	public_secrets();
	cr_expect_eq(check_standard(repeated("", wrong, PUBLIC_MOST - 1, ' ', good), body, &ms),
		CHECK_ACCEPTED);
	cr_expect_eq(check_standard(repeated("", wrong, PUBLIC_MOST, ' ', good), body, &ms),
		CHECK_SIGNATURE);
	cr_expect(strstr(why.text, "of v1a the first 4 are tried, 1 were not: "), "%s", why.text);
}

Test(scheme_work, a_public_key_is_tried_over_a_mebibyte_and_no_more)
{
	const struct slice most = body_of(MIB), more = body_of(MIB + 1);
	double least, ms;

	public_secrets();
	cr_expect_eq(check_standard(signed_over(most), most, &ms), CHECK_ACCEPTED, "%s", why.text);
	cr_expect_eq(check_standard(signed_over(more), more, &least), CHECK_SIGNATURE);
	cr_expect(strstr(why.text, "v1a is tried over bodies of up to 1048576 bytes"), "%s",
		why.text);
	cr_expect(least < ms / 4, "%.2f ms, and %.2f where it is tried", least, ms);
}

Test(scheme_work, many_macs_cost_as_much_as_one)
{
	static const char hex[] =
		"v1=0000000000000000000000000000000000000000000000000000000000000000";
	const struct slice body = body_of(4 * MIB), wrong = wrong_of("v1,", 32);
	const struct slice one = repeated("t=1777890033,", slice_of(hex), 0, ',', slice_of(hex));
	const struct slice many =
		repeated("t=1777890033,", slice_of(hex), SIGNATURES - 1, ',', slice_of(hex));
	const msgpack_object with_one = pair("Stripe-Signature", one);
	const msgpack_object with_many = pair("Stripe-Signature", many);
	double a, b;

	shared_secrets();
	cr_expect_eq(check_standard(wrong, body, &a), CHECK_SIGNATURE);
	cr_expect_eq(check_standard(repeated("", wrong, SIGNATURES - 1, ' ', wrong), body, &b),
		CHECK_SIGNATURE);
	cr_expect(b < 3 * a, "one: %.1f ms, %d: %.1f ms", a, SIGNATURES, b);
	cr_expect_eq(check("stripe", &with_one, 1, body, &a), CHECK_SIGNATURE);
	cr_expect_eq(check("stripe", &with_many, 1, body, &b), CHECK_SIGNATURE);
	cr_expect(b < 3 * a, "one: %.1f ms, %d: %.1f ms", a, SIGNATURES, b);
}
