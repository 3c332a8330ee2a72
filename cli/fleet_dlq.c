/* fleet_dlq - the dead letters of all nodes as one list: `trotline dlq list --fleet`.
 *
 * In: a page of at most so many of each, the newest first. Out: these, each with its node, by the time at which
 * they were accepted; `trotline dlq show` and `replay` on that node go on. */
#include <stdio.h>
#include <stdlib.h>

#include "dlq.h"
#include "fleet.h"
#include "lib/base/field.h"
#include "lib/base/object.h"
#include "text.h"

enum { USUAL = 100, MOST = 1000 };

struct row {
	const struct fleet_node *node;
	const msgpack_object *letter;
};

static msgpack_object
question(const struct dlq_request *rq, uint64_t limit, msgpack_zone *zone)
{
	const struct letter_filter *f = &rq->meant.filter;
	const struct {
		const char *key, *text;
	} words[] = {{"type", f->type}, {"source", f->source}, {"reason", f->reason},
		{"since", rq->since}, {"until", rq->until}};
	struct map m = map_in(zone);

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (words[i].text)
			map_text(&m, words[i].key, slice_of(words[i].text));
	map_uint(&m, "limit", limit);
	return map_object(&m);
}

static const msgpack_object_array *
letters_of(const struct fleet_node *node)
{
	static const msgpack_object_array none = {0, NULL};
	const msgpack_object *list = field_get(&node->answer, "dead_letters");

	return fleet_answered(node) && list && list->type == MSGPACK_OBJECT_ARRAY ? &list->via.array
										  : &none;
}

/* The newest first; times of one form are in order as texts. */
static int
compare(const void *a, const void *b)
{
	const struct slice x = field_str(((const struct row *)a)->letter, "received_at"),
			   y = field_str(((const struct row *)b)->letter, "received_at");
	const int order = memcmp(y.n ? y.p : "", x.n ? x.p : "", x.n < y.n ? x.n : y.n);

	return order ? order : x.n < y.n ? 1 : x.n > y.n ? -1 : 0;
}

static size_t
collect(const struct fleet *f, struct row **rows)
{
	size_t n = 0, room = 0;

	for (size_t i = 0; i < f->n; i++)
		room += letters_of(&f->list[i])->size;
	*rows = calloc(room + 1, sizeof **rows);
	for (size_t i = 0; *rows && i < f->n; i++) {
		const msgpack_object_array *list = letters_of(&f->list[i]);

		for (uint32_t k = 0; k < list->size; k++)
			(*rows)[n++] = (struct row){&f->list[i], &list->ptr[k]};
	}
	if (n)
		qsort(*rows, n, sizeof **rows, compare);
	return n;
}

static void
print_row(const struct row *row)
{
	const struct slice failed = slice_cut(field_str(row->letter, "failed_at"), 19);

	text_column(slice_of(row->node->name), 12);
	putchar(' ');
	text_column(field_str(row->letter, "letter"), 26);
	printf(" %-19.*s ", SLICE_ARG(failed));
	text_column(field_str(row->letter, "event_type"), 20);
	putchar(' ');
	text_column(field_str(row->letter, "event_id"), 36);
	putchar(' ');
	text_print(field_str(row->letter, "error_reason"), 80);
	putchar('\n');
}

static void
print_rows(struct fleet *f, const struct row *rows, size_t n, bool json)
{
	msgpack_object named;

	if (n && !json)
		printf("%-12s %-26s %-19s %-20s %-36s %s\n", "NODE", "LETTER", "FAILED AT (UTC)",
			"TYPE", "EVENT ID", "REASON");
	for (size_t i = 0; i < n; i++) {
		if (json) {
			named = fleet_named(rows[i].node, rows[i].letter, &f->zone);
			object_print(&named);
		} else {
			print_row(&rows[i]);
		}
	}
}

/* What was left out, and by whom. */
static void
tell_more(const struct fleet *f)
{
	fflush(stdout);
	for (size_t i = 0; i < f->n; i++) {
		const uint32_t listed = letters_of(&f->list[i])->size;
		int64_t matching = 0;

		field_int(&f->list[i].answer, "matching", &matching);
		if (matching > (int64_t)listed)
			fprintf(stderr, "%s: the newest %u of %lld\n", f->list[i].name, listed,
				(long long)matching);
		else if (fleet_answered(&f->list[i]) &&
			 !field_bool(&f->list[i].answer, "complete", true))
			fprintf(stderr, "%s: not all could be looked at\n", f->list[i].name);
	}
}

static int
show(struct fleet *f, struct call *call, const struct dlq_request *rq, uint64_t limit)
{
	const msgpack_object asked = question(rq, limit, &f->zone);
	struct row *rows;
	size_t n, silent;

	fleet_ask(f, "/dlq", &asked);
	n = collect(f, &rows);
	print_rows(f, rows, n < limit ? n : limit, rq->json);
	free(rows);
	tell_more(f);
	silent = fleet_tell_silent(f, call->verb);
	if (n == 0 && silent == 0)
		dlq_nothing(call);
	return fleet_status(f, silent);
}

int
fleet_run_dlq(struct call *call, const struct dlq_request *rq)
{
	const uint64_t limit = rq->meant.limit ? rq->meant.limit : rq->json ? MOST : USUAL;
	struct error why = {""};
	struct fleet f;
	int status;

	if (fleet_open(&f, call->cfg, &why))
		status = show(&f, call, rq, limit < MOST ? limit : MOST);
	else
		status = cli_failed(call->verb, &why);
	fleet_close(&f);
	return status;
}
