/* history_query - what is asked for, made ready; which event it is; and where a look goes on. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "history_look_private.h"
#include "lib/base/address.h"

enum { MESSAGE_MOST = 998, TEXTS = 7, LENGTH_BYTES = 4 };

/* The texts of a filter, in the order in which its mark has them. */
static void
texts_of(struct history_filter *f, struct slice *out[TEXTS])
{
	struct slice *const all[TEXTS] = {
		&f->email, &f->message, &f->id, &f->type, &f->source, &f->campaign, &f->written};

	memcpy(out, all, sizeof all);
}

static bool
check_length(const char *name, struct slice text, size_t most, struct error *why)
{
	if (text.p && !text.n)
		return error_set(why, "the %s is empty", name);
	return text.n <= most || error_set(why, "the %s is longer than %zu bytes", name, most);
}

static bool
check(const struct history_filter *f, struct error *why)
{
	return check_length("message id", f->message, MESSAGE_MOST, why) &&
	       check_length("event id", f->id, WIDTH_ID, why) &&
	       check_length("type", f->type, WIDTH_TYPE, why) &&
	       check_length("source", f->source, WIDTH_SOURCE, why) &&
	       check_length("campaign", f->campaign, 256, why) &&
	       (!f->until_ms || f->since_ms < f->until_ms ||
		       error_set(why, "the end of the time asked for is not after its beginning"));
}

bool
history_filter_check(const struct history_filter *filter, struct error *why)
{
	char lower[ADDRESS_MAX];
	struct slice bare;
	struct error cause;

	if (!check(filter, why))
		return false;
	return !filter->email.p || address_read(filter->email, lower, &bare, &cause) ||
	       error_set(why, "the address %s", cause.text);
}

/* The address in lower case, in place. */
static bool
fold_address(struct history_filter *f, struct error *why)
{
	char lower[ADDRESS_MAX];
	struct slice bare;
	struct error cause;

	if (!f->email.p)
		return true;
	if (!address_read(f->email, lower, &bare, &cause))
		return error_set(why, "the address %s", cause.text);
	memcpy((char *)f->email.p, lower, bare.n);
	f->email.n = bare.n;
	return true;
}

/* evt_<journal>_<seq>, or <journal>:<seq>. */
static bool
is_ours(struct history_query *q)
{
	struct slice id = q->filter.id;
	char digits[24], *end;

	if (slice_starts(id, "evt_"))
		id = (struct slice){id.p + 4, id.n - 4};
	if (id.n < WIDTH_JOURNAL + 2 || id.n > WIDTH_JOURNAL + 21 ||
		!strchr("_:", id.p[WIDTH_JOURNAL]))
		return false;
	for (size_t i = 0; i < WIDTH_JOURNAL; i++)
		if (!isxdigit((unsigned char)id.p[i]))
			return false;
	snprintf(digits, sizeof digits, "%.*s", (int)(id.n - WIDTH_JOURNAL - 1),
		id.p + WIDTH_JOURNAL + 1);
	q->journal = (struct slice){id.p, WIDTH_JOURNAL};
	q->seq = strtoull(digits, &end, 10);
	return isdigit((unsigned char)digits[0]) && !*end;
}

static uint64_t
mark_of(struct history_view *v, struct history_query *q, size_t room)
{
	const struct history_filter *f = &q->filter;
	char more[16];
	uint64_t x = hasher_text(v->hasher, (struct slice){q->room, room});

	snprintf(more, sizeof more, "%d%d", f->happened, f->machine);
	return x ^ hasher_text(v->hasher, slice_of(more));
}

/* All texts one after the other, each behind its length. */
static size_t
copy_texts(struct history_query *q, const struct history_filter *from)
{
	struct slice *texts[TEXTS];
	size_t room = 0, at = 0;

	q->filter = *from;
	texts_of(&q->filter, texts);
	for (int i = 0; i < TEXTS; i++)
		room += texts[i]->n + LENGTH_BYTES;
	q->room = calloc(1, room);
	for (int i = 0; q->room && i < TEXTS; i++) {
		const uint32_t n = texts[i]->p ? (uint32_t)texts[i]->n + 1 : 0;

		memcpy(q->room + at, &n, LENGTH_BYTES);
		at += LENGTH_BYTES;
		if (texts[i]->n)
			memcpy(q->room + at, texts[i]->p, texts[i]->n);
		if (texts[i]->p)
			texts[i]->p = q->room + at;
		at += texts[i]->n;
	}
	return q->room ? room : 0;
}

static void
choose_index(struct history_view *v, struct history_query *q)
{
	const struct history_filter *f = &q->filter;

	q->kind = -1;
	q->key_mark = hasher_mark(v->hasher);
	if (f->email.p) {
		q->x[INDEX_EMAIL] = hasher_text(v->hasher, f->email);
		q->kind = INDEX_EMAIL;
	}
	if (f->message.p) {
		q->x[INDEX_MESSAGE] = hasher_text(v->hasher, f->message);
		q->kind = INDEX_MESSAGE;
	}
	if (f->id.p && is_ours(q)) {
		q->place = place_x(q->journal, q->seq);
		q->kind = INDEX_PLACE;
	} else if (f->id.p) {
		q->journal.p = NULL;
		q->x[INDEX_EVENT] = hasher_text(v->hasher, f->id);
		q->kind = INDEX_EVENT;
	}
}

