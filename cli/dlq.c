/* dlq - lists, shows, replays, drops and exports dead letters.
 *
 * In: the store of letters and, for a replay, the journal. Out: text or JSON lines; a replay moves
 * letters back into the journal. Works with the pipeline up or down. Keeps nothing; a kill in the
 * midst of a replay or a drop leaves whole letters on either side. */
#include "dlq.h"

#include <stdio.h>
#include <string.h>

#include "fleet.h"
#include "lib/base/clock.h"
#include "lib/base/timestamp.h"

int
dlq_nothing(const struct call *call)
{
	const struct dlq_request *rq = call->options;
	const struct letter_filter *f = &rq->meant.filter;
	struct error why;

	if (f->ids_count == 0) {
		if (!rq->json)
			fprintf(stderr, "trotline dlq: %s\n",
				rq->chosen ? "no dead letter is like that"
					   : "there are no dead letters");
		return CLI_DONE;
	}
	error_set(&why, "there is no letter %s%s", f->ids[0],
		f->ids_count > 1 ? ", nor any of the others" : "");
	return cli_failed(call->verb, &why);
}

/* ---- the verb ---- */

static bool
take_time(const char *flag, const char *text, uint64_t *ms, struct error *why)
{
	return !text || timestamp_read(text, clock_wall_ms(), ms, why) ||
	       error_wrap(why, "%s", flag);
}

static int
check(struct call *call)
{
	struct dlq_request *rq = call->options;
	struct letter_filter *f = &rq->meant.filter;
	struct error why = {""};

	if (!take_time("--since", rq->since, &f->since_ms, &why) ||
		!take_time("--until", rq->until, &f->until_ms, &why))
		return cli_wrong_use(call->verb, "%s", why.text);
	f->ids = (const char *const *)call->rest.list;
	f->ids_count = call->rest.n;
	if (rq->fleet && (strcmp(call->action.name, "list") != 0 || f->ids_count))
		return cli_wrong_use(call->verb, "--fleet goes with list alone, without IDs");
	if (rq->fleet)
		fleet_instead_of_stores(call);
	rq->chosen = f->ids_count || f->type || f->source || rq->since || rq->until || f->reason;
	return -1;
}

/* Only looks. */
static int
check_look(struct call *call)
{
	const struct dlq_request *rq = call->options;

	if (rq->dry_run)
		return cli_wrong_use(call->verb, "--dry-run goes with replay and drop only");
	return check(call);
}

/* Means some letters, not all by an oversight. */
static int
check_chosen(struct call *call)
{
	const struct dlq_request *rq = call->options;
	const int status = check(call);

	if (status >= 0 || rq->chosen || rq->all)
		return status;
	return cli_wrong_use(
		call->verb, "%s which letters? Give an ID, a filter, or --all", call->action.name);
}

static int
check_show(struct call *call)
{
	const int status = check_look(call);

	return status < 0 ? check_chosen(call) : status;
}

/* A dry run changes nothing. */
static int
check_move(struct call *call)
{
	const struct dlq_request *rq = call->options;

	if (rq->dry_run) {
		call->action.letters = STORE_READ;
		call->action.journal = call->action.journal ? STORE_READ : STORE_UNUSED;
	}
	return check_chosen(call);
}

