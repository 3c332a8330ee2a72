/* export - see export.h. */
#include "export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "csv.h"
#include "lib/base/clock.h"
#include "lib/base/field.h"
#include "lib/base/json.h"
#include "lib/base/near.h"

enum { STEP_US = 100000, ZONE_BYTES = 16384, PIN_MS = 10000 };

static const struct {
	const char *name;
	bool in_data;
} columns[] = {
#define COLUMN_ROW(name, in_data) {name, in_data},
	EXPORT_COLUMNS(COLUMN_ROW)};

enum { COLUMNS = sizeof columns / sizeof *columns };

bool
export_format_read(
	const char *text, const char *before, enum export_format *format, struct error *why)
{
	static const char *const names[] = {[EXPORT_JSONL] = "jsonl", [EXPORT_CSV] = "csv"};
	struct near near = {.word = text};
	char hint[NEAR_BYTES];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		*format = (enum export_format)i;
		if (strcmp(text, names[i]) == 0)
			return true;
		near_try(&near, names[i]);
	}
	return error_set(why, "%sformat takes csv or jsonl, not \"%.40s\"%s", before, text,
		near_hint(&near, hint));
}

/* An export under way. */
struct export
{
	const struct export_ask *ask;
	struct export_told *told;
	struct error *why;
	struct history_ask row; /* how an event becomes an object */
	msgpack_zone zone;
	msgpack_sbuffer line;
	uint64_t last; /* the last number that is meant */
	bool over, failed;
	uint64_t pinned_ms;
	char pin[32], folder[4096];
};

/* ---- lines ---- */

static void
csv_head(struct export *x)
{
	for (int i = 0; i < COLUMNS; i++) {
		const msgpack_object name = object_of_text(slice_of(columns[i].name));

		csv_add(&x->line, i == 0, &name);
	}
	msgpack_sbuffer_write(&x->line, "\n", 1);
}

static bool
csv_line(struct export *x, const msgpack_object *object)
{
	const msgpack_object *data = field_get(object, "data");

	for (int i = 0; i < COLUMNS; i++)
		csv_add(&x->line, i == 0,
			field_get(columns[i].in_data && data ? data : object, columns[i].name));
	return msgpack_sbuffer_write(&x->line, "\n", 1) == 0;
}

static bool
json_line(struct export *x, const msgpack_object *object)
{
	char *text = json_write(object, false);
	const bool good = text && msgpack_sbuffer_write(&x->line, text, strlen(text)) == 0;

	free(text);
	return good && msgpack_sbuffer_write(&x->line, "\n", 1) == 0;
}

static bool
write_line(struct export *x)
{
	return x->ask->write(x->ask->arg, (struct slice){x->line.data, x->line.size});
}

static bool
visit(void *arg, const struct history_event *event)
{
	struct export *x = arg;
	msgpack_object object;

	if (event->pos > x->last) {
		x->over = true;
		return false;
	}
	msgpack_zone_clear(&x->zone);
	msgpack_sbuffer_clear(&x->line);
	x->failed = !history_look_object(event, &x->row, &x->zone, &object, x->why);
	if (!x->failed &&
		!(x->ask->format == EXPORT_CSV ? csv_line(x, &object) : json_line(x, &object)))
		x->failed = !error_set(x->why, "out of memory");
	x->over = !x->failed && !write_line(x);
	x->told->events += !x->failed && !x->over;
	return !x->failed && !x->over;
}

/* ---- one step after the other ---- */

/* Where nothing can be written, it goes without. */
static void
hold(struct export *x, uint64_t pos)
{
	const uint64_t now_ms = clock_mono_ms();

	if (x->pinned_ms && now_ms - x->pinned_ms < PIN_MS)
		return;
	x->pinned_ms = now_ms;
	history_pin(x->folder, x->pin, pos, true, clock_wall_ms(), NULL);
}

static bool
read_all(struct export *x, struct history_view *view, const struct history_query *q, uint64_t first)
{
	struct history_look look = {.pos = first, .budget_us = STEP_US};

	do {
		hold(x, look.pos);
		if (!history_read(view, q, &look, visit, x, x->why) || x->failed)
			return false;
		x->told->damaged += look.damaged;
		x->told->missed += look.missed;
		x->told->looked = look.pos > x->last ? x->told->meant : look.pos - first;
		x->over |= x->ask->step && !x->ask->step(x->ask->arg, x->told);
	} while (!x->over && !look.complete && look.pos <= x->last);
	return true;
}

static enum ops_found
run(struct export *x, struct history_view *view, const struct history_query *q)
{
	uint64_t first;
	bool good;

	if (history_range(view, &first, &x->last, x->why))
		x->told->meant = first ? x->last - first + 1 : 0;
	else if (first)
		x->last = UINT64_MAX; /* what can be read is */
	else
		return OPS_TROUBLE;
	if (x->ask->format == EXPORT_CSV) {
		csv_head(x);
		x->over = !write_line(x);
	}
	good = !first || x->over || read_all(x, view, q, first);
	history_unpin(x->folder, x->pin, NULL);
	return good ? OPS_FOUND : OPS_TROUBLE;
}

enum ops_found
export_all(struct history_view *view, const struct export_ask *ask, struct export_told *told,
	struct error *why)
{
	struct export x = {.ask = ask, .told = told, .why = why, .row = {.whole = true}};
	struct history_query *q = history_query(view, &ask->filter, why);
	enum ops_found found;

	*told = (struct export_told){.events = 0};
	if (!q)
		return OPS_WRONG;
	if (history_look_gone(view, &ask->filter, why)) {
		history_query_free(&q);
		return OPS_NOT_FOUND;
	}
	snprintf(x.folder, sizeof x.folder, "%s/history", ask->cfg->data_dir);
	snprintf(x.pin, sizeof x.pin, "export-%d", (int)getpid());
	msgpack_zone_init(&x.zone, ZONE_BYTES);
	msgpack_sbuffer_init(&x.line);
	found = run(&x, view, q);
	msgpack_sbuffer_destroy(&x.line);
	msgpack_zone_destroy(&x.zone);
	history_query_free(&q);
	return found;
}
