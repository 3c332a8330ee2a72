/* board_history - the alerts about history, where events stand beside their handlers; see board.h. */
#include "board_private.h"

enum { MISSED_S = 600 }; /* so long events that are missing in the history are an alert */

const char *
board_who_fills(const struct metrics *m)
{
	return metrics_sum(m, METRIC_FAMILY_HISTORY_WAITING, "") >
			       metrics_sum(m, METRIC_FAMILY_QUEUE, "")
		       ? "history"
		       : "its handlers";
}

void
board_check_history(const struct board *b, struct report *r, const struct metrics *m)
{
	const double lag_s = metrics_sum(m, METRIC_FAMILY_HISTORY_LAG, "");
	const double missed_s = board_since(m, METRIC_FAMILY_HISTORY_MISSED_AT);

	if (!config_keeps_history(b->cfg))
		return;
	if (lag_s * 1000 > (double)b->cfg->health.oldest_age_ms)
		alert(r, false,
			"history late: %.0f events wait for it in the journal, the oldest for %.0f s: "
			"%s shows whether it runs, %s/log/history.0.log why it does not go on",
			metrics_sum(m, METRIC_FAMILY_HISTORY_WAITING, ""), lag_s,
			board_tip(r, ADVICE_STATUS, NULL).text, b->cfg->data_dir);
	if (missed_s < MISSED_S)
		alert(r, false,
			"history missed %.0f events, the last %.0f s ago: the journal was full to four "
			"fifths with what waited for it: bring history back, or raise journal.max_size",
			metrics_sum(m, METRIC_FAMILY_HISTORY_MISSED, ""), missed_s);
}
