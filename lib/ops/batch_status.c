/* batch_status - see batch_status.h. */
#include "batch_status.h"

#include <stdlib.h>

#include "lib/base/map.h"

struct count {
	uint64_t total, successful, failed, pending, duplicates,
		late; /* late: not in history yet */
	struct list errors;
	uint64_t first, queued; /* the batch's events in the journal */
	uint8_t *found;         /* a bit for each of them: it is pending or has failed */
	uint64_t found_count;
};

/* False when it was found before. */
static bool
find_event(struct count *c, uint64_t seq)
{
	const uint64_t i = seq - c->first;
	const uint8_t bit = (uint8_t)(1U << (i & 7));

	if (c->found[i >> 3] & bit)
		return false;
	c->found[i >> 3] |= bit;
	c->found_count++;
	return true;
}

static void
add_failure(struct count *c, msgpack_object index, struct slice id, struct slice error)
{
	struct map m = map_in(c->errors.zone);

	map_put(&m, "index", index);
	map_text(&m, "event_id", id);
	map_text(&m, "error", error);
	list_add(&c->errors, map_object(&m));
	c->errors.short_of_memory |= m.short_of_memory;
	c->failed++;
}

static struct slice
text_of(const msgpack_object *obj)
{
	if (obj->type != MSGPACK_OBJECT_STR)
		return (struct slice){NULL, 0};
	return (struct slice){obj->via.str.ptr, obj->via.str.size};
}

/* The events that were refused, as the batch's own [index, event id or nil, error]. */
static void
count_refused(struct count *c, const msgpack_object *errors)
{
	if (errors->type != MSGPACK_OBJECT_ARRAY)
		return;
	for (uint32_t i = 0; i < errors->via.array.size; i++) {
		const msgpack_object *row = &errors->via.array.ptr[i];

		if (row->type == MSGPACK_OBJECT_ARRAY && row->via.array.size == 3)
			add_failure(c, row->via.array.ptr[0], text_of(&row->via.array.ptr[1]),
				text_of(&row->via.array.ptr[2]));
	}
}

/* The id in an event frame; absent when it cannot be read. */
static void
count_dead(struct count *c, struct slice frame, struct slice reason)
{
	const msgpack_object unknown = {.type = MSGPACK_OBJECT_NIL};
	struct event ev = {.id = {NULL, 0}};
	msgpack_zone zone;

	msgpack_zone_init(&zone, 4096);
	if (!frame_unpack(&event_schema, frame.p, frame.n, &zone, &ev, NULL))
		ev.id = (struct slice){NULL, 0};
	add_failure(c, unknown, ev.id, reason);
	msgpack_zone_destroy(&zone);
}

/* Inside the journal's snapshot. */
static void
count_waiting(struct count *c, struct journal *j)
{
	struct journal_event ev = {.seq = c->first - 1}, in_history;

	while (journal_event_from(j, ev.seq + 1, &ev) && ev.seq < c->first + c->queued) {
		c->late += journal_event_at(j, delivery_of(ev.seq, TAKER_HISTORY), &in_history) &&
			   !(in_history.tried && in_history.last.dead);
		if (ev.settled)
			continue;
		find_event(c, ev.seq);
		if (ev.tried && ev.last.dead)
			count_dead(c, ev.frame, ev.last.reason);
		else
			c->pending++;
	}
}

typedef bool next_fn(struct letters *l, struct letters_place *place, struct dead *letter);

/* Letters of those that have left the journal, or notes about dropped ones. Inside the letters'
 * snapshot. */
static void
count_letters(struct count *c, struct letters *letters, struct slice journal, next_fn *next)
{
	struct letters_place place = letters_from(journal, c->first);
	struct dead letter;

	while (next(letters, &place, &letter) && slice_eq(letter.journal, journal) &&
		letter.seq < c->first + c->queued)
		if (find_event(c, letter.seq))
			count_dead(c, letter.event, letter.reason);
}

static void
put_counts(struct map *m, const struct count *c)
{
	map_text(m, "status", slice_of(c->pending ? "processing" : "completed"));
	map_uint(m, "total_events", c->total);
	map_uint(m, "successful", c->successful);
	map_uint(m, "failed", c->failed);
	map_uint(m, "pending", c->pending);
	map_uint(m, "duplicates", c->duplicates);
	map_uint(m, "history_pending", c->late);
	map_put(m, "failed_events", list_object(&c->errors));
}

/* Inside the journal's snapshot: all that the journal knows. */
static enum ops_found
read_journal(struct journal *j, struct slice id, struct slice source, struct count *c,
	struct map *m, struct error *why)
{
	struct journal_batch batch;

	if (!journal_find_batch(j, id, &batch) || (source.p && !slice_eq(source, batch.source)))
		return OPS_NOT_FOUND;
	c->first = batch.first;
	c->queued = batch.queued;
	c->found = calloc(batch.queued / 8 + 1, 1);
	if (!c->found) {
		error_set(why, "out of memory");
		return OPS_TROUBLE;
	}
	map_text(m, "batch_id", batch.id);
	map_text(m, "source", batch.source);
	map_time(m, "received_at", batch.at);
	c->total = batch.queued + batch.duplicates + batch.invalid;
	c->duplicates = batch.duplicates;
	count_refused(c, &batch.errors);
	count_waiting(c, j);
	return OPS_FOUND;
}

static enum ops_found
finish(struct count *c, struct letters *letters, struct slice journal, struct map *m,
	struct error *why)
{
	if (letters && !letters_read_begin(letters, why))
		return OPS_TROUBLE;
	if (letters) {
		count_letters(c, letters, journal, letters_next);
		count_letters(c, letters, journal, letters_next_dropped);
		letters_read_end(letters);
	}
	c->successful = c->queued - c->found_count;
	put_counts(m, c);
	if (!m->short_of_memory && !c->errors.short_of_memory)
		return OPS_FOUND;
	error_set(why, "out of memory");
	return OPS_TROUBLE;
}

enum ops_found
batch_status(struct journal *j, struct letters *letters, struct slice id, struct slice source,
	msgpack_zone *zone, msgpack_object *out, struct error *why)
{
	struct count c = {.errors = list_in(zone)};
	struct map m = map_in(zone);
	enum ops_found found;

	if (!journal_read_begin(j, why))
		return OPS_TROUBLE;
	found = read_journal(j, id, source, &c, &m, why);
	journal_read_end(j);
	if (found == OPS_FOUND)
		found = finish(&c, letters, journal_id(j), &m, why);
	free(c.found);
	*out = map_object(&m);
	return found;
}
