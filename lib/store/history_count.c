/* history_count - counts for who asks: from the roll-ups, and from the events that are not in them yet,
 * as of one moment. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "history_look_private.h"
#include "history_roll.h"
#include "lib/base/clock.h"

enum { ROWS_MOST = 100000, SQL_ROOM = 1024, LOOK_STEPS = 1000 };

/* One question under way. */
struct counting {
	struct history_view *v;
	const struct history_stats *what;
	struct sums sums;
	struct words words; /* of the answer */
	uint64_t low, end;  /* buckets */
	uint64_t rolled;
	size_t damaged;
	uint64_t until_us; /* monotonic; UINT64_MAX: no end */
	struct error *why;
};

static struct slice
pattern_of(const struct history_stats *what, int i)
{
	return i == SUM_TYPE ? what->type : i == SUM_SOURCE ? what->source : what->campaign;
}

static bool
takes(const struct counting *c, int i, struct slice text)
{
	return pattern_matches(pattern_of(c->what, i), text);
}

static bool
overflow(struct counting *c)
{
	return error_set(c->why,
		"these are more than %zu counts: ask for a shorter time, longer spans or fewer columns",
		c->sums.most);
}

static int
is_over(void *arg)
{
	const struct counting *c = arg;

	return clock_mono_us() >= c->until_us;
}

static bool
too_long(struct counting *c)
{
	return error_set(c->why, "this takes too long: ask for a shorter time or longer spans");
}

/* Adds a count whose words are still texts. */
static bool
add(struct counting *c, uint64_t bucket, const struct slice text[SUM_WORDS], uint8_t domain,
	bool machine, uint64_t n)
{
	struct sum_key key = {.bucket = c->what->whole ? c->low : bucket};

	if (bucket < c->low || bucket >= c->end ||
		(c->what->machine && c->what->machine != (machine ? 1 : -1)))
		return true;
	for (int i = 0; i < SUM_WORDS; i++) {
		if (!takes(c, i, text[i]))
			return true;
		if (text[i].p && (c->what->by & 1U << i) &&
			!(key.word[i] = words_add(&c->words, (enum word_kind)i, text[i])))
			return error_set(c->why, "out of memory");
	}
	key.domain = c->what->by & HISTORY_BY_DOMAIN ? domain : 0;
	key.machine = c->what->by & HISTORY_BY_MACHINE ? machine : 0;
	return sums_add(&c->sums, &key, n) || overflow(c);
}

/* ---- rolled up ---- */

static struct slice
text_of(sqlite3_stmt *stmt, int column)
{
	const char *text = sqlite3_column_blob(stmt, column);
	const bool absent = sqlite3_column_type(stmt, column) == SQLITE_NULL;

	return absent ? (struct slice){NULL, 0}
		      : (struct slice){
				text ? text : "", (size_t)sqlite3_column_bytes(stmt, column)};
}

static bool
add_row(struct counting *c, sqlite3_stmt *stmt)
{
	const struct slice text[SUM_WORDS] = {text_of(stmt, 1), text_of(stmt, 2), text_of(stmt, 3)};

	return add(c, (uint64_t)sqlite3_column_int64(stmt, 0), text,
		(uint8_t)sqlite3_column_int(stmt, 4), sqlite3_column_int(stmt, 5),
		(uint64_t)sqlite3_column_int64(stmt, 6));
}

