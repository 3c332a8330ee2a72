/* warden - see warden.h. */
#include "warden.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "heart.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/config/config_processes.h"
#include "watch.h"

enum { LOOK_MS = 500, FIND_TURNS = 4, BEAT_BYTES = 512, BURST = 1024 };

struct warden {
	struct stage *st;
	const char *only;
	char path[sizeof((struct sockaddr_un *)NULL)->sun_path];
	int sock;
	unsigned turn;
	struct watch watch;
	struct live_stages found;
	double *told[2 * STAGES_MAX]; /* the figures that are not 0 */
	size_t told_n;
	msgpack_zone zone;
};

/* ---- beats ---- */

static pid_t
sender_of(struct msghdr *msg)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	struct ucred who;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
		return 0;
	memcpy(&who, CMSG_DATA(c), sizeof who);
	return who.uid == geteuid() ? who.pid : 0;
}

/* False: none has come. */
static bool
take_beat(struct warden *w)
{
	char bytes[BEAT_BYTES];
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec part = {bytes, sizeof bytes};
	struct msghdr msg = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof control};
	const ssize_t n = recvmsg(w->sock, &msg, MSG_DONTWAIT);
	const pid_t pid = n >= 0 ? sender_of(&msg) : 0;
	struct beat beat;

	if (n < 0)
		return false;
	msgpack_zone_clear(&w->zone);
	if (pid > 0 && frame_unpack(&beat_schema, bytes, (size_t)n, &w->zone, &beat, NULL))
		watch_hear(&w->watch, &beat, pid, clock_mono_ms());
	return true;
}

static void
on_beats(void *arg)
{
	struct warden *w = arg;

	for (int n = 0; n < BURST && take_beat(w); n++)
		;
}

/* ---- who hangs ---- */

/* The one that is meant, and not another that has got its number since: looked at again once the system
 * holds the number for us. */
static bool
end(const struct warden *w, const struct live_stage *stage)
{
	const int fd = (int)syscall(SYS_pidfd_open, stage->pid, 0);
	bool ended;

	if (fd < 0)
		return (errno == ENOSYS || errno == EPERM) && stage_lives(w->st->cfg, stage) &&
		       kill(stage->pid, SIGKILL) == 0;
	ended = stage_lives(w->st->cfg, stage) &&
		syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
	close(fd);
	return ended;
}

/* The kernel has it, for a page or a file: nothing would end it, and it goes on by itself. '?' where the
 * system does not tell. */
static char
state_of(pid_t pid)
{
	char path[64], text[256] = "";
	const char *after;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return '?';
	if (read(fd, text, sizeof text - 1) < 0)
		*text = '\0';
	close(fd);
	after = strrchr(text, ')');
	return after && after[1] == ' ' ? after[2] : '?';
}

static double *
figure(struct warden *w, enum metric_family family, const char *stage, const char *word)
{
	char labels[METRIC_LABELS_MAX + 1] = "";

	metric_label(labels, sizeof labels, "stage", slice_of(stage));
	if (word)
		metric_label(labels, sizeof labels, "doing", slice_of(word));
	return metric(w->st->metrics, family, labels);
}

static void
end_hung(struct warden *w, struct watched *one, uint64_t now_ms)
{
	const struct live_stage *stage = &one->stage;
	const uint64_t silent_ms = now_ms - one->heard_ms;

	watch_anew(one, now_ms);
	if (state_of(stage->pid) == 'D') {
		one->doing = DOING_FLUSH;
		return;
	}
	if (!end(w, stage))
		return;
	log_error("hung process ended", LF_TEXT("process", stage->name),
		LF_UINT("process_instance", stage->instance), LF_UINT("pid", stage->pid),
		LF_UINT("silent_ms", silent_ms), LF_TEXT("was", doing_words[one->doing]));
	++*figure(w, METRIC_FAMILY_HUNG, stage->name, NULL);
	*figure(w, METRIC_FAMILY_HUNG_AT, stage->name, NULL) = (double)clock_wall_ms() / 1e3;
}

/* ---- figures ---- */

static void
untell(struct warden *w)
{
	while (w->told_n > 0)
		*w->told[--w->told_n] = 0;
}

static void
tell_at_least(struct warden *w, double *figure, double value)
{
	if (*figure == 0)
		w->told[w->told_n++] = figure;
	if (value > *figure)
		*figure = value;
}

