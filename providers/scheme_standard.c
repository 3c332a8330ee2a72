/* scheme_standard - Standard Webhooks v1 (HMAC) and v1a (ed25519), which Svix began. See scheme.h.
 *
 * Facts from the Standard Webhooks specification and libraries and svix-webhooks: signed is id '.'
 * timestamp '.' body; signatures are a list separated by single spaces, unknown versions are
 * skipped; the secret is base64. What is not in the libraries: an id with a '.' is refused, for
 * with it the border between the three signed parts could be shifted without the signature
 * noticing; and the first 16 v1 are tried, which cost a key one digest of the body between them, and
 * the first 4 v1a, which cost it one each, of bodies up to 1 MiB: nobody has proved anything yet. */
#include <stdlib.h>

#include "scheme.h"
#include "source.h"

enum { MAC_LEN = 32, ED25519_LEN = 64, V1_MAX = 16, V1A_MAX = 4, MS_PER_S = 1000 };
enum { V1A_BODY_MAX = 1 << 20 };

/* The three headers' names; a request is read by the first set of which it has all. */
static const struct names {
	const char *id, *timestamp, *signature;
} sets[] = {
	{"webhook-id", "webhook-timestamp", "webhook-signature"},
	{"svix-id", "svix-timestamp", "svix-signature"},
};

struct standard {
	struct slice id, timestamp, signatures;
	int64_t seconds;
};

struct signatures {
	struct slice v1[V1_MAX], v1a[V1A_MAX]; /* decoded */
	size_t v1_count, v1a_count, v1_untried, v1a_untried;
};

static bool
has(const msgpack_object *headers, const char *name)
{
	struct slice value;

	return header_find(headers, name, &value) > 0;
}

/* For a request with neither set complete: the one that it has more of, for the error to name. */
static const struct names *
choose(const msgpack_object *headers)
{
	size_t found[2];

	for (size_t i = 0; i < 2; i++)
		found[i] = (size_t)has(headers, sets[i].id) + has(headers, sets[i].timestamp) +
			   has(headers, sets[i].signature);
	return &sets[found[1] > found[0]];
}

struct slice
scheme_standard_id(const struct inbound *in)
{
	return header_value(in->headers, choose(in->headers)->id);
}

static bool
read_headers(const msgpack_object *headers, struct standard *s, struct error *why)
{
	const struct names *names = choose(headers);

	s->id = header_only(headers, names->id, why);
	s->timestamp = s->id.p ? header_only(headers, names->timestamp, why) : s->id;
	s->signatures = s->timestamp.p ? header_only(headers, names->signature, why) : s->id;
	if (!s->id.p || !s->timestamp.p || !s->signatures.p)
		return false;
	if (!s->id.n || memchr(s->id.p, '.', s->id.n))
		return error_set(why, "header %s is empty or holds a '.'", names->id);
	return header_seconds(s->timestamp, &s->seconds) ||
	       error_set(why, "header %s is not whole unix seconds", names->timestamp);
}

/* Adds the decoded rest of an item to its list; what is no signature of that length is skipped.
 * False when the list is full. */
static bool
take(struct slice text, size_t length, struct slice *list, size_t *count, size_t max,
	msgpack_zone *zone)
{
	const struct slice bytes = decode_base64(text, BASE64_STRICT, zone);

	if (bytes.n != length)
		return true;
	if (*count == max)
		return false;
	list[(*count)++] = bytes;
	return true;
}

static void
take_item(struct slice item, struct signatures *list, msgpack_zone *zone)
{
	if (slice_starts(item, "v1,"))
		list->v1_untried += !take((struct slice){item.p + 3, item.n - 3}, MAC_LEN, list->v1,
			&list->v1_count, V1_MAX, zone);
	else if (slice_starts(item, "v1a,"))
		list->v1a_untried += !take((struct slice){item.p + 4, item.n - 4}, ED25519_LEN,
			list->v1a, &list->v1a_count, V1A_MAX, zone);
}

static void
read_signatures(struct slice text, struct signatures *list, msgpack_zone *zone)
{
	while (text.n) {
		const char *space = memchr(text.p, ' ', text.n);
		const size_t n = space ? (size_t)(space - text.p) : text.n;

		take_item((struct slice){text.p, n}, list, zone);
		text.p += n + (space != NULL);
		text.n -= n + (space != NULL);
	}
}

static bool
has_public_key(const struct provider_source *source)
{
	bool has = false;

	for (size_t i = 0; i < source->keys_count; i++)
		has |= key_is_public(source->keys[i]);
	return has;
}

/* Ed25519 takes the message whole: it is put together once, for all keys and signatures. */
static bool
any_verifies(
	struct provider_source *source, const struct slice parts[5], const struct signatures *list)
{
	size_t size;
	char *whole = key_message(parts, 5, &size);
	bool good = false;

	for (size_t i = 0; whole && i < list->v1a_count; i++)
		good |= scheme_verifies(
			source, DIGEST_SHA256, &(struct slice){whole, size}, 1, list->v1a[i]);
	free(whole);
	return good;
}

static bool
say_untried(const struct signatures *list, struct error *why)
{
	if (list->v1_untried)
		error_wrap(why, "of each version the first %d are tried, %zu were not", V1_MAX,
			list->v1_untried);
	if (list->v1a_untried)
		error_wrap(why, "of v1a the first %d are tried, %zu were not", V1A_MAX,
			list->v1a_untried);
	return false;
}

/* A key answers only for signatures of its own kind. */
static bool
matches(struct provider_source *source, const struct standard *s, struct slice body,
	const struct signatures *list, struct error *why)
{
	const struct slice parts[] = {s->id, {".", 1}, s->timestamp, {".", 1}, body};
	const bool public = list->v1a_count && has_public_key(source);
	const bool large = public && body.n > V1A_BODY_MAX;

	if (!list->v1_count && !list->v1a_count)
		return error_set(
			why, "the signature header has no v1,<base64> and no v1a,<base64>");
	if (list->v1_count && scheme_mac_is(source, parts, 5, list->v1, list->v1_count))
		return true;
	if (public && !large && any_verifies(source, parts, list))
		return true;
	error_set(why,
		"none of the signatures (%zu v1, %zu v1a) over id, timestamp and body (%zu bytes) is by a live key of its kind",
		list->v1_count, list->v1a_count, body.n);
	if (large)
		error_wrap(why, "v1a is tried over bodies of up to %d bytes", V1A_BODY_MAX);
	return say_untried(list, why);
}

enum check_step
scheme_standard(struct provider_source *source, struct inbound *in, struct error *why)
{
	struct standard s;
	struct signatures list = {.v1_count = 0};

	if (!read_headers(in->headers, &s, why))
		return CHECK_SIGNATURE;
	read_signatures(s.signatures, &list, in->zone);
	if (!matches(source, &s, in->body, &list, why))
		return CHECK_SIGNATURE;
	return scheme_fresh(source, in, s.seconds * MS_PER_S, why);
}
