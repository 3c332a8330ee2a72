/* schedule - see schedule.h. */
#include "schedule.h"

#include <stdlib.h>

#include "event_places.h"
#include "lib/base/clock.h"
#include "lib/base/map.h"
#include "lib/config/advice.h"
#include "proto/frame.h"

enum { PIECE = 256, HASTENED_MS = 1, ZONE_BYTES = 65536 };

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

static bool
is_meant(const struct schedule_query *q, const struct event *frame)
{
	return (!q->type || slice_is(frame->type, q->type)) &&
	       (!q->source || slice_is(frame->source, q->source));
}

/* Inside a snapshot: the row of an event that still waits and is meant. */
static bool
read_row(const struct schedule_query *q, uint64_t seq, uint64_t now_ms, msgpack_zone *zone,
	msgpack_object *row)
{
	struct journal_event ev;
	struct event frame;

	if (!journal_event_at(q->journal, seq, &ev) || !ev.tried || !ev.last.due ||
		!frame_unpack(&event_schema, ev.frame.p, ev.frame.n, zone, &frame, NULL) ||
		!is_meant(q, &frame))
		return false;
	*row = row_object(&ev, &frame, now_ms, zone);
	return true;
}

/* The rows of these events, in a snapshot which ends before anybody waits. False with the cause. */
static bool
read_piece(const struct schedule_query *q, const uint64_t *seqs, size_t n, msgpack_zone *zone,
	msgpack_object rows[PIECE], size_t *rows_n, struct error *why)
{
	const uint64_t now_ms = clock_wall_ms();

	*rows_n = 0;
	if (!journal_read_begin(q->journal, why))
		return false;
	for (size_t i = 0; i < n; i++)
		*rows_n += read_row(q, seqs[i], now_ms, zone, &rows[*rows_n]);
	journal_read_end(q->journal);
	return true;
}

static bool
show_all(const struct schedule_query *q, const uint64_t *seqs, size_t n, schedule_visit *fn,
	void *arg, struct error *why)
{
	msgpack_object rows[PIECE];
	msgpack_zone zone;
	uint64_t shown = 0;
	bool good = true, more = true;
	size_t rows_n;

	msgpack_zone_init(&zone, ZONE_BYTES);
	for (size_t at = 0; good && more && at < n; at += PIECE) {
		msgpack_zone_clear(&zone);
		good = read_piece(
			q, seqs + at, n - at < PIECE ? n - at : PIECE, &zone, rows, &rows_n, why);
		for (size_t i = 0; more && i < rows_n; i++)
			more = fn(arg, &rows[i]) && (!q->limit || ++shown < q->limit);
	}
	msgpack_zone_destroy(&zone);
	return good;
}

/* All scheduled events, earliest first; the caller frees them. */
static bool
find_scheduled(struct journal *journal, uint64_t **seqs, size_t *n, struct error *why)
{
	struct journal_stat st;

	if (!journal_read_begin(journal, why))
		return false;
	journal_stat(journal, &st);
	*seqs = calloc(st.scheduled + 1, sizeof **seqs);
	*n = *seqs ? journal_due(journal, TAKER_HANDLER, UINT64_MAX, *seqs, st.scheduled) : 0;
	journal_read_end(journal);
	return *seqs || error_set(why, "out of memory");
}

bool
schedule_each(const struct schedule_query *q, schedule_visit *fn, void *arg, size_t *waiting,
	struct error *why)
{
	uint64_t *seqs = NULL;
	bool good = find_scheduled(q->journal, &seqs, waiting, why) &&
		    show_all(q, seqs, *waiting, fn, arg, why);

	free(seqs);
	return good;
}

/* ---- now ---- */

/* The event of that id that waits for its next try; *known: there is one of that id at all. */
static bool
find_waiting(struct journal *journal, const struct event_places *places, uint64_t *seq, bool *known)
{
	struct journal_event ev;

	for (size_t i = 0; i < places->n; i++) {
		const struct letter_place *at = &places->list[i].at;

		*seq = at->seq;
		if (!slice_eq(letter_place_journal(at), journal_id(journal)) ||
			!journal_event_at(journal, at->seq, &ev))
			continue;
		*known = true;
		if (ev.tried && ev.last.due != 0)
			return true;
	}
	return false;
}

static bool
find_seq(struct journal *journal, const struct config *cfg, const char *source, const char *id,
	uint64_t *seq, struct error *why)
{
	const struct event_query q = {
		.cfg = cfg, .journal = journal, .source = source, .thorough = true};
	struct event_places places;
	bool known = false, waits;
	char see[ADVICE_BYTES];

	if (!event_places_find(&q, slice_of(id), &places, why) || !journal_read_begin(journal, why))
		return false;
	waits = find_waiting(journal, &places, seq, &known);
	known |= places.n > 0;
	journal_read_end(journal);
	if (!known)
		return error_set(why, "%s: not found", id);
	return waits || error_set(why, "%s does not wait for a retry; see %s", id,
				advice(ADVICE_EVENT, id, cfg->path, see));
}

bool
schedule_hasten(struct journal *journal, const struct config *cfg, const char *source,
	const char *id, size_t *n, struct error *why)
{
	uint64_t seq = 0;

	return find_seq(journal, cfg, source, id, &seq, why) &&
	       journal_hasten(journal, seq, 1, n, why) == STORE_OK;
}

bool
schedule_hasten_group(struct journal *journal, size_t *n, struct error *why)
{
	return journal_hasten(journal, 0, PIECE, n, why) == STORE_OK;
}
