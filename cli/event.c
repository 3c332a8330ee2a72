/* event - says what became of an event, from the journal and the dead letters themselves, without
 * asking any process.
 *
 * In: the sender's event id. Out: its state on stdout. Only reads, so it also works while the
 * pipeline is down. */
#include <stdio.h>

#include "cli.h"
#include "lib/base/field.h"
#include "lib/base/object.h"
#include "lib/ops/event_status.h"
#include "text.h"

static void
print_row(const char *label, const msgpack_object *answer, const char *key)
{
	const msgpack_object *value = field_get(answer, key);
	const struct slice text = object_str(value);

	if (text.n) {
		printf("  %-11s ", label);
		text_print(text, 0);
		putchar('\n');
	} else if (value && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64)
		printf("  %-11s %llu\n", label, (unsigned long long)value->via.u64);
}

static void
print_text(const msgpack_object *answer)
{
	static const struct {
		const char *label, *key;
	} rows[] = {
		{"source", "source"},
		{"type", "event_type"},
		{"email", "email"},
		{"received", "received_at"},
		{"number", "seq"},
		{"retries", "retry_count"},
		{"lost", "handlers_lost"},
		{"error", "error"},
		{"handler", "handler"},
		{"last tried", "last_tried_at"},
		{"failed", "failed_at"},
		{"next try", "next_retry_at"},
		{"letter", "letter"},
	};

	text_print(field_str(answer, "event_id"), 0);
	printf(": %.*s\n", SLICE_ARG(field_str(answer, "status")));
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		print_row(rows[i].label, answer, rows[i].key);
}

static bool
ask(const struct event_query *q, const char *id, bool json, struct error *why)
{
	msgpack_object answer;
	msgpack_zone zone;
	enum ops_found found;

	msgpack_zone_init(&zone, 4096);
	found = event_status(q, slice_of(id), &zone, &answer, why);
	if (found == OPS_NOT_FOUND)
		error_set(why,
			"%s: not found; it was never accepted, or is older than its source's dedup_window",
			id);
	else if (found == OPS_FOUND && json)
		object_print(&answer);
	else if (found == OPS_FOUND)
		print_text(&answer);
	msgpack_zone_destroy(&zone);
	return found == OPS_FOUND;
}

struct event_asked {
	const char *source;
	bool json;
};

static int
run(struct call *call)
{
	const struct event_asked *a = call->options;
	const struct event_query q = {.cfg = call->cfg,
		.journal = call->journal,
		.letters = call->letters,
		.source = a->source,
		.thorough = true};
	struct error why = {""};

	if (a->source && !cli_source(call, a->source))
		return CLI_USAGE;
	return ask(&q, call->rest.list[0], a->json, &why) ? CLI_DONE : cli_failed(call->verb, &why);
}

const struct verb verb_event = {
	.name = "event",
	.arguments = "ID",
	.summary = "Say what became of an event",
	.details =
		"pending     accepted, not yet answered by its handler\n"
		"retry       its handler said RETRY; `next try` says when\n"
		"processing  being tried again, not yet answered\n"
		"failed      given up; `trotline dlq show LETTER` tells all, `dlq replay LETTER` tries again\n"
		"success     applied\n\n"
		"Works while the pipeline is down. Exits 0 when the event is found, otherwise 1.\n",
	.flags =
		(const struct flag[]){
			{"source", 's', FLAG_TEXT, "NAME", "look in this source only",
				FLAG_AT(event_asked, source)},
			{"json", 0, FLAG_SWITCH, NULL, "print one JSON object",
				FLAG_AT(event_asked, json)},
			{.name = NULL},
		},
	.options = sizeof(struct event_asked),
	.actions =
		(const struct action[]){
			{.config = PLAIN_CONFIG,
				.journal = STORE_READ,
				.letters = STORE_READ,
				.run = run},
		},
};
