/* board - see board.h. */
#include "board_private.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "metrics_private.h"
#include "proto/causes.h"
#include "proto/processes.h"

enum { STALE_MS = 5000, SAMPLE_MS = 1000, FULL_S = 5, GAP_MS = 2000 };

struct board *
board_new(const struct config *cfg, const char *self, uint64_t instance)
{
	struct board *b = calloc(1, sizeof *b);

	if (b)
		*b = (struct board){.cfg = cfg, .self = self, .instance = instance};
	return b;
}

void
board_destroy(struct board **b)
{
	if (!*b)
		return;
	for (size_t i = 0; i < (*b)->count; i++)
		free((*b)->processes[i].frame);
	for (size_t i = 0; i < BOARD_PAGES; i++)
		free((*b)->pages[i].text);
	metrics_destroy(&(*b)->joined);
	board_unshare(*b);
	free(*b);
	*b = NULL;
}

static bool
lives(const struct process *p, uint64_t now_ms)
{
	return p->frame && now_ms < p->heard_ms + STALE_MS;
}

/* A new one, or that of a process that has gone for the longest; NULL: all live. */
static struct process *
free_place(struct board *b, uint64_t now_ms)
{
	struct process *oldest = &b->processes[0];

	if (b->count < BOARD_PROCESSES_MAX)
		return &b->processes[b->count++];
	for (size_t i = 1; i < b->count; i++)
		if (b->processes[i].heard_ms < oldest->heard_ms)
			oldest = &b->processes[i];
	return lives(oldest, now_ms) ? NULL : oldest;
}

static struct process *
process_of(struct board *b, struct slice stage, uint64_t instance, uint64_t now_ms)
{
	struct process *p;

	if (instance == b->instance && slice_is(stage, b->self))
		return NULL;
	for (size_t i = 0; i < b->count; i++)
		if (b->processes[i].instance == instance && slice_is(stage, b->processes[i].stage))
			return &b->processes[i];
	p = free_place(b, now_ms);
	if (!p)
		return NULL;
	snprintf(p->stage, sizeof p->stage, "%.*s", SLICE_ARG(stage));
	p->instance = instance;
	return p;
}

static void
keep(struct process *p, const void *frame, size_t n, uint64_t now_ms)
{
	char *copy = realloc(p->frame, n);

	if (!copy)
		return;
	memcpy(copy, frame, n);
	p->frame = copy;
	p->n = n;
	p->heard_ms = now_ms;
}

bool
board_hear(struct board *b, const void *frame, size_t n, uint64_t now_ms, struct error *why)
{
	struct process *p;
	struct stats stats;
	msgpack_zone zone;
	bool good;

	if (!msgpack_zone_init(&zone, 4096))
		return true;
	good = frame_unpack(&stats_schema, frame, n, &zone, &stats, why) &&
	       (!memchr(stats.stage.p, '\0', stats.stage.n) ||
		       error_set(why, "stats frame: stage: a NUL in it"));
	p = good ? process_of(b, stats.stage, stats.instance, now_ms) : NULL;
	msgpack_zone_destroy(&zone);
	if (p) {
		keep(p, frame, n, now_ms);
		p->draining = stats.draining;
	}
	return good;
}

/* Which figures of its last frame count. What it has counted stands in its file, if it has one; what it
 * was doing ended with it. */
static unsigned
which_count(const struct process *p, uint64_t now_ms)
{
	return METRICS_FACTS | (lives(p, now_ms) ? METRICS_STATES : 0) |
	       (p->counted ? 0 : METRICS_COUNTERS);
}

static void
join_one(struct metrics *into, const struct process *p, uint64_t now_ms)
{
	struct stats stats;
	msgpack_zone zone;

	if (!msgpack_zone_init(&zone, 16384))
		return;
	if (frame_unpack(&stats_schema, p->frame, p->n, &zone, &stats, NULL))
		metrics_join(into, &stats.metrics, which_count(p, now_ms));
	msgpack_zone_destroy(&zone);
}

static void
join_own(struct metrics *into, const struct metrics *own)
{
	msgpack_object values;
	msgpack_zone zone;

	if (!msgpack_zone_init(&zone, 16384))
		return;
	if (metrics_object(own, &zone, &values))
		metrics_join(into, &values, METRICS_ALL);
	msgpack_zone_destroy(&zone);
}

/* "<stage>.<instance>.figures" to its parts; false for other files. */
static bool
parse_file(const char *file, char stage[WIDTH_WHO + 1], uint64_t *instance)
{
	static const char END[] = ".figures";
	const size_t n = strlen(file), end = n > sizeof END ? n - sizeof END + 1 : 0;
	const char *dot = memrchr(file, '.', end);
	char *rest;

	if (!dot || strcmp(file + end, END) != 0 || dot - file > WIDTH_WHO || dot[1] < '0' ||
		dot[1] > '9')
		return false;
	snprintf(stage, WIDTH_WHO + 1, "%.*s", (int)(dot - file), file);
	*instance = strtoull(dot + 1, &rest, 10);
	return rest == file + end;
}

