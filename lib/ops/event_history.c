/* event_history - see event_history.h. */
#include "event_history.h"

#include <stdio.h>

#include "history_look.h"
#include "proto/taker.h"

enum { NAME_BYTES = 64, LOOK_US = 200000 };

static const char *
waiting_word(const struct journal_event *ev)
{
	if (!ev->tried)
		return "pending";
	return ev->last.dead ? "failed" : ev->last.due ? "retry" : "pending";
}

static const char *
in_journal(struct journal *j, struct slice journal, uint64_t seq)
{
	const char *word = NULL;
	struct journal_event ev;

	if (!slice_eq(journal, journal_id(j)) || !journal_read_begin(j, NULL))
		return NULL;
	if (journal_event_at(j, delivery_of(seq, TAKER_HISTORY), &ev))
		word = waiting_word(&ev);
	journal_read_end(j);
	return word;
}

static const char *
in_letters(struct letters *l, struct slice journal, uint64_t seq)
{
	struct dead letter;
	bool found;

	if (!l || !letters_read_begin(l, NULL))
		return NULL;
	found = letters_find(l, journal, delivery_of(seq, TAKER_HISTORY), &letter);
	letters_read_end(l);
	return found ? "failed" : NULL;
}

static bool
stop(void *arg, const struct history_event *event)
{
	(void)arg;
	(void)event;
	return false;
}

static const char *
in_store(const struct config *cfg, struct slice journal, uint64_t seq)
{
	struct history_look look = {.most = 1, .budget_us = LOOK_US};
	struct history_view *view = history_look_open(cfg, NULL);
	struct history_query *query;
	char name[NAME_BYTES];

	if (!view)
		return NULL;
	snprintf(name, sizeof name, "evt_%.*s_%llu", SLICE_ARG(journal), (unsigned long long)seq);
	query = history_query(view, &(struct history_filter){.id = slice_of(name)}, NULL);
	if (query)
		history_find(view, query, &look, stop, NULL, NULL);
	history_query_free(&query);
	history_view_close(&view);
	return look.found ? "kept" : NULL;
}

const char *
event_history(const struct event_query *q, struct slice journal, uint64_t seq)
{
	const char *word;

	if (!config_keeps_history(q->cfg))
		return NULL;
	word = in_journal(q->journal, journal, seq);
	word = word ? word : in_store(q->cfg, journal, seq);
	return word ? word : in_letters(q->letters, journal, seq);
}
