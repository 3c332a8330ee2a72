/* notice - see notice.h. What is written to a segment's log is seen by the system; nobody has to say so. */
#include "notice.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

int
notice_open(struct error *why)
{
	const int notice = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (notice < 0)
		error_set(why, "cannot watch folders: %s", strerror(errno));
	return notice;
}

bool
notice_watch(int notice, const char *folder)
{
	return inotify_add_watch(notice, folder, IN_MODIFY | IN_CREATE | IN_ONLYDIR) >= 0;
}

void
notice_clear(int notice)
{
	char events[4096];

	while (read(notice, events, sizeof events) > 0)
		;
}
