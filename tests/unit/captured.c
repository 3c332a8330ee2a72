/* captured - see captured.h. */
#include "captured.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "providers/fields.h"

void
captured_open(
	struct captured *c, const char *provider, const char *url, const char *const secrets[])
{
	struct provider_options options = {
		.provider = provider, .url = url, .secrets = (char *const *)secrets};

	while (secrets && secrets[options.secrets_count])
		options.secrets_count++;
	*c = (struct captured){.source = provider_source_new(&options, &c->why)};
	cr_assert_not_null(c->source, "%s", c->why.text);
	msgpack_zone_init(&c->zone, 8192);
	c->headers = (msgpack_object){
		.type = MSGPACK_OBJECT_ARRAY, .via.array = {.size = 0, .ptr = c->list}};
	c->in = (struct inbound){.headers = &c->headers,
		.now_ms = CAPTURED_NOW_S * UINT64_C(1000),
		.zone = &c->zone,
		.json = json_reader_new()};
}

void
captured_close(struct captured *c)
{
	provider_source_destroy(&c->source);
	json_reader_destroy(&c->in.json);
	msgpack_zone_destroy(&c->zone);
}

static msgpack_object
copy(struct captured *c, const char *text)
{
	const size_t n = strlen(text);
	char *kept = msgpack_zone_malloc_no_align(&c->zone, n + 1);

	cr_assert_not_null(kept);
	memcpy(kept, text, n + 1);
	return object_of_text((struct slice){kept, n});
}

void
captured_header(struct captured *c, const char *name, const char *value)
{
	msgpack_object *pair = msgpack_zone_malloc(&c->zone, 2 * sizeof *pair);

	cr_assert(pair && c->headers.via.array.size < CAPTURED_HEADERS_MAX);
	pair[0] = copy(c, name);
	pair[1] = copy(c, value);
	c->list[c->headers.via.array.size++] = (msgpack_object){
		.type = MSGPACK_OBJECT_ARRAY, .via.array = {.size = 2, .ptr = pair}};
}

static void
begin(struct captured *c, struct slice body)
{
	c->in.body = body;
	c->in.parsed = false;
	c->out = (struct normals){.list = NULL};
	c->why = (struct error){""};
}

enum check_step
captured_check(struct captured *c, struct slice body)
{
	begin(c, body);
	return provider_check(c->source, &c->in, &c->out, &c->why);
}

void
captured_read(struct captured *c, const char *body)
{
	begin(c, slice_of(body));
	cr_assert_eq(provider_read(c->source, &c->in, &c->out, &c->why), CHECK_ACCEPTED, "%s",
		c->why.text);
}

char *
captured_base64(struct captured *c, struct slice bytes)
{
	char *text = msgpack_zone_malloc(&c->zone, 4 * (bytes.n + 2) / 3 + 4);

	cr_assert_not_null(text);
	EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)bytes.p, (int)bytes.n);
	return text;
}

char *
captured_hmac(struct captured *c, const char *digest, struct slice key, const struct slice *parts,
	size_t n)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned length = 0;
	msgpack_sbuffer all;

	msgpack_sbuffer_init(&all);
	for (size_t i = 0; i < n; i++)
		msgpack_sbuffer_write(&all, parts[i].p, parts[i].n);
	cr_assert_not_null(HMAC(EVP_get_digestbyname(digest), key.p, (int)key.n,
		(const unsigned char *)all.data, all.size, mac, &length));
	msgpack_sbuffer_destroy(&all);
	return captured_base64(c, (struct slice){(const char *)mac, length});
}
