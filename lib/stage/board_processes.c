/* board_processes - the alerts about processes: who is missing and what it is at, by what the watcher has
 * heard of it, and who has hung or died; see board.h. */
#include <stdio.h>

#include "board_private.h"
#include "lib/base/clock.h"
#include "lib/base/doing.h"
#include "lib/config/config_processes.h"

enum {
	UNANSWERED_MS = 10000, /* a handler that is not heard on the tap may still answer */
	HUNG_S = 60,           /* so long one that was ended is an alert */
	DEATHS_LEAST = 2,
};

double
board_value(const struct metrics *m, enum metric_family family, const char *label, const char *name)
{
	char part[160];

	snprintf(part, sizeof part, "%s=\"%s\"", label, name);
	return metrics_sum(m, family, part);
}

static double
count_at(const struct metrics *m, const char *stage, enum doing at)
{
	char part[256];

	snprintf(part, sizeof part, "stage=\"%s\",doing=\"%s\"", stage, doing_words[at]);
	return metrics_sum(m, METRIC_FAMILY_DOING, part);
}

const char *
board_doings(const struct metrics *m, const char *stage, char out[BOARD_DOINGS_BYTES])
{
	const char *before = ": ";
	size_t n = 0;

	*out = '\0';
	for (int d = DOING_NOTHING + 1; d < DOINGS_COUNT && n < BOARD_DOINGS_BYTES; d++) {
		const double count = count_at(m, stage, (enum doing)d);

		if (count <= 0)
			continue;
		n += (size_t)snprintf(out + n, BOARD_DOINGS_BYTES - n, "%s%.0f %s%s", before, count,
			doing_words[d], d == DOING_HUNG ? " (to be ended and started again)" : "");
		before = ", ";
	}
	return out;
}

/* "stage <name> has ..." is what `trotline up` waits for to be over. */
static void
check_stage(const struct board *b, struct report *r, const struct metrics *m,
	const struct planned_process *p, uint64_t wanted, uint64_t now_ms)
{
	const size_t n = board_alive(b, p->name, now_ms);
	const bool critical = n == 0 && p->row->need == NEEDED_TO_ACCEPT;
	char doings[BOARD_DOINGS_BYTES];

	if (n >= wanted)
		return;
	board_doings(m, p->name, doings);
	if (n == 0 && !*doings)
		alert(r, critical, "stage %s has no live process: see its log in %s/log", p->name,
			b->cfg->data_dir);
	else
		alert(r, critical, "stage %s has %zu of %llu processes%s%s: see its logs in %s/log",
			p->name, n, (unsigned long long)wanted, *doings ? " that go on" : "",
			doings, b->cfg->data_dir);
}

static void
check_process(const struct board *b, struct report *r, const struct metrics *m,
	const struct planned_process *p, uint64_t now_ms)
{
	const uint64_t wanted = strcmp(b->self, p->name) == 0 && p->wanted > 0 ? 1 : p->wanted;
	char doings[BOARD_DOINGS_BYTES];

	if (p->row->need != NEEDED_TO_SEE)
		check_stage(b, r, m, p, wanted, now_ms);
	else if (board_alive(b, p->name, now_ms) < wanted)
		alert(r, false, "%s %s%s: see %s/log/%s.0.log; webhooks go on", p->name,
			*board_doings(m, p->name, doings) ? "does not go on" : "is down", doings,
			b->cfg->data_dir, p->name);
}

/* So that `up` is ready when each of them is. */
static void
check_ingress(const struct board *b, struct report *r, const struct metrics *m, uint64_t now_ms)
{
	const double deaf = metrics_sum(m, METRIC_FAMILY_DEAF, "");
	const size_t n = board_alive(b, process_table[PROCESS_INGRESS].name, now_ms);

	if (deaf > 0 && board_hears_all(b, now_ms))
		alert(r, false,
			"stage ingress has %.0f of %zu processes that have not heard of a validator: their /readyz is 503; if that lasts, see the logs of ingress in %s/log",
			deaf, n, b->cfg->data_dir);
}

static void
check_past(const struct board *b, struct report *r, const struct metrics *m, const char *stage)
{
	const double now_s = (double)clock_wall_ms() / 1e3;
	const double deaths = board_value(m, METRIC_FAMILY_DEATHS, "stage", stage);
	const double hung_s = now_s - board_value(m, METRIC_FAMILY_HUNG_AT, "stage", stage);

	if (deaths >= DEATHS_LEAST)
		alert(r, false,
			"repeated deaths: %s has died %.0f times in a row, each time within a minute: it waits longer before each start; the last lines before a start in %s/log/%s.0.log say why",
			stage, deaths, b->cfg->data_dir, stage);
	if (hung_s < HUNG_S)
		alert(r, false,
			"hung: a process of %s was silent and was ended %.0f s ago, to be started again: \"hung process ended\" in %s/log/%s.0.log says what it was at",
			stage, hung_s, b->cfg->data_dir,
			strcmp(stage, "watcher") == 0 ? "retrier.0.log or dlq" : "watcher");
}

void
board_check_processes(
	const struct board *b, struct report *r, const struct metrics *m, uint64_t now_ms)
{
	struct planned_process plan[PLAN_MAX];
	const size_t n = config_processes(b->cfg, plan);

	for (size_t i = 0; i < n; i++) {
		check_process(b, r, m, &plan[i], now_ms);
		check_past(b, r, m, plan[i].name);
	}
	check_ingress(b, r, m, now_ms);
}

/* A handler in another language says nothing on the tap, but it answers. One that is started by itself is
 * not to be started by hand: what is wrong with it, its stage's alert says. */
void
board_check_handlers(
	const struct board *b, struct report *r, const struct metrics *m, uint64_t now_ms)
{
	const double now_s = (double)clock_wall_ms() / 1e3;
	char stage[80], doings[BOARD_DOINGS_BYTES];

	for (size_t i = 0; i < b->cfg->handlers_count; i++) {
		const char *name = b->cfg->handlers[i].name;
		const double waiting = board_value(m, METRIC_FAMILY_WAITING, "handler", name);
		const double answered = board_value(m, METRIC_FAMILY_ANSWERED, "handler", name);

		snprintf(stage, sizeof stage, "handler-%s", name);
		if (waiting <= 0 || board_alive(b, stage, now_ms) > 0 ||
			(now_s - answered) * 1000 <= UNANSWERED_MS)
			continue;
		if (*board_doings(m, stage, doings))
			alert(r, false, "handler %s: %.0f events wait for it%s", name, waiting,
				doings);
		else
			alert(r, false,
				"handler %s: %.0f events wait and nobody takes them: start trotline-handler-%s%s",
				name, waiting, name,
				b->cfg->handlers[i].processes
					? ""
					: ", or whatever takes them (its row says `processes: 0`)");
	}
}
