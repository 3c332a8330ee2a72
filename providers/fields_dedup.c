/* fields_dedup - keys by which an event is known again. See fields.h. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "fields.h"
#include "lib/base/codec.h"

enum { KEY_MAX = 256, DIGEST_LEN = 32 };

static const char ABSENT[] = "\\-", SEPARATOR = '|', ESCAPE = '\\';

static bool
must_escape(char c)
{
	return c == SEPARATOR || c == ESCAPE;
}

static size_t
part_length(struct slice part)
{
	size_t n = part.n;

	if (!part.p)
		return sizeof ABSENT - 1;
	for (size_t i = 0; i < part.n; i++)
		n += must_escape(part.p[i]);
	return n;
}

static char *
write_part(char *to, struct slice part)
{
	if (!part.p)
		return mempcpy(to, ABSENT, sizeof ABSENT - 1);
	for (size_t i = 0; i < part.n; i++) {
		if (must_escape(part.p[i]))
			*to++ = ESCAPE;
		*to++ = part.p[i];
	}
	return to;
}

struct slice
fields_hash(struct slice bytes, msgpack_zone *zone)
{
	unsigned char digest[DIGEST_LEN];

	if (!EVP_Digest(bytes.p, bytes.n, digest, NULL, EVP_sha256(), NULL))
		return (struct slice){NULL, 0};
	return encode_hex(digest, DIGEST_LEN, zone);
}

struct slice
fields_hash_object(const msgpack_object *object, msgpack_zone *zone)
{
	struct slice hash = {NULL, 0};
	msgpack_sbuffer packed;
	msgpack_packer packer;

	msgpack_sbuffer_init(&packed);
	msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
	if (msgpack_pack_object(&packer, *object) == 0)
		hash = fields_hash((struct slice){packed.data, packed.size}, zone);
	msgpack_sbuffer_destroy(&packed);
	return hash;
}

static struct slice
shorten(struct slice key, msgpack_zone *zone)
{
	static const char PREFIX[] = "sha256:";
	const size_t lead = sizeof PREFIX - 1;
	const struct slice hash = fields_hash(key, zone);
	char *text = msgpack_zone_malloc_no_align(zone, lead + hash.n);

	if (!text || !hash.p)
		return (struct slice){NULL, 0};
	memcpy(text, PREFIX, lead);
	memcpy(text + lead, hash.p, hash.n);
	return (struct slice){text, lead + hash.n};
}

struct slice
fields_act(struct slice name, msgpack_zone *zone)
{
	static const char *const firsts[] = {"_unique", "unique_", "initial_", NULL};

	for (const char *const *mark = firsts; *mark && name.n; mark++) {
		const size_t n = strlen(*mark);
		const char *at = memmem(name.p, name.n, *mark, n);
		char *act = at ? msgpack_zone_malloc_no_align(zone, name.n) : NULL;

		if (!act)
			continue;
		memcpy(mempcpy(act, name.p, (size_t)(at - name.p)), at + n,
			(size_t)(name.p + name.n - at) - n);
		return (struct slice){act, name.n - n};
	}
	return name;
}

struct slice
fields_dedup(msgpack_zone *zone, const struct slice *parts, size_t n)
{
	size_t length = n;
	char *text, *to;
	struct slice key;

	for (size_t i = 0; i < n; i++)
		length += part_length(parts[i]);
	text = to = msgpack_zone_malloc_no_align(zone, length);
	if (!text)
		return (struct slice){NULL, 0};
	for (size_t i = 0; i < n; i++) {
		if (i)
			*to++ = SEPARATOR;
		to = write_part(to, parts[i]);
	}
	key = (struct slice){text, (size_t)(to - text)};
	return key.n <= KEY_MAX ? key : shorten(key, zone);
}
