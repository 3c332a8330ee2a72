/* key_public - public keys out of the texts in which consoles hand them out. See key.h. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "key_private.h"
#include "lib/base/codec.h"

enum { RSA_BITS_MIN = 1024 };

static EVP_PKEY *
read_pem(struct slice text)
{
	BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
	EVP_PKEY *pkey = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	return pkey;
}

/* A DKIM record's p= value; the whole text when it is none. */
static struct slice
dkim_value(struct slice text)
{
	const char *p = memmem(text.p, text.n, "p=", 2), *end;
	size_t n;

	if (!p || (p > text.p && p[-1] != ';' && p[-1] != ' '))
		return text;
	n = (size_t)(text.p + text.n - p) - 2;
	end = memchr(p + 2, ';', n);
	return (struct slice){p + 2, end ? (size_t)(end - p) - 2 : n};
}

/* Spaces and line ends come in when a key is copied from a page. */
static size_t
squeeze(struct slice text, char *out, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n && n < room; i++)
		if (!text.p[i] || !strchr(" \t\r\n", text.p[i]))
			out[n++] = text.p[i];
	return n;
}

static EVP_PKEY *
read_der(struct slice text)
{
	char digits[SECRET_MAX];
	unsigned char der[SECRET_MAX];
	const unsigned char *p = der;
	struct slice packed = {digits, squeeze(dkim_value(text), digits, sizeof digits)};
	EVP_PKEY *pkey;
	size_t n;

	if (!decode_base64_to(packed, BASE64_LENIENT, der, sizeof der, &n))
		return NULL;
	pkey = d2i_PUBKEY(NULL, &p, (long)n);
	if (pkey && p == der + n)
		return pkey;
	EVP_PKEY_free(pkey);
	return NULL;
}

static bool
is_p256(EVP_PKEY *pkey)
{
	char group[64] = "";

	return EVP_PKEY_is_a(pkey, "EC") &&
	       EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) == 1 &&
	       strcmp(group, "prime256v1") == 0;
}

static const char *
misfit(enum key_form form, EVP_PKEY *pkey)
{
	if (form == KEY_EC_P256)
		return is_p256(pkey) ? NULL : "the public key is not an EC key on P-256";
	if (EVP_PKEY_is_a(pkey, "RSA") && EVP_PKEY_get_bits(pkey) >= RSA_BITS_MIN)
		return NULL;
	return "the public key is not an RSA key of 1024 bits or more";
}

static bool
holds(struct slice text, const char *part)
{
	return memmem(text.p, text.n, part, strlen(part));
}

EVP_PKEY *
public_key_read(enum key_form form, struct slice text, struct error *why)
{
	const bool pem = holds(text, "-----BEGIN ");
	EVP_PKEY *pkey = NULL;
	const char *wrong = NULL;

	if (pem && holds(text, "PRIVATE KEY"))
		wrong = "this is a private key: the public one is needed";
	else
		pkey = pem ? read_pem(text) : read_der(text);
	if (pkey)
		wrong = misfit(form, pkey);
	else if (!wrong)
		wrong = "no public key: neither PEM nor base64 of a DER SubjectPublicKeyInfo";
	ERR_clear_error();
	if (!wrong)
		return pkey;
	EVP_PKEY_free(pkey);
	error_set(why, "%s", wrong);
	return NULL;
}
