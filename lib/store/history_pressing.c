/* history_pressing - sealing and merging: one or more segments become one, in steps.
 *
 * | phase  | a step                                                                              |
 * |--------|-------------------------------------------------------------------------------------|
 * | write back | what stands in the log of an open one goes into its file                        |
 * | blocks | as many blocks as fit in its time, with their words renumbered                      |
 * | index  | of one kind: of an open one gathered and sorted, then written; of sealed ones woven |
 * | end    | flushed, named, and the sources are removed                                         |
 *
 * Sources are open all the while: at most PRESSING_MOST. A kill, or a failure, costs what was done. */
#include <stdlib.h>

#include "history_private.h"
#include "lib/base/clock.h"

struct source {
	struct segment *s;
	uint32_t *words; /* its number to the new one's; 0: not met yet */
	struct index_walk walk;
	struct entry_of_index head;
	bool has_head;
};

struct pressing {
	struct source *from;
	size_t n, at; /* at: the source whose blocks are next */
	uint64_t pos; /* the next event */
	struct press *out;
	enum { WRITE_BACK, BLOCKS, INDEX, END } phase;
	int kind;
	bool gathered; /* of this kind */
	struct entry_of_index *entries;
	size_t entries_n, entries_at;
	struct key keys[BLOCK_EVENTS]; /* a block under way, of small ones */
	uint32_t staged;
	uint64_t staged_pos;
	char *body;
	size_t body_n, body_room;
};

static bool
is_seal(const struct pressing *p)
{
	return p->from[0].s->name.last == 0;
}

void
pressing_drop(struct pressing **p_p)
{
	struct pressing *p = *p_p;

	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++) {
		segment_close(&p->from[i].s);
		free(p->from[i].words);
	}
	press_drop(&p->out);
	free(p->from);
	free(p->entries);
	free(p->body);
	free(p);
	*p_p = NULL;
}

bool
pressing_uses(const struct pressing *p, const struct segment_name *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->from[i].s && p->from[i].s->name.first == name->first)
			return true;
	return false;
}

bool
pressing_damaged(const struct pressing *p, const struct segment_name *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->from[i].s && p->from[i].s->damaged &&
			p->from[i].s->name.first == name->first)
			return true;
	return false;
}

static bool
open_source(
	struct history *h, struct source *from, const struct segment_name *name, struct error *why)
{
	from->s = segment_open(h->folder, name, name->last ? SQL_SEALED : SQL_WRITE, why);
	if (!from->s)
		return false;
	from->words = calloc((size_t)from->s->words.n + 1, sizeof *from->words);
	return from->words || error_set(why, "out of memory");
}

struct pressing *
pressing_begin(struct history *h, const struct segment_name *from, size_t n, struct error *why)
{
	struct pressing *p = calloc(1, sizeof *p);
	bool good = p && (p->from = calloc(n, sizeof *p->from));

	if (!good)
		error_set(why, "out of memory");
	for (; good && p->n < n; p->n++)
		good = open_source(h, &p->from[p->n], &from[p->n], why);
	if (good)
		p->out = press_begin(
			h->folder, from->first, p->from[0].s->mark, !h->limits.plain, why);
	if (good && p->out) {
		p->pos = from->first;
		p->phase = from->last ? BLOCKS : WRITE_BACK;
		return p;
	}
	pressing_drop(&p);
	return NULL;
}

/* ---- blocks ---- */

static bool
flush_staged(struct pressing *p, struct error *why)
{
	const uint32_t n = p->staged;

	p->staged = 0;
	return !n || press_block(p->out, p->staged_pos, p->keys, n,
			     (struct slice){p->body, p->body_n}, false, why);
}

static bool
rename_words(struct pressing *p, struct source *from, struct key *key, struct error *why)
{
	for (int kind = 0; kind < WORD_KINDS; kind++) {
		const uint32_t old = key->word[kind];

		if (!old || old > from->s->words.n)
			continue;
		if (!from->words[old])
			from->words[old] = press_word(p->out, (enum word_kind)kind,
				words_text(&from->s->words, old), why);
		if (!(key->word[kind] = from->words[old]))
			return false;
	}
	memset(key->x, 0, sizeof key->x);
	return true;
}

