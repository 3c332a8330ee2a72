/* retry - the events that wait for their next try, and a way not to let them wait.
 *
 * In: the journal. Out: text or JSON lines; --now moves due times in the journal, which the retrier
 * sees with its next look. Works with the pipeline up or down. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "lib/base/clock.h"
#include "lib/base/map.h"
#include "lib/base/object.h"
#include "lib/base/timestamp.h"
#include "lib/store/journal.h"
#include "progress.h"
#include "stages.h"
#include "text.h"

enum { LIST_DEFAULT = 100, PIECE = 256, HASTENED_MS = 1 };

struct retry {
	const struct verb *verb;
	const struct config *cfg;
	const char *now, *type, *source;
	uint64_t limit;
	bool json;
	struct journal *journal;
	uint64_t shown;
};

/* ---- the list ---- */

static msgpack_object
row_object(const struct journal_event *ev, const struct event *frame, uint64_t now_ms,
	msgpack_zone *zone)
{
	const bool due = ev->last.due <= now_ms;
	struct map m = map_in(zone);

	map_text(&m, "event_id", frame->id);
	map_text(&m, "event_type", frame->type);
	map_text(&m, "source", frame->source);
	map_uint(&m, "seq", ev->seq);
	map_text(&m, "status", slice_of(due ? "due" : "scheduled"));
	map_time(&m, "next_retry_at", ev->last.due == HASTENED_MS ? now_ms : ev->last.due);
	map_uint(&m, "retry_count", ev->last.attempts);
	map_text(&m, "error", ev->last.reason);
	map_text(&m, "handler", ev->last.handler);
	map_time(&m, "last_tried_at", ev->last.at);
	map_time(&m, "received_at", ev->received_ms);
	return map_object(&m);
}

static void
print_json(const struct journal_event *ev, const struct event *frame, uint64_t now_ms,
	msgpack_zone *zone)
{
	const msgpack_object object = row_object(ev, frame, now_ms, zone);

	object_print(&object);
}

static void
print_row(const struct journal_event *ev, const struct event *frame, uint64_t now_ms)
{
	char next[TIMESTAMP_BYTES] = "now";

	if (ev->last.due > now_ms) {
		timestamp_text(ev->last.due, next);
		next[19] = 0; /* seconds are enough here */
	}
	printf("%-19s %5llu  ", next, (unsigned long long)ev->last.attempts);
	text_column(frame->type, 20);
	putchar(' ');
	text_column(frame->id, 36);
	putchar(' ');
	text_print(ev->last.reason, 80);
	putchar('\n');
}

static bool
is_meant(const struct retry *r, const struct event *frame)
{
	return (!r->type || slice_is(frame->type, r->type)) &&
	       (!r->source || slice_is(frame->source, r->source));
}

/* Inside a snapshot. */
static void
show_one(struct retry *r, uint64_t seq, uint64_t now_ms, msgpack_zone *zone)
{
	struct journal_event ev;
	struct event frame;

	msgpack_zone_clear(zone);
	if (!journal_event_at(r->journal, seq, &ev) || !ev.tried || !ev.last.due ||
		!frame_unpack(&event_schema, ev.frame.p, ev.frame.n, zone, &frame, NULL) ||
		!is_meant(r, &frame))
		return;
	if (r->json)
		print_json(&ev, &frame, now_ms, zone);
	else if (r->shown == 0)
		printf("%-19s %5s  %-20s %-36s %s\n", "NEXT TRY (UTC)", "TRIES", "TYPE", "EVENT ID",
			"REASON");
	if (!r->json)
		print_row(&ev, &frame, now_ms);
	r->shown++;
}

/* In pieces, each a snapshot of its own. */
static bool
show_all(struct retry *r, const uint64_t *seqs, size_t n, struct error *why)
{
	const uint64_t now_ms = clock_wall_ms();
	msgpack_zone zone;
	bool good = true;

	msgpack_zone_init(&zone, 8192);
	for (size_t at = 0; good && at < n; at += PIECE) {
		good = journal_read_begin(r->journal, why);
		for (size_t i = at; good && i < n && i < at + PIECE; i++)
			if (!r->limit || r->shown < r->limit)
				show_one(r, seqs[i], now_ms, &zone);
		if (good)
			journal_read_end(r->journal);
		if (r->limit && r->shown == r->limit)
			break;
	}
	msgpack_zone_destroy(&zone);
	return good;
}

