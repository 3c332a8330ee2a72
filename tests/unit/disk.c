/* disk - see disk.h. The calls are defined here, before the C library's, for the whole test program. */
#include "disk.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

unsigned disk_calls, disk_die_at, disk_full_from;

/* What needs no room works on a full disk too. */
static void
call(void)
{
	if (++disk_calls == disk_die_at)
		_exit(DISK_KILLED);
}

static bool
refused(void)
{
	call();
	if (!disk_full_from || disk_calls < disk_full_from)
		return false;
	errno = ENOSPC;
	return true;
}

ssize_t
pwrite64(int fd, const void *bytes, size_t n, off64_t at)
{
	return refused() ? -1 : syscall(SYS_pwrite64, fd, bytes, n, at);
}

int
ftruncate64(int fd, off64_t n)
{
	return refused() ? -1 : (int)syscall(SYS_ftruncate, fd, n);
}

int
rename(const char *from, const char *to)
{
	call();
	return (int)syscall(SYS_rename, from, to);
}

int
unlink(const char *path)
{
	call();
	return (int)syscall(SYS_unlink, path);
}
