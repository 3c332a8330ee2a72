/* kept - see kept.h. No state of its own. */
#include "kept.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/codec.h"
#include "lib/base/file.h"

enum { DIGEST_LEN = 32, NAME_HEX = 32, S_IN_MS = 1000 };

static bool
path_of(const char *folder, const char *kind, struct slice url, char out[KEPT_PATH_MAX])
{
	unsigned char digest[DIGEST_LEN];
	int n = snprintf(out, KEPT_PATH_MAX, "%s/%s-", folder, kind);

	if (n < 0 || n + NAME_HEX >= KEPT_PATH_MAX)
		return false;
	if (EVP_Digest(url.p, url.n, digest, NULL, EVP_sha256(), NULL) != 1)
		return false;
	encode_hex_to(digest, NAME_HEX / 2, out + n);
	return true;
}

bool
kept_write(const char *folder, const char *kind, struct slice url, struct slice text, bool flush,
	struct error *why)
{
	const struct slice parts[] = {url, slice_of("\n"), text};
	char path[KEPT_PATH_MAX];

	if (!path_of(folder, kind, url, path))
		return error_set(why, "%s: its path is too long", folder);
	return file_replace(path, parts, sizeof parts / sizeof *parts, flush, why);
}

static bool
read_file(const char *path, struct kept_text *out, uint64_t *written_ms)
{
	const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	ssize_t n = -1;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < KEPT_BYTES_MAX) {
		n = read(fd, out->bytes, sizeof out->bytes);
		*written_ms = (uint64_t)st.st_mtim.tv_sec * S_IN_MS;
	}
	close(fd);
	out->n = n < 0 ? 0 : (size_t)n;
	return n >= 0;
}

bool
kept_read(const char *folder, const char *kind, struct slice url, struct kept_text *out)
{
	char path[KEPT_PATH_MAX];
	uint64_t written_ms;

	if (!path_of(folder, kind, url, path) || !read_file(path, out, &written_ms))
		return false;
	if (out->n <= url.n || memcmp(out->bytes, url.p, url.n) != 0 || out->bytes[url.n] != '\n')
		return false;
	out->n -= url.n + 1;
	memmove(out->bytes, out->bytes + url.n + 1, out->n);
	return true;
}

void
kept_remove(const char *folder, const char *kind, struct slice url)
{
	char path[KEPT_PATH_MAX];

	if (path_of(folder, kind, url, path))
		unlink(path);
}

/* A file of that kind: <kind>-<hex>, and nothing behind it. */
static bool
is_of_kind(const char *name, const char *kind)
{
	const size_t n = strlen(kind);

	return strncmp(name, kind, n) == 0 && name[n] == '-' && strlen(name) == n + 1 + NAME_HEX &&
	       strspn(name + n + 1, "0123456789abcdef") == NAME_HEX;
}

static void
tell(const char *path, kept_each_function *each, void *arg)
{
	const uint64_t now_ms = clock_wall_ms();
	struct kept_text text;
	uint64_t written_ms;
	const char *end;

	if (!read_file(path, &text, &written_ms))
		return;
	end = memchr(text.bytes, '\n', text.n);
	if (end)
		each(arg, (struct slice){text.bytes, (size_t)(end - text.bytes)},
			now_ms > written_ms ? now_ms - written_ms : 0);
}

void
kept_each(const char *folder, const char *kind, kept_each_function *each, void *arg)
{
	DIR *dir = opendir(folder);
	char path[KEPT_PATH_MAX];
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (!is_of_kind(entry->d_name, kind))
			continue;
		if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < (int)sizeof path)
			tell(path, each, arg);
	}
	if (dir)
		closedir(dir);
}
