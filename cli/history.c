/* history - every event that was accepted, found again: by address, message or id, by type, source and
 * time.
 *
 * In: the history's files. Out: a table, or one JSON object a line. Works with the pipeline up or
 * down. */
#include <stdio.h>
#include <time.h>

#include "interrupt.h"
#include "lib/base/object.h"
#include "looking.h"
#include "progress.h"

enum { FOLLOW_MS = 250 };

struct history_request {
	struct looking looking;
	size_t shown;
	struct progress progress;
	bool follow;
};

static int
check(struct call *call)
{
	struct history_request *rq = call->options;

	if (call->rest.n && rq->looking.words.email)
		return cli_wrong_use(call->verb, "two addresses: one is enough");
	if (call->rest.n)
		rq->looking.words.email = call->rest.list[0];
	if (rq->follow && (rq->looking.words.since || rq->looking.words.until ||
				  rq->looking.words.cursor || rq->looking.limit))
		return cli_wrong_use(call->verb,
			"--follow begins now and has no end: --since, --until, --limit and --cursor do not go with it");
	rq->looking.ask.whole = rq->looking.json;
	return looking_check(call, &rq->looking);
}

static bool
show_one(void *arg, const struct history_event *event, const msgpack_object *row)
{
	struct history_request *rq = arg;

	(void)event;
	progress_end(&rq->progress);
	if (rq->shown++ == 0 && !rq->looking.json)
		looking_head(true);
	if (rq->looking.json)
		object_print(row);
	else
		looking_row(row, true);
	if (rq->follow)
		fflush(stdout);
	return !ferror(stdout) && !interrupted;
}

static bool
wait_for_more(void *arg)
{
	(void)arg;
	nanosleep(&(struct timespec){0, FOLLOW_MS * 1000000L}, NULL);
	return !interrupted;
}

/* Until it is interrupted, or nobody reads any more. */
static int
follow(struct call *call, struct history_request *rq, struct history_view *view)
{
	struct error why = {""};
	enum ops_found found;

	interrupt_catch();
	found = history_look_follow(view, &rq->looking.ask, show_one, rq, wait_for_more, &why);
	return found == OPS_FOUND ? CLI_DONE : looking_failed(call, found, &why);
}

static void
show_step(void *arg, uint64_t looked)
{
	struct history_request *rq = arg;

	progress_show(&rq->progress, looked);
}

static int
run(struct call *call)
{
	struct history_request *rq = call->options;
	struct history_told told;
	struct error why = {""};
	struct history_view *view = history_look_open(call->cfg, &why);
	enum ops_found found;

	if (!view)
		return cli_failed(call->verb, &why);
	if (rq->follow) {
		const int rc = follow(call, rq, view);

		history_view_close(&view);
		return rc;
	}
	rq->progress = progress_begin("looked at", 0);
	rq->looking.ask.on_step = show_step;
	found = history_look_each(view, &rq->looking.ask, show_one, rq, &told, &why);
	progress_end(&rq->progress);
	history_view_close(&view);
	if (found != OPS_FOUND)
		return looking_failed(call, found, &why);
	if (rq->shown == 0 && !rq->looking.json)
		fputs("no event\n", stderr);
	looking_told(&told);
	return CLI_DONE;
}

const struct verb verb_history = {
	.name = "history",
	.arguments = "[ADDRESS]",
	.summary = "Find events that were accepted, the newest first",
	.details =
		"An address is found in any case of its letters; `-` reads it from stdin. A message is what its\n"
		"Message-ID is, with or without <>. An id is the sender's, or evt_JOURNAL_SEQ. " LOOKING_HELP
		"Works with the pipeline up or down, where history.keep is set.\n\n"
		"  trotline history --email jo@example.com\n"
		"  trotline history --type 'email_b*' --since 2h --json\n"
		"  trotline history --source email --follow\n",
	.flags =
		(const struct flag[]){
			LOOKING_KEYS,
			LOOKING_TIMES,
			LOOKING_KINDS,
			LOOKING_PAGE,
			{"follow", 'f', FLAG_SWITCH, NULL,
				"show what comes from now on, as it comes",
				FLAG_AT(history_request, follow)},
			{"json", 0, FLAG_SWITCH, NULL,
				"print JSON, one object a line, with its data", LOOKING_AT(json)},
			{.name = NULL},
		},
	.options = sizeof(struct history_request),
	.actions =
		(const struct action[]){
			{.config = PLAIN_CONFIG, .check = check, .run = run},
		},
};
