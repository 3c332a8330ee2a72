/* scheme - the ways in which a webhook proves its sender, each in one place for all providers.
 *
 * All cryptography is OpenSSL's EVP, all compares are CRYPTO_memcmp, and every live key is tried,
 * so that time tells nothing about which of them, or which byte, was right. Bytes are taken as
 * received: texts may hold NUL, nothing is parsed and written again before it is verified.
 *
 * The check functions return CHECK_ACCEPTED or the step at which the request stands refused, and
 * then say in why what was expected (never a secret, never the right signature). */
#ifndef TROTLINE_PROVIDERS_SCHEME_H
#define TROTLINE_PROVIDERS_SCHEME_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/codec.h"
#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "provider.h"

/* X(name, name in trotline.yaml, what its keys are, default max age, default max future, in s; 0:
 * none) The last four belong to one provider each and are not offered to others. Ages: Standard
 * Webhooks demands 300 s either way, Stripe's libraries check the age only. */
#define SCHEMES(X)                                                                                 \
	X(HMAC, "hmac", KEY_HMAC_SHA256, 0, 0)                                                     \
	X(STRIPE, "stripe", KEY_HMAC_SHA256, 300, 0)                                               \
	X(STANDARD, "standard-webhooks", KEY_STANDARD, 300, 300)                                   \
	X(BASIC, "basic", KEY_PASSWORD, 0, 0)                                                      \
	X(BEARER, "bearer", KEY_TEXT, 0, 0)                                                        \
	X(HEADER, "header", KEY_TEXT, 0, 0)                                                        \
	X(HMAC_SHA1, "hmac-sha1", KEY_HMAC_SHA1, 0, 0)                                             \
	X(ECDSA, "ecdsa", KEY_EC_P256, 0, 0)                                                       \
	X(RSA, "rsa", KEY_RSA, 0, 0)                                                               \
	X(SNS, "sns", KEY_NONE, 0, 0)

#define SCHEME_NAME(id, ...) SCHEME_##id,
enum scheme { SCHEMES(SCHEME_NAME) SCHEMES_COUNT };
#undef SCHEME_NAME

/* How the text of a secret becomes a key. */
enum key_form {
	KEY_NONE,        /* the scheme has no secrets of its own */
	KEY_HMAC_SHA256, /* the text's own bytes, prefix such as whsec_ included */
	KEY_HMAC_SHA1,
	KEY_STANDARD, /* [whsec_]base64: HMAC-SHA256 with the decoded bytes, padding may lack;
		       * whpk_base64: 32 bytes of an ed25519 public key */
	KEY_PASSWORD, /* user:password */
	KEY_TEXT,     /* a token */
	KEY_EC_P256,  /* public key: base64 of the DER SubjectPublicKeyInfo, or PEM */
	KEY_RSA,      /* the same; also a DKIM-style p=base64; at least 1024 bits */
};

enum digest { DIGEST_SHA256, DIGEST_SHA1, DIGESTS_COUNT };

/* --- keys (scheme_key.c) --- */

/* A secret or public key with its contexts ready, so that no request pays for making them. Not for
 * two threads at once. */
struct key;

/* NULL with why (which never quotes the secret) when the text is no key of that form. */
struct key *key_new(enum key_form form, struct slice text, struct error *why);

/* Around a public key that the caller has got elsewhere (SNS: out of a certificate); takes a
 * reference of its own, the caller still frees his. */
struct key *key_of_public(EVP_PKEY *pkey, struct error *why);
void key_destroy(struct key **key);

/* Is one of the `given` the MAC of the parts one after the other? For HMAC keys, false for others.
 */
bool key_mac_is(struct key *key, const struct slice *parts, size_t n, const struct slice *given,
	size_t given_count);

/* Is `signature` (raw bytes) a good one over the parts one after the other? RSA keys: PKCS#1 v1.5;
 * EC keys: DER of (r, s); ed25519 keys take no digest and ignore it. False for HMAC and text keys.
 */
bool key_verifies(struct key *key, enum digest digest, const struct slice *parts, size_t n,
	struct slice signature);

/* Is `given` the very text of a KEY_TEXT or KEY_PASSWORD key? */
bool key_text_is(const struct key *key, struct slice given);

/* The public key's name as Postal's KID has it: 64 lower-case hex digits of SHA-256 over the DER of
 * the PKCS#1 RSAPublicKey. Absent for all but RSA keys. */
struct slice key_id(const struct key *key);

/* The same over all live keys of a source: true when one of them says so; all are tried.
 * scheme_mac_is: one given MAC. */
bool scheme_mac_is(
	struct provider_source *source, const struct slice *parts, size_t n, struct slice given);
bool scheme_verifies(struct provider_source *source, enum digest digest, const struct slice *parts,
	size_t n, struct slice signature);

/* --- headers (scheme_header.c) --- */

/* How often a header of that name (case-insensitive) stands in headers, an array of [name, value];
 * the first one's value, without the spaces and tabs around it, goes to *value (absent when none).
 */
size_t header_find(const msgpack_object *headers, const char *name, struct slice *value);

/* The value of the one header of that name; absent with why when it is missing, or stands twice,
 * for then two readers of the request could see different ones. An empty value is not absent. */
struct slice header_only(const msgpack_object *headers, const char *name, struct error *why);

/* The value if it stands once, else absent: for headers that are no proof. */
struct slice header_value(const msgpack_object *headers, const char *name);

/* Decimal seconds: an optional '-', then 1 to 15 digits, nothing else. */
bool decode_seconds(struct slice text, int64_t *seconds);

/* --- checks --- */

/* The source's scheme by name (generic, and providers that leave the choice). */
enum check_step scheme_check(struct provider_source *source, struct inbound *in, struct error *why);

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

/* Is the signed time inside the source's window? Otherwise CHECK_STALE. */
enum check_step scheme_fresh(const struct provider_source *source, const struct inbound *in,
	int64_t signed_ms, struct error *why);

/* --- names --- */

struct scheme_row {
	const char *name;
	enum key_form form;
	uint64_t max_age_ms, max_future_ms;
};

extern const struct scheme_row scheme_rows[SCHEMES_COUNT];

/* False for a name that is no scheme. */
bool scheme_find(const char *name, enum scheme *scheme);

#endif
