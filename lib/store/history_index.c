/* history_index - the index of a sealed segment: for each kind its entries (hash, number) in order,
 * 320 a row, which is a page; found by halving. */
#include "history_private.h"

static void
read_entry(const unsigned char *entries, uint32_t i, uint64_t first, struct entry_of_index *out)
{
	uint32_t behind;

	memcpy(&out->x, entries + (size_t)i * INDEX_ENTRY, sizeof out->x);
	memcpy(&behind, entries + (size_t)i * INDEX_ENTRY + sizeof out->x, sizeof behind);
	out->pos = first + behind;
}

void
index_write(unsigned char *entries, uint32_t i, uint64_t first, const struct entry_of_index *e)
{
	const uint32_t behind = (uint32_t)(e->pos - first);

	memcpy(entries + (size_t)i * INDEX_ENTRY, &e->x, sizeof e->x);
	memcpy(entries + (size_t)i * INDEX_ENTRY + sizeof e->x, &behind, sizeof behind);
}

static int
compare(const struct entry_of_index *a, uint64_t x, uint64_t pos)
{
	if (a->x != x)
		return a->x < x ? -1 : 1;
	return a->pos < pos ? -1 : a->pos > pos;
}

static bool
index_load(struct segment *s, struct index_walk *w, uint64_t row, struct error *why)
{
	sqlite3_stmt *stmt = segment_sql(s, SEGMENT_INDEX, why);
	size_t n = 0;

	if (!stmt)
		return false;
	sqlite3_bind_int64(stmt, 1, (int64_t)row);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		n = (size_t)sqlite3_column_bytes(stmt, 0);
	if (n && n <= sizeof w->entries && n % INDEX_ENTRY == 0)
		memcpy(w->entries, sqlite3_column_blob(stmt, 0), n);
	else
		n = 0;
	sqlite3_reset(stmt);
	w->row = row;
	w->n = (uint32_t)(n / INDEX_ENTRY);
	w->next = w->n;
	return w->n || segment_damaged(s, "an index", s->name.first, why);
}

static void
index_rows(const struct segment *s, enum index_kind kind, uint64_t *from, uint64_t *end)
{
	const uint64_t rows[INDEXES + 1] = {s->facts.index0, s->facts.index1, s->facts.index2,
		s->facts.index3, s->facts.index4};

	*from = rows[kind];
	*end = rows[kind + 1];
}

/* The last row whose first entry is not above (x, pos): *row, or the first row. */
static bool
seek_row(struct segment *s, struct index_walk *w, uint64_t x, uint64_t pos, struct error *why)
{
	struct entry_of_index first;
	uint64_t low, high;

	index_rows(s, w->kind, &low, &high);
	while (high - low > 1) {
		const uint64_t middle = low + (high - low) / 2;

		if (!index_load(s, w, middle, why))
			return false;
		read_entry(w->entries, 0, s->name.first, &first);
		if (compare(&first, x, pos) <= 0)
			low = middle;
		else
			high = middle;
	}
	return index_load(s, w, low, why);
}

bool
index_begin(struct segment *s, struct index_walk *w, enum index_kind kind, uint64_t low, uint64_t x,
	uint64_t pos, struct error *why)
{
	struct entry_of_index e;
	uint64_t from, end;

	w->kind = kind;
	w->low = low;
	w->row = w->n = w->next = 0;
	index_rows(s, kind, &from, &end);
	if (from >= end)
		return true;
	if (!seek_row(s, w, x, pos, why))
		return false;
	while (w->next > 0) {
		read_entry(w->entries, w->next - 1, s->name.first, &e);
		if (compare(&e, x, pos) <= 0)
			break;
		w->next--;
	}
	return true;
}

/* 1, 0 at the end, -1 with the cause. */
int
index_next(struct segment *s, struct index_walk *w, struct entry_of_index *out, struct error *why)
{
	uint64_t from, end;

	index_rows(s, w->kind, &from, &end);
	if (w->next == 0 && (w->row <= from || !w->n))
		return 0;
	if (w->next == 0 && !index_load(s, w, w->row - 1, why))
		return -1;
	read_entry(w->entries, --w->next, s->name.first, out);
	return out->x >= w->low;
}

/* The same upwards, from the first entry of the kind on: for a merge. */
int
index_ahead(struct segment *s, struct index_walk *w, struct entry_of_index *out, struct error *why)
{
	uint64_t from, end;

	index_rows(s, w->kind, &from, &end);
	if (!w->row && from >= end)
		return 0;
	if (!w->row || w->next == w->n) {
		if (w->row && w->row + 1 >= end)
			return 0;
		if (!index_load(s, w, w->row ? w->row + 1 : from, why))
			return -1;
		w->next = 0;
	}
	read_entry(w->entries, w->next++, s->name.first, out);
	return 1;
}
