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
	enum event_found found;

	msgpack_zone_init(&zone, 4096);
	found = event_status(q, slice_of(id), &zone, &answer, why);
	if (found == EVENT_NOT_FOUND)
		error_set(why,
			"%s: not found; it was never accepted, or is older than its source's "
			"dedup_window",
			id);
	else if (found == EVENT_FOUND && json)
		object_print(&answer);
	else if (found == EVENT_FOUND)
		print_text(&answer);
	msgpack_zone_destroy(&zone);
	return found == EVENT_FOUND;
}

static int
look(const struct verb *verb, struct event_query *q, const char *id, bool json)
{
	struct error why = {""};
	bool found;

	q->journal = journal_open(q->cfg, JOURNAL_WATCH, &why);
	q->letters = q->journal ? letters_open(q->cfg, LETTERS_WATCH, &why) : NULL;
	found = q->letters && ask(q, id, json, &why);
	letters_close(&q->letters);
	journal_close(&q->journal);
	return found ? CLI_DONE : cli_failed(verb, &why);
}

static int
run(const struct verb *verb, int argc, char **argv)
{
	const char *config = NULL;
	struct event_query q = {.thorough = true};
	bool json = false;
	const struct flag flags[] = {
		FLAG_CONFIG(&config),
		{"source", 's', FLAG_TEXT, "NAME", "look in this source only", &q.source},
		{"json", 0, FLAG_SWITCH, NULL, "print one JSON object", &json},
	};
	struct arguments rest;
	int status = cli_flags(verb, flags, sizeof flags / sizeof *flags, argc, argv, &rest);
	struct config *cfg;

	if (status >= 0)
		return status;
	cfg = cli_config(verb, config, CONFIG_NO_SECRETS);
	if (!cfg)
		return CLI_BAD_CONFIG;
	q.cfg = cfg;
	if (q.source && !config_source_find(cfg, slice_of(q.source)))
		status = cli_wrong_use(verb, "%s has no source \"%s\"", cfg->path, q.source);
	else
		status = look(verb, &q, rest.list[0], json);
	config_destroy(&cfg);
	return status;
}

const struct verb verb_event = {
	"event",
	"ID",
	"Say what became of an event",
	"pending     accepted, not yet answered by its handler\n"
	"retry       its handler said RETRY; `next try` says when\n"
	"processing  being tried again, not yet answered\n"
	"failed      given up; `trotline dlq show LETTER` tells all, `dlq replay LETTER` tries "
	"again\n"
	"success     applied\n\n"
	"Works while the pipeline is down. Exits 0 when the event is found, otherwise 1.\n",
	run,
};
