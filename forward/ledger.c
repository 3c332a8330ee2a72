/* ledger - see ledger.h. */
#include "ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NOTES_MOST: a commit, as many as forward_tidy drops again. */
enum { NOTES_MOST = 100, ENDED_MOST = 2048, ENDED_BYTES = 8 << 20 };

struct note {
	struct note *next;
	struct forward_attempt attempt;
	char name[FORWARD_NAME], id[BODY_ID], type[WIDTH_TYPE + 1], cause[FORWARD_CAUSE];
	char answer[]; /* of attempt.answer.n bytes */
};

void
ledger_open(struct ledger *l, struct forward *store)
{
	*l = (struct ledger){.store = store};
	l->last_note = &l->notes;
}

static void
drop_notes(struct ledger *l)
{
	struct note *note;

	while ((note = l->notes)) {
		l->notes = note->next;
		free(note);
	}
	l->last_note = &l->notes;
	l->notes_n = 0;
}

void
ledger_close(struct ledger *l)
{
	drop_notes(l);
	items_clear(&l->ended);
}

/* ---- what has happened ---- */

/* Of many that went well at once the first are enough: nobody reads a thousand a second. */
static bool
is_noted(const struct ledger *l, const struct item *item)
{
	return l->notes_n < NOTES_MOST || item->ask || item->owed.tries > 1 ||
	       item->post.status < 200 || item->post.status > 299;
}

void
ledger_note(struct ledger *l, const struct item *item, uint64_t now_ms)
{
	const struct post *post = &item->post;
	struct note *note = is_noted(l, item) ? malloc(sizeof *note + post->answer_n) : NULL;

	l->changed = true;
	if (!note)
		return; /* one that is missing in a list */
	snprintf(note->name, sizeof note->name, "%s", item->to->row.name);
	snprintf(note->id, sizeof note->id, "%s", item->id);
	snprintf(note->type, sizeof note->type, "%s", item->type);
	snprintf(note->cause, sizeof note->cause, "%s", post->cause);
	memcpy(note->answer, post->answer, post->answer_n);
	note->attempt = (struct forward_attempt){
		.ask = item->ask,
		.at_ms = now_ms,
		.took_us = post->took_us,
		.try = item->owed.tries,
		.status = post->status,
		.id = slice_of(note->id),
		.type = slice_of(note->type),
		.reason = slice_of(item->reason),
		.cause = slice_of(note->cause),
		.answer = {note->answer, post->answer_n},
	};
	note->next = NULL;
	*l->last_note = note;
	l->last_note = &note->next;
	l->notes_n++;
}

void
ledger_end(struct ledger *l, struct item *item, enum item_end end)
{
	l->changed = true;
	item->end = end;
	if ((end == ITEM_SETTLED && !item->kept) || item->ask)
		item_free(item); /* nobody has ever written of it */
	else
		items_add(&l->ended, item);
}

bool
ledger_is_full(const struct ledger *l)
{
	return l->stuck || l->ended.n >= ENDED_MOST || l->ended.bytes >= ENDED_BYTES;
}

/* ---- the commit ---- */

static bool
put_dead(struct ledger *l, const struct item *item, struct error *why)
{
	const struct forward_owed *owed = &item->owed;
	const struct post *post = &item->post;
	char reason[FORWARD_CAUSE + 16];

	if (post->status)
		snprintf(reason, sizeof reason, "answered %u", post->status);
	else
		snprintf(reason, sizeof reason, "%s%s",
			post->trouble == NOT_ALLOWED ? "network: " : "", post->cause);
	return forward_bury(l->store, item->to->row.name,
		&(struct forward_letter){
			.job = owed->job,
			.pos = owed->first,
			.attempts = owed->attempts,
			.began_ms = owed->began_ms,
			.failed_ms = owed->due_ms,
			.status = post->status,
			.id = slice_of(item->id),
			.type = slice_of(item->type),
			.email = item->email,
			.reason = slice_of(reason),
			.answer = {post->answer, post->answer_n},
			.body = item->body,
		},
		why);
}

static bool
put_end(struct ledger *l, const struct item *item, struct error *why)
{
	const struct forward_owed *owed = &item->owed;
	const char *name = item->to->row.name;

	if (item->end == ITEM_LATER && !destination_has_stopped(item->to, owed->job))
		return forward_owe(l->store, name, owed, why);
	if (item->end == ITEM_DEAD && !put_dead(l, item, why))
		return false;
	return !item->kept ||
	       forward_settle(l->store, name, owed->job, owed->first, owed->last, why);
}

/* What is in hand is owed from now on, for it is below the cursor. */
static bool
put_items(struct ledger *l, const struct items *items, struct error *why)
{
	for (const struct item *item = items->first; item; item = item->next)
		if (!item->kept && !item->ask &&
			!forward_owe(l->store, item->to->row.name, &item->owed, why))
			return false;
	return true;
}

static bool
put_replays(struct ledger *l, struct destination *d, struct error *why)
{
	for (struct replay *r = d->replays; r; r = r->next) {
		const uint64_t next = reading_taken(&r->reading);

		r->changed |= next != r->row.next;
		r->row.next = next;
		if (r->changed && !forward_job_put(l->store, &r->row, why))
			return false;
	}
	return true;
}

static bool
put_destination(struct ledger *l, struct destination *d, struct error *why)
{
	const uint64_t next = reading_taken(&d->reading);

	d->changed |= next != d->row.next;
	d->row.next = next;
	return (!d->changed || forward_put(l->store, &d->row, d->row.skip_to != 0, why)) &&
	       put_items(l, &d->under_way, why) && put_items(l, &d->waiting, why) &&
	       put_replays(l, d, why);
}

static bool
put_all(struct ledger *l, struct destination *list, struct error *why)
{
	for (struct destination *d = list; d; d = d->next)
		if (!put_destination(l, d, why))
			return false;
	for (const struct item *item = l->ended.first; item; item = item->next)
		if (!put_end(l, item, why))
			return false;
	for (const struct note *n = l->notes; n; n = n->next)
		if (!forward_attempted(l->store, n->name, &n->attempt, why) ||
			(n->attempt.ask && !forward_answered(l->store, n->attempt.ask, why)))
			return false;
	return true;
}

static void
mark_kept(struct items *items)
{
	for (struct item *item = items->first; item; item = item->next)
		item->kept = !item->ask;
}

static void
all_is_kept(struct ledger *l, struct destination *list)
{
	items_clear(&l->ended);
	drop_notes(l);
	l->changed = false;
	for (struct destination *d = list; d; d = d->next) {
		mark_kept(&d->under_way);
		mark_kept(&d->waiting);
		d->changed = false;
		d->row.skip_to = 0;
		for (struct replay *r = d->replays; r; r = r->next)
			r->changed = false;
	}
}

enum store_rc
ledger_commit(struct ledger *l, struct destination *list, struct error *why)
{
	enum store_rc rc = STORE_FAILED;

	if (forward_begin(l->store, why)) {
		if (put_all(l, list, why))
			rc = forward_commit(l->store, why);
		else
			forward_rollback(l->store);
	}
	l->stuck = rc != STORE_OK;
	if (rc == STORE_OK)
		all_is_kept(l, list);
	for (struct destination *d = list; d && rc == STORE_OK; d = d->next)
		if (d->recount && !destination_recount(d, l->store, why))
			d->recount = true;
	return rc;
}
