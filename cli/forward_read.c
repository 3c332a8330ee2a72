/* forward_read - the actions of `trotline forward` that only look: list, show, attempts. */
#include <stdio.h>

#include "forward.h"
#include "lib/base/clock.h"
#include "lib/base/field.h"
#include "lib/base/object.h"
#include "lib/base/units.h"
#include "paint.h"
#include "text.h"

enum { NAME_LEAST = 8, NAME_MOST = 32, STATE = 15, TYPE = 20, REASON = 6, ID = 40, LABEL = 13 };

static unsigned long long
figure(const msgpack_object *row, const char *key)
{
	return forward_figure(row, key);
}

static enum paint
colour_of(struct slice state)
{
	if (slice_is(state, "up"))
		return PAINT_GOOD;
	return slice_is(state, "slow") || slice_is(state, "new") ? PAINT_DOUBT : PAINT_BAD;
}

/* ---- list ---- */

static size_t
name_width(const msgpack_object *all)
{
	size_t width = NAME_LEAST;

	for (uint32_t i = 0; i < all->via.array.size; i++) {
		const size_t n = field_str(&all->via.array.ptr[i], "name").n;

		width = n > width ? n : width;
	}
	return width < NAME_MOST ? width : NAME_MOST;
}

static void
print_head(size_t width)
{
	paint(PAINT_BOLD);
	printf("%-*s %-*s %-*s %9s %-*s %7s %7s %10s %-*s %s\n", (int)width, "NAME", STATE, "STATE",
		PAINT_AGO, "SINCE", "BEHIND", PAINT_AGO, "OLDEST", "OWED", "DEAD", "DELIVERED",
		PAINT_AGO, "LAST GOOD", "WHY, OR WHERE TO");
	paint(PAINT_PLAIN);
}

static void
print_state(const msgpack_object *row, size_t width)
{
	const struct slice state = field_str(row, "state");
	char text[48];

	snprintf(text, sizeof text, "%.*s%s", SLICE_ARG(state),
		!field_bool(row, "configured", true) ? ", left"
		: field_bool(row, "paused", false)   ? ", paused"
						     : "");
	paint_column(colour_of(state), slice_of(text), width);
}

static void
print_oldest(const msgpack_object *lag)
{
	const uint64_t now_ms = clock_wall_ms(), seconds = forward_figure(lag, "seconds");
	char text[UNITS_TEXT] = "";

	if (forward_figure(lag, "events"))
		units_ago_text(now_ms - seconds * 1000, now_ms, text);
	printf("%-*s", PAINT_AGO, text);
}

static void
print_row(const msgpack_object *row, size_t width)
{
	const msgpack_object *lag = field_get(row, "lag");
	const struct slice cause = field_str(row, "cause");

	text_column(field_str(row, "name"), width);
	putchar(' ');
	print_state(row, STATE);
	putchar(' ');
	paint_ago(field_str(row, "since"));
	printf(" %9llu ", figure(lag, "events"));
	print_oldest(lag);
	printf(" %7llu %7llu %10llu ", figure(row, "owed"), figure(row, "dead"),
		figure(row, "delivered"));
	paint_ago(field_str(row, "last_success"));
	putchar(' ');
	text_print(cause.n ? cause : field_str(row, "url"), 0);
	putchar('\n');
}

static int
list_all(struct call *call, struct forward_look *l)
{
	const struct forward_request *rq = call->options;
	struct error why = {""};
	msgpack_object all;
	msgpack_zone zone;
	struct list rows;
	bool good;

	msgpack_zone_init(&zone, 8192);
	rows = list_in(&zone);
	good = forward_look_list(l, &rows, &why);
	all = list_object(&rows);
	if (good && !rq->json && rows.n)
		print_head(name_width(&all));
	for (uint32_t i = 0; good && i < rows.n; i++)
		if (rq->json)
			object_print(&rows.items[i]);
		else
			print_row(&rows.items[i], name_width(&all));
	if (good && rows.n == 0 && !rq->json)
		fprintf(stderr, "no destinations: `forward` in %s names none\n", call->cfg->path);
	else if (good && !rq->json)
		forward_tell_down(call);
	msgpack_zone_destroy(&zone);
	return good ? CLI_DONE : cli_failed(call->verb, &why);
}

int
forward_list(struct call *call)
{
	return forward_with(call, FORWARD_LOOK, list_all);
}

/* ---- show ---- */

static void
print_texts(const msgpack_object *list)
{
	for (uint32_t i = 0; i < list->via.array.size; i++) {
		printf(i ? ", " : "");
		text_print(object_str(&list->via.array.ptr[i]), 0);
	}
	if (list->via.array.size == 0)
		printf("all");
}

static void
print_value(const msgpack_object *value, bool time)
{
	const struct slice text = object_str(value);

	if (value->type == MSGPACK_OBJECT_ARRAY)
		print_texts(value);
	else if (value->type == MSGPACK_OBJECT_BOOLEAN)
		printf(value->via.boolean ? "yes" : "no");
	else if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
		printf("%llu", (unsigned long long)value->via.u64);
	else if (time)
		paint_when(text);
	else
		text_print(text, 0);
}

static void
print_keys(const msgpack_object *row)
{
	const msgpack_object *keys = field_get(row, "keys");
	const struct slice fault = field_str(row, "keys_error");

	if (fault.n) {
		printf("  %-*s ", LABEL, "secrets");
		text_print(fault, 0);
		putchar('\n');
	} else if (keys) {
		printf("  %-*s %llu", LABEL, "secrets", figure(keys, "live"));
		if (field_str(keys, "next_goes").n) {
			printf(", the next one goes ");
			paint_when(field_str(keys, "next_goes"));
		}
		putchar('\n');
	}
}

