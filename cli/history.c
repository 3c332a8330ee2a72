/* history - every event that was accepted, found again: by address, message or id, by type, source and
 * time.
 *
 * In: the history's files. Out: a table, or one JSON object a line. Works with the pipeline up or
 * down. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "lib/base/clock.h"
#include "lib/base/field.h"
#include "lib/base/object.h"
#include "lib/base/timestamp.h"
#include "lib/ops/history_look.h"
#include "text.h"

enum { SECONDS = 19 /* of a time in the list */ };

struct history_request {
	const char *email, *message, *id, *type, *source, *campaign, *since, *until, *cursor;
	uint64_t limit;
	bool json;
	struct history_ask ask;
	char address[512], written[256];
	size_t shown;
};

/* ---- what is asked ---- */

/* The address may come by stdin, to stay out of the list of processes. */
static bool
read_address(struct history_request *rq, struct error *why)
{
	char *end;

	if (!rq->email || strcmp(rq->email, "-") != 0)
		return true;
	if (!fgets(rq->address, sizeof rq->address, stdin))
		return error_set(why, "--email -: stdin has no address");
	end = rq->address + strcspn(rq->address, "\r\n");
	if (end == rq->address + sizeof rq->address - 1)
		return error_set(why, "--email -: longer than any address");
	*end = 0;
	rq->email = rq->address;
	return true;
}

static bool
take_time(const char *flag, const char *text, uint64_t *ms, struct error *why)
{
	return !text || timestamp_read(text, clock_wall_ms(), ms, why) ||
	       error_wrap(why, "%s", flag);
}

static struct slice
given(const char *text)
{
	return text ? slice_of(text) : (struct slice){NULL, 0};
}

static bool
take(struct history_request *rq, struct error *why)
{
	struct history_filter *f = &rq->ask.filter;

	if (!read_address(rq, why) || !take_time("--since", rq->since, &f->since_ms, why) ||
		!take_time("--until", rq->until, &f->until_ms, why))
		return false;
	f->email = given(rq->email);
	f->message = given(rq->message);
	f->id = given(rq->id);
	f->type = given(rq->type);
	f->source = given(rq->source);
	f->campaign = given(rq->campaign);
	snprintf(rq->written, sizeof rq->written, "%s %s", rq->since ? rq->since : "",
		rq->until ? rq->until : "");
	f->written = slice_of(rq->written);
	rq->ask.cursor = rq->cursor;
	rq->ask.limit = rq->limit ? rq->limit : HISTORY_PAGE;
	rq->ask.whole = rq->json;
	return true;
}

static int
check(struct call *call)
{
	struct history_request *rq = call->options;
	struct error why = {""};

	if (call->rest.n && rq->email)
		return cli_wrong_use(call->verb, "two addresses: one is enough");
	if (call->rest.n)
		rq->email = call->rest.list[0];
	if (!!rq->email + !!rq->message + !!rq->id > 1)
		return cli_wrong_use(call->verb, "--email, --message and --id exclude each other");
	if (!take(rq, &why) || !history_filter_check(&rq->ask.filter, &why))
		return cli_wrong_use(call->verb, "%s", why.text);
	return -1;
}

/* ---- what is shown ---- */

static void
print_row(const msgpack_object *row)
{
	struct slice at = field_str(row, "timestamp");

	if (at.n > SECONDS)
		at.n = SECONDS;
	text_column(at, SECONDS);
	putchar(' ');
	text_column(field_str(row, "event_type"), 20);
	putchar(' ');
	text_column(field_str(row, "email"), 32);
	putchar(' ');
	text_column(field_str(row, "source"), 12);
	putchar(' ');
	text_print(field_str(row, "event_id"), 60);
	putchar('\n');
}

static bool
show_one(void *arg, const msgpack_object *row)
{
	struct history_request *rq = arg;

	if (rq->shown++ == 0 && !rq->json)
		printf("%-19s %-20s %-32s %-12s %s\n", "TIME (UTC)", "TYPE", "ADDRESS", "SOURCE",
			"EVENT ID");
	if (rq->json)
		object_print(row);
	else
		print_row(row);
	return !ferror(stdout);
}

static int
run(struct call *call)
{
	struct history_request *rq = call->options;
	char cursor[HISTORY_CURSOR_ROOM];
	struct error why = {""};
	struct history_view *view = history_look_open(call->cfg, &why);
	enum ops_found found;

	if (!view)
		return cli_failed(call->verb, &why);
	found = history_look_each(view, &rq->ask, show_one, rq, cursor, &why);
	history_view_close(&view);
	if (found == OPS_WRONG)
		return cli_wrong_use(call->verb, "%s", why.text);
	if (found != OPS_FOUND)
		return cli_failed(call->verb, &why);
	if (rq->shown == 0 && !rq->json)
		fputs("no event\n", stderr);
	if (*cursor && rq->shown)
		fprintf(stderr, "there may be more: the same with --cursor %s\n", cursor);
	return CLI_DONE;
}

const struct verb verb_history = {
	.name = "history",
	.arguments = "[ADDRESS]",
	.summary = "Find events that were accepted, the newest first",
	.details =
		"An address is found in any case of its letters; `-` reads it from stdin. A message is what its\n"
		"Message-ID is, with or without <>. An id is the sender's, or evt_JOURNAL_SEQ. TYPE, NAME and\n"
		"TEXT may end in *. A TIME is such as 2026-01-02T03:04:05Z, seconds since 1970, or a time ago such\n"
		"as 90s, 2h or 7d; it is that of acceptance. Works with the pipeline up or down.\n\n"
		"  trotline history --email jo@example.com\n"
		"  trotline history --type 'email_b*' --since 2h --json\n",
	.flags =
		(const struct flag[]){
			{"email", 'e', FLAG_TEXT, "ADDRESS", "about this address; -: from stdin",
				FLAG_AT(history_request, email)},
			{"message", 'm', FLAG_TEXT, "ID", "about this message",
				FLAG_AT(history_request, message)},
			{"id", 'i', FLAG_TEXT, "ID", "this event", FLAG_AT(history_request, id)},
			{"since", 0, FLAG_TEXT, "TIME", "accepted from then on",
				FLAG_AT(history_request, since)},
			{"until", 0, FLAG_TEXT, "TIME", "accepted before",
				FLAG_AT(history_request, until)},
			{"type", 't', FLAG_TEXT, "TYPE", "of this event type",
				FLAG_AT(history_request, type)},
			{"source", 's', FLAG_TEXT, "NAME", "of this source",
				FLAG_AT(history_request, source)},
			{"campaign", 0, FLAG_TEXT, "TEXT", "of this campaign",
				FLAG_AT(history_request, campaign)},
			{"limit", 'n', FLAG_NUMBER, "N", "at most so many (50)",
				FLAG_AT(history_request, limit)},
			{"cursor", 0, FLAG_TEXT, "CURSOR", "go on where the page before ended",
				FLAG_AT(history_request, cursor)},
			{"json", 0, FLAG_SWITCH, NULL,
				"print JSON, one object a line, with its data",
				FLAG_AT(history_request, json)},
			{.name = NULL},
		},
	.options = sizeof(struct history_request),
	.actions =
		(const struct action[]){
			{.config = PLAIN_CONFIG, .check = check, .run = run},
		},
};
