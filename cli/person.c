/* person - what is known of an address, and of a message: from all stores, without asking any process.
 *
 * In: an address, or a Message-ID. Out: a page, or one JSON object. Only reads, so it also works while
 * the pipeline is down. */
#include <stdio.h>

#include "fleet.h"
#include "lib/base/field.h"
#include "lib/base/object.h"
#include "lib/config/advice.h"
#include "lib/ops/person.h"
#include "looking.h"
#include "paint.h"
#include "person.h"
#include "text.h"

enum { LABEL = 13, NAME = 40, NODE = 12, STEP_TIME_AT = 11, STEP_TIME = 8, DAY = 10 };

/* ---- small things ---- */

static unsigned long long
number(const msgpack_object *map, const char *key)
{
	int64_t n = 0;

	field_int(map, key, &n);
	return (unsigned long long)n;
}

static const msgpack_object_array *
rows_of(const msgpack_object *page, const char *key)
{
	static const msgpack_object_array none = {0, NULL};
	const msgpack_object *list = field_get(page, key);

	return list && list->type == MSGPACK_OBJECT_ARRAY ? &list->via.array : &none;
}

static void
print_label(const char *label)
{
	printf("  %-*s", LABEL, label);
}

/* A part is not whole. */
static void
print_bound(const msgpack_object *page, const char *key, const char *text, enum advised which)
{
	char see[ADVICE_BYTES];

	if (!field_bool(page, key, true))
		printf("  %s: %s\n", text, advice(which, NULL, cli_config, see));
}

/* Of which of several. */
static void
print_node(const msgpack_object *row)
{
	const struct slice node = field_str(row, "node");

	if (!node.n)
		return;
	text_column(node, NODE);
	putchar(' ');
}

/* ---- who it is ---- */

static void
print_suppression(const msgpack_object *page)
{
	const msgpack_object *s = field_get(page, "suppression");
	const struct slice until = field_str(s, "until");

	if (!s || s->type != MSGPACK_OBJECT_MAP)
		return;
	print_label("suppressed");
	if (!field_bool(s, "suppressed", false)) {
		paint_column(PAINT_GOOD, slice_of("no"), 0);
		printf("%s\n", field_str(s, "reason").n ? ", but it was" : "");
		return;
	}
	paint_column(PAINT_BAD, slice_of("yes"), 0);
	printf(until.n ? ", until " : ", for good");
	if (until.n)
		paint_when(until);
	printf(": ");
	text_print(field_str(s, "reason"), NAME);
	printf(", since ");
	paint_when(field_str(s, "since"));
	printf(", event ");
	text_print(field_str(s, "event_id"), NAME);
	putchar('\n');
}

static void
print_counters(const msgpack_object *page)
{
	const msgpack_object *all = field_get(page, "counters");

	if (!all || all->type != MSGPACK_OBJECT_MAP || !all->via.map.size)
		return;
	print_label("score");
	printf("%llu\n", number(page, "score"));
	for (uint32_t i = 0; i < all->via.map.size; i++) {
		const msgpack_object_kv *row = &all->via.map.ptr[i];
		const struct slice name = object_str(&row->key);

		if (!number(&row->val, "count"))
			continue;
		printf("  ");
		paint_column(paint_of_word(name), name, LABEL);
		printf("%-8llu last ", number(&row->val, "count"));
		paint_when(field_str(&row->val, "last_at"));
		putchar('\n');
	}
}

static void
print_consents(const msgpack_object *page)
{
	const msgpack_object_array *rows = rows_of(page, "consents");

	for (uint32_t i = 0; i < rows->size; i++) {
		const struct slice list = field_str(&rows->ptr[i], "list");

		print_label(i ? "" : "consent");
		text_print(list.n ? list : slice_of("all mail"), NAME);
		printf(": %s, ",
			field_bool(&rows->ptr[i], "wanted", false) ? "wanted" : "opted out");
		paint_when(field_str(&rows->ptr[i], "at"));
		putchar('\n');
	}
}

