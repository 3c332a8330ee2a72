/* drain - ends the pipeline as SIGTERM does, and waits until it has ended.
 *
 * In: who runs, from the locks in run/. Out: SIGTERM to the one that looks after the others (`up`,
 * else supervisord), or where there is none to every stage, from front to back. A kill here leaves
 * a drain that goes on by itself. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "drain_empty.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/map.h"
#include "lib/base/object.h"
#include "lib/stage/stages.h"

enum { STEP_MS = 50 };

struct drain {
	const struct verb *verb;
	const struct config *cfg;
	uint64_t started_ms, until_ms;
	struct live_stages stages;
	pid_t keeper; /* `up` or supervisord; 0: none */
	const char *keeper_name;
	uint64_t wait_s;
	bool json, empty;
	int closed; /* the lock at whose sight nothing new is taken; -1: none */
};

/* A file of a few bytes or a command line, as a text. */
static void
read_text(const char *path, char *text, size_t size)
{
	const size_t n = file_peek(path, text, size);

	for (size_t i = 0; i < n; i++)
		if (!text[i])
			text[i] = ' ';
}

/* supervisord's own file, which may be left over; one that has ended has no command line. */
static pid_t
supervisord_of(const struct config *cfg)
{
	char path[4096], text[4096];
	pid_t pid;

	snprintf(path, sizeof path, "%s/run/supervisord.pid", cfg->data_dir);
	read_text(path, text, sizeof text);
	pid = atoi(text);
	snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
	read_text(path, text, sizeof text);
	return pid > 0 && strstr(text, "supervisord") ? pid : 0;
}

/* Who looks after the stages; 0: nobody. */
static pid_t
keeper_of(const struct config *cfg, const char **name)
{
	pid_t pid = stages_holder(cfg, "up");

	*name = "up";
	if (pid)
		return pid;
	*name = "supervisord";
	return supervisord_of(cfg);
}

static void
nap(void)
{
	nanosleep(&(struct timespec){0, STEP_MS * 1000000L}, NULL);
}

/* Waits until none of the stages lives, or one of a name when that is given. */
static bool
wait_end(const struct drain *d, const char *name)
{
	bool any = true;

	while (any && clock_mono_ms() < d->until_ms) {
		any = false;
		for (size_t i = 0; i < d->stages.n; i++)
			any |= (!name || strcmp(name, d->stages.list[i].name) == 0) &&
			       stage_lives(d->cfg, &d->stages.list[i]);
		if (any)
			nap();
	}
	return !any;
}

/* Front to back: a stage is asked once all of the one before it has ended. */
static bool
drain_stages(const struct drain *d)
{
	size_t i = 0;

	while (i < d->stages.n) {
		const char *name = d->stages.list[i].name;

		for (; i < d->stages.n && strcmp(name, d->stages.list[i].name) == 0; i++)
			kill(d->stages.list[i].pid, SIGTERM);
		if (!wait_end(d, name))
			return false;
	}
	return true;
}

static bool
drain_keeper(const struct drain *d, struct error *why)
{
	const char *name;

	if (kill(d->keeper, SIGTERM) != 0 && errno != ESRCH)
		return error_set(
			why, "cannot signal process %d: %s", (int)d->keeper, strerror(errno));
	if (!wait_end(d, NULL))
		return error_set(why, "not all stages have ended in time");
	while (keeper_of(d->cfg, &name) == d->keeper && clock_mono_ms() < d->until_ms)
		nap();
	return true;
}

static size_t
count_left(const struct drain *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->stages.n; i++)
		n += stage_lives(d->cfg, &d->stages.list[i]);
	return n;
}

static void
print_json(const struct drain *d, size_t left)
{
	msgpack_object all;
	msgpack_zone zone;
	struct map m;

	msgpack_zone_init(&zone, 1024);
	m = map_in(&zone);
	map_text(&m, "status", slice_of(left ? "draining" : "stopped"));
	map_uint(&m, "stages", d->stages.n);
	map_uint(&m, "left", left);
	map_uint(&m, "ms", clock_mono_ms() - d->started_ms);
	all = map_object(&m);
	object_print(&all);
	msgpack_zone_destroy(&zone);
}

static int
report(const struct drain *d, bool json, const struct error *why)
{
	const size_t left = count_left(d);

	if (json)
		print_json(d, left);
	else if (left == 0)
		printf("stopped: %zu stages have drained\n", d->stages.n);
	for (size_t i = 0; !json && i < d->stages.n; i++)
		if (stage_lives(d->cfg, &d->stages.list[i]))
			printf("still runs: %s.%zu, process %d\n", d->stages.list[i].name,
				d->stages.list[i].instance, (int)d->stages.list[i].pid);
	return left ? cli_failed(d->verb, why) : CLI_DONE;
}

static int
drain(struct drain *d, struct journal *journal)
{
	struct error why = {"not all stages have ended in time; they go on draining"};

	stages_find(d->cfg, &d->stages);
	d->keeper = keeper_of(d->cfg, &d->keeper_name);
	if (d->stages.n == 0 && !d->keeper)
		return cli_down(d->verb, d->cfg);
	d->started_ms = clock_mono_ms();
	d->until_ms = d->started_ms + d->wait_s * 1000;
	if (d->empty &&
		(d->closed = drain_until_empty(d->cfg, journal, d->json, d->until_ms, &why)) < 0)
		return cli_failed(d->verb, &why);
	d->until_ms = clock_mono_ms() + d->wait_s * 1000;
	if (!d->json)
		printf("draining %zu stages of %s%s%s\n", d->stages.n, d->cfg->path,
			d->keeper ? " through " : "", d->keeper ? d->keeper_name : "");
	fflush(stdout);
	if (d->keeper)
		drain_keeper(d, &why);
	else
		drain_stages(d);
	return report(d, d->json, &why);
}

static int
check(struct call *call)
{
	if (((const struct drain *)call->options)->empty)
		call->action.journal = STORE_READ;
	return -1;
}

static int
run(struct call *call)
{
	struct drain *d = call->options;
	int status;

	d->verb = call->verb;
	d->cfg = call->cfg;
	d->closed = -1;
	status = drain(d, call->journal);
	if (d->closed >= 0)
		close(d->closed);
	return status;
}

const struct verb verb_drain = {
	.name = "drain",
	.summary = "Stop the pipeline: nothing new is taken, what is under way is finished or kept",
	.details =
		"Asks the `trotline up` (or supervisord) that runs it, else each stage from front to back,\n"
		"and waits for the end. Under systemd use `systemctl stop trotline.target` instead.\n"
		"Exits 0 when all has ended, 1 when not in time, 3 when nothing runs.\n\n"
		"--until-empty, to take a node away: POSTs and /readyz are answered 503 from now on, and nothing is\n"
		"stopped before each event that was accepted has come to its end. When that takes longer than\n"
		"--timeout, or this call is ended, events are taken again; then it exits 1.\n",
	.flags =
		(const struct flag[]){
			{"until-empty", 0, FLAG_SWITCH, NULL,
				"let all that was accepted come to its end first",
				FLAG_AT(drain, empty)},
			{"timeout", 0, FLAG_NUMBER, "SECONDS", "wait no longer for the end",
				FLAG_AT(drain, wait_s), .fallback = "60"},
			{"json", 0, FLAG_SWITCH, NULL, "print one JSON object",
				FLAG_AT(drain, json)},
			{.name = NULL},
		},
	.options = sizeof(struct drain),
	.actions =
		(const struct action[]){
			{.config = PLAIN_CONFIG, .check = check, .run = run},
		},
};
