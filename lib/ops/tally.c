/* tally - see tally.h. */
#include "tally.h"

#include <stdlib.h>
#include <string.h>

void
tally_add(struct tally *t, struct slice text, uint64_t count)
{
	struct tally_row *row;

	text = slice_cut(text, TALLY_TEXT - 1);
	for (size_t i = 0; i < t->n; i++)
		if (slice_is(text, t->rows[i].text)) {
			t->rows[i].count += count;
			return;
		}
	if (t->n == TALLY_ROWS || memchr(text.p ? text.p : "", 0, text.n)) {
		t->others += count;
		return;
	}
	row = &t->rows[t->n++];
	if (text.p)
		memcpy(row->text, text.p, text.n);
	row->text[text.n] = 0;
	row->count = count;
}

static int
by_count(const void *a, const void *b)
{
	const struct tally_row *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return strcmp(x->text, y->text);
}

static void
sort_rows(struct tally *t)
{
	qsort(t->rows, t->n, sizeof *t->rows, by_count);
}

static void
add_row(struct list *l, const char *name, struct slice text, uint64_t count)
{
	struct map m = map_in(l->zone);

	map_text(&m, name, text);
	map_uint(&m, "count", count);
	list_add(l, map_object(&m));
}

msgpack_object
tally_object(struct tally *t, const char *name, size_t most, msgpack_zone *zone)
{
	struct list l = list_in(zone);
	uint64_t rest = t->others;

	sort_rows(t);
	for (size_t i = 0; i < t->n; i++) {
		if (i < most)
			add_row(&l, name, slice_of(t->rows[i].text), t->rows[i].count);
		else
			rest += t->rows[i].count;
	}
	if (rest)
		add_row(&l, name, (struct slice){NULL, 0}, rest);
	return list_object(&l);
}
