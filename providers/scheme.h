/* scheme - the ways in which a webhook proves its sender, each in one place for all providers.
 *
 * Every live key of a source is tried, so that time tells nothing about which of them was right.
 * Bytes are taken as received: texts may hold NUL, nothing is parsed and written again before it is
 * verified.
 *
 * The check functions return CHECK_ACCEPTED or the step at which the request stands refused, and
 * then say in why what was expected (never a secret, never the right signature). */
#ifndef TROTLINE_PROVIDERS_SCHEME_H
#define TROTLINE_PROVIDERS_SCHEME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "header.h"
#include "key.h"
#include "lib/base/codec.h"
#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "provider.h"
#include "scheme_table.h"

/* key_mac_is and key_verifies over all live keys of a source: true when one of them says so. Each key
 * makes one digest of the parts for all the MACs that are given, and one for each signature. */
bool scheme_mac_is(struct provider_source *source, const struct slice *parts, size_t n,
	const struct slice *given, size_t given_count);
bool scheme_verifies(struct provider_source *source, enum digest digest, const struct slice *parts,
	size_t n, struct slice signature);

/* --- checks --- */

/* One header (the options' or this default) holding prefix and the hex of the HMAC over the raw
 * body. prefix: "sha256=" or "". The header's digits may be of either case. */
enum check_step scheme_hmac_hex(struct provider_source *source, struct inbound *in,
	const char *header, const char *prefix, struct error *why);

/* Stripe-Signature: t=...,v1=...[,v1=...]: HMAC over t '.' body; one t only; other keys are
 * skipped. */
enum check_step scheme_stripe(
	struct provider_source *source, struct inbound *in, struct error *why);

/* webhook-id, -timestamp, -signature (or svix-*, never a mixture): "v1," HMAC or "v1a," ed25519
 * over id '.' timestamp '.' body; which of them counts follows the configured key alone. */
enum check_step scheme_standard(
	struct provider_source *source, struct inbound *in, struct error *why);

/* The id (webhook-id or svix-id) that scheme_standard goes by; absent when it stands twice or not.
 */
struct slice scheme_standard_id(const struct inbound *in);

/* Basic auth, bearer token or secret header, as the source's scheme says; secret_header: the
 * default name of the header for the third, NULL for X-Webhook-Token. */
enum check_step scheme_credentials(struct provider_source *source, struct inbound *in,
	const char *secret_header, struct error *why);

/* Is the signed time inside the source's window? Otherwise CHECK_STALE. Sets in->timed. */
enum check_step scheme_fresh(const struct provider_source *source, struct inbound *in,
	int64_t signed_ms, struct error *why);

#endif
