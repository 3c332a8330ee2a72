/* agree - see agree.h. */
#include "agree.h"

#include "lib/base/clock.h"
#include "lib/store/state.h"
#include "proto/origin.h"
#include "proto/types.h"

static const uint64_t REMEMBERED_MS = UINT64_C(29) * 86400 * 1000; /* of the 30 days of `applied` */

/* What was done last: a ring of numbers. */
struct last {
	const struct config *cfg;
	struct slice journal;
	uint64_t from_ms; /* state.db may have forgotten older ones */
	uint64_t seqs[AGREE_LOOKS];
	size_t n;
};

static bool
is_built_in(const char *handler)
{
	for (size_t i = 0; i < event_types_count; i++)
		if (strcmp(event_types[i].handler, handler) == 0)
			return true;
	return false;
}

/* Whose effects stand in state.db: a handler of ours that `up` starts. */
static bool
is_ours(const struct config *cfg, struct slice handler)
{
	for (size_t i = 0; i < cfg->handlers_count; i++) {
		const struct config_handler *h = &cfg->handlers[i];

		if (slice_is(handler, h->name))
			return h->processes > 0 &&
			       (i == cfg->handler_unknown || is_built_in(h->name));
	}
	return false;
}

static bool
take(void *arg, const struct ended_row *row)
{
	struct last *last = arg;
	struct origin origin;

	if (row->ended_ms >= last->from_ms && is_ours(last->cfg, row->handler) &&
		origin_of_frame(row->head, &origin) && slice_eq(origin.journal, last->journal))
		last->seqs[last->n++ % AGREE_LOOKS] = origin.seq;
	return true;
}

/* How many of them are not in; false when that cannot be told. */
static bool
count_missing(const struct last *last, struct state *db, size_t n, size_t *missing)
{
	*missing = db ? 0 : n;
	for (size_t i = 0; db && i < n; i++) {
		const enum state_row row = state_holds(db, last->journal, last->seqs[i]);

		if (row == STATE_ROW_FAILED)
			return false;
		*missing += row == STATE_NO_ROW;
	}
	return true;
}

/* The journal's newest number, read behind state.db's: nothing is applied that is not in the journal. */
static enum store_cause
compare(const struct last *last, struct state *db, struct journal *j, struct error *why)
{
	const size_t n = last->n < AGREE_LOOKS ? last->n : AGREE_LOOKS;
	struct journal_stat st;
	uint64_t applied = 0;
	size_t missing;

	if ((db && !state_newest(db, last->journal, &applied)) ||
		!count_missing(last, db, n, &missing) || !journal_read_begin(j, NULL))
		return CAUSE_NONE;
	journal_stat(j, &st);
	journal_read_end(j);
	if (missing > 0) {
		error_set(
			why, "%zu of the last %zu events that were done are not in it", missing, n);
		return CAUSE_BEHIND;
	}
	if (st.last_seq == 0 || applied <= st.last_seq) /* 0: all of them are forgotten */
		return CAUSE_NONE;
	error_set(why, "it has event %llu, the journal's newest is %llu",
		(unsigned long long)applied, (unsigned long long)st.last_seq);
	return CAUSE_AHEAD;
}

enum store_cause
stores_agree(const struct config *cfg, struct journal *j, struct error *why)
{
	struct last last = {
		.cfg = cfg, .journal = journal_id(j), .from_ms = clock_wall_ms() - REMEMBERED_MS};
	enum store_cause cause;
	bool exists;
	struct state *db;

	journal_each_ended(j, take, &last);
	db = state_watch(cfg, &exists, why);
	if (!db && exists)
		return CAUSE_NONE; /* its handlers say what is wrong with it */
	if (db)                    /* a server may hang, and who asks is at its start */
		state_look_until(db, clock_mono_ms() + cfg->database.timeout_ms);
	cause = compare(&last, db, j, why);
	state_close(&db);
	return cause;
}
