/* dlq_read - the actions of `trotline dlq` that only look: list, show, stats, export. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dlq.h"
#include "lib/base/field.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/map.h"
#include "lib/base/object.h"
#include "lib/base/timestamp.h"
#include "lib/ops/tally.h"
#include "progress.h"
#include "text.h"

enum { LIST_DEFAULT = 100, REASONS_SHOWN = 20 };

/* ---- list ---- */

struct listing {
	const struct dlq_request *rq;
	uint64_t n;
};

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
	struct listing *l = arg;
	msgpack_object object;

	if (l->n++ == 0 && !l->rq->json)
		printf("%-26s %-19s %-20s %-36s %s\n", "LETTER", "FAILED AT (UTC)", "TYPE",
			"EVENT ID", "REASON");
	if (l->rq->json)
		return letter_object(letter, false, zone, &object) && object_print(&object);
	print_row(letter);
	return !ferror(stdout);
}

int
dlq_list(struct call *call)
{
	const struct dlq_request *rq = call->options;
	struct dlq_request limited = *rq;
	struct listing l = {.rq = rq};
	struct error why = {""};
	bool good;

	if (!limited.limit && !rq->json && isatty(STDOUT_FILENO))
		limited.limit = LIST_DEFAULT;
	good = dlq_each(&limited, call->letters, true, list_one, &l, &why);
	if (!good)
		return cli_failed(call->verb, &why);
	if (l.n == 0)
		return dlq_nothing(rq);
	if (limited.limit != rq->limit && l.n == limited.limit)
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
print_field(const struct map *m, uint32_t i)
{
	const msgpack_object *value = &m->rows[i].val;
	char *text;

	if (value->type == MSGPACK_OBJECT_NIL || value->type == MSGPACK_OBJECT_BIN)
		return;
	printf("%-23.*s ", SLICE_ARG(object_str(&m->rows[i].key)));
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
	struct listing *l = arg;
	msgpack_object object;
	struct map m;

	if (!letter_object(letter, true, zone, &object))
		return false;
	if (l->rq->json)
		return l->n++, object_print(&object);
	if (l->n++)
		putchar('\n');
	m = (struct map){.rows = object.via.map.ptr, .n = object.via.map.size};
	for (uint32_t i = 0; i < m.n; i++)
		print_field(&m, i);
	return !ferror(stdout);
}

int
dlq_show(struct call *call)
{
	const struct dlq_request *rq = call->options;
	struct listing l = {.rq = rq};
	struct error why = {""};
	bool good;

	good = dlq_each(rq, call->letters, false, show_one, &l, &why);
	if (!good)
		return cli_failed(call->verb, &why);
	return l.n ? CLI_DONE : dlq_nothing(rq);
}

/* ---- stats ---- */

struct summary {
	uint64_t count, non_retryable, review;
	uint64_t oldest_ms, newest_ms;
	struct tally types, sources, reasons, journals;
};

static bool
sum_up(void *arg, const struct letter *letter, msgpack_zone *zone)
{
	const struct dead *dead = letter->dead;
	struct summary *s = arg;

	(void)zone;
	if (s->count++ == 0 || dead->failed_at < s->oldest_ms)
		s->oldest_ms = dead->failed_at;
	if (dead->failed_at > s->newest_ms)
		s->newest_ms = dead->failed_at;
	s->non_retryable += dead->death == 1;
	s->review += letter_needs_review(dead);
	tally_add(&s->types, letter->event.type, 1);
	tally_add(&s->sources, letter->event.source, 1);
	tally_add(&s->reasons, dead->reason, 1);
	tally_add(&s->journals, dead->journal, 1);
	return true;
}

static msgpack_object
summary_object(struct summary *s, const struct letters_stat *st, msgpack_zone *zone)
{
	struct map m = map_in(zone);

	map_uint(&m, "count", s->count);
	map_uint(&m, "used_bytes", st->used_bytes);
	map_uint(&m, "limit_bytes", st->limit_bytes);
	map_uint(&m, "file_bytes", st->file_bytes);
	map_time(&m, "oldest_failed_at", s->oldest_ms);
	map_time(&m, "newest_failed_at", s->newest_ms);
	map_uint(&m, "non_retryable", s->non_retryable);
	map_uint(&m, "requires_manual_review", s->review);
	map_uint(&m, "dropped_remembered", st->dropped);
	map_put(&m, "by_type", tally_object(&s->types, "event_type", TALLY_ROWS, zone));
	map_put(&m, "by_source", tally_object(&s->sources, "source", TALLY_ROWS, zone));
	map_put(&m, "by_reason", tally_object(&s->reasons, "error_reason", REASONS_SHOWN, zone));
	map_put(&m, "by_journal", tally_object(&s->journals, "journal", TALLY_ROWS, zone));
	return map_object(&m);
}

static void
print_tally(const char *title, struct tally *t, size_t most)
{
	uint64_t rest = t->others;

	tally_sort(t);
	if (t->n)
		printf("%s\n", title);
	for (size_t i = 0; i < t->n; i++) {
		if (i >= most) {
			rest += t->rows[i].count;
			continue;
		}
		printf("  %8llu  ", (unsigned long long)t->rows[i].count);
		text_print(slice_of(*t->rows[i].text ? t->rows[i].text : "(unreadable)"), 0);
		putchar('\n');
	}
	if (rest)
		printf("  %8llu  others\n", (unsigned long long)rest);
}

static void
print_summary(struct summary *s, const struct letters_stat *st)
{
	char oldest[TIMESTAMP_BYTES], newest[TIMESTAMP_BYTES];

	printf("%llu dead letters, %llu of them refused by their handler for good, %llu to be "
	       "looked at by a person\n",
		(unsigned long long)s->count, (unsigned long long)s->non_retryable,
		(unsigned long long)s->review);
	if (s->count)
		printf("from %s to %s\n", timestamp_text(s->oldest_ms, oldest),
			timestamp_text(s->newest_ms, newest));
	printf("%llu of %llu KiB used (7/8 of dlq.max_size), %llu KiB on the disk\n",
		(unsigned long long)st->used_bytes / 1024,
		(unsigned long long)st->limit_bytes / 1024,
		(unsigned long long)st->file_bytes / 1024);
	print_tally("by type", &s->types, TALLY_ROWS);
	print_tally("by source", &s->sources, TALLY_ROWS);
	print_tally("by reason", &s->reasons, REASONS_SHOWN);
	if (s->journals.n > 1)
		print_tally("by journal", &s->journals, TALLY_ROWS);
}

static bool
summarise(
	const struct dlq_request *rq, struct letters *letters, struct summary *s, struct error *why)
{
	struct letters_stat st;
	msgpack_object object;
	msgpack_zone zone;

	if (!dlq_each(rq, letters, false, sum_up, s, why))
		return false;
	if (!letters_stat(letters, &st))
		return error_set(why, "cannot read the dead letters");
	if (!rq->json) {
		print_summary(s, &st);
		return true;
	}
	msgpack_zone_init(&zone, 8192);
	object = summary_object(s, &st, &zone);
	object_print(&object);
	msgpack_zone_destroy(&zone);
	return true;
}

int
dlq_stats(struct call *call)
{
	const struct dlq_request *rq = call->options;
	struct summary *s = calloc(1, sizeof *s);
	struct error why = {"out of memory"};
	bool good = s && summarise(rq, call->letters, s, &why);

	free(s);
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
	good = dlq_each(x->rq, letters, false, export_one, x, why);
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
	return x.n == 0 && rq->filter.ids_count ? dlq_nothing(rq) : CLI_DONE;
}
