/* event - says what became of an event, from the journal itself, without asking any process.
 *
 * In: the sender's event id. Out: its state on stdout. Only reads, so it also works while the
 * pipeline is down. */
#include <stdio.h>
#include <stdlib.h>

#include "../proto/journal.h"
#include "cli.h"
#include "compose.h"
#include "letters.h"
#include "object.h"

/* What is told, by both forms of output. Texts live in the zone or in the journal's snapshot. */
struct report {
	struct slice source, id, status, type, reason, handler;
	uint64_t seq, attempts;
	char accepted[32], next[32], failed[32]; /* "" for none */
};

/* Where is looked. */
struct search {
	const struct config *cfg;
	const char *source; /* in this one only, or NULL */
	struct journal *journal;
	msgpack_zone *zone;
};

static const char *
waiting_status(const struct journal_event *ev)
{
	if (ev->tried && ev->last.dead)
		return "dead";
	return ev->tried && ev->last.due ? "scheduled" : "pending";
}

/* The type in an event's frame, of which it is a part. */
static struct slice
type_of(struct slice frame, msgpack_zone *zone)
{
	struct event event;

	if (!frame_unpack(&event_schema, frame.p, frame.n, zone, &event, NULL))
		return (struct slice){NULL, 0};
	return event.type;
}

static void
fill_waiting(struct report *r, const struct journal_event *ev, msgpack_zone *zone)
{
	r->status = slice_of(waiting_status(ev));
	r->type = type_of(ev->frame, zone);
	if (!ev->tried)
		return;
	r->attempts = ev->last.attempts;
	r->reason = ev->last.reason;
	r->handler = ev->last.handler;
	if (ev->last.due)
		compose_time(ev->last.due, r->next);
}

static void
fill_dead(struct report *r, const struct dead *letter, msgpack_zone *zone)
{
	r->status = slice_of("dead");
	r->type = type_of(letter->event, zone);
	r->attempts = letter->attempts;
	r->reason = letter->reason;
	r->handler = letter->handler;
	compose_time(letter->failed_at, r->failed);
}

static bool
fill(struct report *r, const struct search *s, const struct journal_found *found, struct error *why)
{
	struct dead letter;

	r->seq = found->seq;
	r->status = slice_of("done");
	compose_time(found->seen_ms, r->accepted);
	if (found->state == FOUND_WAITING)
		fill_waiting(r, &found->event, s->zone);
	else if (letters_find(s->cfg, journal_id(s->journal), found->seq, s->zone, &letter, why))
		fill_dead(r, &letter, s->zone);
	return !*why->text;
}

static void
print_row(const char *name, struct slice text)
{
	if (text.n)
		printf("  %-11s %.*s\n", name, SLICE_ARG(text));
}

static void
print_text(const struct report *r)
{
	printf("%.*s: %.*s\n", SLICE_ARG(r->id), SLICE_ARG(r->status));
	print_row("source", r->source);
	print_row("type", r->type);
	printf("  %-11s %s as number %llu\n", "accepted", r->accepted, (unsigned long long)r->seq);
	if (r->attempts)
		printf("  %-11s %llu\n", "attempts", (unsigned long long)r->attempts);
	print_row("reason", r->reason);
	print_row("handler", r->handler);
	print_row("failed", slice_of(r->failed));
	print_row("next try", slice_of(r->next));
}

static struct slice
time_or_null(const char *text)
{
	return *text ? slice_of(text) : (struct slice){NULL, 0};
}

static void
print_json(const struct report *r)
{
	struct object line = {0};
	char *text;

	object_text(&line, "event_id", r->id);
	object_text(&line, "status", r->status);
	object_text(&line, "source", r->source);
	object_text(&line, "event_type", r->type);
	object_uint(&line, "seq", r->seq);
	object_text(&line, "accepted_at", slice_of(r->accepted));
	object_uint(&line, "retry_count", r->attempts);
	object_text(&line, "next_retry_at", time_or_null(r->next));
	object_text(&line, "error", r->reason);
	object_text(&line, "handler", r->handler);
	object_text(&line, "failed_at", time_or_null(r->failed));
	text = object_line(&line);
	puts(text ? text : "{}");
	free(text);
	object_clear(&line);
}

/* Looks in one source, or in all of them in turn. */
static bool
find(const struct search *s, struct report *r, struct error *why)
{
	for (size_t i = 0; i < s->cfg->sources_count; i++) {
		struct journal_found found;

		r->source = slice_of(s->cfg->sources[i].name);
		if (s->source && !slice_is(r->source, s->source))
			continue;
		if (journal_find(s->journal, r->source, r->id, &found) && found.state != FOUND_NOT)
			return fill(r, s, &found, why);
	}
	return error_set(why,
		"%.*s: not found; it was never accepted, or is older than its source's "
		"dedup_window",
		SLICE_ARG(r->id));
}

static int
look(const struct verb *verb, struct search *s, const char *id, bool json)
{
	struct report r = {.id = slice_of(id)};
	struct error why = {""};
	msgpack_zone zone;
	bool found;

	s->journal = journal_open(s->cfg, JOURNAL_WATCH, &why);
	if (!s->journal)
		return cli_failed(verb, &why);
	s->zone = &zone;
	msgpack_zone_init(&zone, 4096);
	found = journal_read_begin(s->journal, &why) && find(s, &r, &why);
	if (!found)
		cli_failed(verb, &why);
	else if (json)
		print_json(&r);
	else
		print_text(&r);
	journal_read_end(s->journal);
	msgpack_zone_destroy(&zone);
	journal_close(&s->journal);
	return found ? CLI_DONE : CLI_FAILED;
}

static int
run(const struct verb *verb, int argc, char **argv)
{
	const char *config = NULL;
	struct search s = {0};
	bool json = false;
	const struct flag flags[] = {
		FLAG_CONFIG(&config),
		{"source", 's', FLAG_TEXT, "NAME", "look in this source only", &s.source},
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
	s.cfg = cfg;
	if (s.source && !config_source_find(cfg, slice_of(s.source)))
		status = cli_wrong_use(verb, "%s has no source \"%s\"", cfg->path, s.source);
	else
		status = look(verb, &s, rest.list[0], json);
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