const struct verb verb_dlq = {
	.name = "dlq",
	.arguments = "[ID ...]",
	.summary = "List, explain, replay, drop or export dead letters",
	.details =
		"list    the newest events first, whenever they failed, one a line; --since for what failed\n"
		"        lately\n"
		"show    all about each: the record and the webhook as it came\n"
		"replay  back to their handlers, with all their tries; what was applied is not applied\n"
		"        again. Letters of another journal than this data_dir's cannot go back under their\n"
		"        numbers: export them with --events, and post the file with `trotline send --batch`\n"
		"drop    away for good; `trotline event` still says that they were dropped\n"
		"export  the whole records as JSON lines\n"
		"stats   how many, of what, and why\n\n"
		"ID is a letter's name (LETTER in the list) or the sender's event id. TIME is written\n"
		"2026-01-02T03:04:05Z, as seconds since 1970, or as a time ago such as 90s, 2h or 7d.\n"
		"replay and drop say how many letters are meant and ask, unless it is one that was named.\n"
		"Works with the pipeline up or down. Exits 0, or 1 when none of the letters that were named\n"
		"is there, something could not be replayed, or the answer was no. list --fleet: at most 1,000 of\n"
		"each node, which must run; exits 1 when one does not answer, 3 when none does.\n\n"
		"  trotline dlq list --type 'email_*' --since 2h\n"
		"  trotline dlq replay --reason \"database is locked\" --yes\n",
	.flags =
		(const struct flag[]){
			{"type", 't', FLAG_TEXT, "TYPE", "only this event type; * and ? match",
				FLAG_AT(dlq_request, meant.filter.type)},
			{"source", 's', FLAG_TEXT, "NAME", "only from this source",
				FLAG_AT(dlq_request, meant.filter.source)},
			{"since", 0, FLAG_TEXT, "TIME", "only what failed from then on",
				FLAG_AT(dlq_request, since)},
			{"until", 0, FLAG_TEXT, "TIME", "only what failed before then",
				FLAG_AT(dlq_request, until)},
			{"reason", 'r', FLAG_TEXT, "TEXT", "only with this in the reason",
				FLAG_AT(dlq_request, meant.filter.reason)},
			{"limit", 'n', FLAG_NUMBER, "N",
				"at most so many (list on a terminal: 100)",
				FLAG_AT(dlq_request, meant.limit)},
			{"all", 0, FLAG_SWITCH, NULL, "replay, drop: all that there are",
				FLAG_AT(dlq_request, all)},
			{"dry-run", 0, FLAG_SWITCH, NULL, "replay, drop: only say how many",
				FLAG_AT(dlq_request, dry_run)},
			{"yes", 'y', FLAG_SWITCH, NULL, "replay, drop: do not ask",
				FLAG_AT(dlq_request, yes)},
			{"rate", 0, FLAG_NUMBER, "N", "replay: at most so many a second",
				FLAG_AT(dlq_request, rate), .fallback = "500"},
			{"output", 'o', FLAG_TEXT, "FILE", "export: into this new file, mode 0600",
				FLAG_AT(dlq_request, output)},
			{"events", 0, FLAG_SWITCH, NULL,
				"export: one JSON array of the events alone, as `send --batch` takes it",
				FLAG_AT(dlq_request, events)},
			{"fleet", 0, FLAG_SWITCH, NULL, "list: those of all nodes of fleet.nodes",
				FLAG_AT(dlq_request, fleet)},
			{"json", 0, FLAG_SWITCH, NULL, "print JSON, one object a line",
				FLAG_AT(dlq_request, json)},
			{.name = NULL},
		},
	.options = sizeof(struct dlq_request),
	.actions =
		(const struct action[]){
			{"list", PLAIN_CONFIG, .letters = STORE_READ, .check = check_look,
				.run = dlq_list},
			{"show", PLAIN_CONFIG, .letters = STORE_READ, .check = check_show,
				.run = dlq_show},
			{"replay", PLAIN_CONFIG, .letters = STORE_CHANGE, .journal = STORE_CHANGE,
				.check = check_move, .run = dlq_replay},
			{"drop", PLAIN_CONFIG, .letters = STORE_CHANGE, .check = check_move,
				.run = dlq_drop},
			{"export", PLAIN_CONFIG, .letters = STORE_READ, .check = check_look,
				.run = dlq_export},
			{"stats", PLAIN_CONFIG, .letters = STORE_READ, .check = check_look,
				.run = dlq_stats},
			{.name = NULL},
		},
};
