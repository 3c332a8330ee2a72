/* replay_jobs - `trotline replay list|show|pause|resume|stop`: replays that were begun. */
#include <stdio.h>
#include <string.h>

#include "lib/base/field.h"
#include "lib/base/near.h"
#include "lib/base/object.h"
#include "lib/base/units.h"
#include "lib/ops/forward_act.h"
#include "paint.h"
#include "replay.h"
#include "text.h"

enum { TO = 16, STATE = 8 };

struct printing {
	const struct replay_request *rq;
	size_t n;
};

static double
percent(const msgpack_object *row)
{
	const msgpack_object *share = field_get(row, "share");

	return share && share->type == MSGPACK_OBJECT_FLOAT64
		       ? share->via.f64 * 100
		       : (double)forward_figure(row, "share") * 100;
}

/* ---- list ---- */

/* " email jo@example.com type email_b*"; " all" where it has no filter. */
static void
print_filter(const msgpack_object *row)
{
	static const char *const keys[] = {"email", "type", "source", "since", "until"};
	bool all = true;

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		const struct slice text = field_str(row, keys[i]);

		if (!text.n)
			continue;
		all = false;
		printf(" %s ", keys[i]);
		text_print(text, 0);
	}
	if (all)
		printf(" all");
}

static bool
give_row(void *arg, const msgpack_object *row)
{
	struct printing *p = arg;

	if (p->rq->looking.json)
		return object_print(row);
	if (p->n++ == 0) {
		paint(PAINT_BOLD);
		printf("%4s %-*s %-*s %5s %10s %10s %7s %-*s %s\n", "ID", TO, "TO", STATE, "STATE",
			"DONE", "MEANT", "SENT", "DEAD", PAINT_AGO, "BEGUN", "WHICH");
		paint(PAINT_PLAIN);
	}
	printf("%4llu ", (unsigned long long)forward_figure(row, "id"));
	text_column(field_str(row, "to"), TO);
	printf(" %-*.*s %4.0f%% %10llu %10llu %7llu ", STATE, SLICE_ARG(field_str(row, "state")),
		percent(row), (unsigned long long)forward_figure(row, "meant"),
		(unsigned long long)forward_figure(row, "sent"),
		(unsigned long long)forward_figure(row, "dead"));
	paint_ago(field_str(row, "made"));
	print_filter(row);
	putchar('\n');
	return !ferror(stdout);
}

static int
list(struct call *call, struct forward_look *l)
{
	struct printing p = {.rq = call->options};
	struct error why = {""};
	const enum ops_found found = forward_look_jobs(l, 0, give_row, &p, &why);

	if (found == OPS_FOUND && p.n == 0 && !p.rq->looking.json)
		fprintf(stderr, "there was no replay\n");
	return forward_ended(call, found, &why);
}

/* ---- show ---- */

static bool
give_whole(void *arg, const msgpack_object *row)
{
	const struct printing *p = arg;

	if (p->rq->looking.json)
		return object_print(row);
	printf("replay %llu to ", (unsigned long long)forward_figure(row, "id"));
	text_print(field_str(row, "to"), 0);
	printf(": %.*s, %.0f%%\n  which  ", SLICE_ARG(field_str(row, "state")), percent(row));
	print_filter(row);
	printf("\n  meant   %llu\n  sent    %llu\n  dead    %llu\n  missed  %llu\n",
		(unsigned long long)forward_figure(row, "meant"),
		(unsigned long long)forward_figure(row, "sent"),
		(unsigned long long)forward_figure(row, "dead"),
		(unsigned long long)forward_figure(row, "missed"));
	printf("  begun   ");
	paint_when(field_str(row, "made"));
	if (field_str(row, "ended").n) {
		printf("\n  ended   ");
		paint_when(field_str(row, "ended"));
	}
	putchar('\n');
	return true;
}

static int
show(struct call *call, struct forward_look *l)
{
	struct printing p = {.rq = call->options};
	struct error why = {""};
	const enum ops_found found = forward_look_jobs(l, p.rq->id, give_whole, &p, &why);

	return forward_ended(call, found, &why);
}

/* ---- acts ---- */

static int
change(struct call *call, struct forward_look *l, enum forward_job_state state)
{
	const struct replay_request *rq = call->options;
	struct error why = {""};
	const enum ops_found found = forward_act_job(l, rq->id, state, &why);

	if (found != OPS_FOUND)
		return cli_failed(call->verb, &why);
	if (rq->looking.json)
		printf("{\"id\":%llu,\"state\":\"%s\"}\n", (unsigned long long)rq->id,
			forward_job_words[state]);
	else
		printf("replay %llu is %s\n", (unsigned long long)rq->id, forward_job_words[state]);
	if (state == FORWARD_JOB_RUNNING)
		forward_tell_down(call);
	return CLI_DONE;
}

static int
pause_it(struct call *call, struct forward_look *l)
{
	return change(call, l, FORWARD_JOB_PAUSED);
}

static int
resume(struct call *call, struct forward_look *l)
{
	return change(call, l, FORWARD_JOB_RUNNING);
}

static int
stop(struct call *call, struct forward_look *l)
{
	return change(call, l, FORWARD_JOB_STOPPED);
}

/* ---- which of them ---- */

static const struct {
	const char *name;
	forward_fn *run;
	enum forward_use use;
	size_t ids;
} acts[] = {
	{"list", list, FORWARD_LOOK, 0},
	{"show", show, FORWARD_LOOK, 1},
	{"pause", pause_it, FORWARD_CHANGE, 1},
	{"resume", resume, FORWARD_CHANGE, 1},
	{"stop", stop, FORWARD_CHANGE, 1},
};
enum { ACTS = sizeof acts / sizeof *acts };

static size_t
act_of(const char *name)
{
	size_t i = 0;

	while (i < ACTS && strcmp(acts[i].name, name) != 0)
		i++;
	return i;
}

static int
no_act(const struct call *call, const char *given)
{
	struct near near = {.word = given};
	char hint[NEAR_BYTES];

	for (size_t i = 0; i < ACTS; i++)
		near_try(&near, acts[i].name);
	return cli_wrong_use(call->verb, "\"%s\" is none of list, show, pause, resume, stop%s",
		given, near_hint(&near, hint));
}

int
replay_jobs_check(struct call *call)
{
	struct replay_request *rq = call->options;
	const struct arguments *rest = &call->rest;
	const size_t which = act_of(rest->list[0]);

	if (which == ACTS)
		return no_act(call, rest->list[0]);
	if (rest->n - 1 < acts[which].ids)
		return cli_wrong_use(call->verb, "%s takes the ID of a replay", acts[which].name);
	if (rest->n - 1 > acts[which].ids)
		return cli_wrong_use(call->verb, "\"%s\" is one argument too many", rest->list[1]);
	if (acts[which].ids && (!units_read_count(rest->list[1], &rq->id) || !rq->id))
		return cli_wrong_use(call->verb, "\"%s\" is no ID of `replay list`", rest->list[1]);
	return -1;
}

int
replay_jobs(struct call *call)
{
	const size_t which = act_of(call->rest.list[0]);

	return forward_with(call, acts[which].use, acts[which].run);
}
