/* secret - see secret.h. */
#include "secret.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "codec.h"
#include "file.h"

enum { SECRET_BYTES = 32, PATH_BYTES = 4096 };

static bool
write_random(int fd, const char *before)
{
	unsigned char bytes[SECRET_BYTES];
	char text[2 * sizeof bytes + 2];
	bool ok = RAND_bytes(bytes, sizeof bytes) == 1;

	encode_hex_to(bytes, sizeof bytes, text);
	text[sizeof text - 2] = '\n';
	ok = ok && file_write_all(fd, slice_of(before)) &&
	     file_write_all(fd, (struct slice){text, sizeof text - 1}) && fsync(fd) == 0;
	OPENSSL_cleanse(bytes, sizeof bytes);
	OPENSSL_cleanse(text, sizeof text);
	return ok;
}

/* A name that is taken is not taken over: who was first wins. */
static bool
name_it(const char *beside, const char *path, bool *made)
{
	*made = link(beside, path) == 0;
	return (*made && file_flush_around(path)) || (!*made && errno == EEXIST);
}

bool
secret_make(const char *path, const char *before, bool *made, struct error *why)
{
	char beside[PATH_BYTES];
	int fd;
	bool ok;

	*made = false;
	if (access(path, F_OK) == 0)
		return true;
	if (snprintf(beside, sizeof beside, "%s.%ld.tmp", path, (long)getpid()) >=
		(int)sizeof beside)
		return error_set(why, "%s: its path is too long", path);
	unlink(beside); /* of an earlier process of this number */
	fd = file_make(beside, why);
	if (fd < 0)
		return false;
	ok = write_random(fd, before) && name_it(beside, path, made);
	if (!ok)
		error_set(why, "cannot make %s: %s", path, strerror(errno));
	close(fd);
	unlink(beside);
	return ok;
}
