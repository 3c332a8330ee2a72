/* event - says what became of an event, from what is stored, without asking any process.
 *
 * In: an id that it is known by. Out: all that is known of it on stdout. Only reads, so it also works
 * while the pipeline is down. */
#include <stdio.h>

#include "cli.h"
#include "event.h"
#include "fleet.h"
#include "lib/base/field.h"
#include "lib/base/object.h"
#include "lib/ops/event_elsewhere.h"
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

/* A list in a line each, of which only the first has the label. */
static void
print_rows(const char *label, const msgpack_object *list, void (*print)(const msgpack_object *item))
{
	const bool any = list && list->type == MSGPACK_OBJECT_ARRAY;

	for (uint32_t i = 0; any && i < list->via.array.size; i++) {
		printf("  %-11s ", i ? "" : label);
		print(&list->via.array.ptr[i]);
		putchar('\n');
	}
}

/* "messages: delivered, jo@example.com, m-1". */
static void
print_effect(const msgpack_object *effect)
{
	static const char *const keys[] = {"what", "email", "message_id"};

	printf("%.*s:", SLICE_ARG(field_str(effect, "table")));
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		const struct slice text = field_str(effect, keys[i]);

		if (!text.n)
			continue;
		printf(i ? ", " : " ");
		text_print(text, 0);
	}
}

static void
print_other(const msgpack_object *name)
{
	text_print(object_str(name), 0);
}

/* "app: delivered, 2 tries, last answered 200". */
static void
print_destination(const msgpack_object *row)
{
	int64_t tries = 0, status = 0, letter = 0;
	const struct slice cause = field_str(row, "cause");

	field_int(row, "attempts", &tries);
	field_int(row, "last_status", &status);
	field_int(row, "letter", &letter);
	text_print(field_str(row, "name"), 0);
	printf(": %.*s", SLICE_ARG(field_str(row, "state")));
	if (tries)
		printf(", %lld %s", (long long)tries, tries == 1 ? "try" : "tries");
	if (status)
		printf(", last answered %lld", (long long)status);
	else if (cause.n) {
		printf(", ");
		text_print(cause, 0);
	}
	if (letter)
		printf(", letter %lld", (long long)letter);
}

void
event_print(const msgpack_object *answer)
{
	static const struct {
		const char *label, *key;
	} rows[] = {
		{"source", "source"},
		{"type", "event_type"},
		{"email", "email"},
		{"happened", "event_time"},
		{"received", "received_at"},
		{"number", "seq"},
		{"name", "name"},
		{"came from", "origin"},
		{"batch", "batch_id"},
		{"handler", "handler"},
		{"retries", "retry_count"},
		{"lost", "handlers_lost"},
		{"error", "error"},
		{"last tried", "last_tried_at"},
		{"applied", "applied_at"},
		{"failed", "failed_at"},
		{"history", "history"},
		{"next try", "next_retry_at"},
		{"letter", "letter"},
	};

	text_print(field_str(answer, "event_id"), 0);
	printf(": %.*s\n", SLICE_ARG(field_str(answer, "status")));
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		print_row(rows[i].label, answer, rows[i].key);
	print_rows("effect", field_get(answer, "effects"), print_effect);
	print_rows("forwarded", field_get(answer, "destinations"), print_destination);
	print_rows("the same id", field_get(answer, "others"), print_other);
}

static bool
ask(const struct event_query *q, const char *id, bool json, struct error *why)
{
	msgpack_object answer;
	msgpack_zone zone;
	enum ops_found found;

	msgpack_zone_init(&zone, 4096);
	found = event_status(q, slice_of(id), &zone, &answer, why);
	if (found == OPS_NOT_FOUND) {
		event_elsewhere(q, slice_of(id), why);
		error_wrap(why, "%.200s: not found", id);
	} else if (found == OPS_FOUND && json)
		object_print(&answer);
	else if (found == OPS_FOUND)
		event_print(&answer);
	msgpack_zone_destroy(&zone);
	return found == OPS_FOUND;
}

struct event_asked {
	const char *source;
	bool json, fleet;
};

static int
check(struct call *call)
{
	if (((const struct event_asked *)call->options)->fleet)
		fleet_instead_of_stores(call);
	return -1;
}

static int
run(struct call *call)
{
	const struct event_asked *a = call->options;
	const struct event_query q = {.cfg = call->cfg,
		.journal = call->journal,
		.letters = call->letters,
		.state = call->state,
		.source = a->source,
		.thorough = true};
	struct error why = {""};

	if (a->source && !cli_source(call, a->source))
		return CLI_USAGE;
	if (a->fleet)
		return fleet_run_event(call, call->rest.list[0], a->source, a->json);
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
		"ID is any that the event is known by: the sender's, as log, tap and state.db have it; what\n"
		"makes it unique (`dedup_key` of `trotline verify`); its number in the journal; its name,\n"
		"JOURNAL-NUMBER. What has ended is known for as long as anything of it is remembered. Works while\n"
		"the pipeline is down. Exits 0 when the event is found, otherwise 1. --fleet asks every node at its\n"
		"admin listener (fleet.nodes), and exits 3 when none answers.\n",
	.flags =
		(const struct flag[]){
			{"source", 's', FLAG_TEXT, "NAME", "look in this source only",
				FLAG_AT(event_asked, source)},
			{"fleet", 0, FLAG_SWITCH, NULL, "ask all nodes of fleet.nodes",
				FLAG_AT(event_asked, fleet)},
			{"json", 0, FLAG_SWITCH, NULL, "print one JSON object",
				FLAG_AT(event_asked, json)},
			{.name = NULL},
		},
	.options = sizeof(struct event_asked),
	.actions =
		(const struct action[]){
			{CLI_WHERE_EVENTS_ARE, .check = check, .run = run},
		},
};
