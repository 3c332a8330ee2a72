/* harden - see harden.h. */
#include "harden.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* LeakSanitizer looks into its own process as a debugger does. */
#ifdef __SANITIZE_ADDRESS__
enum { HIDDEN = 0 };
#else
enum { HIDDEN = 1 };
#endif

void
harden(void)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	if (HIDDEN)
		prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	umask(077);
}

/* This very command, as one line for a shell; "trotline ..." where that cannot be told. */
static void
own_command(char *out, size_t size)
{
	char words[1024];
	const int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd >= 0 ? read(fd, words, sizeof words - 1) : 0;
	size_t at = 0;

	if (fd >= 0)
		close(fd);
	snprintf(out, size, "trotline ...");
	if (n <= 1 || n == (ssize_t)sizeof words - 1)
		return;
	for (ssize_t i = 0; i < n && at + 3 < size; i++)
		out[at++] = words[i] ? words[i] : ' ';
	out[at - 1] = '\0';
}

static bool
of_another_user(const char *path, uid_t owner, struct error *why)
{
	const struct passwd *user = getpwuid(owner);
	char name[64], command[256];

	snprintf(name, sizeof name, "\"#%u\"", (unsigned)owner);
	if (user)
		snprintf(name, sizeof name, "%s", user->pw_name);
	own_command(command, sizeof command);
	return error_set(why,
		"%s belongs to %s, who could change it: chown -R %u \"%s\", or run as that user: runuser -u %s -- %s",
		path, user ? name : "another user", (unsigned)geteuid(), path, name, command);
}

/* Sockets are only as open as the folder that they are in: who may connect needs to write. */
static bool
check_entry(const char *path, const struct stat *st, struct error *why)
{
	if (S_ISLNK(st->st_mode))
		return error_set(why,
			"%s is a symbolic link, which others may turn; put the folder itself there, or name it in data_dir",
			path);
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return of_another_user(path, st->st_uid, why);
	if (!S_ISSOCK(st->st_mode) && st->st_mode & (S_IWGRP | S_IWOTH))
		return error_set(why, "%s can be written by others; chmod go-w \"%s\"", path, path);
	return true;
}

/* What goes away meanwhile (another process tidies up) was no danger, nor is a folder that is root's
 * alone, as the lost+found of a disk of one's own. */
static bool
may_be_passed(const FTSENT *entry)
{
	const struct stat *st = entry->fts_statp;

	return entry->fts_errno == ENOENT || (entry->fts_info == FTS_DNR && st->st_uid == 0 &&
						     (st->st_mode & (S_IRWXG | S_IRWXO)) == 0);
}

static bool
check_all(FTS *tree, struct error *why)
{
	FTSENT *entry;

	while ((errno = 0, entry = fts_read(tree))) {
		const unsigned short info = entry->fts_info;
		const bool unread = info == FTS_NS || info == FTS_DNR || info == FTS_ERR;

		if (info == FTS_DP || (unread && may_be_passed(entry)))
			continue;
		if (unread)
			return error_set(why, "cannot read %s: %s", entry->fts_path,
				strerror(entry->fts_errno));
		if (!check_entry(entry->fts_path, entry->fts_statp, why))
			return false;
	}
	return errno == 0 || error_set(why, "cannot read all of it: %s", strerror(errno));
}

bool
harden_check_folder(const char *path, struct error *why)
{
	char *const roots[] = {(char *)path, NULL};
	struct stat st;
	FTS *tree;
	bool good;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ||
		       error_set(why, "cannot read %s: %s", path, strerror(errno));
	tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	if (!tree)
		return error_set(why, "cannot read %s: %s", path, strerror(errno));
	good = check_all(tree, why);
	fts_close(tree);
	return good;
}
