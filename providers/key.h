/* key - a secret or a public key, made ready once for all the requests that it is tried on.
 *
 * All cryptography is OpenSSL's EVP, all compares are CRYPTO_memcmp, and of several signatures every
 * one is tried, so that time tells nothing about which of them, or which byte, was right. */
#ifndef TROTLINE_PROVIDERS_KEY_H
#define TROTLINE_PROVIDERS_KEY_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"

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

/* The parts one after the other, *size bytes, which the caller frees; NULL when memory is short. An
 * ed25519 key needs its message so, and key_verifies puts more than one part together anew for each
 * signature. */
char *key_message(const struct slice *parts, size_t n, size_t *size);

/* Is it a public key, for key_verifies? */
bool key_is_public(const struct key *key);

/* Is `given` the very text of a KEY_TEXT or KEY_PASSWORD key? */
bool key_text_is(const struct key *key, struct slice given);

/* The public key's name as Postal's KID has it: 64 lower-case hex digits of SHA-256 over the DER of
 * the PKCS#1 RSAPublicKey. Absent for all but RSA keys. */
struct slice key_id(const struct key *key);

#endif
