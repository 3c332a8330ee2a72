/* unread - looks at what of proven requests could not be read, reads it again, throws it away.
 *
 * In: the store of what is unread, trotline.yaml. Out: lines or JSON on stdout; events in the journal
 * (unread_retry.c). Works beside a running pipeline and without one. A kill leaves every item either
 * in the store or entered; one that entered a moment before stays in the store and is known at the
 * next try. */
#include "unread.h"

#include <stdio.h>

#include "lib/base/field.h"
#include "lib/base/object.h"
#include "proto/unread.h"
#include "text.h"

enum { ZONE_BYTES = 65536, SOURCE_WIDTH = 16, REASON_WIDTH = 10 };

const struct items_place unread_place = {"among what is unread", "unread"};

struct showing {
	const struct call *call;
	uint64_t n;
	bool short_of_memory;
};

/* Prints each by fn. named: the number that is given must be there. quiet: nothing is said of
 * nothing. */
static int
print_each(struct call *call, unread_visit *fn, bool named, bool quiet)
{
	const struct items_ask *ask = call->options;
	struct showing p = {.call = call};
	struct error why = {"out of memory"};
	uint64_t shown = 0;

	if (call->unread && (!unread_each(call->unread, &ask->meant, fn, &p, &shown, &why) ||
				    p.short_of_memory))
		return cli_failed(call->verb, &why);
	if (shown == 0 && named)
		return items_nothing(call, &unread_place);
	if (shown == 0 && !ask->json && !quiet)
		printf("nothing is %s\n", unread_place.all);
	return CLI_DONE;
}

/* ---- list ---- */

static void
print_row(const msgpack_object *row, bool first)
{
	int64_t number = 0, bytes = 0;

	if (first)
		printf("%-8s %-24s %-*s %-*s %9s  %s\n", "NUMBER", "RECEIVED", SOURCE_WIDTH,
			"SOURCE", REASON_WIDTH, "REASON", "BYTES", "DETAIL");
	field_int(row, "number", &number);
	field_int(row, "bytes", &bytes);
	printf("%-8lld %-24.*s ", (long long)number, SLICE_ARG(field_str(row, "received")));
	text_column(field_str(row, "source"), SOURCE_WIDTH);
	putchar(' ');
	text_column(field_str(row, "reason"), REASON_WIDTH);
	printf(" %9lld  ", (long long)bytes);
	text_print(field_str(row, "detail"), 0);
	putchar('\n');
}

static bool
list_one(void *arg, const struct unread_item *item)
{
	struct showing *p = arg;
	const struct items_ask *ask = p->call->options;
	msgpack_object row;
	msgpack_zone zone;

	msgpack_zone_init(&zone, 4096);
	p->short_of_memory = !unread_row(item, &zone, &row);
	if (!p->short_of_memory && ask->json)
		p->short_of_memory = !object_print(&row);
	else if (!p->short_of_memory)
		print_row(&row, p->n++ == 0);
	msgpack_zone_destroy(&zone);
	return !p->short_of_memory;
}

static int
list(struct call *call)
{
	return print_each(call, list_one, false, false);
}

/* ---- show, export ---- */

static bool
show_one(void *arg, const struct unread_item *item)
{
	struct showing *p = arg;
	msgpack_object whole;
	msgpack_zone zone;

	msgpack_zone_init(&zone, ZONE_BYTES);
	p->short_of_memory = !unread_whole(item, &zone, &whole) || !object_print(&whole);
	msgpack_zone_destroy(&zone);
	return !p->short_of_memory;
}

static int
show(struct call *call)
{
	return print_each(call, show_one, true, true);
}

static int export(struct call *call)
{
	const struct items_ask *ask = call->options;

	return print_each(call, show_one, ask->meant.number != 0, true);
}

/* ---- drop ---- */

static int
drop(struct call *call)
{
	const struct items_ask *ask = call->options;
	struct error why = {""};
	uint64_t dropped = 0;

	if (!call->unread)
		return items_nothing(call, &unread_place);
	if (!unread_drop(call->unread, &ask->meant, &dropped, &why))
		return cli_failed(call->verb, &why);
	return items_dropped(call, dropped, &unread_place);
}

/* ---- the verb ---- */

#define REASON_LINE(name, word, news, stale, meaning) "  " word ": " meaning "\n"

const struct verb verb_unread = {
	.name = "unread",
	.arguments = "[NUMBER]",
	.summary = "What of requests answered 2xx could not be read: look, read again, throw away",
	.details = "Kept whole, as it came, beside the events of its request, each with its reason:\n" UNREAD_REASONS(
		REASON_LINE) "A NUMBER is one of `list`; without it list, export, retry and drop mean all, or those of\n"
			     "--source and --reason.\n"
			     "show prints one as JSON, export each as a line of JSON; headers that carry credentials\n"
			     "are not kept.\n"
			     "retry reads each as this version does, whatever its time; its events enter as if they had\n"
			     "just come, once, and what was read leaves the store. What is too old or too far ahead was\n"
			     "refused, and is read only with --stale. Of the others it says why they are still unread,\n"
			     "and exits 1.\n"
			     "At unread.max_size requests with such parts are answered 503: export, then drop.\n\n"
			     "  trotline unread list --source brevo\n"
			     "  trotline unread export --reason no_event > unread.jsonl\n"
			     "  trotline unread retry --dry-run\n"
			     "  trotline unread drop 17\n",
	.flags =
		(const struct flag[]){
			{"source", 's', FLAG_TEXT, "NAME", "of this source only",
				FLAG_AT(items_ask, meant.source)},
			{"reason", 'r', FLAG_TEXT, "WORD", "kept for this reason only",
				FLAG_AT(items_ask, meant.reason)},
			{"limit", 'n', FLAG_NUMBER, "N", "at most so many, oldest first",
				FLAG_AT(items_ask, meant.limit), .fallback = "1000000"},
			{"json", 0, FLAG_SWITCH, NULL, "one JSON object a line",
				FLAG_AT(items_ask, json)},
			{"dry-run", 0, FLAG_SWITCH, NULL, "retry: only say what could be read",
				FLAG_AT(items_ask, dry_run)},
			{"stale", 0, FLAG_SWITCH, NULL,
				"retry: also what was outside its source's time",
				FLAG_AT(items_ask, stale)},
			{"yes", 'y', FLAG_SWITCH, NULL, "drop without a number: all that are meant",
				FLAG_AT(items_ask, yes)},
			{.name = NULL},
		},
	.options = sizeof(struct items_ask),
	.actions =
		(const struct action[]){
			{"list", PLAIN_CONFIG, .unread = STORE_READ, .check = items_check,
				.run = list},
			{"show", PLAIN_CONFIG, .unread = STORE_READ, .check = items_check_show,
				.run = show},
			{"export", PLAIN_CONFIG, .unread = STORE_READ, .check = items_check,
				.run = export},
			{"retry", PLAIN_CONFIG, .journal = STORE_ENTER, .unread = STORE_CHANGE,
				.check = items_check, .run = unread_retry},
			{"drop", PLAIN_CONFIG, .unread = STORE_CHANGE, .check = items_check_drop,
				.run = drop},
			{.name = NULL},
		},
};