static void
print_place(const msgpack_object *row)
{
	const msgpack_object *lag = field_get(row, "lag"), *history = field_get(row, "history");
	char oldest[UNITS_TEXT] = "";
	const uint64_t now_ms = clock_wall_ms();

	printf("  %-*s reads number %llu next; the history has %llu to %llu\n", LABEL, "place",
		figure(row, "next"), figure(history, "first"), figure(history, "last"));
	units_ago_text(now_ms - forward_figure(lag, "seconds") * 1000, now_ms, oldest);
	printf("  %-*s %llu events%s%s\n", LABEL, "behind", figure(lag, "events"),
		figure(lag, "events") ? ", the oldest accepted " : "",
		figure(lag, "events") ? oldest : "");
}

static void
print_whole(const msgpack_object *row)
{
	static const struct {
		const char *label, *key;
		bool time;
		const char *none; /* what is said instead of 0; NULL: 0 */
	} rows[] = {
		{"to", "url", false, NULL},
		{"since", "since", true, NULL},
		{"why", "cause", false, NULL},
		{"last answer", "last_status", false, "none"},
		{"last try", "last_try", true, NULL},
		{"last success", "last_success", true, NULL},
		{"delivered", "delivered", false, NULL},
		{"owed", "owed", false, NULL},
		{"next due", "next_due", true, NULL},
		{"dead", "dead", false, NULL},
		{"missed", "missed", false, NULL},
		{"skipped", "skipped", false, NULL},
		{"types", "types", false, NULL},
		{"sources", "sources", false, NULL},
		{"machine", "machine", false, NULL},
		{"data", "data", false, NULL},
		{"order", "order", false, NULL},
		{"batch", "batch_events", false, NULL},
		{"at once", "concurrency", false, NULL},
		{"rate", "rate", false, "no limit"},
		{"network", "network", false, NULL},
		{"added", "added", true, NULL},
	};

	text_print(field_str(row, "name"), 0);
	printf(": ");
	print_state(row, 0);
	putchar('\n');
	print_place(row);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const msgpack_object *value = field_get(row, rows[i].key);

		if (!value || value->type == MSGPACK_OBJECT_NIL)
			continue;
		printf("  %-*s ", LABEL, rows[i].label);
		if (rows[i].none && !forward_figure(row, rows[i].key))
			fputs(rows[i].none, stdout);
		else
			print_value(value, rows[i].time);
		putchar('\n');
	}
	print_keys(row);
}

static int
show_one(struct call *call, struct forward_look *l)
{
	const struct forward_request *rq = call->options;
	struct error why = {""};
	enum ops_found found;
	msgpack_object row;
	msgpack_zone zone;

	msgpack_zone_init(&zone, 8192);
	found = forward_look_show(l, rq->name, &zone, &row, &why);
	if (found == OPS_FOUND && rq->json)
		object_print(&row);
	else if (found == OPS_FOUND)
		print_whole(&row);
	msgpack_zone_destroy(&zone);
	if (found == OPS_FOUND && !rq->json)
		forward_tell_down(call);
	return forward_ended(call, found, &why);
}

int
forward_show(struct call *call)
{
	return forward_with(call, FORWARD_LOOK, show_one);
}

/* ---- attempts ---- */

struct printing {
	const struct forward_request *rq;
	size_t n;
};

static void
print_attempt(const msgpack_object *row)
{
	const uint64_t status = forward_figure(row, "status");

	paint_time(field_str(row, "at"));
	putchar(' ');
	paint_ago(field_str(row, "at"));
	putchar(' ');
	paint(status >= 200 && status < 300 ? PAINT_GOOD : PAINT_BAD);
	if (status)
		printf("%6llu", (unsigned long long)status);
	else
		printf("%6s", "-");
	paint(PAINT_PLAIN);
	printf(" %6llu ms ", figure(row, "took_ms"));
	text_column(field_str(row, "reason"), REASON);
	printf(" %4llu ", figure(row, "try"));
	text_column(field_str(row, "type"), TYPE);
	putchar(' ');
	if (field_str(row, "cause").n) {
		text_column(field_str(row, "id"), ID);
		putchar(' ');
		text_print(field_str(row, "cause"), 0);
	} else {
		text_print(field_str(row, "id"), 0);
	}
	putchar('\n');
}

static bool
give_attempt(void *arg, const msgpack_object *row)
{
	struct printing *p = arg;

	if (p->n++ == 0 && !p->rq->json) {
		paint(PAINT_BOLD);
		printf("%-*s %-*s %6s %9s %-*s %4s %-*s %-*s %s\n", PAINT_TIME, "TIME (UTC)",
			PAINT_AGO, "", "ANSWER", "TOOK", REASON, "REASON", "TRY", TYPE, "TYPE", ID,
			"ID", "WHY");
		paint(PAINT_PLAIN);
	}
	if (p->rq->json)
		return object_print(row);
	print_attempt(row);
	return !ferror(stdout);
}

static int
list_attempts(struct call *call, struct forward_look *l)
{
	struct printing p = {.rq = call->options};
	struct error why = {""};
	const enum ops_found found = forward_look_attempts(
		l, p.rq->name, p.rq->event, p.rq->limit, give_attempt, &p, &why);

	if (found == OPS_FOUND && p.n == 0 && !p.rq->json)
		fprintf(stderr,
			"nothing was tried that is remembered (the last 10,000, or 7 days)\n");
	return forward_ended(call, found, &why);
}

int
forward_attempts_list(struct call *call)
{
	return forward_with(call, FORWARD_LOOK, list_attempts);
}
