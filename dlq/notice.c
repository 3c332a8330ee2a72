/* notice - see notice.h. */
#include "notice.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/json.h"
#include "lib/base/map.h"
#include "lib/base/timestamp.h"
#include "lib/config/advice.h"

enum { TYPES_SHOWN = 20, REASONS_SHOWN = 10 };

static void
widen(struct notice *n, uint64_t first_ms, uint64_t last_ms)
{
	if (n->first_ms == 0 || first_ms < n->first_ms)
		n->first_ms = first_ms;
	if (last_ms > n->last_ms)
		n->last_ms = last_ms;
}

void
notice_add(struct notice *n, const struct letter *letter)
{
	const struct dead *dead = letter->dead;

	n->count++;
	widen(n, dead->failed_at, dead->failed_at);
	tally_add(&n->types, letter->event.type, 1);
	tally_add(&n->reasons, dead->reason, 1);
	letter_name(dead->journal, dead->seq, n->letter);
	snprintf(n->event_id, sizeof n->event_id, "%.*s", SLICE_ARG(letter->event.id));
}

static void
join_tally(struct tally *t, const struct tally *more)
{
	for (size_t i = 0; i < more->n; i++)
		tally_add(t, slice_of(more->rows[i].text), more->rows[i].count);
	t->others += more->others;
}

void
notice_join(struct notice *n, const struct notice *more)
{
	if (more->count == 0)
		return;
	n->count += more->count;
	widen(n, more->first_ms, more->last_ms);
	join_tally(&n->types, &more->types);
	join_tally(&n->reasons, &more->reasons);
	memcpy(n->letter, more->letter, sizeof n->letter);
	memcpy(n->event_id, more->event_id, sizeof n->event_id);
}

static msgpack_object
last_object(const struct notice *n, msgpack_zone *zone)
{
	struct map m = map_in(zone);

	map_text(&m, "letter", slice_of(n->letter));
	map_text(&m, "event_id", slice_of(n->event_id));
	return map_object(&m);
}

static msgpack_object
whole_object(struct notice *n, const struct notice_place *place, msgpack_zone *zone)
{
	char since[TIMESTAMP_BYTES], see[ADVICE_BYTES];
	struct map m = map_in(zone);

	advice(ADVICE_LETTERS_SINCE, timestamp_text(n->first_ms, since), place->config, see);
	map_text(&m, "kind", slice_of("dead_letters"));
	map_text(&m, "host", slice_of(place->host));
	map_text(&m, "data_dir", slice_of(place->data_dir));
	map_uint(&m, "count", n->count);
	map_uint(&m, "total", place->total);
	map_time(&m, "first_failed_at", n->first_ms);
	map_time(&m, "last_failed_at", n->last_ms);
	map_put(&m, "by_type", tally_object(&n->types, "event_type", TYPES_SHOWN, zone));
	map_put(&m, "by_reason", tally_object(&n->reasons, "error_reason", REASONS_SHOWN, zone));
	map_put(&m, "last", last_object(n, zone));
	map_text(&m, "see", slice_trim(slice_of(see), "`"));
	return map_object(&m);
}

char *
notice_text(struct notice *n, const struct notice_place *place)
{
	char *line, *text = NULL;
	msgpack_object object;
	msgpack_zone zone;

	msgpack_zone_init(&zone, 8192);
	object = whole_object(n, place, &zone);
	line = json_write(&object, false);
	msgpack_zone_destroy(&zone);
	if (line && asprintf(&text, "%s\n", line) < 0)
		text = NULL;
	free(line);
	return text;
}

uint64_t
notice_wait_ms(const struct notice_pace *pace, uint64_t interval_ms, uint64_t now_ms)
{
	if (!pace->tried || now_ms - pace->tried_ms >= interval_ms)
		return 0;
	return interval_ms - (now_ms - pace->tried_ms);
}

bool
notice_tried(struct notice_pace *pace, bool sent, uint64_t now_ms)
{
	const bool done = sent || pace->failures + 1 == NOTICE_TRIES;

	pace->tried = true;
	pace->tried_ms = now_ms;
	pace->failures = done ? 0 : pace->failures + 1;
	return done;
}
