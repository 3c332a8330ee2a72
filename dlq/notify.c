/* notify - see notify.h. The caller's thread and those of the ways meet at one mutex, held for
 * copying only. */
#include "notify.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "notify_way.h"

const char *const notify_names[NOTIFY_WAYS] = {"command", "url"};

typedef bool tell_fn(const char *target, const char *text, const struct notify_limits *limits,
	struct error *why);
static tell_fn *const tells[NOTIFY_WAYS] = {notify_command, notify_url};

struct way {
	struct notify *notify;
	tell_fn *tell;
	pthread_t thread;
	bool started;
	const char *target; /* NULL: nobody is told this way */
	struct notice notice;
	struct notice_pace pace;
	struct notify_figures figures;
};

struct notify {
	pthread_mutex_t mutex;
	pthread_cond_t news;
	atomic_bool stop;
	uint64_t interval_ms, timeout_ms, total;
	const char *data_dir, *config;
	char host[256];
	struct way ways[NOTIFY_WAYS];
};

/* Waits, with the mutex, for so long (UINT64_MAX: for good) or until there is news. */
static void
wait_news(struct notify *n, uint64_t ms)
{
	struct timespec until;

	if (ms == UINT64_MAX) {
		pthread_cond_wait(&n->news, &n->mutex);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&n->news, &n->mutex, &until);
}

/* With the mutex: ms until this way has something to tell. */
static uint64_t
idle_ms(const struct way *w)
{
	if (!w->target || w->notice.count == 0)
		return UINT64_MAX;
	return notice_wait_ms(&w->pace, w->notify->interval_ms, clock_mono_ms());
}

static bool
send_notice(
	struct way *w, const char *target, struct notice *notice, uint64_t total, struct error *why)
{
	const struct notify *n = w->notify;
	const struct notify_limits limits = {n->timeout_ms, &n->stop};
	char *text =
		notice_text(notice, &(struct notice_place){n->host, n->data_dir, n->config, total});
	bool sent = text ? w->tell(target, text, &limits, why) : error_set(why, "out of memory");

	free(text);
	return sent;
}

/* With the mutex, which is given up while the notice is on its way. What has failed goes into the
 * next one. */
static void
tell(struct way *w, struct notice *in_hand)
{
	struct notify *n = w->notify;
	const char *target = w->target;
	const uint64_t total = n->total;
	struct error why = {""};
	bool sent;

	*in_hand = w->notice;
	w->notice = (struct notice){0};
	pthread_mutex_unlock(&n->mutex);
	sent = send_notice(w, target, in_hand, total, &why);
	pthread_mutex_lock(&n->mutex);
	w->figures.sent += sent;
	w->figures.failed += !sent;
	w->figures.failing = !sent;
	if (!sent)
		w->figures.last = why;
	if (notice_tried(&w->pace, sent, clock_mono_ms()))
		return;
	notice_join(in_hand, &w->notice);
	w->notice = *in_hand;
}

static void *
work(void *arg)
{
	struct way *w = arg;
	struct notify *n = w->notify;
	struct notice *in_hand = calloc(1, sizeof *in_hand);

	pthread_mutex_lock(&n->mutex);
	while (in_hand && !atomic_load(&n->stop)) {
		const uint64_t ms = idle_ms(w);

		if (ms == 0)
			tell(w, in_hand);
		else
			wait_news(n, ms);
	}
	pthread_mutex_unlock(&n->mutex);
	free(in_hand);
	return NULL;
}

static void
init_locks(struct notify *n)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&n->mutex, NULL);
	pthread_cond_init(&n->news, &attr);
	pthread_condattr_destroy(&attr);
}

void
notify_set(struct notify *n, const struct config *cfg)
{
	pthread_mutex_lock(&n->mutex);
	n->interval_ms = cfg->notify.interval_ms;
	n->ways[NOTIFY_COMMAND].target = cfg->notify.command;
	n->ways[NOTIFY_URL].target = cfg->notify.url;
	for (size_t i = 0; i < NOTIFY_WAYS; i++) {
		n->ways[i].figures.failing = false;
		if (!n->ways[i].target)
			n->ways[i].notice = (struct notice){0};
	}
	pthread_cond_broadcast(&n->news);
	pthread_mutex_unlock(&n->mutex);
}

struct notify *
notify_new(const struct config *cfg, uint64_t timeout_ms, struct error *why)
{
	struct notify *n = calloc(1, sizeof *n);

	if (!n)
		return error_set(why, "out of memory"), NULL;
	n->timeout_ms = timeout_ms;
	n->data_dir = cfg->data_dir;
	n->config = cfg->path;
	gethostname(n->host, sizeof n->host - 1);
	init_locks(n);
	notify_set(n, cfg);
	for (size_t i = 0; i < NOTIFY_WAYS; i++) {
		struct way *w = &n->ways[i];

		w->notify = n;
		w->tell = tells[i];
		w->started = pthread_create(&w->thread, NULL, work, w) == 0;
		if (!w->started) {
			notify_destroy(&n);
			return error_set(why, "cannot start a thread for notices"), NULL;
		}
	}
	return n;
}

void
notify_destroy(struct notify **n_p)
{
	struct notify *n = *n_p;

	if (!n)
		return;
	atomic_store(&n->stop, true);
	pthread_mutex_lock(&n->mutex);
	pthread_cond_broadcast(&n->news);
	pthread_mutex_unlock(&n->mutex);
	for (size_t i = 0; i < NOTIFY_WAYS; i++)
		if (n->ways[i].started)
			pthread_join(n->ways[i].thread, NULL);
	pthread_cond_destroy(&n->news);
	pthread_mutex_destroy(&n->mutex);
	free(n);
	*n_p = NULL;
}

void
notify_add(struct notify *n, const struct notice *letters, uint64_t total)
{
	if (letters->count == 0)
		return;
	pthread_mutex_lock(&n->mutex);
	n->total = total;
	for (size_t i = 0; i < NOTIFY_WAYS; i++)
		if (n->ways[i].target)
			notice_join(&n->ways[i].notice, letters);
	pthread_cond_broadcast(&n->news);
	pthread_mutex_unlock(&n->mutex);
}

void
notify_look(struct notify *n, enum notify_way way, struct notify_figures *figures)
{
	pthread_mutex_lock(&n->mutex);
	*figures = n->ways[way].figures;
	pthread_mutex_unlock(&n->mutex);
}
