/* key - secrets and public keys, made ready once. See key.h.
 *
 * In: the text of a secret. Out: a key whose contexts are kept, so that a request costs no set-up.
 * State: the key. Of tokens and passwords only a SHA-256 is kept: compares then take the same time
 * for texts of every length. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "key_private.h"
#include "lib/base/codec.h"

enum { MAC_MAX = 32, HASH_LEN = 32, ED25519_LEN = 32 };

struct key {
	EVP_MAC_CTX *mac; /* HMAC keys */
	size_t mac_len;

	EVP_PKEY *pkey;                   /* public keys */
	EVP_MD_CTX *ready[DIGESTS_COUNT]; /* begun with the key; copied to work for each use */
	EVP_MD_CTX *work;
	bool one_shot; /* ed25519: takes the message whole, without a digest */
	char id[2 * HASH_LEN + 1];

	bool text; /* tokens and passwords */
	unsigned char hash[HASH_LEN];
};

static const char *const digest_names[DIGESTS_COUNT] = {
	[DIGEST_SHA256] = "SHA256",
	[DIGEST_SHA1] = "SHA1",
};

static struct key *
fail(struct key *key, struct error *why, const char *what)
{
	ERR_clear_error();
	key_destroy(&key);
	error_set(why, "%s", what);
	return NULL;
}

static struct key *
key_alloc(struct error *why)
{
	struct key *key = calloc(1, sizeof *key);

	if (!key)
		error_set(why, "out of memory for a key");
	return key;
}

void
key_destroy(struct key **key)
{
	if (!*key)
		return;
	EVP_MAC_CTX_free((*key)->mac);
	for (int i = 0; i < DIGESTS_COUNT; i++)
		EVP_MD_CTX_free((*key)->ready[i]);
	EVP_MD_CTX_free((*key)->work);
	EVP_PKEY_free((*key)->pkey);
	OPENSSL_cleanse((*key)->hash, sizeof(*key)->hash);
	free(*key);
	*key = NULL;
}

static EVP_MAC_CTX *
keyed_context(enum digest digest, const unsigned char *secret, size_t n)
{
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
			OSSL_MAC_PARAM_DIGEST, (char *)digest_names[digest], 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *context = hmac ? EVP_MAC_CTX_new(hmac) : NULL;

	EVP_MAC_free(hmac);
	if (context && EVP_MAC_init(context, secret, n, params))
		return context;
	EVP_MAC_CTX_free(context);
	return NULL;
}

static struct key *
new_hmac(enum digest digest, const unsigned char *secret, size_t n, struct error *why)
{
	struct key *key = key_alloc(why);

	if (!key)
		return NULL;
	key->mac = keyed_context(digest, secret, n);
	if (!key->mac)
		return fail(key, why, "OpenSSL cannot make this HMAC");
	key->mac_len = EVP_MAC_CTX_get_mac_size(key->mac);
	return key;
}

static bool
hash_text(struct slice text, unsigned char hash[HASH_LEN])
{
	return EVP_Digest(text.p, text.n, hash, NULL, EVP_sha256(), NULL) == 1;
}

static struct key *
new_text(struct slice text, struct error *why)
{
	struct key *key = key_alloc(why);

	if (!key)
		return NULL;
	key->text = true;
	return hash_text(text, key->hash) ? key : fail(key, why, "OpenSSL cannot make SHA-256");
}

static EVP_MD_CTX *
begun(EVP_PKEY *pkey, const char *digest)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	if (context && EVP_DigestVerifyInit_ex(context, NULL, digest, NULL, NULL, pkey, NULL) == 1)
		return context;
	EVP_MD_CTX_free(context);
	return NULL;
}

/* Postal's KID: the digest over what ruby-jwt digests, the PKCS#1 form. */
static void
name_rsa(struct key *key)
{
	unsigned char *der = NULL, hash[HASH_LEN];
	const int n = i2d_PublicKey(key->pkey, &der);

	if (n > 0 && hash_text((struct slice){(const char *)der, (size_t)n}, hash))
		encode_hex_to(hash, HASH_LEN, key->id);
	OPENSSL_free(der);
}

struct key *
key_of_public(EVP_PKEY *pkey, struct error *why)
{
	struct key *key = key_alloc(why);

	if (!key || !EVP_PKEY_up_ref(pkey))
		return fail(key, why, "out of memory for a key");
	key->pkey = pkey;
	key->work = EVP_MD_CTX_new();
	key->one_shot = EVP_PKEY_is_a(pkey, "ED25519");
	for (int i = 0; i < DIGESTS_COUNT && !key->one_shot; i++) {
		key->ready[i] = begun(pkey, digest_names[i]);
		if (!key->ready[i])
			return fail(key, why, "OpenSSL cannot verify with a key of this kind");
	}
	if (EVP_PKEY_is_a(pkey, "RSA"))
		name_rsa(key);
	return key->work ? key : fail(key, why, "out of memory for a key");
}

static struct key *
of_public_owned(EVP_PKEY *pkey, struct error *why)
{
	struct key *key = pkey ? key_of_public(pkey, why) : NULL;

	EVP_PKEY_free(pkey);
	return key;
}

static struct key *
new_ed25519(struct slice text, struct error *why)
{
	unsigned char raw[SECRET_MAX];
	size_t n;
	EVP_PKEY *pkey;

	if (!decode_base64_to(text, BASE64_LENIENT, raw, sizeof raw, &n) || n != ED25519_LEN)
		return fail(NULL, why, "what follows whpk_ is not the base64 of 32 bytes");
	pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, n);
	return pkey ? of_public_owned(pkey, why)
		    : fail(NULL, why, "what follows whpk_ is no ed25519 public key");
}

