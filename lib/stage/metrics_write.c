/* metrics_write - puts figures into a file from a thread of its own: a disk that hangs holds up that thread,
 * and nobody else.
 *
 * State: what is to stand in the file, and whether it is on its way there. A kill in the midst of a write
 * leaves a file that is whole: its head, which tells where the rest is, comes last. */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "metrics_private.h"

enum { STACK_BYTES = 256 << 10 };

struct metrics_writer {
	pthread_t thread;
	pthread_mutex_t lock; /* never held while the disk is waited for */
	pthread_cond_t news;
	int fd;
	char *bytes; /* of the thread, while busy */
	size_t n, room;
	off_t at; /* where those behind the head go */
	bool busy, over, late, failed;
};

/* Space is taken first, so that a full disk leaves what was there. */
static bool
put(const struct metrics_writer *w)
{
	const size_t head = METRICS_HEAD_BYTES, rest = w->n - head;

	return (rest == 0 || posix_fallocate(w->fd, w->at, (off_t)rest) == 0) &&
	       pwrite(w->fd, w->bytes + head, rest, w->at) == (ssize_t)rest &&
	       pwrite(w->fd, w->bytes, head, 0) == (ssize_t)head;
}

static void *
run(void *arg)
{
	struct metrics_writer *w = arg;
	bool good;

	pthread_mutex_lock(&w->lock);
	while (w->busy || !w->over) {
		if (!w->busy) {
			pthread_cond_wait(&w->news, &w->lock);
			continue;
		}
		pthread_mutex_unlock(&w->lock);
		good = put(w);
		pthread_mutex_lock(&w->lock);
		w->busy = false;
		w->failed = !good;
		pthread_cond_broadcast(&w->news);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static bool
begin(struct metrics_writer *w)
{
	pthread_condattr_t clock;
	pthread_attr_t attr;
	bool good;

	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&w->news, &clock);
	pthread_condattr_destroy(&clock);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	good = pthread_create(&w->thread, &attr, run, w) == 0;
	pthread_attr_destroy(&attr);
	return good;
}

struct metrics_writer *
metrics_writer_new(int fd)
{
	struct metrics_writer *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	w->fd = fd;
	if (begin(w))
		return w;
	free(w);
	return NULL;
}

/* Is what was given written? At most for so long, and not again while it hangs. The lock is held. */
static bool
await(struct metrics_writer *w, uint64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	until.tv_sec += (time_t)(ms / 1000) + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (w->busy && ms > 0 && !w->late)
		w->late = pthread_cond_timedwait(&w->news, &w->lock, &until) != 0 && w->busy;
	w->late = w->late && w->busy;
	return !w->busy;
}

static bool
take(struct metrics_writer *w, const void *bytes, size_t n, off_t at)
{
	char *more = n > w->room ? realloc(w->bytes, 2 * n) : w->bytes;

	if (!more)
		return false;
	w->room = n > w->room ? 2 * n : w->room;
	w->bytes = more;
	if (n == w->n && memcmp(bytes, w->bytes, n) == 0 && !w->failed)
		return true;
	memcpy(w->bytes, bytes, n);
	w->n = n;
	w->at = at;
	w->busy = true;
	pthread_cond_signal(&w->news);
	return true;
}

bool
metrics_writer_put(struct metrics_writer *w, const void *bytes, size_t n, off_t at, uint64_t ms)
{
	bool good;

	pthread_mutex_lock(&w->lock);
	good = await(w, ms) && take(w, bytes, n, at) && await(w, ms);
	pthread_mutex_unlock(&w->lock);
	return good;
}

void
metrics_writer_end(struct metrics_writer **w_p)
{
	struct metrics_writer *w = *w_p;
	bool hangs;

	*w_p = NULL;
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->over = true;
	hangs = w->busy;
	pthread_cond_broadcast(&w->news);
	pthread_mutex_unlock(&w->lock);
	if (hangs) { /* it ends with the process */
		pthread_detach(w->thread);
		return;
	}
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->news);
	pthread_mutex_destroy(&w->lock);
	close(w->fd);
	free(w->bytes);
	free(w);
}
