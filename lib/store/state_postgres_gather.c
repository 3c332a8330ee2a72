/* state_postgres_gather - rows of one statement go together: kept until they are asked for or committed,
 * then sorted by their key, those of one key made one, and sent as one array a column.
 *
 * A trip for each row costs ten times as much, and a statement may not touch a row twice. The order, by
 * table and by key, is what keeps two processes from waiting for each other for ever. */
#include <stdlib.h>

#include "state_postgres_private.h"

/* ---- kept ---- */

static size_t
width_of(enum statement which)
{
	return strlen(pg_sql[which].columns);
}

static bool
is_text(char column)
{
	return strchr("ktfwsS", column) != NULL;
}

/* Length of the UTF-8 sequence that s begins with, NUL not among them; 0: none. */
static size_t
sequence(struct slice s)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t least;
	} forms[] = {{0x80, 0, 1}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
	const unsigned char *p = (const unsigned char *)s.p;
	uint32_t code = 0;
	size_t n = 0;

	while (n < 4 && (p[0] & forms[n].mask) != forms[n].lead)
		n++;
	if (n == 4 || n + 1 > s.n)
		return 0;
	code = p[0] & (unsigned char)~forms[n].mask;
	for (size_t i = 1; i <= n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	return code >= forms[n].least && code <= 0x10ffff && (code & ~0x7ffU) != 0xd800 ? n + 1 : 0;
}

static size_t
good_bytes(struct slice s)
{
	size_t at = 0, step;

	while (at < s.n && (step = sequence((struct slice){s.p + at, s.n - at})) > 0)
		at += step;
	return at;
}

struct slice
pg_text(struct slice text, msgpack_zone *zone)
{
	size_t at = good_bytes(text), n = at;
	char *out;

	if (at == text.n)
		return text;
	out = msgpack_zone_malloc(zone, 3 * text.n);
	if (!out)
		return (struct slice){NULL, 0};
	memcpy(out, text.p, at);
	while (at < text.n) {
		const size_t step = sequence((struct slice){text.p + at, text.n - at});

		memcpy(out + n, step ? text.p + at : "\xef\xbf\xbd", step ? step : 3);
		n += step ? step : 3;
		at += step ? step : 1;
	}
	return (struct slice){out, n};
}

static bool
keep_text(struct state_db *db, struct slice text, struct pg_cell *cell)
{
	const struct slice good = pg_text(text, &db->zone);
	char *copy = good.p == text.p ? msgpack_zone_malloc(&db->zone, text.n + 1) : (char *)good.p;

	if (!copy)
		return false;
	if (copy != good.p)
		memcpy(copy, good.p, good.n);
	cell->text = (struct slice){copy, good.n};
	return true;
}

static struct pg_cell *
new_row(struct pg_rows *rows, size_t width)
{
	if (rows->n == rows->room) {
		const size_t room = rows->room ? 2 * rows->room : 16;
		struct pg_cell *cells = realloc(rows->cells, room * width * sizeof *cells);

		if (!cells)
			return NULL;
		rows->cells = cells;
		rows->room = room;
	}
	return &rows->cells[rows->n++ * width];
}

bool
pg_gather(struct state_db *db, enum statement which, const struct state_value *values, size_t n)
{
	const size_t width = width_of(which);
	struct pg_cell *row = new_row(&db->rows[which], width);

	if (!row)
		return false;
	for (size_t i = 0; i < width; i++) {
		row[i] = (struct pg_cell){.null = i < n && values[i].kind == STATE_NULL};
		row[i].number = i < n ? values[i].number : 1;
		if (i < n && values[i].kind == STATE_TEXT &&
			!keep_text(db, values[i].text, &row[i])) {
			db->rows[which].n--;
			return false;
		}
	}
	return true;
}

bool
pg_gathered(const struct state_db *db)
{
	for (size_t i = 0; i < OWN_COUNT; i++)
		if (db->rows[i].n > 0)
			return true;
	return false;
}

void
pg_forget_gathered(struct state_db *db)
{
	for (size_t i = 0; i < OWN_COUNT; i++)
		db->rows[i].n = 0;
	msgpack_zone_clear(&db->zone);
}

/* ---- in order, and one a key ---- */

struct order {
	const struct pg_rows *rows;
	const char *columns;
	size_t width;
};

static int
compare_cells(char column, const struct pg_cell *a, const struct pg_cell *b)
{
	const size_t n = a->text.n < b->text.n ? a->text.n : b->text.n;
	int differs;

	if (column == 'K')
		return (a->number > b->number) - (a->number < b->number);
	differs = n ? memcmp(a->text.p, b->text.p, n) : 0;
	return differs ? differs : (a->text.n > b->text.n) - (a->text.n < b->text.n);
}

static int
compare_keys(const struct order *order, size_t a, size_t b)
{
	int differs = 0;

	for (size_t i = 0; !differs && (order->columns[i] == 'k' || order->columns[i] == 'K'); i++)
		differs =
			compare_cells(order->columns[i], &order->rows->cells[a * order->width + i],
				&order->rows->cells[b * order->width + i]);
	return differs;
}

/* Those of one key stay as they came. */
static int
compare_rows(const void *a, const void *b, void *arg)
{
	const size_t *left = a, *right = b;
	const int differs = compare_keys(arg, *left, *right);

	return differs ? differs : (*left > *right) - (*left < *right);
}

static int
rank_of(struct slice status)
{
#define RANK(id, name, rank) {name, rank},
	static const struct {
		const char *name, *rank;
	} ranks[] = {MESSAGE_STATUSES(RANK)};

	for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
		if (slice_is(status, ranks[i].name))
			return atoi(ranks[i].rank);
	return 1000;
}

/* Does the later row replace the one before it? See MESSAGE_STATUSES. */
static bool
wins(const char *columns, const struct pg_cell *now, const struct pg_cell *next)
{
	const size_t at = strcspn(columns, "sS");
	const int before = columns[at] ? rank_of(now[at].text) : 0;
	const int after = columns[at] ? rank_of(next[at].text) : 0;

	return after > before ||
	       (columns[at] == 's' && after == before && next[at + 1].number > now[at + 1].number);
}

static void
fold(const char *columns, struct pg_cell *now, const struct pg_cell *next)
{
	const bool won = wins(columns, now, next);

	for (size_t i = 0; columns[i]; i++) {
		if (columns[i] == '+' || columns[i] == '#')
			now[i].number += next[i].number;
		else if (columns[i] == '>' && next[i].number > now[i].number)
			now[i].number = next[i].number;
		else if ((columns[i] == 'f' && now[i].null) || (strchr("wWsS", columns[i]) && won))
			now[i] = next[i];
	}
}

static bool
has_key(const char *columns)
{
	return *columns == 'k' || *columns == 'K';
}

/* Into places: the rows to be sent, in order. Returns how many. */
static size_t
arrange(const struct order *order, size_t *places)
{
	const size_t n = order->rows->n, width = order->width;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		places[i] = i;
	if (!has_key(order->columns))
		return n;
	qsort_r(places, n, sizeof *places, compare_rows, (void *)order);
	for (size_t i = 0; i < n; i++)
		if (kept > 0 && compare_keys(order, places[kept - 1], places[i]) == 0)
			fold(order->columns, &order->rows->cells[places[kept - 1] * width],
				&order->rows->cells[places[i] * width]);
		else
			places[kept++] = places[i];
	return kept;
}

/* ---- as arrays: https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/utils/adt/arrayfuncs.c
 * (array_recv): dimensions, has NULLs, type; length, first index; each element's bytes behind their
 * number, -1 for NULL. All big-endian. ---- */

enum { OID_BIGINT = 20, OID_TEXT = 25 };

static void
put32(msgpack_sbuffer *out, uint32_t n)
{
	const uint32_t big = __builtin_bswap32(n);

	msgpack_sbuffer_write(out, (const char *)&big, sizeof big);
}

static void
put_cell(msgpack_sbuffer *out, bool text, const struct pg_cell *cell)
{
	const uint64_t big = __builtin_bswap64((uint64_t)cell->number);

	if (cell->null) {
		put32(out, UINT32_MAX);
	} else if (text) {
		put32(out, (uint32_t)cell->text.n);
		msgpack_sbuffer_write(out, cell->text.p, cell->text.n);
	} else {
		put32(out, sizeof big);
		msgpack_sbuffer_write(out, (const char *)&big, sizeof big);
	}
}

static void
put_column(msgpack_sbuffer *out, const struct order *order, size_t column, const size_t *places,
	size_t n)
{
	const bool text = is_text(order->columns[column]);

	put32(out, 1);
	put32(out, 1);
	put32(out, text ? OID_TEXT : OID_BIGINT);
	put32(out, (uint32_t)n);
	put32(out, 1);
	for (size_t i = 0; i < n; i++)
		put_cell(out, text, &order->rows->cells[places[i] * order->width + column]);
}

static bool
send_columns(struct state_db *db, enum statement which, const struct order *order,
	const size_t *places, size_t n, struct error *why)
{
	struct pg_param params[PG_COLUMNS_MAX];
	size_t ends[PG_COLUMNS_MAX];
	msgpack_sbuffer out;
	bool good;

	msgpack_sbuffer_init(&out);
	for (size_t i = 0; i < order->width; i++) {
		put_column(&out, order, i, places, n);
		ends[i] = out.size;
	}
	for (size_t i = 0; i < order->width; i++) {
		const size_t at = i ? ends[i - 1] : 0;

		params[i] = (struct pg_param){out.data + at, ends[i] - at, true};
	}
	good = pg_send(db, which, params, order->width, why);
	msgpack_sbuffer_destroy(&out);
	return good;
}

bool
pg_send_rows(struct state_db *db, enum statement which, struct error *why)
{
	struct pg_rows *rows = &db->rows[which];
	const struct order order = {rows, pg_sql[which].columns, width_of(which)};
	size_t *places;
	bool good;

	if (rows->n == 0)
		return true;
	places = malloc(rows->n * sizeof *places);
	if (!places)
		return error_set(why, "out of memory");
	good = send_columns(db, which, &order, places, arrange(&order, places), why);
	free(places);
	rows->n = 0;
	return good;
}

/* ---- all of them ---- */

#define COUNTER(name, column) SQL_##name,
static const enum statement of_messages[] = {SQL_MESSAGE_NOTE, SQL_MESSAGE_IMPLY};
static const enum statement of_recipients[] = {RECIPIENT_COUNTERS(COUNTER)};
static const enum statement rest[] = {SQL_INTEREST_ADD, SQL_SOFT_BOUNCE_DELIVERED,
	OWN(SOFT_BOUNCES_SETTLE), SQL_ENGAGEMENT_ADD, SQL_CONVERSION_ADD, SQL_COMPLIANCE_ADD,
	SQL_VERIFICATION_ADD, SQL_SYSTEM_ADD, SQL_RECEIVED_ADD, SQL_UNKNOWN_ADD};

/* The rows of one statement as rows of another one's first columns. */
static bool
copy_rows(struct state_db *db, enum statement from, enum statement to)
{
	const struct pg_rows *rows = &db->rows[from];
	const size_t width = width_of(from), cut = width_of(to);

	for (size_t i = 0; i < rows->n; i++) {
		struct pg_cell *row = new_row(&db->rows[to], cut);

		if (!row)
			return false;
		memcpy(row, &rows->cells[i * width], cut * sizeof *row);
	}
	return true;
}

/* More than one statement is for the same table: its rows are locked first, all in one order. */
static bool
lock_rows(struct state_db *db, const enum statement *list, size_t n, enum statement lock,
	struct error *why)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++)
		used += db->rows[list[i]].n > 0;
	for (size_t i = 0; used > 1 && i < n; i++)
		if (!copy_rows(db, list[i], lock))
			return error_set(why, "out of memory");
	return pg_send_rows(db, lock, why);
}

static bool
send_list(struct state_db *db, const enum statement *list, size_t n, struct error *why)
{
	bool good = true;

	for (size_t i = 0; good && i < n; i++)
		good = pg_send_rows(db, list[i], why);
	return good;
}

#define LIST(list) (list), sizeof(list) / sizeof *(list)

bool
pg_send_gathered(struct state_db *db, struct error *why)
{
	return lock_rows(db, LIST(of_messages), OWN(MESSAGES_LOCK), why) &&
	       send_list(db, LIST(of_messages), why) &&
	       lock_rows(db, LIST(of_recipients), OWN(RECIPIENTS_LOCK), why) &&
	       send_list(db, LIST(of_recipients), why) && send_list(db, LIST(rest), why);
}
