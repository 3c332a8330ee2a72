/* dlq_read - the actions of `trotline dlq` that only look: list, show, stats, export. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dlq.h"
#include "fleet.h"
#include "lib/base/field.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/object.h"
#include "lib/base/timestamp.h"
#include "lib/ops/letters_look.h"
#include "progress.h"
#include "text.h"

enum { LIST_DEFAULT = 100 };

/* What is printed, and how many so far. */
struct letters_print {
	const struct dlq_request *rq;
	uint64_t n;
};

/* ---- list ---- */

static void
print_row(const struct letter *letter)
{
	char name[LETTER_NAME_BYTES], failed[TIMESTAMP_BYTES];

	timestamp_text(letter->dead->failed_at, failed);
	failed[19] = 0; /* seconds are enough here */
	text_column(slice_of(letter_name(letter->dead->journal, letter->dead->seq, name)), 26);
	printf(" %s ", failed);
	text_column(letter->event.type, 20);
	putchar(' ');
	text_column(letter->event.id, 36);
	putchar(' ');
	text_print(letter->dead->reason, 80);
	putchar('\n');
}

static bool
list_one(void *arg, const struct letter *letter, msgpack_zone *zone)
{
	struct letters_print *p = arg;
	msgpack_object object;

	if (p->n++ == 0 && !p->rq->json)
		printf("%-26s %-19s %-20s %-36s %s\n", "LETTER", "FAILED AT (UTC)", "TYPE",
			"EVENT ID", "REASON");
	if (p->rq->json)
		return letter_object(letter, false, zone, &object) && object_print(&object);
	print_row(letter);
	return !ferror(stdout);
}

int
dlq_list(struct call *call)
{
	const struct dlq_request *rq = call->options;
	struct selection meant = rq->meant;
	struct letters_print p = {.rq = rq};
	struct error why = {""};

	if (rq->fleet)
		return fleet_run_dlq(call, rq);
	meant.newest_first = true;
	if (!meant.limit && !rq->json && isatty(STDOUT_FILENO))
		meant.limit = LIST_DEFAULT;
	if (!selection_each(call->letters, &meant, list_one, &p, &why))
		return cli_failed(call->verb, &why);
	if (p.n == 0)
		return dlq_nothing(call);
	if (meant.limit != rq->meant.limit && p.n == meant.limit)
		fprintf(stderr, "the newest %d; --limit N shows more\n", LIST_DEFAULT);
	return CLI_DONE;
}

/* ---- show ---- */

/* Line by line, so that nothing in it but its own line ends moves the cursor. */
static void
print_lines(const char *text)
{
	while (*text) {
		const size_t n = strcspn(text, "\n");

		text_print((struct slice){text, n}, 0);
		putchar('\n');
		text += n + (text[n] != 0);
	}
}

static void
print_field(const msgpack_object_kv *row)
{
	const msgpack_object *value = &row->val;
	char *text;

	if (value->type == MSGPACK_OBJECT_NIL || value->type == MSGPACK_OBJECT_BIN)
		return;
	printf("%-23.*s ", SLICE_ARG(object_str(&row->key)));
	if (value->type == MSGPACK_OBJECT_STR) {
		text_print(object_str(value), 0);
		putchar('\n');
		return;
	}
	text = json_write(value, value->type == MSGPACK_OBJECT_MAP);
	print_lines(text ? text : "?");
	free(text);
}

static bool
show_one(void *arg, const struct letter *letter, msgpack_zone *zone)
{
	struct letters_print *p = arg;
	msgpack_object object;

	if (!letter_object(letter, true, zone, &object))
		return false;
	if (p->rq->json)
		return p->n++, object_print(&object);
	if (p->n++)
		putchar('\n');
	for (uint32_t i = 0; i < object.via.map.size; i++)
		print_field(&object.via.map.ptr[i]);
	return !ferror(stdout);
}

int
dlq_show(struct call *call)
{
	const struct dlq_request *rq = call->options;
	struct letters_print p = {.rq = rq};
	struct error why = {""};

	if (!selection_each(call->letters, &rq->meant, show_one, &p, &why))
		return cli_failed(call->verb, &why);
	return p.n ? CLI_DONE : dlq_nothing(call);
}

/* ---- stats ---- */

static unsigned long long
number(const msgpack_object *figures, const char *key)
{
	int64_t n = 0;

	field_int(figures, key, &n);
	return (unsigned long long)n;
}

