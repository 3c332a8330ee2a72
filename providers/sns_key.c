/* sns_key - keys out of certificates. State: the last few of them, kept in the source, so that a
 * certificate is parsed once and not with every message. */
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "sns_private.h"
#include "source.h"

/* A source sees one region's certificate, and the next one once a year. */
enum { KEYS_KEPT = 4 };

struct kept_key {
	char *pem;
	size_t n;
	struct key *key;
};

struct kept_keys {
	struct kept_key list[KEYS_KEPT];
	size_t next; /* the oldest */
};

static void
forget(struct kept_key *kept)
{
	key_destroy(&kept->key);
	free(kept->pem);
	*kept = (struct kept_key){0};
}

static void
kept_keys_free(void *state)
{
	struct kept_keys *keys = state;

	for (size_t i = 0; i < KEYS_KEPT; i++)
		forget(&keys->list[i]);
	free(keys);
}

static struct key *
key_of_certificate(struct slice pem, struct error *why)
{
	BIO *bio = pem.n <= INT32_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	EVP_PKEY *public = certificate ? X509_get0_pubkey(certificate) : NULL;
	struct key *key = NULL;

	if (!public)
		error_set(why, "SNS certificate: no X.509 in PEM with a public key");
	else if (EVP_PKEY_get_base_id(public) != EVP_PKEY_RSA)
		error_set(why, "SNS certificate: its key is not RSA");
	else
		key = key_of_public(public, why);
	X509_free(certificate);
	BIO_free(bio);
	return key;
}

static bool
keep(struct kept_key *kept, struct slice pem, struct error *why)
{
	forget(kept);
	kept->pem = malloc(pem.n);
	if (!kept->pem)
		return error_set(why, "out of memory for an SNS certificate");
	memcpy(kept->pem, pem.p, pem.n);
	kept->n = pem.n;
	kept->key = key_of_certificate(pem, why);
	return kept->key;
}

static struct kept_keys *
kept_keys_of(struct provider_source *source)
{
	if (!source->state) {
		source->state = calloc(1, sizeof(struct kept_keys));
		source->state_free = kept_keys_free;
	}
	return source->state;
}

struct key *
sns_key(struct provider_source *source, struct slice pem, struct error *why)
{
	struct kept_keys *keys = kept_keys_of(source);
	struct kept_key *oldest;

	if (!keys || !pem.n) {
		error_set(why, keys ? "SNS certificate: empty" : "out of memory for SNS keys");
		return NULL;
	}
	for (size_t i = 0; i < KEYS_KEPT; i++)
		if (keys->list[i].key &&
			slice_eq(pem, (struct slice){keys->list[i].pem, keys->list[i].n}))
			return keys->list[i].key;
	oldest = &keys->list[keys->next++ % KEYS_KEPT];
	if (!keep(oldest, pem, why))
		forget(oldest);
	return oldest->key;
}