/* What is as it should be costs nothing here, and nothing on the page. */
static void
tell(struct warden *w, uint64_t now_ms)
{
	for (size_t i = 0; i < w->watch.n; i++) {
		const struct watched *one = &w->watch.list[i];
		const char *stage = one->stage.name;
		const enum doing at = watch_doing(one, now_ms);
		double *doing = at == DOING_NOTHING
					? NULL
					: figure(w, METRIC_FAMILY_DOING, stage, doing_words[at]);

		if (doing)
			tell_at_least(w, doing, *doing + 1);
		if (one->deaths > 0)
			tell_at_least(w, figure(w, METRIC_FAMILY_DEATHS, stage, NULL),
				(double)one->deaths);
	}
}

/* ---- a turn ---- */

static bool
is_mine(const struct warden *w, const struct live_stage *stage)
{
	return w->only || strcmp(stage->name, w->st->name) != 0;
}

static void
find_only(struct warden *w)
{
	struct live_stage *one = &w->found.list[0];
	char name[sizeof one->name + 2];

	*one = (struct live_stage){.instance = 0};
	snprintf(one->name, sizeof one->name, "%s", w->only);
	snprintf(name, sizeof name, "%s.0", w->only);
	one->pid = stages_holder(w->st->cfg, name);
	w->found.n = one->pid > 0;
}

static void
find(struct warden *w, uint64_t now_ms)
{
	size_t mine = 0;

	w->found.n = 0;
	if (w->only)
		find_only(w);
	else
		stages_find(w->st->cfg, &w->found);
	for (size_t i = 0; i < w->found.n; i++)
		if (is_mine(w, &w->found.list[i]))
			w->found.list[mine++] = w->found.list[i];
	w->found.n = mine;
	watch_find(&w->watch, &w->found, now_ms);
}

/* What has come is taken first: it may lie there since before this process stood still. */
static void
on_look(void *arg)
{
	struct warden *w = arg;
	const uint64_t now_ms = clock_mono_ms();

	if (!watch_time(&w->watch, now_ms))
		log_warn("stood still: all are counted anew", LF_UINT("instance", w->st->instance));
	on_beats(w);
	untell(w);
	if (w->turn++ % FIND_TURNS == 0)
		find(w, now_ms);
	tell(w, now_ms);
	for (size_t i = 0; i < w->watch.n; i++)
		if (watch_is_hung(&w->watch.list[i], now_ms))
			end_hung(w, &w->watch.list[i], now_ms);
}

/* ---- life ---- */

/* Of all stages from the start, by the one that watches all. */
static void
open_figures(struct warden *w)
{
	struct planned_process plan[PLAN_MAX];
	const size_t n = w->only ? 0 : config_processes(w->st->cfg, plan);

	for (size_t i = 0; i < n; i++) {
		figure(w, METRIC_FAMILY_HUNG, plan[i].name, NULL);
		figure(w, METRIC_FAMILY_HUNG_AT, plan[i].name, NULL);
		figure(w, METRIC_FAMILY_DEATHS, plan[i].name, NULL);
		figure(w, METRIC_FAMILY_DOING, plan[i].name, doing_words[DOING_HUNG]);
	}
}

static bool
listen_for_beats(struct warden *w, const char *beats, struct error *why)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const char *data_dir = w->st->cfg->data_dir;
	const int yes = 1, n = snprintf(w->path, sizeof w->path, "%s/run/%s", data_dir, beats);

	if (n < 0 || (size_t)n >= sizeof w->path)
		return error_set(why, "data_dir %s is too long for a socket's path", data_dir);
	memcpy(at.sun_path, w->path, (size_t)n + 1);
	unlink(w->path); /* of the one before: the lock says that it is gone */
	w->sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (w->sock >= 0 && setsockopt(w->sock, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) == 0 &&
		bind(w->sock, (const struct sockaddr *)&at, sizeof at) == 0)
		return true;
	return error_set(why, "cannot listen on %s: %s", w->path, strerror(errno));
}

struct warden *
warden_new(struct stage *st, const char *beats, const char *only)
{
	struct warden *w = calloc(1, sizeof *w);
	struct error why = {"out of memory"};

	if (!w)
		stage_fail("cannot start", &why);
	w->st = st;
	w->only = only;
	msgpack_zone_init(&w->zone, 1024);
	if (!listen_for_beats(w, beats, &why))
		stage_fail("cannot watch", &why);
	watch_time(&w->watch, clock_mono_ms());
	open_figures(w);
	stage_on_fd(st, w->sock, on_beats, w);
	stage_every(st, LOOK_MS, on_look, w);
	return w;
}

void
warden_destroy(struct warden **w)
{
	if (!*w)
		return;
	unlink((*w)->path);
	close((*w)->sock);
	msgpack_zone_destroy(&(*w)->zone);
	free(*w);
	*w = NULL;
}
