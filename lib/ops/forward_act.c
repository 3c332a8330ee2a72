/* forward_act - see forward_act.h. */
#include "forward_act.h"

#include <stdio.h>

#include "forward_rows.h"
#include "lib/base/field.h"
#include "lib/config/advice.h"

enum { ATTEMPTS_MOST = 10000 };

/* It, in the store. */
static enum ops_found
kept_one(struct forward_look *l, const char *name, struct error *why)
{
	bool kept;
	const enum ops_found found = forward_look_name(l, name, &kept, why);

	if (found != OPS_FOUND || kept)
		return found;
	error_set(why,
		"destination %s has not been taken on yet: that is done by the stage forward, when it starts or is reloaded",
		name);
	return OPS_NOT_FOUND;
}

static enum ops_found
came_of(bool good)
{
	return good ? OPS_FOUND : OPS_TROUBLE;
}

enum ops_found
forward_act_pause(struct forward_look *l, const char *name, bool paused, struct error *why)
{
	const enum ops_found found = kept_one(l, name, why);
	bool there;

	return found == OPS_FOUND ? came_of(forward_pause(l->store, name, paused, &there, why))
				  : found;
}

enum ops_found
forward_act_enable(struct forward_look *l, const char *name, struct error *why)
{
	const enum ops_found found = kept_one(l, name, why);
	bool there;

	return found == OPS_FOUND ? came_of(forward_enable(l->store, name, &there, why)) : found;
}

enum ops_found
forward_act_forget(struct forward_look *l, const char *name, struct error *why)
{
	const enum ops_found found = kept_one(l, name, why);
	bool good;

	if (found != OPS_FOUND)
		return found;
	if (config_forward_find(l->cfg, name)) {
		error_set(why, "%s stands in %s: take it out there and reload first", name,
			l->cfg->path);
		return OPS_WRONG;
	}
	if (!forward_begin(l->store, why))
		return OPS_TROUBLE;
	good = forward_forget(l->store, name, why);
	if (!good)
		forward_rollback(l->store);
	return came_of(good && forward_commit(l->store, why) == STORE_OK);
}

/* ---- skipping ---- */

static bool
place_of(struct forward_look *l, const char *name, uint64_t to_ms, uint64_t *from, uint64_t *to,
	struct error *why)
{
	struct forward_destination d;
	bool there;

	if (!forward_find(l->store, name, &d, &there, why))
		return false;
	*from = d.next;
	*to = l->last + 1;
	return !l->view || history_number_at(l->view, to_ms, to, why);
}

enum ops_found
forward_act_skip(struct forward_look *l, const char *name, uint64_t to_ms, bool dry, uint64_t *from,
	uint64_t *to, struct error *why)
{
	const enum ops_found found = kept_one(l, name, why);
	char replay[ADVICE_BYTES];
	bool there;

	if (found != OPS_FOUND)
		return found;
	if (!place_of(l, name, to_ms, from, to, why))
		return OPS_TROUBLE;
	if (*to <= *from) {
		error_set(why, "%s is past that time already; %s sends something again", name,
			advice(ADVICE_REPLAY, name, l->cfg->path, replay));
		return OPS_WRONG;
	}
	return came_of(dry || forward_skip(l->store, name, *to, &there, why));
}

/* ---- keys ---- */

enum ops_found
forward_act_rotate(struct forward_look *l, const char *name, bool now, bool force,
	struct standard_keys_facts *facts, struct error *why)
{
	const struct config_forward *own = config_forward_find(l->cfg, name);
	const enum ops_found found = forward_look_name(l, name, NULL, why);
	struct standard_keys *keys;

	if (found != OPS_FOUND)
		return found;
	if (!own) {
		error_set(why, "%s is no longer in %s", name, l->cfg->path);
		return OPS_NOT_FOUND;
	}
	if (!standard_keys_rotate(
		    own->secrets_file, l->now_ms, now ? 0 : FORWARD_GRACE_MS, force, why) ||
		!(keys = standard_keys_read(own->secrets_file, why)))
		return OPS_TROUBLE;
	*facts = standard_keys_facts(keys, l->now_ms);
	standard_keys_destroy(&keys);
	return OPS_FOUND;
}

