/* restart - ends the processes of one stage, one after the other, and waits until each is up again.
 *
 * In: the stage's name. Out: a line a process. Under supervisord, `up`'s or another, which starts what
 * ends; under systemd it names the command, for there what ends by itself stays ended. State: none; a kill
 * leaves a process that is about to come back. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/near.h"
#include "lib/stage/stages.h"

enum { STEP_MS = 50, END_MS = 25000, START_MS = 30000 };

static bool
is_meant(const struct live_stage *stage, const char *name)
{
	char whole[128];

	snprintf(whole, sizeof whole, "%s.%zu", stage->name, stage->instance);
	return strcmp(stage->name, name) == 0 || strcmp(whole, name) == 0 ||
	       (strncmp(stage->name, "handler-", 8) == 0 &&
		       (strcmp(stage->name + 8, name) == 0 || strcmp(whole + 8, name) == 0));
}

/* The name of the program whose child it is, "" when that cannot be told. */
static void
parent_of(pid_t pid, char out[32])
{
	char path[64], stat[512];
	const char *after;
	int parent = 0;

	*out = '\0';
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	file_peek(path, stat, sizeof stat);
	after = strrchr(stat, ')');
	if (!after || sscanf(after, ") %*c %d", &parent) != 1)
		return;
	snprintf(path, sizeof path, "/proc/%d/comm", parent);
	out[strcspn((file_peek(path, out, 32), out), "\n")] = '\0';
}

static bool
comes_back(const struct live_stage *stage, struct error *why)
{
	char parent[32];

	parent_of(stage->pid, parent);
	if (strcmp(parent, "supervisord") == 0)
		return true;
	return error_set(why,
		"%s.%zu (process %d) is no child of supervisord but of \"%s\", which may not start it again; "
		"under systemd: systemctl restart 'trotline-%.*s@*'",
		stage->name, stage->instance, (int)stage->pid, parent,
		(int)strcspn(stage->name, "-"), stage->name);
}

static pid_t
holder(const struct config *cfg, const struct live_stage *stage)
{
	char name[128];

	snprintf(name, sizeof name, "%s.%zu", stage->name, stage->instance);
	return stages_holder(cfg, name);
}

/* Until the process has ended (gone), or another one is there. */
static pid_t
wait_for_other(const struct config *cfg, const struct live_stage *stage, bool gone, int ms)
{
	const struct timespec step = {0, STEP_MS * 1000000L};
	const uint64_t until = clock_mono_ms() + (uint64_t)ms;
	pid_t now;

	while (now = holder(cfg, stage), now == stage->pid || (now == 0 && !gone)) {
		if (clock_mono_ms() > until)
			return stage->pid;
		nanosleep(&step, NULL);
	}
	return now;
}

static bool
restart_one(const struct config *cfg, const struct live_stage *stage, pid_t *now, struct error *why)
{
	if (!comes_back(stage, why))
		return false;
	if (kill(stage->pid, SIGTERM) != 0 && errno != ESRCH)
		return error_set(
			why, "cannot end process %d: %s", (int)stage->pid, strerror(errno));
	if (wait_for_other(cfg, stage, true, END_MS) == stage->pid)
		kill(stage->pid, SIGKILL);
	*now = wait_for_other(cfg, stage, false, START_MS);
	return *now != stage->pid ||
	       error_set(why, "%s.%zu has not come back within %d s: its log in %s/log says why",
		       stage->name, stage->instance, START_MS / 1000, cfg->data_dir);
}

static int
no_stage(const struct call *call, const struct live_stages *live, const char *name)
{
	struct near near = {.word = name};
	char hint[NEAR_BYTES];
	struct error why;

	for (size_t i = 0; i < live->n; i++)
		near_try(&near, live->list[i].name);
	error_set(&why, "no process of stage \"%s\" runs%s", name, near_hint(&near, hint));
	return cli_failed(call->verb, &why);
}

static int
run(struct call *call)
{
	const struct cli_plain *ask = call->options;
	const char *name = call->rest.list[0];
	struct live_stages live;
	struct error why;
	size_t n = 0;
	pid_t now = 0;

	stages_find(call->cfg, &live);
	if (live.n == 0)
		return cli_down(call->verb, call->cfg);
	for (size_t i = 0; i < live.n; i++) {
		const struct live_stage *stage = &live.list[i];

		if (!is_meant(stage, name))
			continue;
		n++;
		if (!restart_one(call->cfg, stage, &now, &why))
			return cli_failed(call->verb, &why);
		printf(ask->json ? "{\"stage\":\"%s\",\"instance\":%zu,\"was\":%d,\"pid\":%d}\n"
				 : "%s.%zu: process %d has ended, %d runs\n",
			stage->name, stage->instance, (int)stage->pid, (int)now);
		fflush(stdout);
	}
	return n ? CLI_DONE : no_stage(call, &live, name);
}

const struct verb verb_restart = {
	.name = "restart",
	.arguments = "STAGE",
	.summary =
		"End the processes of one stage, one after the other, and wait until each runs again",
	.details =
		"STAGE is as `status` shows it: validator, validator.1, handler-opened, or opened. Each\n"
		"drains first, so nothing is lost; senders at most see a 503. Exits 3 when the pipeline is\n"
		"down.\n",
	CLI_JSON_ALONE("print one JSON object a process"),
	.actions =
		(const struct action[]){
			{.config = PLAIN_CONFIG, .run = run},
		},
};
