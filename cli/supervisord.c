/* supervisord - prints the pipeline as a configuration of supervisord, for one that is not `up`'s.
 *
 * In: the configuration. Out: the text on stdout; folders and secrets that are missing, as `up`
 * makes them, for supervisord makes none. */
#include <stdio.h>

#include "cli.h"
#include "lib/base/harden.h"
#include "place.h"
#include "programs.h"

static int
run(struct call *call)
{
	struct error why = {""};

	if (!harden_check_folder(call->cfg->data_dir, &why)) {
		cli_failed(call->verb, &why);
		return CLI_BAD_CONFIG;
	}
	if (!place_folders(call->cfg, &why) || !place_secrets(call->cfg, &why))
		return cli_failed(call->verb, &why);
	if (!place_check_secrets(call->cfg, call->verb->name, &why)) {
		cli_failed(call->verb, &why);
		return CLI_BAD_CONFIG;
	}
	if (!programs_check(call->cfg, &why) || !programs_print(call->cfg, stdout, &why))
		return cli_failed(call->verb, &why);
	return CLI_DONE;
}

const struct verb verb_supervisord = {
	.name = "supervisord",
	.summary = "Print the pipeline as a configuration of supervisord, to run it without `up`",
	.details =
		"Run it as the user that the pipeline runs as:\n"
		"  trotline supervisord > FILE && supervisord -c FILE\n"
		"  supervisorctl -c FILE status\n"
		"Makes data_dir and, where a source's secrets_file does not exist, a random secret in it, as `up` does.\n"
		"Variables that trotline.yaml names must be set where supervisord starts. "
		"Print it again after a change of processes, handlers, paths or programs.\n",
	.actions =
		(const struct action[]){
			{.config = PARENT_CONFIG, .run = run},
		},
};
