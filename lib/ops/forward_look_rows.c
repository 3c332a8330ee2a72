/* forward_look_rows - attempts, dead letters and replays, one after the other; see forward_look.h. */
#include "forward_look.h"
#include "forward_rows.h"

enum { ZONE_BYTES = 4096, PACE_ATTEMPTS = 1000 };

/* ---- one after the other ---- */

struct walk {
	forward_look_visit *fn;
	void *arg;
	uint64_t id; /* of a replay; 0: all */
	bool whole, short_of_memory;
	size_t shown;
};

static bool
give(struct walk *w, bool made, const msgpack_object *row)
{
	w->short_of_memory = !made;
	w->shown += made;
	return made && w->fn(w->arg, row);
}

static bool
give_attempt(void *arg, const struct forward_attempt *attempt)
{
	msgpack_object row;
	msgpack_zone zone;
	bool more;

	msgpack_zone_init(&zone, ZONE_BYTES);
	more = give(arg, forward_attempt_object(attempt, &zone, &row), &row);
	msgpack_zone_destroy(&zone);
	return more;
}

static bool
give_letter(void *arg, const struct forward_letter *letter)
{
	const struct walk *w = arg;
	msgpack_object row;
	msgpack_zone zone;
	bool more;

	msgpack_zone_init(&zone, ZONE_BYTES);
	more = give(arg, forward_letter_object(letter, w->whole, &zone, &row), &row);
	msgpack_zone_destroy(&zone);
	return more;
}

static bool
give_job(void *arg, const struct forward_job *job)
{
	const struct walk *w = arg;
	msgpack_object row;
	msgpack_zone zone;
	bool more;

	if (w->id && w->id != job->id)
		return true;
	msgpack_zone_init(&zone, ZONE_BYTES);
	more = give(arg, forward_job_object(job, &zone, &row), &row);
	msgpack_zone_destroy(&zone);
	return more;
}

static enum ops_found
end(const struct walk *w, bool good, struct error *why)
{
	if (w->short_of_memory)
		good = error_set(why, "out of memory");
	return good ? OPS_FOUND : OPS_TROUBLE;
}

enum ops_found
forward_look_attempts(struct forward_look *l, const char *name, const char *id, uint64_t most,
	forward_look_visit *fn, void *arg, struct error *why)
{
	struct walk w = {.fn = fn, .arg = arg};
	bool kept;
	const enum ops_found found = forward_look_name(l, name, &kept, why);

	if (found != OPS_FOUND || !kept)
		return found;
	return end(&w,
		forward_attempts(l->store, name, slice_of(id), 0, most, give_attempt, &w, why),
		why);
}

enum ops_found
forward_look_letters(struct forward_look *l, const char *name, uint64_t most, bool whole,
	forward_look_visit *fn, void *arg, struct error *why)
{
	struct walk w = {.fn = fn, .arg = arg, .whole = whole};
	bool kept;
	const enum ops_found found = forward_look_name(l, name, &kept, why);

	if (found != OPS_FOUND || !kept)
		return found;
	return end(&w, forward_letters(l->store, name, 0, most, give_letter, &w, why), why);
}

static enum ops_found
no_letter(const char *name, const char *which, struct error *why)
{
	error_set(why, "%s has no dead letter %.80s", name, which);
	return OPS_NOT_FOUND;
}

enum ops_found
forward_look_letter(struct forward_look *l, const char *name, const char *which,
	forward_look_visit *fn, void *arg, struct error *why)
{
	struct walk w = {.fn = fn, .arg = arg, .whole = true};
	bool kept, there = false, good;
	const enum ops_found found = forward_look_name(l, name, &kept, why);

	if (found != OPS_FOUND)
		return found;
	good = !kept ||
	       forward_letter(l->store, name, slice_of(which), give_letter, &w, &there, why);
	return good && !there ? no_letter(name, which, why) : end(&w, good, why);
}

enum ops_found
forward_look_jobs(
	struct forward_look *l, uint64_t id, forward_look_visit *fn, void *arg, struct error *why)
{
	struct walk w = {.fn = fn, .arg = arg, .id = id};
	const bool good = !l->store || forward_jobs(l->store, NULL, give_job, &w, why);

	if (!good || w.short_of_memory)
		return end(&w, good, why);
	if (!id || w.shown)
		return OPS_FOUND;
	error_set(why, "there is no replay %llu", (unsigned long long)id);
	return OPS_NOT_FOUND;
}

/* ---- pace ---- */

struct pace {
	uint64_t n, took_us;
};

static bool
add_pace(void *arg, const struct forward_attempt *attempt)
{
	struct pace *pace = arg;

	if (attempt->status >= 200 && attempt->status < 300) {
		pace->n++;
		pace->took_us += attempt->took_us;
	}
	return true;
}

/* As many requests at once as it may have, each as long as they took lately. */
uint64_t
forward_look_pace(struct forward_look *l, const char *name)
{
	const struct config_forward *own = config_forward_find(l->cfg, name);
	struct pace pace = {.n = 0};
	uint64_t rate;

	if (!own || !l->store ||
		!forward_attempts(l->store, name, (struct slice){NULL, 0}, 0, PACE_ATTEMPTS,
			add_pace, &pace, NULL) ||
		!pace.took_us)
		return 0;
	rate = pace.n * 1000000 * own->concurrency / pace.took_us;
	rate = rate ? rate : 1;
	return own->rate && own->rate < rate ? own->rate : rate;
}