/* ---- tests ---- */

static bool
take_pos(void *arg, const struct history_event *event)
{
	*(uint64_t *)arg = event->pos;
	return false;
}

static enum ops_found
pos_of(struct forward_look *l, const char *event, uint64_t *pos, struct error *why)
{
	const struct history_filter filter = {.id = slice_of(event)};
	struct history_look look = {.most = 1};
	struct history_query *q;
	bool good;

	if (!l->view)
		error_set(why, "there is no history yet");
	q = l->view ? history_query(l->view, &filter, why) : NULL;
	if (!q)
		return OPS_WRONG;
	good = history_find(l->view, q, &look, take_pos, pos, why);
	history_query_free(&q);
	if (!good || *pos)
		return came_of(good);
	error_set(why, "the history has no event %.80s", event);
	return OPS_NOT_FOUND;
}

enum ops_found
forward_act_ask(struct forward_look *l, const char *name, const char *event, uint64_t *ask,
	struct error *why)
{
	enum ops_found found = kept_one(l, name, why);
	uint64_t pos = 0;

	if (found == OPS_FOUND && event)
		found = pos_of(l, event, &pos, why);
	return found == OPS_FOUND ? came_of(forward_ask(l->store, name, pos, ask, why)) : found;
}

struct awaited {
	uint64_t ask;
	msgpack_zone *zone;
	msgpack_object *out;
	bool found, good;
};

static bool
take_answer(void *arg, const struct forward_attempt *attempt)
{
	struct awaited *a = arg;

	if (attempt->ask != a->ask)
		return true;
	a->found = true;
	a->good = forward_attempt_object(attempt, a->zone, a->out);
	return false;
}

enum ops_found
forward_act_answer(struct forward_look *l, const char *name, uint64_t ask, msgpack_zone *zone,
	msgpack_object *out, struct error *why)
{
	struct awaited a = {.ask = ask, .zone = zone, .out = out, .good = true};

	if (!forward_attempts(l->store, name, (struct slice){NULL, 0}, 0, ATTEMPTS_MOST,
		    take_answer, &a, why))
		return OPS_TROUBLE;
	if (!a.good)
		error_set(why, "out of memory");
	return !a.good ? OPS_TROUBLE : a.found ? OPS_FOUND : OPS_NOT_FOUND;
}

void
forward_act_withdraw(struct forward_look *l, uint64_t ask)
{
	forward_answered(l->store, ask, NULL);
}

/* ---- dead letters, replays ---- */

static bool
take_number(void *arg, const msgpack_object *row)
{
	field_int(row, "number", arg);
	return false;
}

enum ops_found
forward_act_letters(struct forward_look *l, const char *name, const char *which, bool drop,
	uint64_t *n, struct error *why)
{
	enum ops_found found = kept_one(l, name, why);
	int64_t number = 0;

	*n = 0;
	if (found == OPS_FOUND && which)
		found = forward_look_letter(l, name, which, take_number, &number, why);
	if (found != OPS_FOUND)
		return found;
	return came_of(drop ? forward_letters_drop(l->store, name, (uint64_t)number, n, why)
			    : forward_letters_replay(l->store, name, (uint64_t)number, n, why));
}

enum ops_found
forward_act_job(
	struct forward_look *l, uint64_t id, enum forward_job_state state, struct error *why)
{
	bool found = false;

	if (l->store && !forward_job_state(l->store, id, state, &found, why))
		return found ? OPS_WRONG : OPS_TROUBLE;
	if (found)
		return OPS_FOUND;
	error_set(why, "there is no replay %llu", (unsigned long long)id);
	return OPS_NOT_FOUND;
}
