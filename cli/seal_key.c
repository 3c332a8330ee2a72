/* seal_key - see seal_key.h. */
#include "seal_key.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/codec.h"
#include "lib/base/file.h"

enum { RSA_BITS = 2048, DAY_S = 86400, CERTIFICATE_DAYS = 3650, ED25519_BYTES = 32 };

EVP_PKEY *
seal_key_load(const char *path, struct error *why)
{
	FILE *f = fopen(path, "re");
	EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;

	if (!f)
		error_set(why, "cannot read %s: %s", path, strerror(errno));
	else if (!key)
		error_set(why, "%s: no private key in PEM", path);
	if (f)
		fclose(f);
	return key;
}

static EVP_PKEY *
make_ec(void)
{
	return EVP_EC_gen("P-256");
}

static EVP_PKEY *
make_rsa(void)
{
	return EVP_RSA_gen(RSA_BITS);
}

static EVP_PKEY *
make_ed25519(void)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

/* Made for trying out, and it says so. */
static X509 *
certificate_of(EVP_PKEY *key)
{
	X509 *made = X509_new();
	X509_NAME *name = made ? X509_get_subject_name(made) : NULL;

	if (made && X509_set_version(made, 2) && ASN1_INTEGER_set(X509_get_serialNumber(made), 1) &&
		X509_gmtime_adj(X509_getm_notBefore(made), -(long)CERTIFICATE_DAYS * DAY_S) &&
		X509_gmtime_adj(X509_getm_notAfter(made), (long)CERTIFICATE_DAYS * DAY_S) &&
		X509_set_pubkey(made, key) &&
		X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC,
			(const unsigned char *)"for trying out, not Amazon", -1, -1, 0) &&
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
			(const unsigned char *)"sns.amazonaws.com", -1, -1, 0) &&
		X509_set_issuer_name(made, name) && X509_sign(made, key, EVP_sha256()))
		return made;
	X509_free(made);
	return NULL;
}

static void
print_base64(const unsigned char *bytes, size_t n, const char *prefix)
{
	char text[2048];

	if (base64_room(n) > sizeof text)
		return;
	encode_base64_to(bytes, n, text);
	printf("%s%s\n", prefix, text);
}

static void
print_spki(EVP_PKEY *key)
{
	unsigned char *der = NULL;
	const int n = i2d_PUBKEY(key, &der);

	if (n > 0)
		print_base64(der, (size_t)n, "");
	OPENSSL_free(der);
}

static void
print_whpk(EVP_PKEY *key)
{
	unsigned char raw[ED25519_BYTES];
	size_t n = sizeof raw;

	if (EVP_PKEY_get_raw_public_key(key, raw, &n))
		print_base64(raw, n, "whpk_");
}

/* Amazon's public half is a certificate: it goes to `trotline verify --cert`, not to a source. */
static void
print_nothing(EVP_PKEY *key)
{
	(void)key;
	puts("The certificate is in the same file, for --cert of the verb verify.");
}

static const struct kind {
	const char *provider;
	EVP_PKEY *(*make)(void);
	bool certificate;
	void (*print)(EVP_PKEY *key);
} kinds[] = {
	{"sendgrid", make_ec, false, print_spki},
	{"postal", make_rsa, false, print_spki},
	{"ses", make_rsa, true, print_nothing},
	{"generic", make_ed25519, false, print_whpk},
};

static bool
write_key(const struct kind *kind, EVP_PKEY *key, const char *path, struct error *why)
{
	FILE *f = file_make_stream(path, why);
	X509 *certificate;
	bool ok;

	if (!f)
		return false;
	certificate = kind->certificate ? certificate_of(key) : NULL;
	ok = PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) &&
	     (!kind->certificate || (certificate && PEM_write_X509(f, certificate)));
	ok = fclose(f) == 0 && ok;
	X509_free(certificate);
	return ok || error_set(why, "cannot write %s", path);
}

bool
seal_key_make(const char *provider, const char *path, struct error *why)
{
	const size_t n = sizeof kinds / sizeof *kinds;
	const struct kind *kind = kinds;
	EVP_PKEY *key;
	bool ok;

	while (kind < kinds + n && strcmp(kind->provider, provider) != 0)
		kind++;
	if (kind == kinds + n)
		return error_set(
			why, "provider %s signs with a secret of its source, not a key", provider);
	key = kind->make();
	ok = key ? write_key(kind, key, path, why) : error_set(why, "cannot make a key");
	if (ok)
		kind->print(key);
	EVP_PKEY_free(key);
	return ok;
}
