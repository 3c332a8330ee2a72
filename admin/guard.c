/* guard - see guard.h. */
#include "guard.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base/file.h"
#include "lib/base/secret.h"

enum { TOKEN_LEAST = 16, TOKEN_MOST = 1024, PATH_BYTES = 4096 };

/* ---- the token ---- */

/* Equal lengths for the comparison, whatever was given. */
static bool
digest(const char *text, size_t n, unsigned char out[32])
{
	return EVP_Digest(text, n, out, NULL, EVP_sha256(), NULL) == 1;
}

/* Ours is made where there is none; of the operator's, the name may be a link. */
static char *
read_token(const char *file, const char *own, size_t *size, struct error *why)
{
	bool made;

	if (file)
		return file_read_private(file, size, why);
	return secret_make(own, "", &made, why) ? file_read_own(own, size, why) : NULL;
}

bool
guard_load(struct guard *guard, const char *file, const char *data_dir, bool loopback,
	struct error *why)
{
	struct guard next = {.loopback = loopback, .named = file != NULL};
	char own[PATH_BYTES], *text;
	size_t size, n;
	bool good;

	snprintf(own, sizeof own, "%s/admin.token", data_dir);
	text = read_token(file, own, &size, why);
	if (!text)
		return false;
	n = strcspn(text, "\r\n");
	n = n < TOKEN_MOST ? n : TOKEN_MOST;
	good = n >= TOKEN_LEAST && digest(text, n, next.digest);
	wipe_free(text, size);
	if (good)
		*guard = next;
	return good || error_set(why, "%s: the token has fewer than %d characters",
			       file ? file : own, TOKEN_LEAST);
}

static bool
has_token(const struct guard *guard, const char *authorization)
{
	unsigned char given[32];

	if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0)
		return false;
	authorization += 7;
	return digest(authorization, strlen(authorization), given) &&
	       CRYPTO_memcmp(given, guard->digest, sizeof given) == 0;
}

/* ---- a request ---- */

/* An address or localhost, with or without a port: no name that DNS could give to this machine. */
static bool
is_plain_host(const char *host)
{
	const char *colon = strrchr(host, ':');
	unsigned char address[sizeof(struct in6_addr)];
	char name[64];
	size_t n = colon && !strchr(colon, ']') ? (size_t)(colon - host) : strlen(host);

	if (n >= sizeof name)
		return false;
	memcpy(name, host, n);
	name[n] = 0;
	return strcasecmp(name, "localhost") == 0 || name[0] == '[' ||
	       inet_pton(AF_INET, name, address) == 1;
}

/* Browsers say where a request comes from: nowhere (a person typed it), from here, or from elsewhere.
 */
static bool
is_from_elsewhere(const struct guard_request *rq)
{
	return rq->origin || (rq->fetch_site && strcasecmp(rq->fetch_site, "none") != 0 &&
				     strcasecmp(rq->fetch_site, "same-origin") != 0);
}

enum guard_refusal
guard_check(const struct guard *guard, const struct guard_request *rq)
{
	const bool token = has_token(guard, rq->authorization);

	if (!rq->host)
		return GUARD_HOST_MISSING;
	if (is_from_elsewhere(rq))
		return GUARD_BROWSER;
	if (guard->loopback && !(guard->named && token) && !is_plain_host(rq->host))
		return GUARD_HOST;
	if (token || (rq->shown && guard->loopback))
		return GUARD_GOOD;
	return rq->authorization ? GUARD_WRONG_TOKEN : GUARD_NO_TOKEN;
}

#define ROW(name, status, text) [GUARD_##name] = {status, text},
static const struct {
	unsigned status;
	const char *text;
} refusals[] = {GUARD_REFUSALS(ROW)};

unsigned
guard_status(enum guard_refusal refusal)
{
	return refusals[refusal].status;
}

const char *
guard_text(enum guard_refusal refusal)
{
	return refusals[refusal].text;
}
