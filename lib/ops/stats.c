/* stats - see stats.h. */
#include "stats.h"

#include <stdio.h>
#include <stdlib.h>

#include "history_words.h"
#include "lib/base/field.h"
#include "lib/base/map.h"
#include "lib/base/near.h"
#include "lib/base/timestamp.h"

enum { ROWS_MOST = 100000, ZONE_BYTES = 65536 };

#define HOUR_MS 3600000ULL
#define DAY_MS (24 * HOUR_MS)

/* ---- what is asked ---- */

/* X(word, span, milliseconds, what is usual without --since, for how long there are some) */
#define SPANS(X)                                                                                   \
	X("minute", HISTORY_MINUTE, 60000, HOUR_MS, 48 * HOUR_MS)                                  \
	X("hour", HISTORY_HOUR, HOUR_MS, DAY_MS, 400 * DAY_MS)                                     \
	X("day", HISTORY_DAY, DAY_MS, 30 * DAY_MS, UINT64_MAX)

static const struct {
	const char *name;
	uint64_t ms, usual_ms, kept_ms;
} spans[] = {
#define SPAN_ROW(word, span, ms, usual, kept) [span] = {word, ms, usual, kept},
	SPANS(SPAN_ROW)};

static const struct {
	const char *name;
	unsigned bit;
} columns[] = {{"type", HISTORY_BY_TYPE},
#define COLUMN_ROW(word, bit) {word, bit},
	STATS_COLUMNS(COLUMN_ROW)};

enum { SPANS_N = sizeof spans / sizeof *spans, COLUMNS_N = sizeof columns / sizeof *columns };

const char *
stats_span_name(enum history_span span)
{
	return spans[span].name;
}

static bool
is_no_word(const char *word, const char *before, struct error *why)
{
	struct near near = {.word = word};
	char hint[NEAR_BYTES];

	for (size_t i = 0; i < SPANS_N; i++)
		near_try(&near, spans[i].name);
	for (size_t i = 0; i < COLUMNS_N; i++)
		near_try(&near, columns[i].name);
	return error_set(why,
		"%sby takes minute, hour or day, and type, source, campaign, domain, machine, with commas: not \"%s\"%s",
		before, word, near_hint(&near, hint));
}

/* One word of --by; *span: -1 as long as there is none. */
static bool
take_word(const char *word, const char *before, struct history_stats *what, int *span,
	struct error *why)
{
	for (size_t i = 0; i < SPANS_N; i++)
		if (strcmp(word, spans[i].name) == 0) {
			if (*span >= 0 && *span != (int)i)
				return error_set(
					why, "%sby takes one of minute, hour and day", before);
			*span = (int)i;
			return true;
		}
	for (size_t i = 0; i < COLUMNS_N; i++)
		if (strcmp(word, columns[i].name) == 0) {
			what->by |= columns[i].bit;
			return true;
		}
	return is_no_word(word, before, why);
}

static bool
take_by(const char *by, const char *before, struct history_stats *what, int *span,
	struct error *why)
{
	char word[64];

	for (const char *at = by;; at++) {
		const size_t n = strcspn(at, ",");

		snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : sizeof word - 1),
			at);
		if (!take_word(word, before, what, span, why))
			return false;
		at += n;
		if (!*at)
			return true;
	}
}

/* The finest counts that know these columns and are there for all of that time. */
static enum history_span
finest(const struct history_stats *what, uint64_t now_ms)
{
	const bool coarse =
		(what->by & (HISTORY_BY_CAMPAIGN | HISTORY_BY_DOMAIN)) || what->campaign.p;
	int span = coarse ? HISTORY_HOUR : HISTORY_MINUTE;

	while (span < HISTORY_DAY && what->since_ms + spans[span].kept_ms < now_ms + HOUR_MS)
		span++;
	return (enum history_span)span;
}

bool
stats_take(const struct stats_words *w, const char *before, uint64_t now_ms, struct stats_ask *ask,
	struct error *why)
{
	struct history_stats *what = &ask->what;
	int span = -1;

	*what = (struct history_stats){.type = slice_of(w->type),
		.source = slice_of(w->source),
		.campaign = slice_of(w->campaign),
		.most = ROWS_MOST};
	if (!take_by(w->by ? w->by : "type", before, what, &span, why))
		return false;
	what->since_ms = now_ms - spans[span < 0 ? HISTORY_HOUR : span].usual_ms;
	if (!history_words_time(before, "since", w->since, now_ms, &what->since_ms, why) ||
		!history_words_time(before, "until", w->until, now_ms, &what->until_ms, why) ||
		!history_words_machine(w->machine, before, &what->machine, why))
		return false;
	if (what->until_ms && what->until_ms <= what->since_ms)
		return error_set(why, "the end of the time asked for is not after its beginning");
	what->whole = span < 0;
	what->span = span < 0 ? finest(what, now_ms) : (enum history_span)span;
	if (what->span == HISTORY_MINUTE &&
		((what->by & (HISTORY_BY_CAMPAIGN | HISTORY_BY_DOMAIN)) || what->campaign.p))
		return error_set(why,
			"minutes know no campaign and no domain: ask %sby hour or day", before);
	ask->wide = !(what->by & HISTORY_BY_TYPE);
	return true;
}

