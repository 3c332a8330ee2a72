/* forward_dlq - `trotline forward dlq`: what destinations were given up for. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "forward.h"
#include "lib/base/field.h"
#include "lib/base/file.h"
#include "lib/base/near.h"
#include "lib/base/object.h"
#include "lib/ops/forward_act.h"
#include "paint.h"
#include "text.h"

enum { NUMBER = 8, TYPE = 20, ID = 40 };

struct printing {
	const struct forward_request *rq;
	size_t n;
};

/* ---- list, show ---- */

static void
print_head(void)
{
	paint(PAINT_BOLD);
	printf("%-*s %-*s %-*s %5s %-*s %-*s %s\n", NUMBER, "NUMBER", PAINT_TIME, "GIVEN UP (UTC)",
		PAINT_AGO, "", "TRIES", TYPE, "TYPE", ID, "ID", "WHY");
	paint(PAINT_PLAIN);
}

static bool
give_letter(void *arg, const msgpack_object *row)
{
	struct printing *p = arg;

	if (p->n++ == 0 && !p->rq->json)
		print_head();
	if (p->rq->json)
		return object_print(row);
	printf("%-*llu ", NUMBER, (unsigned long long)forward_figure(row, "number"));
	paint_time(field_str(row, "failed_at"));
	putchar(' ');
	paint_ago(field_str(row, "failed_at"));
	printf(" %5llu ", (unsigned long long)forward_figure(row, "attempts"));
	text_column(field_str(row, "type"), TYPE);
	putchar(' ');
	text_column(field_str(row, "id"), ID);
	putchar(' ');
	text_print(field_str(row, "reason"), 0);
	putchar('\n');
	return !ferror(stdout);
}

static int
none(const struct forward_request *rq)
{
	if (!rq->json)
		fprintf(stderr, "%s has no dead letters\n", rq->name);
	return CLI_DONE;
}

static int
list(struct call *call, struct forward_look *l)
{
	struct printing p = {.rq = call->options};
	struct error why = {""};
	const enum ops_found found =
		forward_look_letters(l, p.rq->name, p.rq->limit, false, give_letter, &p, &why);

	if (found == OPS_FOUND && p.n == 0)
		return none(p.rq);
	return forward_ended(call, found, &why);
}

static bool
give_whole(void *arg, const msgpack_object *row)
{
	(void)arg;
	return object_print(row);
}

static int
show(struct call *call, struct forward_look *l)
{
	const struct forward_request *rq = call->options;
	struct error why = {""};
	int status = CLI_DONE;

	for (size_t i = 0; status == CLI_DONE && i < rq->ids_count; i++)
		status = forward_ended(call,
			forward_look_letter(l, rq->name, rq->ids[i], give_whole, NULL, &why), &why);
	return status;
}

/* ---- replay, drop ---- */

/* How many are meant. */
static enum ops_found
count(struct forward_look *l, const struct forward_request *rq, uint64_t *n, struct error *why)
{
	struct forward_owing owing = {.letters = 0};
	bool kept;
	const enum ops_found found = forward_look_name(l, rq->name, &kept, why);

	if (found != OPS_FOUND)
		return found;
	if (kept && !forward_owing(l->store, rq->name, &owing, why))
		return OPS_TROUBLE;
	*n = rq->ids_count ? rq->ids_count : owing.letters;
	return OPS_FOUND;
}

static enum ops_found
move_all(struct forward_look *l, const struct forward_request *rq, bool drop, uint64_t *done,
	struct error *why)
{
	enum ops_found found = OPS_FOUND;
	uint64_t n = 0;

	*done = 0;
	if (!rq->ids_count)
		return forward_act_letters(l, rq->name, NULL, drop, done, why);
	for (size_t i = 0; found == OPS_FOUND && i < rq->ids_count; i++) {
		found = forward_act_letters(l, rq->name, rq->ids[i], drop, &n, why);
		*done += n;
	}
	return found;
}

static void
tell_moved(const struct call *call, bool drop, uint64_t meant, uint64_t done)
{
	const struct forward_request *rq = call->options;
	const char *word = drop ? "dropped" : "replayed";

	if (rq->json)
		printf("{\"name\":\"%s\",\"dry_run\":%s,\"meant\":%llu,\"%s\":%llu}\n", rq->name,
			rq->dry_run ? "true" : "false", (unsigned long long)meant, word,
			(unsigned long long)done);
	else if (rq->dry_run)
		printf("would %s %llu dead letter%s of %s\n", drop ? "drop" : "replay",
			(unsigned long long)meant, meant == 1 ? "" : "s", rq->name);
	else
		printf("%s %llu dead letter%s of %s\n", word, (unsigned long long)done,
			done == 1 ? "" : "s", rq->name);
	if (!rq->dry_run && done < meant && !drop)
		fprintf(stderr, "%llu stay: their events are on their way already\n",
			(unsigned long long)(meant - done));
}

