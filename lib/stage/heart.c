/* heart - see heart.h. */
#include "heart.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/doing.h"
#include "proto/frame.h"
#include "proto/processes.h"

enum { LATE_MS = 3 * HEART_LOOP_MS }; /* so long the loop may stand before the thread wakes */

struct heart {
	const char *name;
	uint64_t instance, deaths;
	int sock, timer; /* the timer runs out only when the loop is late */
	struct sockaddr_un watchers[2], systemd;
	size_t watchers_count;
	socklen_t systemd_bytes; /* 0: it does not ask */
	pthread_t thread;
	atomic_bool ending;
	pthread_mutex_t lock; /* of what follows */
	uint64_t beat_ms;     /* monotonic: the last one; 0: none, or it was not taken */
	enum doing said;
	msgpack_sbuffer out;
};

static void
set_timer(const struct heart *h, long first_ms)
{
	const struct itimerspec spec = {
		.it_value = {first_ms / 1000, first_ms % 1000 * 1000000},
		.it_interval = {0, HEART_LOOP_MS * 1000000L},
	};

	timerfd_settime(h->timer, 0, &spec, NULL);
}

static bool
send_to(const struct heart *h, const struct sockaddr_un *to, socklen_t bytes, const void *p,
	size_t n)
{
	return sendto(h->sock, p, n, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)to,
		       bytes) == (ssize_t)n;
}

static void
tell_systemd(const struct heart *h, enum doing at)
{
	char text[160];
	const int n = snprintf(text, sizeof text, "WATCHDOG=1\nSTATUS=%s",
		at == DOING_NOTHING ? "" : doing_words[at]);

	if (h->systemd_bytes)
		send_to(h, &h->systemd, h->systemd_bytes, text, (size_t)n);
}

/* One that finds no room is sent again the next time. */
static void
send_beat(struct heart *h, enum doing at, uint64_t now_ms)
{
	const struct beat beat = {
		.stage = slice_of(h->name),
		.instance = h->instance,
		.doing = at,
		.deaths = h->deaths,
	};

	msgpack_sbuffer_clear(&h->out);
	if (frame_pack(&beat_schema, &beat, &h->out))
		for (size_t i = 0; i < h->watchers_count; i++)
			if (!send_to(h, &h->watchers[i], sizeof h->watchers[i], h->out.data,
				    h->out.size) &&
				errno == EAGAIN)
				now_ms = 0;
	tell_systemd(h, at);
	h->beat_ms = now_ms;
	h->said = at;
}

static void
beat_in_time(struct heart *h, enum doing at)
{
	const uint64_t now_ms = clock_mono_ms();

	pthread_mutex_lock(&h->lock);
	if (now_ms >= h->beat_ms + HEART_BEAT_MS || at != h->said)
		send_beat(h, at, now_ms);
	pthread_mutex_unlock(&h->lock);
}

void
heart_beat(struct heart *h)
{
	set_timer(h, LATE_MS);
	beat_in_time(h, doing_now());
}

void
heart_forget_deaths(struct heart *h)
{
	pthread_mutex_lock(&h->lock);
	h->deaths = 0;
	h->beat_ms = 0;
	pthread_mutex_unlock(&h->lock);
}

/* The loop is late. It is for a reason where it says one, or has begun and ended things since. */
static void *
beat_for_it(void *arg)
{
	struct heart *h = arg;
	uint64_t times, steps = doing_steps();

	while (read(h->timer, &times, sizeof times) == (ssize_t)sizeof times && !h->ending) {
		const enum doing at = doing_now();
		const uint64_t now = doing_steps();

		if (at != DOING_NOTHING || now != steps)
			beat_in_time(h, at);
		steps = now;
	}
	return NULL;
}

static bool
address(struct sockaddr_un *to, const char *data_dir, const char *name)
{
	const int n = snprintf(to->sun_path, sizeof to->sun_path, "%s/run/%s", data_dir, name);

	to->sun_family = AF_UNIX;
	return n > 0 && (size_t)n < sizeof to->sun_path;
}

/* $NOTIFY_SOCKET is a path, or with an @ in front a name that is in no file system. */
static void
find_systemd(struct heart *h)
{
	const char *path = getenv("NOTIFY_SOCKET"), *pid = getenv("WATCHDOG_PID");
	const size_t n = path ? strlen(path) : 0;

	if (!getenv("WATCHDOG_USEC") || n == 0 || n >= sizeof h->systemd.sun_path ||
		(pid && atol(pid) != (long)getpid()))
		return;
	h->systemd.sun_family = AF_UNIX;
	memcpy(h->systemd.sun_path, path, n);
	if (*path == '@')
		h->systemd.sun_path[0] = '\0';
	h->systemd_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

static bool
open_all(struct heart *h, const struct config *cfg, struct error *why)
{
	const bool watcher = strcmp(h->name, process_table[PROCESS_WATCHER].name) == 0;

	h->watchers_count = watcher ? 2 : 1;
	if (!address(&h->watchers[0], cfg->data_dir,
		    watcher ? HEART_BEATS_OF_WATCHER : HEART_BEATS) ||
		!address(&h->watchers[1], cfg->data_dir, HEART_BEATS_OF_WATCHER_TOO))
		return error_set(why, "data_dir %s is too long for a socket's path", cfg->data_dir);
	find_systemd(h);
	h->sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	h->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (h->sock < 0 || h->timer < 0)
		return error_set(why, "cannot beat: %s", strerror(errno));
	heart_beat(h);
	return pthread_create(&h->thread, NULL, beat_for_it, h) == 0 ||
	       error_set(why, "cannot start a thread");
}

static void
let_go(struct heart *h)
{
	if (h->sock >= 0)
		close(h->sock);
	if (h->timer >= 0)
		close(h->timer);
	msgpack_sbuffer_destroy(&h->out);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

struct heart *
heart_new(const struct config *cfg, const char *name, uint64_t instance, uint64_t deaths,
	struct error *why)
{
	struct heart *h = calloc(1, sizeof *h);

	if (!h) {
		error_set(why, "out of memory");
		return NULL;
	}
	*h = (struct heart){
		.name = name, .instance = instance, .deaths = deaths, .sock = -1, .timer = -1};
	pthread_mutex_init(&h->lock, NULL);
	msgpack_sbuffer_init(&h->out);
	if (open_all(h, cfg, why))
		return h;
	let_go(h);
	return NULL;
}

void
heart_destroy(struct heart **h)
{
	if (!*h)
		return;
	(*h)->ending = true;
	set_timer(*h, 1);
	pthread_join((*h)->thread, NULL);
	let_go(*h);
	*h = NULL;
}