/* ---- kinds ---- */

/* X(type, its kind, that of what a machine did) */
#define KIND_OF(X)                                                                                 \
	X("email_accepted", accepted, accepted)                                                    \
	X("email_delivered", delivered, delivered)                                                 \
	X("email_deferred", deferred, deferred)                                                    \
	X("email_blocked", blocked, blocked)                                                       \
	X("email_bounced", bounced, bounced)                                                       \
	X("email_rejected", rejected, rejected)                                                    \
	X("email_failed", rejected, rejected)                                                      \
	X("email_opened", opened, opened_by_machine)                                               \
	X("email_clicked", clicked, clicked_by_machine)                                            \
	X("email_complained", complained, complained)                                              \
	X("email_unsubscribed", unsubscribed, unsubscribed)

void
stats_add_kind(uint64_t kinds[STATS_KINDS_N], struct slice type, bool machine, uint64_t n)
{
	static const struct {
		const char *type;
		enum stats_kind kind, by_machine;
	} rows[] = {
#define KIND_ROW(type, kind, by_machine) {type, STATS_##kind, STATS_##by_machine},
		KIND_OF(KIND_ROW)};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (slice_is(type, rows[i].type))
			kinds[machine ? rows[i].by_machine : rows[i].kind] += n;
}

/* ---- counted ---- */

/* A count, or, put together, a row. Texts are in the zone. */
struct row {
	uint64_t from_ms, count;
	struct slice type, source, campaign, domain;
	bool machine;
	uint64_t kinds[STATS_KINDS_N];
};

struct rows {
	const struct stats_ask *ask;
	msgpack_zone zone;
	struct row *list;
	size_t n, room;
};

static int
compare_texts(struct slice a, struct slice b)
{
	const size_t n = a.n < b.n ? a.n : b.n;
	const int order = n ? memcmp(a.p, b.p, n) : 0;

	if (order)
		return order;
	if (!a.p != !b.p)
		return a.p ? 1 : -1;
	return a.n < b.n ? -1 : a.n > b.n;
}

static int
compare_keys(const struct row *a, const struct row *b)
{
	int order = a->from_ms < b->from_ms ? -1 : a->from_ms > b->from_ms;

	order = order ? order : compare_texts(a->type, b->type);
	order = order ? order : compare_texts(a->source, b->source);
	order = order ? order : compare_texts(a->campaign, b->campaign);
	order = order ? order : compare_texts(a->domain, b->domain);
	return order ? order : a->machine - b->machine;
}

/* The one before, where it is the same: counts come sorted by time and size, so of a wide row those of
 * its types lie apart; they are put together at the end. */
static bool
add_count(void *arg, const struct history_count *c)
{
	struct rows *all = arg;
	const bool by_machine = all->ask->what.by & HISTORY_BY_MACHINE;
	struct row row = {.from_ms = c->from_ms, .count = c->count};

	if (all->n == all->room) {
		const size_t room = all->room ? 2 * all->room : 256;
		struct row *list = realloc(all->list, room * sizeof *list);

		if (!list)
			return false;
		all->list = list;
		all->room = room;
	}
	row.type = all->ask->wide ? (struct slice){NULL, 0} : slice_in(&all->zone, c->type);
	row.source = slice_in(&all->zone, c->source);
	row.campaign = slice_in(&all->zone, c->campaign);
	row.domain = slice_in(&all->zone, c->domain);
	row.machine = by_machine && c->machine;
	if (all->ask->wide)
		stats_add_kind(row.kinds, c->type, c->machine, c->count);
	all->list[all->n++] = row;
	return true;
}

static int
by_key(const void *a, const void *b)
{
	return compare_keys(a, b);
}

static int
by_count(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->from_ms != y->from_ms)
		return x->from_ms < y->from_ms ? -1 : 1;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return compare_keys(x, y);
}

static void
put_together(struct rows *all)
{
	size_t n = 0;

	if (!all->n)
		return;
	qsort(all->list, all->n, sizeof *all->list, by_key);
	for (size_t i = 1; i < all->n; i++) {
		if (compare_keys(&all->list[n], &all->list[i]) != 0) {
			all->list[++n] = all->list[i];
			continue;
		}
		all->list[n].count += all->list[i].count;
		for (int k = 0; k < STATS_KINDS_N; k++)
			all->list[n].kinds[k] += all->list[i].kinds[k];
	}
	all->n = n + 1;
	qsort(all->list, all->n, sizeof *all->list, by_count);
}

