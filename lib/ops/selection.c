/* selection - see selection.h. */
#include "selection.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/address.h"
#include "lib/base/clock.h"

enum { LOOK_PIECE = 1024, COPY_PIECE = 256, ZONE_BYTES = 8192 };

/* ---- which ---- */

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

static bool
is_about(const struct letter *letter, struct slice email)
{
	char lower[ADDRESS_MAX];
	struct slice bare;

	return letter->readable &&
	       address_read(letter->event.email, lower, &bare, &(struct error){""}) &&
	       slice_eq((struct slice){lower, bare.n}, email);
}

bool
letter_matches(const struct letter *letter, const struct letter_filter *f)
{
	const uint64_t at = letter->dead->failed_at;

	if (at < f->since_ms || (f->until_ms && at >= f->until_ms))
		return false;
	if (f->journal.p && !slice_eq(letter->dead->journal, f->journal))
		return false;
	if (f->type && !matches_pattern(letter->event.type, f->type))
		return false;
	if (f->source && !slice_is(letter->event.source, f->source))
		return false;
	if (f->reason && !contains(letter->dead->reason, f->reason))
		return false;
	if (f->email.p && !is_about(letter, f->email))
		return false;
	return is_any(letter, f->ids, f->ids_count);
}

/* ---- a walk over them ---- */

struct letter_walk {
	const struct selection *s;
	struct letters_place place;
	uint64_t taken;
	bool ended;    /* nothing more is wanted, or there is nothing more */
	bool complete; /* there is nothing more */
};

static bool
has_enough(const struct letter_walk *w)
{
	return (w->s->limit && w->taken == w->s->limit) ||
	       (w->s->until_ms && clock_mono_ms() >= w->s->until_ms);
}

/* The next letter, whether it is meant or not. */
static bool
step(struct letter_walk *w, struct letters *letters, struct dead *dead)
{
	w->complete = w->s->newest_first ? !letters_previous(letters, &w->place, dead)
					 : !letters_next(letters, &w->place, dead);
	return !w->complete;
}

/* Inside a snapshot: up to n more of those that are meant. */
static void
walk_on(struct letter_walk *w, struct letters *letters, size_t n, letter_visit *fn, void *arg)
{
	struct letter letter;
	struct dead dead;
	msgpack_zone zone;

	msgpack_zone_init(&zone, ZONE_BYTES);
	while (n > 0 && !w->ended) {
		w->ended = has_enough(w) || !step(w, letters, &dead);
		if (w->ended)
			break;
		msgpack_zone_clear(&zone);
		letter_open(&dead, &zone, &letter);
		if (!letter_matches(&letter, &w->s->filter))
			continue;
		w->taken++;
		n--;
		w->ended = !fn(arg, &letter, &zone);
	}
	msgpack_zone_destroy(&zone);
}

bool
selection_look(struct letters *letters, const struct selection *s, letter_visit *fn, void *arg,
	bool *complete, struct error *why)
{
	struct letter_walk w = {.s = s};

	while (!w.ended) {
		if (!letters_read_begin(letters, why))
			return false;
		walk_on(&w, letters, LOOK_PIECE, fn, arg);
		letters_read_end(letters);
	}
	*complete = w.complete;
	return true;
}

/* ---- copies of them ---- */

struct copies {
	struct {
		struct dead dead;
		char *bytes; /* the texts and the event of `dead` */
	} letters[COPY_PIECE];
	size_t n;
	bool short_of_memory;
};

/* What must outlive the snapshot, in one block. */
static bool
copy_letter(void *arg, const struct letter *letter, msgpack_zone *zone)
{
	struct copies *c = arg;
	struct dead *copy = &c->letters[c->n].dead;
	struct slice *const parts[] = {&copy->journal, &copy->reason, &copy->handler, &copy->event};
	size_t n = 0;
	char *at;

	(void)zone;
	*copy = *letter->dead;
	for (size_t i = 0; i < 4; i++)
		n += parts[i]->n;
	at = c->letters[c->n].bytes = malloc(n + 1);
	for (size_t i = 0; at && i < 4; i++) {
		if (parts[i]->n)
			memcpy(at, parts[i]->p, parts[i]->n);
		parts[i]->p = at;
		at += parts[i]->n;
	}
	c->n += at != NULL;
	c->short_of_memory = !at;
	return at;
}

/* Hands them on and frees them. False when fn has had enough. */
static bool
hand_on(struct copies *c, letter_visit *fn, void *arg)
{
	struct letter letter;
	msgpack_zone zone;
	bool more = true;

	msgpack_zone_init(&zone, ZONE_BYTES);
	for (size_t i = 0; i < c->n; i++) {
		msgpack_zone_clear(&zone);
		letter_open(&c->letters[i].dead, &zone, &letter);
		more = more && fn(arg, &letter, &zone);
		free(c->letters[i].bytes);
	}
	msgpack_zone_destroy(&zone);
	c->n = 0;
	return more;
}

static bool
each_piece(struct letters *letters, struct letter_walk *w, struct copies *c, letter_visit *fn,
	void *arg, struct error *why)
{
	while (!w->ended) {
		if (!letters_read_begin(letters, why))
			return false;
		walk_on(w, letters, COPY_PIECE, copy_letter, c);
		letters_read_end(letters);
		if (!hand_on(c, fn, arg))
			return true;
		if (c->short_of_memory)
			return error_set(why, "out of memory");
	}
	return true;
}

bool
selection_each(struct letters *letters, const struct selection *s, letter_visit *fn, void *arg,
	struct error *why)
{
	struct copies *c = calloc(1, sizeof *c);
	struct letter_walk w = {.s = s};
	const bool good =
		c ? each_piece(letters, &w, c, fn, arg, why) : error_set(why, "out of memory");

	free(c);
	return good;
}
