/* forward_look_rows - attempts, dead letters and replays, one after the other; see forward_look.h.
 *
 * They are read a page at a time, which is given on when the store is let go of again: who takes them slowly, such as
 * a pipe, holds up neither the stage nor the end of the store's log. */
#include "forward_look.h"
#include "forward_rows.h"

enum { ZONE_BYTES = 4096, PACE_ATTEMPTS = 1000, PAGE = 16 };

/* ---- a page ---- */

struct page {
	struct forward_look *l;
	const char *name, *event; /* event: of attempts; NULL: of all */
	bool whole;
	uint64_t id; /* of a replay; 0: all */
	struct list rows;
	uint64_t last; /* the number of the last row */
};

static bool
keep(struct page *p, bool made, const msgpack_object *row, uint64_t number)
{
	p->last = number;
	p->rows.short_of_memory |= !made;
	if (made)
		list_add(&p->rows, *row);
	return !p->rows.short_of_memory;
}

static bool
keep_attempt(void *arg, const struct forward_attempt *attempt)
{
	struct page *p = arg;
	msgpack_object row;

	return keep(p, forward_attempt_object(attempt, p->rows.zone, &row), &row, attempt->number);
}

static bool
keep_letter(void *arg, const struct forward_letter *letter)
{
	struct page *p = arg;
	msgpack_object row;

	return keep(p, forward_letter_object(letter, p->whole, p->rows.zone, &row), &row,
		letter->number);
}

static bool
keep_job(void *arg, const struct forward_job *job)
{
	struct page *p = arg;
	msgpack_object row;

	return (p->id && p->id != job->id) ||
	       keep(p, forward_job_object(job, p->rows.zone, &row), &row, job->id);
}

static bool
read_attempts(struct page *p, uint64_t below, size_t most, struct error *why)
{
	return forward_attempts(
		p->l->store, p->name, slice_of(p->event), below, most, keep_attempt, p, why);
}

static bool
read_letters(struct page *p, uint64_t below, size_t most, struct error *why)
{
	return forward_letters(p->l->store, p->name, below, most, keep_letter, p, why);
}

/* ---- page by page ---- */

typedef bool read_page(struct page *p, uint64_t below, size_t most, struct error *why);

/* *more: fn wants more, and there may be more. */
static enum ops_found
give_page(struct page *p, read_page *read, size_t most, forward_look_visit *fn, void *arg,
	bool *more, struct error *why)
{
	msgpack_zone zone;
	bool good;

	msgpack_zone_init(&zone, ZONE_BYTES);
	p->rows = list_in(&zone);
	good = read(p, p->last, most, why);
	if (p->rows.short_of_memory)
		good = error_set(why, "out of memory");
	*more = good;
	for (uint32_t i = 0; *more && i < p->rows.n; i++)
		*more = fn(arg, &p->rows.items[i]);
	*more &= p->rows.n == most;
	msgpack_zone_destroy(&zone);
	return good ? OPS_FOUND : OPS_TROUBLE;
}

static enum ops_found
give_all(struct page *p, read_page *read, uint64_t most, forward_look_visit *fn, void *arg,
	struct error *why)
{
	bool more, kept;
	enum ops_found found = forward_look_name(p->l, p->name, &kept, why);

	for (more = kept; found == OPS_FOUND && more && most; most -= PAGE < most ? PAGE : most)
		found = give_page(p, read, PAGE < most ? PAGE : most, fn, arg, &more, why);
	return found;
}

enum ops_found
forward_look_attempts(struct forward_look *l, const char *name, const char *id, uint64_t most,
	forward_look_visit *fn, void *arg, struct error *why)
{
	struct page p = {.l = l, .name = name, .event = id};

	return give_all(&p, read_attempts, most, fn, arg, why);
}

enum ops_found
forward_look_letters(struct forward_look *l, const char *name, uint64_t most, bool whole,
	forward_look_visit *fn, void *arg, struct error *why)
{
	struct page p = {.l = l, .name = name, .whole = whole};

	return give_all(&p, read_letters, most, fn, arg, why);
}

/* ---- one, or all at once ---- */

static bool
read_letter(struct page *p, uint64_t below, size_t most, struct error *why)
{
	bool there;

	(void)below, (void)most;
	return forward_letter(
		p->l->store, p->name, slice_of(p->event), keep_letter, p, &there, why);
}

static bool
read_jobs(struct page *p, uint64_t below, size_t most, struct error *why)
{
	(void)below, (void)most;
	return forward_jobs(p->l->store, NULL, keep_job, p, why);
}

enum ops_found
forward_look_letter(struct forward_look *l, const char *name, const char *which,
	forward_look_visit *fn, void *arg, struct error *why)
{
	struct page p = {.l = l, .name = name, .event = which, .whole = true};
	bool kept, more;
	enum ops_found found = forward_look_name(l, name, &kept, why);

	if (found == OPS_FOUND && kept)
		found = give_page(&p, read_letter, 1, fn, arg, &more, why);
	if (found != OPS_FOUND || p.last)
		return found;
	error_set(why, "%s has no dead letter %.80s", name, which);
	return OPS_NOT_FOUND;
}

enum ops_found
forward_look_jobs(
	struct forward_look *l, uint64_t id, forward_look_visit *fn, void *arg, struct error *why)
{
	struct page p = {.l = l, .id = id};
	bool more;
	const enum ops_found found =
		l->store ? give_page(&p, read_jobs, SIZE_MAX, fn, arg, &more, why) : OPS_FOUND;

	if (found != OPS_FOUND || !id || p.last)
		return found;
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
