/* letter_view - see letter_view.h. */
#include "letter_view.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/map.h"
#include "lib/store/journal.h"

enum { JOURNAL_LEN = WIDTH_JOURNAL };

char *
letter_name(struct slice journal, uint64_t seq, char out[LETTER_NAME_BYTES])
{
	snprintf(out, LETTER_NAME_BYTES, "%.*s-%llu", SLICE_ARG(journal), (unsigned long long)seq);
	return out;
}

bool
letter_name_read(struct slice text, struct slice *journal, uint64_t *seq)
{
	char number[24], *end;
	const size_t n = text.n - JOURNAL_LEN - 1;

	if (text.n <= JOURNAL_LEN + 1 || n >= sizeof number || text.p[JOURNAL_LEN] != '-')
		return false;
	for (size_t i = 0; i < JOURNAL_LEN; i++)
		if (!isxdigit((unsigned char)text.p[i]))
			return false;
	memcpy(number, text.p + JOURNAL_LEN + 1, n);
	number[n] = 0;
	*journal = (struct slice){text.p, JOURNAL_LEN};
	*seq = strtoull(number, &end, 10);
	return isdigit((unsigned char)*number) && !*end && *seq > 0;
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

static bool
contains(struct slice text, const char *part)
{
	const size_t n = strlen(part);

	for (size_t at = 0; at + n <= text.n; at++)
		if (strncasecmp(text.p + at, part, n) == 0)
			return true;
	return false;
}

static bool
matches_pattern(struct slice text, const char *pattern)
{
	char copy[256];

	if (text.n >= sizeof copy || (text.n && memchr(text.p, 0, text.n)))
		return false;
	snprintf(copy, sizeof copy, "%.*s", SLICE_ARG(text));
	return fnmatch(pattern, copy, 0) == 0;
}

static bool
is_meant(const struct letter *letter, const char *id)
{
	struct slice journal;
	uint64_t seq;

	if (letter->readable && slice_is(letter->event.id, id))
		return true;
	return letter_name_read(slice_of(id), &journal, &seq) && seq == letter->dead->seq &&
	       slice_eq(journal, letter->dead->journal);
}

static bool
is_any(const struct letter *letter, const char *const *ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_meant(letter, ids[i]))
			return true;
	return n == 0;
}

bool
letter_matches(const struct letter *letter, const struct letter_filter *f)
{
	const uint64_t at = letter->dead->failed_at;

	if (at < f->since_ms || (f->until_ms && at >= f->until_ms))
		return false;
	if (f->type && !matches_pattern(letter->event.type, f->type))
		return false;
	if (f->source && !slice_is(letter->event.source, f->source))
		return false;
	if (f->reason && !contains(letter->dead->reason, f->reason))
		return false;
	return is_any(letter, f->ids, f->ids_count);
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
