/* retry - the events that wait for their next try, and a way not to let them wait.
 *
 * In: the journal. Out: text or JSON lines; --now moves due times in the journal, which the retrier
 * sees with its next look. Works with the pipeline up or down. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "lib/base/field.h"
#include "lib/base/object.h"
#include "lib/ops/schedule.h"
#include "lib/stage/stages.h"
#include "progress.h"
#include "text.h"

enum { LIST_DEFAULT = 100, SECONDS = 19 /* of a time in the list */ };

struct retry {
	const char *now, *type, *source;
	uint64_t limit;
	bool json;
	uint64_t shown;
};

/* ---- the list ---- */

static void
print_row(const msgpack_object *row)
{
	struct slice next = field_str(row, "next_retry_at");
	int64_t tries = 0;

	field_int(row, "retry_count", &tries);
	if (slice_is(field_str(row, "status"), "due"))
		next = slice_of("now");
	else if (next.n > SECONDS)
		next.n = SECONDS;
	text_column(next, SECONDS);
	printf(" %5lld  ", (long long)tries);
	text_column(field_str(row, "event_type"), 20);
	putchar(' ');
	text_column(field_str(row, "event_id"), 36);
	putchar(' ');
	text_print(field_str(row, "error"), 80);
	putchar('\n');
}

static bool
show_one(void *arg, const msgpack_object *row)
{
	struct retry *r = arg;

	if (r->shown++ == 0 && !r->json)
		printf("%-19s %5s  %-20s %-36s %s\n", "NEXT TRY (UTC)", "TRIES", "TYPE", "EVENT ID",
			"REASON");
	if (r->json)
		object_print(row);
	else
		print_row(row);
	return !ferror(stdout);
}

static bool
list(struct call *call, struct error *why)
{
	struct retry *r = call->options;
	struct schedule_query q = {call->journal, r->type, r->source, r->limit};
	size_t waiting;

	if (!q.limit && !r->json && isatty(STDOUT_FILENO))
		q.limit = LIST_DEFAULT;
	if (!schedule_each(&q, show_one, r, &waiting, why))
		return false;
	if (r->shown == 0 && !r->json)
		fputs("no event waits for a retry\n", stderr);
	if (q.limit && r->shown == q.limit && waiting > r->shown)
		fprintf(stderr, "the first %llu of %zu; --limit N shows more\n",
			(unsigned long long)r->shown, waiting);
	return true;
}

/* ---- now ---- */

/* In groups, until no event is left that is not due. */
static bool
hasten_all(struct journal *journal, size_t *total, struct error *why)
{
	struct progress progress = progress_begin("hastened", 0);
	size_t n;

	do {
		if (!schedule_hasten_group(journal, &n, why))
			return false;
		*total += n;
		progress_show(&progress, *total);
	} while (n > 0);
	progress_end(&progress);
	return true;
}

static bool
now(struct call *call, struct error *why)
{
	const struct retry *r = call->options;
	size_t total = 0;

	if (!(strcmp(r->now, "--all") == 0 ? hasten_all(call->journal, &total, why)
					   : schedule_hasten(call->journal, call->cfg, r->source,
						     r->now, &total, why)))
		return false;
	if (r->json)
		printf("{\"hastened\":%zu}\n", total);
	else
		printf("%zu %s due now\n", total, total == 1 ? "event is" : "events are");
	if (total && !stages_holder(call->cfg, "retrier.0"))
		fputs("the pipeline is down; they are sent once it is up\n", stderr);
	return true;
}

/* ---- the verb ---- */

static int
check(struct call *call)
{
	const struct retry *r = call->options;

	if (call->rest.n && strcmp(call->rest.list[0], "list") != 0)
		return cli_wrong_use(call->verb, "\"%s\" is not list", call->rest.list[0]);
	if (r->now && call->rest.n)
		return cli_wrong_use(call->verb, "list and --now exclude each other");
	if (r->now && (r->type || r->limit || (r->source && strcmp(r->now, "--all") == 0)))
		return cli_wrong_use(call->verb, "--now takes one ID, or --all without exception");
	if (r->now)
		call->action.journal = STORE_CHANGE;
	return -1;
}

static int
run(struct call *call)
{
	const struct retry *r = call->options;
	struct error why = {""};

	return (r->now ? now(call, &why) : list(call, &why)) ? CLI_DONE
							     : cli_failed(call->verb, &why);
}

const struct verb verb_retry = {
	.name = "retry",
	.arguments = "[list]",
	.summary = "List the events that wait for their next try, or try them now",
	.details =
		"The earliest comes first. An event whose time has come is sent within its handler's pace,\n"
		"so a thousand that are due together do not come all at once. `--now` takes an event id, or\n"
		"--all; tries that were had still count. Works with the pipeline up or down.\n\n"
		"  trotline retry --type email_bounced\n"
		"  trotline retry --now --all\n",
	.flags =
		(const struct flag[]){
			{"now", 0, FLAG_TEXT, "ID|--all",
				"do not let this event wait, or none of them", FLAG_AT(retry, now)},
			{"type", 't', FLAG_TEXT, "TYPE", "list: only this event type",
				FLAG_AT(retry, type)},
			{"source", 's', FLAG_TEXT, "NAME", "list, --now ID: only this source",
				FLAG_AT(retry, source)},
			{"limit", 'n', FLAG_NUMBER, "N",
				"list at most so many (on a terminal: 100)", FLAG_AT(retry, limit)},
			{"json", 0, FLAG_SWITCH, NULL, "print JSON, one object a line",
				FLAG_AT(retry, json)},
			{.name = NULL},
		},
	.options = sizeof(struct retry),
	.actions =
		(const struct action[]){
			{.config = PLAIN_CONFIG, .journal = STORE_READ, .check = check, .run = run},
		},
};
