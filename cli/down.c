/* down - what is said where the pipeline does not run, or never has. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "lib/config/advice.h"
#include "lib/stage/stages.h"

bool
cli_was_started(const struct config *cfg)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/journal/data.mdb", cfg->data_dir);
	return access(path, F_OK) == 0;
}

int
cli_down(const struct verb *verb, const struct config *cfg)
{
	char up[ADVICE_BYTES];

	fprintf(stderr, "trotline %s: the pipeline of %s is down; %s starts it%s\n", verb->name,
		cfg->path, advice(ADVICE_UP, NULL, cli_config, up),
		cli_was_started(cfg) ? "" : " (it was never started)");
	return CLI_DOWN;
}

bool
cli_is_down(const struct config *cfg)
{
	struct live_stages live;

	stages_find(cfg, &live);
	for (size_t i = 0; i < live.n; i++)
		if (strcmp(live.list[i].name, "ingress") == 0)
			return false;
	return true;
}

int
cli_no_answer(const struct verb *verb, const struct config *cfg, const struct error *why)
{
	cli_failed(verb, why);
	return cli_is_down(cfg) ? cli_down(verb, cfg) : CLI_FAILED;
}
