/* signature - does a request prove that its sender knows one of the source's secrets? */
#ifndef TROTLINE_VALIDATOR_SIGNATURE_H
#define TROTLINE_VALIDATOR_SIGNATURE_H

#include <msgpack.h>
#include <stdbool.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "lib/config/config.h"

/* The keyed contexts of one source, made once. */
struct signer;

/* NULL with the cause when OpenSSL cannot. */
struct signer *signer_new(const struct config_source *source, struct error *why);
void signer_destroy(struct signer **signer);

/* Checks `X-Signature: sha256=<hex of HMAC-SHA256 over the raw body>` against every live secret, in
 * constant time. Exactly one such header must stand in headers, an array of [name, value]; its hex
 * digits may be of either case. False with the step that failed, for the log. */
bool signer_verify(
	struct signer *signer, const msgpack_object *headers, struct slice body, struct error *why);

#endif