/* One tally: rows of a text and a count; the row of all others has no text. */
static void
print_tally(const msgpack_object *figures, const char *title, const char *key, const char *name)
{
	const msgpack_object *rows = field_get(figures, key);

	if (rows->via.array.size)
		printf("%s\n", title);
	for (uint32_t i = 0; i < rows->via.array.size; i++) {
		const msgpack_object *row = &rows->via.array.ptr[i];
		const struct slice text = field_str(row, name);

		printf("  %8llu  ", number(row, "count"));
		text_print(text.n ? text : slice_of(text.p ? "(unreadable)" : "others"), 0);
		putchar('\n');
	}
}

static void
print_figures(const msgpack_object *f)
{
	const msgpack_object *journals = field_get(f, "by_journal");

	printf("%llu dead letters, %llu of them refused by their handler for good, %llu to be looked at by a person\n",
		number(f, "count"), number(f, "non_retryable"),
		number(f, "requires_manual_review"));
	if (number(f, "count"))
		printf("from %.*s to %.*s\n", SLICE_ARG(field_str(f, "oldest_failed_at")),
			SLICE_ARG(field_str(f, "newest_failed_at")));
	printf("%llu of %llu KiB used (7/8 of dlq.max_size), %llu KiB on the disk\n",
		number(f, "used_bytes") / 1024, number(f, "limit_bytes") / 1024,
		number(f, "file_bytes") / 1024);
	print_tally(f, "by type", "by_type", "event_type");
	print_tally(f, "by source", "by_source", "source");
	print_tally(f, "by reason", "by_reason", "error_reason");
	if (journals->via.array.size > 1)
		print_tally(f, "by journal", "by_journal", "journal");
}

int
dlq_stats(struct call *call)
{
	const struct dlq_request *rq = call->options;
	struct error why = {""};
	msgpack_object figures;
	msgpack_zone zone;
	bool good;

	msgpack_zone_init(&zone, 8192);
	good = letters_summary(call->letters, &rq->meant, &zone, &figures, &why);
	if (good && rq->json)
		object_print(&figures);
	else if (good)
		print_figures(&figures);
	msgpack_zone_destroy(&zone);
	return good ? CLI_DONE : cli_failed(call->verb, &why);
}

/* ---- export ---- */

struct export
{
	const struct dlq_request *rq;
	FILE *to;
	uint64_t n, unreadable;
	struct progress progress;
};

static bool
export_one(void *arg, const struct letter *letter, msgpack_zone *zone)
{
	struct export *x = arg;
	msgpack_object object;
	char *text;
	bool good;

	if (x->rq->events && !letter->readable) {
		x->unreadable++;
		return true;
	}
	good = x->rq->events ? letter_webhook(letter, zone, &object)
			     : letter_object(letter, true, zone, &object);
	text = good ? json_write(&object, false) : NULL;
	if (x->rq->events)
		fputs(x->n ? ",\n" : "[\n", x->to);
	good = text && fputs(text, x->to) >= 0;
	if (good && !x->rq->events)
		fputc('\n', x->to);
	free(text);
	progress_show(&x->progress, ++x->n);
	return good && !ferror(x->to);
}

static bool
close_output(struct export *x, struct error *why)
{
	const char *path = x->rq->output;
	bool good = fflush(x->to) == 0 && !ferror(x->to) && (!path || fsync(fileno(x->to)) == 0);

	if (!good)
		error_set(why, "cannot write %s: %s", path ? path : "the output", strerror(errno));
	if (path)
		fclose(x->to);
	return good;
}

static bool
export_all(struct export *x, struct letters *letters, struct error *why)
{
	bool good;

	/* For its owner alone: letters hold personal data. */
	x->to = x->rq->output ? file_make_stream(x->rq->output, why) : stdout;
	if (!x->to)
		return false;
	x->progress = progress_begin("exported", 0);
	good = selection_each(letters, &x->rq->meant, export_one, x, why);
	progress_end(&x->progress);
	if (x->rq->events)
		fputs(x->n ? "\n]\n" : "[]\n", x->to);
	return close_output(x, why) && good;
}

int
dlq_export(struct call *call)
{
	const struct dlq_request *rq = call->options;
	struct export x = {.rq = rq};
	struct error why = {""};
	bool good;

	good = export_all(&x, call->letters, &why);
	if (!good)
		return cli_failed(call->verb, &why);
	if (x.unreadable)
		fprintf(stderr, "%llu letters cannot be read as events and were left out\n",
			(unsigned long long)x.unreadable);
	if (rq->output)
		fprintf(stderr, "exported %llu letters to %s\n", (unsigned long long)x.n,
			rq->output);
	return x.n == 0 && rq->meant.filter.ids_count ? dlq_nothing(call) : CLI_DONE;
}
