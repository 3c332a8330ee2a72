/* forward - the destinations that events are forwarded to: how they are, what was tried, and what an operator does
 * about them.
 *
 * In: trotline.yaml, forward.db, the history. Out: tables or JSON; acts are transactions in forward.db, which the
 * stage sees within a second. Works with the pipeline up or down; a kill leaves an act done or not. */
#include "forward.h"

#include <stdio.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/field.h"
#include "lib/base/timestamp.h"
#include "lib/config/advice.h"
#include "lib/ops/forward_act.h"
#include "lib/stage/stages.h"

/* ---- what all share ---- */

int
forward_with(struct call *call, enum forward_use use, forward_fn *fn)
{
	struct error why = {""};
	struct forward_look l;
	int status;

	if (forward_look_open(&l, call->cfg, use, &why))
		status = fn(call, &l);
	else
		status = cli_failed(call->verb, &why);
	forward_look_close(&l);
	return status;
}

int
forward_ended(const struct call *call, enum ops_found found, const struct error *why)
{
	if (found == OPS_FOUND)
		return CLI_DONE;
	return found == OPS_WRONG ? cli_wrong_use(call->verb, "%s", why->text)
				  : cli_failed(call->verb, why);
}

bool
forward_runs(const struct call *call)
{
	return stages_holder(call->cfg, "forward.0") != 0;
}

void
forward_tell_down(const struct call *call)
{
	char up[ADVICE_BYTES];

	if (!forward_runs(call))
		fprintf(stderr,
			"trotline %s: the stage forward does not run: nothing is sent until it does (%s)\n",
			call->verb->name, advice(ADVICE_UP, NULL, cli_config, up));
}

bool
forward_confirmed(const struct call *call, bool yes, const char *what)
{
	char answer[16] = "";

	if (yes)
		return true;
	if (!isatty(STDIN_FILENO)) {
		fprintf(stderr, "trotline %s: %s? nothing is done without --yes\n",
			call->verb->name, what);
		return false;
	}
	fprintf(stderr, "%s? [y/N] ", what);
	return fgets(answer, sizeof answer, stdin) && (*answer == 'y' || *answer == 'Y');
}

uint64_t
forward_figure(const msgpack_object *map, const char *key)
{
	int64_t number = 0;

	field_int(map, key, &number);
	return (uint64_t)number;
}

/* ---- flags and words ---- */

static int
takes_none(struct call *call)
{
	if (call->rest.n == 0)
		return -1;
	return cli_wrong_use(call->verb, "%s takes no NAME", call->action.name);
}

static int
takes_name(struct call *call)
{
	struct forward_request *rq = call->options;

	if (call->rest.n != 1)
		return cli_wrong_use(
			call->verb, "%s takes the NAME of one destination", call->action.name);
	rq->name = call->rest.list[0];
	return -1;
}

static int
takes_time(struct call *call)
{
	struct forward_request *rq = call->options;
	struct error why = {""};

	if (!rq->to)
		return cli_wrong_use(call->verb, "skip takes --to TIME: where it is to go on");
	if (!timestamp_read(rq->to, clock_wall_ms(), &rq->to_ms, &why))
		return cli_wrong_use(call->verb, "--to: %s", why.text);
	return takes_name(call);
}

/* ---- acts ---- */

static int
tell(const struct call *call, const char *key, const char *done)
{
	const struct forward_request *rq = call->options;

	if (rq->json)
		printf("{\"name\":\"%s\",\"%s\":true,\"running\":%s}\n", rq->name, key,
			forward_runs(call) ? "true" : "false");
	else
		printf("%s: %s\n", rq->name, done);
	return CLI_DONE;
}

static int
act_pause(struct call *call, struct forward_look *l)
{
	const struct forward_request *rq = call->options;
	struct error why = {""};
	const enum ops_found found = forward_act_pause(l, rq->name, true, &why);

	if (found != OPS_FOUND)
		return forward_ended(call, found, &why);
	return tell(call, "paused", "paused; its place is kept, and nothing is left out");
}

static int
act_resume(struct call *call, struct forward_look *l)
{
	const struct forward_request *rq = call->options;
	struct error why = {""};
	const enum ops_found found = forward_act_pause(l, rq->name, false, &why);

	if (found != OPS_FOUND)
		return forward_ended(call, found, &why);
	forward_tell_down(call);
	return tell(call, "resumed", "goes on from its place");
}

