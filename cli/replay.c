/* replay - a part of the history once more to a destination, as a job that the stage forward does.
 *
 * In: the history, which is counted first; trotline.yaml. Out: a row in forward.db, or only the count. A kill leaves
 * the job made or not made; the job itself survives restarts of the stage. */
#include "replay.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "interrupt.h"
#include "lib/base/field.h"
#include "lib/base/object.h"
#include "lib/base/units.h"
#include "lib/config/advice.h"
#include "paint.h"
#include "text.h"

/* ---- telling what is meant ---- */

static void
print_types(const msgpack_object *types)
{
	for (uint32_t i = 0; i < types->via.array.size; i++) {
		const msgpack_object *row = &types->via.array.ptr[i];

		printf("  %10llu  ", (unsigned long long)forward_figure(row, "count"));
		text_print(field_str(row, "event_type").p ? field_str(row, "event_type")
							  : slice_of("others"),
			0);
		putchar('\n');
	}
}

/* "3 min", of "in 3 min". */
static const char *
span_text(uint64_t seconds, char out[UNITS_TEXT])
{
	static const char in[] = "in ";

	units_ago_text((seconds ? seconds : 1) * 1000 + 1, 1, out);
	return strncmp(out, in, sizeof in - 1) == 0 ? out + sizeof in - 1 : out;
}

static void
print_count(const struct replay_ask *ask, const struct replay_told *told, const msgpack_object *o)
{
	char bytes[UNITS_TEXT], takes[UNITS_TEXT];

	printf("%llu event%s to %s, %s\n", (unsigned long long)told->count,
		told->count == 1 ? "" : "s", ask->to, units_size_text((double)told->bytes, bytes));
	if (!told->count)
		return;
	printf("  first ");
	paint_when(field_str(o, "first"));
	printf("\n  last  ");
	paint_when(field_str(o, "last"));
	putchar('\n');
	print_types(field_get(o, "by_type"));
	if (told->pace)
		printf("  takes %s%s at %llu events/s\n", ask->rate ? "" : "about ",
			span_text(forward_figure(o, "seconds"), takes),
			(unsigned long long)told->pace);
	else
		printf("  how long it takes nobody knows: nothing was sent there lately\n");
}

static void
tell_damage(const struct replay_told *told)
{
	if (told->damaged)
		fprintf(stderr, "%zu of the history's files could not be read, or not whole\n",
			told->damaged);
}

/* ---- doing ---- */

static bool
step(void *arg, uint64_t looked)
{
	struct replay_request *rq = arg;

	progress_show(&rq->progress, looked);
	return !interrupted;
}

static void
add_job(msgpack_object *o, msgpack_zone *zone, uint64_t id, bool dry)
{
	struct map m = map_in(zone);

	for (uint32_t i = 0; i < o->via.map.size; i++)
		map_put(&m, o->via.map.ptr[i].key.via.str.ptr, o->via.map.ptr[i].val);
	map_bool(&m, "dry_run", dry);
	if (id)
		map_uint(&m, "id", id);
	else
		map_nil(&m, "id");
	*o = map_object(&m);
}

/* A dry run unless it is told, or asked for on a terminal. */
static bool
is_meant(const struct call *call, const struct replay_ask *ask, const struct replay_told *told)
{
	const struct replay_request *rq = call->options;
	char what[160];

	if (rq->dry_run || rq->yes || !isatty(STDIN_FILENO))
		return rq->yes && !rq->dry_run;
	snprintf(what, sizeof what, "replay %llu event%s to %s", (unsigned long long)told->count,
		told->count == 1 ? "" : "s", ask->to);
	return forward_confirmed(call, false, what);
}

static void
tell_done(const struct call *call, uint64_t id)
{
	const struct replay_request *rq = call->options;
	char number[24], show[ADVICE_BYTES];

	snprintf(number, sizeof number, "%llu", (unsigned long long)id);
	if (id) {
		if (!rq->looking.json)
			printf("replay %s begins; %s tells how far it is\n", number,
				advice(ADVICE_REPLAY_SHOW, number, cli_config, show));
		forward_tell_down(call);
	} else if (!rq->looking.json) {
		fprintf(stderr,
			"nothing is sent: this was a dry run; the same with --yes begins it\n");
	}
}

static int
begin(struct call *call, struct forward_look *l, const struct replay_ask *ask, bool kept,
	struct replay_told *told)
{
	const struct replay_request *rq = call->options;
	struct error why = {""};
	enum ops_found found = OPS_FOUND;
	msgpack_object o;
	msgpack_zone zone;
	uint64_t id = 0;
	bool meant;

