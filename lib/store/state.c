/* state - the door of state.h: which engine stands behind it, and each question handed on to it. */
#include "state.h"

#include <stdlib.h>

#include "state_private.h"

static const struct state_engine *const engines[] = {
	[DATABASE_SQLITE] = &state_sqlite, [DATABASE_POSTGRESQL] = &state_postgres};

static struct state *
new_state(const struct config *cfg, struct error *why)
{
	struct state *s = calloc(1, sizeof *s);

	if (s)
		s->engine = engines[cfg->database.kind];
	else
		error_set(why, "out of memory");
	return s;
}

/* Without a database behind it there is no door. */
static struct state *
opened(struct state *s)
{
	if (s->db)
		return s;
	free(s);
	return NULL;
}

struct state *
state_start(const struct config *cfg, struct error *why)
{
	struct state *s = new_state(cfg, why);

	if (!s)
		return NULL;
	s->db = s->engine->start(cfg, why);
	return opened(s);
}

struct state *
state_open(const struct config *cfg, struct error *why)
{
	struct state *s = state_start(cfg, why);

	if (s && !state_is_open(s))
		state_close(&s);
	return s;
}

struct state *
state_watch(const struct config *cfg, bool *exists, struct error *why)
{
	struct state *s = new_state(cfg, why);

	*exists = true;
	if (!s)
		return NULL;
	s->db = s->engine->watch(cfg, exists, why);
	return opened(s);
}

void
state_close(struct state **state)
{
	struct state *s = *state;

	if (!s)
		return;
	s->engine->close(&s->db);
	free(s);
	*state = NULL;
}

const char *
state_name(const struct state *s)
{
	return s->engine->name;
}

bool
state_is_open(const struct state *s)
{
	return s->engine->is_open(s->db);
}

bool
state_begin(struct state *s, struct error *why)
{
	return s->engine->begin(s->db, why);
}

bool
state_commit(struct state *s, struct error *why)
{
	return s->engine->commit(s->db, why);
}

void
state_rollback(struct state *s)
{
	s->engine->rollback(s->db);
}

bool
state_restart(struct state *s, struct error *why)
{
	return s->engine->restart(s->db, why);
}

bool
state_lost(const struct state *s)
{
	return s->engine->lost(s->db);
}

enum state_failure
state_failure(const struct state *s)
{
	return s->engine->failure(s->db);
}

void
state_expect(struct state *s, const struct state_event_key *keys, size_t n)
{
	s->engine->expect(s->db, keys, n);
}

bool
state_enter(struct state *s, const struct state_event_key *keys, size_t n, uint64_t now_ms,
	enum state_event *entered, struct error *why)
{
	return s->engine->enter(s->db, keys, n, now_ms, entered, why);
}

enum state_event
state_event_enter(
	struct state *s, const struct state_event_key *key, uint64_t now_ms, struct error *why)
{
	enum state_event entered;

	return state_enter(s, key, 1, now_ms, &entered, why) ? entered : STATE_FAILED;
}

enum state_event
state_event_begin(
	struct state *s, const struct state_event_key *key, uint64_t now_ms, struct error *why)
{
	return s->engine->event_begin(s->db, key, now_ms, why);
}

bool
state_event_keep(struct state *s, struct error *why)
{
	return s->engine->event_keep(s->db, why);
}

void
state_event_undo(struct state *s)
{
	s->engine->event_undo(s->db);
}

bool
state_forget(struct state *s, uint64_t before_ms, size_t limit, struct error *why)
{
	return s->engine->forget(s->db, before_ms, limit, why);
}

bool
state_run(struct state *s, enum statement which, const struct state_value *values, size_t n,
	struct error *why)
{
	return s->engine->run(s->db, which, values, n, why);
}

enum state_row
state_get(struct state *s, enum statement which, const struct state_value *values, size_t n,
	struct state_cell *cells, size_t columns, struct error *why)
{
	return s->engine->get(s->db, which, values, n, cells, columns, why);
}

bool
state_each(struct state *s, enum statement which, const struct state_value *values, size_t n,
	size_t columns, state_visit *fn, void *arg, struct error *why)
{
	return s->engine->each(s->db, which, values, n, columns, fn, arg, why);
}

void
state_on_wait(struct state *s, state_waits *fn, void *arg)
{
	s->engine->on_wait(s->db, fn, arg);
}

void
state_sizes(const struct state *s, uint64_t *file, uint64_t *log)
{
	s->engine->sizes(s->db, file, log);
}

enum store_cause
state_cause(const struct state *s)
{
	return s->engine->cause(s->db);
}

bool
state_look(struct state *s, struct error *why)
{
	return s->engine->look(s->db, why);
}

enum store_cause
state_news(struct state *s, bool *lost)
{
	return s->engine->news(s->db, lost);
}

uint64_t
state_lost_ms(const struct state *s)
{
	return s->engine->lost_ms(s->db);
}

void
state_look_until(struct state *s, uint64_t end_ms)
{
	s->engine->look_until(s->db, end_ms);
}

bool
state_applied_at(struct state *s, struct slice journal, uint64_t seq, uint64_t *at_ms)
{
	return s->engine->applied_at(s->db, journal, seq, at_ms) == STATE_ROW;
}

bool
state_applied(struct state *s, struct slice journal, uint64_t seq)
{
	return state_holds(s, journal, seq) == STATE_ROW;
}

enum state_row
state_holds(struct state *s, struct slice journal, uint64_t seq)
{
	uint64_t at_ms;

	return s->engine->applied_at(s->db, journal, seq, &at_ms);
}

bool
state_newest(struct state *s, struct slice journal, uint64_t *seq)
{
	return s->engine->newest(s->db, journal, seq);
}

bool
state_each_applied(
	struct state *s, struct slice journal, state_visit *fn, void *arg, struct error *why)
{
	return s->engine->each_applied(s->db, journal, fn, arg, why);
}

bool
state_each_marked(struct state *s, int64_t mark, state_visit *fn, void *arg, struct error *why)
{
	return s->engine->each_marked(s->db, mark, fn, arg, why);
}

bool
state_check(struct state *s, state_fault *fn, void *arg)
{
	return s->engine->check(s->db, fn, arg);
}

/* FNV-1a, which needs no key: it tells events apart that share a number, not attackers. */
static uint64_t
hash_on(uint64_t hash, struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		hash = (hash ^ (unsigned char)s.p[i]) * 0x100000001b3U;
	return (hash ^ 0xff) * 0x100000001b3U;
}

int64_t
state_mark(struct slice source, struct slice id)
{
	return (int64_t)hash_on(hash_on(0xcbf29ce484222325U, source), id);
}
