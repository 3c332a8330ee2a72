/* file - see file.h. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "doing.h"

enum { PATH_BYTES = 4096, FIRST_ROOM = 1 << 16 };
enum { LOCK_STEP_MS = 10 };

bool
file_make_folder(const char *path, struct error *why)
{
	struct stat st;

	if (mkdir(path, 0700) == 0 || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
		return true;
	return error_set(why, "cannot make folder %s: %s", path, strerror(errno));
}

bool
file_make_way(const char *path, struct error *why)
{
	char *way = strdup(path);
	bool ok = way || error_set(why, "memory is short");

	for (char *slash = way ? strchr(way + 1, '/') : NULL; ok && slash;
		slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		ok = file_make_folder(way, why);
		*slash = '/';
	}
	free(way);
	return ok;
}

int
file_open(const char *path, struct error *why)
{
	const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		error_set(why, "cannot open %s: %s", path, strerror(errno));
	return fd;
}

bool
file_lock(int fd)
{
	int left = FILE_LOCK_MS / LOCK_STEP_MS;
	bool taken;

	while (!(taken = flock(fd, LOCK_EX | LOCK_NB) == 0) && errno == EWOULDBLOCK && left-- > 0)
		nanosleep(&(struct timespec){0, LOCK_STEP_MS * 1000000L}, NULL);
	return taken;
}

int
file_make(const char *path, struct error *why)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		error_set(why, "cannot make %s: %s", path, strerror(errno));
	return fd;
}

FILE *
file_make_stream(const char *path, struct error *why)
{
	const int fd = file_make(path, why);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;

	if (fd >= 0 && !f) {
		error_set(why, "cannot make %s: %s", path, strerror(errno));
		close(fd);
	}
	return f;
}

/* Where a file system cannot rename without taking another's place, it can link. */
bool
file_publish(const char *path, const char *name, struct error *why)
{
	int rc = renameat2(AT_FDCWD, path, AT_FDCWD, name, RENAME_NOREPLACE);

	if (rc != 0 && (errno == EINVAL || errno == ENOSYS)) {
		rc = link(path, name);
		if (rc == 0)
			unlink(path);
	}
	if (rc != 0)
		return error_set(why, "cannot make %s: %s", name, strerror(errno));
	return file_flush_around(name) ||
	       error_set(why, "cannot flush the folder of %s: %s", name, strerror(errno));
}

bool
file_write_all(int fd, struct slice bytes)
{
	while (bytes.n) {
		const ssize_t n = write(fd, bytes.p, bytes.n);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
			bytes = (struct slice){bytes.p + n, bytes.n - (size_t)n};
	}
	return true;
}

static bool
flush(int fd)
{
	const enum doing before = doing(DOING_FLUSH);
	const bool ok = fsync(fd) == 0;

	doing(before);
	return ok;
}

static bool
write_parts(const char *path, const struct slice *parts, size_t n, bool durable)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool ok = fd >= 0;

	for (size_t i = 0; ok && i < n; i++)
		ok = file_write_all(fd, parts[i]);
	ok = ok && (!durable || flush(fd));
	if (fd >= 0 && close(fd) < 0)
		ok = false;
	return ok;
}

bool
file_flush_around(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_BYTES];

	if (!slash)
		return file_flush_folder(".");
	snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
	return file_flush_folder(folder);
}

bool
file_replace(const char *path, const struct slice *parts, size_t n, bool durable, struct error *why)
{
	char beside[PATH_BYTES];

	if (snprintf(beside, sizeof beside, "%s.%ld.tmp", path, (long)getpid()) >=
		(int)sizeof beside)
		return error_set(why, "%s: its path is too long", path);
	if (write_parts(beside, parts, n, durable) && rename(beside, path) == 0 &&
		(!durable || file_flush_around(path)))
		return true;
	error_set(why, "cannot write %s: %s", path, strerror(errno));
	unlink(beside);
	return false;
}

bool
file_flush_folder(const char *path)
{
	const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const bool ok = fd >= 0 && flush(fd);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* To the stream's end or an error of it; NULL past so many bytes, and when memory is short. */
static char *
read_stream(FILE *f, size_t most, size_t *n)
{
	size_t room = FIRST_ROOM;
	char *text = malloc(room), *grown;

	for (*n = 0; text; text = grown) {
		*n += fread(text + *n, 1, room - 1 - *n, f);
		if (*n < room - 1 && *n <= most) {
			text[*n] = '\0';
			return text;
		}
		room *= 2;
		grown = *n <= most ? realloc(text, room) : NULL;
		if (!grown)
			free(text);
	}
	return NULL;
}

char *
file_read(const char *path, size_t most, size_t *n, struct error *why)
{
	const bool standard = strcmp(path, "-") == 0;
	FILE *f = standard ? stdin : fopen(path, "re");
	char *text;

	if (!f)
		return error_set(why, "cannot read %s: %s", path, strerror(errno)), NULL;
	text = read_stream(f, most, n);
	if (!text) {
		error_set(why, "%s is larger than %zu bytes, or memory is short", path, most);
	} else if (ferror(f)) {
		error_set(why, "cannot read %s: %s", path, strerror(errno));
		free(text);
		text = NULL;
	}
	if (!standard)
		fclose(f);
	return text;
}

size_t
file_peek(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "re");
	const size_t n = f ? fread(out, 1, size - 1, f) : 0;

	out[n] = '\0';
	if (f)
		fclose(f);
	return n;
}

static bool
check_private(const struct stat *st, const char *path, struct error *why)
{
	const mode_t closed = st->st_uid == 0 && geteuid() != 0 ? 037 : 077;

	if (!S_ISREG(st->st_mode))
		return error_set(why, "%s is no regular file", path);
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return error_set(why, "%s belongs to another user", path);
	if (st->st_mode & closed)
		return error_set(
			why, "%s can be read by others than its owner; chmod 600 it", path);
	return st->st_size <= FILE_PRIVATE_MAX ||
	       error_set(why, "%s is larger than %d bytes", path, FILE_PRIVATE_MAX);
}

static char *
read_private(const char *path, int flags, size_t *size, struct error *why)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
	struct stat st;
	char *text = NULL;

	*size = FILE_PRIVATE_MAX + 1;
	if (fd < 0 || fstat(fd, &st) != 0)
		error_set(why, "cannot read %s: %s", path, strerror(errno));
	else if (check_private(&st, path, why) && !(text = calloc(1, *size)))
		error_set(why, "memory is short");
	else if (text && read(fd, text, *size - 1) < 0) {
		error_set(why, "cannot read %s: %s", path, strerror(errno));
		wipe_free(text, *size);
		text = NULL;
	}
	if (fd >= 0)
		close(fd);
	return text;
}

char *
file_read_private(const char *path, size_t *size, struct error *why)
{
	return read_private(path, 0, size, why);
}

char *
file_read_own(const char *path, size_t *size, struct error *why)
{
	return read_private(path, O_NOFOLLOW, size, why);
}

void
wipe_free(char *text, size_t size)
{
	if (text)
		explicit_bzero(text, size);
	free(text);
}
