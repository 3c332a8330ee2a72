/* drain_empty - see drain_empty.h. A kill here gives the lock back: the pipeline goes on as before. */
#include "drain_empty.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/stage/stages.h"
#include "lib/store/journal.h"

/* Within SHUT_MS every ingress has seen the lock, and what it had taken has reached the journal. */
enum { STEP_MS = 100, TOLD_MS = 2000, SHUT_MS = 1000 };

static int
take_lock(const struct config *cfg, struct error *why)
{
	char path[4200], text[24];
	int fd, n;

	snprintf(path, sizeof path, "%s/run/" STAGES_CLOSED ".lock", cfg->data_dir);
	fd = file_open(path, why);
	if (fd < 0)
		return -1;
	n = snprintf(text, sizeof text, "%d\n", (int)getpid());
	if (file_lock(fd) && ftruncate(fd, 0) == 0 && write(fd, text, (size_t)n) == n)
		return fd;
	error_set(why, errno == EWOULDBLOCK ? "a drain is under way" : "cannot lock %s: %s", path,
		strerror(errno));
	close(fd);
	return -1;
}

/* Events that are owed to anybody; false with the cause. */
static bool
count(struct journal *journal, struct journal_stat *st, uint64_t *waiting, struct error *why)
{
	bool good = journal_read_begin(journal, why);

	if (!good)
		return false;
	good = journal_stat(journal, st);
	journal_read_end(journal);
	*waiting = st->owed[TAKER_HANDLER] + st->alone;
	return good || error_set(why, "cannot read the journal");
}

static void
nap(void)
{
	nanosleep(&(struct timespec){0, STEP_MS * 1000000L}, NULL);
}

static bool
wait_empty(struct journal *journal, bool silent, uint64_t until_ms, struct error *why)
{
	const uint64_t from_ms = clock_mono_ms();
	uint64_t waiting = 1, told_ms = from_ms, now_ms = from_ms;
	struct journal_stat st = {.scheduled = 0};

	while (waiting || now_ms < from_ms + SHUT_MS) {
		if (now_ms >= until_ms)
			return error_set(why,
				"%llu events have no end yet, %llu of them wait for a retry: nothing was "
				"stopped, and events are taken again; --timeout waits for longer",
				(unsigned long long)waiting, (unsigned long long)st.scheduled);
		if (!count(journal, &st, &waiting, why))
			return false;
		if (!silent && waiting && now_ms >= told_ms + TOLD_MS) {
			printf("%llu events have no end yet\n", (unsigned long long)waiting);
			fflush(stdout);
			told_ms = now_ms;
		}
		nap();
		now_ms = clock_mono_ms();
	}
	return true;
}

int
drain_until_empty(const struct config *cfg, struct journal *journal, bool silent, uint64_t until_ms,
	struct error *why)
{
	const int fd = take_lock(cfg, why);

	if (fd < 0 || wait_empty(journal, silent, until_ms, why))
		return fd;
	close(fd);
	return -1;
}
