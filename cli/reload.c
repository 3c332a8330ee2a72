/* reload - applies a changed configuration to the running pipeline, or refuses it whole.
 *
 * In: the file, who runs. Out: SIGHUP to every stage, once the file has been found good here: to
 * those first that read the secrets; what they refuse nobody else is asked to take. A kill here may
 * leave some stages asked and others not: reload again. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "figures.h"
#include "lib/base/clock.h"
#include "lib/base/map.h"
#include "lib/base/object.h"
#include "lib/stage/stages.h"
#include "proto/processes.h"
#include "providers/source_keys.h"

enum { HEAR_MS = 700, STEP_MS = 100 };

struct reload {
	const struct verb *verb;
	const struct config *cfg;
	struct figures *figures;
	struct live_stages stages;
	uint64_t asked_ms[STAGES_MAX]; /* wall clock; 0: not asked */
	uint64_t wait_s;
	bool json;
};

/* In waves, those first who read the most secrets: what one refuses, those after it are not asked to
 * take. */
enum { WAVES = 3 };

static int
wave_of(const struct live_stage *stage)
{
	const struct process_row *row = process_find(stage->name);

	if (!row || row->secrets == SECRETS_NONE)
		return 2;
	return row->secrets == SECRETS_DATABASE;
}

static bool
confirmed(const struct reload *r, size_t i)
{
	const struct live_stage *stage = &r->stages.list[i];

	return r->asked_ms[i] &&
	       figures_loaded(r->figures, stage->name, stage->instance) >= r->asked_ms[i];
}

static void
ask(struct reload *r, int wave)
{
	for (size_t i = 0; i < r->stages.n; i++) {
		const struct live_stage *stage = &r->stages.list[i];

		if (wave_of(stage) != wave)
			continue;
		r->asked_ms[i] = clock_wall_ms();
		kill(stage->pid, SIGHUP);
	}
}

/* Until all that were asked have confirmed; one that has ended meanwhile will start with the new
 * file. */
static bool
wait_all(struct reload *r)
{
	const uint64_t end_ms = clock_mono_ms() + r->wait_s * 1000;
	bool all = false;

	while (!all && clock_mono_ms() < end_ms) {
		figures_listen(r->figures, STEP_MS, -1);
		all = true;
		for (size_t i = 0; i < r->stages.n; i++)
			all &= !r->asked_ms[i] || confirmed(r, i) ||
			       !stage_lives(r->cfg, &r->stages.list[i]);
	}
	return all;
}

static const char *
outcome_of(const struct reload *r, size_t i)
{
	if (confirmed(r, i))
		return "reloaded";
	return r->asked_ms[i] ? "not confirmed" : "not asked";
}

static void
print_json(const struct reload *r, bool good)
{
	msgpack_object all;
	msgpack_zone zone;
	struct list list;
	struct map m;

	msgpack_zone_init(&zone, 4096);
	list = list_in(&zone);
	m = map_in(&zone);
	for (size_t i = 0; i < r->stages.n; i++) {
		struct map row = map_in(&zone);

		map_text(&row, "stage", slice_of(r->stages.list[i].name));
		map_uint(&row, "instance", r->stages.list[i].instance);
		map_uint(&row, "pid", (uint64_t)r->stages.list[i].pid);
		map_text(&row, "outcome", slice_of(outcome_of(r, i)));
		list_add(&list, map_object(&row));
	}
	map_bool(&m, "reloaded", good);
	map_text(&m, "needs_restart", slice_of(figures_kept(r->figures)));
	map_put(&m, "stages", list_object(&list));
	all = map_object(&m);
	object_print(&all);
	msgpack_zone_destroy(&zone);
}

static void
print_text(const struct reload *r)
{
	for (size_t i = 0; i < r->stages.n; i++)
		printf("%-13s  %s.%zu\n", outcome_of(r, i), r->stages.list[i].name,
			r->stages.list[i].instance);
	if (*figures_kept(r->figures))
		printf("as before until the next start: %s\n", figures_kept(r->figures));
}

static int
report(const struct reload *r, bool good)
{
	if (r->json)
		print_json(r, good);
	else
		print_text(r);
	if (good)
		return CLI_DONE;
	fprintf(stderr,
		"trotline reload: not all stages took the configuration; their logs in %s/log say why\n",
		r->cfg->data_dir);
	return CLI_FAILED;
}

static int
reload(struct reload *r)
{
	struct error why = {""};
	bool good = true;

	stages_find(r->cfg, &r->stages);
	if (r->stages.n == 0)
		return cli_down(r->verb, r->cfg);
	r->figures = figures_new(r->cfg, &why);
	if (!r->figures)
		return cli_failed(r->verb, &why);
	figures_listen(r->figures, HEAR_MS, -1);
	for (int wave = 0; good && wave < WAVES; wave++) {
		ask(r, wave);
		good = wait_all(r);
	}
	good = report(r, good) == CLI_DONE;
	figures_destroy(&r->figures);
	return good ? CLI_DONE : CLI_FAILED;
}

/* The secrets are looked at as far as this process can see them; those from the environment of the
 * pipeline may not stand in ours. The validators have the last word. */
static int
check_secrets(struct call *call)
{
	struct error why = {""};
	struct config *whole = source_keys_load(config_path(call->path), &why);
	const bool elsewhere = strstr(why.text, "environment variable") != NULL;

	if (!whole && elsewhere)
		fprintf(stderr, "trotline reload: warning: %s here; the validator knows\n",
			why.text);
	else if (!whole)
		cli_failed(call->verb, &why);
	config_destroy(&whole);
	return *why.text == 0 || elsewhere ? -1 : CLI_BAD_CONFIG;
}

static int
run(struct call *call)
{
	struct reload *r = call->options;

	r->verb = call->verb;
	r->cfg = call->cfg;
	return reload(r);
}

const struct verb verb_reload = {
	.name = "reload",
	.summary = "Apply a changed configuration without dropping a request",
	.details =
		"A bad file is refused whole, with the line and the key at fault, and the old one stays.\n"
		"Secrets, sources, thresholds, retry rules and the log level apply at once; listen, data_dir,\n"
		"processes and sizes on disk need a restart. Exits 0 when every stage has confirmed.\n",
	.flags =
		(const struct flag[]){
			{"timeout", 0, FLAG_NUMBER, "SECONDS", "wait no longer for a stage",
				FLAG_AT(reload, wait_s), .fallback = "10"},
			{"json", 0, FLAG_SWITCH, NULL, "print one JSON object",
				FLAG_AT(reload, json)},
			{.name = NULL},
		},
	.options = sizeof(struct reload),
	.actions =
		(const struct action[]){
			{.config = PLAIN_CONFIG, .check = check_secrets, .run = run},
		},
};