/* Columns that are neither asked for nor filtered by are summed by the engine. */
static sqlite3_stmt *
select_rows(struct counting *c, sqlite3 *db)
{
	static const char *const columns[SUM_WORDS] = {"type", "source", "campaign"};
	char sql[SQL_ROOM], by[256] = "bucket";
	const char *shown[SUM_WORDS];
	const bool domain = c->what->by & HISTORY_BY_DOMAIN;
	const bool machine = c->what->machine || (c->what->by & HISTORY_BY_MACHINE);

	for (int i = 0; i < SUM_WORDS; i++) {
		const bool wanted = (c->what->by & 1U << i) || pattern_of(c->what, i).p;

		shown[i] = wanted ? columns[i] : "NULL";
		if (wanted)
			strcat(strcat(by, ","), columns[i]);
	}
	strcat(by, domain ? ",domain" : "");
	strcat(by, machine ? ",machine" : "");
	snprintf(sql, sizeof sql,
		"SELECT bucket, (SELECT text FROM word WHERE id = %s),"
		" (SELECT text FROM word WHERE id = %s), (SELECT text FROM word WHERE id = %s),"
		" %s, %s, sum(n) FROM roll WHERE span = ? AND bucket >= ? AND bucket < ? GROUP BY %s",
		shown[0], shown[1], shown[2], domain ? "domain" : "0", machine ? "machine" : "0",
		by);
	return sql_prepare(db, sql, c->why);
}