static void
print_state(const msgpack_object *page)
{
	print_suppression(page);
	print_counters(page);
	print_consents(page);
}

static void
print_states(const msgpack_object *page)
{
	const msgpack_object_array *rows = rows_of(page, "states");

	for (uint32_t i = 0; i < rows->size; i++) {
		print_label("node");
		text_print(field_str(&rows->ptr[i], "node"), NAME);
		putchar('\n');
		print_state(&rows->ptr[i]);
	}
}

/* ---- paths ---- */

/* "delivered 12:00:05"; on another day than the step before, with the day. */
static void
print_step(const msgpack_object *step, const msgpack_object *before)
{
	static const char MAIL[] = "email_";
	struct slice type = field_str(step, "event_type"), at = field_str(step, "timestamp");
	const struct slice last = before ? field_str(before, "timestamp") : (struct slice){NULL, 0};

	if (slice_starts(type, MAIL))
		type = (struct slice){type.p + sizeof MAIL - 1, type.n - sizeof MAIL + 1};
	paint(paint_of_word(type));
	text_print(type, NAME);
	paint(PAINT_DIM);
	if (at.n > STEP_TIME_AT + STEP_TIME) {
		if (!last.n || memcmp(last.p, at.p, DAY) != 0)
			printf(" %.*s", DAY, at.p);
		printf(" %.*s", STEP_TIME, at.p + STEP_TIME_AT);
	}
	paint(PAINT_PLAIN);
	printf("%s%s", field_bool(step, "machine", false) ? " (machine)" : "",
		field_bool(step, "late", false) ? " (came late)" : "");
}

static void
print_path(const msgpack_object *group, const char *key)
{
	const msgpack_object_array *path = rows_of(group, "path");
	const struct slice status = field_str(group, "status"),
			   campaign = field_str(group, "campaign_id"),
			   detail = field_str(group, "detail");

	printf("  ");
	text_print(field_str(group, key), 2 * NAME);
	if (status.n) {
		printf("  now ");
		paint_column(paint_of_word(status), status, 0);
	}
	if (campaign.n) {
		printf("  campaign ");
		text_print(campaign, NAME);
	}
	if (detail.n) {
		printf("  ");
		text_print(detail, NAME);
	}
	printf("\n    ");
	for (uint32_t i = 0; i < path->size; i++) {
		printf("%s", i ? " -> " : "");
		print_step(&path->ptr[i], i ? &path->ptr[i - 1] : NULL);
	}
	puts(path->size ? "" : "no event of it is kept");
}

static void
print_paths(const msgpack_object *page, const char *list, const char *title, const char *key)
{
	const msgpack_object_array *rows = rows_of(page, list);

	if (rows->size)
		paint_title(title);
	for (uint32_t i = 0; i < rows->size; i++)
		print_path(&rows->ptr[i], key);
}

/* ---- lists ---- */

static void
print_waiting(const msgpack_object *page)
{
	const msgpack_object_array *rows = rows_of(page, "waiting");

	if (rows->size || !field_bool(page, "waiting_complete", true))
		paint_title("WAITING");
	for (uint32_t i = 0; i < rows->size; i++) {
		const msgpack_object *row = &rows->ptr[i];
		const struct slice status = field_str(row, "status"),
				   next = field_str(row, "next_retry_at");

		printf("  ");
		print_node(row);
		text_column(field_str(row, "event_type"), 20);
		putchar(' ');
		paint_column(paint_of_word(status), status, 10);
		printf(" since ");
		paint_when(field_str(row, "received_at"));
		if (next.n) {
			printf(" next try ");
			paint_when(next);
		}
		putchar(' ');
		text_print(field_str(row, "error"), 2 * NAME);
		putchar('\n');
	}
	print_bound(page, "waiting_complete", "not all that waits could be looked through",
		ADVICE_STATUS);
}

