/* stage - see stage.h. */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "heart.h"
#include "lib/base/clock.h"
#include "lib/base/descriptors.h"
#include "lib/base/doing.h"
#include "lib/base/file.h"
#include "lib/base/harden.h"
#include "lib/base/log.h"
#include "lib/config/config_descriptors.h"
#include "life.h"
#include "own_figures.h"
#include "proto/processes.h"
#include "stages.h"

/* A callback on its way through zloop, which knows no plain functions. */
struct hook {
	stage_reader *fn;
	void *arg;
	struct stage *st;
	struct hook *next;
	bool due; /* a timer will call it once, */
	int timer;
	uint64_t at_ms; /* then; monotonic */
};

struct stage_private {
	int signals;     /* signalfd */
	int lock;        /* flock of this instance, held until the process ends; see life.h */
	uint64_t deaths; /* in a row, before this life */
	struct heart *heart;
	struct hook *hooks;
	struct hook *log;   /* writes what is logged, */
	struct hook *store; /* has what is counted written */
	stage_reader *drain;
	void *drain_arg;
	stage_reload *reload;
	void *reload_arg;
	stage_load *load;
	uint64_t loaded_ms; /* when the configuration was taken */
	struct error kept;  /* keys of it that need a restart */
	struct own_figures own;
	double *tap_dropped; /* the figure, */
	uint64_t tap_told;   /* and what it knows of */
	msgpack_zone zone;
	msgpack_sbuffer out;
	uint64_t told_mark; /* of the figures that were published last */
	unsigned untold;    /* half seconds since */
};

struct stage_options {
	const char *file;
	size_t instance;
	bool check_only;
};

enum { LOOK_MS = 5000, LOG_MS = 100, STORE_MS = 100, YIELD_NICE = 10, UNTOLD_MOST = 4 };

static const struct error no_memory = {"out of memory"};

/* By supervisord, which starts at once what ends; or by systemd, as our units have it. */
static bool
supervised(void)
{
	return getenv("SUPERVISOR_ENABLED") || getenv("WATCHDOG_USEC");
}

/* The pause keeps a supervisor from starting a process that cannot go on many times a second. The
 * cause is the log's last line: no exit handler adds to it. */
void
stage_fail(const char *what, const struct error *why)
{
	log_error(what, LF_TEXT("cause", why->text));
	log_flush();
	if (supervised())
		nanosleep(&(struct timespec){1, 0}, NULL);
	_exit(EXIT_SYSTEM);
}

void
stage_refuse(const char *what, const struct error *why)
{
	log_error(what, LF_TEXT("cause", why->text));
	log_flush();
	_exit(EXIT_USAGE);
}

static void
usage(FILE *to, const char *name)
{
	fprintf(to,
		"usage: trotline-%s [-c FILE] [-i INSTANCE] [-n]\n"
		"One stage of the Trotline pipeline; the verb `up` of trotline starts all of them.\n\n"
		"  -c FILE      configuration (else $TROTLINE_CONFIG, else ./trotline.yaml)\n"
		"  -i INSTANCE  number of this process within its stage, from 0\n"
		"  -n           check the configuration and exit\n"
		"  -h           this text\n\n"
		"Exit status: 0 drained, 100 wrong use or configuration, 111 system trouble.\n",
		name);
}

