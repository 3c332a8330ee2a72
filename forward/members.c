/* members - see members.h. */
#include "members.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "figures.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/stage/stage.h"

enum { STRAYS = CONFIG_FORWARD_MAX, PIN_AGAIN_MS = 600000 };
#define PIN "forward-"

/* ---- places in the history ---- */

/* It is written where it has moved, and now and then. */
static bool
is_told(struct pinned_place *told, uint64_t pos, uint64_t now_ms)
{
	if (told->pos == pos && now_ms - told->at_ms < PIN_AGAIN_MS)
		return true;
	*told = (struct pinned_place){pos, now_ms};
	return false;
}

static void
pin_replay(const struct members *m, struct replay *r, uint64_t now_ms)
{
	const bool goes_on =
		r->row.state == FORWARD_JOB_RUNNING || r->row.state == FORWARD_JOB_PAUSED;
	char name[FORWARD_NAME + 16];

	if (is_told(&r->pinned, goes_on ? r->row.next : 0, now_ms))
		return;
	snprintf(name, sizeof name, "replay-%" PRIu64, r->row.id);
	if (goes_on)
		history_pin(m->history, name, r->row.next, true, clock_wall_ms(), NULL);
	else
		history_unpin(m->history, name, NULL);
}

static void
pin(const struct members *m, struct destination *d)
{
	const uint64_t least = d->owing.least, now_ms = clock_mono_ms();
	const uint64_t pos = least && least < d->row.next ? least : d->row.next;
	struct error why = {""};
	char name[FORWARD_NAME + 16];

	if (m->dl->ledger->stuck) /* what is not written yet is still to be read after a kill */
		return;
	for (struct replay *r = d->replays; r; r = r->next)
		pin_replay(m, r, now_ms);
	if (!m->dl->view || is_told(&d->pinned, pos, now_ms))
		return;
	snprintf(name, sizeof name, PIN "%s", d->row.name);
	if (!history_pin(m->history, name, pos, false, clock_wall_ms(), &why)) {
		d->pinned.at_ms = 0;
		log_warn("place in the history not kept", LF_TEXT("cause", why.text));
	}
}

/* Its place and its dead letters stay in forward.db, so that it may come back; it holds no history. */
static void
forget(struct members *m, struct destination *d)
{
	char name[FORWARD_NAME + 16];

	snprintf(name, sizeof name, PIN "%s", d->row.name);
	history_unpin(m->history, name, NULL);
	figures_close(m->dl->metrics, d);
	log_info("destination left", LF_TEXT("destination", d->row.name),
		LF_UINT("next", d->row.next));
	destination_destroy(&d);
}

/* Those that left go when what they have under way is answered, and written. */
static void
let_go(struct members *m)
{
	struct destination *d, *busy = NULL;
	struct error why = {""};

	while ((d = m->leaving)) {
		m->leaving = d->next;
		d->next = NULL;
		if (!d->under_way.n && ledger_commit(m->dl->ledger, d, &why) == STORE_OK) {
			forget(m, d);
		} else {
			d->next = busy;
			busy = d;
		}
	}
	m->leaving = busy;
}

/* Those of destinations that went while nobody ran hold no history. */
struct stray {
	const struct members *m;
	char names[STRAYS][FORWARD_NAME + 16];
	size_t n;
};

static void
see_pin(void *arg, const struct history_pinned *pin)
{
	struct stray *stray = arg;

	if (stray->n < STRAYS && strncmp(pin->name, PIN, sizeof PIN - 1) == 0 &&
		!config_forward_find(stray->m->cfg, pin->name + sizeof PIN - 1))
		snprintf(stray->names[stray->n++], sizeof stray->names[0], "%s", pin->name);
}

static void
unpin_strays(const struct members *m)
{
	struct stray stray = {.m = m};

	history_pins(m->history, see_pin, &stray, NULL);
	for (size_t i = 0; i < stray.n; i++)
		history_unpin(m->history, stray.names[i], NULL);
}

/* ---- who there is ---- */

static struct destination *
find(struct destination *list, const char *name)
{
	while (list && strcmp(list->cfg->name, name) != 0)
		list = list->next;
	return list;
}

static void
unlink_from(struct destination **list, const struct destination *d)
{
	while (*list != d)
		list = &(*list)->next;
	*list = d->next;
}

static void
destroy_all(struct destination **list)
{
	struct destination *d;

	while ((d = *list)) {
		*list = d->next;
		destination_destroy(&d);
	}
}

/* All of a configuration, or none with the cause. */
static bool
make_all(const struct config *cfg, struct destination **list, struct error *why)
{
	struct destination **end = list;

	for (size_t i = 0; i < cfg->forward_count; i++) {
		*end = destination_new(cfg, &cfg->forward[i], why);
		if (!*end) {
			destroy_all(list);
			return false;
		}
		end = &(*end)->next;
	}
	return true;
}

static bool
open_one(struct members *m, struct destination *d, struct error *why)
{
	if (!destination_open(d, m->dl->store, m->history, clock_wall_ms(), why))
		return error_wrap(why, "destination %s", d->cfg->name);
	figures_open(m->dl->metrics, d);
	return true;
}

