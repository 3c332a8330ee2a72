/* Keys of Standard Webhooks that we sign with: files of them, signatures, rotation. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/base/codec.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/standard_keys.h"
#include "providers/provider.h"

#define PUBLISHED "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define OTHER "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
/* RFC 8032 7.1, test 1. */
#define ED25519 "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
#define ED25519_64                                                                                 \
	"whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg=="
#define PUBLIC "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

enum { HOUR = 3600000 };
static const uint64_t NOW = 1795867200000; /* 2026-11-28T12:00:00Z */

static char folder[64], path[96];
static struct error why;

static void
setup(void)
{
	strcpy(folder, "/tmp/trotline-keys-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/app", folder);
	why.text[0] = '\0';
}

static void
teardown(void)
{
	char command[96];

	snprintf(command, sizeof command, "rm -rf %s", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(standard_keys, .init = setup, .fini = teardown);

static void
put(const char *text)
{
	const struct slice all = slice_of(text);

	cr_assert(file_replace(path, &all, 1, false, &why), "%s", why.text);
}

static const char *
content(void)
{
	static char text[8192];

	file_peek(path, text, sizeof text);
	return text;
}

static struct standard_keys *
keys_of(const char *text)
{
	struct standard_keys *keys;

	put(text);
	keys = standard_keys_read(path, &why);
	cr_assert_not_null(keys, "%s", why.text);
	return keys;
}

static const char *
signature_at(const char *text, uint64_t now_ms)
{
	static char out[STANDARD_SIGNATURES];
	struct standard_keys *keys = keys_of(text);
	const size_t n = standard_keys_sign(keys, slice_of("msg_p5jXN8AQM9LWM0D4loKWxJek"),
		1614265330, slice_of("{\"test\": 2432232314}"), now_ms, out, &why);

	standard_keys_destroy(&keys);
	cr_expect_null(keys);
	out[n] = '\0';
	return out;
}

#define V1 "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

Test(standard_keys, the_published_example_is_signed_as_published)
{
	cr_expect_str_eq(signature_at(PUBLISHED "\n", NOW), V1);
	cr_expect_str_eq(signature_at("# ours\r\n\r\n  " PUBLISHED "\t\r\n# end", NOW), V1);
	cr_expect_str_eq(signature_at(PUBLISHED " # the first", NOW), V1);
}

Test(standard_keys, each_live_key_signs_the_newest_first)
{
	char both[256];

	snprintf(both, sizeof both, "%s %s", signature_at(OTHER, NOW), V1);
	cr_expect_str_eq(signature_at(OTHER "\n" PUBLISHED "\n", NOW), both);
	cr_expect_str_eq(
		signature_at(OTHER "\n" PUBLISHED " until 2026-11-28T12:00:00.001Z", NOW), both);
	cr_expect_str_neq(signature_at(OTHER "\n" PUBLISHED " until 2026-11-28T12:00:00Z", NOW),
		both, "its time is over");
	cr_expect_str_eq(
		signature_at(OTHER " until 2026-01-01T00:00:00+01:00\n" PUBLISHED, NOW), V1);
}

Test(standard_keys, without_a_live_key_nothing_is_signed)
{
	cr_expect_str_eq(signature_at(PUBLISHED " until 2026-11-28T12:00:00Z", NOW), "");
	cr_expect(strstr(why.text, "no key is live"), "%s", why.text);
}

Test(standard_keys, four_of_the_longest_fit)
{
	cr_expect_eq(strlen(signature_at(ED25519 "\n" ED25519 "\n" ED25519 "\n" ED25519 "\n", NOW)),
		4 * (4 + 88) + 3);
}

/* What a source of ours says of a request that is signed so. */
static bool
is_accepted(const char *secret, const char *id, uint64_t seconds, struct slice body,
	const char *signatures)
{
	char *const secrets[] = {(char *)secret};
	const struct provider_options options = {.provider = "generic",
		.scheme = "standard-webhooks",
		.secrets = secrets,
		.secrets_count = 1};
	struct provider_source *source = provider_source_new(&options, &why);
	struct json_reader *reader = json_reader_new();
	struct inbound in = {.json = reader, .now_ms = seconds * 1000, .body = body};
	struct normals out = {.count = 0};
	char headers[1024];
	msgpack_zone zone;
	msgpack_object list;
	bool good;

	cr_assert_not_null(source, "%s", why.text);
	msgpack_zone_init(&zone, 8192);
	snprintf(headers, sizeof headers,
		"[[\"webhook-id\",\"%s\"],[\"webhook-timestamp\",\"%" PRIu64
		"\"],[\"webhook-signature\",\"%s\"]]",
		id, seconds, signatures);
	cr_assert(json_read(reader, slice_of(headers), &zone, &list, &why), "%s", why.text);
	in.zone = &zone;
	in.headers = &list;
	good = provider_check(source, &in, &out, &why) == CHECK_ACCEPTED;
	msgpack_zone_destroy(&zone);
	json_reader_destroy(&reader);
	provider_source_destroy(&source);
	return good;
}

Test(standard_keys, our_own_sources_take_what_we_sign)
{
	static const struct slice bodies[] = {
		{"", 0}, {"{}", 2}, {"a\0b\xff", 4}, {"{\"email\":\"jo@example.com\"}", 25}};
	struct standard_keys *keys = keys_of(OTHER "\n" PUBLISHED "\n" ED25519_64 "\n");

	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		char out[STANDARD_SIGNATURES + 1];
		const uint64_t now = NOW / 1000 + i;
		const size_t n = standard_keys_sign(
			keys, slice_of("evt_0123456789abcdef_7"), now, bodies[i], NOW, out, &why);

		cr_assert(n && n < STANDARD_SIGNATURES, "%s", why.text);
		out[n] = '\0';
		cr_expect(is_accepted(OTHER, "evt_0123456789abcdef_7", now, bodies[i], out));
		cr_expect(is_accepted(PUBLISHED, "evt_0123456789abcdef_7", now, bodies[i], out));
		cr_expect(is_accepted(PUBLIC, "evt_0123456789abcdef_7", now, bodies[i], out));
		cr_expect_not(is_accepted(PUBLIC, "evt_0123456789abcdef_8", now, bodies[i], out));
		cr_expect_not(
			is_accepted(PUBLISHED, "evt_0123456789abcdef_7", now + 1, bodies[i], out));
	}
	standard_keys_destroy(&keys);
}

Test(standard_keys, an_ed25519_key_is_its_seed_with_or_without_the_public_half)
{
	char of_seed[STANDARD_SIGNATURES];

	strcpy(of_seed, signature_at(ED25519, NOW));
	cr_expect_eq(strncmp(of_seed, "v1a,", 4), 0);
	cr_expect_str_eq(signature_at(ED25519_64, NOW), of_seed);
}

Test(standard_keys, what_is_no_key_is_named_by_its_line_and_not_quoted)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"", "no key"},
		{"# nothing\n\n", "no key"},
		{"\n\nsecret-zebra\n", "line 3: a key begins with whsec_ or whsk_"},
		{PUBLISHED "\nwhsec_zebra!\n", "line 2: behind whsec_ must stand"},
		{"whsec_\n", "24 to 64 bytes"},
		{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa8=\n", "24 to 64 bytes"},
		{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAA\n", "24 to 64 bytes"},
		{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
		 "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
			"24 to 64 bytes"},
		{"whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", "32 or 64 bytes"},
		{"whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2AAWpgBgrEKt9VL/"
		 "tPJZAc6DuFy89qmIyWvAhpo9wdRGg==",
			"line 1: OpenSSL takes no such key"},
		{PUBLIC, "line 1: whpk_ is the public key"},
		{PUBLISHED " till 2026-11-28T12:00:00Z", "line 1: behind the key"},
		{PUBLISHED " until", "line 1: behind the key"},
		{PUBLISHED " until tomorrow", "line 1: behind the key"},
		{PUBLISHED " until 1795867200", "line 1: behind the key"},
		{PUBLISHED " until 2026-11-28", "line 1: behind the key"},
		{PUBLISHED " until 2026-11-28T12:00:00Z x", "line 1: behind the key"},
		{PUBLISHED "\n" PUBLISHED "\n" PUBLISHED "\n" PUBLISHED "\n" PUBLISHED "\n",
			"line 5: more than 4 keys"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		put(rows[i].text);
		cr_expect_null(standard_keys_read(path, &why), "%s", rows[i].text);
		cr_expect(strstr(why.text, rows[i].says), "%s: %s", rows[i].text, why.text);
		cr_expect(strstr(why.text, path), "%s", why.text);
		cr_expect_null(strstr(why.text, "zebra"));
		cr_expect_null(strstr(why.text, "MfKQ"));
		cr_expect_null(standard_keys_read(path, NULL));
	}
}

Test(standard_keys, a_file_that_is_not_there_or_open_to_others_is_told)
{
	cr_expect_null(standard_keys_read(path, &why));
	cr_expect(strstr(why.text, "No such file"), "%s", why.text);
	put(PUBLISHED "\n");
	cr_assert_eq(chmod(path, 0644), 0);
	cr_expect_null(standard_keys_read(path, &why));
	cr_expect(strstr(why.text, "chmod 600"), "%s", why.text);
}

Test(standard_keys, a_new_file_holds_one_strong_key_and_an_old_one_stays)
{
	struct standard_keys *keys;
	struct stat st;
	char first[256];
	bool made;

	cr_assert(standard_keys_make(path, &made, &why), "%s", why.text);
	cr_expect(made);
	cr_expect_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0600);
	keys = standard_keys_read(path, &why);
	cr_assert_not_null(keys, "%s", why.text);
	cr_expect_eq(standard_keys_facts(keys, NOW).live, 1);
	standard_keys_destroy(&keys);
	strcpy(first, content());
	cr_assert(standard_keys_make(path, &made, &why), "%s", why.text);
	cr_expect_not(made);
	cr_expect_str_eq(content(), first);
	cr_expect_eq(strncmp(first, "whsec_", 6), 0);
}

