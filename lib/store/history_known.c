/* history_known - which events are in, so that a second delivery is told from a first.
 *
 * A chunk is what is known of 65,536 numbers of one journal, as bits, asked of the segments when it
 * is first needed: the open one by its keys, sealed ones by their index. The numbers that come stand
 * close together, so a handful of chunks answers for all of them, whatever is late or sent again. */
#include <stdlib.h>

#include "history_private.h"

enum { CHUNKS = 32, CHUNK_BITS = 16, JOURNAL_ROOM = 32 };

struct chunk {
	char journal[JOURNAL_ROOM];
	size_t n;
	uint64_t number; /* seq >> CHUNK_BITS */
	uint64_t used;   /* 0: free */
	unsigned char bits[(1 << CHUNK_BITS) / 8];
};

struct known {
	uint64_t turn;
	struct chunk chunks[CHUNKS];
};

struct known *
known_new(void)
{
	return calloc(1, sizeof(struct known));
}

void
known_free(struct known **k)
{
	free(*k);
	*k = NULL;
}

void
known_forget(struct known *k)
{
	for (size_t i = 0; i < CHUNKS; i++)
		k->chunks[i].used = 0;
}

static void
set(struct chunk *c, uint64_t seq)
{
	if (seq >> CHUNK_BITS == c->number)
		c->bits[(seq & 0xffff) / 8] |= (unsigned char)(1U << (seq & 7));
}

/* All keys of an open one: 250,000 in some 10 ms. */
static bool
scan(struct chunk *c, struct segment *s, uint32_t journal, struct error *why)
{
	uint64_t pos = s->name.first;
	enum block_found found;

	while ((found = segment_block_from(s, pos, why)) == BLOCK_FOUND) {
		for (uint32_t i = 0; i < s->block.n; i++)
			if (s->block.keys[i].word[WORD_JOURNAL] == journal)
				set(c, s->block.keys[i].seq);
		pos = s->block.first + s->block.n;
	}
	return found == BLOCK_NONE;
}

/* Two journals may share the bits that an index has of them: then the keys are asked. */
static bool
is_of(struct segment *s, uint64_t pos, uint32_t journal, struct error *why)
{
	return s->words.of_kind[WORD_JOURNAL] == 1 ||
	       (segment_block_at(s, pos, why) == BLOCK_FOUND && pos - s->block.first < s->block.n &&
		       s->block.keys[pos - s->block.first].word[WORD_JOURNAL] == journal);
}

static bool
look_up(struct chunk *c, struct segment *s, uint32_t journal, struct error *why)
{
	const struct slice name = {c->journal, c->n};
	const uint64_t low = c->number << CHUNK_BITS, high = low | 0xffff;
	struct index_walk w;
	struct entry_of_index e;
	int rc;

	if (!index_begin(
		    s, &w, INDEX_PLACE, place_x(name, low), place_x(name, high), UINT64_MAX, why))
		return false;
	while ((rc = index_next(s, &w, &e, why)) > 0)
		if (is_of(s, e.pos, journal, why))
			set(c, low | (e.x & 0xffff));
	return rc == 0;
}

static bool
ask_file(struct history *h, struct chunk *c, const struct segment_name *name, struct error *why)
{
	struct segment *s = segment_open(h->folder, name, name->last ? SQL_SEALED : SQL_WATCH, why);
	const uint32_t journal =
		s ? words_find(&s->words, WORD_JOURNAL, (struct slice){c->journal, c->n}) : 0;
	const bool good = s && (!journal || (name->last ? look_up : scan)(c, s, journal, why));

	segment_close(&s);
	return good;
}

/* A file that cannot be read is no reason to take nothing in. */
static bool
ask(struct history *h, struct chunk *c, struct error *why)
{
	const uint64_t low = c->number << CHUNK_BITS, high = low | 0xffff;
	const struct slice journal = {c->journal, c->n};
	uint32_t word;

	for (size_t i = 0; i < h->n; i++) {
		struct known_segment *k = &h->list[i];

		if ((h->open && i + 1 == h->n) || k->damaged || !k->facts.events ||
			k->facts.seq_max < low || k->facts.seq_min > high)
			continue;
		k->damaged = !ask_file(h, c, &k->name, why);
	}
	if (!h->open)
		return true;
	word = words_find(&h->open->words, WORD_JOURNAL, journal);
	return !word || !h->open->facts.events || scan(c, h->open, word, why);
}

static struct chunk *
find(struct known *k, struct slice journal, uint64_t number)
{
	struct chunk *oldest = k->chunks;

	for (size_t i = 0; i < CHUNKS; i++) {
		struct chunk *c = &k->chunks[i];

		if (c->used && c->number == number &&
			slice_eq(journal, (struct slice){c->journal, c->n}))
			return c;
		if (c->used < oldest->used)
			oldest = c;
	}
	oldest->used = 0;
	return oldest;
}

unsigned char *
known_bits(struct history *h, struct slice journal, uint64_t seq, struct error *why)
{
	struct chunk *c;

	if (journal.n > JOURNAL_ROOM) {
		error_set(why, "history: the id of a journal is too long");
		return NULL;
	}
	c = find(h->known, journal, seq >> CHUNK_BITS);
	if (!c->used) {
		memset(c, 0, sizeof *c);
		memcpy(c->journal, journal.p, journal.n);
		c->n = journal.n;
		c->number = seq >> CHUNK_BITS;
		if (!ask(h, c, why))
			return NULL;
	}
	c->used = ++h->known->turn;
	return c->bits;
}
