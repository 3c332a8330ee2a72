/* fault_disk - a disk that fails on demand, for tests: put before libc with LD_PRELOAD.
 *
 * While the file named by FAULT_FILE exists, every flush and every write to a place in a file fails
 * with the errno that the file's first bytes give as a decimal number, or hangs while they say so. The
 * file's second number, if there is one, is how many calls still succeed first, so that a fault can hit
 * the middle of a commit.
 *
 * While the file named by SLOW_FILE exists, every flush takes so many ms as it says. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { HANGS = -1, STEP_US = 10000 };

static int
fault_now(void)
{
	static int passed;
	const char *path = getenv("FAULT_FILE");
	char text[32] = "";
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	int error = 0, let_pass = 0;
	ssize_t n;

	if (fd < 0) {
		passed = 0;
		return 0;
	}
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (strncmp(text, "hangs", 5) == 0)
		return HANGS;
	if (n <= 0 || sscanf(text, "%d %d", &error, &let_pass) < 1)
		return 0;
	return passed++ < let_pass ? 0 : error;
}

static int
fault(void)
{
	int error;

	while ((error = fault_now()) == HANGS)
		usleep(STEP_US);
	return error;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL_OR(call)                                                                              \
	do {                                                                                       \
		const int error = fault();                                                         \
                                                                                                   \
		if (error) {                                                                       \
			errno = error;                                                             \
			return -1;                                                                 \
		}                                                                                  \
		return call;                                                                       \
	} while (0)

static void
be_slow(void)
{
	const char *path = getenv("SLOW_FILE");
	FILE *f = path ? fopen(path, "re") : NULL;
	long ms = 0;

	if (!f)
		return;
	if (fscanf(f, "%ld", &ms) != 1)
		ms = 0;
	fclose(f);
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

int
fdatasync(int fd)
{
	be_slow();
	FAIL_OR(REAL(fdatasync)(fd));
}

int
fsync(int fd)
{
	be_slow();
	FAIL_OR(REAL(fsync)(fd));
}

ssize_t
pwrite(int fd, const void *bytes, size_t n, off_t at)
{
	FAIL_OR(REAL(pwrite)(fd, bytes, n, at));
}

ssize_t
pwrite64(int fd, const void *bytes, size_t n, off64_t at)
{
	FAIL_OR(REAL(pwrite64)(fd, bytes, n, at));
}

ssize_t
pwritev(int fd, const struct iovec *parts, int n, off_t at)
{
	FAIL_OR(REAL(pwritev)(fd, parts, n, at));
}

/* LMDB writes pages that follow each other this way, after a seek. */
ssize_t
writev(int fd, const struct iovec *parts, int n)
{
	FAIL_OR(REAL(writev)(fd, parts, n));
}