struct history_query *
history_query(struct history_view *v, const struct history_filter *filter, struct error *why)
{
	struct history_filter f = *filter;
	struct history_query *q;
	size_t room;

	f.message = f.message.p ? address_unbracket(f.message) : f.message;
	if (filter->message.p && !f.message.p)
		f.message = (struct slice){"", 0};
	if (!check(&f, why))
		return NULL;
	q = calloc(1, sizeof *q);
	room = q ? copy_texts(q, &f) : 0;
	if (!room)
		error_set(why, "out of memory");
	if (!room || !fold_address(&q->filter, why)) {
		history_query_free(&q);
		return NULL;
	}
	q->mark = mark_of(v, q, room);
	choose_index(v, q);
	return q;
}

void
history_query_free(struct history_query **q)
{
	if (!*q)
		return;
	free((*q)->room);
	free(*q);
	*q = NULL;
}

/* ---- */

static bool
within(const struct history_filter *f, uint64_t ms)
{
	return ms >= f->since_ms && (!f->until_ms || ms < f->until_ms);
}

bool
query_takes_segment(const struct history_query *q, const struct facts *f)
{
	const uint64_t low = q->filter.happened ? f->at_min : f->received_min;
	const uint64_t high = q->filter.happened ? f->at_max : f->received_max;

	return high >= q->filter.since_ms && (!q->filter.until_ms || low < q->filter.until_ms);
}

bool
pattern_matches(struct slice pattern, struct slice text)
{
	if (!pattern.p)
		return true;
	if (!pattern.n || pattern.p[pattern.n - 1] != '*')
		return text.p && slice_eq(pattern, text);
	return text.p && text.n >= pattern.n - 1 && memcmp(pattern.p, text.p, pattern.n - 1) == 0;
}

static bool
word_matches(struct slice pattern, const struct segment *s, uint32_t word)
{
	const struct slice text = words_text(&s->words, word);

	/* A word that came since, or one of too many: the frame knows. */
	return !pattern.p || (word && !text.p) || pattern_matches(pattern, text) ||
	       slice_is(text, WORD_OTHER);
}

bool
query_takes_key(const struct history_query *q, const struct segment *s, const struct key *key)
{
	const struct history_filter *f = &q->filter;
	const int machine = key->flags & KEY_MACHINE ? 1 : -1;

	if (!within(f, f->happened ? key->at : key->received) ||
		(f->machine && f->machine != machine) || (q->journal.p && key->seq != q->seq))
		return false;
	for (int i = 0; !s->name.last && s->mark == q->key_mark && i < INDEX_TEXTS; i++)
		if (q->x[i] && q->x[i] != key->x[i])
			return false;
	return word_matches(f->type, s, key->word[WORD_TYPE]) &&
	       word_matches(f->source, s, key->word[WORD_SOURCE]) &&
	       word_matches(f->campaign, s, key->word[WORD_CAMPAIGN]);
}

static bool
same(struct slice wanted, struct slice text)
{
	return !wanted.p || (text.p && slice_eq(wanted, text));
}

static bool
takes_id(const struct history_query *q, const struct event *ev)
{
	if (q->journal.p)
		return slice_eq(q->journal, ev->journal) && q->seq == ev->seq;
	return same(q->filter.id, ev->id);
}

bool
query_takes(const struct history_query *q, const struct event *ev)
{
	const struct history_filter *f = &q->filter;
	struct key_texts t;

	key_texts_of(ev, &t);
	return takes_id(q, ev) && same(f->email, t.index[INDEX_EMAIL]) &&
	       same(f->message, t.index[INDEX_MESSAGE]) && pattern_matches(f->type, ev->type) &&
	       pattern_matches(f->source, ev->source) &&
	       pattern_matches(f->campaign, t.word[WORD_CAMPAIGN]);
}

/* ---- */

char *
history_cursor(const struct history_query *q, uint64_t pos, char out[HISTORY_CURSOR_ROOM])
{
	snprintf(out, HISTORY_CURSOR_ROOM, "%" PRIx64 "-%" PRIx64 "-%" PRIx64 "-%016" PRIx64, pos,
		q->filter.since_ms, q->filter.until_ms, q->mark);
	return out;
}

bool
history_resume(struct history_query *q, struct slice cursor, uint64_t *pos, struct error *why)
{
	char text[HISTORY_CURSOR_ROOM], again[HISTORY_CURSOR_ROOM];
	uint64_t mark = 0;
	struct history_query asked = *q;

	snprintf(text, sizeof text, "%.*s",
		(int)(cursor.n < sizeof text ? cursor.n : sizeof text - 1), cursor.p);
	if (cursor.n >= sizeof text || memchr(cursor.p, '\0', cursor.n) ||
		sscanf(text, "%" SCNx64 "-%" SCNx64 "-%" SCNx64 "-%" SCNx64, pos,
			&asked.filter.since_ms, &asked.filter.until_ms, &mark) != 4)
		return error_set(why, "this is no cursor");
	asked.mark = mark;
	if (strcmp(history_cursor(&asked, *pos, again), text) != 0)
		return error_set(why, "this is no cursor");
	if (mark != q->mark)
		return error_set(why, "this cursor belongs to another filter");
	q->filter = asked.filter;
	return true;
}
