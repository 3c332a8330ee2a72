/* history_find - looking: one file after the other, newest or oldest first, by an index where one
 * helps; within a budget. */
#include <errno.h>
#include <unistd.h>

#include "history_look_private.h"
#include "lib/base/clock.h"

enum { RELISTS = 5 };

/* One look under way. */
struct walk {
	struct history_view *v;
	const struct history_query *q;
	struct history_look *look;
	history_visit *fn;
	void *arg;
	struct error *why;
	msgpack_zone zone;
	uint64_t until_us;
	bool ahead; /* oldest first */
};

/* GO_ON, or the look is over: for now, or because of a file. */
enum step { GO_ON, ENOUGH, BROKEN };

static bool
is_late(const struct walk *w)
{
	return w->until_us && clock_mono_us() >= w->until_us;
}

static void
pass(struct walk *w, uint64_t pos)
{
	w->look->pos = w->ahead ? pos + 1 : pos;
	w->look->looked++;
}

/* Whether it is one; with *ev in the zone. */
static enum step
read_event(struct walk *w, struct segment *s, uint64_t pos, struct slice *frame, struct event *ev,
	bool *is_one)
{
	*is_one = false;
	*frame = segment_frame(s, pos, w->why);
	if (!frame->p)
		return BROKEN;
	msgpack_zone_clear(&w->zone);
	if (!frame_unpack(&event_schema, frame->p, frame->n, &w->zone, ev, w->why)) {
		segment_damaged(s, "a frame", pos, w->why);
		return BROKEN;
	}
	*is_one = query_takes(w->q, ev);
	return GO_ON;
}

/* Looks at an event of the loaded block. After the last that is wanted the look goes on to see
 * whether there is another. */
static enum step
consider(struct walk *w, struct segment *s, uint64_t pos)
{
	struct history_event found = {.pos = pos};
	struct event ev;
	enum step step;
	bool is_one;

	if (!query_takes_key(w->q, s, &s->block.keys[pos - s->block.first])) {
		pass(w, pos);
		return GO_ON;
	}
	step = read_event(w, s, pos, &found.frame, &ev, &is_one);
	if (step != GO_ON)
		return step;
	if (is_one && w->look->most && w->look->found == w->look->most)
		return ENOUGH;
	pass(w, pos);
	if (!is_one)
		return GO_ON;
	found.event = &ev;
	w->look->found++;
	return w->fn(w->arg, &found) ? GO_ON : ENOUGH;
}

/* ---- by an index: newest first ---- */

static enum step
find_by_index(struct walk *w, struct segment *s)
{
	const struct history_query *q = w->q;
	const uint64_t x = q->kind == INDEX_PLACE ? q->place : q->x[q->kind];
	struct index_walk iw;
	struct entry_of_index e;
	enum step step = GO_ON;
	int rc;

	if (!index_begin(s, &iw, (enum index_kind)q->kind, x, x, w->look->pos - 1, w->why))
		return BROKEN;
	while (step == GO_ON && (rc = index_next(s, &iw, &e, w->why)) > 0) {
		if (is_late(w))
			return ENOUGH;
		if (segment_block_at(s, e.pos, w->why) != BLOCK_FOUND ||
			e.pos - s->block.first >= s->block.n)
			return segment_damaged(s, "an index", e.pos, w->why), BROKEN;
		step = consider(w, s, e.pos);
	}
	return step == GO_ON && rc < 0 ? BROKEN : step;
}

/* ---- by the keys ---- */

static enum step
look_at_block(struct walk *w, struct segment *s)
{
	const struct block *b = &s->block;
	const uint64_t first = b->first, end = b->first + b->n;
	enum step step = GO_ON;

	if (w->ahead)
		for (uint64_t pos = w->look->pos > first ? w->look->pos : first;
			step == GO_ON && pos < end; pos++)
			step = consider(w, s, pos);
	else
		for (uint64_t pos = w->look->pos < end ? w->look->pos : end;
			step == GO_ON && pos > first; pos--)
			step = consider(w, s, pos - 1);
	return step;
}

static enum step
find_by_keys(struct walk *w, struct segment *s)
{
	enum step step = GO_ON;
	enum block_found found;

	while (step == GO_ON) {
		found = w->ahead ? segment_block_from(s, w->look->pos, w->why)
				 : segment_block_at(s, w->look->pos - 1, w->why);
		if (found != BLOCK_FOUND)
			return found == BLOCK_NONE ? GO_ON : BROKEN;
		if (is_late(w))
			return ENOUGH;
		step = look_at_block(w, s);
	}
	return step;
}

/* ---- file by file ---- */

/* The number behind a file's last one; an open one ends where the next begins. */
static uint64_t
behind(const struct segment_names *names, size_t i)
{
	if (names->list[i].last)
		return names->list[i].last + 1;
	return i + 1 < names->n ? names->list[i + 1].first : UINT64_MAX;
}