static struct slice
without(struct slice text, const char *prefix)
{
	const size_t n = strlen(prefix);

	return slice_starts(text, prefix) ? (struct slice){text.p + n, text.n - n} : text;
}

static struct key *
new_standard(struct slice text, struct error *why)
{
	unsigned char raw[SECRET_MAX];
	struct key *key;
	size_t n;

	if (slice_starts(text, "whsk_"))
		return fail(
			NULL, why, "whsk_ is the private key: the public one, whpk_, is needed");
	if (slice_starts(text, "whpk_"))
		return new_ed25519(without(text, "whpk_"), why);
	text = without(text, "whsec_");
	if (!decode_base64_to(text, BASE64_LENIENT, raw, sizeof raw, &n) || !n)
		return fail(NULL, why, "the secret is not [whsec_]base64 nor whpk_base64");
	key = new_hmac(DIGEST_SHA256, raw, n, why);
	OPENSSL_cleanse(raw, sizeof raw);
	return key;
}

struct key *
key_new(enum key_form form, struct slice text, struct error *why)
{
	if (!text.n || text.n > SECRET_MAX)
		return fail(NULL, why, text.n ? "it is too long" : "it is empty");
	switch (form) {
	case KEY_HMAC_SHA256:
		return new_hmac(DIGEST_SHA256, (const unsigned char *)text.p, text.n, why);
	case KEY_HMAC_SHA1:
		return new_hmac(DIGEST_SHA1, (const unsigned char *)text.p, text.n, why);
	case KEY_STANDARD:
		return new_standard(text, why);
	case KEY_PASSWORD:
		if (!memchr(text.p, ':', text.n))
			return fail(NULL, why, "it is not user:password");
		return new_text(text, why);
	case KEY_TEXT:
		return new_text(text, why);
	case KEY_EC_P256:
	case KEY_RSA:
		return of_public_owned(public_key_read(form, text, why), why);
	default:
		return fail(NULL, why, "the scheme takes no secret");
	}
}

/* A NULL key starts anew with the key that the context has. */
static bool
make_mac(struct key *key, const struct slice *parts, size_t n, unsigned char mac[MAC_MAX])
{
	size_t length = 0;
	bool good = EVP_MAC_init(key->mac, NULL, 0, NULL) == 1;

	for (size_t i = 0; good && i < n; i++)
		good = EVP_MAC_update(key->mac, (const unsigned char *)parts[i].p, parts[i].n) == 1;
	return good && EVP_MAC_final(key->mac, mac, &length, MAC_MAX) == 1 &&
	       length == key->mac_len;
}

bool
key_mac_is(struct key *key, const struct slice *parts, size_t n, const struct slice *given,
	size_t given_count)
{
	unsigned char mac[MAC_MAX];
	bool is = false;

	if (!key->mac || !make_mac(key, parts, n, mac))
		return false;
	for (size_t i = 0; i < given_count; i++)
		is |= given[i].n == key->mac_len &&
		      CRYPTO_memcmp(mac, given[i].p, key->mac_len) == 0;
	OPENSSL_cleanse(mac, sizeof mac);
	return is;
}

static size_t
total(const struct slice *parts, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += parts[i].n;
	return sum;
}

char *
key_message(const struct slice *parts, size_t n, size_t *size)
{
	char *whole, *to;

	*size = total(parts, n);
	whole = to = malloc(*size + 1);
	for (size_t i = 0; whole && i < n; i++)
		if (parts[i].n)
			to = mempcpy(to, parts[i].p, parts[i].n);
	return whole;
}

/* Ed25519 reads the message twice, so it must have it in one piece. */
static bool
verify_whole(struct key *key, const struct slice *parts, size_t n, struct slice signature)
{
	size_t size = parts->n;
	char *copy = n == 1 ? NULL : key_message(parts, n, &size);
	const char *whole = n == 1 ? parts->p : copy;
	const bool good =
		whole && EVP_MD_CTX_reset(key->work) &&
		EVP_DigestVerifyInit_ex(key->work, NULL, NULL, NULL, NULL, key->pkey, NULL) == 1 &&
		EVP_DigestVerify(key->work, (const unsigned char *)signature.p, signature.n,
			(const unsigned char *)whole, size) == 1;

	free(copy);
	return good;
}

static bool
verify_digest(struct key *key, enum digest digest, const struct slice *parts, size_t n,
	struct slice signature)
{
	bool good = EVP_MD_CTX_copy_ex(key->work, key->ready[digest]) == 1;

	for (size_t i = 0; good && i < n; i++)
		good = EVP_DigestVerifyUpdate(key->work, parts[i].p, parts[i].n) == 1;
	return good && EVP_DigestVerifyFinal(
			       key->work, (const unsigned char *)signature.p, signature.n) == 1;
}

bool
key_verifies(struct key *key, enum digest digest, const struct slice *parts, size_t n,
	struct slice signature)
{
	bool good;

	if (!key->pkey || !signature.n)
		return false;
	good = key->one_shot ? verify_whole(key, parts, n, signature)
			     : verify_digest(key, digest, parts, n, signature);
	ERR_clear_error();
	return good;
}

bool
key_is_public(const struct key *key)
{
	return key->pkey != NULL;
}

bool
key_text_is(const struct key *key, struct slice given)
{
	unsigned char hash[HASH_LEN];

	return key->text && hash_text(given, hash) &&
	       CRYPTO_memcmp(hash, key->hash, sizeof hash) == 0;
}

struct slice
key_id(const struct key *key)
{
	return *key->id ? slice_of(key->id) : (struct slice){NULL, 0};
}
