/* history_check - does each file hold what it says? For fsck: reads all, changes nothing. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "history_look_private.h"

struct checking {
	struct history_view *v;
	history_fault *fn;
	void *arg;
	bool sound;
	msgpack_zone zone;
	uint64_t having[INDEXES]; /* events of a file with something of the kind */
};

__attribute__((format(printf, 3, 4))) static void
tell(struct checking *c, const struct segment_name *name, const char *form, ...)
{
	char path[PATH_ROOM], text[256];
	va_list args;

	va_start(args, form);
	vsnprintf(text, sizeof text, form, args);
	va_end(args);
	c->sound = false;
	c->fn(c->arg, name_path(c->v->folder, name, path), text);
}

/* The frame says what its key says. */
static bool
agrees(const struct segment *s, const struct key *key, const struct event *ev)
{
	return key->seq == ev->seq && key->at == ev->ts && key->received == ev->received &&
	       slice_eq(words_text(&s->words, key->word[WORD_JOURNAL]), ev->journal) &&
	       words_find(&s->words, WORD_TYPE, ev->type) == key->word[WORD_TYPE];
}

static void
note_having(struct checking *c, const struct event *ev)
{
	struct key_texts texts;

	key_texts_of(ev, &texts);
	for (int i = 0; i < INDEX_TEXTS; i++)
		c->having[i] += texts.index[i].n > 0;
	c->having[INDEX_PLACE]++;
}

static bool
check_event(struct checking *c, struct segment *s, uint64_t pos, struct error *why)
{
	const struct key *key = &s->block.keys[pos - s->block.first];
	const struct slice frame = segment_frame(s, pos, why);
	struct event ev;

	if (!frame.p)
		return false;
	msgpack_zone_clear(&c->zone);
	if (!frame_unpack(&event_schema, frame.p, frame.n, &c->zone, &ev, why))
		return error_wrap(why, "event %llu", (unsigned long long)pos);
	if (!agrees(s, key, &ev) && s->words.of_kind[WORD_TYPE] < WORDS_MOST)
		return error_set(
			why, "event %llu: its key says otherwise", (unsigned long long)pos);
	note_having(c, &ev);
	return true;
}

/* All numbers from the first on, without a gap. */
static void
check_blocks(struct checking *c, struct segment *s)
{
	uint64_t pos = s->name.first;
	struct error why = {""};
	enum block_found found;

	while ((found = segment_block_from(s, pos, &why)) == BLOCK_FOUND) {
		const uint64_t end = s->block.first + s->block.n;

		if (s->block.first != pos)
			tell(c, &s->name, "events %llu to %llu are missing",
				(unsigned long long)pos, (unsigned long long)s->block.first - 1);
		for (pos = s->block.first; pos < end; pos++)
			if (!check_event(c, s, pos, &why))
				tell(c, &s->name, "%s", why.text);
	}
	if (found == BLOCK_FAILED)
		tell(c, &s->name, "%s", why.text);
	else if (s->name.last && pos != s->name.last + 1)
		tell(c, &s->name, "it ends at %llu", (unsigned long long)pos - 1);
}

static void
check_index(struct checking *c, struct segment *s, enum index_kind kind)
{
	static const char *const names[INDEXES] = {"addresses", "messages", "event ids", "places"};
	struct index_walk w = {.kind = kind};
	struct entry_of_index e, last = {0, 0};
	struct error why = {""};
	uint64_t n = 0;
	int rc;

	for (; (rc = index_ahead(s, &w, &e, &why)) > 0; last = e, n++) {
		const bool ordered = e.x > last.x || (e.x == last.x && e.pos > last.pos);

		if (!ordered || e.pos < s->name.first || e.pos > s->name.last) {
			tell(c, &s->name, "the index of %s is out of order", names[kind]);
			return;
		}
		if (kind == INDEX_PLACE && n && e.x == last.x)
			tell(c, &s->name, "events %llu and %llu are the same",
				(unsigned long long)last.pos, (unsigned long long)e.pos);
	}
	if (rc < 0)
		tell(c, &s->name, "%s", why.text);
	else if (n != c->having[kind])
		tell(c, &s->name, "the index of %s has %llu entries for %llu events", names[kind],
			(unsigned long long)n, (unsigned long long)c->having[kind]);
}

static void
check_file(struct checking *c, const struct segment_name *name)
{
	struct error why = {""};
	struct segment *s =
		segment_open(c->v->folder, name, name->last ? SQL_SEALED : SQL_WATCH, &why);

	memset(c->having, 0, sizeof c->having);
	if (!s) {
		tell(c, name, "%s", why.text);
		return;
	}
	check_blocks(c, s);
	for (int kind = 0; name->last && kind < INDEXES; kind++)
		check_index(c, s, (enum index_kind)kind);
	if (name->last && s->facts.events != c->having[INDEX_PLACE])
		tell(c, name, "it says that it has %llu events, and has %llu",
			(unsigned long long)s->facts.events,
			(unsigned long long)c->having[INDEX_PLACE]);
	segment_close(&s);
}

bool
history_check(struct history_view *v, history_fault *fn, void *arg, struct error *why)
{
	struct checking c = {.v = v, .fn = fn, .arg = arg, .sound = true};

	if (!view_list(v, why))
		return false;
	msgpack_zone_init(&c.zone, 4096);
	for (size_t i = 0; i < v->names.n; i++)
		check_file(&c, &v->names.list[i]);
	msgpack_zone_destroy(&c.zone);
	return c.sound;
}
