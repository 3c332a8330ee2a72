/* sns_url - which URLs of an SNS envelope lead to SNS itself. See sns.h. Pure. */
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "sns.h"

enum { SUBSCRIBE_URL_MAX = 2048, REGION_MAX = 64 };

static struct slice
slice_from(struct slice s, size_t n)
{
	return (struct slice){s.p + n, s.n - n};
}

static bool
slice_ends(struct slice s, const char *end)
{
	const size_t n = strlen(end);

	return s.n >= n && memcmp(s.p + s.n - n, end, n) == 0;
}

/* A host has no case (RFC 3986, 3.2.2). */
static bool
host_around(struct slice host, const char *start, const char *end)
{
	const size_t n = strlen(start), tail = strlen(end);

	return host.n >= n + tail && strncasecmp(host.p, start, n) == 0 &&
	       strncasecmp(host.p + host.n - tail, end, tail) == 0;
}

static bool
only_of(struct slice s, const char *others)
{
	for (size_t i = 0; i < s.n; i++) {
		const char c = s.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c && strchr(others, c))))
			return false;
	}
	return true;
}

/* sns.<region>.amazonaws.com[.cn]: the region has no dot, so nothing stands before or behind. */
static bool
is_sns_host(struct slice host)
{
	static const char *const ends[] = {".amazonaws.com", ".amazonaws.com.cn"};

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		const size_t around = strlen("sns.") + strlen(ends[i]);

		if (host_around(host, "sns.", ends[i]) && host.n >= around + 3 &&
			only_of((struct slice){host.p + strlen("sns."), host.n - around}, "-"))
			return true;
	}
	return false;
}

/* Cuts scheme and host off; *rest begins with the '/' behind them. A host is letters, digits, dots
 * and hyphens up to there: with a user, a port or a backslash it is none of Amazon's. */
static bool
cut_sns_host(struct slice url, size_t max, struct slice *rest, const char *name, struct error *why)
{
	static const char https[] = "https://";
	struct slice host;
	const char *slash;

	if (url.n > max)
		return error_set(why, "%s: longer than %zu bytes", name, max);
	if (!slice_starts(url, https))
		return error_set(why, "%s: not https", name);
	host = slice_from(url, sizeof https - 1);
	slash = memchr(host.p, '/', host.n);
	if (!slash)
		return error_set(why, "%s: no path", name);
	host.n = (size_t)(slash - host.p);
	if (!is_sns_host(host))
		return error_set(
			why, "%s: host is not sns.<region>.amazonaws.com[.cn], alone", name);
	*rest = slice_from(url, (size_t)(slash - url.p));
	return true;
}

/* Is every part between slashes a name, and none a step to elsewhere? */
static bool
is_plain_path(struct slice path)
{
	while (path.n) {
		struct slice part = slice_from(path, 1);
		const char *slash = memchr(part.p, '/', part.n);

		if (slash)
			part.n = (size_t)(slash - part.p);
		if (part.n == 0 || slice_is(part, ".") || slice_is(part, "..") ||
			!only_of(part, "._-"))
			return false;
		path = slice_from(path, part.n + 1);
	}
	return true;
}

struct slice
sns_cert_url(struct slice url, msgpack_zone *zone)
{
	static const char https[] = "https://";
	const bool fits = slice_starts(url, https) && url.n <= SNS_CERT_URL_MAX;
	char *copy = fits ? msgpack_zone_malloc(zone, url.n) : NULL;

	if (!copy)
		return url;
	memcpy(copy, url.p, url.n);
	for (size_t i = sizeof https - 1; i < url.n && copy[i] != '/'; i++)
		copy[i] = (char)tolower((unsigned char)copy[i]);
	return (struct slice){copy, url.n};
}

bool
sns_cert_url_allowed(struct slice url, struct error *why)
{
	struct slice path = {NULL, 0};

	if (!cut_sns_host(url, SNS_CERT_URL_MAX, &path, "SigningCertURL", why))
		return false;
	if (!slice_ends(path, ".pem"))
		return error_set(why, "SigningCertURL: path does not end in .pem");
	if (!is_plain_path(path))
		return error_set(why, "SigningCertURL: path is not a plain one");
	return true;
}

/* The n-th part of an ARN, from 0. */
static struct slice
arn_part(struct slice arn, size_t n)
{
	const char *colon;

	while ((colon = memchr(arn.p, ':', arn.n)) && n-- > 0)
		arn = slice_from(arn, (size_t)(colon - arn.p) + 1);
	return (struct slice){arn.p, colon ? (size_t)(colon - arn.p) : 0};
}

bool
sns_cert_url_of_topic(struct slice url, struct slice topic, struct error *why)
{
	const struct slice region = arn_part(topic, 3);
	const bool china = slice_is(arn_part(topic, 1), "aws-cn");
	char start[SNS_CERT_URL_MAX];
	const int n = snprintf(start, sizeof start, "https://sns.%.*s.amazonaws.com%s/",
		(int)(region.n < REGION_MAX ? region.n : 0), region.p, china ? ".cn" : "");

	return (n > 0 && url.n > (size_t)n && strncasecmp(url.p, start, (size_t)n) == 0) ||
	       error_set(
		       why, "SigningCertURL: not in the region of TopicArn %.*s", SLICE_ARG(topic));
}

static bool
has_parameter(struct slice query, const char *parameter)
{
	while (query.n) {
		const char *end = memchr(query.p, '&', query.n);
		const size_t n = end ? (size_t)(end - query.p) : query.n;

		if (slice_is((struct slice){query.p, n}, parameter))
			return true;
		query = slice_from(query, end ? n + 1 : n);
	}
	return false;
}

bool
sns_subscribe_url_allowed(struct slice url, struct error *why)
{
	struct slice rest = {NULL, 0};

	if (!cut_sns_host(url, SUBSCRIBE_URL_MAX, &rest, "SubscribeURL", why))
		return false;
	if (!slice_starts(rest, "/?") || !only_of(rest, "/?&=%:._~+,-*!'();$@"))
		return error_set(why, "SubscribeURL: not a plain query at /");
	if (!has_parameter(slice_from(rest, 2), "Action=ConfirmSubscription"))
		return error_set(why, "SubscribeURL: not Action=ConfirmSubscription");
	return true;
}
