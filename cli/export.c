/* export - all events of the history that are meant, into a file or to stdout.
 *
 * In: the history's files. Out: JSON, one object a line, or CSV. A file appears under its name when it is
 * whole: a kill leaves FILE.<pid>.part. Works with the pipeline up or down. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "interrupt.h"
#include "lib/base/file.h"
#include "lib/ops/export.h"
#include "looking.h"
#include "progress.h"

struct export_request {
	struct looking looking;
	const char *format, *output;
	enum export_format as;
	FILE *to;
	char part[4096];
	struct progress progress;
};

static bool
ends(const char *text, const char *tail)
{
	const size_t n = strlen(text), m = strlen(tail);

	return n > m && strcmp(text + n - m, tail) == 0;
}

static int
check(struct call *call)
{
	struct export_request *rq = call->options;
	struct error why = {""};

	if (rq->output && strcmp(rq->output, "-") == 0)
		rq->output = NULL;
	if (rq->format && !export_format_read(rq->format, "--", &rq->as, &why))
		return cli_wrong_use(call->verb, "%s", why.text);
	if (!rq->format)
		rq->as = rq->output && ends(rq->output, ".csv") ? EXPORT_CSV : EXPORT_JSONL;
	if (rq->output && access(rq->output, F_OK) == 0)
		return cli_failed(call->verb,
			(error_set(&why, "%s is there already: nothing is written over a file",
				 rq->output),
				&why));
	return looking_check(call, &rq->looking);
}

/* ---- where it goes ---- */

static bool
open_output(struct export_request *rq, struct error *why)
{
	rq->to = stdout;
	if (!rq->output)
		return true;
	snprintf(rq->part, sizeof rq->part, "%s.%d.part", rq->output, (int)getpid());
	/* For its owner alone: events hold personal data. */
	rq->to = file_make_stream(rq->part, why);
	return rq->to != NULL;
}

/* Under its name, or not at all. */
static bool
close_output(struct export_request *rq, bool good, struct error *why)
{
	const bool written = fflush(rq->to) == 0 && !ferror(rq->to) &&
			     (!rq->output || fsync(fileno(rq->to)) == 0);

	if (good && !written)
		error_set(why, "cannot write %s: %s", rq->output ? rq->output : "the output",
			strerror(errno));
	good = good && written;
	if (!rq->output)
		return good;
	fclose(rq->to);
	good = good && file_publish(rq->part, rq->output, why);
	if (!good)
		unlink(rq->part);
	return good;
}

static bool
write_text(void *arg, struct slice text)
{
	const struct export_request *rq = arg;

	return fwrite(text.p, 1, text.n, rq->to) == text.n;
}

static bool
show_step(void *arg, const struct export_told *told)
{
	struct export_request *rq = arg;

	rq->progress.total = told->meant;
	progress_show(&rq->progress, told->looked);
	return !interrupted;
}

/* ---- all of it ---- */

static int
tell(const struct call *call, const struct export_request *rq, const struct export_told *told)
{
	if (rq->output)
		fprintf(stderr, "exported %llu events to %s\n", (unsigned long long)told->events,
			rq->output);
	if (!told->missed && !told->damaged)
		return CLI_DONE;
	fprintf(stderr,
		"trotline %s: up to %llu events are not in it: they went meanwhile, or could not be read (%zu files)\n",
		call->verb->name, (unsigned long long)told->missed, told->damaged);
	return CLI_FAILED;
}

static int
run(struct call *call)
{
	struct export_request *rq = call->options;
	struct export_ask ask = {.cfg = call->cfg,
		.filter = rq->looking.ask.filter,
		.format = rq->as,
		.arg = rq,
		.write = write_text,
		.step = show_step};
	struct export_told told;
	struct error why = {""};
	struct history_view *view = history_look_open(call->cfg, &why);
	enum ops_found found;
	bool good;

	if (!view || !open_output(rq, &why)) {
		history_view_close(&view);
		return cli_failed(call->verb, &why);
	}
	interrupt_catch();
	rq->progress = progress_begin("looked at", 0);
	found = export_all(view, &ask, &told, &why);
	progress_end(&rq->progress);
	history_view_close(&view);
	good = found == OPS_FOUND && !interrupted;
	if (interrupted)
		error_set(&why, "stopped after %llu events", (unsigned long long)told.events);
	if (!close_output(rq, good, &why))
		return looking_failed(call, found, &why);
	return tell(call, rq, &told);
}

#define AT(member) FLAG_AT(export_request, member)

const struct verb verb_export = {
	.name = "export",
	.summary = "Write events of the history into a file, oldest first",
	.details =
		"jsonl is what `trotline history --json` prints: an object a line, with the event's data as it was\n"
		"accepted. csv has a line of names and fixed columns (docs/history.md); a text that a spreadsheet\n"
		"would run gets a ' before it. Without --format it is as FILE ends, else jsonl. " LOOKING_HELP
		"It holds what was there when it began, and keeps retention by age from it until it is done. FILE\n"
		"appears when it is whole, for its owner alone, and never in place of another. Memory does not\n"
		"grow with it; to pack it: `trotline export | zstd > FILE`. Works with the pipeline up or down.\n"
		"Exits 1 where an event could not be read.\n\n"
		"  trotline export --since 1h --format csv\n"
		"  trotline export --source email --type 'email_b*' -o bounces.jsonl\n",
	.flags =
		(const struct flag[]){
			{"format", 'f', FLAG_TEXT, "csv|jsonl", "as what", AT(format)},
			{"output", 'o', FLAG_TEXT, "FILE", "into this new file (stdout)",
				AT(output)},
			LOOKING_KEYS,
			LOOKING_TIMES,
			LOOKING_KINDS,
			{.name = NULL},
		},
	.options = sizeof(struct export_request),
	.actions = (const struct action[]){{.config = PLAIN_CONFIG, .check = check, .run = run}},
};
