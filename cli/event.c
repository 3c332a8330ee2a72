/* event - says what became of an event, from the journal itself, without asking any process.
 *
 * In: the sender's event id. Out: its state on stdout. Only reads, so it also works while the
 * pipeline is down. */
#include <stdio.h>
#include <stdlib.h>

#include "../proto/journal.h"
#include "cli.h"
#include "compose.h"
#include "object.h"

/* What is told, by both forms of output. Texts point into the journal's snapshot. */
struct report {
	struct slice source, id, status, type, reason, handler;
	uint64_t seq, attempts;
	char accepted[32], next[32]; /* "" for none */
};

static const char *
waiting_status(const struct journal_event *ev)
{
	if (ev->tried && ev->last.dead)
		return "dead";
	return ev->tried && ev->last.due ? "scheduled" : "pending";
}

/* The type from the event's own frame, in a zone that keeps it. */
static struct slice
type_of(const struct journal_event *ev, msgpack_zone *zone)
{
	struct event event;

	if (!frame_unpack(&event_schema, ev->frame.p, ev->frame.n, zone, &event, NULL))
		return (struct slice){NULL, 0};
	return event.type;
}

static void
fill(struct report *r, const struct journal_found *found, msgpack_zone *zone)
{
	const struct journal_event *ev = &found->event;
	bool waiting = found->state == FOUND_WAITING;

	r->seq = found->seq;
	r->status = slice_of(waiting ? waiting_status(ev) : "done");
	compose_time(found->seen_ms, r->accepted);
	if (!waiting)
		return;
	r->type = type_of(ev, zone);
	if (!ev->tried)
		return;
	r->attempts = ev->last.attempts;
	r->reason = ev->last.reason;
	r->handler = ev->last.handler;
	if (ev->last.due)
		compose_time(ev->last.due, r->next);
}

static void
print_text(const struct report *r)
{
	printf("%.*s: %.*s\n", SLICE_ARG(r->id), SLICE_ARG(r->status));
	printf("  source      %.*s\n", SLICE_ARG(r->source));
	if (r->type.p)
		printf("  type        %.*s\n", SLICE_ARG(r->type));
	printf("  accepted    %s as number %llu\n", r->accepted, (unsigned long long)r->seq);
	if (r->attempts)
		printf("  attempts    %llu\n", (unsigned long long)r->attempts);
	if (r->reason.n)
		printf("  reason      %.*s (%.*s)\n", SLICE_ARG(r->reason), SLICE_ARG(r->handler));
	if (*r->next)
		printf("  next try    %s\n", r->next);
}

static void
print_json(const struct report *r)
{
	struct slice none = {NULL, 0};
	struct object line = {0};
	char *text;

	object_text(&line, "event_id", r->id);
	object_text(&line, "status", r->status);
	object_text(&line, "source", r->source);
	object_text(&line, "event_type", r->type);
	object_uint(&line, "seq", r->seq);
	object_text(&line, "accepted_at", slice_of(r->accepted));
	object_uint(&line, "retry_count", r->attempts);
	object_text(&line, "next_retry_at", *r->next ? slice_of(r->next) : none);
	object_text(&line, "error", r->reason);
	object_text(&line, "handler", r->handler);
	text = object_line(&line);
	puts(text ? text : "{}");
	free(text);
	object_clear(&line);
}

/* Looks in one source, or in all of them in turn. */
static bool
find(struct journal *j, const struct config *cfg, const char *source, struct report *r,
	msgpack_zone *zone)
{
	for (size_t i = 0; i < cfg->sources_count; i++) {
		struct slice name = slice_of(cfg->sources[i].name);
		struct journal_found found;

		if (source && !slice_is(name, source))
			continue;
		if (!journal_find(j, name, r->id, &found) || found.state == FOUND_NOT)
			continue;
		r->source = name;
		fill(r, &found, zone);
		return true;
	}
	return false;
}

static int
look(const struct verb *verb, const struct config *cfg, const char *source, const char *id,
	bool json)
{
	struct report r = {.id = slice_of(id)};
	struct error why = {""};
	struct journal *j = journal_open(cfg, JOURNAL_WATCH, &why);
	msgpack_zone zone;
	bool found;

	if (!j)
		return cli_failed(verb, &why);
	msgpack_zone_init(&zone, 4096);
	found = journal_read_begin(j, &why) && find(j, cfg, source, &r, &zone);
	if (!found && !*why.text)
		error_set(&why,
			"%s: not found; it was never accepted, or longer ago than the source's "
			"dedup_window",
			id);
	if (!found)
		cli_failed(verb, &why);
	else if (json)
		print_json(&r);
	else
		print_text(&r);
	journal_read_end(j);
	msgpack_zone_destroy(&zone);
	journal_close(&j);
	return found ? CLI_DONE : CLI_FAILED;
}

static int
run(const struct verb *verb, int argc, char **argv)
{
	const char *config = NULL, *source = NULL;
	bool json = false;
	const struct flag flags[] = {
		FLAG_CONFIG(&config),
		{"source", 's', FLAG_TEXT, "NAME", "look in this source only", &source},
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
	if (source && !config_source_find(cfg, slice_of(source)))
		status = cli_wrong_use(verb, "%s has no source \"%s\"", cfg->path, source);
	else
		status = look(verb, cfg, source, rest.list[0], json);
	config_destroy(&cfg);
	return status;
}

const struct verb verb_event = {
	"event",
	"ID",
	"Say what became of an event",
	"pending    accepted, not yet answered by its handler\n"
	"scheduled  will be tried again\n"
	"dead       given up; a person must look\n"
	"done       applied\n\n"
	"Exits 0 when the event is found, otherwise 1.\n",
	run,
};
