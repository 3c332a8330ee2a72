/* adopt - what a node that is gone had not done with becomes this node's; see lib/ops/adopt.h.
 *
 * In: its data_dir, mounted here. Out: what was taken. A kill, or Ctrl-C, costs nothing: run it again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "interrupt.h"
#include "lib/base/map.h"
#include "lib/base/object.h"
#include "lib/ops/adopt.h"
#include "lib/stage/stages.h"
#include "lib/stage/wire.h"
#include "progress.h"

struct adopt_ask {
	bool dry_run, json;
	struct progress progress;
	bool said_waits;
};

static const struct {
	const char *name, *what;
	size_t offset;
} counts[] = {
#define ADOPT_ROW(name, what) {#name, what, offsetof(struct adopt_sum, name)},
	ADOPT_COUNTS(ADOPT_ROW)};

static uint64_t
count_at(const struct adopt_sum *sum, size_t i)
{
	uint64_t value;

	memcpy(&value, (const char *)sum + counts[i].offset, sizeof value);
	return value;
}

/* ---- while it works ---- */

static void
on_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct adopt_ask *ask = arg;

	ask->progress.what = what;
	ask->progress.total = total > done ? total : 0;
	progress_show(&ask->progress, done);
}

static void
on_wait(void *arg)
{
	struct adopt_ask *ask = arg;

	if (!ask->said_waits)
		fputs("trotline adopt: half of this node's journal is in use: waits until the pipeline has made room\n",
			stderr);
	ask->said_waits = true;
}

static bool
is_stopped(void *arg)
{
	(void)arg;
	return interrupted != 0;
}

static bool
nothing_runs(void *arg, const struct config *from, struct error *why)
{
	struct live_stages *live = calloc(1, sizeof *live);
	const pid_t up = stages_holder(from, "up");
	bool good = live != NULL;

	(void)arg;
	if (!live)
		return error_set(why, "out of memory");
	stages_find(from, live);
	if (live->n)
		good = error_set(why, "a pipeline runs over %s: its %s has process id %d",
			from->data_dir, live->list[0].name, (int)live->list[0].pid);
	else if (up)
		good = error_set(why, "a pipeline runs over %s: its `up` has process id %d",
			from->data_dir, (int)up);
	free(live);
	return good;
}

/* ---- told ---- */

static void
print_json(const struct call *call, const struct adopt_sum *sum)
{
	const struct adopt_ask *ask = call->options;
	msgpack_object object;
	msgpack_zone zone;
	struct map m;

	msgpack_zone_init(&zone, 1024);
	m = map_in(&zone);
	map_text(&m, "folder", slice_of(call->rest.list[0]));
	map_text(&m, "journal", slice_of(sum->journal));
	map_bool(&m, "dry_run", ask->dry_run);
	map_bool(&m, "again", sum->again);
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		map_uint(&m, counts[i].name, count_at(sum, i));
	object = map_object(&m);
	object_print(&object);
	msgpack_zone_destroy(&zone);
}

static void
print_text(const struct call *call, const struct adopt_sum *sum, bool down)
{
	const struct adopt_ask *ask = call->options;
	bool any = false;

	printf("%s %s, journal %s%s\n", ask->dry_run ? "would adopt" : "adopted",
		call->rest.list[0], sum->journal, sum->again ? " (once more)" : "");
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		const uint64_t n = count_at(sum, i);

		if (n)
			printf("  %10llu  %s\n", (unsigned long long)n, counts[i].what);
		any |= n != 0;
	}
	if (!any)
		puts("  nothing was left to take");
	if (sum->later)
		fputs("start the pipeline, and run it again for the dead letters that wait\n",
			stderr);
	if (sum->strangers)
		fputs(ask->dry_run
				? "destinations of the same name are to be in `forward` here before: "
				  "no later run sends them what they have not had\n"
				: "what destinations that are not here have not had stays there\n",
			stderr);
	if (down && !ask->dry_run && sum->open + sum->owed + sum->letters)
		fputs("the pipeline is down; they are handled once it is up\n", stderr);
}

/* ---- doing ---- */

static int
check(struct call *call)
{
	if (call->rest.n != 1)
		return cli_wrong_use(
			call->verb, "one FOLDER: the data_dir of the node that is gone");
	if (((const struct adopt_ask *)call->options)->dry_run)
		call->action.journal = STORE_READ;
	return -1;
}

static int
adopt_all(struct call *call, const char *folder, zsock_t *advice)
{
	struct adopt_ask *ask = call->options;
	const struct adopt_calls calls = {stages_holder(call->cfg, "retrier.0") != 0, ask,
		nothing_runs, on_progress, on_wait, is_stopped};
	struct error why = {""};
	struct adopt *a = adopt_open(call->cfg, folder, call->journal, &calls, ask->dry_run, &why);
	struct adopt_sum sum;
	bool good;

	if (!a)
		return cli_failed(call->verb, &why);
	ask->progress = progress_begin("events", 0);
	good = adopt_run(a, advice, &sum, &why);
	progress_end(&ask->progress);
	adopt_close(&a);
	if (ask->json)
		print_json(call, &sum);
	else
		print_text(call, &sum, advice == NULL);
	return good ? CLI_DONE : cli_failed(call->verb, &why);
}

static int
run(struct call *call)
{
	const struct adopt_ask *ask = call->options;
	struct error why = {""};
	zsock_t *advice = NULL;
	char *folder;
	int status;

	zsys_handler_set(NULL);
	interrupt_catch();
	folder = realpath(call->rest.list[0], NULL);
	if (!folder) {
		error_set(&why, "%s: %s", call->rest.list[0], strerror(errno));
		return cli_failed(call->verb, &why);
	}
	if (!ask->dry_run && stages_holder(call->cfg, "retrier.0"))
		advice = wire_connect(call->cfg, WIRE_ADVICE, ZMQ_PUSH, NULL, 0, &why);
	status = adopt_all(call, folder, advice);
	zsock_destroy(&advice);
	free(folder);
	return status;
}

const struct verb verb_adopt = {
	.name = "adopt",
	.arguments = "FOLDER",
	.summary = "Take over what a node that is gone had not done with, from its data_dir",
	.details =
		"FOLDER is the data_dir of a node that does not run and will not run again, mounted here.\n"
		"Its events without an end and its dead letters become this node's, as they stood, and so do\n"
		"the events that destinations of the same name have not had. All keep the identity under\n"
		"which they were accepted, so effects in a shared database stay once, and destinations know\n"
		"them again. FOLDER is marked: no pipeline starts there again. Nothing in it is removed.\n"
		"Works while this node's pipeline runs, and while it does not. May be stopped or killed at\n"
		"any time and run again; what was taken is not taken twice.\n",
	.flags =
		(const struct flag[]){
			{"dry-run", 'n', FLAG_SWITCH, NULL, "count what there is; change nothing",
				FLAG_AT(adopt_ask, dry_run)},
			{"json", 0, FLAG_SWITCH, NULL, "print one JSON object",
				FLAG_AT(adopt_ask, json)},
			{.name = NULL},
		},
	.options = sizeof(struct adopt_ask),
	.actions =
		(const struct action[]){
			{.config = PLAIN_CONFIG,
				.journal = STORE_ENTER,
				.check = check,
				.run = run},
			{.run = NULL},
		},
};