/* One whose keys cannot be used is left out, and tried again: the others go on. */
static bool
start_one(struct members *m, const struct config_forward *own, struct error *why)
{
	struct destination *d = destination_new(m->cfg, own, why);

	if (!d)
		return false;
	if (!open_one(m, d, why))
		stage_fail("cannot start", why);
	d->next = m->list;
	m->list = d;
	return true;
}

static void
start_left_out(struct members *m)
{
	const struct config *cfg = m->cfg;
	struct error why = {""};

	for (size_t i = 0; i < cfg->forward_count; i++) {
		const char *name = cfg->forward[i].name;
		const bool in = find(m->list, name) || start_one(m, &cfg->forward[i], &why);

		figures_left_out(m->dl->metrics, name, !in);
		if (in)
			continue;
		if (!m->told)
			log_error("destination left out", LF_TEXT("cause", why.text));
		m->left_out = true;
	}
	m->told = m->left_out;
}

/* Those that are new get their place before anything is changed; that may fail. */
static bool
open_new(struct members *m, struct destination *made, struct error *why)
{
	for (struct destination *d = made; d; d = d->next)
		if (!find(m->list, d->cfg->name) && !find(m->leaving, d->cfg->name) &&
			!open_one(m, d, why))
			return false;
	return true;
}

static void
move_to(struct destination **list, struct destination *d)
{
	d->next = *list;
	*list = d;
}

static struct destination *
take_from(struct destination **list, const char *name)
{
	struct destination *d = find(*list, name);

	if (d)
		unlink_from(list, d);
	return d;
}

/* Those that were there stay, as the new configuration has them, and one that was about to leave. */
static void
take_over(struct members *m, struct destination *made)
{
	struct destination *before = m->list, *next;

	m->list = NULL;
	for (struct destination *d = made; d; d = next) {
		struct destination *old = take_from(&before, d->cfg->name);

		next = d->next;
		if (!old)
			old = take_from(&m->leaving, d->cfg->name);
		if (old) {
			destination_change(old, d);
			destination_destroy(&d);
		}
		move_to(&m->list, old ? old : d);
	}
	for (struct destination *d = before; d; d = next) {
		next = d->next;
		move_to(&m->leaving, d);
	}
}

void
members_start(struct members *m)
{
	unpin_strays(m);
	start_left_out(m);
}

bool
members_reload(struct members *m, const struct config *next, struct error *why)
{
	struct destination *made = NULL;

	if (!make_all(next, &made, why))
		return false;
	if (!open_new(m, made, why)) {
		destroy_all(&made);
		return false;
	}
	take_over(m, made);
	for (struct destination *d = m->list; d; d = d->next)
		figures_left_out(m->dl->metrics, d->row.name, false);
	m->left_out = m->told = false;
	return true;
}

void
members_second(struct members *m)
{
	struct error why = {""};

	if (m->left_out) {
		m->left_out = false;
		start_left_out(m);
	}
	let_go(m);
	for (struct destination *d = m->list; d; d = d->next) {
		d->reading.at_end = false;
		destination_end(d, m->dl->view);
		if (!forward_owing(m->dl->store, d->row.name, &d->owing, &why))
			log_warn("forward.db not read", LF_TEXT("cause", why.text));
		pin(m, d);
		destination_keys(d);
		figures_tell(m->dl->metrics, d, m->dl->view);
		forward_tidy(m->dl->store, d->row.name, clock_wall_ms(), NULL);
	}
}

/* What is due later and not written yet. */
static void
shift_unwritten(struct items *ended, int64_t ms)
{
	for (struct item *item = ended->first; item; item = item->next)
		if (item->end == ITEM_LATER && item->owed.due_ms)
			item->owed.due_ms += (uint64_t)ms;
}

void
members_shift(struct members *m, int64_t ms)
{
	struct error why = {""};

	shift_unwritten(&m->dl->ledger->ended, ms);
	for (struct destination *d = m->list; d; d = d->next) {
		if (!forward_shift(m->dl->store, d->row.name, ms, &why) ||
			!forward_owing(m->dl->store, d->row.name, &d->owing, &why))
			log_warn("not due at another time", LF_TEXT("cause", why.text));
		d->look_ms = 0;
	}
}

static void
is_unwritten(struct destination *d, struct items *items)
{
	for (struct item *item = items->first; item; item = item->next) {
		item->kept = false;
		lanes_add(&d->lanes, item->owed.lane, 1);
	}
}

static void
write_anew(struct destination *list)
{
	for (struct destination *d = list; d; d = d->next) {
		lanes_free(&d->lanes);
		is_unwritten(d, &d->under_way);
		is_unwritten(d, &d->waiting);
		destination_drop_replays(d);
		d->owing = (struct forward_owing){.count = 0};
		d->changed = true;
	}
}

/* Those that leave as well: what they have had is noted under their names. */
void
members_write_anew(struct members *m)
{
	write_anew(m->list);
	write_anew(m->leaving);
}

void
members_close(struct members *m)
{
	destroy_all(&m->list);
	destroy_all(&m->leaving);
}
