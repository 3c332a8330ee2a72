/* Keys: what secrets and public keys are taken in which form, and that they verify what they
 * should, checked against the vectors of the RFCs and against keys made here. */
#include <criterion/criterion.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "providers/scheme.h"

static struct error why;

static struct key *
make(enum key_form form, const char *text)
{
	why.text[0] = 0;
	return key_new(form, slice_of(text), &why);
}

static struct slice
bytes(const char *hex, unsigned char *out)
{
	const size_t n = strlen(hex) / 2;

	cr_assert(decode_hex(slice_of(hex), out, n));
	return (struct slice){(char *)out, n};
}

static bool
mac_is(enum key_form form, const char *secret, const struct slice *parts, size_t n, const char *hex)
{
	unsigned char out[64];
	const struct slice given = bytes(hex, out);
	struct key *key = make(form, secret);
	bool is;

	cr_assert(key, "%s", why.text);
	is = key_mac_is(key, parts, n, &given, 1);
	key_destroy(&key);
	return is;
}

/* RFC 4231 section 4.3 and RFC 2202 section 3, case 2. */
static const char DATA[] = "what do ya want for nothing?";
static const char SHA256_HEX[] = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
static const char SHA1_HEX[] = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";

Test(scheme_key, hmac_gives_what_the_rfcs_say)
{
	const struct slice whole = slice_of(DATA);
	const struct slice cut[] = {{DATA, 5}, {NULL, 0}, {DATA + 5, sizeof DATA - 6}};

	cr_assert(mac_is(KEY_HMAC_SHA256, "Jefe", &whole, 1, SHA256_HEX));
	cr_assert(mac_is(KEY_HMAC_SHA256, "Jefe", cut, 3, SHA256_HEX));
	cr_assert(mac_is(KEY_HMAC_SHA1, "Jefe", &whole, 1, SHA1_HEX));
	cr_assert_not(mac_is(KEY_HMAC_SHA256, "jefe", &whole, 1, SHA256_HEX));
	cr_assert_not(mac_is(KEY_HMAC_SHA256, "Jefe", cut, 1, SHA256_HEX));
}

Test(scheme_key, a_mac_of_another_length_is_none)
{
	const struct slice whole = slice_of(DATA);
	char longer[sizeof SHA256_HEX + 2] = "";

	memcpy(longer, SHA256_HEX, sizeof SHA256_HEX - 1);
	memcpy(longer + sizeof SHA256_HEX - 1, "00", 2);
	cr_assert_not(mac_is(KEY_HMAC_SHA256, "Jefe", &whole, 1, longer));
	cr_assert_not(mac_is(KEY_HMAC_SHA256, "Jefe", &whole, 1, SHA1_HEX));
	cr_assert_not(mac_is(KEY_HMAC_SHA256, "Jefe", &whole, 1, ""));
}

Test(scheme_key, one_key_serves_many_requests)
{
	unsigned char out[64];
	const struct slice given = bytes(SHA256_HEX, out), whole = slice_of(DATA);
	const struct slice other = slice_of("something else");
	struct key *key = make(KEY_HMAC_SHA256, "Jefe");

	for (int i = 0; i < 3; i++) {
		cr_assert(key_mac_is(key, &whole, 1, &given, 1));
		cr_assert_not(key_mac_is(key, &other, 1, &given, 1));
	}
	key_destroy(&key);
	cr_assert_null(key);
}

Test(scheme_key, a_nul_ends_nothing)
{
	struct key *key = key_new(KEY_HMAC_SHA256, (struct slice){"a\0b", 3}, &why);
	struct key *cut = key_new(KEY_HMAC_SHA256, (struct slice){"a", 1}, &why);
	struct key *text = key_new(KEY_TEXT, (struct slice){"a\0b", 3}, &why);
	const struct slice whole = slice_of(DATA);
	unsigned char mac[32];
	size_t n;
	struct slice given = {(char *)mac, sizeof mac};

	cr_assert(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, "a\0b", 3,
		(const unsigned char *)DATA, sizeof DATA - 1, mac, sizeof mac, &n));
	cr_assert(key_mac_is(key, &whole, 1, &given, 1));
	cr_assert_not(key_mac_is(cut, &whole, 1, &given, 1));
	cr_assert(key_text_is(text, (struct slice){"a\0b", 3}));
	cr_assert_not(key_text_is(text, (struct slice){"a", 1}));
	cr_assert_not(key_text_is(text, (struct slice){"a\0c", 3}));
	key_destroy(&key);
	key_destroy(&cut);
	key_destroy(&text);
}

