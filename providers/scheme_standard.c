/* scheme_standard - Standard Webhooks v1 (HMAC) and v1a (ed25519), which Svix began. See scheme.h.
 *
 * Facts from the Standard Webhooks specification and libraries and svix-webhooks: signed is id '.'
 * timestamp '.' body; signatures are a list separated by single spaces, unknown versions are
 * skipped; the secret is base64. What is not in the libraries: an id with a '.' is refused, for
 * with it the border between the three signed parts could be shifted without the signature
 * noticing; and of each version the first 16 signatures are tried, for each costs work before
 * anyone has proved anything. */
#include "scheme.h"
#include "source.h"

enum { MAC_LEN = 32, ED25519_LEN = 64, SIGNATURES_MAX = 16, MS_PER_S = 1000 };

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
	struct slice v1[SIGNATURES_MAX], v1a[SIGNATURES_MAX]; /* decoded */
	size_t v1_count, v1a_count, untried;
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
take(struct slice text, size_t length, struct slice *list, size_t *count, msgpack_zone *zone)
{
	const struct slice bytes = decode_base64(text, BASE64_STRICT, zone);

	if (bytes.n != length)
		return true;
	if (*count == SIGNATURES_MAX)
		return false;
	list[(*count)++] = bytes;
	return true;
}

static void
read_signatures(struct slice text, struct signatures *list, msgpack_zone *zone)
{
	while (text.n) {
		const char *space = memchr(text.p, ' ', text.n);
		const size_t n = space ? (size_t)(space - text.p) : text.n;
		const struct slice item = {text.p, n};

		if (slice_starts(item, "v1,"))
			list->untried += !take((struct slice){text.p + 3, n - 3}, MAC_LEN, list->v1,
				&list->v1_count, zone);
		else if (slice_starts(item, "v1a,"))
			list->untried += !take((struct slice){text.p + 4, n - 4}, ED25519_LEN,
				list->v1a, &list->v1a_count, zone);
		text.p += n + (space != NULL);
		text.n -= n + (space != NULL);
	}
}

/* A key answers only for signatures of its own kind. */
static bool
key_matches(struct key *key, const struct slice parts[5], const struct signatures *list)
{
	bool good = key_mac_is(key, parts, 5, list->v1, list->v1_count);

	for (size_t i = 0; i < list->v1a_count; i++)
		good |= key_verifies(key, DIGEST_SHA256, parts, 5, list->v1a[i]);
	return good;
}

static bool
matches(struct provider_source *source, const struct standard *s, struct slice body,
	const struct signatures *list, struct error *why)
{
	const struct slice parts[] = {s->id, {".", 1}, s->timestamp, {".", 1}, body};
	bool good = false;

	if (!list->v1_count && !list->v1a_count)
		return error_set(
			why, "the signature header has no v1,<base64> and no v1a,<base64>");
	for (size_t i = 0; i < source->keys_count; i++)
		good |= key_matches(source->keys[i], parts, list);
	if (good)
		return true;
	error_set(why,
		"none of the signatures (%zu v1, %zu v1a) over id, timestamp and body (%zu bytes) is by a live key of its kind",
		list->v1_count, list->v1a_count, body.n);
	return list->untried &&
	       error_wrap(why, "of each version the first %d are tried, %zu were not",
		       SIGNATURES_MAX, list->untried);
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