static int
act_enable(struct call *call, struct forward_look *l)
{
	const struct forward_request *rq = call->options;
	struct error why = {""};
	const enum ops_found found = forward_act_enable(l, rq->name, &why);

	if (found != OPS_FOUND)
		return forward_ended(call, found, &why);
	forward_tell_down(call);
	return tell(call, "enabled", "is tried at once, whatever it said before");
}

static int
act_forget(struct call *call, struct forward_look *l)
{
	const struct forward_request *rq = call->options;
	struct error why = {""};
	const enum ops_found found = forward_act_forget(l, rq->name, &why);

	if (found != OPS_FOUND)
		return forward_ended(call, found, &why);
	return tell(call, "forgotten", "forgotten, with its place and its dead letters");
}

static int
act_skip(struct call *call, struct forward_look *l)
{
	const struct forward_request *rq = call->options;
	struct error why = {""};
	uint64_t from, to;
	const enum ops_found found =
		forward_act_skip(l, rq->name, rq->to_ms, rq->dry_run, &from, &to, &why);

	if (found == OPS_WRONG)
		return cli_failed(call->verb, &why);
	if (found != OPS_FOUND)
		return forward_ended(call, found, &why);
	if (!rq->dry_run)
		forward_tell_down(call);
	if (rq->json)
		printf("{\"name\":\"%s\",\"dry_run\":%s,\"from\":%llu,\"to\":%llu,\"events\":%llu,"
		       "\"running\":%s}\n",
			rq->name, rq->dry_run ? "true" : "false", (unsigned long long)from,
			(unsigned long long)to, (unsigned long long)(to - from),
			forward_runs(call) ? "true" : "false");
	else
		printf("%s: %s out up to %llu events, wanted or not (%llu to %llu)\n", rq->name,
			rq->dry_run ? "would leave" : "leaves", (unsigned long long)(to - from),
			(unsigned long long)from, (unsigned long long)to - 1);
	return CLI_DONE;
}

static void
print_rotated(const struct forward_request *rq, const struct standard_keys_facts *facts)
{
	char until[TIMESTAMP_BYTES] = "";

	if (facts->until_ms)
		timestamp_text(facts->until_ms, until);
	if (rq->json)
		printf("{\"name\":\"%s\",\"rotated\":true,\"live\":%zu,\"next_goes\":%s%s%s}\n",
			rq->name, facts->live, *until ? "\"" : "", *until ? until : "null",
			*until ? "\"" : "");
	else if (*until)
		printf("%s: a new secret is first; the one before signs too until %s: give the new one to "
		       "the receiver by then\n",
			rq->name, until);
	else
		printf("%s: a new secret, alone; what the receiver knows is worth nothing from now on\n",
			rq->name);
}

/* Names no key: who may read the file reads it. */
static int
act_rotate(struct call *call, struct forward_look *l)
{
	const struct forward_request *rq = call->options;
	const struct config_forward *own = config_forward_find(l->cfg, rq->name);
	struct standard_keys_facts facts;
	struct error why = {""};
	const enum ops_found found =
		forward_act_rotate(l, rq->name, rq->now, rq->force, &facts, &why);

	if (found != OPS_FOUND)
		return forward_ended(call, found, &why);
	print_rotated(rq, &facts);
	if (!rq->json)
		printf("it stands in %s\n", own->secrets_file);
	return CLI_DONE;
}