static bool
add_rows(struct counting *c, sqlite3 *db)
{
	sqlite3_stmt *stmt = select_rows(c, db);
	bool good = stmt != NULL;
	int rc = SQLITE_DONE;

	if (!stmt)
		return false;
	sqlite3_bind_int(stmt, 1, (int)c->what->span);
	sqlite3_bind_int64(stmt, 2, (int64_t)c->low);
	sqlite3_bind_int64(stmt, 3, c->end > INT64_MAX ? INT64_MAX : (int64_t)c->end);
	while (good && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		good = add_row(c, stmt);
	if (good && rc == SQLITE_INTERRUPT)
		good = too_long(c);
	else if (good && rc != SQLITE_DONE)
		good = sql_fail(db, "reading counts", c->why);
	sqlite3_finalize(stmt);
	return good;
}

/* All of one moment: what is rolled up, and up to which number. */
static bool
add_rolled(struct counting *c)
{
	char path[PATH_ROOM];
	sqlite3 *db;
	int64_t rolled;
	bool good;

	snprintf(path, sizeof path, "%s/catalogue.db", c->v->folder);
	if (access(path, F_OK) != 0)
		return true;
	db = sql_open(path, SQL_WATCH, c->why);
	if (!db)
		return false;
	sqlite3_progress_handler(db, LOOK_STEPS, is_over, c);
	good = sql_exec(db, "BEGIN", c->why);
	rolled = sql_number(db, "SELECT rolled FROM meta");
	if (good && rolled >= 0) {
		c->rolled = (uint64_t)rolled;
		good = add_rows(c, db);
	}
	sqlite3_close(db);
	return good;
}

/* ---- not rolled up yet ---- */

static bool
add_event(struct counting *c, const struct segment *s, const struct key *key)
{
	const struct sum_key k = roll_key(key, (enum roll_span)c->what->span);
	struct slice text[SUM_WORDS];

	for (int i = 0; i < SUM_WORDS; i++)
		text[i] = words_text(&s->words, k.word[i]);
	return add(c, k.bucket, text, k.domain, k.machine, 1);
}

/* Has the one who writes met words since? */
static bool
lacks_words(const struct segment *s)
{
	for (uint32_t i = 0; i < s->block.n; i++)
		for (int kind = 0; kind < WORD_KINDS; kind++)
			if (s->block.keys[i].word[kind] > s->words.n)
				return true;
	return false;
}

/* False: the answer is over. What cannot be read is counted in `damaged`. */
static bool
add_segment(struct counting *c, struct segment *s)
{
	uint64_t pos = c->rolled + 1 > s->name.first ? c->rolled + 1 : s->name.first;
	enum block_found found;

	while ((found = segment_block_from(s, pos, c->why)) == BLOCK_FOUND) {
		const uint64_t first = s->block.first;

		if (is_over(c))
			return too_long(c);
		if (lacks_words(s) && !segment_more_words(s, c->why))
			return false;
		for (uint32_t i = pos > first ? (uint32_t)(pos - first) : 0; i < s->block.n; i++)
			if (!add_event(c, s, &s->block.keys[i]))
				return false;
		pos = first + s->block.n;
	}
	c->damaged += found == BLOCK_FAILED;
	return true;
}

/* Of one that was sealed meanwhile nothing is counted: the roll-ups are asked first, and numbers
 * behind `rolled` stay where they are or move to a file of another name. */
static bool
add_live(struct counting *c, bool *again)
{
	bool good = view_list(c->v, c->why);

	*again = false;
	for (size_t i = 0; good && !*again && i < c->v->names.n; i++) {
		const struct segment_name *name = &c->v->names.list[i];
		struct segment *s;
		char path[PATH_ROOM];

		if (name->last && name->last <= c->rolled)
			continue;
		s = segment_open(c->v->folder, name, name->last ? SQL_SEALED : SQL_WATCH, c->why);
		if (s)
			good = add_segment(c, s);
		else if (access(name_path(c->v->folder, name, path), F_OK) != 0)
			*again = true;
		else
			c->damaged++;
		segment_close(&s);
	}
	return good;
}

static void
begin_anew(struct counting *c)
{
	sums_free(&c->sums);
	words_free(&c->words);
	c->rolled = c->damaged = 0;
}

static bool
count_all(struct counting *c)
{
	bool again = true;

	for (int tries = 0; again && tries < 5; tries++) {
		begin_anew(c);
		if (!add_rolled(c) || !add_live(c, &again))
			return false;
	}
	return !again || error_set(c->why, "history: its files change too fast");
}

/* ---- the answer ---- */

static int
by_time(const void *a, const void *b)
{
	const struct sum_row *x = a, *y = b;

	if (x->key.bucket != y->key.bucket)
		return x->key.bucket < y->key.bucket ? -1 : 1;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	if (x->key.domain != y->key.domain)
		return x->key.domain < y->key.domain ? -1 : 1;
	if (x->key.machine != y->key.machine)
		return x->key.machine < y->key.machine ? -1 : 1;
	return memcmp(x->key.word, y->key.word, sizeof x->key.word);
}

static bool
tell(const struct counting *c, const struct sum_row *row, history_visit_count *fn, void *arg)
{
	const struct sum_key *key = &row->key;
	const char *domain = domain_class_name(key->domain);
	const struct history_count count = {
		.from_ms = key->bucket * roll_span_ms[c->what->span],
		.type = words_text(&c->words, key->word[SUM_TYPE]),
		.source = words_text(&c->words, key->word[SUM_SOURCE]),
		.campaign = words_text(&c->words, key->word[SUM_CAMPAIGN]),
		.domain = slice_of(domain),
		.machine = key->machine,
		.count = row->count,
	};

	return fn(arg, &count);
}

static bool
check(const struct history_stats *what, struct error *why)
{
	if (what->span == HISTORY_MINUTE &&
		((what->by & (HISTORY_BY_CAMPAIGN | HISTORY_BY_DOMAIN)) || what->campaign.p))
		return error_set(why, "minutes know no campaign and no domain: ask by hour or day");
	return !what->until_ms || what->since_ms < what->until_ms ||
	       error_set(why, "the end of the time asked for is not after its beginning");
}

bool
history_count(struct history_view *v, const struct history_stats *what, history_visit_count *fn,
	void *arg, size_t *damaged, struct error *why)
{
	const uint64_t span = roll_span_ms[what->span];
	struct counting c = {.v = v, .what = what, .why = why, .low = what->since_ms / span};
	bool good;

	if (!check(what, why))
		return false;
	c.until_us = what->budget_us ? clock_mono_us() + what->budget_us : UINT64_MAX;
	c.end = what->until_ms ? (what->until_ms + span - 1) / span : UINT64_MAX;
	c.sums.most = what->most ? what->most : ROWS_MOST;
	good = count_all(&c);
	if (good && c.sums.n)
		qsort(c.sums.rows, c.sums.n, sizeof *c.sums.rows, by_time);
	for (size_t i = 0; good && i < c.sums.n && tell(&c, &c.sums.rows[i], fn, arg); i++)
		;
	if (damaged)
		*damaged = c.damaged;
	sums_free(&c.sums);
	words_free(&c.words);
	return good;
}