/* ---- told ---- */

static void
put_rate(struct map *m, const char *name, uint64_t part, uint64_t all)
{
	/* To a ten-thousandth. */
	const uint64_t parts = all ? (part * 10000 + all / 2) / all : 0;

	map_put(m, name,
		(msgpack_object){.type = all ? MSGPACK_OBJECT_FLOAT64 : MSGPACK_OBJECT_NIL,
			.via.f64 = (double)parts / 10000});
}

static void
put_kinds(struct map *m, const uint64_t *k)
{
	const uint64_t DELIVERED = k[STATS_delivered];
	const uint64_t ENDED = DELIVERED + k[STATS_bounced] + k[STATS_blocked] + k[STATS_rejected];

#define PUT_KIND(name) map_uint(m, #name, k[STATS_##name]);
	STATS_KINDS(PUT_KIND)
#define PUT_RATE(name, part, all) put_rate(m, #name, k[STATS_##part], all);
	STATS_RATES(PUT_RATE)
}

static msgpack_object
row_object(const struct stats_ask *ask, const struct row *row, msgpack_zone *zone)
{
	struct map m = map_in(zone);

	if (!ask->what.whole)
		map_time(&m, "time", row->from_ms);
	if (ask->what.by & HISTORY_BY_TYPE)
		map_text(&m, "event_type", row->type);
	if (ask->what.by & HISTORY_BY_SOURCE)
		map_text(&m, "source", row->source);
	if (ask->what.by & HISTORY_BY_CAMPAIGN)
		map_text(&m, "campaign", row->campaign);
	if (ask->what.by & HISTORY_BY_DOMAIN)
		map_text(&m, "domain", row->domain);
	if (ask->what.by & HISTORY_BY_MACHINE)
		map_bool(&m, "machine", row->machine);
	map_uint(&m, "count", row->count);
	if (ask->wide)
		put_kinds(&m, row->kinds);
	return map_object(&m);
}

static void
tell_all(const struct rows *all, stats_visit *fn, void *arg, struct stats_told *told)
{
	const uint64_t limit = all->ask->limit ? all->ask->limit : all->n;
	msgpack_zone zone;
	bool more = true;

	msgpack_zone_init(&zone, ZONE_BYTES);
	told->left_out = all->n > limit ? all->n - limit : 0;
	for (size_t i = 0; more && i < all->n && i < limit; i++) {
		const msgpack_object row = row_object(all->ask, &all->list[i], &zone);

		more = fn(arg, &row);
		told->rows++;
		msgpack_zone_clear(&zone);
	}
	msgpack_zone_destroy(&zone);
}

enum ops_found
stats_each(struct history_view *view, const struct stats_ask *ask, stats_visit *fn, void *arg,
	struct stats_told *told, struct error *why)
{
	struct rows all = {.ask = ask};
	struct history_stats what = ask->what;
	bool good;

	if (ask->wide)
		what.by |= HISTORY_BY_TYPE | HISTORY_BY_MACHINE;
	*told = (struct stats_told){.rows = 0};
	msgpack_zone_init(&all.zone, ZONE_BYTES);
	good = history_count(view, &what, add_count, &all, &told->damaged, why);
	put_together(&all);
	if (good)
		tell_all(&all, fn, arg, told);
	free(all.list);
	msgpack_zone_destroy(&all.zone);
	return good ? OPS_FOUND : OPS_TROUBLE;
}

static bool
add_row(void *arg, const msgpack_object *row)
{
	struct list *rows = arg;
	struct map m = map_in(rows->zone);

	for (uint32_t i = 0; i < row->via.map.size; i++) {
		const msgpack_object_kv *kv = &row->via.map.ptr[i];
		msgpack_object value = kv->val;

		if (value.type == MSGPACK_OBJECT_STR)
			value = object_of_text(slice_in(rows->zone, object_str(&value)));
		map_put(&m, kv->key.via.str.ptr, value);
	}
	list_add(rows, map_object(&m));
	return !m.short_of_memory && !rows->short_of_memory;
}

enum ops_found
stats_answer(struct history_view *view, const struct stats_ask *ask, msgpack_zone *zone,
	msgpack_object *out, struct error *why)
{
	struct list rows = list_in(zone);
	struct map m = map_in(zone);
	struct stats_told told;
	enum ops_found found = stats_each(view, ask, add_row, &rows, &told, why);

	if (found != OPS_FOUND)
		return found;
	map_time(&m, "since", ask->what.since_ms);
	map_time(&m, "until", ask->what.until_ms);
	map_text(&m, "span", slice_of(stats_span_name(ask->what.span)));
	map_put(&m, "rows", list_object(&rows));
	map_uint(&m, "left_out", told.left_out);
	map_uint(&m, "damaged_files", told.damaged);
	*out = map_object(&m);
	return OPS_FOUND;
}