#define ACTION(name)                                                                               \
	static int name##_action(struct call *call)                                                \
	{                                                                                          \
		return forward_with(call, FORWARD_CHANGE, act_##name);                             \
	}
ACTION(pause)
ACTION(resume)
ACTION(enable)
ACTION(forget)
ACTION(skip)

static int
rotate_action(struct call *call)
{
	return forward_with(call, FORWARD_LOOK, act_rotate);
}

/* ---- the verb ---- */

const struct verb verb_forward = {
	.name = "forward",
	.arguments = "[NAME] [ID ...]",
	.summary =
		"The applications that events are forwarded to: how each is, and what to do about it",
	.details =
		"list      each with its state, how far behind it is, what it is owed, its dead letters\n"
		"show      all about NAME, its place in the history, its secrets (how many, never which)\n"
		"test      sends one event now, an invented one or --event ID, and says what was answered;\n"
		"          exits 1 unless that is 2xx\n"
		"pause     sends nothing more; resume goes on from the same place: nothing is left out\n"
		"enable    tries one again that is gone (410), refused or down, at once\n"
		"forget    drops the place and the dead letters of one that has left the configuration: until\n"
		"          then it goes on where it was when it comes back\n"
		"rotate    puts a new secret first; the one before signs too for 24 h, or goes --now. While\n"
		"          one is on its way out, another rotation needs --force\n"
		"attempts  what was tried lately with which answer; --event ID: of this event\n"
		"skip      goes on with what was accepted --to TIME or later: what is before is left out\n"
		"dlq       dead letters: `dlq list NAME`, `dlq show NAME ID`, `dlq replay NAME [ID ...]` sends\n"
		"          them once more under the same ids, `dlq drop NAME [ID ...]`, `dlq export NAME`.\n"
		"          An ID is a number of the list, or evt_...; without one all are meant, and asked\n"
		"          about\n\n"
		"States: up; slow (says that it has too many); down (cannot be reached, or nothing succeeds:\n"
		"is probed each minute); refused (wants nothing from us: is probed each 5 min); gone (410:\n"
		"nothing is sent until `enable`); new (the stage has not seen it yet). Lag counts all events of\n"
		"the history that it has not read yet, whether it wants them or not.\n"
		"TIME is such as 2026-01-02T03:04:05Z, seconds since 1970, or a time ago such as 90s, 2h, 7d.\n"
		"Works with the pipeline up or down; nothing is sent until it is up. More: docs/forward.md.\n\n"
		"  trotline forward test app\n"
		"  trotline forward attempts app --event evt_0123456789abcdef_17\n"
		"  trotline forward skip app --to 1h\n",
	.flags =
		(const struct flag[]){
			{"event", 'e', FLAG_TEXT, "ID", "test, attempts: this event",
				FLAG_AT(forward_request, event)},
			{"to", 0, FLAG_TEXT, "TIME", "skip: where it is to go on",
				FLAG_AT(forward_request, to)},
			{"now", 0, FLAG_SWITCH, NULL, "rotate: the old secret goes at once",
				FLAG_AT(forward_request, now)},
			{"force", 0, FLAG_SWITCH, NULL, "rotate: also while one is on its way out",
				FLAG_AT(forward_request, force)},
			{"limit", 'n', FLAG_NUMBER, "N", "attempts, dlq list: at most so many",
				FLAG_AT(forward_request, limit), .fallback = "50"},
			{"all", 0, FLAG_SWITCH, NULL, "dlq replay, drop: all that there are",
				FLAG_AT(forward_request, all)},
			{"dry-run", 0, FLAG_SWITCH, NULL,
				"skip, dlq replay, drop: only say how many",
				FLAG_AT(forward_request, dry_run)},
			{"yes", 'y', FLAG_SWITCH, NULL, "dlq replay, drop: do not ask",
				FLAG_AT(forward_request, yes)},
			{"output", 'o', FLAG_TEXT, "FILE",
				"dlq export: into this new file, mode 0600",
				FLAG_AT(forward_request, output)},
			{"json", 0, FLAG_SWITCH, NULL, "print JSON, one object a line",
				FLAG_AT(forward_request, json)},
			{.name = NULL},
		},
	.options = sizeof(struct forward_request),
	.actions =
		(const struct action[]){
			{"list", PLAIN_CONFIG, .check = takes_none, .run = forward_list},
			{"show", PLAIN_CONFIG, .check = takes_name, .run = forward_show},
			{"test", PLAIN_CONFIG, .check = takes_name, .run = forward_test},
			{"pause", PLAIN_CONFIG, .check = takes_name, .run = pause_action},
			{"resume", PLAIN_CONFIG, .check = takes_name, .run = resume_action},
			{"enable", PLAIN_CONFIG, .check = takes_name, .run = enable_action},
			{"forget", PLAIN_CONFIG, .check = takes_name, .run = forget_action},
			{"rotate", PLAIN_CONFIG, .check = takes_name, .run = rotate_action},
			{"attempts", PLAIN_CONFIG, .check = takes_name,
				.run = forward_attempts_list},
			{"skip", PLAIN_CONFIG, .check = takes_time, .run = skip_action},
			{"dlq", PLAIN_CONFIG, .check = forward_dlq_check, .run = forward_dlq},
			{.name = NULL},
		},
};