/* RFC 8032 section 7.1, test 2: one byte, 0x72. */
static const char ED25519_KEY[] =
	"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
static const char ED25519_SIG[] =
	"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
	"085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

static struct key *
ed25519(void)
{
	unsigned char raw[32], text[64] = "whpk_";

	bytes(ED25519_KEY, raw);
	EVP_EncodeBlock(text + 5, raw, sizeof raw);
	return make(KEY_STANDARD, (const char *)text);
}

Test(scheme_key, ed25519_verifies_what_the_rfc_signed)
{
	unsigned char out[64];
	struct slice signature = bytes(ED25519_SIG, out);
	const struct slice parts[] = {{"", 0}, {"\x72", 1}};
	struct key *key = ed25519();

	cr_assert(key, "%s", why.text);
	cr_assert(key_verifies(key, DIGEST_SHA256, parts, 2, signature));
	cr_assert(key_verifies(key, DIGEST_SHA256, parts, 2, signature), "a second time");
	cr_assert_not(key_verifies(key, DIGEST_SHA256, parts, 1, signature));
	cr_assert_not(key_verifies(key, DIGEST_SHA256, parts, 2, (struct slice){signature.p, 63}));
	cr_assert_not(key_mac_is(key, parts, 2, &signature, 1));
	out[0] ^= 1;
	cr_assert_not(key_verifies(key, DIGEST_SHA256, parts, 2, signature));
	key_destroy(&key);
}

Test(scheme_key, a_standard_secret_is_decoded_leniently)
{
	const struct slice whole = slice_of(DATA);

	cr_assert(mac_is(KEY_STANDARD, "whsec_SmVmZQ==", &whole, 1, SHA256_HEX));
	cr_assert(mac_is(KEY_STANDARD, "whsec_SmVmZQ=", &whole, 1, SHA256_HEX));
	cr_assert(mac_is(KEY_STANDARD, "whsec_SmVmZQ", &whole, 1, SHA256_HEX));
	cr_assert(mac_is(KEY_STANDARD, "SmVmZR", &whole, 1, SHA256_HEX), "unused bits");
	cr_assert_not(mac_is(KEY_STANDARD, "whsec_SmVmZA", &whole, 1, SHA256_HEX));
}

Test(scheme_key, secrets_that_are_none_are_refused_with_the_reason)
{
	static const struct {
		enum key_form form;
		const char *text, *reason;
	} cases[] = {
		{KEY_HMAC_SHA256, "", "empty"},
		{KEY_STANDARD, "whsec_", "base64"},
		{KEY_STANDARD, "whsec_a b=", "base64"},
		{KEY_STANDARD, "whsec_abcde", "base64"},
		{KEY_STANDARD, "whsk_AAAA", "public"},
		{KEY_STANDARD, "whpk_AAAA", "32 bytes"},
		{KEY_PASSWORD, "no colon", "user:password"},
		{KEY_EC_P256, "AAAA", "SubjectPublicKeyInfo"},
		{KEY_RSA, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
			"no public key"},
		{KEY_RSA, "-----BEGIN RSA PRIVATE KEY-----\n", "private"},
		{KEY_NONE, "x", "no secret"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		cr_assert_null(make(cases[i].form, cases[i].text), "%s", cases[i].text);
		cr_assert(strstr(why.text, cases[i].reason), "%s: %s", cases[i].text, why.text);
	}
}

/* A pair made for the test, its public half as base64 of DER and as PEM. */
struct pair {
	EVP_PKEY *key;
	char der[1024], pem[1024];
};

static struct pair
make_pair(EVP_PKEY *key)
{
	struct pair pair = {.key = key};
	unsigned char *der = NULL;
	const int n = i2d_PUBKEY(key, &der);
	BIO *bio = BIO_new(BIO_s_mem());

	cr_assert(key && n > 0 && n < 700);
	EVP_EncodeBlock((unsigned char *)pair.der, der, n);
	cr_assert(PEM_write_bio_PUBKEY(bio, key));
	cr_assert(BIO_read(bio, pair.pem, sizeof pair.pem - 1) > 0);
	BIO_free(bio);
	OPENSSL_free(der);
	return pair;
}

static struct slice
sign(EVP_PKEY *key, const char *digest, struct slice text, unsigned char out[512])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t n = 512;

	cr_assert(EVP_DigestSignInit_ex(context, NULL, digest, NULL, NULL, key, NULL));
	cr_assert(EVP_DigestSign(context, out, &n, (const unsigned char *)text.p, text.n));
	EVP_MD_CTX_free(context);
	return (struct slice){(char *)out, n};
}

