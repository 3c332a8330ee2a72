/* forward_look - see forward_look.h. */
#include "forward_look.h"

#include <stdio.h>
#include <string.h>

#include "forward_rows.h"
#include "lib/base/clock.h"
#include "lib/base/near.h"
#include "lib/base/standard_keys.h"

/* ---- what is read ---- */

static bool
open_history(struct forward_look *l, struct error *why)
{
	char folder[4096];
	bool exists;

	snprintf(folder, sizeof folder, "%s/history", l->cfg->data_dir);
	l->view = history_watch(folder, &exists, why);
	if (l->view)
		(void)history_range(l->view, &l->first, &l->last, NULL);
	return l->view || !exists;
}

bool
forward_look_open(
	struct forward_look *l, const struct config *cfg, enum forward_use use, struct error *why)
{
	bool exists;

	*l = (struct forward_look){.cfg = cfg, .now_ms = clock_wall_ms()};
	l->store = forward_open(cfg->data_dir, use, &exists, why);
	return (l->store || !exists) && open_history(l, why);
}

void
forward_look_close(struct forward_look *l)
{
	forward_close(&l->store);
	history_view_close(&l->view);
}

/* ---- names ---- */

static enum ops_found
unknown(const struct forward_look *l, const char *name, struct error *why)
{
	struct near near = {.word = name};
	char hint[NEAR_BYTES];

	for (size_t i = 0; i < l->cfg->forward_count; i++)
		near_try(&near, l->cfg->forward[i].name);
	if (l->cfg->forward_count)
		error_set(why, "no destination \"%.80s\"%s", name, near_hint(&near, hint));
	else
		error_set(why, "no destination \"%.80s\": `forward` in %s names none", name,
			l->cfg->path);
	return OPS_NOT_FOUND;
}

enum ops_found
forward_look_name(const struct forward_look *l, const char *name, bool *kept, struct error *why)
{
	struct forward_destination d;
	bool found = false;

	if (l->store && !forward_find(l->store, name, &d, &found, why))
		return OPS_TROUBLE;
	if (kept)
		*kept = found;
	return found || config_forward_find(l->cfg, name) ? OPS_FOUND : unknown(l, name, why);
}

/* ---- one destination ---- */

/* Without its query, which may hold a secret; user and password are in none. */
static struct slice
shown_url(const char *url)
{
	return (struct slice){url, strcspn(url, "?#")};
}

static bool
take_time(void *arg, const struct history_event *event)
{
	*(uint64_t *)arg = event->event->received;
	return false;
}

/* When the first event from there on was accepted; 0: it cannot be told. */
static uint64_t
accepted_ms(struct forward_look *l, uint64_t pos)
{
	struct history_look look = {.pos = pos, .most = 1};
	struct history_query *q =
		history_query(l->view, &(struct history_filter){.until_ms = 0}, NULL);
	uint64_t ms = 0;

	if (q)
		history_read(l->view, q, &look, take_time, &ms, NULL);
	history_query_free(&q);
	return ms;
}

static void
put_lag(struct map *m, struct forward_look *l, const struct forward_destination *d,
	const struct forward_owing *owing)
{
	const uint64_t unread = d->next && d->next <= l->last ? l->last + 1 - d->next : 0;
	const uint64_t oldest =
		owing->least && (!unread || owing->least < d->next) ? owing->least : d->next;
	const uint64_t ms = l->view && (unread || owing->least) ? accepted_ms(l, oldest) : 0;
	struct map lag = map_in(m->zone);

	map_uint(&lag, "events", unread + owing->count);
	map_uint(&lag, "seconds", ms && ms < l->now_ms ? (l->now_ms - ms) / 1000 : 0);
	map_put(m, "lag", map_object(&lag));
}

static void
put_destination(struct map *m, struct forward_look *l, const struct forward_destination *d,
	const struct forward_owing *owing, const struct config_forward *own)
{
	map_text(m, "name", slice_of(d->name));
	map_bool(m, "configured", own != NULL);
	map_text(m, "url", own ? shown_url(own->url) : (struct slice){NULL, 0});
	map_text(m, "state", slice_of(d->next ? forward_state_words[d->state] : "new"));
	map_time(m, "since", d->state_ms);
	map_bool(m, "paused", d->paused);
	put_lag(m, l, d, owing);
	map_uint(m, "owed", owing->count);
	map_uint(m, "dead", owing->letters);
	map_uint(m, "delivered", d->delivered);
	map_uint(m, "missed", d->missed);
	map_uint(m, "skipped", d->skipped);
	map_uint(m, "last_status", d->status);
	map_time(m, "last_try", d->tried_ms);
	map_time(m, "last_success", d->done_ms);
	map_text(m, "cause", *d->cause ? slice_of(d->cause) : (struct slice){NULL, 0});
	map_uint(m, "concurrency", own ? own->concurrency : 0);
	map_uint(m, "rate", own ? own->rate : 0);
	map_uint(m, "next", d->next);
}

/* As the store has it; one that it does not know yet is new. */
static bool
read_one(struct forward_look *l, const char *name, struct forward_destination *d,
	struct forward_owing *owing, struct error *why)
{
	bool found = false;

	*owing = (struct forward_owing){.count = 0};
	*d = (struct forward_destination){.next = 0};
	if (l->store && (!forward_find(l->store, name, d, &found, why) ||
				(found && !forward_owing(l->store, name, owing, why))))
		return false;
	snprintf(d->name, sizeof d->name, "%s", name);
	return true;
}