static int
move(struct call *call, struct forward_look *l, bool drop)
{
	const struct forward_request *rq = call->options;
	struct error why = {""};
	uint64_t meant = 0, done = 0;
	enum ops_found found = count(l, rq, &meant, &why);
	char what[128];

	if (found != OPS_FOUND)
		return forward_ended(call, found, &why);
	snprintf(what, sizeof what, "%s %llu dead letter%s of %s", drop ? "drop" : "replay",
		(unsigned long long)meant, meant == 1 ? "" : "s", rq->name);
	if (meant && !rq->dry_run && rq->ids_count != 1 && !forward_confirmed(call, rq->yes, what))
		return CLI_FAILED;
	if (!rq->dry_run)
		found = move_all(l, rq, drop, &done, &why);
	if (found != OPS_FOUND)
		return forward_ended(call, found, &why);
	tell_moved(call, drop, meant, done);
	if (!drop && done)
		forward_tell_down(call);
	return CLI_DONE;
}

static int
replay(struct call *call, struct forward_look *l)
{
	return move(call, l, false);
}

static int
drop(struct call *call, struct forward_look *l)
{
	return move(call, l, true);
}

/* ---- export ---- */

struct exporting {
	FILE *to;
	uint64_t n;
};

static bool
write_letter(void *arg, const msgpack_object *row)
{
	struct exporting *x = arg;

	x->n++;
	return object_print_to(x->to, row);
}

static enum ops_found
write_all(struct forward_look *l, const struct forward_request *rq, struct exporting *x,
	struct error *why)
{
	const enum ops_found found =
		forward_look_letters(l, rq->name, SIZE_MAX, true, write_letter, x, why);

	if (found != OPS_FOUND || (fflush(x->to) == 0 && !ferror(x->to) &&
					  (!rq->output || fsync(fileno(x->to)) == 0)))
		return found;
	error_set(why, "cannot write %s: %s", rq->output ? rq->output : "the output",
		strerror(errno));
	return OPS_TROUBLE;
}

/* For its owner alone: letters hold personal data. */
static int export(struct call *call, struct forward_look *l)
{
	const struct forward_request *rq = call->options;
	struct error why = {""};
	struct exporting x = {.to = stdout};
	enum ops_found found;

	if (rq->output && !(x.to = file_make_stream(rq->output, &why)))
		return cli_failed(call->verb, &why);
	found = write_all(l, rq, &x, &why);
	if (rq->output)
		fclose(x.to);
	if (found == OPS_FOUND && rq->output)
		fprintf(stderr, "exported %llu dead letters to %s\n", (unsigned long long)x.n,
			rq->output);
	return forward_ended(call, found, &why);
}

/* ---- which of them ---- */

static const struct {
	const char *name;
	forward_fn *run;
	enum forward_use use;
	size_t least, most; /* IDs */
} acts[] = {
	{"list", list, FORWARD_LOOK, 0, 0},
	{"show", show, FORWARD_LOOK, 1, SIZE_MAX},
	{"replay", replay, FORWARD_CHANGE, 0, SIZE_MAX},
	{"drop", drop, FORWARD_CHANGE, 0, SIZE_MAX},
	{"export", export, FORWARD_LOOK, 0, 0},
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
	return cli_wrong_use(call->verb, "dlq \"%s\" is none of list, show, replay, drop, export%s",
		given, near_hint(&near, hint));
}

int
forward_dlq_check(struct call *call)
{
	struct forward_request *rq = call->options;
	const struct arguments *rest = &call->rest;
	const size_t which = rest->n ? act_of(rest->list[0]) : 0;

	if (which == ACTS)
		return no_act(call, rest->list[0]);
	if (rest->n < 2)
		return cli_wrong_use(call->verb,
			"dlq takes list, show, replay, drop or export, and the NAME of a destination");
	rq->name = rest->list[1];
	rq->ids = (const char *const *)rest->list + 2;
	rq->ids_count = rest->n - 2;
	if (rq->ids_count < acts[which].least)
		return cli_wrong_use(call->verb, "dlq show takes the ID of a letter");
	if (rq->ids_count > acts[which].most)
		return cli_wrong_use(call->verb, "\"%s\" is one argument too many", rq->ids[0]);
	if (rq->all && rq->ids_count)
		return cli_wrong_use(call->verb, "--all, or an ID: one is enough");
	return -1;
}

int
forward_dlq(struct call *call)
{
	const size_t which = act_of(call->rest.list[0]);
	const struct forward_request *rq = call->options;

	return forward_with(call, rq->dry_run ? FORWARD_LOOK : acts[which].use, acts[which].run);
}
