/* state - moves what handlers have written from one database into another. */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "lib/base/map.h"
#include "lib/base/object.h"
#include "lib/stage/stages.h"
#include "lib/store/state_copy.h"
#include "progress.h"

struct state_ask {
	const char *from;
	bool json;
	struct progress progress;
	msgpack_zone zone;
	struct map tables;
	uint64_t rows;
};

static void
on_progress(void *arg, const char *table, uint64_t done, uint64_t total)
{
	struct state_ask *ask = arg;

	ask->progress.what = table;
	ask->progress.total = total;
	progress_show(&ask->progress, done);
}

static void
on_table(void *arg, const char *table, uint64_t rows)
{
	struct state_ask *ask = arg;
	const struct slice name = slice_in(&ask->zone, slice_of(table));

	progress_end(&ask->progress);
	ask->rows += rows;
	if (ask->json)
		map_uint(&ask->tables, name.p ? name.p : "", rows);
	else
		printf("  %-20s %llu\n", table, (unsigned long long)rows);
}

/* ---- may it be done? ---- */

static bool
is_stopped(const struct config *cfg, const char *folder, struct error *why)
{
	struct live_stages *live = calloc(1, sizeof *live);
	struct config at = *cfg;
	bool good = live != NULL;

	if (!live)
		return error_set(why, "out of memory");
	at.data_dir = (char *)(uintptr_t)folder;
	stages_find(&at, live);
	if (live->n || stages_holder(&at, "up"))
		good = error_set(why,
			"a pipeline runs over %s: `trotline drain` it first, so that nothing is written meanwhile",
			folder);
	free(live);
	return good;
}

static bool
may_copy(const struct config *cfg, const char *from, struct error *why)
{
	if (cfg->database.kind != DATABASE_POSTGRESQL)
		return error_set(why,
			"database.kind is sqlite: set it to postgresql, and database.url to where state.db goes");
	return is_stopped(cfg, from, why) && is_stopped(cfg, cfg->data_dir, why);
}

/* ---- doing ---- */

static void
print_json(struct state_ask *ask, const char *from)
{
	struct map m = map_in(&ask->zone);
	msgpack_object object;

	map_text(&m, "from", slice_of(from));
	map_uint(&m, "rows", ask->rows);
	map_put(&m, "tables", map_object(&ask->tables));
	object = map_object(&m);
	object_print(&object);
}

static bool
copy(struct call *call, const char *from, struct error *why)
{
	struct state_ask *ask = call->options;
	const struct state_copy_calls calls = {ask, on_progress, on_table};

	if (!may_copy(call->cfg, from, why))
		return false;
	ask->progress = progress_begin("", 0);
	if (!state_copy(call->cfg, from, &calls, why)) {
		progress_end(&ask->progress);
		return false;
	}
	if (ask->json)
		print_json(ask, from);
	else
		printf("copied %llu rows; state.db stays as it was, and is not used any more\n",
			(unsigned long long)ask->rows);
	return true;
}

static int
run(struct call *call)
{
	struct state_ask *ask = call->options;
	const char *from = ask->from ? ask->from : call->cfg->data_dir;
	struct error why = {""};
	bool good;

	msgpack_zone_init(&ask->zone, 4096);
	ask->tables = map_in(&ask->zone);
	good = copy(call, from, &why);
	msgpack_zone_destroy(&ask->zone);
	return good ? CLI_DONE : cli_failed(call->verb, &why);
}

const struct verb verb_state = {
	.name = "state",
	.summary = "Copy state.db into PostgreSQL",
	.details =
		"With database.kind set to postgresql: all tables of <data_dir>/state.db into the database of\n"
		"database.url, which must be empty, in one transaction; rows are counted on both sides. The\n"
		"pipeline must be stopped. A kill leaves the database as it was.\n",
	.flags =
		(const struct flag[]){
			{"from", 0, FLAG_TEXT, "DIR",
				"the state.db of this folder, not of data_dir",
				FLAG_AT(state_ask, from)},
			{"json", 0, FLAG_SWITCH, NULL, "print one JSON object",
				FLAG_AT(state_ask, json)},
			{.name = NULL},
		},
	.options = sizeof(struct state_ask),
	.actions =
		(const struct action[]){
			{.name = "copy", .config = PLAIN_CONFIG, .run = run},
			{.run = NULL},
		},
};
