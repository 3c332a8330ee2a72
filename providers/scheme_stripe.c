/* scheme_stripe - Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>][,v0=...]. See scheme.h.
 *
 * Facts from stripe-go and stripe-python: HMAC-SHA256 over t '.' body with the secret as text
 * (whsec_ included); several v1 while a secret rolls; only the age is checked. Spaces around the
 * items are passed over, an unreadable v1 too; a second t is refused, for it could be another than
 * the signed one. The first 16 v1 are tried: a header of thousands is no roll of secrets. */
#include "scheme.h"
#include "source.h"

enum { MAC_LEN = 32, SIGNATURES_MAX = 16, MS_PER_S = 1000 };

struct stripe {
	struct slice t;
	unsigned char macs[SIGNATURES_MAX][MAC_LEN];
	struct slice given[SIGNATURES_MAX];
	size_t count, untried, times;
};

/* Cuts the text up to the next comma off *rest. */
static struct slice
next_item(struct slice *rest)
{
	const char *comma = memchr(rest->p, ',', rest->n);
	const struct slice item = {rest->p, comma ? (size_t)(comma - rest->p) : rest->n};
	const size_t used = item.n + (comma != NULL);

	rest->p += used;
	rest->n -= used;
	return slice_trim(item, " ");
}

static void
take_mac(struct stripe *s, struct slice hex)
{
	unsigned char mac[MAC_LEN];

	if (!decode_hex(hex, mac, sizeof mac))
		return;
	if (s->count == SIGNATURES_MAX) {
		s->untried++;
		return;
	}
	memcpy(s->macs[s->count], mac, sizeof mac);
	s->given[s->count] = (struct slice){(char *)s->macs[s->count], MAC_LEN};
	s->count++;
}

static void
take_item(struct stripe *s, struct slice item)
{
	if (slice_starts(item, "t=")) {
		s->t = (struct slice){item.p + 2, item.n - 2};
		s->times++;
	} else if (slice_starts(item, "v1=")) {
		take_mac(s, (struct slice){item.p + 3, item.n - 3});
	}
}

static bool
matches(struct provider_source *source, const struct stripe *s, struct slice body)
{
	const struct slice parts[] = {s->t, {".", 1}, body};

	return scheme_mac_is(source, parts, 3, s->given, s->count);
}

static bool
read_header(struct slice value, const char *name, struct stripe *s, int64_t *t, struct error *why)
{
	while (value.n)
		take_item(s, next_item(&value));
	if (s->times != 1)
		return error_set(why, "header %s holds %zu items t=, exactly one is expected", name,
			s->times);
	if (!header_seconds(s->t, t))
		return error_set(why, "t in header %s is not unix seconds", name);
	return s->count ||
	       error_set(why, "header %s has no v1= with %d hex digits", name, 2 * MAC_LEN);
}

enum check_step
scheme_stripe(struct provider_source *source, struct inbound *in, struct error *why)
{
	const char *name = source->options.header ? source->options.header : "Stripe-Signature";
	const struct slice value = header_only(in->headers, name, why);
	struct stripe s = {.count = 0};
	int64_t t = 0;

	if (!value.p || !read_header(value, name, &s, &t, why))
		return CHECK_SIGNATURE;
	if (!matches(source, &s, in->body)) {
		error_set(why,
			"no v1 in header %s is the HMAC-SHA256 of t, '.' and the body (%zu bytes) with any live secret",
			name, in->body.n);
		if (s.untried)
			error_wrap(why, "the first %d v1 are tried, %zu were not", SIGNATURES_MAX,
				s.untried);
		return CHECK_SIGNATURE;
	}
	return scheme_fresh(source, in, t * MS_PER_S, why);
}
