/* board_refused - the alerts about requests that are refused: for the sender's cause, by source; for ours;
 * see board.h. */
#include <stdio.h>

#include "board_private.h"
#include "lib/base/clock.h"
#include "proto/causes.h"

/* Nearly all of REFUSED_LEAST or more within 20 s; or all of as many in a row, whatever time they took,
 * when nothing was accepted for QUIET_S. */
enum { REFUSED_LEAST = 10, QUIET_S = 20, ASTRAY_MS = 20000, UNABLE_S = 60 };
static const double NEARLY_ALL = 0.9;

static double
refused(const struct metrics *m, enum metric_family family, const char *source, size_t cause)
{
	char part[200];

	snprintf(part, sizeof part, "source=\"%s\",cause=\"%s\"", source,
		refusal_causes[cause].word);
	return metrics_sum(m, family, part);
}

struct refusals {
	double all;
	size_t cause; /* the commonest */
};

static struct refusals
refusals_of(const struct metrics *m, enum metric_family family, const char *source)
{
	struct refusals found = {0, REFUSAL_CAUSE_NONE};
	double most = 0;

	for (size_t c = REFUSAL_CAUSE_NONE + 1; c < REFUSAL_CAUSES_COUNT; c++) {
		const double n = refused(m, family, source, c);

		found.all += n;
		if (n > most) {
			most = n;
			found.cause = c;
		}
	}
	return found;
}

static void
check_source(const struct board *b, struct report *r, const struct metrics *m, const char *source)
{
	const double accepted_s = (double)clock_wall_ms() / 1e3 -
				  board_value(m, METRIC_FAMILY_ACCEPTED, "source", source);
	const double taken = board_value(m, METRIC_FAMILY_TAKEN_LATELY, "source", source);
	const struct refusals now = refusals_of(m, METRIC_FAMILY_REFUSED_LATELY, source);
	const struct refusals row = refusals_of(m, METRIC_FAMILY_REFUSED_ROW, source);
	const bool lately = now.all >= REFUSED_LEAST && now.all >= NEARLY_ALL * (now.all + taken);
	const bool in_a_row = row.all >= REFUSED_LEAST && taken == 0 && accepted_s >= QUIET_S;
	const struct cause_row *why = &refusal_causes[lately ? now.cause : row.cause];

	if (lately)
		alert(r, false,
			"source %s: refused: %s: %.0f of the last 20 s' %.0f requests: %s; each stands in %s/log/validator.0.log",
			source, why->word, now.all, now.all + taken, why->advice, b->cfg->data_dir);
	else if (in_a_row)
		alert(r, false,
			"source %s: refused: %s: all of the last %.0f requests: %s; each stands in %s/log/validator.0.log",
			source, why->word, row.all, why->advice, b->cfg->data_dir);
}

void
board_check_refused(const struct board *b, struct report *r, const struct metrics *m)
{
	for (size_t i = 0; i < b->cfg->sources_count; i++)
		if (board_value(m, METRIC_FAMILY_REFUSED_ROW, "source", b->cfg->sources[i].name) >
				0 ||
			board_value(m, METRIC_FAMILY_REFUSED_LATELY, "source",
				b->cfg->sources[i].name) > 0)
			check_source(b, r, m, b->cfg->sources[i].name);
}

/* A sender whose URL is wrong is known by nothing else. Who only looks around posts to no single thing, and
 * where something is taken the URL is right. */
void
board_check_astray(
	const struct board *b, struct report *r, const struct totals *now, uint64_t now_ms)
{
	const struct totals then = board_ago(b, now_ms, ASTRAY_MS);
	const double astray = now->astray - then.astray;

	if (b->held > 0 && astray >= REFUSED_LEAST && now->judged <= then.judged)
		alert(r, false,
			"unknown source: %.0f POSTs of the last 20 s went to a path that no source has, and none was taken: does the sender's URL end in a name under `sources`? %s shows them as they come",
			astray, board_tip(r, ADVICE_REFUSED, NULL).text);
}

const char *
board_unable(const struct metrics *m, char out[ALERT_TEXT / 2])
{
	const double now_s = (double)clock_wall_ms() / 1e3;
	const char *before = ", for ";
	size_t n = 0;

	*out = '\0';
	for (size_t i = 0; i < UNABLE_COUNT && n < ALERT_TEXT / 2; i++) {
		const double at = board_value(m, METRIC_FAMILY_UNABLE_AT, "cause", unable_words[i]);

		if (now_s - at > UNABLE_S)
			continue;
		n += (size_t)snprintf(out + n, ALERT_TEXT / 2 - n, "%s%s", before, unable_words[i]);
		before = "; ";
	}
	return out;
}
