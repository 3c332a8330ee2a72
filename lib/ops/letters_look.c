/* letters_look - see letters_look.h. */
#include "letters_look.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/map.h"
#include "tally.h"

/* ---- one ---- */

static bool
take_place(void *arg, const struct letter *letter, msgpack_zone *zone)
{
	(void)zone;
	*(struct letter_place *)arg = letter_place_of(letter->dead->journal, letter->dead->seq);
	return false;
}

enum ops_found
letters_locate(struct letters *letters, const char *id, uint64_t until_ms,
	struct letter_place *place, struct error *why)
{
	const struct selection newest = {
		.filter = {.ids = &id, .ids_count = 1},
		.newest_first = true,
		.until_ms = until_ms,
	};
	struct slice journal;
	uint64_t seq;
	bool complete;

	*place = (struct letter_place){.seq = 0};
	if (letter_name_read(slice_of(id), &journal, &seq)) {
		*place = letter_place_of(journal, seq);
		return OPS_FOUND;
	}
	if (!selection_look(letters, &newest, take_place, place, &complete, why))
		return OPS_TROUBLE;
	if (place->seq)
		return OPS_FOUND;
	if (complete)
		return OPS_NOT_FOUND;
	error_set(why, "Too many letters to look through: use the letter's own id");
	return OPS_TROUBLE;
}

/* Inside a snapshot, which the record outlives: it points into a copy of the event. */
static bool
whole_record(const struct dead *dead, msgpack_zone *zone, msgpack_object *out)
{
	char *event = msgpack_zone_malloc_no_align(zone, dead->event.n + 1);
	struct dead copy = *dead;
	struct letter letter;

	if (!event)
		return false;
	if (dead->event.n)
		memcpy(event, dead->event.p, dead->event.n);
	copy.event.p = event;
	letter_open(&copy, zone, &letter);
	return letter_object(&letter, true, zone, out);
}

enum ops_found
letters_show(struct letters *letters, const char *id, uint64_t until_ms, msgpack_zone *zone,
	msgpack_object *out, struct error *why)
{
	struct letter_place place;
	enum ops_found found = letters_locate(letters, id, until_ms, &place, why);
	struct dead dead;

	if (found != OPS_FOUND)
		return found;
	if (!letters_read_begin(letters, why))
		return OPS_TROUBLE;
	if (!letters_find(letters, letter_place_journal(&place), place.seq, &dead)) {
		found = OPS_NOT_FOUND;
	} else if (!whole_record(&dead, zone, out)) {
		error_set(why, "out of memory");
		found = OPS_TROUBLE;
	}
	letters_read_end(letters);
	return found;
}

/* ---- a page ---- */

struct page {
	struct list letters;
	size_t matching, most;
};

static bool
add_letter(void *arg, const struct letter *letter, msgpack_zone *zone)
{
	struct page *p = arg;
	msgpack_object object;

	(void)zone;
	if (p->matching++ >= p->most)
		return true;
	p->letters.short_of_memory |= !letter_object(letter, false, p->letters.zone, &object);
	list_add(&p->letters, object);
	return true;
}

bool
letters_page(struct letters *letters, const struct selection *s, size_t most, msgpack_zone *zone,
	msgpack_object *out, struct error *why)
{
	struct page p = {.letters = list_in(zone), .most = most};
	struct map m = map_in(zone);
	bool complete;

	if (!selection_look(letters, s, add_letter, &p, &complete, why))
		return false;
	map_uint(&m, "matching", p.matching);
	map_bool(&m, "complete", complete);
	map_put(&m, "dead_letters", list_object(&p.letters));
	*out = map_object(&m);
	return !(m.short_of_memory || p.letters.short_of_memory) || error_set(why, "out of memory");
}

/* ---- figures ---- */

struct summary {
	uint64_t count, non_retryable, review;
	uint64_t oldest_ms, newest_ms;
	struct tally types, sources, reasons, journals;
};

static bool
sum_up(void *arg, const struct letter *letter, msgpack_zone *zone)
{
	const struct dead *dead = letter->dead;
	struct summary *s = arg;

	(void)zone;
	if (s->count++ == 0 || dead->failed_at < s->oldest_ms)
		s->oldest_ms = dead->failed_at;
	if (dead->failed_at > s->newest_ms)
		s->newest_ms = dead->failed_at;
	s->non_retryable += dead->death == DEATH_VERDICT;
	s->review += letter_needs_review(dead);
	tally_add(&s->types, letter->event.type, 1);
	tally_add(&s->sources, letter->event.source, 1);
	tally_add(&s->reasons, dead->reason, 1);
	tally_add(&s->journals, dead->journal, 1);
	return true;
}

static bool
summary_object(
	struct summary *s, const struct letters_stat *st, msgpack_zone *zone, msgpack_object *out)
{
	struct map m = map_in(zone);

	map_uint(&m, "count", s->count);
	map_uint(&m, "used_bytes", st->used_bytes);
	map_uint(&m, "limit_bytes", st->limit_bytes);
	map_uint(&m, "file_bytes", st->file_bytes);
	map_time(&m, "oldest_failed_at", s->oldest_ms);
	map_time(&m, "newest_failed_at", s->newest_ms);
	map_uint(&m, "non_retryable", s->non_retryable);
	map_uint(&m, "requires_manual_review", s->review);
	map_uint(&m, "dropped_remembered", st->dropped);
	map_put(&m, "by_type", tally_object(&s->types, "event_type", TALLY_ROWS, zone));
	map_put(&m, "by_source", tally_object(&s->sources, "source", TALLY_ROWS, zone));
	map_put(&m, "by_reason", tally_object(&s->reasons, "error_reason", SUMMARY_REASONS, zone));
	map_put(&m, "by_journal", tally_object(&s->journals, "journal", TALLY_ROWS, zone));
	*out = map_object(&m);
	return !m.short_of_memory;
}

bool
letters_summary(struct letters *letters, const struct selection *s, msgpack_zone *zone,
	msgpack_object *out, struct error *why)
{
	struct summary *sum = calloc(1, sizeof *sum);
	struct letters_stat st;
	bool complete, good;

	if (!sum)
		return error_set(why, "out of memory");
	good = selection_look(letters, s, sum_up, sum, &complete, why);
	good = good &&
	       (letters_stat(letters, &st) || error_set(why, "cannot read the dead letters"));
	good = good && (summary_object(sum, &st, zone, out) || error_set(why, "out of memory"));
	free(sum);
	return good;
}
