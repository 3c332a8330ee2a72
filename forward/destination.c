/* destination - see destination.h. */
#include "destination.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/timestamp.h"

/* ---- from the configuration ---- */

static void
point(struct destination *d, const struct config_forward *own)
{
	d->cfg = own;
	d->target = (struct post_target){
		.url = own->url,
		.ca_file = own->ca_file,
		.guard = d->guard,
		.headers = own->headers,
		.headers_count = own->headers_count,
		.timeout_ms = own->timeout_ms,
	};
	d->reading.cfg = own;
	d->reading.to = d;
	d->pace.rate = own->rate;
}

static bool
read_keys(struct destination *d, struct error *why)
{
	const char *path = d->cfg->secrets_file;
	bool made = false;

	if (!file_make_way(path, why) || !standard_keys_make(path, &made, why))
		return false;
	if (made)
		log_info(
			"secret made", LF_TEXT("destination", d->cfg->name), LF_TEXT("file", path));
	(void)stat(path, &d->keys_file);
	d->keys = standard_keys_read(path, why);
	return d->keys != NULL;
}

static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* A file that cannot be read leaves those that were good. */
void
destination_keys(struct destination *d)
{
	struct standard_keys *keys;
	struct error why = {""};
	struct stat now;

	if (stat(d->cfg->secrets_file, &now) != 0 || is_same(&now, &d->keys_file))
		return;
	d->keys_file = now;
	keys = standard_keys_read(d->cfg->secrets_file, &why);
	if (!keys) {
		log_error("secrets not read: the old ones sign",
			LF_TEXT("destination", d->row.name), LF_TEXT("cause", why.text));
		return;
	}
	standard_keys_destroy(&d->keys);
	d->keys = keys;
	log_info("secrets read", LF_TEXT("destination", d->row.name));
}

struct destination *
destination_new(const struct config *cfg, const struct config_forward *own, struct error *why)
{
	struct destination *d = calloc(1, sizeof *d);

	if (!d) {
		error_set(why, "out of memory");
		return NULL;
	}
	point(d, own);
	if (read_keys(d, why) && (d->guard = guard_new(cfg, own, why))) {
		point(d, own);
		return d;
	}
	destination_destroy(&d);
	error_wrap(why, "destination %s", own->name);
	return NULL;
}

void
destination_drop_replays(struct destination *d)
{
	struct replay *r;

	while ((r = d->replays)) {
		d->replays = r->next;
		reading_close(&r->reading);
		free(r);
	}
}

void
destination_destroy(struct destination **d)
{
	if (!*d)
		return;
	destination_drop_replays(*d);
	reading_close(&(*d)->reading);
	items_clear(&(*d)->waiting);
	items_clear(&(*d)->under_way);
	standard_keys_destroy(&(*d)->keys);
	guard_destroy(&(*d)->guard);
	lanes_free(&(*d)->lanes);
	free(*d);
	*d = NULL;
}

/* What was read ahead was filtered and written as the old one had it. */
static void
read_anew(struct reading *r)
{
	r->pos = reading_taken(r);
	items_clear(&r->ahead);
	msgpack_sbuffer_clear(&r->batch.body);
	r->batch.n = 0;
	r->at_end = false;
}

void
destination_change(struct destination *d, struct destination *with)
{
	struct standard_keys *keys = d->keys;
	struct guard *guard = d->guard;

	d->keys = with->keys;
	d->guard = with->guard;
	d->keys_file = with->keys_file;
	with->keys = keys;
	with->guard = guard;
	read_anew(&d->reading);
	point(d, with->cfg);
	for (struct replay *r = d->replays; r; r = r->next) {
		read_anew(&r->reading);
		r->reading.cfg = d->cfg;
	}
	breaker_limit(&d->breaker, (unsigned)d->cfg->concurrency);
}

/* ---- where it begins ---- */

enum { SLACK_MS = 60000 };

struct pinned {
	char name[FORWARD_NAME + 16];
	uint64_t pos;
};

