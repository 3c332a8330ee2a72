/* signature - see signature.h. */
#include "signature.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <strings.h>

#include "lib/base/field.h"

enum { MAC_LEN = 32 };

static const char HEADER[] = "X-Signature", PREFIX[] = "sha256=";

struct signer {
	size_t count;
	EVP_MAC_CTX *contexts[]; /* one a secret, already keyed */
};

static EVP_MAC_CTX *
keyed_context(const char *secret)
{
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *context = hmac ? EVP_MAC_CTX_new(hmac) : NULL;

	EVP_MAC_free(hmac);
	if (context && EVP_MAC_init(context, (const unsigned char *)secret, strlen(secret), params))
		return context;
	EVP_MAC_CTX_free(context);
	return NULL;
}

struct signer *
signer_new(const struct config_source *source, struct error *why)
{
	struct signer *signer =
		calloc(1, sizeof *signer + source->secrets_count * sizeof(EVP_MAC_CTX *));

	if (!signer) {
		error_set(why, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < source->secrets_count; i++) {
		signer->contexts[i] = keyed_context(source->secrets[i]);
		if (!signer->contexts[i]) {
			error_set(
				why, "OpenSSL cannot make HMAC-SHA256 for source %s", source->name);
			signer_destroy(&signer);
			return NULL;
		}
		signer->count++;
	}
	return signer;
}

void
signer_destroy(struct signer **signer)
{
	if (!*signer)
		return;
	for (size_t i = 0; i < (*signer)->count; i++)
		EVP_MAC_CTX_free((*signer)->contexts[i]);
	free(*signer);
	*signer = NULL;
}

/* The value of the one header of that name; absent when it is missing or stands twice. */
static struct slice
only_header(const msgpack_object *headers, const char *name, struct error *why)
{
	struct slice found = {NULL, 0};

	if (headers->type != MSGPACK_OBJECT_ARRAY)
		return found;
	for (uint32_t i = 0; i < headers->via.array.size; i++) {
		const msgpack_object *pair = &headers->via.array.ptr[i];
		struct slice key, value;

		if (pair->type != MSGPACK_OBJECT_ARRAY || pair->via.array.size != 2)
			continue;
		key = object_str(&pair->via.array.ptr[0]);
		value = object_str(&pair->via.array.ptr[1]);
		if (key.n != strlen(name) || strncasecmp(key.p, name, key.n) != 0)
			continue;
		if (found.p) {
			error_set(why, "header %s stands twice", name);
			return (struct slice){NULL, 0};
		}
		found = value;
	}
	if (!found.p)
		error_set(why, "header %s is missing", name);
	return found;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool
parse_mac(struct slice text, unsigned char mac[MAC_LEN])
{
	const size_t skip = sizeof PREFIX - 1;

	if (!slice_starts(text, PREFIX) || text.n != skip + 2 * (size_t)MAC_LEN)
		return false;
	for (size_t i = 0; i < MAC_LEN; i++) {
		const int high = hex_digit(text.p[skip + 2 * i]);
		const int low = hex_digit(text.p[skip + 2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		mac[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

/* A NULL key starts anew with the key that the context has. */
static bool
matches(EVP_MAC_CTX *context, struct slice body, const unsigned char given[MAC_LEN])
{
	unsigned char mac[MAC_LEN];
	size_t n = 0;

	return EVP_MAC_init(context, NULL, 0, NULL) &&
	       EVP_MAC_update(context, (const unsigned char *)body.p, body.n) &&
	       EVP_MAC_final(context, mac, &n, sizeof mac) && n == sizeof mac &&
	       CRYPTO_memcmp(mac, given, sizeof mac) == 0;
}

bool
signer_verify(
	struct signer *signer, const msgpack_object *headers, struct slice body, struct error *why)
{
	const struct slice value = only_header(headers, HEADER, why);
	unsigned char given[MAC_LEN];
	bool good = false;

	if (!value.p)
		return false;
	if (!parse_mac(value, given))
		return error_set(
			why, "header %s is not %s and %d hex digits", HEADER, PREFIX, 2 * MAC_LEN);
	for (size_t i = 0; i < signer->count; i++)
		good |= matches(signer->contexts[i], body, given);
	return good || error_set(why, "no live secret gives this signature over the body");
}
