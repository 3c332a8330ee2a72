/* status - what runs and how it fares, from a sample of the tap.
 *
 * In: the stages' figures, for a second or two. Out: them, summed up, on stdout. Keeps nothing. */
#include <stdio.h>

#include "cli.h"
#include "figures.h"
#include "fleet.h"

enum { SAMPLE_MS = 1600 };

static int
show(const struct verb *verb, const struct config *cfg, bool json)
{
	struct error why = {""};
	struct figures *f = figures_new(cfg, &why);
	int status = CLI_DONE;

	if (!f)
		return cli_failed(verb, &why);
	figures_listen(f, SAMPLE_MS, -1);
	if (figures_heard(f) == 0)
		status = cli_down(verb, cfg);
	else if (json)
		figures_print_json(f);
	else
		figures_print(f, stdout, 0, 0);
	figures_destroy(&f);
	return status;
}

struct status_asked {
	bool json, fleet;
};

static int
run(struct call *call)
{
	const struct status_asked *ask = call->options;

	return ask->fleet ? fleet_run_status(call, ask->json)
			  : show(call->verb, call->cfg, ask->json);
}

const struct verb verb_status = {
	.name = "status",
	.summary = "Show the stages, their rates, the queues and what is wrong",
	.details =
		"Listens for a second and a half. PER SECOND is what a stage has handled; WAITING what no\n"
		"handler has answered yet. Of a destination: events that it answered 2xx, and those that it\n"
		"has not; OWED is tried again. Exits 3 when the pipeline is down.\n\n"
		"--fleet: a row for each node of fleet.nodes and this one, by their admin listeners, asked all at\n"
		"once for 3 s at most: whether it takes events, what it has accepted since its figures began, what\n"
		"waits. Exits 0 when each node has answered, 1 when one has not, 3 when none has.\n",
	.flags =
		(const struct flag[]){
			{"fleet", 0, FLAG_SWITCH, NULL, "a row a node instead",
				FLAG_AT(status_asked, fleet)},
			{"json", 0, FLAG_SWITCH, NULL, "print one JSON object",
				FLAG_AT(status_asked, json)},
			{.name = NULL},
		},
	.options = sizeof(struct status_asked),
	.actions =
		(const struct action[]){
			{.config = PLAIN_CONFIG, .run = run},
		},
};
