/* scheme - see scheme.h. The checks that need one header and the body; each scheme with a format of
 * its own has a file of its own. */
#include "scheme.h"

#include "source.h"

enum { SHA256_LEN = 32, MS_PER_S = 1000 };

bool
scheme_mac_is(struct provider_source *source, const struct slice *parts, size_t n,
	const struct slice *given, size_t given_count)
{
	bool is = false;

	for (size_t i = 0; i < source->keys_count; i++)
		is |= key_mac_is(source->keys[i], parts, n, given, given_count);
	return is;
}

bool
scheme_verifies(struct provider_source *source, enum digest digest, const struct slice *parts,
	size_t n, struct slice signature)
{
	bool good = false;

	for (size_t i = 0; i < source->keys_count; i++)
		good |= key_verifies(source->keys[i], digest, parts, n, signature);
	return good;
}

enum check_step
scheme_hmac_hex(struct provider_source *source, struct inbound *in, const char *header,
	const char *prefix, struct error *why)
{
	const char *name = source->options.header ? source->options.header : header;
	const struct slice value = header_only(in->headers, name, why);
	const size_t skip = strlen(prefix);
	unsigned char given[SHA256_LEN];

	if (!value.p)
		return CHECK_SIGNATURE;
	if (!slice_starts(value, prefix) ||
		!decode_hex((struct slice){value.p + skip, value.n - skip}, given, sizeof given)) {
		error_set(why, "header %s is not %s%s%d hex digits", name, prefix,
			*prefix ? " and " : "", 2 * SHA256_LEN);
		return CHECK_SIGNATURE;
	}
	if (scheme_mac_is(source, &in->body, 1, &(struct slice){(char *)given, sizeof given}, 1))
		return CHECK_ACCEPTED;
	error_set(why,
		"header %s is not the HMAC-SHA256 of the body (%zu bytes) with any live secret",
		name, in->body.n);
	return CHECK_SIGNATURE;
}

enum check_step
scheme_fresh(const struct provider_source *source, struct inbound *in, int64_t signed_ms,
	struct error *why)
{
	const struct provider_options *options = &source->options;
	const __int128 age = (__int128)in->now_ms - signed_ms;

	in->timed = true;
	in->ahead = age < 0;
	if (options->max_age_ms && age > options->max_age_ms) {
		error_set(why, "the signed time is %lld s ago, at most %llu s are allowed",
			(long long)(age / MS_PER_S),
			(unsigned long long)(options->max_age_ms / MS_PER_S));
		return CHECK_STALE;
	}
	if (options->max_future_ms && -age > options->max_future_ms) {
		error_set(why, "the signed time is %lld s ahead, at most %llu s are allowed",
			(long long)(-age / MS_PER_S),
			(unsigned long long)(options->max_future_ms / MS_PER_S));
		return CHECK_STALE;
	}
	return CHECK_ACCEPTED;
}