static void
see_pin(void *arg, const struct history_pinned *pin)
{
	struct pinned *pinned = arg;

	if (strcmp(pin->name, pinned->name) == 0)
		pinned->pos = pin->pos;
}

/* Its place, as it stands beside the history: forward.db was lost. 0: it is new. */
static uint64_t
place_kept(const struct destination *d, const char *history)
{
	struct pinned pinned = {.pos = 0};

	snprintf(pinned.name, sizeof pinned.name, "forward-%s", d->cfg->name);
	history_pins(history, see_pin, &pinned, NULL);
	return pinned.pos;
}

static bool
place_in(const struct destination *d, struct history_view *view, uint64_t now_ms, uint64_t *pos,
	struct error *why)
{
	uint64_t first = 0, last = 0, since_ms;

	if (!history_range(view, &first, &last, why))
		return false;
	*pos = last + 1;
	if (strcmp(d->cfg->from, "now") == 0)
		return true;
	if (strcmp(d->cfg->from, "start") == 0) {
		*pos = first ? first : 1;
		return true;
	}
	return timestamp_read(d->cfg->from, now_ms, &since_ms, why) &&
	       history_number_at(view, since_ms, pos, why);
}

/* A history that is there and cannot be opened just now is none that is empty. */
static bool
beginning(const struct destination *d, const char *history, uint64_t now_ms, uint64_t *pos,
	struct error *why)
{
	struct history_view *view;
	bool exists, good;

	*pos = place_kept(d, history);
	if (*pos)
		return true;
	*pos = 1;
	view = history_watch(history, &exists, why);
	if (!view)
		return !exists;
	good = place_in(d, view, now_ms, pos, why);
	history_view_close(&view);
	return good;
}

static bool
keep_new(struct destination *d, struct forward *store, struct error *why)
{
	if (!forward_begin(store, why))
		return false;
	if (forward_put(store, &d->row, false, why))
		return forward_commit(store, why) == STORE_OK;
	forward_rollback(store);
	return false;
}

static bool
add_lane(void *arg, uint64_t lane, uint64_t n)
{
	return lanes_add(arg, lane, n);
}

bool
destination_recount(struct destination *d, struct forward *store, struct error *why)
{
	lanes_free(&d->lanes);
	d->recount = false;
	return forward_lanes_free(store, d->row.name, why) &&
	       forward_lanes(store, d->row.name, add_lane, &d->lanes, why);
}

bool
destination_open(struct destination *d, struct forward *store, const char *history, uint64_t now_ms,
	struct error *why)
{
	bool found;

	if (!forward_find(store, d->cfg->name, &d->row, &found, why))
		return false;
	if (!found) {
		d->row = (struct forward_destination){.since_ms = now_ms, .state_ms = now_ms};
		snprintf(d->row.name, sizeof d->row.name, "%s", d->cfg->name);
		if (!beginning(d, history, now_ms, &d->row.next, why) || !keep_new(d, store, why))
			return false;
		log_info("destination added", LF_TEXT("destination", d->row.name),
			LF_TEXT("from", d->cfg->from), LF_UINT("next", d->row.next));
	}
	d->reading.pos = d->row.next;
	breaker_open(&d->breaker, d->row.state, (unsigned)d->cfg->concurrency);
	return destination_recount(d, store, why) &&
	       forward_owing(store, d->row.name, &d->owing, why) && destination_look(d, store, why);
}

/* What was accepted a minute before its last success may be new to it. */
static void
go_back(struct destination *d, uint64_t pos)
{
	log_error("the history is another one: its numbers end before the place of a destination",
		LF_TEXT("destination", d->row.name), LF_UINT("place", reading_taken(&d->reading)),
		LF_UINT("goes_on_with", pos));
	read_anew(&d->reading);
	d->reading.pos = pos;
	for (struct replay *r = d->replays; r; r = r->next) {
		read_anew(&r->reading);
		r->reading.pos = r->reading.end;
	}
}

