/* seal - makes an event into the request that its provider would post: body, headers, signature.
 *
 * The other side of providers/<name>.c, for trying a set-up out. Pure but for what signing draws of
 * random numbers. */
#ifndef TROTLINE_CLI_SEAL_H
#define TROTLINE_CLI_SEAL_H

#include <openssl/types.h>

#include "lib/base/map.h"
#include "providers/source.h"

struct sealing {
	const struct provider_source *source; /* its first secret signs */
	EVP_PKEY *key;                        /* private, where no secret signs; else NULL */
	struct slice url;                     /* as entered at the provider */
	struct slice id, iso;                 /* the request's own, and its time in ISO 8601 */
	uint64_t now_s;
	msgpack_zone *zone;
	/* what comes out, in the zone: */
	struct slice body;
	struct list headers; /* of [name, value] */
};

/* False with the cause, such as a private key that is needed. */
bool seal(struct sealing *s, const msgpack_object *event, struct error *why);

/* The MAC that stands in the body of Mailgun's requests, as hex in the zone. */
struct slice seal_mailgun(const struct provider_source *source, struct slice seconds,
	struct slice token, msgpack_zone *zone);

/* Is the provider's proof made with a private key, which no configuration holds? */
bool seal_needs_key(const struct provider_source *source);

#endif