static void
parse_options(struct stage_options *o, const char *name, int argc, char **argv)
{
	char *end;
	int c;

	while ((c = getopt(argc, argv, "c:i:nh")) != -1) {
		switch (c) {
		case 'c':
			o->file = optarg;
			break;
		case 'i':
			o->instance = strtoul(optarg, &end, 10);
			if (*optarg && !*end && o->instance < 1000)
				break;
			fprintf(stderr, "trotline-%s: -i takes a number from 0 to 999\n", name);
			exit(EXIT_USAGE);
		case 'n':
			o->check_only = true;
			break;
		case 'h':
			usage(stdout, name);
			exit(0);
		default:
			usage(stderr, name);
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc) {
		usage(stderr, name);
		exit(EXIT_USAGE);
	}
}

static struct config *
load_without_secrets(const char *path, struct error *why)
{
	return config_load(path, CONFIG_NO_SECRETS, why);
}

static struct config *
load_for_state(const char *path, struct error *why)
{
	return config_load(path, CONFIG_DATABASE, why);
}

static struct config *
load_for_destinations(const char *path, struct error *why)
{
	return config_load(path, CONFIG_DESTINATIONS, why);
}

/* The table of processes says who is given whose secrets; senders' are known to the stage's own. */
static stage_load *
load_of(const char *name, stage_load *own)
{
	const struct process_row *row = process_find(name);

	if (row && row->secrets == SECRETS_DESTINATIONS)
		return load_for_destinations;
	if (row && row->secrets == SECRETS_DATABASE)
		return load_for_state;
	return own && row && row->secrets == SECRETS_SENDERS ? own : load_without_secrets;
}

static struct config *
load_config(const struct stage_options *o, const char *name, stage_load *load)
{
	struct error why = {""};
	struct config *cfg = load(config_path(o->file), &why);

	if (!cfg) {
		fprintf(stderr, "trotline-%s: %s\n", name, why.text);
		exit(EXIT_USAGE);
	}
	if (o->check_only) {
		printf("%s: good\n", cfg->path);
		config_destroy(&cfg);
		exit(0);
	}
	return cfg;
}

/* Makes data_dir and run/, and takes this instance's lock, which holds the process id: two
 * processes of one number would take each other's sockets. Returns the lock's descriptor or -1. */
static int
take_place(struct stage *st, struct error *why)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof path, "%s/run", st->cfg->data_dir);
	if (!file_make_folder(st->cfg->data_dir, why) || !file_make_folder(path, why))
		return -1;
	snprintf(
		path, sizeof path, "%s/run/%s.%zu.lock", st->cfg->data_dir, st->name, st->instance);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && file_lock(fd)) {
		st->priv->deaths = life_begin(fd);
		return fd;
	}
	if (fd >= 0 && errno == EWOULDBLOCK)
		error_set(why, "%s instance %zu runs already on %s", st->name, st->instance,
			st->cfg->data_dir);
	else
		error_set(why, "cannot lock %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Lines that can wait are written together: each write wakes whoever takes them in, which would
 * cost more than the event that a line tells of. So are figures. */
static int
hook_call(struct hook *hook)
{
	const struct stage *st = hook->st;

	hook->fn(hook->arg);
	if (log_pending())
		stage_call_after(st->priv->log, LOG_MS);
	if (metrics_counted(st->metrics))
		stage_call_after(st->priv->store, STORE_MS);
	return 0;
}

static int
on_sock(zloop_t *loop, zsock_t *sock, void *arg)
{
	(void)loop;
	(void)sock;
	return hook_call(arg);
}

static int
on_fd(zloop_t *loop, zmq_pollitem_t *item, void *arg)
{
	(void)loop;
	(void)item;
	return hook_call(arg);
}

static int
on_timer(zloop_t *loop, int timer, void *arg)
{
	(void)loop;
	(void)timer;
	return hook_call(arg);
}

static int
on_due(zloop_t *loop, int timer, void *arg)
{
	struct hook *hook = arg;

	if (timer != hook->timer) /* another, earlier one took its place */
		return 0;
	hook->due = false;
	return on_timer(loop, timer, hook);
}

static struct hook *
hook_new(struct stage *st, stage_reader *fn, void *arg)
{
	struct hook *hook = malloc(sizeof *hook);

	if (!hook)
		stage_fail("cannot start", &no_memory);
	*hook = (struct hook){.fn = fn, .arg = arg, .st = st, .next = st->priv->hooks};
	st->priv->hooks = hook;
	return hook;
}

void
stage_yield(void)
{
	setpriority(PRIO_PROCESS, 0, YIELD_NICE);
}

struct hook *
stage_on_read(struct stage *st, zsock_t *sock, stage_reader *fn, void *arg)
{
	struct hook *reader = hook_new(st, fn, arg);

	stage_read_on(reader, sock);
	return reader;
}

void
stage_read_pause(struct hook *reader, zsock_t *sock)
{
	zloop_reader_end(reader->st->loop, sock);
}

void
stage_read_on(struct hook *reader, zsock_t *sock)
{
	zloop_reader(reader->st->loop, sock, on_sock, reader);
	zloop_reader_set_tolerant(reader->st->loop, sock);
}

void
stage_on_fd(struct stage *st, int fd, stage_reader *fn, void *arg)
{
	zmq_pollitem_t item = {NULL, fd, ZMQ_POLLIN, 0};

	zloop_poller(st->loop, &item, on_fd, hook_new(st, fn, arg));
	zloop_poller_set_tolerant(st->loop, &item);
}

void
stage_every(struct stage *st, size_t ms, stage_reader *fn, void *arg)
{
	zloop_timer(st->loop, ms, 0, on_timer, hook_new(st, fn, arg));
}

struct hook *
stage_call(struct stage *st, stage_reader *fn, void *arg)
{
	return hook_new(st, fn, arg);
}

void
stage_call_after(struct hook *hook, size_t ms)
{
	const uint64_t at_ms = clock_mono_ms() + ms;

	if (hook->due && hook->at_ms <= at_ms)
		return;
	if (hook->due)
		zloop_timer_end(hook->st->loop, hook->timer);
	hook->timer = zloop_timer(hook->st->loop, ms, 1, on_due, hook);
	hook->due = hook->timer >= 0;
	hook->at_ms = at_ms;
}

void
stage_on_drain(struct stage *st, stage_reader *fn, void *arg)
{
	st->priv->drain = fn;
	st->priv->drain_arg = arg;
}

/* zloop ends when a callback returns -1; this one is due at once. */
static int
on_stop(zloop_t *loop, int timer, void *arg)
{
	(void)loop;
	(void)timer;
	(void)arg;
	return -1;
}

void
stage_stop(struct stage *st)
{
	zloop_timer(st->loop, 0, 1, on_stop, NULL);
}

void
stage_on_reload(struct stage *st, stage_reload *fn, void *arg)
{
	st->priv->reload = fn;
	st->priv->reload_arg = arg;
}

/* A bad file is refused whole; the old configuration stays. */
static void
reload(struct stage *st)
{
	struct error why = {""};
	struct config *next = st->priv->load(st->cfg->path, &why);

	if (!next || (st->priv->reload && !st->priv->reload(st->priv->reload_arg, next, &why))) {
		config_destroy(&next);
		own_figures_configured(&st->priv->own, false, clock_wall_ms());
		log_error("configuration refused; the old one stays", LF_TEXT("cause", why.text));
		return;
	}
	config_replace(st->cfg, next, &st->priv->kept);
	log_set_level((enum log_level)st->cfg->log_level);
	st->priv->loaded_ms = clock_wall_ms();
	own_figures_configured(&st->priv->own, true, st->priv->loaded_ms);
	log_warn("configuration reloaded", LF_TEXT("needs_restart", st->priv->kept.text));
}

static void
drain(struct stage *st)
{
	if (st->draining)
		return;
	st->draining = true;
	log_info("draining", LF_UINT("instance", st->instance));
	if (st->priv->drain)
		st->priv->drain(st->priv->drain_arg);
	else
		stage_stop(st);
}

static void
on_signal(void *arg)
{
	struct stage *st = arg;
	struct signalfd_siginfo info;

	while (read(st->priv->signals, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGHUP)
			reload(st);
		else
			drain(st);
	}
}

/* SIGTERM, SIGINT and SIGHUP are blocked, before any thread starts, and read from a descriptor
 * instead. */
static int
open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void
publish_stats(void *arg)
{
	struct stage *st = arg;
	struct stage_private *p = st->priv;
	struct stats stats = {
		.stage = slice_of(st->name),
		.instance = st->instance,
		.pid = (uint64_t)getpid(),
		.at = clock_wall_ms(),
		.draining = st->draining,
		.loaded = st->priv->loaded_ms,
		.kept = slice_of(st->priv->kept.text),
	};

	*p->tap_dropped += (double)(tap_dropped(st->tap) - p->tap_told);
	p->tap_told = tap_dropped(st->tap);
	if (!tap_wanted(st->tap, "stats"))
		return;
	msgpack_zone_clear(&p->zone);
	msgpack_sbuffer_clear(&p->out);
	if (metrics_object(st->metrics, &p->zone, &stats.metrics) &&
		frame_pack(&stats_schema, &stats, &p->out))
		tap_send(st->tap, "stats", stats.stage, p->out.data, p->out.size);
}

/* Where nothing has changed a sign of life every two seconds will do: each frame wakes all who listen. */
static void
on_half_second(void *arg)
{
	struct stage *st = arg;
	struct stage_private *p = st->priv;
	const uint64_t mark = metrics_mark(st->metrics) + st->draining + p->loaded_ms;

	heart_beat(p->heart);
	if (mark == p->told_mark && ++p->untold < UNTOLD_MOST)
		return;
	p->told_mark = mark;
	p->untold = 0;
	publish_stats(st);
}

void
stage_beat(struct stage *st)
{
	on_half_second(st);
	metrics_stored(st->metrics, 0);
	log_flush();
}

static void
forget_deaths(void *arg)
{
	struct stage *st = arg;

	life_write(st->priv->lock, 0, clock_boot_ms());
	heart_forget_deaths(st->priv->heart);
}

static void
write_log(void *arg)
{
	(void)arg;
	log_flush();
}

static void
store_figures(void *arg)
{
	struct stage *st = arg;

	metrics_stored(st->metrics, 0);
}

/* libzmq ends the process where a connection of ours finds none. */
static void
raise_descriptors(const struct stage *st)
{
	const size_t most = descriptors_raise();
	const size_t needed = config_descriptors(st->cfg, st->name);

	if (most < needed)
		log_warn("few descriptors", LF_UINT("limit", most), LF_UINT("needed", needed),
			LF_TEXT("raise", "ulimit -Hn, LimitNOFILE="));
}

static void
look_at_self(void *arg)
{
	struct stage *st = arg;

	own_figures_look(&st->priv->own);
}

/* Figures that are not kept begin anew with the next process; the work does not depend on them. */
static void
open_figures(struct stage *st)
{
	enum metrics_before before;
	struct error why = {""};
	char path[4096];

	st->metrics = metrics_new();
	if (!st->metrics)
		stage_fail("cannot start", &no_memory);
	snprintf(path, sizeof path, "%s/run/%s.%zu.figures", st->cfg->data_dir, st->name,
		st->instance);
	before = metrics_keep(st->metrics, path, &why);
	if (before == METRICS_UNKEPT)
		log_warn("figures not kept", LF_TEXT("cause", why.text));
	own_figures_open(
		&st->priv->own, st->metrics, st->name, before == METRICS_CUT_OFF, clock_wall_ms());
	st->priv->tap_dropped = metric(st->metrics, METRIC_FAMILY_TAP_DROPPED, st->priv->own.label);
}

static void
open_loop(struct stage *st)
{
	struct error why = {""};

	zsys_handler_set(NULL);
	st->loop = zloop_new();
	if (!st->loop)
		stage_fail("cannot start", &no_memory);
	open_figures(st);
	st->tap = tap_new(st->cfg, st->name, st->instance, &why);
	if (!st->tap)
		stage_fail("cannot open the tap", &why);
	st->priv->log = stage_call(st, write_log, NULL);
	st->priv->store = stage_call(st, store_figures, st);
	stage_on_fd(st, st->priv->signals, on_signal, st);
	stage_every(st, HEART_LOOP_MS, on_half_second, st);
	stage_every(st, LOOK_MS, look_at_self, st);
	stage_on_read(st, tap_sock(st->tap), publish_stats, st); /* a watcher has come */
}

struct stage *
stage_new(const char *name, stage_load *load, int argc, char **argv)
{
	struct stage_options options = {NULL, 0, false};
	struct stage *st = calloc(1, sizeof *st);
	struct error why = {""};

	if (!st || !(st->priv = calloc(1, sizeof *st->priv)))
		stage_fail("cannot start", &no_memory);
	snprintf(st->name, sizeof st->name, "%s", name);
	harden();
	if (getenv("SUPERVISOR_ENABLED"))
		prctl(PR_SET_PDEATHSIG, SIGTERM);
	parse_options(&options, name, argc, argv);
	st->instance = options.instance;
	st->priv->load = load_of(name, load);
	st->cfg = load_config(&options, name, st->priv->load);
	st->priv->loaded_ms = clock_wall_ms();
	log_open(st->name, (enum log_level)st->cfg->log_level);
	if (!harden_check_folder(st->cfg->data_dir, &why) || stages_adopted(st->cfg, &why)) {
		fprintf(stderr, "trotline-%s: %s\n", name, why.text);
		exit(EXIT_USAGE);
	}
	raise_descriptors(st);
	st->priv->signals = open_signals();
	st->priv->lock = take_place(st, &why);
	if (st->priv->signals < 0 || st->priv->lock < 0)
		stage_fail("cannot start", &why);
	doing_counts();
	doing(DOING_START);
	st->priv->heart = heart_new(st->cfg, st->name, st->instance, st->priv->deaths, &why);
	if (!st->priv->heart)
		stage_fail("cannot start", &why);
	if (supervised())
		life_pause(st->priv->lock, st->priv->signals, st->priv->deaths);
	msgpack_zone_init(&st->priv->zone, 8192);
	msgpack_sbuffer_init(&st->priv->out);
	open_loop(st);
	return st;
}

void
stage_run(struct stage *st)
{
	log_info("ready", LF_UINT("instance", st->instance), LF_UINT("pid", getpid()));
	log_flush();
	if (st->priv->deaths > 0)
		stage_call_after(stage_call(st, forget_deaths, st), LIFE_LONG_MS);
	doing(DOING_NOTHING);
	heart_beat(st->priv->heart);
	zloop_start(st->loop);
	doing(DOING_STOP);
}

int
stage_destroy(struct stage **st_p)
{
	struct stage *st = *st_p;

	log_info("stopped", LF_UINT("instance", st->instance));
	log_flush();
	zloop_destroy(&st->loop);
	tap_destroy(&st->tap);
	metrics_destroy(&st->metrics);
	config_destroy(&st->cfg);
	while (st->priv->hooks) {
		struct hook *hook = st->priv->hooks;

		st->priv->hooks = hook->next;
		free(hook);
	}
	msgpack_zone_destroy(&st->priv->zone);
	msgpack_sbuffer_destroy(&st->priv->out);
	heart_destroy(&st->priv->heart);
	life_write(st->priv->lock, 0, 0);
	close(st->priv->signals);
	close(st->priv->lock);
	free(st->priv);
	free(st);
	*st_p = NULL;
	return 0;
}