/* All scheduled events, earliest first; the caller frees them. */
static bool
find_scheduled(struct retry *r, uint64_t **seqs, size_t *n, struct error *why)
{
	struct journal_stat st;

	if (!journal_read_begin(r->journal, why))
		return false;
	journal_stat(r->journal, &st);
	*seqs = calloc(st.scheduled + 1, sizeof **seqs);
	*n = *seqs ? journal_due(r->journal, UINT64_MAX, *seqs, st.scheduled) : 0;
	journal_read_end(r->journal);
	return *seqs || error_set(why, "out of memory");
}

static bool
list(struct retry *r, struct error *why)
{
	uint64_t *seqs = NULL;
	size_t n = 0;
	bool good;

	if (!r->limit && !r->json && isatty(STDOUT_FILENO))
		r->limit = LIST_DEFAULT;
	good = find_scheduled(r, &seqs, &n, why) && show_all(r, seqs, n, why);
	free(seqs);
	if (good && r->shown == 0 && !r->json)
		fputs("no event waits for a retry\n", stderr);
	if (good && r->limit && r->shown == r->limit && n > r->shown)
		fprintf(stderr, "the first %llu of %zu; --limit N shows more\n",
			(unsigned long long)r->shown, n);
	return good;
}

/* ---- now ---- */

static bool
find_seq(struct retry *r, const char *id, uint64_t *seq, struct error *why)
{
	struct journal_found found;
	bool known = false, waits = false;

	if (!journal_read_begin(r->journal, why))
		return false;
	for (size_t i = 0; !waits && i < r->cfg->sources_count; i++) {
		const struct slice source = slice_of(r->cfg->sources[i].name);

		if ((r->source && !slice_is(source, r->source)) ||
			!journal_find(r->journal, source, slice_of(id), &found))
			continue;
		known = true;
		waits = found.state == FOUND_WAITING && found.event.tried &&
			found.event.last.due != 0;
		*seq = found.seq;
	}
	journal_read_end(r->journal);
	if (!known)
		return error_set(why, "%s: not found", id);
	return waits ||
	       error_set(why, "%s does not wait for a retry; see `trotline event %s`", id, id);
}

/* In groups, until no event is left that is not due. */
static bool
hasten_all(struct retry *r, uint64_t *total, struct error *why)
{
	struct progress progress = progress_begin("hastened", 0);
	size_t n;

	do {
		if (journal_hasten(r->journal, 0, PIECE, &n, why) != JOURNAL_OK)
			return false;
		*total += n;
		progress_show(&progress, *total);
	} while (n > 0);
	progress_end(&progress);
	return true;
}

static bool
hasten(struct retry *r, uint64_t *total, struct error *why)
{
	uint64_t seq = 0;
	size_t n = 0;

	if (strcmp(r->now, "--all") == 0)
		return hasten_all(r, total, why);
	if (!find_seq(r, r->now, &seq, why) ||
		journal_hasten(r->journal, seq, 1, &n, why) != JOURNAL_OK)
		return false;
	*total = n;
	return true;
}

static bool
now(struct retry *r, struct error *why)
{
	uint64_t total = 0;

	if (!hasten(r, &total, why))
		return false;
	if (r->json)
		printf("{\"hastened\":%llu}\n", (unsigned long long)total);
	else
		printf("%llu %s due now\n", (unsigned long long)total,
			total == 1 ? "event is" : "events are");
	if (total && !stages_holder(r->cfg, "retrier.0"))
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
	struct retry *r = call->options;
	struct error why = {""};

	r->verb = call->verb;
	r->cfg = call->cfg;
	r->journal = call->journal;
	return (r->now ? now(r, &why) : list(r, &why)) ? CLI_DONE : cli_failed(r->verb, &why);
}

const struct verb verb_retry = {
	.name = "retry",
	.arguments = "[list]",
	.summary = "List the events that wait for their next try, or try them now",
	.details = "The earliest comes first. An event whose time has come is sent within its "
		   "handler's "
		   "pace,\n"
		   "so a thousand that are due together do not come all at once. `--now` takes an "
		   "event id, "
		   "or\n"
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
