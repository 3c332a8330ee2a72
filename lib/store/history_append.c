/* history_append - a group of events into the open segment: one transaction, one flush. */
#include <stdlib.h>

#include "history_private.h"

/* What a failure takes back. */
struct before {
	struct facts facts;
	uint32_t words;
};

/* A block under way. */
struct staged {
	struct key keys[BLOCK_EVENTS];
	uint32_t n;
	char *body;
	size_t body_n, room;
	size_t added, repeated;
};

static bool
put_word(struct segment *s, uint32_t number, struct error *why)
{
	const struct word *word = &s->words.list[number - 1];
	sqlite3_stmt *stmt = segment_sql(s, SEGMENT_PUT_WORD, why);

	if (!stmt)
		return false;
	sqlite3_bind_int64(stmt, 1, number);
	sqlite3_bind_int(stmt, 2, (int)word->kind);
	sqlite3_bind_blob64(stmt, 3, word->text, word->n, SQLITE_STATIC);
	return sql_run(stmt, why);
}

static bool
name_words(struct segment *s, const struct key_texts *texts, struct key *key, struct error *why)
{
	for (int kind = 0; kind < WORD_KINDS; kind++) {
		const uint32_t before = s->words.n;

		if (!texts->word[kind].p)
			continue;
		key->word[kind] =
			words_add_most(&s->words, (enum word_kind)kind, texts->word[kind]);
		if (!key->word[kind])
			return error_set(why, "out of memory");
		if (s->words.n > before && !put_word(s, s->words.n, why))
			return false;
	}
	return true;
}

static bool
put_block(struct segment *s, struct staged *b, struct error *why)
{
	const uint64_t pos = s->facts.last + 1;
	sqlite3_stmt *keys = segment_sql(s, SEGMENT_PUT_KEY, why);
	sqlite3_stmt *body = segment_sql(s, SEGMENT_PUT_BODY, why);

	if (!keys || !body)
		return false;
	sqlite3_bind_int64(keys, 1, (int64_t)pos);
	sqlite3_bind_int64(keys, 2, b->n);
	sqlite3_bind_int(keys, 3, 0);
	sqlite3_bind_blob64(keys, 4, b->keys, b->n * sizeof *b->keys, SQLITE_STATIC);
	sqlite3_bind_int64(body, 1, (int64_t)pos);
	sqlite3_bind_blob64(body, 2, b->body, b->body_n, SQLITE_STATIC);
	for (uint32_t i = 0; i < b->n; i++)
		facts_add(&s->facts, &b->keys[i]);
	s->facts.last += b->n;
	b->n = 0;
	b->body_n = 0;
	return sql_run(keys, why) && sql_run(body, why);
}

static bool
make_room(struct staged *b, size_t n)
{
	char *grown;

	if (b->body_n + n <= b->room)
		return true;
	b->room = b->body_n + n > BLOCK_BYTES ? b->body_n + n : BLOCK_BYTES;
	grown = realloc(b->body, b->room);
	if (grown)
		b->body = grown;
	return grown != NULL;
}

static bool
stage(struct history *h, struct staged *b, const struct history_event *ev, struct error *why)
{
	struct key *key;
	struct key_texts texts;

	if (b->n && (b->n == BLOCK_EVENTS || b->body_n + ev->frame.n > BLOCK_BYTES) &&
		!put_block(h->open, b, why))
		return false;
	key = &b->keys[b->n];
	key_of(h->hasher, ev->event, key, &texts);
	if (!name_words(h->open, &texts, key, why))
		return false;
	if (!make_room(b, ev->frame.n))
		return error_set(why, "out of memory");
	key->offset = (uint32_t)b->body_n;
	key->length = (uint32_t)ev->frame.n;
	memcpy(b->body + b->body_n, ev->frame.p, ev->frame.n);
	b->body_n += ev->frame.n;
	b->n++;
	b->added++;
	return true;
}

static bool
put(struct history *h, struct staged *b, const struct history_event *events, size_t n,
	struct error *why)
{
	for (size_t i = 0; i < n; i++) {
		const struct event *ev = events[i].event;
		unsigned char *bits = known_bits(h, ev->journal, ev->seq, why);
		const unsigned bit = 1U << (ev->seq & 7);

		if (!bits)
			return false;
		bits += (ev->seq & 0xffff) / 8;
		if (*bits & bit) {
			b->repeated++;
			continue;
		}
		if (!stage(h, b, &events[i], why))
			return false;
		*bits |= (unsigned char)bit;
	}
	return !b->n || put_block(h->open, b, why);
}

static void
take_back(struct history *h, const struct before *before)
{
	if (!sqlite3_get_autocommit(h->open->db))
		sql_exec(h->open->db, "ROLLBACK", NULL);
	h->open->facts = before->facts;
	words_cut(&h->open->words, before->words);
	known_forget(h->known);
	h->open->block.n = 0; /* it may hold what is not there after all */
}

static enum store_rc
append(struct history *h, struct staged *b, const struct history_event *events, size_t n,
	struct error *why)
{
	const struct before before = {h->open->facts, h->open->words.n};
	enum store_rc rc;

	if (sql_exec(h->open->db, "BEGIN IMMEDIATE", why) && put(h, b, events, n, why)) {
		if (sql_exec(h->open->db, "COMMIT", why))
			return STORE_OK;
		h->doubtful = true;
	}
	rc = sql_result(h->open->db);
	take_back(h, &before);
	return rc;
}

enum store_rc
history_append(struct history *h, const struct history_event *events, size_t n, uint64_t now_ms,
	size_t *added, struct error *why)
{
	struct staged b = {.n = 0};
	enum store_rc rc;

	if (added)
		*added = 0;
	rc = history_make_place(h, n, now_ms, why);
	if (rc != STORE_OK)
		return rc;
	rc = append(h, &b, events, n, why);
	free(b.body);
	if (rc != STORE_OK)
		return rc;
	h->figures.appended += b.added;
	h->figures.repeated += b.repeated;
	if (added)
		*added = b.added;
	if (b.added)
		notice_give(h->lock);
	return STORE_OK;
}