static bool
add_one(struct forward_look *l, const char *name, struct list *all, struct error *why)
{
	struct map m = map_in(all->zone);
	struct forward_destination d;
	struct forward_owing owing;

	if (!read_one(l, name, &d, &owing, why))
		return false;
	put_destination(&m, l, &d, &owing, config_forward_find(l->cfg, name));
	all->short_of_memory |= m.short_of_memory;
	list_add(all, map_object(&m));
	return !all->short_of_memory || error_set(why, "out of memory");
}

struct left {
	const struct config *cfg;
	char names[CONFIG_FORWARD_MAX][FORWARD_NAME];
	size_t n;
};

static bool
take_left(void *arg, const struct forward_destination *d)
{
	struct left *left = arg;

	if (!config_forward_find(left->cfg, d->name))
		snprintf(left->names[left->n++], FORWARD_NAME, "%s", d->name);
	return left->n < CONFIG_FORWARD_MAX;
}

bool
forward_look_list(struct forward_look *l, struct list *all, struct error *why)
{
	struct left left = {.cfg = l->cfg};

	for (size_t i = 0; i < l->cfg->forward_count; i++)
		if (!add_one(l, l->cfg->forward[i].name, all, why))
			return false;
	if (l->store && !forward_destinations(l->store, take_left, &left, why))
		return false;
	for (size_t i = 0; i < left.n; i++)
		if (!add_one(l, left.names[i], all, why))
			return false;
	return true;
}

/* ---- all of one ---- */

static msgpack_object
texts_object(char *const *texts, size_t n, msgpack_zone *zone)
{
	struct list all = list_in(zone);

	for (size_t i = 0; i < n; i++)
		list_add(&all, object_of_text(slice_of(texts[i])));
	return list_object(&all);
}

static msgpack_object
numbers_object(const uint64_t *numbers, size_t n, msgpack_zone *zone)
{
	struct list all = list_in(zone);

	for (size_t i = 0; i < n; i++)
		list_add(&all, object_of_uint(numbers[i]));
	return list_object(&all);
}

static void
put_keys(struct map *m, const char *path, const struct forward_look *l)
{
	struct error why = {""};
	struct standard_keys *keys = l->without_keys ? NULL : standard_keys_read(path, &why);
	struct map facts = map_in(m->zone);
	struct standard_keys_facts f;

	if (!keys) {
		map_nil(m, "keys");
		map_text(m, "keys_error", slice_of(*why.text ? why.text : NULL));
		return;
	}
	f = standard_keys_facts(keys, l->now_ms);
	standard_keys_destroy(&keys);
	map_uint(&facts, "live", f.live);
	map_time(&facts, "next_goes", f.until_ms);
	map_put(m, "keys", map_object(&facts));
	map_nil(m, "keys_error");
}

static void
put_configured(struct map *m, const struct config_forward *own, const struct forward_look *l)
{
	static const char *const datas[] = {"without_raw", "full", "thin"};
	static const char *const orders[] = {"none", "recipient"};

	map_put(m, "types", texts_object(own->types, own->types_count, m->zone));
	map_put(m, "sources", texts_object(own->sources, own->sources_count, m->zone));
	map_bool(m, "machine", own->machine);
	map_text(m, "from", slice_of(own->from));
	map_text(m, "data", slice_of(datas[own->data]));
	map_text(m, "order", slice_of(orders[own->order]));
	map_uint(m, "batch_events", own->batch_events);
	map_uint(m, "timeout_ms", own->timeout_ms);
	map_put(m, "retry_ms", numbers_object(own->retry_ms, own->retry_ms_count, m->zone));
	map_put(m, "network", texts_object(own->network, own->network_count, m->zone));
	put_keys(m, own->secrets_file, l);
}

static void
put_history(struct map *m, const struct forward_look *l)
{
	struct map history = map_in(m->zone);

	map_uint(&history, "first", l->first);
	map_uint(&history, "last", l->last);
	map_put(m, "history", map_object(&history));
}

static bool
add_job(void *arg, const struct forward_job *job)
{
	struct list *jobs = arg;
	msgpack_object row;

	if (job->state != FORWARD_JOB_RUNNING && job->state != FORWARD_JOB_PAUSED)
		return true;
	jobs->short_of_memory |= !forward_job_object(job, jobs->zone, &row);
	list_add(jobs, row);
	return !jobs->short_of_memory;
}

enum ops_found
forward_look_show(struct forward_look *l, const char *name, msgpack_zone *zone, msgpack_object *out,
	struct error *why)
{
	const struct config_forward *own = config_forward_find(l->cfg, name);
	struct list jobs = list_in(zone);
	struct map m = map_in(zone);
	struct forward_destination d;
	struct forward_owing owing;
	bool kept;
	const enum ops_found found = forward_look_name(l, name, &kept, why);

	if (found != OPS_FOUND)
		return found;
	if (!read_one(l, name, &d, &owing, why) ||
		(kept && !forward_jobs(l->store, name, add_job, &jobs, why)))
		return OPS_TROUBLE;
	put_destination(&m, l, &d, &owing, own);
	map_time(&m, "added", d.since_ms);
	map_time(&m, "next_due", owing.due_ms);
	map_uint(&m, "skip_to", d.skip_to);
	put_history(&m, l);
	if (own)
		put_configured(&m, own, l);
	map_put(&m, "replays", list_object(&jobs));
	*out = map_object(&m);
	if (!m.short_of_memory && !jobs.short_of_memory)
		return OPS_FOUND;
	error_set(why, "out of memory");
	return OPS_TROUBLE;
}
