/* board_forward - the alerts about destinations, the applications that events are handed on to; see
 * board.h. Nothing of it is critical: POSTs are taken, and what waits for a destination waits in the
 * history. */
#include "board_private.h"
#include "destinations.h"
#include "lib/base/clock.h"
#include "lib/base/timestamp.h"

enum { LATELY_S = 600, DAY_S = 86400 };

/* What it means that a destination takes nothing. */
static const struct {
	const char *state, *what;
	enum advised advice;
} states[] = {
	{"down", "it is probed, and goes on from where it was once it answers; nothing is lost",
		ADVICE_FORWARD_ATTEMPTS},
	{"refused", "it is asked again every 5 minutes; mend its URL, or what it demands",
		ADVICE_FORWARD_ATTEMPTS},
	{"gone", "nothing is sent until you say so; it goes on from where it was",
		ADVICE_FORWARD_ENABLE},
};

/* Its keys cannot be used, so that nothing can be signed for it. */
static void
tell_left_out(const struct board *b, struct report *r, const char *name)
{
	const struct config_forward *own = config_forward_find(b->cfg, name);

	alert(r, false,
		"destination %s left out: its secrets cannot be used, so nothing is sent there until "
		"they can; its place is kept: %s says what is wrong in %s",
		name, board_tip(r, ADVICE_CHECK, NULL).text, own ? own->secrets_file : "");
}

/* Seconds since then, within the last minutes; less than 0: it is longer ago, or never was. */
static double
lately(double at_s)
{
	const double ago_s = (double)clock_wall_ms() / 1e3 - at_s;

	return ago_s >= 0 && ago_s < LATELY_S ? ago_s : -1;
}

static void
tell_state(struct report *r, const char *name, const struct destination_figures *d, size_t i)
{
	char at[TIMESTAMP_BYTES];

	timestamp_text((uint64_t)(d->since_s * 1e3), at);
	alert(r, false,
		"destination %s %s: it %s since %.19sZ, and %.0f events wait for it; %s: %s", name,
		d->state, d->cause, at, d->lag_events > d->owed ? d->lag_events : d->owed,
		states[i].what, board_tip(r, states[i].advice, name).text);
}

static bool
check_state(const struct board *b, struct report *r, const char *name,
	const struct destination_figures *d)
{
	if (strcmp(d->state, "left out") == 0) {
		tell_left_out(b, r, name);
		return true;
	}
	for (size_t i = 0; i < sizeof states / sizeof *states; i++)
		if (strcmp(d->state, states[i].state) == 0) {
			tell_state(r, name, d, i);
			return true;
		}
	return false;
}

static void
check_lag(const struct board *b, struct report *r, const char *name,
	const struct destination_figures *d)
{
	if (d->lag_s * 1e3 > (double)b->cfg->health.oldest_age_ms)
		alert(r, false,
			"destination %s late: %.0f events wait for it, the oldest for %.0f s: it takes "
			"fewer than come, or its rate and concurrency are too low: %s",
			name, d->lag_events, d->lag_s,
			board_tip(r, ADVICE_FORWARD_SHOW, name).text);
}

/* History lets go of events by their age, passed or not: told a day before, or a fifth of the time that
 * they stay where that is less. */
static void
check_end(struct report *r, const char *name, const struct destination_figures *d, double keep_s)
{
	const double left_s = keep_s - d->lag_s;
	const double missed_s = lately(d->missed_at_s);

	if (keep_s > 0 && left_s < (keep_s / 5 < DAY_S ? keep_s / 5 : DAY_S))
		alert(r, false,
			"destination %s runs out: in %.0f s history lets go of events that it has not "
			"had, for they are older than history.keep then: bring it back, or raise that",
			name, left_s > 0 ? left_s : 0);
	if (missed_s >= 0)
		alert(r, false,
			"destination %s missed %.0f events, the last %.0f s ago: history had let go of "
			"them (history.keep, history.max_size)",
			name, d->missed, missed_s);
}

static void
check_events(struct report *r, const char *name, const struct destination_figures *d)
{
	const double died_s = lately(d->died_at_s), guarded_s = lately(d->guarded_at_s);

	if (died_s >= 0)
		alert(r, false,
			"destination %s dead letters: %.0f are in its store, the last came %.0f s ago: "
			"%s tells why",
			name, d->dead, died_s, board_tip(r, ADVICE_FORWARD_LETTERS, name).text);
	if (guarded_s >= 0)
		alert(r, false,
			"destination %s guarded: %.0f s ago its host led to an address that is not "
			"allowed, and what was to go there is a dead letter: %s tells which; "
			"`network` in its row allows more",
			name, guarded_s, board_tip(r, ADVICE_FORWARD_LETTERS, name).text);
}

void
board_check_forward(const struct board *b, struct report *r, const struct metrics *m)
{
	const double keep_s = metrics_sum(m, METRIC_FAMILY_HISTORY_KEEP, "");
	struct destination_figures d;

	for (size_t i = 0; i < b->cfg->forward_count; i++) {
		const char *name = b->cfg->forward[i].name;

		destination_read(m, name, &d);
		if (!check_state(b, r, name, &d) && !d.paused)
			check_lag(b, r, name, &d);
		check_end(r, name, &d, keep_s);
		check_events(r, name, &d);
	}
}