/* ---- rotation ---- */

static struct standard_keys_facts
facts_at(uint64_t now_ms)
{
	struct standard_keys *keys = standard_keys_read(path, &why);
	struct standard_keys_facts facts;

	cr_assert_not_null(keys, "%s", why.text);
	facts = standard_keys_facts(keys, now_ms);
	standard_keys_destroy(&keys);
	return facts;
}

Test(standard_keys, rotation_puts_a_new_key_first_and_gives_the_old_one_its_time)
{
	struct standard_keys_facts facts;
	struct stat st;

	put("# of the shop\n" PUBLISHED "\n");
	cr_assert(standard_keys_rotate(path, NOW, 24 * HOUR, false, &why), "%s", why.text);
	cr_expect_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0600);
	cr_expect(
		strstr(content(), "# of the shop\n" PUBLISHED " until 2026-11-29T12:00:00.000Z\n"),
		"%s", content());
	cr_expect_eq(strncmp(content(), "whsec_", 6), 0);
	facts = facts_at(NOW);
	cr_expect_eq(facts.live, 2);
	cr_expect_eq(facts.until_ms, NOW + 24 * HOUR);
	facts = facts_at(NOW + 24 * HOUR);
	cr_expect_eq(facts.live, 1);
	cr_expect_eq(facts.until_ms, 0);
}

