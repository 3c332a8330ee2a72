/* hand - see hand.h. */
#include "hand.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/doing.h"
#include "lib/base/file.h"

enum { JOURNAL_BYTES = 16, ARM_AGAIN_MS = 1000 };

struct record {
	char journal[JOURNAL_BYTES];
	uint64_t journal_n;
	uint64_t full; /* 0: nothing in hand; set last, cleared first */
	uint64_t seq;
};

struct hand {
	struct record *record; /* mapped */
	struct record left;    /* as it was found */
	uint64_t armed_ms;     /* monotonic: when the alarm was set; 0: it is not */
};

/* The file's bytes exist before they are mapped: a store to a hole of a full disk is a SIGBUS. */
static struct record *
map(const char *path, struct error *why)
{
	const int fd = file_open(path, why);
	void *at = MAP_FAILED;
	int failure;

	if (fd < 0)
		return NULL;
	failure = posix_fallocate(fd, 0, sizeof(struct record));
	if (failure == 0) {
		at = mmap(NULL, sizeof(struct record), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		failure = errno;
	}
	close(fd);
	if (at != MAP_FAILED)
		return at;
	error_set(why, "cannot map %s: %s", path, strerror(failure));
	return NULL;
}

struct hand *
hand_open(const char *path, struct error *why)
{
	struct hand *h = calloc(1, sizeof *h);

	if (!h || !(h->record = map(path, why))) {
		if (!h)
			error_set(why, "out of memory");
		free(h);
		return NULL;
	}
	h->left = *h->record;
	if (h->left.journal_n > JOURNAL_BYTES)
		h->left.full = 0;
	h->record->full = 0;
	signal(SIGALRM, SIG_DFL);
	return h;
}

void
hand_close(struct hand **hand)
{
	if (!*hand)
		return;
	munmap((*hand)->record, sizeof *(*hand)->record);
	free(*hand);
	*hand = NULL;
}

bool
hand_left(const struct hand *h, struct slice *journal, uint64_t *seq)
{
	*journal = (struct slice){h->left.journal, h->left.journal_n};
	*seq = h->left.seq;
	return h->left.full;
}

void
hand_reported(struct hand *h)
{
	h->left.full = 0;
}

/* Orders the stores as a later process sees them: this one may end between any two. */
static void
set_full(struct hand *h, uint64_t full)
{
	__atomic_store_n(&h->record->full, full, __ATOMIC_SEQ_CST);
}

/* Setting the alarm for each event would be two system calls an event; so it is set anew only when
 * a second has gone by, and gives an event that second more. */
static void
arm(struct hand *h)
{
	const uint64_t now_ms = clock_mono_ms();

	if (h->armed_ms && now_ms - h->armed_ms < ARM_AGAIN_MS)
		return;
	alarm(HAND_SECONDS + 1);
	h->armed_ms = now_ms;
}

void
hand_take(struct hand *h, struct slice journal, uint64_t seq)
{
	if (!h || journal.n > JOURNAL_BYTES)
		return;
	memcpy(h->record->journal, journal.p, journal.n);
	h->record->journal_n = journal.n;
	h->record->seq = seq;
	set_full(h, 1);
	arm(h);
	doing(DOING_HANDLER);
}

void
hand_put(struct hand *h)
{
	if (!h)
		return;
	set_full(h, 0);
	doing(DOING_NOTHING);
}

void
hand_rest(struct hand *h)
{
	if (!h)
		return;
	alarm(0);
	h->armed_ms = 0;
}
