/* test_sns - keys and certificates made for a test, and a folder to keep things in. */
#ifndef TROTLINE_TEST_SNS_H
#define TROTLINE_TEST_SNS_H

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/slice.h"

#define CERT_HOST "https://sns.eu-central-1.amazonaws.com"
#define CERT_URL CERT_HOST "/SimpleNotificationService-1.pem"

static inline EVP_PKEY *
test_key(void)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);

	cr_assert_not_null(key);
	return key;
}

static inline void
test_names(X509 *certificate, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(certificate);

	cr_assert(X509_NAME_add_entry_by_txt(
		subject, "O", MBSTRING_ASC, (const unsigned char *)"a test", -1, -1, 0));
	cr_assert(X509_NAME_add_entry_by_txt(
		subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0));
	cr_assert(X509_set_issuer_name(certificate, subject));
}

/* PEM of a self-signed certificate, valid from and until that many seconds from 1970. */
static inline void
test_certificate(
	EVP_PKEY *key, const char *name, int64_t from, int64_t until, char *pem, size_t size)
{
	X509 *certificate = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());
	int n;

	test_names(certificate, name);
	cr_assert(ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)from));
	cr_assert(ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)until));
	cr_assert(X509_set_pubkey(certificate, key));
	cr_assert(X509_sign(certificate, key, EVP_sha256()));
	cr_assert(PEM_write_bio_X509(bio, certificate));
	n = BIO_read(bio, pem, (int)size - 1);
	cr_assert(n > 0);
	pem[n] = 0;
	BIO_free(bio);
	X509_free(certificate);
}

static inline void
test_folder(char folder[64])
{
	snprintf(folder, 64, "/tmp/trotline-sns-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
}

static inline void
test_folder_end(const char *folder)
{
	char command[96];

	snprintf(command, sizeof command, "rm -r %s", folder);
	cr_assert_eq(system(command), 0);
}

#endif
