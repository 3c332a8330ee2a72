/* guard - see guard.h. */
#include "guard.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "lib/base/file.h"

enum { TOKEN_LEAST = 16, TOKEN_MOST = 1024 };

/* Equal lengths for the comparison, whatever was given. */
static bool
digest(const char *text, size_t n, unsigned char out[32])
{
	return EVP_Digest(text, n, out, NULL, EVP_sha256(), NULL) == 1;
}

bool
guard_load(struct guard *guard, const char *path, struct error *why)
{
	size_t size, n;
	char *text;

	*guard = (struct guard){.set = false};
	if (!path)
		return true;
	text = file_read_private(path, &size, why);
	if (!text)
		return false;
	n = strcspn(text, "\r\n");
	n = n < TOKEN_MOST ? n : TOKEN_MOST;
	guard->set = n >= TOKEN_LEAST && digest(text, n, guard->digest);
	wipe_free(text, size);
	return guard->set ||
	       error_set(why, "%s: the token has fewer than %d characters", path, TOKEN_LEAST);
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

unsigned
guard_check(
	const struct guard *guard, const char *authorization, const char *origin, const char *host)
{
	if (guard->set && !has_token(guard, authorization))
		return 401;
	if (origin || (!guard->set && host && !is_plain_host(host)))
		return 403;
	return 0;
}