static void
join_file(struct board *b, struct metrics *into, int folder, const char *file)
{
	char stage[WIDTH_WHO + 1];
	uint64_t instance;

	if (!parse_file(file, stage, &instance) ||
		(instance == b->instance && strcmp(stage, b->self) == 0) ||
		!metrics_join_file(into, folder, file))
		return;
	for (size_t i = 0; i < b->count; i++)
		if (b->processes[i].instance == instance &&
			strcmp(b->processes[i].stage, stage) == 0)
			b->processes[i].counted = true;
}

/* What all processes have ever counted that have run here. */
static void
join_files(struct board *b, struct metrics *into)
{
	char path[4096];
	struct dirent *entry;
	DIR *dir;
	int fd;

	snprintf(path, sizeof path, "%s/run", b->cfg->data_dir);
	fd = metrics_open_quietly(AT_FDCWD, path, O_DIRECTORY);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir)))
		join_file(b, into, fd, entry->d_name);
	closedir(dir);
}

/* Files count while the disk takes what is written: else what is heard is newer than they are. Our own
 * figures are shown when they are in ours: who comes after us then shows no less. */
static void
join_counted(struct board *b, struct metrics *into, struct metrics *own)
{
	for (size_t i = 0; i < b->count; i++)
		b->processes[i].counted = false;
	if (!own || metrics_stored(own, BOARD_DISK_MS))
		join_files(b, into);
}

static void
join_heard(struct board *b, struct metrics *into, uint64_t now_ms)
{
	char labels[2 * WIDTH_WHO + 16];

	for (size_t i = 0; i < b->count; i++) {
		join_one(into, &b->processes[i], now_ms);
		labels[0] = '\0';
		metric_label(labels, sizeof labels, "stage", slice_of(b->processes[i].stage));
		*metric(into, METRIC_FAMILY_PROCESSES, labels) += lives(&b->processes[i], now_ms);
	}
}

const struct metrics *
board_join(struct board *b, struct metrics *own, uint64_t now_ms)
{
	struct metrics *all = metrics_new_joined();
	char labels[WIDTH_WHO + 16];

	if (!all)
		return NULL;
	join_counted(b, all, own);
	if (own)
		join_own(all, own);
	if (*b->self) {
		snprintf(labels, sizeof labels, "stage=\"%s\"", b->self);
		++*metric(all, METRIC_FAMILY_PROCESSES, labels);
	}
	join_heard(b, all, now_ms);
	if (b->joined)
		metrics_raise(all, b->joined);
	metrics_destroy(&b->joined);
	b->joined = all;
	return all;
}

static bool
was_heard(const struct board *b, const char *stage)
{
	for (size_t i = 0; i < b->count; i++)
		if (strcmp(b->processes[i].stage, stage) == 0)
			return true;
	return false;
}

/* Too many at once: who is a stranger has his part in it, and can have all. */
static double
crowd(const struct metrics *m)
{
	static const enum unable causes[] = {UNABLE_PLACES, UNABLE_CONNECTIONS, UNABLE_SHARE,
		UNABLE_MEMORY, UNABLE_QUARANTINE, UNABLE_PROOF};
	char part[160];
	double sum = 0;

	for (size_t i = 0; i < sizeof causes / sizeof *causes; i++) {
		snprintf(part, sizeof part, "cause=\"%s\"", unable_words[causes[i]]);
		sum += metrics_sum(m, METRIC_FAMILY_UNABLE, part);
	}
	return sum;
}

struct totals
board_totals(const struct board *b, const struct metrics *m, uint64_t now_ms)
{
	return (struct totals){
		.at_ms = now_ms,
		.requests = metrics_sum(m, METRIC_FAMILY_REQUESTS, "method=\"POST\""),
		.failed = metrics_sum(m, METRIC_FAMILY_REQUESTS, "method=\"POST\",status=\"5"),
		.judged = metrics_sum(m, METRIC_FAMILY_REQUESTS, "method=\"POST\",status=\"2") +
			  metrics_sum(m, METRIC_FAMILY_REQUESTS, "method=\"POST\",status=\"401"),
		.crowd = crowd(m),
		.astray = metrics_sum(m, METRIC_FAMILY_REQUESTS, "method=\"POST\",status=\"404"),
		.duration_sum = metrics_sum(m, METRIC_FAMILY_DURATION, ""),
		.duration_count = metrics_count(m, METRIC_FAMILY_DURATION, ""),
		.dead = was_heard(b, "dlq") ? metrics_sum(m, METRIC_FAMILY_DEAD, "") : -1,
	};
}

void
board_sample(struct board *b, const struct metrics *joined, uint64_t now_ms)
{
	const size_t newest = (b->first + b->held + BOARD_SAMPLES - 1) % BOARD_SAMPLES;

	if (b->held > 0 && now_ms - b->samples[newest].at_ms < SAMPLE_MS)
		return;
	if (b->held == BOARD_SAMPLES) {
		b->first = (b->first + 1) % BOARD_SAMPLES;
		b->held--;
	}
	b->samples[(b->first + b->held++) % BOARD_SAMPLES] = board_totals(b, joined, now_ms);
}

