/* guard - see guard.h. */
#include "guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOKEN_LEAST = 16, TOKEN_MOST = 1024 };

/* Equal lengths for the comparison, whatever was given. */
static bool
digest(const char *text, size_t n, unsigned char out[32])
{
	return EVP_Digest(text, n, out, NULL, EVP_sha256(), NULL) == 1;
}

static bool
take_token(struct guard *guard, int fd, const char *path, struct error *why)
{
	char text[TOKEN_MOST + 1];
	const ssize_t n = read(fd, text, TOKEN_MOST);
	bool good;

	if (n < 0)
		return error_set(why, "cannot read %s: %s", path, strerror(errno));
	text[n] = 0;
	text[strcspn(text, "\r\n")] = 0;
	good = strlen(text) >= TOKEN_LEAST && digest(text, strlen(text), guard->digest);
	OPENSSL_cleanse(text, sizeof text);
	guard->set = good;
	return good ||
	       error_set(why, "%s: the token has fewer than %d characters", path, TOKEN_LEAST);
}

/* As for the secrets of sources: of this user or root, closed to everybody else; what root hands to
 * another user is read through the group's bits. */
static bool
check_private(const struct stat *st, const char *path, struct error *why)
{
	const mode_t closed = st->st_uid == 0 && geteuid() != 0 ? 037 : 077;

	if (st->st_uid != geteuid() && st->st_uid != 0)
		return error_set(why, "%s belongs to another user", path);
	return !(st->st_mode & closed) ||
	       error_set(why, "%s is open to others than its owner; chmod 600 it", path);
}

bool
guard_load(struct guard *guard, const char *path, struct error *why)
{
	struct stat st;
	bool good = false;
	int fd;

	*guard = (struct guard){.set = false};
	if (!path)
		return true;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		error_set(why, "cannot read %s: %s", path, strerror(errno));
	else if (check_private(&st, path, why))
		good = take_token(guard, fd, path, why);
	if (fd >= 0)
		close(fd);
	return good;
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