static void
verifies_all_forms(enum key_form form, const struct pair *pair)
{
	const char *const texts[] = {pair->der, pair->pem};
	const struct slice parts[] = {{"1777890030", 10}, {"a\0b", 3}};
	unsigned char out[512];
	struct slice signature =
		sign(pair->key, "SHA256", (struct slice){"1777890030a\0b", 13}, out);

	for (size_t i = 0; i < 2; i++) {
		struct key *key = make(form, texts[i]);

		cr_assert(key, "%s", why.text);
		for (int again = 0; again < 2; again++)
			cr_assert(key_verifies(key, DIGEST_SHA256, parts, 2, signature));
		cr_assert_not(key_verifies(key, DIGEST_SHA1, parts, 2, signature));
		cr_assert_not(key_verifies(key, DIGEST_SHA256, parts, 1, signature));
		cr_assert_not(key_verifies(key, DIGEST_SHA256, parts, 2,
			(struct slice){signature.p, signature.n - 1}));
		cr_assert_not(key_verifies(key, DIGEST_SHA256, parts, 2, (struct slice){NULL, 0}));
		key_destroy(&key);
	}
}

Test(scheme_key, an_ecdsa_key_verifies_in_either_form)
{
	struct pair pair = make_pair(EVP_EC_gen("P-256"));

	verifies_all_forms(KEY_EC_P256, &pair);
	cr_assert_null(make(KEY_RSA, pair.pem), "an EC key is no RSA key");
	EVP_PKEY_free(pair.key);
}

Test(scheme_key, an_ecdsa_key_on_another_curve_is_refused)
{
	struct pair pair = make_pair(EVP_EC_gen("P-384"));

	cr_assert_null(make(KEY_EC_P256, pair.der));
	cr_assert(strstr(why.text, "P-256"), "%s", why.text);
	EVP_PKEY_free(pair.key);
}

Test(scheme_key, an_rsa_key_verifies_in_either_form_and_has_a_name)
{
	struct pair pair = make_pair(EVP_RSA_gen(2048));
	char dkim[1200];
	struct key *key;
	struct slice id;

	verifies_all_forms(KEY_RSA, &pair);
	snprintf(dkim, sizeof dkim, "v=DKIM1; t=s; h=sha256; p=%s;", pair.der);
	key = make(KEY_RSA, dkim);
	cr_assert(key, "%s", why.text);
	id = key_id(key);
	cr_assert_eq(id.n, 64);
	cr_assert_eq(strspn(id.p, "0123456789abcdef"), 64);
	key_destroy(&key);
	cr_assert_null(make(KEY_EC_P256, pair.pem), "an RSA key is no EC key");
	EVP_PKEY_free(pair.key);
}

Test(scheme_key, a_short_rsa_key_is_refused)
{
	struct pair pair = make_pair(EVP_RSA_gen(768));

	cr_assert_null(make(KEY_RSA, pair.der));
	cr_assert(strstr(why.text, "1024"), "%s", why.text);
	EVP_PKEY_free(pair.key);
}

Test(scheme_key, a_key_copied_with_line_ends_is_read)
{
	struct pair pair = make_pair(EVP_EC_gen("P-256"));
	char text[1100];
	struct key *key;

	snprintf(text, sizeof text, " %.20s\r\n\t%.900s\n", pair.der, pair.der + 20);
	key = make(KEY_EC_P256, text);
	cr_assert(key, "%s", why.text);
	key_destroy(&key);
	snprintf(text, sizeof text, "%.*s", (int)strlen(pair.der) - 4, pair.der);
	cr_assert_null(make(KEY_EC_P256, text), "a key that is cut");
	EVP_PKEY_free(pair.key);
}