	msgpack_zone_init(&zone, 8192);
	forward_replay_object(ask, told, &zone, &o);
	if (!rq->looking.json)
		print_count(ask, told, &o);
	tell_damage(told);
	meant = told->count && is_meant(call, ask, told);
	if (meant && !kept) {
		error_set(&why,
			"destination %s has not been taken on yet: that is done by the stage forward, when it starts or is reloaded",
			ask->to);
		found = OPS_NOT_FOUND;
	} else if (meant)
		found = forward_replay_make(l, ask, told, &id, &why);
	if (found == OPS_FOUND && rq->looking.json) {
		add_job(&o, &zone, id, !meant);
		object_print(&o);
	}
	msgpack_zone_destroy(&zone);
	if (found != OPS_FOUND)
		return forward_ended(call, found, &why);
	if (told->count)
		tell_done(call, id);
	return CLI_DONE;
}

static int
replay(struct call *call, struct forward_look *l)
{
	struct replay_request *rq = call->options;
	const struct replay_ask ask = {.to = rq->to,
		.filter = rq->looking.ask.filter,
		.rate = rq->rate,
		.new_ids = rq->new_ids,
		.arg = rq,
		.step = step};
	struct replay_told told;
	struct error why = {""};
	bool kept;
	enum ops_found found = forward_replay_check(l, rq->to, &kept, &why);

	if (found == OPS_FOUND) {
		interrupt_catch();
		rq->progress = progress_begin("looked at", l->last);
		found = forward_replay_count(l, &ask, &told, &why);
		progress_end(&rq->progress);
	}
	if (found == OPS_WRONG)
		return cli_failed(call->verb, &why);
	if (found != OPS_FOUND)
		return forward_ended(call, found, &why);
	if (interrupted) {
		error_set(&why, "stopped while it was counted");
		return cli_failed(call->verb, &why);
	}
	return begin(call, l, &ask, kept, &told);
}

/* ---- the verb ---- */

static int
check(struct call *call)
{
	struct replay_request *rq = call->options;

	if (call->rest.n)
		return rq->to ? cli_wrong_use(call->verb, "\"%s\" is one argument too many",
					call->rest.list[0])
			      : replay_jobs_check(call);
	if (!rq->to)
		return cli_wrong_use(call->verb,
			"--to NAME, the destination, or one of list, show, pause, resume, stop");
	if (rq->dry_run && rq->yes)
		return cli_wrong_use(call->verb, "--dry-run, or --yes: one is enough");
	return looking_check(call, &rq->looking);
}

static int
run(struct call *call)
{
	const struct replay_request *rq = call->options;

	if (call->rest.n)
		return replay_jobs(call);
	return forward_with(
		call, rq->yes || isatty(STDIN_FILENO) ? FORWARD_CHANGE : FORWARD_LOOK, replay);
}

#define AT(member) FLAG_AT(replay_request, member)

const struct verb verb_replay = {
	.name = "replay",
	.arguments = "[list|show|pause|resume|stop] [ID]",
	.summary = "Send a part of the history to a destination once more",
	.details =
		"With --to it counts the events that are meant, which are those that the destination wants by\n"
		"its own `types` and `sources`, and says how long they take; then asks, or, where there is no\n"
		"terminal, stops there. --yes begins at once, --dry-run never. The events go under the ids that\n"
		"they have (trotline-reason: replay), beside what comes newly, each accepted until now. A\n"
		"replay survives restarts.\n\n"
		"list    replays, the newest first\n"
		"show    one, how far it is\n"
		"pause   sends no more of it; resume goes on; stop ends it for good\n\n"
		"To a handler there is no replay: it forgets after 30 days what it has applied, and the history\n"
		"may go back further.\n" LOOKING_HELP
		"Works with the pipeline up or down; nothing is sent until it is up.\n\n"
		"  trotline replay --to app --since 2h --dry-run\n"
		"  trotline replay --to app --email jo@example.com --yes\n"
		"  trotline replay pause 3\n",
	.flags =
		(const struct flag[]){
			{"to", 0, FLAG_TEXT, "NAME", "the destination", AT(to)},
			{"email", 'e', FLAG_TEXT, "ADDRESS", "about this address; -: from stdin",
				LOOKING_WORD(email)},
			LOOKING_TIMES,
			{"type", 't', FLAG_TEXT, "TYPE", "of this event type", LOOKING_WORD(type)},
			{"source", 's', FLAG_TEXT, "NAME", "of this source", LOOKING_WORD(source)},
			{"rate", 0, FLAG_NUMBER, "N",
				"at most so many events a second (as the destination takes them)",
				AT(rate)},
			{"new-ids", 0, FLAG_SWITCH, NULL,
				"under other ids, for a receiver that drops those that it knows",
				AT(new_ids)},
			{"dry-run", 0, FLAG_SWITCH, NULL, "only say what is meant", AT(dry_run)},
			{"yes", 'y', FLAG_SWITCH, NULL, "do not ask", AT(yes)},
			{"json", 0, FLAG_SWITCH, NULL, "print JSON, one object a line",
				LOOKING_AT(json)},
			{.name = NULL},
		},
	.options = sizeof(struct replay_request),
	.actions = (const struct action[]){{.config = PLAIN_CONFIG, .check = check, .run = run}},
};