static bool
stage(struct pressing *p, const struct key *key, uint64_t pos, struct slice frame,
	struct error *why)
{
	char *grown;

	if (p->staged && (p->staged == BLOCK_EVENTS || p->body_n + frame.n > BLOCK_BYTES) &&
		!flush_staged(p, why))
		return false;
	if (!p->staged) {
		p->staged_pos = pos;
		p->body_n = 0;
	}
	if (p->body_n + frame.n > p->body_room) {
		p->body_room =
			p->body_n + frame.n > BLOCK_BYTES ? p->body_n + frame.n : BLOCK_BYTES;
		if (!(grown = realloc(p->body, p->body_room)))
			return error_set(why, "out of memory");
		p->body = grown;
	}
	memcpy(p->body + p->body_n, frame.p, frame.n);
	p->keys[p->staged] = *key;
	p->keys[p->staged++].offset = (uint32_t)p->body_n;
	p->body_n += frame.n;
	return true;
}

/* A compressed block goes over as it is. */
static bool
pass_on(struct pressing *p, struct source *from, struct error *why)
{
	struct block *b = &from->s->block;
	sqlite3_stmt *stmt;
	bool good = flush_staged(p, why);

	for (uint32_t i = 0; good && i < b->n; i++)
		good = rename_words(p, from, &b->keys[i], why);
	if (!good || !(stmt = segment_body_row(from->s, why)))
		return false;
	good = press_block(p->out, b->first, b->keys, b->n,
		(struct slice){sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0)},
		true, why);
	sqlite3_reset(stmt);
	b->n = 0; /* its keys are others now */
	return good;
}

static bool
stage_block(struct pressing *p, struct source *from, struct error *why)
{
	const struct block *b = &from->s->block;

	for (uint32_t i = 0; i < b->n; i++) {
		const struct slice frame = segment_frame(from->s, b->first + i, why);
		struct key key = b->keys[i];

		if (!frame.p || !rename_words(p, from, &key, why) ||
			!stage(p, &key, b->first + i, frame, why))
			return false;
	}
	return true;
}

static bool
next_block(struct pressing *p, struct error *why)
{
	struct source *from = &p->from[p->at];
	const struct block *b = &from->s->block;
	uint64_t next;

	switch (segment_block_from(from->s, p->pos, why)) {
	case BLOCK_FAILED:
		return false;
	case BLOCK_NONE:
		if (++p->at == p->n && flush_staged(p, why))
			p->phase = INDEX;
		else if (p->at == p->n)
			return false;
		return true;
	case BLOCK_FOUND:
		break;
	}
	next = b->first + b->n;
	if (!(b->packed && p->out->packer ? pass_on : stage_block)(p, from, why))
		return false;
	p->pos = next;
	return true;
}

/* ---- the index of one kind ---- */

static int
by_entry(const void *a, const void *b)
{
	const struct entry_of_index *x = a, *y = b;

	if (x->x != y->x)
		return x->x < y->x ? -1 : 1;
	return (x->pos > y->pos) - (x->pos < y->pos);
}

static uint64_t
x_of(const struct segment *s, const struct key *key, int kind)
{
	if (kind == INDEX_PLACE)
		return place_x(words_text(&s->words, key->word[WORD_JOURNAL]), key->seq);
	return key->x[kind];
}

static bool
gather_all(struct pressing *p, struct segment *s, struct error *why)
{
	uint64_t pos = s->name.first;
	enum block_found found;

	p->entries_n = 0;
	while ((found = segment_block_from(s, pos, why)) == BLOCK_FOUND) {
		for (uint32_t i = 0; i < s->block.n; i++) {
			const uint64_t x = x_of(s, &s->block.keys[i], p->kind);

			if (x && p->entries_n < p->out->out->facts.events)
				p->entries[p->entries_n++] =
					(struct entry_of_index){x, s->block.first + i};
		}
		pos = s->block.first + s->block.n;
	}
	return found == BLOCK_NONE;
}

static bool
gather(struct pressing *p, struct error *why)
{
	const size_t most = p->out->out->facts.events;

	if (!p->entries)
		p->entries = malloc((most + 1) * sizeof *p->entries);
	if (!p->entries)
		return error_set(why, "out of memory");
	if (!gather_all(p, p->from[0].s, why))
		return false;
	if (p->entries_n)
		qsort(p->entries, p->entries_n, sizeof *p->entries, by_entry);
	p->entries_at = 0;
	return true;
}

