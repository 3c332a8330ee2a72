/* history_notice - whoever waits for events to be added is told by the system: who adds them touches the
 * folder's lock once they are in. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "history_private.h"

int
history_notice(struct error *why)
{
	const int notice = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (notice < 0)
		error_set(why, "cannot watch files: %s", strerror(errno));
	return notice;
}

bool
history_notice_of(int notice, const char *folder)
{
	char path[PATH_ROOM];

	snprintf(path, sizeof path, "%s/lock", folder);
	return inotify_add_watch(notice, path, IN_ATTRIB) >= 0;
}

void
history_notice_clear(int notice)
{
	char events[4096];

	while (read(notice, events, sizeof events) > 0)
		;
}

void
notice_give(int lock)
{
	(void)futimens(lock, NULL);
}
