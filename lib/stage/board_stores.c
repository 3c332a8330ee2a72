/* board_stores - the alerts about stores, by the causes that the stages have met; see board.h. */
#include <stdio.h>

#include "board_private.h"
#include "lib/base/clock.h"
#include "lib/config/config_processes.h"
#include "proto/causes.h"

enum { REPLACED_S = 600 }; /* so long a store that was replaced is an alert */

/* What it means that a store cannot be used. */
static const struct {
	const char *name, *meaning;
	bool critical;
} stores[] = {
	{"state.db", "events wait in the journal, and POSTs are taken", false},
	{"postgresql", "events wait in the journal, and POSTs are taken", false},
	{"history", "events wait in the journal, and POSTs are taken", false},
	{"forward.db", "nothing goes to destinations, and it is sent once it is well", false},
	{"journal", "POSTs are answered 503", true},
	{"dlq", "events that are given up wait in the journal", false},
	{"quarantine", "what would be set aside is answered 503", false},
	{"unread", "requests with parts that cannot be read are answered 503", false},
	{"redis",
		"ids that other nodes have are not known (redis.when_away says what becomes of events)",
		false},
};

/* How many stages have met that cause at that store, and the first one's name. */
static size_t
who_met(const struct board *b, const struct metrics *m, const char *store, const char *cause,
	uint64_t now_ms, char name[PROCESS_NAME_BYTES])
{
	struct planned_process plan[PLAN_MAX];
	size_t n;
	char part[256];
	size_t met = 0;

	if (metrics_sum(m, METRIC_FAMILY_TROUBLE, "") <= 0)
		return 0;
	n = config_processes(b->cfg, plan);
	for (size_t i = 0; i < n; i++) {
		snprintf(part, sizeof part, "stage=\"%s\",store=\"%s\",cause=\"%s\"", plan[i].name,
			store, cause);
		if (metrics_sum(m, METRIC_FAMILY_TROUBLE, part) > 0 &&
			board_alive(b, plan[i].name, now_ms) > 0 && met++ == 0)
			memcpy(name, plan[i].name, PROCESS_NAME_BYTES);
	}
	return met;
}

static void
check_trouble(const struct board *b, struct report *r, const struct metrics *m, size_t store,
	const struct cause_row *cause, uint64_t now_ms)
{
	char name[PROCESS_NAME_BYTES] = "", more[40] = "";
	const size_t met = who_met(b, m, stores[store].name, cause->word, now_ms, name);

	if (met == 0)
		return;
	if (met > 1)
		snprintf(more, sizeof more, " and %zu more", met - 1);
	alert(r, stores[store].critical, "%s %s: %s%s cannot use it; %s: %s", stores[store].name,
		cause->word, name, more, stores[store].meaning, cause->advice);
}

/* Seconds since that happened to a store; less than 0: not lately. */
static double
happened(const struct metrics *m, enum metric_family family, const char *store, const char *cause)
{
	const double now_s = (double)clock_wall_ms() / 1e3;
	char part[160];
	double at;

	snprintf(part, sizeof part, "store=\"%s\",cause=\"%s\"", store, cause);
	at = metrics_sum(m, family, part);
	return at > 0 && now_s - at < REPLACED_S ? now_s - at : -1;
}

static void
check_files(
	struct report *r, const struct metrics *m, const char *store, const struct cause_row *cause)
{
	const double lost_s = happened(m, METRIC_FAMILY_REPLACED_AT, store, cause->word);
	const double saved_s = happened(m, METRIC_FAMILY_SAVED_AT, store, cause->word);

	if (lost_s >= 0 && cause >= &cause_table[CAUSE_BEHIND])
		alert(r, false, "%s %s, as was found %.0f s ago, at the start: %s", store,
			cause->word, lost_s, cause->advice);
	else if (lost_s >= 0)
		alert(r, false,
			"%s was %s %.0f s ago under the running pipeline, and what was in it is gone; "
			"the file that is there now is used since: %s",
			store, cause->word, lost_s, cause->advice);
	if (saved_s >= 0)
		alert(r, false,
			"%s: a file of it was %s %.0f s ago under the running pipeline; it was written "
			"again, and nothing is lost",
			store, cause->word, saved_s);
}

void
board_check_stores(
	const struct board *b, struct report *r, const struct metrics *m, uint64_t now_ms)
{
	for (size_t store = 0; store < sizeof stores / sizeof *stores; store++)
		for (size_t cause = CAUSE_NONE + 1; cause < CAUSES_COUNT; cause++) {
			check_trouble(b, r, m, store, &cause_table[cause], now_ms);
			check_files(r, m, stores[store].name, &cause_table[cause]);
		}
}