struct totals
board_ago(const struct board *b, uint64_t now_ms, uint64_t ms)
{
	for (size_t i = b->held; i-- > 0;) {
		const struct totals *t = &b->samples[(b->first + i) % BOARD_SAMPLES];

		if (now_ms - t->at_ms >= ms)
			return *t;
	}
	return b->held ? b->samples[b->first] : (struct totals){.dead = -1};
}

void
board_time(struct board *b, uint64_t now_ms)
{
	const uint64_t gap_ms = b->time_ms ? now_ms - b->time_ms : 0;

	for (size_t i = 0; gap_ms >= GAP_MS && i < b->count; i++) {
		struct process *p = &b->processes[i];

		p->heard_ms = p->heard_ms + gap_ms < now_ms ? p->heard_ms + gap_ms : now_ms;
	}
	b->time_ms = now_ms;
}

bool
board_heard(const struct board *b, const char *stage, uint64_t instance)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->processes[i].instance == instance &&
			strcmp(b->processes[i].stage, stage) == 0)
			return true;
	return instance == b->instance && strcmp(b->self, stage) == 0;
}

size_t
board_alive(const struct board *b, const char *stage, uint64_t now_ms)
{
	size_t n = strcmp(b->self, stage) == 0;

	for (size_t i = 0; i < b->count; i++)
		n += strcmp(b->processes[i].stage, stage) == 0 && lives(&b->processes[i], now_ms);
	return n;
}

/* As df has it: of what is used and what one may still use. What is free but not for us, beyond a quota
 * or for root alone, is neither. */
static double
used_ratio(const struct statvfs *st)
{
	const double used = (double)(st->f_blocks - st->f_bfree);

	return used + (double)st->f_bavail > 0 ? used / (used + (double)st->f_bavail) : 1;
}

void
board_look(const struct board *b, struct metrics *own)
{
	struct statvfs st;

	if (statvfs(b->cfg->data_dir, &st) == 0 && st.f_blocks > 0)
		*metric(own, METRIC_FAMILY_DISK, "") = used_ratio(&st);
}

double
board_since(const struct metrics *m, enum metric_family family)
{
	const double since = (double)clock_wall_ms() / 1e3 - metrics_sum(m, family, "");

	return since < 0 ? HUGE_VAL : since; /* the clock was set back: nobody knows */
}

/* Some process of the stage lives and is not on its way out. */
static bool
takes_work(const struct board *b, const char *stage, uint64_t now_ms)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct process *p = &b->processes[i];

		if (strcmp(p->stage, stage) == 0 && lives(p, now_ms) && !p->draining)
			return true;
	}
	return strcmp(b->self, stage) == 0;
}

/* The stage without which nothing can be accepted and of which nobody takes work; NULL: none. */
static const char *
missing(const struct board *b, uint64_t now_ms)
{
	for (size_t i = 0; i < PROCESSES_COUNT; i++)
		if (process_table[i].need == NEEDED_TO_ACCEPT &&
			!takes_work(b, process_table[i].name, now_ms))
			return process_table[i].name;
	return NULL;
}

bool
board_hears_all(const struct board *b, uint64_t now_ms)
{
	return !missing(b, now_ms);
}

static bool
say_missing(const struct board *b, const struct metrics *m, const char *stage, uint64_t now_ms,
	struct error *why)
{
	char doings[BOARD_DOINGS_BYTES];

	if (board_alive(b, stage, now_ms))
		return error_set(why, "stage %s is draining", stage);
	return error_set(why, "stage %s has no %s process%s", stage,
		*board_doings(m, stage, doings) ? "working" : "live", doings);
}

/* An event that is larger than what is left of it is refused before it is full to the last byte. */
bool
board_full(const struct metrics *m)
{
	const double used = metrics_sum(m, METRIC_FAMILY_JOURNAL_BYTES, "");
	const double limit = metrics_sum(m, METRIC_FAMILY_JOURNAL_LIMIT, "");
	const double refused_s =
		(double)clock_wall_ms() / 1e3 -
		board_value(m, METRIC_FAMILY_UNABLE_AT, "cause", unable_words[UNABLE_STORE]);

	return limit > 0 && (used >= limit || (used > 0.9 * limit && refused_s < FULL_S));
}

bool
board_open(const struct board *b, const struct metrics *joined, uint64_t now_ms, struct error *why)
{
	const char *stage = missing(b, now_ms);

	if (stage)
		return say_missing(b, joined, stage, now_ms, why);
	if (metrics_sum(joined, METRIC_FAMILY_CLOSED, "") > 0)
		return error_set(why, "draining: what was accepted comes to its end first");
	if (board_full(joined))
		return error_set(why, "journal full");
	if (board_since(joined, METRIC_FAMILY_CONNECTIONS_FULL) < FULL_S)
		return error_set(why, "out of connections: new ones are refused");
	return true;
}
