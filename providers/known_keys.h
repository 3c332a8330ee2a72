/* known_keys - secrets that the whole world knows, for whoever made them has published them.
 *
 * They prove nothing, so no source may have one as a live secret, whatever its provider; but two
 * providers sign with one when a webhook is tried out, and there it proves this harmless request
 * (struct inbound, ping) and nothing else. */
#ifndef TROTLINE_PROVIDERS_KNOWN_KEYS_H
#define TROTLINE_PROVIDERS_KNOWN_KEYS_H

#include "key.h"
#include "provider.h"

struct known_key {
	const char *secret;
	const char *provider; /* whose trial requests are signed with it, or NULL */
	const char *where;    /* who published it, for people */
};
extern const struct known_key known_keys[];
extern const size_t known_keys_count;

/* The row of a secret, whatever the provider; NULL for one that is not known. */
const struct known_key *known_key_find(struct slice secret);

/* Is `given` the MAC of the parts by the key of the source's provider for trials? The key is kept in
 * the source's state. */
bool known_key_signed(struct provider_source *source, enum key_form form, const struct slice *parts,
	size_t n, struct slice given);

#endif