/* A file of which nothing more is to be had here. */
static void
leave(struct walk *w, size_t i)
{
	const struct segment_names *names = &w->v->names;

	if (!w->ahead && w->look->pos > names->list[i].first)
		w->look->pos = names->list[i].first;
	if (w->ahead && behind(names, i) != UINT64_MAX && w->look->pos < behind(names, i))
		w->look->pos = behind(names, i);
}

static enum step
look_into(struct walk *w, struct segment *s)
{
	const bool by_index =
		w->q->kind >= 0 && s->name.last && !w->ahead && s->mark == w->q->key_mark;

	view_note(w->v, s);
	if (s->name.last && !query_takes_segment(w->q, &s->facts))
		return GO_ON;
	return by_index ? find_by_index(w, s) : find_by_keys(w, s);
}

/* It was there a moment ago: sealed, merged or gone since. */
static bool
has_gone(const struct walk *w, const struct segment_name *name)
{
	char path[PATH_ROOM];

	return access(name_path(w->v->folder, name, path), F_OK) != 0 && errno == ENOENT;
}

/* For who reads on: numbers before this one are gone. */
static void
miss(struct walk *w, uint64_t pos)
{
	if (!w->ahead || w->look->pos >= pos || pos == UINT64_MAX)
		return;
	w->look->missed += pos - w->look->pos;
	w->look->pos = pos;
}

/* *gone: the folder must be listed again. */
static enum step
look_into_file(struct walk *w, size_t i, bool *gone)
{
	const struct segment_name *name = &w->v->names.list[i];
	const struct facts *facts = view_facts(w->v, name);
	struct segment *s;
	enum step step;

	*gone = false;
	miss(w, name->first);
	if (facts && !query_takes_segment(w->q, facts))
		return leave(w, i), GO_ON;
	s = segment_open(w->v->folder, name, name->last ? SQL_SEALED : SQL_WATCH, w->why);
	step = s ? look_into(w, s) : BROKEN;
	segment_close(&s);
	*gone = step == BROKEN && has_gone(w, name);
	if (step == BROKEN && !*gone) {
		w->look->damaged++;
		miss(w, behind(&w->v->names, i));
		step = GO_ON;
	}
	if (step == GO_ON)
		leave(w, i);
	return step;
}

/* The next file with a number that is to be looked at; names->n: all are behind us. */
static size_t
next_file(const struct walk *w)
{
	const struct segment_names *names = &w->v->names;

	for (size_t k = 0; k < names->n; k++) {
		const size_t i = w->ahead ? k : names->n - 1 - k;

		if (w->ahead ? behind(names, i) > w->look->pos
			     : names->list[i].first < w->look->pos)
			return i;
	}
	return names->n;
}

static bool
list_again(struct walk *w, int *lists)
{
	if (++*lists > RELISTS)
		return error_set(w->why, "history: its files change too fast");
	return view_list(w->v, w->why);
}

static bool
look_through(struct walk *w)
{
	int lists = 0;
	bool gone = false, last = false;
	enum step step = GO_ON;
	size_t i;

	while (step == GO_ON && !last && (i = next_file(w)) < w->v->names.n) {
		if (is_late(w))
			return true;
		/* The one that is appended to has no end to be passed. */
		last = w->ahead && i + 1 == w->v->names.n && !w->v->names.list[i].last;
		step = look_into_file(w, i, &gone);
		if (!gone)
			continue;
		if (!list_again(w, &lists))
			return false;
		step = GO_ON;
		last = false;
	}
	w->look->complete = step == GO_ON;
	return true;
}

static bool
look(struct walk *w)
{
	bool good;

	w->look->complete = false;
	w->look->found = w->look->damaged = 0;
	w->look->looked = w->look->missed = 0;
	if (!view_list(w->v, w->why))
		return false;
	msgpack_zone_init(&w->zone, 4096);
	good = look_through(w);
	msgpack_zone_destroy(&w->zone);
	return good;
}

static uint64_t
until(const struct history_look *l)
{
	return l->budget_us ? clock_mono_us() + l->budget_us : 0;
}

bool
history_find(struct history_view *v, const struct history_query *q, struct history_look *l,
	history_visit *fn, void *arg, struct error *why)
{
	struct walk w = {.v = v, .q = q, .look = l, .fn = fn, .arg = arg, .why = why};

	w.until_us = until(l);
	if (!l->pos)
		l->pos = UINT64_MAX;
	return look(&w);
}

bool
history_read(struct history_view *v, const struct history_query *q, struct history_look *l,
	history_visit *fn, void *arg, struct error *why)
{
	struct walk w = {.v = v, .q = q, .look = l, .fn = fn, .arg = arg, .why = why};

	w.until_us = until(l);
	w.ahead = true;
	if (!l->pos)
		l->pos = 1;
	return look(&w);
}