static bool
advance(struct source *from, struct error *why)
{
	const int rc = index_ahead(from->s, &from->walk, &from->head, why);

	from->has_head = rc > 0;
	return rc >= 0;
}

static bool
weave_begin(struct pressing *p, struct error *why)
{
	for (size_t i = 0; i < p->n; i++) {
		p->from[i].walk = (struct index_walk){.kind = (enum index_kind)p->kind};
		if (!advance(&p->from[i], why))
			return false;
	}
	return true;
}

/* 1, 0 at the end, -1 with the cause. */
static int
next_entry(struct pressing *p, struct entry_of_index *out, struct error *why)
{
	struct source *least = NULL;

	if (is_seal(p)) {
		if (p->entries_at == p->entries_n)
			return 0;
		*out = p->entries[p->entries_at++];
		return 1;
	}
	for (size_t i = 0; i < p->n; i++)
		if (p->from[i].has_head && (!least || by_entry(&p->from[i].head, &least->head) < 0))
			least = &p->from[i];
	if (!least)
		return 0;
	*out = least->head;
	return advance(least, why) ? 1 : -1;
}

static bool
index_start(struct pressing *p, struct error *why)
{
	p->gathered = true;
	press_index_begin(p->out, (enum index_kind)p->kind);
	return is_seal(p) ? gather(p, why) : weave_begin(p, why);
}

static bool
index_some(struct pressing *p, struct error *why)
{
	struct entry_of_index e;
	int rc = 1;

	if (!p->gathered)
		return index_start(p, why);
	for (int i = 0; i < INDEX_ROW_ENTRIES && (rc = next_entry(p, &e, why)) > 0; i++)
		if (!press_entry(p->out, &e, why))
			return false;
	if (rc != 0)
		return rc > 0;
	if (!press_index_end(p->out, (enum index_kind)p->kind, why))
		return false;
	p->gathered = false;
	if (++p->kind == INDEXES)
		p->phase = END;
	return true;
}

/* ---- */

/* So that who still reads the file misses nothing when the log goes. */
static enum pressing_rc
write_back(struct pressing *p, struct error *why)
{
	sqlite3 *db = p->from[0].s->db;

	sqlite3_busy_timeout(db, 0);
	switch (sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL)) {
	case SQLITE_OK:
		p->phase = BLOCKS;
		return PRESSING_MORE;
	case SQLITE_BUSY:
		return PRESSING_BUSY;
	default:
		sql_fail(db, "writing back its log", why);
		return PRESSING_FAILED;
	}
}

static bool
some(struct pressing *p, uint64_t until_us, struct error *why)
{
	bool good = press_slice(p->out, why);

	do {
		if (p->phase == BLOCKS)
			good = good && next_block(p, why);
		else if (p->phase == INDEX)
			good = good && index_some(p, why);
	} while (good && p->phase != END && clock_mono_us() < until_us);
	return good && press_slice_end(p->out, why);
}

static bool
finish(struct history *h, struct pressing *p, struct error *why)
{
	const uint32_t day = (uint32_t)(p->out->out->facts.received_max / DAY_MS);
	const bool seal = is_seal(p);
	struct segment_name name, from[PRESSING_MOST];
	struct facts facts = p->out->out->facts;

	facts.day = day;
	if (!press_end(&p->out, h->folder, day, &name, &facts, why))
		return false;
	for (size_t i = 0; i < p->n; i++) {
		from[i] = p->from[i].s->name;
		segment_close(&p->from[i].s);
	}
	history_replace(h, from, p->n, &name, &facts);
	++*(seal ? &h->figures.sealed : &h->figures.merged);
	return true;
}

enum pressing_rc
pressing_step(struct history *h, struct pressing *p, uint64_t until_us, struct error *why)
{
	switch (p->phase) {
	case WRITE_BACK:
		return write_back(p, why);
	case END:
		return finish(h, p, why) ? PRESSING_DONE : PRESSING_FAILED;
	default:
		return some(p, until_us, why) ? PRESSING_MORE : PRESSING_FAILED;
	}
}
