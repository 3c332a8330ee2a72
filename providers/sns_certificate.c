/* sns_certificate - whose certificate it is, and when it holds. See sns.h. Pure. */
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#include "sns.h"

enum { MS_PER_S = 1000 };

/* How SNS names itself (aws-sdk-java-v2, sns-message-manager): the first for most regions, the
 * others with "<region>.amazonaws.com[.cn]" behind them for regions of their own. */
static const char common_name[] = "sns.amazonaws.com";
static const char government_name[] = "sns-us-gov-west-1.amazonaws.com";
static const char *const prefixes[] = {"sns.", "sns-signing.", "sns-"};

static bool
bears(X509 *certificate, const char *name)
{
	return X509_check_host(certificate, name, 0,
		       X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_ALWAYS_CHECK_SUBJECT,
		       NULL) == 1;
}

/* "https://sns.<region>.amazonaws.com/..." to "<region>.amazonaws.com". */
static struct slice
regional(struct slice url)
{
	const size_t skip = strlen("https://sns.");
	const char *end = url.n > skip ? memchr(url.p + skip, '/', url.n - skip) : NULL;

	return end ? (struct slice){url.p + skip, (size_t)(end - url.p) - skip}
		   : (struct slice){"", 0};
}

static bool
bears_sns_name(X509 *certificate, struct slice url)
{
	const struct slice region = regional(url);
	char name[SNS_CERT_URL_MAX + 16];

	if (bears(certificate, common_name) ||
		(slice_starts(region, "us-gov-") && bears(certificate, government_name)))
		return true;
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
		snprintf(name, sizeof name, "%s%.*s", prefixes[i], SLICE_ARG(region));
		if (bears(certificate, name))
			return true;
	}
	return false;
}

static bool
time_ms(const ASN1_TIME *time, int64_t *ms)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(time, &tm) != 1)
		return false;
	*ms = (int64_t)timegm(&tm) * MS_PER_S;
	return true;
}

static bool
judge(X509 *certificate, struct slice url, int64_t *from_ms, int64_t *until_ms, struct error *why)
{
	if (!certificate)
		return error_set(why, "not an X.509 certificate in PEM");
	if (!time_ms(X509_get0_notBefore(certificate), from_ms) ||
		!time_ms(X509_get0_notAfter(certificate), until_ms))
		return error_set(why, "the certificate's validity cannot be read");
	if (!bears_sns_name(certificate, url))
		return error_set(why, "the certificate bears none of the names of SNS");
	return true;
}

bool
sns_certificate_read(
	struct slice url, struct slice pem, int64_t *from_ms, int64_t *until_ms, struct error *why)
{
	BIO *bio = pem.n <= INT32_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	const bool ok = judge(certificate, url, from_ms, until_ms, why);

	X509_free(certificate);
	BIO_free(bio);
	return ok;
}
