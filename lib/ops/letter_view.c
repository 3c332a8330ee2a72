/* letter_view - see letter_view.h. */
#include "letter_view.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/map.h"
#include "lib/store/journal.h"
#include "proto/taker.h"

static const char OF_HISTORY[] = "." HISTORY_NAME;

char *
letter_name(struct slice journal, uint64_t seq, char out[LETTER_NAME_BYTES])
{
	snprintf(out, LETTER_NAME_BYTES, "%.*s-%llu%s", SLICE_ARG(journal),
		(unsigned long long)delivery_seq(seq),
		delivery_taker(seq) == TAKER_HISTORY ? OF_HISTORY : "");
	return out;
}

bool
letter_name_read(struct slice text, struct slice *journal, uint64_t *seq)
{
	char number[32], *end;
	const size_t n = text.n - WIDTH_JOURNAL - 1;

	if (text.n <= WIDTH_JOURNAL + 1 || n >= sizeof number || text.p[WIDTH_JOURNAL] != '-')
		return false;
	for (size_t i = 0; i < WIDTH_JOURNAL; i++)
		if (!isxdigit((unsigned char)text.p[i]))
			return false;
	memcpy(number, text.p + WIDTH_JOURNAL + 1, n);
	number[n] = 0;
	*journal = (struct slice){text.p, WIDTH_JOURNAL};
	*seq = strtoull(number, &end, 10);
	if (!isdigit((unsigned char)*number) || *seq == 0 || delivery_taker(*seq) != TAKER_HANDLER)
		return false;
	if (strcmp(end, OF_HISTORY) == 0)
		*seq = delivery_of(*seq, TAKER_HISTORY);
	return !*end || strcmp(end, OF_HISTORY) == 0;
}

struct letter_place
letter_place_of(struct slice journal, uint64_t seq)
{
	struct letter_place place = {.seq = seq};

	memcpy(place.journal, journal.p, journal.n < WIDTH_JOURNAL ? journal.n : WIDTH_JOURNAL);
	return place;
}

struct slice
letter_place_journal(const struct letter_place *place)
{
	return (struct slice){place->journal, strnlen(place->journal, sizeof place->journal)};
}

void
letter_open(const struct dead *dead, msgpack_zone *zone, struct letter *out)
{
	*out = (struct letter){.dead = dead};
	out->readable =
		frame_unpack(&event_schema, dead->event.p, dead->event.n, zone, &out->event, NULL);
	if (!out->readable)
		out->event = (struct event){.data.type = MSGPACK_OBJECT_NIL};
}

bool
letter_needs_review(const struct dead *dead)
{
	return dead->death == DEATH_VERDICT || dead->death == DEATH_LOST ||
	       dead->death == DEATH_UNREADABLE;
}

bool
letter_webhook(const struct letter *letter, msgpack_zone *zone, msgpack_object *out)
{
	struct map m = map_in(zone);

	map_text(&m, "event_type", letter->event.type);
	map_text(&m, "event_id", letter->event.id);
	map_time(&m, "timestamp", letter->event.ts);
	map_put(&m, "data", letter->event.data);
	*out = map_object(&m);
	return letter->readable && !m.short_of_memory;
}

static void
put_original(struct map *m, const struct letter *letter)
{
	const struct slice raw = letter->dead->event;
	msgpack_object webhook;

	if (letter_webhook(letter, m->zone, &webhook)) {
		map_put(m, "original_webhook", webhook);
		return;
	}
	map_nil(m, "original_webhook");
	map_put(m, "raw_event",
		(msgpack_object){.type = MSGPACK_OBJECT_BIN,
			.via.bin = {(uint32_t)raw.n, raw.p ? raw.p : ""}});
}

bool
letter_object(const struct letter *letter, bool whole, msgpack_zone *zone, msgpack_object *out)
{
	const struct dead *dead = letter->dead;
	const struct event *ev = &letter->event;
	struct map m = map_in(zone);
	char name[LETTER_NAME_BYTES];

	map_text(&m, "letter", slice_of(letter_name(dead->journal, dead->seq, name)));
	map_text(&m, "event_id", ev->id);
	map_text(&m, "event_type", ev->type);
	map_text(&m, "source", ev->source);
	map_text(&m, "email", ev->email);
	map_text(&m, "error_reason", dead->reason);
	map_text(&m, "cause", slice_of(death_word(dead->death)));
	map_time(&m, "failed_at", dead->failed_at);
	map_time(&m, "received_at", ev->received);
	map_uint(&m, "retry_count", dead->attempts);
	map_bool(&m, "non_retryable", dead->death == DEATH_VERDICT);
	map_bool(&m, "requires_manual_review", letter_needs_review(dead));
	map_text(&m, "handler", dead->handler);
	map_text(&m, "batch_id", ev->batch);
	if (whole)
		put_original(&m, letter);
	*out = map_object(&m);
	return !m.short_of_memory;
}