static void
print_letters(const msgpack_object *page)
{
	const msgpack_object_array *rows = rows_of(page, "dead_letters");

	if (rows->size || !field_bool(page, "dead_letters_complete", true))
		paint_title("DEAD LETTERS");
	for (uint32_t i = 0; i < rows->size; i++) {
		const msgpack_object *row = &rows->ptr[i];

		printf("  ");
		print_node(row);
		text_column(field_str(row, "letter"), 26);
		putchar(' ');
		text_column(field_str(row, "event_type"), 20);
		putchar(' ');
		paint_when(field_str(row, "failed_at"));
		putchar(' ');
		paint(PAINT_BAD);
		text_print(field_str(row, "error_reason"), 2 * NAME);
		paint(PAINT_PLAIN);
		putchar('\n');
	}
	print_bound(page, "dead_letters_complete", "there may be more", ADVICE_LETTERS);
}

static void
print_events(const msgpack_object *page, bool address)
{
	const msgpack_object_array *rows = rows_of(page, "events");

	if (!rows->size)
		return;
	paint_title("EVENTS");
	if (field_str(&rows->ptr[0], "node").n)
		printf("%-*s ", NODE, "NODE");
	looking_head(address);
	for (uint32_t i = 0; i < rows->size; i++) {
		print_node(&rows->ptr[i]);
		looking_row(&rows->ptr[i], address);
	}
}

static void
print_end(const msgpack_object *page)
{
	const struct slice none = field_str(page, "no_history"), cursor = field_str(page, "cursor");
	const unsigned long long damaged = number(page, "damaged_files");

	fflush(stdout);
	if (none.n)
		fprintf(stderr, "%.*s\n", SLICE_ARG(none));
	if (damaged)
		fprintf(stderr, "%llu of the history's files could not be read, or not whole\n",
			damaged);
	if (cursor.n)
		fprintf(stderr, "there may be more: the same with --cursor %.*s\n",
			SLICE_ARG(cursor));
}

void
person_print(const msgpack_object *page, bool first)
{
	const struct slice address = field_str(page, "address");

	paint(PAINT_BOLD);
	text_print(address.n ? address : field_str(page, "email"), 0);
	paint(PAINT_PLAIN);
	putchar('\n');
	if (first) {
		print_state(page);
		print_states(page);
	}
	print_paths(page, "messages", "MESSAGES", "message_id");
	print_events(page, false);
	if (first) {
		print_waiting(page);
		print_letters(page);
	}
	print_end(page);
}

static void
print_message(const msgpack_object *page, bool first)
{
	(void)first;
	paint(PAINT_BOLD);
	text_print(field_str(page, "message_id"), 0);
	paint(PAINT_PLAIN);
	putchar('\n');
	print_paths(page, "recipients", "RECIPIENTS", "email");
	if (!field_bool(page, "recipients_complete", true))
		puts("  there are more recipients");
	print_events(page, true);
	print_end(page);
}

/* ---- the verbs ---- */

typedef enum ops_found page_fn(
	const struct person_query *q, msgpack_zone *zone, msgpack_object *out, struct error *why);
typedef void print_fn(const msgpack_object *page, bool first);

static int
show(struct call *call, page_fn *ask, print_fn *print)
{
	const struct looking *l = call->options;
	struct error why = {""}, none = {""};
	struct person_query q = {.journal = call->journal,
		.letters = call->letters,
		.state = call->state,
		.history = history_look_open(call->cfg, &none),
		.ask = l->ask};
	msgpack_object page;
	msgpack_zone zone;
	enum ops_found found;

	q.no_history = q.history ? NULL : none.text;
	msgpack_zone_init(&zone, 65536);
	found = ask(&q, &zone, &page, &why);
	if (found == OPS_FOUND && l->json)
		object_print(&page);
	else if (found == OPS_FOUND)
		print(&page, !l->words.cursor);
	msgpack_zone_destroy(&zone);
	history_view_close(&q.history);
	return found == OPS_FOUND ? CLI_DONE : looking_failed(call, found, &why);
}

