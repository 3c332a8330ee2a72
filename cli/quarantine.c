/* quarantine - looks at what was set aside for a wrong signature, tries it again, throws it away.
 *
 * In: the quarantine's store, trotline.yaml. Out: lines or JSON on stdout; requests to the front
 * door (quarantine_retry.c). Works beside a running pipeline and without one. A kill leaves every
 * request either in the store or accepted; one that was accepted a moment before stays in the store
 * and is a duplicate at the next try. */
#include "quarantine.h"

#include <stdio.h>

#include "lib/base/field.h"
#include "lib/base/object.h"
#include "text.h"

enum { ZONE_BYTES = 65536, SOURCE_WIDTH = 16 };

const struct items_place quarantine_place = {"in quarantine", "in quarantine"};

struct showing {
	const struct call *call;
	uint64_t n;
	bool short_of_memory;
};

/* Prints each by fn. named: the number that is given must be there. */
static int
print_each(struct call *call, quarantine_visit *fn, bool named)
{
	const struct items_ask *ask = call->options;
	struct showing p = {.call = call};
	struct error why = {"out of memory"};
	uint64_t shown = 0;

	if (call->quarantine &&
		(!quarantine_each(call->quarantine, &ask->meant, fn, &p, &shown, &why) ||
			p.short_of_memory))
		return cli_failed(call->verb, &why);
	if (shown == 0 && (named || !call->quarantine))
		return items_nothing(call, &quarantine_place);
	if (shown == 0 && !ask->json)
		printf("nothing is %s\n", quarantine_place.all);
	return CLI_DONE;
}

/* ---- list ---- */

static void
print_row(const msgpack_object *row, bool first)
{
	int64_t number = 0, bytes = 0;

	if (first)
		printf("%-8s %-24s %-*s %9s  %s\n", "NUMBER", "RECEIVED", SOURCE_WIDTH, "SOURCE",
			"BYTES", "TARGET");
	field_int(row, "number", &number);
	field_int(row, "bytes", &bytes);
	printf("%-8lld %-24.*s ", (long long)number, SLICE_ARG(field_str(row, "received")));
	text_column(field_str(row, "source"), SOURCE_WIDTH);
	printf(" %9lld  ", (long long)bytes);
	text_print(field_str(row, "target"), 0);
	putchar('\n');
}

static bool
list_one(void *arg, const struct quarantined *item)
{
	struct showing *p = arg;
	const struct items_ask *ask = p->call->options;
	msgpack_object row;
	msgpack_zone zone;

	msgpack_zone_init(&zone, 4096);
	p->short_of_memory = !quarantine_row(item, &zone, &row);
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
	return print_each(call, list_one, false);
}

/* ---- show ---- */

static bool
show_one(void *arg, const struct quarantined *item)
{
	struct showing *p = arg;
	msgpack_object whole;
	msgpack_zone zone;

	msgpack_zone_init(&zone, ZONE_BYTES);
	p->short_of_memory =
		!quarantine_whole(item, p->call->cfg, &zone, &whole) || !object_print(&whole);
	msgpack_zone_destroy(&zone);
	return !p->short_of_memory;
}

static int
show(struct call *call)
{
	return print_each(call, show_one, true);
}

/* ---- drop ---- */

static int
drop(struct call *call)
{
	const struct items_ask *ask = call->options;
	struct error why = {""};
	uint64_t dropped = 0;

	if (!call->quarantine)
		return items_nothing(call, &quarantine_place);
	if (!quarantine_drop(call->quarantine, &ask->meant, &dropped, &why))
		return cli_failed(call->verb, &why);
	return items_dropped(call, dropped, &quarantine_place);
}

/* ---- the verb ---- */

const struct verb verb_quarantine = {
	.name = "quarantine",
	.arguments = "[NUMBER]",
	.summary =
		"Requests that were set aside for a wrong signature: look, try again, throw away",
	.details =
		"For sources with `on_bad_signature: quarantine`. A NUMBER is one of `list`; without it\n"
		"list, retry and drop mean all, or those of --source.\n"
		"show prints the request as JSON; headers that carry credentials are left out.\n"
		"retry checks with the source's present keys, as the validator does, and posts what\n"
		"holds now to the front door; what is answered 2xx leaves the quarantine. Of the others\n"
		"it says why they are still refused, and exits 1.\n\n"
		"  trotline quarantine list --source shop\n"
		"  trotline quarantine retry --source shop\n"
		"  trotline quarantine drop 17\n",
	.flags =
		(const struct flag[]){
			{"source", 's', FLAG_TEXT, "NAME", "of this source only",
				FLAG_AT(items_ask, meant.source)},
			{"limit", 'n', FLAG_NUMBER, "N", "at most so many, oldest first",
				FLAG_AT(items_ask, meant.limit), .fallback = "1000"},
			{"json", 0, FLAG_SWITCH, NULL, "one JSON object a line",
				FLAG_AT(items_ask, json)},
			{"yes", 'y', FLAG_SWITCH, NULL, "drop without a number: all that are meant",
				FLAG_AT(items_ask, yes)},
			{.name = NULL},
		},
	.options = sizeof(struct items_ask),
	.actions =
		(const struct action[]){
			{"list", PLAIN_CONFIG, .quarantine = STORE_READ, .check = items_check,
				.run = list},
			{"show", PLAIN_CONFIG, .quarantine = STORE_READ, .check = items_check_show,
				.run = show},
			{"retry", SECRET_CONFIG, .quarantine = STORE_CHANGE, .check = items_check,
				.run = quarantine_retry},
			{"drop", PLAIN_CONFIG, .quarantine = STORE_CHANGE,
				.check = items_check_drop, .run = drop},
			{.name = NULL},
		},
};