void
destination_end(struct destination *d, struct history_view *view)
{
	const uint64_t since_ms = d->row.done_ms > SLACK_MS ? d->row.done_ms - SLACK_MS : 0;
	const bool was = d->beyond;
	uint64_t first, last, pos;

	if (!view || !history_range(view, &first, &last, NULL))
		return;
	d->beyond = last && reading_taken(&d->reading) > last + 1;
	if (was && d->beyond && history_number_at(view, since_ms, &pos, NULL))
		go_back(d, pos);
}

/* ---- what operators ask for ---- */

struct replay *
destination_replay(const struct destination *d, uint64_t job)
{
	struct replay *r = d->replays;

	while (r && r->row.id != job)
		r = r->next;
	return r;
}

static struct slice
keep_text(struct replay *r, size_t *used, struct slice text)
{
	struct slice kept = {NULL, 0};

	if (text.p && *used + text.n <= sizeof r->texts) {
		kept = (struct slice){memcpy(r->texts + *used, text.p, text.n), text.n};
		*used += text.n;
	}
	return kept;
}

static void
add_replay(struct destination *d, const struct forward_job *job)
{
	struct replay *r = calloc(1, sizeof *r);
	size_t used = 0;

	if (!r)
		return; /* it is looked for again */
	r->row = *job;
	r->row.email = keep_text(r, &used, job->email);
	r->row.type = keep_text(r, &used, job->type);
	r->row.source = keep_text(r, &used, job->source);
	r->reading = (struct reading){.cfg = d->cfg,
		.to = d,
		.job = job->id,
		.new_ids = job->new_ids,
		.pos = job->next,
		.end = job->end};
	r->pace.rate = job->rate;
	r->next = d->replays;
	d->replays = r;
}

bool
destination_has_stopped(const struct destination *d, uint64_t job)
{
	const struct replay *r = job ? destination_replay(d, job) : NULL;

	return r && r->row.state == FORWARD_JOB_STOPPED;
}

/* Its rows have gone already; what is under way stands in nobody's way. */
static void
stop_replay(struct destination *d, struct replay *r)
{
	struct item *next;

	for (struct item *item = d->waiting.first; item; item = next) {
		next = item->next;
		if (item->owed.job != r->row.id)
			continue;
		items_remove(&d->waiting, item);
		item_free(item);
	}
	for (struct item *item = d->under_way.first; item; item = item->next)
		if (item->owed.job == r->row.id)
			item->owed.lane = 0;
	reading_close(&r->reading);
	d->recount = true;
	d->changed = true;
}

/* One that has ended elsewhere stays until what it has under way is answered: its row is not put again. */
static bool
see_job(void *arg, const struct forward_job *job)
{
	struct destination *d = arg;
	struct replay *r = destination_replay(d, job->id);

	if (r && job->state == FORWARD_JOB_STOPPED && r->row.state != job->state)
		stop_replay(d, r);
	if (r)
		r->row.state = job->state;
	else if (job->state == FORWARD_JOB_RUNNING || job->state == FORWARD_JOB_PAUSED)
		add_replay(d, job);
	return true;
}

static void
skip(struct destination *d, uint64_t to)
{
	if (to > d->reading.pos || to > reading_taken(&d->reading)) {
		d->row.skipped += to - reading_taken(&d->reading);
		read_anew(&d->reading);
		d->reading.pos = to;
	}
	d->row.skip_to = to; /* it is done: to be cleared */
	d->changed = true;
}

bool
destination_look(struct destination *d, struct forward *store, struct error *why)
{
	struct forward_destination now;
	bool found;

	if (!forward_find(store, d->row.name, &now, &found, why) ||
		!forward_jobs(store, d->row.name, see_job, d, why))
		return false;
	if (!found)
		return true;
	if (now.enable != d->row.enable)
		breaker_enable(&d->breaker, clock_mono_ms());
	d->changed |= now.enable != d->row.enable;
	d->row.enable = now.enable;
	d->row.paused = now.paused;
	if (now.skip_to)
		skip(d, now.skip_to);
	d->look_ms = 0; /* letters may have come back */
	return true;
}