Test(standard_keys, a_second_rotation_while_one_is_on_its_way_out_needs_force)
{
	char before[512];

	put(PUBLISHED "\n");
	cr_assert(standard_keys_rotate(path, NOW, 24 * HOUR, false, &why));
	strcpy(before, content());
	cr_expect_not(standard_keys_rotate(path, NOW + HOUR, 24 * HOUR, false, &why));
	cr_expect(strstr(why.text, "until 2026-11-29T12:00:00.000Z"), "%s", why.text);
	cr_expect_str_eq(content(), before);
	cr_assert(standard_keys_rotate(path, NOW + HOUR, 24 * HOUR, true, &why), "%s", why.text);
	cr_expect(strstr(content(), PUBLISHED " until 2026-11-29T12:00:00.000Z"),
		"the first one's time does not grow");
	cr_expect_eq(facts_at(NOW + HOUR).live, 3);
	for (int i = 0; i < 5; i++)
		cr_assert(standard_keys_rotate(path, NOW + HOUR, 24 * HOUR, true, &why), "%s",
			why.text);
	cr_expect_eq(facts_at(NOW + HOUR).live, STANDARD_KEYS_MAX);
	cr_expect_null(strstr(content(), PUBLISHED), "the oldest went");
	cr_assert(standard_keys_rotate(path, NOW + 48 * HOUR, 24 * HOUR, false, &why), "%s",
		why.text);
	cr_expect_eq(facts_at(NOW + 48 * HOUR).live, 2);
	cr_expect_eq(facts_at(NOW).live, 2, "what was over is not in it");
}

Test(standard_keys, after_a_leak_all_old_ones_go_at_once)
{
	put(PUBLISHED "\n" OTHER " until 2026-11-29T12:00:00Z\n");
	cr_assert(standard_keys_rotate(path, NOW, 0, true, &why), "%s", why.text);
	cr_expect_eq(facts_at(0).live, 1);
	cr_expect_null(strstr(content(), PUBLISHED));
	cr_expect_null(strstr(content(), OTHER));
}

Test(standard_keys, each_kind_that_is_there_is_rotated_and_a_new_public_key_told)
{
	const char *public;

	put(PUBLISHED "\n" ED25519 "\n");
	cr_assert(standard_keys_rotate(path, NOW, HOUR, false, &why), "%s", why.text);
	cr_expect_eq(facts_at(NOW).live, 4);
	cr_expect_eq(strncmp(content(), "whsec_", 6), 0);
	cr_expect(strstr(content(), "\nwhsk_"));
	public = strstr(content(), " # public: whpk_");
	cr_expect(public);
	put(ED25519 "\n");
	cr_assert(standard_keys_rotate(path, NOW, 0, false, &why), "%s", why.text);
	cr_expect_eq(strncmp(content(), "whsk_", 5), 0, "%s", content());
	cr_expect_null(strstr(content(), "whsec_"));
}

Test(standard_keys, the_public_key_that_is_told_is_that_of_the_new_one)
{
	char public[128], text[512];
	const char *at;

	put(ED25519 "\n");
	cr_assert(standard_keys_rotate(path, NOW, 0, false, &why), "%s", why.text);
	strcpy(text, content());
	at = strstr(text, "whpk_");
	cr_assert(at && sscanf(at, "%127s", public) == 1);
	cr_expect(is_accepted(public, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
		slice_of("{\"test\": 2432232314}"), signature_at(text, NOW)));
}

Test(standard_keys, a_file_that_cannot_be_read_is_not_rotated)
{
	cr_expect_not(standard_keys_rotate(path, NOW, HOUR, false, &why));
	put("whsec_short\n" PUBLISHED "\n");
	cr_expect_not(standard_keys_rotate(path, NOW, HOUR, true, &why));
	cr_expect(strstr(why.text, "line 1"), "%s", why.text);
	cr_expect_str_eq(content(), "whsec_short\n" PUBLISHED "\n");
}