static int
take(struct call *call, const char **key)
{
	struct looking *l = call->options;

	*key = call->rest.list[0];
	if (l->limit > HISTORY_PAGE_MOST)
		return cli_wrong_use(
			call->verb, "--limit is %d at most; --cursor goes on", HISTORY_PAGE_MOST);
	return looking_check(call, l);
}

static int
check_person(struct call *call)
{
	struct looking *l = call->options;

	if (l->fleet && l->words.cursor)
		return cli_wrong_use(call->verb,
			"--cursor goes on with one node: call it there, without --fleet");
	if (l->fleet)
		fleet_instead_of_stores(call);
	return take(call, &l->words.email);
}

static int
run_person(struct call *call)
{
	return ((const struct looking *)call->options)->fleet
		       ? fleet_run_person(call)
		       : show(call, person_page, person_print);
}

static int
check_message(struct call *call)
{
	return take(call, &((struct looking *)call->options)->words.message);
}

static int
run_message(struct call *call)
{
	return show(call, message_page, print_message);
}

const struct verb verb_person = {
	.name = "person",
	.arguments = "ADDRESS",
	.summary = "Tell all that is known of an address, from all senders",
	.details =
		"Whether it is suppressed and why, counters and consent (from the state database), the path of\n"
		"each message, every event with the latest first (from the history), what waits, and dead\n"
		"letters. An address is found in any case of its letters; `-` reads it from stdin, which keeps it\n"
		"out of the list of processes. " LOOKING_HELP
		"A page holds --limit events (50, at most 500) and the paths of these; an event marked late was\n"
		"accepted after one about the same message that happened later. A look takes half a second at\n"
		"most: then it says so, and --cursor goes on. Works while the pipeline is down. Exits 0 when\n"
		"anything is known, otherwise 1. --fleet joins the pages of all nodes, which must run; exits 1 when\n"
		"one does not answer, 3 when none does.\n\n"
		"  trotline person jo@example.com\n"
		"  echo jo@example.com | trotline person - --since 7d --json\n",
	.flags =
		(const struct flag[]){
			LOOKING_TIMES,
			LOOKING_KINDS,
			LOOKING_PAGE,
			{"fleet", 0, FLAG_SWITCH, NULL, "by all nodes of fleet.nodes",
				LOOKING_AT(fleet)},
			{"json", 0, FLAG_SWITCH, NULL, "print one JSON object", LOOKING_AT(json)},
			{.name = NULL},
		},
	.options = sizeof(struct looking),
	.actions = (const struct action[]){{CLI_WHERE_EVENTS_ARE, .check = check_person,
		.run = run_person}},
};

const struct verb verb_message = {
	.name = "message",
	.arguments = "ID",
	.summary = "Tell what became of a message, for each of its recipients",
	.details =
		"ID is the Message-ID as the sender's events have it, with or without <>. For each recipient: the\n"
		"status now (from the state database), and the path to it: what a machine did, and what came\n"
		"late, is marked. Then every event, the latest first. " LOOKING_HELP
		"A page holds --limit events (50, at most 500), and the recipients of these; --cursor goes on.\n"
		"Works while the pipeline is down. Exits 0 when anything is known of it, otherwise 1.\n\n"
		"  trotline message '<20261129.1@example.com>'\n",
	.flags =
		(const struct flag[]){
			LOOKING_TIMES,
			LOOKING_KINDS,
			LOOKING_PAGE,
			{"json", 0, FLAG_SWITCH, NULL, "print one JSON object", LOOKING_AT(json)},
			{.name = NULL},
		},
	.options = sizeof(struct looking),
	.actions = (const struct action[]){{CLI_WHERE_EVENTS_ARE, .check = check_message,
		.run = run_message}},
};
