/* call - one call of a verb: its command line is read, what its row names is opened, it runs, and
 * all is closed again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "lib/base/near.h"
#include "lib/config/advice.h"
#include "lib/store/journal.h"
#include "lib/store/letters.h"
#include "lib/store/quarantine.h"
#include "lib/store/state.h"
#include "lib/store/unread.h"
#include "providers/source_keys.h"

/* ---- which action ---- */

static int
no_action(const struct verb *verb, const char *given)
{
	char names[CLI_ARGUMENTS_MAX] = "", hint[NEAR_BYTES];
	struct near near = {.word = given};

	for (const struct action *a = verb->actions; a->run; a++) {
		strcat(names, a == verb->actions ? "" : ", ");
		strcat(names, a->name);
		near_try(&near, a->name);
	}
	return cli_wrong_use(verb, "\"%s\" is none of %s%s", given, names, near_hint(&near, hint));
}

static int
find_action(struct call *call)
{
	const struct action *a = call->verb->actions;
	const char *name;

	if (!a->name) {
		call->action = *a;
		return -1;
	}
	name = call->rest.list[0];
	while (a->run && strcmp(a->name, name) != 0)
		a++;
	if (!a->run)
		return no_action(call->verb, name);
	call->action = *a;
	call->rest.list++;
	call->rest.n--;
	return -1;
}

/* ---- what it needs ---- */

static struct config *
load_config(struct call *call)
{
	struct error why = {""};
	struct config *cfg;

	call->path = config_path(call->path);
	cli_config = strcmp(call->path, config_path(NULL)) == 0 ? NULL : call->path;
	if (call->action.config == SECRET_CONFIG)
		cfg = source_keys_load(call->path, &why);
	else
		cfg = config_load(call->path,
			call->action.config == PARENT_CONFIG ? CONFIG_LOOK : CONFIG_OPERATOR, &why);
	if (!cfg)
		cli_failed(call->verb, &why);
	return cfg;
}

/* There is no journal yet. */
static bool
never_started(const struct call *call, struct error *why)
{
	char up[ADVICE_BYTES];

	return error_set(why,
		"the pipeline of %s was never started: there is no journal in %s; %s starts it",
		call->cfg->path, call->cfg->data_dir, advice(ADVICE_UP, NULL, cli_config, up));
}

/* Whether there is an LMDB store of that name; what cannot be told will fail to open. */
static bool
is_there(const struct call *call, const char *store)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/%s/data.mdb", call->cfg->data_dir, store);
	return access(path, F_OK) == 0 || errno != ENOENT;
}

/* A look first, for a journal that is opened for changes is made where there is none. */
static bool
open_journal(struct call *call, struct error *why)
{
	const enum cli_store use = call->action.journal;

	if (use == STORE_UNUSED)
		return true;
	if (!is_there(call, "journal"))
		return never_started(call, why);
	call->journal = journal_open(call->cfg, JOURNAL_WATCH, why);
	if (!call->journal || use == STORE_READ)
		return call->journal != NULL;
	journal_close(&call->journal);
	call->journal =
		journal_open(call->cfg, use == STORE_ENTER ? JOURNAL_ACCEPT : JOURNAL_SETTLE, why);
	return call->journal != NULL;
}

static bool
open_letters(struct call *call, struct error *why)
{
	const enum cli_store use = call->action.letters;

	if (use != STORE_UNUSED)
		call->letters = letters_open(call->cfg,
			use == STORE_CHANGE && is_there(call, "dlq") ? LETTERS_KEEP : LETTERS_WATCH,
			why);
	return use == STORE_UNUSED || call->letters;
}

static bool
open_quarantine(struct call *call, struct error *why)
{
	const enum cli_store use = call->action.quarantine;

	if (use == STORE_UNUSED || !is_there(call, "quarantine"))
		return true;
	call->quarantine = quarantine_open(
		call->cfg, use == STORE_CHANGE ? QUARANTINE_KEEP : QUARANTINE_WATCH, why);
	return call->quarantine != NULL;
}

static bool
open_unread(struct call *call, struct error *why)
{
	const enum cli_store use = call->action.unread;

	if (use == STORE_UNUSED || !unread_is_there(call->cfg))
		return true;
	call->unread =
		unread_open(call->cfg, use == STORE_CHANGE ? UNREAD_KEEP : UNREAD_WATCH, why);
	return call->unread != NULL;
}

static bool
open_state(struct call *call, struct error *why)
{
	const enum cli_store use = call->action.state;
	bool exists = true;

	if (use == STORE_READ || use == STORE_HINT)
		call->state = state_watch(call->cfg, &exists, why);
	else if (use != STORE_UNUSED)
		call->state = state_open(call->cfg, why);
	return use == STORE_UNUSED || use == STORE_HINT || call->state || !exists;
}

static int
with_stores(struct call *call)
{
	struct error why = {""};
	int status;

	if (open_journal(call, &why) && open_letters(call, &why) && open_quarantine(call, &why) &&
		open_unread(call, &why) && open_state(call, &why))
		status = call->action.run(call);
	else {
		status = cli_failed(call->verb, &why);
		status = call->action.unopened ? call->action.unopened : status;
	}
	state_close(&call->state);
	quarantine_close(&call->quarantine);
	unread_close(&call->unread);
	letters_close(&call->letters);
	journal_close(&call->journal);
	return status;
}

static int
with_config(struct call *call)
{
	struct config *cfg;
	int status;

	if (call->action.config <= UNREAD_CONFIG)
		return call->action.run(call);
	cfg = load_config(call);
	if (!cfg)
		return CLI_BAD_CONFIG;
	call->cfg = cfg;
	status = with_stores(call);
	config_destroy(&cfg);
	return status;
}

int
cli_call(const struct verb *verb, int argc, char **argv)
{
	struct call call = {.verb = verb, .options = calloc(1, verb->options + 1)};
	int status;

	if (!call.options)
		return cli_failed(verb, &(struct error){"out of memory"});
	status = cli_flags(&call, argc, argv);
	if (status < 0)
		status = find_action(&call);
	if (status < 0 && call.action.check)
		status = call.action.check(&call);
	if (status < 0)
		status = with_config(&call);
	free(call.options);
	return status;
}

static int
no_source(const struct call *call, const char *name)
{
	struct near near = {.word = name};
	char hint[NEAR_BYTES];

	for (size_t i = 0; i < call->cfg->sources_count; i++)
		near_try(&near, call->cfg->sources[i].name);
	return cli_wrong_use(call->verb, "%s has no source \"%s\"%s", call->cfg->path, name,
		near_hint(&near, hint));
}

const struct config_source *
cli_source(const struct call *call, const char *name)
{
	const struct config_source *found;

	if (!name)
		return &call->cfg->sources[0];
	found = config_source_find(call->cfg, slice_of(name));
	if (!found)
		no_source(call, name);
	return found;
}
