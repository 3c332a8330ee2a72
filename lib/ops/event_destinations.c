/* event_destinations - see event_destinations.h. */
#include "event_destinations.h"

#include <inttypes.h>
#include <stdio.h>

#include "forward_look.h"
#include "lib/base/field.h"
#include "proto/origin.h"

enum { NAME_BYTES = 64, LOOK_US = 200000, TRIES_MOST = 100 };

/* The event as the history has it. */
struct known {
	const struct config *cfg;
	uint64_t pos; /* 0: it has none */
	bool wanted[CONFIG_FORWARD_MAX];
	char id[NAME_BYTES]; /* under which it is sent */
};

/* That of the node which accepted it first. */
static void
take_id(struct known *k, const struct event *ev)
{
	const struct origin origin = origin_of(ev);

	snprintf(k->id, sizeof k->id, "evt_%.*s_%" PRIu64, SLICE_ARG(origin.journal), origin.seq);
}

static bool
take_event(void *arg, const struct history_event *event)
{
	const struct event *ev = event->event;
	struct known *k = arg;

	k->pos = event->pos;
	take_id(k, ev);
	for (size_t i = 0; i < k->cfg->forward_count; i++)
		k->wanted[i] = config_forward_wants(&k->cfg->forward[i], ev->type, ev->source,
				       field_bool(&ev->data, "machine", false)) &&
			       origin_is_for(ev, k->cfg->forward[i].name);
	return false;
}

static void
find(struct forward_look *l, struct slice journal, uint64_t seq, struct known *k)
{
	struct history_look look = {.most = 1, .budget_us = LOOK_US};
	struct history_query *q;
	char name[NAME_BYTES];

	snprintf(name, sizeof name, "evt_%.*s_%" PRIu64, SLICE_ARG(journal), seq);
	q = history_query(l->view, &(struct history_filter){.id = slice_of(name)}, NULL);
	if (q)
		history_find(l->view, q, &look, take_event, k, NULL);
	history_query_free(&q);
}

/* ---- one destination ---- */

struct tries {
	struct map *m;
	uint64_t n, status, at_ms;
	struct slice cause; /* in the zone */
	bool good;
};

static bool
count_try(void *arg, const struct forward_attempt *attempt)
{
	struct tries *t = arg;

	if (attempt->ask)
		return true;
	if (t->n++ == 0) {
		t->status = attempt->status;
		t->at_ms = attempt->at_ms;
		t->cause = slice_in(t->m->zone, attempt->cause);
	}
	t->good |= attempt->status >= 200 && attempt->status < 300;
	return true;
}

static bool
take_letter(void *arg, const struct forward_letter *letter)
{
	*(uint64_t *)arg = letter->number;
	return false;
}

static const char *
word_of(const struct known *k, size_t i, const struct forward_destination *d, bool owes, bool dead,
	bool good)
{
	if (owes || dead)
		return owes ? "owed" : "dead";
	if (good)
		return "delivered";
	if (!k->wanted[i])
		return "unwanted";
	return k->pos >= d->next ? "waiting" : "passed";
}

static void
add_one(struct forward_look *l, const struct known *k, size_t i, struct list *all)
{
	const char *name = k->cfg->forward[i].name;
	const struct slice id = slice_of(k->id);
	struct map m = map_in(all->zone);
	struct tries tries = {.m = &m};
	struct forward_destination d;
	uint64_t due_ms = 0, letter = 0;
	bool owes = false, dead = false, there;

	if (!forward_find(l->store, name, &d, &there, NULL) || !there ||
		!forward_owes(l->store, name, k->pos, &owes, &due_ms, NULL) ||
		!forward_letter(l->store, name, id, take_letter, &letter, &dead, NULL) ||
		!forward_attempts(l->store, name, id, 0, TRIES_MOST, count_try, &tries, NULL))
		return;
	map_text(&m, "name", slice_of(name));
	map_text(&m, "state", slice_of(word_of(k, i, &d, owes, dead, tries.good)));
	map_uint(&m, "attempts", tries.n);
	map_uint(&m, "last_status", tries.status);
	map_time(&m, "last_try", tries.at_ms);
	map_time(&m, "next_try", due_ms);
	map_text(&m, "cause", tries.cause.n ? tries.cause : (struct slice){NULL, 0});
	map_uint(&m, "letter", letter);
	all->short_of_memory |= m.short_of_memory;
	list_add(all, map_object(&m));
}

void
event_destinations(const struct event_query *q, struct slice journal, uint64_t seq, struct map *m)
{
	struct known known = {.cfg = q->cfg};
	struct list all = list_in(m->zone);
	struct forward_look l = {.cfg = q->cfg};

	if (seq && q->cfg->forward_count && forward_look_open(&l, q->cfg, FORWARD_LOOK, NULL) &&
		l.store && l.view)
		find(&l, journal, seq, &known);
	for (size_t i = 0; known.pos && i < q->cfg->forward_count; i++)
		add_one(&l, &known, i, &all);
	forward_look_close(&l);
	m->short_of_memory |= all.short_of_memory;
	if (all.n)
		map_put(m, "destinations", list_object(&all));
	else
		map_nil(m, "destinations");
}
