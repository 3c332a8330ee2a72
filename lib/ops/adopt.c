/* adopt - see adopt.h: which folder, by whom, and one kind after the other. */
#include "adopt_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/timestamp.h"

/* ---- may it be taken? ---- */

static bool
is_another(const struct adopt *a, struct error *why)
{
	if (!slice_eq(journal_id(a->here), journal_id(a->there)))
		return true;
	return error_set(why, "%s is this node's own data_dir, or a copy of it", a->from.data_dir);
}

static bool
is_free(struct adopt *a, struct error *why)
{
	struct journal_adopter by;

	if (!journal_read_begin(a->there, why))
		return false;
	journal_adopter(a->there, &by);
	journal_read_end(a->there);
	return !by.journal[0] || slice_eq(slice_of(by.journal), journal_id(a->here)) ||
	       error_set(why, "%s was adopted by the node with journal %s: go on there",
		       a->from.data_dir, by.journal);
}

/* ---- opening ---- */

static bool
open_history(struct adopt *a, struct error *why)
{
	char folder[4096];
	bool exists;

	snprintf(folder, sizeof folder, "%s/history", a->from.data_dir);
	a->history = history_watch(folder, &exists, why);
	if (!a->history && exists)
		return false;
	a->forward = forward_open(a->from.data_dir, FORWARD_LOOK, &exists, why);
	return a->forward || !exists;
}

static bool
open_all(struct adopt *a, struct error *why)
{
	a->there = journal_open(&a->from, JOURNAL_WATCH, why);
	if (!a->there || !is_another(a, why) ||
		!a->calls->nothing_runs(a->calls->arg, &a->from, why) || !is_free(a, why))
		return false;
	a->letters_there = letters_open(&a->from, LETTERS_WATCH, why);
	return a->letters_there && open_history(a, why);
}

struct adopt *
adopt_open(const struct config *cfg, const char *folder, struct journal *here,
	const struct adopt_calls *calls, bool look, struct error *why)
{
	struct adopt *a = calloc(1, sizeof *a);

	if (!a) {
		error_set(why, "out of memory");
		return NULL;
	}
	a->cfg = cfg;
	a->from = *cfg;
	a->from.data_dir = (char *)(uintptr_t)folder;
	a->here = here;
	a->look = look;
	a->calls = calls;
	a->running = calls->running;
	msgpack_zone_init(&a->zone, 8192);
	msgpack_sbuffer_init(&a->frame);
	if (!open_all(a, why))
		adopt_close(&a);
	return a;
}

void
adopt_close(struct adopt **a_p)
{
	struct adopt *a = *a_p;

	if (!a)
		return;
	for (size_t i = 0; i < a->destinations_n; i++)
		free(a->destinations[i].owed);
	free(a->unsettled);
	free(a->kept);
	forward_close(&a->forward);
	history_view_close(&a->history);
	letters_close(&a->letters);
	letters_close(&a->letters_there);
	journal_close(&a->there);
	msgpack_zone_destroy(&a->zone);
	msgpack_sbuffer_destroy(&a->frame);
	free(a);
	*a_p = NULL;
}

/* ---- the mark ---- */

static bool
write_mark(const struct adopt *a, struct error *why)
{
	char path[4096], text[128], at[TIMESTAMP_BYTES];
	struct slice line;

	snprintf(path, sizeof path, "%s/" CONFIG_ADOPTED_FILE, a->from.data_dir);
	snprintf(text, sizeof text, "on %s by the node with journal %.*s\n",
		timestamp_text(clock_wall_ms(), at), SLICE_ARG(journal_id(a->here)));
	line = slice_of(text);
	return file_peek(path, text, sizeof text) > 0 || file_replace(path, &line, 1, true, why);
}

/* Whoever has opened the journal before the mark shows by its lock behind it. */
static bool
mark(struct adopt *a, struct error *why)
{
	struct journal *there = journal_open(&a->from, JOURNAL_GIVE, why);
	bool good = there && journal_give(there, journal_id(a->here), why) == STORE_OK;
	struct error ignored;

	if (good && !a->calls->nothing_runs(a->calls->arg, &a->from, why)) {
		good = false;
		if (!a->at.began_ms)
			journal_keep(there, &ignored);
	}
	journal_close(&there);
	return good && write_mark(a, why);
}

/* ---- how far ---- */

static bool
read_place(struct adopt *a, struct error *why)
{
	if (!journal_read_begin(a->here, why))
		return false;
	journal_adoption(a->here, journal_id(a->there), &a->at);
	journal_read_end(a->here);
	a->sum->again = a->at.done_ms != 0;
	return true;
}

static bool
note(struct adopt *a, bool done, struct error *why)
{
	if (a->look)
		return true;
	if (!adopt_begin(a, why))
		return false;
	if (!a->at.began_ms)
		a->at.began_ms = clock_wall_ms();
	if (done && !a->at.done_ms && !a->sum->later)
		a->at.done_ms = clock_wall_ms();
	return adopt_commit(a, why);
}

static bool
take_all(struct adopt *a, struct error *why)
{
	return adopt_destinations(a, why) && adopt_events(a, why) && adopt_letters(a, why) &&
	       adopt_history(a, why) && adopt_destination_letters(a, why) && adopt_unread(a, why);
}

bool
adopt_run(struct adopt *a, zsock_t *advice, struct adopt_sum *sum, struct error *why)
{
	a->advice = advice;
	a->sum = sum;
	*sum = (struct adopt_sum){.open = 0};
	snprintf(sum->journal, sizeof sum->journal, "%.*s", SLICE_ARG(journal_id(a->there)));
	if (!read_place(a, why) || (!a->look && !mark(a, why)))
		return false;
	return note(a, false, why) && take_all(a, why) && note(a, true, why);
}
